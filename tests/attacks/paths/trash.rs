//! What is in the trash is seen and brought back by the rights of the path that it had, and of no other.

use std::fs;

use crate::common::{World, enter, section};

/// A path so long that no link can have it for its text was once forgotten: the thing then had the rights of its id, in the home.
#[test]
fn trash_forgets_no_path() {
    let world = World::of(&["alice"]);
    let rules = "trash = \"30d\"\nquota = \"1 MiB\"\n[[users.alice.rules]]\npath = \"/wo/**\"\n\
                 access = [\"list\", \"upload\", \"mkdir\", \"rename\", \"delete\"]\n";
    world.set_users(&(section("alice", "\"full\"", "alice") + rules));
    let home = world.home("alice");
    fs::create_dir(home.join("wo")).unwrap();
    fs::write(home.join("wo/secret"), "TOPSECRET").unwrap();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.ask("DOWNLOAD wo/secret").1, "denied");
    // 4096 bytes in all, the longest there is.
    let folder = format!("wo/{}", vec!["n".repeat(255); 15].join("/"));
    let path = format!("{folder}/{}", "f".repeat(4095 - folder.len()));
    assert_eq!(alice.ask(format!("MKDIR {folder} parents=yes")).1, "done");
    assert_eq!(alice.ask(format!("RENAME wo/secret {path}")).1, "done");
    let before = alice.ask("STATUS").2["used"].clone();
    assert_eq!(alice.ask(format!("DELETE {path}")).1, "done");
    alice.line("TRASH");
    let (code, _, kept) = alice.reply();
    assert_eq!((code, &kept["path"]), (114, &path));
    assert_eq!(alice.reply().1, "trash");
    let id = &kept["id"];
    for (line, word) in [
        (format!("RESTORE {id} id={id}"), "not-found"),
        (format!("RESTORE {id} id={id} to=mine"), "not-found"),
        (format!("RESTORE {path} id={id} to=mine"), "denied"),
    ] {
        assert_eq!(alice.ask(&line).1, word, "{line}");
    }
    // What says where it is from counts nowhere, counted anew or not.
    assert_eq!(alice.ask("STATUS").2["used"], before);
    daemon.kill();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.upload("other", b"").1, "done");
    assert_eq!(alice.ask("STATUS").2["used"], before);
    assert_eq!(alice.ask(format!("RESTORE {path} id={id}")).1, "done");
    assert_eq!(alice.ask(format!("STAT {path}")).2["size"], "9");
    // One whose path nobody knows any more is told to nobody, and goes with all the rest.
    assert_eq!(alice.upload("lost", b"bytes").1, "done");
    assert_eq!(alice.ask("DELETE lost").1, "done");
    let trash = home.join(".sealift/trash");
    let names = || fs::read_dir(&trash).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let note = names().find(|name| name.ends_with(".from")).unwrap();
    fs::remove_file(trash.join(&note)).unwrap();
    let id = note.strip_suffix(".from").unwrap();
    assert_eq!(alice.ask("TRASH").1, "trash", "nothing is told");
    assert_eq!(alice.ask(format!("RESTORE {id} id={id}")).1, "not-found");
    assert_eq!(alice.ask("PURGE").1, "done");
    assert_eq!(names().count(), 0);
}
