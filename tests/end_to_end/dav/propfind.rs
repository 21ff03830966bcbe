//! What is there, with properties.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::time::{Duration, SystemTime};

use super::between;
use crate::common::trees::many_names;
use crate::common::web::{Got, curl};
use crate::common::{Daemon, PASSWORD, World, enter};
use crate::folders;

/// A PROPFIND with this depth and body.
fn propfind(daemon: &Daemon, user: Option<&str>, depth: &str, body: &str, path: &str) -> Got {
    let (login, depth) = (format!("{}:{PASSWORD}", user.unwrap_or_default()), format!("Depth: {depth}"));
    let mut args = vec!["-X", "PROPFIND", "--header", &depth, "--data-binary", body];
    if user.is_some() {
        args.extend(["--user", &login]);
    }
    curl(daemon, &args, path)
}

fn hrefs(got: &Got) -> Vec<String> {
    assert_eq!(got.status, 207, "{got:?}");
    between(&got.text(), "<D:href>", "</D:href>").into_iter().map(str::to_owned).collect()
}

#[test]
fn a_folder_is_told_of_with_all_that_is_in_it_and_every_href_is_a_url() {
    let daemon = Daemon::start();
    let names: [&[u8]; 9] =
        [b"a b", b"100%", b"?q", b"#x", "ü文".as_bytes(), b"\xff\xfe", b"a&b;c='\"<x>", b"~alice", b"._apple"];
    fs::create_dir_all(daemon.public().join("odd/sub")).unwrap();
    for name in names {
        fs::write(daemon.public().join("odd").join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    for version in ["--http1.1", "--http2"] {
        for path in ["/odd", "/odd/"] {
            let got = curl(&daemon, &[version, "-X", "PROPFIND", "--header", "Depth: 1"], path);
            let hrefs = hrefs(&got);
            assert_eq!(got.header("content-location"), "/odd/");
            assert_eq!(got.header("content-type"), "application/xml; charset=utf-8");
            assert_eq!((hrefs.len(), hrefs[0].as_str()), (names.len() + 2, "/odd/"), "itself first");
            assert!(hrefs.contains(&"/odd/sub/".to_owned()), "{hrefs:?}");
            let files = hrefs.iter().filter(|href| !href.ends_with('/'));
            let read: BTreeSet<Vec<u8>> = files.map(|href| curl(&daemon, &[version], href).body).collect();
            assert_eq!(read, names.iter().map(|name| name.to_vec()).collect());
        }
    }
    assert_eq!(hrefs(&propfind(&daemon, None, "0", "", "/odd")), ["/odd/"]);
    assert_eq!(hrefs(&propfind(&daemon, None, "1", "", "/odd/~alice")), ["/odd/~alice"]);
    assert_eq!(propfind(&daemon, None, "1", "", "/odd/nothing").status, 404);
}

#[test]
fn properties_are_those_that_a_get_tells() {
    let world = World::with(&[("alice", "\"full\"", "alice"), ("lister", "[\"list\"]", "alice")]);
    let daemon = world.start();
    assert_eq!(enter(&daemon, "alice").upload("large.txt", &vec![7; 2_000_000]).0, 226);
    fs::write(world.home("alice").join("small"), "x").unwrap();
    let login = format!("alice:{PASSWORD}");
    for file in ["/~alice/large.txt", "/~alice/small"] {
        let head = curl(&daemon, &["--user", &login, "--head"], file);
        let text = propfind(&daemon, Some("alice"), "0", "", file).text();
        for (property, header) in [
            ("getetag", "etag"),
            ("getcontentlength", "content-length"),
            ("getcontenttype", "content-type"),
            ("getlastmodified", "last-modified"),
        ] {
            let value = between(&text, &format!("<D:{property}>"), "</D:")[0].replace("&quot;", "\"");
            assert_eq!(value, head.header(header), "{file} {property}");
        }
    }
    let all = propfind(&daemon, Some("alice"), "1", "", "/~alice/").text();
    let strong = sealift::files::Hash::of(&vec![7; 2_000_000]).to_string();
    assert!(all.contains(&format!("<D:getetag>&quot;{strong}&quot;</D:getetag>")), "{all}");
    // The bytes of files are not told by their hash to whom they are not given.
    let listed = propfind(&daemon, Some("lister"), "1", "", "/~lister/").text();
    assert!(listed.contains("large.txt") && !listed.contains(&strong), "{listed}");
    let some = "<D:propfind xmlns:D=\"DAV:\"><D:prop><D:getetag/><x xmlns=\"http://x/\"/></D:prop></D:propfind>";
    let some = propfind(&daemon, Some("alice"), "0", some, "/~alice/small").text();
    assert!(some.contains("<D:prop><x xmlns=\"http://x/\"/></D:prop><D:status>HTTP/1.1 404"), "{some}");
    assert!(!some.contains("getcontentlength"), "{some}");
}

#[test]
fn rights_hold_for_a_propfind_as_for_a_listing() {
    let world = World::with(&[("alice", "\"full\"", "alice"), ("dropper", "[\"upload\"]", "drop")]);
    fs::write(world.home("public").join("file"), "x").unwrap();
    let daemon = world.start();
    let status = |user, path: &str| propfind(&daemon, user, "1", "", path).status;
    assert_eq!(status(None, "/"), 207);
    assert_eq!(status(None, "/~alice/"), 401);
    assert_eq!((status(Some("alice"), "/~alice/"), status(Some("alice"), "/~dropper/")), (207, 404));
    assert_eq!(status(Some("alice"), "/~nobody/"), 404);
    assert_eq!(status(Some("dropper"), "/~dropper/"), 403);
    assert_eq!(hrefs(&propfind(&daemon, Some("alice"), "1", "", "/")), ["/", "/file"], "the same as everybody's");
    assert_eq!(status(Some("alice"), "/.sealift-web/style.css"), 404);
}

#[test]
fn without_a_folder_for_everybody_what_is_above_a_home_has_the_home_in_it() {
    let world = World::of(&["alice"]);
    world.set_users(&crate::common::section("alice", "\"full\"", "alice"));
    let daemon = world.start();
    assert_eq!(hrefs(&propfind(&daemon, Some("alice"), "1", "", "/")), ["/", "/~alice/"]);
    assert_eq!(hrefs(&propfind(&daemon, Some("alice"), "0", "", "/")), ["/"]);
    assert_eq!(propfind(&daemon, None, "0", "", "/").status, 401);
    assert_eq!(propfind(&daemon, Some("alice"), "infinity", "", "/").status, 403);
}

#[test]
fn a_folder_of_ten_thousand_is_told_of_to_its_end() {
    let daemon = Daemon::start();
    fs::create_dir(daemon.public().join("many")).unwrap();
    many_names(&daemon.public().join("many"), "", (0..10_000).map(|n| format!("{n:05}")));
    for version in ["--http1.1", "--http2"] {
        let got = curl(&daemon, &[version, "-X", "PROPFIND", "--header", "Depth: 1"], "/many/");
        let hrefs: BTreeSet<String> = hrefs(&got).into_iter().collect();
        assert_eq!(hrefs.len(), 10_001);
        assert!(got.text().ends_with("</D:multistatus>\n"));
    }
}

#[test]
fn a_quota_and_what_is_used_of_it_are_told_to_who_asks() {
    let world = World::of(&["alice"]);
    let section = crate::common::section("alice", "\"full\"", "alice");
    world.set_users(&format!("[anonymous]\nenabled = true\nhome = \"public\"\n{section}quota = \"1000 B\"\n"));
    fs::write(world.home("alice").join("file"), [0; 300]).unwrap();
    let daemon = world.start();
    let asked = "<propfind xmlns='DAV:'><prop><quota-available-bytes/><quota-used-bytes/></prop></propfind>";
    let text = propfind(&daemon, Some("alice"), "0", asked, "/~alice/").text();
    assert_eq!(between(&text, "<D:quota-available-bytes>", "<"), ["700"], "{text}");
    assert_eq!(between(&text, "<D:quota-used-bytes>", "<"), ["300"], "{text}");
    let none = propfind(&daemon, None, "0", asked, "/").text();
    assert!(none.contains("<D:quota-available-bytes/>") && none.contains("404"), "{none}");
}

/// Also where it is one of those that are in the folder which is looked at.
#[test]
fn the_quota_of_a_shared_folder_is_its_own() {
    let world = World::of(&["alice"]);
    let section = crate::common::section("alice", "\"full\"", "alice");
    let team = "\n[folders.team]\naccess = { alice = \"full\" }\nquota = \"500 B\"\n";
    world.set_users(&format!("{section}quota = \"1000 B\"\n{team}"));
    fs::create_dir_all(world.home("team").join("in")).unwrap();
    fs::create_dir_all(world.home("alice").join("own")).unwrap();
    fs::write(world.home("alice").join("file"), [0; 300]).unwrap();
    fs::write(world.home("team").join("file"), [0; 100]).unwrap();
    let daemon = world.start();
    let asked = "<propfind xmlns='DAV:'><prop><quota-available-bytes/></prop></propfind>";
    let left = |depth: &str, path: &str| {
        let text = propfind(&daemon, Some("alice"), depth, asked, path).text();
        let each = text.split("<D:response>").skip(1).filter(|response| response.contains("bytes>"));
        let told =
            each.map(|one| (between(one, "<D:href>", "<")[0].to_owned(), between(one, "bytes>", "<")[0].to_owned()));
        told.collect::<std::collections::BTreeMap<_, _>>()
    };
    let told = left("1", "/~alice/");
    let of = |path: &str| told.get(path).map(String::as_str);
    assert_eq!(
        ["/~alice/", "/~alice/own/", "/~alice/team/"].map(of),
        [Some("700"), Some("700"), Some("400")],
        "{told:?}"
    );
    let told = left("1", "/~alice/team/");
    assert!(told.len() == 2 && told.values().all(|left| left == "400"), "{told:?}");
}

#[test]
fn options_say_what_may_be_asked_for() {
    let daemon = Daemon::start();
    let got = curl(&daemon, &["-X", "OPTIONS"], "/~alice/");
    assert_eq!((got.status, got.header("ms-author-via")), (200, "DAV"));
    assert!(got.header("dav").starts_with('1') && got.header("allow").contains("PROPFIND"), "{got:?}");
}

#[test]
fn a_folder_above_a_shared_one_that_is_on_no_disk_has_a_time_of_now_and_keeps_it() {
    let world = folders::world(folders::SHARED);
    let before = SystemTime::now() - Duration::from_secs(1);
    let daemon = world.start();
    let time = |user: &str| {
        let told = propfind(&daemon, Some(user), "0", "", &format!("/~{user}/team/")).text();
        httpdate::parse_http_date(between(&told, "<D:getlastmodified>", "<")[0]).unwrap()
    };
    let first = time("alice");
    assert!(first >= before, "{first:?}");
    assert_eq!(time("bob"), first);
}
