//! What clients leave open when they go: over a network, or a program's file system, whoever closes it may have to wait.

use std::fs;
use std::io::Read as _;
use std::process::Stdio;

use super::strace::Strace;
use crate::common::web::{curl, curl_command};
use crate::common::{Daemon, PASSWORD, World, eventually};

/// What the thread of this number is called.
fn thread(daemon: &Daemon, id: &str) -> String {
    fs::read_to_string(format!("/proc/{}/task/{id}/comm", daemon.pid())).unwrap().trim().to_owned()
}

/// The threads that move the bytes of all connections close nothing of anybody's home.
#[test]
fn closes_in_turns() {
    let world = World::of(&["alice"]);
    let folder = world.home("alice").join("folder");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("large");
    fs::File::create(&file).unwrap().set_len(256 << 20).unwrap();
    let daemon = world.start();
    let login = format!("alice:{PASSWORD}");
    let open = || {
        let all = fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap();
        all.flatten().filter(|fd| fs::read_link(fd.path()).is_ok_and(|to| to == file)).count()
    };
    let ranges = "0-9,20-100000000";
    for (args, path) in [
        (&[][..], "/~alice/folder/large"),
        (&["--range", ranges][..], "/~alice/folder/large"),
        (&[][..], "/~alice/folder/?tar"),
    ] {
        let closes = ["-e", "trace=close", "-P", file.to_str().unwrap()];
        let Some(trace) = Strace::attach(&daemon, closes) else { return };
        let args = [&["--user", &login], args].concat();
        let mut client = curl_command(&daemon, &args, path).stdout(Stdio::piped()).spawn().unwrap();
        let mut some = [0; 100_000];
        client.stdout.as_mut().unwrap().read_exact(&mut some).unwrap();
        assert!(open() > 0, "{path}");
        client.kill().unwrap();
        client.wait().unwrap();
        eventually("it is closed", || open() == 0);
        closed_by_sessions(&daemon, &trace.detach(), path);
    }
    // Nor do they when it was read to its end for a digest.
    for (size, path) in [(0, "/~alice/folder/large"), (5 << 20, "/~alice/folder/large")] {
        fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(size).unwrap();
        let closes = ["-e", "trace=close", "-P", file.to_str().unwrap()];
        let Some(trace) = Strace::attach(&daemon, closes) else { return };
        let got = curl(&daemon, &["--user", &login, "--head", "--header", "Want-Repr-Digest: sha-256=10"], path);
        assert!(got.header("repr-digest").starts_with("sha-256=:"), "{got:?}");
        eventually("it is closed", || open() == 0);
        closed_by_sessions(&daemon, &trace.detach(), path);
    }
}

fn closed_by_sessions(daemon: &Daemon, seen: &str, path: &str) {
    let closed: Vec<_> = seen.lines().filter(|line| line.contains("close(")).collect();
    assert!(!closed.is_empty(), "{path}: {seen}");
    for line in closed {
        let id = line.split_whitespace().next().unwrap();
        assert_eq!(thread(daemon, id), "session", "{path}: {line}");
    }
}
