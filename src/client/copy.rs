//! Copies that the server makes by itself.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::Client;
use super::listing::{self, Listing};
use super::many;
use super::observer::Skip;
use crate::error::{Error, Kind, Result};
use crate::files::{EntryKind, Hash, Mark, RelPath};
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
    /// Folders in it that the user may not read, which are left out with all in them, and why.
    pub denied: Vec<(PathBuf, Skip)>,
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
    /// Links, devices, and folders in it that the user may not read are left out.
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
            listing::ask_marked(session, &from, true)?;
            let Listing { entries, unread } = listing::read_all(session, true)?;
            let denied = unread.denied(&from).map(|path| (path, Skip::Unlistable)).collect();
            let mut copied = CopiedTree { failed: unread.errors(&from), denied, ..CopiedTree::default() };
            let mut left_out: HashSet<Vec<u8>> = unread.denied.iter().cloned().collect();
            let (mut folders, mut files) = (vec![to.clone()], Vec::new());
            for entry in entries {
                if entry.mark == Some(Mark::SharedListOnly) {
                    let path = from.as_path().join(OsStr::from_bytes(&entry.path));
                    copied.denied.push((path, Skip::ListOnly));
                    left_out.insert(entry.path.clone());
                }
                if is_in_one(&entry.path, &left_out) {
                    continue;
                }
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

/// Whether this is one of these folders, or in one.
fn is_in_one(path: &[u8], folders: &HashSet<Vec<u8>>) -> bool {
    let above = path.iter().enumerate().filter(|(_, b)| **b == b'/').filter_map(|(at, _)| path.get(..at));
    above.chain([path]).any(|path| folders.contains(path))
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
