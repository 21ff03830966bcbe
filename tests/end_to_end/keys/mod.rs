//! Logging in with SSH keys: their signatures against OpenSSH's own, key files, an agent, and the whole way to a server.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

mod openssh;
mod program;
mod rsa;
mod token;
