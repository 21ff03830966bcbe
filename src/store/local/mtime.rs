//! Giving a file that is in its place another time of modification.

use rustix::fs::{Timespec, Timestamps, UTIME_OMIT, fsync, futimens};
use rustix::io::Errno;

use super::jail::Jail;
use super::record;
use super::source::LocalSource;
use crate::error::{Error, Result};
use crate::files::{Mtime, RelPath, stamp::Stamp};

/// [`crate::files::Store::set_mtime`].
pub(super) fn set(jail: &Jail, durable: bool, path: &RelPath, mtime: Mtime) -> Result<()> {
    let failed = |err: Errno| Error::file(path, err.into());
    let steady = jail.steady(path)?;
    let (dir, name) = jail.parent(path)?;
    let opened = LocalSource::open_real(path, &dir, name)?;
    let file = opened.file();
    let before = Stamp::of(file).map_err(failed)?;
    // What is recorded holds for one time of modification alone.
    let recorded = record::load(file, &before);
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: mtime.secs, tv_nsec: mtime.nanos.into() },
    };
    futimens(file, &times).map_err(failed)?;
    if let Some(recorded) = recorded {
        let after = Stamp::of(file).map_err(failed)?;
        // Without it the file is only read once more.
        let _ = record::store(file, &after, &recorded);
    }
    // Nobody else waits for the disk.
    drop(steady);
    if durable {
        fsync(file).map_err(failed)?;
    }
    Ok(())
}
