//! The library from outside: its client, its TLS, its stores, what a fuzzer found, and that the tables of the documents
//! are true.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code outside of a test function")]
#![allow(clippy::panic, clippy::indexing_slicing, reason = "test code outside of a test function")]

#[path = "../common/mod.rs"]
mod common;

mod client;
mod client_hostile;
mod client_stopped;
mod embedding;
mod examples;
mod fuzz_corpus;
mod habits;
mod late_folders;
mod pool;
#[cfg(feature = "s3")]
mod put_off;
mod security_table;
mod single_files;
mod store;
mod store_conformance;
mod store_full;
mod store_hostile;
mod store_model;
mod store_partial;
mod store_partial_quota;
#[cfg(feature = "s3")]
mod store_s3;
#[cfg(feature = "s3")]
mod store_s3_bad;
#[cfg(feature = "s3")]
mod store_s3_doubt;
#[cfg(feature = "s3")]
mod store_s3_ends;
#[cfg(feature = "s3")]
mod store_s3_folders;
#[cfg(feature = "s3")]
mod store_s3_garage;
#[cfg(feature = "s3")]
mod store_s3_holders;
#[cfg(feature = "s3")]
mod store_s3_lost;
#[cfg(feature = "s3")]
mod store_s3_moves;
#[cfg(feature = "s3")]
mod store_s3_names;
#[cfg(feature = "s3")]
mod store_s3_partial;
#[cfg(feature = "s3")]
mod store_s3_partial_bad;
#[cfg(feature = "s3")]
mod store_s3_quota;
#[cfg(feature = "s3")]
mod store_s3_records;
#[cfg(feature = "s3")]
mod store_s3_unsure;
mod tls_layer;
mod user_directory;
mod vault;
