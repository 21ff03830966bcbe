//! `sealift cp`: the server copies by itself.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::common::program::World;

#[test]
fn files_and_trees_are_copied_on_the_server() {
    let world = World::trusting();
    let there = |path: &str| world.remote("alice", path);
    fs::create_dir_all(there("tree/sub/empty")).unwrap();
    fs::write(there("tree/a"), "a").unwrap();
    fs::write(there("tree/sub/b"), vec![7; 3 << 20]).unwrap();
    fs::set_permissions(there("tree/a"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("a", there("tree/link")).unwrap();

    let copied = world.run(["cp", &world.alice("tree/a"), &world.alice("b")]).code(0);
    assert_eq!((copied.stdout(), copied.stderr.as_str()), ("", ""), "silent, as its namesake is");
    assert_eq!(fs::read(there("b")).unwrap(), b"a");
    let meta = |path: &str| fs::metadata(there(path)).unwrap();
    assert_eq!(meta("b").modified().unwrap(), meta("tree/a").modified().unwrap());
    assert_eq!(meta("b").permissions().mode() & 0o777, 0o640);

    world.run(["cp", &world.alice("tree/sub/b"), &world.alice("b")]).code(11).said("--force");
    world.run(["cp", "-f", &world.alice("tree/sub/b"), &world.alice("b")]).code(0);
    assert_eq!(meta("b").len(), 3 << 20);

    world.run(["cp", &world.alice("tree"), &world.alice("copy")]).code(1).said("-r");
    assert!(!there("copy").exists());
    world.run(["cp", "-r", &world.alice("tree"), &world.alice("copy")]).code(0);
    assert_eq!(fs::read(there("copy/a")).unwrap(), b"a");
    assert_eq!(meta("copy/sub/b").len(), 3 << 20);
    assert!(meta("copy/sub/empty").is_dir());
    // What is there stays, and is not copied over unasked; a folder takes what is copied to it.
    world.run(["cp", "-r", &world.alice("tree"), &world.alice("copy")]).code(0);
    assert_eq!(fs::read(there("copy/tree/a")).unwrap(), b"a");
    world.run(["cp", "-r", &world.alice("tree"), &world.alice("tree/sub")]).code(2).said("into itself");
    world.run(["cp", &world.alice("*"), &world.alice("tree/")]).code(10).said("-r");
    assert_eq!(meta("tree/b").len(), 3 << 20);
    world.run(["cp", &world.alice("nothing"), &world.alice("x")]).code(3);
    world.run(["cp", &world.alice("b"), &world.public("b")]).code(2).said("not one login");
}

#[test]
fn the_shell_copies_too() {
    let world = World::trusting();
    let there = |path: &str| world.remote("alice", path);
    fs::create_dir_all(there("tree/sub")).unwrap();
    fs::write(there("tree/sub/a"), "a").unwrap();
    let lines = b"cd tree\ncp sub/a b\ncp -r sub other\ncopy sub/a b\n";
    world.run_with(["shell", &world.alice("")], lines).said("--force");
    assert_eq!(fs::read(there("tree/b")).unwrap(), b"a");
    assert_eq!(fs::read(there("tree/other/a")).unwrap(), b"a");
}

/// `--force` is about what was there before, and not about what the same command has brought.
#[test]
fn nothing_replaces_what_the_same_command_has_put_there() {
    let world = World::trusting();
    let there = |path: &str| world.remote("alice", path);
    let read = |path: &str| fs::read_to_string(there(path)).unwrap();
    for folder in ["c1", "c2", "c1/tree", "c2/tree", "moved", "copied", "in-shell"] {
        fs::create_dir(there(folder)).unwrap();
    }
    for name in ["c1/r", "c2/r", "c1/tree/a", "c2/tree/a", "moved/r"] {
        fs::write(there(name), name).unwrap();
    }
    let refused = |done: crate::common::program::Done, to: &str| {
        assert_eq!(done.stderr.matches(&format!("another one is called {to} too")).count(), 1, "{}", done.stderr);
    };
    refused(world.run(["cp", "-f", &world.alice("c[12]/r"), &world.alice("copied")]).code(10), "copied/r");
    let trees = [world.alice("c1/tree"), world.alice("c2/tree")];
    refused(world.run(["cp", "-rf", &trees[0], &trees[1], &world.alice("copied")]).code(10), "copied/tree");
    assert_eq!((read("copied/r"), read("copied/tree/a")), ("c1/r".to_owned(), "c1/tree/a".to_owned()));
    // What was there before is replaced.
    refused(world.run(["mv", "-f", &world.alice("c[12]/r"), &world.alice("moved/")]).code(10), "moved/r");
    assert_eq!((read("moved/r"), read("c2/r")), ("c1/r".to_owned(), "c2/r".to_owned()));
    assert!(!there("c1/r").exists());
    let lines = b"mv -f moved/r c2/r in-shell\ncp -rf c1/tree c2/tree in-shell\n";
    let done = world.run_with(["shell", &world.alice("")], lines);
    refused(done.said("another one is called in-shell/r too"), "in-shell/tree");
    assert_eq!((read("in-shell/r"), read("c2/r")), ("c1/r".to_owned(), "c2/r".to_owned()));
    assert_eq!(read("in-shell/tree/a"), "c1/tree/a");
}
