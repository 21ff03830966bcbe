//! Staging beside the target, for a client's destination: `.NAME.sealift-part`, and no folder of ours.
//!
//! Whoever writes such a file holds its lock, and only the holder renames, cuts or removes it. So a second process
//! that fetches the same file sees that it is taken and uses a name with a random mark; and a file that nobody holds
//! was left by a process that died: the next one goes on with it, or starts it afresh. Files too small to be gone on
//! with have no name until they are whole ([`super::unnamed`]).

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, flock, fstat, openat, renameat, statat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::capabilities::Capabilities;
use super::names::rename_new;
use super::staging::{CREATE, Temp};
use super::whole;
use crate::files::RelPath;
use crate::files::aside::{MARK, PART, hidden, part_name};
use crate::limits;

/// Whether a staged file has the name under which it would be found again.
pub(super) fn is_first(path: &RelPath, staged: &[u8]) -> bool {
    path.file_name().is_some_and(|target| name(target, None) == staged)
}

/// A new empty file for an upload to `target`. What is left of an earlier one stays if it can be gone on with: somebody
/// may want to, and this upload may come to nothing.
pub(super) fn create(parent: &Arc<Dir>, target: &[u8], mode: Mode, can: Capabilities) -> io::Result<Temp> {
    let name = name(target, None);
    // What replaces a private file is not shown to others while it waits.
    let old = statat(parent, target, AtFlags::SYMLINK_NOFOLLOW);
    let mode = old.map_or(mode, |old| Mode::from_raw_mode(old.st_mode & 0o666)) | Mode::RUSR | Mode::WUSR;
    let mut made = openat(parent, &*name, CREATE, mode);
    if matches!(made, Err(Errno::EXIST))
        && let Some(mut left) = take(parent, target, can)?
    {
        if size(&left)? >= limits::HASH_BLOCK {
            left.release();
        } else {
            drop(left);
            made = openat(parent, &*name, CREATE, mode);
        }
    }
    match made {
        Ok(file) => match hold(parent, &name, &file) {
            // Somebody was faster, took it for a leftover, and has it now.
            Ok(false) | Err(Errno::WOULDBLOCK) => {}
            // A file system without locks: nobody can take it for a leftover either.
            Ok(true) | Err(_) => return Ok(Temp::named(Arc::clone(parent), name, file.into(), None, can)),
        },
        Err(Errno::EXIST) => {}
        Err(err) => return Err(err.into()),
    }
    for _ in 0..limits::NAME_TRIES {
        let name = part_name(target)?;
        let file = openat(parent, &*name, CREATE, mode)?;
        match hold(parent, &name, &file) {
            // Somebody who removes what was left took it for that, in the moment before it was held.
            Ok(false) | Err(Errno::WOULDBLOCK) => {}
            Ok(true) | Err(_) => return Ok(Temp::named(Arc::clone(parent), name, file.into(), None, can)),
        }
    }
    Err(Errno::AGAIN.into())
}

/// Removes what uploads to `target` left under all of their names, when one of them has come to its end: a file that nobody holds is
/// of a process that died, and nobody goes on with one that has a mark.
pub(super) fn forget(parent: &Arc<Dir>, target: &[u8], can: Capabilities) {
    drop(take(parent, target, can));
    let Ok(entries) = parent.entries() else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().into_vec();
        if is_marked(&name, target) {
            drop(take_named(parent, name, can));
        }
    }
}

/// Whether this is a name of an upload to `target` with a mark.
pub(super) fn is_marked(name: &[u8], target: &[u8]) -> bool {
    let mark = name.strip_suffix(PART).and_then(|rest| rest.split_last_chunk::<MARK>()).map(|(_, mark)| mark);
    let mark = mark.and_then(|mark| std::str::from_utf8(mark).ok());
    mark.is_some_and(|mark| {
        mark.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) && hidden(target, Some(mark), PART) == name
    })
}

/// How much an upload to `target` left that was cut off, if nobody is writing it: so many bytes can be gone on with.
pub(super) fn left(parent: &Arc<Dir>, target: &[u8], can: Capabilities) -> u64 {
    let Ok(Some(mut left)) = take(parent, target, can) else { return 0 };
    left.release();
    size(&left).unwrap_or(0) / limits::HASH_BLOCK * limits::HASH_BLOCK
}

/// The file an earlier upload to `target` left, if there is one and nobody is writing it. Dropping it removes it.
pub(super) fn take(parent: &Arc<Dir>, target: &[u8], can: Capabilities) -> io::Result<Option<Temp>> {
    take_named(parent, name(target, None), can)
}

fn take_named(parent: &Arc<Dir>, name: Vec<u8>, can: Capabilities) -> io::Result<Option<Temp>> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match openat(parent, &*name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::ISDIR | Errno::ACCESS) => return Ok(None),
        Err(err) => return Err(err.into()),
    };
    let stat = fstat(&file)?;
    // In a folder others can write to it may be a second name of another file: then it is not ours to cut.
    let ours = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && stat.st_nlink == 1
        && stat.st_uid == geteuid().as_raw();
    if !ours || hold(parent, &name, &file) != Ok(true) {
        return Ok(None);
    }
    whole::cut(&file)?;
    Ok(Some(Temp::named(Arc::clone(parent), name, file.into(), None, can)))
}

/// Gives a staged file of another name the one under which it is found again, unless what has that name is as long or
/// somebody is writing it. Says how many bytes are to be found under that name then.
pub(super) fn make_first(temp: &mut Temp, target: &[u8]) -> io::Result<u64> {
    let (name, ours) = (name(target, None), size(temp)?);
    let Some(own_name) = temp.name().map(<[u8]>::to_vec) else { return Ok(0) };
    let left = take(temp.dir(), target, temp.can)?;
    if let Some(mut left) = left {
        let theirs = size(&left)?;
        left.release();
        if theirs >= ours {
            return Ok(theirs);
        }
        renameat(temp.dir(), &*own_name, temp.dir(), &*name)?;
    } else if rename_new(temp.can.new_name, temp.dir(), &own_name, temp.dir(), &name).is_err() {
        return Ok(0);
    }
    temp.renamed(name);
    temp.release();
    Ok(ours)
}

fn size(temp: &Temp) -> io::Result<u64> {
    Ok(u64::try_from(fstat(&temp.file)?.st_size).unwrap_or(0))
}

/// Takes the lock of this file; whether it then still has this name.
fn hold(parent: &Dir, name: &[u8], file: &OwnedFd) -> Result<bool, Errno> {
    flock(file, FlockOperation::NonBlockingLockExclusive)?;
    let ours = fstat(file)?;
    let there = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
    Ok(there.is_ok_and(|there| (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)))
}

/// `.NAME.sealift-part`, or `.NAME.MARK.sealift-part`.
fn name(target: &[u8], mark: Option<&str>) -> Vec<u8> {
    hidden(target, mark, PART)
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;

    use super::super::capabilities::NewName;
    use super::*;
    use crate::files::aside::is_part;

    #[test]
    fn a_file_that_was_looked_at_is_to_be_had_though_a_process_that_is_being_started_has_it_open_yet() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Arc::new(Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap());
        let new_name = NewName::Rename;
        let can = Capabilities { nameless: None, new_name, locks: true, notes: true, exact: true, syncs: true };
        std::fs::write(folder.path().join(".x.sealift-part"), b"1").unwrap();
        let mut left = take(&dir, b"x", can).unwrap().unwrap();
        let opened_in_child = left.file.try_clone().unwrap();
        assert!(take(&dir, b"x", can).unwrap().is_none(), "somebody has it");
        left.release();
        drop(left);
        assert!(take(&dir, b"x", can).unwrap().is_some());
        drop(opened_in_child);
    }

    #[test]
    fn every_name_fits_is_ours_and_differs_from_every_other() {
        let long = [b'a'; 255];
        let mut other = long;
        other[254] = b'b';
        let mut names = Vec::new();
        for target in [&b"x"[..], &long, &other, &long[..241], &long[..242]] {
            for mark in [None, Some("0123456789abcdef")] {
                let name = name(target, mark);
                assert!(name.len() <= 255 && is_part(&name));
                names.push(name);
            }
        }
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        assert_eq!(name(b"x", None), b".x.sealift-part");
    }

    #[test]
    fn a_name_with_a_mark_is_known_as_one_of_its_target_alone() {
        let long = [b'a'; 255];
        for target in [&b"x"[..], b"x.0123456789abcdef", &long, &long[..230]] {
            let marked = part_name(target).unwrap();
            assert!(is_marked(&marked, target) && !is_marked(&name(target, None), target));
            for other in [&b"y"[..], b"", b".x", &long[..254]] {
                assert!(!is_marked(&marked, other), "{other:?}");
            }
        }
        assert!(!is_marked(b".x.0123.sealift-part", b"x") && !is_marked(b".x.0123456789ABCDEF.sealift-part", b"x"));
    }
}
