//! Attacks on WebDAV: what its XML and its headers can hold.

use std::fs;

use sealift::limits;

use crate::common::web::{Got, curl};
use crate::common::{Daemon, PASSWORD, World};

/// A request of alice's with this XML.
fn ask(daemon: &Daemon, method: &str, headers: &[&str], xml: &str, path: &str) -> Got {
    ask_as("alice", daemon, method, headers, xml, path)
}

/// The XML lies in a file, as it may be large.
fn ask_as(user: &str, daemon: &Daemon, method: &str, headers: &[&str], xml: &str, path: &str) -> Got {
    let file = daemon.place().join("request.xml");
    fs::write(&file, xml).unwrap();
    let (login, body) = (format!("{user}:{PASSWORD}"), format!("@{}", file.display()));
    let mut args = vec!["-X", method, "--user", &login, "--data-binary", &body];
    headers.iter().for_each(|header| args.extend(["--header", header]));
    curl(daemon, &args, path)
}

/// Methods that read XML.
const METHODS: [&str; 3] = ["PROPFIND", "PROPPATCH", "LOCK"];

const EXCLUSIVE: &str =
    "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>";

fn serves(daemon: &Daemon) {
    assert_eq!(ask(daemon, "PROPFIND", &["Depth: 0"], "", "/~alice/").status, 207, "others are served");
}

#[test]
fn dav_nested_xml() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    for method in METHODS {
        for levels in [17, 100, 3000] {
            let (open, close) = ("<x>".repeat(levels), "</x>".repeat(levels));
            for xml in [format!("<propfind xmlns='DAV:'>{open}{close}</propfind>"), open] {
                let got = ask(&daemon, method, &["Depth: 0"], &xml, "/~alice/");
                assert!(matches!(got.status, 400 | 413), "{method} {levels}: {got:?}");
            }
        }
        // More than is read.
        let got = ask(&daemon, method, &["Depth: 0"], &"<x>".repeat(15_000), "/~alice/");
        assert_eq!(got.status, 413, "{method}");
        let chunked = ["Depth: 0", "Transfer-Encoding: chunked"];
        assert_eq!(ask(&daemon, method, &chunked, &"<x>".repeat(15_000), "/~alice/").status, 413, "{method}");
    }
    serves(&daemon);
    assert!(!daemon.stop().log.contains("panic"));
}

#[test]
fn dav_entities() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let bomb: String = (1..10).map(|n| format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(10))).collect();
    for xml in [
        format!("<!DOCTYPE x [<!ENTITY e0 'x'>{bomb}]><propfind xmlns='DAV:'><prop><a>&e9;</a></prop></propfind>"),
        "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><propfind xmlns='DAV:'><prop>&e;</prop></propfind>"
            .into(),
        "<!DOCTYPE x SYSTEM 'http://127.0.0.1:9/x'><propfind xmlns='DAV:'><allprop/></propfind>".into(),
        "<propfind xmlns='DAV:'><prop>&e;</prop></propfind>".into(),
    ] {
        for method in METHODS {
            let got = ask(&daemon, method, &["Depth: 0"], &xml, "/~alice/");
            assert!(got.status == 400 && !got.text().contains("root:"), "{method} {xml}: {got:?}");
        }
    }
    serves(&daemon);
}

#[test]
fn dav_names_that_leave_their_place() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    fs::write(world.home("alice").join("]]><D:href><script>\"'&"), "").unwrap();
    let got = ask(&daemon, "PROPFIND", &["Depth: 1"], "", "/~alice/");
    let text = got.text();
    assert!(got.status == 207 && !text.contains("<script") && text.matches("<D:href>").count() == 2, "{text}");
    for name in ["a\"/><script", "a b=\"\"><script/", "1", "a/b", "\u{202e}", "a:b:c"] {
        let xml = format!("<propfind xmlns='DAV:'><prop><{name}/></prop></propfind>");
        let got = ask(&daemon, "PROPFIND", &["Depth: 0"], &xml, "/~alice/");
        assert!(!got.text().contains("<script"), "{name}: {got:?}");
        assert!(got.status != 207 || !got.text().contains('\u{202e}'), "{name}: {got:?}");
    }
    let xml = "<propfind xmlns='DAV:'><prop><a xmlns='&quot;/&gt;&lt;script&gt;'/></prop></propfind>";
    let got = ask(&daemon, "PROPFIND", &["Depth: 0"], xml, "/~alice/");
    assert!(got.status == 207 && !got.text().contains("<script"), "{got:?}");
}

#[test]
fn dav_depth_infinity() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    fs::create_dir_all(world.home("alice").join("a/b/c")).unwrap();
    for headers in [&["Depth: infinity"][..], &[], &["Depth: Infinity", "X-Litmus: propfind"], &["X-Litmus-Second: x"]]
    {
        let got = ask(&daemon, "PROPFIND", headers, "", "/~alice/");
        assert_eq!(got.status, 403, "{headers:?}");
        assert!(got.text().contains("<D:propfind-finite-depth/>"), "{got:?}");
    }
    for depth in ["2", "-1", "99999999999999999999999", "0, 1", "1;infinity", "00"] {
        let got = ask(&daemon, "PROPFIND", &[&format!("Depth: {depth}")], "", "/~alice/");
        assert_eq!(got.status, 400, "{depth}");
    }
    let huge = format!("Depth: {}", "1".repeat(8000));
    assert_eq!(ask(&daemon, "PROPFIND", &[&huge], "", "/~alice/").status, 400);
}

#[test]
fn dav_lock_flood() {
    let world = World::of(&["alice", "bob"]);
    let daemon = world.start();
    for n in 0..limits::LOCKS_PER_USER {
        let got = ask(&daemon, "LOCK", &["Timeout: Infinite", "Depth: 0"], EXCLUSIVE, &format!("/~alice/{n}"));
        assert_eq!(got.status, 201, "{n}: {got:?}");
    }
    for n in 0..20 {
        let path = format!("/~alice/more-{n}");
        let got = ask(&daemon, "LOCK", &["Timeout: Infinite"], EXCLUSIVE, &path);
        assert_eq!(got.status, 503, "{got:?}");
        assert!(!world.home("alice").join(format!("more-{n}")).exists(), "and no file is made for it");
    }
    assert_eq!(ask_as("bob", &daemon, "LOCK", &[], EXCLUSIVE, "/~bob/file").status, 201, "others have theirs");
    // Shared ones of one file are as many locks.
    let shared = EXCLUSIVE.replace("exclusive", "shared");
    assert_eq!(ask(&daemon, "LOCK", &[], &shared, "/~alice/0").status, 423);
    let large = EXCLUSIVE.replace("<locktype>", &format!("<owner>{}</owner><locktype>", "x".repeat(2000)));
    assert_eq!(ask_as("bob", &daemon, "LOCK", &[], &large, "/~bob/large").status, 400);
}

#[test]
fn dav_lock_of_another() {
    let world =
        World::with(&[("alice", "\"full\"", "team"), ("bob", "\"full\"", "team"), ("reader", "\"read\"", "team")]);
    let daemon = world.start();
    fs::write(world.home("team").join("file"), "alice's").unwrap();
    let locked = ask(&daemon, "LOCK", &["Timeout: Infinite"], EXCLUSIVE, "/~alice/file");
    let token = locked.header("lock-token").to_owned();
    let uri = token.trim_matches(['<', '>']);
    // It lasts an hour at most, whatever is asked for.
    assert!(locked.text().contains("Second-3600<"), "{locked:?}");
    for user in ["bob", "reader"] {
        let path = format!("/~{user}/file");
        let told = ask_as(user, &daemon, "PROPFIND", &["Depth: 0"], "", &path).text();
        assert!(told.contains("<D:activelock>") && !told.contains(uri), "that it is locked, and not by what: {told}");
        let given_up = ask_as(user, &daemon, "UNLOCK", &[&format!("Lock-Token: {token}")], "", &path);
        assert_eq!(given_up.status, 403, "{user}");
        let presented = format!("If: ({token})");
        let written = ask_as(user, &daemon, "PUT", &[&presented], "taken", &path);
        assert!(matches!(written.status, 403 | 423), "{user}: {written:?}");
        assert_eq!(
            ask_as(user, &daemon, "LOCK", &[&presented], "", &path).status,
            if user == "bob" { 412 } else { 403 }
        );
        assert!(matches!(ask_as(user, &daemon, "LOCK", &[], EXCLUSIVE, &path).status, 403 | 423));
    }
    for foreign in [
        "If: (<urn:uuid:00000000-0000-4000-8000-000000000000>)",
        "If: (Not <DAV:no-lock>)",
        "If: </~bob/file> (Not <urn:x>)",
        "If: <http://elsewhere/~bob/file> (Not <urn:x>)",
        "If: (<urn:x>) (Not <urn:x>)",
    ] {
        let got = ask_as("bob", &daemon, "PUT", &[foreign], "taken", "/~bob/file");
        assert!(matches!(got.status, 412 | 423), "{foreign}: {got:?}");
    }
    for bad in ["If: (", "If: ()", "If: x", &format!("If: ({})", "<a:b>".repeat(500)), "Timeout: Second-", "Timeout: x"]
    {
        let got = ask(&daemon, "LOCK", &[bad], EXCLUSIVE, "/~alice/other");
        assert_eq!(got.status, 400, "{bad}");
    }
    assert_eq!(fs::read_to_string(world.home("team").join("file")).unwrap(), "alice's");
}

#[test]
fn dav_hidden_and_foreign_places() {
    let world = World::of(&["alice", "bob"]);
    fs::create_dir_all(world.home("alice").join(".sealift/x")).unwrap();
    fs::write(world.home("bob").join("file"), "bob's").unwrap();
    let daemon = world.start();
    let patch = "<propertyupdate xmlns='DAV:'><set><prop><x xmlns='u'>1</x></prop></set></propertyupdate>";
    for (method, xml) in [("PROPFIND", ""), ("PROPPATCH", patch), ("LOCK", EXCLUSIVE), ("UNLOCK", "")] {
        for path in [
            "/~alice/.sealift",
            "/~alice/.SEALIFT/x",
            "/~alice/%2esealift/new",
            "/~alice/../bob/file",
            "/~alice/%2e%2e/bob/file",
            "/~alice/a%2f..%2fb",
            "/~alice/a%00b",
            "/~alice/a%0d%0aSet-Cookie:x",
            "/~bob/file",
            "/~bob/new",
            "/~nobody/new",
            "/.sealift-web/style.css",
        ] {
            let token = "Lock-Token: <urn:uuid:00000000-0000-4000-8000-000000000000>";
            let got = ask(&daemon, method, &["Depth: 0", token], xml, path);
            assert!(matches!(got.status, 400 | 404 | 405), "{method} {path}: {got:?}");
        }
    }
    assert!(!world.home("bob").join("new").exists());
    assert_eq!(fs::read_dir(world.home("alice").join(".sealift/x")).unwrap().count(), 0);
    // What another site has a browser send changes nothing.
    for (method, xml) in [("PROPPATCH", patch), ("LOCK", EXCLUSIVE)] {
        let got = ask(&daemon, method, &["Sec-Fetch-Site: cross-site", "Depth: 0"], xml, "/~alice/new");
        assert_eq!(got.status, 403, "{method}");
    }
    assert!(!world.home("alice").join("new").exists());
}

#[test]
fn dav_log_injection() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let owner = "<owner>&#10;2026-01-01 INFO forged &#13; x</owner><locktype>";
    let xml = EXCLUSIVE.replace("<locktype>", owner);
    let name = "/~alice/%E2%80%AEtxt.exe";
    assert_eq!(ask(&daemon, "LOCK", &["Depth: 0", "Timeout: Second-9\u{202e}"], &xml, name).status, 400);
    assert_eq!(ask(&daemon, "LOCK", &["Depth: 0"], &xml, name).status, 201);
    let log = daemon.stop().log;
    assert!(!log.contains("forged") && !log.contains('\u{1b}') && !log.contains('\u{202e}'), "{log}");
}
