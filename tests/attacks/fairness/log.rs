//! The log, which all sessions write and one reader reads.

use std::fs;
use std::io::{PipeReader, Read as _};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sealift::limits;

use crate::common::{Daemon, RawClient, World, enter, eventually};

/// Commands that a client sends before it reads their answers.
const AHEAD: usize = 100;

/// A server whose log goes into a pipe, and the end that it is read from.
fn with_a_pipe() -> (Daemon, PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    (Daemon::builder().args(["--log-level", "debug"]).log_to(writer).start(), reader)
}

/// Sends a command so many times, and has an answer to each.
fn pipeline(client: &mut RawClient, command: &str, times: usize) {
    let many = format!("{command}\r\n").repeat(AHEAD);
    for _ in 0..times / AHEAD {
        client.send(&many);
        (0..AHEAD).for_each(|_| drop(client.reply()));
    }
}

/// Makes the server write far more into its log than fits on the way to a reader that stands still.
fn fill(daemon: &Daemon) {
    for last in 1..=15 {
        let mut client = RawClient::from([127, 0, 0, last], daemon);
        client.login("anonymous", "");
        pipeline(&mut client, "PING", 1200);
    }
}

/// Nobody reads the log: 18,000 commands are served as ever, and a signal ends the server. When it is read again, it
/// says how much of it was lost.
#[test]
fn stalled_log() {
    let (mut daemon, unread) = with_a_pipe();
    fill(&daemon);
    assert_eq!(RawClient::logged_in(&daemon, "anonymous", "").ask("PING").1, "pong");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().code, Some(0));
    drop(unread);

    let (mut daemon, mut reader) = with_a_pipe();
    fill(&daemon);
    let log = Mutex::new(String::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut bytes = [0; 64 * 1024];
            while let Ok(n @ 1..) = reader.read(&mut bytes) {
                log.lock().unwrap().push_str(str::from_utf8(&bytes[..n]).unwrap());
            }
        });
        eventually("it says what was lost", || log.lock().unwrap().contains("lines of this log were lost"));
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.wait().code, Some(0));
    });
    let log = log.into_inner().unwrap();
    let lost = log.lines().find(|line| line.contains("lines of this log were lost")).unwrap();
    let lost: usize = lost.split("lost=").nth(1).unwrap().parse().unwrap();
    assert!(lost > 1000, "{lost} lost");
    assert!(log.contains(" stopped "), "the rest is written before the end: {:?}", log.lines().last());
}

/// One session pipelines commands: a few lines tell of them all, and those of others are there.
#[test]
fn log_flood() {
    const COMMANDS: usize = 20_000;
    let daemon = Daemon::start();
    let begun = Instant::now();
    let mut client = RawClient::from([127, 0, 0, 2], &daemon);
    client.login("anonymous", "");
    pipeline(&mut client, "PING", COMMANDS);
    pipeline(&mut client, "STATUS", COMMANDS);
    pipeline(&mut client, "STAT nothing", COMMANDS);
    pipeline(&mut client, "LIST nothing", COMMANDS);
    let mut other = RawClient::from([127, 0, 0, 3], &daemon);
    other.login("anonymous", "");
    assert_eq!(other.ask("LIST something").1, "not-found");
    drop(client);
    let log = || daemon.log();
    eventually("the lines of others are there", || log().contains("path=\"something\""));
    let told = |log: &str| said_more(log, "LIST") + log.matches("path=\"nothing\"").count();
    eventually("the rest is said as a number", || told(&log()) == COMMANDS);
    let log = log();
    let windows = begun.elapsed().as_secs() / limits::LOG_WINDOW.as_secs() + 1;
    assert!(log.lines().count() < 200 * windows as usize, "{} lines", log.lines().count());
    assert_eq!(log.matches("PING").count() + log.matches("STATUS").count() + log.matches("\"STAT\"").count(), 0);
}

/// More than what one source may cause in so long a time, beside what the server says of itself.
fn most_lines(took: Duration) -> usize {
    let windows = took.as_secs() / limits::LOG_WINDOW.as_secs() + 1;
    100 + limits::LOG_LINES as usize * windows as usize
}

/// How many more commands of this name the log tells of in numbers.
fn said_more(log: &str, verb: &str) -> usize {
    let said = log.lines().filter(|line| line.contains(&format!("verb=\"{verb}\"")));
    said.filter_map(|line| line.split(" more=").nth(1)?.split_whitespace().next()?.parse::<usize>().ok()).sum()
}

/// Somebody who comes and goes writes so many lines and no more, whatever each of them says.
#[test]
fn coming_and_going_fills_no_log() {
    let daemon = Daemon::builder().args(["--max-startups", "1000:30:1000"]).start();
    let begun = Instant::now();
    for _ in 0..400 {
        let mut client = RawClient::from([127, 0, 0, 2], &daemon);
        client.login("anonymous", "");
        // Each has so many lines that a slow machine writes too much as well.
        pipeline(&mut client, "LIST nothing", AHEAD);
        assert_eq!(client.ask("LOGOUT").1, "bye");
    }
    let took = begun.elapsed();
    eventually("the rest is said as a number", || daemon.log().contains("more lines of one source"));
    let log = daemon.log();
    assert!(log.lines().count() < most_lines(took), "{} lines", log.lines().count());
    let said = log.lines().find(|line| line.contains("more lines of one source")).unwrap();
    assert!(said.contains("127.0.0.2"), "{said}");
}

/// What an ACCEPT does is told in a line of its own, which counts like all others.
#[test]
fn accepting_one_file_over_and_over_fills_no_log() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    fs::create_dir_all(world.home("alice")).unwrap();
    fs::write(world.home("alice").join("file"), b"bytes").unwrap();
    let begun = Instant::now();
    let mut alice = enter(&daemon, "alice");
    pipeline(&mut alice, "ACCEPT file", 2000);
    let took = begun.elapsed();
    assert_eq!(alice.ask("ACCEPT file").1, "done");
    eventually("the rest is said as a number", || daemon.log().contains("more lines of one source"));
    let log = daemon.log();
    assert!(log.contains("accepted") && log.lines().count() < most_lines(took), "{} lines", log.lines().count());
}
