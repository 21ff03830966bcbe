use std::fs::{self, OpenOptions};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::channel;
use std::time::Duration;

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
        drop(second.steady().unwrap());
        go_on.send(()).unwrap();
        alone.join().unwrap().unwrap();
    });
    // Nor for one who has the lock of another tree already.
    std::thread::scope(|scope| {
        is_to_wait.store(true, Ordering::Relaxed);
        let both = scope.spawn(|| Tree::both_alone(&second, &first).map(drop));
        waiting.recv().unwrap();
        drop(first.steady().unwrap());
        drop(second.steady().unwrap());
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
        let measuring = tree.alone_to_measure().unwrap();
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
            let steady = tree.steady().unwrap();
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
        drop(tree.steady().unwrap());
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
                    // On a machine that is busy the other one may have it for that long, and then one asks again.
                    let is_busy =
                        |alone: &io::Result<_>| matches!(alone, Err(err) if err.kind() == io::ErrorKind::ResourceBusy);
                    let begun = Instant::now();
                    let _alone = std::iter::repeat_with(|| tree.alone())
                        .find(|alone| !is_busy(alone) || begun.elapsed() > HANG)
                        .unwrap()
                        .unwrap();
                    let before = count.load(Ordering::Relaxed);
                    std::thread::yield_now();
                    count.store(before + 1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(count.into_inner(), 400);
}

/// As over a file system that never answers a call of one who only adds a name, or looks at one.
#[test]
fn a_call_with_names_in_hand_that_does_not_come_back_is_waited_for_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let tree = tree(&path);
    let hangs = tree.steady_to_add().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..30 {
            let tree = tree.clone();
            scope.spawn(move || assert_eq!(tree.alone().err().unwrap().kind(), io::ErrorKind::ResourceBusy));
        }
    });
    // New names are given meanwhile, and other nodes change what they like.
    drop((tree.steady_to_add().unwrap(), tree.steady().unwrap()));
    drop(tree_of(&path, "key").alone().unwrap());
    assert!(tree.alone_to_measure().is_err());
    drop(hangs);
    drop(tree.alone_to_measure().unwrap());
    let hangs = tree.alone().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..30 {
            let tree = tree.clone();
            scope.spawn(move || assert_eq!(tree.steady().err().unwrap().kind(), io::ErrorKind::ResourceBusy));
        }
    });
    drop(hangs);
    drop((tree.steady_to_add().unwrap(), tree.steady().unwrap()));
}

/// Nor is the lock of all nodes kept for as long as others come and go.
#[test]
fn a_call_that_does_not_come_back_is_not_waited_for_as_long_as_others_look_at_names() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let tree = tree(&path);
    let hangs = tree.steady().unwrap();
    assert!(tree.alone().is_err());
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    drop(tree.steady().unwrap());
                }
            });
        }
        let (told, tells) = channel();
        let tree = &tree;
        scope.spawn(move || {
            told.send(tree.alone().is_err()).unwrap();
            told.send(tree.alone_to_measure().is_err()).unwrap();
        });
        let told: Vec<_> = (0..2).map_while(|_| tells.recv_timeout(HANG).ok()).collect();
        let elsewhere = tree_of(&path, "key").alone().map(drop);
        is_over.store(true, Ordering::Relaxed);
        assert_eq!((told, elsewhere.is_ok()), (vec![true; 2], true));
    });
    drop(hangs);
    drop(tree.alone().unwrap());
}

#[test]
fn who_removes_what_is_in_the_trash_and_does_not_come_back_is_waited_for_once() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree(&dir.path().join("lock"));
    let hangs = tree.removing().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..30 {
            let tree = tree.clone();
            scope.spawn(move || assert_eq!(tree.removing().err().unwrap().kind(), io::ErrorKind::ResourceBusy));
        }
    });
    // He goes on after all.
    hangs.goes_on();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| tree.removing().map(drop));
        std::thread::sleep(limits::TREE_LOCK_PAUSE.1 * 20);
        drop(hangs);
        waiting.join().unwrap().unwrap();
    });
}

/// Others have the names to wait for meanwhile, and not the file system.
#[test]
fn who_has_waited_long_for_the_names_lets_them_go_to_look_whether_it_has_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let (is_first, (looks, looked), (go_on, goes_on)) = (Arc::new(AtomicBool::new(true)), channel(), channel());
    let (is_the_first, goes_on) = (is_first.clone(), Mutex::new(goes_on));
    let lock = TreeLock::of("key".to_owned(), move || open(&path)).changing_if(move || {
        looks.send(()).unwrap();
        if !is_the_first.swap(false, Ordering::Relaxed) {
            goes_on.lock().recv_timeout(HANG).map_err(io::Error::other)?;
        }
        Ok(0)
    });
    let is_known = Arc::new(AtomicBool::new(false));
    let knows = is_known.clone();
    let tree = Tree::across(lock.known_if(move || knows.load(Ordering::Relaxed)));
    // A file system that is slow is not asked again and again.
    drop(tree.steady_to_add().unwrap());
    looked.recv_timeout(HANG).unwrap();
    let looks_again = || {
        is_first.store(true, Ordering::Relaxed);
        std::thread::scope(|scope| {
            let alone = tree.alone_here().unwrap();
            let adding = scope.spawn(|| tree.steady_to_add().map(drop));
            looked.recv_timeout(HANG).unwrap();
            std::thread::sleep(limits::LOCK_LOOK * 3);
            drop(alone);
            while looked.try_recv().is_err() {
                if adding.is_finished() {
                    return false;
                }
                std::thread::yield_now();
            }
            // It is about to ask the file system, and others have the names meanwhile.
            let alone = tree.alone_here().map(drop);
            is_known.store(true, Ordering::Relaxed);
            go_on.send(()).unwrap();
            alone.unwrap();
            adding.join().unwrap().unwrap();
            true
        })
    };
    // On a machine that is busy it may have come to wait only when the names were free again.
    assert!((0..20).any(|_| looks_again()));
}
