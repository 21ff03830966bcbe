//! Attacks on links: what gives something without an account must give that and no more, and nothing when it is over.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::web::{Got, RawWeb, curl, curl_each, curl_output};
use crate::common::{Daemon, PASSWORD, RawClient, World, enter, eventually, section};

/// Has a user make a link: its secret.
pub fn make(client: &mut RawClient, arguments: &str) -> String {
    let (_, word, fields) = client.ask(format!("LINK {arguments}"));
    assert_eq!(word, "linked", "{arguments}");
    fields["secret"].clone()
}

pub fn url(secret: &str) -> String {
    format!("/.sealift-web/l/{secret}/")
}

pub fn get(daemon: &Daemon, path: &str) -> Got {
    curl(daemon, &[], path)
}

/// All of an answer but what tells it from others of its kind.
fn told(got: &Got) -> (u16, String) {
    (got.status, got.text().split('(').next().unwrap().to_owned())
}

pub fn world() -> World {
    let world = World::of(&["alice", "bob"]);
    let home = world.home("alice");
    fs::create_dir_all(home.join("shared/sub")).unwrap();
    fs::write(home.join("shared/file"), "shared").unwrap();
    fs::write(home.join("beside"), "SECRET beside").unwrap();
    fs::write(home.join("shared-too"), "SECRET beside").unwrap();
    world
}

#[test]
fn link_guessing() {
    let world = world();
    let daemon = world.daemon().arg("--penalise-loopback").start();
    // As many over one connection as it bears, so that a slow machine has asked for them before the first are forgiven.
    let barred = (0..20).any(|_| {
        let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
        let mut ask = |n| web.ask(format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", url(&format!("{n:0>43}"))));
        assert!((0..40).map_while(&mut ask).all(|got| got.status == 404));
        !curl_output(&daemon, &[], "/").status.success()
    });
    assert!(barred, "it was never barred");
}

#[test]
fn link_escapes() {
    let world = world();
    let home = world.home("alice");
    symlink("../beside", home.join("shared/up")).unwrap();
    symlink("..", home.join("shared/above")).unwrap();
    symlink("/etc/passwd", home.join("shared/out")).unwrap();
    symlink("file", home.join("shared/in")).unwrap();
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let (folder, file) = (make(&mut client, "shared"), make(&mut client, "shared/file"));
    assert_eq!(get(&daemon, &format!("{}in", url(&folder))).text(), "shared", "a link that stays inside is followed");
    for path in [
        "..",
        "../",
        "../beside",
        "%2e%2e/beside",
        "%2e%2e%2fbeside",
        "..%2fbeside",
        "sub/../../beside",
        "./../beside",
        "/beside",
        "%2fbeside",
        "file%00",
        "%00",
        ".sealift",
        ".sealift/x",
        ".SEALIFT/",
        "up",
        "above",
        "above/",
        "above/beside",
        "out",
        "..;/beside",
        "..%5cbeside",
        "%c0%ae%c0%ae/beside",
        "~alice/beside",
        "-too",
    ] {
        for secret in [&folder, &file] {
            let at = format!("{}{path}", url(secret));
            let methods = ["GET", "HEAD", "PUT", "DELETE", "MKCOL", "PROPFIND", "MOVE", "COPY", "PATCH", "LOCK"];
            let asked = methods.map(|method| (vec!["-X", method], at.as_str()));
            for ((args, _), got) in asked.iter().zip(curl_each(&daemon, &asked)) {
                let said = format!("{:?} {}", got.headers, String::from_utf8_lossy(&got.body));
                assert!(!said.contains("SECRET") && !said.contains("root:"), "{args:?} {path}: {said}");
                assert!(!matches!(got.status / 100, 2 | 5), "{args:?} {path}: {got:?}");
            }
        }
    }
    for name in ["sub/", "up", "file/x", "shared-too", "../shared-too"] {
        assert_ne!(
            get(&daemon, &format!("{}{name}", url(&file))).status,
            200,
            "a link to a file has nothing beside it: {name}"
        );
    }
    let list = get(&daemon, &url(&folder)).text();
    assert!(list.contains("file") && !list.contains("beside"), "{list}");
    for archive in ["?zip", "?tar"] {
        let got = get(&daemon, &format!("{}{archive}", url(&folder)));
        assert!(got.status == 200 && !String::from_utf8_lossy(&got.body).contains("SECRET"));
    }
}

#[test]
fn link_sessions_see_nothing_of_their_maker() {
    let world = world();
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let secret = make(&mut client, "shared name=holiday");
    make(&mut client, "beside");
    let mut visitor = RawClient::connect(&daemon);
    let (_, word, fields) = visitor.ask(format!("VISIT {secret}"));
    assert_eq!((word.as_str(), fields["access"].as_str()), ("welcome", "read"));
    assert!(!fields.values().any(|value| value.contains("alice")), "{fields:?}");
    assert_eq!(visitor.download("file").unwrap(), b"shared");
    let listed = visitor.list("").unwrap().join("\n");
    assert!(listed.contains("file") && !listed.contains("beside"), "{listed}");
    for (line, word) in [
        ("STAT beside", "not-found"),
        ("STAT shared/file", "not-found"),
        ("DOWNLOAD ../beside", "bad-path"),
        ("LINK", "denied"),
        ("LINK file", "denied"),
        ("UNLINK holiday", "not-found"),
        ("DELETE file", "denied"),
        ("RENAME file f", "denied"),
        ("MKDIR new", "denied"),
        ("CHMOD file mode=755", "denied"),
        ("WHO", "denied"),
        ("KICK alice", "denied"),
        ("PASSWD another present=correct-horse", "denied"),
    ] {
        assert_eq!(visitor.ask(line).1, word, "{line}");
    }
    assert_eq!(visitor.ask("LINKS").2["links"], "0");
    assert_eq!(visitor.ask("KEYS").2["keys"], "0");
    assert_eq!(visitor.upload("new", b"x").1, "denied");
    assert_eq!(client.ask("LINKS").1, "link");
    // Removed, and whoever is there has to go.
    while client.reply().1 != "done" {}
    assert_eq!(client.ask("UNLINK holiday").1, "removed");
    eventually("the session ends", || visitor.try_reply().is_none_or(|(_, word, _)| word == "revoked"));
    assert_eq!(RawClient::connect(&daemon).ask(format!("VISIT {secret}")).1, "login-failed");
}

#[test]
fn link_void_at_once() {
    let world = world();
    let daemon = world.start();
    let unknown = told(&get(&daemon, &url(&"u".repeat(43))));
    let mut client = enter(&daemon, "alice");
    let removed = make(&mut client, "shared");
    // It may take a while to be asked for on a busy machine, and must not be over by then.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let over = make(&mut client, &format!("shared expires={}", now + 10));
    let (kept, file) = (make(&mut client, "shared"), make(&mut client, "shared/file"));
    assert_eq!(get(&daemon, &url(&removed)).status, 200);
    assert_eq!(client.ask("UNLINK shared").1, "removed");
    assert_eq!(told(&get(&daemon, &url(&removed))), unknown);
    eventually("it expires", || get(&daemon, &url(&over)).status == 404);
    assert_eq!(told(&get(&daemon, &url(&over))), unknown);
    let anonymous = "[anonymous]\nenabled = true\nhome = \"public\"\n";
    let users = fs::read_to_string(world.place().join("users.toml")).unwrap();
    let gone = |what: &str| {
        eventually(what, || get(&daemon, &url(&kept)).status == 404);
        assert_eq!(told(&get(&daemon, &url(&kept))), unknown, "{what}");
        assert_eq!(told(&get(&daemon, &url(&file))), unknown, "{what}");
    };
    let back = || {
        world.set_users(&users);
        eventually("it counts again", || get(&daemon, &url(&kept)).status == 200);
    };
    let alice = users.lines().skip_while(|line| !line.contains("users.alice")).take(4).collect::<Vec<_>>().join("\n");
    for (what, change) in [
        ("the right to make links is lost", alice.replace("\"full\"", "[\"list\", \"download\", \"upload\"]")),
        ("she may not read any more", alice.replace("\"full\"", "[\"list\", \"link\", \"upload\"]")),
        ("she is disabled", format!("{alice}\nenabled = false")),
        ("she has expired", format!("{alice}\nexpires = 2001-01-01")),
        ("she is somewhere else only", format!("{alice}\nfrom = [\"192.0.2.0/24\"]")),
    ] {
        world.set_users(&format!("{anonymous}{change}\n{}", section("bob", "\"full\"", "bob")));
        match what {
            "she may not read any more" => {
                eventually(what, || get(&daemon, &url(&file)).status == 404);
                assert_eq!(told(&get(&daemon, &url(&file))), unknown);
                assert_eq!(get(&daemon, &format!("{}file", url(&kept))).status, 403, "names are what she may see");
            }
            _ => gone(what),
        }
        back();
    }
    // What it leads to is gone, and comes back as something else.
    fs::remove_file(world.home("alice").join("shared/file")).unwrap();
    assert_eq!(get(&daemon, &url(&file)).status, 404);
    fs::create_dir(world.home("alice").join("shared/file")).unwrap();
    fs::write(world.home("alice").join("shared/file/x"), "SECRET").unwrap();
    assert_eq!(get(&daemon, &url(&file)).status, 404);
    assert_ne!(get(&daemon, &format!("{}file/x", url(&file))).status, 200);
    // She is removed, and another alice comes.
    world.set_users(&format!("{anonymous}{}", section("bob", "\"full\"", "bob")));
    gone("she is removed");
    let hash = sealift::auth::hash_password(&sealift::secret::Secret::new(PASSWORD)).unwrap();
    world.set_users(&format!("{anonymous}[users.alice]\npassword = \"{hash}\"\nhome = \"alice\"\n"));
    let mut another = loop {
        let mut client = RawClient::connect(&daemon);
        if client.try_login("alice", PASSWORD).1 == "welcome" {
            break client;
        }
    };
    assert_eq!(another.ask("LINKS").2["links"], "0", "she inherits nothing");
    gone("another alice");
}

#[test]
fn link_downloads_raced() {
    let world = world();
    let bytes = vec![7u8; 3_000_000];
    fs::write(world.home("alice").join("big"), &bytes).unwrap();
    let daemon = world.start();
    let secret = make(&mut enter(&daemon, "alice"), "big downloads=3");
    let (finished, path) = (AtomicUsize::new(0), format!("{}big", url(&secret)));
    std::thread::scope(|scope| {
        for n in 0..32 {
            let (daemon, path, finished, bytes) = (&daemon, &path, &finished, &bytes);
            scope.spawn(move || {
                let version = if n % 2 == 0 { "--http1.1" } else { "--http2" };
                let got = curl(daemon, &[version], path);
                match got.status {
                    200 => {
                        assert!(got.body == *bytes);
                        finished.fetch_add(1, Ordering::Relaxed);
                    }
                    status => assert_eq!(status, 404),
                }
            });
        }
    });
    assert_eq!(finished.load(Ordering::Relaxed), 3);
    assert_eq!(get(&daemon, &path).status, 404);
}

#[test]
fn link_read_by_hashes() {
    let world = world();
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let (counted, free) = (make(&mut client, "shared downloads=1"), make(&mut client, "shared"));
    for (secret, word) in [(counted, "denied"), (free, "hash")] {
        let mut visitor = RawClient::connect(&daemon);
        assert_eq!(visitor.ask(format!("VISIT {secret}")).0, 230);
        assert_eq!(visitor.ask("HASH file length=1").1, word);
        assert_eq!(visitor.ask("HASH file").1, "hash", "of all of it nothing can be put together");
    }
}

#[test]
fn link_used_up_in_an_open_session() {
    let world = world();
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let secret = make(&mut client, "shared downloads=1");
    let mut visitors = [(); 2].map(|()| RawClient::connect(&daemon));
    for visitor in &mut visitors {
        assert_eq!(visitor.ask(format!("VISIT {secret}")).0, 230);
        assert_eq!(visitor.ask("STAT file").1, "stat");
    }
    assert_eq!(visitors[0].download("file").unwrap(), fs::read(world.home("alice").join("shared/file")).unwrap());
    for visitor in &mut visitors {
        eventually("the download is over", || visitor.ask("STAT file").1 == "denied");
        for line in ["STAT file", "HASH file", "HASH file length=1", "LIST", "LIST recursive=yes", "DOWNLOAD file"] {
            assert_eq!(visitor.ask(line).1, "denied", "{line}");
        }
    }
}

#[test]
fn link_and_a_login_are_apart() {
    let world = world();
    fs::write(world.home("public").join("file"), "public").unwrap();
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let (open, locked) = (make(&mut client, "shared"), make(&mut client, "shared password=open%20sesame"));
    let form = ["--data-urlencode", "user=bob", "--data-urlencode", &format!("password={PASSWORD}")].map(str::to_owned);
    let form: Vec<&str> = form.iter().map(String::as_str).collect();
    let cookie =
        curl(&daemon, &form, "/.sealift-web/login").headers["set-cookie"].split(';').next().unwrap().to_owned();
    let with = ["-H", &format!("Cookie: {cookie}"), "-H", "Accept: text/html"].map(str::to_owned);
    let with: Vec<&str> = with.iter().map(String::as_str).collect();
    let page = curl(&daemon, &with, &url(&open)).text();
    assert!(page.contains("file") && !page.contains("bob"), "{page}");
    // Neither the cookie of a login nor the password of a user opens what has a password.
    assert_eq!(curl(&daemon, &with, &url(&locked)).status, 401);
    assert_eq!(curl(&daemon, &["-u", &format!("alice:{PASSWORD}")], &url(&locked)).status, 401);
    let typed = ["-u", &format!("alice:{PASSWORD}"), "-H", "Sec-Fetch-Site: none"].map(str::to_owned);
    let typed: Vec<&str> = typed.iter().map(String::as_str).collect();
    assert_eq!(curl(&daemon, &typed, &url(&open)).status, 200, "a browser sends by itself what was typed elsewhere");
    // What opens a link opens nothing else.
    let post = ["-H", "Sec-Fetch-Site: same-origin", "--data-urlencode", "password=open sesame"];
    let set = curl(&daemon, &post, &url(&locked)).headers["set-cookie"].clone();
    let value = set.split(';').next().unwrap().split_once('=').unwrap().1.to_owned();
    let stolen = format!("Cookie: __Host-sealift={value}");
    assert_eq!(curl(&daemon, &["-H", &stolen], "/~alice/beside").status, 401);
    // No other site has a browser try passwords.
    for site in ["cross-site", "same-site"] {
        let post =
            ["-H", &format!("Sec-Fetch-Site: {site}"), "--data-urlencode", "password=open sesame"].map(str::to_owned);
        let post: Vec<&str> = post.iter().map(String::as_str).collect();
        let got = curl(&daemon, &post, &url(&locked));
        assert!(got.status == 403 && !got.headers.contains_key("set-cookie"), "{got:?}");
    }
}

#[test]
fn link_secrets_stay_secret() {
    let world = world();
    let daemon = world.start();
    daemon.add_user_with("admin", "admin-password", &["--admin"]);
    let mut client = enter(&daemon, "alice");
    let secret = make(&mut client, "shared name=holiday password=open%20sesame");
    curl(&daemon, &["-u", ":open sesame"], &url(&secret));
    curl(&daemon, &["-u", ":wrong"], &url(&secret));
    get(&daemon, &format!("{}nothing", url(&secret)));
    let mut visitor = RawClient::connect(&daemon);
    assert_eq!(visitor.ask(format!("VISIT {secret} password=open%20sesame")).1, "welcome");
    let mut admin = RawClient::logged_in(&daemon, "admin", "admin-password");
    admin.line("WHO");
    let mut who = String::new();
    loop {
        let (_, word, fields) = admin.reply();
        who += &format!("{fields:?}\n");
        if word == "done" {
            break;
        }
    }
    assert!(who.contains("alice/holiday"), "{who}");
    client.line("LINKS");
    let shown = format!("{:?}", client.reply());
    let mut kept = String::new();
    let mut folders = vec![world.place().join("server_state")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match entry.is_dir() {
                true => folders.push(entry),
                false => kept += &String::from_utf8_lossy(&fs::read(entry).unwrap()),
            }
        }
    }
    assert!(kept.contains("holiday"), "{kept}");
    for (place, text) in [("log", daemon.log()), ("WHO", who), ("LINKS", shown), ("state", kept)] {
        assert!(!text.contains(&secret) && !text.contains("sesame"), "{place}: {text}");
    }
}

#[test]
fn link_around_rules() {
    let world = world();
    let home = world.home("alice");
    for folder in ["private/deep", "pub"] {
        fs::create_dir_all(home.join(folder)).unwrap();
    }
    fs::write(home.join("private/s"), "SECRET").unwrap();
    fs::write(home.join("private/deep/s"), "SECRET").unwrap();
    fs::write(home.join("plain"), "plain").unwrap();
    symlink("../private", home.join("pub/x")).unwrap();
    symlink("../private/s", home.join("pub/y")).unwrap();
    symlink("../shared", home.join("pub/free")).unwrap();
    let rule = "[[users.alice.rules]]\npath = \"/private/**\"\naccess = []\n";
    world.set_users(&format!("{}{rule}", section("alice", "\"full\"", "alice")));
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    for path in ["private", "private/s", "pub/x"] {
        assert_eq!(client.ask(format!("LINK {path}")).1, "denied", "{path}");
    }
    // By a link it is not told what is where nobody may look.
    for path in ["pub/x/s", "pub/x/deep", "pub/x/deep/s", "pub/x/missing"] {
        assert_eq!(client.ask(format!("LINK {path}")).1, "not-found", "{path}");
    }
    assert_eq!(
        client.ask("LINK pub/y").1,
        "not-regular",
        "of a link to what is there no more is told than of one to nothing"
    );
    assert_eq!(client.ask("LINK pub/free").1, "not-regular", "a link on the disk is no folder");
    // A listing tells of it what it is, and not what it leads to; but of one that leads to what may be read.
    symlink("../plain", home.join("pub/z")).unwrap();
    for recursive in ["", " recursive=yes"] {
        let listed = client.list(&format!("pub{recursive}")).unwrap();
        let of = |name: &str| listed.iter().find(|line| line.ends_with(name)).unwrap();
        assert!(of(" y").starts_with("type=link "), "{listed:?}");
        assert!(of(" z").starts_with("type=file size=5 "), "{listed:?}");
    }
    let (all, free) = (make(&mut client, "pub"), make(&mut client, "shared"));
    let plain = make(&mut client, "plain");
    let gives = |secret: &str, path: &str| {
        let got = get(&daemon, &format!("{}{path}", url(secret)));
        assert!(!got.text().contains("SECRET"), "{path}: {got:?}");
        got.status == 200
    };
    for path in ["x/", "x/s", "x/deep/s", "y"] {
        assert!(!gives(&all, path), "{path}");
    }
    assert!(gives(&free, "file") && gives(&plain, "plain"));
    // What it leads to becomes a link itself.
    fs::rename(home.join("shared"), home.join("was-shared")).unwrap();
    symlink("private", home.join("shared")).unwrap();
    fs::remove_file(home.join("plain")).unwrap();
    symlink("private/s", home.join("plain")).unwrap();
    assert!(!gives(&free, "") && !gives(&free, "s") && !gives(&plain, "") && !gives(&plain, "plain"));
}

#[test]
fn link_withdrawn_for_good() {
    let world = world();
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let secret = make(&mut client, "shared name=holiday");
    assert_eq!(get(&daemon, &url(&secret)).status, 200);
    // Its file cannot be removed: there is a folder in its place.
    let folder = world.place().join("server_state/links");
    let file = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).next().unwrap();
    let aside = world.place().join("aside");
    fs::rename(&file, &aside).unwrap();
    fs::create_dir(&file).unwrap();
    assert_ne!(client.ask("UNLINK holiday").1, "removed");
    assert_eq!(get(&daemon, &url(&secret)).status, 404, "it gives nothing all the same");
    fs::remove_dir(&file).unwrap();
    fs::rename(&aside, &file).unwrap();
    assert_eq!(get(&daemon, &url(&secret)).status, 404);
    assert_eq!(client.ask("UNLINK holiday").1, "removed", "it could be withdrawn again");
    assert_eq!(client.ask("UNLINK holiday").1, "not-found");
    drop(client);
    daemon.stop();
    let again = world.start();
    assert_eq!(get(&again, &url(&secret)).status, 404, "and does not come back");
}

#[test]
fn link_made_by_another_site() {
    let world = world();
    let daemon = world.start();
    make(&mut enter(&daemon, "alice"), "beside name=hers");
    let user = format!("password={PASSWORD}");
    let form = ["--data-urlencode", "user=alice", "--data-urlencode", &user];
    let cookie =
        curl(&daemon, &form, "/.sealift-web/login").headers["set-cookie"].split(';').next().unwrap().to_owned();
    let with = format!("Cookie: {cookie}");
    let (links, remove) = ("/.sealift-web/links", "/.sealift-web/links/remove");
    let post = |path: &str, field: &str, more: &[&str]| {
        curl(&daemon, &[&["-H", &with, "--data-urlencode", field], more].concat(), path)
    };
    for site in [
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Origin: https://evil.example",
        "Origin: null",
        "Origin: http://127.0.0.1",
    ] {
        for (path, field) in [(links, "path=/~alice/shared/"), (remove, "name=hers")] {
            assert_eq!(post(path, field, &["-H", site]).status, 403, "{site} {path}");
            // However it says what it sends.
            let plain = ["-H", site, "-H", "Content-Type: text/plain"];
            assert_eq!(post(path, field, &plain).status, 403, "{site} {path}");
        }
    }
    // What changes something is no picture, and a form is a form.
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        let args: &[&str] = if method == "HEAD" { &["--head", "-H", &with] } else { &["-X", method, "-H", &with] };
        curl(&daemon, args, &format!("{links}?path=/~alice/shared/"));
        curl(&daemon, args, &format!("{remove}?name=hers"));
    }
    let ours = ["-H", "Sec-Fetch-Site: same-origin", "-H", "Content-Type: text/plain"];
    assert_eq!(post(links, "path=/~alice/shared/", &ours).status, 400);
    let names = || {
        let mut client = enter(&daemon, "alice");
        client.line("LINKS");
        std::iter::from_fn(|| Some(client.reply()).filter(|reply| reply.1 == "link"))
            .map(|reply| reply.2["name"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(), ["hers"], "nothing was made, and nothing withdrawn");
    assert_eq!(post(links, "path=/~alice/shared/", &["-H", "Sec-Fetch-Site: same-origin"]).status, 201);
    assert_eq!(names(), ["hers", "shared"]);
}
