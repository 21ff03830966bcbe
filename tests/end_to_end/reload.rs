//! `sealiftd reload` where no supervisor is: it reaches the server of these places, and no other process.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use rustix::fs::{FlockOperation, fcntl_lock, flock};
use rustix::process::geteuid;
use sealift::store::process_numbering;
use tempfile::TempDir;

use crate::common::not_run::not_run;
use crate::common::{Daemon, World, sealiftd, text};

fn reload(place: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = sealiftd(place).arg("reload").args(args).output().unwrap();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

/// A process that would end by SIGHUP, of this account or another one.
struct Victim(Child);

impl Victim {
    fn start(uid: Option<u32>) -> Victim {
        let mut command = Command::new("sleep");
        command.arg("600");
        if let Some(uid) = uid {
            command.uid(uid);
        }
        Victim(command.spawn().unwrap())
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A place where somebody says that this process serves.
fn said(number: u32, numbering: &str, more: &str) -> (TempDir, PathBuf) {
    let place = TempDir::new().unwrap();
    fs::create_dir(place.path().join("server_state")).unwrap();
    let path = place.path().join("server_state/serving");
    fs::write(&path, format!("listen 127.0.0.1:1\nprocess {number} {numbering}\n{more}")).unwrap();
    (place, path)
}

fn held(path: &Path) -> File {
    let file = File::open(path).unwrap();
    flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
    file
}

#[test]
fn the_server_that_runs_here_reads_its_files_again() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let (code, said) = reload(daemon.place(), &[]);
    assert!(code == Some(0) && said.starts_with(&format!("The server (process {}) reads", daemon.pid())), "{said}");
    daemon.log_with(&["SIGHUP", "read again"]);
    let users = daemon.place().join("users.toml");
    let good = fs::read(&users).unwrap();
    fs::write(&users, "[users.alice\n").unwrap();
    let (code, said) = reload(daemon.place(), &[]);
    assert!(
        code == Some(2) && said.contains("users.toml:1") && said.contains("goes on with the users it has"),
        "{said}"
    );
    fs::write(&users, good).unwrap();
    // Read it can be, and used it cannot.
    let settings = daemon.place().join("sealiftd.toml");
    fs::write(&settings, format!("grace = \"5s\"\nroots = [{:?}]\n", daemon.place())).unwrap();
    let (code, said) = reload(daemon.place(), &[]);
    assert!(
        code == Some(2)
            && said.contains("sealiftd.toml:2: --roots")
            && said.contains("goes on with the settings it has"),
        "{said}"
    );
    fs::remove_file(&settings).unwrap();
    let (code, said) = reload(daemon.place(), &["--binary"]);
    assert!(code == Some(3) && said.contains("no server runs here with --supervise"), "{said}");
    let elsewhere = TempDir::new().unwrap();
    assert!(matches!(reload(elsewhere.path(), &[]), (Some(3), said) if said.contains("no server runs here")));
    let place = daemon.place().to_owned();
    daemon.kill();
    assert!(place.join("server_state/serving").exists(), "what was killed leaves it");
    assert!(matches!(reload(&place, &[]), (Some(3), said) if said.contains("no server runs here")));
}

#[test]
fn the_node_that_is_named_reads_its_files_again() {
    let world = World::of(&["alice"]);
    let daemon = world.daemon().args(["--shared", "--node", "east"]).start();
    assert!(matches!(reload(daemon.place(), &["--shared", "--node", "west"]), (Some(3), _)));
    let (code, said) = reload(daemon.place(), &["--shared", "--node", "east"]);
    assert!(code == Some(0), "{said}");
    daemon.log_with(&["SIGHUP", "read again"]);
    let invited = daemon.command(&["invite", "alice", "--host", "files.example.org"]).output().unwrap();
    let line = format!("files.example.org:{}/", daemon.port());
    assert!(text(&invited.stdout).contains(&line), "the port of a node: {}", text(&invited.stdout));
}

#[test]
fn no_other_process_is_signalled() {
    let mut victim = Victim::start(None);
    let number = victim.0.id();
    // A number that was a server's once.
    let (place, path) = said(number, &process_numbering(), "");
    assert!(matches!(reload(place.path(), &[]), (Some(3), said) if said.contains("no server runs here")));
    assert!(victim.lives());
    // It has a lock, and is another process than the one that is named: its number is somebody else's by now.
    let _held = held(&path);
    let (code, told) = reload(place.path(), &[]);
    assert!(code == Some(3) && told.contains(&format!("nothing proves that process {number} is the server")), "{told}");
    assert!(victim.lives());
    let mut options = File::options();
    let owned = options.write(true).open(&path).unwrap();
    fcntl_lock(&owned, FlockOperation::NonBlockingLockExclusive).unwrap();
    let (code, told) = reload(place.path(), &[]);
    assert!(code == Some(5) && told.contains("is not the one that holds it"), "{told}");
    assert!(victim.lives());
    // It counts elsewhere.
    let (other, path) = said(number, "another-boot pid:[1]", "");
    let _other_held = held(&path);
    assert!(
        matches!(reload(other.path(), &[]), (Some(3), said) if said.contains("on another machine or in a container"))
    );
    assert!(victim.lives());
    // SIGHUP would end it.
    let (terminal, path) = said(number, &process_numbering(), "hangup ends\n");
    let _terminal_held = held(&path);
    assert!(matches!(reload(terminal.path(), &[]), (Some(2), said) if said.contains("started at a terminal")));
    assert!(victim.lives());
    // An earlier version says nothing of it.
    fs::write(&path, "listen 127.0.0.1:1\n").unwrap();
    assert!(matches!(reload(terminal.path(), &[]), (Some(3), said) if said.contains("of an earlier version")));
    assert!(victim.lives());
}

/// Whoever may write in the state folder of a server is not to have root signal what they choose.
#[test]
fn root_signals_no_process_of_another_account_than_the_server_s() {
    if !geteuid().is_root() {
        return not_run("only root can become somebody else");
    }
    const NOBODY: u32 = 65534;
    let mut roots = Victim::start(None);
    let (place, path) = said(roots.0.id(), &process_numbering(), "");
    chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
    let _held = held(&path);
    assert!(matches!(reload(place.path(), &[]), (Some(5), said) if said.contains("is not of that file's account")));
    assert!(roots.lives());
    let mut theirs = Victim::start(Some(NOBODY));
    let (place, path) = said(theirs.0.id(), &process_numbering(), "");
    chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
    let _held = held(&path);
    assert!(matches!(reload(place.path(), &[]), (Some(3), said) if said.contains("nothing proves")));
    assert!(theirs.lives());
    // A server that is that account's is signalled.
    let place = TempDir::new().unwrap();
    chown(place.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let daemon = Daemon::builder().within(place.path()).args(["--user", "65534"]).start();
    let (code, said) = reload(daemon.place(), &[]);
    assert_eq!(code, Some(0), "{said}");
    daemon.log_with(&["SIGHUP", "read again"]);
}
