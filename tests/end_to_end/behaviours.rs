//! The behaviours this project was started from, each under a name that says it: the real server, the real client.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use rustix::process::Signal;
use sealift::files::{Hash, Hasher};
use sealift::proto::frame;
use tempfile::TempDir;

use crate::common::{COPIES, Daemon, RawClient, Typed, end_of, eventually, text};

const PASSWORD: &str = "correct-horse-battery";

/// The client program with a home of its own, pinned to this server.
fn sealift(daemon: &Daemon, place: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    command.current_dir(place).env_clear().env(COPIES.0, COPIES.1).env("HOME", place).args(["--pin", daemon.pin()]);
    command
}

fn run(mut command: Command) -> Output {
    command.output().unwrap()
}

fn in_shell(daemon: &Daemon, place: &Path, user: &str, lines: &str) -> String {
    let mut command = sealift(daemon, place);
    command.env("SEALIFT_PASSWORD", PASSWORD).args(["shell", &format!("{user}@{}", daemon.address())]);
    let output = end_of(command, lines);
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn many_clients_at_once_get_the_file_or_the_not_found_message_each_with_the_servers_pid() {
    let daemon = Daemon::start();
    fs::write(daemon.public().join("there"), "content").unwrap();
    let pid = daemon.pid().to_string();
    thread::scope(|scope| {
        for n in 0..64 {
            let (daemon, pid) = (&daemon, &pid);
            scope.spawn(move || {
                let mut client = RawClient::logged_in(daemon, "anonymous", "");
                client.line(if n % 2 == 0 { "DOWNLOAD there" } else { "DOWNLOAD absent" });
                let (digits, word, fields) = client.reply();
                let (digits, word, fields) = if digits == 150 {
                    assert_eq!(client.frames().unwrap(), b"content");
                    client.reply()
                } else {
                    (digits, word, fields)
                };
                let expected = if n % 2 == 0 { (226, "done") } else { (550, "not-found") };
                assert_eq!((digits, word.as_str()), expected);
                assert_eq!(fields.get("pid"), Some(pid));
                assert_eq!(fields.get("session").unwrap().len(), 16);
            });
        }
    });
}

#[test]
fn the_client_shows_the_servers_pid_and_the_session() {
    let daemon = Daemon::start();
    let place = TempDir::new().unwrap();
    let mut command = sealift(&daemon, place.path());
    command.args(["ping", &daemon.address()]);
    let shown = text(&run(command).stdout);
    assert!(shown.contains(&format!("pid {}", daemon.pid())) && shown.contains("session "), "{shown}");
    let mut command = sealift(&daemon, place.path());
    command.args(["get", &format!("{}/absent", daemon.address())]);
    let output = run(command);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains(&format!("pid {}", daemon.pid())), "{}", text(&output.stderr));
}

#[test]
fn an_interactive_client_asks_for_file_after_file_and_the_session_id_says_who_serves_it() {
    let daemon = Daemon::start();
    fs::write(daemon.public().join("one"), "1").unwrap();
    fs::write(daemon.public().join("two"), "2").unwrap();
    let place = TempDir::new().unwrap();
    let shown =
        in_shell(&daemon, place.path(), "anonymous", "download one\ndownload absent\ndownload two\nstatus\nlogout\n");
    assert_eq!(fs::read(place.path().join("one")).unwrap(), b"1");
    assert_eq!(fs::read(place.path().join("two")).unwrap(), b"2");
    assert!(shown.contains(&format!("absent: no such file or folder (server's pid {})", daemon.pid())), "{shown}");
    let session = shown.split("session ").nth(1).unwrap().get(..16).unwrap();
    assert_eq!(shown.matches(session).count(), 2, "the login and STATUS name the session: {shown}");
}

#[test]
fn the_user_picks_address_and_port() {
    for address in ["127.0.0.1", "127.0.0.2"] {
        let place = TempDir::new().unwrap();
        // A free port, chosen as a user would: one that nothing listens on now.
        let port = std::net::TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port();
        let daemon = Daemon::builder().arg("--listen").arg(format!("{address}:{port}")).start();
        assert!(daemon.banner().contains(&format!("{address}:{port}")), "{}", daemon.banner());
        let mut command = sealift(&daemon, place.path());
        command.args(["ping", &format!("{address}:{port}")]);
        assert!(run(command).status.success());
    }
}

#[test]
fn the_six_commands_work_from_a_prompt_in_any_case() {
    let daemon = Daemon::start();
    daemon.add_user("alice", PASSWORD, "full");
    let place = TempDir::new().unwrap();
    fs::write(place.path().join("up.txt"), "up").unwrap();
    let lines = "HELP\nUPLOAD up.txt\nLIST\nDownload up.txt down.txt\ndelete up.txt\nLIST\nLOGOUT\n";
    let shown = in_shell(&daemon, place.path(), "alice", lines);
    assert_eq!(fs::read(place.path().join("down.txt")).unwrap(), b"up", "{shown}");
    assert!(!daemon.data().join("alice/up.txt").exists());
    assert!(shown.contains("The folder is empty."), "{shown}");
    for command in ["get", "put", "rm", "exit"] {
        assert!(shown.contains(command), "HELP lists {command}: {shown}");
    }
}

#[test]
fn a_welcome_greets_whoever_logs_in() {
    let daemon = Daemon::start();
    let place = TempDir::new().unwrap();
    let shown = in_shell(&daemon, place.path(), "anonymous", "exit\n");
    assert!(shown.contains("Sealift is ready") && shown.contains("Logged in as anonymous"), "{shown}");
}

#[test]
fn an_empty_folder_is_said_to_be_empty() {
    let daemon = Daemon::start();
    let place = TempDir::new().unwrap();
    let mut command = sealift(&daemon, place.path());
    command.args(["ls", &format!("{}/", daemon.address())]);
    let output = run(command);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), ""));
    assert!(text(&output.stderr).contains("The folder is empty."));
}

#[test]
fn the_number_of_active_connections_is_logged_and_told() {
    let daemon = Daemon::start();
    let _first = RawClient::logged_in(&daemon, "anonymous", "");
    let mut second = RawClient::logged_in(&daemon, "anonymous", "");
    let (_, _, fields) = second.ask("STATUS");
    assert_eq!(fields.get("connections").map(String::as_str), Some("2"));
    eventually("it is in the log", || daemon.log().contains("connections=2"));
}

#[test]
fn a_port_chosen_by_the_system_reaches_clients_by_the_port_file() {
    let daemon = Daemon::start();
    let place = TempDir::new().unwrap();
    let mut command = sealift(&daemon, place.path());
    command.args(["--port-file", daemon.place().join("port").to_str().unwrap(), "ping", "127.0.0.1"]);
    let output = run(command);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn an_administrator_ends_the_server_from_the_client_and_nobody_else_does() {
    let mut daemon = Daemon::start();
    daemon.add_user("alice", PASSWORD, "full");
    daemon.add_user_with("root", PASSWORD, &["--admin"]);
    let place = TempDir::new().unwrap();
    let shutdown = |user: &str| {
        let mut command = sealift(&daemon, place.path());
        command.env("SEALIFT_PASSWORD", PASSWORD).args(["shutdown", &format!("{user}@{}", daemon.address())]);
        run(command).status.code()
    };
    assert_eq!(shutdown("alice"), Some(5));
    assert_eq!(shutdown("root"), Some(0));
    assert_eq!(daemon.wait().code, Some(0));
}

#[test]
fn files_arrive_in_a_folder_of_the_clients_choice() {
    let daemon = Daemon::start();
    fs::write(daemon.public().join("f"), "x").unwrap();
    let place = TempDir::new().unwrap();
    fs::create_dir(place.path().join("client_data")).unwrap();
    in_shell(&daemon, place.path(), "anonymous", "lcd client_data\nget f\nexit\n");
    assert_eq!(fs::read(place.path().join("client_data/f")).unwrap(), b"x");
}

#[test]
fn the_server_prints_its_address_and_port() {
    let daemon = Daemon::start();
    assert!(daemon.banner().contains(&daemon.address()), "{}", daemon.banner());
    assert!(daemon.banner().contains(&daemon.pid().to_string()));
}

#[test]
fn a_client_in_the_middle_of_an_upload_blocks_nobody() {
    let daemon = Daemon::start();
    daemon.add_user("alice", PASSWORD, "full");
    fs::write(daemon.public().join("f"), "x").unwrap();
    let mut stalled = RawClient::logged_in(&daemon, "alice", PASSWORD);
    stalled.send(b"UPLOAD slow size=100\r\n\x00\x00\x00\x64half of it");
    let mut other = RawClient::logged_in(&daemon, "anonymous", "");
    other.line("DOWNLOAD f");
    assert_eq!(other.reply().0, 150);
    assert_eq!(other.frames().unwrap(), b"x");
    assert_eq!(other.reply().0, 226);
    assert!(!daemon.data().join("alice/slow").exists(), "half a file never has its name");
}

#[test]
fn each_user_has_a_folder_and_roles_decide_what_may_be_done() {
    let daemon = Daemon::start();
    daemon.add_user("alice", PASSWORD, "full");
    daemon.add_user("bob", PASSWORD, "read");
    let mut alice = RawClient::logged_in(&daemon, "alice", PASSWORD);
    assert_eq!(alice.upload("mine", b"alice's").0, 226);
    let mut bob = RawClient::logged_in(&daemon, "bob", PASSWORD);
    assert_eq!(bob.ask("STAT mine").1, "not-found");
    assert_eq!(bob.upload("x", b"bob's").1, "denied");
    let mut anybody = RawClient::logged_in(&daemon, "ftp", "anybody@example.org");
    assert_eq!(anybody.ask("STAT mine").1, "not-found");
    assert_eq!(anybody.ask("DELETE mine").1, "denied");
    assert_eq!(fs::read(daemon.data().join("alice/mine")).unwrap(), b"alice's");
}

#[test]
fn a_whole_session_can_be_typed_at_openssl() {
    let daemon = Daemon::start();
    daemon.add_user("alice", PASSWORD, "full");
    let mut typed = Typed::login(&daemon, "alice", PASSWORD);
    assert!(typed.ask("mkdir docs").starts_with("250 done made=1 pid="));
    let hash = Hash::of(b"hi");
    typed.send([b"UPLOAD docs/a%20b size=2\r\n\0\0\0\x02hi\0\0\0\0".as_slice(), hash.as_bytes()].concat());
    assert!(typed.line().starts_with(&format!("226 done size=2 hash={hash} pid=")));
    assert!(typed.ask("LIST docs").starts_with("150 data"));
    let listing = String::from_utf8(typed.frames().unwrap()).unwrap();
    assert!(listing.starts_with("type=file size=2 mtime=") && listing.ends_with(" a%20b\n"), "{listing}");
    assert!(typed.line().starts_with("226 done entries=1 "));
    assert!(typed.ask("LOGOUT").starts_with("221 bye "));
    assert_eq!(typed.rest(), b"");
}

#[test]
fn pipelined_commands_in_one_write_are_answered_in_order() {
    let daemon = Daemon::start();
    daemon.add_user("alice", PASSWORD, "full");
    let mut alice = RawClient::logged_in(&daemon, "alice", PASSWORD);
    let mut bytes = b"MKDIR d\r\nSTAT nothing\r\n".to_vec();
    for n in 0..300 {
        bytes.extend(crate::common::upload_bytes(&format!("d/{n}"), format!("file {n}").as_bytes()));
    }
    bytes.extend_from_slice(b"HASH d/299\r\nBOGUS\r\nDELETE d recursive=yes\r\nLIST\r\n");
    alice.send(bytes);
    assert_eq!(alice.reply().1, "done");
    assert_eq!(alice.reply().1, "not-found");
    for _ in 0..300 {
        assert_eq!(alice.reply().0, 226);
    }
    assert_eq!(alice.reply().2.get("hash"), Some(&Hash::of(b"file 299").to_string()));
    assert_eq!(alice.reply().1, "unknown-verb");
    assert_eq!(alice.reply().0, 250);
    assert_eq!(alice.reply().0, 150);
    assert_eq!(alice.frames().unwrap(), b"");
    assert_eq!(alice.reply().2.get("entries").map(String::as_str), Some("0"));
}

#[test]
fn a_gibibyte_streams_up_and_down_and_the_servers_memory_does_not_grow_with_it() {
    const SIZE: u64 = 1 << 30;
    let daemon = Daemon::builder().arg("--durability").arg("none").start();
    daemon.add_user("alice", PASSWORD, "full");
    let place = TempDir::new().unwrap();
    let mut hasher = Hasher::new();
    {
        let mut file = std::io::BufWriter::new(fs::File::create(place.path().join("big")).unwrap());
        let mut block = vec![0; 1 << 20];
        for n in 0..SIZE >> 20 {
            block = n.to_le_bytes().repeat(block.len() / 8);
            hasher.update(&block);
            std::io::Write::write_all(&mut file, &block).unwrap();
        }
    }
    let peak = || {
        let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let transfer = |args: [&str; 3]| {
        let mut command = sealift(&daemon, place.path());
        let output = run({
            command.env("SEALIFT_PASSWORD", PASSWORD).args(args);
            command
        });
        assert!(output.status.success(), "{}", text(&output.stderr));
    };
    let remote = format!("alice@{}/big", daemon.address());
    // The login's argon2 memory is part of the base.
    let list = format!("alice@{}/", daemon.address());
    transfer(["ls", "-q", &list]);
    let base = peak();
    transfer(["put", "big", &remote]);
    fs::remove_file(place.path().join("big")).unwrap();
    transfer(["get", &remote, "back"]);
    assert!(peak() - base < 16 * 1024, "grew by {} KiB", peak() - base);
    let mut back = Hasher::new();
    let mut file = fs::File::open(place.path().join("back")).unwrap();
    let mut block = vec![0; 1 << 20];
    loop {
        match std::io::Read::read(&mut file, &mut block).unwrap() {
            0 => break,
            n => back.update(&block[..n]),
        }
    }
    assert_eq!((back.len(), back.finalize()), (SIZE, hasher.finalize()));
}

#[test]
fn a_termination_signal_lets_a_running_transfer_finish() {
    let mut daemon = Daemon::start();
    daemon.add_user("alice", PASSWORD, "full");
    let mut alice = RawClient::logged_in(&daemon, "alice", PASSWORD);
    let bytes = crate::common::upload_bytes("f", &[7; 1000]);
    let (half, rest) = bytes.split_at(bytes.len() / 2);
    alice.send(half);
    // Until then it is a session that does nothing, which ends at once.
    let home = daemon.data().join("alice");
    eventually("the upload has begun", || home.join(".sealift").is_dir());
    daemon.signal(Signal::TERM);
    alice.send(rest);
    assert_eq!(alice.reply().0, 226);
    assert_eq!(alice.reply().1, "stopping");
    drop(alice);
    assert_eq!(daemon.wait().code, Some(0));
    assert_eq!(fs::read(daemon.data().join("alice/f")).unwrap(), [7; 1000]);
}

#[test]
fn a_pipe_may_pause_for_longer_than_the_server_lets_anybody_be_silent_in_the_middle_of_a_file() {
    let daemon = Daemon::builder().args(["--stall-window", "5s", "--durability", "none"]).start();
    daemon.add_user("alice", PASSWORD, "full");
    let place = TempDir::new().unwrap();
    let mut command = sealift(&daemon, place.path());
    command.env("SEALIFT_PASSWORD", PASSWORD).args(["put", "-", &format!("alice@{}/piped", daemon.address())]);
    let mut sending = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = sending.stdin.take().unwrap();
    pipe.write_all(b"before ").unwrap();
    let home = daemon.data().join("alice");
    eventually("the upload has begun", || home.join(".sealift").is_dir());
    // Whoever begins only now and says nothing at all is thrown out before the pipe goes on.
    let mut silent = RawClient::logged_in(&daemon, "alice", PASSWORD);
    silent.send(b"UPLOAD silent\r\n");
    assert_eq!(silent.reply().1, "timed-out");
    pipe.write_all(b"and after").unwrap();
    drop(pipe);
    let done = sending.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(fs::read(home.join("piped")).unwrap(), b"before and after");
}

#[test]
fn an_upload_that_pauses_is_no_longer_waited_for_than_an_idle_session() {
    let daemon = Daemon::builder().args(["--idle-timeout", "5s"]).start();
    daemon.add_user("alice", PASSWORD, "full");
    let mut alice = RawClient::logged_in(&daemon, "alice", PASSWORD);
    alice.send([b"UPLOAD f\r\n\0\0\0\x01x", &frame::PAUSE[..]].concat());
    assert_eq!(alice.reply().1, "timed-out");
    // A pause is no frame of a part, nor of anything that a server sends.
    let mut alice = RawClient::logged_in(&daemon, "alice", PASSWORD);
    alice.send([b"PART 0123456789abcdef offset=0 length=5\r\n", &frame::PAUSE[..]].concat());
    assert_eq!(alice.reply().1, "not-found");
    assert_eq!(alice.reply().1, "too-long");
    let left: Vec<_> = fs::read_dir(daemon.data().join("alice")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == ".sealift"), "{left:?}");
}

#[test]
fn a_file_of_sys_that_is_shorter_than_it_says_is_sent_as_it_is() {
    let file = Path::new("/sys/kernel/mm/transparent_hugepage/enabled");
    let content = fs::read(file).unwrap();
    assert!(fs::metadata(file).unwrap().len() > content.len() as u64);
    let daemon = Daemon::start();
    daemon.add_user("alice", PASSWORD, "full");
    let place = TempDir::new().unwrap();
    let mut command = sealift(&daemon, place.path());
    let target = format!("alice@{}/enabled", daemon.address());
    command.env("SEALIFT_PASSWORD", PASSWORD).arg("put").arg(file).arg(target);
    let done = run(command);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(fs::read(daemon.data().join("alice/enabled")).unwrap(), content);
}
