//! Uploads in parts that are ended, kept or swept while the storage fails, and what servers have written of who has them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use sealift::Kind;
use sealift::files::{Hash, HomeTerms, Interrupted, UploadSpec, Vault};
use sealift::limits;

use crate::common::bad_engine::{Act, Asked, BadEngine, hold};
use crate::common::eventually;
use crate::store_s3_bad::{SOON, hasty, kind, p, patient, store, vault};
use crate::store_s3_holders::{at_first, is_claim, is_end, record, resumed};
use crate::store_s3_partial_bad::{BLOCK, begun, content, left};

const EIGHT_DAYS: Duration = Duration::from_secs(8 * 24 * 60 * 60);

fn is_record(asked: &Asked) -> bool {
    asked.key.starts_with("x/partial-") && asked.key.contains("-of-")
}

fn busy() -> Act {
    Act::Say(503, "", "<Error><Code>SlowDown</Code></Error>".to_owned())
}

/// Keys of what servers say of who has an upload, and of ends alone.
fn claims_and_ends(engine: &BadEngine) -> (Vec<String>, Vec<String>) {
    let said = engine.keys().into_iter().filter(|key| key.contains("-by-"));
    said.partition(|key| !key.contains("-end-"))
}

/// Has the storage count Aborts, and do this instead of others.
fn counts_aborts(engine: &BadEngine, instead: impl Fn(&Asked) -> Option<Act> + Send + 'static) -> Arc<AtomicUsize> {
    let aborts = Arc::new(AtomicUsize::new(0));
    let count = aborts.clone();
    engine.does(move |asked| {
        count.fetch_add(usize::from(asked.aborts()), Ordering::Relaxed);
        instead(asked).unwrap_or(Act::Do)
    });
    aborts
}

/// As if the last part had come before all that: it goes with the commit, and the storage has the upload no longer.
fn has_part(asked: &Asked) -> Act {
    match asked.is_part(3) {
        true => Act::Say(200, "etag: \"e\"\r\n", String::new()),
        false => Act::Do,
    }
}

/// A server that was started just now sweeps.
fn sweep(engine: &BadEngine) -> sealift::Result<usize> {
    let spool = tempfile::tempdir().unwrap();
    vault(engine, true, &spool).sweep("alice", None).map(|swept| swept.removed)
}

#[test]
fn an_upload_of_one_block_whose_record_may_be_written_is_not_given_up_beside_who_finds_it() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    let bytes = content(BLOCK + 3);
    let upload = begun(&*store, &bytes);
    let tries = AtomicUsize::new(0);
    let aborts = counts_aborts(&engine, move |asked| match asked.method == "PUT" && is_record(asked) {
        true if tries.fetch_add(1, Ordering::Relaxed) == 0 => {
            Some(Act::DoAndSay("<Error><Code>InternalError</Code></Error>"))
        }
        true => Some(Act::Say(403, "", "<Error><Code>AccessDenied</Code></Error>".to_owned())),
        false => None,
    });
    assert_eq!(upload.keep(), 0);
    assert_eq!(aborts.load(Ordering::Relaxed), 0);
    assert_eq!(left(&engine), Some((limits::HASH_BLOCK, Hash::of(&bytes[..BLOCK]))));
    // Where it is certain that nobody can find it, it goes.
    let refused = || Act::Say(403, "", "<Error><Code>AccessDenied</Code></Error>".to_owned());
    let engine = BadEngine::start();
    let (store, _spool) = self::store(&engine, true);
    let upload = begun(&*store, &bytes);
    let aborts = counts_aborts(&engine, move |asked| (asked.method == "PUT" && is_record(asked)).then(refused));
    assert_eq!(upload.keep(), 0);
    assert_eq!((aborts.load(Ordering::Relaxed), engine.unfinished()), (1, 0));
}

#[test]
fn an_upload_of_which_nobody_knows_whether_it_was_given_up_is_not_gone_on_with() {
    for then in [None, Some((403, "AccessDenied"))] {
        let engine = BadEngine::start();
        let (store, _spool) = hasty(&engine, true);
        let upload = at_first(&engine, &*store, &content(3 * BLOCK));
        let mut is_first = true;
        engine.does(move |asked| match asked.aborts() {
            true => match (std::mem::take(&mut is_first), then) {
                (false, Some((status, code))) => Act::Say(status, "", format!("<Error><Code>{code}</Code></Error>")),
                (..) => Act::SayNothing,
            },
            false => Act::Do,
        });
        drop(upload);
        let record = record(&engine);
        assert_eq!(claims_and_ends(&engine).1.len(), 1, "{then:?}");
        assert_eq!(left(&engine), None);
        assert!(engine.keys().contains(&record));
        // It goes when it is old, with all that is written of it.
        engine.ages("", EIGHT_DAYS);
        assert_eq!((sweep(&engine).unwrap(), engine.unfinished()), (1, 0));
        assert!(!engine.keys().iter().any(|key| key.starts_with("x/partial-")));
    }
}

#[test]
fn an_upload_of_which_nothing_is_recorded_stays_as_long_as_parts_of_it_come() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    let bytes = content(3 * BLOCK + 5);
    // As under a quota.
    let spec = UploadSpec { interrupted: Interrupted::Dropped, ..UploadSpec::default() };
    let begin = || {
        let mut upload = store.begin(&p("x"), spec).unwrap();
        upload.append(&bytes[..BLOCK + 1]).unwrap();
        upload
    };
    let has_come = |number: u32, times: usize| eventually("the part comes", || engine.came(number) >= times);
    let mut upload = begin();
    has_come(1, 1);
    engine.ages("", EIGHT_DAYS);
    upload.append(&bytes[BLOCK + 1..]).unwrap();
    has_come(2, 1);
    assert_eq!((sweep(&engine).unwrap(), engine.unfinished()), (0, 1));
    assert_eq!(store.commit_one(upload).unwrap().hash, Hash::of(&bytes));
    // Of another one nothing comes any more: its server was killed.
    std::mem::forget(begin());
    has_come(1, 2);
    engine.ages("", EIGHT_DAYS);
    assert_eq!((sweep(&engine).unwrap(), engine.unfinished()), (1, 0));
}

#[test]
fn who_replaces_an_older_upload_writes_keys_of_their_own_alone() {
    let engine = BadEngine::start();
    let ((first, _one), (second, _other)) = (store(&engine, true), store(&engine, true));
    let bytes = content(2 * BLOCK + 3);
    assert_eq!(begun(&*first, &bytes).keep(), 2 * limits::HASH_BLOCK);
    let older = String::from_utf8(engine.get(&record(&engine))).unwrap();
    let written: Arc<Mutex<Vec<String>>> = Arc::default();
    let sees = written.clone();
    let aborts = counts_aborts(&engine, move |asked| {
        if is_claim(asked) || is_end(asked) {
            sees.lock().unwrap().push(asked.key.rsplit('-').next().unwrap().to_owned());
        }
        None
    });
    assert_eq!(begun(&*second, &bytes).keep(), 2 * limits::HASH_BLOCK);
    assert_eq!((aborts.load(Ordering::Relaxed), engine.unfinished()), (1, 1));
    let written = written.lock().unwrap();
    assert!(!written.is_empty() && written.iter().all(|owner| !older.contains(owner)), "{written:?} {older}");
}

#[test]
fn an_older_upload_that_somebody_goes_on_with_is_not_replaced_whatever_is_written_of_it_late() {
    let engine = BadEngine::start();
    let ((first, _one), (second, _other), (third, _third)) =
        (store(&engine, true), store(&engine, true), store(&engine, true));
    let bytes = content(3 * BLOCK + 3);
    assert_eq!(begun(&*first, &bytes[..2 * BLOCK]).keep(), 2 * limits::HASH_BLOCK);
    let (key, kept) = (record(&engine), engine.get(&record(&engine)));
    let mut upload = resumed(&*second, &bytes).unwrap();
    // The storage gets round to what the first one asked it to write.
    engine.put(&key, &kept);
    assert_eq!(begun(&*third, &bytes[..2 * BLOCK]).keep(), 2 * limits::HASH_BLOCK);
    upload.append(&bytes[2 * BLOCK..]).unwrap();
    assert_eq!(second.commit_one(upload).unwrap().hash, Hash::of(&bytes));
}

#[test]
fn what_says_who_has_an_upload_is_not_swept_as_long_as_the_storage_has_the_upload() {
    let engine = BadEngine::start();
    let ((first, _one), (second, _other)) = (store(&engine, true), store(&engine, true));
    let bytes = content(2 * BLOCK + 5);
    let mut slow = at_first(&engine, &*first, &bytes);
    let mut upload = resumed(&*second, &bytes).unwrap();
    let (claims, _) = claims_and_ends(&engine);
    assert_eq!(claims.len(), 1);
    // It is sent for long; of how far it has come somebody has written lately.
    engine.ages(&claims[0], EIGHT_DAYS);
    engine.ages("h/", EIGHT_DAYS);
    assert_eq!(sweep(&engine).unwrap(), 0);
    assert_eq!(claims_and_ends(&engine).0, claims);
    slow.append(&bytes[2 * BLOCK + 1..]).unwrap();
    assert_eq!(kind(first.commit_one(slow)), Err(Kind::Aborted));
    upload.append(&bytes[2 * BLOCK..]).unwrap();
    assert_eq!(second.commit_one(upload).unwrap().hash, Hash::of(&bytes));
    // Nothing is left of it by then.
    assert_eq!((claims_and_ends(&engine).0, sweep(&engine).unwrap()), (claims, 0));
    assert!(!engine.keys().iter().any(|key| key.starts_with("x/partial-")));
}

#[test]
fn who_has_not_looked_for_long_takes_no_file_of_another_server_for_their_own() {
    let engine = BadEngine::start();
    let ((first, _one), (second, _other)) = (store(&engine, true), store(&engine, true));
    let bytes = content(2 * BLOCK + 5);
    let mut slow = at_first(&engine, &*first, &bytes);
    let mut upload = resumed(&*second, &bytes).unwrap();
    upload.append(&bytes[2 * BLOCK..]).unwrap();
    second.commit_one(upload).unwrap();
    slow.append(&bytes[2 * BLOCK + 1..]).unwrap();
    engine.ages("x/", EIGHT_DAYS);
    sweep(&engine).unwrap();
    assert!(!engine.keys().iter().any(|key| key.starts_with("x/partial-")));
    // Meanwhile its machine was stopped, and it hears from the storage what day it is.
    let day = |time: SystemTime| humantime::format_rfc3339_seconds(time).to_string()[..10].replace('-', "");
    let (now, until) = (SystemTime::now() + EIGHT_DAYS, day(SystemTime::now() + EIGHT_DAYS / 2));
    let date: &'static str = Box::leak(format!("date: {}\r\n", httpdate::fmt_http_date(now)).into_boxed_str());
    engine.does(move |asked| match asked.headers["x-amz-date"] < until {
        true => Act::Say(403, date, "<Error><Code>RequestTimeTooSkewed</Code></Error>".to_owned()),
        false => has_part(asked),
    });
    assert_eq!(kind(first.commit_one(slow)), Err(Kind::Aborted));
}

#[test]
fn who_is_told_that_there_is_no_such_upload_takes_no_file_for_their_own() {
    let engine = BadEngine::start();
    let ((first, _one), (second, _other)) = (store(&engine, true), store(&engine, true));
    let bytes = content(2 * BLOCK + 5);
    let mut slow = at_first(&engine, &*first, &bytes);
    slow.append(&bytes[2 * BLOCK + 1..]).unwrap();
    let mut upload = resumed(&*second, &bytes).unwrap();
    upload.append(&bytes[2 * BLOCK..]).unwrap();
    second.commit_one(upload).unwrap();
    // Another program has removed what would have told it.
    engine.removes("x/partial-");
    engine.does(has_part);
    assert_eq!(kind(first.commit_one(slow)), Err(Kind::Unavailable));
    assert!(engine.get("h/alice/x") == bytes);
}

#[test]
fn what_was_about_to_be_completed_when_the_storage_fell_silent_can_be_gone_on_with_when_it_answers_again() {
    let engine = BadEngine::start();
    let spool = tempfile::tempdir().unwrap();
    let vault = patient(&engine, true, &spool, SOON);
    let store = vault.open("alice", HomeTerms::none()).unwrap();
    let bytes = content(2 * BLOCK + 5);
    let mut upload = at_first(&engine, &*store, &bytes);
    upload.append(&bytes[2 * BLOCK + 1..]).unwrap();
    let mut is_silent = false;
    engine.does(move |asked| {
        is_silent |= asked.query.contains("prefix=h%2Falice%2Fx");
        if is_silent { busy() } else { Act::Do }
    });
    assert_eq!(kind(store.commit_one(upload)), Err(Kind::Unavailable));
    assert_eq!(claims_and_ends(&engine).1.len(), 1);
    engine.does(|_| Act::Do);
    eventually("the end is taken back", || {
        vault.beat().unwrap();
        claims_and_ends(&engine).1.is_empty()
    });
    assert_eq!(left(&engine), Some((2 * limits::HASH_BLOCK, Hash::of(&bytes[..2 * BLOCK]))));
}

#[test]
fn of_an_upload_that_many_servers_have_had_one_claim_is_left() {
    let engine = BadEngine::start();
    let bytes = content(4 * BLOCK + 5);
    let (first, _spool) = store(&engine, true);
    assert_eq!(at_first(&engine, &*first, &bytes).keep(), 2 * limits::HASH_BLOCK);
    for _ in 0..3 {
        let (next, _spool) = store(&engine, true);
        assert_eq!(resumed(&*next, &bytes).unwrap().keep(), 2 * limits::HASH_BLOCK);
        assert_eq!(claims_and_ends(&engine).0.len(), 1);
    }
    // Each was higher than the one before.
    assert!(claims_and_ends(&engine).0[0].contains("-00000003-"));
}

#[test]
fn what_is_left_of_uploads_is_swept_also_where_the_storage_refuses_to_list_them() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    let bytes = content(2 * BLOCK);
    assert_eq!(begun(&*store, &bytes).keep(), 2 * limits::HASH_BLOCK);
    counts_aborts(&engine, |asked| {
        let refused = || Act::Say(403, "", "<Error><Code>AccessDenied</Code></Error>".to_owned());
        asked.query.contains("uploads=").then(refused)
    });
    assert_eq!(kind(sweep(&engine)), Err(Kind::Io));
    assert_eq!(engine.unfinished(), 1, "it is young");
    engine.ages("", EIGHT_DAYS);
    assert_eq!(kind(sweep(&engine)), Err(Kind::Io));
    assert_eq!(engine.unfinished(), 0);
    // The sweep's own claim is left, for those who come late.
    let is_record = |key: &String| key.contains("-of-") || key.contains("-end-");
    assert!(!engine.keys().iter().any(is_record), "{:?}", engine.keys());
    engine.ages("", EIGHT_DAYS);
    assert_eq!(kind(sweep(&engine)), Err(Kind::Io));
    assert!(!engine.keys().iter().any(|key| key.starts_with("x/partial-")));
}

#[test]
fn an_old_upload_that_somebody_goes_on_with_while_it_is_swept_is_theirs() {
    let engine = BadEngine::start();
    let (first, _one) = store(&engine, true);
    let bytes = content(2 * BLOCK + 5);
    assert_eq!(at_first(&engine, &*first, &bytes).keep(), 2 * limits::HASH_BLOCK);
    engine.ages("", EIGHT_DAYS);
    // The sweep has looked, and is about to claim it.
    let (second, _other) = store(&engine, true);
    let (hold, held) = hold();
    let mut hold = Some(hold);
    let aborts = Arc::new(AtomicUsize::new(0));
    let count = aborts.clone();
    engine.does(move |what| {
        count.fetch_add(usize::from(what.aborts()), Ordering::Relaxed);
        match is_claim(what).then(|| hold.take()).flatten() {
            Some(hold) => Act::DoLater(hold),
            None => Act::Do,
        }
    });
    let (removed, mut upload) = thread::scope(|scope| {
        let sweeps = scope.spawn(|| sweep(&engine).unwrap());
        held.comes();
        let upload = resumed(&*second, &bytes).unwrap();
        held.goes_on();
        (sweeps.join().unwrap(), upload)
    });
    upload.append(&bytes[2 * BLOCK..]).unwrap();
    let committed = kind(second.commit_one(upload));
    // One of them has ended it, and not both.
    assert_eq!((removed, aborts.load(Ordering::Relaxed)), if committed.is_ok() { (0, 0) } else { (1, 1) });
    assert_eq!(engine.keys().contains(&"h/alice/x".to_owned()), committed.is_ok());
}
