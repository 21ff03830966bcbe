//! What is not there: which part of a name it is, on which side, and what to do.

use std::fs;

use crate::common::program::World;

#[test]
fn a_missing_folder_is_named_with_its_side_and_what_makes_it() {
    let world = World::trusting();
    fs::write(world.local("f"), "f").unwrap();
    fs::write(world.remote("alice", "f"), "f").unwrap();
    let alice = |path: &str| world.alice(path);
    let make = format!("hint: `sealift mkdir -p {}` makes it", alice("no/such"));
    let done = world.run(["put", "f", &alice("no/such/f")]).code(3);
    assert_eq!(
        done.stderr.lines().next().unwrap().split(" (server's pid").next(),
        Some("sealift: no/such: no such folder on the server")
    );
    done.said(&make);
    world
        .run(["put", "--streams", "2", "f", &alice("no/such/f")])
        .code(3)
        .said("no/such: no such folder on the server");
    world.run(["put", "f", "f", &alice("no/such")]).code(3).said("no such folder on the server").said("slash");
    world
        .run(["get", &alice("f"), "no/such/f"])
        .code(3)
        .said("no/such: no such folder on this machine")
        .said("no/such/f/");
    world.run(["get", &alice("f"), "/nonexist/x"]).code(3).said("/nonexist: no such folder on this machine");
    world.run(["mkdir", &alice("no/such")]).code(3).said("no: no such folder on the server").said("Add -p");
    world.run(["mv", &alice("f"), &alice("no/such/f")]).code(3).said("no/such: no such folder on the server");
    world.run(["cp", &alice("f"), &alice("no/such/f")]).code(3).said("no/such: no such folder on the server");
    world.run(["mv", &alice("none"), &alice("no/such/f")]).code(3).said("none: no such file");
    let done = world.run(["--json", "put", "f", &alice("no/such/f")]).code(3);
    assert!(done.stderr.contains(r#""side":"server","path":"no/such""#), "{done:?}");
    let script = "put f no/such/f\nmv f no/such/f\n!ls\n";
    let done =
        world.run_with(["shell", &alice("")], script.as_bytes()).code(10).said("hint: `mkdir -p /no/such` makes it");
    assert!(!done.stderr.contains("`sealift "), "{}", done.stderr);
}

#[test]
fn places_that_only_look_like_ones_are_refused() {
    let world = World::trusting();
    fs::create_dir(world.local("A")).unwrap();
    fs::write(world.remote("alice", "f"), "f").unwrap();
    fs::write(world.remote("alice", "g"), "g").unwrap();
    let alice = |path: &str| world.alice(path);
    world.run(["get", &alice("f"), "work:"]).code(2).said("work: looks like a place on a server").said("./work:");
    world.run(["get", &alice("f"), "other:x/"]).code(2);
    assert_eq!(fs::read_dir(world.work.path()).unwrap().count(), 1);
    world.run(["get", &alice("f"), "./work:"]).code(0);
    world.run(["get", &alice("f"), &alice("g")]).code(3).said("The last name is the local destination");
    world
        .run(["put", "work:", "work:"])
        .code(2)
        .said("no server is called work: here")
        .said("sealift bookmark add work");
    world.run(["ls", "http://h/x"]).code(2).said("http:// is another protocol; here it is h/x");
    world.run(["ls", "files.example:"]).code(2).said("after the colon comes a port");
    world.run(["copy", "A", "work:"]).code(2).said("A is on this machine").said("sealift put");
    world.run(["cp", "-r", "A", &alice("")]).code(2).said("A is on this machine").said("sealift put");
    world.run(["mv", &alice("f"), "."]).code(2).said(". is on this machine").said("sealift get");
    world.run(["mv", &alice("f"), &alice("g")]).code(11).said("sealift: g: already exists").said("--force");
}

#[test]
fn a_folder_gets_a_new_name_that_ends_with_a_slash_as_cp_and_mv_read_it_and_a_file_does_not() {
    let world = World::trusting();
    fs::create_dir_all(world.remote("alice", "A/s")).unwrap();
    fs::write(world.remote("alice", "A/s/f"), "f").unwrap();
    let alice = |path: &str| world.alice(path);
    world.run(["cp", "-r", &alice("A"), &alice("new/")]).code(0);
    assert!(world.remote("alice", "new/s/f").exists());
    world.run(["mv", &alice("A"), &alice("moved/")]).code(0);
    assert!(world.remote("alice", "moved/s/f").exists() && !world.remote("alice", "A").exists());
    for command in ["cp", "mv"] {
        let done = world.run([command, &alice("new/s/f"), &alice("none/")]).code(3);
        done.said("none/: no such folder on the server").said("mkdir -p").said("Without the slash");
    }
    world
        .run(["cp", "-r", &alice("new"), &alice("moved"), &alice("none/")])
        .code(3)
        .said("no such folder on the server");
    assert!(!world.remote("alice", "none").exists());
}

#[test]
fn a_failure_of_a_batch_names_its_line() {
    let world = World::trusting();
    fs::write(world.local("batch"), "mkdir a\n# a comment\n-cd none\nget none\nmkdir b\n").unwrap();
    let done =
        world.run(["shell", "-b", "batch", &world.alice("")]).code(3).said("batch, line 3: ").said("batch, line 4");
    assert!(!world.remote("alice", "b").exists(), "{done:?}");
    fs::write(world.local("batch"), "mkdir c\nfrob\n").unwrap();
    world
        .run(["shell", "-b", "batch", &world.alice("")])
        .code(2)
        .said("batch, line 2: `frob` is no command of the shell");
}

#[test]
fn options_typed_by_habit_are_understood_or_answered() {
    let world = World::trusting();
    fs::write(world.remote("alice", "f"), "f").unwrap();
    world.run(["df", "-h", &world.alice("")]).code(0);
    world.run_with(["shell", &world.alice("")], b"df -h\n").code(0);
    world.run(["put", "-P", "f", &world.alice("")]).code(2).said("-P is the port here");
    world.run(["ls", "--timeout", "soon", "h"]).code(2).said("`sealift help connection`");
    world.run(["get", "--if-exists", "never", "h/f"]).code(2).said("`sealift get --help`");
    world.run_with(["shell", &world.alice("")], b"get --if-exists x f\n").code(2).said("`get --help`");
}
