//! Changing names: renaming, and making folders.

use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{
    AtFlags, FileType, Mode, RenameFlags, Stat, fsync, linkat, mkdirat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::capabilities::NewName;
use super::jail::Jail;
use super::staging::Stage;
use crate::error::{Error, Kind, Result};
use crate::proto::RelPath;

/// Renames only if nothing has the new name, in the way that this file system was found to have.
pub(super) fn rename_new(way: NewName, from_dir: &Dir, from: &[u8], to_dir: &Dir, to: &[u8]) -> Result<(), Errno> {
    match way {
        NewName::Rename => renameat_with(from_dir, from, to_dir, to, RenameFlags::NOREPLACE),
        NewName::Link => link_new(from_dir, from, to_dir, to),
        NewName::Missing => Err(Errno::OPNOTSUPP),
    }
}

/// A second name, which is never made over another one, then the first one away. A directory has only one name: it is
/// renamed where nothing is, and what somebody else puts there meanwhile is replaced only if it is an empty directory.
fn link_new(from_dir: &Dir, from: &[u8], to_dir: &Dir, to: &[u8]) -> Result<(), Errno> {
    if FileType::from_raw_mode(statat(from_dir, from, AtFlags::SYMLINK_NOFOLLOW)?.st_mode) == FileType::Directory {
        return match statat(to_dir, to, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => renameat(from_dir, from, to_dir, to),
            there => there.and(Err(Errno::EXIST)),
        };
    }
    linkat(from_dir, from, to_dir, to, AtFlags::empty())?;
    unlinkat(from_dir, from, AtFlags::empty())
}

/// [`crate::store::Store::rename`].
pub(super) fn rename(stage: &Stage, durable: bool, from: &RelPath, to: &RelPath, replace: bool) -> Result<()> {
    let jail = stage.jail();
    // Asked before: it may have to be tried, which takes longer than others are to wait.
    let can = stage.can(&jail.parent(to)?.0).map_err(|err| Error::file(to, err))?;
    let alone = jail.tree().alone();
    let (from_dir, from_name) = jail.parent(from)?;
    let (to_dir, to_name) = jail.parent(to)?;
    let stat = statat(&from_dir, from_name, AtFlags::SYMLINK_NOFOLLOW).map_err(|err| Error::file(from, err.into()))?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let directory = kind == FileType::Directory;
    if directory && to != from && to.strip_prefix(from).is_some() {
        return Err(Error::new(Kind::BadPath, format!("{from}: a folder cannot be moved into itself")));
    }
    // rename(2) would put a directory over an empty one.
    let renamed = if replace && !directory {
        replace_with(&stat, (&from_dir, from_name), (&to_dir, to_name), from == to)
    } else {
        rename_new(can.new_name, &from_dir, from_name, &to_dir, to_name)
    };
    renamed.map_err(|err| match err {
        // A file over a folder it is in itself.
        Errno::NOTEMPTY if !directory => Error::file(to, Errno::ISDIR.into()),
        Errno::XDEV => Error::new(Kind::CrossDevice, format!("{from}: {to} is on another file system")),
        err => Error::file(to, err.into()),
    })?;
    // What was replaced may have been a link to a folder.
    if replace || kind != FileType::RegularFile {
        jail.tree().moved();
    }
    drop(alone);
    if durable {
        sync(to, &to_dir)?;
        sync(from, &from_dir)?;
    }
    Ok(())
}

/// Renames a file over what has the other name. Of two names of one file rename(2) leaves both: there the first is removed,
/// and so is it what was asked for. Nobody else changes a name meanwhile, as far as it is done through a store.
fn replace_with(stat: &Stat, from: (&Dir, &[u8]), to: (&Dir, &[u8]), same_name: bool) -> Result<(), Errno> {
    let is_it = |(dir, name): (&Dir, &[u8])| {
        let there = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
        there.is_ok_and(|there| (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino))
    };
    // With one link alone, both are one name in two spellings.
    let one_file = !same_name && stat.st_nlink > 1 && is_it(to);
    renameat(from.0, from.1, to.0, to.1)?;
    match one_file && is_it(from) && is_it(to) {
        true => unlinkat(from.0, from.1, AtFlags::empty()),
        false => Ok(()),
    }
}

/// The directories that new names were made in, and what for: to be synced.
pub(super) type Touched = Vec<(RelPath, Arc<Dir>)>;

/// [`crate::store::Store::begin_dir`].
pub(super) fn make_dir(jail: &Jail, mode: Mode, path: &RelPath, parents: bool) -> Result<Touched> {
    let mut touched = Vec::new();
    if path.is_root() {
        return if parents { Ok(touched) } else { Err(Error::file(path, Errno::EXIST.into())) };
    }
    let _steady = jail.tree().steady();
    if !parents {
        touched.push(make_one(jail, mode, path)?);
        return Ok(touched);
    }
    // Mostly only the last one is missing, or none: from the bottom up to the first that can be made, and down again.
    let mut missing = Vec::new();
    let mut next = path.clone();
    loop {
        match make_one(jail, mode, &next) {
            Ok(made) => {
                touched.push(made);
                break;
            }
            // If it is no folder the last step says so.
            Err(err) if err.kind() == Kind::Exists => break,
            Err(err) => {
                let parent = next.parent().filter(|_| err.kind() == Kind::NotFound).ok_or(err)?;
                missing.push(std::mem::replace(&mut next, parent));
            }
        }
    }
    for path in missing.iter().rev() {
        match make_one(jail, mode, path) {
            // Somebody else made it meanwhile.
            Err(err) if err.kind() == Kind::Exists => {}
            made => touched.push(made?),
        }
    }
    jail.shared(path)?;
    Ok(touched)
}

fn make_one(jail: &Jail, mode: Mode, path: &RelPath) -> Result<(RelPath, Arc<Dir>)> {
    let (dir, name) = jail.parent(path)?;
    mkdirat(&dir, name, mode).map_err(|err| Error::file(path, err.into()))?;
    Ok((path.clone(), dir))
}

fn sync(path: &RelPath, dir: &Dir) -> Result<()> {
    fsync(dir).map_err(|err| Error::file(format_args!("{path}: done, but may not outlive a power cut"), err.into()))
}
