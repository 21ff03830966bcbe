//! What a server says goes to a person's terminal, and what a local disk is called goes to the server: neither may be
//! read there as anything but a name.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::process::Stdio;

use sealift::escape::{for_people, is_deceptive};
use sealift::proto::percent::encode;

use crate::common::place::{Place, names};
use crate::hostile::{Hostile, IDS, entry, folder, listing};

/// Sets the window's title, writes red (by ESC and by C1), turns text round, rings, and deletes.
const EVIL: &str = "a\x1b]0;owned\x07\x1b[31m\u{9b}31m\u{202e}txt\u{200b}\x7f";

/// The same without what no reply line may hold at all.
const EVIL_TEXT: &str = "\u{9b}31m\u{202e}no\u{2028}such \u{e0041}file";

/// Runs the client with its output on a terminal, and returns what came there.
fn on_terminal(place: &Place, words: &[&str], input: &str) -> String {
    let (mut pty, pts) = pty_process::blocking::open().unwrap();
    pty.resize(pty_process::Size::new(50, 400)).unwrap();
    let mut command = pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_sealift")).args(words);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SEALIFT_") {
            command = command.env_remove(name);
        }
    }
    let typed = place.path().join("typed");
    File::create(&typed).unwrap().write_all(input.as_bytes()).unwrap();
    let mut child = command
        .current_dir(place.path())
        .env("SEALIFT_CONFIG_DIR", place.path().join("config"))
        // No colours of our own: then any escape sequence is the server's.
        .env("NO_COLOR", "1")
        .env("TERM", "dumb")
        .stdin(Stdio::from(File::open(&typed).unwrap()))
        .spawn(pts)
        .unwrap();
    let mut shown = Vec::new();
    let mut bytes = [0; 4096];
    // A terminal whose last program is gone answers with an error.
    while let Ok(count @ 1..) = pty.read(&mut bytes) {
        shown.extend_from_slice(&bytes[..count]);
    }
    child.wait().unwrap();
    String::from_utf8(shown).unwrap_or_else(|err| panic!("{words:?}: {:?}", err.as_bytes().escape_ascii().to_string()))
}

#[track_caller]
fn harmless(words: &[&str], shown: &str) {
    let bad = shown.chars().find(|c| (c.is_control() && !"\r\n".contains(*c)) || is_deceptive(*c));
    assert_eq!(bad, None, "{words:?}: {shown:?}");
}

/// A server could colour, hide and rewrite what scp showed (CVE-2019-6109).
#[test]
fn terminal_escape() {
    let lines = vec![entry("file", EVIL), entry("dir", format!("d{EVIL}")), entry("link", format!("l{EVIL}"))];
    let evil = encode(EVIL.as_bytes()).into_owned();
    let server = Hostile::with_greeting(EVIL_TEXT, move |line| {
        match line.split(' ').next()? {
        "USER" => None,
        "PASS" => Some(format!("230 welcome user={evil} access={evil} {IDS} :{EVIL_TEXT}\r\n").into_bytes()),
        "LIST" => Some(listing(&lines)),
        "STAT" if line == "STAT d" => Some(folder()),
        "STAT" if line == "STAT raw" => Some(format!("550 not-found :{EVIL}\r\n").into_bytes()),
        "STATUS" => Some(
            format!("211 status user={evil} access={evil} connections=1 uptime=1 version={evil} users={evil} {IDS}\r\n").into_bytes(),
        ),
        "WHO" => Some(
            format!(
                "112 session id=00000000000000aa user={evil} peer={evil} since=1 doing={evil}\r\n212 done sessions=1 {IDS}\r\n"
            )
            .into_bytes(),
        ),
        _ => Some(format!("550 not-found {IDS} :{EVIL_TEXT}\r\n").into_bytes()),
    }
    });
    let place = Place::new();
    let pin = server.pin();
    let escaped = for_people(EVIL.as_bytes());
    let escaped_text = for_people(EVIL_TEXT.as_bytes());
    let (d, raw, x, root) = (server.target("d"), server.target("raw"), server.target("x"), server.target(""));
    for (words, expected) in [
        (&["ls", &d][..], escaped.as_str()),
        (&["ls", "-l", &d], &escaped),
        (&["ls", "-r", &d], &escaped),
        (&["ls", "--json", &d], r"\u009b31m\u202etxt\u200b\u007f"),
        (&["status", &root], &escaped),
        (&["status", "--json", &root], r"\u009b31m"),
        (&["who", &root], &escaped),
        (&["who", "--json", &root], r"\u009b31m"),
        (&["stat", &x], &escaped_text),
        (&["stat", "--json", &x], &escaped_text.replace('\\', r"\\")),
        (&["stat", &raw], r"\x1b]0;owned"),
        (&["rm", &x], &escaped_text),
        (&["cat", &x], &escaped_text),
        (&["get", "-q", &x, "dest/"], &escaped_text),
        (&["get", "-q", "-r", &d, "dest/"], &escaped),
        (&["-v", "ping", &root], &escaped_text),
    ] {
        let words = [&["--pin", &pin][..], words].concat();
        let shown = on_terminal(&place, &words, "");
        harmless(&words, &shown);
        assert!(shown.contains(expected), "{words:?}: {shown}");
    }
    let words = ["--pin", &pin, "shell", &root];
    let shown = on_terminal(&place, &words, "ls d\nls -l d\nstat x\nstatus\nwho\ncat x\n");
    harmless(&words, &shown);
    assert!(shown.contains(&escaped) && shown.contains(&escaped_text), "{shown}");

    // A greeting that is no line of the protocol is not shown as it is either.
    let server = Hostile::with_greeting(EVIL, |_| None);
    let pin = server.pin();
    let words = ["--pin", &pin, "ping", &server.target("")];
    harmless(&words, &on_terminal(&place, &words, ""));
}

/// What a server says of links and keys becomes part of a URL, a table, and commands to copy.
#[test]
fn terminal_escape_in_links_and_keys() {
    let evil = encode(EVIL.as_bytes()).into_owned();
    // Of the form of a secret, but for one character; and what is one.
    let (bad, good) = (format!("{}%1B", "s".repeat(42)), "s".repeat(43));
    for (secret, fingerprint, is_shown) in
        [(evil.as_str(), evil.as_str(), false), (&bad, "SHA256:a%1B", false), (&good, "SHA256:a", true)]
    {
        let made = format!("200 done secret={secret} name={evil} kind={evil} expires=1900000000 {IDS}\r\n");
        let links = format!("114 link name={evil} path={evil} kind={evil} added=1\r\n212 done links=1 {IDS}\r\n");
        let key = format!("113 key name={evil} fingerprint={fingerprint} access={evil} from={evil} added=1\r\n");
        let keys = format!("{key}{key}212 done keys=2 {IDS}\r\n");
        let server = Hostile::knowing("link,drop,keys,enrol", move |line| match line.split(' ').next()? {
            "LINK" => Some(made.clone().into_bytes()),
            "LINKS" => Some(links.clone().into_bytes()),
            "KEYS" => Some(keys.clone().into_bytes()),
            _ => None,
        });
        let place = Place::new();
        std::fs::write(place.path().join("password"), "p\n").unwrap();
        let (pin, target, root) = (server.pin(), server.target("d"), server.target(""));
        let (target, root) = (format!("alice@{target}"), format!("alice@{}", root.trim_end_matches('/')));
        for (words, is_shown) in [
            (&["link", &target][..], is_shown),
            (&["link", "--json", &target], is_shown),
            (&["link", "list", &root], true),
            (&["link", "list", "--json", &root], true),
            (&["key", "list", &root], is_shown),
            (&["key", "list", "--json", &root], is_shown),
            (&["key", "remove", &root, EVIL], false),
        ] {
            let words = [&["--pin", &pin, "--password-file", "password"][..], words].concat();
            let shown = on_terminal(&place, &words, "");
            harmless(&words, &shown);
            let says_why = shown.contains("sealift: ") || shown.contains(r#""event":"error""#);
            let is_expected = if is_shown { shown.contains("owned") } else { says_why };
            assert!(is_expected, "{words:?}: {shown}");
        }
    }
}

/// A name on our own disk, or typed by somebody else for us, is one argument of one command or nothing at all.
#[test]
fn crlf_from_local_name() {
    let deny = format!("550 denied {IDS} :No.\r\n");
    let server = Hostile::start(move |line| match line.split(' ').next()? {
        "USER" | "PASS" => None,
        "STAT" => Some(folder()),
        _ => Some(deny.clone().into_bytes()),
    });
    let place = Place::new();
    let pin = server.pin();
    let heard = |words: &[&str]| {
        let before = server.heard_all().lines.len();
        let ran = place.run(&[&["--pin", &pin][..], words].concat());
        assert_ne!(ran.code, Some(0), "{words:?}: {ran:?}");
        server.heard_all().lines.split_off(before)
    };
    let target = server.target("up/");

    // What cannot be a path is not sent at all: alone, in a tree, and in a list with others.
    fs::create_dir(place.path().join("tree")).unwrap();
    for evil in ["a\nDELETE b", "a\r\nDELETE b\r\n", "a\rDELETE b", "a\u{1b}[2J"] {
        fs::write(place.path().join(evil), "x").unwrap();
        fs::write(place.path().join("tree").join(evil), "x").unwrap();
        let lines = [heard(&["put", evil, &target]), heard(&["rm", &server.target(evil)])].concat();
        assert!(!lines.iter().any(|line| line.contains("DELETE") || line.contains("UPLOAD")), "{lines:?}");
    }
    let lines = heard(&["put", "-r", "tree", &target]);
    assert!(!lines.iter().any(|line| line.contains("DELETE") || line.contains("UPLOAD")), "{lines:?}");
    assert!(heard(&["rm", &format!("a\nSHUTDOWN@{}", server.target("x"))]).is_empty());

    // What only looks like a command, an option or an encoding is one encoded argument.
    for (odd, encoded) in [
        ("a DELETE b", "UPLOAD up/a%20DELETE%20b "),
        ("a%0D%0ADELETE b", "UPLOAD up/a%250D%250ADELETE%20b "),
        ("size=0", "UPLOAD up/size%3D0 "),
        ("..%2f", "UPLOAD up/..%252f "),
        ("a :226 done", "UPLOAD up/a%20%3A226%20done "),
        ("\u{85}\u{2028}DELETE b", "UPLOAD up/%C2%85%E2%80%A8DELETE%20b "),
    ] {
        fs::write(place.path().join(odd), "").unwrap();
        let lines = heard(&["put", odd, &target]);
        let uploads: Vec<_> = lines.iter().filter(|line| line.starts_with("UPLOAD")).collect();
        assert!(matches!(uploads[..], [line] if line.starts_with(encoded)), "{odd}: {lines:?}");
        assert!(!lines.iter().any(|line| line.starts_with("DELETE")), "{lines:?}");
    }
    assert_eq!(names(&place.dest()), [""; 0]);
}
