//! Key and certificate are two files: whoever is killed between them leaves a pair that the next start or command makes whole.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::common::not_run::not_run;
use crate::common::{World, end_of, sealiftd, text};

/// A folder in which no server was started yet.
struct Place(World);

impl Place {
    fn new() -> Place {
        Place(World::of(&[]))
    }

    fn certs(&self, name: &str) -> PathBuf {
        self.0.place().join("certs").join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        sealiftd(self.0.place()).args(args).output().unwrap()
    }

    /// What a command that must succeed says.
    fn says(&self, args: &[&str]) -> String {
        let done = self.run(args);
        assert!(done.status.success(), "{args:?}: {done:?}");
        text(&done.stdout).trim().to_owned()
    }

    /// Kills a command that is about to put the second of two files in place. False if that cannot be done here.
    fn kill_between(&self, args: &[&str]) -> bool {
        let traced = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
        if !traced.is_ok_and(|status| status.success()) {
            not_run("strace may not trace here, or is not there");
            return false;
        }
        let mut command = Command::new("strace");
        command.args([
            "-D",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=/^rename",
            "-e",
            "inject=/^rename:signal=SIGKILL:when=2",
        ]);
        command.arg(env!("CARGO_BIN_EXE_sealiftd")).args(args);
        command.current_dir(self.0.place()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        let ended = end_of(command, "");
        assert_eq!(ended.status.code(), None, "{args:?}: {ended:?}");
        true
    }
}

#[test]
fn a_switch_that_is_killed_between_key_and_certificate_is_completed_by_the_next_start() {
    let place = Place::new();
    place.0.start().stop();
    place.says(&["cert", "next"]);
    let (old, next) = (place.says(&["cert", "pin"]), place.says(&["cert", "pin", "--next"]));
    let certificate = fs::read(place.certs("cert.pem")).unwrap();
    if !place.kill_between(&["cert", "switch", "--force"]) {
        return;
    }
    assert_eq!(fs::read(place.certs("cert.pem")).unwrap(), certificate);
    let checked = place.run(&["check"]);
    let found = text(&[checked.stdout, checked.stderr].concat());
    assert!(found.contains("completes the switch that was cut off") && !found.contains("--force"), "{found}");
    // Nothing was changed by the look.
    assert_eq!(fs::read(place.certs("cert.pem")).unwrap(), certificate);
    place.0.start().stop();
    assert_ne!(old, next);
    assert_eq!(place.says(&["cert", "pin"]), next);
    let checked = place.run(&["check"]);
    let found = text(&[checked.stdout, checked.stderr].concat());
    assert!(found.contains("the next key is the present one already"), "{found}");
    // Nobody waits with what was begun, and nothing is kept twice.
    assert!(place.says(&["cert", "switch"]).contains(&next));
    assert!(place.certs("key.pem.old").exists() && !place.certs("key.pem.old.2").exists());
    assert!(!place.certs("key.next.pem").exists() && !place.certs("cert.next.pem").exists());
    assert_eq!(place.says(&["cert", "pin"]), next);
}

#[test]
fn a_switch_that_was_killed_is_completed_by_the_same_command_without_force() {
    let place = Place::new();
    place.0.start().stop();
    place.says(&["cert", "next"]);
    let next = place.says(&["cert", "pin", "--next"]);
    if !place.kill_between(&["cert", "switch", "--force"]) {
        return;
    }
    assert!(place.says(&["cert", "switch"]).contains(&next));
    assert_eq!(place.says(&["cert", "pin"]), next);
    assert!(place.certs("key.pem.old").exists() && !place.certs("key.pem.old.2").exists());
    assert!(!place.certs("key.next.pem").exists());
}

#[test]
fn a_key_that_was_to_be_replaced_at_once_is_replaced_whole_though_the_command_was_killed() {
    let place = Place::new();
    place.0.start().stop();
    let old = place.says(&["cert", "pin"]);
    if !place.kill_between(&["cert", "new", "--force"]) {
        return;
    }
    let new = place.says(&["cert", "pin"]);
    assert_ne!(new, old);
    place.0.start().stop();
    assert_eq!(place.says(&["cert", "pin"]), new);
    assert!(place.certs("key.pem.old").exists());
}

#[test]
fn a_first_start_that_is_killed_between_key_and_certificate_is_followed_by_one_that_serves() {
    let place = Place::new();
    if !place.kill_between(&["--listen", "127.0.0.1:0"]) {
        return;
    }
    assert!(place.certs("key.pem").exists() && !place.certs("cert.pem").exists());
    let key = fs::read(place.certs("key.pem")).unwrap();
    place.0.start().stop();
    assert_eq!(fs::read(place.certs("key.pem")).unwrap(), key);
}

#[test]
fn a_key_without_a_certificate_is_not_replaced_and_the_hint_makes_one_over_it() {
    let place = Place::new();
    place.0.start().stop();
    let pin = place.says(&["cert", "pin"]);
    for lose in [
        |certificate: PathBuf| fs::remove_file(certificate).unwrap(),
        |certificate| fs::write(certificate, "").unwrap(),
    ] {
        lose(place.certs("cert.pem"));
        let started = place.run(&["--listen", "127.0.0.1:0"]);
        assert!(!started.status.success());
        let said = text(&started.stderr);
        assert!(said.contains("cert.pem"), "{said}");
        assert!(place.says(&["cert", "renew"]).contains(&pin));
        assert_eq!(place.says(&["cert", "pin"]), pin);
    }
    // A certificate of another key is not thrown away: the key may be the wrong one.
    let other = Place::new();
    other.says(&["cert", "new"]);
    fs::copy(other.certs("cert.pem"), place.certs("cert.pem")).unwrap();
    let refused = place.run(&["cert", "renew"]);
    assert_eq!(refused.status.code(), Some(7), "{refused:?}");
    assert!(text(&refused.stderr).contains("If this key is the right one, remove cert.pem"), "{refused:?}");
    assert_eq!(fs::read(place.certs("cert.pem")).unwrap(), fs::read(other.certs("cert.pem")).unwrap());
    fs::remove_file(place.certs("cert.pem")).unwrap();
    let said = text(&place.run(&["cert", "show"]).stderr);
    assert!(said.contains("`sealiftd cert renew`"), "{said}");
    let said = text(&place.run(&["--listen", "127.0.0.1:0"]).stderr);
    assert!(said.contains("`sealiftd cert renew`"), "{said}");
}
