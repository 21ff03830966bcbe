//! Sending files and trees.

use std::path::Path;
use std::sync::Arc;

use super::connection::{Client, unfinished};
use super::jobs::{Summary, Upload};
use super::observer::Observer;
use crate::error::Result;
use crate::proto::{Condition, RelPath};

impl Client {
    /// Sends files, many at once in flight. Each appears under its name whole and verified, or not at all; one that
    /// fails does not stop the others. The folders they go into must be there.
    ///
    /// # Errors
    /// Only what ends the connection; what happened to single files is in the [`Summary`].
    pub async fn upload(&mut self, jobs: Vec<Upload>, observer: Arc<dyn Observer>) -> Result<Summary> {
        let _ = (jobs, observer);
        unfinished()
    }

    /// Sends the local folder `from` with all below it to `to`, made with its parents if missing (the root path is
    /// the user's own folder). Empty folders come too; links and special files inside are skipped.
    ///
    /// # Errors
    /// As [`Client::upload`], and if `from` itself cannot be read.
    pub async fn put_tree(
        &mut self,
        from: &Path,
        to: &RelPath,
        condition: Condition,
        observer: Arc<dyn Observer>,
    ) -> Result<Summary> {
        let _ = (from, to, condition, observer);
        unfinished()
    }
}
