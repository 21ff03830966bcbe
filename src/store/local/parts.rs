//! A staged file that is written at several offsets at once.

use std::collections::BTreeMap;
use std::fs::File;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate, renameat};
use rustix::io::Errno;

use super::account::Promise;
use super::commit::Change;
use super::jail::Jail;
use super::partial;
use super::staging::Temp;
use super::upload::{LocalUpload, has_room};
use crate::error::{Error, Kind, Result};
use crate::files::{
    Hasher, Part, PreparedSet, RelPath, Staged, Upload, UploadSpec,
    hash::{Assembly, RangeHasher},
};
use crate::holes::without_zeros;
use crate::limits;
use crate::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// [`Staged`] in a [`super::LocalStore`].
pub(super) struct LocalStaged {
    /// Removed with this, unless it becomes an upload again.
    temp: Option<Temp>,
    promise: Option<Promise>,
    jail: Arc<Jail>,
    prepared: PreparedSet<Change>,
    spec: UploadSpec,
    size: u64,
    shared: Arc<PartsFile>,
}

/// What the parts share.
struct PartsFile {
    path: RelPath,
    /// The same open file as the staged one, so that a failed write is also seen by the sync at the end.
    file: File,
    durable: bool,
    /// Read-locked while bytes are written: whoever has the write lock knows that nobody writes.
    ranges: RwLock<Ranges>,
}

#[derive(Default)]
struct Ranges {
    /// The upload is over: no part may write any more.
    over: bool,
    /// By their beginnings.
    taken: BTreeMap<u64, Range>,
    next: u64,
    hashes: Assembly,
}

#[derive(Clone, Copy)]
struct Range {
    end: u64,
    /// Which part has it.
    owner: u64,
    whole: bool,
}

/// [`Part`] of it.
struct LocalPart {
    shared: Arc<PartsFile>,
    start: u64,
    end: u64,
    owner: u64,
    hasher: RangeHasher,
    /// Up to here the kernel was told to write to the disk.
    written_back: u64,
    /// Zeros stay unwritten: there is nothing in the range.
    sparse: bool,
    /// Bytes that take room on the disk, of those that came: all but the holes.
    taken: u64,
    /// How many of them there were when the disk was last asked for its room.
    room_asked: u64,
}

impl LocalStaged {
    /// [`Upload::into_parts`].
    pub(super) fn over(upload: LocalUpload) -> Result<Self> {
        let LocalUpload { path, spec, mut temp, hasher, durable, promise, jail, prepared, .. } = upload;
        let Some(size) = spec.size else {
            return Err(Error::new(Kind::BadCommand, format!("{path}: the size must be known")));
        };
        if hasher.len() % limits::HASH_BLOCK != 0 {
            return Err(Error::new(Kind::Internal, format!("{path}: its beginning does not end with a block")));
        }
        without_key(&mut temp).map_err(|err| Error::file(&path, err))?;
        let file = temp.file.try_clone().map_err(|err| Error::file(&path, err))?;
        let mut ranges = Ranges { hashes: Assembly::with_beginning(&hasher), next: 1, ..Ranges::default() };
        if !hasher.is_empty() {
            ranges.taken.insert(0, Range { end: hasher.len(), owner: 0, whole: true });
        }
        let shared = Arc::new(PartsFile { path, file, durable, ranges: RwLock::new(ranges) });
        Ok(LocalStaged { temp: Some(temp), promise, jail, prepared, spec, size, shared })
    }

    /// Ends it for all parts; what they have hashed, and whether they have covered everything.
    fn close(&self) -> (Assembly, bool) {
        let mut ranges = self.shared.write();
        ranges.over = true;
        let covered =
            ranges.taken.iter().try_fold(0, |at, (start, range)| (*start == at && range.whole).then_some(range.end));
        (std::mem::take(&mut ranges.hashes), covered == Some(self.size))
    }

    fn upload(&mut self, hasher: Hasher) -> Result<LocalUpload> {
        let PartsFile { path, durable, .. } = &*self.shared;
        let temp = self.temp.take().ok_or_else(|| Error::new(Kind::Internal, format!("{path}: it is given up")))?;
        Ok(LocalUpload::over((&self.jail, &self.prepared), path, self.spec, temp, hasher, *durable)
            .with(self.promise.take()))
    }
}

impl Drop for LocalStaged {
    fn drop(&mut self) {
        self.shared.write().over = true;
    }
}

/// Gives a staged file the name of one that no sweep saves as a partial: it may have gaps.
fn without_key(temp: &mut Temp) -> std::io::Result<()> {
    if let (Some(_), Some(name)) = (&temp.area, &mut temp.name)
        && let Some(at) = name.iter().position(|byte| *byte == b'-')
    {
        let (plain, _) = name.split_at(at);
        renameat(&temp.dir, &**name, &temp.dir, plain)?;
        name.truncate(at);
    }
    Ok(())
}

/// Takes out of this range what an earlier part may have left there; whether it holds nothing now. For whoever knows that
/// nobody writes.
fn empty(file: &File, offset: u64, length: u64) -> bool {
    fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, length).is_ok()
}

impl Staged for LocalStaged {
    fn part(&self, offset: u64, length: u64) -> Result<Box<dyn Part>> {
        let path = &self.shared.path;
        let end = offset.checked_add(length).filter(|end| *end <= self.size && length > 0);
        let fits = |at: u64| at.is_multiple_of(limits::HASH_BLOCK);
        let Some(end) = end.filter(|end| fits(offset) && (fits(*end) || *end == self.size)) else {
            let text = format!("{path}: a part goes from one multiple of {} to another", limits::HASH_BLOCK);
            return Err(Error::new(Kind::BadCommand, text));
        };
        let mut ranges = self.shared.write();
        let ranges = &mut *ranges;
        let repeats = ranges.taken.get(&offset).is_some_and(|range| range.end == end);
        let before = ranges.taken.range(..end).next_back();
        if !repeats && before.is_some_and(|(_, range)| range.end > offset) {
            let text = format!("{path}: some of these bytes are there or on their way already");
            return Err(Error::new(Kind::Exists, text));
        }
        let owner = ranges.next;
        ranges.next += 1;
        ranges.taken.insert(offset, Range { end, owner, whole: false });
        let (first, behind) = (offset / limits::HASH_BLOCK, end.div_ceil(limits::HASH_BLOCK));
        if repeats {
            ranges.hashes.remove(first, behind);
        }
        let sparse = self.spec.is_sparse() && empty(&self.shared.file, offset, length);
        let (shared, hasher) = (Arc::clone(&self.shared), RangeHasher::at_block(first));
        let part = LocalPart {
            shared,
            start: offset,
            end,
            owner,
            hasher,
            written_back: offset,
            sparse,
            taken: 0,
            room_asked: 0,
        };
        Ok(Box::new(part))
    }

    fn into_upload(mut self: Box<Self>) -> Result<Box<dyn Upload>> {
        let (hashes, covered) = self.close();
        match hashes.whole(self.size).filter(|_| covered) {
            Some(hasher) => Ok(Box::new(self.upload(hasher)?)),
            None => {
                let text = format!("{}: not all of its {} bytes have come", self.shared.path, self.size);
                Err(Error::new(Kind::Integrity, text))
            }
        }
    }

    fn keep(mut self: Box<Self>) -> u64 {
        let (hashes, _) = self.close();
        if self.promise.as_ref().is_some_and(|promise| promise.share().is_none()) {
            return 0;
        }
        self.upload(Hasher::from_blocks(hashes.beginning())).map_or(0, partial::keep)
    }
}

impl PartsFile {
    // Plain data under both: a panic elsewhere cannot have left it half-changed.
    fn read(&self) -> RwLockReadGuard<'_, Ranges> {
        self.ranges.read()
    }

    fn write(&self) -> RwLockWriteGuard<'_, Ranges> {
        self.ranges.write()
    }
}

impl LocalPart {
    /// Whether the range is still this part's to write.
    fn holds(&self, ranges: &Ranges) -> Result<()> {
        let owned = ranges.taken.get(&self.start).is_some_and(|range| range.owner == self.owner);
        if ranges.over || !owned {
            let text = format!("{}: this part is given up", self.shared.path);
            return Err(Error::new(Kind::Aborted, text));
        }
        Ok(())
    }

    /// Writes these bytes, and says how many of them take room.
    fn write(&self, bytes: &[u8], at: u64) -> std::io::Result<u64> {
        let file = &self.shared.file;
        if !self.sparse {
            return file.write_all_at(bytes, at).map(|()| bytes.len() as u64);
        }
        without_zeros(bytes, at)
            .try_fold(0, |taken, (at, bytes)| file.write_all_at(bytes, at).map(|()| taken + bytes.len() as u64))
    }

    /// As for an upload in one piece, see [`LocalUpload`].
    fn check_room_again(&mut self) -> Result<()> {
        if self.taken - self.room_asked < limits::WRITE_BACK {
            return Ok(());
        }
        self.room_asked = self.taken;
        let left = self.end - self.hasher.at();
        let fits = has_room(&self.shared.file, left.min(limits::WRITE_BACK));
        if fits { Ok(()) } else { Err(Error::file(&self.shared.path, Errno::NOSPC.into())) }
    }

    /// The same.
    fn write_back(&mut self) {
        let waiting = self.hasher.at() - self.written_back;
        if self.shared.durable && waiting >= limits::WRITE_BACK {
            let _ = fadvise(&self.shared.file, self.written_back, NonZeroU64::new(waiting), Advice::DontNeed);
            self.written_back = self.hasher.at();
        }
    }
}

impl Part for LocalPart {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let at = self.hasher.at();
        if bytes.len() as u64 > self.end - at {
            let text = format!("{}: more than the {} bytes of this part", self.shared.path, self.end - self.start);
            return Err(Error::new(Kind::Integrity, text));
        }
        self.check_room_again()?;
        {
            let ranges = self.shared.read();
            self.holds(&ranges)?;
            self.taken += self.write(bytes, at).map_err(|err| Error::file(&self.shared.path, err))?;
        }
        self.hasher.update(bytes);
        self.write_back();
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<u64> {
        let (start, end) = (self.start, self.end);
        if self.hasher.at() != end {
            let came = self.hasher.at() - start;
            let text = format!("{}: {} bytes were announced and {came} came", self.shared.path, end - start);
            return Err(Error::new(Kind::Integrity, text));
        }
        let hasher = std::mem::replace(&mut self.hasher, RangeHasher::at_block(0));
        let shared = Arc::clone(&self.shared);
        let mut ranges = shared.write();
        self.holds(&ranges)?;
        ranges.hashes.put(hasher);
        ranges.taken.insert(start, Range { end, owner: self.owner, whole: true });
        Ok(end - start)
    }
}

impl Drop for LocalPart {
    fn drop(&mut self) {
        let mut ranges = self.shared.write();
        if ranges.taken.get(&self.start).is_some_and(|range| range.owner == self.owner && !range.whole) {
            ranges.taken.remove(&self.start);
        }
    }
}
