//! Moving from one store to another of the same file system: in one step, so that at every moment what is moved is in one of both
//! places, whole, and never in none.

use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Stat, fstat, statat};
use rustix::io::Errno;

use super::account::{Account, Bound, Promise, Sum};
use super::jail::Jail;
use super::names::{check_below, look, look_below, refuse_special, rename_new, replace_with, sum_of_file, sync};
use super::owned::{Going, Share, Sums};
use super::replace::{Old, Replaced};
use super::root::is_same_file;
use super::seen;
use super::staging::Stage;
use super::taking::{Found, Taken, Taking};
use super::trash::Trash;
use super::tree::{Change, Tree};
use crate::error::{Error, Kind, Result};
use crate::files::{Hash, RelPath, Seen, SeenAt, Stored};
use crate::limits;

/// One end of the way.
pub(super) struct End<'a> {
    pub(super) stage: &'a Stage,
    pub(super) path: &'a RelPath,
    /// It is in the store that something comes from.
    pub(super) of_other: bool,
}

/// What was moved.
struct Moved {
    /// What it was before.
    stat: Stat,
    /// All files of it.
    sum: Sum,
    /// What each had of it, by what the files say now.
    owned: Sums,
    /// All of those that say now that they are the mover's.
    marked: Sum,
    /// What has become of what it replaced.
    replaced: Replaced,
    stored: Stored,
}

impl End<'_> {
    pub(super) fn jail(&self) -> &Arc<Jail> {
        self.stage.jail()
    }

    pub(super) fn failed(&self, err: impl Into<std::io::Error>) -> Error {
        self.told(Error::file(self.path, err.into()))
    }

    /// What is wrong at this end, for whoever has both.
    pub(super) fn told(&self, error: Error) -> Error {
        if self.of_other { error.of_other_store() } else { error }
    }

    /// The folder that it is in, and its name there.
    pub(super) fn parent(&self) -> Result<(Arc<Dir>, &[u8])> {
        self.jail().parent(self.path).map_err(|error| self.told(error))
    }

    /// Fails if something else is there by now than was seen.
    fn check_seen(&self, place: (&Dir, &[u8]), seen: Option<&Seen>) -> Result<()> {
        seen::check(self.jail(), self.path, place, seen).map_err(|error| self.told(error))
    }
}

/// [`crate::files::Store::rename_from`], to a store with this bound.
pub(super) fn rename(
    (from, to): (&End<'_>, &End<'_>),
    seen_there: &SeenAt,
    bound: Option<&Arc<Bound>>,
    durable: bool,
    replace: bool,
) -> Result<Stored> {
    let whose = bound.map(|bound| *bound.account.owner());
    let mut taking = Taking::of(from, to, whose);
    let _turn = taking.turn();
    let way = Way { from, to, seen: seen_there, bound, replace };
    let moved = take_and_move(&mut taking, &way, durable);
    match moved {
        Ok(Stored::Created | Stored::Replaced | Stored::Numbered(_)) => {}
        Ok(Stored::Same) | Err(_) => taking.undo(),
    }
    moved
}

/// What a move from one end to the other is to be.
struct Way<'a> {
    from: &'a End<'a>,
    to: &'a End<'a>,
    /// What was seen at both.
    seen: &'a SeenAt,
    /// That of the store that it goes to.
    bound: Option<&'a Arc<Bound>>,
    replace: bool,
}

/// What is known of it before anybody has to wait.
struct Before {
    /// What the bound did not count of it yet.
    more: Sum,
    /// Room for that.
    promise: Option<Promise>,
    /// How many arrivals the tree had seen by when it was known that the paths of what is in it are paths there, too.
    looked: Option<u64>,
}

/// It has its new name, and whoever counts has been told.
struct Arrived {
    stored: Stored,
    /// The directories whose names have changed, to be synced: where it came from, and where it is.
    dirs: Option<(Arc<Dir>, Arc<Dir>)>,
    /// The trash, if what was replaced is in it.
    trash: Option<Arc<Trash>>,
}

fn take_and_move(taking: &mut Taking<'_>, way: &Way<'_>, durable: bool) -> Result<Stored> {
    let (from, to) = (way.from, way.to);
    // Room is promised before anybody has to wait, for what was seen then: with more by now it is looked at again.
    for look in 0..=limits::LOOKS_BELOW {
        let mut before = way.look(taking)?;
        let is_last = look == limits::LOOKS_BELOW;
        let taken = if !is_last && may_take_among_others(from, to)? { Some(taking.take_in_batches()?) } else { None };
        if taken.is_some() && before.looked.is_some_and(|looked| looked != from.jail().tree().arrivals()) {
            // That took its time, and nobody is to wait for this. Of what comes there from now on it is told.
            before.looked = look_below(from.jail(), from.path, to.path)?;
        }
        let alone = Tree::both_alone(from.jail().tree(), to.jail().tree()).map_err(|err| from.failed(err))?;
        let arrived = way.move_alone(taking, taken, before)?;
        drop(alone);
        let Some(arrived) = arrived else { continue };
        #[cfg(test)]
        if let Some(work) = to.jail().tree().behind_a_move.lock().clone().filter(|_| arrived.dirs.is_some()) {
            work();
        }
        let stored = arrived.stored;
        if durable {
            arrived.sync(from, to)?;
        }
        return Ok(stored);
    }
    Err(from.told(Error::new(Kind::Changed, from.path.said("is being written to"))))
}

impl Way<'_> {
    /// Looks at what takes longer than others are to wait, and has room promised for what is seen.
    fn look(&self, taking: &mut Taking<'_>) -> Result<Before> {
        let (from, to) = (self.from, self.to);
        let (dir, name) = from.parent()?;
        let found = match self.bound.is_some() || taking.is_noted() {
            true => Some(taking.look((&dir, name)).map_err(|err| from.failed(err))?),
            false => None,
        };
        let more = self.bound.and_then(|bound| Some(more_of(from, found.as_ref()?, bound))).unwrap_or(Sum::NONE);
        let mut promise = self.bound.map(|bound| Promise::of(bound, to.stage, to.path, more)).transpose()?;
        let looked = look_below(from.jail(), from.path, to.path)?;
        // Asked before: it may have to be tried.
        to.stage.new_name(&to.parent()?.0).map_err(|err| to.failed(err))?;
        if let Some(promise) = &mut promise
            && more != Sum::NONE
        {
            promise.claim(to.path, more, || may_come(from, to, self.seen, self.replace))?;
        }
        if let Some(found) = found.filter(|_| taking.is_noted()) {
            taking.note(&found)?;
        }
        if from.jail().tree().is_across() {
            // Two mounts of one folder have one lock, and it would wait for itself.
            refuse_other_device(from, to)?;
        }
        Ok(Before { more, promise, looked })
    }

    /// What the bound does not count yet of what has this name.
    fn more_now(&self, taking: &mut Taking<'_>, place: (&Dir, &[u8])) -> Result<Sum> {
        match self.bound {
            Some(bound) => Ok(more_of(self.from, &taking.look(place).map_err(|err| self.from.failed(err))?, bound)),
            None => Ok(Sum::NONE),
        }
    }

    /// Moves it, for whoever is alone in both trees, and tells those who count. None: somebody has changed something there, or there is
    /// more than there is room promised for.
    fn move_alone(
        &self,
        taking: &mut Taking<'_>,
        taken: Option<Taken>,
        Before { more, mut promise, looked }: Before,
    ) -> Result<Option<Arrived>> {
        let (from, to) = (self.from, self.to);
        let (from_dir, from_name) = from.parent()?;
        let (to_dir, to_name) = to.parent()?;
        from.check_seen((&from_dir, from_name), self.seen.path.as_ref())?;
        to.check_seen((&to_dir, to_name), self.seen.other.as_ref())?;
        taking.must_be_where_it_was()?;
        let found = match taken {
            Some(Taken::Whole(found, watch)) if !watch.is_changed() => Some(found),
            Some(Taken::Whole(..) | Taken::Moved) => return Ok(None),
            None => None,
        };
        let more_now = match (&found, self.bound) {
            (Some(found), Some(bound)) => more_of(from, found, bound),
            _ => self.more_now(taking, (&from_dir, from_name))?,
        };
        if !more.has_all_of(more_now) {
            return Ok(None);
        }
        let ends = ((from, (&*from_dir, from_name)), (to, (&*to_dir, to_name)));
        let is_known = |looked: u64| found.is_some() || looked == from.jail().tree().arrivals();
        let is_looked = looked.is_some_and(is_known);
        let moved = put(ends, (taking, found), is_looked, self.replace)?;
        if moved.stored == Stored::Same {
            return Ok(Some(Arrived { stored: moved.stored, dirs: None, trash: None }));
        }
        // What comes is counted before what goes is not: nobody is over a bound in between.
        let into_share = promise.take_if(|promise| promise.share().is_some());
        to.jail().owned(to.path, to.stage.owner.as_ref(), (Sum::NONE, moved.marked), into_share);
        count(from, to, &moved, promise);
        count_owned(from, to, &moved, taking);
        let Moved { stored, replaced: Replaced { going, trash, .. }, .. } = moved;
        going.into_iter().for_each(Going::gone);
        from.jail().tell(from.path, Change::Moves);
        to.jail().tell(to.path, Change::Moves);
        Ok(Some(Arrived { stored, dirs: Some((from_dir, to_dir)), trash }))
    }
}

impl Arrived {
    /// What has changed is on the disk from here on.
    fn sync(self, from: &End<'_>, to: &End<'_>) -> Result<()> {
        let Some((from_dir, to_dir)) = self.dirs else { return Ok(()) };
        self.trash.map_or(Ok(()), |trash| sync(to.path, &trash.dir))?;
        sync(to.path, &to_dir)?;
        sync(from.path, &from_dir).map_err(|error| from.told(error))
    }
}

/// Whether it is a folder that can be gone through, and become the mover's, while others go on, as far as is known before anybody waits: what will be
/// refused is not begun with.
fn may_take_among_others(from: &End<'_>, to: &End<'_>) -> Result<bool> {
    let (tree, full) = (from.jail().tree(), from.jail().full(from.path));
    if !counts(from, to) || tree.is_across() || !tree.shares_below(&full).is_empty() {
        return Ok(false);
    }
    let (from_dir, from_name) = from.parent()?;
    let (to_dir, to_name) = to.parent()?;
    let stat = statat(&from_dir, from_name, AtFlags::SYMLINK_NOFOLLOW).map_err(|err| from.failed(err))?;
    let is_free = statat(&to_dir, to_name, AtFlags::SYMLINK_NOFOLLOW).err() == Some(Errno::NOENT);
    let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    Ok(is_folder && is_free && !is_in(from, to) && refuse_other_device(from, to).is_ok())
}

/// Refuses what will not be moved as far as that can be seen, so that nothing has made room for it. What counts is decided later.
fn may_come(from: &End<'_>, to: &End<'_>, seen_there: &SeenAt, replace: bool) -> Result<()> {
    let (from_dir, from_name) = from.parent()?;
    let (to_dir, to_name) = to.parent()?;
    from.check_seen((&from_dir, from_name), seen_there.path.as_ref())?;
    to.check_seen((&to_dir, to_name), seen_there.other.as_ref())?;
    let stat = statat(&from_dir, from_name, AtFlags::SYMLINK_NOFOLLOW).map_err(|err| from.failed(err))?;
    let there = look(&to_dir, to_name).map_err(|err| to.failed(err))?;
    refuse(from, to, (&stat, there.as_ref()), replace)
}

/// Refuses what will not be moved, for who knows what is moved, and what is there.
fn refuse(from: &End<'_>, to: &End<'_>, (stat, there): (&Stat, Option<&Stat>), replace: bool) -> Result<()> {
    if !replace && there.is_some() {
        return Err(to.failed(Errno::EXIST));
    }
    refuse_other_device(from, to)?;
    let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    match there.map(|there| FileType::from_raw_mode(there.st_mode)) {
        Some(_) if is_folder => Err(to.failed(Errno::EXIST)),
        Some(FileType::Directory) => Err(to.failed(Errno::ISDIR)),
        _ if is_folder && is_in(from, to) => Err(into_itself(from)),
        // Of one that has both names, one goes.
        _ => refuse_special(there.filter(|there| !is_same_file(there, stat)), to.path),
    }
}

/// Whether both paths are one: a shared folder may lie in a home.
fn is_same_place((from, (from_dir, from_name)): At<'_>, (_, (to_dir, to_name)): At<'_>) -> Result<bool> {
    let folder_of = |dir: &Dir| fstat(dir).map_err(|err| from.failed(err));
    Ok(from_name == to_name && is_same_file(&folder_of(from_dir)?, &folder_of(to_dir)?))
}

fn refuse_other_device(from: &End<'_>, to: &End<'_>) -> Result<()> {
    let ((from_dir, _), (to_dir, _)) = (from.parent()?, to.parent()?);
    let device = |dir: &Dir| fstat(dir).map(|stat| stat.st_dev).map_err(|err| from.failed(err));
    if device(&from_dir)? == device(&to_dir)? { Ok(()) } else { Err(on_another_file_system(from, to)) }
}

fn on_another_file_system(from: &End<'_>, to: &End<'_>) -> Error {
    Error::new(Kind::CrossDevice, from.path.said_from_other(to.path, "is on another file system"))
}

fn into_itself(from: &End<'_>) -> Error {
    from.told(Error::new(Kind::BadPath, from.path.said("a folder cannot be moved into itself")))
}

/// Whether one end is in the other, or is it, by their paths: a shared folder may lie in a home.
fn is_in(from: &End<'_>, to: &End<'_>) -> bool {
    let (outer, inner) = (from.jail().full(from.path), to.jail().full(to.path));
    std::ptr::eq(from.jail().tree(), to.jail().tree())
        && inner.strip_prefix(&*outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// What this bound does not count of it yet, where it is now.
fn more_of(from: &End<'_>, found: &Found, bound: &Bound) -> Sum {
    let over = from.jail().tree().accounts_over(&from.jail().full(from.path));
    if over.iter().any(|account| Arc::ptr_eq(account, &bound.account)) {
        // It is moved from the home to a shared folder.
        return if bound.is_into_share() { Sum::NONE } else { found.sum };
    }
    let counted = bound.account.shares();
    let is_counted = |share: &Arc<Share>| counted.iter().any(|other| Arc::ptr_eq(share, other));
    match from.jail().shares_over(from.path).iter().any(is_counted) {
        true => found.sum.minus(found.own),
        false => found.sum,
    }
}

/// An end, where it is, and its name there.
type At<'a> = (&'a End<'a>, (&'a Dir, &'a [u8]));

/// Gives it its new name; whoever calls is alone in both trees. What was found in it is the mover's already. `is_looked`: it is known
/// that the paths of what is in it are paths there, too.
fn put(
    ((from, (from_dir, from_name)), (to, (to_dir, to_name))): (At<'_>, At<'_>),
    (taking, found): (&mut Taking<'_>, Option<Found>),
    is_looked: bool,
    replace: bool,
) -> Result<Moved> {
    let stat = statat(from_dir, from_name, AtFlags::SYMLINK_NOFOLLOW).map_err(|err| from.failed(err))?;
    let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    if is_folder && !is_looked {
        check_below(from.path, to.path, from_dir, from_name)?;
    }
    let there = look(to_dir, to_name).map_err(|err| to.failed(err))?;
    // As far as it can be known: what will not be moved stays whose it is.
    refuse(from, to, (&stat, there.as_ref()), replace)?;
    if is_same_place((from, (from_dir, from_name)), (to, (to_dir, to_name)))? {
        let (sum, marked, owned, replaced) = (Sum::NONE, Sum::NONE, Sums::new(), Replaced::default());
        return Ok(Moved { stat, sum, owned, marked, replaced, stored: Stored::Same });
    }
    // Before it is moved: nothing is to come there that cannot be counted, and nothing that has come to be told that it failed.
    let Found { sum, marked, owned, .. } = match found {
        Some(found) => found,
        None if counts(from, to) => taking.take((from_dir, from_name)).map_err(|err| from.failed(err))?,
        None => Found::default(),
    };
    let stored = if there.is_some() { Stored::Replaced } else { Stored::Created };
    let given = if replace && !is_folder {
        let trash = to.stage.trash().map_err(|err| to.failed(err))?;
        let old = Old {
            // With two names of one file one name goes, and nothing of it is lost.
            stat: there.as_ref().filter(|old| !is_same_file(old, &stat)),
            sum: there.as_ref().map_or(Sum::NONE, sum_of_file),
            going: Going::of(to.jail(), to.path, (to_dir, to_name), there.as_ref()),
        };
        let put = || replace_with(&stat, (from_dir, from_name), (to_dir, to_name), false);
        old.replace(to.jail(), trash, ((to_dir, to_name), to.path), put)
    } else {
        let can = to.stage.new_name(&to.parent()?.0).map_err(|err| to.failed(err))?;
        rename_new(can, from_dir, from_name, to_dir, to_name).map(|()| Replaced::default())
    };
    let replaced = given.map_err(|err| match err {
        Errno::XDEV => on_another_file_system(from, to),
        Errno::INVAL if is_folder => into_itself(from),
        // A file over a folder it is in itself.
        Errno::NOTEMPTY if !is_folder => to.failed(Errno::ISDIR),
        err => to.failed(err),
    })?;
    to.jail().tree().arrived();
    if replace || FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        from.jail().tree().moved();
        to.jail().tree().moved();
    }
    Ok(Moved { stat, sum, owned, marked, replaced, stored })
}

/// Whether it matters to anybody what there is.
fn counts(from: &End<'_>, to: &End<'_>) -> bool {
    let is_over = |end: &End<'_>| !end.jail().shares_over(end.path).is_empty();
    let is_owned = to.stage.owner.is_some() || is_over(from) || is_over(to);
    is_owned || from.jail().tree().counts() || to.jail().tree().counts()
}

/// Tells the shared folders at both ends whose what went and what came is. What was marked has been told where it came, and counts where it
/// was for whom it says from here on.
fn count_owned(from: &End<'_>, to: &End<'_>, moved: &Moved, taking: &mut Taking<'_>) {
    let (out, into) = (from.jail().shares_over(from.path), to.jail().shares_over(to.path));
    let has = |shares: &[Arc<Share>], one: &Arc<Share>| shares.iter().any(|other| Arc::ptr_eq(one, other));
    let marked = to.stage.owner.as_ref().map(|owner| (owner, moved.marked));
    for share in into.iter().filter(|share| !has(&out, share)) {
        // A home may lie in a shared folder: what comes there stays whose it is.
        let is_told = |owner: &Hash| marked.is_some_and(|(by, _)| by == owner);
        let others = moved.owned.iter().filter(|(owner, _)| !is_told(owner));
        others.for_each(|(owner, sum)| share.add(owner, *sum));
    }
    taking.moved(&out, |share| match has(&into, share) {
        // It has not gone, and was counted as it was marked.
        true => marked.into_iter().map(|(by, sum)| (*by, sum)).collect(),
        false => moved.owned.clone(),
    });
}

/// Tells all accounts what went and what came.
fn count(from: &End<'_>, to: &End<'_>, moved: &Moved, promise: Option<Promise>) {
    let of = |end: &End<'_>| end.jail().tree().accounts_over(&end.jail().full(end.path));
    let (out, into) = (of(from), of(to));
    let has = |accounts: &[Arc<Account>], one: &Arc<Account>| accounts.iter().any(|other| Arc::ptr_eq(one, other));
    out.iter().filter(|account| !has(&into, account)).for_each(|account| account.change(moved.sum, Sum::NONE));
    let mut promise = promise;
    for account in &into {
        // Where both ends count together, as much is there as before.
        let come = if has(&out, account) { Sum::NONE } else { moved.sum };
        match promise.take_if(|promise| promise.is_of(account)) {
            Some(promise) => promise.settle(moved.replaced.sum, come),
            None => account.change(moved.replaced.sum, come),
        }
    }
    if FileType::from_raw_mode(moved.stat.st_mode) == FileType::Directory {
        // Homes in the folder that was moved, and those that would be in it at its new place.
        for end in [from, to] {
            let below = end.jail().tree().accounts_below(&end.jail().full(end.path));
            below.iter().for_each(|account| account.forget());
            end.jail().tree().shares_below(&end.jail().full(end.path)).iter().for_each(|share| share.forget());
        }
    }
}
