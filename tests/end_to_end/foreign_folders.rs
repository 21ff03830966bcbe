//! Folders of another account that the server's may write to by their group.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};

use rustix::process::Signal;

use super::privileges::{chmod, nobody, place_of};
use crate::common::{Daemon, RawClient};

/// Its time is its owner's to set, and its mode. A whole folder can be sent there all the same.
#[test]
fn a_folder_of_another_account_that_its_group_may_write_takes_files_and_keeps_its_own_time() {
    let Some(nobody) = nobody() else { return };
    let place = place_of(&nobody);
    let daemon = Daemon::builder().within(place.path()).args(["--user", "nobody"]).start();
    daemon.add_user("alice", "correct-horse", "full");
    daemon.signal(Signal::HUP);
    let mut alice = RawClient::logged_in(&daemon, "alice", "correct-horse");
    assert_eq!(alice.ask("MKDIR given/own parents=yes").0, 250);
    let given = daemon.data().join("alice/given");
    chown(&given, Some(0), None).unwrap();
    chmod(&given, 0o770);
    assert_eq!(alice.upload("given/file", b"abc").0, 226);
    let set = |folder: &str, more: &str| format!("CHMOD {folder} mode=750 mtime=1500000000{more}");
    let answer = alice.ask(set("given", ""));
    assert_eq!((answer.0, answer.2["mode"].as_str()), (250, "770"), "{answer:?}");
    assert_ne!(fs::metadata(&given).unwrap().mtime(), 1_500_000_000);
    assert_eq!(alice.ask(set("given", " perms=yes")).1, "io-error", "a mode was asked for");
    assert_eq!(alice.ask(set("given/own", "")).0, 250);
    assert_eq!(fs::metadata(given.join("own")).unwrap().mtime(), 1_500_000_000);
}
