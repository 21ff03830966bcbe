//! The lock of a tree of homes that several servers serve: a file whose lock is held by the one that changes names in it.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock, fstat};
use rustix::io::Errno;

use crate::limits;
use crate::sync::{Condvar, Mutex};

/// Opens the file of such a lock.
type Open = Box<dyn Fn() -> io::Result<File> + Send + Sync>;

/// Says whether what others have changed is seen at once on a file system, by its device.
type MayDecide = Box<dyn Fn(u64) -> io::Result<()> + Send + Sync>;

/// Says whether this server may change anything, and how often it could not before.
type MayChange = Box<dyn Fn() -> io::Result<u64> + Send + Sync>;

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
    is_it: Option<IsIt>,
}

impl fmt::Debug for TreeLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeLock").field("key", &self.key).finish_non_exhaustive()
    }
}

/// While this is held no other node changes a name in the tree.
pub(super) struct Held<'a> {
    lock: &'a TreeLock,
    file: Arc<File>,
    /// What [`TreeLock::may_change`] said before it was taken.
    since: u64,
    #[expect(dead_code, reason = "held, and given up last")]
    turn: Turn<'a>,
}

/// Has one at a time, and lets nobody wait for ever for one who does not come back: a call of a file system may never return.
#[derive(Default)]
struct Queue {
    state: Mutex<Passing>,
    passed_on: Condvar,
}

#[derive(Default)]
struct Passing {
    is_taken: bool,
    /// How often it was given up.
    given_up: u64,
    /// Somebody has waited in vain since: who comes now does not wait as long again.
    is_hung: bool,
}

/// As long as it lives nobody else in this process has it.
struct Turn<'a>(&'a Queue);

impl Queue {
    /// Nothing if nobody has given it up for so long.
    fn take(&self, most: Duration) -> Option<Turn<'_>> {
        let mut state = self.state.lock();
        while state.is_taken {
            let before = state.given_up;
            let most = if state.is_hung { limits::TREE_LOCK_PAUSE.1 } else { most };
            let is_same = |state: &mut Passing| state.is_taken && state.given_up == before;
            let (now, waited) = self.passed_on.wait_timeout_while(state, most, is_same);
            state = now;
            if waited.timed_out() {
                state.is_hung = true;
                return None;
            }
        }
        state.is_taken = true;
        Some(Turn(self))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        (state.is_taken, state.is_hung) = (false, false);
        state.given_up += 1;
        drop(state);
        self.0.passed_on.notify_one();
    }
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
            is_it: None,
        }
    }

    /// The same where somebody knows whether what others have changed in a file is seen at once, by the device of its file system. Where it
    /// is not, nothing is decided by it.
    #[must_use]
    pub fn deciding_if(self, may_decide: impl Fn(u64) -> io::Result<()> + Send + Sync + 'static) -> TreeLock {
        TreeLock { may_decide: Some(Box::new(may_decide)), ..self }
    }

    /// The same where somebody knows whether this server has its place among the others: without it nothing is changed.
    #[must_use]
    pub fn changing_if(self, may_change: impl Fn() -> io::Result<u64> + Send + Sync + 'static) -> TreeLock {
        TreeLock { may_change: Some(Box::new(may_change)), ..self }
    }

    /// The same where somebody can tell whether a file is the one that others have: somebody may have removed it, or put another one in its
    /// place, and then each of two has a lock of its own.
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
    pub(super) fn take(&self, begun: Instant) -> io::Result<Held<'_>> {
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
                    return Ok(Held { lock: self, file, since, turn });
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
pub(super) const IS_STUCK: &str = "another server of this folder has been changing names in it for too long";
const WAS_LOST: &str =
    "this server had lost its place among the servers of this folder, and what it was about to change is as it was";

impl Held<'_> {
    /// Fails if this server has lost its place since it was taken, and has it again or not: others may have it then.
    pub(super) fn is_still_held(&self) -> io::Result<()> {
        match self.lock.may_change()? == self.since {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::ResourceBusy, WAS_LOST)),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if flock(&self.file, FlockOperation::Unlock).is_err() {
            // It goes with the last handle, and this is that.
            self.lock.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::path::Path;
    use std::sync::atomic::AtomicU64;
    use std::sync::mpsc::channel;

    use super::super::tree::Tree;
    use super::*;

    fn open(path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
    }

    fn tree_of(path: &Path, key: &str) -> Arc<Tree> {
        let path = path.to_owned();
        Arc::new(Tree::across(TreeLock::of(key.to_owned(), move || open(&path))))
    }

    fn tree(path: &Path) -> Arc<Tree> {
        tree_of(path, "key")
    }

    #[test]
    fn a_node_that_stands_still_is_waited_for_once_and_by_nobody_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let stopped = open(&path).unwrap();
        flock(&stopped, FlockOperation::NonBlockingLockExclusive).unwrap();
        let tree = tree(&path);
        std::thread::scope(|scope| {
            for _ in 0..30 {
                let tree = tree.clone();
                scope.spawn(move || assert_eq!(tree.alone().err().unwrap().kind(), io::ErrorKind::ResourceBusy));
            }
        });
        // It goes on, and so does everybody: also who has waited too long already.
        drop(stopped);
        drop(tree.alone().unwrap());
        let long_ago = Instant::now().checked_sub(limits::TREE_LOCK_WAIT).unwrap();
        drop(tree.alone_since(long_ago).unwrap());
    }

    /// Longer than anything here takes: only what never ends is ended by it.
    const HANG: Duration = Duration::from_secs(60);

    #[test]
    fn new_names_wait_for_nobody_who_waits_for_another_node() {
        let dir = tempfile::tempdir().unwrap();
        let (waits, waiting) = channel();
        let (go_on, goes_on) = channel();
        // It is about to look whether another node has the lock, and has to wait for that.
        let (is_to_wait, goes_on) = (AtomicBool::new(false), Mutex::new(goes_on));
        let is_to_wait = Arc::new(is_to_wait);
        let at = dir.path().join("second");
        let is_asked = is_to_wait.clone();
        let second = TreeLock::of("second".to_owned(), move || open(&at)).changing_if(move || {
            if is_asked.swap(false, Ordering::Relaxed) {
                waits.send(()).unwrap();
                goes_on.lock().recv_timeout(HANG).map_err(io::Error::other)?;
            }
            Ok(0)
        });
        let at = dir.path().join("first");
        let first = Tree::across(TreeLock::of("first".to_owned(), move || open(&at)));
        let second = Tree::across(second);
        std::thread::scope(|scope| {
            is_to_wait.store(true, Ordering::Relaxed);
            let alone = scope.spawn(|| second.alone().map(drop));
            waiting.recv().unwrap();
            drop(second.steady());
            go_on.send(()).unwrap();
            alone.join().unwrap().unwrap();
        });
        // Nor for one who has the lock of another tree already.
        std::thread::scope(|scope| {
            is_to_wait.store(true, Ordering::Relaxed);
            let both = scope.spawn(|| Tree::both_alone(&second, &first).map(drop));
            waiting.recv().unwrap();
            drop(first.steady());
            drop(second.steady());
            go_on.send(()).unwrap();
            both.join().unwrap().unwrap();
        });
    }

    #[test]
    fn other_nodes_do_not_wait_for_one_who_measures() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let (has, had) = channel();
        let opened = path.clone();
        let lock = TreeLock::of("key".to_owned(), move || open(&opened));
        let tree = Tree::across(lock.if_it_is(move |_| has.send(()).is_ok()));
        let other = tree_of(&dir.path().join("other"), "other");
        std::thread::scope(|scope| {
            let measuring = tree.alone_to_measure();
            let alone = scope.spawn(|| tree.alone().map(drop));
            let both = scope.spawn(|| Tree::both_alone(&other, &tree).map(drop));
            // It has the lock, and would change something.
            had.recv_timeout(HANG).unwrap();
            let (got, gets) = channel();
            let path = &path;
            let another_node = scope.spawn(move || {
                let lock = open(path).unwrap();
                flock(&lock, FlockOperation::LockExclusive).unwrap();
                let _nobody_asks_any_more = got.send(());
            });
            let gets = gets.recv_timeout(HANG);
            if gets.is_ok() {
                another_node.join().unwrap();
            }
            drop(measuring);
            gets.unwrap();
            alone.join().unwrap().unwrap();
            both.join().unwrap().unwrap();
        });
    }

    /// It has its place again, and all its locks may have been lost with it.
    #[test]
    fn who_has_lost_its_place_while_it_waited_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let (number, (has, had)) = (Arc::new(AtomicU64::new(0)), channel());
        let now = number.clone();
        let lock = TreeLock::of("key".to_owned(), move || open(&path)).if_it_is(move |_| has.send(()).is_ok());
        let lock = lock.changing_if(move || Ok(now.load(Ordering::Relaxed)));
        let tree = Tree::across(lock);
        let other = tree_of(&dir.path().join("other"), "other");
        let lost_by = |change: &(dyn Fn() -> io::Result<()> + Sync)| {
            std::thread::scope(|scope| {
                let steady = tree.steady();
                let changing = scope.spawn(change);
                had.recv_timeout(HANG).unwrap();
                number.fetch_add(1, Ordering::Relaxed);
                drop(steady);
                assert_eq!(changing.join().unwrap().unwrap_err().kind(), io::ErrorKind::ResourceBusy);
            });
        };
        lost_by(&|| tree.alone().map(drop));
        lost_by(&|| Tree::both_alone(&tree, &other).map(drop));
        drop(tree.alone().unwrap());
    }

    /// As over a file system that never answers the call by which it is taken.
    #[test]
    fn one_that_does_not_come_back_is_not_waited_for_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let (hang, hanging) = std::sync::mpsc::channel::<()>();
        let (called, is_called) = std::sync::mpsc::channel();
        let hanging = Mutex::new(hanging);
        let tree = Tree::across(TreeLock::of("key".to_owned(), move || {
            called.send(()).unwrap();
            let _answered = hanging.lock().recv();
            open(&path)
        }));
        std::thread::scope(|scope| {
            let hangs = scope.spawn(|| tree.alone().map(drop));
            is_called.recv().unwrap();
            for _ in 0..30 {
                assert_eq!(tree.alone().map(drop).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
            }
            drop(tree.steady());
            drop(hang);
            hangs.join().unwrap().unwrap();
        });
        drop(tree.alone().unwrap());
    }

    /// As over a file system that could not be reached for a while, and gave up what was open.
    #[test]
    fn a_file_whose_lock_cannot_be_had_any_more_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        drop(open(&path).unwrap());
        let opened = std::sync::atomic::AtomicUsize::new(0);
        let lock = TreeLock::of("key".to_owned(), move || match opened.fetch_add(1, Ordering::Relaxed) {
            // Nothing that can be locked.
            0 => Ok(rustix::fs::open(&path, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty())?.into()),
            _ => open(&path),
        });
        let tree = Tree::across(lock);
        assert_eq!(Errno::from_io_error(&tree.alone().err().unwrap()), Some(Errno::BADF));
        drop(tree.alone().unwrap());
    }

    /// Somebody has removed it, or put another one in its place: then each of two would have a lock of its own.
    #[test]
    fn a_file_that_is_another_by_now_is_the_lock() {
        use std::os::unix::fs::MetadataExt as _;

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let number = |file: io::Result<fs::Metadata>| file.map(|stat| (stat.dev(), stat.ino())).ok();
        let (opened, named) = (path.clone(), path.clone());
        let lock = TreeLock::of("key".to_owned(), move || open(&opened));
        let lock = lock.if_it_is(move |file| number(file.metadata()) == number(fs::metadata(&named)));
        let tree = Tree::across(lock);
        drop(tree.alone().unwrap());
        fs::remove_file(&path).unwrap();
        let other_node = open(&path).unwrap();
        flock(&other_node, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(tree.alone().map(drop).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        drop(other_node);
        drop(tree.alone().unwrap());
    }

    #[test]
    fn who_has_no_place_among_the_nodes_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (path, is_lost) = (dir.path().join("lock"), Arc::new(AtomicBool::new(true)));
        let lost = is_lost.clone();
        let lock = TreeLock::of("key".to_owned(), move || open(&path)).changing_if(move || {
            if lost.load(Ordering::Relaxed) { Err(io::ErrorKind::ResourceBusy.into()) } else { Ok(1) }
        });
        let tree = Tree::across(lock);
        assert!(tree.alone().is_err() && tree.steady_to_add().is_err());
        is_lost.store(false, Ordering::Relaxed);
        drop(tree.alone().unwrap());
        drop(tree.steady_to_add().unwrap());
    }

    #[test]
    fn one_of_two_at_a_time_has_a_tree_and_the_other_waits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let (one, other) = (tree(&path), tree(&path));
        let count = std::sync::atomic::AtomicU64::new(0);
        std::thread::scope(|scope| {
            for tree in [&one, &other] {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _alone = tree.alone().unwrap();
                        let before = count.load(Ordering::Relaxed);
                        std::thread::yield_now();
                        count.store(before + 1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(count.into_inner(), 400);
    }
}
