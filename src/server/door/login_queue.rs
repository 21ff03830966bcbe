//! Whose password is checked next. Each check takes its memory and a core for tens of milliseconds, so there are so many
//! permits, and who waits for one waits behind those of the same source: guessing with a thousand connections delays
//! whoever guesses.

use std::sync::Arc;

use futures::channel::oneshot::{Receiver, Sender, channel};

use crate::limits;
use crate::machine::fair_queue::FairQueue;
use crate::machine::source::Source;
use crate::sync::{Mutex, MutexGuard};

/// The permits, and who waits for them.
pub struct LoginQueue {
    permits: usize,
    state: Mutex<State>,
}

struct State {
    /// More than none only while nobody waits.
    free: usize,
    waiting: FairQueue<Sender<Permit>>,
}

/// The right to check one password; given to the next when it is dropped.
pub struct Permit(Arc<LoginQueue>);

/// What somebody gets at once.
enum Entered {
    Permit,
    Place(Receiver<Permit>),
    Nothing,
}

/// How many logins are under way.
pub struct LoginLoad {
    /// Those whose password is checked now.
    pub checked: u64,
    /// Those that wait for that.
    pub waiting: u64,
}

impl LoginQueue {
    /// With so many permits.
    pub fn new(permits: usize) -> Arc<Self> {
        Arc::new(LoginQueue { permits, state: Mutex::new(State { free: permits, waiting: FairQueue::new() }) })
    }

    /// Waits for a permit. None if the queue is full, or becomes full and its place goes to a source with less in it.
    pub async fn turn(self: &Arc<Self>, source: &Source) -> Option<Permit> {
        let entered = self.lock().enter(source);
        match entered {
            Entered::Permit => Some(Permit(self.clone())),
            Entered::Place(turn) => turn.await.ok(),
            Entered::Nothing => None,
        }
    }

    /// How many permits are out, and how many wait for one.
    pub fn load(&self) -> LoginLoad {
        let state = self.lock();
        LoginLoad { checked: self.permits.saturating_sub(state.free) as u64, waiting: state.waiting.len() as u64 }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is whole: a panic elsewhere cannot have left it half-done.
        self.state.lock()
    }
}

impl State {
    fn enter(&mut self, source: &Source) -> Entered {
        if let Some(less) = self.free.checked_sub(1) {
            self.free = less;
            return Entered::Permit;
        }
        let full = |state: &State| state.waiting.len() >= limits::LOGIN_QUEUE_MAX;
        let much = |state: &State| state.waiting.of_source(source) >= limits::LOGIN_QUEUE_PER_SOURCE;
        if full(self) || much(self) {
            // Who has left or waited too long holds nobody up.
            self.waiting.retain(|waiter| !waiter.is_canceled());
        }
        if much(self) || full(self) && self.waiting.take_from_largest(source).is_none() {
            return Entered::Nothing;
        }
        let (waiter, turn) = channel();
        self.waiting.push(source.clone(), waiter);
        Entered::Place(turn)
    }

    /// The next one; if there is none, the permit is free.
    fn next(&mut self) -> Option<Sender<Permit>> {
        while let Some((_, waiter)) = self.waiting.pop(|_| true) {
            if !waiter.is_canceled() {
                return Some(waiter);
            }
        }
        self.free += 1;
        None
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let next = self.0.lock().next();
        if let Some(next) = next {
            // If it has left at this very moment, the permit comes back, is dropped, and goes to the one after it.
            drop(next.send(Permit(self.0.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use futures::FutureExt as _;

    use super::*;

    fn from(n: u8) -> Source {
        Source::from(IpAddr::from([192, 0, 2, n]))
    }

    fn place(queue: &Arc<LoginQueue>, n: u8) -> Option<Receiver<Permit>> {
        match queue.lock().enter(&from(n)) {
            Entered::Place(place) => Some(place),
            Entered::Permit => panic!("a permit was free"),
            Entered::Nothing => None,
        }
    }

    #[test]
    fn a_source_waits_behind_itself_alone() {
        let queue = LoginQueue::new(1);
        let first = queue.turn(&from(1)).now_or_never().flatten().unwrap();
        let guesses: Vec<_> = (0..100).map(|_| place(&queue, 1).unwrap()).collect();
        let mut honest = place(&queue, 2).unwrap();
        drop(first);
        let second = guesses.into_iter().next().unwrap().now_or_never().unwrap().unwrap();
        assert!(honest.try_recv().unwrap().is_none());
        drop(second);
        assert!(honest.try_recv().unwrap().is_some(), "after one of the others");
    }

    #[test]
    fn a_newcomer_finds_a_place_and_the_largest_source_loses_its_newest() {
        let queue = LoginQueue::new(1);
        let first = queue.turn(&from(1)).now_or_never().flatten().unwrap();
        let each = limits::LOGIN_QUEUE_PER_SOURCE;
        let sources = u8::try_from(limits::LOGIN_QUEUE_MAX / each).unwrap();
        let mut places: Vec<_> =
            (1..=sources).flat_map(|n| (0..each).map(move |_| n)).map(|n| place(&queue, n)).collect();
        assert!(places.iter().all(Option::is_some));
        assert!(place(&queue, 1).is_none(), "no source has more than its bound");
        let newcomers: Vec<_> = (100..200).map(|n| place(&queue, n).unwrap()).collect();
        let lost = places.iter_mut().flatten().filter_map(|place| place.try_recv().is_err().then_some(())).count();
        assert_eq!((lost, queue.lock().waiting.len()), (100, limits::LOGIN_QUEUE_MAX));
        assert!(place(&queue, 100).is_some(), "one that has fewer than the largest");
        drop((first, newcomers));
    }

    #[test]
    fn who_has_left_holds_nobody_up_and_no_permit_is_lost() {
        let queue = LoginQueue::new(2);
        let permits = [queue.turn(&from(1)).now_or_never(), queue.turn(&from(1)).now_or_never()];
        let left: Vec<_> = (0..limits::LOGIN_QUEUE_PER_SOURCE).map(|_| place(&queue, 1).unwrap()).collect();
        drop(left);
        let waiting = place(&queue, 1).unwrap();
        drop(permits);
        drop(waiting);
        let state = queue.lock();
        assert_eq!((state.free, state.waiting.len()), (2, 0));
    }
}
