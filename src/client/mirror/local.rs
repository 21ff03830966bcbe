//! Looking at the local side of a mirror.

use std::collections::HashMap;
use std::ffi::{CStr, OsStr};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Stat, fstat, statat};
use rustix::io::Errno;

use super::MirrorOptions;
use super::plan::{Item, Stray, Tree};
use super::report::Report;
use crate::client::filter::Filter;
use crate::client::local_access::LocalAccess;
use crate::client::observer::Skip;
use crate::client::symlinks::ServerLinks;
use crate::error::{Error, Result};
use crate::files::{EntryKind, FileMode, RelPath, stamp::Stamp};

/// Reads a local tree to be sent: links, special and reserved names are skipped and told, and what cannot be read or
/// named is a failure.
///
/// # Errors
/// If `root` itself cannot be read as a folder.
pub(super) fn source(
    root: &Path,
    access: &LocalAccess,
    options: &MirrorOptions,
    report: &mut Report<'_>,
) -> Result<Tree> {
    let identities = options.follow_links.then(HashMap::new);
    let filter = &options.filter;
    let which = Which::Source;
    let mut scan = Scan { root, access, filter, tree: Tree::default(), which, identities, keeps_links: false };
    scan.run(report)?;
    Ok(scan.tree)
}

/// Reads a local tree that is to become like another; an empty one if it is missing. What nobody can name is a stray.
///
/// # Errors
/// If `root` is there and cannot be read as a folder.
pub(super) fn destination(root: &Path, options: &MirrorOptions, report: &mut Report<'_>) -> Result<Tree> {
    let access = match LocalAccess::below(root) {
        Err(Errno::NOENT) => return Ok(Tree::default()),
        access => access.map_err(|err| Error::file(root.display(), err.into()))?,
    };
    let which = Which::Destination { delete: options.delete };
    let keeps_links = options.server_links == ServerLinks::Keep;
    let tree = Tree::default();
    let mut scan = Scan { root, access: &access, filter: &options.filter, tree, which, identities: None, keeps_links };
    scan.run(report)?;
    Ok(scan.tree)
}

struct Scan<'a> {
    root: &'a Path,
    /// How what is in it is opened.
    access: &'a LocalAccess,
    filter: &'a Filter,
    tree: Tree,
    which: Which,
    /// Which folder each is, by whatever name, where links are followed.
    identities: Option<HashMap<RelPath, (u64, u64)>>,
    /// The texts of links are read.
    keeps_links: bool,
}

/// Which side of a mirror is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Source,
    Destination { delete: bool },
}

impl Scan<'_> {
    fn run(&mut self, report: &mut Report<'_>) -> Result<()> {
        let failed = |err: Errno| Error::file(self.root.display(), err.into());
        let entries = self.access.open_folder(self.root).map_err(failed)?;
        let stat = entries.fd().and_then(fstat).map_err(failed)?;
        self.tree.items.insert(RelPath::root(), item(EntryKind::Directory, &stat));
        self.enter(&RelPath::root(), &stat);
        let mut folders = Vec::new();
        self.folder(&RelPath::root(), entries, &mut folders, report);
        while let Some(folder) = folders.pop() {
            let path = self.root.join(folder.as_path());
            match self.access.open_folder(&path) {
                Ok(entries) => self.folder(&folder, entries, &mut folders, report),
                Err(err) => self.unread(path, err, report),
            }
        }
        Ok(())
    }

    fn folder(&mut self, folder: &RelPath, mut entries: Dir, inner: &mut Vec<RelPath>, report: &mut Report<'_>) {
        while let Some(entry) = entries.next() {
            let stat = |name: &CStr, flags| statat(entries.fd()?, name, flags);
            let read = entry.and_then(|entry| {
                let stat = stat(entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
                Ok((entry, stat))
            });
            match read {
                Ok((entry, _)) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
                Ok((entry, found)) if is_link(&found) && self.identities.is_some() => {
                    let name = entry.file_name();
                    match stat(name, AtFlags::empty()) {
                        Ok(found) => self.entry(folder, name.to_bytes(), &found, inner, report),
                        Err(err) => {
                            let path = self.root.join(folder.as_path()).join(OsStr::from_bytes(name.to_bytes()));
                            self.unread(path, err, report);
                        }
                    }
                }
                Ok((entry, found)) => self.entry(folder, entry.file_name().to_bytes(), &found, inner, report),
                // What is gone since is as if it had never been.
                Err(Errno::NOENT) => {}
                Err(err) => self.unread(self.root.join(folder.as_path()), err, report),
            }
        }
    }

    fn entry(&mut self, folder: &RelPath, name: &[u8], stat: &Stat, inner: &mut Vec<RelPath>, report: &mut Report<'_>) {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => EntryKind::Link,
            FileType::Directory => EntryKind::Directory,
            FileType::RegularFile => EntryKind::File,
            _ => EntryKind::Other,
        };
        let mut raw = folder.as_bytes().to_vec();
        if !raw.is_empty() {
            raw.push(b'/');
        }
        raw.extend_from_slice(name);
        let shown = || self.root.join(Path::new(std::ffi::OsStr::from_bytes(&raw)));
        let Item { size, mtime, .. } = item(kind, stat);
        let is_beyond = self.which == Which::Source && kind == EntryKind::File && !self.filter.is_within(size, mtime);
        if is_beyond || !self.filter.takes(&raw, kind == EntryKind::Directory) {
            self.tree.untouchable.insert(raw);
            return;
        }
        let skip = match (self.which, kind) {
            (Which::Source, EntryKind::Link) => Some(Skip::Link),
            (Which::Source, EntryKind::Other) => Some(Skip::Special),
            _ => Skip::by_name(name),
        };
        if let Some(why) = skip {
            match (self.which, why, RelPath::parse(&raw)) {
                (Which::Destination { .. }, Skip::Aside, Ok(aside)) => self.tree.asides.push(aside),
                (Which::Destination { delete: false }, ..) => {}
                _ => report.skipped(&shown(), why),
            }
            self.tree.untouchable.insert(raw);
            return;
        }
        match (RelPath::parse(&raw), self.which) {
            (Ok(path), _) => {
                if kind == EntryKind::Directory {
                    if !self.enter(&path, stat) {
                        report.skipped(&shown(), Skip::Loop);
                        self.tree.untouchable.insert(raw);
                        return;
                    }
                    inner.push(path.clone());
                }
                if kind == EntryKind::Link
                    && self.keeps_links
                    && let Ok(text) = fs::read_link(shown())
                {
                    self.tree.links.insert(path.clone(), text.into_os_string().into_encoded_bytes());
                }
                self.tree.items.insert(path, item(kind, stat));
            }
            (Err(error), Which::Source) => {
                report.failed(shown(), error);
                self.tree.untouchable.insert(raw);
            }
            (Err(_), Which::Destination { .. }) => {
                self.tree.strays.push(Stray { folder: folder.clone(), name: name.to_vec(), kind });
            }
        }
    }

    /// Remembers which folder this is; says whether it is none of those around it.
    fn enter(&mut self, path: &RelPath, stat: &Stat) -> bool {
        let Some(identities) = &mut self.identities else { return true };
        let identity = (stat.st_dev, stat.st_ino);
        let around = std::iter::successors(path.parent(), RelPath::parent);
        let is_loop = around.into_iter().any(|folder| identities.get(&folder) == Some(&identity));
        identities.insert(path.clone(), identity);
        !is_loop
    }

    fn unread(&mut self, path: PathBuf, err: Errno, report: &mut Report<'_>) {
        self.tree.is_whole = false;
        let error = Error::file(path.display(), err.into());
        match self.which {
            Which::Source => report.failed(path, error),
            Which::Destination { .. } => report.failed_elsewhere(path, error),
        }
    }
}

fn is_link(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
}

fn item(kind: EntryKind, stat: &Stat) -> Item {
    let stamp = Stamp::from(stat);
    let size = if kind == EntryKind::File { stamp.size() } else { 0 };
    Item { kind, size, mtime: stamp.mtime(), rotten: false, mode: Some(FileMode::of(stat.st_mode)) }
}
