//! Sealift: a secure file server and its pinning client.

pub mod auth;
pub mod error;
pub mod limits;

pub use error::{Error, Exit, Kind, Result};
