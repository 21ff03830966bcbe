//! Where uploads wait until they are whole: files without a name, or with one of our own, gone when they are dropped.
//!
//! A file too small to be resumed has no name at all before it is put in its place ([`super::unnamed`]): nothing of it
//! can be seen or be left over. The others, and all where the file system cannot do that, have one:
//!
//! In a server's home each store has a directory of its own, `.sealift/s-RANDOM`, and holds the lock of the file `lock` in
//! it (not of the directory: some file systems show that to nobody). The lock goes with the process: whoever gets it knows
//! that all in there is left over. So does the lock of each staged file. Two sessions of one home never meet,
//! neither by name nor on a directory's lock in the kernel. Beside a target see [`super::beside`].

mod superseded;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use cap_std::fs::Dir;
use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, Stat, fchmod, flock, fstat, mkdirat, openat, statat, unlinkat,
};
use rustix::io::Errno;

use self::superseded::Superseded;
use super::capabilities::{Capabilities, FileSystems, NewName};
use super::commit::Change;
use super::jail::{Jail, open_directory, split};
use super::partial::{self, Half};
use super::placed::Placed;
use super::remove::is_full;
use super::source::mtime;
pub(super) use super::temp::Temp;
use super::trash::Trash;
use super::{Staging, beside, owned, probe, unnamed};
use crate::error::{Error, Kind, Result};
use crate::files::aside::{is_part, part_name};
use crate::files::{Hash, Hasher, Mtime, PreparedSet, RelPath, SourceMode, Umask, hash::BlockHash};
use crate::limits;
use crate::random;
use crate::sync::{Mutex, MutexGuard};

/// Beginning of the name of a store's own directory.
pub(super) const SESSION: &str = "s-";

/// The file in it whose lock says that it is in use.
pub(super) const LOCK: &str = "lock";

/// How a staged file is made.
pub(super) const CREATE: OFlags =
    OFlags::RDWR.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The staging of one store.
pub(super) struct Stage {
    jail: Arc<Jail>,
    pub(super) staging: Staging,
    durable: bool,
    /// What is deleted or replaced is kept.
    keeps: AtomicBool,
    /// What is put here says that it is this one's.
    pub(super) owner: Option<Hash>,
    /// Whose interrupted uploads are kept and found here. None: those of everybody who has this folder as a home.
    pub(super) sender: Option<Hash>,
    /// Where, made at the first thing.
    trash: Mutex<Option<Arc<Trash>>>,
    file_systems: Arc<FileSystems>,
    /// The directory asked for last, and what its file system can do: the next file is mostly for the same.
    last: Mutex<Option<(Weak<Dir>, Capabilities)>>,
    /// Made at the first upload.
    area: Mutex<Option<Arc<Area>>>,
    next: AtomicU64,
    /// What is done but for its commit.
    prepared: PreparedSet<Change>,
    /// The last partial that was looked at, so that going on with it does not hash it again.
    looked_at: Mutex<Option<(Identity, Vec<BlockHash>)>>,
    /// The partial that is being hashed, in steps. Each session has room for it, and few need two kibibytes.
    half_hashed: Mutex<Option<(Identity, Box<Hasher>)>>,
    /// The partial of another node that is being copied, in steps; as large.
    half_copied: Mutex<Option<Box<Half>>>,
    pub(super) placed: Placed,
    /// What was superseded, and is to be removed by whoever has asked for that.
    superseded: Mutex<Vec<Superseded>>,
}

/// Device, inode, size and modification time: one state of one file.
type Identity = (u64, u64, i64, Mtime);

/// A store's own directory, locked.
pub(super) struct Area {
    /// The root it was made for.
    pub(super) root: Arc<Dir>,
    /// Since the server has had its place among others, if there are any: before that its lock may have been lost, too.
    since: u64,
    /// The reserved directory it is in.
    pub(super) reserved: Dir,
    pub(super) dir: Arc<Dir>,
    name: String,
    locked: Option<OwnedFd>,
    /// That of the stage that it is of.
    sender: Option<Hash>,
}

impl Area {
    /// What the interrupted upload to a path is called.
    pub(super) fn key(&self, path: &RelPath) -> String {
        partial::key(path, self.sender.as_ref())
    }

    /// Whether it was certainly removed.
    fn is_gone(&self) -> bool {
        matches!(statat(&self.reserved, &*self.name, AtFlags::SYMLINK_NOFOLLOW), Err(Errno::NOENT))
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        let _ = unlinkat(&self.dir, LOCK, AtFlags::empty());
        // Some file systems keep a file that is open under another name, and so the folder.
        drop(self.locked.take());
        // Not empty only if something failed to be removed: sweeping at the next start gets it.
        let _ = unlinkat(&self.reserved, &*self.name, AtFlags::REMOVEDIR);
    }
}

impl Stage {
    pub(super) fn new(jail: Arc<Jail>, staging: Staging, durable: bool, file_systems: Arc<FileSystems>) -> Self {
        Stage {
            jail,
            staging,
            durable,
            keeps: AtomicBool::new(false),
            owner: None,
            sender: None,
            trash: Mutex::default(),
            file_systems,
            last: Mutex::default(),
            area: Mutex::default(),
            next: AtomicU64::new(0),
            prepared: PreparedSet::default(),
            looked_at: Mutex::default(),
            half_hashed: Mutex::default(),
            half_copied: Mutex::default(),
            placed: Placed::default(),
            superseded: Mutex::default(),
        }
    }

    pub(super) fn jail(&self) -> &Arc<Jail> {
        &self.jail
    }

    /// Whether what is deleted or replaced is kept.
    pub(super) fn keeps(&self) -> bool {
        self.keeps.load(Ordering::Relaxed)
    }

    /// It is from now on, where that can be, or is not.
    pub(super) fn set_keeps(&self, keeps: bool) {
        self.keeps.store(keeps && self.staging == Staging::Hidden, Ordering::Relaxed);
    }

    pub(super) fn prepared(&self) -> &PreparedSet<Change> {
        &self.prepared
    }

    /// Where what is deleted or replaced is kept, if it is. Each new file asks for it: once it is open that takes no call of the system
    /// (counted over 2,000 small files, with a trash and without).
    pub(super) fn trash(&self) -> io::Result<Option<Arc<Trash>>> {
        if !self.keeps() {
            return Ok(None);
        }
        let root = self.jail.root()?;
        let mut kept = self.trash.lock();
        if let Some(trash) = kept.as_ref().filter(|trash| Arc::ptr_eq(&trash.root, &root)) {
            return Ok(Some(trash.clone()));
        }
        let trash = Arc::new(Trash::make(&root)?);
        *kept = Some(trash.clone());
        Ok(Some(trash))
    }

    /// What the file system of this directory can do. It is tried when the first change to it is made.
    ///
    /// # Errors
    /// Those of a file system that cannot be written to, and what is missing of what no store can do without.
    pub(super) fn can(&self, dir: &Arc<Dir>) -> io::Result<Capabilities> {
        if let Some((last, can)) = &*self.last.lock()
            && std::ptr::eq(last.as_ptr(), Arc::as_ptr(dir))
        {
            return Ok(*can);
        }
        let device = fstat(dir)?.st_dev;
        let mut can = self.file_systems.of(device, || self.try_out(dir, device))?;
        // Where a server's names come into a person's folder it matters what each does.
        can.exact &= !(self.is_beside() && self.file_systems.folds_case(dir));
        *self.last.lock() = Some((Arc::downgrade(dir), can));
        Ok(can)
    }

    /// How something in this directory gets another name only if nothing has that. What can be renamed needs no room for it, so a disk that has
    /// none keeps nobody from that.
    ///
    /// # Errors
    /// As [`Stage::can`].
    pub(super) fn new_name(&self, dir: &Arc<Dir>) -> io::Result<NewName> {
        match self.can(dir) {
            Err(err) if is_full(&err) => Ok(NewName::Untried),
            can => Ok(can?.new_name),
        }
    }

    /// Tries what the file system of this directory can do, where nobody sees it.
    fn try_out(&self, dir: &Dir, device: u64) -> io::Result<Capabilities> {
        match self.staging {
            Staging::Beside => probe::probe_beside(&*self.jail.root()?, dir, self.durable),
            Staging::Hidden => {
                let root = self.jail.root()?;
                // Else another file system that is mounted in a home.
                let dir = if fstat(&root)?.st_dev == device { &root } else { dir };
                // Another node may be about to use it.
                try_hidden(dir, self.durable, self.jail.tree().is_across())
            }
        }
    }

    /// A new empty file for an upload to `path`, whose parent is `parent`. `large` if it may become a partial.
    pub(super) fn create(
        &self,
        path: &RelPath,
        parent: &Arc<Dir>,
        large: bool,
        (mode, umask): (Option<SourceMode>, Option<Umask>),
    ) -> Result<Temp> {
        let target = split(path)?.1;
        if self.staging == Staging::Beside && is_part(target) {
            // Would be taken for, or replace, what waits for another target.
            let text = path.said("such names are kept for files that are not whole yet");
            return Err(Error::new(Kind::BadPath, text));
        }
        let failed = |err| Error::file(path, err);
        // While the disk has room for it. Where that cannot be, whoever deletes something is told.
        let _made = self.trash();
        let mode = self.staging.file_mode(mode, umask);
        let mut temp = self.try_create(path, parent, large, mode).map_err(failed)?;
        self.mark(&mut temp).map_err(failed)?;
        if umask.is_some() {
            // That of the process has taken from it what this one does not.
            fchmod(&temp.file, mode).map_err(|err| failed(err.into()))?;
        }
        Ok(temp)
    }

    /// Has a staged file say whose it is. Where the file system cannot keep that it is nobody's.
    pub(super) fn mark(&self, temp: &mut Temp) -> io::Result<()> {
        let Some(owner) = self.owner else { return Ok(()) };
        match owned::mark(&temp.file, &owner) {
            Ok(()) => temp.owner = Some(owner),
            Err(Errno::NOTSUP) => {}
            Err(err) => return Err(err.into()),
        }
        Ok(())
    }

    fn try_create(&self, path: &RelPath, parent: &Arc<Dir>, large: bool, mode: Mode) -> io::Result<Temp> {
        let (can, target) = (self.can(parent)?, path.file_name().unwrap_or_default());
        if !large
            && can.nameless.is_some()
            && let Some(file) = unnamed::create(parent, mode)?
        {
            if self.staging == Staging::Beside {
                // What is left of a larger file of this name is of no more use, and goes.
                drop(beside::take(parent, target, can)?);
            }
            return Ok(Temp::unnamed(Arc::clone(parent), file, can));
        }
        match self.staging {
            Staging::Hidden => self.create_hidden(large.then_some(path), mode, can),
            Staging::Beside => beside::create(parent, target, mode, can),
        }
    }

    /// Whether files wait beside their targets: it is a person's folder, and what goes into it has a server's names.
    pub(super) fn is_beside(&self) -> bool {
        self.staging == Staging::Beside
    }

    /// The name of a staged file; one without gets one, to be put over its target with a rename.
    pub(super) fn give_name(&self, temp: &mut Temp, target: &[u8]) -> io::Result<Vec<u8>> {
        if let Some(name) = temp.name() {
            return Ok(name.to_vec());
        }
        let name = match self.staging {
            Staging::Hidden => {
                let name = self.fresh_name(None);
                let (area, ()) = self.within_area(|area| Ok(temp.link(&area.dir, &name)?))?;
                temp.has_come(Arc::clone(&area.dir), name.clone(), Some(area));
                return Ok(name);
            }
            Staging::Beside => part_name(target)?,
        };
        temp.link(temp.dir(), &name)?;
        temp.has_come(Arc::clone(temp.dir()), name.clone(), None);
        Ok(name)
    }

    /// Does something in the store's own directory, and once more in another one if somebody has removed that meanwhile, as a sweep does that
    /// finds its lock lost.
    pub(super) fn within_area<T>(&self, work: impl Fn(&Area) -> io::Result<T>) -> io::Result<(Arc<Area>, T)> {
        let area = self.area()?;
        match work(&area) {
            Err(err) if err.kind() == io::ErrorKind::NotFound && area.is_gone() => {
                *self.area.lock() = None;
                let area = self.area()?;
                work(&area).map(|done| (area, done))
            }
            done => done.map(|done| (area, done)),
        }
    }

    pub(super) fn create_hidden(&self, large: Option<&RelPath>, mode: Mode, can: Capabilities) -> io::Result<Temp> {
        let name = self.fresh_name(large);
        // The directory is 0700, so the file may have its final mode from the start: the umask is obeyed without
        // asking for it, and a call is saved.
        let (area, file) = self.within_area(|area| Ok(openat(&*area.dir, &*name, CREATE, mode)?))?;
        // Nobody else has it: whoever looks for what is left over needs the directory's lock first.
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(err) if self.jail.tree().is_across() => {
                let _ = unlinkat(&*area.dir, &*name, AtFlags::empty());
                return Err(err.into());
            }
            Ok(()) | Err(_) => {}
        }
        Ok(Temp::named(Arc::clone(&area.dir), name, file.into(), Some(area), can))
    }

    /// What the interrupted upload to a path is called.
    pub(super) fn key(&self, path: &RelPath) -> String {
        partial::key(path, self.sender.as_ref())
    }

    /// A name not used before in the store's own directory. For a large file it also says what it is for, so that
    /// sweeping can save it as a partial if the process is killed.
    pub(super) fn fresh_name(&self, large: Option<&RelPath>) -> Vec<u8> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        match large {
            None => number.to_string(),
            Some(path) => format!("{number}-{}", self.key(path)),
        }
        .into_bytes()
    }

    /// Keeps the block values of this partial for the next call.
    pub(super) fn remember(&self, stat: &Stat, blocks: &[BlockHash]) {
        let looked_at = Some((identity(stat), blocks.to_vec()));
        *self.looked_at.lock() = looked_at;
    }

    /// The block values of this partial if it was the last one looked at. Told once.
    pub(super) fn recall(&self, stat: &Stat) -> Option<Vec<BlockHash>> {
        let mut looked_at = self.looked_at.lock();
        looked_at.take().filter(|(known, _)| *known == identity(stat)).map(|(_, blocks)| blocks)
    }

    /// Keeps the hash of this partial, as far as it goes, for the next step.
    pub(super) fn leave_half_hashed(&self, stat: &Stat, hasher: Hasher) {
        *self.half_hashed.lock() = Some((identity(stat), Box::new(hasher)));
    }

    /// The hash of this partial as far as it went, if it is as it was.
    pub(super) fn take_half_hashed(&self, stat: &Stat) -> Option<Hasher> {
        let mut half_hashed = self.half_hashed.lock();
        half_hashed.take().filter(|(known, _)| *known == identity(stat)).map(|(_, hasher)| *hasher)
    }

    /// The copy of a partial that is being made, as far as it is.
    pub(super) fn half_copied(&self) -> MutexGuard<'_, Option<Box<Half>>> {
        self.half_copied.lock()
    }

    pub(super) fn is_durable(&self) -> bool {
        self.durable
    }

    /// The store's own directory, made if it is not there yet, or only in what was the root before.
    pub(super) fn area(&self) -> io::Result<Arc<Area>> {
        let (root, since) = (self.jail.root()?, self.jail.tree().may_change()?);
        let mut area = self.area.lock();
        if let Some(area) = area.as_ref().filter(|area| Arc::ptr_eq(&area.root, &root) && area.since == since) {
            return Ok(Arc::clone(area));
        }
        let made = Arc::new(new_area((root, since), self.jail.tree().is_across(), self.sender)?);
        *area = Some(Arc::clone(&made));
        Ok(made)
    }
}

fn identity(stat: &Stat) -> Identity {
    (stat.st_dev, stat.st_ino, stat.st_size, mtime(stat))
}

fn new_area((root, since): (Arc<Dir>, u64), is_across: bool, sender: Option<Hash>) -> io::Result<Area> {
    while_it_goes(|| try_new_area((&root, since), is_across, sender))
}

fn try_new_area((root, since): (&Arc<Dir>, u64), is_across: bool, sender: Option<Hash>) -> io::Result<Area> {
    let reserved = reserved(root)?;
    loop {
        let name = format!("{SESSION}{}", random_name()?);
        match mkdirat(&reserved, &*name, Mode::RWXU) {
            Err(Errno::EXIST) => continue,
            made => made?,
        }
        let dir = match open_directory(&reserved, name.as_bytes()) {
            Err(Errno::NOENT) => continue,
            opened => opened?,
        };
        match lock_area(&dir, is_across) {
            Ok(Some(locked)) => {
                let (root, dir, locked) = (Arc::clone(root), Arc::new(dir), Some(locked));
                return Ok(Area { root, since, reserved, dir, name, locked, sender });
            }
            // A sweep was faster, and takes it away.
            Ok(None) | Err(Errno::NOENT) => continue,
            Err(err) => return Err(err.into()),
        }
    }
}

/// The lock of a store's own directory, made if it is not there yet. Nothing if somebody else has it, or it is gone. Where other
/// nodes sweep, a lock that cannot be had is an error.
pub(super) fn lock_area(dir: &Dir, is_across: bool) -> Result<Option<OwnedFd>, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(dir, LOCK, flags, Mode::RUSR | Mode::WUSR)?;
    // A file system without locks lets no sweep in ([`super::sweep`]).
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(None),
        Err(err) if is_across => return Err(err),
        Ok(()) | Err(_) => {}
    }
    let (ours, there) = (fstat(&file)?, statat(dir, LOCK, AtFlags::SYMLINK_NOFOLLOW));
    Ok(there.is_ok_and(|there| (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)).then_some(file))
}

/// Tries what the file system of this directory can do in its reserved directory, which stays only if it was there, or is said to.
pub(super) fn try_hidden(dir: &Dir, durable: bool, stays: bool) -> io::Result<Capabilities> {
    let there = stays || open_reserved(dir).is_ok();
    let tried = while_it_goes(|| {
        let reserved = reserved(dir)?;
        probe::refuse_other_names(dir, &reserved)?;
        probe::probe(&reserved, durable)
    });
    if !there {
        // Not empty if an upload has begun meanwhile.
        let _ = unlinkat(dir, limits::RESERVED_NAME, AtFlags::REMOVEDIR);
    }
    tried
}

/// Does something in the reserved directory, once more if that has gone meanwhile: another store that was the first to need it, and needs it
/// no more, takes it away when it is empty.
pub(in crate::store) fn while_it_goes<T>(work: impl Fn() -> io::Result<T>) -> io::Result<T> {
    for _ in 1..limits::NAME_TRIES {
        match work() {
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
    }
    work()
}

/// The reserved directory of this root, made if missing: a real directory. For whoever does it [`while_it_goes`].
pub(in crate::store) fn make_reserved(root: &Dir) -> Result<Dir, Errno> {
    match mkdirat(root, limits::RESERVED_NAME, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(err) => return Err(err),
    }
    open_reserved(root)
}

/// [`make_reserved`], so that only we can enter it.
pub(super) fn reserved(root: &Dir) -> io::Result<Dir> {
    let dir = make_reserved(root)?;
    if fstat(&dir)?.st_mode & 0o077 != 0 {
        rustix::fs::fchmod(&dir, Mode::RWXU)?;
    }
    Ok(dir)
}

/// The reserved directory if it is there.
pub(super) fn open_reserved(root: &Dir) -> Result<Dir, Errno> {
    open_directory(root, limits::RESERVED_NAME.as_bytes())
}

/// A name part nobody can guess: 64 random bits.
pub(super) fn random_name() -> io::Result<String> {
    Ok(format!("{:016x}", random::number()?))
}
