//! How much of the beginning of a file is whole that is written at several offsets at once, kept with it in an extended attribute: whoever
//! finds it after a crash cuts off what lies behind, where there may be gaps, and the rest is gone on with.
//!
//! It proves nothing. What is found is hashed and compared with what its sender has, as all that is left of uploads is.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use cap_std::fs::Dir;
use rustix::fs::{
    FileType, Mode, OFlags, XattrFlags, fdatasync, fgetxattr, fremovexattr, fsetxattr, fstat, ftruncate, openat,
};
use rustix::io::Errno;

use super::mode;
use super::staging::Temp;
use crate::limits;
use crate::sync::Mutex;

/// The length, little-endian.
const ATTRIBUTE: &str = "user.sealift.whole";

/// Notes it of a file while it is written.
pub(super) struct Noting {
    /// Another handle of the file: an error in writing that is told to a sync through it is told to the one at the end all the same.
    file: File,
    durable: bool,
    /// What the file says.
    noted: Mutex<u64>,
    /// Held while the disk is waited for. Whether it failed: then nothing more is noted, since the kernel has forgotten what it did not
    /// write.
    syncing: Mutex<bool>,
}

impl Noting {
    /// Has this file say that no more than so much of it is whole. Nothing where that cannot be kept with it.
    pub(super) fn begin(temp: &Temp, whole: u64, durable: bool) -> Option<Noting> {
        let name = temp.name().filter(|_| temp.can.notes)?;
        let file = File::from(open(temp.dir(), name).ok()?);
        let (ours, theirs) = (fstat(&temp.file).ok()?, fstat(&file).ok()?);
        if (ours.st_dev, ours.st_ino) != (theirs.st_dev, theirs.st_ino) {
            return None;
        }
        set(&file, whole).ok()?;
        Some(Noting { file, durable, noted: Mutex::new(whole), syncing: Mutex::new(false) })
    }

    /// Notes how much is whole by now, if that is enough more than before. It is on the disk then, unless nothing is waited for there.
    pub(super) fn note(&self, whole: impl Fn() -> u64) {
        let Some(mut has_failed) = self.syncing.try_lock().filter(|failed| !**failed) else { return };
        let (before, now) = (*self.noted.lock(), whole());
        let step = (before / limits::WHOLE_NOTED_PART).clamp(limits::HASH_BLOCK, limits::WHOLE_NOTED_MOST);
        if now < before.saturating_add(step) {
            return;
        }
        if self.durable && fdatasync(&self.file).is_err() {
            *has_failed = true;
            return;
        }
        let mut noted = self.noted.lock();
        // Some of it may be on its way again, or all of it over.
        let now = now.min(whole());
        if now > *noted && set(&self.file, now).is_ok() {
            *noted = now;
        }
    }

    /// Notes that what begins here is written once more.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn lower(&self, to: u64) -> Result<(), Errno> {
        let mut noted = self.noted.lock();
        if *noted > to {
            set(&self.file, to)?;
            *noted = to;
        }
        Ok(())
    }

    /// The file says nothing of it any more: to be asked for when no part counts any more.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn end(&self) -> Result<(), Errno> {
        let _noted = self.noted.lock();
        forget(&self.file)
    }
}

/// Cuts off what may have gaps, of a file that nobody writes any more.
///
/// # Errors
/// Those of the file system.
pub(super) fn cut(file: impl AsFd) -> io::Result<()> {
    let mut value = [0; 8];
    if fgetxattr(&file, ATTRIBUTE, &mut value[..]) != Ok(value.len()) {
        return Ok(());
    }
    let (whole, size) = (u64::from_le_bytes(value), u64::try_from(fstat(&file)?.st_size).unwrap_or(0));
    if whole < size {
        ftruncate(&file, whole)?;
    }
    Ok(forget(&file)?)
}

/// Cuts off what may have gaps of the file of this name, if nobody writes it any more. One with a second name is in its place already, and
/// stays as it is.
///
/// # Errors
/// Those of the file system.
pub(super) fn cut_named(dir: &Dir, name: &str) -> io::Result<()> {
    let file = open(dir, name.as_bytes())?;
    let stat = fstat(&file)?;
    match FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink == 1 {
        true => cut(&file),
        false => Ok(()),
    }
}

fn open(dir: &Dir, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    openat(dir, name, flags, Mode::empty())
}

fn set(file: &File, whole: u64) -> Result<(), Errno> {
    mode::as_writable(file, || fsetxattr(file, ATTRIBUTE, &whole.to_le_bytes(), XattrFlags::empty()))
}

fn forget(file: &impl AsFd) -> Result<(), Errno> {
    mode::as_writable(file, || match fremovexattr(file, ATTRIBUTE) {
        Err(Errno::NODATA) => Ok(()),
        removed => removed,
    })
}
