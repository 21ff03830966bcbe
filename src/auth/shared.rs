//! Folders that several people share, as the users file defines them, and who has which.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::{Access, Grants, Link, LinkTo};
use crate::files::{HomeTerms, Location, RelPath, Umask};

/// A folder that is shared with somebody, with what they may do there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedFolder {
    /// What the users file calls it.
    pub name: String,
    /// Where it shows in the homes of those who have it; never the home itself, but for whoever came by a link to read.
    pub at: RelPath,
    /// Where it is.
    pub location: Location,
    /// What of it shows there: all of it, or what a link to read begins at.
    pub inside: RelPath,
    /// How it is kept, whoever puts something there.
    pub terms: HomeTerms,
    /// What is made there is not open to this, whoever makes it; none: to each maker's own ([`Grants::umask`]).
    pub umask: Option<Umask>,
    /// The rights over the files in it.
    pub access: Access,
    /// What they are given to there: a user's name, a group's with `@` before it, or `*` for every named user. Of several groups
    /// all that count, with commas.
    pub given_to: String,
}

impl SharedFolder {
    /// Whether both are one folder in the same place with the same bound; what may be done there may differ.
    pub fn is_same_place(&self, other: &SharedFolder) -> bool {
        let SharedFolder { at, location, inside, terms, .. } = other;
        (&self.at, &self.location, &self.inside, &self.terms) == (at, location, inside, terms)
    }

    /// What is at this path of somebody who has it is there in the folder itself; none: it is elsewhere.
    pub fn path_in(&self, path: &RelPath) -> Option<RelPath> {
        let shown = path.strip_prefix(&self.at)?;
        // What is too long there is nowhere.
        Some(self.inside.join(shown.as_bytes()).unwrap_or(shown))
    }

    /// What is left of it to whoever came by this link into it, who may do this. To put files in it shows where it does to the link's maker; to
    /// read it begins where the link leads to, or at the folder of the file.
    pub(super) fn by_link(&self, link: &Link, access: Access) -> Option<SharedFolder> {
        let path = link.path.strip_prefix(&self.at)?;
        let (at, inside) = match link.to {
            LinkTo::Inbox(_) => (self.at.clone(), RelPath::root()),
            LinkTo::Folder => (RelPath::root(), path),
            LinkTo::File => (RelPath::root(), path.parent()?),
        };
        Some(SharedFolder { at, inside, access, ..self.clone() })
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
    pub(super) terms: HomeTerms,
    pub(super) umask: Option<Umask>,
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

    /// [`SharedFolder::terms`].
    pub fn terms(&self) -> HomeTerms {
        self.terms
    }

    /// [`SharedFolder::umask`].
    pub fn umask(&self) -> Option<Umask> {
        self.umask
    }

    /// The line of the users file that says where it is.
    pub fn line(&self) -> usize {
        self.line
    }

    /// To whom it is given, with the rights there: a user's name, a group's with `@` before it, `*` for every named user, or
    /// `anonymous`.
    pub fn access(&self) -> &BTreeMap<String, Access> {
        &self.access
    }

    /// Whether anybody may change something there.
    pub fn is_changed(&self) -> bool {
        self.access.values().any(|access| access.changes())
    }

    /// Whether both define one folder in one way, wherever that stands in the text.
    pub(super) fn is_same(&self, other: &Definition) -> bool {
        let (line, span) = (other.line, other.span.clone());
        *other == Definition { line, span, ..self.clone() }
    }
}

/// A group as it is defined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    pub(super) members: Vec<String>,
    pub(super) users: Vec<String>,
}

impl Group {
    /// Its members as they are written: users, and groups with `@` before them.
    pub fn members(&self) -> &[String] {
        &self.members
    }

    /// The users in it, those of groups in it among them, in order.
    pub fn users(&self) -> &[String] {
        &self.users
    }
}

/// All groups and folders of a users file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shares {
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) folders: Vec<Definition>,
}

impl Shares {
    /// All folders, in the order of the file.
    pub fn folders(&self) -> &[Definition] {
        &self.folders
    }

    /// The folder of this name.
    pub fn folder(&self, name: &str) -> Option<&Definition> {
        self.folders.iter().find(|folder| folder.name == name)
    }

    /// All groups, in the order of their names.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &Group)> {
        self.groups.iter().map(|(name, group)| (name.as_str(), group))
    }

    /// The group of this name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(name)
    }

    /// The groups that this user is in, those by way of others among them.
    pub fn groups_of(&self, name: &str) -> Vec<&str> {
        let groups = self.groups.iter().filter(|(_, group)| group.users.iter().any(|user| user == name));
        groups.map(|(group, _)| group.as_str()).collect()
    }

    /// Gives a login name, whose other grants these are, the folders that it has.
    pub(super) fn give(&self, name: &str, is_anonymous: bool, grants: &mut Grants) {
        grants.folders.clear();
        grants.home_folder = HomeTerms::none();
        grants.home_umask = None;
        for folder in &self.folders {
            let given = self.access_of(folder, name, is_anonymous);
            if folder.location == Location::Below(grants.home.clone()) {
                // It is the home, and nothing else to those whose it is.
                grants.home_folder = folder.terms;
                grants.home_umask = folder.umask;
                if let Some((access, _)) = given.filter(|_| is_anonymous) {
                    grants.access = grants.access.intersection(access);
                }
                continue;
            }
            let Some((access, given_to)) = given.filter(|(access, _)| *access != Access::NONE) else { continue };
            let (name, at, location) = (folder.name.clone(), folder.at.clone(), folder.location.clone());
            let (terms, umask, inside) = (folder.terms, folder.umask, RelPath::root());
            grants.folders.push(Arc::new(SharedFolder { name, at, location, inside, terms, umask, access, given_to }));
        }
    }

    /// A user's own entry counts alone, else those of all groups the user is in, else that of everybody.
    fn access_of(&self, folder: &Definition, name: &str, is_anonymous: bool) -> Option<(Access, String)> {
        // No user is called as a group or everybody is, wherever users come from.
        let is_one = !name.starts_with(GROUP) && name != EVERYBODY;
        if let Some(access) = folder.access.get(name).filter(|_| is_one) {
            return Some((*access, name.to_owned()));
        }
        if is_anonymous {
            return None;
        }
        let is_in = |group: &str| {
            let users = self.groups.get(group).map(|group| &group.users);
            users.is_some_and(|users| users.binary_search_by(|user| (**user).cmp(name)).is_ok())
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
        for group in self.groups.values_mut() {
            group.members.retain(|member| member != name);
            group.users.retain(|user| user != name);
        }
        for folder in &mut self.folders {
            folder.access.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Users;

    const HASH: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn users(more: &str) -> Users {
        let people: String =
            ["alice", "bob", "carol"].map(|user| format!("[users.{user}]\npassword = \"{HASH}\"\n")).concat();
        Users::parse(&format!("[anonymous]\nenabled = true\n{people}{more}"), "users.toml").unwrap()
    }

    fn given(users: &Users, name: &str) -> Vec<String> {
        let grants = users.grants_of(name).unwrap();
        grants.folders.iter().map(|folder| format!("{} {} {}", folder.at, folder.access, folder.given_to)).collect()
    }

    #[test]
    fn a_name_counts_before_groups_and_these_together_before_everybody() {
        let users = users(
            "[groups.a]\nmembers = [\"alice\", \"bob\"]\n[groups.b]\nmembers = [\"@a\", \"carol\"]\n\
             [folders.x]\naccess = { alice = \"list\", \"@a\" = \"download\", \"@b\" = \"upload\", \"*\" = \"full\" }\n\
             [folders.y]\naccess = { \"*\" = \"read\", carol = [], anonymous = \"read\" }\n",
        );
        assert_eq!(given(&users, "alice"), ["x list alice", "y read *"]);
        assert_eq!(given(&users, "bob"), ["x download,upload @a, @b", "y read *"]);
        assert_eq!(given(&users, "carol"), ["x upload @b"]);
        assert_eq!(given(&users, "anonymous"), ["y read anonymous"]);
    }

    #[test]
    fn nobody_is_called_as_a_group_or_everybody_is() {
        let shared = "[groups.staff]\nmembers = [\"alice\"]\n[folders.x]\naccess = { \"@staff\" = \"full\", \"*\" = \"list\" }\n";
        for name in ["@staff", "*"] {
            let text =
                format!("{shared}[users.alice]\npassword = \"{HASH}\"\n[users.\"{name}\"]\npassword = \"{HASH}\"\n");
            let said = Users::parse(&text, "f").unwrap_err();
            assert!(said.text().starts_with("f:7: ") && said.text().contains("stands for others"), "{}", said.text());
            // Wherever else a name may come from.
            let users = users(shared);
            let given = users.shares().access_of(users.shares().folder("x").unwrap(), name, false);
            assert_eq!(given.unwrap().1, "*", "{name}");
        }
    }

    #[test]
    fn a_folder_that_is_the_home_shows_nowhere_else_and_bounds_it() {
        let users = users(
            "[folders.public]\nquota = \"5 MiB\"\naccess = { anonymous = [\"download\"], \"*\" = \"read\" }\n\
             [folders.own]\npath = \"carol\"\naccess = { \"*\" = \"read\" }\n",
        );
        let anonymous = users.grants_of("anonymous").unwrap();
        assert!(anonymous.folders.is_empty());
        assert_eq!((anonymous.access, anonymous.home_folder.quota), (Access::DOWNLOAD, Some(5 << 20)));
        assert_eq!(given(&users, "alice"), ["public read *", "own read *"]);
        let carol = users.grants_of("carol").unwrap();
        assert_eq!((given(&users, "carol"), carol.access), (vec!["public read *".to_owned()], Access::FULL));
    }

    #[test]
    fn two_folders_show_in_one_place_to_different_people_and_not_to_the_same() {
        let two = |one: &str, other: &str| {
            format!(
                "[folders.x]\nas = \"team\"\naccess = {{ {one} = \"read\" }}\n[folders.y]\nas = \"team/in\"\naccess = {{ {other} = \"read\" }}\n"
            )
        };
        assert_eq!(given(&users(&two("alice", "bob")), "bob"), ["team/in read bob"]);
        let people = format!("[users.alice]\npassword = \"{HASH}\"\n");
        let said = Users::parse(&format!("{people}{}", two("alice", "\"*\"")), "f").unwrap_err();
        assert!(said.text().starts_with("f:6: alice would have [folders.x] at /team and"), "{}", said.text());
    }

    #[test]
    fn many_users_and_folders_take_no_long_time() {
        let mut text = String::new();
        for number in 0..2_000 {
            text += &format!("[users.u{number}]\npassword = \"{HASH}\"\n");
        }
        let members: Vec<String> = (0..2_000).map(|number| format!("\"u{number}\"")).collect();
        text += &format!("[groups.all]\nmembers = [{}]\n", members.join(", "));
        for number in 0..100 {
            text += &format!("[folders.f{number}]\naccess = {{ \"@all\" = \"read\" }}\n");
        }
        let users = Users::parse(&text, "f").unwrap();
        assert_eq!(users.grants_of("u7").unwrap().folders.len(), 100);
    }
}
