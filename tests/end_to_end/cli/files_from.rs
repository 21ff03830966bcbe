//! `--files-from`: get and put of what a list names.

use std::fs;

use crate::common::program::{World, names};

fn tree(root: &std::path::Path) {
    fs::create_dir_all(root.join("a/b")).unwrap();
    for name in ["a/b/one", "a/two", "three", "two words"] {
        fs::write(root.join(name), name).unwrap();
    }
}

#[test]
fn a_list_names_what_is_sent_and_what_cannot_be_is_named() {
    let world = World::trusting();
    tree(&world.local("tree"));
    fs::write(world.local("list"), "a/b/one\nmissing\n./three\n../list\na\nthree\n").unwrap();
    let done = world.run(["put", "--files-from", "list", "tree", &world.alice("x/new")]).code(10);
    let done = done.said("tree/missing: no such file").said("../list: ").said("tree/a: is a folder").said("2 files");
    assert!(done.stderr.contains("3 failed"), "{}", done.stderr);
    assert_eq!(names(&world.remote("alice", "x/new")), ["a", "a/b", "a/b/one", "three"]);
    // The same again is recognised, and folders come with -r.
    world.run(["put", "-c", "-r", "--files-from", "list", "tree", &world.alice("x/new")]).code(10).said("3 unchanged");
    assert!(world.remote("alice", "x/new/a/two").exists());
    // Here from the current folder on, by standard input.
    let list = b"tree/two words\0tree/a/two\0";
    world.run_with(["put", "-0", "--files-from", "-", &world.alice("z")], list).code(0).said("2 files");
    assert_eq!(fs::read(world.remote("alice", "z/tree/two words")).unwrap(), b"two words");
    let absolute = format!("{}/a/two\n", world.local("tree").display());
    let root = world.local("tree").display().to_string();
    world.run_with(["put", "--files-from=-", &root, &world.alice("y")], absolute.as_bytes()).code(0).said("1 file");
    assert_eq!(names(&world.remote("alice", "y")), ["a", "a/two"]);
    world.run_with(["put", "--files-from=-", "tree", &world.alice("y")], b"nothing\n").code(3);
    world.run(["put", "--files-from", "none", "tree", &world.alice("y")]).code(3).said("none: ");
    world.run(["put", "--files-from", "list", "a", "b", &world.alice("y")]).code(2).said("It is written like this");
    world.run(["put", "-0", "tree", &world.alice("y")]).code(2);
    world.run(["put", &world.alice("y")]).code(2).said("two are needed");
}

#[test]
fn a_list_names_what_is_fetched_and_what_cannot_be_is_named() {
    let world = World::trusting();
    tree(&world.remote("alice", "tree"));
    fs::write(world.local("list"), "a/b/one\nmissing\n/three\n../x\na\n").unwrap();
    let get = |args: &[&str]| world.run([&["get", "--files-from", "list"], args].concat());
    let tree = world.alice("tree");
    get(&["-n", &tree, "new"]).code(10).said("Would be: 2 files");
    assert!(!world.local("new").exists());
    let done = get(&[&tree, "new"]).code(10).said("tree/missing: no such file").said("../x: ").said("2 files");
    assert!(done.stderr.contains("new/a: is a folder") && done.stderr.contains("3 failed"), "{}", done.stderr);
    assert_eq!(names(&world.local("new")), ["a", "a/b", "a/b/one", "three"]);
    get(&["-rc", &tree, "new"]).code(10).said("3 unchanged").said("1 file, ");
    assert_eq!(names(&world.local("new")), ["a", "a/b", "a/b/one", "a/two", "three"]);
    let done = world.run_with(["get", "-0", "--files-from=-", &tree, "there"], b"two words\0a/two\0").code(0);
    assert_eq!(names(&world.local("there")), ["a", "a/two", "two words"], "{done:?}");
    fs::write(world.local("file"), "").unwrap();
    get(&[&tree, "file"]).code(1).said("file: not a folder");
    assert!(world.run_with(["get", "--password-stdin", "--files-from=-", &tree], b"x").code(2).stderr.contains("list"));
}

#[test]
fn the_shell_moves_what_a_list_names_too() {
    let world = World::trusting();
    for name in ["a", "d/b", "d/c"] {
        fs::create_dir_all(world.local(format!("tree/{name}")).parent().unwrap()).unwrap();
        fs::write(world.local(format!("tree/{name}")), name).unwrap();
    }
    fs::write(world.local("list"), "a\nd/b\n").unwrap();
    let script = b"put --files-from list tree up\nget --files-from list up back\nput --files-from - tree up\n";
    world.run_with(["shell", &world.alice("")], script).code(10).said("where the shell's commands come from");
    assert_eq!(names(&world.remote("alice", "up")), ["a", "d", "d/b"]);
    assert_eq!(names(&world.local("back")), ["a", "d", "d/b"]);
}

#[test]
fn a_mirror_of_a_list_moves_what_it_names_and_deletes_nothing_else() {
    let world = World::trusting();
    for (name, text) in [("site/a.html", "a"), ("site/b.html", "b"), ("site/img/x.png", "x"), ("site/img/y.png", "y")] {
        fs::create_dir_all(world.local(name).parent().unwrap()).unwrap();
        fs::write(world.local(name), text).unwrap();
    }
    for name in ["www/old", "www/img/old", "www/css/old"] {
        fs::create_dir_all(world.remote("alice", name).parent().unwrap()).unwrap();
        fs::write(world.remote("alice", name), "old").unwrap();
    }
    fs::write(world.local("list"), "a.html\nimg/\nmissing\n").unwrap();
    let www = world.alice("www");
    let mirror = ["mirror", "--delete", "--files-from", "list", "./site", &www];
    world.run(mirror).code(10).said("missing: no such file").said("3 files, ").said("1 deleted").said("1 failed");
    let there = || names(&world.remote("alice", "www"));
    assert_eq!(there(), ["a.html", "css", "css/old", "img", "img/x.png", "img/y.png", "old"]);

    // The other way, from standard input.
    fs::create_dir_all(world.local("back/img")).unwrap();
    fs::write(world.local("back/img/mine"), "mine").unwrap();
    world.run_with(["mirror", "-0", "--files-from", "-", &www, "./back"], b"img/x.png\0css\0").code(0).said("2 files");
    assert_eq!(names(&world.local("back")), ["css", "css/old", "img", "img/mine", "img/x.png"]);
    world.run_with(["mirror", "--files-from", "-", &www, "./back"], b"gone\n").code(3).said("www/gone");
    world.run_with(["shell", &world.alice("")], b"mirror --files-from - www back\n").code(2).said("standard input");
}

#[test]
fn a_list_leads_out_of_its_folder_by_no_link() {
    let world = World::trusting();
    fs::create_dir_all(world.local("outside/deep")).unwrap();
    fs::create_dir_all(world.local("src")).unwrap();
    fs::write(world.local("outside/secret"), "secret").unwrap();
    fs::write(world.local("src/own"), "own").unwrap();
    std::os::unix::fs::symlink("../outside", world.local("src/out")).unwrap();
    std::os::unix::fs::symlink("own", world.local("src/link")).unwrap();
    fs::write(world.local("list"), "own\nout\nout/secret\nlink\n").unwrap();
    let up = world.alice("up");
    let put = ["put", "-r", "--files-from", "list", "src", &up];
    let done = world.run(put).code(0).said("1 file, ").said("3 skipped (links)");
    done.said("skipped src/out/secret: a symbolic link");
    assert_eq!(names(&world.remote("alice", "up")), ["own"]);
    let mirror = ["mirror", "--files-from", "list", "./src", &up];
    let done = world.run(mirror).code(0).said("1 unchanged").said("3 skipped (links)");
    done.said("skipped ./src/out/secret: a symbolic link");
    assert_eq!(names(&world.remote("alice", "up")), ["own"]);
    // What a program is told is the same.
    let told = world.run([&["--json"], &mirror[..]].concat()).code(0);
    let last: serde_json::Value = serde_json::from_str(told.stdout().lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["skipped"]), (&"summary".into(), &3.into()), "{last}");
    world.run([&put[..], &["--links", "follow"]].concat()).code(0).said("4 files");

    // Nor by one that is on the server.
    fs::create_dir_all(world.remote("alice", "down/other")).unwrap();
    fs::write(world.remote("alice", "down/other/f"), "f").unwrap();
    std::os::unix::fs::symlink("other", world.remote("alice", "down/link")).unwrap();
    let down = world.alice("down");
    for links in ["skip", "keep"] {
        let pull = ["mirror", "--links", links, "--files-from", "-", &down, "./down"];
        let done = world.run_with(pull, b"link/f\nother/f\n").code(0).said("1 skipped (link)");
        done.said("skipped down/link/f: a symbolic link");
        assert_eq!(names(&world.local("down")), ["other", "other/f"]);
    }

    // The folder itself is all of it.
    let other = world.alice("other");
    let all = ["mirror", "--files-from", "-", "./src", &other];
    world.run_with(all, b".\n").code(0).said("1 file, ");
    let refused = world.run_with([&all[..], &["--delete"]].concat(), b".\n").code(2);
    refused.said("the list names the folder itself");
    world.run_with(["mirror", "--files-from", "-", &other, "./back"], b".\n").code(0).said("1 file, ");
}

#[test]
fn a_mirror_in_the_shell_that_was_meant_the_other_way_round_is_not_begun() {
    let world = World::trusting();
    fs::create_dir(world.local("site")).unwrap();
    fs::write(world.local("site/f"), "f").unwrap();
    let alice = world.alice("");
    world.run_with(["shell", &alice], b"mirror site www\n").code(2).said("`mirror -R site www`");
    assert!(!world.local("www").exists() && names(&world.remote("alice", "")).is_empty());
    world.run_with(["shell", &alice], b"mirror -R site www\n").code(0);
    assert_eq!(names(&world.remote("alice", "")), ["www", "www/f"]);
}
