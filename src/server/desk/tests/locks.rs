//! A lock and what was let through before it: over a store that holds each change until it is told to go on.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::auth::{LinkTerms, LinkTo, Links, StateFolder};
use crate::files::{
    Done, Listing, Meta, Mtime, Partial, Prepared, Promises, Removed, Source, SourceMode, Stored, Umask, Upload,
};
use crate::server::desk::locks::{LockedPath, Scope, Terms};
use crate::sync::Mutex;

/// What it changes it changes when it is told to, once it was told to wait.
struct Held {
    store: LocalStore,
    gate: Mutex<Option<(Sender<()>, Receiver<()>)>>,
}

impl Held {
    /// The next change says that it has come so far, and goes on when the other end is gone.
    fn hold(&self) -> (Receiver<()>, Sender<()>) {
        let ((come, has_come), (go, may_go)) = (channel(), channel());
        *self.gate.lock() = Some((come, may_go));
        (has_come, go)
    }

    fn pass(&self) {
        let gate = self.gate.lock().take();
        if let Some((come, may_go)) = gate {
            come.send(()).unwrap();
            let _ = may_go.recv();
        }
    }
}

impl Store for Held {
    fn promises(&self) -> Promises {
        self.store.promises()
    }

    fn stat(&self, path: &RelPath) -> Result<Meta> {
        self.store.stat(path)
    }

    fn open(&self, path: &RelPath) -> Result<Box<dyn Source>> {
        self.store.open(path)
    }

    fn list(&self, path: &RelPath, recursive: bool) -> Result<Box<dyn Listing>> {
        self.store.list(path, recursive)
    }

    fn begin(&self, path: &RelPath, spec: UploadSpec) -> Result<Box<dyn Upload>> {
        self.store.begin(path, spec)
    }

    fn partial(&self, path: &RelPath) -> Result<Option<Partial>> {
        self.store.partial(path)
    }

    fn resume(&self, path: &RelPath, spec: UploadSpec, from: u64, proven: Hash) -> Result<Box<dyn Upload>> {
        self.store.resume(path, spec, from, proven)
    }

    fn commit(&self, changes: Vec<Prepared>) -> Vec<Result<Done>> {
        self.pass();
        self.store.commit(changes)
    }

    fn remove(&self, path: &RelPath, recursive: bool) -> Result<Removed> {
        self.pass();
        self.store.remove(path, recursive)
    }

    fn set_mode(&self, path: &RelPath, source: SourceMode) -> Result<FileMode> {
        self.pass();
        self.store.set_mode(path, source)
    }

    fn set_mtime(&self, path: &RelPath, mtime: Mtime) -> Result<()> {
        self.store.set_mtime(path, mtime)
    }

    fn set_folder(&self, path: &RelPath, mtime: Mtime, mode: Option<FileMode>) -> Result<FileMode> {
        self.pass();
        self.store.set_folder(path, mtime, mode)
    }

    fn rename(&self, from: &RelPath, to: &RelPath, replace: bool) -> Result<Stored> {
        self.pass();
        self.store.rename(from, to, replace)
    }

    fn begin_dir(&self, path: &RelPath, parents: bool, umask: Option<Umask>) -> Result<Prepared> {
        self.pass();
        self.store.begin_dir(path, parents, umask)
    }

    fn forget_handles(&self) {
        self.store.forget_handles();
    }
}

/// A home that alice and bob have, over one table of locks.
pub(super) struct Shared {
    dir: TempDir,
    store: Arc<Held>,
    users: Arc<CurrentUsers>,
    registry: Arc<Registry>,
}

impl Shared {
    fn new() -> Shared {
        let hash = hash_password(&Secret::new("secret")).unwrap();
        let user = |name| format!("[users.{name}]\npassword = \"{hash}\"\naccess = \"full\"\nhome = \"team\"\n");
        Shared::of(Users::parse(&(user("alice") + &user("bob")), "users.toml").unwrap())
    }

    pub(super) fn of(users: Users) -> Shared {
        let dir = tempfile::tempdir().unwrap();
        let options = LocalOptions { durability: Durability::None, staging: Staging::Hidden };
        let store = LocalStore::open_path(dir.path(), options).unwrap();
        let store = Arc::new(Held { store, gate: Mutex::default() });
        Shared { dir, store, users: Arc::new(CurrentUsers::unchanging(users)), registry: Registry::new() }
    }

    pub(super) fn desk(&self, user: &str) -> Desk {
        let ip = Ipv4Addr::LOCALHOST;
        let principal = self.users.latest().verify(user, &Secret::new("secret"), ip.into()).unwrap();
        let ticket = self.registry.enter(Way::Login, &principal, SocketAddr::from((ip, 9))).unwrap();
        let source = Origin::from(IpAddr::from(ip));
        let resources = SessionResources::new(Arc::new(Tokens::new(|_| true)), Arc::default(), ticket.id(), source);
        let store: Arc<dyn Store> = self.store.clone();
        Desk::new(principal, (self.users.clone(), 0), (store.into(), FileMode::ALL), Arc::new(ticket), resources)
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.dir.path().join(name)).ok()
    }

    fn is_locked(&self, name: &str) -> bool {
        let desk = self.desk("alice");
        !self.registry.locks().over(&desk.place(&path(name)), Instant::now()).is_empty()
    }

    /// Has bob do this, and alice lock that while it is done: whether a file was made for the lock, and what was there when it was taken.
    fn locks_meanwhile(&self, does: fn(&mut Desk), name: &str, deep: bool) -> (bool, Option<Vec<u8>>) {
        let (has_come, go) = self.store.hold();
        let (mut bob, mut alice) = (self.desk("bob"), self.desk("alice"));
        thread::scope(|scope| {
            let changed = scope.spawn(move || does(&mut bob));
            has_come.recv().unwrap();
            let (told, hears) = channel();
            scope.spawn(move || {
                let lasts = Duration::from_secs(60);
                let terms = Terms { scope: Scope::Exclusive, deep, owner: String::new(), lasts };
                let begun = alice.begin(Op::Lock { path: path(name), terms }, "LOCK", &mut nobody);
                let Begun::Done(Ok(Outcome::Locked { is_new, .. })) = begun else { panic!("it is locked") };
                told.send((is_new, self.read(name))).unwrap();
            });
            let early = hears.recv_timeout(Duration::from_millis(100));
            assert_eq!(early, Err(RecvTimeoutError::Timeout), "what was let through is not done yet: {name}");
            drop(go);
            changed.join().unwrap();
            hears.recv().unwrap()
        })
    }
}

fn done(begun: Begun) {
    let Begun::Done(Ok(_)) = begun else { panic!("it is one step, and done") };
}

fn upload(desk: &mut Desk) {
    let op = Op::Put { path: path("d/f"), spec: UploadSpec::default(), resume: None };
    let Begun::Put(put) = desk.begin(op, "UPLOAD", &mut nobody) else { panic!("bytes are to come") };
    let put = desk.append(put, b"new", &mut nobody).unwrap();
    desk.finish(put, None, &mut nobody);
    let mut told = Vec::new();
    desk.commit(&mut |_, outcome| told.push(outcome.map(drop)));
    assert!(matches!(told[..], [Ok(())]), "{told:?}");
}

fn upload_at_once(desk: &mut Desk) {
    let op = Op::Put { path: path("d/f"), spec: UploadSpec::default(), resume: None };
    let Begun::Put(put) = desk.begin(op, "PUT", &mut nobody) else { panic!("bytes are to come") };
    let put = desk.append(put, b"new", &mut nobody).unwrap();
    let Worked::Done(Ok(_)) = desk.finish_at_once(put, &mut nobody) else { panic!("it is committed") };
}

fn copy(desk: &mut Desk) {
    let op = Op::Copy { from: path("d/g"), to: path("d/f"), over: Condition::Any };
    let Begun::Work(mut work) = desk.begin(op, "COPY", &mut nobody) else { panic!("a copy is work") };
    while let Worked::On(more) = desk.work(work, &mut nobody) {
        work = more;
    }
    desk.commit(&mut |_, outcome| drop(outcome.unwrap()));
}

fn rename(desk: &mut Desk) {
    done(desk.begin(Op::Rename { from: path("d/g"), to: path("d/f"), replace: true }, "RENAME", &mut nobody));
}

fn delete(desk: &mut Desk) {
    done(desk.begin(Op::Remove { path: path("d/f"), recursive: false, for_good: false }, "DELETE", &mut nobody));
}

fn set_mode(desk: &mut Desk) {
    let mode = SourceMode { mode: FileMode::ALL, perms: false };
    done(desk.begin(Op::SetMode { path: path("d/f"), mode, mtime: None }, "CHMOD", &mut nobody));
}

fn make_folder(desk: &mut Desk) {
    let Begun::Waits(_) = desk.begin(Op::MakeFolder { path: path("d/h"), parents: false }, "MKDIR", &mut nobody) else {
        panic!("its sync waits")
    };
    desk.commit(&mut |_, outcome| drop(outcome.unwrap()));
}

#[test]
fn a_lock_is_had_once_all_is_done_that_was_let_through_before_it() {
    type Does = fn(&mut Desk);
    let (new, old) = (Some(&b"new"[..]), Some(&b"old"[..]));
    for (what, does, locked, deep, there) in [
        ("upload", upload as Does, "d/f", false, new),
        ("put", upload_at_once, "d/f", false, new),
        ("copy", copy, "d/f", false, new),
        ("rename", rename, "d/f", false, new),
        ("mode", set_mode, "d/f", false, old),
        ("delete", delete, "d/f", false, Some(&b""[..])),
        ("rename away", rename, "d/g", false, Some(&b""[..])),
        ("upload into", upload, "d", true, None),
        ("upload of a name", upload, "d", false, None),
        ("delete in", delete, "d", true, None),
        ("folder", make_folder, "d", false, None),
    ] {
        let shared = Shared::new();
        std::fs::create_dir(shared.dir.path().join("d")).unwrap();
        for (name, bytes) in [("d/f", "old"), ("d/g", "new")] {
            std::fs::write(shared.dir.path().join(name), bytes).unwrap();
        }
        let (is_new, found) = shared.locks_meanwhile(does, locked, deep);
        assert_eq!(found.as_deref(), there, "{what}");
        // What the lock waited for has taken its file away: it is of a new one, and holds.
        assert_eq!(is_new, there == Some(b""), "{what}");
        assert!(shared.is_locked(locked), "{what}");
    }
}

#[test]
fn what_came_by_a_link_is_waited_for_also_where_the_disk_fails_when_it_is_removed() {
    let state = tempfile::tempdir().unwrap();
    let folder = StateFolder::open(&state.path().join("state")).unwrap();
    let hash = hash_password(&Secret::new("secret")).unwrap();
    let text = format!("[users.alice]\npassword = \"{hash}\"\nid = \"alice\"\naccess = \"full\"\n");
    let users = Users::parse(&text, "users.toml").unwrap().with_links(Arc::new(Links::load(&folder).0));
    let shared = Shared::of(users);
    for fails in [false, true] {
        let alice = shared.desk("alice");
        let (to, path) = (LinkTo::Folder, RelPath::root());
        let terms = LinkTerms { to, path, folder: None, name: None, expires: None, password: None, downloads: None };
        let (_, link) = alice.make_link(terms).unwrap();
        if fails {
            // There is a folder in the place of its file.
            let files = std::fs::read_dir(state.path().join("state/links")).unwrap().map(|entry| entry.unwrap().path());
            for file in files.filter(|path| path.extension().is_some_and(|kind| kind == "toml")) {
                std::fs::rename(&file, state.path().join("aside")).unwrap();
                std::fs::create_dir(&file).unwrap();
            }
        }
        let came_by_it = shared.registry.by_links().take(link.tag());
        let (told, hears) = channel();
        thread::scope(|scope| {
            let name = link.name.clone();
            scope.spawn(move || {
                let removed = alice.remove_link(&name);
                told.send(removed.map(|(_, over)| over.unwrap()).is_err()).unwrap();
            });
            let early = hears.recv_timeout(Duration::from_millis(100));
            assert_eq!(early, Err(RecvTimeoutError::Timeout), "what came by it is not done yet; fails: {fails}");
            drop(came_by_it);
            assert_eq!(hears.recv().unwrap(), fails);
        });
    }
}

#[test]
fn a_lock_that_is_not_concerned_waits_for_nothing() {
    let shared = Shared::new();
    std::fs::create_dir(shared.dir.path().join("d")).unwrap();
    let (has_come, go) = shared.store.hold();
    let mut bob = shared.desk("bob");
    let place = |name: &str| -> LockedPath { shared.desk("alice").place(&path(name)) };
    thread::scope(|scope| {
        scope.spawn(move || upload(&mut bob));
        has_come.recv().unwrap();
        let lasts = Duration::from_secs(60);
        for name in ["d/g", "e", "d/f/x"] {
            let terms = Terms { scope: Scope::Exclusive, deep: true, owner: String::new(), lasts };
            shared.registry.locks().take(&place(name), "alice", terms, Instant::now()).unwrap();
        }
        drop(go);
    });
    assert_eq!(shared.read("d/f").as_deref(), Some(&b"new"[..]));
}
