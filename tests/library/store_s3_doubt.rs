//! A storage that does not say what became of what it was asked to do, and then refuses it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sealift::Kind;
use sealift::files::{Condition, HomeTerms, Store, Stored, UploadSpec, Vault};

use crate::common::bad_engine::{Act, Asked, BadEngine};
use crate::common::eventually;
use crate::store_s3_bad::{any, hasty, kind, p, store, vault};
use crate::store_s3_partial_bad::{BLOCK, begun, content, left, recorded};

const FAILED: &str = "<Error><Code>InternalError</Code></Error>";

fn said(status: u16, code: &str) -> Act {
    Act::Say(status, "", format!("<Error><Code>{code}</Code></Error>"))
}

/// A home with a quota, in a storage that heeds conditions.
fn bounded(engine: &BadEngine) -> (Arc<dyn Store>, tempfile::TempDir) {
    engine.heeds();
    let spool = tempfile::tempdir().unwrap();
    let vault = vault(engine, true, &spool);
    assert!(vault.probe().unwrap().all());
    (vault.open("alice", HomeTerms::none().bounded(Some(1000))).unwrap(), spool)
}

/// Has the storage say nothing to the first request of this kind, or that something has failed there, and then that.
fn refuses(
    engine: &BadEngine,
    is_it: fn(&Asked) -> bool,
    is_answered: bool,
    then: (u16, &'static str),
) -> Arc<AtomicUsize> {
    let given_up = Arc::new(AtomicUsize::new(0));
    let (count, mut is_first) = (given_up.clone(), true);
    engine.does(move |asked| {
        if asked.aborts() {
            count.fetch_add(1, Ordering::Relaxed);
        }
        match is_it(asked) {
            true if std::mem::take(&mut is_first) => match is_answered {
                true => said(500, "InternalError"),
                false => Act::SayNothing,
            },
            true => said(then.0, then.1),
            false => Act::Do,
        }
    });
    given_up
}

#[test]
fn an_upload_is_not_given_up_beside_a_complete_that_may_be_done_yet_whatever_is_said_to_the_next_one() {
    for then in [
        (403, "AccessDenied"),
        (507, "InsufficientStorage"),
        (501, "NotImplemented"),
        (400, "InvalidPart"),
        (404, "NoSuchUpload"),
        (412, "PreconditionFailed"),
    ] {
        for blocks in [1, 2] {
            let engine = BadEngine::start();
            let (store, _spool) = store(&engine, true);
            let upload = begun(&*store, &content(blocks * BLOCK + 5));
            if blocks > 1 {
                recorded(&engine, 2);
            }
            let given_up = refuses(&engine, Asked::completes, blocks > 1, then);
            assert_eq!(kind(store.commit_one(upload)), Err(Kind::Unavailable), "{then:?}");
            assert_eq!((given_up.load(Ordering::Relaxed), left(&engine)), (0, None), "{then:?}");
        }
    }
}

#[test]
fn a_copy_is_not_given_up_beside_a_complete_that_may_be_done_yet() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    any(&*store, "x", &content(BLOCK + 5)).unwrap();
    let given_up = Arc::new(AtomicUsize::new(0));
    let (count, mut is_first) = (given_up.clone(), true);
    engine.does(move |asked| {
        if asked.aborts() {
            count.fetch_add(1, Ordering::Relaxed);
        }
        match asked.completes() {
            true if std::mem::take(&mut is_first) => said(500, "InternalError"),
            true => said(403, "AccessDenied"),
            false if asked.headers.contains_key("x-amz-copy-source") => {
                Act::Say(200, "", "<CopyPartResult><ETag>e</ETag></CopyPartResult>".to_owned())
            }
            false => Act::Do,
        }
    });
    assert_eq!(kind(store.rename(&p("x"), &p("y"), true)), Err(Kind::Unavailable));
    assert_eq!(given_up.load(Ordering::Relaxed), 0);
    assert!(engine.keys().contains(&"h/alice/x".to_owned()));
}

#[test]
fn what_became_of_a_completed_upload_is_told_by_its_number_and_nobody_reads_the_file() {
    for blocks in [1, 2] {
        let engine = BadEngine::start();
        let (store, _spool) = hasty(&engine, true);
        let bytes = content(blocks * BLOCK + 5);
        let upload = begun(&*store, &bytes);
        if blocks > 1 {
            recorded(&engine, 2);
        }
        // It knows the upload no longer then.
        engine.does(|asked| if asked.completes() { Act::DoAndSayNothing } else { Act::Do });
        engine.asked();
        assert_eq!(store.commit_one(upload).unwrap().stored, Stored::Created);
        let read = ("GET".to_owned(), "h/alice/x".to_owned());
        assert!(!engine.asked().contains(&read));
        assert!(engine.get("h/alice/x") == bytes);
    }
}

#[test]
fn a_quota_counts_what_was_stored_by_a_first_attempt_though_the_second_was_refused() {
    let engine = BadEngine::start();
    let (store, _spool) = bounded(&engine);
    any(&*store, "y", b"another").unwrap();
    let mut upload =
        store.begin(&p("x"), UploadSpec { condition: Condition::Absent, ..UploadSpec::default() }).unwrap();
    let mut is_first = true;
    engine.does(move |asked| match (asked.key.as_str(), asked.method.as_str()) {
        ("h/alice/x", "PUT") if std::mem::take(&mut is_first) => Act::DoAndSay(FAILED),
        // Nor can be seen what is there.
        ("h/alice/x", "HEAD") => said(403, "AccessDenied"),
        _ => Act::Do,
    });
    upload.append(b"bytes").unwrap();
    assert!(store.commit_one(upload).is_err());
    engine.does(|_| Act::Do);
    let (_, bytes) = engine.sum("h/alice/");
    assert_eq!(bytes, 12);
    let used = || store.usage().ok().flatten().map(|usage| usage.used);
    eventually("it is counted again", || used() == Some(bytes));
}

#[test]
fn a_removal_whose_answer_was_lost_is_looked_up() {
    let engine = BadEngine::start();
    let (store, _spool) = bounded(&engine);
    for (path, bytes) in [("x", &b"bytes"[..]), ("y", b"another")] {
        any(&*store, path, bytes).unwrap();
    }
    let mut is_first = true;
    engine.does(move |asked| match (asked.key.as_str(), asked.method.as_str()) {
        ("h/alice/x", "DELETE") if std::mem::take(&mut is_first) => Act::DoAndSay(FAILED),
        _ => Act::Do,
    });
    let seen = store.seen(&p("x")).unwrap();
    // The second attempt finds nothing, which is not what the condition says.
    store.remove_seen(&p("x"), false, &seen).unwrap();
    assert_eq!(engine.keys(), ["h/alice/y"]);
    assert_eq!(store.usage().unwrap().unwrap().used, 7);
}

#[test]
fn a_folder_that_a_link_leads_to_counts_in_the_quota_of_its_home_and_does_not_tell_of_it() {
    let engine = BadEngine::start();
    let spool = tempfile::tempdir().unwrap();
    let store = vault(&engine, true, &spool).open("alice", HomeTerms::none().bounded(Some(10))).unwrap();
    store.make_dir(&p("d"), false).unwrap();
    let part = store.below(&p("d")).unwrap();
    assert_eq!(kind(any(&*part, "x", b"more than ten bytes")), Err(Kind::Quota));
    any(&*part, "x", b"bytes").unwrap();
    assert_eq!(part.usage().unwrap(), None);
    assert_eq!(store.usage().unwrap().unwrap().used, 5);
}
