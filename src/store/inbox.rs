//! A folder that files can be put into, and nothing else be done with: what a link that files are put in by gives.

use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::files::{
    Done, FileMode, Hash, Listing, Meta, Mtime, Overwrite, Partial, Prepared, Promises, RelPath, Removed, Source,
    SourceMode, Store, Stored, Umask, Upload, UploadSpec,
};

/// A folder of another store, for new files to be put right into.
pub struct Inbox {
    store: Arc<dyn Store>,
    /// What it is called.
    folder: RelPath,
    /// Where it is in the other store.
    inside: RelPath,
}

impl Inbox {
    /// The folder of this store that is there (`inside`), and called so.
    pub fn new(store: Arc<dyn Store>, folder: RelPath, inside: RelPath) -> Inbox {
        Inbox { store, folder, inside }
    }
}

fn closed(path: &RelPath) -> Error {
    Error::new(Kind::Denied, format!("{path}: files can be put in here, and nothing else"))
}

impl Store for Inbox {
    fn promises(&self) -> Promises {
        self.store.promises()
    }

    fn stat(&self, path: &RelPath) -> Result<Meta> {
        Err(closed(path))
    }

    fn open(&self, path: &RelPath) -> Result<Box<dyn Source>> {
        Err(closed(path))
    }

    fn begins_by_counting(&self) -> bool {
        self.store.begins_by_counting()
    }

    fn begin(&self, path: &RelPath, spec: UploadSpec) -> Result<Box<dyn Upload>> {
        // Whoever asks for anything else would learn what is there.
        let name = path.file_name().filter(|_| path.parent().as_ref() == Some(&self.folder));
        match name.filter(|_| spec.overwrite == Overwrite::Numbered) {
            Some(name) => self.store.begin(&self.inside.join(name)?, spec),
            None => Err(closed(path)),
        }
    }

    fn partial(&self, path: &RelPath) -> Result<Option<Partial>> {
        Err(closed(path))
    }

    fn resume(&self, path: &RelPath, _spec: UploadSpec, _from: u64, _proven: Hash) -> Result<Box<dyn Upload>> {
        Err(closed(path))
    }

    fn commit(&self, changes: Vec<Prepared>) -> Vec<Result<Done>> {
        self.store.commit(changes)
    }

    fn list(&self, path: &RelPath, _recursive: bool) -> Result<Box<dyn Listing>> {
        Err(closed(path))
    }

    fn remove(&self, path: &RelPath, _recursive: bool) -> Result<Removed> {
        Err(closed(path))
    }

    fn set_mode(&self, path: &RelPath, _source: SourceMode) -> Result<FileMode> {
        Err(closed(path))
    }

    fn set_mtime(&self, path: &RelPath, _mtime: Mtime) -> Result<()> {
        Err(closed(path))
    }

    fn rename(&self, from: &RelPath, _to: &RelPath, _replace: bool) -> Result<Stored> {
        Err(closed(from))
    }

    fn begin_dir(&self, path: &RelPath, _parents: bool, _umask: Option<Umask>) -> Result<Prepared> {
        Err(closed(path))
    }

    fn forget_handles(&self) {
        self.store.forget_handles();
    }
}
