//! Numbers that only grow, counted where something happens and read by whoever watches.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::limits;

/// A number that only grows. Counting costs one addition, and orders nothing.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub fn one(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long things took.
#[derive(Debug, Default)]
pub struct Durations {
    /// Those of at most each of [`limits::METRICS_BUCKETS`], and not of the one before; then all that took longer.
    buckets: [Count; limits::METRICS_BUCKETS.len() + 1],
    micros: Count,
}

impl Durations {
    /// One more, which took so long.
    pub fn add(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = limits::METRICS_BUCKETS.iter().position(|most| seconds <= *most);
        if let Some(bucket) = self.buckets.get(at.unwrap_or(limits::METRICS_BUCKETS.len())) {
            bucket.one();
        }
        self.micros.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// The sum in seconds, how many, and how many took at most so long and longer than the one before.
    pub fn read(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let most = limits::METRICS_BUCKETS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<_> = most.zip(&self.buckets).map(|(most, count)| (most, count.get())).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        (Duration::from_micros(self.micros.get()).as_secs_f64(), count, buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_once_at_the_first_bound_that_it_does_not_pass() {
        let durations = Durations::default();
        let times = [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(2), Duration::from_secs(1 << 30)];
        times.into_iter().for_each(|took| durations.add(took));
        let (sum, count, buckets) = durations.read();
        assert_eq!((count, buckets.len()), (4, limits::METRICS_BUCKETS.len() + 1));
        assert_eq!((buckets[0], buckets[1].1, buckets.last().unwrap().1), ((0.001, 2), 1, 1));
        assert!(sum > f64::from(1 << 30));
    }
}
