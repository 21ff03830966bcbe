//! An upload whose bytes come in parts: each block of them is one of the storage's.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::partial::Progress;
use super::shared::Shared;
use super::spool::Spool;
use super::upload::{Multipart, S3Upload, check_size};
use crate::error::{Error, Kind, Result};
use crate::files::{Part, RelPath, Staged, Upload};
use crate::limits;
use crate::store::ranges::{Claim, Ranges};
use crate::sync::Mutex;

/// The ETags of blocks, by their numbers.
type Blocks = BTreeMap<u64, String>;

/// [`Staged`] in a bucket.
pub(super) struct S3Staged {
    upload: Option<S3Upload>,
    path: RelPath,
    size: u64,
    ranges: Arc<Mutex<Ranges<Blocks>>>,
}

/// [`Part`] of it.
struct S3Part {
    shared: Arc<Shared>,
    ranges: Arc<Mutex<Ranges<Blocks>>>,
    path: RelPath,
    claim: Claim,
    upload: Multipart,
    progress: Option<Arc<Progress>>,
    spool: Spool,
    failed: bool,
}

impl S3Staged {
    pub(super) fn over(mut upload: S3Upload) -> Result<Self> {
        let path = upload.path.clone();
        let Some(size) = upload.spec.size else {
            return Err(Error::new(Kind::BadCommand, path.said("the size must be known")));
        };
        check_size(size, &path)?;
        if upload.spool.as_ref().is_some_and(|spool| spool.len() > 0) {
            upload.send_part(upload.len().div_ceil(limits::HASH_BLOCK))?;
        }
        upload.in_parts()?;
        upload.wait(0)?;
        let beginning = upload.parts.as_mut().map(|parts| std::mem::take(&mut parts.parts)).unwrap_or_default();
        let ranges = Ranges::with_beginning(&upload.hasher, beginning, &path)?;
        Ok(S3Staged { upload: Some(upload), path, size, ranges: Arc::new(Mutex::new(ranges)) })
    }
}

impl Drop for S3Staged {
    fn drop(&mut self) {
        self.ranges.lock().end();
    }
}

impl Staged for S3Staged {
    fn part(&self, offset: u64, length: u64) -> Result<Box<dyn Part>> {
        let given_up = || Error::new(Kind::Internal, self.path.said("it is given up"));
        let upload = self.upload.as_ref().ok_or_else(given_up)?;
        let handle = upload.parts.as_ref().ok_or_else(given_up)?.handle();
        if let Some(promise) = &upload.promise {
            promise.freshen();
        }
        let claim = self.ranges.lock().take((offset, length), self.size, &self.path)?;
        Ok(Box::new(S3Part {
            shared: upload.shared.clone(),
            ranges: self.ranges.clone(),
            path: self.path.clone(),
            claim,
            upload: handle,
            progress: upload.progress.clone(),
            spool: Spool::new(&upload.shared.spool),
            failed: false,
        }))
    }

    fn into_upload(mut self: Box<Self>) -> Result<Box<dyn Upload>> {
        let given_up = || Error::new(Kind::Internal, self.path.said("it is given up"));
        let mut upload = self.upload.take().ok_or_else(given_up)?;
        let came = self.ranges.lock().close();
        let (blocks, hasher) = came.all_of(self.size, &self.path)?;
        upload.hasher = hasher;
        if let Some(parts) = &mut upload.parts {
            parts.parts = blocks.into_iter().flatten().collect();
        }
        Ok(Box::new(upload))
    }

    fn keep(mut self: Box<Self>) -> u64 {
        self.ranges.lock().end();
        self.upload.take().map_or(0, |upload| Box::new(upload).keep())
    }
}

impl S3Part {
    /// Sends the block that has gathered.
    fn send(&mut self) -> Result<()> {
        self.ranges.lock().check(&self.claim, &self.path)?;
        let number = self.claim.at().div_ceil(limits::HASH_BLOCK);
        let spool = std::mem::replace(&mut self.spool, Spool::new(&self.shared.spool));
        let hash = self.claim.last_block().filter(|_| spool.len() == limits::HASH_BLOCK);
        let sent = self.upload.send(&self.shared.engine, number, spool.finish());
        sent.map_err(|why| why.at(&self.path))?;
        if let (Some(progress), Some(etag), Some(hash)) = (&self.progress, self.upload.parts.get(&number), hash) {
            progress.note(number, etag, hash);
        }
        Ok(())
    }

    fn try_append(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            if self.spool.len() == limits::HASH_BLOCK {
                self.send()?;
            }
            let room = usize::try_from(limits::HASH_BLOCK - self.spool.len()).unwrap_or(usize::MAX);
            let (some, rest) = bytes.split_at(room.min(bytes.len()));
            self.spool.append(some)?;
            self.claim.update(some);
            bytes = rest;
        }
        Ok(())
    }
}

impl Part for S3Part {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if self.failed {
            return Err(Error::new(Kind::Io, self.path.said("a write failed before")));
        }
        self.claim.check_room(bytes, &self.path)?;
        self.ranges.lock().check(&self.claim, &self.path)?;
        let done = self.try_append(bytes);
        self.failed |= done.is_err();
        done
    }

    fn finish(mut self: Box<Self>) -> Result<u64> {
        if self.failed {
            return Err(Error::new(Kind::Integrity, self.path.said("some of this part was not stored")));
        }
        self.claim.check_end(&self.path)?;
        self.send()?;
        let (ranges, blocks) = (self.ranges.clone(), std::mem::take(&mut self.upload.parts));
        let mut ranges = ranges.lock();
        let Self { claim, path, .. } = &mut *self;
        ranges.finish(claim, blocks, path)
    }
}

impl Drop for S3Part {
    fn drop(&mut self) {
        self.ranges.lock().give_up(&self.claim);
    }
}
