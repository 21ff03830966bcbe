//! Bounds on what a home in a bucket may hold.
//!
//! What its files take is counted by a thread of its own, and nobody who changes something waits for that. Who wants to put something
//! there does, until it is known once; and where other servers change the bucket, too, when it was counted too long ago. Such a wait has
//! an end, and then it is said that the home is still being counted: never that there is room.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::engine::{Why, unavailable};
use super::ledger::{Account, Ledger, Need, State};
use super::names::Spot;
use super::object::endless;
use super::shared::Shared;
use crate::error::{Error, Kind, Result};
use crate::files::{RelPath, Usage};
use crate::limits;
use crate::machine::turns::block_in_place;
use crate::store::bounds::{Limits, Promised, Sum};
use crate::sync::MutexGuard;

/// A bound on what a home may hold.
pub(super) struct Bound {
    shared: Arc<Shared>,
    /// What the keys in it begin with.
    prefix: String,
    limits: Limits,
}

impl Bound {
    pub(super) fn new(shared: &Arc<Shared>, home: &Spot, limits: Limits) -> Result<Arc<Bound>> {
        let prefix = shared.keys.folder(home)?;
        shared.ledger.enter(&prefix);
        Ok(Arc::new(Bound { shared: shared.clone(), prefix, limits }))
    }

    /// How many bytes there are, of how many; none if they are not bounded.
    pub(super) fn usage(&self) -> Result<Option<Usage>> {
        let Some((limit, _)) = self.limits.bytes else { return Ok(None) };
        let known = self.known(Need::Show).map(drop);
        let used = self.shared.ledger.lock().account(&self.prefix).and_then(|account| account.sum());
        match (known, used) {
            // What was known before is better than nothing.
            (_, Some(used)) => Ok(Some(Usage { used: used.bytes, limit })),
            (Err(error), None) => Err(error),
            (Ok(()), None) => Ok(None),
        }
    }

    /// Waits until what is known is good enough for that: what is given back has it.
    fn known(&self, need: Need) -> Result<MutexGuard<'_, State>> {
        let (ledger, asked) = (&self.shared.ledger, Instant::now());
        let patience = self.shared.engine.patience();
        let most = if need == Need::Show { patience.min(limits::ENGINE_COUNT_SHOWN) } else { patience };
        let mut waited = None;
        let mut state = ledger.lock();
        loop {
            let gone = || Error::new(Kind::Internal, "what is counted of a home is not there");
            let account = state.account(&self.prefix).ok_or_else(gone)?;
            let judged = ledger.judge(account, need, asked);
            let is_good = judged.as_ref().is_some_and(|judged| judged.is_good);
            let is_later = judged.as_ref().is_some_and(|judged| judged.is_later);
            if is_good && !judged.is_some_and(|judged| judged.is_due) {
                return Ok(state);
            }
            let failure = waited.and_then(|number| account.failure(number));
            if let Some(error) = failure.filter(|_| !is_good) {
                return Err(error.about("what is there cannot be counted"));
            }
            if account.counting().is_none()
                && let Err(error) = self.begin(&mut state)
                && !is_good
            {
                return Err(error);
            }
            if is_good {
                return Ok(state);
            }
            let left = most.saturating_sub(asked.elapsed());
            if left.is_zero() {
                return match is_later {
                    // It is changed all the time, and each count says no more than what there can be at most.
                    true => Ok(state),
                    false => Err(unavailable("what is there is still being counted, for the quota")),
                };
            }
            let counting = state.account(&self.prefix).and_then(|account| account.counting());
            waited = counting.or(waited);
            let goes_on = |state: &mut State| match state.account(&self.prefix).and_then(|account| account.counting()) {
                None => counting.is_none() && state.is_full(),
                now => now == counting,
            };
            (state, _) = block_in_place(|| ledger.ended.wait_timeout_while(state, left, goes_on));
        }
    }

    /// Begins to count, if it can be done now.
    fn begin(&self, state: &mut State) -> Result<()> {
        let Some(number) = Ledger::begin_count(state, &self.prefix) else { return Ok(()) };
        let (shared, prefix) = (self.shared.clone(), self.prefix.clone());
        let spawned = thread::Builder::new().spawn(move || Counting { shared, prefix, number }.run());
        spawned.map(drop).map_err(|err| {
            let error = Error::file("a thread to count what is there", err);
            self.shared.ledger.gives_up(state, (&self.prefix, number), error.retold());
            error
        })
    }

    /// Has it counted if what is known will soon be too old. Waits for nothing.
    fn freshen(&self) {
        let ledger = &self.shared.ledger;
        let mut state = ledger.lock();
        let Some(account) = state.account(&self.prefix).filter(|account| account.counting().is_none()) else { return };
        let is_due = ledger.judge(account, Need::Take, Instant::now()).is_none_or(|judged| judged.is_due);
        if is_due {
            let _who_needs_it_tries_again = self.begin(&mut state);
        }
    }

    /// Does this if there is room for so much beside what is there.
    fn fit(&self, path: &RelPath, wanted: impl Fn(&Account) -> Sum, then: impl FnOnce(&mut Account)) -> Result<()> {
        let mut need = Need::Take;
        loop {
            let mut state = self.known(need).map_err(|error| error.about(path))?;
            let gone = || Error::new(Kind::Internal, path.said("what is counted of its home is not there"));
            let account = state.account(&self.prefix).ok_or_else(gone)?;
            let there = account.sum().ok_or_else(gone)?;
            match self.limits.refuse(there.plus(wanted(account))) {
                None => {
                    then(account);
                    return Ok(());
                }
                Some((_, refusal)) if need == Need::Refuse => {
                    return Err(Error::new(Kind::Quota, path.said(refusal)));
                }
                Some(_) => need = Need::Refuse,
            }
        }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        self.shared.ledger.leave(&self.prefix);
    }
}

/// A count on its way.
struct Counting {
    shared: Arc<Shared>,
    prefix: String,
    number: u64,
}

impl Counting {
    fn run(self) {
        if let Err(why) = self.count() {
            self.gives_up(why.at("its listing"));
        }
    }

    fn gives_up(&self, error: Error) {
        let ledger = &self.shared.ledger;
        ledger.gives_up(&mut ledger.lock(), (&self.prefix, self.number), error);
    }

    fn count(&self) -> Result<(), Why> {
        let (mut after, mut last, mut empty) = (None, String::new(), 0);
        loop {
            if !self.shared.ledger.asks(&self.prefix, self.number) {
                return Err(unavailable("nobody needs it").into());
            }
            let page = self.shared.engine.page(&self.prefix, true, limits::ENGINE_PAGE, after.as_deref())?;
            empty = if page.objects.is_empty() { empty + 1 } else { 0 };
            let goes_on = page.objects.iter().all(|object| {
                let is_next = object.key > last && object.key.starts_with(&self.prefix);
                last.clone_from(&object.key);
                is_next
            });
            if empty > limits::ENGINE_EMPTY_PAGES || !goes_on {
                return Err(endless().into());
            }
            self.shared.ledger.counts((&self.prefix, self.number), &page.objects, page.next.is_none());
            match page.next {
                None => return Ok(()),
                next => after = next,
            }
        }
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        // After a panic, too: nobody waits for it any more.
        self.gives_up(Error::new(Kind::Internal, "counting has ended before its end"));
    }
}

/// Room kept free for one upload until this is dropped or the upload is in its place.
pub(super) struct Promise {
    bound: Arc<Bound>,
    sum: Sum,
    is_claimed: bool,
}

impl Promise {
    /// Promises so much if there is room for it.
    pub(super) fn of(bound: &Arc<Bound>, path: &RelPath, sum: Sum) -> Result<Promise> {
        let mut promise = Promise { bound: bound.clone(), sum: Sum::NONE, is_claimed: false };
        promise.raise(path, sum)?;
        Ok(promise)
    }

    /// All has come, and it is so much: it is about to be put in its place. Others may have filled the home since it was promised.
    pub(super) fn claim(&mut self, path: &RelPath, sum: Sum) -> Result<()> {
        if self.is_claimed {
            return Ok(());
        }
        self.raise(path, sum)?;
        let all = self.sum;
        let claim = |account: &mut Account| account.claimed = account.claimed.plus(all);
        self.bound.fit(path, |account| account.claimed.plus(all), claim)?;
        self.is_claimed = true;
        Ok(())
    }

    /// It ends, in the same step as something else. To be dropped when that is done: the last of a bound locks what is known.
    pub(super) fn end(&mut self, state: &mut State) {
        self.give_back(state);
        self.sum = Sum::NONE;
    }

    fn give_back(&self, state: &mut State) {
        if let Some(account) = state.account(&self.bound.prefix) {
            account.promised = account.promised.minus(self.sum);
            if self.is_claimed {
                account.claimed = account.claimed.minus(self.sum);
            }
        }
    }

    /// More of it has come, and it will be claimed some time.
    pub(super) fn freshen(&self) {
        self.bound.freshen();
    }
}

impl Promised for Promise {
    fn raise(&mut self, path: &RelPath, sum: Sum) -> Result<()> {
        if self.sum.has_all_of(sum) {
            return Ok(());
        }
        let more = sum.minus(self.sum);
        let promise = |account: &mut Account| account.promised = account.promised.plus(more);
        self.bound.fit(path, |account| account.promised.plus(more), promise)?;
        self.sum = self.sum.plus(more);
        Ok(())
    }

    fn lower(&mut self, sum: Sum) {
        let less = self.sum.minus(sum);
        if let Some(account) = self.bound.shared.ledger.lock().account(&self.bound.prefix) {
            account.promised = account.promised.minus(less);
        }
        self.sum = self.sum.minus(less);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if self.sum != Sum::NONE {
            self.give_back(&mut self.bound.shared.ledger.lock());
        }
    }
}
