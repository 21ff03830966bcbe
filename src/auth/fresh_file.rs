//! Replaces a file whole: the new one is written and synced beside it, and takes its name.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{Gid, Uid};

use crate::error::{Error, Result};
use crate::random;

/// How the name of such a file ends.
const NEW: &str = ".new";

/// A new file, whole and synced, beside the one it is to become; removed again if it does not.
pub(super) struct Fresh {
    pub(super) path: PathBuf,
    target: PathBuf,
    file: File,
}

impl Fresh {
    /// What is to become `target`, with this text, for the owner alone.
    pub(super) fn beside(target: &Path, text: &str) -> Result<Fresh> {
        let random = random::number()?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let path = target.with_file_name(format!("{}{random:016x}{NEW}", beginning(&name)));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let mut fresh = Fresh { file: file.map_err(|err| failed(target, err))?, path, target: target.to_owned() };
        fresh.file.write_all(text.as_bytes()).map_err(|err| failed(target, err))?;
        // Its last write is older than its name, and by that a running server knows that it is whole: however coarse the
        // clock of the file system is.
        let written = SystemTime::now() - Duration::from_millis(50);
        fresh.file.set_modified(written).map_err(|err| failed(target, err))?;
        fresh.file.sync_all().map_err(|err| failed(target, err))?;
        Ok(fresh)
    }

    /// Gives it to whom this folder belongs: what root makes there is for the server's account.
    pub(super) fn give_to_owner_of(&self, folder: &Path) -> Result<()> {
        let (own, like) = (self.file.metadata(), fs::metadata(folder).map_err(|err| failed(folder, err))?);
        let own = own.map_err(|err| failed(&self.target, err))?;
        if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
            let (uid, gid) = (Uid::from_raw(like.uid()), Gid::from_raw(like.gid()));
            rustix::fs::fchown(&self.file, Some(uid), Some(gid)).map_err(|err| failed(&self.target, err.into()))?;
        }
        Ok(())
    }

    /// Gives it its name, in the place of what had it. It is on the disk then.
    pub(super) fn put_in_place(self) -> Result<()> {
        fs::rename(&self.path, &self.target).map_err(|err| failed(&self.target, err))?;
        sync_parent(&self.target)
    }

    /// An administrator who changes the file as root must not take it away from the account the server runs under.
    pub(super) fn take_owner_and_mode(&self, target: &Path, old: &Metadata) -> Result<()> {
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

/// How the names begin of what is to become the file of this name.
fn beginning(name: &str) -> String {
    format!(".{name}.")
}

/// Takes away what is about to become this file, whoever wrote it: from then on it does not.
///
/// # Errors
/// Those of the file system: then it may.
pub(super) fn remove_beside(target: &Path) -> std::io::Result<()> {
    for path in beside(target)? {
        match fs::remove_file(path) {
            // It has got there by now.
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    Ok(())
}

/// What is about to become this file, or was left by a process that was killed while it wrote that.
///
/// # Errors
/// Those of the file system.
pub(super) fn beside(target: &Path) -> std::io::Result<Vec<PathBuf>> {
    let Some(name) = target.file_name().and_then(|name| name.to_str()) else { return Ok(Vec::new()) };
    let (folder, beginning) = (parent(target), beginning(name));
    let is_it = |entry: &str| {
        let number = entry.strip_prefix(&beginning).and_then(|rest| rest.strip_suffix(NEW));
        number.is_some_and(|number| number.len() == 16 && number.bytes().all(|digit| digit.is_ascii_hexdigit()))
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?.file_name();
        if entry.to_str().is_some_and(is_it) {
            found.push(folder.join(entry));
        }
    }
    Ok(found)
}

/// The folder that this file is in.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes to the disk what the folder of this file says of it.
pub(super) fn sync_parent(path: &Path) -> Result<()> {
    File::open(parent(path)).and_then(|parent| parent.sync_all()).map_err(|err| failed(path, err))
}

/// What the file system says of this file.
pub(super) fn failed(path: &Path, err: std::io::Error) -> Error {
    Error::file(path.display(), err)
}
