//! Who may connect at all, and who may stay: caps in total, per source and before login, and penalties for sources that
//! misbehave. Pure bookkeeping over a clock and dice that the caller hands in.
//!
//! A connection begins in the [`Preauth`]. When that is crowded, or no place is left, each newcomer costs the source with
//! the most connections there its oldest one, unless it is of that source itself. A login takes a place out of those
//! that are for such sessions: anonymous ones leave some to named users ([`limits::NAMED_SHARE`]), and all but
//! administrators leave some to the hall ([`limits::HALL_SHARE`]), so that an administrator always gets in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_std::channel::{Receiver, Sender, bounded};

use super::admission_options::AdmissionOptions;
pub use super::penalties::Offence;
use super::penalties::Penalties;
use super::preauth::{Preauth, Visit};
use super::tally::Tally;
use crate::auth::Principal;
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::machine::source::{Origin, Source};
use crate::sync::{Mutex, MutexGuard};

/// Whether a connection is refused for misbehaviour, or because there are many from where it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exempt {
    /// Unless its address is in [`AdmissionOptions::exempt`].
    Listed,
    /// Never: a balancer's own.
    Always,
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The source has too many.
    PerSource,
    /// Too many that are not logged in, and none has more of them than this source.
    NotLoggedIn,
    /// The source has misbehaved and must wait.
    Penalised,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; 3] = [Refusal::PerSource, Refusal::NotLoggedIn, Refusal::Penalised];

    /// One word, for those who count.
    pub const fn label(self) -> &'static str {
        match self {
            Refusal::PerSource => "per-source",
            Refusal::NotLoggedIn => "not-logged-in",
            Refusal::Penalised => "penalised",
        }
    }

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
    books: Mutex<Books>,
    tally: Tally,
    /// Told when a place comes back.
    left: Sender<()>,
    leaving: Receiver<()>,
}

#[derive(Debug, Default)]
struct Books {
    options: AdmissionOptions,
    preauth: Preauth,
    sessions: usize,
    anonymous: usize,
    /// Connections by where they come from.
    origins: HashMap<Origin, usize>,
    /// Sessions by user.
    users: HashMap<Source, usize>,
    penalties: Penalties,
}

impl Admission {
    /// Empty books.
    pub fn new(options: AdmissionOptions) -> Arc<Admission> {
        let (left, leaving) = bounded(1);
        let books = Mutex::new(Books { options, ..Books::default() });
        Arc::new(Admission { books, tally: Tally::default(), left, leaving })
    }

    /// Goes by these from now on. Nobody who is in has to leave.
    pub fn change(&self, options: AdmissionOptions) {
        self.books().options = options;
        // There may be room now. Full: somebody is told already.
        let _ = self.left.try_send(());
    }

    /// Waits until there is a place for a newcomer, or one that it could take from somebody. Until then newcomers wait in
    /// the kernel's queue and cost us nothing.
    pub async fn room(&self) {
        while !self.has_room() {
            // The sending end is in `self`.
            let _ = self.leaving.recv().await;
            // For another listener that waits: one call stands for all places that have come back.
            let _ = self.left.try_send(());
        }
    }

    fn has_room(&self) -> bool {
        let books = self.books();
        !books.preauth.is_empty() || books.sessions < books.options.connections
    }

    /// Lets a connection in, or says why not. `dice` is a random number from 0 to 99.
    ///
    /// # Errors
    /// The refusal.
    pub fn admit_as(
        self: &Arc<Self>,
        address: IpAddr,
        exempt: Exempt,
        now: Instant,
        dice: u32,
    ) -> Result<Admitted, Refusal> {
        let admitted = self.decide(address, exempt, now, dice);
        self.tally.newcomer(admitted.as_ref().err().copied());
        admitted
    }

    fn decide(self: &Arc<Self>, address: IpAddr, exempt: Exempt, now: Instant, dice: u32) -> Result<Admitted, Refusal> {
        let origin = Origin::from(address);
        let mut books = self.books();
        let is_balancer = exempt == Exempt::Always;
        let exempt = is_balancer || books.options.exempts(address);
        if !exempt && books.penalties.bar(origin, now) {
            return Err(Refusal::Penalised);
        }
        if !exempt && books.origins.get(&origin).is_some_and(|count| *count >= books.options.per_source) {
            return Err(Refusal::PerSource);
        }
        let full = books.preauth.len() + books.sessions >= books.options.connections;
        let crowded = dice < books.options.startups.refused_percent(books.preauth.len());
        if (full || crowded) && !books.preauth.push_out_for(origin) {
            return Err(Refusal::NotLoggedIn);
        }
        *books.origins.entry(origin).or_default() += 1;
        let stage = Stage::Preauth(books.preauth.enter(origin));
        Ok(Admitted { admission: self.clone(), address, origin, is_balancer, stage })
    }

    /// Adds a penalty to what is left of the source's earlier ones.
    pub fn penalise(&self, address: IpAddr, offence: Offence, now: Instant) {
        let source = Origin::from(address);
        let mut books = self.books();
        if source.is_loopback() && !books.options.penalise_loopback || books.options.exempts(address) {
            return;
        }
        books.penalties.add(source, offence, now);
        drop(books);
        self.tally.penalised(offence);
    }

    /// Those that are held back now.
    pub fn held_back(&self, now: Instant) -> Vec<(Origin, Duration)> {
        self.books().penalties.held_back(now)
    }

    /// Forgets what somebody at this address did. How long they would have been held back still; none if they were not.
    pub fn lift(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        self.books().penalties.lift(Origin::from(address), now)
    }

    /// How many are held back now.
    pub fn barred(&self, now: Instant) -> u64 {
        self.books().penalties.barred(now)
    }

    /// What is counted of newcomers.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// How many may be connected, and how many of those who are have not logged in.
    pub fn places(&self) -> ConnectionPlaces {
        let books = self.books();
        ConnectionPlaces { most: books.options.connections as u64, not_logged_in: books.preauth.len() as u64 }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock()
    }
}

/// The places of connections.
pub struct ConnectionPlaces {
    /// All that there are.
    pub most: u64,
    /// Those that somebody has who is not logged in.
    pub not_logged_in: u64,
}

impl Books {
    /// The most sessions of those who are no administrators.
    fn sessions_max(&self) -> usize {
        let all = self.options.connections;
        all - (all / limits::HALL_SHARE).max(limits::HALL_MIN).min(all / 4)
    }

    /// The most anonymous sessions.
    fn anonymous_max(&self) -> usize {
        self.sessions_max() - self.options.connections / limits::NAMED_SHARE
    }
}

/// A connection that was let in, counted until this is dropped.
#[derive(Debug)]
pub struct Admitted {
    admission: Arc<Admission>,
    address: IpAddr,
    origin: Origin,
    /// [`Exempt::Always`].
    is_balancer: bool,
    stage: Stage,
}

/// What it counts as.
#[derive(Debug)]
enum Stage {
    /// Not logged in.
    Preauth(Visit),
    /// A session; of a named user, or else an anonymous one.
    Session(Option<Source>),
}

impl Admitted {
    /// It proved who it is: takes a place of a session. Somebody with a name may do so after it was nobody's in particular.
    ///
    /// # Errors
    /// [`Kind::Busy`]: there is none for such a session.
    pub fn log_in(&mut self, principal: &Principal) -> Result<()> {
        let busy = |text: &str| Err(Error::new(Kind::Busy, text));
        let named = principal.is_user().then(|| Source::User(principal.name().into()));
        let mut books = self.admission.books();
        let visit = match &self.stage {
            Stage::Preauth(visit) => Some(visit),
            // Where one connection serves several, it counts as the first of them who has a name.
            Stage::Session(None) if named.is_some() => None,
            Stage::Session(_) => return Ok(()),
        };
        if visit.is_some() && !principal.is_admin() && books.sessions >= books.sessions_max() {
            return busy("no place is free");
        }
        match &named {
            None if books.anonymous >= books.anonymous_max() => {
                return busy("no place is free for anonymous reading; some are kept for named users");
            }
            Some(user) if books.users.get(user).is_some_and(|count| *count >= books.options.per_source) => {
                return busy("this user has too many connections");
            }
            _ => {}
        }
        match visit {
            Some(visit) if books.preauth.leave(self.origin, visit) => books.sessions += 1,
            Some(_) => return busy("this place was given to somebody else"),
            None => books.anonymous -= 1,
        }
        match &named {
            None => books.anonymous += 1,
            Some(user) => *books.users.entry(user.clone()).or_default() += 1,
        }
        drop(books);
        self.stage = Stage::Session(named);
        Ok(())
    }

    /// Whether it has a place of a session.
    pub fn is_session(&self) -> bool {
        matches!(self.stage, Stage::Session(_))
    }

    /// Waits until the place is given to somebody else, or left for one of a session; for ever once logged in.
    pub fn pushed_out(&self) -> impl Future<Output = ()> + use<> {
        let out = match &self.stage {
            Stage::Preauth(visit) => Some(visit.pushed_out()),
            Stage::Session(_) => None,
        };
        async {
            match out {
                Some(out) => out.await,
                None => std::future::pending().await,
            }
        }
    }

    /// It misbehaved.
    pub fn penalise(&self, offence: Offence, now: Instant) {
        if !self.is_balancer {
            self.admission.penalise(self.address, offence, now);
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut books = self.admission.books();
        match &self.stage {
            Stage::Preauth(visit) => drop(books.preauth.leave(self.origin, visit)),
            Stage::Session(named) => {
                books.sessions -= 1;
                match named {
                    None => books.anonymous -= 1,
                    Some(user) => one_less(&mut books.users, user),
                }
            }
        }
        one_less(&mut books.origins, &self.origin);
        drop(books);
        // Full: somebody is told already.
        let _ = self.admission.left.try_send(());
    }
}

fn one_less<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
