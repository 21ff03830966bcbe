//! What is being done just now, for whoever has to wait until it is over.
//!
//! Who does something says so first, and only then looks whether it may be done; who forbids it does so first, and only then waits for those
//! who said so before. One of the two always sees the other. Nobody waits for others while being waited for: a claim is had for the
//! step of a change alone, and not while the bytes of a file come.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex};

/// All that is being done of one kind.
pub struct Claims<K> {
    held: Mutex<OpenClaims<K>>,
    /// One of them is over.
    over: Condvar,
}

struct OpenClaims<K> {
    next: u64,
    claimed: BTreeMap<u64, K>,
    /// How many wait for some of them.
    waiting: usize,
}

/// Something is being done until this is dropped.
#[must_use]
pub struct Claim<K> {
    claims: Arc<Claims<K>>,
    id: u64,
}

impl<K> Claims<K> {
    /// From now on this is being done.
    pub fn take(self: &Arc<Self>, what: K) -> Claim<K> {
        let mut held = self.held.lock();
        let id = held.next;
        held.next += 1;
        held.claimed.insert(id, what);
        Claim { claims: Arc::clone(self), id }
    }

    /// Waits for all of these that are being done by now: how long it did. None: some are not done after so long.
    pub fn wait(&self, is_waited_for: impl Fn(&K) -> bool, most: Duration) -> Option<Duration> {
        let mut held = self.held.lock();
        let of_these = held.claimed.iter().filter(|(_, what)| is_waited_for(what));
        let mut ids: Vec<u64> = of_these.map(|(id, _)| *id).collect();
        if ids.is_empty() {
            return Some(Duration::ZERO);
        }
        let begun = Instant::now();
        held.waiting += 1;
        let (mut held, _) = self.over.wait_timeout_while(held, most, |held| {
            ids.retain(|id| held.claimed.contains_key(id));
            !ids.is_empty()
        });
        held.waiting -= 1;
        ids.is_empty().then(|| begun.elapsed())
    }
}

impl<K> Default for Claims<K> {
    fn default() -> Self {
        Claims { held: Mutex::new(OpenClaims { next: 0, claimed: BTreeMap::new(), waiting: 0 }), over: Condvar::new() }
    }
}

impl<K> fmt::Debug for Claims<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").finish_non_exhaustive()
    }
}

impl<K> fmt::Debug for Claim<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("id", &self.id).finish_non_exhaustive()
    }
}

impl<K> Drop for Claim<K> {
    fn drop(&mut self) {
        let mut held = self.claims.held.lock();
        held.claimed.remove(&self.id);
        // Nearly always nobody does: then nobody need be woken.
        if held.waiting > 0 {
            self.claims.over.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_was_begun_before_is_waited_for_and_nothing_else() {
        let claims = Arc::<Claims<u8>>::default();
        let (one, other) = (claims.take(1), claims.take(2));
        assert_eq!(claims.wait(|what| *what == 3, Duration::ZERO), Some(Duration::ZERO));
        assert_eq!(claims.wait(|what| *what == 1, Duration::ZERO), None, "it is not done yet");
        drop(other);
        assert_eq!(claims.wait(|what| *what == 2, Duration::ZERO), Some(Duration::ZERO));
        let waiting = {
            let claims = Arc::clone(&claims);
            thread::spawn(move || claims.wait(|what| *what == 1, LONG))
        };
        drop(one);
        assert!(waiting.join().unwrap().is_some());
    }
}
