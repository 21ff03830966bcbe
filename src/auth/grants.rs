//! What a login name may do: the one struct of it. It is read and written in `grants_table`.

use super::{Access, SelfService, UserKey};

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
    /// The most bytes that the files in the home may have together; none: as many as the disk holds.
    pub quota: Option<u64>,
    /// What may be changed about the own login.
    pub self_service: SelfService,
}

impl Grants {
    /// What a user has whose section says nothing, in a file that says nothing of all: every right in this home.
    pub fn new(home: impl Into<String>) -> Grants {
        Grants { home: home.into(), access: Access::FULL, admin: false, quota: None, self_service: SelfService::ALL }
    }

    /// Anybody's, where anonymous reading is on with this home.
    pub(super) fn anonymous(home: String) -> Grants {
        Grants { access: Access::READ, self_service: SelfService::NONE, ..Grants::new(home) }
    }

    /// What is left to a session of this key: no more than the key allows, and nothing of an administrator's if it bounds
    /// anything.
    pub fn within(&self, key: &UserKey) -> Grants {
        match key.access() {
            None => self.clone(),
            Some(bound) => {
                let access = self.access.intersection(bound);
                Grants { access, admin: false, self_service: SelfService::NONE, ..self.clone() }
            }
        }
    }
}

/// What a users file grants those of its users whose own sections say nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Defaults(Grants);

impl Defaults {
    /// Those of a file without `[defaults]`.
    pub(super) fn none() -> Defaults {
        Defaults(Grants::new(""))
    }

    /// The same but for what is changed.
    pub(super) fn changed(mut self, change: impl FnOnce(&mut Grants)) -> Defaults {
        change(&mut self.0);
        self
    }

    /// Those of a user of this name, whose home is called so too.
    pub(super) fn of(&self, name: &str) -> Grants {
        Grants { home: name.to_owned(), ..self.0.clone() }
    }
}
