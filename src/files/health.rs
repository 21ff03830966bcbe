//! How a storage that is not on this machine answers.

use std::time::SystemTime;

/// What a server knows of the storage that it keeps files in, from what it asked it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StorageHealth {
    /// Whether it answers. One that puts off whatever it is asked does not.
    pub answers: bool,
    /// Since when that is so.
    pub since: SystemTime,
    /// What it was asked, by kind.
    pub requests: Vec<StorageRequests>,
}

/// The requests of one kind.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StorageRequests {
    /// A word for the kind.
    pub kind: &'static str,
    /// How many came to what, each by a word.
    pub outcomes: Vec<(&'static str, u64)>,
    /// How many of them failed.
    pub failed: u64,
    /// How long they took until the answer began: the sum in seconds, how many, and how many took at most so many seconds and longer
    /// than the one before.
    pub took: (f64, u64, Vec<(f64, u64)>),
}

impl StorageHealth {
    /// Of a storage that answers, or does not, since then.
    pub fn new(answers: bool, since: SystemTime, requests: Vec<StorageRequests>) -> StorageHealth {
        StorageHealth { answers, since, requests }
    }

    /// The word for it.
    pub const fn word(&self) -> &'static str {
        if self.answers { "answering" } else { "silent" }
    }

    /// Requests that failed, of all kinds.
    pub fn failed(&self) -> u64 {
        self.requests.iter().map(|requests| requests.failed).sum()
    }
}

impl StorageRequests {
    /// None yet, of this kind.
    pub fn new(kind: &'static str) -> StorageRequests {
        StorageRequests { kind, outcomes: Vec::new(), failed: 0, took: (0.0, 0, Vec::new()) }
    }
}
