//! Moves from one shared folder to another, and between them and a home.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;

use crate::common::web::curl;
use crate::common::{PASSWORD, enter};
use crate::folders::{SHARED, users, word, world};

#[test]
fn files_and_folders_go_from_one_folder_to_another_in_one_step_with_the_rights_of_both() {
    let world = world(SHARED);
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.upload("draft", b"text").1, "done");
    assert_eq!(word(&mut alice, "RENAME draft public/final"), "done");
    assert_eq!(word(&mut alice, "STAT draft"), "not-found");
    assert_eq!(fs::read(world.home("public").join("final")).unwrap(), b"text");
    assert_eq!(alice.upload("draft", b"newer").1, "done");
    assert_eq!(word(&mut alice, "RENAME draft public/final"), "exists");
    assert_eq!(word(&mut alice, "RENAME draft public/final replace=yes"), "done");
    assert_eq!(alice.download("public/final").unwrap(), b"newer");
    assert_eq!(word(&mut alice, "MKDIR tree/in parents=yes"), "done");
    assert_eq!(alice.upload("tree/in/file", b"deep").1, "done");
    assert_eq!(word(&mut alice, "RENAME tree public/tree"), "done");
    assert_eq!(alice.download("public/tree/in/file").unwrap(), b"deep");
    assert_eq!(word(&mut alice, "RENAME public/tree back"), "done");
    assert!(world.home("alice").join("back/in/file").is_file() && !world.home("public").join("tree").exists());
    let login = format!("alice:{PASSWORD}");
    let to = "Destination: /~alice/public/moved";
    let moved = curl(&daemon, &["-u", &login, "-X", "MOVE", "-H", to], "/~alice/back/");
    assert_eq!(moved.status, 201, "{}", moved.text());
    assert!(world.home("public").join("moved/in/file").is_file());
    // Who may not rename at one end moves nothing, and what is not there is told of by the name that its user has for it.
    let mut carol = enter(&daemon, "carol");
    assert_eq!(carol.upload("own", b"hers").1, "done");
    assert_eq!(word(&mut carol, "RENAME own team/inbox/hers"), "denied");
    assert_eq!(word(&mut alice, "RENAME public/nothing here"), "not-found");
    // In one batch, with what is in the home before and behind it.
    for name in ["a", "public/b", "c", "public/d", "team/inbox/e"] {
        alice.start_upload(name, name.as_bytes());
    }
    (0..5).for_each(|_| assert_eq!(alice.reply().1, "done"));
    assert_eq!(fs::read(world.home("inbox").join("e")).unwrap(), b"team/inbox/e");
}

#[test]
fn what_moves_to_a_folder_with_a_quota_must_fit_and_counts_there_and_no_longer_where_it_was() {
    let world = world("");
    let small = "[folders.small]\nquota = \"10 KiB\"\naccess = { alice = \"full\" }\n[folders.large]\nquota = \"1 MiB\"\naccess = { alice = \"full\" }\n";
    world.set_users(&users(small));
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(word(&mut alice, "MKDIR large/tree"), "done");
    for name in ["large/tree/a", "large/tree/b", "large/c"] {
        assert_eq!(alice.upload(name, &[1; 6 * 1024]).1, "done");
    }
    assert_eq!(word(&mut alice, "RENAME large/tree small/tree"), "quota");
    assert_eq!(alice.download("large/tree/a").unwrap().len(), 6 * 1024);
    assert_eq!(word(&mut alice, "RENAME large/c small/c"), "done");
    assert_eq!(word(&mut alice, "RENAME large/tree/a small/a"), "quota", "what came counts");
    assert_eq!(word(&mut alice, "RENAME small/c c"), "done");
    assert_eq!(word(&mut alice, "RENAME large/tree/a small/a"), "done", "what went counts no more");
    // To the byte, also where a folder went: 1 MiB less what is left there.
    assert_eq!(word(&mut alice, "DELETE large/tree recursive=yes"), "done");
    assert_eq!(alice.upload("large/rest", &vec![1; 1 << 20]).1, "done");
    assert_eq!(alice.upload("large/more", b"x").1, "quota");
}

#[test]
fn a_file_that_two_paths_lead_to_is_not_moved_onto_itself() {
    let world = world("");
    world.set_users(&users("[folders.again]\npath = \"alice/pub\"\naccess = { alice = \"full\" }\n"));
    fs::create_dir_all(world.home("alice").join("pub")).unwrap();
    fs::write(world.home("alice").join("pub/file"), b"only").unwrap();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    for line in ["RENAME pub/file again/file replace=yes", "RENAME again/file pub/file replace=yes"] {
        assert_eq!(word(&mut alice, line), "done", "{line}");
        assert_eq!(alice.download("again/file").unwrap(), b"only");
    }
    // The same by one path; and what is there is only replaced where that is asked for, and a folder never.
    assert_eq!(word(&mut alice, "RENAME pub/file pub/file replace=yes"), "done");
    fs::create_dir(world.home("alice").join("pub/folder")).unwrap();
    for line in [
        "RENAME pub/file pub/file",
        "RENAME pub/file again/file",
        "RENAME again/file pub/file",
        "RENAME pub/folder pub/folder",
        "RENAME pub/folder again/folder",
        "RENAME pub/folder pub/folder replace=yes",
        "RENAME pub/folder again/folder replace=yes",
    ] {
        assert_eq!(word(&mut alice, line), "exists", "{line}");
    }
    fs::remove_dir(world.home("alice").join("pub/folder")).unwrap();
    assert_eq!(alice.download("pub/file").unwrap(), b"only");
    // Nor copied, and a folder goes by no way into itself.
    std::os::unix::fs::symlink("pub", world.home("alice").join("way")).unwrap();
    fs::create_dir(world.home("alice").join("pub/deep")).unwrap();
    for (from, to) in [("pub/file", "again/file"), ("again/file", "pub/file"), ("way/file", "pub/file")] {
        assert_eq!(word(&mut alice, &format!("COPY {from} {to} replace=yes")), "bad-command", "{from} {to}");
    }
    for (method, from, to) in [
        ("COPY", "pub/file", "again/file"),
        ("MOVE", "again/file", "pub/file"),
        ("MOVE", "pub/file", "pub/file"),
        ("MOVE", "pub/deep", "pub/deep"),
        ("COPY", "way/file", "pub/file"),
        ("COPY", "again/deep", "pub/deep"),
        ("COPY", "again/", "pub/into"),
        ("COPY", "way/", "again/into"),
        ("COPY", "pub/deep", "again/deep/into"),
        ("MOVE", "again/deep", "pub/deep/into"),
        ("MOVE", "again/deep", "pub/deep"),
    ] {
        let login = format!("alice:{PASSWORD}");
        let destination = format!("Destination: /~alice/{to}");
        let got = curl(&daemon, &["-u", &login, "-X", method, "-H", &destination], &format!("/~alice/{from}"));
        assert_eq!(got.status, 403, "{method} {from} {to}: {}", got.text());
    }
    let there = fs::read_dir(world.home("alice").join("pub")).unwrap();
    let mut names: Vec<_> = there.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".sealift");
    names.sort();
    assert_eq!(names, ["deep", "file"]);
    assert_eq!(word(&mut alice, "COPY way/file pub/copy replace=yes"), "done");
    fs::remove_file(world.home("alice").join("pub/copy")).unwrap();
    // Another name of it is one, and nothing of the file goes.
    fs::hard_link(world.home("alice").join("pub/file"), world.home("alice").join("linked")).unwrap();
    assert_eq!(word(&mut alice, "RENAME linked again/file replace=yes"), "done");
    assert_eq!(alice.download("pub/file").unwrap(), b"only");
}

#[test]
fn what_moves_while_the_server_is_killed_is_in_one_of_both_folders() {
    let world = world(SHARED);
    let mut daemon = world.start();
    let places = [world.home("alice").join("ball"), world.home("public").join("ball")];
    assert_eq!(enter(&daemon, "alice").upload("ball", b"whole").1, "done");
    for round in 0..5 {
        let mut alice = enter(&daemon, "alice");
        std::thread::scope(|scope| {
            let moving = scope.spawn(move || {
                let lines = ["RENAME ball public/ball", "RENAME public/ball ball"];
                for line in lines.iter().cycle() {
                    alice.line(line);
                    match alice.try_reply() {
                        Some((_, word, _)) => assert!(word == "done" || word == "not-found", "{word}"),
                        None => return,
                    }
                }
            });
            std::thread::sleep(std::time::Duration::from_millis(30 + round * 41));
            daemon.crash(rustix::process::Signal::KILL);
            moving.join().unwrap();
        });
        let there: Vec<_> = places.iter().filter_map(|place| fs::read(place).ok()).collect();
        assert!(!there.is_empty() && there.iter().all(|bytes| bytes == b"whole"), "{there:?}");
        daemon = world.start();
    }
}
