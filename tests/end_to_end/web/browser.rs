//! The page in a real browser: Chromium, without a screen.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::json;

use crate::common::chromium::Chromium;
use crate::common::trees::many_names;
use crate::common::{Daemon, PASSWORD, World, enter, eventually, upload_bytes};

use super::{contents, noise};

pub(super) fn log_in(browser: &Chromium, daemon: &Daemon, user: &str, path: &str) {
    browser.go(daemon, path);
    browser.wait("document.activeElement.id === 'user'");
    browser.type_in(user);
    browser.press("Tab");
    browser.type_in(PASSWORD);
    browser.press("Enter");
    // What is for a script is there, and what is for pages without one is not: one of them is on every page.
    let script = "(document.querySelector('[data-script]')?.hidden === false || document.querySelector('[data-plain]')?.hidden === true)";
    browser.wait(&format!("location.pathname === '{path}' && {script}"));
}

/// Nothing left this host, and nothing that the page did was forbidden by its own policy.
pub(super) fn is_clean(browser: &Chromium, daemon: &Daemon) {
    let (urls, complaints) = browser.requests_and_complaints();
    let own = format!("https://127.0.0.1:{}/", daemon.port());
    assert!(urls.iter().all(|url| url.starts_with(&own)), "{urls:?}");
    assert!(complaints.is_empty(), "{complaints:?}");
}

pub(super) fn scrolls_sideways(browser: &Chromium) -> bool {
    browser.eval("document.documentElement.scrollWidth > innerWidth") == true
}

#[test]
fn a_person_finds_looks_at_and_takes_files_by_the_keyboard_alone() {
    let world = World::of(&["alice"]);
    let home = world.home("alice");
    fs::create_dir_all(home.join("holiday pictures")).unwrap();
    fs::write(home.join("notes.txt"), "buy milk\n<script>document.title = 'no'</script>\n").unwrap();
    fs::write(home.join("<img src=x onerror=alert(1)>.txt"), "odd").unwrap();
    fs::write(home.join("page.html"), "<script>parent.document.title = 'no'</script>").unwrap();
    for n in 0..40 {
        fs::write(home.join(format!("report {n:02}.pdf")), noise(1000 * n)).unwrap();
    }
    let daemon = world.start();
    let browser = Chromium::start();
    browser.look(1100, 800, false);
    log_in(&browser, &daemon, "alice", "/~alice/");
    assert!(browser.text("document.querySelector('.who').innerText").contains("Log out"));
    browser.picture("list-light");
    // Search as one types; the first one that is found opens.
    browser.press("/");
    browser.wait("document.activeElement.id === 'search'");
    browser.type_in("notes");
    let shown = "[...document.querySelectorAll('tbody tr')].filter(row => !row.hidden).length";
    browser.wait(&format!("{shown} === 1"));
    browser.press("Enter");
    browser.wait("document.querySelector('dialog pre')?.textContent.startsWith('buy milk')");
    assert_eq!(browser.text("document.title"), "~alice · Sealift");
    browser.picture("view-text");
    browser.press("Escape");
    browser.wait("!document.querySelector('dialog')");
    browser.eval("document.querySelector('#search').focus()");
    browser.press("Escape");
    browser.wait(&format!("{shown} === 44"));
    // From name to name, and to what can be done with one.
    browser.eval("document.querySelector('tbody a').focus()");
    browser.press("ArrowDown");
    browser.press("ArrowUp");
    assert_eq!(browser.text("document.activeElement.textContent"), "holiday pictures");
    browser.press("Tab");
    assert_eq!(browser.text("document.activeElement.getAttribute('aria-label')"), "Actions for holiday pictures");
    browser.press("Enter");
    browser.wait("!!document.querySelector('dialog.menu')");
    browser.picture("menu");
    browser.press("Escape");
    browser.look(360, 740, true);
    browser.picture("list-phone-dark");
    assert!(!scrolls_sideways(&browser));
    browser.look(1100, 800, true);
    browser.picture("list-dark");
    // A user's page never runs here: it is stored.
    browser.call("Page.setDownloadBehavior", json!({"behavior": "deny"}));
    let own = browser.eval("fetch('page.html').then(answer => answer.headers.get('Content-Disposition'))");
    assert!(own.as_str().unwrap().starts_with("attachment"), "{own}");
    is_clean(&browser, &daemon);
    // Without script it is still a list, sorted, with its archives.
    browser.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    browser.go(&daemon, "/~alice/?sort=size");
    browser.picture("no-script");
}

/// Files that differ, some of them in folders.
fn stuff(folder: &Path, count: usize, large: usize) {
    fs::create_dir_all(folder.join("deep/er")).unwrap();
    for n in 0..count {
        let name = match n % 3 {
            0 => format!("file {n}.bin"),
            1 => format!("deep/ü 文 & #{n}%20"),
            _ => format!("deep/er/{n}.txt"),
        };
        fs::write(folder.join(name), &noise(20_000 + n)[n..]).unwrap();
    }
    fs::write(folder.join("large.bin"), noise(large)).unwrap();
}

pub const HEAD: &str = "document.querySelector('#uploads h2').textContent";

#[test]
fn a_folder_of_200_files_is_uploaded_over_a_line_that_breaks() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let own = tempfile::tempdir().unwrap();
    let folder = own.path().join("drop");
    stuff(&folder, 200, 20_000_000);
    let browser = Chromium::start();
    browser.look(1100, 800, false);
    log_in(&browser, &daemon, "alice", "/~alice/");
    browser.slow_down(8_000_000);
    browser.choose("#tree", &folder);
    browser.wait("document.querySelector('#uploads progress').value > 3e6");
    browser.cut_off(true);
    browser.wait("document.querySelector('.where').textContent.startsWith('The connection is lost')");
    browser.picture("upload-lost");
    browser.slow_down(20_000_000);
    browser.wait("document.querySelector('#uploads progress').value > 12e6");
    browser.picture("upload-running");
    browser.wait(&format!("{HEAD} === '201 files uploaded'"));
    browser.picture("upload-done");
    assert!(contents(&world.home("alice").join("drop")) == contents(&folder));
    // The list has it without a reload, and what is told to a screen reader is the same.
    browser.wait("document.querySelector('tbody tr.dir a')?.textContent === 'drop'");
    assert_eq!(browser.text("document.querySelector('#status').textContent"), "201 files uploaded");
    // A second time nothing is sent, since it is all there.
    browser.eval(&format!("{HEAD} = 'before'"));
    browser.choose("#tree", &folder);
    browser.wait(&format!("{HEAD} === '201 files are here already'"));
    // It comes back as it was.
    let hash = "fetch('drop/large.bin').then(got => got.arrayBuffer()).then(bytes => crypto.subtle.digest('SHA-256', bytes)) \
         .then(hash => [...new Uint8Array(hash)].map(byte => byte.toString(16).padStart(2, '0')).join(''))";
    let expected = std::process::Command::new("sha256sum").arg(folder.join("large.bin")).output().unwrap();
    assert!(expected.stdout.starts_with(browser.text(hash).as_bytes()));
    // Renamed, moved to a new folder, and deleted.
    let press = |selector: &str| browser.eval(&format!("document.querySelector({selector:?}).click()"));
    let choose = |text: &str| {
        let button =
            format!("[...document.querySelectorAll('dialog button')].find(button => button.textContent === '{text}')");
        browser.wait(&format!("!!{button}"));
        browser.eval(&format!("{button}.click()"));
    };
    press("#folder");
    browser.wait("document.activeElement.id === 'answer'");
    browser.type_in("new ü");
    browser.press("Enter");
    browser.wait("[...document.querySelectorAll('tbody a')].some(link => link.textContent === 'new ü')");
    assert!(world.home("alice").join("new ü").is_dir());
    press("tbody tr.dir .more");
    choose("Rename");
    browser.wait("document.activeElement.id === 'answer'");
    browser.eval("document.activeElement.select()");
    browser.type_in("renamed");
    browser.press("Enter");
    browser.wait("[...document.querySelectorAll('tbody a')].some(link => link.textContent === 'renamed')");
    let more = "document.querySelector('[aria-label=\"Actions for renamed\"]').click()";
    browser.eval(more);
    choose("Move");
    browser.wait("document.activeElement.id === 'answer'");
    browser.type_in("new ü");
    browser.press("Enter");
    browser.wait("document.querySelectorAll('tbody a').length === 1");
    assert!(world.home("alice").join("new ü/renamed/large.bin").is_file());
    browser.eval("document.querySelector('tbody a').focus()");
    browser.press("Delete");
    choose("Delete");
    browser.wait("document.querySelectorAll('tbody a').length === 0");
    assert!(contents(&world.home("alice")).values().all(Option::is_none));
    is_clean(&browser, &daemon);
}

/// The page's clock goes twenty times as fast.
fn with_a_fast_clock(browser: &Chromium) {
    let fast = "const real = setTimeout; globalThis.setTimeout = (then, ms) => real(then, ms / 20)";
    browser.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": fast}));
}

#[test]
fn what_was_on_its_way_when_the_line_went_is_sent_again() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let own = tempfile::tempdir().unwrap();
    let folder = own.path().join("drop");
    stuff(&folder, 100, 20_000);
    let browser = Chromium::start();
    // Of a request that the browser is just beginning when it is cut off it may never say that it has failed: the page finds that out by its
    // clock.
    with_a_fast_clock(&browser);
    log_in(&browser, &daemon, "alice", "/~alice/");
    // Small files, of which three are always on their way.
    browser.slow_down(300_000);
    browser.choose("#tree", &folder);
    for part in (1..19).step_by(3) {
        browser.wait(&format!("document.querySelector('#uploads progress').value > {part}e5"));
        browser.cut_off(true);
        browser.wait("document.querySelector('#uploads .where').textContent.startsWith('The connection is lost')");
        browser.slow_down(300_000);
    }
    browser.wait(&format!("{HEAD} === '101 files uploaded'"));
    assert!(contents(&world.home("alice").join("drop")) == contents(&folder));
    is_clean(&browser, &daemon);
}

#[test]
fn a_line_that_went_silently_is_found_out() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let own = tempfile::tempdir().unwrap();
    let file = own.path().join("large.bin");
    fs::write(&file, noise(30_000_000)).unwrap();
    let browser = Chromium::start();
    with_a_fast_clock(&browser);
    log_in(&browser, &daemon, "alice", "/~alice/");
    browser.slow_down(2_000_000);
    browser.choose("#files", &file);
    browser.wait("document.querySelector('#uploads progress').value > 1e6");
    // A process that is stopped says as little as a line that leads nowhere.
    daemon.signal(Signal::STOP);
    browser.wait("document.querySelector('#uploads .where').textContent.startsWith('The connection is lost')");
    browser.slow_down(20_000_000);
    daemon.signal(Signal::CONT);
    browser.wait(&format!("{HEAD} === '1 file uploaded'"));
    assert!(fs::read(world.home("alice").join("large.bin")).unwrap() == fs::read(&file).unwrap());
    is_clean(&browser, &daemon);
}

#[test]
fn an_upload_goes_on_after_a_reload() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let own = tempfile::tempdir().unwrap();
    let file = own.path().join("large ü.bin");
    fs::write(&file, noise(70_000_000)).unwrap();
    let browser = Chromium::start();
    browser.look(360, 740, false);
    // A person would be asked whether to leave.
    let leave = "addEventListener('beforeunload', event => event.stopImmediatePropagation())";
    browser.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": leave}));
    log_in(&browser, &daemon, "alice", "/~alice/");
    browser.slow_down(15_000_000);
    browser.choose("#files", &file);
    browser.wait("document.querySelector('#uploads progress').value > 40e6");
    browser.picture("upload-phone");
    assert!(!scrolls_sideways(&browser));
    browser.go(&daemon, "/~alice/");
    browser.wait("document.querySelector('#cut').textContent.includes('large ü.bin')");
    browser.picture("cut-phone");
    browser.cut_off(false);
    browser.choose("#files", &file);
    browser.wait(&format!("{HEAD} === '1 file uploaded'"));
    assert!(fs::read(world.home("alice").join("large ü.bin")).unwrap() == fs::read(&file).unwrap());
    let offsets = browser.headers("Upload-Offset");
    assert_eq!(offsets.iter().filter(|offset| **offset == "0").count(), 1, "it did not begin anew: {offsets:?}");
    browser.wait("document.querySelector('#cut').hidden");
    is_clean(&browser, &daemon);
}

#[test]
fn an_upload_that_the_native_client_began_goes_on_here() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let bytes = noise(40_000_000);
    let mut alice = enter(&daemon, "alice");
    alice.send(&upload_bytes("large.bin size=40000000", &bytes)[..36_000_000]);
    drop(alice);
    let own = tempfile::tempdir().unwrap();
    let (file, other) = (own.path().join("large.bin"), own.path().join("other/large.bin"));
    fs::write(&file, &bytes).unwrap();
    fs::create_dir(other.parent().unwrap()).unwrap();
    fs::write(&other, &bytes[1..]).unwrap();
    let browser = Chromium::start();
    log_in(&browser, &daemon, "alice", "/~alice/");
    let left = "fetch('large.bin?partial', {method: 'HEAD'}).then(got => got.headers.get('Sealift-Prefix'))";
    eventually("what came is kept", || browser.eval(left).is_string());
    let length = browser.text(left).split(' ').next().unwrap().to_owned();
    browser.choose("#files", &file);
    browser.wait(&format!("{HEAD} === '1 file uploaded'"));
    assert!(fs::read(world.home("alice").join("large.bin")).unwrap() == bytes);
    let offsets = browser.headers("Upload-Offset");
    assert!(offsets.contains(&length) && !offsets.iter().any(|offset| offset == "0"), "{length}: {offsets:?}");
    // Another file of the name begins anew.
    fs::remove_file(world.home("alice").join("large.bin")).unwrap();
    let mut alice = enter(&daemon, "alice");
    alice.send(&upload_bytes("large.bin size=40000000", &bytes)[..36_000_000]);
    drop(alice);
    eventually("what came is kept", || browser.eval(left).is_string());
    browser.eval(&format!("{HEAD} = 'before'"));
    browser.choose("#files", &other);
    browser.wait(&format!("{HEAD} === '1 file uploaded'"));
    assert!(fs::read(world.home("alice").join("large.bin")).unwrap() == bytes[1..]);
    is_clean(&browser, &daemon);
}

#[test]
fn what_one_may_not_do_is_not_offered() {
    let world = World::with(&[("reader", "\"read\"", "reader"), ("sender", "[\"upload\", \"list\"]", "sender")]);
    fs::write(world.home("reader").join("file"), "x").unwrap();
    fs::write(world.home("sender").join("file"), "x").unwrap();
    let daemon = world.start();
    for (user, may, may_not) in [("reader", "a[href='?zip']", "#files"), ("sender", "#files", "a[href='?zip']")] {
        let browser = Chromium::start();
        log_in(&browser, &daemon, user, &format!("/~{user}/"));
        assert_eq!(browser.eval(&format!("!!document.querySelector(\"{may}\")")), true);
        assert_eq!(browser.eval(&format!("!!document.querySelector(\"{may_not}\")")), false);
        assert_eq!(browser.eval("!!document.querySelector('#folder')"), false);
        // Nothing at all can be done with what one may neither read nor change.
        assert_eq!(browser.eval("!!document.querySelector('tbody a, .more')"), user == "reader");
        if user == "reader" {
            browser.eval("document.querySelector('.more').click()");
            let items = browser.text("document.querySelector('dialog').innerText");
            assert!(!items.contains("Delete") && !items.contains("Rename") && !items.contains("Move"), "{items}");
            assert!(items.contains("Download"), "{items}");
        }
    }
}

#[test]
fn a_folder_of_10_000_is_searched_and_scrolled() {
    let world = World::of(&[]);
    many_names(&world.home("public"), "", (0..10_000).map(|n| format!("file {n:05}")));
    let daemon = world.start();
    let browser = Chromium::start();
    browser.look(1100, 800, false);
    browser.go(&daemon, "/");
    browser.wait("document.querySelectorAll('.more').length === 10000");
    // What is not seen is not laid out: only so the height of all is known without all.
    assert_eq!(browser.eval("getComputedStyle(document.querySelector('tbody tr')).contentVisibility"), "auto");
    browser.eval("scrollTo(0, document.body.scrollHeight)");
    browser.wait("document.querySelector('.sum').getBoundingClientRect().top < innerHeight");
    browser.eval("search.value = '09999'; search.dispatchEvent(new Event('input'))");
    browser.wait("[...document.querySelectorAll('tbody tr')].filter(row => !row.hidden).length === 1");
}

#[test]
fn who_may_only_bring_files_has_a_page_to_bring_them_and_sees_on_a_phone_which_of_them_failed() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    daemon.add_user("carl", PASSWORD, "upload");
    let own = tempfile::tempdir().unwrap();
    let file = own.path().join("delivery with a rather long name.bin");
    fs::write(&file, noise(5000)).unwrap();
    let browser = Chromium::start();
    browser.look(360, 740, false);
    log_in(&browser, &daemon, "carl", "/~carl/");
    assert_eq!(browser.eval("document.querySelector('table')"), serde_json::Value::Null);
    assert!(browser.text("document.querySelector('main').innerText").contains("not see what is here"));
    browser.choose("#files", &file);
    browser.wait(&format!("{HEAD} === '1 file uploaded'"));
    assert_eq!(contents(&world.home("carl")).len(), 1);
    // What is there already is not replaced by who may not: it is named, in full, with why.
    fs::write(&file, noise(6000)).unwrap();
    browser.choose("#files", &file);
    let shown = "document.querySelector('#uploads li.taken .file, #uploads li.failed .file')";
    browser.wait(&format!("!!{shown}"));
    assert!(browser.text(&format!("{shown}.textContent")).contains("rather long name"));
    assert!(browser.eval(&format!("{shown}.clientWidth > 200")) == true);
    assert!(!scrolls_sideways(&browser));
    browser.picture("delivery-phone");
    is_clean(&browser, &daemon);

    // An error tells who one is, and how one gets home.
    browser.go(&daemon, "/~alice/");
    let page = browser.text("document.body.innerText");
    assert!(page.contains("Log out") && page.contains("Your folder") && page.contains("~alice: no such"), "{page}");
}
