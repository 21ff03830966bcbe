//! Many that make the server hold what they never take, under a limit that the kernel enforces.

use std::fs;
use std::thread::available_parallelism;

use crate::common::{Daemon, Figures, RawClient, alone, bytes, many_files};

/// The most data that the server may have, in MiB: the kernel grants no more, and a server that asks for it ends. Password
/// checks and the stacks of threads take so much more for each core.
fn limit_mib() -> usize {
    300 + 34 * available_parallelism().unwrap().get()
}

/// Connections of one address. If each held what a lone transfer holds it would be far more than the limit. Many more would
/// take what the kernel has for all sockets of the machine: two MiB of each go there.
const FLOOD: usize = 280;

/// Times that each of them asks for something while it reads nothing.
const ROUNDS: usize = 6;

#[test]
fn memory_budget() {
    let _turn = alone();
    many_files();
    let limited = format!("ulimit -d {} && exec \"$0\" \"$@\"", limit_mib() * 1024);
    let daemon = Daemon::builder().through(["sh", "-c", &limited]).start();
    daemon.add_user("alice", "right", "full");
    let content = bytes(8 << 20);
    fs::write(daemon.public().join("file"), &content).unwrap();

    let mut flood: Vec<RawClient> = (0..FLOOD)
        .map(|_| {
            let mut client = RawClient::from([127, 0, 1, 1], &daemon);
            client.login("anonymous", "");
            client.line("DOWNLOAD file");
            client
        })
        .collect();
    for _ in 0..ROUNDS {
        for client in &mut flood {
            client.send("PING\r\n".repeat(500));
        }
    }
    println!("{} KiB resident with {FLOOD} that never read", Figures::of(&daemon).resident());

    // Others are served: passwords are checked, files go both ways.
    let mut anybody = RawClient::from([127, 0, 2, 1], &daemon);
    anybody.login("anonymous", "");
    assert_eq!(anybody.download("file").unwrap(), content);
    let mut alice = RawClient::from([127, 0, 2, 2], &daemon);
    alice.login("alice", "right");
    assert_eq!(alice.upload("copy", &content).1, "done");
    assert_eq!(alice.download("copy").unwrap(), content);
    // Who is at the address of the flood too, if slowly.
    let mut neighbour = RawClient::from([127, 0, 1, 1], &daemon);
    neighbour.login("anonymous", "");
    assert_eq!(neighbour.download("file").unwrap(), content);

    // And who was rude may still become polite.
    let mut one = flood.pop().unwrap();
    assert_eq!(one.reply().1, "data");
    assert_eq!(alice.ask("PING").1, "pong");
}
