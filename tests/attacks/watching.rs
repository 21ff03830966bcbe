//! Against whoever tells figures, and against what administrators may do from afar.

use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use sealift::limits;
use serde_json::Value;

use crate::common::watch::{SOCKET, ask, figures, knock};
use crate::common::{Daemon, Figures, RawClient, World, enter, eventually};

/// Clients that ask and never read, that send a byte now and then, that send without end, and that say nothing: whoever asks as one does
/// is answered at once, users notice nothing, and none of it stays.
#[test]
fn figures_for_slow_clients() {
    let world = World::of(&["alice"]);
    let daemon = world.daemon().args(["--metrics", SOCKET]).start();
    let descriptors = Figures::of(&daemon).descriptors();
    // On a slow machine those who hold on may be let go before the answer is here: then that proves nothing, and is tried again.
    let mut held = Vec::new();
    let is_answered_at_once = (0..10).any(|_| {
        held = (0..60).map(|n| hold_on(world.place(), n)).collect();
        assert_eq!(ask(world.place(), "GET", "/healthz").status, 200);
        let last = held.last_mut().unwrap();
        last.set_nonblocking(true).unwrap();
        let is_held = last.read(&mut [0]).is_err_and(|err| err.kind() == ErrorKind::WouldBlock);
        last.set_nonblocking(false).unwrap();
        is_held
    });
    assert!(is_answered_at_once, "whoever asks waits until the others are given up");
    assert!(figures(world.place()).contains_key("sealift_connections{}"));
    assert_eq!(enter(&daemon, "alice").upload("f", b"x").1, "done");
    eventually("most have been let go", || Figures::of(&daemon).descriptors() <= descriptors + 16);
    // Those who hold on are let go as well, after a while.
    let mut last = held.pop().unwrap();
    let mut rest = Vec::new();
    let _ended = last.read_to_end(&mut rest);
    assert!(rest.is_empty());
}

/// A connection that asks and never reads, sends a byte, sends without end, or says nothing.
fn hold_on(place: &Path, n: usize) -> UnixStream {
    let mut socket = knock(place);
    let _sent = match n % 4 {
        0 => socket.write_all(b"GET /metrics HTTP/1.1\r\n\r\n"),
        1 => socket.write_all(b"G"),
        2 => socket.write_all(&[b'x'; 64 * 1024]),
        _ => Ok(()),
    };
    socket
}

/// Requests that make no sense end the connection, or are answered in a word; nothing is served from anywhere else.
#[test]
fn figures_for_odd_requests() {
    let world = World::of(&["alice"]);
    let _daemon = world.daemon().args(["--metrics", SOCKET]).start();
    for odd in [
        &b"GET /../users.toml HTTP/1.1\r\n\r\n"[..],
        b"GET //healthz/../metrics HTTP/1.1\r\n\r\n",
        b"GET http://127.0.0.1/metrics HTTP/1.1\r\n\r\n",
        b"DELETE /metrics HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
        b"\0\xff\x1b[2J\r\n\r\n",
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut socket = knock(world.place());
        socket.write_all(odd).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 ") || answer.starts_with("HTTP/1.1 405 "), "{odd:?}: {answer}");
        assert!(!answer.contains("sealift_") && !answer.contains("argon2"), "{odd:?}: {answer}");
    }
    let mut endless = knock(world.place());
    let sent = (0..10_000).all(|_| endless.write_all(&[b'a'; 1024]).is_ok());
    assert!(!sent, "ten megabytes of a request were taken");
    assert_eq!(ask(world.place(), "GET", "/healthz").status, 200);
}

/// Nobody but an administrator sees who is held back, lifts that, or has files read again; the refusals stand in the audit.
#[test]
fn administration_by_others() {
    let world = World::with(&[("alice", "\"full\"", "alice"), ("root", "\"none\"\nadmin = true", "root")]);
    let daemon = world.daemon().args(["--audit", "audit/audit.jsonl"]).start();
    let mut anybody = RawClient::connect(&daemon);
    for line in ["PENALTIES", "UNBAN 192.0.2.1", "RELOAD"] {
        assert_eq!(anybody.ask(line).1, "login-required", "{line}");
    }
    anybody.login("anonymous", "");
    let mut alice = enter(&daemon, "alice");
    for client in [&mut anybody, &mut alice] {
        for line in ["PENALTIES", "UNBAN 192.0.2.1", "RELOAD", "WHO", "KICK root", "SHUTDOWN"] {
            assert_eq!(client.ask(line).1, "denied", "{line}");
        }
    }
    let mut root = enter(&daemon, "root");
    assert_eq!(root.ask("PENALTIES").1, "done");
    drop((anybody, alice, root));
    assert_eq!(daemon.stop().code, Some(0));
    let audit = std::fs::read_to_string(world.place().join("audit/audit.jsonl")).unwrap();
    let refused =
        audit.lines().filter(|line| line.contains("\"event\":\"admin\"") && line.contains("\"outcome\":\"denied\""));
    assert_eq!(refused.count(), 12, "{audit}");
}

/// Somebody who guesses is held back, and shown; one UNBAN lifts that, and nothing that is no address does anything.
#[test]
fn unban_of_odd_addresses() {
    let world = World::with(&[("root", "\"none\"\nadmin = true", "root")]);
    let daemon = world.daemon().args(["--penalise-loopback"]).start();
    let mut root = enter(&daemon, "root");
    // So often that a slow machine looks before it is forgiven.
    let guess = |daemon: &Daemon| {
        for mut eve in [(); 5].map(|()| RawClient::from([127, 0, 0, 9], daemon)) {
            for _ in 0..3 {
                if eve.try_login("root", "guess").1 != "login-failed" {
                    return;
                }
            }
        }
    };
    guess(&daemon);
    assert!(RawClient::try_from([127, 0, 0, 9], &daemon).is_none(), "held back");
    let held = root.ask("PENALTIES");
    assert_eq!((held.0, held.2["address"].as_str()), (115, "127.0.0.9"));
    assert!((1..600).contains(&held.2["seconds"].parse::<u32>().unwrap()), "{held:?}");
    let last = root.reply();
    assert_eq!((last.1.as_str(), last.2["penalties"].as_str()), ("done", "1"));
    for odd in ["127.0.0.8", "0.0.0.0", "::", "255.255.255.255", "::ffff:127.0.0.8", "2001:db8::/64", "::1"] {
        assert_eq!(root.ask(format!("UNBAN {odd}")).1, "not-found", "{odd}");
    }
    for odd in [
        "127.0.0.9/32",
        "127.0.0.9/64",
        "127.0.0.0/8",
        "127.9",
        "0x7f.0.0.9",
        "127.0.0.009",
        "fe80::1%25lo",
        "localhost",
        "*",
        "all",
        "%00",
        "127.0.0.9%0A",
        "127.0.0.9:4456",
        "[::1]",
        "",
    ] {
        assert_eq!(root.ask(format!("UNBAN {odd}").trim_end()).1, "bad-command", "{odd}");
    }
    assert!(RawClient::try_from([127, 0, 0, 9], &daemon).is_none(), "still");
    // The IPv4 address in IPv6's clothes is the same.
    assert_eq!(root.ask("UNBAN ::ffff:127.0.0.9").1, "unbanned");
    assert!(RawClient::try_from([127, 0, 0, 9], &daemon).is_some());
    assert_eq!(root.ask("UNBAN 127.0.0.9").1, "not-found");
    guess(&daemon);
    assert!(RawClient::try_from([127, 0, 0, 9], &daemon).is_none(), "what comes after it counts anew");
    assert_eq!(root.ask("UNBAN 127.0.0.9").1, "unbanned");
}

/// An administrator's program that asks without end, or never reads: others are served, and memory has a bound.
#[test]
fn administration_without_end() {
    let world = World::with(&[("alice", "\"full\"", "alice"), ("root", "\"none\"\nadmin = true", "root")]);
    let daemon = world.start();
    let mut root = enter(&daemon, "root");
    let before = Figures::of(&daemon).resident();
    let many = "WHO\r\nPENALTIES\r\nRELOAD\r\nUNBAN 192.0.2.1\r\n".repeat(500);
    root.send(many);
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.upload("f", b"x").1, "done");
    let mut finals = 0;
    while finals < 2000 {
        finals += u32::from(root.reply().0 >= 200);
    }
    // It asks for more than the way to it holds, and reads nothing.
    let mut deaf = enter(&daemon, "root");
    deaf.send("WHO\r\nPENALTIES\r\nRELOAD\r\n".repeat(2000));
    assert_eq!(alice.upload("g", b"x").1, "done");
    let after = Figures::of(&daemon).resident();
    assert!(after < before + 64 * 1024, "{before} KiB before, {after} KiB after");
}

/// So many come and go without doing anything.
const PASSING: u64 = 200;

/// Anybody, and whoever has a link, comes and goes, guesses at a password, asks without end for what is not there and reads what is
/// empty, under names that take nine times as much in the audit: it grows by their share and says how many lines are left out. All of a
/// user's at the same address is written.
#[test]
fn audit_filled_by_strangers() {
    let world = World::of(&["alice"]);
    fs::create_dir_all(world.home("alice").join("shown")).unwrap();
    fs::create_dir_all(world.home("public")).unwrap();
    let bytes = [0xff; 250];
    fs::write(world.home("public").join(OsStr::from_bytes(&bytes)), "").unwrap();
    let daemon = world.daemon().args(["--audit", "audit/audit.jsonl"]).start();
    let mut alice = enter(&daemon, "alice");
    let secret = alice.ask("LINK shown name=shown").2["secret"].clone();
    let mut anybody = RawClient::connect(&daemon);
    anybody.login("anonymous", "");
    let mut visitor = RawClient::connect(&daemon);
    assert_eq!(visitor.ask(format!("VISIT {secret}")).1, "welcome");
    let began = Instant::now();
    for _ in 0..PASSING {
        RawClient::connect(&daemon).login("anonymous", "");
    }
    let mut guessing = RawClient::connect(&daemon);
    (0..limits::LOGIN_FAILURES_MAX).for_each(|_| assert_eq!(guessing.try_login("mallory", "x").1, "login-failed"));
    let missing = vec![[0xfe; 250]; 16].join(&b'/');
    let line = |verb: &str| [verb.as_bytes(), &missing].concat();
    for _ in 0..900 {
        assert_eq!(anybody.ask(line("DOWNLOAD ")).1, "not-found");
        assert_eq!(visitor.ask(line("HASH ")).1, "not-found");
        assert_eq!(anybody.ask(line("DELETE ")).1, "denied");
        assert!(anybody.data([b"DOWNLOAD ", &bytes[..]].concat()).is_ok());
        assert_eq!(alice.ask(line("DOWNLOAD ")).1, "not-found");
    }
    drop((anybody, visitor, alice));
    drop(enter(&daemon, "alice"));
    assert_eq!(daemon.stop().code, Some(0));
    let audit = fs::read_to_string(world.place().join("audit/audit.jsonl")).unwrap();
    let lines: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let by_somebody = audit.lines().filter(|line| line.contains("\"peer\""));
    let (of_alice, others): (Vec<_>, Vec<_>) = by_somebody.partition(|line| line.contains("\"user\":\"alice\""));
    assert_eq!(of_alice.len(), 901 + 4, "with the link, and two logins and their ends");
    let written: usize = others.iter().map(|line| line.len() + 1).sum();
    let most = limits::AUDIT_SHARE + limits::AUDIT_SHARE_RATE * (began.elapsed().as_secs() + 1);
    assert!(written as u64 <= most, "{written} bytes, and {most} are the share");
    let gaps: Vec<_> = lines.iter().filter(|line| line["event"] == "left-out").collect();
    let left_out: u64 = gaps.iter().map(|line| line["lines"].as_u64().unwrap()).sum();
    assert!(left_out > 0 && gaps.iter().all(|line| line["from"] == "127.0.0.1"), "{gaps:?}");
    let logins = 2 * (PASSING + 2) + u64::from(limits::LOGIN_FAILURES_MAX);
    assert_eq!(others.len() as u64 + left_out, 4 * 900 + logins, "each is written or counted");
    assert!(lines.iter().all(|line| line["event"] != "lost"));
}

/// An honest copy of many small files that anybody may read is written down whole.
#[test]
fn audit_of_an_honest_copy() {
    let world = World::of(&["alice"]);
    fs::create_dir_all(world.home("public")).unwrap();
    fs::write(world.home("public").join("a-report-of-the-year-2025.txt"), "x").unwrap();
    let daemon = world.daemon().args(["--audit", "audit/audit.jsonl"]).start();
    let mut anybody = RawClient::connect(&daemon);
    anybody.login("anonymous", "");
    for _ in 0..1_000 {
        assert!(anybody.data("DOWNLOAD a-report-of-the-year-2025.txt").is_ok());
    }
    drop(anybody);
    assert_eq!(daemon.stop().code, Some(0));
    let audit = fs::read_to_string(world.place().join("audit/audit.jsonl")).unwrap();
    let lines: Vec<_> = audit.lines().filter(|line| line.contains("DOWNLOAD")).collect();
    assert_eq!(lines.len(), 1_000);
    let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
    assert!(10 * bytes as u64 * 2 < limits::AUDIT_SHARE, "twice ten thousand have room");
}
