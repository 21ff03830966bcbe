//! What users do themselves: the passwords that they chose in place of those that the administrator gave them.
//!
//! It is kept in the server's own state folder, a small file for each user, and never gives more than the users file does.
//! What is kept belongs to one entry of the users file, told by its [`EntryTag`]: when the administrator gives the user
//! another password, or removes her and makes her again, the entry is another one and what was kept for it is void.

mod folder;
mod record;
mod sealed;

use std::fmt;
use std::sync::Arc;

pub use folder::StateFolder;
pub(super) use record::Record;

use super::hash::StoredHash;
use crate::hash::Hash;

/// What users may change about their own logins, as the users file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelfService {
    /// Choose another password.
    pub password: bool,
}

impl SelfService {
    /// Everything.
    pub const ALL: SelfService = SelfService { password: true };
    /// Nothing.
    pub const NONE: SelfService = SelfService { password: false };
}

/// Tells one entry of the users file from all others, also from a later one of the same user: it depends on the user's name
/// and on the salted hash of the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntryTag(Hash);

impl EntryTag {
    /// The tag of the entry of this user with this password, or with none.
    pub(super) fn of(name: &str, password: Option<&StoredHash>) -> EntryTag {
        let mut bytes = b"sealift users.toml entry 1".to_vec();
        let parts = password.map(StoredHash::parts);
        let parts = parts.iter().flatten().map(Vec::as_slice);
        for part in [name.as_bytes()].into_iter().chain(parts) {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        EntryTag(Hash::of(&bytes))
    }
}

impl fmt::Display for EntryTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a user did just now: it is on the disk, and not in force yet.
#[derive(Debug)]
pub struct OwnChange {
    /// Whose.
    pub(super) user: String,
    pub(super) record: Record,
}

impl OwnChange {
    /// Whose it is.
    pub fn user(&self) -> &str {
        &self.user
    }
}

/// What a user did, as far as it holds for the entry that the user has now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Own {
    /// Nothing.
    #[default]
    Nothing,
    /// This.
    Is(Arc<Record>),
    /// Something that cannot be read: no password is right until that is mended.
    Damaged,
}
