//! The turns of those of one process who want the same lock: to the file system they are one.

use std::time::Duration;

use crate::limits;
use crate::sync::{Condvar, Mutex};

/// Has one at a time, and lets nobody wait for ever for one who does not come back: a call of a file system may never return.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<Passing>,
    passed_on: Condvar,
}

#[derive(Default)]
struct Passing {
    is_taken: bool,
    /// How often it was given up.
    given_up: u64,
    /// Somebody has waited in vain since: who comes now does not wait as long again.
    is_hung: bool,
}

/// As long as it lives nobody else in this process has it.
pub(super) struct Turn<'a>(&'a Queue);

impl Queue {
    /// Nothing if nobody has given it up for so long.
    pub(super) fn take(&self, most: Duration) -> Option<Turn<'_>> {
        let mut state = self.state.lock();
        while state.is_taken {
            let before = state.given_up;
            let most = if state.is_hung { limits::TREE_LOCK_PAUSE.1 } else { most };
            let is_same = |state: &mut Passing| state.is_taken && state.given_up == before;
            let (now, waited) = self.passed_on.wait_timeout_while(state, most, is_same);
            state = now;
            if waited.timed_out() {
                state.is_hung = true;
                return None;
            }
        }
        state.is_taken = true;
        Some(Turn(self))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        (state.is_taken, state.is_hung) = (false, false);
        state.given_up += 1;
        drop(state);
        self.0.passed_on.notify_one();
    }
}
