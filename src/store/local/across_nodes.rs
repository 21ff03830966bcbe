//! The lock of a tree of homes that several servers serve: a file whose lock is held by the one that changes names in it.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rustix::fs::{FlockOperation, flock, fstat};
use rustix::io::Errno;

use self::queue::{Queue, Turn};
use crate::limits;
use crate::sync::Mutex;

mod queue;

/// Opens the file of such a lock.
type Open = Box<dyn Fn() -> io::Result<File> + Send + Sync>;

/// Says whether what others have changed is seen at once on a file system, by its device.
type MayDecide = Box<dyn Fn(u64) -> io::Result<()> + Send + Sync>;

/// Says whether this server may change anything, and how often it could not before.
type MayChange = Box<dyn Fn() -> io::Result<u64> + Send + Sync>;

/// Says whether it could be told just now that this server may change something, without asking the file system again.
type KnowsItsPlace = Box<dyn Fn() -> bool + Send + Sync>;

/// Says whether this file is what is called as it was opened.
type IsIt = Box<dyn Fn(&File) -> bool + Send + Sync>;

/// The lock of one tree, the same for all nodes.
pub struct TreeLock {
    key: String,
    open: Open,
    /// Opened by whoever changes something first: where nobody does, nothing may be there to be opened. And opened again where its
    /// lock could not be had or given up: file systems of several machines give up files that were open when they could not be reached.
    file: Mutex<Option<Arc<File>>>,
    /// Those of this process, who have it one after the other: to them it would be one lock.
    queue: Queue,
    /// The last one who wanted it waited in vain: who comes now does not wait as long again.
    is_stuck: AtomicBool,
    may_decide: Option<MayDecide>,
    may_change: Option<MayChange>,
    knows_its_place: Option<KnowsItsPlace>,
    is_it: Option<IsIt>,
}

impl fmt::Debug for TreeLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeLock").field("key", &self.key).finish_non_exhaustive()
    }
}

/// While this is held no other node changes a name in the tree.
pub(super) struct HeldTreeLock<'a> {
    lock: &'a TreeLock,
    file: Arc<File>,
    /// What [`TreeLock::may_change`] said before it was taken.
    since: u64,
    #[expect(dead_code, reason = "held, and given up last")]
    turn: Turn<'a>,
}

impl TreeLock {
    /// That which this file is, opened for this tree alone; the key tells it from those of other trees.
    pub fn of(key: String, open: impl Fn() -> io::Result<File> + Send + Sync + 'static) -> TreeLock {
        TreeLock {
            key,
            open: Box::new(open),
            file: Mutex::default(),
            queue: Queue::default(),
            is_stuck: AtomicBool::new(false),
            may_decide: None,
            may_change: None,
            knows_its_place: None,
            is_it: None,
        }
    }

    /// This lock where somebody knows whether what others have changed in a file is seen at once, by the device of its file system. Where
    /// it is not, nothing is decided by it.
    #[must_use]
    pub fn deciding_if(self, may_decide: impl Fn(u64) -> io::Result<()> + Send + Sync + 'static) -> TreeLock {
        TreeLock { may_decide: Some(Box::new(may_decide)), ..self }
    }

    /// This lock where somebody knows whether this server has its place among the others: without it nothing is changed.
    #[must_use]
    pub fn changing_if(self, may_change: impl Fn() -> io::Result<u64> + Send + Sync + 'static) -> TreeLock {
        TreeLock { may_change: Some(Box::new(may_change)), ..self }
    }

    /// This lock where to know that takes looks at the file system, which are good for a while.
    #[must_use]
    pub fn known_if(self, knows_its_place: impl Fn() -> bool + Send + Sync + 'static) -> TreeLock {
        TreeLock { knows_its_place: Some(Box::new(knows_its_place)), ..self }
    }

    /// This lock where somebody can tell whether a file is the one that others have: somebody may have removed it, or put another one in
    /// its place, and then each of two has a lock of its own.
    #[must_use]
    pub fn if_it_is(self, is_it: impl Fn(&File) -> bool + Send + Sync + 'static) -> TreeLock {
        TreeLock { is_it: Some(Box::new(is_it)), ..self }
    }

    /// Whether this server may change anything now; another number if it may not have in between.
    ///
    /// # Errors
    /// That it has lost its place, or cannot tell.
    pub(super) fn may_change(&self) -> io::Result<u64> {
        self.may_change.as_ref().map_or(Ok(0), |may_change| may_change())
    }

    /// Whether what [`TreeLock::may_change`] has said holds still. Asks no file system.
    pub(super) fn knows_its_place(&self) -> bool {
        self.knows_its_place.as_ref().is_none_or(|knows| knows())
    }

    /// Whether something may be decided by what is in a file of this folder, or its attributes.
    ///
    /// # Errors
    /// That it may be what was there before another node changed it.
    pub(super) fn may_decide(&self, dir: impl AsFd) -> io::Result<()> {
        self.may_decide.as_ref().map_or(Ok(()), |may_decide| may_decide(fstat(dir)?.st_dev))
    }

    /// Tells it from the locks of other trees: whoever takes two takes them in the order of their keys.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    fn file(&self) -> io::Result<Arc<File>> {
        let mut file = self.file.lock();
        match &*file {
            Some(file) => Ok(Arc::clone(file)),
            None => Ok(Arc::clone(file.insert(Arc::new((self.open)()?)))),
        }
    }

    /// The next one opens it anew.
    fn forget(&self) {
        *self.file.lock() = None;
    }

    /// Takes it, for whoever has waited for that since `begun`, and holds nothing that others wait for. A node that was stopped keeps
    /// it; others are not to wait for that for ever, nor one after the other.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] if another node has it for too long, or somebody of this one does; those of the file system.
    pub(super) fn take(&self, begun: Instant) -> io::Result<HeldTreeLock<'_>> {
        let stuck = || io::Error::new(io::ErrorKind::ResourceBusy, IS_STUCK);
        let turn = self.queue.take(limits::TREE_LOCK_TURN).ok_or_else(stuck)?;
        let mut file = self.file()?;
        let most =
            if self.is_stuck.load(Ordering::Relaxed) { limits::TREE_LOCK_PAUSE.1 } else { limits::TREE_LOCK_WAIT };
        let (mut pause, longest) = limits::TREE_LOCK_PAUSE;
        loop {
            // Before it is taken: a server that loses its place loses what it had taken by then.
            let since = self.may_change()?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if self.is_it.as_ref().is_some_and(|is_it| !is_it(&file)) => {
                    self.forget();
                    if begun.elapsed() >= most {
                        return Err(stuck());
                    }
                    file = self.file()?;
                }
                Ok(()) => {
                    self.is_stuck.store(false, Ordering::Relaxed);
                    return Ok(HeldTreeLock { lock: self, file, since, turn });
                }
                Err(Errno::INTR) => continue,
                Err(Errno::WOULDBLOCK) if begun.elapsed() < most => {}
                Err(Errno::WOULDBLOCK) => {
                    self.is_stuck.store(true, Ordering::Relaxed);
                    // It may be the lock of nobody who is there still.
                    self.forget();
                    return Err(stuck());
                }
                Err(err) => {
                    self.forget();
                    return Err(err.into());
                }
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(longest);
        }
    }
}

/// What is said of it then.
const IS_STUCK: &str = "another server of this folder has been changing names in it for too long";
const WAS_LOST: &str =
    "this server had lost its place among the servers of this folder, and what it was about to change is as it was";

impl HeldTreeLock<'_> {
    /// Fails if this server has lost its place since it was taken, and has it again or not: others may have it then.
    pub(super) fn is_still_held(&self) -> io::Result<()> {
        match self.lock.may_change()? == self.since {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::ResourceBusy, WAS_LOST)),
        }
    }
}

impl Drop for HeldTreeLock<'_> {
    fn drop(&mut self) {
        if flock(&self.file, FlockOperation::Unlock).is_err() {
            // It goes with the last handle, and this is that.
            self.lock.forget();
        }
    }
}

#[cfg(test)]
mod tests;
