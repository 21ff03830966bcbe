//! The programs that people have.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use crate::common::{Daemon, PASSWORD, World};

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).replace('\r', "\n")
}

#[test]
fn litmus_finds_nothing_wrong() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let url = format!("https://localhost:{}/~alice/", daemon.port());
    // It writes a log into its folder. `-k`: it goes on after a failure, so that all of them are seen.
    let litmus = Command::new("litmus").args(["-k", &url, "alice", PASSWORD]).current_dir(world.place()).output();
    let said = text(&litmus.expect("litmus is installed"));
    let summaries: Vec<&str> = said.lines().filter(|line| line.contains("summary for")).collect();
    let passed = |line: &&str| line.contains(" 0 failed");
    assert!(summaries.len() == 5 && summaries.iter().all(passed) && !said.contains("FAIL"), "{said}");
    for (suite, tests) in [("basic", 16), ("copymove", 13), ("props", 30), ("locks", 41), ("http", 3)] {
        let line = format!("`{suite}': of {tests} tests run: {tests} passed");
        assert!(summaries.iter().any(|summary| summary.contains(&line)), "{line}: {said}");
    }
}

/// rclone with this server's home as `:webdav:`.
fn rclone(daemon: &Daemon, args: &[&str]) -> Output {
    rclone_as("other", daemon, args)
}

/// The same, with what rclone knows of this vendor's servers.
fn rclone_as(vendor: &str, daemon: &Daemon, args: &[&str]) -> Output {
    let hidden = Command::new("rclone").args(["obscure", PASSWORD]).output().expect("rclone is installed");
    let hidden = String::from_utf8(hidden.stdout).unwrap();
    let mut command = Command::new("rclone");
    command.args(args).args(["--no-check-certificate", "--config", "", "--webdav-vendor", vendor]);
    command.args(["--webdav-url", &format!("https://127.0.0.1:{}/~alice/", daemon.port())]);
    command.args(["--webdav-user", "alice", "--webdav-pass", hidden.trim()]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", text(&output));
    output
}

fn odd_names(folder: &Path) {
    let odd = [
        "a b",
        "100%",
        "%41",
        "?q",
        "#x",
        "ü文",
        "a&b;c='\"<x>",
        "~alice",
        "._apple",
        "plus+",
        "[b]",
        "{b}",
        "^",
        "`t`",
        "back\\slash",
        " lead",
        "trail ",
        "dot.",
        "colon:",
        "pipe|",
        "star*",
        "e\u{301}",
        "😀",
        "$HOME",
    ];
    fs::create_dir_all(folder.join("sub folder/deep")).unwrap();
    for n in 0..1000 {
        let name = odd[n % odd.len()];
        let name = if n % 3 == 0 { format!("{n}{name}") } else { format!("{name}{n}") };
        let folder = folder.join(if n % 5 == 0 { "sub folder/deep" } else { "." });
        fs::write(folder.join(name), "x".repeat(n % 50)).unwrap();
    }
}

#[test]
fn rclone_copies_a_thousand_odd_names_and_finds_no_difference() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let source = world.place().join("source");
    odd_names(&source);
    let source = source.to_str().unwrap();
    rclone(&daemon, &["copy", "--transfers", "8", source, ":webdav:copied"]);
    let checked = text(&rclone(&daemon, &["check", "--download", source, ":webdav:copied"]));
    assert!(checked.contains("0 differences found") && checked.contains("1000 matching files"), "{checked}");
    rclone(&daemon, &["move", ":webdav:copied/sub folder", ":webdav:moved"]);
    assert_eq!(fs::read_dir(world.home("alice").join("moved/deep")).unwrap().count(), 200);
    rclone(&daemon, &["purge", ":webdav:copied"]);
    assert!(!world.home("alice").join("copied").exists());
}

#[test]
fn rclone_keeps_times_and_sends_what_changed_and_kept_its_size() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let source = world.place().join("source");
    fs::create_dir(&source).unwrap();
    let (here, there) = (source.join("f"), world.home("alice").join("copy/f"));
    for (content, secs) in [("aaaa", 1_000_000_000), ("bbbb", 1_000_000_007)] {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        fs::write(&here, content).unwrap();
        File::options().write(true).open(&here).unwrap().set_modified(time).unwrap();
        rclone_as("owncloud", &daemon, &["sync", source.to_str().unwrap(), ":webdav:copy"]);
        assert_eq!(fs::read_to_string(&there).unwrap(), content);
        assert_eq!(fs::metadata(&there).unwrap().modified().unwrap(), time);
    }
}
