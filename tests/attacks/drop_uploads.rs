//! Attacks on uploads by links that files are put in by, which are gone on with after a cut: each is its sender's alone, and takes room of
//! the link for no longer than it can come.

use std::fs;

use sealift::files::Hash;
use sealift::limits;

use super::drop_links::{make, world};
use super::drop_sessions::{visit, visit_as};
use crate::common::web::{Got, RawWeb, curl};
use crate::common::{Daemon, PASSWORD, RawClient, World, bytes, enter, eventually, section, staged, upload_bytes};

/// Begins an upload of so many bytes: the answer.
fn begin(daemon: &Daemon, url: &str, size: usize) -> Got {
    let length = format!("Upload-Length: {size}");
    curl(daemon, &["-X", "PUT", "-H", "Upload-Complete: ?0", "-H", &length], url)
}

/// Where an upload that was begun is gone on with.
fn place(daemon: &Daemon, url: &str, size: usize) -> String {
    let got = begin(daemon, url, size);
    assert_eq!(got.status, 201, "{got:?}");
    got.header("location").to_owned()
}

/// Appends these bytes at that place: the answer's number.
fn append(daemon: &Daemon, at: &str, offset: usize, bytes: &str, is_last: bool) -> u16 {
    let complete = if is_last { "Upload-Complete: ?1" } else { "Upload-Complete: ?0" };
    let (kind, offset) = ("Content-Type: application/partial-upload", format!("Upload-Offset: {offset}"));
    let args = ["-X", "PATCH", "-H", kind, "-H", complete, "-H", &offset, "--data-binary", bytes];
    curl(daemon, &args, at).status
}

/// Files that came by alice's only link or are on their way, and their bytes, as she is told.
fn came(alice: &mut RawClient) -> (String, String) {
    alice.line("LINKS");
    let fields = alice.reply().2;
    assert_eq!(alice.reply().1, "done");
    (fields["came-files"].clone(), fields["came"].clone())
}

/// The bytes that a session by a link has moved which is open, as its administrator is told.
fn moved(root: &mut RawClient) -> u64 {
    root.line("WHO");
    let rows = std::iter::from_fn(|| Some(root.reply()).filter(|(digits, ..)| *digits < 200));
    let bytes = |fields: &std::collections::BTreeMap<String, String>| fields["bytes"].parse::<u64>().unwrap();
    rows.filter(|(.., fields)| fields["user"].contains('/')).map(|(.., fields)| bytes(&fields)).max().unwrap_or(0)
}

/// The same world with an administrator.
fn watched() -> World {
    let world = world();
    let users = fs::read_to_string(world.place().join("users.toml")).unwrap();
    world.set_users(&format!("{users}{}admin = true\n", section("root", "\"full\"", "root")));
    world
}

#[test]
fn drop_link_room_is_free_after_a_kill() {
    let world = world();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let url = make(&mut alice, "inbox drop=yes size=9000000 files=4");
    let put = |daemon: &Daemon, name: &str, size: usize| {
        let file = world.place().join("sent");
        fs::write(&file, vec![7; size]).unwrap();
        curl(daemon, &["-T", file.to_str().unwrap()], &format!("{url}{name}")).status
    };
    assert_eq!(put(&daemon, "whole", 1_000_000), 201);
    // One that is gone on with, one in one piece and one of sealift/1 are on their way.
    let at = place(&daemon, &format!("{url}parts"), 3_000_000);
    assert_eq!(append(&daemon, &at, 0, "some", false), 204);
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    web.send(format!("PUT {url}piece HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\nsome"));
    let mut client = visit(&daemon, &url);
    client.send(&upload_bytes("native size=2000000", &vec![1; 2_000_000])[..1_000_000]);
    eventually("all are on their way", || came(&mut alice) == ("4".to_owned(), "9000000".to_owned()));
    assert_eq!(put(&daemon, "more", 1), 507);
    drop((alice, client, web));
    daemon.kill();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(came(&mut alice), ("1".to_owned(), "1000000".to_owned()), "what came is what is counted");
    assert_eq!(curl(&daemon, &["--head"], &at).status, 404);
    assert_eq!(begin(&daemon, &format!("{url}over"), 8_000_001).status, 507);
    for name in ["a", "b"] {
        assert_eq!(put(&daemon, name, 3_900_000), 201);
    }
    assert_eq!(put(&daemon, "c", 200_001), 507);
    assert_eq!(put(&daemon, "c", 200_000), 201);
    assert_eq!(put(&daemon, "d", 0), 507, "four files came");
    drop(alice);
    daemon.kill();
    let daemon = world.start();
    assert_eq!(came(&mut enter(&daemon, "alice")), ("4".to_owned(), "9000000".to_owned()));
}

#[test]
fn drop_link_uploads_are_their_senders_alone() {
    let world = world();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let url = make(&mut alice, "inbox drop=yes");
    // Two people who have the link send a file of one name.
    let (one, other) = (place(&daemon, &format!("{url}same"), 8), place(&daemon, &format!("{url}same"), 8));
    assert_ne!(one, other);
    assert_eq!(append(&daemon, &one, 0, "mine", false), 204);
    let offset = |at: &str| {
        let got = curl(&daemon, &["--head"], at);
        (got.status, got.headers.get("upload-offset").cloned())
    };
    assert_eq!((offset(&one), offset(&other)), ((204, Some("4".to_owned())), (204, Some("0".to_owned()))));
    // Without the upload's own secret nobody finds it, whatever else they have.
    let token = one.split_once("?upload=").unwrap().1;
    assert_eq!(token.len(), 32);
    let wrong = |token: &str| {
        let got = curl(&daemon, &["--head"], &format!("{url}?upload={token}"));
        let own = |name: &str| ["sealift-session", "date"].contains(&name);
        let headers: Vec<_> = got.headers.into_iter().filter(|(name, _)| !own(name)).collect();
        (got.status, headers)
    };
    let unknown = wrong(&"0".repeat(32));
    assert_eq!(unknown.0, 404);
    let (flipped, rest) = (if token.starts_with('0') { "1" } else { "0" }, &token[1..]);
    for guess in ["", "0", "same", "*", &token[1..], &format!("{token}0"), &format!("{flipped}{rest}")] {
        assert_eq!(wrong(guess), unknown, "{guess}");
    }
    for path in ["same", "same?partial", "?partial", "?uploads", &format!("same?upload={token}")] {
        let got = curl(&daemon, &["--head"], &format!("{url}{path}"));
        assert!(!got.headers.contains_key("upload-offset") && !got.headers.contains_key("sealift-prefix"), "{path}");
    }
    let login = format!("alice:{PASSWORD}");
    for at in ["/~alice/inbox/same?partial".to_owned(), format!("/.sealift-web/uploads/{token}")] {
        assert_eq!(curl(&daemon, &["-u", &login, "--head"], &at).status, 404, "{at}");
    }
    assert_eq!(alice.ask("HASH inbox/same partial=yes").1, "not-found");
    let second = make(&mut alice, "inbox drop=yes name=second");
    assert_eq!(curl(&daemon, &["--head"], &format!("{second}?upload={token}")).status, 404);
    assert_eq!(curl(&daemon, &["-X", "DELETE"], &format!("{second}?upload={token}")).status, 404);
    // Each comes whole, with its own bytes, and nothing is told of the other.
    assert_eq!(append(&daemon, &other, 0, "theirs12", true), 201);
    assert_eq!(append(&daemon, &one, 4, "own1", true), 201);
    let inbox = world.home("alice").join("inbox");
    assert_eq!(fs::read_to_string(inbox.join("same")).unwrap(), "theirs12");
    assert_eq!(fs::read_to_string(inbox.join("same-2")).unwrap(), "mineown1");
    assert!(staged(&world.home("alice")).is_empty());
}

#[test]
fn drop_link_holds_so_many_uploads() {
    let world = world();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let (url, other) = (make(&mut alice, "inbox drop=yes"), make(&mut alice, "inbox drop=yes name=other"));
    let begin = |address: usize, url: &str| {
        let address = format!("127.0.0.{}", 100 + address);
        let args = ["--interface", &address, "-X", "PUT", "-H", "Upload-Complete: ?0", "-H", "Upload-Length: 4"];
        curl(&daemon, &args, &format!("{url}x")).status
    };
    let addresses = limits::WEB_UPLOADS_BY_LINK / limits::WEB_UPLOADS_PER_SOURCE + 1;
    for n in 0..limits::WEB_UPLOADS_BY_LINK {
        assert_eq!(begin(n % addresses, &url), 201, "{n}");
    }
    assert_eq!(begin(addresses, &url), 503);
    assert_eq!(begin(addresses, &other), 201, "another link's have their own");
    // What is sent at once needs none of them.
    assert_eq!(curl(&daemon, &["-X", "PUT", "--data-binary", "x"], &format!("{url}x")).status, 201);
}

/// The bytes of an upload behind these, which are there.
fn rest(name: &str, bytes: &[u8], offset: usize) -> Vec<u8> {
    let prefix = Hash::of(&bytes[..offset]);
    let line = format!("{name} size={} offset={offset} prefix={prefix}", bytes.len());
    let mut rest = upload_bytes(&line, &bytes[offset..]);
    let trailer = rest.len() - 32;
    rest[trailer..].copy_from_slice(Hash::of(bytes).as_bytes());
    rest
}

#[test]
fn drop_link_sessions_go_on_with_their_own_uploads_alone() {
    let world = watched();
    let daemon = world.start();
    let mut root = enter(&daemon, "root");
    let mut alice = enter(&daemon, "alice");
    let url = make(&mut alice, "inbox drop=yes size=9000000 files=3");
    let second = make(&mut alice, "inbox drop=yes name=second");
    let bytes = bytes(3_000_000);
    let sender = |of: &str| format!("uploads={}", of.repeat(43));
    let mut client = visit_as(&daemon, &url, &sender("a"));
    client.send(&upload_bytes("same size=3000000", &bytes)[..2_000_000]);
    eventually("enough came to be kept", || moved(&mut root) > 1_500_000);
    drop(client);
    let find = |client: &mut RawClient, name: &str| client.ask(format!("HASH {name} partial=yes"));
    let mut client = visit_as(&daemon, &url, &sender("a"));
    eventually("what came is there for its sender", || find(&mut client, "same").1 == "hash");
    let found = find(&mut client, "same").2;
    let came: usize = found["size"].parse().unwrap();
    assert!((1_000_000..2_000_000).contains(&came), "{came}");
    assert_eq!(found["hash"], Hash::of(&bytes[..came]).to_string());
    // Nobody else finds it: not by the link alone, nor by what somebody else chose, by another link, under another name, or as the maker.
    assert_eq!(find(&mut visit(&daemon, &url), "same").1, "denied");
    let nothing = find(&mut client, "other").1;
    assert_eq!(nothing, "not-found");
    for (url, of) in [(&url, "b"), (&second, "a"), (&second, "b")] {
        let mut other = visit_as(&daemon, url, &sender(of));
        assert_eq!(find(&mut other, "same").1, nothing);
        other.send(rest("same", &bytes, came));
        assert_eq!(other.reply().1, nothing);
    }
    assert_eq!(find(&mut alice, "inbox/same").1, "not-found");
    // Somebody else's of that name comes meanwhile, and takes none of it.
    let mut other = visit_as(&daemon, &url, &sender("b"));
    assert_eq!(other.upload("same size=4", b"mine").1, "done");
    // Behind other bytes, or at another place, it does not go on; and it stays.
    for wrong in [came - 1, came + 1] {
        client.send(rest("same", &bytes, wrong));
        assert_eq!(client.reply().1, "changed", "{wrong}");
    }
    let mut false_bytes = bytes.clone();
    false_bytes[0] ^= 1;
    client.send(rest("same", &false_bytes, came));
    assert_eq!(client.reply().1, "changed");
    client.send(rest("same", &bytes, came));
    let (_, word, fields) = client.reply();
    assert_eq!((word.as_str(), fields.get("size").map(String::as_str)), ("done", Some("3000000")), "{fields:?}");
    let inbox = world.home("alice").join("inbox");
    assert!(fs::read(inbox.join("same-2")).unwrap() == bytes);
    // If the answer was lost it is asked for again, and the file is there once.
    drop(client);
    let mut client = visit_as(&daemon, &url, &sender("a"));
    let found = find(&mut client, "same").2;
    assert_eq!((found["size"].as_str(), &found["hash"]), ("3000000", &Hash::of(&bytes).to_string()));
    client.send(rest("same", &bytes, bytes.len()));
    assert_eq!(client.reply().1, "done");
    let mut more = bytes.clone();
    more.push(1);
    client.send(rest("same", &more, bytes.len()));
    assert_eq!(client.reply().1, "integrity");
    assert!(!inbox.join("same-3").exists());
    assert_eq!(fs::read_to_string(inbox.join("same")).unwrap(), "mine");
    alice.line("LINKS");
    let told = [alice.reply().2, alice.reply().2];
    let of_url = told.iter().find(|fields| fields["name"] != "second").unwrap();
    assert_eq!((of_url["came-files"].as_str(), of_url["came"].as_str()), ("2", "3000004"));
    assert!(staged(&world.home("alice")).is_empty());
    // The name is free for another file of the same sender.
    assert_eq!(client.upload("same size=4", b"more").1, "done");
}

#[test]
fn drop_link_session_that_is_not_over_yet_is_ended_by_its_sender_and_no_link_gives_what_is_left() {
    let world = watched();
    let daemon = world.start();
    let mut root = enter(&daemon, "root");
    let mut alice = enter(&daemon, "alice");
    let url = make(&mut alice, "inbox drop=yes name=box");
    let bytes = vec![7; 3_000_000];
    let known = format!("uploads={}", "k".repeat(43));
    let mut first = visit_as(&daemon, &url, &known);
    first.send(&upload_bytes("f size=3000000", &bytes)[..2_000_000]);
    eventually("enough came to be kept", || moved(&mut root) > 1_500_000);
    // Its line is dead, and the server does not know yet. Somebody else cannot end it.
    let mut other = visit_as(&daemon, &url, &format!("uploads={}", "o".repeat(43)));
    assert_eq!(other.ask("HASH f partial=yes").1, "not-found");
    let mut again = visit_as(&daemon, &url, &known);
    let mut words = Vec::new();
    eventually("the first one is ended", || {
        words.push(again.ask("HASH f partial=yes").1);
        words.last().unwrap() == "hash"
    });
    assert!(words.iter().rev().skip(1).all(|word| word == "busy" || word == "not-found"), "{words:?}");
    assert_eq!(first.try_reply().map(|reply| reply.1).as_deref(), Some("aborted"));
    // With the link all that came by it and is not whole goes.
    drop((first, other));
    assert_eq!(alice.ask("UNLINK box").1, "removed");
    eventually("nothing is left", || staged(&world.home("alice")).is_empty());
    // One that is cut off as the link goes leaves nothing either.
    let url = make(&mut alice, "inbox drop=yes name=box");
    let mut client = visit_as(&daemon, &url, &known);
    client.send(&upload_bytes("g size=3000000", &bytes)[..2_000_000]);
    eventually("it is on its way", || came(&mut alice) == ("1".to_owned(), "3000000".to_owned()));
    assert_eq!(alice.ask("UNLINK box").1, "removed");
    drop(client);
    eventually("nothing is left of it", || staged(&world.home("alice")).is_empty());
    // Nor does an orderly end of the server.
    let url = make(&mut alice, "inbox drop=yes name=box");
    let mut client = visit_as(&daemon, &url, &known);
    client.send(&upload_bytes("h size=3000000", &bytes)[..2_000_000]);
    eventually("enough came to be kept", || moved(&mut root) > 1_500_000);
    drop(client);
    let mut again = visit_as(&daemon, &url, &known);
    eventually("it is kept", || again.ask("HASH h partial=yes").1 == "hash");
    drop((again, alice, root));
    daemon.stop();
    assert!(staged(&world.home("alice")).is_empty());
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(came(&mut alice), ("0".to_owned(), "0".to_owned()));
    assert_eq!(visit_as(&daemon, &url, &known).ask("HASH h partial=yes").1, "not-found");
}
