//! Lines on their way to the thread that writes them.

use std::thread;
use std::time::Duration;

use crate::limits;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// What waits to be written.
pub struct Queue {
    state: Mutex<State>,
    /// There is something to do.
    filled: Condvar,
    /// There is nothing left to do.
    drained: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    lost: u64,
    /// Those since the start.
    all_lost: u64,
    reopen: bool,
    closed: bool,
    /// The thread has taken something and is not done with it.
    writing: bool,
}

/// What the thread is to do next.
pub struct Portion {
    /// Whole lines.
    pub lines: Vec<u8>,
    /// How many lines behind them found no room.
    pub lost: u64,
    /// The file is to be opened anew first.
    pub reopen: bool,
}

impl Queue {
    /// An empty one.
    pub fn new() -> Queue {
        Queue { state: Mutex::default(), filled: Condvar::new(), drained: Condvar::new() }
    }

    /// Takes a line with its ending, or counts it as lost if [`limits::AUDIT_QUEUE`] is full. Never waits.
    pub fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        // Once one is lost the ones behind it are, until the number has been taken: it tells of a gap in one place.
        if state.lost > 0 || state.waiting.len() + line.len() > limits::AUDIT_QUEUE {
            state.lost += 1;
            state.all_lost += 1;
            return;
        }
        let sleeps = state.waiting.is_empty() && !state.writing;
        state.waiting.extend_from_slice(line);
        drop(state);
        if sleeps {
            self.filled.notify_one();
        }
    }

    /// The file is to be opened anew.
    pub fn reopen(&self) {
        self.lock().reopen = true;
        self.filled.notify_one();
    }

    /// Waits for something to do; none when all is done and nothing more will come.
    pub fn next(&self) -> Option<Portion> {
        let mut state = self.lock();
        state.writing = false;
        if state.waiting.is_empty() && state.lost == 0 {
            self.drained.notify_all();
        }
        let nothing = |state: &mut State| state.waiting.is_empty() && state.lost == 0 && !state.reopen && !state.closed;
        let mut state = self.filled.wait_while(state, nothing);
        if state.waiting.is_empty() && state.lost == 0 && !state.reopen {
            return None;
        }
        state.writing = true;
        Some(Portion {
            lines: std::mem::take(&mut state.waiting),
            lost: std::mem::take(&mut state.lost),
            reopen: std::mem::take(&mut state.reopen),
        })
    }

    /// Lets lines gather while something is in the way. True if there is no time left: the server ends.
    pub fn pause(&self, time: Duration) -> bool {
        let state = self.lock();
        if state.closed {
            return true;
        }
        drop(state);
        thread::sleep(time);
        false
    }

    /// Whether the file is to be opened anew before anything else is tried; asked once.
    pub fn takes_reopen(&self) -> bool {
        std::mem::take(&mut self.lock().reopen)
    }

    /// Lines that have found no room since the start.
    pub fn all_lost(&self) -> u64 {
        self.lock().all_lost
    }

    /// Nothing more comes. Waits until all is written, but no longer than this.
    pub fn close(&self, patience: Duration) {
        let mut state = self.lock();
        state.closed = true;
        self.filled.notify_all();
        let unwritten = |state: &mut State| state.writing || !state.waiting.is_empty() || state.lost > 0;
        drop(self.drained.wait_timeout_while(state, patience, unwritten));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_counted_and_the_gap_is_in_one_place() {
        let queue = Queue::new();
        let line = vec![b'x'; limits::AUDIT_QUEUE / 2];
        (0..4).for_each(|_| queue.push(&line));
        queue.push(b"short\n");
        let first = queue.next().unwrap();
        assert_eq!((first.lines.len(), first.lost, first.reopen), (limits::AUDIT_QUEUE, 3, false));
        queue.push(b"after\n");
        queue.reopen();
        let second = queue.next().unwrap();
        assert_eq!((second.lines.as_slice(), second.lost, second.reopen), (&b"after\n"[..], 0, true));
        queue.close(Duration::ZERO);
        assert!(queue.next().is_none());
    }
}
