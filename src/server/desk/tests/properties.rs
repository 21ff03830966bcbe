//! Properties that cannot be read just now.

use std::fs::OpenOptions;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::*;
use crate::store::{PlaceInTree, Root, Tree, TreeLock};
use crate::sync::Mutex;

/// Longer than anything here takes: only what never ends is ended by it.
fn hang() -> Duration {
    Duration::from_secs(60)
}

/// As over a file system that does not answer a call of somebody who has the names.
#[test]
fn properties_that_nobody_can_tell_just_now_are_not_taken_for_none() {
    let place = tempfile::tempdir().unwrap();
    let (home, lock) = (place.path().join("home"), place.path().join("lock"));
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("f"), b"one").unwrap();
    let ((hangs, is_hung), (go_on, goes_on)) = (channel(), channel());
    let (asked, goes_on) = (AtomicUsize::new(0), Mutex::new(goes_on));
    let open = move || OpenOptions::new().write(true).create(true).truncate(false).open(&lock);
    let lock = TreeLock::of("tree".to_owned(), open).changing_if(move || {
        // Who removes something asks before it waits, and again when it has the names.
        if asked.fetch_add(1, Ordering::Relaxed) == 1 {
            hangs.send(()).map_err(io::Error::other)?;
            goes_on.lock().recv_timeout(hang()).map_err(io::Error::other)?;
        }
        Ok(0)
    });
    let dir = Dir::open_ambient_dir(&home, ambient_authority()).unwrap();
    let root = Arc::new(
        Root::within(&dir, PlaceInTree { tree: Arc::new(Tree::across(lock)), ..PlaceInTree::default() }).unwrap(),
    );
    let store = || LocalStore::over(root.clone(), LocalOptions::new(Durability::None, Staging::Hidden));
    let bench = Bench::over("full", |_| store());
    let (file, other) = (path("f"), store());
    assert!(bench.desk.properties(&file).unwrap().is_empty());
    std::thread::scope(|scope| {
        let removing = scope.spawn(|| other.remove(&path("missing"), false));
        is_hung.recv_timeout(hang()).unwrap();
        let told = bench.desk.properties(&file).map_err(|error| error.kind());
        go_on.send(()).unwrap();
        assert_eq!(told, Err(Kind::Io));
        assert_eq!(removing.join().unwrap().unwrap_err().kind(), Kind::NotFound);
    });
    assert!(bench.desk.properties(&file).unwrap().is_empty());
    assert!(bench.desk.properties(&path("missing")).unwrap().is_empty());
}
