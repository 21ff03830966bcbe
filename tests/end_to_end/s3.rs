//! `sealiftd --store`: homes in a bucket, by the real programs, in the sandbox.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::common::bad_engine::{Act, BadEngine};
use crate::common::moto::{BUCKET, Moto};
use crate::common::web::curl;
use crate::common::{Daemon, PASSWORD, World, enter, frames_of, sealiftd, snapshot, text, upload_bytes};

const KEYS: &str = "AWS_ACCESS_KEY_ID=key\nAWS_SECRET_ACCESS_KEY=canary-2c9e\n";

/// A world with a file of keys.
fn world() -> World {
    let world = World::of(&["alice"]);
    let keys = world.place().join("keys");
    fs::write(&keys, KEYS).unwrap();
    fs::set_permissions(keys, Permissions::from_mode(0o600)).unwrap();
    world
}

fn options(moto: &Moto, prefix: &str) -> Vec<String> {
    let store = format!("s3://{BUCKET}/{prefix}");
    ["--store", &store, "--store-endpoint", &moto.endpoint, "--store-keys", "keys"].map(str::to_owned).to_vec()
}

#[test]
fn two_servers_serve_one_bucket_and_nothing_is_on_their_disks() {
    let Some(moto) = Moto::shared() else { return };
    let (one, other) = (world(), world());
    let start = |world: &World| world.daemon().args(options(moto, "two").iter().map(String::as_str)).start();
    let (first, second) = (start(&one), start(&other));
    let (mut alice, mut again) = (enter(&first, "alice"), enter(&second, "alice"));
    assert_eq!(alice.ask("MKDIR docs").1, "done");
    // Small, and in parts.
    let large = vec![7; 17 << 20];
    for (name, bytes) in [("docs/small", &b"small"[..]), ("docs/large", &large)] {
        alice.send(upload_bytes(name, bytes));
        assert_eq!(alice.reply().1, "done", "{name}");
        let (_, word, fields) = again.ask(format!("HASH {name}"));
        assert_eq!(
            (word.as_str(), fields.get("hash").unwrap()),
            ("hash", &sealift::files::Hash::of(bytes).to_string())
        );
    }
    assert_eq!(again.ask("RENAME docs/small docs/renamed").1, "done");
    assert_eq!(alice.ask("STAT docs/small").1, "not-found");
    assert_eq!(alice.ask("STAT docs/renamed").1, "stat");
    // The door for browsers has the same files.
    let read = curl(&second, &["-u", &format!("alice:{PASSWORD}")], "/~alice/docs/renamed");
    assert_eq!(text(&read.body), "small");
    for world in [&one, &other] {
        let on_disk = snapshot(world.place());
        for name in ["docs", "large", "renamed"] {
            assert!(!format!("{on_disk:?}").contains(name), "{name}: {on_disk:?}");
        }
    }
    let log = first.stop().log;
    assert!(log.contains("the storage does not heed some conditions"), "{log}");
    assert!(!log.contains("canary"), "{log}");
    // A server that was stopped has lost nothing.
    drop(second);
    let third = start(&one);
    assert_eq!(enter(&third, "alice").ask("STAT docs/large").1, "stat");
}

#[test]
fn a_killed_server_loses_nothing_that_it_acknowledged_and_leaves_nothing_half() {
    let Some(moto) = Moto::shared() else { return };
    let (one, other) = (world(), world());
    let start = |world: &World| world.daemon().args(options(moto, "killed").iter().map(String::as_str)).start();
    let survivor = start(&other);
    let large = vec![9; 40 << 20];
    for round in 0..2 {
        let first = start(&one);
        let mut alice = enter(&first, "alice");
        let names: Vec<String> = (0..10).map(|n| format!("f{round}-{n}")).collect();
        for name in &names {
            alice.send(upload_bytes(name, name.as_bytes()));
            assert_eq!(alice.reply().1, "done", "{name}");
        }
        // Some of it comes, and it never ends.
        alice.send(upload_bytes("large", b"the one of before"));
        assert_eq!(alice.reply().1, "done");
        alice.line("UPLOAD large");
        alice.send(frames_of(&large[..33 << 20]));
        let mut again = enter(&survivor, "alice");
        first.kill();
        for name in names.iter().map(String::as_str).chain(["large"]) {
            let expected = if name == "large" { b"the one of before".to_vec() } else { name.as_bytes().to_vec() };
            let (_, word, fields) = again.ask(format!("HASH {name}"));
            let hash = sealift::files::Hash::of(&expected).to_string();
            assert_eq!((word.as_str(), fields.get("hash")), ("hash", Some(&hash)), "{name}");
        }
        again.send(upload_bytes("large", &large));
        assert_eq!(again.reply().1, "done");
        assert_eq!(again.ask("DELETE large").1, "done");
    }
}

#[test]
fn check_says_what_the_storage_does_and_what_users_have_that_it_does_not_keep() {
    let Some(moto) = Moto::shared() else { return };
    let world = world();
    let check = |endpoint: &str| {
        let mut check = sealiftd(world.place());
        check.args(["check", "--store", &format!("s3://{BUCKET}/check"), "--store-keys", "keys"]);
        let output = check.args(["--store-endpoint", endpoint]).output().unwrap();
        text(&output.stdout) + &text(&output.stderr)
    };
    let said = check(&moto.endpoint);
    assert!(said.contains("does not heed: large upload if unchanged"), "{said}");
    let said = check("http://127.0.0.1:9");
    assert!(said.contains("error: the storage: "), "{said}");
    fs::set_permissions(world.place().join("keys"), Permissions::from_mode(0o644)).unwrap();
    let said = check(&moto.endpoint);
    assert!(said.contains("others can read these keys") && !said.contains("canary"), "{said}");
}

#[test]
fn what_a_bucket_does_not_keep_is_refused_at_the_start() {
    let world = world();
    let users = fs::read_to_string(world.place().join("users.toml")).unwrap();
    let start = || {
        let store = ["--store", "s3://bucket", "--store-endpoint", "http://127.0.0.1:9", "--store-keys", "keys"];
        let output = sealiftd(world.place()).args(store).args(["--listen", "127.0.0.1:0"]).output().unwrap();
        (output.status.code().unwrap(), text(&output.stderr))
    };
    for (key, what) in [("quota = \"1GiB\"", "a quota"), ("trash = \"30d\"", "a trash")] {
        world.set_users(&format!("{users}{key}\n"));
        let (code, said) = start();
        assert!(code == 2 && said.contains("alice has") && said.contains(what), "{said}");
    }
    world.set_users(&users);
    let (code, said) = start();
    assert!(code != 0 && said.contains("127.0.0.1:9"), "{said}");
}

/// What a door says of alice's folder: the status of a PROPFIND, of `?json`, and the word of LIST.
fn told(daemon: &Daemon, path: &str) -> (u16, u16, String) {
    let user = format!("alice:{PASSWORD}");
    let at = format!("/~alice/{path}");
    let found = curl(daemon, &["-u", &user, "-X", "PROPFIND", "--header", "Depth: 1"], &at);
    let json = curl(daemon, &["-u", &user], &format!("{at}?json"));
    let listed = match enter(daemon, "alice").data(format!("LIST {path}").trim_end()) {
        Ok((_, done)) => done.1,
        Err(refused) => refused.1,
    };
    (found.status, json.status, listed)
}

#[test]
fn a_folder_that_cannot_be_read_is_an_error_at_every_door_and_no_empty_one() {
    let (world, engine) = (world(), BadEngine::start());
    let store =
        ["--store", "s3://bucket", "--store-endpoint", &engine.endpoint, "--store-keys", "keys", "--store-alone"];
    let daemon = world.daemon().args(store).start();
    engine.put("h/alice/one", b"1");
    engine.put("h/alice/two", b"2");
    assert_eq!(told(&daemon, ""), (207, 200, "done".to_owned()));
    // The listing is refused.
    let refused = || Act::Say(403, "", "<Error><Code>AccessDenied</Code></Error>".to_owned());
    engine.does(move |asked| if asked.key.is_empty() { refused() } else { Act::Do });
    assert_eq!(told(&daemon, ""), (500, 500, "io-error".to_owned()));
    // A file in it cannot be looked at: whoever can be told of it is told of it, and nobody that it is not there.
    engine.does(move |asked| match asked.method == "HEAD" && asked.key == "h/alice/two" {
        true => refused(),
        false => Act::Do,
    });
    let (found, _, listed) = told(&daemon, "");
    assert_eq!((found, listed.as_str()), (500, "done"));
}
