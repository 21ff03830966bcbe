//! Logging in by the form of the page, and out again.

use std::fs;

use crate::common::web::{Got, curl};
use crate::common::{Daemon, PASSWORD, RawClient, World, eventually, section};

const FORM: &str = "/.sealift-web/login";

/// What a browser says of a page's own request, and that it wants a page.
const OURS: [&str; 4] = ["-H", "Sec-Fetch-Site: same-origin", "-H", "Accept: text/html"];

fn log_in(daemon: &Daemon, user: &str, password: &str, more: &[&str]) -> Got {
    let (user, password) = (format!("user={user}"), format!("password={password}"));
    let form = ["--data-urlencode", &user, "--data-urlencode", &password];
    curl(daemon, &[&OURS, &form[..], more].concat(), FORM)
}

/// The header that has the cookie of an answer.
fn cookie(got: &Got) -> String {
    let set = got.headers.get("set-cookie").unwrap_or_else(|| panic!("{got:?}"));
    let (value, rest) = set.split_once("; ").unwrap();
    assert!(value.starts_with("__Host-sealift=") && value.len() == "__Host-sealift=".len() + 64, "{set}");
    assert_eq!(rest, "Path=/; Secure; HttpOnly; SameSite=Strict");
    format!("Cookie: {value}")
}

#[test]
fn where_nothing_is_open_to_everybody_the_root_leads_home_and_no_way_leads_there() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let got = log_in(&daemon, "alice", PASSWORD, &[]);
    let cookie = cookie(&got);
    let ask = |path: &str| curl(&daemon, &[&OURS[..], &["-H", &cookie]].concat(), path);
    let has_public = |text: &str| text.contains("href=\"/\"");
    assert!(has_public(&ask("/~alice/").text()) && has_public(&ask("/~alice/nothing").text()));
    world.set_users(&section("alice", "\"full\"", "alice"));
    eventually("nobody is let in without a login", || ask("/").status == 303);
    assert_eq!(ask("/").header("location"), "/~alice/");
    for path in ["/~alice/", "/~alice/nothing", "/.sealift-web/account"] {
        let text = ask(path).text();
        assert!(!has_public(&text) && text.contains("href=\"/~alice/\""), "{path}: {text}");
    }
}

#[test]
fn a_form_logs_in_by_a_cookie_and_a_button_out() {
    let world = World::of(&["alice", "bob"]);
    fs::write(world.home("alice").join("file"), "alice's").unwrap();
    fs::write(world.home("public").join("file"), "everybody's").unwrap();
    let daemon = world.daemon().args(["--audit", "audit/audit.jsonl"]).start();
    for version in ["--http1.1", "--http2"] {
        let form = curl(&daemon, &[&OURS, &[version][..]].concat(), FORM);
        assert_eq!(form.status, 200);
        assert!(form.text().contains("type=\"password\"") && !form.headers.contains_key("www-authenticate"));
        // A browser that comes to a home is asked by the form, and goes on to where it wanted.
        let asked = curl(&daemon, &[&OURS, &[version][..]].concat(), "/~alice/a%20b/?x");
        assert_eq!((asked.status, asked.headers.contains_key("www-authenticate")), (401, false));
        assert!(asked.text().contains("name=\"to\" value=\"/~alice/a%20b/\""), "{}", asked.text());
        let to = ["--data-urlencode", "to=/~alice/file", version];
        let got = log_in(&daemon, "alice", PASSWORD, &to);
        assert_eq!((got.status, got.header("location")), (303, "/~alice/file"));
        let cookie = cookie(&got);
        let ask = |path: &str| curl(&daemon, &[&OURS, &["-H", &cookie, version][..]].concat(), path);
        assert_eq!(ask("/~alice/file").text(), "alice's");
        assert_eq!(ask("/file").text(), "everybody's", "the same URL is the same file");
        assert_eq!(ask("/~bob/").status, 404);
        let root = ask("/").text();
        assert!(root.contains("href=\"/~alice/\"") && root.contains("Log out"), "{root}");
        assert_eq!(ask(FORM).header("location"), "/~alice/");
        let out = curl(&daemon, &[&OURS, &["-H", &cookie, version, "-X", "POST"][..]].concat(), "/.sealift-web/logout");
        assert_eq!((out.status, out.header("location")), (303, "/"));
        assert!(
            out.header("set-cookie").starts_with("__Host-sealift=; ") && out.header("set-cookie").contains("Max-Age=0")
        );
        assert_eq!(ask("/~alice/file").status, 401);
        assert_eq!(ask("/file").text(), "everybody's");
    }
    let wrong = log_in(&daemon, "alice", "wrong", &["--data-urlencode", "to=/~alice/file"]);
    assert_eq!((wrong.status, wrong.headers.contains_key("set-cookie")), (401, false));
    let text = wrong.text();
    assert!(text.contains("The name or the password is wrong.") && text.contains("value=\"/~alice/file\""), "{text}");
    // The other way in is as it was.
    assert_eq!(curl(&daemon, &["-u", &format!("alice:{PASSWORD}")], "/~alice/file").text(), "alice's");
    assert!(curl(&daemon, &[], "/~alice/file").headers.contains_key("www-authenticate"));
    // Nobody logs out who is not logged in.
    let out =
        curl(&daemon, &[&OURS, &["-H", "Cookie: __Host-sealift=x", "-X", "POST"][..]].concat(), "/.sealift-web/logout");
    assert_eq!(out.status, 303);
    daemon.stop();
    let audit = fs::read_to_string(world.place().join("audit/audit.jsonl")).unwrap();
    let lines = audit.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let out: Vec<_> = lines.filter(|line| line["verb"] == "logout").collect();
    assert_eq!(out.len(), 2, "{audit}");
    for line in out {
        assert_eq!(
            (&line["event"], &line["action"], &line["user"]),
            (&"account".into(), &"log-out".into(), &"alice".into())
        );
    }
}

#[test]
fn a_cookie_is_void_when_its_user_changes_or_is_kicked() {
    let world = World::of(&["alice", "bob"]);
    world.set_users(&(section("alice", "\"full\"", "alice") + &section("root", "\"full\"", "root") + "admin = true\n"));
    fs::write(world.home("alice").join("file"), "x").unwrap();
    let daemon = world.start();
    let cookie = cookie(&log_in(&daemon, "alice", PASSWORD, &[]));
    let ask = |cookie: &str| curl(&daemon, &["-H", cookie], "/~alice/file").status;
    assert_eq!(ask(&cookie), 200);
    let mut root = RawClient::logged_in(&daemon, "root", PASSWORD);
    // Nobody has to be connected for it to be void: somebody is, so that there is a session to end.
    let _alice = RawClient::logged_in(&daemon, "alice", PASSWORD);
    assert_eq!(root.ask("KICK alice").0 / 100, 2);
    assert_eq!(ask(&cookie), 401, "at once");
    let log_in_again = || self::cookie(&log_in(&daemon, "alice", PASSWORD, &[]));
    let (again, unused) = (log_in_again(), log_in_again());
    assert_eq!((ask(&again), ask(&cookie)), (200, 401));
    world.set_users(&section("root", "\"full\"", "root"));
    eventually("alice is gone", || ask(&again) == 401);
    world.set_users(&(section("alice", "\"full\"", "alice") + &section("root", "\"full\"", "root")));
    eventually("alice is back", || curl(&daemon, &["-u", &format!("alice:{PASSWORD}")], "/~alice/file").status == 200);
    assert_eq!((ask(&again), ask(&unused)), (401, 401), "and her cookies are not");
}

#[test]
fn a_restart_logs_no_browser_out() {
    let world = World::of(&["alice", "bob"]);
    fs::write(world.home("alice").join("file"), "alice's").unwrap();
    let daemon = world.start();
    let alice = cookie(&log_in(&daemon, "alice", PASSWORD, &[]));
    let ask = |daemon: &Daemon, cookie: &str| curl(daemon, &["-H", cookie], "/~alice/file").status;
    assert_eq!(ask(&daemon, &alice), 200);
    let ended = daemon.stop();
    assert!(ended.log.contains("left to the next server cookies=1 locks=0"), "{}", ended.log);
    let daemon = world.start();
    assert_eq!(ask(&daemon, &alice), 200);
    assert_eq!(curl(&daemon, &["-H", &alice], "/~bob/").status, 404, "as a user who is logged in is told");
    daemon.stop();
    assert_eq!(ask(&world.start(), &alice), 200, "however often");
}
