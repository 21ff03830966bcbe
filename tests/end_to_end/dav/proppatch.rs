//! Properties that clients give files.

use std::fs;
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
    let xml = "<propertyupdate xmlns='DAV:'><set><prop><x xmlns='u'>1</x></prop></set></propertyupdate>";
    assert_eq!(ask(&daemon, "reader", "PROPPATCH", &[], xml, "/~reader/f").status, 403);
    assert_eq!(ask(&daemon, "alice", "PROPPATCH", &[], xml, "/~alice/nothing").status, 404);
    assert_eq!(ask(&daemon, "alice", "PROPPATCH", &[], "<x/>", "/~alice/f").status, 400);
}
