//! What the files below a folder take, to the byte and the file, whoever changes them: the ground a quota stands on.
//!
//! A folder is measured once, while nobody changes a name in the tree. From then on every store of the tree adds to its
//! account what it puts there and takes off what it replaces and removes, in the same step as it does so. Counted
//! are the regular files in their places, those that were deleted or replaced and are kept among them; and, while uploads are on their way, the bytes that were promised to them. So no
//! number of uploads side by side is ever over a bound; and a file that replaces another needs room beside it, as
//! on any disk. Interrupted uploads are not counted, so nobody keeps any where an account is, with or without a bound of
//! their own, and what was kept before goes when the folder is measured. What other programs put into the folder is seen when it is measured the next time: when the first
//! session after a time without one writes.

use std::cell::Cell;
use std::io;
use std::sync::{Arc, OnceLock};

use super::capabilities::Capabilities;
use super::jail::Jail;
use super::staging::Stage;
use super::{measure, sweep, trash};
use crate::error::{Error, Kind, Result};
use crate::files::{RelPath, Removed, Usage};
use crate::limits;
use crate::sync::{Mutex, MutexGuard};

/// So many bytes in so many files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Sum {
    pub(super) bytes: u64,
    pub(super) files: u64,
}

impl Sum {
    pub(super) const NONE: Sum = Sum { bytes: 0, files: 0 };

    /// One file of so many bytes.
    pub(super) const fn file(bytes: u64) -> Sum {
        Sum { bytes, files: 1 }
    }

    pub(super) fn plus(self, more: Sum) -> Sum {
        Sum { bytes: self.bytes.saturating_add(more.bytes), files: self.files.saturating_add(more.files) }
    }

    pub(super) fn minus(self, less: Sum) -> Sum {
        Sum { bytes: self.bytes.saturating_sub(less.bytes), files: self.files.saturating_sub(less.files) }
    }

    pub(super) fn has_all_of(self, other: Sum) -> bool {
        self.bytes >= other.bytes && self.files >= other.files
    }
}

/// What one folder of a tree holds.
pub(super) struct Account {
    /// Where the folder is, from the tree's beginning.
    folder: Vec<u8>,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    /// The files in their places. `None` until they are measured, and when they must be measured again.
    files: Option<Sum>,
    /// How often they were measured.
    measured: u64,
    /// What is promised to uploads on their way.
    promised: Sum,
    /// How much of that is claimed by those that are about to be put in their places.
    claimed: Sum,
}

impl Account {
    pub(super) fn of(folder: &[u8]) -> Self {
        Account { folder: folder.to_vec(), counts: Mutex::default() }
    }

    pub(super) fn folder(&self) -> &[u8] {
        &self.folder
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Numbers only: a panic elsewhere cannot have left them half-changed.
        self.counts.lock()
    }

    /// Some of the files were replaced by others, or came, or went.
    pub(super) fn change(&self, before: Sum, after: Sum) {
        self.lock().change(before, after);
    }

    /// Whether it is known what there is.
    pub(super) fn is_measured(&self) -> bool {
        self.lock().files.is_some()
    }

    /// It is not known any more what there is.
    pub(super) fn forget(&self) {
        self.lock().files = None;
    }
}

impl Counts {
    fn change(&mut self, before: Sum, after: Sum) {
        self.files = self.files.map(|files| files.plus(after).minus(before));
    }
}

/// Accounts that still count a tree which is being removed and has no name any more.
pub(super) struct Leaving {
    /// Each with the measurement that it knows of.
    accounts: Vec<(Arc<Account>, u64)>,
    files: Cell<u64>,
    folders: Cell<u64>,
}

impl Leaving {
    pub(super) fn of(accounts: Vec<Arc<Account>>) -> Self {
        let measured = |account: Arc<Account>| {
            let counts = account.lock();
            let known = counts.files.map(|_| counts.measured);
            drop(counts);
            known.map(|measured| (account, measured))
        };
        let accounts = accounts.into_iter().filter_map(measured).collect();
        Leaving { accounts, files: Cell::new(0), folders: Cell::new(0) }
    }

    /// Whether there is anybody to be told.
    pub(super) fn count(&self) -> bool {
        !self.accounts.is_empty()
    }

    /// A file of it is gone, or what else is no folder.
    pub(super) fn one_file(&self) {
        self.files.set(self.files.get() + 1);
    }

    /// A folder of it is gone.
    pub(super) fn one_folder(&self) {
        self.folders.set(self.folders.get() + 1);
    }

    /// What is gone so far.
    pub(super) fn removed(&self) -> Removed {
        Removed::new(self.files.get(), self.folders.get())
    }

    /// So much is gone. Whoever has measured since has not counted it.
    pub(super) fn gone(&self, some: Sum) {
        for (account, measured) in &self.accounts {
            let mut counts = account.lock();
            if counts.measured == *measured {
                counts.change(some, Sum::NONE);
            }
        }
    }

    /// What is left of the tree is in its place no more.
    pub(super) fn lost(&self) {
        self.accounts.iter().for_each(|(account, _)| account.forget());
    }
}

/// A bound on what a folder may hold.
pub(super) struct Bound {
    jail: Arc<Jail>,
    pub(super) account: Arc<Account>,
    limits: Limits,
    /// What the file system of the folder can do, once it was asked.
    can: OnceLock<Capabilities>,
}

/// The most that a folder may hold, and how to say that it is used up.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Bytes.
    pub bytes: Option<(u64, String)>,
    /// Files.
    pub files: Option<(u64, String)>,
}

impl Limits {
    /// Why there may not be so much.
    fn refuse(&self, wanted: Sum) -> Option<(Sum, &str)> {
        let over = |limit: &Option<(u64, String)>, wanted: u64| limit.as_ref().is_some_and(|(most, _)| wanted > *most);
        let beyond = |limit: &Option<(u64, String)>, wanted: u64| {
            limit.as_ref().map_or(0, |(most, _)| wanted.saturating_sub(*most))
        };
        let beyond = Sum { bytes: beyond(&self.bytes, wanted.bytes), files: beyond(&self.files, wanted.files) };
        let refusal = if over(&self.bytes, wanted.bytes) { &self.bytes } else { &self.files };
        let is_over = over(&self.bytes, wanted.bytes) || over(&self.files, wanted.files);
        refusal.as_ref().filter(|_| is_over).map(|(_, refusal)| (beyond, refusal.as_str()))
    }
}

/// Room kept free for one upload until this is dropped or the upload is in its place.
///
/// What lies in the trash gives way to what comes, and to nothing that only says that it will: a promise counts on it, and when all
/// bytes are there it is claimed ([`Promise::claim`]), for which the oldest of the trash goes.
pub(super) struct Promise {
    bound: Arc<Bound>,
    sum: Sum,
    is_claimed: bool,
}

impl Promise {
    /// Promises so much if there is room for it.
    pub(super) fn of(bound: &Arc<Bound>, stage: &Stage, path: &RelPath, sum: Sum) -> Result<Self> {
        let failed = |err| Error::file(path, err);
        if bound.can.get().is_none() {
            let can = bound.jail.root().and_then(|root| stage.can(&root)).map_err(failed)?;
            let _is_the_same = bound.can.set(can);
        }
        // Also for none: those that come without having been announced are not to wait for it one by one.
        if !bound.account.is_measured() {
            bound.measure().map_err(failed)?;
        }
        let mut promise = Promise { bound: Arc::clone(bound), sum: Sum::NONE, is_claimed: false };
        promise.raise(path, sum)?;
        Ok(promise)
    }

    /// Promises so much in all.
    pub(super) fn raise(&mut self, path: &RelPath, sum: Sum) -> Result<()> {
        if self.sum.has_all_of(sum) {
            return Ok(());
        }
        let more = sum.minus(self.sum);
        let bound = Arc::clone(&self.bound);
        let mut turn = None;
        loop {
            let mut counts = bound.account.lock();
            let Some(files) = counts.files else {
                drop(counts);
                bound.measure().map_err(|err| Error::file(path, err))?;
                continue;
            };
            let Some((beyond, refusal)) = bound.limits.refuse(files.plus(counts.promised).plus(more)) else {
                counts.promised = counts.promised.plus(more);
                self.sum = self.sum.plus(more);
                return Ok(());
            };
            drop(counts);
            // Some more where that is there, so that what comes in pieces does not have the trash looked through for each.
            let most = bound.limits.bytes.as_ref().map_or(0, |(most, _)| *most);
            let some = Sum { bytes: if beyond.bytes > 0 { most / limits::TRASH_ROOM_PART } else { 0 }, files: 0 };
            let holds = |sum: Sum| trash::holds(&bound.jail, beyond.plus(sum));
            let some = if holds(some) {
                some
            } else if some != Sum::NONE && holds(Sum::NONE) {
                Sum::NONE
            } else if turn.is_none() {
                // Somebody may have taken some of the trash in between, and have it counted as room by now: once more, behind them.
                turn = Some(bound.jail.tree().removing());
                continue;
            } else {
                return Err(Error::new(Kind::Quota, format!("{path}: {refusal}")));
            };
            let more = more.plus(some);
            let mut counts = bound.account.lock();
            counts.promised = counts.promised.plus(more);
            self.sum = self.sum.plus(more);
            return Ok(());
        }
    }

    /// All has come, and it is so much: what that takes goes from the trash, so that it can be put in its place. `may_come` is asked
    /// before anything goes. May take as long as removing that does, and is for nobody who holds a lock.
    ///
    /// # Errors
    /// [`Kind::Quota`] if the trash holds too little by now: then nothing goes from it; and what `may_come` says.
    pub(super) fn claim(&mut self, path: &RelPath, sum: Sum, may_come: impl FnOnce() -> Result<()>) -> Result<()> {
        if self.is_claimed {
            return Ok(());
        }
        self.raise(path, sum)?;
        self.lower(sum);
        let Some(_) = self.try_claim(path)? else { return Ok(()) };
        may_come()?;
        // Behind whoever removes something of it just now, whose room is here then.
        let bound = Arc::clone(&self.bound);
        let _turn = bound.jail.tree().removing();
        while let Some((beyond, refusal)) = self.try_claim(path)? {
            if !trash::holds(&bound.jail, beyond) || trash::make_room(&bound.jail, beyond) == 0 {
                return Err(Error::new(Kind::Quota, format!("{path}: {refusal}")));
            }
        }
        Ok(())
    }

    /// Claims what was promised if there is room for it without anything going from the trash. Else by how much it is too much, and
    /// what to say of that.
    fn try_claim(&mut self, path: &RelPath) -> Result<Option<(Sum, String)>> {
        loop {
            let mut counts = self.bound.account.lock();
            let Some(files) = counts.files else {
                drop(counts);
                self.bound.measure().map_err(|err| Error::file(path, err))?;
                continue;
            };
            let refused = self.bound.limits.refuse(files.plus(counts.claimed).plus(self.sum));
            if refused.is_none() {
                counts.claimed = counts.claimed.plus(self.sum);
                self.is_claimed = true;
            }
            return Ok(refused.map(|(beyond, why)| (beyond, why.to_owned())));
        }
    }

    /// Promises no more than this.
    fn lower(&mut self, sum: Sum) {
        let less = self.sum.minus(sum);
        let mut counts = self.bound.account.lock();
        counts.promised = counts.promised.minus(less);
        drop(counts);
        self.sum = self.sum.minus(less);
    }

    /// What was promised is in its place, over what was there before: from now on it is counted there.
    pub(super) fn settle(mut self, before: Sum, after: Sum) {
        let mut counts = self.bound.account.lock();
        counts.change(before, after);
        self.end(&mut counts);
        drop(counts);
        self.sum = Sum::NONE;
    }

    fn end(&self, counts: &mut Counts) {
        counts.promised = counts.promised.minus(self.sum);
        if self.is_claimed {
            counts.claimed = counts.claimed.minus(self.sum);
        }
    }

    pub(super) fn is_of(&self, account: &Arc<Account>) -> bool {
        Arc::ptr_eq(&self.bound.account, account)
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if self.sum != Sum::NONE {
            let mut counts = self.bound.account.lock();
            self.end(&mut counts);
        }
    }
}

impl Bound {
    pub(super) fn new(jail: &Arc<Jail>, limits: Limits) -> Self {
        let account = jail.tree().account(&jail.place().folder);
        Bound { jail: Arc::clone(jail), account, limits, can: OnceLock::new() }
    }

    /// How many bytes there are, of how many; none if they are not bounded.
    pub(super) fn usage(self: &Arc<Self>) -> Result<Option<Usage>> {
        let Some((limit, _)) = self.limits.bytes else { return Ok(None) };
        loop {
            if let Some(used) = self.account.lock().files {
                return Ok(Some(Usage { used: used.bytes, limit }));
            }
            self.measure().map_err(|err| Error::file(RelPath::root(), err))?;
        }
    }

    /// Whether little is left, so that what is kept in the trash may have to be looked at.
    pub(super) fn is_nearly_full(&self) -> bool {
        let counts = self.account.lock();
        let there = counts.files.unwrap_or_default().plus(counts.promised);
        let is_near = |most: u64, there: u64| there > most - most / limits::TRASH_ROOM_PART;
        let bytes = self.limits.bytes.as_ref().is_some_and(|(most, _)| is_near(*most, there.bytes));
        bytes || self.limits.files.as_ref().is_some_and(|(most, _)| is_near(*most, there.files))
    }

    /// Measures what there is, while nobody changes it, and clears away what is not counted.
    fn measure(&self) -> io::Result<()> {
        let _alone = self.jail.tree().alone();
        if self.account.lock().files.is_some() {
            return Ok(());
        }
        let files = measure::sum(&*self.jail.root()?, &mut |reserved| {
            // What cannot be read there was not put there by us.
            let _ = sweep::clear(self.can.get().copied(), reserved);
        })?;
        let mut counts = self.account.lock();
        counts.files = Some(files);
        counts.measured += 1;
        Ok(())
    }
}
