//! A local folder that downloads go into and can never leave.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use cap_fs_ext::{DirExt, SystemTimeSpec};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use cap_std::time::SystemTime;

use crate::error::{Error, Result};
use crate::mtime::Mtime;
use crate::proto::RelPath;
use crate::store::{Durability, LocalOptions, LocalStore, Staging, Store};

/// A local folder, opened once; nothing a server says can make a download write outside it, whatever links are in it.
/// Cheap to clone.
///
/// Files appear in it whole or not at all; like `cp`, it does not wait until they would outlive a power cut.
#[derive(Clone)]
pub struct Destination {
    inner: Arc<Inner>,
}

struct Inner {
    root: Dir,
    store: LocalStore,
}

impl Destination {
    /// Opens an existing folder.
    ///
    /// # Errors
    /// As for any file: not found, not a folder, permission denied.
    pub fn open(folder: impl AsRef<Path>) -> Result<Destination> {
        let folder = folder.as_ref();
        let failed = |err| Error::file(folder.display(), err);
        let root = Dir::open_ambient_dir(folder, ambient_authority()).map_err(failed)?;
        let options = LocalOptions { durability: Durability::None, staging: Staging::Beside };
        let store = LocalStore::open(root.try_clone().map_err(failed)?, options)?;
        Ok(Destination { inner: Arc::new(Inner { root, store }) })
    }

    /// The folder as a store.
    pub(super) fn store(&self) -> &dyn Store {
        &self.inner.store
    }

    /// Gives a file or folder in it this modification time; the root path is the destination itself.
    pub(super) fn set_mtime(&self, path: &RelPath, mtime: Mtime) -> Result<()> {
        // A time that this platform cannot hold is left as it is.
        let Some(time) = mtime.to_system_time() else { return Ok(()) };
        let time = SystemTimeSpec::Absolute(SystemTime::from_std(time));
        let name = if path.is_root() { Path::new(".") } else { path.as_path() };
        self.inner.root.set_mtime(name, time).map_err(|err| Error::file(path, err))
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination").finish_non_exhaustive()
    }
}
