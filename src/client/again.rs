//! An observer of what is tried again.

use std::path::Path;
use std::sync::Arc;

use super::answers::Transferred;
use super::observer::{Observer, Skip};
use crate::error::Error;
use crate::files::RelPath;

/// Tells the same observer, but not again how much there is to do.
pub(super) struct Again(pub(super) Arc<dyn Observer>);

impl Observer for Again {
    fn started(&self, path: &Path, size: Option<u64>) {
        self.0.started(path, size);
    }
    fn resumed(&self, path: &Path, from: u64) {
        self.0.resumed(path, from);
    }
    fn streams(&self, count: usize, wanted: usize, why: Option<&Error>) {
        self.0.streams(count, wanted, why);
    }
    fn stream_lost(&self, error: &Error) {
        self.0.stream_lost(error);
    }
    fn proving(&self, path: &Path, done: u64, of: u64) {
        self.0.proving(path, done, of);
    }
    fn progressed(&self, path: &Path, bytes: u64) {
        self.0.progressed(path, bytes);
    }
    fn finished(&self, path: &Path, to: &RelPath, done: &Transferred) {
        self.0.finished(path, to, done);
    }
    fn failed(&self, path: &Path, error: &Error) {
        self.0.failed(path, error);
    }
    fn unchanged(&self, path: &Path, size: u64) {
        self.0.unchanged(path, size);
    }
    fn planned(&self, path: &Path, to: &RelPath, size: u64) {
        self.0.planned(path, to, size);
    }
    fn skipped(&self, path: &Path, why: Skip) {
        self.0.skipped(path, why);
    }
}
