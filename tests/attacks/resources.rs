//! Attacks on what the server has a limited amount of: time, memory, threads, connections, descriptors.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code outside of a test function")]

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::common::trees::many_names;
use crate::common::{Daemon, Figures, RawClient, alone, eventually, many_files};
use crate::wire::{Foreign, client_hello, drip, has_ended, plain, pour, wait_for_end};

/// A warning, which TLS lets pass before the version is agreed on.
const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 1, 90];

/// A record that begins a ClientHello of 16 KiB.
const LONG_HELLO: [u8; 9] = [22, 3, 1, 0x3f, 0xff, 1, 0, 0x3f, 0xfb];

/// A server that waits for nobody, but forgives a machine that is busy.
fn impatient() -> Daemon {
    let options = ["--handshake-timeout", "5s", "--login-timeout", "8s", "--stall-window", "5s"];
    let daemon = Daemon::builder().args(options).start();
    daemon.add_user("alice", "right", "full");
    daemon
}

#[test]
fn slow_loris() {
    let daemon = impatient();
    let mut bystander = RawClient::logged_in(&daemon, "anonymous", "");
    thread::scope(|scope| {
        // In the handshake.
        scope.spawn(|| pour(plain(&daemon), &LONG_HELLO, &[3], Duration::from_millis(100)));
        // Nothing at all, ever.
        scope.spawn(|| wait_for_end(&mut plain(&daemon)));
        // In the login.
        scope.spawn(|| {
            let mut client = RawClient::connect(&daemon);
            drip(&mut client, b'U');
            assert_eq!(client.reply().1, "timed-out");
            assert!(client.rest().is_empty());
        });
        // In the login, with whole lines.
        scope.spawn(|| {
            let mut client = RawClient::connect(&daemon);
            client.send("USER alice\r\nPASS ");
            assert_eq!(client.reply().1, "password");
            drip(&mut client, b'x');
            assert_eq!(client.reply().1, "timed-out");
            assert!(client.rest().is_empty());
        });
        // In a line.
        scope.spawn(|| {
            let mut client = RawClient::logged_in(&daemon, "anonymous", "");
            client.send("STAT ");
            drip(&mut client, b'a');
            assert_eq!(client.reply().1, "timed-out");
            assert!(client.rest().is_empty());
        });
        // In a frame.
        scope.spawn(|| {
            let mut client = RawClient::logged_in(&daemon, "alice", "right");
            client.send("UPLOAD slow\r\n");
            client.send([0, 0x10, 0, 0]);
            drip(&mut client, b'a');
            assert_eq!(client.reply().1, "timed-out");
            assert!(client.rest().is_empty());
        });
    });
    assert!(!daemon.data().join("alice/slow").exists());
    assert_eq!(bystander.ask("PING").1, "pong", "who is idle between two commands may be");
}

#[test]
fn alert_flood() {
    let daemon = impatient();
    let hello = client_hello();
    // The first half of a ClientHello, and a whole one: alerts follow where the rest of the handshake should.
    let half = hello.get(..hello.len() / 2).unwrap();
    thread::scope(|scope| {
        for first in [&[][..], half, &hello] {
            for pace in [Duration::ZERO, Duration::from_millis(5)] {
                let daemon = &daemon;
                scope.spawn(move || pour(plain(daemon), first, &ALERT, pace));
            }
        }
    });
    RawClient::logged_in(&daemon, "anonymous", "");
}

#[test]
fn empty_records() {
    let daemon = Daemon::start();
    let mut foreign = Foreign::logged_in(&daemon);
    let flood: Vec<u8> = (0..10_000).flat_map(|_| foreign.forger.data(b"")).collect();
    foreign.send_and_be_cut(&flood);
    eventually("the log says why", || daemon.log().contains("without any content"));
    RawClient::logged_in(&daemon, "anonymous", "");
}

#[test]
fn key_update_flood() {
    let daemon = Daemon::start();
    let mut foreign = Foreign::logged_in(&daemon);
    let flood: Vec<u8> = (0..10_000).flat_map(|_| foreign.forger.key_update()).collect();
    foreign.send_and_be_cut(&flood);
    eventually("the log says why", || daemon.log().contains("without any content"));
    RawClient::logged_in(&daemon, "anonymous", "");
}

#[test]
fn connection_flood() {
    many_files();
    let flood = |daemon: &Daemon, count: usize| -> Vec<TcpStream> { (0..count).map(|_| plain(daemon)).collect() };
    let ended = |sockets: &mut Vec<TcpStream>| sockets.iter_mut().filter_map(|s| has_ended(s).then_some(())).count();

    // From one address: so many get in, the others are refused.
    let daemon = Daemon::builder().args(["--max-per-source", "30", "--handshake-timeout", "1h"]).start();
    let mut established = RawClient::logged_in(&daemon, "anonymous", "");
    let mut sockets = flood(&daemon, 60);
    eventually("31 are refused", || ended(&mut sockets) >= 31);
    eventually("each is in the log", || daemon.log().matches("too many from one address").count() == 31);
    assert_eq!(established.ask("PING").1, "pong");
    drop(sockets);
    eventually("the places come back", || RawClient::try_silent(daemon.port()).is_ok());

    // In total: the others of the same address are refused and cost no descriptor.
    let daemon = Daemon::builder().args(["--max-connections", "30", "--handshake-timeout", "1h"]).start();
    let mut established = RawClient::logged_in(&daemon, "anonymous", "");
    let figures = Figures::of(&daemon);
    let before = figures.descriptors();
    let sockets = flood(&daemon, 200);
    eventually("the places are taken", || established.ask("STATUS").2.get("connections").unwrap() == "30");
    assert_eq!(established.ask("PING").1, "pong");
    // A socket has two handles.
    assert!(figures.descriptors() <= before + 2 * 30 + 10, "{} descriptors", figures.descriptors());
    drop(sockets);
    eventually("the places come back", || RawClient::try_silent(daemon.port()).is_ok());
    assert_eq!(established.ask("PING").1, "pong");

    // Not logged in: more and more are refused by chance, never all of them.
    let daemon = Daemon::builder().args(["--handshake-timeout", "1h"]).start();
    let mut established = RawClient::logged_in(&daemon, "anonymous", "");
    let mut sockets = flood(&daemon, 600);
    eventually("some are refused", || ended(&mut sockets) > 60);
    eventually("it is in the log", || daemon.log().contains("too many not logged in"));
    assert_eq!(established.ask("PING").1, "pong");
    eventually("a newcomer still gets in", || {
        let client = RawClient::try_silent(daemon.port());
        client.is_ok_and(|mut client| client.try_reply().is_some() && client.try_login("anonymous", "").0 == 230)
    });
}

#[test]
fn huge_length() {
    let _turn = alone();
    let daemon = Daemon::start();
    daemon.add_user("alice", "right", "full");
    drop(RawClient::logged_in(&daemon, "alice", "right"));
    let figures = Figures::of(&daemon);
    let before = figures.peak();
    // Beside them, 1 << 31 says that the sender has nothing for now.
    for length in [u32::MAX - 1, (1 << 31) + 1, (1 << 31) - 1, (1 << 20) + 1] {
        let mut client = RawClient::logged_in(&daemon, "alice", "right");
        client.send("UPLOAD huge\r\n");
        client.send(length.to_be_bytes());
        assert_eq!(client.reply().1, "too-long", "{length}");
        assert!(client.rest().is_empty());
    }
    for logged_in in [false, true] {
        let mut client = RawClient::connect(&daemon);
        if logged_in {
            client.login("alice", "right");
        }
        let megabyte = vec![b'a'; 1 << 20];
        for _ in 0..100 {
            if client.try_send(&megabyte).is_err() {
                break;
            }
        }
        // Its answer may be lost behind all that was sent.
        if let Some((_, word, _)) = client.try_reply() {
            assert_eq!(word, "too-long");
        }
        eventually("the connection is closed", || client.try_send("a").is_err());
    }
    let taken = figures.peak() - before;
    assert!(taken < 8 * 1024, "{taken} KiB taken");
    assert!(fs::read_dir(daemon.data().join("alice")).unwrap().all(|entry| entry.unwrap().file_name() == ".sealift"));
}

#[test]
fn file_descriptor_famine() {
    let _turn = alone();
    let daemon = Daemon::builder().args(["--handshake-timeout", "1h"]).start();
    fs::write(daemon.public().join("file"), "content").unwrap();
    let mut established = RawClient::logged_in(&daemon, "anonymous", "");
    let figures = Figures::of(&daemon);
    let few = Some(figures.descriptors() as u64 + 20);
    let pid = Pid::from_raw(daemon.pid() as i32);
    prlimit(pid, Resource::Nofile, Rlimit { current: few, maximum: few }).unwrap();

    let mut sockets: Vec<TcpStream> = (0..60).map(|_| plain(&daemon)).collect();
    eventually("no descriptor is left", || daemon.log().contains("cannot accept a connection"));
    let (before, window) = (figures.processor_time(), Duration::from_secs(2));
    thread::sleep(window);
    let used = figures.processor_time() - before;
    assert!(used < window / 5, "{used:?} of processor time in {window:?} without descriptors");
    assert_eq!(established.ask("PING").1, "pong");
    // A file cannot be opened now, and that is said.
    let refused = established.download("file").unwrap_err();
    assert_eq!(refused.0 / 100, 4, "{refused:?}");

    sockets.clear();
    // Those that were waiting are let in first, and each takes descriptors for a moment.
    eventually("a file can be opened again", || established.download("file").is_ok());
    assert_eq!(RawClient::logged_in(&daemon, "anonymous", "").download("file").unwrap(), b"content");
    assert_eq!(established.download("file").unwrap(), b"content");
}

#[test]
fn slow_reader() {
    const READERS: usize = 200;
    let _turn = alone();
    many_files();
    let daemon = Daemon::builder().args(["--stall-window", "5s"]).start();
    let content = vec![7; 16 << 20];
    fs::write(daemon.public().join("file"), &content).unwrap();
    let mut served = RawClient::logged_in(&daemon, "anonymous", "");
    assert_eq!(served.download("file").unwrap().len(), content.len());
    let figures = Figures::of(&daemon);
    let before = figures.resident();
    let mut readers: Vec<RawClient> = (0..READERS).map(|_| RawClient::logged_in(&daemon, "anonymous", "")).collect();
    for reader in &mut readers {
        reader.line("DOWNLOAD file");
    }
    let connections =
        |served: &mut RawClient| -> usize { served.ask("STATUS").2.get("connections").unwrap().parse().unwrap() };
    // Others are served meanwhile, and for as long as it lasts.
    let mut threads = figures.threads();
    for _ in 0..20 {
        thread::sleep(Duration::from_millis(50));
        threads = threads.min(figures.threads());
    }
    eventually("all readers are given up", || {
        assert_eq!(served.download("file").unwrap().len(), content.len());
        let left = connections(&mut served);
        if left > READERS {
            threads = threads.min(figures.threads());
        }
        // What is given up is a matter of time, and no more of one if the machine does nothing else meanwhile.
        thread::sleep(Duration::from_millis(250));
        left == 1
    });
    let peak = figures.peak();
    let each = (peak - before) / READERS as u64;
    println!("{each} KiB for each of {READERS} that never read, {threads} threads");
    // Half of what they would hold if each were given all that a lone transfer gets, and some slack.
    assert!(each < 1536, "{each} KiB for each");
    // If each held a thread while it does not read, there would always have been more.
    assert!(threads < READERS as u64, "{threads} threads");
}

/// 100,000 entries in one folder, and a tree far deeper than any path may be.
#[test]
fn list_bomb() {
    let _turn = alone();
    // On the disk, making and removing the files takes most of a minute.
    let memory_disk = Path::new("/dev/shm");
    let place = if memory_disk.is_dir() { tempfile::tempdir_in(memory_disk) } else { tempfile::tempdir() }.unwrap();
    let daemon = Daemon::builder().within(place.path()).start();
    let many = daemon.public().join("many");
    fs::create_dir(&many).unwrap();
    many_names(&many, "", (0..100_000).map(|n| format!("entry-{n}")));
    let deep = daemon.public().join("deep");
    fs::create_dir_all(std::iter::repeat_n("d", 1000).fold(deep.clone(), |path, name| path.join(name))).unwrap();

    let mut client = RawClient::logged_in(&daemon, "anonymous", "");
    let figures = Figures::of(&daemon);
    let (before, descriptors) = (figures.peak(), figures.descriptors());
    assert_eq!(client.list("many").unwrap().len(), 100_000);
    let (lines, (_, _, fields)) = client.data("LIST recursive=yes").unwrap();
    let lines = String::from_utf8(lines).unwrap();
    let deepest = lines.lines().map(|line| line.matches("d/").count()).max().unwrap();
    println!("{fields:?}, deepest {deepest}");
    assert!(lines.lines().count() > 100_000 + 50);
    assert!(deepest < 64);
    let taken = figures.peak() - before;
    assert!(taken < 8 * 1024, "{taken} KiB taken");
    assert!(figures.descriptors() <= descriptors + 2, "descriptors are given back");
    // It never reads what it asked for.
    let mut rude = RawClient::logged_in(&daemon, "anonymous", "");
    (0..100).for_each(|_| rude.line("LIST recursive=yes"));
    assert_eq!(client.ask("PING").1, "pong");
    let taken = figures.peak() - before;
    assert!(taken < 8 * 1024, "{taken} KiB taken");
    drop(rude);
    fs::remove_dir_all(&deep).unwrap();
}
