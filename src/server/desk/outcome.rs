//! What an operation came to, to be put into the words of its protocol.

use super::jobs::download::Download;
use super::jobs::listing::ListJob;
use super::jobs::work::Work;
use super::locks::Lock;
use super::parts::PartUpload;
use super::running::OperationId;
use super::uploads::Put;
use crate::error::Result;
use crate::files::{
    Committed, FileIdentity, FileMode, Hash, KeptUsage, Meta, Mtime, Partial, RelPath, Removed, StagedId, Stored,
    TrashList, Usage,
};
use crate::server::events::Came;

/// How much room there is in a folder, the home or a shared one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Where the shared folder shows; none: it is the home.
    pub shared: Option<RelPath>,
    /// What counts in the quota that counts there, and how much may.
    pub usage: Option<Usage>,
    /// What of that is kept and goes when there is need, for whoever may list all there is.
    pub kept: Option<KeptUsage>,
    /// What the storage has left for everybody, for whoever may put something there.
    pub free: Option<u64>,
}

/// What an operation that succeeded came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// What is at the path.
    Found {
        /// What is known of it without reading it.
        meta: Meta,
        /// It is known not to be what was stored.
        rotten: bool,
        /// How much room there is where it is, if that was asked for and is for whoever asks.
        room: Option<Box<Room>>,
    },
    /// All of the folder was told of.
    Listed {
        /// How many entries.
        entries: u64,
        /// How many folders could not be read.
        unreadable: u64,
        /// Their names, as far as [`crate::limits::UNREAD_NAMES`] goes.
        unread: Vec<Vec<u8>>,
        /// The first of these, so many, are folders that the user may not list.
        denied: usize,
    },
    /// The bytes were read, and the file stood still.
    Read {
        /// How many.
        size: u64,
        /// The BLAKE3 of them.
        hash: Hash,
    },
    /// The hash of a file.
    Hashed {
        /// Bytes that were hashed.
        size: u64,
        /// The BLAKE3 of them.
        hash: Hash,
        /// When the file was last modified.
        mtime: Mtime,
        /// What tells the file from those that had its name before it, if the store knows that.
        identity: Option<FileIdentity>,
        /// Whether it is as recorded, if all of it was read; not if nothing is recorded.
        record: Option<bool>,
    },
    /// What an interrupted upload left.
    Partial(Partial),
    /// These bytes are right from now on.
    Accepted {
        /// How many, for whoever may know what is there.
        size: Option<u64>,
    },
    /// The file is in its place.
    Stored {
        /// As what.
        committed: Committed,
        /// Bytes that came for it just now.
        came: u64,
    },
    /// The parts may come.
    Staged(StagedId),
    /// The part came.
    PartCame {
        /// Its bytes.
        size: u64,
    },
    /// The staged upload is gone.
    Discarded,
    /// The file has this mode now, for whoever may know what is there.
    ModeSet(Option<FileMode>),
    /// It is gone, and this was all of it; nothing is said of that to whoever may not know what was there.
    Removed(Removed),
    /// The folder is there.
    FolderMade {
        /// How many were made: itself and those above it, but for those that were there.
        made: u64,
    },
    /// What was deleted or replaced and may be listed. And whether nothing is ever kept in the home and what is shared into it.
    Trash(TrashList, bool),
    /// It is there again.
    Restored,
    /// It is gone for good.
    Purged {
        /// How many things were.
        gone: u64,
        /// How many of them may not be listed, and so are not told of.
        unlisted: u64,
        /// Some things there may not be listed, whether or not there are any.
        is_part: bool,
        /// How many more there are, of those that may be listed: they may not go, or could not.
        left: u64,
        /// How many shared folders could not be looked into.
        unreached: u64,
    },
    /// It has the other name, and so much is said of what had it.
    Renamed(Stored),
    /// The properties are kept.
    PropertiesSet,
    /// The lock is the user's now, or still.
    Locked {
        /// The lock.
        lock: Lock,
        /// An empty file was made for it.
        is_new: bool,
    },
    /// The lock is given up.
    Unlocked,
}

impl Outcome {
    /// What is told of it beside its bytes.
    pub(super) fn came(&self) -> Came {
        match self {
            Outcome::Stored { committed, .. } => Came {
                word: committed.stored.word(),
                size: Some(committed.size),
                hash: Some(committed.hash),
                ..Came::DONE
            },
            Outcome::Read { size, hash } | Outcome::Hashed { size, hash, .. } => {
                Came { size: Some(*size), hash: Some(*hash), ..Came::DONE }
            }
            Outcome::Accepted { size } => Came { size: *size, ..Came::DONE },
            Outcome::PartCame { size } => Came { size: Some(*size), ..Came::DONE },
            Outcome::Listed { entries, .. } => Came { entries: Some(*entries), ..Came::DONE },
            Outcome::Removed(Removed { files, folders, .. }) => {
                Came { files: Some(*files), folders: Some(*folders), ..Came::DONE }
            }
            Outcome::Renamed(stored) => Came { word: stored.word(), ..Came::DONE },
            Outcome::Locked { is_new: true, .. } => Came { word: Stored::Created.word(), size: Some(0), ..Came::DONE },
            Outcome::Trash(list, _) => Came { entries: Some(list.entries.len() as u64), ..Came::DONE },
            Outcome::Purged { gone, .. } => Came { entries: Some(*gone), ..Came::DONE },
            Outcome::FolderMade { made } => Came { word: if *made > 0 { "created" } else { "same" }, ..Came::DONE },
            Outcome::Found { .. }
            | Outcome::Partial(_)
            | Outcome::Staged(_)
            | Outcome::Discarded
            | Outcome::ModeSet(_)
            | Outcome::Restored
            | Outcome::PropertiesSet
            | Outcome::Locked { .. }
            | Outcome::Unlocked => Came::DONE,
        }
    }

    /// Whether it says something of what was there before, which is for those alone who may know that.
    pub(super) fn tells_what_is_there(&self) -> bool {
        match self {
            Outcome::Accepted { .. } | Outcome::ModeSet(_) | Outcome::Purged { .. } => true,
            // Who may look, or fetch, has asked for it.
            Outcome::Found { .. } | Outcome::Listed { .. } | Outcome::Read { .. } | Outcome::Hashed { .. } => false,
            Outcome::Trash(..) => false,
            // Of what was sent, or made; and whether the name was free, which whoever gives names is told anyway.
            Outcome::Partial(_) | Outcome::Stored { .. } | Outcome::Staged(_) | Outcome::PartCame { .. } => false,
            Outcome::Discarded | Outcome::Removed(_) | Outcome::FolderMade { .. } | Outcome::Restored => false,
            Outcome::Renamed(_) | Outcome::PropertiesSet | Outcome::Locked { .. } | Outcome::Unlocked => false,
        }
    }

    /// What is told of it to whoever may not know what is there: after all of it was written down.
    pub(super) fn untold(self) -> Outcome {
        match self {
            Outcome::Accepted { .. } => Outcome::Accepted { size: None },
            Outcome::ModeSet(_) => Outcome::ModeSet(None),
            Outcome::Removed(_) => Outcome::Removed(Removed::default()),
            Outcome::Purged { gone, unlisted, is_part, left, unreached } => {
                let gone = gone.saturating_sub(unlisted);
                Outcome::Purged { gone, unlisted: 0, is_part, left, unreached }
            }
            outcome => outcome,
        }
    }

    /// Bytes of files that it moved.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Outcome::Read { size, .. } | Outcome::PartCame { size } => *size,
            Outcome::Stored { came, .. } => *came,
            _ => 0,
        }
    }
}

/// How far an operation has come when the desk has taken it.
pub enum Begun {
    /// It is over, and written down.
    Done(Result<Outcome>),
    /// It is done but for its commit: its outcome comes with those of the batch, and is told as that of this operation.
    Waits(OperationId),
    /// Its bytes are to be pulled.
    Download(Download),
    /// Its entries are to be asked for.
    List(ListJob),
    /// It takes more than one step.
    Work(Work),
    /// Its bytes are to come.
    Put(Put),
    /// The part's bytes are to come.
    Part(PartUpload),
}
