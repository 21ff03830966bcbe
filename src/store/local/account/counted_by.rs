//! By which measurement something is counted.

use std::sync::Arc;

use super::{Account, Sum};

/// An account that counts something, and the measurement by which it does.
pub(in crate::store::local) struct CountedBy {
    pub(super) account: Arc<Account>,
    measured: u64,
}

impl Account {
    /// Counts what a killed server left of an upload and is to be kept, if there is room for it: whoever has counted before may have found
    /// its room free. Says whether it may be kept.
    pub(in crate::store::local) fn take_in(&self, sum: Sum) -> bool {
        let mut counts = self.lock();
        if let Some(there) = self.there(&counts) {
            if counts.limits.refuse(there.plus(counts.claimed).plus(sum)).is_some() {
                return false;
            }
            counts.change(Sum::NONE, sum);
        } else {
            // It is counted with the rest.
            counts.files = None;
        }
        true
    }
}

impl CountedBy {
    /// Those of these accounts that know what there is.
    pub(in crate::store::local) fn each_of(accounts: Vec<Arc<Account>>) -> Vec<CountedBy> {
        let measured = |account: Arc<Account>| {
            let counts = account.lock();
            let known = counts.files.map(|_| counts.measured);
            drop(counts);
            known.map(|measured| CountedBy { account, measured })
        };
        accounts.into_iter().filter_map(measured).collect()
    }

    /// So much is gone. Whoever has measured since has not counted it.
    pub(in crate::store::local) fn take_off(&self, sum: Sum) {
        let mut counts = self.account.lock();
        if counts.measured == self.measured {
            counts.change(sum, Sum::NONE);
        }
    }

    pub(in crate::store::local) fn is_of(&self, account: &Arc<Account>) -> bool {
        Arc::ptr_eq(&self.account, account)
    }

    pub(in crate::store::local) fn measured(&self) -> u64 {
        self.measured
    }
}
