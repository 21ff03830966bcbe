//! Copies that the server makes by itself.

use std::path::PathBuf;

use super::Client;
use super::listing::{self, Listing};
use super::many;
use crate::error::{Error, Kind, Result};
use crate::files::{EntryKind, Hash, RelPath};
use crate::proto::{Command, Feature, Reply};

/// What became of a tree that was copied.
#[derive(Debug, Default)]
#[must_use = "files that could not be copied are in `failed`"]
#[non_exhaustive]
pub struct CopiedTree {
    /// Files that were copied.
    pub files: u64,
    /// What was not, by its path on the server.
    pub failed: Vec<(PathBuf, Error)>,
    /// Links and devices, which are left out.
    pub skipped: Vec<RelPath>,
}

impl Client {
    /// Has the server copy a file, with its time and mode; with `replace` a file that is there is replaced. The BLAKE3 of
    /// it, as the server read it.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Denied`], [`Kind::Exists`], [`Kind::IsDirectory`], [`Kind::Rotten`], [`Kind::Quota`];
    /// [`Kind::TooOld`].
    pub async fn copy(&mut self, from: &RelPath, to: &RelPath, replace: bool) -> Result<Hash> {
        let copy = Command::Copy { from: from.clone(), to: to.clone(), replace };
        self.run(move |session| {
            session.command(&copy)?;
            hash(&session.expect(226)?)
        })
        .await
    }

    /// Has the server copy a folder with all in it. Folders that are there are kept, and so is what else is in them.
    /// Links and devices are left out.
    ///
    /// # Errors
    /// Those of listing the folder and of making the other one, [`Kind::Usage`] if that is in the first, and those that end
    /// the connection. What could not be copied is in the result.
    pub async fn copy_tree(&mut self, from: &RelPath, to: &RelPath, replace: bool) -> Result<CopiedTree> {
        if to.strip_prefix(from).is_some() {
            return Err(Error::new(Kind::Usage, format!("{from}: a folder cannot be copied into itself")));
        }
        let (from, to) = (from.clone(), to.clone());
        self.run(move |session| {
            if !session.has(Feature::Copy) {
                return Err(Feature::Copy.missing());
            }
            listing::ask(session, &from, true)?;
            let Listing { entries, unread } = listing::read_all(session, true)?;
            let mut copied = CopiedTree { failed: unread.errors(&from), ..CopiedTree::default() };
            let (mut folders, mut files) = (vec![to.clone()], Vec::new());
            for entry in entries {
                match (from.join(&entry.path), to.join(&entry.path)) {
                    (Ok(source), Ok(target)) => match entry.kind {
                        EntryKind::Directory => folders.push(target),
                        EntryKind::File => files.push((source, target)),
                        EntryKind::Link | EntryKind::Other => copied.skipped.push(source),
                    },
                    (Err(error), _) | (_, Err(error)) => {
                        let shown = crate::escape::for_people(&entry.path);
                        copied.failed.push((PathBuf::from(&shown), error.at(shown)));
                    }
                }
            }
            let make = folders.iter().map(|path| Ok(Command::Mkdir { path: path.clone(), parents: true }));
            let mut top = Ok(());
            many::each(
                session,
                make,
                250,
                |_| Ok(()),
                |at, made| match (at, made) {
                    (_, Ok(())) => {}
                    (0, Err(error)) => top = Err(error),
                    (at, Err(error)) => copied.fail(folders.get(at), error),
                },
            )?;
            top?;
            let copy = files.iter().map(|(from, to)| Ok(Command::Copy { from: from.clone(), to: to.clone(), replace }));
            many::each(session, copy, 226, hash, |at, done| match done {
                Ok(_) => copied.files += 1,
                Err(error) => copied.fail(files.get(at).map(|(from, _)| from), error),
            })?;
            Ok(copied)
        })
        .await
    }
}

impl CopiedTree {
    fn fail(&mut self, path: Option<&RelPath>, error: Error) {
        let path = path.cloned().unwrap_or_default();
        self.failed.push((path.as_path().to_owned(), error.at(path.to_string())));
    }
}

fn hash(reply: &Reply<'_>) -> Result<Hash> {
    reply.parsed("hash")
}
