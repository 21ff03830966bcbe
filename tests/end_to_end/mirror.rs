//! `sealift mirror` as people run it, against a real server.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail by panicking")]

use std::fs::{self};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use serde_json::Value;

use crate::common::program::World;
use crate::common::trees::{counts, fill, mtime, put, read, set_time};

#[test]
fn a_push_moves_only_what_changed_and_keeps_times_and_empty_folders() {
    let world = World::trusting();
    let (src, there) = (world.local("src"), world.remote("alice", "x/copy"));
    fill(&src);
    let args = ["./src", &world.alice("x/copy")];
    assert_eq!(counts(&world, &args, 0), [2, 0, 0, 0]);
    assert_eq!((read(there.join("a")), read(there.join("d/b"))), ("one".into(), "two".into()));
    assert_eq!(mtime(there.join("d/b")), (2_000, 123_456_789));
    assert!(there.join("empty").is_dir());
    assert_eq!(counts(&world, &["./src/", &world.alice("x/copy/")], 0), [0, 2, 0, 0]);
    put(&src, "d/b", "TWO", 3_000);
    assert_eq!(counts(&world, &args, 0), [1, 1, 0, 0]);
    assert_eq!(read(there.join("d/b")), "TWO");
}

#[test]
fn a_pull_keeps_the_times_of_folders_too() {
    let world = World::trusting();
    let there = world.remote("alice", "pub");
    fill(&there);
    ["d", "empty", ""].iter().for_each(|folder| set_time(&there.join(folder), 5_000));
    let args = [&world.alice("pub"), "./new/copy"];
    assert_eq!(counts(&world, &args, 0), [2, 0, 0, 0]);
    for path in ["a", "d", "d/b", "empty", ""] {
        assert_eq!(mtime(world.local("new/copy").join(path)), mtime(there.join(path)), "{path}");
    }
    assert_eq!(counts(&world, &args, 0), [0, 2, 0, 0]);
    put(&there, "a", "longer", 1_000);
    assert_eq!(counts(&world, &args, 0), [1, 1, 0, 0]);
    assert_eq!(read(world.local("new/copy/a")), "longer");
}

#[test]
fn the_last_line_says_what_moved() {
    let world = World::trusting();
    fill(&world.local("src"));
    let (src, there, back) = ("./src", world.alice("copy"), "./back");
    for (args, said) in [
        (vec!["--dry-run", src, &there], "Would be: 2 files, 3 folders, 6 B"),
        (vec![src, &there], "2 files, 3 folders, 6 B in "),
        (vec!["--dry-run", &there, back], "Would be: 2 files, 3 folders, 6 B"),
        (vec![&there, back], "2 files, 3 folders, 6 B in "),
    ] {
        world.run(["mirror"].iter().chain(&args)).code(0).said(said);
    }
}

#[test]
fn delete_removes_what_only_the_destination_has_both_ways() {
    let world = World::trusting();
    fill(&world.local("src"));
    for (root, args) in [
        (world.remote("alice", "copy"), ["./src".to_owned(), world.alice("copy")]),
        (world.local("back"), [world.alice("copy"), "./back".to_owned()]),
    ] {
        put(&root, "old/deep/x", "x", 1);
        put(&root, "y", "y", 1);
        let args = [args[0].as_str(), &args[1]];
        counts(&world, &args, 0);
        assert!(root.join("old/deep/x").exists() && root.join("y").exists());
        let args = ["--delete", args[0], args[1]];
        assert_eq!(counts(&world, &args, 0), [0, 2, 4, 0].map(|n| n), "{root:?}");
        assert!(!root.join("old").exists() && !root.join("y").exists() && root.join("d/b").exists());
    }
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let world = World::trusting();
    fill(&world.local("src"));
    put(&world.remote("alice", "copy"), "old", "x", 1);
    let args = ["mirror", "./src", &world.alice("copy"), "--delete", "--dry-run"];
    let done = world.run(args).code(0);
    assert_eq!(
        done.stdout(),
        "mkdir copy/d\nmkdir copy/empty\nput ./src/a -> copy/a\nput ./src/d/b -> copy/d/b\ndelete copy/old\n"
    );
    let missing = world.run(["mirror", "-n", &world.alice("copy"), "./no/such"]).code(0);
    assert_eq!(missing.stdout(), "mkdir ./no/such\nget copy/old -> ./no/such/old\n");
    assert!(!world.local("no").exists());
    let json = world.run(args.iter().chain(&["--json"])).code(0);
    let lines = json.stdout().lines().map(|line| serde_json::from_str(line).unwrap());
    let plan: Vec<Value> = lines.filter(|line: &Value| line["event"] == "plan").collect();
    assert_eq!((&plan[4]["action"], &plan[4]["path"]), (&"delete".into(), &"old".into()));
    assert_eq!(fs::read_dir(world.remote("alice", "copy")).unwrap().count(), 1);
}

#[test]
fn the_last_line_of_a_dry_run_says_what_would_be_deleted() {
    let world = World::trusting();
    fill(&world.local("src"));
    let (there, target) = (world.remote("alice", "copy"), world.alice("copy"));
    world.run(["mirror", "./src", &target]).code(0);
    let last = |args: &[&str], code| {
        let done = world.run([&["mirror", "-n"], args].concat()).code(code);
        let json = world.run([&["mirror", "-n", "--json"], args].concat()).code(code);
        let object: Value = serde_json::from_str(json.stdout().lines().last().unwrap()).unwrap();
        let counts = ["deleted", "deleted_files", "deleted_folders", "deleted_bytes", "kept", "bytes"];
        (done.stderr, counts.map(|key| object[key].as_u64()))
    };
    assert_eq!(
        last(&["--delete", "./src", &target], 0),
        ("Would be: 0 files, 0 B; 2 unchanged; nothing deleted\n".to_owned(), [0, 0, 0, 0, 0, 0].map(Some))
    );
    put(&there, "old/deep/x", "12345", 1);
    put(&there, "y", "y", 1);
    let (said, counted) = last(&["--delete", "./src", &target], 0);
    assert_eq!(said, "Would be: 0 files, 0 B; 2 unchanged; 4 deleted (2 files, 2 folders, 6 B)\n");
    assert_eq!(counted, [4, 2, 2, 6, 0, 0].map(Some));
    // Without --delete there is nothing to say of it.
    let (said, counted) = last(&["./src", &target], 0);
    assert_eq!(said, "Would be: 0 files, 0 B; 2 unchanged\n");
    assert_eq!(counted, [Some(0), None, None, None, Some(0), Some(0)]);
    // And back, where it is the other way round.
    put(&world.local("back"), "z", "123", 1);
    let (said, counted) = last(&["--delete", &target, "./back"], 0);
    assert!(said.ends_with("; 1 deleted (1 file, 3 B)\n"), "{said}");
    assert_eq!(counted, [Some(1), Some(1), Some(0), Some(3), Some(0), Some(12)]);
}

#[test]
fn a_dry_run_deletes_nothing_where_a_run_in_earnest_would_not() {
    let world = World::trusting();
    let (src, there) = (world.local("src"), world.remote("alice", "m"));
    put(&src, "name/f", "f", 1);
    put(&src, "g", "g", 1);
    put(&there, "name", "newer", 1);
    put(&there, "old", "old", 1);
    // A file that is newer stays in the place of the folder.
    set_time(&there.join("name"), 4_000_000_000);
    let args = ["--update", "--delete", "./src", &world.alice("m")];
    let dry = world.run([&["mirror", "-n"], &args[..]].concat()).code(10);
    assert_eq!(dry.stdout(), "put ./src/g -> m/g\n");
    assert!(dry.stderr.contains("nothing deleted; 1 kept"), "{}", dry.stderr);
    world.run([&["mirror"], &args[..]].concat()).code(10).said("1 kept");
    assert!(there.join("old").exists() && there.join("g").exists());
}

/// What scripts rely on: `sealift help exit-codes`.
#[test]
fn all_commands_about_trees_end_by_one_rule() {
    let world = World::trusting();
    let set = world.server.command(&["user", "set", "alice", "--quota", "10B"]).output().unwrap();
    assert!(set.status.success(), "{set:?}");
    put(&world.local("tree"), "a", "too large for ten", 1);
    put(&world.local("tree"), "b", "too large for ten", 1);
    let both = |code: i32| {
        world.run(["put", "-r", "tree", &world.alice("")]).code(code);
        world.run(["mirror", "./tree", &world.alice("tree")]).code(code);
    };
    // Everything failed alike, and nothing is there but a folder.
    both(9);
    // Something comes; then it is there already.
    put(&world.local("tree"), "c", "fits", 1);
    both(10);
    world.run(["put", "-rc", "tree", &world.alice("")]).code(10).said("1 unchanged");
    world.run(["mirror", "./tree", &world.alice("tree")]).code(10).said("1 unchanged");
    world.run(["put", "-rn", "tree", &world.alice("")]).code(0);
    // What was to be deleted and is kept is another matter than what failed.
    fs::remove_file(world.local("tree/c")).unwrap();
    world.run(["mirror", "./tree", "--delete", &world.alice("tree")]).code(10).said("1 kept");
    fs::remove_file(world.remote("alice", "tree/c")).unwrap();
    both(9);
    // And from the server.
    fs::create_dir_all(world.remote("alice", "shut/a\nb")).unwrap();
    let fetched = world.run(["get", "-r", &world.alice("shut"), "got"]).code;
    assert_eq!(world.run(["mirror", &world.alice("shut"), "./mirrored"]).code, fetched);
}

#[test]
fn checksum_finds_what_times_hide_and_sends_nothing_for_a_time() {
    let world = World::trusting();
    fill(&world.local("src"));
    let there = world.remote("alice", "copy");
    put(&there, "a", "ONE", 1_000);
    put(&there, "d/b", "two", 9_000);
    let push = ["--checksum", "./src", &world.alice("copy")];
    assert_eq!(counts(&world, &push, 0), [1, 1, 0, 0]);
    assert_eq!((read(there.join("a")), mtime(there.join("d/b")).0), ("one".into(), 9_000));
    // Fetching, the time is brought in line.
    assert_eq!(counts(&world, &["--checksum", &world.alice("copy"), "./src"], 0), [0, 2, 0, 0]);
    assert_eq!(mtime(world.local("src/d/b")).0, 9_000);
}

#[test]
fn what_is_excluded_is_neither_sent_nor_deleted() {
    let world = World::trusting();
    let (src, there) = (world.local("src"), world.remote("alice", "copy"));
    fill(&src);
    put(&src, "d/x.log", "x", 1);
    put(&src, "keep.log", "x", 1);
    put(&src, "cache/c", "x", 1);
    put(&there, "gone/y.log", "x", 1);
    put(&there, "gone/z", "x", 1);
    let mut args = vec!["--delete", "--include", "keep.log", "--exclude", "*.log", "--exclude", "cache/"];
    let target = world.alice("copy");
    args.extend(["./src", &target]);
    assert_eq!(counts(&world, &args, 0), [3, 0, 1, 0]);
    assert!(there.join("keep.log").exists() && there.join("gone/y.log").exists());
    assert!(!there.join("d/x.log").exists() && !there.join("cache").exists() && !there.join("gone/z").exists());
}

#[test]
fn a_file_and_a_folder_can_change_places() {
    let world = World::trusting();
    let (src, there) = (world.local("src"), world.remote("alice", "copy"));
    put(&src, "a", "file", 1);
    put(&src, "b/c", "file", 1);
    put(&there, "a/old", "x", 1);
    put(&there, "b", "x", 1);
    let target = world.alice("copy");
    // A folder with something in it is not removed unasked.
    assert_eq!(counts(&world, &["./src", &target], 10), [1, 0, 0, 1]);
    assert_eq!((read(there.join("a/old")), read(there.join("b/c"))), ("x".into(), "file".into()));
    // What was in the folder is deleted, the folder itself is replaced.
    assert_eq!(counts(&world, &["--delete", "./src", &target], 0), [1, 1, 1, 0]);
    assert_eq!(read(there.join("a")), "file");
    put(&world.local("back"), "a/old", "x", 1);
    put(&world.local("back"), "b", "x", 1);
    assert_eq!(counts(&world, &["--delete", &target, "./back"], 0), [2, 0, 1, 0]);
    assert_eq!((read(world.local("back/a")), read(world.local("back/b/c"))), ("file".into(), "file".into()));
}

#[test]
fn a_source_that_is_not_read_wholly_deletes_nothing() {
    let world = World::trusting();
    let there = world.remote("alice", "pub");
    fill(&there);
    // Deeper than a server lists, so that it says so whoever runs the test.
    let mut deep = there.clone();
    (0..70).for_each(|_| deep.push("n"));
    fs::create_dir_all(&deep).unwrap();
    put(&world.local("copy"), "old", "x", 1);
    let args = ["mirror", "--delete", &world.alice("pub"), "./copy"];
    world.run(args).code(10).said("nothing was deleted");
    assert!(world.local("copy/old").exists() && world.local("copy/a").exists());
}

#[test]
fn links_are_skipped_and_never_followed_when_removing() {
    let world = World::trusting();
    let (src, there) = (world.local("src"), world.remote("alice", "copy"));
    fill(&src);
    symlink("/etc", src.join("link")).unwrap();
    put(&there, "link", "stays", 1);
    let done = world.run(["mirror", "--delete", "./src", &world.alice("copy")]).code(0).said("skipped");
    assert!(done.stderr.contains("1 skipped") && there.join("link").exists());
    fs::remove_file(there.join("link")).unwrap();
    put(&world.local("outside"), "canary", "x", 1);
    fs::create_dir(world.local("back")).unwrap();
    symlink(world.local("outside"), world.local("back/gone")).unwrap();
    symlink(world.local("outside"), world.local("back/d")).unwrap();
    world.run(["mirror", "--delete", &world.alice("copy"), "./back"]).code(0);
    assert!(fs::symlink_metadata(world.local("back/gone")).is_err());
    assert!(fs::symlink_metadata(world.local("back/d")).unwrap().is_dir());
    assert_eq!(fs::read_dir(world.local("outside")).unwrap().count(), 1);
}

#[test]
fn wrong_usage_and_missing_sources_have_their_own_exit_codes() {
    let world = World::trusting();
    world.run(["mirror", "./a", "./b"]).code(2).said("both are local");
    world.run(["mirror", &world.alice("a"), &world.alice("b")]).code(2).said("both are on a server");
    world.run(["mirror", "./missing", &world.alice("b")]).code(3);
    world.run(["mirror", &world.alice("missing"), "./b"]).code(3);
    fs::create_dir(world.local("src")).unwrap();
    // What is not there yet, in a folder that is, is on this machine.
    world.run(["mirror", &world.alice("missing"), "src/new"]).code(3).said("missing: no such file");
    world.run(["mirror", "src/new", "./src"]).code(2).said("both are local");
    world.run(["mirror", &world.alice("missing"), "nowhere/new"]).code(2).said("both are on a server");
    world.run(["mirror", "--exclude", "[", "./src", &world.alice("b")]).code(2).said("no pattern");
    fs::write(world.local("src/a\nb"), "").unwrap();
    assert_eq!(counts(&world, &["./src", &world.alice("b")], 2), [0, 0, 0, 1]);
    fs::remove_file(world.local("src/a\nb")).unwrap();
    fs::write(world.local("src/x"), "").unwrap();
    world.run(["mirror", "./src", &world.public("b")]).code(5);
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: impl AsRef<Path>, bits: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(bits)).unwrap();
}

/// What the last line counts: files, unchanged ones, and those of which only the mode was changed.
#[track_caller]
fn modes(world: &World, args: &[&str]) -> [u64; 3] {
    let done = world.run(["mirror", "--json"].iter().chain(args)).code(0);
    let last: Value = serde_json::from_str(done.stdout().lines().last().unwrap()).unwrap();
    ["files", "unchanged", "modes"].map(|key| last[key].as_u64().unwrap())
}

#[test]
fn a_file_of_which_only_the_mode_changed_gets_the_mode_and_is_not_sent() {
    let world = World::trusting();
    let (src, there) = (world.local("src"), world.remote("alice", "m"));
    let back = world.local("back");
    fill(&src);
    ["a", "d/b"].iter().for_each(|name| set_mode(src.join(name), 0o644));
    let (push, pull) = (["./src", &world.alice("m")], [&world.alice("m"), "./back"]);
    assert_eq!(modes(&world, &push), [2, 0, 0]);
    assert_eq!(modes(&world, &pull), [2, 0, 0]);
    let inode = fs::metadata(there.join("a")).unwrap().ino();
    for (bits, want, here) in [(0o755, 0o750, 0o750), (0o644, 0o640, 0o640)] {
        set_mode(src.join("a"), bits);
        assert_eq!(modes(&world, &[&["-n"], &push[..]].concat()), [0, 1, 1]);
        assert_eq!(modes(&world, &push), [0, 1, 1], "{bits:o}");
        assert_eq!(mode(there.join("a")), want);
        assert_eq!(modes(&world, &push), [0, 2, 0], "{bits:o}");
        assert_eq!(modes(&world, &pull), [0, 1, 1], "{bits:o}");
        assert_eq!(mode(back.join("a")), here);
    }
    // Who else may read it is followed only if that is asked for.
    set_mode(src.join("a"), 0o604);
    assert_eq!(modes(&world, &push), [0, 2, 0]);
    for bits in [0o604, 0o777, 0o444] {
        set_mode(src.join("a"), bits);
        assert_eq!(modes(&world, &[&["--perms"], &push[..]].concat())[0], 0);
        assert_eq!(modes(&world, &[&["--perms"], &push[..]].concat()), [0, 2, 0]);
        assert_eq!(modes(&world, &[&["--perms"], &pull[..]].concat())[0], 0);
        assert_eq!(modes(&world, &[&["--perms"], &pull[..]].concat()), [0, 2, 0]);
        assert_eq!((mode(there.join("a")), mode(back.join("a"))), (bits, bits));
    }
    assert_eq!(fs::metadata(there.join("a")).unwrap().ino(), inode, "it was not replaced");
    // One that is new or has other content comes with its mode.
    put(&src, "a", "another", 4_000);
    set_mode(src.join("a"), 0o666);
    assert_eq!(modes(&world, &[&["--perms"], &push[..]].concat()), [1, 1, 0]);
    assert_eq!(mode(there.join("a")), 0o666);
}

#[test]
fn a_mirror_whose_modes_the_server_bounds_comes_to_rest() {
    let world = World::with(|server| server.args(["--max-mode", "750"])).trusted();
    put(&world.local("src"), "a", "one", 1_000);
    set_mode(world.local("src/a"), 0o777);
    let args = ["--perms", "./src", &world.alice("m")];
    assert_eq!(modes(&world, &args), [1, 0, 0]);
    assert_eq!(modes(&world, &args), [0, 1, 0]);
    set_mode(world.local("src/a"), 0o666);
    assert_eq!(modes(&world, &args), [0, 0, 1]);
    assert_eq!(modes(&world, &args), [0, 1, 0]);
    assert_eq!(mode(world.remote("alice", "m/a")), 0o640);
}
