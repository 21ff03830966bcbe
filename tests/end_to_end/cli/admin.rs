//! `admin`: looking after a server from afar.

use std::fs;

use serde_json::Value;

use crate::common::program::{PASSWORD, World};
use crate::common::{RawClient, eventually};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Somebody at 127.0.0.9 guesses until they are held back.
fn guess(world: &World) {
    // So often that a slow machine looks before it is forgiven.
    for mut eve in [(); 5].map(|()| RawClient::from([127, 0, 0, 9], &world.server)) {
        for _ in 0..3 {
            assert_eq!(eve.try_login("alice", "guess").1, "login-failed");
        }
    }
    assert!(RawClient::try_from([127, 0, 0, 9], &world.server).is_none());
}

#[test]
fn penalties_are_shown_with_the_time_left_and_lifted() {
    let world = World::with(|server| server.args(["--penalise-loopback", "--audit", "audit/audit.jsonl"])).trusted();
    let at = world.alice("");
    world.run(["admin", "penalties", &at]).code(0).said("Nobody is held back.");
    guess(&world);
    let shown = world.run(["admin", "penalties", &at]).code(0);
    assert!(
        shown.stdout().starts_with("127.0.0.9 ") && shown.stdout().trim_end().ends_with(" s"),
        "{}",
        shown.stdout()
    );
    let json = lines(world.run(["--json", "admin", "penalties", &at]).code(0).stdout());
    assert_eq!((&json[0]["event"], &json[0]["address"]), (&"penalty".into(), &"127.0.0.9".into()));
    assert!(json[0]["seconds"].as_u64().unwrap() > 0);
    world.run(["admin", "unban", &at, "127.0.0.8"]).code(3).said("admin penalties");
    world.run(["admin", "unban", &at, "localhost"]).code(2);
    world.run(["admin", "unban", &at, "127.0.0.9"]).code(0).said("127.0.0.9 may connect again");
    assert!(RawClient::try_from([127, 0, 0, 9], &world.server).is_some());
    guess(&world);
    let json = lines(world.run(["--json", "admin", "unban", &at, "127.0.0.9"]).code(0).stdout());
    assert_eq!((&json[0]["event"], &json[0]["address"]), (&"unbanned".into(), &"127.0.0.9".into()));
    let file = world.server.place().join("audit/audit.jsonl");
    let told = || lines(&fs::read_to_string(&file).unwrap());
    let lifted = |line: &Value| line["verb"] == "UNBAN" && line["outcome"] == "done" && line["about"] == "127.0.0.9";
    eventually("both stand in the audit", || told().iter().filter(|line| lifted(line)).count() == 2);
    assert!(
        told()
            .iter()
            .any(|line| line["verb"] == "UNBAN" && line["outcome"] == "not-found" && line["about"] == "127.0.0.8")
    );
    assert!(told().iter().any(|line| line["verb"] == "PENALTIES" && line["event"] == "admin"));
}

#[test]
fn reload_takes_over_what_can_be_and_says_what_cannot() {
    let place = tempfile::tempdir().unwrap();
    let settings = place.path().join("s.toml");
    fs::write(&settings, "grace = \"5s\"\n").unwrap();
    let config = ["--audit", "audit/audit.jsonl", "--config", settings.to_str().unwrap()];
    let world = World::with(|server| server.args(config)).trusted();
    let at = world.alice("");
    let reload = |code| lines(world.run(["--json", "admin", "reload", &at]).code(code).stdout());
    let of = |lines: &[Value], what: &str| {
        let found: Vec<_> = lines.iter().filter(|line| line["what"] == what).cloned().collect();
        found
            .into_iter()
            .map(|line| (line["outcome"].as_str().unwrap().to_owned(), line["text"].to_string()))
            .collect::<Vec<_>>()
    };
    let nothing = reload(0);
    assert_eq!((of(&nothing, "settings")[0].0.as_str(), of(&nothing, "users")[0].0.as_str()), ("current", "current"));
    fs::write(&settings, "grace = \"7s\"\nmax_per_source = 99\nmetrics = \"127.0.0.1:1\"\n").unwrap();
    let changed = of(&reload(0), "settings");
    assert!(changed[0].0 == "restart" && changed[0].1.contains("metrics"), "{changed:?}");
    assert!(
        changed[1].0 == "changed" && changed[1].1.contains("grace") && changed[1].1.contains("max_per_source"),
        "{changed:?}"
    );
    fs::write(&settings, "grace = \"7s\"\nnonsense = 1\n").unwrap();
    let users = world.server.place().join("users.toml");
    let good = fs::read(&users).unwrap();
    fs::write(&users, "[users.alice\n").unwrap();
    eventually("the users file is looked at", || world.server.log().contains("users.toml:1"));
    let told = world.run(["admin", "reload", &at]).code(2);
    let wrong = format!("settings     cannot be used; what counted before stays: {}:2", settings.display());
    for part in [wrong.as_str(), "users        cannot be used", "audit        as it is there"] {
        assert!(told.stdout().contains(part), "{part}: {}", told.stdout());
    }
    fs::write(&users, good).unwrap();
    let audit = fs::read_to_string(world.server.place().join("audit/audit.jsonl")).unwrap();
    assert!(audit.matches("\"verb\":\"RELOAD\"").count() >= 2, "{audit}");
}

/// An edit counts once it has rested, since it may be half written; whoever asks waits for that and is told what came of it.
#[test]
fn a_reload_right_after_an_edit_says_what_came_of_it() {
    let world = World::trusting();
    let at = world.alice("");
    let users = world.server.place().join("users.toml");
    let good = fs::read_to_string(&users).unwrap();
    for _ in 0..3 {
        // In place, as `sed -i` and editors do it in their own ways.
        fs::write(&users, good.replace("[users.alice]", "[users.alice")).unwrap();
        let told = world.run(["admin", "reload", &at]).code(2);
        assert!(told.stdout().contains("users        cannot be used"), "{}", told.stdout());
        fs::write(&users, &good).unwrap();
        let told = world.run(["admin", "reload", &at]).code(0);
        assert!(told.stdout().contains("users        as it is there"), "{}", told.stdout());
    }
}

#[test]
fn others_are_told_what_they_lack() {
    let world = World::trusting();
    let bob = format!("bob@{}", world.server.address());
    for command in ["who", "top", "penalties", "reload", "shutdown"] {
        world.run(["admin", command, &bob]).code(5).said("administrator");
    }
    world.run(["admin", "unban", &bob, "192.0.2.1"]).code(5);
    world.run(["admin", "kick", &bob, "alice"]).code(5);
}

#[test]
fn top_looks_twice_in_a_pipe_and_shows_what_moved_in_between() {
    let world = World::trusting();
    let password = PASSWORD.replace(' ', "%20");
    let mut alice = RawClient::logged_in(&world.server, "alice", &password);
    assert_eq!(alice.upload("large", &vec![7; 3 << 20]).1, "done");
    let shown = world.run(["admin", "top", "--every", "500ms", &world.alice("")]).code(0);
    let lines: Vec<&str> = shown.stdout().lines().collect();
    assert!(lines[0].contains("2 sessions, 2 connections") && lines[2].starts_with("USER "), "{lines:?}");
    assert!(lines[3..].iter().any(|line| line.contains("3.0 MiB") && line.ends_with("idle")), "{lines:?}");
    assert!(lines[3..].iter().any(|line| line.ends_with("WHO")), "{lines:?}");
    let mut moving = RawClient::logged_in(&world.server, "alice", &password);
    let json = std::thread::scope(|scope| {
        let looking = scope.spawn(|| world.run(["--json", "admin", "top", "--every", "2s", &world.alice("")]).code(0));
        eventually("it has looked", || {
            world.server.log().contains("verb=\"WHO\" outcome=\"done\"") && {
                assert_eq!(moving.upload("more", &vec![1; 1 << 20]).1, "done");
                looking.is_finished()
            }
        });
        looking.join().unwrap()
    });
    let told = self::lines(json.stdout());
    let sessions = told.iter().filter(|line| line["event"] == "session");
    let rates: Vec<u64> = sessions.map(|line| line["rate"].as_u64().unwrap()).collect();
    assert!(rates[0] > 100_000 && rates.is_sorted_by(|fast, slow| fast >= slow), "{rates:?}");
}

#[test]
fn top_fits_a_terminal_and_gives_it_back() {
    let world = World::trusting();
    for (columns, height) in [(100, 30), (80, 24), (40, 12)] {
        for locale in ["C.UTF-8", "C"] {
            let variables = [("SEALIFT_PASSWORD", PASSWORD), ("LC_ALL", locale), ("TERM", "xterm")];
            let at = world.alice("");
            let mut terminal =
                world.terminal_of((columns, height), &variables, ["admin", "top", "--every", "500ms", &at]);
            terminal
                .expect("USER")
                .expect("DOING")
                .expect("alice")
                .expect("WHO")
                .expect("q ends this")
                .keys("q")
                .expect("\u{1b}[?1049l");
            assert_eq!(terminal.wait().code(), Some(0));
            let shown = terminal.shown();
            assert!(shown.contains("\u{1b}[?1049h") && shown.trim_end().ends_with("\u{1b}[?1049l"), "{shown:?}");
            assert!(shown.is_ascii(), "{shown:?}");
        }
    }
    let mut terminal = world.terminal_of(
        (100, 30),
        &[("SEALIFT_PASSWORD", PASSWORD), ("TERM", "xterm")],
        ["admin", "top", &world.alice("")],
    );
    terminal.expect("q ends this").keys("\u{3}").expect("\u{1b}[?1049l");
    assert_eq!(terminal.wait().code(), Some(130));
    let shown = terminal.shown();
    assert!(shown.trim_end().ends_with("\u{1b}[?1049l"), "an end is what a view waits for, and no news: {shown:?}");
    let first = shown.split("q ends this").next().unwrap();
    assert!(!first.contains("B/s"), "nothing is measured yet: {first:?}");
}
