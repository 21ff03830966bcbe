//! What somebody has logged in with.

use std::sync::Arc;

use super::hash::StoredHash;
use super::own::Link;
use crate::keys::PublicKey;

/// What proved who a principal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Credential {
    /// Nothing: anonymous reading.
    Nothing,
    /// The password of this hash.
    Password(Arc<StoredHash>),
    /// A key.
    Key(Arc<KeyLogin>),
    /// A link that somebody made, by whose rights it gives something.
    Link(Arc<Link>),
}

/// A login with a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeyLogin {
    pub(super) public: PublicKey,
    /// What the users file called it.
    pub(super) name: String,
}

impl Credential {
    /// Whether both are the same password, or the same key whatever it is called.
    pub(super) fn is_same(&self, other: &Credential) -> bool {
        match (self, other) {
            (Credential::Key(one), Credential::Key(other)) => one.public == other.public,
            (Credential::Link(one), Credential::Link(other)) => one.is_same(other),
            _ => self == other,
        }
    }
}
