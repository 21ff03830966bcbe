//! Key and certificate on disk: read with suspicion, written whole or not at all.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Gid, OFlags, Uid, fchown, flock};
use rustix::process::geteuid;
use zeroize::Zeroizing;

use crate::limits::{self, PEM_MAX};
use crate::random;
use crate::{Error, Kind, Result};

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Privacy {
    /// Anybody: certificates.
    Public,
    /// The owner alone: keys. A file that others can read is refused, since its key is no secret any more.
    Owner,
}

impl Privacy {
    /// The most that others may be let in.
    fn most(self) -> u32 {
        match self {
            Privacy::Public => 0o777,
            Privacy::Owner => 0o700,
        }
    }

    fn mode(self) -> u32 {
        match self {
            Privacy::Public => 0o644,
            Privacy::Owner => 0o600,
        }
    }
}

/// Reads a small file. Its bytes are wiped from memory when dropped.
///
/// # Errors
/// That of the file, or [`Kind::BadConfig`] when it is no regular file, larger than [`PEM_MAX`], or less private than
/// asked for.
pub(super) fn read(path: &Path, privacy: Privacy) -> Result<Zeroizing<Vec<u8>>> {
    let bad = |why: &str| Error::new(Kind::BadConfig, format!("{}: {why}", path.display()));
    let failed = |err| Error::file(path.display(), err);
    // Without O_NONBLOCK a named pipe would hang the start.
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(bad("not a regular file"));
    }
    if privacy == Privacy::Owner && metadata.mode() & 0o077 != 0 {
        return Err(bad(&format!(
            "other users of this machine can read the private key (mode {:04o}); run: chmod 600 '{}'",
            metadata.mode() & 0o7777,
            path.display()
        )));
    }
    if metadata.len() > PEM_MAX {
        return Err(bad(&format!("larger than {} KiB", PEM_MAX / 1024)));
    }
    let mut content = Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0)));
    file.take(PEM_MAX).read_to_end(&mut content).map_err(failed)?;
    Ok(content)
}

/// A directory held for one process alone while key and certificate are looked at or replaced together. Dropping it
/// lets the next one in.
pub(super) struct Locked {
    path: PathBuf,
    handle: File,
}

impl Locked {
    /// Opens the directory, made with mode 0700 if it is not there, and waits until no other process holds it.
    pub(super) fn open(path: &Path) -> Result<Locked> {
        let failed = |err| Error::file(path.display(), err);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let handle = File::open(path).map_err(failed)?;
        flock(&handle, FlockOperation::LockExclusive).map_err(|err| failed(err.into()))?;
        Ok(Locked { path: path.to_owned(), handle })
    }

    /// Removes what was being written when a process was killed, keys perhaps: nobody else writes under this lock. What cannot be
    /// removed is found by whoever looks ([`left_in`]).
    pub(super) fn sweep(&self) {
        for left in left_in(&self.path).unwrap_or_default() {
            let _ = fs::remove_file(left);
        }
    }

    /// Whether something has this name.
    pub(super) fn has(&self, name: &str) -> Result<bool> {
        let path = self.path.join(name);
        match fs::symlink_metadata(&path) {
            Ok(_) => Ok(true),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(err) => Err(Error::file(path.display(), err)),
        }
    }

    /// Gives what has these names a second name beside it, `NAME.old`, or the first of `NAME.old.2`, `NAME.old.3` and so
    /// on that is free for all of them, and returns the new names. What is not there has none.
    pub(super) fn keep_beside(&self, names: &[&str]) -> Result<Vec<PathBuf>> {
        let mut there = Vec::new();
        for name in names {
            if self.has(name)? {
                there.push(*name);
            }
        }
        for number in 1..limits::OLD_KEYS_MAX {
            let kept = |name: &str| if number == 1 { format!("{name}.old") } else { format!("{name}.old.{number}") };
            let mut taken = false;
            for name in names {
                taken |= self.has(&kept(name))?;
            }
            if taken {
                continue;
            }
            return there
                .into_iter()
                .map(|name| {
                    let (from, to) = (self.path.join(name), self.path.join(kept(name)));
                    fs::hard_link(&from, &to).map_err(|err| Error::file(to.display(), err))?;
                    Ok(to)
                })
                .collect();
        }
        Err(Error::new(Kind::Exists, format!("{}: too many old keys are kept here", self.path.display())))
    }

    /// Puts `files` (name, content, privacy) in place, replacing what has their names. Either all of them are on disk
    /// under temporary names before the first takes its place, or none does. They survive a power cut. Owner and mode are
    /// those of what is replaced; root makes what is new for the owner of the directory.
    pub(super) fn write(&self, files: &[(&str, &[u8], Privacy)]) -> Result<()> {
        let mut staged = Vec::new();
        for (name, content, privacy) in files {
            staged.push(Staged::write(&self.path, name, content, *privacy)?);
        }
        // If the power fails between two of them, those that are left are to be found.
        self.sync()?;
        for (index, mut file) in staged.into_iter().enumerate() {
            // What belongs to one that has its place already is put there by whoever comes next.
            file.stays = index > 0;
            file.put_in_place()?;
            self.sync()?;
        }
        Ok(())
    }

    /// Removes what has these names, if anything has. It is gone after a power cut too.
    pub(super) fn remove(&self, names: &[&str]) -> Result<()> {
        for name in names {
            let path = self.path.join(name);
            match fs::remove_file(&path) {
                Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(Error::file(path.display(), err)),
                _ => {}
            }
        }
        self.sync()
    }

    /// Returns when the names of the directory are on the disk.
    pub(super) fn sync(&self) -> Result<()> {
        self.handle.sync_all().map_err(|err| Error::file(self.path.display(), err))
    }
}

/// What was being written in this directory when a process was killed, or is just now.
pub(super) fn left_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if target_of_left(&path).is_some_and(|of| of.ends_with(".pem")) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Whether this is what was being written to take that name.
pub(super) fn is_left_of(left: &Path, name: &str) -> bool {
    target_of_left(left) == Some(name)
}

/// The name that a [`Staged`] file was to take.
fn target_of_left(left: &Path) -> Option<&str> {
    let (of, number) = left.file_name()?.to_str()?.strip_prefix('.')?.rsplit_once('.')?;
    (number.len() == 16 && number.bytes().all(|digit| digit.is_ascii_hexdigit())).then_some(of)
}

/// A file under a temporary name, removed again unless it was put in place, or stays to be put there later.
struct Staged {
    temporary: PathBuf,
    target: PathBuf,
    /// Also where it cannot be put in place.
    stays: bool,
}

impl Staged {
    fn write(directory: &Path, name: &str, content: &[u8], privacy: Privacy) -> Result<Staged> {
        let temporary = directory.join(format!(".{name}.{:016x}", random::number()?));
        let failed = |err| Error::file(temporary.display(), err);
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(privacy.mode()).open(&temporary).map_err(failed)?;
        let staged = Staged { temporary: temporary.clone(), target: directory.join(name), stays: false };
        staged.take_owner_and_mode(&file, directory, privacy).map_err(failed)?;
        file.write_all(content).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        Ok(staged)
    }

    /// Root must not take a key away from the account that the server runs under.
    fn take_owner_and_mode(&self, file: &File, directory: &Path, privacy: Privacy) -> io::Result<()> {
        let old = fs::metadata(&self.target).ok().filter(Metadata::is_file);
        let model = match &old {
            Some(old) => old.clone(),
            None if geteuid().is_root() => fs::metadata(directory)?,
            None => return Ok(()),
        };
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (model.uid(), model.gid()) {
            fchown(file, Some(Uid::from_raw(model.uid())), Some(Gid::from_raw(model.gid())))?;
        }
        match old {
            Some(old) => file.set_permissions(Permissions::from_mode(old.mode() & privacy.most())),
            None => Ok(()),
        }
    }

    fn put_in_place(&self) -> Result<()> {
        fs::rename(&self.temporary, &self.target).map_err(|err| Error::file(self.target.display(), err))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.stays {
            let _renamed_already_if_all_went_well = fs::remove_file(&self.temporary);
        }
    }
}
