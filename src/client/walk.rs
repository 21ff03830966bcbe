//! Walking a local tree, one folder's handle a level, nothing remembered of what was passed.

use std::fs::{self, DirEntry, ReadDir};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::filter::{Filter, modified};
use super::jobs::{Upload, UploadSource};
use super::observer::Skip;
use super::put::LocalTree;
use super::send::Task;
use crate::error::{Error, Result};
use crate::files::{Condition, RelPath};

/// The files and folders below a local folder as what is to be done to send them, a folder before what is in it.
pub(super) struct Walk {
    top: PathBuf,
    /// The folders on the way down.
    open: Vec<Level>,
    condition: Condition,
    filter: Filter,
    follow_links: bool,
}

/// A folder on the way down.
struct Level {
    path: PathBuf,
    entries: ReadDir,
    /// Where it goes.
    to: RelPath,
    /// Which it is, where links are followed.
    identity: Option<(u64, u64)>,
}

impl Walk {
    /// Everything below the top of this tree.
    ///
    /// # Errors
    /// If it cannot be read as a folder.
    pub(super) fn new(tree: &LocalTree) -> Result<Walk> {
        let LocalTree { from, to, condition, filter, follow_links } = tree.clone();
        let failed = |err| Error::file(from.display(), err);
        let entries = fs::read_dir(&from).map_err(failed)?;
        let identity = follow_links.then(|| fs::metadata(&from).map(|meta| identity(&meta))).transpose();
        let identity = identity.map_err(failed)?;
        let open = vec![Level { path: from.clone(), entries, to, identity }];
        Ok(Walk { top: from, open, condition, filter, follow_links })
    }

    /// What is to be done about an entry; nothing if the filter does not take it.
    fn task(&mut self, entry: &DirEntry, to: &RelPath) -> Option<Task> {
        let path = entry.path();
        let is_link = match entry.file_type() {
            Ok(kind) => kind.is_symlink(),
            Err(err) => return Some(fail(path, err)),
        };
        let follows = is_link && self.follow_links;
        // The entry itself says what it is; of a link that is followed what it leads to does.
        let meta = if follows || self.filter.has_bounds() {
            match if follows { fs::metadata(&path) } else { entry.metadata() } {
                Ok(meta) => Some(meta),
                Err(err) => return Some(fail(path, err)),
            }
        } else {
            None
        };
        let kind = match &meta {
            Some(meta) => meta.file_type(),
            None => match entry.file_type() {
                Ok(kind) => kind,
                Err(err) => return Some(fail(path, err)),
            },
        };
        let inside = path.strip_prefix(&self.top).unwrap_or(&path).as_os_str().as_bytes();
        let is_within =
            !kind.is_file() || meta.as_ref().is_none_or(|meta| self.filter.is_within(meta.len(), modified(meta)));
        if !is_within || !self.filter.takes(inside, kind.is_dir()) {
            return None;
        }
        let name = entry.file_name();
        if kind.is_symlink() {
            return Some(Task::Skip(path, Skip::Link));
        }
        if let Some(why) = Skip::by_name(name.as_bytes()) {
            return Some(Task::Skip(path, why));
        }
        if !kind.is_file() && !kind.is_dir() {
            return Some(Task::Skip(path, Skip::Special));
        }
        let to = match to.join(name.as_bytes()) {
            Ok(to) => to,
            Err(error) => return Some(Task::Fail(path, error)),
        };
        if kind.is_file() {
            let upload = Upload { from: UploadSource::File(path), to, condition: self.condition, mtime: None };
            return Some(Task::File { upload, seen: !follows });
        }
        let identity = match self.follow_links.then(|| fs::metadata(&path)).transpose() {
            Ok(meta) => meta.map(|meta| identity(&meta)),
            Err(err) => return Some(fail(path, err)),
        };
        if identity.is_some() && self.open.iter().any(|level| level.identity == identity) {
            return Some(Task::Skip(path, Skip::Loop));
        }
        Some(match fs::read_dir(&path) {
            Ok(entries) => {
                self.open.push(Level { path: path.clone(), entries, to: to.clone(), identity });
                Task::Directory { from: path, to }
            }
            Err(err) => fail(path, err),
        })
    }
}

/// Which folder this is, by whatever name.
fn identity(meta: &fs::Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

impl Iterator for Walk {
    type Item = Task;

    fn next(&mut self) -> Option<Task> {
        loop {
            let level = self.open.last_mut()?;
            match level.entries.next() {
                Some(Ok(entry)) => {
                    let to = level.to.clone();
                    if let Some(task) = self.task(&entry, &to) {
                        return Some(task);
                    }
                }
                Some(Err(err)) => {
                    let path = level.path.clone();
                    // What is left of a folder that cannot be read on cannot be known.
                    self.open.pop();
                    return Some(fail(path, err));
                }
                None => {
                    self.open.pop();
                }
            }
        }
    }
}

fn fail(path: PathBuf, err: std::io::Error) -> Task {
    let error = Error::file(path.display(), err);
    Task::Fail(path, error)
}
