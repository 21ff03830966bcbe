//! What a login name may do: the one struct of it. It is read and written in `grants_table`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Access, Link, Network, PasswordRule, PathRule, SelfService, SharedFolder, UserKey};
use crate::files::{HomeTerms, Umask};

/// What the users file grants a login name. It opens nothing: for that there must be a [`super::Principal`], who has one of
/// these.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grants {
    /// The home as a path below the data directory: relative, `/` between its parts, no `.`, `..`, empty, reserved or
    /// control-character part, at most [`crate::limits::PATH_MAX`] bytes and [`crate::limits::DEPTH_MAX`] deep.
    pub home: String,
    /// The rights over the files in the home.
    pub access: Access,
    /// Whether the administration verbs are allowed.
    pub admin: bool,
    /// How the home is kept.
    pub terms: HomeTerms,
    /// What may be changed about the own login.
    pub self_service: SelfService,
    /// Whether the user may be logged in at all.
    pub enabled: bool,
    /// The first moment at which the user may not any more.
    pub expires: Option<SystemTime>,
    /// From where the user may be logged in; empty: from everywhere.
    pub from: Vec<Network>,
    /// How many sessions of the user may be open at once, those of one login on several connections counted once; none: as
    /// many as the server takes.
    pub max_sessions: Option<u32>,
    /// How fast the bytes of all sessions of the user move together.
    pub limit_rate: RateLimits,
    /// Rules for parts of the home, which count in place of `access` there: of several the first.
    pub rules: Vec<PathRule>,
    /// The folders that are shared with the user, none inside of another.
    pub folders: Vec<Arc<SharedFolder>>,
    /// How the home is kept, where that is itself a shared folder.
    pub home_folder: HomeTerms,
    /// What is made is not open to this; none: to what the storage says itself.
    pub umask: Option<Umask>,
    /// What is made in the home itself is not open to this; none: to what the storage says itself. It is another one than `umask` where the
    /// home is itself a shared folder.
    pub home_umask: Option<Umask>,
}

/// Bytes a second at most, at least [`crate::limits::THROTTLE_MIN`]; none: as many as the machine can.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// From the server.
    pub down: Option<u64>,
    /// To the server.
    pub up: Option<u64>,
}

/// Why somebody may not be logged in, whatever they prove. It is for the log: those who try are told the same as of a wrong
/// password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Barred {
    /// [`Grants::enabled`] is off.
    #[error("the user is disabled")]
    Disabled,
    /// The moment [`Grants::expires`] has come.
    #[error("the user has expired")]
    Expired,
    /// The address is in none of the networks of [`Grants::from`].
    #[error("the user does not log in from there")]
    Elsewhere,
}

impl Grants {
    /// What a user has whose section says nothing, in a file that says nothing of all: every right in this home.
    pub fn new(home: impl Into<String>) -> Grants {
        Grants {
            home: home.into(),
            access: Access::FULL,
            admin: false,
            terms: HomeTerms::none(),
            self_service: SelfService::ALL,
            enabled: true,
            expires: None,
            from: Vec::new(),
            max_sessions: None,
            limit_rate: RateLimits::default(),
            rules: Vec::new(),
            folders: Vec::new(),
            home_folder: HomeTerms::none(),
            umask: None,
            home_umask: None,
        }
    }

    /// Anybody's, where anonymous reading is on with this home.
    pub(super) fn anonymous(home: String, limit_rate: RateLimits) -> Grants {
        Grants { access: Access::READ, self_service: SelfService::NONE, limit_rate, ..Grants::new(home) }
    }

    /// Whether somebody who has these may be logged in from there at that time.
    ///
    /// # Errors
    /// Why not.
    pub fn admits(&self, from: IpAddr, now: SystemTime) -> Result<(), Barred> {
        let is_near = self.from.is_empty() || self.from.iter().any(|network| network.contains(from));
        match () {
            () if !self.enabled => Err(Barred::Disabled),
            () if self.expires.is_some_and(|end| end <= now) => Err(Barred::Expired),
            () if !is_near => Err(Barred::Elsewhere),
            () => Ok(()),
        }
    }

    /// What is left to whoever comes by this link: this access, in this shared folder if it leads into one, and nothing that is for a user. How
    /// many come is no matter of the maker's sessions. None: it leads to nothing there.
    pub(super) fn of_link(self, link: &Link, access: Access, folder: Option<Arc<SharedFolder>>) -> Option<Grants> {
        let folders = match folder {
            None => Vec::new(),
            Some(folder) => vec![Arc::new(folder.by_link(link, access)?)],
        };
        let rules = Vec::new();
        Some(Grants {
            access,
            admin: false,
            self_service: SelfService::NONE,
            max_sessions: None,
            rules,
            folders,
            ..self
        })
    }

    /// Whether the other has the same folders in the same places; what may be done in them may differ.
    pub fn has_same_folders(&self, other: &Grants) -> bool {
        let (one, other) = (&self.folders, &other.folders);
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.is_same_place(other))
    }

    /// What is left to a session of this key: no more than the key allows, and nothing of an administrator's if it bounds
    /// anything.
    pub fn within(&self, key: &UserKey) -> Grants {
        match key.access() {
            None => self.clone(),
            Some(bound) => {
                let access = self.access.intersection(bound);
                let mut within = Grants { access, admin: false, self_service: SelfService::NONE, ..self.clone() };
                for rule in &mut within.rules {
                    rule.access = rule.access.intersection(bound);
                }
                for folder in &mut within.folders {
                    let access = folder.access.intersection(bound);
                    *folder = Arc::new(SharedFolder { access, ..SharedFolder::clone(folder) });
                }
                within
            }
        }
    }
}

/// What a users file says of all its users: what it grants those whose own sections say nothing of it, and what their passwords have to
/// be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Defaults {
    grants: Grants,
    pub(super) passwords: PasswordRule,
}

impl Defaults {
    /// Those of a file without `[defaults]`.
    pub(super) fn none() -> Defaults {
        Defaults { grants: Grants::new(""), passwords: PasswordRule::default() }
    }

    /// These, with this rule for passwords.
    pub(super) fn asking(self, passwords: PasswordRule) -> Defaults {
        Defaults { passwords, ..self }
    }

    /// What these are read over.
    pub(super) fn map<E>(self, read: impl FnOnce(Grants) -> Result<Grants, E>) -> Result<Defaults, E> {
        read(self.grants).map(|grants| Defaults { grants, passwords: self.passwords })
    }

    /// Those of a user of this name, whose home is called so too.
    pub(super) fn of(&self, name: &str) -> Grants {
        Grants { home: name.to_owned(), ..self.grants.clone() }
    }
}
