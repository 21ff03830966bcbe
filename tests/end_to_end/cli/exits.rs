//! Every exit code, passwords, and what a failure says.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use rustix::process::Signal;

use crate::common::liar::{IDS, Liar};
use crate::common::program::{PASSWORD, World, finish, signal};

/// Each of them has a test that is named by it, here.
#[test]
fn every_exit_code_of_the_help_page_is_reached() {
    let help = World::new().run(["--help"]).code(0);
    let list = help.stdout().split_once("Exit codes:\n").unwrap().1.split("\n\n").next().unwrap();
    let listed: BTreeSet<u8> = list.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert_eq!(listed, (0..=11).chain([130]).collect());
    let tests = include_str!("exits.rs").lines().filter_map(|line| line.strip_prefix("fn exit_")?.split('_').next());
    assert_eq!(listed, tests.map(|code| code.parse().unwrap()).collect());
}

#[test]
fn exit_0_done() {
    let world = World::trusting();
    fs::write(world.remote("public", "a"), "a").unwrap();
    assert_eq!(world.run(["cat", &world.public("a")]).code(0).stdout(), "a");
    fs::write(world.local("a"), "a").unwrap();
    world.run(["put", "a", &world.alice("")]).code(0);
    assert_eq!(fs::read(world.remote("alice", "a")).unwrap(), b"a");
}

#[test]
fn exit_1_other() {
    let world = World::trusting();
    fs::create_dir(world.remote("alice", "folder")).unwrap();
    world.run(["cat", &world.alice("folder")]).code(1).said("folder");
    fs::write(world.remote("alice", "file"), "").unwrap();
    world.run(["mkdir", &world.alice("file/below")]).code(1).said("file");
}

#[test]
fn exit_2_wrong_usage() {
    let world = World::trusting();
    world.run(["frobnicate"]).code(2);
    world.run(["ls"]).code(2);
    world.run(["ls", "host:docs/x"]).code(2).said("host/docs/x").said("hint:");
    world.run(["ls", "alice:secret@host/"]).code(2).said("never part of a target");
    world.run(["ls", &world.alice("../x")]).code(2);
    world.run(["put", "/etc/hostname", "/tmp/x"]).code(2).said("is on this machine").said("sealift put FILE HOST/");
}

#[test]
fn exit_3_not_found() {
    let world = World::trusting();
    world.run(["stat", &world.alice("missing")]).code(3).said("missing: no such file or folder").said("sealift ls");
    fs::create_dir(world.remote("alice", "dir")).unwrap();
    world.run(["cat", &world.alice("dir")]).code(1).said("sealift get -r");
    world.run(["hash", &world.alice("dir")]).code(1).said("sealift ls -r");
    world.run(["put", "missing", &world.alice("")]).code(3).said("missing: no such file or folder");
}

#[test]
fn exit_4_login_failed() {
    let world = World::trusting();
    let mut command = world.command(["ls", &world.alice("")]);
    command.env("SEALIFT_PASSWORD", "wrong");
    finish(command, b"").code(4).said("alice@127.0.0.1");
    let no_password = finish(world.command(["ls", &world.alice("")]), b"").code(4);
    no_password.said("--password-file").said("--password-stdin").said("SEALIFT_PASSWORD");
}

#[test]
fn exit_5_denied() {
    let world = World::trusting();
    fs::write(world.local("a"), "a").unwrap();
    world.run(["put", "a", &world.public("a")]).code(5).said("You are anonymous");
    world.run(["ls", &format!("bob@{}/", world.server.address())]).code(5).said("to give bob the right");
    world.run(["shutdown", &world.public("")]).code(5);
}

#[test]
fn somebody_who_may_only_upload_can_do_that() {
    let world = World::trusting();
    let bob = |path: &str| format!("bob@{}/{path}", world.server.address());
    fs::write(world.local("a"), "a").unwrap();
    fs::create_dir(world.remote("bob", "drop")).unwrap();
    world.run(["put", "a", &bob("")]).code(0);
    world.run(["put", "a", &bob("b")]).code(0);
    world.run(["put", "a", &bob("drop/")]).code(0);
    assert_eq!(fs::read(world.remote("bob", "drop/a")).unwrap(), b"a");
}

#[test]
fn exit_6_network() {
    let world = World::trusting();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let pin = world.server.pin();
    world.run(["--pin", pin, "ls", &free.to_string()]).code(6).said(&free.to_string()).said("that the server runs");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    world.run(["--pin", pin, "--timeout", "1s", "ls", &address]).code(6).said("did not answer within 1s");
}

#[test]
fn exit_7_tls() {
    let world = World::trusting();
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = plain.local_addr().unwrap().to_string();
    let speaker = std::thread::spawn(move || {
        use std::io::Write as _;
        let (mut socket, _) = plain.accept().unwrap();
        socket.write_all(b"SSH-2.0-nothing to see here\r\n").unwrap();
        // Stays open until the other side has seen enough.
        std::io::copy(&mut socket, &mut std::io::sink()).ok();
    });
    world.run(["--pin", world.server.pin(), "ls", &address]).code(7);
    speaker.join().unwrap();
}

#[test]
fn exit_8_integrity() {
    let world = World::trusting();
    // Bytes under another file's hash.
    let hash = blake3::hash(b"other");
    let answer = format!("150 data size=5 mtime=0\r\n\0\0\0\u{5}hello\0\0\0\0226 done size=5 hash={hash} {IDS}\r\n");
    let liar = Liar::start(move |_| answer.clone().into_bytes());
    world.run(["--pin", &liar.pin, "get", &format!("{}/x", liar.address)]).code(8);
    assert!(!world.local("x").exists());
    // A name that leads out.
    let entry = "type=file size=1 mtime=0 ../evil\n";
    let answer = format!("150 data\r\n\0\0\0\u{21}{entry}\0\0\0\0226 done entries=1 {IDS}\r\n");
    assert_eq!(entry.len(), 0x21);
    let liar = Liar::start(move |line| match line.starts_with("STAT") {
        true => format!("213 stat type=dir size=0 mtime=0 {IDS}\r\n").into_bytes(),
        false => answer.clone().into_bytes(),
    });
    world.run(["--pin", &liar.pin, "get", "-r", &format!("{}/x", liar.address), "into/"]).code(8);
    assert!(!world.local("evil").exists());
}

#[test]
fn a_server_that_may_tell_what_it_recorded_is_warned_of_once() {
    let world = World::new();
    let hash = blake3::hash(b"hello");
    let answer = move |line: &str| match line.split(' ').next().unwrap() {
        "HASH" => format!("213 hash size=5 mtime=0 hash={hash} {IDS}\r\n").into_bytes(),
        "STAT" => format!("213 stat type=dir size=0 mtime=0 {IDS}\r\n").into_bytes(),
        _ => format!("150 data\r\n\0\0\0\0226 done entries=0 {IDS}\r\n").into_bytes(),
    };
    let liar = Liar::start(answer);
    let [a, b] = ["a", "b"].map(|name| format!("{}/{name}", liar.address));
    let said = world.run(["--pin", &liar.pin, "hash", &a, &b]).code(0).said("too old to compare files").stderr;
    assert_eq!(said.matches("warning").count(), 1, "{said}");
    fs::create_dir(world.local("empty")).unwrap();
    for (options, warnings) in [(&["--checksum"][..], 1), (&[], 0)] {
        let liar = Liar::start(answer);
        let target = format!("{}/m", liar.address);
        let said = world.run([&["--pin", &liar.pin, "mirror"], options, &["./empty", &target]].concat()).code(0).stderr;
        assert_eq!(said.matches("too old to compare files").count(), warnings, "{said}");
    }
    let ours = World::trusting();
    fs::write(ours.remote("alice", "f"), "f").unwrap();
    assert_eq!(ours.run(["hash", &ours.alice("f")]).code(0).stderr, "");
}

#[test]
fn exit_9_full() {
    let world = World::trusting();
    fs::write(world.remote("public", "a"), "a").unwrap();
    for words in [
        &["cat", &world.public("a")][..],
        &["bookmark", "list", "--json"],
        &["--version"],
        &["--help"],
        &["help"],
        &["help", "exit-codes"],
        &["put", "--help"],
    ] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = world.command(words.iter().copied()).stdin(Stdio::null()).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(9), "{words:?} {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// `terminal_escape` (CVE-2019-6109): what a server says does nothing to a terminal.
#[test]
fn words_of_a_server_do_nothing_to_a_terminal() {
    let world = World::trusting();
    let liar = Liar::start(|_| format!("550 not-found {IDS} :x\u{202e}y\u{9b}z\r\n").into_bytes());
    let done = world.run(["-v", "--pin", &liar.pin, "stat", &format!("{}/x", liar.address)]).code(3);
    assert!(done.stderr.contains("x\\u{202e}y\\u{9b}z"), "{}", done.stderr);
}

#[test]
fn exit_10_some_failed() {
    let world = World::trusting();
    fs::write(world.remote("public", "there"), "there").unwrap();
    let done = world.run(["get", &world.public("there"), &world.public("missing"), "./"]).code(10);
    done.said("missing: no such file or folder");
    assert_eq!(fs::read(world.local("there")).unwrap(), b"there");
    world.run(["rm", &world.alice("x"), &world.alice("y")]).code(3);
}

#[test]
fn exit_11_exists() {
    let world = World::trusting();
    fs::create_dir(world.remote("alice", "x")).unwrap();
    world.run(["mkdir", &world.alice("x")]).code(11);
}

#[test]
fn exit_130_interrupted() {
    let world = World::trusting();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let mut command = world.command(["--pin", world.server.pin(), "ls", &address]);
    let child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // Once it waits for an answer.
    let _held = silent.accept().unwrap();
    signal(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_password_comes_from_a_file_a_pipe_or_the_environment_in_this_order() {
    let world = World::trusting();
    let file = world.local("pw");
    fs::write(&file, format!("{PASSWORD}\nnot the password\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let run = |args: &[&str], env: &[(&str, &str)], input: &str| {
        let target = world.alice("");
        let mut command = world.command(args.iter().copied().chain(["ls", &target]));
        command.envs(env.iter().copied());
        finish(command, input.as_bytes())
    };
    let wrong = ("SEALIFT_PASSWORD", "wrong");
    run(&["--password-stdin"], &[wrong], &format!("{PASSWORD}\n")).code(0);
    assert_eq!(run(&["--password-file", "pw"], &[wrong], "").code(0).stderr, "The folder is empty.\n");
    run(&[], &[wrong, ("SEALIFT_PASSWORD_FILE", "pw")], "").code(0).said("both set: the password in pw counts");
    run(&[], &[("SEALIFT_PASSWORD", PASSWORD)], "").code(0);
    run(&["--password-file", "missing"], &[], "").code(3).said("missing");
    run(&["--password-stdin"], &[], "").code(2).said("standard input holds no password");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    run(&["--password-file", "pw"], &[], "").code(0).said("warning:").said("chmod 600");
}

#[test]
fn a_password_is_shown_nowhere() {
    let world = World::trusting();
    for args in [["-v", "ls"], ["--json", "ls"]] {
        let target = world.alice("missing");
        let mut command = world.command(args.into_iter().chain([target.as_str()]));
        command.env("SEALIFT_PASSWORD", PASSWORD);
        let done = finish(command, b"");
        assert!(!done.stderr.contains(PASSWORD) && !done.stdout().contains(PASSWORD), "{done:?}");
        let mut command = world.command(args.into_iter().chain([target.as_str()]));
        command.env("SEALIFT_PASSWORD", "canary-4711");
        let done = finish(command, b"").code(4);
        assert!(!done.stderr.contains("canary") && !done.stdout().contains("canary"), "{done:?}");
    }
}

#[test]
fn names_from_a_server_do_nothing_to_a_terminal() {
    let world = World::trusting();
    let hostile = "x\u{1b}[31m\u{202e}";
    let said = world.run(["stat", &world.alice("evil\u{202e}")]).code(3);
    assert!(said.stderr.contains("evil\\u{202e}"), "{}", said.stderr);
    fs::write(world.remote("public", hostile), "").unwrap();
    let done = world.run(["-v", "get", "-r", &world.public("")]);
    assert!(!done.stderr.contains('\u{1b}') && !done.stderr.contains('\u{202e}'), "{}", done.stderr);
}

#[test]
fn a_server_that_hangs_up_unheard_may_hold_the_address_back() {
    // With and without what the client has said, which the system tells the client in two ways.
    for is_heard in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let closing = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            if is_heard {
                assert_eq!(stream.peek(&mut [0]).unwrap(), 1);
            }
        });
        let target = format!("alice@{address}/");
        World::new()
            .run(["--retry", "0", "ls", &target])
            .code(6)
            .said("may hold this address back after failed logins, for 10 min");
        closing.join().unwrap();
    }
}
