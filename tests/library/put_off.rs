//! A server whose storage does not answer for a while: single files are tried again, within bounds, and each is told of once.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_std::task::block_on;
use sealift::client::{
    Destination, Download, MirrorOptions, MirrorRun, Observer, Transfer, TransferOptions, Upload, is_put_off,
};
use sealift::files::Condition;
use sealift::limits;
use sealift::server::Storage;
use sealift::store::s3::{Keys, S3Options, S3Vault};
use sealift::sync::Mutex;
use sealift::{Error, Kind};

use super::store_s3_bad::SOON;
use crate::common::bad_engine::{Act, Asked, BadEngine};
use crate::common::bytes;
use crate::common::running::{Running, p};

/// What a storage does that is well. A server looks for uploads that nobody completed.
fn well(asked: &Asked) -> Act {
    match asked.method == "GET" && asked.query.contains("uploads") {
        true => Act::Say(200, "", "<ListMultipartUploadsResult/>".to_owned()),
        false => Act::Do,
    }
}

fn busy() -> Act {
    Act::Say(503, "", "<Error><Code>SlowDown</Code></Error>".to_owned())
}

/// What it does instead of being well.
type Does = fn(&Asked) -> Act;

/// Has the storage answer again when the client says that it waits, and counts what it was told.
struct Mended {
    engine: Arc<BadEngine>,
    /// What it does before it is well, the last first.
    before: Mutex<Vec<Does>>,
    waits: Mutex<Vec<Kind>>,
    failed: Mutex<usize>,
}

impl Observer for Mended {
    fn retrying(&self, error: &Error, _pause: Duration, _kept: u64) {
        self.waits.lock().push(error.kind());
        self.engine.does(self.before.lock().pop().unwrap_or(well));
    }

    fn failed(&self, _path: &Path, _error: &Error) {
        *self.failed.lock() += 1;
    }
}

struct Bench {
    engine: Arc<BadEngine>,
    server: Running,
    local: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Bench {
        let engine = Arc::new(BadEngine::start());
        engine.does(well);
        let (dir, local) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (bucket, endpoint) = ("s3://bucket".parse().unwrap(), engine.endpoint.parse().unwrap());
        let mut options = S3Options::new(bucket, endpoint, Keys::new("key", "secret", None), dir.path().join("spool"));
        options.alone = true;
        options.patience = SOON;
        let vault = S3Vault::new(options).unwrap();
        vault.probe().unwrap();
        let server = Running::over(dir, Storage::Vault(Arc::new(vault))).await;
        Bench { engine, server, local }
    }

    fn upload(&self, name: &str) -> Upload {
        let path = self.local.path().join(name);
        fs::write(&path, name).unwrap();
        Upload::file(path, p(name))
    }

    /// From now on it is busy when this file is asked for.
    fn withhold(&self, name: &'static str) {
        self.engine.does(move |asked: &Asked| match asked.key.ends_with(name) {
            true => busy(),
            false => well(asked),
        });
    }

    fn watch(&self, before: Vec<Does>) -> Arc<Mended> {
        let (engine, before) = (self.engine.clone(), Mutex::new(before));
        Arc::new(Mended { engine, before, waits: Mutex::default(), failed: Mutex::default() })
    }

    /// What becomes of a transfer, and how often it waited.
    async fn run(&self, transfer: Transfer) -> (u64, Vec<Kind>, usize, usize) {
        self.run_through(transfer, vec![]).await
    }

    /// The same where the storage does these before it is well.
    async fn run_through(&self, mut transfer: Transfer, before: Vec<Does>) -> (u64, Vec<Kind>, usize, usize) {
        let mut client = self.server.client("alice").await;
        let watch = self.watch(before);
        let never = async || Err(Error::new(Kind::Internal, "the connection was not lost"));
        let done = transfer.run(&mut client, never, watch.clone()).await.unwrap();
        let kinds = done.failed.iter().map(|(_, error)| error.kind()).collect();
        let waits = watch.waits.lock().len();
        assert!(watch.waits.lock().iter().all(|kind| *kind == Kind::Unavailable));
        assert_eq!(*watch.failed.lock(), done.failed.len());
        (done.files, kinds, waits, *watch.failed.lock())
    }
}

const PATIENT: TransferOptions = TransferOptions::new().retries(10);

#[test]
fn a_file_that_the_storage_does_not_take_just_now_is_sent_when_it_does() {
    block_on(async {
        let bench = Bench::new().await;
        let uploads = || vec![bench.upload("first"), bench.upload("late"), bench.upload("last")];
        bench.withhold("late");
        let (files, failed, waits, _) = bench.run(Transfer::upload(uploads(), PATIENT)).await;
        assert_eq!((files, failed), (3, vec![]));
        assert!(waits >= 1);
        for name in ["first", "late", "last"] {
            assert!(bench.engine.keys().contains(&format!("h/alice/{name}")), "{name}");
        }
        // Fetched alike.
        bench.withhold("late");
        let into = Destination::open(bench.local.path()).unwrap();
        let got = Download::new(p("late"), p("got"));
        let (files, failed, waits, _) = bench.run(Transfer::download(vec![got], &into, PATIENT)).await;
        assert_eq!((files, failed), (1, vec![]));
        assert!(waits >= 1);
        assert_eq!(fs::read_to_string(bench.local.path().join("got")).unwrap(), "late");
    });
}

#[test]
fn of_a_large_file_only_what_the_storage_does_not_have_is_sent_again() {
    block_on(async {
        let bench = Bench::new().await;
        let path = bench.local.path().join("large");
        let block = limits::HASH_BLOCK as usize;
        let bytes = bytes(6 * block + 5);
        fs::write(&path, &bytes).unwrap();
        bench.engine.does(move |asked: &Asked| if asked.is_part(4) { busy() } else { well(asked) });
        // Then it does not even say what it has, for a while.
        let silent = |asked: &Asked| match asked.method == "GET" && asked.key.starts_with("x/partial-") {
            // Not so that others are told at once that it does not answer.
            true => Act::Say(200, "", "<Error><Code>InternalError</Code></Error>".to_owned()),
            false => well(asked),
        };
        let uploads = vec![Upload::file(path, p("large"))];
        let (files, failed, waits, _) = bench.run_through(Transfer::upload(uploads, PATIENT), vec![silent]).await;
        assert_eq!((files, failed), (1, vec![]));
        assert!(waits >= 2);
        assert_eq!([2, 3].map(|number| bench.engine.came(number)), [1, 1]);
        assert!(bench.engine.get("h/alice/large") == bytes);
    });
}

#[test]
fn what_is_not_to_be_tried_again_fails_once_and_by_its_name() {
    block_on(async {
        let bench = Bench::new().await;
        bench.withhold("late");
        // Nobody said that it is to be tried again.
        let uploads = vec![bench.upload("first"), bench.upload("late")];
        let once = bench.run(Transfer::upload(uploads, TransferOptions::new())).await;
        assert_eq!(once, (1, vec![Kind::Unavailable], 0, 1));
        // It may be there after all: then the next try would take it for somebody else's.
        let uploads = vec![bench.upload("late").condition(Condition::Absent)];
        assert_eq!(bench.run(Transfer::upload(uploads, PATIENT)).await, (0, vec![Kind::Unavailable], 0, 1));
        // What can be read but once.
        let reader = Upload::reader(std::io::Cursor::new(b"late".to_vec()), p("late"));
        assert_eq!(bench.run(Transfer::upload(vec![reader], PATIENT)).await, (0, vec![Kind::Unavailable], 0, 1));
    });
}

#[test]
fn status_says_that_the_storage_is_silent_and_that_it_answers_again() {
    block_on(async {
        let bench = Bench::new().await;
        let mut client = bench.server.client("alice").await;
        let status = client.status().await.unwrap();
        assert_eq!((status.storage.as_deref(), status.storage_failed), (Some("answering"), Some(0)));
        assert!(status.storage_for.is_some());
        // Nor does the server itself get an answer, which asks for something now and then.
        bench.engine.does(|_| busy());
        assert_eq!(client.stat(&p("late")).await.unwrap_err().kind(), Kind::Unavailable);
        let status = client.status().await.unwrap();
        assert_eq!(status.storage.as_deref(), Some("silent"));
        assert!(status.storage_failed > Some(0));
        // Whoever asks next finds out, when the storage has rested.
        bench.engine.does(well);
        while client.stat(&p("first")).await.unwrap_err().kind() == Kind::Unavailable {
            async_std::task::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(client.status().await.unwrap().storage.as_deref(), Some("answering"));
    });
}

#[test]
fn a_mirror_leaves_what_the_storage_does_not_take_just_now_to_its_next_attempt_and_removes_nothing_before() {
    block_on(async {
        let bench = Bench::new().await;
        let source = bench.local.path().join("source");
        fs::create_dir_all(source.join("d")).unwrap();
        for name in ["first", "late", "d/last"] {
            fs::write(source.join(name), name).unwrap();
        }
        bench.engine.put("h/alice/copy/old", b"old");
        let (options, run, watch) = (MirrorOptions::default().delete(true), MirrorRun::default(), bench.watch(vec![]));
        let has = |name: &str| bench.engine.keys().contains(&format!("h/alice/copy/{name}"));
        let mut client = bench.server.client("alice").await;
        // Said at once, so that what else is asked for is not said to be without an answer, too.
        bench.engine.does(|asked: &Asked| match asked.method == "PUT" && asked.key.ends_with("late") {
            true => Act::Say(200, "", String::new()),
            false => well(asked),
        });
        run.put_off_failures(true);
        let left = client.mirror_push(&source, &p("copy"), &options, &run, watch.clone()).await.unwrap();
        assert_eq!((left.transfer.files, left.transfer.failed.len(), left.deleted), (2, 0, 0));
        assert_eq!((run.take_put_off().unwrap().kind(), *watch.failed.lock()), (Kind::Unavailable, 0));
        assert!(has("first") && has("d/last") && has("old") && !has("late"));
        // The last attempt tells, and removes nothing either.
        run.put_off_failures(false);
        let failed = client.mirror_push(&source, &p("copy"), &options, &run.clone(), watch.clone()).await.unwrap();
        assert_eq!((failed.transfer.failed[0].1.kind(), *watch.failed.lock()), (Kind::Unavailable, 1));
        assert!(run.take_put_off().is_none() && has("old"));
        bench.engine.does(well);
        let run = MirrorRun::default();
        run.put_off_failures(true);
        let done = client.mirror_push(&source, &p("copy"), &options, &run, watch).await.unwrap();
        assert_eq!((done.transfer.files, done.same, done.deleted), (1, 2, 1));
        assert!(run.take_put_off().is_none() && has("late") && !has("old"));
        // The other way: a file that is not given, and then one of which nothing is told, so that the folder cannot be listed.
        let into = bench.local.path().join("back");
        fs::create_dir(&into).unwrap();
        fs::write(into.join("old"), "old").unwrap();
        let watch = bench.watch(vec![]);
        bench.engine.does(|asked: &Asked| match asked.method == "GET" && asked.key.ends_with("late") {
            true => Act::Cut("content-length: 4\r\n".to_owned(), String::new()),
            false => well(asked),
        });
        let left = client.mirror_pull(&p("copy"), &into, &options, &run, watch.clone()).await.unwrap();
        assert_eq!((left.transfer.files, left.transfer.failed.len(), left.deleted), (2, 0, 0));
        assert_eq!(run.take_put_off().unwrap().kind(), Kind::Unavailable);
        bench.withhold("late");
        let error = client.mirror_pull(&p("copy"), &into, &options, &run, watch.clone()).await.unwrap_err();
        assert!(error.kind() == Kind::Unavailable && is_put_off(&error), "{error}");
        assert!(into.join("first").exists() && into.join("old").exists() && !into.join("late").exists());
        bench.engine.does(well);
        // The storage was just said not to answer, and is asked no sooner than a second later.
        while fs::read_to_string(into.join("late")).is_err() {
            let _next = client.mirror_pull(&p("copy"), &into, &options, &run, watch.clone()).await;
            async_std::task::sleep(Duration::from_millis(50)).await;
        }
        assert!(*watch.failed.lock() == 0 && !into.join("old").exists());
    });
}
