//! A search in a folder and below: by curl, as a form sends it, and in a real browser.

use std::fs;
use std::io::Write as _;

use serde_json::Value;

use super::alice;
use super::browser::{is_clean, log_in, scrolls_sideways};
use crate::common::chromium::Chromium;
use crate::common::web::curl;
use crate::common::{Daemon, World};

const PAGE: [&str; 2] = ["-H", "Accept: text/html"];

/// What is found, by paths from the folder, and whether that is not all.
fn found(daemon: &Daemon, path: &str) -> (Vec<String>, bool) {
    let got = curl(daemon, &["-u", &alice()], &format!("{path}&json"));
    assert_eq!(got.status, 200, "{got:?}");
    let object: Value = serde_json::from_str(&got.text()).unwrap();
    let names = object["entries"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned());
    (names.collect(), object["cut"].as_bool().unwrap())
}

#[test]
fn a_search_finds_names_below_and_only_what_may_be_seen() {
    let world = World::of(&["alice"]);
    let rule = "[[users.alice.rules]]\npath = \"/secret/**\"\naccess = \"none\"\n";
    let mut users = fs::OpenOptions::new().append(true).open(world.place().join("users.toml")).unwrap();
    users.write_all(rule.as_bytes()).unwrap();
    let home = world.home("alice");
    for folder in ["alice/pics/Ünder", "alice/secret", "alice/report", "public/~x", "public/deep"] {
        fs::create_dir_all(world.home(folder)).unwrap();
    }
    let odd = "pics/<b>\"Report\" & ü.txt";
    for name in ["pics/p1.png", "pics/Ünder/REPORT.pdf", odd, "secret/report", "report/x"] {
        fs::write(home.join(name), "x").unwrap();
    }
    for name in ["public/~x/report", "public/deep/report"] {
        fs::write(world.home(name), "x").unwrap();
    }
    let daemon = world.start();
    let all = ["report", "pics/<b>\"Report\" & ü.txt", "pics/Ünder/REPORT.pdf"].map(str::to_owned).to_vec();
    assert_eq!(found(&daemon, "/~alice/?search=rePort"), (all, false));
    assert_eq!(found(&daemon, "/~alice/?search=%C3%9Cnd").0, ["pics/Ünder"], "of a folder its name counts");
    assert_eq!(found(&daemon, "/~alice/?search=%22+%26+").0, [odd], "as a form sends it");
    assert_eq!(found(&daemon, "/~alice/pics/?search=p1").0, ["p1.png"]);
    assert_eq!(found(&daemon, "/~alice/pics/?search=report&sort=name&order=desc").0.len(), 2);
    assert!(found(&daemon, "/~alice/?search=nothing-like-it").0.is_empty());
    // Letters are alike however they are put together, and wherever they stand in a word.
    for name in ["U\u{308}ber.md", "ΟΔΟΣ.md", "οδοσα.md"] {
        fs::write(home.join(name), "x").unwrap();
    }
    assert_eq!(found(&daemon, "/~alice/?search=%C3%BCber").0, ["U\u{308}ber.md"]);
    assert_eq!(found(&daemon, "/~alice/?search=%CE%9F%CE%94%CE%9F%CE%A3").0.len(), 2);
    // What may not be seen is said to be there, and how many are not.
    let got = curl(&daemon, &["-u", &alice()], "/~alice/?search=report&json").text();
    assert_eq!(serde_json::from_str::<Value>(&got).unwrap()["unread"], 1, "{got}");
    // What has no URL of its own is not found.
    let everybody: Value = serde_json::from_str(&curl(&daemon, &[], "/?search=report&json").text()).unwrap();
    assert_eq!(everybody["entries"].as_array().unwrap().len(), 1, "{everybody}");
    // Its page leads to what it has found, and hands nothing on that it was asked for.
    let page = |path: &str| curl(&daemon, &[&PAGE[..], &["-u", &alice()]].concat(), path).text();
    let shown = page("/~alice/?search=report");
    let href = "href=\"./pics/%C3%9Cnder/REPORT.pdf\"";
    assert!(shown.contains(href) && shown.contains("<small>pics/Ünder/</small>REPORT.pdf"), "{shown}");
    assert!(shown.contains("3 entries") && shown.contains("?search=report&amp;sort=size"), "{shown}");
    assert_eq!(curl(&daemon, &["-u", &alice()], "/~alice/pics/%C3%9Cnder/REPORT.pdf").text(), "x");
    let evil = page("/~alice/?search=%22%3E%3Cscript%3Ealert(1)%3C/script%3E%E2%80%AE");
    assert!(!evil.contains("<script>") && evil.contains("value=\"&quot;&gt;&lt;script&gt;alert(1)"), "{evil}");
    let plain = page("/~alice/");
    assert!(plain.contains("role=\"search\"") && plain.contains("name=\"search\""), "it is a form: {plain}");
    let text = curl(&daemon, &["-u", &alice()], "/~alice/?search=p1").text();
    // As in a list of all that is below, what may not be looked into is counted and not named.
    assert!(text.ends_with("  pics/p1.png\n(1 could not be read)\n") && text.lines().count() == 2, "{text}");
    assert_eq!(curl(&daemon, &["-u", &alice(), "--head"], "/~alice/?search=p1").status, 200);
    assert_eq!(curl(&daemon, &["-u", &alice()], "/~alice/secret/?search=report").status, 403);
}

#[test]
fn a_search_that_finds_too_much_says_that_it_is_not_all() {
    let world = World::of(&["alice"]);
    let home = world.home("alice");
    for n in 0..1100 {
        let folder = home.join(format!("{}", n % 7));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("same {n}")), "").unwrap();
    }
    let daemon = world.start();
    let (names, is_cut) = found(&daemon, "/~alice/?search=same");
    assert_eq!((names.len(), is_cut), (1000, true));
    let (names, is_cut) = found(&daemon, "/~alice/0/?search=same");
    assert_eq!((names.len(), is_cut), (158, false));
    let page = curl(&daemon, &[&PAGE[..], &["-u", &alice()]].concat(), "/~alice/?search=same").text();
    assert!(page.contains("There may be more"), "{page}");
}

#[test]
fn what_is_typed_chooses_here_and_is_looked_for_below_with_a_script_and_without() {
    let world = World::of(&["alice"]);
    let home = world.home("alice");
    fs::create_dir_all(home.join("pics/old")).unwrap();
    fs::write(home.join("notes.txt"), "x").unwrap();
    fs::write(home.join("pics/old/p1 & co.txt"), "it").unwrap();
    let daemon = world.start();
    let browser = Chromium::start();
    browser.look(1280, 800, false);
    log_in(&browser, &daemon, "alice", "/~alice/");
    browser.wait("document.querySelectorAll('.more').length === 2");
    browser.press("/");
    browser.wait("document.activeElement.id === 'search'");
    browser.type_in("p1 &");
    browser.wait("document.querySelector('#below a')?.textContent === 'Search the folders below for “p1 &”'");
    browser.picture("search-typed");
    // Nothing here has it: Enter looks below.
    browser.press("Enter");
    browser.wait("location.search === '?search=p1%20%26' && document.querySelectorAll('.more').length === 1");
    assert_eq!(browser.text("document.querySelector('td.name:has(small) a').textContent"), "pics/old/p1 & co.txt");
    for (width, is_dark, name) in
        [(1280, false, "search-light"), (1280, true, "search-dark"), (390, true, "search-phone-dark")]
    {
        browser.look(width, 800, is_dark);
        browser.wait(&format!("innerWidth === {width}"));
        assert!(!scrolls_sideways(&browser));
        browser.picture(name);
    }
    // What is found is used as everywhere: where it is, it gets another name.
    browser.eval("document.querySelector('td.name small').parentElement.focus()");
    browser.press("F2");
    browser.wait("document.activeElement.id === 'answer' && document.activeElement.value === 'p1 & co.txt'");
    browser.eval("document.activeElement.select()");
    browser.type_in("p1 & others.txt");
    browser.press("Enter");
    browser.wait("document.querySelector('td.name:has(small) a')?.textContent === 'pics/old/p1 & others.txt'");
    assert!(home.join("pics/old/p1 & others.txt").is_file());
    browser.eval("document.querySelector('td.name small').parentElement.click()");
    browser.wait("document.querySelector('dialog pre')?.textContent === 'it'");
    assert_eq!(browser.text("document.querySelector('dialog h2').textContent"), "p1 & others.txt");
    browser.press("Escape");
    browser.eval("document.querySelector('tr.up a').click()");
    browser.wait("location.search === '' && document.querySelectorAll('.more').length === 2");
    is_clean(&browser, &daemon);
    // Without a script the form does it.
    browser.call("Emulation.setScriptExecutionDisabled", serde_json::json!({"value": true}));
    browser.go(&daemon, "/~alice/");
    browser.picture("search-no-script");
    browser.eval("document.querySelector('#search').value = 'others'");
    browser.eval("document.querySelector('#search').focus()");
    browser.press("Enter");
    browser.wait("location.search === '?search=others' && document.querySelectorAll('td.name small').length === 1");
}
