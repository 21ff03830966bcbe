//! Whoever may put files somewhere, change and remove them, and neither list nor fetch any, is told nothing of what is there beyond that
//! it is: the same is said whatever it is.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::common::web::curl;
use crate::common::{Answer, Daemon, PASSWORD, World, enter, section};

/// One home, with this much in its file and this many things in its trash.
fn home(size: usize, mode: u32, trashed: usize) -> (World, Daemon) {
    let world = World::of(&["bob"]);
    let with = |access: &str| world.set_users(&format!("{}trash = \"30d\"\n", section("bob", access, "bob")));
    with("\"full\"");
    let daemon = world.start();
    let mut bob = enter(&daemon, "bob");
    for at in 0..trashed {
        let name = format!("old-{at}");
        fs::write(world.home("bob").join(&name), b"gone").unwrap();
        assert_eq!(bob.ask(format!("DELETE {name}")).1, "done");
    }
    for name in ["f", "g"] {
        let path = world.home("bob").join(name);
        fs::write(&path, vec![7; size]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    with("[\"upload\", \"overwrite\", \"delete\", \"mkdir\", \"rename\"]");
    (world, daemon)
}

/// What is said of all that may be done, without what differs in every answer.
fn said(daemon: &Daemon) -> Vec<(String, String)> {
    let mut bob = enter(daemon, "bob");
    let lines = [
        "ACCEPT f",
        "CHMOD f mode=400",
        "CHMOD g mode=777 perms=yes",
        "MKDIR a/b parents=yes",
        "RENAME f to=h",
        "DELETE h",
        "PURGE",
        "PURGE",
        "DELETE missing",
    ];
    let mut said: Vec<(String, String)> = lines
        .iter()
        .map(|line| {
            let (digits, word, mut fields): Answer = bob.ask(line);
            ["pid", "session"].iter().for_each(|key| drop(fields.remove(*key)));
            ((*line).to_owned(), format!("{digits} {word} {fields:?}"))
        })
        .collect();
    let login = format!("bob:{PASSWORD}");
    let page = "Sec-Fetch-Site: same-origin";
    let asked: [(&[&str], &str); 4] = [
        (&["-X", "PUT", "--data-binary", "new"], "/~bob/g"),
        (&["-X", "DELETE"], "/~bob/g"),
        (&["-H", page, "-d", "all=yes", "--data-urlencode", "path=/~bob/"], "/.sealift-web/trash/empty"),
        (&["-X", "PROPFIND", "-H", "Depth: 0"], "/~bob/"),
    ];
    for (args, path) in asked {
        let got = curl(daemon, &[&["-u", login.as_str()], args].concat(), path);
        said.push((format!("{args:?}"), format!("{} {}", got.status, got.text().split(" (server").next().unwrap())));
    }
    said
}

#[test]
fn who_may_neither_list_nor_fetch_is_told_nothing_of_what_is_there() {
    let ((_few, one), (_many, other)) = (home(3, 0o600, 1), home(50_000, 0o644, 3));
    let told = (said(&one), said(&other));
    for (one, other) in told.0.iter().zip(&told.1) {
        assert_eq!(one, other);
    }
    let said = |line: &str| &told.0.iter().find(|(asked, _)| asked == line).unwrap().1;
    assert!(said("ACCEPT f").starts_with("250 done"), "{told:?}");
    assert!(said("PURGE").contains(r#""gone": "0", "unlisted": "yes""#), "{told:?}");
    assert!(said("CHMOD f mode=400").starts_with("250 done"), "{told:?}");
}
