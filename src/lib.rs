//! Sealift: a secure file server and its pinning client.

pub mod error;
pub mod hash;
pub mod limits;
pub mod proto;
pub mod store;

pub use error::{Error, Exit, Kind, Result};
