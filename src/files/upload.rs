//! A file on its way into a store.

use super::{Condition, Hash, Mtime, Prepared, Source, SourceMode, Staged, Umask};
use crate::error::Result;

/// What is known of an upload before its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UploadSpec {
    /// Bytes to come. More is refused while they come, fewer at the commit: [`crate::Kind::Integrity`].
    pub size: Option<u64>,
    /// Modification time to give the file; without it the time of the last write stays.
    pub mtime: Option<Mtime>,
    /// The mode of the file where it comes from, and what it means here.
    pub mode: Option<SourceMode>,
    /// What a new file is not open to, in place of the storage's own rule. It takes nothing from one that has all bits of its
    /// source ([`SourceMode::perms`]), nor from a file that is replaced.
    pub umask: Option<Umask>,
    /// Bytes that it takes on its disk where it comes from, if it has holes there: then it gets some here too, wherever
    /// whole units of [`crate::limits::HOLE_UNIT`] are zeros. It bounds nothing.
    pub allocated: Option<u64>,
    /// What must be true of the target.
    pub condition: Condition,
    /// Whether it may take the place of a file that is there.
    pub overwrite: Overwrite,
    /// What becomes of its beginning if it is not finished.
    pub interrupted: Interrupted,
}

impl UploadSpec {
    /// Whether zeros become holes.
    pub fn is_sparse(&self) -> bool {
        self.allocated.is_some()
    }
}

/// What becomes of the beginning of an upload that is not finished, also if the process is killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Interrupted {
    /// Its whole blocks may be kept for somebody who goes on with them: [`Upload::keep`].
    #[default]
    Kept,
    /// Nothing stays: nobody will go on with it.
    Dropped,
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
    /// It may not, and needs not: where its name is taken, by whatever it is, it gets the same one with a number
    /// ([`crate::files::numbered`]). For whoever is to learn nothing of what is there. It comes with [`Condition::Absent`], so that a
    /// store that knows nothing of it replaces nothing.
    Numbered,
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
    /// Something had it, and the file got it with this number: see [`Overwrite::Numbered`].
    Numbered(u32),
}

impl Stored {
    /// The word for logs.
    pub const fn word(self) -> &'static str {
        match self {
            Stored::Created | Stored::Numbered(_) => "created",
            Stored::Replaced => "replaced",
            Stored::Same => "same",
        }
    }
}

/// How far comparing a file with what is there already came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compared {
    /// So many bytes are to be hashed yet.
    NotYet {
        /// More than none.
        left: u64,
    },
    /// The commit has nothing large to read.
    Done,
}

/// A file on its way in. Dropped without a commit it leaves nothing behind.
pub trait Upload: Send {
    /// Writes and hashes the next bytes. After an error the upload cannot be committed.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;

    /// Takes over the bytes of this file without copying them, if the store can: what is appended after that must be the
    /// same bytes, all of them and from the beginning, and is only hashed. To be asked before the first byte; says whether
    /// it did so.
    fn share(&mut self, source: &dyn Source) -> bool {
        let _not_here = source;
        false
    }

    /// Keeps with the file what clients keep with this one, of which it is a copy, as far as the storage has room for it; not
    /// what they keep with the file that it takes the place of.
    fn copy_properties(&mut self, source: &dyn Source) {
        let _nothing_is_kept = source;
    }

    /// Bytes so far.
    fn len(&self) -> u64;

    /// Whether no byte came yet.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The BLAKE3 of the bytes so far.
    fn hash(&self) -> Hash;

    /// Gives the upload up but keeps its whole blocks as a partial for [`super::Store::resume`], in place of an older one of
    /// the same path. Bytes kept; 0 if not one block was whole or they could not be kept, and then nothing is left.
    fn keep(self: Box<Self>) -> u64;

    /// Nobody brings bytes for now: from here on it holds room for those that came, and not for those that were announced.
    fn rest(&mut self) {}

    /// Somebody is about to bring the rest: what was announced is promised room again. Without any it stays what it was.
    ///
    /// # Errors
    /// [`crate::Kind::Quota`], and those of finding out.
    fn claim_room(&mut self) -> Result<()> {
        Ok(())
    }

    /// One bounded step of what a commit has to know of a file that has the name already: whether it has the expected hash, or the
    /// same bytes where none may be replaced. It hashes at most `most` bytes of it. To be taken when all bytes have come, and
    /// until it says that it is done, by whoever shares a machine with others: a commit without it reads all there is in
    /// one go, and one after it refuses with [`crate::Kind::Changed`] what is large and was touched since.
    ///
    /// # Errors
    /// [`crate::Kind::Changed`] for a condition that does not hold; those of reading.
    fn compare(&mut self, most: u64) -> Result<Compared> {
        let _nothing_is_read = most;
        Ok(Compared::Done)
    }

    /// From now on it may replace nothing, if that was allowed when it began.
    fn refuse_overwrite(&mut self);

    /// Lets the rest come in parts, in any order. The size must have been announced, and what is there already is a
    /// resumed beginning or nothing.
    fn into_parts(self: Box<Self>) -> Result<Box<dyn Staged>>;

    /// All bytes have come and are what was sent: the upload waits for [`super::Store::commit`] of the store that began it.
    fn prepare(self: Box<Self>) -> Prepared;
}
