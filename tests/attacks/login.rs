//! Attacks on the login: guessing who there is, long passwords, floods, a hostile users file, and commands that the
//! one who sends them has no right to.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code outside of a test function")]

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use sealift::proto::Verb;

use crate::common::{Answer, Daemon, Figures, RawClient, alone, end_of, eventually, many_files, median, text};
use crate::matrix::{Right, Scene, every_command};
use crate::rank::sum_is_unremarkable;

/// Guesses of each kind in [`user_enumeration`].
const GUESSES: usize = 100;

/// Guessers at once: most of a guess is the pause that follows it.
const GUESSERS: usize = 4;

/// CVE-2018-15473: an unknown user and a wrong password get the same reply after the same time.
#[test]
fn user_enumeration() {
    let _turn = alone();
    let daemon = Daemon::start();
    daemon.add_user("alice", "right", "full");
    let guess = |user: &str| {
        let mut client = RawClient::connect(&daemon);
        assert_eq!(client.ask(format!("USER {user}")).1, "password");
        let begin = Instant::now();
        client.line("PASS wrong");
        let reply = client.raw_line().unwrap();
        let time = begin.elapsed();
        assert_eq!(text(&reply), "530 login-failed :wrong user or password");
        time
    };
    // Each kind as often first as second, so that what else the machine does weighs on both alike.
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        let some = |from: usize| {
            (from..GUESSES).step_by(GUESSERS).map(|n| {
                let stranger = format!("nobody{n}");
                if (n / GUESSERS).is_multiple_of(2) {
                    let known = guess("alice");
                    (known, guess(&stranger))
                } else {
                    let unknown = guess(&stranger);
                    (guess("alice"), unknown)
                }
            })
        };
        let guessers: Vec<_> = (0..GUESSERS).map(|n| scope.spawn(move || some(n).collect::<Vec<_>>())).collect();
        for guesser in guessers {
            let (a, b): (Vec<_>, Vec<_>) = guesser.join().unwrap().into_iter().unzip();
            known.extend(a);
            unknown.extend(b);
        }
    });
    assert!(
        sum_is_unremarkable(&known, &unknown),
        "medians: known {:?}, unknown {:?}",
        median(&known),
        median(&unknown)
    );
}

/// CVE-2016-6515: a password over 1 KiB is refused without being hashed.
#[test]
fn long_password() {
    let daemon = Daemon::start();
    daemon.add_user("alice", "right", "full");
    let figures = Figures::of(&daemon);
    let before = figures.peak();
    for length in [1025, 8000] {
        let mut client = RawClient::connect(&daemon);
        for user in ["alice", "nobody"] {
            let (digits, word, _) = client.try_login(user, &"x".repeat(length));
            assert_eq!((digits, word.as_str()), (501, "bad-command"));
        }
    }
    // A single run of argon2 would have taken 19 MiB.
    let taken = figures.peak() - before;
    assert!(taken < 16 * 1024, "{taken} KiB taken: something was hashed");
    let mut client = RawClient::connect(&daemon);
    let (digits, word, _) = client.try_login("alice", &"x".repeat(9000));
    assert_eq!((digits, word.as_str()), (500, "too-long"), "a line over its bound");
    assert!(client.rest().is_empty(), "and the connection closes");
    let mut client = RawClient::connect(&daemon);
    assert_eq!(client.try_login("alice", &"x".repeat(1024)).1, "login-failed");
    assert!(figures.peak() - before > 16 * 1024, "1 KiB is hashed, or this test proves nothing");
    client.login("alice", "right");
}

/// Parallel logins in [`login_flood`].
const FLOOD: usize = 500;

#[test]
fn login_flood() {
    let _turn = alone();
    many_files();
    let daemon = Daemon::start();
    daemon.add_user("alice", "right", "full");
    let mut established = RawClient::logged_in(&daemon, "alice", "right");
    let figures = Figures::of(&daemon);
    let base = figures.resident();
    let (outcomes, pings) = thread::scope(|scope| {
        let flood: Vec<_> = (0..FLOOD)
            .map(|n| {
                let daemon = &daemon;
                thread::Builder::new().stack_size(256 * 1024).spawn_scoped(scope, move || one_of_flood(daemon, n))
            })
            .collect();
        let mut pings = Vec::new();
        while !flood.iter().all(|thread| thread.as_ref().unwrap().is_finished()) {
            let begin = Instant::now();
            assert_eq!(established.ask("PING").1, "pong");
            pings.push(begin.elapsed());
            thread::sleep(Duration::from_millis(5));
        }
        let outcomes: Vec<&str> = flood.into_iter().map(|thread| thread.unwrap().join().unwrap()).collect();
        (outcomes, pings)
    });
    let count = |outcome| outcomes.iter().filter(|other| **other == outcome).count();
    let (peak, median) = (figures.peak(), median(&pings));
    println!(
        "{} welcome, {} wrong, {} busy, {} refused; {base} KiB before, {peak} at most; PING {median:?} of {}",
        count("welcome"),
        count("login-failed"),
        count("busy"),
        count("refused"),
        pings.len()
    );
    assert!(count("welcome") > 0, "somebody gets in");
    let permits = thread::available_parallelism().unwrap().get() as u64;
    let bound = base + (permits * 19 + 64) * 1024;
    assert!(peak < bound, "{peak} KiB at most, {bound} allowed");
    assert!(median < Duration::from_millis(250), "PING took {median:?}");
    // When it is over everybody can log in again.
    RawClient::logged_in(&daemon, "alice", "right");
}

/// One login, right or wrong: how it ended. `refused` is a connection that was closed before it was spoken to.
fn one_of_flood(daemon: &Daemon, n: usize) -> &'static str {
    let Ok(mut client) = RawClient::try_silent(daemon.port()) else { return "refused" };
    if client.try_reply().is_none_or(|(digits, ..)| digits != 220) {
        return "refused";
    }
    let (user, password) = [("alice", "right"), ("alice", "wrong"), ("nobody", "right")][n % 3];
    let (digits, word, _) = client.try_login(user, password);
    match (digits, word.as_str()) {
        (230, "welcome") if n.is_multiple_of(3) => "welcome",
        (530, "login-failed") if !n.is_multiple_of(3) => "login-failed",
        (421, "busy") => "busy",
        other => panic!("login {n} as {user}: {other:?}"),
    }
}

/// A line of the users file that would let every login take 4 GiB.
#[test]
fn hostile_hash() {
    let place = tempfile::tempdir().unwrap();
    let hash = "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let users = format!("[anonymous]\nenabled = true\n\n[users.mallory]\npassword = \"{hash}\"\n");
    fs::write(place.path().join("users.toml"), &users).unwrap();
    let mut command = crate::common::sealiftd(place.path());
    command.args(["--listen", "127.0.0.1:0"]);
    let ended = end_of(command, "");
    let said = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("users.toml:5") && said.contains("m=4194304"), "{said}");
    assert!(!said.contains("c2FsdHNhbHRz"), "the hash is not repeated: {said}");

    // A running server that meets such a file keeps the users it had.
    fs::remove_file(place.path().join("users.toml")).unwrap();
    let daemon = Daemon::builder().within(place.path()).start();
    daemon.add_user("alice", "right", "full");
    RawClient::logged_in(&daemon, "alice", "right");
    fs::write(place.path().join("users.toml"), &users).unwrap();
    RawClient::logged_in(&daemon, "alice", "right");
    assert_eq!(RawClient::connect(&daemon).try_login("mallory", "x").1, "login-failed");
    eventually("it is in the log", || daemon.log().contains("users.toml:5"));
}

/// Every verb before a login: the few that a stranger needs are answered, the others say no more than that.
#[test]
fn before_login() {
    let daemon = Daemon::start();
    daemon.add_user("alice", "right", "full");
    let scene = Scene::prepare(daemon.public());
    let before = scene.snapshot();
    for verb in Verb::ALL {
        for line in every_command(*verb) {
            // Without a user named, and with one.
            for prelude in [&[][..], &["USER alice"]] {
                let mut client = RawClient::connect(&daemon);
                prelude.iter().for_each(|line| drop(client.ask(line)));
                client.send(&line);
                let shown = text(&line);
                let (_, word, fields) = final_reply(&mut client);
                match verb {
                    Verb::Help => assert_eq!(word, "help", "{shown}"),
                    Verb::User => assert_eq!(word, "password", "{shown}"),
                    Verb::Pass if prelude.len() == 1 => assert_eq!(word, "login-failed", "{shown}"),
                    Verb::Pass => assert_eq!(word, "bad-sequence", "{shown}"),
                    Verb::Join | Verb::Key | Verb::Redeem | Verb::Visit => assert_eq!(word, "login-failed", "{shown}"),
                    Verb::Logout => assert_eq!(word, "bye", "{shown}"),
                    _ => {
                        assert_eq!(word, "login-required", "{shown}");
                        assert!(fields.is_empty(), "{shown}: a stranger learns of no session");
                    }
                }
                match verb {
                    // What follows it could be anything, so the connection ends.
                    Verb::Upload | Verb::Part | Verb::Logout => assert!(client.rest().is_empty(), "{shown}"),
                    _ => assert_eq!(client.ask("PING").1, "login-required", "{shown}"),
                }
            }
        }
    }
    assert_eq!(scene.snapshot(), before);
}

/// Every command that changes anything, as anonymous.
#[test]
fn anonymous_writes() {
    let daemon = Daemon::start();
    let scene = Scene::prepare(daemon.public());
    let before = scene.snapshot();
    let mut client = RawClient::logged_in(&daemon, "anonymous", "me@example.org");
    for verb in Verb::ALL.iter().copied() {
        for line in every_command(verb) {
            let rights = Right::all_needed(verb, &line);
            if rights.is_empty() {
                continue;
            }
            let reading = rights.iter().all(|right| matches!(right, Right::Access("list" | "download")));
            client.send(&line);
            let (digits, word, _) = final_reply(&mut client);
            match reading {
                true => assert_eq!(digits / 100, 2, "{}", text(&line)),
                false => assert_eq!((digits, word.as_str()), (550, "denied"), "{}", text(&line)),
            }
        }
    }
    assert_eq!(scene.snapshot(), before, "nothing has changed on the disk");
    assert_eq!(client.ask("PING").1, "pong", "and the stream is still in step");
}

/// Every command with every single right, with all but that right, and as administrator without any: allowed exactly
/// if the table of PROTOCOL.md says so.
#[test]
fn access_matrix() {
    let _turn = alone();
    let daemon = Daemon::start();
    for (name, held) in Right::every_holding() {
        let access: Vec<&str> = held.iter().filter_map(|right| right.access()).collect();
        let access = if access.is_empty() { "none".to_owned() } else { access.join(",") };
        let mut options = vec!["--access", access.as_str()];
        if held.contains(&Right::Administrator) {
            options.push("--admin");
        }
        daemon.add_user_with(&name, "secret", &options);
        let scene = Scene::prepare(daemon.data().join(&name));
        let mut client = RawClient::logged_in(&daemon, &name, "secret");
        for verb in Verb::ALL.iter().copied() {
            // They end the connection or the server: tested apart.
            if matches!(verb, Verb::Logout | Verb::Shutdown) {
                continue;
            }
            for line in every_command(verb) {
                let shown = format!("{name} ({access}): {}", text(&line));
                scene.restore();
                let before = scene.snapshot();
                client.send(&line);
                let (_, word, fields) = final_reply(&mut client);
                assert!(fields.contains_key("pid") && fields.contains_key("session"), "{shown}");
                let allowed = Right::suffice(&held, verb, &line);
                assert_eq!(word != "denied", allowed, "{shown}: {word}");
                if !allowed {
                    assert_eq!(scene.snapshot(), before, "{shown}");
                }
                assert_eq!(client.ask("PING").1, "pong", "{shown}: the stream is in step");
            }
        }
    }
    shutdown_is_for_administrators(daemon);
}

fn shutdown_is_for_administrators(mut daemon: Daemon) {
    for (name, held) in Right::every_holding() {
        if !held.contains(&Right::Administrator) {
            assert_eq!(RawClient::logged_in(&daemon, &name, "secret").ask("SHUTDOWN").1, "denied", "{name}");
        }
    }
    assert_eq!(RawClient::logged_in(&daemon, "anonymous", "").ask("SHUTDOWN").1, "denied");
    let (administrator, _) = Right::every_holding().pop().unwrap();
    assert_eq!(RawClient::logged_in(&daemon, &administrator, "secret").ask("SHUTDOWN").1, "stopping");
    assert_eq!(daemon.wait().code, Some(0));
}

/// The final reply of one command, past its preliminary ones and its data.
fn final_reply(client: &mut RawClient) -> Answer {
    loop {
        let answer = client.reply();
        match (answer.0, answer.1.as_str()) {
            (150, _) => drop(client.frames()),
            (100..200, _) => {}
            _ => return answer,
        }
    }
}

/// Who keeps guessing is not spoken to any more, until time has passed. This machine only if its operator says so.
#[test]
fn guessers_are_shut_out() {
    for penalised in [false, true] {
        let options: &[&str] = if penalised { &["--penalise-loopback"] } else { &[] };
        let daemon = Daemon::builder().args(options.iter().copied()).start();
        daemon.add_user("alice", "right", "full");
        let mut established = RawClient::logged_in(&daemon, "alice", "right");
        // A mistake or two are tolerated; what comes after them adds up, and is forgiven second by second.
        let guesses = (0..10).map_while(|_| {
            let mut client = RawClient::try_silent(daemon.port()).ok()?;
            assert_eq!(client.reply().1, "ready");
            for _ in 0..3 {
                assert_eq!(client.try_login("alice", "wrong").1, "login-failed");
            }
            assert!(client.rest().is_empty(), "three failures end a connection");
            Some(())
        });
        let connections = guesses.count();
        assert!(connections >= 2 && (connections < 10) == penalised, "{connections} connections");
        match penalised {
            true => eventually("it is in the log", || daemon.log().contains("penalised")),
            false => assert!(!daemon.log().contains("penalised")),
        }
        assert_eq!(established.ask("PING").1, "pong", "a session that is open stays open");
    }
}
