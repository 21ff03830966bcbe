//! A mirror onto a home in which folders show that others share.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;

use crate::common::place::Place;
use crate::common::{Daemon, PASSWORD, World, section, text};

const SHARED: &str = r#"
[folders.public]
access = { alice = "full", bob = "full" }
[folders.inbox]
as = "team/inbox"
access = { alice = "full", bob = "full" }
"#;

/// A server whose alice has two shared folders, with something of others in each, and something of her own.
fn shared() -> (World, Daemon) {
    let world = World::of(&["alice", "bob"]);
    let people: String = ["alice", "bob"].map(|user| section(user, "\"full\"", user)).concat();
    world.set_users(&format!("{people}{SHARED}"));
    let daemon = world.start();
    for (home, file) in
        [("public", "page"), ("public", "old"), ("inbox", "letter"), ("alice", "mine"), ("alice", "gone")]
    {
        fs::create_dir_all(world.home(home)).unwrap();
        fs::write(world.home(home).join(file), "as it was").unwrap();
    }
    (world, daemon)
}

fn mirror(daemon: &Daemon, options: &[&str], onto: &str) -> String {
    let place = Place::new();
    place.knows(daemon.port(), daemon.pin());
    fs::create_dir_all(place.path().join("src/public")).unwrap();
    fs::write(place.path().join("src/mine"), "as it was").unwrap();
    fs::write(place.path().join("src/public/page"), "a newer page").unwrap();
    let onto = format!("alice@{}/{onto}", daemon.address());
    let mut command = place.command(&[&["mirror"], options, &["./src", &onto]].concat());
    let output = command.env("SEALIFT_PASSWORD", PASSWORD).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stderr)
}

#[test]
fn a_mirror_onto_a_home_removes_nothing_in_folders_that_others_share() {
    let (world, daemon) = shared();
    let said = mirror(&daemon, &["--delete", "--dry-run"], "");
    assert!(said.contains("2 skipped (shared folders)") && said.contains("1 deleted"), "{said}");
    let said = mirror(&daemon, &["--delete"], "");
    assert!(
        said.contains("skipped public: a shared folder") && said.contains("skipped team/inbox: a shared"),
        "{said}"
    );
    assert!(world.home("public").join("old").exists() && world.home("inbox").join("letter").exists(), "{said}");
    assert!(!world.home("alice").join("gone").exists(), "{said}");
    // What the source has comes there all the same.
    assert_eq!(fs::read(world.home("public").join("page")).unwrap(), b"a newer page");
}

#[test]
fn a_mirror_onto_the_shared_folder_itself_removes_there() {
    let (world, daemon) = shared();
    let said = mirror(&daemon, &["--delete"], "public");
    assert!(!world.home("public").join("old").exists(), "{said}");
    assert!(world.home("inbox").join("letter").exists(), "{said}");
}

#[test]
fn what_is_of_another_type_in_a_shared_folder_stays_and_is_told() {
    let (world, daemon) = shared();
    fs::remove_file(world.home("public").join("page")).unwrap();
    fs::create_dir(world.home("public").join("page")).unwrap();
    let place = Place::new();
    place.knows(daemon.port(), daemon.pin());
    fs::create_dir_all(place.path().join("src/public")).unwrap();
    fs::write(place.path().join("src/public/page"), "a file").unwrap();
    let onto = format!("alice@{}/", daemon.address());
    let mut command = place.command(&["mirror", "--delete", "./src", &onto]);
    let output = command.env("SEALIFT_PASSWORD", PASSWORD).output().unwrap();
    let said = text(&output.stderr);
    assert!(said.contains("public/page: something that may not be removed is in its place"), "{said}");
    assert!(world.home("public").join("page").is_dir());
}

/// Each shared folder may be a disk of its own: one that is not mounted is an empty folder.
#[test]
fn a_mirror_of_a_home_with_a_shared_folder_that_is_empty_now_deletes_nothing_of_it_unasked() {
    let (world, daemon) = shared();
    let place = Place::new();
    place.knows(daemon.port(), daemon.pin());
    let from = format!("alice@{}/", daemon.address());
    let run = |more: &[&str]| {
        let mut command = place.command(&[&["mirror", "--delete"], more, &[&*from, "./copy"]].concat());
        command.env("SEALIFT_PASSWORD", PASSWORD).output().unwrap()
    };
    let copy = place.path().join("copy");
    assert!(run(&[]).status.success());
    for (links, folder, files) in [
        ("files", "public", ["public/page", "public/old"]),
        ("skip", "inbox", ["team/inbox/letter", "team/inbox/letter"]),
    ] {
        let there = world.home(folder);
        let away = there.with_extension("away");
        fs::rename(&there, &away).unwrap();
        fs::create_dir(&there).unwrap();
        let options = if links == "files" { &[][..] } else { &["--links", links] };
        for more in [&[][..], &["--dry-run"], &["--max-delete", "100%"]] {
            let output = run(&[options, more].concat());
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(11), "{said}");
            assert!(said.contains(folder) && said.contains("--allow-empty-source"), "{said}");
        }
        assert!(files.iter().all(|file| copy.join(file).exists()), "{folder}");
        let output = run(&[options, &["--allow-empty-source"]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(!files.iter().any(|file| copy.join(file).exists()), "{folder}");
        assert!(copy.join("mine").exists());
        // Nothing to delete, nothing to refuse.
        assert!(run(options).status.success());
    }
}
