//! Who gets in, and who is held back.

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
    assert!(books.origins.is_empty() && books.preauth.is_empty());
}

#[test]
fn a_login_makes_room_for_newcomers() {
    let admission = Admission::new(AdmissionOptions { per_source: usize::MAX, ..Default::default() });
    let now = Instant::now();
    let mut kept: Vec<_> = (0..limits::STARTUPS_FULL).map(|_| admission.admit(address(1), now, 100).unwrap()).collect();
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
    assert_eq!(admission.books().preauth.len(), limits::STARTUPS_FULL);
    assert_eq!(admit(1).unwrap_err(), Refusal::NotLoggedIn);
    let anybody = anybody();
    assert!(honest.iter_mut().all(|one| one.log_in(&anybody).is_ok()));
    let outcomes: Vec<bool> = silent.iter_mut().map(|one| one.log_in(&anybody).is_ok()).collect();
    assert!(outcomes.iter().enumerate().all(|(n, stays)| *stays == (n >= 100)), "the oldest hundred are out");
    drop((silent, honest));
    let books = admission.books();
    assert!(books.preauth.is_empty() && books.sessions == 0 && books.origins.is_empty());
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
