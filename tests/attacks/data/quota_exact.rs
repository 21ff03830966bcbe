//! What a quota counts is what is there, to the byte, after whatever several users of one folder do at once, and however
//! their server ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use sealift::limits;

use super::{Dice, until};
use crate::common::{Daemon, RawClient, World, enter, frames_of, half_an_upload, staged};

const KIB: u64 = 1024;

/// Alice has a quota; bob works in her home without one; carol's home is in it, with one of her own.
const ALICE: u64 = 1024 * KIB;
const CAROL: u64 = 300 * KIB;

fn world() -> (World, Daemon) {
    let full = "\"full\"";
    let world = World::with(&[("alice", full, "alice"), ("bob", full, "alice"), ("carol", full, "alice/c")]);
    let users = world.place().join("users.toml");
    let mut text = fs::read_to_string(&users).unwrap();
    for (user, quota) in [("alice", ALICE), ("carol", CAROL)] {
        let section = format!("[users.{user}]\n");
        text = text.replace(&section, &format!("{section}quota = \"{} KiB\"\n", quota / KIB));
    }
    fs::write(users, text).unwrap();
    let daemon = world.daemon().args(["--durability", "none"]).start();
    (world, daemon)
}

/// The bytes of all files in a folder, and of those in it, but for what is reserved; and the deepest level.
fn measured(folder: &Path) -> (u64, usize) {
    let (mut bytes, mut deepest) = (0, 0);
    let mut folders: Vec<(PathBuf, usize)> = vec![(folder.to_owned(), 1)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            if entry.file_name() == limits::RESERVED_NAME {
                continue;
            }
            deepest = deepest.max(depth);
            bytes += if meta.is_file() { meta.len() } else { 0 };
            if meta.is_dir() {
                folders.push((entry.path(), depth + 1));
            }
        }
    }
    (bytes, deepest)
}

fn word(client: &mut RawClient, line: &str) -> String {
    client.ask(line).1
}

fn done(client: &mut RawClient, line: &str) {
    assert_eq!(word(client, line), "done", "{line}");
}

/// Fails unless a user has just the room that is left on the disk.
fn assert_exact(client: &mut RawClient, home: &Path, quota: u64, case: &str) {
    let there = measured(home).0;
    let left = usize::try_from(quota.saturating_sub(there)).unwrap();
    let more = client.upload(&format!("probe size={}", left + 1), &vec![1; left + 1]).1;
    assert_eq!(more, "quota", "{case}: {there} bytes are there, and more than {left} fit");
    if there <= quota {
        let last = client.upload("probe", &vec![1; left]).1;
        assert_eq!(last, "done", "{case}: {there} bytes are there, and {left} do not fit");
        done(client, "DELETE probe");
    }
}

fn assert_all_exact(daemon: &Daemon, world: &World, case: &str) {
    let alices = world.home("alice");
    let mut alice = enter(daemon, "alice");
    done(&mut alice, "MKDIR c parents=yes");
    assert_exact(&mut alice, &alices, ALICE, &format!("{case}, alice"));
    assert_exact(&mut enter(daemon, "carol"), &alices.join("c"), CAROL, &format!("{case}, carol"));
}

/// Does something at random in the home of `user`; whether the connection stood it.
fn act(client: &mut RawClient, user: &str, dice: &mut Dice) -> bool {
    let mut pick = |of: &[&'static str]| of[usize::try_from(dice.below(of.len() as u64)).unwrap()];
    let folders: &[&str] = if user == "carol" { &["x", "y"] } else { &["a", "b", "a/d", "c", "c/x", "c/y"] };
    let files = ["f", "g"];
    let (folder, other) = (pick(folders), pick(folders));
    let (file, another) = (pick(&files), pick(&files));
    let size = dice.below(60_000);
    let line = match dice.below(12) {
        0..6 => {
            let bytes = dice.bytes(size);
            let size = if bytes.len().is_multiple_of(2) { format!(" size={}", bytes.len()) } else { String::new() };
            client.start_upload(&format!("{folder}/{file}{size}"), &bytes);
            return client.try_reply().is_some();
        }
        6 => format!("DELETE {folder}/{file}"),
        // Carol's home itself too.
        7 => format!("DELETE {folder} recursive=yes"),
        8 => format!("RENAME {folder} {other}"),
        9 => format!("RENAME {folder} {other}/moved"),
        10 => format!("MKDIR {folder} parents=yes"),
        _ => format!("RENAME {folder}/{file} {other}/{another} replace=yes"),
    };
    client.send(format!("{line}\r\n"));
    client.try_reply().is_some()
}

/// Everybody acts at once, each in two sessions.
fn race(daemon: &Daemon, dice: &mut Dice, actions: usize, kill: Option<u64>) {
    std::thread::scope(|scope| {
        for user in ["alice", "alice", "bob", "carol", "carol"] {
            let mut dice = dice.split();
            let mut client = enter(daemon, user);
            scope.spawn(move || (0..actions).all(|_| act(&mut client, user, &mut dice)));
        }
        if let Some(after) = kill {
            std::thread::sleep(std::time::Duration::from_millis(after));
            daemon.signal(rustix::process::Signal::KILL);
        }
    });
}

#[test]
fn quota_by_handles() {
    let (world, daemon) = world();
    let home = world.home("alice");
    let mut dice = Dice::new();
    let (mut alice, mut other) = (enter(&daemon, "alice"), enter(&daemon, "alice"));
    // What lies in a folder that was swapped for another one is not what is replaced.
    for round in 0..20 {
        done(&mut other, "MKDIR d");
        assert_eq!(alice.upload("d/f", &vec![1; 40_000]).1, "done");
        done(&mut other, &format!("RENAME d k{round}"));
        done(&mut other, "MKDIR d");
        assert_eq!(alice.upload("d/f", &vec![2; 50_000]).1, "done");
        assert_exact(&mut alice, &home, ALICE, &format!("round {round}"));
        done(&mut other, "DELETE d recursive=yes");
        done(&mut other, &format!("DELETE k{round} recursive=yes"));
    }
    drop((alice, other));
    // Somebody is always there, so that what is counted is never forgotten.
    let keep = ["alice", "carol"].map(|user| enter(&daemon, user));
    for round in 0..12 {
        race(&daemon, &mut dice, 60, None);
        assert_all_exact(&daemon, &world, &format!("race {round}"));
    }
    drop(keep);
}

#[test]
fn quota_by_depth() {
    let (world, daemon) = world();
    let home = world.home("alice");
    let mut alice = enter(&daemon, "alice");
    let deep = |name: &str, levels: usize| vec![name; levels].join("/");
    let (a, b) = (deep("a", 40), deep("b", 40));
    done(&mut alice, &format!("MKDIR {a} parents=yes"));
    done(&mut alice, &format!("MKDIR {b} parents=yes"));
    assert_eq!(alice.upload(&format!("{a}/f"), &vec![1; 100_000]).1, "done");
    for target in [format!("{b}/a"), format!("{}/a", deep("b", 24))] {
        assert_eq!(word(&mut alice, &format!("RENAME a {target}")), "path-too-long");
    }
    assert_eq!(measured(&home).1, 41, "nothing has moved");
    // A file at the deepest level there is.
    done(&mut alice, &format!("RENAME a {}/a", deep("b", 23)));
    assert_eq!(measured(&home).1, 64);
    assert_exact(&mut alice, &home, ALICE, "deep");
    done(&mut alice, "DELETE b recursive=yes");

    // Somebody makes it deeper in the same moment.
    let mut other = enter(&daemon, "bob");
    for round in 0..150 {
        done(&mut alice, &format!("MKDIR {} parents=yes", deep("a", 20)));
        done(&mut alice, &format!("MKDIR {} parents=yes", deep("b", 40)));
        let (from, to) = (deep("a", 20), deep("b", 40));
        std::thread::scope(|scope| {
            let other = &mut other;
            scope.spawn(move || {
                // These arrive one after the other, around the rename.
                (20..30).for_each(|levels| other.line(format!("MKDIR {}", vec!["a"; levels + 1].join("/"))));
                (20..30).for_each(|_| drop(other.reply()));
            });
            alice.line(format!("RENAME a {to}/{}", "a"));
            let _either_way = alice.reply();
        });
        let deepest = measured(&home).1;
        assert!(deepest <= limits::DEPTH_MAX, "round {round}: {from} was moved, and {deepest} levels are there");
        let _maybe = word(&mut alice, "DELETE a recursive=yes");
        done(&mut alice, "DELETE b recursive=yes");
    }

    // What other programs made deeper is counted, and can be removed.
    let mut folder = home.join("l");
    for level in 0..300 {
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("f"), vec![1; 1000 + level]).unwrap();
        fs::create_dir(folder.join("side")).unwrap();
        folder.push("l");
    }
    drop((alice, other));
    let mut alice = daemon_again(&world, daemon);
    assert!(measured(&home).0 > 300_000);
    assert_exact(&mut alice.1, &home, ALICE, "far too deep");
    done(&mut alice.1, "DELETE l recursive=yes");
    assert_eq!(measured(&home).0, 0);
    assert_exact(&mut alice.1, &home, ALICE, "all gone");
    assert_eq!(staged(&home).len(), 1, "the folder of the session alone");
}

/// A new server, that has counted nothing yet, and a session.
fn daemon_again(world: &World, daemon: Daemon) -> (Daemon, RawClient) {
    daemon.stop();
    let daemon = world.daemon().args(["--durability", "none"]).start();
    let alice = enter(&daemon, "alice");
    (daemon, alice)
}

#[test]
fn rename_to_long_paths() {
    let (world, daemon) = world();
    let home = world.home("alice");
    let (mut alice, mut other) = (enter(&daemon, "alice"), enter(&daemon, "bob"));
    let names = |first: &str, count: usize| [&[first.to_owned()][..], &vec!["n".repeat(199); count]].concat().join("/");
    let long = names("first", 20);
    done(&mut alice, &format!("MKDIR {long} parents=yes"));
    let file = format!("{long}/{}", "f".repeat(limits::PATH_MAX - long.len() - 1));
    assert_eq!(alice.upload(&file, &vec![1; 100_000]).1, "done");
    // One byte more, at the same depth and deeper.
    for target in ["first1", "a/bcde"] {
        done(&mut alice, "MKDIR a parents=yes");
        assert_eq!(word(&mut alice, &format!("RENAME first {target}")), "path-too-long", "{target}");
    }
    done(&mut alice, "RENAME first a/bcd");
    done(&mut alice, "RENAME a/bcd other");
    assert_eq!(word(&mut alice, &format!("RENAME {0} other/{1}", names("other", 1), "x".repeat(200))), "path-too-long");
    assert_exact(&mut alice, &home, ALICE, "long");
    done(&mut alice, "DELETE other recursive=yes");
    // Somebody makes a longer path in the same moment.
    for round in 0..100 {
        done(&mut alice, &format!("MKDIR {} parents=yes", names("s", 15)));
        std::thread::scope(|scope| {
            let other = &mut other;
            scope.spawn(move || {
                (16..21).for_each(|count| other.line(format!("MKDIR {}", names("s", count))));
                (16..21).for_each(|_| drop(other.reply()));
            });
            alice.line(format!("RENAME s {}", "t".repeat(120)));
            let _either_way = alice.reply();
        });
        let (listed, (_, _, fields)) = alice.data("LIST recursive=yes").unwrap();
        let longest = listed.split(|byte| *byte == b'\n').filter_map(|line| line.rsplit(|byte| *byte == b' ').next());
        let longest = longest.map(<[u8]>::len).max().unwrap();
        assert!(longest <= limits::PATH_MAX, "round {round}: {longest} bytes");
        assert_eq!(fields.get("unreadable"), None);
        for name in ["s".to_owned(), "t".repeat(120)] {
            let _maybe = word(&mut alice, &format!("DELETE {name} recursive=yes"));
        }
    }
}

#[test]
fn quota_after_kill() {
    let (world, mut daemon) = world();
    let home = world.home("alice");
    let mut dice = Dice::new();
    // Bob has no quota, but his home has one: what is cut off counts in that.
    let large = dice.bytes(limits::HASH_BLOCK + 70_000);
    for round in 0..5 {
        let mut bob = enter(&daemon, "bob");
        bob.line(format!("UPLOAD large{round}"));
        bob.send(frames_of(&large));
        let there = || staged(&home).iter().any(|file| size(&home, file) == large.len() as u64);
        until("it is on its way", there);
        let moment = 100 + dice.below(150);
        race(&daemon, &mut dice, 10_000, Some(moment));
        daemon.kill();
        fs::remove_file(world.place().join("log")).unwrap();
        daemon = world.daemon().args(["--durability", "none"]).start();
        until("swept", || daemon.log().contains(" swept "));
        let left = || [&home, &home.join("c")].iter().flat_map(|home| staged(home)).collect::<Vec<_>>();
        let is_kept = |path: &PathBuf| ["p-", "b-"].iter().any(|kind| path.to_str().unwrap().starts_with(kind));
        assert!(left().iter().all(is_kept), "round {round}: {:?} are kept for nobody", left());
        assert_all_exact(&daemon, &world, &format!("round {round}"));
        // It is more than her quota, and so nothing that may be kept once that is counted.
        until("nothing is kept that is not counted", || left().is_empty());
    }
    // Nothing is over it, whoever races, where all have a bound.
    let (over, home) = (AtomicBool::new(false), &home);
    for folder in ["a", "b", "c/x", "c/y", "c/moved"] {
        let _if_it_is_there = word(&mut enter(&daemon, "bob"), &format!("DELETE {folder} recursive=yes"));
    }
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let there = measured(&home.join("only")).0;
                assert!(there <= ALICE, "{there}");
            }
        });
        let sessions: Vec<_> = (0..4)
            .map(|n| {
                let (daemon, mut dice) = (&daemon, dice.split());
                scope.spawn(move || {
                    let mut alice = enter(daemon, "alice");
                    let _others_too = word(&mut alice, "MKDIR only parents=yes");
                    // Names of their own: where nothing is replaced, what a look adds up was there at once.
                    for m in 0..100 {
                        let size = dice.below(ALICE / 30);
                        let name = format!("only/{n}-{m}");
                        let said = alice.upload(&name, &dice.bytes(size)).1;
                        assert!(["done", "quota"].contains(&&*said), "{said}");
                    }
                })
            })
            .collect();
        sessions.into_iter().for_each(|session| session.join().unwrap());
        over.store(true, Ordering::Relaxed);
        watcher.join().unwrap();
    });
    assert_all_exact(&daemon, &world, "at the end");
}

/// What interrupted uploads have left in these homes.
fn partials(homes: &[&Path]) -> usize {
    let left = homes.iter().flat_map(|home| staged(home));
    left.filter(|path| path.to_str().unwrap().starts_with("p-")).count()
}

/// What was counted is known no more once somebody moves a folder: an upload that is on its way counts it again.
#[test]
fn a_folder_moved_into_a_home_in_the_middle_of_an_upload_counts_for_it() {
    const MOVED: u64 = 40 * KIB;
    let (world, daemon) = world();
    let (alice, carols) = (world.home("alice"), world.home("alice/c"));
    fs::create_dir_all(alice.join("d")).unwrap();
    fs::write(alice.join("d/f"), vec![5; usize::try_from(MOVED).unwrap()]).unwrap();
    let (half, rest) = (100 * KIB, CAROL - 100 * KIB - MOVED);
    let bytes = |len: u64| vec![6; usize::try_from(len).unwrap()];
    for (to, more, answer) in [("c/one", rest + 1, "quota"), ("d", rest + MOVED + 1, "quota"), ("c/two", rest, "done")]
    {
        let mut carol = half_an_upload(enter(&daemon, "carol"), "x", &bytes(half), &carols);
        let mut bob = enter(&daemon, "bob");
        let from = if to == "c/one" {
            "d"
        } else if to == "d" {
            "c/one"
        } else {
            "d"
        };
        done(&mut bob, &format!("RENAME {from} {to}"));
        carol.send(frames_of(&bytes(more)));
        carol.send([0; 4]);
        carol.send(sealift::files::Hash::of(&bytes(half + more)).as_bytes());
        assert_eq!(carol.reply().1, answer, "{to}");
        assert_exact(&mut carol, &carols, CAROL, to);
    }
}

/// What counts in a user's quota.
fn used(client: &mut RawClient) -> u64 {
    client.ask("STATUS").2["used"].parse().unwrap()
}

/// What is left of an upload by a kill counts in the quota once that is counted, is gone on with, and gives way.
#[test]
fn interrupted_after_kill_under_a_quota() {
    const QUOTA: u64 = 3 * limits::HASH_BLOCK;
    let (world, daemon) = with_a_quota(QUOTA);
    let home = world.home("alice");
    let large = Dice::new().bytes(limits::HASH_BLOCK + 70_000);
    let _half = half_an_upload(enter(&daemon, "alice"), "large", &large, &home);
    let there = || staged(&home).iter().any(|file| size(&home, file) == large.len() as u64);
    until("it is on its way", there);
    daemon.kill();
    fs::remove_file(world.place().join("log")).unwrap();
    let daemon = world.daemon().args(["--durability", "none"]).start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.upload("own", b"own").1, "done");
    until("swept", || daemon.log().contains(" swept "));
    assert_eq!((partials(&[&home]), used(&mut alice)), (1, 3 + large.len() as u64));
    let (_, word, fields) = alice.ask("HASH large partial=yes");
    assert_eq!((&*word, &*fields["size"]), ("hash", &*limits::HASH_BLOCK.to_string()));
    assert_exact(&mut alice, &home, QUOTA, "with what was left by a kill");
    assert_eq!((partials(&[&home]), used(&mut alice)), (0, 3));
}

/// Alice has this quota; bob works in her home without one; dave's home is in it.
fn with_a_quota(quota: u64) -> (World, Daemon) {
    let full = "\"full\"";
    let world = World::with(&[("alice", full, "alice"), ("bob", full, "alice"), ("dave", full, "alice/d")]);
    let users = world.place().join("users.toml");
    let text = fs::read_to_string(&users).unwrap();
    let section = format!("[users.alice]\nquota = \"{} KiB\"\n", quota / KIB);
    fs::write(users, text.replace("[users.alice]\n", &section)).unwrap();
    let daemon = world.daemon().args(["--durability", "none"]).start();
    (world, daemon)
}

#[test]
fn partials_beside_a_quota() {
    const QUOTA: u64 = 3 * limits::HASH_BLOCK;
    let (world, daemon) = with_a_quota(QUOTA);
    let home = world.home("alice");
    let homes = [&*home, &home.join("d")];
    let large = Dice::new().bytes(limits::HASH_BLOCK + 70_000);
    let cut_off = |user: &str| {
        let at = if user == "dave" { homes[1] } else { homes[0] };
        drop(half_an_upload(enter(&daemon, user), "large", &large, at));
        // What is not kept is gone.
        let is_over = || staged(at).iter().all(|file| size(at, file) < large.len() as u64);
        until("it is cut off", is_over);
    };
    // Nobody counts: they may go on later.
    cut_off("bob");
    cut_off("dave");
    until("both are kept", || partials(&homes) == 2);
    // Whoever counts finds nothing that is not counted: what is in another home would not give way.
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.upload("own", b"own").1, "done");
    let counted = 3 + limits::HASH_BLOCK;
    assert_eq!((partials(&homes[..1]), partials(&homes[1..]), used(&mut alice)), (1, 0, counted));
    assert_exact(&mut alice, &home, QUOTA, "with what was cut off before");
    assert_eq!((partials(&homes), used(&mut alice)), (0, 3));
    cut_off("bob");
    cut_off("dave");
    until("what counts is kept", || partials(&homes[..1]) == 1);
    assert_eq!((partials(&homes[1..]), used(&mut alice)), (0, counted));
    assert_exact(&mut alice, &home, QUOTA, "with what is cut off now");
    assert_eq!((partials(&homes), used(&mut alice)), (0, 3));
    // Nobody does any more.
    drop(alice);
    until("she is gone", || {
        cut_off("bob");
        partials(&homes) == 1
    });
}

fn size(home: &Path, file: &Path) -> u64 {
    fs::metadata(home.join(limits::RESERVED_NAME).join(file)).map_or(0, |meta| meta.len())
}
