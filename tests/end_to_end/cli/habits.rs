//! What people type who come from other programs.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::common::eventually;
use unicode_width::UnicodeWidthStr as _;

use crate::common::program::{PASSWORD, Terminal, World, finish, names};

#[test]
fn several_commands_stand_on_one_line_of_the_shell() {
    let world = World::trusting();
    let script = b"mkdir a; cd a ; pwd\nmkdir 'b;c'; ls # ls; ls\nget x; mkdir d\nls | cat; echo done\n";
    let done = world.run_with(["shell", &world.alice("")], script).code(10).said("x: no such file");
    assert_eq!(done.stdout(), "/a\nb;c/\nb;c/\nd/\ndone\n");
    let stopped = world.run_with(["shell", "-e", &world.alice("")], b"get x; mkdir no\n").code(3);
    assert!(!world.remote("alice", "no").exists(), "{stopped:?}");
}

#[test]
fn the_shell_goes_on_after_the_first_name_that_is_not_there() {
    let world = World::trusting();
    for name in ["a", "b", "b2"] {
        fs::write(world.remote("alice", name), name).unwrap();
    }
    let done = world.run_with(["shell", &world.alice("")], b"ls 'missing*' none b\n").code(10);
    assert!(done.stdout().contains('b') && done.stderr.contains("none: no such file"), "{done:?}");
    let done = world.run_with(["shell", &world.alice("")], b"get missing* none a .\n").code(10).said("none: ");
    let done = done.said("missing*").said("1 file").said("2 failed");
    assert!(world.local("a").exists(), "{done:?}");
    world.run_with(["shell", &world.alice("")], b"mkdir into\nmv none* b b2 into\n").code(10);
    assert!(world.remote("alice", "into/b").exists());
    world.run_with(["shell", &world.alice("")], b"!cd /tmp\n").code(2).said("`lcd FOLDER`");
    world.run_with(["shell", &world.alice("")], b"reget x\n").code(2).said("hint: `get -c NAME`");
}

#[test]
fn a_rate_holds_for_one_command_of_the_shell() {
    let world = World::trusting();
    fs::write(world.local("f"), vec![1; 300_000]).unwrap();
    let script = b"put --limit-rate 100K f\nput f g\nget --limit-rate 100K f h\n!ls h\n";
    let began = SystemTime::now();
    world.run_with(["shell", &world.alice("")], script).code(0);
    assert!(began.elapsed().unwrap() >= Duration::from_secs(2));
    assert!(world.remote("alice", "g").exists() && world.local("h").exists());
}

#[test]
fn r_beside_a_sorting_is_the_other_way_round_and_else_recursive() {
    let world = World::trusting();
    fs::create_dir(world.remote("alice", "d")).unwrap();
    for (name, age) in [("d/inner", 5), ("old", 1000), ("new", 10)] {
        let file = fs::File::create(world.remote("alice", name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }
    let ls = |options: &[&str]| world.run([&["ls"], options, &[&world.alice("")]].concat()).code(0).stdout().to_owned();
    assert_eq!(ls(&["-tr"]), "old\nnew\nd/\n");
    assert_eq!(ls(&["-t", "--reverse"]), ls(&["-rt"]));
    assert_eq!(ls(&["-r"]), "d/\nnew\nold\nd/inner\n");
    assert!(ls(&["-tR"]).contains("d/inner"));
}

#[test]
fn mistakes_look_alike_and_break_where_words_end() {
    let world = World::new();
    for args in
        [&["get"][..], &["get", "--streams", "x", "h/f"], &["get", "--steams", "2", "h"], &["frob"], &["mv", "a"]]
    {
        let done = world.run(args).code(2);
        let lines: Vec<&str> = done.stderr.lines().collect();
        assert!(lines.len() == 2 && lines[0].starts_with("sealift: ") && lines[1].starts_with("  hint: "), "{done:?}");
    }
    for locale in ["C.UTF-8", "C"] {
        let variables = [("LC_ALL", locale), ("SEALIFT_PASSWORD", PASSWORD)];
        let mut terminal = Terminal::start(&world, (40, 12), &variables, ["get", "-o", "x", "h/f"]);
        terminal.expect("output.");
        assert_eq!(terminal.wait().code(), Some(2));
        let shown = terminal.shown().replace("\r\n", "\n");
        let plain = console::strip_ansi_codes(&shown);
        assert!(plain.lines().count() > 3 && plain.lines().all(|line| line.width() < 40), "{plain}");
        let words: Vec<&str> = plain.split_whitespace().collect();
        assert!(words.contains(&"destination") && plain.contains("`sealift get HOST/file NAME`"), "{plain}");
    }
}

#[test]
fn a_mirror_follows_links_if_asked_to_and_leaves_what_is_newer() {
    let world = World::trusting();
    fs::create_dir_all(world.local("tree/d")).unwrap();
    fs::create_dir(world.local("other")).unwrap();
    for name in ["tree/f", "other/inside", "target"] {
        fs::write(world.local(name), name).unwrap();
    }
    symlink("../target", world.local("tree/file")).unwrap();
    symlink("../../other", world.local("tree/d/folder")).unwrap();
    symlink("..", world.local("tree/d/loop")).unwrap();
    let mirror = |options: &[&str]| world.run([&["mirror", "./tree", &world.alice("m")], options].concat());
    mirror(&[]).code(0).said("3 skipped (links)");
    mirror(&["--links", "follow", "--delete"]).code(0).said("2 files").said("1 skipped (endless link)");
    assert_eq!(names(&world.remote("alice", "m")), ["d", "d/folder", "d/folder/inside", "f", "file"]);
    mirror(&["--links=follow", "--checksum"]).code(0).said("0 files").said("3 unchanged");
    // A link to nothing is no reason to delete what it led to.
    fs::remove_file(world.local("target")).unwrap();
    mirror(&["--links=follow", "--delete"]).code(10).said("tree/file: no such file").said("1 kept");
    assert!(world.remote("alice", "m/file").exists());
    fs::write(world.remote("alice", "m/f"), "later").unwrap();
    mirror(&["--update"]).code(0).said("0 files").said("1 unchanged");
    assert_eq!(fs::read(world.remote("alice", "m/f")).unwrap(), b"later");
}

#[test]
fn one_mirror_at_a_time_works_on_a_folder() {
    let world = World::trusting();
    fs::create_dir_all(world.local("tree")).unwrap();
    fs::create_dir_all(world.remote("alice", "m")).unwrap();
    fs::write(world.local("tree/f"), vec![1; 400_000]).unwrap();
    fs::write(world.remote("alice", "m/g"), vec![1; 400_000]).unwrap();
    let (tree, there) = ("./tree".to_owned(), world.alice("m"));
    for args in [[&tree, &there], [&there, &tree]] {
        let slow = ["mirror", "--limit-rate", "100K", args[0], args[1]];
        let mut command = world.command(slow);
        let mut first = command.env("SEALIFT_PASSWORD", PASSWORD).spawn().unwrap();
        let refused = loop {
            let done = world.run(["mirror", "--limit-rate", "100K", args[0], args[1]]);
            // The first may not have begun yet: then this one was it.
            if done.code == Some(11) || first.try_wait().unwrap().is_some_and(|status| status.code() == Some(11)) {
                break done;
            }
            assert!(first.try_wait().unwrap().is_none(), "{done:?}");
        };
        assert!(refused.code != Some(11) || refused.stderr.contains("another mirror is at work"), "{refused:?}");
        world.run(["mirror", "-n", args[0], args[1]]).code(0);
        first.wait().unwrap();
        world.run(["mirror", args[0], args[1]]).code(0);
    }
    // What told them of each other is gone, and so is what one has left that was killed.
    let locks = world.config.path().join("mirrors");
    assert!(fs::read_dir(&locks).unwrap().next().is_none());
    let left = fs::File::create(locks.join("a".repeat(64))).unwrap();
    world.run(["mirror", &tree, &there]).code(0);
    assert!(fs::read_dir(&locks).unwrap().next().is_some(), "somebody may have made it just now");
    left.set_modified(SystemTime::now() - sealift::limits::MIRROR_LOCK_AGE).unwrap();
    world.run(["mirror", &tree, &there]).code(0);
    assert!(fs::read_dir(&locks).unwrap().next().is_none());
}

/// Whoever can read a folder can lock it.
#[test]
fn somebody_who_can_read_a_folder_keeps_nobody_from_mirroring_into_it() {
    let world = World::trusting();
    fs::create_dir_all(world.local("tree")).unwrap();
    fs::create_dir_all(world.remote("alice", "m")).unwrap();
    let folder = fs::File::open(world.local("tree")).unwrap();
    folder.lock_shared().unwrap();
    // Where nobody else can it is this person's own.
    for (mode, code) in [(0o755, 0), (0o750, 0), (0o711, 11), (0o700, 11)] {
        folder.set_permissions(fs::Permissions::from_mode(mode)).unwrap();
        world.run(["mirror", &world.alice("m"), "./tree"]).code(code);
    }
}

#[test]
fn a_dry_run_says_where_files_would_go_and_lists_of_nothing_are_summed_up() {
    let world = World::trusting();
    fs::write(world.local("f"), "f").unwrap();
    fs::write(world.remote("alice", "g"), "gg").unwrap();
    assert_eq!(world.run(["put", "-n", "f", &world.alice("x/y/")]).code(0).stdout(), "put f -> x/y/f\n");
    assert_eq!(world.run(["get", "-n", &world.alice("g"), "new/"]).code(0).stdout(), "get g -> new/g\n");
    assert_eq!(world.run(["get", "-n", &world.alice("g")]).code(0).stdout(), "get g -> g\n");
    let last = |args: &[&str]| {
        let done = world.run([args, &["--json"]].concat()).code(0);
        serde_json::from_str::<serde_json::Value>(done.stdout().lines().last().unwrap()).unwrap()
    };
    assert_eq!(last(&["bookmark", "list"])["entries"], 0);
    assert_eq!(last(&["find", &world.alice(""), "--name", "x"])["entries"], 0);
    let sum = last(&["du", &world.alice("")]);
    assert_eq!((&sum["event"], &sum["bytes"], &sum["files"]), (&"summary".into(), &2.into(), &1.into()));
    let done = world.run(["verify", &world.alice("g"), &world.alice("g")]).code(0);
    assert_eq!(done.stdout().matches("g: ").count(), 2, "{done:?}");
}

#[test]
fn a_folder_in_place_of_a_file_is_told_with_what_helps_there() {
    let world = World::trusting();
    fs::create_dir(world.remote("alice", "docs")).unwrap();
    fs::write(world.local("f"), "f").unwrap();
    let docs = world.alice("docs");
    // A look says what the real thing would.
    for dry in [&["get", "-n", &*docs][..], &["get", &docs]] {
        world.run(dry).code(1).said("docs: is a folder").said("Add -r");
    }
    for (args, hint, code) in [
        (&["put", "-T", "f", &*docs][..], "Without -T a file goes into the folder", 1),
        (&["accept", &docs], "`sealift verify HOST/folder`", 1),
        (&["mkdir", &docs], "With -p an existing folder is no error", 11),
    ] {
        let done = world.run(args).code(code).said(hint);
        assert!(!done.stderr.contains("Add -r"), "{done:?}");
    }
}

#[test]
fn df_shows_the_quota_and_what_is_left_of_it() {
    let world = World::trusting();
    fs::write(world.remote("alice", "f"), vec![0; 2048]).unwrap();
    let alice = world.run(["df", &world.alice("")]).code(0);
    let of_disk = alice.stdout().strip_prefix(" used: 2.0 KiB in 1 file\nquota: none\n room: ").unwrap();
    assert!(of_disk.ends_with("B (what the server's disk has left)\n"), "{of_disk}");
    let users = world.server.data().parent().unwrap().join("users.toml");
    let mut add = Command::new(env!("CARGO_BIN_EXE_sealiftd"));
    add.args(["user", "add", "carol", "--quota", "4KiB", "--password-stdin", "--users"]).arg(&users);
    finish(add, format!("{PASSWORD}\n").as_bytes()).code(0);
    let carol = format!("carol@{}/", world.server.address());
    world.run(["put", &format!("{}/f", world.server.data().join("alice").display()), &carol]).code(0);
    let shown = " used: 2.0 KiB in 1 file\nquota: 4.0 KiB\n room: 2.0 KiB\n";
    assert_eq!(world.run(["df", &carol]).code(0).stdout(), shown);
    let in_shell = world.run_with(["shell", &carol], b"df\n").code(0);
    assert_eq!(in_shell.stdout(), shown);
    let told = world.run(["df", "--json", &carol]).code(0);
    let json: serde_json::Value = serde_json::from_str(told.stdout().lines().next().unwrap()).unwrap();
    assert_eq!((&json["quota"], &json["room"]), (&4096.into(), &2048.into()));
    world.run(["put", &format!("{}/f", world.server.data().join("alice").display()), &format!("{carol}g")]).code(0);
    assert!(world.run(["df", &carol]).code(0).stdout().ends_with(" room: 0 B\n"));
    // What others share with her counts in no quota of hers.
    fs::create_dir(world.server.data().join("pool")).unwrap();
    fs::write(world.server.data().join("pool/large"), vec![0; 1 << 20]).unwrap();
    world.run(["rm", &format!("{carol}g")]).code(0);
    let text = fs::read_to_string(&users).unwrap();
    fs::write(&users, format!("{text}\n[folders.pool]\naccess = {{ carol = \"full\" }}\n")).unwrap();
    eventually("the folder shows", || world.run(["ls", &carol]).code(0).stdout().contains("pool"));
    let shown = " used: 2.0 KiB of the quota\n here: 1.0 MiB in 2 files, shared folders included\nquota: 4.0 KiB\n room: 2.0 KiB\n";
    assert_eq!(world.run(["df", &carol]).code(0).stdout(), shown);
}

/// A shared folder has a bound of its own, whoever puts something there.
#[test]
fn df_tells_of_the_shared_folder_that_its_target_is_in() {
    let world = World::trusting();
    for args in [
        &["user", "set", "alice", "--quota", "1MiB"][..],
        &["folder", "add", "team", "--access", "alice=full", "--quota", "10KiB"],
        &["folder", "add", "free", "--as", "box/free", "--access", "alice=full"],
        &["folder", "add", "seen", "--access", "alice=read", "--quota", "20KiB"],
    ] {
        let done = world.server.command(args).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    crate::common::eventually("they show", || world.run(["ls", &world.alice("")]).stdout().contains("seen"));
    fs::write(world.local("kib"), [7; 1024]).unwrap();
    world.run(["mkdir", &world.alice("team/d")]).code(0);
    for to in ["own", "team/a", "team/d/b", "team/d/c", "box/free/x", "box/free/y"] {
        world.run(["put", world.local("kib").to_str().unwrap(), &world.alice(to)]).code(0);
    }
    let told = |target: &str| {
        let done = world.run(["df", "--json", &world.alice(target)]).code(0);
        let told: serde_json::Value = serde_json::from_str(done.stdout().lines().next().unwrap()).unwrap();
        (["path", "size", "files", "quota"].map(|key| told[key].clone()), told["room"].as_u64(), done.stderr.clone())
    };
    for target in ["team", "team/d", "team/d/b", "team/"] {
        let ([path, size, files, quota], room, said) = told(target);
        assert_eq!((path, size, files), ("team".into(), 3072.into(), 3.into()), "{target}");
        assert_eq!((quota, room, said.as_str()), (10240.into(), Some(7168), ""), "{target}");
    }
    // What has no bound of its own counts in hers.
    let ([path, size, files, quota], room, _) = told("box/free/x");
    assert_eq!((path, size, files), ("box/free".into(), 3072.into(), 2.into()));
    assert_eq!((quota, room), ((1 << 20).into(), Some((1 << 20) - 3072)));
    let ([path, _, files, quota], room, _) = told("seen");
    assert_eq!((path, files, quota, room), ("seen".into(), 0.into(), 20480.into(), Some(20480)));
    // And all else is hers.
    let ([path, size, _, quota], _, _) = told("own");
    assert_eq!((path, size, quota), ("".into(), 3072.into(), (1 << 20).into()));
    world.run(["df", &world.alice("own")]).code(0).said("This is about everything that you have there");
    world.run(["df", &world.alice("team/none")]).code(3).said("team/none: no such file or folder");
    let shown = world.run(["df", &world.alice("team")]).code(0);
    assert!(
        shown.stdout().contains("used: 3.0 KiB in 3 files") && shown.stdout().contains("room: 7.0 KiB"),
        "{}",
        shown.stdout()
    );
}
