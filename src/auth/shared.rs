//! Folders that several people share, as the users file defines them, and who has which.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::{Access, Grants};
use crate::files::{Location, RelPath};

/// A folder that is shared with somebody, with what they may do there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedFolder {
    /// What the users file calls it.
    pub name: String,
    /// Where it shows in the homes of those who have it; never the home itself.
    pub at: RelPath,
    /// Where it is.
    pub location: Location,
    /// The most bytes that the files in it may have together, whoever put them there; none: as many as the disk holds.
    pub quota: Option<u64>,
    /// The rights over the files in it.
    pub access: Access,
    /// What they are given to there: a user's name, a group's with `@` before it, or `*` for every named user. Of several groups
    /// all that count, with commas.
    pub given_to: String,
}

impl SharedFolder {
    /// Whether both are one folder in the same place with the same bound; what may be done there may differ.
    pub fn is_same_place(&self, other: &SharedFolder) -> bool {
        (&self.at, &self.location, self.quota) == (&other.at, &other.location, other.quota)
    }
}

/// What stands for every named user.
pub(super) const EVERYBODY: &str = "*";

/// What stands before the name of a group.
pub(super) const GROUP: char = '@';

/// A folder as it is defined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    pub(super) name: String,
    pub(super) at: RelPath,
    pub(super) location: Location,
    pub(super) quota: Option<u64>,
    /// By whom it is given to.
    pub(super) access: BTreeMap<String, Access>,
    /// The line of the users file where its place is said.
    pub(super) line: usize,
    /// What an error about it points at.
    pub(super) span: Range<usize>,
}

impl Definition {
    /// What the users file calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it shows.
    pub fn at(&self) -> &RelPath {
        &self.at
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// [`SharedFolder::quota`].
    pub fn quota(&self) -> Option<u64> {
        self.quota
    }

    /// The line of the users file that says where it is.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Whether anybody may do more than read there.
    pub fn is_changed(&self) -> bool {
        self.access.values().any(|access| access.without(Access::READ) != Access::NONE)
    }
}

/// All groups and folders of a users file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shares {
    /// The users in each group, those of groups inside it among them, in order.
    pub(super) groups: BTreeMap<String, Vec<String>>,
    pub(super) folders: Vec<Definition>,
}

impl Shares {
    /// All folders, in the order of the file.
    pub fn folders(&self) -> &[Definition] {
        &self.folders
    }

    /// Gives a login name, whose other grants these are, the folders that it has.
    pub(super) fn give(&self, name: &str, is_anonymous: bool, grants: &mut Grants) {
        grants.folders.clear();
        grants.home_quota = None;
        for folder in &self.folders {
            let given = self.access_of(folder, name, is_anonymous);
            if folder.location == Location::Below(grants.home.clone()) {
                // It is the home, and nothing else to those whose it is.
                grants.home_quota = folder.quota;
                if let Some((access, _)) = given.filter(|_| is_anonymous) {
                    grants.access = grants.access.intersection(access);
                }
                continue;
            }
            let Some((access, given_to)) = given.filter(|(access, _)| *access != Access::NONE) else { continue };
            let Definition { name, at, location, quota, .. } = folder.clone();
            grants.folders.push(Arc::new(SharedFolder { name, at, location, quota, access, given_to }));
        }
    }

    /// A user's own entry counts alone, else those of all groups the user is in, else that of everybody.
    fn access_of(&self, folder: &Definition, name: &str, is_anonymous: bool) -> Option<(Access, String)> {
        if let Some(access) = folder.access.get(name) {
            return Some((*access, name.to_owned()));
        }
        if is_anonymous {
            return None;
        }
        let is_in = |group: &str| {
            self.groups.get(group).is_some_and(|users| users.binary_search_by(|user| (**user).cmp(name)).is_ok())
        };
        let groups = folder.access.iter().filter(|(to, _)| to.strip_prefix(GROUP).is_some_and(is_in));
        let sum = groups.fold(None, |sum: Option<(Access, String)>, (group, access)| match sum {
            None => Some((*access, group.clone())),
            Some((before, names)) => Some((before.union(*access), format!("{names}, {group}"))),
        });
        sum.or_else(|| folder.access.get(EVERYBODY).map(|access| (*access, EVERYBODY.to_owned())))
    }

    /// Whoever is called so is gone.
    pub(super) fn forget(&mut self, name: &str) {
        self.groups.values_mut().for_each(|users| users.retain(|user| user != name));
        for folder in &mut self.folders {
            folder.access.remove(name);
        }
    }
}
