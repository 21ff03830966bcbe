//! Attacks on the web door, by curl and byte by byte.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::common::web::{Got, RawWeb, curl, curl_each, curl_output};
use crate::common::{Daemon, Figures, HANG, PASSWORD, World, eventually, snapshot};

/// The user's name and password as curl takes them.
fn login(user: &str) -> String {
    format!("{user}:{PASSWORD}")
}

/// A world with something to steal outside of every home.
fn world() -> World {
    let world = World::of(&["alice", "bob"]);
    fs::write(world.place().join("canary"), "canary").unwrap();
    fs::write(world.place().join("server_data/canary"), "canary").unwrap();
    fs::write(world.home("public").join("file"), "public").unwrap();
    fs::write(world.home("alice").join("file"), "alice's").unwrap();
    fs::write(world.home("bob").join("file"), "bob's").unwrap();
    world
}

/// Whoever speaks HTTP to the port without TLS is told so in one line, however much comes, and nothing of it is obeyed.
#[test]
fn web_without_tls() {
    let world = world();
    let daemon = world.start();
    let huge = [&b"POST /file HTTP/1.1\r\nHost: x\r\n\r\n"[..], &vec![b'x'; 1 << 20]].concat();
    for request in [&b"GET / HTTP/1.0\r\n\r\n"[..], b"DELETE /file HTTP/1.1\r\n", b"PROPFIND ", &huge] {
        let mut plain = std::net::TcpStream::connect(("127.0.0.1", daemon.port())).unwrap();
        plain.set_read_timeout(Some(HANG)).unwrap();
        // All of a huge one is not taken.
        let _ = plain.write_all(request);
        let mut answer = Vec::new();
        let ended = plain.read_to_end(&mut answer);
        assert!(request.len() > 100 || ended.is_ok(), "{ended:?}");
        let answer = String::from_utf8(answer).unwrap();
        let is_told = answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && answer.contains("write https://");
        assert!(is_told && answer.len() < 300 || request.len() > 100, "{answer}");
    }
    // What only begins alike gets what any nonsense gets.
    for nonsense in [&b"get / HTTP/1.0\r\n\r\n"[..], b"AB \r\n", b"\x16GET / HTTP/1.1\r\n\r\n"] {
        let mut plain = std::net::TcpStream::connect(("127.0.0.1", daemon.port())).unwrap();
        plain.set_read_timeout(Some(HANG)).unwrap();
        plain.write_all(nonsense).unwrap();
        let _it_may_be_closed = plain.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _it_may_be_reset = plain.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
    assert_eq!(fs::read(world.home("public").join("file")).unwrap(), b"public");
    assert_eq!(curl(&daemon, &[], "/file").status, 200);
}

#[test]
fn web_dotdot() {
    let world = world();
    let daemon = world.start();
    let mut paths: Vec<String> = Vec::new();
    for up in
        ["..", "%2e%2e", ".%2E", "%2e.", "..%2f", "..%5c", "..\\", "%252e%252e", "..;", "...", "%c0%ae%c0%ae", "..%00"]
    {
        for path in ["canary", "alice/file", "../canary", "etc/passwd"] {
            paths.push(format!("/{up}/{path}"));
            paths.push(format!("/sub/{up}/{up}/{path}"));
            paths.push(format!("/~alice/{up}/{path}"));
            paths.push(format!("/{up}{path}"));
            paths.push(format!("/.sealift-web/{up}/{path}"));
        }
    }
    for path in
        ["//etc/passwd", "/%2fetc/passwd", "/~/../canary", "/~alice%2f..%2fbob/file", "/~../canary", "/~%2e%2e/canary"]
    {
        paths.push(path.to_owned());
    }
    let alice = login("alice");
    for version in ["--http1.1", "--http2"] {
        let asked: Vec<_> = paths.iter().map(|path| (vec![version, "-u", &alice], path.as_str())).collect();
        for (path, got) in paths.iter().zip(curl_each(&daemon, &asked)) {
            assert!((400..500).contains(&got.status), "{path}: {got:?}");
            assert!(
                !got.text().contains("canary\n") && got.text() != "canary" && !got.text().contains("root:"),
                "{path}"
            );
        }
    }
}

#[test]
fn web_reserved_name() {
    let world = world();
    let daemon = world.start();
    for home in ["public", "alice"] {
        fs::create_dir_all(world.home(home).join(".sealift/x")).unwrap();
        fs::write(world.home(home).join(".sealift/x/secret"), "secret").unwrap();
    }
    let auth = login("alice");
    for method in ["GET", "HEAD", "PUT", "DELETE", "PROPFIND", "MKCOL", "COPY", "MOVE", "OPTIONS"] {
        for top in ["", "/~alice"] {
            for name in [
                ".sealift",
                ".SEALIFT",
                "%2esealift",
                "file/../.sealift",
                "./.sealift",
                ".sealift/",
                ".sealift/x/secret",
                ".%C5%BFealift/x/secret",
                ".sealift%20./x/secret",
                "sealif~1/x/secret",
            ] {
                let mut args = vec!["-u", &auth, "-X", method];
                if method == "HEAD" {
                    args = vec!["-u", &auth, "-I"];
                }
                let got = curl(&daemon, &args, &format!("{top}/{name}"));
                let expected = match method {
                    "GET" | "HEAD" | "PROPFIND" => 400..405,
                    // It says what there is to be asked for, whatever the URL.
                    "OPTIONS" => 200..406,
                    _ => 204..406,
                };
                assert!(expected.contains(&got.status) && !got.text().contains("secret\n"), "{method} {name}: {got:?}");
                assert!(!String::from_utf8_lossy(&got.body).ends_with("secret"), "{method} {name}");
            }
        }
    }
    for top in ["/", "/~alice/"] {
        for query in ["", "?json"] {
            let got = curl(&daemon, &["-u", &auth], &format!("{top}{query}"));
            assert!(
                got.status == 200 && !got.text().contains(".sealift\"") && !got.text().contains(" .sealift"),
                "{got:?}"
            );
        }
    }
}

#[test]
fn web_writes_nothing() {
    let world = world();
    let daemon = world.daemon().args(["--web", "read-only"]).start();
    let before = files(&world);
    let auth = login("alice");
    for method in ["PUT", "POST", "DELETE", "MKCOL", "MOVE", "COPY", "PATCH", "PROPPATCH", "LOCK", "TRACE", "XYZZY"] {
        for version in ["--http1.1", "--http2"] {
            let args = [version, "-u", &auth, "-X", method, "-H", "Destination: /~alice/x", "--data-binary", "bytes"];
            let got = curl(&daemon, &args, "/~alice/file");
            assert!(got.status == 405 || got.status == 400, "{method}: {got:?}");
            assert!(got.status == 400 || got.header("allow") == "GET, HEAD, OPTIONS, PROPFIND", "{method}: {got:?}");
        }
    }
    drop(daemon);
    assert_eq!(files(&world), before);
}

/// What is in all homes, but for the server's own folders.
fn files(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = snapshot(&world.place().join("server_data"));
    all.retain(|path, _| !path.to_string_lossy().contains(".sealift"));
    all
}

#[test]
fn web_script_in_names() {
    let world = world();
    let public = world.home("public");
    let names = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "javascript:alert(1)",
        "a'b&c\".txt",
        "{{7*7}}",
    ];
    for name in names {
        fs::write(public.join(name.replace('/', "_")), "x").unwrap();
    }
    for name in ["page.html", "picture.svg", "style.css", "script.js", "data.xml"] {
        fs::write(public.join(name), "<script>alert(1)</script>").unwrap();
    }
    let daemon = world.start();
    let page = curl(&daemon, &["-H", "Accept: text/html"], "/");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let text = page.text();
    let text = text.replace("<script src=\"/.sealift-web/page.js\" type=\"module\"></script>", "");
    assert!(!text.contains("<script") && !text.contains("<img") && !text.contains("href=\"javascript:"), "{text}");
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("default-src 'none'")
            && policy.contains("frame-ancestors 'none'")
            && !policy.contains("unsafe")
    );
    // A name in an error is no better.
    let error = curl(&daemon, &["-H", "Accept: text/html"], "/%3Cscript%3Ealert(1)%3C/script%3E/x");
    assert!(error.status == 404 && !error.text().contains("<script"), "{error:?}");
    for name in ["page.html", "picture.svg", "style.css", "script.js", "data.xml"] {
        let got = curl(&daemon, &["-H", "Accept: text/html"], &format!("/{name}"));
        assert!(got.header("content-disposition").starts_with("attachment;"), "{got:?}");
        assert!(got.header("content-security-policy").starts_with("sandbox; default-src 'none'"), "{got:?}");
        assert_eq!(got.header("x-content-type-options"), "nosniff");
        assert_eq!(got.header("cross-origin-resource-policy"), "same-origin");
        assert_eq!(got.header("access-control-allow-origin"), "");
    }
}

#[test]
fn web_host() {
    let daemon = Daemon::start();
    for head in ["", "Host: a\r\nHost: a\r\n", "Host: a b\r\n", "Host: \r\n", "Host: user@a\r\n", "Host: a/b\r\n"] {
        let answer = RawWeb::connect(&daemon, &["http/1.1"]).ask(format!("GET / HTTP/1.1\r\n{head}\r\n"));
        assert!(answer.is_none_or(|answer| answer.status == 400), "{head}");
    }
    let ask = |name: &str, request: &str| RawWeb::to(name, &daemon, &["http/1.1"]).ask(request).unwrap().status;
    assert_eq!(ask("127.0.0.1", "GET https://a/ HTTP/1.1\r\nHost: b\r\n\r\n"), 400);
    // What TLS was told is what is asked for.
    assert_eq!(ask("localhost", "GET / HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n"), 421);
    assert_eq!(ask("localhost", "GET / HTTP/1.1\r\nHost: LOCALHOST:4456\r\n\r\n"), 200);
    assert_eq!(ask("127.0.0.1", "GET / HTTP/1.1\r\nHost: any.example\r\n\r\n"), 200);
}

#[test]
fn web_smuggling() {
    let daemon = Daemon::start();
    fs::write(daemon.public().join("file"), "public").unwrap();
    let inner = "GET /file HTTP/1.1\r\nHost: x\r\n\r\n";
    let pairs = [
        format!(
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}"
        ),
        format!(
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{inner}"
        ),
        format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n{inner}"),
        format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n{inner}"),
        format!("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{inner}"),
        format!("GET / HTTP/1.1\r\nHost: x\r\nContent-Length : 0\r\n\r\n{inner}"),
        format!("GET / HTTP/1.1\r\nHost: x\r\n X: folded\r\n\r\n{inner}"),
        format!("GET / HTTP/1.1\nHost: x\nA\x0bB: c\n\n{inner}"),
    ];
    for request in pairs {
        let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
        web.send(&request);
        let first = web.answer();
        let status = first.as_ref().map(|got| got.status);
        assert!(matches!(status, None | Some(400 | 405 | 501)), "{request}: {first:?}");
        // The rest is not read as a request, whoever thought where it begins.
        assert!(!String::from_utf8_lossy(&web.rest()).contains("public"), "{request}");
    }
}

#[test]
fn web_slow_heads() {
    let daemon = Daemon::builder().args(["--login-timeout", "6s", "--handshake-timeout", "6s"]).start();
    let begun = |_| {
        let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
        web.send("GET / HTTP/1.1\r\nHost: x\r\nX-");
        web
    };
    let slow: Vec<_> = (0..50).map(begun).collect();
    // Others are served meanwhile.
    assert_eq!(curl(&daemon, &[], "/").status, 200);
    for mut web in slow {
        assert!(web.answer().is_none_or(|got| got.status == 408 || got.status == 400));
        web.send("a: b\r\n\r\n");
        assert!(web.rest().is_empty());
    }
    // Too large a head ends at once.
    for head in [format!("X: {}\r\n", "x".repeat(64 * 1024)), "X: y\r\n".repeat(100)] {
        let got = RawWeb::connect(&daemon, &["http/1.1"]).ask(format!("GET / HTTP/1.1\r\nHost: x\r\n{head}\r\n"));
        assert!(got.is_none_or(|got| got.status == 431 || got.status == 400));
    }
}

#[test]
fn web_stalled_readers() {
    let daemon = Daemon::builder().args(["--stall-window", "8s"]).start();
    fs::write(daemon.public().join("large"), vec![7; 24 * 1024 * 1024]).unwrap();
    fs::write(daemon.public().join("small"), "small").unwrap();
    assert_eq!(curl(&daemon, &[], "/small").text(), "small");
    let idle = Figures::of(&daemon).descriptors();
    // More than async-std's pool has threads.
    let mut stalled: Vec<_> = (0..520)
        .map(|_| {
            let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
            web.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
            web
        })
        .collect();
    for web in stalled.iter_mut().step_by(20) {
        assert_eq!(String::from_utf8_lossy(&web.read(12)), "HTTP/1.1 200");
    }
    assert_eq!(curl(&daemon, &["--http2"], "/small").text(), "small");
    let threads = Figures::of(&daemon).threads();
    assert!(threads < 200, "{threads} threads");
    // Whoever owes us the reading for too long is let go, and gets no end that looks like one.
    eventually("they are let go", || Figures::of(&daemon).descriptors() <= idle);
    for web in stalled.iter_mut().step_by(100) {
        assert!(web.rest().len() < 24 * 1024 * 1024);
    }
}

#[test]
fn web_many_ranges() {
    let daemon = Daemon::start();
    let bytes = 3 * 1024 * 1024;
    fs::write(daemon.public().join("file"), vec![7; bytes]).unwrap();
    for ranges in ["0-,".repeat(40), "0-0,".repeat(1000), "0-1000000,".repeat(8), "-1,".repeat(200)] {
        let range = format!("Range: bytes={}", ranges.trim_end_matches(','));
        let got = curl(&daemon, &["-H", &range], "/file");
        assert!(matches!(got.status, 200 | 206), "{}", got.status);
        assert!(got.body.len() <= bytes + 8 * 200, "{ranges:.20}: {}", got.body.len());
    }
}

#[test]
fn web_guessing() {
    let world = world();
    let daemon = world.daemon().arg("--penalise-loopback").start();
    // A browser asks without a password first, again and again: no failure.
    for _ in 0..30 {
        assert_eq!(curl(&daemon, &[], "/~alice/file").status, 401);
    }
    assert_eq!(curl(&daemon, &["-u", &login("alice")], "/~alice/file").text(), "alice's");
    // Three guesses are the most that one connection has, and more of them bar the address.
    let wrong = "GET /~alice/ HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWxpY2U6d3Jvbmc=\r\n\r\n";
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    let answers: Vec<_> = std::iter::from_fn(|| web.ask(wrong)).take(10).collect();
    assert!((1..=3).contains(&answers.len()) && answers.iter().all(|got| got.status == 401), "{answers:?}");
    let mut guesses = 0;
    while curl_output(&daemon, &["-u", "alice:wrong"], "/~alice/").status.success() {
        guesses += 1;
        assert!(guesses < 10, "never barred");
    }
    eventually("the log says so", || daemon.log().contains("penalised"));
}

#[test]
fn web_guessing_at_once() {
    let world = world();
    let daemon = world.start();
    // Requests of one connection that all ask at the same time, before the first is answered.
    let _cut_off = curl_output(&daemon, &["--http2", "--parallel", "-u", "alice:wrong"], "/~alice/[1-16]");
    let mut guesses = BTreeMap::<String, u32>::new();
    for line in daemon.stop().log.lines().filter(|line| line.contains("login refused")) {
        let peer = line.split_whitespace().find(|word| word.starts_with("peer=")).unwrap();
        *guesses.entry(peer.to_owned()).or_default() += 1;
    }
    assert!(!guesses.is_empty() && guesses.values().all(|count| *count <= 3), "{guesses:?}");
}

#[test]
fn web_user_enumeration() {
    let world = world();
    let daemon = world.start();
    let strip = |mut got: Got| {
        for id in ["sealift-session", "date", "content-length"] {
            got.headers.remove(id);
        }
        got.body.clear();
        got
    };
    let same = |args: &[&str], paths: &[&str]| {
        let all: Vec<_> = paths.iter().map(|path| strip(curl(&daemon, args, path))).collect();
        assert!(all.windows(2).all(|two| two[0] == two[1]), "{all:?}");
        all[0].status
    };
    assert_eq!(same(&[], &["/~alice/", "/~alice/file", "/~nobody/", "/~nobody/file", "/~ALICE/", "/~/"]), 401);
    let paths = ["/~bob/", "/~bob/file", "/~bob/nothing", "/~nobody/", "/~nobody/file", "/~Alice/", "/~/"];
    assert_eq!(same(&["-u", &login("alice")], &paths), 404);
    assert_eq!(same(&["-u", "alice:wrong"], &["/~alice/"]), same(&["-u", "nobody:wrong"], &["/~alice/"]));
}

#[test]
fn web_shrinking_file() {
    let daemon = Daemon::start();
    let path = daemon.public().join("file");
    for change in ["shrinks", "changes"] {
        fs::write(&path, vec![7; 24 * 1024 * 1024]).unwrap();
        let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
        web.send("GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
        web.read(64 * 1024);
        let file = fs::File::options().write(true).open(&path).unwrap();
        match change {
            "shrinks" => file.set_len(1024).unwrap(),
            _ => file.set_modified(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(5)).unwrap(),
        }
        let rest = web.rest();
        assert!(64 * 1024 + rest.len() < 24 * 1024 * 1024, "{change}: it looks whole");
        assert!(rest.iter().rev().take(1000).all(|byte| *byte == 7), "{change}: padded with something else");
    }
    eventually("the log says so", || daemon.log().contains("outcome=\"torn\""));
}

/// Of ranges too, where the first is sent already and the change shows neither in the size nor in the time.
#[test]
fn web_ranges_of_two_states() {
    const MIB: u64 = 1024 * 1024;
    let daemon = Daemon::start();
    let path = daemon.public().join("file");
    fs::write(&path, vec![7; 32 * MIB as usize]).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    let time = file.metadata().unwrap().modified().unwrap();
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    let ranges = format!("0-{},{}-{}", 16 * MIB - 1, 24 * MIB, 25 * MIB);
    web.send(format!("GET /file HTTP/1.1\r\nHost: x\r\nRange: bytes={ranges}\r\n\r\n"));
    web.read(64 * 1024);
    file.write_all_at(&vec![8; 2 * MIB as usize], 24 * MIB).unwrap();
    file.set_modified(time).unwrap();
    let rest = web.rest();
    assert!(!rest.contains(&8), "the ranges are of two states");
    assert!(64 * 1024 + rest.len() < 17 * MIB as usize, "it looks whole");
}

#[test]
fn web_log_injection() {
    let daemon = Daemon::start();
    fs::write(daemon.public().join("a\u{9b}b\u{202e}"), "x").unwrap();
    for path in ["/a%0aINFO%20forged", "/a%0d%0aSet-Cookie:%20x", "/%1b%5b2J", "/a%C2%9Bb%E2%80%AE", "/~a%0ab/"] {
        let got = curl(&daemon, &["-u", "a\u{1b}[2J:x"], path);
        assert!(got.header("set-cookie").is_empty(), "{got:?}");
        curl(&daemon, &[], path);
    }
    let log = daemon.stop().log;
    assert!(!log.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{log:?}");
    assert!(!log.lines().any(|line| line.starts_with("INFO forged")), "{log}");
}

#[test]
fn web_pipelined_flood() {
    let daemon = Daemon::start();
    fs::write(daemon.public().join("file"), "public").unwrap();
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    web.send("GET /file HTTP/1.1\r\nHost: x\r\n\r\n".repeat(500));
    for n in 0..500 {
        let got = web.answer().unwrap_or_else(|| panic!("answer {n}"));
        assert_eq!((got.status, got.text().as_str()), (200, "public"));
    }
}
