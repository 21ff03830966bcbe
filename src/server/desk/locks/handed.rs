//! Locks that a server hands on to the next one.

use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Entry, LockToken, Locks, Scope, Terms};
use crate::auth::Users;
use crate::limits;
use crate::server::handed_on::{HandedLock, Moment};

impl Locks {
    /// Those whose time is not over, for the next server.
    pub fn to_hand_on(&self, users: &Users, moment: &Moment) -> Vec<HandedLock> {
        let held = self.now(moment.now);
        let all = held.iter().flat_map(|(place, entries)| entries.iter().map(move |entry| (place, entry)));
        let told = all.filter_map(|(place, Entry { token, terms, user, until, .. })| {
            Some(HandedLock {
                place: STANDARD.encode(place),
                token: format!("{:032x}", token.bits()),
                entry: users.get(user)?.entry_tag(),
                user: user.clone(),
                is_shared: terms.scope == Scope::Shared,
                deep: terms.deep,
                owner: terms.owner.clone(),
                lasts: terms.lasts.as_secs(),
                until: moment.seconds_of(*until),
            })
        });
        told.collect()
    }

    /// Those that the last server had, whose time is not over and whose users have the entries that they had. How many there are.
    pub fn take_over(&self, handed: Vec<HandedLock>, users: &Users, moment: &Moment) -> usize {
        let mut held = self.now(moment.now);
        for lock in handed.into_iter().take(limits::LOCKS_MAX) {
            let until = moment.at(lock.until).map(|until| until.min(moment.now + limits::LOCK_MAX));
            let token = u128::from_str_radix(&lock.token, 16).map(LockToken::from_bits);
            let (Ok(place), Ok(token), Some(until)) = (STANDARD.decode(&lock.place), token, until) else { continue };
            let is_theirs = users.get(&lock.user).is_some_and(|user| user.entry_tag() == lock.entry);
            if until <= moment.now || !is_theirs {
                continue;
            }
            let scope = if lock.is_shared { Scope::Shared } else { Scope::Exclusive };
            let lasts = Duration::from_secs(lock.lasts).min(limits::LOCK_MAX);
            let terms = Terms { scope, deep: lock.deep, owner: lock.owner, lasts };
            held.entry(place).or_default().push(Entry { token, terms, user: lock.user, until, is_waiting: false });
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        held.values().map(Vec::len).sum()
    }
}
