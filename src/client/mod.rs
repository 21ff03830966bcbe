//! The client: one connection to a server, and what can be asked of it.

mod answers;
mod connection;
mod destination;
mod get;
mod jobs;
pub mod known_servers;
mod listing;
mod observer;
mod options;
mod pump;
mod put;
mod receive;
mod requests;
mod send;
mod session;
pub mod target;
mod walk;
mod wire;

pub use answers::{Hashed, Ids, Ping, SessionId, SessionInfo, Stat, Status, Transferred, Welcome};
pub use connection::Client;
pub use destination::Destination;
pub use jobs::{Download, Source, Summary, Upload};
pub use known_servers::{Added, Known, KnownServers};
pub use observer::{Observer, Silent, Skip};
pub use options::{ConnectOptions, Endpoint, Verification};
pub use target::{DEFAULT_PORT, Target};
