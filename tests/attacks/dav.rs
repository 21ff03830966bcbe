//! Attacks on WebDAV: what its XML and its headers can hold.

use std::fs;

use crate::common::web::{Got, curl};
use crate::common::{Daemon, PASSWORD, World};

/// A request with this XML in a file, as large as it may be.
fn ask(daemon: &Daemon, method: &str, headers: &[&str], xml: &str, path: &str) -> Got {
    let file = daemon.place().join("request.xml");
    fs::write(&file, xml).unwrap();
    let (login, body) = (format!("alice:{PASSWORD}"), format!("@{}", file.display()));
    let mut args = vec!["-X", method, "--user", &login, "--data-binary", &body];
    headers.iter().for_each(|header| args.extend(["--header", header]));
    curl(daemon, &args, path)
}

/// Methods that read XML.
const METHODS: [&str; 1] = ["PROPFIND"];

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
