//! Being told what a transfer does while it does it.

use std::path::Path;
use std::time::Duration;

use super::answers::Transferred;
use crate::error::Error;

/// Why something was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Skip {
    /// A symbolic link inside a tree.
    Link,
    /// A device, pipe or socket.
    Special,
    /// A name that Sealift keeps for itself.
    Reserved,
    /// The target is there already, and was to be left alone.
    Exists,
}

impl Skip {
    /// In words, for a person.
    pub const fn words(self) -> &'static str {
        match self {
            Skip::Link => "a symbolic link",
            Skip::Special => "not a regular file",
            Skip::Reserved => "a name that Sealift keeps for itself",
            Skip::Exists => "it exists already",
        }
    }
}

/// Is told what a transfer does. Called from the transfer's threads, so it should not block; every method does
/// nothing unless it is written.
///
/// A path is the source's: the remote one of a download, the local one of an upload. It may hold control characters.
pub trait Observer: Send + Sync {
    /// Whether it is worth another walk through a local tree to know beforehand how much there is to send.
    fn wants_totals(&self) -> bool {
        false
    }

    /// So many files and bytes more will come. All calls together name every file and every known size once, some of
    /// them before the first file begins and some, where nothing is known before, as each one does.
    fn expected(&self, files: u64, bytes: u64) {
        let _ = (files, bytes);
    }

    /// A file begins; its size if it is known.
    fn started(&self, path: &Path, size: Option<u64>) {
        let _ = (path, size);
    }

    /// The file that began last goes on with its first `from` bytes proven to be there already.
    fn resumed(&self, path: &Path, from: u64) {
        let _ = (path, from);
    }

    /// The connection was lost by this error, and the next try comes after the pause. So many bytes of the file that was
    /// cut off are kept.
    fn retrying(&self, error: &Error, pause: Duration, kept: u64) {
        let _ = (error, pause, kept);
    }

    /// From now on so many connections are used; if there are fewer than wanted, this is why.
    fn streams(&self, count: usize, wanted: usize, why: Option<&Error>) {
        let _ = (count, wanted, why);
    }

    /// One of several connections was lost by this error; the others do what it had left.
    fn stream_lost(&self, error: &Error) {
        let _ = error;
    }

    /// So many bytes more were transferred of the file that began last.
    fn progressed(&self, bytes: u64) {
        let _ = bytes;
    }

    /// A file is there, verified.
    fn finished(&self, path: &Path, done: &Transferred) {
        let _ = (path, done);
    }

    /// A file or folder could not be transferred; the others go on.
    fn failed(&self, path: &Path, error: &Error) {
        let _ = (path, error);
    }

    /// Something in a tree was left out.
    fn skipped(&self, path: &Path, why: Skip) {
        let _ = (path, why);
    }
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}
