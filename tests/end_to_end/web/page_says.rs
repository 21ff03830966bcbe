//! What the page says of what becomes of a thing, of what is offered at a place, and of the ways that are there.

use std::fs;

use super::alice;
use super::browser::{HEAD, is_clean, log_in, scrolls_sideways};
use super::noise;
use crate::common::chromium::Chromium;
use crate::common::web::curl;
use crate::common::{Daemon, PASSWORD, World, enter, section};

const PAGE: [&str; 4] = ["-H", "Sec-Fetch-Site: same-origin", "-H", "Accept: text/html"];
const TOOLS: &str = "[...document.querySelectorAll('.tools button, .tools a')].filter(tool => tool.offsetParent).map(tool => tool.textContent).join(',')";
const QUESTION: &str = "document.querySelector('dialog.ask p').textContent";
const WHERE: &str = "document.querySelector('#uploads .where').textContent";

/// Of alice's own folder what is deleted is kept, and of what she shares with others nothing is.
fn sharing() -> World {
    let world = World::of(&["alice"]);
    let users = [
        &section("alice", "\"full\"", "alice"),
        "trash = \"30d\"\n\n[[users.alice.rules]]\npath = \"/old/**\"\naccess = \"read\"\n",
        &section("bob", "\"full\"", "bob"),
        "trash = \"1d\"\nquota = \"10 MB\"\n",
        &section("reader", "\"read\"", "reader"),
        "\n[folders.team]\naccess = { alice = \"full\" }\n\n[anonymous]\nenabled = true\nhome = \"public\"\n",
    ];
    world.set_users(&users.concat());
    for folder in ["alice/docs", "alice/old", "bob", "reader", "team"] {
        fs::create_dir_all(world.home(folder)).unwrap();
    }
    for file in ["alice/a.txt", "alice/docs/x", "alice/old/x", "team/b.txt", "team/c.txt"] {
        fs::write(world.home(file), "old").unwrap();
    }
    fs::write(world.home("alice/empty"), "").unwrap();
    world
}

fn page(daemon: &Daemon, user: &str, path: &str) -> String {
    let login = format!("{user}:{PASSWORD}");
    curl(daemon, &[&PAGE[..], &["-u", &login]].concat(), path).text()
}

/// What becomes of what is deleted here, as a script is told.
fn kept(page: &str) -> &str {
    let (_, rest) = page.split_once("<main").unwrap();
    let (_, rest) = rest.split_once("data-trash=\"").unwrap();
    rest.split('"').next().unwrap()
}

fn delete(browser: &Chromium, name: &str) -> String {
    let link = format!("[...document.querySelectorAll('tbody a')].find(a => a.textContent === '{name}')");
    // The question before it may be on its way out.
    browser.wait(&format!("!!{link} && !document.querySelector('dialog')"));
    browser.eval(&format!("{link}.focus()"));
    browser.press("Delete");
    browser.text(QUESTION)
}

#[test]
fn a_question_says_what_becomes_of_a_thing_and_what_cannot_work_is_not_offered() {
    let world = sharing();
    let daemon = world.start();
    let browser = Chromium::start();
    browser.look(1280, 800, false);
    log_in(&browser, &daemon, "alice", "/~alice/");
    browser.wait("!!document.querySelector('.more')");
    // Not all that is in it may be linked to.
    assert_eq!(browser.text(TOOLS), "Upload,Upload a folder,New folder,Trash,Zip,Tar");
    assert_eq!(delete(&browser, "docs"), "The folder goes to the trash with everything in it, for 30 days.");
    browser.press("Escape");
    assert_eq!(delete(&browser, "empty"), "The file is empty: it will be gone for good.");
    browser.press("Escape");
    assert_eq!(delete(&browser, "a.txt"), "The file goes to the trash, for 30 days.");
    browser.picture("delete-kept");
    browser.eval("document.querySelector('dialog .grave').click()");
    browser.wait("document.querySelector('.toast')?.textContent === 'It is in the trash.'");
    let trash = || curl(&daemon, &["-u", &alice()], "/.sealift-web/trash?json").text();
    assert!(!world.home("alice/a.txt").exists() && trash().contains("a.txt"));
    browser.go(&daemon, "/~alice/docs/");
    browser.wait("document.querySelectorAll('.more').length === 1");
    assert_eq!(browser.text(TOOLS), "Upload,Upload a folder,New folder,Share,Trash,Zip,Tar");
    // What is shared with her keeps nothing.
    browser.go(&daemon, "/~alice/team/");
    browser.wait("document.querySelectorAll('.more').length === 2");
    assert_eq!(browser.text(TOOLS), "Upload,Upload a folder,New folder,Share,Zip,Tar");
    assert_eq!(delete(&browser, "b.txt"), "The file will be gone for good.");
    browser.picture("delete-for-good");
    browser.press("Escape");
    browser.wait("!document.querySelector('dialog')");
    browser.eval("document.querySelector('.more').click()");
    let items = browser.text("document.querySelector('dialog.menu').innerText");
    assert!(items.contains("Delete") && items.contains("Share"), "{items}");
    browser.go(&daemon, "/.sealift-web/trash?path=%2F~alice%2Fteam%2F");
    let told = browser.text("document.querySelector('main').innerText");
    assert!(told.contains("Nothing is kept here"), "{told}");
    is_clean(&browser, &daemon);
}

#[test]
fn many_names_that_are_taken_are_decided_on_at_once_and_what_is_replaced_goes_where_it_says() {
    let world = sharing();
    let daemon = world.start();
    let own = tempfile::tempdir().unwrap();
    let names = ["1.txt", "2.txt", "3.txt", "new.txt"];
    let paths = names.map(|name| own.path().join(name));
    for (n, path) in paths.iter().enumerate() {
        fs::write(path, noise(100 + n)).unwrap();
    }
    for name in &names[..3] {
        fs::write(world.home("alice").join(name), "old").unwrap();
        fs::write(world.home("team").join(name), "old").unwrap();
    }
    let browser = Chromium::start();
    browser.look(390, 800, true);
    log_in(&browser, &daemon, "alice", "/~alice/");
    browser.drop_on(&paths);
    browser.wait(&format!("{HEAD} === '1 of 4 uploaded, 3 not'"));
    assert_eq!(
        browser.text(WHERE),
        "What was uploaded has been verified and is on the server's disk. 3 names are taken. \
         What is replaced goes to the trash, for 30 days."
    );
    assert!(!scrolls_sideways(&browser));
    browser.picture("taken-phone-dark");
    browser.look(1280, 800, false);
    browser.picture("taken-light");
    let all = |what: &str| browser.eval(&format!("document.querySelector('#uploads .{what}').click()"));
    assert_eq!(browser.text("document.querySelector('#uploads .replace').innerText"), "Replace all 3");
    all("replace");
    browser.wait(&format!("{HEAD} === '4 files uploaded'"));
    for (n, name) in names.iter().enumerate() {
        assert!(fs::read(world.home("alice").join(name)).unwrap() == noise(100 + n), "{name}");
    }
    let trash = curl(&daemon, &["-u", &alice()], "/.sealift-web/trash?json").text();
    assert!(names[..3].iter().all(|name| trash.contains(name)), "{trash}");
    // Where nothing is kept it says that, and that nothing came is not called verified.
    browser.go(&daemon, "/~alice/team/");
    browser.wait("document.querySelectorAll('.more').length === 5");
    browser.drop_on(&paths[..2]);
    browser.wait(&format!("{HEAD} === '0 of 2 uploaded, 2 not'"));
    assert_eq!(browser.text(WHERE), "2 names are taken. What is replaced will be gone for good.");
    all("keep");
    browser.wait("document.querySelector('#uploads').hidden");
    assert_eq!(fs::read_to_string(world.home("team/1.txt")).unwrap(), "old");
    // Beside what is there each gets the first number that is free, all of them or one.
    fs::write(world.home("team/1-2.txt"), "taken too").unwrap();
    browser.drop_on(&paths[..2]);
    // What was said last is there still, and not shown.
    browser.wait(&format!("!document.querySelector('#uploads').hidden && {HEAD} === '0 of 2 uploaded, 2 not'"));
    assert_eq!(browser.text("document.querySelector('#uploads .both').innerText"), "Keep both for all 2");
    all("both");
    browser.wait(&format!("{HEAD} === '2 files uploaded'"));
    browser.drop_on(&paths[2..3]);
    browser.wait(&format!("{HEAD} === '0 of 1 uploaded, 1 not'"));
    browser.eval(
        "[...document.querySelectorAll('#uploads li button')].find(one => one.innerText === 'Keep both').click()",
    );
    browser.wait(&format!("{HEAD} === '1 file uploaded'"));
    let team = |name: &str| fs::read(world.home("team").join(name)).unwrap();
    for (n, (name, beside)) in [("1.txt", "1-3.txt"), ("2.txt", "2-2.txt"), ("3.txt", "3-2.txt")].iter().enumerate() {
        assert!(team(name) == b"old" && team(beside) == noise(100 + n), "{beside}");
    }
    assert_eq!(team("1-2.txt"), b"taken too");
    browser.drop_on(&paths[..1]);
    browser.wait(&format!("{HEAD} === '0 of 1 uploaded, 1 not'"));
    assert_eq!(browser.eval("document.querySelector('#uploads .replace').hidden"), true, "its own button is enough");
    is_clean(&browser, &daemon);
}

#[test]
fn what_is_said_of_what_is_replaced_is_what_becomes_of_it_in_its_own_folder() {
    let world = sharing();
    let daemon = world.start();
    let own = tempfile::tempdir().unwrap();
    // In her own folder, where it is kept; in a folder that is shared with her, where it is not; and over nothing.
    for name in ["team/b.txt", "docs/x", "empty"] {
        let path = own.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, noise(100)).unwrap();
    }
    let browser = Chromium::start();
    browser.look(1280, 800, false);
    log_in(&browser, &daemon, "alice", "/~alice/");
    browser.wait("document.querySelectorAll('.more').length === 5");
    let is_told = |names: &[&str], told: &str| {
        let paths: Vec<_> = names.iter().map(|name| own.path().join(name)).collect();
        browser.drop_on(&paths);
        browser.wait(&format!("{HEAD} === '0 of {0} uploaded, {0} not'", names.len()));
        assert_eq!(browser.text(WHERE), told);
    };
    let close = || {
        browser.eval("document.querySelector('#uploads .clear').click()");
        browser.wait("document.querySelector('#uploads').hidden");
        browser.eval(&format!("{HEAD} = ''"));
    };
    is_told(&["team"], "A name is taken. What is replaced will be gone for good.");
    close();
    is_told(&["docs"], "A name is taken. What is replaced goes to the trash, for 30 days.");
    close();
    is_told(&["empty"], "A name is taken. What is replaced will be gone for good.");
    close();
    is_told(
        &["docs", "empty", "team"],
        "3 names are taken. If they are replaced, 1 of them goes to the trash, for 30 days; the others will be gone for good.",
    );
    let told = browser.text("[...document.querySelectorAll('#uploads li')].map(line => line.querySelector('.file').textContent + ': ' + line.querySelector('.why').textContent).sort().join('\\n')");
    let gone = "A file of this name is here already. What is replaced will be gone for good.";
    let kept = "A file of this name is here already. What is replaced goes to the trash, for 30 days.";
    assert_eq!(told, format!("docs/x: {kept}\nempty: {gone}\nteam/b.txt: {gone}"));
    browser.picture("taken-mixed");
    // Several times at once, in words.
    let fate = |times: &str| {
        browser.text(&format!("import('/.sealift-web/dialogs.js').then(({{ fate }}) => fate([{times}]))"))
    };
    assert_eq!(
        fate("'30 days', '7 days', '30 days'"),
        "2 of them go to the trash, for 30 days; 1 of them goes to the trash, for 7 days."
    );
    assert_eq!(
        fate("'30 days', '', ''"),
        "1 of them goes to the trash, for 30 days; the others will be gone for good."
    );
    browser.look(390, 800, true);
    browser.wait("innerWidth === 390");
    assert!(!scrolls_sideways(&browser));
    browser.picture("taken-mixed-phone-dark");
    browser.eval("document.querySelector('#uploads .replace').click()");
    browser.wait(&format!("{HEAD} === '3 files uploaded'"));
    let trash = curl(&daemon, &["-u", &alice()], "/.sealift-web/trash?json").text();
    assert!(trash.contains("docs/x") && !trash.contains("empty") && !trash.contains("b.txt"), "{trash}");
    is_clean(&browser, &daemon);
}

#[test]
fn a_share_that_is_sent_twice_is_one_link() {
    let world = World::of(&["alice"]);
    fs::create_dir(world.home("alice").join("docs")).unwrap();
    fs::write(world.home("alice").join("docs/a.txt"), "x").unwrap();
    let daemon = world.start();
    let browser = Chromium::start();
    log_in(&browser, &daemon, "alice", "/~alice/docs/");
    browser.wait("!!document.querySelector('.more')");
    browser.eval(
        "globalThis.real = fetch; globalThis.held = []; \
         globalThis.fetch = (...asked) => new Promise(go => held.push(go)).then(() => real(...asked)); 0",
    );
    browser.eval("document.querySelector('#share').click()");
    let send = "document.querySelector('dialog [type=submit]')";
    browser.eval(&format!("{send}.click(); {send}.click()"));
    browser.eval("document.querySelector('#password').focus()");
    browser.press("Enter");
    browser.wait("held.length > 0");
    assert_eq!(browser.eval(&format!("{send}.disabled")), true);
    browser.eval("held.forEach(go => go())");
    browser.wait("document.querySelector('#made')?.value.startsWith('https://')");
    let links = curl(&daemon, &["-u", &alice()], "/.sealift-web/links?json").text();
    assert_eq!(links.matches("\"name\"").count(), 1, "{links}");
    is_clean(&browser, &daemon);
}

#[test]
fn a_home_with_a_drop_box_in_it_can_be_shared_and_it_is_asked_before_whether_all_of_it_is_meant() {
    let world = World::of(&["alice"]);
    let folders = "\n[folders.box]\naccess = { \"*\" = [\"upload\", \"list\"] }\n";
    world.set_users(&(section("alice", "\"full\"", "alice") + folders));
    for folder in ["alice", "box"] {
        fs::create_dir_all(world.home(folder)).unwrap();
    }
    fs::write(world.home("alice/a.txt"), "alice's").unwrap();
    fs::write(world.home("box/theirs.txt"), "SECRET").unwrap();
    let daemon = world.start();
    let browser = Chromium::start();
    browser.look(1280, 800, false);
    log_in(&browser, &daemon, "alice", "/~alice/");
    browser.wait("document.querySelectorAll('.more').length === 2");
    assert_eq!(browser.text(TOOLS), "Upload,Upload a folder,New folder,Share,Zip,Tar");
    browser.eval("document.querySelector('#share').click()");
    let asked = browser.text(QUESTION);
    assert!(asked.starts_with("This is all of your own folder"), "{asked}");
    browser.picture("share-home");
    browser.press("Escape");
    browser.wait("!document.querySelector('dialog')");
    browser.eval("document.querySelector('#share').click()");
    browser.wait("!!document.querySelector('dialog .grave')");
    browser.eval("document.querySelector('dialog .grave').click()");
    browser.wait("document.activeElement.id === 'kind'");
    browser.eval("document.querySelector('dialog [type=submit]').click()");
    browser.wait("document.querySelector('#made')?.value.startsWith('https://')");
    let link = browser.text("new URL(document.querySelector('#made').value).pathname");
    // What is in the box is no part of it.
    assert_eq!(curl(&daemon, &[], &format!("{link}a.txt")).text(), "alice's");
    let all = curl(&daemon, &[], &format!("{link}?tar")).text();
    assert!(all.contains("alice's") && !all.contains("SECRET"), "{all}");
    assert_eq!(curl(&daemon, &[], &format!("{link}box/theirs.txt")).status, 404);
    assert_eq!(enter(&daemon, "alice").ask("LINK box").1, "denied", "and of the box itself none is to be had");
    is_clean(&browser, &daemon);
}

#[test]
fn where_nothing_is_written_by_the_web_no_link_is_offered_to_be_made_or_withdrawn() {
    let world = sharing();
    let daemon = world.start();
    enter(&daemon, "alice").ask("LINK a.txt");
    daemon.stop();
    let daemon = world.daemon().args(["--web", "read-only"]).start();
    let links = page(&daemon, "alice", "/.sealift-web/links");
    assert!(links.contains("a.txt") && !links.contains("Withdraw") && links.contains("sealift link remove"), "{links}");
    let none = page(&daemon, "bob", "/.sealift-web/links");
    assert!(!none.contains("“Share”") && none.contains("You have none."), "{none}");
}

#[test]
fn every_page_of_a_person_has_the_same_ways_and_says_how_much_room_there_is() {
    let world = sharing();
    fs::write(world.home("bob").join("f"), noise(2_000_000)).unwrap();
    let daemon = world.start();
    let ways = |user: &str, path: &str| {
        let page = page(&daemon, user, path);
        let header = page.split("</header>").next().unwrap().split_once("<header>").unwrap().1.to_owned();
        let count = |what: &str| header.matches(what).count();
        (count("href=\"/.sealift-web/links\""), count("href=\"/\""), count("Log out"))
    };
    for path in
        ["/~alice/", "/~alice/old/", "/~alice/team/", "/", "/.sealift-web/links", "/.sealift-web/trash", "/~alice/no"]
    {
        assert_eq!(ways("alice", path), (1, 1, 1), "{path}");
    }
    for path in ["/~reader/", "/", "/~reader/no"] {
        assert_eq!(ways("reader", path), (0, 1, 1), "{path}");
    }
    assert!(
        page(&daemon, "alice", "/.sealift-web/links").contains("href=\"/.sealift-web/links\" aria-current=\"page\"")
    );
    assert_eq!(kept(&page(&daemon, "alice", "/~alice/")), "30 days");
    assert_eq!(kept(&page(&daemon, "alice", "/~alice/team/")), "");
    let bobs = page(&daemon, "bob", "/~bob/");
    assert_eq!(kept(&bobs), "a day or until its room is needed");
    assert!(bobs.contains("1.9 MiB of 10 MB (9.5 MiB) used"), "{bobs}");
    let alices = page(&daemon, "alice", "/~alice/");
    assert!(!alices.contains(" used") && alices.matches("Shared").count() == 1, "{alices}");
    // Whoever mistyped the password need not type the name again.
    let form = ["--data-urlencode", "user=a\"l<i", "--data-urlencode", "password=no"];
    let again = curl(&daemon, &[&PAGE[..], &form[..]].concat(), "/.sealift-web/login").text();
    assert!(again.contains("value=\"a&quot;l&lt;i\"") && again.contains("role=\"alert\""), "{again}");
    let (_, password) = again.split_once("name=\"password\"").unwrap();
    assert!(password.split('>').next().unwrap().contains("autofocus"), "{again}");
}
