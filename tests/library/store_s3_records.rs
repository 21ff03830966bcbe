//! What is written beside files and uploads in a bucket is removed by whoever wrote it, and not what another server has put in its place.

use sealift::files::{HomeTerms, UploadSpec, Vault};

use crate::common::bad_engine::{Act, BadEngine};
use crate::store_s3_bad::{p, vault};
use crate::store_s3_partial_bad::{BLOCK, begun, content, recorded};

/// The key of the only record that begins so.
fn key_of(engine: &BadEngine, is_it: impl Fn(&str) -> bool) -> &'static str {
    let keys = engine.keys();
    let found: Vec<&String> = keys.iter().filter(|key| is_it(key)).collect();
    assert_eq!(found.len(), 1, "{keys:?}");
    Box::leak(found[0].clone().into_boxed_str())
}

#[test]
fn the_record_of_a_large_file_that_is_stored_again_elsewhere_while_it_is_removed_stays() {
    let engine = BadEngine::start();
    engine.heeds();
    let spool = tempfile::tempdir().unwrap();
    let vault = vault(&engine, false, &spool);
    vault.probe().unwrap();
    let store = vault.open("alice", HomeTerms::none()).unwrap();
    store.commit_one(begun(&*store, &content(BLOCK + 5))).unwrap();
    let file = key_of(&engine, |key| key.contains("h/alice/") && !key.ends_with('/'));
    let record = key_of(&engine, |key| key.starts_with("x/"));
    let newer = b"of another server".to_vec();
    let written = newer.clone();
    engine.does(move |asked| match asked.method == "DELETE" && asked.key == file {
        true => Act::DoAndPut(record, written.clone()),
        false => Act::Do,
    });
    let name = file.rsplit('/').next().unwrap();
    store.remove(&p(name), false).unwrap();
    assert!(engine.keys().contains(&record.to_owned()), "{:?}", engine.keys());
    assert!(engine.get(record) == newer);
    // And one that nobody has written anew goes.
    engine.does(|_| Act::Do);
    store.commit_one(begun(&*store, &content(BLOCK + 5))).unwrap();
    store.remove(&p(name), false).unwrap();
    assert!(!engine.keys().contains(&record.to_owned()), "{:?}", engine.keys());
}

#[test]
fn the_record_of_a_large_file_that_is_stored_again_elsewhere_while_its_folder_is_removed_stays() {
    let engine = BadEngine::start();
    engine.heeds();
    let spool = tempfile::tempdir().unwrap();
    let vault = vault(&engine, false, &spool);
    vault.probe().unwrap();
    let store = vault.open("alice", HomeTerms::none()).unwrap();
    let put = || {
        store.make_dir(&p("folder"), true).unwrap();
        let mut upload = store.begin(&p("folder/large"), UploadSpec::default()).unwrap();
        upload.append(&content(BLOCK + 5)).unwrap();
        store.commit_one(upload).unwrap();
    };
    put();
    let file = key_of(&engine, |key| key.contains("h/alice/") && key.ends_with("/large"));
    let record = key_of(&engine, |key| key.starts_with("x/"));
    let newer = b"of another server".to_vec();
    let written = newer.clone();
    engine.does(move |asked| match asked.method == "DELETE" && asked.key == file {
        true => Act::DoAndPut(record, written.clone()),
        false => Act::Do,
    });
    store.remove(&p("folder"), true).unwrap();
    assert!(engine.keys().contains(&record.to_owned()), "{:?}", engine.keys());
    assert!(engine.get(record) == newer);
    // And one that nobody has written anew goes.
    engine.does(|_| Act::Do);
    put();
    store.remove(&p("folder"), true).unwrap();
    assert!(!engine.keys().contains(&record.to_owned()), "{:?}", engine.keys());
}

#[test]
fn the_record_of_an_upload_that_is_begun_again_elsewhere_while_it_is_forgotten_stays() {
    let engine = BadEngine::start();
    engine.heeds();
    let spool = tempfile::tempdir().unwrap();
    let vault = vault(&engine, false, &spool);
    vault.probe().unwrap();
    let store = vault.open("alice", HomeTerms::none()).unwrap();
    let upload = begun(&*store, &content(2 * BLOCK + 5));
    recorded(&engine, 2);
    let record = key_of(&engine, |key| key.contains("x/partial-") && !key.contains("-by-"));
    let newer = b"of another server".to_vec();
    let (written, mut looks) = (newer.clone(), 0);
    engine.does(move |asked| {
        looks += u32::from(asked.method == "GET" && asked.key == record);
        // Between the look at it and the removal.
        match asked.method == "GET" && asked.key == record && looks == 1 {
            true => Act::DoAndPut(record, written.clone()),
            false => Act::Do,
        }
    });
    // It becomes a file, and what was written of it is of no more use.
    store.commit_one(upload).unwrap();
    assert!(engine.keys().contains(&record.to_owned()), "{:?}", engine.keys());
    assert!(engine.get(record) == newer);
}
