//! Attacks on the server by paths: spellings, links, names, special files. Each is tried over the network on the real
//! `sealiftd`, and the disk is looked at afterwards.

mod common;

#[path = "attacks/paths/mod.rs"]
mod paths;
