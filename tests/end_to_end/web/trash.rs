//! What was deleted or replaced, by the page that shows it, brings it back and empties it: with curl, and in a browser.

use std::fs;

use serde_json::{Value, json};

use super::alice;
use super::browser::{is_clean, log_in, scrolls_sideways};
use crate::common::chromium::Chromium;
use crate::common::web::{Got, curl};
use crate::common::{Daemon, PASSWORD, World, section};

const PAGE: [&str; 4] = ["-H", "Sec-Fetch-Site: same-origin", "-H", "Accept: text/html"];
const TRASH: &str = "/.sealift-web/trash";

/// A server that keeps what goes.
fn keeping(users: &[(&str, &str)]) -> World {
    let world = World::of(&["alice"]);
    let all = users.iter().map(|(name, access)| section(name, access, name)).collect::<String>();
    world.set_users(&format!("{all}\n[defaults]\ntrash = \"30d\"\n"));
    for (name, _) in users {
        fs::create_dir_all(world.home(name)).unwrap();
    }
    world
}

fn post(daemon: &Daemon, login: &str, path: &str, more: &[&str], fields: &[&str]) -> Got {
    let fields = fields.iter().flat_map(|field| ["--data-urlencode", *field]);
    let args: Vec<&str> = ["-u", login].into_iter().chain(more.iter().copied()).chain(fields).collect();
    curl(daemon, &args, &format!("{TRASH}/{path}"))
}

/// What is there, for programs: paths and ids.
fn kept(daemon: &Daemon, login: &str, query: &str) -> Vec<(String, String)> {
    let got = curl(daemon, &["-u", login], &format!("{TRASH}?json{query}"));
    assert_eq!((got.status, got.header("content-type")), (200, "application/json"), "{got:?}");
    let object: Value = serde_json::from_str(&got.text()).unwrap();
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
    object["trash"].as_array().unwrap().iter().map(|entry| (text(entry, "path"), text(entry, "id"))).collect()
}

fn names(daemon: &Daemon, login: &str, query: &str) -> Vec<String> {
    kept(daemon, login, query).into_iter().map(|(path, _)| path).collect()
}

#[test]
fn the_trash_is_listed_restored_and_emptied_without_a_script() {
    let world = keeping(&[("alice", "\"full\"")]);
    let home = world.home("alice");
    fs::create_dir_all(home.join("ü & docs/deep")).unwrap();
    fs::write(home.join("ü & docs/<b>report.pdf"), "the report").unwrap();
    fs::write(home.join("ü & docs/deep/f"), "deep").unwrap();
    fs::write(home.join("note"), "note").unwrap();
    let daemon = world.start();
    let alice = alice();
    let delete = |path: &str| assert_eq!(curl(&daemon, &["-u", &alice, "-X", "DELETE"], path).status, 204, "{path}");
    let folder = "/~alice/%C3%BC%20%26%20docs/";
    let report = format!("{folder}%3Cb%3Ereport.pdf");
    delete(&report);
    delete(&format!("{folder}deep/"));
    delete("/~alice/note");
    assert_eq!(names(&daemon, &alice, ""), ["note", "ü & docs/deep", "ü & docs/<b>report.pdf"]);
    // Of one folder: the page of that has the way to it, and nothing of others.
    let page = curl(&daemon, &[&PAGE[..], &["-u", &alice]].concat(), folder).text();
    let href = page.split("href=\"").find(|rest| rest.starts_with(TRASH)).unwrap().split('"').next().unwrap();
    let got = curl(&daemon, &[&PAGE[..], &["-u", &alice]].concat(), href);
    let shown = got.text();
    assert!(
        shown.contains("&lt;b&gt;report.pdf") && !shown.contains("<b>report") && !shown.contains(">note<"),
        "{shown}"
    );
    assert!(shown.contains("action=\"/.sealift-web/trash/restore\""), "{shown}");
    let own = "<script src=\"/.sealift-web/times.js\" type=\"module\"></script>";
    assert!(!shown.replace(own, "").contains("<script"), "{shown}");
    let query = href.split_once('?').unwrap().1;
    let [(_, deep), (_, id)] = kept(&daemon, &alice, &format!("&{query}")).try_into().unwrap();
    // Brought back, as a form says it, and back to where one was.
    let (path, back) = (format!("path={report}"), format!("back={folder}"));
    let restored = post(&daemon, &alice, "restore", &PAGE, &[&path, &format!("id={id}"), &back]);
    assert_eq!((restored.status, restored.header("location")), (303, &*format!("{href}&restored")));
    assert_eq!(fs::read_to_string(home.join("ü & docs/<b>report.pdf")).unwrap(), "the report");
    let told = curl(&daemon, &[&PAGE[..], &["-u", &alice]].concat(), restored.header("location")).text();
    assert!(told.contains("It is there again."), "{told}");
    let again = post(&daemon, &alice, "restore", &PAGE, &[&path, &format!("id={id}"), &back]);
    assert!(again.status == 404 && again.text().contains("role=\"alert\""), "{again:?}");
    // Something has its name meanwhile: that stays, and it comes back under another.
    fs::create_dir_all(home.join("ü & docs/deep")).unwrap();
    let (path, id) = (format!("path={folder}deep"), format!("id={deep}"));
    let taken = post(&daemon, &alice, "restore", &PAGE, &[&path, &id, &back]);
    assert!(taken.status == 409 && taken.text().contains("Restore under another name"), "{taken:?}");
    let other = post(&daemon, &alice, "restore", &[], &[&path, &id, "to=/other"]);
    assert_eq!((other.status, other.text().trim()), (200, "{\"restored\":true}"), "{other:?}");
    assert_eq!(fs::read_to_string(home.join("other/f")).unwrap(), "deep");
    // One thing for good, and then all of a folder, and no more.
    delete("/~alice/other/");
    delete(&report);
    let [(_, report), (_, other), _] = kept(&daemon, &alice, "").try_into().unwrap();
    let wrong = post(&daemon, &alice, "empty", &[], &["path=/~alice/note", &format!("id={report}")]);
    assert_eq!(wrong.status, 404, "{wrong:?}");
    let one = post(&daemon, &alice, "empty", &PAGE, &["path=/~alice/other", &format!("id={other}"), "back=/~alice/"]);
    assert_eq!(one.status, 303, "{one:?}");
    let all = post(&daemon, &alice, "empty", &[], &[&format!("path={folder}"), "all=yes"]);
    assert_eq!(serde_json::from_str::<Value>(&all.text()).unwrap(), json!({"gone": 1, "left": 0}));
    assert_eq!(names(&daemon, &alice, ""), ["note"]);
    let lost = post(&daemon, &alice, "empty", &[], &["path=/~alice/", "id="]);
    assert!(lost.status == 400 && lost.text().contains("all=yes"), "{lost:?}");
    assert_eq!(post(&daemon, &alice, "empty", &PAGE, &["path=/~alice/", "all=yes", "back=/~alice/"]).status, 303);
    assert_eq!(names(&daemon, &alice, ""), [""; 0]);
    daemon.log_with(&["RESTORE"]);
}

#[test]
fn the_trash_is_its_user_s_and_offers_what_the_rights_of_the_path_allow() {
    let world = keeping(&[
        ("alice", "\"full\""),
        ("bob", "\"full\""),
        ("reader", "\"read\""),
        ("keeper", "[\"list\", \"delete\"]"),
    ]);
    for user in ["alice", "keeper"] {
        fs::write(world.home(user).join("f"), "f").unwrap();
    }
    let daemon = world.start();
    let login = |user: &str| format!("{user}:{PASSWORD}");
    for user in ["alice", "keeper"] {
        assert_eq!(curl(&daemon, &["-u", &login(user), "-X", "DELETE"], &format!("/~{user}/f")).status, 204);
    }
    let [(_, id)] = kept(&daemon, &login("alice"), "").try_into().unwrap();
    // Nobody else sees it, brings it back or removes it; nor does nobody in particular, nor another site.
    assert_eq!(names(&daemon, &login("bob"), ""), [""; 0]);
    let fields = ["path=/~alice/f", &format!("id={id}")];
    for path in ["restore", "empty"] {
        assert_eq!(post(&daemon, &login("bob"), path, &[], &fields).status, 403, "{path}");
        assert_eq!(post(&daemon, &login("alice"), path, &["-H", "Sec-Fetch-Site: cross-site"], &fields).status, 403);
        let nobody = curl(&daemon, &["--data-urlencode", fields[0]], &format!("{TRASH}/{path}"));
        assert_eq!(nobody.status, 401, "{nobody:?}");
        for wrong in [&["path=/~alice/f", "id=x"][..], &["path=x y"], &["path=/~alice/../bob/f"], &["id=x"]] {
            let got = post(&daemon, &login("alice"), path, &[], wrong);
            assert_eq!(got.status, 400, "{path} {wrong:?}");
        }
    }
    assert_eq!(curl(&daemon, &[], TRASH).status, 401);
    assert_eq!(curl(&daemon, &["-u", &login("alice")], &format!("{TRASH}?path=%2F~bob%2F")).status, 403);
    assert_eq!(names(&daemon, &login("alice"), ""), ["f"]);
    // Who only reads is told of nothing; who may delete and not upload removes and does not bring back.
    assert_eq!(curl(&daemon, &["-u", &login("reader")], TRASH).status, 403);
    let page = |user: &str, path: &str| curl(&daemon, &[&PAGE[..], &["-u", &login(user)]].concat(), path).text();
    assert!(!page("reader", "/~reader/").contains(TRASH) && page("keeper", "/~keeper/").contains(TRASH));
    let keeper = page("keeper", TRASH);
    assert!(keeper.contains("Delete for good") && !keeper.contains("Restore"), "{keeper}");
    // Where nothing is kept there is no way to it; and none where nothing may be written.
    let plain = World::of(&["alice"]);
    let none = plain.start();
    assert!(!curl(&none, &[&PAGE[..], &["-u", &login("alice")]].concat(), "/~alice/").text().contains(TRASH));
    drop(daemon);
    let daemon = world.daemon().args(["--web", "read-only"]).start();
    let shown = curl(&daemon, &[&PAGE[..], &["-u", &login("alice")]].concat(), TRASH);
    assert!(shown.status == 200 && !shown.text().contains("<button type=\"submit\" aria-label"), "{}", shown.text());
    for path in ["restore", "empty"] {
        assert_eq!(post(&daemon, &login("alice"), path, &[], &fields).status, 405);
    }
}

#[test]
fn the_trash_is_used_by_the_keyboard_on_a_phone_and_in_the_dark() {
    let world = keeping(&[("alice", "\"full\"")]);
    let home = world.home("alice");
    fs::create_dir(home.join("projects")).unwrap();
    let daemon = world.start();
    let alice = alice();
    let names = ["report for the annual general meeting, third draft.pdf", "notes.txt", "holiday.jpg"];
    for (n, name) in names.into_iter().enumerate() {
        fs::write(home.join("projects").join(name), vec![7; 3000 * (n + 1)]).unwrap();
        let url = format!("/~alice/projects/{}", name.replace(' ', "%20").replace(',', "%2c"));
        assert_eq!(curl(&daemon, &["-u", &alice, "-X", "DELETE"], &url).status, 204);
    }
    let browser = Chromium::start();
    browser.look(1100, 800, false);
    log_in(&browser, &daemon, "alice", "/~alice/projects/");
    browser.eval("[...document.querySelectorAll('.tools a')].find(link => link.textContent === 'Trash').focus()");
    browser.press("Enter");
    browser.wait("document.querySelectorAll('.trash > li').length === 3");
    browser.picture("trash-light");
    let on = "document.activeElement.getAttribute('aria-label')";
    // From the first thing that can be done to the next.
    browser.eval("document.querySelector('.trash button').focus()");
    assert_eq!(browser.text(on), "Restore holiday.jpg");
    browser.press("Tab");
    assert_eq!(browser.text(on), "More for holiday.jpg");
    browser.press("Enter");
    browser.wait("!!document.querySelector('.trash details[open]')");
    browser.picture("trash-more");
    browser.look(360, 740, true);
    browser.picture("trash-phone-dark");
    assert!(!scrolls_sideways(&browser));
    browser.look(1100, 800, true);
    browser.eval("document.querySelectorAll('.trash button[aria-label^=Restore]')[1].focus()");
    browser.press("Enter");
    browser.wait("document.querySelector('.done')?.textContent === 'It is there again.'");
    assert!(home.join("projects/notes.txt").is_file());
    browser.eval("document.querySelector('.sure summary').focus()");
    browser.press("Enter");
    browser.wait("document.querySelector('.sure').open");
    browser.picture("trash-empty-dark");
    browser.press("Tab");
    assert_eq!(browser.text("document.activeElement.textContent"), "Empty it");
    browser.press("Enter");
    browser.wait("document.querySelector('main').innerText.includes('Nothing is here')");
    browser.picture("trash-over");
    assert!(kept(&daemon, &alice, "").is_empty());
    is_clean(&browser, &daemon);
}
