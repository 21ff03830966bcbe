//! Somebody who has logged in.

use std::sync::Arc;

use super::hash::StoredHash;
use super::names::ANONYMOUS;
use super::{Access, User};

/// Somebody who has logged in, and what they may do. Made by [`super::Users::verify`] and by nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    name: String,
    home: String,
    access: Access,
    admin: bool,
    anonymous: bool,
    quota: Option<u64>,
    /// What the password was checked against; anonymous reading has none.
    hash: Option<Arc<StoredHash>>,
}

impl Principal {
    /// A named user whose password was right.
    pub(super) fn named(user: &User) -> Principal {
        Principal {
            name: user.name().to_owned(),
            home: user.home().to_owned(),
            access: user.access(),
            admin: user.is_admin(),
            anonymous: false,
            quota: user.quota(),
            hash: Some(Arc::new(user.hash.clone())),
        }
    }

    /// Anybody, where anonymous reading is on.
    pub(super) fn anonymous(home: &str) -> Principal {
        Principal {
            name: ANONYMOUS.to_owned(),
            home: home.to_owned(),
            access: Access::READ,
            admin: false,
            anonymous: true,
            quota: None,
            hash: None,
        }
    }

    /// The user's name as the users file has it, or `anonymous`. No control characters, no slash.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The home as a path below the data directory: relative, `/` between its parts, no `.`, `..`, empty, reserved or
    /// control-character part, at most [`crate::limits::PATH_MAX`] bytes and [`crate::limits::DEPTH_MAX`] deep.
    pub fn home(&self) -> &str {
        &self.home
    }

    /// The rights over the files in the home.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Whether the administration verbs are allowed.
    pub fn is_admin(&self) -> bool {
        self.admin
    }

    /// The most bytes that the files in the home may have together; none: as many as the disk holds.
    pub fn quota(&self) -> Option<u64> {
        self.quota
    }

    /// Whether this is nobody in particular.
    pub fn is_anonymous(&self) -> bool {
        self.anonymous
    }
}
