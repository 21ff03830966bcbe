//! A server put together step by step.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::events::{Event, Listener};
use super::{AdmissionOptions, Listeners, MetricsAt, Server, ServerOptions, Storage, Timeouts, Web};
use crate::auth::UsersFrom;
use crate::error::{Error, Kind, Result};
use crate::files::{Durability, FileMode, Vault};
use crate::tls::{Identity, Pin};

/// What a [`Server`] is made of; made by [`Server::builder`].
///
/// ```
/// use sealift::server::Server;
/// use sealift::tls::Identity;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # async_std::task::block_on(async {
/// # let place = tempfile::tempdir()?;
/// # std::fs::write(place.path().join("users.toml"), "[anonymous]\nenabled = true\n")?;
/// let identity = Identity::generate(&["localhost".to_owned()])?;
/// let server = Server::builder(identity)
///     .users(place.path().join("users.toml"))
///     .folder(place.path().join("data"))
///     .listen("127.0.0.1:0".parse()?)
///     .bind()?;
/// println!("{} {}", server.addresses()[0], server.pin());
/// # Ok(())
/// # })
/// # }
/// ```
#[must_use = "nothing listens before `bind`"]
pub struct ServerBuilder {
    options: ServerOptions,
    listeners: Vec<TcpListener>,
    has_users: bool,
    has_storage: bool,
    durability: Option<Durability>,
    listener: Option<Listener>,
}

impl Server {
    /// A server with this key and certificate; what else it needs is told to the [`ServerBuilder`].
    pub fn builder(identity: Identity) -> ServerBuilder {
        let storage = Storage::Folder { path: PathBuf::new(), durability: Durability::Full };
        let options = ServerOptions::stored_in(storage, PathBuf::new(), identity);
        ServerBuilder {
            options,
            listeners: Vec::new(),
            has_users: false,
            has_storage: false,
            durability: None,
            listener: None,
        }
    }
}

impl ServerBuilder {
    /// Where the users are from: the path of a users file, or a [`UserDirectory`](crate::auth::UserDirectory) of your own. What
    /// changes there counts at once.
    pub fn users(mut self, users: impl Into<UsersFrom>) -> Self {
        (self.options.users, self.has_users) = (users.into(), true);
        self
    }

    /// Keeps the homes in this folder, made if it is missing; what is acknowledged outlives a power cut.
    pub fn folder(self, path: impl Into<PathBuf>) -> Self {
        self.storage(Storage::Folder { path: path.into(), durability: Durability::Full })
    }

    /// What an acknowledged change outlives, where the homes are in a folder; a power cut, if nothing is said.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// Keeps the homes wherever this one does.
    pub fn vault(self, vault: impl Vault + 'static) -> Self {
        self.storage(Storage::Vault(Arc::new(vault)))
    }

    /// Either, with what there is to choose.
    pub fn storage(mut self, storage: Storage) -> Self {
        (self.options.storage, self.has_storage) = (storage, true);
        self
    }

    /// Lets users do something for themselves, such as choose another password: it is kept in this folder.
    pub fn state(mut self, folder: impl Into<PathBuf>) -> Self {
        self.options.state = Some(folder.into());
        self
    }

    /// Listens on this address too; port 0 lets the system choose. Without any address or listener it is the default port of every
    /// address.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.options.listen.push(address);
        self
    }

    /// Takes connections from this socket too, which listens already.
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// What browsers and other clients of HTTP may do on the same port; reading, if nothing is said.
    pub fn web(mut self, web: Web) -> Self {
        self.options.web = web;
        self
    }

    /// Announces the pin of the key that it will have next.
    pub fn next_pin(mut self, pin: Pin) -> Self {
        self.options.next_pin = Some(pin);
        self
    }

    /// [`ServerOptions::keys_in`].
    pub fn keys_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.options.keys_in = Some(folder.into());
        self
    }

    /// The most that a file may keep of its mode.
    pub fn max_mode(mut self, mode: FileMode) -> Self {
        self.options.max_mode = mode;
        self
    }

    /// How long running transfers may go on after [`Handle::stop`](super::Handle::stop).
    pub fn grace(mut self, grace: Duration) -> Self {
        self.options.grace = grace;
        self
    }

    /// Who may connect.
    pub fn admission(mut self, admission: AdmissionOptions) -> Self {
        self.options.admission = admission;
        self
    }

    /// How long clients may take.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.options.timeouts = timeouts;
        self
    }

    /// Tells this of sessions and operations. It is called on the server's own threads, so it should not wait for anything.
    pub fn on_event(mut self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.listener = Some(Listener::new(listener));
        self
    }

    /// Tells figures there to programs that watch servers, as OpenMetrics.
    pub fn metrics(mut self, at: MetricsAt) -> Self {
        self.options.metrics = Some(at);
        self
    }

    /// Bytes of memory that it may take; else what is available now.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.options.memory = Some(bytes);
        self
    }

    /// Reads the users, opens the homes' place and listens.
    ///
    /// # Errors
    /// As [`Server::bind`], and [`Kind::Usage`] without users or a place for the homes.
    pub fn bind(mut self) -> Result<Server> {
        for (is_there, what) in [(self.has_users, "users"), (self.has_storage, "a place for the homes")] {
            if !is_there {
                return Err(Error::new(Kind::Usage, format!("the server needs {what}")));
            }
        }
        if let (Storage::Folder { durability, .. }, Some(wanted)) = (&mut self.options.storage, self.durability) {
            *durability = wanted;
        }
        let opened = match (self.options.listen.is_empty(), self.listeners.is_empty()) {
            (true, false) => Listeners(Vec::new()),
            _ => Listeners::open(&self.options.listen)?,
        };
        let Listeners(mut all) = opened;
        for listener in self.listeners {
            all.push(listener);
        }
        let server = Server::prepare(self.options, Listeners(all))?;
        if let Some(listener) = self.listener {
            server.shared.registry.on_event(listener);
        }
        Ok(server)
    }
}

impl Server {
    /// Has this told of what happens, as [`ServerBuilder::on_event`] does; the first one stays.
    pub fn on_event(&self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) {
        self.shared.registry.on_event(Listener::new(listener));
    }
}
