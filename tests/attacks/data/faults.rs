//! A disk that fails: errors in the place of the system calls of the running server.

use std::fs;

use super::Dice;
use super::strace::Strace;
use sealift::files::Hash;

use crate::common::{World, assert_nothing_staged, enter, section, upload_bytes};

/// What is broken, how many uploads come together, their options, and whether the old files must be in their places.
struct Fault {
    call: &'static str,
    together: usize,
    options: &'static str,
    old_stays: bool,
}

/// Says its size, so that it is known to be small, and has no name before it is in its place.
const SMALL: &str = " size=3000";

const FAULTS: [Fault; 11] = [
    Fault { call: "fdatasync", together: 1, options: "", old_stays: true },
    Fault { call: "fdatasync", together: 1, options: SMALL, old_stays: true },
    Fault { call: "fdatasync,syncfs", together: 20, options: SMALL, old_stays: true },
    Fault { call: WRITE, together: 1, options: "", old_stays: true },
    Fault { call: WRITE, together: 20, options: "", old_stays: true },
    Fault { call: "rename,renameat,renameat2", together: 1, options: "", old_stays: true },
    Fault { call: "rename,renameat,renameat2", together: 20, options: SMALL, old_stays: true },
    Fault { call: "linkat", together: 1, options: SMALL, old_stays: true },
    Fault { call: "linkat", together: 20, options: SMALL, old_stays: true },
    // After the rename: not acknowledged, and either is there, whole.
    Fault { call: "fsync", together: 1, options: "", old_stays: false },
    Fault { call: "fsync", together: 20, options: SMALL, old_stays: false },
];

/// Also what the log and the sockets are written with.
const WRITE: &str = "write";

#[test]
fn io_error() {
    run("EIO", (451, "io-error"));
}

/// The disk is full at every one of these steps, without a disk that is: what [`super::disk_full`] cannot choose.
pub fn no_space() {
    run("ENOSPC", (452, "no-space"));
}

/// Runs every fault with this error, which must be told so.
fn run(error: &str, told: (u16, &str)) {
    let mut dice = Dice::new();
    for Fault { call, together, options, old_stays } in FAULTS {
        let world = World::of(&["alice"]);
        let home = world.home("alice");
        let daemon = world.start();
        let mut alice = enter(&daemon, "alice");
        let old: Vec<_> = (0..together).map(|_| dice.bytes(2000)).collect();
        let new: Vec<_> = (0..together).map(|_| dice.bytes(3000)).collect();
        for (n, bytes) in old.iter().enumerate() {
            assert_eq!(alice.upload(&format!("f{n}"), bytes).1, "done");
        }
        // The first of its kind tries how files can be named.
        assert_eq!(alice.upload("first size=0", b"").1, "done");
        let staging = home.join(".sealift");
        let mut places = Vec::new();
        if call == WRITE {
            // Only calls on staged files fail. They are numbered, and the session's folder is there since the first.
            let session = fs::read_dir(&staging).unwrap().next().unwrap().unwrap().path();
            for n in 0..3 * together {
                for f in 0..together {
                    // What is left of an upload is found by its path and by who sends it.
                    let named = [format!("f{f}").as_bytes(), b"\0", Hash::of(b"alice").as_bytes()].concat();
                    let key = Hash::of(&named).to_string();
                    places.push(session.join(format!("{n}-{}", &key[..32])));
                }
            }
        }
        let (trace, inject) = (format!("trace={call}"), format!("inject={call}:error={error}"));
        let mut args: Vec<&str> = vec!["-e", &trace, "-e", &inject];
        for place in &places {
            args.extend(["-P", place.to_str().unwrap()]);
        }
        let Some(strace) = Strace::attach(&daemon, args) else { return };

        let uploads: Vec<u8> =
            new.iter().enumerate().flat_map(|(n, bytes)| upload_bytes(&format!("f{n}{options}"), bytes)).collect();
        alice.send(uploads);
        let answers: Vec<_> = (0..together).map(|_| alice.reply()).collect();
        let trace = strace.detach();
        assert!(trace.contains("(INJECTED)"), "{call}: {trace}");
        for (n, (digits, word, _)) in answers.iter().enumerate() {
            // The sync of a folder says only that it failed.
            let told = if old_stays { told } else { (451, "io-error") };
            assert_eq!((*digits, word.as_str()), told, "{call}: f{n} of {together}\n{trace}");
            let now = fs::read(home.join(format!("f{n}"))).unwrap();
            assert!(now == old[n] || (!old_stays && now == new[n]), "{call}: f{n} is something else");
        }
        assert_nothing_staged(&home, call);

        // The disk is well again, and so is the server.
        assert_eq!(alice.upload("f0", b"newest").1, "done", "{call}");
        assert_eq!(alice.download("f0").unwrap(), b"newest", "{call}");
        drop(alice);
        daemon.stop();
        let left = fs::read_dir(&staging).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{call}: left over");
    }
}

/// In its first step, and when some of it is gone: whoever is told so finds the rest in its place, and counted.
#[test]
fn removal_error() {
    /// More steps than there are threads to take them: for one of them it is the second folder that is read.
    const FILES: usize = 20 * sealift::limits::REMOVE_STEP;
    for (when, is_first) in [("1+", true), ("2+", false)] {
        let world = World::of(&["alice"]);
        world.set_users(&format!("{}quota = \"100 MiB\"\n", section("alice", "\"full\"", "alice")));
        let home = world.home("alice");
        fs::create_dir(home.join("tree")).unwrap();
        (0..FILES).for_each(|n| fs::write(home.join("tree").join(n.to_string()), "x").unwrap());
        let daemon = world.start();
        let mut alice = enter(&daemon, "alice");
        assert_eq!(alice.ask("STATUS").2["used"], FILES.to_string());

        let inject = format!("inject=getdents64:error=EACCES:when={when}");
        let Some(strace) = Strace::attach(&daemon, ["-e", "trace=getdents64", "-e", &inject]) else { return };
        alice.line("DELETE tree recursive=yes");
        let text = String::from_utf8(alice.raw_line().unwrap()).unwrap();
        let trace = strace.detach();
        assert!(trace.contains("(INJECTED)"), "{trace}");
        assert!(text.starts_with("451 io-error") && text.contains("own account may not do that"), "{text}");
        let left = fs::read_dir(home.join("tree")).unwrap().count();
        assert_eq!(left == FILES, is_first, "{left} are left");
        let said = format!("; of what was to be removed {} files and 0 folders are gone", FILES - left);
        assert_eq!(text.contains(&said), !is_first, "{text}");
        assert_eq!(alice.ask("STATUS").2["used"], left.to_string(), "what is left is counted");

        assert_eq!(alice.ask("DELETE tree recursive=yes").0, 250);
        assert_eq!(alice.ask("STATUS").2["used"], "0");
    }
}
