//! A budget of bytes for large buffers, of which everybody has a fair share and nobody waits for another.
//!
//! The budget bounds what all hold together. One *portion* (a user's, a network's) grants no more than it leaves free: alone
//! it has half of the budget, two have a third each, and a newcomer always finds something. One *account* (a connection's)
//! has in the same way no more of its portion than it leaves to the others there. Who is refused goes on with a small buffer,
//! which every connection has room for from the start: no session needs what another one holds, so none can lock up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits;

/// What all hold together, and how much that may be.
#[derive(Debug)]
pub struct Budget {
    bytes: usize,
    used: AtomicUsize,
}

/// What the connections of one user or network hold.
#[derive(Debug)]
pub struct Portion {
    budget: Arc<Budget>,
    used: AtomicUsize,
}

/// What one connection holds.
#[derive(Debug)]
pub struct Account {
    portion: Arc<Portion>,
    used: AtomicUsize,
}

/// Bytes that were granted; dropped, they are free again.
#[derive(Debug)]
pub struct Claim {
    account: Arc<Account>,
    bytes: usize,
}

/// How much of a budget is used.
pub struct BudgetUse {
    /// Bytes that are held.
    pub held: u64,
    /// Bytes that may be.
    pub all: u64,
}

impl Budget {
    /// So many bytes for all.
    pub fn new(bytes: usize) -> Arc<Budget> {
        Arc::new(Budget { bytes, used: AtomicUsize::new(0) })
    }

    /// What all hold together now, and how much that may be.
    pub fn used(&self) -> BudgetUse {
        BudgetUse { held: self.used.load(Ordering::Relaxed).min(self.bytes) as u64, all: self.bytes as u64 }
    }

    /// One more who shares it.
    pub fn portion(self: &Arc<Self>) -> Arc<Portion> {
        Arc::new(Portion { budget: self.clone(), used: AtomicUsize::new(0) })
    }
}

impl Portion {
    /// One more connection.
    pub fn account(self: &Arc<Self>) -> Arc<Account> {
        Arc::new(Account { portion: self.clone(), used: AtomicUsize::new(0) })
    }
}

impl Account {
    /// Takes so many bytes if they are this account's share.
    pub fn claim(self: &Arc<Self>, bytes: usize) -> Option<Claim> {
        // Counted first: of several who try at once too many may be refused, and never too many granted.
        let before = |used: &AtomicUsize| used.fetch_add(bytes, Ordering::Relaxed);
        let (all, portion) = (before(&self.portion.budget.used), before(&self.portion.used));
        let own = before(&self.used);
        let claim = Claim { account: self.clone(), bytes };
        self.allows(all, portion, own, bytes).then_some(claim)
    }

    /// Whether more than one buffer each way may wait for this connection: there is plenty, and some of it is this
    /// account's share.
    pub fn is_rich(&self) -> bool {
        let used = |used: &AtomicUsize| used.load(Ordering::Relaxed);
        let all = used(&self.portion.budget.used);
        let plenty = limits::BUFFERS_PLENTY.min(self.portion.budget.bytes / 2);
        all <= plenty && self.allows(all, used(&self.portion.used), used(&self.used), limits::BUFFER)
    }

    /// Whether `bytes` more are granted when so much is held by all, by the portion and by this account.
    fn allows(&self, all: usize, portion: usize, own: usize, bytes: usize) -> bool {
        let with = |held: usize| held.saturating_add(bytes);
        let Some(free) = self.portion.budget.bytes.checked_sub(with(all)) else { return false };
        let Some(left) = free.checked_sub(with(portion)) else { return false };
        with(own) <= left
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        for used in [&self.account.used, &self.account.portion.used, &self.account.portion.budget.used] {
            used.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that this account is granted, in pieces of one.
    fn take_all(account: &Arc<Account>) -> Vec<Claim> {
        std::iter::from_fn(|| account.claim(1)).collect()
    }

    #[test]
    fn one_portion_leaves_as_much_as_it_takes_however_many_connections_it_has() {
        let budget = Budget::new(1000);
        let flood = budget.portion();
        let held: Vec<_> = (0..1000).flat_map(|_| take_all(&flood.account())).collect();
        assert!((490..=500).contains(&held.len()), "{}", held.len());
        // The next one finds half of the rest, and the one after it half of what is left then.
        let second = budget.portion();
        let more: Vec<_> = (0..1000).flat_map(|_| take_all(&second.account())).collect();
        assert!((245..=255).contains(&more.len()), "{}", more.len());
        assert!(!take_all(&budget.portion().account()).is_empty());
        drop((held, more));
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
        assert_eq!(flood.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn one_connection_leaves_something_to_its_neighbours() {
        let budget = Budget::new(1200);
        let portion = budget.portion();
        let greedy = take_all(&portion.account());
        assert!((399..=401).contains(&greedy.len()), "{}", greedy.len());
        assert!(take_all(&portion.account()).len() >= 99);
    }

    #[test]
    fn what_is_refused_is_not_counted() {
        let budget = Budget::new(100);
        let account = budget.portion().account();
        assert!(account.claim(101).is_none());
        assert!(account.claim(30).is_some());
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_budget_holds_when_many_claim_at_once() {
        let budget = Budget::new(64);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let account = budget.portion().account();
                    for _ in 0..10_000 {
                        let held = [account.claim(5), account.claim(7)];
                        let granted: usize = held.iter().flatten().map(|claim| claim.bytes).sum();
                        assert!(granted <= 32);
                    }
                });
            }
        });
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_connection_is_rich_until_much_is_held() {
        let budget = Budget::new(4 * limits::BUFFERS_PLENTY);
        let portion = budget.portion();
        let account = portion.account();
        assert!(account.is_rich());
        let claim = budget.portion().account().claim(limits::BUFFERS_PLENTY + 1);
        assert!(claim.is_some() && !account.is_rich());
        drop(claim);
        assert!(account.is_rich());
    }
}
