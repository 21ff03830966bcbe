//! What to transfer, and what became of it.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::feed::Fed;
use crate::error::{Error, Kind, Result};
use crate::escape::for_people;
use crate::files::{Condition, Mtime, RelPath};
use crate::setters::setters;

/// One file to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Download {
    /// The file on the server.
    pub from: RelPath,
    /// Where it goes, inside the destination.
    pub to: RelPath,
    /// What must hold for the local target at the moment of commit.
    pub condition: Condition,
}

impl Download {
    /// Fetch `from` to `to`, replacing what is there.
    pub fn new(from: RelPath, to: RelPath) -> Self {
        Download { from, to, condition: Condition::Any }
    }
}

setters!(Download: condition: Condition);

/// Where an upload's bytes come from.
#[non_exhaustive]
pub enum UploadSource {
    /// A local file, with its size and modification time. Links are followed.
    File(PathBuf),
    /// A pipe, standard input or the like, open: read to its end. It may pause for as long as it likes if the server knows of
    /// that ([`crate::proto::Feature::Pause`]).
    Stream(File),
    /// Bytes in memory.
    Memory(Arc<dyn AsRef<[u8]> + Send + Sync>),
    /// Whatever can be read, of unknown size. One that keeps the server waiting is cut off.
    Reader(Box<dyn Read + Send>),
    /// What an asynchronous reader gives.
    #[doc(hidden)]
    Fed(Fed),
    /// A reader that was handed to an attempt, and cannot be read again.
    Spent,
}

impl fmt::Debug for UploadSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UploadSource::File(path) => f.debug_tuple("File").field(path).finish(),
            UploadSource::Stream(_) => f.write_str("Stream"),
            UploadSource::Memory(bytes) => f.debug_tuple("Memory").field(&(**bytes).as_ref().len()).finish(),
            UploadSource::Fed(_) => f.write_str("Fed"),
            UploadSource::Reader(_) => f.write_str("Reader"),
            UploadSource::Spent => f.write_str("Spent"),
        }
    }
}

/// One file to send.
#[derive(Debug)]
#[non_exhaustive]
pub struct Upload {
    /// Where its bytes come from.
    pub from: UploadSource,
    /// Where it goes on the server.
    pub to: RelPath,
    /// What must hold for the target at the moment of commit.
    pub condition: Condition,
    /// The modification time to give it; a local file's own if absent, and the server's clock for a reader.
    pub mtime: Option<Mtime>,
}

impl Upload {
    /// Send the local file `from` to `to`, replacing what is there.
    pub fn file(from: impl Into<PathBuf>, to: RelPath) -> Self {
        Upload { from: UploadSource::File(from.into()), to, condition: Condition::Any, mtime: None }
    }

    /// Send these bytes to `to`, replacing what is there.
    pub fn bytes(from: impl AsRef<[u8]> + Send + Sync + 'static, to: RelPath) -> Self {
        Upload { from: UploadSource::Memory(Arc::new(from)), to, condition: Condition::Any, mtime: None }
    }

    /// Send all that comes out of the pipe `from` to `to`, replacing what is there.
    pub fn stream(from: File, to: RelPath) -> Self {
        Upload { from: UploadSource::Stream(from), to, condition: Condition::Any, mtime: None }
    }

    /// Send all that `from` gives to `to`, replacing what is there.
    pub fn reader(from: impl Read + Send + 'static, to: RelPath) -> Self {
        Upload { from: UploadSource::Reader(Box::new(from)), to, condition: Condition::Any, mtime: None }
    }
}

setters!(Upload: condition: Condition, mtime: Option<Mtime>);

impl Upload {
    /// This upload for one attempt. A file and memory can be read again, a reader is spent with it.
    pub(super) fn take(&mut self) -> Upload {
        let from = match &mut self.from {
            UploadSource::File(path) => UploadSource::File(path.clone()),
            UploadSource::Memory(bytes) => UploadSource::Memory(Arc::clone(bytes)),
            reader => std::mem::replace(reader, UploadSource::Spent),
        };
        Upload { from, to: self.to.clone(), condition: self.condition, mtime: self.mtime }
    }
}

/// What became of several files.
#[derive(Debug, Default)]
#[must_use = "a file that failed is told of here alone: `into_result` makes it an error"]
#[non_exhaustive]
pub struct Summary {
    /// Files transferred and verified; with `dry_run`, those that would be.
    pub files: u64,
    /// Their bytes together.
    pub bytes: u64,
    /// Folders that were made.
    pub directories: u64,
    /// What failed, by the source's path, in the order it failed.
    pub failed: Vec<(PathBuf, Error)>,
    /// Files that were not moved because what is in their place is as new.
    pub unchanged: u64,
    /// How many links, special files, and (if asked to) files whose target exists were left out.
    pub skipped: u64,
    /// Links that were made like those of the source.
    pub links: u64,
}

/// How much was transferred where nothing failed; as in [`Summary`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Files.
    pub files: u64,
    /// Their bytes together.
    pub bytes: u64,
    /// Folders.
    pub directories: u64,
    /// Files that were not moved because what is in their place is as new.
    pub unchanged: u64,
    /// What was left out.
    pub skipped: u64,
    /// Links that were made.
    pub links: u64,
}

impl Summary {
    /// An error if any file failed: that file's own if it was the only one there is to tell of, else
    /// [`Kind::SomeFailed`], which names the first of them.
    ///
    /// # Errors
    /// As said.
    pub fn into_result(mut self) -> Result<Totals> {
        let Summary { files, bytes, directories, unchanged, skipped, links, .. } = self;
        let totals = Totals { files, bytes, directories, unchanged, skipped, links };
        let count = self.failed.len();
        let Some((path, first)) = self.failed.first() else { return Ok(totals) };
        if count == 1 && files == 0 {
            return self.failed.pop().map_or(Ok(totals), |(_, error)| Err(error));
        }
        let path = for_people(path.as_os_str().as_bytes());
        let first = first.retold().about(&path);
        let others = if count == 1 { String::new() } else { format!(" (and {} more)", count - 1) };
        let text = format!("{count} of {} files failed: {first}{others}", count as u64 + files);
        Err(Error::new(Kind::SomeFailed, text).with_source(first))
    }

    /// Adds what became of other files.
    pub fn add(&mut self, other: Summary) {
        self.files += other.files;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.directories = self.directories.saturating_add(other.directories);
        self.failed.extend(other.failed);
        self.unchanged += other.unchanged;
        self.skipped += other.skipped;
        self.links += other.links;
    }
}
