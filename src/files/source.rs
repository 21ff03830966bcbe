//! An open file of a store, and what is recorded of its bytes.

use std::fs::File;

use super::{Change, FileIdentity, Hash, Meta};
use crate::error::Result;

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

/// An open file.
pub trait Source: Send {
    /// What it was when it was opened.
    fn meta(&self) -> Meta;

    /// Bytes that it takes where it is kept, if it has holes: less than its size.
    fn allocated(&self) -> Option<u64>;

    /// What tells it from those that had its name before it, if the store knows that. At most one system call.
    fn identity(&self) -> Option<FileIdentity>;

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

    /// The file itself, where the store keeps each in one of the system's: for whoever can have the system copy it.
    fn as_file(&self) -> Option<&File> {
        None
    }

    /// Says that so many bytes from this offset on are read next, in order: a store far away may begin to fetch them.
    /// Only a hint, and never waited for.
    fn expect(&mut self, offset: u64, length: u64) {
        let _not_needed = (offset, length);
    }

    /// Has what is read next come from the disk, as far as the system can be asked to, and not from memory.
    fn forget_cached(&self);

    /// Reads at this offset, at most as many bytes as the buffer holds. 0 only at the end of the file; fewer bytes
    /// than asked for only there.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize>;
}
