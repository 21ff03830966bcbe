//! Attacks on the pages by which users look after their own logins: the account, and joining by an invitation.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sealift::limits;

use crate::common::watch::{SOCKET, ask};
use crate::common::web::{Frame, Got, RawWeb, curl, curl_each, curl_output, frame, head_of};
use crate::common::{Daemon, PASSWORD, RawClient, World, eventually, section, text};

const CHANGE: &str = "/.sealift-web/account/password";
const JOIN: &str = "/.sealift-web/join";
const FOREIGN: [&str; 4] =
    ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://evil.example", "Origin: null"];
const OWN: &str = "my-own-words-which-nobody-guesses";

fn encoded(fields: &[(&str, &str)]) -> Vec<String> {
    fields.iter().flat_map(|(name, value)| ["--data-urlencode".to_owned(), format!("{name}={value}")]).collect()
}

fn post(daemon: &Daemon, path: &str, fields: &[(&str, &str)], more: &[&str]) -> Got {
    let fields = encoded(fields);
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    curl(daemon, &[&fields[..], &["-H", "Accept: text/html"], more].concat(), path)
}

fn cookie(daemon: &Daemon, user: &str) -> String {
    let got = post(daemon, "/.sealift-web/login", &[("user", user), ("password", PASSWORD)], &[]);
    format!("Cookie: {}", got.header("set-cookie").split(';').next().unwrap())
}

/// The secret of an invitation of this user.
fn invite(daemon: &Daemon, user: &str) -> String {
    let output = daemon.command(&["invite", user, "--host", "h"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).rsplit('.').nth(1).unwrap().to_owned()
}

#[test]
fn web_password_change_guessing() {
    let world = World::of(&["alice"]);
    let daemon = world.daemon().arg("--penalise-loopback").start();
    // Whoever finds a browser that is logged in does not find out the password by it: the address is barred.
    let mine = cookie(&daemon, "alice");
    let mut refused = false;
    for n in 0..40 {
        let guess = format!("wrong{n}");
        let fields = encoded(&[("present", &guess), ("new", OWN), ("again", OWN)]);
        let args: Vec<&str> =
            fields.iter().map(String::as_str).chain(["-H", &mine, "-H", "Accept: text/html"]).collect();
        let output = curl_output(&daemon, &args, CHANGE);
        if !output.status.success() {
            refused = true;
            break;
        }
        let got = Got::parse(&output.stdout);
        assert!(got.status == 403 && !got.headers.contains_key("set-cookie"), "{got:?}");
    }
    assert!(refused, "it was never barred");
    assert!(!daemon.log().contains("password changed"));
}

#[test]
fn web_account_from_another_site() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let (mine, secret) = (cookie(&daemon, "alice"), invite(&daemon, "carol"));
    for foreign in FOREIGN {
        let with = ["-H", &mine, "-H", foreign];
        for (path, fields) in [
            (CHANGE, &[("present", PASSWORD), ("new", OWN), ("again", OWN)][..]),
            ("/.sealift-web/account/keys/remove", &[("present", PASSWORD), ("fingerprint", "SHA256:x")]),
            ("/.sealift-web/account/logout", &[]),
            (JOIN, &[("user", "carol"), ("invitation", &secret), ("new", OWN), ("again", OWN)]),
        ] {
            let got = post(&daemon, path, fields, &[&with[..], &["-X", "POST"]].concat());
            assert!(got.status == 403 && !got.headers.contains_key("set-cookie"), "{foreign} {path}: {got:?}");
        }
    }
    // Nor is it in a frame of another site, or kept by anything on the way.
    let page = curl(&daemon, &["-H", &mine, "-H", "Accept: text/html"], "/.sealift-web/account");
    assert!(
        page.status == 200 && page.header("content-security-policy").contains("frame-ancestors 'none'"),
        "{page:?}"
    );
    assert_eq!(page.header("cache-control"), "no-store");
    RawClient::logged_in(&daemon, "alice", PASSWORD);
    assert_eq!(
        post(&daemon, JOIN, &[("user", "carol"), ("invitation", &secret), ("new", OWN), ("again", OWN)], &[]).status,
        303
    );
}

#[test]
fn web_password_of_who_may_not_choose_one() {
    let world = World::of(&["alice"]);
    world.set_users(&(section("alice", "\"full\"", "alice") + "self_service = \"none\"\n"));
    let daemon = world.start();
    let mine = cookie(&daemon, "alice");
    let got = post(&daemon, CHANGE, &[("present", PASSWORD), ("new", OWN), ("again", OWN)], &["-H", &mine]);
    assert!(got.status == 403 && got.text().contains("administrator"), "{got:?}");
    RawClient::logged_in(&daemon, "alice", PASSWORD);
}

#[test]
fn web_join_guessing() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let secret = invite(&daemon, "carol");
    // Of another user, of nobody, a secret that is none, and none at all: one answer.
    let strip = |got: &Got| {
        assert!(!got.headers.contains_key("set-cookie"), "{got:?}");
        let lines = got.text();
        let told = lines.lines().filter(|line| !line.contains("session")).collect::<String>();
        (got.status, told.replace("alice", "NAME").replace("carol", "NAME").replace("nobody", "NAME"))
    };
    let with = |user: &str, secret: &str| {
        strip(&post(&daemon, JOIN, &[("user", user), ("invitation", secret), ("new", OWN), ("again", OWN)], &[]))
    };
    let wrong = "A".repeat(secret.len());
    let first = with("carol", &wrong);
    assert_eq!(first.0, 401);
    for (user, secret) in [("alice", secret.as_str()), ("nobody", &wrong), ("nobody", &secret), ("carol", "short")] {
        assert_eq!(with(user, secret), first, "{user}");
    }
    assert!(daemon.log().contains("login refused"), "{}", daemon.log());
    drop(daemon);
    let daemon = world.daemon().arg("--penalise-loopback").start();
    let fields = encoded(&[("user", "carol"), ("invitation", &wrong), ("new", OWN), ("again", OWN)]);
    let args: Vec<&str> = fields.iter().map(String::as_str).collect();
    let barred = (0..40).any(|_| !curl_output(&daemon, &args, JOIN).status.success());
    assert!(barred, "it was never barred");
}

#[test]
fn web_join_raced() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let secret = invite(&daemon, "carol");
    let asked: Vec<u16> = std::thread::scope(|scope| {
        let one = |n: usize| {
            let (daemon, secret) = (&daemon, &secret);
            scope.spawn(move || {
                let own = format!("my-own-words-number-{n}");
                let fields = [("user", "carol"), ("invitation", secret.as_str()), ("new", &own), ("again", &own)];
                post(daemon, JOIN, &fields, &[]).status
            })
        };
        let all: Vec<_> = (0..6).map(one).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(asked.iter().filter(|status| **status == 303).count(), 1, "{asked:?}");
    assert!(asked.iter().all(|status| [303, 401].contains(status)), "{asked:?}");
}

#[test]
fn web_join_leaves_no_trace() {
    let world = World::of(&["alice"]);
    let daemon = world.daemon().args(["--audit", "audit/audit.jsonl"]).start();
    let secret = invite(&daemon, "carol");
    // Whatever an address became on the way, the secret in it is written down by nobody.
    for path in [
        format!("{JOIN}/carol%23{secret}"),
        format!("{JOIN}/carol/{secret}"),
        format!("//.sealift-web/join/{secret}"),
        format!("{JOIN}/carol?{secret}"),
    ] {
        for args in [&["-H", "Accept: text/html"][..], &["-X", "PUT"], &["-X", "DELETE"]] {
            let got = curl(&daemon, args, &path);
            assert!(got.header("referrer-policy") == "no-referrer", "{got:?}");
        }
    }
    post(&daemon, JOIN, &[("user", "carol"), ("invitation", &secret), ("new", "a"), ("again", "b")], &[]);
    let ended = daemon.stop();
    let audit = fs::read_to_string(world.place().join("audit/audit.jsonl")).unwrap();
    assert!(!ended.log.contains(&secret) && !audit.contains(&secret), "{}\n{audit}", ended.log);
    assert!(audit.contains("/.sealift-web/join/-"), "{audit}");
}

#[test]
fn web_headers_twice() {
    let world = World::of(&["alice"]);
    fs::write(world.home("alice").join("file"), "alice's").unwrap();
    let daemon = world.start();
    let login = format!("alice:{PASSWORD}");
    let before = crate::common::snapshot(&world.home("alice"));
    // What one part of a program takes the first of, and another the last.
    let pairs = [
        ("PUT", "Upload-Complete: ?1", "Upload-Complete: ?0"),
        ("PUT", "Upload-Length: 5", "Upload-Length: 6"),
        ("PUT", "X-OC-Mtime: 1", "X-OC-Mtime: 2"),
        ("PUT", "X-OC-Mtime: 1", "X-OC-Mtime: 1"),
        ("PUT", "X-Expected-Entity-Length: 0", "X-Expected-Entity-Length: 5"),
        ("PUT", "Content-Type: text/plain", "Content-Type: application/partial-upload"),
        (
            "PUT",
            "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT",
            "If-Unmodified-Since: Sat, 01 Jan 2050 00:00:00 GMT",
        ),
        ("MOVE", "Destination: /~alice/a", "Destination: /~alice/b"),
        ("COPY", "Overwrite: F", "Overwrite: T"),
        ("COPY", "Depth: 0", "Depth: infinity"),
        ("PROPFIND", "Depth: 0", "Depth: 1"),
        ("DELETE", "If: (<urn:x>)", "If: (Not <urn:x>)"),
        ("LOCK", "Timeout: Second-1", "Timeout: Second-2"),
        ("UNLOCK", "Lock-Token: <urn:x>", "Lock-Token: <urn:y>"),
        ("GET", "Range: bytes=0-1", "Range: bytes=2-3"),
        ("GET", "If-Range: \"a\"", "If-Range: \"b\""),
        (
            "PUT",
            "Repr-Digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
            "Repr-Digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
        ),
    ];
    for version in ["--http1.1", "--http2"] {
        let asked = pairs.map(|(method, first, second)| {
            let to = if ["MOVE", "COPY"].contains(&method) && !first.starts_with("Dest") {
                "Destination: /~alice/c"
            } else {
                "X: y"
            };
            (vec![version, "-u", &login, "-X", method, "-H", first, "-H", second, "-H", to], "/~alice/file")
        });
        for (got, pair) in curl_each(&daemon, &asked).iter().zip(pairs) {
            assert_eq!(got.status, 400, "{version} {pair:?}: {got:?}");
        }
    }
    assert_eq!(crate::common::snapshot(&world.home("alice")), before);
    // Lists may come in several lines.
    let lists = [
        "-u",
        &login,
        "-H",
        "If-None-Match: \"a\"",
        "-H",
        "If-None-Match: \"b\"",
        "-H",
        "If-Match: *",
        "-H",
        "If-Match: \"c\"",
    ];
    assert_eq!(curl(&daemon, &lists, "/~alice/file").status, 200);
}

/// A user whose password takes as long to check as one in a users file may: some hundred milliseconds.
fn slow(user: &str) -> String {
    let (salt, mut output) = ([7; limits::ARGON2_SALT], [0; limits::ARGON2_OUTPUT]);
    let (memory, passes) = (4 * limits::ARGON2_MEMORY_KIB, limits::ARGON2_PASSES_MAX);
    let params = argon2::Params::new(memory, passes, 1, Some(output.len())).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    argon2.hash_password_into(PASSWORD.as_bytes(), &salt, &mut output).unwrap();
    let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
    let hash = format!("$argon2id$v=19$m={memory},t={passes},p=1${salt}${output}");
    format!("[users.{user}]\npassword = \"{hash}\"\naccess = \"full\"\nhome = \"{user}\"\n")
}

/// The password is checked now, or was already, as the log says by these words.
fn until_it_is_checked(world: &World, daemon: &Daemon, done: impl Fn(&str) -> bool) {
    let is_checked = || ask(world.place(), "GET", "/metrics").text().contains("\nsealift_password_checks 1\n");
    eventually("the password is checked", || is_checked() || done(&daemon.log()));
}

#[test]
fn guesses_that_are_taken_back() {
    let world = World::of(&["alice"]);
    world.set_users(&slow("alice"));
    let daemon = world.daemon().args(["--metrics", SOCKET, "--penalise-loopback"]).start();
    let refused = |log: &str| log.matches("login refused").count();
    let basic = STANDARD.encode("alice:wrong");
    // Whoever takes a request back, hangs up, or leaves while the guess is checked pays as anybody does.
    let mut head = head_of("/~alice/", 0);
    head.extend(*b"\x00\x0dauthorization");
    let value = format!("Basic {basic}");
    head.push(u8::try_from(value.len()).unwrap());
    head.extend(value.as_bytes());
    let mut web = RawWeb::two_from([127, 0, 0, 1], &daemon);
    web.send(frame(Frame::HEADERS, Frame::END_STREAM | Frame::END_HEADERS, 1, &head));
    until_it_is_checked(&world, &daemon, |log| refused(log) == 1);
    // CANCEL.
    web.send(frame(Frame::RST_STREAM, 0, 1, &8_u32.to_be_bytes()));
    eventually("a request that is taken back is told", || refused(&daemon.log()) == 1);

    let mut one = RawWeb::connect(&daemon, &["http/1.1"]);
    one.send(format!("GET /~alice/ HTTP/1.1\r\nHost: x\r\nAuthorization: {value}\r\n\r\n"));
    until_it_is_checked(&world, &daemon, |log| refused(log) == 2);
    drop(one);
    eventually("who hangs up is told", || refused(&daemon.log()) == 2);

    let mut native = RawClient::connect(&daemon);
    native.ask("USER alice");
    native.line("PASS wrong");
    until_it_is_checked(&world, &daemon, |log| refused(log) == 3);
    drop(native);
    eventually("who leaves is told", || refused(&daemon.log()) == 3);
    let penalties = "\nsealift_penalties_total{offence=\"login-failed\"} 3\n";
    eventually("each has a penalty", || ask(world.place(), "GET", "/metrics").text().contains(penalties));
}

#[test]
fn password_changes_that_nobody_waits_for() {
    let world = World::of(&["alice"]);
    world.set_users(&slow("alice"));
    let daemon =
        world.daemon().args(["--metrics", SOCKET, "--penalise-loopback", "--audit", "audit/audit.jsonl"]).start();
    let mine = cookie(&daemon, "alice");
    let send = |present: &str| {
        let form = format!("present={present}&new={OWN}&again={OWN}");
        let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
        web.send(format!(
            "POST {CHANGE} HTTP/1.1\r\nHost: x\r\n{mine}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{form}",
            form.len()
        ));
        web
    };
    let penalty = || {
        let figures = ask(world.place(), "GET", "/metrics").text();
        figures.contains("\nsealift_penalties_total{offence=\"login-failed\"} 1\n")
    };
    let guess = send("wrong");
    until_it_is_checked(&world, &daemon, |_| penalty());
    drop(guess);
    eventually("the guess costs what a login does", penalty);

    let changed = |log: &str| log.contains("password changed by its user");
    let change = send(PASSWORD);
    until_it_is_checked(&world, &daemon, changed);
    drop(change);
    eventually("it is told", || changed(&daemon.log()));
    RawClient::logged_in(&daemon, "alice", OWN);
    daemon.stop();
    let audit = fs::read_to_string(world.place().join("audit/audit.jsonl")).unwrap();
    let told: Vec<_> = audit.lines().filter(|line| line.contains("passwd")).collect();
    assert!(told.len() == 2 && told.iter().all(|line| !line.contains("cut")), "{audit}");
}
