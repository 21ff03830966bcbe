//! Looking at the local side of a mirror.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::MirrorOptions;
use super::plan::{Item, Stray, Tree};
use super::report::Report;
use crate::client::filter::Filter;
use crate::client::observer::Skip;
use crate::client::symlinks::ServerLinks;
use crate::error::{Error, Result};
use crate::files::{EntryKind, FileMode, Mtime, RelPath};

/// Reads a local tree to be sent: links, special and reserved names are skipped and told, and what cannot be read or
/// named is a failure.
///
/// # Errors
/// If `root` itself cannot be read as a folder.
pub(super) fn source(root: &Path, options: &MirrorOptions, report: &mut Report<'_>) -> Result<Tree> {
    let identities = options.follow_links.then(HashMap::new);
    let filter = &options.filter;
    let which = Which::Source;
    let mut scan = Scan { root, filter, tree: Tree::default(), which, identities, keeps_links: false };
    scan.run(report)?;
    Ok(scan.tree)
}

/// Reads a local tree that is to become like another; an empty one if it is missing. What nobody can name is a stray.
///
/// # Errors
/// If `root` is there and cannot be read as a folder.
pub(super) fn destination(root: &Path, options: &MirrorOptions, report: &mut Report<'_>) -> Result<Tree> {
    if fs::metadata(root).is_err_and(|err| err.kind() == io::ErrorKind::NotFound) {
        return Ok(Tree::default());
    }
    let which = Which::Destination { delete: options.delete };
    let keeps_links = options.server_links == ServerLinks::Keep;
    let tree = Tree::default();
    let mut scan = Scan { root, filter: &options.filter, tree, which, identities: None, keeps_links };
    scan.run(report)?;
    Ok(scan.tree)
}

struct Scan<'a> {
    root: &'a Path,
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
        let failed = |err| Error::file(self.root.display(), err);
        let meta = fs::metadata(self.root).map_err(failed)?;
        let entries = fs::read_dir(self.root).map_err(failed)?;
        self.tree.items.insert(RelPath::root(), item(EntryKind::Directory, &meta));
        self.enter(&RelPath::root(), &meta);
        let mut folders = Vec::new();
        self.folder(&RelPath::root(), entries, &mut folders, report);
        while let Some(folder) = folders.pop() {
            let path = self.root.join(folder.as_path());
            match fs::read_dir(&path) {
                Ok(entries) => self.folder(&folder, entries, &mut folders, report),
                Err(err) => self.unread(path, err, report),
            }
        }
        Ok(())
    }

    fn folder(&mut self, folder: &RelPath, entries: fs::ReadDir, inner: &mut Vec<RelPath>, report: &mut Report<'_>) {
        for entry in entries {
            let read = entry.and_then(|entry| Ok((entry.file_name(), fs::symlink_metadata(entry.path())?)));
            match read {
                Ok((name, meta)) if meta.is_symlink() && self.identities.is_some() => {
                    let path = self.root.join(folder.as_path()).join(&name);
                    match fs::metadata(&path) {
                        Ok(meta) => self.entry(folder, name.as_bytes(), &meta, inner, report),
                        Err(err) => self.unread(path, err, report),
                    }
                }
                Ok((name, meta)) => self.entry(folder, name.as_bytes(), &meta, inner, report),
                // What is gone since is as if it had never been.
                Err(err) if err.kind() == io::ErrorKind::NotFound => {}
                Err(err) => self.unread(self.root.join(folder.as_path()), err, report),
            }
        }
    }

    fn entry(
        &mut self,
        folder: &RelPath,
        name: &[u8],
        meta: &fs::Metadata,
        inner: &mut Vec<RelPath>,
        report: &mut Report<'_>,
    ) {
        let kind = match meta.file_type() {
            kind if kind.is_symlink() => EntryKind::Link,
            kind if kind.is_dir() => EntryKind::Directory,
            kind if kind.is_file() => EntryKind::File,
            _ => EntryKind::Other,
        };
        let mut raw = folder.as_bytes().to_vec();
        if !raw.is_empty() {
            raw.push(b'/');
        }
        raw.extend_from_slice(name);
        let shown = || self.root.join(Path::new(std::ffi::OsStr::from_bytes(&raw)));
        let Item { size, mtime, .. } = item(kind, meta);
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
                    if !self.enter(&path, meta) {
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
                self.tree.items.insert(path, item(kind, meta));
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
    fn enter(&mut self, path: &RelPath, meta: &fs::Metadata) -> bool {
        let Some(identities) = &mut self.identities else { return true };
        let identity = (meta.dev(), meta.ino());
        let around = std::iter::successors(path.parent(), RelPath::parent);
        let is_loop = around.into_iter().any(|folder| identities.get(&folder) == Some(&identity));
        identities.insert(path.clone(), identity);
        !is_loop
    }

    fn unread(&mut self, path: PathBuf, err: io::Error, report: &mut Report<'_>) {
        self.tree.is_whole = false;
        let error = Error::file(path.display(), err);
        match self.which {
            Which::Source => report.failed(path, error),
            Which::Destination { .. } => report.failed_elsewhere(path, error),
        }
    }
}

fn item(kind: EntryKind, meta: &fs::Metadata) -> Item {
    let mtime = Mtime { secs: meta.mtime(), nanos: u32::try_from(meta.mtime_nsec()).unwrap_or(0) };
    let size = if kind == EntryKind::File { meta.len() } else { 0 };
    Item { kind, size, mtime, rotten: false, mode: Some(FileMode::of(meta.mode())) }
}
