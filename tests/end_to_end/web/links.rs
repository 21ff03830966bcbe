//! Links: what somebody without an account gets by a URL.

use std::fs;
use std::io::Read as _;
use std::process::Stdio;

use crate::common::web::{Got, curl, curl_command};
use crate::common::{Daemon, RawClient, World, enter, eventually};

use super::{VERSIONS, noise};

/// Has alice make a link, and says where it is.
fn link(client: &mut RawClient, arguments: &str) -> String {
    let (_, word, fields) = client.ask(format!("LINK {arguments}"));
    assert_eq!(word, "linked", "{arguments}");
    format!("/.sealift-web/l/{}/", fields["secret"])
}

const BROWSER: [&str; 4] = ["-H", "Accept: text/html", "-H", "Sec-Fetch-Site: none"];

#[track_caller]
fn is_kept_from_all(got: &Got) {
    assert_eq!(got.header("cache-control"), "no-store");
    assert_eq!(got.header("referrer-policy"), "no-referrer");
    assert!(got.header("x-robots-tag").contains("noindex"), "{got:?}");
}

#[test]
fn a_file_is_had_by_a_link_with_ranges_and_conditions_and_shown_to_people_first() {
    let world = World::of(&["alice"]);
    let bytes = noise(3_000_000);
    fs::write(world.home("alice").join("räport.pdf"), &bytes).unwrap();
    fs::write(world.home("alice").join("other"), "other").unwrap();
    let daemon = world.start();
    let url = link(&mut enter(&daemon, "alice"), "r%C3%A4port.pdf name=the%20report");
    let secret = url.split('/').rev().nth(1).unwrap().to_owned();
    for version in VERSIONS {
        let whole = curl(&daemon, &[version], &url);
        assert!(whole.status == 200 && whole.body == bytes);
        assert!(whole.header("content-disposition").contains("r%C3%A4port%2Epdf"), "{whole:?}");
        is_kept_from_all(&whole);
        let named = format!("{url}r%C3%A4port.pdf");
        let part = curl(&daemon, &[version, "-r", "10-19"], &named);
        assert!(part.status == 206 && part.body == bytes[10..20]);
        let head = curl(&daemon, &[version, "--head"], &named);
        assert_eq!((head.status, head.header("content-length")), (200, "3000000"));
        // What all of it was read for may have become its tag since.
        let tag = format!("If-None-Match: {}", head.header("etag"));
        assert_eq!(curl(&daemon, &[version, "-H", &tag], &named).status, 304);
        let page = curl(&daemon, &[&BROWSER[..], &[version]].concat(), &url);
        assert!(page.text().contains("<h1>räport.pdf</h1>") && page.text().contains("?download"), "{}", page.text());
        assert!(!page.text().contains("Log in"), "it is no part of anybody's login");
        is_kept_from_all(&page);
        let bare = curl(&daemon, &[version], url.trim_end_matches('/'));
        assert_eq!((bare.status, bare.header("location")), (301, url.as_str()));
        assert_eq!(curl(&daemon, &[version], &format!("{url}other")).status, 404);
        assert_eq!(curl(&daemon, &[version, "-X", "DELETE"], &named).status, 405);
        let missing = curl(&daemon, &[version], &format!("/.sealift-web/l/{}/", "x".repeat(43)));
        assert_eq!(missing.status, 404);
        is_kept_from_all(&missing);
    }
    let log = daemon.log_with(&["link made", "alice/the report"]);
    assert!(!log.contains(&secret), "{log}");
}

#[test]
fn a_folder_is_had_by_a_link_as_a_page_as_text_and_as_an_archive() {
    let world = World::of(&["alice"]);
    let folder = world.home("alice").join("photos");
    fs::create_dir_all(folder.join("sub/deep")).unwrap();
    fs::write(folder.join("boat.txt"), "a boat").unwrap();
    fs::write(folder.join("sub/deep/<b>.txt"), "deep").unwrap();
    let daemon = world.start();
    let url = link(&mut enter(&daemon, "alice"), "photos");
    let page = curl(&daemon, &BROWSER, &url);
    assert!(page.text().contains("<h1>photos</h1>") && page.text().contains("boat.txt"), "{}", page.text());
    assert!(!page.text().contains("Upload") && !page.text().contains("Log in"), "{}", page.text());
    is_kept_from_all(&page);
    let below = curl(&daemon, &BROWSER, &format!("{url}sub/deep/"));
    assert!(below.text().contains("&lt;b&gt;.txt") && below.text().contains(&format!("href=\"{url}\"")));
    assert!(curl(&daemon, &[], &url).text().contains("boat.txt\n"));
    assert_eq!(curl(&daemon, &[], &format!("{url}boat.txt")).text(), "a boat");
    let zip = curl(&daemon, &[], &format!("{url}?zip"));
    assert!(zip.header("content-disposition").contains("photos.zip") && zip.body.starts_with(b"PK"), "{zip:?}");
    // What is put there later is there too: a link is to the folder and not to a copy of it.
    fs::write(folder.join("later"), "later").unwrap();
    assert_eq!(curl(&daemon, &[], &format!("{url}later")).text(), "later");
}

#[test]
fn a_link_with_a_password_asks_for_it_by_a_form_and_takes_it_from_curl() {
    let world = World::of(&["alice"]);
    fs::write(world.home("alice").join("plans"), "the plans").unwrap();
    let daemon = world.start();
    let url = link(&mut enter(&daemon, "alice"), "plans password=open%20sesame");
    let asked = curl(&daemon, &BROWSER, &url);
    assert!(asked.status == 401 && asked.text().contains("type=\"password\"") && !asked.text().contains("the plans"));
    assert!(!asked.headers.contains_key("www-authenticate"), "no window of the browser's own");
    let asked = curl(&daemon, &[], &url);
    assert!(asked.status == 401 && asked.header("www-authenticate").starts_with("Basic"));
    assert!(!daemon.log().contains("login refused"), "to be asked is no login that failed");
    assert_eq!(curl(&daemon, &["-u", "any:open sesame"], &url).text(), "the plans");
    assert_eq!(curl(&daemon, &["-u", ":open sesame"], &url).text(), "the plans");
    assert_eq!(curl(&daemon, &["-u", ":open"], &url).status, 401);
    let ours = ["-H", "Sec-Fetch-Site: same-origin", "-H", "Accept: text/html"];
    let post = |password: &str| {
        let field = format!("password={password}");
        curl(&daemon, &[&ours[..], &["--data-urlencode", &field]].concat(), &url)
    };
    assert!(post("wrong").status == 401 && post("wrong").text().contains("not the password"));
    let opened = post("open sesame");
    assert_eq!((opened.status, opened.header("location")), (303, url.as_str()));
    let set = opened.header("set-cookie").to_owned();
    assert!(set.ends_with(&format!("Path={url}; Secure; HttpOnly; SameSite=Lax")), "{set}");
    let cookie = format!("Cookie: {}", set.split(';').next().unwrap());
    let file = format!("{url}plans");
    assert_eq!(curl(&daemon, &["-H", &cookie], &file).text(), "the plans");
    // It is of no use for another link.
    let other = link(&mut enter(&daemon, "alice"), "plans name=other password=another%20one");
    assert_eq!(curl(&daemon, &["-H", &cookie], &other).status, 401);
    assert!(!daemon.log().contains("sesame"));
    // What takes none is open without a cookie, whatever is sent.
    let open = link(&mut enter(&daemon, "alice"), "plans name=open");
    let sent = curl(&daemon, &[&ours[..], &["--data-urlencode", "password=any"]].concat(), &open);
    assert!(sent.status == 303 && !sent.headers.contains_key("set-cookie"), "{sent:?}");
}

/// How many downloads a link has.
fn downloaded(client: &mut RawClient) -> u32 {
    client.line("LINKS");
    let (_, word, fields) = client.reply();
    assert_eq!(word, "link");
    assert_eq!(client.reply().1, "done");
    fields["downloaded"].parse().unwrap()
}

#[test]
fn downloads_that_are_finished_count_and_those_that_break_off_give_their_place_back() {
    let world = World::of(&["alice"]);
    let bytes = noise(40_000_000);
    fs::write(world.home("alice").join("big"), &bytes).unwrap();
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let url = link(&mut client, "big downloads=2");
    let file = format!("{url}big");
    // Looking at it is no download.
    curl(&daemon, &BROWSER, &url);
    assert!(curl(&daemon, &[], &url).text().contains("big\n"));
    assert_eq!(curl(&daemon, &["--head"], &file).status, 200);
    assert_eq!(downloaded(&mut client), 0);
    // One that is broken off.
    let mut broken = curl_command(&daemon, &["--limit-rate", "1M"], &file).stdout(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 1000];
    broken.stdout.as_mut().unwrap().read_exact(&mut some).unwrap();
    assert_eq!(downloaded(&mut client), 1, "its place was taken before its first byte was sent");
    broken.kill().unwrap();
    broken.wait().unwrap();
    eventually("it gave its place back", || downloaded(&mut client) == 0);
    // Ranges of one download take one place, side by side or one after the other, the last byte among them.
    for range in ["0-999", "1000-19999999", "20000000-39999999", "39999000-"] {
        let got = curl(&daemon, &["-r", range], &file);
        assert_eq!(got.status, 206, "{range}");
    }
    eventually("they are one", || downloaded(&mut client) == 1);
    assert!(curl(&daemon, &[], &file).body == bytes);
    eventually("and that is the second", || downloaded(&mut client) == 2);
    let gone = curl(&daemon, &[], &file);
    assert_eq!(gone.status, 404);
    // A server that starts again knows it too.
    drop(client);
    daemon.stop();
    let again: Daemon = world.start();
    assert_eq!(curl(&again, &[], &file).status, 404);
    assert_eq!(curl(&again, &BROWSER, &url).status, 404, "nothing is left to look at");
    assert_eq!(downloaded(&mut enter(&again, "alice")), 2);
}

#[test]
fn whoever_took_the_last_download_gets_the_rest_of_it() {
    let world = World::of(&["alice"]);
    let bytes = noise(3_000_000);
    fs::write(world.home("alice").join("big"), &bytes).unwrap();
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let url = link(&mut client, "big downloads=1");
    let file = format!("{url}big");
    // The last byte first: from here on it is used up for everybody else.
    assert_eq!(curl(&daemon, &["-r", "2000000-"], &file).status, 206);
    assert_eq!(downloaded(&mut client), 1);
    for (range, from) in [("0-999999", 0), ("1000000-1999999", 1_000_000), ("500000-1499999", 500_000)] {
        let got = curl(&daemon, &["-r", range], &file);
        assert!(got.status == 206 && got.body == bytes[from..from + 1_000_000], "{range}: {}", got.status);
    }
    assert_eq!(curl(&daemon, &["--head"], &file).status, 200);
    assert_eq!(curl(&daemon, &[], &file).status, 404, "all of it once more is another download");
    drop(client);
    daemon.stop();
    let again = world.start();
    for _ in 0..3 {
        assert_eq!(curl(&again, &["-r", "0-9"], &file).status, 404);
    }
    assert!(!again.log().contains("login refused"), "what is used up is no login that failed");
}

#[test]
fn a_file_without_bytes_counts_as_a_download() {
    let world = World::of(&["alice"]);
    fs::write(world.home("alice").join("empty"), "").unwrap();
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let file = format!("{}empty", link(&mut client, "empty downloads=2"));
    for (n, version) in (1..).zip(["--http1.1", "--http2"]) {
        assert_eq!(curl(&daemon, &[version], &file).status, 200, "{version}");
        eventually("it counts", || downloaded(&mut client) == n);
    }
    assert_eq!(curl(&daemon, &[], &file).status, 404);
}
