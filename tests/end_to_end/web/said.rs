//! Where and how the page says things: names that cannot be given, times, what failed and what may be done about it.

use std::fs;

use serde_json::json;

use super::alice;
use super::browser::{HEAD, is_clean, log_in, scrolls_sideways};
use super::noise;
use crate::common::chromium::Chromium;
use crate::common::web::curl;
use crate::common::{World, section};

#[test]
fn a_name_that_cannot_be_given_is_said_where_it_was_typed_and_can_be_mended_there() {
    let world = World::of(&["alice"]);
    for name in ["taken.txt", "note.txt"] {
        fs::write(world.home("alice").join(name), name).unwrap();
    }
    fs::create_dir(world.home("alice").join("folder")).unwrap();
    let daemon = world.start();
    let browser = Chromium::start();
    browser.look(1100, 800, false);
    log_in(&browser, &daemon, "alice", "/~alice/");
    browser.wait("document.querySelectorAll('.more').length === 3");
    browser.eval("[...document.querySelectorAll('tbody a')].find(a => a.textContent === 'note.txt').focus()");
    browser.press("F2");
    browser.wait("document.activeElement.id === 'answer'");
    // What stands before the end of the name is what one types over.
    assert_eq!(browser.text("getSelection().toString()"), "note");
    let why = "document.querySelector('dialog .wrong').textContent";
    for (typed, said) in [("taken", "There is one of this name already."), ("a/b", "A name has no slash in it")] {
        browser.eval("document.activeElement.setSelectionRange(0, document.activeElement.value.length - 4)");
        browser.type_in(typed);
        browser.press("Enter");
        browser.wait(&format!("{why}.startsWith('{said}') && !document.querySelector('dialog .wrong').hidden"));
        assert_eq!(browser.text("document.activeElement.value"), format!("{typed}.txt"), "it is there to be mended");
    }
    browser.picture("rename-why");
    browser.eval("document.activeElement.select()");
    browser.type_in("other.txt");
    browser.press("Enter");
    browser.wait("!document.querySelector('dialog') && document.activeElement.textContent === 'other.txt'");
    assert_eq!(fs::read_to_string(world.home("alice").join("other.txt")).unwrap(), "note.txt");
    assert_eq!(fs::read_to_string(world.home("alice").join("taken.txt")).unwrap(), "taken.txt");
    browser.eval("document.querySelector('#folder').click()");
    browser.wait("document.activeElement.id === 'answer'");
    browser.type_in("folder");
    browser.press("Enter");
    browser.wait(&format!("{why} === 'There is one of this name already.'"));
    browser.press("Escape");
    browser.wait("!document.querySelector('dialog')");
    is_clean(&browser, &daemon);
}

#[test]
fn times_are_those_of_whoever_looks_and_utc_without_a_script() {
    let world = World::of(&["alice"]);
    world.set_users(&(section("alice", "\"full\"", "alice") + "trash = \"1d\"\n"));
    let file = world.home("alice").join("file.txt");
    fs::write(&file, "x").unwrap();
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_750_000_000);
    fs::File::options().write(true).open(&file).unwrap().set_modified(then).unwrap();
    let daemon = world.start();
    let browser = Chromium::start();
    browser.call("Emulation.setTimezoneOverride", json!({"timezoneId": "Asia/Kolkata"}));
    log_in(&browser, &daemon, "alice", "/~alice/");
    let (time, zone) = ("document.querySelector('td.time time')", "document.querySelector('.zone').textContent");
    browser.wait(&format!("{time}.title === '2025-06-15 15:06 UTC'"));
    assert_eq!(browser.text(&format!("{time}.textContent")), "2025-06-15 20:36");
    assert_eq!(browser.text(zone), "times are local");
    // A link says until when in the same zone.
    curl(&daemon, &["-u", &alice(), "-d", "path=/~alice/file.txt", "-d", "expires=3600"], "/.sealift-web/links");
    browser.go(&daemon, "/.sealift-web/links");
    browser.wait("document.querySelector('.links time')?.title.endsWith(' UTC')");
    assert!(!browser.text("document.querySelector('.links time').textContent").contains("UTC"));
    assert!(browser.text("document.querySelector('.links time').textContent").ends_with(" GMT+5:30"));
    // So does the trash, of when something was deleted.
    fs::write(world.home("alice").join("gone.txt"), "x").unwrap();
    curl(&daemon, &["-u", &alice(), "-X", "DELETE"], "/~alice/gone.txt");
    browser.go(&daemon, "/.sealift-web/trash");
    browser.wait("document.querySelector('.trash time')?.title.endsWith(' UTC')");
    assert!(!browser.text("document.querySelector('.trash time').textContent").contains("UTC"));
    assert!(browser.text("document.querySelector('.trash time').textContent").ends_with(" GMT+5:30"));
    is_clean(&browser, &daemon);
    browser.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    browser.go(&daemon, "/~alice/");
    assert_eq!(browser.text(&format!("{time}.textContent")), "2025-06-15 15:06");
    assert_eq!(browser.text(zone), "times are UTC");
}

#[test]
fn what_failed_says_why_and_all_of_it_is_tried_again_by_one_button() {
    let world = World::of(&["alice"]);
    world.set_users(&(section("alice", "\"full\"", "alice") + "quota = \"1 MiB\"\n"));
    fs::create_dir_all(world.home("alice")).unwrap();
    fs::write(world.home("alice").join("old"), noise(1_000_000)).unwrap();
    let daemon = world.start();
    let own = tempfile::tempdir().unwrap();
    let paths = ["1.bin", "2.bin", "3.bin"].map(|name| own.path().join(name));
    for path in &paths {
        fs::write(path, noise(200_000)).unwrap();
    }
    let browser = Chromium::start();
    browser.look(360, 740, true);
    log_in(&browser, &daemon, "alice", "/~alice/");
    browser.drop_on(&paths);
    browser.wait(&format!("{HEAD} === '0 of 3 uploaded, 3 not'"));
    assert!(browser.text("document.querySelector('#uploads .why').textContent").contains("quota"));
    assert!(!scrolls_sideways(&browser));
    browser.picture("upload-failed-phone-dark");
    let again = "document.querySelector('#uploads .again')";
    assert_eq!(browser.text(&format!("{again}.textContent")), "Try all 3 again");
    assert_eq!(curl(&daemon, &["-u", &alice(), "-X", "DELETE"], "/~alice/old").status, 204);
    browser.eval(&format!("{again}.click()"));
    browser.wait(&format!("{HEAD} === '3 files uploaded'"));
    assert_eq!(browser.eval(&format!("{again}.hidden")), true);
    for path in &paths {
        assert!(fs::read(world.home("alice").join(path.file_name().unwrap())).unwrap() == noise(200_000));
    }
    is_clean(&browser, &daemon);
}

#[test]
fn a_page_that_says_no_says_what_may_be_done_too() {
    let world = World::with(&[("alice", "\"full\"", "alice"), ("carl", "[\"list\"]", "carl")]);
    fs::write(world.home("carl").join("file"), "x").unwrap();
    let daemon = world.start();
    for (user, name, status, next) in [
        ("alice", "missing", 404, "renamed, moved or deleted"),
        ("carl", "file", 403, "ask whoever shares it with you"),
    ] {
        let login = format!("{user}:{}", crate::common::PASSWORD);
        let page = ["-H", "Accept: text/html", "-H", "Sec-Fetch-Site: same-origin", "-u", &login];
        let got = curl(&daemon, &page, &format!("/~{user}/{name}"));
        assert!(got.status == status && got.text().contains(next) && got.text().contains("Your folder"), "{got:?}");
    }
    let browser = Chromium::start();
    browser.look(360, 740, false);
    log_in(&browser, &daemon, "alice", "/~alice/");
    browser.go(&daemon, "/~alice/missing");
    assert!(!scrolls_sideways(&browser));
    browser.picture("error-phone-light");
}
