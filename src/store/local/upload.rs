//! One upload: bytes into a staged file, hashed on the way.

use std::fs::File;
use std::io::Write;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{Advice, AtFlags, fadvise, fstatvfs, ioctl_ficlone, statat};
use rustix::io::Errno;

use super::account::{Promise, Sum};
use super::commit::Change;
use super::compare::Comparing;
use super::jail::Jail;
use super::partial::Counted;
use super::parts::LocalStaged;
use super::staging::{Stage, Temp};
use super::{compare, keep_old, partial, properties};
use crate::error::{Error, Kind, Result};
use crate::files::{
    Compared, Condition, Hash, Hasher, Interrupted, Overwrite, Prepared, PreparedSet, RelPath, Source, Staged, Upload,
    UploadSpec,
};
use crate::holes::without_zeros;
use crate::limits;
use crate::store::bounds::Promised;

/// An upload to a [`super::LocalStore`].
pub(super) struct LocalUpload {
    pub(super) path: RelPath,
    pub(super) spec: UploadSpec,
    pub(super) temp: Temp,
    pub(super) hasher: Hasher,
    pub(super) durable: bool,
    /// Room for its bytes, where that is bounded.
    pub(super) promise: Option<Promise>,
    /// What of it is counted as an interrupted upload, until it has a promise.
    pub(super) counted: Option<Counted>,
    pub(super) jail: Arc<Jail>,
    /// Where it waits for its commit.
    pub(super) prepared: PreparedSet<Change>,
    /// What clients keep with it is that of the file of which it is a copy.
    pub(super) has_properties: bool,
    /// A write failed: the file may hold more than was hashed.
    broken: bool,
    /// It may fill the disk: that of a person who puts something there, as `cp` does.
    pub(super) fills: bool,
    /// Its bytes are those of another file, on the disk: what is appended is there already.
    shared: bool,
    /// Up to here the kernel was told to write to the disk.
    written_back: u64,
    /// Bytes that take room on the disk, of those that came: all but the holes.
    taken: u64,
    /// How many of them there were when the disk was last asked for its room.
    room_asked: u64,
    /// How far what has its name already is compared.
    pub(super) comparing: Comparing,
}

impl LocalUpload {
    /// [`crate::files::Store::begin`].
    pub(super) fn begin(stage: &Stage, path: &RelPath, spec: UploadSpec, durable: bool) -> Result<Self> {
        let parent = check_target(stage.jail(), path, spec)?;
        let large = spec.interrupted == Interrupted::Kept && spec.size.is_none_or(|size| size >= limits::HASH_BLOCK);
        let temp = stage.create(path, &parent, large, (spec.mode, spec.umask))?;
        let mut upload = Self::over((stage.jail(), stage.prepared()), path, spec, temp, Hasher::new(), durable);
        upload.fills = stage.is_beside();
        upload.check_room()?;
        Ok(upload)
    }

    /// An upload that goes on in this file, where what was hashed ends.
    pub(super) fn over(
        (jail, prepared): (&Arc<Jail>, &PreparedSet<Change>),
        path: &RelPath,
        spec: UploadSpec,
        temp: Temp,
        hasher: Hasher,
        durable: bool,
    ) -> Self {
        let (path, from) = (path.clone(), hasher.len());
        LocalUpload {
            path,
            spec,
            temp,
            hasher,
            durable,
            promise: None,
            counted: None,
            jail: Arc::clone(jail),
            prepared: prepared.clone(),
            has_properties: false,
            broken: false,
            fills: false,
            shared: false,
            written_back: from,
            taken: 0,
            room_asked: 0,
            comparing: Comparing::default(),
        }
    }

    /// This upload with room promised to it.
    pub(super) fn with(mut self, mut promise: Option<Promise>) -> Self {
        if let Some(counted) = self.counted.take() {
            match &mut promise {
                Some(promise) => promise.take_on(counted),
                None => counted.gone(),
            }
        }
        LocalUpload { promise, ..self }
    }

    /// Refuses a large announced size for which there is no room, so that a full disk says so at once. Nothing is taken:
    /// space is taken by bytes that come, and by nothing else, or one line would keep a whole disk from all others.
    pub(super) fn check_room(&self) -> Result<()> {
        let Some(size) = self.spec.size.filter(|size| *size >= limits::ROOM_CHECK_MIN) else { return Ok(()) };
        if self.spec.is_sparse() {
            // Holes need no room, but the file must be able to become that long.
            let fits = i64::try_from(size).is_ok() && self.temp.file.set_len(size).is_ok();
            self.temp.file.set_len(self.len()).map_err(|err| self.failed(err))?;
            if !fits {
                return Err(self.failed(Errno::FBIG.into()));
            }
        }
        // What came already is on the disk.
        let more = size.saturating_sub(self.len()).min(self.spec.allocated.unwrap_or(u64::MAX));
        if has_room(&self.temp.file, more, self.fills) { Ok(()) } else { Err(self.failed(Errno::NOSPC.into())) }
    }

    /// Refuses on the way, for those bytes that come before it is asked again, what there is no room for: others fill the disk too.
    fn check_room_again(&mut self) -> Result<()> {
        if self.taken - self.room_asked < limits::WRITE_BACK {
            return Ok(());
        }
        self.room_asked = self.taken;
        let more = self.spec.size.map_or(0, |size| size.saturating_sub(self.len())).min(limits::WRITE_BACK);
        if has_room(&self.temp.file, more, self.fills) { Ok(()) } else { Err(self.failed(Errno::NOSPC.into())) }
    }

    /// Fails unless the file is whole: every write done, as many bytes as announced.
    pub(super) fn check_whole(&self) -> Result<()> {
        if self.broken {
            return Err(Error::new(Kind::Io, self.path.said("not stored, a write failed before")));
        }
        match self.spec.size {
            Some(size) if size != self.len() => {
                let text = self.path.said(format_args!("{size} bytes were announced and {} came", self.len()));
                Err(Error::new(Kind::Integrity, text))
            }
            _ => Ok(()),
        }
    }

    /// Has the kernel write what came, a few MiB at a time, so that the sync at the end finds little to do: measured,
    /// 1 GiB took 0.38 s instead of 0.63 s. DONTNEED is what starts it (there is no `sync_file_range` in rustix);
    /// what is not on the disk yet also stays in memory.
    fn write_back(&mut self) {
        let waiting = self.len() - self.written_back;
        if self.durable && waiting >= limits::WRITE_BACK {
            let _ = fadvise(&self.temp.file, self.written_back, NonZeroU64::new(waiting), Advice::DontNeed);
            self.written_back = self.len();
        }
    }

    /// Writes the next bytes. The holes of a sparse file stay unwritten: nothing is behind the end of a staged file.
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if self.shared {
            return Ok(());
        }
        if !self.spec.is_sparse() {
            self.taken += bytes.len() as u64;
            return self.temp.file.write_all(bytes);
        }
        for (at, bytes) in without_zeros(bytes, self.len()) {
            self.taken += bytes.len() as u64;
            self.temp.file.write_all_at(bytes, at)?;
        }
        Ok(())
    }

    /// Gives a sparse file its length, which ends with a hole if nothing is written there; and one that shares another's bytes
    /// no more than were hashed.
    pub(super) fn set_length(&self) -> Result<()> {
        if self.spec.is_sparse() || self.shared {
            self.temp.file.set_len(self.len()).map_err(|err| self.failed(err))
        } else {
            Ok(())
        }
    }

    pub(super) fn failed(&self, err: std::io::Error) -> Error {
        if Errno::from_io_error(&err) == Some(Errno::FBIG) {
            let text = self.path.said("larger than a file can be on this disk");
            return Error::new(Kind::NoSpace, text).at(self.path.as_path()).with_source(err);
        }
        Error::file(&self.path, err)
    }
}

/// Whether so many bytes fit on the disk of this file, less what no upload is to fill unless it may.
pub(super) fn has_room(file: &File, more: u64, fills: bool) -> bool {
    let Ok(disk) = fstatvfs(file) else { return true };
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    let kept = if fills { 0 } else { limits::ROOM_KEPT_MAX.min(bytes(disk.f_blocks) / limits::ROOM_KEPT_PART) };
    bytes(disk.f_bavail).checked_sub(kept).is_some_and(|free| more <= free)
}

/// The parent of a target that may be uploaded to. Refuses what the commit would refuse anyway, before bytes are sent
/// in vain; the commit decides.
pub(super) fn check_target(jail: &Jail, path: &RelPath, spec: UploadSpec) -> Result<Arc<Dir>> {
    let (parent, name) = jail.parent(path)?;
    if spec.overwrite == Overwrite::Numbered {
        return Ok(parent);
    }
    if spec.condition == Condition::Absent && statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        return Err(Error::file(path, Errno::EXIST.into()));
    }
    if let Condition::Hash(expected) = spec.condition {
        compare::check_recorded(path, &parent, name, expected)?;
    }
    if spec.overwrite == Overwrite::Refused && spec.condition == Condition::Any {
        keep_old::check_target(path, &parent, name, spec.size)?;
    }
    Ok(parent)
}

impl Upload for LocalUpload {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let len = self.len().saturating_add(bytes.len() as u64);
        if let Some(size) = self.spec.size.filter(|size| len > *size) {
            self.broken = true;
            let text = self.path.said(format_args!("more than the {size} bytes that were announced"));
            return Err(Error::new(Kind::Integrity, text));
        }
        if let Some(promise) = &mut self.promise
            && let Err(err) = promise.raise(&self.path, Sum::file(len))
        {
            self.broken = true;
            return Err(err);
        }
        if let Err(err) = self.check_room_again() {
            self.broken = true;
            return Err(err);
        }
        if let Err(err) = self.write(bytes) {
            self.broken = true;
            return Err(self.failed(err));
        }
        self.hasher.update(bytes);
        self.write_back();
        Ok(())
    }

    fn share(&mut self, source: &dyn Source) -> bool {
        // On file systems that can, the copy refers to the same blocks until one of the two is written to.
        let clones = |file: &File| ioctl_ficlone(&self.temp.file, file).is_ok();
        self.shared = self.is_empty() && source.as_file().is_some_and(clones);
        self.shared
    }

    fn copy_properties(&mut self, source: &dyn Source) {
        if let Some(file) = source.as_file() {
            properties::copy(file, &self.temp.file);
            self.has_properties = true;
        }
    }

    fn len(&self) -> u64 {
        self.hasher.len()
    }

    fn hash(&self) -> Hash {
        self.hasher.finalize()
    }

    fn rest(&mut self) {
        let came = self.len();
        if let Some(promise) = &mut self.promise {
            promise.rest(came);
        }
    }

    fn claim_room(&mut self) -> Result<()> {
        let (announced, came) = (self.spec.size, self.len());
        self.promise.as_mut().map_or(Ok(()), |promise| promise.claim_rest(&self.path, announced, came))
    }

    fn compare(&mut self, most: u64) -> Result<Compared> {
        compare::step(self, most)
    }

    fn refuse_overwrite(&mut self) {
        if self.spec.overwrite == Overwrite::Allowed {
            self.spec.overwrite = Overwrite::Refused;
        }
    }

    fn keep(self: Box<Self>) -> u64 {
        partial::keep(*self)
    }

    fn into_parts(self: Box<Self>) -> Result<Box<dyn Staged>> {
        Ok(Box::new(LocalStaged::over(*self)?))
    }

    fn prepare(self: Box<Self>) -> Prepared {
        let prepared = self.prepared.clone();
        prepared.add(Change::File(self))
    }
}
