//! What sources did, and until when they are not spoken to. Pure bookkeeping over a clock that the caller hands in.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::limits;
use crate::machine::source::Origin;

/// What a source did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offence {
    /// A wrong user or password.
    LoginFailed,
    /// Asked for a link that is not there.
    NoLink,
    /// Connected and left, or was silent, without trying to log in.
    NoLogin,
    /// The handshake or login took too long.
    TooSlow,
    /// Made a session panic.
    Panic,
}

impl Offence {
    /// All of them.
    pub const ALL: [Offence; 5] =
        [Offence::LoginFailed, Offence::NoLink, Offence::NoLogin, Offence::TooSlow, Offence::Panic];

    /// One word, for those who count.
    pub const fn label(self) -> &'static str {
        match self {
            Offence::LoginFailed => "login-failed",
            Offence::NoLink => "no-link",
            Offence::NoLogin => "no-login",
            Offence::TooSlow => "too-slow",
            Offence::Panic => "panic",
        }
    }

    fn penalty(self) -> Duration {
        match self {
            Offence::LoginFailed => limits::PENALTY_LOGIN_FAILED,
            Offence::NoLink => limits::PENALTY_NO_LINK,
            Offence::NoLogin => limits::PENALTY_NO_LOGIN,
            Offence::TooSlow => limits::PENALTY_TOO_SLOW,
            Offence::Panic => limits::PENALTY_PANIC,
        }
    }
}

/// Until when each source is penalised; the sum of what it did, decaying with time.
#[derive(Debug, Default)]
pub struct Penalties(HashMap<Origin, Instant>);

impl Penalties {
    /// Adds to what is left of the source's earlier ones.
    pub fn add(&mut self, source: Origin, offence: Offence, now: Instant) {
        self.0.retain(|_, until| *until > now);
        if self.0.len() >= limits::PENALTY_SOURCES_MAX && !self.0.contains_key(&source) {
            // The table is full: the one that would be forgiven first is.
            let first = self.0.iter().min_by_key(|(_, until)| **until).map(|(source, _)| *source);
            if let Some(first) = first {
                self.0.remove(&first);
            }
        }
        let until = self.0.entry(source).or_insert(now);
        *until = (*until + offence.penalty()).min(now + limits::PENALTY_MAX);
    }

    /// How many sources have to wait.
    pub fn barred(&self, now: Instant) -> u64 {
        self.0.values().filter(|until| rest(**until, now).is_some()).count() as u64
    }

    /// Those that have to wait, and for how long.
    pub fn held_back(&self, now: Instant) -> Vec<(Origin, Duration)> {
        self.0.iter().filter_map(|(source, until)| Some((*source, rest(*until, now)?))).collect()
    }

    /// Forgets what the source did. How long it would have had to wait; none if it had not.
    pub fn lift(&mut self, source: Origin, now: Instant) -> Option<Duration> {
        rest(self.0.remove(&source)?, now)
    }

    /// Whether the source has to wait: beyond what is tolerated.
    pub fn bar(&self, source: Origin, now: Instant) -> bool {
        self.0.get(&source).is_some_and(|until| rest(*until, now).is_some())
    }
}

/// How long a source with this penalty has to wait: beyond what is tolerated.
fn rest(until: Instant, now: Instant) -> Option<Duration> {
    until.checked_duration_since(now + limits::PENALTY_TOLERATED).filter(|rest| !rest.is_zero())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn the_table_of_penalties_is_bounded() {
        let (mut penalties, now) = (Penalties::default(), Instant::now());
        let total = limits::PENALTY_SOURCES_MAX as u32 + 10;
        for n in 0..total {
            let source = Origin::from(IpAddr::from((0x0a00_0000 + n).to_be_bytes()));
            // Straight into the table: the sweep on each call would make this test quadratic.
            penalties.0.entry(source).or_insert(now + limits::PENALTY_MAX);
            if n + 20 > total {
                penalties.add(source, Offence::Panic, now);
            }
        }
        let source = Origin::from(IpAddr::from([192, 0, 2, 1]));
        (0..30).for_each(|_| penalties.add(source, Offence::Panic, now));
        assert!(penalties.bar(source, now));
        assert!(penalties.0.len() <= limits::PENALTY_SOURCES_MAX + 10);
    }
}
