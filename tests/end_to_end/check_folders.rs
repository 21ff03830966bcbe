//! `sealiftd check` about folders: whose they are, what a unit hides, and what is kept of what was deleted.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::common::not_run::not_run;
use crate::common::{PASSWORD, World, end_of, sealiftd, section, text};

fn said_of(place: &Path) -> String {
    let mut command = sealiftd(place);
    command.args(["check", "--max-connections", "20"]).env("SEALIFT_LISTEN", "127.0.0.1:0");
    text(&command.output().unwrap().stdout)
}

fn users_of(world: &World) -> String {
    fs::read_to_string(world.place().join("users.toml")).unwrap()
}

/// As systemd has it with `ProtectHome=yes`: the folder is there, empty, and nobody but root enters it.
#[test]
fn a_folder_that_the_unit_hides_is_named_with_the_setting_that_does() {
    if !geteuid().is_root() {
        return not_run("only root hides a folder from an account");
    }
    let world = World::of(&["alice"]);
    world.start().stop();
    let users =
        format!("{}\n[folders.isos]\npath = \"/home/isos\"\naccess = {{ \"*\" = \"read\" }}\n", users_of(&world));
    world.set_users(&users);
    let status = Command::new("chown").args(["-R", "65534:65534"]).arg(world.place()).status().unwrap();
    assert!(status.success());
    let program = env!("CARGO_BIN_EXE_sealiftd");
    // Where the tests are built may be closed to others.
    let checked = |data: &str| {
        let script = format!(
            "set -e; mount --make-rprivate /; cp {program} \"$1/sealiftd\"; mkdir -p /home; mount -t tmpfs -o mode=000 none /home; cd \"$1\"; \
             exec setpriv --reuid 65534 --regid 65534 --clear-groups ./sealiftd check --data {data} --listen 127.0.0.1:0"
        );
        let mut command = Command::new("unshare");
        command
            .args(["-m", "sh", "-c", &script, "sh"])
            .arg(world.place())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap());
        let output = command.output().unwrap();
        (text(&output.stdout), text(&output.stderr))
    };
    let (shared, err) = checked("server_data");
    if shared.is_empty() && err.contains("mount") {
        return not_run(&err);
    }
    let line = |found: &str, what: &str| found.lines().find(|line| line.contains(what)).unwrap_or_default().to_owned();
    let folder = line(&shared, "the shared folder isos: ");
    assert!(folder.starts_with("error: ") && folder.contains("/home cannot be entered"), "{shared}{err}");
    assert!(folder.contains("ProtectHome=") && !folder.contains("no such folder"), "{folder}");
    let (of_data, err) = checked("/home/files");
    let data = line(&of_data, "/home/files: ");
    assert!(data.starts_with("error: ") && data.contains("/home cannot be entered"), "{of_data}{err}");
    assert!(data.contains("ProtectHome="), "{data}");
}

#[test]
fn a_shared_folder_that_is_or_holds_a_whole_home_is_named_when_it_is_shared_and_by_check() {
    let world = World::of(&["alice", "bob"]);
    world.start().stop();
    let place = world.place();
    let add = |words: &[&str]| {
        let mut command = sealiftd(place);
        command.args([&["folder", "add"], words].concat());
        let output = end_of(command, "");
        (output.status.code().unwrap(), text(&output.stderr))
    };
    let whole = "the shared folder alice (alice) is the whole home of alice: whoever has the folder has all that is in the home";
    let (code, said) = add(&["alice", "--access", "bob=read"]);
    assert!(code == 0 && said.contains(whole), "{said}");
    assert!(said_of(place).contains(&format!("warning: {whole}")));
    world.set_users(&(users_of(&world) + &section("dora", "\"full\"", "team/dora")));
    let (code, said) = add(&["team", "--access", "bob=full"]);
    assert!(code == 0 && said.contains("the home of dora lies in the shared folder team (team)"), "{said}");
    // All homes at once are nobody's to share.
    let data = place.join("server_data").display().to_string();
    let above = place.display().to_string();
    for path in [".", &data, &above] {
        let (code, said) = add(&["all", "--path", path, "--access", "bob=read"]);
        assert_eq!(code, 2, "{path}: {said}");
    }
}

#[test]
fn that_nothing_is_kept_of_what_is_deleted_is_said_once_and_only_where_it_is_so() {
    let world = World::of(&["alice", "bob"]);
    world.start().stop();
    let users = users_of(&world);
    let notes = || said_of(world.place()).lines().filter(|line| line.contains("no trash is kept")).count();
    assert_eq!(notes(), 1);
    assert!(said_of(world.place()).contains("note: what users delete or replace is gone at once"));
    world.set_users(&format!("[defaults]\ntrash = \"30d\"\n{users}"));
    assert_eq!(notes(), 0);
    world.set_users(&users.replace("access = \"full\"", "access = \"read\""));
    assert_eq!(notes(), 0, "nobody deletes anything");
}

#[test]
fn a_users_file_that_takes_short_passwords_is_named() {
    let place = TempDir::new().unwrap();
    let mut command = sealiftd(place.path());
    command.args(["user", "add", "alice", "--password-stdin"]);
    assert!(end_of(command, PASSWORD).status.success());
    assert!(!said_of(place.path()).contains("min_password"));
    let file = place.path().join("users.toml");
    let users = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{users}\n[defaults]\nmin_password = 6\n")).unwrap();
    assert!(
        said_of(place.path())
            .contains("note: passwords of 6 characters can be chosen (min_password): 8 are the fewest")
    );
}
