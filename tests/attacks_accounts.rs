//! What users may do, by the users file as it is now. Each test has the name of its attack in `docs/SECURITY-TESTS.md`.

mod common;

#[path = "attacks/accounts/mod.rs"]
mod accounts;
