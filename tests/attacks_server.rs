//! Attacks of a hostile server, or of somebody on the way to a good one, on the real client. Each test has the name of
//! its attack in `docs/SECURITY-TESTS.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests"
)]

mod common;

#[path = "attacks/client.rs"]
mod client;
#[path = "attacks/hostile.rs"]
mod hostile;
#[path = "attacks/impostor.rs"]
mod impostor;
#[path = "attacks/proxy.rs"]
mod proxy;

#[path = "attacks/cut.rs"]
mod cut;
#[path = "attacks/device.rs"]
mod device;
#[path = "attacks/evil_listings.rs"]
mod evil_listings;
#[path = "attacks/plenty.rs"]
mod plenty;
#[path = "attacks/terminal.rs"]
mod terminal;
#[path = "attacks/trust.rs"]
mod trust;
