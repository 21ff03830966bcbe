//! What all stores over one tree of folders share, so that what one of them changes counts for the others at once.
//!
//! Putting a file in its place takes steps: its folder is found, what has its name is looked at, the name is given.
//! Those who take such steps hold the tree steady, side by side; who renames anything, or decides on what a file holds,
//! is alone meanwhile. Both last for a few system calls and never for a sync, a read of a file or a wait for a client.
//!
//! Handles of folders that a store keeps are good for one count of moves: whatever makes the name of a folder lead
//! elsewhere adds to it before it is answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The changes of names in one tree of folders. Stores over it, or over folders inside of each other, should share one;
/// a store with one of its own sees what others do as late as it sees what other programs do.
#[derive(Default, Debug)]
pub struct Tree {
    names: RwLock<()>,
    moves: AtomicU64,
}

/// While this is held no name in the tree comes to stand for another folder, and no condition is decided.
pub(super) struct Steady<'a>(#[expect(dead_code, reason = "held")] RwLockReadGuard<'a, ()>);

/// While this is held no other store changes a name in the tree.
pub(super) struct Alone<'a>(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'a, ()>);

impl Tree {
    // There is nothing under the lock that a panic could have left half-changed.
    pub(super) fn steady(&self) -> Steady<'_> {
        Steady(self.names.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn alone(&self) -> Alone<'_> {
        Alone(self.names.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often the name of a folder has come to lead elsewhere.
    pub(super) fn moves(&self) -> u64 {
        self.moves.load(Ordering::Acquire)
    }

    /// A folder, or a link that may lead to one, has lost its name.
    pub(super) fn moved(&self) {
        self.moves.fetch_add(1, Ordering::Release);
    }
}
