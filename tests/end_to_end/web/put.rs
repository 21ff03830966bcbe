//! Files that curl and the like store.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use rustix::process::Signal;
use sealift::files::Hash;
use sealift::limits;

use super::{VERSIONS, alice, noise};
use crate::common::web::{Got, RawWeb, curl, curl_command};
use crate::common::{Daemon, PASSWORD, World, assert_nothing_staged, enter, eventually, section, staged};

/// A file to be sent.
fn file(world: &World, name: &str, bytes: &[u8]) -> String {
    let path = world.place().join(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

fn put(daemon: &Daemon, user: &str, args: &[&str], path: &str) -> Got {
    curl(daemon, &[&["--user", &format!("{user}:{PASSWORD}")], args].concat(), path)
}

/// The head of a PUT as alice.
fn head(path: &str, headers: &str) -> String {
    let pair = base64::engine::general_purpose::STANDARD.encode(alice());
    format!("PUT {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {pair}\r\n{headers}\r\n")
}

#[test]
fn files_of_any_size_are_stored_and_said_to_be_only_then() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    for (n, size) in [0, 1, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 5_000_000].into_iter().enumerate() {
        let bytes = noise(size);
        let sent = file(&world, "sent", &bytes);
        for version in VERSIONS {
            let name = format!("f{n}{version}");
            let there = world.home("alice").join(&name);
            let got = put(&daemon, "alice", &[version, "-T", &sent], &format!("/~alice/{name}"));
            assert_eq!((got.status, got.body.len()), (201, 0), "{version} {size}: {got:?}");
            assert_eq!(got.header("etag"), format!("\"{}\"", Hash::of(&bytes)));
            assert_eq!(got.header("sealift-pid"), daemon.pid().to_string());
            assert!(fs::read(&there).unwrap() == bytes);
            // In chunks, without a length said beforehand. (Of nothing curl never sends the end.)
            let chunked = [version, "-T", &sent, "-H", "Transfer-Encoding: chunked"];
            let chunked = if version == "--http2" || size == 0 { &chunked[..3] } else { &chunked[..] };
            let got = put(&daemon, "alice", chunked, &format!("/~alice/{name}"));
            assert_eq!(got.status, 204, "{version} {size}: {got:?}");
            assert!(fs::read(&there).unwrap() == bytes);
            assert_eq!(put(&daemon, "alice", &[version], &format!("/~alice/{name}")).body, bytes);
        }
    }
    assert_nothing_staged(&world.home("alice"), "all is in its place");
    let log = daemon.stop().log;
    let line = |name: &str| log.lines().filter(|line| line.contains("PUT") && line.contains(name)).count();
    assert_eq!((line("f0--http1.1"), line("f5--http2")), (2, 2), "{log}");
    assert!(log.contains("outcome=\"created\"") && log.contains("outcome=\"replaced\""), "{log}");
}

#[test]
fn many_small_files_over_one_connection_are_all_stored() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let from = world.place().join("from");
    fs::create_dir(&from).unwrap();
    for n in 0..150 {
        fs::write(from.join(format!("f{n}")), format!("file {n}\n")).unwrap();
    }
    let args = ["--http2", "--parallel", "--fail", "-T", "f[0-149]", "--user", &alice()];
    let output = curl_command(&daemon, &args, "/~alice/").current_dir(&from).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for n in 0..150 {
        assert_eq!(fs::read_to_string(world.home("alice").join(format!("f{n}"))).unwrap(), format!("file {n}\n"));
    }
}

#[test]
fn what_must_be_there_is_decided_when_the_file_takes_its_place() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let (old, new) = (noise(2_000_000), noise(1_500_000));
    let sent = file(&world, "sent", &new);
    let small = file(&world, "small", b"small");
    let there = world.home("alice").join("f");
    let ask = |condition: &str, from: &str| put(&daemon, "alice", &["-T", from, "-H", condition], "/~alice/f").status;
    assert_eq!(ask("If-Match: *", &small), 412);
    assert!(!there.exists());
    assert_eq!((ask("If-None-Match: *", &small), ask("If-None-Match: *", &sent)), (201, 412));
    assert_eq!(fs::read(&there).unwrap(), b"small");
    let tag = |bytes: &[u8]| format!("If-Match: \"{}\"", Hash::of(bytes));
    assert_eq!((ask(&tag(b"other"), &sent), ask(&tag(b"small"), &sent)), (412, 204));
    assert!(fs::read(&there).unwrap() == new);
    assert_eq!((ask(&tag(&old), &small), ask("If-Match: *", &small)), (412, 204));
    assert_eq!(ask("If-Unmodified-Since: Thu, 01 Jan 1970 00:00:10 GMT", &sent), 412);
    assert_eq!(ask("If-None-Match: \"another\"", &small), 204);
    // Somebody else is first while the bytes come.
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    web.send(head("/~alice/late", "If-None-Match: *\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n"));
    assert_eq!(web.read(25), b"HTTP/1.1 100 Continue\r\n\r\n", "it has begun");
    web.send(vec![1; 999_999]);
    assert_eq!(enter(&daemon, "alice").upload("late", b"first").0, 226);
    assert_eq!(web.ask("1").unwrap().status, 412);
    assert_eq!(fs::read(world.home("alice").join("late")).unwrap(), b"first");
}

#[test]
fn what_the_if_of_webdav_was_decided_on_must_be_there_when_the_bytes_have_come() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let there = world.home("alice").join("f");
    let (host, mut native) = (format!("127.0.0.1:{}", daemon.port()), enter(&daemon, "alice"));
    let begin = |condition: &str, size: usize| {
        let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
        let headers = format!("If: {condition}\r\nExpect: 100-continue\r\nContent-Length: {size}\r\n");
        web.send(head("/~alice/f", &headers).replace("Host: x", &format!("Host: {host}")));
        assert_eq!(web.read(25), b"HTTP/1.1 100 Continue\r\n\r\n", "{condition}: it has begun");
        web
    };
    for (size, of) in [3, 1_000_000].into_iter().flat_map(|size| [(size, ""), (size, "<https://HOST/~alice/f> ")]) {
        let mut condition = || {
            assert_eq!(native.upload("f mtime=1000000000", b"old").0, 226);
            let tag = put(&daemon, "alice", &["--head"], "/~alice/f").header("etag").to_owned();
            format!("{}([{tag}])", of.replace("HOST", &host))
        };
        let body = noise(size);
        assert_eq!(begin(&condition(), size).ask(&body).unwrap().status, 204, "{size} {of}");
        assert!(fs::read(&there).unwrap() == body, "{size} {of}");
        // Somebody else is first while the bytes come.
        let mut late = begin(&condition(), size);
        assert_eq!(enter(&daemon, "alice").upload("f", b"first").0, 226);
        assert_eq!(late.ask(&body).unwrap().status, 412, "{size} {of}");
        assert_eq!(fs::read(&there).unwrap(), b"first", "{size} {of}");
    }
    assert_nothing_staged(&world.home("alice"), "what was refused is gone");
}

#[test]
fn the_if_of_webdav_holds_of_what_has_no_record_yet() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let host = format!("127.0.0.1:{}", daemon.port());
    let home = world.home("alice");
    let tag = |name: &str| put(&daemon, "alice", &["--head"], &format!("/~alice/{name}")).header("etag").to_owned();
    let ask = |name: &str, args: &[&str]| put(&daemon, "alice", args, &format!("/~alice/{name}")).status;
    let sent = file(&world, "sent", b"new");
    let forms = ["", "<https://HOST/~alice/NAME> "];
    for (n, name) in (0..forms.len()).flat_map(|n| ["put", "twice", "removed"].map(|name| (n, name))) {
        // As rsync does it.
        let there = home.join(format!("{name}{n}"));
        fs::write(&there, noise(2 << 20)).unwrap();
        let file = fs::File::options().write(true).open(&there).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(10)).unwrap();
    }
    // A hash is recorded of what has rested a while.
    let written = SystemTime::now();
    while written.elapsed().unwrap_or_default() <= limits::RECORD_AGE_MIN {
        std::thread::sleep(Duration::from_millis(100));
    }
    for (n, of) in forms.into_iter().enumerate() {
        let named = |name: &str| {
            let name = format!("{name}{n}");
            let tag = tag(&name);
            assert!(tag.starts_with("W/"), "{name} has no record: {tag}");
            let condition = format!("If: {}([{tag}])", of.replace("HOST", &host).replace("NAME", &name));
            (name, tag, condition)
        };
        let (name, _, condition) = named("put");
        assert_eq!(ask(&name, &["-T", &sent, "-H", &condition]), 204, "{condition}");
        assert_eq!(fs::read(home.join(&name)).unwrap(), b"new", "{condition}");
        // What is refused for another reason is read all the same, and has a record then.
        let (name, _, condition) = named("twice");
        let refused = ["-T", &sent, "-H", &condition, "-H", "If-Match: \"other\""];
        assert_eq!(ask(&name, &refused), 412, "{condition}");
        assert_eq!(ask(&name, &["-T", &sent, "-H", &condition]), 204, "{condition}");
        let (name, weak, condition) = named("removed");
        let both = ["-X", "DELETE", "-H", &condition, "-H", &format!("If-Match: {weak}")];
        assert_eq!(ask(&name, &both), 204, "{condition}");
        assert!(!home.join(&name).exists(), "{condition}");
    }
}

#[test]
fn an_if_about_another_url_says_nothing_about_this_one() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let host = format!("127.0.0.1:{}", daemon.port());
    let mut native = enter(&daemon, "alice");
    assert_eq!((native.upload("f", b"old").0, native.upload("other", b"other").0), (226, 226));
    let tag = put(&daemon, "alice", &["--head"], "/~alice/other").header("etag").to_owned();
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    let headers =
        format!("If: <https://{host}/~alice/other> ([{tag}])\r\nExpect: 100-continue\r\nContent-Length: 3\r\n");
    web.send(head("/~alice/f", &headers).replace("Host: x", &format!("Host: {host}")));
    assert_eq!(web.read(25), b"HTTP/1.1 100 Continue\r\n\r\n", "it has begun");
    assert_eq!(native.upload("f", b"first").0, 226);
    assert_eq!(web.ask("new").unwrap().status, 204);
    assert_eq!(fs::read(world.home("alice").join("f")).unwrap(), b"new");
}

#[test]
fn what_an_if_said_of_another_url_must_hold_when_the_bytes_have_come() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let host = format!("127.0.0.1:{}", daemon.port());
    let mut native = enter(&daemon, "alice");
    assert_eq!(native.upload("f", b"old").0, 226);
    for size in [3, 1_000_000] {
        assert_eq!(native.upload("other mtime=1000000000", b"other").0, 226);
        let tag = put(&daemon, "alice", &["--head"], "/~alice/other").header("etag").to_owned();
        for condition in [format!("[{tag}]"), "Not [\"x\"]".to_owned()] {
            let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
            let of = format!("If: <https://{host}/~alice/other> ({condition})");
            let headers = format!("{of}\r\nExpect: 100-continue\r\nContent-Length: {size}\r\n");
            web.send(head("/~alice/f", &headers).replace("Host: x", &format!("Host: {host}")));
            assert_eq!(web.read(25), b"HTTP/1.1 100 Continue\r\n\r\n", "it has begun");
            assert_eq!(native.upload("other mtime=1000000001", b"new").0, 226);
            assert_eq!(web.ask(noise(size)).unwrap().status, 412, "{size} {condition}");
            assert_eq!(fs::read(world.home("alice").join("f")).unwrap(), b"old", "{size} {condition}");
            assert_eq!(native.upload("other mtime=1000000000", b"other").0, 226);
        }
    }
    assert_nothing_staged(&world.home("alice"), "what was refused is gone");
}

#[test]
fn another_file_of_the_same_size_and_time_is_another_state() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let mut native = enter(&daemon, "alice");
    let sent = file(&world, "sent", b"lost update");
    for (name, size) in [("small", 1000), ("large", 2 << 20)] {
        let url = format!("/~alice/{name}");
        let ask = |args: &[&str]| put(&daemon, "alice", args, &url);
        let mut replaced = |byte: u8| {
            assert_eq!(native.upload(&format!("{name} mtime=1000000000"), &vec![byte; size]).0, 226);
            ask(&["--head"])
        };
        let (old, _) = (replaced(b'A'), replaced(b'B'));
        let (tag, date) = (old.header("etag").to_owned(), old.header("last-modified").to_owned());
        let bare = tag.trim_start_matches("W/");
        for condition in [format!("If-Range: {date}"), format!("If-Range: {tag}"), format!("If-Range: {bare}")] {
            let got = ask(&["-H", "Range: bytes=500-", "-H", &condition]);
            assert_eq!((got.status, got.body == vec![b'B'; size]), (200, true), "{name} {condition}");
        }
        assert_eq!(ask(&["-H", &format!("If-None-Match: {tag}")]).status, 200, "{name}");
        for condition in [format!("If-Match: {tag}"), format!("If-Match: {bare}"), format!("If: ([{tag}])")] {
            assert_eq!(ask(&["-T", &sent, "-H", &condition]).status, 412, "{name} {condition}");
            assert_eq!(ask(&["-X", "DELETE", "-H", &condition]).status, 412, "{name} {condition}");
        }
        // It stays what it is when a third one takes its place and the attributes of that change, and after a restart.
        let is = replaced(b'C').header("etag").to_owned();
        fs::set_permissions(world.home("alice").join(name), fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(ask(&[]).header("etag"), is, "{name}");
        assert!(is != tag && is.starts_with("W/") == (name == "small"), "{name}: {is} {tag}");
    }
    let tag = |daemon: &Daemon| put(daemon, "alice", &["--head"], "/~alice/small").header("etag").to_owned();
    let before = tag(&daemon);
    drop(native);
    daemon.stop();
    let daemon = world.start();
    assert_eq!(tag(&daemon), before);
    let matching = ["-T", &sent, "-H", &format!("If-Match: {before}")];
    assert_eq!(put(&daemon, "alice", &matching, "/~alice/small").status, 204);
}

#[test]
fn the_time_of_a_file_is_taken_over_where_it_is_told() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let sent = file(&world, "sent", b"x");
    let got = put(&daemon, "alice", &["-T", &sent, "-H", "X-OC-Mtime: 1500000000.25"], "/~alice/f");
    assert_eq!((got.status, got.header("x-oc-mtime")), (201, "accepted"));
    let meta = fs::metadata(world.home("alice").join("f")).unwrap();
    assert_eq!((meta.mtime(), meta.mtime_nsec()), (1_500_000_000, 250_000_000));
    assert_eq!(put(&daemon, "alice", &["-T", &sent, "-H", "X-OC-Mtime: soon"], "/~alice/f").status, 400);
}

#[test]
fn a_digest_that_is_sent_is_compared() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let digest = |bytes: &[u8]| {
        let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
        format!("sha-256=:{}:", base64::engine::general_purpose::STANDARD.encode(digest))
    };
    for (n, size) in [5, 3_000_000].into_iter().enumerate() {
        let bytes = noise(size);
        let sent = file(&world, "sent", &bytes);
        let ask = |name: &str, value: &str| {
            put(&daemon, "alice", &["-T", &sent, "-H", &format!("{name}: {value}")], &format!("/~alice/f{n}"))
        };
        for name in ["Repr-Digest", "Content-Digest"] {
            assert_eq!(ask(name, &digest(b"other")).status, 400);
            assert!(!world.home("alice").join(format!("f{n}")).exists());
        }
        assert_eq!(ask("Repr-Digest", &digest(&bytes)).status, 201);
        assert_eq!(ask("Content-Digest", "sha-256=nonsense").status, 400);
    }
    assert_nothing_staged(&world.home("alice"), "what was refused is gone");
}

/// Whoever sends one behind the body relies on it as much, and nothing compares it there.
#[test]
fn a_digest_behind_the_body_is_refused() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    for (n, size) in [0, 5, limits::CHUNK, 3_000_000].into_iter().enumerate() {
        let bytes = noise(size);
        let digest = base64::engine::general_purpose::STANDARD
            .encode(ring::digest::digest(&ring::digest::SHA256, if n == 1 { &bytes } else { b"other" }));
        let ask = |trailer: &str| {
            let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
            web.send(head(&format!("/~alice/f{n}"), "Transfer-Encoding: chunked\r\n"));
            let chunk = [format!("{size:x}\r\n").as_bytes(), &bytes, b"\r\n"].concat();
            web.send([if size == 0 { &[][..] } else { &chunk }, format!("0\r\n{trailer}\r\n").as_bytes()].concat());
            web.answer().unwrap().status
        };
        for name in ["Repr-Digest", "content-digest"] {
            assert_eq!(ask(&format!("{name}: sha-256=:{digest}:\r\n")), 400, "{name} {size}");
            assert!(!world.home("alice").join(format!("f{n}")).exists());
        }
        assert_eq!(ask("X-Other: y\r\n"), 201, "{size}");
        assert!(fs::read(world.home("alice").join(format!("f{n}"))).unwrap() == bytes);
    }
    assert_nothing_staged(&world.home("alice"), "what was refused is gone");
}

#[test]
fn nobody_is_told_to_go_on_who_will_be_refused() {
    let world = World::with(&[("alice", "\"full\"", "alice"), ("reader", "[\"list\", \"download\"]", "reader")]);
    let daemon = world.start();
    let expect = "Expect: 100-continue\r\nContent-Length: 3";
    let first = |head: String| {
        let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
        web.send(head + "\r\n");
        let line = web.read("HTTP/1.1 100".len());
        String::from_utf8(line).unwrap()
    };
    assert_eq!(first(head("/~alice/f", expect)), "HTTP/1.1 100");
    assert_eq!(first(head("/~alice/f/", expect)), "HTTP/1.1 405");
    assert_eq!(first(head("/~alice/none/f", expect)), "HTTP/1.1 409");
    assert_eq!(first(head("/f", expect)), "HTTP/1.1 403");
    assert_eq!(first(format!("PUT /~alice/f HTTP/1.1\r\nHost: x\r\n{expect}\r\n")), "HTTP/1.1 401");
    let reader = head("/~reader/f", expect).replace(
        &base64::engine::general_purpose::STANDARD.encode(alice()),
        &base64::engine::general_purpose::STANDARD.encode(format!("reader:{PASSWORD}")),
    );
    assert_eq!(first(reader), "HTTP/1.1 403");
    // And who is told to goes on.
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    web.send(head("/~alice/f", expect) + "\r\n");
    assert_eq!(web.read(25), b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(web.ask("abc").unwrap().status, 201);
    assert_eq!(fs::read(world.home("alice").join("f")).unwrap(), b"abc");
}

#[test]
fn rights_and_quotas_are_those_of_the_user() {
    let world = World::with(&[
        ("alice", "\"full\"", "alice"),
        ("reader", "[\"list\", \"download\"]", "reader"),
        ("adder", "[\"list\", \"download\", \"upload\"]", "adder"),
    ]);
    let small = section("small", "\"full\"", "small") + "quota = \"1 MiB\"\n";
    let users = fs::read_to_string(world.place().join("users.toml")).unwrap();
    fs::write(world.place().join("users.toml"), users + &small).unwrap();
    let daemon = world.start();
    let sent = file(&world, "sent", b"x");
    let other = file(&world, "other", b"y");
    let large = file(&world, "large", &noise(2_000_000));
    assert_eq!(put(&daemon, "reader", &["-T", &sent], "/~reader/f").status, 403);
    assert_eq!(put(&daemon, "alice", &["-T", &sent], "/~reader/f").status, 404, "another's home");
    assert_eq!(put(&daemon, "adder", &["-T", &sent], "/~adder/f").status, 201);
    assert_eq!(put(&daemon, "adder", &["-T", &other], "/~adder/f").status, 403);
    assert_eq!(put(&daemon, "adder", &["-T", &sent], "/~adder/f").status, 204, "the very same bytes");
    assert_eq!(fs::read(world.home("adder").join("f")).unwrap(), b"x");
    for version in VERSIONS {
        assert_eq!(put(&daemon, "small", &[version, "-T", &large], "/~small/f").status, 507);
    }
    assert_eq!(put(&daemon, "small", &["-T", &sent], "/~small/f").status, 201);
    // Nobody in particular may read, and a login would not change it for the public folder.
    assert_eq!(curl(&daemon, &["-T", &sent], "/f").status, 403);
    assert_eq!(curl(&daemon, &["-T", &sent], "/~alice/f").status, 401);
    assert!(!world.home("public").join("f").exists());
}

#[test]
fn what_is_no_whole_file_is_refused() {
    let world = World::of(&["alice"]);
    fs::create_dir(world.home("alice").join("folder")).unwrap();
    let daemon = world.start();
    let sent = file(&world, "sent", b"x");
    let ask = |args: &[&str], path: &str| put(&daemon, "alice", &[&["-T", &sent], args].concat(), path);
    let folder = put(&daemon, "alice", &["-X", "PUT", "--data-binary", "x"], "/~alice/folder/");
    assert_eq!(
        (folder.status, folder.header("allow")),
        (405, "GET, HEAD, OPTIONS, PUT, DELETE, MKCOL, MOVE, COPY, PROPFIND, PROPPATCH, LOCK, UNLOCK")
    );
    assert_eq!(ask(&[], "/~alice/folder").status, 405);
    assert_eq!(ask(&[], "/~alice/none/f").status, 409);
    assert_eq!(ask(&[], "/~alice/folder/f/g").status, 409);
    assert_eq!(ask(&["-H", "Content-Range: bytes 0-0/2"], "/~alice/f").status, 400);
    assert_eq!(ask(&["-H", "Content-Encoding: gzip"], "/~alice/f").status, 415);
    assert_eq!(ask(&["-H", "X-Expected-Entity-Length: 2"], "/~alice/f").status, 400);
    let finder = ["-H", "X-Expected-Entity-Length: 2", "-H", "Transfer-Encoding: chunked", "--http1.1"];
    assert_eq!(ask(&finder, "/~alice/f").status, 400, "cut short");
    assert_eq!(ask(&["-X", "PATCH"], "/~alice/f").status, 405);
    assert!(!world.home("alice").join("f").exists());
    let finder = finder.map(|arg| arg.replace(": 2", ": 1"));
    assert_eq!(ask(&finder.each_ref().map(String::as_str), "/~alice/f").status, 201);
    let only_read = world.daemon().args(["--web", "read-only"]).within(world.place());
    daemon.stop();
    let only_read = only_read.start();
    let got = put(&only_read, "alice", &["-T", &sent], "/~alice/g");
    assert_eq!((got.status, got.header("allow")), (405, "GET, HEAD, OPTIONS, PROPFIND"));
}

#[test]
fn a_body_that_is_cut_leaves_the_old_state() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    fs::write(world.home("alice").join("f"), "old").unwrap();
    for (headers, body) in [
        ("Content-Length: 2000000", noise(1_999_999)),
        ("Content-Length: 10", b"123456789".to_vec()),
        ("Transfer-Encoding: chunked", b"5\r\nhello\r\n".to_vec()),
        ("Transfer-Encoding: chunked", [b"1e8480\r\n".to_vec(), noise(2_000_000), b"\r\n".to_vec()].concat()),
    ] {
        let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
        web.send(head("/~alice/f", headers) + "\r\n");
        web.send(&body);
        drop(web);
        assert_eq!(fs::read(world.home("alice").join("f")).unwrap(), b"old");
    }
    eventually("that is written down", || daemon.log().matches("outcome=\"aborted\"").count() == 3);
    assert_eq!(fs::read(world.home("alice").join("f")).unwrap(), b"old");
    eventually("nothing is left", || {
        let left = staged(&world.home("alice"));
        left.iter().all(|path| world.home("alice").join(".sealift").join(path).is_dir())
    });
}

#[test]
fn what_was_acknowledged_outlives_the_server_and_nothing_else_is_half_there() {
    let world = World::of(&["alice"]);
    let mut daemon = world.start();
    fs::write(world.home("alice").join("half"), "old").unwrap();
    let whole = noise(3_000_000);
    let sent = file(&world, "sent", &whole);
    assert_eq!(put(&daemon, "alice", &["-T", &sent], "/~alice/whole").status, 201);
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    web.send(head("/~alice/half", "Content-Length: 40000000") + "\r\n");
    // More than all buffers on the way hold: most of it is on the disk when this returns.
    web.send(noise(30_000_000));
    daemon.crash(Signal::KILL);
    assert!(fs::read(world.home("alice").join("whole")).unwrap() == whole);
    assert_eq!(fs::read(world.home("alice").join("half")).unwrap(), b"old");
    drop(daemon);
    let again = world.start();
    assert_eq!(put(&again, "alice", &[], "/~alice/half").body, b"old");
    eventually("what it left is swept", || {
        let left = staged(&world.home("alice"));
        left.iter().all(|path| world.home("alice").join(".sealift").join(path).is_dir())
    });
}

#[test]
fn the_folder_that_is_missing_is_what_is_named() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let login = super::alice();
    for args in [&["-X", "PUT", "--data-binary", "x"][..], &["-X", "MKCOL"]] {
        let got = curl(&daemon, &[&["-u", &login][..], args].concat(), "/~alice/none/there/x");
        assert_eq!(got.status, 409);
        assert!(got.text().starts_with("409: none/there: there is no such folder"), "{}", got.text());
    }
}

/// By HTTP/1 it is empty. Whoever lost the header on the way would lose the file that has the name, too.
#[test]
fn a_file_of_which_nobody_says_that_it_is_empty_is_not_stored() {
    let world = World::of(&["alice"]);
    let there = |name: &str| fs::read(world.home("alice").join(name)).unwrap();
    fs::write(world.home("alice").join("f"), "old").unwrap();
    let daemon = world.start();
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    assert_eq!(web.ask(head("/~alice/f", "")).unwrap().status, 411);
    assert_eq!(there("f"), b"old");
    assert_eq!(web.ask(head("/~alice/f", "Content-Length: 0\r\n")).unwrap().status, 204);
    assert_eq!(web.ask(head("/~alice/g", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n").unwrap().status, 201);
    assert_eq!(put(&daemon, "alice", &["--http2", "-X", "PUT"], "/~alice/h").status, 201);
    assert!(["f", "g", "h"].iter().all(|name| there(name).is_empty()));
}
