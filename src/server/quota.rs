//! A home whose bytes are bounded: a [`Store`] around the home's own that counts before anything is written.
//!
//! Counted are the files that are in their places and, from the moment they are announced or come, the bytes of
//! uploads on their way. So no number of uploads side by side is ever over the quota; and a file that replaces another
//! needs room beside it, as on any disk. What others than this server put into the home is seen when its first session
//! of the next time writes.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::auth::render_size;
use crate::error::{Error, Kind, Result};
use crate::hash::Hash;
use crate::proto::RelPath;
use crate::store::{
    Committed, EntryKind, Listing, Meta, NewFolder, Part, Partial, Source, Staged, Store, Upload, UploadSpec,
};

/// The accounts of all homes that have a session under a quota.
#[derive(Default)]
pub struct Quotas(Mutex<HashMap<String, Weak<Account>>>);

/// What one home holds. Shared by its sessions; gone with the last of them.
#[derive(Default)]
pub struct Account {
    /// Bytes of the files in their places. Held while they change, so that what is counted is what is there. `None`
    /// until the first measurement.
    files: Mutex<Option<u64>>,
    /// Bytes promised to uploads on their way.
    promised: Mutex<u64>,
}

impl Quotas {
    /// The same store with this bound on the bytes of its files.
    pub fn bound(&self, home: &str, store: Arc<dyn Store>, limit: u64) -> Arc<dyn Store> {
        let mut accounts = lock(&self.0);
        accounts.retain(|_, account| account.strong_count() > 0);
        let account = accounts.get(home).and_then(Weak::upgrade).unwrap_or_default();
        accounts.insert(home.to_owned(), Arc::downgrade(&account));
        Arc::new(Bounded { inner: store, account, limit })
    }
}

struct Bounded {
    inner: Arc<dyn Store>,
    account: Arc<Account>,
    limit: u64,
}

impl Bounded {
    /// The bytes of the files, for as long as they may not change.
    fn files(&self) -> Result<MutexGuard<'_, Option<u64>>> {
        let mut files = lock(&self.account.files);
        if files.is_none() {
            *files = Some(self.bytes_below(&RelPath::root())?);
        }
        Ok(files)
    }

    /// The bytes of all files in a folder.
    fn bytes_below(&self, folder: &RelPath) -> Result<u64> {
        let mut listing = self.inner.list(folder, true)?;
        let mut bytes = 0;
        while let Some(entry) = listing.next() {
            // A folder that cannot be read holds nothing that was put there through a session.
            if let Ok(entry) = entry
                && entry.kind == EntryKind::File
            {
                bytes += entry.size;
            }
        }
        Ok(bytes)
    }

    /// The bytes of the file that has this name.
    fn bytes_at(&self, path: &RelPath) -> u64 {
        self.inner.stat(path).ok().filter(|meta| meta.kind == EntryKind::File).map_or(0, |meta| meta.size)
    }

    /// The bytes of this file, or of all files in this folder.
    fn bytes_in(&self, path: &RelPath) -> u64 {
        self.bytes_below(path).unwrap_or_else(|_| self.bytes_at(path))
    }

    /// Promises these bytes to an upload if there is room for them.
    fn promise(&self, path: &RelPath, bytes: u64) -> Result<Promise> {
        let mut promise = Promise { account: self.account.clone(), bytes: 0, limit: self.limit };
        // Measured before the first promise is made.
        drop(self.files()?);
        promise.raise(path, bytes)?;
        Ok(promise)
    }

    fn over(&self, upload: Box<dyn Upload>, path: &RelPath, promise: Promise) -> Box<dyn Upload> {
        Box::new(Counted { inner: upload, path: path.clone(), promise })
    }
}

/// Bytes kept free for one upload until this is dropped.
struct Promise {
    account: Arc<Account>,
    bytes: u64,
    limit: u64,
}

impl Promise {
    /// Promises so many in all.
    fn raise(&mut self, path: &RelPath, bytes: u64) -> Result<()> {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let files = lock(&self.account.files);
        let mut promised = lock(&self.account.promised);
        let taken = files.unwrap_or(u64::MAX).saturating_add(*promised);
        if taken.saturating_add(more) > self.limit {
            let text = format!("{path}: over your quota of {}", render_size(self.limit));
            return Err(Error::new(Kind::Quota, text));
        }
        *promised += more;
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        *lock(&self.account.promised) -= self.bytes;
    }
}

/// An upload whose bytes are promised before they are written.
struct Counted {
    inner: Box<dyn Upload>,
    path: RelPath,
    promise: Promise,
}

impl Upload for Counted {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.promise.raise(&self.path, self.inner.len().saturating_add(bytes.len() as u64))?;
        self.inner.append(bytes)
    }

    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn hash(&self) -> Hash {
        self.inner.hash()
    }

    fn refuse_overwrite(&mut self) {
        self.inner.refuse_overwrite();
    }

    /// Nothing is kept: partials are not counted, and many of them would be a way around the quota.
    fn keep(self: Box<Self>) -> u64 {
        0
    }

    fn into_parts(self: Box<Self>) -> Result<Box<dyn Staged>> {
        let Counted { inner, path, promise } = *self;
        Ok(Box::new(CountedParts { inner: inner.into_parts()?, path, promise }))
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// The same in parts: all its bytes are promised, because its size is known from the start.
struct CountedParts {
    inner: Box<dyn Staged>,
    path: RelPath,
    promise: Promise,
}

impl Staged for CountedParts {
    fn part(&self, offset: u64, length: u64) -> Result<Box<dyn Part>> {
        self.inner.part(offset, length)
    }

    fn into_upload(self: Box<Self>) -> Result<Box<dyn Upload>> {
        let CountedParts { inner, path, promise } = *self;
        Ok(Box::new(Counted { inner: inner.into_upload()?, path, promise }))
    }

    /// Nothing, as for [`Counted`].
    fn keep(self: Box<Self>) -> u64 {
        0
    }
}

impl Store for Bounded {
    fn stat(&self, path: &RelPath) -> Result<Meta> {
        self.inner.stat(path)
    }

    fn open(&self, path: &RelPath) -> Result<Box<dyn Source>> {
        self.inner.open(path)
    }

    fn begin(&self, path: &RelPath, spec: UploadSpec) -> Result<Box<dyn Upload>> {
        let promise = self.promise(path, spec.size.unwrap_or(0))?;
        Ok(self.over(self.inner.begin(path, spec)?, path, promise))
    }

    fn partial(&self, path: &RelPath) -> Result<Option<Partial>> {
        self.inner.partial(path)
    }

    fn resume(&self, path: &RelPath, spec: UploadSpec, from: u64, proven: Hash) -> Result<Box<dyn Upload>> {
        let promise = self.promise(path, spec.size.unwrap_or(0).max(from))?;
        Ok(self.over(self.inner.resume(path, spec, from, proven)?, path, promise))
    }

    fn commit_all(&self, batch: Vec<Box<dyn Upload>>, folders: Vec<NewFolder>) -> (Vec<Result<Committed>>, Result<()>) {
        let mut files = lock(&self.account.files);
        let count = batch.len();
        let (mut uploads, mut counted) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for upload in batch {
            match upload.into_any().downcast::<Counted>() {
                Ok(upload) => {
                    uploads.push(upload.inner);
                    counted.push((upload.path, upload.promise));
                }
                // None but those of this store are ever given to it.
                Err(_) => {
                    let refused = || Error::new(Kind::Internal, "an upload of another kind of store");
                    return ((0..count).map(|_| Err(refused())).collect(), Err(refused()));
                }
            }
        }
        // What each name holds; the later of two uploads to one name replaces the earlier.
        let mut there: BTreeMap<RelPath, u64> =
            counted.iter().map(|(path, _)| (path.clone(), self.bytes_at(path))).collect();
        let (results, folders) = self.inner.commit_all(uploads, folders);
        for ((path, promise), result) in counted.into_iter().zip(&results) {
            // One that failed at its very last step is in its place all the same.
            let now = result.as_ref().map_or_else(|_| self.bytes_at(&path), |done| done.size);
            let before = there.insert(path, now).unwrap_or(0);
            *files = files.map(|bytes| bytes.saturating_add(now).saturating_sub(before));
            drop(promise);
        }
        (results, folders)
    }

    fn list(&self, path: &RelPath, recursive: bool) -> Result<Box<dyn Listing>> {
        self.inner.list(path, recursive)
    }

    fn remove(&self, path: &RelPath, recursive: bool) -> Result<()> {
        let mut files = lock(&self.account.files);
        let before = self.bytes_in(path);
        let removed = self.inner.remove(path, recursive);
        // A tree may have gone in part.
        let left = if removed.is_ok() { 0 } else { self.bytes_in(path) };
        *files = files.map(|bytes| bytes.saturating_sub(before.saturating_sub(left)));
        removed
    }

    fn rename(&self, from: &RelPath, to: &RelPath, replace: bool) -> Result<()> {
        let mut files = lock(&self.account.files);
        let replaced = if from == to { 0 } else { self.bytes_at(to) };
        self.inner.rename(from, to, replace)?;
        *files = files.map(|bytes| bytes.saturating_sub(replaced));
        Ok(())
    }

    fn begin_dir(&self, path: &RelPath, parents: bool) -> Result<NewFolder> {
        self.inner.begin_dir(path, parents)
    }

    fn forget_handles(&self) {
        self.inner.forget_handles();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Numbers only: a panic elsewhere cannot have left them half-changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
