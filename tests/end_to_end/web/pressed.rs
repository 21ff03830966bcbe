//! What is pressed twice, or held down, is done once.

use std::fs;

use serde_json::json;

use super::browser::{HEAD, is_clean, log_in};
use super::{alice, noise};
use crate::common::World;
use crate::common::chromium::Chromium;
use crate::common::web::curl;

/// The button with this text.
fn button(within: &str, text: &str) -> String {
    format!("[...document.querySelectorAll('{within} button')].find(button => button.textContent === '{text}')")
}

/// Enter, as the keyboard goes on telling of it while it is held down.
fn hold_enter(browser: &Chromium) {
    let event = json!({"type": "keyDown", "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r", "autoRepeat": true});
    browser.call("Input.dispatchKeyEvent", event);
}

#[test]
fn what_is_taken_is_replaced_once_however_often_that_is_pressed() {
    let world = World::of(&["alice"]);
    fs::write(world.home("alice").join("f"), "old").unwrap();
    let daemon = world.start();
    let own = tempfile::tempdir().unwrap();
    let file = own.path().join("f");
    fs::write(&file, noise(200_000)).unwrap();
    let browser = Chromium::start();
    log_in(&browser, &daemon, "alice", "/~alice/");
    browser.eval(
        "globalThis.sent = 0; const { open } = XMLHttpRequest.prototype; \
         XMLHttpRequest.prototype.open = function (method, ...more) { \
           if (method === 'PUT') sent += 1; return open.call(this, method, ...more); }; 0",
    );
    browser.choose("#files", &file);
    let replace = button("#uploads li", "Replace it");
    browser.wait(&format!("!!({replace})"));
    assert_eq!(browser.eval("sent"), 1);
    browser.eval(&format!("globalThis.it = {replace}; it.click(); it.click(); 0"));
    browser.wait(&format!("{HEAD} === '1 file uploaded'"));
    // Behind all that was sent before.
    browser.eval("fetch(location.href).then(answer => answer.text()).then(() => 0)");
    assert_eq!(browser.eval("sent"), 2, "once, and once more where it was taken");
    // One that is shown a moment longer than there is anything to replace.
    browser.eval("it.click(); 0");
    assert_eq!(browser.text(HEAD), "1 file uploaded");
    assert_eq!(browser.eval("sent"), 2);
    assert!(fs::read(world.home("alice").join("f")).unwrap() == noise(200_000));
    is_clean(&browser, &daemon);
}

#[test]
fn a_key_that_is_held_down_and_the_second_click_of_two_press_nothing_that_came_since() {
    let world = World::of(&["alice"]);
    fs::write(world.home("alice").join("f"), "there").unwrap();
    let daemon = world.start();
    let browser = Chromium::start();
    log_in(&browser, &daemon, "alice", "/~alice/");
    // The link that was made is shown this once: it stays.
    browser.eval("document.querySelector('#share').click()");
    // All of one's own folder: whether that is meant is asked first.
    browser.eval(&format!("{}.click()", button("dialog.ask", "Share all of it")));
    browser.wait("document.activeElement.id === 'kind'");
    browser.eval("document.querySelector('dialog #password').focus()");
    browser.press("Enter");
    browser.wait("document.activeElement.id === 'made'");
    for _ in 0..3 {
        hold_enter(&browser);
    }
    assert_eq!(browser.eval("!!document.querySelector('dialog #made')"), true);
    let links = curl(&daemon, &["-u", &alice()], "/.sealift-web/links?json").text();
    assert_eq!(links.matches("\"name\"").count(), 1, "{links}");
    browser.press("Enter");
    browser.wait("!document.querySelector('dialog')");
    // What is asked is answered by a click that came after it.
    browser.eval("document.querySelector('tr.file .more').click()");
    browser.eval(&format!("{}.click()", button("dialog.menu", "Delete")));
    let delete = button("dialog.ask", "Delete");
    browser.wait(&format!("!!({delete})"));
    let second = "new MouseEvent('click', { bubbles: true, cancelable: true, detail: 2 })";
    browser.eval(&format!("{delete}.dispatchEvent({second})"));
    assert_eq!(browser.eval("!!document.querySelector('dialog.ask')"), true);
    browser.eval(&format!("{delete}.click()"));
    browser.wait("!document.querySelector('dialog') && !document.querySelector('tr.file')");
    assert!(!world.home("alice").join("f").exists());
    is_clean(&browser, &daemon);
}
