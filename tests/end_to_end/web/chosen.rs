//! Several entries at once, in a real browser: chosen by the keyboard and by their boxes, moved, deleted and downloaded together.

use std::fs;

use serde_json::json;

use super::browser::{is_clean, log_in, scrolls_sideways};
use super::contents;
use crate::common::World;
use crate::common::chromium::Chromium;

pub(super) const BAR: &str = "document.querySelector('#chosen')";

pub(super) fn focus(browser: &Chromium, name: &str) {
    let link = format!("[...document.querySelectorAll('tbody a')].find(a => a.textContent === '{name}')");
    browser.wait(&format!("!!{link}"));
    browser.eval(&format!("{link}.focus()"));
}

/// What is offered for all that is chosen.
pub(super) fn offered(browser: &Chromium) -> String {
    browser.text(&format!(
        "[...{BAR}.querySelectorAll('button')].filter(it => !it.hidden).map(it => it.textContent).join()"
    ))
}

pub(super) fn counts(browser: &Chromium, count: usize) {
    browser.wait(&format!("{BAR}.querySelector('span').textContent === '{count} chosen' && !{BAR}.hidden"));
}

pub(super) fn press(browser: &Chromium, within: &str, text: &str) {
    let button =
        format!("[...document.querySelectorAll('{within} button')].find(button => button.textContent === '{text}')");
    browser.wait(&format!("!!{button}"));
    browser.eval(&format!("{button}.click()"));
}

pub(super) fn pictures(browser: &Chromium, name: &str) {
    for (width, size) in [(1280, "wide"), (390, "phone")] {
        for (is_dark, shade) in [(false, "light"), (true, "dark")] {
            browser.look(width, 800, is_dark);
            browser.wait(&format!("innerWidth === {width}"));
            assert!(!scrolls_sideways(browser), "{name} {size}");
            browser.picture(&format!("{name}-{size}-{shade}"));
        }
    }
    browser.look(1280, 800, false);
}

#[test]
fn several_are_chosen_by_the_keyboard_and_moved_deleted_and_downloaded_together() {
    let world = World::of(&["alice"]);
    let home = world.home("alice");
    for folder in ["docs/deep", "other", "to #%/in ü"] {
        fs::create_dir_all(home.join(folder)).unwrap();
    }
    for name in ["a", "b & c", "c", "d", "e", "f", "to #%/e"] {
        fs::write(home.join(name), name).unwrap();
    }
    let daemon = world.start();
    let browser = Chromium::start();
    browser.look(1280, 800, false);
    browser.call("Page.setDownloadBehavior", json!({"behavior": "deny"}));
    log_in(&browser, &daemon, "alice", "/~alice/");
    browser.wait("document.querySelectorAll('td.pick input').length === 9");
    assert_eq!(browser.eval(&format!("{BAR}.hidden")), true, "nothing is in the way before something is chosen");
    pictures(&browser, "none-chosen");
    // By Space, and by Shift with the arrows all that one comes by.
    focus(&browser, "a");
    browser.press(" ");
    counts(&browser, 1);
    browser.press_shifted("ArrowDown");
    browser.press_shifted("ArrowDown");
    counts(&browser, 3);
    assert_eq!(browser.text("document.activeElement.textContent"), "c");
    assert_eq!(browser.text("document.querySelector('#status').textContent"), "3 chosen");
    assert_eq!(offered(&browser), "Download as zip,Move,Delete,Clear");
    pictures(&browser, "chosen");
    press(&browser, "#chosen", "Download as zip");
    let wanted = format!("https://127.0.0.1:{}/~alice/?zip&name=a&name=b%20%26%20c&name=c", daemon.port());
    crate::common::eventually("the archive is asked for", || browser.requests_and_complaints().0.contains(&wanted));
    // Moved, to a folder that is looked up step by step.
    press(&browser, "#chosen", "Move");
    browser.wait("document.querySelectorAll('dialog .folders button').length === 3");
    pictures(&browser, "move");
    press(&browser, "dialog .folders", "to #%");
    browser.wait("document.activeElement.textContent === '↑ Up'");
    press(&browser, "dialog .folders", "in ü");
    browser.wait("document.querySelector('dialog .folders').textContent.includes('No folder is in it')");
    assert_eq!(browser.text("document.querySelector('#answer').value"), "to #%/in ü/");
    press(&browser, "dialog .buttons", "Move");
    browser.wait("document.querySelectorAll('td.pick input').length === 6");
    assert!(["a", "b & c", "c"].iter().all(|name| home.join("to #%/in ü").join(name).is_file()));
    assert_eq!(browser.eval(&format!("{BAR}.hidden")), true, "what is gone is chosen no more");
    // One cannot be moved: it is said which, and it stays.
    focus(&browser, "e");
    browser.press(" ");
    browser.eval("document.querySelector('[aria-label=\"Choose f\"]').click()");
    counts(&browser, 2);
    press(&browser, "#chosen", "Move");
    browser.wait("document.activeElement.id === 'answer'");
    browser.type_in("to #%");
    browser.press("Enter");
    browser.wait("document.querySelector('.toast.bad')?.textContent === '1 of 2 moved, 1 not. e: There is one of this name already.'");
    assert_eq!(fs::read_to_string(home.join("to #%/e")).unwrap(), "to #%/e");
    assert!(home.join("e").is_file() && home.join("to #%/f").is_file());
    // All, and none again.
    browser.eval("document.querySelector('th.pick input').click()");
    counts(&browser, 5);
    focus(&browser, "d");
    browser.press("Escape");
    browser.wait(&format!("{BAR}.hidden"));
    // Deleted, from a folder to a file by Shift and a click.
    browser.eval("document.querySelector('[aria-label=\"Choose docs\"]').click()");
    let shifted = "new MouseEvent('click', {bubbles: true, cancelable: true, shiftKey: true})";
    browser.eval(&format!("document.querySelector('[aria-label=\"Choose other\"]').dispatchEvent({shifted})"));
    focus(&browser, "d");
    browser.press(" ");
    counts(&browser, 3);
    browser.eval("document.querySelector('[aria-label=\"Actions for d\"]').click()");
    browser.wait("document.querySelector('dialog.menu h2')?.textContent === '3 chosen'");
    press(&browser, "dialog.menu", "Delete");
    let question = "document.querySelector('dialog.ask p').textContent";
    assert_eq!(browser.text(question), "docs, other, d. They will be gone for good.");
    pictures(&browser, "delete-chosen");
    press(&browser, "dialog.ask", "Delete");
    browser.wait("document.querySelectorAll('td.pick input').length === 2");
    browser.wait("document.querySelector('.toast').textContent === '3 things deleted.'");
    let left = contents(&home).into_keys().map(|path| path.to_string_lossy().into_owned()).collect::<Vec<_>>();
    assert_eq!(left, ["e", "to #%/e", "to #%/f", "to #%/in ü/a", "to #%/in ü/b & c", "to #%/in ü/c"]);
    is_clean(&browser, &daemon);
}

#[test]
fn of_what_is_chosen_only_that_is_offered_which_all_of_it_allows() {
    let world = World::with(&[("reader", "\"read\"", "reader"), ("sender", "[\"upload\", \"list\"]", "sender")]);
    for user in ["reader", "sender"] {
        fs::write(world.home(user).join("file"), "x").unwrap();
    }
    let daemon = world.start();
    let browser = Chromium::start();
    log_in(&browser, &daemon, "reader", "/~reader/");
    focus(&browser, "file");
    browser.press(" ");
    counts(&browser, 1);
    assert_eq!(offered(&browser), "Download as zip,Clear");
    browser.press("Delete");
    assert_eq!(browser.eval("!!document.querySelector('dialog')"), false);
    press(&browser, "#chosen", "Clear");
    browser.wait(&format!("{BAR}.hidden"));
    // Whoever can do nothing with it has no boxes, and no menu.
    let other = Chromium::start();
    log_in(&other, &daemon, "sender", "/~sender/");
    other.wait("!!document.querySelector('th.act')");
    assert_eq!(other.eval("!!document.querySelector('tbody .name') && !document.querySelector('.pick, .more')"), true);
    is_clean(&browser, &daemon);
    is_clean(&other, &daemon);
}
