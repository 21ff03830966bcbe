//! The program `sealift` as people and scripts run it, against a real server.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

#[path = "../attacks/announced.rs"]
mod announced;
mod bookmarks;
#[path = "../common/mod.rs"]
mod common;
mod environment;
mod exits;
mod files;
mod first_minute;
mod flow;
mod gate;
mod going_on;
mod help;
mod join;
mod json;
mod liar;
mod listing;
mod looking;
mod lost_lines;
#[path = "../attacks/modes.rs"]
mod modes;
mod next_key;
mod passwd;
mod progress;
mod shell;
mod sides;
#[path = "../attacks/sources.rs"]
mod sources;
mod sparse;
mod support;
mod tap;
mod terminal;
mod trust;
#[path = "../attacks/unreadable.rs"]
mod unreadable;
#[path = "../attacks/wildcards.rs"]
mod wildcard_attacks;
mod wildcards;
