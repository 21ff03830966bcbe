//! Who changes something in the bucket, so that a server that leaves it to the next one lets nobody begin any more and can wait for those
//! who have.

use std::time::Duration;

use super::engine::unavailable;
use crate::error::Result;
use crate::sync::{Condvar, Mutex};

/// Those who change something, until the bucket is left to the next server.
#[derive(Default)]
pub(super) struct Changers {
    state: Mutex<State>,
    one_ends: Condvar,
}

#[derive(Default)]
struct State {
    under_way: usize,
    is_left: bool,
}

/// One of them, until this is dropped.
pub(super) struct Changer<'a>(&'a Changers);

impl Changers {
    /// One more.
    ///
    /// # Errors
    /// [`crate::Kind::Unavailable`] when the bucket was left.
    pub(super) fn begin(&self) -> Result<Changer<'_>> {
        let mut state = self.state.lock();
        if state.is_left {
            return Err(unavailable("the next server has the storage by now"));
        }
        state.under_way += 1;
        Ok(Changer(self))
    }

    pub(super) fn have_left(&self) -> bool {
        self.state.lock().is_left
    }

    /// Nobody begins any more, and those who have are waited for, but no longer than this.
    pub(super) fn leave(&self, most: Duration) {
        let mut state = self.state.lock();
        state.is_left = true;
        drop(self.one_ends.wait_timeout_while(state, most, |state| state.under_way > 0));
    }
}

impl Drop for Changer<'_> {
    fn drop(&mut self) {
        self.0.state.lock().under_way -= 1;
        self.0.one_ends.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::limits;

    #[test]
    fn nobody_changes_anything_in_what_was_left_and_who_had_begun_is_waited_for() {
        let (changers, is_over) = (Changers::default(), AtomicBool::new(false));
        let begun = changers.begin().unwrap();
        std::thread::scope(|scope| {
            let leaving = scope.spawn(|| {
                changers.leave(limits::DAY);
                assert!(is_over.load(Ordering::SeqCst), "one is at it");
            });
            while !changers.have_left() {
                std::thread::yield_now();
            }
            assert!(changers.begin().is_err());
            is_over.store(true, Ordering::SeqCst);
            drop(begun);
            leaving.join().unwrap();
        });
        assert!(changers.begin().is_err());
    }

    #[test]
    fn who_does_not_come_back_is_not_waited_for_without_end() {
        let changers = Changers::default();
        let _begun = changers.begin().unwrap();
        changers.leave(limits::LOCK_PAUSE);
        assert!(changers.have_left());
    }
}
