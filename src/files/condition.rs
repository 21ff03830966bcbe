//! What a commit may depend on.

use super::Hash;

/// What must hold for an upload's target at the moment of its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// Nothing: whatever is there is replaced.
    #[default]
    Any,
    /// Nothing may be there.
    Absent,
    /// A file with this BLAKE3 must be there.
    Hash(Hash),
}
