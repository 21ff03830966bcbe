//! Users who are disabled, have expired, log in from some networks alone, or have as many sessions as they may.

use std::time::{Duration, SystemTime};

use sealift::client::keys::LoginKey;
use sealift::keys::{Purpose, Statement};

use crate::common::web::{Got, curl};
use crate::common::{
    Answer, Daemon, PASSWORD, RawClient, World, assert_nothing_staged, enter, eventually, half_an_upload, section, text,
};

fn word(answer: Answer) -> String {
    answer.1
}

/// Alice with this in her section, and bob.
fn with(more: &str) -> String {
    format!("{}{more}\n{}", section("alice", "\"full\"", "alice"), section("bob", "\"full\"", "bob"))
}

fn ends_revoked(client: &mut RawClient) {
    let (digits, word, _) = client.reply();
    assert_eq!((digits, word.as_str()), (421, "revoked"));
    assert!(client.rest().is_empty());
}

/// The reply to this password of alice's, without what differs in every one.
fn tried(client: &mut RawClient, password: &str) -> Answer {
    let (digits, word, mut fields) = client.try_login("alice", password);
    fields.remove("nonce");
    (digits, word, fields)
}

fn web(daemon: &Daemon, args: &[&str], password: &str) -> Got {
    let login = format!("alice:{password}");
    curl(daemon, &[&["-u", login.as_str()], args].concat(), "/~alice/")
}

/// The same without what differs in every answer: its status and its text.
fn web_tried(daemon: &Daemon, args: &[&str], password: &str) -> (u16, String) {
    let got = web(daemon, args, password);
    (got.status, got.text().split(" (server").next().unwrap().to_owned())
}

#[test]
fn a_user_who_is_barred_has_no_way_in_and_nothing_goes_on() {
    let world = World::of(&["alice", "bob"]);
    let daemon = world.start();
    for (bar, why) in [
        ("enabled = false", "the user is disabled"),
        ("expires = 2020-01-31", "the user has expired"),
        ("from = [\"10.0.0.0/8\", \"2001:db8::/32\"]", "the user does not log in from there"),
    ] {
        world.set_users(&with(""));
        let mut bob = enter(&daemon, "bob");
        let (mut asks, mut idles) = (enter(&daemon, "alice"), enter(&daemon, "alice"));
        let token = asks.ask("TOKEN").2["tokens"].clone();
        let mut sends = half_an_upload(enter(&daemon, "alice"), "half", b"half", &world.home("alice"));
        assert_eq!(web(&daemon, &[], PASSWORD).status, 200, "and it is remembered");

        world.set_users(&with(bar));
        asks.line("PING");
        ends_revoked(&mut asks);
        ends_revoked(&mut idles);
        ends_revoked(&mut sends);
        let mut tries = RawClient::connect(&daemon);
        assert_eq!(word(tries.ask(format!("JOIN {token}"))), "login-failed");
        let (right, wrong) = (tried(&mut tries, PASSWORD), tried(&mut RawClient::connect(&daemon), "wrong"));
        assert_eq!(right, wrong, "{bar}: the password shows not to be the reason");
        assert_eq!(right.1, "login-failed");
        let (right, wrong) = (web_tried(&daemon, &[], PASSWORD), web_tried(&daemon, &[], "wrong"));
        assert_eq!(right, wrong, "{bar}");
        assert_eq!(right.0, 401);
        assert!(!world.home("alice").join("half").exists());
        eventually("the log says why", || daemon.log().contains(why));
        let said = daemon.log();
        let line = said.lines().find(|line| line.contains(why)).unwrap();
        assert!(line.contains("alice") && !line.contains(PASSWORD), "{line}");
        assert_eq!(word(bob.ask("PING")), "pong", "nobody else notices");
        bob.close();
    }
    world.set_users(&with(""));
    assert_eq!(word(enter(&daemon, "alice").ask("PING")), "pong", "and all is as it was");
    eventually("all is put away", || enter(&daemon, "bob").ask("STATUS").2["connections"] == "1");
    assert_nothing_staged(&world.home("alice"), "after the end");
}

#[test]
fn a_session_does_not_outlive_its_users_last_moment() {
    let world = World::of(&["alice", "bob"]);
    let daemon = world.start();
    // On a machine that has much to do the first moments may be over before anybody has asked.
    for seconds in [4, 8, 16, 32] {
        world.set_users(&with(""));
        let mut idles = enter(&daemon, "alice");
        let token = idles.ask("TOKEN").2["tokens"].clone();
        let end = humantime::format_rfc3339_seconds(SystemTime::now() + Duration::from_secs(seconds)).to_string();
        world.set_users(&with(&format!("expires = \"{end}\"")));
        let is_over = || SystemTime::now() >= humantime::parse_rfc3339(&end).unwrap();
        // The file ends nothing.
        let goes_on = word(idles.ask("PING"));
        if goes_on != "pong" {
            assert!(is_over(), "{goes_on}");
            continue;
        }
        // Nobody touches it again: the moment alone does.
        ends_revoked(&mut idles);
        assert!(is_over());
        let mut late = RawClient::connect(&daemon);
        assert_eq!(word(late.ask(format!("JOIN {token}"))), "login-failed");
        assert_eq!(tried(&mut late, PASSWORD).1, "login-failed");
        return;
    }
    panic!("no moment was late enough");
}

#[test]
fn an_address_written_as_ipv6_is_the_one_it_is() {
    let world = World::of(&["alice", "bob"]);
    // One socket for both: peers of IPv4 come as mapped addresses.
    let daemon = world.daemon().arg("--listen").arg("[::]:0").start();
    let from = |address, networks: &str| {
        world.set_users(&with(&format!("from = {networks}")));
        tried(&mut RawClient::from(address, &daemon), PASSWORD).1
    };
    for (networks, logs_in) in [
        ("[\"127.0.0.2\"]", true),
        ("\"127.0.0.0/8\"", true),
        ("\"::ffff:127.0.0.2\"", true),
        ("\"127.0.0.1\"", false),
        ("[\"::1\", \"10.0.0.0/8\"]", false),
        ("\"::127.0.0.2\"", false),
        ("\"anywhere\"", true),
    ] {
        let wanted = if logs_in { "welcome" } else { "login-failed" };
        assert_eq!(from([127, 0, 0, 2], networks), wanted, "{networks}");
    }
}

#[test]
fn a_login_that_the_web_remembers_is_not_one_from_elsewhere() {
    let world = World::of(&["alice", "bob"]);
    let daemon = world.start();
    world.set_users(&with("from = \"127.0.0.1\""));
    assert_eq!(web(&daemon, &[], PASSWORD).status, 200);
    let there = ["--interface", "127.0.0.3"];
    let (right, wrong) = (web_tried(&daemon, &there, PASSWORD), web_tried(&daemon, &there, "wrong"));
    assert_eq!(right, wrong);
    assert_eq!(right.0, 401);
    assert_eq!(web(&daemon, &[], PASSWORD).status, 200);
}

#[test]
fn a_key_and_its_user_must_both_be_let_in() {
    let (world, key) = (World::of(&["alice"]), LoginKey::generate("").unwrap());
    let daemon = world.start();
    let line = key.public().to_openssh("alice@laptop");
    let enters = |user: &str, bounds: &str| {
        world.set_users(&format!("[users.alice]\n{user}\nkeys = [{{ key = \"{line}\"{bounds} }}]\n"));
        let mut client = RawClient::silent(daemon.port());
        let (_, _, fields) = client.reply();
        let (nonce, pin) = (fields["nonce"].parse().unwrap(), daemon.pin().parse().unwrap());
        let statement = Statement { purpose: Purpose::Login, nonce, user: "alice", pin };
        client.ask(format!("KEY alice {}", key.sign(&statement).unwrap().to_text())).1
    };
    let (here, elsewhere) = ("from = \"127.0.0.0/8\"", "from = \"10.0.0.0/8\"");
    assert_eq!(enters(here, &format!(", {here}")), "welcome");
    assert_eq!(enters(elsewhere, &format!(", {here}")), "login-failed", "the key does not widen what its user has");
    assert_eq!(enters(here, &format!(", {elsewhere}")), "login-failed", "nor the user what her key has");
    assert_eq!(enters("expires = 2020-01-01", ", expires = 2999-01-01"), "login-failed");
    assert_eq!(enters("enabled = false", ""), "login-failed");
    assert_eq!(enters("", ""), "welcome");
}

#[test]
fn an_invitation_of_a_barred_user_is_refused_and_not_used_up() {
    let world = World::of(&["alice", "bob"]);
    let daemon = world.start();
    let invite = daemon.command(&["invite", "alice", "--host", "127.0.0.1"]).output().unwrap();
    assert!(invite.status.success(), "{}", text(&invite.stderr));
    let secret = text(&invite.stdout).rsplit('.').nth(1).unwrap().to_owned();
    let redeem =
        |daemon: &Daemon| word(RawClient::connect(daemon).ask(format!("REDEEM alice {secret} password=chosen-horse")));
    for bar in ["enabled = false", "expires = 2020-01-31", "from = \"10.0.0.0/8\""] {
        world.set_users(&with(bar));
        assert_eq!(redeem(&daemon), "login-failed", "{bar}");
    }
    world.set_users(&with("enabled = true"));
    assert_eq!(redeem(&daemon), "welcome");
    assert_eq!(redeem(&daemon), "login-failed", "once");
}

#[test]
fn a_user_has_no_more_sessions_than_are_allowed_however_they_are_opened() {
    let world = World::of(&["alice", "bob"]);
    let daemon = world.start();
    world.set_users(&with("max_sessions = 2"));
    let mut first = enter(&daemon, "alice");
    let token = first.ask("TOKEN").2["tokens"].clone();
    let second = enter(&daemon, "alice");
    // Another connection of the same login counts with it.
    let mut stream = RawClient::connect(&daemon);
    assert_eq!(word(stream.ask(format!("JOIN {token}"))), "welcome");
    let (digits, refused, _) = RawClient::connect(&daemon).try_login("alice", PASSWORD);
    assert_eq!((digits / 100, refused.as_str()), (4, "too-many"));
    assert_eq!(web(&daemon, &[], PASSWORD).status, 503);
    assert_eq!(word(enter(&daemon, "bob").ask("PING")), "pong");
    second.close();
    eventually("its place is free", || web(&daemon, &[], PASSWORD).status == 200);
    // Raised live.
    world.set_users(&with("max_sessions = 3"));
    drop((enter(&daemon, "alice"), first, stream));
}
