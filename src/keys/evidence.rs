//! What proves once more who somebody is.

use super::Proof;
#[cfg(doc)]
use crate::limits;
use crate::secret::Secret;

/// What proves once more who somebody is that is logged in.
#[derive(Debug, Clone)]
pub enum Evidence {
    /// The present password.
    Password(Secret),
    /// Signatures of keys that log in, at least one and at most [`limits::KEY_PROOFS_MAX`].
    Keys(Vec<Proof>),
}
