//! Uploads that a protocol keeps open for whoever began them: who goes on by another way has them put away first, where the storage finds
//! them.

use crate::auth::Principal;
use crate::files::RelPath;

/// What a protocol keeps open.
pub trait Unfinished: Send + Sync {
    /// Puts away what this user, by whatever login, has begun at this path and nobody is at. Blocks.
    fn put_away(&self, user: &Principal, path: &RelPath);
}
