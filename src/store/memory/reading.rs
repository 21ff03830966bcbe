//! Reading a file of memory, and a folder.

use std::sync::Arc;

use super::tree::{File, Trees};
use crate::error::Result;
use crate::files::{
    Change, Entry, EntryKind, FileIdentity, Finding, Hash, Listing, Meta, Record, RelPath, Rot, Source, Unread,
};
use crate::limits;

/// A file as it was when it was opened: nobody changes its bytes.
pub(super) struct MemorySource(pub(super) Arc<File>);

impl Source for MemorySource {
    fn meta(&self) -> Meta {
        self.0.meta()
    }

    fn allocated(&self) -> Option<u64> {
        None
    }

    fn identity(&self) -> Option<FileIdentity> {
        Some(self.0.identity())
    }

    fn change(&self) -> Result<Change> {
        Ok(Change::Nothing)
    }

    fn record(&self) -> Option<Record> {
        let record = *self.0.record.lock();
        (self.meta().size >= limits::RECORD_MIN).then_some(record)
    }

    fn compare(&self, hash: &Hash) -> Finding {
        match self.record() {
            None => Finding::Unrecorded,
            Some(Record::Rotten(rot)) => Finding::Rotten(rot),
            Some(Record::Sound(recorded)) if recorded == *hash => Finding::Confirmed,
            Some(Record::Sound(recorded)) => {
                let rot = Rot { recorded, found: *hash };
                *self.0.record.lock() = Record::Rotten(rot);
                Finding::Rotten(rot)
            }
        }
    }

    fn accept(&self, hash: &Hash) -> Result<()> {
        *self.0.record.lock() = Record::Sound(*hash);
        Ok(())
    }

    fn forget_cached(&self) {}

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let left = self.0.bytes.get(from..).unwrap_or_default();
        let count = left.len().min(buffer.len());
        let (read, room) = (left.get(..count).unwrap_or_default(), buffer.get_mut(..count).unwrap_or_default());
        room.copy_from_slice(read);
        Ok(count)
    }
}

/// A listing that looks for the next entry at each step: what changes meanwhile is seen or not.
pub(super) struct MemoryListing {
    trees: Trees,
    /// The listed folder, from the beginning of the tree.
    folder: Vec<u8>,
    recursive: bool,
    /// The entry told last, relative to it.
    last: Option<Vec<u8>>,
}

impl MemoryListing {
    pub(super) fn new(trees: Trees, home: &RelPath, path: &RelPath, recursive: bool) -> Self {
        MemoryListing { trees, folder: super::tree::full(home, path), recursive, last: None }
    }
}

impl Listing for MemoryListing {
    fn next(&mut self) -> Option<Result<Entry, Unread>> {
        let (path, meta) = self.trees.lock().next(&self.folder, self.last.as_deref(), self.recursive)?;
        self.last = Some(path.clone());
        let size = if meta.kind == EntryKind::File { meta.size } else { 0 };
        Some(Ok(Entry {
            kind: meta.kind,
            size,
            mtime: meta.mtime,
            mode: Some(meta.mode),
            rotten: false,
            mark: None,
            identity: None,
            path,
        }))
    }
}
