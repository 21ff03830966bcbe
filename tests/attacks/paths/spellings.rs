//! Paths that lead out by how they are written, and names that are not to be had.

use std::cell::RefCell;
use std::fs;
use std::process::Command;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sealift::Kind;
use sealift::files::{Hash, RelPath};
use sealift::proto::Verb;
use sealift::proto::frame::END;
use sealift::proto::percent::encode;

use super::{Cage, assert_nothing_in_the_trash, holds_canary};
use crate::common::{
    Daemon, PASSWORD, RawClient, all_asks, asks_of, assert_nothing_staged, enter, frames_of, snapshot, text,
};

/// Sends every command that can carry this path; each must be refused with one of these words.
fn refused_by_every_verb(client: &mut RawClient, path: &str, words: &[&str]) {
    for ask in all_asks(path, "file") {
        let ((digits, word, _), data) = ask.send(client);
        assert!(words.contains(&word.as_str()) && digits >= 400, "{}: {digits} {word}", ask.line);
        assert!(data.is_empty(), "{}", ask.line);
    }
    assert_eq!(client.ask("PING").1, "pong", "in step after {path}");
}

/// The real client; what it did is seen on the disk.
fn sealift(daemon: &Daemon, args: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    command.args(["--pin", daemon.pin(), "--port", &daemon.port().to_string()]).args(args);
    command.env("SEALIFT_PASSWORD", PASSWORD).current_dir(daemon.place()).output().unwrap()
}

#[test]
fn dotdot_absolute() {
    let cage = Cage::new();
    let daemon = cage.world.start();
    let (outside, inside) = (cage.outside(), snapshot(&cage.world.home("alice")));
    let mut alice = enter(&daemon, "alice");
    let absolute = cage.world.place().join("canary").display().to_string();
    for path in [
        "..",
        "../",
        "../canary",
        "../bob/canary",
        "../../canary",
        "folder/../../canary",
        "folder/../file",
        "a/../../b",
        "./../canary",
        "%2e%2e/canary",
        "..%2fcanary",
        "%2E%2E%2F%2E%2E%2Fcanary",
        "folder/..",
        "folder/%2e%2e/%2e%2e/canary",
        "../../../../../../../../etc/passwd",
        "/",
        "//",
        "/etc",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "/file",
        "/../canary",
        &absolute,
        &encode(absolute.as_bytes()).replace('/', "%2f"),
    ] {
        refused_by_every_verb(&mut alice, path, &["bad-path"]);
    }
    // Decoded once and never again: the name of a file that is not there. Nor is a backslash a slash.
    for path in ["%252e%252e/canary", "%252e%252e%252fcanary", "..%255ccanary", "..\\canary"] {
        for verb in [Verb::Stat, Verb::Download, Verb::Hash, Verb::Delete] {
            for ask in asks_of(verb, path, "file") {
                assert_eq!(ask.send(&mut alice).0.1, "not-found", "{}", ask.line);
            }
        }
    }
    for target in ["alice@127.0.0.1/../canary", "alice@127.0.0.1//etc/hostname", "alice@127.0.0.1/folder/../../canary"]
    {
        for args in [["get", target, "stolen"], ["put", "users.toml", target]] {
            let output = sealift(&daemon, &args);
            assert!(!output.status.success(), "{args:?}");
            assert!(!holds_canary(&output.stdout), "{args:?}: {}", text(&output.stdout));
        }
        assert!(!sealift(&daemon, &["rm", target]).status.success());
    }
    assert_eq!(cage.outside(), outside);
    daemon.stop();
    assert_nothing_staged(&cage.world.home("alice"), "dotdot_absolute");
    let mut after = snapshot(&cage.world.home("alice"));
    after.retain(|path, _| !path.starts_with(".sealift"));
    assert_eq!(after, inside);
}

#[test]
fn sibling_prefix() {
    let cage = Cage::new();
    let daemon = cage.world.start();
    let before = snapshot(&cage.world.home("bob2"));
    fs::write(cage.world.home("bob").join("file"), "bob's").unwrap();
    let mut bob = enter(&daemon, "bob");
    let home = cage.world.home("bob2").display().to_string();
    for path in ["../bob2", "../bob2/canary", "folder/../../bob2/canary", "/bob2/canary", &home, "/../bob2/canary"] {
        refused_by_every_verb(&mut bob, path, &["bad-path"]);
    }
    // `bob` + `2/canary` and `bob2/canary` are names inside bob's own home, and nothing is there.
    for path in ["2/canary", "bob2/canary", "2"] {
        for verb in [Verb::Stat, Verb::Download, Verb::List, Verb::Delete] {
            for ask in asks_of(verb, path, "file") {
                assert_eq!(ask.send(&mut bob).0.1, "not-found", "{}", ask.line);
            }
        }
    }
    assert_eq!(bob.ask("MKDIR bob2").1, "done");
    assert_eq!(bob.upload("bob2/canary", b"bob was here").1, "done");
    assert_eq!(fs::read(cage.world.home("bob").join("bob2/canary")).unwrap(), b"bob was here");
    assert_eq!(snapshot(&cage.world.home("bob2")), before);
}

/// Raw paths: mostly of the letters that matter.
fn raw_path() -> impl Strategy<Value = Vec<u8>> {
    let letter = prop_oneof![
        8 => proptest::sample::select(b"/..ab%\\~ ".to_vec()),
        1 => any::<u8>(),
    ];
    let name = proptest::sample::select(vec!["..", ".", "", "a", ".sealift", ".SeaLift", ".sealift2", "b c", "%2e"]);
    prop_oneof![
        proptest::collection::vec(letter, 1..24),
        proptest::collection::vec(name, 1..6).prop_map(|names| names.join("/").into_bytes()),
    ]
}

#[test]
fn one_path_type() {
    let cage = Cage::new();
    let daemon = cage.world.start();
    let outside = cage.outside();
    let mut alice = enter(&daemon, "alice");
    for path in ["a//b", "file/", "folder/", "folder//file", "folder/./file", "./file", "file/.", ".", "//file", "a///"]
    {
        assert_eq!(RelPath::parse(path.as_bytes()).unwrap_err().kind(), Kind::BadPath, "{path}");
        refused_by_every_verb(&mut alice, path, &["bad-path"]);
    }
    let inside = snapshot(&cage.world.home("alice"));
    // The one parser is the one that the server goes by, and what it accepts has one spelling, with plain names only.
    let alice = RefCell::new(alice);
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    runner
        .run(&raw_path(), |raw| {
            let path = RelPath::parse(&raw);
            if let Ok(path) = &path {
                prop_assert_eq!(path.as_bytes(), &raw[..]);
                prop_assert_eq!(&RelPath::parse(path.as_bytes()).unwrap(), path);
                let plain = |part| matches!(part, std::path::Component::Normal(_));
                prop_assert!(path.as_path().components().all(plain), "{:?}", path);
            }
            let (_, word, _) = alice.borrow_mut().ask(format!("DELETE {}", encode(&raw)));
            match path {
                Ok(_) => prop_assert!(word != "bad-path", "{:?}", raw),
                Err(err) => prop_assert_eq!(word, err.kind().word(), "{:?}", raw),
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(snapshot(&cage.world.home("alice")), inside, "none of those paths was there");
    assert_eq!(cage.outside(), outside);
}

#[test]
fn reserved_name() {
    let cage = Cage::new();
    let home = cage.world.home("alice");
    // Another home below this one, and a link to the reserved name: by neither way is it there.
    fs::create_dir_all(home.join("folder/.sealift/inner")).unwrap();
    fs::write(home.join("folder/.sealift/inner/secret"), "staged elsewhere").unwrap();
    std::os::unix::fs::symlink(".sealift", home.join("link")).unwrap();
    let daemon = cage.world.start();
    // An upload of another session waits in it meanwhile.
    let mut other = enter(&daemon, "alice");
    other.line("UPLOAD slow");
    other.send(frames_of(b"first half, "));
    let session = (0..)
        .find_map(|_| fs::read_dir(home.join(".sealift")).ok()?.next().map(|entry| entry.unwrap().file_name()))
        .unwrap();
    let session = session.to_str().unwrap();

    let mut alice = enter(&daemon, "alice");
    for path in [
        ".sealift".to_owned(),
        ".SEALIFT".to_owned(),
        ".Sealift/x".to_owned(),
        "%2esealift".to_owned(),
        "%2E%73%65%61%6C%69%66%74".to_owned(),
        ".seal%49ft/x".to_owned(),
        format!(".sealift/{session}"),
        format!(".sealift%2f{session}%2F0"),
        // What file systems take for it, though not this one.
        ".%C5%BFealift/x".to_owned(),
        ".SEAL%C4%B0FT".to_owned(),
        ".seal%E2%80%8Bift/x".to_owned(),
        "%EF%BC%8Esealift".to_owned(),
        ".sealift.".to_owned(),
        ".sealift%20/x".to_owned(),
        ".sealift::%24INDEX_ALLOCATION/x".to_owned(),
        "SEALIF~1/x".to_owned(),
        "folder/.\u{17f}ealift./inner/secret".to_owned(),
        "folder/.sealift".to_owned(),
        "folder/.SEALIFT/inner/secret".to_owned(),
        "not-there/.sealift".to_owned(),
    ] {
        refused_by_every_verb(&mut alice, &path, &["not-found"]);
    }
    for path in [format!("link/{session}"), format!("link/{session}/0"), "link/new".to_owned()] {
        for ask in all_asks(&path, "missing") {
            let ((digits, word, fields), _) = ask.send(&mut alice);
            match ask.verb {
                Verb::Trash | Verb::Purge => assert_nothing_in_the_trash(&ask, (digits, &word, &fields)),
                _ => assert!(digits >= 400, "{}: {word}", ask.line),
            }
        }
    }
    let listed = alice.data("LIST recursive=yes").unwrap().0;
    let listed = String::from_utf8(listed).unwrap();
    let names: Vec<&str> = listed.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert!(!names.iter().any(|name| name.to_lowercase().contains("sealift")), "{listed}");
    assert!(names.contains(&"folder/file"), "{listed}");

    other.send(frames_of(b"second half"));
    other.send(END);
    other.send(Hash::of(b"first half, second half").as_bytes());
    assert_eq!(other.reply().1, "done");
    assert_eq!(fs::read(home.join("slow")).unwrap(), b"first half, second half");
    assert_eq!(fs::read(home.join("folder/.sealift/inner/secret")).unwrap(), b"staged elsewhere");
}

#[test]
fn nul_and_control() {
    let cage = Cage::new();
    let daemon = cage.world.start();
    let (outside, inside) = (cage.outside(), snapshot(&cage.world.home("alice")));
    let mut alice = enter(&daemon, "alice");
    for control in (0..0x20).chain([0x7f]) {
        for path in [format!("file%{control:02x}"), format!("%{control:02X}/x"), format!("file%{control:02x}.txt")] {
            refused_by_every_verb(&mut alice, &path, &["bad-path"]);
        }
        // As it is, in the line. LF and CR LF end a line: what is behind them is a command of its own.
        if control != b'\n' {
            let mut line = b"DELETE file".to_vec();
            line.extend([control, b'x']);
            let (_, word, _) = alice.ask(line);
            assert!(["bad-command", "bad-path", "protocol"].contains(&word.as_str()), "{control:02x}: {word}");
        }
    }
    for name in
        ["alice%00", "alice%00bob", "%00alice", "alice%0d%0aPASS%20x", "alice%1b[2J", "anonymous%00]]x", "a\x1b", "a\0"]
    {
        let mut client = RawClient::connect(&daemon);
        let (_, word, _) = client.ask(format!("USER {name}"));
        if word == "password" {
            assert_eq!(client.ask(format!("PASS {PASSWORD}")).1, "login-failed", "{name}");
        } else {
            assert_eq!(word, "bad-command", "{name}");
        }
        assert_ne!(client.ask("STAT").1, "stat");
    }
    assert_eq!(cage.outside(), outside);
    let mut after = snapshot(&cage.world.home("alice"));
    after.retain(|path, _| !path.starts_with(".sealift"));
    assert_eq!(after, inside);
    let log = daemon.log();
    assert!(!log.bytes().any(|byte| byte != b'\n' && byte.is_ascii_control()), "{log}");
}
