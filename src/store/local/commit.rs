//! Putting uploads in their places, a whole batch at once: data synced, renamed, directories synced.

use std::fs::File;
use std::io;
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{
    AtFlags, FileType, Mode, Stat, StatxFlags, Timespec, Timestamps, UTIME_OMIT, fchmod, fstat, fsync, futimens,
    renameat, statx,
};
use rustix::io::Errno;

use super::account::{Bound, Promise, Sum};
use super::compare::Comparison;
use super::jail::Jail;
use super::mode::GivenMode;
use super::names::{Made, Touched, look, name_staged, refuse_special};
use super::owned::Going;
use super::partial;
use super::replace::Old;
use super::source::{meta, mtime};
use super::staging::Stage;
use super::trash_room::{self, Room};
use super::upload::LocalUpload;
use super::{keep_old, may_come, numbered, placed, properties, record, sync};
use crate::error::{Error, Kind, Result};
use crate::files::{
    Committed, Condition, Done, FileMode, Hash, Overwrite, Prepared, Record, RelPath, SourceMode, Stored, Upload,
    stamp::Stamp,
};
use crate::limits;

/// [`crate::files::Store::commit`].
pub(super) fn commit(
    (jail, bound): (&Jail, Option<&Arc<Bound>>),
    stage: &Stage,
    durable: bool,
    changes: Vec<Prepared>,
) -> Vec<Result<Done>> {
    let ready = |prepared| match stage.prepared().take(prepared)? {
        Change::File(mut upload) => {
            promise(&mut upload, bound, stage)?;
            Ok(Change::File(finish(upload)?))
        }
        change @ (Change::Folder(_) | Change::Restored(_) | Change::Mode(_)) => Ok(change),
    };
    let mut changes: Vec<Result<Change>> = changes.into_iter().map(ready).collect();
    if durable {
        sync::data(&mut changes);
        sync::modes(&mut changes);
    }
    sync::handed_over(&mut changes);
    let place = |change| match change {
        Change::File(upload) => place_known(jail, stage, *upload),
        Change::Folder(made) => Ok(There { done: Done::Folder { made: made.count }, touched: made.touched }),
        Change::Restored(touched) => Ok(There { done: Done::Restored, touched }),
        Change::Mode(changed) => Ok(There { done: Done::Mode(changed.mode), touched: Vec::new() }),
    };
    let mut there: Vec<Result<There>> = changes.into_iter().map(|change| change.and_then(place)).collect();
    if durable {
        sync::directories(&mut there);
    }
    there.into_iter().map(|there| there.map(|there| there.done)).collect()
}

/// What a store has prepared.
pub(super) enum Change {
    File(Box<LocalUpload>),
    Folder(Made),
    /// What came back from the trash.
    Restored(Touched),
    Mode(GivenMode),
}

/// A change that everybody sees, and that stays once its directories are on the disk.
pub(super) struct There {
    pub(super) done: Done,
    /// The directories that have changed, and for what: of a file the one it is in, and that of the trash if what it replaced is kept
    /// there.
    pub(super) touched: Touched,
}

/// What came of putting an upload over a file.
struct Over {
    dir: Arc<Dir>,
    stored: Stored,
    /// The trash, if what was replaced is in it.
    trash: Option<Arc<Dir>>,
}

/// Promises room to an upload that began before there was a bound.
fn promise(upload: &mut LocalUpload, bound: Option<&Arc<Bound>>, stage: &Stage) -> Result<()> {
    if let Some(bound) = bound.filter(|_| upload.promise.is_none()) {
        upload.promise = Some(Promise::of(bound, stage, &upload.path, Sum::file(upload.len()))?);
    }
    Ok(())
}

/// The last changes to the staged file itself.
fn finish(mut upload: Box<LocalUpload>) -> Result<Box<LocalUpload>> {
    upload.check_whole()?;
    if let Some(mut promise) = upload.promise.take() {
        let claimed = promise.claim(&upload.path, Sum::file(upload.len()), || may_come::check(&upload));
        upload.promise = Some(promise);
        claimed?;
    }
    upload.set_length()?;
    if let Some(mtime) = upload.spec.mtime {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: mtime.secs, tv_nsec: mtime.nanos.into() },
        };
        futimens(&upload.temp.file, &times).map_err(|err| upload.failed(err.into()))?;
    }
    if upload.len() >= limits::RECORD_MIN {
        let stamp = Stamp::of(&upload.temp.file).map_err(|err| upload.failed(err.into()))?;
        // Where the file system takes no attributes there is none.
        let _ = record::store(&upload.temp.file, &stamp, &Record::Sound(upload.hash()));
    }
    if let Some(source) = upload.spec.mode.filter(|source| source.perms) {
        // Last: it may be one that not even its owner may write.
        let mode = Mode::from_raw_mode(source.over(source.mode).bits());
        fchmod(&upload.temp.file, mode).map_err(|err| upload.failed(err.into()))?;
    }
    Ok(upload)
}

/// [`place`], and remembers what is put there where one file can have its name in several spellings.
fn place_known(jail: &Jail, stage: &Stage, upload: LocalUpload) -> Result<There> {
    if !stage.is_beside() || upload.temp.can.exact {
        return place(jail, stage, upload);
    }
    let path = upload.path.clone();
    let file = fstat(&upload.temp.file).map_err(|err| failed(&path, err))?;
    // Before it is there: another thread may be about to put another one over it.
    stage.placed.add((&upload.temp.file, &file), &path);
    let placed = place(jail, stage, upload);
    if placed.is_err() {
        stage.placed.forget(&file, &path);
    }
    placed
}

/// Puts a staged file in its place if the condition holds.
fn place(jail: &Jail, stage: &Stage, mut upload: LocalUpload) -> Result<There> {
    let hash = upload.hash();
    let mtime = match upload.spec.mtime {
        Some(mtime) => mtime,
        None => mtime(&fstat(&upload.temp.file).map_err(|err| failed(&upload.path, err))?),
    };
    let mut committed = Committed { size: upload.len(), hash, mtime, stored: Stored::Created };
    let mut trash = None;
    let mut take = |over: Over| {
        trash = over.trash;
        (over.dir, over.stored)
    };
    let dir = if upload.spec.overwrite == Overwrite::Numbered {
        let (dir, number) = numbered::put(jail, &mut upload)?;
        if number > 1 {
            committed.stored = Stored::Numbered(number);
        }
        dir
    } else if let Condition::Absent = upload.spec.condition {
        put_beside(jail, &mut upload)?.map_err(|err| failed(&upload.path, err))?
    } else if upload.spec.overwrite == Overwrite::Refused {
        let (dir, old) = keep_old::put(jail, &mut upload)?;
        if let Some(mtime) = old {
            committed = Committed { mtime, stored: Stored::Same, ..committed };
        }
        dir
    } else if let Condition::Hash(expected) = upload.spec.condition {
        let (dir, _) = take(put_over_expected(jail, stage, &mut upload, expected)?);
        committed.stored = Stored::Replaced;
        dir
    } else {
        match put_beside(jail, &mut upload)? {
            // Mostly there was nothing, and nothing to look at. The other is what is said of a file system that cannot.
            Err(Errno::EXIST | Errno::OPNOTSUPP) => {
                let (dir, stored) = take(put_anyway(jail, stage, &mut upload)?);
                committed.stored = stored;
                dir
            }
            put => put.map_err(|err| failed(&upload.path, err))?,
        }
    };
    if committed.stored != Stored::Same {
        upload.temp.release();
    }
    if upload.spec.overwrite != Overwrite::Numbered {
        // What somebody else has begun for that name is not of this upload.
        partial::forget(&upload);
    }
    let in_trash = trash.map(|trash| (upload.path.clone(), trash));
    let touched = in_trash.into_iter().chain([(upload.path, dir)]).collect();
    Ok(There { done: Done::File(committed), touched })
}

/// Gives an upload its name if nothing has it, and says where.
fn put_beside(jail: &Jail, upload: &mut LocalUpload) -> Result<Result<Arc<Dir>, Errno>> {
    let path = upload.path.clone();
    let _steady = jail.steady(&path)?;
    let (dir, name) = jail.parent(&path)?;
    let put = put_new(jail, upload, None, (&dir, name));
    Ok(put.map(|()| dir))
}

/// Gives an upload its name whatever file has it, and says where and whether one had.
fn put_anyway(jail: &Jail, stage: &Stage, upload: &mut LocalUpload) -> Result<Over> {
    let path = upload.path.clone();
    trash_room::with_room(stage, || {
        let _alone = jail.alone(&path)?;
        let (dir, name) = jail.parent(&path)?;
        put_over(jail, stage, upload, dir, name)
    })
}

/// Puts a staged file over the one of its name if that has this hash, and says where. Hashing may take long, so it is
/// not done while everybody waits; only a look whether it is still that file is, and then it is hashed again.
fn put_over_expected(jail: &Jail, stage: &Stage, upload: &mut LocalUpload, expected: Hash) -> Result<Over> {
    let path = upload.path.clone();
    let (mut found, may_hash) = upload.comparing.take();
    let mut room = Room::of(stage);
    for _ in 0..limits::CONDITION_LOOKS {
        let there = match found.take() {
            Some(there) => there,
            None => {
                let (dir, name) = jail.parent(&path)?;
                let there = Comparison::open_expected(jail, &path, (&dir, name))?;
                if !may_hash && there.size() > limits::COMPARE_IN_COMMIT {
                    // It was not this file, or not like this, when it was compared.
                    return Err(changed(&path));
                }
                here(jail, &path, there.to_the_end())?
            }
        };
        match there.hash() {
            None => continue,
            Some(hash) if hash != expected => return Err(changed(&path)),
            Some(_) => {}
        }
        let alone = jail.alone(&path)?;
        let (dir, name) = jail.parent(&path)?;
        if jail.tree().is_across() {
            jail.tree().may_decide(&*dir).map_err(|err| failed(&path, err))?;
            ask_again(&dir, name);
            // What file systems of several machines say of a file is not always of that file. The bytes are.
            if there.size() < limits::RECORD_MIN {
                let now = Comparison::open_expected(jail, &path, (&dir, name)).and_then(Comparison::to_the_end);
                let now = here(jail, &path, now)?;
                if now.hash() != Some(expected) {
                    return Err(changed(&path));
                }
            }
        }
        if there.is_at(&dir, name) {
            let put = put_over(jail, stage, upload, dir, name);
            drop(alone);
            match put {
                Err(error) if room.comes_after(&error) => found = Some(there),
                put => return put,
            }
        }
    }
    // Somebody changes it again and again.
    Err(changed(&path))
}

/// What is read of a file that another node has replaced meanwhile may fail: then it was changed.
fn here<T>(jail: &Jail, path: &RelPath, read: Result<T>) -> Result<T> {
    read.map_err(|err| {
        let cause = std::error::Error::source(&err).and_then(|cause| cause.downcast_ref::<io::Error>());
        let is_stale = cause.and_then(Errno::from_io_error) == Some(Errno::STALE);
        if jail.tree().is_across() && is_stale { changed(path) } else { err }
    })
}

/// Has the kernel ask the file system for what it knows of this name, however lately it did: another node may have put another file
/// there, by which the link count and change time of the one before are others too.
pub(super) fn ask_again(dir: &Dir, name: &[u8]) {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::STATX_FORCE_SYNC;
    let _only_the_kernel_is_to_know = statx(dir, name, flags, StatxFlags::BASIC_STATS);
}

pub(super) fn failed(path: &RelPath, err: impl Into<io::Error>) -> Error {
    let err = err.into();
    if Errno::from_io_error(&err) == Some(Errno::XDEV) {
        let text = path.said("on another file system than the folder uploads wait in");
        return Error::new(Kind::Io, text).with_source(err);
    }
    Error::file(path, err)
}

/// Gives an upload this name if nothing has it; `path` is that of the name, if it is another one than the upload was for. It counts where
/// it is from then on, and nothing that can fail comes in between.
pub(super) fn put_new(
    jail: &Jail,
    upload: &mut LocalUpload,
    path: Option<RelPath>,
    (dir, name): (&Dir, &[u8]),
) -> Result<(), Errno> {
    let temp = &upload.temp;
    match temp.name() {
        Some(staged) => name_staged(temp.can.new_name, (temp.dir(), staged), (dir, name))?,
        None => temp.link(dir, name)?,
    }
    if let Some(path) = path {
        upload.path = path;
    }
    jail.settled(upload, Sum::NONE);
    Ok(())
}

/// Puts an upload over the file that has its name, for whoever is alone with it. Says whether there was one.
fn put_over(jail: &Jail, stage: &Stage, upload: &mut LocalUpload, dir: Arc<Dir>, name: &[u8]) -> Result<Over> {
    let path = upload.path.clone();
    let temp = &mut upload.temp;
    let old = look(&dir, name).map_err(|err| failed(&path, err))?;
    refuse_special(old.as_ref(), &path)?;
    let (kind, mut sum) = (old.map(|old| FileType::from_raw_mode(old.st_mode)), Sum::NONE);
    if old.is_some_and(|old| stage.placed.has_as_another(&old, (&*dir, name), &path)) {
        return Err(placed::refusal(&path));
    }
    if let (Some(FileType::RegularFile), Some(old)) = (kind, old) {
        let keeps = || keep_properties(upload.spec.mode, &temp.file, &dir, name).map_err(|err| failed(&path, err));
        if !upload.has_properties && keeps()? && upload.durable {
            // The bytes are on the disk already, and so is to be what is said of them before it has this name.
            fsync(&temp.file).map_err(|err| failed(&path, err))?;
        }
        if upload.spec.mode.is_none_or(|source| !source.perms) {
            // Who may read and write it stays, as if it had been written in place.
            let before = FileMode::of(old.st_mode);
            let mode = upload.spec.mode.map_or(before, |source| source.over(before));
            fchmod(&temp.file, Mode::from_raw_mode(mode.bits())).map_err(|err| failed(&path, err))?;
        }
        sum = Sum::file(meta(&old).size);
    }
    let staged = stage.give_name(temp, name).map_err(|err| failed(&path, err))?;
    let trash = stage.trash().map_err(|err| failed(&path, err))?;
    let going = Going::of(jail, &path, (&dir, name), old.as_ref());
    let old = Old { stat: old.as_ref(), sum, going };
    let put = || renameat(temp.dir(), staged, &*dir, name);
    let replaced = old.replace(jail, trash, ((&dir, name), &path), put).map_err(|err| failed(&path, err))?;
    replaced.going.into_iter().for_each(Going::gone);
    jail.settled(upload, replaced.sum);
    if kind == Some(FileType::Symlink) {
        jail.tree().moved();
    }
    let stored = if kind.is_some() { Stored::Replaced } else { Stored::Created };
    Ok(Over { dir, stored, trash: replaced.trash.map(|trash| trash.dir.clone()) })
}

/// Lets a staged file keep what the one of this name does. Says whether that is anything.
fn keep_properties(mode: Option<SourceMode>, file: &File, dir: &Dir, name: &[u8]) -> Result<bool, Errno> {
    let own = mode.filter(|source| source.perms).map(|source| Mode::from_raw_mode(source.over(source.mode).bits()));
    let Some(own) = own.filter(|own| !own.contains(Mode::WUSR)) else {
        return Ok(properties::copy_of(dir, name, file));
    };
    // It has its mode already, with which not even its owner may set an attribute.
    fchmod(file, own | Mode::WUSR)?;
    let is_kept = properties::copy_of(dir, name, file);
    fchmod(file, own)?;
    Ok(is_kept)
}

/// Whether it is the same file with the same content, as far as a file system tells: any write changes a time.
pub(super) fn same(a: &Stat, b: &Stat) -> bool {
    let of = |s: &Stat| (s.st_dev, s.st_ino, s.st_size, s.st_mtime, s.st_mtime_nsec, s.st_ctime, s.st_ctime_nsec);
    of(a) == of(b)
}

pub(super) fn changed(path: &RelPath) -> Error {
    Error::new(Kind::Changed, path.said("not the file that was to be replaced"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{LocalOptions, LocalStore, Staging};
    use super::*;
    use crate::files::{Durability, Store as _, UploadSpec};

    #[test]
    fn a_recorded_hash_that_is_not_the_expected_one_is_refused_before_any_byte_comes() {
        let home = tempfile::tempdir().unwrap();
        let options = LocalOptions { durability: Durability::None, staging: Staging::Hidden };
        let store = LocalStore::open_path(home.path(), options).unwrap();
        let path = RelPath::parse(b"f").unwrap();
        let content = vec![7; 2 * 1024 * 1024];
        let begin = |hash| {
            let condition = Condition::Hash(hash);
            store.begin(&path, UploadSpec { condition, ..UploadSpec::default() }).map(drop).map_err(|err| err.kind())
        };
        let mut upload = store.begin(&path, UploadSpec::default()).unwrap();
        upload.append(&content).unwrap();
        store.commit_one(upload).unwrap();
        assert_eq!(begin(Hash::of(&content)), Ok(()));
        assert_eq!(begin(Hash::of(b"another")), Err(Kind::Changed));
        // What was recorded of an earlier state decides nothing.
        fs::write(home.path().join("f"), vec![8; 2 * 1024 * 1024]).unwrap();
        assert_eq!(begin(Hash::of(b"another")), Ok(()));
    }
}
