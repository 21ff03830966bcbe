//! `sealiftd check`: finds what is wrong, says what to do, and touches nothing.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::common::not_run::not_run;
use crate::common::{Daemon, eventually, sealiftd, snapshot, text};

const SALT_AND_OUTPUT: &str = "c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A user's section.
fn user(name: &str, parameters: &str, rest: &str) -> String {
    format!("[users.{name}]\npassword = \"$argon2id$v=19${parameters}${SALT_AND_OUTPUT}\"\n{rest}\n")
}

fn strong(name: &str, rest: &str) -> String {
    user(name, "m=19456,t=2,p=1", rest)
}

/// A place that a server has made, and in which nothing is wrong.
fn good_place() -> TempDir {
    let place = TempDir::new().unwrap();
    Daemon::builder().within(place.path()).start().stop();
    fs::remove_file(place.path().join("log")).unwrap();
    place
}

fn chmod(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn users(place: &Path, text: &str) {
    fs::write(place.join("users.toml"), text).unwrap();
}

/// A check of a server that would listen wherever there is room: what else listens on this machine is nothing to it.
fn checking(place: &Path) -> Command {
    let mut command = sealiftd(place);
    command.arg("check").env("SEALIFT_LISTEN", "127.0.0.1:0");
    command
}

/// The exit code and what it said, with nothing changed meanwhile.
fn check(place: &Path, args: &[&str]) -> (i32, String) {
    let before = snapshot(place);
    // Within any limit of open files.
    let output = checking(place).args(["--max-connections", "20"]).args(args).output().unwrap();
    assert_eq!(snapshot(place), before, "it changed something");
    (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
}

#[track_caller]
fn found(place: &Path, args: &[&str], line: &str) {
    let (code, said) = check(place, args);
    let is_there = said.lines().any(|found| found.contains(line));
    assert!(is_there, "`{line}` is not in:\n{said}");
    let worst = if said.contains("error: ") { 2 } else { i32::from(said.contains("warning: ")) };
    assert_eq!(code, i32::from(worst == 2), "{said}");
    assert_eq!(check(place, &[&["--strict"], args].concat()).0, i32::from(worst > 0), "{said}");
}

#[test]
fn an_empty_place_is_fine_and_stays_empty() {
    let place = TempDir::new().unwrap();
    let (code, said) = check(place.path(), &[]);
    assert_eq!(code, 0, "{said}");
    for note in ["server_data is not there", "there is no key in certs", "users.toml is not there"] {
        assert!(said.contains(&format!("note: {note}")), "{said}");
    }
    assert!(said.ends_with("0 errors, 0 warnings\n"), "{said}");
}

#[test]
fn what_a_first_start_makes_is_fine() {
    let place = good_place();
    let (code, said) = check(place.path(), &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("note: logins take at most ") && said.contains(" MiB are available"), "{said}");
}

#[test]
fn json_is_an_object_a_line() {
    let place = good_place();
    chmod(place.path().join("certs/key.pem"), 0o644);
    let (code, said) = check(place.path(), &["--json"]);
    let lines: Vec<serde_json::Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(code == 1 && lines.len() >= 2, "{said}");
    assert_eq!(lines[0]["severity"], "error", "the worst comes first");
    assert!(lines[0]["what"].as_str().unwrap().contains("key.pem"), "{said}");
    assert!(lines.iter().all(|line| line["next"].is_string()), "{said}");
}

#[test]
fn files_that_others_can_read_or_change_are_found() {
    let place = good_place();
    let at = |name: &str| place.path().join(name);
    users(place.path(), &strong("alice", ""));
    for (name, mode, line) in [
        ("certs/key.pem", 0o640, "error: certs/key.pem: other users of this machine can read the private key"),
        ("certs", 0o770, "error: certs can be changed by other users of this machine (mode 770)"),
        ("users.toml", 0o644, "warning: users.toml can be read by every user of this machine"),
        ("users.toml", 0o620, "warning: users.toml can be changed by other users of this machine"),
        ("server_data", 0o720, "warning: server_data can be changed by other users of this machine (mode 720)"),
        ("server_data", 0o755, "note: server_data can be read by every user of this machine (mode 755)"),
        (".", 0o777, "warning: ., where users.toml is, can be changed by other users"),
    ] {
        let before = fs::metadata(at(name)).unwrap().permissions();
        chmod(at(name), mode);
        found(place.path(), &[], line);
        fs::set_permissions(at(name), before).unwrap();
    }
    assert_eq!(check(place.path(), &[]).0, 0);
}

#[test]
fn what_killed_commands_left_of_users_and_keys_is_found_and_goes_at_the_next_start() {
    let place = good_place();
    users(place.path(), &strong("alice", ""));
    let left =
        [".users.toml.0123456789abcdef.new", "certs/.key.pem.0123456789abcdef"].map(|name| place.path().join(name));
    left.iter().for_each(|path| fs::write(path, "secret").unwrap());
    found(place.path(), &[], ".users.toml.0123456789abcdef.new was left by a command that was killed");
    found(place.path(), &[], "warning: certs/.key.pem.0123456789abcdef was left by a command that was killed");
    Daemon::builder().within(place.path()).start().stop();
    assert!(left.iter().all(|path| !path.exists()));
    assert!(!check(place.path(), &[]).1.contains("was left by"));
}

#[test]
fn a_users_file_of_somebody_else_is_found() {
    let place = good_place();
    if chown(place.path().join("users.toml"), Some(12345), None).is_err() {
        assert!(!geteuid().is_root());
        return not_run("only root can give a file away");
    }
    found(place.path(), &[], "warning: users.toml belongs to user 12345, who could let himself in");
}

#[test]
fn key_and_certificate_that_are_no_pair_are_found() {
    let (place, other) = (good_place(), good_place());
    fs::copy(other.path().join("certs/cert.pem"), place.path().join("certs/cert.pem")).unwrap();
    found(place.path(), &[], "error: certs/key.pem: this private key does not work with the certificate");
    fs::remove_file(place.path().join("certs/cert.pem")).unwrap();
    found(place.path(), &[], "error: certs/cert.pem: no such file or folder");
}

/// The command is the end of the line, to be typed as it stands.
#[test]
fn keys_that_others_can_read_are_found_with_the_command_alone() {
    let place = good_place();
    let run = |args: &[&str]| assert!(sealiftd(place.path()).args(args).output().unwrap().status.success());
    run(&["cert", "next"]);
    for key in ["certs/key.pem", "certs/key.next.pem"] {
        chmod(place.path().join(key), 0o644);
        let (code, said) = check(place.path(), &["--strict"]);
        let command = said.lines().find_map(|line| line.split_once("run: ")).map(|(_, command)| command.to_owned());
        assert_eq!((code, command), (1, Some(format!("chmod 600 '{key}'"))), "{said}");
        chmod(place.path().join(key), 0o600);
    }
    // It would be announced, and nobody could ever switch to it.
    fs::remove_file(place.path().join("certs/key.next.pem")).unwrap();
    found(place.path(), &[], "warning: the next key cannot be used: certs/key.next.pem: no such file or folder");
}

#[test]
fn secrets_among_the_files_that_are_served_are_found() {
    let place = good_place();
    found(place.path(), &["--data", "."], "error: certs is inside the data folder .");
}

#[test]
fn a_users_file_that_cannot_be_read_is_one_error_with_its_line() {
    let place = good_place();
    users(place.path(), "[users.alice]\npassword = \"plain\"\n");
    found(place.path(), &[], "error: users.toml:2: the password of user 'alice' is not a password hash");
}

#[test]
fn users_who_meet_or_are_weak_are_found() {
    let place = good_place();
    for (text, line) in [
        (user("a", "m=7168,t=1,p=1", ""), "warning: the password of a is hashed with m=7168,t=1"),
        ("# Nobody.\n".to_owned(), "warning: nobody can log in"),
        (String::new(), "error: users.toml: is empty"),
        (
            strong("a", "") + &strong("b", "home = \"a/b\""),
            "warning: the folder of b (a/b) lies inside that of a (a), who sees and may change",
        ),
        (
            strong("a", "access = \"read\"") + &strong("b", "home = \"a/b\"\naccess = \"read\""),
            "note: the folder of b (a/b) lies inside that of a (a), who sees what",
        ),
        (strong("a", "") + &strong("b", "home = \"a\""), "note: a and b share the folder a"),
        (
            "[anonymous]\nenabled = true\n".to_owned() + &strong("a", "home = \"public\""),
            "note: a may upload to where anonymous reads (public)",
        ),
    ] {
        users(place.path(), &text);
        found(place.path(), &[], line);
    }
    let only_reads = "[anonymous]\nenabled = true\n".to_owned() + &strong("a", "home = \"public\"\naccess = \"read\"");
    users(place.path(), &only_reads);
    assert!(!check(place.path(), &[]).1.contains("anonymous reads"));
}

/// One line for a folder, not one for each pair of its users; the log of a starting server does the same.
#[test]
fn three_hundred_users_of_one_folder_are_one_finding() {
    let place = good_place();
    let text: String = (0..300).map(|i| strong(&format!("u{i:03}"), "home = \"team\"")).collect();
    users(place.path(), &text);
    let (code, said) = check(place.path(), &[]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(said.matches("share").count(), 1, "{said}");
    assert!(said.contains("note: u000, u001, u002 and 297 more share the folder team"), "{said}");
    let log = Daemon::builder().within(place.path()).start().stop().log;
    assert_eq!(log.lines().filter(|line| line.contains("WARN") && line.contains("team")).count(), 1, "{log}");
    let inner: String = (0..100).map(|i| strong(&format!("v{i:03}"), &format!("home = \"team/{i}\""))).collect();
    users(place.path(), &(text + &inner));
    let (code, said) = check(place.path(), &["--strict"]);
    assert_eq!((code, said.matches("lie inside that of").count()), (1, 1), "{said}");
}

#[test]
fn users_who_may_no_longer_replace_files_are_named() {
    let place = good_place();
    for (access, named) in [
        ("[\"upload\"]", true),
        ("[\"rename\", \"delete\"]", true),
        ("[\"upload\", \"overwrite\"]", false),
        ("[\"rename\", \"mkdir\"]", false),
        ("\"full\"", false),
        ("\"read\"", false),
    ] {
        users(place.path(), &strong("scanner", &format!("access = {access}")));
        let (code, said) = check(place.path(), &[]);
        let line = "note: scanner may put new files in place but not replace one: `overwrite` is not in access";
        assert_eq!((code, said.contains(line)), (0, named), "{access}: {said}");
    }
}

#[test]
fn folders_that_no_login_could_open_are_found() {
    let place = good_place();
    users(place.path(), &(strong("a", "") + &strong("b", "") + &strong("c", "")));
    let data = place.path().join("server_data");
    fs::write(data.join("a"), "").unwrap();
    symlink("/tmp", data.join("b")).unwrap();
    symlink("nothing", data.join("c")).unwrap();
    for line in [
        "error: the folder of a: ",
        "error: the folder of b: ",
        "error: the folder of c: server_data/c: is a link to nothing",
    ] {
        found(place.path(), &[], line);
    }
}

#[test]
fn a_place_that_cannot_be_used_is_found() {
    let place = good_place();
    fs::write(place.path().join("file"), "").unwrap();
    found(place.path(), &["--data", "file/data"], "error: file/data: ");
    found(place.path(), &["--data", "file"], "error: file is no folder");
    found(place.path(), &["--port-file", "none/port"], "error: none/port: ");
}

#[test]
fn more_connections_than_open_files_are_found() {
    let place = good_place();
    let inner = sealiftd(place.path());
    let checked = |args: &[&str]| {
        let mut command = Command::new("prlimit");
        command.arg("--nofile=1000:1000").arg(inner.get_program()).arg("check").args(args).current_dir(place.path());
        let output = command.env("SEALIFT_LISTEN", "127.0.0.1:0").output().unwrap();
        (output.status.code(), text(&output.stdout))
    };
    // Nobody has asked for as many as may connect by themselves.
    let (code, said) = checked(&["--strict"]);
    let line = "note: 10000 busy connections need 30128 open files, and 1000 are allowed";
    assert!(code == Some(0) && said.contains(line) && said.contains("--max-connections 290"), "{said}");
    let asked = ["--max-connections", "5000"];
    let (code, said) = checked(&asked);
    assert!(code == Some(0) && said.contains("warning: 5000 busy connections need 15128 open files"), "{said}");
    assert_eq!(checked(&[&asked[..], &["--strict"]].concat()).0, Some(1));
}

#[test]
fn connections_that_memory_has_no_room_for_are_found_and_the_server_takes_fewer() {
    let place = good_place();
    let output = checking(place.path()).args(["--memory", "300MiB"]).output().unwrap();
    let said = text(&output.stdout);
    let line = said.lines().find(|line| line.contains("have room for")).unwrap_or_else(|| panic!("{said}"));
    assert!(line.starts_with("note: 300 MiB of memory") && line.contains("and 10000 are allowed"), "{line}");
    let output = checking(place.path()).args(["--memory", "300MiB", "--max-connections", "9000"]).output().unwrap();
    assert!(text(&output.stdout).contains("warning: 300 MiB of memory"), "{}", text(&output.stdout));
    let daemon = Daemon::builder().args(["--memory", "300MiB"]).start();
    daemon.log_with(&["fewer connections at once than wanted"]);
    let daemon = Daemon::builder().args(["--memory", "300MiB", "--max-connections", "100"]).start();
    assert!(!daemon.log().contains("fewer connections"), "{}", daemon.log());
}

#[test]
fn logins_that_could_take_all_memory_are_found() {
    let place = good_place();
    users(place.path(), &user("a", "m=262144,t=1,p=1", ""));
    let (_, said) = check(place.path(), &[]);
    assert!(said.contains("256 MiB each"), "{said}");
}

#[test]
fn what_only_the_running_server_knows_of_its_users_file_is_found() {
    let place = good_place();
    // Not below the folder of the port file, which the server may reach.
    let outside = TempDir::new().unwrap();
    let (folder, other) = (outside.path().join("conf"), outside.path().join("other"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("users.toml"), strong("alice", "") + &strong("bob", "")).unwrap();
    chmod(folder.join("users.toml"), 0o600);
    let path = folder.join("users.toml");
    let options = ["--users", path.to_str().unwrap()];
    let daemon = Daemon::builder().within(place.path()).args(options).start();
    let serves = |line: &str| {
        eventually(line, || {
            let output = checking(place.path()).args(["--max-connections", "20"]).args(options).output().unwrap();
            text(&output.stdout).lines().any(|found| found.contains(line))
        });
    };
    serves("0 errors, 0 warnings");
    // Another folder of the same name, which the sandbox does not let the server reach.
    fs::rename(&folder, &other).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("users.toml"), strong("carol", "")).unwrap();
    chmod(folder.join("users.toml"), 0o600);
    serves("warning: the server that runs cannot use the users file, and an older one is in force: ");
    // Back, cut off where it still makes sense.
    fs::remove_dir_all(&folder).unwrap();
    fs::rename(&other, &folder).unwrap();
    serves("0 errors, 0 warnings");
    fs::write(folder.join("users.toml"), "[anonymous]\nenabled = true\n").unwrap();
    serves("warning: the last change of the users file took 2 of 2 users away");
    daemon.log_with(&["took 2 of 2 users away"]);
    // What nobody is there to say is not said.
    daemon.kill();
    fs::remove_file(place.path().join("log")).unwrap();
    let (code, said) = check(place.path(), &options);
    assert!(code == 0 && said.contains("0 errors, 0 warnings"), "{said}");
}

#[test]
fn what_others_listen_on_is_found_and_what_the_server_that_runs_here_holds_is_not() {
    let place = good_place();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let in_use = format!("error: cannot listen on {taken}: ");
    found(place.path(), &["--listen", &taken], &in_use);
    found(place.path(), &["--metrics", &taken], &format!("error: for figures: cannot listen on {taken}: "));
    let port = other.local_addr().unwrap().port();
    found(place.path(), &["--listen", &format!("0.0.0.0:{port}")], "error: cannot listen on 0.0.0.0:");
    found(place.path(), &["--listen", "192.0.2.1:0"], "error: cannot listen on 192.0.2.1:0: ");
    drop(other);
    // A program that another test starts just now holds it until it runs.
    eventually("nobody listens there any more", || check(place.path(), &["--listen", &taken]).0 == 0);
    found(place.path(), &["--listen", &format!("{taken},{taken}")], &in_use);
    let both = ["--listen", &format!("0.0.0.0:{port}"), "--metrics", &taken];
    found(place.path(), &both, &format!("error: figures cannot be told on {taken}, where the server listens"));
    // A socket in the file system.
    let outside = TempDir::new().unwrap();
    let socket = outside.path().join("m").display().to_string();
    let figures = format!("unix:{socket}");
    let listener = UnixListener::bind(&socket).unwrap();
    let in_use = format!("error: cannot tell figures on {figures}: ");
    found(place.path(), &["--metrics", &figures], &in_use);
    drop(listener);
    eventually("nobody tells figures there any more", || check(place.path(), &["--metrics", &figures]).0 == 0);
    found(place.path(), &["--metrics", &format!("unix:{socket}/x/m")], "error: the socket for figures ");
    // What systemd makes when it starts the server.
    let at_run = ["--metrics", "unix:/run/sealiftd-that-is-not-there/metrics"];
    let (_, said) = check(place.path(), &at_run);
    assert!(said.contains("warning: the socket for figures ") && said.contains("0 errors"), "{said}");
    found(place.path(), &["--metrics", &format!("unix:{}/{}", outside.path().display(), "m".repeat(120))], "error: ");
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "somebody's").unwrap();
    found(place.path(), &["--metrics", &figures], &in_use);
    fs::remove_file(&socket).unwrap();
    // The server that is to be replaced has it all.
    let (home, elsewhere) = (good_place(), good_place());
    let daemon = Daemon::builder().within(home.path()).args(["--metrics", &figures]).start();
    let address = daemon.address();
    let held = ["--listen", &address, "--metrics", &figures];
    let said = |place: &Path| {
        let output = checking(place).args(["--max-connections", "20"]).args(held).output().unwrap();
        (output.status.code(), text(&output.stdout))
    };
    let (code, as_found) = said(home.path());
    assert_eq!(code, Some(0), "{as_found}");
    // What it holds excuses no address that meets another of the list.
    let every = format!("0.0.0.0:{}", address.rsplit(':').next().unwrap());
    let both = ["--max-connections", "20", "--listen", &format!("{address},{every}")];
    let output = checking(home.path()).args(both).output().unwrap();
    let as_found = text(&output.stdout);
    assert!(output.status.code() == Some(1) && as_found.contains("is listened on too"), "{as_found}");
    let (code, as_found) = said(elsewhere.path());
    assert!(code == Some(1) && as_found.contains("cannot listen") && as_found.contains("cannot tell"), "{as_found}");
    // One that was killed says nothing any more.
    daemon.kill();
    let mut listener = None;
    eventually("its address is free", || {
        listener = TcpListener::bind(&address).ok();
        listener.is_some()
    });
    let (code, as_found) = said(home.path());
    assert!(code == Some(1) && as_found.contains("error: cannot listen"), "{as_found}");
    drop(listener);
}

#[test]
fn an_audit_that_cannot_be_written_is_found() {
    let place = good_place();
    fs::create_dir(place.path().join("audit")).unwrap();
    fs::create_dir(place.path().join("audit/folder")).unwrap();
    fs::write(place.path().join("file"), "").unwrap();
    symlink("elsewhere", place.path().join("audit/link")).unwrap();
    for (audit, line) in [
        ("file/a.jsonl", "error: the audit file/a.jsonl: "),
        ("audit/folder", "error: the audit: audit/folder: "),
        ("audit/link", "error: the audit: audit/link: "),
        ("journald:/nowhere/socket", "error: the audit: the journal's socket /nowhere/socket: "),
    ] {
        found(place.path(), &["--audit", audit], line);
    }
    assert_eq!(check(place.path(), &["--audit", "audit/a.jsonl"]).0, 0);
    assert_eq!(check(place.path(), &["--audit", "missing/too/a.jsonl"]).0, 0, "the start makes it");
}

#[test]
fn other_servers_whose_folders_meet_those_of_this_one_are_found() {
    let (place, beside) = (good_place(), good_place());
    let daemon = Daemon::builder().within(place.path()).start();
    let at = |path: &str| place.path().join(path).display().to_string();
    let said = |args: &[&str]| {
        let output = checking(beside.path()).args(["--max-connections", "20"]).args(args).output().unwrap();
        text(&output.stdout)
    };
    let inside = said(&["--data", &at("server_data/public/deeper")]);
    assert!(inside.contains("lies inside") && inside.contains("another sealiftd serves"), "{inside}");
    let state = said(&["--state", &at("server_state")]);
    assert!(state.contains("is the state of a server that serves another folder"), "{state}");
    let data = said(&["--data", &at("server_data"), "--state", "another"]);
    assert!(data.contains("has its own state elsewhere"), "{data}");
    let own = || checking(place.path()).args(["--max-connections", "20"]).output().unwrap();
    assert!(own().status.success(), "{}", text(&own().stdout));
    // Whose one of the two is cannot be known: it is the same server's, maybe.
    let lock = place.path().join("server_state/.sealift/server.lock");
    fs::File::options().write(true).open(&lock).unwrap().set_len(0).unwrap();
    let unknown = text(&own().stdout);
    assert!(!unknown.contains("elsewhere") && !unknown.contains("another folder"), "{unknown}");
    drop(daemon);
}

#[test]
fn links_and_invitations_that_are_damaged_are_found_and_told_at_the_start() {
    let place = good_place();
    for (folder, text) in [("links", "cut o"), ("invitations", "")] {
        fs::write(place.path().join("server_state").join(folder).join("0123456789abcdef.toml"), text).unwrap();
    }
    found(place.path(), &[], "links/0123456789abcdef.toml: is no link, not whole, or was changed by hand");
    found(place.path(), &[], "invitations/0123456789abcdef.toml: is no invitation");
    let daemon = Daemon::builder().within(place.path()).start();
    daemon.log_with(&["a link cannot be used", "an invitation cannot be used"]);
}

#[test]
fn a_log_level_that_is_none_is_found() {
    found(good_place().path(), &["--log-level", "sealift=[["], "error: --log-level sealift=[[: ");
    // As the name of a module it would silence all others.
    for level in ["loud", "warning", "info,loud"] {
        found(good_place().path(), &["--log-level", level], &format!("error: --log-level {level}: "));
    }
    for level in ["WARN", "off", "sealift::server=debug,info", "0"] {
        let output =
            checking(good_place().path()).args(["--max-connections", "20", "--log-level", level]).output().unwrap();
        assert!(output.status.success(), "{level}: {}", text(&output.stdout));
    }
}
