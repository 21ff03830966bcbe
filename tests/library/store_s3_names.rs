//! How long the names are that a storage takes: one that is too long is refused at once and by name, whatever the storage says of it.

use sealift::Kind;
use sealift::files::{HomeTerms, Vault};

use super::store_s3_bad::{SOON, any, kind, p, patient};
use crate::common::bad_engine::{Act, BadEngine};

/// A path of so many bytes, in folders.
fn path(length: usize) -> String {
    (1..=length).map(|at| if at % 200 == 0 && at < length { '/' } else { 'n' }).collect()
}

/// What stands before a path in a key.
const BEFORE: usize = "h/alice/".len();

fn refused(status: u16, code: &str) -> Act {
    Act::Say(status, "", format!("<Error><Code>{code}</Code></Error>"))
}

#[test]
fn a_key_may_have_1_023_bytes_and_as_a_folder_one_more() {
    let engine = BadEngine::start();
    let spool = tempfile::tempdir().unwrap();
    let vault = patient(&engine, true, &spool, SOON);
    vault.probe().unwrap();
    assert!(engine.keys().is_empty(), "the trial left something");
    let store = vault.open("alice", HomeTerms::none()).unwrap();
    let longest = path(1023 - BEFORE);
    store.make_dir(&p(longest.rsplit_once('/').unwrap().0), true).unwrap();
    any(&*store, &longest, b"bytes").unwrap();
    assert_eq!(store.stat(&p(&longest)).unwrap().size, 5);
    let parent = longest.rsplit_once('/').unwrap().0;
    let mut listing = store.list(&p(parent), false).unwrap();
    let listed = std::iter::from_fn(|| listing.next()).map(|entry| entry.unwrap().path).collect::<Vec<_>>();
    assert_eq!(listed, [longest.rsplit_once('/').unwrap().1.as_bytes()]);
    store.remove(&p(&longest), false).unwrap();
    store.make_dir(&p(&longest), false).unwrap();
    assert!(engine.keys().contains(&format!("h/alice/{longest}/")));
    engine.asked();
    let longer = path(1024 - BEFORE);
    assert_eq!(kind(any(&*store, &longer, b"bytes")), Err(Kind::PathTooLong));
    assert_eq!(kind(store.make_dir(&p(&longer), false)), Err(Kind::PathTooLong));
    assert!(engine.asked().iter().all(|(_, key)| key.len() < 1025));
}

/// Garage over LMDB stores up to 479 bytes, removes what has up to 471, and says of more that it is not well; others refuse them by name. What
/// may be there is found in steps of 32 bytes.
#[test]
fn what_a_storage_takes_no_name_for_is_refused_at_once_and_as_too_long() {
    for (status, code) in [(503, "ServiceUnavailable"), (500, "InternalError"), (400, "KeyTooLongError")] {
        let engine = BadEngine::start();
        engine.does(move |asked| match (asked.method.as_str(), asked.key.len()) {
            ("PUT", 480..) | ("DELETE", 472..) => refused(status, code),
            _ => Act::Do,
        });
        let spool = tempfile::tempdir().unwrap();
        let vault = patient(&engine, true, &spool, SOON);
        vault.probe().unwrap();
        assert!(engine.keys().is_empty(), "the trial left something");
        let store = vault.open("alice", HomeTerms::none()).unwrap();
        let longest = path(447 - BEFORE);
        let parent = longest.rsplit_once('/').unwrap().0;
        store.make_dir(&p(parent), true).unwrap();
        any(&*store, &longest, b"bytes").unwrap();
        engine.asked();
        for length in [448, 479, 480, 700, 1023] {
            let longer = format!("{parent}/{}", "m".repeat(length - BEFORE - parent.len() - 1));
            let long = if longer.len() - parent.len() > 255 { path(length - BEFORE) } else { longer };
            assert_eq!(kind(any(&*store, &long, b"bytes")), Err(Kind::PathTooLong), "{length} {code}");
            assert_eq!(kind(store.make_dir(&p(&long), true)), Err(Kind::PathTooLong), "{length} {code}");
        }
        assert!(engine.asked().iter().all(|(method, _)| method != "PUT"), "{code}");
        assert_eq!(kind(store.rename(&p(&longest), &p(&path(470 - BEFORE)), false)), Err(Kind::PathTooLong), "{code}");
        assert_eq!(store.stat(&p(&longest)).unwrap().size, 5);
        // What another program has put there is read, and removed.
        let foreign = path(460 - BEFORE);
        engine.put(&format!("h/alice/{foreign}"), b"1");
        assert_eq!(store.stat(&p(&foreign)).unwrap().size, 1, "{code}");
        store.remove(&p(&foreign), false).unwrap();
    }
}

/// Whatever it is asked first fails, whatever the name.
#[test]
fn a_storage_that_is_not_well_for_a_moment_takes_no_shorter_names_for_that() {
    let engine = BadEngine::start();
    let mut asked_for = std::collections::BTreeSet::new();
    engine.does(move |asked| match asked.method == "PUT" && asked_for.insert(asked.key.clone()) {
        true => refused(503, "ServiceUnavailable"),
        false => Act::Do,
    });
    let spool = tempfile::tempdir().unwrap();
    let vault = patient(&engine, true, &spool, crate::common::HANG);
    vault.probe().unwrap();
    let store = vault.open("alice", HomeTerms::none()).unwrap();
    let long = path(1000);
    store.make_dir(&p(long.rsplit_once('/').unwrap().0), true).unwrap();
    any(&*store, &long, b"bytes").unwrap();
    assert_eq!(store.stat(&p(&long)).unwrap().size, 5);
}
