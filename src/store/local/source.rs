//! Looking at and reading files.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use cap_std::fs::Dir;
use rustix::fs::{
    Advice, AtFlags, FileType, Mode, OFlags, Stat, Statx, StatxFlags, fadvise, fstat, openat, statat, statx,
};
use rustix::io::Errno;

use super::jail::Jail;
use super::record;
use crate::error::{Error, Kind, Result};
use crate::files::{
    Change, EntryKind, FileIdentity, FileMode, Finding, Hash, Meta, Mtime, Record, RelPath, Rot, Source, stamp::Stamp,
};
use crate::holes;
use crate::limits;

/// NONBLOCK: a pipe would hang the thread. NOCTTY: a terminal would become ours.
const READ: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// What the file system says, in our words. A link is a [`EntryKind::Link`] here, wherever it leads.
pub(super) fn meta(stat: &Stat) -> Meta {
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    Meta { kind: kind(stat.st_mode), size, mtime: mtime(stat), mode: FileMode::of(stat.st_mode) }
}

fn kind(mode: u32) -> EntryKind {
    match FileType::from_raw_mode(mode) {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Directory,
        FileType::Symlink => EntryKind::Link,
        _ => EntryKind::Other,
    }
}

/// What has this name in this folder, which no link is followed from, and, of a file, what tells it from those that had its name before
/// it. One system call.
pub(super) fn look(dir: impl AsFd, name: &[u8]) -> Result<(Meta, Option<FileIdentity>), Errno> {
    // As `statat` does, which mounts nothing either.
    let flags = AtFlags::SYMLINK_NOFOLLOW.union(AtFlags::NO_AUTOMOUNT);
    let told = match statx(&dir, name, flags, StatxFlags::BASIC_STATS.union(StatxFlags::BTIME)) {
        // A system that has only the older call, or allows no other.
        Err(Errno::NOSYS) => return Ok((meta(&statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?), None)),
        told => told?,
    };
    let mode = u32::from(told.stx_mode);
    let found = Meta {
        kind: kind(mode),
        size: told.stx_size,
        mtime: Mtime::from_parts(told.stx_mtime.tv_sec, u64::from(told.stx_mtime.tv_nsec)),
        mode: FileMode::of(mode),
    };
    Ok((found, (found.kind == EntryKind::File).then(|| identity(&told))))
}

/// By its number, and when that was given to it: what replaces it has another one, or the same at another time. Where the file
/// system does not say when, by the number alone. Nobody can set either, the hash that is recorded changes neither, and both are the
/// same at all servers of one file system.
fn identity(told: &Statx) -> FileIdentity {
    let has_begun = StatxFlags::from_bits_retain(told.stx_mask).contains(StatxFlags::BTIME);
    let begun = if has_begun { (told.stx_btime.tv_sec, told.stx_btime.tv_nsec) } else { (0, 0) };
    FileIdentity::of(&[&told.stx_ino.to_be_bytes()[..], &begun.0.to_be_bytes(), &begun.1.to_be_bytes()].concat())
}

/// The modification time.
pub(super) fn mtime(stat: &Stat) -> Mtime {
    #[allow(clippy::unnecessary_cast, reason = "the types differ between platforms")]
    Mtime::from_parts(stat.st_mtime as i64, stat.st_mtime_nsec as u64)
}

/// [`crate::files::Store::stat`].
pub(super) fn stat(jail: &Jail, path: &RelPath) -> Result<Meta> {
    let failed = |err: Errno| Error::file(path, err.into());
    if path.is_root() {
        return Ok(meta(&fstat(jail.shared(path)?).map_err(failed)?));
    }
    let (dir, name) = jail.parent_to_read(path)?;
    let found = meta(&statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?);
    Ok(if found.kind == EntryKind::Link { through_link(jail, path.as_bytes()).unwrap_or(found) } else { found })
}

/// What the regular file is that this link leads to; nothing if it leads elsewhere.
pub(super) fn through_link(jail: &Jail, link: &[u8]) -> Option<Meta> {
    let (_, _, stat) = jail.follow(link).ok()?;
    Some(meta(&stat)).filter(|meta| meta.kind == EntryKind::File)
}

/// An open regular file.
pub(super) struct LocalSource {
    file: File,
    meta: Meta,
    /// As it was opened.
    stamp: Stamp,
    allocated: Option<u64>,
    path: RelPath,
}

impl LocalSource {
    /// [`crate::files::Store::open`].
    pub(super) fn open(jail: &Jail, path: &RelPath) -> Result<Self> {
        let (dir, name) = jail.parent_to_read(path)?;
        match openat(&dir, name, READ, Mode::empty()) {
            Err(Errno::LOOP) => {
                let (dir, name, _) = jail.follow(path.as_bytes()).map_err(|err| failed(path, err))?;
                Self::open_real(path, &dir, &name)
            }
            opened => Self::checked(path, opened),
        }
    }

    /// Opens the file of this name in this directory, which may not be a link. `path` is for errors.
    pub(super) fn open_real(path: &RelPath, dir: &Dir, name: &[u8]) -> Result<Self> {
        Self::checked(path, openat(dir, name, READ, Mode::empty()))
    }

    /// Opens what has this name in this directory, and is no link, for a look at what is kept with it.
    pub(super) fn open_bare(dir: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
        openat(dir, name, READ, Mode::empty())
    }

    fn checked(path: &RelPath, opened: Result<OwnedFd, Errno>) -> Result<Self> {
        let file = File::from(opened.map_err(|err| failed(path, err.into()))?);
        let stat = fstat(&file).map_err(|err| failed(path, err.into()))?;
        let meta = meta(&stat);
        match meta.kind {
            EntryKind::File => {
                let (stamp, allocated) = (Stamp::from(&stat), holes::allocated(&file, &stat));
                Ok(LocalSource { file, meta, stamp, allocated, path: path.clone() })
            }
            EntryKind::Directory => Err(Error::file(path, Errno::ISDIR.into())),
            EntryKind::Link | EntryKind::Other => Err(not_regular(path)),
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn into_file(self) -> File {
        self.file
    }
}

fn failed(path: &RelPath, err: io::Error) -> Error {
    match Errno::from_io_error(&err) {
        // What opening a socket says, and a link where none may be.
        Some(Errno::NXIO | Errno::LOOP) => not_regular(path),
        // A link that is not followed.
        None if err.kind() == io::ErrorKind::NotADirectory => not_regular(path),
        _ => Error::file(path, err),
    }
}

fn not_regular(path: &RelPath) -> Error {
    Error::new(Kind::NotRegular, path.said("not a regular file"))
}

impl Source for LocalSource {
    fn as_file(&self) -> Option<&File> {
        Some(&self.file)
    }

    fn meta(&self) -> Meta {
        self.meta
    }

    fn allocated(&self) -> Option<u64> {
        self.allocated
    }

    /// As listings tell it.
    fn identity(&self) -> Option<FileIdentity> {
        let asked = StatxFlags::INO.union(StatxFlags::BTIME);
        statx(&self.file, "", AtFlags::EMPTY_PATH, asked).ok().map(|told| identity(&told))
    }

    fn change(&self) -> Result<Change> {
        self.stamp.since(&self.file).map_err(|err| Error::file(&self.path, err.into()))
    }

    fn record(&self) -> Option<Record> {
        record::load(&self.file, &self.stamp)
    }

    fn compare(&self, hash: &Hash) -> Finding {
        match self.record() {
            Some(Record::Sound(recorded)) if recorded == *hash => Finding::Confirmed,
            Some(Record::Sound(recorded)) => {
                let rot = Rot { recorded, found: *hash };
                // Where that is not possible it will be found again.
                let _ = record::store(&self.file, &self.stamp, &Record::Rotten(rot));
                Finding::Rotten(rot)
            }
            Some(Record::Rotten(rot)) => Finding::Rotten(rot),
            None => {
                let is_settled = self.stamp.age() >= limits::RECORD_AGE_MIN;
                if is_settled && self.meta.size >= limits::RECORD_MIN && self.change().ok() == Some(Change::Nothing) {
                    let _ = record::store(&self.file, &self.stamp, &Record::Sound(*hash));
                }
                Finding::Unrecorded
            }
        }
    }

    fn accept(&self, hash: &Hash) -> Result<()> {
        let stored = record::store(&self.file, &self.stamp, &Record::Sound(*hash));
        stored.map_err(|err| Error::file(&self.path, err.into()))
    }

    fn forget_cached(&self) {
        // What cannot be dropped, or not on this file system, is read from memory.
        let _ = fadvise(&self.file, 0, None, Advice::DontNeed);
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while let Some(room) = buffer.get_mut(done..).filter(|room| !room.is_empty()) {
            match self.file.read_at(room, offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(Error::file(&self.path, err)),
            }
        }
        Ok(done)
    }
}
