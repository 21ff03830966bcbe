//! A store in which there is one file and nothing else: what a link to a file gives.

use std::sync::Arc;

use super::restricted::{Allowed, Restricted, read_only};
use crate::error::{Error, Kind, Result};
use crate::files::{Entry, EntryKind, Listing, Meta, Partial, RelPath, Source, Store, Unread};

/// One file of another store, by its name alone, to be read.
pub struct OneFile {
    /// Over the folder that the file is in.
    folder: Arc<dyn Store>,
    name: RelPath,
}

impl OneFile {
    /// The file of this name right in this store.
    pub fn of(folder: Arc<dyn Store>, name: RelPath) -> Restricted<OneFile> {
        Restricted(OneFile { folder, name })
    }

    fn meta(&self) -> Result<Meta> {
        // What a link in its place leads to is another file, and maybe one that whoever gave this one away may not read.
        if self.folder.real_path(&self.name).is_ok_and(|real| real != self.name) {
            return Err(missing(&self.name));
        }
        match self.folder.stat(&self.name)? {
            meta if meta.kind == EntryKind::File => Ok(meta),
            _ => Err(missing(&self.name)),
        }
    }
}

fn missing(path: &RelPath) -> Error {
    Error::new(Kind::NotFound, path.said("no such file or folder"))
}

struct One(Option<Entry>);

impl Listing for One {
    fn next(&mut self) -> Option<Result<Entry, Unread>> {
        self.0.take().map(Ok)
    }
}

impl Allowed for OneFile {
    fn whole(&self) -> &dyn Store {
        &*self.folder
    }

    fn refusal(&self, path: &RelPath) -> Error {
        read_only(path)
    }

    fn stat(&self, path: &RelPath) -> Result<Meta> {
        match path {
            path if path.is_root() => self.folder.stat(path),
            path if *path == self.name => self.meta(),
            path => Err(missing(path)),
        }
    }

    fn open(&self, path: &RelPath) -> Result<Box<dyn Source>> {
        if path.is_root() { self.folder.open(path) } else { self.stat(path).and_then(|_| self.folder.open(path)) }
    }

    fn list(&self, path: &RelPath, _recursive: bool) -> Result<Box<dyn Listing>> {
        match path {
            path if path.is_root() => {
                let Meta { kind, size, mtime, mode } = self.meta()?;
                let path = self.name.as_bytes().to_vec();
                Ok(Box::new(One(Some(Entry {
                    kind,
                    size,
                    mtime,
                    mode: Some(mode),
                    rotten: false,
                    mark: None,
                    identity: None,
                    path,
                }))))
            }
            path if *path == self.name => Err(Error::new(Kind::NotDirectory, path.said("no folder"))),
            path => Err(missing(path)),
        }
    }

    fn partial(&self, _path: &RelPath) -> Result<Option<Partial>> {
        Ok(None)
    }
}
