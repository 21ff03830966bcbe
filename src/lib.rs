//! Sealift: a secure file server and its pinning client, as a library.
//!
//! [`Client`] connects to a server, checks its pinned key before it sends anything, and lists, fetches and stores files,
//! each verified end to end. [`Server`] is the server itself, to run inside another program. Both are what the programs
//! `sealift` and `sealiftd` are made of.
//!
//! ```
//! use sealift::client::{ConnectOptions, Endpoint, Verification};
//! use sealift::proto::RelPath;
//! use sealift::secret::Secret;
//! use sealift::server::ServerOptions;
//! use sealift::tls::Identity;
//! use sealift::{Client, Server};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # async_std::task::block_on(async {
//! let place = tempfile::tempdir()?;
//! let users = place.path().join("users.toml");
//! std::fs::write(&users, "[anonymous]\nenabled = true\n")?;
//! let identity = Identity::generate(&["localhost".to_owned()])?;
//! let options = ServerOptions::new("127.0.0.1:0".parse()?, place.path().join("data"), users, identity);
//! let server = Server::bind(options).await?;
//! let (address, pin, handle) = (server.addresses()[0], server.pin(), server.handle());
//! let serving = async_std::task::spawn(server.serve());
//!
//! let endpoint = Endpoint::new("127.0.0.1", address.port());
//! let mut client = Client::connect(&endpoint, ConnectOptions::new(Verification::Pins(vec![pin]))).await?;
//! client.login("anonymous", Secret::new("")).await?;
//! assert!(client.list(&RelPath::root(), false).await?.entries.is_empty());
//! client.logout().await?;
//!
//! handle.stop();
//! serving.await?;
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! # Layers
//! Dependencies point one way: [`server`] and [`client`] stand on [`proto`] (pure), [`tls`] (the only place that names the
//! TLS engine), [`auth`] and [`store`] (blocking, neither knows of the other), and all on [`files`] (what a file is);
//! [`keys`] (pure) is what [`auth`] and the client share of SSH's keys; [`confine`], [`error`] and [`limits`] are leaves.

pub mod auth;
mod budget;
pub mod buffers;
pub mod client;
pub mod confine;
pub mod error;
#[doc(hidden)]
pub mod fast_copy;
pub mod files;
mod holes;
pub mod keys;
pub mod limits;
mod machine;
pub mod proto;
pub mod readable;
mod repeated;
pub mod secret;
pub mod server;
pub mod store;
pub mod tls;
mod toml_form;
mod toml_layout;

pub use client::Client;
pub use error::{Error, Exit, Kind, Result};
pub use server::Server;

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
