//! Removing files and trees.
//!
//! A tree loses its name at once: it is moved to where uploads wait, and removed there, so that nobody sees, uses or
//! renames half of it. Where that cannot be done, because it lies on another file system or there is no such place, it is
//! removed where it is, and whoever changes a name waits.

use std::io;
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::Staging;
use super::account::{Leaving, Sum};
use super::capabilities::NewName;
use super::jail::{Jail, entries, open_directory, split};
use super::measure::{Contents, is_dot, is_reserved};
use super::names::rename_new;
use super::owned::Going;
use super::seen;
use super::source::meta;
use super::staging::{Area, Stage, random_name};
use super::trash::{self, Trash, is_worth_keeping};
use super::trash_room;
use crate::error::{Error, Kind, Result};
use crate::escape;
use crate::files::{Keep, RelPath, Removed, Seen, TrashId};
use crate::limits;

/// [`crate::files::Store::remove`], of what was seen alone if that is said. A tree that fails half-way stays half there.
pub(super) fn remove(
    jail: &Jail,
    stage: &Stage,
    path: &RelPath,
    recursive: bool,
    kept: Keep<'_>,
    seen: Option<&Seen>,
) -> Result<Removed> {
    split(path)?;
    let once = || try_to_remove((jail, stage), path, recursive, kept, seen);
    match kept {
        Keep::As(_) => trash_room::with_room(stage, once),
        _ => once(),
    }
}

fn try_to_remove(
    (jail, stage): (&Jail, &Stage),
    path: &RelPath,
    recursive: bool,
    kept: Keep<'_>,
    seen: Option<&Seen>,
) -> Result<Removed> {
    let alone = jail.alone(path)?;
    let (dir, name) = jail.parent(path)?;
    seen::check(jail, path, (&dir, name), seen)?;
    let failed = |err: Errno| Error::file(path, err.into());
    let stat = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            if is_worth_keeping(&stat) && keep(stage, (&dir, name), kept)?.is_some() {
                trash::left(jail, path, Some(Sum::file(meta(&stat).size)));
                return Ok(Removed::FILE);
            }
            let going = Going::of(jail, path, (&dir, name), Some(&stat));
            unlinkat(&dir, name, AtFlags::empty()).map_err(failed)?;
            jail.resized(path, Sum::file(meta(&stat).size), Sum::NONE);
            going.into_iter().for_each(Going::gone);
            return Ok(Removed::FILE);
        }
        FileType::Directory => match unlinkat(&dir, name, AtFlags::REMOVEDIR) {
            Ok(()) => {
                jail.left(path);
                return Ok(Removed::FOLDER);
            }
            Err(Errno::NOTEMPTY | Errno::EXIST) if recursive => {}
            Err(Errno::EXIST) => return Err(failed(Errno::NOTEMPTY)),
            Err(err) => return Err(failed(err)),
        },
        // Maybe a link to a folder.
        _ => {
            unlinkat(&dir, name, AtFlags::empty()).map_err(failed)?;
            jail.tree().moved();
            return Ok(Removed::FILE);
        }
    }
    if let Some((trash, id)) = keep(stage, (&dir, name), kept)? {
        jail.left(path);
        trash::left(jail, path, None);
        drop(alone);
        // Of more than is looked at soon it is told that it is a folder.
        let contents = trash.contents(id, &mut { limits::TRASH_LOOKED });
        return Ok(contents.map_or(Removed::FOLDER, |Contents { files, folders, .. }| Removed::new(files, folders + 1)));
    }
    // As long as nobody else has the tree.
    let goes_on = || jail.tree().goes_on();
    let leaving = Leaving::of(jail.tree().accounts_over(&jail.full(path)), jail.shares_over(path));
    let Ok((aside, hidden)) = stage.set_aside(&dir, name) else {
        let leaving = leaving.telling(&goes_on);
        let removed = remove_tree(&dir, name, path, &leaving);
        jail.left(path);
        return removed.map(|()| leaving.removed());
    };
    jail.left(path);
    drop(alone);
    let Err(error) = remove_tree(&aside.dir, &hidden, path, &leaving) else { return Ok(leaving.removed()) };
    let alone = jail.alone(path);
    let put_back = alone.is_ok()
        && jail.parent(path).is_ok_and(|(dir, name)| {
            // Another node may give that name meanwhile, and waits for nobody.
            let way = stage.can(&dir).map_or(NewName::Link, |can| trash::new_name(can.new_name));
            rename_new(way, &aside.dir, &hidden, &dir, name).is_ok()
        });
    jail.tree().arrived();
    if !put_back {
        leaving.lost();
    }
    Err(error)
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

/// Removes a folder with all in it, from single names below open handles: a link is removed and never entered. It has
/// a bounded number of files open: a folder too far down is moved up first. `path` is what it is called in errors.
pub(super) fn remove_tree(parent: &Dir, name: &[u8], path: &RelPath, leaving: &Leaving<'_>) -> Result<()> {
    let top = open_directory(parent, name).map_err(|err| Error::file(path, err.into()))?;
    let mut tries = 0;
    loop {
        let mut further = Vec::new();
        empty(&top, b".", path, leaving, &mut further)?;
        while let Some(name) = further.pop() {
            match empty(&top, &name, path, leaving, &mut further) {
                // It was met on the way through the folder it was moved to.
                Err(error) if error.kind() == Kind::NotFound => {}
                emptied => {
                    emptied?;
                    // If something is left in it, it is met again.
                    if unlinkat(&top, &*name, AtFlags::REMOVEDIR).is_ok() {
                        leaving.one_folder();
                    }
                }
            }
        }
        match unlinkat(parent, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST) if tries < limits::NAME_TRIES => tries += 1,
            removed => {
                removed.map_err(|err| Error::file(path, err.into()))?;
                leaving.one_folder();
                return Ok(());
            }
        }
    }
}

/// Removes all that is in this folder of `top`, but for folders that were too far down: they are `further` ones of it then.
fn empty(top: &Dir, start: &[u8], path: &RelPath, leaving: &Leaving<'_>, further: &mut Vec<Vec<u8>>) -> Result<()> {
    let failed = |levels: &[Level], name: &[u8], err: Errno| {
        let names = levels.iter().skip(1).map(|level| &*level.name).chain([name]);
        let full: Vec<&[u8]> = [path.as_bytes()].into_iter().chain(names).filter(|name| !name.is_empty()).collect();
        Error::file(escape::for_people(&full.join(&b'/')), err.into())
    };
    let first = open_directory(top, start).and_then(entries).map_err(|err| failed(&[], b"", err))?;
    let mut levels = vec![Level { entries: first, name: start.to_vec(), again: 0 }];
    while let Some(level) = levels.last_mut() {
        let Some(entry) = level.entries.read() else {
            let Some(mut done) = levels.pop() else { break };
            let Some(above) = levels.last() else { break };
            match above.entries.fd().and_then(|dir| unlinkat(dir, &*done.name, AtFlags::REMOVEDIR)) {
                Ok(()) if levels.iter().chain([&done]).any(|level| is_reserved(&level.name)) => {}
                Ok(()) => leaving.one_folder(),
                // Some file systems skip entries while others are removed.
                Err(Errno::NOTEMPTY | Errno::EXIST) if done.again < limits::NAME_TRIES => {
                    done.again += 1;
                    done.entries.rewind();
                    levels.push(done);
                }
                Err(err) => return Err(failed(&levels, &done.name, err)),
            }
            continue;
        };
        let entry = entry.map_err(|err| failed(&levels, b"", err))?;
        let name = entry.file_name().to_bytes();
        if is_dot(name) {
            continue;
        }
        leaving.goes_on();
        let Some(level) = levels.last() else { break };
        let dir = level.entries.fd().map_err(|err| failed(&levels, name, err))?;
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
                continue;
            }
            Err(Errno::NOENT) => continue,
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(err) => return Err(failed(&levels, name, err)),
        }
        if levels.len() >= limits::DEPTH_MAX {
            let up = random_name().map_err(|err| Error::file(path, err))?.into_bytes();
            renameat(dir, name, top, &*up).map_err(|err| failed(&levels, name, err))?;
            further.push(up);
            continue;
        }
        if reserved.is_some_and(|reserved| levels.len() > reserved + 1)
            || reserved.is_some() && name == trash::TRASH.as_bytes()
        {
            // What is kept there was counted, too. A folder in a session's own directory is a tree that another session is removing and still counts: nobody
            // knows any more which of the two takes what.
            leaving.lost();
        }
        match open_directory(dir, name).and_then(entries) {
            Ok(entries) => levels.push(Level { entries, name: name.to_vec(), again: 0 }),
            Err(Errno::NOENT) => {}
            // It was no directory after all: the first refusal meant something else.
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(failed(&levels, name, Errno::PERM)),
            Err(err) => return Err(failed(&levels, name, err)),
        }
    }
    Ok(())
}

impl Stage {
    /// Moves a folder to where uploads wait, and says where it is then.
    fn set_aside(&self, dir: &Dir, name: &[u8]) -> io::Result<(Arc<Area>, Vec<u8>)> {
        if self.staging == Staging::Beside {
            return Err(Errno::OPNOTSUPP.into());
        }
        let hidden = self.fresh_name(None);
        let (area, ()) = self.within_area(|area| Ok(renameat(dir, name, &area.dir, &*hidden)?))?;
        Ok((area, hidden))
    }
}
