//! The names of copies that are built up beside their place over HTTP.

use std::fs;

use sealift::files::Hash;
use sealift::proto::frame::END;

use super::folders::{ask, final_reply, word};
use crate::common::{World, enter, frames_of, section};

/// What has the name of a copy that is not whole yet is taken away with it. Who may not remove a folder cannot have it removed by giving it
/// such a name, nor hide anything in such a copy.
#[test]
fn names_of_copies() {
    let world = World::of(&[]);
    let rights = "[\"list\", \"download\", \"upload\", \"mkdir\", \"rename\"]";
    let bo = section("bo", "\"full\"", "bo");
    world.set_users(&format!("[anonymous]\nenabled = false\n{bo}[folders.sh]\naccess = {{ bo = {rights} }}\n"));
    let shared = world.home("sh");
    let copy = ".dst.0123456789abcdef.sealift-copy";
    fs::create_dir_all(shared.join("important")).unwrap();
    fs::write(shared.join("important/only-copy"), "precious").unwrap();
    fs::write(shared.join("file"), "text").unwrap();
    let daemon = world.start();
    let mut bo = enter(&daemon, "bo");
    let untouched = |what: &str| {
        assert_eq!(fs::read(shared.join("important/only-copy")).unwrap(), b"precious", "{what}");
        assert!(!shared.join(copy).join("x").exists(), "{what}");
    };
    // There is none, and then there is one that somebody else makes.
    for is_there in [false, true] {
        if is_there {
            fs::create_dir(shared.join(copy)).unwrap();
        }
        for line in [
            format!("RENAME sh/important sh/{copy}"),
            format!("RENAME sh/important sh/{copy}/x"),
            format!("RENAME sh/file sh/{copy}/x"),
            format!("MKDIR sh/{copy}/x"),
            format!("COPY sh/file sh/{copy}/x"),
        ] {
            assert_eq!(word(&mut bo, &line), "bad-path", "{line}");
            untouched(&line);
        }
        bo.send(format!("UPLOAD sh/{copy}/x\r\n"));
        bo.send([&frames_of(b"text")[..], &END, Hash::of(b"text").as_bytes()].concat());
        assert_eq!(final_reply(&mut bo).1, "bad-path");
        let destination = format!("Destination: /~bo/sh/{copy}/x");
        for (method, headers, path) in [
            ("MOVE", vec![destination.as_str()], "/~bo/sh/important".to_owned()),
            ("COPY", vec![destination.as_str()], "/~bo/sh/important".to_owned()),
            ("MKCOL", vec![], format!("/~bo/sh/{copy}/x")),
            ("PUT", vec![], format!("/~bo/sh/{copy}/x")),
        ] {
            let got = ask(&daemon, "bo", method, &headers, if method == "PUT" { "text" } else { "" }, &path);
            assert!((400..500).contains(&got.status), "{method}: {got:?}");
            untouched(method);
        }
    }
    // A copy of a folder leaves them out, whether it grows in its place, as his does, or beside it.
    fs::create_dir_all(shared.join("site/sub")).unwrap();
    for path in [format!("site/sub/{copy}"), format!("site/{copy}")] {
        fs::create_dir(shared.join(&path)).unwrap();
        fs::write(shared.join(path).join("half"), "ha").unwrap();
    }
    fs::write(shared.join("site/sub/page"), "text").unwrap();
    fs::write(shared.join("site/.x.sealift-copy"), "a name of somebody's").unwrap();
    for (to, copied) in [("sh/copied", shared.join("copied")), ("own", world.home("bo").join("own"))] {
        let got = ask(&daemon, "bo", "COPY", &[&format!("Destination: /~bo/{to}")], "", "/~bo/sh/site");
        assert_eq!(got.status, 201, "{got:?}");
        assert_eq!(fs::read(copied.join("sub/page")).unwrap(), b"text");
        assert!(copied.join(".x.sealift-copy").exists());
        assert!(!copied.join(copy).exists() && !copied.join("sub").join(copy).exists(), "{to}");
    }
    // What a killed server may leave can still be looked at, named anew and removed.
    assert_eq!(bo.ask(format!("RENAME sh/{copy} sh/found")).0, 250);
}
