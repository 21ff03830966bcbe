//! Tests that could not run, or not wholly, on this machine.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]
use std::fs::OpenOptions;
use std::io::{Write as _, stderr};
use std::thread;

/// Says which test could not run here, or not wholly, and why: at once, past the test runner, which keeps back what tests
/// print that pass; and as a line of the file that `SEALIFT_NOT_RUN` names, which `.ci/run` reads at its end.
pub fn not_run(why: &str) {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("{test}: {}\n", why.trim());
    let _ = stderr().write_all(format!("not run: {line}").as_bytes());
    if let Some(file) = std::env::var_os("SEALIFT_NOT_RUN") {
        OpenOptions::new().append(true).create(true).open(file).unwrap().write_all(line.as_bytes()).unwrap();
    }
}
