//! Programs that are run when a file was uploaded.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::common::web::curl;
use crate::common::{Daemon, RawClient, end_of, eventually, sealiftd, text};

/// A program of these lines.
fn program(place: &Path, name: &str, lines: &str) -> PathBuf {
    let path = place.join(name);
    fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn with_hooks(hooks: &[&PathBuf]) -> Daemon {
    let mut args = vec!["--hook-timeout", "500ms"];
    hooks.iter().for_each(|hook| args.extend(["--on-upload", hook.to_str().unwrap()]));
    let daemon = Daemon::builder().args(args).start();
    daemon.add_user("alice", "correct-horse", "full");
    daemon
}

#[test]
fn each_upload_is_told_of_once_by_both_protocols_and_nothing_else_is() {
    let place = TempDir::new().unwrap();
    let told = place.path().join("told");
    // In one write each, so that several at once do not mix.
    let hook = program(place.path(), "hook", &format!("line=$(cat); echo \"$line\" >> {}", told.display()));
    let daemon = with_hooks(&[&hook]);
    let mut alice = RawClient::logged_in(&daemon, "alice", "correct-horse");
    assert_eq!(alice.upload("one%20$(reboot)%0a", b"x").1, "bad-path");
    assert_eq!(alice.upload("one%20$(reboot)", b"first").0, 226);
    assert_eq!(alice.upload("one%20$(reboot)", b"second").0, 226);
    assert_eq!(alice.ask("MKDIR folder").0, 250);
    assert_eq!(alice.ask("RENAME one%20$(reboot) two").0, 250);
    assert_eq!(alice.download("two").unwrap(), b"second");
    assert_eq!(curl(&daemon, &["-u", "alice:correct-horse", "-X", "PUT", "-d", "web"], "/~alice/three").status, 201);
    let lines = || fs::read_to_string(&told).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
    eventually("all are told of", || lines().len() >= 3);
    let mut seen: Vec<(String, String, String)> = lines()
        .iter()
        .map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!((&event["user"], &event["home"]), (&"alice".into(), &"alice".into()));
            let word = |key: &str| event[key].as_str().unwrap().to_owned();
            (word("path"), word("outcome"), word("verb"))
        })
        .collect();
    seen.sort();
    let one = |path: &str, outcome: &str, verb: &str| (path.to_owned(), outcome.to_owned(), verb.to_owned());
    let wanted = [
        one("one $(reboot)", "created", "UPLOAD"),
        one("one $(reboot)", "replaced", "UPLOAD"),
        one("three", "created", "PUT"),
    ];
    assert_eq!(seen, wanted);
}

#[test]
fn hooks_that_hang_fail_or_are_gone_are_said_and_stop_nothing() {
    let place = TempDir::new().unwrap();
    let hangs = program(place.path(), "hangs", "sleep 1000 & sleep 1000");
    let fails = program(place.path(), "fails", "exit 3");
    let gone = program(place.path(), "gone", "true");
    let daemon = with_hooks(&[&hangs, &fails, &gone]);
    fs::remove_file(&gone).unwrap();
    let mut alice = RawClient::logged_in(&daemon, "alice", "correct-horse");
    for number in 0..50 {
        assert_eq!(alice.upload(&format!("file{number}"), b"x").0, 226);
    }
    eventually("the one that hangs is killed", || daemon.log().contains("a hook ran too long and was killed"));
    eventually("the one that fails is said", || daemon.log().contains("a hook failed"));
    eventually("the one that is gone is said", || daemon.log().contains("a hook cannot be run"));
    assert_eq!(alice.upload("after", b"x").0, 226);
}

#[test]
fn what_cannot_be_a_hook_is_refused_at_the_start_and_by_check() {
    let place = TempDir::new().unwrap();
    let writable = program(place.path(), "writable", "true");
    fs::set_permissions(&writable, fs::Permissions::from_mode(0o777)).unwrap();
    let text_file = place.path().join("text");
    fs::write(&text_file, "no program").unwrap();
    let missing = place.path().join("missing");
    for (hook, why) in [
        (writable.to_str().unwrap(), "changed by others"),
        (text_file.to_str().unwrap(), "no program"),
        (missing.to_str().unwrap(), "no such file"),
        ("hook", "is not an absolute path"),
    ] {
        for args in [&["--listen", "127.0.0.1:0", "--on-upload", hook][..], &["check", "--on-upload", hook]] {
            let mut command = sealiftd(place.path());
            command.args(args);
            let output = end_of(command, "");
            let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
            assert!(output.status.code() != Some(0) && said.contains(why), "{args:?}: {said}");
        }
    }
}
