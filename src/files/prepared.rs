//! Changes that are done but for their commit, and how each finds the way back to the store that made it.
//!
//! A commit takes many changes at once, so that they share their syncs, and a store needs its own type of each. So a store
//! keeps what it has prepared in a table of its own, a [`PreparedSet`], and gives out handles to it, [`Prepared`]: nothing
//! is ever converted from one type to another.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Committed, FileMode};
use crate::error::{Error, Kind, Result};
use crate::sync::Mutex;

/// An upload that is whole, a folder that was just made, what just came back from the trash, or a mode that a file was just given, waiting for [`super::Store::commit`] of
/// the store it is from. Dropped without one the upload leaves nothing behind; the others stay, but maybe not after a power cut.
pub struct Prepared {
    id: u64,
    set: Arc<dyn Forget>,
}

/// What became of a prepared change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Done {
    /// A file is in its place.
    File(Committed),
    /// A folder is there and stays.
    Folder {
        /// How many were made for it: itself and those above it, but for those that were there.
        made: u64,
    },
    /// What was deleted or replaced is there again and stays.
    Restored,
    /// A file has this mode and keeps it.
    Mode(FileMode),
}

/// A mode that a file has by now.
pub enum NewMode {
    /// It keeps it.
    Kept(FileMode),
    /// It keeps it when this was committed; before that maybe not after a power cut.
    Waits(Prepared),
}

/// What a store said of so many changes, one for each: none is told what became of another.
pub(crate) fn one_each(mut said: Vec<Result<Done>>, changes: usize) -> Vec<Result<Done>> {
    said.truncate(changes);
    said.resize_with(changes, || Err(untold()));
    said
}

/// A store has kept what became of a change to itself.
pub(crate) fn untold() -> Error {
    Error::new(Kind::Internal, "the store has not said what became of it")
}

/// What one store has prepared: `T` is its own type of a change. Clones are the same set.
pub struct PreparedSet<T>(Arc<Mutex<Changes<T>>>);

struct Changes<T> {
    /// By the number in its handle.
    waiting: HashMap<u64, T>,
    next: u64,
}

/// What a handle needs of its set.
trait Forget: Send + Sync {
    fn forget(&self, id: u64);
}

impl<T: Send> Forget for Mutex<Changes<T>> {
    fn forget(&self, id: u64) {
        let forgotten = self.lock().waiting.remove(&id);
        // Removing a file is not done under the lock.
        drop(forgotten);
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        self.set.forget(self.id);
    }
}

impl<T> Default for PreparedSet<T> {
    fn default() -> Self {
        PreparedSet(Arc::new(Mutex::new(Changes { waiting: HashMap::new(), next: 0 })))
    }
}

impl<T> Clone for PreparedSet<T> {
    fn clone(&self) -> Self {
        PreparedSet(Arc::clone(&self.0))
    }
}

impl<T: Send + 'static> PreparedSet<T> {
    /// Keeps this change until its handle comes back or is dropped.
    pub fn add(&self, change: T) -> Prepared {
        let mut changes = self.0.lock();
        let id = changes.next;
        changes.next += 1;
        changes.waiting.insert(id, change);
        Prepared { id, set: Arc::clone(&self.0) as Arc<dyn Forget> }
    }

    /// Whether this handle is to a change of this set.
    pub fn owns(&self, prepared: &Prepared) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&prepared.set), Arc::as_ptr(&self.0))
    }

    /// Gives back the change of this handle.
    ///
    /// # Errors
    /// [`Kind::Internal`] if it is from another store.
    pub fn take(&self, prepared: Prepared) -> Result<T> {
        let change = if self.owns(&prepared) { self.0.lock().waiting.remove(&prepared.id) } else { None };
        change.ok_or_else(|| Error::new(Kind::Internal, "a change that another store has prepared"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_leads_to_its_change_once_and_in_its_own_set_alone() {
        let (set, other) = (PreparedSet::default(), PreparedSet::default());
        let (first, second) = (set.add("first"), set.add("second"));
        let foreign = other.add("foreign");
        assert_eq!(set.clone().take(second).unwrap(), "second");
        assert_eq!(set.take(foreign).unwrap_err().kind(), Kind::Internal);
        assert!(other.0.lock().waiting.is_empty(), "what was taken to the wrong store is given up");
        assert_eq!(set.take(first).unwrap(), "first");
    }

    #[test]
    fn a_handle_that_is_dropped_gives_its_change_up() {
        let set = PreparedSet::default();
        let change = Arc::new(());
        let prepared = set.add(Arc::clone(&change));
        assert_eq!(Arc::strong_count(&change), 2);
        drop(prepared);
        assert_eq!(Arc::strong_count(&change), 1);
    }
}
