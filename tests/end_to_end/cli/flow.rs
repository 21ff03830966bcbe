//! What holds for all that moves files: a rate that is not exceeded, and the checksums of what was moved.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use super::gate::{Gate, Held};
use crate::common::program::{PASSWORD, World, finish};

const MIB: usize = 1 << 20;

/// Runs it, which must take as long as so many bytes take at 4 MiB a second, less what buffers may hold. (It may take any
/// longer.)
#[track_caller]
fn takes(world: &World, words: &[&str], bytes: usize) {
    let begun = Instant::now();
    world.run(words).code(0).said("verified");
    let least = Duration::from_secs_f64((bytes - MIB) as f64 / (4 * MIB) as f64);
    assert!(begun.elapsed() >= least, "{words:?}: {:?} for {bytes} bytes", begun.elapsed());
}

#[test]
fn a_rate_bounds_what_moves_both_ways_in_large_files_and_in_small_ones() {
    let world = World::trusting();
    let limit = ["--limit-rate", "4M"];
    fs::write(world.local("large"), vec![7; 8 * MIB]).unwrap();
    fs::create_dir(world.local("small")).unwrap();
    for n in 0..200 {
        fs::write(world.local("small").join(n.to_string()), vec![7; 32 * 1024]).unwrap();
    }
    let run = |verb: &str, rest: &[&str], bytes| takes(&world, &[&[verb], &limit[..], rest].concat(), bytes);
    run("put", &["large", &world.alice("large")], 8 * MIB);
    run("get", &[&world.alice("large"), "back"], 8 * MIB);
    run("put", &["-r", "small", &world.alice("small")], 200 * 32 * 1024);
    run("mirror", &[&world.alice("small"), "./mirrored"], 200 * 32 * 1024);
    assert!(fs::read(world.local("back")).unwrap() == fs::read(world.local("large")).unwrap());
    let begun = Instant::now();
    let done = world.run(["cat", "--limit-rate", "4M", &world.alice("large")]).code(0);
    assert_eq!(done.stdout.len(), 8 * MIB);
    assert!(begun.elapsed() >= Duration::from_millis(1700), "{:?}", begun.elapsed());
}

#[test]
fn all_connections_of_a_command_share_the_rate() {
    let world = World::trusting();
    fs::write(world.local("large"), vec![7; 64 * MIB]).unwrap();
    let gate = Gate::start(&world, Held::ToServer, u64::MAX);
    let to = format!("alice@{}/large", gate.address);
    let begun = Instant::now();
    let done = world.run(["-v", "put", "--streams", "4", "--limit-rate", "32M", "large", &to]).code(0);
    done.said("4 of 4 connections").said("verified");
    assert!(gate.passed() > 64 * MIB as u64);
    assert!(begun.elapsed() >= Duration::from_millis(1900), "{:?}", begun.elapsed());
}

#[test]
fn a_rate_that_no_server_bears_is_refused_with_the_least_that_works() {
    let world = World::trusting();
    fs::write(world.local("f"), "f").unwrap();
    let there = world.alice("f");
    world.run(["put", "--limit-rate", "8K", "f", &there]).code(2).said("too low: it takes 16 KiB");
    let many = ["put", "--streams", "4", "--limit-rate", "32K", "f", &there];
    world.run(many).code(2).said("too low for 4 connections: it takes 64 KiB");
    world.run(["put", "--limit-rate", "fast", "f", &there]).code(2).said("is not a rate: write it like 5M or 500K");
    for (rate, said) in [
        ("fast", "`sealift put --help` says what it takes"),
        ("100", "`100` has no unit: write it like 5M or 500K"),
        ("0", "without the option nothing is held back"),
    ] {
        world.run(["put", "--limit-rate", rate, "f", &there]).code(2).said(said);
    }
    world.run(["put", "-r", "--max-age", "long", ".", &there]).code(2).said("`long` is not a time; write it like 90d");
    assert!(!world.remote("alice", "f").exists());
    world.run(["put", "--limit-rate", "16K", "f", &there]).code(0);
    world.run(["put", "--limit-rate", "1.5M", "f", &there]).code(0);
}

#[test]
fn checksums_of_what_was_moved_are_those_that_b3sum_finds() {
    let world = World::trusting();
    let src = world.local("src");
    fs::create_dir_all(src.join("deep")).unwrap();
    for (name, bytes) in [("a b", "one"), ("deep/back\\slash", "two"), ("ü", "three"), ("empty", "")] {
        fs::write(src.join(name), bytes).unwrap();
    }
    let check = |file: &str, lines: usize| {
        let written = fs::read_to_string(world.local(file)).unwrap();
        assert_eq!(written.lines().count(), lines, "{written}");
        let mut command = Command::new("b3sum");
        command.args(["--check", file]).current_dir(world.work.path());
        let done = finish(command, b"").code(0);
        assert_eq!(done.stdout().lines().filter(|line| line.ends_with(": OK")).count(), lines, "{done:?}");
    };
    world.run(["put", "-r", "--checksum-file", "put.b3", "src", &world.alice("there")]).code(0);
    check("put.b3", 4);
    world.run(["get", "-r", "--checksum-file", "get.b3", &world.alice("there"), "copy"]).code(0);
    check("get.b3", 4);
    world.run(["get", "--checksum-file", "one.b3", &world.alice("there/a b")]).code(0);
    check("one.b3", 1);
    // What was the same already has not been read.
    fs::write(world.remote("alice", "there/deep/new"), "new").unwrap();
    world.run(["mirror", "--checksum-file", "mirror.b3", &world.alice("there"), "./copy"]).code(0);
    check("mirror.b3", 1);
    // A file that fails is not in it, and a file that cannot be written is found out before anything moves.
    let missing = world.alice("missing");
    world.run(["get", "--checksum-file", "part.b3", &world.alice("there/empty"), &missing, "copy/"]).code(10);
    check("part.b3", 1);
    world.run(["get", "--checksum-file", "no/such.b3", &world.alice("there/a b"), "unfetched"]).code(3);
    assert!(!world.local("unfetched").exists());
    let names: Vec<_> = fs::read_dir(world.work.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains(".next")), "{names:?}");
}

#[test]
fn a_name_that_b3sum_does_not_read_is_told_and_left_out() {
    use std::os::unix::ffi::OsStrExt as _;
    let world = World::trusting();
    fs::create_dir(world.local("src")).unwrap();
    fs::write(world.local("src").join(std::ffi::OsStr::from_bytes(b"odd\xff")), "x").unwrap();
    let mut command = world.command(["put", "-r", "--checksum-file", "sums", "src", &world.alice("")]);
    command.env("SEALIFT_PASSWORD", PASSWORD);
    finish(command, b"").code(0).said("src/odd\\xff is not in the checksum file");
    assert_eq!(fs::read(world.local("sums")).unwrap(), b"");
}

/// The files below a folder, by their paths.
fn below(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn get_and_put_take_of_a_tree_what_a_mirror_takes() {
    let world = World::trusting();
    let src = world.local("src");
    fs::create_dir_all(src.join("cache/deep")).unwrap();
    fs::create_dir_all(src.join("docs")).unwrap();
    for name in ["a.txt", "a.tmp", "keep.tmp", "cache/x", "cache/deep/y", "docs/b.txt", "docs/b.tmp"] {
        fs::write(src.join(name), "12345").unwrap();
    }
    fs::write(src.join("docs/large.txt"), vec![7; 5000]).unwrap();
    let old = fs::File::options().write(true).open(src.join("a.txt")).unwrap();
    old.set_modified(std::time::SystemTime::now() - Duration::from_secs(10 * 86_400)).unwrap();
    fs::write(world.local("patterns"), "# a comment\n\n*.tmp\ncache/\n").unwrap();
    let all = ["a.tmp", "a.txt", "cache/deep/y", "cache/x", "docs/b.tmp", "docs/b.txt", "docs/large.txt", "keep.tmp"];
    let cases: [(&[&str], &[&str]); 9] = [
        (&[], &all),
        (&["--exclude", "*.tmp", "--exclude", "cache/"], &["a.txt", "docs/b.txt", "docs/large.txt"]),
        (&["--exclude-from", "patterns"], &["a.txt", "docs/b.txt", "docs/large.txt"]),
        (
            &["--include", "keep.*", "--exclude-from", "patterns"],
            &["a.txt", "docs/b.txt", "docs/large.txt", "keep.tmp"],
        ),
        (&["--exclude", "/docs/*.txt", "--exclude", "cache"], &["a.tmp", "a.txt", "docs/b.tmp", "keep.tmp"]),
        (&["--min-size", "1K"], &["docs/large.txt"]),
        (&["--max-size", "1K", "--exclude", "*.tmp", "--exclude", "cache"], &["a.txt", "docs/b.txt"]),
        (&["--min-age", "5d"], &["a.txt"]),
        (
            &["--max-age", "5d", "--include", "*.txt", "--include", "*/", "--exclude", "*"],
            &["docs/b.txt", "docs/large.txt"],
        ),
    ];
    world.run(["mirror", "./src", &world.alice("whole")]).code(0);
    for (n, (options, expected)) in cases.into_iter().enumerate() {
        let there = |way: &str| format!("{way}{n}");
        world.run([&["put", "-r"][..], options, &["src", &world.alice(&there("put"))]].concat()).code(0);
        assert_eq!(below(&world.remote("alice", there("put"))), expected, "put {options:?}");
        world.run([&["mirror"][..], options, &["./src", &world.alice(&there("mirror"))]].concat()).code(0);
        assert_eq!(below(&world.remote("alice", there("mirror"))), expected, "mirror {options:?}");
        world.run([&["get", "-r"][..], options, &[&world.alice("whole"), &there("get")]].concat()).code(0);
        assert_eq!(below(&world.local(there("get"))), expected, "get {options:?}");
    }
    let wrong = ["put", "-r", "--exclude", "[", "src", &world.alice("no")];
    world.run(wrong).code(2).said("`[` is no pattern");
    world.run(["put", "-r", "--max-size", "large", "src", &world.alice("no")]).code(2).said("is not a size");
}

#[test]
fn what_bounds_leave_out_is_not_deleted_by_a_mirror() {
    let world = World::trusting();
    let (src, there) = (world.local("src"), world.remote("alice", "there"));
    fs::create_dir(&src).unwrap();
    fs::create_dir(&there).unwrap();
    fs::write(src.join("small"), "new").unwrap();
    fs::write(src.join("large"), vec![7; 5000]).unwrap();
    fs::write(there.join("gone small"), "x").unwrap();
    fs::write(there.join("gone large"), vec![7; 5000]).unwrap();
    fs::write(there.join("small"), vec![7; 5000]).unwrap();
    fs::write(there.join("large"), "not to be touched").unwrap();
    world.run(["mirror", "--delete", "--max-size", "1K", "./src", &world.alice("there")]).code(0).said("1 deleted");
    assert_eq!(below(&there), ["gone large", "large", "small"]);
    assert_eq!(fs::read(there.join("small")).unwrap(), b"new");
    assert_eq!(fs::read(there.join("large")).unwrap(), b"not to be touched");
}

#[test]
fn links_in_a_tree_are_skipped_or_followed_and_never_round_in_circles() {
    use std::os::unix::fs::symlink;
    let world = World::trusting();
    let src = world.local("src");
    fs::create_dir_all(src.join("d")).unwrap();
    fs::create_dir(world.local("elsewhere")).unwrap();
    fs::write(src.join("d/file"), "file").unwrap();
    fs::write(world.local("elsewhere/other"), "other").unwrap();
    symlink("d/file", src.join("to file")).unwrap();
    symlink("../elsewhere", src.join("to folder")).unwrap();
    symlink("..", src.join("d/loop")).unwrap();
    let there = world.alice("there");
    world.run(["put", "-r", "src", &there]).code(0).said("3 skipped (links)");
    assert_eq!(below(&world.remote("alice", "there")), ["d/file"]);
    let followed = world.alice("followed");
    let done = world.run(["put", "-r", "--links", "follow", "src", &followed]).code(0);
    done.said("skipped src/d/loop: a link to a folder that it is in").said("1 skipped (endless link)");
    assert_eq!(below(&world.remote("alice", "followed")), ["d/file", "to file", "to folder/other"]);
    symlink("nowhere", src.join("broken")).unwrap();
    world.run(["put", "-r", "--links", "follow", "src", &there]).code(10).said("src/broken: no such file");
}

/// The last line of what it says.
#[track_caller]
fn summary(world: &World, words: &[&str], code: i32) -> String {
    world.run(words).code(code).stderr.lines().last().unwrap().to_owned()
}

#[test]
fn a_dry_run_says_what_would_be_moved_and_changes_nothing() {
    let world = World::trusting();
    let src = world.local("src");
    fs::create_dir_all(src.join("d")).unwrap();
    for (name, bytes) in [("a", "12345"), ("d/b", "123"), ("d/c.tmp", "1")] {
        fs::write(src.join(name), bytes).unwrap();
    }
    let put = world.run(["put", "-rn", "--exclude", "*.tmp", "src", &world.alice("new/")]).code(0);
    let mut lines: Vec<&str> = put.stdout().lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["put src/a -> new/src/a", "put src/d/b -> new/src/d/b"]);
    put.said("Would be: 2 files, 8 B");
    assert!(!world.remote("alice", "new").exists());
    world.run(["put", "-r", "src", &world.alice("there")]).code(0);
    let there = world.alice("there");
    for (to, planned) in [("not/yet/", "not/yet/there/d/b"), ("copy", "copy/d/b")] {
        let get = world.run(["get", "-r", "--dry-run", &there, to]).code(0).said("Would be: 3 files, 9 B");
        let line = format!("get there/d/b -> {planned}");
        assert!(get.stdout().lines().any(|planned| planned == line), "{get:?}");
        assert!(!world.local("not").exists() && !world.local("copy").exists());
    }
    // One by one, and what cannot be done is said as it would be.
    let (a, none) = (world.alice("there/a"), world.alice("there/none"));
    let mixed = world.run(["get", "-n", &a, &none, "."]).code(10).said("there/none: no such file");
    assert_eq!(mixed.said("Would be: 1 file, 5 B").stdout(), "get there/a -> a\n");
    assert!(!world.local("a").exists());
    let taken = ["put", "-n", "--if-exists", "fail", "src/a", &world.alice("there/a")];
    world.run(taken).code(11).said("already exists");
    let skipped = ["put", "-rn", "--if-exists", "skip", "src/d", &world.alice("there/")];
    assert_eq!(summary(&world, &skipped, 0), "Would be: 0 files, 0 B; 2 skipped (there already)");
    world.run(["get", "-n", &a, "-"]).code(2).said("--dry-run cannot be used");
}

#[test]
fn with_update_only_what_is_newer_moves() {
    let world = World::trusting();
    let src = world.local("src");
    fs::create_dir_all(src.join("d")).unwrap();
    let now = std::time::SystemTime::now();
    let write = |path: &std::path::Path, bytes: &str, age: u64| {
        fs::write(path, bytes).unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(now - Duration::from_secs(age)).unwrap();
    };
    for name in ["same", "older", "newer", "d/new"] {
        write(&src.join(name), "one", 1000);
    }
    let there = world.alice("there");
    world.run(["put", "-r", "--update", "src/.", &world.alice("there/")]).code(0).said("4 files");
    write(&src.join("older"), "old", 2000);
    write(&src.join("newer"), "new", 500);
    let said = summary(&world, &["put", "-r", "--update", "src/.", &there], 0);
    assert!(said.starts_with("1 file, ") && said.ends_with("; 3 unchanged"), "{said}");
    let read = |name: &str| fs::read_to_string(world.remote("alice", "there").join(name)).unwrap();
    assert_eq!((read("older"), read("newer")), ("one".into(), "new".into()));
    // The other way, in a tree and by name.
    let copy = world.local("copy");
    world.run(["get", "-r", "--update", &there, "copy"]).code(0).said("4 files");
    write(&world.remote("alice", "there/newer"), "newest", 100);
    write(&world.remote("alice", "there/older"), "oldest", 9000);
    let (newer, older) = (world.alice("there/newer"), world.alice("there/older"));
    let said = summary(&world, &["get", "--update", "-n", &newer, &older, "copy/"], 0);
    assert_eq!(said, "Would be: 1 file, 6 B; 1 unchanged");
    let said = summary(&world, &["get", "--update", &newer, &older, "copy/"], 0);
    assert!(said.starts_with("1 file, 6 B in ") && said.ends_with("; 1 unchanged"), "{said}");
    assert_eq!(fs::read_to_string(copy.join("newer")).unwrap(), "newest");
    assert_eq!(fs::read_to_string(copy.join("older")).unwrap(), "one");
    let said = summary(&world, &["put", "--update", "src/same", &world.alice("there/same")], 0);
    assert!(said.starts_with("0 files") && said.ends_with("; 1 unchanged"), "{said}");
}
