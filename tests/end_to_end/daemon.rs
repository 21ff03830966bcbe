//! `sealiftd` as its administrator meets it: first start, options, signals, logs, errors.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Output, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::common::{Daemon, RawClient, Typed, sealiftd, text};

/// The exit code and standard error of `sealiftd` with these arguments, which must fail.
fn refused(place: &Path, args: &[&str]) -> (i32, String) {
    let mut command = sealiftd(place);
    command.args(["--listen", "127.0.0.1:0", "--log-level", "off"]).args(args);
    failure(&command.output().unwrap())
}

fn failure(output: &Output) -> (i32, String) {
    let code = output.status.code().unwrap();
    let said = text(&output.stderr);
    assert_ne!(code, 0, "{said}");
    assert!(said.contains("sealiftd: ") && said.contains("\n  hint: "), "{said}");
    (code, said)
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A login that is in the middle of an upload of eleven bytes.
fn uploading(daemon: &Daemon) -> Typed {
    daemon.add_user("alice", "correct-horse", "full");
    let mut alice = Typed::login(daemon, "alice", "correct-horse");
    alice.send(b"UPLOAD file\r\n\x00\x00\x00\x0bhello ");
    alice
}

// ---- The first start ----

#[test]
fn the_first_start_makes_all_that_is_missing_for_the_owner_alone() {
    let daemon = Daemon::start();
    let place = daemon.place();
    for (name, expected) in [
        ("certs", 0o700),
        ("certs/key.pem", 0o600),
        ("certs/cert.pem", 0o644),
        ("users.toml", 0o600),
        ("server_data", 0o700),
        ("server_state", 0o700),
    ] {
        assert_eq!(mode(place.join(name)), expected, "{name}");
    }
    assert!(daemon.public().is_dir());
    assert_eq!(fs::read_to_string(place.join("port")).unwrap(), format!("{}\n", daemon.port()));
    let mut names: Vec<_> =
        fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["certs", "log", "port", "server_data", "server_state", "users.toml"]);
}

#[test]
fn the_banner_tells_what_to_type_next() {
    let daemon = Daemon::start();
    let pin = text(&daemon.command(&["cert", "pin"]).output().unwrap().stdout);
    assert_eq!(pin, format!("{}\n", daemon.pin()));
    let banner = daemon.banner();
    for expected in [format!("  address  {}\n", daemon.address()), format!("  pid      {}\n", daemon.pid())] {
        assert!(banner.contains(&expected), "{expected} is not in:\n{banner}");
    }
}

#[test]
fn a_second_start_keeps_key_and_users() {
    let place = TempDir::new().unwrap();
    let first = Daemon::builder().within(place.path()).start();
    first.add_user("alice", "correct-horse", "full");
    let pin = first.pin().to_owned();
    first.stop();
    let second = Daemon::builder().within(place.path()).start();
    assert_eq!(second.pin(), pin);
    Typed::login(&second, "alice", "correct-horse");
}

#[test]
fn anonymous_reads_what_is_put_into_public() {
    let daemon = Daemon::start();
    fs::write(daemon.public().join("hello.txt"), "hello\n").unwrap();
    let mut anonymous = Typed::login(&daemon, "anonymous", "");
    assert!(anonymous.ask("DOWNLOAD hello.txt").starts_with("150 data size=6 "));
    assert_eq!(anonymous.frames().unwrap(), b"hello\n");
    assert!(anonymous.line().starts_with("226 done size=6 "));
}

// ---- Options and environment ----

#[test]
fn every_place_can_be_set_by_option() {
    let daemon = Daemon::builder()
        .args([
            "serve",
            "--data",
            "d",
            "--users",
            "u",
            "--certs",
            "c",
            "--listen",
            "127.0.0.1:0",
            "--port-file",
            "port",
        ])
        .args(["--durability", "none", "--grace", "5s", "--log-format", "json"])
        .start();
    for made in ["d/public", "u", "c/key.pem"] {
        assert!(daemon.place().join(made).exists(), "{made}");
    }
    let ended = daemon.stop();
    assert!(ended.log.contains(r#""durability":"none","grace":"5s""#), "{}", ended.log);
}

#[test]
fn every_place_can_be_set_by_environment_variable() {
    let daemon = Daemon::builder()
        .env("SEALIFT_LISTEN", "127.0.0.1:0,127.0.0.1:0")
        .env("SEALIFT_DATA", "d")
        .env("SEALIFT_USERS", "u")
        .env("SEALIFT_CERTS", "c")
        .env("SEALIFT_DURABILITY", "none")
        .env("SEALIFT_GRACE", "5s")
        .env("SEALIFT_LOG_FORMAT", "json")
        .env("SEALIFT_LOG", "info")
        .start();
    for made in ["d/public", "u", "c/key.pem"] {
        assert!(daemon.place().join(made).exists(), "{made}");
    }
    let address = daemon.banner().lines().find(|line| line.contains("address")).unwrap();
    assert_eq!(address.matches("127.0.0.1:").count(), 2, "{address}");
    let ended = daemon.stop();
    assert!(ended.log.contains(r#""durability":"none","grace":"5s""#), "{}", ended.log);
}

#[test]
fn help_and_version_are_no_failures() {
    let place = TempDir::new().unwrap();
    for args in [&["--help"][..], &["--version"], &["help", "user", "add"], &["cert", "new", "-h"]] {
        let output = sealiftd(place.path()).args(args).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{args:?}");
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_carried_out_is_a_usage_error() {
    let place = TempDir::new().unwrap();
    for args in [
        &["--nonsense"][..],
        &["--listen", "somewhere"],
        &["--grace", "soon"],
        &["--log-level", "a=b=c"],
        &["--log-level", "loud"],
        &["--listen", "127.0.0.1:0", "user", "list"],
        &["user"],
        &["user", "add", "bob", "--access", "fly"],
    ] {
        let output = sealiftd(place.path()).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stderr));
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn newcomers_are_refused_from_where_the_option_says_and_a_login_makes_room() {
    let daemon = Daemon::builder().args(["--max-startups", "2:100:2"]).start();
    let mut first = Typed::connect(&daemon);
    let _second = Typed::connect(&daemon);
    assert!(RawClient::try_silent(daemon.port()).is_err(), "a third that is not logged in");
    assert!(first.ask("USER anonymous").starts_with("331 "));
    assert!(first.ask("PASS").starts_with("230 "));
    drop(RawClient::connect(&daemon));
}

// ---- Signals and the end ----

#[test]
fn sigterm_and_sigint_end_it_well_and_take_the_port_file_away() {
    for signal in [Signal::TERM, Signal::INT] {
        let place = TempDir::new().unwrap();
        let mut daemon = Daemon::builder().within(place.path()).start();
        let mut idle = Typed::login(&daemon, "anonymous", "");
        let mut nobody = Typed::connect(&daemon);
        daemon.signal(signal);
        assert!(idle.line().starts_with("421 stopping "));
        assert!(nobody.line().starts_with("421 stopping "));
        let ended = daemon.wait();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        assert!(!place.path().join("port").exists());
    }
}

#[test]
fn a_running_transfer_may_finish_after_sigterm() {
    let mut daemon = Daemon::start();
    let mut alice = uploading(&daemon);
    let mut idle = Typed::login(&daemon, "anonymous", "");
    daemon.signal(Signal::TERM);
    assert!(idle.line().starts_with("421 stopping "));
    let mut rest = b"world\x00\x00\x00\x00".to_vec();
    rest.extend(blake3::hash(b"hello world").as_bytes());
    alice.send(rest);
    let answer = alice.line();
    assert!(answer.starts_with("226 done size=11 "), "{answer}");
    assert_eq!(daemon.wait().code, Some(0));
    assert_eq!(fs::read_to_string(daemon.data().join("alice/file")).unwrap(), "hello world");
}

#[test]
fn a_transfer_that_does_not_finish_is_cut_off_after_the_grace_period() {
    let mut daemon = Daemon::builder().args(["--grace", "10ms"]).start();
    let _alice = uploading(&daemon);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().code, Some(0));
    assert!(!daemon.data().join("alice/file").exists());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut daemon = Daemon::builder().args(["--grace", "1h"]).start();
        let _alice = uploading(&daemon);
        let mut idle = Typed::login(&daemon, "anonymous", "");
        daemon.signal(signal);
        // The first signal has been seen.
        assert!(idle.line().starts_with("421 stopping "));
        daemon.signal(signal);
        assert_eq!(daemon.wait().code, Some(code));
        assert!(!daemon.place().join("port").exists());
    }
}

#[test]
fn sighup_does_not_end_a_server_without_a_terminal() {
    let daemon = Daemon::start();
    daemon.signal(Signal::HUP);
    Typed::login(&daemon, "anonymous", "");
    let ended = daemon.stop();
    assert_eq!(ended.code, Some(0));
    assert!(ended.log.contains("SIGHUP"), "{}", ended.log);
}

#[test]
fn an_administrator_s_shutdown_ends_the_process() {
    let mut daemon = Daemon::start();
    daemon.add_user_with("root", "correct-horse", &["--admin"]);
    let mut root = Typed::login(&daemon, "root", "correct-horse");
    assert!(root.ask("SHUTDOWN").starts_with("200 stopping "));
    assert_eq!(daemon.wait().code, Some(0));
}

#[test]
fn a_closed_standard_output_is_no_reason_to_end() {
    let place = TempDir::new().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = sealiftd(place.path())
        .args(["--listen", "127.0.0.1:0", "--port-file", "port"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The line comes after the banner was written in vain.
    let log = BufReader::new(child.stderr.take().unwrap());
    let listening = log.lines().any(|line| line.unwrap().contains("listening"));
    // The log has no reader any more either.
    let port = fs::read_to_string(place.path().join("port")).unwrap().trim().parse().unwrap();
    let greeting = Typed::with(port, &["-alpn", "sealift/1"]).line();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(listening && greeting.starts_with("220 ready "), "{greeting}");
}

// ---- What keeps it from starting ----

#[test]
fn a_port_in_use_is_exit_6() {
    let daemon = Daemon::start();
    let place = TempDir::new().unwrap();
    let (code, said) = refused(place.path(), &["--listen", &daemon.address()]);
    assert_eq!(code, 6);
    assert!(said.contains(&daemon.address()) && said.contains("--listen"), "{said}");
}

#[test]
fn a_data_folder_in_use_is_exit_6() {
    let daemon = Daemon::start();
    let (code, said) = refused(daemon.place(), &[]);
    assert_eq!(code, 6);
    assert!(said.contains("server_data") && said.contains("--data"), "{said}");
}

#[test]
fn a_broken_users_file_is_exit_2_with_file_and_line() {
    let place = TempDir::new().unwrap();
    fs::write(place.path().join("users.toml"), "[anonymous]\nenabled = maybe\n").unwrap();
    let (code, said) = refused(place.path(), &[]);
    assert_eq!(code, 2);
    assert!(said.contains("users.toml:2: "), "{said}");
}

#[test]
fn a_key_of_another_certificate_is_exit_7() {
    let place = TempDir::new().unwrap();
    for certs in ["certs", "other"] {
        assert!(sealiftd(place.path()).args(["cert", "new", "--certs", certs]).output().unwrap().status.success());
    }
    fs::copy(place.path().join("other/key.pem"), place.path().join("certs/key.pem")).unwrap();
    let (code, said) = refused(place.path(), &[]);
    assert_eq!(code, 7);
    assert!(said.contains("certs/key.pem") && said.contains("certs/cert.pem"), "{said}");
}

#[test]
fn a_key_that_others_can_read_is_exit_2() {
    let place = TempDir::new().unwrap();
    assert!(sealiftd(place.path()).args(["cert", "new"]).output().unwrap().status.success());
    fs::set_permissions(place.path().join("certs/key.pem"), Permissions::from_mode(0o644)).unwrap();
    let (code, said) = refused(place.path(), &[]);
    assert_eq!(code, 2);
    assert!(said.contains("certs/key.pem") && said.contains("chmod 600"), "{said}");
}

#[test]
fn secrets_inside_the_data_folder_are_refused() {
    let place = TempDir::new().unwrap();
    for (option, path) in [("--certs", "server_data/certs"), ("--users", "server_data/users.toml")] {
        fs::create_dir_all(place.path().join("server_data")).unwrap();
        let (code, said) = refused(place.path(), &[option, path]);
        assert_eq!(code, 2);
        assert!(said.contains(path) && said.contains(option), "{said}");
    }
}

#[test]
fn a_file_in_the_place_of_the_data_folder_is_named() {
    let place = TempDir::new().unwrap();
    fs::write(place.path().join("server_data"), "").unwrap();
    let (code, said) = refused(place.path(), &[]);
    assert_eq!(code, 1);
    assert!(said.contains("server_data: not a folder"), "{said}");
}

#[test]
fn a_port_file_that_cannot_be_written_is_named() {
    let place = TempDir::new().unwrap();
    let (code, said) = refused(place.path(), &["--port-file", "nowhere/port"]);
    assert_eq!(code, 3);
    assert!(said.contains("nowhere/port"), "{said}");
}

#[test]
fn a_folder_without_permission_is_exit_5() {
    let place = TempDir::new().unwrap();
    let closed = place.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o500)).unwrap();
    for option in ["--data", "--certs", "--users", "--state"] {
        let mut command = sealiftd(place.path());
        command.args(["--listen", "127.0.0.1:0", "--log-level", "off", option, "closed/it"]);
        if rustix::process::geteuid().is_root() {
            // Nothing is closed to root.
            chown(place.path(), Some(65534), Some(65534)).unwrap();
            chown(&closed, Some(65534), Some(65534)).unwrap();
            command.uid(65534).gid(65534);
        }
        let (code, said) = failure(&command.output().unwrap());
        assert_eq!(code, 5, "{option}: {said}");
        assert!(said.contains("closed/it"), "{option}: {said}");
    }
}

// ---- The log ----

#[test]
fn the_log_tells_of_every_step() {
    let daemon = Daemon::start();
    daemon.add_user("alice", "correct-horse", "full");
    let mut alice = Typed::login(&daemon, "alice", "correct-horse");
    assert!(alice.ask("MKDIR a%20b").starts_with("250 done "));
    assert!(alice.ask("LIST nothing").starts_with("550 not-found "));
    assert!(alice.ask("LOGOUT").starts_with("221 bye "));
    alice.rest();
    let log = daemon.stop().log;
    let in_order = |steps: &[&str]| {
        let mut rest = log.as_str();
        for step in steps {
            let at = rest.find(step).unwrap_or_else(|| panic!("no {step:?} in its place in\n{log}"));
            rest = &rest[at..];
        }
    };
    in_order(&[
        "starting version=",
        "ready durability=\"full\" grace=30s login_memory_kib=",
        "listening address=127.0.0.1:",
        "connected peer=127.0.0.1:",
        "logged in peer=127.0.0.1:",
        "user=\"alice\" verb=\"MKDIR\" path=\"a b\" outcome=\"created\" bytes=0 ms=",
        "verb=\"LIST\" path=\"nothing\" outcome=\"not-found\"",
        "disconnected peer=127.0.0.1:",
        "stopped connections=0",
    ]);
    // A signal acts before it is logged.
    in_order(&["listening address=", "stopping; once more ends at once signal=\"SIGTERM\""]);
    assert!(!log.contains('\x1b'), "colours without a terminal");
}

#[test]
fn a_json_log_is_one_object_a_line() {
    let daemon = Daemon::builder().args(["--log-format", "json"]).start();
    let mut anonymous = Typed::login(&daemon, "anonymous", "");
    assert!(anonymous.ask("LIST nothing").starts_with("550 "));
    let log = daemon.stop().log;
    let events: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let command = events.iter().find(|event| event["message"] == "command").unwrap();
    for (key, value) in [("user", "anonymous"), ("verb", "LIST"), ("path", "nothing"), ("outcome", "not-found")] {
        assert_eq!(command[key], value, "{key}");
    }
    assert!(command["ms"].is_u64() && command["bytes"].is_u64(), "{command}");
}

#[test]
fn nothing_ordinary_is_logged_at_level_warn() {
    // Few connections: where there are few open files, that is warned of.
    let daemon = Daemon::builder().args(["--log-level", "warn", "--max-connections", "20"]).start();
    let mut anonymous = Typed::login(&daemon, "anonymous", "");
    assert!(anonymous.ask("DELETE x").starts_with("550 denied "));
    drop(Typed::connect(&daemon));
    let log = daemon.stop().log;
    // That is nothing ordinary.
    let log: Vec<&str> = log.lines().filter(|line| !line.contains("running as root")).collect();
    assert_eq!(log, [""; 0]);
}

#[test]
fn secrets_nowhere() {
    let daemon = Daemon::builder().args(["--log-level", "trace"]).start();
    daemon.add_user("alice", "canary-7f3a-right", "full");
    Typed::login(&daemon, "alice", "canary-7f3a-right");
    let mut stranger = Typed::connect(&daemon);
    assert!(stranger.ask("USER alice").starts_with("331 "));
    assert!(stranger.ask("PASS canary-7f3a-wrong").starts_with("530 "));
    // Typed where the user's name belongs, and a line that is no command at all.
    assert!(stranger.ask("USER canary-7f3a-name").starts_with("331 "));
    assert!(stranger.ask("PASS canary-7f3a-wrong").starts_with("530 "));
    assert!(stranger.ask("canary-7f3a-verb").starts_with("500 "));
    let listed = daemon.command(&["user", "list", "--json"]).output().unwrap();
    let said = format!("{}{}{}", daemon.hints(), text(&listed.stdout), text(&listed.stderr));
    let written = fs::read_to_string(daemon.place().join("users.toml")).unwrap();
    let log = daemon.stop().log;
    assert!(log.contains("login refused"), "{log}");
    for (what, text) in [("log", log), ("output", said), ("users file", written)] {
        assert!(!text.contains("canary-7f3a"), "in the {what}:\n{text}");
    }
}

#[test]
fn log_injection() {
    let daemon = Daemon::start();
    daemon.add_user("alice", "correct-horse", "full");
    let mut alice = Typed::login(&daemon, "alice", "correct-horse");
    alice.ask("LIST x%22%20outcome%3D%22done");
    for line in ["LIST a%0AFORGED", "LIST a%0D%0AFORGED", "MKDIR %1B[2JFORGED", "LIST FORGED%E2%80%AE", "%0AFORGED x"] {
        alice.ask(line);
    }
    let log = daemon.stop().log;
    for line in log.lines() {
        assert!(line.starts_with("20"), "a line without a time: {line}");
        assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line:?}");
    }
    assert!(log.contains(r#"path="x\" outcome=\"done" outcome="not-found""#), "{log}");
}
