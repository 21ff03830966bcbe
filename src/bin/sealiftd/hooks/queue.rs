//! What hooks are still to be told of: bounded in bytes, and at the server's end in time.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sealift::limits;
use sealift::sync::{Condvar, Mutex};

/// One program for one event.
pub struct Job {
    /// What is run.
    pub program: PathBuf,
    /// What it is told: one line of JSON, whole.
    pub event: Arc<Vec<u8>>,
}

/// Those that wait for a worker.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    bytes: usize,
    /// Until when something is begun, and may run; none: the server runs.
    end: Option<Instant>,
    /// Hooks that were not run.
    left: u64,
}

impl Queue {
    /// Has each of these programs told of it, unless too much waits already; says how many hooks there was no room for before
    /// these, where there is room again.
    pub fn push(&self, programs: &[PathBuf], event: Vec<u8>) -> Option<u64> {
        let mut state = self.state.lock();
        if state.bytes.saturating_add(event.len()) > limits::HOOK_QUEUE {
            state.left = state.left.saturating_add(u64::try_from(programs.len()).unwrap_or(u64::MAX));
            return None;
        }
        state.bytes = state.bytes.saturating_add(event.len().saturating_mul(programs.len()));
        let event = Arc::new(event);
        state.waiting.extend(programs.iter().map(|program| Job { program: program.clone(), event: event.clone() }));
        self.changed.notify_all();
        Some(std::mem::take(&mut state.left)).filter(|left| *left > 0)
    }

    /// The next one; none when the server has ended and nothing waits, or it is too late.
    pub fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if state.end.is_some_and(|end| Instant::now() >= end) {
                return None;
            }
            if let Some(job) = state.waiting.pop_front() {
                state.bytes = state.bytes.saturating_sub(job.event.len());
                return Some(job);
            }
            if state.end.is_some() {
                return None;
            }
            state = self.changed.wait_while(state, |state| state.waiting.is_empty() && state.end.is_none());
        }
    }

    /// The server has ended: what waits has so much time.
    pub fn end(&self, time: Duration) {
        self.state.lock().end = Instant::now().checked_add(time);
        self.changed.notify_all();
    }

    /// When everything is over, as far as that is known.
    pub fn is_over(&self) -> bool {
        self.state.lock().end.is_some_and(|end| Instant::now() >= end)
    }

    /// How many are left that nobody will run: of those that wait, and those that there was no room for.
    pub fn left(&self) -> u64 {
        let state = self.state.lock();
        state.left.saturating_add(u64::try_from(state.waiting.len()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs() -> [PathBuf; 2] {
        ["/a", "/b"].map(PathBuf::from)
    }

    #[test]
    fn what_there_is_no_room_for_is_counted_and_told_when_there_is_again() {
        let queue = Queue::default();
        let half = vec![b'x'; limits::HOOK_QUEUE / 4];
        assert_eq!(queue.push(&programs(), half.clone()), None);
        assert_eq!(queue.push(&programs(), half.clone()), None);
        assert_eq!((queue.push(&programs(), half.clone()), queue.left()), (None, 6));
        assert_eq!(queue.next().unwrap().program, PathBuf::from("/a"));
        assert_eq!(queue.push(&programs(), half), Some(2));
    }

    #[test]
    fn at_the_end_what_waits_is_done_as_long_as_there_is_time() {
        let queue = Queue::default();
        assert_eq!(queue.push(&programs(), b"{}\n".to_vec()), None);
        queue.end(Duration::from_secs(3600));
        assert!(queue.next().is_some() && !queue.is_over());
        queue.end(Duration::ZERO);
        assert!(queue.next().is_none() && queue.is_over());
        assert_eq!(queue.left(), 1);
    }
}
