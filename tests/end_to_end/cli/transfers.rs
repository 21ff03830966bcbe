//! Many files over several connections at once.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::program::{PASSWORD, Proxy, World, names};
use crate::common::{eventually, text};

const FILES: u32 = 300;

fn content(n: u32) -> Vec<u8> {
    n.to_le_bytes().repeat(1 + n as usize * 7)
}

fn make(root: &Path) {
    for n in 0..FILES {
        let folder = root.join(format!("d{}", n % 7));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(n.to_string()), content(n)).unwrap();
    }
}

#[track_caller]
fn is_whole(root: &Path) {
    for n in 0..FILES {
        assert!(fs::read(root.join(format!("d{}/{n}", n % 7))).unwrap() == content(n), "{n}");
    }
    assert_eq!(names(root).len(), FILES as usize + 7);
}

#[test]
fn each_file_of_many_moves_once_over_one_of_several_connections() {
    let world = World::trusting();
    make(&world.local("tree"));
    let told =
        |args: &[&str]| world.run([args, &["-v", "--transfers", "4"]].concat()).code(0).said("4 of 4 connections");
    let once = |done: &crate::common::program::Done| {
        for n in 0..FILES {
            let line = format!("d{}/{n}: ", n % 7);
            assert_eq!(done.stderr.matches(&line).count(), 1, "{line}");
        }
    };
    once(&told(&["put", "-r", "tree", &world.alice("sent")]).said("300 files, "));
    is_whole(&world.remote("alice", "sent"));
    once(&told(&["get", "-r", &world.alice("sent"), "got"]).said("300 files, "));
    is_whole(&world.local("got"));
    told(&["mirror", "./tree", &world.alice("pushed")]).said("300 files, ");
    is_whole(&world.remote("alice", "pushed"));
    told(&["mirror", &world.alice("pushed"), "./pulled"]).said("300 files, ");
    is_whole(&world.local("pulled"));
    told(&["mirror", "./tree", &world.alice("pushed")]).said("0 files, ").said("300 unchanged");
    // Named one by one, with one that is missing, and with --streams beside it.
    let named: Vec<String> = (0..30).map(|n| world.alice(&format!("sent/d{}/{n}", n % 7))).collect();
    fs::create_dir(world.local("flat")).unwrap();
    let mut args: Vec<&str> = vec!["get", "--transfers=3", "--streams=2"];
    args.extend(named.iter().map(String::as_str));
    let missing = world.alice("sent/none");
    args.extend([missing.as_str(), "flat/"]);
    world.run(args).code(10).said("sent/none: no such file").said("30 files");
    world.run(["put", "-rc", "--transfers=4", "tree", &world.alice("sent")]).code(0);
    world.run(["put", "-r", "--transfers", "0", "tree", &world.alice("sent")]).code(2);
}

#[test]
fn several_connections_that_are_lost_are_made_anew_and_nothing_is_moved_twice() {
    let world = World::trusting();
    make(&world.local("tree"));
    let proxy = Proxy::start(&world);
    world.trust(proxy.address);
    let at = |path: &str| format!("alice@{}/{path}", proxy.address);
    let (sent, got) = (world.remote("alice", "sent"), world.local("got"));
    for (args, to) in [
        (["put", "-r", "tree", &at("sent"), "--transfers=4", "--if-exists=fail"], &sent),
        (["get", "-r", &at("sent"), "got", "--transfers=4", "--if-exists=fail"], &got),
    ] {
        let mut command = world.command(args);
        command.env("SEALIFT_PASSWORD", PASSWORD).stdin(Stdio::null()).stderr(Stdio::piped());
        // About half of it.
        proxy.holds_after(600_000);
        let child = command.spawn().unwrap();
        eventually("some files are there", || {
            (0..7).any(|n| fs::read_dir(to.join(format!("d{n}"))).is_ok_and(|d| d.count() > 5))
        });
        proxy.cut();
        proxy.lets_all_pass();
        let done = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && said.contains("; again in ") && said.contains("300 files, "), "{said}");
        is_whole(to);
    }
}

/// What would be sent is nothing, and would take the place of something.
#[test]
fn a_closed_standard_input_is_no_empty_file() {
    let world = World::trusting();
    fs::write(world.remote("alice", "kept"), "ten bytes.").unwrap();
    let put = |from: &str| {
        let mut shell = Command::new("sh");
        let line = format!("exec '{}' \"$@\" {from}", env!("CARGO_BIN_EXE_sealift"));
        shell.args(["-c", &line, "sh", "put", "-", &world.alice("kept")]).current_dir(world.work.path());
        let common = world.command(["ls"]);
        shell.envs(common.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.env("SEALIFT_PASSWORD", PASSWORD).output().unwrap()
    };
    let closed = put("<&-");
    assert_eq!(closed.status.code(), Some(2), "{closed:?}");
    assert!(text(&closed.stderr).contains("standard input is closed, or"), "{closed:?}");
    assert_eq!(fs::read(world.remote("alice", "kept")).unwrap(), b"ten bytes.");
    // Who says so stores an empty file.
    assert_eq!(put("< /dev/null").status.code(), Some(0));
    assert_eq!(fs::read(world.remote("alice", "kept")).unwrap(), b"");
}
