//! Files in memory, gone with the process: for tests and examples, and to show what a store has to do. Nothing bounds it
//! but quotas.

mod account;
mod kept;
mod parts;
mod reading;
mod tree;
mod upload;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use self::kept::Sender;
use self::reading::{MemoryListing, MemorySource};
use self::tree::{Change, Trees};
use self::upload::MemoryUpload;
use crate::error::{Error, Kind, Result};
use crate::files::{
    Done, EntryKind, FileMode, Hash, Hasher, HomeTerms, Listing, Location, Meta, Mtime, Owner, Partial, Prepared,
    PreparedSet, Promises, RelPath, Removed, Seen, SeenAt, Source, SourceMode, Store, Stored, Swept, Umask, Upload,
    UploadSpec, Vault,
};

/// Homes in memory. Clones are the same vault.
#[derive(Clone, Default)]
pub struct MemoryVault {
    trees: Trees,
}

impl MemoryVault {
    /// A vault without a home.
    pub fn new() -> Self {
        Self::default()
    }

    fn open_as(&self, home: &str, terms: HomeTerms, sender: Sender) -> Result<Arc<dyn Store>> {
        let quota = terms.quota;
        let home = self.make(home)?;
        if quota.is_some() {
            self.trees.lock().count(home.as_bytes());
        }
        let prepared = PreparedSet::default();
        Ok(Arc::new(MemoryStore { trees: self.trees.clone(), home, sender, quota, prepared }))
    }

    fn make(&self, home: &str) -> Result<RelPath> {
        let home = RelPath::parse(home.as_bytes())?;
        self.trees.lock().make_dir(&RelPath::root(), &home, true)?;
        Ok(home)
    }
}

impl Vault for MemoryVault {
    fn open(&self, home: &str, terms: HomeTerms) -> Result<Arc<dyn Store>> {
        self.open_as(home, terms, None)
    }

    fn open_for(&self, home: &str, terms: HomeTerms, user: &str) -> Result<Arc<dyn Store>> {
        self.open_as(home, terms, Some(user.into()))
    }

    fn open_folder_for(&self, folder: &Location, terms: HomeTerms, owner: &Owner) -> Result<Arc<dyn Store>> {
        match folder {
            Location::Below(name) => self.open_as(name, terms, Some(owner.sender.as_str().into())),
            Location::Elsewhere(_) => self.open_folder(folder, terms),
        }
    }

    fn prepare(&self, home: &str) -> Result<()> {
        self.make(home).map(drop)
    }

    fn names(&self) -> Result<BTreeSet<String>> {
        let tree = self.trees.lock();
        let mut names = BTreeSet::new();
        let mut last = None;
        while let Some((path, meta)) = tree.next(b"", last.as_deref(), false) {
            if meta.kind == EntryKind::Directory {
                names.extend(String::from_utf8(path.clone()).ok());
            }
            last = Some(path);
        }
        Ok(names)
    }

    fn sweep(&self, home: &str, max_age: Option<Duration>) -> Result<Swept> {
        let home = RelPath::parse(home.as_bytes())?;
        Ok(Swept { removed: self.trees.lock().forget_partials(home.as_bytes(), max_age), saved: 0 })
    }
}

/// One home of a [`MemoryVault`].
pub struct MemoryStore {
    trees: Trees,
    home: RelPath,
    sender: Sender,
    /// The most bytes.
    quota: Option<u64>,
    prepared: PreparedSet<Change>,
}

impl Default for MemoryStore {
    /// A store by itself.
    fn default() -> Self {
        let prepared = PreparedSet::default();
        MemoryStore { trees: Trees::default(), home: RelPath::root(), sender: None, quota: None, prepared }
    }
}

impl MemoryStore {
    /// An upload that goes on after these bytes, where their hash ends.
    fn upload(&self, path: &RelPath, spec: UploadSpec, bytes: Vec<u8>, hasher: Hasher) -> Result<Box<dyn Upload>> {
        let mut tree = self.trees.lock();
        tree.check_target(&self.home, path, &spec)?;
        let mut promised = 0;
        if let Some(quota) = self.quota {
            let wanted = spec.size.unwrap_or(0);
            tree.promise(&self.home, path, quota, wanted)?;
            promised = wanted;
        }
        drop(tree);
        Ok(Box::new(MemoryUpload {
            trees: self.trees.clone(),
            prepared: self.prepared.clone(),
            home: self.home.clone(),
            path: path.clone(),
            sender: self.sender.clone(),
            spec,
            quota: self.quota,
            promised,
            bytes,
            hasher,
            broken: false,
        }))
    }
}

impl Store for MemoryStore {
    fn promises(&self) -> Promises {
        let mut promises = Promises::of_one_process();
        promises.resumes = !self.trees.lock().is_counted(self.home.as_bytes());
        promises
    }

    fn stat(&self, path: &RelPath) -> Result<Meta> {
        self.trees.lock().stat(&self.home, path)
    }

    fn open(&self, path: &RelPath) -> Result<Box<dyn Source>> {
        Ok(Box::new(MemorySource(self.trees.lock().file(&self.home, path)?)))
    }

    fn begin(&self, path: &RelPath, spec: UploadSpec) -> Result<Box<dyn Upload>> {
        self.upload(path, spec, Vec::new(), Hasher::new())
    }

    fn partial(&self, path: &RelPath) -> Result<Option<Partial>> {
        Ok(self.trees.lock().partial(&self.home, path, &self.sender).map(|kept| Partial {
            len: kept.bytes.len() as u64,
            hash: Hasher::from_blocks(kept.blocks.clone()).finalize(),
        }))
    }

    fn resume(&self, path: &RelPath, spec: UploadSpec, from: u64, proven: Hash) -> Result<Box<dyn Upload>> {
        if let Some(size) = spec.size.filter(|size| *size < from) {
            let text = path.said(format_args!("{size} bytes were announced, less than what is there already"));
            return Err(Error::new(Kind::Integrity, text));
        }
        let mut tree = self.trees.lock();
        tree.check_target(&self.home, path, &spec)?;
        let (bytes, hasher) = tree.take_partial(&self.home, (path, &self.sender), from, proven)?;
        drop(tree);
        self.upload(path, spec, bytes, hasher)
    }

    fn commit(&self, changes: Vec<Prepared>) -> Vec<Result<Done>> {
        let committed = changes.into_iter().map(|prepared| match self.prepared.take(prepared)? {
            Change::Folder { made } => Ok(Done::Folder { made }),
            Change::File(upload) => upload.commit().map(Done::File),
        });
        committed.collect()
    }

    fn list(&self, path: &RelPath, recursive: bool) -> Result<Box<dyn Listing>> {
        if self.trees.lock().stat(&self.home, path)?.kind != EntryKind::Directory {
            return Err(Error::file(path, Errno::NOTDIR.into()));
        }
        Ok(Box::new(MemoryListing::new(self.trees.clone(), &self.home, path, recursive)))
    }

    fn remove(&self, path: &RelPath, recursive: bool) -> Result<Removed> {
        self.trees.lock().remove(&self.home, path, recursive)
    }

    fn seen(&self, path: &RelPath) -> Result<Seen> {
        self.trees.lock().seen(&self.home, path)
    }

    fn remove_seen(&self, path: &RelPath, recursive: bool, seen: &Seen) -> Result<Removed> {
        let mut tree = self.trees.lock();
        tree.check_seen(&self.home, path, seen)?;
        tree.remove(&self.home, path, recursive)
    }

    fn rename_seen(&self, from: &RelPath, to: &RelPath, replace: bool, seen: &SeenAt) -> Result<Stored> {
        let mut tree = self.trees.lock();
        tree.check_both(&self.home, (from, to), seen)?;
        tree.rename(&self.home, from, to, replace)
    }

    fn supersede_seen(&self, from: &RelPath, to: &RelPath, seen: &SeenAt) -> Result<(Stored, Option<RelPath>)> {
        let mut tree = self.trees.lock();
        tree.check_both(&self.home, (from, to), seen)?;
        tree.supersede(&self.home, from, to)
    }

    fn set_mode(&self, path: &RelPath, source: SourceMode) -> Result<FileMode> {
        self.trees.lock().set_mode(&self.home, path, source)
    }

    fn set_mtime(&self, path: &RelPath, mtime: Mtime) -> Result<()> {
        self.trees.lock().set_mtime(&self.home, path, mtime)
    }

    fn set_folder(&self, path: &RelPath, mtime: Mtime, _mode: Option<FileMode>) -> Result<FileMode> {
        self.trees.lock().date_folder(&self.home, path, mtime)?;
        Ok(self.stat(path)?.mode)
    }

    fn rename(&self, from: &RelPath, to: &RelPath, replace: bool) -> Result<Stored> {
        self.trees.lock().rename(&self.home, from, to, replace)
    }

    fn supersede(&self, from: &RelPath, to: &RelPath) -> Result<(Stored, Option<RelPath>)> {
        self.trees.lock().supersede(&self.home, from, to)
    }

    fn below(&self, path: &RelPath) -> Result<Arc<dyn Store>> {
        if self.stat(path)?.kind != EntryKind::Directory {
            return Err(Error::file(path, Errno::NOTDIR.into()));
        }
        let home = self.home.join(path.as_bytes())?;
        let (trees, prepared) = (self.trees.clone(), PreparedSet::default());
        Ok(Arc::new(MemoryStore { trees, home, sender: None, quota: None, prepared }))
    }

    fn begin_dir(&self, path: &RelPath, parents: bool, _umask: Option<Umask>) -> Result<Prepared> {
        let made = self.trees.lock().make_dir(&self.home, path, parents)?;
        Ok(self.prepared.add(Change::Folder { made }))
    }

    fn forget_handles(&self) {}
}
