//! Names that curl and WebDAV's clients change: DELETE, MKCOL, MOVE and COPY.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{VERSIONS, noise};
use sealift::limits;

use crate::common::place::names;
use crate::common::web::{Got, RawWeb, curl};
use crate::common::{Daemon, PASSWORD, World, assert_nothing_staged, enter, eventually, snapshot};

fn ask(daemon: &Daemon, user: &str, method: &str, path: &str, headers: &[&str]) -> Got {
    let login = format!("{user}:{PASSWORD}");
    let mut args = vec!["--user", &login, "-X", method];
    args.extend(headers.iter().flat_map(|header| ["-H", *header]));
    curl(daemon, &args, path)
}

/// To this path of the same server.
fn to(daemon: &Daemon, path: &str) -> String {
    format!("Destination: https://127.0.0.1:{}{path}", daemon.port())
}

#[test]
fn files_and_folders_are_removed_with_all_in_them() {
    let world = World::of(&["alice"]);
    let alice = world.home("alice");
    fs::create_dir_all(alice.join("folder/deep")).unwrap();
    fs::write(alice.join("folder/deep/f"), "x").unwrap();
    fs::create_dir_all(alice.join("other/deep")).unwrap();
    fs::write(alice.join("f"), "x").unwrap();
    let daemon = world.start();
    assert_eq!(ask(&daemon, "alice", "DELETE", "/~alice/f", &[]).status, 204);
    assert_eq!(ask(&daemon, "alice", "DELETE", "/~alice/f", &[]).status, 404);
    assert_eq!(ask(&daemon, "alice", "DELETE", "/~alice/folder/", &["Depth: 0"]).status, 400);
    assert_eq!(ask(&daemon, "alice", "DELETE", "/~alice/folder/", &["Depth: infinity"]).status, 204);
    assert_eq!(ask(&daemon, "alice", "DELETE", "/~alice/other", &[]).status, 204);
    assert_eq!(ask(&daemon, "alice", "DELETE", "/~alice/", &[]).status, 403);
    assert_eq!(names(&alice), [".sealift"]);
    assert_nothing_staged(&alice, "what is removed is gone");
}

#[test]
fn nothing_is_removed_moved_or_copied_that_is_not_what_was_meant() {
    let world = World::of(&["alice"]);
    let alice = world.home("alice");
    fs::write(alice.join("f"), "now").unwrap();
    let daemon = world.start();
    let tag = |bytes: &[u8]| format!("If-Match: \"{}\"", sealift::files::Hash::of(bytes));
    let destination = to(&daemon, "/~alice/g");
    for method in ["DELETE", "MOVE", "COPY"] {
        for condition in [&*tag(b"before"), "If-None-Match: *", "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:10 GMT"] {
            let got = ask(&daemon, "alice", method, "/~alice/f", &[&destination, condition]);
            assert_eq!(got.status, 412, "{method} {condition}: {got:?}");
        }
    }
    fs::create_dir(alice.join("folder")).unwrap();
    for (condition, status) in [("If-None-Match: *", 412), ("If-Match: \"x\"", 412), ("If-Match: *", 204)] {
        assert_eq!(ask(&daemon, "alice", "DELETE", "/~alice/folder", &[condition]).status, status, "{condition}");
    }
    let there = || names(&alice).into_iter().filter(|name| name != ".sealift").collect::<Vec<_>>();
    assert_eq!(there(), ["f"]);
    let now = tag(b"now");
    for (method, status) in [("COPY", 201), ("MOVE", 204)] {
        assert_eq!(ask(&daemon, "alice", method, "/~alice/f", &[&destination, &now]).status, status);
    }
    assert_eq!(ask(&daemon, "alice", "DELETE", "/~alice/g", &["If-Match: *"]).status, 204);
    assert_eq!(ask(&daemon, "alice", "DELETE", "/~alice/g", &["If-Match: *"]).status, 412);
    assert_eq!(there(), [""; 0]);
}

#[test]
fn folders_are_made_where_there_is_one_for_them() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    for (n, version) in VERSIONS.into_iter().enumerate() {
        let make = |path: &str, more: &[&str]| {
            let login = format!("alice:{PASSWORD}");
            curl(&daemon, &[&[version, "-u", &login, "-X", "MKCOL"], more].concat(), path)
        };
        let path = format!("/~alice/f{n}");
        assert_eq!(make(&format!("{path}/"), &[]).status, 201);
        assert!(world.home("alice").join(format!("f{n}")).is_dir());
        let again = make(&path, &[]);
        assert_eq!((again.status, again.header("allow").is_empty()), (405, false));
        assert_eq!(make(&format!("{path}/a/b"), &[]).status, 409);
        assert_eq!(make(&format!("{path}/c"), &["--data-binary", "<xml/>"]).status, 415);
        assert_eq!(make(&format!("{path}/d"), &[]).status, 201);
    }
    assert_eq!(ask(&daemon, "alice", "MKCOL", "/~alice/", &[]).status, 405);
}

#[test]
fn what_is_moved_has_its_new_name_and_not_the_old_one() {
    let world = World::of(&["alice", "bob"]);
    let alice = world.home("alice");
    fs::create_dir_all(alice.join("folder/deep")).unwrap();
    fs::create_dir_all(alice.join("taken/old")).unwrap();
    for (file, bytes) in [("a", "a"), ("b", "b"), ("folder/deep/f", "f"), ("taken/old/g", "g")] {
        fs::write(alice.join(file), bytes).unwrap();
    }
    let daemon = world.start();
    let go = |from: &str, target: &str, more: &[&str]| {
        let destination = to(&daemon, target);
        ask(&daemon, "alice", "MOVE", from, &[&[&*destination], more].concat()).status
    };
    assert_eq!(go("/~alice/a", "/~alice/c%20%C3%BC", &[]), 201);
    assert_eq!(fs::read(alice.join("c \u{fc}")).unwrap(), b"a");
    assert_eq!(go("/~alice/b", "/~alice/c%20%C3%BC", &["Overwrite: F"]), 412);
    assert_eq!(go("/~alice/b", "/~alice/c%20%C3%BC", &["Overwrite: T"]), 204);
    assert_eq!(fs::read(alice.join("c \u{fc}")).unwrap(), b"b");
    assert_eq!((go("/~alice/b", "/~alice/x", &[]), go("/~alice/folder", "/~alice/none/x", &[])), (404, 409));
    assert_eq!(go("/~alice/folder/", "/~alice/taken/", &["Overwrite: F"]), 412);
    assert_eq!(go("/~alice/folder/", "/~alice/taken/", &[]), 204);
    assert_eq!(names(&alice.join("taken")), ["deep"]);
    assert_eq!(go("/~alice/taken/", "/~alice/c%20%C3%BC", &[]), 204, "a folder in place of a file");
    assert_eq!(fs::read(alice.join("c \u{fc}/deep/f")).unwrap(), b"f");
    fs::write(alice.join("a"), "a").unwrap();
    assert_eq!(go("/~alice/a", "/~alice/c%20%C3%BC", &[]), 204, "a file in place of a folder");
    assert_eq!(fs::read(alice.join("c \u{fc}")).unwrap(), b"a");
    assert_eq!(names(&alice), [".sealift", "c \u{fc}"], "nothing is left beside");
    for (target, status) in [
        ("/~alice/c%20%C3%BC", 403),
        ("/~alice/c%20%C3%BC/x", 403),
        ("/~alice/", 403),
        ("/~bob/x", 403),
        ("/x", 403),
        ("/.sealift-web/x", 403),
    ] {
        assert_eq!(go("/~alice/c%20%C3%BC", target, &[]), status, "{target}");
    }
    assert_eq!(go("/~alice/c%20%C3%BC", "/~alice/y", &["Overwrite: maybe"]), 400);
    assert_eq!(ask(&daemon, "alice", "MOVE", "/~alice/c%20%C3%BC", &[]).status, 400, "to nowhere");
}

#[test]
fn copies_are_whole_with_all_that_is_in_a_folder() {
    let world = World::of(&["alice"]);
    let alice = world.home("alice");
    fs::create_dir_all(alice.join("folder/deep/er")).unwrap();
    for n in 0..100 {
        fs::write(alice.join(format!("folder/deep/f{n}")), format!("{n}")).unwrap();
    }
    let large = noise(6_000_000);
    fs::write(alice.join("folder/large"), &large).unwrap();
    fs::create_dir_all(alice.join("taken/old")).unwrap();
    let daemon = world.start();
    let go = |from: &str, target: &str, more: &[&str]| {
        let destination = to(&daemon, target);
        ask(&daemon, "alice", "COPY", from, &[&[&*destination], more].concat()).status
    };
    assert_eq!(go("/~alice/folder/large", "/~alice/copy", &[]), 201);
    assert!(fs::read(alice.join("copy")).unwrap() == large);
    assert_eq!(go("/~alice/folder/deep/f1", "/~alice/copy", &["Overwrite: F"]), 412);
    assert_eq!(go("/~alice/folder/deep/f1", "/~alice/copy", &[]), 204);
    assert_eq!(fs::read(alice.join("copy")).unwrap(), b"1");
    assert_eq!(go("/~alice/folder/", "/~alice/whole/", &[]), 201);
    // Folders have the modes of this server's.
    let files = |folder: &str| {
        let mut all = snapshot(&alice.join(folder));
        all.retain(|path, _| alice.join(folder).join(path).is_file());
        all
    };
    assert_eq!(files("whole"), files("folder"));
    assert!(alice.join("whole/deep/er").is_dir());
    assert_eq!(go("/~alice/folder/", "/~alice/taken", &[]), 204);
    assert_eq!(files("taken"), files("folder"));
    assert_eq!(go("/~alice/folder/", "/~alice/flat/", &["Depth: 0"]), 201);
    assert_eq!(names(&alice.join("flat")), [""; 0]);
    assert_eq!((go("/~alice/none", "/~alice/x", &[]), go("/~alice/copy", "/~alice/none/x", &[])), (404, 409));
    assert_eq!(
        (go("/~alice/folder/", "/~alice/folder/in", &[]), go("/~alice/folder/deep", "/~alice/folder", &[])),
        (403, 403)
    );
    // What cannot be copied brings back what was there.
    symlink("/etc", alice.join("folder/out")).unwrap();
    let before = snapshot(&alice.join("taken"));
    assert_eq!(go("/~alice/folder/", "/~alice/taken/", &[]), 409);
    crate::common::eventually("what was there is there again", || {
        names(&alice) == [".sealift", "copy", "flat", "folder", "taken", "whole"]
            && snapshot(&alice.join("taken")) == before
    });
}

#[test]
fn a_folder_of_which_not_all_can_be_read_is_not_said_to_be_copied() {
    let world = World::of(&["alice"]);
    let alice = world.home("alice");
    // Deeper than a path may be.
    let deep = (0..limits::DEPTH_MAX + 2).fold(alice.join("deep"), |path, _| path.join("d"));
    fs::create_dir_all(deep).unwrap();
    fs::create_dir_all(alice.join("old")).unwrap();
    let daemon = world.start();
    for target in ["old", "new"] {
        let got = ask(&daemon, "alice", "COPY", "/~alice/deep", &[&to(&daemon, &format!("/~alice/{target}"))]);
        assert_eq!(got.status / 100, 5, "{target}: {got:?}");
        assert!(got.text().contains("could not be read"), "{}", got.text());
    }
    assert!(alice.join("old").is_dir() && !alice.join("old/d").exists());
    let left = || names(&alice).into_iter().filter(|name| name != ".sealift").collect::<Vec<_>>();
    eventually("nothing is left", || left() == ["deep", "old"]);
}

/// Whatever comes first, nothing is lost that was not replaced, and what was acknowledged is there.
#[test]
fn folders_that_are_moved_over_each_other_at_once_leave_what_some_order_of_it_leaves() {
    let world = World::of(&["alice"]);
    let alice = world.home("alice");
    let daemon = world.start();
    for round in 0..25 {
        for name in ["a", "x"] {
            let _gone = fs::remove_dir_all(alice.join(name));
            fs::create_dir(alice.join(name)).unwrap();
            fs::write(alice.join(name).join("f"), name).unwrap();
        }
        let ask_at_once = |ways: [(&str, &str, &str); 2]| {
            std::thread::scope(|scope| {
                let asked = ways.map(|(method, from, target)| {
                    let daemon = &daemon;
                    scope.spawn(move || {
                        let destination = to(daemon, target);
                        let body: &[&str] = if method == "PUT" { &["Content-Length: 0"] } else { &[&destination] };
                        ask(daemon, "alice", method, from, body).status
                    })
                });
                asked.map(|asked| asked.join().unwrap())
            })
        };
        let moved = ask_at_once([("MOVE", "/~alice/a", "/~alice/x"), ("MOVE", "/~alice/x", "/~alice/a")]);
        let left: Vec<_> = ["a", "x"].into_iter().filter(|name| alice.join(name).exists()).collect();
        assert_eq!(left.len(), 1, "round {round}: {moved:?}, {left:?}");
        let content = fs::read_to_string(alice.join(left[0]).join("f")).unwrap();
        assert!(["a", "x"].contains(&&*content), "round {round}: {moved:?}");

        let _ = fs::rename(alice.join(left[0]), alice.join("x"));
        fs::create_dir(alice.join("a")).unwrap();
        let both = ask_at_once([("MOVE", "/~alice/a", "/~alice/x"), ("PUT", "/~alice/a/new", "")]);
        let stored = both[1] == 201;
        assert_eq!(alice.join("x/new").exists() || alice.join("a/new").exists(), stored, "round {round}: {both:?}");
    }
    assert!(names(&alice).iter().all(|name| !name.ends_with("-aside")), "{:?}", names(&alice));
}

#[test]
fn at_no_moment_is_nothing_there_while_a_folder_is_replaced() {
    let world = World::of(&["alice"]);
    let alice = world.home("alice");
    fs::create_dir_all(alice.join("published")).unwrap();
    let daemon = world.start();
    let is_over = AtomicBool::new(false);
    let looks = std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut session = enter(&daemon, "alice");
            let mut looks = 0;
            while !is_over.load(Ordering::Relaxed) && looks < 1_000_000 {
                assert_eq!(session.ask("STAT published").1, "stat", "after {looks} looks");
                looks += 1;
            }
            looks
        });
        for n in 0..20 {
            fs::create_dir_all(alice.join("next/folder")).unwrap();
            fs::write(alice.join("next/n"), n.to_string()).unwrap();
            let method = ["MOVE", "COPY"][n % 2];
            let moved = ask(&daemon, "alice", method, "/~alice/next", &[&to(&daemon, "/~alice/published")]);
            assert_eq!(moved.status, 204, "{method}: {moved:?}");
            assert_eq!(fs::read(alice.join("published/n")).unwrap(), n.to_string().as_bytes());
            assert!(alice.join("published/folder").is_dir());
        }
        is_over.store(true, Ordering::Relaxed);
        looking.join().unwrap()
    });
    assert!(looks > 20, "{looks}");
    assert_eq!(names(&alice), [".sealift", "next", "published"], "nothing is left aside");
    assert_nothing_staged(&alice, "all is in its place");
}

#[test]
fn a_folder_that_one_may_not_rename_or_remove_is_not_replaced_by_a_copy() {
    let may = |more: &str| format!("[\"list\", \"download\", \"upload\", \"overwrite\", \"mkdir\", \"{more}\"]");
    let (removes, renames) = (may("delete"), may("rename"));
    let world = World::with(&[("removes", &*removes, "removes"), ("renames", &*renames, "renames")]);
    let daemon = world.start();
    for user in ["removes", "renames"] {
        let home = world.home(user);
        for file in ["from/new", "to/old"] {
            fs::create_dir_all(home.join(file).parent().unwrap()).unwrap();
            fs::write(home.join(file), file).unwrap();
        }
        let destination = to(&daemon, &format!("/~{user}/to/"));
        for what in ["from/", "from/new"] {
            let got = ask(&daemon, user, "COPY", &format!("/~{user}/{what}"), &[&*destination]);
            assert_eq!(got.status, 403, "{user} {what}: {got:?}");
        }
        let there: Vec<_> = names(&home).into_iter().filter(|name| name != ".sealift").collect();
        assert_eq!(there, ["from", "to"], "{user}");
        assert_eq!(fs::read(home.join("to/old")).unwrap(), b"to/old");
        assert_eq!(names(&home.join("to")), ["old"], "{user}");
    }
}

#[test]
fn whoever_sends_after_a_copy_that_failed_is_told_of_what_was_sent() {
    let world = World::of(&["alice"]);
    let alice = world.home("alice");
    for folder in ["from", "to"] {
        fs::create_dir(alice.join(folder)).unwrap();
    }
    for n in 0..100 {
        fs::write(alice.join(format!("from/f{n}")), "x").unwrap();
    }
    symlink("/etc", alice.join("from/out")).unwrap();
    let daemon = world.start();
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    let (login, port) = (STANDARD.encode(super::alice()), daemon.port());
    let head = |method: &str, path: &str, more: &str| {
        format!(
            "{method} /~alice/{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Basic {login}\r\n{more}\r\n\r\n"
        )
    };
    for n in 0..5 {
        let destination = to(&daemon, "/~alice/to/");
        assert_eq!(web.ask(head("COPY", "from/", &destination)).unwrap().status, 409);
        let put = head("PUT", &format!("sent{n}"), "Content-Length: 3");
        assert_eq!(web.ask(put + "new").unwrap().status, 201);
        assert_eq!(fs::read(alice.join(format!("sent{n}"))).unwrap(), b"new");
    }
}

#[test]
fn each_of_them_takes_the_right_that_it_takes_elsewhere() {
    let world = World::with(&[
        ("adder", "[\"list\", \"download\", \"upload\"]", "adder"),
        ("mover", "[\"list\", \"rename\"]", "mover"),
    ]);
    for user in ["adder", "mover"] {
        fs::create_dir(world.home(user).join("folder")).unwrap();
        fs::write(world.home(user).join("f"), "x").unwrap();
        fs::write(world.home(user).join("g"), "y").unwrap();
    }
    let daemon = world.start();
    let go = |user: &str, method: &str, target: &str| {
        let destination = to(&daemon, &format!("/~{user}/{target}"));
        ask(&daemon, user, method, &format!("/~{user}/f"), &[&destination]).status
    };
    let before = (snapshot(&world.home("adder")), snapshot(&world.home("mover")));
    for method in ["DELETE", "MOVE"] {
        assert_eq!(go("adder", method, "x"), 403, "{method}");
    }
    assert_eq!(ask(&daemon, "adder", "MKCOL", "/~adder/new", &[]).status, 403);
    assert_eq!((go("adder", "COPY", "g"), go("mover", "COPY", "x"), go("mover", "MOVE", "g")), (403, 403, 403));
    assert_eq!(go("mover", "MOVE", "folder"), 403, "replacing a folder takes the right to delete it");
    let after = (snapshot(&world.home("adder")), snapshot(&world.home("mover")));
    let theirs = |all: &std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>| {
        let mut all = all.clone();
        all.retain(|path, _| !path.starts_with(".sealift"));
        all
    };
    assert_eq!((theirs(&after.0), theirs(&after.1)), (theirs(&before.0), theirs(&before.1)));
    assert_eq!((go("adder", "COPY", "x"), go("mover", "MOVE", "x")), (201, 201));
}

/// Of a change of what was there before and a replacement of it one is done. The other one finds something else.
#[test]
fn a_condition_and_its_change_are_one_step_whoever_else_writes() {
    const ROUNDS: usize = 150;
    let world = World::of(&["alice"]);
    let alice = world.home("alice");
    let daemon = world.daemon().arg("--durability").arg("none").start();
    let (old, new) = (b"the old one".as_slice(), b"the new one".as_slice());
    let tag = sealift::files::Hash::of(old);
    let login = STANDARD.encode(format!("alice:{PASSWORD}"));
    let (mut web, mut native) = (RawWeb::connect(&daemon, &["http/1.1"]), enter(&daemon, "alice"));
    let start = std::sync::Barrier::new(2);
    for method in ["DELETE", "MOVE", "COPY"] {
        for round in 0..ROUNDS {
            let _ = fs::remove_file(alice.join("g"));
            assert_eq!(native.upload("f", old).1, "done");
            let request = format!(
                "{method} /~alice/f HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Basic {login}\r\n{}\r\n\
                 If-Match: \"{tag}\"\r\nContent-Length: 0\r\n\r\n",
                daemon.port(),
                to(&daemon, "/~alice/g"),
            );
            let (status, word) = std::thread::scope(|scope| {
                let changing = scope.spawn(|| {
                    start.wait();
                    web.ask(request).unwrap().status
                });
                start.wait();
                let word = native.upload(&format!("f if=hash:{tag}"), new).1;
                (changing.join().unwrap(), word)
            });
            let is_replaced = word == "done";
            let is_changed = status == if method == "DELETE" { 204 } else { 201 };
            let told = format!("{method}, round {round}: {status}, {word}");
            assert!(is_changed || [412, 404].contains(&status), "{told}");
            // What was there before is copied or not, whether or not another one took its place behind it.
            if method != "COPY" {
                assert!(is_changed != is_replaced, "{told}");
            }
            assert_eq!(
                fs::read(alice.join("f")).ok().as_deref(),
                match (method, is_replaced) {
                    (_, true) => Some(new),
                    ("COPY", false) => Some(old),
                    (_, false) => None,
                },
                "{told}"
            );
            let made = fs::read(alice.join("g")).ok();
            assert_eq!(made.as_deref(), (is_changed && method != "DELETE").then_some(old), "{told}");
        }
    }
}

#[test]
fn a_copy_from_behind_a_link_is_decided_on_what_is_there() {
    let world = World::of(&["alice"]);
    let alice = world.home("alice");
    fs::create_dir(alice.join("real")).unwrap();
    fs::write(alice.join("real/f"), "there").unwrap();
    symlink("real", alice.join("link")).unwrap();
    let daemon = world.start();
    let destination = to(&daemon, "/~alice/g");
    let copy = |bytes: &[u8]| {
        let tag = format!("If-Match: \"{}\"", sealift::files::Hash::of(bytes));
        ask(&daemon, "alice", "COPY", "/~alice/link/f", &[&destination, &tag]).status
    };
    assert_eq!((copy(b"another"), copy(b"there")), (412, 201));
    assert_eq!(fs::read_to_string(alice.join("g")).unwrap(), "there");
}

#[test]
fn the_if_of_webdav_and_its_change_are_one_step() {
    let world = World::of(&["alice"]);
    let alice = world.home("alice");
    let daemon = world.daemon().arg("--durability").arg("none").start();
    let login = STANDARD.encode(format!("alice:{PASSWORD}"));
    let (mut web, mut native) = (RawWeb::connect(&daemon, &["http/1.1"]), enter(&daemon, "alice"));
    let start = std::sync::Barrier::new(2);
    let head = |method: &str, more: &str| {
        format!(
            "{method} /~alice/f HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {login}\r\n{more}Content-Length: 0\r\n\r\n"
        )
    };
    let hash = sealift::files::Hash::of(b"old");
    for round in 0..150 {
        assert_eq!(native.upload("f mtime=1000000000", b"old").1, "done");
        let found = web.ask(head("GET", "")).unwrap();
        let request = head("DELETE", &format!("If: ([{}])\r\n", found.header("etag")));
        let (status, word) = std::thread::scope(|scope| {
            let deleting = scope.spawn(|| {
                start.wait();
                web.ask(request).unwrap().status
            });
            start.wait();
            let word = native.upload(&format!("f if=hash:{hash} mtime=1000000001"), b"new").1;
            (deleting.join().unwrap(), word)
        });
        let told = format!("round {round}: {status}, {word}");
        assert!((status == 204) != (word == "done") && [204, 412].contains(&status), "{told}");
        assert_eq!(fs::read(alice.join("f")).ok(), (status == 412).then(|| b"new".to_vec()), "{told}");
    }
}
