//! `sealiftd reload --binary` where the next server could not read what the one that serves has read.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::thread;

use crate::common::{World, eventually, text};
use crate::supervised::{begin_download, end_download, reload, replace, server_of, supervised};

#[test]
fn a_server_that_could_not_read_what_there_is_takes_no_place_and_what_is_under_way_ends_whole() {
    let world = World::of(&["alice"]);
    let daemon = supervised(world.daemon());
    let first = server_of(&daemon);
    let alice = begin_download(&daemon);
    let refused = |why: &str| {
        let output = reload(&daemon, &["--binary"]);
        let said = text(&output.stderr);
        let is_told = said.contains(why) && said.contains("the server that is there goes on");
        assert!(output.status.code() == Some(1) && is_told, "{why}: {said}");
    };
    let aside = world.place().join("aside");
    for path in ["users.toml", "server_state/users", "server_state/links", "certs/key.pem"] {
        let at = world.place().join(path);
        fs::rename(&at, &aside).unwrap();
        // Of another kind: no account, not even root, reads it.
        match aside.is_dir() {
            true => fs::write(&at, "").unwrap(),
            false => fs::create_dir(&at).unwrap(),
        }
        refused(path);
        match aside.is_dir() {
            true => fs::remove_file(&at).unwrap(),
            false => fs::remove_dir(&at).unwrap(),
        }
        fs::rename(&aside, &at).unwrap();
    }
    let state = world.place().join("server_state");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o777)).unwrap();
    refused("server_state can be changed by other users of this machine");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(server_of(&daemon), first);
    thread::scope(|scope| {
        let replacing = scope.spawn(|| replace(&daemon));
        eventually("the server drains", || daemon.log().contains("no longer listening"));
        end_download(alice);
        assert_ne!(replacing.join().unwrap(), first);
    });
}
