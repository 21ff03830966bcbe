//! Backup, restore and moving as `docs/OPERATING.md` has them, by the commands that stand there.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::common::{Daemon, PASSWORD, RawClient, World, end_of, enter, sealiftd, section, text};

/// The lines of the manual's first block that begins with this word, each run in its folder.
fn from_manual(begins: &str) -> Vec<String> {
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPERATING.md")).unwrap();
    let mut blocks = manual.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    let block = blocks.find(|block| block.starts_with(begins)).unwrap();
    block.lines().map(|line| line.split("  #").next().unwrap().trim().to_owned()).collect()
}

fn run(line: &str, folder: &Path) -> Output {
    let mut words = line.split(' ').map(|word| word.replace('\'', ""));
    let mut command = match &*words.next().unwrap() {
        "sealiftd" => sealiftd(folder),
        program => Command::new(program),
    };
    command.args(words).current_dir(folder);
    end_of(command, "")
}

#[test]
fn what_a_backup_beside_a_server_has_is_all_there_after_a_restore_elsewhere() {
    let world = World::of(&["alice"]);
    let alice = section("alice", "\"full\"", "alice");
    world.set_users(&format!("{alice}quota = \"10 MiB\"\n[folders.team]\naccess = {{ alice = \"full\" }}\n"));
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    for path in ["own", "left.json", "team/shared"] {
        assert_eq!(client.upload(path, &vec![7; 3 << 20]).1, "done");
    }
    let hash = client.ask("HASH own recorded=yes").2["hash"].clone();
    let pin = daemon.pin().to_owned();
    for line in from_manual("tar --xattrs --xattrs-include='user.*' --exclude") {
        let done = run(&line, daemon.place());
        assert!(done.status.success(), "{line}: {}", text(&done.stderr));
    }
    drop(client);
    let elsewhere = tempfile::tempdir().unwrap();
    fs::copy(daemon.place().join("backup.tar"), elsewhere.path().join("backup.tar")).unwrap();
    daemon.stop();
    for line in from_manual("mkdir /srv/sealift").iter().skip(1) {
        let done = run(line, elsewhere.path());
        let said = format!("{}{}", text(&done.stdout), text(&done.stderr));
        // The world's users file is everybody's to read, which is worth a warning.
        let is_good = if line == "sealiftd check" { said.contains("0 errors") } else { done.status.success() };
        assert!(is_good, "{line}: {said}");
        if line.starts_with("sealiftd scrub") {
            assert!(said.contains('3'), "all files are compared: {said}");
        }
    }
    let daemon = Daemon::builder().within(elsewhere.path()).start();
    assert_eq!(daemon.pin(), pin, "who knew the server asks nobody");
    let mut client = RawClient::logged_in(&daemon, "alice", PASSWORD);
    assert_eq!(client.ask("HASH own recorded=yes").2["hash"], hash, "what it was stored with is known");
    assert_eq!(client.download("team/shared").unwrap(), vec![7; 3 << 20]);
    assert_eq!(client.ask("STATUS").2["used"], (9 << 20).to_string(), "and whose it is");
    assert_eq!(client.upload("more", &vec![7; 5 << 20]).1, "quota");
}
