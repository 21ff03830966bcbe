//! Where uploads wait until they are whole: files without a name, or with one of our own, gone when they are dropped.
//!
//! A file too small to be resumed has no name at all before it is put in its place ([`super::unnamed`]): nothing of it
//! can be seen or be left over. The others, and all where the file system cannot do that, have one:
//!
//! In a server's home each store has a directory of its own, `.sealift/s-RANDOM`, and holds a lock on it. The lock
//! goes with the process: whoever gets it knows that all in there is left over. Two sessions of one home never meet,
//! neither by name nor on a directory's lock in the kernel. Beside a target see [`super::beside`].

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, Stat, flock, fstat, mkdirat, openat, unlinkat};
use rustix::io::Errno;

use super::jail::{Jail, open_directory, split};
use super::source::mtime;
use super::{Staging, beside, unnamed};
use crate::error::{Error, Kind, Result};
use crate::hash::{BlockHash, Hash};
use crate::limits;
use crate::proto::RelPath;
use crate::store::Mtime;

/// Beginning of the name of a store's own directory.
pub(super) const SESSION: &str = "s-";

/// How a staged file is made.
pub(super) const CREATE: OFlags =
    OFlags::RDWR.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The staging of one store.
pub(super) struct Stage {
    jail: Arc<Jail>,
    pub(super) staging: Staging,
    /// Made at the first upload.
    area: Mutex<Option<Arc<Area>>>,
    next: AtomicU64,
    /// The last partial that was looked at, so that going on with it does not hash it again.
    looked_at: Mutex<Option<(Identity, Vec<BlockHash>)>>,
}

/// Device, inode, size and modification time: one state of one file.
type Identity = (u64, u64, i64, Mtime);

/// A store's own directory, locked.
pub(super) struct Area {
    /// The reserved directory it is in.
    pub(super) reserved: Dir,
    pub(super) dir: Arc<Dir>,
    name: String,
}

impl Drop for Area {
    fn drop(&mut self) {
        // Not empty only if something failed to be removed: sweeping at the next start gets it.
        let _ = unlinkat(&self.reserved, &*self.name, AtFlags::REMOVEDIR);
    }
}

/// A staged file. Dropping it removes it unless [`Temp::release`] was called.
pub(super) struct Temp {
    /// The directory it is in; without a name, the one it was made for.
    pub(super) dir: Arc<Dir>,
    /// `None` if it has no name yet.
    pub(super) name: Option<Vec<u8>>,
    pub(super) file: File,
    released: bool,
    /// Keeps the directory's lock, and removes the directory after the last file in it.
    pub(super) area: Option<Arc<Area>>,
}

impl Temp {
    pub(super) fn named(dir: Arc<Dir>, name: Vec<u8>, file: File, area: Option<Arc<Area>>) -> Self {
        Temp { dir, name: Some(name), file, released: false, area }
    }

    /// A file that goes with its last handle.
    pub(super) fn unnamed(dir: Arc<Dir>, file: File) -> Self {
        Temp { dir, name: None, file, released: false, area: None }
    }

    /// It has been renamed, or is to stay: no longer ours to remove.
    pub(super) fn release(&mut self) {
        self.released = true;
    }

    /// It is ours again.
    pub(super) fn reclaim(mut self) -> Self {
        self.released = false;
        self
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if let (false, Some(name)) = (self.released, &self.name) {
            let _ = unlinkat(&self.dir, &**name, AtFlags::empty());
        }
    }
}

impl Stage {
    pub(super) fn new(jail: Arc<Jail>, staging: Staging) -> Self {
        Stage { jail, staging, area: Mutex::new(None), next: AtomicU64::new(0), looked_at: Mutex::new(None) }
    }

    /// A new empty file for an upload to `path`, whose parent is `parent`. `large` if it may become a partial.
    pub(super) fn create(&self, path: &RelPath, parent: &Arc<Dir>, large: bool) -> Result<Temp> {
        let target = split(path)?.1;
        if self.staging == Staging::Beside && beside::is_ours(target) {
            // Would be taken for, or replace, what waits for another target.
            let text = format!("{path}: such names are kept for files that are not whole yet");
            return Err(Error::new(Kind::BadPath, text));
        }
        let failed = |err| Error::file(path, err);
        if !large && let Some(file) = unnamed::create(parent).map_err(|err| failed(err.into()))? {
            if self.staging == Staging::Beside {
                // What is left of a larger file of this name is of no more use, and goes.
                drop(beside::take(parent, target).map_err(failed)?);
            }
            return Ok(Temp::unnamed(Arc::clone(parent), file));
        }
        match self.staging {
            Staging::Hidden => self.create_hidden(large.then_some(path)),
            Staging::Beside => beside::create(parent, target),
        }
        .map_err(failed)
    }

    /// The name of a staged file; one without gets one, to be put over its target with a rename.
    pub(super) fn give_name(&self, temp: &mut Temp, target: &[u8]) -> io::Result<Vec<u8>> {
        if let Some(name) = &temp.name {
            return Ok(name.clone());
        }
        let name = match self.staging {
            Staging::Hidden => {
                let area = self.area()?;
                temp.dir = Arc::clone(&area.dir);
                temp.area = Some(area);
                self.fresh_name(None)
            }
            Staging::Beside => beside::another_name(target)?,
        };
        unnamed::link(&temp.file, &temp.dir, &name)?;
        temp.name = Some(name.clone());
        Ok(name)
    }

    fn create_hidden(&self, large: Option<&RelPath>) -> io::Result<Temp> {
        let area = self.area()?;
        let name = self.fresh_name(large);
        // The directory is 0700, so the file may have its final mode from the start: the umask is obeyed without
        // asking for it, and a call is saved.
        let made = openat(&*area.dir, &*name, CREATE, Mode::from_raw_mode(0o666));
        if matches!(made, Err(Errno::NOENT)) {
            // Somebody removed the directory meanwhile: the next upload makes another one.
            *self.area.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        Ok(Temp::named(Arc::clone(&area.dir), name, made?.into(), Some(area)))
    }

    /// A name not used before in the store's own directory. For a large file it also says what it is for, so that
    /// sweeping can save it as a partial if the process is killed.
    pub(super) fn fresh_name(&self, large: Option<&RelPath>) -> Vec<u8> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        match large {
            None => number.to_string(),
            Some(path) => format!("{number}-{}", key(path)),
        }
        .into_bytes()
    }

    /// Keeps the block values of this partial for the next call.
    pub(super) fn remember(&self, stat: &Stat, blocks: &[BlockHash]) {
        let looked_at = Some((identity(stat), blocks.to_vec()));
        *self.looked_at.lock().unwrap_or_else(PoisonError::into_inner) = looked_at;
    }

    /// The block values of this partial if it was the last one looked at. Told once.
    pub(super) fn recall(&self, stat: &Stat) -> Option<Vec<BlockHash>> {
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        looked_at.take().filter(|(known, _)| *known == identity(stat)).map(|(_, blocks)| blocks)
    }

    /// The store's own directory, made if it is not there yet.
    pub(super) fn area(&self) -> io::Result<Arc<Area>> {
        let mut area = self.area.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(area) = &*area {
            return Ok(Arc::clone(area));
        }
        let made = Arc::new(new_area(self.jail.root())?);
        *area = Some(Arc::clone(&made));
        Ok(made)
    }
}

fn identity(stat: &Stat) -> Identity {
    (stat.st_dev, stat.st_ino, stat.st_size, mtime(stat))
}

fn new_area(root: &Dir) -> io::Result<Area> {
    let reserved = reserved(root)?;
    loop {
        let name = format!("{SESSION}{}", random()?);
        match mkdirat(&reserved, &*name, Mode::RWXU) {
            Err(Errno::EXIST) => continue,
            made => made?,
        }
        let dir = match open_directory(&reserved, name.as_bytes()) {
            Err(Errno::NOENT) => continue,
            opened => opened?,
        };
        // Held already, or gone: a sweep was faster. A file system without locks lets no sweep in either.
        if flock(&dir, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
            continue;
        }
        if fstat(&dir)?.st_nlink > 0 {
            return Ok(Area { reserved, dir: Arc::new(dir), name });
        }
    }
}

/// The reserved directory of this root, made if missing: a real directory that only we can enter.
fn reserved(root: &Dir) -> io::Result<Dir> {
    match mkdirat(root, limits::RESERVED_NAME, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(err) => return Err(err.into()),
    }
    let dir = open_reserved(root)?;
    if fstat(&dir)?.st_mode & 0o077 != 0 {
        rustix::fs::fchmod(&dir, Mode::RWXU)?;
    }
    Ok(dir)
}

/// The reserved directory if it is there.
pub(super) fn open_reserved(root: &Dir) -> Result<Dir, Errno> {
    open_directory(root, limits::RESERVED_NAME.as_bytes())
}

/// What a path is called in the reserved directory: 128 bits of its hash, in 32 digits.
pub(super) fn key(path: &RelPath) -> String {
    let mut digits = Hash::of(path.as_bytes()).to_string();
    digits.truncate(32);
    digits
}

/// A name part nobody can guess: 64 random bits.
pub(super) fn random() -> io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}
