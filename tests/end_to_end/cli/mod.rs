//! The program `sealift` as people and scripts run it, against a real server.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

mod bookmarks;
mod copies;
mod environment;
mod examples;
mod exits;
mod files;
mod files_from;
mod first_minute;
mod flow;
mod gate;
mod going_on;
mod habits;
mod help;
mod join;
mod json;
mod listing;
mod login;
mod looking;
mod lost_lines;
mod missing;
mod newcomers;
mod next_key;
mod passwd;
mod progress;
mod shell;
mod sides;
mod sparse;
mod streams;
mod tap;
mod terminal;
mod tour;
mod transfers;
mod trust;
mod wildcards;
