//! The times and modes of folders, which they get when all is in them: what is put into a folder changes its time.

use std::path::PathBuf;

use super::destination::Destination;
use super::ledger::Ledger;
use super::many;
use super::observer::Observer;
use super::session::Session;
use crate::error::{Error, Kind, Result};
use crate::files::stamp::Stamp;
use crate::files::{FileMode, Mtime, RelPath, SourceMode};
use crate::proto::{Command, Feature};

/// What a folder is to have of the one that it is a copy of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FolderLook {
    /// When it was last modified.
    pub(super) mtime: Mtime,
    /// Who may read, write and enter it, if that is to be kept.
    pub(super) mode: Option<FileMode>,
}

impl FolderLook {
    /// Gives it to a folder here; the root path is the destination itself, which keeps its mode.
    pub(super) fn give_here(self, into: &Destination, path: &RelPath) -> Result<()> {
        match self.mode {
            None => into.set_mtime(path, self.mtime),
            Some(mode) => {
                let mode = SourceMode { mode, perms: true }.of_folder(FileMode::ALL);
                into.store().set_folder(path, self.mtime, Some(mode)).map(drop)
            }
        }
    }

    fn command(self, path: RelPath) -> Command {
        let mode = SourceMode { mode: self.mode.unwrap_or_default(), perms: self.mode.is_some() };
        Command::Chmod { path, mode, mtime: Some(self.mtime) }
    }

    /// Whether it is no failure that a folder does not have it: what is not there has been told, and where somebody may deliver and
    /// change nothing a time that was not asked for is not missed.
    fn is_spared(self, error: &Error) -> bool {
        match error.kind() {
            Kind::NotFound | Kind::NotDirectory => true,
            Kind::Denied => self.mode.is_none(),
            _ => false,
        }
    }
}

/// Gives folders of the server theirs, and says what failed. A server that is too old for it is asked nothing, and none for the user's
/// own folder, which no path names.
///
/// # Errors
/// Those that end the connection.
pub(super) fn give_there(session: &mut Session, folders: &[(RelPath, FolderLook)]) -> Result<Vec<(RelPath, Error)>> {
    let mut failed = Vec::new();
    if !session.has(Feature::Folders) {
        return Ok(failed);
    }
    let folders: Vec<_> = folders.iter().filter(|(path, _)| !path.is_root()).collect();
    let commands = folders.iter().map(|(path, look)| Ok(look.command(path.clone())));
    many::each(
        session,
        commands,
        250,
        |_| Ok(()),
        |at, answer| {
            if let (Err(error), Some((path, look))) = (answer, folders.get(at))
                && !look.is_spared(&error)
            {
                failed.push((path.clone(), error));
            }
        },
    )?;
    Ok(failed)
}

/// The folders of a local tree that was sent: where each is here, and there.
#[derive(Default)]
pub(super) struct SentFolders(pub(super) Vec<(PathBuf, RelPath)>);

impl SentFolders {
    /// Gives those there their times, and if that was asked for their modes.
    ///
    /// # Errors
    /// Those that end the connection.
    pub(super) fn finish(self, session: &mut Session, observer: &dyn Observer, ledger: &mut Ledger) -> Result<()> {
        if ledger.how.options.dry_run || !session.has(Feature::Folders) {
            return Ok(());
        }
        let perms = ledger.how.options.perms;
        let look = |(from, to): (PathBuf, RelPath)| {
            let found = rustix::fs::stat(&from).ok()?;
            let mode = perms.then(|| FileMode::of(found.st_mode));
            Some((to, FolderLook { mtime: Stamp::from(&found).mtime(), mode }))
        };
        let folders: Vec<_> = self.0.into_iter().rev().filter_map(look).collect();
        for (path, error) in give_there(session, &folders)? {
            ledger.fail(PathBuf::from(path.as_path()), error, observer);
        }
        Ok(())
    }
}
