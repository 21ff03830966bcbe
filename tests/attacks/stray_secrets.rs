//! A private key, an invitation or a password typed where none belongs: neither program repeats it.

use std::process::{Command, Output};

use crate::common::{Daemon, end_of, text};

/// What must turn up nowhere.
const CANARY: &str = "canary-7f3a9c51";

fn sealift(daemon: &Daemon, args: &[&str], input: &str) -> Output {
    let mut command = Command::new("setsid");
    command.args(["--wait", env!("CARGO_BIN_EXE_sealift"), "--pin", daemon.pin()]).args(args);
    command.current_dir(daemon.place()).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("SEALIFT_CONFIG_DIR", daemon.place()).env("SEALIFT_PASSWORD", "correct horse");
    end_of(command, input)
}

#[track_caller]
fn refused(what: &str, ended: &Output) {
    let said = text(&[&*ended.stdout, &*ended.stderr].concat());
    assert!(!said.to_lowercase().contains(CANARY), "{what}: {said}");
    assert!(said.contains("  hint: ") && !ended.status.success(), "{what}: {said}");
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    let daemon = Daemon::start();
    daemon.add_user("alice", "correct horse", "full");
    let key = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY}\n-----END OPENSSH PRIVATE KEY-----\n");
    let link = format!("sealift://alice@h:1/#{CANARY}.{CANARY}.{CANARY}");
    let (url, named) = (format!("https://alice:{CANARY}@h/x"), format!("alice:{CANARY}"));
    let (key, link, url, plain, named) = (key.as_str(), link.as_str(), url.as_str(), CANARY, named.as_str());
    let at = format!("{named}@h");
    let split: Vec<&str> = key.split_whitespace().collect();

    for args in [
        vec!["user", "add", key],
        vec!["user", "add", link],
        vec!["user", "add", named],
        vec!["user", "add", "bob", plain],
        vec!["user", "add", "bob", "--password", plain],
        vec!["user", "add", "bob", "--key", key],
        vec!["user", "add", "bob", "--access", key],
        vec!["user", "add", "bob", "--home", link],
        vec!["user", "passwd", "alice", plain],
        vec!["user", "passwd", link],
        vec!["user", "remove", key],
        vec!["user", "key", "add", "alice", key],
        vec!["user", "key", "remove", "alice", key],
        vec!["user", "key", "remove", "alice", link],
        vec!["user", "key", "list", "alice", plain],
        [vec!["user", "key", "add", "alice", "--"], split.clone()].concat(),
        vec!["invite", key],
        vec!["invite", named],
        vec!["invite", "bob", plain],
        vec!["invite", "bob", "--host", link],
        vec!["invite", "bob", "--host", &at],
        vec!["invite", "--revoke", link],
        vec!["explain", "alice", "LIST", "--key", key],
        vec!["scrub", link],
        vec!["--listen", key],
        vec!["--data", url, "user", "list"],
        vec![plain],
        vec![link],
    ] {
        refused(&format!("sealiftd {args:?}"), &end_of(daemon.command(&args), ""));
    }

    let alice = format!("alice@{}/", daemon.address());
    for args in [
        vec!["ls", key],
        vec!["ls", link],
        vec!["get", url],
        vec!["ls", &at],
        vec!["login", &alice, plain],
        vec!["passwd", &alice, plain],
        vec!["shell", &alice, plain],
        vec![&alice, plain],
        vec!["key", "remove", &alice, link],
        vec!["trust", "add", link],
        vec!["bookmark", "add", "x", link],
        vec!["join", plain],
        vec![plain],
        [vec!["ls", "--"], split].concat(),
    ] {
        refused(&format!("sealift {args:?}"), &sealift(&daemon, &args, ""));
    }

    for line in [
        format!("get {link}"),
        format!("cd '{key}'"),
        format!("open {link}"),
        format!("open {url}"),
        format!("login {link}"),
        format!("login alice {plain}"),
        format!("user alice {plain}"),
        format!("pass {plain}"),
        format!("kick {link}"),
        plain.to_owned(),
        key.to_owned(),
    ] {
        refused(&line, &sealift(&daemon, &["shell", "-b", "-", &alice], &line));
    }
}
