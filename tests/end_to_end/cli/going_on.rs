//! What outlives an interruption, a lost line, or a person who takes their time.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::common::not_run::not_run;
use crate::common::program::{PASSWORD, Proxy, World, finish, signal};
use crate::common::{bytes, eventually as wait_for};

const BLOCK: usize = 16 << 20;

/// What passes of [`large`] before its line stands still: two blocks and some more, and what is left is more than is on its way.
const SOME: u64 = 36_000_000;

/// The same of one block.
const LESS: u64 = 20_000_000;

/// The same of none.
const LITTLE: u64 = 2_000_000;

#[test]
fn what_was_proven_stays_after_an_interruption_and_the_hint_names_the_command_that_goes_on() {
    let world = World::trusting();
    let bytes = large();
    fs::write(world.remote("public", "large file"), &bytes).unwrap();
    let proxy = Proxy::start(&world);
    world.trust(proxy.address);
    let part = world.local(".copy.sealift-part");
    let len = |at: &std::path::Path| fs::metadata(at).map_or(0, |part| part.len());
    let target = format!("{}/large file", proxy.address);
    let run =
        |most: u64, enough: &dyn Fn() -> bool| interrupted(&world, &proxy, most, &["get", &target, "copy"], enough);
    let said = run(SOME, &|| len(&part) as usize > 2 * BLOCK + 100_000);
    assert!(said.contains("MiB are kept") && said.contains(" get -c '"), "{said}");
    let kept = len(&part);
    assert!(kept as usize >= 2 * BLOCK && (kept as usize).is_multiple_of(BLOCK), "{kept}");
    // Begun afresh and interrupted early: what was there before is still there.
    let other = || {
        fs::read_dir(world.work.path()).unwrap().any(|entry| {
            let entry = entry.unwrap();
            let is_other = entry.file_name().to_string_lossy().ends_with(".sealift-part") && entry.path() != part;
            is_other && len(&entry.path()) > 100_000
        })
    };
    let early = run(LITTLE, &other);
    assert!(early.contains(&format!("interrupted; {} MiB are kept", kept >> 20)), "{early}");
    assert_eq!(len(&part), kept);
    // The very command that the hint names.
    let line = said.lines().find_map(|line| line.split_once("To go on: ")).unwrap().1;
    let mut again = world.command(["-v", "unused"]);
    again = {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{line} -v")]).current_dir(world.work.path());
        again.get_envs().for_each(|(name, value)| {
            shell.env(name, value.unwrap_or_default());
        });
        shell
    };
    finish(again, b"").code(0).said("goes on after");
    assert!(fs::read(world.local("copy")).unwrap() == bytes);
    assert!(!part.exists());
}

#[test]
fn what_came_stays_when_an_administrator_ends_the_session_and_the_hint_goes_on() {
    let world = World::trusting();
    world.server.add_user_with("root", PASSWORD, &["--admin"]);
    let root = format!("root@{}", world.server.address());
    let bytes = bytes(110_000_000);
    fs::write(world.remote("alice", "large"), &bytes).unwrap();
    let proxy = Proxy::start(&world);
    world.trust(proxy.address);
    let part = world.local(".large.sealift-part");
    let len = || fs::metadata(&part).map_or(0, |part| part.len());
    for streams in ["1", "2"] {
        let target = format!("alice@{}/large", proxy.address);
        let mut command = world.command(["get", "--streams", streams, &target]);
        command.env("SEALIFT_PASSWORD", PASSWORD).stdin(Stdio::null()).stderr(Stdio::piped());
        // Enough, and what is left is more than sockets take on its way.
        proxy.holds_after(70_000_000);
        let child = command.spawn().unwrap();
        wait_for("blocks have come", || len() as usize > 3 * BLOCK);
        world.run(["kick", &root, "alice"]).code(0);
        proxy.lets_all_pass();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(5), "{said}");
        assert!(said.contains("administrator") && said.contains("To go on: "), "{streams}: {said}");
        assert!(len() as usize >= BLOCK && (len() as usize).is_multiple_of(BLOCK), "{streams}: {}", len());
        let fetched = world.run(["get", "-c", "-v", &world.alice("large"), "large"]).code(0).said("goes on after");
        assert!(fs::read(world.local("large")).unwrap() == bytes && !part.exists(), "{fetched:?}");
        fs::remove_file(world.local("large")).unwrap();
    }
}

/// As on a network's disk that is full: the writes were taken, and nobody is told but who closes.
#[test]
fn what_a_close_of_standard_output_tells_is_a_failure() {
    let world = World::trusting();
    fs::write(world.remote("public", "f"), "some bytes").unwrap();
    let through = |inject: &str| {
        let line = format!("exec strace -f -qq -o /dev/null -P \"$PWD/out\" -e trace=close {inject} \"$@\" > out");
        let target = world.public("f");
        ["cat", "hash", "ls"].map(|command| world.run_through(&["sh", "-c", &line, "sh"], [command, &target]))
    };
    if through("").iter().any(|done| done.code != Some(0)) {
        return not_run("strace may not trace here");
    }
    for done in through("-e inject=close:error=EDQUOT") {
        done.code(9).said("standard output");
    }
}

/// Nobody reads the pipe, so the program is in a call that cannot be told anything.
#[test]
fn one_signal_ends_a_program_that_waits_for_a_pipe() {
    let world = World::trusting();
    assert!(Command::new("mkfifo").arg(world.local("pipe")).status().unwrap().success());
    fs::write(world.remote("alice", "f"), "f").unwrap();
    for kind in [Signal::TERM, Signal::INT] {
        let mut command = world.command(["get".to_owned(), world.alice("f"), "pipe".to_owned()]);
        command.env("SEALIFT_PASSWORD", PASSWORD).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
        assert!(said.starts_with("Waiting for somebody to read"), "{said}");
        signal(&child, kind);
        wait_for("it ends", || child.try_wait().unwrap().is_some());
    }
}

#[test]
fn a_mirror_outlives_lost_lines() {
    let world = World::trusting();
    fs::create_dir(world.local("tree")).unwrap();
    for n in 0..40 {
        fs::write(world.local(format!("tree/{n}")), vec![n; 300_000]).unwrap();
    }
    let proxy = Proxy::start(&world);
    world.trust(proxy.address);
    for (from, to) in [
        ("./tree".to_owned(), format!("alice@{}/m", proxy.address)),
        (format!("alice@{}/m", proxy.address), "./back".to_owned()),
    ] {
        let mut command = world.command(["mirror", "--json", &from, &to]);
        command.env("SEALIFT_PASSWORD", PASSWORD).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A quarter of it.
        proxy.holds_after(3_000_000);
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        let folder = if from == "./tree" { world.remote("alice", "m") } else { world.local("back") };
        wait_for("some files are there", || fs::read_dir(&folder).is_ok_and(|entries| entries.count() > 5));
        proxy.cut();
        proxy.lets_all_pass();
        let done = child.wait_with_output().unwrap();
        let (told, said) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap());
        assert_eq!(done.status.code(), Some(0), "{said}");
        assert_eq!(said.matches("; again in ").count(), 1, "{said}");
        // All that went is counted, over whichever line it did. Of what was sent whole the answer may be lost, and nothing is told of it alone.
        let events: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let files = events.iter().filter(|event| event["event"] == "file").count() as u64;
        let summary = events.iter().find(|event| event["event"] == "summary").unwrap();
        assert_eq!((&summary["files"], &summary["unchanged"]), (&40.into(), &0.into()), "{told}");
        assert_eq!(summary["bytes"], 40 * 300_000);
        assert!(files == 40 || from == "./tree", "{told}");
        for n in 0..40u8 {
            assert!(fs::read(folder.join(n.to_string())).unwrap() == vec![n; 300_000], "{n}");
        }
    }
}

/// A server that shows nobody in gives up on those who do not log in; whoever was asked meanwhile is not to blame.
#[test]
fn a_question_may_be_answered_later_than_the_server_waits() {
    let world = World::with(|server| server.args(["--login-timeout", "6s"]));
    let gone = |count: usize| wait_for("the server gave up", || world.server.log().matches("login").count() >= count);
    let mut terminal = world.terminal(["ls", &world.alice("")]);
    terminal.expect("type the pin): ");
    gone(1);
    terminal.line("yes").expect("Password for");
    gone(2);
    terminal.line(PASSWORD).expect("is empty");
    assert_eq!(terminal.wait().code(), Some(0));
    assert_eq!(terminal.shown().matches("type the pin").count(), 1);
    assert_eq!(terminal.shown().matches("Password for").count(), 1);
}

#[test]
fn without_home_the_accounts_own_is_used() {
    let world = World::new();
    let mut command = world.command(["trust", "list"]);
    command.env_remove("HOME").env_remove("SEALIFT_CONFIG_DIR");
    finish(command, b"").code(0);
}

/// Runs `put` or `get` through a line that stands still when so many bytes have passed, and interrupts it when enough is there.
/// What it has said.
pub fn interrupted(world: &World, proxy: &Proxy, most: u64, args: &[&str], enough: &dyn Fn() -> bool) -> String {
    let mut command = world.command(args);
    command.env("SEALIFT_PASSWORD", PASSWORD);
    let output = stopped(&mut command, Signal::INT, proxy, most, enough);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    said
}

/// What becomes of a program that gets this signal when enough is there, and whose line stands still by then.
fn stopped(command: &mut Command, kind: Signal, proxy: &Proxy, most: u64, enough: &dyn Fn() -> bool) -> Output {
    proxy.holds_after(most);
    let child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("enough is there", enough);
    signal(&child, kind);
    let output = child.wait_with_output().unwrap();
    // What is on its way goes nowhere any more.
    proxy.cut();
    proxy.lets_all_pass();
    output
}

/// The very command that the hint names, with `-v`.
fn go_on(world: &World, said: &str) -> crate::common::program::Done {
    let line = said.lines().find_map(|line| line.split_once("To go on: ")).unwrap_or_else(|| panic!("{said}")).1;
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{line} -v")]).current_dir(world.work.path()).env("SEALIFT_PASSWORD", PASSWORD);
    world.command([""]).get_envs().for_each(|(name, value)| {
        shell.env(name, value.unwrap_or_default());
    });
    finish(shell, b"")
}

/// Bytes of the files that wait in a user's home until they are whole, the largest first; small ones are not looked at.
fn staged(world: &World) -> Vec<usize> {
    let (mut sizes, mut folders) = (Vec::new(), vec![world.remote("alice", ".sealift")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => folders.push(entry.path()),
                Ok(meta) if meta.len() > 100_000 => sizes.push(meta.len() as usize),
                _ => {}
            }
        }
    }
    sizes.sort_unstable();
    sizes.reverse();
    sizes
}

/// Whether so many bytes of a file have come.
fn has_come(world: &World, bytes: usize) -> bool {
    staged(world).first().is_some_and(|size| *size > bytes)
}

fn large() -> Vec<u8> {
    bytes(60_000_000)
}

#[test]
fn what_was_proven_of_an_upload_stays_after_an_interruption_and_a_plain_put_leaves_it_alone() {
    let world = World::trusting();
    fs::write(world.local("large file"), large()).unwrap();
    let proxy = Proxy::start(&world);
    world.trust(proxy.address);
    let target = format!("alice@{}/copy", proxy.address);
    let said =
        interrupted(&world, &proxy, SOME, &["put", "large file", &target], &|| has_come(&world, 2 * BLOCK + 100_000));
    assert!(said.contains("MiB are kept") && said.contains(" put -c 'large file' "), "{said}");
    let whole_blocks = || staged(&world).iter().all(|size| size.is_multiple_of(BLOCK));
    wait_for("the server keeps what is proven", whole_blocks);
    let kept = staged(&world);
    assert!(kept.len() == 1 && kept[0] >= 2 * BLOCK, "{kept:?}");
    // Begun afresh and interrupted early: what was there before is still there.
    let early = interrupted(&world, &proxy, LITTLE, &["put", "large file", &target], &|| staged(&world).len() > 1);
    assert!(early.contains("interrupted; ") && early.contains(" put -c 'large file' "), "{early}");
    wait_for("the other one is gone", || staged(&world).len() == 1);
    assert_eq!(staged(&world), kept);
    go_on(&world, &said).code(0).said("goes on after");
    assert!(fs::read(world.remote("alice", "copy")).unwrap() == large());
}

#[test]
fn a_killed_put_is_gone_on_with_after_a_plain_one_too() {
    let world = World::trusting();
    fs::write(world.local("large"), large()).unwrap();
    let proxy = Proxy::start(&world);
    world.trust(proxy.address);
    let target = format!("alice@{}/copy", proxy.address);
    let killed = |most: u64, enough: &dyn Fn() -> bool| {
        let mut command = world.command(["put", "large", &target]);
        stopped(command.env("SEALIFT_PASSWORD", PASSWORD), Signal::KILL, &proxy, most, enough);
    };
    killed(SOME, &|| has_come(&world, 2 * BLOCK + 100_000));
    let whole_blocks = || staged(&world).iter().all(|size| size.is_multiple_of(BLOCK));
    wait_for("the server keeps what is proven", whole_blocks);
    let kept = staged(&world);
    killed(LITTLE, &|| staged(&world).len() > 1);
    wait_for("the other one is gone", || staged(&world).len() == 1);
    assert_eq!(staged(&world), kept);
    world.run(["put", "-v", "-c", "large", &world.alice("copy")]).code(0).said("goes on after");
    assert!(fs::read(world.remote("alice", "copy")).unwrap() == large());
}

#[test]
fn the_command_that_goes_on_with_a_tree_goes_where_the_first_one_went() {
    let world = World::trusting();
    for root in [world.local("tree"), world.remote("alice", "tree")] {
        fs::create_dir_all(root.join("d")).unwrap();
        fs::write(root.join("d/small"), "small").unwrap();
        fs::write(root.join("large"), large()).unwrap();
    }
    let proxy = Proxy::start(&world);
    world.trust(proxy.address);
    let at = |path: &str| format!("alice@{}/{path}", proxy.address);
    fs::create_dir(world.remote("alice", "there")).unwrap();
    fs::create_dir(world.local("here")).unwrap();
    let expected = ["d", "d/small", "large"];
    for (to, lies_in) in [(at("new"), "new"), (at("there/"), "there/tree")] {
        let said =
            interrupted(&world, &proxy, SOME, &["put", "-r", "tree", &to], &|| has_come(&world, 2 * BLOCK + 100_000));
        wait_for("the server keeps what is proven", || staged(&world).iter().all(|size| size.is_multiple_of(BLOCK)));
        go_on(&world, &said).code(0).said("goes on after");
        assert_eq!(crate::common::program::names(&world.remote("alice", lies_in)), expected, "{said}");
        assert!(fs::read(world.remote("alice", lies_in).join("large")).unwrap() == large());
    }
    for (to, lies_in) in [("new", "new"), ("here", "here/tree")] {
        let part = world.local(lies_in).join(".large.sealift-part");
        let enough = || fs::metadata(&part).is_ok_and(|part| part.len() as usize > BLOCK + 100_000);
        let said = interrupted(&world, &proxy, LESS, &["get", "-r", &at("tree"), to], &enough);
        go_on(&world, &said).code(0).said("goes on after");
        assert_eq!(crate::common::program::names(&world.local(lies_in)), expected, "{said}");
        assert!(fs::read(world.local(lies_in).join("large")).unwrap() == large());
    }
}

#[test]
fn what_is_finished_of_a_tree_does_not_move_again_after_an_interruption() {
    let world = World::trusting();
    for root in [world.local("tree"), world.remote("alice", "there")] {
        fs::create_dir_all(&root).unwrap();
        (0..40u8).for_each(|n| fs::write(root.join(n.to_string()), vec![n; 300_000]).unwrap());
    }
    let proxy = Proxy::start(&world);
    world.trust(proxy.address);
    let at = |path: &str| format!("alice@{}/{path}", proxy.address);
    let (sent, fetched) = (world.remote("alice", "new"), world.local("got"));
    for (args, to) in [(["put", "-r", "tree", &at("new")], &sent), (["get", "-r", &at("there"), "got"], &fetched)] {
        let is_there = |n: u8| fs::metadata(to.join(n.to_string())).is_ok();
        let said = interrupted(&world, &proxy, 3_000_000, &args, &|| (0..40).filter(|n| is_there(*n)).count() > 5);
        let finished = (0..40).filter(|n| is_there(*n)).count();
        let done = go_on(&world, &said).code(0);
        let unchanged = done.stderr.matches(": there already").count();
        assert!(unchanged >= finished && unchanged < 40, "{finished}: {}", done.stderr);
        let done = done.said(&format!("; {unchanged} unchanged")).said(&format!("{} files, ", 40 - unchanged));
        (0..40u8).for_each(|n| assert!(fs::read(to.join(n.to_string())).unwrap() == vec![n; 300_000], "{n}: {done:?}"));
    }
}

/// Size and time are not enough: the bytes decide. (The files are too small for a server to go by what it recorded.)
#[test]
fn what_only_seems_to_be_finished_moves_again() {
    let world = World::trusting();
    fs::create_dir_all(world.local("tree/d")).unwrap();
    let same_time = |path: &std::path::Path| {
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    };
    let sides = [world.local("tree"), world.remote("alice", "tree")];
    for name in ["a", "d/b", "c"] {
        fs::write(sides[0].join(name), vec![1; 600_000]).unwrap();
        same_time(&sides[0].join(name));
    }
    world.run(["put", "-rc", "tree", &world.alice("")]).code(0).said("3 files");
    world.run(["put", "-rc", "tree", &world.alice("")]).code(0).said("0 files").said("3 unchanged");
    // Another file of the same size and time, once on either side.
    let home = world.alice("");
    for (number, (side, args)) in [
        (0, ["put", "-rc", "tree", &home]),
        (1, ["put", "-rc", "tree", &home]),
        (0, ["get", "-rc", &world.alice("tree"), "."]),
        (1, ["get", "-rc", &world.alice("tree"), "."]),
    ]
    .into_iter()
    .enumerate()
    {
        let other = sides[side].join("d/b");
        fs::write(&other, vec![number as u8 + 2; 600_000]).unwrap();
        same_time(&other);
        world.run(args.iter().chain(&["-n"])).code(0).said("Would be: 1 file").said("2 unchanged");
        world.run(args).code(0).said("1 file").said("2 unchanged");
        let is_same = |name: &str| fs::read(sides[0].join(name)).unwrap() == fs::read(sides[1].join(name)).unwrap();
        assert!(["a", "d/b", "c"].into_iter().all(is_same), "{args:?}");
    }
    // Files that are named, and somebody who may only send.
    world.run(["put", "-c", "tree/a", "tree/c", &world.alice("tree")]).code(0).said("0 files").said("2 unchanged");
    world.run(["get", "-c", &world.alice("tree/a"), &world.alice("tree/c"), "tree"]).code(0).said("2 unchanged");
    let bob = format!("bob@{}/", world.server.address());
    (0..2).for_each(|_| drop(world.run(["put", "-c", "tree/a", "tree/c", &bob]).code(0).said("2 files")));
}

/// A program that is killed can put nothing in order: what two of them left is told of, gone on with, and gone when the file is there.
#[test]
fn what_killed_gets_left_is_told_of_and_is_gone_when_the_file_is_whole() {
    let world = World::trusting();
    let bytes = large();
    fs::write(world.remote("public", "large"), &bytes).unwrap();
    let proxy = Proxy::start(&world);
    world.trust(proxy.address);
    let parts = || -> Vec<(PathBuf, u64)> {
        let found = fs::read_dir(world.work.path()).unwrap().map(|entry| entry.unwrap().path());
        let found = found.filter(|path| path.to_string_lossy().ends_with(".sealift-part"));
        found.map(|path| (path.clone(), fs::metadata(path).map_or(0, |meta| meta.len()))).collect()
    };
    let get = || world.command(["get", &format!("{}/large", proxy.address), "copy"]);
    let killed = |most: u64, enough: &dyn Fn() -> bool| drop(stopped(&mut get(), Signal::KILL, &proxy, most, enough));
    killed(SOME, &|| parts().iter().any(|(_, len)| *len as usize > 2 * BLOCK + 100_000));
    killed(LITTLE, &|| parts().iter().filter(|(_, len)| *len > 100_000).count() == 2);
    // One that still runs has a third: it is told of what nobody writes, and what it has is taken from it by nobody.
    proxy.holds_after(LITTLE);
    let mut running = get().stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("a third has begun", || parts().iter().filter(|(_, len)| *len > 100_000).count() == 3);
    let direct = world.public("large");
    let done = world.run(["get", "-c", &direct, "copy"]).code(0).said("(of that 32 MiB were there already)");
    assert!(!done.stderr.contains("-c goes on"), "{}", done.stderr);
    assert_eq!(fs::read(world.local("copy")).unwrap(), bytes);
    assert_eq!(parts().len(), 1, "{:?}", parts());
    proxy.lets_all_pass();
    assert!(running.wait().unwrap().success());
    assert_eq!(parts(), []);
    assert_eq!(fs::read(world.local("copy")).unwrap(), bytes);
    // A plain one says what is kept, and leaves nothing behind.
    killed(LESS, &|| parts().iter().any(|(_, len)| *len as usize > BLOCK + 100_000));
    let done = world.run(["get", &direct, "copy"]).code(0);
    let done = done.said("large: 16 MiB of an earlier try that was cut off are kept; -c goes on with them");
    assert!(!done.stderr.contains("were there already"), "{}", done.stderr);
    assert_eq!(parts(), []);
}
