//! What those who are no users may have written into the audit of what comes to nothing: they can ask for it without end, and a file that
//! one of them can fill leaves no room on the disk for anybody's files. Counted in bytes, by where they come from.

use std::collections::HashMap;
use std::time::Instant;

use crate::limits;
use crate::machine::source::Network;
use crate::sync::Mutex;

/// The shares of all.
pub struct Shares(Mutex<Books>);

#[derive(Default)]
struct Books {
    /// By where they come from; under none those for whom there is no place.
    shares: HashMap<Option<Network>, Share>,
    /// When those were last removed who have all of theirs.
    swept: Option<Instant>,
}

/// What is left to those who come from one place.
struct Share {
    left: u64,
    /// When it was that.
    at: Instant,
    /// Lines that are left out and not told of.
    left_out: u64,
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is written.
    Written,
    /// It is left out, and somebody will say so.
    LeftOut,
    /// The first that is left out: the caller sees to it that the number is told.
    FirstLeftOut,
}

impl Shares {
    /// All have all of theirs.
    pub fn new() -> Shares {
        Shares(Mutex::default())
    }

    /// Takes so many bytes of the share of those who come from there; and whose count it is in.
    pub fn take(&self, from: Network, bytes: u64, now: Instant) -> (Option<Network>, Verdict) {
        self.0.lock().take(from, bytes, now)
    }

    /// How many lines of this count were left out; from now on none.
    pub fn left_out(&self, from: Option<&Network>) -> u64 {
        self.0.lock().shares.get_mut(&from.cloned()).map_or(0, |share| std::mem::take(&mut share.left_out))
    }

    /// The same of all.
    pub fn all_left_out(&self) -> Vec<(Option<Network>, u64)> {
        let mut books = self.0.lock();
        let all = books.shares.iter_mut().filter(|(_, share)| share.left_out > 0);
        all.map(|(from, share)| (from.clone(), std::mem::take(&mut share.left_out))).collect()
    }
}

impl Books {
    fn take(&mut self, from: Network, bytes: u64, now: Instant) -> (Option<Network>, Verdict) {
        let key = Some(from);
        let key = if self.shares.contains_key(&key) || self.has_place(now) { key } else { None };
        let all = Share { left: limits::AUDIT_SHARE, at: now, left_out: 0 };
        let verdict = self.shares.entry(key.clone()).or_insert(all).take(bytes, now);
        (key, verdict)
    }

    /// Whether one more can be counted apart.
    fn has_place(&mut self, now: Instant) -> bool {
        let is_full = |books: &Books| books.shares.len() >= limits::LOG_SOURCES;
        // Not for each line: going through all of them takes time.
        if is_full(self) && self.swept.is_none_or(|swept| swept + limits::LOG_WINDOW / 10 <= now) {
            self.swept = Some(now);
            self.shares.retain(|_, share| {
                share.get_back(now);
                share.left_out > 0 || share.left < limits::AUDIT_SHARE
            });
        }
        !is_full(self)
    }
}

impl Share {
    fn take(&mut self, bytes: u64, now: Instant) -> Verdict {
        self.get_back(now);
        if let Some(left) = self.left.checked_sub(bytes) {
            self.left = left;
            return Verdict::Written;
        }
        self.left_out += 1;
        if self.left_out == 1 { Verdict::FirstLeftOut } else { Verdict::LeftOut }
    }

    /// What there is again by now.
    fn get_back(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.at);
        let back = since.as_micros().saturating_mul(limits::AUDIT_SHARE_RATE.into()) / 1_000_000;
        // What is less than a byte goes on to count.
        if back > 0 {
            let back = u64::try_from(back).unwrap_or(u64::MAX);
            (self.left, self.at) = (self.left.saturating_add(back).min(limits::AUDIT_SHARE), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use super::*;

    fn place(n: u32) -> Network {
        Network::Addresses(IpAddr::from((0x0a00_0000 + n).to_be_bytes()))
    }

    #[test]
    fn so_much_is_written_and_the_rest_is_counted_until_there_is_room_again() {
        let (mut books, now) = (Books::default(), Instant::now());
        let half = limits::AUDIT_SHARE / 2;
        let mut take = |n, bytes, seconds| books.take(place(n), bytes, now + Duration::from_secs(seconds)).1;
        assert_eq!([take(1, half, 0), take(1, half, 0)], [Verdict::Written; 2]);
        assert_eq!(take(1, 1, 0), Verdict::FirstLeftOut);
        assert_eq!(take(1, 1, 0), Verdict::LeftOut);
        assert_eq!(take(2, 1, 0), Verdict::Written, "nothing is taken from others");
        assert_eq!(take(1, limits::AUDIT_SHARE_RATE + 1, 1), Verdict::LeftOut);
        assert_eq!(take(1, limits::AUDIT_SHARE_RATE, 1), Verdict::Written);
        assert_eq!(take(1, limits::AUDIT_SHARE + 1, 1_000_000), Verdict::LeftOut, "no more than all of it comes back");
        assert_eq!(take(1, limits::AUDIT_SHARE, 1_000_000), Verdict::Written);
        let shares = Shares(Mutex::new(books));
        assert_eq!(shares.all_left_out(), [(Some(place(1)), 4)]);
        assert_eq!(shares.left_out(Some(&place(1))), 0, "it is told once");
    }

    #[test]
    fn little_by_little_it_comes_back_as_well() {
        let (mut books, now) = (Books::default(), Instant::now());
        assert_eq!(books.take(place(1), limits::AUDIT_SHARE, now).1, Verdict::Written);
        for step in 0..100_000_u64 {
            assert_ne!(books.take(place(1), u64::MAX, now + Duration::from_micros(10 * step)).1, Verdict::Written);
        }
        let left = books.shares[&Some(place(1))].left;
        assert!(left > limits::AUDIT_SHARE_RATE / 2 && left <= limits::AUDIT_SHARE_RATE, "{left}");
    }

    #[test]
    fn the_table_is_bounded_and_those_without_a_place_share_one() {
        let (mut books, now) = (Books::default(), Instant::now());
        let places = limits::LOG_SOURCES as u32;
        for n in 0..places + 10 {
            assert_eq!(books.take(place(n), 1, now).1, Verdict::Written);
        }
        assert_eq!(books.shares.len(), limits::LOG_SOURCES + 1);
        assert_eq!(books.shares[&None].left, limits::AUDIT_SHARE - 10);
        let (later, one_more) = (now + limits::LOG_WINDOW, place(places + 20));
        assert_eq!(books.take(one_more.clone(), 1, later).0, Some(one_more), "who has all of theirs makes room");
    }
}
