//! Giving a file that is in its place another mode.

use rustix::fs::{Mode, fchmod, fstat, fsync};
use rustix::io::Errno;

use super::jail::Jail;
use super::source::LocalSource;
use crate::error::{Error, Result};
use crate::files::{FileMode, RelPath, SourceMode};

/// [`crate::files::Store::set_mode`].
pub(super) fn set(jail: &Jail, durable: bool, path: &RelPath, source: SourceMode) -> Result<FileMode> {
    let failed = |err: Errno| Error::file(path, err.into());
    let steady = jail.steady(path)?;
    let (dir, name) = jail.parent(path)?;
    let opened = LocalSource::open_real(path, &dir, name)?;
    let file = opened.file();
    let before = FileMode::of(fstat(file).map_err(failed)?.st_mode);
    let after = source.over(before);
    if after == before {
        return Ok(after);
    }
    fchmod(file, Mode::from_raw_mode(after.bits())).map_err(failed)?;
    // Nobody else waits for the disk.
    drop(steady);
    if durable {
        fsync(file).map_err(failed)?;
    }
    Ok(after)
}
