//! Where files are kept. Blocking code: no async, no sockets, no users. A [`Store`] is one jailed root; every path
//! in it is a [`RelPath`]. [`LocalStore`] keeps it in a directory; an object store fits the same trait.

pub mod local;

use std::any::Any;

pub use local::{LocalOptions, LocalStore, Staging};

use crate::error::Result;
use crate::hash::Hash;
pub use crate::mtime::Mtime;
pub use crate::proto::{Condition, Entry, EntryKind};

use crate::proto::RelPath;

/// What is known of a file or directory without reading it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Meta {
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of a file; whatever the file system says for the rest.
    pub size: u64,
    /// Last modification.
    pub mtime: Mtime,
}

/// What is known of an upload before its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UploadSpec {
    /// Bytes to come. More is refused while they come, fewer at the commit: [`crate::Kind::Integrity`].
    pub size: Option<u64>,
    /// Modification time to give the file; without it the time of the last write stays.
    pub mtime: Option<Mtime>,
    /// What must be true of the target.
    pub condition: Condition,
}

/// A file that is now in its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Committed {
    /// Its bytes.
    pub size: u64,
    /// The BLAKE3 of them.
    pub hash: Hash,
    /// Its modification time.
    pub mtime: Mtime,
}

/// What an acknowledged change outlives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// A power cut: files, renames and new directories are synced before they are reported.
    #[default]
    Full,
    /// The end of the process only.
    None,
}

/// A jailed tree of files. All errors name the path and are of the kinds in [`crate::error`].
pub trait Store: Send + Sync {
    /// What is at this path. A link counts as the file it leads to if that is inside, else as [`EntryKind::Link`]:
    /// the same as [`Store::list`] shows.
    fn stat(&self, path: &RelPath) -> Result<Meta>;

    /// Opens a regular file, or a link that leads to one inside.
    fn open(&self, path: &RelPath) -> Result<Box<dyn Source>>;

    /// Starts an upload, hidden until it is committed.
    fn begin(&self, path: &RelPath, spec: UploadSpec) -> Result<Box<dyn Upload>>;

    /// Puts these uploads in their places, in order, and reports each one; all share their syncs. Whoever calls has
    /// already compared [`Upload::hash`] with what the sender said. A failed upload leaves the old file as it was,
    /// unless the very last step failed: then it is not certain what a power cut would leave.
    fn commit(&self, batch: Vec<Box<dyn Upload>>) -> Vec<Result<Committed>>;

    /// Reads a folder, with everything below it if `recursive`.
    fn list(&self, path: &RelPath, recursive: bool) -> Result<Box<dyn Listing>>;

    /// Removes a file, a link (never what it leads to), or an empty folder; with `recursive` a folder with all in it.
    fn remove(&self, path: &RelPath, recursive: bool) -> Result<()>;

    /// Renames a file, link or folder. `replace` lets a file take the place of a file; a folder never replaces
    /// and is never replaced.
    fn rename(&self, from: &RelPath, to: &RelPath, replace: bool) -> Result<()>;

    /// Makes a folder. With `parents` also the ones above, and one that exists is fine.
    fn make_dir(&self, path: &RelPath, parents: bool) -> Result<()>;

    /// What an interrupted upload of this path left.
    fn partial(&self, path: &RelPath) -> Result<Option<Partial>> {
        let _ = path;
        Ok(None)
    }

    /// Goes on with an interrupted upload.
    fn resume(&self, path: &RelPath, spec: UploadSpec, from: u64, proven: Hash) -> Result<Box<dyn Upload>> {
        let _ = (spec, from, proven);
        Err(crate::Error::new(crate::Kind::Changed, format!("{path}: nothing to resume")))
    }

    /// Drops what is kept open between calls to make a run of them fast. To be called whenever the caller has
    /// nothing more to do at once, so that what others do to the tree is seen.
    fn forget_handles(&self);
}

/// What an interrupted upload left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Partial {
    /// Bytes that are there, whole blocks.
    pub len: u64,
    /// The BLAKE3 of them.
    pub hash: Hash,
}

/// An open file.
pub trait Source: Send {
    /// What it was when it was opened.
    fn meta(&self) -> Meta;

    /// The BLAKE3 recorded at its commit, if it has not been touched since.
    fn recorded_hash(&self) -> Option<Hash> {
        None
    }

    /// Reads at this offset, at most as many bytes as the buffer holds. 0 only at the end of the file; fewer bytes
    /// than asked for only there.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize>;
}

/// A file on its way in. Dropped without a commit it leaves nothing behind.
pub trait Upload: Send {
    /// Writes and hashes the next bytes. After an error the upload cannot be committed.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;

    /// Bytes so far.
    fn len(&self) -> u64;

    /// Whether no byte came yet.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The BLAKE3 of the bytes so far.
    fn hash(&self) -> Hash;

    /// Leaves what came so far to be resumed.
    fn keep(self: Box<Self>) {}

    /// For the store's commit, to get its own type back.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// Entries, one by one, in the order of the disk; a folder comes before what is in it.
pub trait Listing: Send {
    /// The next entry. An error is about one entry (a folder that may not be read, or is too deep) and the listing
    /// goes on after it.
    fn next(&mut self) -> Option<Result<Entry>>;
}
