//! Attacks on links that files are put in by, over sealift/1: a session of one learns nothing of what is there, does nothing else, and
//! brings no more than the link takes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sealift::files::Hash;

use super::drop_links::{make, world};
use crate::common::web::curl;
use crate::common::{Daemon, RawClient, enter, eventually, staged, upload_bytes};

/// A session of sealift/1 that came by the link of this URL.
pub(super) fn visit(daemon: &Daemon, url: &str) -> RawClient {
    visit_as(daemon, url, "")
}

/// The same with more in the line.
pub(super) fn visit_as(daemon: &Daemon, url: &str, more: &str) -> RawClient {
    let mut client = RawClient::connect(daemon);
    let secret = url.split('/').rev().nth(1).unwrap();
    let (_, word, fields) = client.ask(format!("VISIT {secret} {more}"));
    assert_eq!((word.as_str(), fields["kind"].as_str()), ("welcome", "drop"));
    assert!(!fields.values().any(|value| value.contains("inbox") || value.contains("alice")), "{fields:?}");
    client
}

/// All of a reply but what tells sessions from each other.
fn said((digits, word, mut fields): (u16, String, BTreeMap<String, String>)) -> String {
    fields.remove("session");
    format!("{digits} {word} {fields:?}")
}

#[test]
fn drop_link_session_tells_nothing_and_does_nothing_else() {
    let world = world();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let url = make(&mut alice, "inbox drop=yes");
    let mut client = visit(&daemon, &url);
    // A name that is free, that of a file of the very same bytes, of a folder and of links: one and the same answer.
    let bytes = b"SECRET there";
    let free = said(client.upload("free size=12", bytes));
    assert!(free.starts_with("226 done"), "{free}");
    for name in ["there", "folder", "symlink", "into", "there", "free"] {
        assert_eq!(said(client.upload(&format!("{name} size=12"), bytes)), free, "{name}");
    }
    // Nothing else is done, whether or not it is there, by whatever path.
    let hash = Hash::of(bytes);
    for (there, missing) in
        [("there", "missing"), ("inbox/there", "inbox/missing"), ("folder", "none"), ("beside", "x")]
    {
        for line in [
            "STAT {}",
            "LIST {}",
            "LIST {} recursive=yes",
            "HASH {}",
            "HASH {} partial=yes",
            "HASH {} recorded=yes",
            "DOWNLOAD {}",
            "DELETE {}",
            "DELETE {} recursive=yes",
            "MKDIR {}",
            "RENAME {} y",
            "RENAME y {}",
            "COPY {} y",
            "CHMOD {} mode=600",
            "ACCEPT {}",
            "TRASH {}",
            "PURGE {}",
            "LINK {} drop=yes",
            "LINK {}",
            "STAGE {} size=12",
        ] {
            let (one, other) = (client.ask(line.replace("{}", there)), client.ask(line.replace("{}", missing)));
            assert_eq!((one.0, &*one.1), (550, "denied"), "{line} {there}");
            assert_eq!(said(one), said(other), "{line} {there}");
        }
        for option in ["if=absent", &format!("if=hash:{hash}"), &format!("offset=16777216 prefix={hash}")] {
            let put =
                |client: &mut RawClient, name: &str| said(client.upload(&format!("{name} size=12 {option}"), bytes));
            let (one, other) = (put(&mut client, there), put(&mut client, missing));
            assert!(one == other && one.starts_with("550 denied"), "{option}: {one}");
        }
    }
    for path in ["folder/x", "none/x", "into/x", ".bashrc", "inbox/x"] {
        assert_eq!(client.upload(&format!("{path} size=12"), bytes).1, "bad-path", "{path}");
    }
    for path in ["", "size=12", "../x size=12", "%2e%2e%2fx size=12", "a%0ab size=12", "size=12 x/"] {
        let answer = client.upload(path, bytes);
        assert!((500..600).contains(&answer.0), "{path}: {answer:?}");
    }
    assert_eq!(client.upload(".sealift size=12", bytes).0, 550);
    assert_eq!(client.upload("free", bytes).1, "bad-command", "how long it is must be known");
    for line in ["WHO", "KEYS", "NONCE", "LINKS", "UNLINK box", "TOKEN", "STATUS", "PING", "SHUTDOWN", "RELOAD"] {
        client.line(line);
        let told = loop {
            let reply = client.reply();
            if reply.0 >= 200 {
                break reply;
            }
        };
        let told = said(told);
        assert!(
            !told.contains("alice") && !told.contains("inbox") && !told.contains("quota") && !told.contains("free="),
            "{line}: {told}"
        );
    }
    let inbox = world.home("alice").join("inbox");
    let names: BTreeSet<_> = fs::read_dir(&inbox).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let expected = [
        "folder",
        "folder-2",
        "free",
        "free-2",
        "into",
        "into-2",
        "symlink",
        "symlink-2",
        "there",
        "there-2",
        "there-3",
    ];
    assert_eq!(names, expected.map(Into::into).into());
    assert_eq!(fs::read_to_string(inbox.join("there")).unwrap(), "SECRET there");
    assert_eq!(fs::read_to_string(world.home("alice").join("beside")).unwrap(), "SECRET beside");
    assert!(inbox.join("symlink").is_symlink() && staged(&world.home("alice")).is_empty());
}

/// Files that came by alice's only link, and their bytes, as she is told.
fn came(alice: &mut RawClient) -> (String, String) {
    alice.line("LINKS");
    let fields = alice.reply().2;
    assert_eq!(alice.reply().1, "done");
    (fields["came-files"].clone(), fields["came"].clone())
}

#[test]
fn drop_link_sessions_are_bounded_when_raced_and_cut() {
    let world = world();
    let daemon = world.start();
    let inbox = world.home("alice").join("inbox");
    let mut alice = enter(&daemon, "alice");
    let url = make(&mut alice, "inbox drop=yes size=1000000 files=5");
    let (stored, bytes) = (AtomicUsize::new(0), vec![7; 240_000]);
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (daemon, world, url, stored, bytes) = (&daemon, &world, &url, &stored, &bytes);
            scope.spawn(move || {
                if n % 2 == 0 {
                    let file = world.place().join(format!("same-{n}"));
                    fs::write(&file, bytes).unwrap();
                    let got = curl(daemon, &["-T", file.to_str().unwrap()], &format!("{url}same"));
                    assert!([201, 507].contains(&got.status), "{got:?}");
                    stored.fetch_add(usize::from(got.status == 201), Ordering::Relaxed);
                    return;
                }
                let mut client = visit(daemon, url);
                // All are on their way before the first answer.
                (0..4).for_each(|_| client.start_upload("same size=240000", bytes));
                for _ in 0..4 {
                    let word = client.reply().1;
                    assert!(["done", "no-space"].contains(&&*word), "{word}");
                    stored.fetch_add(usize::from(word == "done"), Ordering::Relaxed);
                }
            });
        }
    });
    // Four are less than a million bytes, and five are not.
    assert_eq!(stored.load(Ordering::Relaxed), 4);
    for name in ["same", "same-2", "same-3", "same-4"] {
        assert!(fs::read(inbox.join(name)).unwrap() == bytes, "{name}");
    }
    assert_eq!(came(&mut alice), ("4".to_owned(), "960000".to_owned()));
    // Cut off in the middle, more than was announced, less, and other bytes than are: nothing is left, and its room is free.
    for cut in [30, 40, 2000, 9000] {
        let mut client = visit(&daemon, &url);
        client.send(&upload_bytes("cut size=10000", &[1; 10_000])[..cut]);
        eventually("it is on its way", || came(&mut alice).0 == "5");
        drop(client);
        eventually("what was cut off gives its room back", || came(&mut alice).0 == "4");
    }
    let mut client = visit(&daemon, &url);
    for size in [9_999, 10_001] {
        assert_eq!(client.upload(&format!("wrong size={size}"), &[1; 10_000]).1, "integrity");
    }
    let mut wrong = upload_bytes("wrong size=10", &[1; 10]);
    *wrong.last_mut().unwrap() ^= 1;
    client.send(wrong);
    assert_eq!(client.reply().1, "integrity");
    assert_eq!(came(&mut alice), ("4".to_owned(), "960000".to_owned()), "all room is given back");
    eventually("nothing is left", || staged(&world.home("alice")).is_empty());
    assert_eq!(fs::read_dir(&inbox).unwrap().count(), 4 + 4);
    assert_eq!(client.upload("last size=40000", &[1; 40_000]).1, "done");
    assert_eq!(client.upload("more size=0", b"").1, "no-space");
    // A server that starts again knows it too.
    drop((client, alice));
    daemon.stop();
    let again = world.start();
    assert_eq!(visit(&again, &url).upload("more size=0", b"").1, "no-space");
}

#[test]
fn drop_link_session_ends_with_its_link() {
    let world = world();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let url = make(&mut alice, "inbox drop=yes name=box");
    let mut client = visit(&daemon, &url);
    client.send(&upload_bytes("late size=3000000", &[1; 3_000_000])[..1_000_000]);
    eventually("it is on its way", || came(&mut alice).0 == "1");
    assert_eq!(alice.ask("UNLINK box").1, "removed");
    client.send(vec![1; 100]);
    assert_eq!(client.try_reply().map(|reply| reply.1).as_deref(), Some("revoked"));
    eventually("nothing is left of it", || staged(&world.home("alice")).is_empty());
    assert_eq!(fs::read_dir(world.home("alice").join("inbox")).unwrap().count(), 4);
    // The folder is gone, and then it is a link to another one.
    let url = make(&mut alice, "inbox drop=yes");
    let inbox = world.home("alice").join("inbox");
    let mut client = visit(&daemon, &url);
    fs::rename(&inbox, world.home("alice").join("was")).unwrap();
    let gone = said(client.upload("f size=1", b"f"));
    symlink("private", &inbox).unwrap();
    assert_eq!(said(client.upload("f size=1", b"f")), gone);
    assert!(gone.starts_with("550 not-found"), "{gone}");
    assert_eq!(fs::read_dir(world.home("alice").join("private")).unwrap().count(), 0);
    eventually("all room is given back", || came(&mut alice) == ("0".to_owned(), "0".to_owned()));
}

#[test]
fn drop_link_that_is_removed_brings_nothing_more() {
    const ROUNDS: usize = 25;
    let world = world();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let names = || {
        let entries = fs::read_dir(world.home("alice").join("inbox")).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>()
    };
    for round in 0..ROUNDS {
        let url = make(&mut alice, &format!("inbox drop=yes name=box{round}"));
        let came = AtomicUsize::new(0);
        let (removed, in_the_end) = thread::scope(|scope| {
            let senders: Vec<_> = (0..3)
                .map(|sender| {
                    let (mut client, came) = (visit(&daemon, &url), &came);
                    scope.spawn(move || {
                        for turn in 0..1000 {
                            if client.upload(&format!("{round}-{sender}-{turn} size=1"), b"x").0 != 226 {
                                break;
                            }
                            came.fetch_add(1, Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            eventually("files come by it", || came.load(Ordering::Relaxed) >= 6);
            assert_eq!(alice.ask(format!("UNLINK box{round}")).0, 200);
            let removed = names();
            // Each ends by itself: its session is over, maybe in the middle of a reply.
            senders.into_iter().for_each(|sender| drop(sender.join()));
            (removed, names())
        });
        assert_eq!(removed, in_the_end, "round {round}: what came after the answer");
    }
}
