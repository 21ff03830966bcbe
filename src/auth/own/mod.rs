//! What users do themselves: the passwords that they chose in place of those that the administrator gave them, the keys
//! that they enrolled, and the invitations to do so; and the links that they made.
//!
//! It is kept in the server's own state folder, a small file for each user, and never gives more than the users file does.
//! What is kept belongs to one entry of the users file, told by its [`EntryTag`]: when the administrator gives the user
//! another password, or removes her and makes her again, the entry is another one and what was kept for it is void. What
//! was done by proof of a key that the administrator gave holds, moreover, as long as that key does, and no farther.

mod changes;
mod clock;
mod folder;
mod given_out;
mod incoming;
mod invitation;
mod key;
mod left;
mod link;
mod links;
mod proof_basis;
mod record;
mod sealed;
mod users;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

pub use changes::{Followed, Turn, still_changing};
pub use clock::Clock;
pub use folder::StateFolder;
pub use given_out::GivenOut;
pub use incoming::LINK_IS_FULL;
pub use invitation::Invitation;
pub(super) use invitation::used;
pub use key::EnrolledKey;
pub(super) use key::OwnKey;
pub use link::{InboxBounds, Link, LinkFolder, LinkTag, LinkTerms, LinkTo, LinkUse};
pub use links::{AtLink, LinkShown, Links};
pub(super) use record::Record;

use rustix::io::Errno;

use super::Principal;
use super::hash::StoredHash;
use crate::error::Error;
use crate::files::Hash;

/// What users may change about their own logins, as the users file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelfService {
    /// Choose another password.
    pub password: bool,
    /// Enrol keys, and revoke those.
    pub keys: bool,
}

impl SelfService {
    /// Everything.
    pub const ALL: SelfService = SelfService { password: true, keys: true };
    /// Nothing.
    pub const NONE: SelfService = SelfService { password: false, keys: false };
}

/// Tells one entry of the users file from all others, also from a later one of the same user: it depends on the user's name
/// and on what the file has that no other entry has: the salted hash of the password, and the `id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntryTag(Hash);

impl EntryTag {
    /// The tag of the entry of this user with this password and this `id`. With neither it is the tag of every such entry
    /// of the user: nothing may be kept for those.
    pub(super) fn of(name: &str, password: Option<&StoredHash>, id: Option<&str>) -> EntryTag {
        let mut bytes = b"sealift users.toml entry 1".to_vec();
        // Another number of parts for each case, so that none is taken for another one.
        let mut parts = password.map_or_else(|| vec![Vec::new()], |password| password.parts().to_vec());
        parts.extend(id.map(|id| id.as_bytes().to_vec()));
        let parts = parts.iter().map(Vec::as_slice);
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
    /// What it is about.
    pub(super) what: Changed,
    /// The invitation that it used up.
    pub(super) invitation: Option<String>,
}

/// What a user changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    /// The password, by somebody at this address.
    Password(IpAddr),
    /// The keys.
    Keys,
}

/// The users after a change, and who somebody is who has the new password.
pub(super) type After = (super::Users, Option<Principal>);

impl OwnChange {
    /// The invitation that it used up, whose file is of no more use when the change is in force.
    pub fn invitation(&self) -> Option<&str> {
        self.invitation.as_deref()
    }

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

/// Users are told of it, and not where the server keeps it: the log is.
fn for_users(error: Error) -> Error {
    let Some(cause) = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<io::Error>()) else {
        return error;
    };
    tracing::warn!(%error, "what is kept of users cannot be changed");
    let cause = match Errno::from_io_error(cause) {
        Some(errno) => errno.into(),
        None => io::Error::new(cause.kind(), cause.to_string()),
    };
    Error::file("what the server keeps of users", cause)
}
