//! Removing files and trees.
//!
//! A tree loses its name at once: it is moved to the reserved folder, and removed there, so that nobody sees, uses or
//! renames half of it, in steps ([`tree_removal`]). Where the disk has no room for that folder, some of the tree goes first,
//! where it is. Where it cannot be moved, because it lies on another file system, the home may not be written to or a disk fails, it is
//! removed where it is, at once, and whoever changes a name waits.

mod tree_removal;
mod unattended;

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Mode, ResolveFlags, Stat, fstat, openat2, renameat, statat, unlinkat};
use rustix::io::Errno;

use self::tree_removal::TreeRemoval;
use super::Staging;
use super::account::{Bound, Leaving, Promise, Sum};
use super::capabilities::NewName;
use super::going::{GoingFolder, is_going};
use super::jail::{DIRECTORY, Jail, entries, open_directory, split};
use super::measure::{Contents, is_dot, is_reserved};
use super::owned::Going;
use super::seen;
use super::source::meta;
use super::staging::{Stage, random_name, reserved, while_it_goes};
use super::trash::{self, Trash, is_worth_keeping};
use super::trash_room;
use crate::error::{Error, Kind, Message, Result};
use crate::files::{Keep, RelPath, Removal, Removed, Seen, TrashId};
use crate::limits;

/// [`crate::files::Store::remove`], of what was seen alone if that is said. A tree that fails half-way stays half there.
pub(super) fn remove(
    jail: &Arc<Jail>,
    stage: &Stage,
    path: &RelPath,
    recursive: bool,
    kept: Keep<'_>,
    seen: Option<&Seen>,
) -> Result<Removed> {
    match begin((jail, stage), path, recursive, kept, seen)? {
        Removal::Done(removed) => Ok(removed),
        Removal::Going(mut removing) => {
            while !removing.step()? {}
            Ok(removing.removed())
        }
    }
}

/// Begins [`remove`], and does no more than one step of a tree.
pub(super) fn begin(
    (jail, stage): (&Arc<Jail>, &Stage),
    path: &RelPath,
    recursive: bool,
    kept: Keep<'_>,
    seen: Option<&Seen>,
) -> Result<Removal> {
    split(path)?;
    let once = || try_to_remove((jail, stage), path, recursive, kept, seen);
    let begun = match kept {
        Keep::As(_) => trash_room::with_room(stage, once),
        _ => once(),
    };
    stage.has_removed(path, begun.is_ok());
    begun
}

/// Has what there is counted before a tree loses its name: what is left of it could not be told from then on, and would count for nobody
/// as long as it is there. Where it cannot be counted it is removed all the same.
pub(super) fn count_what_goes(
    (jail, stage): (&Jail, &Stage),
    bound: Option<&Arc<Bound>>,
    path: &RelPath,
    (recursive, kept): (bool, Keep<'_>),
) {
    let is_kept = stage.keeps() && matches!(kept, Keep::As(_));
    let Some(bound) = bound.filter(|bound| recursive && !is_kept && !bound.is_measured()) else { return };
    let is_folder = |stat: Stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    let look = |(dir, name): (Arc<Dir>, &[u8])| statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(is_folder);
    if jail.parent(path).is_ok_and(look) {
        let _counted = Promise::of(bound, stage, path, Sum::NONE);
    }
}

fn try_to_remove(
    (jail, stage): (&Arc<Jail>, &Stage),
    path: &RelPath,
    recursive: bool,
    kept: Keep<'_>,
    seen: Option<&Seen>,
) -> Result<Removal> {
    let alone = jail.alone(path)?;
    let (dir, name) = jail.parent(path)?;
    seen::check(jail, path, (&dir, name), seen)?;
    let failed = |err: Errno| failed(path, &[], b"", err);
    let stat = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
    let superseded = stage.superseded(path);
    if superseded.is_some_and(|known| !known.has_number_of(&stat)) {
        // Who may not delete, and may rename, could have it deleted otherwise.
        return Err(seen::changed(path));
    }
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            if is_worth_keeping(&stat) && keep(stage, (&dir, name), kept)?.is_some() {
                trash::left(jail, path, Some(Sum::file(meta(&stat).size)));
                return Ok(Removal::Done(Removed::FILE));
            }
            let going = Going::of(jail, path, (&dir, name), Some(&stat));
            unlinkat(&dir, name, AtFlags::empty()).map_err(failed)?;
            jail.resized(path, Sum::file(meta(&stat).size), Sum::NONE);
            going.into_iter().for_each(Going::gone);
            return Ok(Removal::Done(Removed::FILE));
        }
        FileType::Directory => match unlinkat(&dir, name, AtFlags::REMOVEDIR) {
            Ok(()) => {
                jail.left(path);
                return Ok(Removal::Done(Removed::FOLDER));
            }
            Err(Errno::NOTEMPTY | Errno::EXIST) if recursive => {}
            Err(Errno::EXIST) => return Err(failed(Errno::NOTEMPTY)),
            // Something is mounted on it.
            Err(Errno::BUSY) => return Err(failed(Errno::XDEV)),
            Err(err) => return Err(failed(err)),
        },
        // Maybe a link to a folder.
        _ => {
            unlinkat(&dir, name, AtFlags::empty()).map_err(failed)?;
            jail.tree().moved();
            return Ok(Removal::Done(Removed::FILE));
        }
    }
    if let Some((trash, id)) = keep(stage, (&dir, name), kept)? {
        jail.left(path);
        trash::left(jail, path, None);
        drop(alone);
        // Of more than is looked at soon it is told that it is a folder.
        let contents = trash.contents(id, &mut { limits::TRASH_LOOKED });
        let removed = contents.map(|Contents { files, folders, .. }| Removed::new(files, folders + 1));
        return Ok(Removal::Done(removed.unwrap_or(Removed::FOLDER)));
    }
    // As long as nobody else has the tree.
    let goes_on = || jail.tree().goes_on();
    let leaving = Leaving::of(jail.tree().accounts_over(&jail.full(path)), jail.shares_over(path));
    let leaving = leaving.telling(&goes_on);
    let set_aside = match stage.set_aside(&dir, name) {
        Err(err) if is_full(&err) => {
            // What goes first, as much as in one step, makes room for the folder that the rest goes to.
            let mut first = Emptying::default();
            match first.step((&dir, name), path, &leaving, limits::REMOVE_STEP) {
                Ok(true) => {
                    jail.left(path);
                    return Ok(Removal::Done(leaving.removed()));
                }
                Ok(false) => stage.set_aside(&dir, name),
                Err(error) => {
                    jail.left(path);
                    return Err(error);
                }
            }
        }
        set_aside => set_aside,
    };
    let Ok((root, going)) = set_aside else {
        let removed = remove_tree(&dir, name, path, &leaving);
        jail.left(path);
        return removed.map(|()| Removal::Done(leaving.removed()));
    };
    jail.left(path);
    drop(alone);
    // Another node may give that name meanwhile, and waits for nobody.
    let way = stage.can(&dir).map_or(NewName::Link, |can| trash::new_name(can.new_name));
    let number = |dir: &Dir| fstat(dir).map(|stat| (stat.st_dev, stat.st_ino)).ok();
    let (was_in, home) = (number(&dir), number(&root).unwrap_or_default());
    let (jail, path, counted, emptying) = (jail.anew(), path.clone(), leaving.pause(), Emptying::default());
    let comes_back = !matches!(kept, Keep::Nothing) && superseded.is_none();
    let is_back = false;
    let removal = TreeRemoval { jail, path, was_in, way, root, home, going, counted, emptying, comes_back, is_back };
    Ok(Removal::Going(removal.attended()))
}

/// Nothing more of what nobody takes the steps of goes on the disk of this folder, until the other end is dropped.
#[cfg(test)]
pub(crate) fn hold_unattended(folder: &std::path::Path) -> std::sync::mpsc::Sender<()> {
    use std::os::unix::fs::MetadataExt as _;
    unattended::hold(std::fs::metadata(folder).unwrap().dev())
}

/// Puts something into the trash, if what is removed is kept. Nothing where it is on a file system of its own, from which nothing can
/// be moved there.
fn keep(stage: &Stage, place: (&Dir, &[u8]), kept: Keep<'_>) -> Result<Option<(Arc<Trash>, TrashId)>> {
    let Keep::As(path) = kept else { return Ok(None) };
    let Some(trash) = stage.trash().map_err(|err| Error::file("the trash", err))? else { return Ok(None) };
    match trash.take(place, path) {
        Ok(id) => Ok(Some((trash, id))),
        Err(Errno::XDEV) => Ok(None),
        Err(err) => Err(Error::file(path, err.into())),
    }
}

/// One folder on the way down, and its name for errors and for its own removal.
struct Level {
    entries: rustix::fs::Dir,
    name: Vec<u8>,
    /// Times it was read again because something was left in it.
    again: u32,
}

impl Level {
    fn open(dir: impl AsFd, name: &[u8]) -> Result<Level, Errno> {
        let entries = open_unmounted(dir, name).and_then(entries)?;
        Ok(Level { entries, name: name.to_vec(), again: 0 })
    }
}

/// Opens a folder of what is removed, and nothing that is mounted there: who mounted that has not given it away, and what it is mounted on cannot be
/// removed.
///
/// # Errors
/// [`Errno::XDEV`] if something is mounted there.
fn open_unmounted(dir: impl AsFd, name: &[u8]) -> Result<Dir, Errno> {
    match openat2(&dir, name, DIRECTORY, Mode::empty(), ResolveFlags::NO_XDEV) {
        // A kernel before Linux 5.6, or a sandbox that does not know this call: what is mounted there of the same file system is not seen.
        Err(Errno::NOSYS | Errno::PERM) => {
            let opened = open_directory(&dir, name)?;
            if fstat(&opened)?.st_dev == fstat(&dir)?.st_dev { Ok(opened) } else { Err(Errno::XDEV) }
        }
        opened => Ok(Dir::from_std_file(opened?.into())),
    }
}

/// Removes a folder with all in it. `path` is what it is called in errors.
pub(super) fn remove_tree(parent: &Dir, name: &[u8], path: &RelPath, leaving: &Leaving<'_>) -> Result<()> {
    let mut emptying = Emptying::default();
    while !emptying.step((parent, name), path, leaving, usize::MAX)? {}
    Ok(())
}

/// How many more entries a step goes through that has gone down so many folders: the next one has to find its way there again.
fn more_for(deepest: usize) -> usize {
    deepest.saturating_sub(1).saturating_mul(limits::REMOVE_STEP_FOLDER)
}

/// What became of an entry.
enum Came {
    /// It is gone, or out of the way.
    On,
    /// It is on the way to what is to be removed.
    Down,
}

/// How far the removal of a folder with all in it has come. It goes from single names below open handles: a link is removed and never
/// entered. It has a bounded number of files open: a folder too far down is moved up first.
#[derive(Default)]
struct Emptying {
    /// The folder itself, once it is open.
    top: Option<Dir>,
    /// Those on the way to what comes next. None: one right in the top, or the top, is empty.
    levels: Vec<Level>,
    /// The one right in the top that they are in, if it was moved up.
    start: Option<Vec<u8>>,
    /// More that were moved up.
    further: Vec<Vec<u8>>,
    /// Times the top was gone through again because something was left in it.
    tries: u32,
}

impl Emptying {
    /// Removes so many entries at most. Whether all of it is gone.
    fn step(
        &mut self,
        (parent, name): (&Dir, &[u8]),
        path: &RelPath,
        leaving: &Leaving<'_>,
        most: usize,
    ) -> Result<bool> {
        // What is not counted is the way down, which is no longer than what is removed, and once as long as it can be.
        let (mut removed, mut deepest) = (0, 0);
        while removed < more_for(deepest).saturating_add(most) {
            deepest = deepest.max(self.levels.len());
            if self.levels.is_empty() {
                if self.next_folder((parent, name), path, leaving)? {
                    return Ok(true);
                }
                continue;
            }
            match self.one(path, leaving) {
                // It was met on the way through the folder it was moved to.
                Err(error) if error.kind() == Kind::NotFound && self.start.is_some() => {
                    self.levels.clear();
                    self.start = None;
                }
                Ok(Came::Down) => {}
                Ok(Came::On) => removed += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Leaves nothing open: the next step finds its way from the top again, past nothing but what is left.
    fn close(&mut self) {
        self.further.extend(self.start.take());
        self.levels.clear();
        self.top = None;
    }

    /// Begins with the next folder. Whether there is none, and all of it is gone.
    fn next_folder(&mut self, (parent, name): (&Dir, &[u8]), path: &RelPath, leaving: &Leaving<'_>) -> Result<bool> {
        let failed = |err: Errno| failed(path, &[], b"", err);
        let Some(top) = &self.top else {
            let top = open_unmounted(parent, name).map_err(failed)?;
            self.levels.push(Level::open(&top, b".").map_err(failed)?);
            self.top = Some(top);
            return Ok(false);
        };
        if let Some(start) = self.start.take() {
            // If something is left in it, it is met again.
            if unlinkat(top, &*start, AtFlags::REMOVEDIR).is_ok() {
                leaving.one_folder();
            }
            return Ok(false);
        }
        if let Some(start) = self.further.pop() {
            match Level::open(top, &start) {
                Err(Errno::NOENT) => {}
                opened => {
                    self.levels.push(opened.map_err(failed)?);
                    self.start = Some(start);
                }
            }
            return Ok(false);
        }
        match unlinkat(parent, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST) if self.tries < limits::NAME_TRIES => {
                self.tries += 1;
                self.levels.push(Level::open(top, b".").map_err(failed)?);
                Ok(false)
            }
            removed => {
                removed.map_err(failed)?;
                leaving.one_folder();
                Ok(true)
            }
        }
    }

    /// Removes the next entry, goes into it, or out of a folder that is empty.
    fn one(&mut self, path: &RelPath, leaving: &Leaving<'_>) -> Result<Came> {
        let Emptying { top: Some(top), levels, further, .. } = self else { return Ok(Came::Down) };
        let Some(level) = levels.last_mut() else { return Ok(Came::Down) };
        let Some(entry) = level.entries.read() else { return close_last(levels, path, leaving).map(|()| Came::On) };
        let entry = entry.map_err(|err| failed(path, levels, b"", err))?;
        let name = entry.file_name().to_bytes();
        if is_dot(name) {
            return Ok(Came::Down);
        }
        leaving.goes_on();
        let Some(level) = levels.last() else { return Ok(Came::Down) };
        let dir = level.entries.fd().map_err(|err| failed(path, levels, name, err))?;
        let reserved = levels.iter().position(|level| is_reserved(&level.name));
        let counted = leaving.count() && reserved.is_none();
        let stat = if counted { statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok() } else { None };
        let file = stat.filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
        let owner = file.and_then(|_| leaving.owner_of(dir, name));
        // Linux says EISDIR, others EPERM, of unlinking a directory.
        match unlinkat(dir, name, AtFlags::empty()) {
            Ok(()) => {
                if reserved.is_none() {
                    leaving.one_file();
                }
                leaving.gone(file.map_or(Sum::NONE, |stat| Sum::file(meta(&stat).size)), owner);
                return Ok(Came::On);
            }
            Err(Errno::NOENT) => return Ok(Came::On),
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(err) => return Err(failed(path, levels, name, err)),
        }
        if levels.len() >= limits::DEPTH_MAX {
            let up = random_name().map_err(|err| Error::file(path, err))?.into_bytes();
            renameat(dir, name, top, &*up).map_err(|err| failed(path, levels, name, err))?;
            further.push(up);
            return Ok(Came::On);
        }
        if reserved.is_some_and(|reserved| levels.len() > reserved + 1)
            || reserved.is_some() && (name == trash::TRASH.as_bytes() || is_going(name))
        {
            // What is kept there was counted, too. A folder that is going (or in a session's own directory, with servers before this one) is a
            // tree that another session is removing and still counts: nobody knows any more which of the two takes what.
            leaving.lost();
        }
        match Level::open(dir, name) {
            Ok(level) => {
                levels.push(level);
                Ok(Came::Down)
            }
            Err(Errno::NOENT) => Ok(Came::On),
            // It was no directory after all: the first refusal meant something else.
            Err(Errno::NOTDIR | Errno::LOOP) => Err(failed(path, levels, name, Errno::PERM)),
            Err(err) => Err(failed(path, levels, name, err)),
        }
    }
}

/// The last of these folders is empty: removes it, unless it is the one that was begun with.
fn close_last(levels: &mut Vec<Level>, path: &RelPath, leaving: &Leaving<'_>) -> Result<()> {
    let Some(mut done) = levels.pop() else { return Ok(()) };
    let Some(above) = levels.last() else { return Ok(()) };
    match above.entries.fd().and_then(|dir| unlinkat(dir, &*done.name, AtFlags::REMOVEDIR)) {
        Ok(()) if levels.iter().chain([&done]).any(|level| is_reserved(&level.name)) => {}
        Ok(()) => leaving.one_folder(),
        // Some file systems skip entries while others are removed.
        Err(Errno::NOTEMPTY | Errno::EXIST) if done.again < limits::NAME_TRIES => {
            done.again += 1;
            done.entries.rewind();
            levels.push(done);
        }
        Err(err) => return Err(failed(path, levels, &done.name, err)),
    }
    Ok(())
}

/// What of the folder at this path could not be removed: a name in the last of these.
fn failed(path: &RelPath, levels: &[Level], name: &[u8], err: Errno) -> Error {
    let names = levels.iter().skip(1).map(|level| &*level.name).chain([name]);
    let full: Vec<&[u8]> = [path.as_bytes()].into_iter().chain(names).filter(|name| !name.is_empty()).collect();
    let at = Message::path(&full.join(&b'/'));
    let error = Error::file(at.clone(), err.into());
    match (err, error.path()) {
        (Errno::XDEV, Some(path)) => {
            Error::new(Kind::Denied, at.words(": something is mounted here, and nothing of that is removed")).at(path)
        }
        _ => error,
    }
}

/// Whether this says that the disk has no room.
pub(super) fn is_full(err: &io::Error) -> bool {
    matches!(Errno::from_io_error(err), Some(Errno::NOSPC | Errno::DQUOT))
}

impl Stage {
    /// Moves a folder to the reserved one of the root, and says of which one and what it is called there.
    fn set_aside(&self, dir: &Dir, name: &[u8]) -> io::Result<(Arc<Dir>, GoingFolder)> {
        if self.staging == Staging::Beside {
            return Err(Errno::OPNOTSUPP.into());
        }
        let root = self.jail().root()?;
        // What another node took over from this one is not removed.
        self.jail().tree().may_change()?;
        let going = while_it_goes(|| GoingFolder::take((dir, name), &reserved(&root)?))?;
        Ok((root, going))
    }
}
