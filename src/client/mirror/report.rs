//! Telling what is skipped and what fails, once over all attempts, and keeping count of it.

use std::path::{Path, PathBuf};

use super::run::MirrorRun;
use crate::client::jobs::Summary;
use crate::client::ledger::{Ledger, ShareOf, is_put_off};
use crate::client::observer::{Observer, Skip};
use crate::client::retry::TransferOptions;
use crate::error::{Error, Result};
use crate::files::{Hash, RelPath};

/// The observer and the summary together.
pub(super) struct Report<'a> {
    pub(super) observer: &'a dyn Observer,
    pub(super) summary: Summary,
    run: MirrorRun,
    /// Failures that are neither of a reading of the source nor of a transfer.
    elsewhere: usize,
    /// What another attempt is to do.
    put_off: usize,
    /// Files keep all of their modes.
    perms: bool,
    /// Files may become longer while they are transferred.
    growing: bool,
}

impl<'a> Report<'a> {
    pub(super) fn new(observer: &'a dyn Observer) -> Self {
        Report::of(observer, &MirrorRun::default())
    }

    /// Of one attempt of this run. What earlier ones failed at counts, and is not told again.
    pub(super) fn of(observer: &'a dyn Observer, run: &MirrorRun) -> Self {
        let summary = Summary { failed: run.failures(), ..Summary::default() };
        Report { observer, summary, run: run.clone(), elsewhere: 0, put_off: 0, perms: false, growing: false }
    }

    /// Files keep all of their modes in its transfers, or not.
    pub(super) fn with_perms(self, perms: bool) -> Self {
        Report { perms, ..self }
    }

    /// Lets files become longer while they are transferred.
    pub(super) fn growing(self, growing: bool) -> Self {
        Report { growing, ..self }
    }

    /// How many readings of the source and transfers failed, or were put off.
    pub(super) fn faults(&self) -> usize {
        self.summary.failed.len().saturating_sub(self.elsewhere) + self.put_off
    }

    /// Does a transfer whose outcomes are counted here, to targets in this folder. The files that went whole are added to
    /// `whole`, if there is that.
    pub(super) fn with_ledger<T>(
        &mut self,
        whole: Option<&mut Vec<(RelPath, Hash)>>,
        folder: &RelPath,
        transfer: impl FnOnce(&mut Ledger) -> Result<T>,
    ) -> Result<T> {
        let mut ledger = Ledger::default();
        ledger.how.of = ShareOf::Mirror;
        // Of the folders on the way to what may be listed, some may not be themselves.
        ledger.how.options = TransferOptions::new().parents(true).perms(self.perms).growing(self.growing);
        ledger.how.puts_off = self.run.puts_off();
        ledger.whole = whole.is_some().then(Vec::new);
        ledger.summary = std::mem::take(&mut self.summary);
        let done = transfer(&mut ledger);
        for (_, error) in ledger.hand_over_put_off() {
            self.put_off += 1;
            self.run.put_off(error);
        }
        self.summary = ledger.summary;
        self.run.add_failed(ledger.failures, folder);
        if done.is_err() && ledger.gave_up {
            self.run.gives_up();
        }
        if let (Some(whole), Some(went)) = (whole, ledger.whole) {
            whole.extend(went);
        }
        done
    }

    pub(super) fn skipped(&mut self, path: &Path, why: Skip) {
        if self.run.is_news(path, why.words()) {
            self.observer.skipped(path, why);
        }
        self.summary.skipped += 1;
    }

    /// Something failed that makes the destination no less like the source, or only by what it has too much.
    pub(super) fn failed_elsewhere(&mut self, path: PathBuf, error: Error) {
        let before = self.summary.failed.len();
        self.failed(path, error);
        self.elsewhere += self.summary.failed.len() - before;
    }

    /// A reading of the source or a transfer failed.
    pub(super) fn failed(&mut self, path: PathBuf, error: Error) {
        if self.run.puts_off() && is_put_off(&error) {
            self.put_off += 1;
            self.run.put_off(error);
            return;
        }
        if self.run.is_news(&path, error.text()) {
            self.observer.failed(&path, &error);
        }
        self.summary.failed.push((path, error));
    }
}
