//! The names of what is kept of interrupted uploads.

use super::Tree;
use crate::sync::{Mutex, MutexGuard};

/// Held by whoever changes one.
pub(super) type Names = Mutex<()>;

impl Tree {
    /// Held, for a few calls of the system and while the tree is steady, by whoever gives or takes a name of what is kept of an interrupted
    /// upload: what had the name is what is taken off. Where other nodes serve the tree such files are not counted, and nobody is to
    /// wait for a call that does not come back.
    pub(in super::super) fn partials(&self) -> Option<MutexGuard<'_, ()>> {
        (!self.is_across()).then(|| self.partials.lock())
    }
}
