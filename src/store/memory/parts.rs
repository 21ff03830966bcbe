//! An upload into memory whose bytes come in parts.

use std::sync::Arc;

use super::upload::MemoryUpload;
use crate::error::{Error, Kind, Result};
use crate::files::{Part, RelPath, Staged, Upload};
use crate::store::ranges::{Came, Claim, Ranges};
use crate::sync::Mutex;

/// [`Staged`] in memory.
pub(super) struct MemoryStaged {
    upload: Option<MemoryUpload>,
    path: RelPath,
    size: u64,
    ranges: Arc<Mutex<Ranges<Vec<u8>>>>,
}

/// [`Part`] of it.
struct MemoryPart {
    ranges: Arc<Mutex<Ranges<Vec<u8>>>>,
    path: RelPath,
    claim: Claim,
    bytes: Vec<u8>,
}

impl MemoryStaged {
    pub(super) fn over(mut upload: MemoryUpload) -> Result<Self> {
        let path = upload.path.clone();
        let Some(size) = upload.spec.size else {
            return Err(Error::new(Kind::BadCommand, path.said("the size must be known")));
        };
        let ranges = Ranges::with_beginning(&upload.hasher, std::mem::take(&mut upload.bytes), &path)?;
        Ok(MemoryStaged { upload: Some(upload), path, size, ranges: Arc::new(Mutex::new(ranges)) })
    }

    /// Ends it for all parts.
    fn close(&mut self) -> Option<(MemoryUpload, Came<Vec<u8>>)> {
        let came = self.ranges.lock().close();
        Some((self.upload.take()?, came))
    }
}

impl Drop for MemoryStaged {
    fn drop(&mut self) {
        self.ranges.lock().end();
    }
}

impl Staged for MemoryStaged {
    fn part(&self, offset: u64, length: u64) -> Result<Box<dyn Part>> {
        let claim = self.ranges.lock().take((offset, length), self.size, &self.path)?;
        let (ranges, path) = (Arc::clone(&self.ranges), self.path.clone());
        Ok(Box::new(MemoryPart { ranges, path, claim, bytes: Vec::new() }))
    }

    fn into_upload(mut self: Box<Self>) -> Result<Box<dyn Upload>> {
        let given_up = Error::new(Kind::Internal, self.path.said("it is given up"));
        let (mut upload, came) = self.close().ok_or(given_up)?;
        let (bytes, hasher) = came.all_of(self.size, &self.path)?;
        (upload.bytes, upload.hasher) = (bytes.concat(), hasher);
        Ok(Box::new(upload))
    }

    fn keep(mut self: Box<Self>) -> u64 {
        let Some((mut upload, came)) = self.close() else { return 0 };
        let (bytes, hasher) = came.beginning();
        (upload.bytes, upload.hasher) = (bytes.concat(), hasher);
        Box::new(upload).keep()
    }
}

impl Part for MemoryPart {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.claim.check_room(bytes, &self.path)?;
        self.ranges.lock().check(&self.claim, &self.path)?;
        self.bytes.extend_from_slice(bytes);
        self.claim.update(bytes);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<u64> {
        self.claim.check_end(&self.path)?;
        let (ranges, bytes) = (Arc::clone(&self.ranges), std::mem::take(&mut self.bytes));
        let mut ranges = ranges.lock();
        let Self { claim, path, .. } = &mut *self;
        ranges.finish(claim, bytes, path)
    }
}

impl Drop for MemoryPart {
    fn drop(&mut self) {
        self.ranges.lock().give_up(&self.claim);
    }
}
