//! `rm -i` and `rm -I`, as people type them from rm, and what comes back by wildcards.

use std::fs;

use sealift::limits;

use crate::common::eventually;
use crate::common::program::{PASSWORD, Proxy, Terminal, World, names};

fn world(files: &[&str]) -> World {
    let world = World::trusting();
    for name in files {
        let path = world.remote("alice", name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    world
}

fn at(world: &World, args: &[&str]) -> Terminal {
    world.terminal_of((100, 24), &[("SEALIFT_PASSWORD", PASSWORD)], args)
}

fn left(world: &World) -> Vec<String> {
    let mut names = names(&world.remote("alice", ""));
    names.retain(|name| !name.starts_with(".sealift"));
    names
}

#[test]
fn with_i_each_is_asked_and_a_no_keeps_it() {
    let world = world(&["a.bak", "b.bak", "c", "d/inner"]);
    let mut rm = at(&world, &["rm", "-i", &world.alice("*.bak"), &world.alice("c")]);
    rm.expect("Remove a.bak (5 B)? (yes, no): ").line("y").expect("Remove b.bak (5 B)? (yes, no): ").line("");
    rm.expect("Remove c (1 B)? ").line("yes");
    assert_eq!(rm.wait().code(), Some(0), "{}", rm.whole());
    assert_eq!(left(&world), ["b.bak", "d", "d/inner"]);
    // What names a key elsewhere does not here, and says so.
    fs::write(world.local("key"), "").unwrap();
    world.run(["rm", "-i", "./key", &world.alice("c")]).code(2).said("--identity ./key");
    world.run(["rm", "--identity", "./key", &world.alice("d/inner")]).code(4).said("key: others can read");
    world.run(["-i", "./key", "rm", &world.alice("d/inner")]).code(4).said("key: others can read");
    let mut folder = at(&world, &["rm", "-ri", &world.alice("d")]);
    folder.expect("Remove the folder d and everything in it? (yes, no): ").line("no");
    assert_eq!(folder.wait().code(), Some(0));
    // What would be refused is not asked, and what is not there is an error.
    let mut refused = at(&world, &["rm", "-i", &world.alice("d"), &world.alice("missing")]);
    assert_eq!(refused.wait().code(), Some(10), "{}", refused.whole());
    assert!(!refused.whole().contains("(yes, no)") && refused.whole().contains("missing: no such file"));
    assert_eq!(left(&world), ["b.bak", "d", "d/inner"]);
}

#[test]
fn with_capital_i_it_is_asked_once_for_many_or_folders() {
    let world = world(&["1", "2", "3", "4", "5", "d/inner"]);
    let mut few = at(&world, &["rm", "-I", &world.alice("1"), &world.alice("2"), &world.alice("3")]);
    assert_eq!(few.wait().code(), Some(0), "{}", few.whole());
    world.run(["put", "-r", "/etc/hostname", &world.alice("1")]).code(0);
    fs::write(world.remote("alice", "2"), "").unwrap();
    let question = format!("Remove 4 things on alice@{}? (yes, no): ", world.server.address());
    let mut many = at(&world, &["rm", "-I", &world.alice("[1-5]")]);
    many.expect(&question).line("n");
    assert_eq!(many.wait().code(), Some(0));
    assert_eq!(left(&world), ["1", "2", "4", "5", "d", "d/inner"]);
    let mut many = at(&world, &["rm", "-I", &world.alice("[1-5]")]);
    many.expect(&question).line("yes");
    assert_eq!(many.wait().code(), Some(0));
    let mut folder = at(&world, &["rm", "-rI", &world.alice("d")]);
    folder.expect("Remove d on ").expect("and all that is in the folders among them? (yes, no): ").line("y");
    assert_eq!(folder.wait().code(), Some(0));
    assert!(left(&world).is_empty());
}

#[test]
fn without_a_terminal_nothing_is_removed_that_was_to_be_asked() {
    let world = world(&["a", "b", "c", "d", "e/f"]);
    world.run(["rm", "-i", &world.alice("a")]).code(2).said("no terminal to ask on").said("-f after it");
    world.run(["rm", "-I", &world.alice("*")]).code(2).said("-I asks");
    world.run(["rm", "-rI", &world.alice("e")]).code(2);
    assert_eq!(left(&world).len(), 6);
    // What is not asked needs nobody, and the last word counts.
    world.run(["rm", "-I", &world.alice("a")]).code(0);
    world.run(["rm", "-i", "-f", &world.alice("b")]).code(0);
    world.run(["rm", "-f", "-i", &world.alice("c")]).code(2);
    assert_eq!(left(&world), ["c", "d", "e", "e/f"]);
    let shell = |line: &str| world.run_with(["shell", &world.alice("")], line.as_bytes());
    shell("rm -i c\n").code(2).said("no terminal");
    shell("rm -rI *\n").code(2).said("no terminal");
    shell("rm -i -f c\nrm -I d\n").code(0);
    assert_eq!(left(&world), ["e", "e/f"]);
}

#[test]
fn the_shell_asks_too() {
    let world = world(&["a", "b", "c"]);
    let mut shell = at(&world, &["shell", &world.alice("")]);
    shell.expect("/> ").line("rm -i a b").expect("Remove a (1 B)? (yes, no): ").line("no");
    shell.expect("Remove b (1 B)? (yes, no): ").line("yes").expect("/> ").line("exit");
    assert_eq!(shell.wait().code(), Some(0), "{}", shell.whole());
    assert_eq!(left(&world), ["a", "c"]);
}

/// The answer is held up for as long as a person waits before anything is shown.
#[test]
fn how_much_of_a_tree_is_gone_is_counted_at_a_terminal() {
    let files: Vec<String> = (0..4 * limits::REMOVE_STEP).map(|at| format!("tree/f{at}")).collect();
    let world = world(&files.iter().map(String::as_str).collect::<Vec<_>>());
    let proxy = Proxy::start(&world);
    world.trust(proxy.address);
    let mut shell = at(&world, &["shell", &format!("alice@{}", proxy.address)]);
    shell.expect("/> ");
    proxy.holds_after(1);
    shell.line("rm -r tree");
    eventually("it has gone", || left(&world).is_empty());
    std::thread::sleep(limits::PROGRESS_AFTER);
    proxy.lets_all_pass();
    shell
        .expect("tree: ")
        .expect("files removed so far")
        .expect(&format!("tree: {} files and 1 folder removed.", files.len()));
    shell.line("exit");
    assert_eq!(shell.wait().code(), Some(0), "{}", shell.whole());
    // Where nobody watches nothing is said, and a program is told how much it was.
    let world = self::world(&["d/a", "d/sub/b", "e/c"]);
    let rm = |args: &[&str]| world.run([&["rm", "-r"], args].concat()).code(0);
    assert_eq!(rm(&[&world.alice("e")]).stderr, "");
    let told = rm(&["--json", &world.alice("d")]);
    let told: serde_json::Value = serde_json::from_str(told.stdout().lines().next().unwrap()).unwrap();
    assert_eq!((&told["event"], &told["files"], &told["folders"]), (&"removed".into(), &2.into(), &2.into()), "{told}");
}

#[test]
fn what_was_removed_comes_back_by_wildcards() {
    let world = world(&["a.txt", "b.txt", ".c.txt", "d[1]", "d1", "sub/e.txt", "f.pdf"]);
    let set = world.server.command(&["user", "set", "alice", "--trash", "30d"]).output().unwrap();
    assert!(set.status.success(), "{set:?}");
    let all = ["a.txt", "b.txt", ".c.txt", r"d\[1\]", "d1", "sub/e.txt", "f.pdf"].map(|name| world.alice(name));
    world.run(["rm"].iter().map(|word| word.to_string()).chain(all)).code(0);
    let restore = |args: &[&str]| world.run([&["trash", "restore"], args].concat());
    restore(&[&world.alice("*.txt")]).code(0).said("/a.txt is there again").said("/b.txt is there again");
    assert_eq!(left(&world), ["a.txt", "b.txt", "sub"]);
    // As it stands before a pattern, and a backslash or a URL makes a name.
    restore(&[&world.alice("d[1]")]).code(0).said("/d[1] is there again");
    restore(&[&world.alice("d[1]")]).code(0).said("/d1 is there again");
    restore(&[&format!("sealift://{}", world.alice("*.pdf"))]).code(3);
    restore(&[&world.alice("*.doc")]).code(3).said("nothing that is kept matches").said("trash list");
    restore(&[&world.alice("*.doc"), &world.alice("**/e.*")]).code(10).said("/sub/e.txt is there again");
    restore(&["--to", "x", &world.alice("f*")]).code(2).said("--to is about one thing");
    restore(&["--to", "x", &world.alice("f.pdf"), &world.alice(".c.txt")]).code(2);
    // What went with its folder comes back with it, or alone.
    world.run(["rm", "-r", &world.alice("sub")]).code(0);
    restore(&[&world.alice("sub/none")]).code(3).said("It may have gone with /sub").said("trash restore alice@");
    restore(&[&world.alice("sub/e.txt")]).code(0);
    world.run(["rm", "-r", &world.alice("sub")]).code(0);
    restore(&[&world.alice("sub")]).code(0);
    // Hidden names are matched by a dot, and the shell does it from its folder on.
    fs::remove_file(world.remote("alice", "a.txt")).unwrap();
    restore(&[&world.alice("{.c,a}.txt")]).code(10).said("/.c.txt is there again");
    let done = world.run_with(["shell", &world.alice("")], b"rm sub/e.txt\ncd sub\ntrash restore e* '/f*'\n").code(10);
    done.said("/sub/e.txt is there again").said("f*: nothing called so is kept");
    let done = world.run_with(["shell", &world.alice("sub")], b"trash restore /f*\n").code(0);
    done.said("/f.pdf is there again");
}

#[test]
fn the_trash_is_listed_and_emptied_by_wildcards_too() {
    let world = world(&["a.log", "b.log", "[c].log", "d.txt", "sub/e.log"]);
    let set = world.server.command(&["user", "set", "alice", "--trash", "30d"]).output().unwrap();
    assert!(set.status.success(), "{set:?}");
    let all = ["d.txt", "sub/e.log", "a.log", "b.log", r"\[c\].log"].map(|name| world.alice(name));
    world.run(["rm"].iter().map(|word| word.to_string()).chain(all)).code(0);
    let names = |args: &[&str]| -> Vec<String> {
        let done = world.run([&["trash", "list"], args].concat()).code(0);
        done.stdout().lines().map(|line| line.rsplit("  ").next().unwrap().to_owned()).collect()
    };
    // All of them, the youngest first, each once, and only they.
    assert_eq!(names(&[&world.alice("*.log")]), ["[c].log", "b.log", "a.log"]);
    assert_eq!(names(&[&world.alice("{a,a,?}.log")]), ["b.log", "a.log"]);
    assert_eq!(names(&[&world.alice("[c].log")]), ["[c].log"]);
    assert_eq!(names(&[&world.alice("**/*.log")]).len(), 4);
    let purge = |args: &[&str]| world.run([&["trash", "empty"], args].concat());
    // Nothing that matches is an error, and nothing goes.
    for pattern in [world.alice("*.doc"), world.alice("*.doc/")] {
        world.run(["trash", "list", &pattern]).code(3).said("nothing that is kept matches");
        let done = purge(&["--yes", &pattern]).code(3).said("nothing that is kept matches");
        assert!(!done.stderr.contains("Nothing is kept"), "{done:?}");
    }
    purge(&[&world.alice("?.log")]).code(2).said("2 things would be removed for good");
    purge(&["--yes", "--id", "0000000000000000-0000000000000000", &world.alice("?.log")]).code(2).said("--id is about");
    purge(&["--yes", &world.alice("?.log")]).code(0).said("2 things are gone for good");
    assert_eq!(names(&[&world.alice("")]), ["[c].log", "sub/e.log", "d.txt"]);
    let script = b"cd /sub\ntrash list *.log\ntrash list *.txt\ntrash empty --yes /*.txt\ntrash empty --yes *.doc\n";
    let done = world.run_with(["shell", &world.alice("")], script).code(10);
    let done = done.said("1 thing is gone for good").said("*.doc: nothing that is kept matches");
    assert!(done.stdout().contains("  e.log\n") && !done.stdout().contains("d.txt"), "{done:?}");
    assert_eq!(names(&[&world.alice("")]), ["[c].log", "sub/e.log"]);
}

#[test]
fn a_new_name_of_what_comes_back_is_in_the_folder_that_it_was_in() {
    let world = World::trusting();
    let set = world.server.command(&["user", "set", "alice", "--trash", "30d"]).output().unwrap();
    assert!(set.status.success(), "{set:?}");
    fs::create_dir(world.remote("alice", "d")).unwrap();
    fs::write(world.local("f"), "f").unwrap();
    let at = |path: &str| world.alice(path);
    for (to, place) in [("g", "d/g"), ("/h", "h"), ("d/i", "d/i")] {
        world.run(["put", "f", &at("d/f")]).code(0);
        world.run(["rm", &at("d/f")]).code(0);
        let done = world.run(["trash", "restore", &at("d/f"), "--to", to]).code(0);
        done.said(&format!("What was /d/f is back as /{place}."));
        assert!(world.remote("alice", place).exists(), "{to}");
    }
    world.run(["trash", "empty", "--yes", &at("")]).code(0);
    let empty = world.run(["trash", "list", &at("")]).code(0).said("Nothing is kept there");
    assert!(!empty.stderr.contains("administrator"), "{}", empty.stderr);
}

#[test]
fn a_trash_that_is_off_is_told_from_one_that_is_empty() {
    let world = World::trusting();
    let off = "keeps nothing of yours that is deleted or replaced";
    world.run(["trash", "list", &world.alice("")]).code(0).said(off);
    world.run(["trash", "list", &world.alice("nothing*")]).code(3);
    let set = world.server.command(&["user", "set", "alice", "--trash", "30d"]).output().unwrap();
    assert!(set.status.success(), "{set:?}");
    let empty = world.run(["trash", "list", &world.alice("")]).code(0).said("Nothing is kept there");
    assert!(!empty.stderr.contains(off), "{}", empty.stderr);
    // What was kept before it was switched off is still told.
    fs::write(world.remote("alice", "f"), "f").unwrap();
    world.run(["rm", &world.alice("f")]).code(0);
    let unset = world.server.command(&["user", "set", "alice", "--trash", "none"]).output().unwrap();
    assert!(unset.status.success(), "{unset:?}");
    let listed = world.run(["trash", "list", &world.alice("")]).code(0);
    assert!(listed.stdout().contains("  f\n") && !listed.stderr.contains(off), "{listed:?}");
}

/// No right would help: whoever administers the server takes it away, and what is in it is another matter.
#[test]
fn a_shared_folder_that_stays_is_told_of_as_one() {
    let world = world(&["box/f"]);
    for args in
        [&["folder", "add", "team", "--access", "alice=full"][..], &["folder", "add", "inbox", "--as", "box/in"]]
    {
        let more: &[&str] = if args.contains(&"inbox") { &["--access", "alice=full"] } else { &[] };
        let done = world.server.command(&[args, more].concat()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    crate::common::eventually("it shows", || world.run(["ls", &world.alice("")]).stdout().contains("team"));
    world.run(["put", "/etc/hostname", &world.alice("team/f")]).code(0);
    let (itself, around) = ("hint: It is a shared folder", "hint: A shared folder is in it");
    for (args, hint) in [
        (&["rm", "team"][..], itself),
        (&["rm", "-r", "team"], itself),
        (&["rm", "-rf", "box/in"], itself),
        (&["rm", "-r", "box"], around),
        (&["mv", "team", "crew"], itself),
        (&["mv", "box/in", "in"], itself),
        (&["mv", "box", "crate"], around),
    ] {
        let words: Vec<String> = args
            .iter()
            .skip(1)
            .map(|word| if word.starts_with('-') { (*word).to_owned() } else { world.alice(word) })
            .collect();
        let run = world.run(std::iter::once(args[0]).chain(words.iter().map(String::as_str)));
        run.code(5).said(hint);
    }
    // In the shell, too; and what is in it goes.
    assert!(world.remote("alice", "box/f").exists());
    world.run(["rm", &world.alice("team/f")]).code(0);
}
