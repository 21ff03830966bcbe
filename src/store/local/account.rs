//! What the files below a folder take, to the byte, whoever changes them: the ground a quota stands on.
//!
//! A folder is measured once, while nobody changes a name in the tree. From then on every store of the tree adds to its
//! account what it puts there and takes off what it replaces and removes, in the same step as it does so. Counted
//! are the regular files in their places; and, while uploads are on their way, the bytes that were promised to them. So no
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
use super::{measure, sweep};
use crate::error::{Error, Kind, Result};
use crate::files::{RelPath, Removed, Usage};
use crate::sync::{Mutex, MutexGuard};

/// What one folder of a tree holds.
pub(super) struct Account {
    /// Where the folder is, from the tree's beginning.
    folder: Vec<u8>,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Bytes of the files in their places. `None` until they are measured, and when they must be measured again.
    files: Option<u64>,
    /// How often they were measured.
    measured: u64,
    /// Bytes promised to uploads on their way.
    promised: u64,
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
    pub(super) fn change(&self, before: u64, after: u64) {
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
    fn change(&mut self, before: u64, after: u64) {
        self.files = self.files.map(|files| files.saturating_add(after).saturating_sub(before));
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

    /// So many bytes are gone. Whoever has measured since has not counted them.
    pub(super) fn gone(&self, bytes: u64) {
        for (account, measured) in &self.accounts {
            let mut counts = account.lock();
            if counts.measured == *measured {
                counts.change(bytes, 0);
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
    /// The most bytes.
    limit: u64,
    /// How to say that they are used up.
    refusal: String,
    /// What the file system of the folder can do, once it was asked.
    can: OnceLock<Capabilities>,
}

/// Bytes kept free for one upload until this is dropped or the upload is in its place.
pub(super) struct Promise {
    bound: Arc<Bound>,
    bytes: u64,
}

impl Promise {
    /// Promises these bytes to an upload if there is room for them.
    pub(super) fn of(bound: &Arc<Bound>, stage: &Stage, path: &RelPath, bytes: u64) -> Result<Self> {
        let failed = |err| Error::file(path, err);
        if bound.can.get().is_none() {
            let can = bound.jail.root().and_then(|root| stage.can(&root)).map_err(failed)?;
            let _is_the_same = bound.can.set(can);
        }
        // Also for none: those that come without having been announced are not to wait for it one by one.
        if !bound.account.is_measured() {
            bound.measure().map_err(failed)?;
        }
        let mut promise = Promise { bound: Arc::clone(bound), bytes: 0 };
        promise.raise(path, bytes)?;
        Ok(promise)
    }

    /// Promises so many in all.
    pub(super) fn raise(&mut self, path: &RelPath, bytes: u64) -> Result<()> {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let bound = Arc::clone(&self.bound);
        loop {
            let mut counts = bound.account.lock();
            let Some(files) = counts.files else {
                drop(counts);
                bound.measure().map_err(|err| Error::file(path, err))?;
                continue;
            };
            if files.saturating_add(counts.promised).saturating_add(more) > bound.limit {
                return Err(Error::new(Kind::Quota, format!("{path}: {}", bound.refusal)));
            }
            counts.promised += more;
            self.bytes = bytes;
            return Ok(());
        }
    }

    /// The upload is in its place, over a file of `before` bytes: from now on its bytes are counted there.
    pub(super) fn settle(mut self, before: u64, after: u64) {
        let mut counts = self.bound.account.lock();
        counts.change(before, after);
        counts.promised = counts.promised.saturating_sub(self.bytes);
        drop(counts);
        self.bytes = 0;
    }

    pub(super) fn is_of(&self, account: &Arc<Account>) -> bool {
        Arc::ptr_eq(&self.bound.account, account)
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if self.bytes > 0 {
            let mut counts = self.bound.account.lock();
            counts.promised = counts.promised.saturating_sub(self.bytes);
        }
    }
}

impl Bound {
    pub(super) fn new(jail: &Arc<Jail>, limit: u64, refusal: String) -> Self {
        let account = jail.tree().account(&jail.place().folder);
        Bound { jail: Arc::clone(jail), account, limit, refusal, can: OnceLock::new() }
    }

    /// What there is, of how much.
    pub(super) fn usage(self: &Arc<Self>) -> Result<Usage> {
        loop {
            if let Some(used) = self.account.lock().files {
                return Ok(Usage { used, limit: self.limit });
            }
            self.measure().map_err(|err| Error::file(RelPath::root(), err))?;
        }
    }

    /// Measures what there is, while nobody changes it, and clears away what is not counted.
    fn measure(&self) -> io::Result<()> {
        let _alone = self.jail.tree().alone();
        if self.account.lock().files.is_some() {
            return Ok(());
        }
        let files = measure::bytes(&*self.jail.root()?, |reserved| {
            // What cannot be read there was not put there by us.
            let _ = sweep::clear(self.can.get().copied(), reserved);
        })?;
        let mut counts = self.account.lock();
        counts.files = Some(files);
        counts.measured += 1;
        Ok(())
    }
}
