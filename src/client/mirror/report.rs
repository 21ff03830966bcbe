//! Telling what is skipped and what fails, and keeping count of it.

use std::path::{Path, PathBuf};

use crate::client::jobs::Summary;
use crate::client::ledger::Ledger;
use crate::client::observer::{Observer, Skip};
use crate::error::Error;

/// The observer and the summary together.
pub(super) struct Report<'a> {
    pub(super) observer: &'a dyn Observer,
    pub(super) summary: Summary,
}

impl Report<'_> {
    /// Does a transfer whose outcomes are counted here.
    pub(super) fn with_ledger<T>(&mut self, transfer: impl FnOnce(&mut Ledger) -> T) -> T {
        let mut ledger = Ledger::default();
        ledger.summary = std::mem::take(&mut self.summary);
        let done = transfer(&mut ledger);
        self.summary = ledger.summary;
        done
    }

    pub(super) fn skipped(&mut self, path: &Path, why: Skip) {
        self.observer.skipped(path, why);
        self.summary.skipped += 1;
    }

    pub(super) fn failed(&mut self, path: PathBuf, error: Error) {
        self.observer.failed(&path, &error);
        self.summary.failed.push((path, error));
    }
}
