//! Somebody who has logged in.

use std::sync::Arc;

use super::hash::StoredHash;
use super::{Access, Grants, Standing, User};

/// Somebody who has logged in, and what they may do. Made by [`super::Users::verify`] and by nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    name: String,
    home: String,
    grants: Grants,
    anonymous: bool,
    quota: Option<u64>,
    /// What the password was checked against; anonymous reading has none.
    hash: Option<Arc<StoredHash>>,
}

impl Principal {
    /// A named user whose password was right.
    pub(super) fn named(user: &User) -> Principal {
        let hash = user.hash().cloned().map(Arc::new);
        Principal { quota: user.quota(), hash, ..Principal::of(user.standing(), false) }
    }

    /// Anybody, where anonymous reading is on.
    pub(super) fn anonymous(home: &str) -> Principal {
        Principal::of(Standing::anonymous(home), true)
    }

    fn of(standing: Standing<'_>, anonymous: bool) -> Principal {
        let Standing { name, home, grants } = standing;
        Principal { name: name.to_owned(), home: home.to_owned(), grants, anonymous, quota: None, hash: None }
    }

    /// Whether the other is the same user with the same folder, quota and password; what each may do there may differ.
    pub fn is_same_user(&self, other: &Principal) -> bool {
        Principal { grants: other.grants, ..self.clone() } == *other
    }

    /// Whether the other was checked against the same password, or both against none.
    pub(super) fn has_same_password(&self, other: &Principal) -> bool {
        self.hash == other.hash
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

    /// What is allowed.
    pub fn grants(&self) -> Grants {
        self.grants
    }

    /// The rights over the files in the home.
    pub fn access(&self) -> Access {
        self.grants.access
    }

    /// Whether the administration verbs are allowed.
    pub fn is_admin(&self) -> bool {
        self.grants.admin
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
