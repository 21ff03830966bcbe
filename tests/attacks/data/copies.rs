//! Copies that are cut off.

use std::fs;

use super::until;
use crate::common::{World, assert_nothing_staged, enter};

/// Bytes that the process of this id has read so far, of files and sockets.
fn read_so_far(pid: u32) -> u64 {
    let counted = fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    counted.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

/// Nobody goes on with a copy: what was there of it when the server was killed must not take its place for days.
#[test]
fn copy_killed() {
    const SIZE: usize = 512 << 20;
    let world = World::with(&[("alice", "\"full\"", "alice")]);
    let daemon = world.start();
    let home = world.home("alice");
    // No zeros: a hole is no beginning of anything.
    fs::write(home.join("large"), vec![7; SIZE]).unwrap();
    let before = read_so_far(daemon.pid());
    let mut alice = enter(&daemon, "alice");
    alice.line("COPY large other");
    until("it is under way", || read_so_far(daemon.pid()) > before + (64 << 20));
    daemon.kill();
    fs::remove_file(world.place().join("log")).unwrap();
    let daemon = world.start();
    until("swept", || daemon.log().contains(" swept "));
    assert_nothing_staged(&home, "after the next start");
    assert!(!home.join("other").exists());
}
