//! What is promised to uploads on their way: room that nobody else is given meanwhile.

use std::sync::Arc;

use super::super::owned::Share;
use super::super::partial::Counted;
use super::super::staging::Stage;
use super::super::trash_room;
use super::super::tree::Removing;
use super::{Account, Bound, Counts, Sum};
use crate::error::{Error, Kind, Result};
use crate::files::RelPath;
use crate::limits;
use crate::store::bounds::Promised;

/// Room kept free for one upload until this is dropped or the upload is in its place.
///
/// What is kept of interrupted uploads and what lies in the trash gives way to what comes, and to nothing that only says that it will: a
/// promise counts on it, and when all bytes are there it is claimed ([`Promise::claim`]), for which the oldest interrupted uploads go
/// first, and then the oldest of the trash. Where no more bytes come, only interrupted uploads go ([`Promise::claim_to_keep`]).
pub(in crate::store::local) struct Promise {
    bound: Arc<Bound>,
    sum: Sum,
    is_claimed: bool,
}

impl Promise {
    /// Promises so much if there is room for it.
    pub(in crate::store::local) fn of(bound: &Arc<Bound>, stage: &Stage, path: &RelPath, sum: Sum) -> Result<Self> {
        let failed = |err| Error::file(path, err);
        bound.ask(stage).map_err(failed)?;
        if let Some(share) = &bound.share {
            share.know()?;
        }
        // Also for none: those that come without having been announced are not to wait for it one by one.
        bound.know().map_err(failed)?;
        let mut promise = Promise { bound: Arc::clone(bound), sum: Sum::NONE, is_claimed: false };
        promise.raise(path, sum)?;
        Ok(promise)
    }

    /// Promises so much in all, where there is room for what was promised before as well, however it came to be promised.
    pub(in crate::store::local) fn secure(&mut self, path: &RelPath, sum: Sum) -> Result<()> {
        let more = sum.minus(self.sum);
        let bound = Arc::clone(&self.bound);
        let (mut turn, mut again, mut tries) = (None::<Removing<'_>>, true, 0);
        loop {
            let mut counts = bound.account.lock();
            let Some(files) = bound.account.there(&counts) else {
                drop(counts);
                bound.try_to_measure(path, &mut tries)?;
                continue;
            };
            let limits_now = bound.limits();
            let Some((beyond, refusal)) = limits_now.refuse(files.plus(counts.promised).plus(more)) else {
                counts.promised = counts.promised.plus(more);
                self.sum = self.sum.plus(more);
                return Ok(());
            };
            drop(counts);
            // Some more where that is there, so that what comes in pieces does not have the trash looked through for each.
            let most = bound.most_bytes().unwrap_or(0);
            let some = Sum { bytes: if beyond.bytes > 0 { most / limits::TRASH_ROOM_PART } else { 0 }, files: 0 };
            let goes_on = || turn.iter().for_each(Removing::goes_on);
            let holds = |sum: Sum| bound.may_give(beyond.plus(sum), &goes_on);
            let some = if holds(some) {
                some
            } else if some != Sum::NONE && holds(Sum::NONE) {
                Sum::NONE
            } else if turn.is_none() {
                // Somebody may have taken some of that in between, and have it counted as room by now: once more, behind them.
                turn = Some(bound.jail.tree().removing().map_err(|err| Error::file(path, err))?);
                continue;
            } else if std::mem::take(&mut again) && bound.know_again() {
                continue;
            } else {
                return Err(Error::new(Kind::Quota, path.said(refusal)));
            };
            let more = more.plus(some);
            let mut counts = bound.account.lock();
            counts.promised = counts.promised.plus(more);
            self.sum = self.sum.plus(more);
            return Ok(());
        }
    }

    /// All has come, and it is so much: what that takes goes of interrupted uploads and from the trash, so that it can be put in its
    /// place. `may_come` is asked before anything goes. May take as long as removing that does, and is for nobody who holds a lock.
    ///
    /// # Errors
    /// [`Kind::Quota`] if there is too little of that by now: then nothing of it goes; and what `may_come` says.
    pub(in crate::store::local) fn claim(
        &mut self,
        path: &RelPath,
        sum: Sum,
        may_come: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        if self.is_claimed {
            return Ok(());
        }
        self.raise(path, sum)?;
        self.lower(sum);
        let Some(_) = self.try_claim(path)? else { return Ok(()) };
        may_come()?;
        let bound = Arc::clone(&self.bound);
        let shares = bound.account.shares();
        let owner = bound.account.owner();
        // The home's own first; of what others see only what is this user's.
        let trashes = [(&*bound.jail, None)].into_iter().chain(shares.iter().map(|share| (&share.jail, Some(owner))));
        let mut refusal = String::new();
        for (jail, whose) in trashes {
            // Behind whoever removes something of it just now, whose room is here then.
            let turn = jail.tree().removing().map_err(|err| Error::file(path, err))?;
            let goes_on = || turn.goes_on();
            loop {
                let Some((beyond, why)) = self.try_claim(path)? else { return Ok(()) };
                refusal = why;
                let makes_room =
                    || bound.partials_give(beyond) > 0 || trash_room::make_room(jail, beyond, whose, &turn) > 0;
                if !bound.may_give(beyond, &goes_on) || !makes_room() {
                    break;
                }
            }
        }
        Err(Error::new(Kind::Quota, path.said(refusal)))
    }

    /// No more of it comes than these bytes, which are whole blocks: claims as many of the blocks as there is room for, and says how many
    /// bytes that is. The oldest interrupted uploads go for it, and nothing from the trash: whoever deleted that may want it back, and it
    /// is not lost to what has become no file. For nobody who holds a lock.
    ///
    /// # Errors
    /// [`Kind::Quota`] if not even what may go for a file has so much room by now.
    pub(in crate::store::local) fn claim_to_keep(&mut self, path: &RelPath, came: u64) -> Result<u64> {
        if self.is_claimed {
            return Ok(came);
        }
        self.raise(path, Sum::file(came))?;
        let mut len = came;
        loop {
            self.lower(Sum::file(len));
            let Some((beyond, _)) = self.try_claim(path)? else { return Ok(len) };
            if self.bound.partials_give(beyond) > 0 {
                continue;
            }
            let less = beyond.bytes.next_multiple_of(limits::HASH_BLOCK);
            if beyond.files > 0 || less >= len {
                return Ok(0);
            }
            len -= less;
        }
    }

    /// Claims what was promised if there is room for it without anything going for it. Else by how much it is too much, and
    /// what to say of that.
    fn try_claim(&mut self, path: &RelPath) -> Result<Option<(Sum, String)>> {
        let mut tries = 0;
        loop {
            let mut counts = self.bound.account.lock();
            let Some(files) = self.bound.account.there(&counts) else {
                drop(counts);
                self.bound.try_to_measure(path, &mut tries)?;
                continue;
            };
            let limits_now = self.bound.limits();
            let refused = limits_now.refuse(files.plus(counts.claimed).plus(self.sum));
            if refused.is_none() {
                counts.claimed = counts.claimed.plus(self.sum);
                self.is_claimed = true;
            }
            return Ok(refused.map(|(beyond, why)| (beyond, why.to_owned())));
        }
    }

    /// What was promised is in its place, over what was there before: from now on it is counted there.
    pub(in crate::store::local) fn settle(mut self, before: Sum, after: Sum) {
        let mut counts = self.bound.account.lock();
        counts.change(before, after);
        self.end(&mut counts);
        drop(counts);
        self.sum = Sum::NONE;
    }

    /// What was promised is in its place in a shared folder: so much of it came there.
    pub(in crate::store::local) fn settle_owned(mut self, after: Sum) {
        let mut counts = self.bound.account.lock();
        if let Some(share) = &self.bound.share {
            share.add(&self.bound.account.owner, after);
        }
        self.end(&mut counts);
        drop(counts);
        self.sum = Sum::NONE;
    }

    /// What was counted as an interrupted upload is promised to the one that goes on with it.
    /// At no moment is it counted twice, or its room another one's. Whether there is room for all that is promised then is for
    /// [`Promise::secure`]: others may have been promised what this one takes on.
    pub(in crate::store::local) fn take_on(&mut self, mut partial: Counted) {
        let account = &self.bound.account;
        let mut counts = account.lock();
        let is_counted = partial.take_from(account, |measured| counts.measured == measured);
        if is_counted {
            counts.change(partial.sum, Sum::NONE);
        }
        if is_counted || partial.is_of(&account.owner) {
            counts.promised = counts.promised.plus(partial.sum);
            self.sum = self.sum.plus(partial.sum);
        }
        partial.gone_from_share();
        drop(counts);
        // In whatever else it counts it is gone.
        drop(partial);
    }

    /// The shared folder that it is for.
    pub(in crate::store::local) fn share(&self) -> Option<Arc<Share>> {
        self.bound.share.clone()
    }

    fn end(&self, counts: &mut Counts) {
        counts.promised = counts.promised.minus(self.sum);
        if self.is_claimed {
            counts.claimed = counts.claimed.minus(self.sum);
        }
    }

    pub(in crate::store::local) fn is_of(&self, account: &Arc<Account>) -> bool {
        Arc::ptr_eq(&self.bound.account, account)
    }
}

impl Promised for Promise {
    fn raise(&mut self, path: &RelPath, sum: Sum) -> Result<()> {
        if self.sum.has_all_of(sum) { Ok(()) } else { self.secure(path, sum) }
    }

    fn lower(&mut self, sum: Sum) {
        let less = self.sum.minus(sum);
        let mut counts = self.bound.account.lock();
        counts.promised = counts.promised.minus(less);
        drop(counts);
        self.sum = self.sum.minus(less);
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
