//! Uploads that break off because the storage fails, or while it does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sealift::Kind;
use sealift::files::{FileMode, Hash, Interrupted, Overwrite, SourceMode, Store, Upload, UploadSpec, Vault};
use sealift::limits;

use crate::common::bad_engine::{Act, Asked, BadEngine};
pub use crate::common::bytes as content;
use crate::common::eventually;
use crate::store_s3_bad::{hasty, kind, p, store, vault};

pub const BLOCK: usize = limits::HASH_BLOCK as usize;

fn busy() -> Act {
    Act::Say(503, "", "<Error><Code>SlowDown</Code></Error>".to_owned())
}

/// Said at once, and others are asked on.
fn refused() -> Act {
    Act::Say(403, "", "<Error><Code>AccessDenied</Code></Error>".to_owned())
}

/// Has the storage do what is asked unless it is to do something else, and counts uploads that are given up.
fn does(engine: &BadEngine, instead: impl Fn(&Asked) -> Option<Act> + Send + 'static) -> Arc<AtomicUsize> {
    let given_up = Arc::new(AtomicUsize::new(0));
    let count = given_up.clone();
    engine.does(move |asked| {
        if asked.aborts() {
            count.fetch_add(1, Ordering::Relaxed);
        }
        instead(asked).unwrap_or(Act::Do)
    });
    given_up
}

pub fn begun(store: &dyn Store, bytes: &[u8]) -> Box<dyn Upload> {
    let mut upload = store.begin(&p("x"), UploadSpec::default()).unwrap();
    upload.append(bytes).unwrap();
    upload
}

/// What another server finds of it. The first look may be refused: the storage has just failed somebody.
pub fn left(engine: &BadEngine) -> Option<(u64, Hash)> {
    engine.does(|_| Act::Do);
    let (store, _spool) = store(engine, true);
    store.partial(&p("x")).unwrap().map(|partial| (partial.len, partial.hash))
}

/// Waits until so many parts are recorded.
pub fn recorded(engine: &BadEngine, blocks: u64) {
    let (store, _spool) = store(engine, true);
    let len = || store.partial(&p("x")).unwrap().map_or(0, |partial| partial.len);
    eventually("the blocks are recorded", || len() >= blocks * limits::HASH_BLOCK);
}

fn is_of_partial(asked: &Asked) -> bool {
    asked.key.starts_with("x/partial-")
}

#[test]
fn an_upload_that_breaks_off_while_nothing_can_be_recorded_stays_as_it_was() {
    let bytes = content(3 * BLOCK);
    let two = Some((2 * limits::HASH_BLOCK, Hash::of(&bytes[..2 * BLOCK])));
    for keeps in [true, false] {
        let engine = BadEngine::start();
        let (store, _spool) = store(&engine, true);
        let upload = begun(&*store, &bytes[..2 * BLOCK + 1]);
        recorded(&engine, 2);
        let given_up = does(&engine, |asked| is_of_partial(asked).then(refused));
        if keeps {
            upload.keep();
        } else {
            drop(upload);
        }
        assert_eq!((given_up.load(Ordering::Relaxed), left(&engine)), (0, two), "{keeps}");
    }
}

#[test]
fn what_the_storage_has_of_an_upload_stays_when_it_takes_no_more_of_it() {
    let engine = BadEngine::start();
    let (store, _spool) = hasty(&engine, true);
    let bytes = content(3 * BLOCK);
    let upload = begun(&*store, &bytes[..2 * BLOCK + 5]);
    recorded(&engine, 2);
    // Nobody has asked it to complete anything: so it is known that it has not.
    does(&engine, |asked| asked.is_part(3).then(busy));
    assert_eq!(kind(store.commit_one(upload)), Err(Kind::Unavailable));
    assert_eq!(left(&engine), Some((2 * limits::HASH_BLOCK, Hash::of(&bytes[..2 * BLOCK]))));
    // At the same server, too.
    let proven = Hash::of(&bytes[..2 * BLOCK]);
    let mut upload = None;
    eventually("it is gone on with", || {
        upload = store.resume(&p("x"), UploadSpec::default(), 2 * limits::HASH_BLOCK, proven).ok();
        upload.is_some()
    });
    let mut upload = upload.unwrap();
    upload.append(&bytes[2 * BLOCK..]).unwrap();
    assert_eq!(store.commit_one(upload).unwrap().hash, Hash::of(&bytes));
    assert_eq!((engine.came(1), engine.came(2), engine.came(3)), (1, 1, 1));
}

#[test]
fn an_upload_of_which_nobody_knows_whether_it_was_completed_is_neither_given_up_nor_gone_on_with() {
    let engine = BadEngine::start();
    let (store, _spool) = hasty(&engine, true);
    let upload = begun(&*store, &content(2 * BLOCK + 5));
    recorded(&engine, 2);
    let given_up = does(&engine, |asked| {
        asked.completes().then(|| Act::Say(200, "", "<Error><Code>InternalError</Code></Error>".to_owned()))
    });
    assert_eq!(kind(store.commit_one(upload)), Err(Kind::Unavailable));
    assert_eq!((given_up.load(Ordering::Relaxed), left(&engine)), (0, None));
}

#[test]
fn an_old_upload_of_which_it_cannot_be_read_whether_somebody_goes_on_with_it_is_not_swept() {
    let engine = BadEngine::start();
    let (store, spool) = store(&engine, true);
    begun(&*store, &content(2 * BLOCK)).keep();
    let given_up = does(&engine, |asked| {
        let old = "<Key>h/alice/x</Key><UploadId>u0</UploadId><Initiated>2020-01-01T00:00:00.000Z</Initiated>";
        let list = format!("<ListMultipartUploadsResult><Upload>{old}</Upload></ListMultipartUploadsResult>");
        match asked.query.contains("uploads=") {
            true => Some(Act::Say(200, "", list)),
            false => is_of_partial(asked).then(refused),
        }
    });
    assert_eq!(kind(vault(&engine, true, &spool).sweep("alice", None)), Err(Kind::Io));
    assert_eq!(given_up.load(Ordering::Relaxed), 0);
}

#[test]
fn what_cannot_be_read_of_one_old_upload_keeps_no_other_one() {
    let engine = BadEngine::start();
    let (store, spool) = store(&engine, true);
    begun(&*store, &content(2 * BLOCK)).keep();
    let given_up = does(&engine, |asked| {
        let old = |name: &str| {
            let begun = "<Initiated>2020-01-01T00:00:00.000Z</Initiated>";
            format!("<Upload><Key>h/alice/{name}</Key><UploadId>u-{name}</UploadId>{begun}</Upload>")
        };
        match asked.query.contains("uploads=") {
            true => {
                let all = old("x") + &old("y");
                Some(Act::Say(200, "", format!("<ListMultipartUploadsResult>{all}</ListMultipartUploadsResult>")))
            }
            false => is_of_partial(asked).then(refused),
        }
    });
    assert_eq!(kind(vault(&engine, true, &spool).sweep("alice", None)), Err(Kind::Io));
    assert_eq!(given_up.load(Ordering::Relaxed), 1);
}

#[test]
fn of_many_uploads_the_old_ones_go_on_whatever_page_they_are_told() {
    let engine = BadEngine::start();
    let (_store, spool) = store(&engine, true);
    let page = |name: &str, begun: &str, next: Option<&str>| {
        let upload = format!(
            "<Upload><Key>h/alice/{name}</Key><UploadId>u-{name}</UploadId><Initiated>{begun}T00:00:00.000Z</Initiated></Upload>"
        );
        let next = next.map_or("<IsTruncated>false</IsTruncated>".to_owned(), |next| {
            format!(
                "<IsTruncated>true</IsTruncated><NextKeyMarker>h/alice/{next}</NextKeyMarker>\
                 <NextUploadIdMarker>u-{next}</NextUploadIdMarker>"
            )
        });
        Act::Say(200, "", format!("<ListMultipartUploadsResult>{upload}{next}</ListMultipartUploadsResult>"))
    };
    let behind = |asked: &Asked, name: &str| {
        asked.query.contains(&format!("key-marker=h%2Falice%2F{name}"))
            && asked.query.contains(&format!("upload-id-marker=u-{name}"))
    };
    let given_up = does(&engine, move |asked| {
        let is_list = asked.query.contains("uploads=");
        is_list.then(|| match (behind(asked, "a"), behind(asked, "b")) {
            (true, _) => page("b", "2020-01-01", Some("b")),
            (_, true) => page("c", "2020-01-01", None),
            _ => page("a", "2999-01-01", Some("a")),
        })
    });
    assert_eq!(vault(&engine, true, &spool).sweep("alice", None).unwrap().removed, 2);
    assert_eq!(given_up.load(Ordering::Relaxed), 2);
    // One that goes round is none.
    does(&engine, move |asked| asked.query.contains("uploads=").then(|| page("a", "2999-01-01", Some("a"))));
    assert_eq!(kind(vault(&engine, true, &spool).sweep("alice", None)), Err(Kind::Unavailable));
}

#[test]
fn of_uploads_that_break_off_after_one_block_one_alone_is_kept() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    let given_up = does(&engine, |_| None);
    for seed in 0..3 {
        let bytes: Vec<u8> = content(BLOCK + 3).into_iter().map(|byte| byte ^ seed).collect();
        assert_eq!(begun(&*store, &bytes).keep(), limits::HASH_BLOCK);
        assert_eq!(given_up.load(Ordering::Relaxed), usize::from(seed));
    }
}

#[test]
fn of_many_uploads_that_are_kept_while_the_storage_is_silent_one_waits_for_it() {
    let engine = BadEngine::start();
    let (store, _spool) = hasty(&engine, true);
    let names = ["x", "y", "z"];
    let mut uploads: Vec<_> = names
        .iter()
        .map(|name| {
            let mut upload = store.begin(&p(name), UploadSpec::default()).unwrap();
            upload.append(&content(2 * BLOCK + 1)).unwrap();
            upload
        })
        .collect();
    let (other, _other) = self::store(&engine, true);
    for name in names {
        eventually("it is recorded", || other.partial(&p(name)).unwrap().is_some());
    }
    engine.does(|_| busy());
    assert_eq!(uploads.pop().unwrap().keep(), 0);
    // Others may ask again.
    thread::sleep(limits::ENGINE_REST);
    engine.asked();
    assert_eq!(uploads.into_iter().map(|upload| upload.keep()).sum::<u64>(), 0);
    assert!(engine.asked().is_empty());
    engine.does(|_| Act::Do);
    for name in names {
        assert_eq!(other.partial(&p(name)).unwrap().unwrap().len, 2 * limits::HASH_BLOCK, "{name}");
    }
}

#[test]
fn what_was_begun_as_open_to_more_than_the_file_is_by_now_is_not_gone_on_with() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    let perms = |mode| SourceMode { mode: FileMode::of(mode), perms: true };
    let mut upload = store.begin(&p("x"), UploadSpec { mode: Some(perms(0o644)), ..UploadSpec::default() }).unwrap();
    upload.append(b"for all").unwrap();
    store.commit_one(upload).unwrap();
    let bytes = content(2 * BLOCK);
    assert_eq!(begun(&*store, &bytes).keep(), 2 * limits::HASH_BLOCK);
    let resume = || store.resume(&p("x"), UploadSpec::default(), 2 * limits::HASH_BLOCK, Hash::of(&bytes));
    store.set_mode(&p("x"), perms(0o600)).unwrap();
    assert_eq!(kind(resume()), Err(Kind::Changed));
    store.set_mode(&p("x"), perms(0o664)).unwrap();
    let upload = resume().unwrap();
    let is_beside = |asked: &Asked| asked.key.starts_with("x/") && !is_of_partial(asked);
    engine.does(move |asked| if asked.method == "PUT" && is_beside(asked) { refused() } else { Act::Do });
    assert_eq!(store.commit_one(upload).unwrap().hash, Hash::of(&bytes));
}

#[test]
fn what_is_old_is_told_by_the_storages_clock_where_ours_is_another() {
    let engine = BadEngine::start();
    let (_store, spool) = store(&engine, true);
    let uploads = |begun: &str| {
        let upload = format!("<Key>h/alice/x</Key><UploadId>u0</UploadId><Initiated>{begun}T00:00:00.000Z</Initiated>");
        format!("<ListMultipartUploadsResult><Upload>{upload}</Upload></ListMultipartUploadsResult>")
    };
    // By its clock it was begun yesterday, or long ago.
    for (begun, removed) in [("2019-12-31", 0), ("2019-11-30", 1)] {
        let list = uploads(begun);
        engine.does(move |asked| match asked.headers["x-amz-date"].starts_with("20200101T") {
            true if asked.query.contains("uploads=") => Act::Say(200, "", list.clone()),
            true => Act::Do,
            false => Act::Say(
                403,
                "date: Wed, 01 Jan 2020 12:00:00 GMT\r\n",
                "<Error><Code>RequestTimeTooSkewed</Code></Error>".to_owned(),
            ),
        });
        assert_eq!(vault(&engine, true, &spool).sweep("alice", None).unwrap().removed, removed, "{begun}");
    }
}

#[test]
fn a_list_of_parts_without_an_end_is_none() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    begun(&*store, &content(2 * BLOCK)).keep();
    let mut number = 0;
    engine.does(move |asked| match asked.method == "GET" && asked.query.contains("uploadId") {
        true => {
            number += 1000;
            let part = format!("<Part><PartNumber>{number}</PartNumber><ETag>e</ETag><Size>1</Size></Part>");
            Act::Say(200, "", format!("<ListPartsResult><IsTruncated>true</IsTruncated>{part}</ListPartsResult>"))
        }
        false => Act::Do,
    });
    assert_eq!(kind(store.partial(&p("x"))), Err(Kind::Unavailable));
}

#[test]
fn of_two_uploads_of_one_name_the_one_that_is_stored_leaves_what_is_recorded_of_the_other() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    let upload = begun(&*store, &content(2 * BLOCK + 5));
    recorded(&engine, 2);
    let key = engine.keys().into_iter().find(|key| key.starts_with("x/partial-")).unwrap();
    let of_another = "{\"key\":\"h/alice/x\",\"id\":\"another\",\"upload\":\"1\",\"owner\":\"2\",\"kept\":false,\
        \"ending\":false,\"blocks\":[]}";
    let record: &'static str = Box::leak(key.clone().into_boxed_str());
    engine.does(move |asked| match asked.completes() {
        true => Act::DoAndPut(record, of_another.into()),
        false => Act::Do,
    });
    store.commit_one(upload).unwrap();
    assert!(engine.keys().contains(&key));
}

#[test]
fn nothing_is_gone_on_with_under_a_free_name() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    let bytes = content(2 * BLOCK);
    assert_eq!(begun(&*store, &bytes).keep(), 2 * limits::HASH_BLOCK);
    engine.put("h/alice/x", b"somebody's");
    let spec = UploadSpec { overwrite: Overwrite::Numbered, ..UploadSpec::default() };
    let resumed = store.resume(&p("x"), spec, 2 * limits::HASH_BLOCK, Hash::of(&bytes));
    assert_eq!(kind(resumed), Err(Kind::Unsupported));
}

#[test]
fn one_that_is_not_to_be_kept_leaves_nothing_whatever_breaks_it_off() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    let given_up = does(&engine, |_| None);
    let spec = UploadSpec { interrupted: Interrupted::Dropped, ..UploadSpec::default() };
    let mut upload = store.begin(&p("x"), spec).unwrap();
    upload.append(&content(3 * BLOCK)).unwrap();
    assert_eq!(upload.keep(), 0);
    assert_eq!((given_up.load(Ordering::Relaxed), left(&engine)), (1, None));
    assert!(!engine.keys().iter().any(|key| key.starts_with("x/partial-")));
}
