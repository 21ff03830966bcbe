//! One upload in parts at several servers: who has it, who may end it, and what stays of it.

use std::thread;

use sealift::Kind;
use sealift::files::{Hash, Store, Upload, UploadSpec};
use sealift::limits;

use crate::common::bad_engine::{Act, Asked, BadEngine, hold};
use crate::store_s3_bad::{kind, p, store};
use crate::store_s3_partial_bad::{BLOCK, begun, content, left, recorded};

/// An upload of two blocks at one server, which has written that down.
pub fn at_first(engine: &BadEngine, store: &dyn Store, bytes: &[u8]) -> Box<dyn Upload> {
    let upload = begun(store, &bytes[..2 * BLOCK + 1]);
    recorded(engine, 2);
    upload
}

pub fn resumed(store: &dyn Store, bytes: &[u8]) -> sealift::Result<Box<dyn Upload>> {
    store.resume(&p("x"), UploadSpec::default(), 2 * limits::HASH_BLOCK, Hash::of(&bytes[..2 * BLOCK]))
}

/// The key of what is written of how far the upload has come.
pub fn record(engine: &BadEngine) -> String {
    engine.keys().into_iter().find(|key| key.starts_with("x/partial-") && key.contains("-of-")).unwrap()
}

pub fn is_claim(asked: &Asked) -> bool {
    asked.method == "PUT" && asked.key.contains("-by-") && !asked.key.contains("-end-")
}

pub fn is_end(asked: &Asked) -> bool {
    asked.method == "PUT" && asked.key.contains("-end-")
}

#[test]
fn whoever_was_superseded_takes_nothing_from_who_has_the_upload_now() {
    for ends_by in ["keep", "drop", "commit", "note"] {
        let engine = BadEngine::start();
        let ((first, _one), (second, _other)) = (store(&engine, true), store(&engine, true));
        let bytes = content(5 * BLOCK + 5);
        let mut slow = at_first(&engine, &*first, &bytes);
        let mut upload = resumed(&*second, &bytes).unwrap();
        upload.append(&bytes[2 * BLOCK..4 * BLOCK]).unwrap();
        assert_eq!(upload.keep(), 4 * limits::HASH_BLOCK);
        match ends_by {
            "keep" => assert_eq!(slow.keep(), 0),
            "drop" => drop(slow),
            "commit" => {
                slow.append(&bytes[2 * BLOCK + 1..]).unwrap();
                assert_eq!(kind(first.commit_one(slow)), Err(Kind::Aborted));
            }
            _ => {
                // It goes on, and does not know yet.
                slow.append(&bytes[2 * BLOCK + 1..3 * BLOCK + 1]).unwrap();
                assert_eq!(slow.keep(), 0);
            }
        }
        let four = Some((4 * limits::HASH_BLOCK, Hash::of(&bytes[..4 * BLOCK])));
        assert_eq!(left(&engine), four, "{ends_by}");
    }
}

#[test]
fn nobody_goes_on_with_what_is_being_completed_whatever_is_written_of_it_late() {
    let engine = BadEngine::start();
    let ((first, _one), (second, _other)) = (store(&engine, true), store(&engine, true));
    let bytes = content(3 * BLOCK + 5);
    let mut upload = at_first(&engine, &*first, &bytes);
    upload.append(&bytes[2 * BLOCK + 1..]).unwrap();
    let key = record(&engine);
    let written = engine.get(&key);
    let (hold, held) = hold();
    let mut hold = Some(hold);
    engine.does(move |asked| match asked.completes().then(|| hold.take()).flatten() {
        Some(hold) => Act::DoLater(hold),
        None => Act::Do,
    });
    let committing = thread::spawn(move || first.commit_one(upload).map(|committed| committed.hash));
    held.comes();
    // The storage gets round to what it was asked to write before, and did not answer.
    engine.put(&key, &written);
    assert_eq!(second.partial(&p("x")).unwrap(), None);
    assert_eq!(kind(resumed(&*second, &bytes)), Err(Kind::Changed));
    held.goes_on();
    assert_eq!(committing.join().unwrap().unwrap(), Hash::of(&bytes));
    assert!(engine.get("h/alice/x") == bytes);
    assert!(!engine.keys().iter().any(|key| key.contains("-end-")));
}

#[test]
fn of_two_that_see_each_other_the_one_that_has_all_of_the_upload_ends_it() {
    let engine = BadEngine::start();
    let ((first, _one), (second, _other)) = (store(&engine, true), store(&engine, true));
    let bytes = content(2 * BLOCK + 5);
    let mut upload = at_first(&engine, &*first, &bytes);
    upload.append(&bytes[2 * BLOCK + 1..]).unwrap();
    // The claim, the end, the look of whoever claims and that of whoever ends: each waits for a word.
    let [(claim, claimed), (end, ended), (claims_look, claimant), (ends_look, ender)] = [(); 4].map(|()| hold());
    let mut holds = [claim, end, claims_look, ends_look].map(Some);
    let mut looks = None;
    engine.does(move |asked| {
        let is_look = asked.key.is_empty() && asked.query.contains("-by-");
        let at = match (is_claim(asked), is_end(asked), is_look) {
            (true, ..) => {
                looks = Some(0);
                0
            }
            (_, true, _) => 1,
            // The first one is before the end is written.
            (.., true) => match &mut looks {
                Some(looks) => {
                    *looks += 1;
                    *looks
                }
                None => 4,
            },
            _ => 4,
        };
        let is_first = is_look && at == 1;
        let Some(hold) = holds.get_mut(at).filter(|_| !is_first).and_then(Option::take) else { return Act::Do };
        match at {
            0 | 2 => Act::DoLater(hold),
            _ => Act::DoAndSayLater(hold),
        }
    });
    let taking = {
        let bytes = bytes.clone();
        thread::spawn(move || kind(resumed(&*second, &bytes)))
    };
    claimed.comes();
    let committing = thread::spawn(move || first.commit_one(upload).map(|committed| committed.hash));
    ended.comes();
    claimed.goes_on();
    claimant.comes();
    ended.goes_on();
    // Whoever ends it has seen the claim, and is not told yet.
    ender.comes();
    claimant.goes_on();
    assert_eq!(taking.join().unwrap(), Err(Kind::Changed));
    ender.goes_on();
    assert_eq!(committing.join().unwrap().unwrap(), Hash::of(&bytes));
    assert!(engine.get("h/alice/x") == bytes);
}

#[test]
fn what_somebody_claimed_who_was_killed_then_is_there_for_the_next_one() {
    let engine = BadEngine::start();
    let ((first, _one), (second, _other)) = (store(&engine, true), store(&engine, true));
    let bytes = content(2 * BLOCK + 5);
    let mut upload = at_first(&engine, &*first, &bytes);
    upload.append(&bytes[2 * BLOCK + 1..]).unwrap();
    engine.put(&claim_of(&engine, &record(&engine)), b"");
    assert_eq!(kind(first.commit_one(upload)), Err(Kind::Aborted));
    let mut upload = resumed(&*second, &bytes).unwrap();
    upload.append(&bytes[2 * BLOCK..]).unwrap();
    assert_eq!(second.commit_one(upload).unwrap().hash, Hash::of(&bytes));
    assert!(engine.get("h/alice/x") == bytes);
}

/// The key of a claim of the upload that this record is of.
fn claim_of(engine: &BadEngine, record: &str) -> String {
    let of = record.split("-of-").next().unwrap();
    let text = String::from_utf8(engine.get(record)).unwrap();
    let id = text.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap();
    let digits: String = Hash::of(id.as_bytes()).as_bytes()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{of}-by-{digits}-00000009-{}", "f".repeat(32))
}
