//! What users put into folders that several people share, and that have no quota of their own: it counts in their own quotas.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sealift::files::Hash;
use sealift::proto::frame::END;

use crate::common::{RawClient, World, enter, eventually, frames_of, half_an_upload, section, upload_bytes};

pub(super) const KIB: usize = 1024;

/// Alice may have a MiB, bob as much as he likes; both may do everything in three folders, of which one has a quota and one keeps
/// what is deleted.
pub(super) fn world(of_alice: &str) -> World {
    let world = World::of(&["alice", "bob"]);
    world.set_users(&users(of_alice, "alice = \"full\", bob = \"full\""));
    world
}

pub(super) fn users(of_alice: &str, access: &str) -> String {
    let (alice, bob) = (section("alice", "\"full\"", "alice"), section("bob", "\"full\"", "bob"));
    let access = format!("access = {{ {access} }}\n");
    format!(
        "{alice}{of_alice}{bob}[folders.team]\n{access}[folders.bounded]\n{access}quota = \"10 MiB\"\n[folders.keeps]\n{access}trash = \"30d\"\n"
    )
}

pub(super) const MIB: &str = "quota = \"1 MiB\"\n";

fn put(client: &mut RawClient, path: &str, kib: usize) -> String {
    client.upload(path, &vec![7; kib * KIB]).1
}

pub(super) fn word(client: &mut RawClient, line: &str) -> String {
    client.ask(line).1
}

fn used(client: &mut RawClient) -> usize {
    client.ask("STATUS").2["used"].parse().unwrap()
}

#[test]
fn what_somebody_puts_into_a_shared_folder_counts_in_the_own_quota_until_it_is_gone_whoever_takes_it_away() {
    let world = world(MIB);
    let daemon = world.start();
    let (mut alice, mut bob) = (enter(&daemon, "alice"), enter(&daemon, "bob"));
    assert_eq!(put(&mut alice, "home", 500), "done");
    assert_eq!(put(&mut alice, "team/a", 500), "done");
    for path in ["c", "team/c", "keeps/c"] {
        assert_eq!(put(&mut alice, path, 25), "quota", "{path}");
    }
    assert_eq!(put(&mut alice, "bounded/x", 2048), "done", "what has a quota of its own counts there alone");
    assert_eq!(put(&mut bob, "team/bob", 5000), "done", "and of others nothing does");
    assert_eq!(used(&mut alice), 1000 * KIB);
    // Moved by somebody else it stays hers; replaced by somebody else it is theirs, and deleted nobody's: at once.
    assert_eq!(word(&mut bob, "RENAME team/a team/renamed"), "done");
    assert_eq!(used(&mut alice), 1000 * KIB);
    assert_eq!(put(&mut bob, "team/renamed", 300), "done");
    assert_eq!(used(&mut alice), 500 * KIB);
    assert_eq!(put(&mut alice, "team/tree-file", 500), "done");
    assert_eq!(word(&mut bob, "MKDIR team/tree"), "done");
    assert_eq!(word(&mut alice, "RENAME team/tree-file team/tree/c"), "done");
    assert_eq!(put(&mut alice, "d", 25), "quota");
    assert_eq!(word(&mut bob, "DELETE team/tree recursive=yes"), "done");
    assert_eq!(used(&mut alice), 500 * KIB);
    // What she replaces and deletes herself makes room at once, as often as she likes.
    for round in 0..20 {
        assert_eq!(put(&mut alice, "team/own", 200), "done", "{round}");
        assert_eq!(used(&mut alice), 700 * KIB);
    }
    for round in 0..5 {
        assert_eq!(word(&mut alice, "DELETE team/own"), "done");
        assert_eq!(put(&mut alice, "team/own", 500), "done", "{round}");
        assert_eq!(put(&mut alice, "home2", 100), "quota");
    }
    assert_eq!(word(&mut alice, "RENAME team/own team/bob replace=yes"), "done");
    assert_eq!(used(&mut alice), 1000 * KIB);
    assert_eq!(word(&mut bob, "RENAME team/renamed team/bob replace=yes"), "done");
    assert_eq!(used(&mut alice), 500 * KIB);
}

#[test]
fn what_moves_between_a_home_and_shared_folders_counts_for_who_moves_it_and_needs_no_second_room() {
    let world = world(MIB);
    let daemon = world.start();
    let (mut alice, mut bob) = (enter(&daemon, "alice"), enter(&daemon, "bob"));
    assert_eq!(word(&mut alice, "MKDIR d"), "done");
    assert_eq!(put(&mut alice, "d/a", 600), "done");
    assert_eq!(put(&mut alice, "b", 400), "done");
    for (from, to) in [("d", "team/d"), ("b", "keeps/b"), ("team/d", "keeps/d"), ("keeps/d", "d"), ("d", "team/d")] {
        assert_eq!(word(&mut alice, &format!("RENAME {from} {to}")), "done");
        assert_eq!(used(&mut alice), 1000 * KIB, "{to}");
        assert_eq!(put(&mut alice, "c", 25), "quota", "{to}");
    }
    assert_eq!(word(&mut alice, "COPY team/d/a team/copy"), "quota");
    // A tree of hers that bob moves to another folder is what he puts there; of his what she moves must fit.
    assert_eq!(word(&mut bob, "RENAME team/d keeps/d"), "done");
    assert_eq!(used(&mut alice), 400 * KIB);
    assert_eq!(word(&mut alice, "RENAME keeps/d team/mine"), "done");
    assert_eq!(used(&mut alice), 1000 * KIB);
    assert_eq!(put(&mut bob, "team/his", 100), "done");
    assert_eq!(word(&mut alice, "RENAME team/his keeps/his"), "quota");
    // Known by what is kept with each file, after a restart too.
    drop((alice, bob));
    daemon.stop();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(put(&mut alice, "c", 25), "quota");
    assert_eq!(used(&mut alice), 1000 * KIB);
    assert_eq!(word(&mut alice, "DELETE team/mine recursive=yes"), "done");
    assert_eq!(put(&mut alice, "c", 600), "done");
    assert_eq!(put(&mut alice, "team/e", 25), "quota");
}

#[test]
fn a_move_that_is_refused_leaves_every_file_its_owner() {
    let world = world(MIB);
    let daemon = world.start();
    let (mut alice, mut bob) = (enter(&daemon, "alice"), enter(&daemon, "bob"));
    assert_eq!(word(&mut alice, "MKDIR team/tree/in parents=yes"), "done");
    for path in ["team/a", "team/tree/b", "team/tree/in/c"] {
        assert_eq!(put(&mut alice, path, 100), "done");
    }
    assert_eq!(put(&mut bob, "team/tree/his", 50), "done");
    assert_eq!(put(&mut bob, "keeps/taken", 1), "done");
    assert_eq!(word(&mut bob, "MKDIR keeps/folder"), "done");
    for refused in
        ["team/a keeps/taken", "team/a keeps/folder replace=yes", "team/tree keeps/taken", "team/tree keeps/folder"]
    {
        assert_ne!(word(&mut bob, &format!("RENAME {refused}")), "done", "{refused}");
        assert_eq!(used(&mut alice), 300 * KIB, "{refused}");
    }
    // Nor what the system itself refuses, when all is said to be the mover's already.
    let keeps = world.home("keeps/folder");
    fs::set_permissions(&keeps, fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(keeps.join("probe"), "").is_err() {
        for refused in ["team/a keeps/folder/a", "team/tree keeps/folder/tree"] {
            assert_ne!(word(&mut bob, &format!("RENAME {refused}")), "done", "{refused}");
            assert_eq!(used(&mut alice), 300 * KIB, "{refused}");
        }
    }
    fs::set_permissions(&keeps, fs::Permissions::from_mode(0o700)).unwrap();
    // Each file says so, too.
    drop((alice, bob));
    daemon.stop();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(used(&mut alice), 300 * KIB);
    assert_eq!(word(&mut alice, "DELETE team/tree recursive=yes"), "done");
    assert_eq!(used(&mut alice), 100 * KIB);
}

#[test]
fn a_file_that_may_not_be_written_counts_as_every_other() {
    let world = world(MIB);
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(put(&mut alice, "team/read-only size=307200 mode=444 perms=yes", 300), "done");
    assert_eq!(put(&mut alice, "moved size=307200 mode=444 perms=yes", 300), "done");
    assert_eq!(word(&mut alice, "RENAME moved team/moved"), "done");
    assert_eq!(put(&mut alice, "moved size=307200 mode=000 perms=yes", 300), "done");
    assert_eq!(word(&mut alice, "RENAME moved team/hardly-readable"), "done");
    assert_eq!(used(&mut alice), 900 * KIB);
    drop(alice);
    daemon.stop();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(used(&mut alice), 900 * KIB);
    assert_eq!(word(&mut alice, "DELETE team/hardly-readable"), "done");
    assert_eq!(used(&mut alice), 600 * KIB);
}

#[test]
fn uploads_side_by_side_into_home_and_shared_folders_are_never_over_the_quota_nor_below_it() {
    const SIZE: usize = 64;
    let world = world(MIB);
    let daemon = world.start();
    for round in 0..3 {
        let stored = AtomicUsize::new(0);
        thread::scope(|scope| {
            for number in 0..32 {
                let (daemon, stored) = (&daemon, &stored);
                scope.spawn(move || {
                    let mut alice = enter(daemon, "alice");
                    let folder = ["", "team/", "keeps/"][number % 3];
                    let size = SIZE * KIB;
                    alice.send(upload_bytes(&format!("{folder}f{number} size={size}"), &vec![7; size]));
                    match &*alice.reply().1 {
                        "done" => drop(stored.fetch_add(1, Ordering::Relaxed)),
                        word => assert_eq!(word, "quota"),
                    }
                });
            }
        });
        assert_eq!(stored.into_inner(), KIB / SIZE, "round {round}");
        let mut alice = enter(&daemon, "alice");
        for number in 0..32 {
            let folder = ["", "team/", "keeps/"][number % 3];
            alice.ask(format!("DELETE {folder}f{number}"));
        }
        assert_eq!(put(&mut alice, "all", KIB), "done", "what is in the trash of a shared folder gives way");
        assert_eq!(word(&mut alice, "DELETE all"), "done");
    }
}

#[test]
fn what_is_deleted_counts_while_it_is_kept_and_goes_for_what_its_owner_puts_there_and_for_no_other() {
    let world = world(MIB);
    let daemon = world.start();
    let (mut alice, mut bob) = (enter(&daemon, "alice"), enter(&daemon, "bob"));
    assert_eq!(put(&mut bob, "keeps/his", 100), "done");
    assert_eq!(word(&mut bob, "MKDIR keeps/both"), "done");
    assert_eq!(put(&mut bob, "keeps/both/his", 100), "done");
    assert_eq!(put(&mut alice, "keeps/both/hers", 100), "done");
    assert_eq!(put(&mut alice, "keeps/hers", 600), "done");
    for line in ["DELETE keeps/his", "DELETE keeps/both recursive=yes", "DELETE keeps/hers"] {
        assert_eq!(word(&mut bob, line), "done");
    }
    assert_eq!(used(&mut alice), 700 * KIB);
    assert_eq!(put(&mut alice, "home", 800), "done");
    assert_eq!(used(&mut alice), 900 * KIB);
    assert_eq!(put(&mut alice, "more", 200), "quota", "what others would lose something by stays");
    bob.line("TRASH keeps");
    let mut kept = Vec::new();
    loop {
        let (code, _, pairs) = bob.reply();
        kept.extend(pairs.get("path").cloned());
        if code != 114 {
            break;
        }
    }
    assert_eq!(kept, ["keeps/both", "keeps/his"]);
    assert_eq!(word(&mut bob, "PURGE keeps"), "done");
    assert_eq!(used(&mut alice), 800 * KIB);
}

#[test]
fn an_interrupted_upload_is_kept_and_counted_and_gone_on_with_in_its_own_room() {
    let world = world("quota = \"40 MiB\"\n");
    let daemon = world.start();
    let team = world.home("team");
    let large = vec![7; 20 << 20];
    half_an_upload(enter(&daemon, "alice"), "team/large", &large[..17 << 20], &team).close();
    let mut alice = enter(&daemon, "alice");
    eventually("it is kept", || alice.ask("HASH team/large partial=yes").0 == 213);
    let (_, _, pairs) = alice.ask("HASH team/large partial=yes");
    assert_eq!(used(&mut alice), 16 << 20);
    assert_eq!(put(&mut alice, "home", 10 << 10), "done");
    // It would give way to what has room without it, and is not taken away for what has none.
    assert_eq!(put(&mut alice, "too-much", 31 << 10), "quota");
    // The room that it has already is its own.
    let prefix = &pairs["hash"];
    alice.line(format!("UPLOAD team/large size={} offset={} prefix={prefix}", large.len(), 16 << 20));
    alice.send([&frames_of(&large[16 << 20..])[..], &END, Hash::of(&large).as_bytes()].concat());
    assert_eq!(alice.reply().1, "done");
    assert_eq!(used(&mut alice), 30 << 20);
    assert_eq!(word(&mut alice, "DELETE team/large"), "done");
    assert_eq!(used(&mut alice), 10 << 20);
    // After a restart it counts, and what replaces it takes it off.
    half_an_upload(enter(&daemon, "alice"), "team/large", &large[..17 << 20], &team).close();
    eventually("it is kept", || alice.ask("HASH team/large partial=yes").0 == 213);
    drop(alice);
    daemon.stop();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(used(&mut alice), 26 << 20);
    assert_eq!(word(&mut alice, "DELETE home"), "done");
    assert_eq!(put(&mut alice, "team/large", 17 << 10), "done");
    assert_eq!(used(&mut alice), 17 << 20);
}

#[test]
fn interrupted_uploads_in_shared_folders_go_before_what_is_in_the_trash_at_home() {
    let world = world("quota = \"40 MiB\"\ntrash = \"30d\"\n");
    let daemon = world.daemon().args(["--durability", "none"]).start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(put(&mut alice, "old", 10 << 10), "done");
    assert_eq!(word(&mut alice, "DELETE old"), "done");
    half_an_upload(enter(&daemon, "alice"), "team/large", &vec![7; 17 << 20], &world.home("team")).close();
    eventually("it is kept", || alice.ask("HASH team/large partial=yes").0 == 213);
    assert_eq!(used(&mut alice), 26 << 20);
    assert_eq!(put(&mut alice, "more", 20 << 10), "done");
    assert_eq!((used(&mut alice), word(&mut alice, "HASH team/large partial=yes")), (30 << 20, "not-found".to_owned()));
}

#[test]
fn what_kills_leave_in_a_shared_folder_is_never_over_the_quota_of_who_sent_it() {
    let world = world("quota = \"40 MiB\"\ntrash = \"30d\"\n");
    let start = || world.daemon().args(["--durability", "none"]).start();
    let mut daemon = start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(put(&mut alice, "old", 30 << 10), "done");
    assert_eq!(word(&mut alice, "DELETE old"), "done");
    drop(alice);
    for name in ["one", "two"] {
        // Its room is that of the trash.
        let half =
            half_an_upload(enter(&daemon, "alice"), &format!("team/{name}"), &vec![7; 33 << 20], &world.home("team"));
        daemon.kill();
        drop(half);
        fs::remove_file(world.place().join("log")).unwrap();
        daemon = start();
        eventually("it is swept", || daemon.log().contains(" swept "));
        let mut alice = enter(&daemon, "alice");
        assert_eq!(used(&mut alice), 30 << 20, "{name}");
    }
}

#[test]
fn a_folder_that_is_shared_later_counts_in_sessions_that_are_open_and_once() {
    let world = world(MIB);
    world.set_users(&users(MIB, "bob = \"full\""));
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(put(&mut alice, "home", 500), "done");
    world.set_users(&users(MIB, "alice = \"full\", bob = \"full\""));
    eventually("it is shared", || put(&mut alice, "team/a", 300) == "done");
    assert_eq!(used(&mut alice), 800 * KIB);
    let mut again = enter(&daemon, "alice");
    assert_eq!(put(&mut again, "team/b", 200), "done");
    for client in [&mut alice, &mut again] {
        assert_eq!(used(client), 1000 * KIB);
        assert_eq!(put(client, "more", 25), "quota");
        assert_eq!(put(client, "team/more", 25), "quota");
    }
}

#[test]
fn a_shared_folder_that_cannot_be_looked_through_keeps_nobody_from_the_home() {
    let world = world(MIB);
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    fs::rename(world.home("team"), world.home("away")).unwrap();
    eventually("it is seen", || word(&mut alice, "MKDIR team/d") == "not-found");
    assert_eq!(put(&mut alice, "home", 500), "done");
    assert_eq!(put(&mut alice, "keeps/a", 500), "done");
    assert_ne!(put(&mut alice, "team/a", 1), "done");
    assert_eq!(put(&mut alice, "more", 25), "quota");
}

#[test]
fn a_bound_on_files_counts_them_in_shared_folders() {
    let world = world("quota = \"1 MiB\"\nquota_files = 3\n");
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    for path in ["a", "team/b", "keeps/c"] {
        assert_eq!(put(&mut alice, path, 100), "done");
    }
    assert_eq!(put(&mut alice, "team/d", 1), "quota");
    assert_eq!(put(&mut alice, "team/b", 100), "quota", "a file that replaces another needs room beside it");
    assert_eq!(word(&mut alice, "DELETE team/b"), "done");
    assert_eq!(put(&mut alice, "team/d", 1), "done");
}

/// All bytes of regular files in a folder, what is kept and what is on its way among them.
fn bytes_in(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().map(Result::unwrap);
    let size = |path: &Path| {
        let meta = fs::symlink_metadata(path).unwrap();
        if path.ends_with(".sealift/spare") {
            // The room that a trash sets apart counts for nobody.
            0
        } else if meta.is_dir() {
            bytes_in(path)
        } else if meta.is_file() {
            usize::try_from(meta.len()).unwrap()
        } else {
            0
        }
    };
    entries.map(|entry| size(&entry.path())).sum()
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn path(&mut self) -> String {
        let folder = ["", "d/", "team/", "team/d/", "keeps/", "keeps/d/"][self.below(6) as usize];
        format!("{folder}{}", ["a", "b", "c", "tree"][self.below(4) as usize])
    }
}

/// Whoever does what: it is to the byte what is on the disk, and never more than may be.
#[test]
fn what_is_counted_is_what_is_there_after_all_that_can_be_done() {
    let world = world(MIB);
    let daemon = world.start();
    let (mut alice, mut bob) = (enter(&daemon, "alice"), enter(&daemon, "bob"));
    let mut dice = Dice(14);
    let (mut done, mut refused) = (0, 0);
    for round in 0..60 {
        for folder in ["d", "team/d", "keeps/d"] {
            alice.ask(format!("MKDIR {folder}/tree parents=yes"));
        }
        for _ in 0..20 {
            let (one, other) = (dice.path(), dice.path());
            let replace = ["", " replace=yes"][dice.below(2) as usize];
            // He has no quota, and takes away or moves what is hers, within a folder or to the other one and back.
            let shared = |path: &str| path.starts_with("team/") || path.starts_with("keeps/");
            let is_his = dice.below(4) == 0 && shared(&one) && shared(&other);
            let line = match dice.below(8) {
                0..3 => {
                    let kib = dice.below(120) as usize;
                    let (_, word, _) =
                        alice.upload(&format!("{one}{}", ["", " mode=444 perms=yes"][kib % 2]), &vec![7; kib * KIB]);
                    refused += usize::from(word == "quota");
                    done += usize::from(word == "done");
                    continue;
                }
                3 => format!("DELETE {one} recursive=yes"),
                4 => format!("COPY {one} {other}{replace}"),
                5 if dice.below(4) == 0 => "PURGE keeps".to_owned(),
                _ => format!("RENAME {one} {other}{replace}"),
            };
            let is_within = |one: &str, other: &str| one.split('/').next() == other.split('/').next();
            // What he copies, or moves to another folder, would be his.
            let who = match is_his && !line.starts_with("COPY") && is_within(&one, &other) {
                true => &mut bob,
                false => &mut alice,
            };
            let word = word(who, &line);
            refused += usize::from(word == "quota");
            done += usize::from(word == "done");
        }
        let there: usize = ["alice", "team", "keeps"].iter().map(|home| bytes_in(&world.home(home))).sum();
        assert_eq!(used(&mut alice), there, "round {round}");
        assert!(there <= 1024 * KIB, "{there} in round {round}");
    }
    assert!(done > 300 && refused > 20, "{done} done, {refused} refused");
    drop((alice, bob));
    daemon.stop();
    let there: usize = ["alice", "team", "keeps"].iter().map(|home| bytes_in(&world.home(home))).sum();
    let daemon = world.start();
    assert_eq!(used(&mut enter(&daemon, "alice")), there, "after a restart");
}

#[test]
fn what_goes_into_a_home_in_a_shared_folder_and_out_of_it_counts_for_whose_it_is() {
    let world = World::of(&["alice", "carol"]);
    let (alice, carol) = (section("alice", "\"full\"", "alice"), section("carol", "\"full\"", "team/carol"));
    let folders = "[folders.team]\naccess = { \"*\" = \"full\" }\n[folders.apart]\naccess = { \"*\" = \"full\" }\n";
    world.set_users(&format!("{alice}quota = \"400 KiB\"\n{carol}quota = \"2 MiB\"\n{folders}"));
    let daemon = world.start();
    let (mut alice, mut carol) = (enter(&daemon, "alice"), enter(&daemon, "carol"));
    let as_found = |daemon: &crate::common::Daemon| {
        // Whoever has never asked has it looked at: what counts is what is there.
        ["alice", "carol"].map(|user| used(&mut enter(daemon, user)))
    };
    assert_eq!(put(&mut alice, "team/x", 300), "done");
    // It is in the folder still, and hers.
    assert_eq!(word(&mut carol, "RENAME team/x y"), "done");
    assert_eq!(used(&mut alice), 300 * KIB);
    assert_eq!(put(&mut alice, "team/x", 200), "quota");
    // Out of that home into the folder, and elsewhere and back: then it is carol's.
    assert_eq!(word(&mut carol, "RENAME y team/z"), "done");
    assert_eq!(used(&mut alice), 0);
    assert_eq!(put(&mut alice, "apart/a", 100), "done");
    assert_eq!(word(&mut carol, "RENAME apart/a a"), "done");
    assert_eq!(used(&mut alice), 100 * KIB, "it says that it is hers, in a folder that counts it");
    assert_eq!(word(&mut carol, "MKDIR tree"), "done");
    assert_eq!(word(&mut carol, "RENAME a tree/a"), "done");
    assert_eq!(word(&mut carol, "RENAME tree apart/tree"), "done");
    assert_eq!(used(&mut alice), 0);
    let counted = [used(&mut alice), used(&mut carol)];
    drop((alice, carol));
    daemon.stop();
    let daemon = world.start();
    assert_eq!(as_found(&daemon), counted);
}
