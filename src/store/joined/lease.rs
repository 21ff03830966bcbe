//! A store that is taken back from all who have it.

use std::sync::{Arc, Weak};

use crate::error::{Error, Kind, Result};
use crate::files::{RelPath, Store};
use crate::sync::Mutex;

type Held = Mutex<Option<Arc<dyn Store>>>;

/// The store of a folder for as long as the folder is there for whoever has this: somebody else can end that, also while they rest.
/// What they have open in it stays open until they are through with it.
#[derive(Clone)]
pub struct Lease(Arc<Held>);

impl Lease {
    /// Of this store.
    pub fn of(store: Arc<dyn Store>) -> Lease {
        Lease(Arc::new(Mutex::new(Some(store))))
    }

    /// The store, if it has not been taken back.
    pub fn get(&self) -> Option<Arc<dyn Store>> {
        self.0.lock().clone()
    }

    /// The store for whoever wants this path of it.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub(super) fn store(&self, path: &RelPath) -> Result<Arc<dyn Store>> {
        self.get().ok_or_else(|| Error::new(Kind::NotFound, path.said("this folder is shared no more")))
    }

    /// For whoever ends it.
    pub fn weak(&self) -> WeakLease {
        WeakLease(Arc::downgrade(&self.0))
    }
}

/// A lease that somebody else has.
pub struct WeakLease(Weak<Held>);

impl WeakLease {
    /// Whether nobody has it any more.
    pub fn is_over(&self) -> bool {
        self.0.strong_count() == 0
    }

    /// Takes the store back; it is let go of when what is returned is.
    #[must_use]
    pub fn end(&self) -> Option<Arc<dyn Store>> {
        self.0.upgrade()?.lock().take()
    }
}
