//! What this process may still do: whose account it runs under, which files it can reach, and who can look into its memory.
//!
//! The account and the sandbox hold for the threads that are made later, so they come before the first one.

#[cfg(feature = "server")]
mod account;
mod memory;
#[cfg(feature = "server")]
mod sandbox;

#[cfg(feature = "server")]
pub use account::Account;
pub use memory::forbid_dumps;
#[cfg(feature = "server")]
pub use sandbox::{Enforced, Reach, restrict};
