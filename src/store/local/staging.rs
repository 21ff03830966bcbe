//! Where uploads wait until they are whole: files with names of our own, gone when they are dropped.
//!
//! In a server's home each store has a directory of its own, `.sealift/s-RANDOM`, and holds a lock on it. The lock
//! goes with the process: whoever gets it knows that all in there is left over. Two sessions of one home never meet,
//! neither by name nor on a directory's lock in the kernel.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, fstat, mkdirat, openat, statat, unlinkat};
use rustix::io::Errno;

use super::jail::{Jail, open_directory, split};
use super::{LocalOptions, Staging};
use crate::error::{Error, Result};
use crate::limits;
use crate::proto::RelPath;

/// Beginning of the name of a store's own directory.
const SESSION: &str = "s-";

/// How the name of a file that waits beside its target ends.
pub(super) const BESIDE_END: &[u8] = b".sealift-part";

const CREATE: OFlags =
    OFlags::RDWR.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The staging of one store.
pub(super) struct Stage {
    jail: Arc<Jail>,
    staging: Staging,
    /// Made at the first upload.
    area: Mutex<Option<Arc<Area>>>,
    next: AtomicU64,
}

/// A store's own directory, locked.
struct Area {
    reserved: Dir,
    dir: Arc<Dir>,
    name: String,
}

impl Drop for Area {
    fn drop(&mut self) {
        // Not empty only if something failed to be removed: sweeping at the next start gets it.
        let _ = unlinkat(&self.reserved, &*self.name, AtFlags::REMOVEDIR);
    }
}

/// A staged file. Dropping it removes it unless it was [placed](Temp::placed).
pub(super) struct Temp {
    pub(super) dir: Arc<Dir>,
    pub(super) name: Vec<u8>,
    pub(super) file: File,
    placed: bool,
    /// Keeps the directory's lock, and removes the directory after the last file in it.
    _area: Option<Arc<Area>>,
}

impl Temp {
    /// It has been renamed: no longer ours.
    pub(super) fn placed(&mut self) {
        self.placed = true;
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if !self.placed {
            let _ = unlinkat(&self.dir, &*self.name, AtFlags::empty());
        }
    }
}

impl Stage {
    pub(super) fn new(jail: Arc<Jail>, options: LocalOptions) -> Self {
        Stage { jail, staging: options.staging, area: Mutex::new(None), next: AtomicU64::new(0) }
    }

    /// A new empty file for an upload to `path`, whose parent is `parent`.
    pub(super) fn create(&self, path: &RelPath, parent: &Arc<Dir>) -> Result<Temp> {
        let failed = |err: io::Error| Error::file(path, err);
        match self.staging {
            Staging::Hidden => self.create_hidden().map_err(failed),
            Staging::Beside => {
                let (_, name) = split(path)?;
                self.create_beside(parent, name).map_err(failed)
            }
        }
    }

    fn create_hidden(&self) -> io::Result<Temp> {
        let area = self.area()?;
        let name = self.next.fetch_add(1, Ordering::Relaxed).to_string().into_bytes();
        // The directory is 0700, so the file may have its final mode from the start: the umask is obeyed without
        // asking for it, and a call is saved.
        let made = openat(&*area.dir, &*name, CREATE, Mode::from_raw_mode(0o666));
        if matches!(made, Err(Errno::NOENT)) {
            // Somebody removed the directory meanwhile: the next upload makes another one.
            *self.area.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        Ok(Temp { dir: Arc::clone(&area.dir), name, file: made?.into(), placed: false, _area: Some(area) })
    }

    fn create_beside(&self, parent: &Arc<Dir>, target: &[u8]) -> io::Result<Temp> {
        // What replaces a private file is not shown to others while it waits.
        let mode = match statat(parent, target, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(old) => Mode::from_raw_mode(old.st_mode & 0o666),
            Err(_) => Mode::from_raw_mode(0o666),
        };
        let name = beside(target, &random()?);
        let file = openat(parent, &*name, CREATE, mode | Mode::RUSR | Mode::WUSR)?.into();
        Ok(Temp { dir: Arc::clone(parent), name, file, placed: false, _area: None })
    }

    fn area(&self) -> io::Result<Arc<Area>> {
        let mut area = self.area.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(area) = &*area {
            return Ok(Arc::clone(area));
        }
        let made = Arc::new(new_area(self.jail.root())?);
        *area = Some(Arc::clone(&made));
        Ok(made)
    }
}

fn new_area(root: &Dir) -> io::Result<Area> {
    let reserved = reserved(root)?;
    loop {
        let name = format!("{SESSION}{}", random()?);
        match mkdirat(&reserved, &*name, Mode::RWXU) {
            Err(Errno::EXIST) => continue,
            made => made?,
        }
        let dir = open_directory(&reserved, name.as_bytes())?;
        // Held already: a sweep was faster and removes it. A file system without locks lets no sweep in either.
        if flock(&dir, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
            continue;
        }
        if fstat(&dir)?.st_nlink > 0 {
            return Ok(Area { reserved: reserved.try_clone()?, dir: Arc::new(dir), name });
        }
    }
}

/// The reserved directory of this root, made if missing, a real directory that only we can enter.
fn reserved(root: &Dir) -> io::Result<Dir> {
    match mkdirat(root, limits::RESERVED_NAME, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(err) => return Err(err.into()),
    }
    let dir = open_directory(root, limits::RESERVED_NAME.as_bytes())?;
    if fstat(&dir)?.st_mode & 0o077 != 0 {
        rustix::fs::fchmod(&dir, Mode::RWXU)?;
    }
    Ok(dir)
}

/// `.NAME.MARK.sealift-part`, with the name cut so that the whole fits.
fn beside(target: &[u8], mark: &str) -> Vec<u8> {
    let room = limits::NAME_MAX.saturating_sub(2 + mark.len() + BESIDE_END.len());
    let kept = target.get(..room).unwrap_or(target);
    [b".", kept, b".", mark.as_bytes(), BESIDE_END].concat()
}

/// A name part nobody can guess: 64 random bits.
fn random() -> io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}
