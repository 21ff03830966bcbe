//! What the program does with what surrounds it: no HOME, no terminal, no locale; only one kind of address; nothing to be
//! said but errors; passwords that other programs keep.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::common::program::{Done, PASSWORD, World, finish};

/// Every command that needs no terminal, in an order in which each works; `@` stands for alice's folder.
const COMMANDS: &[&[&str]] = &[
    &["put", "a.txt", "@"],
    &["put", "-r", "tree", "@"],
    &["ls", "@"],
    &["ls", "-lr", "@"],
    &["get", "@a.txt", "b.txt"],
    &["get", "-r", "@tree", "fetched"],
    &["mirror", "./tree", "@mirrored"],
    &["mirror", "--dry-run", "--delete", "@mirrored", "./fetched"],
    &["cat", "@a.txt"],
    &["mkdir", "@new"],
    &["mv", "@a.txt", "@new/"],
    &["stat", "@new/a.txt"],
    &["hash", "@new/a.txt"],
    &["verify", "@"],
    &["rm", "-r", "@new"],
    &["ping", "@"],
    &["status", "@"],
    &["who", "@"],
    &["shell", "@"],
    &["trust", "list"],
    &["bookmark", "list"],
    &["completion", "bash"],
    &["--help"],
    &["--version"],
];

fn prepare(world: &World) {
    fs::write(world.local("a.txt"), "a").unwrap();
    fs::create_dir(world.local("tree")).unwrap();
    fs::write(world.local("tree/b.txt"), "b").unwrap();
}

fn words(world: &World, command: &[&str]) -> Vec<String> {
    command.iter().map(|word| word.strip_prefix('@').map_or(word.to_string(), |path| world.alice(path))).collect()
}

#[test]
fn quiet_says_nothing_but_errors() {
    let world = World::trusting();
    prepare(&world);
    for command in COMMANDS {
        let done = world.run([vec!["--quiet".to_owned()], words(&world, command)].concat()).code(0);
        assert_eq!(done.stderr, "", "{command:?}");
    }
    let server = world.server.address();
    for command in [
        &["trust", "remove", &server][..],
        &["trust", "add", &server, "--trust", "accept-new"],
        &["bookmark", "add", "work", &server],
        &["bookmark", "remove", "work"],
    ] {
        assert_eq!(world.run([&["-q"], command].concat()).code(0).stderr, "", "{command:?}");
    }
    world.run(["-q", "ls", &world.alice("missing")]).code(3).said("missing");
    world.run(["-q", "shutdown", &world.alice("")]).code(0);
}

/// A program of a world in an environment that is empty but for these.
fn bare(world: &World, words: &[String], variables: &[(&str, &Path)]) -> Done {
    let mut command = Command::new("/usr/bin/setsid");
    command.args(["--wait", env!("CARGO_BIN_EXE_sealift")]).args(words).current_dir(world.work.path()).env_clear();
    command.envs(variables.iter().copied());
    finish(command, b"")
}

#[test]
fn every_command_works_without_home_locale_and_terminal() {
    let world = World::new();
    prepare(&world);
    fs::write(world.local("password"), PASSWORD).unwrap();
    fs::set_permissions(world.local("password"), Permissions::from_mode(0o600)).unwrap();
    let options = ["--pin", world.server.pin(), "--password-file", "password"].map(str::to_owned);
    for command in COMMANDS {
        bare(&world, &[words(&world, command), options.to_vec()].concat(), &[]).code(0);
    }
}

#[test]
fn a_server_that_is_not_known_where_no_home_is_set_says_so() {
    let world = World::new();
    let words = ["ls".to_owned(), world.server.address()];
    bare(&world, &words, &[]).code(7).said("HOME is not set");
    let home = world.local("home");
    let with_home = bare(&world, &words, &[("HOME", &home)]).code(7).said("is not known");
    assert!(!with_home.stderr.contains("HOME is not set"), "{}", with_home.stderr);
}

#[test]
fn a_name_of_a_server_that_only_another_home_knows_says_so() {
    let world = World::new();
    let home = world.local("home");
    let words = ["ls".to_owned(), "no-such-name:".to_owned()];
    let done = bare(&world, &words, &[]).code(2).said("no server is called no-such-name: here; HOME is not set");
    assert!(done.stderr.contains("config.toml") && done.stderr.contains("Set HOME"), "{}", done.stderr);
    let done = bare(&world, &words, &[("HOME", &home)]).code(2).said("no server is called no-such-name: here\n");
    assert!(!done.stderr.contains("HOME"), "{}", done.stderr);
}

#[test]
fn the_configuration_is_in_its_folder_whatever_says_where_that_is() {
    let world = World::new();
    let server = world.server.address();
    let home = world.local("home");
    let add = ["trust", "add", &server, "--pin", world.server.pin()].map(str::to_owned);
    let (xdg, relative, empty) = (world.local("xdg"), Path::new("relative"), Path::new(""));
    for (variables, place) in [
        (&[("HOME", home.as_path())][..], "home/.config/sealift"),
        (&[("HOME", &home), ("XDG_CONFIG_HOME", &xdg)], "xdg/sealift"),
        // As the specification says of one that is not absolute.
        (&[("HOME", &home), ("XDG_CONFIG_HOME", relative)], "home/.config/sealift"),
        (&[("HOME", &home), ("XDG_CONFIG_HOME", empty)], "home/.config/sealift"),
        (&[("SEALIFT_CONFIG_DIR", relative)], "relative"),
    ] {
        bare(&world, &add, variables).code(0);
        let file = world.local(place).join("known_servers");
        assert!(fs::read_to_string(&file).unwrap().contains(world.server.pin()), "{variables:?}");
        bare(&world, &["ls".to_owned(), server.clone()], variables).code(0);
        fs::remove_file(file).unwrap();
        assert!(!world.local("relative/sealift").exists());
    }
}

#[test]
fn one_kind_of_address_is_used_alone_or_said_to_be_missing() {
    let world = World::trusting();
    let port = world.server.port();
    let server = world.server.address();
    world.run(["-4", "ls", &server]).code(0);
    world.run(["-6", "ls", &server]).code(6).said("127.0.0.1 has no IPv6 address");
    world.run(["-4", "ls", &format!("[::1]:{port}")]).code(6).said("::1 has no IPv4 address");
    world.trust(format!("localhost:{port}"));
    world.run(["--ipv4", "ls", &format!("localhost:{port}")]).code(0);
    world.run(["-4", "-6", "ls", &server]).code(2);
}

#[test]
fn users_and_passwords_come_from_netrc_if_asked_for() {
    let world = World::trusting();
    let netrc = world.local(".netrc");
    fs::write(&netrc, format!("machine 127.0.0.1 login alice password \"{PASSWORD}\"\ndefault login x password y\n"))
        .unwrap();
    fs::set_permissions(&netrc, Permissions::from_mode(0o600)).unwrap();
    fs::write(world.remote("alice", "mine"), "").unwrap();
    let run = |words: &[&str]| finish(world.command(words), b"");
    let (named, unnamed) = (world.alice(""), world.public(""));
    assert_eq!(run(&["--netrc", "ls", &named]).code(0).stdout(), "mine\n");
    assert_eq!(run(&["--netrc", "ls", &unnamed]).code(0).stdout(), "mine\n");
    run(&["ls", &named]).code(4);
    assert_eq!(run(&["ls", &unnamed]).code(0).stdout(), "", "anonymous");
    run(&["--netrc", "ls", &format!("bob@{}", world.server.address())]).code(4);
    fs::set_permissions(&netrc, Permissions::from_mode(0o640)).unwrap();
    run(&["--netrc", "ls", &named]).code(2).said("other users can read").said("chmod 600");
    fs::remove_file(&netrc).unwrap();
    run(&["--netrc", "ls", &named]).code(3).said(".netrc");
    fs::write(world.local("other"), "machine 127.0.0.1\npassword\n").unwrap();
    fs::set_permissions(world.local("other"), Permissions::from_mode(0o600)).unwrap();
    world.run_with_env(["--netrc", "--password-file", "missing", "ls", &named], "NETRC", "other").code(3);
    let mut command = world.command(["--netrc", "ls", &named]);
    command.env("NETRC", "other");
    finish(command, b"").code(2).said("other:2:");
}

#[test]
fn options_about_the_connection_stand_before_a_command_behind_it_and_in_between() {
    let world = World::new();
    // Nothing listens on port 1: what is understood fails to connect (6), what is not is wrong usage (2).
    let there = "alice@127.0.0.1:1/x";
    fs::write(world.local("f"), "f").unwrap();
    fs::create_dir(world.local("d")).unwrap();
    let own = ["--retry", "0", "--timeout", "5s", "--quiet", "--json", "-4"];
    let one =
        ["ls", "tree", "du", "df", "find", "get", "cat", "rm", "mkdir", "stat", "hash", "verify", "accept", "link"];
    let one = one.iter().chain(&["ping", "status", "who", "shutdown", "login", "passwd", "shell"]);
    let mut commands: Vec<(Vec<&str>, Vec<&str>, i32)> = one.map(|name| (vec![*name], vec![there], 6)).collect();
    commands.extend([
        (vec!["put"], vec!["f", there], 6),
        (vec!["mv"], vec![there, "alice@127.0.0.1:1/y"], 6),
        (vec!["cp"], vec![there, "alice@127.0.0.1:1/y"], 6),
        (vec!["mirror"], vec!["./d", there], 6),
        (vec!["kick"], vec!["alice@127.0.0.1:1", "bob"], 6),
        (vec!["link", "list"], vec![there], 6),
        (vec!["link", "remove"], vec![there, "x"], 6),
        (vec!["key", "list"], vec!["alice@127.0.0.1:1"], 6),
        (vec!["key", "list"], vec![], 0),
        (vec!["trust", "list"], vec![], 0),
        (vec!["trust", "add"], vec!["127.0.0.1:1"], 6),
        (vec!["bookmark", "list"], vec![], 0),
        (vec!["completion"], vec!["bash"], 0),
        // A server alone is one to open the shell on.
        (vec![], vec![there], 6),
    ]);
    for (names, arguments, code) in &commands {
        for place in 0..=names.len() + 1 {
            let mut words: Vec<&str> = names.clone();
            let at = if place > names.len() {
                words.extend(arguments);
                words.len()
            } else {
                place
            };
            words.splice(at..at, own);
            if place <= names.len() {
                words.extend(arguments);
            }
            let done = world.run(&words);
            assert_eq!(done.code, Some(*code), "{words:?}: {}", done.stderr);
        }
    }
    // The options of a command are not those of one below it.
    for words in [&["link", "--expires", "2d", "list", there][..], &["link", there, "list", there]] {
        world.run(words).code(2).said("has no meaning for `sealift link list`");
    }
}

#[test]
fn a_password_that_is_empty_in_the_environment_is_none() {
    let world = World::trusting();
    let done = world.run_with_env(["ls", &world.alice("")], "SEALIFT_PASSWORD", "").code(4);
    let done = done.said("needs a password, and there is no terminal to ask on");
    assert!(!done.stderr.contains("came from SEALIFT_PASSWORD"), "{}", done.stderr);
}
