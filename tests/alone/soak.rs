//! A long life in a short time: a million operations of all kinds against one server. It is run by name, since it takes its time:
//! `cargo test --test alone soak -- --ignored --nocapture`; `SEALIFT_SOAK=100000` has it do so many.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use base64::Engine as _;
use sealift::proto::Verb;

use crate::common::web::RawWeb;
use crate::common::{
    Daemon, Figures, GIVE_UP, PASSWORD, RawClient, World, all_asks, alone, eventually, frames_of, section,
};

/// Who work at once.
const CLIENTS: u64 = 4;

/// Operations of one session.
const SESSION: u64 = 400;

/// The bound in KiB on what more is resident at the end than after the first part: the allocator's mood, and what a million
/// operations may not add up to, which would be 8 bytes each.
const GROWTH: u64 = 8 * 1024;

/// The same for some thousand operations, of which the first part need not have met the busiest moment: 8 KiB each.
const GROWTH_OF_FEW: u64 = 24 * 1024;

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

#[test]
fn some_thousand_operations_leave_nothing_behind() {
    soak(4_000, 4, GROWTH_OF_FEW);
}

#[test]
#[ignore = "takes a quarter of an hour"]
fn a_million_operations_leave_nothing_behind() {
    let wanted = std::env::var("SEALIFT_SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    soak(wanted, 10, GROWTH);
}

/// Has so many operations done in so many parts. What is taken once for all is there after the first; from then on nothing more is.
fn soak(wanted: u64, parts: u64, growth: u64) {
    let _turn = alone();
    let world = World::of(&[]);
    let users: String = (0..CLIENTS)
        .map(|n| section(&format!("u{n}"), "\"full\"", &format!("u{n}")) + "quota = \"64 MiB\"\ntrash = \"1h\"\n")
        .collect();
    let folders = "[folders.team]\naccess = { \"*\" = \"full\" }\n[folders.bounded]\nquota = \"64 MiB\"\naccess = { \"*\" = \"full\" }\n";
    let users = format!("[anonymous]\nenabled = true\nhome = \"public\"\n{users}{folders}");
    world.set_users(&users);
    let daemon = world
        .daemon()
        .args(["--durability", "none", "--log-level", "error", "--audit", "audit/log", "--metrics", "127.0.0.1:0"])
        .start();
    let figures = Figures::of(&daemon);
    let begin = Instant::now();
    let first = work(&daemon, wanted / parts, 1);
    let (open, resident) = at_rest(&figures, usize::MAX);
    println!("{first} operations: {resident} KiB, {open} descriptors, {} threads", figures.threads());
    let mut done = first;
    let mut last = (open, resident);
    for part in 2..=parts {
        // The users change in the middle.
        world.set_users(&format!("{users}# {part}\n"));
        done += work(&daemon, wanted / parts, part);
        last = at_rest(&figures, open);
        let minutes = begin.elapsed().as_secs_f64() / 60.0;
        let threads = figures.threads();
        println!("{done} operations: {} KiB, {} descriptors, {threads} threads, {minutes:.1} min", last.1, last.0);
    }
    assert!(last.1 <= resident + growth, "{} KiB after {done} operations, {resident} after {first}", last.1);
    assert!(last.0 <= open, "{} open descriptors after {done} operations, {open} after {first}", last.0);
    let ended = daemon.stop();
    assert!(ended.code == Some(0) && !ended.log.contains("panic"), "{}", ended.log);
}

/// Descriptors, no more than these, and resident memory in KiB when all who came are gone.
fn at_rest(figures: &Figures, most: usize) -> (usize, u64) {
    let mut last = (0, 0);
    eventually("sessions end, and memory rests", || {
        thread::sleep(std::time::Duration::from_millis(200));
        let now = (figures.descriptors(), figures.resident());
        let rests = now.0 == last.0 && now.1.abs_diff(last.1) < 64 && now.0 <= most;
        last = now;
        rests
    });
    last
}

/// Has all clients do so many operations together; says how many they did.
fn work(daemon: &Daemon, wanted: u64, part: u64) -> u64 {
    let done = AtomicU64::new(0);
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let done = &done;
            scope.spawn(move || {
                let mut dice = Dice(part * CLIENTS + number);
                while done.load(Ordering::Relaxed) < wanted {
                    let did = match dice.below(4) {
                        0 => over_http(daemon, number, &mut dice),
                        _ => over_the_wire(daemon, number, &mut dice),
                    };
                    done.fetch_add(did, Ordering::Relaxed);
                }
            });
        }
    });
    done.into_inner()
}

/// A path that there may be something at.
fn path(dice: &mut Dice) -> String {
    let folder = ["", "team/", "bounded/", "d/", "d/e/"][dice.below(5) as usize];
    format!("{folder}f{}", dice.below(20))
}

/// A session of the own protocol: every verb with every form of its arguments, in any order.
fn over_the_wire(daemon: &Daemon, user: u64, dice: &mut Dice) -> u64 {
    if dice.below(8) == 0 {
        RawClient::connect(daemon).try_login(&format!("u{user}"), "wrong");
    }
    let mut client = RawClient::connect(daemon);
    match dice.below(10) {
        0 => client.login("anonymous", ""),
        _ => client.login(&format!("u{user}"), PASSWORD),
    }
    // After ten of them the connection would be over.
    assert_eq!(client.ask("NO SUCH COMMAND").1, "unknown-verb");
    let mut did = 2;
    while did < SESSION {
        let (one, other) = (path(dice), path(dice));
        let asks = all_asks(&one, &other);
        for _ in 0..20 {
            let ask = &asks[dice.below(asks.len() as u64) as usize];
            // Links stay, and there are only so many.
            if ask.verb != Verb::Link {
                ask.send(&mut client);
            }
            did += 1;
        }
        for line in ["MKDIR d/e parents=yes", "STATUS", "TRASH", "LIST . recursive=yes", "STAT ../x"] {
            client.line(line);
            loop {
                match client.reply().0 {
                    150 => drop(client.frames()),
                    100..200 => {}
                    _ => break,
                }
            }
            did += 1;
        }
        match dice.below(30) {
            0 => {
                // Cut off in the middle.
                client.line(format!("UPLOAD {one}"));
                client.send(frames_of(&vec![7; 300_000]));
                return did + 1;
            }
            1 => {
                client.line(format!("UPLOAD {one}"));
                client.send(frames_of(&vec![7; 300_000]));
                client.send(GIVE_UP);
                client.reply();
                did += 1;
            }
            2 => {
                client.upload(&one, &vec![dice.below(256) as u8; 2 << 20]);
                did += 1;
            }
            _ => {}
        }
    }
    client.line("LOGOUT");
    client.close();
    did
}

/// The same over HTTP.
fn over_http(daemon: &Daemon, user: u64, dice: &mut Dice) -> u64 {
    let mut web = RawWeb::connect(daemon, &["http/1.1"]);
    let login = base64::engine::general_purpose::STANDARD.encode(format!("u{user}:{PASSWORD}"));
    let mut did = 0;
    while did < SESSION {
        let (one, other) = (path(dice), path(dice));
        let to = format!("Destination: https://127.0.0.1/~u{user}/{other}\r\n");
        let (method, headers, body) = match dice.below(8) {
            0 => ("GET", "", ""),
            1 => ("PUT", "", "hello"),
            2 => ("DELETE", "", ""),
            3 => ("MKCOL", "", ""),
            4 => ("COPY", &*to, ""),
            5 => ("MOVE", &*to, ""),
            6 => ("PROPFIND", "Depth: 1\r\n", ""),
            _ => ("OPTIONS", "", ""),
        };
        let request = format!(
            "{method} /~u{user}/{one} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {login}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        did += 1;
        web.send(request);
        // An answer without a length, or a connection that ends: the next one.
        let Some(got) = web.answer() else { return did };
        if got.header("connection") == "close" || got.header("transfer-encoding") == "chunked" {
            return did;
        }
    }
    did
}
