//! Interrupted uploads: whole blocks kept, found again, and gone on with.
//!
//! In a home the partial of a path is `.sealift/p-KEY`, and `.sealift/b-KEY` beside it holds the values of its blocks.
//! Those count only for the very same file (inode, size, time) within the same boot of the machine: as long as it
//! runs, what was written is what is read, synced or not; after it, the blocks are hashed afresh. So no crash makes
//! wrong bytes count as right, and nothing has to be synced for it. Beside a target the partial is the staged file
//! itself, and is always hashed afresh.
//!
//! Where several servers serve a home, what one of them lost is gone on with in a copy ([`adopted`]).

mod adopted;
mod counted;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, Stat, fchmod, fdatasync, flock, fstat, ftruncate, openat, renameat, statat,
    unlinkat,
};
use rustix::io::Errno;

use super::account::{Promise, Sum};
use super::jail::Jail;
use super::names::rename_new;
use super::source::mtime;
use super::staging::{Area, Stage, Temp, open_reserved};
use super::upload::{LocalUpload, check_target};
use super::{Staging, beside, sweep};
use crate::buffers::Buffer;
use crate::error::{Error, Kind, Result};
use crate::files::{Hash, Hasher, Interrupted, Looked, Partial, RelPath, Upload, UploadSpec, hash::BlockHash};
use crate::limits;
pub(super) use adopted::Half;
pub(super) use counted::Counted;

/// Beginning of a partial's name, before the key of its path.
pub(super) const DATA: &str = "p-";

/// Beginning of the name of its block values.
pub(super) const BLOCKS: &str = "b-";

const MAGIC: &[u8] = b"sealift partial 1\n";

const OPEN: OFlags = OFlags::RDWR.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// What a path is called in the reserved directory: 128 bits of its hash, in 32 digits. In a folder that several people share it is
/// another one for each of them: what one has sent is not to be learned, finished or used up by the others.
pub(super) fn key(path: &RelPath, sender: Option<&Hash>) -> String {
    let mut hasher = Hasher::new();
    hasher.update(path.as_bytes());
    if let Some(sender) = sender {
        // No path has this byte.
        hasher.update(b"\0");
        hasher.update(sender.as_bytes());
    }
    let mut digits = hasher.finalize().to_string();
    digits.truncate(32);
    digits
}

/// [`crate::files::Upload::keep`].
pub(super) fn keep(upload: LocalUpload) -> u64 {
    // What fails is removed by dropping it.
    try_keep(upload).unwrap_or(0)
}

fn try_keep(mut upload: LocalUpload) -> io::Result<u64> {
    let len = match upload.spec.interrupted {
        Interrupted::Kept => upload.hasher.blocks().len() as u64 * limits::HASH_BLOCK,
        Interrupted::Dropped => 0,
    };
    let temp = &mut upload.temp;
    // What is promised room is to count where it is kept: in a shared folder by whose it says it is.
    let is_counted =
        |promise: &Promise| if promise.share().is_some() { temp.owner.is_some() } else { temp.area().is_some() };
    let may_stay = len > 0
        && upload.promise.as_ref().is_none_or(is_counted)
        && (temp.area().is_none() || upload.jail.keeps_partials());
    let Some(name) = temp.name().map(<[u8]>::to_vec).filter(|_| may_stay) else { return Ok(0) };
    let len = match &mut upload.promise {
        // If there is no room for it but what others were promised nothing is kept.
        Some(promise) => promise.claim_to_keep(&upload.path, len).unwrap_or(0),
        None => len,
    };
    if len == 0 {
        return Ok(0);
    }
    ftruncate(&temp.file, len)?;
    if temp.area().is_none() && !beside::is_first(&upload.path, &name) {
        return beside::make_first(temp, upload.path.file_name().unwrap_or_default());
    }
    if upload.durable {
        // Not for the time after a crash: an error in writing must be seen before the bytes count as there.
        fdatasync(&temp.file)?;
    }
    if let Some(area) = temp.area().cloned() {
        let (key, stat) = (area.key(&upload.path), fstat(&temp.file)?);
        // Nobody begins to count what is there in between. Without a place among other nodes it may be one of theirs that is there.
        let _steady = upload.jail.tree().steady_to_add()?;
        // The home may be another folder by now.
        if !upload.jail.keeps_partials() || !Arc::ptr_eq(&area.root, &upload.jail.root()?) {
            return Ok(0);
        }
        let _names = upload.jail.tree().partials();
        // Without it they are hashed again.
        let whole = usize::try_from(len / limits::HASH_BLOCK).unwrap_or(usize::MAX);
        let _ = write_blocks(&area, &key, &stat, upload.hasher.blocks().get(..whole).unwrap_or_default());
        // From here on whoever finds it may go on with it.
        let _ = flock(&temp.file, FlockOperation::Unlock);
        let name_there = format!("{DATA}{key}");
        let old = Counted::of_name(&upload.jail, &area.reserved, &name_there);
        if let Err(err) = renameat(temp.dir(), &*name, &area.reserved, &*name_there) {
            old.into_iter().for_each(Counted::stays);
            return Err(err.into());
        }
        let sums = (old.as_ref().map_or(Sum::NONE, |old| old.sum), Sum::file(len));
        upload.jail.settled_at(&RelPath::root(), temp.owner.as_ref(), sums, upload.promise.take());
        old.into_iter().for_each(Counted::gone_for_owners);
        // What it is kept again of.
        upload.counted.take().into_iter().for_each(Counted::gone);
    }
    temp.release();
    Ok(len)
}

/// After a large upload is in its place: an older partial of its path is of no more use.
pub(super) fn forget(upload: &LocalUpload) {
    if upload.len() < limits::HASH_BLOCK {
        return;
    }
    match upload.temp.area() {
        // That of a folder that is the home no more counts in nothing that is known here.
        Some(area) if !upload.jail.root().is_ok_and(|root| Arc::ptr_eq(&area.root, &root)) => {}
        Some(area) => {
            // If it stays whoever goes on with it finds that it is another file, or a sweep that it is old.
            let _is_removed = remove(Some(&upload.jail), &area.reserved, &area.key(&upload.path));
        }
        None => beside::forget(upload.temp.dir(), upload.path.file_name().unwrap_or_default(), upload.temp.can),
    }
}

/// Removes a partial and its block values, as far as they are there, and says whether it could. Without a jail for whoever is alone in
/// the tree.
pub(super) fn remove(jail: Option<&Jail>, reserved: &Dir, key: &str) -> bool {
    // Nobody begins to count what is there in between.
    let Ok(_steady) = jail.map(|jail| jail.tree().steady()).transpose() else { return false };
    let _names = jail.and_then(|jail| jail.tree().partials());
    let counted = jail.and_then(|jail| Counted::of_name(jail, reserved, &format!("{DATA}{key}")));
    let is_gone = match unlinkat(reserved, format!("{DATA}{key}"), AtFlags::empty()) {
        Ok(()) => true,
        Err(Errno::NOENT) => false,
        Err(_) => {
            counted.into_iter().for_each(Counted::stays);
            return false;
        }
    };
    counted.into_iter().for_each(if is_gone { Counted::gone } else { Counted::stays });
    // Without what they are of a later sweep takes them.
    let _ = unlinkat(reserved, format!("{BLOCKS}{key}"), AtFlags::empty());
    true
}

/// A partial that was found, with the values of its whole blocks.
struct Found {
    /// Not removed when it is dropped.
    temp: Temp,
    blocks: Vec<BlockHash>,
}

/// [`crate::files::Store::partial`].
pub(super) fn look(stage: &Stage, path: &RelPath) -> Result<Option<Partial>> {
    Ok(find(stage, path)?.map(told))
}

/// [`crate::files::Store::look_for_partial`], hashing at most so many bytes.
pub(super) fn look_on(stage: &Stage, path: &RelPath, most: u64) -> Result<Looked> {
    Ok(match find_step(stage, path, most).map_err(|err| Error::file(path, err))? {
        Step::NotYet { left } => Looked::NotYet { left },
        Step::Done(found) => Looked::Done(found.map(told)),
    })
}

fn told(found: Found) -> Partial {
    let len = found.blocks.len() as u64 * limits::HASH_BLOCK;
    Partial { len, hash: Hasher::from_blocks(found.blocks).finalize() }
}

/// How many bytes an upload to this path left beside it, which nobody has looked at.
pub(super) fn left_beside(stage: &Stage, path: &RelPath) -> u64 {
    let Ok((parent, name)) = stage.jail().parent(path) else { return 0 };
    stage.can(&parent).map_or(0, |can| beside::left(&parent, name, can))
}

/// How far finding a partial came.
enum Step {
    /// So many of its bytes are to be hashed yet.
    NotYet {
        left: u64,
    },
    Done(Option<Found>),
}

/// [`crate::files::Store::resume`].
pub(super) fn resume(
    stage: &Stage,
    path: &RelPath,
    spec: UploadSpec,
    (from, proven): (u64, Hash),
    durable: bool,
) -> Result<LocalUpload> {
    let changed = || Error::new(Kind::Changed, path.said("what is left of the last upload is not its beginning"));
    let failed = |err: io::Error| Error::file(path, err);
    check_target(stage.jail(), path, spec)?;
    if let Some(size) = spec.size.filter(|size| *size < from) {
        let text = path.said(format_args!("{size} bytes were announced, less than what is there already"));
        return Err(Error::new(Kind::Integrity, text));
    }
    let Found { temp, mut blocks } = find(stage, path)?.ok_or_else(changed)?;
    let whole = usize::try_from(from / limits::HASH_BLOCK).map_err(|_| changed())?;
    if whole == 0 || from % limits::HASH_BLOCK != 0 || whole > blocks.len() {
        return Err(changed());
    }
    blocks.truncate(whole);
    let hasher = Hasher::from_blocks(blocks);
    if hasher.finalize() != proven {
        return Err(changed());
    }
    let (mut temp, counted) = match stage.staging {
        Staging::Hidden => claim(stage, path, temp).map_err(failed)?.ok_or_else(changed)?,
        Staging::Beside => (temp.reclaim(), None),
    };
    stage.mark(&mut temp).map_err(failed)?;
    let mode = stage.staging.file_mode(spec.mode, spec.umask);
    match (spec.mode, spec.umask) {
        (_, Some(_)) => fchmod(&temp.file, mode).map_err(|err| failed(err.into()))?,
        (Some(_), None) => narrow(&temp.file, mode).map_err(|err| failed(err.into()))?,
        (None, None) => {}
    }
    ftruncate(&temp.file, from).map_err(|err| failed(err.into()))?;
    temp.file.seek(SeekFrom::Start(from)).map_err(failed)?;
    let mut upload = LocalUpload::over((stage.jail(), stage.prepared()), path, spec, temp, hasher, durable);
    upload.fills = stage.is_beside();
    upload.counted = counted;
    if let Err(err) = upload.check_room() {
        keep(upload);
        return Err(err);
    }
    Ok(upload)
}

/// Takes from a partial's mode what a file begun now would not have: its source may be open to fewer since. Nothing is
/// added, so what the umask took off stays off.
fn narrow(file: &File, most: Mode) -> Result<(), Errno> {
    let now = Mode::from_raw_mode(fstat(file)?.st_mode & 0o777);
    if most.contains(now) { Ok(()) } else { fchmod(file, now & most) }
}

/// Renames a partial into the store's own directory: of two who try, one does. Nothing if it was the other, or somebody
/// is still writing it.
fn claim(stage: &Stage, path: &RelPath, mut found: Temp) -> io::Result<Option<(Temp, Option<Counted>)>> {
    if flock(&found.file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
        return Ok(None);
    }
    let area = stage.area()?;
    let name = stage.fresh_name(Some(path));
    let Some(old_name) = found.name() else { return Ok(None) };
    // Nobody begins to count what is there in between.
    let _steady = stage.jail().tree().steady()?;
    let _names = stage.jail().tree().partials();
    let counted = Counted::of(stage.jail(), &found.file);
    if let Err(err) = renameat(found.dir(), old_name, &area.dir, &*name) {
        counted.into_iter().for_each(Counted::stays);
        return if err == Errno::NOENT { Ok(None) } else { Err(err.into()) };
    }
    let (ours, there) = (fstat(&found.file)?, statat(&*area.dir, &*name, AtFlags::SYMLINK_NOFOLLOW)?);
    if (ours.st_dev, ours.st_ino) != (there.st_dev, there.st_ino) {
        // Another one took its place meanwhile: give that back. What it took the place of was taken off then.
        let _ = rename_new(found.can.new_name, &area.dir, &name, found.dir(), old_name);
        counted.into_iter().for_each(Counted::stays);
        return Ok(None);
    }
    counted.iter().for_each(Counted::hidden);
    if ours.st_nlink != 1 {
        // Under another name everybody sees it: only the name here is ours to take away.
        let _ = unlinkat(&*area.dir, &*name, AtFlags::empty());
        counted.into_iter().for_each(Counted::gone);
        return Ok(None);
    }
    let _ = unlinkat(&area.reserved, format!("{BLOCKS}{}", stage.key(path)), AtFlags::empty());
    found.has_come(Arc::clone(&area.dir), name, Some(area));
    Ok(Some((found, counted)))
}

fn find(stage: &Stage, path: &RelPath) -> Result<Option<Found>> {
    match find_step(stage, path, u64::MAX).map_err(|err| Error::file(path, err))? {
        Step::Done(found) => Ok(found),
        Step::NotYet { .. } => Ok(None),
    }
}

fn find_step(stage: &Stage, path: &RelPath, most: u64) -> io::Result<Step> {
    let key = stage.key(path);
    let mut temp = match stage.staging {
        Staging::Hidden => match open_hidden(stage, &key) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                if !stage.jail().tree().is_across() || !sweep::rescue(stage, &key)? {
                    return Ok(Step::Done(None));
                }
                open_hidden(stage, &key)?
            }
            opened => opened?,
        },
        Staging::Beside => {
            let Ok((parent, name)) = stage.jail().parent(path) else { return Ok(Step::Done(None)) };
            match beside::take(&parent, name, stage.can(&parent)?)? {
                None => return Ok(Step::Done(None)),
                Some(temp) => temp,
            }
        }
    };
    temp.release();
    let stat = fstat(&temp.file)?;
    if stat.st_nlink != 1 {
        // It has another name, under which it may be whole and seen by all: not to be written into. Gone meanwhile, it is none either.
        return Ok(Step::Done(None));
    }
    // Who wrote them down has let it go, on this machine and over this mount. Of what another node lost nothing is.
    let written = || read_blocks(temp.dir(), &key, &stat);
    let is_across = stage.jail().tree().is_across() && stage.staging == Staging::Hidden;
    let blocks = match if is_across { written() } else { stage.recall(&stat).or_else(written) } {
        Some(blocks) => blocks,
        None if is_across => return adopted::step(stage, path, &temp, &stat, most),
        None => {
            let whole = u64::try_from(stat.st_size).unwrap_or(0) / limits::HASH_BLOCK * limits::HASH_BLOCK;
            let mut hasher = stage.take_half_hashed(&stat).unwrap_or_default();
            let until = whole.min(hasher.len().saturating_add(most));
            hash_until(&temp.file, &mut hasher, until)?;
            if until < whole {
                stage.leave_half_hashed(&stat, hasher);
                return Ok(Step::NotYet { left: whole - until });
            }
            hasher.blocks().to_vec()
        }
    };
    stage.remember(&stat, &blocks);
    Ok(Step::Done((!blocks.is_empty()).then_some(Found { temp, blocks })))
}

fn open_hidden(stage: &Stage, key: &str) -> io::Result<Temp> {
    let reserved = open_reserved(&*stage.jail().root()?)?;
    let name = format!("{DATA}{key}").into_bytes();
    let file = openat(&reserved, &*name, OPEN, Mode::empty())?;
    let reserved = Arc::new(reserved);
    let can = stage.can(&reserved)?;
    Ok(Temp::named(reserved, name, file.into(), None, can))
}

/// Hashes a file on to this offset, a multiple of a chunk as every step is.
fn hash_until(file: &File, hasher: &mut Hasher, until: u64) -> io::Result<()> {
    let mut buffer = Buffer::take();
    let chunk = buffer.room().get_mut(..limits::CHUNK).unwrap_or_default();
    while hasher.len() < until {
        file.read_exact_at(chunk, hasher.len())?;
        hasher.update(chunk);
    }
    Ok(())
}

/// What the block values are bound to: this boot of the machine, this file, this state of it. Nothing on a system that
/// does not tell its boots apart: block values are then neither kept nor used.
fn binding(stat: &Stat) -> Option<Vec<u8>> {
    let mut bytes = MAGIC.to_vec();
    let boot = std::fs::read("/proc/sys/kernel/random/boot_id").ok().filter(|boot| !boot.is_empty())?;
    bytes.extend_from_slice(&boot);
    let time = mtime(stat);
    bytes.extend_from_slice(format!("{} {} {} {time}\n", stat.st_dev, stat.st_ino, stat.st_size).as_bytes());
    Some(bytes)
}

/// The binding, the values, and the hash of both: a torn file is no file.
fn write_blocks(area: &Area, key: &str, stat: &Stat, blocks: &[BlockHash]) -> io::Result<()> {
    let Some(mut bytes) = binding(stat) else { return Ok(()) };
    bytes.extend(blocks.iter().flat_map(BlockHash::to_bytes));
    bytes.extend_from_slice(Hash::of(&bytes).as_bytes());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&area.reserved, format!("{BLOCKS}{key}"), flags, Mode::RUSR | Mode::WUSR)?;
    File::from(file).write_all(&bytes)
}

fn read_blocks(reserved: &Dir, key: &str, stat: &Stat) -> Option<Vec<BlockHash>> {
    let binding = binding(stat)?;
    let file = openat(reserved, format!("{BLOCKS}{key}"), OPEN, Mode::empty()).ok()?;
    let expected = usize::try_from(u64::try_from(stat.st_size).ok()? / limits::HASH_BLOCK).ok()?;
    let mut bytes = Vec::new();
    let len = binding.len() + expected * BlockHash::LEN + 32;
    File::from(file).take(len as u64 + 1).read_to_end(&mut bytes).ok()?;
    let (bytes, check) = bytes.split_last_chunk()?;
    let (blocks, rest) = bytes.strip_prefix(&*binding)?.as_chunks();
    let whole = rest.is_empty() && blocks.len() == expected && Hash::of(bytes) == Hash::from_bytes(*check);
    whole.then(|| blocks.iter().map(BlockHash::from_bytes).collect())
}
