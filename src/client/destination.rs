//! A local folder that downloads go into and can never leave.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Timespec, Timestamps, UTIME_OMIT, unlinkat, utimensat};

use crate::error::{Error, Result};
use crate::escape::for_people;
use crate::files::{Durability, Mtime, RelPath, Store};
use crate::store::{LocalOptions, LocalStore, Staging};

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

    /// Removes what has this name in a folder of it, also a name that no path can have. Never what a link leads to, and
    /// a folder only if it is empty.
    pub(super) fn remove_name(&self, folder: &RelPath, name: &[u8], is_folder: bool) -> Result<()> {
        let shown = || for_people(&[folder.as_bytes(), b"/", name].concat()).trim_start_matches('/').to_owned();
        let failed = |err: std::io::Error| Error::file(shown(), err);
        let folder = match folder.is_root() {
            true => self.inner.root.try_clone(),
            false => self.inner.root.open_dir(folder.as_path()),
        };
        let flags = if is_folder { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        unlinkat(folder.map_err(failed)?, name, flags).map_err(|err| failed(err.into()))
    }

    /// Gives a file or folder in it this modification time; the root path is the destination itself.
    pub(super) fn set_mtime(&self, path: &RelPath, mtime: Mtime) -> Result<()> {
        let failed = |err: std::io::Error| Error::file(path, err);
        // Not by a crate's `set_mtime`: that one panics at a time before 1970, and this time is the server's.
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: mtime.secs, tv_nsec: mtime.nanos.into() },
        };
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return utimensat(&self.inner.root, ".", &times, AtFlags::empty()).map_err(|err| failed(err.into()));
        };
        // The parent is found inside the jail, and the name itself is no link that is followed.
        let parent = match parent.is_root() {
            true => self.inner.root.try_clone(),
            false => self.inner.root.open_dir(parent.as_path()),
        };
        utimensat(parent.map_err(failed)?, name, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(|err| failed(err.into()))
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination").finish_non_exhaustive()
    }
}
