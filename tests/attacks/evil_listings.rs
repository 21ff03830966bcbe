//! What a server lists or sends must not make the client write anywhere but into its destination.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use sealift::limits;
use sealift::proto::percent::encode;

use crate::common::place::{Place, Thing, names};
use crate::hostile::{Hostile, IDS, entry, file, listing, tree_of};

/// scp wrote whatever name the server sent back (CVE-2019-6111, CVE-2026-27699).
#[test]
fn evil_names() {
    for evil in [
        &b"../x"[..],
        b"..",
        b"/tmp/sealift-evil",
        b"a/../../x",
        b"a/..",
        b"a//b",
        b"a/",
        b"x\0y",
        b".sealift/x",
        b"a/.SEALIFT",
    ] {
        let shown = evil.escape_ascii().to_string();
        // An honest file before it and one behind: nothing of the whole listing may be used.
        let lines = vec![entry("file", "good"), entry("file", evil), entry("file", "later")];
        let server = Hostile::start(tree_of(lines));
        let place = Place::new();
        let before = place.tree();
        let ran = place.run(&["--pin", &server.pin(), "get", "-r", &server.target("d"), "dest/"]);
        ran.failed(8);
        assert!(ran.stderr.contains("the server lists"), "{shown}: {ran:?}");
        assert_eq!(place.tree(), before, "{shown}");
        assert!(!server.heard_all().lines.iter().any(|line| line.starts_with("DOWNLOAD")), "{shown}");
    }

    // A plain listing has no business below its folder: a name that was not asked for.
    let server = Hostile::start(tree_of(vec![entry("file", "a/b")]));
    let place = Place::new();
    place.run(&["--pin", &server.pin(), "ls", &server.target("d")]).failed(8);

    // More, or other, bytes than were asked for stay out too.
    let too_much = |line: &str| {
        let mut answer = file(b"evil");
        answer.splice(0..0, b"150 data size=4 mtime=1\r\n\0\0\0\x09surprise!".to_vec());
        line.starts_with("DOWNLOAD").then_some(answer)
    };
    let server = Hostile::start(too_much);
    let place = Place::new();
    place.run(&["--pin", &server.pin(), "get", &server.target("f"), "dest/"]).failed(8);
    assert_eq!(names(&place.dest()), [""; 0]);
}

/// scp let a server change the mode of the destination itself by naming it `.` or nothing (CVE-2018-20685).
#[test]
fn evil_dot() {
    for evil in [".", "./x", "a/./b", "a/."] {
        let lines = vec![format!("type=dir size=0 mtime=1 {evil}"), entry("file", "good")];
        let server = Hostile::start(tree_of(lines));
        let place = Place::new();
        let before = place.tree();
        place.run(&["--pin", &server.pin(), "get", "-r", &server.target(""), "dest/"]).failed(8);
        assert_eq!(place.tree(), before, "{evil}");
    }
    // An empty name is no line of a listing at all.
    let server = Hostile::start(tree_of(vec!["type=dir size=0 mtime=1 ".to_owned()]));
    let place = Place::new();
    let before = place.tree();
    let ran = place.run(&["--pin", &server.pin(), "get", "-r", &server.target(""), "dest/"]);
    ran.failed(1);
    assert!(ran.stderr.contains("listing makes no sense"), "{ran:?}");
    assert_eq!(place.tree(), before);
}

/// wget followed a link that the same listing had just made it create (CVE-2014-4877).
#[test]
fn evil_symlink() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("canary"), "old").unwrap();
    let before = crate::common::place::tree(outside.path());

    // The server lists a link and something in it: the link is left out, so there is no way through it.
    let server = Hostile::start(tree_of(vec![entry("link", "l"), entry("file", "l/canary")]));
    let place = Place::new();
    let ran = place.run(&["--pin", &server.pin(), "get", "-r", &server.target("d"), "dest/"]);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert_eq!(names(&place.dest().join("d")), [""; 0]);

    // The same name as a link and as a folder.
    let lines = vec![entry("link", "l"), entry("dir", "l"), entry("file", "l/canary")];
    let server = Hostile::start(tree_of(lines));
    let place = Place::new();
    place.run(&["--pin", &server.pin(), "get", "-r", &server.target("d"), "dest/"]).failed(8);
    assert_eq!(names(&place.dest()), [""; 0]);

    // A link that is there already, where the server lists a folder.
    for target in [outside.path().to_owned(), "../../..".into()] {
        let server = Hostile::start(tree_of(vec![entry("dir", "l"), entry("file", "l/canary")]));
        let place = Place::new();
        fs::create_dir(place.dest().join("d")).unwrap();
        symlink(&target, place.dest().join("d/l")).unwrap();
        let ran = place.run(&["--pin", &server.pin(), "get", "-r", &server.target("d"), "dest/"]);
        assert_ne!(ran.code, Some(0), "{ran:?}");
        assert_eq!(place.tree()["dest/d/l".as_ref() as &std::path::Path], Thing::Link(target));
        assert_eq!(names(place.path()), ["config", "dest"]);
    }

    // A link that is there already under the name of the file.
    let server = Hostile::start(|line| line.starts_with("DOWNLOAD").then(|| file(b"evil")));
    let place = Place::new();
    symlink(outside.path().join("canary"), place.dest().join("f")).unwrap();
    place.run(&["--pin", &server.pin(), "get", &server.target("f"), "dest/"]);
    assert_eq!(crate::common::place::tree(outside.path()), before);
    assert_eq!(names(&place.dest()), ["f"]);
}

/// A link that the listing itself has the client make must not lead out of what is fetched: not by its text, not by a link
/// that was here before, and not by a second one (CVE-2022-29154 for files, CVE-2024-12087 and CVE-2024-12747 for links).
#[test]
fn evil_kept_links() {
    let link = |text: &[u8], path: &[u8]| {
        format!("type=link size=4 mtime=1700000000 symlink={} {}", encode(text), encode(path))
    };
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("canary"), "old").unwrap();
    let absolute = outside.path().as_os_str().as_bytes().to_vec();
    for text in [
        &absolute[..],
        b"/",
        b"..",
        b"../x",
        b"sub/../../x",
        b"./../../..",
        b"sub/../..",
        b"out/canary",
        b"sub/back/canary",
        b".sealift/x",
        b"a\nb",
        b"a\0b",
        b"",
    ] {
        let shown = text.escape_ascii().to_string();
        let lines = vec![entry("dir", "sub"), link(text, b"l"), link(b"../../x", b"sub/l"), entry("file", "f")];
        for command in ["get", "mirror"] {
            let server = Hostile::knowing("marks", tree_of(lines.clone()));
            let place = Place::new();
            // Links of one's own that lead out, which nothing of the server's may lead to.
            fs::create_dir_all(place.dest().join("d/sub")).unwrap();
            symlink(outside.path(), place.dest().join("d/out")).unwrap();
            symlink(outside.path(), place.dest().join("d/sub/back")).unwrap();
            let from = server.target("d");
            let words = match command {
                "get" => vec!["get", "-r", "--links", "keep", &from, "dest/"],
                _ => vec!["mirror", "--links", "keep", &from, "./dest/d"],
            };
            let ran = place.run(&[&["--pin", &server.pin()], &words[..]].concat());
            assert_eq!(names(&place.dest().join("d")), ["f", "out", "sub"], "{command} {shown}: {ran:?}");
            assert_eq!(names(&place.dest().join("d/sub")), ["back"], "{command} {shown}: {ran:?}");
        }
    }

    // What stays inside is made, after all files: none comes through a link of the same listing.
    let lines = vec![entry("dir", "sub"), link(b"sub", b"l"), entry("file", "l/canary"), link(b"../f", b"sub/up")];
    let server = Hostile::knowing("marks", tree_of(lines));
    let place = Place::new();
    let ran = place.run(&["--pin", &server.pin(), "get", "-r", "--links", "keep", &server.target("d"), "dest/"]);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    let made = || (names(&place.dest().join("d")), names(&place.dest().join("d/sub")));
    let both = (vec!["l".to_owned(), "sub".to_owned()], vec!["up".to_owned()]);
    assert_eq!(made(), both, "{ran:?}");
    // And none through one that an earlier command has made.
    let server = Hostile::knowing("marks", tree_of(vec![entry("dir", "l"), entry("file", "l/canary")]));
    place.run(&["--pin", &server.pin(), "get", "-r", "--links", "keep", &server.target("d"), "dest/"]);
    assert_eq!(made(), both);

    // Unasked, and from a server that is too old for it, a link is none of the client's business.
    let server = Hostile::knowing("marks", tree_of(vec![link(b"f", b"l"), entry("file", "f")]));
    let place = Place::new();
    place.run(&["--pin", &server.pin(), "get", "-r", &server.target("d"), "dest/"]).done();
    assert_eq!(names(&place.dest().join("d")), ["f"]);
    let server = Hostile::start(tree_of(vec![link(b"f", b"l"), entry("file", "f")]));
    let ran = place.run(&["--pin", &server.pin(), "get", "-r", "--links", "keep", &server.target("d"), "dest/"]);
    assert!(ran.stderr.contains("too old to tell which entries are links"), "{ran:?}");
    assert_eq!(names(&place.dest().join("d")), ["f"]);
    assert_eq!(fs::read(outside.path().join("canary")).unwrap(), b"old");
}

/// Folders that link each other have no end, and neither has a server that invents them.
#[test]
fn endless_followed_links() {
    let link = |text: &str, path: &str| format!("type=link size=4 mtime=1 symlink={text} {path}");
    // Every folder, also each that a link leads to, has two links to further ones.
    let server = Hostile::knowing("marks", tree_of(vec![link("../x/a", "l"), link("../y/b", "m"), entry("file", "f")]));
    let place = Place::new();
    let ran = place.run(&["--pin", &server.pin(), "get", "-r", "--links", "follow", &server.target("s/d"), "dest/"]);
    ran.failed(2);
    assert!(ran.stderr.contains("links lead to folders"), "{ran:?}");
    assert!(server.heard_all().lines.len() < 1100);
    assert_eq!(names(&place.dest()), [""; 0]);
}

/// What a listing and an announcement may say without being a lie: times and sizes at the ends of their ranges.
#[test]
fn evil_numbers() {
    for mtime in ["-1", "-9223372036854775808", "9223372036854775807.999999999", "0.5"] {
        let lines: Vec<_> = ["a", "b"]
            .iter()
            .flat_map(|name| {
                [
                    format!("type=dir size=18446744073709551615 mtime={mtime} {name}"),
                    format!("type=file size=18446744073709551615 mtime={mtime} {name}/f"),
                ]
            })
            .collect();
        let stat =
            format!("213 stat type=dir size=18446744073709551615 mtime={mtime} pid=1 session=00000000000000aa\r\n");
        let server = Hostile::start(move |line| match line.split(' ').next()? {
            "STAT" => Some(stat.clone().into_bytes()),
            "LIST" => Some(listing(&lines)),
            "DOWNLOAD" => Some(file(b"evil")),
            _ => None,
        });
        let place = Place::new();
        // What would be fetched is summed up.
        let ran = place.run(&["--pin", &server.pin(), "get", "-rn", &server.target("d"), "dest/"]);
        assert!(ran.stderr.contains("Would be: 2 files, 16 EiB"), "{mtime}: {ran:?}");
        assert_eq!(names(&place.dest()), [""; 0]);
        let ran = place.run(&["--pin", &server.pin(), "get", "-r", &server.target("d"), "dest/"]);
        assert_eq!(fs::read(place.dest().join("d/a/f")).unwrap(), b"evil", "{mtime}: {ran:?}");
        for words in [&["ls", "-rl"][..], &["ls", "-r", "--json"], &["stat"]] {
            place.run(&[&["--pin", &server.pin()], words, &[&server.target("d")]].concat()).done();
        }
    }

    // Files said to be larger than any disk, more than one in a command: their sizes together are beyond any number.
    let huge = b"150 data size=18446744073709551615 mtime=-1\r\n\xff\xff\xff\xff426 aborted :No.\r\n";
    let server = Hostile::start(move |line| line.starts_with("DOWNLOAD").then(|| huge.to_vec()));
    let place = Place::new();
    let (f, g) = (server.target("f"), server.target("g"));
    let ran = place.run(&["--pin", &server.pin(), "get", &f, &g, "dest/"]);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert_eq!(names(&place.dest()), [""; 0]);
}

/// The calendar of most programs ends with the year 9999, and a number on the wire does not.
#[test]
fn times_past_every_calendar() {
    for time in ["253402300799", "253402300800", "9223372036854775807", "18446744073709551615"] {
        let made =
            format!("200 done secret={} name=d kind=folder expires={time} {IDS}\r\n", "s".repeat(limits::LINK_SECRET));
        let links =
            format!("114 link name=d path=d kind=file added={time} expires={time}\r\n212 done links=1 {IDS}\r\n");
        let keys = format!("113 key name=k fingerprint=f added={time} expires={time}\r\n212 done keys=1 {IDS}\r\n");
        let server = Hostile::knowing("link,drop,keys,enrol", move |line| match line.split(' ').next()? {
            "LINK" => Some(made.clone().into_bytes()),
            "LINKS" => Some(links.clone().into_bytes()),
            "KEYS" => Some(keys.clone().into_bytes()),
            _ => None,
        });
        let place = Place::new();
        fs::write(place.path().join("password"), "p\n").unwrap();
        let (target, root) = (format!("alice@{}", server.target("d")), format!("alice@127.0.0.1:{}", server.port()));
        for words in [&["link", &target][..], &["link", "list", &root], &["key", "list", &root]] {
            for json in [&[][..], &["--json"]] {
                let pin = server.pin();
                let words = [&["--pin", &pin, "--password-file", "password"][..], words, json].concat();
                place.run(&words).done();
            }
        }
    }
}
