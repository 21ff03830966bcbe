//! Conditions of WebDAV's methods: `If` with entity tags of what a request replaces, and the headers of HTTP itself.

use std::fs;
use std::sync::Barrier;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::common::web::RawWeb;
use crate::common::{PASSWORD, World, enter};
use sealift::files::Hash;

#[test]
fn what_is_replaced_by_another_name_or_a_copy_is_what_the_if_named() {
    let world = World::of(&["alice"]);
    let alice = world.home("alice");
    let daemon = world.daemon().arg("--durability").arg("none").start();
    let login = STANDARD.encode(format!("alice:{PASSWORD}"));
    let (mut web, mut native) = (RawWeb::connect(&daemon, &["http/1.1"]), enter(&daemon, "alice"));
    let host = format!("127.0.0.1:{}", daemon.port());
    let head = |method: &str, path: &str, more: &str| {
        format!(
            "{method} /~alice/{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {login}\r\n{more}\
             Content-Length: 0\r\n\r\n"
        )
    };
    let onto = |condition: &str| format!("Destination: https://{host}/~alice/g\r\nIf: </~alice/g> ({condition})\r\n");
    let start = Barrier::new(2);
    let hash = Hash::of(b"old");
    for method in ["MOVE", "COPY"] {
        for round in 0..150 {
            assert_eq!(native.upload("f", b"comes").1, "done");
            assert_eq!(native.upload("g mtime=1000000000", b"old").1, "done");
            let tag = web.ask(head("GET", "g", "")).unwrap().header("etag").to_owned();
            let request = head(method, "f", &onto(&format!("[{tag}]")));
            let (status, word) = std::thread::scope(|scope| {
                let changing = scope.spawn(|| {
                    start.wait();
                    web.ask(request).unwrap().status
                });
                start.wait();
                let word = native.upload(&format!("g if=hash:{hash} mtime=1000000001"), b"new").1;
                (changing.join().unwrap(), word)
            });
            let told = format!("{method}, round {round}: {status}, {word}");
            assert!((status == 204) != (word == "done") && [204, 412].contains(&status), "{told}");
            let there = if status == 204 { "comes" } else { "new" };
            assert_eq!(fs::read_to_string(alice.join("g")).unwrap(), there, "{told}");
            assert_eq!(alice.join("f").exists(), !(status == 204 && method == "MOVE"), "{told}");
        }
    }
    // A folder that takes the place of a file, and a file that of a folder, by both.
    for method in ["MOVE", "COPY"] {
        let _ = (fs::remove_file(alice.join("g")), fs::remove_dir_all(alice.join("g")));
        fs::write(alice.join("g"), "old").unwrap();
        fs::create_dir(alice.join("d")).unwrap();
        let tag = web.ask(head("GET", "g", "")).unwrap().header("etag").to_owned();
        let ask = |web: &mut RawWeb, condition: &str| web.ask(head(method, "d/", &onto(condition))).unwrap().status;
        assert_eq!(ask(&mut web, "[\"another\"]"), 412, "{method}");
        assert_eq!(ask(&mut web, &format!("Not [{tag}]")), 412, "{method}");
        assert!(alice.join("g").is_file() && alice.join("d").is_dir());
        assert_eq!(ask(&mut web, &format!("[{tag}]")), 204, "{method}");
        assert!(alice.join("g").is_dir() && alice.join("d").is_dir() == (method == "COPY"));
        let _ = fs::remove_dir(alice.join("d"));
    }
    // Where nothing is, no tag is.
    fs::remove_dir(alice.join("g")).unwrap();
    for (method, there) in [("COPY", 201), ("MOVE", 201)] {
        let _ = fs::remove_file(alice.join("g"));
        assert_eq!(native.upload("f", b"comes").1, "done");
        assert_eq!(web.ask(head(method, "f", &onto("[\"x\"]"))).unwrap().status, 412);
        assert_eq!(web.ask(head(method, "f", &onto("Not [\"x\"]"))).unwrap().status, there);
    }
}

#[test]
fn conditions_of_http_count_for_every_method_that_changes_something() {
    let world = World::of(&["alice"]);
    let alice = world.home("alice");
    fs::write(alice.join("f"), "there").unwrap();
    fs::create_dir(alice.join("d")).unwrap();
    let daemon = world.start();
    let right = format!("If-Match: \"{}\"", Hash::of(b"there"));
    let (wrong, absent, any) = ("If-Match: \"00\"", "If-None-Match: *", "If-Match: *");
    let set = "<propertyupdate xmlns='DAV:'><set><prop><x xmlns='u'>1</x></prop></set></propertyupdate>";
    let lock = "<lockinfo xmlns='DAV:'><lockscope><shared/></lockscope><locktype><write/></locktype></lockinfo>";
    let go = |method: &str, condition: &str, body: &str, path: &str| {
        super::ask(&daemon, "alice", method, &[condition], body, &format!("/~alice/{path}")).status
    };
    for (method, body, done) in [("PROPPATCH", set, 207), ("LOCK", lock, 200)] {
        assert_eq!([wrong, absent].map(|condition| go(method, condition, body, "f")), [412, 412], "{method}");
        assert_eq!([&right, any].map(|condition| go(method, condition, body, "f")), [done, done], "{method}");
        assert_eq!([wrong, absent].map(|condition| go(method, condition, body, "d/")), [412, 412], "{method}");
        assert_eq!(go(method, any, body, "d/"), done, "{method}");
    }
    assert_eq!((go("LOCK", any, lock, "new"), go("LOCK", absent, lock, "new")), (412, 201));
    assert_eq!(
        (go("MKCOL", any, "", "made/"), go("MKCOL", absent, "", "made/"), go("MKCOL", absent, "", "made/")),
        (412, 201, 412)
    );
    assert!(alice.join("made").is_dir() && alice.join("new").is_file());
}

#[test]
fn a_listing_and_the_file_itself_have_the_same_tag_and_what_replaces_it_has_another() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let mut native = enter(&daemon, "alice");
    let listed = |depth: &str, path: &str| {
        let told = super::ask(&daemon, "alice", "PROPFIND", &[depth], "", path).text();
        super::between(&told, "<D:getetag>", "<").iter().map(|tag| tag.replace("&quot;", "\"")).collect::<Vec<_>>()
    };
    let itself = || super::ask(&daemon, "alice", "GET", &[], "", "/~alice/f").header("etag").to_owned();
    let set = "<propertyupdate xmlns='DAV:'><set><prop><x xmlns='u'>1</x></prop></set></propertyupdate>";
    let lock = "<lockinfo xmlns='DAV:'><lockscope><shared/></lockscope><locktype><write/></locktype></lockinfo>";
    let mut tags = Vec::new();
    for bytes in [b"one", b"two"] {
        assert_eq!(native.upload("f mtime=1000000000", bytes).1, "done");
        let tag = itself();
        assert_eq!(
            (listed("Depth: 1", "/~alice/"), listed("Depth: 0", "/~alice/f")),
            (vec![tag.clone()], vec![tag.clone()])
        );
        assert_eq!(super::ask(&daemon, "alice", "PROPPATCH", &[], set, "/~alice/f").status, 207);
        assert_eq!(itself(), tag, "the bytes are the same");
        tags.push(tag);
    }
    assert!(tags[0] != tags[1], "{tags:?}");
    let to = format!("Destination: https://127.0.0.1:{}/~alice/g", daemon.port());
    let go = |method: &str, body: &str, tag: &str| {
        super::ask(&daemon, "alice", method, &[&to, &format!("If-Match: {tag}")], body, "/~alice/f").status
    };
    for (method, body) in [("LOCK", lock), ("PROPPATCH", set), ("COPY", ""), ("MOVE", "")] {
        assert_eq!(go(method, body, &tags[0]), 412, "{method}");
    }
    for (method, body, done) in [("PROPPATCH", set, 207), ("COPY", "", 201), ("MOVE", "", 204)] {
        assert_eq!(go(method, body, &tags[1]), done, "{method}");
    }
}

#[test]
fn that_nothing_is_there_is_decided_for_who_may_not_read_too() {
    let world = World::with(&[("alice", "[\"list\", \"mkdir\", \"upload\"]", "alice")]);
    fs::write(world.home("alice").join("f"), "there").unwrap();
    let daemon = world.start();
    let lock = "<lockinfo xmlns='DAV:'><lockscope><shared/></lockscope><locktype><write/></locktype></lockinfo>";
    let go = |method: &str, condition: &str, body: &str, path: &str| {
        super::ask(&daemon, "alice", method, &[condition], body, &format!("/~alice/{path}")).status
    };
    let absent = "If-None-Match: *";
    assert_eq!((go("MKCOL", absent, "", "d/"), go("MKCOL", absent, "", "d/")), (201, 412));
    assert_eq!((go("LOCK", absent, lock, "new"), go("LOCK", absent, lock, "f")), (201, 412));
    assert_eq!((go("MKCOL", absent, "", "f/below/"), go("MKCOL", absent, "", "none/below/")), (409, 409));
}

#[test]
fn what_one_user_keeps_with_a_file_is_read_by_every_client() {
    let world = World::of(&["alice"]);
    fs::write(world.home("alice").join("f"), "there").unwrap();
    let daemon = world.start();
    let keep = |property: &str| {
        let body = format!("<propertyupdate xmlns='DAV:'><set><prop>{property}</prop></set></propertyupdate>");
        super::ask(&daemon, "alice", "PROPPATCH", &[], &body, "/~alice/f").status
    };
    let of_xml = "http://www.w3.org/XML/1998/namespace";
    for space in [of_xml, "http://www.w3.org/2000/xmlns/", "a b", "a&#9;b"] {
        assert_eq!(keep(&format!("<a xmlns='{space}'>1</a>")), 400, "{space}");
        assert_eq!(keep(&format!("<p:a xmlns:p='{space}'>1</p:a>")), 400, "{space}");
        assert_eq!(keep(&format!("<a xmlns='u'><b xmlns='{space}'/></a>")), 400, "{space}");
    }
    assert_eq!(keep("<a xmlns='u'><xml:z>1</xml:z></a>"), 207);
    assert_eq!(keep("<xml:y>2</xml:y>"), 207);
    let told = super::ask(&daemon, "alice", "PROPFIND", &["Depth: 0"], "", "/~alice/f").text();
    assert!(told.contains("<a xmlns=\"u\"><xml:z>1</xml:z></a>") && told.contains("<xml:y>2</xml:y>"), "{told}");
    assert!(!told.contains(of_xml), "{told}");
}
