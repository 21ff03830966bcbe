//! The desk over a real home, asked without any protocol.

mod compare;
mod listing;
mod locks;
mod properties;
mod remove;
mod seen;
mod shared;
mod terms;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;

use tempfile::TempDir;

use super::jobs::download::Pulled;
use super::jobs::work::{Work, Worked};
use super::registry::{Registry, Way};
use super::*;
use crate::auth::{Users, hash_password};
use crate::files::{Condition, Durability, Hash, RelPath, UploadSpec};
use crate::machine::source::Origin;
use crate::secret::Secret;
use crate::server::desk::tokens::Tokens;
use crate::store::{LocalOptions, LocalStore, Staging};

/// Alice's desk over a home of her own.
pub(in crate::server) struct Bench {
    dir: TempDir,
    pub desk: Desk,
    registry: Arc<Registry>,
}

const MIB: usize = 1024 * 1024;

fn path(name: &str) -> RelPath {
    RelPath::parse(name.as_bytes()).unwrap()
}

/// Operations before this one that are over: none are expected.
fn nobody(_: OperationId, result: Result<Outcome>) {
    panic!("{result:?}");
}

fn over(replace: bool) -> Condition {
    if replace { Condition::Any } else { Condition::Absent }
}

impl Bench {
    /// With this access, a word or a list with its brackets.
    pub fn new(access: &str) -> Bench {
        Bench::bounded(access, u64::MAX)
    }

    fn bounded(access: &str, quota: u64) -> Bench {
        Bench::over(access, |store| store.bounded(quota, "it is full".to_owned()))
    }

    /// `access` is a word, or a list with its brackets.
    fn over(access: &str, store: impl FnOnce(LocalStore) -> LocalStore) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let hash = hash_password(&Secret::new("secret")).unwrap();
        let access = if access.starts_with('[') { access.to_owned() } else { format!("\"{access}\"") };
        let text = format!("[users.alice]\npassword = \"{hash}\"\naccess = {access}\n");
        let users = Users::parse(&text, "users.toml").unwrap();
        let principal = users.verify("alice", &Secret::new("secret"), std::net::Ipv4Addr::LOCALHOST.into()).unwrap();
        let options = LocalOptions { durability: Durability::None, staging: Staging::Hidden };
        let store = store(LocalStore::open_path(dir.path(), options).unwrap());
        let registry = Registry::new();
        let ticket = registry.enter(Way::Login, &principal, SocketAddr::from((Ipv4Addr::LOCALHOST, 9))).unwrap();
        let source = Origin::from(IpAddr::from(Ipv4Addr::LOCALHOST));
        let resources = SessionResources::new(Arc::new(Tokens::new(|_| true)), Arc::default(), ticket.id(), source);
        let users = Arc::new(CurrentUsers::unchanging(users));
        let store: Arc<dyn Store> = Arc::new(store);
        let desk = Desk::new(principal, (users, 0), (store.into(), FileMode::ALL), Arc::new(ticket), resources);
        Bench { dir, desk, registry }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.at(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.at(name)).ok()
    }

    fn begin_copy(&mut self, from: &str, to: &str, replace: bool) -> Begun {
        self.desk.begin(Op::Copy { from: path(from), to: path(to), over: over(replace) }, "CP", &mut nobody)
    }

    /// All of a copy, and its commit.
    fn copy(&mut self, from: &str, to: &str, replace: bool) -> Result<Outcome> {
        match self.begin_copy(from, to, replace) {
            Begun::Work(work) => self.go_on(work),
            Begun::Done(result) => result,
            _ => panic!("a copy is work"),
        }
    }

    fn go_on(&mut self, mut work: Work) -> Result<Outcome> {
        loop {
            work = match self.desk.work(work, &mut nobody) {
                Worked::On(work) => work,
                Worked::Done(result) => return result,
                Worked::Put(_) => panic!("no upload goes on here"),
                Worked::Waits(_) => {
                    let mut told = None;
                    self.desk.commit(&mut |_, result| told = Some(result));
                    return told.expect("it was committed");
                }
            }
        }
    }

    fn kind(&mut self, from: &str, to: &str, replace: bool) -> Kind {
        self.copy(from, to, replace).unwrap_err().kind()
    }

    /// Whether nothing is left in the staging.
    fn is_clean(&self) -> bool {
        let staged = std::fs::read_dir(self.at(".sealift")).into_iter().flatten();
        staged
            .flatten()
            .all(|entry| std::fs::read_dir(entry.path()).unwrap().all(|entry| entry.unwrap().file_name() == "lock"))
    }
}

#[test]
fn a_copy_has_the_bytes_the_time_and_the_mode_and_what_is_recorded_is_proven() {
    let mut bench = Bench::new("full");
    let bytes: Vec<u8> = (0..3 * MIB + 17).map(|at| (at / 5) as u8).collect();
    bench.write("from", &bytes);
    std::fs::set_permissions(bench.at("from"), std::fs::Permissions::from_mode(0o640)).unwrap();
    let outcome = bench.copy("from", "to", false).unwrap();
    let Outcome::Stored { committed, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(bench.registry.sessions()[0].bytes, 0, "nothing has come or gone");
    assert_eq!((committed.size, committed.hash), (bytes.len() as u64, Hash::of(&bytes)));
    assert!(bench.read("to").unwrap() == bytes);
    let meta = |name: &str| std::fs::metadata(bench.at(name)).unwrap();
    assert_eq!(meta("to").modified().unwrap(), meta("from").modified().unwrap());
    assert_eq!(meta("to").permissions().mode() & 0o777, 0o640);
    // Its record tells rot from then on.
    let file = std::fs::OpenOptions::new().write(true).open(bench.at("to")).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(b"rot", 1000).unwrap();
    file.set_modified(modified).unwrap();
    assert_eq!(bench.kind("to", "spread", false), Kind::Rotten);
    assert_eq!(bench.read("spread"), None);
    assert_eq!(bench.kind("to", "spread", false), Kind::Rotten, "and it is known without reading");
    assert!(bench.is_clean());
}

#[test]
fn a_copy_replaces_a_file_only_if_asked_to_and_is_harmless_to_repeat() {
    let mut bench = Bench::new("full");
    bench.write("from", b"new");
    bench.write("to", b"old");
    assert_eq!(bench.kind("from", "to", false), Kind::Exists);
    assert_eq!(bench.read("to").unwrap(), b"old");
    for _ in 0..2 {
        bench.copy("from", "to", true).unwrap();
        assert_eq!(bench.read("to").unwrap(), b"new");
    }
    assert_eq!(bench.kind("from", "from", true), Kind::BadCommand, "it would undo what came meanwhile");
    assert_eq!(bench.read("from").unwrap(), b"new");
    assert_eq!(bench.kind("from", "from", false), Kind::Exists);
}

#[test]
fn only_files_are_copied_and_only_to_where_there_is_a_folder() {
    let mut bench = Bench::new("full");
    bench.write("file", b"bytes");
    std::fs::create_dir(bench.at("folder")).unwrap();
    assert_eq!(bench.kind("folder", "to", false), Kind::IsDirectory);
    assert_eq!(bench.kind("missing", "to", false), Kind::NotFound);
    assert_eq!(bench.kind("file", "missing/to", false), Kind::NotFound);
    assert_eq!(bench.kind("file", "folder", true), Kind::IsDirectory);
    assert_eq!(bench.kind("file", "file/to", false), Kind::NotDirectory);
    assert!(bench.is_clean());
}

#[test]
fn a_copy_counts_in_the_quota() {
    let mut bench = Bench::bounded("full", 10);
    bench.write("from", b"1234");
    bench.copy("from", "two", false).unwrap();
    assert_eq!(bench.kind("from", "three", false), Kind::Quota);
    assert_eq!(bench.read("three"), None);
    assert!(bench.is_clean());
}

#[test]
fn a_file_that_changes_while_it_is_copied_is_torn_and_nothing_is_left() {
    let mut bench = Bench::new("full");
    bench.write("from", &vec![7; 4 * MIB]);
    let Begun::Work(work) = bench.begin_copy("from", "to", false) else { panic!() };
    let Worked::On(work) = bench.desk.work(work, &mut nobody) else { panic!("a step is bounded") };
    std::fs::OpenOptions::new().write(true).open(bench.at("from")).unwrap().write_all_at(b"changed", 0).unwrap();
    assert_eq!(bench.go_on(work).unwrap_err().kind(), Kind::Torn);
    assert_eq!(bench.read("to"), None);
    assert!(bench.is_clean());
}

#[test]
fn a_copy_that_is_given_up_leaves_nothing() {
    let mut bench = Bench::new("full");
    bench.write("from", &vec![7; 20 * MIB]);
    let Begun::Work(work) = bench.begin_copy("from", "to", false) else { panic!() };
    let Worked::On(work) = bench.desk.work(work, &mut nobody) else { panic!() };
    drop(work);
    bench.desk.hang_up(None);
    assert_eq!(bench.read("to"), None);
    assert!(bench.is_clean());
}

#[test]
fn a_copy_needs_what_a_download_and_an_upload_need() {
    for (access, replace, allowed) in [
        ("download\", \"upload", false, true),
        ("download", false, false),
        ("upload", false, false),
        ("download\", \"upload", true, false),
        ("download\", \"upload\", \"overwrite", true, true),
    ] {
        let list = format!("[\"{access}\"]");
        let principal = |text: &str| Users::parse(text, "users.toml").unwrap();
        let hash = hash_password(&Secret::new("x")).unwrap();
        let users = principal(&format!("[users.bob]\npassword = \"{hash}\"\naccess = {list}\n"));
        let grants = users.grants_of("bob").unwrap();
        let op = Op::Copy { from: path("a"), to: path("b"), over: over(replace) };
        assert_eq!(gate::decide(grants, gate::need(&op)) == gate::Decision::Allowed, allowed, "{access} {replace}");
    }
}

#[test]
fn bytes_are_pulled_into_any_room_and_their_hash_comes_last() {
    let mut bench = Bench::new("read");
    let bytes: Vec<u8> = (0..100_000).map(|at| at as u8).collect();
    bench.write("f", &bytes);
    let op = Op::Read { path: path("f"), offset: 10, length: Some(70_000), growing: false };
    let Begun::Download(mut job) = bench.desk.begin(op, "GET", &mut nobody) else { panic!() };
    assert_eq!((job.left(), job.meta().size), (70_000, 100_000));
    let (mut got, mut room) = (Vec::new(), [0; 4096]);
    let outcome = loop {
        match bench.desk.pull(job, &mut room) {
            Pulled::Bytes(on, n) => {
                got.extend_from_slice(&room[..n]);
                on.gives(n);
                job = on;
            }
            Pulled::Done(result) => break result.unwrap(),
        }
    };
    let wanted = &bytes[10..70_010];
    assert!(got == wanted);
    assert_eq!(outcome, Outcome::Read { size: 70_000, hash: Hash::of(wanted) });
    assert_eq!(bench.registry.sessions()[0].bytes, 70_000);
    // What was read and not sent does not count.
    let op = Op::Read { path: path("f"), offset: 0, length: None, growing: false };
    let Begun::Download(mut job) = bench.desk.begin(op, "GET", &mut nobody) else { panic!() };
    for n in 0..2 {
        let Pulled::Bytes(on, read) = bench.desk.pull(job, &mut room) else { panic!() };
        if n == 0 {
            on.gives(read);
        }
        job = on;
    }
    drop(bench.desk.drop_download(job, Error::new(Kind::Aborted, "gone")));
    assert_eq!(bench.registry.sessions()[0].bytes, 70_000 + 4096);
}

#[test]
fn a_file_that_is_put_without_a_hash_is_stored_at_the_commit() {
    let mut bench = Bench::new("full");
    let op = Op::Put { path: path("f"), spec: UploadSpec::default(), resume: None };
    let Begun::Put(put) = bench.desk.begin(op, "PUT", &mut nobody) else { panic!() };
    assert_eq!(bench.registry.sessions()[0].doing, "PUT f");
    let put = bench.desk.append(put, b"bytes", &mut nobody).unwrap();
    assert!(matches!(bench.desk.finish(put, None, &mut nobody), uploads::Finished::Waits(_)));
    let mut told = Vec::new();
    bench.desk.commit(&mut |_, result| told.push(result.unwrap()));
    assert!(matches!(&told[..], [Outcome::Stored { came: 5, .. }]), "{told:?}");
    assert_eq!(bench.read("f").unwrap(), b"bytes");
}

#[test]
fn what_waits_for_a_commit_is_told_as_the_operation_that_it_is() {
    let mut bench = Bench::new("full");
    let mut waiting = Vec::new();
    for name in ["d", "e", "f"] {
        let op = Op::MakeFolder { path: path(name), parents: false };
        let Begun::Waits(operation) = bench.desk.begin(op, "MKD", &mut nobody) else { panic!("it waits") };
        waiting.push(operation);
    }
    let mut told = Vec::new();
    bench.desk.commit(&mut |operation, result| {
        result.unwrap();
        told.push(operation);
    });
    assert_eq!(told, waiting);
    told.dedup();
    assert_eq!(told.len(), 3, "no two are one operation");
}

#[test]
fn the_gate_speaks_of_an_operation_as_its_protocol_calls_it() {
    let mut bench = Bench::new("read");
    let op = Op::Remove { path: path("f"), recursive: false, for_good: false };
    let Begun::Done(Err(error)) = bench.desk.begin(op, "PURGE", &mut nobody) else { panic!() };
    assert_eq!(error.kind(), Kind::Denied);
    assert_eq!(error.text(), "alice may not PURGE: the right `delete` is missing");
}
