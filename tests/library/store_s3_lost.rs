//! A storage that loses what it has said it has, or a part of what is written to it.

use std::time::Duration;

use sealift::Kind;
use sealift::files::{FileMode, Hash, HomeTerms, Record, RelPath, SourceMode, Store, UploadSpec, Vault};
use sealift::store::s3::{Keys, S3Options, S3Vault};

use crate::common::bad_engine::{Act, BadEngine};
use crate::common::eventually;
use crate::store_s3_bad::{hasty, p, patient, store};

fn put(store: &dyn Store, path: &str, bytes: &[u8], spec: UploadSpec) {
    let mut upload = store.begin(&p(path), spec).unwrap();
    upload.append(bytes).unwrap();
    store.commit_one(upload).unwrap();
}

#[test]
fn a_copy_that_the_storage_has_made_and_does_not_have_costs_no_file_its_old_name() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    let bytes = vec![7; sealift::limits::HASH_BLOCK as usize + 5];
    put(&*store, "x", &bytes, UploadSpec::default());
    engine.does(|asked| match asked.completes() {
        true => Act::Say(200, "", "<CompleteMultipartUploadResult/>".to_owned()),
        false if asked.headers.contains_key("x-amz-copy-source") => {
            Act::Say(200, "", "<CopyPartResult><ETag>e</ETag></CopyPartResult>".to_owned())
        }
        false => Act::Do,
    });
    assert_eq!(store.rename(&p("x"), &p("y"), true).unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(store.stat(&p("x")).unwrap().size, bytes.len() as u64, "it is where it was");
    store.make_dir(&p("d"), false).unwrap();
    engine.put("h/alice/d/large", &bytes);
    assert_eq!(store.rename(&p("d"), &p("e"), true).unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(store.stat(&p("d/large")).unwrap().size, bytes.len() as u64, "it is where it was");
}

#[test]
fn a_large_file_is_never_open_to_more_than_the_one_it_replaces_whatever_is_recorded_of_it() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    let mode = SourceMode { mode: FileMode::of(0o600), perms: true };
    put(&*store, "x", b"for nobody else", UploadSpec { mode: Some(mode), ..UploadSpec::default() });
    assert_eq!(store.stat(&p("x")).unwrap().mode.bits() & 0o777, 0o600);
    engine.does(|asked| match asked.method == "PUT" && asked.key.starts_with("x/") {
        true => Act::Say(403, "", "<Error><Code>AccessDenied</Code></Error>".to_owned()),
        false => Act::Do,
    });
    put(&*store, "x", &vec![7; sealift::limits::HASH_BLOCK as usize + 5], UploadSpec::default());
    assert_eq!(store.stat(&p("x")).unwrap().mode.bits() & 0o777, 0o600);
}

#[test]
fn what_is_found_of_a_large_files_bytes_takes_nothing_from_what_it_got_meanwhile_or_from_another_one() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    // Of another program's file nothing is recorded until somebody has read it.
    let bytes = vec![7; sealift::limits::HASH_BLOCK as usize + 5];
    engine.put("h/alice/x", &bytes);
    let source = store.open(&p("x")).unwrap();
    let mode = SourceMode { mode: FileMode::of(0o600), perms: true };
    store.set_mode(&p("x"), mode).unwrap();
    source.compare(&Hash::of(&bytes));
    assert_eq!(store.stat(&p("x")).unwrap().mode.bits() & 0o777, 0o600);
    assert_eq!(store.open(&p("x")).unwrap().record(), Some(Record::Sound(Hash::of(&bytes))));
    // One that is read while another one takes its place.
    engine.put("h/alice/y", &bytes);
    let source = store.open(&p("y")).unwrap();
    let others = vec![8; sealift::limits::HASH_BLOCK as usize + 5];
    put(&*store, "y", &others, UploadSpec { mode: Some(mode), ..UploadSpec::default() });
    source.compare(&Hash::of(&bytes));
    assert_eq!(store.open(&p("y")).unwrap().record(), Some(Record::Sound(Hash::of(&others))));
    assert_eq!(store.stat(&p("y")).unwrap().mode.bits() & 0o777, 0o600);
}

#[test]
fn an_upload_whose_folder_was_removed_meanwhile_brings_it_back() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    store.make_dir(&p("d"), false).unwrap();
    let mut upload = store.begin(&p("d/x"), UploadSpec::default()).unwrap();
    upload.append(b"bytes").unwrap();
    store.remove(&p("d"), false).unwrap();
    std::thread::sleep(sealift::limits::ENGINE_LOOKED);
    store.commit_one(upload).unwrap();
    assert_eq!(store.stat(&p("d/x")).unwrap().size, 5);
}

#[test]
fn a_user_is_not_told_where_the_storage_is_and_whoever_runs_the_server_is() {
    let engine = BadEngine::start();
    let (store, spool) = hasty(&engine, true);
    engine.put("h/alice/x", b"1");
    let address = engine.endpoint.trim_start_matches("http://").to_owned();
    engine.does(|_| Act::DoAndSayNothing);
    let error = store.stat(&p("x")).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(!error.text().contains(&address), "{}", error.text());
    // One that nobody listens at any more.
    let mut options = S3Options::new(
        "s3://bucket".parse().unwrap(),
        "http://127.0.0.1:9".parse().unwrap(),
        Keys::new("key", "secret", None),
        spool.path().to_owned(),
    );
    options.patience = Duration::from_millis(200);
    let vault = S3Vault::new(options).unwrap();
    let error = vault.open("alice", HomeTerms::none()).unwrap().stat(&p("x")).unwrap_err();
    assert!(error.kind() == Kind::Unavailable && !error.text().contains("127.0.0.1"), "{}", error.text());
    let error = vault.probe().unwrap_err();
    assert!(error.text().contains("127.0.0.1:9"), "{}", error.text());
}

#[test]
fn a_listing_breaks_off_and_can_be_asked_for_again_where_of_one_file_nothing_is_told_just_now() {
    let engine = BadEngine::start();
    let (store, _spool) = hasty(&engine, true);
    for name in ["a", "b", "c"] {
        engine.put(&format!("h/alice/d/{name}"), b"1");
    }
    engine.does(|asked| match asked.method == "HEAD" && asked.key.ends_with("/b") {
        true => Act::Say(503, "", String::new()),
        false => Act::Do,
    });
    let mut listing = store.list(&p("d"), false).unwrap();
    // Whoever took what is told for all of it would take the others for removed.
    let told: Vec<_> = std::iter::from_fn(|| listing.next()).collect();
    let broken = told.last().unwrap().as_ref().unwrap_err();
    assert!(broken.path.is_empty() && broken.error.kind() == Kind::Unavailable, "{broken:?}");
    assert_eq!(told.iter().filter(|one| one.is_err()).count(), 1);
    engine.does(|_| Act::Do);
    let all = || {
        let mut listing = store.list(&p("d"), false)?;
        Ok::<_, sealift::Error>(std::iter::from_fn(|| listing.next()).filter(Result::is_ok).count())
    };
    // The storage is left alone for a moment after that.
    eventually("all of it is listed", || all().is_ok_and(|count| count == 3));
}

#[test]
fn a_storage_whose_answers_all_break_off_is_silent_and_one_that_does_not_give_one_file_is_not() {
    let engine = BadEngine::start();
    let spool = tempfile::tempdir().unwrap();
    let vault = patient(&engine, true, &spool, Duration::from_secs(5));
    let store = vault.open("alice", HomeTerms::none()).unwrap();
    let answers = || vault.health().unwrap().answers;
    let stat = |path: &str| store.stat(&p(path)).map_err(|error| error.kind()).map(drop);
    engine.put("h/alice/x", b"1");
    engine.does(|asked| match asked.key.is_empty() {
        true => Act::Cut("content-length: 100\r\n".to_owned(), "<ListBucketResult>".to_owned()),
        false => Act::Do,
    });
    assert_eq!(
        store.list(&RelPath::root(), true).unwrap().next().unwrap().unwrap_err().error.kind(),
        Kind::Unavailable
    );
    assert!(!answers());
    engine.does(|_| Act::Do);
    assert_eq!((stat("x"), answers()), (Ok(()), true));
    // One is never given, and others are meanwhile.
    let (asked_for, is_asked_for) = std::sync::mpsc::channel();
    engine.does(move |asked| match asked.key.ends_with("/x") {
        true => {
            let _said_once_is_enough = asked_for.send(());
            Act::Say(503, "", String::new())
        }
        false => Act::Do,
    });
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| stat("x"));
        is_asked_for.recv().unwrap();
        assert_eq!(stat("y"), Err(Kind::NotFound));
        assert_eq!(waits.join().unwrap(), Err(Kind::Unavailable));
    });
    assert_eq!((answers(), stat("y")), (true, Err(Kind::NotFound)), "nobody else is put off");
}
