//! What somebody asks of the server, whatever protocol it came by: no wire syntax, no verbs.

use std::time::Duration;

use super::locks::{LockToken, Terms};
use crate::files::{Hash, Mtime, RelPath, Resume, SourceMode, StagedId, TrashId, UploadSpec};

/// An operation on files of somebody who is logged in. The gate decides over it, and the desk does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// What is at a path.
    Stat(RelPath),
    /// What is in a folder.
    List {
        /// The folder.
        path: RelPath,
        /// With all below it.
        recursive: bool,
        /// Saying which files are rotten.
        rotten: bool,
        /// Saying the modes of all.
        modes: bool,
        /// Saying which are links, and which folders are shared ones.
        marks: bool,
    },
    /// The bytes of a file, or a range of them.
    Read {
        /// The file.
        path: RelPath,
        /// The first byte.
        offset: u64,
        /// How many; to the end if absent. Cut at the end of the file.
        length: Option<u64>,
        /// It may become longer meanwhile, and is read as long as it is at the beginning.
        growing: bool,
    },
    /// The hash of a file, or of its first bytes.
    Hash {
        /// The file.
        path: RelPath,
        /// How many bytes; all if absent.
        length: Option<u64>,
        /// What may stand for them.
        of: Hashing,
    },
    /// What an interrupted upload of this path left.
    FindPartial(RelPath),
    /// The bytes of a file are right as they are now, whatever was recorded.
    Accept(RelPath),
    /// A file, whose bytes follow.
    Put {
        /// Where it goes.
        path: RelPath,
        /// What is known of it beforehand. Whether it may replace a file is the gate's to say.
        spec: UploadSpec,
        /// Where to go on, if an earlier attempt left a part.
        resume: Option<Resume>,
    },
    /// A file whose bytes follow in parts.
    Stage {
        /// Where it goes.
        path: RelPath,
        /// As for [`Op::Put`], with its size.
        spec: UploadSpec,
        /// Where to go on, if an earlier attempt left a part.
        resume: Option<Resume>,
    },
    /// A part of a staged file, whose bytes follow.
    Part {
        /// The staged file.
        id: StagedId,
        /// Where the part begins.
        offset: u64,
        /// Its bytes.
        length: u64,
    },
    /// All parts have come: the file goes to its place.
    Commit {
        /// The staged file.
        id: StagedId,
        /// The BLAKE3 of all of it, as its sender has it.
        hash: Hash,
    },
    /// A staged file is given up.
    Discard(StagedId),
    /// A file gets another mode.
    SetMode {
        /// The file.
        path: RelPath,
        /// The mode of its source.
        mode: SourceMode,
    },
    /// A file, an empty folder, or a tree goes.
    Remove {
        /// What.
        path: RelPath,
        /// A folder with all in it.
        recursive: bool,
        /// Nothing of it is kept in the trash.
        for_good: bool,
    },
    /// A new folder.
    MakeFolder {
        /// Where.
        path: RelPath,
        /// Those above it too, and no error if it is there.
        parents: bool,
    },
    /// Another name.
    Rename {
        /// What.
        from: RelPath,
        /// Where to.
        to: RelPath,
        /// A file that is there is replaced.
        replace: bool,
    },
    /// Something takes the place of a folder, or a folder that of anything; what was there is gone, with all in it.
    Supersede {
        /// What.
        from: RelPath,
        /// Where to.
        to: RelPath,
    },
    /// What was deleted or replaced at this path and below it.
    ListTrash(RelPath),
    /// Something that was deleted or replaced comes back.
    Restore {
        /// What it was called.
        path: RelPath,
        /// Which.
        id: TrashId,
        /// What it is called from now on.
        to: RelPath,
    },
    /// What was deleted or replaced goes for good.
    Purge {
        /// What it was called.
        path: RelPath,
        /// Which; none: all of that path and below it.
        id: Option<TrashId>,
    },
    /// A copy of a file, with its time and mode.
    Copy {
        /// The file.
        from: RelPath,
        /// What the copy is called.
        to: RelPath,
        /// A file that is there is replaced.
        replace: bool,
    },
    /// A client keeps these with a file or folder, or none any more of a name, beside what it keeps there already.
    SetProperties {
        /// The file or folder.
        path: RelPath,
        /// Values by names; none: it goes.
        changes: Vec<(String, Option<String>)>,
        /// A file counts as last modified then. Folders have the time of their last change, whatever is said.
        mtime: Option<Mtime>,
    },
    /// A lock of a file or folder; if nothing is there, an empty file is made for it.
    Lock {
        /// Of what.
        path: RelPath,
        /// Of which kind.
        terms: Terms,
    },
    /// A lock that is presented lasts for so long from now on.
    RenewLock {
        /// Something that it is of.
        path: RelPath,
        /// How long.
        lasts: Duration,
    },
    /// A lock is given up.
    Unlock {
        /// Something that it is of.
        path: RelPath,
        /// Which one.
        token: LockToken,
    },
}

/// What may stand for the bytes of a file that is to be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hashing {
    /// Nothing: they are read now.
    #[default]
    Bytes,
    /// What was recorded of them: for whoever has bytes of the file to compare with.
    Record,
    /// They are read now, and the file may become longer meanwhile, as long as it is at the beginning.
    Growing,
}

impl Op {
    /// The path it works on, the first if it has two. None for what is found by another name, as a staged upload is.
    pub fn path(&self) -> Option<&RelPath> {
        match self {
            Op::Stat(path)
            | Op::FindPartial(path)
            | Op::Accept(path)
            | Op::List { path, .. }
            | Op::Read { path, .. }
            | Op::Hash { path, .. }
            | Op::Put { path, .. }
            | Op::Stage { path, .. }
            | Op::SetMode { path, .. }
            | Op::SetProperties { path, .. }
            | Op::Lock { path, .. }
            | Op::RenewLock { path, .. }
            | Op::Unlock { path, .. }
            | Op::Remove { path, .. }
            | Op::MakeFolder { path, .. }
            | Op::Rename { from: path, .. }
            | Op::Supersede { from: path, .. }
            | Op::ListTrash(path)
            | Op::Restore { path, .. }
            | Op::Purge { path, .. }
            | Op::Copy { from: path, .. } => Some(path),
            Op::Part { .. } | Op::Commit { .. } | Op::Discard(_) => None,
        }
    }

    /// The other path, if it has two.
    pub(super) fn other_path(&self) -> Option<&RelPath> {
        match self {
            Op::Rename { to, .. } | Op::Supersede { to, .. } | Op::Copy { to, .. } | Op::Restore { to, .. } => Some(to),
            _ => None,
        }
    }

    /// Whether its commit may wait for those right behind it: every other operation sees all earlier ones done.
    pub(super) fn shares_syncs(&self) -> bool {
        matches!(self, Op::Put { .. } | Op::MakeFolder { .. } | Op::Copy { .. })
    }
}
