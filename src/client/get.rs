//! Fetching files and trees.

use std::sync::Arc;

use super::connection::{Client, unfinished};
use super::destination::Destination;
use super::jobs::{Download, Summary};
use super::observer::Observer;
use crate::error::Result;
use crate::proto::{Condition, RelPath};

impl Client {
    /// Fetches files into a destination, many at once in flight. Each appears under its name whole, verified and with
    /// its modification time, or not at all; one that fails does not stop the others. The folders they go into must
    /// be there.
    ///
    /// # Errors
    /// Only what ends the connection; what happened to single files is in the [`Summary`].
    pub async fn download(
        &mut self,
        jobs: Vec<Download>,
        into: &Destination,
        observer: Arc<dyn Observer>,
    ) -> Result<Summary> {
        let _ = (jobs, into, observer);
        unfinished()
    }

    /// Fetches the folder `from` with all below it to `to` inside the destination, made if missing (its parent must
    /// be there; the root path stands for the destination itself). Empty folders and the folders' modification times
    /// come too; links and special files are skipped.
    ///
    /// # Errors
    /// As [`Client::download`], those of the listing, and [`crate::Kind::Integrity`] for a listing that names
    /// anything outside `from`: then nothing is written.
    pub async fn get_tree(
        &mut self,
        from: &RelPath,
        into: &Destination,
        to: &RelPath,
        condition: Condition,
        observer: Arc<dyn Observer>,
    ) -> Result<Summary> {
        let _ = (from, into, to, condition, observer);
        unfinished()
    }
}
