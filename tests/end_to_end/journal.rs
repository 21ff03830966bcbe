//! The audit in systemd's journal: a socket that reads as that does, and a server in its sandbox.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::common::{HANG, World, end_of, enter, sealiftd, text};

fn listen(path: &Path) -> UnixDatagram {
    let journal = UnixDatagram::bind(path).unwrap();
    journal.set_read_timeout(Some(HANG)).unwrap();
    journal
}

/// The next entry of this event that is about this path, as far as it is text.
fn entry_of(journal: &UnixDatagram, event: &str, path: &str) -> String {
    let mut bytes = vec![0; 256 * 1024];
    loop {
        let length = journal.recv(&mut bytes).unwrap();
        let entry = text(bytes.get(..length).unwrap());
        let has = |field: &str| entry.lines().any(|line| line == field);
        if has(&format!("SEALIFT_EVENT={event}")) && (path.is_empty() || has(&format!("SEALIFT_PATH={path}"))) {
            return entry;
        }
    }
}

#[test]
fn each_event_is_an_entry_with_fields_also_when_the_journal_was_started_anew() {
    let world = World::of(&["alice"]);
    let socket = world.place().join("journal");
    let journal = listen(&socket);
    let to = format!("journald:{}", socket.display());
    let daemon = world.daemon().args(["--audit", &to]).start();
    entry_of(&journal, "start", "");
    let mut alice = enter(&daemon, "alice");
    let login = entry_of(&journal, "login", "");
    assert!(login.contains("\nSEALIFT_USER=alice\n") && login.contains("\nSEALIFT_PEER=127.0.0.1:"), "{login}");
    assert_eq!(alice.upload("one", b"x").1, "done");
    let entry = entry_of(&journal, "transfer", "one");
    let message = entry.lines().find_map(|line| line.strip_prefix("MESSAGE=")).unwrap();
    let told: serde_json::Value = serde_json::from_str(message).unwrap();
    assert_eq!((&told["path"], &told["outcome"], &told["size"]), (&"one".into(), &"created".into(), &1.into()));
    for field in ["SYSLOG_IDENTIFIER=sealiftd-audit", "PRIORITY=6", "SEALIFT_ACTION=upload", "SEALIFT_OUTCOME=created"]
    {
        assert!(entry.lines().any(|line| line == field), "{field}: {entry}");
    }
    // Nothing is lost while another one is begun, and nobody waits.
    drop(journal);
    fs::remove_file(&socket).unwrap();
    assert_eq!(alice.upload("two", b"x").1, "done");
    let journal = listen(&socket);
    assert_eq!(alice.upload("three", b"x").1, "done");
    for path in ["two", "three"] {
        entry_of(&journal, "transfer", path);
    }
    drop(alice);
    let log = daemon.stop().log;
    assert!(log.contains("sandbox="), "{log}");
    entry_of(&journal, "stop", "");
}

#[test]
fn where_no_journal_listens_no_server_starts() {
    let world = World::of(&["alice"]);
    for (to, why) in
        [("journald:/nowhere/socket", "the journal's socket /nowhere/socket"), ("journald:socket", "journald:/PATH")]
    {
        let mut command = sealiftd(world.place());
        command.args(["--listen", "127.0.0.1:0", "--audit", to]);
        let output = end_of(command, "");
        assert!(!output.status.success() && text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
}
