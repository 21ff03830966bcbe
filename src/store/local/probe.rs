//! Trying what a file system does: with small files of hidden names, all of them removed again.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::time::Instant;

use cap_std::fs::Dir;
use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, RenameFlags, flock, fstat, fsync, linkat, mkdirat, openat, renameat,
    renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::super::file_system::is_of_this_machine;
use super::beside;
use super::capabilities::{Capabilities, NewName};
use super::jail::open_directory;
use super::record;
use super::root::is_same_file;
use super::staging::CREATE;
use super::unnamed::{self, Way};
use crate::files::aside::part_name;
use crate::limits;

/// A directory to try things in, and the names that may be there now.
struct Bench<'d> {
    dir: &'d Dir,
    used: Vec<Vec<u8>>,
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        for name in &self.used {
            // Mostly renamed meanwhile.
            let _ = unlinkat(self.dir, &**name, AtFlags::empty());
        }
    }
}

/// Tries everything that stores rely on in this directory, whose entries of our names nobody else looks at. With
/// `durable` also what makes an acknowledged file outlive a power cut.
///
/// # Errors
/// What failed that no store can do without, named; and those of a directory that cannot be written to, as they are.
pub(super) fn probe(dir: &Dir, durable: bool) -> io::Result<Capabilities> {
    let mut bench = Bench { dir, used: Vec::new() };
    let first = bench.file(b"first")?;
    bench.must(bench.holds(&first, b"first"), "a file that is closed and opened again")?;
    let second = bench.file(b"second")?;
    renameat(dir, &*first, dir, &*second)?;
    let replaced = !bench.exists(&first) && bench.holds(&second, b"first");
    bench.must(replaced, "renaming a file over another one")?;
    if durable {
        let synced = fsync(dir);
        // A disk that fails is no file system that cannot.
        if let Err(err @ (Errno::IO | Errno::NOSPC | Errno::DQUOT)) = synced {
            return Err(err.into());
        }
        bench.must(synced.is_ok(), "syncing a folder (without it: --durability none)")?;
    }
    let file = File::from(openat(dir, &*second, OPEN, Mode::empty())?);
    Ok(Capabilities {
        nameless: bench.nameless(&second)?,
        new_name: bench.new_name()?,
        locks: bench.locks(&second)?,
        notes: record::is_kept(&file),
        exact: bench.is_exact()?,
        syncs: is_of_this_machine(&file),
    })
}

/// Tries everything that stores rely on where people look: in a folder of its own, which is held as long as it is there. What those left
/// who were killed in the middle of it goes. It is tried in the root if that is on the same file system: there the next one looks too,
/// whatever comes first.
///
/// # Errors
/// As [`probe`].
pub(super) fn probe_beside(root: &Dir, dir: &Dir, durable: bool) -> io::Result<Capabilities> {
    let within = |dir: &Dir| {
        clear(dir);
        let own = OwnFolder::make(dir)?;
        probe(&own.folder, durable)
    };
    if fstat(root)?.st_dev == fstat(dir)?.st_dev {
        match within(root) {
            // Who may not write there may further down.
            Err(err) if err.kind() == io::ErrorKind::PermissionDenied => {}
            tried => return tried,
        }
    }
    within(dir)
}

/// What is tried by [`probe_beside`].
const TRIED: &[u8] = b"try";

/// A folder that is there until this is dropped, and locked meanwhile.
struct OwnFolder<'d> {
    parent: &'d Dir,
    name: Vec<u8>,
    folder: Dir,
}

impl<'d> OwnFolder<'d> {
    fn make(parent: &'d Dir) -> io::Result<OwnFolder<'d>> {
        for _ in 0..limits::NAME_TRIES {
            let name = part_name(TRIED)?;
            mkdirat(parent, &*name, Mode::RWXU)?;
            let folder = match open_directory(parent, &name) {
                Err(Errno::NOENT) => continue,
                folder => folder?,
            };
            // (It may be gone by now, too.) Who clears such folders away may take it for one that is left, in the moment before it is held; where folders have no
            // locks nobody does.
            let is_taken = flock(&folder, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK);
            if !is_taken && has_name(parent, &name, &folder) {
                return Ok(OwnFolder { parent, name, folder });
            }
        }
        Err(Errno::AGAIN.into())
    }
}

impl Drop for OwnFolder<'_> {
    fn drop(&mut self) {
        // If something is left in it, the next one who tries removes that.
        let _ = unlinkat(self.parent, &*self.name, AtFlags::REMOVEDIR);
    }
}

fn has_name(parent: &Dir, name: &[u8], dir: &Dir) -> bool {
    let there = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
    there.is_ok_and(|there| fstat(dir).is_ok_and(|dir| is_same_file(&there, &dir)))
}

/// Removes the folders of those who tried something here and were killed meanwhile: nobody holds them.
pub(super) fn clear(dir: &Dir) {
    let Ok(entries) = dir.entries() else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().into_vec();
        if !beside::is_marked(&name, TRIED) {
            continue;
        }
        let Ok(folder) = open_directory(dir, &name) else { continue };
        let is_own = fstat(&folder).is_ok_and(|stat| stat.st_uid == geteuid().as_raw());
        let lock = FlockOperation::NonBlockingLockExclusive;
        if !is_own || flock(&folder, lock).is_err() || !has_name(dir, &name, &folder) {
            continue;
        }
        for file in folder.entries().into_iter().flatten().flatten() {
            // What cannot be removed keeps the folder.
            let _ = unlinkat(&folder, &*file.file_name().into_vec(), AtFlags::empty());
        }
        let _ = unlinkat(dir, &*name, AtFlags::REMOVEDIR);
    }
}

/// Fails where the reserved directory is found by a name that anybody may have: the short names of FAT that is mounted with `nonumtail`.
/// What other names lead to it is no path ([`crate::files::is_reserved_name`]).
pub(super) fn refuse_other_names(root: &Dir, reserved: &Dir) -> io::Result<()> {
    let own = fstat(reserved)?;
    let name = limits::RESERVED_NAME.trim_start_matches('.');
    match statat(root, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(there) if is_same_file(&there, &own) => Err(io::Error::other(format!(
            "this file system finds {} under the name {name} too, and so shows everybody what is kept in it",
            limits::RESERVED_NAME
        ))),
        Ok(_) | Err(_) => Ok(()),
    }
}

const OPEN: OFlags = OFlags::RDWR.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

impl Bench<'_> {
    fn name(&mut self) -> io::Result<Vec<u8>> {
        let name = part_name(b"try")?;
        self.used.push(name.clone());
        Ok(name)
    }

    /// A closed file with these bytes.
    fn file(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let name = self.name()?;
        let file = openat(self.dir, &*name, CREATE, Mode::RUSR | Mode::WUSR)?;
        File::from(file).write_all(bytes)?;
        Ok(name)
    }

    /// Whether this name has these bytes and no more.
    fn holds(&self, name: &[u8], bytes: &[u8]) -> bool {
        let Ok(file) = openat(self.dir, name, OPEN, Mode::empty()) else { return false };
        let mut found = Vec::new();
        let read = File::from(file).take(bytes.len() as u64 + 1).read_to_end(&mut found);
        read.is_ok() && found == bytes
    }

    fn exists(&self, name: &[u8]) -> bool {
        statat(self.dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    fn must(&self, works: bool, what: &str) -> io::Result<()> {
        match works {
            true => Ok(()),
            false => Err(io::Error::other(format!("this file system does not do what files need: {what}"))),
        }
    }

    fn nameless(&mut self, taken: &[u8]) -> io::Result<Option<Way>> {
        for way in [Way::Handle, Way::Proc] {
            let Some(mut file) = unnamed::create(self.dir, Mode::RUSR | Mode::WUSR)? else { return Ok(None) };
            file.write_all(b"nameless")?;
            let name = self.name()?;
            // Who may not do it in this way is told so in either case.
            if way.link(&file, self.dir, taken) != Err(Errno::EXIST) || way.link(&file, self.dir, &name).is_err() {
                continue;
            }
            drop(file);
            if self.holds(&name, b"nameless") {
                return Ok(Some(way));
            }
        }
        Ok(None)
    }

    fn new_name(&mut self) -> io::Result<NewName> {
        let dir = self.dir;
        let rename = |from: &[u8], to: &[u8]| renameat_with(dir, from, dir, to, RenameFlags::NOREPLACE);
        let (from, taken) = (self.file(b"new")?, self.file(b"taken")?);
        let free = self.name()?;
        let refused = rename(&from, &taken) == Err(Errno::EXIST) && self.holds(&taken, b"taken");
        if refused && rename(&from, &free).is_ok() && self.holds(&free, b"new") && !self.exists(&from) {
            return Ok(NewName::Rename);
        }
        let link = |from: &[u8], to: &[u8]| linkat(dir, from, dir, to, AtFlags::empty());
        let (from, taken) = (self.file(b"new")?, self.file(b"taken")?);
        let free = self.name()?;
        let refused = link(&from, &taken) == Err(Errno::EXIST) && self.holds(&taken, b"taken");
        let linked = refused && link(&from, &free).is_ok() && unlinkat(dir, &*from, AtFlags::empty()).is_ok();
        Ok(if linked && self.holds(&free, b"new") { NewName::Link } else { NewName::Missing })
    }

    /// Whether a name is found in its own spelling alone: not in another case, nor with an accent that is a letter of its own, nor with what
    /// some cut off at its end.
    fn is_exact(&mut self) -> io::Result<bool> {
        let name = self.file(b"exact")?;
        let others = [name.to_ascii_uppercase(), [&*name, b"."].concat(), [&*name, b" "].concat()];
        if others.iter().any(|other| *other != name && self.exists(other)) {
            return Ok(false);
        }
        let spelled = |text: &str| [b".s".as_slice(), text.as_bytes(), &name].concat();
        let accented = spelled("\u{e9}");
        self.used.push(accented.clone());
        match openat(self.dir, &*accented, CREATE, Mode::RUSR | Mode::WUSR) {
            Ok(file) => drop(file),
            // Where such a name cannot be, nobody finds anything by it.
            Err(Errno::INVAL | Errno::ILSEQ) => return Ok(true),
            Err(err) => return Err(err.into()),
        }
        let long_s = [".\u{17f}\u{e9}".as_bytes(), &name].concat();
        Ok(![spelled("e\u{301}"), spelled("\u{c9}"), long_s].iter().any(|other| self.exists(other)))
    }

    fn locks(&self, name: &[u8]) -> io::Result<bool> {
        sees_locks(|| openat(self.dir, name, OPEN, Mode::empty()))
    }
}

/// Whether the lock of the file that this opens is seen through another handle, and goes with the one that took it.
pub(super) fn sees_locks(open: impl Fn() -> Result<OwnedFd, Errno>) -> io::Result<bool> {
    let (one, other) = (open()?, open()?);
    let lock = FlockOperation::NonBlockingLockExclusive;
    let seen = flock(&one, lock).is_ok() && flock(&other, lock) == Err(Errno::WOULDBLOCK);
    drop(one);
    // Over a network the close may be told a moment later.
    let begun = Instant::now();
    while seen && flock(&other, lock).is_err() {
        if begun.elapsed() >= limits::LOCK_GONE_WAIT {
            return Ok(false);
        }
        std::thread::sleep(limits::LOCK_GONE_PAUSE);
    }
    // Not by its being closed alone: a process that is being started may have it open for a moment more.
    let _ = flock(&other, FlockOperation::Unlock);
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;

    use super::*;

    #[test]
    fn what_somebody_left_who_was_killed_goes_and_what_somebody_holds_stays() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap();
        let names = || std::fs::read_dir(place.path()).unwrap().count();
        // As a process leaves it that ends in the middle.
        let mut own = OwnFolder::make(&dir).unwrap();
        let left = std::mem::take(&mut own.name);
        drop(own);
        let folder = open_directory(&dir, &left).unwrap();
        let mut bench = Bench { dir: &folder, used: Vec::new() };
        bench.file(b"left").unwrap();
        bench.used.clear();
        let alike = part_name(b"other").unwrap();
        mkdirat(&dir, &*alike, Mode::RWXU).unwrap();
        let held = OwnFolder::make(&dir).unwrap();
        assert_eq!(names(), 3);
        probe_beside(&dir, &dir, false).unwrap();
        assert!(statat(&dir, &*left, AtFlags::empty()).is_err());
        assert!(statat(&dir, &*held.name, AtFlags::empty()).is_ok());
        assert!(statat(&dir, &*alike, AtFlags::empty()).is_ok(), "it is not of this kind");
        drop(held);
        assert_eq!(names(), 1);
    }
}
