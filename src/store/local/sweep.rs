//! What dead processes left in a home's staging folder.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, flock, openat, statat, unlinkat};
use rustix::io::Errno;

use super::account::{Leaving, Sum};
use super::capabilities::Capabilities;
use super::jail::{Jail, entries, open_directory};
use super::names::{rename_new, sum_of_file};
use super::partial::{self, BLOCKS, DATA};
use super::probe;
use super::remove::{is_full, remove_tree};
use super::staging::{LOCK, SESSION, Stage, lock_area, open_reserved};
use super::stand_in;
use super::superseding;
use super::taking_note;
use super::trash::is_left_going;
use super::whole;
use crate::error::{Error, Kind, Result};
use crate::files::aside::is_part;
use crate::files::{RelPath, Swept};
use crate::limits;

/// [`super::LocalStore::sweep`].
pub(super) fn sweep(stage: &Stage, max_age: Option<Duration>) -> io::Result<Swept> {
    let root = &stage.jail().root()?;
    let reserved = match open_reserved(root) {
        Err(Errno::NOENT) => return Ok(Swept::default()),
        opened => opened?,
    };
    let names = names(&reserved)?;
    if names.is_empty() {
        return Ok(Swept::default());
    }
    // What another node took over from this one is not left over.
    stage.jail().tree().may_change()?;
    let kept = max_age.map(|max_age| Kept { jail: stage.jail(), max_age: Some(max_age) });
    let sweep = |can, names: &[String]| {
        let among = Among { can: Some(can), is_across: stage.jail().tree().is_across() };
        sweep_reserved(among, (&reserved, Some(stage)), names, kept, &|| {})
    };
    match stage.can(root) {
        // What goes now is what the disk has no room for.
        Err(err) if is_full(&err) => {
            let locks = seen_locks(&reserved, &names);
            let swept = sweep(Capabilities::untried(locks), &names)?;
            match stage.can(root) {
                Err(_) if locks => Ok(swept),
                can => {
                    let Swept { removed, saved } = sweep(can?, &self::names(&reserved)?)?;
                    Ok(Swept { removed: swept.removed + removed, saved: swept.saved + saved })
                }
            }
        }
        can => sweep(can?, &names),
    }
}

/// Whether locks are seen here through another handle, as far as that is told by those of stores that are gone: for this no file is made.
fn seen_locks(reserved: &Dir, names: &[String]) -> bool {
    let sessions = names.iter().filter(|name| name.starts_with(SESSION));
    let mut dirs = sessions.filter_map(|name| open_directory(reserved, name.as_bytes()).ok());
    dirs.any(|dir| {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        probe::sees_locks(|| openat(&dir, LOCK, flags, Mode::empty())).unwrap_or(false)
    })
}

/// Sweeps the staging folder of any home, of which nothing is kept. For whoever is alone in the tree; whatever is met it is said that this
/// `goes_on`.
pub(super) fn clear(among: Among, reserved: &Dir, goes_on: &dyn Fn()) -> io::Result<Swept> {
    sweep_reserved(among, (reserved, None), &names(reserved)?, None, goes_on)
}

/// Sweeps the staging folder of this home, where what was interrupted is kept.
pub(super) fn save_all(among: Among, jail: &Jail, reserved: &Dir, goes_on: &dyn Fn()) -> io::Result<Swept> {
    sweep_reserved(among, (reserved, None), &names(reserved)?, Some(Kept { jail, max_age: None }), goes_on)
}

/// Makes a partial of what a dead node had of the upload of this key, as a sweep would: whoever lost that node asks for it before anybody
/// has noticed. Whether there was any.
pub(super) fn rescue(stage: &Stage, key: &str) -> io::Result<bool> {
    let (jail, root) = (stage.jail(), &stage.jail().root()?);
    let reserved = match open_reserved(root) {
        Err(Errno::NOENT) => return Ok(false),
        opened => opened?,
    };
    let is_it = |name: &str| name.split_once('-').is_some_and(|(_, of)| of == key);
    for session in names(&reserved)?.into_iter().filter(|name| name.starts_with(SESSION)) {
        // It may go meanwhile.
        let Ok(dir) = open_directory(&reserved, session.as_bytes()) else { continue };
        let left: Vec<String> = names(&dir).unwrap_or_default().into_iter().filter(|name| is_it(name)).collect();
        let can = match left.is_empty() {
            true => continue,
            false => stage.can(root)?,
        };
        jail.tree().may_change()?;
        let Ok(Some(_locked)) = lock_area(&dir, jail.tree().is_across()) else { continue };
        for name in left.iter().filter(|name| can.locks && is_left(&dir, name)) {
            if save_long(Kept { jail, max_age: Some(limits::PARTIAL_MAX_AGE) }, can, (&dir, name), &reserved)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Among whom it is decided what is left over.
#[derive(Clone, Copy)]
pub(super) struct Among {
    /// What the file system can do, if that is known.
    pub(super) can: Option<Capabilities>,
    /// Other servers are at work in the same place.
    pub(super) is_across: bool,
}

/// Where and for how long partials are kept.
#[derive(Clone, Copy)]
struct Kept<'a> {
    jail: &'a Jail,
    /// For ever, for whoever is alone in the tree.
    max_age: Option<Duration>,
}

impl Kept<'_> {
    fn is_too_old(&self, reserved: &Dir, name: &str) -> bool {
        self.max_age.is_some_and(|max_age| too_old(reserved, name, max_age))
    }
}

/// `stage` is that of the home, for whoever holds no lock of the tree.
fn sweep_reserved(
    among: Among,
    (reserved, stage): (&Dir, Option<&Stage>),
    names: &[String],
    kept: Option<Kept<'_>>,
    goes_on: &dyn Fn(),
) -> io::Result<Swept> {
    let mut swept = Swept::default();
    for name in names {
        goes_on();
        if name.starts_with(SESSION) {
            // Without locks nobody knows what is left over.
            if let Some(can) = among.can.filter(|can| can.locks) {
                sweep_session((can, among.is_across, stage), (reserved, name), kept, &mut swept, goes_on)?;
            }
        } else if is_left_going(name) && (!among.is_across || is_unchanged(reserved, name, limits::SHARED_GOING_LEFT)) {
            // By a server that was killed meanwhile. Whether another one is at it is not to be seen.
            let leaving = Leaving::none().telling(goes_on);
            count(&mut swept, name, remove_tree(reserved, name.as_bytes(), &RelPath::root(), &leaving));
        } else if is_part(name.as_bytes()) {
            // From trying what the file system can do.
            if too_old(reserved, name, limits::PARTIAL_MAX_AGE) {
                let _ = unlinkat(reserved, name, AtFlags::empty());
            }
        } else if let Some(key) = name.strip_prefix(DATA) {
            if kept.is_none_or(|kept| kept.is_too_old(reserved, name))
                && is_left(reserved, name)
                && partial::remove(kept.map(|kept| kept.jail), reserved, key)
            {
                swept.removed += 1;
            }
        } else if let Some(key) = name.strip_prefix(BLOCKS)
            && matches!(statat(reserved, format!("{DATA}{key}"), AtFlags::SYMLINK_NOFOLLOW), Err(Errno::NOENT))
        {
            let _ = unlinkat(reserved, name, AtFlags::empty());
        }
    }
    Ok(swept)
}

/// Empties and removes the directory of a store that is gone. Of one that lives the lock is not to be had, and of a file
/// that somebody writes neither.
fn sweep_session(
    (can, is_across, stage): (Capabilities, bool, Option<&Stage>),
    (reserved, session): (&Dir, &str),
    kept: Option<Kept<'_>>,
    swept: &mut Swept,
    goes_on: &dyn Fn(),
) -> io::Result<()> {
    let dir = match open_directory(reserved, session.as_bytes()) {
        // Removed by its own store meanwhile; or not a directory, and not made by us.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
        opened => opened?,
    };
    let Ok(Some(locked)) = lock_area(&dir, is_across) else { return Ok(()) };
    let mut left = names(&dir)?;
    // What was to be removed may be on its way, and has the name it had only once it is back.
    left.sort_by_key(|name| !name.starts_with(superseding::NOTE));
    let mut is_on_its_way = false;
    for name in left.into_iter().filter(|name| name != LOCK) {
        goes_on();
        if !is_left(&dir, &name) {
            is_on_its_way |= name.starts_with(superseding::NOTE);
            continue;
        }
        if is_on_its_way && name.starts_with(stand_in::NOTE) {
            // What it names may be what is not back yet.
            continue;
        }
        let noted = match &*name {
            name if name.starts_with(superseding::NOTE) => {
                Some(stage.map(|stage| superseding::settle(stage, &dir, name)))
            }
            name if name.starts_with(taking_note::NOTE) => {
                Some(stage.map(|stage| taking_note::settle(stage, &dir, name)))
            }
            name if name.starts_with(stand_in::NOTE) => Some(stage.map(|stage| stand_in::clear(stage, &dir, name))),
            _ => None,
        };
        if noted.is_some_and(|done| done.is_none_or(|done| done.is_err())) {
            // For the next sweep, as is the folder then.
            is_on_its_way |= name.starts_with(superseding::NOTE);
            continue;
        }
        match kept.map_or(Ok(false), |kept| save_long(kept, can, (&dir, &name), reserved)) {
            Ok(true) => swept.saved += 1,
            Ok(false) => {
                let leaving = Leaving::none().telling(goes_on);
                let failed = |err: Errno| Error::file(&name, err.into());
                let removed = match unlinkat(&dir, &*name, AtFlags::empty()) {
                    // A folder that was being removed.
                    Err(err @ (Errno::ISDIR | Errno::PERM)) => {
                        match remove_tree(&dir, name.as_bytes(), &RelPath::root(), &leaving) {
                            Err(error) if error.kind() == Kind::NotDirectory => Err(failed(err)),
                            removed => removed,
                        }
                    }
                    removed => removed.map_err(failed),
                };
                count(swept, &name, removed);
            }
            // For the next sweep, and so is the folder.
            Err(_) => return Ok(()),
        }
    }
    let _ = unlinkat(&dir, LOCK, AtFlags::empty());
    drop(locked);
    let _ = unlinkat(reserved, session, AtFlags::REMOVEDIR);
    Ok(())
}

/// What cannot be removed is for the next sweep. (This process, or another one, may be done with it since.)
fn count(swept: &mut Swept, name: &str, removed: Result<()>) {
    match removed {
        Ok(()) => swept.removed += 1,
        Err(error) if error.kind() == Kind::NotFound => {}
        #[cfg(feature = "server")]
        Err(error) => {
            tracing::warn!(name, %error, "what a killed server left cannot be removed; the next sweep tries again");
        }
        // Without a server there is no log.
        #[cfg(not(feature = "server"))]
        Err(_) => {
            let _ = name;
        }
    }
}

/// Makes a staged file a partial if as much of it as may be gone on with is long enough for one.
///
/// # Errors
/// That it cannot be told whether it is to be kept.
fn save_long(kept: Kept<'_>, can: Capabilities, (dir, name): (&Dir, &str), reserved: &Dir) -> io::Result<bool> {
    let Some((_, key)) = name.split_once('-') else { return Ok(false) };
    match whole::cut_named(dir, name) {
        Err(err) if Errno::from_io_error(&err).is_some_and(|err| err == Errno::NOENT || is_nobodys(err)) => {
            return Ok(false);
        }
        cut => cut?,
    }
    if !long_enough(dir, name) {
        return Ok(false);
    }
    save(kept, can, (dir, name), (reserved, &format!("{DATA}{key}")))
}

/// Makes a staged file a partial, unless somebody counts what is in the home and there is no room for it any more.
fn save(kept: Kept<'_>, can: Capabilities, from: (&Dir, &str), to: (&Dir, &str)) -> io::Result<bool> {
    let Kept { jail, max_age } = kept;
    // Nobody begins to in between.
    let _steady = max_age.map(|_| jail.tree().steady()).transpose()?;
    let _names = jail.tree().partials();
    if !jail.keeps_partials() {
        return Ok(false);
    }
    let sum = match statat(from.0, from.1, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(false),
        stat => sum_of_file(&stat?),
    };
    // There is one of this folder, if any.
    let account = jail.accounts_of_partials().pop();
    if account.as_ref().is_some_and(|account| !account.take_in(sum)) {
        return Ok(false);
    }
    let renamed = rename_new(can.new_name, from.0, from.1.as_bytes(), to.0, to.1.as_bytes());
    if renamed.is_err() {
        account.iter().for_each(|account| account.change(sum, Sum::NONE));
    }
    match renamed {
        Ok(()) => {
            jail.shares_over(&RelPath::root()).iter().for_each(|share| share.forget());
            Ok(true)
        }
        // There is one already; or it is gone.
        Err(Errno::EXIST | Errno::NOENT) => Ok(false),
        Err(err) => Err(err.into()),
    }
}

/// Whether nobody is writing this file: its lock is to be had, or there are none here. What cannot be opened just now may be
/// somebody's.
fn is_left(dir: &Dir, name: &str) -> bool {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match openat(dir, name, flags, Mode::empty()) {
        Ok(file) => {
            let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
            let _ = flock(&file, FlockOperation::Unlock);
            matches!(locked, Ok(()) | Err(Errno::NOSYS | Errno::OPNOTSUPP))
        }
        Err(err) => is_nobodys(err),
    }
}

/// Whether what says so when it is opened is written by nobody: a folder or a link is no upload, nor is what this account may not
/// open, for its own it may. A disk, another machine or a table of open files that fails just now says nothing of whose it is.
fn is_nobodys(err: Errno) -> bool {
    matches!(err, Errno::ISDIR | Errno::LOOP | Errno::NXIO | Errno::ACCESS | Errno::PERM)
}

fn names(dir: &Dir) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in entries(open_directory(dir, b".")?)? {
        // All of ours are ASCII.
        names.extend(entry?.file_name().to_str().ok().map(str::to_owned));
    }
    names.retain(|name| name != "." && name != "..");
    Ok(names)
}

fn long_enough(dir: &Dir, name: &str) -> bool {
    statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| {
        // With a second name it is in its place already, where that takes two steps: whoever went on with it would cut what all see.
        FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && stat.st_nlink == 1
            && u64::try_from(stat.st_size).is_ok_and(|size| size >= limits::HASH_BLOCK)
    })
}

fn too_old(dir: &Dir, name: &str, max_age: Duration) -> bool {
    let Ok(stat) = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) else { return false };
    is_before(super::source::mtime(&stat).secs, max_age)
}

/// Whether nobody has renamed it or changed what is right in it for so long.
fn is_unchanged(dir: &Dir, name: &str, since: Duration) -> bool {
    statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| is_before(stat.st_ctime, since))
}

fn is_before(secs: i64, max_age: Duration) -> bool {
    let Ok(secs) = u64::try_from(secs) else { return true };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_secs(secs)) > max_age
}

#[cfg(test)]
mod tests;
