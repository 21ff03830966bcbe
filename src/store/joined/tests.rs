//! What fails in a folder that shows in a home names the path that its user knows, whatever was asked for.

use std::fs::File;

use super::*;
use crate::files::{Change, Compared, FileIdentity, Finding, Part, Record, Staged};

fn path(name: &str) -> RelPath {
    RelPath::parse(name.as_bytes()).unwrap()
}

fn broken<T>(path: &RelPath) -> Result<T> {
    Err(Error::file(path, rustix::io::Errno::IO.into()))
}

/// A store in which nothing works, as far as that is asked of it.
#[derive(Default)]
struct Broken {
    /// Files can be opened and uploads be begun, and then nothing works any more.
    later: bool,
    /// What has two paths fails at the second.
    at_other: bool,
    /// What became of the last of a commit it keeps to itself.
    is_terse: bool,
    prepared: PreparedSet<RelPath>,
}

impl Broken {
    fn either<T>(&self, one: &RelPath, other: &RelPath) -> Result<T> {
        broken(if self.at_other { other } else { one })
    }

    fn begun(&self, path: &RelPath) -> Result<Box<dyn Upload>> {
        match self.later {
            true => Ok(Box::new(BrokenUpload { path: path.clone(), prepared: self.prepared.clone() })),
            false => broken(path),
        }
    }
}

impl Store for Broken {
    fn promises(&self) -> Promises {
        Promises::of_one_process()
    }

    fn stat(&self, path: &RelPath) -> Result<Meta> {
        if self.later { Ok(shown_folder()) } else { broken(path) }
    }

    fn real_path(&self, path: &RelPath) -> Result<RelPath> {
        broken(path)
    }

    fn open(&self, path: &RelPath) -> Result<Box<dyn Source>> {
        if self.later { Ok(Box::new(BrokenSource(path.clone()))) } else { broken(path) }
    }

    fn begin(&self, path: &RelPath, _: UploadSpec) -> Result<Box<dyn Upload>> {
        self.begun(path)
    }

    fn partial(&self, path: &RelPath) -> Result<Option<Partial>> {
        broken(path)
    }

    fn resume(&self, path: &RelPath, _: UploadSpec, _: u64, _: Hash) -> Result<Box<dyn Upload>> {
        self.begun(path)
    }

    fn commit(&self, changes: Vec<Prepared>) -> Vec<Result<Done>> {
        let told = changes.len().saturating_sub(usize::from(self.is_terse));
        changes.into_iter().take(told).map(|change| broken(&self.prepared.take(change)?)).collect()
    }

    fn list(&self, path: &RelPath, _: bool) -> Result<Box<dyn Listing>> {
        if self.later { Ok(Box::new(BrokenListing(path.clone()))) } else { broken(path) }
    }

    fn remove(&self, path: &RelPath, recursive: bool) -> Result<Removed> {
        // What is in it fails.
        if recursive { broken(&path.join(b"in").unwrap()) } else { broken(path) }
    }

    fn seen(&self, path: &RelPath) -> Result<Seen> {
        broken(path)
    }

    fn set_mode(&self, path: &RelPath, _: SourceMode) -> Result<FileMode> {
        broken(path)
    }

    fn set_mtime(&self, path: &RelPath, _: Mtime) -> Result<()> {
        broken(path)
    }

    fn properties(&self, path: &RelPath) -> Result<Properties> {
        broken(path)
    }

    fn change_properties(&self, path: &RelPath, _: &[(String, Option<String>)]) -> Result<()> {
        broken(path)
    }

    fn free(&self) -> Result<Option<u64>> {
        broken(&RelPath::root())
    }

    fn usage(&self) -> Result<Option<Usage>> {
        broken(&RelPath::root())
    }

    fn rename(&self, from: &RelPath, to: &RelPath, _: bool) -> Result<Stored> {
        self.either(from, to)
    }

    fn rename_from(&self, _: &dyn Store, from: &RelPath, to: &RelPath, _: bool, _: &SeenAt) -> Result<Stored> {
        self.either(from, to)
    }

    fn supersede(&self, from: &RelPath, to: &RelPath) -> Result<(Stored, Option<RelPath>)> {
        self.either(from, to)
    }

    fn trash(&self, path: &RelPath, _: usize, _: &dyn Fn(&RelPath) -> bool) -> Result<TrashList> {
        broken(path)
    }

    fn begin_restore(&self, path: &RelPath, _: TrashId, to: &RelPath) -> Result<Prepared> {
        self.either(path, to)
    }

    fn purge(&self, path: &RelPath, _: Option<TrashId>, _: &dyn Fn(&RelPath) -> bool) -> Result<u64> {
        broken(path)
    }

    fn begin_dir(&self, path: &RelPath, _: bool, _: Option<Umask>) -> Result<Prepared> {
        if self.later { Ok(self.prepared.add(path.clone())) } else { broken(path) }
    }

    fn forget_handles(&self) {}
}

struct BrokenSource(RelPath);

impl Source for BrokenSource {
    fn identity(&self) -> Option<FileIdentity> {
        None
    }

    fn meta(&self) -> Meta {
        shown_folder()
    }

    fn allocated(&self) -> Option<u64> {
        None
    }

    fn change(&self) -> Result<Change> {
        broken(&self.0)
    }

    fn record(&self) -> Option<Record> {
        None
    }

    fn compare(&self, _: &Hash) -> Finding {
        Finding::Unrecorded
    }

    fn accept(&self, _: &Hash) -> Result<()> {
        broken(&self.0)
    }

    fn as_file(&self) -> Option<&File> {
        None
    }

    fn forget_cached(&self) {}

    fn read_at(&mut self, _: u64, _: &mut [u8]) -> Result<usize> {
        broken(&self.0)
    }
}

struct BrokenUpload {
    path: RelPath,
    prepared: PreparedSet<RelPath>,
}

impl Upload for BrokenUpload {
    fn append(&mut self, _: &[u8]) -> Result<()> {
        broken(&self.path)
    }

    fn len(&self) -> u64 {
        0
    }

    fn hash(&self) -> Hash {
        Hash::of(b"")
    }

    fn keep(self: Box<Self>) -> u64 {
        0
    }

    fn compare(&mut self, _: u64) -> Result<Compared> {
        broken(&self.path)
    }

    fn refuse_overwrite(&mut self) {}

    fn into_parts(self: Box<Self>) -> Result<Box<dyn Staged>> {
        Ok(Box::new(BrokenStaged(self.path)))
    }

    fn prepare(self: Box<Self>) -> Prepared {
        self.prepared.add(self.path)
    }
}

struct BrokenStaged(RelPath);

impl Staged for BrokenStaged {
    fn part(&self, offset: u64, _: u64) -> Result<Box<dyn Part>> {
        if offset == 0 { Ok(Box::new(BrokenPart(self.0.clone()))) } else { broken(&self.0) }
    }

    fn into_upload(self: Box<Self>) -> Result<Box<dyn Upload>> {
        broken(&self.0)
    }

    fn keep(self: Box<Self>) -> u64 {
        0
    }
}

struct BrokenPart(RelPath);

impl Part for BrokenPart {
    fn append(&mut self, _: &[u8]) -> Result<()> {
        broken(&self.0)
    }

    fn finish(self: Box<Self>) -> Result<u64> {
        broken(&self.0)
    }
}

struct BrokenListing(RelPath);

impl Listing for BrokenListing {
    fn next(&mut self) -> Option<Result<Entry, Unread>> {
        let error = broken::<()>(&self.0.join(b"in").unwrap()).unwrap_err();
        Some(Err(Unread { path: b"in".to_vec(), error }))
    }
}

fn joined(store: Broken) -> JoinedStore {
    let mounts = ["our/team", "box"].map(|at| {
        let store = Broken { prepared: PreparedSet::default(), ..store };
        Mount { at: path(at), store: Ok(Lease::of(Arc::new(store))) }
    });
    JoinedStore::new(Arc::new(Broken::default()), mounts.into())
}

type Asked<'a> = (&'a str, &'a dyn Fn(&JoinedStore) -> Result<()>);

/// Each of these fails with a text that begins with this.
fn all_name(store: &JoinedStore, called: &str, all: &[Asked<'_>]) {
    for (what, asked) in all {
        let error = asked(store).unwrap_err();
        let (_, told) = error.told_by_server();
        assert!(told.starts_with(&format!("{called}:")), "{what}: {told}");
        assert_eq!(error.path(), Some(std::path::Path::new(called)), "{what}");
    }
}

#[test]
fn what_fails_at_once_names_the_path_that_its_user_knows() {
    let (x, spec, umask) = (path("our/team/a/x"), UploadSpec::default(), None);
    let mode = SourceMode { mode: FileMode::of(0o644), perms: false };
    let shown = |_: &RelPath| true;
    let (id, hash) = (TrashId::now().ok(), Hash::of(b""));
    let store = joined(Broken::default());
    all_name(
        &store,
        "our/team/a/x",
        &[
            ("stat", &|store| store.stat(&x).map(drop)),
            ("real_path", &|store| store.real_path(&x).map(drop)),
            ("open", &|store| store.open(&x).map(drop)),
            ("begin", &|store| store.begin(&x, spec).map(drop)),
            ("partial", &|store| store.partial(&x).map(drop)),
            ("look_for_partial", &|store| store.look_for_partial(&x).map(drop)),
            ("resume", &|store| store.resume(&x, spec, 0, hash).map(drop)),
            ("list", &|store| store.list(&x, false).map(drop)),
            ("list all", &|store| store.list(&x, true).map(drop)),
            ("remove", &|store| store.remove(&x, false).map(drop)),
            ("remove_keeping", &|store| store.remove_keeping(&x, false, Keep::As(&x), None).map(drop)),
            ("seen", &|store| store.seen(&x).map(drop)),
            ("remove_seen", &|store| store.remove_seen(&x, false, &Seen::NOTHING).map(drop)),
            ("set_mode", &|store| store.set_mode(&x, mode).map(drop)),
            ("set_mtime", &|store| store.set_mtime(&x, Mtime::from(SystemTime::now()))),
            ("properties", &|store| store.properties(&x).map(drop)),
            ("change_properties", &|store| store.change_properties(&x, &[])),
            ("rename", &|store| store.rename(&x, &path("our/team/y"), true).map(drop)),
            ("supersede", &|store| store.supersede(&x, &path("our/team/y")).map(drop)),
            ("trash", &|store| store.trash(&x, 1, &shown).map(drop)),
            ("purge", &|store| store.purge(&x, None, &shown).map(drop)),
            ("purge one", &|store| store.purge(&x, id, &shown).map(drop)),
            ("restore", &|store| store.begin_restore(&x, id.unwrap(), &path("our/team/y")).map(drop)),
            ("begin_dir", &|store| store.begin_dir(&x, true, umask).map(drop)),
        ],
    );
    all_name(&store, "our/team/a/x/in", &[("remove all", &|store| store.remove(&x, true).map(drop))]);
    all_name(
        &store,
        "our/team",
        &[
            ("free_at", &|store| store.free_at(&x).map(drop)),
            ("usage_at", &|store| store.usage_at(&x).map(drop)),
            ("usage_now_at", &|store| store.usage_now_at(&x).map(drop)),
            ("list", &|store| store.list(&path("our/team"), true).map(drop)),
        ],
    );
}

#[test]
fn what_fails_at_the_second_of_two_paths_names_that() {
    let (x, y) = (path("our/team/a/x"), path("our/team/y"));
    let id = TrashId::now().unwrap();
    all_name(
        &joined(Broken { at_other: true, ..Broken::default() }),
        "our/team/y",
        &[
            ("rename", &|store| store.rename(&x, &y, true).map(drop)),
            ("supersede", &|store| store.supersede(&x, &y).map(drop)),
            ("restore", &|store| store.begin_restore(&x, id, &y).map(drop)),
        ],
    );
    let between: &[Asked<'_>] = &[("rename", &|store| store.rename(&x, &path("box/y"), true).map(drop))];
    all_name(&joined(Broken { later: true, at_other: true, ..Broken::default() }), "box/y", between);
    all_name(&joined(Broken { later: true, ..Broken::default() }), "our/team/a/x", between);
}

#[test]
fn what_fails_later_names_the_path_that_its_user_knows() {
    let (x, spec) = (path("our/team/a/x"), UploadSpec::default());
    let store = joined(Broken { later: true, ..Broken::default() });
    let first = |done: Vec<Result<Done>>| done.into_iter().next().unwrap().map(drop);
    let staged = |store: &JoinedStore| store.begin(&x, spec)?.into_parts();
    all_name(
        &store,
        "our/team/a/x",
        &[
            ("read_at", &|store| store.open(&x)?.read_at(0, &mut []).map(drop)),
            ("change", &|store| store.open(&x)?.change().map(drop)),
            ("accept", &|store| store.open(&x)?.accept(&Hash::of(b""))),
            ("append", &|store| store.begin(&x, spec)?.append(b"x")),
            ("append to what was resumed", &|store| store.resume(&x, spec, 0, Hash::of(b""))?.append(b"x")),
            ("compare", &|store| store.begin(&x, spec)?.compare(1).map(drop)),
            ("commit", &|store| first(store.commit(vec![store.begin(&x, spec)?.prepare()]))),
            ("commit a folder", &|store| first(store.commit(vec![store.begin_dir(&x, true, None)?]))),
            ("part", &|store| staged(store)?.part(1, 1).map(drop)),
            ("append to a part", &|store| staged(store)?.part(0, 1)?.append(b"x")),
            ("finish a part", &|store| staged(store)?.part(0, 1)?.finish().map(drop)),
            ("into_upload", &|store| staged(store)?.into_upload().map(drop)),
        ],
    );
    all_name(
        &store,
        "our/team/a/x/in",
        &[("list", &|store| match store.list(&x, true)?.next() {
            Some(Err(Unread { error, .. })) => Err(error),
            Some(Ok(_)) | None => Ok(()),
        })],
    );
}

/// Several, in two folders and in the home, in one call: each is told of its own.
#[test]
fn changes_that_are_committed_together_are_each_told_of_by_their_own_path() {
    let store = joined(Broken { later: true, ..Broken::default() });
    let paths = ["our/team/one", "our/team/two", "box/two", "our/team/two"];
    let changes = paths.map(|name| store.begin(&path(name), UploadSpec::default()).unwrap().prepare());
    let told: Vec<String> =
        store.commit(changes.into()).into_iter().map(|done| done.unwrap_err().text().to_owned()).collect();
    for (name, text) in paths.iter().zip(&told) {
        assert!(text.starts_with(&format!("{name}:")), "{name}: {text}");
    }
    assert_eq!(told.len(), paths.len());
}

#[test]
fn what_a_store_does_not_tell_of_a_commit_moves_no_result_to_another() {
    let store = joined(Broken { later: true, is_terse: true, ..Broken::default() });
    let paths = ["our/team/one", "our/team/two", "box/one", "our/team/three", "our/team/four"];
    let changes = paths.map(|name| store.begin(&path(name), UploadSpec::default()).unwrap().prepare());
    let told = store.commit(changes.into());
    let kinds: Vec<_> = told.iter().map(|done| done.as_ref().unwrap_err().kind() == Kind::Internal).collect();
    assert_eq!(kinds, [false, true, true, false, true]);
    for (name, done) in paths.iter().zip(&told) {
        let text = done.as_ref().unwrap_err().text();
        assert!(text.starts_with(&format!("{name}:")) || text.contains("has not said"), "{name}: {text}");
    }
}
