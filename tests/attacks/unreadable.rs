//! Folders that the server's account, or the person's, cannot read: named, counted, and the rest goes on.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::common::program::{World, without_override};

/// A folder with something that can be read, and two folders that cannot.
fn fill(root: &Path) {
    for folder in ["open", "priv", "open/inner,x"] {
        fs::create_dir_all(root.join(folder)).unwrap();
        fs::write(root.join(folder).join("x"), "x").unwrap();
    }
    for closed in ["priv", "open/inner,x"] {
        fs::set_permissions(root.join(closed), Permissions::from_mode(0o000)).unwrap();
    }
}

#[test]
fn unreadable_folder() {
    let world = World::trusting_through(without_override());
    fill(&world.remote("alice", "m"));
    let named = ["m/priv: it could not be read by the server", "m/open/inner,x: it could not be read by the server"];

    let got = world.run(["get", "-r", &world.alice("m"), "got"]).code(10);
    named.iter().for_each(|name| assert!(got.stderr.contains(name), "{}", got.stderr));
    assert!(got.stderr.contains("2 failed") && world.local("got/open/x").exists());
    let json = world.run(["get", "-r", "--json", &world.alice("m"), "got"]).code(10);
    let last: Value = serde_json::from_str(json.stdout().lines().last().unwrap()).unwrap();
    assert_eq!((&last["failed"], &last["files"]), (&2.into(), &1.into()));

    for args in [&["ls", "-r"][..], &["ls", "-lr"], &["ls", "-r", "--json"]] {
        let target = world.alice("m");
        let seen = world.run(args.iter().chain(&[&*target])).code(10);
        named.iter().for_each(|name| assert!(seen.stderr.contains(name), "{}", seen.stderr));
        assert!(seen.stdout().contains("open/x"), "{}", seen.stdout());
    }
    // To a program each is one object, with its path.
    let json = world.run(["ls", "-r", "--json", &world.alice("m")]).code(10);
    let objects: Vec<Value> = json.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut paths: Vec<&str> = objects.iter().map(|object| object["path"].as_str().unwrap()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["m/open/inner,x", "m/priv"]);
    assert!(
        objects.iter().all(|object| object["error"] == "io-error" && object["side"] == "server"),
        "{}",
        json.stderr
    );
    world.run(["ls", &world.alice("m")]).code(0);
    let mirrored = world.run(["mirror", &world.alice("m"), "./copy"]).code(10);
    named.iter().for_each(|name| assert!(mirrored.stderr.contains(name), "{}", mirrored.stderr));
}

#[test]
fn so_many_unreadable_folders_that_not_all_can_be_named_are_all_counted() {
    let world = World::trusting_through(without_override());
    for number in 0..40 {
        let folder = world.remote("alice", format!("m/{}{number}", "n".repeat(250)));
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o000)).unwrap();
    }
    let seen = world.run(["ls", "-rv", &world.alice("m")]).code(10);
    let named = seen.stderr.matches(": it could not be read").count();
    assert!(named > 10 && named < 40, "{}", seen.stderr);
    assert!(seen.stderr.contains(&format!("m: {} of the folders in it could not be read", 40 - named)), "{named}");
}

#[test]
fn a_folder_of_mine_that_cannot_be_read_fails_and_the_rest_is_sent() {
    let world = World::trusting();
    fill(&world.local("src"));
    let target = world.alice("up");
    let sent = world.run_through(without_override(), ["put", "-r", "--json", "src", &target]).code(10);
    let last: Value = serde_json::from_str(sent.stdout().lines().last().unwrap()).unwrap();
    assert_eq!((&last["failed"], &last["files"]), (&2.into(), &1.into()));
    assert!(sent.stderr.contains("src/priv") && sent.stderr.contains("src/open/inner,x"), "{}", sent.stderr);
    assert!(world.remote("alice", "up/open/x").exists());
}

#[test]
fn names_kept_for_unfinished_files_are_left_out_and_told_both_ways() {
    let world = World::trusting();
    let said = ".x.sealift-part: a name that Sealift keeps for itself";
    fs::create_dir(world.local("src")).unwrap();
    fs::write(world.local("src/.x.sealift-part"), "half").unwrap();
    fs::write(world.local("src/a"), "whole").unwrap();
    let sent = world.run(["put", "-r", "src", &world.alice("up")]).code(0).said(said);
    assert!(sent.stderr.contains("1 skipped") && !world.remote("alice", "up/.x.sealift-part").exists());
    fs::create_dir(world.remote("alice", "up/.x.sealift-part")).unwrap();
    fs::write(world.remote("alice", "up/.x.sealift-part/inside"), "x").unwrap();
    let got = world.run(["get", "-r", &world.alice("up"), "got"]).code(0).said(said);
    assert!(got.stderr.contains("1 skipped") && !world.local("got/.x.sealift-part").exists(), "{}", got.stderr);
}

#[test]
fn a_path_of_mine_that_is_too_deep_or_too_long_is_no_wrong_usage() {
    let world = World::trusting();
    let hint = "Shorten the names or use fewer folders";
    let deep = vec!["d"; sealift::limits::DEPTH_MAX].join("/");
    fs::create_dir_all(world.local("src").join(&deep)).unwrap();
    fs::write(world.local("src").join(&deep).join("x"), "x").unwrap();
    world.run(["put", "-r", "src", &world.alice("")]).code(1).said(hint);
    fs::write(world.local("x"), "x").unwrap();
    world.run(["put", "x", &world.alice(&format!("{deep}/x"))]).code(1).said(hint);
    world.run(["put", &"n".repeat(256), &world.alice("x")]).code(1).said(hint);
    world.run(["get", &world.alice("x"), &"n".repeat(256)]).code(1).said(hint);
}
