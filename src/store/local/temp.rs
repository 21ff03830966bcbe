//! A staged file.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FlockOperation, flock, unlinkat};
use rustix::io::Errno;

use super::capabilities::Capabilities;
use super::staging::Area;
use crate::files::Hash;

/// A staged file. Dropping it lets its lock go, and removes it unless [`Temp::release`] was called.
pub(super) struct Temp {
    pub(super) file: File,
    /// A file that was opened later by the same session has a higher number.
    pub(super) opened: u64,
    /// What the file system it is on can do.
    pub(super) can: Capabilities,
    /// Whose it says it is, where that is asked for.
    pub(super) owner: Option<Hash>,
    staged: Staged,
}

/// Where a staged file is.
enum Staged {
    /// It has no name yet, and goes with its last handle; it was made for this directory.
    Unnamed(Arc<Dir>),
    Named(Named),
}

/// A name of ours that a staged file has.
struct Named {
    dir: Arc<Dir>,
    name: Vec<u8>,
    /// It has been renamed, or is to stay: no longer ours to remove.
    is_released: bool,
    /// Keeps the directory's lock, and removes the directory after the last file in it. None: it is in no directory of ours.
    area: Option<Arc<Area>>,
}

impl Named {
    fn new(dir: Arc<Dir>, name: Vec<u8>, area: Option<Arc<Area>>) -> Named {
        Named { dir, name, is_released: false, area }
    }
}

/// The number of a file that was just opened.
fn next_opened() -> u64 {
    static OPENED: AtomicU64 = AtomicU64::new(0);
    OPENED.fetch_add(1, Ordering::Relaxed)
}

impl Temp {
    pub(super) fn named(dir: Arc<Dir>, name: Vec<u8>, file: File, area: Option<Arc<Area>>, can: Capabilities) -> Self {
        Temp { file, opened: next_opened(), can, owner: None, staged: Staged::Named(Named::new(dir, name, area)) }
    }

    /// A file that goes with its last handle.
    pub(super) fn unnamed(dir: Arc<Dir>, file: File, can: Capabilities) -> Self {
        Temp { file, opened: next_opened(), can, owner: None, staged: Staged::Unnamed(dir) }
    }

    /// The directory it is in; without a name, the one it was made for.
    pub(super) fn dir(&self) -> &Arc<Dir> {
        match &self.staged {
            Staged::Unnamed(dir) | Staged::Named(Named { dir, .. }) => dir,
        }
    }

    /// Its name there, if it has one yet.
    pub(super) fn name(&self) -> Option<&[u8]> {
        match &self.staged {
            Staged::Unnamed(_) => None,
            Staged::Named(named) => Some(&named.name),
        }
    }

    /// The directory of a store that it is in, if it is in one.
    pub(super) fn area(&self) -> Option<&Arc<Area>> {
        match &self.staged {
            Staged::Unnamed(_) => None,
            Staged::Named(named) => named.area.as_ref(),
        }
    }

    /// It has this name now, in this directory, which may be one of a store.
    pub(super) fn has_come(&mut self, dir: Arc<Dir>, name: Vec<u8>, area: Option<Arc<Area>>) {
        self.staged = Staged::Named(Named::new(dir, name, area));
    }

    /// It has this name now where it is.
    pub(super) fn renamed(&mut self, name: Vec<u8>) {
        if let Staged::Named(named) = &mut self.staged {
            named.name = name;
        }
    }

    /// Gives a file without a name this one if nothing has it: [`Errno::EXIST`] else.
    pub(super) fn link(&self, dir: &Dir, name: &[u8]) -> Result<(), Errno> {
        self.can.nameless.ok_or(Errno::OPNOTSUPP)?.link(&self.file, dir, name)
    }

    /// It has been renamed, or is to stay: no longer ours to remove.
    pub(super) fn release(&mut self) {
        if let Staged::Named(named) = &mut self.staged {
            named.is_released = true;
        }
    }

    /// It is ours again.
    pub(super) fn reclaim(mut self) -> Self {
        if let Staged::Named(named) = &mut self.staged {
            named.is_released = false;
        }
        self
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let Staged::Named(Named { dir, name, is_released, .. }) = &self.staged else { return };
        if !is_released {
            let _ = unlinkat(dir, &**name, AtFlags::empty());
        }
        // Not by its being closed alone: a process that is being started may have it open for a moment more, and the lock with it.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}
