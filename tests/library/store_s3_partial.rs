//! Uploads into a bucket that break off and are gone on with at another server.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use sealift::Kind;
use sealift::files::{Hash, HomeTerms, Location, Owner, Partial, RelPath, Store, Upload, UploadSpec, Vault};
use sealift::limits;
use sealift::store::s3::{Keys, S3Options, S3Vault};
use tempfile::TempDir;

use crate::common::bytes;
use crate::common::moto::{BUCKET, Moto};

const BLOCK: usize = limits::HASH_BLOCK as usize;

/// Servers of one place in the bucket, each with a disk of its own.
struct Several {
    moto: &'static Moto,
    bucket: String,
    disk: TempDir,
}

impl Several {
    fn new() -> Option<Several> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let bucket = format!("s3://{BUCKET}/partial{}", NEXT.fetch_add(1, Ordering::Relaxed));
        Some(Several { moto: Moto::shared()?, bucket, disk: tempfile::tempdir().unwrap() })
    }

    fn vault(&self) -> S3Vault {
        let keys = Keys::new("key", "secret", None);
        let spool = self.disk.path().join("spool");
        let endpoint = self.moto.endpoint.parse().unwrap();
        let vault = S3Vault::new(S3Options::new(self.bucket.parse().unwrap(), endpoint, keys, spool)).unwrap();
        vault.probe().unwrap();
        vault
    }

    /// Alice's home at a server that was just started.
    fn server(&self) -> Arc<dyn Store> {
        self.vault().open("alice", HomeTerms::none()).unwrap()
    }
}

fn p(path: &str) -> RelPath {
    RelPath::parse(path.as_bytes()).unwrap()
}

/// No two blocks alike, and no two files.
fn content(len: usize, seed: u8) -> Vec<u8> {
    bytes(len + usize::from(seed)).split_off(seed.into())
}

fn read(store: &dyn Store, path: &str) -> Vec<u8> {
    let mut source = store.open(&p(path)).unwrap();
    let mut bytes = vec![0; usize::try_from(source.meta().size).unwrap()];
    assert_eq!(source.read_at(0, &mut bytes).unwrap(), bytes.len());
    bytes
}

fn begun(store: &dyn Store, path: &str, bytes: &[u8]) -> Box<dyn Upload> {
    let mut upload = store.begin(&p(path), UploadSpec::default()).unwrap();
    upload.append(bytes).unwrap();
    upload
}

/// What another server finds of it, once that is so many blocks.
fn found(store: &dyn Store, path: &str, blocks: usize) -> Partial {
    for _ in 0..6000 {
        if let Some(partial) = store.partial(&p(path)).unwrap().filter(|partial| partial.len >= (blocks * BLOCK) as u64)
        {
            return partial;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("nothing of {path} is found");
}

#[test]
fn what_a_killed_server_had_sent_is_proven_and_finished_at_another() {
    let Some(several) = Several::new() else { return };
    let (first, bytes) = (several.server(), content(4 * BLOCK + 1000, 0));
    // A server that is killed tidies nothing up.
    std::mem::forget(begun(&*first, "x", &bytes[..3 * BLOCK + 5]));
    let second = several.server();
    let partial = found(&*second, "x", 3);
    assert_eq!(partial, Partial { len: 3 * limits::HASH_BLOCK, hash: Hash::of(&bytes[..3 * BLOCK]) });
    let resume = |from: usize, proven: Hash| second.resume(&p("x"), UploadSpec::default(), from as u64, proven);
    assert_eq!(resume(3 * BLOCK, Hash::of(b"other")).err().unwrap().kind(), Kind::Changed);
    // Some of what is there is enough, too.
    let mut upload = resume(2 * BLOCK, Hash::of(&bytes[..2 * BLOCK])).unwrap();
    upload.append(&bytes[2 * BLOCK..]).unwrap();
    assert_eq!(second.commit_one(upload).unwrap().hash, Hash::of(&bytes));
    for server in [second, several.server()] {
        assert!(read(&*server, "x") == bytes);
        assert_eq!(server.partial(&p("x")).unwrap(), None);
    }
}

#[test]
fn of_two_that_go_on_with_one_upload_at_two_servers_one_has_the_file_and_it_is_whole() {
    let Some(several) = Several::new() else { return };
    let (first, second) = (several.server(), several.server());
    let (bytes, others) = (content(3 * BLOCK + 7, 0), content(3 * BLOCK + 7, 1));
    let same = |from: usize, to: usize| [&bytes[..from], &others[from..to]].concat();
    for (path, theirs) in [("alike", bytes.clone()), ("unlike", same(2 * BLOCK, 3 * BLOCK + 7))] {
        // Its client has lost the connection, which the first server does not know.
        let spec = UploadSpec { size: Some(bytes.len() as u64), ..UploadSpec::default() };
        let slow = first.begin(&p(path), spec).unwrap().into_parts().unwrap();
        let two = limits::HASH_BLOCK * 2;
        let send = |from: usize, to: usize| {
            let mut part = slow.part(from as u64, (to - from) as u64).unwrap();
            part.append(&bytes[from..to]).unwrap();
            part.finish().unwrap();
        };
        send(0, 2 * BLOCK);
        found(&*second, path, 2);
        let mut upload = second.resume(&p(path), UploadSpec::default(), two, Hash::of(&bytes[..2 * BLOCK])).unwrap();
        send(2 * BLOCK, bytes.len());
        upload.append(&theirs[2 * BLOCK..]).unwrap();
        let mut upload = Some(upload);
        if path == "alike" {
            second.commit_one(upload.take().unwrap()).unwrap();
        }
        // Before or after: whose upload it is not any more has no file of it, and takes nothing away.
        let late = slow.into_upload().and_then(|slow| first.commit_one(slow));
        assert_eq!(late.unwrap_err().kind(), Kind::Aborted);
        if let Some(upload) = upload {
            second.commit_one(upload).unwrap();
        }
        assert!(read(&*second, path) == theirs, "{path}");
        assert_eq!(second.partial(&p(path)).unwrap(), None);
    }
}

#[test]
fn what_is_given_up_at_the_first_server_stays_with_the_second_that_has_gone_on() {
    let Some(several) = Several::new() else { return };
    let (first, second) = (several.server(), several.server());
    let bytes = content(2 * BLOCK + 7, 0);
    let slow = begun(&*first, "x", &bytes[..2 * BLOCK + 1]);
    let partial = found(&*second, "x", 2);
    let mut upload = second.resume(&p("x"), UploadSpec::default(), partial.len, partial.hash).unwrap();
    drop(slow);
    upload.append(&bytes[2 * BLOCK..]).unwrap();
    second.commit_one(upload).unwrap();
    assert!(read(&*second, "x") == bytes);
}

#[test]
fn what_the_first_server_leaves_when_its_client_is_gone_is_none_of_what_the_second_has_gone_on_with() {
    let Some(several) = Several::new() else { return };
    let (first, second, third) = (several.server(), several.server(), several.server());
    let (bytes, others) = (content(2 * BLOCK + 7, 0), content(2 * BLOCK + 7, 1));
    let slow = begun(&*first, "x", &bytes[..2 * BLOCK + 1]);
    let partial = found(&*second, "x", 2);
    let mut upload = second.resume(&p("x"), UploadSpec::default(), partial.len, partial.hash).unwrap();
    // It learns late that its client is gone.
    assert_eq!(slow.keep(), 0);
    // A younger one takes the place of what is left, and nothing is.
    let younger = begun(&*third, "x", &others);
    thread::sleep(Duration::from_millis(200));
    upload.append(&bytes[2 * BLOCK..]).unwrap();
    second.commit_one(upload).unwrap();
    assert!(read(&*second, "x") == bytes);
    third.commit_one(younger).unwrap();
    assert!(read(&*second, "x") == others);
}

#[test]
fn in_a_shared_folder_what_is_left_of_an_upload_is_for_nobody_but_who_sent_it() {
    let Some(several) = Several::new() else { return };
    let folder = Location::Below("inbox".to_owned());
    let of =
        |home: &str| several.vault().open_folder_for(&folder, HomeTerms::none(), &Owner::new(home, HomeTerms::none()));
    let (carol, bob) = (of("carol").unwrap(), of("bob").unwrap());
    let (bytes, others) = (content(2 * BLOCK + 7, 0), content(2 * BLOCK + 7, 1));
    assert_eq!(begun(&*carol, "x", &bytes).keep(), 2 * limits::HASH_BLOCK);
    // Neither its hash is told, nor is it a file of whoever has heard that.
    assert_eq!(bob.partial(&p("x")).unwrap(), None);
    let proven = Hash::of(&bytes[..2 * BLOCK]);
    let resumed = bob.resume(&p("x"), UploadSpec::default(), 2 * limits::HASH_BLOCK, proven);
    assert_eq!(resumed.err().unwrap().kind(), Kind::Changed);
    // Nor does it go when somebody else begins one of that name.
    assert_eq!(begun(&*bob, "x", &others).keep(), 2 * limits::HASH_BLOCK);
    assert_eq!(several.vault().sweep("inbox", None).unwrap().removed, 0);
    let again = of("carol").unwrap();
    assert_eq!(again.partial(&p("x")).unwrap().unwrap().hash, proven);
    let mut upload = again.resume(&p("x"), UploadSpec::default(), 2 * limits::HASH_BLOCK, proven).unwrap();
    upload.append(&bytes[2 * BLOCK..]).unwrap();
    again.commit_one(upload).unwrap();
    assert!(read(&*bob, "x") == bytes);
    assert_eq!(of("bob").unwrap().partial(&p("x")).unwrap().unwrap().hash, Hash::of(&others[..2 * BLOCK]));
}

#[test]
fn a_younger_upload_of_the_name_takes_the_place_of_what_is_left_of_an_older_one() {
    let Some(several) = Several::new() else { return };
    let (server, bytes, others) = (several.server(), content(2 * BLOCK + 7, 0), content(2 * BLOCK + 7, 1));
    assert_eq!(begun(&*server, "x", &bytes).keep(), 2 * limits::HASH_BLOCK);
    assert_eq!(begun(&*server, "x", &others).keep(), 2 * limits::HASH_BLOCK);
    let again = several.server();
    assert_eq!(again.partial(&p("x")).unwrap().unwrap().hash, Hash::of(&others[..2 * BLOCK]));
    // One that is stored leaves nothing to go on with, and what is left is not taken for old.
    assert_eq!(several.vault().sweep("alice", None).unwrap().removed, 0);
    let whole = begun(&*again, "x", &bytes);
    again.commit_one(whole).unwrap();
    assert_eq!(again.partial(&p("x")).unwrap(), None);
    assert!(read(&*again, "x") == bytes);
}
