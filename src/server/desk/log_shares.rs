//! What each source may write into the log: its lines are counted, and beyond a bound one line says how many more there
//! were. A log that one client can fill hides what all others do, and fills the disk.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_std::task::{sleep, spawn};
use tracing::info;

use crate::limits;
use crate::machine::source::Source;
use crate::sync::{Mutex, MutexGuard};

/// The counts of all sources.
#[derive(Debug)]
pub struct LogShares {
    books: Mutex<Books>,
    /// What the lines are written into, as it is called.
    into: &'static str,
}

#[derive(Debug, Default)]
struct Books {
    /// By source; under none those for which there is no place.
    counts: HashMap<Option<Source>, Count>,
    /// When those that are over were last removed.
    swept: Option<Instant>,
}

/// The lines of one source in its present window.
#[derive(Debug)]
struct Count {
    since: Instant,
    lines: u32,
    left_out: u64,
}

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Written,
    /// Left out, and somebody will say so.
    LeftOut,
    /// The first that is left out: the caller sees to it that the number is said after this time.
    FirstLeftOut(Duration),
}

impl LogShares {
    /// Of what is written into what is called so.
    pub fn of(into: &'static str) -> Arc<LogShares> {
        Arc::new(LogShares { books: Mutex::default(), into })
    }

    /// Counts a line that this source is about to cause; says whether it may be written.
    pub fn allows(self: &Arc<Self>, source: &Source) -> bool {
        let (key, verdict) = self.books().count(source, Instant::now());
        if let Verdict::FirstLeftOut(rest) = verdict {
            let shares = self.clone();
            spawn(async move {
                sleep(rest).await;
                shares.say(&key);
            });
        }
        verdict == Verdict::Written
    }

    /// Says how many lines of this source were left out.
    fn say(&self, key: &Option<Source>) {
        let (more, into) = (self.books().left_out(key), self.into);
        match key {
            Some(source) => info!(%source, more, "{more} more lines of one source are left out of {into}"),
            None => info!(more, "{more} more lines of many sources are left out of {into}"),
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock()
    }
}

impl Books {
    fn count(&mut self, source: &Source, now: Instant) -> (Option<Source>, Verdict) {
        let key = Some(source.clone());
        let key = if self.counts.contains_key(&key) || self.has_room(now) { key } else { None };
        let count = match self.counts.entry(key.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Count::new(now)),
        };
        (key, count.line(now))
    }

    /// Whether one more source can be counted apart.
    fn has_room(&mut self, now: Instant) -> bool {
        let full = |books: &Books| books.counts.len() >= limits::LOG_SOURCES;
        // Not for each line: going through all of them takes time.
        if full(self) && self.swept.is_none_or(|swept| swept + limits::LOG_WINDOW / 10 <= now) {
            self.swept = Some(now);
            self.counts.retain(|_, count| count.left_out > 0 || !count.is_over(now));
        }
        !full(self)
    }

    /// How many were left out; the count of this source begins anew.
    fn left_out(&mut self, key: &Option<Source>) -> u64 {
        self.counts.remove(key).map_or(0, |count| count.left_out)
    }
}

impl Count {
    fn new(now: Instant) -> Self {
        Count { since: now, lines: 0, left_out: 0 }
    }

    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= limits::LOG_WINDOW
    }

    fn line(&mut self, now: Instant) -> Verdict {
        // With lines left out, the window ends when they are told of.
        if self.left_out == 0 && self.is_over(now) {
            *self = Count::new(now);
        }
        if self.lines < limits::LOG_LINES {
            self.lines += 1;
            return Verdict::Written;
        }
        self.left_out += 1;
        match self.left_out {
            1 => Verdict::FirstLeftOut((self.since + limits::LOG_WINDOW).saturating_duration_since(now)),
            _ => Verdict::LeftOut,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn address(n: u32) -> Source {
        Source::from(IpAddr::from((0x0a00_0000 + n).to_be_bytes()))
    }

    #[test]
    fn a_source_writes_so_many_lines_and_takes_none_from_others() {
        let (mut books, now) = (Books::default(), Instant::now());
        let mut line = |n, after| books.count(&address(n), now + after).1;
        let soon = Duration::from_secs(1);
        assert!((0..limits::LOG_LINES).all(|_| line(1, Duration::ZERO) == Verdict::Written));
        assert_eq!(line(1, soon), Verdict::FirstLeftOut(limits::LOG_WINDOW - soon));
        assert_eq!(line(1, soon), Verdict::LeftOut);
        assert_eq!(line(2, soon), Verdict::Written);
        assert_eq!(line(1, 2 * limits::LOG_WINDOW), Verdict::LeftOut, "until it is said");
        assert_eq!(books.left_out(&Some(address(1))), 3);
        assert_eq!(books.count(&address(1), now).1, Verdict::Written);
    }

    #[test]
    fn a_window_without_a_line_too_many_just_ends() {
        let (mut books, now) = (Books::default(), Instant::now());
        for _ in 0..3 {
            (1..limits::LOG_LINES).for_each(|_| assert_eq!(books.count(&address(1), now).1, Verdict::Written));
            let later = now + limits::LOG_WINDOW;
            assert_eq!(books.count(&address(1), later).1, Verdict::Written);
            books.counts.clear();
        }
    }

    #[test]
    fn the_table_is_bounded_and_those_without_a_place_share_one() {
        let (mut books, now) = (Books::default(), Instant::now());
        let sources = limits::LOG_SOURCES as u32;
        for n in 0..sources + 10 {
            assert_eq!(books.count(&address(n), now).1, Verdict::Written);
        }
        assert_eq!(books.counts.len(), limits::LOG_SOURCES + 1);
        assert_eq!(books.counts[&None].lines, 10);
        let later = now + limits::LOG_WINDOW;
        assert_eq!(books.count(&address(sources + 20), later).0, Some(address(sources + 20)), "old ones make room");
        assert_eq!(books.counts.len(), 1);
    }
}
