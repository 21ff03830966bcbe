//! Where files are kept: the traits that every kind of storage fits. A [`Store`] is one jailed root; every path in it is a
//! [`RelPath`]. Blocking code.

use std::any::Any;

use super::{Change, Condition, Entry, EntryKind, FileMode, Hash, Mtime, RelPath, SourceMode, Staged};
use crate::error::{Error, Result};

/// What is known of a file or directory without reading it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Meta {
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of a file; whatever the file system says for the rest.
    pub size: u64,
    /// Last modification.
    pub mtime: Mtime,
    /// Who may read, write and run it.
    pub mode: FileMode,
}

/// What is known of an upload before its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UploadSpec {
    /// Bytes to come. More is refused while they come, fewer at the commit: [`crate::Kind::Integrity`].
    pub size: Option<u64>,
    /// Modification time to give the file; without it the time of the last write stays.
    pub mtime: Option<Mtime>,
    /// The mode of the file where it comes from, and what it means here.
    pub mode: Option<SourceMode>,
    /// Bytes that it takes on its disk where it comes from, if it has holes there: then it gets some here too, wherever
    /// whole units of [`crate::limits::HOLE_UNIT`] are zeros. It bounds nothing.
    pub allocated: Option<u64>,
    /// What must be true of the target.
    pub condition: Condition,
    /// Whether it may take the place of a file that is there.
    pub overwrite: Overwrite,
}

impl UploadSpec {
    /// Whether zeros become holes.
    pub fn is_sparse(&self) -> bool {
        self.allocated.is_some()
    }
}

/// Whether an upload may take the place of a file that has its name when it is committed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Overwrite {
    /// It may.
    #[default]
    Allowed,
    /// It may not: whoever sends it lacks the right `overwrite`, and gets [`crate::Kind::Denied`]. One of the very same
    /// bytes is left as it is and counts as stored, so that an upload whose answer was lost can be repeated.
    Refused,
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
    /// What became of the name.
    pub stored: Stored,
}

/// What a commit did to the name it was for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stored {
    /// Nothing had it.
    Created,
    /// What had it is gone.
    Replaced,
    /// A file of the same bytes had it, and was left as it was: see [`Overwrite::Refused`].
    Same,
}

impl Stored {
    /// The word for logs.
    pub const fn word(self) -> &'static str {
        match self {
            Stored::Created => "created",
            Stored::Replaced => "replaced",
            Stored::Same => "same",
        }
    }
}

/// The beginning of a file whose upload was interrupted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Partial {
    /// Bytes that are there: whole blocks of [`crate::limits::HASH_BLOCK`], at least one.
    pub len: u64,
    /// The BLAKE3 of those bytes.
    pub hash: Hash,
}

/// What is recorded of a file's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record {
    /// Their BLAKE3 when the file was stored, or first read.
    Sound(Hash),
    /// A reading has contradicted it, and nobody has accepted what is there now.
    Rotten(Rot),
}

/// Bytes that are not those which were recorded, in a file whose size and time of modification say that nobody changed it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rot {
    /// The BLAKE3 that was recorded.
    pub recorded: Hash,
    /// The one that was found.
    pub found: Hash,
}

/// What comparing a file's bytes with its record came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finding {
    /// There is no record.
    Unrecorded,
    /// They are as recorded.
    Confirmed,
    /// They are not, or were found not to be before.
    Rotten(Rot),
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

    /// Whether [`Store::begin`] may take long: what is there must be counted first.
    fn begins_by_counting(&self) -> bool {
        false
    }

    /// Starts an upload, hidden until it is committed.
    fn begin(&self, path: &RelPath, spec: UploadSpec) -> Result<Box<dyn Upload>>;

    /// What is left of an interrupted upload to this path. Mostly known at once; after a crash the bytes are read and
    /// hashed, which may take long.
    fn partial(&self, path: &RelPath) -> Result<Option<Partial>>;

    /// Goes on with an interrupted upload after its first `from` bytes, a multiple of [`crate::limits::HASH_BLOCK`]
    /// and not more than [`Partial::len`]; the rest is cut off. `proven` is the BLAKE3 of those bytes at the sender:
    /// [`crate::Kind::Changed`] if they are not the same here, or somebody else has taken the partial. The upload's
    /// length and hash cover every byte of the file. No two uploads ever go on with the same partial.
    fn resume(&self, path: &RelPath, spec: UploadSpec, from: u64, proven: Hash) -> Result<Box<dyn Upload>>;

    /// Puts these uploads in their places, in order, and reports each one, and makes these new folders durable; all share
    /// their syncs. Whoever calls has already compared [`Upload::hash`] with what the sender said. A failed upload leaves
    /// the old file as it was, unless the very last step failed: then it is not certain what a power cut would leave. An
    /// error of the folders is one of them all.
    fn commit_all(
        &self,
        uploads: Vec<Box<dyn Upload>>,
        folders: Vec<NewFolder>,
    ) -> (Vec<Result<Committed>>, Result<()>);

    /// [`Store::commit_all`] without new folders.
    fn commit(&self, uploads: Vec<Box<dyn Upload>>) -> Vec<Result<Committed>> {
        self.commit_all(uploads, Vec::new()).0
    }

    /// Reads a folder, with everything below it if `recursive`.
    fn list(&self, path: &RelPath, recursive: bool) -> Result<Box<dyn Listing>>;

    /// Removes a file, a link (never what it leads to), or an empty folder; with `recursive` a folder with all in it.
    fn remove(&self, path: &RelPath, recursive: bool) -> Result<()>;

    /// Gives a file the mode that it would have if one of this mode had replaced it, and says which that is. No link is
    /// followed; a folder is [`crate::Kind::IsDirectory`].
    fn set_mode(&self, path: &RelPath, source: SourceMode) -> Result<FileMode>;

    /// Renames a file, link or folder. `replace` lets a file take the place of a file; a folder never replaces
    /// and is never replaced.
    fn rename(&self, from: &RelPath, to: &RelPath, replace: bool) -> Result<()>;

    /// Makes a folder that is there at once and durable only when it was committed. With `parents` also the ones above,
    /// and one that exists is fine.
    fn begin_dir(&self, path: &RelPath, parents: bool) -> Result<NewFolder>;

    /// [`Store::begin_dir`] with its commit.
    fn make_dir(&self, path: &RelPath, parents: bool) -> Result<()> {
        let folder = self.begin_dir(path, parents)?;
        self.commit_all(Vec::new(), vec![folder]).1
    }

    /// Drops what is kept open between calls to make a run of them fast. To be called whenever the caller has nothing
    /// more to do at once, so that what others do to the tree is seen; without it that takes up to
    /// [`crate::limits::HANDLE_MAX_AGE`].
    fn forget_handles(&self);
}

/// A folder just made, by a store, for that store's commit. Dropped without one it stays, but maybe not after a power cut.
pub struct NewFolder(pub(crate) Box<dyn Any + Send>);

/// An open file.
pub trait Source: Send {
    /// What it was when it was opened.
    fn meta(&self) -> Meta;

    /// Bytes that it takes where it is kept, if it has holes: less than its size.
    fn allocated(&self) -> Option<u64>;

    /// What happened to the file since it was opened: whoever has read it knows by this whether the bytes are of one
    /// file. One system call.
    fn change(&self) -> Result<Change>;

    /// What is recorded of the bytes of the whole file, if it still has the size and the time of modification that it had
    /// then. A hint: the bytes may have changed on the disk without either, and whoever must know reads them.
    /// Costs one system call for files of [`crate::limits::RECORD_MIN`] and more, and is never there for smaller ones.
    fn record(&self) -> Option<Record>;

    /// Compares the hash of the whole file, as whoever has read all of it found it, with what is recorded. A contradiction
    /// is recorded too: the file is rotten from then on. Where nothing is recorded the hash is, unless the file has changed
    /// since it was opened, or so short a time before ([`crate::limits::RECORD_AGE_MIN`]) that another change would not
    /// show in its time.
    fn compare(&self, hash: &Hash) -> Finding;

    /// Records the hash of the whole file in place of what is recorded: from now on these bytes are right.
    fn accept(&self, hash: &Hash) -> Result<()>;

    /// Has what is read next come from the disk, as far as the system can be asked to, and not from memory.
    fn forget_cached(&self);

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

    /// Gives the upload up but keeps its whole blocks as a partial for [`Store::resume`], in place of an older one of
    /// the same path. Bytes kept; 0 if not one block was whole or they could not be kept, and then nothing is left.
    fn keep(self: Box<Self>) -> u64;

    /// From now on it may replace nothing, whatever was allowed when it began.
    fn refuse_overwrite(&mut self);

    /// Lets the rest come in parts, in any order. The size must have been announced, and what is there already is a
    /// resumed beginning or nothing.
    fn into_parts(self: Box<Self>) -> Result<Box<dyn Staged>>;

    /// For the store's commit, to get its own type back.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// Entries, one by one, in the order of the disk; a folder comes before what is in it.
pub trait Listing: Send {
    /// The next entry. What cannot be read (a folder that may not be, is gone meanwhile, or is too deep) does not end the listing.
    fn next(&mut self) -> Option<Result<Entry, Unread>>;
}

/// Something in a listed folder that could not be read.
#[derive(Debug)]
pub struct Unread {
    /// Bytes relative to the listed folder; none for that folder itself, where reading it broke off.
    pub path: Vec<u8>,
    /// Why.
    pub error: Error,
}
