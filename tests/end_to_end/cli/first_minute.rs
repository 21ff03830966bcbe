//! What the first start shows: commands that can be copied as they stand.

use std::path::Path;
use std::process::{Command, Output};

use crate::common::program::Terminal;
use crate::common::{Daemon, end_of, sealiftd};

/// A command line as a person types it where the server was started, whose shell finds neither of the two programs.
fn typed(place: &Path, line: &str) -> Output {
    let mut command = Command::new("setsid");
    command.args(["--wait", "sh", "-c", line]).current_dir(place).env_clear();
    command.env("PATH", "/usr/bin:/bin").env("SEALIFT_CONFIG_DIR", place.join("config")).output().unwrap()
}

/// The commands among what is shown: what is said of browsers is none.
fn commands(hints: &str) -> Vec<&str> {
    let of_browsers = |line: &&str| line.starts_with("or open ") || line.starts_with("(it will warn ");
    hints.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !of_browsers(line)).collect()
}

#[test]
fn every_command_of_the_first_start_works_where_it_stands() {
    let daemon = Daemon::start();
    let hints = daemon.hints();
    let shown = commands(&hints);
    let [echo, ls, get, add, put, off] = shown.as_slice() else { panic!("{hints}") };
    for line in [echo, ls, get] {
        let output = typed(daemon.place(), line);
        assert!(output.status.success(), "{line}: {output:?}");
    }
    assert_eq!(typed(daemon.place(), ls).stdout, b"hello.txt\n");
    assert_eq!(std::fs::read(daemon.place().join("hello.txt")).unwrap(), b"hello\n");
    // Without a terminal the password comes from elsewhere.
    let added = typed(daemon.place(), &format!("echo correct-horse | {add} --password-stdin"));
    assert!(added.status.success(), "{added:?}");
    let line = format!("SEALIFT_PASSWORD=correct-horse {}", put.replace("FILE", "hello.txt"));
    let sent = typed(daemon.place(), &line);
    assert!(sent.status.success(), "{sent:?}");
    assert!(daemon.data().join("alice/hello.txt").exists());
    assert!(typed(daemon.place(), off).status.success());
    assert_eq!(typed(daemon.place(), ls).status.code(), Some(4), "nobody without a login");
}

#[test]
fn a_start_says_all_that_needs_no_login() {
    let place = tempfile::tempdir().unwrap();
    let shared = tempfile::tempdir().unwrap();
    for args in [
        &["user", "add", "bob", "--password-stdin"][..],
        &["folder", "add", "share", "--path", shared.path().to_str().unwrap(), "--access", "anonymous=read"],
        &["folder", "add", "inner", "--access", "bob=read"],
    ] {
        let mut command = sealiftd(place.path());
        command.args(args);
        let done = end_of(command, "correct-horse\n");
        assert!(done.status.success(), "{args:?}: {done:?}");
    }
    let daemon = Daemon::builder().within(place.path()).start();
    let banner = daemon.banner();
    assert!(banner.contains("(anybody may read server_data/public and /share, 1 named user)"), "{banner}");
}

#[test]
fn on_a_terminal_the_first_start_says_nothing_twice() {
    let place = tempfile::tempdir().unwrap();
    let command = pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_sealiftd"));
    let command = command.args(["--listen", "127.0.0.1:0"]).current_dir(place.path()).env_clear();
    let mut terminal = Terminal::of(command.env("PATH", "/usr/bin:/bin").env("NO_COLOR", "1"), (100, 30));
    terminal.expect("is ready.").expect("Add a user").expect("put FILE");
    let shown = terminal.shown();
    assert!(!shown.contains(" INFO "), "{shown}");
    let pid = rustix::process::Pid::from_raw(terminal.pid() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    // From then on the log is as ever.
    terminal.expect("stopping").expect("stopped");
    assert!(terminal.wait().success());
    assert!(!terminal.shown().contains("listening address"), "{}", terminal.shown());
}
