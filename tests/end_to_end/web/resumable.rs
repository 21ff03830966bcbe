//! Uploads over HTTP that are gone on with: draft-ietf-httpbis-resumable-upload, as curl and the page use it.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{VERSIONS, alice, noise};
use crate::common::web::{Got, RawWeb, curl};
use crate::common::{Daemon, PASSWORD, RawClient, World, enter, eventually, staged, upload_bytes};
use sealift::files::Hash;
use sealift::limits;

const PART: &str = "Content-Type: application/partial-upload";

fn ask(daemon: &Daemon, user: &str, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Got {
    let folder = tempfile::tempdir().unwrap();
    let sent = folder.path().join("sent");
    fs::write(&sent, body).unwrap();
    let (login, data) = (format!("{user}:{PASSWORD}"), format!("@{}", sent.display()));
    let mut args = vec!["-X", method, "-H", "Content-Type:"];
    if !user.is_empty() {
        args.extend(["-u", &login]);
    }
    if method == "HEAD" {
        args = [&["--head"], &args[4..]].concat();
    } else if method != "DELETE" {
        args.extend(["--data-binary", &data]);
    }
    args.extend(headers.iter().flat_map(|header| ["-H", *header]));
    curl(daemon, &args, path)
}

/// Begins an upload, and says where it is.
fn begin(daemon: &Daemon, path: &str, headers: &[&str], body: &[u8]) -> String {
    let got = ask(daemon, "alice", "PUT", path, &[&["Upload-Complete: ?0"], headers].concat(), body);
    assert_eq!((got.status, got.header("upload-complete")), (201, "?0"), "{got:?}");
    assert_eq!(got.header("upload-offset"), body.len().to_string());
    assert!(got.header("upload-limit").starts_with("max-age=86"), "{got:?}");
    got.header("location").to_owned()
}

/// Appends to it.
fn append(daemon: &Daemon, url: &str, offset: usize, is_last: bool, more: &[&str], body: &[u8]) -> Got {
    let complete = if is_last { "Upload-Complete: ?1" } else { "Upload-Complete: ?0" };
    let offset = format!("Upload-Offset: {offset}");
    ask(daemon, "alice", "PATCH", url, &[&[PART, complete, &*offset], more].concat(), body)
}

fn digest(bytes: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, bytes)))
}

#[test]
fn an_upload_that_hangs_or_is_cut_is_gone_on_with_from_where_it_came_to() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let bytes = noise(9_000_000);
    let login = STANDARD.encode(alice());
    for (n, hangs) in [true, false].into_iter().enumerate() {
        let path = format!("/~alice/f{n}");
        let length = format!("Upload-Length: {}", bytes.len());
        let url = begin(&daemon, &path, &[&length, "X-OC-Mtime: 1500000000"], b"");
        let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
        web.send(format!(
            "PATCH {url} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {login}\r\n{PART}\r\nUpload-Offset: 0\r\n\
             Upload-Complete: ?1\r\nContent-Length: {}\r\n\r\n",
            bytes.len()
        ));
        web.send(&bytes[..6_000_000]);
        let web = hangs.then_some(web);
        // Whoever asks how far it is takes over from a request that hangs.
        let mut offset = 0;
        eventually("much of it has come", || {
            let got = ask(&daemon, "alice", "HEAD", &url, &[], b"");
            assert_eq!((got.status, got.header("upload-complete")), (204, "?0"), "{got:?}");
            assert_eq!((got.header("upload-length"), got.header("cache-control")), ("9000000", "no-store"));
            offset = got.header("upload-offset").parse().unwrap();
            true
        });
        assert!(offset <= 6_000_000 && !world.home("alice").join(format!("f{n}")).exists());
        let wrong = append(&daemon, &url, offset + 1, true, &[], &bytes[offset + 1..]);
        assert_eq!((wrong.status, wrong.header("upload-offset")), (409, &*offset.to_string()));
        let got = append(&daemon, &url, offset, true, &[], &bytes[offset..]);
        assert_eq!((got.status, got.header("upload-complete")), (201, "?1"), "{got:?}");
        let there = world.home("alice").join(format!("f{n}"));
        assert!(fs::read(&there).unwrap() == bytes);
        let secs = fs::metadata(&there).unwrap().modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(secs.as_secs(), 1_500_000_000);
        let got = ask(&daemon, "alice", "HEAD", &url, &[], b"");
        assert_eq!((got.header("upload-complete"), got.header("upload-offset")), ("?1", "9000000"));
        assert_eq!(append(&daemon, &url, 9_000_000, true, &[], b"").status, 400, "it is complete");
        drop(web);
    }
}

#[test]
fn the_digest_of_a_request_that_was_cut_off_says_nothing_of_the_one_that_goes_on() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let bytes = noise(1_500_000);
    let url = begin(&daemon, "/~alice/f", &["Upload-Length: 1500000"], b"");
    let patch = format!(
        "PATCH {url} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {}\r\n{PART}\r\nUpload-Offset: 0\r\n\
         Upload-Complete: ?0\r\nContent-Digest: {}\r\nContent-Length: 1000000\r\n\r\n",
        STANDARD.encode(alice()),
        digest(&bytes[..1_000_000])
    );
    let (mut got, mut offset) = (None, 0);
    eventually("some of it has come when somebody asks", || {
        let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
        web.send(&patch);
        web.send(&bytes[..700_000]);
        let head = ask(&daemon, "alice", "HEAD", &url, &[], b"");
        offset = head.header("upload-offset").parse().unwrap();
        got = Some(head);
        offset > 0
    });
    let got = got.unwrap();
    assert!(offset <= 700_000, "{offset}");
    let done = append(&daemon, &url, offset, true, &[], &bytes[offset..]);
    assert_eq!(done.status, 201, "{done:?}");
    let prefix = format!("{offset} {}", Hash::of(&bytes[..offset]));
    assert_eq!(got.header("sealift-prefix"), prefix, "its sender may compare it");
    assert!(fs::read(world.home("alice").join("f")).unwrap() == bytes);
    let got = ask(&daemon, "alice", "HEAD", &url, &[], b"");
    assert_eq!(got.header("sealift-prefix"), format!("1500000 {}", Hash::of(&bytes)));
}

#[test]
fn parts_of_any_size_make_a_file_whose_length_nobody_knew() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let bytes = noise(1_000_000);
    let whole = format!("Repr-Digest: {}", digest(&bytes));
    let url = begin(&daemon, "/~alice/f", &[&whole], &bytes[..7]);
    let mut at = 7;
    for (n, size) in [1, 300_000, 262_144, 0, 99_999].into_iter().enumerate() {
        let part = &bytes[at..at + size];
        let got = append(&daemon, &url, at, false, &[&format!("Content-Digest: {}", digest(part))], part);
        at += size;
        assert_eq!((got.status, got.header("upload-offset")), (204, &*at.to_string()), "{n} {got:?}");
        assert_eq!(got.header("upload-complete"), "?0");
    }
    assert_eq!(append(&daemon, &url, at, true, &[], &bytes[at..]).status, 201);
    assert!(fs::read(world.home("alice").join("f")).unwrap() == bytes);
    // All of it at once is a PUT as any other.
    for version in VERSIONS {
        let login = format!("alice:{PASSWORD}");
        let args = [version, "-u", &login, "-X", "PUT", "-H", "Upload-Complete: ?1", "--data-binary", "all"];
        let got = curl(&daemon, &args, "/~alice/f");
        assert_eq!((got.status, got.header("upload-complete")), (204, "?1"));
    }
    assert_eq!(fs::read(world.home("alice").join("f")).unwrap(), b"all");
}

#[test]
fn what_does_not_fit_is_refused_and_what_is_wrong_ends_the_upload() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let url = begin(&daemon, "/~alice/f", &["Upload-Length: 10"], b"12345");
    let patch = |headers: &[&str]| ask(&daemon, "alice", "PATCH", &url, headers, b"67890").status;
    assert_eq!(patch(&["Content-Type: text/plain", "Upload-Complete: ?1", "Upload-Offset: 5"]), 415);
    assert_eq!(patch(&[PART, "Upload-Offset: 5"]), 400);
    assert_eq!(patch(&[PART, "Upload-Complete: 1", "Upload-Offset: 5"]), 400);
    for offset in ["", "-5", "+5", "5.0", "0x5", "\"5\"", "1000000000000000"] {
        assert_eq!(patch(&[PART, "Upload-Complete: ?1", &format!("Upload-Offset: {offset}")]), 400, "{offset}");
    }
    assert_eq!(append(&daemon, &url, 5, false, &[], b"678901").status, 400, "longer than all of it");
    assert_eq!(append(&daemon, &url, 5, true, &[], b"6789").status, 400, "shorter");
    assert_eq!(append(&daemon, &url, 5, false, &["Upload-Length: 11"], b"6").status, 400, "another length");
    assert_eq!(append(&daemon, &url, 5, true, &[], b"67890").status, 201);
    assert_eq!(fs::read(world.home("alice").join("f")).unwrap(), b"1234567890");
    // Bytes that are wrong are not taken back.
    let url = begin(&daemon, "/~alice/g", &[], b"12345");
    let wrong = format!("Content-Digest: {}", digest(b"other"));
    assert_eq!(append(&daemon, &url, 5, false, &[&wrong], b"67890").status, 400);
    assert_eq!(ask(&daemon, "alice", "HEAD", &url, &[], b"").status, 404);
    let url = begin(&daemon, "/~alice/g", &[&format!("Repr-Digest: {}", digest(b"other"))], b"12345");
    assert_eq!(append(&daemon, &url, 5, true, &[], b"67890").status, 400);
    assert!(!world.home("alice").join("g").exists());
    // What must be there is decided at the end.
    let url = begin(&daemon, "/~alice/late", &["If-None-Match: *"], b"12345");
    assert_eq!(enter(&daemon, "alice").upload("late", b"first").0, 226);
    assert_eq!(append(&daemon, &url, 5, true, &[], b"67890").status, 412);
    assert_eq!(fs::read(world.home("alice").join("late")).unwrap(), b"first");
}

#[test]
fn an_upload_is_its_user_s_alone_and_gone_when_it_is_given_up() {
    let world = World::with(&[("alice", "\"full\"", "alice"), ("bob", "\"full\"", "bob")]);
    let daemon = world.start();
    let url = begin(&daemon, "/~alice/f", &[], b"12345");
    let token = url.strip_prefix("/.sealift-web/uploads/").unwrap();
    assert!(token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{url}");
    let part = [PART, "Upload-Complete: ?1", "Upload-Offset: 5"];
    for method in ["HEAD", "PATCH", "DELETE"] {
        assert_eq!(ask(&daemon, "bob", method, &url, &part, b"x").status, 404, "{method}");
        assert_eq!(ask(&daemon, "", method, &url, &part, b"x").status, 401, "{method}");
        let other = format!("/.sealift-web/uploads/{}", "0".repeat(32));
        assert_eq!(ask(&daemon, "alice", method, &other, &part, b"x").status, 404, "{method}");
    }
    let foreign = [&part[..], &["Sec-Fetch-Site: cross-site"]].concat();
    assert_eq!(ask(&daemon, "alice", "PATCH", &url, &foreign, b"x").status, 403);
    assert_eq!(ask(&daemon, "alice", "DELETE", &url, &foreign, b"").status, 403);
    assert_eq!(ask(&daemon, "alice", "HEAD", &url, &[], b"").header("upload-offset"), "5");
    assert_eq!(ask(&daemon, "alice", "DELETE", &url, &[], b"").status, 204);
    assert_eq!(ask(&daemon, "alice", "HEAD", &url, &[], b"").status, 404);
    eventually("nothing of it is left", || {
        let home = world.home("alice").join(".sealift");
        staged(&world.home("alice")).iter().all(|path| home.join(path).is_dir())
    });
    // Rights that are lost meanwhile count.
    let url = begin(&daemon, "/~alice/f", &[], b"12345");
    world.set_users(&crate::common::section("alice", "[\"list\"]", "alice"));
    eventually("the change is in force", || ask(&daemon, "alice", "PUT", "/~alice/g", &[], b"x").status == 403);
    assert_eq!(ask(&daemon, "alice", "PATCH", &url, &part, b"x").status, 404, "it was put away");
    assert!(!world.home("alice").join("f").exists());
}

#[test]
fn what_a_server_s_end_cut_is_gone_on_with_by_the_native_client() {
    let world = World::of(&["alice"]);
    let bytes = noise(20_000_000);
    for ends_well in [true, false] {
        let name = if ends_well { "ended" } else { "killed" };
        let mut daemon = world.start();
        let url = begin(&daemon, &format!("/~alice/{name}"), &[], b"");
        assert_eq!(append(&daemon, &url, 0, false, &[], &bytes).status, 204);
        if ends_well {
            assert_eq!(daemon.stop().code, Some(0));
        } else {
            daemon.crash(rustix::process::Signal::KILL);
            drop(daemon);
        }
        assert!(!world.home("alice").join(name).exists());
        let again = world.start();
        assert_eq!(ask(&again, "alice", "HEAD", &url, &[], b"").status, 404);
        let mut alice = enter(&again, "alice");
        let left = format!("HASH {name} partial=yes");
        eventually("its whole blocks are there", || alice.ask(&left).0 == 213);
        let (_, _, fields) = alice.ask(&left);
        let block = usize::try_from(limits::HASH_BLOCK).unwrap();
        assert_eq!(fields["size"], block.to_string());
        assert_eq!(fields["hash"], Hash::of(&bytes[..block]).to_string());
        again.stop();
    }
}

#[test]
fn what_is_left_of_an_upload_is_told_to_nobody_s_page_and_puts_nothing_away_for_it() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let bytes = noise(BLOCK + 9);
    let url = begin(&daemon, "/~alice/f", &[], &bytes);
    let partial = |method, headers: &[&str]| ask(&daemon, "alice", method, "/~alice/f?partial", headers, b"");
    assert_eq!(partial("HEAD", &["Sec-Fetch-Site: cross-site"]).status, 403);
    // An image of another page is no HEAD.
    assert_eq!(partial("GET", &["Sec-Fetch-Site: cross-site"]).status, 404);
    assert_eq!(ask(&daemon, "alice", "HEAD", &url, &[], b"").header("upload-offset"), (BLOCK + 9).to_string());
    assert_eq!(partial("HEAD", &["Sec-Fetch-Site: same-origin"]).status, 204);
    assert_eq!(ask(&daemon, "alice", "HEAD", &url, &[], b"").status, 404, "it is put away for whoever goes on with it");
}

#[test]
fn there_are_only_so_many_that_are_not_finished() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let most = sealift::limits::WEB_UPLOADS_PER_SOURCE;
    let urls: Vec<_> = (0..most).map(|n| begin(&daemon, &format!("/~alice/f{n}"), &[], b"x")).collect();
    let one_more = || ask(&daemon, "alice", "PUT", "/~alice/more", &["Upload-Complete: ?0"], b"x");
    let refused = one_more();
    assert_eq!((refused.status, refused.header("retry-after").is_empty()), (503, false));
    assert_eq!(append(&daemon, &urls[0], 1, true, &[], b"y").status, 201);
    assert_eq!(one_more().status, 201, "what is finished makes room");
    assert_eq!(curl(&daemon, &["-X", "OPTIONS"], "/").header("accept-patch"), "application/partial-upload");
}

const BLOCK: usize = limits::HASH_BLOCK as usize;

/// What `HASH partial=yes` says, if something is left.
fn left(client: &mut RawClient, name: &str) -> Option<(usize, String)> {
    let (digits, _, fields) = client.ask(format!("HASH {name} partial=yes"));
    (digits == 213).then(|| (fields["size"].parse().unwrap(), fields["hash"].clone()))
}

#[test]
fn what_a_browser_began_is_gone_on_with_by_the_native_client_at_once() {
    let world = World::of(&["alice", "bob"]);
    let daemon = world.start();
    let bytes = noise(40_000_000);
    let (mut alice, mut bob) = (enter(&daemon, "alice"), enter(&daemon, "bob"));
    let url = begin(&daemon, "/~alice/f", &["Upload-Length: 40000000"], b"");
    assert_eq!(append(&daemon, &url, 0, false, &[], &bytes[..35_000_000]).status, 204);
    // Nobody else's, nor of another name.
    assert_eq!((left(&mut bob, "f"), left(&mut alice, "g")), (None, None));
    assert_eq!(ask(&daemon, "alice", "HEAD", &url, &[], b"").header("upload-offset"), "35000000");
    // Less than a block would be lost by it.
    let small = begin(&daemon, "/~alice/small", &[], &bytes[..1000]);
    assert_eq!(left(&mut alice, "small"), None);
    assert_eq!(append(&daemon, &small, 1000, true, &[], b"").status, 201);
    let prefix = Hash::of(&bytes[..2 * BLOCK]).to_string();
    assert_eq!(left(&mut alice, "f"), Some((2 * BLOCK, prefix.clone())));
    assert_eq!(ask(&daemon, "alice", "HEAD", &url, &[], b"").status, 404, "it goes on elsewhere");
    let mut rest = upload_bytes(&format!("f size=40000000 offset={} prefix={prefix}", 2 * BLOCK), &bytes[2 * BLOCK..]);
    let hash = rest.len() - 32;
    rest[hash..].copy_from_slice(Hash::of(&bytes).as_bytes());
    alice.send(rest);
    assert_eq!(alice.reply().1, "done");
    assert!(fs::read(world.home("alice").join("f")).unwrap() == bytes);
    // What somebody is at stays where it is.
    let url = begin(&daemon, "/~alice/at", &["Upload-Length: 40000000"], b"");
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    let login = STANDARD.encode(format!("alice:{PASSWORD}"));
    web.send(format!(
        "PATCH {url} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {login}\r\n{PART}\r\nUpload-Offset: 0\r\nUpload-Complete: ?1\r\n\
         Content-Length: {}\r\n\r\n",
        bytes.len(),
    ));
    web.send(&bytes[..20_000_000]);
    // More than any socket holds: the server is at it.
    assert_eq!(left(&mut alice, "at"), None);
    web.send(&bytes[20_000_000..]);
    assert_eq!(web.answer().unwrap().status, 201);
    assert!(fs::read(world.home("alice").join("at")).unwrap() == bytes);
}

#[test]
fn what_the_native_client_left_is_gone_on_with_over_http() {
    let world = World::of(&["alice", "bob"]);
    let daemon = world.start();
    let bytes = noise(40_000_000);
    let mut alice = enter(&daemon, "alice");
    alice.send(&upload_bytes("f size=40000000", &bytes)[..36_000_000]);
    drop(alice);
    let look = |user: &str| ask(&daemon, user, "HEAD", "/~alice/f?partial", &[], b"");
    eventually("what came is kept", || look("alice").status == 204);
    let found = look("alice");
    let (length, hash) = found.header("sealift-prefix").split_once(' ').unwrap();
    let length: usize = length.parse().unwrap();
    assert!(length > 0 && length.is_multiple_of(BLOCK), "{length}");
    assert_eq!(hash, Hash::of(&bytes[..length]).to_string());
    assert_eq!((look("bob").status, look("").status), (404, 401));
    assert_eq!(ask(&daemon, "alice", "HEAD", "/~alice/g?partial", &[], b"").status, 404);
    // With another beginning, or more than there is, it is not gone on with, and stays.
    let wrong = format!("Sealift-Prefix: {length} {}", Hash::of(b"another"));
    let more = format!("Sealift-Prefix: {} {hash}", length + BLOCK);
    let start = ["Upload-Complete: ?0", "Upload-Length: 40000000"];
    let put = |more: &[&str]| ask(&daemon, "alice", "PUT", "/~alice/f", &[&start, more].concat(), b"");
    assert_eq!(put(&[&wrong]).status, 412);
    assert_eq!(put(&[&more]).status, 400, "more than the file is to have");
    for bad in ["Sealift-Prefix: x", "Sealift-Prefix: 16777216", "Sealift-Prefix: -1 00"] {
        assert_eq!(put(&[bad]).status, 400, "{bad}");
    }
    let right = format!("Sealift-Prefix: {length} {hash}");
    let digest = "Repr-Digest: sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:";
    assert_eq!(put(&[&right, digest]).status, 400);
    let begun = put(&[&right]);
    assert_eq!((begun.status, begun.header("upload-offset")), (201, &*length.to_string()), "{begun:?}");
    let foreign = ask(&daemon, "alice", "HEAD", "/~alice/g?partial", &[], b"");
    assert_eq!(foreign.status, 404, "of another name there is nothing");
    let url = begun.header("location").to_owned();
    assert_eq!(append(&daemon, &url, length, true, &[], &bytes[length..]).status, 201);
    assert!(fs::read(world.home("alice").join("f")).unwrap() == bytes);
    assert!(staged(&world.home("alice")).is_empty());
}
