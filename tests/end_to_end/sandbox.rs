//! The sandbox: what is left to a process inside it, and that the server is inside it. Where the kernel has no Landlock
//! these tests say so and pass.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{CWD, FileType, mknodat};
use rustix::process::{getppid, test_kill_process};
use sealift::confine::{Enforced, Reach, restrict};
use tempfile::TempDir;

use crate::common::not_run::not_run;
use crate::common::{Daemon, RawClient, eventually, text};

/// Tells the test program that it is the process inside, and where its folders are.
const INSIDE: &str = "SANDBOX_TEST_PLACE";
/// Where the process outside listens.
const LISTENER: &str = "SANDBOX_TEST_LISTENER";
/// Where it listens, too, and may be connected to.
const STORAGE: &str = "SANDBOX_TEST_STORAGE";

fn reach(place: &Path) -> Reach {
    Reach {
        change: vec![place.join("change")],
        look: Vec::new(),
        read: vec![place.join("read"), place.join("one-file")],
        remove: vec![place.join("remove")],
        append: vec![place.join("append")],
        connect: vec![std::env::var(STORAGE).unwrap().rsplit(':').next().unwrap().parse().unwrap()],
    }
}

/// What came of it, in a word.
fn word<T>(result: io::Result<T>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(err) => match err.kind() {
            io::ErrorKind::PermissionDenied => "denied".to_owned(),
            io::ErrorKind::CrossesDevices => "elsewhere".to_owned(),
            other => format!("{other:?}"),
        },
    }
}

/// Tries everything from inside, in a thread made there, and prints what came of it.
fn inside(place: &Path) {
    let enforced = restrict(&reach(place)).unwrap();
    println!("\n=enforced {}", enforced.word());
    if enforced == Enforced::Not {
        return;
    }
    let place = place.to_owned();
    std::thread::spawn(move || attempts(&place)).join().unwrap();
}

fn attempts(place: &Path) {
    let at = |name: &str| place.join(name);
    let say = |what: &str, result: String| println!("=attempt {what}|{result}");
    let write = |path: PathBuf| OpenOptions::new().write(true).open(path);
    // Outside.
    say("read outside", word(fs::read(at("outside/file"))));
    say("read /etc/passwd", word(fs::read("/etc/passwd")));
    say("list outside", word(fs::read_dir(at("outside"))));
    say("list /", word(fs::read_dir("/")));
    say("write outside", word(write(at("outside/file"))));
    say(
        "truncate outside",
        word(
            rustix::fs::open(
                at("outside/file"),
                rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::TRUNC,
                rustix::fs::Mode::empty(),
            )
            .map_err(Into::into),
        ),
    );
    say("make outside", word(File::create(at("outside/new"))));
    say("make a folder outside", word(fs::create_dir(at("outside/folder"))));
    say("remove outside", word(fs::remove_file(at("outside/file"))));
    say("move in", word(fs::rename(at("outside/file"), at("change/stolen"))));
    say("move out", word(fs::rename(at("change/file"), at("outside/leaked"))));
    say("link in", word(fs::hard_link(at("outside/file"), at("change/stolen"))));
    say("run a program", word(Command::new("/bin/true").stdout(Stdio::null()).status()));
    say("through a link inside", word(fs::read(at("change/link"))));
    // Inside.
    say("read inside", word(fs::read(at("change/file"))));
    say("write inside", word(File::create(at("change/file"))));
    say("list inside", word(fs::read_dir(at("change"))));
    say("make inside", word(fs::create_dir_all(at("change/a/b"))));
    say("move inside", word(fs::rename(at("change/file"), at("change/a/b/file"))));
    say("link inside", word(fs::hard_link(at("change/a/b/file"), at("change/again"))));
    say("remove inside", word(fs::remove_dir_all(at("change/a"))));
    say("make a symbolic link", word(symlink("again", at("change/symbolic"))));
    let device = rustix::fs::makedev(1, 3);
    let made = mknodat(CWD, at("change/device"), FileType::CharacterDevice, 0o600.into(), device);
    say("make a device", word(made.map_err(Into::into)));
    say("read a program's environment", word(fs::read("/proc/self/environ")));
    say("see what is open", word(fs::read_dir("/proc/self/fd")));
    say(
        "see what another program has open",
        word(fs::read_link(format!("/proc/{}/fd/0", getppid().unwrap().as_raw_nonzero()))),
    );
    say("make a pipe", word(mknodat(CWD, at("change/pipe"), FileType::Fifo, 0o600.into(), 0).map_err(Into::into)));
    say("make a socket", word(UnixDatagram::bind(at("change/socket"))));
    // Beside.
    say("read what is for reading", word(fs::read(at("read/file"))));
    say("list what is for reading", word(fs::read_dir(at("read"))));
    say("write what is for reading", word(write(at("read/file"))));
    say("make in what is for reading", word(File::create(at("read/new"))));
    say("read the one file", word(fs::read(at("one-file"))));
    say("remove the one file", word(fs::remove_file(at("one-file"))));
    say("remove where that is left", word(fs::remove_file(at("remove/file"))));
    say("make where removing is left", word(File::create(at("remove/new"))));
    // What is only added to.
    say("add", word(OpenOptions::new().append(true).open(at("append/file"))));
    say("make what is added to", word(File::create_new(at("append/new"))));
    say("cut what is added to", word(File::create(at("append/file"))));
    say("remove what is added to", word(fs::remove_file(at("append/file"))));
    say("list what is added to", word(fs::read_dir(at("append"))));
    // The network and other programs.
    say("connect", word(TcpStream::connect(std::env::var(LISTENER).unwrap())));
    say("connect to a storage", word(TcpStream::connect(std::env::var(STORAGE).unwrap())));
    say("listen", word(TcpListener::bind("127.0.0.1:0")));
    say("signal", word(test_kill_process(getppid().unwrap()).map_err(Into::into)));
    io::stdout().flush().unwrap();
}

#[test]
fn a_process_inside_reaches_what_it_serves_and_nothing_else() {
    if let Some(place) = std::env::var_os(INSIDE) {
        return inside(Path::new(&place));
    }
    let place = TempDir::new().unwrap();
    for folder in ["change", "read", "remove", "append", "outside"] {
        fs::create_dir(place.path().join(folder)).unwrap();
        fs::write(place.path().join(folder).join("file"), "content").unwrap();
    }
    fs::write(place.path().join("one-file"), "content").unwrap();
    symlink("../outside/file", place.path().join("change/link")).unwrap();
    let (listener, storage) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["sandbox::a_process_inside_reaches_what_it_serves_and_nothing_else", "--exact", "--nocapture"])
        .env(INSIDE, place.path())
        .env(LISTENER, listener.local_addr().unwrap().to_string())
        .env(STORAGE, storage.local_addr().unwrap().to_string())
        .output()
        .unwrap();
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    let enforced = said.lines().find_map(|line| line.strip_prefix("=enforced ")).unwrap();
    if enforced != "full" {
        return not_run(&format!("this kernel enforces {enforced} of the sandbox"));
    }
    let came: BTreeMap<&str, &str> =
        said.lines().filter_map(|line| line.strip_prefix("=attempt ")?.split_once('|')).collect();
    let expected = BTreeMap::from([
        ("read outside", "denied"),
        ("read /etc/passwd", "denied"),
        ("list outside", "denied"),
        ("list /", "denied"),
        ("write outside", "denied"),
        ("truncate outside", "denied"),
        ("make outside", "denied"),
        ("make a folder outside", "denied"),
        ("remove outside", "denied"),
        ("move in", "denied"),
        ("move out", "denied"),
        ("link in", "elsewhere"),
        ("run a program", "denied"),
        ("through a link inside", "denied"),
        ("read inside", "done"),
        ("write inside", "done"),
        ("list inside", "done"),
        ("make inside", "done"),
        ("move inside", "done"),
        ("link inside", "done"),
        ("remove inside", "done"),
        ("make a symbolic link", "done"),
        ("make a pipe", "done"),
        ("make a socket", "done"),
        ("make a device", "denied"),
        ("read a program's environment", "denied"),
        ("see what is open", "done"),
        ("see what another program has open", "denied"),
        ("read what is for reading", "done"),
        ("list what is for reading", "denied"),
        ("write what is for reading", "denied"),
        ("make in what is for reading", "denied"),
        ("read the one file", "done"),
        ("remove the one file", "denied"),
        ("remove where that is left", "done"),
        ("make where removing is left", "denied"),
        ("add", "done"),
        ("make what is added to", "done"),
        ("cut what is added to", "denied"),
        ("remove what is added to", "denied"),
        ("list what is added to", "denied"),
        ("connect", "denied"),
        ("connect to a storage", "done"),
        ("listen", "denied"),
        ("signal", "denied"),
    ]);
    assert_eq!(came, expected);
    assert_eq!(fs::read_to_string(place.path().join("outside/file")).unwrap(), "content");
}

/// What the server's log says about its sandbox.
fn logged(daemon: &Daemon) -> String {
    // Comes after the banner.
    eventually("it is ready", || daemon.log().contains("sandbox=\""));
    let log = daemon.log();
    let ready = log.lines().find(|line| line.contains("sandbox=\"")).unwrap();
    ready.split("sandbox=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// Puts a link in the place of the users file, to a good one in a folder that is not the server's business; whether a
/// user who is only in that one can log in.
fn follows_the_users_file_elsewhere(daemon: &Daemon) -> bool {
    let elsewhere = TempDir::new().unwrap();
    let users = daemon.place().join("users.toml");
    daemon.add_user("alice", "correct-horse", "full");
    fs::rename(&users, elsewhere.path().join("users.toml")).unwrap();
    symlink(elsewhere.path().join("users.toml"), &users).unwrap();
    RawClient::connect(daemon).try_login("alice", "correct-horse").0 == 230
}

#[test]
fn a_server_is_in_its_sandbox() {
    let daemon = Daemon::start();
    let sandbox = logged(&daemon);
    if sandbox != "full" {
        return not_run(&format!("this kernel enforces {sandbox} of the sandbox"));
    }
    assert!(!follows_the_users_file_elsewhere(&daemon), "it reads what lies outside");
    let log = daemon.stop().log;
    assert!(log.contains("users.toml: permission denied") && !log.contains("this kernel"), "{log}");
}

#[test]
fn a_server_without_a_sandbox_says_so() {
    let daemon = Daemon::builder().args(["--no-sandbox"]).start();
    assert_eq!(logged(&daemon), "off");
    assert!(follows_the_users_file_elsewhere(&daemon), "then the other test proves nothing");
    let log = daemon.stop().log;
    assert!(log.contains("WARN") && log.contains("no sandbox"), "{log}");
}

#[test]
fn a_users_file_that_is_a_link_from_the_start_is_read_again_where_it_leads() {
    let (place, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::write(elsewhere.path().join("real.toml"), "[anonymous]\nenabled = true\n").unwrap();
    symlink(elsewhere.path().join("real.toml"), place.path().join("users.toml")).unwrap();
    let daemon = Daemon::builder().within(place.path()).start();
    // Replaces the file that the link leads to.
    daemon.add_user("alice", "correct-horse", "full");
    RawClient::logged_in(&daemon, "alice", "correct-horse");
}

#[test]
fn data_on_another_file_system_is_reached() {
    let memory = TempDir::new_in("/dev/shm").unwrap();
    let data = memory.path().join("data");
    let daemon = Daemon::builder().args(["--data", data.to_str().unwrap()]).start();
    daemon.add_user("alice", "correct-horse", "full");
    let mut alice = RawClient::logged_in(&daemon, "alice", "correct-horse");
    assert_eq!(alice.ask("MKDIR a/b parents=yes").0, 250);
    assert_eq!(alice.upload("file", b"content").0, 226);
    assert_eq!(alice.ask("RENAME file a/b/file").0, 250);
    assert_eq!(alice.download("a/b/file").unwrap(), b"content");
    assert_eq!(alice.ask("DELETE a recursive=yes").0, 250);
}
