//! What tells a file from those that had its name before it.

use std::fmt;

use super::Hash;

/// What tells a file from every other that had its name before it, or will have it, also where sizes and times are the same: whoever
/// stores a file says what time it has. It stays what it is when the file's attributes change, and says nothing by itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Identity(u64);

impl Identity {
    /// That of the file which its storage knows by this.
    pub fn of(known_by: &[u8]) -> Identity {
        let [a, b, c, d, e, f, g, h, ..] = *Hash::of(known_by).as_bytes();
        Identity(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}
