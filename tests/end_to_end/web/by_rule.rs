//! What the page shows where a user may bring things and not look, or look and not open them.

use std::fs;

use super::browser::{HEAD, is_clean, log_in, scrolls_sideways};
use super::{contents, noise};
use crate::common::chromium::Chromium;
use crate::common::web::{Got, curl};
use crate::common::{Daemon, PASSWORD, World, section};

/// Carl may do everything, and in parts of his folder less.
fn ruled() -> World {
    let world = World::of(&["alice"]);
    let rule = |path: &str, access: &str| format!("\n[[users.carl.rules]]\npath = \"{path}\"\naccess = \"{access}\"\n");
    let users = [
        section("carl", "\"full\"", "carl"),
        rule("/inbox/**", "upload"),
        rule("/shelf/closed/**", "download"),
        rule("/shelf/drop/**", "upload"),
        rule("/shelf/**", "list"),
        rule("/trays/*", "list,delete"),
        "\n[folders.common]\naccess = { carl = \"upload\" }\n".to_owned(),
        section("lister", "\"list\"", "lister"),
    ];
    world.set_users(&users.concat());
    for folder in ["inbox/deep", "shelf/closed", "shelf/drop", "shelf/open", "trays"] {
        fs::create_dir_all(world.home("carl").join(folder)).unwrap();
    }
    for file in
        ["carl/inbox/secret.txt", "carl/shelf/seen.txt", "carl/trays/report.txt", "common/other", "lister/list.txt"]
    {
        fs::create_dir_all(world.home(file).parent().unwrap()).unwrap();
        fs::write(world.home(file), "x").unwrap();
    }
    world
}

fn page(daemon: &Daemon, user: &str, path: &str) -> Got {
    let login = format!("{user}:{PASSWORD}");
    curl(daemon, &["-H", "Accept: text/html", "-H", "Sec-Fetch-Site: same-origin", "-u", &login], path)
}

#[test]
fn a_drop_box_that_a_rule_makes_has_a_page_to_bring_files_and_tells_nothing_of_what_is_there() {
    let world = ruled();
    let daemon = world.start();
    // Below it, too, and the same of what is there and what is not.
    for path in ["inbox/", "inbox/deep/", "inbox/secret.txt/", "inbox/missing/", "shelf/drop/", "common/"] {
        let got = page(&daemon, "carl", &format!("/~carl/{path}"));
        assert_eq!(got.status, 200, "{path}: {got:?}");
        let told = got.text();
        assert!(told.contains("not see what is here") && !told.contains("<table"), "{path}: {told}");
    }
    // The folder itself is led to its page, as others are; of what is in it nothing is said.
    for (path, status) in
        [("inbox", 301), ("common", 301), ("inbox/deep", 403), ("inbox/secret.txt", 403), ("inbox/missing", 403)]
    {
        let got = page(&daemon, "carl", &format!("/~carl/{path}"));
        assert_eq!(got.status, status, "{path}: {got:?}");
    }
    assert_eq!(page(&daemon, "carl", "/~carl/shelf/closed/").status, 403);
    // A program is told that it may not look.
    let login = format!("carl:{PASSWORD}");
    assert_eq!(curl(&daemon, &["-u", &login], "/~carl/inbox/").status, 403);
    assert_eq!(curl(&daemon, &["-u", &login], "/~carl/inbox/?json").status, 403);

    let own = tempfile::tempdir().unwrap();
    let file = own.path().join("for the inbox.bin");
    fs::write(&file, noise(5000)).unwrap();
    let browser = Chromium::start();
    browser.look(360, 740, true);
    log_in(&browser, &daemon, "carl", "/~carl/");
    browser.eval("[...document.querySelectorAll('tbody a')].find(a => a.textContent === 'inbox').click()");
    browser.wait("location.pathname === '/~carl/inbox/' && !!document.querySelector('#files')");
    browser.wait("document.querySelector('[data-script]')?.hidden === false");
    assert!(!scrolls_sideways(&browser));
    browser.choose("#files", &file);
    browser.wait(&format!("{HEAD} === '1 file uploaded'"));
    browser.picture("inbox-phone-dark");
    assert!(contents(&world.home("carl/inbox")).keys().any(|path| path.ends_with("for the inbox.bin")));
    is_clean(&browser, &daemon);
}

#[test]
fn what_one_may_see_and_not_open_has_no_link_and_that_is_said() {
    let world = ruled();
    let daemon = world.start();
    let shelf = page(&daemon, "carl", "/~carl/shelf/").text();
    for open in ["./open/", "./drop/"] {
        assert!(shelf.contains(&format!("href=\"{open}\"")), "{open}: {shelf}");
    }
    for closed in ["closed", "seen.txt"] {
        assert!(
            shelf.contains(&format!(">{closed}</span>")) && !shelf.contains(&format!("href=\"./{closed}")),
            "{shelf}"
        );
    }
    const WHY: &str = "What has no link you may see here, and not open.";
    assert!(shelf.contains(WHY), "{shelf}");
    // Where all can be opened nothing is said of it.
    assert!(!page(&daemon, "carl", "/~carl/").text().contains(WHY));
    // By the rights of all of the home it is the same.
    let list = page(&daemon, "lister", "/~lister/").text();
    assert!(list.contains(">list.txt</span>") && !list.contains("href=\"./list.txt") && list.contains(WHY), "{list}");
    // Programs are told it too, as the dialog that asks where something is moved to is; and times as elsewhere.
    let told = curl(&daemon, &["-u", &format!("carl:{PASSWORD}")], "/~carl/shelf/?json").text();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let closed = |name: &str| {
        let entry = told["entries"].as_array().unwrap().iter().find(|entry| entry["name"] == name).unwrap();
        assert!(entry["mtime"].as_str().unwrap().ends_with('Z'), "{entry}");
        entry["closed"] == true
    };
    assert_eq!(["closed", "seen.txt", "open", "drop"].map(closed), [true, true, false, false]);
    // What can be done with it all the same can be done.
    let browser = Chromium::start();
    browser.look(1100, 800, false);
    log_in(&browser, &daemon, "carl", "/~carl/trays/");
    browser.wait("document.querySelectorAll('.more').length === 1");
    browser.eval("document.querySelector('tr:not(.up) td.name a').click()");
    browser.wait("!!document.querySelector('dialog.menu')");
    let items = browser.text("document.querySelector('dialog.menu').innerText");
    assert!(items.contains("Delete") && !items.contains("Open") && !items.contains("Download"), "{items}");
    browser.press("Escape");
    browser.wait("!document.querySelector('dialog')");
    browser.go(&daemon, "/~carl/shelf/");
    browser.wait("document.querySelector('[data-script]')?.hidden === false || !!document.querySelector('.more')");
    browser.picture("shelf-light");
    browser.look(360, 740, true);
    browser.picture("shelf-phone-dark");
    assert!(!scrolls_sideways(&browser));
    is_clean(&browser, &daemon);
}
