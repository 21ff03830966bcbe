//! Keys that users enrol themselves, and what must not come of it.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use rustix::process::Signal;
use sealift::client::keys::LoginKey;
use sealift::keys::{Purpose, Statement};
use sealift::limits;
use sealift::tls::Pin;

use crate::common::{Daemon, RawClient, end_of, text};

fn fresh() -> LoginKey {
    LoginKey::generate("").unwrap()
}

fn sealiftd(daemon: &Daemon, args: &[&str], input: &str) -> String {
    let output = end_of(daemon.command(args), input);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// A server where alice's password is `given`.
fn served() -> Daemon {
    let daemon = Daemon::start();
    daemon.add_user("alice", "given", "full");
    daemon
}

/// A server where alice has no password, but this key of the administrator's.
fn with_given_key(given: &LoginKey) -> Daemon {
    let daemon = Daemon::start();
    sealiftd(&daemon, &["user", "add", "alice", "--key", &given.public().to_openssh("given")], "");
    daemon
}

fn pin(daemon: &Daemon) -> Pin {
    daemon.pin().parse().unwrap()
}

fn signed(key: &LoginKey, purpose: Purpose, nonce: &str, user: &str, pin: Pin) -> String {
    key.sign(&Statement { purpose, nonce: nonce.parse().unwrap(), user, pin }).unwrap().to_text()
}

fn nonce(client: &mut RawClient) -> String {
    client.ask("NONCE").2["nonce"].clone()
}

/// Somebody who logs in with this key, and the signature that did it.
fn try_enter(daemon: &Daemon, user: &str, key: &LoginKey) -> (RawClient, String, String) {
    let mut client = RawClient::silent(daemon.port());
    let greeted = client.reply().2["nonce"].clone();
    let proof = signed(key, Purpose::Login, &greeted, user, pin(daemon));
    let word = client.ask(format!("KEY {user} {proof}")).1;
    (client, proof, word)
}

fn enters(daemon: &Daemon, key: &LoginKey) -> bool {
    try_enter(daemon, "alice", key).2 == "welcome"
}

fn entered(daemon: &Daemon, key: &LoginKey) -> RawClient {
    let (client, _, word) = try_enter(daemon, "alice", key);
    assert_eq!(word, "welcome");
    client
}

/// Enrols this key over a session of alice's; `prove` is asked for what follows the signature of the key itself.
fn enrol(client: &mut RawClient, daemon: &Daemon, key: &LoginKey, by: Option<&LoginKey>) -> String {
    let nonce = nonce(client);
    let own = signed(key, Purpose::Enrolled, &nonce, "alice", pin(daemon));
    let evidence = match by {
        None => "present=given".to_owned(),
        Some(by) => format!("proof={}", signed(by, Purpose::Enrol, &nonce, "alice", pin(daemon))),
    };
    client.ask(format!("ENROL laptop {own} {evidence}")).1
}

/// Another users file, whole at once.
fn put_users(daemon: &Daemon, text: &str) {
    let fresh = daemon.place().join("users.new");
    fs::write(&fresh, text).unwrap();
    // It got its name after its last write, as with `sealiftd user`.
    let before = std::time::SystemTime::now() - std::time::Duration::from_secs(5);
    fs::File::options().write(true).open(&fresh).unwrap().set_modified(before).unwrap();
    fs::rename(fresh, daemon.place().join("users.toml")).unwrap();
}

fn own_file(daemon: &Daemon) -> PathBuf {
    daemon.place().join("server_state/users/alice.toml")
}

fn again(mut daemon: Daemon, place: &tempfile::TempDir) -> Daemon {
    daemon.signal(Signal::KILL);
    daemon.wait();
    Daemon::builder().within(place.path()).start()
}

/// A signature is for one purpose, one nonce, one server: that of a login changes nothing, whoever sends it.
#[test]
fn replayed_as_a_change() {
    let given = fresh();
    let daemon = with_given_key(&given);
    let (mut alice, login, word) = try_enter(&daemon, "alice", &given);
    assert_eq!(word, "welcome");
    let wanted = fresh();
    let own = |nonce: &str| signed(&wanted, Purpose::Enrolled, nonce, "alice", pin(&daemon));
    // Without a nonce there is nothing to sign.
    assert_eq!(alice.ask(format!("ENROL laptop {} proof={login}", own(&"0".repeat(64)))).1, "bad-sequence");
    assert_eq!(alice.ask(format!("PASSWD mine-own proof={login}")).1, "bad-sequence");
    let asked = nonce(&mut alice);
    assert_eq!(alice.ask(format!("ENROL laptop {} proof={login}", own(&asked))).1, "login-failed");
    // Over the right nonce, but for something else; or for another server, or another user.
    let sign = |purpose, nonce: &str| signed(&given, purpose, nonce, "alice", pin(&daemon));
    let foreign: Pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse().unwrap();
    let wrong: [&dyn Fn(&str) -> String; 6] = [
        &|nonce| sign(Purpose::Login, nonce),
        &|nonce| sign(Purpose::Enrol, nonce),
        &|nonce| sign(Purpose::Revoke, nonce),
        &|nonce| sign(Purpose::Enrolled, nonce),
        &|nonce| signed(&given, Purpose::Password, nonce, "alice", foreign),
        &|nonce| signed(&given, Purpose::Password, nonce, "bob", pin(&daemon)),
    ];
    for (at, wrong) in wrong.iter().enumerate() {
        let mut alice = entered(&daemon, &given);
        let nonce = nonce(&mut alice);
        assert_eq!(alice.ask(format!("PASSWD mine-own proof={}", wrong(&nonce))).1, "login-failed", "{at}");
        // It was good for one attempt.
        assert_eq!(alice.ask(format!("PASSWD mine-own proof={}", sign(Purpose::Password, &nonce))).1, "bad-sequence");
    }
    // What did it once does it no second time, over this connection or another.
    let nonce = nonce(&mut alice);
    let good = format!("ENROL laptop {} proof={}", own(&nonce), sign(Purpose::Enrol, &nonce));
    assert_eq!(alice.ask(&good).1, "enrolled");
    assert_eq!(alice.ask(&good).1, "bad-sequence");
    let mut other = entered(&daemon, &given);
    other.ask("NONCE");
    assert_eq!(other.ask(&good).1, "bad-command", "another nonce");
    assert!(enters(&daemon, &wanted));
}

/// Whoever stole a session, or a token for one, has no way to stay: every change is proven anew.
#[test]
fn stolen_session_enrols() {
    let daemon = served();
    let mut alice = RawClient::logged_in(&daemon, "alice", "given");
    let tokens = alice.ask("TOKEN count=2").2["tokens"].clone();
    let (first, second) = tokens.split_once(',').unwrap();
    let mut joined = RawClient::connect(&daemon);
    assert_eq!(joined.ask(format!("JOIN {first}")).1, "welcome");
    let thiefs = fresh();
    let asked = nonce(&mut joined);
    let own = signed(&thiefs, Purpose::Enrolled, &asked, "alice", pin(&daemon));
    for evidence in ["", "present=", "proof="] {
        assert_eq!(joined.ask(format!("ENROL x {own} {evidence}")).1, "bad-command", "{evidence}");
    }
    // By the token; by the very key that is to be enrolled; guesses end the connection.
    assert_eq!(joined.ask(format!("ENROL x {own} present={second}")).1, "login-failed");
    assert_eq!(enrol(&mut joined, &daemon, &thiefs, Some(&thiefs)), "login-failed");
    let asked = nonce(&mut joined);
    let own = signed(&thiefs, Purpose::Enrolled, &asked, "alice", pin(&daemon));
    assert_eq!(joined.ask(format!("ENROL x {own} present=guess")).1, "login-failed");
    assert!(joined.rest().is_empty());
    assert!(!enters(&daemon, &thiefs));
    // Nobody enrols a key that is not in their hands.
    let (alices, nonce) = (fresh(), nonce(&mut alice));
    let elsewhere = signed(&alices, Purpose::Enrolled, &nonce, "bob", pin(&daemon));
    assert_eq!(alice.ask(format!("ENROL x {elsewhere} present=given")).1, "bad-command");
    assert_eq!(alice.ask(format!("ENROL x {elsewhere} present=given")).1, "bad-sequence");
    let mut anonymous = RawClient::logged_in(&daemon, "anonymous", "x");
    assert_eq!(anonymous.ask("KEYS").2["keys"], "0");
    assert_eq!(enrol(&mut anonymous, &daemon, &thiefs, None), "denied");
    assert!(!own_file(&daemon).exists());
}

/// A key is revoked by whom it logs in, and by nobody else; the administrator's by the administrator.
#[test]
fn anothers_key_revoked() {
    let daemon = served();
    daemon.add_user("bob", "other", "full");
    let (given, own) = (fresh(), fresh());
    sealiftd(&daemon, &["user", "key", "add", "alice", &given.public().to_openssh("given")], "");
    let mut alice = RawClient::logged_in(&daemon, "alice", "given");
    assert_eq!(enrol(&mut alice, &daemon, &own, None), "enrolled");
    let mut bob = RawClient::logged_in(&daemon, "bob", "other");
    for key in [&own, &given] {
        assert_eq!(bob.ask(format!("REVOKE {} present=other", key.public().fingerprint())).1, "not-found");
    }
    assert_eq!(bob.ask(format!("REVOKE {} present=given", own.public().fingerprint())).1, "login-failed");
    assert_eq!(alice.ask(format!("REVOKE {} present=given", given.public().fingerprint())).1, "denied");
    assert!(enters(&daemon, &own) && enters(&daemon, &given));
    assert_eq!(try_enter(&daemon, "bob", &own).2, "login-failed");
    // The list says whose is whose.
    alice.line("KEYS");
    let by: Vec<String> = (0..2).map(|_| alice.reply().2["by"].clone()).collect();
    assert_eq!((by, alice.reply().2["keys"].as_str()), (vec!["administrator".to_owned(), "user".to_owned()], "2"));
}

#[test]
fn flood_of_keys() {
    let place = tempfile::tempdir().unwrap();
    let daemon = Daemon::builder().within(place.path()).start();
    daemon.add_user("alice", "given", "full");
    let first = fresh();
    let mut alice = RawClient::logged_in(&daemon, "alice", "given");
    assert_eq!(enrol(&mut alice, &daemon, &first, None), "enrolled");
    let longest = "\u{5c}".repeat(limits::KEY_NAME_MAX).replace('\u{5c}', "%5C");
    for n in 1..limits::OWN_KEYS_MAX {
        let nonce = nonce(&mut alice);
        let own = signed(&fresh(), Purpose::Enrolled, &nonce, "alice", pin(&daemon));
        let proof = signed(&first, Purpose::Enrol, &nonce, "alice", pin(&daemon));
        assert_eq!(alice.ask(format!("ENROL {longest} {own} proof={proof}")).1, "enrolled", "{n}");
    }
    let over = fresh();
    assert_eq!(enrol(&mut alice, &daemon, &over, Some(&first)), "too-many");
    assert_eq!(enrol(&mut alice, &daemon, &first, Some(&first)), "exists");
    let daemon = again(daemon, &place);
    assert!(enters(&daemon, &first) && !enters(&daemon, &over), "all of it is read again");
    let mut alice = entered(&daemon, &first);
    let asked = nonce(&mut alice);
    let proof = signed(&first, Purpose::Revoke, &asked, "alice", pin(&daemon));
    assert_eq!(alice.ask(format!("REVOKE {} proof={proof}", first.public().fingerprint())).1, "removed");
    assert!(alice.rest().is_empty(), "its own session ends with it");
    let mut alice = RawClient::logged_in(&daemon, "alice", "given");
    assert_eq!(enrol(&mut alice, &daemon, &over, None), "enrolled", "there is room again");
}

/// A key that is revoked opens nothing more, and what it has opened ends; what others opened goes on.
#[test]
fn sessions_of_a_revoked_key() {
    let daemon = served();
    let (lost, kept) = (fresh(), fresh());
    let mut alice = RawClient::logged_in(&daemon, "alice", "given");
    for key in [&lost, &kept] {
        assert_eq!(enrol(&mut alice, &daemon, key, None), "enrolled");
    }
    let (mut ends, mut goes_on) = (entered(&daemon, &lost), entered(&daemon, &kept));
    let token = ends.ask("TOKEN count=2").2["tokens"].clone();
    let (first, second) = token.split_once(',').unwrap();
    let mut joined = RawClient::connect(&daemon);
    assert_eq!(joined.ask(format!("JOIN {first}")).1, "welcome");
    assert_eq!(alice.ask(format!("REVOKE {} present=given", lost.public().fingerprint())).1, "removed");
    for client in [&mut ends, &mut joined] {
        let (digits, word, _) = client.reply();
        assert_eq!((digits, word.as_str()), (421, "revoked"));
    }
    assert!(!enters(&daemon, &lost) && enters(&daemon, &kept));
    assert_eq!(RawClient::connect(&daemon).ask(format!("JOIN {second}")).1, "login-failed");
    assert_eq!((goes_on.ask("PING").1.as_str(), alice.ask("PING").1.as_str()), ("pong", "pong"));
    // A password that is changed ends what the old one has opened, and no key.
    assert_eq!(goes_on.ask("PASSWD mine-own present=given").1, "changed");
    assert_eq!(alice.reply().1, "revoked");
    assert_eq!(goes_on.ask("PING").1, "pong");
    daemon.log_with(&["key enrolled by its user", "key revoked by its user", "key=\"laptop\""]);
}

/// What is done by proof of a bounded key is bounded as it is, and ends with it: nobody comes out with more.
#[test]
fn key_outlives_its_ground() {
    let given = fresh();
    let daemon = with_given_key(&given);
    let users = daemon.place().join("users.toml");
    let line = given.public().to_openssh("given");
    let whole = fs::read_to_string(&users).unwrap();
    let bound = |bounds: &str| {
        let text = whole.replace(&format!("\"{line}\""), &format!("{{ key = \"{line}\"{bounds} }}"));
        put_users(&daemon, &text);
    };
    let (own, second) = (fresh(), fresh());
    let mut alice = entered(&daemon, &given);
    assert_eq!(enrol(&mut alice, &daemon, &own, Some(&given)), "enrolled");
    // By the enrolled one: it comes down to the same.
    let mut alice = entered(&daemon, &own);
    assert_eq!(enrol(&mut alice, &daemon, &second, Some(&own)), "enrolled");
    let asked = nonce(&mut alice);
    let proof = signed(&own, Purpose::Password, &asked, "alice", pin(&daemon));
    assert_eq!(alice.ask(format!("PASSWD mine-own proof={proof}")).1, "changed", "nothing bounds it");
    let login = |password: &str| RawClient::connect(&daemon).try_login("alice", password).1;
    assert_eq!(login("mine-own"), "welcome");

    bound(", access = \"read\"");
    let mut reads = entered(&daemon, &second);
    assert_eq!(reads.upload("x", b"1").1, "denied");
    assert_eq!(enrol(&mut reads, &daemon, &fresh(), Some(&second)), "denied");
    assert_eq!(login("mine-own"), "login-failed", "a password without that bound");

    bound(", from = [\"127.0.0.0/8\"]");
    let mut near = entered(&daemon, &second);
    let asked = nonce(&mut near);
    let proof = signed(&second, Purpose::Password, &asked, "alice", pin(&daemon));
    assert_eq!(near.ask(format!("PASSWD again-mine proof={proof}")).1, "denied", "for that place only");
    let third = fresh();
    assert_eq!(enrol(&mut near, &daemon, &third, Some(&second)), "enrolled");
    bound(", from = [\"192.0.2.0/24\"]");
    assert_eq!(near.reply().1, "revoked");
    assert!(![&given, &own, &second, &third].iter().any(|key| enters(&daemon, key)), "none of them from here");

    bound(", expires = 2020-01-31");
    assert!(!enters(&daemon, &third));
    bound("");
    assert!(enters(&daemon, &third));
    let mut open = entered(&daemon, &third);
    let other = fresh();
    put_users(&daemon, &whole.replace(&line, &other.public().to_openssh("other")));
    assert_eq!(open.reply().1, "revoked");
    assert!(![&given, &own, &second, &third].iter().any(|key| enters(&daemon, key)), "it is gone, and they with it");
    assert!(enters(&daemon, &other));
}

/// What the file says of a key is all that counts, if both know it.
#[test]
fn enrolled_key_is_bounded_by_the_administrator() {
    let daemon = served();
    let own = fresh();
    let mut alice = RawClient::logged_in(&daemon, "alice", "given");
    assert_eq!(enrol(&mut alice, &daemon, &own, None), "enrolled");
    assert_eq!(entered(&daemon, &own).upload("x", b"1").1, "done");
    let users = daemon.place().join("users.toml");
    let whole = fs::read_to_string(&users).unwrap();
    let line = own.public().to_openssh("given");
    let keys = |bounds: &str| format!("{whole}keys = [{{ key = \"{line}\"{bounds} }}]\n");
    put_users(&daemon, &keys(", access = \"read\""));
    assert_eq!(entered(&daemon, &own).upload("y", b"1").1, "denied");
    put_users(&daemon, &keys(", expires = 2020-01-31"));
    assert!(!enters(&daemon, &own));
    // Who may not have keys has none.
    let forbidden = |words: &str| put_users(&daemon, &format!("{whole}self_service = {words}\n"));
    forbidden("\"none\"");
    assert!(!enters(&daemon, &own));
    let mut alice = RawClient::logged_in(&daemon, "alice", "given");
    assert_eq!(enrol(&mut alice, &daemon, &fresh(), None), "denied");
    assert_eq!(alice.ask(format!("REVOKE {} present=given", own.public().fingerprint())).1, "denied");
    forbidden("[\"password\"]");
    assert_eq!(alice.ask("PASSWD given present=given").1, "changed");
    assert_eq!(enrol(&mut alice, &daemon, &fresh(), None), "denied");
    assert!(!enters(&daemon, &own));
    forbidden("[\"keys\"]");
    assert!(enters(&daemon, &own));
}

/// CWE-708: a user removed and made again is another one, with the same key and while nobody looks, too.
#[test]
fn user_with_the_same_key_made_again() {
    let place = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::builder().within(place.path()).start();
    let (given, own) = (fresh(), fresh());
    let line = given.public().to_openssh("given");
    let add = |daemon: &Daemon| sealiftd(daemon, &["user", "add", "alice", "--key", &line], "");
    add(&daemon);
    for kill in [false, true] {
        let mut alice = entered(&daemon, &given);
        assert_eq!(enrol(&mut alice, &daemon, &own, Some(&given)), "enrolled");
        let asked = nonce(&mut alice);
        let proof = signed(&given, Purpose::Password, &asked, "alice", pin(&daemon));
        assert_eq!(alice.ask(format!("PASSWD mine-own proof={proof}")).1, "changed");
        assert_eq!(RawClient::connect(&daemon).try_login("alice", "mine-own").1, "welcome");
        if kill {
            daemon.signal(Signal::KILL);
            daemon.wait();
        }
        sealiftd(&daemon, &["user", "remove", "alice"], "");
        add(&daemon);
        if kill {
            daemon = Daemon::builder().within(place.path()).start();
        }
        assert!(enters(&daemon, &given) && !enters(&daemon, &own), "killed: {kill}");
        assert_eq!(RawClient::connect(&daemon).try_login("alice", "mine-own").1, "login-failed", "killed: {kill}");
    }
    // Written by hand, with nothing that tells her from a later one: nothing is kept.
    put_users(&daemon, &format!("[users.alice]\nkeys = [\"{line}\"]\n"));
    let mut alice = entered(&daemon, &given);
    let (_, word, _) = {
        let nonce = nonce(&mut alice);
        let own = signed(&own, Purpose::Enrolled, &nonce, "alice", pin(&daemon));
        alice.ask(format!("ENROL x {own} proof={}", signed(&given, Purpose::Enrol, &nonce, "alice", pin(&daemon))))
    };
    assert_eq!(word, "denied");
}

#[test]
fn damaged_record_of_keys() {
    let place = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::builder().within(place.path()).start();
    daemon.add_user("alice", "given", "full");
    let (given, own) = (fresh(), fresh());
    sealiftd(&daemon, &["user", "key", "add", "alice", &given.public().to_openssh("given")], "");
    let mut alice = RawClient::logged_in(&daemon, "alice", "given");
    assert_eq!(enrol(&mut alice, &daemon, &own, None), "enrolled");
    let file = own_file(&daemon);
    let whole = fs::read_to_string(&file).unwrap();
    let stranger = fresh().public().to_openssh("");
    let swapped = whole.replace(own.public().to_openssh("").trim(), stranger.trim());
    assert_ne!(swapped, whole);
    for damage in ["", &whole[..whole.len() / 2], &swapped, &format!("{whole}[[keys]]\n")] {
        fs::write(&file, damage).unwrap();
        daemon = again(daemon, &place);
        assert!(!enters(&daemon, &own) && enters(&daemon, &given), "the administrator's still does");
        let mut alice = entered(&daemon, &given);
        assert_eq!(enrol(&mut alice, &daemon, &fresh(), Some(&given)), "io-error", "nothing is written over it");
        assert_eq!(fs::read_to_string(&file).unwrap(), damage);
    }
    fs::write(&file, &whole).unwrap();
    daemon = again(daemon, &place);
    assert!(enters(&daemon, &own));
}

#[test]
fn kill_while_enrolling() {
    let place = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::builder().within(place.path()).start();
    daemon.add_user("alice", "given", "full");
    // How long one takes here, so that the others are cut off anywhere in it.
    let mut before = vec![fresh()];
    let mut alice = RawClient::logged_in(&daemon, "alice", "given");
    let begun = Instant::now();
    assert_eq!(enrol(&mut alice, &daemon, &before[0], None), "enrolled");
    let whole = begun.elapsed();
    for turn in 1..=6_u32 {
        let key = fresh();
        let mut alice = RawClient::logged_in(&daemon, "alice", "given");
        let asked = nonce(&mut alice);
        let own = signed(&key, Purpose::Enrolled, &asked, "alice", pin(&daemon));
        alice.line(format!("ENROL laptop {own} present=given"));
        std::thread::sleep(whole * turn / 5);
        daemon = again(daemon, &place);
        assert!(before.iter().all(|key| enters(&daemon, key)), "what was enrolled before stays");
        if enters(&daemon, &key) {
            before.push(key);
        }
    }
    let key = fresh();
    let mut alice = RawClient::logged_in(&daemon, "alice", "given");
    assert_eq!(enrol(&mut alice, &daemon, &key, None), "enrolled");
    daemon = again(daemon, &place);
    assert!(enters(&daemon, &key), "what was acknowledged stays");
}
