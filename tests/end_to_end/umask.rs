//! `umask`: what new files and folders are open to, whoever makes them and by whatever protocol.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sealift::files::Hash;
use tempfile::TempDir;

use crate::common::web::curl;
use crate::common::{
    Fields, PASSWORD, RawClient, World, end_of, enter, eventually, frames_of, half_an_upload, part_bytes, sealiftd,
    section, text, upload_bytes,
};

const LARGE: usize = 17 << 20;

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Alice and bob with these keys, and what else there is.
fn users(of_alice: &str, of_bob: &str, more: &str) -> String {
    let (alice, bob) = (section("alice", "\"full\"", "alice"), section("bob", "\"full\"", "bob"));
    format!("[anonymous]\nenabled = false\n{alice}{of_alice}{bob}{of_bob}{more}")
}

/// Keeps a file by a command with these arguments.
fn keep(client: &mut RawClient, arguments: &str, bytes: &[u8]) {
    client.send(upload_bytes(arguments, bytes));
    assert_eq!(client.reply().1, "done", "{arguments}");
}

#[test]
fn what_is_made_has_the_modes_of_its_folder_or_its_maker() {
    let world = World::of(&["alice", "bob"]);
    let folders = "[defaults]\numask = \"022\"\n[folders.team]\naccess = { \"*\" = \"full\" }\numask = \"007\"\n[folders.own]\naccess = { \"*\" = \"full\" }\n";
    world.set_users(&users("", "umask = \"077\"\n", folders));
    // What the process itself takes away takes nothing from what the users file says.
    let daemon = world.daemon().through(["sh", "-c", "umask 077; exec \"$@\"", "sh"]).start();
    let (mut alice, mut bob) = (enter(&daemon, "alice"), enter(&daemon, "bob"));
    let large = vec![7; LARGE];
    for (is_alice, user, folder, wide) in [
        (true, "alice", "", 0o755),
        (false, "bob", "", 0o700),
        (true, "own", "own/", 0o755),
        (false, "team", "team/", 0o770),
    ] {
        let client = if is_alice { &mut alice } else { &mut bob };
        let home = world.home(user);
        assert_eq!(client.ask(format!("MKDIR {folder}a/b/c parents=yes")).1, "done");
        keep(client, &format!("{folder}plain"), b"x");
        keep(client, &format!("{folder}large"), &large);
        keep(client, &format!("{folder}program mode=755"), b"x");
        keep(client, &format!("{folder}mine mode=600"), b"x");
        keep(client, &format!("{folder}all mode=646 perms=yes"), b"x");
        assert_eq!(client.ask(format!("COPY {folder}all {folder}copy")).1, "done");
        let (_, word, fields) = client.ask(format!("STAGE {folder}parts size={LARGE} mode=755"));
        assert_eq!(word, "staged");
        let id = &fields["id"];
        client.send(part_bytes(&format!("{id} offset=0 length={LARGE}"), &large));
        assert_eq!(client.reply().1, "done");
        assert_eq!(client.ask(format!("COMMIT {id} hash={}", Hash::of(&large))).1, "done");
        for folder in ["a", "a/b", "a/b/c"] {
            assert_eq!(mode(home.join(folder)), wide, "{user} {folder}");
        }
        for (name, expected) in [
            ("plain", wide & 0o666),
            ("large", wide & 0o666),
            ("program", wide & 0o755),
            ("parts", wide & 0o755),
            ("mine", 0o600),
            ("all", 0o646),
            ("copy", 0o646),
        ] {
            assert_eq!(mode(home.join(name)), expected, "{user} {name}");
        }
        // What is there keeps its mode.
        fs::set_permissions(home.join("plain"), fs::Permissions::from_mode(0o604)).unwrap();
        keep(client, &format!("{folder}plain"), b"another");
        assert_eq!(mode(home.join("plain")), 0o604);
    }
    let login = format!("alice:{PASSWORD}");
    for (args, path, wanted) in [
        (&["--user", login.as_str(), "-X", "MKCOL"][..], "team/web", 0o770),
        (&["--user", login.as_str(), "-X", "PUT", "--data-binary", "x"], "team/put", 0o660),
        (&["--user", login.as_str(), "-X", "PUT", "--data-binary", "x"], "put", 0o644),
    ] {
        assert_eq!(curl(&daemon, args, &format!("/~alice/{path}")).status, 201, "{path}");
        let home = if path.starts_with("team") { world.home("") } else { world.home("alice") };
        assert_eq!(mode(home.join(path)), wanted, "{path}");
    }
}

#[test]
fn folders_that_come_back_with_what_was_in_them_have_the_modes_of_their_maker() {
    let world = World::of(&["alice", "bob"]);
    world.set_users(&users("umask = \"077\"\ntrash = \"30d\"\n", "", ""));
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.ask("MKDIR a/b parents=yes").1, "done");
    keep(&mut alice, "a/b/f", b"x");
    assert_eq!(alice.ask("DELETE a/b/f").1, "done");
    let kept = super::trash::kept(&mut alice, "");
    let id = &kept.first().unwrap().0;
    for folder in ["a/b", "a"] {
        assert_eq!(alice.ask(format!("DELETE {folder}")).1, "done");
    }
    assert_eq!(alice.ask(format!("RESTORE a/b/f id={id}")).1, "done");
    for (path, expected) in [("a", 0o700), ("a/b", 0o700), ("a/b/f", 0o600)] {
        assert_eq!(mode(world.home("alice").join(path)), expected, "{path}");
    }
}

#[test]
fn a_changed_umask_counts_at_once_for_who_is_logged_in_and_for_what_was_interrupted() {
    let world = World::of(&["alice", "bob"]);
    world.set_users(&users("umask = \"000\"\n", "", ""));
    let daemon = world.daemon().args(["--max-mode", "755"]).start();
    let mut alice = enter(&daemon, "alice");
    keep(&mut alice, "bounded", b"x");
    assert_eq!(mode(world.home("alice").join("bounded")), 0o644, "no wider than --max-mode");
    assert_eq!(alice.ask("MKDIR folder").1, "done");
    assert_eq!(mode(world.home("alice").join("folder")), 0o777);
    let large = vec![7; LARGE];
    half_an_upload(enter(&daemon, "alice"), "large", &large, &world.home("alice")).close();
    world.set_users(&users("umask = \"027\"\n", "", ""));
    let mut number = 0;
    eventually("the session goes on with it", || {
        number += 1;
        keep(&mut alice, &format!("f{number}"), b"x");
        mode(world.home("alice").join(format!("f{number}"))) == 0o640
    });
    let mut partial = Fields::new();
    eventually("the beginning is kept", || {
        let (code, _, fields) = alice.ask("HASH large partial=yes");
        partial = fields;
        code == 213
    });
    let (offset, prefix) = (partial["size"].clone(), partial["hash"].clone());
    let rest = large.get(offset.parse::<usize>().unwrap()..).unwrap();
    let mut bytes = format!("UPLOAD large size={LARGE} offset={offset} prefix={prefix}\r\n").into_bytes();
    bytes.extend(frames_of(rest));
    bytes.extend([0; 4]);
    bytes.extend(Hash::of(&large).as_bytes());
    alice.send(bytes);
    assert_eq!(alice.reply().1, "done");
    assert_eq!(mode(world.home("alice").join("large")), 0o640);
}

#[test]
fn a_umask_is_set_shown_explained_and_checked() {
    let place = TempDir::new().unwrap();
    let run = |args: &[&str]| {
        let mut command = sealiftd(place.path());
        command.args(args);
        let output = end_of(command, "correct-horse\n");
        (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
    };
    assert_eq!(run(&["user", "add", "alice", "--umask", "0027", "--password-stdin"]).0, 0);
    let file = place.path().join("users.toml");
    assert!(fs::read_to_string(&file).unwrap().contains("umask = \"027\"\n"));
    assert!(run(&["user", "show", "alice"]).1.contains("umask         027\n"));
    assert!(run(&["user", "show", "alice", "--json"]).1.contains("\"umask\":\"027\""));
    let said = run(&["user", "set", "alice", "--umask", "000"]).1;
    assert!(said.contains("umask         027 -> 000\n"), "{said}");
    let (code, said) = run(&["explain", "alice", "MKDIR", "x"]);
    assert!(code == 0 && said.contains("What is made there is 666 (programs and folders 777): umask 000."), "{said}");
    let said = run(&["check"]).1;
    assert!(said.contains("[users.alice] can be changed by every account of the machine: umask 000"), "{said}");
    assert_eq!(run(&["user", "set", "alice", "--umask", "none"]).0, 0);
    assert!(!fs::read_to_string(&file).unwrap().contains("\numask"));
    for wrong in ["700", "27", "0o27", "rwx"] {
        let (code, said) = run(&["user", "set", "alice", "--umask", wrong]);
        assert!(code == 2 && said.contains("such as 027"), "{wrong}: {said}");
    }
}
