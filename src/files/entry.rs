//! What is in a folder.

use super::{FileIdentity, FileMode, Mtime};

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// A regular file, or a link to one inside the home.
    File,
    /// A folder.
    Directory,
    /// A link that is not followed.
    Link,
    /// A device, pipe or socket: never opened.
    Other,
}

impl EntryKind {
    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            EntryKind::File => "file",
            EntryKind::Directory => "dir",
            EntryKind::Link => "link",
            EntryKind::Other => "other",
        }
    }
}

impl std::str::FromStr for EntryKind {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        [Self::File, Self::Directory, Self::Link, Self::Other].into_iter().find(|kind| kind.word() == word).ok_or(())
    }
}

/// What else there is to know of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Mark {
    /// It is a symbolic link with this text, whatever [`Entry::kind`] says of what it leads to. A server tells no text that leads out of
    /// the home, or to where the user may not look.
    Symlink(#[cfg_attr(feature = "serde", serde(with = "super::serde_forms::bytes"))] Vec<u8>),
    /// A folder that the administrator shares, and that only shows here.
    Shared,
    /// A shared folder of which the user may see what is in it and download none of that.
    #[cfg_attr(feature = "serde", serde(rename = "shared-list-only"))]
    SharedListOnly,
}

impl Mark {
    /// Whether it is a folder that the administrator shares.
    pub fn is_shared(&self) -> bool {
        matches!(self, Mark::Shared | Mark::SharedListOnly)
    }
}

/// One entry of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Entry {
    /// What it is.
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    pub kind: EntryKind,
    /// Bytes of a file; whatever the storage says for the rest.
    pub size: u64,
    /// When it was last modified.
    pub mtime: Mtime,
    /// Who may read, write and run it. Known only if it was asked for.
    pub mode: Option<FileMode>,
    /// It was found not to be what was stored. Known only if it was asked for.
    pub rotten: bool,
    /// What else it is. Known only if it was asked for.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub mark: Option<Mark>,
    /// What tells a file from those that had its name before it, where the storage's listings say so. It is told to nobody else.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub identity: Option<FileIdentity>,
    /// Bytes relative to the listed folder. As the disk has them: they may hold control characters, and whoever
    /// uses them as a path parses them first.
    #[cfg_attr(feature = "serde", serde(with = "super::serde_forms::bytes"))]
    pub path: Vec<u8>,
}
