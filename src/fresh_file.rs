//! Replaces a file whole: the new one is written and synced beside it, and takes its name. Whoever writes one has it locked as long, so that
//! what somebody left who was killed is told from it.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, Gid, OFlags, Uid, flock};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::{limits, random};

/// How the name of such a file ends.
const NEW: &str = ".new";

/// For its owner alone.
const OWN: u32 = 0o600;

/// A new file, whole and synced, beside the one it is to become; removed again if it does not.
#[derive(Debug)]
pub struct Fresh {
    pub(crate) path: PathBuf,
    target: PathBuf,
    file: File,
}

impl Fresh {
    /// What is to become `target`, with this text, for the owner alone.
    pub(crate) fn beside(target: &Path, text: &str) -> Result<Fresh> {
        Fresh::with_mode(target, text.as_bytes(), OWN)
    }

    /// What is to become `target`, with these bytes and this mode, less the umask.
    ///
    /// # Errors
    /// Those of the file system, of that file.
    pub fn with_mode(target: &Path, bytes: &[u8], mode: u32) -> Result<Fresh> {
        let mut fresh = make(target, mode)?;
        fresh.file.write_all(bytes).map_err(|err| failed(target, err))?;
        // Its last write is older than its name, and by that a running server knows that it is whole: however coarse the
        // clock of the file system is.
        let written = SystemTime::now() - Duration::from_millis(50);
        fresh.file.set_modified(written).map_err(|err| failed(target, err))?;
        fresh.file.sync_all().map_err(|err| failed(target, err))?;
        Ok(fresh)
    }

    /// Gives it to whom this folder belongs: what root makes there is for the server's account.
    pub(crate) fn give_to_owner_of(&self, folder: &Path) -> Result<()> {
        let (own, like) = (self.file.metadata(), fs::metadata(folder).map_err(|err| failed(folder, err))?);
        let own = own.map_err(|err| failed(&self.target, err))?;
        if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
            let (uid, gid) = (Uid::from_raw(like.uid()), Gid::from_raw(like.gid()));
            rustix::fs::fchown(&self.file, Some(uid), Some(gid)).map_err(|err| failed(&self.target, err.into()))?;
        }
        Ok(())
    }

    /// Gives it its name, in the place of what had it. It is on the disk then.
    ///
    /// # Errors
    /// Those of the file system, of that file.
    pub fn put_in_place(self) -> Result<()> {
        fs::rename(&self.path, &self.target).map_err(|err| failed(&self.target, err))?;
        sync_parent(&self.target)
    }

    /// Gives it its name, in the place of what had it. The name need not outlive a power cut: of the folder no more is asked than to write
    /// in it.
    ///
    /// # Errors
    /// Those of the file system, of that file.
    pub fn put_in_place_unsynced(self) -> Result<()> {
        fs::rename(&self.path, &self.target).map_err(|err| failed(&self.target, err))
    }

    /// An administrator who changes the file as root must not take it away from the account the server runs under.
    pub(crate) fn take_owner_and_mode(&self, target: &Path, old: &Metadata) -> Result<()> {
        let new = self.file.metadata().map_err(|err| failed(target, err))?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            let owner = (Some(Uid::from_raw(old.uid())), Some(Gid::from_raw(old.gid())));
            rustix::fs::fchown(&self.file, owner.0, owner.1).map_err(|err| failed(target, err.into()))?;
        }
        let mode = Permissions::from_mode(old.mode() & 0o7777);
        self.file.set_permissions(mode).map_err(|err| failed(target, err))?;
        self.file.sync_all().map_err(|err| failed(target, err))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // After a rename nothing is there, and that is fine.
        let _ = fs::remove_file(&self.path);
    }
}

/// A new file beside this one, locked until it is closed.
fn make(target: &Path, mode: u32) -> Result<Fresh> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    for _ in 0..limits::FRESH_FILE_TRIES {
        let random = random::number()?;
        let path = target.with_file_name(format!("{}{random:016x}{NEW}", beginning(&name)));
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
        let file = file.map_err(|err| failed(target, err))?;
        let fresh = Fresh { path, target: target.to_owned(), file };
        // Whoever looked for what was left over may have found it before it was locked, and takes it away. Where there are no locks, it
        // is not taken for that before it is old.
        let is_taken = flock(&fresh.file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK);
        if !is_taken && fresh.file.metadata().map_err(|err| failed(target, err))?.nlink() > 0 {
            return Ok(fresh);
        }
    }
    Err(failed(target, Errno::BUSY.into()))
}

/// How the names begin of what is to become the file of this name.
fn beginning(name: &str) -> String {
    format!(".{name}.")
}

/// Takes away what is about to become this file, whoever wrote it: from then on it does not.
///
/// # Errors
/// Those of the file system: then it may.
pub(crate) fn remove_beside(target: &Path) -> io::Result<()> {
    for path in beside(target)? {
        match fs::remove_file(path) {
            // It has got there by now.
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    Ok(())
}

/// What is about to become this file, or was left by a process that was killed while it wrote that.
///
/// # Errors
/// Those of the file system.
pub(crate) fn beside(target: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(name) = target.file_name().and_then(|name| name.to_str()) else { return Ok(Vec::new()) };
    let folder = parent(target);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?.file_name();
        if entry.to_str().is_some_and(|entry| is_to_become(entry, Some(name))) {
            found.push(folder.join(entry));
        }
    }
    Ok(found)
}

/// Whether a file called so is one that is to become this one, or any.
fn is_to_become(entry: &str, name: Option<&str>) -> bool {
    let rest = entry.strip_prefix('.').and_then(|entry| entry.strip_suffix(NEW));
    let parts = rest.and_then(|rest| rest.rsplit_once('.'));
    parts.is_some_and(|(of, number)| {
        let is_number = number.len() == 16 && number.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_number && name.map_or(!of.is_empty(), |name| of == name)
    })
}

/// Removes what was left beside this file, if it is written in no other way: by somebody who was killed. Whoever writes one just now keeps
/// it. Says how many there were.
///
/// # Errors
/// Those of the file system.
pub fn sweep_beside(target: &Path) -> io::Result<usize> {
    let name = target.file_name().and_then(|name| name.to_str());
    name.map_or(Ok(0), |name| sweep(parent(target), Some(name), Duration::ZERO))
}

/// Removes from this folder what was left beside any file, or this one, by somebody who was killed; but nothing that is younger than that.
///
/// # Errors
/// Those of the file system.
pub(crate) fn sweep(folder: &Path, name: Option<&str>, least: Duration) -> io::Result<usize> {
    let (mut swept, mut trouble) = (0, None);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_one = entry.file_name().to_str().is_some_and(|entry| is_to_become(entry, name));
        if is_one && entry.file_type()?.is_file() {
            match remove_left(&entry.path(), least) {
                Ok(is_left) => swept += usize::from(is_left),
                Err(err) if err.kind() == io::ErrorKind::NotFound => {}
                // The others may go.
                Err(err) => trouble = Some(err),
            }
        }
    }
    trouble.map_or(Ok(swept), Err)
}

/// Removes this one if nobody writes it, as the lock says; where that cannot be known, if it is old.
fn remove_left(path: &Path, least: Duration) -> io::Result<bool> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
    let locked = file.as_ref().map(|file| flock(file, FlockOperation::NonBlockingLockExclusive));
    let least = match locked {
        Ok(Ok(())) => least,
        Ok(Err(Errno::WOULDBLOCK)) => return Ok(false),
        // Of root, say, whose command was killed before it gave it away.
        Ok(Err(_)) | Err(_) => limits::FRESH_FILE_LEFT,
    };
    // One of the future has no age.
    let age = fs::symlink_metadata(path)?.modified()?.elapsed().unwrap_or_default();
    if age < least {
        return Ok(false);
    }
    // Under the lock: whoever makes one sees that it is gone.
    fs::remove_file(path).map(|()| true)
}

/// The folder that this file is in.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes to the disk what the folder of this file says of it.
pub(crate) fn sync_parent(path: &Path) -> Result<()> {
    File::open(parent(path)).and_then(|parent| parent.sync_all()).map_err(|err| failed(path, err))
}

/// What the file system says of this file.
pub(crate) fn failed(path: &Path, err: io::Error) -> Error {
    Error::file(path.display(), err)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// What somebody leaves who is killed: the kernel closes the file, and it stays.
    fn leave(target: &Path) {
        let fresh = Fresh::beside(target, "half").unwrap();
        let path = fresh.path.clone();
        let aside = path.with_extension("aside");
        fs::rename(&path, &aside).unwrap();
        drop(fresh);
        fs::rename(aside, path).unwrap();
    }

    #[test]
    fn what_was_left_goes_and_what_is_being_written_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (dir.path().join("one"), dir.path().join("other"));
        let others = [".one.mine.new", ".one.0123456789abcdef", "one.0123456789abcdef.new", "..0123456789abcdef.new"];
        others.iter().for_each(|name| fs::write(dir.path().join(name), "").unwrap());
        leave(&one);
        leave(&other);
        let live = Fresh::beside(&one, "new").unwrap();
        assert_eq!(sweep(dir.path(), None, limits::FRESH_FILE_LEFT).unwrap(), 0, "all are young");
        assert_eq!(sweep_beside(&one).unwrap(), 1);
        assert_eq!(sweep(dir.path(), None, Duration::ZERO).unwrap(), 1);
        assert_eq!(names(dir.path()).len(), others.len() + 1);
        live.put_in_place().unwrap();
        assert_eq!(fs::read_to_string(one).unwrap(), "new");
        assert_eq!(names(dir.path()).len(), others.len() + 1);
    }

    #[test]
    fn whose_file_was_taken_away_before_it_was_locked_is_told_or_makes_another_one() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("one");
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    sweep(dir.path(), None, Duration::ZERO).unwrap();
                }
            });
            for number in 0..500 {
                // Whoever looks does nothing else here: it may be in vain a few times, and then that is said.
                let text = number.to_string();
                if let Ok(fresh) = Fresh::beside(&target, &text) {
                    fresh.put_in_place().unwrap();
                    assert_eq!(fs::read_to_string(&target).unwrap(), text);
                }
            }
            over.store(true, Ordering::Relaxed);
        });
    }
}
