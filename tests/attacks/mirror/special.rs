//! Devices, pipes and sockets at a destination: whatever a source names, nothing takes their place.

use std::os::unix::fs::FileTypeExt as _;

use rustix::fs::{CWD, Mode, mkfifoat};

use super::*;
use crate::common::program::World;

fn pipe(root: &std::path::Path, name: &str) {
    fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
    mkfifoat(CWD, root.join(name), Mode::RUSR | Mode::WUSR).unwrap();
}

/// Something to be fetched or sent, each name of which meets something else at the destination.
fn fill_source(from: &std::path::Path) {
    put(from, "small", "small", 1);
    put(from, "large", &"x".repeat(2 << 20), 1);
    put(from, "d/f", "x", 1);
    put(from, "e", "x", 1);
    put(from, "f", "x", 1);
}

/// Pipes of the same names, one of a folder's, and one in a folder that is in the way of a file.
fn fill_destination(to: &std::path::Path) {
    ["small", "large", "d", "e/pipe"].iter().for_each(|name| pipe(to, name));
    put(to, "only here", "x", 1);
}

#[track_caller]
fn all_pipes_are_there(to: &std::path::Path) {
    for name in ["small", "large", "d", "e/pipe"] {
        let kind = fs::symlink_metadata(to.join(name)).unwrap().file_type();
        assert!(kind.is_fifo(), "{name}");
    }
    assert_eq!(names(to), ["d", "e", "e/pipe", "f", "large", "only here", "small"]);
}

#[test]
fn names_from_a_server_replace_no_pipe_and_the_rest_comes() {
    let world = World::trusting();
    fill_source(&world.remote("alice", "m"));
    let said = "a device or pipe has this name";
    fill_destination(&world.local("got/m"));
    let done = world.run(["get", "-r", &world.alice("m"), "got/"]).code(10);
    assert_eq!(done.stderr.matches(said).count(), 2, "{}", done.stderr);
    all_pipes_are_there(&world.local("got/m"));

    fill_destination(&world.local("mirrored"));
    for delete in [&["--delete"][..], &[]] {
        let server = world.alice("m");
        let done = world.run([&["mirror"], delete, &[&server, "./mirrored"]].concat()).code(10);
        assert_eq!(done.stderr.matches(said).count(), 3, "{}", done.stderr);
        assert!(done.stderr.contains("e: something that may not be removed is in its place"), "{}", done.stderr);
        all_pipes_are_there(&world.local("mirrored"));
    }
}

#[test]
fn a_mirror_to_a_server_replaces_no_pipe_either_and_removes_one_only_if_the_source_has_nothing_of_its_name() {
    let world = World::trusting();
    let there = world.remote("alice", "m");
    fill_source(&world.local("src"));
    fill_destination(&there);
    world.run(["mirror", "--delete", "./src", &world.alice("m")]).code(10).said("a device or pipe has this name");
    all_pipes_are_there(&there);

    for name in ["small", "large", "e"] {
        fs::remove_file(world.local("src").join(name)).unwrap();
    }
    fs::remove_dir_all(world.local("src/d")).unwrap();
    world.run(["mirror", "--delete", "./src", &world.alice("m")]).code(0);
    assert_eq!(names(&there), ["f"]);
    fill_destination(&world.local("src"));
    fs::remove_file(world.local("src/only here")).unwrap();
    world.run(["mirror", "--delete", &world.alice("m"), "./src"]).code(0);
    assert_eq!(names(&world.local("src")), ["f"]);
}
