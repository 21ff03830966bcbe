//! Who may connect at all: caps in total, per source and before login, and penalties for sources that misbehave.
//! Pure bookkeeping over a clock and dice that the caller hands in.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::source::Origin;
use crate::error::{Error, Kind};
use crate::limits;

/// What an operator may set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionOptions {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one source.
    pub per_source: usize,
    /// When newcomers are refused because too many are not logged in.
    pub startups: Startups,
    /// Whether sources on this machine can be penalised. Off by default: behind a tunnel or a proxy every client
    /// comes from there, and one of them could lock out all.
    pub penalise_loopback: bool,
}

impl Default for AdmissionOptions {
    fn default() -> Self {
        AdmissionOptions {
            connections: limits::CONNECTIONS_MAX,
            per_source: limits::PER_SOURCE_MAX,
            startups: Startups::default(),
            penalise_loopback: false,
        }
    }
}

/// From how many connections that are not logged in newcomers are refused by chance, and from how many all of them are:
/// random early drop, as OpenSSH's MaxStartups, and written as that is (`200:30:2000`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Startups {
    begin: usize,
    percent: u32,
    full: usize,
}

impl Default for Startups {
    fn default() -> Self {
        Startups { begin: limits::STARTUPS_BEGIN, percent: limits::STARTUPS_PERCENT, full: limits::STARTUPS_FULL }
    }
}

impl fmt::Display for Startups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.begin, self.percent, self.full)
    }
}

impl FromStr for Startups {
    type Err = Error;

    /// # Errors
    /// [`Kind::Usage`] unless 1 <= begin <= full, and the share is one of 1 to 100.
    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            let text = "write BEGIN:PERCENT:FULL, such as 200:30:2000, with 1 <= BEGIN <= FULL and 1 <= PERCENT <= 100";
            Error::new(Kind::Usage, text)
        };
        let mut parts = text.split(':');
        let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok()).ok_or_else(wrong);
        let (begin, percent, full) = (number()?, number()?, number()?);
        let sound = parts.next().is_none() && (1..=full).contains(&begin) && (1..=100).contains(&percent);
        if !sound {
            return Err(wrong());
        }
        Ok(Startups { begin: begin as usize, percent, full: full as usize })
    }
}

impl Startups {
    /// How many of a hundred newcomers are refused while so many are not logged in: none at first, then a growing
    /// share, at the end all.
    fn refused_percent(self, not_logged_in: usize) -> u32 {
        let Startups { begin, percent, full } = self;
        if not_logged_in < begin {
            return 0;
        }
        if not_logged_in >= full {
            return 100;
        }
        let grown = (100 - percent as usize) * (not_logged_in - begin) / (full - begin);
        percent + u32::try_from(grown).unwrap_or(100)
    }
}

/// What a source did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offence {
    /// A wrong user or password.
    LoginFailed,
    /// Connected and left, or was silent, without trying to log in.
    NoLogin,
    /// The handshake or login took too long.
    TooSlow,
    /// Made a session panic.
    Panic,
}

impl Offence {
    fn penalty(self) -> Duration {
        match self {
            Offence::LoginFailed => limits::PENALTY_LOGIN_FAILED,
            Offence::NoLogin => limits::PENALTY_NO_LOGIN,
            Offence::TooSlow => limits::PENALTY_TOO_SLOW,
            Offence::Panic => limits::PENALTY_PANIC,
        }
    }
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The source has too many.
    PerSource,
    /// Too many that are not logged in; chance chose this one.
    NotLoggedIn,
    /// The source has misbehaved and must wait.
    Penalised,
}

impl Refusal {
    /// For the log.
    pub const fn word(self) -> &'static str {
        match self {
            Refusal::PerSource => "too many from one address",
            Refusal::NotLoggedIn => "too many not logged in",
            Refusal::Penalised => "penalised",
        }
    }
}

/// The books.
#[derive(Debug)]
pub struct Admission {
    options: AdmissionOptions,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    not_logged_in: usize,
    per_source: HashMap<Origin, usize>,
    /// Until when each source is penalised; the sum of what it did, decaying with time.
    penalties: HashMap<Origin, Instant>,
}

impl Admission {
    /// Empty books.
    pub fn new(options: AdmissionOptions) -> Arc<Admission> {
        Arc::new(Admission { options, books: Mutex::default() })
    }

    /// Connections at once; the caller takes a permit for each before it accepts.
    pub fn connections(&self) -> usize {
        self.options.connections
    }

    /// Lets a connection in, or says why not. `dice` is a random number from 0 to 99.
    ///
    /// # Errors
    /// The refusal.
    pub fn admit(self: &Arc<Self>, address: IpAddr, now: Instant, dice: u32) -> Result<Admitted, Refusal> {
        let source = Origin::from(address);
        let mut books = self.books();
        if books.penalties.get(&source).is_some_and(|until| *until > now + limits::PENALTY_TOLERATED) {
            return Err(Refusal::Penalised);
        }
        if books.per_source.get(&source).is_some_and(|count| *count >= self.options.per_source) {
            return Err(Refusal::PerSource);
        }
        if dice < self.options.startups.refused_percent(books.not_logged_in) {
            return Err(Refusal::NotLoggedIn);
        }
        books.not_logged_in += 1;
        *books.per_source.entry(source).or_default() += 1;
        Ok(Admitted { admission: self.clone(), source, logged_in: false })
    }

    /// Adds a penalty to what is left of the source's earlier ones.
    fn penalise(&self, source: Origin, offence: Offence, now: Instant) {
        if source.is_loopback() && !self.options.penalise_loopback {
            return;
        }
        let mut books = self.books();
        books.penalties.retain(|_, until| *until > now);
        if books.penalties.len() >= limits::PENALTY_SOURCES_MAX && !books.penalties.contains_key(&source) {
            // The table is full: the one that would be forgiven first is.
            let first = books.penalties.iter().min_by_key(|(_, until)| **until).map(|(source, _)| *source);
            if let Some(first) = first {
                books.penalties.remove(&first);
            }
        }
        let until = books.penalties.entry(source).or_insert(now);
        *until = (*until + offence.penalty()).min(now + limits::PENALTY_MAX);
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // Counters only: a panic elsewhere cannot leave them half-changed.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that was let in, counted until this is dropped.
#[derive(Debug)]
pub struct Admitted {
    admission: Arc<Admission>,
    source: Origin,
    logged_in: bool,
}

impl Admitted {
    /// It logged in: it no longer counts as a newcomer.
    pub fn logged_in(&mut self) {
        if !std::mem::replace(&mut self.logged_in, true) {
            self.admission.books().not_logged_in -= 1;
        }
    }

    /// It misbehaved.
    pub fn penalise(&self, offence: Offence, now: Instant) {
        self.admission.penalise(self.source, offence, now);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut books = self.admission.books();
        if !self.logged_in {
            books.not_logged_in -= 1;
        }
        if let Some(count) = books.per_source.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                books.per_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: u32 = 99;

    fn address(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    #[test]
    fn one_source_cannot_take_more_than_its_share() {
        let admission = Admission::new(AdmissionOptions { per_source: 2, ..Default::default() });
        let now = Instant::now();
        let kept = [admission.admit(address(1), now, NEVER).unwrap(), admission.admit(address(1), now, NEVER).unwrap()];
        assert_eq!(admission.admit(address(1), now, NEVER).unwrap_err(), Refusal::PerSource);
        assert!(admission.admit(address(2), now, NEVER).is_ok());
        drop(kept);
        assert!(admission.admit(address(1), now, NEVER).is_ok());
        assert!(admission.books().per_source.is_empty());
    }

    #[test]
    fn newcomers_are_refused_more_and_more_until_all_are() {
        let refused = |startups: &str, count| startups.parse::<Startups>().unwrap().refused_percent(count);
        assert_eq!(
            [9, 10, 55, 99, 100, usize::MAX].map(|count| refused("10:30:100", count)),
            [0, 30, 65, 99, 100, 100]
        );
        assert_eq!([4, 5, 6].map(|count| refused("5:30:5", count)), [0, 100, 100]);
        assert_eq!([0, 1].map(|count| refused("1:100:2", count)), [0, 100]);
        let growing = Startups::default();
        assert!((growing.begin..growing.full).is_sorted_by_key(|count| growing.refused_percent(count)));
    }

    #[test]
    fn startups_that_make_no_sense_are_refused() {
        for wrong in [
            "",
            "10",
            "10:30",
            "0:30:10",
            "11:30:10",
            "1:0:10",
            "1:101:10",
            "1:30:10:1",
            "a:30:10",
            "1:30:",
            "-1:30:10",
        ] {
            assert_eq!(wrong.parse::<Startups>().unwrap_err().kind(), Kind::Usage, "{wrong}");
        }
        assert_eq!("200:30:2000".parse::<Startups>().unwrap(), Startups::default());
        assert_eq!(Startups::default().to_string(), "200:30:2000");
    }

    #[test]
    fn a_login_makes_room_for_newcomers() {
        let admission = Admission::new(AdmissionOptions { per_source: usize::MAX, ..Default::default() });
        let now = Instant::now();
        let mut kept: Vec<_> =
            (0..limits::STARTUPS_FULL).map(|_| admission.admit(address(1), now, 100).unwrap()).collect();
        assert_eq!(admission.admit(address(2), now, NEVER).unwrap_err(), Refusal::NotLoggedIn);
        kept.iter_mut().for_each(Admitted::logged_in);
        assert!(admission.admit(address(2), now, 0).is_ok());
    }

    #[test]
    fn penalties_grow_decay_and_hit_nobody_else() {
        let admission = Admission::new(AdmissionOptions::default());
        let now = Instant::now();
        let guilty = admission.admit(address(1), now, NEVER).unwrap();
        guilty.penalise(Offence::LoginFailed, now);
        assert!(admission.admit(address(1), now, NEVER).is_ok(), "one mistake is tolerated");
        for _ in 0..5 {
            guilty.penalise(Offence::LoginFailed, now);
        }
        assert_eq!(admission.admit(address(1), now, NEVER).unwrap_err(), Refusal::Penalised);
        assert!(admission.admit(address(2), now, NEVER).is_ok());
        assert!(admission.admit(address(1), now + 6 * limits::PENALTY_LOGIN_FAILED, NEVER).is_ok());
        for _ in 0..10_000 {
            guilty.penalise(Offence::Panic, now);
        }
        assert!(admission.admit(address(1), now + limits::PENALTY_MAX, NEVER).is_ok());
    }

    #[test]
    fn the_table_of_penalties_is_bounded() {
        let admission = Admission::new(AdmissionOptions::default());
        let now = Instant::now();
        let total = limits::PENALTY_SOURCES_MAX as u32 + 10;
        for n in 0..total {
            let source = Origin::from(IpAddr::from((0x0a00_0000 + n).to_be_bytes()));
            // Straight into the books: the sweep on each call would make this test quadratic.
            admission.books().penalties.entry(source).or_insert(now + limits::PENALTY_MAX);
            if n + 20 > total {
                admission.penalise(source, Offence::Panic, now);
            }
        }
        let source = Origin::from(address(1));
        for _ in 0..30 {
            admission.penalise(source, Offence::Panic, now);
        }
        assert!(admission.books().penalties.contains_key(&source));
    }

    #[test]
    fn this_machine_is_not_penalised_unless_asked_for() {
        let local = IpAddr::from([127, 0, 0, 1]);
        let now = Instant::now();
        for (penalise_loopback, refused) in [(false, false), (true, true)] {
            let admission = Admission::new(AdmissionOptions { penalise_loopback, ..Default::default() });
            let admitted = admission.admit(local, now, NEVER).unwrap();
            (0..10).for_each(|_| admitted.penalise(Offence::LoginFailed, now));
            assert_eq!(admission.admit(local, now, NEVER).is_err(), refused);
        }
    }
}
