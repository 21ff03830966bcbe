//! What was acknowledged outlives a power cut: its bytes and its name are on the disk before the answer is on its way.
//! Seen in the running server's system calls, in the order in which they happen.

use std::fs;

use super::Dice;
use super::occupancy::Bindfs;
use super::strace::Strace;
use crate::common::{Daemon, RawClient, World, enter, section, upload_bytes};

const CALLS: &str =
    "trace=fdatasync,syncfs,fsync,rename,renameat,renameat2,linkat,mkdir,mkdirat,write,sendto,sendmsg,writev";

/// One finished system call.
#[derive(Debug)]
struct Call {
    name: String,
    /// Arguments and result, as strace writes them; descriptors with what they are.
    text: String,
}

/// The calls in the order in which they began and ended: a call that takes long is two lines, and counts as begun at
/// the first and as done at the second. `begun` tells for each whether it is the first of two.
fn calls(trace: &str) -> Vec<(Call, bool)> {
    let mut calls = Vec::new();
    let mut unfinished = std::collections::HashMap::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(begin) = rest.strip_suffix(" <unfinished ...>") {
            let Some((name, text)) = begin.split_once('(') else { continue };
            unfinished.insert(thread, text.to_owned());
            calls.push((Call { name: name.to_owned(), text: text.to_owned() }, true));
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let Some((name, end)) = resumed.split_once(" resumed>") else { continue };
            let text = unfinished.remove(thread).unwrap_or_default() + end;
            calls.push((Call { name: name.to_owned(), text }, false));
        } else if let Some((name, text)) = rest.split_once('(') {
            let call = || Call { name: name.to_owned(), text: text.to_owned() };
            calls.push((call(), true));
            calls.push((call(), false));
        }
    }
    calls
}

/// Runs this with the server under watch; its calls, or none where that is not possible.
fn watched(daemon: &Daemon, client: &mut RawClient, work: impl FnOnce(&mut RawClient)) -> Option<Vec<(Call, bool)>> {
    let strace = Strace::attach(daemon, ["-s", "0", "-e", CALLS])?;
    work(client);
    Some(calls(&strace.detach()))
}

/// Where the last call of this kind ended, or the first one began.
fn at(calls: &[(Call, bool)], begun: bool, what: impl Fn(&Call) -> bool) -> Option<usize> {
    let mut found = calls.iter().enumerate().filter(|(_, (call, first))| *first == begun && what(call));
    let found = if begun { found.next() } else { found.last() };
    found.map(|(at, _)| at)
}

/// Whether it is about a file that is not in its place yet: one in the staging folder, or one without a name.
fn is_staged(call: &Call) -> bool {
    // The server's own lock, which it renews when it is time, is in such a folder too, beside the homes.
    let is_in_a_home = call.text.contains(".sealift/") && !call.text.contains("/.sealift/server.lock>");
    is_in_a_home || call.text.contains("(deleted)")
}

fn is_sync(call: &Call) -> bool {
    ["fdatasync", "syncfs", "fsync"].contains(&call.name.as_str()) && is_staged(call)
}

/// Whether it gives a file its name.
fn is_naming(call: &Call) -> bool {
    call.name.starts_with("rename") || call.name == "linkat"
}

fn is_answer(call: &Call) -> bool {
    !call.name.contains("sync") && (call.text.contains("<socket:") || call.text.contains("<TCP"))
}

/// Data synced, then named, then the directory synced, then answered: each done before the next begins.
fn assert_order(calls: &[(Call, bool)], directory: &str, what: &str) {
    let is_rename = |call: &Call| is_naming(call) && is_staged(call);
    let is_folder_sync = |call: &Call| call.name == "fsync" && call.text.contains(&format!("{directory}>"));
    let find = |begun, is: &dyn Fn(&Call) -> bool, name| {
        at(calls, begun, is).unwrap_or_else(|| panic!("{what}: no {name} in {calls:#?}"))
    };
    let synced = find(false, &is_sync, "sync of the data");
    let (rename, renamed) = (find(true, &is_rename, "name"), find(false, &is_rename, "name"));
    let (folder, folder_done) =
        (find(true, &is_folder_sync, "sync of the folder"), find(false, &is_folder_sync, "sync of the folder"));
    let answer = find(true, &is_answer, "answer");
    assert!(synced < rename && renamed < folder && folder_done < answer, "{what}: {calls:#?}");
    for (call, first) in calls.iter().filter(|(call, _)| call.name.contains("sync") || is_naming(call)) {
        assert!(*first || call.text.trim_end().ends_with("= 0"), "{what}: {call:?}");
    }
}

#[test]
fn acked_is_durable() {
    let world = World::of(&["alice"]);
    let home = world.home("alice");
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let mut dice = Dice::new();
    let place = home.display().to_string();
    let done = |alice: &mut RawClient, count| {
        for _ in 0..count {
            assert_eq!(alice.reply().1, "done");
        }
    };
    // The first change tries what the file system does, with files of its own.
    assert_eq!(alice.upload("first", b"").1, "done");
    let mut expected = Vec::new();
    for (options, size) in [
        ("", 10),
        (" size=11", 11),
        (" if=absent", 20_000),
        (" size=30000 if=absent", 30_000),
        (" size=3000000", 3_000_000),
        (" mtime=5", 17_000_000),
    ] {
        let (name, bytes) = (format!("one{size}"), dice.bytes(size));
        let Some(calls) = watched(&daemon, &mut alice, |alice| {
            alice.start_upload(&format!("{name}{options}"), &bytes);
            done(alice, 1);
        }) else {
            return;
        };
        assert_order(&calls, &place, &name);
        expected.push((name, bytes));
    }
    // Many share their syncs, and all their answers wait for them.
    for options in ["", " size=500"] {
        let batch: Vec<_> = (0..30).map(|n| (format!("many{n}{}", options.len()), dice.bytes(500))).collect();
        let Some(calls) = watched(&daemon, &mut alice, |alice| {
            let upload = |(name, bytes): &(String, Vec<u8>)| upload_bytes(&format!("{name}{options}"), bytes);
            alice.send(batch.iter().flat_map(upload).collect::<Vec<u8>>());
            done(alice, 30);
        }) else {
            return;
        };
        assert_order(&calls, &place, "thirty together");
        expected.extend(batch);
    }
    // A new folder: its name is synced too.
    let Some(calls) = watched(&daemon, &mut alice, |alice| assert_eq!(alice.ask("MKDIR a/b parents=yes").1, "done"))
    else {
        return;
    };
    for above in [place.clone(), format!("{place}/a")] {
        let sync = |call: &Call| call.name == "fsync" && call.text.contains(&format!("{above}>"));
        assert!(at(&calls, false, sync).is_some(), "{above} in {calls:#?}");
    }
    // Many of both share their syncs: no answer before the last name is on the disk.
    let folders: Vec<_> = (0..12).map(|n| (format!("d{n}"), dice.bytes(300))).collect();
    let Some(calls) = watched(&daemon, &mut alice, |alice| {
        let both = |(folder, bytes): &(String, Vec<u8>)| {
            [format!("MKDIR {folder}\r\n").into_bytes(), upload_bytes(&format!("{folder}/f"), bytes)].concat()
        };
        alice.send(folders.iter().flat_map(both).collect::<Vec<u8>>());
        done(alice, 24);
    }) else {
        return;
    };
    let is_name = |call: &Call| is_naming(call) || call.text.contains("\"d11\"");
    let named = at(&calls, false, is_name).unwrap();
    let answer = at(&calls, true, is_answer).unwrap();
    let is_last_sync = |call: &Call| ["syncfs", "fsync"].contains(&call.name.as_str());
    let synced = at(&calls[named..answer], true, is_last_sync).map(|at| named + at);
    assert!(synced.is_some_and(|synced| at(&calls[synced..answer], false, is_last_sync).is_some()), "{calls:#?}");
    expected.extend(folders.into_iter().map(|(folder, bytes)| (format!("{folder}/f"), bytes)));

    // Many modes share theirs, too.
    let modes: String = (0..30).map(|n| format!("CHMOD many{n}0 mode=600 perms=yes\r\n")).collect();
    let Some(calls) = watched(&daemon, &mut alice, |alice| {
        alice.send(modes);
        done(alice, 30);
    }) else {
        return;
    };
    let is_mode_sync = |call: &Call| is_last_sync(call) && !call.text.contains("/server.lock>");
    let (synced, answer) = (at(&calls, false, is_mode_sync).unwrap(), at(&calls, true, is_answer).unwrap());
    assert!(synced < answer, "{calls:#?}");
    assert!(calls.iter().filter(|(call, begun)| *begun && is_mode_sync(call)).count() < 30, "{calls:#?}");

    // And the end of the process, at once after the answer.
    let last = dice.bytes(5000);
    assert_eq!(alice.upload("a/b/last", &last).1, "done");
    daemon.kill();
    expected.push(("a/b/last".to_owned(), last));
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    for (name, bytes) in expected {
        assert_eq!(fs::read(home.join(&name)).unwrap(), bytes, "{name}");
        assert_eq!(alice.download(&name).unwrap(), bytes, "{name}");
    }
}

/// What is replaced stays in the trash, and that it does is on the disk before the answer is on its way.
#[test]
fn acked_replacement_keeps_the_old_one_durably() {
    let world = World::of(&[]);
    world.set_users(&(section("alice", "\"full\"", "alice") + "trash = \"30d\"\n"));
    fs::create_dir_all(world.home("alice")).unwrap();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let trash = world.home("alice").join(".sealift/trash").display().to_string();
    // The first one makes the trash.
    for bytes in [b"1", b"2"] {
        assert_eq!(alice.upload("file", bytes).1, "done");
        assert_eq!(alice.upload("other", bytes).1, "done");
    }
    let is_kept = |call: &Call| is_naming(call) && call.text.contains(&format!("{trash}>"));
    let is_synced = |call: &Call| call.name == "fsync" && call.text.contains(&format!("{trash}>"));
    for line in ["UPLOAD", "COPY other file replace=yes", "RENAME other file replace=yes"] {
        let Some(calls) = watched(&daemon, &mut alice, |alice| match line {
            "UPLOAD" => assert_eq!(alice.upload("file", b"newer").1, "done"),
            line => assert_eq!(alice.ask(line).1, "done"),
        }) else {
            return;
        };
        let find = |begun, is: &dyn Fn(&Call) -> bool, name| {
            at(&calls, begun, is).unwrap_or_else(|| panic!("{line}: no {name} in {calls:#?}"))
        };
        let (kept, synced) = (find(false, &is_kept, "old one"), find(true, &is_synced, "sync of the trash"));
        let (done, answer) = (find(false, &is_synced, "sync of the trash"), find(true, &is_answer, "answer"));
        assert!(kept < synced && done < answer, "{line}: {calls:#?}");
    }
}

/// The kernel answers `syncfs` for a program behind FUSE, which hears nothing of it: each file is synced by itself there, however
/// many share a commit.
#[test]
fn acked_is_durable_on_fuse() {
    const FILES: usize = 64;
    let world = World::of(&["alice"]);
    let (real, data) = (world.place().join("real"), world.place().join("server_data"));
    fs::rename(&data, &real).unwrap();
    let Some(mount) = Bindfs::over(&real, &data, &[]) else { return };
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.upload("first", b"").1, "done");
    let calls = watched(&daemon, &mut alice, |alice| {
        let upload = |n: usize| upload_bytes(&format!("f{n} size=1"), b"x");
        alice.send((0..FILES).flat_map(upload).collect::<Vec<u8>>());
        for _ in 0..FILES {
            assert_eq!(alice.reply().1, "done");
        }
    });
    let Some(calls) = calls else { return };
    let done = |is: &dyn Fn(&Call) -> bool| calls.iter().filter(|(call, begun)| !begun && is(call)).count();
    assert_eq!(done(&|call| call.name == "syncfs"), 0, "{calls:#?}");
    let is_staged_file = |call: &Call| call.name == "fdatasync" && is_staged(call);
    assert_eq!(done(&is_staged_file), FILES, "{calls:#?}");
    daemon.stop();
    drop(mount);
}
