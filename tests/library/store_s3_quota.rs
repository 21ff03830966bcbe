//! What homes in a bucket may hold: counted while they are changed, by several servers, and over a storage that does not answer.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use sealift::Kind;
use sealift::files::{Committed, Condition, HomeTerms, Location, Store, UploadSpec, Vault};
use sealift::limits;
use sealift::store::s3::{Keys, S3Options, S3Vault};
use sealift::testing::conformance::{CHECKS, Home};
use tempfile::TempDir;

use super::store_s3_bad::{SOON, any, kind, p};
use crate::common::HANG;
use crate::common::bad_engine::{Act, Asked, BadEngine, hold};

/// A server of this storage.
pub struct Server {
    pub vault: S3Vault,
    _spool: TempDir,
}

impl Server {
    /// One that counts as old what is so old.
    fn new(engine: &BadEngine, alone: bool, age: (Duration, u32)) -> Server {
        Server::with(engine, |options| (options.alone, options.patience, options.count_age) = (alone, HANG, age))
    }

    fn with(engine: &BadEngine, with: impl FnOnce(&mut S3Options)) -> Server {
        let keys = Keys::new("key", "secret", None);
        let spool = tempfile::tempdir().unwrap();
        let (bucket, endpoint) = ("s3://bucket".parse().unwrap(), engine.endpoint.parse().unwrap());
        let mut options = S3Options::new(bucket, endpoint, keys, spool.path().to_owned());
        with(&mut options);
        Server { vault: S3Vault::new(options).unwrap(), _spool: spool }
    }

    /// The only one.
    pub fn alone(engine: &BadEngine) -> Server {
        Server::new(engine, true, limits::ENGINE_COUNT_AGE)
    }

    /// The only one, which gives up soon: for a storage that does not do what it is asked.
    pub fn hasty(engine: &BadEngine) -> Server {
        Server::with(engine, |options| (options.alone, options.patience) = (true, SOON))
    }

    pub fn bounded(&self, quota: u64) -> Arc<dyn Store> {
        self.vault.open("alice", HomeTerms::none().bounded(Some(quota))).unwrap()
    }

    fn unbounded(&self) -> Arc<dyn Store> {
        self.vault.open("alice", HomeTerms::none()).unwrap()
    }
}

/// A page of what is in her home is asked for, to count it.
pub fn is_count(asked: &Asked) -> bool {
    let is_page = asked.method == "GET" && asked.key.is_empty() && asked.query.contains("list-type");
    is_page
        && asked.query.split('&').filter(|said| ["prefix=h%2Falice%2F", "max-keys=1000"].contains(said)).count() == 2
}

pub fn busy() -> Act {
    Act::Say(503, "", "<Error><Code>SlowDown</Code></Error>".to_owned())
}

pub fn announced(len: u64) -> UploadSpec {
    UploadSpec { size: Some(len), ..UploadSpec::default() }
}

pub fn put(store: &dyn Store, path: &str, len: u64) -> sealift::Result<Committed> {
    let mut upload = store.begin(&p(path), announced(len))?;
    upload.append(&vec![7; usize::try_from(len).unwrap()])?;
    store.commit_one(upload)
}

/// Exactly so many bytes more can be stored.
pub fn assert_left(store: &dyn Store, left: u64) {
    assert_eq!(kind(store.begin(&p("probe"), announced(left + 1))), Err(Kind::Quota), "one byte more than {left}");
    drop(store.begin(&p("probe"), announced(left)).unwrap());
}

pub fn used(store: &dyn Store) -> u64 {
    store.usage().unwrap().unwrap().used
}

#[test]
fn the_checks_of_quotas_hold_over_a_storage_that_heeds_nothing() {
    for (name, check) in CHECKS.iter().filter(|(name, _)| name.contains("quota")) {
        let fresh = || {
            let engine = BadEngine::start();
            engine.pages_of(2);
            let server = Server::alone(&engine);
            Home::new(move |quota| server.vault.open("alice", HomeTerms::none().bounded(quota)))
        };
        check(&fresh).unwrap_or_else(|failure| panic!("{name}: {failure}"));
    }
}

#[test]
fn files_are_bounded_too_and_a_shared_folder_by_its_own_quota_in_its_own_words() {
    let engine = BadEngine::start();
    let server = Server::alone(&engine);
    engine.put("h/alice/d/", b"");
    engine.put("h/alice/d/there", b"1");
    let store = server.vault.open("alice", HomeTerms::none().with_files(Some(2))).unwrap();
    assert_eq!(store.usage().unwrap(), None, "there is no quota in bytes");
    put(&*store, "x", 5).unwrap();
    let error = put(&*store, "y", 0).unwrap_err();
    assert_eq!((error.kind(), error.text()), (Kind::Quota, "y: over your quota of 2 files"));
    store.remove(&p("x"), false).unwrap();
    put(&*store, "y", 0).unwrap();
    let folder = Location::Below("alice/d".to_owned());
    let folder = server.vault.open_folder(&folder, HomeTerms::none().bounded(Some(10))).unwrap();
    let error = put(&*folder, "z", 10).unwrap_err();
    assert_eq!((error.kind(), error.text()), (Kind::Quota, "z: over the shared folder's quota of 10 B"));
    // What is put there counts in the home that it is in, too.
    put(&*folder, "z", 9).unwrap();
    assert_eq!(kind(put(&*store, "another", 1)), Err(Kind::Quota));
    let home = server.bounded(100);
    assert_eq!((used(&*home), engine.sum("h/alice/")), (10, (3, 10)));
}

/// Runs this while her home is counted: at a moment when the page of this number is asked for, before it is made or right behind that.
fn changed_at(page: usize, behind: bool, change: impl FnOnce(&dyn Store)) {
    let engine = BadEngine::start();
    engine.pages_of(2);
    for (name, len) in [("a", 1_usize), ("c", 2), ("e", 4), ("g", 8), ("i", 16)] {
        engine.put(&format!("h/alice/{name}"), &vec![7; len]);
    }
    let server = Server::alone(&engine);
    let free = server.unbounded();
    let (hold, held) = hold();
    let mut hold = Some(hold);
    let mut pages = 0;
    engine.does(move |what| {
        pages += usize::from(is_count(what));
        match is_count(what) && pages == page {
            true => {
                let hold = hold.take().unwrap();
                if behind { Act::DoAndSayLater(hold) } else { Act::DoLater(hold) }
            }
            false => Act::Do,
        }
    });
    let store = server.bounded(10_000);
    thread::scope(|scope| {
        let counted = scope.spawn(|| drop(store.begin(&p("first"), announced(1)).unwrap()));
        held.comes();
        // A home that is counted is changed meanwhile.
        change(&*free);
        held.goes_on();
        counted.join().unwrap();
    });
    assert_eq!(used(&*store), engine.sum("h/alice/").1, "page {page}, behind {behind}");
    assert_left(&*store, 10_000 - engine.sum("h/alice/").1);
}

#[test]
fn a_home_is_counted_to_the_byte_while_it_is_changed_wherever_the_count_has_come_to() {
    for page in 1..=3 {
        for behind in [false, true] {
            for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
                // New ones, and in the place of others.
                changed_at(page, behind, |store| assert!(put(store, name, 1000).is_ok()));
            }
            for name in ["a", "e", "i"] {
                changed_at(page, behind, |store| assert!(store.remove(&p(name), false).is_ok()));
                changed_at(page, behind, |store| assert!(store.rename(&p(name), &p("d"), false).is_ok()));
                changed_at(page, behind, |store| assert!(store.rename(&p(name), &p("c"), true).is_ok()));
            }
            changed_at(page, behind, |store| {
                for _ in 0..2 {
                    put(store, "d/x", 100).unwrap_err();
                    store.make_dir(&p("d"), true).unwrap();
                    put(store, "d/x", 100).unwrap();
                    put(store, "d/y", 200).unwrap();
                    store.rename(&p("d"), &p("h"), false).unwrap();
                    put(store, "h/x", 400).unwrap();
                    store.remove(&p("h"), true).unwrap();
                }
                put(store, "i", 3).unwrap();
            });
        }
    }
}

#[test]
fn many_changes_at_once_and_some_that_the_storage_does_not_do_are_counted_to_the_byte() {
    let engine = BadEngine::start();
    engine.pages_of(3);
    let server = Server::alone(&engine);
    // What is put there is never stored, and nobody can be sure of that: all is counted again.
    engine.does(|asked| match asked.key.ends_with("/bad") && asked.method == "PUT" {
        true => Act::Say(400, "", "<Error><Code>BadDigest</Code></Error>".to_owned()),
        false => Act::Do,
    });
    let store = server.bounded(1_000_000);
    for round in 0..4 {
        thread::scope(|scope| {
            for n in 0..4_u64 {
                let store = server.bounded(1_000_000);
                scope.spawn(move || {
                    for step in 0..12 {
                        let (own, other) = (format!("d{n}"), format!("e{n}"));
                        store.make_dir(&p(&own), true).unwrap();
                        put(&*store, &format!("{own}/x"), 10 + step).unwrap();
                        put(&*store, &format!("shared{}", step % 3), 100 * n + step).unwrap();
                        match step % 4 {
                            0 => drop(
                                store
                                    .rename(&p(&own), &p(&other), false)
                                    .and_then(|_| store.remove(&p(&other), true))
                                    .unwrap(),
                            ),
                            1 => drop(store.rename(&p(&format!("{own}/x")), &p("shared1"), true).unwrap()),
                            2 => drop(store.remove(&p("shared2"), false)),
                            _ => {}
                        }
                    }
                });
            }
            scope.spawn(|| {
                for _ in 0..10 {
                    assert_eq!(kind(any(&*server.bounded(1_000_000), "bad", b"never")), Err(Kind::Integrity));
                }
            });
        });
        let there = engine.sum("h/alice/").1;
        // It is counted once more.
        drop(store.begin(&p("probe"), announced(1)).unwrap());
        assert_eq!(used(&*store), there, "round {round}");
        assert_left(&*store, 1_000_000 - there);
    }
}

pub fn eventually(mut holds: impl FnMut() -> bool) {
    assert!((0..6000).any(|_| {
        thread::sleep(Duration::from_millis(10));
        holds()
    }));
}

#[test]
fn a_storage_that_does_not_list_is_told_as_such_and_nothing_is_let_in_unmeasured() {
    let engine = BadEngine::start();
    let server = Server::hasty(&engine);
    engine.put("h/alice/there", &[7; 100]);
    let store = server.bounded(1000);
    engine.does(|asked| if is_count(asked) { busy() } else { Act::Do });
    for len in [1, 2000] {
        assert_eq!(kind(put(&*store, "x", len)), Err(Kind::Unavailable));
    }
    assert_eq!(kind(store.usage()), Err(Kind::Unavailable));
    // Nor one that says nothing at all, or never comes to an end: those who wait are told before that.
    let (hold, held) = hold();
    let mut hold = Some(hold);
    engine.does(move |asked| match is_count(asked) {
        true => hold.take().map_or_else(busy, Act::DoAndSayLater),
        false => Act::Do,
    });
    eventually(|| store.seen(&p("there")).is_ok());
    let error = put(&*store, "x", 1).unwrap_err();
    assert!(error.kind() == Kind::Unavailable && error.text().contains("counted"), "{error}");
    assert_eq!(engine.keys(), ["h/alice/there"]);
    // Others go on meanwhile.
    put(&*server.unbounded(), "free", 10).unwrap();
    held.goes_on();
    engine.does(|_| Act::Do);
    eventually(|| put(&*store, "x", 1).is_ok());
    assert_left(&*store, 1000 - 100 - 10 - 1);
}

/// The storage makes up keys that never end.
#[test]
fn a_listing_without_an_end_is_counted_for_nobody() {
    let engine = BadEngine::start();
    let server = Server::with(&engine, |options| {
        (options.alone, options.patience) = (true, SOON);
        options.count_kept = Duration::from_secs(1);
    });
    let mut number = 0;
    engine.does(move |asked| match is_count(asked) {
        true => {
            number += 1;
            let entry = |key: String| format!("<Contents><Key>{key}</Key><Size>0</Size><ETag>e</ETag></Contents>");
            let page = entry(format!("h/alice/{number:012}"));
            let next = "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>";
            Act::Say(200, "", format!("<ListBucketResult>{page}{next}</ListBucketResult>"))
        }
        false => Act::Do,
    });
    let store = server.bounded(1000);
    assert_eq!(kind(put(&*store, "x", 1)), Err(Kind::Unavailable));
    drop(store);
    // Nobody needs the count any more.
    eventually(|| {
        engine.asked();
        thread::sleep(Duration::from_millis(50));
        engine.asked().is_empty()
    });
}

#[test]
fn what_became_of_a_change_that_was_not_answered_is_counted_again() {
    let engine = BadEngine::start();
    let server = Server::hasty(&engine);
    let store = server.bounded(1000);
    put(&*store, "x", 100).unwrap();
    // It is done, and nobody is told, nor can look.
    engine.does(|asked| match asked.key == "h/alice/x" {
        true if asked.method == "DELETE" => Act::DoAndSayNothing,
        true => busy(),
        false => Act::Do,
    });
    let _unanswered = store.remove(&p("x"), false);
    engine.does(|asked| if asked.method == "PUT" && asked.key == "h/alice/y" { Act::DoAndSayNothing } else { Act::Do });
    eventually(|| store.seen(&p("other")).is_ok());
    assert_eq!(kind(put(&*store, "y", 300)), Ok(()), "it is looked up");
    engine.does(|_| Act::Do);
    let there = engine.sum("h/alice/").1;
    assert_left(&*store, 1000 - there);
}

#[test]
fn what_other_servers_store_and_remove_counts_when_it_is_counted_again() {
    let engine = BadEngine::start();
    let counted = (Duration::ZERO, 0);
    let (one, other) = (Server::new(&engine, false, counted), Server::new(&engine, false, counted));
    let (first, second) = (one.bounded(1000), other.bounded(1000));
    put(&*first, "a", 400).unwrap();
    put(&*second, "b", 400).unwrap();
    for store in [&first, &second] {
        assert_left(&**store, 200);
        assert_eq!(used(&**store), 800);
    }
    second.remove(&p("a"), false).unwrap();
    assert_left(&*first, 600);
    put(&*first, "c", 600).unwrap();
    assert_eq!(kind(put(&*second, "d", 1)), Err(Kind::Quota));
}

#[test]
fn an_upload_is_refused_at_its_end_if_another_server_has_filled_the_home_and_the_old_file_stays() {
    let engine = BadEngine::start();
    let counted = (Duration::ZERO, 0);
    let (one, other) = (Server::new(&engine, false, counted), Server::new(&engine, false, counted));
    let (first, second) = (one.bounded(1000), other.bounded(1000));
    put(&*first, "a", 100).unwrap();
    let mut upload = first.begin(&p("a"), announced(500)).unwrap();
    upload.append(&[1; 500]).unwrap();
    put(&*second, "b", 600).unwrap();
    assert_eq!(kind(first.commit_one(upload)), Err(Kind::Quota));
    assert_eq!(engine.sum("h/alice/"), (2, 700));
    assert_eq!(first.stat(&p("a")).unwrap().size, 100);
    // What was promised to it is not any more.
    assert_left(&*first, 300);
}

#[test]
fn what_is_known_is_taken_until_it_is_too_old_and_then_somebody_waits_for_the_next_count() {
    let engine = BadEngine::start();
    let server = Server::new(&engine, false, (Duration::from_secs(3600), 0));
    let store = server.bounded(1000);
    put(&*store, "a", 100).unwrap();
    // Nothing is listed for what there is room for.
    let counts = Arc::new(AtomicBool::new(false));
    let seen = counts.clone();
    engine.does(move |asked| {
        seen.fetch_or(is_count(asked), Ordering::Relaxed);
        Act::Do
    });
    put(&*store, "b", 100).unwrap();
    assert!(!counts.load(Ordering::Relaxed));
    // Others' files are not known of: that is by how much it may be too much.
    engine.put("h/alice/theirs", &[7; 900]);
    put(&*store, "c", 800).unwrap();
    assert_eq!(engine.sum("h/alice/").1, 1900);
    // A condition that does not hold is nothing that is not known.
    let absent = UploadSpec { condition: Condition::Absent, ..announced(0) };
    assert_eq!(kind(store.begin(&p("c"), absent)), Err(Kind::Unsupported));
    assert!(!counts.load(Ordering::Relaxed));
}
