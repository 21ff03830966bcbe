//! Links that files are put in by.

use std::fs;

use crate::common::web::{Got, RawWeb, curl};
use crate::common::{RawClient, World, enter, eventually, staged};

use super::{VERSIONS, noise};

/// Has alice make a link, and says where it is.
fn link(client: &mut RawClient, arguments: &str) -> String {
    let (_, word, fields) = client.ask(format!("LINK {arguments}"));
    assert_eq!(word, "linked", "{arguments}");
    format!("/.sealift-web/l/{}/", fields["secret"])
}

const BROWSER: [&str; 4] = ["-H", "Accept: text/html", "-H", "Sec-Fetch-Site: none"];

/// So many files came by a link, with so many bytes, as its maker is told.
fn came(client: &mut RawClient) -> (String, String) {
    client.line("LINKS");
    let (_, word, fields) = client.reply();
    assert_eq!(word, "link");
    assert_eq!(client.reply().1, "done");
    (fields["came-files"].clone(), fields["came"].clone())
}

#[track_caller]
fn is_kept_from_all(got: &Got) {
    assert_eq!(got.header("cache-control"), "no-store");
    assert_eq!(got.header("referrer-policy"), "no-referrer");
    assert!(got.header("x-robots-tag").contains("noindex"), "{got:?}");
}

#[test]
fn files_are_put_in_whole_and_numbered_and_nothing_is_shown() {
    let world = World::of(&["alice"]);
    let inbox = world.home("alice").join("inbox");
    fs::create_dir(&inbox).unwrap();
    fs::write(inbox.join("report.pdf"), "alice's own").unwrap();
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let url = link(&mut client, "inbox drop=yes size=2000000 files=9 name=box");
    let bytes = noise(300_000);
    let file = world.place().join("report.pdf");
    fs::write(&file, &bytes).unwrap();
    for (n, version) in (2..).zip(VERSIONS) {
        let page = curl(&daemon, &[&BROWSER[..], &[version]].concat(), &url);
        assert!(page.text().contains("type=\"file\"") && !page.text().contains("report"), "{}", page.text());
        is_kept_from_all(&page);
        assert!(curl(&daemon, &[version], &url).text().contains("curl -fT FILE"));
        let put = curl(&daemon, &[version, "-T", file.to_str().unwrap(), "-H", "X-OC-Mtime: 1000000000"], &url);
        assert!(put.status == 201 && !put.text().contains("report"), "{put:?}");
        is_kept_from_all(&put);
        let stored = inbox.join(format!("report-{n}.pdf"));
        assert!(fs::read(&stored).unwrap() == bytes);
        let modified = fs::metadata(&stored).unwrap().modified().unwrap();
        assert_eq!(modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), 1_000_000_000);
    }
    assert_eq!(fs::read_to_string(inbox.join("report.pdf")).unwrap(), "alice's own");
    // Its maker is told what came and as what, and by which link.
    assert_eq!(came(&mut client), ("2".to_owned(), "600000".to_owned()));
    daemon.log_with(&["alice/box", "inbox/report-2.pdf"]);
    // A digest that is wrong, and a file whose length nobody knows.
    let wrong =
        ["-T", file.to_str().unwrap(), "-H", "Repr-Digest: sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"];
    assert_eq!(curl(&daemon, &wrong, &url).status, 400);
    let chunked = ["--http1.1", "-T", file.to_str().unwrap(), "-H", "Transfer-Encoding: chunked"];
    assert_eq!(curl(&daemon, &chunked, &url).status, 411);
    eventually("what did not come gives its room back", || came(&mut client).0 == "2");
    assert_eq!(fs::read_dir(&inbox).unwrap().count(), 3);
    assert!(staged(&world.home("alice")).is_empty());
}

#[test]
fn a_form_brings_several_files_without_a_script() {
    let world = World::of(&["alice"]);
    let inbox = world.home("alice").join("inbox");
    fs::create_dir(&inbox).unwrap();
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let url = link(&mut client, "inbox drop=yes size=10000000 files=4");
    let bytes = noise(3_000_000);
    for (name, content) in [("large.bin", &bytes[..]), ("two ü.txt", b"two\r\n--"), ("empty", b"")] {
        fs::write(world.place().join(name), content).unwrap();
    }
    let part = |name: &str| format!("files=@{}", world.place().join(name).display());
    let (large, two, empty) = (part("large.bin"), part("two ü.txt"), part("empty"));
    let ours = ["-H", "Sec-Fetch-Site: same-origin", "-H", "Accept: text/html"];
    let form = [&ours[..], &["-F", &large, "-F", "note=hello", "-F", &two, "-F", &empty]].concat();
    let sent = curl(&daemon, &form, &url);
    assert!(sent.status == 201 && sent.text().contains("3 files stored"), "{}", sent.text());
    assert!(fs::read(inbox.join("large.bin")).unwrap() == bytes);
    assert_eq!(fs::read(inbox.join("two ü.txt")).unwrap(), b"two\r\n--");
    assert_eq!(fs::read(inbox.join("empty")).unwrap(), b"");
    assert_eq!(fs::read_dir(&inbox).unwrap().count(), 3);
    eventually("all of the form but the files is given back", || {
        came(&mut client) == ("3".to_owned(), "3000007".to_owned())
    });
    // None was chosen; and one more than there is room for.
    let none = curl(&daemon, &[&ours[..], &["-F", "files=;filename="]].concat(), &url);
    assert!(none.status == 200 && none.text().contains("No file was chosen"), "{}", none.text());
    let over = curl(&daemon, &["-F", &two, "-F", &empty], &url);
    let told = over.text();
    assert!(
        over.status == 507 && told.contains("1 file stored whole, 1 not: empty: this link takes no more"),
        "{told}"
    );
    assert_eq!(fs::read_dir(&inbox).unwrap().count(), 4);
}

#[test]
fn of_a_form_each_file_is_answered_for_itself() {
    let world = World::of(&["alice"]);
    let inbox = world.home("alice").join("inbox");
    fs::create_dir(&inbox).unwrap();
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let url = link(&mut client, "inbox drop=yes size=2000000 files=3");
    let large = world.place().join("large.bin");
    fs::write(&large, noise(700_000)).unwrap();
    let part = |name: &str| format!("files=@{};filename=\"{name}\"", large.display());
    let (good, hidden, long, last) = (part("good.bin"), part(".hidden"), part(&"x".repeat(300)), part("last.bin"));
    let form = ["-F", &hidden, "-F", &good, "-F", &long];
    let told = curl(&daemon, &form, &url);
    assert_eq!(told.status, 507, "all of it is too much: {told:?}");
    let told = curl(&daemon, &["-F", &hidden, "-F", &good], &url);
    let text = told.text();
    assert!(told.status == 400 && text.contains("1 file stored whole, 1 not: .hidden: hidden files"), "{text}");
    assert!(fs::read(inbox.join("good.bin")).unwrap() == noise(700_000));
    // A page says it, too, and has names as text.
    let odd = part("<img src=x onerror=alert(1)>/.x");
    let small = world.place().join("b");
    fs::write(&small, "b").unwrap();
    let small = format!("files=@{}", small.display());
    let page = curl(&daemon, &[&BROWSER[..], &["-F", &odd, "-F", &small]].concat(), &url);
    let text = page.text();
    assert!(page.status == 400 && text.contains("1 file not stored") && text.contains(".x"), "{text}");
    assert!(!text.contains("<img"), "{text}");
    // Nothing of it is there: that is what is answered.
    let none = curl(&daemon, &["-F", &hidden], &url);
    assert!(none.status == 400 && none.text().contains("hidden files"), "{none:?}");
    // The form itself breaks off behind a file that is whole.
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    let body = "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"whole\"\r\n\r\nmine\r\n--Bxy";
    let head = "Content-Type: multipart/form-data; boundary=B\r\nConnection: close";
    web.send(format!("POST {url} HTTP/1.1\r\nHost: x\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let answer = web.answer().unwrap();
    let text = answer.text();
    assert!(answer.status == 400 && text.contains("1 file stored whole, 1 not: The rest: the form"), "{text}");
    assert_eq!(fs::read_to_string(inbox.join("whole")).unwrap(), "mine");
    eventually("what is not there takes no room", || came(&mut client) == ("3".to_owned(), "700005".to_owned()));
    assert_eq!(curl(&daemon, &["-F", &last], &url).status, 507);
    assert_eq!(fs::read_dir(&inbox).unwrap().count(), 3);
    assert!(staged(&world.home("alice")).is_empty());
}

#[test]
fn what_a_link_takes_is_told_to_programs_and_nothing_of_what_came() {
    let world = World::of(&["alice"]);
    fs::create_dir(world.home("alice").join("inbox")).unwrap();
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let url = link(&mut client, "inbox drop=yes size=2000000 files=9");
    let json = || curl(&daemon, &[], &format!("{url}?json"));
    let before = json();
    assert_eq!((before.status, before.header("content-type")), (200, "application/json"));
    let object: serde_json::Value = serde_json::from_str(&before.text()).unwrap();
    assert_eq!(object, serde_json::json!({"kind": "drop", "max_bytes": 2_000_000, "max_files": 9}));
    is_kept_from_all(&before);
    assert_eq!(curl(&daemon, &["-X", "PUT", "--data-binary", "x"], &format!("{url}f")).status, 201);
    assert_eq!(json().text(), before.text());
}

#[test]
fn bounds_of_size_and_number_hold_and_a_password_is_asked_for() {
    let world = World::of(&["alice"]);
    let inbox = world.home("alice").join("inbox");
    fs::create_dir(&inbox).unwrap();
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let url = link(&mut client, "inbox drop=yes size=1000 files=3 password=open%20sesame");
    let send = |size: usize, more: &[&str]| {
        let file = world.place().join("some");
        fs::write(&file, noise(size)).unwrap();
        curl(&daemon, &[&["-T", file.to_str().unwrap()], more].concat(), &url)
    };
    let key = ["-u", ":open sesame"];
    assert_eq!(send(10, &[]).status, 401);
    assert_eq!(send(10, &["-u", ":other"]).status, 401);
    assert!(curl(&daemon, &BROWSER, &url).text().contains("type=\"password\""));
    assert_eq!(send(1001, &key).status, 507);
    assert_eq!(send(900, &key).status, 201);
    assert_eq!(send(101, &key).status, 507);
    assert_eq!(send(100, &key).status, 201);
    assert_eq!(send(1, &key).status, 507);
    assert_eq!(send(0, &key).status, 201);
    assert_eq!(send(0, &key).status, 507, "three files came");
    // What it says then is what it says of a full disk or quota, and no number is in it.
    assert!(!send(1, &key).text().contains("1000"));
    assert_eq!(came(&mut client), ("3".to_owned(), "1000".to_owned()));
    // A server that starts again knows it too.
    drop(client);
    daemon.stop();
    let again = world.start();
    let file = world.place().join("some");
    let got = curl(&again, &["-u", ":open sesame", "-T", file.to_str().unwrap()], &url);
    assert_eq!(got.status, 507);
}

#[test]
fn an_upload_by_a_link_is_gone_on_with_and_given_up() {
    let world = World::of(&["alice"]);
    let inbox = world.home("alice").join("inbox");
    fs::create_dir(&inbox).unwrap();
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let url = link(&mut client, "inbox drop=yes size=1000000 files=1");
    let begin = || {
        let begin = ["-X", "PUT", "-H", "Upload-Complete: ?0", "-H", "Upload-Length: 700000"];
        curl(&daemon, &begin, &format!("{url}f.bin"))
    };
    let bytes = noise(700_000);
    let begun = begin();
    assert_eq!(begun.status, 201, "{begun:?}");
    let at = begun.header("location").to_owned();
    assert!(at.starts_with(&url) && !at.contains("f.bin"), "{at}");
    assert_eq!(begin().status, 507, "its room is taken");
    let append = |from: usize, to: usize, is_last: bool| {
        let part = world.place().join("part");
        fs::write(&part, &bytes[from..to]).unwrap();
        let complete = if is_last { "Upload-Complete: ?1" } else { "Upload-Complete: ?0" };
        let (offset, data) = (format!("Upload-Offset: {from}"), format!("@{}", part.display()));
        let kind = "Content-Type: application/partial-upload";
        curl(&daemon, &["-X", "PATCH", "-H", kind, "-H", complete, "-H", &offset, "--data-binary", &data], &at)
    };
    assert_eq!(append(0, 300_000, false).status, 204);
    let head = curl(&daemon, &["--head"], &at);
    assert_eq!((head.status, head.header("upload-offset")), (204, "300000"));
    assert_eq!(append(400_000, 700_000, true).status, 409);
    assert!(fs::read_dir(&inbox).unwrap().next().is_none());
    // Given up, its room is free, and nothing is left.
    assert_eq!(curl(&daemon, &["-X", "DELETE"], &at).status, 204);
    assert_eq!(curl(&daemon, &["--head"], &at).status, 404);
    eventually("its room is free", || came(&mut client).0 == "0");
    let at = begin().header("location").to_owned();
    let all = world.place().join("all");
    fs::write(&all, &bytes).unwrap();
    let data = format!("@{}", all.display());
    let kind = "Content-Type: application/partial-upload";
    let whole =
        ["-X", "PATCH", "-H", kind, "-H", "Upload-Complete: ?1", "-H", "Upload-Offset: 0", "--data-binary", &data];
    assert_eq!(curl(&daemon, &whole, &at).status, 201);
    assert_eq!(curl(&daemon, &["--head"], &at).header("upload-complete"), "?1", "it is known to be there");
    assert!(fs::read(inbox.join("f.bin")).unwrap() == bytes);
    assert_eq!(came(&mut client), ("1".to_owned(), "700000".to_owned()));
}

#[test]
fn a_link_that_is_removed_ends_an_upload_in_the_middle() {
    let world = World::of(&["alice"]);
    let inbox = world.home("alice").join("inbox");
    fs::create_dir(&inbox).unwrap();
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let url = link(&mut client, "inbox drop=yes name=box");
    let begun = curl(
        &daemon,
        &["-X", "PUT", "-H", "Upload-Complete: ?0", "-H", "Upload-Length: 1000"],
        &format!("{url}later.bin"),
    );
    let at = begun.header("location").to_owned();
    let mut sending = RawWeb::connect(&daemon, &["http/1.1"]);
    sending.send(format!("PUT {url}f.bin HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"));
    sending.send(noise(1_000_000));
    eventually("both have begun", || came(&mut client).0 == "2");
    assert_eq!(client.ask("UNLINK box").1, "removed");
    sending.send(noise(2_000_000));
    if let Some(answer) = sending.answer() {
        assert_eq!(answer.status, 404, "{answer:?}");
    }
    eventually("nothing is left of it", || staged(&world.home("alice")).is_empty());
    assert!(fs::read_dir(&inbox).unwrap().next().is_none());
    assert_eq!(curl(&daemon, &["--head"], &at).status, 404);
    assert_eq!(curl(&daemon, &BROWSER, &url).status, 404);
}
