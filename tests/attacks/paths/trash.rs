//! What is in the trash is seen and brought back by the rights of the path that it had, and of no other.

use std::fs;

use crate::common::web::curl;
use crate::common::{PASSWORD, World, enter, section};

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

/// How much a deleted folder holds tells how much is in what rules hide in it, file by file for whoever looks twice.
#[test]
fn trash_sums_tell_nothing_hidden() {
    let world = World::of(&["alice", "bob"]);
    let rule = "trash = \"30d\"\n[[users.bob.rules]]\npath = \"/x/hidden/**\"\naccess = []\n";
    let alice = section("alice", "\"full\"", "alice") + "trash = \"30d\"\n";
    world.set_users(&(alice + &section("bob", "\"full\"", "alice") + rule));
    let home = world.home("alice");
    fs::create_dir_all(home.join("x/hidden")).unwrap();
    fs::create_dir_all(home.join("open")).unwrap();
    for (name, size) in [("x/seen", 5), ("x/hidden/one", 1000), ("x/hidden/two", 20_000), ("open/file", 7)] {
        fs::write(home.join(name), vec![b'x'; size]).unwrap();
    }
    let daemon = world.start();
    let (mut alice, mut bob) = (enter(&daemon, "alice"), enter(&daemon, "bob"));
    for folder in ["open", "x"] {
        assert_eq!(alice.ask(format!("DELETE {folder} recursive=yes")).1, "done");
    }
    for (client, x) in [(&mut alice, ("21005", Some("3"))), (&mut bob, ("0", None))] {
        client.line("TRASH");
        for (name, (size, files)) in [("x", x), ("open", ("7", Some("1")))] {
            let (code, _, kept) = client.reply();
            assert_eq!((code, kept["path"].as_str(), kept["size"].as_str()), (114, name, size));
            assert_eq!(kept.get("files").map(String::as_str), files, "{name}");
        }
        assert_eq!(client.reply().1, "trash");
    }
    let page = |user: &str| {
        let login = format!("{user}:{PASSWORD}");
        curl(&daemon, &["-u", &login, "-H", "Accept: text/html"], "/.sealift-web/trash").text()
    };
    assert!(page("alice").contains("Folder of 3 files, "), "{}", page("alice"));
    assert!(page("bob").contains("Folder of 1 file, ") && !page("bob").contains("Folder of 3"), "{}", page("bob"));
}
