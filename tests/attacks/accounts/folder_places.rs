//! Shared folders whose path leads to another directory while sessions are open, or to none.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::common::not_run::not_run;
use crate::common::place::Place;
use crate::common::web::curl;
use crate::common::{Daemon, PASSWORD, World, enter, eventually, section};

/// A server whose alice has a shared folder that is not below its data folder, and where that is.
fn elsewhere() -> (World, TempDir) {
    let (world, elsewhere) = (World::of(&["alice"]), TempDir::new().unwrap());
    let isos = elsewhere.path().join("isos");
    fs::create_dir(&isos).unwrap();
    let alice = section("alice", "\"full\"", "alice");
    let folder = format!("[folders.isos]\npath = \"{}\"\naccess = {{ alice = \"full\" }}\n", isos.display());
    world.set_users(&format!("{alice}{folder}"));
    (world, elsewhere)
}

/// Another directory gets the path, by renaming.
fn replace(isos: &Path) {
    fs::rename(isos, isos.with_extension("old")).unwrap();
    fs::create_dir(isos).unwrap();
}

/// What is acknowledged is in the folder that has the path, in sessions from before too.
fn stores_in_what_has_the_path(daemon: &Daemon, isos: &Path, change: impl FnOnce(&Path)) {
    let mut before = enter(daemon, "alice");
    assert_eq!(before.upload("isos/a", b"before").1, "done");
    assert_eq!(before.ask("MKDIR isos/d").1, "done");
    assert_eq!(before.upload("isos/d/a", b"before").1, "done");
    change(isos);
    let mut after = enter(daemon, "alice");
    assert_eq!(after.upload("isos/b", b"after").1, "done");
    // One of the two has looked: both have the same folder.
    assert_eq!(before.upload("isos/c", b"after").1, "done");
    assert_eq!(before.ask("STAT isos/a").1, "not-found");
    assert_eq!(before.ask("STAT isos/d/a").1, "not-found");
    assert_eq!(after.download("isos/c").unwrap(), b"after");
    assert!(isos.join("b").exists() && isos.join("c").exists());
}

#[test]
fn folder_elsewhere_that_another_one_replaces() {
    let (world, elsewhere) = elsewhere();
    let isos = elsewhere.path().join("isos");
    let daemon = world.daemon().args(["--no-sandbox"]).start();
    stores_in_what_has_the_path(&daemon, &isos, replace);
    // The session alone sees it soon.
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.upload("isos/first", b"x").1, "done");
    let kept = isos.with_extension("kept");
    fs::rename(&isos, &kept).unwrap();
    fs::create_dir(&isos).unwrap();
    eventually("it stores in what has the path", || {
        alice.upload("isos/later", b"x").1 == "done" && isos.join("later").exists()
    });
    fs::remove_dir_all(&isos).unwrap();
    eventually("nothing has the path", || alice.upload("isos/later", b"x").1 == "unavailable");
    assert_eq!(alice.upload("own", b"x").1, "done");
    // It comes back.
    fs::rename(&kept, &isos).unwrap();
    assert_eq!(alice.download("isos/first").unwrap(), b"x");
}

#[test]
fn folder_elsewhere_that_a_disk_is_mounted_over() {
    let (world, elsewhere) = elsewhere();
    let isos = elsewhere.path().join("isos");
    let daemon = world.daemon().args(["--no-sandbox"]).start();
    let mut is_mounted = false;
    let mount = || {
        let done = Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&isos).output();
        done.is_ok_and(|done| done.status.success())
    };
    if !mount() {
        return not_run("only root mounts file systems");
    }
    // The server may be looking at it just now.
    assert!(Command::new("umount").arg("-l").arg(&isos).output().unwrap().status.success());
    let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        stores_in_what_has_the_path(&daemon, &isos, |_| is_mounted = mount());
    }));
    drop(daemon);
    let _is_gone_already = Command::new("umount").arg("-l").arg(&isos).output();
    tried.unwrap();
    assert!(is_mounted);
    assert!(!isos.join("c").exists(), "it went to the disk");
}

/// In the sandbox the other directory cannot be reached; what is gone is not written to all the same.
#[test]
fn folder_elsewhere_that_is_replaced_in_the_sandbox() {
    let (world, elsewhere) = elsewhere();
    let isos = elsewhere.path().join("isos");
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.upload("isos/a", b"before").1, "done");
    replace(&isos);
    eventually("it stores in the one that is gone no more", || {
        let word = alice.upload("isos/b", b"after").1;
        word == "unavailable" || word == "done" && isos.join("b").exists()
    });
    let word = alice.upload("isos/c", b"after").1;
    assert_eq!(enter(&daemon, "alice").upload("isos/c", b"after").1, word, "as new sessions are told");
    assert_eq!(word == "done", isos.join("c").exists());
    if word != "done" {
        daemon.log_with(&["a shared folder cannot be used any more", "that takes a restart"]);
    }
}

/// Whoever synchronises would take what is missing, or is forbidden, for removed.
#[test]
fn folder_elsewhere_that_is_not_there_is_not_gone() {
    let (world, elsewhere) = elsewhere();
    let isos = elsewhere.path().join("isos");
    fs::write(isos.join("f"), "x").unwrap();
    let daemon = world.start();
    fs::rename(&isos, isos.with_extension("old")).unwrap();
    let mut alice = enter(&daemon, "alice");
    for line in ["STAT isos/f", "DOWNLOAD isos/f", "DELETE isos/f", "MKDIR isos/d", "LIST isos", "HASH isos/f"] {
        let answer = alice.ask(line);
        assert_eq!((answer.0, answer.1.as_str()), (451, "unavailable"), "{line}");
    }
    let login = format!("alice:{PASSWORD}");
    for (method, more) in [("GET", &[][..]), ("PROPFIND", &["-H", "Depth: 0"]), ("DELETE", &[])] {
        let args = [&["--user", &*login, "-X", method], more].concat();
        let got = curl(&daemon, &args, "/~alice/isos/f");
        assert_eq!(got.status, 503, "{method}");
        assert_ne!(got.header("retry-after"), "", "{method}");
    }
    let place = Place::new();
    place.knows(daemon.port(), daemon.pin());
    for options in ["-f", "-rf"] {
        let target = format!("alice@{}/isos/f", daemon.address());
        let mut command = place.command(&["rm", options, &target]);
        let output = command.env("SEALIFT_PASSWORD", PASSWORD).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{options}");
    }
    fs::rename(isos.with_extension("old"), &isos).unwrap();
    assert_eq!(enter(&daemon, "alice").download("isos/f").unwrap(), b"x");
}
