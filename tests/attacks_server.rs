//! Attacks of a hostile server, or of somebody on the way to a good one, on the real client. Each test has the name of
//! its attack in `docs/SECURITY-TESTS.md`.

#[path = "attacks/client.rs"]
mod client;
mod common;
#[path = "attacks/hostile.rs"]
mod hostile;

#[path = "attacks/evil_listings.rs"]
mod evil_listings;
