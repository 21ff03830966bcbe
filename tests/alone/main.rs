//! What others must not run beside: tests that measure a process, their own or a server's, and one that starts this very
//! program again under `strace`. They go one after the other.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code outside of a test function")]
#![allow(clippy::panic, clippy::indexing_slicing, reason = "test code outside of a test function")]

#[path = "../common/mod.rs"]
mod common;

mod idle_memory;
mod soak;
mod store_faults;
mod store_list_bomb;
