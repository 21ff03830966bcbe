//! `sealiftd group`, `sealiftd folder` and the rules of `sealiftd user set`: what else is written into users.toml by hand.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{Daemon, PASSWORD, RawClient, World, end_of, enter, eventually, sealiftd, text};

fn run(place: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = sealiftd(place);
    command.args(args);
    let output = end_of(command, &format!("{PASSWORD}\n"));
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn done(place: &Path, args: &[&str]) -> String {
    let (code, out, err) = run(place, args);
    assert_eq!(code, 0, "{args:?}: {err}");
    out
}

fn words<'a>(line: &'a str, quoted: &[&'a str]) -> Vec<&'a str> {
    line.split(' ').chain(quoted.iter().copied()).collect()
}

/// A place with these users and no server.
fn place_of(users: &[&str]) -> TempDir {
    let place = TempDir::new().unwrap();
    users.iter().for_each(|user| drop(done(place.path(), &["user", "add", user, "--password-stdin"])));
    place
}

#[test]
fn what_is_shared_by_commands_counts_for_sessions_that_are_open() {
    let daemon = Daemon::start();
    let place = daemon.place();
    for user in ["alice", "bob"] {
        daemon.add_user(user, PASSWORD, "full");
    }
    let mut alice = RawClient::logged_in(&daemon, "alice", PASSWORD);
    let mut bob = RawClient::logged_in(&daemon, "bob", PASSWORD);

    done(place, &["group", "add", "editors", "alice"]);
    let said = done(place, &words("folder add public --access anonymous=read --access @editors=full", &[]));
    assert!(said.starts_with("The folder public is shared (") && said.contains("within a second"), "{said}");
    let port = format!("HOST:{}", daemon.port());
    let first = format!("Try:\n  sealift put FILE alice@{port}/public\n  sealift ls {port}/\n");
    assert!(said.ends_with(&first), "{said}");
    assert_eq!(alice.upload("public/news", b"hello").1, "done");
    let mut anybody = RawClient::connect(&daemon);
    anybody.login("anonymous", "");
    assert_eq!(anybody.download("news").unwrap(), b"hello");
    assert_eq!(bob.ask("STAT public").1, "not-found");

    let said = done(place, &words("group set editors --add bob --remove alice", &[]));
    assert!(said.contains("members  alice -> bob\n"), "{said}");
    assert_eq!(bob.upload("public/more", b"x").1, "done");
    assert_eq!(alice.ask("STAT public").1, "not-found");

    done(
        place,
        &words("folder add box --as team/inbox --access alice=full --quota 10MiB", &["--access", "*=upload,list"]),
    );
    assert_eq!(bob.upload("team/inbox/letter", b"dear alice").1, "done");
    assert_eq!(bob.upload("team/inbox/letter", b"another").1, "denied");
    assert_eq!(alice.download("team/inbox/letter").unwrap(), b"dear alice");
    let said = done(place, &words("folder set box --access bob=none --quota none --trash 30d", &[]));
    for row in ["quota         10 MiB -> none\n", "trash         none -> 30d\n", "for bob       not said -> none\n"] {
        assert!(said.contains(row), "{row}\n{said}");
    }
    assert_eq!(bob.ask("STAT team/inbox").1, "not-found", "whatever all have");
    done(place, &words("folder set box --without bob", &[]));
    assert_eq!(bob.ask("STAT team/inbox").1, "stat");
    assert!(done(place, &["folder", "set", "box"]).starts_with("Nothing changes"));

    done(place, &["folder", "remove", "box"]);
    assert_eq!(alice.ask("STAT team/inbox").1, "not-found");
    assert_eq!(fs::read(daemon.data().join("box/letter")).unwrap(), b"dear alice", "it stays");
}

#[test]
fn rules_for_a_part_of_a_home_are_set_shown_and_taken_away() {
    let daemon = Daemon::start();
    let place = daemon.place();
    daemon.add_user("alice", PASSWORD, "full");
    let mut alice = RawClient::logged_in(&daemon, "alice", PASSWORD);
    assert_eq!(alice.ask("MKDIR 2025").1, "done");
    let said = done(place, &words("user set alice --rule /**=full --rule /2025/**=read", &[]));
    assert!(said.contains("rules         none -> /2025/**: read; /**: full\n"), "the narrower first: {said}");
    assert_eq!(alice.upload("2025/f", b"x").1, "denied");
    assert_eq!(alice.upload("f", b"x").1, "done");
    assert!(done(place, &["user", "show", "alice"]).contains("  rule          /2025/**: read\n"));
    done(place, &words("user set alice --no-rule /2025/**", &[]));
    assert_eq!(alice.upload("2025/f", b"x").1, "done");
    done(place, &words("user add carol --password-stdin --rule /x=none", &[]));
    assert!(
        fs::read_to_string(place.join("users.toml"))
            .unwrap()
            .ends_with("\n[[users.carol.rules]]\npath = \"/x\"\naccess = []\n")
    );
    for (args, code, hint) in [
        (&["--no-rule", "/x"][..], 3, "`sealiftd user show alice`"),
        (&["--rule", "2025=read"], 2, "must begin with a slash"),
        (&["--rule", "/2025"], 2, "write PATH=RIGHTS"),
        (&["--rule", "/2025=reed"], 2, "'reed' is no access right"),
    ] {
        let (found, _, said) = run(place, &[&["user", "set", "alice"], args].concat());
        assert!(found == code && said.contains(hint), "{args:?} {found}: {said}");
    }
}

/// The first rule that is about a path counts: one that takes away stands before one that gives, and what stands otherwise is said.
#[test]
fn a_rule_that_takes_away_counts_whatever_was_set_before_and_one_that_is_hidden_is_named() {
    let daemon = Daemon::start();
    let place = daemon.place();
    daemon.add_user("alice", PASSWORD, "full");
    done(place, &words("user set alice --rule /bob/**=full", &[]));
    let said = done(place, &words("user set alice --rule /*/private/**=none", &[]));
    assert!(said.contains("-> /*/private/**: none; /bob/**: full\n"), "{said}");
    let mut alice = RawClient::logged_in(&daemon, "alice", PASSWORD);
    assert_eq!(alice.ask("MKDIR bob/private parents=yes").1, "denied");
    assert_eq!(alice.ask("MKDIR bob/public parents=yes").1, "done");
    let (code, out, _) = run(place, &["check"]);
    assert!(code == 0 && !out.contains("the rule of"), "{out}");
    // As somebody may write it by hand.
    let file = place.join("users.toml");
    let text = fs::read_to_string(&file).unwrap();
    let (before, _) = text.split_once("\n[[users.alice.rules]]").unwrap();
    let rule = |path: &str, access: &str| format!("[[users.alice.rules]]\npath = \"{path}\"\naccess = {access}\n");
    let rules = rule("/bob/**", "\"full\"") + &rule("/*/private/**", "[]") + &rule("/bob/x", "\"read\"");
    fs::write(&file, format!("{before}\n{rules}")).unwrap();
    let line = 1 + format!("{before}\n").lines().count();
    let hidden = [
        format!(
            "users.toml:{}: the rule of alice for /*/private/** does not count where the one for /bob/** (line {}) does",
            line + 4,
            line + 1
        ),
        format!(
            "users.toml:{}: the rule of alice for /bob/x never counts: the one for /bob/** (line {}) stands before it",
            line + 7,
            line + 1
        ),
    ];
    let (code, out, _) = run(place, &["check"]);
    let shown = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(code, 0, "warnings: {out}");
    hidden.iter().for_each(|said| assert!(shown.contains(said), "{said}\n{out}"));
    // What is set anew goes where it counts; what still does not is said.
    let (code, _, said) = run(place, &words("user set alice --rule /bob/x=read", &[]));
    assert!(code == 0 && !said.contains("never counts") && said.contains("for /*/private/** does not"), "{said}");
    assert!(said.contains("sealiftd user set alice --rule '/*/private/**=RIGHTS'"), "{said}");
    let (_, _, said) = run(place, &words("user set alice --rule /*/private/**=none", &[]));
    assert!(!said.contains("the rule of"), "{said}");
}

#[test]
fn groups_and_folders_are_listed_and_shown() {
    let place = place_of(&["alice", "bob"]);
    let place = place.path();
    done(place, &["group", "add", "editors", "bob"]);
    done(place, &["group", "add", "all", "@editors", "alice"]);
    done(
        place,
        &words(
            "folder add docs --path team/docs --as papers --quota 1GiB --access alice=read",
            &["--access", "@all=full"],
        ),
    );
    assert_eq!(
        done(place, &["group", "list"]),
        "GROUP    MEMBERS          FOLDERS\nall      @editors, alice  docs\neditors  bob              \n"
            .replace("              \n", "\n")
    );
    let shown = done(place, &["group", "show", "all"]);
    let rows =
        "  members       @editors, alice\n  users         alice, bob\n  shared folder /papers: full ([folders.docs])\n";
    assert_eq!(shown, format!("all has 2 users in it.\n{rows}"));
    let json: Value = serde_json::from_str(&done(place, &["group", "show", "all", "--json"])).unwrap();
    assert_eq!(
        json,
        json!({ "group": "all", "members": ["@editors", "alice"], "users": ["alice", "bob"], "folders": ["docs"] })
    );
    let listed = done(place, &["folder", "list"]);
    assert!(listed.contains("docs    server_data/team/docs  /papers   @all=full alice=read  1 GiB  none"), "{listed}");
    let shown = done(place, &["folder", "show", "docs"]);
    for row in [
        "place         server_data/team/docs",
        "for @all      full",
        "has it        alice: read (alice)",
        "has it        bob: full (@all)",
    ] {
        assert!(shown.contains(row), "{row}\n{shown}");
    }
    let json: Value = serde_json::from_str(&done(place, &["folder", "list", "--json"])).unwrap();
    assert_eq!(
        (&json["path"], &json["access"]["alice"], &json["users"][1]["given_to"]),
        (&"/papers".into(), &json!(["list", "download"]), &"@all".into())
    );
    assert!(run(place, &["group", "remove", "editors"]).0 == 2, "it is in another one");
    done(place, &["group", "set", "all", "--members", "alice"]);
    done(place, &["group", "remove", "editors"]);
    done(place, &["folder", "remove", "docs"]);
    done(place, &["group", "remove", "all"]);
    assert!(run(place, &["group", "list"]).2.contains("`sealiftd group add NAME MEMBER…`"));
    assert!(run(place, &["folder", "list"]).2.contains("`sealiftd folder add --help`"));
}

#[test]
fn mistakes_are_refused_before_anything_is_written_and_told_with_what_helps() {
    let place = place_of(&["alice", "bob"]);
    let place = place.path();
    let file = place.join("users.toml");
    done(place, &["group", "add", "editors", "bob"]);
    done(place, &words("folder add docs --access alice=full --access @editors=read", &[]));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let before = fs::read_to_string(&file).unwrap();
    let state = place.join("server_state").display().to_string();
    let certs = place.join("certs").display().to_string();
    fs::create_dir(&certs).unwrap();
    for (line, code, hint) in [
        ("group add editors", 11, "`sealiftd group set editors --add MEMBER`"),
        ("group add ftp", 2, "kept for anonymous"),
        ("group add new carol", 3, "`sealiftd user list`"),
        ("group add new editors", 3, "there is no user 'editors'"),
        ("group add new editors", 3, "editors is a group, and a group is written with @ before its name: @editors."),
        ("folder add new --access all=read", 3, "'*', in quotes, is everybody who has a login; anonymous is everybody"),
        ("group set editor --add alice", 3, "did you mean 'editors'?"),
        ("group set editors --add @editors", 2, "in a circle"),
        ("group set editors --remove alice", 3, "`sealiftd group show editors`"),
        ("group remove editors", 2, "sealiftd folder set docs --without @editors"),
        ("group show none", 3, "`sealiftd group list`"),
        ("folder add docs --access bob=read", 11, "`sealiftd folder set docs`"),
        ("folder add new", 2, "--access @editors=full"),
        ("folder add new --access alice", 2, "write WHO=RIGHTS"),
        ("folder add new --access alice=raed", 2, "'raed' is no access right"),
        ("folder add new --access carol=read", 3, "`sealiftd group list`"),
        ("folder add new --access editors=read", 3, "a group is written with @ before its name: @editors."),
        ("folder set docs --access editors=full", 3, "before its name: @editors."),
        ("folder add new --access anonymous=full", 2, "anonymous only ever reads"),
        ("folder add a/b --access alice=read", 2, "set `path`"),
        ("folder add new --path docs --access alice=read", 2, "are the same folder"),
        ("folder add new --as docs --access alice=read", 2, "--as PATH says where it appears"),
        ("folder add new --path /no/such --access alice=read", 3, "Make that folder first"),
        ("folder set doc --access bob=read", 3, "did you mean 'docs'?"),
        ("folder set docs --without bob", 3, "`sealiftd folder show docs`"),
        ("folder set docs --quota lots", 2, "with a unit"),
        ("folder set docs --path /no/such", 3, "Make that folder first"),
        ("folder show none", 3, "`sealiftd folder list`"),
        ("folder remove none", 3, "`sealiftd folder list`"),
        (
            &format!("folder add new --path {certs} --access alice=read"),
            2,
            "Share a folder that has nothing of the server",
        ),
        (
            &format!("folder add new --path {state} --access alice=read"),
            2,
            "Share a folder that has nothing of the server",
        ),
    ] {
        let (found, _, said) = run(place, &words(line, &[]));
        assert!(found == code && said.contains(hint), "{line} {found}: {said}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
}

#[test]
fn what_the_name_of_a_folder_hides_and_who_sees_into_it_is_told() {
    let place = place_of(&["alice"]);
    let place = place.path();
    fs::create_dir_all(place.join("server_data/alice/docs")).unwrap();
    let (code, _, said) = run(place, &words("folder add docs --access alice=full", &[]));
    assert!(code == 0 && said.contains("hides what the home of alice has at /docs"), "{said}");
    let (code, _, said) = run(place, &words("folder add hers --path alice/sub --access alice=full", &[]));
    assert!(code == 0 && said.contains("lies in the home of alice"), "{said}");
    let text = fs::read_to_string(place.join("users.toml")).unwrap();
    fs::write(place.join("users.toml"), text.replace("enabled = true", "enabled = false")).unwrap();
    let (code, _, said) = run(place, &words("folder set docs --access anonymous=read", &[]));
    assert!(code == 0 && said.contains("anonymous reading is off"), "{said}");
}

#[test]
fn a_folder_that_a_confined_server_cannot_reach_is_told_to_wait_for_a_restart() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let elsewhere = TempDir::new().unwrap();
    let path = elsewhere.path().display().to_string();
    done(world.place(), &words(&format!("folder add isos --path {path} --access alice=read"), &[]));
    // A server that is busy may say so later than the command waits.
    eventually("the server has said so", || {
        let (code, out, said) = run(world.place(), &words("folder set isos --access alice=full", &[]));
        done(world.place(), &words("folder set isos --access alice=read", &[]));
        code == 0 && said.contains("needs a restart") && !out.contains("within a second")
    });
    daemon.stop();
    let daemon = world.start();
    assert_eq!(enter(&daemon, "alice").ask("STAT isos").1, "stat");
}

#[test]
fn the_first_command_makes_a_users_file_and_a_wrong_one_makes_none() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("users.toml");
    assert_eq!(run(place.path(), &words("folder add docs --access carol=read", &[])).0, 3);
    assert_eq!(run(place.path(), &words("group add editors carol", &[])).0, 3);
    assert!(!file.exists());
    let (code, _, said) = run(place.path(), &words("folder add docs --access *=read", &[]));
    assert!(code == 0 && said.contains("did not exist and has been made"), "{said}");
    assert!(fs::read_to_string(&file).unwrap().ends_with("\n[folders.docs]\naccess = { \"*\" = \"read\" }\n"));
}
