use std::fs::OpenOptions;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::partial::key;
use super::super::{LocalOptions, LocalStore, PlaceInTree, Root, Staging, Tree, TreeLock};
use super::*;
use crate::files::{Durability, Store as _, UploadSpec};

#[test]
fn what_cannot_be_opened_or_locked_just_now_is_not_taken_for_a_leftover() {
    for err in [Errno::IO, Errno::STALE, Errno::MFILE, Errno::NFILE, Errno::NOTCONN, Errno::TIMEDOUT, Errno::NOMEM] {
        assert!(!is_nobodys(err), "{err}");
    }
    assert!(is_nobodys(Errno::ISDIR) && is_nobodys(Errno::LOOP));
}

/// What is there may be another node's by now.
#[test]
fn who_has_no_place_among_the_nodes_keeps_and_clears_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (home, lock) = (place.path().join("home"), place.path().join("lock"));
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("f"), b"one").unwrap();
    let is_lost = Arc::new(AtomicBool::new(false));
    let lost = is_lost.clone();
    let lock = TreeLock::of("tree".to_owned(), move || {
        OpenOptions::new().write(true).create(true).truncate(false).open(&lock)
    });
    let lock = lock.changing_if(move || match lost.load(Ordering::Relaxed) {
        true => Err(io::ErrorKind::ResourceBusy.into()),
        false => Ok(0),
    });
    let dir = Dir::open_ambient_dir(&home, cap_std::ambient_authority()).unwrap();
    let tree = Arc::new(Tree::across(lock));
    let root = Arc::new(Root::within(&dir, PlaceInTree { tree, ..PlaceInTree::default() }).unwrap());
    let store = || LocalStore::over(root.clone(), LocalOptions::new(Durability::None, Staging::Hidden));
    let path = RelPath::parse(b"f").unwrap();
    let one = store();
    let cut_off = || {
        let mut upload = one.begin(&path, UploadSpec::default()).unwrap();
        upload.append(&vec![7; usize::try_from(limits::HASH_BLOCK).unwrap()]).unwrap();
        upload
    };
    let partial = home.join(limits::RESERVED_NAME).join(format!("{DATA}{}", key(&path, None)));
    let upload = cut_off();
    is_lost.store(true, Ordering::Relaxed);
    assert_eq!((upload.keep(), partial.exists()), (0, false));
    is_lost.store(false, Ordering::Relaxed);
    assert_eq!((cut_off().keep(), partial.exists()), (limits::HASH_BLOCK, true));
    is_lost.store(true, Ordering::Relaxed);
    let changed = one.change_properties(&path, &[("{u}x".to_owned(), Some("v".to_owned()))]);
    assert_eq!(changed.unwrap_err().kind(), Kind::Io);
    assert!(one.properties(&path).unwrap().is_empty());
    assert_eq!(one.sweep(Some(Duration::ZERO)).unwrap_err().kind(), Kind::Io);
    let bounded = store().bounded(2 * limits::HASH_BLOCK, "too much".to_owned());
    assert_eq!(bounded.usage().unwrap().unwrap().used, 3);
    assert!(partial.exists());
    // Counted by nobody, it is in the way of one who counts.
    is_lost.store(false, Ordering::Relaxed);
    drop(bounded);
    let bounded = store().bounded(2 * limits::HASH_BLOCK, "too much".to_owned());
    assert_eq!((bounded.usage().unwrap().unwrap().used, partial.exists()), (3, false));
}

/// A store of a tree that other nodes serve, too, in which one that is dead was at a long upload.
fn beside_a_dead_node(place: &std::path::Path) -> (LocalStore, Arc<Tree>, std::path::PathBuf) {
    let (home, lock) = (place.join("home"), place.join("lock"));
    let session = home.join(limits::RESERVED_NAME).join(format!("{SESSION}dead"));
    std::fs::create_dir_all(&session).unwrap();
    std::fs::write(session.join(LOCK), b"").unwrap();
    let key = key(&RelPath::parse(b"f").unwrap(), None);
    std::fs::write(session.join(format!("0-{key}")), vec![7; usize::try_from(limits::HASH_BLOCK).unwrap()]).unwrap();
    let open = move || OpenOptions::new().write(true).create(true).truncate(false).open(&lock);
    let tree = Arc::new(Tree::across(TreeLock::of("tree".to_owned(), open)));
    let dir = Dir::open_ambient_dir(&home, cap_std::ambient_authority()).unwrap();
    let root = Arc::new(Root::within(&dir, PlaceInTree { tree: tree.clone(), ..PlaceInTree::default() }).unwrap());
    let store = LocalStore::over(root, LocalOptions::new(Durability::None, Staging::Hidden));
    (store, tree, home.join(limits::RESERVED_NAME).join(format!("{DATA}{key}")))
}

#[test]
fn what_a_dead_node_had_of_an_upload_stays_where_the_names_hang() {
    let place = tempfile::tempdir().unwrap();
    let (store, tree, partial) = beside_a_dead_node(place.path());
    let hangs = tree.alone_here().unwrap();
    let swept = store.sweep(Some(limits::PARTIAL_MAX_AGE)).unwrap();
    assert_eq!((swept.saved, swept.removed), (0, 0));
    assert!(store.look_for_partial(&RelPath::parse(b"f").unwrap()).is_err());
    drop(hangs);
    let swept = store.sweep(Some(limits::PARTIAL_MAX_AGE)).unwrap();
    assert_eq!((swept.saved, swept.removed, partial.exists()), (1, 0, true));
    // Nor is a partial that is too old taken for removed.
    let hangs = tree.alone_here().unwrap();
    let long_ago = SystemTime::now() - limits::PARTIAL_MAX_AGE * 2;
    std::fs::File::options().write(true).open(&partial).unwrap().set_modified(long_ago).unwrap();
    let swept = store.sweep(Some(limits::PARTIAL_MAX_AGE)).unwrap();
    assert_eq!((swept.removed, partial.exists()), (0, true));
    drop(hangs);
    let swept = store.sweep(Some(limits::PARTIAL_MAX_AGE)).unwrap();
    assert_eq!((swept.removed, partial.exists()), (1, false));
}

/// Whoever waits for it meanwhile is not to take it for one who does not come back.
#[test]
fn who_measures_goes_on_with_each_folder_and_with_all_that_is_cleared_away() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    (0..20).for_each(|number| std::fs::create_dir_all(home.join(format!("{number}/empty"))).unwrap());
    let folder = || Dir::open_ambient_dir(&home, cap_std::ambient_authority()).unwrap();
    let steps = std::cell::Cell::new(0);
    let goes_on = || steps.set(steps.get() + 1);
    super::super::measure::sum(&folder(), &mut |_| {}, &goes_on).unwrap();
    assert_eq!(steps.replace(0), 40);
    let reserved = home.join(limits::RESERVED_NAME);
    for left in ["gone-dead", &format!("{SESSION}dead/folder")] {
        std::fs::create_dir_all(reserved.join(left)).unwrap();
        (0..20).for_each(|number| std::fs::write(reserved.join(left).join(number.to_string()), b"").unwrap());
    }
    std::fs::write(reserved.join(format!("{SESSION}dead")).join(LOCK), b"").unwrap();
    let can = LocalStore::try_out(&folder(), Durability::None).unwrap();
    let opened = open_reserved(&folder()).unwrap();
    clear(Among { can: Some(can), is_across: false }, &opened, &goes_on).unwrap();
    assert!(steps.get() >= 40, "{}", steps.get());
    assert_eq!(names(&opened).unwrap(), Vec::<String>::new());
}

#[test]
fn only_the_one_who_gets_its_lock_takes_a_file() {
    let place = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(place.path(), cap_std::ambient_authority()).unwrap();
    let held = std::fs::File::create(place.path().join("0-key")).unwrap();
    flock(&held, FlockOperation::NonBlockingLockExclusive).unwrap();
    assert!(!is_left(&dir, "0-key"));
    drop(held);
    assert!(is_left(&dir, "0-key"));
    // Gone meanwhile: whoever has it now has another name for it.
    assert!(!is_left(&dir, "missing"));
    std::fs::create_dir(place.path().join("folder")).unwrap();
    assert!(is_left(&dir, "folder"));
}
