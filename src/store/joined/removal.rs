//! What is removed in one of the folders that show in a home.

use super::JoinedStore;
use super::route::ShownPath;
use crate::error::Result;
use crate::files::{Keep, RelPath, Removed, Removing, Store};

impl JoinedStore {
    /// Removes what is at this path where it is, and keeps it, if it is kept, under the path that it has there.
    pub(super) fn keeping<T>(
        &self,
        path: &RelPath,
        keep: Keep<'_>,
        remove: impl FnOnce(&dyn Store, &RelPath, Keep<'_>) -> Result<T>,
    ) -> Result<T> {
        self.refuse_fixed(path)?;
        let route = self.route(path)?;
        let called = match (keep, route.at) {
            (Keep::As(called), Some(at)) => called.strip_prefix(at),
            (Keep::As(called), None) => Some(called.clone()),
            (Keep::Nothing, _) => None,
        };
        route.with(|store, path| {
            let keep = match keep {
                Keep::Nothing => Keep::Nothing,
                Keep::As(_) => Keep::As(called.as_ref().unwrap_or(path)),
            };
            remove(store, path, keep)
        })
    }
}

/// A removal that goes on.
pub(super) struct JoinedRemoving {
    pub(super) removing: Box<dyn Removing>,
    pub(super) path: ShownPath,
}

impl Removing for JoinedRemoving {
    fn step(&mut self) -> Result<bool> {
        self.removing.step().map_err(|error| self.path.told(error))
    }

    fn removed(&self) -> Removed {
        self.removing.removed()
    }
}
