//! Attacks on what is shared: whoever takes all they can get, against whoever wants a little.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code outside of a test function")]

mod log;
mod places;
