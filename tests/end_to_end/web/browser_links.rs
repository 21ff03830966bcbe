//! Links in a real browser: made by one person, used by another in a profile of its own.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::common::chromium::Chromium;
use crate::common::{World, end_of, enter};

use super::browser::{is_clean, log_in, scrolls_sideways};
use super::noise;

/// Pictures of what is there, as wide screens and phones show it, by day and by night.
fn pictures(browser: &Chromium, name: &str) {
    for (width, height, size) in [(1200, 800, "wide"), (380, 740, "phone")] {
        for (is_dark, shade) in [(false, "light"), (true, "dark")] {
            browser.look(width, height, is_dark);
            browser.wait(&format!("innerWidth === {width}"));
            assert!(!scrolls_sideways(browser), "{name} {size}");
            browser.picture(&format!("{name}-{size}-{shade}"));
        }
    }
}

fn press(browser: &Chromium, text: &str) {
    let found =
        format!("[...document.querySelectorAll('dialog button')].find(button => button.textContent === '{text}')");
    browser.wait(&format!("!!{found}"));
    browser.eval(&format!("{found}.click()"));
}

/// Chooses this in the dialog.
fn choose(browser: &Chromium, id: &str, value: &str) {
    browser.eval(&format!(
        "(() => {{ const it = document.querySelector('dialog #{id}'); it.value = '{value}'; it.onchange?.(); }})()"
    ));
}

/// The path of the link that the dialog shows.
fn made(browser: &Chromium) -> String {
    browser.wait("document.querySelector('dialog #made')?.value.includes('#sha256//')");
    browser.text("new URL(document.querySelector('dialog #made').value).pathname")
}

/// What is typed without a browser, as it is shown in there once it is asked for.
fn commands(browser: &Chromium, within: &str) -> Vec<String> {
    browser.eval(&format!("document.querySelector('{within} .commands summary').click()"));
    let all =
        format!("[...document.querySelectorAll('{within} .commands code')].map(one => one.innerText).join('\\n')");
    browser.text(&all).lines().map(str::to_owned).collect()
}

#[test]
fn a_file_is_shared_with_a_password_and_another_person_downloads_it() {
    let world = World::of(&["alice"]);
    fs::write(world.home("alice").join("holiday plans.txt"), "the plans\n".repeat(100)).unwrap();
    fs::create_dir(world.home("alice").join("photos")).unwrap();
    fs::write(world.home("alice").join("photos/boat.txt"), "a boat").unwrap();
    let daemon = world.start();
    let alice = Chromium::start();
    alice.look(1200, 800, false);
    log_in(&alice, &daemon, "alice", "/~alice/");
    alice.wait("!!document.querySelector('tr.file .more')");
    alice.eval("document.querySelector('tr.file .more').click()");
    press(&alice, "Share");
    alice.wait("document.activeElement.id === 'kind'");
    pictures(&alice, "share-file");
    choose(&alice, "expires", "86400");
    alice.eval("document.querySelector('dialog #password').focus()");
    alice.type_in("open sesame");
    press(&alice, "Make the link");
    let path = made(&alice);
    let told = commands(&alice, "dialog");
    pictures(&alice, "share-made");
    press(&alice, "Done");
    is_clean(&alice, &daemon);
    // Somebody else, who knows nothing of alice's login.
    let visitor = Chromium::start();
    visitor.look(1200, 800, false);
    visitor.go(&daemon, &path);
    visitor.wait("document.activeElement.id === 'password'");
    pictures(&visitor, "link-password");
    visitor.type_in("wrong");
    visitor.press("Enter");
    visitor.wait("document.querySelector('.wrong')?.textContent.includes('not the password')");
    visitor.wait("document.activeElement.id === 'password'");
    visitor.type_in("open sesame");
    visitor.press("Enter");
    visitor.wait("document.querySelector('h1')?.textContent === 'holiday plans.txt'");
    assert_eq!(commands(&visitor, "main"), told);
    pictures(&visitor, "link-file");
    // Typed as they stand they fetch it.
    let [sealift, curl] = &told[..] else { panic!("{told:?}") };
    let sealift =
        format!("{} --password-stdin {}", env!("CARGO_BIN_EXE_sealift"), sealift.strip_prefix("sealift ").unwrap());
    for command in [sealift, curl.replace("PASSWORD", "open sesame")] {
        let place = tempfile::tempdir().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", &command]).current_dir(&place).env("SEALIFT_CONFIG_DIR", place.path().join("config"));
        let done = end_of(shell, "open sesame");
        assert!(done.status.success(), "{command}: {done:?}");
        let fetched = fs::read_to_string(place.path().join("holiday plans.txt")).unwrap();
        assert_eq!(fetched, "the plans\n".repeat(100), "{command}");
    }
    let text = visitor.text("fetch(document.querySelector('a.main').href).then(answer => answer.text())");
    assert_eq!(text, "the plans\n".repeat(100));
    assert!(!visitor.text("document.body.innerText").contains("alice"));
    is_clean(&visitor, &daemon);
    // A folder, as a page.
    alice.eval("document.querySelector('tr.dir .more').click()");
    press(&alice, "Share");
    alice.wait("document.querySelectorAll('dialog #kind option').length === 2");
    press(&alice, "Make the link");
    let folder = made(&alice);
    press(&alice, "Done");
    visitor.go(&daemon, &folder);
    visitor.wait("document.querySelector('td.name a')?.textContent === 'boat.txt'");
    pictures(&visitor, "link-folder");
    // Withdrawn, it is gone at once.
    alice.go(&daemon, "/.sealift-web/links");
    alice.wait("document.querySelectorAll('.links li').length === 2");
    pictures(&alice, "my-links");
    alice.eval("document.querySelector('[aria-label=\"Withdraw photos\"]').click()");
    alice.wait("document.querySelectorAll('.links li').length === 1");
    visitor.go(&daemon, &folder);
    assert!(visitor.text("document.body.innerText").contains("404"));
    is_clean(&alice, &daemon);
}

#[test]
fn another_person_puts_files_in_by_a_link_over_a_line_that_breaks_and_without_a_script() {
    let world = World::of(&["alice"]);
    let inbox = world.home("alice").join("inbox");
    fs::create_dir(&inbox).unwrap();
    fs::write(inbox.join("large.bin"), "alice's own").unwrap();
    let daemon = world.start();
    let alice = Chromium::start();
    alice.look(1200, 800, false);
    log_in(&alice, &daemon, "alice", "/~alice/inbox/");
    alice.eval("document.querySelector('#share').click()");
    alice.wait("document.activeElement.id === 'kind'");
    choose(&alice, "kind", "drop");
    alice.wait("document.querySelector('#downloads').closest('div').hidden");
    pictures(&alice, "share-drop");
    press(&alice, "Make the link");
    let path = made(&alice);
    let own = tempfile::tempdir().unwrap();
    let bytes = noise(40_000_000);
    fs::write(own.path().join("large.bin"), &bytes).unwrap();
    fs::write(own.path().join("<b>small.txt"), "small").unwrap();
    fs::write(own.path().join("empty"), "").unwrap();
    let visitor = Chromium::start();
    visitor.look(1200, 800, false);
    visitor.go(&daemon, &path);
    visitor.wait("!!document.querySelector('#files')");
    pictures(&visitor, "drop");
    visitor.slow_down(8_000_000);
    visitor.choose("#files", &own.path().join("large.bin"));
    visitor.wait("document.querySelector('#uploads progress').value > 3e6");
    visitor.cut_off(true);
    visitor.wait("document.querySelector('.where').textContent.startsWith('The connection is lost')");
    // They are counted with what is on its way.
    for name in ["<b>small.txt", "empty"] {
        visitor.choose("#files", &own.path().join(name));
    }
    visitor.slow_down(30_000_000);
    visitor.wait("document.querySelector('#uploads progress').value > 20e6");
    pictures(&visitor, "drop-running");
    visitor.wait("document.querySelector('#uploads h2').textContent === '3 files uploaded'");
    pictures(&visitor, "drop-done");
    assert!(fs::read(inbox.join("large-2.bin")).unwrap() == bytes);
    assert_eq!(fs::read_to_string(inbox.join("large.bin")).unwrap(), "alice's own");
    assert_eq!(fs::read_to_string(inbox.join("<b>small.txt")).unwrap(), "small");
    assert_eq!(fs::read_dir(&inbox).unwrap().count(), 4, "none is there twice");
    assert!(!visitor.text("document.body.innerText").contains("alice"));
    is_clean(&visitor, &daemon);
    // Without a script the form sends them.
    visitor.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    visitor.go(&daemon, &path);
    visitor.choose("#files", &own.path().join("empty"));
    visitor.eval("document.querySelector('#drop').requestSubmit()");
    visitor.wait("document.querySelector('.done')?.textContent.startsWith('1 file stored')");
    pictures(&visitor, "drop-form-done");
    assert!(inbox.join("empty-2").is_file());
    // Its maker sees what came.
    alice.go(&daemon, "/~alice/inbox/");
    alice.wait("document.querySelectorAll('tr.file').length === 5");
    alice.go(&daemon, "/.sealift-web/links");
    alice.wait("document.querySelector('.links .sum').textContent.includes('4 of 1000 came')");
    // Over, it is over for who is there too.
    alice.eval("document.querySelector('.links button').click()");
    alice.wait("document.querySelectorAll('.links li').length === 0");
    visitor.call("Emulation.setScriptExecutionDisabled", json!({"value": false}));
    visitor.go(&daemon, &path);
    assert!(visitor.text("document.body.innerText").contains("404"));
}

#[test]
fn an_upload_by_a_link_goes_on_after_a_reload_and_is_told_to_nobody_else_who_has_the_link() {
    let world = World::of(&["alice"]);
    let inbox = world.home("alice").join("inbox");
    fs::create_dir(&inbox).unwrap();
    let daemon = world.start();
    let secret = enter(&daemon, "alice").ask("LINK inbox drop=yes").2["secret"].clone();
    let path = format!("/.sealift-web/l/{secret}/");
    let own = tempfile::tempdir().unwrap();
    let file = own.path().join("large ü.bin");
    fs::write(&file, noise(70_000_000)).unwrap();
    let visitor = Chromium::start();
    visitor.look(360, 740, false);
    // A person would be asked whether to leave.
    let leave = "addEventListener('beforeunload', event => event.stopImmediatePropagation())";
    visitor.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": leave}));
    visitor.go(&daemon, &path);
    visitor.wait("document.querySelector('#drop .buttons')?.hidden === true");
    visitor.slow_down(15_000_000);
    visitor.choose("#files", &file);
    visitor.wait("document.querySelector('#uploads progress').value > 40e6");
    visitor.go(&daemon, &path);
    visitor.wait("document.querySelector('#cut')?.textContent.includes('large ü.bin')");
    pictures(&visitor, "drop-cut");
    // Somebody else who has the link sends a file of that name.
    let other = Chromium::start();
    let theirs = own.path().join("theirs/large ü.bin");
    fs::create_dir(theirs.parent().unwrap()).unwrap();
    fs::write(&theirs, noise(3_000_000)).unwrap();
    other.go(&daemon, &path);
    other.wait("document.querySelector('#drop .buttons')?.hidden === true");
    assert_eq!(other.eval("document.querySelector('#cut').hidden"), true);
    other.choose("#files", &theirs);
    other.wait("document.querySelector('#uploads h2').textContent === '1 file uploaded'");
    visitor.cut_off(false);
    visitor.choose("#files", &file);
    visitor.wait("document.querySelector('#uploads h2').textContent === '1 file uploaded'");
    assert!(fs::read(inbox.join("large ü.bin")).unwrap() == noise(3_000_000));
    assert!(fs::read(inbox.join("large ü-2.bin")).unwrap() == noise(70_000_000));
    let offsets = visitor.headers("Upload-Offset");
    assert_eq!(offsets.iter().filter(|offset| **offset == "0").count(), 1, "it did not begin anew: {offsets:?}");
    visitor.wait("document.querySelector('#cut').hidden");
    is_clean(&visitor, &daemon);
}
