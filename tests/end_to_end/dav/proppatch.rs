//! Properties that clients give files.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, UNIX_EPOCH};

use super::{ask, between};
use crate::common::{Daemon, World, enter};

fn patch(daemon: &Daemon, inside: &str, path: &str) -> String {
    let xml =
        format!("<D:propertyupdate xmlns:D='DAV:' xmlns:Z='urn:schemas-microsoft-com:'>{inside}</D:propertyupdate>");
    let got = ask(daemon, "alice", "PROPPATCH", &[], &xml, path);
    assert_eq!(got.status, 207, "{got:?}");
    got.text()
}

fn all(daemon: &Daemon, path: &str) -> String {
    ask(daemon, "alice", "PROPFIND", &["Depth: 0"], "", path).text()
}

#[test]
fn windows_gives_a_file_its_time_and_what_is_recorded_of_it_stays() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    assert_eq!(enter(&daemon, "alice").upload("large", &vec![7; 2_000_000]).0, 226);
    let tag = between(&all(&daemon, "/~alice/large"), "<D:getetag>", "<")[0].to_owned();
    assert!(tag.starts_with("&quot;"), "{tag}");
    let said = patch(
        &daemon,
        "<D:set><D:prop><Z:Win32LastModifiedTime>Sun, 09 Sep 2001 01:46:40 GMT</Z:Win32LastModifiedTime>\
         <Z:Win32FileAttributes>00000020</Z:Win32FileAttributes></D:prop></D:set>",
        "/~alice/large",
    );
    assert_eq!(said.matches("200 OK").count(), 2, "{said}");
    let modified = fs::metadata(world.home("alice").join("large")).unwrap().modified().unwrap();
    assert_eq!(modified, UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    let now = all(&daemon, "/~alice/large");
    assert_eq!(between(&now, "<D:getlastmodified>", "<"), ["Sun, 09 Sep 2001 01:46:40 GMT"]);
    assert_eq!(between(&now, "<D:getetag>", "<"), [&*tag], "the bytes are the same");
}

#[test]
fn what_a_client_keeps_with_a_file_goes_where_it_goes_and_touches_nothing_of_it() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let home = world.home("alice");
    fs::create_dir(home.join("d")).unwrap();
    fs::write(home.join("d/f"), "content").unwrap();
    let before = fs::metadata(home.join("d/f")).unwrap();
    patch(&daemon, "<D:set><D:prop><x xmlns='u'>a<b/>&lt;</x></D:prop></D:set>", "/~alice/d/f");
    patch(&daemon, "<D:set><D:prop><y xmlns='u'>1</y></D:prop></D:set>", "/~alice/d/");
    let after = fs::metadata(home.join("d/f")).unwrap();
    assert_eq!((before.modified().unwrap(), before.len()), (after.modified().unwrap(), after.len()));
    let kept = "<x xmlns=\"u\">a<b xmlns=\"u\"></b>&lt;</x>";
    assert!(all(&daemon, "/~alice/d/f").contains(kept), "{}", all(&daemon, "/~alice/d/f"));
    assert_eq!(enter(&daemon, "alice").ask("RENAME d/f g").0, 250);
    assert!(all(&daemon, "/~alice/g").contains(kept));
    assert!(all(&daemon, "/~alice/d/").contains("<y xmlns=\"u\">1</y>"));
    patch(&daemon, "<D:remove><D:prop><x xmlns='u'/></D:prop></D:remove>", "/~alice/g");
    assert!(!all(&daemon, "/~alice/g").contains("<x xmlns=\"u\""));
}

#[test]
fn all_of_a_request_is_done_or_nothing_and_only_by_who_may_write() {
    let world = World::with(&[("alice", "\"full\"", "alice"), ("reader", "\"read\"", "alice")]);
    let daemon = world.start();
    fs::write(world.home("alice").join("f"), "x").unwrap();
    let said =
        patch(&daemon, "<D:set><D:prop><x xmlns='u'>1</x><D:getetag>y</D:getetag></D:prop></D:set>", "/~alice/f");
    assert!(
        said.contains("403 Forbidden") && said.contains("424 Failed Dependency") && !said.contains("200"),
        "{said}"
    );
    assert!(!all(&daemon, "/~alice/f").contains("<x xmlns=\"u\""));
    let large = format!("<D:set><D:prop><x xmlns='u'>{}</x></D:prop></D:set>", "1".repeat(5000));
    assert!(patch(&daemon, &large, "/~alice/f").contains("507 Insufficient Storage"));
    // Also of a time, wherever it is said.
    let time = "<D:set><D:prop><D:getlastmodified>Sun, 09 Sep 2001 01:46:40 GMT</D:getlastmodified></D:prop></D:set>";
    let times = || {
        fs::metadata(world.home("alice").join("f")).map(|meta| (meta.mtime(), meta.ctime(), meta.ctime_nsec())).unwrap()
    };
    let before = times();
    for inside in [format!("{time}{large}"), format!("{large}{time}")] {
        let said = patch(&daemon, &inside, "/~alice/f");
        assert!(said.contains("507 Insufficient") && said.contains("424 Failed") && !said.contains("200"), "{said}");
        assert_eq!(
            times(),
            before,
            "it was not set and set back: a file that came meanwhile would have got the old time"
        );
    }
    let xml = "<propertyupdate xmlns='DAV:'><set><prop><x xmlns='u'>1</x></prop></set></propertyupdate>";
    assert_eq!(ask(&daemon, "reader", "PROPPATCH", &[], xml, "/~reader/f").status, 403);
    assert_eq!(ask(&daemon, "alice", "PROPPATCH", &[], xml, "/~alice/nothing").status, 404);
    assert_eq!(ask(&daemon, "alice", "PROPPATCH", &[], "<x/>", "/~alice/f").status, 400);
}

#[test]
fn what_is_kept_with_a_file_stays_when_its_bytes_change_and_comes_with_copies() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let home = world.home("alice");
    fs::create_dir_all(home.join("d/e")).unwrap();
    for file in ["f", "other", "d/e/f", "large"] {
        fs::write(home.join(file), "content").unwrap();
    }
    let keep = |value: &str, path: &str| {
        patch(&daemon, &format!("<D:set><D:prop><x xmlns='u'>{value}</x></D:prop></D:set>"), path);
    };
    let is_kept = |value: &str, path: &str| all(&daemon, path).contains(&format!("<x xmlns=\"u\">{value}</x>"));
    for (value, path) in
        [("1", "/~alice/f"), ("2", "/~alice/other"), ("3", "/~alice/d/"), ("4", "/~alice/d/e/"), ("5", "/~alice/d/e/f")]
    {
        keep(value, path);
    }
    // However another content comes: by HTTP, in parts or not, and by sealift/1.
    let put = |headers: &[&str], body: &str, path: &str| ask(&daemon, "alice", "PUT", headers, body, path).status;
    assert_eq!(put(&[], "new", "/~alice/f"), 204);
    assert!(is_kept("1", "/~alice/f"));
    let tag = between(&all(&daemon, "/~alice/f"), "<D:getetag>", "<")[0].replace("&quot;", "\"");
    assert_eq!(put(&[&format!("If-Match: {tag}")], "newer", "/~alice/f"), 204);
    assert!(is_kept("1", "/~alice/f"));
    assert_eq!(enter(&daemon, "alice").upload("f", &vec![7; 2_000_000]).0, 226);
    assert!(is_kept("1", "/~alice/f"));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o444);
    fs::set_permissions(home.join("f"), mode).unwrap();
    assert_eq!(put(&[], "read-only", "/~alice/f"), 204);
    assert!(is_kept("1", "/~alice/f") && fs::metadata(home.join("f")).unwrap().permissions().readonly());
    // A copy is like what it is a copy of, also in the place of another file, and has its own from then on.
    let copy = |from: &str, to: &str| {
        let destination = format!("Destination: https://127.0.0.1:{}{to}", daemon.port());
        ask(&daemon, "alice", "COPY", &[&destination], "", from).status
    };
    assert_eq!(copy("/~alice/f", "/~alice/g"), 201);
    assert_eq!(copy("/~alice/f", "/~alice/other"), 204);
    assert!(is_kept("1", "/~alice/g") && is_kept("1", "/~alice/other"));
    keep("6", "/~alice/g");
    assert!(is_kept("1", "/~alice/f") && is_kept("6", "/~alice/g"));
    assert_eq!(copy("/~alice/d/", "/~alice/c/"), 201);
    assert!(is_kept("3", "/~alice/c/") && is_kept("4", "/~alice/c/e/") && is_kept("5", "/~alice/c/e/f"));
    assert_eq!(enter(&daemon, "alice").ask("COPY f h").0, 226);
    assert!(is_kept("1", "/~alice/h"));
    // What nothing is kept with takes the place of what something was kept with: a copy of it keeps nothing.
    assert_eq!(copy("/~alice/large", "/~alice/h"), 204);
    assert!(!all(&daemon, "/~alice/h").contains("xmlns=\"u\""));
    // And what is gone is gone.
    assert_eq!(ask(&daemon, "alice", "DELETE", &[], "", "/~alice/g").status, 204);
    assert_eq!(put(&[], "new", "/~alice/g"), 201);
    assert!(!all(&daemon, "/~alice/g").contains("xmlns=\"u\""));
}
