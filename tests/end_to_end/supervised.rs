//! `--supervise`: a process that holds the sockets while servers come and go.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::common::program::Terminal;
use crate::common::{
    Builder, Daemon, HANG, RawClient, World, enter, eventually, put_program, put_script, sealiftd, text, upload_bytes,
};

/// The number of the process that serves.
pub fn server_of(daemon: &Daemon) -> i32 {
    let mut client = RawClient::connect(daemon);
    client.login("anonymous", "");
    client.ask("PING").2.get("pid").unwrap().parse().unwrap()
}

/// A server with a supervisor that can be asked for something: it is, a moment after the server is ready.
pub fn supervised(server: Builder) -> Daemon {
    let daemon = server.arg("--supervise").start();
    let is_there = || UnixStream::connect(daemon.place().join("server_state/supervisor")).is_ok();
    eventually("the supervisor can be asked", is_there);
    daemon
}

pub fn reload(daemon: &Daemon, args: &[&str]) -> Output {
    daemon.command(&["reload"]).args(args).output().unwrap()
}

/// Replaces the server; the number of the one that serves then.
pub fn replace(daemon: &Daemon) -> i32 {
    let output = reload(daemon, &["--binary"]);
    let said = text(&output.stdout);
    assert!(output.status.success() && said.contains("The next server serves"), "{said}{}", text(&output.stderr));
    server_of(daemon)
}

pub fn is_there(pid: i32) -> bool {
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok()
}

/// `sealift` as a person runs it who knows the server already.
fn sealift(daemon: &Daemon, home: &std::path::Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    command.args(["--pin", daemon.pin(), "--quiet"]).args(words).current_dir(home).env("HOME", home);
    command.output().unwrap()
}

#[test]
fn a_server_is_replaced_and_no_client_fails() {
    let world = World::of(&["alice"]);
    let daemon = supervised(world.daemon().args(["--grace", "1s"]));
    fs::write(daemon.public().join("f"), vec![b'x'; 3 << 20]).unwrap();
    let home = tempfile::tempdir().unwrap();
    let (over, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let from = format!("{}/f", daemon.address());
    let first = server_of(&daemon);
    let mut servers = vec![first];
    thread::scope(|scope| {
        for number in 0..4 {
            let (daemon, home, over, done, from) = (&daemon, home.path(), &over, &done, &from);
            scope.spawn(move || {
                let to = format!("got{number}");
                while !over.load(Ordering::Relaxed) {
                    let got = sealift(daemon, home, &["get", from, &to]);
                    assert!(got.status.success(), "{}", text(&got.stderr));
                    assert_eq!(fs::metadata(home.join(&to)).unwrap().len(), 3 << 20);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..3 {
            let before = done.load(Ordering::Relaxed);
            eventually("some have come", || done.load(Ordering::Relaxed) >= before + 4);
            servers.push(replace(&daemon));
        }
        over.store(true, Ordering::Relaxed);
    });
    servers.sort_unstable();
    servers.dedup();
    assert_eq!(servers.len(), 4, "each is another process");
    assert!(!servers.contains(&i32::try_from(daemon.pid()).unwrap()), "the supervisor serves nobody");
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(servers.iter().all(|pid| !is_there(*pid)));
}

#[test]
fn where_the_next_server_could_not_start_the_one_that_serves_stays() {
    let world = World::of(&["alice"]);
    let daemon = supervised(world.daemon());
    let first = server_of(&daemon);
    fs::write(daemon.place().join("sealiftd.toml"), "no_such_key = 1\n").unwrap();
    let refused = reload(&daemon, &["--binary"]);
    let said = text(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("no_such_key"), "{said}");
    fs::write(daemon.place().join("sealiftd.toml"), "").unwrap();
    let users = fs::read_to_string(daemon.place().join("users.toml")).unwrap();
    world.set_users("[users.alice]\nno_such_key = 1\n");
    let refused = reload(&daemon, &["--binary"]);
    let said = text(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("no_such_key"), "{said}");
    world.set_users(&users);
    assert_eq!(server_of(&daemon), first);
    assert_ne!(replace(&daemon), first);
}

#[test]
fn what_the_next_server_could_not_have_is_found_before_the_one_that_serves_ends() {
    let world = World::of(&["alice"]);
    let settings = world.place().join("sealiftd.toml");
    fs::write(&settings, "metrics = \"unix:figures\"\n").unwrap();
    let daemon = supervised(world.daemon());
    let first = server_of(&daemon);
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    fs::write(world.place().join("file"), "").unwrap();
    for (more, why) in [
        (format!("metrics = \"{}\"\n", other.local_addr().unwrap()), "for figures: "),
        ("audit = \"file/audit.jsonl\"\n".to_owned(), "the audit file/audit.jsonl"),
    ] {
        fs::write(&settings, more).unwrap();
        let refused = reload(&daemon, &["--binary"]);
        let said = text(&refused.stderr);
        assert!(refused.status.code() == Some(1) && said.contains(why), "{said}");
        assert_eq!(server_of(&daemon), first);
    }
    // What that one has itself is free when it has ended.
    fs::write(&settings, "metrics = \"unix:figures\"\n").unwrap();
    assert_ne!(replace(&daemon), first);
}

#[test]
fn a_server_that_is_killed_is_started_again_and_one_that_does_not_stay_is_given_up() {
    let mut daemon = Daemon::builder().arg("--supervise").start();
    let mut servers = vec![server_of(&daemon)];
    while servers.len() <= sealift::limits::SUPERVISED_CRASHES {
        kill_process(Pid::from_raw(*servers.last().unwrap()).unwrap(), Signal::KILL).unwrap();
        // Waits in the socket until there is another one.
        servers.push(server_of(&daemon));
    }
    kill_process(Pid::from_raw(*servers.last().unwrap()).unwrap(), Signal::KILL).unwrap();
    let ended = daemon.wait();
    assert!(ended.code == Some(1) && ended.log.contains("giving up"), "{}", ended.log);
}

#[test]
fn a_first_server_that_cannot_start_says_why_and_is_not_tried_again() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("users.toml"), "[users.alice]\nno_such_key = 1\n").unwrap();
    let output = sealiftd(place.path()).args(["--supervise", "--listen", "127.0.0.1:0"]).output().unwrap();
    let said = text(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("no_such_key"), "{said}");
    assert_eq!(said.matches("started a server").count(), 1, "{said}");
}

/// A download of so much that the server has to wait for whoever reads it.
pub const LARGE: usize = 32 << 20;

const SENT: &[u8] = b"sent to its end";

pub fn begin_download(daemon: &Daemon) -> RawClient {
    let large = daemon.data().join("alice/large");
    if !large.exists() {
        fs::write(large, vec![b'x'; LARGE]).unwrap();
    }
    let mut alice = enter(daemon, "alice");
    assert_eq!(alice.ask("DOWNLOAD large").0, 150);
    alice
}

pub fn end_download(mut alice: RawClient) {
    assert_eq!(alice.frames().unwrap().len(), LARGE);
    assert_eq!(alice.reply().1, "done");
}

/// An upload of which the end is missing.
pub fn begin_upload(daemon: &Daemon) -> RawClient {
    let mut alice = enter(daemon, "alice");
    let bytes = upload_bytes("sent", SENT);
    alice.send(&bytes[..bytes.len() - 1]);
    alice
}

pub fn end_upload(mut alice: RawClient) {
    let bytes = upload_bytes("sent", SENT);
    alice.send(&bytes[bytes.len() - 1..]);
    assert_eq!(alice.reply().1, "done");
}

#[test]
fn a_server_ends_in_order_when_its_supervisor_is_killed() {
    let world = World::of(&["alice"]);
    for _ in 0..3 {
        let daemon = supervised(world.daemon());
        let server = server_of(&daemon);
        let alice = begin_download(&daemon);
        let log = daemon.kill().log;
        assert!(!log.contains("ending at once"), "{log}");
        end_download(alice);
        eventually("the server ends", || !is_there(server));
    }
    let log = fs::read_to_string(world.place().join("log")).unwrap();
    assert!(log.contains("the supervisor is gone") && !log.contains("ending at once"), "{log}");
}

/// A program of a test's own that servers are started from.
fn program_in(world: &World) -> PathBuf {
    let program = world.place().join("program");
    put_program(Path::new(env!("CARGO_BIN_EXE_sealiftd")), &program);
    program
}

#[test]
fn a_program_that_passes_the_check_and_does_not_serve_gives_way_to_the_one_before() {
    let world = World::of(&["alice"]);
    let program = program_in(&world);
    let manager = UnixDatagram::bind(world.place().join("notify")).unwrap();
    manager.set_read_timeout(Some(HANG)).unwrap();
    let socket = world.place().join("notify");
    let server = world.daemon().program(&program).env("NOTIFY_SOCKET", socket.to_str().unwrap());
    let daemon = supervised(server);
    let first = server_of(&daemon);
    let good = env!("CARGO_BIN_EXE_sealiftd");
    put_script(&format!("#!/bin/sh\ncase $* in *check*) exec {good} \"$@\" ;; esac\nexit 3\n"), &program);
    let said = reload(&daemon, &["--binary"]);
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    let why = "does not serve (it ended with 3); the one before serves again";
    assert!(text(&said.stderr).contains(why), "{said:?}");
    let second = server_of(&daemon);
    assert!(second != first && daemon.log().contains("the program before it is started again"), "{}", daemon.log());
    assert_eq!(
        daemon.log().matches("it ended with 3").count(),
        sealift::limits::SUPERVISED_CRASHES,
        "{}",
        daemon.log()
    );
    let mut heard = String::new();
    while !heard.contains("the new one did not start. Serving") {
        let mut buffer = [0; 4096];
        let len = manager.recv(&mut buffer).expect("the service manager hears nothing");
        heard += &text(buffer.get(..len).unwrap());
    }
    // It is what is started again, too.
    kill_process(Pid::from_raw(second).unwrap(), Signal::KILL).unwrap();
    assert_ne!(server_of(&daemon), second);
    // Mended.
    put_program(Path::new(good), &program);
    let third = replace(&daemon);
    assert!(!daemon.log().contains("giving up"), "{}", daemon.log());
    // Nothing to start another one from is no other case.
    fs::remove_file(&program).unwrap();
    kill_process(Pid::from_raw(third).unwrap(), Signal::KILL).unwrap();
    assert_ne!(server_of(&daemon), third);
}

#[test]
fn a_program_that_cannot_be_run_when_its_turn_comes_gives_way_to_the_one_before() {
    let world = World::of(&["alice"]);
    let program = program_in(&world);
    let daemon = supervised(world.daemon().program(&program));
    let alice = begin_upload(&daemon);
    thread::scope(|scope| {
        let replacing = scope.spawn(|| reload(&daemon, &["--binary"]));
        eventually("the server drains", || daemon.log().contains("no longer listening"));
        put_script("no program", &program);
        fs::set_permissions(&program, fs::Permissions::from_mode(0o600)).unwrap();
        end_upload(alice);
        let said = replacing.join().unwrap();
        assert!(!said.status.success() && text(&said.stderr).contains("does not serve"), "{said:?}");
    });
    server_of(&daemon);
}

#[test]
fn whoever_asks_meanwhile_is_answered() {
    let world = World::of(&["alice"]);
    let daemon = supervised(world.daemon());
    let first = server_of(&daemon);
    // Who says nothing keeps nobody waiting.
    let _silent = UnixStream::connect(world.place().join("server_state/supervisor")).unwrap();
    let alice = begin_upload(&daemon);
    thread::scope(|scope| {
        let replacing = scope.spawn(|| replace(&daemon));
        eventually("the server drains", || daemon.log().contains("no longer listening"));
        let said = reload(&daemon, &["--binary"]);
        assert!(said.status.code() == Some(1) && text(&said.stderr).contains("somebody else"), "{said:?}");
        let said = reload(&daemon, &[]);
        assert!(said.status.code() == Some(1) && text(&said.stderr).contains("just now"), "{said:?}");
        assert!(!replacing.is_finished());
        end_upload(alice);
        assert_ne!(replacing.join().unwrap(), first);
    });
    assert!(reload(&daemon, &[]).status.success());
}

#[test]
fn a_state_folder_that_goes_away_is_said_and_found_again() {
    let world = World::of(&["alice"]);
    let daemon = supervised(world.daemon());
    let (state, aside) = (world.place().join("server_state"), world.place().join("aside"));
    fs::rename(&state, &aside).unwrap();
    eventually("it is said", || daemon.log().contains("own state is gone"));
    assert_eq!(reload(&daemon, &[]).status.code(), Some(3));
    fs::rename(&aside, &state).unwrap();
    assert!(reload(&daemon, &[]).status.success());
    // The socket alone.
    fs::remove_file(state.join("supervisor")).unwrap();
    eventually("it is made anew", || daemon.log().contains("is made anew"));
    assert!(reload(&daemon, &[]).status.success());
}

#[test]
fn a_program_that_checks_nothing_takes_no_server_s_place() {
    let world = World::of(&["alice"]);
    let program = program_in(&world);
    let daemon = supervised(world.daemon().program(&program));
    let first = server_of(&daemon);
    for script in ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho ready\n", "#!/bin/sh\nkill -SEGV $$\n"] {
        put_script(script, &program);
        let said = reload(&daemon, &["--binary"]);
        assert_eq!(said.status.code(), Some(1), "{script} {said:?}");
        assert!(text(&said.stderr).contains("cannot check the settings"), "{script} {said:?}");
    }
    assert_eq!(server_of(&daemon), first);
}

#[test]
fn a_wish_to_read_files_again_ends_no_server_that_starts() {
    let place = tempfile::tempdir().unwrap();
    let log = fs::File::create(place.path().join("log")).unwrap();
    let mut server = sealiftd(place.path());
    server.args(["--supervise", "--listen", "127.0.0.1:0", "--port-file", "port"]).stdout(Stdio::null()).stderr(log);
    let mut server = server.spawn().unwrap();
    let pid = Pid::from_child(&server);
    let said = |what: &str| fs::read_to_string(place.path().join("log")).unwrap().contains(what);
    eventually("a server starts", || said("started a server"));
    eventually("it serves", || {
        kill_process(pid, Signal::HUP).unwrap();
        place.path().join("port").exists()
    });
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(server.wait().unwrap().code(), Some(0));
    assert!(!said("started again"));
}

#[test]
fn files_are_read_again_on_request_and_without_a_supervisor_that_is_said() {
    let world = World::of(&["alice"]);
    let daemon = supervised(world.daemon());
    let output = reload(&daemon, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    eventually("they are read again", || daemon.log().contains("are read again"));
    daemon.stop();
    for (args, what) in [(&["reload"][..], "no server runs here"), (&["reload", "--binary"], "with --supervise")] {
        let output = sealiftd(world.place()).args(args).output().unwrap();
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(3) && said.contains(what), "{said}");
    }
}

#[test]
fn a_service_manager_is_told_that_the_service_goes_on() {
    let world = World::of(&["alice"]);
    let manager = UnixDatagram::bind(world.place().join("notify")).unwrap();
    manager.set_read_timeout(Some(HANG)).unwrap();
    let hears_until = |line: &str| {
        let mut all = String::new();
        while !all.lines().any(|heard| heard == line) {
            let mut buffer = [0; 4096];
            let len = manager.recv(&mut buffer).expect("the service manager hears nothing");
            all += &text(buffer.get(..len).unwrap());
            all += "\n";
        }
        all
    };
    let socket = world.place().join("notify");
    let daemon = supervised(world.daemon().env("NOTIFY_SOCKET", socket.to_str().unwrap()));
    hears_until("READY=1");
    replace(&daemon);
    let heard = hears_until("READY=1");
    assert!(heard.contains("RELOADING=1\nMONOTONIC_USEC=") && !heard.contains("STOPPING"), "{heard}");
    daemon.stop();
    let last = hears_until("STOPPING=1");
    manager.set_nonblocking(true).unwrap();
    let mut rest = String::new();
    let mut buffer = [0; 4096];
    while let Ok(len) = manager.recv(&mut buffer) {
        rest += &text(buffer.get(..len).unwrap());
    }
    assert!(!rest.contains("STOPPING"), "said twice: {last}{rest}");
}

#[test]
fn a_server_that_takes_long_to_start_is_not_ended_by_the_service_manager() {
    let world = World::of(&["alice"]);
    let program = program_in(&world);
    let (socket, go) = (world.place().join("notify"), world.place().join("go"));
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(HANG)).unwrap();
    let server = world.daemon().program(&program).env("NOTIFY_SOCKET", socket.to_str().unwrap());
    let daemon = supervised(server.env("WATCHDOG_USEC", "60000000"));
    let good = env!("CARGO_BIN_EXE_sealiftd");
    let wait = format!("while [ ! -e {} ]; do sleep 0.1; done", go.display());
    let script = format!("#!/bin/sh\ncase $* in *check*) ;; *) {wait} ;; esac\nexec {good} \"$@\"\n");
    put_script(&script, &program);
    thread::scope(|scope| {
        let replacing = scope.spawn(|| replace(&daemon));
        eventually("the next one starts", || daemon.log().matches("started a server").count() == 2);
        // What was said before that.
        let mut buffer = [0; 4096];
        manager.set_nonblocking(true).unwrap();
        while manager.recv(&mut buffer).is_ok() {}
        manager.set_nonblocking(false).unwrap();
        let heard = manager.recv(&mut buffer).map(|len| text(buffer.get(..len).unwrap()));
        fs::write(&go, "").unwrap();
        assert_eq!(heard.expect("the service manager hears nothing"), "WATCHDOG=1");
        replacing.join().unwrap();
    });
}

/// Each is a warning of its own, and together they are more than a pipe holds.
#[test]
fn however_much_the_check_has_to_say_the_server_is_replaced() {
    let world = World::of(&["alice"]);
    let daemon = supervised(world.daemon());
    let first = server_of(&daemon);
    let hash = "$argon2id$v=19$m=7168,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let weak: String = (0..600).map(|i| format!("[users.weak{i}]\npassword = \"{hash}\"\n")).collect();
    let users = fs::read_to_string(daemon.place().join("users.toml")).unwrap();
    world.set_users(&format!("{users}\n{weak}"));
    let output = daemon.command(&["check", "--json"]).output().unwrap();
    assert!(output.stdout.len() > 64 << 10, "{}", text(&output.stdout));
    assert_ne!(replace(&daemon), first);
}

#[test]
fn each_of_several_servers_of_one_folder_has_a_supervisor_of_its_own() {
    let world = World::of(&["alice"]);
    let settings = |node: &str, port: &str| {
        format!("shared = true\nnode = \"{node}\"\nsupervise = true\nport_file = \"{port}\"\n")
    };
    fs::write(world.place().join("east.toml"), settings("east", "port")).unwrap();
    let daemon = world.daemon().args(["--config", "east.toml"]).start();
    let is_there = || UnixStream::connect(world.place().join("server_state/supervisor-east")).is_ok();
    eventually("the supervisor can be asked", is_there);
    let first = server_of(&daemon);
    let replaced = |args: &[&str]| {
        let output = reload(&daemon, args);
        (output.status.code(), text(&output.stderr))
    };
    assert_eq!(replaced(&["--binary", "--config", "east.toml"]).0, Some(0));
    let second = server_of(&daemon);
    assert_ne!(second, first);
    fs::write(world.place().join("west.toml"), settings("west", "port2")).unwrap();
    let (code, said) = replaced(&["--binary", "--config", "west.toml"]);
    assert!(code == Some(3) && said.contains("no server runs here"), "{said}");
    assert_eq!(server_of(&daemon), second);
}

#[test]
fn at_a_terminal_it_is_said_what_a_replacement_waits_for() {
    let world = World::of(&["alice"]);
    let daemon = supervised(world.daemon());
    let command = pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_sealiftd"));
    let command = command.args(["reload", "--binary"]).current_dir(daemon.place());
    let mut terminal = Terminal::of(command, (200, 12));
    terminal.expect("Waiting: the new program checks").expect("The next server serves");
    assert!(terminal.wait().success());
}
