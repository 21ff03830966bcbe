//! Attacks by what a server that ends leaves to the next one: nobody is logged in by it who would not be without a restart.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::PathBuf;

use crate::common::web::curl;
use crate::common::{Daemon, PASSWORD, World, end_of, eventually, sealiftd, section, text};

/// The header of a cookie of alice's.
fn log_in(daemon: &Daemon) -> String {
    let form = ["-H", "Sec-Fetch-Site: same-origin", "-d", "user=alice", "-d", &format!("password={PASSWORD}")];
    let got = curl(daemon, &form, "/.sealift-web/login");
    format!("Cookie: {}", got.header("set-cookie").split("; ").next().unwrap())
}

fn status(daemon: &Daemon, cookie: &str) -> u16 {
    curl(daemon, &["-H", cookie], "/~alice/").status
}

fn left(world: &World) -> PathBuf {
    world.place().join("server_state").join("left.json")
}

#[test]
fn left_cookie_of_another_user() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let cookie = log_in(&daemon);
    assert_eq!(status(&daemon, &cookie), 200);
    daemon.stop();
    let file = fs::metadata(left(&world)).unwrap();
    assert_eq!(file.mode() & 0o7777, 0o600);
    // Removed and made again, with the very same password.
    let users = fs::read_to_string(world.place().join("users.toml")).unwrap();
    world.set_users("[anonymous]\nenabled = true\n");
    let daemon = world.start();
    daemon.add_user("alice", PASSWORD, "full");
    assert_eq!(status(&daemon, &cookie), 401);
    daemon.stop();
    // And the first one back: what was left has been read, and is nobody's any more.
    world.set_users(&users);
    let daemon = world.start();
    assert_eq!(status(&daemon, &cookie), 401);
    let cookie = log_in(&daemon);
    daemon.stop();
    for change in ["enabled = false", "expires = 2001-01-31", "from = [\"192.0.2.0/24\"]"] {
        let kept = fs::read(left(&world)).unwrap();
        world.set_users(&(section("alice", "\"full\"", "alice") + change + "\n"));
        let daemon = world.start();
        assert_eq!(status(&daemon, &cookie), 401, "{change}");
        daemon.stop();
        fs::write(left(&world), kept).unwrap();
    }
    world.set_users(&users);
    assert_eq!(status(&world.start(), &cookie), 200, "it was that alone");
}

#[test]
fn left_cookie_that_was_logged_out() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let cookie = log_in(&daemon);
    daemon.stop();
    let daemon = world.start();
    let ours = ["-X", "POST", "-H", "Sec-Fetch-Site: same-origin", "-H", &cookie];
    assert_eq!(curl(&daemon, &ours, "/.sealift-web/logout").status / 100, 3);
    assert_eq!(status(&daemon, &cookie), 401);
    // However the server ends that saw it.
    assert!(!left(&world).exists());
    daemon.kill();
    assert_eq!(status(&world.start(), &cookie), 401);
}

#[test]
fn left_lock_of_another_user() {
    let world = World::of(&["alice", "bob"]);
    let daemon = world.start();
    let login = |user: &str| format!("{user}:{PASSWORD}");
    let lock = |daemon: &Daemon, name: &str| {
        let xml = "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>";
        let args = ["-X", "LOCK", "--user", &login("alice"), "--data-binary", xml];
        let got = curl(daemon, &args, &format!("/~alice/{name}"));
        assert_eq!(got.status, 201, "{got:?}");
        format!("If: ({})", got.header("lock-token"))
    };
    let put = |daemon: &Daemon, headers: &[&str], name: &str| {
        let login = login("alice");
        let args = [&["-X", "PUT", "--user", &login, "--data-binary", "x"], headers].concat();
        curl(daemon, &args, &format!("/~alice/{name}")).status
    };
    let token = lock(&daemon, "f");
    // Removed and made again while the server is not there: she has no lock, and a token of before is none of hers.
    daemon.stop();
    let users = fs::read_to_string(world.place().join("users.toml")).unwrap();
    world.set_users("[anonymous]\nenabled = true\n");
    sealiftd_adds_alice(&world);
    let daemon = world.start();
    assert_eq!(put(&daemon, &["-H", &token], "f"), 412);
    assert_eq!(put(&daemon, &[], "f"), 204);
    // Removed while it runs: what she had locked is free.
    let _token = lock(&daemon, "g");
    assert_eq!(put(&daemon, &[], "g"), 423);
    world.set_users("[anonymous]\nenabled = true\n");
    eventually("alice is gone", || put(&daemon, &[], "g") == 401);
    world.set_users(&users);
    eventually("alice is back, and her lock is not", || put(&daemon, &[], "g") == 204);
}

/// An entry for alice with a hash of its own.
fn sealiftd_adds_alice(world: &World) {
    let mut command = sealiftd(world.place());
    command.args(["user", "add", "alice", "--home", "alice", "--access", "full", "--password-stdin"]);
    let output = end_of(command, PASSWORD);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn left_file_tampered() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let cookie = log_in(&daemon);
    daemon.stop();
    let whole = fs::read_to_string(left(&world)).unwrap();
    let value = cookie.split('=').nth(1).unwrap();
    assert!(!whole.contains(value), "what opens something is not written down");
    // Who reads the file has nothing that logs in.
    let hash = whole.split("\"cookie\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let daemon = world.start();
    assert_eq!(status(&daemon, &format!("Cookie: __Host-sealift={hash}")), 401);
    daemon.stop();
    let elsewhere = world.place().join("elsewhere");
    let odd = [
        String::new(),
        whole[..whole.len() / 2].to_owned(),
        whole.replace("\"version\":1", "\"version\":2"),
        "[".repeat(100_000),
        "x".repeat(33 * 1024 * 1024),
    ];
    for text in &odd {
        fs::write(left(&world), text).unwrap();
        let daemon = world.start();
        assert_eq!(status(&daemon, &cookie), 401);
        daemon.log_with(&["what the last server left is of no use"]);
        assert!(!left(&world).exists());
        daemon.kill();
    }
    // Whatever stands in a field: the entry alone is nothing.
    for (from, to) in [("\"alice\"", "\"bob\""), ("\"login\":\"", "\"login\":\"x"), ("\"since\":1", "\"since\":0")] {
        fs::write(left(&world), whole.replace(from, to)).unwrap();
        let daemon = world.start();
        assert_eq!(status(&daemon, &cookie), 401, "{from}");
        daemon.kill();
    }
    // A link is removed, and what it leads to stays.
    fs::write(&elsewhere, "[]").unwrap();
    symlink(&elsewhere, left(&world)).unwrap();
    let daemon = world.start();
    assert_eq!(status(&daemon, &cookie), 401);
    assert!(!left(&world).is_symlink());
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "[]");
    daemon.kill();
    fs::write(left(&world), whole).unwrap();
    assert_eq!(status(&world.start(), &cookie), 200, "as it was");
}
