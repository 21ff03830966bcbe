//! What is kept of interrupted uploads gives way: in the home, and in the shared folders where it counts for the home.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::partial_room;
use super::{Account, Bound, Limits, Sum};

impl Account {
    /// How often those shared folders were looked through of which something counts here.
    fn looks(&self) -> u64 {
        self.shares().iter().map(|share| share.looks()).sum()
    }
}

impl Bound {
    /// The limits of now.
    pub(in crate::store::local) fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits.read())
    }

    /// How many bytes there may be, if they are bounded.
    pub(super) fn most_bytes(&self) -> Option<u64> {
        self.limits.read().bytes.as_ref().map(|(most, _)| *most)
    }

    /// These limits hold from now on, for what is promised already, too.
    #[cfg(feature = "server")]
    pub(in crate::store::local) fn set_limits(&self, limits: Limits) {
        self.account.lock().limits = limits.clone();
        *self.limits.write() = Arc::new(limits);
    }

    /// Whether a shared folder was looked through since what is over the bound was taken away: there may be more in it than whoever looked
    /// was asked for.
    pub(in crate::store::local) fn has_news(&self) -> bool {
        self.account.looks() != self.account.settled.load(Ordering::Acquire)
    }

    /// Takes away of interrupted uploads what is over the bound: what came of an upload that a killed server was at may have been
    /// promised the room of what is in the trash.
    pub(super) fn give_way(&self) {
        let looks = self.account.looks();
        let counts = self.account.lock();
        let there = self.account.there(&counts).unwrap_or_default();
        drop(counts);
        if let Some((beyond, _)) = self.limits().refuse(there) {
            self.partials_give(beyond);
        }
        self.account.settled.store(looks, Ordering::Release);
    }

    /// Removes the oldest of all interrupted uploads that count here until so much is gone, for nobody who holds a lock of a tree. Says
    /// how many went. Of what others see only what is of this home.
    pub(super) fn partials_give(&self, room: Sum) -> usize {
        let shares = self.account.shares();
        let owner = Some(self.account.owner());
        let home = std::iter::once((&*self.jail, None));
        let folders: Vec<_> = home.chain(shares.iter().map(|share| (&share.jail, owner))).collect();
        partial_room::make_room(&folders, room)
    }
}
