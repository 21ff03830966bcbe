//! What each source may write into the log: its lines are counted, and beyond a bound one line says how many more there
//! were. A log that one client can fill hides what all others do, and fills the disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_std::task::{sleep, spawn};
use tracing::info;

use crate::limits;
use crate::machine::source::Source;
use crate::server::shares::{Share, Shares, Verdict};
use crate::sync::Mutex;

/// The counts of all sources.
#[derive(Debug)]
pub struct LogShares {
    shares: Mutex<Shares<Source, Lines>>,
    /// What the lines are written into, as it is called.
    into: &'static str,
}

/// The lines of one source in its present window.
#[derive(Debug)]
struct Lines {
    since: Instant,
    written: u32,
    left_out: u64,
}

impl LogShares {
    /// Of what is written into what is called so.
    pub fn of(into: &'static str) -> Arc<LogShares> {
        Arc::new(LogShares { shares: Mutex::default(), into })
    }

    /// Counts a line that this source is about to cause; says whether it may be written.
    pub fn allows(self: &Arc<Self>, source: &Source) -> bool {
        let now = Instant::now();
        let mut all = self.shares.lock();
        let (key, lines) = all.of(source.clone(), now, Lines::new(now));
        let (verdict, rest) = (lines.one_more(now), lines.rest_of_window(now));
        drop(all);
        if verdict == Verdict::FirstLeftOut {
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
        // The next line begins to be counted anew.
        let more = self.shares.lock().remove(key).map_or(0, |lines| lines.left_out);
        let into = self.into;
        match key {
            Some(source) => info!(%source, more, "{more} more lines of one source are left out of {into}"),
            None => info!(more, "{more} more lines of many sources are left out of {into}"),
        }
    }
}

impl Lines {
    fn new(now: Instant) -> Self {
        Lines { since: now, written: 0, left_out: 0 }
    }

    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= limits::LOG_WINDOW
    }

    fn rest_of_window(&self, now: Instant) -> Duration {
        (self.since + limits::LOG_WINDOW).saturating_duration_since(now)
    }

    fn one_more(&mut self, now: Instant) -> Verdict {
        // With lines left out, the window ends when they are told of.
        if self.left_out == 0 && self.is_over(now) {
            *self = Lines::new(now);
        }
        if self.written < limits::LOG_LINES {
            self.written += 1;
            return Verdict::Written;
        }
        self.left_out += 1;
        if self.left_out == 1 { Verdict::FirstLeftOut } else { Verdict::LeftOut }
    }
}

impl Share for Lines {
    fn is_as_new(&mut self, now: Instant) -> bool {
        self.left_out == 0 && self.is_over(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_lines_are_written_in_a_window_and_the_rest_is_counted_until_it_is_said() {
        let now = Instant::now();
        let (mut lines, soon) = (Lines::new(now), now + Duration::from_secs(1));
        assert!((0..limits::LOG_LINES).all(|_| lines.one_more(now) == Verdict::Written));
        assert_eq!(lines.one_more(soon), Verdict::FirstLeftOut);
        assert_eq!(lines.rest_of_window(soon), limits::LOG_WINDOW - Duration::from_secs(1));
        assert_eq!(lines.one_more(soon), Verdict::LeftOut);
        assert_eq!(lines.one_more(now + 2 * limits::LOG_WINDOW), Verdict::LeftOut, "until it is said");
        assert_eq!(lines.left_out, 3);
        assert!(!lines.is_as_new(now + 2 * limits::LOG_WINDOW));
    }

    #[test]
    fn a_window_without_a_line_too_many_just_ends() {
        let mut now = Instant::now();
        let mut lines = Lines::new(now);
        for _ in 0..3 {
            (0..limits::LOG_LINES).for_each(|_| assert_eq!(lines.one_more(now), Verdict::Written));
            now += limits::LOG_WINDOW;
            assert!(lines.is_as_new(now));
        }
    }
}
