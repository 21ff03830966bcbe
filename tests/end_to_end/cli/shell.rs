//! The shell with commands from a pipe.

use std::fs;

use crate::common::bytes;
use crate::common::program::World;

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
    // At login; after each command about files only with -v.
    assert_eq!(done.stderr.matches(&pid).count(), 1, "{}", done.stderr);
    let told = world.run_with(["-v", "shell", &world.alice("")], b"ls\nstat docs\n").code(0);
    assert!(told.stderr.matches(&pid).count() >= 3, "{}", told.stderr);
    assert_eq!(fs::read(world.local("copy.txt")).unwrap(), b"hello");
    assert!(!world.remote("alice", "docs/a b.txt").exists());
}

#[test]
fn a_quoted_pattern_excludes_what_it_would_in_every_shell() {
    let world = World::trusting();
    fs::create_dir_all(world.local("tree")).unwrap();
    for name in ["a.o", "b.c"] {
        fs::write(world.local("tree").join(name), name).unwrap();
    }
    fs::create_dir_all(world.remote("alice", "kept")).unwrap();
    fs::write(world.remote("alice", "kept/precious.db"), "rows").unwrap();
    let script = "put -r --exclude '*.o' tree\nfind --name 'b*' tree\n\
                  mirror -R --delete --allow-empty-source --exclude \"*.db\" --exclude='*.o' tree /kept\n";
    let done = world.run_with(["shell", &world.alice("")], script.as_bytes()).code(0);
    assert!(done.stdout().contains("tree/b.c"), "{done:?}");
    assert!(!world.remote("alice", "tree/a.o").exists() && world.remote("alice", "tree/b.c").exists());
    assert!(world.remote("alice", "kept/precious.db").exists() && world.remote("alice", "kept/b.c").exists());
}

#[test]
fn what_is_found_in_a_folder_is_told_as_it_is_typed_there() {
    let world = World::trusting();
    fs::create_dir_all(world.remote("alice", "tree/sub")).unwrap();
    for name in ["tree/sub/deep.txt", "top.txt"] {
        fs::write(world.remote("alice", name), name).unwrap();
    }
    let script = "cd tree\nfind --name d*\ndu sub\nhash sub/deep.txt\nhash /top.txt\ncd ..\nfind --name d*\n";
    let done = world.run_with(["shell", &world.alice("")], script.as_bytes()).code(0);
    let shown: Vec<&str> = done.stdout().lines().map(|line| line.rsplit("  ").next().unwrap()).collect();
    assert_eq!(shown, ["sub/deep.txt", "sub", "sub/deep.txt", "/top.txt", "tree/sub/deep.txt"]);
    let json = world.run_with(["--json", "shell", &world.alice("")], b"cd tree\nhash sub/deep.txt\n").code(0);
    assert!(json.stdout().contains("\"tree/sub/deep.txt\""), "programs are told the whole path: {json:?}");
}

#[test]
fn what_fails_in_a_folder_is_told_as_it_was_typed_there() {
    let world = World::trusting();
    fs::create_dir_all(world.remote("alice", "tree/sub")).unwrap();
    for (line, said) in [
        ("cat nix", "sealift: nix: no such file"),
        ("ls *.q", "sealift: *.q: nothing matches"),
        ("rm sub/nix", "sealift: sub/nix: no such file"),
        ("rm /nix", "sealift: /nix: no such file"),
        ("rm .", "sealift: .: the folder is not empty"),
        ("get sub", "sealift: sub: is a folder"),
        (
            "put - sub/",
            "sealift: sub: is a folder, and standard input has no name\n  hint: Write the name it gets, as in /tree/sub/name.",
        ),
        ("trash restore nix", "sealift: nix: nothing called so is kept"),
        ("mv sub nix/x", "sealift: nix: no such folder on the server"),
        ("mv nix sub other", "sealift: other: no such folder on the server"),
        ("mkdir /", "sealift: /: this is your own folder"),
    ] {
        let done = world.run_with(["shell", &world.alice("")], format!("cd tree\n{line}\n").as_bytes());
        assert!(done.stderr.contains(said), "{line}: {done:?}");
        assert!(!done.stderr.contains(&format!("{}/", world.server.address())), "{line}: {done:?}");
    }
    let json = world.run_with(["--json", "shell", &world.alice("")], b"cd tree\ncat nix\n").code(10);
    assert!(json.stderr.contains("\"tree/nix\""), "programs are told the whole path: {json:?}");
}

#[test]
fn a_failed_command_does_not_stop_the_others_but_shows_in_the_exit_code() {
    let world = World::trusting();
    let done = world.run_with(["shell", &world.alice("")], b"get missing\nmkdir x\nfrobnicate\n'\nmkdir y\n").code(10);
    done.said("missing: no such file")
        .said("frobnicate")
        .said("a quote is not closed")
        .said("stands in the other kind of quotes");
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

#[test]
fn what_a_command_writes_goes_into_a_program_or_a_file() {
    let world = World::trusting();
    fs::write(world.remote("alice", "lines"), "b\na\n").unwrap();
    let script = b"cat lines | sort | tr a-z A-Z\nls > names\ncat lines >> names\nget lines -\nless lines\n";
    let done = world.run_with(["shell", &world.alice("")], script).code(0);
    assert_eq!(done.stdout(), "A\nB\nb\na\nb\na\n");
    assert_eq!(fs::read(world.local("names")).unwrap(), b"lines\nb\na\n");
}

#[test]
fn a_program_that_has_seen_enough_ends_the_command_and_not_the_conversation() {
    let world = World::trusting();
    fs::write(world.remote("alice", "large"), "line\n".repeat(1_000_000)).unwrap();
    let done = world.run_with(["shell", &world.alice("")], b"cat large | head -n 1\nls | cat\n").code(0);
    assert_eq!(done.stdout(), "line\nlarge\n");
}

#[test]
fn programs_of_this_machine_are_run_in_the_local_folder() {
    let world = World::trusting();
    fs::create_dir(world.local("sub")).unwrap();
    let done =
        world.run_with(["shell", &world.alice("")], b"lcd sub\n!echo one > made; cat made\nlmkdir -p a/b\nlls -1\n");
    assert_eq!(done.code(0).stdout(), "one\na\nmade\n");
    assert!(world.local("sub/a/b").is_dir());
    world.run_with(["shell", &world.alice("")], b"!exit 3\n").code(1).said("ended with exit code 3");
}

#[test]
fn a_batch_stops_at_the_first_failure_unless_the_line_begins_with_a_dash() {
    let world = World::trusting();
    fs::write(world.local("batch"), "-rm missing\n- mkdir x\nmkdir x\nmkdir never\n").unwrap();
    world.run(["shell", "-b", "batch", &world.alice("")]).code(11).said("missing: no such file");
    assert!(world.remote("alice", "x").is_dir() && !world.remote("alice", "never").exists());
    world.run_with(["shell", "-b", "-", &world.alice("")], b"-rm missing\nmkdir y\n").code(0);
    assert!(world.remote("alice", "y").is_dir());
    world.run(["shell", "-b", "no-such-batch", &world.alice("")]).code(3).said("no-such-batch");
}

#[test]
fn cd_with_a_dash_goes_back_and_open_goes_elsewhere() {
    let world = World::trusting();
    fs::create_dir_all(world.remote("alice", "a/b")).unwrap();
    fs::write(world.remote("public", "p"), "").unwrap();
    let script = format!("cd -\ncd a/b\ncd -\ncd -\npwd\nopen {}\nls\npwd\n", world.public(""));
    let done = world.run_with(["shell", &world.alice("")], script.as_bytes()).code(10);
    assert_eq!(done.said("no folder to go back to").stdout(), "/\n/a/b\n/a/b\np\n/\n");
}

#[test]
fn cd_without_a_name_goes_home() {
    let world = World::trusting();
    fs::create_dir_all(world.remote("alice", "a/b")).unwrap();
    let done = world.run_with(["shell", &world.alice("a/b")], b"cd\npwd\ncd -\ncd\npwd\n").code(0);
    assert_eq!(done.stdout(), "/\n/a/b\n/\n");
}

#[test]
fn an_interrupted_transfer_is_gone_on_with() {
    let world = World::trusting();
    let content = bytes(40_000_000);
    fs::write(world.remote("alice", "large"), &content).unwrap();
    fs::write(world.local(".copy.sealift-part"), &content[..33_554_432]).unwrap();
    let done = world.run_with(["shell", "-v", &world.alice("")], b"get -c large copy\n").code(0);
    assert_eq!(fs::read(world.local("copy")).unwrap(), content);
    assert!(!done.stderr.contains("40.0 MB"), "{}", done.stderr);
}

#[test]
fn a_server_in_place_of_a_command_opens_the_shell() {
    let world = World::trusting();
    world.run_with([world.alice("")], b"mkdir x\n").code(0);
    assert!(world.remote("alice", "x").is_dir());
    world.run(["frobnicate"]).code(2);
}

#[test]
fn folders_are_mirrored_both_ways() {
    let world = World::trusting();
    fs::create_dir_all(world.local("site/css")).unwrap();
    fs::write(world.local("site/css/a"), "a").unwrap();
    let script = b"mirror -R site www\nrm -r www/css\nmirror --delete --allow-empty-source www copy\nls www\n";
    world.run_with(["shell", &world.alice("")], b"mirror -R site www\ncd www\nmirror css copy\n").code(0);
    assert_eq!(fs::read(world.remote("alice", "www/css/a")).unwrap(), b"a");
    assert_eq!(fs::read(world.local("copy/a")).unwrap(), b"a");
    world.run_with(["shell", &world.alice("")], script).code(0);
    assert!(!world.local("copy/a").exists());
}
