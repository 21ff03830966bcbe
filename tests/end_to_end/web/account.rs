//! One's own account in a browser and by programs: who one is, another password, keys, and the end of all logins.

use std::fs;
use std::io::Write as _;

use serde_json::Value;

use super::alice;
use super::browser::{is_clean, log_in, scrolls_sideways};
use crate::common::chromium::Chromium;
use crate::common::web::{Got, curl};
use crate::common::{Daemon, PASSWORD, RawClient, World, enter, section};

const ACCOUNT: &str = "/.sealift-web/account";
const CHANGE: &str = "/.sealift-web/account/password";
const OWN: &str = "my-own-words-which-nobody-guesses";
const PAGE: [&str; 4] = ["-H", "Sec-Fetch-Site: same-origin", "-H", "Accept: text/html"];

fn post(daemon: &Daemon, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Got {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let cookie = format!("Cookie: {cookie}");
    let mut args = [&PAGE[..], &["-X", "POST", "-H", &cookie]].concat();
    for field in &fields {
        args.extend(["--data-urlencode", field]);
    }
    curl(daemon, &args, path)
}

/// A login by the form: its cookie.
pub(super) fn cookie(daemon: &Daemon, user: &str, password: &str) -> String {
    let got = post(daemon, "/.sealift-web/login", "a=b", &[("user", user), ("password", password)]);
    assert_eq!(got.status, 303, "{got:?}");
    cookie_of(&got)
}

fn cookie_of(got: &Got) -> String {
    got.header("set-cookie").split(';').next().unwrap().to_owned()
}

fn status_with(daemon: &Daemon, cookie: &str) -> u16 {
    curl(daemon, &["-H", &format!("Cookie: {cookie}")], "/~alice/").status
}

#[test]
fn an_account_says_who_one_is_and_what_one_may() {
    let world = World::of(&["alice"]);
    let users = [
        &section("alice", "\"full\"", "alice"),
        "quota = \"10 MiB\"\ntrash = \"30d\"\nexpires = 2077-01-31\nlimit_rate = \"100 MiB\"\n",
        &section("bob", "\"read\"", "bob"),
        "self_service = \"none\"\n",
        "\n[groups.editors]\nmembers = [\"alice\"]\n",
        "\n[folders.team]\naccess = { \"@editors\" = \"read\" }\n\n[folders.hidden]\naccess = { bob = \"full\" }\n",
    ];
    world.set_users(&users.concat());
    fs::create_dir_all(world.home("alice")).unwrap();
    fs::write(world.home("alice").join("file"), vec![b'x'; 1 << 20]).unwrap();
    let daemon = world.start();
    let page = curl(&daemon, &[&PAGE[..], &["-u", &alice()]].concat(), ACCOUNT);
    assert_eq!((page.status, page.header("cache-control")), (200, "no-store"));
    let page = page.text();
    for told in [
        "do everything",
        "editors",
        "team: see what is there, download",
        "10 MiB",
        "30 days",
        "2077-0",
        "100 MiB/s each way",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    assert!(!page.contains("hidden:") && !page.contains("$argon2"), "{page}");
    let told: Value = serde_json::from_slice(&curl(&daemon, &["-u", &alice()], ACCOUNT).body).unwrap();
    assert_eq!(
        (&told["user"], &told["quota"], &told["used"]),
        (&"alice".into(), &(10 << 20).into(), &(1 << 20).into())
    );
    assert_eq!((&told["groups"], &told["may_choose_password"]), (&serde_json::json!(["editors"]), &true.into()));
    assert_eq!(told["folders"], serde_json::json!([{ "path": "team", "access": ["list", "download"] }]));
    // Whose password the administrator sets is told so, and has no form.
    let bob = format!("bob:{PASSWORD}");
    let page = curl(&daemon, &[&PAGE[..], &["-u", &bob]].concat(), ACCOUNT).text();
    assert!(page.contains("The administrator of this server sets your password") && !page.contains("new-password"));
    let form = ["-u", &bob, "-d", "present=x", "-d", "new=y", "-d", "again=y", "-H", "Sec-Fetch-Site: same-origin"];
    assert_eq!(curl(&daemon, &form, CHANGE).status, 403);
    // Nobody in particular has none.
    assert_eq!(curl(&daemon, &[], ACCOUNT).status, 401);
}

#[test]
fn another_password_is_chosen_and_the_old_one_is_worth_nothing_at_once() {
    let world = World::of(&["alice"]);
    let daemon = world.daemon().args(["--audit", "audit/audit.jsonl"]).start();
    let (mine, other) = (cookie(&daemon, "alice", PASSWORD), cookie(&daemon, "alice", PASSWORD));
    let mut native = enter(&daemon, "alice");
    let token = native.ask("TOKEN").2["tokens"].clone();
    // What is wrong is said on the page, and changes nothing.
    let with = |present: &str, new: &str, again: &str| {
        post(&daemon, CHANGE, &mine, &[("present", present), ("new", new), ("again", again)])
    };
    for (present, new, again, status, why) in [
        (PASSWORD, OWN, "another", 400, "not the same"),
        (PASSWORD, "", "", 400, "no new password"),
        (PASSWORD, "seven77", "seven77", 400, "fewer than 8 characters"),
        ("wrong", OWN, OWN, 403, "The present password is wrong."),
    ] {
        let got = with(present, new, again);
        assert!(got.status == status && got.text().contains(why), "{why}: {got:?}");
        // It stands in the form that it is about.
        let told = got.text();
        let form = told.split("action=\"/.sealift-web/account/password\"").nth(1).unwrap();
        assert!(form.split("</form>").next().unwrap().contains(why), "{told}");
        assert!(!got.headers.contains_key("set-cookie"));
    }
    assert_eq!((status_with(&daemon, &mine), status_with(&daemon, &other)), (200, 200));
    let got = with(PASSWORD, OWN, OWN);
    assert_eq!((got.status, got.header("location")), (303, "/.sealift-web/account?changed"));
    // This browser is logged in by it, and nobody is any more by the old one.
    let new = cookie_of(&got);
    assert_eq!([&mine, &other, &new].map(|cookie| status_with(&daemon, cookie)), [401, 401, 200]);
    assert_eq!(curl(&daemon, &["-u", &alice()], "/~alice/").status, 401);
    assert_eq!(curl(&daemon, &["-u", &format!("alice:{OWN}")], "/~alice/").status, 200);
    assert_eq!(native.try_reply().map(|reply| reply.1).as_deref(), Some("revoked"));
    assert_ne!(RawClient::connect(&daemon).ask(format!("JOIN {token}")).1, "welcome");
    RawClient::logged_in(&daemon, "alice", OWN);
    // The log and the audit say what PASSWD says, and no password.
    let log = daemon.log_with(&["password changed by its user"]);
    let audit = fs::read_to_string(world.place().join("audit/audit.jsonl")).unwrap();
    let lines: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = lines.iter().filter(|line| line["verb"] == "passwd").map(|line| &line["outcome"]).collect();
    assert_eq!(told, ["bad-command", "login-failed", "done"], "{audit}");
    for secret in [OWN, PASSWORD] {
        assert!(!log.contains(secret) && !audit.contains(secret));
    }
}

#[test]
fn all_browsers_are_logged_out_at_once() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let cookies = [(); 3].map(|()| cookie(&daemon, "alice", PASSWORD));
    let got = post(&daemon, "/.sealift-web/account/logout", &cookies[0], &[]);
    assert!(got.status == 303 && got.header("set-cookie").contains("Max-Age=0"), "{got:?}");
    for cookie in &cookies {
        assert_eq!(status_with(&daemon, cookie), 401);
    }
    assert_eq!(curl(&daemon, &["-u", &alice()], "/~alice/").status, 200, "the password is what it was");
}

#[test]
fn a_key_that_was_lost_is_taken_away_with_the_password() {
    let world = World::of(&["alice"]);
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1rU0IB4wGyAeSKs+ZGkZw9YfIXPQNmRJ5ZCVUrJd0G";
    let mut file = fs::OpenOptions::new().append(true).open(world.place().join("users.toml")).unwrap();
    file.write_all(section("carol", "\"full\"", "carol").as_bytes()).unwrap();
    file.write_all(format!("keys = [\"{key} carol@laptop\"]\n").as_bytes()).unwrap();
    fs::create_dir_all(world.home("carol")).unwrap();
    let daemon = world.start();
    let login = format!("carol:{PASSWORD}");
    let told: Value = serde_json::from_slice(&curl(&daemon, &["-u", &login], ACCOUNT).body).unwrap();
    let [key] = told["keys"].as_array().unwrap().as_slice() else { panic!("{told}") };
    assert_eq!((&key["name"], &key["by"]), (&"carol@laptop".into(), &"administrator".into()));
    let page = curl(&daemon, &[&PAGE[..], &["-u", &login]].concat(), ACCOUNT).text();
    assert!(page.contains("carol@laptop") && !page.contains("Take it away"), "{page}");
    // What the administrator gave is not hers to take away, and a wrong password takes nothing.
    let fingerprint = key["fingerprint"].as_str().unwrap();
    let carol = cookie(&daemon, "carol", PASSWORD);
    let remove = |present| {
        post(
            &daemon,
            "/.sealift-web/account/keys/remove",
            &carol,
            &[("fingerprint", fingerprint), ("present", present)],
        )
    };
    assert_eq!(remove("wrong").status, 403);
    let got = remove(PASSWORD);
    assert!((400..500).contains(&got.status) && got.text().contains("Your account"), "{got:?}");
    let told = got.text();
    let (_, keys) = told.split_once("aria-labelledby=\"keys\"").unwrap();
    assert!(keys.split("</section>").next().unwrap().contains("role=\"alert\""), "{told}");
}

#[test]
fn a_person_looks_at_the_account_and_changes_the_password_with_a_script_and_without_one() {
    let world = World::of(&["alice"]);
    let users =
        section("alice", "\"full\"", "alice") + "quota = \"10 MiB\"\n\n[folders.team]\naccess = { \"*\" = \"read\" }\n";
    world.set_users(&users);
    fs::create_dir_all(world.home("alice")).unwrap();
    fs::write(world.home("alice").join("file"), vec![b'x'; 7 << 20]).unwrap();
    let daemon = world.start();
    let browser = Chromium::start();
    browser.look(1100, 900, false);
    log_in(&browser, &daemon, "alice", "/~alice/");
    browser.eval("[...document.querySelectorAll('.who a')].find(a => a.textContent === 'Account').click()");
    browser.wait(&format!("location.pathname === '{ACCOUNT}' && !!document.querySelector('#present')"));
    assert_eq!(
        browser.text("document.querySelector('.quota + .sum').textContent"),
        "7.0 MiB of 10 MiB used, 3.0 MiB left"
    );
    assert!(!scrolls_sideways(&browser));
    browser.picture("account-light");
    browser.look(360, 740, true);
    assert!(!scrolls_sideways(&browser));
    browser.picture("account-phone-dark");
    browser.look(1100, 900, false);
    let change = |present: &str, new: &str| {
        browser.eval("document.querySelector('#present').focus()");
        for text in [present, new, new] {
            browser.type_in(text);
            browser.press("Tab");
        }
        browser.press("Enter");
    };
    change("wrong", OWN);
    browser.wait("document.querySelector('.wrong')?.textContent.includes('is wrong')");
    browser.picture("account-wrong");
    // It is in view, on a small phone too, where the form is far down.
    browser.look(360, 400, true);
    change("wrong", OWN);
    browser.wait("document.activeElement.matches('.wrong')");
    let top = "document.querySelector('.wrong').getBoundingClientRect().top";
    browser.wait(&format!("{top} >= 0 && {top} < innerHeight && scrollY > 0"));
    assert!(!scrolls_sideways(&browser));
    browser.picture("account-wrong-phone-dark");
    browser.look(1100, 900, false);
    change(PASSWORD, OWN);
    browser.wait("document.querySelector('.done')?.textContent.startsWith('Your password was changed')");
    browser.picture("account-changed");
    is_clean(&browser, &daemon);
    browser.call("Emulation.setScriptExecutionDisabled", serde_json::json!({"value": true}));
    browser.go(&daemon, ACCOUNT);
    change(OWN, PASSWORD);
    browser.wait("location.search === '?changed' && !!document.querySelector('.done')");
    browser.eval("document.querySelector('form[action$=\"account/logout\"] button').click()");
    browser.wait("location.pathname === '/'");
    browser.go(&daemon, ACCOUNT);
    browser.wait("!!document.querySelector('#user')");
}

#[test]
fn who_looks_into_another_s_folder_is_told_who_they_are_themselves() {
    let world = World::of(&["alice", "bob"]);
    let daemon = world.start();
    for path in ["/~bob/", "/~nobody/", "/~alice/missing"] {
        let got = curl(&daemon, &[&PAGE[..], &["-u", &format!("alice:{PASSWORD}")]].concat(), path);
        assert!(got.status == 404 && got.text().contains("You are logged in as alice."), "{path}: {}", got.text());
    }
    let stranger = curl(&daemon, &PAGE, "/~bob/");
    assert!(!stranger.text().contains("You are logged in"), "{}", stranger.text());
}
