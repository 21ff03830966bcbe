//! A user's quota, and many uploads that each would just fit.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use sealift::files::Hash;

use super::until;
use crate::common::{Answer, Daemon, PASSWORD, World, assert_nothing_staged, enter, frames_of, snapshot};

const QUOTA: u64 = 1 << 20;

/// Uploads side by side.
const UPLOADS: usize = 32;

/// Bytes of each; ten of them fit.
const SIZE: usize = 100_000;

/// Bytes of the files in a folder: those in their places, and those in the hidden staging folder.
fn bytes_in(home: &Path) -> (u64, u64) {
    let (mut placed, mut staged) = (0, 0);
    let mut folders = vec![home.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            // It may be gone by now.
            let Ok(meta) = entry.metadata() else { continue };
            let path = entry.path();
            let size = if meta.is_file() { meta.len() } else { 0 };
            *if path.starts_with(home.join(".sealift")) { &mut staged } else { &mut placed } += size;
            if meta.is_dir() {
                folders.push(path);
            }
        }
    }
    (placed, staged)
}

/// Uploads [`UPLOADS`] files at once, all half done before any is done; says what the answers were.
fn race(daemon: &Daemon, home: &Path, options: &str) -> Vec<String> {
    let (start, over) = (Barrier::new(UPLOADS), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (start, over) = (&start, &over);
        let watcher = scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                // Not those that are staged: some go and others grow while one looks.
                let (placed, _) = bytes_in(home);
                assert!(placed <= QUOTA, "{placed}");
            }
        });
        let uploads: Vec<_> = (0..UPLOADS)
            .map(|n| {
                scope.spawn(move || {
                    let bytes = vec![u8::try_from(n).unwrap(); SIZE];
                    let mut client = enter(daemon, "alice");
                    client.line(format!("UPLOAD f{n}{options}"));
                    client.send(frames_of(&bytes[..SIZE / 2]));
                    start.wait();
                    client.send([&frames_of(&bytes[SIZE / 2..])[..], &[0; 4], Hash::of(&bytes).as_bytes()].concat());
                    let (digits, word, _) = client.reply();
                    assert!([(226, "done"), (552, "quota")].contains(&(digits, &word)), "{digits} {word}");
                    assert_eq!(client.ask("PING").1, "pong");
                    word
                })
            })
            .collect();
        let words = uploads.into_iter().map(|upload| upload.join().unwrap()).collect();
        over.store(true, Ordering::Relaxed);
        watcher.join().unwrap();
        words
    })
}

fn word(answer: Answer) -> String {
    answer.1
}

#[test]
fn quota_race() {
    let world = World::of(&["alice"]);
    let home = world.home("alice");
    let mut users = fs::OpenOptions::new().append(true).open(world.place().join("users.toml")).unwrap();
    writeln!(users, "quota = \"1 MiB\"").unwrap();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    for options in ["", &format!(" size={SIZE}"), " if=absent"] {
        let words = race(&daemon, &home, options);
        let done = words.iter().filter(|word| *word == "done").count();
        assert!((1..=10).contains(&done), "{options}: {words:?}");
        assert!(done == 10 || !options.contains("size"), "what was announced is kept free: {words:?}");
        for (n, word) in words.iter().enumerate() {
            let there = fs::read(home.join(format!("f{n}"))).ok();
            let expected = (word == "done").then(|| vec![u8::try_from(n).unwrap(); SIZE]);
            assert_eq!(there, expected, "f{n}");
            let _ = alice.ask(format!("DELETE f{n}"));
        }
        assert_nothing_staged(&home, options);
    }

    // All room is back, to the byte, and not one byte more.
    let quota = usize::try_from(QUOTA).unwrap();
    assert_eq!(word(alice.upload("all", &vec![1; quota + 1])), "quota");
    assert_eq!(word(alice.upload(&format!("all size={}", quota + 1), &vec![1; quota + 1])), "quota");
    assert_eq!(word(alice.upload("all", &vec![1; quota])), "done");
    assert_eq!(word(alice.upload("one", b"1")), "quota");
    assert_eq!(word(alice.upload("all", &[2])), "quota", "a file that replaces another needs room beside it");
    assert_eq!(word(alice.upload("empty", b"")), "done");
    assert_eq!(word(alice.ask("RENAME empty all replace=yes")), "done");
    assert_eq!(word(alice.ask("MKDIR a/b parents=yes")), "done");
    for n in 0..10 {
        assert_eq!(word(alice.upload(&format!("a/b/{n}"), &vec![3; SIZE])), "done");
    }
    assert_eq!(word(alice.upload("a/b/0", &vec![4; 40_000])), "done");
    assert_eq!(word(alice.upload("a/b/1", &vec![4; SIZE])), "done", "the shorter one gave room back");
    assert_eq!(word(alice.upload("b", &vec![3; 2 * SIZE])), "quota");
    drop(alice);

    // Counted anew by a new server.
    daemon.stop();
    let before = snapshot(&home);
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(word(alice.upload("b", &vec![3; 2 * SIZE])), "quota");
    fs::write(world.place().join("large"), vec![5; 2 * SIZE]).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sealift"))
        .args(["--pin", daemon.pin(), "--port", &daemon.port().to_string(), "put", "large", "alice@127.0.0.1/b"])
        .env("SEALIFT_PASSWORD", PASSWORD)
        .current_dir(world.place())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(9), "{output:?}");
    let mut after = snapshot(&home);
    after.retain(|path, _| !path.starts_with(".sealift"));
    assert!(before.iter().filter(|(path, _)| !path.starts_with(".sealift")).eq(after.iter()), "nothing else changed");

    // A connection that breaks in the middle keeps no room, and neither does a removed tree.
    assert_eq!(word(alice.ask("DELETE a recursive=yes")), "done");
    let mut broken = enter(&daemon, "alice");
    // Without its size, so that it waits under a name that can be seen.
    broken.line("UPLOAD never");
    broken.send(frames_of(&vec![6; 900_000]));
    until("it is on its way", || bytes_in(&home).1 == 900_000);
    assert_eq!(word(alice.upload("b", &vec![3; 2 * SIZE])), "quota", "its room is taken");
    drop(broken);
    until("its room is back", || word(alice.upload("b", &vec![3; 9 * SIZE])) == "done");
}

#[test]
fn quota_in_files_race() {
    let world = World::of(&["alice"]);
    let home = world.home("alice");
    let mut users = fs::OpenOptions::new().append(true).open(world.place().join("users.toml")).unwrap();
    writeln!(users, "quota_files = 10").unwrap();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    for options in ["", " if=absent"] {
        let words = race(&daemon, &home, options);
        assert_eq!(words.iter().filter(|word| *word == "done").count(), 10, "{options}: {words:?}");
        (0..UPLOADS).for_each(|n| drop(alice.ask(format!("DELETE f{n}"))));
        assert_nothing_staged(&home, options);
    }
    // Empty ones count, folders do not, and what goes makes room, by whatever way.
    assert_eq!(word(alice.ask("MKDIR tree/in parents=yes")), "done");
    for n in 0..10 {
        assert_eq!(word(alice.upload(&format!("tree/in/{n}"), b"")), "done");
    }
    assert_eq!(word(alice.upload("more", b"")), "quota");
    assert_eq!(word(alice.ask("COPY tree/in/0 more")), "quota");
    assert_eq!(word(alice.ask("RENAME tree/in/0 tree/in/1 replace=yes")), "done");
    assert_eq!(word(alice.upload("more", b"")), "done");
    assert_eq!(word(alice.upload("another", b"")), "quota");
    assert_eq!(word(alice.ask("DELETE tree recursive=yes")), "done");
    for n in 0..9 {
        assert_eq!(word(alice.upload(&format!("new{n}"), b"")), "done");
    }
    assert_eq!(word(alice.upload("another", b"")), "quota");
    // Counted anew by a new server.
    drop(alice);
    daemon.stop();
    let daemon = world.start();
    assert_eq!(word(enter(&daemon, "alice").upload("another", b"")), "quota");
}
