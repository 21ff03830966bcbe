//! Key and certificate on disk: read with suspicion, written whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use zeroize::Zeroizing;

use crate::limits::PEM_MAX;
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

    /// Whether something has this name.
    pub(super) fn has(&self, name: &str) -> Result<bool> {
        let path = self.path.join(name);
        match fs::symlink_metadata(&path) {
            Ok(_) => Ok(true),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(err) => Err(Error::file(path.display(), err)),
        }
    }

    /// Puts `files` (name, content, privacy) in place, replacing what has their names. Either all of them are on disk
    /// under temporary names before the first takes its place, or none does. They survive a power cut.
    pub(super) fn write(&self, files: &[(&str, &[u8], Privacy)]) -> Result<()> {
        let mut staged = Vec::new();
        for (name, content, privacy) in files {
            staged.push(Staged::write(&self.path, name, content, *privacy)?);
        }
        for file in staged {
            file.put_in_place()?;
        }
        self.handle.sync_all().map_err(|err| Error::file(self.path.display(), err))
    }
}

/// A file under a temporary name, removed again unless it was put in place.
struct Staged {
    temporary: PathBuf,
    target: PathBuf,
}

impl Staged {
    fn write(directory: &Path, name: &str, content: &[u8], privacy: Privacy) -> Result<Staged> {
        let mut random = [0; 8];
        getrandom::fill(&mut random)
            .map_err(|err| Error::new(Kind::Internal, "the system gives no random numbers").with_source(err))?;
        let temporary = directory.join(format!(".{name}.{:016x}", u64::from_ne_bytes(random)));
        let failed = |err| Error::file(temporary.display(), err);
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(privacy.mode()).open(&temporary).map_err(failed)?;
        let staged = Staged { temporary: temporary.clone(), target: directory.join(name) };
        file.write_all(content).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        Ok(staged)
    }

    fn put_in_place(self) -> Result<()> {
        fs::rename(&self.temporary, &self.target).map_err(|err| Error::file(self.target.display(), err))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _renamed_already_if_all_went_well = fs::remove_file(&self.temporary);
    }
}
