//! Refuses an upload that will not be put in its place, before anything that the trash keeps goes for it.

use rustix::fs::{AtFlags, FileType, Stat, statat};
use rustix::io::Errno;

use super::commit::{changed, failed};
use super::keep_old;
use super::names::refuse_special;
use super::upload::LocalUpload;
use crate::error::Result;
use crate::files::{Condition, Overwrite, Upload};
use crate::limits;

/// As far as that can be seen now: what counts is decided when it gets its name. Reads what is there, if that decides, which is done
/// only where something of the trash would go.
///
/// # Errors
/// What the commit would say.
pub(super) fn check(upload: &LocalUpload) -> Result<()> {
    let (jail, path) = (&upload.jail, &upload.path);
    // Where there is no folder any more that it could be in, nothing has its name and nothing will.
    let (dir, name) = jail.parent(path)?;
    let there = || statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW);
    let kind = |there: &Stat| FileType::from_raw_mode(there.st_mode);
    match (upload.spec.condition, upload.spec.overwrite) {
        // There is always a name for it.
        (_, Overwrite::Numbered) => Ok(()),
        (Condition::Absent, _) => match there() {
            Ok(_) => Err(failed(path, Errno::EXIST)),
            Err(_) => Ok(()),
        },
        (Condition::Any, Overwrite::Allowed) => {
            let there = there().ok();
            match there.as_ref().map(kind) {
                Some(FileType::Directory) => Err(failed(path, Errno::ISDIR)),
                _ => refuse_special(there.as_ref(), path),
            }
        }
        (Condition::Hash(_), _) | (_, Overwrite::Refused) => compare(upload),
    }
}

/// Whether what is there has the bytes that it must have.
fn compare(upload: &LocalUpload) -> Result<()> {
    let known = upload.comparing.known();
    let there = match known {
        Some(hash) => Some(hash),
        None => match keep_old::open(&upload.jail, upload)? {
            None => return Ok(()),
            // It was not this file, or not like this, when it was compared in steps. Who may not replace it has the commit read it once more.
            Some(there)
                if upload.comparing.is_in_steps()
                    && upload.spec.overwrite == Overwrite::Allowed
                    && there.size() > limits::COMPARE_IN_COMMIT =>
            {
                return Err(changed(&upload.path));
            }
            Some(there) => there.to_the_end()?.hash(),
        },
    };
    match (there, upload.spec.condition) {
        // Somebody changes it just now.
        (None, _) => Ok(()),
        (Some(hash), Condition::Hash(expected)) if hash != expected => Err(changed(&upload.path)),
        (Some(hash), _) if upload.spec.overwrite == Overwrite::Refused && hash != upload.hash() => {
            Err(keep_old::denied(&upload.path))
        }
        _ => Ok(()),
    }
}
