//! What of the trash may go for what comes, or where the disk has no room to keep more: how much there is, and the oldest things first.
//! What is set apart beside a trash is needed as well: one that keeps nothing has nothing old to give, and that is enough for one note.

use std::io;
use std::time::{Duration, SystemTime};

use rustix::fs::{FileType, fstat, fstatvfs};
use rustix::io::Errno;

use super::account::Sum;
use super::jail::{Jail, open_directory};
use super::measure;
use super::names::sum_of_file;
use super::source::meta;
use super::staging::Stage;
use super::trash::Trash;
use super::tree::Removing;
use crate::error::{Error, Kind, Result};
use crate::files::{Hash, TrashId};
use crate::limits;
use crate::sync::Mutex;

/// What trashes held of one user when they were last looked through to the end. As long as nothing came into one and nothing left it,
/// it is the same: whoever tries again and again at a full quota has nothing looked through.
#[derive(Default)]
pub(super) struct Looked(Mutex<Vec<Look>>);

#[derive(Clone, Copy)]
struct Look {
    of: FolderStamp,
    sum: Sum,
}

/// A folder, and when its names changed last.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FolderStamp {
    place: (u64, u64),
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FolderStamp {
    fn of(trash: &Trash) -> Option<FolderStamp> {
        let stat = fstat(&*trash.dir).ok()?;
        let times = (i64::try_from(stat.st_mtime_nsec).ok()?, i64::try_from(stat.st_ctime_nsec).ok()?);
        let (modified, changed) = ((stat.st_mtime, times.0), (stat.st_ctime, times.1));
        Some(FolderStamp { place: (stat.st_dev, stat.st_ino), modified, changed })
    }

    /// Whether one more change would show: it is so long ago that the next one gets another time.
    fn is_settled(self) -> bool {
        let since = u64::try_from(self.modified.0).ok().map(|secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs));
        let age = since.and_then(|since| SystemTime::now().duration_since(since).ok());
        age.is_some_and(|age| age > limits::TRASH_SETTLED)
    }
}

impl Looked {
    fn known(&self, now: FolderStamp) -> Option<Sum> {
        self.0.lock().iter().find(|look| look.of == now).map(|look| look.sum)
    }

    fn remember(&self, of: FolderStamp, sum: Sum) {
        let mut looks = self.0.lock();
        looks.retain(|look| look.of.place != of.place);
        if looks.len() >= limits::TRASHES_LOOKED {
            looks.remove(0);
        }
        looks.push(Look { of, sum });
    }
}

/// So much of what is wanted as there is in it, of this owner alone if one is named. A folder that cannot be measured holds nothing. For
/// each file it is said that this `goes_on`.
pub(super) fn held(jail: &Jail, wanted: Sum, (whose, looked): (Option<&Hash>, &Looked), goes_on: &dyn Fn()) -> Sum {
    let mut sum = Sum::NONE;
    let Some(trash) = open(jail) else { return sum };
    let before = FolderStamp::of(&trash).filter(|state| state.is_settled());
    if let Some(known) = before.and_then(|state| looked.known(state)) {
        return known;
    }
    let Ok(ids) = trash.ids() else { return sum };
    let mut is_whole = true;
    for id in ids {
        if sum.has_all_of(wanted) {
            return sum;
        }
        goes_on();
        match held_of(&trash, id, whose, goes_on) {
            Ok(more) => sum = sum.plus(more),
            // Another look may succeed.
            Err(_) => is_whole = false,
        }
    }
    if let Some(before) = before.filter(|before| is_whole && FolderStamp::of(&trash) == Some(*before)) {
        looked.remember(before, sum);
    }
    sum
}

/// How much one thing holds; nothing if it is not all of this owner.
fn held_of(trash: &Trash, id: TrashId, whose: Option<&Hash>, goes_on: &dyn Fn()) -> io::Result<Sum> {
    let stat = trash.stat(id)?;
    if !trash.is_all_of(id, &stat, whose, goes_on)? {
        return Ok(Sum::NONE);
    }
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            measure::sum(&open_directory(&trash.dir, id.to_string().as_bytes())?, &mut |_| {}, goes_on)?
        }
        FileType::RegularFile => Sum::file(meta(&stat).size),
        _ => Sum::NONE,
    })
}

/// The bytes of all there is in it, of this owner alone if one is named; nothing if that is more than may still be looked at.
pub(super) fn bytes(jail: &Jail, whose: Option<&Hash>, looks: &mut u64) -> Option<u64> {
    let Some(trash) = open(jail) else { return Some(0) };
    let mut bytes = 0u64;
    for id in trash.ids().ok()? {
        *looks = looks.checked_sub(1)?;
        // Gone meanwhile.
        let Ok(stat) = trash.stat(id) else { continue };
        let held = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => trash.contents(id, looks)?.bytes,
            FileType::RegularFile => meta(&stat).size,
            _ => 0,
        };
        if trash.is_all_of(id, &stat, whose, &|| ()).unwrap_or(false) {
            bytes = bytes.saturating_add(held);
        }
    }
    Some(bytes)
}

fn open(jail: &Jail) -> Option<Trash> {
    jail.root().and_then(|root| Trash::open(&root)).ok().flatten()
}

/// Does this, and again as long as the disk has no room for what it keeps in the trash, and gets some by what goes from there for good:
/// the oldest things, one after the other. For nobody who holds a lock.
pub(super) fn with_room<T>(stage: &Stage, mut work: impl FnMut() -> Result<T>) -> Result<T> {
    let mut room = Room::of(stage);
    loop {
        match work() {
            Err(error) if room.comes_after(&error) => {}
            done => return done,
        }
    }
}

/// Room that is made on a disk which has none.
pub(super) struct Room<'a> {
    stage: &'a Stage,
    /// How many things have gone, and how many of the last ones brought none.
    gone: usize,
    fruitless: usize,
}

impl<'a> Room<'a> {
    pub(super) fn of(stage: &'a Stage) -> Self {
        Room { stage, gone: 0, fruitless: 0 }
    }

    /// Whether what failed so is worth another try: the disk is full, and the oldest thing of the trash has gone for it. For nobody who
    /// holds a lock.
    pub(super) fn comes_after(&mut self, error: &Error) -> bool {
        if !is_full(error) || !self.stage.keeps() {
            return false;
        }
        let jail = self.stage.jail();
        let Ok(turn) = jail.tree().removing() else { return false };
        let Some(trash) = open(jail) else { return false };
        for id in trash.ids().unwrap_or_default() {
            if self.fruitless >= limits::TRASH_FRUITLESS || self.gone >= limits::TRASH_GONE_FOR_ONE {
                return false;
            }
            let before = free(&trash);
            // Of whatever size: its note and its name are room as well. A folder that cannot be removed has left the trash, too.
            if trash.remove(jail, id, &turn).is_ok_and(|was_there| !was_there) {
                continue;
            }
            self.gone += 1;
            // What came may be set apart by now for the very note that is to be made.
            if free(&trash) > before || trash.spare().is_some() {
                self.fruitless = 0;
                return true;
            }
            self.fruitless += 1;
        }
        false
    }
}

/// Whether this says that the disk has no room, for anybody or for this account. (A quota of ours says nothing of the disk.)
fn is_full(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    error.kind() == Kind::NoSpace || cause.and_then(Errno::from_io_error) == Some(Errno::DQUOT)
}

/// Blocks and files that the disk has left: nothing where it does not say. More of either is more.
fn free(trash: &Trash) -> Option<u64> {
    let stat = fstatvfs(&*trash.dir).ok()?;
    Some(stat.f_bfree.saturating_add(stat.f_ffree))
}

/// Removes the oldest things, of this owner alone if one is named, until so much is gone, for whoever has the turn for that. Says how many
/// went.
pub(super) fn make_room(jail: &Jail, room: Sum, whose: Option<&Hash>, turn: &Removing<'_>) -> usize {
    let Some(trash) = open(jail) else { return 0 };
    let (mut gone, mut freed) = (0, Sum::NONE);
    for id in trash.ids().unwrap_or_default() {
        if freed.bytes >= room.bytes && freed.files >= room.files {
            break;
        }
        let Ok(stat) = trash.stat(id) else { continue };
        if !trash.is_all_of(id, &stat, whose, &|| turn.goes_on()).unwrap_or(false) {
            continue;
        }
        let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if trash.remove(jail, id, turn).is_ok_and(|was_there| was_there) {
            gone += 1;
            // Of a folder it is not known: whoever asked looks again.
            freed = if is_folder { room } else { freed.plus(sum_of_file(&stat)) };
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{LocalOptions, LocalStore, Staging};
    use super::*;
    use crate::files::{Durability, RelPath, Store as _};

    #[test]
    fn room_is_made_where_the_disk_has_none_for_this_account_and_not_where_a_quota_of_ours_is_full() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("f"), "old").unwrap();
        let options = LocalOptions::new(Durability::None, Staging::Hidden);
        let store = LocalStore::open_path(place.path(), options).unwrap().keeping(true);
        store.remove(&RelPath::parse(b"f").unwrap(), false).unwrap();
        let kept = || open(store.stage.jail()).unwrap().ids().unwrap().len();
        let mut room = Room::of(&store.stage);
        assert!(!room.comes_after(&Error::new(Kind::Quota, "the quota is full")));
        assert_eq!(kept(), 1);
        assert!(room.comes_after(&Error::file("f", Errno::DQUOT.into())));
        assert_eq!(kept(), 0);
    }
}
