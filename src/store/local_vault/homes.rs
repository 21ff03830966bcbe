//! From the name of a home, or of a shared folder in the data directory, to its directory.
//!
//! A link right in the data directory is followed to what it leads to in there: nobody but the administrator puts one there, so that a
//! folder has another name, or is in another one. Deeper down the folders are those of users, who may have accounts on this machine: a
//! link that is put there in the place of somebody's home would make it another's, and is followed by nobody.

use std::io;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;

use crate::files::{RelPath, symlink_target};
use crate::limits;

/// For its path alone: whether it may be read is seen by whoever reads it.
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The path of this home in the data directory without the links right in that.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] for a link that leads out of the data directory, or to all of it.
pub(super) fn path_of(root: &Dir, home: &str) -> io::Result<Vec<u8>> {
    let mut path = home.as_bytes().to_vec();
    for _ in 0..limits::HOME_LINKS {
        let end = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
        let (first, rest) = path.split_at(end);
        let text = match readlinkat(root, first, Vec::new()) {
            Ok(text) => text.into_bytes(),
            // No link, or nothing.
            Err(Errno::INVAL | Errno::NOENT) => return Ok(path),
            Err(err) => return Err(err.into()),
        };
        let target = symlink_target(&RelPath::root(), &text).filter(|target| !target.is_root());
        let leads_out = || io::Error::new(io::ErrorKind::PermissionDenied, "a link leads out of the data folder");
        path = [target.ok_or_else(leads_out)?.as_bytes(), rest].concat();
    }
    Err(Errno::LOOP.into())
}

/// Opens this home.
///
/// # Errors
/// Those of the file system, and of [`path_of`]; that a link is on the way which is not followed.
pub(super) fn open(root: &Dir, home: &str) -> io::Result<Dir> {
    let path = path_of(root, home)?;
    let mut names = path.split(|byte| *byte == b'/');
    let mut dir = open_one(root, names.next().unwrap_or_default())?;
    for name in names {
        dir = open_one(&dir, name)?;
    }
    Ok(dir)
}

fn open_one(dir: &Dir, name: &[u8]) -> io::Result<Dir> {
    let opened = openat(dir, name, FOLDER, Mode::empty()).map(|fd| Dir::from_std_file(fd.into()));
    opened.map_err(|err| {
        let is_link = |err| matches!(err, Errno::NOTDIR | Errno::LOOP);
        let there = || statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
        match is_link(err) && there().is_ok_and(|it| FileType::from_raw_mode(it.st_mode) == FileType::Symlink) {
            true => {
                io::Error::other("a link is on the way to it, and only those right in the data folder are followed")
            }
            false => err.into(),
        }
    })
}
