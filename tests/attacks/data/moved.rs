//! Folders that another session renames, removes and makes again while files go into them: a file is in the folder that
//! has the name it was sent to, from the moment the other session had its answer.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use sealift::files::Hash;

use super::until;
use crate::common::{Daemon, PASSWORD, RawClient, World, enter, frames_of, part_bytes, staged};

/// Rounds of each way to put another folder in the place of one.
const ROUNDS: usize = 6;

/// Swaps while files come in all the time.
const SWAPS: usize = 100;

/// Asks, and fails the test unless it is done.
fn done(client: &mut RawClient, line: &str) {
    assert_eq!(client.ask(line).1, "done", "{line}");
}

/// Another session sees to it that `p/d` is a new empty folder.
fn swap(other: &mut RawClient, way: usize, aside: &str) {
    match way {
        0 => done(other, &format!("RENAME p/d p/{aside}")),
        1 => done(other, &format!("RENAME p {aside}")),
        2 => done(other, "DELETE p/d recursive=yes"),
        _ => done(other, "DELETE p recursive=yes"),
    }
    done(other, "MKDIR p/d parents=yes");
}

/// A file is sent after the swap, begun before it, or staged before it.
fn swapped_between_commands(daemon: &Daemon, users: [&str; 2], prefix: &str, [home, place]: [&Path; 2]) {
    let [mut writer, mut other] = users.map(|user| enter(daemon, user));
    let target = format!("{prefix}p/d/x");
    let mut aside = 0;
    done(&mut other, "MKDIR p/d parents=yes");
    for round in 0..ROUNDS {
        for (way, when) in (0..4).flat_map(|way| ["after", "begun", "small", "staged"].map(|when| (way, when))) {
            let case = format!("{users:?}, round {round}, way {way}, {when}");
            let content = case.as_bytes();
            aside += 1;
            let mut swap = || swap(&mut other, way, &format!("k{aside}"));
            // Now the folder is open.
            assert_eq!(writer.upload(&format!("{prefix}p/d/before"), b"before").1, "done");
            let word = match when {
                "after" => {
                    swap();
                    writer.upload(&target, content).1
                }
                "begun" | "small" => {
                    // What is said to be small waits without a name.
                    let size = if when == "small" { format!(" size={}", content.len()) } else { String::new() };
                    writer.line(format!("UPLOAD {target}{size}"));
                    writer.send(frames_of(content));
                    if when == "begun" {
                        until("it is on its way", || staged(home).iter().any(|file| file.components().count() == 2));
                    }
                    swap();
                    writer.send([&[0; 4], &Hash::of(content).as_bytes()[..]].concat());
                    writer.reply().1
                }
                _ => {
                    let (_, word, fields) = writer.ask(format!("STAGE {target} size={}", content.len()));
                    assert_eq!(word, "staged");
                    let id = &fields["id"];
                    writer.send(part_bytes(&format!("{id} offset=0 length={}", content.len()), content));
                    assert_eq!(writer.reply().1, "done");
                    swap();
                    writer.ask(format!("COMMIT {id} hash={}", Hash::of(content))).1
                }
            };
            if when == "small" && word == "not-found" {
                // It was begun when there was no folder.
                continue;
            }
            assert_eq!(word, "done", "{case}");
            assert_eq!(fs::read(place.join("p/d/x")).unwrap_or_default(), content, "{case}: in another folder");
        }
    }
}

fn names(folder: &Path) -> BTreeSet<OsString> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

/// Files come in without a pause. A folder that was moved aside gains none from the moment that was answered.
fn swapped_in_the_middle(daemon: &Daemon, place: &Path) {
    let over = AtomicBool::new(false);
    let mut other = enter(daemon, "team");
    done(&mut other, "MKDIR bob/r");
    std::thread::scope(|scope| {
        let over = &over;
        let writers = ["team", "bob"].map(|user| {
            scope.spawn(move || {
                let prefix = if user == "team" { "bob/" } else { "" };
                let mut client = enter(daemon, user);
                let mut stored = 0;
                for n in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    (0..8).for_each(|m| client.start_upload(&format!("{prefix}r/{user}-{n}-{m}"), b"x"));
                    for _ in 0..8 {
                        // There may just be no folder.
                        let (_, word, _) = client.reply();
                        assert!(["done", "not-found"].contains(&&*word), "{word}");
                        stored += usize::from(word == "done");
                    }
                }
                stored
            })
        });
        let mut bob = enter(daemon, "bob");
        let mut aside = Vec::new();
        for swap in 0..SWAPS {
            done(&mut bob, &format!("RENAME r r{swap}"));
            aside.push((swap, names(&place.join(format!("r{swap}")))));
            done(&mut bob, "MKDIR r");
        }
        over.store(true, Ordering::Relaxed);
        let stored: usize = writers.map(|writer| writer.join().unwrap()).iter().sum();
        let mut found = names(&place.join("r")).len();
        for (swap, before) in aside {
            assert_eq!(names(&place.join(format!("r{swap}"))), before, "it was moved aside");
            found += before.len();
        }
        assert_eq!(found, stored, "every acknowledged file is somewhere");
    });
}

/// The home of `bob` is moved or removed from outside of it while he has a session: that goes on in what has the name.
fn home_swapped(daemon: &Daemon, team: &Path) {
    let home = team.join("bob");
    let (mut bob, mut other) = (enter(daemon, "bob"), enter(daemon, "team"));
    for round in 0..ROUNDS {
        for (way, when) in (0..2).flat_map(|way| ["after", "begun", "small", "staged"].map(|when| (way, when))) {
            let case = format!("home, round {round}, way {way}, {when}");
            let content = case.as_bytes();
            let gone = match way {
                0 => format!("RENAME bob k-{round}-{when}"),
                _ => "DELETE bob recursive=yes".to_owned(),
            };
            let mut swap = || {
                done(&mut other, &gone);
                done(&mut other, "MKDIR bob");
            };
            assert_eq!(bob.upload("before", b"before").1, "done", "{case}");
            let word = match when {
                "after" => {
                    swap();
                    bob.upload("x", content).1
                }
                "staged" => {
                    let (_, _, fields) = bob.ask(format!("STAGE x size={}", content.len()));
                    let id = &fields["id"];
                    bob.send(part_bytes(&format!("{id} offset=0 length={}", content.len()), content));
                    assert_eq!(bob.reply().1, "done");
                    swap();
                    bob.ask(format!("COMMIT {id} hash={}", Hash::of(content))).1
                }
                _ => {
                    let size = if when == "small" { format!(" size={}", content.len()) } else { String::new() };
                    bob.line(format!("UPLOAD x{size}"));
                    bob.send(frames_of(content));
                    if when == "begun" {
                        until("it is on its way", || staged(&home).iter().any(|file| file.components().count() == 2));
                    }
                    swap();
                    bob.send([&[0; 4], &Hash::of(content).as_bytes()[..]].concat());
                    bob.reply().1
                }
            };
            // What was on its way in a folder that was removed is gone with it.
            // And a small one may have been begun when there was no folder.
            let lost = (way == 1 && when != "after") || when == "small";
            assert!(word == "done" || (lost && word == "not-found"), "{case}: {word}");
            if word == "done" {
                assert_eq!(fs::read(home.join("x")).unwrap_or_default(), content, "{case}: in another folder");
            }
            assert_eq!(bob.upload("y", content).1, "done", "{case}");
            assert_eq!(fs::read(home.join("y")).unwrap(), content, "{case}: in another folder");
        }
    }
    // While nothing has the name, nothing is found or made; when it is back, all is as it was.
    assert_eq!(bob.upload("there", b"there").1, "done");
    done(&mut other, "RENAME bob away");
    let seen = names(&team.join("away"));
    for line in ["LIST", "STAT", "STAT there", "DELETE there", "MKDIR new", "MKDIR new/er parents=yes"] {
        assert_eq!(bob.ask(line).1, "not-found", "{line}");
    }
    for line in ["RENAME there here", "DOWNLOAD there", "HASH there", "STAGE there size=1"] {
        assert_eq!(bob.ask(line).1, "not-found", "{line}");
    }
    assert_eq!(bob.upload("there", b"other").1, "not-found");
    assert_eq!(names(&team.join("away")), seen);
    assert!(!home.exists());
    done(&mut other, "RENAME away bob");
    assert_eq!(bob.download("there").unwrap(), b"there");
    // Somebody else's folder is not taken for his.
    done(&mut other, "RENAME bob away");
    done(&mut other, "MKDIR bob/there parents=yes");
    assert_eq!(bob.ask("STAT there").2["type"], "dir");
    done(&mut other, "DELETE bob recursive=yes");
    done(&mut other, "RENAME away bob");
}

/// The same while files come in without a pause.
fn home_swapped_in_the_middle(daemon: &Daemon, team: &Path) {
    let over = AtomicBool::new(false);
    let place = team.join("bob");
    let mut other = enter(daemon, "team");
    std::thread::scope(|scope| {
        let over = &over;
        let writers = [0, 1].map(|writer| {
            let mut client = enter(daemon, "bob");
            scope.spawn(move || {
                let mut stored = 0;
                for n in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    (0..8).for_each(|m| client.start_upload(&format!("m-{writer}-{n}-{m}"), b"x"));
                    for _ in 0..8 {
                        let (_, word, _) = client.reply();
                        assert!(["done", "not-found"].contains(&&*word), "{word}");
                        stored += usize::from(word == "done");
                    }
                }
                stored
            })
        });
        let files = |folder: &Path| {
            let mut names = names(folder);
            names.retain(|name| name.to_str().unwrap().starts_with("m-"));
            names
        };
        let mut aside = Vec::new();
        for swap in 0..SWAPS {
            done(&mut other, &format!("RENAME bob away{swap}"));
            aside.push((swap, files(&team.join(format!("away{swap}")))));
            done(&mut other, "MKDIR bob");
        }
        over.store(true, Ordering::Relaxed);
        let stored: usize = writers.map(|writer| writer.join().unwrap()).iter().sum();
        let mut found = files(&place).len();
        for (swap, before) in aside {
            assert_eq!(files(&team.join(format!("away{swap}"))), before, "it was moved aside");
            found += before.len();
        }
        assert_eq!(found, stored, "every acknowledged file is somewhere");
    });
}

#[test]
fn moved_home_commit() {
    let world = World::of(&["team"]);
    let daemon = world.start();
    daemon.add_user_with("bob", PASSWORD, &["--home", "team/bob"]);
    let team = world.home("team");
    home_swapped(&daemon, &team);
    home_swapped_in_the_middle(&daemon, &team);
}

#[test]
fn moved_folder_commit() {
    let world = World::of(&["team"]);
    let daemon = world.start();
    daemon.add_user_with("bob", PASSWORD, &["--home", "team/bob"]);
    let bobs = world.home("team/bob");
    swapped_between_commands(&daemon, ["team", "team"], "", [&world.home("team"); 2]);
    // One home in another.
    swapped_between_commands(&daemon, ["team", "bob"], "bob/", [&world.home("team"), &bobs]);
    swapped_in_the_middle(&daemon, &bobs);
}
