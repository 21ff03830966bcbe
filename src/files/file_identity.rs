//! What tells a file from those that had its name before it.

use std::fmt;

use super::Hash;

/// What tells a file from every other that had its name before it, or will have it, also where sizes and times are the same: whoever
/// stores a file says what time it has. It stays what it is when the file's attributes change, and says nothing by itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FileIdentity(u64);

impl FileIdentity {
    /// That of the file which its storage knows by this.
    pub fn of(known_by: &[u8]) -> FileIdentity {
        let [a, b, c, d, e, f, g, h, ..] = *Hash::of(known_by).as_bytes();
        FileIdentity(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }
}

impl fmt::Display for FileIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}
