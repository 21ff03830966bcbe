//! Programs that are run when a file was uploaded.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::common::web::curl;
use crate::common::{Daemon, RawClient, World, end_of, enter, eventually, put_script, sealiftd, section, text};

/// A program of these lines.
fn program(place: &Path, name: &str, lines: &str) -> PathBuf {
    let path = place.join(name);
    put_script(&format!("#!/bin/sh\n{lines}\n"), &path);
    path
}

/// Those that are to be through have as much time as the slowest machine takes.
fn with_hooks(hooks: &[&PathBuf]) -> Daemon {
    with_hooks_for("5m", hooks)
}

fn with_hooks_for(time: &str, hooks: &[&PathBuf]) -> Daemon {
    let mut args = vec!["--hook-timeout", time];
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

/// By the one path that is there whatever it was that came: a program that made it of the others would look at another file.
#[test]
fn a_hook_is_told_where_the_file_lies_that_came() {
    let (place, far) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let told = place.path().join("told");
    // As a scanner would: what is in the file that it is told of.
    let lines = format!(
        "line=$(cat); file=$(echo \"$line\" | sed 's/.*\"file\":\"\\([^\"]*\\)\".*/\\1/'); echo \"$file $(cat \"$file\")\" >> {}",
        told.display()
    );
    let hook = program(place.path(), "hook", &lines);
    let world = World::of(&["alice"]);
    let shared = format!(
        "[folders.team]\nas = \"shared/here\"\naccess = {{ alice = \"full\" }}\n[folders.far]\npath = \"{}\"\naccess = {{ alice = \"full\" }}\n",
        far.path().display()
    );
    world.set_users(&(section("alice", "\"full\"", "people/alice") + &shared));
    let daemon = world.daemon().args(["--on-upload", hook.to_str().unwrap()]).start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.ask("MKDIR inbox").0, 250);
    for path in ["inbox/inv.pdf", "shared/here/a", "far/b"] {
        assert_eq!(alice.upload(path, path.as_bytes()).0, 226, "{path}");
    }
    let link = alice.ask("LINK inbox drop=yes").2;
    let sent = place.path().join("inv.pdf");
    fs::write(&sent, "by a link").unwrap();
    let url = format!("/.sealift-web/l/{}/inv.pdf", link["secret"]);
    assert_eq!(curl(&daemon, &["-T", sent.to_str().unwrap()], &url).status, 201);
    let data = fs::canonicalize(daemon.data()).unwrap();
    let far = fs::canonicalize(far.path()).unwrap();
    let mut wanted = [
        format!("{} inbox/inv.pdf", data.join("people/alice/inbox/inv.pdf").display()),
        format!("{} by a link", data.join("people/alice/inbox/inv-2.pdf").display()),
        format!("{} shared/here/a", data.join("team/a").display()),
        format!("{} far/b", far.join("b").display()),
    ];
    wanted.sort();
    let lines = || {
        let mut lines: Vec<_> = fs::read_to_string(&told).unwrap_or_default().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    eventually("all are told of", || lines().len() >= wanted.len());
    assert_eq!(lines(), wanted);
}

#[test]
fn hooks_that_hang_fail_or_are_gone_are_said_and_stop_nothing() {
    let place = TempDir::new().unwrap();
    let hangs = program(place.path(), "hangs", "sleep 1000 & sleep 1000");
    let fails = program(place.path(), "fails", "exit 3");
    let gone = program(place.path(), "gone", "true");
    let daemon = with_hooks_for("3s", &[&hangs, &fails, &gone]);
    fs::remove_file(&gone).unwrap();
    let mut alice = RawClient::logged_in(&daemon, "alice", "correct-horse");
    for number in 0..50 {
        assert_eq!(alice.upload(&format!("file{number}"), b"x").0, 226);
    }
    eventually("the one that hangs is killed", || daemon.log().contains("a hook ran too long and was killed"));
    eventually("the one that fails is said", || daemon.log().contains("a hook failed"));
    eventually("the one that is gone is said", || daemon.log().contains("a hook cannot be run"));
    let log = daemon.log();
    for said in ["ran too long", "a hook failed", "cannot be run"] {
        let line = log.lines().find(|line| line.contains(said)).unwrap();
        assert!(line.contains("file=\"/") && line.contains("/alice/file"), "which: {line}");
    }
    assert_eq!(alice.upload("after", b"x").0, 226);
}

/// What has left the hook's group and session, and what has no parent any more, goes as the hook itself does.
#[test]
fn what_a_hook_leaves_behind_has_no_more_time_than_the_hook() {
    let place = TempDir::new().unwrap();
    let pids = place.path().join("pids");
    let daemonizes = |end: &str| {
        format!(
            "for n in 1 2; do setsid sh -c 'setsid sleep 1000 & echo $! >> {0}; echo $$ >> {0}; exec sleep 1000' & done; {end}",
            pids.display()
        )
    };
    let hangs = program(place.path(), "hangs", &daemonizes("sleep 1000"));
    let ends = program(place.path(), "ends", &daemonizes("exit 0"));
    // Time for all of it to begin, and no more.
    let daemon = with_hooks_for("10s", &[&hangs, &ends]);
    let mut alice = RawClient::logged_in(&daemon, "alice", "correct-horse");
    assert_eq!(alice.upload("file", b"x").0, 226);
    eventually("both are killed", || daemon.log().matches("a hook ran too long and was killed").count() == 2);
    let left = fs::read_to_string(&pids).unwrap();
    assert_eq!(left.lines().count(), 8, "{left}");
    for pid in left.lines() {
        assert!(!Path::new("/proc").join(pid).exists(), "{pid} of {left}");
    }
}

#[test]
fn a_socket_is_told_of_each_upload_and_one_that_nobody_listens_on_is_said() {
    let place = TempDir::new().unwrap();
    let (told, gone) = (place.path().join("told"), place.path().join("gone"));
    let [to, nowhere] = [&told, &gone].map(|path| PathBuf::from(format!("unix:{}", path.display())));
    let daemon = with_hooks(&[&to, &nowhere]);
    // It need not be there at the start.
    let listener = UnixListener::bind(&told).unwrap();
    let mut alice = RawClient::logged_in(&daemon, "alice", "correct-horse");
    for name in ["one", "two"] {
        assert_eq!(alice.upload(name, b"x").0, 226);
        let mut line = String::new();
        listener.accept().unwrap().0.read_to_string(&mut line).unwrap();
        let event: serde_json::Value = serde_json::from_str(line.strip_suffix('\n').unwrap()).unwrap();
        assert_eq!(event["user"], "alice");
        assert!(event["file"].as_str().unwrap().ends_with(&format!("/alice/{name}")), "{line}");
    }
    eventually("the other one is said", || daemon.log().contains("a hook's socket was not told"));
    let output = daemon.command(&["check", "--on-upload", "unix:relative"]).output().unwrap();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(said.contains("names no socket by an absolute path"), "{said}");
}

/// What it started goes with it, and other hooks go on.
#[test]
fn a_hook_that_kills_the_process_around_it_is_killed_itself() {
    let place = TempDir::new().unwrap();
    let (pids, done) = (place.path().join("pids"), place.path().join("done"));
    let kills =
        format!("setsid sleep 1000 & echo $! >> {0}; echo $$ >> {0}; kill -9 $PPID; exec sleep 1000", pids.display());
    let kills = program(place.path(), "kills", &kills);
    // It is at work when the first one is killed, and goes on.
    let go_on = place.path().join("go-on");
    let other = format!("until [ -e {} ]; do sleep 0.05; done; echo done > {}", go_on.display(), done.display());
    let other = program(place.path(), "other", &other);
    let daemon = with_hooks(&[&kills, &other]);
    let mut alice = RawClient::logged_in(&daemon, "alice", "correct-horse");
    assert_eq!(alice.upload("file", b"x").0, 226);
    eventually("it is said", || daemon.log().contains("the process around it was killed"));
    let left = fs::read_to_string(&pids).unwrap();
    assert_eq!(left.lines().count(), 2, "{left}");
    eventually("both are gone", || left.lines().all(|pid| !Path::new("/proc").join(pid).exists()));
    assert!(!done.exists());
    fs::write(go_on, "").unwrap();
    eventually("the other one is done", || done.exists());
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

/// The process that runs hooks for this server.
fn runner_of(daemon: &Daemon) -> Pid {
    let parent = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    let names = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let runners: Vec<i32> = names.filter(|pid| parent(pid) == Some(daemon.pid())).collect();
    assert_eq!(runners.len(), 1);
    Pid::from_raw(runners[0]).unwrap()
}

#[test]
fn a_server_that_is_told_to_end_with_all_there_is_has_its_hooks_done_first() {
    let place = TempDir::new().unwrap();
    let (told, go) = (place.path().join("told"), place.path().join("go"));
    // More than run at once, and none is done before the server is told to end.
    let lines = format!(
        "while [ ! -e {} ]; do sleep 0.05; done; line=$(cat); echo \"$line\" >> {}",
        go.display(),
        told.display()
    );
    let hook = program(place.path(), "hook", &lines);
    let mut daemon = Daemon::builder().args(["--on-upload", hook.to_str().unwrap()]).start();
    daemon.add_user("alice", "correct-horse", "full");
    let mut alice = RawClient::logged_in(&daemon, "alice", "correct-horse");
    for number in 0..9 {
        assert_eq!(alice.upload(&format!("file{number}"), b"x").0, 226);
    }
    drop(alice);
    // As a terminal or a service manager does it.
    for signal in [Signal::HUP, Signal::INT, Signal::TERM] {
        kill_process(runner_of(&daemon), signal).unwrap();
    }
    daemon.signal(Signal::TERM);
    eventually("it waits for them", || daemon.log().contains("waiting for hooks"));
    fs::write(&go, "").unwrap();
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let lines = fs::read_to_string(&told).unwrap();
    assert_eq!(
        lines.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()).count(),
        9,
        "{lines}"
    );
    assert!(!ended.log.contains("not run"), "{}", ended.log);
}

#[test]
fn a_server_that_ends_says_how_many_hooks_it_had_no_time_for() {
    let place = TempDir::new().unwrap();
    let hook = program(place.path(), "hangs", "sleep 1000");
    let daemon = Daemon::builder().args(["--on-upload", hook.to_str().unwrap()]).start();
    daemon.add_user("alice", "correct-horse", "full");
    let mut alice = RawClient::logged_in(&daemon, "alice", "correct-horse");
    for number in 0..9 {
        assert_eq!(alice.upload(&format!("file{number}"), b"x").0, 226);
    }
    drop(alice);
    let ended = daemon.stop();
    let killed = ended.log.matches("a hook was killed: the server has ended").count();
    assert_eq!(killed, 4, "{}", ended.log);
    assert!(ended.log.contains("hooks that were not run: the server has ended left=5"), "{}", ended.log);
}
