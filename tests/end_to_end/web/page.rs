//! More of the page in a real browser: what is dropped on it, what it offers, how one comes to it, and what it says to those who
//! listen.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;

use serde_json::{Value, json};

use super::browser::{HEAD, is_clean, log_in};
use super::{contents, noise};
use crate::common::chromium::Chromium;
use crate::common::{PASSWORD, World};

#[test]
fn files_and_folders_that_are_dropped_come_with_all_in_them_and_the_empty_ones_too() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let own = tempfile::tempdir().unwrap();
    let folder = own.path().join("drop ü");
    fs::create_dir_all(folder.join("empty/inside an empty one")).unwrap();
    fs::create_dir_all(folder.join("full")).unwrap();
    fs::create_dir(own.path().join("empty on its own")).unwrap();
    for n in 0..150 {
        fs::write(folder.join(format!("full/{n} #%20")), noise(n)).unwrap();
    }
    fs::write(own.path().join("alone.txt"), "alone").unwrap();
    let browser = Chromium::start();
    browser.look(1100, 800, false);
    log_in(&browser, &daemon, "alice", "/~alice/");
    browser.drop_on(&["drop ü", "alone.txt", "empty on its own"].map(|name| own.path().join(name)));
    browser.wait(&format!("{HEAD} === '151 files uploaded'"));
    assert!(contents(&world.home("alice")) == contents(own.path()), "{:?}", contents(&world.home("alice")).keys());
    browser.wait("[...document.querySelectorAll('tbody a')].map(a => a.textContent).join() === 'drop ü,empty on its own,alone.txt'");
    // A folder that is empty is there already, and a file where a folder is to be is no folder.
    fs::remove_dir(world.home("alice").join("empty on its own")).unwrap();
    fs::write(world.home("alice").join("empty on its own"), "a file").unwrap();
    browser.drop_on(&[own.path().join("empty on its own")]);
    browser.wait(
        "document.querySelector('#uploads li.failed .why')?.textContent === 'A file of this name is here already.'",
    );
    fs::remove_file(world.home("alice").join("empty on its own")).unwrap();
    for _ in 0..2 {
        browser.eval(&format!("{HEAD} = 'before'"));
        browser.drop_on(&[own.path().join("empty on its own")]);
        browser.wait(&format!("{HEAD} === '1 empty folder made'"));
    }
    assert!(contents(&world.home("alice")) == contents(own.path()));
    is_clean(&browser, &daemon);
}

#[test]
fn a_place_offers_what_the_rules_for_it_allow_and_nothing_else() {
    let world = World::of(&["alice"]);
    let rule = |path: &str, access: &str| format!("[[users.alice.rules]]\npath = \"{path}\"\naccess = {access}\n");
    let rules = [
        rule("/old/**", "\"read\""),
        rule("/mixed/kept", "\"read\""),
        rule("/seen", "[\"list\"]"),
        rule("/inbox/**", "[\"list\", \"upload\"]"),
    ];
    let mut file = fs::OpenOptions::new().append(true).open(world.place().join("users.toml")).unwrap();
    file.write_all(rules.concat().as_bytes()).unwrap();
    for folder in ["old", "mixed", "inbox"] {
        fs::create_dir(world.home("alice").join(folder)).unwrap();
    }
    for file in ["old/a", "mixed/kept", "mixed/free", "inbox/a", "seen", "free.txt"] {
        fs::write(world.home("alice").join(file), "x").unwrap();
    }
    let daemon = world.start();
    let browser = Chromium::start();
    log_in(&browser, &daemon, "alice", "/~alice/");
    let menu = |name: &str| -> String {
        browser.wait(&format!("!!document.querySelector('[aria-label=\"Actions for {name}\"]')"));
        browser.eval(&format!("document.querySelector('[aria-label=\"Actions for {name}\"]').click()"));
        let buttons =
            "[...document.querySelectorAll('dialog.menu button')].map(button => button.textContent).join(',')";
        let items = browser.text(buttons);
        browser.press("Escape");
        browser.wait("!document.querySelector('dialog')");
        items
    };
    let folder = |more: &str| format!("Open,Download as zip,Copy link{more},Close");
    let file = |more: &str| format!("Show,Download,Copy link{more},Close");
    assert_eq!(menu("old"), folder(""));
    assert_eq!(menu("mixed"), folder(""), "what is in it could not be removed with it");
    assert_eq!(menu("inbox"), "Open,Copy link,Close");
    // With what may only be seen nothing can be done: it has no menu, and no link for the keys.
    let seen = "[...document.querySelectorAll('tbody tr')].find(row => row.innerText.includes('seen'))";
    assert_eq!(browser.eval(&format!("!!{seen}.querySelector('.closed') && !{seen}.querySelector('a, button')")), true);
    assert_eq!(menu("free.txt"), file(",Share,Rename,Move,Delete"));
    // The keys do no more than the menu.
    for (name, key) in [("old", "Delete"), ("old", "F2"), ("mixed", "F2")] {
        browser
            .eval(&format!("[...document.querySelectorAll('tbody a')].find(a => a.textContent === '{name}').focus()"));
        browser.press(key);
        assert_eq!(browser.eval("!!document.querySelector('dialog')"), false, "{key} on {name}");
    }
    let tools = "[...document.querySelectorAll('.tools button, .tools a')].map(tool => tool.textContent).join(',')";
    for (path, expected) in [
        ("/~alice/old/", "Zip,Tar"),
        ("/~alice/mixed/", "Upload,Upload a folder,New folder,Zip,Tar"),
        ("/~alice/inbox/", "Upload"),
    ] {
        browser.go(&daemon, path);
        browser.wait("document.querySelector('[data-script]')?.hidden !== true && !!document.querySelector('th.act')");
        assert_eq!(browser.text(tools), expected, "{path}");
    }
    browser.go(&daemon, "/~alice/mixed/");
    assert_eq!(
        (menu("kept"), menu("free")),
        ("Open,Download,Copy link,Close".into(), "Open,Download,Copy link,Share,Rename,Move,Delete,Close".into())
    );
    is_clean(&browser, &daemon);
}

#[test]
fn failures_of_earlier_uploads_are_not_counted_with_those_of_now() {
    let world = World::with(&[("carl", "[\"upload\", \"list\", \"mkdir\"]", "carl")]);
    fs::write(world.home("carl").join("taken"), "another").unwrap();
    let daemon = world.start();
    let own = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        fs::write(own.path().join(name), noise(3000)).unwrap();
        own.path().join(name)
    };
    let browser = Chromium::start();
    log_in(&browser, &daemon, "carl", "/~carl/");
    let (taken, first, second) = (file("taken"), file("first"), file("second"));
    browser.drop_on(&[taken.clone(), first]);
    browser.wait(&format!("{HEAD} === '1 of 2 uploaded, 1 not'"));
    browser.drop_on(&[second]);
    browser.wait(&format!("{HEAD} === '1 file uploaded'"));
    let left = "[...document.querySelectorAll('#uploads li .file')].map(file => file.textContent).join()";
    assert_eq!(browser.text(left), "taken", "somebody has to decide on it");
    // Chosen again it is what comes of it now: once, and not beside what came of it before.
    fs::remove_file(world.home("carl").join("taken")).unwrap();
    browser.drop_on(&[taken]);
    browser.wait(&format!("{HEAD} === '1 file uploaded' && document.querySelectorAll('#uploads li').length === 0"));
    assert_eq!(contents(&world.home("carl")).len(), 3);
    is_clean(&browser, &daemon);
}

#[test]
fn who_follows_a_link_of_another_site_is_there_logged_in() {
    let world = World::of(&["alice"]);
    fs::create_dir(world.home("alice").join("a b")).unwrap();
    fs::write(world.home("alice").join("a b/here.txt"), "x").unwrap();
    let daemon = world.start();
    let browser = Chromium::start();
    // Where a page of nobody's leads to.
    let follow = |path: &str| {
        let link = format!("https://127.0.0.1:{}{path}", daemon.port());
        browser.call("Page.navigate", json!({"url": format!("data:text/html,<a id=out href='{link}'>x</a>")}));
        browser.wait("!!document.querySelector('#out')");
        browser.eval("document.querySelector('#out').click()");
        browser.wait("location.protocol === 'https:' && document.readyState === 'complete'");
    };
    // Who is not logged in is asked to, once, and gets there.
    follow("/~alice/a%2520b/");
    browser.wait("document.activeElement.id === 'user'");
    assert_eq!(browser.text("document.querySelector('[name=to]').value"), "/~alice/a%20b/");
    browser.type_in("alice");
    browser.press("Tab");
    browser.type_in(PASSWORD);
    browser.press("Enter");
    browser.wait("location.pathname === '/~alice/a%20b/'");
    // And who is logged in is there.
    follow("/~alice/a%2520b/?zip");
    browser.wait("location.pathname === '/~alice/a%20b/' && location.search === ''");
    assert!(browser.text("document.querySelector('.who').innerText").contains("Log out"));
    assert_eq!(browser.text("document.querySelector('tbody tr.file a').textContent"), "here.txt");
    let (_, complaints) = browser.requests_and_complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
}

/// The nodes of the tree that a screen reader is told, by role and name.
fn accessible(browser: &Chromium) -> Vec<(String, String, Value)> {
    let tree = browser.call("Accessibility.getFullAXTree", json!({}));
    let nodes = tree["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] == false);
    let text = |value: &Value| value["value"].as_str().unwrap_or_default().trim().to_owned();
    nodes.map(|node| (text(&node["role"]), text(&node["name"]), node["properties"].clone())).collect()
}

/// Whatever somebody acts on has a name; there is one of each part of the page; nothing is named twice where it matters.
fn is_told(browser: &Chromium, what: &str) -> BTreeSet<(String, String)> {
    let nodes = accessible(browser);
    for (role, name, _) in &nodes {
        let acts = ["button", "link", "textbox", "searchbox", "checkbox", "dialog", "progressbar", "image", "heading"];
        assert!(!acts.contains(&role.as_str()) || !name.is_empty(), "{what}: a {role} without a name: {nodes:?}");
    }
    let count = |wanted: &str| nodes.iter().filter(|(role, ..)| role == wanted).count();
    assert_eq!((count("main"), count("contentinfo")), (1, 1), "{what}: {nodes:?}");
    let headings = nodes.iter().filter(|(role, ..)| role == "heading");
    let level = |properties: &Value| {
        let level = properties.as_array()?.iter().find(|property| property["name"] == "level")?;
        level["value"]["value"].as_i64()
    };
    let first: Vec<_> = headings.filter(|(.., properties)| level(properties) == Some(1)).collect();
    assert_eq!(first.len(), 1, "{what}: {first:?}");
    nodes.into_iter().map(|(role, name, _)| (role, name)).collect()
}

#[test]
fn a_screen_reader_is_told_what_everything_is_and_the_keyboard_goes_through_it_in_order() {
    let world = World::of(&["alice"]);
    fs::create_dir(world.home("alice").join("pictures")).unwrap();
    fs::write(world.home("alice").join("notes.txt"), "x").unwrap();
    let daemon = world.start();
    let browser = Chromium::start();
    browser.look(1100, 800, false);
    browser.call("Accessibility.enable", json!({}));
    browser.go(&daemon, "/~alice/");
    browser.wait("document.activeElement.id === 'user'");
    let form = is_told(&browser, "the form");
    for (role, name) in [("heading", "Log in"), ("textbox", "Name"), ("textbox", "Password"), ("button", "Log in")] {
        assert!(form.contains(&(role.to_owned(), name.to_owned())), "{role} {name}: {form:?}");
    }
    log_in(&browser, &daemon, "alice", "/~alice/");
    browser.wait("document.querySelectorAll('.more').length === 2");
    let list = is_told(&browser, "a folder");
    for (role, name) in [
        ("navigation", "Path"),
        ("heading", "~alice"),
        ("searchbox", "Search in this folder"),
        ("button", "Upload"),
        ("button", "Upload a folder"),
        ("button", "New folder"),
        ("link", "pictures"),
        ("button", "Actions for notes.txt"),
        ("table", "Files and folders"),
        ("columnheader", "Name"),
        ("columnheader", "Actions"),
        ("checkbox", "Choose all"),
        ("checkbox", "Choose notes.txt"),
    ] {
        assert!(list.contains(&(role.to_owned(), name.to_owned())), "{role} {name}: {list:?}");
    }
    // From the top to the end by Tab alone, each once and as it is seen, and with something to see where one is.
    let order = [
        "~alice",
        "Links",
        "Public",
        "Account",
        "Log out",
        "Search",
        "Upload",
        "Upload a folder",
        "New folder",
        "Share",
    ];
    let of = |name: &'static str, actions: &'static str, choose: &'static str| [choose, name, actions];
    let rows = [
        of("pictures", "Actions for pictures", "Choose pictures"),
        of("notes.txt", "Actions for notes.txt", "Choose notes.txt"),
    ];
    let rest: Vec<&str> =
        ["Choose all", "Name", "Size", "Changed"].into_iter().chain(rows.into_iter().flatten()).collect();
    let here = "(a => a.getAttribute('aria-label') || a.placeholder || a.textContent)(document.activeElement)";
    browser.eval("document.activeElement.blur()");
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..order.len() + rest.len() + 2 {
        browser.press("Tab");
        assert_eq!(browser.eval("document.activeElement.matches(':focus-visible')"), true);
        assert_ne!(browser.text("getComputedStyle(document.activeElement).outlineStyle"), "none");
        seen.push(browser.text(here));
    }
    let expected: Vec<&str> = order.into_iter().chain(["Zip", "Tar"]).chain(rest).collect();
    assert_eq!(seen, expected);
    // A dialog keeps the focus in it, and gives it back.
    browser.press("Enter");
    browser.wait("!!document.querySelector('dialog.menu')");
    let menu = accessible(&browser);
    assert!(menu.iter().any(|(role, name, _)| role == "dialog" && name == "notes.txt"), "{menu:?}");
    for _ in 0..9 {
        browser.press("Tab");
        assert_eq!(
            browser.eval("document.activeElement === document.body || !!document.activeElement.closest('dialog')"),
            true
        );
    }
    browser.press("Escape");
    browser.wait("!document.querySelector('dialog')");
    assert_eq!(browser.text(here), "Actions for notes.txt");
    // What goes on is told to those who do not see it.
    let own = tempfile::tempdir().unwrap();
    fs::write(own.path().join("new"), "x").unwrap();
    browser.drop_on(&[own.path().join("new")]);
    browser.wait("document.querySelector('[role=status]').textContent === '1 file uploaded'");
    is_told(&browser, "after an upload");
    browser.go(&daemon, "/nothing");
    is_told(&browser, "an error");
}
