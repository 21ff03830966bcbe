//! What is at a path, for changes that depend on it.

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::commit::ask_again;
use super::jail::{Jail, is_gone};
use crate::error::{Error, Kind, Result};
use crate::files::{RelPath, Seen, stamp::Stamp};

/// [`crate::files::Store::seen`].
pub(super) fn look(jail: &Jail, path: &RelPath) -> Result<Seen> {
    match jail.parent(path) {
        Ok((dir, name)) => {
            let held = openat(&dir, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
            let seen = seen(jail, path, (&dir, name))?;
            Ok(match held {
                Ok(held) => seen.holding(held),
                // Nothing is there, or it went just now.
                Err(_) => seen,
            })
        }
        Err(error) if is_gone(&error) => match jail.parent_to_read(path) {
            // What is only read may have a link on the way.
            Ok((dir, name)) => seen(jail, path, (&dir, name)),
            Err(_) => Ok(Seen::NOTHING),
        },
        Err(error) => Err(error),
    }
}

/// Fails if something else is there by now. Whoever calls has the tree to themselves.
///
/// # Errors
/// [`Kind::Changed`].
pub(super) fn check(jail: &Jail, path: &RelPath, place: (&Dir, &[u8]), expected: Option<&Seen>) -> Result<()> {
    if expected.is_some() && jail.tree().is_across() {
        jail.tree().may_decide(place.0).map_err(|err| Error::file(path, err))?;
        ask_again(place.0, place.1);
    }
    match expected {
        Some(expected) if seen(jail, path, place)? != *expected => Err(changed(path)),
        Some(_) | None => Ok(()),
    }
}

pub(super) fn changed(path: &RelPath) -> Error {
    Error::new(Kind::Changed, path.said("somebody changed it just now"))
}

fn seen(jail: &Jail, path: &RelPath, (dir, name): (&Dir, &[u8])) -> Result<Seen> {
    let stat = match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(Seen::NOTHING),
        Err(err) => return Err(Error::file(path, err.into())),
    };
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Seen::FOLDER,
        FileType::Symlink => {
            // Where it leads out, nothing of that is seen by anybody.
            let target = jail.follow(path.as_bytes()).ok().map(|(_, _, stat)| Stamp::from(&stat));
            Seen::stamped(Stamp::from(&stat), target)
        }
        _ => Seen::stamped(Stamp::from(&stat), None),
    })
}
