//! Attacks on what the web writes, by curl and byte by byte.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use base64::Engine as _;

use crate::common::web::{Got, RawWeb, curl, curl_each};
use crate::common::{Daemon, Figures, PASSWORD, World, eventually, snapshot, staged};

const VERSIONS: [&str; 2] = ["--http1.1", "--http2"];

fn login(user: &str) -> String {
    format!("{user}:{PASSWORD}")
}

/// The head of a request of alice.
fn head(method: &str, path: &str, headers: &str) -> String {
    let pair = base64::engine::general_purpose::STANDARD.encode(login("alice"));
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {pair}\r\n{headers}\r\n")
}

fn world() -> World {
    let world = World::of(&["alice", "bob"]);
    fs::write(world.place().join("canary"), "canary").unwrap();
    fs::write(world.place().join("server_data/canary"), "canary").unwrap();
    fs::write(world.home("alice").join("file"), "alice's").unwrap();
    fs::create_dir_all(world.home("alice").join("folder/deep")).unwrap();
    fs::write(world.home("bob").join("file"), "bob's").unwrap();
    world
}

/// All there is, but for the server's own folders.
fn all(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = snapshot(&world.place().join("server_data"));
    all.retain(|path, _| !path.to_string_lossy().contains(".sealift"));
    all
}

fn ask(daemon: &Daemon, method: &str, path: &str, headers: &[&str]) -> Got {
    curl(daemon, &arguments(&login("alice"), method, headers), path)
}

fn arguments<'a>(login: &'a str, method: &'a str, headers: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["-u", login, "-X", method];
    if method == "PUT" {
        args.extend(["--data-binary", "mine"]);
    }
    args.extend(headers.iter().flat_map(|header| ["-H", *header]));
    args
}

#[test]
fn web_upload_cut_anywhere() {
    let world = world();
    let daemon = world.start();
    let before = all(&world);
    let chunked = "6\r\nmine, \r\n5\r\nreally\r\n".replace("5\r", "6\r") + "0\r\n\r\n";
    for (headers, body) in [("Content-Length: 12\r\n", "mine, really"), ("Transfer-Encoding: chunked\r\n", &*chunked)] {
        for cut in 0..body.len() {
            let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
            web.send(head("PUT", "/~alice/file", headers));
            web.send(&body[..cut]);
            drop(web);
        }
    }
    // Whatever is still on its way is over when another upload of the same name is done and gone.
    assert_eq!(ask(&daemon, "PUT", "/~alice/other", &[]).status, 201);
    assert_eq!(ask(&daemon, "DELETE", "/~alice/other", &[]).status, 204);
    eventually("all of them are given up", || {
        let home = world.home("alice").join(".sealift");
        staged(&world.home("alice")).iter().all(|path| home.join(path).is_dir())
    });
    assert_eq!(all(&world), before);
}

#[test]
fn web_writes_stay_in_the_home() {
    let world = world();
    let daemon = world.start();
    let before = all(&world);
    let mut paths: Vec<String> = Vec::new();
    for up in
        ["..", "%2e%2e", ".%2E", "..%2f", "%2e%2e%2f%2e%2e", "..%00", "a%00b", "a%2fb", ".", "%2e", "%0a", "%0d%0aX:y"]
    {
        paths.extend(["bob/file", "canary", "x"].map(|path| format!("/~alice/{up}/{path}")));
        paths.push(format!("/~alice/folder/{up}/{up}/x"));
        paths.push(format!("/{up}/~alice/x"));
        paths.push(format!("/~alice/{up}"));
    }
    for name in [".sealift", ".SEALIFT", "%2esealift", ".sealift/x", "folder/.sealift", "folder/.sealift/x"] {
        paths.push(format!("/~alice/{name}"));
    }
    paths.extend(
        ["//x", "/~alice//x", "/~/x", "/~..", "/~../x", "/~alice%2fx", "/~alice/%", "/~bob/file", "/~bob/x"]
            .map(str::to_owned),
    );
    let alice = login("alice");
    for path in &paths {
        let destinations =
            [format!("Destination: {path}"), format!("Destination: https://127.0.0.1:{}{path}", daemon.port())];
        let mut asked = Vec::new();
        for method in ["PUT", "DELETE", "MKCOL"] {
            asked.push((arguments(&alice, method, &[]), path.as_str()));
        }
        for method in ["MOVE", "COPY"] {
            for destination in &destinations {
                asked.push((arguments(&alice, method, &[destination]), "/~alice/file"));
            }
            asked.push((arguments(&alice, method, &["Destination: /~alice/new"]), path));
        }
        for ((args, to), got) in asked.iter().zip(curl_each(&daemon, &asked)) {
            let elsewhere = *to != path && got.status == 502;
            assert!((400..500).contains(&got.status) || elsewhere, "{args:?} {path}: {got:?}");
        }
    }
    assert_eq!(all(&world), before);
    assert_eq!(fs::read(world.place().join("canary")).unwrap(), b"canary");
}

#[test]
fn web_foreign_destination() {
    let world = world();
    let daemon = world.start();
    let before = all(&world);
    for there in [
        "https://evil.example/~alice/x".to_owned(),
        format!("http://127.0.0.1:{}/~alice/x", daemon.port()),
        "https://127.0.0.1/~alice/x".to_owned(),
        format!("https://127.0.0.1:{}@evil.example/~alice/x", daemon.port()),
        format!("https://evil.example:{}/~alice/x", daemon.port()),
        "file:///etc/x".to_owned(),
    ] {
        for method in ["MOVE", "COPY"] {
            let got = ask(&daemon, method, "/~alice/file", &[&format!("Destination: {there}")]);
            assert!(matches!(got.status, 400 | 502), "{method} {there}: {got:?}");
        }
    }
    let two = ["Destination: /~alice/x", "Destination: /~alice/y"];
    assert_eq!(ask(&daemon, "MOVE", "/~alice/file", &two).status, 400);
    for (from, to) in
        [("folder", "folder/in"), ("folder", "folder/deep/er"), ("folder/deep", "folder"), ("folder", "folder")]
    {
        for method in ["MOVE", "COPY"] {
            let got = ask(&daemon, method, &format!("/~alice/{from}/"), &[&format!("Destination: /~alice/{to}/")]);
            assert_eq!(got.status, 403, "{method} {from} {to}: {got:?}");
        }
    }
    assert_eq!(all(&world), before);
}

#[test]
fn web_cross_site_writes() {
    let world = world();
    let daemon = world.start();
    let before = all(&world);
    let own = format!("Origin: https://127.0.0.1:{}", daemon.port());
    for foreign in [
        &["Sec-Fetch-Site: cross-site"][..],
        &["Sec-Fetch-Site: same-site"],
        &["Sec-Fetch-Site: cross-site", &own],
        &["Origin: https://evil.example"],
        &["Origin: null"],
        &["Origin: http://127.0.0.1"],
        &["Origin: https://127.0.0.1"],
    ] {
        for method in ["PUT", "DELETE", "MKCOL", "MOVE", "COPY"] {
            let headers = [foreign, &["Destination: /~alice/x"]].concat();
            for version in VERSIONS {
                let mut args = vec!["-u", "alice:correct-horse", "-X", method, version];
                args.extend(headers.iter().flat_map(|header| ["-H", *header]));
                let got = curl(&daemon, &args, "/~alice/file");
                assert_eq!(got.status, 403, "{method} {foreign:?}: {got:?}");
                assert_eq!(got.header("access-control-allow-origin"), "");
            }
        }
    }
    assert_eq!(all(&world), before);
    assert_eq!(ask(&daemon, "PUT", "/~alice/x", &[&own]).status, 201);
    assert_eq!(ask(&daemon, "PUT", "/~alice/x", &["Sec-Fetch-Site: same-origin"]).status, 204);
}

#[test]
fn web_upload_through_links() {
    let world = world();
    let alice = world.home("alice");
    symlink(world.place().join("canary"), alice.join("out")).unwrap();
    symlink(world.place(), alice.join("above")).unwrap();
    symlink("/etc", alice.join("etc")).unwrap();
    symlink(alice.join("file"), alice.join("in")).unwrap();
    let daemon = world.start();
    for path in ["/~alice/above/canary", "/~alice/above/new", "/~alice/etc/new", "/~alice/above/server_data/bob/file"] {
        for method in ["PUT", "DELETE", "MKCOL"] {
            let got = ask(&daemon, method, path, &[]);
            assert!((400..500).contains(&got.status), "{method} {path}: {got:?}");
        }
        let got = ask(&daemon, "COPY", "/~alice/file", &[&format!("Destination: {path}")]);
        assert!((400..500).contains(&got.status), "{path}: {got:?}");
        let got = ask(&daemon, "MOVE", path, &["Destination: /~alice/new"]);
        assert!((400..500).contains(&got.status), "{path}: {got:?}");
    }
    // A link itself is replaced, and what it leads to stays.
    for link in ["out", "in"] {
        assert_eq!(ask(&daemon, "PUT", &format!("/~alice/{link}"), &[]).status, 204);
        assert_eq!(fs::read(alice.join(link)).unwrap(), b"mine");
        assert!(!alice.join(link).is_symlink());
    }
    assert_eq!(fs::read(world.place().join("canary")).unwrap(), b"canary");
    assert_eq!(fs::read(alice.join("file")).unwrap(), b"alice's");
    assert_eq!(fs::read(world.home("bob").join("file")).unwrap(), b"bob's");
    assert!(ask(&daemon, "DELETE", "/~alice/etc", &[]).status == 204 && PathBuf::from("/etc/passwd").exists());
}

#[test]
fn web_announced_and_never_sent() {
    let world = world();
    let daemon = world.daemon().args(["--stall-window", "5s"]).start();
    let before = all(&world);
    assert_eq!(ask(&daemon, "GET", "/~alice/file", &[]).status, 200, "the home is open");
    let idle = Figures::of(&daemon).descriptors();
    let mut huge: Vec<_> = (0..20)
        .map(|n| {
            let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
            web.send(head("PUT", &format!("/~alice/huge{n}"), "Content-Length: 10000000000\r\n"));
            web.send([7; 1000]);
            web
        })
        .collect();
    // Nothing is taken from the disk for what was only announced, and others are served.
    let home = world.home("alice").join(".sealift");
    let size = |path: &PathBuf| fs::metadata(home.join(path)).map_or(0, |meta| meta.len());
    assert!(staged(&world.home("alice")).iter().map(size).sum::<u64>() < 1_000_000);
    assert_eq!(ask(&daemon, "PUT", "/~alice/small", &[]).status, 201);
    assert_eq!(ask(&daemon, "DELETE", "/~alice/small", &[]).status, 204);
    for web in &mut huge {
        assert!(web.answer().is_none_or(|got| got.status >= 400), "it is let go");
    }
    eventually("nothing of them is left open", || Figures::of(&daemon).descriptors() <= idle);
    assert_eq!(all(&world), before);
    for length in ["99999999999999999999999", "18446744073709551615", "9223372036854775807"] {
        let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
        web.send(head("PUT", "/~alice/huge", &format!("Content-Length: {length}\r\nExpect: 100-continue\r\n")));
        let got = web.answer();
        assert!(got.as_ref().is_none_or(|got| got.status >= 400), "{length}: {got:?}");
    }
}

#[test]
fn web_slow_bodies() {
    let world = world();
    let daemon = world.daemon().args(["--stall-window", "5s", "--max-per-source", "2000"]).start();
    assert_eq!(ask(&daemon, "PUT", "/~alice/small", &[]).status, 201);
    let idle = Figures::of(&daemon).descriptors();
    let mut slow: Vec<_> = (0..1000)
        .map(|n| {
            let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
            web.send(head("PUT", &format!("/~alice/slow{n}"), "Content-Length: 1000000\r\n"));
            web.send("x");
            web
        })
        .collect();
    assert_eq!(ask(&daemon, "PUT", "/~alice/small", &[]).status, 204);
    assert_eq!(curl(&daemon, &["--http2", "-u", &login("alice")], "/~alice/file").text(), "alice's");
    let threads = Figures::of(&daemon).threads();
    assert!(threads < 200, "{threads} threads");
    eventually("they are let go", || Figures::of(&daemon).descriptors() <= idle);
    for web in slow.iter_mut().step_by(100) {
        assert!(web.answer().is_none_or(|got| got.status >= 400));
    }
    assert!(
        fs::read_dir(world.home("alice"))
            .unwrap()
            .all(|entry| { !entry.unwrap().file_name().to_string_lossy().starts_with("slow") })
    );
}

#[test]
fn web_smuggled_writes() {
    let world = world();
    let daemon = world.start();
    let inner = head("DELETE", "/~alice/file", "");
    let put = |headers: &str, body: &str| head("PUT", "/~alice/new", headers) + body;
    let pairs = [
        put("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", &format!("0\r\n\r\n{inner}")),
        put("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", &format!("0\r\n\r\n{inner}")),
        put("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", &format!("0\r\n\r\n{inner}")),
        put("Content-Length: 0\r\nContent-Length: 44\r\n", &inner),
        put("Content-Length: +0\r\n", &inner),
        put("Content-Length: 0x0\r\n", &inner),
        put("Transfer-Encoding: xchunked\r\n", &format!("0\r\n\r\n{inner}")),
        put("Transfer-Encoding: chunked\r\n", &format!("0x0\r\n\r\n{inner}")),
        put("Transfer-Encoding: chunked\r\n", &format!("fffffffffffffffff\r\n\r\n{inner}")),
        put("Content-Length : 0\r\n", &inner),
        // What is behind a whole body is the next request, and nothing else: here one that is refused before its body.
        head("PUT", "/~bob/new", &format!("Content-Length: {}\r\n", inner.len())) + &inner,
        head("MKCOL", "/~alice/folder", &format!("Content-Length: {}\r\n", inner.len())) + &inner,
    ];
    for request in pairs {
        let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
        web.send(&request);
        let _whatever_it_says = web.answer();
        drop(web);
        let after = ask(&daemon, "GET", "/~alice/file", &[]);
        assert_eq!(after.text(), "alice's", "{request}");
    }
}

#[test]
fn web_names_that_were_not_encoded() {
    let world = world();
    let daemon = world.start();
    fs::write(world.home("alice").join("draft"), "draft").unwrap();
    fs::create_dir_all(world.home("alice").join("dir")).unwrap();
    fs::write(world.home("alice").join("dir/kept"), "kept").unwrap();
    let before = all(&world);
    for version in VERSIONS {
        let (writes, alice) = (["PUT", "DELETE", "MKCOL", "MOVE", "COPY", "LOCK", "PROPPATCH"], login("alice"));
        for (method, path) in
            writes.iter().flat_map(|method| [(method, "/~alice/file?2"), (method, "/~alice/dir/?v=2")])
        {
            let args = [&[version][..], &arguments(&alice, method, &["Destination: /~alice/new"])].concat();
            assert_eq!(curl(&daemon, &args, path).status, 400, "{version} {method} {path}");
        }
        for (method, to) in
            ["MOVE", "COPY"].iter().flat_map(|method| [(method, "file#2"), (method, "file?2"), (method, "dir/#2")])
        {
            let there = format!("Destination: /~alice/{to}");
            let args = [&[version][..], &arguments(&alice, method, &[&there])].concat();
            assert_eq!(curl(&daemon, &args, "/~alice/draft").status, 400, "{version} {method} {to}");
        }
    }
    assert_eq!(all(&world), before);
}

#[test]
fn web_codings_that_nobody_takes_off() {
    let world = world();
    let daemon = world.start();
    let before = all(&world);
    let codings = [
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: x,chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: deflate\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Encoding: identity\r\nContent-Encoding: gzip\r\n",
    ];
    for coding in codings {
        let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
        web.send(&(head("PUT", "/~alice/new", coding) + "4\r\nmine\r\n0\r\n\r\n"));
        let status = web.answer().map_or(400, |got| got.status);
        assert!([400, 415, 501].contains(&status), "{coding}: {status}");
    }
    assert_eq!(all(&world), before);
}
