//! Walking a local tree, one folder's handle a level, nothing remembered of what was passed.

use std::fs::{self, DirEntry, ReadDir};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::jobs::{Source, Upload};
use super::observer::Skip;
use super::send::Task;
use crate::error::{Error, Result};
use crate::proto::{Condition, RelPath};

/// The files and folders below a local folder as what is to be done to send them, a folder before what is in it.
pub(super) struct Walk {
    /// The folders on the way down, each with where it goes.
    open: Vec<(PathBuf, ReadDir, RelPath)>,
    condition: Condition,
}

impl Walk {
    /// Everything below `from`, on its way to `to`.
    ///
    /// # Errors
    /// If `from` cannot be read as a folder.
    pub(super) fn new(from: &Path, to: &RelPath, condition: Condition) -> Result<Walk> {
        let entries = fs::read_dir(from).map_err(|err| Error::file(from.display(), err))?;
        Ok(Walk { open: vec![(from.to_owned(), entries, to.clone())], condition })
    }

    fn task(&mut self, entry: &DirEntry, to: &RelPath) -> Task {
        let path = entry.path();
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(err) => return fail(path, err),
        };
        let name = entry.file_name();
        if kind.is_symlink() {
            return Task::Skip(path, Skip::Link);
        }
        if let Some(why) = Skip::by_name(name.as_bytes()) {
            return Task::Skip(path, why);
        }
        if !kind.is_file() && !kind.is_dir() {
            return Task::Skip(path, Skip::Special);
        }
        let to = match to.join(name.as_bytes()) {
            Ok(to) => to,
            Err(error) => return Task::Fail(path, error),
        };
        if kind.is_file() {
            let upload = Upload { from: Source::File(path), to, condition: self.condition, mtime: None };
            return Task::File { upload, seen: true };
        }
        match fs::read_dir(&path) {
            Ok(entries) => {
                self.open.push((path.clone(), entries, to.clone()));
                Task::Directory { from: path, to }
            }
            Err(err) => fail(path, err),
        }
    }
}

impl Iterator for Walk {
    type Item = Task;

    fn next(&mut self) -> Option<Task> {
        loop {
            let (path, entries, to) = self.open.last_mut()?;
            match entries.next() {
                Some(Ok(entry)) => {
                    let to = to.clone();
                    return Some(self.task(&entry, &to));
                }
                Some(Err(err)) => {
                    let path = path.clone();
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
