//! Whether a node has its place among the others still. It holds a lock, and file systems of several machines take locks from whoever
//! could not be reached for a while, or is slow to renew them; its file may be replaced or removed; a mount may be another one by now.
//! Nobody tells it. So it looks, at every beat, and before it changes something if the last look is too long ago: after a pause it is.

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FlockOperation, OFlags, Stat, flock, fstat, statat};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use super::node::{NodeName, number_of, open};
use crate::limits;
use crate::sync::Mutex;

/// The place of this node.
pub(in crate::store) struct Standing {
    folder: Dir,
    name: NodeName,
    own: Mutex<Own>,
    /// When it was last seen to have its lock, in milliseconds.
    proven: AtomicU64,
    is_lost: AtomicBool,
    /// How often it was lost and taken again.
    taken_again: AtomicU64,
    /// One at a time looks, for all who wait: since when, or [`NOBODY`].
    looking: Mutex<()>,
    looks_since: AtomicU64,
}

/// The file that a node has locked.
struct Own {
    /// As it was opened; nothing once the node has ended.
    file: Weak<File>,
    /// Device and number.
    number: (u64, u64),
}

impl Own {
    fn of(file: &Arc<File>) -> io::Result<Own> {
        Ok(Own { file: Arc::downgrade(file), number: number_of(file)? })
    }
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing").field("name", &self.name).field("is_lost", &self.is_lost).finish_non_exhaustive()
    }
}

impl Standing {
    /// Of the node of this name, which has just locked this file in this folder.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn of(folder: Dir, name: NodeName, file: &Arc<File>) -> io::Result<Standing> {
        Ok(Standing {
            folder,
            name,
            own: Mutex::new(Own::of(file)?),
            proven: AtomicU64::new(now()),
            is_lost: AtomicBool::new(false),
            taken_again: AtomicU64::new(0),
            looking: Mutex::default(),
            looks_since: AtomicU64::new(NOBODY),
        })
    }

    /// Whether it may change anything now. What is returned is another number whenever it had lost its place in between, and so may have
    /// lost other locks.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] if it has lost its place, or cannot tell; those of the file system.
    pub(in crate::store) fn check(&self) -> io::Result<u64> {
        let begun = now();
        loop {
            let taken_again = self.taken_again.load(Ordering::Acquire);
            if self.is_lost() {
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, LOST));
            }
            // A look that began after that says it however long it took: the next one would take as long.
            if !self.is_old(limits::NODE_PROVEN) || self.proven.load(Ordering::Acquire) >= begun {
                return Ok(taken_again);
            }
            // One who looks may never come back.
            match self.looking.try_lock() {
                Some(_looking) => {
                    self.looks_since.store(now(), Ordering::Release);
                    let looked = self.prove();
                    self.looks_since.store(NOBODY, Ordering::Release);
                    looked?;
                }
                None if is_past(&self.looks_since, limits::TREE_LOCK_WAIT) => {
                    return Err(io::Error::new(io::ErrorKind::ResourceBusy, UNKNOWN));
                }
                None => std::thread::sleep(limits::LOCK_PAUSE),
            }
        }
    }

    /// Looks whether it has its lock still.
    ///
    /// # Errors
    /// Those of the file system: it is not known then.
    pub(super) fn prove(&self) -> io::Result<bool> {
        let (at, taken_again) = (now(), self.taken_again.load(Ordering::Acquire));
        if self.look()? {
            self.proven.fetch_max(at, Ordering::AcqRel);
            return Ok(true);
        }
        let own = self.own.lock();
        if self.taken_again.load(Ordering::Acquire) != taken_again {
            // That was the one before.
            return Ok(true);
        }
        let was_lost = self.is_lost.swap(true, Ordering::AcqRel);
        drop(own);
        if !was_lost {
            tracing::warn!(node = %self.name, "{LOST}");
        }
        Ok(false)
    }

    /// It has locked this file.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn taken_again(&self, file: &Arc<File>) -> io::Result<()> {
        let own = Own::of(file)?;
        let mut now_own = self.own.lock();
        *now_own = own;
        self.proven.store(now(), Ordering::Release);
        self.taken_again.fetch_add(1, Ordering::AcqRel);
        self.is_lost.store(false, Ordering::Release);
        Ok(())
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Acquire)
    }

    /// Whether it could not be told for longer than others believe that a silent node lives.
    pub(super) fn is_unknown(&self) -> bool {
        self.is_old(limits::BEAT_WATCH)
    }

    /// Whether [`Standing::check`] would not have to look.
    pub(in crate::store) fn is_fresh(&self) -> bool {
        !self.is_lost() && !self.is_old(limits::NODE_PROVEN)
    }

    fn is_old(&self, age: Duration) -> bool {
        is_past(&self.proven, age)
    }

    /// The lock is not to be had by another handle, and is by the own one; and its file has its name.
    fn look(&self) -> io::Result<bool> {
        let (own, number) = {
            let own = self.own.lock();
            (own.file.upgrade(), own.number)
        };
        let Some(own) = own else { return Ok(false) };
        let is_own = |stat: Stat| (stat.st_dev, stat.st_ino) == number;
        let has_its_name = || match statat(&self.folder, self.name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT | Errno::STALE) => Ok(false),
            stat => stat.map(is_own),
        };
        if !has_its_name()? {
            return Ok(false);
        }
        let file = match open(&self.folder, self.name.as_str(), OFlags::empty()) {
            Err(Errno::NOENT | Errno::STALE) => return Ok(false),
            file => file?,
        };
        if !is_own(fstat(&file)?) {
            return Ok(false);
        }
        // Somebody has to have it alone: nobody who only looks, as here, has.
        if is_to_be_had(&file, FlockOperation::NonBlockingLockShared)? {
            // Some file systems give a closed file's lock back a moment later, and then it would be in this one's own way.
            let _ = flock(&file, FlockOperation::Unlock);
            return Ok(false);
        }
        // Who has it takes it once more. Another server of this name, which came when this one could not be reached, does not let it.
        if !is_to_be_had(&own, FlockOperation::NonBlockingLockExclusive)? {
            return Ok(false);
        }
        // Whoever takes this one for dead has it for a moment and takes the name away: looked for when that one cannot have it any more.
        Ok(has_its_name()?)
    }
}

/// Takes this lock, unless somebody else has it.
fn is_to_be_had(file: &File, lock: FlockOperation) -> io::Result<bool> {
    loop {
        match flock(file, lock) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(Errno::INTR) => {}
            Err(err) => return Err(err.into()),
        }
    }
}

/// What is said of it then.
const LOST: &str =
    "this server has lost its place among the servers of this folder, and changes nothing until it has it again";
const UNKNOWN: &str =
    "this server cannot tell whether it has its place among the servers of this folder, and changes nothing meanwhile";

/// In the place of a moment: none is after it.
const NOBODY: u64 = u64::MAX;

/// Whether this moment is so long ago.
fn is_past(moment: &AtomicU64, age: Duration) -> bool {
    Duration::from_millis(now().saturating_sub(moment.load(Ordering::Acquire))) >= age
}

/// Milliseconds since the machine began, while it was asleep too.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let (secs, nanos) = (u64::try_from(now.tv_sec).unwrap_or(0), u64::try_from(now.tv_nsec).unwrap_or(0));
    secs * 1_000 + nanos / 1_000_000
}

#[cfg(test)]
mod tests {
    use std::fs;

    use cap_std::ambient_authority;

    use super::*;

    #[test]
    fn who_has_lost_the_lock_or_its_file_notices_that_before_it_changes_anything() {
        let place = tempfile::tempdir().unwrap();
        let folder = || Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap();
        let handle = || open(&folder(), "a", OFlags::CREATE).unwrap();
        let lock = |file: &File, how| flock(file, how).unwrap();
        let take = || {
            let file = Arc::new(handle());
            lock(&file, FlockOperation::NonBlockingLockExclusive);
            file
        };
        let file = take();
        let standing = Standing::of(folder(), "a".parse().unwrap(), &file).unwrap();
        let check = || standing.check().map_err(|err| err.kind());
        let lost = Err(io::ErrorKind::ResourceBusy);
        // As after a pause.
        let long_ago = || standing.proven.store(0, Ordering::Release);
        long_ago();
        assert_eq!((check(), standing.is_lost(), standing.is_fresh()), (Ok(0), false, true));
        // A file system that takes the lock.
        lock(&file, FlockOperation::Unlock);
        long_ago();
        assert_eq!((check(), standing.is_lost()), (lost, true));
        assert_eq!((check(), standing.is_fresh()), (lost, false));
        // Also while somebody looks whether it has it, and where it gives it to another server of this name.
        for other in [FlockOperation::NonBlockingLockShared, FlockOperation::NonBlockingLockExclusive] {
            standing.taken_again(&file).unwrap();
            lock(&file, FlockOperation::Unlock);
            let another = handle();
            lock(&another, other);
            long_ago();
            assert_eq!(check(), lost);
        }
        let file = take();
        standing.taken_again(&file).unwrap();
        assert_eq!((check(), standing.is_lost()), (Ok(3), false));
        long_ago();
        assert_eq!(check(), Ok(3));
        // Somebody who puts another one in its place, and locks that.
        let other = File::create(place.path().join("other")).unwrap();
        flock(&other, FlockOperation::NonBlockingLockExclusive).unwrap();
        fs::rename(place.path().join("other"), place.path().join("a")).unwrap();
        long_ago();
        assert_eq!(check(), lost);
        // Or what is no file at all.
        standing.taken_again(&file).unwrap();
        fs::remove_file(place.path().join("a")).unwrap();
        fs::create_dir(place.path().join("a")).unwrap();
        long_ago();
        assert_eq!(check(), lost);
        standing.taken_again(&file).unwrap();
        fs::remove_dir(place.path().join("a")).unwrap();
        assert!(!standing.prove().unwrap());
        drop(other);
        // It ends.
        let file = take();
        standing.taken_again(&file).unwrap();
        assert!(standing.prove().unwrap());
        drop(file);
        assert!(!standing.prove().unwrap());
    }
}
