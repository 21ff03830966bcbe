//! A storage that is slow, wrong, full, or does not heed what it is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sealift::Kind;
use sealift::files::{Committed, Condition, HomeTerms, Overwrite, RelPath, Store, Stored, UploadSpec, Vault};
use sealift::store::s3::{Heeds, Keys, S3Options, S3Vault};
use tempfile::TempDir;

use crate::common::bad_engine::{Act, Asked, BadEngine};
use crate::common::{HANG, eventually};

/// How soon a storage is given up that never does what it is asked: no machine is so slow that one attempt takes as long.
pub const SOON: Duration = Duration::from_secs(3);

/// A vault over this storage which does not give up.
pub fn vault(engine: &BadEngine, alone: bool, spool: &TempDir) -> S3Vault {
    patient(engine, alone, spool, HANG)
}

/// The same with so much patience.
pub fn patient(engine: &BadEngine, alone: bool, spool: &TempDir, patience: Duration) -> S3Vault {
    let keys = Keys::new("key", "secret", None);
    let (bucket, endpoint) = ("s3://bucket".parse().unwrap(), engine.endpoint.parse().unwrap());
    let mut options = S3Options::new(bucket, endpoint, keys, spool.path().to_owned());
    options.alone = alone;
    options.patience = patience;
    S3Vault::new(options).unwrap()
}

pub fn store(engine: &BadEngine, alone: bool) -> (Arc<dyn Store>, TempDir) {
    let spool = tempfile::tempdir().unwrap();
    (vault(engine, alone, &spool).open("alice", HomeTerms::none()).unwrap(), spool)
}

/// One that gives up soon: for a storage that does not do what it is asked.
pub fn hasty(engine: &BadEngine, alone: bool) -> (Arc<dyn Store>, TempDir) {
    let spool = tempfile::tempdir().unwrap();
    (patient(engine, alone, &spool, SOON).open("alice", HomeTerms::none()).unwrap(), spool)
}

pub fn p(path: &str) -> RelPath {
    RelPath::parse(path.as_bytes()).unwrap()
}

fn put(store: &dyn Store, path: &str, bytes: &[u8], spec: UploadSpec) -> sealift::Result<Committed> {
    let mut upload = store.begin(&p(path), spec)?;
    upload.append(bytes)?;
    store.commit_one(upload)
}

pub fn any(store: &dyn Store, path: &str, bytes: &[u8]) -> sealift::Result<Committed> {
    put(store, path, bytes, UploadSpec::default())
}

pub fn kind<T>(result: sealift::Result<T>) -> Result<(), Kind> {
    result.map(drop).map_err(|error| error.kind())
}

/// That file itself is asked for, in one of these ways.
fn is_of_file(asked: &Asked, methods: &[&str]) -> bool {
    asked.key == "h/alice/x" && methods.contains(&asked.method.as_str())
}

/// Waits until it is asked for the file again, as it is a moment after it has failed somebody.
#[track_caller]
fn answers(store: &dyn Store) {
    eventually("it is asked again", || store.stat(&p("x")).is_ok());
}

fn busy() -> Act {
    Act::Say(503, "", "<Error><Code>SlowDown</Code></Error>".to_owned())
}

#[test]
fn conditions_that_are_not_heeded_are_found_out_and_refused_by_name() {
    let engine = BadEngine::start();
    let spool = tempfile::tempdir().unwrap();
    let several = vault(&engine, false, &spool);
    assert_eq!(several.probe().unwrap(), Heeds::NOTHING);
    assert!(engine.keys().is_empty(), "the trial left something");
    let store = several.open("alice", HomeTerms::none()).unwrap();
    any(&*store, "x", b"first").unwrap();
    let hash = sealift::files::Hash::of(b"first");
    for spec in [
        UploadSpec { condition: Condition::Absent, ..UploadSpec::default() },
        UploadSpec { condition: Condition::Hash(hash), ..UploadSpec::default() },
        UploadSpec { overwrite: Overwrite::Refused, ..UploadSpec::default() },
    ] {
        assert_eq!(kind(put(&*store, "x", b"second", spec)), Err(Kind::Unsupported), "{spec:?}");
        assert_eq!(kind(put(&*store, "new", b"second", spec)), Err(Kind::Unsupported), "{spec:?}");
    }
    // What could take somebody's file away that came a moment ago.
    assert_eq!(kind(store.rename(&p("x"), &p("y"), true)), Err(Kind::Unsupported));
    assert_eq!(kind(store.rename(&p("x"), &p("y"), false)), Err(Kind::Unsupported));
    store.make_dir(&p("d"), false).unwrap();
    assert_eq!(kind(store.rename(&p("d"), &p("e"), false)), Err(Kind::Unsupported));
    store.remove(&p("d"), false).unwrap();
    let seen = store.seen(&p("x")).unwrap();
    assert_eq!(kind(store.remove_seen(&p("x"), false, &seen)), Err(Kind::Unsupported));
    assert_eq!(engine.keys(), ["h/alice/x"]);
    store.remove(&p("x"), false).unwrap();

    // A server that is the only one decides them itself.
    let alone = vault(&engine, true, &spool);
    assert_eq!(alone.probe().unwrap(), Heeds::NOTHING);
    let store = alone.open("alice", HomeTerms::none()).unwrap();
    let absent = UploadSpec { condition: Condition::Absent, ..UploadSpec::default() };
    put(&*store, "x", b"first", absent).unwrap();
    assert_eq!(kind(put(&*store, "x", b"second", absent)), Err(Kind::Exists));
    assert_eq!(store.rename(&p("x"), &p("y"), false).unwrap(), Stored::Created);
    assert_eq!(engine.keys(), ["h/alice/y"]);
}

#[test]
fn a_lost_answer_is_looked_up() {
    let engine = BadEngine::start();
    let (store, _spool) = hasty(&engine, true);
    let mut lost = 0;
    engine.does(move |asked| match is_of_file(asked, &["PUT"]) && lost < 100 {
        true => {
            lost += 1;
            Act::DoAndSayNothing
        }
        false => Act::Do,
    });
    assert_eq!(any(&*store, "x", b"bytes").unwrap().stored, Stored::Created);
    assert_eq!(engine.keys(), ["h/alice/x"]);
    // One that was not carried out is not taken for one that was.
    engine.asked();
    engine.does(|asked| if is_of_file(asked, &["PUT"]) { busy() } else { Act::Do });
    assert_eq!(kind(any(&*store, "x", b"other")), Err(Kind::Unavailable));
    assert!(engine.asked().iter().all(|(method, _)| method != "DELETE"), "what fails removes nothing");
    assert_eq!(engine.keys(), ["h/alice/x"]);
}

#[test]
fn a_large_upload_whose_end_is_lost_is_looked_up_and_one_that_failed_leaves_the_old_file() {
    let engine = BadEngine::start();
    let (store, _spool) = hasty(&engine, true);
    let bytes = vec![7; sealift::limits::HASH_BLOCK as usize + 5];
    let is_end = |asked: &Asked| asked.method == "POST" && asked.query.starts_with("uploadId");
    engine.does(move |asked| if is_end(asked) { Act::DoAndSayNothing } else { Act::Do });
    let committed = any(&*store, "x", &bytes).unwrap();
    assert_eq!((committed.size, committed.stored), (bytes.len() as u64, Stored::Created));
    assert_eq!(store.open(&p("x")).unwrap().record(), Some(sealift::files::Record::Sound(committed.hash)));

    // A Complete begins with 200 and may end with an error.
    engine.asked();
    let failed = || Act::Say(200, "", "<Error><Code>InternalError</Code></Error>".to_owned());
    engine.does(move |asked| if is_end(asked) { failed() } else { Act::Do });
    assert_eq!(kind(any(&*store, "x", &[&bytes[..], b"more"].concat())), Err(Kind::Unavailable));
    let removed = engine.asked();
    assert!(!removed.contains(&("DELETE".to_owned(), String::new())));
    assert_eq!(store.stat(&p("x")).unwrap().size, bytes.len() as u64, "the old file is there");
}

#[test]
fn a_storm_is_waited_out_and_one_that_does_not_end_is_told_and_not_waited_for_by_everybody() {
    let engine = BadEngine::start();
    let (store, _spool) = hasty(&engine, true);
    engine.put("h/alice/x", b"there");
    let mut storm = 2;
    engine.does(move |_| match storm {
        0 => Act::Do,
        _ => {
            storm -= 1;
            busy()
        }
    });
    assert_eq!(store.stat(&p("x")).unwrap().size, 5);
    engine.does(|_| busy());
    engine.asked();
    assert_eq!(kind(store.stat(&p("x"))), Err(Kind::Unavailable));
    assert!(engine.asked().len() > 1, "it was not tried again");
    assert!(Kind::Unavailable.is_transient());
    // It is left alone for a moment after that, which a machine that has much to do may need for ten looks.
    eventually("ten looks at a storage that is left alone", || {
        assert_eq!(kind(store.stat(&p("x"))), Err(Kind::Unavailable));
        let (_before, begun) = (engine.asked(), Instant::now());
        for _ in 0..10 {
            assert_eq!(kind(store.stat(&p("x"))), Err(Kind::Unavailable));
        }
        let asked = engine.asked();
        let is_in_time = begun.elapsed() < sealift::limits::ENGINE_REST;
        assert!(!is_in_time || asked.is_empty(), "{asked:?}");
        is_in_time
    });
    engine.does(|_| Act::Do);
    answers(&*store);
}

#[test]
fn what_a_storage_refuses_has_its_own_word_and_is_not_tried_again() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    for (status, code, expected) in [
        (403, "ExpiredToken", Kind::Io),
        (403, "AccessDenied", Kind::Io),
        (404, "NoSuchBucket", Kind::Io),
        (507, "InsufficientStorage", Kind::NoSpace),
        (400, "XMinioStorageFull", Kind::NoSpace),
        (400, "BadDigest", Kind::Integrity),
        (501, "NotImplemented", Kind::Unsupported),
    ] {
        let body = format!("<Error><Code>{code}</Code></Error>");
        engine.does(move |asked| match is_of_file(asked, &["PUT"]) {
            true => Act::Say(status, "", body.clone()),
            false => Act::Do,
        });
        engine.asked();
        assert_eq!(kind(any(&*store, "x", b"bytes")), Err(expected), "{code}");
        assert_eq!(engine.asked().iter().filter(|(method, _)| method == "PUT").count(), 1, "{code}");
        assert!(engine.keys().is_empty());
    }
}

#[test]
fn a_clock_that_differs_is_gone_by() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    engine.put("h/alice/x", b"there");
    engine.does(|asked| match asked.headers["x-amz-date"].starts_with("20400101T") {
        true => Act::Do,
        false => Act::Say(
            403,
            "date: Sun, 01 Jan 2040 12:00:00 GMT\r\n",
            "<Error><Code>RequestTimeTooSkewed</Code></Error>".to_owned(),
        ),
    });
    // A HEAD has no body that says why.
    assert_eq!(store.stat(&p("x")).unwrap().size, 5);
    engine.does(|asked| match asked.headers["x-amz-date"].starts_with("20410101T") {
        true => Act::Do,
        false => Act::Say(
            403,
            "date: Tue, 01 Jan 2041 12:00:00 GMT\r\n",
            "<Error><Code>RequestTimeTooSkewed</Code></Error>".to_owned(),
        ),
    });
    assert_eq!(store.open(&p("x")).unwrap().meta().size, 5);
}

#[test]
fn a_listing_that_is_cut_off_or_has_no_end_ends_with_an_error() {
    let engine = BadEngine::start();
    let (store, _spool) = hasty(&engine, true);
    let entry = "<Contents><Key>h/alice/x</Key><Size>1</Size><ETag>e</ETag></Contents>";
    let cut = format!("<ListBucketResult><IsTruncated>false</IsTruncated>{entry}");
    let on = "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>";
    let same = format!("<ListBucketResult>{on}{entry}</ListBucketResult>");
    let empty = format!("<ListBucketResult>{on}</ListBucketResult>");
    engine.put("h/alice/x", b"1");
    for page in [cut, same, empty] {
        let body = page.clone();
        engine.does(move |asked| if asked.key.is_empty() { Act::Say(200, "", body.clone()) } else { Act::Do });
        let mut listing = store.list(&RelPath::root(), true).unwrap();
        let mut last = None;
        let mut count = 0;
        while let Some(entry) = listing.next() {
            count += 1;
            last = Some(entry.map_err(|unread| unread.error.kind()).map(|entry| entry.path));
        }
        assert_eq!(last, Some(Err(Kind::Unavailable)), "{page}");
        assert!(count <= 2, "{page}");
    }
}

#[test]
fn a_download_that_breaks_off_goes_on_and_never_with_bytes_of_another_file() {
    let engine = BadEngine::start();
    let (store, _spool) = hasty(&engine, true);
    let mebibyte = 1 << 20;
    engine.put("h/alice/x", &vec![b'b'; 3 * mebibyte]);
    let mut source = store.open(&p("x")).unwrap();
    let text = "a".repeat(3 * mebibyte);
    let mut room = vec![0; 3 * mebibyte];
    // The storage does not heed ranges: bytes from elsewhere in the file are not taken for those that were asked for.
    assert_eq!(kind(source.read_at(0, &mut room)), Err(Kind::Unavailable));
    // Nor those of another file that has its name by now, where no condition is heeded.
    engine.put("h/alice/x", text.as_bytes());
    assert_eq!(kind(source.read_at(0, &mut room)), Err(Kind::Torn));
    engine.does(|asked| match asked.headers.get("if-match") {
        Some(_) => Act::Say(412, "", "<Error><Code>PreconditionFailed</Code></Error>".to_owned()),
        None => Act::Do,
    });
    assert_eq!(kind(source.read_at(2 << 20, &mut room)), Err(Kind::Torn));

    engine.does(|_| Act::Do);
    let mut source = store.open(&p("x")).unwrap();
    let etag = format!("\"{}\"", sealift::files::Hash::of(text.as_bytes()));
    engine.does(move |asked| {
        let Some(range) = asked.headers.get("range").and_then(|range| range.strip_prefix("bytes=")) else {
            return Act::Do;
        };
        let (from, to) = range.split_once('-').unwrap();
        let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
        // So much is said and a third of it comes.
        let (all, some) = (to + 1 - from, (to + 1 - from).div_ceil(3));
        Act::Cut(
            format!("content-range: bytes {from}-{to}/{}\r\ncontent-length: {all}\r\netag: {etag}\r\n", 3 << 20),
            "a".repeat(some),
        )
    });
    assert_eq!(source.read_at(0, &mut room).unwrap(), 3 << 20);
    assert!(room == text.as_bytes());
}

#[test]
fn names_of_other_programs_that_are_no_paths_are_told_and_lead_nowhere() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    for key in ["a//b", "../up", "c%zz", "d/e", "f", "f/hidden", "g/.sealift/x"] {
        engine.put(&format!("h/alice/{}", key.replace('%', "%25")), b"1");
    }
    let mut listing = store.list(&RelPath::root(), true).unwrap();
    let (mut paths, mut odd) = (Vec::new(), 0);
    while let Some(entry) = listing.next() {
        match entry {
            Ok(entry) => paths.push(String::from_utf8(entry.path).unwrap()),
            Err(unread) => {
                assert_eq!(unread.error.kind(), Kind::BadPath);
                odd += 1;
            }
        }
    }
    assert_eq!(paths, ["c%zz", "d", "d/e", "f"], "of a name that is a file and a folder it is the file");
    assert_eq!(odd, 3);
}

#[test]
fn a_home_with_a_trash_does_not_open() {
    let engine = BadEngine::start();
    let spool = tempfile::tempdir().unwrap();
    let vault = vault(&engine, true, &spool);
    let terms = HomeTerms::none().keeping(Some(Duration::from_secs(1)));
    assert_eq!(kind(vault.open("alice", terms)), Err(Kind::Unsupported), "{terms:?}");
    assert!(engine.asked().is_empty());
}

#[test]
fn what_comes_into_a_folder_while_it_is_removed_as_an_empty_one_is_not_removed_with_it() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    store.make_dir(&p("d"), false).unwrap();
    let mut is_first = true;
    engine.does(move |asked| match asked.key.is_empty() && asked.query.contains("max-keys=2") && is_first {
        // Right behind the look that finds it empty.
        true => {
            is_first = false;
            Act::DoAndPut("h/alice/d/late", b"acknowledged".to_vec())
        }
        false => Act::Do,
    });
    store.remove(&p("d"), false).unwrap();
    assert_eq!(engine.keys(), ["h/alice/d/late"]);
    assert_eq!(kind(store.remove(&p("d"), false)), Err(Kind::NotEmpty));
}

#[test]
fn a_large_upload_that_is_in_its_place_is_stored_whatever_becomes_of_what_is_written_beside() {
    let engine = BadEngine::start();
    let (store, _spool) = hasty(&engine, true);
    let bytes = vec![7; sealift::limits::HASH_BLOCK as usize + 5];
    any(&*store, "x", b"the old one").unwrap();
    for (method, of) in [("HEAD", "h/alice/x"), ("PUT", "x/")] {
        let mut is_complete = false;
        engine.does(move |asked| {
            is_complete |= asked.method == "POST" && asked.query.starts_with("uploadId");
            match is_complete && asked.method == method && asked.key.starts_with(of) {
                true => busy(),
                false => Act::Do,
            }
        });
        let spec = UploadSpec {
            mode: Some(sealift::files::SourceMode { mode: sealift::files::FileMode::of(0o640), perms: true }),
            ..UploadSpec::default()
        };
        let committed = put(&*store, "x", &bytes, spec).unwrap();
        assert_eq!(committed.size, bytes.len() as u64, "{method}");
        engine.does(|_| Act::Do);
        answers(&*store);
        let mode = store.stat(&p("x")).unwrap().mode;
        assert_eq!(mode.bits() & 0o777, 0o640, "{method}: the mode is known all the same");
    }
}

#[test]
fn where_a_storage_gives_another_file_than_was_asked_for_no_file_is_made_of_both() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    engine.put("h/alice/x", &vec![b'c'; 3 << 20]);
    let mut source = store.open(&p("x")).unwrap();
    let mut room = vec![0; 1 << 20];
    assert_eq!(source.read_at(0, &mut room).unwrap(), 1 << 20);
    // It heeds ranges, and no condition.
    let other = format!("\"{}\"", sealift::files::Hash::of(b"another file"));
    engine.does(move |asked| {
        let Some(range) = asked.headers.get("range").and_then(|range| range.strip_prefix("bytes=")) else {
            return Act::Do;
        };
        let (from, to) = range.split_once('-').unwrap();
        let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
        let head = format!("content-range: bytes {from}-{to}/{}\r\netag: {other}\r\n", 3 << 20);
        Act::Cut(head, "b".repeat(to + 1 - from))
    });
    assert_eq!(kind(source.read_at(1 << 20, &mut room)), Err(Kind::Torn));
}

#[test]
fn no_error_names_what_is_above_the_folder_that_it_is_told_in() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    let deep = ["a".repeat(250), "b".repeat(250), "c".repeat(250), "d".repeat(250), "e".repeat(60)].join("/");
    let error = store.stat(&p(&deep)).unwrap_err();
    assert_eq!(error.kind(), Kind::PathTooLong);
    let refused = || Act::Say(403, "", "<Error><Code>AccessDenied</Code></Error>".to_owned());
    engine.put("h/alice/in/x", b"1");
    engine.does(move |asked| if asked.method == "HEAD" { refused() } else { Act::Do });
    let mut listing = store.list(&RelPath::root(), true).unwrap();
    let unread = std::iter::from_fn(|| listing.next()).find_map(Result::err).unwrap().error;
    engine.does(move |_| refused());
    let mut listing = store.list(&RelPath::root(), true).unwrap();
    let of_all = listing.next().unwrap().unwrap_err().error;
    for error in [error, unread, of_all] {
        assert!(!error.text().contains("alice"), "{}", error.text());
    }
}

#[test]
fn an_answer_that_drips_is_not_waited_for_without_an_end() {
    let engine = BadEngine::start();
    let (store, _spool) = hasty(&engine, true);
    engine.put("h/alice/x", b"1");
    engine.does(|asked| if asked.key.is_empty() { Act::Drip(7_000_000) } else { Act::Do });
    let mut listing = store.list(&RelPath::root(), true).unwrap();
    assert_eq!(kind(listing.next().unwrap().map_err(|unread| unread.error)), Err(Kind::Unavailable));
}

#[test]
fn only_a_storage_that_says_that_there_is_none_of_a_file_has_none() {
    let engine = BadEngine::start();
    let (store, _spool) = hasty(&engine, true);
    engine.put("h/alice/x", b"1");
    for (status, body) in [(404, "<html>a proxy</html>"), (404, ""), (200, "<Error><Message>no</Message></Error>")] {
        engine.does(move |asked| match asked.method == "DELETE" {
            true => Act::Say(status, "", body.to_owned()),
            false => Act::Do,
        });
        assert!(store.remove(&p("x"), false).is_err(), "{status} {body}");
        assert_eq!(engine.keys(), ["h/alice/x"]);
        // The storage is left alone for a moment after that.
        engine.does(|_| Act::Do);
        answers(&*store);
    }
}

#[test]
fn a_copy_that_is_not_what_was_copied_costs_no_file_its_old_name() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    let bytes = vec![7; sealift::limits::HASH_BLOCK as usize + 5];
    any(&*store, "x", &bytes).unwrap();
    // It says that it has copied a part, and has taken the body of the request for it, which is empty.
    engine.does(|asked| match asked.headers.contains_key("x-amz-copy-source") {
        true => Act::DoAndSay("<CopyPartResult><ETag>e</ETag></CopyPartResult>"),
        false => Act::Do,
    });
    assert_eq!(kind(store.rename(&p("x"), &p("y"), false)), Err(Kind::Io));
    assert_eq!(store.stat(&p("x")).unwrap().size, bytes.len() as u64, "it is where it was");
}

#[test]
fn a_folder_that_has_become_a_file_meanwhile_hides_no_upload_that_is_acknowledged() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    store.make_dir(&p("d"), false).unwrap();
    let mut upload = store.begin(&p("d/x"), UploadSpec::default()).unwrap();
    upload.append(b"bytes").unwrap();
    store.remove(&p("d"), false).unwrap();
    any(&*store, "d", b"a file").unwrap();
    std::thread::sleep(sealift::limits::ENGINE_LOOKED);
    assert_eq!(kind(store.commit_one(upload)), Err(Kind::NotDirectory));
    assert_eq!(engine.keys(), ["h/alice/d"]);
}
