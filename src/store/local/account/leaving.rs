//! What is counted of a tree while it goes.

use std::cell::Cell;
use std::os::fd::AsFd;
use std::sync::Arc;

use super::super::owned::{self, Share};
use super::{Account, CountedBy, Sum};
use crate::files::{Hash, Removed};

/// Accounts that still count a tree which is being removed and has no name any more.
pub(in crate::store::local) struct Leaving<'a> {
    accounts: Vec<CountedBy>,
    /// Folders that still count it for each who shares them.
    shares: Vec<(Arc<Share>, u64)>,
    files: Cell<u64>,
    folders: Cell<u64>,
    /// Called for whatever is met.
    goes_on: &'a dyn Fn(),
}

/// What still counts a tree between two steps of its removal, whoever takes them.
#[derive(Default)]
pub(in crate::store::local) struct Paused {
    accounts: Vec<CountedBy>,
    shares: Vec<(Arc<Share>, u64)>,
    removed: Removed,
}

impl Paused {
    /// It goes on.
    pub(in crate::store::local) fn go_on(self) -> Leaving<'static> {
        let Paused { accounts, shares, removed } = self;
        Leaving {
            accounts,
            shares,
            files: Cell::new(removed.files),
            folders: Cell::new(removed.folders),
            goes_on: &|| {},
        }
    }

    /// What is gone so far.
    pub(in crate::store::local) fn removed(&self) -> Removed {
        self.removed
    }
}

impl<'a> Leaving<'a> {
    pub(in crate::store::local) fn of(accounts: Vec<Arc<Account>>, shares: Vec<Arc<Share>>) -> Self {
        let accounts = CountedBy::each_of(accounts);
        let looked = |share: Arc<Share>| {
            let look = share.looks();
            (share, look)
        };
        let shares = shares.into_iter().map(looked).collect();
        Leaving { accounts, shares, files: Cell::new(0), folders: Cell::new(0), goes_on: &|| {} }
    }

    /// What is left of it to go on with later.
    pub(in crate::store::local) fn pause(self) -> Paused {
        let removed = self.removed();
        Paused { accounts: self.accounts, shares: self.shares, removed }
    }

    /// This, which has somebody told for each file and folder that removing it goes on.
    pub(in crate::store::local) fn telling(self, goes_on: &'a dyn Fn()) -> Self {
        Leaving { goes_on, ..self }
    }

    /// It goes on.
    pub(in crate::store::local) fn goes_on(&self) {
        (self.goes_on)();
    }

    /// One that nobody is to be told of.
    pub(in crate::store::local) fn none() -> Self {
        Leaving::of(Vec::new(), Vec::new())
    }

    /// Whose this file is, if that matters: to be asked before it is gone.
    pub(in crate::store::local) fn owner_of(&self, dir: impl AsFd, name: &[u8]) -> Option<Hash> {
        // Where nobody has a quota a file need not be opened to be removed.
        if !owned::counts(&self.shares) {
            return None;
        }
        let owner = owned::known_owner_of(dir, name);
        if owner.is_err() {
            self.shares.iter().for_each(|(share, _)| share.forget());
        }
        owner.ok().flatten()
    }

    /// Whether there is anybody to be told.
    pub(in crate::store::local) fn count(&self) -> bool {
        !self.accounts.is_empty() || !self.shares.is_empty()
    }

    /// A file of it is gone, or what else is no folder.
    pub(in crate::store::local) fn one_file(&self) {
        self.files.set(self.files.get() + 1);
    }

    /// A folder of it is gone.
    pub(in crate::store::local) fn one_folder(&self) {
        self.folders.set(self.folders.get() + 1);
    }

    /// All of it is where nobody who looks through anything finds it any more.
    pub(in crate::store::local) fn hidden(&self) {
        self.shares.iter().for_each(|(share, _)| share.touch());
    }

    /// What is gone so far.
    pub(in crate::store::local) fn removed(&self) -> Removed {
        Removed::new(self.files.get(), self.folders.get())
    }

    /// So much is gone. Whoever has measured since has not counted it.
    pub(in crate::store::local) fn gone(&self, some: Sum, owner: Option<Hash>) {
        if let Some(owner) = owner {
            self.shares.iter().for_each(|(share, look)| share.take_off_hidden(*look, &owner, some));
        }
        self.accounts.iter().for_each(|by| by.take_off(some));
    }

    /// What is left of the tree is in its place no more.
    pub(in crate::store::local) fn lost(&self) {
        self.accounts.iter().for_each(|by| by.account.forget());
        self.shares.iter().for_each(|(share, _)| share.forget());
    }
}
