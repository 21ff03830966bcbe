//! The directory that a store is over: what has the store's path in its tree, at any time.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Stat, fstat, statat};
use rustix::io::Errno;

use super::jail::open_directory;
use super::tree::Tree;
use crate::error::{Error, Result};
use crate::limits;
use crate::sync::RwLock;

/// Where a store is in a tree of folders.
#[derive(Clone, Default)]
pub struct Place {
    /// The tree.
    pub tree: Arc<Tree>,
    /// Where that begins; none if the store is all there is.
    pub start: Option<Arc<Dir>>,
    /// The store's path from there, without links; empty if it is there.
    pub folder: Vec<u8>,
}

/// A directory, for all stores over it. When a store of the same tree moves or removes it, it is what has its name from then
/// on; what other programs do there is seen after [`limits::HANDLE_MAX_AGE`] at the latest.
pub struct Root {
    place: Place,
    current: RwLock<Current>,
}

#[derive(Clone)]
struct Current {
    dir: Arc<Dir>,
    /// When it was found to have the name, and how many moves the tree had seen by then.
    since: Since,
}

/// A moment, as far as it matters to what a handle is worth.
#[derive(Clone, Copy)]
pub(super) struct Since {
    at: Instant,
    moves: u64,
    /// Others move things and do not tell.
    is_across: bool,
}

impl Since {
    /// To be asked before anything is opened: what moves meanwhile makes it void.
    pub(super) fn now(tree: &Tree) -> Since {
        Since { moves: tree.moves(), at: Instant::now(), is_across: tree.is_across() }
    }

    /// Whether a handle that was opened then is still to be used.
    pub(super) fn holds(self, now: Since) -> bool {
        !now.is_across && self.moves == now.moves && now.at.duration_since(self.at) < limits::HANDLE_MAX_AGE
    }
}

impl Root {
    /// A directory that is open, by itself.
    ///
    /// # Errors
    /// That it may not be read.
    pub fn alone(dir: &Dir) -> Result<Root> {
        Root::within(dir, Place::default())
    }

    /// A directory that is open, at its place in a tree.
    ///
    /// # Errors
    /// That it may not be read.
    pub fn within(dir: &Dir, place: Place) -> Result<Root> {
        let since = Since::now(&place.tree);
        // cap-std's own handle can be neither read nor synced.
        let dir = open_directory(dir, b".").map_err(|err| Error::file("the folder", err.into()))?;
        Ok(Root { current: RwLock::new(Current { dir: Arc::new(dir), since }), place })
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The directory. Between two calls it may become another one.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] while nothing has its name, or no directory has.
    pub fn dir(&self) -> io::Result<Arc<Dir>> {
        self.dir_at(Since::now(&self.place.tree)).map(|(dir, _)| dir)
    }

    /// The same for who has asked for the time already; with the time that it is known from.
    pub(super) fn dir_at(&self, now: Since) -> io::Result<(Arc<Dir>, Since)> {
        // Nothing else is known to change a plain mutable value while a lock is held: a panic leaves it whole.
        let current = self.current.read().clone();
        let Some(start) = &self.place.start else { return Ok((current.dir, now)) };
        if current.since.holds(now) {
            return Ok((current.dir, current.since));
        }
        let dir = match self.still_there(start, &current.dir) {
            Ok(true) => current.dir,
            Ok(false) => Arc::new(self.walk(start).map_err(gone)?),
            Err(err) => return Err(gone(err)),
        };
        *self.current.write() = Current { dir: Arc::clone(&dir), since: now };
        Ok((dir, now))
    }

    /// Whether this directory has the name still, by whatever way: one call mostly.
    fn still_there(&self, start: &Dir, dir: &Dir) -> Result<bool, Errno> {
        let there = statat(start, &*self.place.folder, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(is_same_file(&there, &fstat(dir)?))
    }

    /// From single names, so that no link is followed.
    fn walk(&self, start: &Dir) -> Result<Dir, Errno> {
        let mut names = self.place.folder.split(|byte| *byte == b'/');
        let mut dir = open_directory(start, names.next().unwrap_or_default())?;
        for name in names {
            dir = open_directory(&dir, name)?;
        }
        Ok(dir)
    }
}

pub(super) fn is_same_file(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

fn gone(err: Errno) -> io::Error {
    match err {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP => io::Error::new(
            io::ErrorKind::NotFound,
            "your home folder was moved or removed; a new login makes another one",
        ),
        err => err.into(),
    }
}
