//! What is counted while it happens. Nothing here locks or allocates: it is part of every small file.

use std::time::Duration;

use super::count::Count;
use crate::error::Kind;
use crate::limits;
use crate::server::desk::action::Action;
use crate::server::events::{Came, Credential, Protocol};

/// How long things took.
#[derive(Debug, Default)]
pub struct Durations {
    /// Those of at most each of [`limits::METRICS_BUCKETS`], and not of the one before; then all that took longer.
    buckets: [Count; limits::METRICS_BUCKETS.len() + 1],
    micros: Count,
}

impl Durations {
    fn add(&self, took: Duration) {
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

/// The operations of one kind over one protocol.
#[derive(Debug, Default)]
pub struct Operations {
    /// Those that succeeded.
    pub done: Count,
    /// Those that failed.
    pub failed: Count,
    /// Bytes of files that they moved.
    pub bytes: Count,
    /// How long they took, failed or not.
    pub took: Durations,
}

/// The logins by one kind of credential.
#[derive(Debug, Default)]
pub struct Logins {
    /// Those that began a session.
    pub done: Count,
    /// Those that were refused.
    pub refused: Count,
    /// Those that were told to come later.
    pub busy: Count,
}

/// All of them.
#[derive(Debug)]
pub struct Counters {
    operations: [[Operations; Action::ALL.len()]; Protocol::ALL.len()],
    logins: [Logins; Credential::ALL.len()],
    errors: [Count; Kind::ALL.len()],
    /// Readings that contradicted what was recorded.
    pub rot: Count,
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            operations: std::array::from_fn(|_| std::array::from_fn(|_| Operations::default())),
            logins: Default::default(),
            errors: std::array::from_fn(|_| Count::default()),
            rot: Count::default(),
        }
    }
}

impl Counters {
    /// An operation is over.
    pub fn operation(
        &self,
        protocol: Protocol,
        action: Action,
        outcome: Result<Came, Kind>,
        bytes: u64,
        took: Duration,
    ) {
        if let Some(of) = self.operations_of(protocol, action) {
            match outcome {
                Ok(_) => of.done.one(),
                Err(kind) => {
                    of.failed.one();
                    self.error(kind);
                }
            }
            if bytes > 0 {
                of.bytes.add(bytes);
            }
            of.took.add(took);
        }
    }

    /// A session began.
    pub fn login(&self, with: Credential) {
        if let Some(of) = self.logins_by(with) {
            of.done.one();
        }
    }

    /// A login was refused.
    pub fn login_refused(&self, with: Credential, why: Kind) {
        if let Some(of) = self.logins_by(with) {
            if why == Kind::Busy { of.busy.one() } else { of.refused.one() }
        }
    }

    fn error(&self, kind: Kind) {
        if let Some(of) = self.errors.get(kind as usize) {
            of.one();
        }
    }

    /// Those of one kind.
    pub fn operations_of(&self, protocol: Protocol, action: Action) -> Option<&Operations> {
        self.operations.get(protocol as usize)?.get(action as usize)
    }

    /// Those by one kind of credential.
    pub fn logins_by(&self, with: Credential) -> Option<&Logins> {
        self.logins.get(with as usize)
    }

    /// Operations that failed, by why.
    pub fn errors(&self) -> impl Iterator<Item = (Kind, u64)> {
        Kind::ALL.iter().copied().zip(&self.errors).map(|(kind, count)| (kind, count.get()))
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

    #[test]
    fn each_kind_has_its_own_place() {
        let at = |places: Vec<usize>| assert!(places.iter().enumerate().all(|(at, place)| at == *place), "{places:?}");
        at(Kind::ALL.iter().map(|kind| *kind as usize).collect());
        at(Credential::ALL.iter().map(|with| *with as usize).collect());
        at(Protocol::ALL.iter().map(|protocol| *protocol as usize).collect());
    }
}
