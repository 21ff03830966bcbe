//! Copies and removals that are broken off in their middle, or held up by what else their connection does.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs::{self, File};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealift::limits;

use crate::common::place::names;
use crate::common::web::{Frame, RawWeb, frame, head_of};
use crate::common::{Daemon, PASSWORD, World, assert_nothing_staged, enter, eventually, section, snapshot, staged};

fn login() -> String {
    format!("Basic {}", STANDARD.encode(format!("alice:{PASSWORD}")))
}

/// A folder whose copy takes long enough to be broken off in its middle, though it takes no room: one of its files has a hole.
fn make_tree(home: &Path) {
    fs::create_dir_all(home.join("tree/sub")).unwrap();
    fs::write(home.join("tree/sub/small"), "text").unwrap();
    File::create(home.join("tree/sub/large")).unwrap().set_len(2 << 30).unwrap();
}

/// What stands beside its place.
fn aside(home: &Path) -> Vec<String> {
    names(home).into_iter().filter(|name| name.ends_with(".sealift-copy")).collect()
}

/// Begins to copy the tree there, and waits until that is under way.
fn copying(daemon: &Daemon, home: &Path, to: &str) -> RawWeb {
    let mut web = RawWeb::connect(daemon, &["http/1.1"]);
    let (login, port) = (login(), daemon.port());
    web.send(format!(
        "COPY /~alice/tree HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {login}\r\n\
         Destination: https://127.0.0.1:{port}/~alice/{to}\r\n\r\n"
    ));
    eventually("the copy is built up beside its place", || aside(home).len() == 1);
    web
}

/// What there is besides the tree and what is the server's own.
fn others(home: &Path) -> Vec<String> {
    names(home).into_iter().filter(|name| !["tree", limits::RESERVED_NAME].contains(&&**name)).collect()
}

#[test]
fn what_a_killed_server_had_copied_of_a_folder_is_removed_by_the_next_start() {
    let world = World::of(&["alice"]);
    let home = world.home("alice");
    make_tree(&home);
    fs::create_dir_all(home.join("old/there")).unwrap();
    let old = snapshot(&home.join("old"));
    for to in ["new", "old"] {
        let daemon = world.start();
        let _web = copying(&daemon, &home, to);
        daemon.kill();
        assert_eq!(aside(&home).len(), 1, "it was killed in the middle");
        let daemon = world.start();
        eventually("what it had copied is removed", || aside(&home).is_empty());
        assert_eq!(others(&home), ["old"]);
        assert_eq!(snapshot(&home.join("old")), old);
        assert_eq!(names(&home.join("tree/sub")), ["large", "small"]);
        eventually("nothing is left", || staged(&home).iter().all(|path| !path.to_string_lossy().contains("beside.")));
        daemon.stop();
    }
}

#[test]
fn what_was_copied_of_a_folder_goes_whatever_becomes_of_its_user() {
    let world = World::of(&["alice"]);
    let home = world.home("alice");
    make_tree(&home);
    let users =
        |rights: &str| section("alice", rights, "alice") + &section("root", "\"full\"", "root") + "admin = true\n";
    for is_kicked in [false, true] {
        world.set_users(&users("\"full\""));
        let daemon = world.start();
        let mut web = copying(&daemon, &home, "new");
        match is_kicked {
            true => assert_eq!(enter(&daemon, "root").ask("KICK alice").0 / 100, 2),
            false => {
                world.set_users(&users("[\"list\", \"download\"]"));
                assert_eq!(web.answer().unwrap().status, 403);
            }
        }
        eventually("what was copied is gone", || aside(&home).is_empty());
        assert!(others(&home).is_empty(), "{:?}", others(&home));
        drop(web);
        daemon.stop();
        assert_nothing_staged(&home, "it is broken off");
    }
}

#[test]
fn a_copy_that_somebody_takes_away_before_it_is_whole_is_told_as_that_and_is_theirs() {
    let world = World::of(&["alice"]);
    let home = world.home("alice");
    make_tree(&home);
    fs::create_dir_all(home.join("old/there")).unwrap();
    let old = snapshot(&home.join("old"));
    let daemon = world.start();
    let mut other = enter(&daemon, "alice");
    for (number, to) in ["new", "old"].into_iter().enumerate() {
        let mut web = copying(&daemon, &home, to);
        let taken = format!("taken{number}");
        let beside = aside(&home).remove(0);
        let renamed = other.ask(format!("RENAME {beside} {taken}"));
        assert_eq!(renamed.0, 250, "{renamed:?}");
        let answer = web.answer().unwrap();
        assert_eq!(answer.status, 412, "{answer:?}");
        assert!(home.join(taken).is_dir() && aside(&home).is_empty());
    }
    assert_eq!(others(&home), ["old", "taken0", "taken1"]);
    assert_eq!(snapshot(&home.join("old")), old);
    daemon.stop();
    assert_nothing_staged(&home, "it was taken");
}

/// A connection of HTTP/2 on which as much is open as one may have: two downloads that their client does not read.
fn with_two_stalled_downloads(daemon: &Daemon) -> RawWeb {
    let mut web = RawWeb::two_from([127, 0, 0, 1], daemon);
    for stream in [1, 3] {
        ask(&mut web, stream, "GET", "/~alice/large");
    }
    // The window of the connection is used up by what has come of them.
    let (mut begun, mut came) = (0, 0);
    while begun < limits::WEB_OPEN_FILES || came < 65_535 {
        let Frame { kind, flags, payload, .. } = web.frame().expect("downloads begin");
        match kind {
            Frame::HEADERS => begun += 1,
            Frame::DATA => came += payload.len(),
            Frame::SETTINGS if flags & Frame::ACK == 0 => web.send(frame(Frame::SETTINGS, Frame::ACK, 0, &[])),
            _ => {}
        }
    }
    web
}

fn ask(web: &mut RawWeb, stream: u32, method: &str, path: &str) {
    let mut head = head_of(path, 0);
    if method != "GET" {
        let (_get, rest) = head.split_at(1);
        // Literal, by the name that the table has for it.
        head = [&[2, u8::try_from(method.len()).unwrap()], method.as_bytes(), rest].concat();
    }
    let login = login();
    head.extend(*b"\x00\x0dauthorization");
    head.push(u8::try_from(login.len()).unwrap());
    head.extend(login.as_bytes());
    web.send(frame(Frame::HEADERS, Frame::END_STREAM | Frame::END_HEADERS, stream, &head));
}

/// Of which request the next answer begins.
fn next_answered(web: &mut RawWeb) -> u32 {
    loop {
        let Frame { kind, stream, .. } = web.frame().expect("the connection goes on");
        if kind == Frame::HEADERS {
            return stream;
        }
    }
}

#[test]
fn files_and_trees_are_removed_beside_downloads_that_stand_still() {
    let world = World::of(&["alice"]);
    let home = world.home("alice");
    fs::create_dir_all(home.join("tree")).unwrap();
    (0..3 * limits::REMOVE_STEP).for_each(|n| fs::write(home.join("tree").join(n.to_string()), "").unwrap());
    for name in ["one", "two"] {
        fs::write(home.join(name), "text").unwrap();
    }
    File::create(home.join("large")).unwrap().set_len(64 << 20).unwrap();
    let daemon = world.start();
    let mut web = with_two_stalled_downloads(&daemon);
    ask(&mut web, 5, "DELETE", "/~alice/one");
    assert_eq!(next_answered(&mut web), 5);
    assert!(!home.join("one").exists());
    // A tree has nothing open from one turn to the next.
    ask(&mut web, 7, "DELETE", "/~alice/tree");
    assert_eq!(next_answered(&mut web), 7);
    assert_nothing_staged(&home, "all of it is gone");
    ask(&mut web, 9, "DELETE", "/~alice/two");
    assert_eq!(next_answered(&mut web), 9);
    assert_eq!(names(&home), [limits::RESERVED_NAME, "large"]);
}
