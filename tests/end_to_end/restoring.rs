//! What was deleted by mistake comes back: all that went in one command, and one file of a folder that went with it.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use sealift::files::TrashId;
use serde_json::Value;

use crate::common::liar::{IDS, Liar};
use crate::common::program::World;
use crate::common::{self, RawClient, enter, eventually};
use crate::trash::{alice, keeping, kept, paths, used};

/// A world of alice, who keeps what is deleted and has these files.
fn world(files: &[String]) -> World {
    let world = World::trusting();
    let set = world.server.command(&["user", "set", "alice", "--trash", "30d"]).output().unwrap();
    assert!(set.status.success(), "{set:?}");
    for name in files {
        let path = world.remote("alice", name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    world
}

fn many() -> Vec<String> {
    (0..3).flat_map(|folder| (0..12).map(move |file| format!("docs/d{folder}/f{file}"))).collect()
}

#[test]
fn what_a_mirror_deleted_comes_back_by_one_command_that_says_so_in_one_line() {
    let files = many();
    let world = world(&files);
    fs::create_dir(world.local("wrong")).unwrap();
    fs::write(world.local("wrong/other"), "other").unwrap();
    let docs = world.alice("docs");
    let restore = |options: &[&str]| {
        world.run(["mirror", "--delete", "--max-delete", "100%", "wrong", &docs]).code(0);
        assert!(files.iter().all(|name| !world.remote("alice", name).exists()));
        let done = world.run([&["trash", "restore", "--since", "1h"], options, &[&docs]].concat()).code(0);
        for name in &files {
            assert_eq!(fs::read_to_string(world.remote("alice", name)).unwrap(), *name);
        }
        done
    };
    let done = restore(&[]);
    assert_eq!(done.stderr.trim(), "36 things are there again.");
    let told = restore(&["-v"]).stderr;
    assert_eq!(told.matches(" is there again.").count(), 36, "{told}");
    assert!(told.contains("36 things are there again."), "{told}");
    assert_eq!(restore(&["-q"]).stderr, "");
    let objects = restore(&["--json"]);
    let objects: Vec<Value> = objects.stdout().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.iter().filter(|object| object["event"] == "restored").count(), 36);
    let last = objects.last().unwrap();
    assert_eq!((&last["event"], &last["entries"], &last["failed"]), (&"summary".into(), &36.into(), &0.into()));
}

/// A few are named, and of what cannot come back each is said why.
#[test]
fn what_comes_back_by_a_pattern_is_told_and_what_has_its_name_taken_stays() {
    let files = many();
    let world = world(&files);
    let all = files.iter().map(|name| world.alice(name));
    world.run(["rm".to_owned()].into_iter().chain(all)).code(0);
    let done = world.run(["trash", "restore", &world.alice("docs/d0/f?")]).code(0);
    assert_eq!(done.stderr.matches(" is there again.").count(), 10, "{done:?}");
    fs::write(world.remote("alice", "docs/d1/f3"), "newer").unwrap();
    let done = world.run(["trash", "restore", &world.alice("docs/d[12]/*")]).code(10);
    let done = done.said("23 things are there again.").said("docs/d1/f3").said("--to");
    assert!(!done.stderr.contains("/docs/d2/f3 is there again"), "{done:?}");
    assert_eq!(fs::read(world.remote("alice", "docs/d1/f3")).unwrap(), b"newer");
    let left = world.run(["trash", "list", &world.alice("")]).code(0);
    assert_eq!(left.stdout().lines().count(), 3, "{left:?}");
}

/// Many lines are on their way before the first is answered.
#[test]
fn many_are_on_their_way_at_once() {
    let world = World::new();
    let mut asked = 0;
    // Nothing is answered before the tenth is here: who waits for each answer would wait for ever.
    let liar = Liar::with("trash", move |line| match line.split([' ', '\r']).next().unwrap() {
        "TRASH" => {
            let thing = |at| {
                let id = TrashId::now().unwrap();
                format!("114 trash id={id} type=file size=1 mtime=1700000000 path=f{at}\r\n")
            };
            let things: String = (0..10).map(thing).collect();
            format!("{things}212 trash {IDS}\r\n").into_bytes()
        }
        _ => {
            asked += 1;
            match asked {
                10 => format!("250 done {IDS}\r\n").repeat(10).into_bytes(),
                _ => Vec::new(),
            }
        }
    });
    let target = format!("u@{}/", liar.address);
    let done = world.run(["--pin", &liar.pin, "trash", "restore", "--since", "1h", &target]).code(0);
    assert_eq!(done.stderr.matches(" is there again.").count(), 10, "{done:?}");
    let sent = String::from_utf8(liar.received()).unwrap();
    assert_eq!(sent.matches("RESTORE ").count(), 10, "{sent}");
}

/// A trash of so many files, and a server that ends when it has brought back so many of them. It counts how often the trash was listed.
fn ending_after(things: usize, restored: usize, lists: &Arc<AtomicUsize>) -> Liar {
    let (lists, mut asked) = (Arc::clone(lists), 0);
    Liar::with("trash", move |line| match line.split([' ', '\r']).next().unwrap() {
        "TRASH" => {
            lists.fetch_add(1, Ordering::Relaxed);
            let thing = |at| {
                let id = TrashId::now().unwrap();
                format!("114 trash id={id} type=file size=1 mtime=1700000000 path=d/f{at}\r\n")
            };
            // Of a folder that went with more of them.
            let folder = format!("114 trash id={} type=dir size=1 mtime=1 path=d/sub\r\n", TrashId::now().unwrap());
            let things: String = (0..things).map(thing).collect();
            format!("{folder}{things}212 trash {IDS}\r\n").into_bytes()
        }
        _ => {
            asked += 1;
            match asked > restored {
                true => format!("421 stopping {IDS} :the server ends\r\n").into_bytes(),
                false => format!("250 done {IDS}\r\n").into_bytes(),
            }
        }
    })
}

#[test]
fn what_came_back_before_the_connection_broke_is_told() {
    let world = World::new();
    let lists = Arc::default();
    for (restored, options) in [(30, &["--since", "1h"][..]), (3, &["--since", "1h"]), (30, &[]), (3, &[])] {
        let liar = ending_after(40, restored, &lists);
        let names: Vec<String> = match options {
            [] => (0..40).map(|at| format!("u@{}/d/f{at}", liar.address)).collect(),
            _ => vec![format!("u@{}/", liar.address)],
        };
        let start = ["--pin", &liar.pin, "--retry", "0", "trash", "restore"].into_iter().chain(options.iter().copied());
        let words = start.map(str::to_owned).chain(names);
        let done = world.run(words).code(10).said("`sealift trash list` shows it").said("the server ends");
        match restored {
            30 => drop(done.said("30 things are there again.")),
            _ => assert_eq!(done.stderr.matches(" is there again.").count(), 3, "{done:?}"),
        }
    }
    // Nothing came back.
    let liar = ending_after(40, 0, &lists);
    let target = format!("u@{}/", liar.address);
    world.run(["--pin", &liar.pin, "--retry", "0", "trash", "restore", "--since", "1h", &target]).code(6);
}

/// Also of what went with its folder.
#[test]
fn the_trash_is_listed_once_for_all_names() {
    let world = World::new();
    let lists = Arc::<AtomicUsize>::default();
    let liar = ending_after(3, usize::MAX, &lists);
    let names = ["d/f0", "d/sub/a", "d/sub/b", "d/sub/c", "d/f1"].map(|name| format!("u@{}/{name}", liar.address));
    let start = ["--pin", &liar.pin, "trash", "restore"].map(str::to_owned);
    let done = world.run(start.into_iter().chain(names)).code(0);
    assert_eq!(done.stderr.matches(" is there again.").count(), 5, "{done:?}");
    assert_eq!(lists.load(Ordering::Relaxed), 1);
}

fn ids_of(client: &mut RawClient, path: &str) -> Vec<String> {
    kept(client, path).into_iter().map(|(id, _, _)| id).collect()
}

#[test]
fn one_file_of_a_deleted_folder_comes_back_alone_and_the_rest_stays() {
    let daemon = keeping(&["--quota", "100KiB"]);
    let mut client = alice(&daemon);
    let home = daemon.data().join("alice");
    assert_eq!(client.ask("MKDIR docs/old/deep parents=yes").0, 250);
    for (path, size) in [("docs/old/report.pdf", 30), ("docs/old/deep/a", 20), ("docs/old/deep/b", 10)] {
        assert_eq!(client.upload(path, &vec![b'x'; size]).0, 226, "{path}");
    }
    let before = used(&daemon);
    assert_eq!(client.ask("DELETE docs/old recursive=yes").0, 250);
    let id = ids_of(&mut client, "docs/old").remove(0);
    // Nothing else of that id, and nothing around it.
    for path in ["docs/old/missing", "docs/old/report.pdf/x", "docs/other", "docs", "docs/older/report.pdf"] {
        assert_eq!(client.ask(format!("RESTORE {path} id={id}")).1, "not-found", "{path}");
    }
    assert!(!home.join("docs/old").exists(), "no folder is made for what is not there");
    assert_eq!(client.ask(format!("RESTORE docs/old/report.pdf id={id}")).0, 250);
    assert_eq!(fs::read(home.join("docs/old/report.pdf")).unwrap(), vec![b'x'; 30]);
    assert_eq!(fs::read_dir(home.join("docs/old")).unwrap().count(), 1);
    assert_eq!(client.ask(format!("RESTORE docs/old/report.pdf id={id}")).1, "not-found", "it is there no more");
    assert_eq!(client.ask(format!("RESTORE docs/old/deep/a id={id} to=docs/old/report.pdf")).1, "exists");
    assert_eq!(client.ask(format!("RESTORE docs/old/deep/a id={id} to=again/a")).0, 250);
    assert_eq!(client.ask(format!("RESTORE docs/old/deep id={id}")).0, 250);
    assert_eq!(fs::read(home.join("docs/old/deep/b")).unwrap(), vec![b'x'; 10]);
    assert_eq!(used(&daemon), before, "what is kept counts as what is there does");
    // What is left of the folder is still a thing, and has its name taken.
    assert_eq!(paths(&mut client), ["docs/old"]);
    assert_eq!(client.ask(format!("RESTORE docs/old id={id}")).1, "exists");
    assert_eq!(client.ask("PURGE").2["gone"], "1");
    assert_eq!(used(&daemon), before);
}

/// What the trash is known to hold is looked through again when something left a folder in it.
#[test]
fn what_came_out_of_a_folder_in_the_trash_makes_no_room_there() {
    const KIB: usize = 1024;
    let daemon = keeping(&["--quota", "100KiB"]);
    let mut client = alice(&daemon);
    assert_eq!(client.ask("MKDIR d").0, 250);
    for (name, size) in [("live", 30 * KIB), ("d/large", 60 * KIB), ("d/small", 10)] {
        assert_eq!(client.upload(name, &vec![b'x'; size]).0, 226, "{name}");
    }
    assert_eq!(client.ask("DELETE d recursive=yes").0, 250);
    let id = ids_of(&mut client, "d").remove(0);
    // So long ago that what it holds is remembered.
    let trash = daemon.data().join("alice/.sealift/trash");
    let earlier = SystemTime::now() - sealift::limits::TRASH_SETTLED * 10;
    fs::File::open(&trash).unwrap().set_modified(earlier).unwrap();
    assert_eq!(client.upload("more", &vec![b'x'; 80 * KIB]).1, "quota");
    assert_eq!(client.ask(format!("RESTORE d/large id={id} to=large")).0, 250);
    assert_eq!(client.upload("more", &vec![b'x'; 50 * KIB]).1, "quota");
    assert_eq!(ids_of(&mut client, "d"), [id], "nothing goes for what has no room all the same");
    assert_eq!(client.upload("more", &vec![b'x'; 5 * KIB]).0, 226);
}

#[test]
fn the_client_brings_back_one_file_of_a_folder_by_its_name() {
    let files = ["docs/old/report.pdf", "docs/old/deep/a"].map(str::to_owned);
    let world = world(&files);
    world.run(["rm", "-r", &world.alice("docs")]).code(0);
    let restore = |args: &[&str]| world.run([&["trash", "restore"], args].concat());
    restore(&[&world.alice("docs/old/none")]).code(3).said("It may have gone with /docs");
    restore(&[&world.alice("docs/old/report.pdf")]).code(0).said("/docs/old/report.pdf is there again.");
    restore(&[&world.alice("docs/old/deep/a"), "--to", "b"]).code(0).said("What was /docs/old/deep/a is back as");
    assert_eq!(fs::read_to_string(world.remote("alice", "docs/old/deep/b")).unwrap(), "docs/old/deep/a");
    // Of two the younger, wherever it lies.
    world.run(["trash", "empty", "--yes", &world.alice("")]).code(0);
    world.run(["rm", &world.alice("docs/old/report.pdf")]).code(0);
    fs::write(world.remote("alice", "docs/old/report.pdf"), "second").unwrap();
    world.run(["rm", "-r", &world.alice("docs/old")]).code(0);
    restore(&[&world.alice("docs/old/report.pdf")]).code(0);
    assert_eq!(fs::read_to_string(world.remote("alice", "docs/old/report.pdf")).unwrap(), "second");
    restore(&[&world.alice("docs/old/report.pdf"), "--to", "first"]).code(0);
    assert_eq!(fs::read_to_string(world.remote("alice", "docs/old/first")).unwrap(), "docs/old/report.pdf");
    let script = b"cd docs\ntrash restore old/deep/b\ncat old/deep/b\n";
    let done = world.run_with(["shell", &world.alice("")], script).code(0);
    assert!(done.stdout().ends_with("docs/old/deep/a"), "{done:?}");
}

#[test]
fn out_of_a_folder_comes_what_the_rights_of_its_own_path_allow() {
    let world = common::World::of(&["alice", "bob"]);
    let rule = "[[users.bob.rules]]\npath = \"/d/secret/**\"\naccess = [\"list\"]\n";
    let bob = common::section("bob", "\"full\"", "alice") + "trash = \"30d\"\n" + rule;
    world.set_users(&(common::section("alice", "\"full\"", "alice") + "trash = \"30d\"\n" + &bob));
    let home = world.home("alice");
    fs::create_dir_all(home.join("d/secret")).unwrap();
    fs::create_dir_all(home.join("d/.sealift/trash")).unwrap();
    for name in ["d/secret/s", "d/open", "d/.sealift/trash/x"] {
        fs::write(home.join(name), name).unwrap();
    }
    std::os::unix::fs::symlink("/etc", home.join("d/out")).unwrap();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.ask("DELETE d recursive=yes").0, 250);
    let id = ids_of(&mut alice, "d").remove(0);
    let mut bob = enter(&daemon, "bob");
    assert_eq!(bob.ask(format!("RESTORE d/secret/s id={id} to=mine")).1, "denied");
    assert_eq!(bob.ask(format!("RESTORE d/secret id={id}")).1, "denied");
    assert_eq!(bob.ask(format!("RESTORE d/secret/s id={id}")).1, "denied");
    // No link on the way, no reserved name, and no way out.
    for path in ["d/out/hostname", "d/.sealift/trash/x", "d/../d/open"] {
        assert!(matches!(&*bob.ask(format!("RESTORE {path} id={id} to=mine")).1, "not-found" | "bad-path"), "{path}");
    }
    assert_eq!(bob.ask(format!("RESTORE d/open id={id} to=mine")).0, 250);
    assert_eq!(fs::read(home.join("mine")).unwrap(), b"d/open");
    assert_eq!(alice.ask(format!("RESTORE d/secret/s id={id}")).0, 250);
}

/// Whatever the moment, it is in the folder in the trash or in its place.
#[test]
fn what_comes_back_while_the_trash_is_emptied_is_there_or_gone_as_it_is_said() {
    let daemon = keeping(&[]);
    let (mut one, mut other) = (alice(&daemon), alice(&daemon));
    let home = daemon.data().join("alice");
    for round in 0..10 {
        fs::create_dir(home.join("d")).unwrap();
        let names: BTreeSet<String> = (0..20).map(|number| format!("f{number}")).collect();
        names.iter().for_each(|name| fs::write(home.join("d").join(name), name).unwrap());
        assert_eq!(one.ask("DELETE d recursive=yes").0, 250);
        let id = ids_of(&mut one, "d").remove(0);
        names.iter().for_each(|name| one.line(format!("RESTORE d/{name} id={id} to=back/{name}")));
        other.line("PURGE");
        let answered: Vec<(String, bool)> = names.iter().map(|name| (name.clone(), one.reply().0 == 250)).collect();
        assert_eq!(other.reply().0, 250);
        for (name, is_back) in answered {
            let found = fs::read_to_string(home.join("back").join(&name)).ok();
            assert_eq!(found, is_back.then_some(name), "{round}");
        }
        let _ = fs::remove_dir_all(home.join("back"));
        eventually("nothing is left", || !home.join("d").exists());
    }
}
