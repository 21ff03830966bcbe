//! What clients keep with a file or folder, in an extended attribute of it: so it goes where the file goes, and nothing is left
//! of it when the file is gone. An upload that takes the place of a file is that file with other bytes (RFC 4918, section 9.7.1),
//! and keeps what that kept; a copy keeps what its source does (section 9.8.2).

use std::os::fd::{AsFd, BorrowedFd};

use cap_std::fs::Dir;
use rustix::fs::{XattrFlags, fgetxattr, fremovexattr, fsetxattr, fsync};
use rustix::io::Errno;

use super::jail::Jail;
use super::source::LocalSource;
use super::tree::Steady;
use crate::error::{Error, Kind, Result};
use crate::files::{Properties, RelPath};
use crate::limits;
use crate::sync::Mutex;

const ATTRIBUTE: &str = "user.sealift.properties";

/// Between names and values, in neither of which it is.
const END: char = '\0';

/// What is read, changed and written is so by one at a time.
static CHANGING: Mutex<()> = Mutex::new(());

/// [`crate::files::Store::properties`].
pub(super) fn load(jail: &Jail, path: &RelPath) -> Result<Properties> {
    let steady = jail.tree().steady().map_err(|err| Error::file(path, err))?;
    on(jail, path, steady, |file| load_of(file, path))
}

/// [`crate::files::Store::change_properties`].
pub(super) fn change(jail: &Jail, durable: bool, path: &RelPath, changes: &[(String, Option<String>)]) -> Result<()> {
    let failed = |err: Errno| Error::file(path, err.into());
    let changed = on(jail, path, jail.steady(path)?, |file| {
        // It guards nothing of its own.
        let _one_at_a_time = match jail.tree().is_across() {
            false => CHANGING.lock(),
            // A file system of several machines may not answer whoever has it.
            true => CHANGING.lock_within(limits::TREE_LOCK_TURN).ok_or_else(|| {
                let text =
                    format!("{path}: another one who changes properties does not come back from the file system");
                Error::new(Kind::Io, text)
            })?,
        };
        let mut kept = load_of(file, path)?;
        for (name, value) in changes {
            match value {
                Some(value) => drop(kept.insert(name.clone(), value.clone())),
                None => drop(kept.remove(name)),
            }
        }
        store_of(file, path, &kept)?;
        file.try_clone_to_owned().map_err(|err| Error::file(path, err))
    })?;
    // Nobody waits for the disk with it.
    if durable { fsync(changed).map_err(failed) } else { Ok(()) }
}

/// Lets a file that nobody else has yet keep what this one does. Says whether that is anything. Where there is no room for it, it
/// keeps nothing.
pub(super) fn copy(from: impl AsFd, to: impl AsFd) -> bool {
    let mut bytes = [0; limits::PROPERTIES_MAX];
    let kept = match fgetxattr(from, ATTRIBUTE, &mut bytes[..]) {
        Ok(len) => bytes.get(..len).unwrap_or_default(),
        Err(_) => return false,
    };
    !kept.is_empty() && fsetxattr(to, ATTRIBUTE, kept, XattrFlags::empty()).is_ok()
}

/// The same of the file of this name in this directory, which that one is to take the place of.
pub(super) fn copy_of(dir: &Dir, name: &[u8], to: impl AsFd) -> bool {
    LocalSource::open_bare(dir, name).is_ok_and(|from| copy(from, to))
}

fn load_of(file: BorrowedFd<'_>, path: &RelPath) -> Result<Properties> {
    // Of most files there is nothing: that takes no memory.
    let mut bytes = [0; limits::PROPERTIES_MAX];
    match fgetxattr(file, ATTRIBUTE, &mut bytes[..]) {
        Ok(len) => Ok(decode(bytes.get(..len).unwrap_or_default())),
        // Of a file system without attributes, or written by somebody else.
        Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE) => Ok(Properties::new()),
        Err(err) => Err(Error::file(path, err.into())),
    }
}

fn store_of(file: BorrowedFd<'_>, path: &RelPath, properties: &Properties) -> Result<()> {
    let bytes = encode(properties);
    let no_room = || Error::new(Kind::NoSpace, format!("{path}: there is no room for so many properties"));
    let set = match bytes.len() {
        0 => fremovexattr(file, ATTRIBUTE),
        1..=limits::PROPERTIES_MAX => fsetxattr(file, ATTRIBUTE, &bytes, XattrFlags::empty()),
        _ => return Err(no_room()),
    };
    match set {
        Ok(()) => Ok(()),
        Err(Errno::NODATA | Errno::NOTSUP) if bytes.is_empty() => Ok(()),
        Err(Errno::NOTSUP | Errno::NOSPC | Errno::TOOBIG | Errno::DQUOT) => Err(no_room()),
        Err(err) => Err(Error::file(path, err.into())),
    }
}

/// Does this with the file or folder, which is opened for it while nothing else gets its name.
fn on<T>(
    jail: &Jail,
    path: &RelPath,
    _steady: Steady<'_>,
    work: impl FnOnce(BorrowedFd<'_>) -> Result<T>,
) -> Result<T> {
    match jail.parent(path).and_then(|(dir, name)| LocalSource::open_real(path, &dir, name)) {
        Ok(opened) => work(opened.file().as_fd()),
        Err(error) if error.kind() == Kind::IsDirectory || path.is_root() => work(jail.directory(path)?.as_fd()),
        Err(error) => Err(error),
    }
}

fn encode(properties: &Properties) -> Vec<u8> {
    let mut text = String::new();
    for (name, value) in properties {
        text.extend([name.as_str(), value.as_str()].into_iter().flat_map(|part| part.chars().chain([END])));
    }
    text.into_bytes()
}

fn decode(bytes: &[u8]) -> Properties {
    let Ok(text) = str::from_utf8(bytes) else { return Properties::new() };
    let mut parts = text.split_terminator(END);
    let mut properties = Properties::new();
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        properties.insert(name.to_owned(), value.to_owned());
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_rubbish_is_nothing() {
        let of = |pairs: &[(&str, &str)]| -> Properties {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        for properties in [of(&[]), of(&[("a", "")]), of(&[("{u}x", "<v>"), ("{u}y", "ü")])] {
            assert_eq!(decode(&encode(&properties)), properties);
        }
        assert!(decode(b"\xff\0x\0").is_empty() && decode(b"only a name").is_empty());
    }
}
