//! Removing files and trees.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType, statat, unlinkat};
use rustix::io::Errno;

use super::jail::{Jail, entries, open_directory, split};
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::proto::{RelPath, escape};

/// [`crate::store::Store::remove`]. A tree that fails half-way stays half there.
pub(super) fn remove(jail: &Jail, path: &RelPath, recursive: bool) -> Result<()> {
    split(path)?;
    let steady = jail.tree().steady();
    let (dir, name) = jail.parent(path)?;
    let failed = |err: Errno| Error::file(path, err.into());
    let stat = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
    let removed = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return unlinkat(&dir, name, AtFlags::empty()).map_err(failed),
        FileType::Directory => match unlinkat(&dir, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST) if recursive => {
                drop(steady);
                remove_tree(dir.as_fd(), name)
            }
            Err(Errno::EXIST) => Err(failed(Errno::NOTEMPTY)),
            removed => removed.map_err(failed),
        },
        // Maybe a link to a folder.
        _ => unlinkat(&dir, name, AtFlags::empty()).map_err(failed),
    };
    jail.tree().moved();
    removed
}

/// One directory on the way down, and its name for errors and for its own removal.
struct Level {
    entries: rustix::fs::Dir,
    name: Vec<u8>,
}

impl Level {
    fn open(parent: BorrowedFd<'_>, name: &[u8]) -> Result<Self, Errno> {
        Ok(Level { entries: entries(open_directory(parent, name)?)?, name: name.to_vec() })
    }
}

/// Removes a directory with all in it, from single names below open handles: a link is removed and never entered.
fn remove_tree(parent: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
    let mut levels = Vec::new();
    let failed = |levels: &[Level], name: &[u8], err: Errno| {
        let path: Vec<&[u8]> = levels.iter().map(|level| &*level.name).chain([name]).collect();
        Error::file(escape::for_people(&path.join(&b'/')), err.into())
    };
    levels.push(Level::open(parent, name).map_err(|err| failed(&levels, name, err))?);
    while let Some(level) = levels.last_mut() {
        let Some(entry) = level.entries.read() else {
            let Some(done) = levels.pop() else { break };
            let dir = levels.last().map_or(Ok(parent), |level| level.entries.fd());
            dir.and_then(|dir| unlinkat(dir, &*done.name, AtFlags::REMOVEDIR))
                .map_err(|err| failed(&levels, &done.name, err))?;
            continue;
        };
        let entry = entry.map_err(|err| failed(&levels, b"", err))?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let Some(level) = levels.last() else { break };
        let dir = level.entries.fd().map_err(|err| failed(&levels, name, err))?;
        // Linux says EISDIR, others EPERM, of unlinking a directory.
        match unlinkat(dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(err) => return Err(failed(&levels, name, err)),
        }
        if levels.len() >= limits::DEPTH_MAX {
            let text = format!("{}: deeper than {} folders", escape::for_people(name), limits::DEPTH_MAX);
            return Err(Error::new(Kind::NotEmpty, text));
        }
        match Level::open(dir, name) {
            Ok(level) => levels.push(level),
            Err(Errno::NOENT) => {}
            // It was no directory after all: the first refusal meant something else.
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(failed(&levels, name, Errno::PERM)),
            Err(err) => return Err(failed(&levels, name, err)),
        }
    }
    Ok(())
}
