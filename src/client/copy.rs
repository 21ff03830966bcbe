//! Copies that the server makes by itself.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::Client;
use super::listing::{self, Listing};
use super::many;
use super::observer::Skip;
use super::session::Session;
use super::unmade::Unmade;
use crate::error::{Error, Kind, Result};
use crate::files::{Entry, EntryKind, Hash, Mark, RelPath};
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
    /// What was left out, and why: links, devices, and folders in it that the user may not read. Of those that may not be listed
    /// what may be listed in folders in them was copied.
    pub skipped: Vec<(PathBuf, Skip)>,
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
            let skipped = unread.denied(&from).map(|path| (path, Skip::Unlistable)).collect();
            let mut copied = CopiedTree { failed: unread.errors(&from), skipped, ..CopiedTree::default() };
            let denied: HashSet<Vec<u8>> = unread.denied.into_iter().collect();
            let plan = Plan::new(entries, &denied, (&from, &to), &mut copied);
            let mut unmade = Unmade::default();
            plan.make(session, &mut unmade, &mut copied)?;
            plan.copy(session, replace, &mut unmade, &mut copied)?;
            for (_, path, error) in unmade.missing(session)? {
                copied.failed.push((path, error));
            }
            Ok(copied)
        })
        .await
    }
}

/// What there is to do.
struct Plan {
    /// The folders to make, the one that all goes into first, each with what it comes from.
    folders: Vec<(RelPath, RelPath)>,
    /// The files to copy.
    files: Vec<(RelPath, RelPath)>,
}

impl Plan {
    /// Of the folders that are `denied` only what is in folders in them may be listed.
    fn new(
        entries: Vec<Entry>,
        denied: &HashSet<Vec<u8>>,
        (from, to): (&RelPath, &RelPath),
        copied: &mut CopiedTree,
    ) -> Plan {
        let mut plan = Plan { folders: vec![(from.clone(), to.clone())], files: Vec::new() };
        let mut left_out = HashSet::new();
        for Entry { kind, mark, path, .. } in entries {
            if is_in_one(&path, &left_out) {
                continue;
            }
            let why = match kind {
                EntryKind::Link => Some(Skip::Link),
                EntryKind::Other => Some(Skip::Special),
                EntryKind::Directory => (mark == Some(Mark::SharedListOnly)).then_some(Skip::ListOnly),
                EntryKind::File => None,
            };
            if let Some(why) = why {
                copied.skipped.push((from.as_path().join(OsStr::from_bytes(&path)), why));
                if kind == EntryKind::Directory {
                    left_out.insert(path);
                }
                continue;
            }
            match (from.join(&path), to.join(&path)) {
                (Ok(_), Ok(_)) if denied.contains(&path) => {}
                (Ok(source), Ok(target)) if kind == EntryKind::Directory => plan.folders.push((source, target)),
                (Ok(source), Ok(target)) => {
                    // Not every folder on the way to it was listed.
                    if is_in_one(&path, denied)
                        && let (Some(source), Some(target)) = (source.parent(), target.parent())
                    {
                        plan.folders.push((source, target));
                    }
                    plan.files.push((source, target));
                }
                (Err(error), _) | (_, Err(error)) => {
                    let shown = crate::escape::for_people(&path);
                    copied.failed.push((PathBuf::from(&shown), error.at(shown)));
                }
            }
        }
        plan
    }

    /// Makes the folders.
    ///
    /// # Errors
    /// Those of the first one, and those that end the connection.
    fn make(&self, session: &mut Session, unmade: &mut Unmade, copied: &mut CopiedTree) -> Result<()> {
        let make = self.folders.iter().map(|(_, to)| Ok(Command::Mkdir { path: to.clone(), parents: true }));
        let mut top = Ok(());
        many::each(
            session,
            make,
            250,
            |_| Ok(()),
            |at, made| match (at, made, self.folders.get(at)) {
                (_, Ok(()), _) | (_, _, None) => {}
                (_, Err(error), Some((from, to))) if at > 0 && Unmade::may_be_there(&error) => {
                    unmade.refused(to, PathBuf::from(from.as_path()), error);
                }
                (0, Err(error), _) => top = Err(error),
                (_, Err(error), Some((_, to))) => copied.fail(to, error),
            },
        )?;
        top
    }

    /// Copies the files.
    ///
    /// # Errors
    /// Those that end the connection.
    fn copy(&self, session: &mut Session, replace: bool, unmade: &mut Unmade, copied: &mut CopiedTree) -> Result<()> {
        let copy =
            self.files.iter().map(|(from, to)| Ok(Command::Copy { from: from.clone(), to: to.clone(), replace }));
        many::each(session, copy, 226, hash, |at, done| match (done, self.files.get(at)) {
            (_, None) => {}
            (Ok(_), Some((_, to))) => {
                unmade.came(to);
                copied.files += 1;
            }
            (Err(error), Some((from, to))) => {
                let (folder, error) = unmade.explained(to, error);
                copied.failed.extend(folder);
                copied.fail(from, error);
            }
        })
    }
}

/// Whether this is one of these folders, or in one.
fn is_in_one(path: &[u8], folders: &HashSet<Vec<u8>>) -> bool {
    let above = path.iter().enumerate().filter(|(_, b)| **b == b'/').filter_map(|(at, _)| path.get(..at));
    above.chain([path]).any(|path| folders.contains(path))
}

impl CopiedTree {
    fn fail(&mut self, path: &RelPath, error: Error) {
        self.failed.push((path.as_path().to_owned(), error.at(path.to_string())));
    }
}

fn hash(reply: &Reply<'_>) -> Result<Hash> {
    reply.parsed("hash")
}
