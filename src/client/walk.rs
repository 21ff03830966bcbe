//! Walking a local tree, one folder's handle a level, nothing remembered of what was passed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::{AtFlags, Dir, DirEntry, FileType, Stat, fstat, statat};
use rustix::io::Errno;

use super::filter::Filter;
use super::jobs::{Upload, UploadSource};
use super::local_access::LocalAccess;
use super::observer::Skip;
use super::put::LocalTree;
use super::send::Task;
use crate::error::{Error, Result};
use crate::files::{Condition, RelPath, stamp::Stamp};

/// The files and folders below a local folder as what is to be done to send them, a folder before what is in it.
pub(super) struct Walk {
    top: PathBuf,
    /// How what is in it is opened.
    access: LocalAccess,
    /// The folders on the way down.
    open: Vec<Level>,
    condition: Condition,
    filter: Filter,
    follow_links: bool,
}

/// A folder on the way down.
struct Level {
    path: PathBuf,
    entries: Dir,
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
        let LocalTree { from, to, condition, filter, follow_links, base } = tree.clone();
        let failed = |err: Errno| Error::file(from.display(), err.into());
        let access = match base {
            _ if follow_links => LocalAccess::Seen,
            Some(base) => base.access(),
            None => LocalAccess::below(&from).map_err(failed)?,
        };
        let mut walk = Walk { top: from.clone(), access, open: Vec::new(), condition, filter, follow_links };
        let top = walk.level(from.clone(), to).map_err(failed)?;
        walk.open.push(top);
        Ok(walk)
    }

    /// Opens a folder on the way down.
    fn level(&self, path: PathBuf, to: RelPath) -> Result<Level, Errno> {
        let entries = self.access.open_folder(&path)?;
        let identity =
            self.follow_links.then(|| fstat(entries.fd()?)).transpose()?.map(|stat| (stat.st_dev, stat.st_ino));
        Ok(Level { path, entries, to, identity })
    }

    /// What is to be done about an entry of the innermost folder; nothing if the filter does not take it.
    fn task(&mut self, entry: &DirEntry) -> Option<Task> {
        let level = self.open.last()?;
        let name = entry.file_name().to_bytes();
        let path = level.path.join(OsStr::from_bytes(name));
        let stat = |flags: AtFlags| statat(level.entries.fd()?, entry.file_name(), flags);
        let (mut kind, mut found) = (entry.file_type(), None);
        // Not every file system says it in the listing.
        if kind == FileType::Unknown {
            match stat(AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => kind = FileType::from_raw_mode(stat.st_mode),
                Err(err) => return Some(fail(path, err)),
            }
        }
        // The entry itself says what it is; of a link that is followed what it leads to does.
        let follows = kind == FileType::Symlink && self.follow_links;
        if follows || self.filter.has_bounds() {
            match stat(if follows { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW }) {
                Ok(stat) => {
                    kind = FileType::from_raw_mode(stat.st_mode);
                    found = Some(stat);
                }
                Err(err) => return Some(fail(path, err)),
            }
        }
        let inside = path.strip_prefix(&self.top).unwrap_or(&path).as_os_str().as_bytes();
        let is_within =
            kind != FileType::RegularFile || found.as_ref().is_none_or(|stat| is_within(&self.filter, stat));
        if !is_within || !self.filter.takes(inside, kind == FileType::Directory) {
            return None;
        }
        if kind == FileType::Symlink {
            return Some(Task::Skip(path, Skip::Link));
        }
        if let Some(why) = Skip::by_name(name) {
            return Some(Task::Skip(path, why));
        }
        if !matches!(kind, FileType::RegularFile | FileType::Directory) {
            return Some(Task::Skip(path, Skip::Special));
        }
        let to = match level.to.join(name) {
            Ok(to) => to,
            Err(error) => return Some(Task::Fail(path, error)),
        };
        if kind == FileType::RegularFile {
            let upload = Upload { from: UploadSource::File(path), to, condition: self.condition, mtime: None };
            let access = if follows { LocalAccess::Named } else { self.access.clone() };
            return Some(Task::File { upload, access });
        }
        let inner = match self.level(path.clone(), to.clone()) {
            Ok(inner) => inner,
            Err(err) => return Some(fail(path, err)),
        };
        if inner.identity.is_some() && self.open.iter().any(|level| level.identity == inner.identity) {
            return Some(Task::Skip(path, Skip::Loop));
        }
        self.open.push(inner);
        Some(Task::Directory { from: path, to })
    }
}

fn is_within(filter: &Filter, stat: &Stat) -> bool {
    let stamp = Stamp::from(stat);
    filter.is_within(stamp.size(), stamp.mtime())
}

impl Iterator for Walk {
    type Item = Task;

    fn next(&mut self) -> Option<Task> {
        loop {
            let level = self.open.last_mut()?;
            match level.entries.next() {
                Some(Ok(entry)) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
                Some(Ok(entry)) => {
                    if let Some(task) = self.task(&entry) {
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

fn fail(path: PathBuf, err: Errno) -> Task {
    let error = Error::file(path.display(), err.into());
    Task::Fail(path, error)
}
