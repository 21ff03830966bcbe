//! A folder of somebody's home as whoever comes by a link sees it: without what the folders that are shared with that somebody hide in it.

use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::files::{
    Done, Entry, FileMode, Hash, Listing, Meta, Mtime, Partial, Prepared, Promises, Properties, RelPath, Removed,
    Source, SourceMode, Store, Stored, Umask, Unread, Upload, UploadSpec,
};

/// Where other folders show by now.
type Hidden = dyn Fn() -> Vec<RelPath> + Send + Sync;

/// A folder, to be read, in which other folders show to whose it is: what lies there under their names is nobody's to see.
pub struct Covered {
    folder: Arc<dyn Store>,
    hidden: Arc<Hidden>,
}

impl Covered {
    /// All of this folder but what is at these paths, or below them.
    pub fn new(folder: Arc<dyn Store>, hidden: impl Fn() -> Vec<RelPath> + Send + Sync + 'static) -> Covered {
        Covered { folder, hidden: Arc::new(hidden) }
    }

    /// Fails if this is hidden, or a link on its way leads to what is.
    fn check(&self, path: &RelPath) -> Result<()> {
        let hidden = (self.hidden)();
        let leads_there = || self.folder.real_path(path).is_ok_and(|real| is_hidden(&hidden, &real));
        match !hidden.is_empty() && (is_hidden(&hidden, path) || leads_there()) {
            true => Err(Error::new(Kind::NotFound, format!("{path}: no such file or folder"))),
            false => Ok(()),
        }
    }
}

fn is_hidden(hidden: &[RelPath], path: &RelPath) -> bool {
    hidden.iter().any(|at| path.is_within(at))
}

fn read_only(path: &RelPath) -> Error {
    Error::new(Kind::Denied, format!("{path}: nothing can be changed here"))
}

/// What is in a folder, without what is hidden.
struct Seen {
    listing: Box<dyn Listing>,
    /// The folder without links on its way.
    folder: RelPath,
    hidden: Arc<Hidden>,
}

impl Listing for Seen {
    fn next(&mut self) -> Option<Result<Entry, Unread>> {
        loop {
            let found = self.listing.next()?;
            let path = match &found {
                Ok(entry) => &entry.path,
                Err(unread) => &unread.path,
            };
            if !self.folder.join(path).is_ok_and(|path| is_hidden(&(self.hidden)(), &path)) {
                return Some(found);
            }
            self.listing.skip(path);
        }
    }

    fn skip(&mut self, folder: &[u8]) {
        self.listing.skip(folder);
    }
}

impl Store for Covered {
    fn promises(&self) -> Promises {
        self.folder.promises()
    }

    fn stat(&self, path: &RelPath) -> Result<Meta> {
        self.check(path)?;
        self.folder.stat(path)
    }

    fn real_path(&self, path: &RelPath) -> Result<RelPath> {
        self.check(path)?;
        self.folder.real_path(path)
    }

    fn open(&self, path: &RelPath) -> Result<Box<dyn Source>> {
        self.check(path)?;
        self.folder.open(path)
    }

    fn list(&self, path: &RelPath, recursive: bool) -> Result<Box<dyn Listing>> {
        self.check(path)?;
        let listing = self.folder.list(path, recursive)?;
        let folder = self.folder.real_path(path)?;
        Ok(Box::new(Seen { listing, folder, hidden: self.hidden.clone() }))
    }

    fn properties(&self, path: &RelPath) -> Result<Properties> {
        self.check(path)?;
        self.folder.properties(path)
    }

    fn begin(&self, path: &RelPath, _spec: UploadSpec) -> Result<Box<dyn Upload>> {
        Err(read_only(path))
    }

    fn partial(&self, _path: &RelPath) -> Result<Option<Partial>> {
        Ok(None)
    }

    fn resume(&self, path: &RelPath, _spec: UploadSpec, _from: u64, _proven: Hash) -> Result<Box<dyn Upload>> {
        Err(read_only(path))
    }

    fn commit(&self, changes: Vec<Prepared>) -> Vec<Result<Done>> {
        changes.into_iter().map(|_| Err(read_only(&RelPath::root()))).collect()
    }

    fn remove(&self, path: &RelPath, _recursive: bool) -> Result<Removed> {
        Err(read_only(path))
    }

    fn set_mode(&self, path: &RelPath, _source: SourceMode) -> Result<FileMode> {
        Err(read_only(path))
    }

    fn set_mtime(&self, path: &RelPath, _mtime: Mtime) -> Result<()> {
        Err(read_only(path))
    }

    fn rename(&self, from: &RelPath, _to: &RelPath, _replace: bool) -> Result<Stored> {
        Err(read_only(from))
    }

    fn begin_dir(&self, path: &RelPath, _parents: bool, _umask: Option<Umask>) -> Result<Prepared> {
        Err(read_only(path))
    }

    fn forget_handles(&self) {
        self.folder.forget_handles();
    }
}
