//! Uploads over HTTP that somebody begins and leaves alone: they take no room from others that they have no bytes for, and end with who
//! began them.

use std::fs;

use crate::common::web::{Got, curl};
use crate::common::{Daemon, PASSWORD, RawClient, World, enter, eventually, section};

const KIB: usize = 1024;

/// Alice may do everything in a folder with room for 300 KiB; bob may have more than that there.
fn users(access: &str, bob: &str) -> String {
    let [alice, root] = ["alice", "root"].map(|user| section(user, "\"full\"", user));
    let folder = format!("[folders.team]\naccess = {{ alice = \"full\"{access} }}\nquota = \"300 KiB\"\n");
    format!("{alice}{root}admin = true\n{bob}{folder}")
}

const UPLOADS: &str = ", bob = [\"upload\"]";

fn bob() -> String {
    section("bob", "\"full\"", "bob")
}

fn world() -> World {
    let world = World::of(&["alice", "bob"]);
    world.set_users(&users(UPLOADS, &bob()));
    world
}

/// A request of bob's.
fn ask(daemon: &Daemon, args: &[&str], body: &[u8], path: &str) -> Got {
    let sent = tempfile::NamedTempFile::new().unwrap();
    fs::write(sent.path(), body).unwrap();
    let (login, data) = (format!("bob:{PASSWORD}"), format!("@{}", sent.path().display()));
    let body: &[&str] = if args.contains(&"--head") { &[] } else { &["--data-binary", &data] };
    curl(daemon, &[&["--user", &*login], body, args].concat(), path)
}

/// Begins an upload of 299 KiB with so much of it, and says where it is gone on with.
fn begin(daemon: &Daemon, kib: usize) -> String {
    let length = format!("Upload-Length: {}", 299 * KIB);
    let args = ["-X", "PUT", "-H", "Content-Type:", "-H", "Upload-Complete: ?0", "-H", &length];
    let got = ask(daemon, &args, &vec![7; kib * KIB], "/~bob/team/large");
    assert_eq!(got.status, 201, "{got:?}");
    got.header("location").to_owned()
}

fn append(daemon: &Daemon, at: &str, is_last: bool, body: &[u8]) -> u16 {
    let complete = if is_last { "Upload-Complete: ?1" } else { "Upload-Complete: ?0" };
    let kind = "Content-Type: application/partial-upload";
    ask(daemon, &["-X", "PATCH", "-H", kind, "-H", complete, "-H", "Upload-Offset: 0"], body, at).status
}

fn head(daemon: &Daemon, at: &str) -> Got {
    ask(daemon, &["--head"], b"", at)
}

fn put(client: &mut RawClient, kib: usize) -> String {
    client.upload("team/f", &vec![7; kib * KIB]).1
}

#[test]
fn parked_upload_holds_no_room_for_what_did_not_come() {
    let world = world();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let at = begin(&daemon, 0);
    assert_eq!(put(&mut alice, 200), "done");
    // It goes on where there is room, and stays what it is where there is none.
    assert_eq!(append(&daemon, &at, false, b"x"), 507);
    let got = head(&daemon, &at);
    assert_eq!((got.status, got.header("upload-offset")), (204, "0"), "{got:?}");
    assert_eq!(alice.ask("DELETE team/f").1, "done");
    assert_eq!(append(&daemon, &at, true, &vec![8; 299 * KIB]), 201);
    assert_eq!(alice.ask("DELETE team/large").1, "done");
    // Room for what came is its own.
    begin(&daemon, 200);
    assert_eq!((&*put(&mut alice, 101), &*put(&mut alice, 99)), ("quota", "done"));
}

/// As the sessions of whoever is barred, within a second.
#[test]
fn parked_upload_ends_with_who_is_barred() {
    type Bar = fn(&World, &Daemon);
    let bars: [(&str, Bar); 4] = [
        ("kicked", |_, daemon| assert_eq!(enter(daemon, "root").ask("KICK bob").0 / 100, 2)),
        ("withdrawn from the folder", |world, _| world.set_users(&users("", &bob()))),
        ("disabled", |world, _| world.set_users(&users(UPLOADS, &format!("{}enabled = false\n", bob())))),
        ("removed", |world, _| world.set_users(&users("", ""))),
    ];
    for (case, bar) in bars {
        let world = world();
        let daemon = world.start();
        let mut alice = enter(&daemon, "alice");
        let at = begin(&daemon, 250);
        assert_eq!(put(&mut alice, 100), "quota", "{case}");
        bar(&world, &daemon);
        eventually(case, || put(&mut alice, 100) == "done");
        if ["kicked", "withdrawn from the folder"].contains(&case) {
            assert_eq!(head(&daemon, &at).status, 404, "{case}");
        }
    }
}
