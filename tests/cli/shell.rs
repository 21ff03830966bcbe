//! The shell with commands from a pipe.

use std::fs;

use crate::support::World;

#[test]
fn a_conversation_from_a_pipe() {
    let world = World::trusting();
    fs::write(world.local("a b.txt"), "hello").unwrap();
    let script = "LIST\nmkdir docs\ncd docs\nUPLOAD 'a b.txt'\nls\npwd\ncat \"a b.txt\"\nDOWNLOAD a\\ b.txt copy.txt\n\
                  cd ..\nDELETE docs/a\\ b.txt\nls docs\n# a comment\n\nPING\nLOGOUT\nnever reached\n";
    let done = world.run_with(["shell", &world.alice("")], script.as_bytes()).code(0);
    assert!(done.stdout().starts_with("a b.txt\n/docs\nhello"), "{}", done.stdout());
    assert!(done.stdout().contains("answered in"), "{}", done.stdout());
    assert_eq!(done.stderr.matches("The folder is empty.").count(), 2, "{}", done.stderr);
    let pid = format!("pid {}, session ", world.server.pid());
    // At login, and after each of eight commands about files.
    assert_eq!(done.stderr.matches(&pid).count(), 9, "{}", done.stderr);
    assert_eq!(fs::read(world.local("copy.txt")).unwrap(), b"hello");
    assert!(!world.remote("alice", "docs/a b.txt").exists());
}

#[test]
fn a_failed_command_does_not_stop_the_others_but_shows_in_the_exit_code() {
    let world = World::trusting();
    let done = world.run_with(["shell", &world.alice("")], b"get missing\nmkdir x\nfrobnicate\n'\nmkdir y\n").code(10);
    done.said("missing: no such file").said("frobnicate").said("a quote is not closed");
    assert!(world.remote("alice", "y").is_dir());
    world.run_with(["shell", &world.alice("")], b"get missing\n").code(3);
    let stopped = world.run_with(["shell", "-e", &world.alice("")], b"get missing\nmkdir z\n");
    stopped.code(3);
    assert!(!world.remote("alice", "z").exists());
}

#[test]
fn it_starts_in_the_folder_named_which_must_be_there() {
    let world = World::trusting();
    fs::create_dir(world.remote("alice", "docs")).unwrap();
    fs::write(world.remote("alice", "docs/a"), "a").unwrap();
    assert_eq!(world.run_with(["shell", &world.alice("docs")], b"ls\n").code(0).stdout(), "a\n");
    world.run_with(["shell", &world.alice("docs/a")], b"ls\n").code(1).said("not a folder");
    world.run_with(["shell", &world.alice("missing")], b"ls\n").code(3);
    world.run_with(["shell"], b"ls\n").code(2).said("name the server");
}

#[test]
fn local_folders_are_changed_and_listed() {
    let world = World::trusting();
    fs::create_dir_all(world.local("sub/inner")).unwrap();
    fs::write(world.local("sub/a"), "a").unwrap();
    let done =
        world.run_with(["shell", &world.alice("")], b"lcd sub\nlls\nput a\nput -r inner new/\nlcd\nlls\n").code(0);
    assert_eq!(done.stdout(), "a  inner/\nsub/\n");
    assert!(world.remote("alice", "a").exists() && world.remote("alice", "new/inner").is_dir());
}

#[test]
fn a_user_can_log_in_as_another() {
    let world = World::trusting();
    fs::write(world.remote("public", "p"), "").unwrap();
    let done = world.run_with(["shell", &world.alice("")], b"login anonymous\nls\nmkdir x\nstatus\n").code(10);
    assert!(done.stdout().starts_with("p\n") && done.stdout().contains("anonymous"), "{}", done.stdout());
    done.said("You are anonymous");
}
