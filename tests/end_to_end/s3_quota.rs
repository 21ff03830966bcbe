//! Quotas of users and of shared folders whose files are in a bucket, by the real programs and at every door.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use crate::common::moto::{BUCKET, Moto};
use crate::common::web::{Got, curl};
use crate::common::{Daemon, PASSWORD, World, enter, eventually, section, text};

const KIB: usize = 1024;

/// Alice may have a MiB in her home, and the folder has a quota of its own.
fn world() -> World {
    let world = World::of(&["alice"]);
    let keys = world.place().join("keys");
    fs::write(&keys, "AWS_ACCESS_KEY_ID=key\nAWS_SECRET_ACCESS_KEY=secret\n").unwrap();
    fs::set_permissions(keys, Permissions::from_mode(0o600)).unwrap();
    let alice = section("alice", "\"full\"", "alice");
    let folder = "[folders.team]\naccess = { alice = \"full\" }\nquota = \"100 KiB\"\n";
    world.set_users(&format!("{alice}quota = \"1 MiB\"\nquota_files = 4\n{folder}"));
    world
}

fn start(world: &World, moto: &Moto, prefix: &str) -> Daemon {
    let store = format!("s3://{BUCKET}/{prefix}");
    world.daemon().args(["--store", &store, "--store-endpoint", &moto.endpoint, "--store-keys", "keys"]).start()
}

fn web(daemon: &Daemon, args: &[&str], path: &str) -> Got {
    curl(daemon, &[&["-u", &format!("alice:{PASSWORD}")], args].concat(), path)
}

#[test]
fn an_upload_beyond_a_quota_is_refused_at_every_door_and_what_is_used_is_shown() {
    let Some(moto) = Moto::shared() else { return };
    let world = world();
    let daemon = start(&world, moto, "quota");
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.upload("half", &vec![7; 512 * KIB]).1, "done");
    assert_eq!(alice.upload("rest", &vec![8; 256 * KIB]).1, "done");
    assert_eq!(alice.upload("more", &vec![9; 257 * KIB]).1, "quota");
    for line in ["COPY half other", "STAGE more size=262145"] {
        assert_eq!(alice.ask(line).1, "quota", "{line}");
    }
    // What takes the place of a file needs room beside it, and the file stays.
    assert_eq!(alice.upload("half", &vec![1; 300 * KIB]).1, "quota");
    assert_eq!(alice.download("half").unwrap().len(), 512 * KIB);
    assert_eq!(alice.ask("COPY rest other").1, "done");
    let sent = world.place().join("sent");
    fs::write(&sent, [1]).unwrap();
    let sent = sent.to_str().unwrap();
    assert_eq!(web(&daemon, &["-T", sent], "/~alice/f").status, 507);
    assert_eq!(web(&daemon, &["-X", "COPY", "-H", "Destination: /~alice/f"], "/~alice/rest").status, 507);
    let asked = "<propfind xmlns='DAV:'><prop><quota-available-bytes/><quota-used-bytes/></prop></propfind>";
    let told = |path: &str| web(&daemon, &["-X", "PROPFIND", "-H", "Depth: 0", "--data-binary", asked], path).text();
    let home = told("/~alice/");
    assert!(home.contains("<D:quota-used-bytes>1048576<") && home.contains("<D:quota-available-bytes>0<"), "{home}");
    let (_, _, fields) = alice.ask("STATUS");
    assert_eq!((fields["used"].as_str(), fields["quota"].as_str()), ("1048576", "1048576"));
    let mut df = Command::new(env!("CARGO_BIN_EXE_sealift"));
    df.args(["--pin", daemon.pin(), "df", &format!("alice@{}/", daemon.address())]);
    df.env("SEALIFT_CONFIG_DIR", world.place()).env("SEALIFT_PASSWORD", PASSWORD).stdin(Stdio::null());
    let shown = df.output().unwrap();
    assert_eq!(text(&shown.stdout), " used: 1.0 MiB in 3 files\nquota: 1.0 MiB\n room: 0 B\n", "{shown:?}");
    // The folder has its own, and counts in no other.
    assert_eq!(alice.upload("team/large", &vec![1; 101 * KIB]).1, "quota");
    assert_eq!(alice.upload("team/small", &vec![1; 60 * KIB]).1, "done");
    assert_eq!(web(&daemon, &["-X", "COPY", "-H", "Destination: /~alice/team/b"], "/~alice/team/small").status, 507);
    let folder = told("/~alice/team/");
    assert!(folder.contains("<D:quota-used-bytes>61440<"), "{folder}");
    // What goes makes room, at once.
    assert_eq!(alice.ask("DELETE other").1, "done");
    for name in ["a", "b"] {
        assert_eq!(alice.upload(name, b"1").1, "done");
    }
    assert_eq!(alice.upload("fifth", b"").1, "quota", "there may be four files");
    assert_eq!(alice.ask("RENAME a rest replace=yes").1, "done");
    assert_eq!(alice.upload("fifth", &vec![1; 300 * KIB]).1, "done");
}

#[test]
fn what_another_server_has_stored_counts_and_what_it_removes_does_no_more() {
    let Some(moto) = Moto::shared() else { return };
    let (one, other) = (world(), world());
    let (first, second) = (start(&one, moto, "quotas"), start(&other, moto, "quotas"));
    let (mut alice, mut again) = (enter(&first, "alice"), enter(&second, "alice"));
    assert_eq!(alice.upload("a", &vec![1; 600 * KIB]).1, "done");
    assert_eq!(again.upload("b", &vec![1; 500 * KIB]).1, "quota");
    assert_eq!(alice.upload("b", &vec![1; 400 * KIB]).1, "done");
    assert_eq!(alice.upload("c", &vec![1; 100 * KIB]).1, "quota");
    assert_eq!(again.ask("DELETE b").1, "done");
    eventually("what went at the other server is not counted any more", || {
        alice.upload("c", &vec![1; 100 * KIB]).1 == "done"
    });
    eventually("what came at the other one is", || again.ask("STATUS").2["used"] == (700 * KIB).to_string());
}
