//! Large files over several connections, as they are typed.

use std::fs;

use crate::common::running::{PASSWORD, bytes};
use crate::common::{COPIES, Daemon, end_of, eventually, text};

const BLOCK: usize = 16 << 20;

/// The program, as alice at this server.
fn run(server: &Daemon, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sealift"));
    command
        .env_clear()
        .env(COPIES.0, COPIES.1)
        .env("SEALIFT_PASSWORD", PASSWORD)
        .env("HOME", server.place())
        .args(["--pin", server.pin()]);
    command.args(args);
    let output = end_of(command, "");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn one_password_opens_all_of_them() {
    let server = Daemon::builder().args(["--max-per-source", "5"]).start();
    server.add_user("alice", PASSWORD, "full");
    let content = bytes(4 * BLOCK + 5);
    let (source, copy) = (server.place().join("big"), server.place().join("copy"));
    fs::write(&source, &content).unwrap();
    let (source, copied) = (source.to_str().unwrap(), copy.to_str().unwrap());
    let remote = format!("alice@{}/big", server.address());
    let (code, out, said) = run(&server, &["put", "--streams", "4", "-v", "--json", source, &remote]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("4 of 4 connections"), "{said}");
    assert!(out.contains(&format!("\"size\":{}", content.len())), "{out}");
    let (code, _, said) = run(&server, &["get", "--streams", "5", &remote, copied]);
    assert_eq!(code, Some(0), "{said}");
    assert!(fs::read(&copy).unwrap() == content);
    // More than the server lets in: as many as it does.
    let (code, _, said) = run(&server, &["get", "--streams", "16", "-v", &remote, copied]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("5 of 16 connections: "), "{said}");
    eventually("three passwords, and tokens for the rest", || {
        let log = server.log();
        let joined = log.matches(" joined").count();
        (log.matches(" logged in").count().saturating_sub(joined), joined) == (3, 3 + 4 + 4)
    });
    // Anonymous reading has no password to save, and may use several connections all the same.
    fs::write(server.public().join("big"), &content).unwrap();
    let (code, _, said) = run(&server, &["get", "--streams", "3", "-v", &format!("{}/big", server.address()), copied]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("3 of 3 connections"), "{said}");
    for wrong in ["0", "17", "x"] {
        assert_eq!(run(&server, &["get", "--streams", wrong, &remote, copied]).0, Some(2), "{wrong}");
    }
}
