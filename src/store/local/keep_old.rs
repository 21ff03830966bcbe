//! Commits of those who may not replace: a name is taken only if nothing has it, and a file of the very same bytes that
//! has it counts as stored.

use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, fstat, fsync, statat};
use rustix::io::Errno;

use super::commit::{changed, check_hash, failed, hash_all, put_new, same};
use super::jail::Jail;
use super::source::LocalSource;
use super::upload::LocalUpload;
use crate::error::{Error, Kind, Result};
use crate::files::{Condition, Mtime, RelPath, Source, Upload};
use crate::limits;

/// What has the name of an upload.
enum There {
    /// A file of the same bytes, where it is and with its time.
    Same(Arc<Dir>, Mtime),
    /// Anything else.
    Other,
    /// Nothing, or not the same thing for long enough to be read.
    Nothing,
}

/// Gives a staged file its name if nothing has it, and says where. The time of the file that stays instead, if that has
/// the same bytes.
///
/// # Errors
/// [`Kind::Denied`] if something else has the name; [`Kind::Changed`] for a hash condition that does not hold.
pub(super) fn put(jail: &Jail, upload: &mut LocalUpload) -> Result<(Arc<Dir>, Option<Mtime>)> {
    let path = &upload.path.clone();
    for _ in 0..limits::NAME_TRIES {
        if let Condition::Hash(expected) = upload.spec.condition {
            let (dir, name) = jail.parent(path)?;
            if check_hash(path, &dir, name, expected)?.is_none() {
                continue;
            }
        } else {
            let _steady = jail.tree().steady();
            let (dir, name) = jail.parent(path)?;
            match put_new(&upload.temp, &dir, name) {
                Ok(()) => {
                    jail.settled(path, 0, upload.len(), upload.promise.take());
                    return Ok((dir, None));
                }
                Err(Errno::EXIST) => {}
                Err(err) => return Err(failed(path, err)),
            }
        }
        match look(jail, upload)? {
            There::Same(dir, mtime) => return Ok((dir, Some(mtime))),
            There::Other => return Err(denied(path)),
            There::Nothing => {}
        }
    }
    Err(changed(path))
}

/// Refuses what [`put`] would surely refuse, before the bytes are sent in vain: what is there cannot be the same.
///
/// # Errors
/// [`Kind::Denied`]; [`Kind::IsDirectory`].
pub(super) fn check_target(path: &RelPath, dir: &Dir, name: &[u8], size: Option<u64>) -> Result<()> {
    let Ok(there) = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) else { return Ok(()) };
    match FileType::from_raw_mode(there.st_mode) {
        FileType::RegularFile if size.is_none_or(|size| u64::try_from(there.st_size) == Ok(size)) => Ok(()),
        FileType::Directory => Err(Error::file(path, Errno::ISDIR.into())),
        _ => Err(denied(path)),
    }
}

/// The bytes themselves are read: a recorded hash is only what they once were.
fn look(jail: &Jail, upload: &LocalUpload) -> Result<There> {
    let path = &upload.path;
    let failed = |err: Errno| Error::file(path, err.into());
    let (dir, name) = jail.parent(path)?;
    let mut source = match LocalSource::open_real(path, &dir, name) {
        Ok(source) => source,
        Err(err) if err.kind() == Kind::NotFound => return Ok(There::Nothing),
        Err(err) if err.kind() == Kind::NotRegular => return Ok(There::Other),
        Err(err) => return Err(err),
    };
    let before = fstat(source.file()).map_err(failed)?;
    if source.meta().size != upload.len() || hash_all(&mut source)? != upload.hash() {
        return Ok(There::Other);
    }
    if upload.durable {
        // Whoever put it there may not have waited for the disk; what is acknowledged has to be on it.
        fsync(source.file()).map_err(failed)?;
    }
    // It is still this file, as it was read, that has the name.
    let _steady = jail.tree().steady();
    let (dir, name) = jail.parent(path)?;
    match statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(now) if same(&before, &now) => Ok(There::Same(dir, source.meta().mtime)),
        _ => Ok(There::Nothing),
    }
}

fn denied(path: &RelPath) -> Error {
    Error::new(Kind::Denied, format!("{path}: is there already, and the right `overwrite` to replace it is missing"))
}
