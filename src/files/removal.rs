//! Removing what is in a store: what is kept of it, what is gone, and what is left to do.

use super::RelPath;
use crate::error::Result;

/// What becomes of something that is removed, where such things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep<'a> {
    /// It is kept as what was at this path, beside the one at which it is or this itself.
    As(&'a RelPath),
    /// It is of no use to anybody.
    Nothing,
}

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Removed {
    /// Files, and what else is no folder.
    pub files: u64,
    /// Folders, with the one that all was in.
    pub folders: u64,
}

impl Removed {
    /// One file.
    pub const FILE: Removed = Removed { files: 1, folders: 0 };

    /// One folder, with nothing in it.
    pub const FOLDER: Removed = Removed { files: 0, folders: 1 };

    /// So much.
    pub const fn new(files: u64, folders: u64) -> Removed {
        Removed { files, folders }
    }
}

/// How far a removal has come.
pub enum Removal {
    /// This is gone, and it is over.
    Done(Removed),
    /// It has lost its name, and not all of it is gone.
    Going(Box<dyn Removing>),
}

/// What is being removed and has no name any more. Dropped before it is over it goes on being removed, by whom or what the store
/// thinks fit. If a step fails, the rest gets its name again, unless something else has that by then or nothing of it was to be kept.
pub trait Removing: Send {
    /// One bounded step. Whether it was the last one.
    ///
    /// # Errors
    /// What kept some of it from being removed: there are no more steps then.
    fn step(&mut self) -> Result<bool>;

    /// What is gone so far.
    fn removed(&self) -> Removed;
}
