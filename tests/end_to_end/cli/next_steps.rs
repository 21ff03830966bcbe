//! What can be done about an error, where the obvious thing does not help.

use std::fs;

use crate::common::program::{World, finish, names};
use crate::common::{end_of, eventually};

/// What `sealiftd` says to this, and whether it did it.
fn sealiftd(world: &World, args: &[&str]) -> (bool, String) {
    let output = end_of(world.server.command(args), "");
    (output.status.success(), crate::common::text(&output.stderr))
}

#[test]
fn a_folder_that_was_taken_away_is_left_by_what_the_shell_says() {
    let world = World::trusting();
    fs::create_dir_all(world.remote("alice", "a/b")).unwrap();
    let gone = world.remote("alice", "a");
    let script = format!("cd a/b\n!rm -r {}\nls\ncd /\nls\n", gone.display());
    let done = world.run_with(["shell", &world.alice("")], script.as_bytes()).code(10);
    done.said("is gone, or not open to you any more: `cd /` leads out of it");
}

#[test]
fn a_copy_from_one_server_to_another_is_refused_before_anything_comes_and_the_way_is_said() {
    let world = World::trusting();
    fs::write(world.remote("alice", "x.tar"), "x").unwrap();
    world.run(["bookmark", "add", "here", &world.alice("")]).code(0);
    world.run(["bookmark", "add", "there", "bob@files.example"]).code(0);
    for (to, way) in [
        ("there:", "`sealift get here:x.tar - | sealift put - there:x.tar` copies"),
        ("there:old/", "`sealift get here:x.tar - | sealift put - there:old/x.tar` copies"),
        ("there:x.tar", "`sealift get here:x.tar - | sealift put - there:x.tar` copies"),
        ("sealift://bob@files.example", "| sealift put - sealift://bob@files.example/x.tar` copies"),
    ] {
        world.run(["get", "here:x.tar", to]).code(2).said("on another server").said(way);
    }
    world.run(["get", "-r", "here:x.tar", "here:d", "there:"]).code(2).said("write . behind it");
    assert!(!world.local("x.tar").exists());
    // What is of the same server is fetched from there.
    world.run(["get", "here:x.tar", "here:"]).code(10).said("Add -r");
    assert_eq!(names(&world.local("")).iter().filter(|name| *name == "x.tar").count(), 1);
}

#[test]
fn whoever_is_kept_out_and_has_a_key_is_sent_to_the_administrator() {
    let world = World::trusting();
    world.run(["login", &world.alice("")]).code(0);
    let (is_done, said) = sealiftd(&world, &["user", "set", "alice", "--enabled", "no"]);
    assert!(is_done, "{said}");
    eventually("it counts", || world.run(["ls", &world.alice("")]).code == Some(4));
    finish(world.command(["ls", &world.alice("")]), b"")
        .code(4)
        .said("ask the administrator: the user may be disabled");
    world.run(["ls", &world.alice("")]).code(4).said("ask the administrator: a user may be disabled");
}

#[test]
fn words_of_the_server_s_commands_are_answered_with_what_works() {
    let world = World::new();
    let (_, said) = sealiftd(&world, &["share"]);
    assert!(said.contains("folder add NAME --path DIR --access"), "{said}");
    let (_, said) = sealiftd(&world, &["folder", "add", "x", "--access", "@sales=read,upload"]);
    assert!(said.contains("Write list,download,upload"), "{said}");
    world.run(["--retry", "5s", "ls", &world.alice("")]).code(2).said("counts attempts, as in --retry 5");
}
