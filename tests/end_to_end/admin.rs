//! `sealiftd user` and `sealiftd cert`.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::common::{Daemon, RawClient, Typed, end_of, eventually, sealiftd, text};

/// `sealiftd` with these arguments and this standard input; exit code, output and errors.
fn run(place: &Path, args: &[&str], input: &str) -> (i32, String, String) {
    let mut command = sealiftd(place);
    command.args(args);
    told(&end_of(command, input))
}

fn told(output: &Output) -> (i32, String, String) {
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn done(place: &Path, args: &[&str], input: &str) -> String {
    let (code, out, err) = run(place, args, input);
    assert_eq!(code, 0, "{args:?}: {err}");
    out
}

const FILE: &str = "\
# The users of the office.

[anonymous]
enabled = true     # until the move
home = 'public'

# Asked for by the accountants.
[users.carol]
password = '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
access = 'read'    # she only reads
";

// ---- Users ----

#[test]
fn a_user_added_to_a_running_server_can_log_in_at_once() {
    let daemon = Daemon::start();
    let mut stranger = Typed::connect(&daemon);
    assert!(stranger.ask("USER alice").starts_with("331 "));
    assert!(stranger.ask("PASS correct-horse").starts_with("530 login-failed "));
    daemon.add_user("alice", "correct-horse", "full");
    // The same connection may try again.
    assert!(stranger.ask("USER alice").starts_with("331 "));
    assert!(stranger.ask("PASS correct-horse").starts_with("230 welcome user=alice access=full "));
    assert!(stranger.ask("MKDIR papers").starts_with("250 done "));
    assert!(daemon.data().join("alice/papers").is_dir());
}

#[test]
fn a_new_password_and_a_removal_count_at_once() {
    let daemon = Daemon::start();
    daemon.add_user("alice", "first-password", "full");
    Typed::login(&daemon, "alice", "first-password");
    done(daemon.place(), &["user", "passwd", "alice", "--password-stdin"], "second-password\n");
    let mut alice = Typed::connect(&daemon);
    assert!(alice.ask("USER alice").starts_with("331 "));
    assert!(alice.ask("PASS first-password").starts_with("530 "));
    Typed::login(&daemon, "alice", "second-password");
    done(daemon.place(), &["user", "remove", "alice"], "");
    assert!(alice.ask("USER alice").starts_with("331 "));
    assert!(alice.ask("PASS second-password").starts_with("530 "));
}

#[test]
fn a_users_file_broken_while_the_server_runs_leaves_the_last_good_one_in_force() {
    let daemon = Daemon::start();
    daemon.add_user("alice", "correct-horse", "full");
    Typed::login(&daemon, "alice", "correct-horse");
    fs::write(daemon.place().join("users.toml"), "[users.alice\n").unwrap();
    eventually("it is reported", || {
        Typed::login(&daemon, "alice", "correct-horse");
        let log = daemon.log();
        log.contains("ERROR") && log.contains("users.toml:1: ")
    });
}

#[test]
fn editing_users_keeps_comments_and_the_others() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("users.toml");
    fs::write(&file, FILE).unwrap();
    done(
        place.path(),
        &["user", "add", "bob", "--home", "team/bob", "--access", "list,upload", "--password-stdin"],
        "correct-horse",
    );
    let added = fs::read_to_string(&file).unwrap();
    assert!(added.starts_with(FILE), "{added}");
    done(place.path(), &["user", "passwd", "bob", "--password-stdin"], "another-horse");
    let changed = fs::read_to_string(&file).unwrap();
    assert!(changed.starts_with(FILE) && changed != added, "{changed}");
    done(place.path(), &["user", "remove", "bob"], "");
    assert_eq!(fs::read_to_string(&file).unwrap().trim_end(), FILE.trim_end());
}

#[test]
fn listing_shows_who_may_do_what() {
    let place = TempDir::new().unwrap();
    fs::write(place.path().join("users.toml"), FILE).unwrap();
    done(
        place.path(),
        &["user", "add", "root", "--admin", "--access", "none", "--quota", "10GiB", "--password-stdin"],
        "correct-horse\n",
    );
    let table = done(place.path(), &["user", "list"], "");
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        rows[1..],
        [
            vec!["anonymous", "public", "read", "no", "none", "yes"],
            vec!["carol", "carol", "read", "no", "none", "yes"],
            vec!["root", "root", "none", "yes", "10", "GiB", "yes"],
        ]
    );
    let lines = done(place.path(), &["user", "list", "--json"], "");
    let users: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        users[1],
        serde_json::json!({
            "user": "carol", "home": "carol", "access": ["list", "download"], "admin": false, "quota": null,
            "quota_files": null, "trash_seconds": null, "umask": null, "enabled": true, "expires": null, "from": [], "max_sessions": null, "limit_rate_down": null, "limit_rate_up": null, "own_password": true, "own_keys": true, "password": true, "invited": false, "keys": [], "groups": [],
            "rules": [], "folders": []
        })
    );
    assert_eq!((&users[2]["admin"], &users[2]["quota"]), (&true.into(), &(10_u64 << 30).into()));
}

#[test]
fn who_gets_the_name_of_an_earlier_user_inherits_the_files_alone_and_that_is_said() {
    let daemon = Daemon::start();
    let place = daemon.place();
    let add = |input: &str| run(place, &["user", "add", "alice", "--password-stdin"], input);
    let (code, _, first) = add("correct-horse");
    assert!(code == 0 && !first.contains("was there already"), "{first}");
    let mut alice = RawClient::logged_in(&daemon, "alice", "correct-horse");
    assert_eq!(alice.upload("file", b"x").0, 226);
    let removed = done(place, &["user", "remove", "alice"], "");
    assert!(removed.contains("for whoever has that folder next"), "{removed}");
    // Nobody has them by mistake: neither who is added nor who is invited.
    let refused = |(code, out, said): (i32, String, String)| {
        assert_eq!((code, out.as_str()), (11, ""), "{said}");
        assert!(said.contains("server_data/alice is not empty") && said.contains("--home alice"), "{said}");
    };
    refused(add("another-horse"));
    refused(run(place, &["invite", "alice", "--host", "127.0.0.1"], ""));
    assert_eq!(run(place, &["user", "show", "alice"], "").0, 3, "nobody was made");
    let (code, line, said) = run(place, &["invite", "alice", "--host", "127.0.0.1", "--home", "alice"], "");
    assert!(code == 0 && line.starts_with("sealift join '"), "{said}");
    assert!(said.contains("server_data/alice was there already"), "{said}");
    // Whoever is there has a folder.
    let (code, _, said) = run(place, &["invite", "alice", "--host", "127.0.0.1", "--home", "other"], "");
    assert!(code == 2 && said.contains("--home is for users who are made"), "{said}");
    done(place, &["user", "remove", "alice"], "");
    let with_home = ["user", "add", "alice", "--password-stdin", "--home", "alice"];
    let (code, _, said) = run(place, &with_home, "another-horse");
    assert!(code == 0 && said.contains("server_data/alice was there already"), "{said}");
    let mut stranger = Typed::connect(&daemon);
    assert!(stranger.ask("USER alice").starts_with("331 "));
    assert!(stranger.ask("PASS correct-horse").starts_with("530 login-failed "));
    let mut alice = RawClient::logged_in(&daemon, "alice", "another-horse");
    assert_eq!(alice.download("file").unwrap(), b"x");
}

#[test]
fn a_user_is_made_a_member_of_groups_or_not_made_at_all() {
    let place = TempDir::new().unwrap();
    fs::write(place.path().join("users.toml"), FILE).unwrap();
    done(place.path(), &["group", "add", "editors", "carol"], "");
    done(place.path(), &["group", "add", "staff"], "");
    let add = |groups: &str| {
        run(place.path(), &["user", "add", "bob", "--groups", groups, "--password-stdin"], "correct-horse")
    };
    let before = fs::read_to_string(place.path().join("users.toml")).unwrap();
    let (code, out, said) = add("editors,stuff");
    assert_eq!((code, out.as_str()), (3, ""), "{said}");
    assert!(said.contains("there is no group 'stuff'") && said.contains("`sealiftd group add NAME`"), "{said}");
    assert_eq!(fs::read_to_string(place.path().join("users.toml")).unwrap(), before);
    let (code, _, said) = add("editors,@staff");
    assert_eq!(code, 0, "{said}");
    let told = done(place.path(), &["user", "show", "bob", "--json"], "");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["groups"], serde_json::json!(["editors", "staff"]));
}

#[test]
fn a_drop_box_whose_folder_is_not_there_is_told_of_since_who_uses_it_cannot_make_it() {
    let daemon = Daemon::start();
    daemon.add_user("alice", "correct-horse", "full");
    let set = |rule: &str| run(daemon.place(), &["user", "set", "alice", "--rule", rule], "").2;
    let told = set("/inbox/**=upload");
    assert!(
        told.contains("note: server_data/alice/inbox is not there") && told.contains("alice cannot make it"),
        "{told}"
    );
    fs::create_dir_all(daemon.data().join("alice/inbox")).unwrap();
    for rule in ["/new/**=upload,mkdir", "/old/**=read", "/in*/**=upload"] {
        assert_eq!(set(rule), "", "{rule}");
    }
}

#[test]
fn whoever_has_a_password_and_is_invited_keeps_it_until_then_and_that_is_said() {
    let daemon = Daemon::start();
    daemon.add_user("alice", "correct-horse", "full");
    let invite = |name: &str| run(daemon.place(), &["invite", name, "--host", "127.0.0.1"], "");
    let (code, line, said) = invite("alice");
    assert!(code == 0 && line.starts_with("sealift join '") && said.contains("note: alice has a password"), "{said}");
    drop(RawClient::logged_in(&daemon, "alice", "correct-horse"));
    for _ in 0..2 {
        let (code, _, said) = invite("bob");
        assert!(code == 0 && !said.contains("has a password"), "{said}");
    }
}

#[test]
fn an_invitation_where_there_is_no_server_says_so_and_makes_nothing() {
    let place = TempDir::new().unwrap();
    for args in [&["invite", "alice", "--host", "127.0.0.1"][..], &["invite", "--list"]] {
        let (code, _, said) = run(place.path(), args, "");
        assert!(code == 3 && said.contains("certs/cert.pem: no such file"), "{said}");
        assert!(said.contains("start `sealiftd` here once"), "{said}");
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn words_that_are_no_right_or_no_event_are_named_with_those_there_are() {
    let place = TempDir::new().unwrap();
    for (args, why) in [
        (
            &["user", "add", "bob", "--access", "full,foo", "--password-stdin"][..],
            "'foo' is no access right: write list, ",
        ),
        (
            &["user", "add", "bob", "--access", "full,list", "--password-stdin"],
            "'full' is no access right beside others",
        ),
        (
            &["audit", "--file", "-", "--event", "change", "--event", "renamed"],
            "start, stop, login, refused, logout, transfer",
        ),
        (&["audit", "--file", "-", "--event", "rename"], "that is an action: write --action rename"),
    ] {
        let (code, _, said) = run(place.path(), args, "");
        assert!(code == 2 && said.contains(why), "{args:?}: {said}");
    }
}

#[test]
fn a_quota_given_with_a_new_user_holds() {
    let daemon = Daemon::start();
    daemon.add_user_with("alice", "correct-horse", &["--quota", "2KiB"]);
    daemon.add_user_with("bob", "correct-horse", &["--quota", "none"]);
    let words = ["alice", "bob"].map(|name| {
        let mut user = RawClient::logged_in(&daemon, name, "correct-horse");
        [2048, 2049].map(|size| user.upload(&format!("f{size}"), &vec![0; size]).1)
    });
    assert_eq!(words, [["done", "quota"], ["done", "done"]]);
    for wrong in ["much", "10", "-1B", "1.5B", ""] {
        let (code, _, said) = run(daemon.place(), &["user", "add", "eve", "--quota", wrong, "--password-stdin"], "x\n");
        assert_eq!(code, 2, "{wrong}: {said}");
    }
}

#[test]
fn adding_the_first_user_makes_the_file_and_says_what_to_do_next() {
    let place = TempDir::new().unwrap();
    let said = done(place.path(), &["user", "add", "alice", "--password-stdin"], "correct-horse\n");
    assert!(said.contains("server_data/alice") && said.contains("sealift ls alice@HOST/"), "{said}");
    assert!(done(place.path(), &["user", "list"], "").contains("\nalice "));
}

#[test]
fn users_that_cannot_be_are_refused_before_a_password_is_asked_for() {
    let place = TempDir::new().unwrap();
    done(place.path(), &["user", "add", "alice", "--password-stdin"], "correct-horse\n");
    let before = fs::read_to_string(place.path().join("users.toml")).unwrap();
    for (args, code, why) in [
        (&["user", "add", "alice"][..], 11, "already exists"),
        (&["user", "add", "a/b"], 2, "slash"),
        (&["user", "add", "Anonymous"], 2, "anonymous"),
        (&["user", "add", "bob", "--home", "../x"], 2, ".."),
        (&["user", "add", "bob", "--home", "/x"], 2, "absolute"),
        (&["user", "passwd", "bob"], 3, "users.toml"),
        (&["user", "remove", "bob"], 3, "users.toml"),
    ] {
        let (found, _, said) = run(place.path(), args, "");
        assert_eq!(found, code, "{args:?}: {said}");
        assert!(said.contains(why) && said.contains("  hint: "), "{args:?}: {said}");
    }
    assert_eq!(fs::read_to_string(place.path().join("users.toml")).unwrap(), before);
}

#[test]
fn unusable_and_short_passwords_are_refused_with_the_number_that_counts() {
    let place = TempDir::new().unwrap();
    let add = |name: &str, password: &str| run(place.path(), &["user", "add", name, "--password-stdin"], password);
    for password in ["", "\n", &"x".repeat(1025)] {
        let (code, _, said) = add("bob", password);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("password"), "{said}");
    }
    let refused = |(code, _, said): (i32, String, String), why: &str| {
        assert!(code == 2 && said.contains(why) && said.contains("min_password"), "{said}");
    };
    refused(add("bob", "seven77\n"), "has fewer than 8 characters");
    // In characters.
    refused(add("bob", "äöüäöüä\n"), "has fewer than 8 characters");
    refused(add("margaret", "Margaret\n"), "is the user's name");
    assert!(!place.path().join("users.toml").exists());
    let file = place.path().join("users.toml");
    fs::write(&file, "# Nobody yet.\n[defaults]\nmin_password = 12\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    refused(add("bob", "eleven char\n"), "has fewer than 12 characters");
    let (code, _, said) = add("eve", &"x".repeat(1024));
    assert!(code == 0 && said.is_empty(), "{said}");
    let passwd = |password: &str| run(place.path(), &["user", "passwd", "eve", "--password-stdin"], password);
    refused(passwd("eleven char"), "has fewer than 12 characters");
    assert_eq!(passwd("twelve chars").0, 0);
    fs::write(&file, "[defaults]\nmin_password = 3\n").unwrap();
    let (code, _, said) = add("bob", "correct-horse");
    assert!(
        code == 2 && said.contains("users.toml:2: min_password of [defaults] must be a whole number from 4"),
        "{said}"
    );
}

#[test]
fn what_an_invited_user_has_who_is_made_is_given_with_the_invitation() {
    let daemon = Daemon::start();
    let place = daemon.place();
    done(place, &["group", "add", "editors"], "");
    let invite = |name: &str, more: &[&str]| run(place, &[&["invite", name, "--host", "127.0.0.1"], more].concat(), "");
    let (code, _, said) = invite("bob", &["--groups", "editors", "--quota", "1GiB"]);
    assert_eq!(code, 0, "{said}");
    let shown = done(place, &["user", "show", "bob"], "");
    assert!(shown.contains("quota         1 GiB\n") && shown.contains("groups        editors\n"), "{shown}");
    // A command of others is no name.
    let (code, line, said) = invite("list", &[]);
    assert!(code == 2 && line.is_empty() && said.contains("--list shows"), "{code} {said}");
    assert_eq!(run(place, &["user", "show", "list"], "").0, 3);
    // Nobody is made who would not have it all.
    let (code, line, said) = invite("carol", &["--groups", "editor"]);
    assert!(code == 3 && line.is_empty() && said.contains("`sealiftd group list`"), "{said}");
    assert_eq!(run(place, &["user", "show", "carol"], "").0, 3);
    for (option, value) in [("--groups", "editors"), ("--quota", "2GiB"), ("--access", "read")] {
        let (code, line, said) = invite("bob", &[option, value]);
        assert!(code == 2 && line.is_empty() && said.contains(&format!("`sealiftd user set bob {option}`")), "{said}");
    }
}

#[test]
fn a_password_ends_with_its_line_and_keeps_everything_before() {
    let daemon = Daemon::start();
    done(daemon.place(), &["user", "add", "alice", "--password-stdin"], " pass word% \r\nnot this\n");
    Typed::login(&daemon, "alice", "%20pass%20word%25%20");
}

#[test]
fn without_a_terminal_the_password_must_come_by_standard_input() {
    let place = TempDir::new().unwrap();
    // A session of its own has no terminal to ask on.
    let inner = sealiftd(place.path());
    let mut command = Command::new("setsid");
    command.arg("--wait").arg(inner.get_program()).args(["user", "add", "bob"]).current_dir(place.path());
    let (code, _, said) = told(&end_of(command, "correct-horse\n"));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("--password-stdin"), "{said}");
}

#[test]
fn a_users_file_that_others_can_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let place = TempDir::new().unwrap();
    let file = place.path().join("users.toml");
    fs::write(&file, FILE).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, _, said) = run(place.path(), &["user", "passwd", "carol", "--password-stdin"], "correct-horse");
    assert!(code == 0 && said.contains("warning: ") && said.contains("chmod 600 users.toml"), "{said}");
}

// ---- Key and certificate ----

#[test]
fn a_new_certificate_is_shown_as_it_was_asked_for() {
    let place = TempDir::new().unwrap();
    let made = done(place.path(), &["cert", "new", "--name", "files.example.org", "--name", "192.0.2.7"], "");
    let pin = done(place.path(), &["cert", "pin"], "");
    assert!(pin.starts_with("sha256//") && made.contains(pin.trim()), "{made}");
    let shown = done(place.path(), &["cert", "show"], "");
    for expected in [pin.trim(), "files.example.org, 192.0.2.7\n", "certs/cert.pem", "certs/key.pem", "valid until"] {
        assert!(shown.contains(expected), "{expected} is not in:\n{shown}");
    }
}

#[test]
fn a_key_is_only_replaced_by_force() {
    let place = TempDir::new().unwrap();
    done(place.path(), &["cert", "new"], "");
    let old = done(place.path(), &["cert", "pin"], "");
    let (code, _, said) = run(place.path(), &["cert", "new"], "");
    assert!(code == 11 && said.contains("--force"), "{said}");
    assert_eq!(done(place.path(), &["cert", "pin"], ""), old);
    let said = done(place.path(), &["cert", "new", "--force"], "");
    assert!(said.contains("Clients that pinned the old key"), "{said}");
    assert_ne!(done(place.path(), &["cert", "pin"], ""), old);
}

#[test]
fn an_old_key_is_kept_and_a_certificate_is_renewed_under_the_same_pin() {
    let place = TempDir::new().unwrap();
    done(place.path(), &["cert", "new", "--name", "files.example.org"], "");
    let key = fs::read(place.path().join("certs/key.pem")).unwrap();
    let old = done(place.path(), &["cert", "pin"], "");
    let said = done(place.path(), &["cert", "renew"], "");
    assert!(said.contains(old.trim()) && said.contains("notice nothing"), "{said}");
    assert_eq!(done(place.path(), &["cert", "pin"], ""), old);
    assert!(done(place.path(), &["cert", "show"], "").contains("files.example.org"));
    assert_eq!(fs::read(place.path().join("certs/key.pem")).unwrap(), key);
    let said = done(place.path(), &["cert", "new", "--force"], "");
    assert!(said.contains("The old one is kept as certs/key.pem.old."), "{said}");
    assert_eq!(fs::read(place.path().join("certs/key.pem.old")).unwrap(), key);
}

#[test]
fn without_a_certificate_there_is_a_way_to_make_one() {
    let place = TempDir::new().unwrap();
    for command in ["pin", "show"] {
        let (code, out, said) = run(place.path(), &["cert", command], "");
        assert!(code == 3 && out.is_empty() && said.contains("sealiftd cert new"), "{said}");
    }
}

#[test]
fn a_name_that_fits_no_certificate_is_refused() {
    let place = TempDir::new().unwrap();
    let (code, _, said) = run(place.path(), &["cert", "new", "--name", "naïve.example"], "");
    assert_eq!(code, 2, "{said}");
    assert!(!place.path().join("certs").exists());
}
