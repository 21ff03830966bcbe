//! What a command leaves that is killed while it writes: password hashes, a key, an invitation. It goes, and nothing goes that is being
//! written.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::common::not_run::not_run;
use crate::common::{PASSWORD, World, end_of, eventually, text};

/// `sealiftd` with these arguments, to whom this happens when it first writes a file to the disk for good.
fn struck(world: &World, signal: &str, args: &[&str]) -> Command {
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e"]);
    command.arg(format!("inject=fsync:signal={signal}:when=1")).arg(env!("CARGO_BIN_EXE_sealiftd")).args(args);
    command.current_dir(world.place()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command
}

fn can_trace() -> bool {
    let traced = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    let can = traced.is_ok_and(|status| status.success());
    if !can {
        not_run("strace may not trace here, or is not there");
    }
    can
}

/// The hidden files of this folder.
fn hidden(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file() && text(path.file_name().unwrap().as_encoded_bytes()).starts_with('.')).collect()
}

#[test]
fn what_a_killed_command_was_writing_is_nobody_else_s_to_read_and_the_next_start_removes_it() {
    if !can_trace() {
        return;
    }
    let world = World::of(&["alice"]);
    world.start().stop();
    for (args, folder) in [
        (&["user", "add", "bob", "--password-stdin"][..], "."),
        (&["cert", "next"], "certs"),
        (&["invite", "alice"], "server_state/invitations"),
    ] {
        let folder = world.place().join(folder);
        let ended = end_of(struck(&world, "SIGKILL", args), PASSWORD);
        assert_eq!(ended.status.code(), None, "{args:?}: {ended:?}");
        let left = hidden(&folder);
        assert_eq!(left.len(), 1, "{args:?} {left:?}");
        assert_eq!(fs::metadata(left.first().unwrap()).unwrap().mode() & 0o7777, 0o600, "{args:?}");
        let daemon = world.start();
        eventually("it is removed", || hidden(&folder).is_empty());
        daemon.stop();
    }
}

#[test]
fn what_a_command_is_writing_that_takes_its_time_stays() {
    if !can_trace() {
        return;
    }
    let world = World::of(&["alice"]);
    world.start().stop();
    let folder = world.place().join("server_state/invitations");
    let mut command = struck(&world, "SIGSTOP", &["invite", "alice"]);
    let inviting = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_child(&inviting);
    let is_stopped = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
        stat.contains(" T ") || stat.contains(" t ")
    };
    eventually("it stands still", || is_stopped() && hidden(&folder).len() == 1);
    let daemon = world.start();
    daemon.log_with(&["swept"]);
    assert_eq!(hidden(&folder).len(), 1);
    kill_process(pid, Signal::CONT).unwrap();
    let ended = inviting.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert!(hidden(&folder).is_empty());
    assert!(text(&daemon.command(&["invite", "--list"]).output().unwrap().stdout).contains("alice"));
}
