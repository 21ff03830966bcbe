//! Helpers of the tests that run the real programs: a [`Daemon`] of their own on a port of its own, and a connection
//! that is [`Typed`] by hand.
#![allow(dead_code, unused_imports, reason = "each test file uses some of them")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code outside of a test function")]
#![allow(clippy::panic, clippy::indexing_slicing, reason = "test code outside of a test function")]

pub mod authority;
pub mod bad_engine;
pub mod browser;
mod bytes;
pub mod chromium;
mod daemon;
mod figures;
pub mod forge;
pub mod front;
pub mod garage;
pub mod home;
pub mod liar;
pub mod moto;
pub mod not_run;
pub mod place;
pub mod process;
pub mod program;
mod raw;
pub mod running;
pub mod stalling;
pub mod trees;
mod typed;
mod verbs;
pub mod watch;
pub mod web;
mod world;

use std::time::Duration;

pub use bytes::bytes;
pub use daemon::{Builder, Daemon, Ended, crash, end_of, put_program, put_script, sealiftd, text};
pub use figures::{Figures, alone, eventually, many_files, median};
pub use raw::{Answer, Fields, GIVE_UP, RawClient, frames_of, part_bytes, socket_from, upload_bytes};
pub use typed::Typed;
pub use verbs::{Ask, PAYLOAD, all_asks, asks_of, give_up_staged};
pub use world::{PASSWORD, World, assert_nothing_staged, cheap_hash, enter, half_an_upload, section, snapshot, staged};

/// How long a test waits for something that must happen before it counts as hanging. No test expects it to pass.
pub const HANG: Duration = Duration::from_secs(180);

/// The setting of glibc that the programs start themselves anew to have, where its own way of copying is slow
/// (`sealift::fast_copy`). They get it from outside: thousands of them are started, and each would be started twice.
pub const COPIES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=0x40000000");
