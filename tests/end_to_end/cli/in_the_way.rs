//! What is in the place of what comes, and is of another type.

use std::fs;

use crate::common::program::World;

/// Whatever the times are, a folder is no newer version of a file.
#[test]
fn update_does_not_take_a_folder_for_the_file() {
    let world = World::trusting();
    fs::write(world.remote("alice", "a"), "far").unwrap();
    fs::write(world.local("b"), "near").unwrap();
    // Both are made last, so both are newer.
    fs::create_dir(world.local("a")).unwrap();
    fs::create_dir(world.remote("alice", "b")).unwrap();
    let (there, below) = (world.alice("a"), world.alice(""));
    for words in [&["get", "--update", &there, "."][..], &["get", "-n", &there, "."], &["get", &there, "."]] {
        let done = world.run(words).code(1).said("a: is a folder").said("A folder on this machine has that name");
        assert_eq!(done.stdout(), "", "{words:?}");
    }
    for words in [&["put", "--update", "b", &below][..], &["put", "-n", "b", &below], &["put", "b", &below]] {
        let done = world.run(words).code(1).said("b: is a folder").said("A folder on the server has that name");
        assert_eq!(done.stdout(), "", "{words:?}");
    }
    // In a tree it is one failure among others.
    fs::create_dir_all(world.remote("alice", "tree/x")).unwrap();
    fs::create_dir_all(world.local("tree")).unwrap();
    fs::write(world.local("tree/x"), "file").unwrap();
    world.run(["put", "-r", "--update", "tree", &below]).code(1).said("x: is a folder");
    world.run(["get", "--if-exists", "skip", &there, "."]).code(0).said("1 skipped (there already)");
}

/// So long that its bytes are not read for nothing: the connection is ended instead.
#[test]
fn a_long_file_that_has_no_place_here_keeps_no_other_from_coming() {
    let world = World::trusting();
    fs::create_dir_all(world.remote("alice", "tree/sub")).unwrap();
    fs::create_dir_all(world.remote("alice", "tree/zz")).unwrap();
    fs::File::create(world.remote("alice", "tree/sub/long")).unwrap().set_len(300_000_000).unwrap();
    for name in ["tree/a", "tree/m", "tree/zz/f"] {
        fs::write(world.remote("alice", name), name).unwrap();
    }
    fs::create_dir_all(world.local("got/tree")).unwrap();
    fs::write(world.local("got/tree/sub"), "no folder").unwrap();
    let tree = world.alice("tree");
    for retry in ["0", "3"] {
        for more in [&[][..], &["--transfers", "3"]] {
            let done = world.run([&["get", "--retry", retry, "-r"], more, &[&tree, "got"]].concat()).code(10);
            let done = done.said("tree/sub/long: ").said("3 files");
            assert_eq!(done.stderr.matches("tree/sub/long: ").count(), 1, "{done:?}");
            assert!(!done.stderr.contains("again in") && !done.stderr.contains("given up"), "{done:?}");
        }
    }
    assert_eq!(fs::read(world.local("got/tree/zz/f")).unwrap(), b"tree/zz/f");
}

#[test]
fn a_folder_in_the_place_of_a_long_file_is_told_before_its_bytes_come() {
    let world = World::trusting();
    fs::File::create(world.remote("alice", "long")).unwrap().set_len(300_000_000).unwrap();
    for name in ["a", "z"] {
        fs::write(world.remote("alice", name), name).unwrap();
    }
    fs::create_dir_all(world.local("named/long")).unwrap();
    let (a, long, z) = (world.alice("a"), world.alice("long"), world.alice("z"));
    let done = world.run(["get", &a, &long, &z, "named"]).code(10).said("long: is a folder").said("2 files");
    assert_eq!(done.stderr.matches("is a folder").count(), 1, "{done:?}");
    assert_eq!(fs::read(world.local("named/z")).unwrap(), b"z");
    // Nothing of it was asked for.
    assert!(!world.server.log().contains("path=\"long\""), "{}", world.server.log());
    world.run(["get", &long, "named"]).code(1).said("0 files, 0 B").said("1 failed");
}

/// The same in trees that are mirrored, and nothing is deleted: what fits comes over another connection, and nothing is told twice.
#[test]
fn a_mirror_goes_on_with_what_fits_and_deletes_nothing() {
    let world = World::trusting();
    let remote = |name: &str| world.remote("alice", "tree").join(name);
    fs::create_dir_all(remote("zz")).unwrap();
    for name in ["b", "y"] {
        fs::File::create(remote(name)).unwrap().set_len(300_000_000).unwrap();
    }
    for name in ["a", "c", "zz/f"] {
        fs::write(remote(name), name).unwrap();
    }
    std::os::unix::fs::symlink("zz", remote("link")).unwrap();
    // Nothing here may be longer than 2 MB.
    let script = r#"trap "" XFSZ; ulimit -f 2000; exec "$@""#;
    let narrow = ["sh", "-c", script, "sh"];
    let tree = world.alice("tree");
    for (n, more) in [&["--retry", "0"][..], &["--retry", "3"], &["--transfers", "3"]].into_iter().enumerate() {
        let here = format!("./got{n}");
        let extra = world.local(&here).join("extra");
        fs::create_dir_all(extra.parent().unwrap()).unwrap();
        fs::write(&extra, "only here").unwrap();
        let done = world.run_through(&narrow, [&["mirror", "--delete"], more, &[&tree, &here]].concat()).code(10);
        let done = done.said("3 files").said("; 1 skipped (link); 2 failed").said("nothing was deleted");
        let told = |name: &str| format!("sealift: {here}/{name}: larger than a file can be on this disk\n");
        for once in [told("b"), told("y"), "skipped tree/link".to_owned()] {
            assert_eq!(done.stderr.matches(&once).count(), 1, "{once}: {done:?}");
        }
        assert!(!done.stderr.contains("again in"), "{done:?}");
        assert_eq!(fs::read(world.local(&here).join("zz/f")).unwrap(), b"zz/f");
        assert!(extra.exists(), "{done:?}");
        // What came is the same by now.
        let again = [&["mirror", "--json"], more, &[&tree, &here]].concat();
        let done = world.run_through(&narrow, again).code(10);
        let last: serde_json::Value = serde_json::from_str(done.stdout().lines().last().unwrap()).unwrap();
        let figures = ["files", "unchanged", "failed", "skipped"].map(|key| last[key].as_u64().unwrap());
        assert_eq!(figures, [0, 3, 2, 1], "{last}");
    }
}

#[test]
fn a_mirror_says_that_a_folder_stays_because_nothing_is_to_be_deleted() {
    let world = World::trusting();
    fs::create_dir_all(world.remote("alice", "m/x")).unwrap();
    fs::write(world.remote("alice", "m/x/data"), "precious").unwrap();
    fs::create_dir(world.local("src")).unwrap();
    fs::write(world.local("src/x"), "file").unwrap();
    let onto = world.alice("m");
    for words in [&["mirror", "./src", &onto][..], &["mirror", "-n", "./src", &onto]] {
        world.run(words).code(11).said("m/x: something that may not be removed").said("--delete is not given");
    }
    assert_eq!(fs::read(world.remote("alice", "m/x/data")).unwrap(), b"precious");
    world.run(["mirror", "--delete", "./src", &onto]).code(0);
    assert_eq!(fs::read(world.remote("alice", "m/x")).unwrap(), b"file");
}

#[test]
fn a_file_makes_no_room_for_what_a_link_leads_to() {
    let world = World::trusting();
    fs::create_dir(world.remote("alice", "photos")).unwrap();
    fs::write(world.remote("alice", "photos/boat"), "a boat").unwrap();
    fs::write(world.remote("alice", "one"), "one").unwrap();
    let link = |path: &str| world.run(["link", &world.alice(path)]).code(0).stdout().trim_end().to_owned();
    let (folder, file) = (link("photos"), link("one"));
    fs::write(world.local("photos"), "mine").unwrap();
    world.run(["get", &folder]).code(11).said("is here already");
    world.run(["get", "--if-exists", "fail", &folder]).code(11).said("photos: is here already");
    for answer in ["--if-exists=skip", "--if-exists=overwrite", "-c", "--update"] {
        let done = world.run(["get", answer, &folder]).code(1).said("photos: not a folder").said("NEW-NAME");
        assert!(!done.stderr.contains("./photos"), "{done:?}");
    }
    world.run(["get", "-T", &folder, "photos"]).code(1).said("sealift: photos: not a folder");
    assert_eq!(fs::read_to_string(world.local("photos")).unwrap(), "mine");
    // A folder that is here already takes what comes as every other `get -r` has it.
    fs::create_dir_all(world.local("into/photos")).unwrap();
    fs::write(world.local("into/photos/boat"), "my boat").unwrap();
    world.run(["get", &folder, "into"]).code(11).said("into/photos: is here already");
    world.run(["get", "--if-exists", "fail", &folder, "into"]).code(11).said("boat: already exists");
    world.run(["get", "--if-exists", "skip", &folder, "into"]).code(0).said("1 skipped (there already)");
    assert_eq!(fs::read_to_string(world.local("into/photos/boat")).unwrap(), "my boat");
    world.run(["get", "--if-exists", "overwrite", &folder, "into"]).code(0);
    assert_eq!(fs::read_to_string(world.local("into/photos/boat")).unwrap(), "a boat");
    fs::create_dir(world.local("one")).unwrap();
    world.run(["get", "--update", &file]).code(1).said("one: is a folder");
    // What is to get a name needs one.
    for words in [&["get", "-T", &file][..], &["get", "-rT", &world.alice("photos"), "."]] {
        world.run(words).code(2).said("-T takes the last name").said("Write the name that it gets");
    }
}
