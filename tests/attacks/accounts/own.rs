//! What users do themselves, and what must not come of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Instant;

use rustix::process::Signal;

use crate::common::{Daemon, RawClient, end_of, eventually, sealiftd, text};

fn word(client: &mut RawClient, line: &str) -> String {
    client.ask(line).1
}

fn login(daemon: &Daemon, password: &str) -> String {
    RawClient::connect(daemon).try_login("alice", password).1
}

fn own_file(daemon: &Daemon) -> PathBuf {
    daemon.place().join("server_state/users/alice.toml")
}

/// A server with alice, whose password is `given`.
fn served() -> Daemon {
    let daemon = Daemon::start();
    daemon.add_user("alice", "given", "full");
    daemon
}

fn chosen(daemon: &Daemon, present: &str, new: &str) {
    let mut alice = RawClient::logged_in(daemon, "alice", present);
    assert_eq!(word(&mut alice, &format!("PASSWD {new} present={present}")), "changed");
}

/// The server killed, and started again in the same place.
fn again(mut daemon: Daemon, place: &tempfile::TempDir) -> Daemon {
    daemon.signal(Signal::KILL);
    daemon.wait();
    Daemon::builder().within(place.path()).start()
}

#[test]
fn a_password_is_changed_by_whoever_knows_it_and_by_no_token() {
    let daemon = served();
    let mut alice = RawClient::logged_in(&daemon, "alice", "given");
    let tokens = alice.ask("TOKEN count=2").2["tokens"].clone();
    let mut tokens = tokens.split(',');
    let mut joined = RawClient::connect(&daemon);
    assert_eq!(word(&mut joined, &format!("JOIN {}", tokens.next().unwrap())), "welcome");
    // Whatever is given in place of the password, the token too.
    let token = tokens.next().unwrap();
    for line in ["PASSWD mine", "PASSWD mine present=", &format!("PASSWD mine present={token}")] {
        let answer = joined.ask(line);
        assert!(answer.1 == "bad-command" || answer.1 == "login-failed", "{line}: {answer:?}");
    }
    assert_eq!(login(&daemon, "mine"), "login-failed");
    let mut anonymous = RawClient::logged_in(&daemon, "anonymous", "x");
    assert_eq!(word(&mut anonymous, "PASSWD mine present=x"), "denied");
    // Three wrong ones end the connection, as before a login.
    let mut guesses = RawClient::logged_in(&daemon, "alice", "given");
    for _ in 0..3 {
        assert_eq!(word(&mut guesses, "PASSWD mine present=guess"), "login-failed");
    }
    assert!(guesses.rest().is_empty());
    assert_eq!(word(&mut alice, "PASSWD mine present=given"), "changed");
    assert_eq!((login(&daemon, "given").as_str(), login(&daemon, "mine").as_str()), ("login-failed", "welcome"));
    let mut late = RawClient::connect(&daemon);
    assert_eq!(word(&mut late, &format!("JOIN {token}")), "login-failed");
}

#[test]
fn other_sessions_end_with_the_password_they_were_opened_with() {
    let daemon = served();
    let mut others: Vec<_> = (0..3).map(|_| RawClient::logged_in(&daemon, "alice", "given")).collect();
    let mut alice = RawClient::logged_in(&daemon, "alice", "given");
    let mut anonymous = RawClient::logged_in(&daemon, "anonymous", "x");
    assert_eq!(word(&mut alice, "PASSWD mine present=given"), "changed");
    for other in &mut others {
        let (digits, word, _) = other.reply();
        assert_eq!((digits, word.as_str()), (421, "revoked"));
    }
    assert_eq!(word(&mut alice, "PING"), "pong", "the one that changed it goes on");
    assert_eq!(alice.upload("x", b"1").1, "done");
    assert_eq!(word(&mut alice, "PASSWD again present=mine"), "changed");
    assert_eq!(word(&mut alice, "TOKEN"), "tokens");
    assert_eq!(word(&mut anonymous, "PING"), "pong");
}

#[test]
fn a_user_made_again_inherits_nothing() {
    let place = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::builder().within(place.path()).start();
    daemon.add_user("alice", "given", "full");
    let section = fs::read_to_string(place.path().join("users.toml")).unwrap();
    let change = |args: &[&str], input: &str| {
        let mut command = sealiftd(place.path());
        command.args(args);
        let output = end_of(command, input);
        assert!(output.status.success(), "{}", text(&output.stderr));
    };
    for kill in [false, true] {
        chosen(&daemon, "given", "mine");
        if kill {
            // While no server runs.
            daemon.signal(Signal::KILL);
            daemon.wait();
        }
        change(&["user", "remove", "alice"], "");
        change(&["user", "add", "alice", "--password-stdin"], "given");
        if kill {
            daemon = Daemon::builder().within(place.path()).start();
        }
        assert_eq!((login(&daemon, "mine").as_str(), login(&daemon, "given").as_str()), ("login-failed", "welcome"));
    }
    // The very same line, as from a copy: whoever a running server saw gone is gone.
    change(&["user", "passwd", "alice", "--password-stdin"], "between");
    assert_eq!(login(&daemon, "between"), "welcome");
    fs::write(place.path().join("users.toml"), &section).unwrap();
    eventually("it is read", || login(&daemon, "given") == "welcome");
    chosen(&daemon, "given", "mine");
    change(&["user", "remove", "alice"], "");
    eventually("nothing is kept of her", || !own_file(&daemon).exists());
    fs::write(place.path().join("users.toml"), &section).unwrap();
    eventually("it is read", || login(&daemon, "given") == "welcome");
    assert_eq!(login(&daemon, "mine"), "login-failed");
}

#[test]
fn a_kill_leaves_the_old_password_or_the_new_one() {
    let place = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::builder().within(place.path()).start();
    daemon.add_user("alice", "pass0", "full");
    // Two hashes, and the writing is somewhere behind them.
    let mut alice = RawClient::logged_in(&daemon, "alice", "pass0");
    let begun = Instant::now();
    assert_eq!(word(&mut alice, "PASSWD first present=pass0"), "changed");
    let whole = begun.elapsed();
    let mut present = "first".to_owned();
    for turn in 1..=8_u32 {
        let new = format!("pass{turn}");
        let mut alice = RawClient::logged_in(&daemon, "alice", &present);
        alice.line(format!("PASSWD {new} present={present}"));
        std::thread::sleep(whole * turn / 6);
        daemon = again(daemon, &place);
        let right: Vec<&str> =
            [present.as_str(), &new].into_iter().filter(|p| login(&daemon, p) == "welcome").collect();
        assert_eq!(right.len(), 1, "after {turn}: {right:?}");
        present = right[0].to_owned();
        let left = fs::read_dir(place.path().join("server_state/users")).unwrap();
        assert!(left.count() <= 1, "what was half-written is gone");
    }
    // What was acknowledged stays.
    chosen(&daemon, &present, "last");
    daemon = again(daemon, &place);
    assert_eq!(login(&daemon, "last"), "welcome");
}

#[test]
fn what_is_damaged_lets_nobody_in_by_the_old_password() {
    let place = tempfile::tempdir().unwrap();
    let daemon = Daemon::builder().within(place.path()).start();
    daemon.add_user("alice", "given", "full");
    daemon.add_user("bob", "other", "full");
    chosen(&daemon, "given", "mine");
    let file = own_file(&daemon);
    let whole = fs::read_to_string(&file).unwrap();
    assert!(!whole.contains("mine"));
    let without_password: String =
        whole.lines().filter(|line| !line.starts_with("password")).map(|l| format!("{l}\n")).collect();
    let mut daemon = daemon;
    for damage in ["", &whole[..whole.len() - 30], &without_password] {
        fs::write(&file, damage).unwrap();
        daemon = again(daemon, &place);
        assert_eq!(
            (login(&daemon, "given").as_str(), login(&daemon, "mine").as_str()),
            ("login-failed", "login-failed")
        );
        assert_eq!(RawClient::connect(&daemon).try_login("bob", "other").1, "welcome", "nobody else is concerned");
        daemon.log_with(&["what is kept of a user cannot be used"]);
    }
    // Put right, it counts again, and nothing else has to be touched for it.
    fs::write(&file, &whole).unwrap();
    eventually("it is seen", || daemon.log().contains("what is kept of a user can be used again"));
    assert_eq!((login(&daemon, "mine").as_str(), login(&daemon, "given").as_str()), ("welcome", "login-failed"));
    // A new password of the administrator's is for another entry.
    let passwd = daemon.command(&["user", "passwd", "alice", "--password-stdin"]);
    assert!(end_of(passwd, "newer").status.success());
    assert_eq!(login(&daemon, "newer"), "welcome");
    daemon = again(daemon, &place);
    assert_eq!(login(&daemon, "newer"), "welcome");
}

#[test]
fn nobody_else_of_the_machine_gets_at_the_state() {
    let place = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::builder().within(place.path()).start();
    daemon.add_user("alice", "given", "full");
    chosen(&daemon, "given", "mine");
    let state = place.path().join("server_state");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&state), mode(&own_file(&daemon))), (0o700, 0o600));
    // One server at a time, whatever else it serves.
    let second = tempfile::tempdir().unwrap();
    fs::copy(place.path().join("users.toml"), second.path().join("users.toml")).unwrap();
    fs::create_dir(second.path().join("server_data")).unwrap();
    let refused = |args: &[&str]| {
        let mut command = sealiftd(second.path());
        command.args(["--listen", "127.0.0.1:0"]).args(args);
        let output = command.output().unwrap();
        (output.status.code(), text(&output.stderr))
    };
    let taken = refused(&["--state", state.to_str().unwrap()]);
    assert!(taken.1.contains("another sealiftd serves this folder"), "{taken:?}");
    assert!(taken.1.contains("own state") && taken.1.contains("a --state each"), "{taken:?}");
    // Never where files are served from.
    let inside = refused(&["--state", "server_data/alice/state"]);
    assert!(inside.0 == Some(2) && inside.1.contains("--state"), "{inside:?}");
    daemon.signal(Signal::TERM);
    daemon.wait();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = sealiftd(place.path());
    let open = text(&command.args(["--listen", "127.0.0.1:0"]).output().unwrap().stderr);
    assert!(open.contains("other users of this machine could put passwords of theirs there"), "{open}");
}

/// The secret of a new invitation of alice, who is there.
fn invited(daemon: &Daemon) -> String {
    let output = daemon.command(&["invite", "alice", "--host", "127.0.0.1"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).rsplit('.').nth(1).unwrap().to_owned()
}

fn redeem(daemon: &Daemon, user: &str, secret: &str, password: &str) -> String {
    RawClient::connect(daemon).ask(format!("REDEEM {user} {secret} password={password}")).1
}

#[test]
fn an_invitation_works_once_whoever_races_for_it() {
    let daemon = served();
    for turn in 0..5 {
        let secret = invited(&daemon);
        let mut racing: Vec<RawClient> = (0..6).map(|_| RawClient::connect(&daemon)).collect();
        for (n, client) in racing.iter_mut().enumerate() {
            client.line(format!("REDEEM alice {secret} password=racer{turn}{n}"));
        }
        let words: Vec<String> = racing.iter_mut().map(|client| client.reply().1).collect();
        assert_eq!(words.iter().filter(|word| *word == "welcome").count(), 1, "{words:?}");
        let won = words.iter().position(|word| word == "welcome").unwrap();
        assert_eq!(login(&daemon, &format!("racer{turn}{won}")), "welcome");
        assert_eq!(redeem(&daemon, "alice", &secret, "late"), "login-failed");
    }
    let left = fs::read_dir(daemon.place().join("server_state/invitations")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn an_invitation_is_of_one_user_and_one_entry() {
    let daemon = served();
    daemon.add_user("bob", "other", "full");
    let secret = invited(&daemon);
    assert_eq!(redeem(&daemon, "bob", &secret, "mine"), "login-failed");
    assert_eq!(redeem(&daemon, "nobody", &secret, "mine"), "login-failed");
    assert_eq!(redeem(&daemon, "alice", &secret.replace(&secret[..4], "AAAA"), "mine"), "login-failed");
    assert_eq!(redeem(&daemon, "alice", "short", "mine"), "bad-command");
    assert_eq!(redeem(&daemon, "alice", &secret, ""), "bad-command");
    assert_eq!(login(&daemon, "given"), "welcome");
    // Made again: the invitation was of another.
    assert!(daemon.command(&["user", "remove", "alice"]).status().unwrap().success());
    daemon.add_user("alice", "given", "full");
    assert_eq!(redeem(&daemon, "alice", &secret, "mine"), "login-failed");
    assert_eq!(login(&daemon, "given"), "welcome");
}

#[test]
fn a_kill_leaves_an_invitation_used_or_usable() {
    let place = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::builder().within(place.path()).start();
    daemon.add_user("alice", "given", "full");
    let secret = invited(&daemon);
    let mut client = RawClient::connect(&daemon);
    let begun = Instant::now();
    assert_eq!(word(&mut client, &format!("REDEEM alice {secret} password=first")), "welcome");
    let whole = begun.elapsed();
    for turn in 0..6_u32 {
        let (secret, new) = (invited(&daemon), format!("mine{turn}"));
        let mut client = RawClient::connect(&daemon);
        client.line(format!("REDEEM alice {secret} password={new}"));
        std::thread::sleep(whole * turn / 4);
        daemon = again(daemon, &place);
        let was_used = login(&daemon, &new) == "welcome";
        let works = redeem(&daemon, "alice", &secret, "second") == "welcome";
        assert!(was_used != works, "turn {turn}: used {was_used}, usable {works}");
    }
}

#[test]
fn an_invitation_that_was_used_voids_the_users_others() {
    let daemon = Daemon::start();
    ["alice", "bob"].iter().for_each(|user| daemon.add_user(user, "correct-horse", "full"));
    let lost: Vec<String> = (0..3).map(|_| invited(&daemon)).collect();
    let of_bob = daemon.command(&["invite", "bob", "--host", "127.0.0.1"]).output().unwrap();
    let of_bob = text(&of_bob.stdout).rsplit('.').nth(1).unwrap().to_owned();
    let used = invited(&daemon);
    assert_eq!(redeem(&daemon, "alice", &used, "chosen-by-alice"), "welcome");
    for secret in lost.iter().chain([&used]) {
        assert_eq!(redeem(&daemon, "alice", secret, "somebody-else"), "login-failed");
    }
    assert_eq!(login(&daemon, "chosen-by-alice"), "welcome");
    // Somebody else's counts on, and so does one that was made since.
    assert_eq!(redeem(&daemon, "bob", &of_bob, "chosen-by-bob"), "welcome");
    let later = invited(&daemon);
    assert_eq!(redeem(&daemon, "alice", &later, "chosen-again"), "welcome");
}

/// Neither is told to whom it is wrong: the length is said to whoever has proven who they are, or has an invitation.
#[test]
fn a_short_password_or_ones_own_name_is_taken_at_no_door() {
    let daemon = Daemon::start();
    daemon.add_user("margaret", "correct-horse", "full");
    let file = daemon.place().join("users.toml");
    let users = fs::read_to_string(&file).unwrap();
    let mut client = RawClient::logged_in(&daemon, "margaret", "correct-horse");
    for new in ["seven77", "%C3%A4%C3%B6%C3%BC%C3%A4%C3%B6%C3%BC%C3%A4", "margaret", "MARGARET"] {
        assert_eq!(word(&mut client, &format!("PASSWD {new} present=correct-horse")), "bad-command", "{new}");
    }
    let output = daemon.command(&["invite", "margaret", "--host", "127.0.0.1"]).output().unwrap();
    let secret = text(&output.stdout).rsplit('.').nth(1).unwrap().to_owned();
    for new in ["seven77", "Margaret"] {
        assert_eq!(redeem(&daemon, "margaret", &secret, new), "bad-command", "{new}");
        // Who has no invitation is not told what would be one's password.
        assert_eq!(redeem(&daemon, "margaret", &secret.replace(&secret[..4], "AAAA"), new), "login-failed");
    }
    // What there is stays right under another rule, and nothing was used up.
    fs::write(&file, format!("{users}\n[defaults]\nmin_password = 20\n")).unwrap();
    // Whoever is added now is known once the whole file is.
    daemon.add_user("bob", "a-password-of-bob-himself", "full");
    drop(RawClient::logged_in(&daemon, "bob", "a-password-of-bob-himself"));
    assert_eq!(redeem(&daemon, "margaret", &secret, "nineteen-characters"), "bad-command");
    assert_eq!(RawClient::connect(&daemon).try_login("margaret", "correct-horse").1, "welcome");
    assert_eq!(redeem(&daemon, "margaret", &secret, "at-least-20-characters"), "welcome");
}
