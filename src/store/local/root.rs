//! The directory that a store is over: what has the store's path in its tree, at any time.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Stat, fstat, stat, statat};
use rustix::io::Errno;

use super::jail::open_directory;
use super::tree::Tree;
use crate::error::{Error, Result};
use crate::limits;
use crate::sync::RwLock;

/// Where a store is in a tree of folders.
#[derive(Clone, Default)]
pub struct PlaceInTree {
    /// The tree.
    pub tree: Arc<Tree>,
    /// Where that begins; none if the store is all there is.
    pub start: Option<Arc<Dir>>,
    /// The store's path from there, without links; empty if it is there.
    pub folder: Vec<u8>,
    /// Where the store is on this machine, if it is all there is and something else may come to have its path.
    pub elsewhere: Option<Arc<Elsewhere>>,
}

/// The path of a directory on this machine: what has it may be replaced, and a disk may be mounted over it.
pub struct Elsewhere {
    path: PathBuf,
    open: Box<Open>,
    /// That it cannot be used was told.
    is_told: AtomicBool,
}

/// Opens what has a path, if it may be used.
type Open = dyn Fn() -> Result<Dir> + Send + Sync;

impl Elsewhere {
    /// This path. Where another directory has it, that is opened in this way, which checks all that is to be checked of it.
    pub fn new(path: PathBuf, open: impl Fn() -> Result<Dir> + Send + Sync + 'static) -> Elsewhere {
        Elsewhere { path, open: Box::new(open), is_told: AtomicBool::new(false) }
    }

    /// What has the path, which this directory had before.
    ///
    /// # Errors
    /// [`io::ErrorKind::StaleNetworkFileHandle`] if that is nothing that may be used.
    fn now(&self, before: &Arc<Dir>) -> io::Result<Arc<Dir>> {
        // What is gone at a server of a network's file system cannot be looked at any more, and is another one.
        let there = stat(&self.path).map(|there| fstat(before).is_ok_and(|before| is_same_file(&there, &before)));
        let found = match there {
            Ok(true) => Ok(Arc::clone(before)),
            // As in `Root::within`: cap-std's own handle can be neither read nor synced.
            Ok(false) => (self.open)().and_then(|dir| {
                let dir = open_directory(&dir, b".").map_err(|err| Error::file(self.path.display(), err.into()))?;
                Ok(Arc::new(dir))
            }),
            Err(err) => Err(Error::file(self.path.display(), err.into())),
        };
        match found {
            Ok(dir) => {
                self.is_told.store(false, Ordering::Relaxed);
                Ok(dir)
            }
            Err(error) => {
                if !self.is_told.swap(true, Ordering::Relaxed) {
                    #[cfg(feature = "server")]
                    tracing::warn!(path = %self.path.display(), %error, "a shared folder cannot be used any more");
                    #[cfg(not(feature = "server"))]
                    drop(error);
                }
                // Where it is on the machine is not for its users.
                let text = "this shared folder cannot be used now; the server's log says why";
                Err(io::Error::new(io::ErrorKind::StaleNetworkFileHandle, text))
            }
        }
    }
}

/// A directory, for all stores over it. When a store of the same tree moves or removes it, it is what has its name from then
/// on; what other programs do there is seen after [`limits::HANDLE_MAX_AGE`] at the latest.
pub struct Root {
    place: PlaceInTree,
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
        Root::within(dir, PlaceInTree::default())
    }

    /// A directory that is open, at its place in a tree.
    ///
    /// # Errors
    /// That it may not be read.
    pub fn within(dir: &Dir, place: PlaceInTree) -> Result<Root> {
        let since = Since::now(&place.tree);
        // cap-std's own handle can be neither read nor synced.
        let dir = open_directory(dir, b".").map_err(|err| Error::file("the folder", err.into()))?;
        Ok(Root { current: RwLock::new(Current { dir: Arc::new(dir), since }), place })
    }

    /// Where it is.
    pub fn place(&self) -> &PlaceInTree {
        &self.place
    }

    /// The directory. Between two calls it may become another one.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] while nothing has its name, or no directory has.
    pub fn dir(&self) -> io::Result<Arc<Dir>> {
        self.dir_at(Since::now(&self.place.tree)).map(|(dir, _)| dir)
    }

    /// The directory, looked at now, however short ago that was done before.
    ///
    /// # Errors
    /// As [`Root::dir`].
    pub fn dir_now(&self) -> io::Result<Arc<Dir>> {
        self.look(Since::now(&self.place.tree)).map(|(dir, _)| dir)
    }

    /// The directory, for who has asked for the time already; with the time that it is known from.
    pub(super) fn dir_at(&self, now: Since) -> io::Result<(Arc<Dir>, Since)> {
        // Nothing else is known to change a plain mutable value while a lock is held: a panic leaves it whole.
        let current = self.current.read().clone();
        if self.place.start.is_none() && self.place.elsewhere.is_none() {
            return Ok((current.dir, now));
        }
        if current.since.holds(now) {
            return Ok((current.dir, current.since));
        }
        self.look(now)
    }

    /// Looks what has its name.
    fn look(&self, now: Since) -> io::Result<(Arc<Dir>, Since)> {
        let before = self.current.read().dir.clone();
        let dir = match (&self.place.start, &self.place.elsewhere) {
            (Some(start), _) => match self.still_there(start, &before) {
                Ok(true) => Arc::clone(&before),
                Ok(false) => Arc::new(self.walk(start).map_err(gone)?),
                Err(err) => return Err(gone(err)),
            },
            (None, Some(elsewhere)) => elsewhere.now(&before)?,
            (None, None) => Arc::clone(&before),
        };
        if !Arc::ptr_eq(&dir, &before) {
            self.place.tree.is_another(&self.place.folder);
        }
        *self.current.write() = Current { dir: Arc::clone(&dir), since: now };
        Ok((dir, now))
    }

    /// Whether this directory has the name still, by whatever way: one call mostly.
    fn still_there(&self, start: &Dir, dir: &Dir) -> Result<bool, Errno> {
        let there = statat(start, &*self.place.folder, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(fstat(dir).is_ok_and(|dir| is_same_file(&there, &dir)))
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
