//! An upload into memory whose bytes come in parts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::upload::MemoryUpload;
use crate::error::{Error, Kind, Result};
use crate::files::hash::{Assembly, RangeHasher};
use crate::files::{Hasher, Part, RelPath, Staged, Upload};
use crate::limits;
use crate::sync::{Mutex, MutexGuard};

/// [`Staged`] in memory.
pub(super) struct MemoryStaged {
    upload: Option<MemoryUpload>,
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
    /// What came, once that is all.
    whole: Option<Vec<u8>>,
}

/// [`Part`] of it.
struct MemoryPart {
    ranges: Arc<Mutex<Ranges>>,
    path: RelPath,
    start: u64,
    end: u64,
    owner: u64,
    bytes: Vec<u8>,
    hasher: RangeHasher,
}

impl MemoryStaged {
    pub(super) fn over(mut upload: MemoryUpload) -> Result<Self> {
        let path = upload.path.clone();
        let Some(size) = upload.spec.size else {
            return Err(Error::new(Kind::BadCommand, format!("{path}: the size must be known")));
        };
        if !upload.len().is_multiple_of(limits::HASH_BLOCK) {
            return Err(Error::new(Kind::Internal, format!("{path}: its beginning does not end with a block")));
        }
        let mut ranges = Ranges { hashes: Assembly::with_beginning(&upload.hasher), next: 1, ..Ranges::default() };
        if !upload.is_empty() {
            let whole = Some(std::mem::take(&mut upload.bytes));
            ranges.taken.insert(0, Range { end: upload.len(), owner: 0, whole });
        }
        Ok(MemoryStaged { upload: Some(upload), path, size, ranges: Arc::new(Mutex::new(ranges)) })
    }

    /// Ends it for all parts, and gives the upload what came from its beginning on without a gap, and the hasher of it.
    fn close(&mut self) -> Option<(MemoryUpload, Assembly)> {
        let mut ranges = lock(&self.ranges);
        ranges.over = true;
        let mut upload = self.upload.take()?;
        upload.bytes = Vec::new();
        for (start, range) in std::mem::take(&mut ranges.taken) {
            match range.whole.filter(|_| start == upload.bytes.len() as u64) {
                Some(bytes) => upload.bytes.extend(bytes),
                None => break,
            }
        }
        Some((upload, std::mem::take(&mut ranges.hashes)))
    }
}

impl Drop for MemoryStaged {
    fn drop(&mut self) {
        lock(&self.ranges).over = true;
    }
}

impl Staged for MemoryStaged {
    fn part(&self, offset: u64, length: u64) -> Result<Box<dyn Part>> {
        let path = &self.path;
        let end = offset.checked_add(length).filter(|end| *end <= self.size && length > 0);
        let fits = |at: u64| at.is_multiple_of(limits::HASH_BLOCK);
        let Some(end) = end.filter(|end| fits(offset) && (fits(*end) || *end == self.size)) else {
            let text = format!("{path}: a part goes from one multiple of {} to another", limits::HASH_BLOCK);
            return Err(Error::new(Kind::BadCommand, text));
        };
        let mut ranges = lock(&self.ranges);
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
        Ok(Box::new(MemoryPart {
            ranges: Arc::clone(&self.ranges),
            path: path.clone(),
            start: offset,
            end,
            owner,
            bytes: Vec::new(),
            hasher: RangeHasher::at_block(first),
        }))
    }

    fn into_upload(mut self: Box<Self>) -> Result<Box<dyn Upload>> {
        let (path, size) = (self.path.clone(), self.size);
        let given_up = || Error::new(Kind::Internal, format!("{path}: it is given up"));
        let missing = || Error::new(Kind::Integrity, format!("{path}: not all of its {size} bytes have come"));
        let (mut upload, hashes) = self.close().ok_or_else(given_up)?;
        let hasher = hashes.whole(size).filter(|_| upload.bytes.len() as u64 == size);
        upload.hasher = hasher.ok_or_else(missing)?;
        Ok(Box::new(upload))
    }

    fn keep(mut self: Box<Self>) -> u64 {
        let Some((mut upload, hashes)) = self.close() else { return 0 };
        upload.hasher = Hasher::from_blocks(hashes.beginning());
        Box::new(upload).keep()
    }
}

impl Part for MemoryPart {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 > self.end - self.hasher.at() {
            let text = format!("{}: more than the {} bytes of this part", self.path, self.end - self.start);
            return Err(Error::new(Kind::Integrity, text));
        }
        holds(&lock(&self.ranges), self)?;
        self.bytes.extend_from_slice(bytes);
        self.hasher.update(bytes);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<u64> {
        let (start, end) = (self.start, self.end);
        if self.hasher.at() != end {
            let came = self.hasher.at() - start;
            let text = format!("{}: {} bytes were announced and {came} came", self.path, end - start);
            return Err(Error::new(Kind::Integrity, text));
        }
        let shared = Arc::clone(&self.ranges);
        let mut ranges = lock(&shared);
        holds(&ranges, &self)?;
        ranges.hashes.put(std::mem::replace(&mut self.hasher, RangeHasher::at_block(0)));
        let whole = Some(std::mem::take(&mut self.bytes));
        ranges.taken.insert(start, Range { end, owner: self.owner, whole });
        Ok(end - start)
    }
}

impl Drop for MemoryPart {
    fn drop(&mut self) {
        let mut ranges = lock(&self.ranges);
        if ranges.taken.get(&self.start).is_some_and(|range| range.owner == self.owner && range.whole.is_none()) {
            ranges.taken.remove(&self.start);
        }
    }
}

/// Whether the range is still this part's.
fn holds(ranges: &Ranges, part: &MemoryPart) -> Result<()> {
    let owned = ranges.taken.get(&part.start).is_some_and(|range| range.owner == part.owner);
    if ranges.over || !owned {
        return Err(Error::new(Kind::Aborted, format!("{}: this part is given up", part.path)));
    }
    Ok(())
}

fn lock(ranges: &Mutex<Ranges>) -> MutexGuard<'_, Ranges> {
    // Each step leaves them whole: a panic elsewhere cannot have left them half-changed.
    ranges.lock()
}
