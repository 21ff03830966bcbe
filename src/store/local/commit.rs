//! Putting uploads in their places, a whole batch at once: data synced, renamed, directories synced.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::fs::Dir;
use rustix::fs::{
    AtFlags, FileType, Mode, Stat, Timespec, Timestamps, UTIME_OMIT, fchmod, fstat, futimens, renameat, statat,
};
use rustix::io::Errno;

use super::jail::Jail;
use super::names::{Touched, rename_new};
use super::partial;
use super::source::{LocalSource, mtime};
use super::staging::{Stage, Temp};
use super::upload::LocalUpload;
use super::{keep_old, record, sync, unnamed};
use crate::buffers::Buffer;
use crate::error::{Error, Kind, Result};
use crate::hash::{Hash, Hasher};
use crate::limits;
use crate::proto::RelPath;
use crate::store::{Committed, Condition, NewFolder, Overwrite, Source, Stored, Upload};

/// Commits under a hash condition one at a time in this process: between the last look at the old file and the rename
/// no other one may replace it.
static CONDITIONAL: Mutex<()> = Mutex::new(());

/// [`crate::store::Store::commit_all`].
pub(super) fn commit(
    jail: &Jail,
    stage: &Stage,
    durable: bool,
    uploads: Vec<Box<dyn Upload>>,
    folders: Vec<NewFolder>,
) -> (Vec<Result<Committed>>, Result<()>) {
    let mut uploads: Vec<Result<Box<LocalUpload>>> =
        uploads.into_iter().map(|upload| own(upload).and_then(finish)).collect();
    if durable {
        sync::data(&mut uploads);
    }
    let mut placed: Vec<Result<Placed>> =
        uploads.into_iter().map(|upload| upload.and_then(|upload| place(jail, stage, *upload))).collect();
    let mut made = folders.into_iter().map(own_folder).collect::<Result<Vec<_>>>().map(|made| made.concat());
    if durable {
        made = sync::directories(&mut placed, made);
    }
    (placed.into_iter().map(|placed| placed.map(|placed| placed.committed)).collect(), made.map(drop))
}

/// An upload in its place.
pub(super) struct Placed {
    committed: Committed,
    pub(super) path: RelPath,
    pub(super) dir: Arc<Dir>,
}

fn own(upload: Box<dyn Upload>) -> Result<Box<LocalUpload>> {
    upload.into_any().downcast().map_err(|_| Error::new(Kind::Internal, "an upload of another kind of store"))
}

fn own_folder(folder: NewFolder) -> Result<Touched> {
    let other = |_| Error::new(Kind::Internal, "a folder of another kind of store");
    folder.0.downcast().map(|touched| *touched).map_err(other)
}

/// The last changes to the staged file itself.
fn finish(upload: Box<LocalUpload>) -> Result<Box<LocalUpload>> {
    upload.check_whole()?;
    if let Some(mtime) = upload.spec.mtime {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: mtime.secs, tv_nsec: mtime.nanos.into() },
        };
        futimens(&upload.temp.file, &times).map_err(|err| upload.failed(err.into()))?;
    }
    if upload.len() >= limits::RECORD_MIN {
        let stat = fstat(&upload.temp.file).map_err(|err| upload.failed(err.into()))?;
        record::store(&upload.temp.file, &stat, &upload.hash());
    }
    Ok(upload)
}

/// Puts a staged file in its place if the condition holds.
fn place(jail: &Jail, stage: &Stage, mut upload: LocalUpload) -> Result<Placed> {
    let (dir, name) = jail.parent(&upload.path)?;
    let hash = upload.hash();
    let mtime = match upload.spec.mtime {
        Some(mtime) => mtime,
        None => mtime(&fstat(&upload.temp.file).map_err(|err| failed(&upload.path, err))?),
    };
    let mut committed = Committed { size: upload.len(), hash, mtime, stored: Stored::Created };
    match upload.spec.condition {
        Condition::Absent => put_new(&upload.temp, &dir, name).map_err(|err| failed(&upload.path, err))?,
        _ if upload.spec.overwrite == Overwrite::Refused => {
            if let Some(old) = keep_old::put(&upload, &dir, name)? {
                committed = Committed { mtime: old, stored: Stored::Same, ..committed };
            }
        }
        // Mostly there was nothing, and nothing to look at. The others are what file systems say that cannot.
        Condition::Any => match put_new(&upload.temp, &dir, name) {
            Err(Errno::EXIST | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                put_over(stage, &mut upload.temp, &upload.path, &dir, name)?;
                committed.stored = Stored::Replaced;
            }
            put => put.map_err(|err| failed(&upload.path, err))?,
        },
        Condition::Hash(expected) => {
            // Hashing may take long, so it is not done under the lock; the look at it again is.
            let seen = check_hash(&upload.path, &dir, name, expected)?;
            let _one = CONDITIONAL.lock().unwrap_or_else(PoisonError::into_inner);
            match statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(now) if same(&seen, &now) => {}
                _ => return Err(changed(&upload.path)),
            }
            put_over(stage, &mut upload.temp, &upload.path, &dir, name)?;
            committed.stored = Stored::Replaced;
        }
    }
    if committed.stored != Stored::Same {
        upload.temp.release();
    }
    partial::forget(&upload);
    Ok(Placed { committed, path: upload.path, dir })
}

pub(super) fn failed(path: &RelPath, err: impl Into<io::Error>) -> Error {
    let err = err.into();
    if Errno::from_io_error(&err) == Some(Errno::XDEV) {
        let text = format!("{path}: on another file system than the folder uploads wait in");
        return Error::new(Kind::Io, text).with_source(err);
    }
    Error::file(path, err)
}

/// Gives a staged file this name if nothing has it.
pub(super) fn put_new(temp: &Temp, dir: &Dir, name: &[u8]) -> Result<(), Errno> {
    match &temp.name {
        Some(staged) => rename_new(&temp.dir, staged, dir, name),
        None => unnamed::link(&temp.file, dir, name),
    }
}

/// Puts a staged file over the one that has this name.
fn put_over(stage: &Stage, temp: &mut Temp, path: &RelPath, dir: &Dir, name: &[u8]) -> Result<()> {
    keep_mode(&temp.file, dir, name).map_err(|err| failed(path, err))?;
    let staged = stage.give_name(temp, name).map_err(|err| failed(path, err))?;
    renameat(&temp.dir, staged, dir, name).map_err(|err| failed(path, err))
}

/// A file that replaces another takes over who may read and write it, as if it had been written in place.
fn keep_mode(file: &File, dir: &Dir, name: &[u8]) -> Result<(), Errno> {
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(old) if FileType::from_raw_mode(old.st_mode) == FileType::RegularFile => {
            fchmod(file, Mode::from_raw_mode(old.st_mode & 0o777))
        }
        _ => Ok(()),
    }
}

/// Fails unless a regular file with this hash has the name; else says what it is, to see later that it is still that.
pub(super) fn check_hash(path: &RelPath, dir: &Dir, name: &[u8], expected: Hash) -> Result<Stat> {
    let failed = |err: Errno| Error::file(path, err.into());
    let mut source = match LocalSource::open_real(path, dir, name) {
        Err(err) if !matches!(err.kind(), Kind::NotFound | Kind::IsDirectory | Kind::NotRegular) => return Err(err),
        Err(_) => return Err(changed(path)),
        Ok(source) => source,
    };
    let before = fstat(source.file()).map_err(failed)?;
    let hash = match source.recorded_hash() {
        Some(hash) => hash,
        None => hash_all(&mut source)?,
    };
    if hash != expected || !same(&before, &fstat(source.file()).map_err(failed)?) {
        return Err(changed(path));
    }
    Ok(before)
}

pub(super) fn hash_all(source: &mut LocalSource) -> Result<Hash> {
    let mut hasher = Hasher::new();
    let mut buffer = Buffer::take();
    let chunk = buffer.room().get_mut(..limits::CHUNK).unwrap_or_default();
    loop {
        let read = source.read_at(hasher.len(), chunk)?;
        hasher.update(chunk.get(..read).unwrap_or_default());
        if read < chunk.len() {
            return Ok(hasher.finalize());
        }
    }
}

/// Whether it is the same file with the same content, as far as a file system tells: any write changes a time.
pub(super) fn same(a: &Stat, b: &Stat) -> bool {
    let of = |s: &Stat| (s.st_dev, s.st_ino, s.st_size, s.st_mtime, s.st_mtime_nsec, s.st_ctime, s.st_ctime_nsec);
    of(a) == of(b)
}

pub(super) fn changed(path: &RelPath) -> Error {
    Error::new(Kind::Changed, format!("{path}: not the file that was to be replaced"))
}
