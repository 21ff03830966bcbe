//! The program `sealift` as people and scripts run it, against a real server.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

#[path = "../client_common/mod.rs"]
mod client_common;
mod exits;
mod files;
mod help;
mod shell;
mod support;
mod terminal;
mod trust;
