//! `If` with entity tags of what a request replaces: it holds when that is replaced.

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
