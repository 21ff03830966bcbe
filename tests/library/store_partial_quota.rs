//! What is kept of interrupted uploads in folders under a quota.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code outside of a test function")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sealift::Kind;
use sealift::files::{Durability, Hash, HomeTerms, Location, Looked, Owner, Store, UploadSpec, Vault as _};
use sealift::limits;
use sealift::store::LocalVault;
use tempfile::TempDir;

use crate::common::home::{p, put};

const BLOCK: usize = limits::HASH_BLOCK as usize;

struct Place {
    vault: LocalVault,
    dir: TempDir,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        Place { vault: LocalVault::open(&dir.path().join("data"), Durability::None).unwrap(), dir }
    }

    /// Alice's home with room for so many blocks.
    fn bounded(&self, blocks: usize) -> Arc<dyn Store> {
        self.home("alice", Some(blocks))
    }

    fn home(&self, name: &str, blocks: Option<usize>) -> Arc<dyn Store> {
        self.vault.open(name, HomeTerms::none().bounded(blocks.map(|blocks| (blocks * BLOCK) as u64))).unwrap()
    }

    fn reserved(&self, home: &str) -> PathBuf {
        self.dir.path().join("data").join(home).join(limits::RESERVED_NAME)
    }
}

fn bytes(blocks: usize) -> Vec<u8> {
    vec![7; blocks * BLOCK]
}

/// Cuts an upload off, and says how much is kept.
fn cut(store: &dyn Store, path: &str, blocks: usize) -> u64 {
    let mut upload = store.begin(&p(path), UploadSpec::default()).unwrap();
    upload.append(&bytes(blocks)).unwrap();
    upload.keep()
}

fn used(store: &dyn Store) -> usize {
    usize::try_from(store.usage().unwrap().unwrap().used).unwrap()
}

fn key(path: &str) -> String {
    Hash::of(path.as_bytes()).to_string()[..32].to_owned()
}

fn set_age(reserved: &Path, path: &str, age: Duration) {
    let file = fs::File::open(reserved.join(format!("p-{}", key(path)))).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

/// What a killed server leaves of an upload of so many bytes.
fn killed(reserved: &Path, path: &str, len: usize) {
    let dead = reserved.join(format!("s-of-{path}"));
    fs::create_dir_all(&dead).unwrap();
    fs::write(dead.join("lock"), "").unwrap();
    fs::write(dead.join(format!("0-{}", key(path))), vec![7; len]).unwrap();
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn a_home_with_a_quota_promises_that_uploads_are_gone_on_with() {
    assert!(Place::new().bounded(1).promises().resumes);
}

#[test]
fn the_oldest_interrupted_uploads_go_first_and_before_the_trash() {
    let place = Place::new();
    let terms = HomeTerms::none().bounded(Some(6 * limits::HASH_BLOCK)).keeping(Some(DAY));
    let store = place.vault.open("alice", terms).unwrap();
    put(&*store, "deleted", &bytes(1)).unwrap();
    store.remove(&p("deleted"), false).unwrap();
    for (path, age) in [("second", 2 * DAY), ("third", DAY), ("first", 3 * DAY)] {
        assert_eq!(cut(&*store, path, 1), limits::HASH_BLOCK);
        set_age(&place.reserved("alice"), path, age);
    }
    assert_eq!(used(&*store), 4 * BLOCK);
    let is_kept = |path: &str| store.partial(&p(path)).unwrap().is_some();
    let trashed = || store.trash(&p(""), 10, &|_| true).unwrap().entries.len();
    put(&*store, "a", &bytes(3)).unwrap();
    assert_eq!((is_kept("first"), is_kept("second"), is_kept("third"), trashed()), (false, true, true, 1));
    assert_eq!(used(&*store), 6 * BLOCK);
    put(&*store, "b", &bytes(2)).unwrap();
    assert_eq!((is_kept("second"), is_kept("third"), trashed()), (false, false, 1));
    // Nothing of the trash goes for an upload that is cut off, ...
    assert_eq!(cut(&*store, "c", 1), 0);
    assert_eq!((is_kept("c"), trashed(), used(&*store)), (false, 1, 6 * BLOCK));
    // ... but for one that is whole.
    put(&*store, "c", &bytes(1)).unwrap();
    assert_eq!((trashed(), used(&*store)), (0, 6 * BLOCK));
    store.remove(&p("c"), false).unwrap();
    assert_eq!(store.purge(&p(""), None, &|_| true).unwrap(), 1);
    assert_eq!(cut(&*store, "c", 1), limits::HASH_BLOCK);
    // Nothing of what is in its place goes for one.
    assert_eq!(
        store
            .begin(&p("d"), UploadSpec { size: Some(limits::HASH_BLOCK + 1), ..Default::default() })
            .err()
            .unwrap()
            .kind(),
        Kind::Quota
    );
    assert!(is_kept("c"));
}

/// Whoever deleted it may want it back.
#[test]
fn as_much_is_kept_of_an_upload_as_there_is_room_for_beside_the_trash() {
    let place = Place::new();
    let terms = HomeTerms::none().bounded(Some(6 * limits::HASH_BLOCK + 5)).keeping(Some(DAY));
    let store = place.vault.open("alice", terms).unwrap();
    put(&*store, "deleted", &bytes(2)).unwrap();
    store.remove(&p("deleted"), false).unwrap();
    let trashed = || store.trash(&p(""), 10, &|_| true).unwrap().entries.len();
    cut(&*store, "other", 1);
    set_age(&place.reserved("alice"), "other", DAY);
    let spec = UploadSpec { size: Some(6 * limits::HASH_BLOCK), ..UploadSpec::default() };
    let mut upload = store.begin(&p("x"), spec).unwrap();
    upload.append(&bytes(5)).unwrap();
    // The other one goes for it.
    assert_eq!(upload.keep(), 4 * limits::HASH_BLOCK);
    assert_eq!((trashed(), used(&*store), store.partial(&p("other")).unwrap()), (1, 6 * BLOCK, None));
    assert_eq!(store.partial(&p("x")).unwrap().unwrap().hash, Hash::of(&bytes(4)));
    // Gone on with and cut off once more it does not lose what was there.
    let resume = || store.resume(&p("x"), spec, 4 * limits::HASH_BLOCK, Hash::of(&bytes(4))).unwrap();
    let mut upload = resume();
    upload.append(&bytes(1)).unwrap();
    assert_eq!((upload.keep(), trashed(), used(&*store)), (4 * limits::HASH_BLOCK, 1, 6 * BLOCK));
    // What comes in parts, too.
    let staged = resume().into_parts().unwrap();
    let mut part = staged.part(4 * limits::HASH_BLOCK, limits::HASH_BLOCK).unwrap();
    part.append(&bytes(1)).unwrap();
    part.finish().unwrap();
    assert_eq!((staged.keep(), trashed(), used(&*store)), (4 * limits::HASH_BLOCK, 1, 6 * BLOCK));
    // When all of it is there the room of the trash is its own.
    let mut upload = resume();
    upload.append(&bytes(2)).unwrap();
    store.commit_one(upload).unwrap();
    assert_eq!((trashed(), used(&*store)), (0, 6 * BLOCK));
}

/// As after a kill, when nobody has counted yet.
#[test]
fn what_somebody_was_told_of_does_not_go_by_the_first_count() {
    let place = Place::new();
    let free = place.home("alice", None);
    for (path, age) in [("old", DAY), ("new", Duration::ZERO)] {
        cut(&*free, path, 2);
        set_age(&place.reserved("alice"), path, age);
    }
    drop(free);
    let told = |store: &dyn Store, path: &str| loop {
        if let Looked::Done(partial) = store.look_for_partial(&p(path)).unwrap() {
            return partial.map(|partial| partial.len);
        }
    };
    let store = place.bounded(3);
    assert_eq!((told(&*store, "old"), store.partial(&p("old")).unwrap()), (None, None), "what is over the quota");
    assert_eq!(told(&*store, "new"), Some(2 * limits::HASH_BLOCK));
    assert_eq!(used(&*store), 2 * BLOCK);
    let spec = UploadSpec { size: Some(3 * limits::HASH_BLOCK), ..UploadSpec::default() };
    let mut upload = store.resume(&p("new"), spec, 2 * limits::HASH_BLOCK, Hash::of(&bytes(2))).unwrap();
    upload.append(&bytes(1)).unwrap();
    store.commit_one(upload).unwrap();
    drop(store);
    // What a kill left is told of at once, and counted.
    killed(&place.reserved("alice"), "left", BLOCK + 5);
    let store = place.bounded(5);
    assert_eq!(store.partial(&p("left")).unwrap().unwrap().len, limits::HASH_BLOCK);
    assert_eq!(used(&*store), 4 * BLOCK + 5);
}

#[test]
fn what_a_sweep_takes_is_given_back() {
    let place = Place::new();
    let store = place.bounded(4);
    for path in ["old", "new"] {
        cut(&*store, path, 1);
    }
    set_age(&place.reserved("alice"), "old", 2 * DAY);
    assert_eq!(used(&*store), 2 * BLOCK);
    assert_eq!(place.vault.sweep("alice", Some(DAY)).unwrap().removed, 1);
    assert_eq!(used(&*store), BLOCK);
    drop(store);
    // Nobody counts.
    set_age(&place.reserved("alice"), "new", 2 * DAY);
    assert_eq!(place.vault.sweep("alice", Some(DAY)).unwrap().removed, 1);
    assert_eq!(used(&*place.bounded(4)), 0);
}

#[test]
fn what_a_killed_server_left_counts_from_the_first_count_on() {
    let place = Place::new();
    let reserved = place.reserved("alice");
    killed(&reserved, "x", BLOCK + 5);
    let store = place.bounded(5);
    assert_eq!(used(&*store), BLOCK + 5);
    // Whoever comes to it later keeps it as long as there is room.
    let sweep = |path: &str, len: usize| {
        killed(&reserved, path, len);
        let swept = place.vault.sweep("alice", Some(DAY)).unwrap();
        (swept.saved, swept.removed, used(&*store))
    };
    assert_eq!(sweep("late", BLOCK), (1, 0, 2 * BLOCK + 5));
    assert_eq!(sweep("later", BLOCK), (1, 0, 3 * BLOCK + 5));
    assert_eq!(sweep("late", BLOCK), (0, 1, 3 * BLOCK + 5), "there is one");
    assert_eq!(sweep("more", 2 * BLOCK), (0, 1, 3 * BLOCK + 5), "it would be over the quota");
    for path in ["late", "later"] {
        put(&*store, path, &bytes(1)).unwrap();
        store.remove(&p(path), false).unwrap();
    }
    assert_eq!(used(&*store), BLOCK + 5);
    let spec = UploadSpec { size: Some(2 * limits::HASH_BLOCK), ..UploadSpec::default() };
    let mut upload = store.resume(&p("x"), spec, limits::HASH_BLOCK, Hash::of(&bytes(1))).unwrap();
    assert_eq!(used(&*store), 0);
    upload.append(&bytes(1)).unwrap();
    store.commit_one(upload).unwrap();
    assert_eq!(used(&*store), 2 * BLOCK);
    drop(store);
    // A sweep that comes first saves it as well.
    killed(&reserved, "y", BLOCK + 5);
    assert_eq!(place.vault.sweep("alice", Some(DAY)).unwrap().saved, 1);
    assert_eq!(used(&*place.bounded(4)), 3 * BLOCK + 5);
    set_age(&reserved, "y", DAY / 2);
    // What is over the quota is nothing that was promised room.
    killed(&reserved, "z", BLOCK + 5);
    let store = place.bounded(4);
    assert_eq!((used(&*store), store.partial(&p("z")).unwrap().is_some()), (3 * BLOCK + 5, true));
}

#[test]
fn an_interrupted_upload_is_a_file_and_gives_way_to_one() {
    let place = Place::new();
    let store = place.vault.open("alice", HomeTerms::none().with_files(Some(2))).unwrap();
    put(&*store, "a", b"a").unwrap();
    cut(&*store, "cut", 1);
    put(&*store, "a", b"the same").unwrap();
    put(&*store, "b", b"b").unwrap();
    assert_eq!(store.partial(&p("cut")).unwrap(), None);
    assert_eq!(put(&*store, "c", b"c").unwrap_err().kind(), Kind::Quota);
}

#[test]
fn what_comes_of_parts_counts_too() {
    let place = Place::new();
    let store = place.bounded(4);
    let spec = UploadSpec { size: Some(3 * limits::HASH_BLOCK), ..UploadSpec::default() };
    let staged = store.begin(&p("x"), spec).unwrap().into_parts().unwrap();
    for at in [0, 2] {
        let mut part = staged.part(at * limits::HASH_BLOCK, limits::HASH_BLOCK).unwrap();
        part.append(&bytes(1)).unwrap();
        part.finish().unwrap();
    }
    assert_eq!(staged.keep(), limits::HASH_BLOCK);
    assert_eq!(used(&*store), BLOCK);
}

/// Who counts what is around could not take away what is kept inside.
#[test]
fn nothing_is_kept_in_a_home_inside_of_one_with_a_quota_while_that_is_counted() {
    let place = Place::new();
    let inner = place.home("alice/c", Some(4));
    assert_eq!(cut(&*inner, "x", 1), limits::HASH_BLOCK);
    assert_eq!(used(&*inner), BLOCK);
    let outer = place.bounded(4);
    put(&*inner, "own", &bytes(1)).unwrap();
    assert_eq!((used(&*outer), used(&*inner)), (BLOCK, BLOCK));
    assert_eq!(inner.partial(&p("x")).unwrap(), None);
    assert!(!inner.promises().resumes && outer.promises().resumes);
    assert_eq!(cut(&*inner, "x", 1), 0);
    assert_eq!(cut(&*outer, "x", 1), limits::HASH_BLOCK);
    assert_eq!((used(&*outer), used(&*inner)), (2 * BLOCK, BLOCK));
    drop(outer);
    assert!(inner.promises().resumes);
    assert_eq!(cut(&*inner, "x", 1), limits::HASH_BLOCK);
    assert_eq!(used(&*inner), 2 * BLOCK);
}

#[test]
fn a_shared_folder_counts_what_is_kept_in_it_in_its_own_quota_or_in_that_of_who_sent_it() {
    let place = Place::new();
    place.vault.prepare("team").unwrap();
    let folder = Location::Below("team".to_owned());
    let four = HomeTerms::none().bounded(Some(4 * limits::HASH_BLOCK));
    let of = |home: &str, terms, own| place.vault.open_folder_for(&folder, terms, &Owner::new(home, own)).unwrap();
    // Its own: whoever needs the room has it.
    let (alice, bob) = (of("alice", four, HomeTerms::none()), of("bob", four, HomeTerms::none()));
    assert_eq!(cut(&*alice, "x", 2), 2 * limits::HASH_BLOCK);
    assert_eq!((used(&*bob), bob.partial(&p("x")).unwrap()), (2 * BLOCK, None));
    put(&*bob, "y", &bytes(3)).unwrap();
    assert_eq!((used(&*bob), alice.partial(&p("x")).unwrap()), (3 * BLOCK, None));
    bob.remove(&p("y"), false).unwrap();
    drop((alice, bob));
    // That of who sent it, who has the room of it at home, too.
    let (alice, bob) = (of("alice", HomeTerms::none(), four), of("bob", HomeTerms::none(), four));
    let home = place.bounded(4);
    cut(&*alice, "x", 2);
    cut(&*bob, "x", 1);
    if used(&*home) == 0 {
        println!("skipped: this file system takes no extended attributes");
        return;
    }
    assert_eq!((used(&*home), used(&*bob)), (2 * BLOCK, BLOCK));
    put(&*home, "z", &bytes(3)).unwrap();
    assert_eq!((used(&*home), alice.partial(&p("x")).unwrap()), (3 * BLOCK, None));
    assert!(bob.partial(&p("x")).unwrap().is_some());
    assert_eq!(used(&*bob), BLOCK);
}
