//! Attacks on the data: crashes, full and failing disks, writers of one name, files that shrink. Each is tried on the
//! real `sealiftd`, and the disk is looked at afterwards.

mod common;

#[path = "attacks/data/mod.rs"]
mod data;
