//! `sealiftd explain`: what it says, and that a running server does the same.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::common::{Daemon, RawClient, World, all_asks, enter, sealiftd, text};
use crate::folders::{SHARED, world};

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A place with a users file: alice lists and downloads, bob administers and may do everything but delete.
fn place() -> TempDir {
    let place = TempDir::new().unwrap();
    let file = format!(
        "[anonymous]\nenabled = false\n\
         [users.alice]\npassword = \"{HASH}\"\nhome = \"team/alice\"\naccess = [\"list\", \"download\"]\n\
         [users.\"bob b\"]\npassword = \"{HASH}\"\naccess = [\"list\", \"download\", \"upload\", \"rename\", \"mkdir\"]\nadmin = true\n\
         [users.\"e\u{301}va\"]\npassword = \"{HASH}\"\naccess = [\"list\"]\n"
    );
    fs::write(place.path().join("users.toml"), file).unwrap();
    place
}

/// The exit code and everything it said.
fn explain(place: &Path, args: &[&str]) -> (i32, String) {
    let output = sealiftd(place).arg("explain").args(args).output().unwrap();
    (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn a_missing_right_is_named_with_the_rule_and_what_to_write() {
    let place = place();
    let (code, said) = explain(place.path(), &["alice", "delete", "docs/x"]);
    assert_eq!(code, 5);
    assert_eq!(
        said,
        "alice may not DELETE docs/x: needs the right `delete`; alice has list, download (users.toml, [users.alice]).\n  \
         To allow it: sealiftd user set alice --access list,download,delete\n"
    );
}

#[test]
fn what_is_allowed_says_by_which_right_and_where_it_is() {
    let place = place();
    let (code, said) = explain(place.path(), &["alice", "DOWNLOAD", "a file"]);
    assert_eq!(code, 0);
    assert_eq!(
        said,
        "alice may DOWNLOAD a file: needs the right `download`; alice has list, download (users.toml, [users.alice]).\n  \
         On this machine that is server_data/team/alice/a file.\n"
    );
}

#[test]
fn every_rule_has_its_words() {
    let place = place();
    for (args, code, words) in [
        (&["bob b", "RENAME", "a", "b"][..], 0, "needs the right `rename`"),
        (
            &["bob b", "RENAME", "a", "b", "--with", "replace=yes"],
            5,
            "needs the rights `overwrite` and `rename`; bob b has ",
        ),
        (&["bob b", "UPLOAD", "a"], 0, "never replaces one that is there: bob b lacks the right `overwrite`"),
        (&["e\u{301}va", "LIST"], 0, "[users.\"e\u{301}va\"]"),
        (&["bob b", "WHO"], 0, "it is for administrators, and bob b is one (users.toml, [users.\"bob b\"])"),
        (&["alice", "SHUTDOWN"], 5, "it is for administrators, and alice is none (users.toml, [users.alice])"),
        (&["alice", "SHUTDOWN"], 5, "sealiftd user set alice --admin yes"),
        (&["alice", "PING"], 0, "everybody who is logged in may"),
        (&["alice", "HASH", "x", "--with", "partial=yes"], 5, "needs the right `upload`"),
        (&["anonymous", "LIST"], 5, "anonymous reading is off (users.toml, [anonymous])"),
        (&["carol", "LIST"], 5, "users.toml has no such user"),
        (&["Alice", "LIST"], 5, "There is alice: upper and lower case matter"),
        (&["alice", "DOWNLOAD", "../x"], 5, "and nobody may: "),
        (&["alice", "DOWNLOAD", "//etc/passwd"], 5, "(bad-path)"),
        (&["alice", "LIST", "a/.Sealift"], 5, "`.sealift` is reserved"),
        (&["alice", "LIST", "a/.Sealift"], 5, "(not-found)"),
        // Names on a command line are what they are: nothing in them is an option or an escape.
        (&["alice", "DOWNLOAD", "a=b%20c"], 0, "server_data/team/alice/a=b%20c"),
        (&["alice", "DOWNLOAD", "a\u{1b}b"], 5, "a\\x1bb"),
    ] {
        let (found, said) = explain(place.path(), args);
        assert_eq!(found, code, "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
}

#[test]
fn anonymous_cannot_be_given_more_than_reading() {
    let place = TempDir::new().unwrap();
    fs::write(place.path().join("users.toml"), "[anonymous]\nenabled = true\n").unwrap();
    assert_eq!(explain(place.path(), &["ftp", "DOWNLOAD", "x"]).0, 0);
    let (code, said) = explain(place.path(), &["anonymous", "UPLOAD", "x"]);
    assert!(code == 5 && said.contains("(users.toml, [anonymous])") && said.contains("only ever reads"), "{said}");
}

#[test]
fn what_is_no_question_is_a_usage_error() {
    let place = place();
    for args in [
        &["alice"][..],
        &["alice", "FROBNICATE"],
        &["alice", "DELETE"],
        &["alice", "DELETE", "a", "b"],
        &["alice", "LIST", "a", "--with", "recursive"],
        &["alice", "LIST", "a", "--with", "recursive=perhaps"],
        &["alice", "LIST", "a", "--with", "replace=yes"],
    ] {
        let (code, said) = explain(place.path(), args);
        assert_eq!(code, 2, "{args:?}: {said}");
    }
    let empty = TempDir::new().unwrap();
    assert_eq!(explain(empty.path(), &["alice", "LIST"]).0, 3, "no users file");
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[test]
fn a_running_server_does_what_is_explained() {
    let daemon = Daemon::start();
    let users =
        ["none", "list", "download", "upload", "overwrite", "delete", "rename", "mkdir", "rename,overwrite", "full"];
    for access in users {
        daemon.add_user(access, "correct-horse", access);
    }
    let mut compared = 0;
    for user in users.into_iter().chain(["anonymous"]) {
        let mut client = RawClient::logged_in(&daemon, user, "correct-horse");
        for path in ["some/file", "../file", ".sealift/x"] {
            for ask in all_asks(path, "another") {
                let ((_, word, _), _) = ask.send(&mut client);
                let reserved_or_bad = path != "some/file";
                let refused =
                    word == "denied" || (reserved_or_bad && ["bad-path", "not-found"].contains(&word.as_str()));
                let mut words = ask.line.split(' ');
                let mut args = vec!["explain", user, words.next().unwrap()];
                for word in words {
                    args.extend(word.contains('=').then_some("--with"));
                    args.push(word);
                }
                let status = daemon.command(&args).stdout(std::process::Stdio::null()).status().unwrap();
                let expected = if refused { 5 } else { 0 };
                assert_eq!(status.code(), Some(expected), "{user}: {}: the server says {word}", ask.line);
                compared += 1;
            }
        }
    }
    assert!(compared > 300, "{compared}");
}

/// The shared folders themselves, and those above them, are for the administrator to move: the server refuses it, whatever rights there are.
#[test]
fn what_changes_the_name_of_a_shared_folder_is_explained_as_the_server_takes_it() {
    let world = world(SHARED);
    for folder in ["alice/own", "alice/team/beside", "inbox/in"] {
        fs::create_dir_all(world.home(folder)).unwrap();
    }
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let shared = "may not DELETE team/inbox, and nobody may: team/inbox is a shared folder";
    for (line, code, words) in [
        ("DELETE team/inbox", 5, shared),
        ("DELETE team", 5, "the shared folder team/inbox is in team"),
        ("RENAME team/inbox own/x", 5, "team/inbox is a shared folder"),
        ("RENAME own team", 5, "the shared folder team/inbox is in team"),
        ("RENAME public own/x", 5, "public is a shared folder"),
        ("RENAME team/inbox/in team/inbox/out", 0, "alice may RENAME"),
        ("DELETE team/beside", 0, "alice may DELETE"),
        ("DELETE own", 0, "alice may DELETE"),
    ] {
        let word = alice.ask(line).1;
        assert_eq!(word == "denied", code == 5, "{line}: {word}");
        let args: Vec<&str> = line.split(' ').collect();
        let (status, said) = explain(world.place(), &args_of("alice", &args));
        assert!(status == code && said.contains(words), "{line}: {status} {said}");
    }
}

fn args_of<'a>(user: &'a str, line: &[&'a str]) -> Vec<&'a str> {
    [&[user], line].concat()
}

#[test]
fn a_link_is_explained_as_the_server_takes_it() {
    let world = world(&format!("{SHARED}[[users.alice.rules]]\npath = \"/docs/secret\"\naccess = []\n"));
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    for folder in ["docs/secret", "papers"] {
        fs::create_dir_all(world.home("alice").join(folder)).unwrap();
    }
    assert_eq!(alice.ask("MKDIR public/sub").1, "done");
    assert_eq!(alice.upload("docs/f", b"x").1, "done");
    let mut carol = enter(&daemon, "carol");
    for (user, line, may) in [
        ("alice", "LINK papers", true),
        ("alice", "LINK papers drop=yes", true),
        ("alice", "LINK docs/f", true),
        ("alice", "LINK docs/secret", false),
        ("alice", "LINK docs drop=yes", false),
        ("alice", "LINK public", true),
        ("alice", "LINK public/sub", true),
        ("alice", "LINK public drop=yes", true),
        ("carol", "LINK public", false),
        ("carol", "LINK public/sub", false),
        ("carol", "LINK team/inbox drop=yes", false),
    ] {
        let word = if user == "alice" { alice.ask(line) } else { carol.ask(line) }.1;
        assert_eq!(word == "denied", !may, "{user}: {line}: {word}");
        let mut words = vec!["explain", user];
        for word in line.split(' ') {
            words.extend(word.contains('=').then_some("--with"));
            words.push(word);
        }
        let output = daemon.command(&words).output().unwrap();
        assert_eq!(output.status.code(), Some(if may { 0 } else { 5 }), "{line}: {}", text(&output.stdout));
    }
    // What it cannot know is said: there is no looking whether it is a folder.
    assert_eq!(alice.ask("LINK docs").1, "denied");
    let output = daemon.command(&["explain", "alice", "LINK", "docs"]).output().unwrap();
    assert!(text(&output.stdout).contains("Not if it is a folder: "), "{}", text(&output.stdout));
}

#[test]
fn commands_and_paths_are_taken_as_people_write_them() {
    let place = place();
    for (word, meant) in [("get", "DOWNLOAD"), ("put", "UPLOAD"), ("rm", "DELETE"), ("ls", "LIST")] {
        let (code, said) = explain(place.path(), &["alice", word, "f"]);
        let expected = explain(place.path(), &["alice", meant, "f"]);
        assert_eq!((code, said), expected, "{word}");
        assert!(expected.1.contains(meant) && matches!(expected.0, 0 | 5), "{word}: {expected:?}");
    }
    // As in rules, in the shell's prompt and in lists.
    for (rooted, plain) in
        [(&["alice", "LIST", "/"][..], &["alice", "LIST"][..]), (&["alice", "get", "/a/b"], &["alice", "get", "a/b"])]
    {
        assert_eq!(explain(place.path(), rooted), explain(place.path(), plain), "{rooted:?}");
    }
    let (code, said) = explain(place.path(), &["alice", "get", "//a"]);
    assert!(code == 5 && said.contains("not with a slash"), "{said}");
}

#[test]
fn what_a_rule_takes_is_not_advised_to_be_given_to_the_home() {
    let world = World::of(&["alice"]);
    let file = world.place().join("users.toml");
    let rule = "\n[[users.alice.rules]]\npath = \"/a/**\"\naccess = \"read\"\n";
    fs::write(&file, fs::read_to_string(&file).unwrap() + rule).unwrap();
    for verb in ["TRASH", "PURGE"] {
        let (_, said) = explain(world.place(), &["alice", verb, "a"]);
        assert!(said.contains("may not") && said.contains("path /a/**") && !said.contains("user set"), "{said}");
    }
}
