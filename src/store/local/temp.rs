//! A staged file.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;

use super::capabilities::Capabilities;
use super::staging::Area;
use crate::files::Hash;

/// A staged file. Dropping it removes it unless [`Temp::release`] was called.
pub(super) struct Temp {
    /// The directory it is in; without a name, the one it was made for.
    pub(super) dir: Arc<Dir>,
    /// `None` if it has no name yet.
    pub(super) name: Option<Vec<u8>>,
    pub(super) file: File,
    /// A file that was opened later by the same session has a higher number.
    pub(super) opened: u64,
    /// What the file system it is on can do.
    pub(super) can: Capabilities,
    /// Whose it says it is, where that is asked for.
    pub(super) owner: Option<Hash>,
    released: bool,
    /// Keeps the directory's lock, and removes the directory after the last file in it.
    pub(super) area: Option<Arc<Area>>,
}

/// The number of a file that was just opened.
fn next_opened() -> u64 {
    static OPENED: AtomicU64 = AtomicU64::new(0);
    OPENED.fetch_add(1, Ordering::Relaxed)
}

impl Temp {
    pub(super) fn named(dir: Arc<Dir>, name: Vec<u8>, file: File, area: Option<Arc<Area>>, can: Capabilities) -> Self {
        Temp { dir, name: Some(name), file, opened: next_opened(), can, owner: None, released: false, area }
    }

    /// A file that goes with its last handle.
    pub(super) fn unnamed(dir: Arc<Dir>, file: File, can: Capabilities) -> Self {
        Temp { dir, name: None, file, opened: next_opened(), can, owner: None, released: false, area: None }
    }

    /// Gives a file without a name this one if nothing has it: [`Errno::EXIST`] else.
    pub(super) fn link(&self, dir: &Dir, name: &[u8]) -> Result<(), Errno> {
        self.can.nameless.ok_or(Errno::OPNOTSUPP)?.link(&self.file, dir, name)
    }

    /// It has been renamed, or is to stay: no longer ours to remove.
    pub(super) fn release(&mut self) {
        self.released = true;
    }

    /// It is ours again.
    pub(super) fn reclaim(mut self) -> Self {
        self.released = false;
        self
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if let (false, Some(name)) = (self.released, &self.name) {
            let _ = unlinkat(&self.dir, &**name, AtFlags::empty());
        }
    }
}
