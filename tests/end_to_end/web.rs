//! Browsers and curl, on the same port as everybody else.

mod account;
mod archives;
mod broken_off;
mod browser;
mod browser_links;
mod by_rule;
mod certificates;
mod change;
mod choice;
mod chosen;
mod digests;
mod drop_links;
mod join;
mod links;
mod login;
mod look_alikes;
mod my_links;
mod page;
mod page_says;
mod pressed;
mod put;
mod resumable;
mod said;
mod search;
mod tls12;
mod trash;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::common::web::{Frame, Got, RawWeb, curl, curl_command, curl_output, frame, head_of};
use crate::common::{Daemon, PASSWORD, RawClient, World, enter, eventually};

const VERSIONS: [&str; 2] = ["--http1.1", "--http2"];

fn alice() -> String {
    format!("alice:{PASSWORD}")
}

/// Bytes that differ everywhere. Of many, the first million comes again and again: one by one they would take long.
fn noise(len: usize) -> Vec<u8> {
    // A prime, so that no two blocks are alike.
    const PERIOD: usize = 1_000_003;
    let mut state = 7u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    let mut all: Vec<u8> = (0..len.min(PERIOD)).map(next).collect();
    while all.len() < len {
        all.extend_from_within(..PERIOD.min(len - all.len()));
    }
    all
}

/// All files below a folder, by their paths in it, and the empty folders; nothing of the server's own.
fn contents(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        if entries.is_empty() {
            found.insert(folder.strip_prefix(root).unwrap().to_owned(), None);
        }
        for path in entries.into_iter().filter(|path| !path.ends_with(".sealift")) {
            match fs::symlink_metadata(&path).unwrap().is_dir() {
                true => folders.push(path),
                false => {
                    let bytes = fs::read(&path).unwrap();
                    found.insert(path.strip_prefix(root).unwrap().to_owned(), Some(bytes));
                }
            }
        }
    }
    found
}

#[test]
fn curl_reads_files_of_any_size_and_is_told_who_served_them() {
    let daemon = Daemon::start();
    for size in [0, 1, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 5_000_000] {
        let bytes = noise(size);
        fs::write(daemon.public().join("file"), &bytes).unwrap();
        for version in VERSIONS {
            let got = curl(&daemon, &[version], "/file");
            assert_eq!((got.status, got.body.len()), (200, size), "{version}");
            assert!(got.body == bytes, "{version} {size}");
            assert_eq!(got.header("sealift-pid"), daemon.pid().to_string());
            assert_eq!(got.header("sealift-session").len(), 16);
            let head = curl(&daemon, &[version, "--head"], "/file");
            let of_the_file = ["content-length", "etag", "last-modified", "content-type", "content-disposition"];
            assert!(of_the_file.iter().all(|name| head.header(name) == got.header(name)), "{head:?}");
            assert!(head.body.is_empty() && !head.header("sealift-session").is_empty());
        }
    }
    let log = daemon.stop().log;
    let sessions: Vec<_> = log.lines().filter(|line| line.contains("logged in")).collect();
    assert!(sessions.iter().all(|line| line.contains("user=\"anonymous\"")), "{sessions:?}");
}

#[test]
fn a_client_that_names_no_protocol_is_served_as_a_browser_is() {
    let daemon = Daemon::start();
    fs::write(daemon.public().join("file"), "hello").unwrap();
    for alpns in [&[][..], &["http/1.1"]] {
        let mut web = RawWeb::connect(&daemon, alpns);
        for _ in 0..3 {
            assert_eq!(web.ask("GET /file HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().text(), "hello", "kept open");
        }
        let old = web.ask("GET /file HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!((old.text().as_str(), web.rest().len()), ("hello", 0));
    }
}

#[test]
fn ranges_are_sent_and_an_interrupted_download_is_gone_on_with() {
    let daemon = Daemon::start();
    let bytes = noise(3_000_000);
    fs::write(daemon.public().join("file"), &bytes).unwrap();
    for version in VERSIONS {
        for (range, expected) in
            [("0-9", 0..10), ("1000000-2999999", 1_000_000..3_000_000), ("-5", 2_999_995..3_000_000)]
        {
            let got = curl(&daemon, &[version, "--range", range], "/file");
            assert_eq!(got.status, 206);
            assert!(got.body == bytes[expected.clone()], "{range}");
            let told = format!("bytes {}-{}/3000000", expected.start, expected.end - 1);
            assert_eq!(got.header("content-range"), told);
        }
        let past = curl(&daemon, &[version, "--range", "3000000-"], "/file");
        assert_eq!((past.status, past.header("content-range")), (416, "bytes */3000000"));
        let several = curl(&daemon, &[version, "--range", "0-3,10-12"], "/file");
        let boundary = several.header("content-type").strip_prefix("multipart/byteranges; boundary=").unwrap();
        let part = |range: &str, bytes: &[u8]| {
            let head = format!(
                "\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {range}/3000000\r\n\r\n"
            );
            [head.as_bytes(), bytes].concat()
        };
        let end = format!("\r\n--{boundary}--\r\n").into_bytes();
        assert_eq!(several.body, [part("0-3", &bytes[..4]), part("10-12", &bytes[10..13]), end].concat());
    }
    let half = daemon.place().join("half");
    fs::write(&half, &bytes[..1_234_567]).unwrap();
    let mut command =
        curl_command(&daemon, &["--no-include", "--continue-at", "-", "--output", half.to_str().unwrap()], "/file");
    assert!(command.status().unwrap().success());
    assert!(fs::read(&half).unwrap() == bytes);
}

#[test]
fn what_a_client_has_already_is_not_sent_again() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    // Stored through Sealift, so its hash is on record.
    let bytes = noise(2_000_000);
    assert_eq!(enter(&daemon, "alice").upload("large", &bytes).0, 226);
    fs::write(world.home("alice").join("small"), "x").unwrap();
    let ask = |args: &[&str], path: &str| curl(&daemon, &[&["--user", &alice()], args].concat(), path);
    let large = ask(&[], "/~alice/large");
    let tag = large.header("etag").to_owned();
    assert_eq!(tag, format!("\"{}\"", sealift::files::Hash::of(&bytes)), "the BLAKE3 itself");
    assert!(ask(&[], "/~alice/small").header("etag").starts_with("W/\""));
    let none_match = format!("If-None-Match: \"x\", {tag}");
    let not_again = ask(&["--header", &none_match], "/~alice/large");
    assert_eq!((not_again.status, not_again.body.len(), not_again.header("etag")), (304, 0, &*tag));
    let since = format!("If-Modified-Since: {}", large.header("last-modified"));
    assert_eq!(ask(&["--header", &since], "/~alice/large").status, 304);
    assert_eq!(ask(&["--header", "If-Match: \"other\""], "/~alice/large").status, 412);
    let range = |condition: &str| {
        ask(&["--range", "0-9", "--header", &format!("If-Range: {condition}")], "/~alice/large").status
    };
    assert_eq!((range(&tag), range("\"other\"")), (206, 200));
    // Changed by another program: another state.
    fs::write(world.home("alice").join("large"), noise(2_000_001)).unwrap();
    assert_eq!(ask(&["--header", &none_match], "/~alice/large").status, 200);
}

#[test]
fn a_folder_is_text_for_a_terminal_a_page_for_a_browser_and_json_for_a_program() {
    let daemon = Daemon::start();
    let public = daemon.public();
    fs::create_dir_all(public.join("docs/deep")).unwrap();
    fs::write(public.join("docs/b.txt"), "12345").unwrap();
    fs::write(public.join("docs/A.txt"), "1").unwrap();
    let text = curl(&daemon, &[], "/docs/");
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    let names: Vec<String> = text.text().lines().map(|line| line.rsplit_once("  ").unwrap().1.to_owned()).collect();
    assert_eq!(names, ["deep/", "A.txt", "b.txt"]);
    let page = curl(&daemon, &["--header", "Accept: text/html,*/*;q=0.8"], "/docs/?sort=size&order=desc");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let text = page.text();
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    assert!(at("href=\"./b.txt\"") < at("href=\"./A.txt\"") && at("href=\"./A.txt\"") < at("href=\"./deep/\""));
    assert!(text.contains(&format!("pid {}", daemon.pid())) && text.contains(page.header("sealift-session")), "{text}");
    let json: serde_json::Value = serde_json::from_slice(&curl(&daemon, &[], "/docs/?json").body).unwrap();
    let rows: Vec<_> = json["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["name"].as_str().unwrap(), row["size"].as_u64().unwrap()))
        .collect();
    assert_eq!(rows[1..], [("A.txt", 1), ("b.txt", 5)]);
    // A folder's URL ends with a slash and a file's does not.
    let moved = curl(&daemon, &[], "/docs");
    assert_eq!((moved.status, moved.header("location")), (301, "/docs/"));
    let moved = curl(&daemon, &[], "/docs/b.txt/");
    assert_eq!((moved.status, moved.header("location")), (301, "/docs/b.txt"));
    assert_eq!(curl(&daemon, &[], "/docs/nothing").status, 404);
}

#[test]
fn names_of_any_kind_are_found_under_the_links_of_the_listing() {
    let daemon = Daemon::start();
    let names: [&[u8]; 9] =
        [b"a b", b"100%", b"%41", b"?q=1", b"#x", "ü文".as_bytes(), b"\xff\xfe", b"a&b;c='\"", b"~alice"];
    for name in names {
        let folder = daemon.public().join("odd");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    let json: serde_json::Value = serde_json::from_slice(&curl(&daemon, &[], "/odd/?json").body).unwrap();
    let rows = json["entries"].as_array().unwrap();
    assert_eq!(rows.len(), names.len());
    let mut found: Vec<Vec<u8>> = Vec::new();
    for row in rows {
        let href = row["href"].as_str().unwrap().trim_start_matches("./");
        found.push(curl(&daemon, &[], &format!("/odd/{href}")).body);
    }
    found.sort();
    let mut expected: Vec<Vec<u8>> = names.iter().map(|name| name.to_vec()).collect();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_home_is_its_user_s_and_the_public_folder_everybody_s() {
    let world = World::with(&[
        ("alice", "\"full\"", "alice"),
        ("blind", "[\"list\"]", "blind"),
        ("deaf", "[\"download\"]", "deaf"),
    ]);
    for user in ["alice", "blind", "deaf", "public"] {
        fs::write(world.home(user).join("file"), user).unwrap();
    }
    let daemon = world.start();
    let ask = |user: &str, path: &str| curl(&daemon, &["--user", &format!("{user}:{PASSWORD}")], path);
    assert_eq!(ask("alice", "/~alice/file").text(), "alice");
    assert_eq!(ask("alice", "/file").text(), "public", "the same URL is the same file, whoever asks");
    assert_eq!(curl(&daemon, &[], "/file").text(), "public");
    assert_eq!(ask("alice", "/~blind/file").status, 404);
    assert_eq!((ask("blind", "/~blind/").status, ask("blind", "/~blind/file").status), (200, 403));
    assert_eq!((ask("deaf", "/~deaf/").status, ask("deaf", "/~deaf/file").status), (403, 200));
    let asked = curl(&daemon, &[], "/~alice/file");
    assert_eq!((asked.status, asked.header("www-authenticate")), (401, "Basic realm=\"Sealift\", charset=\"UTF-8\""));
    // The way in for a browser.
    assert_eq!(curl(&daemon, &[], "/.sealift-web/login").status, 401);
    let inside = ask("alice", "/.sealift-web/login");
    assert_eq!((inside.status, inside.header("location")), (303, "/~alice/"));
    assert_eq!(curl(&daemon, &[], "/.sealift-web/style.css").header("content-type"), "text/css; charset=utf-8");
}

#[test]
fn where_nobody_may_read_everybody_is_asked_who_they_are() {
    let world = World::of(&["alice"]);
    world.set_users(&crate::common::section("alice", "\"full\"", "alice"));
    let daemon = world.start();
    for path in ["/", "/file", "/~alice/"] {
        let got = curl(&daemon, &[], path);
        assert_eq!(got.status, 401, "{path}");
        assert!(!got.header("sealift-session").is_empty());
    }
    // There is nothing but the own folder, for programs and browsers.
    for accept in ["Accept: */*", "Accept: text/html"] {
        let home = curl(&daemon, &["--user", &alice(), "--header", accept], "/");
        assert_eq!((home.status, home.header("location")), (303, "/~alice/"), "{accept}");
    }
    assert_eq!(curl(&daemon, &["--user", &alice()], "/file").status, 404);
}

#[test]
fn a_login_is_checked_once_and_void_when_the_users_change() {
    let world = World::of(&["alice", "bob"]);
    fs::write(world.home("alice").join("file"), "x").unwrap();
    let daemon = world.start();
    let request = |user: &str, password: &str| {
        use base64::Engine as _;
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        format!("GET /~{user}/file HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {pair}\r\n\r\n")
    };
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    let first = web.ask(request("alice", PASSWORD)).unwrap();
    for _ in 0..20 {
        let again = web.ask(request("alice", PASSWORD)).unwrap();
        assert_eq!((again.text().as_str(), again.header("sealift-session")), ("x", first.header("sealift-session")));
    }
    // Requests of several users on one connection each have their own session and rights.
    assert_eq!(web.ask(request("bob", PASSWORD)).unwrap().status, 404);
    assert_eq!(web.ask(request("alice", PASSWORD)).unwrap().status, 200);
    assert_eq!(web.ask("GET /~alice/file HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().status, 401);
    eventually("each has logged in once", || daemon.log().matches("logged in").count() == 2);
    world.set_users(&crate::common::section("bob", "\"full\"", "bob"));
    eventually("alice is gone", || {
        let got = curl(&daemon, &["--user", &alice()], "/~alice/file");
        got.status == 401
    });
    assert!(web.ask(request("alice", PASSWORD)).is_none_or(|got| got.status == 401));
}

#[test]
fn the_web_is_seen_and_ended_by_an_administrator() {
    let daemon = Daemon::start();
    daemon.add_user_with("root", PASSWORD, &["--access", "full", "--admin"]);
    fs::write(daemon.public().join("large"), vec![0; 32 * 1024 * 1024]).unwrap();
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    web.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    web.read(1000);
    let mut root = RawClient::logged_in(&daemon, "root", PASSWORD);
    root.line("WHO");
    let rows: Vec<_> = std::iter::from_fn(|| root.try_reply().filter(|(digits, ..)| *digits == 112)).collect();
    let (_, _, row) = rows.iter().find(|(_, _, row)| row["user"] == "anonymous").unwrap_or_else(|| panic!("{rows:?}"));
    assert_eq!(row["doing"], "GET%20large");
    assert_eq!(root.ask(format!("KICK {}", row["id"])).0 / 100, 2);
    assert!(web.rest().len() < 32 * 1024 * 1024);
    daemon.log_with(&["verb=\"GET\" path=\"large\" outcome=\"kicked\""]);
}

#[test]
fn a_download_under_way_outlasts_the_server_s_wish_to_stop() {
    let mut daemon = Daemon::start();
    let bytes = noise(24 * 1024 * 1024);
    fs::write(daemon.public().join("file"), &bytes).unwrap();
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    web.send("GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
    let begun = web.read(100_000);
    daemon.signal(Signal::TERM);
    eventually("it listens no longer", || daemon.log().contains("no longer listening"));
    let all = [begun, web.rest()].concat();
    let got = Got::parse(&all);
    assert!(got.body == bytes, "{} bytes", got.body.len());
    assert_eq!(daemon.wait().code, Some(0));
}

#[test]
fn browsers_are_turned_away_where_the_web_is_off() {
    let daemon = Daemon::builder().args(["--web", "off"]).start();
    for version in VERSIONS {
        assert_eq!(curl_output(&daemon, &[version], "/").status.code(), Some(35), "TLS failed");
    }
    assert!(!daemon.hints().contains("in a browser"));
    let open = Daemon::builder().args(["--web", "read-only"]).start();
    assert_eq!(curl(&open, &[], "/").status, 200);
    let address = format!("  or open https://127.0.0.1:{}/ in a browser\n", open.port());
    let hints = open.hints();
    assert!(hints.contains(&address), "{hints}");
}

#[test]
fn many_requests_at_once_on_one_connection_are_all_answered() {
    let daemon = Daemon::start();
    for n in 0..200 {
        fs::write(daemon.public().join(format!("f{n}")), format!("file {n}\n")).unwrap();
    }
    for n in 0..4 {
        fs::write(daemon.public().join(format!("large{n}")), noise(3_000_000)).unwrap();
    }
    let out = tempfile::tempdir().unwrap();
    let mut command =
        curl_command(&daemon, &["--http2", "--parallel", "--no-include", "--remote-name-all"], "/f[0-199]");
    command.arg(format!("https://127.0.0.1:{}/large[0-3]", daemon.port()));
    assert!(command.current_dir(&out).status().unwrap().success());
    for n in 0..200 {
        assert_eq!(fs::read_to_string(out.path().join(format!("f{n}"))).unwrap(), format!("file {n}\n"));
    }
    for n in 0..4 {
        assert!(fs::read(out.path().join(format!("large{n}"))).unwrap() == noise(3_000_000), "large{n}");
    }
}

/// Until it has read the settings, a client takes a hundred for allowed (RFC 9113, section 6.5.2), and not all can begin again what is
/// refused then.
#[test]
fn a_hundred_requests_before_the_settings_are_read_are_all_answered() {
    let daemon = Daemon::start();
    fs::write(daemon.public().join("file"), "hello").unwrap();
    let mut web = RawWeb::two_from([127, 0, 0, 1], &daemon);
    let flags = Frame::END_STREAM | Frame::END_HEADERS;
    let requests: Vec<u8> =
        (0..100).flat_map(|n| frame(Frame::HEADERS, flags, 2 * n + 1, &head_of("/file", 0))).collect();
    web.send(requests);
    let mut answered = 0;
    while answered < 100 {
        let frame = web.frame().expect("the connection goes on");
        assert!(![Frame::RST_STREAM, Frame::GOAWAY].contains(&frame.kind), "{frame:?} after {answered} answers");
        match frame.kind {
            // `:status: 200` is the first entry (RFC 7541, appendix A).
            Frame::HEADERS => assert_eq!(frame.payload.first(), Some(&0x88), "{frame:?}"),
            Frame::DATA if frame.flags & Frame::END_STREAM != 0 => answered += 1,
            _ => {}
        }
    }
}

#[test]
fn a_connection_that_rests_between_two_requests_goes_on_where_it_was() {
    let world = World::of(&[]);
    fs::write(world.home("public").join("file"), "hello").unwrap();
    let daemon = world.start();
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    let request = "GET /file HTTP/1.1\r\nHost: x\r\n\r\n";
    // Longer than it takes until it rests, which nobody can see.
    let rest = || std::thread::sleep(sealift::limits::WEB_REST + std::time::Duration::from_millis(500));
    let (first, second) = request.split_at(20);
    for n in 0..3 {
        assert_eq!(web.ask(request).expect("an answer").text(), "hello", "{n}");
        rest();
        // Begun, and then nothing for a while.
        web.send(first);
        rest();
        assert_eq!(web.ask(second).expect("an answer").text(), "hello", "{n}");
        rest();
    }
    // What came with a request and behind it is not lost either.
    assert_eq!(web.ask(format!("{request}{first}")).expect("an answer").text(), "hello");
    rest();
    assert_eq!(web.ask(second).expect("an answer").text(), "hello");
    rest();
    // One whose client says goodbye ends, and one that rests does not hold the server up.
    drop(web);
    let mut other = RawWeb::connect(&daemon, &["http/1.1"]);
    assert_eq!(other.ask(request).expect("an answer").text(), "hello");
    rest();
    assert_eq!(daemon.stop().code, Some(0));
    assert!(other.rest().is_empty());
}
