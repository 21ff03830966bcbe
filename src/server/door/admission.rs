//! Who may connect at all, and who may stay: caps in total, per source and before login, and penalties for sources that
//! misbehave. Pure bookkeeping over a clock and dice that the caller hands in.
//!
//! A connection begins in the [`Hall`]. When that is crowded, or no place is left, each newcomer costs the source with
//! the most connections there its oldest one, unless it is of that source itself. A login takes a place out of those
//! that are for such sessions: anonymous ones leave some to named users ([`limits::NAMED_SHARE`]), and all but
//! administrators leave some to the hall ([`limits::HALL_SHARE`]), so that an administrator always gets in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use async_std::channel::{Receiver, Sender, bounded};

use super::admission_options::AdmissionOptions;
use super::hall::{Hall, Visit};
pub use super::penalties::Offence;
use super::penalties::Penalties;
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
    /// Told when a place comes back.
    left: Sender<()>,
    leaving: Receiver<()>,
}

#[derive(Debug, Default)]
struct Books {
    options: AdmissionOptions,
    hall: Hall,
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
        Arc::new(Admission { books: Mutex::new(Books { options, ..Books::default() }), left, leaving })
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
        !books.hall.is_empty() || books.sessions < books.options.connections
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
        let full = books.hall.len() + books.sessions >= books.options.connections;
        let crowded = dice < books.options.startups.refused_percent(books.hall.len());
        if (full || crowded) && !books.hall.push_out_for(origin) {
            return Err(Refusal::NotLoggedIn);
        }
        *books.origins.entry(origin).or_default() += 1;
        let stage = Stage::Hall(books.hall.enter(origin));
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
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // Counters only: a panic elsewhere cannot leave them half-changed.
        self.books.lock()
    }
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
    Hall(Visit),
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
            Stage::Hall(visit) => Some(visit),
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
            Some(visit) if books.hall.leave(self.origin, visit) => books.sessions += 1,
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
            Stage::Hall(visit) => Some(visit.pushed_out()),
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
            Stage::Hall(visit) => drop(books.hall.leave(self.origin, visit)),
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
mod tests {
    use super::*;
    use crate::auth::Users;
    use crate::secret::Secret;

    const NEVER: u32 = 99;

    impl Admission {
        fn admit(self: &Arc<Self>, address: IpAddr, now: Instant, dice: u32) -> Result<Admitted, Refusal> {
            self.admit_as(address, Exempt::Listed, now, dice)
        }
    }

    fn address(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    fn anybody() -> Principal {
        let users = Users::parse("[anonymous]\nenabled = true\n", "users.toml").unwrap();
        users.verify("anonymous", &Secret::new(""), std::net::Ipv4Addr::LOCALHOST.into()).unwrap()
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
        let books = admission.books();
        assert!(books.origins.is_empty() && books.hall.is_empty());
    }

    #[test]
    fn a_login_makes_room_for_newcomers() {
        let admission = Admission::new(AdmissionOptions { per_source: usize::MAX, ..Default::default() });
        let now = Instant::now();
        let mut kept: Vec<_> =
            (0..limits::STARTUPS_FULL).map(|_| admission.admit(address(1), now, 100).unwrap()).collect();
        assert_eq!(admission.admit(address(1), now, NEVER).unwrap_err(), Refusal::NotLoggedIn);
        let anybody = anybody();
        kept.iter_mut().for_each(|one| one.log_in(&anybody).unwrap());
        assert!(admission.admit(address(1), now, 0).is_ok());
    }

    #[test]
    fn a_connection_that_was_nobody_s_becomes_a_named_user_s_and_leaves_its_place_to_others() {
        let admission = Admission::new(AdmissionOptions { per_source: 1, ..Default::default() });
        let hash = crate::auth::hash_password(&Secret::new("secret")).unwrap();
        let users = Users::parse(&format!("[users.alice]\npassword = \"{hash}\"\n"), "users.toml").unwrap();
        let alice = users.verify("alice", &Secret::new("secret"), std::net::Ipv4Addr::LOCALHOST.into()).unwrap();
        let counts = || {
            let books = admission.books();
            (books.sessions, books.anonymous, books.users.len())
        };
        let mut one = admission.admit(address(1), Instant::now(), NEVER).unwrap();
        for (principal, expected) in [(&anybody(), (1, 1, 0)), (&alice, (1, 0, 1)), (&anybody(), (1, 0, 1))] {
            one.log_in(principal).unwrap();
            assert_eq!(counts(), expected);
        }
        let mut other = admission.admit(address(2), Instant::now(), NEVER).unwrap();
        other.log_in(&anybody()).unwrap();
        assert_eq!(other.log_in(&alice).unwrap_err().kind(), Kind::Busy, "the user has enough of them");
        assert_eq!(counts(), (2, 1, 1));
        drop((one, other));
        assert_eq!(counts(), (0, 0, 0));
    }

    #[test]
    fn a_newcomer_takes_the_place_of_the_oldest_of_the_largest_source() {
        let admission = Admission::new(AdmissionOptions { per_source: usize::MAX, ..Default::default() });
        let now = Instant::now();
        let admit = |n| admission.admit(address(n), now, NEVER);
        let mut silent: Vec<_> = (0..limits::STARTUPS_FULL).map(|_| admit(1).unwrap()).collect();
        let mut honest: Vec<_> = (0..100).map(|_| admit(2).unwrap()).collect();
        assert_eq!(admission.books().hall.len(), limits::STARTUPS_FULL);
        assert_eq!(admit(1).unwrap_err(), Refusal::NotLoggedIn);
        let anybody = anybody();
        assert!(honest.iter_mut().all(|one| one.log_in(&anybody).is_ok()));
        let outcomes: Vec<bool> = silent.iter_mut().map(|one| one.log_in(&anybody).is_ok()).collect();
        assert!(outcomes.iter().enumerate().all(|(n, stays)| *stays == (n >= 100)), "the oldest hundred are out");
        drop((silent, honest));
        let books = admission.books();
        assert!(books.hall.is_empty() && books.sessions == 0 && books.origins.is_empty());
    }

    #[test]
    fn without_a_place_one_in_the_hall_is_taken_and_sessions_leave_some() {
        let options = AdmissionOptions { connections: 40, per_source: usize::MAX, ..Default::default() };
        let (admission, now, anybody) = (Admission::new(options), Instant::now(), anybody());
        let enter = |n| {
            let mut one = admission.admit(address(n), now, NEVER).unwrap();
            one.log_in(&anybody).map(|()| one).map_err(|error| error.kind())
        };
        let kept: Vec<_> = (0..32).map(|_| enter(1).unwrap()).collect();
        assert_eq!(enter(2).unwrap_err(), Kind::Busy);
        let silent: Vec<_> = (0..8).map(|_| admission.admit(address(1), now, NEVER).unwrap()).collect();
        assert_eq!(admission.admit(address(1), now, NEVER).unwrap_err(), Refusal::NotLoggedIn);
        assert!(admission.admit(address(2), now, NEVER).is_ok());
        assert!(admission.has_room());
        drop((kept, silent));
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
    fn who_is_exempt_is_neither_penalised_nor_counted_and_what_is_changed_counts_at_once() {
        let exempt = vec!["192.0.2.1".parse().unwrap()];
        let options = AdmissionOptions { per_source: 1, exempt, ..Default::default() };
        let (admission, now) = (Admission::new(options), Instant::now());
        let mut kept = Vec::new();
        for _ in 0..5 {
            let one = admission.admit(address(1), now, NEVER).unwrap();
            (0..10).for_each(|_| one.penalise(Offence::LoginFailed, now));
            kept.push(one);
        }
        kept.push(admission.admit(address(2), now, NEVER).unwrap());
        assert_eq!(admission.admit(address(2), now, NEVER).unwrap_err(), Refusal::PerSource);
        admission.change(AdmissionOptions { per_source: 2, ..Default::default() });
        assert!(admission.admit(address(2), now, NEVER).is_ok());
        assert_eq!(admission.admit(address(1), now, NEVER).unwrap_err(), Refusal::PerSource);
    }

    #[test]
    fn own_connections_of_a_balancer_are_exempt_and_its_clients_at_that_address_are_not() {
        let admission = Admission::new(AdmissionOptions { per_source: 1, ..Default::default() });
        let now = Instant::now();
        let own = || admission.admit_as(address(1), Exempt::Always, now, NEVER).unwrap();
        let several = [own(), own()];
        several.iter().for_each(|one| (0..10).for_each(|_| one.penalise(Offence::NoLogin, now)));
        drop(several);
        let client = admission.admit(address(1), now, NEVER).unwrap();
        (0..10).for_each(|_| client.penalise(Offence::LoginFailed, now));
        drop(client);
        assert_eq!(admission.admit(address(1), now, NEVER).unwrap_err(), Refusal::Penalised);
        let _own = own();
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
