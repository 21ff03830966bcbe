//! A file that becomes shorter while it is sent: the receiver keeps nothing of it.

use std::fs;

use super::relay::{FIRST, Held, Relay, SIZE, large, sealift};
use crate::common::{Daemon, World, assert_nothing_staged, enter, text};

#[test]
fn truncated_source() {
    let world = World::of(&["alice"]);
    let home = world.home("alice");
    let daemon = world.start();
    for left in [0, FIRST / 2, SIZE - 1] {
        by_hand(&world, &daemon, left);
        downloaded(&world, &daemon, left);
        uploaded(&world, &daemon, left);
    }
    daemon.stop();
    assert_eq!(fs::read_dir(home.join(".sealift")).unwrap().count(), 0, "left over");
}

/// What a client by hand sees: the data is aborted, and the reason follows. Then the connection goes on.
fn by_hand(world: &World, daemon: &Daemon, left: u64) {
    let file = large(&world.home("alice").join("source"));
    let mut alice = enter(daemon, "alice");
    let (digits, word, fields) = alice.ask("DOWNLOAD source");
    assert_eq!((digits, word.as_str(), fields["size"].as_str()), (150, "data", &*SIZE.to_string()));
    // Nothing is read meanwhile: the server cannot have sent it all.
    file.set_len(left).unwrap();
    assert_eq!(alice.frames(), None, "{left}");
    let (digits, word, _) = alice.reply();
    assert_eq!((digits, word.as_str()), (426, "torn"), "{left}");
    assert_eq!(alice.ask("PING").1, "pong");
}

/// The real client's download: the old file stays, and no other is there.
fn downloaded(world: &World, daemon: &Daemon, left: u64) {
    let folder = world.place().join("downloads");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("kept"), "old").unwrap();
    for (target, name) in [("downloads/kept", "kept"), ("downloads/new", "new")] {
        let file = large(&world.home("alice").join("source"));
        let relay = Relay::start(daemon, Held::ToClient);
        let client = sealift(world, daemon, &relay, &["get", "alice@127.0.0.1/source", target]);
        relay.meanwhile(|| file.set_len(left).unwrap());
        let output = client.wait_with_output().unwrap();
        assert!(!output.status.success(), "{name} {left}: {}", text(&output.stderr));
        let now = fs::read(folder.join(name)).ok();
        assert_eq!(now.as_deref(), (name == "kept").then_some(&b"old"[..]), "{name} {left}");
    }
    // A beginning may wait to be gone on with, hidden and under no name that was asked for.
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "kept" || (name.starts_with('.') && name.ends_with(".sealift-part")), "{name}");
        let _ = fs::remove_file(folder.join(name));
    }
}

/// The real client's upload: the server keeps nothing of it.
fn uploaded(world: &World, daemon: &Daemon, left: u64) {
    let home = world.home("alice");
    fs::write(home.join("kept"), "old").unwrap();
    for name in ["kept", "new"] {
        let file = large(&world.place().join("local"));
        let relay = Relay::start(daemon, Held::ToServer);
        let target = format!("alice@127.0.0.1/{name}");
        let client = sealift(world, daemon, &relay, &["put", "local", &target]);
        relay.meanwhile(|| file.set_len(left).unwrap());
        let output = client.wait_with_output().unwrap();
        assert!(!output.status.success(), "{name} {left}: {}", text(&output.stderr));
        let now = fs::read(home.join(name)).ok();
        assert_eq!(now.as_deref(), (name == "kept").then_some(&b"old"[..]), "{name} {left}");
        assert_nothing_staged(&home, name);
    }
}
