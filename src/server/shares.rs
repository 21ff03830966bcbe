//! Shares in what all may ask for without end, such as lines of a log: each has one of their own, so that nobody takes from others, and
//! those who find no place in the table, which is bounded, have one together.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Instant;

use crate::limits;

/// The share of one of them.
pub trait Share {
    /// Whether it is as a new one by now, with nothing left to be told of: it is not missed if it is forgotten.
    fn is_as_new(&mut self, now: Instant) -> bool;
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is written.
    Written,
    /// It is left out, and somebody will say so.
    LeftOut,
    /// The first that is left out: the caller sees to it that the number of them is told some time.
    FirstLeftOut,
}

/// The shares of all.
#[derive(Debug)]
pub struct Shares<K, S> {
    /// By whose they are; under none that of those for whom there is no place.
    shares: HashMap<Option<K>, S>,
    /// When those were last removed that are as new ones.
    swept: Option<Instant>,
}

impl<K, S> Default for Shares<K, S> {
    fn default() -> Self {
        Shares { shares: HashMap::new(), swept: None }
    }
}

impl<K: Hash + Eq + Clone, S: Share> Shares<K, S> {
    /// The share that somebody has part in, and whose it is; one that is missing is `new`.
    pub fn of(&mut self, who: K, now: Instant, new: S) -> (Option<K>, &mut S) {
        let key = Some(who);
        let key = if self.shares.contains_key(&key) || self.has_place(now) { key } else { None };
        (key.clone(), self.shares.entry(key).or_insert(new))
    }

    /// Whether one more can have a share of their own.
    fn has_place(&mut self, now: Instant) -> bool {
        let is_full = |shares: &Self| shares.shares.len() >= limits::LOG_SOURCES;
        // Not for each line: going through all of them takes time.
        if is_full(self) && self.swept.is_none_or(|swept| swept + limits::LOG_WINDOW / 10 <= now) {
            self.swept = Some(now);
            self.shares.retain(|_, share| !share.is_as_new(now));
        }
        !is_full(self)
    }

    /// The share of this one, if there is one.
    pub fn get_mut(&mut self, key: &Option<K>) -> Option<&mut S> {
        self.shares.get_mut(key)
    }

    /// Forgets the share of this one, and says what it was.
    pub fn remove(&mut self, key: &Option<K>) -> Option<S> {
        self.shares.remove(key)
    }

    /// All of them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Option<K>, &mut S)> {
        self.shares.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// So many lines, and when it is as new.
    struct Lines(u32, Instant);

    impl Share for Lines {
        fn is_as_new(&mut self, now: Instant) -> bool {
            now >= self.1
        }
    }

    #[test]
    fn the_table_is_bounded_and_those_without_a_place_share_one() {
        let (mut shares, now) = (Shares::default(), Instant::now());
        let places = limits::LOG_SOURCES;
        for who in 0..places + 10 {
            let as_new = now + if who == 7 { 10 } else { 1 } * limits::LOG_WINDOW;
            shares.of(who, now, Lines(0, as_new)).1.0 += 1;
        }
        assert_eq!(shares.shares.len(), places + 1);
        assert_eq!(shares.get_mut(&None).map(|share| share.0), Some(10));
        let soon = now + Duration::from_millis(1);
        assert_eq!(shares.of(places, soon, Lines(0, soon)).0, None, "nobody is forgotten who has used something");
        let later = now + limits::LOG_WINDOW;
        assert_eq!(shares.of(places, later, Lines(0, later)).0, Some(places), "who is as new makes room");
        assert_eq!(shares.shares.len(), 2);
        assert_eq!(shares.remove(&Some(7)).map(|share| share.0), Some(1));
    }
}
