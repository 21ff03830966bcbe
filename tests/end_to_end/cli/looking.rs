//! `tree`, `du` and `find`, and what is said about commands that are none.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::common::program::{PASSWORD, World, names};

fn world() -> World {
    let world = World::trusting();
    for (name, size, days) in [
        ("a.txt", 10, 0),
        ("b/big.iso", 3_000_000, 100),
        ("b/c/x.txt", 7, 3),
        (".git/config", 5, 0),
        ("z.pdf", 1536, 50),
    ] {
        let file = world.remote("alice", name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let file = fs::File::create(file).unwrap();
        file.set_len(size).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(days * 86_400)).unwrap();
    }
    world
}

#[test]
fn a_tree_is_drawn_as_the_locale_allows() {
    let world = world();
    let tree = |options: &[&str], locale: &str| {
        world.screen([&["tree"], options, &[&world.alice("")]].concat(), 40, &[("LANG", locale)])
    };
    let plain =
        ".\n|-- a.txt\n|-- b/\n|   |-- big.iso\n|   `-- c/\n|       `-- x.txt\n`-- z.pdf\n\n2 folders, 4 files\n";
    assert_eq!(tree(&[], "C"), plain);
    let drawn = plain.replace("|-- ", "├── ").replace("`-- ", "└── ").replace("|   ", "│   ");
    assert_eq!(tree(&[], "C.UTF-8"), drawn);
    assert_eq!(tree(&["-d"], "C"), ".\n`-- b/\n    `-- c/\n\n2 folders\n");
    assert_eq!(tree(&["-L", "1", "-a"], "C"), ".\n|-- .git/\n|-- a.txt\n|-- b/\n`-- z.pdf\n\n2 folders, 2 files\n");
    assert!(tree(&["-s"], "C").contains("|-- [     10 B]  a.txt\n"));
    let json = world.run(["tree", "--json", &world.alice("b")]).code(0);
    let told = json.stdout().lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let paths: Vec<Value> = told.filter(|object| object["event"] == "entry").collect();
    assert_eq!(
        paths.iter().map(|entry| entry["path"].as_str().unwrap()).collect::<Vec<_>>(),
        ["b/big.iso", "b/c", "b/c/x.txt"]
    );
    world.run(["tree", &world.alice("a.txt")]).code(1).said("Name a folder");
    world.run(["tree", &world.alice("missing")]).code(3);
}

#[test]
fn du_sums_up_folders() {
    let world = world();
    let du = |options: &[&str], path: &str| {
        world.run([&["du"], options, &[&world.alice(path)]].concat()).code(0).stdout().to_owned()
    };
    assert_eq!(du(&[], ""), "      5 B  .git\n      7 B  b/c\n  2.9 MiB  b\n  2.9 MiB  .\n");
    assert_eq!(du(&["-sb"], ""), "        3001558  .\n");
    assert_eq!(du(&["-d", "1", "-b"], "b"), "              7  b/c\n        3000007  b\n");
    assert_eq!(du(&["-sh"], "*"), "     10 B  a.txt\n  2.9 MiB  b\n  1.5 KiB  z.pdf\n");
    let json: Value = serde_json::from_str(du(&["-s", "--json"], "b").lines().next().unwrap()).unwrap();
    assert_eq!((&json["path"], &json["size"], &json["files"]), (&"b".into(), &3_000_007.into(), &2.into()));
}

#[test]
fn find_shows_what_fits_all_that_is_asked() {
    let world = world();
    let find = |options: &[&str]| {
        let done = world.run([&["find", &world.alice("")], options].concat()).code(0);
        done.stdout().lines().map(str::to_owned).collect::<Vec<String>>()
    };
    assert_eq!(find(&["--name", "*.txt"]), ["a.txt", "b/c/x.txt"]);
    assert_eq!(find(&["--name", "{c*,*.pdf}"]), [".git/config", "b/c", "z.pdf"]);
    assert_eq!(find(&["--type", "dir"]), [".git", "b", "b/c"]);
    assert_eq!(find(&["--size", "+1M"]), ["b/big.iso"]);
    assert_eq!(find(&["--size", "-8", "--name", "*.txt"]), ["b/c/x.txt"]);
    assert_eq!(find(&["--older", "30d", "--type", "f"]), ["b/big.iso", "z.pdf"]);
    assert_eq!(find(&["--newer", "7d", "--name", "x*"]), ["b/c/x.txt"]);
    assert!(find(&["--name", "nothing"]).is_empty());
    let zero = world.run(["find", "-0", &world.alice("b"), "--name", "x.txt"]).code(0);
    assert_eq!(zero.stdout, b"b/c/x.txt\0");
    let json = world.run(["find", "--json", &world.alice(""), "--name", "x.txt"]).code(0);
    assert!(json.stdout().starts_with(r#"{"v":1,"event":"entry","path":"b/c/x.txt","#), "{}", json.stdout());
    world.run(["find", &world.alice(""), "--size", "big"]).code(2).said("+10M");
    world.run(["find", &world.alice("missing")]).code(3);
    let pattern = world.run(["find", &world.alice(""), "*.txt"]).code(2);
    let pattern = pattern.said("'*.txt': a place to search is needed here");
    pattern.said(&format!("`sealift find {} --name '*.txt'`", world.alice("")));
}

#[test]
fn a_command_or_option_that_is_none_is_answered_with_the_one_that_was_meant() {
    let world = World::trusting();
    world.run(["gte", "h/x"]).code(2).said("`gte` is no command of sealift").said("hint: Did you mean `sealift get`?");
    world.run(["sync", "a", "h/a"]).code(2).said("sealift mirror SOURCE DESTINATION");
    world.run(["get", "--recursiv", "h/x"]).code(2).said("Did you mean --recursive?");
    world.run(["ls", "-p", "4456", "h"]).code(2).said("-P 4456");
    let json = world.run(["--json", "gte", "h/x"]).code(2).stderr;
    let error: Value = serde_json::from_str(json.trim_end()).unwrap();
    assert_eq!((&error["error"], &error["exit"]), (&"usage".into(), &2.into()));
    fs::write(world.remote("public", "a"), "").unwrap();
    assert_eq!(world.run(["dir", &world.public("")]).code(0).stdout(), "a\n");
}

#[test]
fn find_removes_what_matches_if_that_is_meant() {
    let world = World::trusting();
    for (name, size) in [("logs/old/a.log", 1), ("logs/old/b.log", 2), ("logs/c.log", 3), ("logs/keep.txt", 4)] {
        let path = world.remote("alice", name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![b'x'; size]).unwrap();
    }
    let logs = world.alice("logs");
    let all = || names(&world.remote("alice", "logs"));
    let before = all();
    // Nobody can be asked.
    let asked = world.run(["find", &logs, "--name", "*.log", "--delete"]).code(2);
    asked.said("3 files in").said("--yes says that it is meant");
    world.run(["find", &logs, "--yes"]).code(2).said("--delete");
    assert_eq!(all(), before);
    let find = ["find", &*logs, "--name", "*.log", "--delete"];
    let mut terminal = world.terminal_of((100, 24), &[("SEALIFT_PASSWORD", PASSWORD)], find);
    terminal.expect("Remove 3 files in").line("no");
    assert!(terminal.wait().success());
    assert_eq!(all(), before);
    // A folder goes behind what is in it, and only if nothing is left.
    world.run(["find", &logs, "--name", "{old,a.log}", "--delete", "--yes"]).code(10).said("does not match");
    assert_eq!(all(), ["c.log", "keep.txt", "old", "old/b.log"]);
    let json = world.run(["--json", "find", &logs, "--name", "{old,*.log}", "--delete", "--yes"]).code(0);
    assert_eq!(json.stdout().matches("\"event\":\"removed\"").count(), 3, "{json:?}");
    assert_eq!(all(), ["keep.txt"]);
    world.run(["find", &world.alice("logs/keep.txt"), "--size", "+1G", "--delete", "--yes"]).code(0);
    let shell = world.run_with(["shell", &logs], b"clear\nfind --type file --delete --yes\n").code(0);
    assert_eq!((shell.stdout(), all().len()), ("", 0));
}

#[test]
fn find_removes_nothing_that_does_not_match_any_more_when_the_question_is_answered() {
    let world = World::trusting();
    fs::create_dir_all(world.remote("alice", "logs/d")).unwrap();
    let at = |name: &str| world.remote("alice", format!("logs/{name}"));
    let old = SystemTime::now() - 100 * sealift::limits::DAY;
    for name in ["a", "b", "c", "d/e"] {
        fs::write(at(name), name).unwrap();
        File::options().write(true).open(at(name)).unwrap().set_modified(old).unwrap();
    }
    symlink("c", at("link")).unwrap();
    symlink("nothing", at("dangling")).unwrap();
    let logs = world.alice("logs");
    let find = ["find", &*logs, "--older", "90d", "--type", "file", "--delete"];
    let mut terminal = world.terminal_of((100, 24), &[("SEALIFT_PASSWORD", PASSWORD)], find);
    terminal.expect("(yes, no)");
    // They are written anew, or are something else by now.
    fs::write(at("a"), "new").unwrap();
    fs::remove_file(at("b")).unwrap();
    fs::create_dir(at("b")).unwrap();
    terminal.line("yes").expect("logs/b: it has changed").expect("logs/a: it has changed");
    assert!(terminal.wait().success());
    assert_eq!(names(&world.remote("alice", "logs")), ["a", "b", "d", "dangling"]);
    // A folder goes with what is in it, and links go as ever.
    fs::write(at("d/e"), "e").unwrap();
    world.run(["find", &logs, "--name", "[abde]*", "--delete", "--yes"]).code(0);
    assert_eq!(names(&world.remote("alice", "logs")), Vec::<String>::new());
}
