//! A real server for the tests of a program that uses Sealift: in one line, with real TLS and real files in a temporary folder,
//! and passwords whose hashes are cheap. And for storage of your own, what it must do: [`conformance`]. (Feature `testing`.)
//!
//! ```
//! use sealift::testing::TestServer;
//!
//! # fn main() -> sealift::Result<()> {
//! # async_std::task::block_on(async {
//! let server = TestServer::start(&["alice"]).await?;
//! let mut client = server.client("alice").await?;
//! client.put("hello.txt", "hello").await?;
//! assert_eq!(std::fs::read(server.home("alice").join("hello.txt")).unwrap(), b"hello");
//! # Ok(())
//! # })
//! # }
//! ```

pub mod conformance;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use async_std::task::{JoinHandle, spawn, spawn_blocking};
use tempfile::TempDir;

use crate::auth::{Grants, UsersFile, cheap_hash};
use crate::client::{Client, ConnectOptions, Credentials, Endpoint, Pool, Verification};
use crate::error::{Error, Result};
use crate::files::Durability;
use crate::secret::Secret;
use crate::server::{Handle, Server, ServerBuilder, Storage};
use crate::tls::{Identity, Pin};

/// The password of every user of a [`TestServer`].
pub const PASSWORD: &str = "for tests only";

/// A server on a free port of this machine, that nobody else can reach. It ends when dropped, and its files are removed.
pub struct TestServer {
    endpoint: Endpoint,
    pin: Pin,
    handle: Handle,
    serving: Option<JoinHandle<Result<()>>>,
    place: TempDir,
}

impl TestServer {
    /// Starts one with these users: each may do everything in a folder of their own, the first one is an administrator, and all have
    /// the [`PASSWORD`]. Anybody may read what is in the home `public`.
    ///
    /// # Errors
    /// Those of the disk and the network.
    pub async fn start(users: &[&str]) -> Result<TestServer> {
        Self::start_with(users, |builder| builder).await
    }

    /// Starts a server with these users and with what is changed of it: bounds, another place for the homes.
    ///
    /// # Errors
    /// As [`TestServer::start`].
    pub async fn start_with(users: &[&str], change: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Result<TestServer> {
        let users: Vec<String> = users.iter().map(|user| (*user).to_owned()).collect();
        let (place, identity) = spawn_blocking(move || prepare(&users)).await?;
        let data = Storage::Folder { path: place.path().join("data"), durability: Durability::None };
        let builder = Server::builder(identity)
            .users(place.path().join("users.toml"))
            .storage(data)
            .listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let server = change(builder).bind()?;
        let port = server.addresses().first().map_or(0, SocketAddr::port);
        let (pin, handle) = (server.pin(), server.handle());
        let endpoint = Endpoint::new(Ipv4Addr::LOCALHOST.to_string(), port);
        Ok(TestServer { endpoint, pin, handle, serving: Some(spawn(server.serve())), place })
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The pin of its key.
    pub fn pin(&self) -> Pin {
        self.pin
    }

    /// What a client is to connect with.
    pub fn options(&self) -> ConnectOptions {
        ConnectOptions::new(Verification::Pins(vec![self.pin]))
    }

    /// A user's folder on the disk, made if it is missing; `public` is everybody's.
    pub fn home(&self, user: &str) -> PathBuf {
        let home = self.place.path().join("data").join(user);
        // If it cannot be made, whatever is done with it tells.
        let _ = std::fs::create_dir_all(&home);
        home
    }

    /// A connection of this user; `anonymous` is one.
    ///
    /// # Errors
    /// Those of the connection and the login.
    pub async fn client(&self, user: &str) -> Result<Client> {
        let mut client = Client::connect(&self.endpoint, self.options()).await?;
        client.login(user, Secret::new(PASSWORD)).await?;
        Ok(client)
    }

    /// Several connections of this user.
    ///
    /// # Errors
    /// As [`TestServer::client`].
    pub async fn pool(&self, user: &str, connections: u32) -> Result<Pool> {
        Pool::connect(&self.endpoint, self.options(), Credentials::password(user, PASSWORD), connections).await
    }

    /// Ends and tells of connections.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Ends it, and waits until it has.
    ///
    /// # Errors
    /// What serving came to.
    pub async fn stop(mut self) -> Result<()> {
        self.handle.stop();
        match self.serving.take() {
            Some(serving) => serving.await,
            None => Ok(()),
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.handle.stop();
    }
}

impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// A folder with a users file, and a key.
fn prepare(users: &[String]) -> Result<(TempDir, Identity)> {
    let place = tempfile::tempdir().map_err(|err| Error::file("a temporary folder", err))?;
    let file: &Path = &place.path().join("users.toml");
    let list = UsersFile::new(file);
    list.create()?;
    for (number, user) in users.iter().enumerate() {
        let mut grants = Grants::new(user);
        grants.admin = number == 0;
        list.add(user, &cheap_hash(&Secret::new(PASSWORD))?, grants)?;
    }
    Ok((place, Identity::generate(&["localhost".to_owned()])?))
}
