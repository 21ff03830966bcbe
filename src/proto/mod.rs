//! The protocol, pure: bytes to values and back. No sockets, no files, no clocks.

pub mod escape;
pub mod path;

pub use path::RelPath;
