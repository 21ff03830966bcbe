//! The list of ranges that several connections work through.

use std::collections::VecDeque;
use std::time::Duration;

use crate::error::Error;
use crate::limits;
use crate::sync::{Condvar, Mutex};

/// A range of a file: one block, or what is left of the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) offset: u64,
    pub(super) length: u64,
    /// Bytes of it that an observer was told of, by a connection that was lost then.
    pub(super) told: u64,
}

impl Range {
    /// Counts `bytes` more after `came`; how many of them are news.
    pub(super) fn news(&self, came: u64, bytes: u64) -> u64 {
        (came + bytes).saturating_sub(self.told.max(came))
    }
}

/// What there is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This range.
    Range(Range),
    /// Nothing now, but what another one has taken may come back.
    Wait,
    /// Nothing: all is done, or given up.
    Over,
}

/// The ranges of one file.
pub(super) struct Ranges {
    state: Mutex<State>,
    changed: Condvar,
    workers: usize,
}

struct State {
    /// Where those begin that nobody has taken yet. They are not held one by one: a server may announce any size.
    next: u64,
    end: u64,
    /// What comes first, because it came back.
    back: VecDeque<Range>,
    /// Taken and not done.
    taken: usize,
    failed: Option<Error>,
    over: bool,
}

impl State {
    /// How many nobody has.
    fn left(&self) -> u64 {
        self.end.saturating_sub(self.next).div_ceil(limits::HASH_BLOCK).saturating_add(self.back.len() as u64)
    }

    fn take(&mut self) -> Option<Range> {
        let range = self.back.pop_front().or_else(|| {
            let length = self.end.saturating_sub(self.next).min(limits::HASH_BLOCK);
            let range = Range { offset: self.next, length, told: 0 };
            self.next = self.next.saturating_add(length);
            (length > 0).then_some(range)
        });
        self.taken += usize::from(range.is_some());
        range
    }
}

impl Ranges {
    /// Those of the bytes from `from`, a multiple of a block, up to `size`, for so many connections.
    pub(super) fn new(from: u64, size: u64, workers: usize) -> Self {
        let state = State { next: from, end: size, back: VecDeque::new(), taken: 0, failed: None, over: false };
        Ranges { state: Mutex::new(state), changed: Condvar::new(), workers }
    }

    /// The next range; waits at most so long for one that may come back.
    pub(super) fn next(&self, patience: Duration) -> Next {
        let waits = |state: &mut State| !state.over && state.left() == 0 && state.taken > 0;
        let (mut state, timeout) = self.changed.wait_timeout_while(self.state.lock(), patience, waits);
        if state.over {
            return Next::Over;
        }
        match state.take() {
            Some(range) => Next::Range(range),
            None if timeout.timed_out() => Next::Wait,
            None => Next::Over,
        }
    }

    /// One more range to ask for before the last one is done, as long as there are plenty: near the end each is left to
    /// whoever is free first.
    pub(super) fn ahead(&self) -> Option<Range> {
        let mut state = self.state.lock();
        if state.over || state.left() < self.workers as u64 {
            return None;
        }
        state.take()
    }

    /// A range is done.
    pub(super) fn done(&self) {
        self.state.lock().taken -= 1;
        self.changed.notify_all();
    }

    /// A connection was lost: somebody else does its range. `told` is what of it an observer was told of.
    pub(super) fn give_back(&self, range: Range, told: u64) {
        let mut state = self.state.lock();
        state.taken -= 1;
        // To the front: what is without a gap from the beginning can be resumed.
        state.back.push_front(Range { told: range.told.max(told), ..range });
        drop(state);
        self.changed.notify_all();
    }

    /// The file cannot be transferred. The first reason stays.
    pub(super) fn fail(&self, error: Error) {
        let mut state = self.state.lock();
        state.failed.get_or_insert(error);
        state.over = true;
        drop(state);
        self.changed.notify_all();
    }

    /// Why it failed.
    pub(super) fn failure(&self) -> Option<Error> {
        self.state.lock().failed.take()
    }

    /// Whether no more is to be done, for whatever reason.
    pub(super) fn is_over(&self) -> bool {
        self.state.lock().over
    }

    /// Nothing more is to be done; says whether all was.
    pub(super) fn end(&self) -> bool {
        let mut state = self.state.lock();
        let all_done = !state.over && state.left() == 0 && state.taken == 0;
        state.over = true;
        drop(state);
        self.changed.notify_all();
        all_done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    const BLOCK: u64 = limits::HASH_BLOCK;
    const NOW: Duration = Duration::ZERO;

    fn take(ranges: &Ranges) -> Range {
        match ranges.next(NOW) {
            Next::Range(range) => range,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_byte_is_in_one_range() {
        for (from, size) in [(0, 1), (0, BLOCK), (BLOCK, 3 * BLOCK + 5), (2 * BLOCK, 2 * BLOCK), (0, 4 * BLOCK - 1)] {
            let ranges = Ranges::new(from, size, 2);
            let mut at = from;
            while let Next::Range(range) = ranges.next(NOW) {
                assert_eq!(range.offset, at);
                assert!(range.offset.is_multiple_of(BLOCK) && (1..=BLOCK).contains(&range.length));
                at += range.length;
                ranges.done();
            }
            assert_eq!(at, size);
            assert!(ranges.end());
        }
    }

    #[test]
    fn a_size_that_no_disk_has_takes_no_memory() {
        let ranges = Ranges::new(0, u64::MAX, 2);
        assert_eq!(take(&ranges), Range { offset: 0, length: BLOCK, told: 0 });
        assert_eq!(ranges.ahead().map(|range| range.offset), Some(BLOCK));
        assert!(!ranges.end());
    }

    #[test]
    fn what_a_lost_connection_had_comes_back_first_and_is_counted_once() {
        let ranges = Ranges::new(0, 3 * BLOCK, 2);
        let (first, second) = (take(&ranges), take(&ranges));
        ranges.give_back(first, 100);
        let again = take(&ranges);
        assert_eq!((again.offset, again.told), (0, 100));
        assert_eq!((again.news(0, 60), again.news(60, 60), again.news(120, 60)), (0, 20, 60));
        take(&ranges);
        ranges.done();
        assert_eq!(ranges.next(NOW), Next::Wait, "two are on their way");
        ranges.give_back(second, 0);
        assert_eq!(take(&ranges).offset, BLOCK);
        ranges.done();
        ranges.done();
        assert_eq!(ranges.next(NOW), Next::Over);
        assert!(ranges.end());
    }

    #[test]
    fn nobody_takes_two_of_the_last_ones() {
        let ranges = Ranges::new(0, 4 * BLOCK, 2);
        take(&ranges);
        assert!(ranges.ahead().is_some());
        assert!(ranges.ahead().is_some());
        assert!(ranges.ahead().is_none(), "one is left for two");
    }

    #[test]
    fn a_failure_ends_it_for_all_and_the_first_reason_stays() {
        let ranges = Ranges::new(0, 4 * BLOCK, 2);
        std::thread::scope(|scope| {
            while ranges.ahead().is_some() {}
            take(&ranges);
            let waiting = scope.spawn(|| ranges.next(Duration::from_secs(60)));
            ranges.fail(Error::new(Kind::Denied, "first"));
            ranges.fail(Error::new(Kind::Io, "second"));
            assert_eq!(waiting.join().unwrap(), Next::Over);
        });
        assert!(ranges.is_over() && !ranges.end());
        assert_eq!(ranges.failure().unwrap().kind(), Kind::Denied);
    }
}
