//! Links in a home that lead out of it, put there by whoever else can write to the disk.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use sealift::proto::Verb;

use super::{Cage, assert_nothing_in_the_trash, holds_canary};
use crate::common::web::curl;
use crate::common::{
    PASSWORD, PAYLOAD, RawClient, World, all_asks, asks_of, assert_nothing_staged, enter, section, snapshot,
};

/// Links by their names, and where they lead.
fn links(cage: &Cage) -> Vec<(&'static str, String)> {
    let secret = cage.world.place().join("secret").display().to_string();
    vec![
        ("root", "/".to_owned()),
        ("up", "..".to_owned()),
        ("upper", "../..".to_owned()),
        ("bob", "../bob".to_owned()),
        ("winding", "folder/../../bob2".to_owned()),
        ("absolute", secret.clone()),
        ("canary", format!("{secret}/canary")),
        ("relative", "../bob/canary".to_owned()),
        ("twice", "canary".to_owned()),
        ("thrice", "folder/back".to_owned()),
        ("new", format!("{secret}/made-through-a-link")),
        ("proc", "/proc/self/cwd".to_owned()),
        ("descriptor", "/proc/self/fd".to_owned()),
        ("loop", "loop".to_owned()),
    ]
}

/// The home as it is before each attack.
fn plant(home: &Path, links: &[(&str, String)]) {
    let _ = fs::remove_file(home.join("folder/back"));
    for (name, target) in links {
        // Most of them are as they were.
        if fs::read_link(home.join(name)).is_ok_and(|there| there == Path::new(target)) {
            continue;
        }
        // Moved, replaced or removed by the command before.
        if fs::symlink_metadata(home.join(name)).is_ok_and(|meta| meta.is_dir()) {
            fs::remove_dir_all(home.join(name)).unwrap();
        }
        let _ = fs::remove_file(home.join(name));
        symlink(target, home.join(name)).unwrap();
    }
    fs::create_dir_all(home.join("folder")).unwrap();
    symlink("../../bob", home.join("folder/back")).unwrap();
    fs::write(home.join("file"), "alice's").unwrap();
    let _ = fs::remove_file(home.join("moved"));
}

#[test]
fn symlink_planted() {
    let cage = Cage::new();
    let home = cage.world.home("alice");
    let links = links(&cage);
    let daemon = cage.world.start();
    let outside = cage.outside();
    let mut alice = enter(&daemon, "alice");
    let through = |name: &str| {
        let below = ["", "/canary", "/folder/canary", "/folder", "/made", "/etc/hostname", "/bob/canary", "/0"];
        below.map(|rest| format!("{name}{rest}"))
    };
    for (name, _) in &links {
        for path in through(name) {
            for ask in Verb::ALL.iter().flat_map(|verb| asks_of(*verb, &path, "moved")) {
                plant(&home, &links);
                let ((digits, word, fields), data) = ask.send(&mut alice);
                assert!(!holds_canary(&data), "{}", ask.line);
                match ask.verb {
                    Verb::Trash | Verb::Purge => assert_nothing_in_the_trash(&ask, (digits, &word, &fields)),
                    // What is outside is not even described: as a link itself, or not at all.
                    Verb::Stat if path == *name => assert_eq!(fields["type"], "link", "{}", ask.line),
                    Verb::Delete | Verb::Rename | Verb::Upload | Verb::Stage if path == *name => {}
                    _ => assert!(digits >= 400, "{}: {digits} {word}", ask.line),
                }
                assert_eq!(cage.outside(), outside, "{}: {word}", ask.line);
            }
        }
    }

    // Where a link itself is removed, renamed or replaced, it is the link that goes.
    plant(&home, &links);
    assert_eq!(alice.ask("DELETE root recursive=yes").1, "done");
    assert_eq!(alice.ask("RENAME bob moved").1, "done");
    assert_eq!(fs::read_link(home.join("moved")).unwrap(), Path::new("../bob"));
    assert_eq!(alice.upload("canary", PAYLOAD).1, "done");
    assert_eq!(fs::read(home.join("canary")).unwrap(), PAYLOAD);
    assert!(fs::symlink_metadata(home.join("canary")).unwrap().is_file());
    assert!(fs::symlink_metadata(home.join("root")).is_err());
    let (listed, _) = alice.data("LIST recursive=yes").unwrap();
    let listed = String::from_utf8(listed).unwrap();
    assert!(listed.lines().any(|line| line.starts_with("type=link ") && line.ends_with(" up")), "{listed}");
    assert!(!listed.contains("up/") && !listed.contains("bob2"), "{listed}");
    // A whole tree with links in it goes without what they lead to.
    assert_eq!(alice.ask("DELETE folder recursive=yes").1, "done");
    assert_eq!(cage.outside(), outside);
    drop(alice);
    daemon.stop();
    assert_nothing_staged(&home, "symlink_planted");
}

#[test]
fn links_out_are_no_folders() {
    let cage = Cage::new();
    let home = cage.world.home("alice");
    let links = links(&cage);
    plant(&home, &links);
    symlink("missing", home.join("dangling")).unwrap();
    let daemon = cage.world.start();
    let outside = cage.outside();
    let mut alice = enter(&daemon, "alice");
    let names = links.iter().map(|(name, _)| *name).chain(["dangling", "folder/back"]);
    for name in names {
        let reads =
            |verb| matches!(verb, Verb::List | Verb::Stat | Verb::Hash | Verb::Download | Verb::Accept | Verb::Link);
        for path in [format!("{name}/x"), format!("{name}/x/y")] {
            for ask in all_asks(&path, "file") {
                let ((digits, word, fields), _) = ask.send(&mut alice);
                if matches!(ask.verb, Verb::Trash | Verb::Purge) {
                    assert_nothing_in_the_trash(&ask, (digits, &word, &fields));
                    continue;
                }
                let expected = match ask.verb {
                    // What was interrupted is found by its path alone.
                    Verb::Hash if ask.line.contains("partial=yes") => "not-found",
                    // Inside, but nothing is there.
                    verb if reads(verb) && name == "dangling" => "not-found",
                    Verb::Copy if ask.line.starts_with(&format!("COPY {path} ")) && name == "dangling" => "not-found",
                    _ => "not-directory",
                };
                assert_eq!((digits, word.as_str()), (550, expected), "{}", ask.line);
            }
        }
        // The link itself, where it is not what is named but what it leads to.
        let nowhere = name == "dangling";
        for (line, expected) in [
            (format!("LIST {name}"), "not-directory"),
            (format!("DOWNLOAD {name}"), "not-regular"),
            (format!("HASH {name}"), "not-regular"),
            (format!("ACCEPT {name}"), "not-regular"),
        ] {
            assert_eq!(alice.ask(&line).1, if nowhere { "not-found" } else { expected }, "{line}");
        }
        assert_eq!(alice.ask(format!("MKDIR {name}")).1, "exists");
        assert_eq!(alice.ask(format!("MKDIR {name} parents=yes")).1, "not-directory");
        assert_eq!(alice.ask(format!("STAT {name}")).2["type"], "link");
    }
    assert_eq!(alice.download("file").unwrap(), b"alice's");
    assert_eq!(cage.outside(), outside);
}

#[test]
fn links_are_followed_for_reading_only() {
    let cage = Cage::new();
    let home = cage.world.home("alice");
    fs::create_dir(home.join("folder/deep")).unwrap();
    fs::write(home.join("folder/deep/file"), "alice's too").unwrap();
    for (name, target) in [("way", "folder"), ("around", "way"), ("folder/up", ".."), ("deep", "folder/deep")] {
        symlink(target, home.join(name)).unwrap();
    }
    let daemon = cage.world.start();
    let mut alice = enter(&daemon, "alice");
    // The first change makes the folder of the session.
    assert_eq!(alice.upload("good", PAYLOAD).1, "done");
    let before = || {
        let mut all = snapshot(&home);
        all.retain(|path, _| !path.starts_with(".sealift"));
        all
    };
    let there = before();
    for path in [
        "way/file",
        "way/new",
        "way/deep/file",
        "around/file",
        "folder/up/file",
        "folder/up/new",
        "deep/file",
        "way/deep",
    ] {
        // What a copy is made of is read alone: see below.
        let reads = |line: &str| line.starts_with(&format!("COPY {path} "));
        for ask in all_asks(path, "good").into_iter().filter(|ask| !reads(&ask.line)) {
            // Reading first, so that a folder is open already that was found through the link.
            assert_eq!(alice.download("way/file").unwrap(), b"alice's too");
            assert_eq!(alice.download("deep/file").unwrap(), b"alice's too");
            let ((digits, word, fields), _) = ask.send(&mut alice);
            match ask.verb {
                // ACCEPT changes no file: it reads one and writes down what it read. What LINK leads to is read alone.
                Verb::List | Verb::Stat | Verb::Hash | Verb::Download | Verb::Accept | Verb::Link => {}
                Verb::Trash | Verb::Purge => assert_nothing_in_the_trash(&ask, (digits, &word, &fields)),
                _ => assert_eq!((digits, word.as_str()), (550, "not-directory"), "{}", ask.line),
            }
            assert_eq!(before(), there, "{}: {word}", ask.line);
        }
    }
    // Made with those above it, which are a link.
    assert_eq!(alice.ask("MKDIR way/a/b parents=yes").1, "not-directory");
    assert_eq!(alice.ask("MKDIR way parents=yes").1, "not-directory");
    assert_eq!(before(), there);
    assert_eq!(alice.ask("COPY way/file copied").1, "done");
    assert_eq!(fs::read(home.join("copied")).unwrap(), b"alice's too");
}

#[test]
fn links_tell_nothing_of_where_their_reader_may_not_look() {
    let rules =
        ["secret/**", "open/closed/**"].map(|path| format!("[[users.alice.rules]]\npath = \"/{path}\"\naccess = []\n"));
    let world = World::of(&["alice"]);
    world.set_users(&(section("alice", "\"full\"", "alice") + &rules.concat()));
    let home = world.home("alice");
    for folder in ["secret/folder", "open/closed", "free"] {
        fs::create_dir_all(home.join(folder)).unwrap();
    }
    for file in ["secret/there", "secret/folder/there", "open/closed/there", "open/seen"] {
        fs::write(home.join(file), "SECRET of some length").unwrap();
    }
    // Of each two, one leads to what is there.
    for (name, target) in [
        ("free/to-there", "../secret/there"),
        ("free/to-none1", "../secret/none1"),
        ("free/to-folder", "../secret/folder"),
        ("way", "secret"),
        ("open-way", "open"),
    ] {
        symlink(target, home.join(name)).unwrap();
    }
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let kind = |client: &mut RawClient, line: &str| client.ask(line).1;
    for (there, none) in [
        ("free/to-there", "free/to-none1"),
        ("free/to-folder", "free/to-none1"),
        ("way/there", "way/none"),
        ("way/folder/there", "way/folder/none"),
        ("way/folder/there", "way/none/there"),
        ("way/there/x", "way/none/x"),
        ("open-way/closed/there", "open-way/closed/none"),
    ] {
        for verb in ["STAT", "LIST", "HASH", "DOWNLOAD", "ACCEPT"] {
            let (one, other) =
                (kind(&mut alice, &format!("{verb} {there}")), kind(&mut alice, &format!("{verb} {none}")));
            // A link itself is told of.
            let expected = if verb == "STAT" && there.starts_with("free/") { "stat" } else { "not-found" };
            assert!(one == other && one == expected, "{verb} {there}: {one}, {none}: {other}");
        }
        for what in ["", " drop=yes"] {
            let (one, other) =
                (kind(&mut alice, &format!("LINK {there}{what}")), kind(&mut alice, &format!("LINK {none}{what}")));
            assert!(one == other && one != "linked", "{there}{what}: {one}, {none}: {other}");
        }
        if there.starts_with("free/") {
            let (one, other) = (alice.ask(format!("STAT {there}")).2, alice.ask(format!("STAT {none}")).2);
            assert_eq!((one["type"].as_str(), other["type"].as_str()), ("link", "link"), "{one:?}");
        }
        let url = |path: &str| curl(&daemon, &["-u", &format!("alice:{PASSWORD}")], &format!("/~alice/{path}")).status;
        assert_eq!((url(there), url(none)), (404, 404), "{there} {none}");
    }
    // A listing tells of a link itself, and of nothing below one that is not told of by its own name.
    let (bytes, _) = alice.data("LIST free marks=yes").unwrap();
    let listed = String::from_utf8(bytes).unwrap();
    let about = |name: &str| {
        let line = listed.lines().find(|line| line.ends_with(&format!(" {name}"))).unwrap();
        line.split(' ')
            .filter(|word| word.starts_with("type=") || word.starts_with("size="))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(about("to-there"), about("to-none1"));
    assert!(!listed.contains("secret") && listed.matches("type=link").count() == 3, "{listed}");
    for folder in ["open", "open-way"] {
        let (bytes, (_, _, said)) = alice.data(format!("LIST {folder} recursive=yes")).unwrap();
        let listed = String::from_utf8(bytes).unwrap();
        assert!(listed.contains("seen") && listed.contains("closed") && !listed.contains("there"), "{listed}");
        assert_eq!(said["unreadable"], "1", "{folder}");
    }
}
