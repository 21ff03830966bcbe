//! Files that have one name, one size and one time and are not the same: the page goes by their bytes.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::common::chromium::Chromium;
use crate::common::web::curl;
use crate::common::{World, enter};
use sealift::files::Hash;

use super::browser::{HEAD, is_clean, log_in};
use super::{alice, contents, noise};

const SECS: u64 = 1_000_000_000;

fn time() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(SECS)
}

/// A file that was modified at that time.
fn file_of(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
    File::options().write(true).open(path).unwrap().set_modified(time()).unwrap();
}

/// Waits until all that was chosen is over, with this in the head of the list, and empties that.
fn is_over(browser: &Chromium, head: &str) {
    browser.wait(&format!("{HEAD} === '{head}' && !document.querySelector('#uploads').hidden"));
    browser.eval("document.querySelector('#uploads .clear').click()");
    browser.wait("document.querySelector('#uploads').hidden");
    browser.eval(&format!("{HEAD} = ''"));
}

#[test]
fn what_is_here_already_is_told_by_its_bytes() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let own = tempfile::tempdir().unwrap();
    // The page hashes them in two ways.
    let sizes = [("empty", 0), ("small", 5000), ("large", 9_000_001)];
    for (name, size) in sizes {
        let path = own.path().join("first").join(name);
        file_of(&path, &noise(size));
        let (login, url) = (alice(), format!("/~alice/{name}"));
        let (sent, mtime) = (path.display().to_string(), format!("X-OC-Mtime: {SECS}"));
        assert_eq!(curl(&daemon, &["-u", &login, "-T", &sent, "-H", &mtime], &url).status, 201);
    }
    let before = contents(&world.home("alice"));
    let browser = Chromium::start();
    log_in(&browser, &daemon, "alice", "/~alice/");
    for (name, size) in &sizes[1..] {
        let other = own.path().join("other").join(name);
        file_of(&other, &noise(size + 1)[1..]);
        browser.choose("#files", &other);
        browser.wait(&format!("{HEAD} === '0 of 1 uploaded, 1 not'"));
        let told = "document.querySelector('#uploads li .why').textContent";
        assert_eq!(browser.text(told), "A file of this name is here already.", "{name}");
        is_over(&browser, "0 of 1 uploaded, 1 not");
    }
    // The third step of what is hashed waits for the test.
    browser.eval(
        "{ const read = Blob.prototype.arrayBuffer; const gate = new Promise((open) => { globalThis.goOn = open; }); let steps = 0; \
         Blob.prototype.arrayBuffer = async function () { if (this.size === 1 << 20 && (steps += 1) > 3) await gate; return read.call(this); }; }",
    );
    for (name, size) in sizes {
        browser.choose("#files", &own.path().join("first").join(name));
        if size > 8 << 20 {
            browser.wait("document.querySelector('#uploads .far')?.textContent === 'comparing… 34 %'");
            browser.wait(&format!("{HEAD} === 'Comparing 1 of 1 with what is here'"));
            browser.eval("goOn()");
        }
        is_over(&browser, "1 file is here already");
    }
    assert!(contents(&world.home("alice")) == before);
    assert_eq!(browser.headers("Upload-Offset"), Vec::<String>::new(), "nothing of it was sent");
    is_clean(&browser, &daemon);
}

#[test]
fn an_upload_goes_on_with_the_file_that_it_began_with_and_with_no_other() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let own = tempfile::tempdir().unwrap();
    let file = own.path().join("file.bin");
    let (bytes, other) = (noise(70_000_000), vec![7; 70_000_000]);
    let browser = Chromium::start();
    let leave = "addEventListener('beforeunload', event => event.stopImmediatePropagation())";
    browser.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": leave}));
    log_in(&browser, &daemon, "alice", "/~alice/");
    let cut = || {
        file_of(&file, &bytes);
        browser.slow_down(15_000_000);
        browser.choose("#files", &file);
        browser.wait("document.querySelector('#uploads progress').value > 40e6");
        browser.go(&daemon, "/~alice/");
        browser.wait("document.querySelector('#cut').textContent.includes('file.bin')");
        browser.cut_off(false);
    };
    cut();
    file_of(&file, &other);
    browser.choose("#files", &file);
    is_over(&browser, "1 file uploaded");
    assert!(fs::read(world.home("alice").join("file.bin")).unwrap() == other);
    // The same with what is whole by now, and whose answer nobody heard.
    fs::remove_file(world.home("alice").join("file.bin")).unwrap();
    file_of(&file, &bytes);
    let key = format!("/~alice/file.bin 70000000 {SECS}000");
    browser.eval("globalThis.kept = Storage.prototype.setItem; Storage.prototype.setItem = () => {}");
    browser.choose("#files", &file);
    is_over(&browser, "1 file uploaded");
    let url = browser.text(
        "performance.getEntriesByType('resource').map(entry => new URL(entry.name).pathname) \
         .filter(path => path.startsWith('/.sealift-web/uploads/')).at(-1)",
    );
    let keep = format!("kept.call(localStorage, 'sealift-uploads', JSON.stringify({{{key:?}: {url:?}}}))");
    for (now, told) in [(&bytes, "1 file uploaded"), (&other, "0 of 1 uploaded, 1 not")] {
        browser.eval(&keep);
        browser.go(&daemon, "/~alice/");
        browser.wait("document.querySelector('#cut').textContent.includes('file.bin')");
        browser.eval("globalThis.kept = Storage.prototype.setItem");
        file_of(&file, now);
        browser.choose("#files", &file);
        is_over(&browser, told);
        assert!(fs::read(world.home("alice").join("file.bin")).unwrap() == bytes);
    }
    is_clean(&browser, &daemon);
}

#[test]
fn the_same_chosen_twice_is_sent_once_by_a_link_and_another_of_its_name_too() {
    let world = World::of(&["alice"]);
    let inbox = world.home("alice").join("inbox");
    fs::create_dir(&inbox).unwrap();
    let daemon = world.start();
    let secret = enter(&daemon, "alice").ask("LINK inbox drop=yes").2["secret"].clone();
    let own = tempfile::tempdir().unwrap();
    let (one, other) = (own.path().join("one/x.bin"), own.path().join("other/x.bin"));
    let bytes = noise(3_000_001);
    file_of(&one, &bytes[..3_000_000]);
    file_of(&other, &bytes[1..]);
    let visitor = Chromium::start();
    visitor.go(&daemon, &format!("/.sealift-web/l/{secret}/"));
    visitor.wait("document.querySelector('#drop .buttons')?.hidden === true");
    visitor.slow_down(100_000);
    visitor.choose("#files", &one);
    visitor.wait("document.querySelector('#uploads progress').value > 0");
    for file in [&one, &other, &one, &other, &other] {
        visitor.choose("#files", file);
    }
    visitor.wait(&format!("{HEAD} === 'Uploading 1 of 2'"));
    visitor.cut_off(false);
    visitor.wait(&format!("{HEAD} === '2 files uploaded'"));
    let found: Vec<_> = contents(&inbox).into_values().flatten().collect();
    assert!(found.len() == 2 && found.contains(&bytes[1..].to_vec()) && found.contains(&bytes[..3_000_000].to_vec()));
    is_clean(&visitor, &daemon);
}

#[test]
fn stop_also_ends_what_is_still_compared() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let own = tempfile::tempdir().unwrap();
    let paths = ["one/x.bin", "other/x.bin", "last.bin"].map(|name| own.path().join(name));
    for (n, path) in paths.iter().enumerate() {
        file_of(path, &noise(3_000_002)[n..n + 3_000_000]);
    }
    let browser = Chromium::start();
    log_in(&browser, &daemon, "alice", "/~alice/");
    browser.slow_down(100_000);
    browser.choose("#files", &paths[0]);
    browser.wait("document.querySelector('#uploads progress').value > 0");
    // Whether it is the same is looked at for as long as the test likes.
    browser.eval(
        "globalThis.real = Blob.prototype.arrayBuffer; globalThis.held = []; \
         Blob.prototype.arrayBuffer = function () { return new Promise(go => held.push(go)).then(() => real.call(this)); }; 0",
    );
    browser.choose("#files", &paths[1]);
    browser.wait("held.length === 2");
    browser.eval("document.querySelector('#uploads .stop').click()");
    browser.wait(&format!("{HEAD} === 'Looking whether that was uploaded just now'"));
    browser.picture("compared");
    browser.eval("Blob.prototype.arrayBuffer = real; held.forEach(go => go())");
    browser.wait("document.querySelector('#uploads .stop').hidden");
    // What is chosen next is all that comes.
    browser.cut_off(false);
    browser.choose("#files", &paths[2]);
    browser.wait(&format!("{HEAD} === '1 file uploaded'"));
    let came = contents(&world.home("alice"));
    assert_eq!(came.into_keys().collect::<Vec<_>>(), [Path::new("last.bin")]);
    is_clean(&browser, &daemon);
}

#[test]
fn the_page_hashes_what_it_has_as_the_server_does() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let browser = Chromium::start();
    log_in(&browser, &daemon, "alice", "/~alice/");
    let bytes = |len: usize| (0..len).map(|n| (n * 31 + n / 256) as u8).collect::<Vec<u8>>();
    let all = bytes(5_000_000);
    for len in
        [0, 1, 63, 64, 65, 1023, 1024, 1025, 2048, 2049, 3073, 70_000, 1 << 20, (1 << 20) + 1, 4_321_987, 5_000_000]
    {
        let script = format!(
            "import('/.sealift-web/blake3.js').then(({{ blake3 }}) => {{ \
                const bytes = globalThis.made ??= Uint8Array.from({{ length: 5000000 }}, (_, n) => n * 31 + Math.floor(n / 256)); \
                return blake3(new Blob([bytes]), {len}, () => true); }})"
        );
        assert_eq!(browser.text(&script), Hash::of(&all[..len]).to_string(), "{len}");
    }
}
