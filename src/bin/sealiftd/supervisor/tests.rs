use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::{CommandFactory as _, FromArgMatches as _};
use sealift::server::Listeners;

use super::*;
use crate::args::Cli;

/// How long a process of the system may take for what it does at once.
const HANG: Duration = Duration::from_secs(60);

/// Puts a program there by another process: nothing that this one starts inherits it open to be written.
fn put(from: &str, text: &str, to: &Path) {
    let mut install = Command::new("install");
    install.args(["-m", "755", from]).arg(to).stdin(Stdio::piped());
    let mut install = install.spawn().unwrap();
    // One that reads a file may have ended.
    let _ = std::io::Write::write_all(&mut install.stdin.take().unwrap(), text.as_bytes());
    assert!(install.wait().unwrap().success());
}

/// What is sent to a supervisor until this is so; what it looks after by itself is done when it is due.
fn until(supervisor: &mut Supervisor<'_>, inbox: &Receiver<Event>, holds: impl Fn(&Supervisor<'_>) -> bool) {
    while !holds(supervisor) {
        if supervisor.due.is_some_and(|due| due <= Instant::now()) {
            assert!(supervisor.look().is_none());
            continue;
        }
        let event = inbox.recv_timeout(HANG).expect("nothing happens");
        assert!(supervisor.act(event).is_none(), "the supervisor ends");
    }
}

/// A supervisor of these servers, whose state is there.
fn of<'a>(cli: &'a Cli, start: &'a Start, events: Sender<Event>) -> Supervisor<'a> {
    Supervisor {
        places: (&cli.places, &cli.serve.nodes),
        start,
        grace: HANG,
        sockets: Sockets::of(&Listeners::open(&["127.0.0.1:0".parse().unwrap()]).unwrap()).unwrap(),
        manager: ServiceManager::of_environment(None).unwrap(),
        events,
        started: 0,
        server: None,
        draining: Draining::default(),
        next: Next::AsItEnds,
        programs: Programs::default(),
        crashes: VecDeque::new(),
        due: None,
        looked: Instant::now(),
        has_served: false,
        failure: String::new(),
        control: None,
        over: None,
    }
}

#[test]
fn told_to_stop_while_one_drains_it_starts_none_in_place_of_one_that_crashed() {
    let dir = tempfile::tempdir().unwrap();
    // It leaves its folders when it is told to end, and goes on.
    let serve = "to=$((LISTEN_FDS_FIRST_FD + LISTEN_FDS - 1)); trap 'printf X_SEALIFT_LEFT=1 >&$to' TERM; \
                 printf READY=1 >&$to; while :; do read -t 600 -u $to; done";
    let words = ["/bin/bash", "-c", serve].map(OsString::from).to_vec();
    let matches = Cli::command().get_matches_from(["sealiftd".as_ref(), "--state".as_ref(), dir.path().as_os_str()]);
    let cli = Cli::from_arg_matches(&matches).unwrap();
    let (events, inbox) = channel();
    let start = Start { words, matches };
    let mut supervisor = of(&cli, &start, events);
    let serves = |supervisor: &Supervisor<'_>| supervisor.server.as_ref().is_some_and(|server| server.is_ready);
    supervisor.start_server().unwrap();
    until(&mut supervisor, &inbox, serves);
    let (asker, answer) = channel();
    assert!(supervisor.act(Event::Wish(Wish::Program, Asker(asker))).is_none());
    until(&mut supervisor, &inbox, |supervisor| !supervisor.draining.is_empty() && serves(supervisor));
    assert!(answer.recv_timeout(HANG).unwrap().unwrap().contains("the one before sends what it has begun"));
    supervisor.server.as_ref().unwrap().signal(Signal::KILL);
    until(&mut supervisor, &inbox, |supervisor| supervisor.server.is_none());
    assert!(supervisor.due.is_some());
    supervisor.over = supervisor.act(Event::Signal(SIGTERM));
    assert!(supervisor.over.is_some() && supervisor.due.is_none() && !supervisor.draining.is_empty());
    let (asker, answer) = channel();
    assert!(supervisor.act(Event::Wish(Wish::Program, Asker(asker))).is_none());
    assert!(answer.recv_timeout(HANG).unwrap().is_err());
    assert_eq!(supervisor.started, 2);
    supervisor.draining.end_at_once(Signal::KILL);
    while !supervisor.draining.is_empty() {
        let event = inbox.recv_timeout(HANG).expect("it ends");
        assert!(supervisor.act(event).is_none());
    }
}

#[test]
fn a_program_that_never_says_that_it_serves_gives_way_to_the_one_before_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("program");
    put("/bin/bash", "", &program);
    let serve = "printf READY=1 >&$((LISTEN_FDS_FIRST_FD + LISTEN_FDS - 1)); exec sleep 600";
    let words = [program.as_os_str(), "-c".as_ref(), serve.as_ref()].map(OsString::from).to_vec();
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    let matches = Cli::command().get_matches_from(["sealiftd".as_ref(), "--state".as_ref(), state.as_os_str()]);
    let cli = Cli::from_arg_matches(&matches).unwrap();
    let (events, inbox) = channel();
    let start = Start { words, matches };
    let mut supervisor = of(&cli, &start, events);
    let serves = |supervisor: &Supervisor<'_>| supervisor.server.as_ref().is_some_and(|server| server.is_ready);
    supervisor.start_server().unwrap();
    until(&mut supervisor, &inbox, serves);
    put("/dev/stdin", "#!/bin/sh\nexec sleep 600\n", &program);
    for _ in 0..2 {
        let (asker, answer) = channel();
        let started = supervisor.started;
        assert!(supervisor.act(Event::Wish(Wish::Program, Asker(asker))).is_none());
        until(&mut supervisor, &inbox, |supervisor| supervisor.started > started);
        assert!(!serves(&supervisor));
        // Two minutes later.
        supervisor.server.as_mut().unwrap().due = Some(Instant::now());
        assert!(supervisor.look().is_none());
        until(&mut supervisor, &inbox, serves);
        let said = answer.recv_timeout(HANG).unwrap().unwrap_err();
        assert!(said.contains("did not say within 120 seconds") && said.contains("serves again"), "{said}");
    }
    // Mended.
    put("/bin/bash", "", &program);
    let (asker, answer) = channel();
    let before = supervisor.started;
    assert!(supervisor.act(Event::Wish(Wish::Program, Asker(asker))).is_none());
    until(&mut supervisor, &inbox, |supervisor| supervisor.started > before && serves(supervisor));
    assert!(answer.recv_timeout(HANG).unwrap().unwrap().contains("The next server serves"));
    supervisor.server.as_ref().unwrap().signal(Signal::KILL);
    until(&mut supervisor, &inbox, |supervisor| supervisor.server.is_none());
}
