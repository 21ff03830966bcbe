//! An upload whose bytes come in parts: each block of them is one of the storage's.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::shared::Shared;
use super::spool::Spool;
use super::upload::{Multipart, S3Upload, check_size};
use crate::error::{Error, Kind, Result};
use crate::files::hash::{Assembly, RangeHasher};
use crate::files::{Part, RelPath, Staged, Upload};
use crate::limits;
use crate::sync::Mutex;

/// [`Staged`] in a bucket.
pub(super) struct S3Staged {
    upload: Option<S3Upload>,
    path: RelPath,
    size: u64,
    ranges: Arc<Mutex<Ranges>>,
}

#[derive(Default)]
struct Ranges {
    /// The upload is over: no part counts any more.
    over: bool,
    /// By their beginnings.
    taken: BTreeMap<u64, Range>,
    next: u64,
    hashes: Assembly,
}

struct Range {
    end: u64,
    /// Which part has it.
    owner: u64,
    /// The ETags of its blocks, once all of them are there.
    whole: Option<BTreeMap<u64, String>>,
}

/// [`Part`] of it.
struct S3Part {
    shared: Arc<Shared>,
    ranges: Arc<Mutex<Ranges>>,
    path: RelPath,
    start: u64,
    end: u64,
    owner: u64,
    upload: Multipart,
    hasher: RangeHasher,
    spool: Spool,
    failed: bool,
}

impl S3Staged {
    pub(super) fn over(mut upload: S3Upload) -> Result<Self> {
        let path = upload.path.clone();
        let Some(size) = upload.spec.size else {
            return Err(Error::new(Kind::BadCommand, format!("{path}: the size must be known")));
        };
        check_size(size, &path)?;
        if !upload.len().is_multiple_of(limits::HASH_BLOCK) {
            return Err(Error::new(Kind::Internal, format!("{path}: its beginning does not end with a block")));
        }
        if upload.spool.as_ref().is_some_and(|spool| spool.len() > 0) {
            upload.send_part(upload.len() / limits::HASH_BLOCK)?;
        }
        upload.in_parts()?;
        upload.wait(0)?;
        let mut ranges = Ranges { hashes: Assembly::with_beginning(&upload.hasher), next: 1, ..Ranges::default() };
        if !upload.is_empty() {
            let whole = upload.parts.as_mut().map(|parts| std::mem::take(&mut parts.parts));
            ranges.taken.insert(0, Range { end: upload.len(), owner: 0, whole });
        }
        Ok(S3Staged { upload: Some(upload), path, size, ranges: Arc::new(Mutex::new(ranges)) })
    }
}

impl Drop for S3Staged {
    fn drop(&mut self) {
        self.ranges.lock().over = true;
    }
}

impl Staged for S3Staged {
    fn part(&self, offset: u64, length: u64) -> Result<Box<dyn Part>> {
        let path = &self.path;
        let end = offset.checked_add(length).filter(|end| *end <= self.size && length > 0);
        let fits = |at: u64| at.is_multiple_of(limits::HASH_BLOCK);
        let Some(end) = end.filter(|end| fits(offset) && (fits(*end) || *end == self.size)) else {
            let text = format!("{path}: a part goes from one multiple of {} to another", limits::HASH_BLOCK);
            return Err(Error::new(Kind::BadCommand, text));
        };
        let given_up = || Error::new(Kind::Internal, format!("{path}: it is given up"));
        let upload = self.upload.as_ref().ok_or_else(given_up)?;
        let parts = upload.parts.as_ref().ok_or_else(given_up)?;
        let mut ranges = self.ranges.lock();
        let repeats = ranges.taken.get(&offset).is_some_and(|range| range.end == end);
        let before = ranges.taken.range(..end).next_back();
        if !repeats && before.is_some_and(|(_, range)| range.end > offset) {
            let text = format!("{path}: some of these bytes are there or on their way already");
            return Err(Error::new(Kind::Exists, text));
        }
        let owner = ranges.next;
        ranges.next += 1;
        ranges.taken.insert(offset, Range { end, owner, whole: None });
        let (first, behind) = (offset / limits::HASH_BLOCK, end.div_ceil(limits::HASH_BLOCK));
        if repeats {
            ranges.hashes.remove(first, behind);
        }
        Ok(Box::new(S3Part {
            shared: upload.shared.clone(),
            ranges: self.ranges.clone(),
            path: path.clone(),
            start: offset,
            end,
            owner,
            upload: parts.handle(),
            hasher: RangeHasher::at_block(first),
            spool: Spool::new(&upload.shared.spool),
            failed: false,
        }))
    }

    fn into_upload(mut self: Box<Self>) -> Result<Box<dyn Upload>> {
        let (path, size) = (self.path.clone(), self.size);
        let missing = || Error::new(Kind::Integrity, format!("{path}: not all of its {size} bytes have come"));
        let given_up = || Error::new(Kind::Internal, format!("{path}: it is given up"));
        let mut upload = self.upload.take().ok_or_else(given_up)?;
        let mut ranges = self.ranges.lock();
        ranges.over = true;
        let (mut at, mut came) = (0, BTreeMap::new());
        for (start, range) in std::mem::take(&mut ranges.taken) {
            let Some(mut parts) = range.whole.filter(|_| start == at) else { break };
            came.append(&mut parts);
            at = range.end;
        }
        let hasher = std::mem::take(&mut ranges.hashes).whole(size).filter(|_| at == size);
        upload.hasher = hasher.ok_or_else(missing)?;
        if let Some(parts) = &mut upload.parts {
            parts.parts = came;
        }
        Ok(Box::new(upload))
    }

    /// Nothing is kept of it yet.
    fn keep(self: Box<Self>) -> u64 {
        0
    }
}

impl S3Part {
    /// Sends the block that has gathered.
    fn send(&mut self) -> Result<()> {
        holds(&self.ranges.lock(), self)?;
        let number = self.hasher.at().div_ceil(limits::HASH_BLOCK);
        let spool = std::mem::replace(&mut self.spool, Spool::new(&self.shared.spool));
        let sent = self.upload.send(&self.shared.engine, number, spool.finish());
        sent.map_err(|why| why.at(&self.path))
    }

    fn try_append(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            if self.spool.len() == limits::HASH_BLOCK {
                self.send()?;
            }
            let room = usize::try_from(limits::HASH_BLOCK - self.spool.len()).unwrap_or(usize::MAX);
            let (some, rest) = bytes.split_at(room.min(bytes.len()));
            self.spool.append(some)?;
            self.hasher.update(some);
            bytes = rest;
        }
        Ok(())
    }
}

impl Part for S3Part {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 > self.end - self.hasher.at() {
            let text = format!("{}: more than the {} bytes of this part", self.path, self.end - self.start);
            return Err(Error::new(Kind::Integrity, text));
        }
        holds(&self.ranges.lock(), self)?;
        let done = self.try_append(bytes);
        self.failed |= done.is_err();
        done
    }

    fn finish(mut self: Box<Self>) -> Result<u64> {
        let (start, end) = (self.start, self.end);
        if self.failed || self.hasher.at() != end {
            let came = self.hasher.at() - start;
            let text = format!("{}: {} bytes were announced and {came} came", self.path, end - start);
            return Err(Error::new(Kind::Integrity, text));
        }
        self.send()?;
        let shared = self.ranges.clone();
        let mut ranges = shared.lock();
        holds(&ranges, &self)?;
        ranges.hashes.put(std::mem::replace(&mut self.hasher, RangeHasher::at_block(0)));
        let whole = Some(std::mem::take(&mut self.upload.parts));
        ranges.taken.insert(start, Range { end, owner: self.owner, whole });
        Ok(end - start)
    }
}

impl Drop for S3Part {
    fn drop(&mut self) {
        let mut ranges = self.ranges.lock();
        if ranges.taken.get(&self.start).is_some_and(|range| range.owner == self.owner && range.whole.is_none()) {
            ranges.taken.remove(&self.start);
        }
    }
}

/// Whether the range is still this part's.
fn holds(ranges: &Ranges, part: &S3Part) -> Result<()> {
    let owned = ranges.taken.get(&part.start).is_some_and(|range| range.owner == part.owner);
    if ranges.over || !owned {
        return Err(Error::new(Kind::Aborted, format!("{}: this part is given up", part.path)));
    }
    Ok(())
}
