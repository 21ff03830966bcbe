//! What this process may still do once it serves: whose account it runs under, and which files it can reach.
//!
//! Each of these holds for the threads that are made later, so all of it comes before the first one.

mod account;
mod sandbox;

pub use account::Account;
pub use sandbox::{Enforced, Reach, restrict};
