//! `sealiftd scrub`: rot is found on the server itself, before anybody asks for the file.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Output;

use super::Dice;
use crate::common::{Daemon, World, enter, frames_of, text};

const MIB: u64 = 1024 * 1024;
const INTEGRITY: Option<i32> = Some(8);

#[test]
fn scrub_finds_rot_with_and_without_a_server() {
    let world = World::of(&["alice", "bob", "carol"]);
    let daemon = world.start();
    for user in ["alice", "bob"] {
        let mut client = enter(&daemon, user);
        for name in ["good", "bad%20%1b"] {
            let bytes = Dice::new().bytes(2 * MIB);
            client.line(format!("UPLOAD {}", name.replace("%1b", "%C2%9B")));
            client.send(frames_of(&bytes));
            client.send([0; 4]);
            client.send(sealift::files::Hash::of(&bytes).as_bytes());
            let (digits, word, _) = client.reply();
            assert_eq!(digits, 226, "{word}");
        }
        fs::write(world.home(user).join("small"), "small").unwrap();
    }
    let scrub = |args: &[&str]| -> Output { daemon_command(&daemon, args) };
    let clean = scrub(&["--rate", "1GiB"]);
    assert_eq!(clean.status.code(), Some(0), "{}", text(&clean.stdout));
    assert!(text(&clean.stdout).contains("4 as stored, 0 rotten, 2 without a record"), "{}", text(&clean.stdout));

    rot(&world.home("bob").join("bad \u{9b}"));
    let found = scrub(&["--rate", "1GiB"]);
    let said = text(&found.stdout);
    assert_eq!(found.status.code(), INTEGRITY, "{said}");
    assert!(said.contains("rotten: bob/bad "), "{said}");
    assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{said:?}");
    assert!(said.contains("3 as stored, 1 rotten"), "{said}");

    // The server refuses it from then on, although nobody has asked it before.
    let mut bob = enter(&daemon, "bob");
    assert_eq!(bob.ask("DOWNLOAD bad%20%C2%9B").1, "rotten");
    assert_eq!(bob.ask("DOWNLOAD good").1, "data");

    // Some users only, and as objects.
    assert_eq!(scrub(&["--rate", "1GiB", "alice", "carol"]).status.code(), Some(0));
    let json = scrub(&["--rate", "1GiB", "--json", "bob"]);
    assert_eq!(json.status.code(), INTEGRITY);
    let lines: Vec<serde_json::Value> =
        text(&json.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["state"], "rotten");
    assert_eq!((lines[1]["rotten"].as_u64(), lines[1]["confirmed"].as_u64()), (Some(1), Some(1)));
    // Sizes as `sealift verify` says them, and a user who never came has nothing that could rot.
    daemon.add_user_with("dave", crate::common::PASSWORD, &[]);
    let some = scrub(&["--rate", "1GiB", "alice", "dave"]);
    let said = text(&some.stdout);
    assert_eq!(some.status.code(), Some(0), "{said}");
    assert!(said.contains("dave: not there yet") && said.ends_with("0 not read; 4.0 MiB read\n"), "{said}");
    assert_eq!(scrub(&["nobody-of-this-name"]).status.code(), Some(3));

    // Without a server.
    let place = world.place().to_owned();
    daemon.stop();
    let alone = crate::common::sealiftd(&place).args(["scrub", "--rate", "1GiB"]).output().unwrap();
    assert_eq!(alone.status.code(), INTEGRITY, "{}", text(&alone.stdout));
    fs::remove_file(world.home("bob").join("bad \u{9b}")).unwrap();
    let alone = crate::common::sealiftd(&place).args(["scrub", "--rate", "1GiB"]).output().unwrap();
    assert_eq!(alone.status.code(), Some(0), "{}", text(&alone.stdout));
}

#[test]
fn scrub_finds_rot_in_a_shared_folder_elsewhere() {
    let outside = tempfile::TempDir::new().unwrap();
    let world = World::of(&["alice"]);
    let section = crate::common::section("alice", "\"full\"", "alice");
    let folder = format!("[folders.far]\npath = \"{}\"\naccess = {{ alice = \"full\" }}\n", outside.path().display());
    world.set_users(&format!("{section}{folder}"));
    let daemon = world.start();
    let bytes = Dice::new().bytes(2 * MIB);
    assert_eq!(enter(&daemon, "alice").upload("far/file", &bytes).0, 226);
    let clean = daemon_command(&daemon, &["--rate", "1GiB"]);
    assert!(text(&clean.stdout).contains("1 as stored, 0 rotten"), "{}", text(&clean.stdout));
    rot(&outside.path().join("file"));
    let found = daemon_command(&daemon, &["--rate", "1GiB"]);
    let said = text(&found.stdout);
    assert!(
        found.status.code() == INTEGRITY && said.contains(&format!("rotten: {}/file", outside.path().display())),
        "{said}"
    );
}

#[test]
fn scrub_follows_no_link_that_somebody_put_in_the_place_of_a_home() {
    let world = World::of(&["alice", "bob"]);
    let section = |name: &str, home: &str| crate::common::section(name, "\"full\"", home);
    world.set_users(&[section("alice", "alice"), section("bob", "team/bob")].concat());
    let daemon = world.start();
    let bytes = Dice::new().bytes(2 * MIB);
    assert_eq!(enter(&daemon, "alice").upload("file", &bytes).0, 226);
    rot(&world.home("alice").join("file"));
    fs::create_dir_all(world.home("team")).unwrap();
    std::os::unix::fs::symlink("../alice", world.home("team/bob")).unwrap();
    let scrubbed = daemon_command(&daemon, &["--rate", "1GiB", "bob"]);
    let said = text(&scrubbed.stdout);
    assert!(said.contains("failed: team/bob") && said.contains("a link is on the way to it"), "{said}");
    assert_eq!(scrubbed.status.code(), Some(10), "{said}");
    assert!(said.contains("0 rotten, 0 without a record") && said.contains("1 not read; 0"), "{said}");
    // One right in the data folder is the administrator's, and is followed as at a login.
    fs::remove_file(world.home("team/bob")).unwrap();
    fs::remove_dir(world.home("team")).unwrap();
    fs::create_dir_all(world.home("there/bob")).unwrap();
    std::os::unix::fs::symlink("there", world.home("team")).unwrap();
    fs::rename(world.home("alice").join("file"), world.home("there/bob/file")).unwrap();
    assert_eq!(daemon_command(&daemon, &["--rate", "1GiB", "bob"]).status.code(), INTEGRITY);
}

#[test]
fn scrub_tells_the_audit_of_rot_beside_the_server_that_writes_there() {
    let world = World::of(&["alice"]);
    let daemon = world.daemon().args(["--audit", "audit/log"]).start();
    let bytes = Dice::new().bytes(2 * MIB);
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.upload("file", &bytes).0, 226);
    rot(&world.home("alice").join("file"));
    let found = daemon_command(&daemon, &["--rate", "1GiB", "--audit", "audit/log"]);
    assert_eq!(found.status.code(), INTEGRITY);
    assert_eq!(alice.upload("other", b"x").0, 226);
    drop(alice);
    let place = world.place().to_owned();
    daemon.stop();
    let searched = crate::common::sealiftd(&place).args(["audit", "--file", "audit/log", "--json"]).output().unwrap();
    let lines = text(&searched.stdout);
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let at = lines.iter().position(|line| line["event"] == "rot").unwrap();
    assert_eq!(lines[at]["place"], "alice/file");
    assert_eq!(lines[at]["recorded"], sealift::files::Hash::of(&bytes).to_string());
    assert!(lines[at..].iter().any(|line| line["path"] == "other"), "{lines:?}");
    let by_path = ["audit", "--file", "audit/log", "--path", "alice/file"];
    let said = text(&crate::common::sealiftd(&place).args(by_path).output().unwrap().stdout);
    assert!(said.contains("rot") && said.contains("[place alice/file]"), "{said}");
    // None is made: it would be another account's, and the server could not write to it.
    let found =
        crate::common::sealiftd(&place).args(["scrub", "--rate", "1GiB", "--audit", "none/log"]).output().unwrap();
    assert!(found.status.code() == INTEGRITY && text(&found.stderr).contains("not in the audit: none/log"));
    assert!(!place.join("none").exists());
}

fn daemon_command(daemon: &Daemon, args: &[&str]) -> Output {
    daemon.command(&[&["scrub"], args].concat()).output().unwrap()
}

/// One byte changes, and nothing else does.
fn rot(path: &Path) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let time = file.metadata().unwrap().modified().unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, MIB).unwrap();
    file.write_all_at(&[byte[0] ^ 1], MIB).unwrap();
    file.set_modified(time).unwrap();
}
