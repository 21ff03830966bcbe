//! Attacks on the pages of the web door: its form, its cookie, its archives.

use std::fs;

use crate::common::trees::many_names;
use crate::common::web::{Got, curl, curl_output};
use crate::common::{Daemon, PASSWORD, RawClient, World};

const FORM: &str = "/.sealift-web/login";

fn post(daemon: &Daemon, user: &str, password: &str, more: &[&str]) -> Got {
    let (user, password) = (format!("user={user}"), format!("password={password}"));
    let form = ["--data-urlencode", &user, "--data-urlencode", &password, "-H", "Accept: text/html"];
    curl(daemon, &[&form, more].concat(), FORM)
}

/// `__Host-sealift=…`.
fn cookie(got: &Got) -> String {
    got.headers["set-cookie"].split(';').next().unwrap().to_owned()
}

fn world() -> World {
    let world = World::of(&["alice", "bob"]);
    fs::write(world.home("alice").join("file"), "alice's").unwrap();
    fs::write(world.home("public").join("file"), "public").unwrap();
    world
}

fn status_with(daemon: &Daemon, cookie: &str) -> u16 {
    curl(daemon, &["-H", &format!("Cookie: {cookie}")], "/~alice/file").status
}

#[test]
fn web_form_guessing() {
    let world = world();
    let daemon = world.daemon().arg("--penalise-loopback").start();
    // The penalties are those of every other password: an address that guesses is barred.
    let mut refused = 0;
    for n in 0..40 {
        let output = crate::common::web::curl_output(
            &daemon,
            &["--data-urlencode", "user=alice", "--data-urlencode", &format!("password=wrong{n}")],
            FORM,
        );
        if !output.status.success() {
            refused += 1;
            break;
        }
        let got = Got::parse(&output.stdout);
        assert!(got.status == 401 && !got.headers.contains_key("set-cookie"), "{got:?}");
    }
    assert_eq!(refused, 1, "it was never barred");
    // A name that is none is answered in the same words.
    drop(daemon);
    let other = world.start();
    let strip = |got: Got| got.text().lines().filter(|line| !line.contains("session")).collect::<String>();
    assert_eq!(strip(post(&other, "alice", "wrong", &[])), strip(post(&other, "nobody", "wrong", &[])));
}

#[test]
fn web_cross_site_login() {
    let world = world();
    let daemon = world.start();
    let mine = cookie(&post(&daemon, "alice", PASSWORD, &["-H", "Sec-Fetch-Site: same-origin"]));
    let origin = format!("Origin: https://127.0.0.1:{}", daemon.port());
    assert_eq!(post(&daemon, "alice", PASSWORD, &["-H", &origin]).status, 303);
    let with = format!("Cookie: {mine}");
    for foreign in [
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Origin: https://evil.example",
        "Origin: null",
        "Origin: https://127.0.0.1:1",
        "Origin: http://127.0.0.1",
    ] {
        let got = post(&daemon, "bob", PASSWORD, &["-H", foreign]);
        assert!(got.status == 403 && !got.headers.contains_key("set-cookie"), "{foreign}: {got:?}");
        let got = curl(&daemon, &["-X", "POST", "-H", foreign, "-H", &with], "/.sealift-web/logout");
        assert!(got.status == 403 && !got.headers.contains_key("set-cookie"), "{foreign}: {got:?}");
        for method in ["PUT", "DELETE", "MKCOL", "MOVE", "COPY", "POST", "PATCH", "PROPPATCH", "LOCK"] {
            let to = format!("Destination: https://127.0.0.1:{}/~alice/other", daemon.port());
            let args = ["-X", method, "-H", foreign, "-H", &with, "-H", &to, "--data-binary", "x"];
            let got = curl(&daemon, &args, "/~alice/file");
            assert!((400..500).contains(&got.status), "{foreign} {method}: {got:?}");
        }
    }
    assert_eq!(status_with(&daemon, &mine), 200, "nobody has logged her out");
    assert_eq!(fs::read_to_string(world.home("alice").join("file")).unwrap(), "alice's");
    assert_eq!(
        fs::read_dir(world.home("alice"))
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name() != ".sealift")
            .count(),
        1
    );
}

#[test]
fn web_cookie_fixation() {
    let world = world();
    let daemon = world.start();
    let chosen = format!("__Host-sealift={}", "a".repeat(64));
    assert_eq!(status_with(&daemon, &chosen), 401);
    let got = post(&daemon, "alice", PASSWORD, &["-H", &format!("Cookie: {chosen}")]);
    let mine = cookie(&got);
    assert_ne!(mine, chosen, "the server chooses, and nobody else");
    assert_eq!((status_with(&daemon, &chosen), status_with(&daemon, &mine)), (401, 200));
    // One that another page slipped in beside it makes none count, and not the attacker's.
    let bobs = cookie(&post(&daemon, "bob", PASSWORD, &[]));
    for both in [format!("{bobs}; {mine}"), format!("{mine}; {bobs}"), format!("{chosen}; {mine}")] {
        assert_eq!(status_with(&daemon, &both), 401, "{both}");
    }
    // Another login in the same browser takes the place of the first.
    let second = cookie(&post(&daemon, "alice", PASSWORD, &["-H", &format!("Cookie: {mine}")]));
    assert_eq!((status_with(&daemon, &mine), status_with(&daemon, &second)), (401, 200));
    let attributes = got.header("set-cookie");
    for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict"] {
        assert!(attributes.contains(attribute) && !attributes.contains("Domain"), "{attributes}");
    }
}

#[test]
fn web_stolen_cookie() {
    let world = world();
    let daemon = world.start();
    let stolen = cookie(&post(&daemon, "alice", PASSWORD, &[]));
    assert_eq!(status_with(&daemon, &stolen), 200);
    curl(&daemon, &["-X", "POST", "-H", &format!("Cookie: {stolen}")], "/.sealift-web/logout");
    assert_eq!(status_with(&daemon, &stolen), 401, "a logout is one on the server");
    let stolen = cookie(&post(&daemon, "alice", PASSWORD, &[]));
    daemon.add_user_with("root", PASSWORD, &["--access", "full", "--admin"]);
    let _alice = RawClient::logged_in(&daemon, "alice", PASSWORD);
    let mut root = RawClient::logged_in(&daemon, "root", PASSWORD);
    assert_eq!(root.ask("KICK alice").0 / 100, 2);
    assert_eq!(status_with(&daemon, &stolen), 401);
    // What the server keeps of one is no cookie.
    let log = daemon.stop().log;
    assert!(!log.contains(stolen.split('=').nth(1).unwrap()), "{log}");
}

#[test]
fn web_open_redirect() {
    let world = world();
    let daemon = world.start();
    for elsewhere in [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/%2f/evil.example/",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/.sealift-web/logout",
        "/..//evil.example",
        "/~alice/\r\nSet-Cookie: x=y",
        "@evil.example",
    ] {
        let to = format!("to={elsewhere}");
        let got = post(&daemon, "alice", PASSWORD, &["--data-urlencode", &to]);
        assert_eq!(got.status, 303);
        let location = got.header("location");
        assert!(
            location.starts_with('/') && !location.starts_with("//") && !location.contains('\\'),
            "{elsewhere}: {location}"
        );
        assert!(!location.contains(':') && !got.header("set-cookie").contains("x=y"), "{elsewhere}: {location}");
        let form = curl(
            &daemon,
            &["-H", "Accept: text/html"],
            &format!("{FORM}?to={}", elsewhere.replace(['\r', '\n', ' ', '\\'], "")),
        );
        assert!(!form.text().contains("evil.example/\"") || form.text().contains("value=\"/"), "{}", form.text());
    }
}

#[test]
fn web_framing() {
    let world = world();
    let daemon = world.start();
    for path in ["/", FORM, "/nothing", "/~alice/", "/file"] {
        let got = curl(&daemon, &["-H", "Accept: text/html"], path);
        let policy = got.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"), "{path}: {policy}");
    }
}

#[test]
fn web_stored_script() {
    let world = world();
    for name in ["evil.js", "evil.css", "evil.html", "evil.svg"] {
        fs::write(world.home("public").join(name), "alert(1)").unwrap();
    }
    let daemon = world.start();
    for (name, dest) in [
        ("evil.js", "script"),
        ("evil.js", "worker"),
        ("evil.js", "serviceworker"),
        ("evil.js", "sharedworker"),
        ("evil.css", "style"),
        ("evil.html", "iframe"),
        ("evil.html", "frame"),
        ("evil.svg", "xslt"),
    ] {
        let got = curl(&daemon, &["-H", &format!("Sec-Fetch-Dest: {dest}")], &format!("/{name}"));
        assert!(got.status == 403 && got.text() != "alert(1)", "{name} as {dest}: {got:?}");
    }
    let policy = curl(&daemon, &["-H", "Accept: text/html"], "/").header("content-security-policy").to_owned();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
}

#[test]
fn web_archive_names() {
    let world = world();
    let public = world.home("public");
    fs::create_dir_all(public.join("d")).unwrap();
    for name in ["..\\..\\evil.txt", "..\\evil", "C:\\evil", "\\\\host\\evil", "a\\..\\..\\b"] {
        fs::write(public.join("d").join(name), "x").unwrap();
    }
    std::os::unix::fs::symlink("../../..", public.join("d/up")).unwrap();
    let daemon = world.start();
    for format in ["zip", "tar"] {
        let bytes = curl(&daemon, &[], &format!("/d/?{format}")).body;
        assert!(bytes.len() > 512);
        assert!(!bytes.windows(3).any(|three| three == b"..\\" || three == b"../" || three == b"\\.."), "{format}");
    }
}

#[test]
fn web_archive_flood() {
    let world = world();
    let many = world.home("public").join("many");
    fs::create_dir_all(&many).unwrap();
    for n in 0..400 {
        let folder = many.join(n.to_string());
        fs::create_dir(&folder).unwrap();
        many_names(&folder, "", (0..130).map(|m| m.to_string()));
    }
    let daemon = world.start();
    let got = curl(&daemon, &[], "/many/?zip");
    assert_eq!((got.status, got.text().contains("?tar")), (400, true), "said before the first byte");
    assert_eq!(curl(&daemon, &[], "/file").status, 200);
}

#[test]
fn web_archive_of_many_chosen() {
    let world = world();
    // Of each list a little: together more names than the server has memory for.
    let names: Vec<_> = (0..500).map(|n| format!("{n:x}")).collect();
    for name in &names {
        let folder = world.home("public").join("many").join(name);
        fs::create_dir_all(&folder).unwrap();
        many_names(&folder, "", (0..12).map(|n| format!("{n}{}", "x".repeat(200))));
    }
    let daemon = world.daemon().args(["--memory", "64MiB"]).start();
    let chosen: String = names.iter().map(|name| format!("&name={name}")).collect();
    let asked = |format: &str| curl_output(&daemon, &[], &format!("/many/?{format}{chosen}")).status.success();
    assert!(asked("tar"), "of a tar nothing stays in memory");
    assert!(!asked("zip"), "it breaks off where the memory ends");
    assert!(curl_output(&daemon, &[], "/many/?zip&name=1&name=2").status.success());
}

#[test]
fn web_cross_site_navigation() {
    let world = world();
    fs::write(world.home("alice").join("<b>\"'&.txt"), "x").unwrap();
    let daemon = world.start();
    let mine = cookie(&post(&daemon, "alice", PASSWORD, &[]));
    let page = "Accept: text/html";
    let came = |site: &str, mode: &str, dest: &str, method: &str, path: &str| {
        let headers =
            [format!("Sec-Fetch-Site: {site}"), format!("Sec-Fetch-Mode: {mode}"), format!("Sec-Fetch-Dest: {dest}")];
        let mut args = vec!["-X", method, "-H", page];
        args.extend(headers.iter().flat_map(|header| ["-H", header]));
        curl(&daemon, &args, path)
    };
    // A person who follows a link is sent on once, to our own login, wherever it was that they were led to, and whether or not
    // there is such a user.
    let strip = |got: &Got| got.text().lines().filter(|line| !line.contains("session")).collect::<String>();
    for (path, to) in [
        ("/~alice/", "%2F~alice%2F"),
        ("/~bob/", "%2F~bob%2F"),
        ("/~nobody/", "%2F~nobody%2F"),
        ("/~alice/%3Cb%3E%22'&.txt", "%2F~alice%2F%253Cb%253E%2522%2527%2526.txt"),
        ("/~alice/?zip", "%2F~alice%2F"),
        ("/~alice/file?download", "%2F~alice%2Ffile"),
        ("/~alice/%22%3E%3Cscript%3E", "%2F~alice%2F%2522%253E%253Cscript%253E"),
    ] {
        let got = came("cross-site", "navigate", "document", "GET", path);
        assert_eq!(got.status, 401, "{path}: {got:?}");
        let text = got.text();
        let refresh = format!("content=\"0; url=/.sealift-web/login?to={to}\"");
        assert!(text.contains(&refresh) && text.matches("url=").count() == 1, "{path}: {text}");
        assert!(!text.contains("<script") && !got.headers.contains_key("set-cookie"), "{path}: {text}");
        assert!(got.header("content-security-policy").contains("frame-ancestors 'none'"));
    }
    let other = |name: &str| {
        strip(&came("cross-site", "navigate", "document", "GET", &format!("/~{name}/"))).replace(name, "?")
    };
    assert_eq!(other("alice"), other("nobody"));
    // Nothing but a person's own step from one page to another: nothing within a page, and nothing that changes something.
    for (site, mode, dest, method) in [
        ("cross-site", "navigate", "iframe", "GET"),
        ("cross-site", "navigate", "object", "GET"),
        ("cross-site", "no-cors", "image", "GET"),
        ("cross-site", "cors", "empty", "GET"),
        ("cross-site", "navigate", "document", "POST"),
        ("cross-site", "navigate", "document", "PUT"),
        ("cross-site", "navigate", "document", "DELETE"),
        ("same-origin", "navigate", "document", "GET"),
        ("none", "navigate", "document", "GET"),
    ] {
        let got = came(site, mode, dest, method, "/~alice/file");
        assert!(
            (400..500).contains(&got.status) && !got.text().contains("http-equiv"),
            "{site} {mode} {dest} {method}: {got:?}"
        );
    }
    // From there whoever is logged in goes to that place, and nobody anywhere else.
    let with = format!("Cookie: {mine}");
    let login = |to: &str| curl(&daemon, &["-H", page, "-H", &with], &format!("{FORM}?to={to}"));
    let got = login("%2F~alice%2Ffile");
    assert_eq!((got.status, got.header("location")), (303, "/~alice/file"));
    for elsewhere in [
        "%2F%2Fevil.example%2F",
        "https%3A%2F%2Fevil.example",
        "%2F%5Cevil.example",
        ".sealift-web%2Flogout",
        "%2F.sealift-web%2Flogin",
        "javascript%3Aalert(1)",
        "%2F%0d%0aX%3Ay",
        "",
    ] {
        let got = login(elsewhere);
        let location = got.header("location");
        assert!(got.status == 303 && location.starts_with('/') && !location.starts_with("//"), "{elsewhere}: {got:?}");
        assert!(
            !location.contains('\\') && !location.contains("sealift-web") && !got.headers.contains_key("x"),
            "{elsewhere}: {location}"
        );
    }
    assert_eq!(status_with(&daemon, &mine), 200, "nothing was changed");
}
