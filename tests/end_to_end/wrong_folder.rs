//! Commands about users that are typed where no server is, or beside one that goes by other files.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::common::{Daemon, PASSWORD, end_of, sealiftd, text};

/// The exit code, what was said of what was done, and what was complained of.
fn run(place: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = sealiftd(place);
    command.args(args);
    let output = end_of(command, &format!("{PASSWORD}\n"));
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_users_file_that_is_made_where_no_server_is_is_named_and_nobody_is_said_to_know() {
    for args in [
        &["user", "add", "alice", "--password-stdin"][..],
        &["user", "set", "anonymous", "--enabled", "no"],
        &["group", "add", "editors"],
        &["folder", "add", "docs", "--access", "*=read"],
    ] {
        let place = TempDir::new().unwrap();
        let file = place.path().canonicalize().unwrap().join("users.toml");
        let (code, out, err) = run(place.path(), args);
        assert_eq!(code, 0, "{args:?}: {err}");
        let made =
            format!("warning: {} did not exist and has been made, and nothing of a server is here", file.display());
        assert!(
            err.contains(&made) && err.contains("no server runs with it. `sealiftd` starts one here."),
            "{args:?}: {err}"
        );
        assert!(
            out.contains("No server is known to run with this users file: it counts once one is started."),
            "{out}"
        );
        assert!(!out.contains("A running server"), "{args:?}: {out}");
    }
    // Where a server's keys are one was started, or is meant to be.
    let place = TempDir::new().unwrap();
    assert_eq!(run(place.path(), &["cert", "new"]).0, 0);
    let (code, out, err) = run(place.path(), &["user", "add", "alice", "--password-stdin"]);
    assert!(code == 0 && err.is_empty(), "{err}");
    assert!(
        out.contains("did not exist and has been made: a server that is started here, or with --users, reads it."),
        "{out}"
    );
}

#[test]
fn what_is_not_there_is_not_made_by_being_changed() {
    let place = TempDir::new().unwrap();
    for args in [
        &["user", "set", "alice", "--quota", "1GiB"][..],
        &["user", "passwd", "alice", "--password-stdin"],
        &["user", "remove", "alice"],
        &["user", "show", "alice"],
        &["user", "list"],
        &["user", "key", "list", "alice"],
        &["group", "set", "editors", "--add", "alice"],
        &["group", "add", "editors", "alice"],
        &["group", "list"],
        &["folder", "set", "docs", "--access", "*=read"],
        &["folder", "list"],
        &["explain", "alice", "LIST"],
    ] {
        let (code, out, err) = run(place.path(), args);
        assert_eq!((code, out.as_str()), (3, ""), "{args:?}: {err}");
        assert!(err.contains("and nothing of a server is here."), "{args:?}: {err}");
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn a_running_server_knows_of_its_own_files_alone() {
    let daemon = Daemon::start();
    let place = daemon.place();
    let (_, out, err) = run(place, &["user", "add", "alice", "--password-stdin"]);
    assert!(out.contains("A running server knows at once.") && err.is_empty(), "{out}{err}");
    // Of another file in its place it does not.
    fs::copy(place.join("users.toml"), place.join("other.toml")).unwrap();
    let (_, out, err) = run(place, &["user", "add", "bob", "--password-stdin", "--users", "other.toml"]);
    assert!(out.contains("The server that runs here does not go by this users file."), "{out}{err}");
    // It is the same by whatever way it is reached.
    let elsewhere = TempDir::new().unwrap();
    let users = place.join("users.toml").display().to_string();
    let set = |users: &str, place: &Path, quota: &str| {
        run(place, &["user", "set", "alice", "--quota", quota, "--users", users]).1
    };
    assert!(set(&users, elsewhere.path(), "1GiB").contains("A running server knows within a second"));
    std::os::unix::fs::symlink(&users, elsewhere.path().join("linked.toml")).unwrap();
    let state = place.join("server_state").display().to_string();
    let words = ["user", "set", "alice", "--quota", "2GiB", "--users", "linked.toml", "--state", &state];
    let (code, out, _) = run(elsewhere.path(), &words);
    assert!(code == 0 && out.contains("A running server knows within a second"), "{out}");
    // And of its own keys.
    let next = |certs: &str| run(place, &["cert", "next", "--certs", certs]).1;
    assert!(next("certs").contains("A running server announces it within seconds"));
    assert_eq!(run(place, &["cert", "new", "--certs", "others"]).0, 0);
    assert!(next("others").contains("The server that runs here does not go by this folder of keys."));
    // One that has ended knows nothing.
    let place = TempDir::new().unwrap();
    Daemon::builder().within(place.path()).start().stop();
    let (_, out, _) = run(place.path(), &["user", "add", "bob", "--password-stdin"]);
    assert!(out.contains("No server is known to run with this users file"), "{out}");
}
