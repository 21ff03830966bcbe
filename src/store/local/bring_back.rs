//! What was deleted or replaced comes back: a thing of the trash, or a file or folder out of one that lies there. One rename does it.

use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Stat, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, futimens, statat};
use rustix::io::Errno;

use super::account::Sum;
use super::jail::{open_directory, split};
use super::names::{Touched, check_below, rename_new, sum_of_file};
use super::staging::Stage;
use super::trash::{self, Trash, count, new_name};
use crate::error::{Error, Kind, Result};
use crate::files::{RelPath, TrashId};

/// Where something lies that is kept.
pub(super) struct Lying {
    trash: Arc<Trash>,
    /// The trash itself, or a folder in it.
    dir: Arc<Dir>,
    name: Vec<u8>,
    stat: Stat,
    /// The whole of what went at once, and no part of it.
    is_whole: bool,
}

/// What was called so and went with this id, by itself or in a folder.
///
/// # Errors
/// [`Kind::NotFound`] if nothing of that is kept.
pub(super) fn find(stage: &Stage, path: &RelPath, id: TrashId) -> Result<Lying> {
    let missing = || Error::new(Kind::NotFound, path.said("nothing of that is in the trash"));
    let kept = stage.trash().map_err(|err| Error::file("the trash", err))?;
    let trash = match kept {
        Some(trash) => trash,
        None => Arc::new(trash::open(stage.jail())?.ok_or_else(missing)?),
    };
    let inner = trash.path_of(id).and_then(|from| path.strip_prefix(&from)).ok_or_else(missing)?;
    let is_whole = inner.is_root();
    let (dir, name) = match is_whole {
        true => (Arc::clone(&trash.dir), id.to_string().into_bytes()),
        false => {
            let (folder, name) = split(&inner)?;
            let dir = inside(&trash, id, folder).map_err(|err| match err {
                Errno::NOENT | Errno::NOTDIR | Errno::LOOP => missing(),
                err => Error::file(path, err.into()),
            })?;
            (Arc::new(dir), name.to_vec())
        }
    };
    let stat = statat(&*dir, &*name, AtFlags::SYMLINK_NOFOLLOW).map_err(|_| missing())?;
    Ok(Lying { trash, dir, name, stat, is_whole })
}

/// A folder of a folder that lies there. No link is followed.
fn inside(trash: &Trash, id: TrashId, folder: &[u8]) -> Result<Dir, Errno> {
    let mut dir = open_directory(&trash.dir, id.to_string().as_bytes())?;
    for name in folder.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        dir = open_directory(&dir, name)?;
    }
    Ok(dir)
}

/// [`crate::files::Store::begin_restore`].
pub(super) fn bring_back(stage: &Stage, path: &RelPath, id: TrashId, to: &RelPath) -> Result<Touched> {
    let jail = stage.jail();
    let can = stage.new_name(&jail.parent(to)?.0).map_err(|err| Error::file(to, err))?;
    let _alone = jail.alone(to)?;
    let lying = find(stage, path, id)?;
    let (dir, name) = jail.parent(to)?;
    let is_folder = FileType::from_raw_mode(lying.stat.st_mode) == FileType::Directory;
    if is_folder {
        check_below(path, to, &lying.dir, &lying.name)?;
    }
    rename_new(new_name(can), &lying.dir, &lying.name, &dir, name).map_err(|err| match err {
        Errno::XDEV => Error::new(Kind::CrossDevice, to.said("is on another file system than the trash")),
        err => Error::file(to, err.into()),
    })?;
    jail.tree().arrived();
    if is_folder {
        jail.tree().moved();
        jail.tree().accounts_below(&jail.full(to)).iter().for_each(|account| account.forget());
        jail.tree().shares_below(&jail.full(to)).iter().for_each(|share| share.forget());
    }
    count(jail, to, (!is_folder).then(|| (Sum::NONE, sum_of_file(&lying.stat))));
    match lying.is_whole {
        true => lying.trash.forget(id),
        false => shows_a_change(&lying.trash),
    }
    Ok(vec![(to.clone(), dir), (to.clone(), lying.dir)])
}

/// Whoever remembers what the trash held goes by its time, which nothing changes that leaves a folder in it.
fn shows_a_change(trash: &Trash) {
    let now = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
    };
    // At worst room is looked for where there is less by now.
    let _ = futimens(&*trash.dir, &now);
}
