//! What a connection costs while nothing happens on it. It measures.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code outside of a test function")]

use crate::common::web::{Frame, RawWeb, frame, head_of};
use crate::common::{Daemon, Figures, RawClient, alone, eventually, many_files};

/// Connections that are measured, after as many again that take what the first ones take once for all.
const CONNECTIONS: usize = 1000;

/// The bound in KiB. [`sealift::limits::CONNECTIONS_MAX`] reckons with 12; the rest is room for the allocator's mood.
const EACH: f64 = 16.0;

#[test]
fn idle_connections_are_small() {
    let _turn = alone();
    many_files();
    let daemon = Daemon::builder().args(["--max-per-source", "5000", "--log-level", "warn"]).start();
    std::fs::write(daemon.public().join("file"), vec![7; 700_000]).unwrap();
    let figures = Figures::of(&daemon);
    let mut clients: Vec<RawClient> = (0..CONNECTIONS).map(|_| used(&daemon)).collect();
    let before = rest(&figures);
    let open_before = figures.descriptors();
    // So many that what the allocator holds by chance before and after, some hundred KiB, is nothing for each.
    clients.extend((0..3 * CONNECTIONS).map(|_| used(&daemon)));
    let after = rest(&figures);
    let each = (after as f64 - before as f64) / (3 * CONNECTIONS) as f64;
    println!("{each:.1} KiB for an idle connection ({before} KiB with {CONNECTIONS}, {after} with four times as many)");
    assert!(each < EACH, "{each:.1} KiB for an idle connection");
    // A file that a client's last download or listing left open would show here too.
    assert_eq!(figures.descriptors() - open_before, 3 * CONNECTIONS, "one descriptor each");
    // They are alive.
    for client in clients.iter_mut().step_by(100) {
        assert_eq!(client.ask("PING").1, "pong");
    }
}

/// The bound in KiB of one that speaks HTTP/1.1, where hyper holds nothing for a connection that rests.
const EACH_OF_HTTP: f64 = 20.0;

#[test]
fn idle_connections_of_http_are_small() {
    let _turn = alone();
    many_files();
    let daemon = Daemon::builder().args(["--max-per-source", "5000", "--log-level", "warn"]).start();
    std::fs::write(daemon.public().join("file"), "hello").unwrap();
    let figures = Figures::of(&daemon);
    // Few enough that the first is not closed for its idleness before the last is open.
    let open = || -> Vec<RawWeb> { (0..CONNECTIONS / 5).map(|_| asked(&daemon)).collect() };
    let _first = open();
    rested();
    let (before, open_before) = (figures.resident(), figures.descriptors());
    let _second = open();
    rested();
    let after = figures.resident();
    assert_eq!(figures.descriptors() - open_before, CONNECTIONS / 5, "none was closed");
    let each = (after as f64 - before as f64) / (CONNECTIONS / 5) as f64;
    println!("{each:.1} KiB for an idle connection of HTTP/1.1 ({before} KiB, then {after})");
    assert!(each < EACH_OF_HTTP, "{each:.1} KiB for an idle connection of HTTP/1.1");
}

/// The bound in KiB of one that speaks HTTP/2. 28 of them are buffers that h2 0.4 makes for each connection, and has no setting for: 16
/// to write (`framed_write.rs`), 8 to read (tokio-util's `framed_impl.rs`), 4 for names and values (`hpack/decoder.rs`). What is ours
/// is no more than for HTTP/1.1. Its state is in there, so that it cannot be let go as that of HTTP/1.1 is.
const EACH_OF_HTTP_2: f64 = 28.0 + EACH_OF_HTTP;

#[test]
fn idle_connections_of_http_2_are_what_their_library_takes_and_small() {
    let _turn = alone();
    many_files();
    let daemon = Daemon::builder().args(["--max-per-source", "5000", "--log-level", "warn"]).start();
    std::fs::write(daemon.public().join("file"), "hello").unwrap();
    let figures = Figures::of(&daemon);
    let open = || -> Vec<RawWeb> { (0..CONNECTIONS / 5).map(|_| asked_by_two(&daemon)).collect() };
    let _first = open();
    rested();
    let (before, open_before) = (figures.resident(), figures.descriptors());
    let _second = open();
    rested();
    let after = figures.resident();
    assert_eq!(figures.descriptors() - open_before, CONNECTIONS / 5, "none was closed");
    let each = (after as f64 - before as f64) / (CONNECTIONS / 5) as f64;
    println!("{each:.1} KiB for an idle connection of HTTP/2 ({before} KiB, then {after})");
    assert!(each < EACH_OF_HTTP_2, "{each:.1} KiB for an idle connection of HTTP/2");
}

/// One that has fetched a file, and answered what it was asked.
fn asked_by_two(daemon: &Daemon) -> RawWeb {
    let mut web = RawWeb::two_from([127, 0, 0, 1], daemon);
    web.send(frame(Frame::HEADERS, Frame::END_STREAM | Frame::END_HEADERS, 1, &head_of("/file", 0)));
    loop {
        let Frame { kind, flags, stream, payload } = web.frame().expect("an answer");
        match kind {
            Frame::SETTINGS if flags & Frame::ACK == 0 => web.send(frame(Frame::SETTINGS, Frame::ACK, 0, &[])),
            Frame::DATA if stream == 1 && flags & Frame::END_STREAM != 0 => {
                assert!(payload == b"hello" || payload.is_empty(), "{payload:?}");
                return web;
            }
            _ => {}
        }
    }
}

fn asked(daemon: &Daemon) -> RawWeb {
    let mut web = RawWeb::connect(daemon, &["http/1.1"]);
    let got = web.ask("GET /file HTTP/1.1\r\nHost: x\r\n\r\n").expect("an answer");
    assert_eq!(got.text(), "hello");
    web
}

/// They rest by now.
fn rested() {
    std::thread::sleep(2 * sealift::limits::WEB_REST);
}

/// A connection that has logged in, listed and fetched, and then says nothing more.
fn used(daemon: &Daemon) -> RawClient {
    let mut client = RawClient::logged_in(daemon, "anonymous", "x");
    assert_eq!(client.list("").unwrap().len(), 1);
    assert_eq!(client.download("file").unwrap().len(), 700_000);
    client
}

/// Resident memory in KiB once it no longer changes.
fn rest(figures: &Figures) -> u64 {
    let mut last = 0;
    eventually("the server comes to rest", || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        std::mem::replace(&mut last, figures.resident()) == last
    });
    last
}
