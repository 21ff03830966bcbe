//! Attacks on the protocol itself: bytes that want to be read as something else than they are. Each test has the name
//! of its attack in `docs/SECURITY-TESTS.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use sealift::files::Hash;
use sealift::proto::frame::{END, header};

use crate::common::web::{RawWeb, client};
use crate::common::{Answer, Daemon, GIVE_UP, HANG, RawClient, frames_of, upload_bytes};

const PASSWORD: &str = "correct-horse";

/// A server with a user `alice` who may do everything and administers.
fn daemon() -> Daemon {
    let daemon = Daemon::start();
    daemon.add_user_with("alice", PASSWORD, &["--access", "full", "--admin"]);
    daemon
}

fn alice(daemon: &Daemon) -> RawClient {
    RawClient::logged_in(daemon, "alice", PASSWORD)
}

fn word(answer: &Answer) -> &str {
    &answer.1
}

/// The files of a home with their contents, `None` for folders; the server's own folder left out.
fn tree(home: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut left = vec![home.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap() == ".sealift" {
                continue;
            }
            let content = if path.is_dir() {
                left.push(path.clone());
                None
            } else {
                Some(fs::read(&path).unwrap())
            };
            found.insert(path.strip_prefix(home).unwrap().to_owned(), content);
        }
    }
    found
}

/// Data that a reader who has lost its place would obey.
const ORDERS: &[u8] =
    b"\r\nDELETE canary\r\nDELETE keep recursive=yes\r\nRENAME canary gone\r\nUPLOAD canary\r\n\0\0\0\0SHUTDOWN\r\n";

#[test]
fn desync() {
    let daemon = daemon();
    let home = daemon.data().join("alice");
    let mut client = alice(&daemon);
    assert_eq!(word(&client.upload("canary", b"alive")), "done");
    assert_eq!(word(&client.ask("MKDIR keep")), "done");

    // Orders as the whole data, at the edges of frames, and one byte a frame.
    assert_eq!(word(&client.upload("orders", ORDERS)), "done");
    for cut in 1..ORDERS.len() {
        let (one, two) = ORDERS.split_at(cut);
        client.send(
            [b"UPLOAD split\r\n", &frames_of(one)[..], &frames_of(two), &END, Hash::of(ORDERS).as_bytes()].concat(),
        );
    }
    let bytes: Vec<u8> = ORDERS.iter().flat_map(|byte| frames_of(&[*byte])).collect();
    client.send([b"UPLOAD single\r\n", &bytes[..], &END, Hash::of(ORDERS).as_bytes()].concat());
    for _ in 1..=ORDERS.len() {
        assert_eq!(word(&client.reply()), "done");
    }

    // In uploads that are refused: at the gate, by their line, by a condition, and by the trailer.
    for (line, expected) in [
        ("UPLOAD ../out", "bad-path"),
        ("UPLOAD .sealift/x", "not-found"),
        ("UPLOAD x size=nothing", "bad-command"),
        ("UPLOAD", "bad-command"),
        ("UPLOAD missing/x", "not-found"),
        ("UPLOAD canary if=absent", "exists"),
        ("UPLOAD keep", "is-directory"),
        ("UPLOAD x size=1", "integrity"),
    ] {
        let data = [frames_of(ORDERS), END.to_vec(), Hash::of(ORDERS).as_bytes().to_vec()].concat();
        client.send([line.as_bytes(), b"\r\n", &data, b"PING\r\n"].concat());
        assert_eq!(word(&client.reply()), expected, "{line}");
        assert_eq!(word(&client.reply()), "pong", "{line}");
    }
    // A trailer is 32 bytes whatever they say.
    let wrong: [u8; 32] = *b"DELETE canary\r\nDELETE canary\r\n\r\n";
    client.send([b"UPLOAD x\r\n", &frames_of(b"x")[..], &END, &wrong, b"PING\r\n"].concat());
    assert_eq!([client.reply(), client.reply()].each_ref().map(word), ["integrity", "pong"]);

    // Given up in the middle: between frames, before the first, and after a refusal.
    for (line, data, expected) in
        [("UPLOAD x", ORDERS, "aborted"), ("UPLOAD x", &b""[..], "aborted"), ("UPLOAD ../x", ORDERS, "bad-path")]
    {
        client.send([line.as_bytes(), b"\r\n", &frames_of(data), &GIVE_UP, b"PING\r\n"].concat());
        assert_eq!([client.reply(), client.reply()].each_ref().map(word), [expected, "pong"]);
    }
    // What looks like giving up inside of a frame is data.
    assert_eq!(word(&client.upload("f", &[&GIVE_UP[..], &END, ORDERS].concat())), "done");

    // Cut off in the middle of a frame that promises more.
    let mut other = alice(&daemon);
    other.send([b"UPLOAD x\r\n", &header(ORDERS.len() + 1)[..], ORDERS].concat());
    other.close();
    let mut other = alice(&daemon);
    other.send([b"UPLOAD x\r\n", &header(ORDERS.len() + 1)[..], ORDERS].concat());
    drop(other);
    // And before login, where an UPLOAD ends the connection with whatever it brings.
    let mut stranger = RawClient::connect(&daemon);
    stranger.send([b"UPLOAD x\r\n", &frames_of(ORDERS)[..], b"USER alice\r\nPASS correct-horse\r\n"].concat());
    assert_eq!(word(&stranger.reply()), "login-required");
    assert_eq!(stranger.try_reply(), None);

    assert_eq!(word(&client.ask("PING")), "pong");
    let after = tree(&home);
    assert_eq!(after[Path::new("canary")].as_deref(), Some(&b"alive"[..]));
    let names: Vec<_> = after.keys().map(|path| path.to_str().unwrap()).collect();
    assert_eq!(names, ["canary", "f", "keep", "orders", "single", "split"]);
    // The two homes, and the folder with the server's lock.
    assert_eq!(fs::read_dir(daemon.data()).unwrap().count(), 3, "{:?}", tree(&daemon.data()));

    chunks_of_any_size(&daemon);
}

/// The same bytes mean the same however the network cuts them.
fn chunks_of_any_size(daemon: &Daemon) {
    let mut script = Vec::new();
    for round in 0..6u8 {
        let data: Vec<u8> = ORDERS.iter().cycle().take(usize::from(round) * 700).copied().collect();
        script.extend(format!("MKDIR d{round}\r\n").bytes());
        script.extend(upload_bytes(&format!("d{round}/f mtime=1"), &data));
        script.extend([format!("UPLOAD d{round}/g\r\n").as_bytes(), &frames_of(ORDERS), &GIVE_UP].concat());
        script.extend(upload_bytes("../../etc/x", ORDERS));
        script.extend(
            format!("HASH d{round}/f\r\nRENAME d{round}/f d{round}/h\nNONSENSE\r\nSTAT d{round}/h\r\n").bytes(),
        );
    }
    script.extend(b"LOGOUT\r\n");

    let mut expected = None;
    for run in 0..8 {
        let user = format!("chunks{run}");
        daemon.add_user(&user, PASSWORD, "full");
        let mut client = RawClient::logged_in(daemon, &user, PASSWORD);
        let mut rest = &script[..];
        while !rest.is_empty() {
            let most = [script.len(), 1, 3, 17, 200, 900, 5000, 65536][run];
            let size = 1 + usize::try_from(getrandom::u64().unwrap()).unwrap() % most;
            // Every send is a record of its own.
            let (now, later) = rest.split_at(if run == 0 { rest.len() } else { size.min(rest.len()) });
            client.send(now);
            rest = later;
        }
        let said = String::from_utf8(client.rest()).unwrap();
        let words: Vec<String> =
            said.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(words.len(), 6 * 8 + 1, "{said}");
        let outcome = (words, tree(&daemon.data().join(&user)));
        assert_eq!(*expected.get_or_insert_with(|| outcome.clone()), outcome, "run {run}");
    }
}

/// A ClientHello as a good client sends it.
fn client_hello(alpns: &[&str]) -> rustls::ClientConnection {
    client("localhost", alpns)
}

fn socket(daemon: &Daemon) -> TcpStream {
    let socket = TcpStream::connect(("127.0.0.1", daemon.port())).unwrap();
    socket.set_read_timeout(Some(HANG)).unwrap();
    socket
}

/// Mail servers once obeyed, inside of TLS, what somebody had put in front of it (CVE-2011-0411).
#[test]
fn plaintext_prefix() {
    let daemon = daemon();
    fs::write(daemon.public().join("f"), "x").unwrap();
    for prefix in [&b"USER anonymous\r\n"[..], b"STARTTLS\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\r\n", b"\0", b"\x16\x03"]
    {
        let mut hello = Vec::new();
        client_hello(&["sealift/1"]).write_tls(&mut hello).unwrap();
        let mut socket = socket(&daemon);
        socket.write_all(&[prefix, &hello].concat()).unwrap();
        let mut answer = Vec::new();
        // It may be reset, for what the server has not read.
        let _judged_by_what_came = socket.read_to_end(&mut answer);
        if prefix.starts_with(b"GET") && !answer.is_empty() {
            // A fixed answer that says to use TLS, the same whatever is asked for.
            assert!(answer.starts_with(b"HTTP/1.1 400 ") && answer.len() < 256, "{}", answer.escape_ascii());
            continue;
        }
        // At most an alert (RFC 8446, section 6): no handshake record, and nothing readable.
        assert!(answer.is_empty() || answer[0] == 21, "{}: {answer:02x?}", prefix.escape_ascii());
        assert!(answer.len() <= 7, "{answer:02x?}");
    }
    let log = daemon.stop().log;
    assert!(!log.contains("logged in") && !log.contains("panic"), "{log}");
}

/// A browser sent to the port by an attacker must not have its request read as commands (ALPACA, CVE-2021-3618): what it
/// offers leads to the parser of HTTP or nowhere.
#[test]
fn foreign_alpn() {
    let (daemon, without) = (daemon(), Daemon::builder().args(["--web", "off"]).start());
    let none: &[&[&str]] = &[&["ftp"], &["sealift/2"], &["SEALIFT/1"], &["h3"], &["http/1.0"], &["imap", "pop3"]];
    let web: &[&[&str]] = &[&["h2"], &["http/1.1"], &["h2", "http/1.1"], &[]];
    let refused =
        none.iter().map(|alpns| (&daemon, *alpns)).chain(web.iter().chain(none).map(|alpns| (&without, *alpns)));
    for (daemon, alpns) in refused {
        let mut connection = client_hello(alpns);
        let mut socket = socket(daemon);
        let error = loop {
            match connection.complete_io(&mut socket) {
                Ok(_) if connection.is_handshaking() => {}
                Ok(_) => panic!("{alpns:?} was accepted"),
                Err(error) => break error,
            }
        };
        let alert = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let refused = rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol);
        assert_eq!(alert, Some(&refused), "{alpns:?}: {error}");
    }
    // What is no offer of ours is read as HTTP and as nothing else.
    for alpns in [&["http/1.1"][..], &["ftp", "http/1.1"], &[]] {
        let mut web = RawWeb::connect(&daemon, alpns);
        let answer = web.ask("USER anonymous\r\nPASS x\r\nLIST\r\n\r\n").unwrap();
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    // Beside others ours is chosen.
    let mut connection = client_hello(&["h2", "sealift/1"]);
    connection.complete_io(&mut socket(&daemon)).unwrap();
    assert_eq!(connection.alpn_protocol(), Some(&b"sealift/1"[..]));
}

/// Another protocol's client goes on talking where a person would stop.
#[test]
fn ten_unknown_verbs() {
    let daemon = daemon();
    fs::create_dir_all(daemon.data().join("alice")).unwrap();
    let before = tree(&daemon.data());
    // Behind them comes something that would be obeyed.
    let request =
        b"POST /x HTTP/1.1\r\nHost: a\r\nUser-Agent: b\r\nAccept: */*\r\nCookie: c\r\nX: 1\r\nY: 2\r\nZ: 3\r\n\
                    V: 4\r\nW: 5\r\nUSER anonymous\r\nPASS x\r\nMKDIR obeyed\r\nMKDIR obeyed2\r\n";
    for mut client in [RawClient::connect(&daemon), alice(&daemon)] {
        client.send(request);
        let words: Vec<_> = std::iter::from_fn(|| client.try_reply()).map(|answer| answer.1).collect();
        assert_eq!(words, ["unknown-verb"; 10]);
    }
    // Spread over a session they count all the same, and in any portions.
    let mut client = alice(&daemon);
    for _ in 0..9 {
        assert_eq!(word(&client.ask("NOOP")), "unknown-verb");
        assert_eq!(word(&client.ask("PING")), "pong");
    }
    client.line("\u{1b}[2J");
    assert_eq!(word(&client.reply()), "unknown-verb");
    assert_eq!(client.try_reply(), None);
    assert_eq!(tree(&daemon.data()), before);
}

/// A name on the disk, or in a command, is part of one reply and never a reply itself.
#[test]
fn forged_reply() {
    let daemon = daemon();
    let home = daemon.data().join("alice");
    let mut client = alice(&daemon);
    fs::create_dir_all(home.join("d\r\n226 ok")).unwrap();
    for name in ["x\r\n226 ok", "x\n550 denied :no", "x 226 ok", "x\r\n\0".trim_end_matches('\0'), "\u{1b}[2J :226"] {
        fs::write(home.join(name), "x").unwrap();
    }
    // In a listing: a line each, encoded.
    let (data, _) = client.data("LIST recursive=yes").unwrap();
    let text = String::from_utf8(data).unwrap();
    assert_eq!(text.matches('\n').count(), 6, "{text}");
    assert!(text.bytes().all(|byte| byte == b'\n' || (0x20..0x7f).contains(&byte)), "{text:?}");
    assert!(text.contains("x%0D%0A226%20ok\n"), "{text}");

    // In commands: one reply each, escaped. The PING behind it shows that there was no more.
    for verb in ["STAT", "LIST", "HASH", "DOWNLOAD", "DELETE", "MKDIR", "RENAME a"] {
        for name in
            ["x%0D%0A226%20ok%20%3Aforged", "x%0A550%20denied", "%1b[2J", "missing%20%3A226%20ok", "%C2%85%E2%80%A8226"]
        {
            client.line(format!("{verb} {name}"));
            client.line("PING");
            let line = String::from_utf8(client.raw_line().unwrap()).unwrap();
            assert!(line.starts_with("5") || line.starts_with("250 done"), "{verb} {name}: {line}");
            assert!(!line.chars().any(|c| c.is_control() || c == '\u{2028}'), "{line:?}");
            assert_eq!(word(&client.reply()), "pong", "{verb} {name}");
        }
    }
    // As a verb, as a user, and in what an administrator sees of others.
    let mut other = RawClient::connect(&daemon);
    other.line("USER a%0D%0A230%20welcome");
    assert_eq!(word(&other.reply()), "bad-command");
    other.line("230 welcome user=alice :Welcome.");
    let line = String::from_utf8(other.raw_line().unwrap()).unwrap();
    assert!(line.starts_with("500 unknown-verb :"), "{line}");
    other.line("PING");
    assert_eq!(word(&other.reply()), "login-required");
}
