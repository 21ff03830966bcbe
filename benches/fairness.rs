//! How long others wait during a flood, in time: for hand use, since it says nothing on a machine that does other things too.
//! 1,000 anonymous connections, from one address and from 50, pipeline hashes of a large file without end; meanwhile
//! somebody at another address logs in again and again, and an open session pings.
//!
//! `cargo bench --bench fairness`

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a measurement that cannot go on should stop"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use common::{Daemon, RawClient, many_files};

const FLOOD: usize = 990;
const BIG: u64 = 64 << 20;
const PINGS: usize = 500;
const LOGINS: usize = 10;

fn main() {
    many_files();
    for addresses in [1, 50] {
        measure(addresses);
    }
}

fn measure(addresses: u8) {
    let daemon = Daemon::start();
    daemon.add_user("alice", "right", "full");
    fs::write(daemon.public().join("big"), vec![7; BIG as usize]).unwrap();
    let mut open = RawClient::from([127, 0, 2, 1], &daemon);
    open.login("alice", "right");
    println!("without a flood:");
    figures(&daemon, &mut open);
    let lines = format!("HASH big length={}\r\n", BIG - 1).repeat(100);
    let flood: Vec<RawClient> = (0..FLOOD)
        .map(|n| {
            let mut client = RawClient::from([127, 0, 1, 1 + (n % usize::from(addresses)) as u8], &daemon);
            client.login("anonymous", "");
            client.send(&lines);
            client
        })
        .collect();
    println!("with {FLOOD} connections from {addresses} addresses:");
    figures(&daemon, &mut open);
    daemon.kill();
    drop(flood);
}

fn figures(daemon: &Daemon, open: &mut RawClient) {
    let mut pings = times(PINGS, || {
        thread::sleep(Duration::from_millis(2));
        let begin = Instant::now();
        assert_eq!(open.ask("PING").1, "pong");
        begin.elapsed()
    });
    let mut logins = times(LOGINS, || {
        let begin = Instant::now();
        let mut client = RawClient::from([127, 0, 2, 2], daemon);
        client.login("alice", "right");
        begin.elapsed()
    });
    pings.sort_unstable();
    logins.sort_unstable();
    println!(
        "  ping  median {:?}, 99th of a hundred {:?}, most {:?}",
        pings[PINGS / 2],
        pings[PINGS * 99 / 100],
        pings[PINGS - 1]
    );
    println!("  login median {:?}, most {:?}", logins[LOGINS / 2], logins[LOGINS - 1]);
}

fn times(count: usize, one: impl FnMut() -> Duration) -> Vec<Duration> {
    std::iter::repeat_with(one).take(count).collect()
}
