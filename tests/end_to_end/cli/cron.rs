//! A day without a person: what cron starts, with next to no environment, over a line that is cut and comes back.

use std::fs;
use std::process::{Command, Stdio};

use crate::common::front::Front;
use crate::common::program::{Proxy, World, finish};
use crate::common::{bytes, eventually};

/// What cron gives a job: a home and a short path, no terminal, no locale.
fn job(world: &World, line: &str) -> Command {
    let mut command = Command::new("/usr/bin/setsid");
    command.args(["--wait", "/bin/sh", "-c", line]).current_dir("/").env_clear();
    command.env("HOME", world.work.path()).env("PATH", "/usr/bin:/bin").env("SHELL", "/bin/sh").stdin(Stdio::null());
    command
}

#[test]
fn a_nightly_mirror_needs_no_password_and_goes_on_after_the_line_was_cut() {
    let world = World::new();
    let program = env!("CARGO_BIN_EXE_sealift");
    let proxy = Proxy::slow(&world);
    let target = format!("alice@{}/backup", proxy.address);
    fs::create_dir_all(world.local("data/sub")).unwrap();
    let large = bytes(40 << 20);
    fs::write(world.local("data/sub/large"), &large).unwrap();
    fs::write(world.local("data/small"), "small").unwrap();

    // In the evening a person logs in, once, from the same home.
    let log_in = format!("{program} --trust accept-new login --password-stdin {target}");
    let mut by_hand = job(&world, &log_in);
    by_hand.stdin(Stdio::piped());
    finish(by_hand, format!("{}\n", crate::common::program::PASSWORD).as_bytes()).code(0);

    // At night nobody is there.
    let line = format!("cd && {program} mirror --progress plain --delete data {target} > log 2>&1");
    let mut running = job(&world, &line).spawn().unwrap();
    let part = || fs::read_dir(world.remote("alice", ".sealift")).is_ok_and(|mut some| some.next().is_some());
    eventually("the upload is under way", part);
    proxy.cut();
    eventually("the loss is in the log", || {
        fs::read_to_string(world.local("log")).unwrap_or_default().contains("again in")
    });
    proxy.hurry();
    let log = || fs::read_to_string(world.local("log")).unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(0), "{}", log());
    assert_eq!(fs::read(world.remote("alice", "backup/sub/large")).unwrap(), large);
    // What went before the cut counts as unchanged behind it.
    assert!(log().contains(", verified") && log().is_ascii() && !log().contains('\r'), "{}", log());

    // The next night nothing has changed, and the night after the server is away: the exit code says which it was.
    let quiet = format!("cd && {program} -q mirror --delete data {target}");
    let done = finish(job(&world, &quiet), b"").code(0);
    assert_eq!((done.stdout(), &*done.stderr), ("", ""), "a job that says nothing sends no mail");
    let away = format!("cd && {program} -q --retry 0 mirror --delete data alice@127.0.0.1:1/backup");
    finish(job(&world, &away), b"").code(6).said("cannot connect");
}

#[test]
fn a_quiet_mirror_that_deletes_nothing_because_of_an_error_says_so() {
    let world = World::trusting();
    fs::create_dir(world.local("data")).unwrap();
    fs::write(world.local("data/f"), "f").unwrap();
    fs::create_dir(world.remote("alice", "backup")).unwrap();
    fs::write(world.remote("alice", "backup/old"), "old").unwrap();
    fs::write(world.local("data/two\nlines"), "x").unwrap();
    let done = world.run(["-q", "mirror", "--delete", "./data", &world.alice("backup")]).code(10);
    let done = done.said("nothing was deleted, because ").said("1 kept at the destination");
    // One name stops it each night, until somebody knows which, and what to do.
    let done = done.said("(./data/two\\x0alines failed)").said("--exclude '*[[:cntrl:]]*'");
    done.said("with --exclude for what cannot travel the rest is mirrored and deleted");
    assert!(world.remote("alice", "backup/old").exists());
    let exclude = ["--exclude", "*[[:cntrl:]]*"];
    world.run([&["-q", "mirror", "--delete", "./data", &world.alice("backup")][..], &exclude].concat()).code(0);
    assert!(!world.remote("alice", "backup/old").exists());
}

#[test]
fn a_job_finds_its_key_when_the_server_is_restarted_meanwhile() {
    let mut world = World::new();
    let front = Front::of(&world.server);
    let program = env!("CARGO_BIN_EXE_sealift");
    fs::write(world.local("f"), "f").unwrap();
    let target = format!("alice@{}/", front.address);
    let mut by_hand = job(&world, &format!("{program} --trust accept-new login --password-stdin {target}"));
    by_hand.stdin(Stdio::piped());
    finish(by_hand, format!("{}\n", crate::common::program::PASSWORD).as_bytes()).code(0);
    crate::common::front::restart(&mut world, &front);
    finish(job(&world, &format!("cd && {program} put f {target}")), b"").code(0).said("1 file, 1 B");
}
