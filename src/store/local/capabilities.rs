//! What a file system was found to do when it was tried.
//!
//! Some say yes to everything: a file made without a name is linked and gone at its close, a lock is seen by nobody. So
//! nothing is concluded from what a call answers, but from what is there afterwards ([`super::probe`]).

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::fs::{IFlags, ioctl_getflags};

use super::unnamed::Way;
use crate::sync::Mutex;

/// What one file system can do, as it was found out. What every store needs is not in it: without that there is no
/// such value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// How a file made without a name is given one that is still there after its close.
    pub(super) nameless: Option<Way>,
    pub(super) new_name: NewName,
    /// A lock on a file is seen through another handle, and goes with the one that took it.
    pub(super) locks: bool,
    /// A file keeps an extended attribute.
    pub(super) notes: bool,
    /// A name is found as it is written, and in no other spelling.
    pub(super) exact: bool,
    /// All of it is brought to the disk by one call.
    pub(super) syncs: bool,
}

/// How a file is given a name only if nothing has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NewName {
    /// By a rename that does not replace.
    Rename,
    /// By a second name, and the first one away.
    Link,
    /// Not at all: the name is taken over, or the upload refused.
    Missing,
    /// That could not be tried: in the first of these ways, or where there is no such call in the second. Neither replaces anything.
    Untried,
}

/// One thing that was tried, in words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trial {
    /// What was tried.
    pub what: &'static str,
    /// Whether it works.
    pub works: bool,
    /// What is done, or lost, where it does not.
    pub without: &'static str,
}

impl Capabilities {
    /// What was tried besides and is there: where it is missing there is nothing of this type. The last one is tried where what is acknowledged is
    /// to outlive a power cut.
    pub const NEEDED: [&str; 3] =
        ["files that are there when they are opened again", "renaming that replaces", "syncing a folder"];

    /// All that was tried and may be missing, for people.
    pub fn trials(&self) -> [Trial; 6] {
        let trial = |works, what, without| Trial { what, works, without };
        [
            trial(
                self.nameless.is_some(),
                "files without a name until they are whole",
                "small uploads wait under hidden names",
            ),
            trial(
                self.new_name == NewName::Rename,
                "renaming without replacing",
                match self.new_name {
                    NewName::Link => "a second name is made and the first removed",
                    _ => "nothing can be stored only where nothing is",
                },
            ),
            trial(
                self.locks,
                "locks that another handle sees",
                "what killed servers leave is not cleared, and a second server on another machine is not noticed",
            ),
            trial(self.notes, "notes kept with files", "the hash of a large file is found by reading it each time"),
            trial(
                self.exact,
                "names that are found in their own spelling alone, as far as was tried",
                "rules for paths, and locks, hold for a name as they write it: whoever writes it otherwise reaches the same file past them",
            ),
            trial(
                self.syncs,
                "syncing all of it at once that is known to reach the disk",
                "each file of a commit is synced by itself",
            ),
        ]
    }

    /// Of a file system without room for trying anything, which is known to have locks or not.
    pub(super) fn untried(locks: bool) -> Capabilities {
        Capabilities { nameless: None, new_name: NewName::Untried, locks, notes: false, exact: false, syncs: false }
    }

    /// Whether a lock is seen through another handle.
    pub fn has_locks(&self) -> bool {
        self.locks
    }

    /// The name of what a server cannot do without, if it is missing.
    pub fn missing(&self) -> Option<&'static str> {
        (self.new_name == NewName::Missing).then_some("renaming without replacing, or a second name for a file")
    }
}

/// The file systems that were tried, by their device numbers: each once.
#[derive(Default, Debug)]
pub struct FileSystems {
    tried: Mutex<HashMap<u64, Arc<Mutex<Option<Capabilities>>>>>,
    /// The inodes of folders that are said to fold case.
    #[cfg(test)]
    pub(super) folding: Mutex<Vec<u64>>,
}

impl FileSystems {
    /// What is known of this one; it is tried now if that is nothing yet. A failure is not remembered: the disk may only
    /// be full.
    pub(super) fn of(&self, device: u64, probe: impl FnOnce() -> io::Result<Capabilities>) -> io::Result<Capabilities> {
        let one = Arc::clone(self.tried.lock().entry(device).or_default());
        // Held meanwhile: two sessions that begin at once need not both try. Those on other file systems do not wait for
        // one that hangs.
        let mut known = one.lock();
        if let Some(known) = *known {
            return Ok(known);
        }
        let found = probe()?;
        *known = Some(found);
        Ok(found)
    }

    /// Whether this folder finds names in another case, as some may on a file system where others do not (ext4, f2fs, tmpfs, bcachefs):
    /// it says so itself.
    pub(super) fn folds_case(&self, folder: impl AsFd) -> bool {
        /// `FS_CASEFOLD_FL` of the kernel.
        const CASEFOLD: IFlags = IFlags::from_bits_retain(0x4000_0000);
        #[cfg(test)]
        if rustix::fs::fstat(&folder).is_ok_and(|stat| self.folding.lock().contains(&stat.st_ino)) {
            return true;
        }
        ioctl_getflags(folder).is_ok_and(|flags| flags.contains(CASEFOLD))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    const FOUND: Capabilities =
        Capabilities { nameless: None, new_name: NewName::Rename, locks: true, notes: true, exact: true, syncs: true };

    #[test]
    fn a_file_system_that_hangs_keeps_nobody_from_another_one_and_is_tried_once() {
        let all: &'static FileSystems = Box::leak(Box::default());
        let (wake, hangs) = mpsc::channel::<()>();
        let (begun, begins) = mpsc::channel();
        let first = thread::spawn(move || {
            all.of(1, || {
                begun.send(()).unwrap();
                hangs.recv().unwrap();
                Ok(FOUND)
            })
        });
        begins.recv().unwrap();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || tell.send(all.of(2, || Ok(FOUND)).unwrap()));
        assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok(FOUND), "it waits for the other one");
        let second = thread::spawn(move || all.of(1, || Err(io::Error::other("tried twice"))));
        wake.send(()).unwrap();
        assert_eq!((first.join().unwrap().unwrap(), second.join().unwrap().unwrap()), (FOUND, FOUND));
    }
}
