//! A staged file that is written at several offsets at once.

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
use super::whole::Noting;
use crate::error::{Error, Kind, Result};
use crate::files::{Hasher, Interrupted, Part, PreparedSet, RelPath, Staged, Upload, UploadSpec};
use crate::holes::without_zeros;
use crate::limits;
use crate::store::ranges::{Claim, Ranges};
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
    /// The open file that the staged one is, too, so that a failed write is also seen by the sync at the end.
    file: File,
    durable: bool,
    /// It may fill the disk.
    fills: bool,
    /// Read-locked while bytes are written: whoever has the write lock knows that nobody writes.
    ranges: RwLock<Ranges<()>>,
    /// How much of the beginning is whole, for whoever finds the file after a crash. Without it such a file is not gone on with.
    noting: Option<Noting>,
}

/// [`Part`] of it.
struct LocalPart {
    shared: Arc<PartsFile>,
    claim: Claim,
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
        let LocalUpload { path, spec, mut temp, hasher, durable, fills, promise, jail, prepared, .. } = upload;
        let Some(size) = spec.size else {
            return Err(Error::new(Kind::BadCommand, path.said("the size must be known")));
        };
        let failed = |err| Error::file(&path, err);
        let ranges = Ranges::with_beginning(&hasher, (), &path)?;
        let is_kept = spec.interrupted == Interrupted::Kept;
        let noting = is_kept.then(|| Noting::begin(&temp, hasher.len(), durable)).flatten();
        if noting.is_none() {
            without_key(&mut temp).map_err(failed)?;
        } else if spec.is_sparse() {
            // A hole at the end of what is whole is not written either.
            temp.file.set_len(size).map_err(failed)?;
        }
        let file = temp.file.try_clone().map_err(failed)?;
        let shared = Arc::new(PartsFile { path, file, durable, fills, ranges: RwLock::new(ranges), noting });
        Ok(LocalStaged { temp: Some(temp), promise, jail, prepared, spec, size, shared })
    }

    fn upload(&mut self, hasher: Hasher) -> Result<LocalUpload> {
        let PartsFile { path, durable, fills, noting, .. } = &*self.shared;
        noting.as_ref().map_or(Ok(()), Noting::end).map_err(|err| Error::file(path, err.into()))?;
        let temp = self.temp.take().ok_or_else(|| Error::new(Kind::Internal, path.said("it is given up")))?;
        let mut upload = LocalUpload::over((&self.jail, &self.prepared), path, self.spec, temp, hasher, *durable);
        upload.fills = *fills;
        Ok(upload.with(self.promise.take()))
    }
}

impl Drop for LocalStaged {
    fn drop(&mut self) {
        self.shared.write().end();
    }
}

/// Gives a staged file the name of one that no sweep saves as a partial: it may have gaps, and does not say where they begin.
fn without_key(temp: &mut Temp) -> std::io::Result<()> {
    let Some(name) = temp.name().filter(|_| temp.area().is_some()) else { return Ok(()) };
    let Some(at) = name.iter().position(|byte| *byte == b'-') else { return Ok(()) };
    let plain = name.split_at(at).0.to_vec();
    renameat(temp.dir(), name, temp.dir(), &*plain)?;
    temp.renamed(plain);
    Ok(())
}

/// Takes out of this range what an earlier part may have left there; whether it holds nothing now. For whoever knows that
/// nobody writes.
fn empty(file: &File, offset: u64, length: u64) -> bool {
    fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, length).is_ok()
}

impl Staged for LocalStaged {
    fn part(&self, offset: u64, length: u64) -> Result<Box<dyn Part>> {
        let mut ranges = self.shared.write();
        let claim = ranges.take((offset, length), self.size, &self.shared.path)?;
        let sparse = self.spec.is_sparse() && empty(&self.shared.file, offset, length);
        drop(ranges);
        let shared = Arc::clone(&self.shared);
        let part = LocalPart { shared, claim, written_back: offset, sparse, taken: 0, room_asked: 0 };
        let lowered = self.shared.noting.as_ref().map_or(Ok(()), |noting| noting.lower(offset));
        lowered.map_err(|err| Error::file(&self.shared.path, err.into()))?;
        Ok(Box::new(part))
    }

    fn into_upload(mut self: Box<Self>) -> Result<Box<dyn Upload>> {
        let came = self.shared.write().close();
        let (_, hasher) = came.all_of(self.size, &self.shared.path)?;
        Ok(Box::new(self.upload(hasher)?))
    }

    fn keep(mut self: Box<Self>) -> u64 {
        let came = self.shared.write().close();
        let (_, hasher) = came.beginning();
        self.upload(hasher).map_or(0, partial::keep)
    }
}

impl PartsFile {
    fn read(&self) -> RwLockReadGuard<'_, Ranges<()>> {
        self.ranges.read()
    }

    fn write(&self) -> RwLockWriteGuard<'_, Ranges<()>> {
        self.ranges.write()
    }
}

impl LocalPart {
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
        let fits = has_room(&self.shared.file, self.claim.left().min(limits::WRITE_BACK), self.shared.fills);
        if fits { Ok(()) } else { Err(Error::file(&self.shared.path, Errno::NOSPC.into())) }
    }

    /// Has the kernel write what came, as for an upload in one piece.
    fn write_back(&mut self) {
        let waiting = self.claim.at() - self.written_back;
        if self.shared.durable && waiting >= limits::WRITE_BACK {
            let _ = fadvise(&self.shared.file, self.written_back, NonZeroU64::new(waiting), Advice::DontNeed);
            self.written_back = self.claim.at();
        }
    }
}

impl Part for LocalPart {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.claim.check_room(bytes, &self.shared.path)?;
        self.check_room_again()?;
        {
            let ranges = self.shared.read();
            ranges.check(&self.claim, &self.shared.path)?;
            let written = self.write(bytes, self.claim.at());
            self.taken += written.map_err(|err| Error::file(&self.shared.path, err))?;
        }
        self.claim.update(bytes);
        self.write_back();
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<u64> {
        let shared = Arc::clone(&self.shared);
        self.claim.check_end(&shared.path)?;
        let came = shared.write().finish(&mut self.claim, (), &shared.path)?;
        shared.noting.iter().for_each(|noting| noting.note(|| shared.read().whole()));
        Ok(came)
    }
}

impl Drop for LocalPart {
    fn drop(&mut self) {
        self.shared.write().give_up(&self.claim);
    }
}
