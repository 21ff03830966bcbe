//! What is deleted or replaced, where it is kept: by every way it may go, listed, brought back, emptied, counted and swept.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::common::program::{PASSWORD, World};
use crate::common::trees::many_names;
use crate::common::web::curl;
use crate::common::{self, Daemon, RawClient, enter, eventually};
use crate::folders;

const ALICE: &str = "alice:correct-horse";

/// A server on which alice's folder keeps what goes.
pub fn keeping(options: &[&str]) -> Daemon {
    let daemon = Daemon::start();
    daemon.add_user_with("alice", "correct-horse", &[&["--trash", "30d"], options].concat());
    daemon
}

pub fn alice(daemon: &Daemon) -> RawClient {
    RawClient::logged_in(daemon, "alice", "correct-horse")
}

/// A session, if the users file that counts has this user already.
fn entered(daemon: &Daemon, name: &str) -> Option<RawClient> {
    let mut client = RawClient::connect(daemon);
    (client.try_login(name, "correct-horse").0 == 230).then_some(client)
}

/// What is kept: id, type and path, the youngest first.
pub fn kept(client: &mut RawClient, path: &str) -> Vec<(String, String, String)> {
    client.line(format!("TRASH {path}").trim_end());
    let mut all = Vec::new();
    loop {
        let (code, word, fields) = client.reply();
        match code {
            114 => all.push((fields["id"].clone(), fields["type"].clone(), fields["path"].clone())),
            _ => {
                assert_eq!((code, word.as_str()), (212, "trash"));
                return all;
            }
        }
    }
}

pub fn paths(client: &mut RawClient) -> Vec<String> {
    kept(client, "").into_iter().map(|(_, _, path)| path).collect()
}

fn trash_of(daemon: &Daemon) -> PathBuf {
    daemon.data().join("alice/.sealift/trash")
}

/// What counts in alice's quota.
pub fn used(daemon: &Daemon) -> u64 {
    let body = "<propfind xmlns=\"DAV:\"><prop><quota-used-bytes/></prop></propfind>";
    let got = curl(daemon, &["-u", ALICE, "-X", "PROPFIND", "-H", "Depth: 0", "-d", body], "/~alice/").text();
    let rest = got.split("quota-used-bytes>").nth(1).unwrap_or_else(|| panic!("{got}"));
    rest.split('<').next().unwrap().parse().unwrap()
}

/// The bytes of all files below a folder, whatever they are called.
fn contents(folder: &Path) -> BTreeSet<Vec<u8>> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => all.extend(contents(&entry.path())),
            // The room of a note, which is nobody's.
            _ if entry.file_name() == "spare" => {}
            kind if kind.is_file() => drop(all.insert(fs::read(entry.path()).unwrap())),
            _ => {}
        }
    }
    all
}

#[test]
fn whatever_way_something_goes_it_is_kept_and_comes_back() {
    let daemon = keeping(&[]);
    let mut client = alice(&daemon);
    let home = daemon.data().join("alice");
    let ask = |client: &mut RawClient, line: &str| assert!(matches!(client.ask(line).0, 226 | 250), "{line}");
    for (name, bytes) in
        [("a", "one"), ("b", "two"), ("c", "three"), ("d", "four"), ("tree/in/e", "five"), ("f", "six")]
    {
        if let Some((folder, _)) = name.rsplit_once('/') {
            ask(&mut client, &format!("MKDIR {folder} parents=yes"));
        }
        assert_eq!(client.upload(name, bytes.as_bytes()).0, 226);
    }
    // By this protocol.
    ask(&mut client, "DELETE a");
    assert_eq!(client.upload("b", b"newer two").0, 226);
    ask(&mut client, "RENAME c d replace=yes");
    ask(&mut client, "COPY d b replace=yes");
    ask(&mut client, "DELETE tree recursive=yes");
    // By the other one.
    assert_eq!(curl(&daemon, &["-u", ALICE, "-X", "PUT", "-d", "newer six"], "/~alice/f").status, 204);
    assert_eq!(curl(&daemon, &["-u", ALICE, "-X", "DELETE"], "/~alice/f").status, 204);
    let moved = curl(&daemon, &["-u", ALICE, "-X", "MOVE", "-H", "Destination: /~alice/d"], "/~alice/b");
    assert_eq!(moved.status, 204, "{}", moved.text());

    assert_eq!(paths(&mut client), ["d", "f", "f", "tree", "b", "d", "b", "a"]);
    assert_eq!(kept(&mut client, "tree")[0].1, "dir");
    let all: BTreeSet<Vec<u8>> =
        ["one", "two", "newer two", "three", "four", "five", "six", "newer six"].map(|text| text.into()).into();
    let found: BTreeSet<Vec<u8>> = contents(&home).into_iter().chain(contents(&trash_of(&daemon))).collect();
    // Beside what the server keeps of its own, which is empty.
    let found: BTreeSet<Vec<u8>> = found.into_iter().filter(|bytes| !bytes.is_empty()).collect();
    assert_eq!(found, all);

    // Nobody reaches it by a name, and it comes back where it was, with the folders above it.
    assert_eq!(client.list("").unwrap().len(), 1);
    assert_eq!(client.ask("STAT .sealift/trash").1, "not-found");
    assert_eq!(curl(&daemon, &["-u", ALICE], "/~alice/.sealift/trash/").status, 404);
    let (id, _, _) = kept(&mut client, "tree").remove(0);
    ask(&mut client, &format!("RESTORE tree id={id}"));
    assert_eq!(client.download("tree/in/e").unwrap(), b"five");
    assert_eq!(client.ask(format!("RESTORE tree id={id}")).1, "not-found");
    ask(&mut client, "DELETE tree/in/e");
    ask(&mut client, "DELETE tree recursive=yes");
    let (id, _, _) = kept(&mut client, "tree/in/e").remove(0);
    assert_eq!(client.ask(format!("RESTORE tree/in id={id}")).1, "not-found", "another path's");
    ask(&mut client, &format!("RESTORE tree/in/e id={id}"));
    assert_eq!(fs::read(home.join("tree/in/e")).unwrap(), b"five");
    // Nothing is replaced, and another name does it.
    let (id, _, _) = kept(&mut client, "a").remove(0);
    assert_eq!(client.upload("a", b"another one").0, 226);
    assert_eq!(client.ask(format!("RESTORE a id={id}")).1, "exists");
    ask(&mut client, &format!("RESTORE a id={id} to=old/a"));
    assert_eq!(client.download("old/a").unwrap(), b"one");
    // For good.
    assert_eq!(client.ask("PURGE f").2["gone"], "2");
    let gone: usize = client.ask("PURGE").2["gone"].parse().unwrap();
    assert!(gone > 3 && kept(&mut client, "").is_empty());
    assert_eq!(fs::read_dir(trash_of(&daemon)).unwrap().count(), 0);
}

#[test]
fn what_is_looked_at_brought_back_or_removed_takes_the_rights_of_its_path() {
    let daemon = keeping(&[]);
    daemon.add_user_with("bob", "correct-horse", &["--home", "alice", "--access", "list,upload,mkdir"]);
    daemon.add_user_with("eve", "correct-horse", &["--home", "alice", "--access", "download"]);
    let file = daemon.place().join("users.toml");
    let rule = "\n[[users.bob.rules]]\npath = \"/secret/**\"\naccess = []\n";
    fs::write(&file, fs::read_to_string(&file).unwrap() + rule).unwrap();
    eventually("the rule counts", || {
        entered(&daemon, "bob").is_some_and(|mut bob| bob.ask("STAT secret/x").1 == "denied")
    });
    let mut client = alice(&daemon);
    for path in ["open", "secret/file"] {
        let _is_there = client.ask("MKDIR secret parents=yes");
        assert_eq!(client.upload(path, b"bytes").0, 226);
        assert_eq!(client.ask(format!("DELETE {path}")).0, 250);
    }
    let (secret, _, _) = kept(&mut client, "secret").remove(0);
    let (open, _, _) = kept(&mut client, "open").remove(0);
    let mut bob = RawClient::logged_in(&daemon, "bob", "correct-horse");
    assert_eq!(paths(&mut bob), ["open"]);
    assert_eq!(bob.ask(format!("RESTORE secret/file id={secret}")).1, "denied");
    assert_eq!(
        bob.ask(format!("RESTORE secret/file id={secret} to=mine")).1,
        "denied",
        "out of a place with another rule"
    );
    assert_eq!(bob.ask(format!("PURGE open id={open}")).1, "denied");
    assert_eq!(bob.ask("PURGE").1, "denied");
    let mut eve = RawClient::logged_in(&daemon, "eve", "correct-horse");
    assert_eq!(eve.ask("TRASH").1, "denied");
    assert_eq!(eve.ask(format!("RESTORE open id={open}")).1, "denied");
    assert_eq!(bob.ask(format!("RESTORE open id={open}")).0, 250);
    assert_eq!(RawClient::logged_in(&daemon, "anonymous", "").ask("PURGE").1, "denied");
}

#[test]
fn what_comes_back_to_where_it_was_takes_no_more_where_rules_lie_below() {
    let daemon = keeping(&[]);
    let file = daemon.place().join("users.toml");
    let rule = "\n[[users.alice.rules]]\npath = \"/p/*/sec\"\naccess = [\"list\", \"upload\", \"mkdir\", \"delete\"]\n";
    fs::write(&file, fs::read_to_string(&file).unwrap() + rule).unwrap();
    eventually("the rule counts", || {
        entered(&daemon, "alice").is_some_and(|mut alice| alice.ask("DOWNLOAD p/x/sec").1 == "denied")
    });
    let mut client = alice(&daemon);
    for path in ["p/one/sec/file", "p/two/file"] {
        let folder = path.rsplit_once('/').unwrap().0;
        assert_eq!(client.ask(format!("MKDIR {folder} parents=yes")).0, 250);
        assert_eq!(client.upload(path, b"bytes").0, 226);
    }
    assert_eq!(client.ask("DELETE p recursive=yes").0, 250);
    let (id, _, _) = kept(&mut client, "p").remove(0);
    // Elsewhere it would come from under the rule.
    assert_eq!(client.ask(format!("RESTORE p id={id} to=q")).1, "denied");
    assert_eq!(client.ask(format!("RESTORE p id={id}")).0, 250);
    assert_eq!(fs::read(daemon.data().join("alice/p/one/sec/file")).unwrap(), b"bytes");
}

#[test]
fn a_folder_that_is_brought_back_while_the_trash_is_emptied_is_whole_or_stays_gone() {
    const FILES: usize = 2000;
    let daemon = keeping(&[]);
    let home = daemon.data().join("alice");
    let (mut one, mut other) = (alice(&daemon), alice(&daemon));
    for round in 0..8 {
        fs::create_dir(home.join("tree")).unwrap();
        many_names(&home.join("tree"), "", (0..FILES).map(|number| number.to_string()));
        assert_eq!(one.ask("DELETE tree recursive=yes").0, 250);
        let (id, _, _) = kept(&mut one, "tree").remove(0);
        other.line("PURGE");
        // A little later in each round, so that it comes before, in the middle, and behind.
        std::thread::sleep(Duration::from_millis(round));
        let (_, word, _) = one.ask(format!("RESTORE tree id={id}"));
        let gone = other.reply().2["gone"].clone();
        let there = fs::read_dir(home.join("tree")).map_or(0, Iterator::count);
        match word.as_str() {
            "done" => assert_eq!((there, gone.as_str()), (FILES, "0")),
            "not-found" => assert_eq!((there, gone.as_str()), (0, "1")),
            other => panic!("{other}"),
        }
        let _ = fs::remove_dir_all(home.join("tree"));
        let own = fs::read_dir(home.join(".sealift")).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = own.filter(|name| name.as_encoded_bytes().starts_with(b"gone-")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn a_shared_folder_keeps_what_goes_there_by_what_is_said_of_it_or_of_all() {
    let daemon = Daemon::start();
    daemon.add_user("alice", "correct-horse", "full");
    let file = daemon.place().join("users.toml");
    let more = "[defaults]\ntrash = \"7d\"\n[folders.team]\naccess = { alice = \"full\" }\n\
                [folders.scratch]\ntrash = \"none\"\naccess = { alice = \"full\" }\n";
    fs::write(&file, fs::read_to_string(&file).unwrap() + more).unwrap();
    eventually("the folders are shared", || {
        entered(&daemon, "alice").is_some_and(|mut client| client.ask("STAT team").0 == 213)
    });
    let mut client = alice(&daemon);
    for path in ["own", "team/shared", "scratch/thing"] {
        assert_eq!(client.upload(path, b"bytes").0, 226, "{path}");
        assert_eq!(client.ask(format!("DELETE {path}")).0, 250);
    }
    assert_eq!(paths(&mut client), ["team/shared", "own"]);
    let (id, _, _) = kept(&mut client, "team").remove(0);
    assert_eq!(client.ask(format!("RESTORE team/shared id={id} to=here")).1, "other-folder");
    assert_eq!(client.ask(format!("RESTORE team/shared id={id} to=team/again")).0, 250);
    assert_eq!(fs::read(daemon.data().join("team/again")).unwrap(), b"bytes");
    assert!(
        daemon.data().join("team/.sealift/trash").is_dir() && !daemon.data().join("scratch/.sealift/trash").exists()
    );
}

#[test]
fn all_that_may_go_is_emptied_and_the_rest_is_told_of() {
    let place = tempfile::TempDir::new().unwrap();
    let broken = place.path().join("broken");
    fs::create_dir(&broken).unwrap();
    let world = folders::world(&format!(
        "[defaults]\ntrash = \"7d\"\n[folders.team]\naccess = {{ alice = \"full\" }}\n\
         [folders.fixed]\naccess = {{ alice = [\"list\", \"upload\", \"mkdir\"], bob = \"full\" }}\n\
         [folders.broken]\npath = \"{}\"\naccess = {{ alice = \"full\" }}\n",
        broken.display()
    ));
    let daemon = world.start();
    let mut bob = enter(&daemon, "bob");
    for path in ["own", "fixed/file"] {
        assert_eq!(bob.upload(path, b"bytes").0, 226, "{path}");
        assert_eq!(bob.ask(format!("DELETE {path}")).0, 250);
    }
    let mut client = enter(&daemon, "alice");
    for path in ["own", "other", "team/file"] {
        assert_eq!(client.upload(path, b"bytes").0, 226, "{path}");
        assert_eq!(client.ask(format!("DELETE {path}")).0, 250);
    }
    assert_eq!(paths(&mut client), ["team/file", "other", "own", "fixed/file"]);
    // Where nothing may go it is denied, and by its id too.
    let (id, _, _) = kept(&mut client, "fixed").remove(0);
    assert_eq!(client.ask("PURGE fixed").1, "denied");
    assert_eq!(client.ask(format!("PURGE fixed/file id={id}")).1, "denied");
    fs::remove_dir(&broken).unwrap();
    let mut client = enter(&daemon, "alice");
    let (code, _, said) = client.ask("PURGE");
    assert_eq!((code, &*said["gone"], &*said["left"], &*said["unreached"]), (250, "3", "1", "1"));
    assert_eq!(paths(&mut client), ["fixed/file"]);
    let (code, _, said) = bob.ask("PURGE");
    assert_eq!((code, &*said["gone"], said.get("left"), said.get("unreached")), (250, "2", None, None));
}

#[test]
fn what_a_shared_folder_hides_is_not_emptied_and_comes_back_when_it_is_gone() {
    let world = folders::world("[defaults]\ntrash = \"7d\"\n");
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    assert_eq!(client.ask("MKDIR team").0, 250);
    for path in ["team/hidden", "seen"] {
        assert_eq!(client.upload(path, b"bytes").0, 226, "{path}");
        assert_eq!(client.ask(format!("DELETE {path}")).0, 250);
    }
    daemon.stop();
    let file = world.place().join("users.toml");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(&file, before.clone() + "[folders.team]\naccess = { alice = \"full\" }\n").unwrap();
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    assert_eq!(paths(&mut client), ["seen"]);
    let (code, _, said) = client.ask("PURGE");
    assert_eq!((code, &*said["gone"], said.get("left")), (250, "1", None));
    assert_eq!(client.ask("PURGE team").2["gone"], "0");
    daemon.stop();
    fs::write(&file, before).unwrap();
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let (id, _, _) = kept(&mut client, "team").remove(0);
    assert_eq!(client.ask(format!("RESTORE team/hidden id={id}")).0, 250);
    assert_eq!(client.download("team/hidden").unwrap(), b"bytes");
    assert_eq!(client.ask("DELETE team/hidden").0, 250);
    assert_eq!(client.ask("PURGE").2["gone"], "1");
}

/// Whatever the moment, each state of the file that was acknowledged is somewhere: in its place or in the trash.
#[test]
fn a_server_that_is_killed_at_any_moment_loses_neither_the_old_nor_the_new() {
    let place = tempfile::TempDir::new().unwrap();
    let start = || Daemon::builder().within(place.path()).start();
    let mut daemon = start();
    daemon.add_user_with("alice", "correct-horse", &["--trash", "30d"]);
    let home = daemon.data().join("alice");
    let mut acknowledged: BTreeSet<Vec<u8>> = BTreeSet::new();
    for round in 0..6 {
        let mut client = alice(&daemon);
        let said = &AtomicUsize::new(0);
        let states = std::thread::scope(|scope| {
            let writing = scope.spawn(move || {
                let mut states = BTreeSet::new();
                for number in 0.. {
                    let bytes = format!("state {number} of {round}").into_bytes();
                    client.start_upload("file", &bytes);
                    match client.try_reply() {
                        Some((226, _, _)) => {
                            states.insert(bytes);
                            said.fetch_add(1, Ordering::Relaxed);
                        }
                        _ => break,
                    }
                    let lines = ["RENAME file other replace=yes", "DELETE file", "COPY file other replace=yes"];
                    client.line(lines[number % lines.len()]);
                    if client.try_reply().is_none() {
                        break;
                    }
                }
                states
            });
            eventually("some states are acknowledged", || said.load(Ordering::Relaxed) >= 2);
            // At another moment each time.
            std::thread::sleep(Duration::from_millis(round * 37));
            daemon.crash(Signal::KILL);
            writing.join().unwrap()
        });
        acknowledged.extend(states);
        let found: BTreeSet<_> = contents(&home).into_iter().chain(contents(&home.join(".sealift/trash"))).collect();
        let lost: Vec<_> = acknowledged.difference(&found).map(|bytes| String::from_utf8_lossy(bytes)).collect();
        assert!(lost.is_empty(), "{lost:?}");
        daemon = start();
        // All that is kept can be told of by its name.
        assert!(paths(&mut alice(&daemon)).iter().all(|path| path == "file" || path == "other"));
    }
    assert!(acknowledged.len() > 6);
}

#[test]
fn the_client_shows_brings_back_and_empties() {
    let world = World::trusting();
    let set = world.server.command(&["user", "set", "alice", "--trash", "30d"]).output().unwrap();
    assert!(set.status.success(), "{set:?}");
    let alice = |path: &str| world.alice(path);
    fs::write(world.local("a.txt"), "first").unwrap();
    world.run(["put", "a.txt", &alice("")]).code(0);
    fs::write(world.local("a.txt"), "second").unwrap();
    world.run(["put", "a.txt", &alice("")]).code(0);
    world.run(["rm", &alice("a.txt")]).code(0);
    let listed = world.run(["trash", "list", &alice("")]).code(0);
    let lines: Vec<&str> = listed.stdout().lines().collect();
    assert!(lines.len() == 2 && lines.iter().all(|line| line.ends_with("  a.txt")), "{lines:?}");
    // The youngest, unless one is named.
    world.run(["trash", "restore", &alice("a.txt")]).code(0).said("/a.txt is there again");
    assert_eq!(fs::read(world.remote("alice", "a.txt")).unwrap(), b"second");
    world.run(["trash", "restore", &alice("a.txt")]).code(11).said("--to");
    world.run(["trash", "restore", &alice("a.txt"), "--to", "old/a.txt"]).code(0);
    assert_eq!(fs::read(world.remote("alice", "old/a.txt")).unwrap(), b"first");
    world.run(["trash", "restore", &alice("a.txt")]).code(3).said("trash list");
    world.run(["rm", "-r", &alice("old")]).code(0);
    world.run(["trash", "empty", &alice("")]).code(2).said("--yes");
    world.run(["trash", "empty", "--yes", &alice("")]).code(0).said("1 thing is gone for good");
    world.run(["trash", "list", &alice("")]).code(0).said("Nothing is kept");
    world.run(["trash", "restore", &alice("")]).code(2);
}

#[test]
fn the_shell_shows_brings_back_and_empties_in_its_folder() {
    let world = World::trusting();
    let set = world.server.command(&["user", "set", "alice", "--trash", "30d"]).output().unwrap();
    assert!(set.status.success(), "{set:?}");
    fs::create_dir_all(world.remote("alice", "docs")).unwrap();
    fs::write(world.remote("alice", "docs/a b"), "text").unwrap();
    let script =
        b"cd docs\nrm 'a b'\ntrash ls\ntrash restore 'a b' --to c\ncat c\nrm c\ntrash restore c --to /d\ncat /d\n";
    let done = world.run_with(["shell", &world.alice("")], script).code(0);
    assert!(done.stdout().contains("  a b\n") && done.stdout().ends_with("texttext"), "{done:?}");
    // Nothing goes for good without a word, and hints are as commands are written there.
    let done = world.run_with(["shell", &world.alice("")], b"rm d\ntrash empty /\ntrash restore missing\n").code(10);
    let done = done.said("--yes says that it is meant").said("`trash list` shows what can be brought back");
    assert!(!done.stderr.contains("gone for good"), "{done:?}");
    let done = world.run_with(["shell", &world.alice("")], b"trash empty --yes /\ntrash list\n").code(0);
    done.said("1 thing is gone for good").said("Nothing is kept there");
    let done = world.run_with(["shell", &world.alice("")], b"df docs\ndf\nundelete x\n").code(10);
    assert_eq!(done.stdout().matches("used: ").count(), 2, "{done:?}");
    assert_eq!(done.stderr.matches("`du -s` shows the size of a folder").count(), 1, "{done:?}");
    done.said("`trash restore NAME`");
}

#[test]
fn at_a_terminal_it_is_asked_before_anything_goes_for_good() {
    let world = World::trusting();
    let set = world.server.command(&["user", "set", "alice", "--trash", "30d"]).output().unwrap();
    assert!(set.status.success(), "{set:?}");
    let alice = world.alice("");
    fs::write(world.remote("alice", "f"), "text").unwrap();
    world.run(["rm", &world.alice("f")]).code(0);
    for (answer, code) in [("no", 1), ("", 1), ("yes", 0)] {
        let mut terminal = world.terminal_of((100, 24), &[("SEALIFT_PASSWORD", PASSWORD)], ["trash", "empty", &*alice]);
        terminal.expect("for good? (yes, no): ").keys(&format!("{answer}\r"));
        terminal.expect(if code == 0 { "gone for good" } else { "Nothing was removed" });
        assert_eq!(terminal.wait().code(), Some(code), "{answer}: {}", terminal.shown());
        let left = world.run(["trash", "list", &alice]).code(0);
        assert_eq!(left.stdout().contains("  f\n"), code != 0, "{answer}");
    }
}

/// What a folder held is said where it goes, in the list, and to programs; and what was aside for a while has its true name.
#[test]
fn a_folder_says_how_much_is_in_it_and_what_a_mirror_moved_aside_has_its_own_name() {
    let world = World::with(|server| server.args(["--audit", "audit/log"])).trusted();
    let set = world.server.command(&["user", "set", "alice", "--trash", "30d"]).output().unwrap();
    assert!(set.status.success(), "{set:?}");
    let alice = |path: &str| world.alice(path);
    fs::create_dir_all(world.remote("alice", "d/e")).unwrap();
    for (path, size) in [("d/a", 1000), ("d/e/b", 24), ("d/e/empty", 0)] {
        fs::write(world.remote("alice", path), vec![b'x'; size]).unwrap();
    }
    world.run(["rm", "-r", &alice("d")]).code(0);
    let audit = || fs::read_to_string(world.server.place().join("audit/log")).unwrap();
    eventually("the audit says it", || audit().contains("\"outcome\":\"done\",\"files\":3,\"folders\":2"));
    let listed = world.run(["trash", "list", &alice("")]).code(0);
    assert!(listed.stdout().contains("1.0 KiB  d  (3 files)"), "{listed:?}");
    let listed = world.run(["trash", "list", "--json", &alice("")]).code(0);
    let thing: serde_json::Value = serde_json::from_str(listed.stdout().lines().next().unwrap()).unwrap();
    assert_eq!((&thing["size"], &thing["files"]), (&1024.into(), &3.into()), "{thing}");
    // A folder stands where a file comes, and is gone for good by the mirror's own word alone.
    fs::create_dir_all(world.remote("alice", "m/x")).unwrap();
    fs::write(world.remote("alice", "m/x/old"), "old").unwrap();
    fs::create_dir(world.local("m")).unwrap();
    fs::write(world.local("m/x"), "a file by now").unwrap();
    world.run(["mirror", "--delete", "m", &alice("m")]).code(0);
    let listed = world.run(["trash", "list", &alice("m")]).code(0);
    assert!(listed.stdout().contains("3 B  m/x/old\n"), "{listed:?}");
    world.run(["trash", "restore", &alice("m/x/old"), "--to", "m/back/old"]).code(0);
    assert_eq!(fs::read(world.remote("alice", "m/back/old")).unwrap(), b"old");
}

#[test]
fn what_is_called_as_if_it_had_been_aside_is_kept_under_no_name_of_others() {
    let world = common::World::of(&["alice"]);
    let rule = "trash = \"30d\"\n[[users.alice.rules]]\npath = \"/fixed\"\naccess = \"read\"\n";
    world.set_users(&(common::section("alice", "\"full\"", "alice") + rule));
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let aside = |name: &str| format!(".{name}.0123456789abcdef.sealift-aside");
    // What the rules say of a name they say of what stands aside of it.
    assert_eq!(alice.upload(&aside("fixed"), b"x").1, "denied");
    std::fs::write(world.home("alice").join(aside("fixed")), "x").unwrap();
    assert_eq!(alice.ask(format!("DELETE {}", aside("fixed"))).1, "denied");
    assert_eq!(alice.upload(&aside("free"), b"x").1, "done");
    assert_eq!(alice.ask(format!("DELETE {}", aside("free"))).1, "done");
    assert_eq!(paths(&mut alice), ["free"]);
    // By a condition too, and for ever where its name was never another's.
    assert_eq!(alice.upload(&aside("seen"), b"y").1, "done");
    let url = format!("/~alice/{}", aside("seen"));
    let etag = curl(&daemon, &["-u", ALICE], &url).header("etag").to_owned();
    let condition = format!("If-Match: {etag}");
    assert_eq!(curl(&daemon, &["-u", ALICE, "-X", "DELETE", "-H", &condition], &url).status, 204);
    assert_eq!(BTreeSet::from_iter(paths(&mut alice)), BTreeSet::from(["free".to_owned(), "seen".to_owned()]));
}
