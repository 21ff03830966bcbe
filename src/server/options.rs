//! What a server is told when it is made.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::audit::AuditTo;
use super::door::admission_options::AdmissionOptions;
use super::door::timeouts::Timeouts;
use super::http::Web;
use super::metrics::MetricsAt;
#[cfg(doc)]
use super::{Handle, Server, memory_available};
use crate::apart::Own;
use crate::auth::{Network, UsersFrom};
use crate::files::{Durability, FileMode, Vault};
use crate::limits;
use crate::store::NodeName;
use crate::tls::{Identity, Pin, WebFiles};

/// Where the homes of a server are.
#[non_exhaustive]
pub enum Storage {
    /// In a directory of this machine, that no other server has at the same time.
    Folder {
        /// Made if it is missing.
        path: PathBuf,
        /// What an acknowledged change outlives.
        durability: Durability,
    },
    /// Wherever this one keeps them. `sealiftd check` is told nothing of the server then.
    Vault(Arc<dyn Vault>),
}

/// What a server needs: made by [`ServerOptions::new`], then changed field by field; or by [`Server::builder`].
#[non_exhaustive]
pub struct ServerOptions {
    /// Addresses to listen on; port 0 lets the system choose. None: the default port of every address.
    pub listen: Vec<SocketAddr>,
    /// Where all homes are.
    pub storage: Storage,
    /// What this server is called among several that serve the same folder, each with this said and names that differ; they may be on
    /// several machines, over a file system that all have mounted. None: the folder is this server's alone.
    pub node: Option<NodeName>,
    /// Where the users are from.
    pub users: UsersFrom,
    /// The server's own folder, for what users do themselves, such as choosing a password; made if it is missing. None: they
    /// can do nothing of the kind.
    pub state: Option<PathBuf>,
    /// Key and certificate.
    pub identity: Identity,
    /// The pin of the key that it will have next: clients are told after they have logged in.
    pub next_pin: Option<Pin>,
    /// The folder of both, as [`Identity::load`] and [`Identity::next_pin`] know it: read again when something there changes. None: they
    /// are what they are.
    pub keys_in: Option<PathBuf>,
    /// The most that a file may keep of its mode if its sender asks for all of it. Not so what comes without that: it has
    /// [`limits::SERVED_FILE_MODE`] at most.
    pub max_mode: FileMode,
    /// How long running transfers may go on after [`Handle::stop`].
    pub grace: Duration,
    /// Who may connect.
    pub admission: AdmissionOptions,
    /// How long clients may take.
    pub timeouts: Timeouts,
    /// The balancers that are believed whose connections they hand on, by PROXY protocol. From these networks a
    /// connection without that header is closed.
    pub balancers: Vec<Network>,
    /// What browsers and curl may do.
    pub web: Web,
    /// Where the certificate for browsers is, one that an authority vouches for; read again when it changes. None: browsers are
    /// shown that of `identity`.
    pub web_certificate: Option<WebFiles>,
    /// Whether HTTP is spoken in TLS 1.2 too, for clients that know nothing newer; `sealift/1` never is.
    pub web_tls12: bool,
    /// Shared folders elsewhere on the machine that the users file names only later are refused, as the process will be confined
    /// to those that it names at the start, and to reading where nobody may change anything then.
    pub is_confined: bool,
    /// Where figures are told to programs that watch servers; none: nowhere.
    pub metrics: Option<MetricsAt>,
    /// Where else shared folders may be that the users file names later, to be changed too, though the process is confined.
    pub roots: Vec<PathBuf>,
    /// What no shared folder elsewhere may meet that the users file names, now or later: neither be in one of these nor have one of
    /// them in it, nor a link on the way to one. The data folder, the state folder and the users file are among them in any case.
    pub apart: Vec<Own>,
    /// Where it is written down who did what; none: nowhere.
    pub audit: Option<AuditTo>,
    /// Bytes of memory that the server may take; none: what is available when it starts ([`memory_available`]).
    pub memory: Option<u64>,
}

impl ServerOptions {
    /// Options with the defaults for all that has one.
    pub fn new(listen: SocketAddr, data: PathBuf, users: impl Into<UsersFrom>, identity: Identity) -> Self {
        let storage = Storage::Folder { path: data, durability: Durability::Full };
        ServerOptions { listen: vec![listen], ..ServerOptions::stored_in(storage, users, identity) }
    }

    /// Options with the defaults for all that has one, with the homes anywhere, and no address yet.
    pub fn stored_in(storage: Storage, users: impl Into<UsersFrom>, identity: Identity) -> Self {
        ServerOptions {
            listen: Vec::new(),
            storage,
            node: None,
            users: users.into(),
            state: None,
            identity,
            next_pin: None,
            keys_in: None,
            max_mode: FileMode::ALL,
            grace: limits::GRACE,
            admission: AdmissionOptions::default(),
            timeouts: Timeouts::default(),
            balancers: Vec::new(),
            web: Web::default(),
            web_certificate: None,
            web_tls12: false,
            is_confined: false,
            metrics: None,
            roots: Vec::new(),
            apart: Vec::new(),
            audit: None,
            memory: None,
        }
    }
}
