//! Places: for logins, for connections that are not logged in, for sessions; and descriptors, of which all are made.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::common::{Daemon, RawClient, alone, eventually, many_files, socket_from};

/// The address of whoever takes all they can get.
const GREEDY: [u8; 4] = [127, 0, 0, 2];

/// The address of whoever wants a little.
const HONEST: [u8; 4] = [127, 0, 0, 3];

/// Connections that say nothing.
fn bare(daemon: &Daemon, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| socket_from(GREEDY, daemon.port())).collect()
}

/// Guesses passwords on one connection after the other.
fn guess(daemon: &Daemon, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let Some(mut client) = RawClient::try_from(GREEDY, daemon) else {
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        client.send("USER alice\r\nPASS wrong\r\n".repeat(3));
        while client.try_reply().is_some() {}
    }
}

/// 600 connections of one address guess passwords; everybody from another logs in: ten at ten addresses, all at once.
#[test]
fn unfair_logins() {
    const GUESSERS: usize = 600;
    let _turn = alone();
    many_files();
    // Handshakes by the hundred take a slow machine its time.
    let daemon = Daemon::builder().args(["--handshake-timeout", "1m"]).start();
    daemon.add_user("alice", "right", "full");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..GUESSERS {
            thread::Builder::new().stack_size(256 * 1024).spawn_scoped(scope, || guess(&daemon, &over)).unwrap();
        }
        // Whatever comes, the others end.
        let logins = thread::Builder::new().spawn_scoped(scope, || {
            eventually("they are at it", || daemon.log().matches("login refused").count() > 20);
            let welcome = |last: u8| {
                let client = RawClient::try_from([127, 0, 3, last], &daemon);
                client.is_some_and(|mut client| client.try_login("alice", "right").1 == "welcome")
            };
            thread::scope(|honest| {
                let all: Vec<_> = (1..=10).map(|last| honest.spawn(move || welcome(last))).collect();
                all.into_iter().filter_map(|one| one.join().ok()).filter(|welcome| *welcome).count()
            })
        });
        let logins = logins.unwrap().join();
        over.store(true, Ordering::Relaxed);
        // The guessers' passwords that wait to be checked would take it most of a minute.
        daemon.signal(Signal::KILL);
        assert_eq!(logins.unwrap(), 10);
    });
}

/// 1,000 connections of one address say nothing; 200 of another log in, one after the other and eight at once.
#[test]
fn bare_connections() {
    let _turn = alone();
    many_files();
    let daemon = Daemon::builder().args(["--handshake-timeout", "1h"]).start();
    let silent = bare(&daemon, 1000);
    let welcome = || {
        let client = RawClient::try_from(HONEST, &daemon);
        client.is_some_and(|mut client| client.try_login("anonymous", "").1 == "welcome")
    };
    let logged_in: usize = thread::scope(|scope| {
        let several: Vec<_> = (0..8).map(|_| scope.spawn(|| (0..25).filter(|_| welcome()).count())).collect();
        several.into_iter().map(|some| some.join().unwrap()).sum()
    });
    assert_eq!(logged_in, 200);
    drop(silent);
}

/// Anonymous sessions take all they can get, and connections that say nothing the rest: named users log in all the same,
/// and when those have all places too, an administrator does.
#[test]
fn places_for_the_named() {
    let _turn = alone();
    many_files();
    let mut daemon = Daemon::builder().args(["--max-connections", "40", "--handshake-timeout", "1h"]).start();
    daemon.add_user("alice", "right", "full");
    daemon.add_user_with("root", "right", &["--access", "none", "--admin"]);
    let mut sessions = Vec::new();
    let busy = loop {
        let mut client = RawClient::from(GREEDY, &daemon);
        match client.try_login("anonymous", "") {
            (230, ..) => sessions.push(client),
            (digits, word, _) => break (digits, word),
        }
    };
    assert_eq!((sessions.len(), busy), (32, (421, "busy".to_owned())));
    let _silent = bare(&daemon, 100);
    for _ in 0..4 {
        let mut alice = RawClient::from(HONEST, &daemon);
        alice.login("alice", "right");
        assert_eq!(alice.ask("PING").1, "pong");
        sessions.push(alice);
    }
    assert_eq!(RawClient::from(HONEST, &daemon).try_login("alice", "right").1, "busy");
    let mut root = RawClient::from(HONEST, &daemon);
    root.login("root", "right");
    root.line("WHO");
    let rows = std::iter::from_fn(|| Some(root.reply().0)).take_while(|digits| *digits == 112).count();
    assert_eq!(rows, 37);
    assert_eq!(root.ask("SHUTDOWN").1, "stopping");
    assert_eq!(daemon.wait().code, Some(0));
}

/// There are only so many descriptors: one line says that there will be fewer connections, newcomers are let in or sent
/// away and never left waiting, and what repeats itself in the log is said once.
#[test]
fn few_open_files() {
    let _turn = alone();
    many_files();
    // Nobody is told of fewer than usual who asked for none.
    let unasked = Daemon::builder().through(["prlimit", "--nofile=100:100"]).start();
    unasked.log_with(&["as many connections as there can be open files", "connections=16"]);
    let log = unasked.stop().log;
    assert!(!log.contains("fewer connections than asked for"), "{log}");
    let daemon = Daemon::builder().through(["prlimit", "--nofile=100:100"]).args(["--max-connections", "5000"]).start();
    let mut established = RawClient::from(HONEST, &daemon);
    established.login("anonymous", "");
    let mut silent = bare(&daemon, 200);
    for _ in 0..20 {
        RawClient::from(HONEST, &daemon).login("anonymous", "");
    }
    silent.extend(bare(&daemon, 200));
    eventually("those without a place are sent away", || {
        let left = silent.iter_mut().filter_map(|one| (!crate::wire::has_ended(one)).then_some(()));
        left.count() <= 16
    });
    assert_eq!(established.ask("PING").1, "pong");
    let log = daemon.log();
    let fewer: Vec<&str> = log.lines().filter(|line| line.contains("fewer connections than asked for")).collect();
    assert!(fewer.len() == 1 && fewer[0].contains("connections=16"), "{fewer:?}");
    assert!(log.matches("cannot accept").count() <= 1);
}
