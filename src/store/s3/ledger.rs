//! What is known of homes under a quota: what their files take, and who changes them at this moment.
//!
//! A home is counted by listing it, page by page, while it is changed. So every change of a name of this process is announced before
//! anybody looks at what has the name, and settled when the storage has done it: with what was there before and what is there then. A
//! count that has passed the name by then is corrected by the difference; one that comes there later sees it. Of names that change
//! while the very page of them is asked for it is remembered what the page said of them, and that is corrected.
//!
//! Of a change that nobody knows the end of (the storage did not answer), and of two of one name at once, what there is has to be
//! counted again. Until then what is known is the most that there can be: whatever may have come is added, and nothing is taken off. By
//! that uploads are let in, and none is refused.

mod changing;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

pub(super) use self::changing::{Changing, Sweeping, done_at_once};
use super::xml::Listed;
use crate::error::Error;
use crate::limits;
use crate::store::bounds::Sum;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// What is known of all homes that somebody has a quota in, or had lately.
pub(super) struct Ledger {
    /// Nobody else changes the bucket.
    pub(super) alone: bool,
    /// How old a count may be before there is another: so long, or so many times as long as it took.
    age: (Duration, u32),
    /// For how long what is known of a home is kept when nobody is in it.
    kept: Duration,
    state: Mutex<State>,
    /// Some count has ended.
    pub(super) ended: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    /// By what their keys begin with.
    accounts: HashMap<String, Account>,
    /// Keys that are changed at this moment.
    going: HashMap<String, Going>,
    /// Those who change all keys that begin with something.
    sweeps: HashMap<u64, Sweep>,
    /// Counts on their way.
    counting: usize,
    /// Until then something may be done yet, anywhere, that the storage has not answered.
    doubt: Option<Instant>,
    next: u64,
}

#[derive(Default)]
struct Going {
    changes: usize,
    /// There were two at once.
    met: bool,
}

struct Sweep {
    prefix: String,
    /// Keys there that somebody else has changed since it began: what the listing said of them may be gone by.
    met: HashSet<String>,
    /// They are too many to be known.
    met_many: bool,
}

/// What is known of one home.
#[derive(Default)]
pub(super) struct Account {
    /// Stores that are bounded by it.
    holders: usize,
    /// Since when there are none.
    left: Option<Instant>,
    known: Option<Known>,
    /// Until then something may be done yet that the storage has not answered: only what was counted after that is certain.
    doubt: Option<Instant>,
    /// What is promised to uploads on their way.
    pub(super) promised: Sum,
    /// How much of that is claimed by those that are about to be put in their places.
    pub(super) claimed: Sum,
    count: Option<Count>,
    /// What the last count has failed with, and its number.
    failed: Option<(u64, Error)>,
    /// Changes that were going on when the last count had ended: what it has counted of each.
    late: HashMap<String, Sum>,
}

struct Known {
    /// What there is; the most that there can be, if it is stale.
    sum: Sum,
    /// When counting it began, and how long that took.
    at: Instant,
    took: Duration,
    /// It is not certain any more.
    is_stale: bool,
}

/// A count on its way.
struct Count {
    number: u64,
    begun: Instant,
    /// The key that it has come to.
    passed: String,
    sum: Sum,
    /// Keys behind that, changed since the page on its way was asked for.
    touched: HashMap<String, Touched>,
    /// Something happened meanwhile that it cannot know.
    is_stale: bool,
}

#[derive(Default)]
struct Touched {
    /// What the page said.
    counted: Option<Sum>,
    /// What is there now.
    now: Option<Sum>,
}

/// How good what is known has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Good enough to let something in.
    Take,
    /// Good enough to refuse something: others may have removed some.
    Refuse,
    /// Good enough to be shown.
    Show,
}

impl Ledger {
    pub(super) fn new(alone: bool, age: (Duration, u32), kept: Duration) -> Ledger {
        Ledger { alone, age, kept, state: Mutex::default(), ended: Condvar::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Numbers only, changed by whole steps.
        self.state.lock()
    }

    /// Somebody more is bounded by what is here.
    pub(super) fn enter(&self, prefix: &str) {
        let (mut state, now) = (self.lock(), Instant::now());
        let is_ahead = |until: &Instant| *until > now;
        let is_needed =
            |account: &Account| account.is_needed(self.kept) || account.doubt.as_ref().is_some_and(is_ahead);
        state.accounts.retain(|_, account| account.count.is_some() || is_needed(account));
        // What was not answered may have been asked for when nobody was bounded.
        let doubt = state.doubt.filter(is_ahead);
        let account =
            state.accounts.entry(prefix.to_owned()).or_insert_with(|| Account { doubt, ..Account::default() });
        account.holders += 1;
        account.left = None;
    }

    pub(super) fn leave(&self, prefix: &str) {
        if let Some(account) = self.lock().accounts.get_mut(prefix) {
            account.holders = account.holders.saturating_sub(1);
            account.left = (account.holders == 0).then(Instant::now);
        }
    }

    /// Whether somebody counts what has this key.
    pub(super) fn is_counted(&self, key: &str) -> bool {
        let state = self.lock();
        above(key).any(|prefix| state.accounts.get(prefix).is_some_and(|account| account.holders > 0))
    }

    /// Begins to count what is there, unless somebody does, or too much is being counted. The number of the count.
    pub(super) fn begin_count(state: &mut State, prefix: &str) -> Option<u64> {
        if state.is_full() {
            return None;
        }
        let account = state.accounts.get_mut(prefix).filter(|account| account.count.is_none())?;
        state.next += 1;
        state.counting += 1;
        let number = state.next;
        account.count = Some(Count {
            number,
            begun: Instant::now(),
            passed: String::new(),
            sum: Sum::NONE,
            touched: HashMap::new(),
            is_stale: false,
        });
        // What is changed at this moment is not counted yet.
        let going: Vec<String> = state.going.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
        if let Some(count) = state.accounts.get_mut(prefix).and_then(|account| account.count.as_mut()) {
            count.touched.extend(going.into_iter().map(|key| (key, Touched::default())));
        }
        Some(number)
    }

    /// The count of this number is about to ask for the next page. Whether anybody needs it.
    pub(super) fn asks(&self, prefix: &str, number: u64) -> bool {
        let mut state = self.lock();
        let State { accounts, going, .. } = &mut *state;
        let Some(account) = accounts.get_mut(prefix).filter(|account| account.is_needed(self.kept)) else {
            return false;
        };
        let Some(count) = account.count.as_mut().filter(|count| count.number == number) else { return false };
        // What is done by now the page will say.
        count.touched.retain(|key, touched| {
            touched.now = None;
            going.contains_key(key)
        });
        true
    }

    /// What the page says.
    pub(super) fn counts(&self, (prefix, number): (&str, u64), page: &[Listed], is_last: bool) {
        let mut state = self.lock();
        let State { accounts, going, counting, .. } = &mut *state;
        let Some(account) = accounts.get_mut(prefix) else { return };
        let Some(count) = account.count.as_mut().filter(|count| count.number == number) else { return };
        for listed in page {
            // A folder's marker is no file.
            let sum = if listed.key.ends_with('/') { Sum::NONE } else { Sum::file(listed.size) };
            count.sum = count.sum.plus(sum);
            if let Some(touched) = count.touched.get_mut(&listed.key) {
                touched.counted = Some(sum);
            }
        }
        if let Some(last) = page.last() {
            count.passed.clone_from(&last.key);
        }
        let Count { passed, sum, touched, .. } = count;
        touched.retain(|key, touched| {
            if !is_last && *key > *passed {
                return true;
            }
            let counted = *touched.counted.get_or_insert(Sum::NONE);
            if let Some(now) = touched.now.take() {
                *sum = sum.plus(now).minus(counted);
                touched.counted = Some(now);
            }
            going.contains_key(key)
        });
        if is_last && let Some(count) = account.count.take() {
            *counting = counting.saturating_sub(1);
            account.is_counted(count);
            self.ended.notify_all();
        }
    }

    /// That count has failed, or nobody needs it: nothing, if it has ended before.
    pub(super) fn gives_up(&self, state: &mut State, (prefix, number): (&str, u64), error: Error) {
        let State { accounts, counting, .. } = state;
        if let Some(account) = accounts.get_mut(prefix)
            && account.count.take_if(|count| count.number == number).is_some()
        {
            account.failed = Some((number, error));
            *counting = counting.saturating_sub(1);
            self.ended.notify_all();
        }
    }

    /// Whether what is known of this account is good enough for that, for somebody who asked then; and whether it is to be counted
    /// again in any case, for those who come later.
    pub(super) fn judge(&self, account: &Account, need: Need, asked: Instant) -> Option<Judged> {
        let known = account.known.as_ref()?;
        let old = known.at.elapsed();
        let most = self.age.0.max(known.took * self.age.1);
        let may_change = !self.alone || account.doubt.is_some_and(|until| known.at < until);
        let is_due = known.is_stale || may_change && old >= most;
        let is_good = match need {
            // There may be less than that: another count says.
            Need::Refuse if known.is_stale => false,
            // Nothing better is to be had.
            _ if known.at >= asked => true,
            Need::Take => !may_change || old < most * 2,
            Need::Refuse => !may_change || old < (self.age.0 / 10).max(known.took * 2),
            Need::Show => !is_due,
        };
        Some(Judged { is_good, is_due, is_later: known.at >= asked })
    }
}

/// What is to be said of what is known.
pub(super) struct Judged {
    pub(super) is_good: bool,
    pub(super) is_due: bool,
    /// It was counted after that, and nothing better has come of it.
    pub(super) is_later: bool,
}

impl State {
    /// Whether as much is being counted as may be.
    pub(super) fn is_full(&self) -> bool {
        self.counting >= limits::ENGINE_COUNTS
    }

    pub(super) fn account(&mut self, prefix: &str) -> Option<&mut Account> {
        self.accounts.get_mut(prefix)
    }

    /// Somebody is about to change this key, as part of this sweep.
    fn open(&mut self, key: &str, of: Option<u64>) {
        let State { accounts, going, sweeps, .. } = self;
        let there = going.entry(key.to_owned()).or_default();
        there.changes += 1;
        there.met |= there.changes > 1;
        for (number, sweep) in sweeps.iter_mut() {
            if of != Some(*number) && key.starts_with(&sweep.prefix) {
                sweep.meets(key);
            }
        }
        for prefix in above(key) {
            if let Some(count) = accounts.get_mut(prefix).and_then(|account| account.count.as_mut())
                && *key > *count.passed
            {
                count.touched.entry(key.to_owned()).or_default();
            }
        }
    }

    fn open_sweep(&mut self, prefix: &str) -> u64 {
        self.next += 1;
        let mut sweep = Sweep { prefix: prefix.to_owned(), met: HashSet::new(), met_many: false };
        self.going.keys().filter(|key| key.starts_with(prefix)).for_each(|key| sweep.meets(key));
        self.sweeps.insert(self.next, sweep);
        self.next
    }

    /// A change of this key, as part of this sweep, has ended: what was there before and what is there now. None: nothing has changed.
    fn close(&mut self, (key, of): (&str, Option<u64>), changed: Option<(Sum, Sum)>) {
        let met = match self.going.get_mut(key) {
            Some(going) if going.changes > 1 => {
                going.changes -= 1;
                true
            }
            _ => self.going.remove(key).is_some_and(|going| going.met),
        };
        let is_met = met || of.and_then(|number| self.sweeps.get(&number)).is_some_and(|sweep| sweep.has_met(key));
        for prefix in above(key) {
            if let Some(account) = self.accounts.get_mut(prefix) {
                match is_met {
                    false => account.change(key, changed),
                    // What was there before need not be what was seen.
                    true => account.unsure(key, changed.map_or(Sum::NONE, |(_, after)| after)),
                }
            }
        }
    }

    /// A change of this key has ended of which nobody knows the end: this may be there.
    fn close_unknown(&mut self, (key, of): (&str, Option<u64>), after: Sum) {
        self.close((key, of), None);
        self.doubt = Some(Instant::now() + limits::ENGINE_DOUBT);
        for prefix in above(key) {
            if let Some(account) = self.accounts.get_mut(prefix) {
                account.unsure(key, after);
                account.doubt = self.doubt;
            }
        }
    }
}

impl Sweep {
    /// Somebody else changes this key.
    fn meets(&mut self, key: &str) {
        match self.met.len() < limits::ENGINE_MET {
            true => drop(self.met.insert(key.to_owned())),
            false => self.met_many = true,
        }
    }

    fn has_met(&self, key: &str) -> bool {
        self.met_many || self.met.contains(key)
    }
}

impl Account {
    /// Whether somebody is bounded by it, or was a moment ago: whoever was put off and closed, as requests of HTTP do, comes back, and
    /// the next one is not to begin at the first page.
    fn is_needed(&self, kept: Duration) -> bool {
        self.holders > 0 || self.left.is_some_and(|at| at.elapsed() < kept)
    }

    pub(super) fn sum(&self) -> Option<Sum> {
        self.known.as_ref().map(|known| known.sum)
    }

    /// The number of the count on its way.
    pub(super) fn counting(&self) -> Option<u64> {
        self.count.as_ref().map(|count| count.number)
    }

    /// What the count of this number, or a later one, has failed with.
    pub(super) fn failure(&self, number: u64) -> Option<Error> {
        self.failed.as_ref().filter(|(failed, _)| *failed >= number).map(|(_, error)| error.retold())
    }

    fn change(&mut self, key: &str, changed: Option<(Sum, Sum)>) {
        let late = self.late.remove(key);
        if let Some((before, after)) = changed
            && let Some(known) = &mut self.known
        {
            known.sum = known.sum.plus(after).minus(late.unwrap_or(before));
        }
        let (Some(count), Some((before, after))) = (&mut self.count, changed) else { return };
        match count.touched.get_mut(key) {
            None => count.sum = count.sum.plus(after).minus(before),
            Some(touched) => match touched.counted {
                Some(counted) => {
                    count.sum = count.sum.plus(after).minus(counted);
                    touched.counted = Some(after);
                }
                None => touched.now = Some(after),
            },
        }
    }

    /// This may have come to be there, in the place of something or not.
    fn unsure(&mut self, key: &str, after: Sum) {
        self.late.remove(key);
        if let Some(known) = &mut self.known {
            (known.sum, known.is_stale) = (known.sum.plus(after), true);
        }
        if let Some(count) = &mut self.count {
            (count.sum, count.is_stale) = (count.sum.plus(after), true);
        }
    }

    fn is_counted(&mut self, count: Count) {
        let Count { begun, sum, touched, is_stale, .. } = count;
        self.late = touched.into_iter().map(|(key, touched)| (key, touched.counted.unwrap_or_default())).collect();
        self.known = Some(Known { sum, at: begun, took: begun.elapsed(), is_stale });
    }
}

/// What keys begin with that are of homes which this one may be in: all up to each slash.
fn above(key: &str) -> impl Iterator<Item = &str> {
    key.match_indices('/').filter_map(|(at, _)| key.get(..=at))
}

#[cfg(test)]
mod tests;
