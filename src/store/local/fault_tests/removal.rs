//! Removals that fail, or have no room for what they need.

use super::super::trash_room::Room;
use super::*;
use crate::error::Error;

/// More than go in one step.
const FILES: usize = limits::REMOVE_STEP + 10;

fn open() -> LocalStore {
    LocalStore::open_path(&folder(), LocalOptions::new(Durability::None, Staging::Hidden)).unwrap()
}

#[test]
#[ignore = "a part of the test below, run by it"]
fn while_there_is_no_room_for_the_reserved_folder() {
    let store = open().bounded(1 << 20, "full".to_owned());
    let used = || usize::try_from(store.usage().unwrap().unwrap().used).unwrap();
    assert_eq!(used(), FILES);
    let tree = path("tree");
    let Removal::Going(mut removing) = store.begin_removal(&tree, true, Keep::As(&tree), None).unwrap() else {
        panic!("it goes in steps")
    };
    assert_eq!((kind(store.stat(&tree)), used()), (Err(Kind::NotFound), FILES - limits::REMOVE_STEP));
    assert_eq!(removing.removed(), Removed::new(limits::REMOVE_STEP as u64, 0));
    while !removing.step().unwrap() {}
    assert_eq!((removing.removed(), used()), (Removed::new(FILES as u64, 1), 0));
}

#[test]
fn a_folder_goes_in_steps_also_where_its_first_files_make_the_room_for_that() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("tree")).unwrap();
    (0..FILES).for_each(|number| fs::write(place.path().join("tree").join(number.to_string()), "x").unwrap());
    // Also where it is tried what the file system can do, before anything is counted.
    let at_first = ("mkdirat", "ENOSPC:when=1..2");
    run_failing(
        "removal::while_there_is_no_room_for_the_reserved_folder",
        at_first,
        limits::RESERVED_NAME,
        place.path(),
    );
    assert!(!place.path().join("tree").exists());
}

#[cfg(feature = "cli")]
#[test]
#[ignore = "a part of the test below, run by it"]
fn while_what_nobody_waits_for_cannot_be_removed() {
    let log = folder().join("log");
    let lines = Arc::new(fs::File::create(&log).unwrap());
    tracing_subscriber::fmt().with_ansi(false).with_writer(lines).init();
    let (store, tree) = (open(), path("tree"));
    drop(store.begin_removal(&tree, true, Keep::As(&tree), None).unwrap());
    let begun = std::time::Instant::now();
    while !fs::read_to_string(&log).unwrap().contains("can be removed") {
        assert!(begun.elapsed() < limits::IDLE_TIMEOUT, "nothing is logged");
        std::thread::yield_now();
    }
    let log = fs::read_to_string(&log).unwrap();
    assert!(
        log.contains("WARN")
            && log.contains("has its name again")
            && log.contains("path=\"tree\"")
            && log.contains(&format!("tree/{NAME}: ")),
        "{log}"
    );
}

#[cfg(feature = "cli")]
#[test]
fn what_cannot_be_removed_after_its_client_has_left_is_logged_and_has_its_name_again() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("tree")).unwrap();
    fs::write(place.path().join("tree").join(NAME), "old").unwrap();
    let part = "removal::while_what_nobody_waits_for_cannot_be_removed";
    run_failing(part, ("unlinkat", "EIO"), NAME, place.path());
    assert_eq!(fs::read_to_string(place.path().join("tree").join(NAME)).unwrap(), "old");
}

/// More than may go for one.
const KEPT: usize = 2 * limits::TRASH_GONE_FOR_ONE;

#[test]
#[ignore = "a part of the test below, run by it"]
fn while_what_is_in_the_trash_cannot_be_removed() {
    let store = open().keeping(true);
    for number in 0..KEPT {
        assert_eq!(kind(store.remove(&path(&number.to_string()), true)), Ok(()));
    }
    let kept = || {
        let names = fs::read_dir(folder().join(limits::RESERVED_NAME).join("trash")).unwrap();
        names.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count()
    };
    assert_eq!(kept(), KEPT);
    let mut room = Room::of(&store.stage);
    while room.comes_after(&Error::new(Kind::NoSpace, "full")) {}
    assert!(kept() >= KEPT - limits::TRASH_GONE_FOR_ONE, "{} are left", kept());
}

#[test]
fn a_trash_does_not_lose_all_its_folders_for_no_room_where_none_can_be_removed() {
    let place = tempfile::tempdir().unwrap();
    for number in 0..KEPT {
        let folder = place.path().join(number.to_string());
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(NAME), "old").unwrap();
    }
    run_failing("removal::while_what_is_in_the_trash_cannot_be_removed", ("unlinkat", "EIO"), NAME, place.path());
}

#[test]
#[ignore = "a part of the test below, run by it"]
fn while_another_one_removes_it_as_well() {
    let (store, tree) = (open(), path("tree"));
    let Removal::Going(mut removing) = store.begin_removal(&tree, true, Keep::As(&tree), None).unwrap() else {
        panic!("it goes in steps")
    };
    assert_eq!(kind(removing.step()), Err(Kind::NotFound));
    drop(removing);
    assert_eq!(kind(store.stat(&tree)), Err(Kind::NotFound));
}

#[test]
fn what_another_one_removes_as_well_does_not_get_its_name_again() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir_all(place.path().join("tree").join(NAME)).unwrap();
    // The first call finds that it is a folder.
    let gone = ("unlinkat", "ENOENT:when=2");
    run_failing("removal::while_another_one_removes_it_as_well", gone, NAME, place.path());
    assert!(!place.path().join("tree").exists());
}

#[test]
#[ignore = "a part of the test below, run by it"]
fn while_something_left_in_a_session_cannot_be_removed() {
    let swept = open().sweep(Some(limits::PARTIAL_MAX_AGE)).unwrap();
    assert_eq!((swept.removed, swept.saved), (1, 0), "one of the two");
}

#[test]
fn a_sweep_counts_what_it_has_removed_and_nothing_else() {
    for is_folder in [false, true] {
        let place = tempfile::tempdir().unwrap();
        let session = place.path().join(limits::RESERVED_NAME).join("s-dead");
        fs::create_dir_all(&session).unwrap();
        fs::write(session.join("0"), "goes").unwrap();
        if is_folder {
            fs::create_dir(session.join("1")).unwrap();
            fs::write(session.join("1").join(NAME), "stays").unwrap();
        } else {
            fs::write(session.join(NAME), "stays").unwrap();
        }
        let part = "removal::while_something_left_in_a_session_cannot_be_removed";
        run_failing(part, ("unlinkat", "EIO"), NAME, place.path());
    }
}

#[test]
#[ignore = "a part of the test below, run by it"]
fn while_the_folder_can_be_synced_once() {
    let store = LocalStore::open_path(&folder(), LocalOptions::default()).unwrap();
    let folder = |name: &str| path(&format!("in/{name}"));
    assert_eq!(kind(store.rename(&folder("one"), &folder("two"), false)), Ok(()));
}

#[test]
#[ignore = "a part of the test below, run by it"]
fn while_the_folder_can_be_synced_once_more() {
    let store = LocalStore::open_path(&folder(), LocalOptions::default()).unwrap();
    let folder = |name: &str| path(&format!("in/{name}"));
    assert_eq!(kind(store.supersede(&folder("two"), &folder("three"))), Ok(()));
}

#[test]
fn a_folder_in_which_something_gets_another_name_is_synced_once() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().canonicalize().unwrap().join("in");
    ["one", "three"].iter().for_each(|name| fs::create_dir_all(folder.join(name)).unwrap());
    for part in ["while_the_folder_can_be_synced_once", "while_the_folder_can_be_synced_once_more"] {
        let part = format!("removal::{part}");
        run_failing(&part, ("fsync", "EIO:when=2"), folder.to_str().unwrap(), place.path());
    }
}
