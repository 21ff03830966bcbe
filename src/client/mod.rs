//! The client: one connection to a server, and what can be asked of it.
//!
//! A [`Client`] is a connection. It is made with [`Client::connect`], which checks who the server is, used after
//! [`Client::login`], and ended with [`Client::logout`]. Single requests ([`Client::stat`], [`Client::list`],
//! [`Client::rename`], …) take one round trip each. Single files go in and out by [`Client::put`], [`Client::put_from`],
//! [`Client::get`], [`Client::get_file`], …. Transfers of many files ([`Client::download`], [`Client::upload`],
//! [`Client::get_tree`], [`Client::put_tree`]) keep hundreds of them on their way at once, verify each one, and tell an
//! [`Observer`] how they get on. A [`Transfer`] does the same over as many connections as it takes.
//!
//! ```
//! use std::sync::Arc;
//!
//! use sealift::client::{Client, ConnectOptions, Destination, Endpoint, Silent, Verification};
//! use sealift::escape::for_people;
//! use sealift::files::{Condition, IntoPath};
//! use sealift::secret::Secret;
//! # use sealift::auth::UsersFile;
//! # use sealift::server::{Server, ServerOptions};
//! # use sealift::tls::Identity;
//! # use async_std::task::{block_on, spawn};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # block_on(async {
//! # let dir = tempfile::tempdir()?;
//! # UsersFile::new(dir.path().join("users.toml")).create()?;
//! # std::fs::create_dir_all(dir.path().join("data/public/photos"))?;
//! # std::fs::write(dir.path().join("data/public/photos/boat.jpg"), b"a boat")?;
//! # let any_port = "127.0.0.1:0".parse()?;
//! # let identity = Identity::generate(&["localhost".to_owned()])?;
//! # let options =
//! #     ServerOptions::new(any_port, dir.path().join("data"), dir.path().join("users.toml"), identity);
//! # let server = Server::bind(options).await?;
//! # let (port, pin) = (server.addresses()[0].port(), server.pin());
//! # spawn(server.serve());
//! # let downloads = tempfile::tempdir()?;
//!
//! // The pin is what the server printed at its first start.
//! let options = ConnectOptions::new(Verification::Pins(vec![pin]));
//! let mut client = Client::connect(&Endpoint::new("localhost", port), options).await?;
//! client.login("anonymous", Secret::new("")).await?;
//!
//! let photos = "photos".into_path()?;
//! for entry in client.list(&photos, false).await?.entries {
//!     println!("{:>10} {}", entry.size, for_people(&entry.path));
//! }
//!
//! let into = Destination::open(&downloads)?;
//! let summary = client.get_tree(&photos, &into, &photos, Condition::Any, Arc::new(Silent)).await?;
//! for (path, error) in &summary.failed {
//!     eprintln!("{}: {error}. {}", path.display(), error.next_step());
//! }
//! assert_eq!(std::fs::read(downloads.path().join("photos/boat.jpg"))?, b"a boat");
//! client.logout().await?;
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! # How it works
//!
//! One task owns the TLS stream and moves bytes between it and a pair of bounded queues (`pump`, `wire`). Above them
//! everything is blocking code on one thread of the blocking pool for the time of a call (`session`, and `receive`,
//! `send`, `listing` on top of it), so disk, hash and cipher overlap without a task or a wake-up for each file. While
//! an upload must wait for room it takes answers, so that neither side ever waits for the other for good.
//!
//! # Trust
//!
//! The server is not trusted beyond its key: no path it names is followed out of the [`Destination`], no size it
//! announces is believed, no file appears that does not match its hash, and every wait for it has an end. Texts and names
//! from it are handed on as they are: [`crate::escape::for_people`] makes them fit to be shown.

mod address;
mod administration;
mod again;
mod answers;
#[cfg(feature = "cli")]
pub mod config;
mod connection;
mod content;
mod copy;
mod credentials;
mod destination;
mod events;
mod feed;
mod file_reader;
mod filter;
mod flow;
mod folder_look;
mod get;
pub mod glob;
mod greeting;
mod input;
mod invitation;
mod jobs;
pub mod keys;
pub mod known_servers;
mod ledger;
mod links;
mod list_stream;
mod listing;
mod local_access;
mod local_file;
mod many;
pub mod mirror;
mod observer;
mod options;
mod own;
mod part_there;
mod patience;
mod pool;
mod private_file;
mod pump;
mod put;
mod rate_limit;
mod receive;
mod removal;
mod requests;
mod retry;
mod send;
mod session;
mod sift;
mod single;
mod stopper;
mod streams;
mod symlinks;
pub mod target;
mod trash;
mod unmade;
mod verify;
mod walk;
mod wire;

pub use administration::{Penalties, Penalty, ReadAgain};
pub use answers::{Hashed, Ids, LinkTarget, Ping, Room, SessionId, SessionInfo, Stat, Status, Transferred, Welcome};
#[cfg(feature = "cli")]
pub use config::{Bookmark, Config, ConfigFile, Settings};
pub use connection::Client;
pub use copy::CopiedTree;
pub use credentials::Credentials;
pub use destination::Destination;
pub use events::{TransferEvent, TransferEvents};
#[doc(hidden)]
pub use feed::Fed;
pub use file_reader::FileReader;
pub use filter::Filter;
pub use glob::{Expansion, Glob};
pub use greeting::Greeting;
pub use invitation::InvitationLink;
pub use jobs::{Download, Summary, Totals, Upload, UploadSource};
pub use known_servers::{Added, Followed, Known, KnownServers};
pub use ledger::is_put_off;
pub use links::{LinkExpiry, LinkInbox, LinkUrl, MadeLink, NewLink, ServerLink, uploads_secret};
pub use list_stream::ListStream;
pub use listing::{Listing, Unread};
pub use local_access::LocalBase;
pub use mirror::{Displaced, MaxDelete, MirrorOptions, MirrorRun, MirrorSummary};
pub use observer::{Observer, Silent, Skip};
pub use options::{ConnectOptions, Endpoint, Family, Verification};
pub use own::{Present, ServerKey};
pub use patience::{Patience, is_lost_line, is_unreached};
pub use pool::{Pool, PooledClient};
pub use rate_limit::RateLimit;
pub use retry::{Transfer, TransferOptions};
pub use send::of_destination;
pub use stopper::Stopper;
pub use symlinks::ServerLinks;
pub use target::{DEFAULT_PORT, Target};
pub use trash::{Purged, ServerTrash, ServerTrashList};
pub use verify::{Doubt, Inspection, Verified};
