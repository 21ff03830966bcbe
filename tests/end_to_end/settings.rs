//! `sealiftd.toml`, and where settings come from.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::common::{Daemon, RawClient, end_of, eventually, sealiftd, text};

fn run(place: &Path, args: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
    let mut command = sealiftd(place);
    command.args(args).envs(environment.iter().copied());
    let output = end_of(command, "");
    (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
}

/// The line of a setting, without what aligns it.
fn shown(place: &Path, args: &[&str], environment: &[(&str, &str)], key: &str) -> String {
    let (code, said) = run(place, args, environment);
    assert_eq!(code, 0, "{said}");
    let line = said.lines().find(|line| line.split_whitespace().next() == Some(key)).unwrap().to_owned();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_command_line_counts_before_the_environment_before_the_file_before_the_default() {
    let place = TempDir::new().unwrap();
    let show = |args: &[&str], environment: &[(&str, &str)]| shown(place.path(), args, environment, "max_connections");
    assert_eq!(show(&["config", "show"], &[]), "max_connections = 10000 # default");
    fs::write(place.path().join("sealiftd.toml"), "# ours\nmax_connections = 300\n").unwrap();
    assert_eq!(show(&["config", "show"], &[]), "max_connections = 300 # sealiftd.toml:2");
    let environment = [("SEALIFT_MAX_CONNECTIONS", "200")];
    let from = "environment, SEALIFT_MAX_CONNECTIONS";
    assert_eq!(show(&["config", "show"], &environment), format!("max_connections = 200 # {from}"));
    let args = ["--max-connections", "100", "config", "show"];
    assert_eq!(show(&args, &environment), "max_connections = 100 # command line");
    // Another file, wherever it is named.
    fs::write(place.path().join("other.toml"), "max_connections = 400\n").unwrap();
    for (args, environment) in [
        (&["--config", "other.toml", "config", "show"][..], &[][..]),
        (&["config", "show", "--config", "other.toml"], &[]),
        (&["config", "show"], &[("SEALIFTD_CONFIG", "other.toml")]),
    ] {
        assert_eq!(show(args, environment), "max_connections = 400 # other.toml:1");
    }
}

#[test]
fn what_is_shown_is_a_file_that_says_the_same() {
    let place = TempDir::new().unwrap();
    fs::write(
        place.path().join("sealiftd.toml"),
        "listen = [\"127.0.0.1:0\", \"[::1]:0\"]\ngrace = \"5s\"\nno_sandbox = true\nusers = \"u s.toml\"\nmemory = \"1GiB\"\n",
    )
    .unwrap();
    let (_, said) = run(place.path(), &["config", "show"], &[]);
    fs::write(place.path().join("again.toml"), &said).unwrap();
    let (code, again) = run(place.path(), &["--config", "again.toml", "config", "show"], &[]);
    let values = |said: &str| -> Vec<String> {
        said.lines().skip(1).map(|line| line.split('#').next().unwrap().trim_end().to_owned()).collect()
    };
    assert_eq!((code, values(&again)), (0, values(&said)), "{said}");
}

#[test]
fn a_server_and_its_administration_go_by_the_file() {
    let place = TempDir::new().unwrap();
    fs::write(place.path().join("sealiftd.toml"), "users = \"people.toml\"\ndata = \"files\"\nmax_per_source = 1\n")
        .unwrap();
    let daemon = Daemon::builder().within(place.path()).start();
    daemon.add_user("alice", "correct-horse", "full");
    assert!(place.path().join("people.toml").exists() && !place.path().join("users.toml").exists());
    let mut alice = RawClient::logged_in(&daemon, "alice", "correct-horse");
    assert_eq!(alice.upload("f", b"x").1, "done");
    assert!(place.path().join("files/alice/f").exists());
    assert!(RawClient::try_silent(daemon.port()).is_err(), "max_per_source");
}

#[test]
fn a_wrong_file_is_refused_with_its_line_by_every_command() {
    let place = TempDir::new().unwrap();
    for (wrong, why) in [
        (
            "max_conections = 5",
            "sealiftd.toml:2: the file has an unknown key 'max_conections': did you mean 'max_connections'?",
        ),
        ("max-connections = 5", "did you mean 'max_connections'?"),
        ("max_connections = \"many\"", "sealiftd.toml:2: max_connections: "),
        ("max_connections = 0", "sealiftd.toml:2: max_connections: "),
        ("grace = 5", "sealiftd.toml:2: grace: "),
        ("hook_timeout = \"never\"", "write a time, such as 30s or 5m"),
        ("listen = [\"nowhere\"]", "127.0.0.1:4456"),
        ("durability = \"some\"", "sealiftd.toml:2: durability: "),
        ("no_sandbox = \"yes\"", "sealiftd.toml:2: no_sandbox of the file must be true or false"),
        ("[serve]", "unknown key 'serve'"),
        ("grace", "sealiftd.toml:2: not valid TOML"),
    ] {
        fs::write(place.path().join("sealiftd.toml"), format!("# ours\n{wrong}\n")).unwrap();
        for command in [&["--listen", "127.0.0.1:0"][..], &["check"], &["user", "list"], &["config", "show"]] {
            let (code, said) = run(place.path(), command, &[]);
            assert!(code == 2 && said.contains(why), "{wrong} {command:?} {code}: {said}");
        }
    }
    let (code, said) = run(place.path(), &["--config", "nothing.toml", "config", "show"], &[]);
    assert!(code == 3 && said.contains("nothing.toml"), "{said}");
    // A pipe is not waited for.
    rustix::fs::mkfifoat(rustix::fs::CWD, place.path().join("pipe"), rustix::fs::Mode::RUSR).unwrap();
    let (code, said) = run(place.path(), &["--config", "pipe", "config", "show"], &[]);
    assert!(code == 2 && said.contains("is no file"), "{said}");
    // Help is there for whoever has a wrong file.
    assert_eq!(run(place.path(), &["--help"], &[]).0, 0);
}

#[test]
fn what_check_says_of_a_path_is_said_with_the_line_that_names_it() {
    let place = TempDir::new().unwrap();
    let file = "audit = \"users.jsonl\"\non_upload = [\"hook\"]\nroots = [\"nowhere\"]\n";
    fs::write(place.path().join("sealiftd.toml"), file).unwrap();
    let (code, said) = run(place.path(), &["check", "--listen", "127.0.0.1:0"], &[]);
    for wrong in [
        "sealiftd.toml:1: users.jsonl ",
        "sealiftd.toml:2: on_upload: hook: is not an absolute path",
        "sealiftd.toml:3: --roots nowhere: no such file",
    ] {
        assert!(code == 1 && said.contains(wrong), "{wrong} {code}: {said}");
    }
    // One that is typed is in no file.
    let (_, said) = run(place.path(), &["check", "--listen", "127.0.0.1:0", "--on-upload", "typed"], &[]);
    assert!(said.contains("error: on_upload: typed: "), "{said}");
}

#[test]
fn a_file_that_somebody_else_planted_is_not_read_unasked() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("sealiftd.toml");
    fs::write(&file, "users = \"theirs.toml\"\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let (code, said) = run(place.path(), &["user", "list"], &[]);
    assert!(
        code == 5 && said.contains("can be changed by every user") && said.contains("--config sealiftd.toml"),
        "{said}"
    );
    assert_eq!(
        shown(place.path(), &["--config", "sealiftd.toml", "config", "show"], &[], "users"),
        "users = \"theirs.toml\" # sealiftd.toml:1"
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(shown(place.path(), &["config", "show"], &[], "users"), "users = \"theirs.toml\" # sealiftd.toml:1");
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&file, Some(12_345), None).unwrap();
        let (code, said) = run(place.path(), &["user", "list"], &[]);
        assert!(code == 5 && said.contains("belongs to another user"), "{said}");
        // A folder of the server's account, in which root works.
        std::os::unix::fs::chown(place.path(), Some(12_345), None).unwrap();
        assert_eq!(run(place.path(), &["config", "show"], &[]).0, 0);
    }
}

#[test]
fn what_can_change_while_it_runs_does_so_on_sighup_and_the_rest_is_said_to_need_a_restart() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("sealiftd.toml");
    fs::write(&file, "max_per_source = 1\n").unwrap();
    let daemon = Daemon::builder().within(place.path()).start();
    let _first = RawClient::connect(&daemon);
    assert!(RawClient::try_silent(daemon.port()).is_err());
    fs::write(&file, "max_per_source = 3\nweb = \"off\"\n").unwrap();
    daemon.signal(Signal::HUP);
    eventually("the live setting counts", || RawClient::try_silent(daemon.port()).is_ok());
    daemon.log_with(&["count from now on", "settings=\"max_per_source\""]);
    eventually("the other one is named", || daemon.log().contains("need a restart to count settings=\"web\""));
    // A broken one changes nothing.
    fs::write(&file, "max_per_source = \"some\"\n").unwrap();
    daemon.signal(Signal::HUP);
    eventually("it is said with its line", || daemon.log().contains("sealiftd.toml:1: max_per_source"));
    let _second = RawClient::connect(&daemon);
    // Back to what it was started with: nothing needs a restart any more.
    fs::write(&file, "max_per_source = 1\n").unwrap();
    daemon.signal(Signal::HUP);
    eventually("the first one counts again", || daemon.log().matches("count from now on").count() == 2);
    assert!(RawClient::try_silent(daemon.port()).is_err());
    assert_eq!(daemon.log().matches("need a restart").count(), 1);
}

#[test]
fn a_file_that_changes_is_read_again_by_itself_and_a_broken_one_changes_nothing() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("sealiftd.toml");
    fs::write(&file, "max_per_source = 1\n").unwrap();
    let daemon = Daemon::builder().within(place.path()).start();
    let _first = RawClient::connect(&daemon);
    assert!(RawClient::try_silent(daemon.port()).is_err());
    fs::write(&file, "max_per_source = 3\n").unwrap();
    eventually("it counts", || RawClient::try_silent(daemon.port()).is_ok());
    fs::write(&file, "max_per_sourc = 1\n").unwrap();
    eventually("it is said with its line", || {
        daemon.log().contains("sealiftd.toml:1: ") && daemon.log().contains("max_per_source")
    });
    let _second = RawClient::connect(&daemon);
    // One that is away for a moment, or for longer, changes nothing.
    fs::remove_file(&file).unwrap();
    fs::write(place.path().join("new"), "max_per_source = 1\n").unwrap();
    fs::rename(place.path().join("new"), &file).unwrap();
    eventually("the new one counts", || daemon.log().matches("count from now on").count() == 2);
    assert!(RawClient::try_silent(daemon.port()).is_err());
}

#[test]
fn a_named_file_that_is_replaced_is_read_again_inside_the_sandbox() {
    let (place, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let file = elsewhere.path().join("ours.toml");
    fs::write(&file, "max_per_source = 1\n").unwrap();
    let daemon = Daemon::builder().within(place.path()).args(["--config", file.to_str().unwrap()]).start();
    fs::write(elsewhere.path().join("new"), "max_per_source = 3\n").unwrap();
    fs::rename(elsewhere.path().join("new"), &file).unwrap();
    daemon.signal(Signal::HUP);
    eventually("it counts", || daemon.log().contains("count from now on"));
}

#[test]
fn an_audit_is_searched_and_a_port_told_as_the_file_says() {
    let place = TempDir::new().unwrap();
    let (code, said) = run(place.path(), &["audit"], &[]);
    assert!(code == 2 && said.contains("no audit is named") && said.contains("--file"), "{said}");
    let settings = "audit = \"seen/audit.jsonl\"\nuser = \"somebody\"\n\
                    listen = [\"127.0.0.1:0\", \"127.0.0.1:7001\", \"0.0.0.0:7002\"]\n";
    fs::write(place.path().join("sealiftd.toml"), settings).unwrap();
    let (code, said) = run(place.path(), &["audit"], &[]);
    assert!(code == 3 && said.contains("seen/audit.jsonl"), "{said}");
    fs::create_dir(place.path().join("seen")).unwrap();
    let line = "{\"time\":\"2026-11-24T10:00:00Z\",\"event\":\"login\",\"user\":\"alice\"}\n";
    fs::write(place.path().join("seen/audit.jsonl"), line).unwrap();
    let (code, said) = run(place.path(), &["audit", "--json"], &[]);
    assert_eq!((code, said.as_str()), (0, line), "of every user, whatever account the server has");
    let (code, said) = run(place.path(), &["audit"], &[("SEALIFT_AUDIT", "stderr")]);
    assert!(code == 2 && said.contains("goes to standard error"), "{said}");

    fs::create_dir(place.path().join("server_data")).unwrap();
    assert_eq!(run(place.path(), &["cert", "new"], &[]).0, 0);
    for (environment, host, port) in [
        (&[][..], &[][..], ":7002"),
        (&[], &["--host", "files.example.org"], "files.example.org:7002"),
        (&[], &["--host", "files.example.org:7003"], "files.example.org:7003"),
        (&[("SEALIFT_LISTEN", "[::]:7004")], &[], ":7004"),
    ] {
        let (code, said) = run(place.path(), &[&["invite", "carol"], host].concat(), environment);
        assert!(code == 0 && said.contains(port) && !said.contains("usual port"), "{port}: {said}");
    }
}

#[test]
fn an_invitation_names_the_port_of_the_server_that_runs_and_says_when_it_guesses() {
    let place = TempDir::new().unwrap();
    let place = place.path();
    fs::create_dir(place.join("server_data")).unwrap();
    assert_eq!(run(place, &["cert", "new"], &[]).0, 0);
    let invite = |host: &[&str], environment| {
        let (code, said) = run(place, &[&["invite", "carol"], host].concat(), environment);
        assert_eq!(code, 0, "{said}");
        said
    };
    for (host, guessed) in [(&[][..], true), (&["--host", "h.example"], true), (&["--host", "h.example:4456"], false)] {
        let said = invite(host, &[]);
        assert!(said.contains(":4456/#") && said.contains("the usual port") == guessed, "{host:?}: {said}");
    }
    // As a server that runs has written it, and not as one that was killed has left it.
    fs::write(place.join("sealiftd.toml"), "port_file = \"port\"\nlisten = [\"127.0.0.1:0\"]\n").unwrap();
    let mut daemon = Daemon::builder().within(place).start();
    let running = format!("h.example:{}/#", daemon.port());
    let said = invite(&["--host", "h.example"], &[]);
    assert!(said.contains(&running) && !said.contains("usual port"), "{said}");
    fs::write(place.join("other"), "7006\n").unwrap();
    let other = [("SEALIFT_PORT_FILE", "other")];
    assert!(invite(&["--host", "h.example"], &other).contains("h.example:7006/#"));
    // Without that file its state says it.
    fs::rename(place.join("port"), place.join("aside")).unwrap();
    assert!(invite(&["--host", "h.example"], &[]).contains(&running));
    fs::rename(place.join("aside"), place.join("port")).unwrap();
    daemon.crash(Signal::KILL);
    assert!(place.join("port").exists());
    let said = invite(&["--host", "h.example"], &[]);
    assert!(said.contains("h.example:4456/#") && said.contains("no server is known to run here"), "{said}");
    let settings = [("SEALIFT_LISTEN", "127.0.0.1:7007")];
    let said = invite(&["--host", "h.example"], &settings);
    assert!(said.contains("h.example:7007/#") && !said.contains("usual port"), "{said}");
}
