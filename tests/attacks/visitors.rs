//! Attacks by those who have no account, a link or nothing: what they may learn of whoever has one.

use crate::common::{PASSWORD, RawClient, World, enter, section};

const TERMS: &str = "quota = \"1 MiB\"\ntrash = \"7d\"\n";

fn world() -> World {
    let world = World::of(&["alice", "bob"]);
    let people = section("alice", "\"full\"", "alice") + TERMS + &section("bob", "\"read\"", "public");
    let shared =
        "[folders.public]\ntrash = \"7d\"\naccess = { alice = \"full\", anonymous = \"read\", bob = \"read\" }\n";
    world.set_users(&format!("[anonymous]\nenabled = true\nhome = \"public\"\n{people}{shared}"));
    world
}

/// All replies to this, as far as the last one.
fn all_replies(client: &mut RawClient, line: &str) -> Vec<(u16, String, Vec<String>)> {
    client.line(line);
    let mut replies = Vec::new();
    loop {
        let (code, word, fields) = client.reply();
        let told = fields.iter().filter(|(key, _)| *key != "session" && *key != "pid");
        replies.push((code, word, told.map(|(key, value)| format!("{key}={value}")).collect()));
        if code >= 200 {
            return replies;
        }
    }
}

#[test]
fn visitors_learn_not_whose_it_is() {
    let world = world();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.ask("MKDIR folder").0, 250);
    assert_eq!(alice.upload("folder/file", b"shared").0, 226);
    for (target, name) in [("folder", "toeveryone"), ("folder/file", "ofonefile"), ("", "thewhole")] {
        let (_, word, made) = alice.ask(format!("LINK {target} name={name}").replace("  ", " "));
        assert_eq!(word, "linked");
        let mut visitor = RawClient::connect(&daemon);
        let visit = format!("VISIT {}", made["secret"]);
        let mut told = all_replies(&mut visitor, &visit);
        for line in [
            "STATUS",
            "HELP",
            "PING",
            "STAT",
            "LIST",
            "TRASH",
            "WHO",
            "KICK alice",
            "KEYS",
            "LINKS",
            "LINK",
            "UNLINK x",
            "NONCE",
            "PURGE",
            "DELETE file",
            "PASSWD another present=wrong",
            "RELOAD",
            "MKDIR x",
            "CHMOD file mode=644",
            "STAT nothing",
            "RESTORE file id=0000000000000000-0000000000000000",
        ] {
            if line == "LIST" {
                drop(visitor.list(""));
                continue;
            }
            told.extend(all_replies(&mut visitor, line));
        }
        let text = format!("{told:?}");
        assert!(!text.contains(name) && !text.contains("alice@") && !text.contains("alice/"), "{text}");
        assert!(!text.contains("user=alice") && text.contains("user=link"), "{text}");
        // How much its maker has is not theirs either.
        assert!(!text.contains("quota=") && !text.contains("used="), "{text}");
    }
    // Who is a user still learns all of that.
    let status = alice.ask("STATUS").2;
    assert_eq!((&*status["user"], &*status["quota"], &*status["used"]), ("alice", "1048576", "6"));
}

#[test]
fn what_was_deleted_is_told_to_nobody_who_only_reads() {
    let world = world();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.ask("MKDIR folder").0, 250);
    for path in ["folder/SECRET", "public/SECRET", "folder/file"] {
        assert_eq!(alice.upload(path, b"a mistake").0, 226);
        assert_eq!(alice.ask(format!("DELETE {path}")).0, 250);
    }
    assert_eq!(alice.upload("folder/file", b"shared").0, 226);
    let visitor = |target: &str| {
        let (_, word, made) = enter(&daemon, "alice").ask(format!("LINK {target}").trim_end());
        assert_eq!(word, "linked");
        let mut visitor = RawClient::connect(&daemon);
        assert_eq!(visitor.ask(format!("VISIT {}", made["secret"])).1, "welcome");
        visitor
    };
    let readers = [
        visitor("folder"),
        visitor("folder/file"),
        visitor(""),
        RawClient::logged_in(&daemon, "anonymous", ""),
        RawClient::logged_in(&daemon, "bob", PASSWORD),
    ];
    for (number, mut reader) in readers.into_iter().enumerate() {
        for line in ["TRASH", "TRASH SECRET", "TRASH file", "TRASH folder", "TRASH public", "PURGE"] {
            let (code, word, fields) = reader.ask(line);
            assert_eq!((code, &*word), (550, "denied"), "{number} {line}: {fields:?}");
            assert!(fields.keys().all(|key| matches!(&**key, "pid" | "session")), "{number} {line}: {fields:?}");
        }
    }
    // Whoever may bring it back sees it.
    assert_eq!(all_replies(&mut alice, "TRASH").len(), 4);
}
