//! Where a server has run, nothing of it is made anew that is missing: it would let readers in who were shut out, or write below the place
//! of a disk.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;

use crate::common::{World, sealiftd, text};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFrRUCCAwXuYmm4Bcb6LtpgXGwfWp5NHiMGgHyTYBvT+ bob@laptop";

/// What a start that must be refused says.
fn refused(world: &World) -> String {
    let done = sealiftd(world.place()).args(["--listen", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(done.status.code(), Some(3), "{done:?}");
    text(&done.stderr)
}

fn checked(world: &World) -> (Option<i32>, String) {
    let done = sealiftd(world.place()).arg("check").output().unwrap();
    (done.status.code(), text(&[done.stdout, done.stderr].concat()))
}

#[test]
fn a_users_file_that_is_gone_or_named_wrongly_is_not_made_anew() {
    let world = World::of(&["alice"]);
    world.start().stop();
    let (users, aside) = (world.place().join("users.toml"), world.place().join("aside.toml"));
    fs::rename(&users, &aside).unwrap();
    let said = refused(&world);
    assert!(
        said.contains("users.toml is not there, though a server has run here") && said.contains("hint: "),
        "{said}"
    );
    let (code, said) = checked(&world);
    assert!(code == Some(1) && said.contains("error: users.toml is not there, though"), "{said}");
    // Nor by a command that would be the first of a new server.
    let place = world.place();
    let commands: [&[&str]; 5] = [
        &["user", "add", "bob", "--key", KEY],
        &["user", "set", "anonymous", "--access", "read"],
        &["group", "add", "editors"],
        &["folder", "add", "inbox", "--access", "*=upload"],
        &["invite", "bob", "--host", "127.0.0.1:4456"],
    ];
    for command in commands {
        let done = sealiftd(place).args(command).output().unwrap();
        let said = text(&done.stderr);
        assert!(done.status.code() == Some(3) && said.contains("though a server has run here"), "{command:?}: {said}");
    }
    assert!(!users.exists());
    // What the hint says makes one that lets nobody in.
    let made = sealiftd(world.place()).args(["user", "set", "anonymous", "--enabled", "no"]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let daemon = world.start();
    assert!(fs::read_to_string(&users).unwrap().contains("enabled = false"));
    daemon.stop();
    fs::rename(&aside, &users).unwrap();
    world.start().stop();
}

#[test]
fn a_data_folder_that_is_gone_is_not_made_anew_and_an_empty_one_is_said() {
    let world = World::of(&["alice"]);
    world.start().stop();
    let data = world.place().join("server_data");
    fs::remove_dir_all(&data).unwrap();
    let said = refused(&world);
    assert!(
        said.contains("server_data is not there, though a server has run here") && said.contains("mkdir"),
        "{said}"
    );
    let (code, said) = checked(&world);
    assert!(code == Some(1) && said.contains("error: server_data is not there, though"), "{said}");
    assert!(!data.exists());
    fs::create_dir(&data).unwrap();
    assert!(
        checked(&world).1.contains("warning: server_data is empty, though a server has run here"),
        "{:?}",
        checked(&world)
    );
    let daemon = world.start();
    daemon.log_with(&["the data folder is empty, though a server has run here"]);
    daemon.stop();
    // It is no longer empty.
    assert!(!checked(&world).1.contains("though a server has run here"));
}
