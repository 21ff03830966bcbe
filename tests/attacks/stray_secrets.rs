//! A private key, an invitation or a password typed where none belongs: neither program repeats it.

use std::process::{Command, Output};

use crate::common::{COPIES, Daemon, end_of, eventually, text};

/// What must turn up nowhere.
const CANARY: &str = "canary-7f3a9c51";

fn sealift(daemon: &Daemon, args: &[&str], input: &str) -> Output {
    let mut command = Command::new("setsid");
    command.args(["--wait", env!("CARGO_BIN_EXE_sealift"), "--pin", daemon.pin()]).args(args);
    command.current_dir(daemon.place()).env_clear().env(COPIES.0, COPIES.1);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
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

/// A storage's keys are nowhere in its address, and who writes them there is not told them again, nor is the log of a server.
#[test]
fn keys_in_the_address_of_a_storage_are_not_repeated() {
    let daemon = Daemon::start();
    let place = daemon.place();
    let hidden = |what: &str, ended: &Output| {
        let said = text(&[&*ended.stdout, &*ended.stderr].concat());
        assert!(!said.contains(CANARY) && !said.contains("CANARYID"), "{what}: {said}");
        said
    };
    let values = [
        format!("http://CANARYID:{CANARY}@storage.example"),
        // As keys of AWS are: with slashes.
        format!("https://CANARYID:{CANARY}/x+y/z@storage.example:9000"),
        format!("CANARYID:{CANARY}@storage.example"),
        format!("https://{CANARY}@storage.example/path"),
        format!("http://CANARYID:{CANARY}@storage.example@other"),
        format!("http://CANARYID:it's {CANARY} @storage.example"),
    ];
    let commands = [&[][..], &["check"], &["config", "show"]];
    for value in &values {
        for (option, variable, key) in [
            ("--store-endpoint", "SEALIFT_STORE_ENDPOINT", "store_endpoint"),
            ("--store", "SEALIFT_STORE", "store"),
            ("--metrics", "SEALIFT_METRICS", "metrics"),
            ("--listen", "SEALIFT_LISTEN", "listen"),
        ] {
            for command in commands {
                let words = match command {
                    ["check"] => vec!["check", option, value],
                    _ => [&[option, value][..], command].concat(),
                };
                refused(&format!("{words:?}"), &end_of(daemon.command(&words), ""));
                let mut by_environment = daemon.command(command);
                by_environment.env(variable, value);
                let said = hidden(&format!("{variable} {command:?}"), &end_of(by_environment, ""));
                assert!(said.contains(option), "{said}");
                std::fs::write(place.join("other.toml"), format!("{key} = {value:?}\n")).unwrap();
                let mut by_file = daemon.command(command);
                by_file.env("SEALIFTD_CONFIG", "other.toml");
                let said = hidden(&format!("{key} {command:?}"), &end_of(by_file, ""));
                assert!(said.contains(&format!("other.toml:1: {key}: ")), "{said}");
            }
        }
    }
    // What a running server finds in its settings.
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("sealiftd.toml"), "# ours\n").unwrap();
    let running = Daemon::builder().within(place.path()).start();
    std::fs::write(place.path().join("sealiftd.toml"), format!("store_endpoint = {:?}\n", values[1])).unwrap();
    eventually("the settings are refused", || running.log().contains("the settings cannot be used"));
    assert!(!running.log().contains(CANARY), "{}", running.log());
}
