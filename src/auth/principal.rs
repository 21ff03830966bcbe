//! Somebody who has logged in.

use std::net::IpAddr;
use std::sync::Arc;

use super::credential::{Credential, KeyLogin};
use super::hash::StoredHash;
use super::{Access, Grants, Standing, User, UserKey};

/// Somebody who has logged in, and what they may do. Made by [`super::Users::verify`] and [`super::Users::verify_keys`]
/// and by nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    name: String,
    home: String,
    grants: Grants,
    quota: Option<u64>,
    /// What they logged in with.
    credential: Credential,
}

impl Principal {
    /// A named user whose password, of this hash, was right.
    pub(super) fn with_password(user: &User, hash: &StoredHash) -> Principal {
        let credential = Credential::Password(Arc::new(hash.clone()));
        Principal { quota: user.quota(), ..Principal::of(user.standing(), credential) }
    }

    /// A named user who has proven to hold this key of theirs, from that address. The key bounds the rights.
    pub(super) fn with_key(user: &User, key: &UserKey, from: IpAddr) -> Principal {
        let login = KeyLogin { public: key.public.clone(), name: key.name.clone(), from };
        let standing = Standing { grants: user.grants_of(key), ..user.standing() };
        Principal { quota: user.quota(), ..Principal::of(standing, Credential::Key(Arc::new(login))) }
    }

    /// Anybody, where anonymous reading is on.
    pub(super) fn anonymous(home: &str) -> Principal {
        Principal::of(Standing::anonymous(home), Credential::Nothing)
    }

    fn of(standing: Standing<'_>, credential: Credential) -> Principal {
        let Standing { name, home, grants } = standing;
        Principal { name: name.to_owned(), home: home.to_owned(), grants, quota: None, credential }
    }

    /// Whether the other is the same user with the same folder and quota, and has logged in with the same password or key;
    /// what each may do there may differ.
    pub fn is_same_user(&self, other: &Principal) -> bool {
        (&self.name, &self.home, self.quota) == (&other.name, &other.home, other.quota)
            && self.has_same_credential(other)
    }

    /// Whether the other has logged in with the same password or key, or both with none.
    pub(super) fn has_same_credential(&self, other: &Principal) -> bool {
        self.credential.is_same(&other.credential)
    }

    /// What they logged in with.
    pub(super) fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The name of the key that they logged in with; none if it was a password, or nobody in particular.
    pub fn key_name(&self) -> Option<&str> {
        match &self.credential {
            Credential::Key(login) => Some(&login.name),
            Credential::Nothing | Credential::Password(_) => None,
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
        self.credential == Credential::Nothing
    }
}
