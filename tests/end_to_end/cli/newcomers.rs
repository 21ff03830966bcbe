//! What people stumble over in their first hours, and what they are told then.

use std::fs;

use serde_json::Value;

use super::join::invite;
use crate::common::front::sealiftd;
use crate::common::program::{PASSWORD, World, finish};
use crate::common::text;

const OTHER: &str = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

#[test]
fn a_get_that_was_meant_as_a_put_is_answered_with_that_and_the_other_way_round() {
    let world = World::trusting();
    fs::write(world.local("f"), "f").unwrap();
    let there = world.alice("f");
    world.run(["put", &there, "f"]).code(2).said(&format!("`sealift get {there} f` fetches it"));
    world.run(["put", &there, &world.public("f")]).code(2).said("`sealift cp`");
    world.run(["get", "f", &world.alice("")]).code(2).said(&format!("`sealift put f {}` sends it", world.alice("")));
    world.run(["get", "./f", &world.alice("")]).code(2).said("`sealift put ./f ");
    world.run(["put", "f", "."]).code(2).said("`sealift put FILE HOST/`");
    assert!(!world.remote("alice", "f").exists());
}

#[test]
fn a_path_that_leads_through_a_file_names_that_file() {
    let world = World::trusting();
    fs::create_dir_all(world.remote("alice", "d")).unwrap();
    fs::write(world.remote("alice", "d/f"), "f").unwrap();
    fs::write(world.local("x"), "x").unwrap();
    let below = world.alice("d/f/g/x");
    for args in
        [&["get", &below][..], &["ls", &below], &["put", "x", &below], &["mkdir", "-p", &below], &["rm", &below]]
    {
        world.run(args).code(1).said("d/f is no folder");
    }
}

#[test]
fn folders_that_were_there_are_not_counted_as_made() {
    let world = World::trusting();
    fs::create_dir_all(world.local("tree/sub")).unwrap();
    fs::write(world.local("tree/sub/f"), "f").unwrap();
    let summary = |args: &[&str]| -> Value {
        let done = world.run([&["put", "--json", "-r", "tree", &world.alice("")], args].concat()).code(0);
        let summary = done.stdout().lines().find(|line| line.contains(r#""event":"summary""#)).unwrap();
        serde_json::from_str(summary).unwrap()
    };
    assert_eq!(summary(&[])["folders"], 2);
    assert_eq!(summary(&[])["folders"], 0);
    fs::create_dir(world.local("tree/new")).unwrap();
    assert_eq!(summary(&["-c"])["folders"], 1, "also where a file is unchanged");
    world.run(["put", "-r", "tree", &world.alice("")]).code(0).said("1 file, 1 B in ");
}

#[test]
fn df_shows_the_room_of_the_disk_to_who_may_fill_it_and_of_the_quota() {
    let world = World::trusting();
    fs::write(world.remote("alice", "f"), vec![0; 4096]).unwrap();
    let df = |target: &str| -> Value {
        let done = world.run(["df", "--json", target]).code(0);
        serde_json::from_str(done.stdout().lines().next().unwrap()).unwrap()
    };
    let of_alice = df(&world.alice(""));
    assert!(of_alice["free"].as_u64().unwrap() > 0 && of_alice["room"] == of_alice["free"], "{of_alice}");
    let shown = world.run(["df", &world.alice("")]).code(0);
    assert!(shown.stdout().contains("quota: none\n room: ") && shown.stdout().contains("server's disk"), "{shown:?}");
    assert_eq!(df(&world.public(""))["free"], Value::Null, "who only reads fills nothing");
    // As `ls -h` and `dd` write sizes.
    assert!(sealiftd(&world, &["user", "set", "alice", "--quota", "1M"]).status.success());
    let bounded = df(&world.alice(""));
    assert_eq!((&bounded["quota"], &bounded["room"]), (&(1 << 20).into(), &((1 << 20) - 4096).into()));
}

#[test]
fn another_key_of_a_known_server_is_called_that_and_is_not_asked_about_as_a_new_one() {
    let world = World::new();
    let server = world.server.address();
    world.run(["trust", "add", &server, "--pin", OTHER]).code(0);
    let refused = world.run(["--trust", "accept-new", "trust", "add", &server]).code(11);
    refused.said("is known by another key").said(world.server.pin()).said("`sealift trust remove");
    let mut asked = world.terminal(["trust", "add", "--also", &server]);
    asked.expect("is known by another key").expect("Trust this server from now on?").line("yes");
    assert_eq!(asked.wait().code(), Some(0));
    world.run(["ls", &server]).code(0);
}

#[test]
fn an_invitation_that_was_used_is_said_before_a_password_is_asked_for() {
    let world = World::new();
    let invitation = invite(&world, &["carol", "--host", &world.server.address()]);
    let list = || text(&sealiftd(&world, &["user", "list"]).stdout);
    let row = |list: &str| list.lines().find(|line| line.starts_with("carol ")).unwrap().to_owned();
    assert!(row(&list()).contains("  invited"), "{}", list());
    assert!(text(&sealiftd(&world, &["user", "list"]).stderr).contains("`sealiftd invite --list` shows"));
    assert!(text(&sealiftd(&world, &["user", "show", "carol"]).stdout).starts_with("carol was invited"));
    let mut joining = world.terminal(["join", &invitation]);
    joining.expect("New password").line("my own words").expect("The same again").line("my own words");
    assert_eq!(joining.wait().code(), Some(0));
    assert!(row(&list()).contains("  yes"), "{}", list());
    let mut again = world.terminal(["join", &invitation]);
    again.expect("may be used already");
    assert_eq!(again.wait().code(), Some(4));
    assert!(!again.shown().contains("New password"), "{}", again.shown());
}

#[test]
fn a_password_of_the_environment_does_not_take_the_place_of_this_machine_s_key() {
    let world = World::trusting();
    let alice = world.alice("");
    world.run(["login", &alice]).code(0);
    let with = |password: &str, args: &[&str]| {
        let mut command = world.command(args);
        command.env("SEALIFT_PASSWORD", password);
        finish(command, b"")
    };
    with("of another server", &["ls", &alice]).code(0);
    world.run(["logout", &alice]).code(0);
    with(PASSWORD, &["ls", &alice]).code(0);
    with("of another server", &["ls", &alice]).code(4).said("The password came from SEALIFT_PASSWORD");
}

#[test]
fn who_is_added_is_told_what_to_try_first_and_that_the_last_day_is_over() {
    let world = World::new();
    let add = |name: &str, more: &[&str]| {
        let mut command = world.server.command(&["user", "add", name, "--password-stdin"]);
        command.args(more);
        finish(command, b"a good password\n").code(0)
    };
    for (name, more, first) in [
        ("eric", &[][..], "sealift ls eric@HOST/"),
        ("scanner", &["--access", "upload"], "sealift put FILE scanner@HOST/"),
        ("fetcher", &["--access", "download"], "sealift get fetcher@HOST/FILE"),
        ("root", &["--access", "none", "--admin"], "sealift who root@HOST"),
    ] {
        let done = add(name, more);
        assert!(done.stdout().contains(&format!("Try:\n  {first}\n")), "{done:?}");
    }
    add("late", &["--expires", "2020-01-31"]).said("late cannot log in: --expires 2020-01-31 is over");
    for command in ["delete", "rm", "del"] {
        assert!(sealiftd(&world, &["user", command, "late"]).status.success() == (command == "delete"));
    }
}

#[test]
fn kicking_somebody_who_is_not_there_leads_to_who_is() {
    let world = World::trusting();
    world.server.add_user_with("root", PASSWORD, &["--admin"]);
    let root = format!("root@{}", world.server.address());
    world.run(["kick", &root, "nobody"]).code(3).said("`sealift who HOST` shows who is connected");
    world.run_with(["shell", &root], b"kick nobody\n").said("`who` shows who is connected");
}

#[test]
fn who_may_only_deliver_is_not_told_to_make_a_folder() {
    let world = World::trusting();
    fs::write(world.local("f"), "f").unwrap();
    fs::create_dir(world.remote("bob", "inbox")).unwrap();
    let bob = |path: &str| format!("bob@{}/{path}", world.server.address());
    world.run(["put", "f", &bob("inbox/")]).code(0);
    assert!(world.remote("bob", "inbox/f").exists());
    let done = world.run(["put", "f", &bob("other/")]).code(3).said("ask whoever sent you here");
    assert!(!done.stderr.contains("mkdir"), "{}", done.stderr);
    // Who may make folders without looking has it made.
    world.run(["put", "f", &world.alice("new/")]).code(0);
    assert!(world.remote("alice", "new/f").exists());
}
