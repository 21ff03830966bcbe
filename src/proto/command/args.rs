//! Arguments of commands that are more than a few: values of their own.

use crate::files::{Condition, Mtime, RelPath, Resume, SourceMode};
use crate::secret::Secret;

/// What HASH is to hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HashOf {
    /// The bytes of the file, as they are read now.
    #[default]
    Bytes,
    /// What was recorded of them, or else the bytes as they are read now: for whoever has bytes of the file to compare with.
    Record,
    /// The bytes of the file, which may become longer meanwhile, as long as it is at the beginning.
    Growing,
    /// What an interrupted upload of this path left.
    Partial,
}

/// The arguments of UPLOAD.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UploadArgs {
    /// Where the file goes.
    pub path: RelPath,
    /// Its whole size in bytes, if the sender knows it.
    pub size: Option<u64>,
    /// The modification time to give it.
    pub mtime: Option<Mtime>,
    /// The mode that the file has at the sender.
    pub mode: Option<SourceMode>,
    /// Bytes that it takes on the sender's disk, if it is sparse: its holes are to stay holes.
    pub allocated: Option<u64>,
    /// What must hold for the target.
    pub condition: Condition,
    /// Where to go on, if an earlier attempt left a part.
    pub resume: Option<Resume>,
}

/// The arguments of STAGE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageArgs {
    /// Where the file goes.
    pub path: RelPath,
    /// Its whole size in bytes.
    pub size: u64,
    /// The modification time to give it.
    pub mtime: Option<Mtime>,
    /// The mode that the file has at the sender.
    pub mode: Option<SourceMode>,
    /// Bytes that it takes on the sender's disk, if it is sparse: its holes are to stay holes.
    pub allocated: Option<u64>,
    /// What must hold for the target.
    pub condition: Condition,
    /// Where to go on, if an earlier attempt left a part.
    pub resume: Option<Resume>,
}

/// The arguments of LINK.
#[derive(Debug, Clone, Default)]
pub struct LinkArgs {
    /// What it leads to; the root is the whole home.
    pub path: RelPath,
    /// It is for files to be put in, and shows nothing; bounded by these, if the maker says so.
    pub inbox: Option<InboxArgs>,
    /// What it is called.
    pub name: Option<String>,
    /// When it ends; none: when the server thinks fit.
    pub expires: Option<LinkEnd>,
    /// What whoever has it must know beside.
    pub password: Option<Secret>,
    /// How often it may be downloaded.
    pub downloads: Option<u64>,
}

/// What bounds a link that files are put in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InboxArgs {
    /// Bytes of all files together.
    pub bytes: Option<u64>,
    /// Files.
    pub files: Option<u64>,
}

/// When a link ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEnd {
    /// Never by itself.
    Never,
    /// So many seconds after 1970.
    At(u64),
}
