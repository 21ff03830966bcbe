//! What went wrong on this machine is told as that, and what went wrong on the server as that.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;

use crate::common::not_run::not_run;
use crate::common::program::{Done, PASSWORD, World, finish};
use crate::common::put_program;

/// Hints that only fit what is on the server.
const OF_SERVER: [&str; 3] = ["sealift ls", "server's administrator", "server's log"];

#[track_caller]
fn is_local(done: Done, code: i32, text: &str) {
    let done = done.code(code).said(text).said("hint:");
    assert!(OF_SERVER.iter().all(|hint| !done.stderr.contains(hint)), "{}", done.stderr);
}

#[test]
fn a_missing_local_name_is_not_looked_for_on_the_server() {
    let world = World::trusting();
    fs::write(world.remote("alice", "f"), "f").unwrap();
    is_local(world.run(["get", &world.alice("f"), "missing/f"]), 3, "missing: no such folder");
    is_local(world.run(["put", "missing", &world.alice("")]), 3, "missing: no such file");
    is_local(world.run(["mirror", "./missing", &world.alice("m")]), 3, "missing: no such folder");
    is_local(world.run(["--password-file", "nowhere", "ls", &world.alice("")]), 3, "nowhere: no such file");
    is_local(world.run(["--port-file", "nowhere", "ls", "alice@127.0.0.1/"]), 3, "nowhere: no such file");
    is_local(world.run(["--ca-file", "nowhere", "ls", &world.alice("")]), 3, "nowhere: no such file");
    is_local(world.run_with(["shell", &world.alice("")], b"lcd nowhere\n"), 3, "nowhere: no such file");
    // And what is missing there is.
    world.run(["get", &world.alice("missing")]).code(3).said("`sealift ls` shows what is there");
}

/// The client as somebody who may not read everything, as root may.
fn as_nobody(world: &World, args: &[&str]) -> Command {
    let program = world.local("sealift");
    if !program.exists() {
        // The folders above the one that was built in may be closed to others.
        put_program(Path::new(env!("CARGO_BIN_EXE_sealift")), &program);
        for folder in [world.work.path(), world.config.path()] {
            fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        let known = world.config.path().join("known_servers");
        if known.exists() {
            fs::set_permissions(known, Permissions::from_mode(0o644)).unwrap();
        }
    }
    let mut command = match geteuid().is_root() {
        true => Command::new("setpriv"),
        false => Command::new("env"),
    };
    if geteuid().is_root() {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    command.arg("setsid").arg("--wait").arg(program).args(args).current_dir(world.work.path()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("SEALIFT_CONFIG_DIR", world.config.path());
    command.env("SEALIFT_PASSWORD", PASSWORD);
    command
}

#[test]
fn what_this_machine_does_not_let_one_read_or_write_is_not_the_administrators_matter() {
    let world = World::trusting();
    fs::write(world.remote("alice", "f"), "f").unwrap();
    fs::write(world.local("secret"), "secret").unwrap();
    fs::set_permissions(world.local("secret"), Permissions::from_mode(0o000)).unwrap();
    fs::create_dir_all(world.local("tree/closed")).unwrap();
    fs::write(world.local("tree/open"), "open").unwrap();
    fs::set_permissions(world.local("tree/closed"), Permissions::from_mode(0o000)).unwrap();
    let run = |args: &[&str]| finish(as_nobody(&world, args), b"");
    is_local(run(&["put", "secret", &world.alice("")]), 5, "secret: permission denied");
    is_local(run(&["--password-file", "secret", "ls", &world.alice("")]), 5, "secret: permission denied");
    is_local(run(&["put", "-r", "tree", &world.alice("")]), 10, "closed: permission denied");
    let json = run(&["--json", "put", "secret", &world.alice("")]).code(5);
    let error: serde_json::Value = serde_json::from_str(json.stderr.lines().next().unwrap()).unwrap();
    assert_eq!((&error["error"], &error["side"]), (&"denied".into(), &"local".into()), "{}", json.stderr);
    assert!(error["path"].as_str().unwrap().ends_with("secret"), "{}", json.stderr);
    if geteuid().is_root() {
        // A folder for the configuration that cannot be written.
        let new = World::new();
        let done = finish(as_nobody(&new, &["--trust", "accept-new", "ls", &new.public("")]), b"");
        is_local(done, 5, "permission denied");
        is_local(run(&["get", &world.alice("f")]), 5, "permission denied");
    } else {
        not_run("only root can be somebody else here, to whom these folders are closed");
    }
    let json = world.run(["--json", "put", "tree/../sealift", &world.public("x")]).code(5);
    assert!(json.stderr.contains(r#""side":"server""#), "{}", json.stderr);
}

#[test]
fn a_name_that_has_no_address_is_told_in_words() {
    let world = World::trusting();
    let done =
        world.run(["ls", "no-such-host.invalid/"]).code(6).said("cannot find the address of no-such-host.invalid");
    assert!(!done.stderr.contains('"') && !done.stderr.contains("(("), "{}", done.stderr);
}

#[test]
fn an_ipv6_address_may_name_its_interface() {
    let world = World::with(|server| server.env("SEALIFT_LISTEN", "[::1]:0"));
    let port = world.server.port();
    fs::write(world.remote("public", "f"), "f").unwrap();
    for address in [format!("[::1%lo]:{port}"), format!("sealift://[::1%25lo]:{port}")] {
        let pinned = world.run(["--pin", world.server.pin(), "cat", &format!("{address}/f")]).code(0);
        assert_eq!(pinned.stdout(), "f");
    }
    // Both ways of writing it are one server.
    world.run(["--trust", "accept-new", "ls", &format!("sealift://[::1%25lo]:{port}/")]).code(0);
    world.run(["--trust", "strict", "ls", &format!("[::1%lo]:{port}/")]).code(0);
    world.run(["ls", &format!("[::1%nothing0]:{port}/")]).code(6).said("no network interface called nothing0");
}

#[test]
fn a_move_to_another_file_system_is_told_as_that() {
    let mount = "mkdir -p server_data/alice/other && mount -t tmpfs none server_data/alice/other";
    let place = tempfile::tempdir().unwrap();
    let unshare = ["-m", "-rm"].into_iter().find(|flags| {
        let tried = Command::new("unshare").args([flags, "sh", "-c", mount]).current_dir(place.path()).output();
        tried.is_ok_and(|output| output.status.success())
    });
    let Some(unshare) = unshare else {
        return println!("skipped: neither root nor a user namespace may mount a tmpfs");
    };
    let script = format!("{mount} && exec \"$0\" \"$@\"");
    let world = World::with(|server| server.through(["unshare", unshare, "sh", "-c", &script])).trusted();
    fs::write(world.remote("alice", "f"), "f").unwrap();
    let moved = world.run(["mv", &world.alice("f"), &world.alice("other/f")]).code(1);
    let moved = moved.said("other/f is on another file system").said("put it under its new name");
    assert!(!moved.stderr.contains("permission"), "{}", moved.stderr);
    assert_eq!(fs::read(world.remote("alice", "f")).unwrap(), b"f");
}

#[test]
fn a_quota_is_told_as_it_was_written() {
    let world = World::trusting();
    world.server.add_user_with("carol", PASSWORD, &["--access", "full", "--quota", "5MiB"]);
    fs::write(world.local("f"), vec![0; 6 << 20]).unwrap();
    let carol = format!("carol@{}/", world.server.address());
    world.run(["put", "f", &carol]).code(9).said("quota of 5 MiB").said("larger quota");
}
