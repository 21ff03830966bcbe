//! Where an upload goes on.

use super::Hash;

/// Where a resumed upload goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    /// Bytes that are already there.
    pub offset: u64,
    /// BLAKE3 of those bytes, as the sender has them.
    pub prefix: Hash,
}
