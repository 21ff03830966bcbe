//! What the attack tests share.
#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on should stop")]

#[path = "../forge/mod.rs"]
pub mod forge;
pub mod matrix;
pub mod rank;
pub mod wire;
