//! Attacks on the web door by frames of HTTP/2, written by hand: floods that cost the sender little, and streams that are taken
//! back in the middle. The server stays up, others are served, and its memory holds.

use std::fs;
use std::thread::available_parallelism;
use std::time::Duration;

use sealift::limits;

use crate::common::web::{Frame, RawWeb, curl, frame, head_of};
use crate::common::{Daemon, Figures, RawClient, alone, eventually, many_files};

/// The address of whoever attacks.
const GREEDY: [u8; 4] = [127, 0, 1, 1];

/// What a flood may cost the server of memory, in KiB.
const ROOM: u64 = 24 * 1024;

/// A request for this path on this stream.
fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(Frame::HEADERS, Frame::END_STREAM | Frame::END_HEADERS, stream, &head_of(path, 0))
}

fn reset(stream: u32) -> Vec<u8> {
    // CANCEL.
    frame(Frame::RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

fn start() -> Daemon {
    // Of many alike the log tells each at debug only.
    let daemon = Daemon::builder().args(["--stall-window", "2s", "--log-level", "debug"]).start();
    fs::write(daemon.public().join("file"), "public").unwrap();
    fs::write(daemon.public().join("large"), vec![7; 8 * 1024 * 1024]).unwrap();
    assert_eq!(curl(&daemon, &["--http2"], "/file").text(), "public");
    daemon
}

/// The server is up, serves others, and has taken no more than a flood may cost.
fn unharmed(daemon: &Daemon, before: u64) {
    assert_eq!(curl(daemon, &["--http2"], "/file").text(), "public");
    let after = Figures::of(daemon).peak();
    assert!(after < before + ROOM, "{before} KiB before, {after} at most");
    assert!(!daemon.log().contains("panicked"));
}

#[test]
fn web_rapid_reset() {
    let _turn = alone();
    let daemon = start();
    let before = Figures::of(&daemon).peak();
    for path in ["/large", "/file", "/nothing"] {
        let mut web = RawWeb::two_from(GREEDY, &daemon);
        let mut sent = 0_u32;
        while sent < 20_000 && web.try_send([get(2 * sent + 1, path), reset(2 * sent + 1)].concat()) {
            sent += 1;
        }
        let last = std::iter::from_fn(|| web.frame()).last();
        assert!(sent < 20_000, "{path}: nobody ends it");
        assert!(last.is_none_or(|last| last.kind == Frame::GOAWAY || last.kind == Frame::RST_STREAM), "{path}");
    }
    unharmed(&daemon, before);
}

#[test]
fn web_continuation_flood() {
    let _turn = alone();
    let daemon = start();
    let before = Figures::of(&daemon).peak();
    // A head that never ends, of headers that count and of pieces that hold nothing.
    for piece in [&head_of("/file", 26)[..], b"", b"\x00\x02aa\x00"] {
        let mut web = RawWeb::two_from(GREEDY, &daemon);
        web.send(frame(Frame::HEADERS, Frame::END_STREAM, 1, &head_of("/file", 0)));
        let more = frame(Frame::CONTINUATION, 0, 1, piece).repeat(16);
        let all_sent = (0..20_000).all(|_| web.try_send(&more));
        assert!(!all_sent, "a head without end is read");
    }
    unharmed(&daemon, before);
}

#[test]
fn web_ping_and_settings_floods() {
    let _turn = alone();
    let daemon = start();
    let before = Figures::of(&daemon).peak();
    let ping = frame(Frame::PING, 0, 0, &[7; 8]).repeat(1000);
    // The least window there is, and then the largest.
    let settings =
        [frame(Frame::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1]), frame(Frame::SETTINGS, 0, 0, &[0, 4, 0x7f, 255, 255, 255])];
    // Nobody reads the answers: what comes is read as long as there is room for them, and others are served meanwhile.
    for piece in [ping, settings.concat().repeat(500)] {
        let mut web = RawWeb::two_from(GREEDY, &daemon);
        web.patience(Duration::from_secs(2));
        let _until_it_is_stuck = (0..400).all(|_| web.try_send(&piece));
        unharmed(&daemon, before);
    }
}

#[test]
fn web_window_updates_and_empty_data() {
    let _turn = alone();
    let daemon = start();
    let before = Figures::of(&daemon).peak();
    // A window beyond all bounds, none at all, data for a stream that nobody opened, and a head within a head.
    let most = 0x7fff_ffff_u32.to_be_bytes();
    for piece in [
        frame(Frame::WINDOW_UPDATE, 0, 0, &most).repeat(2),
        frame(Frame::WINDOW_UPDATE, 0, 0, &[0; 4]),
        frame(Frame::DATA, 0, 5, b"bytes"),
        [frame(Frame::HEADERS, 0, 1, &head_of("/file", 0)), get(3, "/file")].concat(),
        frame(Frame::CONTINUATION, Frame::END_HEADERS, 1, b""),
        frame(Frame::SETTINGS, 0, 0, &[0; 5]),
        frame(Frame::PING, 0, 1, &[0; 8]),
        get(2, "/file"),
    ] {
        let mut web = RawWeb::two_from(GREEDY, &daemon);
        web.send(&piece);
        let last = std::iter::from_fn(|| web.frame()).last();
        assert!(last.is_none_or(|last| last.kind == Frame::GOAWAY), "{piece:?}");
    }
    // Data without bytes, in a request whose body nobody wants.
    let mut web = RawWeb::two_from(GREEDY, &daemon);
    let mut head = head_of("/file", 0);
    // POST.
    head[0] = 0x83;
    web.send(frame(Frame::HEADERS, Frame::END_HEADERS, 1, &head));
    let empty = frame(Frame::DATA, 0, 1, b"").repeat(1000);
    let all_sent = (0..2000).all(|_| web.try_send(&empty));
    drop(web);
    println!("all data without bytes was read: {all_sent}");
    unharmed(&daemon, before);
}

/// The lines that the log has about this path.
fn lines_about(daemon: &Daemon, path: &str) -> Vec<String> {
    let about = format!("path=\"{path}\"");
    daemon.log().lines().filter(|line| line.contains("command") && line.contains(&about)).map(str::to_owned).collect()
}

fn bytes_in(line: &str) -> u64 {
    let word = line.split_whitespace().find_map(|word| word.strip_prefix("bytes=")).unwrap();
    word.parse().unwrap()
}

/// A stream that is taken back in the middle of a body leaves one line, with as many bytes as were on their way, whatever was being
/// done at that moment.
#[test]
fn web_streams_taken_back() {
    const ROUNDS: u32 = 40;
    let daemon = start();
    let mut web = RawWeb::two_from(GREEDY, &daemon);
    // Room for two of them and more.
    web.send(frame(Frame::WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes()));
    web.send(frame(Frame::SETTINGS, 0, 0, &[0, 4, 0x3f, 255, 255, 255]));
    for round in 0..ROUNDS {
        let stream = 2 * round + 1;
        web.send(get(stream, "/large"));
        let mut came = 0;
        // After the head, or after some of the data.
        let enough = (round as usize % 8) * 100_000;
        loop {
            let frame = web.frame().expect("the connection goes on");
            if frame.stream == stream {
                came += if frame.kind == Frame::DATA { frame.payload.len() } else { 0 };
                if came >= enough {
                    break;
                }
            }
        }
        web.send(reset(stream));
    }
    eventually("each has left its line", || lines_about(&daemon, "large").len() >= ROUNDS as usize);
    // The connection still serves.
    web.send(get(2 * ROUNDS + 1, "/file"));
    while web.frame().expect("the connection goes on").stream != 2 * ROUNDS + 1 {}
    drop(web);
    let lines = lines_about(&daemon, "large");
    assert_eq!(lines.len(), ROUNDS as usize, "{lines:#?}");
    for line in &lines {
        let is_whole = line.contains("outcome=\"done\"") && bytes_in(line) == 8 * 1024 * 1024;
        let is_cut_off = line.contains("outcome=\"aborted\"") && bytes_in(line) < 8 * 1024 * 1024;
        assert!(is_whole || is_cut_off, "{line}");
    }
    assert!(lines.iter().any(|line| line.contains("aborted") && bytes_in(line) > 0), "{lines:#?}");
}

/// What was read for a stream that is taken back, and never handed to the connection, is nowhere said to have been sent. The connection takes
/// as many chunks as the client gives room for, and maybe one that waits for more; the one behind that lies ready.
#[test]
fn web_bytes_that_nobody_was_sent() {
    let rooms = [0, 1, limits::CHUNK, limits::CHUNK + 1];
    let daemon = start();
    let mut web = RawWeb::two_from(GREEDY, &daemon);
    web.send(frame(Frame::WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes()));
    for (round, room) in rooms.into_iter().enumerate() {
        let stream = 2 * u32::try_from(round).unwrap() + 1;
        let setting = [&[0, 4][..], &u32::try_from(room).unwrap().to_be_bytes()].concat();
        web.send(frame(Frame::SETTINGS, 0, 0, &setting));
        web.send(get(stream, "/large"));
        let (mut has_head, mut came) = (false, 0);
        while !has_head || came < room {
            let frame = web.frame().expect("the connection goes on");
            if frame.stream == stream {
                has_head |= frame.kind == Frame::HEADERS;
                came += if frame.kind == Frame::DATA { frame.payload.len() } else { 0 };
            }
        }
        web.send(reset(stream));
        eventually("it has left its line", || lines_about(&daemon, "large").len() > round);
    }
    for (room, line) in rooms.into_iter().zip(lines_about(&daemon, "large")) {
        let chunks = room.div_ceil(limits::CHUNK) as u64;
        let taken = bytes_in(&line) / limits::CHUNK as u64;
        assert!((chunks..=chunks + 1).contains(&taken), "{room}: {line}");
    }
}

/// Where the connection goes, with HTTP/1, each leaves its line too.
#[test]
fn web_connections_cut_off_in_a_body() {
    const ROUNDS: usize = 20;
    let daemon = start();
    for round in 0..ROUNDS {
        let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
        web.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
        web.read(20 + round * 50_000);
    }
    eventually("each has left its line", || lines_about(&daemon, "large").len() >= ROUNDS);
    let lines = daemon.stop();
    let lines: Vec<&str> = lines.log.lines().filter(|line| line.contains("path=\"large\"")).collect();
    assert_eq!(lines.len(), ROUNDS, "{lines:#?}");
    assert!(lines.iter().all(|line| bytes_in(line) > 0), "{lines:#?}");
}

/// A body that breaks off, of a request that nobody wants one of.
#[test]
fn web_bodies_taken_back() {
    let daemon = start();
    let mut web = RawWeb::two_from(GREEDY, &daemon);
    // POST, and what is told of it does not come.
    let mut head = head_of("/file", 0);
    head[0] = 0x83;
    for round in 0..30 {
        let stream = 2 * round + 1;
        web.send(frame(Frame::HEADERS, Frame::END_HEADERS, stream, &head));
        web.send(frame(Frame::DATA, 0, stream, b"some bytes"));
        web.send(reset(stream));
    }
    web.send(get(61, "/file"));
    while web.frame().expect("the connection goes on").stream != 61 {}
    assert_eq!(fs::read_to_string(daemon.public().join("file")).unwrap(), "public");
    assert!(!daemon.log().contains("panicked"));
}

/// Connections that ask for as much as they may at once and read nothing, under a limit that the kernel enforces.
#[test]
fn web_bodies_ahead() {
    const FLOOD: u8 = 16;
    let _turn = alone();
    let daemon = Daemon::builder().args(["--memory", "256MiB", "--stall-window", "1h"]).start();
    fs::write(daemon.public().join("file"), "public").unwrap();
    // Bodies that nobody asked for, as far as the windows allow, on as many streams as may be open: 100 MiB for each connection.
    let piece = vec![7; 16 * 1024];
    std::thread::scope(|scope| {
        for n in 0..FLOOD {
            let (daemon, piece) = (&daemon, &piece);
            scope.spawn(move || {
                let mut web = RawWeb::two_from([127, 0, 2, 1 + n], daemon);
                for stream in 0..100 {
                    web.send(frame(Frame::HEADERS, Frame::END_HEADERS, 2 * stream + 1, &head_of("/file", 0)));
                }
                for _ in 0..limits::WEB_STREAM_WINDOW / 16_384 {
                    for stream in 0..100 {
                        if !web.try_send(frame(Frame::DATA, 0, 2 * stream + 1, piece)) {
                            return;
                        }
                    }
                }
            });
        }
    });
    let resident = Figures::of(&daemon).peak();
    println!("{resident} KiB resident with {FLOOD} that sent bodies ahead");
    assert!(resident < 256 * 1024, "{resident} KiB");
    assert_eq!(curl(&daemon, &["--http2"], "/file").text(), "public");
}

/// An upload that comes a byte at a time, faster than its user may send: what waits for its turn costs far more than its bytes.
#[test]
fn web_tiny_frames_of_a_body() {
    const FLOOD: u8 = 8;
    let _turn = alone();
    let daemon = Daemon::builder().args(["--stall-window", "1h"]).start();
    daemon.add_user_with("alice", "right", &["--access", "full", "--limit-rate-up", "64KiB"]);
    assert_eq!(curl(&daemon, &["--http2", "-u", "alice:right"], "/~alice/").status, 200);
    let before = Figures::of(&daemon).peak();
    std::thread::scope(|scope| {
        for n in 0..FLOOD {
            let daemon = &daemon;
            scope.spawn(move || {
                let mut web = RawWeb::two_from([127, 0, 2, 1 + n], daemon);
                let path = format!("/~alice/f{n}");
                // PUT, and who asks.
                let head = [b"\x02\x03PUT", head_of(&path, 0).get(1..).unwrap(), b"\x0f\x08\x16Basic YWxpY2U6cmlnaHQ="]
                    .concat();
                web.send(frame(Frame::HEADERS, Frame::END_HEADERS, 1, &head));
                let tiny = frame(Frame::DATA, 0, 1, b"x").repeat(1000);
                // As far as the window allows, or until it is ended.
                let _taken = (0..1000).take_while(|_| web.try_send(tiny.clone())).count();
            });
        }
    });
    let resident = Figures::of(&daemon).peak();
    println!("{before} KiB before, {resident} KiB with {FLOOD}");
    assert_eq!(curl(&daemon, &["--http2", "-u", "alice:right"], "/~alice/").status, 200);
    assert!(resident < before + u64::from(FLOOD) * 8 * 1024, "{before} KiB before, {resident} KiB at most");
}

#[test]
fn web_memory_budget() {
    const FLOOD: usize = 380;
    let _turn = alone();
    many_files();
    // What the server is told that it has, and the stacks of its threads.
    let limit_mib = 256 + 72 * available_parallelism().unwrap().get();
    let limited = format!("ulimit -d {} && exec \"$0\" \"$@\"", limit_mib * 1024);
    let daemon = Daemon::builder()
        .through(["sh", "-c", &limited])
        .args(["--memory", "256MiB", "--max-per-source", "5000", "--stall-window", "1h"])
        .start();
    fs::write(daemon.public().join("file"), "public").unwrap();
    fs::write(daemon.public().join("large"), vec![7; 8 * 1024 * 1024]).unwrap();
    daemon.add_user("alice", "right", "full");
    let flood: Vec<RawWeb> = (0..FLOOD)
        .map(|_| {
            let mut web = RawWeb::two_from(GREEDY, &daemon);
            let head = head_of("/large", 12);
            for stream in 0..100 {
                web.send(frame(Frame::HEADERS, Frame::END_STREAM | Frame::END_HEADERS, 2 * stream + 1, &head));
            }
            web
        })
        .collect();
    for _ in 0..5 {
        // Some places are kept for those who have a name.
        assert_eq!(curl(&daemon, &["--http2", "-u", "alice:right"], "/~alice/").status, 200);
    }
    let mut alice = RawClient::connect(&daemon);
    alice.login("alice", "right");
    assert_eq!(alice.upload("file", &[7; 1_000_000]).1, "done");
    let got = curl(&daemon, &["--http2", "-u", "alice:right"], "/~alice/file");
    assert!(got.body == [7; 1_000_000]);
    let resident = Figures::of(&daemon).peak();
    println!("{resident} KiB resident with {FLOOD} that never read");
    assert!(resident < 256 * 1024, "{resident} KiB");
    drop(flood);
    eventually("those who have no name are served again", || curl(&daemon, &["--http2"], "/file").text() == "public");
}
