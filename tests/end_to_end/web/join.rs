//! Joining by an invitation with nothing but a browser.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::browser::{is_clean, scrolls_sideways};
use crate::common::chromium::Chromium;
use crate::common::web::{Got, curl};
use crate::common::{Daemon, RawClient, World, text};

const OWN: &str = "my-own-words-which-nobody-guesses";
const JOIN: &str = "/.sealift-web/join";

/// What `sealiftd invite` says of a browser: the path of the URL, and the secret behind its `#`.
fn invite(daemon: &Daemon, user: &str) -> (String, String) {
    let output = daemon.command(&["invite", user, "--host", &daemon.address()]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stderr);
    let url = said.split_whitespace().find(|word| word.starts_with("https://")).unwrap_or_else(|| panic!("{said}"));
    let (page, secret) = url.split_once('#').unwrap();
    let path = page.strip_prefix(&format!("https://{}", daemon.address())).unwrap();
    assert!(text(&output.stdout).contains(secret), "it is the one of the line");
    (path.to_owned(), secret.to_owned())
}

fn post(daemon: &Daemon, fields: &[(&str, &str)]) -> Got {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut args = vec!["-H", "Sec-Fetch-Site: same-origin", "-H", "Accept: text/html"];
    for field in &fields {
        args.extend(["--data-urlencode", field]);
    }
    curl(daemon, &args, JOIN)
}

#[test]
fn somebody_with_nothing_but_a_browser_joins_and_is_in_the_own_folder() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let (path, secret) = invite(&daemon, "carol");
    assert_eq!(path, format!("{JOIN}/carol"));
    let browser = Chromium::start();
    browser.look(1100, 800, false);
    browser.go(&daemon, &format!("{path}#{secret}"));
    // It is in the form, and neither in the address nor in the history.
    browser.wait(
        "document.activeElement.id === 'new' && document.querySelector('#invitation').hidden && location.hash === ''",
    );
    assert!(browser.text("document.querySelector('main').innerText").contains("invited as carol"));
    browser.picture("join-light");
    browser.look(360, 740, true);
    assert!(!scrolls_sideways(&browser));
    browser.picture("join-phone-dark");
    browser.type_in(OWN);
    browser.press("Tab");
    browser.type_in("another");
    browser.wait("!document.querySelector('#again').checkValidity()");
    browser.eval("document.querySelector('#again').select()");
    browser.type_in(OWN);
    browser.press("Enter");
    browser.wait("location.pathname === '/~carol/' && document.querySelector('h1').textContent === '~carol'");
    assert_eq!(browser.eval("history.length <= 3"), true);
    let (urls, _) = browser.requests_and_complaints();
    assert!(urls.iter().all(|url| !url.contains(&secret)), "{urls:?}");
    is_clean(&browser, &daemon);
    RawClient::logged_in(&daemon, "carol", OWN);
    // It works once, and what the server keeps or says tells nobody of it.
    let got =
        post(&daemon, &[("user", "carol"), ("invitation", &secret), ("new", "x y z x y z"), ("again", "x y z x y z")]);
    assert!(
        got.status == 401 && got.text().contains("may be used already") && !got.text().contains(&secret),
        "{got:?}"
    );
    // Nothing is asked for that would not help, and what would is said.
    let told = got.text();
    assert!(!told.contains("<input") && told.contains("href=\"/.sealift-web/login\""), "{told}");
    for next in ["If you have joined already", "Ask whoever invited you for another one", "was cut off"] {
        assert!(told.contains(next), "{next}: {told}");
    }
    browser.eval("document.querySelector('.who form button').click()");
    browser.wait("location.pathname === '/'");
    for (width, is_dark, name) in [(1100, false, "join-used-light"), (360, true, "join-used-phone-dark")] {
        browser.look(width, 740, is_dark);
        browser.go(&daemon, &format!("{path}#{secret}"));
        browser.wait("document.querySelector('#invitation')?.hidden");
        for words in [OWN, OWN] {
            browser.type_in(words);
            browser.press("Tab");
        }
        browser.press("Enter");
        browser.wait("document.querySelector('h1').textContent === 'This invitation cannot be used'");
        assert!(!scrolls_sideways(&browser));
        browser.picture(name);
    }
    let found = Command::new("grep").args(["-rFe", &secret]).arg(world.place()).output().unwrap();
    assert_eq!(found.status.code(), Some(1), "{}", text(&found.stdout));
}

#[test]
fn without_a_script_the_invitation_is_typed_and_what_is_wrong_is_said() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let (path, secret) = invite(&daemon, "carol");
    let browser = Chromium::start();
    browser.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    browser.go(&daemon, &format!("{path}#{secret}"));
    browser.picture("join-no-script");
    browser.eval("document.querySelector('#invitation').focus()");
    // All of the address is as good as what is behind the mark.
    let all = format!("https://{}{path}#{secret}", daemon.address());
    for words in [all.as_str(), OWN, "another"] {
        browser.type_in(words);
        browser.press("Tab");
    }
    browser.press("Enter");
    browser.wait("document.querySelector('.wrong')?.textContent.includes('not the same')");
    assert_eq!(browser.text("document.querySelector('#invitation').value"), secret, "it need not be typed again");
    browser.eval("document.querySelector('#new').focus()");
    for words in [OWN, OWN] {
        browser.type_in(words);
        browser.press("Tab");
    }
    browser.press("Enter");
    browser.wait("location.pathname === '/~carol/'");
    is_clean(&browser, &daemon);
}

#[test]
fn an_invitation_gives_a_user_who_is_there_another_password_and_ends_the_old_logins() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let mut native = crate::common::enter(&daemon, "alice");
    let old = super::account::cookie(&daemon, "alice", crate::common::PASSWORD);
    let (_, secret) = invite(&daemon, "alice");
    let got = post(&daemon, &[("user", "alice"), ("invitation", &secret), ("new", "seven77"), ("again", "seven77")]);
    assert!(got.status == 400 && got.text().contains("fewer than 8 characters"), "{got:?}");
    let got = post(&daemon, &[("user", "alice"), ("invitation", &secret), ("new", OWN), ("again", OWN)]);
    assert_eq!((got.status, got.header("location")), (303, "/~alice/"));
    let status = |cookie: &str| curl(&daemon, &["-H", &format!("Cookie: {cookie}")], "/~alice/").status;
    assert_eq!((status(&old), status(got.header("set-cookie").split(';').next().unwrap())), (401, 200));
    assert_eq!(native.try_reply().map(|reply| reply.1).as_deref(), Some("revoked"));
}

#[test]
fn how_long_a_password_has_to_be_is_said_before_one_is_typed_and_what_was_typed_beside_it_stays() {
    let world = World::of(&["alice"]);
    let users = fs::read_to_string(world.place().join("users.toml")).unwrap();
    fs::write(world.place().join("users.toml"), users + "\n[defaults]\nmin_password = 12\n").unwrap();
    let daemon = world.start();
    let (path, secret) = invite(&daemon, "carol");
    let least = "At least 12 characters, and not your name.";
    let page = curl(&daemon, &["-H", "Accept: text/html"], &path).text();
    assert!(page.contains(least) && page.contains("minlength=\"12\""), "{page}");
    let fields = [("user", "carol"), ("invitation", &secret), ("new", "elevenchars"), ("again", "elevenchars")];
    let got = post(&daemon, &fields);
    let told = got.text();
    assert!(got.status == 400 && told.contains("fewer than 12 characters") && told.contains(least), "{got:?}");
    assert!(told.contains(&format!("value=\"{secret}\"")) && told.contains("value=\"carol\""), "{told}");
    assert!(!told.contains("elevenchars"), "{told}");
    let account = curl(&daemon, &["-u", &super::alice(), "-H", "Accept: text/html"], "/.sealift-web/account").text();
    assert!(account.contains(least), "{account}");
}

#[test]
fn where_browsers_do_not_write_nobody_joins_by_one_and_no_address_is_said() {
    let world = World::of(&["alice"]);
    fs::write(world.place().join("sealiftd.toml"), "web = \"read-only\"\n").unwrap();
    let daemon = world.start();
    let output = daemon.command(&["invite", "carol", "--host", "h"]).output().unwrap();
    assert!(output.status.success() && !text(&output.stderr).contains("https://"), "{}", text(&output.stderr));
    assert_eq!(curl(&daemon, &["-H", "Accept: text/html"], &format!("{JOIN}/carol")).status, 405);
    assert_eq!(post(&daemon, &[("user", "carol"), ("invitation", "x"), ("new", "x"), ("again", "x")]).status, 405);
}
