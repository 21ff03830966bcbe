//! Opening the state folder, and making what is to be in it: for the server that has it, for one of several, and for an administrator's
//! program.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::super::changes::Changes;
use super::super::clock::Clock;
use super::super::left::Left;
use super::{CLOCK, INVITATIONS, LEFT, LINKS, StateFolder, USERS};
use crate::error::{Error, Kind, Result};
use crate::fresh_file;
use crate::limits;

impl StateFolder {
    /// Makes the folder if it is missing, for its owner alone.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn make(path: &Path) -> Result<()> {
        for folder in StateFolder::folders_in(path) {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            made.map_err(|err| Error::file(folder.display(), err))?;
        }
        Ok(())
    }

    /// The folders that are in it.
    pub fn folders_in(path: &Path) -> [PathBuf; 3] {
        [USERS, INVITATIONS, LINKS].map(|folder| path.join(folder))
    }

    /// The folder for an administrator's program, beside a running server or before the first one: made if it is missing,
    /// for whom `like` belongs to. What is in it may belong to an account that root does not trust, so no link in it is
    /// followed: what was opened is what is worked in, and only what was made here is given away.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn for_administrator(path: &Path, like: &Path) -> Result<StateFolder> {
        let failed = |err: io::Error| Error::file(path.display(), err);
        // Asked before anything is made: without it nothing is.
        let like = fs::metadata(like).map_err(|err| Error::file(like.display(), err))?;
        if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o700).create(above).map_err(failed)?;
        }
        let is_new = match fs::DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => true,
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists => false,
            Err(err) => return Err(failed(err)),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = rustix::fs::open(path, flags, Mode::empty()).map_err(|err| failed(err.into()))?;
        let owner = match is_new {
            true => (like.uid(), like.gid()),
            false => rustix::fs::fstat(&top).map(|own| (own.st_uid, own.st_gid)).map_err(|err| failed(err.into()))?,
        };
        let owner = (Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)));
        if is_new {
            rustix::fs::fchown(&top, owner.0, owner.1).map_err(|err| failed(err.into()))?;
        }
        let inside = |name: &str| -> Result<OwnedFd> {
            let failed = |err: Errno| Error::file(path.join(name).display(), err.into());
            let is_new = match rustix::fs::mkdirat(&top, name, Mode::RWXU) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(err) => return Err(failed(err)),
            };
            let folder = rustix::fs::openat(&top, name, flags | OFlags::NOFOLLOW, Mode::empty()).map_err(failed)?;
            if is_new {
                rustix::fs::fchown(&folder, owner.0, owner.1).map_err(failed)?;
            }
            Ok(folder)
        };
        inside(USERS)?;
        inside(LINKS)?;
        Ok(StateFolder {
            path: path.to_owned(),
            invitations: Some(Arc::new(inside(INVITATIONS)?)),
            ..StateFolder::as_it_is(path)
        })
    }

    /// Opens the folder, and makes it if it is missing, for its owner alone. What a killed server left half-written in it is
    /// removed: nobody else may be writing there.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] if others can change what is in it; those of the file system.
    pub fn open(path: &Path) -> Result<StateFolder> {
        Self::open_as(Self::as_it_is(path))
    }

    /// Opens the folder for one of several servers that keep their state in it together; `node` is its name among them. Before each change it is
    /// asked whether it `may_change` anything: whether what the others have changed is seen here at once.
    ///
    /// # Errors
    /// As [`StateFolder::open`].
    pub fn open_shared(
        path: &Path,
        node: &str,
        may_change: impl Fn() -> Result<()> + Send + Sync + 'static,
    ) -> Result<StateFolder> {
        let (changes, left) = (Some(Changes::of(path, may_change)), path.join(format!("left-{node}.json")));
        Self::open_as(StateFolder { changes, left, ..Self::as_it_is(path) })
    }

    fn open_as(folder: StateFolder) -> Result<StateFolder> {
        let path = &*folder.path;
        let failed = |err| Error::file(path.display(), err);
        StateFolder::make(path)?;
        let mode = fs::metadata(path).map_err(failed)?.mode() & 0o7777;
        if mode & 0o022 != 0 {
            let path = path.display();
            let text = format!(
                "{path}: other users of this machine could put passwords of theirs there (mode {mode:03o}); run: chmod 700 {path}"
            );
            return Err(Error::new(Kind::BadConfig, text));
        }
        folder.sweep()?;
        Ok(folder)
    }

    /// The folder as it is, to be read: nothing is made or changed.
    pub fn as_it_is(path: &Path) -> StateFolder {
        StateFolder {
            path: path.to_owned(),
            invitations: None,
            changes: None,
            turn: None,
            left: path.join(LEFT),
            is_left: Left::default(),
            clock: Clock::kept_in(path.join(CLOCK)),
        }
    }

    /// Removes what was being written when a server was killed, or a command that invites somebody; what is being written stays. Says how
    /// many files it was.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn sweep_left(&self) -> Result<usize> {
        // The locks of other machines may not be seen here, and what is old goes by the clocks of all. On one machine the lock decides:
        // what a program from before there was one is writing at this very moment goes too, and its command fails and is repeated.
        let least = match &self.changes {
            None => Duration::ZERO,
            Some(changes) if changes.goes_by_age() => limits::SHARED_STATE_LEFT,
            Some(_) => return Ok(0),
        };
        let mut swept = 0;
        for folder in [self.users(), self.links(), self.folder_of_invitations(), self.path.clone()] {
            swept += fresh_file::sweep(&folder, None, least).map_err(|err| Error::file(folder.display(), err))?;
        }
        Ok(swept)
    }

    /// Removes what was being written when a server was killed: hidden files, which nobody but a server writes here.
    fn sweep(&self) -> Result<()> {
        let left = format!(".{}.", self.left.file_name().unwrap_or_default().to_string_lossy());
        for (folder, beginning) in [(self.users(), "."), (self.links(), "."), (self.path.clone(), &left)] {
            let failed = |err| Error::file(folder.display(), err);
            for entry in fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                // Another server may be writing it just now.
                let is_left = |age: Duration| self.changes.is_none() || age > limits::SHARED_STATE_LEFT;
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if !is_folder
                    && entry.file_name().as_encoded_bytes().starts_with(beginning.as_bytes())
                    && age(&entry).is_none_or(is_left)
                {
                    fs::remove_file(entry.path()).map_err(failed)?;
                }
            }
        }
        Ok(())
    }
}

/// How long ago a file was changed; none if it is gone, or from the future.
fn age(entry: &fs::DirEntry) -> Option<Duration> {
    entry.metadata().ok()?.modified().ok()?.elapsed().ok()
}
