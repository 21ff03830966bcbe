//! What users may do, by the users file as it is now.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code outside of a test function")]
#![allow(clippy::panic, clippy::indexing_slicing, reason = "test code outside of a test function")]

mod barred;
mod enrolled;
mod folder_places;
mod folders;
mod keys;
mod live;
mod names_of_copies;
mod overwrite;
mod own;
mod rsa_keys;
mod same_home;
mod told;
mod users_file;
