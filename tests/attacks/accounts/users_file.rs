//! A users file that cannot be read, is being written, or is empty: the last good one stays in force, and is left as soon
//! as the file is good again.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::unistd::User;
use rustix::process::geteuid;
use sealift::limits;

use crate::common::{Daemon, PASSWORD, RawClient, World, enter, eventually, section};

/// Whether this user can log in; anything but yes and no fails the test.
fn may_log_in(daemon: &Daemon, user: &str) -> bool {
    let word = RawClient::connect(daemon).try_login(user, PASSWORD).1;
    // Revoked: the user is gone in the moment of the login.
    assert!(["welcome", "login-failed", "revoked"].contains(&&*word), "{word}");
    word == "welcome"
}

/// What STATUS says of the users file.
fn status(client: &mut RawClient) -> String {
    client.ask("STATUS").2["users"].clone()
}

fn full(user: &str) -> String {
    section(user, "\"full\"", user)
}

/// Root opens everything, so a server of root is run as somebody else.
fn as_no_root(world: &World) -> Daemon {
    if !geteuid().is_root() {
        return world.start();
    }
    let nobody = User::from_name("nobody").unwrap().unwrap();
    give(world.place(), &nobody);
    world.daemon().args(["--user", "nobody"]).start()
}

fn give(path: &Path, user: &User) {
    chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path(), user));
    }
}

#[test]
fn users_file_unreadable() {
    let world = World::of(&["alice", "bob"]);
    let file = world.place().join("users.toml");
    let daemon = as_no_root(&world);
    let mut bob = enter(&daemon, "bob");
    assert_eq!(status(&mut bob), "current");
    assert!(may_log_in(&daemon, "alice"));

    // An administrator takes alice out, as root, with a program that does not keep the owner.
    let text = full("bob");
    fs::write(world.place().join("new"), &text).unwrap();
    fs::set_permissions(world.place().join("new"), Permissions::from_mode(0o000)).unwrap();
    fs::rename(world.place().join("new"), &file).unwrap();
    eventually("the server has seen it", || status(&mut bob) == "outdated");
    assert!(may_log_in(&daemon, "alice"), "the last good file is in force");
    eventually("the log says so", || daemon.log().contains("the last good one stays in force"));

    // It is mended without another word in it: that is a change too.
    if geteuid().is_root() {
        let nobody = User::from_name("nobody").unwrap().unwrap();
        give(&file, &nobody);
    }
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    eventually("it is read", || !may_log_in(&daemon, "alice"));
    assert_eq!(status(&mut bob), "current");
    eventually("the log says so", || daemon.log().contains("the users file can be used again"));

    // Gone altogether, and back.
    fs::rename(&file, world.place().join("away")).unwrap();
    eventually("the server has seen it", || status(&mut bob) == "outdated");
    assert!(may_log_in(&daemon, "bob"));
    fs::rename(world.place().join("away"), &file).unwrap();
    eventually("it is back", || status(&mut bob) == "current");
}

/// Edited in place a hundred times, emptied and then written, as editors do it: nobody who is in the file before and after
/// is ever refused, and what the last one says comes to hold.
#[test]
fn an_administrator_sees_in_status_how_many_users_the_last_change_took() {
    let names: Vec<String> = (0..limits::USERS_MANY).map(|n| format!("user{n}")).collect();
    let admin = full("alice").replace("access =", "admin = true\naccess =");
    let all = |lost: usize| names.iter().skip(lost).map(|name| full(name)).collect::<String>() + &admin + &full("bob");
    let world = World::of(&["alice"]);
    world.set_users(&all(0));
    let daemon = world.start();
    let (mut alice, mut bob) = (enter(&daemon, "alice"), enter(&daemon, "bob"));
    assert!(!alice.ask("STATUS").2.contains_key("lost"));
    world.set_users(&all(names.len() - 1));
    eventually("the change is seen", || alice.ask("STATUS").2.contains_key("lost"));
    assert_eq!(alice.ask("STATUS").2["lost"], (names.len() - 1).to_string());
    assert!(!bob.ask("STATUS").2.contains_key("lost"), "who is gone is for administrators");
    // A later change that takes nobody is what was meant.
    world.set_users(&(all(names.len() - 1) + "\n# meant\n"));
    eventually("the next change is seen", || !alice.ask("STATUS").2.contains_key("lost"));
}

#[test]
fn users_file_half_written() {
    let world = World::of(&["alice", "bob"]);
    let path = world.place().join("users.toml");
    let daemon = world.daemon().args(["--max-startups", "1000:100:1000"]).start();
    // A writer that stands still in the middle, on a busy machine, is not what is tested.
    let (over, slow, edits) = (AtomicBool::new(false), AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for edit in 0..100 {
                let begun = Instant::now();
                let mut file = File::create(&path).unwrap();
                std::thread::sleep(Duration::from_millis(3));
                file.write_all(format!("# edit {edit}\n{}", full("alice")).as_bytes()).unwrap();
                file.flush().unwrap();
                std::thread::sleep(Duration::from_millis(2));
                file.write_all(full("bob").as_bytes()).unwrap();
                drop(file);
                slow.fetch_or(begun.elapsed() >= limits::USERS_FILE_REST / 2, Ordering::SeqCst);
                edits.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(5));
            }
            over.store(true, Ordering::Relaxed);
        });
        let mut logins = 0;
        while !over.load(Ordering::Relaxed) {
            let before = edits.load(Ordering::SeqCst);
            if !may_log_in(&daemon, if logins % 2 == 0 { "alice" } else { "bob" }) {
                let done = || edits.load(Ordering::SeqCst) > before || over.load(Ordering::Relaxed);
                eventually("the edit is done", done);
                assert!(slow.load(Ordering::SeqCst), "login {logins}");
            }
            logins += 1;
        }
    });
    fs::write(&path, full("alice")).unwrap();
    eventually("the last edit holds", || !may_log_in(&daemon, "bob"));
    assert!(may_log_in(&daemon, "alice"));
}

#[test]
fn users_file_empty() {
    let world = World::of(&["alice"]);
    let path = world.place().join("users.toml");
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    for nothing in ["", " \n\n"] {
        world.set_users(nothing);
        eventually("the server has seen it", || status(&mut alice) == "outdated");
        assert!(may_log_in(&daemon, "alice"));
        world.set_users(&full("alice"));
        eventually("it is good again", || status(&mut alice) == "current");
    }
    eventually("the log says so", || daemon.log().contains("users.toml: is empty"));
    // Nobody at all is something else than nothing.
    assert!(daemon.command(&["user", "remove", "alice"]).status().unwrap().success());
    eventually("she is removed", || !may_log_in(&daemon, "alice"));
    daemon.stop();
    fs::write(&path, "").unwrap();
    let refused = crate::common::sealiftd(world.place()).args(["--listen", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
}
