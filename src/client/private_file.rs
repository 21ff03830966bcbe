//! Small files of one person, which several programs may change at once.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};

use crate::error::{Error, Kind, Result};
use crate::limits;

/// The bytes of a file; none if it is missing.
///
/// # Errors
/// [`Kind::BadConfig`] for what is no regular file or larger than [`limits::CONFIG_FILE_MAX`]; otherwise as
/// [`Error::file`].
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let failed = |err| Error::file(path.display(), err);
    // Without O_NONBLOCK a named pipe would be waited for.
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(nonblocking).open(path) {
        Ok(file) => file,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(failed(err)),
    };
    let bad = |why: &str| Error::new(Kind::BadConfig, format!("{}: {why}", path.display()));
    let metadata = file.metadata().map_err(failed)?;
    // /dev/null is an empty file to whoever wants to have none.
    if metadata.is_dir() {
        return Err(bad("is a folder"));
    }
    let mut bytes = Vec::new();
    file.take(limits::CONFIG_FILE_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limits::CONFIG_FILE_MAX {
        return Err(bad(&format!("larger than {} KiB", limits::CONFIG_FILE_MAX / 1024)));
    }
    Ok(Some(bytes))
}

/// Changes a file: what `change` makes of its bytes (none if it is missing) takes its place, under a lock on
/// `NAME.lock`, by a rename: whoever reads meanwhile sees the old file or the new one. It is for its owner alone (mode
/// 0600), and so is its folder, if that must be made. A link is followed, so that the file may live elsewhere.
///
/// # Errors
/// Those of `change`, in which case nothing is written, and as [`read`].
pub(super) fn change<T>(path: &Path, change: impl FnOnce(Option<Vec<u8>>) -> Result<(Vec<u8>, T)>) -> Result<T> {
    let file = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let failed = |err: io::Error| Error::file(file.display(), err);
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    let lock = private(&with_extension(&file, "lock")).map_err(failed)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|err| failed(err.into()))?;

    let before = read(&file)?;
    let (after, done) = change(before.clone())?;
    if before.unwrap_or_default() != after {
        // Under the lock the name is ours; what a killed program left there is overwritten.
        let next = with_extension(&file, "new");
        write_whole(&next, &after).and_then(|()| fs::rename(&next, &file)).map_err(failed)?;
    }
    Ok(done)
}

/// Whether it could be changed now. Its folder is made if it is missing, and nothing else.
///
/// # Errors
/// As [`change`].
pub(super) fn check_writable(path: &Path) -> Result<()> {
    change(path, |bytes| Ok((bytes.unwrap_or_default(), ())))
}

fn with_extension(file: &Path, extension: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = private(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
