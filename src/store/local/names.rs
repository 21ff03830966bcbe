//! Changing names: renaming, and making folders.

use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{
    AtFlags, FileType, Mode, RenameFlags, Stat, fchmod, fstat, fsync, linkat, mkdirat, renameat, renameat_with, statat,
    unlinkat,
};
use rustix::io::Errno;

use super::account::{Account, Sum};
use super::capabilities::NewName;
use super::jail::{Jail, open_directory};
use super::measure::{self, Beyond, Room};
use super::owned::{Going, Share};
use super::replace::{Old, Replaced};
use super::root::is_same_file;
use super::seen;
use super::source::meta;
use super::staging::Stage;
use super::tree::Change;
use crate::error::{Error, Kind, Result};
use crate::files::{EntryKind, RelPath, SeenAt, Stored};
use crate::limits;

/// Renames only if nothing has the new name, in the way that this file system was found to have.
pub(super) fn rename_new(way: NewName, from_dir: &Dir, from: &[u8], to_dir: &Dir, to: &[u8]) -> Result<(), Errno> {
    match way {
        NewName::Rename => renameat_with(from_dir, from, to_dir, to, RenameFlags::NOREPLACE),
        NewName::Link => link_new(from_dir, from, to_dir, to),
        NewName::Missing => Err(Errno::OPNOTSUPP),
        NewName::Untried => match renameat_with(from_dir, from, to_dir, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => link_new(from_dir, from, to_dir, to),
            renamed => renamed,
        },
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
    match unlinkat(from_dir, from, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(err) => {
            // It failed, so the new name is not to be there.
            let (old, new) = (look(from_dir, from), look(to_dir, to));
            if matches!((old, new), (Ok(Some(old)), Ok(Some(new))) if is_same_file(&old, &new)) {
                let _it_has_both = unlinkat(to_dir, to, AtFlags::empty());
            }
            Err(err)
        }
    }
}

/// Gives a file that waits under a name of ours another one if nothing has it. Once it has that, it is done: where the name it waited
/// under cannot be taken away it has both until somebody sweeps.
pub(super) fn name_staged(way: NewName, staged: (&Dir, &[u8]), (dir, name): (&Dir, &[u8])) -> Result<(), Errno> {
    if way != NewName::Link {
        return rename_new(way, staged.0, staged.1, dir, name);
    }
    linkat(staged.0, staged.1, dir, name, AtFlags::empty())?;
    let _whoever_sweeps_tries_again = unlinkat(staged.0, staged.1, AtFlags::empty());
    Ok(())
}

/// What has this name, if anything does. That it cannot be looked at does not say that there is nothing: what takes its place would be
/// put over what nobody has kept or counted.
pub(super) fn look(dir: &Dir, name: &[u8]) -> Result<Option<Stat>, Errno> {
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(err) => Err(err),
    }
}

/// Refuses to put something in the place of a device, pipe or socket, which is somebody's end of something: neither what a client sends
/// nor what a server does.
///
/// # Errors
/// [`Kind::NotRegular`].
pub(super) fn refuse_special(there: Option<&Stat>, path: &RelPath) -> Result<()> {
    match there.map(|there| FileType::from_raw_mode(there.st_mode)) {
        None | Some(FileType::RegularFile | FileType::Directory | FileType::Symlink) => Ok(()),
        Some(_) => {
            let text = path.said("a device or pipe has this name, and nothing takes its place");
            Err(Error::new(Kind::NotRegular, text))
        }
    }
}

/// [`crate::files::Store::rename`].
pub(super) fn rename(
    stage: &Stage,
    durable: bool,
    (from, to): (&RelPath, &RelPath),
    replace: bool,
    seen: &SeenAt,
) -> Result<Stored> {
    let jail = stage.jail();
    // Asked before: it may have to be tried, which takes longer than others are to wait.
    jail.parent(from)?;
    let can = stage.new_name(&jail.parent(to)?.0).map_err(|err| Error::file(to, err))?;
    let looked = look_below(jail, from, to)?;
    let alone = jail.alone(from)?;
    jail.tell(to, Change::Moves);
    let (from_dir, from_name) = jail.parent(from)?;
    let (to_dir, to_name) = jail.parent(to)?;
    seen::check(jail, from, (&from_dir, from_name), seen.path.as_ref())?;
    seen::check(jail, to, (&to_dir, to_name), seen.other.as_ref())?;
    let stat = statat(&from_dir, from_name, AtFlags::SYMLINK_NOFOLLOW).map_err(|err| Error::file(from, err.into()))?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let directory = kind == FileType::Directory;
    if directory && to != from && to.strip_prefix(from).is_some() {
        return Err(Error::new(Kind::BadPath, from.said("a folder cannot be moved into itself")));
    }
    if directory && looked != Some(jail.tree().arrivals()) {
        check_below(from, to, &from_dir, from_name)?;
    }
    let there = look(&to_dir, to_name).map_err(|err| Error::file(to, err.into()))?;
    let (stored, sum) = match &there {
        // Its own name, or the same one in another spelling.
        Some(there) if from == to || (stat.st_nlink == 1 && is_same_file(there, &stat)) => (Stored::Same, Sum::NONE),
        // With two names of one file one name goes, and what is counted under it.
        Some(there) => (Stored::Replaced, sum_of_file(there)),
        None => (Stored::Created, Sum::NONE),
    };
    // rename(2) would put a directory over an empty one.
    let renamed = if replace && !directory {
        let old = there.as_ref().filter(|old| !is_same_file(old, &stat));
        refuse_special(old, to)?;
        let trash = stage.trash().map_err(|err| Error::file("the trash", err))?;
        let is_counted = stored == Stored::Replaced && jail.tree().is_shared();
        let going = there.as_ref().filter(|_| is_counted);
        let going = going.and_then(|there| Going::of(jail, to, (&to_dir, to_name), Some(there)));
        let put = || replace_with(&stat, (&from_dir, from_name), (&to_dir, to_name), from == to);
        Old { stat: old, sum, going }.replace(jail, trash, ((&to_dir, to_name), to), put)
    } else {
        rename_new(can, &from_dir, from_name, &to_dir, to_name).map(|()| Replaced::default())
    };
    let replaced = renamed.map_err(|err| match err {
        // A file over a folder it is in itself.
        Errno::NOTEMPTY if !directory => Error::file(to, Errno::ISDIR.into()),
        Errno::XDEV => Error::new(Kind::CrossDevice, from.said_with(to, "is on another file system")),
        err => Error::file(to, err.into()),
    })?;
    jail.tree().arrived();
    // What was replaced may have been a link to a folder.
    if replace || kind != FileType::RegularFile {
        jail.tree().moved();
    }
    count(jail, (from, to), (!directory).then(|| sum_of_file(&stat)), replaced.sum);
    replaced.going.into_iter().for_each(Going::gone);
    drop(alone);
    if durable {
        replaced.trash.map_or(Ok(()), |trash| sync(to, &trash.dir))?;
        sync_names((from, &from_dir), (to, &to_dir))?;
    }
    Ok(stored)
}

/// Renames a file over what has the other name. Of two names of one file rename(2) leaves both: there the first is removed,
/// and so is it what was asked for. Nobody else changes a name meanwhile, as far as it is done through a store.
pub(super) fn replace_with(stat: &Stat, from: (&Dir, &[u8]), to: (&Dir, &[u8]), same_name: bool) -> Result<(), Errno> {
    let is_it = |(dir, name): (&Dir, &[u8])| {
        let there = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
        there.is_ok_and(|there| is_same_file(&there, stat))
    };
    // With one link alone, both are one name in two spellings.
    let one_file = !same_name && stat.st_nlink > 1 && is_it(to);
    renameat(from.0, from.1, to.0, to.1)?;
    match one_file && is_it(from) && is_it(to) {
        true => unlinkat(from.0, from.1, AtFlags::empty()),
        false => Ok(()),
    }
}

/// [`check_below`] before others must wait for it: how many arrivals the tree had seen by then. Nothing if it was written
/// to meanwhile, or there is no folder to be moved.
pub(super) fn look_below(jail: &Jail, from: &RelPath, to: &RelPath) -> Result<Option<u64>> {
    if !grows(from, to) {
        return Ok(None);
    }
    for _ in 0..limits::LOOKS_BELOW {
        let arrivals = jail.tree().arrivals();
        let (dir, name) = jail.parent(from)?;
        let stat = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|err| Error::file(from, err.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return Ok(None);
        }
        check_below(from, to, &dir, name)?;
        if jail.tree().arrivals() == arrivals {
            return Ok(Some(arrivals));
        }
    }
    Ok(None)
}

/// Whether what is in a folder gets longer paths when it is moved.
fn grows(from: &RelPath, to: &RelPath) -> bool {
    to.components().count() > from.components().count() || to.as_bytes().len() > from.as_bytes().len()
}

/// Refuses to move a folder to where something in it would be deeper or longer than a path can be.
pub(super) fn check_below(from: &RelPath, to: &RelPath, dir: &Dir, name: &[u8]) -> Result<()> {
    if !grows(from, to) {
        return Ok(());
    }
    let room = Room {
        components: limits::DEPTH_MAX.saturating_sub(to.components().count()),
        bytes: limits::PATH_MAX.saturating_sub(to.as_bytes().len()),
    };
    let text = match measure::fits(dir, name, room).map_err(|err| Error::file(from, err.into()))? {
        Ok(()) => return Ok(()),
        Err(Beyond::Depth) => to.said(format_args!("what is in it would be deeper than {} folders", limits::DEPTH_MAX)),
        Err(Beyond::Length) => {
            to.said(format_args!("the path of something in it would be longer than {} bytes", limits::PATH_MAX))
        }
    };
    Err(Error::new(Kind::PathTooLong, text))
}

/// What counts of what a name stands for; what is in a folder is not known.
pub(super) fn sum_of_file(stat: &Stat) -> Sum {
    let meta = meta(stat);
    if meta.kind == EntryKind::File { Sum::file(meta.size) } else { Sum::NONE }
}

/// Tells the accounts of a rename: what the target replaced is gone, and what was moved from one folder that is counted
/// to another counts there. `moved` is a file; what is in a folder is not known.
pub(super) fn count(jail: &Jail, (from, to): (&RelPath, &RelPath), moved: Option<Sum>, replaced: Sum) {
    let tree = jail.tree();
    if tree.is_shared() {
        // From or to a shared folder by way of a folder that both are in, which is rare: what each has there is looked for again.
        let (out, into) = (jail.shares_over(from), jail.shares_over(to));
        let is_in = |shares: &[Arc<Share>], one: &Arc<Share>| shares.iter().any(|other| Arc::ptr_eq(one, other));
        out.iter().filter(|share| !is_in(&into, share)).for_each(|share| share.forget());
        into.iter().filter(|share| !is_in(&out, share)).for_each(|share| share.forget());
        if moved.is_none() {
            let (from, to) = (jail.full(from), jail.full(to));
            tree.shares_below(&from).iter().chain(&tree.shares_below(&to)).for_each(|share| share.forget());
        }
    }
    if !tree.counts() {
        return;
    }
    let (from, to) = (jail.full(from), jail.full(to));
    let (out, into) = (tree.accounts_over(&from), tree.accounts_over(&to));
    let has = |accounts: &[Arc<Account>], one: &Arc<Account>| accounts.iter().any(|other| Arc::ptr_eq(one, other));
    into.iter().for_each(|account| account.change(replaced, Sum::NONE));
    let left = out
        .iter()
        .filter(|account| !has(&into, account))
        .map(|account| (account, moved.map(|moved| (moved, Sum::NONE))));
    let come = into
        .iter()
        .filter(|account| !has(&out, account))
        .map(|account| (account, moved.map(|moved| (Sum::NONE, moved))));
    for (account, change) in left.chain(come) {
        match change {
            Some((before, after)) => account.change(before, after),
            None => account.forget(),
        }
    }
    // A home in the folder that was moved, and one that would be in it at its new place.
    let (below, there) = (tree.accounts_below(&from), tree.accounts_below(&to));
    below.iter().chain(&there).filter(|_| moved.is_none()).for_each(|account| account.forget());
}

/// The directories that new names were made in, and what for: to be synced.
pub(super) type Touched = Vec<(RelPath, Arc<Dir>)>;

/// New folders, or such as were there already.
#[derive(Default)]
pub(super) struct Made {
    /// How many of them are new.
    pub(super) count: u64,
    /// Where all of them are: whoever has made one that is there already may not have waited for the disk yet, and what is acknowledged
    /// has to be on it.
    pub(super) touched: Touched,
}

impl Made {
    /// Makes one if it is missing.
    fn one(&mut self, jail: &Jail, mode: FolderModes, path: &RelPath) -> Result<()> {
        let dir = match make_one(jail, mode, path) {
            // If it is no folder the last step says so.
            Err(err) if err.kind() == Kind::Exists => jail.parent(path)?.0,
            made => made.inspect(|_| self.count += 1)?,
        };
        self.touched.push((path.clone(), dir));
        Ok(())
    }
}

/// What modes new folders get.
#[derive(Debug, Clone, Copy)]
pub(super) enum FolderModes {
    /// This, less the umask of the process.
    LessUmask(Mode),
    /// This, whatever the umask of the process.
    Exactly(Mode),
}

/// [`crate::files::Store::begin_dir`].
pub(super) fn make_dir(jail: &Jail, mode: FolderModes, path: &RelPath, parents: bool) -> Result<Made> {
    let mut made = Made::default();
    if path.is_root() {
        return if parents { Ok(made) } else { Err(Error::file(path, Errno::EXIST.into())) };
    }
    let _steady = jail.steady(path)?;
    if !parents {
        let dir = make_one(jail, mode, path)?;
        return Ok(Made { count: 1, touched: vec![(path.clone(), dir)] });
    }
    // Mostly only the last one is missing, or none: from the bottom up to the first that can be made, and down again.
    let mut missing = Vec::new();
    let mut next = path.clone();
    loop {
        match made.one(jail, mode, &next) {
            Ok(()) => break,
            Err(err) => {
                let above = next.parent().filter(|above| !above.is_root() && err.kind() == Kind::NotFound);
                let parent = above.ok_or(err)?;
                missing.push(std::mem::replace(&mut next, parent));
            }
        }
    }
    for path in missing.iter().rev() {
        // Unless somebody else has made it meanwhile.
        made.one(jail, mode, path)?;
    }
    jail.shared(path)?;
    Ok(made)
}

fn make_one(jail: &Jail, mode: FolderModes, path: &RelPath) -> Result<Arc<Dir>> {
    let (dir, name) = jail.parent(path)?;
    let (FolderModes::LessUmask(at_first) | FolderModes::Exactly(at_first)) = mode;
    mkdirat(&dir, name, at_first).map_err(|err| Error::file(path, err.into()))?;
    jail.tree().arrived();
    if let FolderModes::Exactly(mode) = mode {
        give_mode(&dir, name, mode).map_err(|err| Error::file(path, err.into()))?;
    }
    Ok(dir)
}

pub(super) fn sync(path: &RelPath, dir: &Dir) -> Result<()> {
    fsync(dir).map_err(|err| Error::file(path.said("done, but may not outlive a power cut"), err.into()))
}

/// Brings the names that have changed in two folders to the disk, where something came from and where it is; once if that is one.
pub(super) fn sync_names(from: (&RelPath, &Dir), to: (&RelPath, &Dir)) -> Result<()> {
    sync(to.0, to.1)?;
    let is_one = fstat(from.1).is_ok_and(|from| fstat(to.1).is_ok_and(|to| is_same_file(&from, &to)));
    if is_one { Ok(()) } else { sync(from.0, from.1) }
}

/// Gives a folder that was just made the bits that the umask of the process took from it. What it has from the folder that it is in,
/// such as whose group is to be that of all in it, stays.
fn give_mode(dir: &Dir, name: &[u8], mode: Mode) -> Result<(), Errno> {
    let folder = open_directory(dir, name)?;
    let now = Mode::from_raw_mode(fstat(&folder)?.st_mode & 0o7777);
    let wanted = now.difference(Mode::RWXU | Mode::RWXG | Mode::RWXO) | mode;
    if now == wanted { Ok(()) } else { fchmod(&folder, wanted) }
}
