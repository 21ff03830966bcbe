//! Sealift: a secure file server and its pinning client.

pub mod auth;
pub mod buffers;
pub mod client;
pub mod error;
pub mod hash;
pub mod limits;
pub mod mtime;
pub mod proto;
pub mod secret;
pub mod server;
pub mod store;
pub mod tls;

pub use client::Client;
pub use error::{Error, Exit, Kind, Result};
