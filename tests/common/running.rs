//! A real server on a port of the system's choice, and clients of it.
#![allow(dead_code, reason = "each test file uses some of them")]
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;

use async_std::task::{JoinHandle, spawn};
use sealift::auth::{Access, Grants, UsersFile};
use sealift::client::{ConnectOptions, Endpoint, Observer, Skip, Transferred, Verification};
use sealift::files::{Durability, RelPath};
use sealift::secret::Secret;
use sealift::server::{AdmissionOptions, Handle, Server, ServerOptions, Storage};
use sealift::tls::{Identity, Pin};
use sealift::{Client, Error, Kind, Result};
use tempfile::TempDir;

pub use super::bytes;
use super::cheap_hash;

pub const PASSWORD: &str = "correct horse";

/// A running server with its data in a directory of its own.
pub struct Running {
    pub dir: TempDir,
    pub endpoint: Endpoint,
    pub pin: Pin,
    pub handle: Handle,
    pub task: JoinHandle<Result<()>>,
}

impl Running {
    /// Users: `alice` may do everything and administers, `bob` may upload and nothing else, anonymous reads `public`.
    pub async fn start() -> Running {
        let dir = tempfile::tempdir().unwrap();
        for home in ["alice", "bob", "public"] {
            std::fs::create_dir_all(dir.path().join("data").join(home)).unwrap();
        }
        let path = dir.path().join("data");
        Running::over(dir, Storage::Folder { path, durability: Durability::None }).await
    }

    /// The same over other storage; what else the server needs is in this directory.
    pub async fn over(dir: TempDir, storage: Storage) -> Running {
        Running::admitting(dir, storage, AdmissionOptions::default()).await
    }

    /// The same, letting in whom this says.
    pub async fn admitting(dir: TempDir, storage: Storage, admission: AdmissionOptions) -> Running {
        let users = UsersFile::new(dir.path().join("users.toml"));
        users.create().unwrap();
        let hash = &cheap_hash(PASSWORD);
        let (mut alice, mut bob) = (Grants::new("alice"), Grants::new("bob"));
        (alice.admin, bob.access) = (true, Access::UPLOAD);
        users.add("alice", hash, alice).unwrap();
        users.add("bob", hash, bob).unwrap();

        let identity = Identity::generate(&["localhost".to_owned()]).unwrap();
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut options =
            ServerOptions::new(any_port, dir.path().join("data"), dir.path().join("users.toml"), identity);
        (options.storage, options.admission) = (storage, admission);
        let server = Server::bind(options).await.unwrap();
        let endpoint = Endpoint::new("127.0.0.1", server.addresses()[0].port());
        let (pin, handle) = (server.pin(), server.handle());
        Running { dir, endpoint, pin, handle, task: spawn(server.serve()) }
    }

    pub async fn connect(&self) -> Client {
        let options = ConnectOptions::new(Verification::Pins(vec![self.pin]));
        Client::connect(&self.endpoint, options).await.unwrap()
    }

    /// A connection of this user.
    pub async fn client(&self, user: &str) -> Client {
        let mut client = self.connect().await;
        client.login(user, Secret::new(PASSWORD)).await.unwrap();
        client
    }

    /// A file or folder in a user's home, on the disk.
    pub fn home(&self, user: &str) -> PathBuf {
        self.dir.path().join("data").join(user)
    }
}

pub fn p(path: &str) -> RelPath {
    RelPath::parse(path.as_bytes()).unwrap()
}

/// Writes down what it is told.
#[derive(Default)]
pub struct Notes(Mutex<Told>);

#[derive(Default, Clone)]
pub struct Told {
    pub expected: (u64, u64),
    pub started: Vec<PathBuf>,
    pub progress: u64,
    pub finished: Vec<(PathBuf, Transferred)>,
    pub failed: Vec<(PathBuf, Kind)>,
    pub skipped: Vec<(PathBuf, Skip)>,
}

impl Notes {
    pub fn told(&self) -> Told {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Notes {
    fn expected(&self, files: u64, bytes: u64) {
        let mut told = self.0.lock().unwrap();
        told.expected.0 += files;
        told.expected.1 += bytes;
    }
    fn started(&self, path: &std::path::Path, _size: Option<u64>) {
        self.0.lock().unwrap().started.push(path.to_owned());
    }
    fn progressed(&self, _path: &std::path::Path, bytes: u64) {
        self.0.lock().unwrap().progress += bytes;
    }
    fn finished(&self, path: &std::path::Path, _to: &RelPath, done: &Transferred) {
        self.0.lock().unwrap().finished.push((path.to_owned(), *done));
    }
    fn failed(&self, path: &std::path::Path, error: &Error) {
        self.0.lock().unwrap().failed.push((path.to_owned(), error.kind()));
    }
    fn skipped(&self, path: &std::path::Path, why: Skip) {
        self.0.lock().unwrap().skipped.push((path.to_owned(), why));
    }
}
