//! Floods of work: they take what is left over, and not the turns of others.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::common::{Daemon, RawClient, alone, many_files};

/// Bytes of the file that is hashed again and again: a millisecond of a core.
const BIG: u64 = 4 << 20;

/// Connections of the flood: more than any pool has threads.
const FLOOD: usize = 520;

/// Commands that each of them sends at once: with [`BIG`] some 15 seconds of two cores.
const EACH: usize = 60;

/// Answers that one connection of the flood may have while somebody honest logs in and asks for [`HONEST`] things. In
/// turn with 519 others it gets one or two.
const MEANWHILE: usize = EACH / 4;

/// Commands of somebody honest, one after the other.
const HONEST: usize = 50;

/// Part of a file, so that no recorded hash answers it.
fn hash_line() -> String {
    format!("HASH big length={}\r\n", BIG - 1)
}

/// 520 connections, of one address and of 50, each ask for 60 hashes of a large file without waiting.
#[test]
fn hash_flood() {
    let _turn = alone();
    many_files();
    for addresses in [1, 50] {
        let daemon = Daemon::start();
        daemon.add_user("alice", "right", "full");
        fs::write(daemon.public().join("big"), vec![7; BIG as usize]).unwrap();
        let mut open = RawClient::logged_in(&daemon, "alice", "right");
        let flood: Vec<RawClient> = flooding(&daemon, addresses);
        let answered = AtomicUsize::new(0);
        thread::scope(|scope| {
            let mut flood = flood;
            let mut witness = flood.pop().unwrap();
            let answered = &answered;
            scope.spawn(move || {
                while let Some((digits, ..)) = witness.try_reply() {
                    assert_eq!(digits, 213);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
            while answered.load(Ordering::Relaxed) == 0 {
                thread::yield_now();
            }
            let before = answered.load(Ordering::Relaxed);
            // Somebody who is there already, somebody new by name, and somebody new without: all from elsewhere.
            for _ in 0..HONEST {
                assert_eq!(open.ask("PING").1, "pong");
            }
            let mut named = RawClient::from([127, 0, 2, 1], &daemon);
            named.login("alice", "right");
            let mut anybody = RawClient::from([127, 0, 2, 2], &daemon);
            anybody.login("anonymous", "");
            for _ in 0..HONEST {
                assert_eq!(anybody.ask("STAT big").1, "stat");
            }
            // What is heavy has its turn among the heavy ones, by source.
            assert_eq!(anybody.ask(hash_line().trim_end()).1, "hash");
            let meanwhile = answered.load(Ordering::Relaxed) - before;
            daemon.kill();
            assert!(
                meanwhile <= MEANWHILE,
                "{meanwhile} of {EACH} answers of one of {FLOOD} connections from {addresses} addresses"
            );
        });
    }
}

/// Logged-in connections that have asked for all of their hashes.
fn flooding(daemon: &Daemon, addresses: u8) -> Vec<RawClient> {
    let lines = hash_line().repeat(EACH);
    let connect = |n: usize| {
        let mut client = RawClient::from([127, 0, 1, 1 + (n % usize::from(addresses)) as u8], daemon);
        client.login("anonymous", "");
        client
    };
    let mut flood: Vec<RawClient> = (0..FLOOD).map(connect).collect();
    for client in &mut flood {
        client.send(&lines);
    }
    flood
}
