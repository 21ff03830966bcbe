//! A state folder that does not answer any more, as over a network that is gone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::thread;

use rustix::process::Signal;

use super::occupancy::Bindfs;
use crate::common::{RawClient, World, enter, eventually, text};

/// What the state folder of this server is seen through.
fn mounted(world: &World) -> Option<Bindfs> {
    let (real, state) = (world.place().join("real"), world.place().join("server_state"));
    fs::create_dir(&real).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o700)).unwrap();
    Bindfs::over(&real, &state, &[])
}

#[test]
fn hanging_state() {
    let world = World::of(&["alice"]);
    let Some(mount) = mounted(&world) else { return };
    let mut daemon = world.daemon().args(["--supervise", "--grace", "1s"]).start();
    mount.signal(Signal::STOP);
    daemon.log_with(&["the folder of the server's own state does not answer"]);
    // Whoever wants something of the supervisor is heard all the same.
    daemon.signal(Signal::TERM);
    daemon.log_with(&["stopping; once more ends at once"]);
    mount.signal(Signal::CONT);
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

#[test]
fn hanging_state_keeps_nobody_waiting_for_ever() {
    let world = World::of(&["alice"]);
    let Some(mount) = mounted(&world) else { return };
    let mut daemon = world.daemon().args(["--supervise", "--grace", "1s"]).start();
    let mut alice = enter(&daemon, "alice");
    mount.signal(Signal::STOP);
    thread::scope(|scope| {
        let commands = [&["reload"][..], &["reload", "--binary"], &["check"], &["user", "list"], &["invite", "alice"]];
        for args in commands {
            let daemon = &daemon;
            scope.spawn(move || {
                let output = daemon.command(args).output().unwrap();
                let said = text(&output.stderr);
                let names_it = said.contains("server_state: its disk or mount has not answered");
                assert!(!output.status.success() && names_it, "{args:?}: {output:?}");
            });
        }
        // Files are elsewhere.
        assert_eq!(alice.upload("f", b"x").0, 226);
        assert_eq!(enter(&daemon, "alice").download("f").unwrap(), b"x");
        RawClient::connect(&daemon).login("anonymous", "");
    });
    drop(alice);
    daemon.signal(Signal::TERM);
    // What it waits for does not come. Over FUSE the kernel waits on, too, for what the process has open there.
    eventually("it ends by force", || daemon.log().contains("does not answer: ending at once"));
    mount.signal(Signal::CONT);
    let ended = daemon.wait();
    assert_eq!(ended.code, Some(1), "{}", ended.log);
}
