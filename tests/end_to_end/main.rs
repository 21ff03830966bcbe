//! The programs as people, scripts and administrators meet them: real processes, real TLS, real disks.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code outside of a test function")]
#![allow(clippy::panic, clippy::indexing_slicing, reason = "test code outside of a test function")]

#[path = "../common/mod.rs"]
mod common;

mod admin;
mod audit;
mod audited;
mod backup;
mod begun_anew;
mod behaviours;
mod broken_off_keys;
mod check;
mod check_folders;
mod cli;
mod closed;
mod daemon;
mod dav;
mod explain;
mod fast_copy;
mod first_version;
mod folder_moves;
mod folders;
mod foreign_folders;
mod hooks;
mod journal;
mod keys;
mod left_over;
mod let_go;
mod limit_rate;
mod log;
mod metrics;
mod mirror;
mod mirror_shared;
mod privileges;
mod quota_shared;
mod quota_shared_changed;
mod recorded;
mod reload;
mod restoring;
mod resume;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "s3")]
mod s3_moves;
#[cfg(feature = "s3")]
mod s3_quota;
mod s3_settings;
#[cfg(feature = "s3")]
mod s3_tls;
mod sandbox;
mod service;
mod settings;
mod shares;
mod streams;
mod supervised;
mod supervised_beside;
mod supervised_refused;
mod supervised_withdrawn;
mod trash;
mod trash_room;
mod umask;
mod unreadable_folders;
mod users;
mod web;
mod wrong_folder;
