//! Copies that are cut off, and of what nobody should be able to copy.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use rustix::fs::{CWD, FileType, makedev, mknodat};
use rustix::process::Signal;

use super::until;
use crate::common::{Daemon, RawClient, World, assert_nothing_staged, enter, section};

/// Bytes that the process of this id has read so far, of files and sockets.
fn read_so_far(pid: u32) -> u64 {
    let counted = fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    counted.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

/// Begins to copy `large`, which is so large, to `other`, and stops the server in the middle of that. On a machine that has much to do
/// all of it may have been copied by then, and is once more.
fn catch_a_copy(daemon: &Daemon, client: &mut RawClient, size: usize) {
    until("a copy is caught in its middle", || {
        let before = read_so_far(daemon.pid());
        client.line("COPY large other");
        until("it is under way", || read_so_far(daemon.pid()) > before + (16 << 20));
        daemon.signal(Signal::STOP);
        let is_caught = read_so_far(daemon.pid()) < before + size as u64 / 2;
        if !is_caught {
            daemon.signal(Signal::CONT);
            assert_eq!((client.reply().0, client.ask("DELETE other").0), (226, 250));
        }
        is_caught
    });
}

/// Nobody goes on with a copy: what was there of it when the server was killed must not take its place for days.
#[test]
fn copy_killed() {
    const SIZE: usize = 512 << 20;
    let world = World::with(&[("alice", "\"full\"", "alice")]);
    let daemon = world.start();
    let home = world.home("alice");
    // No zeros: a hole is no beginning of anything.
    fs::write(home.join("large"), vec![7; SIZE]).unwrap();
    catch_a_copy(&daemon, &mut enter(&daemon, "alice"), SIZE);
    daemon.kill();
    fs::remove_file(world.place().join("log")).unwrap();
    let daemon = world.start();
    until("swept", || daemon.log().contains(" swept "));
    assert_nothing_staged(&home, "after the next start");
    assert!(!home.join("other").exists());
}

/// A copy counts as an upload of as many bytes: what does not fit is refused before any is read, and what just fits is not.
#[test]
fn copy_over_quota() {
    let world = World::with(&[("alice", "\"full\"", "alice")]);
    world.set_users(&(section("alice", "\"full\"", "alice") + "quota = \"1 MiB\"\n"));
    let daemon = world.start();
    let home = world.home("alice");
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.upload("half", &[7; 512 << 10]).1, "done");
    assert_eq!(alice.upload("rest", &[8; 256 << 10]).1, "done");
    assert_eq!(alice.ask("COPY half other").1, "quota");
    assert_eq!(alice.ask("COPY rest other").1, "done");
    // Many at once get no more than one after the other.
    assert_eq!(alice.ask("DELETE other").1, "done");
    alice.send((0..20).map(|n| format!("COPY rest other{n}\r\n")).collect::<String>());
    let words: Vec<String> = (0..20).map(|_| alice.reply().1).collect();
    assert_eq!(words.iter().filter(|word| *word == "done").count(), 1, "{words:?}");
    assert!(words.iter().all(|word| word == "done" || word == "quota"), "{words:?}");
    // Holes count as what they are read as.
    File::create(home.join("sparse")).unwrap().set_len(100 << 30).unwrap();
    assert_eq!(alice.ask("COPY sparse other").1, "quota");
    assert_nothing_staged(&home, "after all of it");
}

/// It needs the rights of a download and of an upload, and to replace the third.
#[test]
fn copy_without_rights() {
    let lists = [
        ("reads", "[\"list\", \"download\"]", "denied", "denied"),
        ("sends", "[\"upload\", \"overwrite\"]", "denied", "denied"),
        ("both", "[\"download\", \"upload\"]", "done", "denied"),
        ("all", "[\"download\", \"upload\", \"overwrite\"]", "done", "done"),
        ("none", "\"none\"", "denied", "denied"),
    ];
    let users: Vec<_> = lists.iter().map(|(user, access, ..)| (*user, *access, *user)).collect();
    let world = World::with(&users);
    let daemon = world.start();
    for (user, _, copied, replaced) in lists {
        let home = world.home(user);
        fs::write(home.join("file"), "bytes").unwrap();
        fs::write(home.join("there"), "others").unwrap();
        let mut client = enter(&daemon, user);
        assert_eq!(client.ask("COPY file new").1, copied, "{user}");
        assert_eq!(client.ask("COPY file there replace=yes").1, replaced, "{user}");
        // Whoever may not read learns nothing of what there is.
        if copied == "denied" {
            assert_eq!(client.ask("COPY missing new").1, "denied", "{user}");
        }
        let there = fs::read_to_string(home.join("there")).unwrap();
        assert_eq!(there == "bytes", replaced == "done", "{user}");
    }
}

/// A device would be read without end, and a pipe waits for somebody who writes.
#[test]
fn copy_of_devices() {
    let world = World::with(&[("alice", "\"full\"", "alice")]);
    let daemon = world.start();
    let home = world.home("alice");
    mknodat(CWD, home.join("pipe"), FileType::Fifo, 0o600.into(), 0).unwrap();
    let _listens = std::os::unix::net::UnixListener::bind(home.join("socket")).unwrap();
    // Only root makes devices; a link leads to one as well.
    let _by_root = mknodat(CWD, home.join("zeros"), FileType::CharacterDevice, 0o666.into(), makedev(1, 5));
    std::os::unix::fs::symlink("/dev/zero", home.join("link")).unwrap();
    std::os::unix::fs::symlink("pipe", home.join("to-pipe")).unwrap();
    fs::create_dir(home.join("folder")).unwrap();
    fs::write(home.join("file"), "bytes").unwrap();
    let mut alice = enter(&daemon, "alice");
    for from in ["pipe", "socket", "zeros", "link", "to-pipe", "folder", ".sealift", "file/../pipe", "missing"] {
        let (digits, word, _) = alice.ask(format!("COPY {from} other"));
        assert!(digits >= 500 && word != "internal", "{from}: {digits} {word}");
        assert!(!home.join("other").exists(), "{from}");
    }
    // Nor is anything but a file replaced.
    for to in ["pipe", "socket", "link", "to-pipe", "folder"] {
        let before = fs::symlink_metadata(home.join(to)).unwrap();
        let word = alice.ask(format!("COPY file {to} replace=yes")).1;
        let after = fs::symlink_metadata(home.join(to)).unwrap();
        println!("{to}: {word}");
        assert!(word == "done" || before.ino() == after.ino(), "{to}: {word}");
    }
    assert!(!fs::symlink_metadata("/dev/zero").unwrap().is_file());
    assert_eq!(alice.ask("PING").1, "pong");
    assert_nothing_staged(&home, "after all of it");
}

/// 100 GiB of holes take no room, hold up nobody, and end with their session.
#[test]
fn copy_of_holes() {
    let world = World::with(&[("alice", "\"full\"", "alice"), ("bob", "\"full\"", "bob")]);
    let daemon = world.start();
    let home = world.home("alice");
    File::create(home.join("sparse")).unwrap().set_len(100 << 30).unwrap();
    let before = read_so_far(daemon.pid());
    let mut copying: Vec<_> = (0..4).map(|_| enter(&daemon, "alice")).collect();
    for (n, alice) in copying.iter_mut().enumerate() {
        alice.line(format!("COPY sparse other{n}"));
    }
    until("they are under way", || read_so_far(daemon.pid()) > before + (256 << 20));
    let mut bob = enter(&daemon, "bob");
    assert_eq!(bob.upload("file", &[7; 100_000]).1, "done");
    assert_eq!(bob.ask("COPY file other").1, "done");
    let taken = |name: &str| fs::metadata(home.join(name)).map_or(0, |meta| meta.blocks() * 512);
    assert!((0..4).all(|n| !home.join(format!("other{n}")).exists()));
    assert!(taken("sparse") < 1 << 20);
    drop(copying);
    until("nobody copies any more", || {
        let before = read_so_far(daemon.pid());
        std::thread::sleep(std::time::Duration::from_millis(100));
        read_so_far(daemon.pid()) < before + (1 << 20)
    });
    assert_nothing_staged(&home, "after they left");
    assert_eq!(bob.ask("PING").1, "pong");
}

/// A file that is written to while it is copied gives no copy of two states.
#[test]
fn copy_of_a_file_that_changes() {
    const SIZE: usize = 512 << 20;
    let world = World::with(&[("alice", "\"full\"", "alice")]);
    let daemon = world.start();
    let home = world.home("alice");
    fs::write(home.join("large"), vec![7; SIZE]).unwrap();
    let file = File::options().write(true).open(home.join("large")).unwrap();
    let mut alice = enter(&daemon, "alice");
    for change in ["written to", "longer", "shorter"] {
        catch_a_copy(&daemon, &mut alice, SIZE);
        match change {
            "written to" => file.write_all_at(b"changed", 0).unwrap(),
            "longer" => file.set_len((SIZE + 1) as u64).unwrap(),
            _ => file.set_len(SIZE as u64 / 2).unwrap(),
        }
        daemon.signal(Signal::CONT);
        assert_eq!(alice.reply().1, "torn", "{change}");
        assert!(!home.join("other").exists(), "{change}");
    }
    assert_nothing_staged(&home, "after all of it");
    assert_eq!(alice.ask("COPY large other").1, "done");
}
