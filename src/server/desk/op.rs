//! What somebody asks of the server, whatever protocol it came by: no wire syntax, no verbs.

use std::time::Duration;

use super::action::Action;
use super::gate::{self, Extent, Need};
use super::locks::{LockToken, Terms};
use crate::auth::Access;
use crate::files::{Condition, Hash, Mtime, RelPath, Resume, SourceMode, StagedId, TrashId, UploadSpec};

/// An operation on files of somebody who is logged in. The gate decides over it, and the desk does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// What is at a path.
    Stat(RelPath),
    /// What is at a path, and how much room there is in the folder that it is in, the home or a shared one.
    StatWithRoom(RelPath),
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
    /// A file gets another mode, or a folder another time and perhaps mode.
    SetMode {
        /// The file or folder.
        path: RelPath,
        /// The mode of its source.
        mode: SourceMode,
        /// The time of its source, of a folder alone.
        mtime: Option<Mtime>,
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
        /// What must be at `to` when the copy takes its place: whatever there is, nothing, or the file with these bytes.
        over: Condition,
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

/// All that the desk has to know of an operation before it begins, in one place: whoever asks what it needs, whose locks stand against
/// it or what it is called in the log asks here. What it does is `Desk::begin`'s to say.
pub(super) struct Facts<'a> {
    /// What it is, for the log, the audit and the metrics.
    pub action: Action,
    /// The path it works on, the first if it has two. None for what is found by another name, as a staged upload is.
    pub path: Option<&'a RelPath>,
    /// The other path, if it has two.
    pub other_path: Option<&'a RelPath>,
    /// What it needs, as the gate asks.
    pub need: Need<'a>,
    /// What it writes, for the locks that are asked before it begins.
    pub writes: Writes<'a>,
    /// The rights that it takes also where links on the way to its path lead. None for what does nothing through a link, or asks by itself.
    pub rights_behind_links: Option<Access>,
    /// Whether its commit may wait for those right behind it: every other operation sees all earlier ones done.
    pub shares_syncs: bool,
}

/// What an operation writes, as far as its locks are asked before it begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Writes<'a> {
    /// Nothing; or what has no name, is found by its id and looked at when it goes to its place, or is a lock itself.
    Nothing,
    /// A file that comes: a new name in its folder, or what is there already.
    Upload(&'a RelPath),
    /// What is there.
    Itself(&'a RelPath),
    /// A name in its folder.
    Member(&'a RelPath),
    /// What is there, with all in it.
    Tree(&'a RelPath),
    /// What is there, with all in it, at two paths.
    Trees(&'a RelPath, &'a RelPath),
}

impl<'a> Facts<'a> {
    fn new(action: Action, path: &'a RelPath, need: Need<'a>, writes: Writes<'a>) -> Self {
        let (path, other_path) = (Some(path), None);
        Facts { action, path, other_path, need, writes, rights_behind_links: None, shares_syncs: false }
    }

    /// Of what has no path.
    fn staged(action: Action) -> Self {
        let (path, other_path, need) = (None, None, gate::somewhere(Access::UPLOAD));
        Facts {
            action,
            path,
            other_path,
            need,
            writes: Writes::Nothing,
            rights_behind_links: None,
            shares_syncs: false,
        }
    }

    fn to(self, other_path: &'a RelPath) -> Self {
        Facts { other_path: Some(other_path), ..self }
    }

    fn behind_links(self, rights: Access) -> Self {
        Facts { rights_behind_links: Some(rights), ..self }
    }

    fn sharing_syncs(self) -> Self {
        Facts { shares_syncs: true, ..self }
    }
}

impl Op {
    /// What there is to know of it.
    pub(super) fn facts(&self) -> Facts<'_> {
        use Extent::{Itself, Moved, Somewhere, Tree};
        // As good as putting a file, or its bytes, in its own place, with another mode, time, or properties.
        const CHANGE: Access = Access::UPLOAD.union(Access::OVERWRITE);
        // What brings back what was deleted: as if it were put there anew, whether it is a file or a folder.
        const BACK: Access = gate::BRING_BACK;
        let at = |path, rights, extent| gate::need_at((path, rights, extent), None);
        let between = |from, to| gate::need_at(from, Some(to));
        let over = |replace| if replace { Access::OVERWRITE } else { Access::NONE };
        match self {
            Op::Stat(path) | Op::StatWithRoom(path) => {
                Facts::new(Action::Stat, path, at(path, Access::LIST, Itself), Writes::Nothing)
            }
            Op::List { path, .. } => Facts::new(Action::List, path, at(path, Access::LIST, Itself), Writes::Nothing)
                .behind_links(Access::LIST),
            Op::Read { path, .. } => {
                let need = at(path, Access::DOWNLOAD, Itself);
                Facts::new(Action::Download, path, need, Writes::Nothing).behind_links(Access::DOWNLOAD)
            }
            Op::Hash { path, .. } => {
                let need = at(path, Access::DOWNLOAD, Itself);
                Facts::new(Action::Hash, path, need, Writes::Nothing).behind_links(Access::DOWNLOAD)
            }
            Op::FindPartial(path) => {
                Facts::new(Action::FindPartial, path, at(path, Access::UPLOAD, Itself), Writes::Nothing)
            }
            Op::Accept(path) => {
                let need = at(path, CHANGE, Itself);
                Facts::new(Action::Accept, path, need, Writes::Itself(path)).behind_links(CHANGE)
            }
            Op::Put { path, spec, .. } => {
                let need = at(path, uploading(spec.condition), Itself);
                Facts::new(Action::Upload, path, need, Writes::Upload(path)).sharing_syncs()
            }
            Op::Stage { path, spec, .. } => {
                Facts::new(Action::Stage, path, at(path, uploading(spec.condition), Itself), Writes::Upload(path))
            }
            Op::Part { .. } => Facts::staged(Action::Part),
            Op::Commit { .. } => Facts::staged(Action::Commit),
            Op::Discard(_) => Facts::staged(Action::Discard),
            Op::SetMode { path, .. } => {
                Facts::new(Action::SetMode, path, at(path, CHANGE, Itself), Writes::Itself(path)).sharing_syncs()
            }
            Op::SetProperties { path, .. } => {
                Facts::new(Action::SetProperties, path, at(path, CHANGE, Itself), Writes::Itself(path))
            }
            Op::Remove { path, recursive, .. } => {
                let extent = if *recursive { Tree } else { Itself };
                Facts::new(Action::Delete, path, at(path, Access::DELETE, extent), Writes::Tree(path))
            }
            // Of the folders above, which `parents` makes if they are missing, the desk asks too.
            Op::MakeFolder { path, .. } => {
                let need = at(path, Access::MKDIR, Itself);
                Facts::new(Action::MakeFolder, path, need, Writes::Member(path)).sharing_syncs()
            }
            Op::Rename { from, to, replace } => {
                let rights = Access::RENAME.union(over(*replace));
                let need = between((from, Access::RENAME, Moved), (to, rights, Moved));
                Facts::new(Action::Rename, from, need, Writes::Trees(from, to)).to(to)
            }
            // What is there is removed.
            Op::Supersede { from, to } => {
                let rights = Access::RENAME.union(Access::DELETE);
                let need = between((from, Access::RENAME, Moved), (to, rights, Moved));
                Facts::new(Action::Supersede, from, need, Writes::Trees(from, to)).to(to)
            }
            // Of what was at other paths the desk asks for each.
            Op::ListTrash(path) => Facts::new(Action::ListTrash, path, Need::Gone(path), Writes::Nothing),
            Op::Restore { path, to, .. } => {
                let need = between((path, BACK, Moved), (to, BACK, Moved));
                Facts::new(Action::Restore, path, need, Writes::Tree(to)).to(to).sharing_syncs()
            }
            // Of all that is kept goes what may: the desk asks for each. Nothing there has a name.
            Op::Purge { path, id } => {
                let extent = if id.is_some() { Tree } else { Somewhere };
                Facts::new(Action::Purge, path, at(path, Access::DELETE, extent), Writes::Nothing)
            }
            // As if it had been downloaded and uploaded again.
            Op::Copy { from, to, over: condition } => {
                let rights = uploading(*condition).union(over(*condition != Condition::Absent));
                let need = between((from, Access::DOWNLOAD, Itself), (to, rights, Itself));
                let facts = Facts::new(Action::Copy, from, need, Writes::Tree(to)).to(to);
                facts.behind_links(Access::DOWNLOAD).sharing_syncs()
            }
            // What is there already can be locked only by who may overwrite it: the desk asks for that too.
            Op::Lock { path, .. } => Facts::new(Action::Lock, path, at(path, Access::UPLOAD, Itself), Writes::Nothing),
            Op::RenewLock { path, .. } => {
                Facts::new(Action::RenewLock, path, at(path, Access::UPLOAD, Itself), Writes::Nothing)
            }
            Op::Unlock { path, .. } => {
                Facts::new(Action::Unlock, path, at(path, Access::UPLOAD, Itself), Writes::Nothing)
            }
        }
    }

    /// The path it works on, the first if it has two. None for what is found by another name, as a staged upload is.
    pub fn path(&self) -> Option<&RelPath> {
        self.facts().path
    }
}

/// The rights that a file takes which comes. Whether a file has this hash tells what is in it to whoever guesses.
fn uploading(condition: Condition) -> Access {
    match condition {
        Condition::Hash(_) => Access::UPLOAD.union(Access::DOWNLOAD),
        _ => Access::UPLOAD,
    }
}
