//! Wildcards in the names of files on a server.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::common::liar::{IDS, Liar};
use crate::common::program::{World, without_override};

/// Files of alice's, each with its own name in it.
fn world(files: &[&str]) -> World {
    let world = World::trusting();
    fill(&world, files);
    world
}

fn fill(world: &World, files: &[&str]) {
    for name in files {
        let file = world.remote("alice", name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, name).unwrap();
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    // Where the server keeps what is not in its place.
    names.retain(|name| name != ".sealift");
    names.sort_unstable();
    names
}

#[test]
fn get_fetches_all_that_match_into_a_folder() {
    let world = world(&["a.txt", "b.txt", "ü.txt", "c.pdf", ".hidden.txt", "sub/d.txt", "sub/deep/e.txt"]);
    let fetched = |pattern: &str, options: &[&str]| {
        let into = tempfile::tempdir_in(world.work.path()).unwrap();
        let target = world.alice(pattern);
        world.run([&["get"], options, &[&target, into.path().to_str().unwrap()]].concat()).code(0);
        names_in(into.path())
    };
    assert_eq!(fetched("*.txt", &[]), ["a.txt", "b.txt", "ü.txt"]);
    assert_eq!(fetched("?.txt", &[]), ["a.txt", "b.txt", "ü.txt"]);
    assert_eq!(fetched("[!a]*.{txt,pdf}", &[]), ["b.txt", "c.pdf", "ü.txt"]);
    assert_eq!(fetched("**/*.txt", &[]), ["a.txt", "b.txt", "d.txt", "e.txt", "ü.txt"]);
    assert_eq!(fetched("{a.txt,sub/*.txt}", &[]), ["a.txt", "d.txt"]);
    assert_eq!(fetched(".*", &[]), [".hidden.txt"]);
    assert_eq!(fetched("s*", &["-r"]), ["sub"]);
    assert_eq!(fetched("*/deep", &["-r"]), ["deep"]);
    assert_eq!(fs::read(world.remote("alice", "a.txt")).unwrap(), b"a.txt");
}

#[test]
fn what_matches_nothing_is_an_error_that_names_the_pattern() {
    let world = world(&["a.txt"]);
    for command in ["ls", "rm", "cat", "stat", "hash", "verify", "get"] {
        world.run([command, &world.alice("*.pdf")]).code(3).said("*.pdf: nothing matches").said("backslash");
    }
    world.run(["mv", &world.alice("*.pdf"), &world.alice("sub/")]).code(3).said("*.pdf: nothing matches");
    world.run(["get", &world.alice("nowhere/*.pdf")]).code(3).said("nowhere");
    world.run(["get", &world.alice("a.txt"), &world.alice("*.pdf"), "."]).code(10).said("nothing matches");
    assert!(world.local("a.txt").exists());
    world.run(["get", &world.alice("{a.txt,b.txt}"), "into/"]).code(10).said("b.txt: no such file");
    // As a name that is not there is none with -f.
    assert_eq!(world.run(["rm", "-f", &world.alice("*.pdf")]).code(0).stderr, "");
    let json = world.run(["--json", "get", &world.alice("*.pdf")]).code(3);
    assert!(json.stderr.contains(r#""error":"not-found""#), "{}", json.stderr);
}

#[test]
fn rm_removes_what_matches_and_nothing_else() {
    let world = world(&["two/a.log", "two/b.log", "two/c.txt", "two/.d.log", "one/a.log"]);
    world.run(["rm", &world.alice("two/*.log")]).code(0);
    assert_eq!(names_in(&world.remote("alice", "two")), [".d.log", "c.txt"]);
    world.run(["rm", &world.alice("two/*")]).code(0);
    assert_eq!(names_in(&world.remote("alice", "two")), [".d.log"]);
    // A folder that a wildcard finds takes -r, whether there is something in it or not; the others are removed.
    fill(&world, &["x", "y"]);
    std::fs::create_dir(world.remote("alice", "empty")).unwrap();
    world.run(["rm", &world.alice("*")]).code(10).said("empty: is a folder").said("-r");
    assert_eq!(names_in(&world.remote("alice", "")), ["empty", "one", "two"]);
    let shell = world.run_with(["shell", &world.alice("")], b"rm e*\n");
    shell.said("empty: is a folder");
    assert!(world.remote("alice", "empty").is_dir());
    world.run(["rm", &world.alice("empty")]).code(0);
    world.run(["rm", "-r", &world.alice("*/")]).code(0);
    assert!(names_in(&world.remote("alice", "")).is_empty());
}

#[test]
fn other_commands_take_patterns_too_and_mv_needs_a_folder_for_them() {
    let world = world(&["a.txt", "b.txt", "dir/x"]);
    assert_eq!(world.run(["cat", &world.alice("*.txt")]).code(0).stdout(), "a.txtb.txt");
    let hashes = world.run(["hash", &world.alice("[ab].txt")]).code(0);
    assert_eq!(hashes.stdout().lines().count(), 2);
    assert!(world.run(["stat", &world.alice("b*")]).code(0).stdout().contains("path: b.txt"));
    assert_eq!(world.run(["get", &world.alice("*.txt"), "-"]).code(0).stdout(), "a.txtb.txt");
    world.run(["mv", &world.alice("*.txt"), &world.alice("new")]).code(3).said("no such folder");
    world.run(["mv", &world.alice("*.txt"), &world.alice("dir")]).code(0);
    assert_eq!(names_in(&world.remote("alice", "dir")), ["a.txt", "b.txt", "x"]);
    // Nothing is a wildcard in what is to be made.
    world.run(["mkdir", &world.alice("new*")]).code(0);
    assert!(world.remote("alice", "new*").is_dir());
}

#[test]
fn ls_shows_files_that_match_and_then_what_is_in_the_folders() {
    let world = world(&["2026-a", "2026-b/x", "2026-b/y", "2025"]);
    let listed = world.run(["ls", &world.alice("2026-*")]).code(0);
    let address = world.server.address();
    assert_eq!(listed.stdout(), format!("2026-a\n\nalice@{address}/2026-b:\nx\ny\n"));
    let json = world.run(["ls", "--json", &world.alice("2026-*")]).code(0);
    let paths: Vec<&str> = json
        .stdout()
        .lines()
        .filter(|line| line.contains("entry"))
        .filter_map(|line| line.split(r#""path":""#).nth(1)?.split('"').next())
        .collect();
    assert_eq!(paths, ["2026-a", "2026-b/x", "2026-b/y"]);
}

/// As the `ls` of a system: what is wrong first, then files, then each folder with what is in it below its name.
#[test]
fn ls_of_several_names_shows_errors_then_files_then_folders() {
    let world = world(&["b.txt", "a.txt", "two/y", "one/x", "one/z"]);
    let (at, address) = (|name: &str| world.alice(name), world.server.address());
    let done = world.run(["ls", &at("two"), &at("no"), &at("b.txt"), &at("one"), &at("a.txt"), &at("none")]).code(10);
    let both = format!("a.txt\nb.txt\n\nalice@{address}/one:\nx\nz\n\nalice@{address}/two:\ny\n");
    assert_eq!(done.stdout(), both);
    assert!(done.stderr.matches("no such file").count() == 2 && done.stderr.starts_with("sealift: no: "), "{done:?}");
    // One folder of two names has its name above it still, and what is not there has none.
    let done = world.run(["ls", &at("no"), &at("one")]).code(10);
    assert_eq!(done.stdout(), format!("alice@{address}/one:\nx\nz\n"));
    assert_eq!(world.run(["ls", &at("no"), &at("none")]).code(3).stdout(), "");
    assert_eq!(world.run(["ls", "-d", &at("two"), &at("b.txt"), &at("no")]).code(10).stdout(), "b.txt\ntwo/\n");
    world.run(["ls", &at("b.txt/"), &at("one")]).code(10).said("not a folder");
    let json = world.run(["ls", "--json", &at("one"), &at("b.txt"), &at("no")]).code(10);
    assert!(json.stderr.contains(r#""path":"no""#) && json.stdout().contains(r#""path":"one/x""#), "{json:?}");
    let shell = world.run_with(["shell", &at("")], b"ls two none b.txt\n").code(10).said("none: no such file");
    assert_eq!(shell.stdout(), "b.txt\n\ntwo:\ny\n");
}

#[test]
fn one_name_cannot_take_what_a_pattern_stands_for() {
    let world = world(&["a.txt", "photo[1].jpg"]);
    world.run(["get", &world.alice("*.txt"), "copy"]).code(1).said("copy: not a folder").said("slash");
    assert!(!world.local("copy").exists());
    // A name that is there as it was typed is no pattern.
    world.run(["get", &world.alice("photo[1].jpg"), "copy"]).code(0);
    assert_eq!(fs::read(world.local("copy")).unwrap(), b"photo[1].jpg");
}

#[test]
fn a_name_as_it_stands_goes_before_a_pattern_and_a_backslash_or_a_url_makes_a_name() {
    let world = world(&["a*", "ab", "a[1]", "a1", r"back\slash"]);
    let show = |target: &str| world.run(["cat", target]);
    assert_eq!(show(&world.alice("a*")).code(0).stdout(), "a*");
    assert_eq!(show(&world.alice("a[1]")).code(0).stdout(), "a[1]");
    assert_eq!(show(&world.alice(r"a\*")).code(0).stdout(), "a*");
    assert_eq!(show(&world.alice(r"a\[1\]")).code(0).stdout(), "a[1]");
    assert_eq!(show(&world.alice(r"back\slash")).code(0).stdout(), r"back\slash");
    assert_eq!(show(&world.alice(r"back\\*")).code(0).stdout(), r"back\slash");
    fs::remove_file(world.remote("alice", "a[1]")).unwrap();
    assert_eq!(show(&world.alice("a[1]")).code(0).stdout(), "a1");
    show(&world.alice(r"a\[1]")).code(3).said("a[1]: no such file");
    let url = format!("sealift://{}", world.alice("a[1]"));
    show(&url).code(3).said("a[1]: no such file");
}

#[test]
fn whoever_may_not_list_names_files_as_they_stand() {
    let world = World::trusting();
    let bob = |path: &str| format!("bob@{}/{path}", world.server.address());
    fs::write(world.local("a[1]"), "x").unwrap();
    world.run(["put", "a[1]", &bob("a[1]")]).code(0);
    assert_eq!(fs::read(world.remote("bob", "a[1]")).unwrap(), b"x");
    world.run(["get", &bob("a*")]).code(5);
}

#[test]
fn a_folder_that_cannot_be_read_is_told_and_the_others_are_searched() {
    let world = World::trusting_through(without_override());
    fill(&world, &["open/a.txt", "shut/b.txt"]);
    let shut = world.remote("alice", "shut");
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o000)).unwrap();
    for pattern in ["*/*.txt", "**/*.txt"] {
        let into = tempfile::tempdir_in(world.work.path()).unwrap();
        let done = world.run(["get", &world.alice(pattern), into.path().to_str().unwrap()]).code(10).said("shut");
        assert_eq!(names_in(into.path()), ["a.txt"], "{}", done.stderr);
    }
    world.run(["ls", &world.alice("shut/*")]).code(1).said("shut");
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_shell_expands_names_on_the_side_that_each_command_means() {
    let world = world(&["a.txt", "b.txt", "c*d", "d[1]/x.txt", "e,f"]);
    let shell = |lines: &str| world.run_with(["shell", &world.alice("")], lines.as_bytes());
    assert_eq!(shell("ls *.txt").code(0).stdout(), "a.txt\nb.txt\n");
    assert_eq!(shell("cat {b,a}.txt").code(0).stdout(), "b.txta.txt");
    assert_eq!(shell("cat 'c*d'\ncat c\\*d\ncat \"c*\"d\ncat e,f").code(0).stdout(), "c*dc*dc*de,f");
    assert_eq!(shell("cd 'd[1]'\nls *").code(0).stdout(), "x.txt\n");
    shell("cat *.pdf").code(3).said("*.pdf: nothing matches");
    shell("cat a.txt *.pdf").code(10).said("nothing matches");
    shell("mget *.txt").code(0);
    assert_eq!(names_in(world.work.path()), ["a.txt", "b.txt"]);
    shell("lmkdir in\nget [a]*.txt in").code(0);
    assert_eq!(names_in(&world.local("in")), ["a.txt"]);
    shell("get *.txt one").code(1).said("one: not a folder");
    for name in ["x.log", "y.log", "z*.log", "-n.log"] {
        fs::write(world.local(name), name).unwrap();
    }
    shell("mkdir logs\nput *.log logs/\nmkdir 'q*'").code(0);
    assert_eq!(names_in(&world.remote("alice", "logs")), ["-n.log", "x.log", "y.log", "z*.log"]);
    assert!(world.remote("alice", "q*").is_dir());
    shell("cd logs\nrm *\nmput [xy].log 'z*.log'").code(0);
    assert_eq!(names_in(&world.remote("alice", "logs")), ["x.log", "y.log", "z*.log"]);
    shell("put *.pdf").code(3).said("*.pdf: nothing matches on this machine");
    shell("mv logs/*.log .").code(0);
    assert!(world.remote("alice", "x.log").exists());
    assert_eq!(shell("find --name x.txt\ndu -sb 'd[1]'").code(0).stdout(), "d[1]/x.txt\n             10  d[1]\n");
    assert!(shell("tree d*").code(0).stdout().contains("x.txt"));
    assert_eq!(shell("lls *.log").code(0).stdout().lines().count(), 4);
}

/// Only the folders that may hold something are listed, each once, and nothing above the first wildcard.
#[test]
fn no_more_is_listed_than_a_pattern_needs() {
    let world = World::new();
    let entry = |kind: &str, name: &str| format!("type={kind} size=1 mtime=0 {name}\n");
    let listing = move |entries: &[String]| {
        let all = entries.concat();
        let mut answer = b"150 data\r\n".to_vec();
        answer.extend((all.len() as u32).to_be_bytes());
        answer.extend(all.bytes());
        answer.extend([0; 4]);
        answer.extend(format!("226 done entries={} {IDS}\r\n", entries.len()).bytes());
        answer
    };
    let liar = Liar::start(move |line| match line.trim_end() {
        "LIST a/b" => listing(&[entry("dir", "c1"), entry("dir", "d"), entry("file", "c2"), entry("dir", "c3")]),
        line if line.starts_with("LIST a/b/c") => listing(&[entry("file", "x.txt"), entry("dir", "y")]),
        _ => format!("550 not-found {IDS}\r\n").into_bytes(),
    });
    let target = format!("{}/a/b/c*/*.txt", liar.address);
    let done = world.run(["--pin", &liar.pin, "ls", &target]).code(0);
    assert_eq!(done.stdout(), "a/b/c1/x.txt\na/b/c3/x.txt\n");
    let received = String::from_utf8(liar.received()).unwrap();
    let asked: Vec<&str> =
        received.lines().filter(|line| line.starts_with("LIST") || line.starts_with("STAT")).collect();
    assert_eq!(asked, ["STAT a/b/c*/*.txt", "LIST a/b", "LIST a/b/c1", "LIST a/b/c3"]);
}
