//! An upload whose bytes come in parts, in any order and several at once: a file in a directory takes writes at
//! offsets, an object store calls it a multipart upload.

use super::Upload;
use crate::error::Result;

/// An upload in parts, made by [`Upload::into_parts`]. Dropped it leaves nothing behind, and its parts fail from then on.
pub trait Staged: Send {
    /// Begins the part of `length` bytes at `offset`. It begins and ends at a multiple of
    /// [`crate::limits::HASH_BLOCK`], or ends with the file: else [`crate::Kind::BadCommand`].
    ///
    /// It may repeat exactly the range of an earlier part, finished or not, and then takes its place: the sender may
    /// have lost the connection of the other one before the receiver knows. Any other overlap is
    /// [`crate::Kind::Exists`].
    fn part(&self, offset: u64, length: u64) -> Result<Box<dyn Part>>;

    /// The upload as if its bytes had come one after the other, to be compared and committed.
    /// [`crate::Kind::Integrity`] if a part is missing or still on its way; then nothing is left.
    fn into_upload(self: Box<Self>) -> Result<Box<dyn Upload>>;

    /// Gives the upload up as [`Upload::keep`] does: its first whole blocks, as far as there is no gap, may be resumed.
    fn keep(self: Box<Self>) -> u64;
}

/// One part on its way. Dropped before it is finished it leaves its range free again.
pub trait Part: Send {
    /// Writes and hashes the next bytes.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;

    /// All of it came; says how much. [`crate::Kind::Integrity`] if it is not as long as announced,
    /// [`crate::Kind::Aborted`] if another part has taken its place or the upload is given up.
    fn finish(self: Box<Self>) -> Result<u64>;
}
