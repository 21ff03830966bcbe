//! `login`, `logout` and `key list|remove`: a machine's own key, end to end.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::common::program::{Done, PASSWORD, World, finish};
use crate::common::{end_of, eventually, text};

/// Runs a command that nobody can be asked during, without a password.
fn alone(world: &World, args: &[&str]) -> Done {
    let mut command = world.command(args);
    command.env_remove("SEALIFT_PASSWORD");
    finish(command, b"")
}

fn login(world: &World) -> Done {
    world.run(["login", &world.alice("")])
}

fn keys(world: &World) -> Vec<PathBuf> {
    let listed = fs::read_dir(world.config.path().join("logins")).into_iter().flatten();
    listed.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_password_once_and_nothing_is_asked_after_that() {
    let world = World::trusting();
    let alice = world.alice("");
    alone(&world, &["ls", &alice]).code(4).said("sealift login alice@");
    login(&world).code(0).said("from now on").said("sealift logout alice@");
    alone(&world, &["ls", &alice]).code(0);
    fs::write(world.local("a"), "a").unwrap();
    alone(&world, &["put", "a", &alice]).code(0);
    let mut shell = world.command(["shell", &alice]);
    shell.env_remove("SEALIFT_PASSWORD");
    finish(shell, b"ls\nlogout\n").code(0);
    assert!(text(&alone(&world, &["who", &alice]).code(0).stdout).contains("(key "), "who is there, and by what");
    // Anywhere else it is of no use, and asking again is no harm.
    alone(&world, &["ls", &alice.replace("alice@", "bob@")]).code(4);
    alone(&world, &["login", &alice]).code(0).said("already");
    for file in keys(&world) {
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        let is_public = file.extension().is_some_and(|extension| extension == "pub");
        assert_eq!(mode, if is_public { 0o644 } else { 0o600 }, "{}", file.display());
    }
    eventually("each login names its key", || world.server.log().matches("key=\"").count() >= 4);
    let log = world.server.log_with(&["key enrolled by its user"]);
    assert!(!log.contains(PASSWORD), "{log}");
    alone(&world, &["logout", &alice]).code(0).said("and the server too");
    assert_eq!(keys(&world), Vec::<PathBuf>::new());
    alone(&world, &["ls", &alice]).code(4);
    alone(&world, &["logout", &alice]).code(3);
}

#[test]
fn a_person_types_the_password_once() {
    let world = World::trusting();
    let mut terminal = world.terminal(["login", "--name", "my laptop", &world.alice("")]);
    terminal.expect("Password for alice@").line(PASSWORD).expect("by the key my laptop");
    assert!(terminal.wait().success());
    assert!(!terminal.shown().contains(PASSWORD));
    let mut terminal = world.terminal(["ls", &world.alice("")]);
    terminal.expect("empty");
    assert!(terminal.wait().success());
}

#[test]
fn keys_are_shown_and_revoked_by_name_or_fingerprint_from_another_machine() {
    let world = World::trusting();
    let alice = world.alice("");
    world.run(["login", "--name", "laptop", &alice]).code(0);
    alone(&world, &["key", "list"]).code(0).said("Logged in as alice@");
    let listed = text(&alone(&world, &["key", "list", &alice]).code(0).stdout);
    assert!(listed.contains("laptop") && listed.contains("yours") && listed.contains("this machine"));
    // Another machine: another configuration.
    let other = tempfile::tempdir().unwrap();
    let elsewhere = |args: &[&str]| {
        let mut command = world.command(args);
        command.env("SEALIFT_CONFIG_DIR", other.path()).env("SEALIFT_PASSWORD", PASSWORD);
        finish(command, b"")
    };
    fs::copy(world.config.path().join("known_servers"), other.path().join("known_servers")).unwrap();
    elsewhere(&["login", "--name", "laptop", &alice]).code(0);
    elsewhere(&["key", "remove", &alice, "nothing"]).code(3);
    elsewhere(&["key", "remove", &alice, "laptop"]).code(2).said("several keys").said("SHA256:");
    let mine = listed.split_whitespace().find(|word| word.starts_with("SHA256:")).unwrap().to_owned();
    elsewhere(&["key", "remove", &alice, &mine]).code(0).said("no longer logs in");
    alone(&world, &["ls", &alice]).code(4);
    // The server has forgotten it: nothing is left to do but to forget it here.
    alone(&world, &["logout", &alice]).code(0).said("did not know any more");
    // It logs in, and may be the one that goes.
    let mut command = world.command(["key", "remove", &alice, "laptop"]);
    command.env("SEALIFT_CONFIG_DIR", other.path()).env_remove("SEALIFT_PASSWORD");
    finish(command, b"").code(0);
    assert_eq!(fs::read_dir(other.path().join("logins")).unwrap().count(), 0);
}

#[test]
fn a_key_that_was_named_is_said_to_log_in_where_it_does_and_what_undoes_it_does() {
    let world = World::trusting();
    let alice = world.alice("");
    world.run(["key", "new", "--name", "mine"]).code(0);
    let (usual, elsewhere) = (world.config.path().join("id_ed25519"), world.local("k 1"));
    world
        .run(["-i", usual.to_str().unwrap(), "login", "--name", "my key", &alice])
        .code(0)
        .said("nothing is asked. `sealift key remove alice@");
    alone(&world, &["ls", &alice]).code(0);
    // Where nobody looks for it, it is to be named.
    fs::rename(usual, elsewhere).unwrap();
    let done = world.run(["-i", "k 1", "login", &alice]).code(0).said("already. It logs in where it is named");
    assert!(
        !done.stderr.contains("nothing is asked") && done.stderr.contains("`sealift -i 'k 1' ls alice@"),
        "{done:?}"
    );
    alone(&world, &["ls", &alice]).code(4);
    alone(&world, &["-i", "k 1", "ls", &alice]).code(0);
    alone(&world, &["-i", "k 1", "key", "remove", &alice, "my key"]).code(0);
    alone(&world, &["-i", "k 1", "ls", &alice]).code(4);
    let done = world.run(["-i", "k 1", "login", "--name", "my key", &alice]).code(0);
    done.said("from now on. It logs in where it is named").said(" 'my key'` undoes it");
    alone(&world, &["logout", &alice]).code(3);
}

#[test]
fn the_administrators_keys_are_the_administrators() {
    let world = World::trusting();
    let alice = world.alice("");
    let key = world.run(["key", "new", "--name", "given"]).code(0);
    let key = text(&key.stdout);
    assert!(world.server.command(&["user", "key", "add", "alice", key.trim()]).status().unwrap().success());
    let listed = text(&alone(&world, &["key", "list", &alice]).code(0).stdout);
    assert!(listed.contains("given") && listed.contains("from the administrator"), "{listed}");
    alone(&world, &["key", "remove", &alice, "given"]).code(5).said("gave you the key");
    // It proves who she is: for a key of this machine, and for another password.
    alone(&world, &["login", &alice]).code(0).said("from now on");
    let mut passwd = world.command(["passwd", &alice]);
    passwd.env_remove("SEALIFT_PASSWORD");
    finish(passwd, b"").code(2).said("there is no terminal");
    let mut terminal = world.terminal(["passwd", &alice]);
    terminal.expect("New password for alice@").line("my own words").expect("again:").line("my own words");
    terminal.expect("is changed");
    assert!(terminal.wait().success());
    assert!(!terminal.shown().contains("Password for"), "{}", terminal.shown());
}

#[test]
fn a_server_that_cannot_be_reached_keeps_the_key_and_that_is_said() {
    let world = World::trusting();
    let alice = world.alice("");
    login(&world).code(0);
    let kept = keys(&world);
    // A server that nobody serves any more.
    let World { server, .. } = &world;
    server.signal(rustix::process::Signal::KILL);
    let lost = alone(&world, &["--retry", "0", "logout", &alice]).code(6);
    lost.said("Nothing was changed").said("--here");
    assert_eq!(keys(&world).len(), kept.len());
    alone(&world, &["logout", "--here", &alice]).code(0).said("the server still knows it");
    assert_eq!(keys(&world), Vec::<PathBuf>::new());
    alone(&world, &["login", "--retry", "0", &alice]).code(6);
    assert_eq!(keys(&world), Vec::<PathBuf>::new(), "a key that nobody knows is not left behind");
}

#[test]
fn who_may_not_enrol_keys_is_told_so_and_no_key_is_left_behind() {
    let world = World::trusting();
    let users = world.server.place().join("users.toml");
    let text = fs::read_to_string(&users).unwrap();
    fs::write(&users, text.replace("\n[users.alice]\n", "\n[users.alice]\nself_service = [\"password\"]\n")).unwrap();
    eventually("it is read", || {
        let code = login(&world).code;
        alone(&world, &["logout", "--here", &world.alice("")]);
        code == Some(5)
    });
    login(&world).code(5).said("the administrator of this server sets which keys log you in");
    assert_eq!(keys(&world), Vec::<PathBuf>::new());
}

#[test]
fn the_administrator_s_new_password_voids_enrolled_keys_and_names_them() {
    let world = World::trusting();
    let alice = world.alice("");
    world.run(["login", "--name", "laptop", &alice]).code(0);
    let sealiftd = |args: &[&str], input: &str| {
        let output = end_of(world.server.command(args), input);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let list = || sealiftd(&["user", "list"], "");
    assert!(list().lines().any(|row| row.starts_with("alice ") && row.contains(" laptop")), "{}", list());
    for command in [&["user", "list", "--json"][..], &["user", "show", "alice", "--json"]] {
        let json = sealiftd(command, "");
        assert!(json.lines().any(|row| row.contains("\"laptop\"") && row.contains("\"by\":\"user\"")), "{json}");
    }
    let said = sealiftd(&["user", "passwd", "alice", "--password-stdin"], "another horse\n");
    assert!(said.contains("The key that the user enrolled counts no longer: laptop."), "{said}");
    alone(&world, &["ls", &alice]).code(4);
    assert!(!list().contains("laptop"), "{}", list());
    let said = sealiftd(&["user", "passwd", "alice", "--password-stdin"], "yet another horse\n");
    assert!(!said.contains("enrolled"), "{said}");
}

#[test]
fn two_machines_of_one_name_have_keys_of_two_names() {
    let world = World::trusting();
    let other = tempfile::tempdir().unwrap();
    world.run(["login", &world.alice("")]).code(0);
    fs::copy(world.config.path().join("known_servers"), other.path().join("known_servers")).unwrap();
    world.run_with_env(["login", &world.alice("")], "SEALIFT_CONFIG_DIR", other.path().to_str().unwrap()).code(0);
    let listed = world.run(["--json", "key", "list", &world.alice("")]).code(0);
    let told = listed.stdout().lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut names: Vec<_> = told.filter_map(|object| Some(object.get("name")?.as_str()?.to_owned())).collect();
    names.sort_by_key(String::len);
    assert!(names.len() == 2 && names[1] == format!("{}-2", names[0]), "{names:?}");
}
