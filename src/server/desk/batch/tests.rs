//! The batch over a real store.

use tempfile::TempDir;

use super::*;
use crate::auth::Grants;
use crate::error::Kind;
use crate::files::{Durability, Hash, Stored, UploadSpec};
use crate::server::desk::op::Op;
use crate::store::{LocalOptions, LocalStore, Staging};

struct Bench {
    dir: TempDir,
    store: Arc<dyn Store>,
    batch: Batch,
    /// What was told, in words.
    told: Vec<String>,
}

fn path(name: &str) -> RelPath {
    RelPath::parse(name.as_bytes()).unwrap()
}

fn allowed(_: &Running) -> Result<(Overwrite, UnderWay)> {
    Ok((Overwrite::Allowed, UnderWay::default()))
}

fn word(told: &mut Vec<String>) -> impl FnMut(Running, Result<Done>) + '_ {
    |running, result| {
        let name = running.path().map(RelPath::to_string).unwrap_or_default();
        let word = match result {
            Ok(Done::File(committed)) => committed.stored.word(),
            Ok(Done::Folder { .. }) => "folder",
            Ok(Done::Restored) => "restored",
            Ok(Done::Mode(_)) => "mode",
            Err(error) => error.kind().word(),
        };
        told.push(format!("{name} {word}"));
    }
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let options = LocalOptions { durability: Durability::None, staging: Staging::Hidden };
        let store = Arc::new(LocalStore::open_path(dir.path(), options).unwrap());
        Bench { dir, store, batch: Batch::default(), told: Vec::new() }
    }

    fn running(&self, name: &str) -> Running {
        let op = Op::Put { path: path(name), spec: UploadSpec::default(), resume: None };
        Running::new(&op, "PUT", &Grants::new("alice"))
    }

    fn file(&mut self, name: &str, bytes: &[u8]) {
        let mut upload = self.store.begin(&path(name), UploadSpec::default()).unwrap();
        upload.append(bytes).unwrap();
        let running = self.running(name);
        self.batch.add_file(upload, running);
    }

    fn folder(&mut self, name: &str) {
        let folder = self.store.begin_dir(&path(name), false, None).unwrap();
        let running = self.running(name);
        self.batch.add_named(folder, running);
    }

    fn commit(&mut self, may: May<'_>) -> Vec<String> {
        self.batch.commit(&self.store, may, &mut word(&mut self.told));
        std::mem::take(&mut self.told)
    }

    fn commit_aside(&mut self) -> Vec<String> {
        self.batch.commit_aside(&self.store, &allowed, &mut word(&mut self.told));
        std::mem::take(&mut self.told)
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.dir.path().join(name)).ok()
    }
}

#[test]
fn files_and_folders_are_told_of_in_the_order_they_came() {
    let mut bench = Bench::new();
    bench.folder("d");
    bench.file("a", b"one");
    bench.file("d/b", b"two");
    bench.folder("e");
    bench.file("a", b"three");
    assert!(bench.read("a").is_none(), "nothing is in its place before the commit");
    assert_eq!(bench.commit(&allowed), ["d folder", "a created", "d/b created", "e folder", "a replaced"]);
    assert_eq!(bench.read("a").unwrap(), b"three");
    assert!(bench.batch.is_empty());
    assert_eq!(bench.commit(&allowed), [""; 0], "and once only");
}

#[test]
fn what_the_user_may_not_do_any_more_is_not_done_and_the_rest_is() {
    let mut bench = Bench::new();
    bench.file("old", b"old");
    bench.commit(&allowed);
    bench.file("a", b"a");
    bench.folder("d");
    bench.file("b", b"b");
    let may = |running: &Running| match running.path().map(RelPath::as_bytes) {
        Some(b"a") => Err(Error::new(Kind::Denied, "not any more")),
        _ => allowed(running),
    };
    assert_eq!(bench.commit(&may), ["a denied", "d folder", "b created"]);
    assert_eq!((bench.read("a"), bench.read("b")), (None, Some(b"b".to_vec())));
    bench.file("old", b"new");
    bench.file("c", b"c");
    assert_eq!(bench.commit(&|_: &Running| Ok((Overwrite::Refused, UnderWay::default()))), ["old denied", "c created"]);
    assert_eq!(bench.read("old").unwrap(), b"old");
}

#[test]
fn one_file_that_fails_takes_none_of_its_batch_along() {
    let mut bench = Bench::new();
    bench.file("a", b"a");
    bench.file("b", b"b");
    bench.file("c", b"c");
    // What is in the way came after the upload had begun.
    std::fs::create_dir(bench.dir.path().join("b")).unwrap();
    assert_eq!(bench.commit(&allowed), ["a created", "b is-directory", "c created"]);
}

#[test]
fn the_batch_behind_is_told_of_after_the_one_that_another_thread_commits() {
    let mut bench = Bench::new();
    bench.file("a", b"a");
    bench.folder("d");
    assert_eq!(bench.commit_aside(), [""; 0], "nobody waits for it");
    assert!(!bench.batch.is_empty());
    bench.file("b", b"b");
    let files: Vec<_> = bench.batch.files().map(RelPath::to_string).collect();
    assert_eq!(files, ["a", "b"], "those on their way to the disk too");
    assert_eq!(bench.commit_aside(), ["a created", "d folder"]);
    bench.file("c", b"c");
    assert_eq!(bench.commit(&allowed), ["b created", "c created"]);
    assert_eq!(["a", "b", "c"].map(|name| bench.read(name).is_some()), [true; 3]);
}

#[test]
fn what_gathers_can_be_given_up_and_what_is_on_its_way_is_waited_for() {
    let mut bench = Bench::new();
    bench.file("a", b"a");
    bench.commit_aside();
    bench.file("b", b"b");
    bench.batch.settle(&mut word(&mut bench.told));
    assert_eq!(bench.told, ["a created"]);
    bench.batch.drop_pending();
    assert!(bench.batch.is_empty());
    assert_eq!((bench.read("a"), bench.read("b")), (Some(b"a".to_vec()), None));
    bench.file("c", b"c");
    bench.commit_aside();
    bench.batch = Batch::default();
    assert!(matches!(bench.read("c").as_deref(), None | Some(b"c")), "whole or not there");
}

#[test]
fn a_batch_is_full_by_number_or_by_bytes() {
    let mut bench = Bench::new();
    for at in 1..limits::COMMIT_BATCH {
        bench.file(&at.to_string(), b"x");
        assert!(!bench.batch.is_full());
    }
    bench.folder("one more");
    assert!(bench.batch.is_full());
    bench.commit(&allowed);
    assert!(!bench.batch.is_full());
    bench.file("large", &vec![7; usize::try_from(limits::COMMIT_BATCH_BYTES).unwrap()]);
    assert!(bench.batch.is_full());
}

#[test]
fn the_hash_of_what_was_stored_is_told() {
    let mut bench = Bench::new();
    bench.file("a", b"bytes");
    let mut seen = Vec::new();
    bench.batch.commit(&bench.store, &allowed, &mut |_, done| seen.push(done.unwrap()));
    let [Done::File(committed)] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((committed.hash, committed.size, committed.stored), (Hash::of(b"bytes"), 5, Stored::Created));
}
