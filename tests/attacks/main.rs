//! Attacks, each on the real programs over real TLS and real disks. Each test has the name of its attack in
//! `docs/SECURITY-TESTS.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code outside of a test function"
)]

#[path = "../common/mod.rs"]
mod common;

// What the attackers have at hand.
mod hostile;
mod impostor;
mod matrix;
mod proxy;
mod rank;
mod wire;

// On the server.
mod accounts;
mod balancers;
mod data;
mod dav;
mod drop_links;
mod drop_sessions;
mod drop_uploads;
mod fairness;
mod folder_links;
mod hooks;
mod left_behind;
mod link_counts;
mod links;
mod login;
mod memory;
mod parked_uploads;
mod paths;
mod protocol;
mod resources;
mod secrets;
mod stray_secrets;
mod streams;
mod swapped_folders;
mod turns;
mod visitors;
mod watching;
mod web;
mod web_accounts;
mod web_frames;
mod web_pages;
mod web_writes;

// On the client.
mod announced;
mod cut;
mod device;
mod evil_listings;
mod mirror;
mod modes;
mod plenty;
mod sources;
mod stopping;
mod terminal;
mod trust;
mod unreadable;
mod wildcards;
