//! An upload into memory.

use super::kept::Sender;
use super::parts::MemoryStaged;
use super::tree::{Change, Trees};
use crate::error::{Error, Kind, Result};
use crate::files::{
    Committed, Hash, Hasher, Interrupted, Overwrite, Prepared, PreparedSet, RelPath, Staged, Upload, UploadSpec,
};
use crate::limits;

/// Bytes on their way to a name.
pub(super) struct MemoryUpload {
    pub(super) trees: Trees,
    pub(super) prepared: PreparedSet<Change>,
    pub(super) home: RelPath,
    pub(super) path: RelPath,
    pub(super) sender: Sender,
    pub(super) spec: UploadSpec,
    pub(super) quota: Option<u64>,
    /// Bytes promised to it, given back when it is dropped.
    pub(super) promised: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) hasher: Hasher,
    /// Something went wrong, and it may hold less than was hashed.
    pub(super) broken: bool,
}

impl MemoryUpload {
    /// Promises so many bytes in all.
    fn promise(&mut self, bytes: u64) -> Result<()> {
        let more = bytes.saturating_sub(self.promised);
        if let Some(quota) = self.quota.filter(|_| more > 0) {
            self.trees.lock().promise(&self.home, &self.path, quota, more)?;
            self.promised = bytes;
        }
        Ok(())
    }

    fn try_append(&mut self, bytes: &[u8]) -> Result<()> {
        let len = self.len().saturating_add(bytes.len() as u64);
        if let Some(size) = self.spec.size.filter(|size| len > *size) {
            let text = self.path.said(format_args!("more than the {size} bytes that were announced"));
            return Err(Error::new(Kind::Integrity, text));
        }
        self.promise(len)?;
        self.bytes.extend_from_slice(bytes);
        self.hasher.update(bytes);
        Ok(())
    }

    /// Puts it in its place.
    pub(super) fn commit(mut self: Box<Self>) -> Result<Committed> {
        if self.broken {
            return Err(Error::new(Kind::Io, self.path.said("not stored, a write failed before")));
        }
        if let Some(size) = self.spec.size.filter(|size| *size != self.len()) {
            let text = self.path.said(format_args!("{size} bytes were announced and {} came", self.len()));
            return Err(Error::new(Kind::Integrity, text));
        }
        let (trees, bytes, hash) = (self.trees.clone(), std::mem::take(&mut self.bytes), self.hasher.finalize());
        let mut tree = trees.lock();
        // What is in its place counts there.
        let promised = std::mem::take(&mut self.promised);
        tree.give_back(&self.home, promised);
        let committed = tree.put(&self.home, &self.path, &self.spec, bytes, hash)?;
        if committed.size >= limits::HASH_BLOCK && self.spec.overwrite != Overwrite::Numbered {
            tree.forget_partial(&self.home, &self.path, &self.sender);
        }
        Ok(committed)
    }
}

impl Drop for MemoryUpload {
    fn drop(&mut self) {
        if self.promised > 0 {
            self.trees.lock().give_back(&self.home, self.promised);
        }
    }
}

impl Upload for MemoryUpload {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let done = self.try_append(bytes);
        self.broken |= done.is_err();
        done
    }

    fn len(&self) -> u64 {
        self.hasher.len()
    }

    fn hash(&self) -> Hash {
        self.hasher.finalize()
    }

    fn keep(mut self: Box<Self>) -> u64 {
        if self.spec.interrupted == Interrupted::Dropped {
            return 0;
        }
        let bytes = std::mem::take(&mut self.bytes);
        self.trees.lock().keep(&self.home, (&self.path, &self.sender), bytes, self.hasher.blocks())
    }

    fn rest(&mut self) {
        let less = self.promised.saturating_sub(self.len());
        self.trees.lock().give_back(&self.home, less);
        self.promised -= less;
    }

    fn claim_room(&mut self) -> Result<()> {
        self.promise(self.spec.size.unwrap_or(0))
    }

    fn refuse_overwrite(&mut self) {
        if self.spec.overwrite == Overwrite::Allowed {
            self.spec.overwrite = Overwrite::Refused;
        }
    }

    fn into_parts(self: Box<Self>) -> Result<Box<dyn Staged>> {
        Ok(Box::new(MemoryStaged::over(*self)?))
    }

    fn prepare(self: Box<Self>) -> Prepared {
        let prepared = self.prepared.clone();
        prepared.add(Change::File(self))
    }
}
