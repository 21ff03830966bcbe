//! `ls`, as people see it on a terminal and as programs read it from a pipe.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

use crate::common::program::World;

/// Three files of alice's, of different sizes and days, a hidden one, and a folder with one of its own.
fn world() -> World {
    let world = World::trusting();
    fs::create_dir(world.remote("alice", "sub")).unwrap();
    for (name, size, day) in
        [("b.txt", 10, 3), ("a.pdf", 1536, 1), ("C", 3_000_000, 2), (".hidden", 1, 4), ("sub/x.txt", 7, 5)]
    {
        let file = fs::File::create(world.remote("alice", name)).unwrap();
        file.set_len(size).unwrap();
        file.set_modified(day_of_may(day)).unwrap();
    }
    fs::File::open(world.remote("alice", "sub")).unwrap().set_modified(day_of_may(6)).unwrap();
    world
}

/// 12:34:56 UTC on this day of May 2024.
fn day_of_may(day: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_714_566_896 + (day - 1) * 86_400)
}

const PLAIN: &[(&str, &str)] = &[("NO_COLOR", "1"), ("TZ", "EST5")];

#[test]
fn a_terminal_shows_columns_that_fit_it() {
    let world = world();
    let ls = |columns, options: &[&str]| world.screen([&["ls"], options, &[&world.alice("")]].concat(), columns, PLAIN);
    assert_eq!(ls(100, &[]), "C  a.pdf  b.txt  sub/\n");
    assert_eq!(ls(12, &[]), "C      b.txt\na.pdf  sub/\n");
    assert_eq!(ls(100, &["-a"]), ".hidden  C  a.pdf  b.txt  sub/\n");
    assert_eq!(ls(100, &["-1"]), "C\na.pdf\nb.txt\nsub/\n");
    assert_eq!(ls(100, &["-t"]), "sub/  b.txt  C  a.pdf\n");
    assert_eq!(ls(100, &["-S", "--reverse"]), "sub/  b.txt  a.pdf  C\n");
    assert_eq!(ls(100, &["-R"]), "C  a.pdf  b.txt  sub/\n\nsub:\nx.txt\n");
    assert_eq!(ls(100, &["-d"]), "./\n");
}

#[test]
fn a_long_listing_at_a_terminal_has_local_times_and_sizes_that_people_read() {
    let world = world();
    let ls = |options: &[&str]| world.screen([&["ls"], options, &[&world.alice("")]].concat(), 40, PLAIN);
    let lines = |zone: &str| {
        format!(
            "file  2.9 MiB  2024-05-02 {zone}  C\n\
             file  1.5 KiB  2024-05-01 {zone}  a.pdf\n\
             file     10 B  2024-05-03 {zone}  b.txt\n\
             dir         -  2024-05-06 {zone}  sub/\n"
        )
    };
    assert_eq!(ls(&["-lh"]), lines("07:34"));
    assert_eq!(ls(&["-l", "--utc"]), lines("12:34Z"));
    let full = world.screen(["ls", "-l", "--time-style", "full-iso", &world.alice("b.txt")], 40, PLAIN);
    assert_eq!(full, "file  10 B  2024-05-03 07:34:56.000000000 -0500  b.txt\n");
    assert!(ls(&["-l", "--time-style", "relative"]).contains("years ago  C\n"));
    let tree = ls(&["-ltR", "-b"]);
    assert_eq!(tree.lines().next().unwrap(), "dir         -  2024-05-06 07:34  sub/");
    assert_eq!(tree.lines().last().unwrap(), "file  7  2024-05-05 07:34  x.txt");
    // Where there is room modes come first, as with `ls`.
    for (name, mode) in [("C", 0o600), ("a.pdf", 0o640), ("b.txt", 0o755)] {
        fs::set_permissions(world.remote("alice", name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let wide = world.screen(["ls", "-l", &world.alice("")], 100, PLAIN);
    for line in [
        "rw-------  file  2.9 MiB  2024-05-02 07:34  C\n",
        "rw-r-----  file  1.5 KiB  2024-05-01 07:34  a.pdf\n",
        "rwxr-xr-x  file     10 B  2024-05-03 07:34  b.txt\n",
        "  dir         -  2024-05-06 07:34  sub/\n",
    ] {
        assert!(wide.contains(line), "{wide}");
    }
    let json = world.run(["--json", "ls", &world.alice("")]).code(0);
    assert!(json.stdout().contains(r#""mode":"640""#), "{}", json.stdout());
}

#[test]
fn a_pipe_gets_the_same_whatever_the_zone_one_entry_a_line() {
    let world = world();
    let ls = |options: &[&str]| {
        let done = world.run([&["ls"], options, &[&world.alice("")]].concat()).code(0);
        done.stdout().to_owned()
    };
    assert_eq!(ls(&[]), "C\na.pdf\nb.txt\nsub/\n");
    assert_eq!(ls(&["-la"]).lines().next().unwrap(), "file        1 B  2024-05-04 12:34:56Z  .hidden");
    assert_eq!(ls(&["-lb"]).lines().next().unwrap(), "file          3000000  2024-05-02 12:34:56Z  C");
    assert_eq!(ls(&["-t", "--reverse"]), "a.pdf\nC\nb.txt\nsub/\n");
    assert_eq!(ls(&["-r"]), "C\na.pdf\nb.txt\nsub/\nsub/x.txt\n");
    let mut unsorted: Vec<String> = ls(&["-rU"]).lines().map(str::to_owned).collect();
    unsorted.sort_unstable();
    assert_eq!(unsorted, ["C", "a.pdf", "b.txt", "sub/", "sub/x.txt"]);
    assert_eq!(ls(&["--json"]).lines().count(), 6, "a program is told of everything, and of how much that was");
    let names = |options: &[&str]| {
        let shown = ls(&[&["--json"], options].concat());
        let objects = shown.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        objects.filter_map(|object| Some(object["name"].as_str()?.to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(names(&["-r"]), [".hidden", "C", "a.pdf", "b.txt", "sub", "sub/x.txt"]);
    assert_eq!(names(&["--reverse"]), ["sub", "b.txt", "a.pdf", "C", ".hidden"]);
    let by_time = ls(&["--json", "-t"]);
    assert!(by_time.lines().next().unwrap().contains(r#""name":"sub""#), "{by_time}");
}

/// A disk may have names that no path of a server can have.
#[test]
fn a_program_is_told_the_whole_path_of_what_cannot_be_named() {
    let world = World::trusting();
    fs::create_dir_all(world.remote("alice", "d")).unwrap();
    fs::write(world.remote("alice", "d/new\nline"), "").unwrap();
    for command in [&["ls"][..], &["tree"], &["find"]] {
        let done = world.run([&["--json"], command, &[&world.alice("d")]].concat()).code(0);
        let first: serde_json::Value = serde_json::from_str(done.stdout().lines().next().unwrap()).unwrap();
        assert_eq!(first["path"], "d/new\nline", "{first}");
    }
}

#[test]
fn a_tree_as_deep_as_a_path_can_be_is_whole_and_what_is_deeper_is_said_to_be() {
    let world = World::trusting();
    let folder = |levels: usize| vec!["d"; levels].join("/");
    fs::create_dir_all(world.remote("alice", folder(64))).unwrap();
    fs::write(world.remote("alice", "d/x"), "x").unwrap();
    let (top, here) = (world.alice("d"), world.local("got"));
    let commands = [&["verify", &top][..], &["ls", "-r", &top], &["mirror", &top, "./got"], &["get", "-r", &top, "."]];
    for args in commands {
        world.run(args).code(0);
    }
    assert!(here.join(folder(63)).is_dir());
    fs::write(world.remote("alice", folder(64)).join("deeper"), "").unwrap();
    for args in commands {
        let done = world.run(args).code(10);
        let said = format!("{}: what is in it is deeper than 64 folders", folder(64));
        assert!(done.stderr.contains(&said) || done.stdout().contains(&said), "{args:?}: {done:?}");
    }
}

/// `--utc` and `--time-style` are the same wherever times are shown.
#[test]
fn all_commands_that_show_times_show_them_as_asked() {
    let world = world();
    let (file, all) = (world.alice("b.txt"), world.alice(""));
    let screen = |args: &[&str]| world.screen(args, 100, PLAIN);
    assert!(screen(&["stat", &file]).contains("modified: 2024-05-03 07:34:56.000000000 -0500\n"));
    assert!(screen(&["stat", "--utc", &file]).contains("modified: 2024-05-03 12:34:56.000000000 +0000\n"));
    assert!(world.screen(["stat", &file], 40, PLAIN).contains("modified: 2024-05-03 07:34\n"));
    assert!(screen(&["stat", "--time-style", "long-iso", &file]).contains("modified: 2024-05-03 07:34\n"));
    assert!(screen(&["stat", "--time-style=relative", &file]).contains("years ago\n"));
    let found = screen(&["find", "-l", "--name", "b*", &all]);
    assert_eq!(found, "file       10 B  2024-05-03 07:34  b.txt\n");
    assert_eq!(screen(&["find", "--long", "--utc", "--name", "b*", &all]), found.replace("07:34", "12:34Z"));
    let piped = world.run(["find", "-l", "--name", "b*", &all]).code(0);
    assert_eq!(piped.stdout(), "file       10 B  2024-05-03 12:34:56Z  b.txt\n");
    let styled = world.run_with_env(["stat", "--time-style=iso", &file], "TZ", "EST5").code(0);
    assert!(styled.stdout().contains("modified: 2024-05-03\n"), "{styled:?}");

    let set = world.server.command(&["user", "set", "alice", "--trash", "30d"]).output().unwrap();
    assert!(set.status.success(), "{set:?}");
    world.run(["rm", &world.alice("C")]).code(0);
    world.run(["link", "--expires", "2d", &file]).code(0);
    for args in [&["trash", "list"][..], &["link", "list"], &["who"], &["admin", "who"]] {
        let of = |more: &[&str]| screen(&[args, more, &[&all]].concat());
        let (here, utc, relative) = (of(&[]), of(&["--utc"]), of(&["--time-style", "relative"]));
        let is_zulu = |shown: &str| shown.split_whitespace().any(|word| word.len() == 6 && word.ends_with('Z'));
        assert!(!is_zulu(&here) && is_zulu(&utc), "{args:?}: {here}{utc}");
        assert!(relative.contains(" ago") || relative.contains("in "), "{args:?}: {relative}");
    }
    let shell = world.screen(["shell", "-b", "/dev/null", &all], 100, PLAIN);
    assert!(!shell.contains("sealift: "), "{shell}");
    let script = "stat --utc b.txt\ntrash list --utc\nlink list --utc\nwho --utc\nfind -l --utc --name 'b*'\n";
    let done = world.run_with(["shell", &all], script.as_bytes()).code(0);
    assert!(done.stdout().contains("modified: 2024-05-03 12:34:56Z"), "{done:?}");
}

#[test]
fn on_a_narrow_terminal_no_row_is_broken_within_a_word() {
    let world = world();
    world.run(["login", "--name", "tablet", &world.alice("")]).code(0);
    world.run(["link", "--name", "for the meeting", &world.alice("b.txt")]).code(0);
    let all = world.alice("");
    let wide = world.screen(["key", "list", &all], 120, PLAIN);
    assert!(wide.starts_with("NAME    FINGERPRINT"), "{wide}");
    for args in [&["key", "list"][..], &["link", "list"], &["who"], &["df"], &["ping"]] {
        let shown = world.screen([args, &[all.as_str()]].concat(), 40, PLAIN);
        // What is one word, such as a fingerprint, may be longer than a line.
        let is_broken = |line: &str| line.chars().count() > 39 && line.trim().contains(' ');
        let broken: Vec<&str> = shown.lines().filter(|line| is_broken(line)).collect();
        assert!(broken.iter().all(|line| line.contains("SHA256:")), "{args:?}: {broken:?}");
    }
    let links = world.screen(["link", "list", &all], 40, PLAIN);
    assert!(links.starts_with("for the meeting\n  kind  file\n  path  b.txt\n  good  until 20"), "{links}");
}

#[test]
fn colours_come_from_ls_colors_in_columns_too_and_not_with_no_color() {
    let world = world();
    let colours = [("LS_COLORS", "di=1:*.pdf=31"), ("CLICOLOR_FORCE", "1")];
    let shown = world.screen(["ls", &world.alice("")], 100, &colours);
    assert_eq!(shown, "C  \u{1b}[31ma.pdf\u{1b}[0m  b.txt  \u{1b}[1msub/\u{1b}[0m\n");
    let plain = world.screen(["ls", &world.alice("")], 100, &[colours[0], ("NO_COLOR", "1")]);
    assert_eq!(plain, "C  a.pdf  b.txt  sub/\n");
    let piped = world.command(["ls", &world.alice("")]).envs(colours).env("SEALIFT_PASSWORD", "correct horse").output();
    assert_eq!(piped.unwrap().stdout, b"C\na.pdf\nb.txt\nsub/\n");
}

#[test]
fn a_folder_of_hidden_names_says_so_and_h_is_sizes_and_not_help() {
    let world = world();
    fs::create_dir(world.remote("alice", "dots")).unwrap();
    for name in [".a", ".b"] {
        fs::write(world.remote("alice", "dots").join(name), "").unwrap();
    }
    let done =
        world.run(["ls", &world.alice("dots")]).code(0).said("All 2 names in it begin with a dot; -a shows them.");
    assert!(done.stdout.is_empty());
    assert_eq!(world.run(["ls", "-h", &world.alice("b.txt")]).code(0).stdout(), "b.txt\n");
    assert!(world.run(["ls", "--help"]).code(0).stdout().contains("--time-style"));
    let shell = world.run_with(["shell", &world.alice("")], b"ls -lht\n");
    let stdout = shell.code(0);
    assert!(stdout.stdout().starts_with("dir "), "{}", stdout.stdout());
}
