//! Keys in a users file, and who logs in with them.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use super::hash::tests::{cheap_hash, take_runs};
use super::users::Users;
use super::{Access, AuthorizedKeys, Principal, Secret, editor};
use crate::client::keys::LoginKey;
use crate::error::{Kind, Result};
use crate::keys::{Nonce, Proof, Purpose, Statement};

fn key() -> LoginKey {
    LoginKey::generate("alice@laptop").unwrap()
}

fn line(key: &LoginKey) -> String {
    key.public().to_openssh(key.comment())
}

fn users(keys: &str) -> Result<Users> {
    Users::parse(&format!("[users.alice]\nadmin = true\nkeys = [\n{keys}\n]\n"), "users.toml")
}

fn statement(user: &str) -> Statement<'_> {
    let pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse().unwrap();
    Statement { purpose: Purpose::Login, nonce: Nonce::fresh().unwrap(), user, pin }
}

fn here() -> IpAddr {
    "192.0.2.7".parse().unwrap()
}

fn log_in(users: &Users, keys: &[&LoginKey]) -> Result<Principal> {
    let statement = statement("alice");
    let proofs: Vec<Proof> = keys.iter().map(|key| key.sign(&statement).unwrap()).collect();
    users.verify_keys(&statement, &proofs, here())
}

#[test]
fn a_key_of_the_user_logs_in_among_others_and_no_password_is_hashed() {
    let (own, other) = (key(), key());
    let users = users(&format!("\"{}\"", line(&own))).unwrap();
    take_runs();
    let principal = log_in(&users, &[&other, &own]).unwrap();
    assert_eq!((principal.name(), principal.key_name()), ("alice", Some("alice@laptop")));
    assert!(principal.is_admin() && !principal.is_anonymous());
    assert_eq!(principal.access(), Access::FULL);
    assert_eq!(log_in(&users, &[&other]).unwrap_err().kind(), Kind::LoginFailed);
    assert_eq!(take_runs(), []);
}

#[test]
fn an_unknown_user_an_unknown_key_and_a_wrong_signature_are_alike() {
    let (own, other) = (key(), key());
    let users = users(&format!("\"{}\"", line(&own))).unwrap();
    let refused = |user: &str, signer: &LoginKey, said: &Statement<'_>| {
        let error = users.verify_keys(&statement(user), &[signer.sign(said).unwrap()], here()).unwrap_err();
        (error.kind(), error.text().to_owned())
    };
    let alike = (Kind::LoginFailed, "wrong user or key".to_owned());
    assert_eq!(refused("bob", &own, &statement("bob")), alike);
    assert_eq!(refused("anonymous", &own, &statement("anonymous")), alike);
    assert_eq!(refused("alice", &other, &statement("alice")), alike);
    assert_eq!(refused("alice", &own, &statement("alice")), alike, "of another nonce");
    assert_eq!(users.verify_keys(&statement("alice"), &[], here()).unwrap_err().text(), alike.1);
}

#[test]
fn a_user_with_keys_alone_has_no_password_and_guessing_one_costs_what_it_always_costs() {
    let users = users(&format!("\"{}\"", line(&key()))).unwrap();
    take_runs();
    let costs = |user: &str| {
        let error = users.verify(user, &Secret::new("anything"), std::net::Ipv4Addr::LOCALHOST.into()).unwrap_err();
        assert_eq!((error.kind(), error.text()), (Kind::LoginFailed, "wrong user or password"));
        take_runs()
    };
    let hers = costs("alice");
    assert_eq!(hers.len(), 1);
    assert_eq!(hers, costs("nobody"));
}

#[test]
fn what_bounds_a_key_bounds_its_sessions() {
    let key = key();
    let with = |bounds: &str| users(&format!("{{ key = \"{}\", {bounds} }}", line(&key))).unwrap();
    let bounded = log_in(&with("access = [\"list\", \"upload\"]"), &[&key]).unwrap();
    assert_eq!(bounded.access(), Access::LIST.union(Access::UPLOAD));
    assert!(!bounded.is_admin(), "a bound key does not administer");
    for (bounds, logs_in) in [
        ("from = [\"192.0.2.0/24\"]", true),
        ("from = \"192.0.2.7\"", true),
        ("from = [\"198.51.100.0/24\", \"::1\"]", false),
        ("expires = 2999-12-31", true),
        ("expires = 2020-01-31", false),
        ("expires = \"2020-01-31T00:00:00Z\"", false),
        ("expires = 2999-01-31T00:00:00+02:00", true),
        ("name = \"backup\"", true),
    ] {
        assert_eq!(log_in(&with(bounds), &[&key]).is_ok(), logs_in, "{bounds}");
    }
    assert_eq!(log_in(&with("name = \"backup\""), &[&key]).unwrap().key_name(), Some("backup"));
}

#[test]
fn a_session_lasts_as_long_as_its_key_is_there_and_may_be_used() {
    let (key, other) = (key(), key());
    let with = |bounds: &str| users(&format!("{{ key = \"{}\"{bounds} }}", line(&key))).unwrap();
    let principal = log_in(&with(""), &[&key]).unwrap();
    let renewed = with(", access = \"read\", name = \"renamed\"").renew(&principal).unwrap();
    assert_eq!((renewed.access(), renewed.key_name()), (Access::READ, Some("renamed")));
    assert!(with("").still_has(&principal));
    for gone in
        [with(", expires = 2020-01-31"), with(", from = \"::1\""), users(&format!("\"{}\"", line(&other))).unwrap()]
    {
        assert!(gone.renew(&principal).is_none() && gone.admit(&principal, here()).is_err());
    }
    // A password that comes or changes is nothing to a key.
    let text = format!("[users.alice]\npassword = \"{}\"\nkeys = [\"{}\"]\n", cheap_hash("x"), line(&key));
    let with_password = Users::parse(&text, "users.toml").unwrap();
    assert!(with_password.renew(&principal).is_some());
    let by_password = with_password.verify("alice", &Secret::new("x"), std::net::Ipv4Addr::LOCALHOST.into()).unwrap();
    assert!(with("").renew(&by_password).is_none(), "the password is gone");
    take_runs();
}

#[test]
fn the_end_of_a_key_is_seen_when_it_comes() {
    let users = users(&format!("{{ key = \"{}\", expires = 2027-01-31 }}", line(&key()))).unwrap();
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_801_440_000);
    let second = Duration::from_secs(1);
    assert!(users.expired_between(end - second, end), "2027-02-01 00:00 UTC");
    assert!(!users.expired_between(end, end + second) && !users.expired_between(end - 2 * second, end - second));
}

#[test]
fn every_mistake_in_a_key_is_named_with_its_line_and_repeats_no_key() {
    let good = line(&key());
    let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDcanary";
    for (keys, line, what) in [
        ("5".to_owned(), 4, "texts in quotes"),
        ("\"hello\"".to_owned(), 4, "must begin with the kind"),
        ("\"ssh-ed25519 canary\"".to_owned(), 4, "no public key"),
        (format!("\n\"{rsa}\""), 5, "no public key"),
        (format!("\"no-pty {good}\""), 4, "must begin with the kind"),
        ("\"-----BEGIN OPENSSH PRIVATE KEY-----\"".to_owned(), 4, "private key"),
        (format!("\"{good}\",\n\"{good}\""), 5, "twice"),
        ("{ name = \"x\" }".to_owned(), 4, "there is no `key`"),
        (format!("{{ key = \"{good}\", acces = \"read\" }}"), 4, "unknown key 'acces'"),
        (format!("{{ key = \"{good}\", access = \"some\" }}"), 4, "no access right"),
        (format!("{{ key = \"{good}\", from = [] }}"), 4, "a list of addresses"),
        (format!("{{ key = \"{good}\", from = \"home\" }}"), 4, "'home' is neither an address"),
        (format!("{{ key = \"{good}\", expires = 5 }}"), 4, "a date"),
        (format!("{{ key = \"{good}\", expires = 12:00:00 }}"), 4, "a date"),
        (format!("{{ key = \"{good}\", expires = 2027-01-31T18:00:00 }}"), 4, "with its zone"),
        (format!("{{ key = \"{good}\", name = \"a\\u0007\" }}"), 4, "control character"),
    ] {
        let Err(error) = users(&keys) else { panic!("accepted: {keys}") };
        let start = format!("users.toml:{line}: ");
        assert!(error.text().starts_with(&start) && error.text().contains(what), "{keys}\n{error}");
        let encoded = good.split(' ').nth(1).unwrap();
        assert!(!error.text().contains("canary") && !error.text().contains(encoded), "{error}");
    }
}

#[test]
fn keys_come_and_go_in_the_file_and_nothing_else_changes() {
    let (one, two) = (key(), key());
    let add = |text: &str, name: &str, key: &LoginKey| {
        editor::add_keys(text, "f", name, &AuthorizedKeys::read(&line(key)).keys)
    };
    let text = format!("# top\n[users.alice] # her\npassword = \"{}\"\n# end\n", cheap_hash("x"));
    let first = add(&text, "alice", &one).unwrap();
    let both = add(&first, "alice", &two).unwrap();
    assert_eq!(Users::parse(&both, "f").unwrap().get("alice").unwrap().keys().len(), 2);
    assert_eq!(add(&both, "alice", &one).unwrap_err().kind(), Kind::Exists);
    assert_eq!(add(&both, "bob", &one).unwrap_err().kind(), Kind::NotFound);
    // Both are called alike.
    assert_eq!(editor::remove_key(&both, "f", "alice", "alice@laptop").unwrap_err().kind(), Kind::Usage);
    let left = editor::remove_key(&both, "f", "alice", &two.public().fingerprint()).unwrap();
    assert_eq!(left, first);
    let none = editor::remove_key(&left, "f", "alice", "alice@laptop").unwrap();
    assert!(none.contains("# top") && none.contains("# her") && none.contains("# end"), "{none}");
    assert!(Users::parse(&none, "f").unwrap().get("alice").unwrap().keys().is_empty());
    assert_eq!(editor::remove_key(&none, "f", "alice", "x").unwrap_err().kind(), Kind::NotFound);
    take_runs();
}
