//! Attacks on secrets: passwords that turn up where they should not, a log that is made to lie, keys that all can read.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code outside of a test function")]
#![allow(clippy::panic, clippy::indexing_slicing, reason = "test code outside of a test function")]

use std::any::Any;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use rustix::process::Signal;
use sealift::auth::Users;
use sealift::proto::Verb;
use sealift::secret::Secret;

use crate::common::{Daemon, RawClient, Typed, World, crash, end_of, enter, eventually, sealiftd, snapshot, text};

/// A password that must turn up nowhere.
const CANARY: &str = "canary-7f3a9c51";

/// Fails if the canary is in this text, plain or in one of the forms in which bytes get printed.
#[track_caller]
fn no_canary(what: &str, said: impl AsRef<[u8]>) {
    let said = text(said.as_ref()).to_lowercase();
    let list = CANARY.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    for form in [CANARY, &list, &hex] {
        assert!(!said.contains(form), "{what}: {said}");
    }
}

/// `sealift` as alice, with the canary as her password.
fn sealift(daemon: &Daemon, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SEALIFT_")) {
        command.env_remove(name);
    }
    command.current_dir(daemon.place()).env("SEALIFT_CONFIG_DIR", daemon.place()).args(args);
    command.env("SEALIFT_PASSWORD", CANARY);
    command
}

#[test]
fn secrets_nowhere() {
    for format in ["text", "json"] {
        let mut daemon = Daemon::builder().args(["--log-level", "trace", "--log-format", format]).start();
        let mut command = daemon.command(&["user", "add", "alice", "--password-stdin", "--admin"]);
        command.env("RUST_BACKTRACE", "full");
        let added = end_of(command, CANARY);
        assert!(added.status.success());
        no_canary("user add", [added.stdout, added.stderr].concat());
        let users = fs::read(daemon.place().join("users.toml")).unwrap();
        no_canary("the users file", users);

        typed_wrong(&daemon);
        let mut alice = RawClient::logged_in(&daemon, "alice", CANARY);
        for line in [format!("PASS {CANARY}"), format!("PASS {CANARY} x"), "WHO".to_owned(), "STATUS".to_owned()] {
            no_canary(&line.replace(CANARY, "…"), format!("{:?}", alice.ask(&line)));
        }
        clients(&daemon);
        broken_users_file(&daemon);

        for file in ["cmdline", "environ"] {
            no_canary(file, fs::read(format!("/proc/{}/{file}", daemon.pid())).unwrap());
        }
        let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
        let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().take(2).collect::<Vec<_>>(), ["0", "0"], "a crash leaves no core");
        daemon.signal(Signal::TERM);
        let log = daemon.wait().log;
        for event in ["login refused", "logged in", "cannot be used", "WHO"] {
            assert!(log.contains(event), "{event} is not in the log: {log}");
        }
        no_canary("the log", log);
    }
}

/// The canary in every place before login where somebody may type it.
fn typed_wrong(daemon: &Daemon) {
    for lines in [
        vec![format!("PASS {CANARY}")],
        vec!["USER alice".to_owned(), format!("PASS {CANARY}-wrong")],
        vec!["USER alice".to_owned(), format!("PASS {CANARY} more")],
        vec!["USER alice".to_owned(), format!("PASS {CANARY} key=value")],
        vec!["USER alice".to_owned(), format!("PASS {CANARY}%zz")],
        vec!["USER alice".to_owned(), format!("PASS\t{CANARY}")],
        vec!["USER alice".to_owned(), format!("PASS {}", CANARY.repeat(100))],
        vec![format!("USER alice {CANARY}")],
        vec![format!("USER {CANARY}"), "PASS x".to_owned()],
        vec![format!("LOGIN alice {CANARY}")],
        vec![format!("HELP {CANARY}")],
        vec![format!("STAT {CANARY}")],
    ] {
        let mut client = RawClient::connect(daemon);
        for line in lines {
            client.line(&line);
            let reply = client.raw_line().unwrap();
            // Only the first word is ever shown again, and only to the one who sent it.
            if !line.starts_with("PASS\t") {
                no_canary(&line.replace(CANARY, "…"), reply);
            }
        }
    }
    // Too long for a line, so that the connection ends with it.
    let mut client = RawClient::connect(daemon);
    client.line(format!("PASS {}", CANARY.repeat(1000)));
    no_canary("a line that is too long", client.rest());
}

/// The client's messages, whatever comes of it.
fn clients(daemon: &Daemon) {
    let address = daemon.address();
    let pin = daemon.pin();
    let wrong_pin = format!("sha256//{}=", "A".repeat(43));
    let (alice, bob) = (format!("alice@{address}/"), format!("bob@{address}/"));
    let in_target = format!("alice:{CANARY}@{address}/");
    for (args, code) in [
        (vec!["-v", "--pin", pin, "ls", &alice], 0),
        (vec!["--json", "--pin", pin, "ls", &alice], 0),
        (vec!["-v", "--pin", pin, "ls", &bob], 4),
        (vec!["-v", "--pin", &wrong_pin, "ls", &alice], 7),
        (vec!["-v", "--pin", pin, "ls", "alice@127.0.0.1:1/"], 6),
    ] {
        let ended = end_of(sealift(daemon, &args), "");
        let said = [ended.stdout, ended.stderr].concat();
        assert_eq!(ended.status.code(), Some(code), "{args:?}: {}", text(&said));
        no_canary("sealift", said);
    }
    // A password in the target is refused, and not shown once more.
    let ended = end_of(sealift(daemon, &["-v", "--pin", pin, "ls", &in_target]), "");
    assert_eq!(ended.status.code(), Some(2), "{}", text(&ended.stderr));
    no_canary("sealift with a password in its target", [ended.stdout, ended.stderr].concat());
}

/// A users file that somebody edits by hand, with a plain password in it.
fn broken_users_file(daemon: &Daemon) {
    let path = daemon.place().join("users.toml");
    let good = fs::read_to_string(&path).unwrap();
    let mut reported = 0;
    for line in [
        format!("password = \"{CANARY}\""),
        format!("password = \"{CANARY}"),
        format!("password = {CANARY}"),
        format!("passwort = \"{CANARY}\""),
        format!("access = \"{CANARY}\""),
        format!("password = [\"{CANARY}\"]"),
        format!("password = \"$argon2id${CANARY}\""),
    ] {
        let text = format!("{good}\n[users.carol]\n{line}\n");
        fs::write(&path, &text).unwrap();
        // The running server reads it and keeps the users it had.
        eventually("it is reported", || daemon.log().matches("cannot be used").count() > reported);
        reported = daemon.log().matches("cannot be used").count();
        assert_eq!(RawClient::connect(daemon).try_login("carol", "x").1, "login-failed");
        let ended = end_of(daemon.command(&["user", "list"]), "");
        assert_eq!(ended.status.code(), Some(2), "{line}");
        if !line.starts_with("access") {
            no_canary("user list", [ended.stdout, ended.stderr].concat());
        }
    }
    fs::write(&path, good).unwrap();
}

/// Starts what follows with cores allowed, as far as the system lets it.
const CORES_ALLOWED: [&str; 3] = ["sh", "-c", "ulimit -c \"$(ulimit -H -c)\"; exec \"$0\" \"$@\""];

#[test]
fn a_crash_leaves_no_core_and_shows_no_secret() {
    let [shell, flag, script] = CORES_ALLOWED;
    let elsewhere = tempfile::tempdir().unwrap();
    let abort = ["-c", "kill -ABRT $$"];
    let other = Command::new(shell).args([flag, script, shell]).args(abort).current_dir(&elsewhere).status().unwrap();
    println!("a program that does nothing about it ends here with: {other}");

    for signal in [Signal::SEGV, Signal::ABORT] {
        // The sandbox alone would keep the kernel from making the file.
        let server = Daemon::builder().through(CORES_ALLOWED).args(["--no-sandbox", "--log-level", "trace"]);
        let mut daemon = server.start();
        daemon.add_user("alice", CANARY, "full");
        let mut alice = RawClient::logged_in(&daemon, "alice", CANARY);
        assert_eq!(alice.ask("STATUS").1, "status");
        client_crashes(&daemon, signal);

        let before = names(daemon.place());
        assert_no_core(daemon.crash(signal), signal);
        let after = names(daemon.place());
        assert!(after.is_subset(&before), "{:?}", after.difference(&before));
        no_canary("the log of a server that crashed", daemon.log());
    }
}

/// The client, at a moment when it knows the password: the shell keeps it, to connect again with.
fn client_crashes(daemon: &Daemon, signal: Signal) {
    let place = tempfile::tempdir().unwrap();
    let target = format!("alice@{}/", daemon.address());
    let plain = sealift(daemon, &["-v", "--pin", daemon.pin(), "shell", &target]);
    let [shell, flag, script] = CORES_ALLOWED;
    let mut command = Command::new(shell);
    command.args([flag, script]).arg(plain.get_program()).args(plain.get_args()).current_dir(&place);
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut client = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut said) = (client.stdin.take().unwrap(), String::new());
    let mut stdout = BufReader::new(client.stdout.take().unwrap());
    stdin.write_all(b"pwd\n").unwrap();
    stdout.read_line(&mut said).unwrap();
    assert_eq!(said, "/\n", "it is logged in");
    assert_no_core(crash(&mut client, signal), signal);
    stdout.read_to_string(&mut said).unwrap();
    client.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("Logged in as alice"), "{said}");
    no_canary("a client that crashed", said);
    assert_eq!(names(place.path()), BTreeSet::new());
}

#[track_caller]
fn assert_no_core(ended: ExitStatus, signal: Signal) {
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(signal.as_raw()), false), "{ended}");
}

/// Everything below a folder.
fn names(folder: &Path) -> BTreeSet<PathBuf> {
    snapshot(folder).into_keys().collect()
}

#[test]
fn a_panic_shows_no_secret() {
    let parsed = |line: &str| sealift::proto::Command::parse(line.as_bytes());
    for verb in ["PASS", "JOIN"] {
        let good = format!("{verb} {CANARY}");
        panics_without_canary(|| failed(parsed(&good).unwrap()).unwrap());
        panics_without_canary(|| drop(parsed(&good).expect_err("a bad line")));
        panics_without_canary(|| assert!(parsed(&good).is_err(), "{:#?}", parsed(&good)));
        for bad in
            [format!("{good} more"), format!("{good}=x"), format!("{good}%"), good.replace(CANARY, &CANARY.repeat(100))]
        {
            panics_without_canary(|| drop(parsed(&bad).unwrap()));
        }
    }
    let secret = Secret::new(CANARY);
    panics_without_canary(|| failed(("alice", Some(&secret))).unwrap());
    panics_without_canary(|| panic!("{secret:#?}"));

    // Logged in: the user, and everybody's hashes that it was checked against.
    let hash = sealift::auth::hash_password(&secret).unwrap();
    let users = Users::parse(&format!("[users.alice]\npassword = \"{hash}\"\n"), "users.toml").unwrap();
    let alice = users.verify("alice", &secret, std::net::Ipv4Addr::LOCALHOST.into()).unwrap();
    panics_without_canary(|| failed(&alice).unwrap());
    panics_without_canary(|| drop(users.verify("bob", &secret, std::net::Ipv4Addr::LOCALHOST.into()).unwrap()));
    panics_without_canary(|| drop(Users::parse(&format!("[users.a]\npassword = \"{CANARY}\""), "users.toml").unwrap()));
}

/// What a step that goes wrong gives back, to be unwrapped by somebody careless.
fn failed<T>(why: T) -> Result<(), T> {
    Err(why)
}

/// Runs what must panic, and looks at what the panic says.
#[track_caller]
fn panics_without_canary(work: impl FnOnce()) {
    let payload: Box<dyn Any + Send> = catch_unwind(AssertUnwindSafe(work)).expect_err("it panics");
    let said =
        payload.downcast_ref::<String>().cloned().or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).into()));
    no_canary("a panic", said.expect("a panic says something"));
}

/// What must not be in a log: what ends a line, what moves a terminal's cursor, what turns text around.
fn forges(character: char) -> bool {
    let bidi = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || bidi || matches!(character, '\u{2028}' | '\u{2029}')
}

#[test]
fn log_injection() {
    const FORGED: &str = "2026-01-01T00:00:00.000000Z  INFO forged";
    for format in ["text", "json"] {
        let world = World::of(&["alice"]);
        let mut daemon = world.daemon().args(["--log-level", "trace", "--log-format", format]).start();
        let evil = ["\n", "\r\n", "\r", "\u{1b}[2K\u{1b}[1G", "\u{9b}2J", "\u{2028}", "\u{202e}", "\"}\n{\"level\":\""]
            .map(|head| format!("{head}{FORGED}"));
        let home = world.home("alice");
        fs::create_dir_all(home.join("folder")).unwrap();
        for name in &evil {
            // As another protocol's name, as a user's, as a path, as an unknown verb.
            let mut typed = Typed::with(daemon.port(), &["-alpn", &name.replace(',', "")]);
            assert!(typed.rest().is_empty());
            let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
            for sent in [name, &encoded] {
                let mut stranger = RawClient::connect(&daemon);
                stranger.send(format!("USER {sent}\r\nPASS x\r\nX{sent}\r\nLOGOUT\r\n"));
                stranger.rest();
                // By tokens: what a password costs hundreds of times is not what this is about.
                let mut first = enter(&daemon, "alice");
                for verb in Verb::ALL {
                    let token = first.ask("TOKEN").2["tokens"].clone();
                    let mut alice = RawClient::connect(&daemon);
                    assert_eq!(alice.ask(format!("JOIN {token}")).1, "welcome");
                    alice.send(format!("{} a{sent} b{sent} if=x{sent}\r\n", verb.name()));
                    alice.send(format!("{} a{sent}\r\nLOGOUT\r\n", verb.name()));
                    if matches!(verb, Verb::Upload | Verb::Part) {
                        alice.close();
                    } else {
                        alice.rest();
                    }
                }
            }
            // As names that are on the disk already.
            let name = name.replace('/', "");
            fs::write(home.join("folder").join(&name), "").unwrap();
            fs::create_dir(home.join(&name)).unwrap();
        }
        let mut alice = enter(&daemon, "alice");
        alice.data("LIST recursive=yes").unwrap();
        assert_eq!(alice.ask("DELETE folder recursive=yes").1, "done");
        daemon.signal(Signal::TERM);
        let log = daemon.wait().log;
        assert!(log.contains("forged"), "something of it is logged, or this test proves nothing");
        for line in log.lines() {
            assert!(!line.contains(forges), "{line:?}");
            assert!(!line.starts_with(FORGED), "{line:?}");
            match format {
                "json" => {
                    let event: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
                    assert!(event.get("timestamp").is_some() && event.get("level").is_some(), "{line}");
                }
                _ => {
                    let level = line.split_whitespace().nth(1);
                    assert!(matches!(level, Some("TRACE" | "DEBUG" | "INFO" | "WARN" | "ERROR")), "{line:?}");
                }
            }
        }
    }
}

#[test]
fn key_modes() {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let set_mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let place = tempfile::tempdir().unwrap();
    let (key, users) = (place.path().join("certs/key.pem"), place.path().join("users.toml"));
    let daemon = Daemon::builder().within(place.path()).start();
    daemon.add_user("alice", "right", "full");
    assert_eq!((mode(&key), mode(&users), mode(&daemon.data())), (0o600, 0o600, 0o700), "as made");
    assert_eq!(daemon.stop().code, Some(0));

    // A private key that others can read or change: no start, and how to mend it.
    for bad in [0o644, 0o640, 0o604, 0o620] {
        set_mode(&key, bad);
        let mut command = sealiftd(place.path());
        command.args(["--listen", "127.0.0.1:0"]);
        let ended = end_of(command, "");
        let said = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(said.contains("chmod 600"), "{said}");
    }
    set_mode(&key, 0o600);

    // A users file that others can read or change: a warning in the log.
    for (bad, what) in [(0o644, "guess passwords"), (0o622, "let themselves in")] {
        set_mode(&users, bad);
        let daemon = Daemon::builder().within(place.path()).start();
        let log = daemon.stop().log;
        assert!(log.contains(what), "{log}");
    }
    set_mode(&users, 0o600);

    // A password file that others can read: the client says so.
    let daemon = Daemon::builder().within(place.path()).start();
    let file = place.path().join("password");
    fs::write(&file, "right\n").unwrap();
    for (given, warned) in [(0o644, true), (0o640, true), (0o600, false)] {
        set_mode(&file, given);
        let target = format!("alice@{}/", daemon.address());
        let ended =
            end_of(sealift(&daemon, &["--pin", daemon.pin(), "--password-file", "password", "ls", &target]), "");
        let said = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(0), "{said}");
        assert_eq!(said.contains("other users can read the password"), warned, "{given:o}: {said}");
    }
}
