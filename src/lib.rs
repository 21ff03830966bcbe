//! Sealift: a secure file server and its pinning client, as a library.
//!
//! [`Client`] connects to a server, checks its pinned key before it sends anything, and lists, fetches and stores files,
//! each verified end to end. [`Server`] is the server itself, to run inside another program. Both are what the programs
//! `sealift` and `sealiftd` are made of.
//!
//! ```
//! use sealift::client::{ConnectOptions, Endpoint, Verification};
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
//! assert!(client.list("", false).await?.entries.is_empty());
//! client.logout().await?;
//!
//! handle.stop();
//! serving.await?;
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! # What runs where
//! Connections and the server run on threads of their own (async-std's, started when they are first needed), files on a pool of
//! threads that may wait. What you get are plain futures: any runtime can wait for them, tokio's too.
//!
//! # Features
//! All are on by default. `client` and `server` are the two halves; `cli` is what the two programs need beside them, the
//! client's configuration file included. `testing` (off) starts a real server in one line, for the tests of your program,
//! keeps homes in memory, and has the checks that every storage must pass.
//! `serde` (off) writes and reads what a server tells: [`files::Entry`], `Stat`, `Status` and the like.
//!
#![doc = include_str!("RECIPES.md")]
//!
//! # Layers
//! Dependencies point one way: [`server`] and [`client`] stand on [`proto`] (pure), [`tls`] (the only place that names the
//! TLS engine), [`auth`] and [`store`] (blocking, neither knows of the other), and all on [`files`] (what a file is);
//! [`keys`] (pure) is what [`auth`] and the client share of SSH's keys; [`confine`], [`error`] and [`limits`] are leaves.

// One half alone leaves some of what both share unused.
#![cfg_attr(not(all(feature = "client", feature = "server")), allow(dead_code, unused_imports))]

#[cfg(feature = "server")]
pub mod auth;
mod budget;
#[cfg(feature = "client")]
pub mod client;
pub mod error;
pub mod escape;
pub mod files;
mod holes;
pub mod keys;
pub mod limits;
#[cfg(feature = "server")]
mod machine;
#[cfg(test)]
#[path = "../tests/common/not_run.rs"]
mod not_run;
#[cfg(feature = "s3")]
mod outgoing;
pub mod proto;
mod random;
#[cfg(feature = "server")]
mod repeated_warnings;
pub mod secret;
#[cfg(feature = "server")]
pub mod server;
mod setters;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tls;
#[cfg(any(feature = "server", feature = "cli"))]
mod toml_form;
#[cfg(any(feature = "server", feature = "cli"))]
mod toml_layout;

// What the two programs share with the library, and nobody else has to know: it may change at any time.
#[cfg(feature = "server")]
#[doc(hidden)]
pub mod apart;
#[doc(hidden)]
pub mod buffers;
#[doc(hidden)]
pub mod byte_size;
#[doc(hidden)]
pub mod confine;
#[doc(hidden)]
pub mod fast_copy;
#[cfg(any(feature = "server", feature = "cli"))]
#[cfg_attr(not(feature = "server"), allow(dead_code, reason = "some of it is for servers alone"))]
#[doc(hidden)]
pub mod fresh_file;
#[cfg(any(feature = "server", feature = "cli"))]
#[doc(hidden)]
pub mod link_commands;
#[doc(hidden)]
pub mod readable;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod settings_file;
#[doc(hidden)]
pub mod stray_secrets;
#[doc(hidden)]
pub mod sync;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod table;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod wrap;

#[cfg(feature = "client")]
pub use client::Client;
pub use error::{Error, Exit, Kind, Result};
#[cfg(feature = "server")]
pub use server::Server;

/// The README's example compiles.
#[cfg(all(doctest, feature = "cli"))]
#[doc = include_str!("../README.md")]
struct Readme;
