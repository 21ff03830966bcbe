//! Sealift: a secure file server and its pinning client.

pub mod error;
pub mod limits;
pub mod tls;

pub use error::{Error, Exit, Kind, Result};
