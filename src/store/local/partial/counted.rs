//! What counts of an interrupted upload, from when it is kept until it is gone or gone on with.

use std::fs::File;
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Stat, fstat, statat};

use super::super::account::{Account, CountedBy, Sum};
use super::super::jail::Jail;
use super::super::names::sum_of_file;
use super::super::owned::Going;
use crate::files::Hash;

/// An interrupted upload as it is counted, which is taken off when this is dropped: to be made while the names of those that are kept in
/// the folder are held ([`super::super::tree::Tree::partials`]).
#[must_use]
pub(in super::super) struct Counted {
    accounts: Vec<CountedBy>,
    /// As it is counted in a folder that counts for each of those who share it.
    owned: Option<Going>,
    pub(in super::super) sum: Sum,
}

impl Counted {
    /// One that is open. Nothing if it counts nowhere.
    pub(super) fn of(jail: &Jail, file: &File) -> Option<Counted> {
        let stat = fstat(file).ok()?;
        Self::where_it_counts(jail, &stat, Going::reserved(jail, file))
    }

    /// The one of this name.
    pub(super) fn of_name(jail: &Jail, reserved: &Dir, name: &str) -> Option<Counted> {
        let stat = statat(reserved, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let counted = || Self::where_it_counts(jail, &stat, Going::reserved_as(jail, reserved, name));
        is_file.then(counted).flatten()
    }

    fn where_it_counts(jail: &Jail, stat: &Stat, owned: Option<Going>) -> Option<Counted> {
        let accounts = CountedBy::each_of(jail.accounts_of_partials());
        let counts = !accounts.is_empty() || owned.is_some();
        counts.then(|| Counted { accounts, owned, sum: sum_of_file(stat) })
    }

    /// It is where nobody who looks through anything finds it any more, and still counted.
    pub(super) fn hidden(&self) {
        self.owned.iter().for_each(Going::hidden);
    }

    /// It is gone.
    pub(in super::super) fn gone(self) {
        drop(self);
    }

    /// It counts no more for whoever shares the folder.
    pub(in super::super) fn gone_from_share(&mut self) {
        self.owned.take().into_iter().for_each(Going::gone);
    }

    /// It is gone, and the accounts have been told of it.
    pub(super) fn gone_for_owners(mut self) {
        self.accounts.clear();
    }

    /// It is what it was, and where it was.
    pub(super) fn stays(mut self) {
        self.accounts.clear();
        self.owned = None;
    }

    /// Leaves it to the caller to take it off this account, and says whether it is counted there: by a measurement that `is_last`.
    pub(in super::super) fn take_from(&mut self, account: &Arc<Account>, is_last: impl Fn(u64) -> bool) -> bool {
        let at = self.accounts.iter().position(|by| by.is_of(account));
        at.is_some_and(|at| is_last(self.accounts.remove(at).measured()))
    }

    /// Whether it is counted for this one in a folder that is shared.
    pub(in super::super) fn is_of(&self, owner: &Hash) -> bool {
        self.owned.as_ref().is_some_and(|owned| owned.is_of(owner))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.accounts.iter().for_each(|by| by.take_off(self.sum));
        self.owned.take().into_iter().for_each(Going::gone);
    }
}
