//! Giving a folder the time and the mode of the one that it is a copy of.

use std::sync::Arc;

use rustix::fs::{Mode, Timespec, Timestamps, UTIME_OMIT, fchmod, fstat, fsync, futimens};
use rustix::io::Errno;

use super::jail::{Jail, open_directory};
use crate::error::{Error, Result};
use crate::files::{FileMode, Mtime, RelPath};

/// [`crate::files::Store::set_folder`].
pub(super) fn set(
    jail: &Jail,
    durable: bool,
    path: &RelPath,
    (mtime, mode): (Mtime, Option<FileMode>),
) -> Result<FileMode> {
    let failed = |err: Errno| Error::file(path, err.into());
    let steady = jail.steady(path)?;
    let folder = match path.is_root() {
        true => jail.root().map_err(|err| Error::file(path, err))?,
        false => {
            let (dir, name) = jail.parent(path)?;
            Arc::new(open_directory(&dir, name).map_err(failed)?)
        }
    };
    let before = fstat(&*folder).map_err(failed)?.st_mode & 0o7777;
    // What is beyond the nine bits stays: whose group is to be that of all in it. The top is another one's to open.
    let wanted = match mode.filter(|_| !path.is_root()) {
        Some(mode) => before & 0o7000 | mode.bits() | 0o700,
        None => before,
    };
    if wanted != before {
        fchmod(&*folder, Mode::from_raw_mode(wanted)).map_err(failed)?;
    }
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: mtime.secs, tv_nsec: mtime.nanos.into() },
    };
    match futimens(&*folder, &times) {
        // Only its owner may say when it was changed, and others may put files there: a time alone is not missed then.
        Err(Errno::PERM) if mode.is_none() => {}
        set => set.map_err(failed)?,
    }
    // Nobody else waits for the disk. A time alone is not waited for: whoever compares it sets it again.
    drop(steady);
    if durable && wanted != before {
        fsync(&*folder).map_err(failed)?;
    }
    Ok(FileMode::of(wanted))
}
