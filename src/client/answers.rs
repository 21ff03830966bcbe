//! What a server answers, as values.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::files::{EntryKind, FileMode, Hash, Mtime, RelPath};
use crate::proto::InboxArgs;
use crate::tls::Pin;

/// A session's number; written as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The text is not a session's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session is written as 16 hexadecimal digits")]
pub struct BadSessionId;

impl FromStr for SessionId {
    type Err = BadSessionId;

    fn from_str(text: &str) -> Result<Self, BadSessionId> {
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(BadSessionId);
        }
        u64::from_str_radix(text, 16).map(SessionId).map_err(|_| BadSessionId)
    }
}

#[cfg(feature = "serde")]
crate::files::serde_forms::as_text! {
    SessionId, "a session of 16 hexadecimal digits";
}

/// Who answered: every final reply after login says so, success or failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Ids {
    /// The server's process.
    pub pid: u32,
    /// The session on it.
    pub session: SessionId,
}

/// A login that worked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Welcome {
    /// The user as the server knows it.
    pub user: String,
    /// What the user may do, as the server words it: `full`, `read` or a list.
    pub access: String,
    /// The pin of the key that the server says it will have next.
    pub next_pin: Option<Pin>,
    /// The fingerprint of the key that logged in, if it was one and the server says so.
    pub key: Option<String>,
    /// Uploads that are cut off are kept there to be gone on with, as far as the server does not say otherwise.
    pub keeps_uploads: bool,
    /// What the link leads to, if that is what logged in.
    pub link: Option<LinkTarget>,
    /// Who answered.
    pub ids: Ids,
    /// The server's words for a person. From outside: escape before showing.
    pub text: String,
}

/// What a link leads to. All of it is from outside: escape before showing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkTarget {
    /// `file`, `folder` or `drop`.
    pub kind: String,
    /// What it is called where it is; the name of a file is the one that it has here. Of a `drop` nothing is told.
    pub name: Vec<u8>,
    /// What one that files are put in by takes in all.
    pub takes: Option<InboxArgs>,
}

/// A file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Stat {
    /// What it is.
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    pub kind: EntryKind,
    /// Bytes; 0 for what is not a file.
    pub size: u64,
    /// When it was last modified.
    pub mtime: Mtime,
    /// Who may read, write and run it; nothing if the server does not say.
    pub mode: Option<FileMode>,
    /// Its bytes were found not to be those that were stored.
    pub rotten: bool,
}

/// How much room there is in a folder, one's own or a shared one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Room {
    /// Where the shared folder shows; none: it is one's own.
    pub shared: Option<RelPath>,
    /// The most bytes that may count there, if there is a bound: of the shared folder, or of whoever puts something there.
    pub quota: Option<u64>,
    /// What counts in that.
    pub used: Option<u64>,
    /// How much of that is in the trash, by servers that tell it.
    pub trash: Option<u64>,
    /// How much of that is kept of interrupted uploads, by servers that tell it.
    pub interrupted: Option<u64>,
    /// Bytes that the disk has left for everybody; said to who may upload there, by servers that know it.
    pub free: Option<u64>,
}

/// A hash made by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Hashed {
    /// Bytes hashed.
    pub size: u64,
    /// Their BLAKE3.
    pub hash: Hash,
    /// When the file was last modified.
    pub mtime: Mtime,
    /// Whether all of the file was read and is as it was recorded; `false` if nothing is recorded, nothing if the
    /// server does not say.
    pub confirmed: Option<bool>,
}

/// A transfer that is done and verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Transferred {
    /// Bytes transferred.
    pub size: u64,
    /// Their BLAKE3.
    pub hash: Hash,
    /// Who answered.
    pub ids: Option<Ids>,
}

/// The answer to PING.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Ping {
    /// Who answered.
    pub ids: Ids,
    /// From the call until the answer was there.
    pub round_trip: Duration,
}

/// The answer to STATUS.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Status {
    /// The user logged in.
    pub user: String,
    /// What the user may do.
    pub access: String,
    /// Connections the server has.
    pub connections: u64,
    /// How long the server runs.
    pub uptime: Duration,
    /// The server's version.
    pub version: String,
    /// Whether the server can use its users file: `current` or `outdated`; nothing if it does not say.
    pub users: Option<String>,
    /// The most bytes that the user's files may have, if there is a bound.
    pub quota: Option<u64>,
    /// What counts in that: the bytes of the user's own files, and of what is in their trash. Older servers do not say.
    pub used: Option<u64>,
    /// Bytes that the server's disk has left for everybody; said to who may upload, by servers that know it.
    pub free: Option<u64>,
    /// What the server is called among several that serve the same folder, if it is one of such.
    pub node: Option<String>,
    /// How it is placed among them: `held`; `unsure` while it refuses what rests on what the others change; `lost` while it changes nothing.
    pub place: Option<String>,
    /// Whether the storage answers that files are in, where it is not on the server's machine: `answering` or `silent`.
    pub storage: Option<String>,
    /// For how long that has been so.
    pub storage_for: Option<Duration>,
    /// To an administrator: requests to that storage that failed, since the server's start. Most were repeated.
    pub storage_failed: Option<u64>,
    /// To an administrator: how many users the last change of that file took away, if those were most.
    pub lost: Option<u64>,
}

/// One session, as an administrator sees it. The texts are from outside: escape before showing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its number.
    pub id: SessionId,
    /// Who is logged in.
    pub user: String,
    /// What the key that logged in is called; none if a password did, or the server does not say.
    pub key: Option<String>,
    /// Where from.
    pub peer: String,
    /// When it began.
    pub since: Mtime,
    /// What it does now.
    pub doing: String,
    /// Bytes of files that it has moved so far, either way; older servers do not say.
    pub bytes: Option<u64>,
}
