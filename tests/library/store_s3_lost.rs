//! A storage that loses what it has said it has, or a part of what is written to it.

use std::sync::Arc;
use std::time::Duration;

use sealift::Kind;
use sealift::files::{FileMode, HomeTerms, RelPath, SourceMode, Store, UploadSpec, Vault};
use sealift::store::s3::{Keys, S3Options, S3Vault};
use tempfile::TempDir;

use crate::common::bad_engine::{Act, BadEngine};

fn vault(engine: &BadEngine, spool: &TempDir) -> S3Vault {
    let keys = Keys::new("key", "secret", None);
    let (bucket, endpoint) = ("s3://bucket".parse().unwrap(), engine.endpoint.parse().unwrap());
    let mut options = S3Options::new(bucket, endpoint, keys, spool.path().to_owned());
    options.alone = true;
    options.patience = Duration::from_millis(600);
    S3Vault::new(options).unwrap()
}

fn store(engine: &BadEngine) -> (Arc<dyn Store>, TempDir) {
    let spool = tempfile::tempdir().unwrap();
    (vault(engine, &spool).open("alice", HomeTerms::none()).unwrap(), spool)
}

fn p(path: &str) -> RelPath {
    RelPath::parse(path.as_bytes()).unwrap()
}

fn put(store: &dyn Store, path: &str, bytes: &[u8], spec: UploadSpec) {
    let mut upload = store.begin(&p(path), spec).unwrap();
    upload.append(bytes).unwrap();
    store.commit_one(upload).unwrap();
}

#[test]
fn a_copy_that_the_storage_has_made_and_does_not_have_costs_no_file_its_old_name() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine);
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
    let (store, _spool) = store(&engine);
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
fn an_upload_whose_folder_was_removed_meanwhile_brings_it_back() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine);
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
    let (store, spool) = store(&engine);
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
