//! What is moved to a shared folder becomes the mover's before it is moved: file after file, while others go on.
//!
//! Each file says whose it is, so all of a tree is marked first: nothing is to come there that cannot be counted, and nothing that has
//! come to be told that it failed. That takes as long as there are files. Until the move is done everything counts as it did
//! ([`Share::take_over`]), and if it fails each file says again what it said: it keeps a number by which that is known, so that nothing is to be
//! remembered of each. What others do there meanwhile is told by a
//! [`Watch`]: then it is gone through once more, and what is marked already is only looked at. The last time nobody
//! changes anything, and so it is from the beginning with a single file, with folders that have shared folders in them, and where
//! other nodes change the tree, which tell nobody. Two who move the same, or one what the other has in what is moved, do so one after the
//! other.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Mode, Stat, fstat, statat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::account::Sum;
use super::across::End;
use super::jail::open_directory;
use super::measure;
use super::names::sum_of_file;
use super::owned::{self, Lent, Share, Sums};
use super::root::is_same_file;
use super::seen;
use super::source::LocalSource;
use super::taking_note::TakingNote;
use super::tree::{Change, Moving, Steady, Watch};
use crate::error::Result;
use crate::files::Hash;
use crate::limits;
use crate::random;
use crate::sync::MutexGuard;

/// What there is in a file, or in a folder.
#[derive(Default)]
pub(super) struct Found {
    /// All files.
    pub(super) sum: Sum,
    /// Those that say that they are the mover's.
    pub(super) marked: Sum,
    /// What each has by what the files say.
    pub(super) owned: Sums,
    /// What the one who was asked for had before anything was marked.
    pub(super) own: Sum,
    /// There are files that are nobody's.
    has_nobodys: bool,
}

/// What there was at the end of going through it while others went on.
pub(super) enum Taken {
    /// All of it, if nobody has changed anything by the time that somebody is alone.
    Whole(Found, Arc<Watch>),
    /// Something was moved on the way.
    Moved,
}

/// A file, or a folder, that is being moved.
pub(super) struct Taking<'a> {
    from: &'a End<'a>,
    /// Whose it is to be, if that matters where it goes.
    by: Option<Hash>,
    /// Of whom it is asked what there is.
    whose: Option<Hash>,
    /// Whether it matters to anybody whose it is.
    is_owned: bool,
    /// The folders that count it for each.
    shares: Vec<Arc<Share>>,
    /// What was marked, by whose it was: the number that those files keep, and how much they are.
    before: HashMap<Option<Hash>, (u64, Sum)>,
    /// What was marked, for who comes after this process, where it matters whose it was.
    note: Option<TakingNote>,
    /// The numbers that are in it for those of whom nothing is marked yet.
    noted: HashMap<Option<Hash>, u64>,
    /// Files with several names count under each, and say only once whose they are.
    has_names: bool,
    /// The folder in which something was marked: it may get another name.
    folder: Option<Arc<Dir>>,
}

/// How all files are gone through.
enum Way<'a> {
    /// While nobody else changes anything, or to know only about how much there is.
    AtOnce,
    /// With others at work, watched by this.
    Batches(&'a Arc<Watch>),
}

/// What is held for one batch. Whoever looks through a shared folder does not see half of what is marked.
struct Batch<'a> {
    #[expect(dead_code, reason = "held")]
    steady: Steady<'a>,
    #[expect(dead_code, reason = "held")]
    turns: Vec<MutexGuard<'a, ()>>,
}

impl<'a> Taking<'a> {
    pub(super) fn of(from: &'a End<'a>, to: &End<'_>, whose: Option<Hash>) -> Self {
        let (shares, by) = (from.jail().shares_over(from.path), to.stage.owner);
        let is_owned = by.is_some() || !shares.is_empty() || !to.jail().shares_over(to.path).is_empty();
        let (before, noted) = (HashMap::new(), HashMap::new());
        Taking { from, by, whose, is_owned, shares, before, note: None, noted, has_names: false, folder: None }
    }

    /// Held until it is moved, or says again what it said: nobody else has any of it say otherwise.
    pub(super) fn turn(&self) -> Option<Moving<'a>> {
        let jail = self.from.jail();
        self.by.map(|_| jail.tree().moving(jail.full(self.from.path)))
    }

    /// Looks what there is.
    pub(super) fn look(&mut self, (dir, name): (&Dir, &[u8])) -> Result<Found, Errno> {
        self.pass((dir, name), None, &Way::AtOnce)
    }

    /// Whether it is to be on the disk whose it was before anything of it is marked.
    pub(super) fn is_noted(&self) -> bool {
        self.notes_by().is_some() && self.from.stage.is_durable()
    }

    /// Writes down whose this is that was found while nobody waits for the disk. Of somebody whose it becomes only then it is written down
    /// when that is found.
    pub(super) fn note(&mut self, found: &Found) -> Result<()> {
        let Some(by) = self.notes_by().filter(|_| self.note.is_none()) else { return Ok(()) };
        let nobody = found.has_nobodys.then_some(None);
        let owners = found.owned.keys().filter(|owner| **owner != by).copied().map(Some).chain(nobody);
        let noted: io::Result<HashMap<_, _>> = owners.map(|was| Ok((was, random::number()?))).collect();
        self.noted = noted.map_err(|err| self.from.failed(err))?;
        if self.noted.is_empty() {
            return Ok(());
        }
        let before = self.noted.iter().map(|(was, number)| (*number, was.as_ref()));
        let note = TakingNote::begin(self.from.stage, self.from.path, &by, before);
        self.note = Some(note.map_err(|err| self.from.failed(err))?);
        Ok(())
    }

    /// Whose it is to be, if it is written down whose it was.
    fn notes_by(&self) -> Option<Hash> {
        self.by.filter(|_| !self.shares.is_empty() && !self.from.stage.is_beside())
    }

    /// Has all of it say whose it is, for whoever is alone in the tree. What other programs put there, who own it, may not be ours to
    /// mark: it is nobody's, and so is all where the file system cannot keep it.
    pub(super) fn take(&mut self, (dir, name): (&Dir, &[u8])) -> Result<Found, Errno> {
        self.pass((dir, name), self.by, &Way::AtOnce)
    }

    /// Has all of it say whose it is, while others go on.
    pub(super) fn take_in_batches(&mut self) -> Result<Taken> {
        let from = self.from;
        let watch = from.jail().tree().watch(from.jail().full(from.path)).map_err(|err| from.failed(err))?;
        let (dir, name) = from.parent()?;
        self.must_be_where_it_was()?;
        match self.pass((&dir, name), self.by, &Way::Batches(&watch)) {
            Err(Errno::AGAIN) if watch.is_moved() => Ok(Taken::Moved),
            found => Ok(Taken::Whole(found.map_err(|err| from.failed(err))?, watch)),
        }
    }

    /// It is where it was to go: of each of these folders, all that counted it, goes what this says, and what was marked counts for whom it
    /// says, in one step. In between it would count for nobody.
    pub(super) fn moved(&mut self, out: &[Arc<Share>], gone: impl Fn(&Arc<Share>) -> Sums) {
        let lent = self.lent();
        let has = |shares: &[Arc<Share>], one: &Arc<Share>| shares.iter().any(|other| Arc::ptr_eq(other, one));
        for share in out {
            share.moved_away(&gone(share), if has(&self.shares, share) { &lent } else { &[] });
        }
        self.shares.iter().filter(|share| !has(out, share)).for_each(|share| share.moved_away(&Sums::new(), &lent));
        self.end();
    }

    /// It is not: all of it says again what it said before.
    pub(super) fn undo(mut self) {
        if self.before.is_empty() {
            return;
        }
        let from = self.from;
        let below = from.jail().tree().shares_below(&from.jail().full(from.path));
        let is_undone = self.try_to_undo();
        if !is_undone {
            self.note.take().into_iter().for_each(TakingNote::keep);
        }
        self.end();
        for share in below.iter().chain(&self.shares) {
            if is_undone { share.touch() } else { share.forget() }
        }
    }

    fn try_to_undo(&mut self) -> bool {
        let (from, mut is_undone) = (self.from, true);
        for look in 0..=limits::LOOKS_BELOW {
            let tree = from.jail().tree();
            let Ok(watch) = tree.watch(from.jail().full(from.path)) else { return false };
            // Elsewhere nobody tells of what is done in it.
            let is_last = look == limits::LOOKS_BELOW || self.is_where_it_was() != Some(true);
            let Ok(_alone) = is_last.then(|| tree.alone_here()).transpose() else { return false };
            let way = if is_last { Way::AtOnce } else { Way::Batches(&watch) };
            let mut undo = |taking: &mut Taking<'_>, dir: BorrowedFd<'_>, name: &[u8], stat: &Stat| {
                is_undone &= taking.undo_one(dir, name, stat);
                Ok(())
            };
            let done = match self.folder.clone() {
                Some(folder) => self.each_in(&folder, &way, &mut undo),
                None => match from.parent() {
                    Ok((dir, name)) => self.each((&dir, name), &way, &mut undo),
                    Err(_) => return false,
                },
            };
            match done {
                Ok(()) => return is_undone,
                Err(Errno::AGAIN) => {}
                Err(_) => return false,
            }
        }
        false
    }

    /// Fails if another folder has the path of the one in which something was marked. That nothing has it is said by whoever looks for it.
    ///
    /// # Errors
    /// [`Kind::Changed`].
    pub(super) fn must_be_where_it_was(&self) -> Result<()> {
        match self.is_where_it_was() {
            Some(false) => Err(self.from.told(seen::changed(self.from.path))),
            _ => Ok(()),
        }
    }

    /// Whether the folder in which something was marked has its path still; nothing if nothing has that.
    fn is_where_it_was(&self) -> Option<bool> {
        let Some(folder) = self.folder.as_ref().filter(|_| !self.before.is_empty()) else { return Some(true) };
        let (dir, name) = self.from.parent().ok()?;
        let there = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(fstat(folder).is_ok_and(|stat| is_same_file(&there, &stat)))
    }

    fn undo_one(&mut self, dir: BorrowedFd<'_>, name: &[u8], stat: &Stat) -> bool {
        let Some(by) = self.by else { return true };
        let Ok(file) = LocalSource::open_bare(dir, name) else { return false };
        // What came meanwhile is whose it says, whatever number its file has.
        let Ok(says) = owned::read_both(&file) else { return false };
        let Some(was) = self.was_of(says) else { return true };
        let undone = match was {
            Some(was) => owned::mark(&file, &was),
            None => owned::unmark(&file),
        };
        if undone.is_err() {
            return false;
        }
        let lent = Lent { was, by, sum: sum_of_file(stat) };
        self.shares.iter().for_each(|share| share.give_back(&lent));
        if let Some((_, sum)) = self.before.get_mut(&was) {
            *sum = sum.minus(lent.sum);
        }
        true
    }

    /// Whose it was, of what this one has marked.
    fn was_of(&self, says: Option<(Hash, Option<u64>)>) -> Option<Option<Hash>> {
        let (owner, number) = says?;
        let number = number.filter(|_| Some(owner) == self.by)?;
        self.before.iter().find(|(_, (kept, _))| *kept == number).map(|(was, _)| *was)
    }

    /// What was marked counts for whom it says.
    fn end(&mut self) {
        for lent in self.lent() {
            self.shares.iter().for_each(|share| share.taken_over(&lent));
        }
        if self.has_names {
            self.shares.iter().for_each(|share| share.forget());
        }
    }

    /// All that was marked, which is forgotten.
    fn lent(&mut self) -> Vec<Lent> {
        let Some(by) = self.by else { return Vec::new() };
        self.before.drain().map(|(was, (_, sum))| Lent { was, by, sum }).collect()
    }

    fn pass(&mut self, place: (&Dir, &[u8]), by: Option<Hash>, way: &Way<'_>) -> Result<Found, Errno> {
        let mut found = Found::default();
        self.each(place, way, &mut |taking, dir, name, stat| taking.one(dir, name, stat, by, &mut found))?;
        Ok(found)
    }

    fn one(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        stat: &Stat,
        by: Option<Hash>,
        found: &mut Found,
    ) -> Result<(), Errno> {
        let sum = sum_of_file(stat);
        if !self.is_owned {
            found.sum = found.sum.plus(sum);
            return Ok(());
        }
        let opened = LocalSource::open_bare(dir, name).and_then(|file| {
            let says = owned::read_both(&file)?;
            let was = says.map(|(owner, _)| owner);
            let marked = by.filter(|by| was != Some(*by));
            if let Some(by) = marked {
                owned::mark_for_now(&file, &by, self.number_for(was)?)?;
            }
            Ok((was, marked, self.was_of(says)))
        });
        let (was, marked, before) = match opened {
            Ok(opened) => opened,
            Err(Errno::NOENT) => return Ok(()),
            Err(_) if by.is_none() => (None, None, None),
            Err(Errno::NOTSUP) => (None, None, None),
            Err(Errno::ACCESS | Errno::PERM) if !may_be_marked(stat) => (owned::owner_of(dir, name), None, None),
            Err(err) => return Err(err),
        };
        if let Some(by) = marked {
            self.shares.iter().for_each(|share| share.take_over(&Lent { was, by, sum }));
            if let Some((_, lent)) = self.before.get_mut(&was) {
                *lent = lent.plus(sum);
            }
            self.has_names |= stat.st_nlink > 1;
        }
        found.sum = found.sum.plus(sum);
        let now = marked.or(was);
        if now.is_some() && now == self.by {
            found.marked = found.marked.plus(sum);
        }
        match now {
            Some(now) => {
                let there = found.owned.entry(now).or_default();
                *there = there.plus(sum);
            }
            None => found.has_nobodys = true,
        }
        // What it said before anything was marked.
        if self.whose.is_some() && before.unwrap_or(was) == self.whose {
            found.own = found.own.plus(sum);
        }
        Ok(())
    }

    /// The number that files keep which were this one's.
    fn number_for(&mut self, was: Option<Hash>) -> Result<u64, Errno> {
        if let Some((number, _)) = self.before.get(&was) {
            return Ok(*number);
        }
        let number = match self.noted.remove(&was) {
            Some(number) => number,
            None => {
                let number = random::number().map_err(|_| Errno::IO)?;
                self.write_down(number, was).map_err(|err| Errno::from_io_error(&err).unwrap_or(Errno::IO))?;
                number
            }
        };
        self.before.insert(was, (number, Sum::NONE));
        Ok(number)
    }

    fn write_down(&mut self, number: u64, was: Option<Hash>) -> io::Result<()> {
        let Some(by) = self.notes_by() else { return Ok(()) };
        match &mut self.note {
            Some(note) => note.add(number, was.as_ref())?,
            None => {
                let before = std::iter::once((number, was.as_ref()));
                self.note = Some(TakingNote::begin(self.from.stage, self.from.path, &by, before)?);
            }
        }
        Ok(())
    }

    /// Does this with a file, or with all files in a folder.
    fn each(&mut self, (dir, name): (&Dir, &[u8]), way: &Way<'_>, work: &mut OfFile<'_>) -> Result<(), Errno> {
        let kind = FileType::from_raw_mode(statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode);
        if self.before.is_empty() {
            self.folder = None;
        }
        match kind {
            FileType::RegularFile => self.walk(way, work, |one, _| one(dir.as_fd(), name)),
            FileType::Directory => {
                let folder = Arc::new(open_directory(dir, name)?);
                if self.before.is_empty() {
                    self.folder = Some(Arc::clone(&folder));
                }
                self.each_in(&folder, way, work)
            }
            _ => Ok(()),
        }
    }

    /// Does this with all files in an open folder.
    fn each_in(&mut self, folder: &Dir, way: &Way<'_>, work: &mut OfFile<'_>) -> Result<(), Errno> {
        self.walk(way, work, |one, enter| measure::each(folder, enter, &mut |level, name| one(level.fd()?, name)))
    }

    fn walk(
        &mut self,
        way: &Way<'_>,
        work: &mut OfFile<'_>,
        over: impl FnOnce(&mut OfName<'_>, &mut dyn FnMut()) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let (from, shares) = (self.from, self.shares.clone());
        // With how many files it may still be held for.
        let batch: RefCell<Option<(Batch<'_>, usize)>> = RefCell::new(None);
        let mut one = |dir: BorrowedFd<'_>, name: &[u8]| {
            if let Way::Batches(watch) = way {
                let left = batch.take().and_then(|(batch, left)| Some((batch, left.checked_sub(1)?)));
                let held = left.map_or_else(|| Ok((begin(from, &shares, watch)?, limits::MARKED_AT_ONCE - 1)), Ok);
                batch.replace(Some(held?));
            }
            match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => Ok(()),
                stat => work(self, dir, name, &stat?),
            }
        };
        over(&mut one, &mut || drop(batch.take()))
    }
}

/// Begins a batch, if all folders are where they were when they were opened.
fn begin<'a>(from: &'a End<'_>, shares: &'a [Arc<Share>], watch: &Arc<Watch>) -> Result<Batch<'a>, Errno> {
    let tree = from.jail().tree();
    #[cfg(test)]
    if let Some(work) = tree.between_batches.lock().clone() {
        work();
    }
    let turns = shares.iter().map(|share| share.turn_to_mark()).collect();
    let steady = tree.steady_to_add().map_err(|err| Errno::from_io_error(&err).unwrap_or(Errno::IO))?;
    if watch.is_moved() {
        return Err(Errno::AGAIN);
    }
    // Somebody else may be moving the same.
    tree.tell(&from.jail().full(from.path), Change::Comes, Some(watch));
    Ok(Batch { steady, turns })
}

/// What is done with a regular file: the folder it is in, its name, and what it is.
type OfFile<'a> = dyn FnMut(&mut Taking<'_>, BorrowedFd<'_>, &[u8], &Stat) -> Result<(), Errno> + 'a;

/// What is done with a regular file before anything is known of it: the folder it is in, and its name.
type OfName<'a> = dyn FnMut(BorrowedFd<'_>, &[u8]) -> Result<(), Errno> + 'a;

/// Whether a file is of this account, which may read it: whatever a user puts there is.
fn may_be_marked(stat: &Stat) -> bool {
    stat.st_uid == geteuid().as_raw() && Mode::from_raw_mode(stat.st_mode).contains(Mode::RUSR)
}
