//! Attacks on links into shared folders: what such a link gives is what its maker may do in that very folder now, and never what else came to
//! be at its path.

use std::fs;
use std::os::unix::fs::symlink;

use crate::common::web::{Got, curl};
use crate::common::{Daemon, PASSWORD, RawClient, World, enter, eventually, section, snapshot};

/// Has a user make a link: where it is.
fn make(client: &mut RawClient, arguments: &str) -> String {
    let (_, word, fields) = client.ask(format!("LINK {arguments}"));
    assert_eq!(word, "linked", "{arguments}");
    format!("/.sealift-web/l/{}/", fields["secret"])
}

fn get(daemon: &Daemon, path: &str) -> Got {
    curl(daemon, &[], path)
}

fn put(daemon: &Daemon, path: &str) -> u16 {
    curl(daemon, &["-X", "PUT", "--data-binary", "dropped"], path).status
}

/// All of an answer but what tells it from others of its kind.
fn told(got: &Got) -> (u16, String) {
    (got.status, got.text().split('(').next().unwrap().to_owned())
}

fn visits(daemon: &Daemon, url: &str) -> String {
    let secret = url.split('/').nth(3).unwrap();
    RawClient::connect(daemon).ask(format!("VISIT {secret}")).1
}

/// The users, with these folders.
fn users(folders: &str) -> String {
    let users = ["alice", "bob"].map(|user| section(user, "\"full\"", user));
    format!("[anonymous]\nenabled = true\nhome = \"public\"\n{}{folders}", users.concat())
}

const TEAM: &str = "\n[folders.team]\naccess = { alice = \"full\", bob = \"full\" }\n";

/// Alice's and bob's `team`, and another folder with the very same names, which are secrets.
fn world() -> World {
    let world = World::of(&["alice", "bob"]);
    for (folder, text) in [("team", "shared"), ("other", "SECRET"), ("alice/team", "SECRET"), ("other/x", "SECRET")] {
        fs::create_dir_all(world.home(folder).join("x/in")).unwrap();
        fs::write(world.home(folder).join("x/file"), text).unwrap();
    }
    fs::write(world.home("team/beside"), "SECRET beside").unwrap();
    fs::write(world.home("alice/own"), "SECRET own").unwrap();
    world.set_users(&users(TEAM));
    world
}

#[test]
fn folder_link_leads_nowhere_else() {
    let world = world();
    symlink("../beside", world.home("team/x/up")).unwrap();
    symlink("../../alice/own", world.home("team/x/out")).unwrap();
    symlink("team/x", world.home("alice/hidden")).unwrap();
    symlink("team/x/file", world.home("alice/hidden-file")).unwrap();
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let (folder, file) = (make(&mut alice, "team/x"), make(&mut alice, "team/x/file"));
    let (top, drop) = (make(&mut alice, "team"), make(&mut alice, "team/x/in drop=yes"));
    assert_eq!(get(&daemon, &format!("{folder}file")).text(), "shared");
    assert_eq!(get(&daemon, &format!("{file}file")).text(), "shared");
    assert_eq!(get(&daemon, &format!("{top}x/file")).text(), "shared");
    // Neither the folder's own rest, nor its maker's home, nor what is under the same name there.
    for path in ["up", "out", "../beside", "%2e%2e/beside", "beside", "team/x/file", "own", "../own", ".sealift"] {
        for url in [&folder, &file, &drop] {
            let got = get(&daemon, &format!("{url}{path}"));
            assert!(got.status != 200 && !got.text().contains("SECRET"), "{path}: {got:?}");
        }
    }
    for (path, there) in [("own", false), ("beside", true), ("../alice/own", false), ("team/x/file", false)] {
        assert_eq!(get(&daemon, &format!("{top}{path}")).status == 200, there, "{path}");
    }
    for archive in ["?zip", "?tar"] {
        let got = get(&daemon, &format!("{folder}{archive}"));
        assert!(got.status == 200 && !String::from_utf8_lossy(&got.body).contains("SECRET"));
    }
    // What a link on the disk leads to below the folder that shows there is what that hides.
    for path in ["hidden", "hidden/file", "hidden-file"] {
        let (_, word, _) = alice.ask(format!("LINK {path}"));
        assert!(["denied", "not-regular"].contains(&word.as_str()), "{path}: {word}");
    }
    assert_eq!(put(&daemon, &format!("{drop}new")), 201);
    assert_eq!(fs::read_to_string(world.home("team/x/in/new")).unwrap(), "dropped");
    assert!(!world.home("alice/team/x/in/new").exists());
}

/// What lies in a home where a shared folder shows is hidden there, and so by links to the home, or to what is around it.
#[test]
fn link_to_a_home_gives_nothing_that_a_shared_folder_hides() {
    let world = world();
    fs::create_dir_all(world.home("alice/deep/in/box/x")).unwrap();
    fs::write(world.home("alice/deep/in/box/x/file"), "SECRET deep").unwrap();
    fs::write(world.home("alice/deep/in/seen"), "seen").unwrap();
    symlink("../team/x", world.home("alice/deep/hidden")).unwrap();
    symlink("in/box/x/file", world.home("alice/deep/hidden-file")).unwrap();
    symlink("in", world.home("alice/deep/way")).unwrap();
    let boxed = "\n[folders.other]\nas = \"deep/in/box\"\naccess = { alice = \"full\" }\n";
    world.set_users(&users(&format!("{TEAM}{boxed}")));
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let (home, deep) = (make(&mut alice, "name=home"), make(&mut alice, "deep"));
    assert_eq!(get(&daemon, &format!("{home}own")).text(), "SECRET own");
    assert_eq!(get(&daemon, &format!("{home}deep/in/seen")).text(), "seen");
    assert_eq!(get(&daemon, &format!("{deep}way/seen")).text(), "seen");
    let hidden = ["team", "team/", "team/x/", "team/x/file", "deep/in/box/", "deep/in/box/x/file"];
    let by_links = ["deep/hidden/", "deep/hidden/file", "deep/hidden-file", "deep/way/box/x/file"];
    for path in hidden.iter().chain(&by_links) {
        assert_eq!(get(&daemon, &format!("{home}{path}")).status, 404, "{path}");
    }
    for path in ["in/box/", "in/box/x/file", "hidden-file", "way/box/x/file", "way/box/"] {
        assert_eq!(get(&daemon, &format!("{deep}{path}")).status, 404, "{path}");
    }
    for url in [&home, &deep] {
        for ask in ["?tar", "?zip", "deep/in/?tar", "in/?tar", "way/?tar", "deep/way/?tar", "in/", "deep/in/", ""] {
            let got = get(&daemon, &format!("{url}{ask}"));
            let text = String::from_utf8_lossy(&got.body).replace("SECRET own", "");
            let names = ["box/", "team/", "SECRET"];
            assert!(names.iter().all(|name| !text.contains(name)), "{ask}: {text}");
        }
    }
    let mut visitor = RawClient::connect(&daemon);
    assert_eq!(visitor.ask(format!("VISIT {}", home.split('/').nth(3).unwrap())).1, "welcome");
    assert_eq!(visitor.ask("LIST recursive=yes").0, 150);
    let listed = String::from_utf8(visitor.frames().unwrap()).unwrap();
    assert!(listed.contains("seen") && !listed.contains("box") && !listed.contains("team"), "{listed}");
    assert_eq!(visitor.reply().1, "done");
    assert_eq!(visitor.ask("DOWNLOAD team/x/file").1, "not-found");
    // What shows there no more hides nothing.
    world.set_users(&users(TEAM));
    eventually("the file is there", || get(&daemon, &format!("{deep}in/box/x/file")).text() == "SECRET deep");
}

/// What keeps a shared folder from being used is between its administrator and those who have it.
#[test]
fn folder_link_whose_folder_cannot_be_used_tells_nothing_of_it() {
    let world = world();
    let outside = tempfile::TempDir::new().unwrap();
    let (path, away) = (outside.path().join("isos"), outside.path().join("away"));
    fs::create_dir_all(path.join("x/in")).unwrap();
    fs::write(path.join("x/file"), "shared").unwrap();
    world.set_users(&users(&format!(
        "\n[folders.team]\npath = \"{}\"\naccess = {{ alice = \"full\", bob = \"full\" }}\n",
        path.display()
    )));
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let lines = ["team", "team/x", "team/x/file", "team/x/in drop=yes"];
    let urls = lines.map(|line| make(&mut alice, line));
    assert!(urls.iter().all(|url| get(&daemon, url).status == 200));
    drop(alice);
    daemon.stop();
    fs::rename(&path, &away).unwrap();
    for what in ["nothing", "a file", "a link to itself"] {
        match what {
            "a file" => fs::write(&path, "").unwrap(),
            "a link to itself" => symlink(&path, &path).unwrap(),
            _ => {}
        }
        let daemon = world.start();
        for url in &urls {
            let (status, text) = told(&get(&daemon, url));
            assert_eq!((status, text.as_str()), (503, "503: what this link leads to cannot be reached now "), "{what}");
            assert_eq!(put(&daemon, &format!("{url}new")), 503, "{what}");
        }
        daemon.stop();
        if what != "nothing" {
            fs::remove_file(&path).unwrap();
        }
    }
    fs::rename(&away, &path).unwrap();
    let daemon = world.start();
    assert!(urls.iter().all(|url| get(&daemon, url).status == 200), "as before");
}

/// For how long deleted things are kept is for those who may look into the trash.
#[test]
fn folder_link_page_does_not_tell_of_the_trash() {
    let world = world();
    world.set_users(&users(&TEAM.replace("\n[folders.team]\n", "\n[folders.team]\ntrash = \"30d\"\n")));
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let page = ["-H", "Accept: text/html"];
    let login = format!("alice:{PASSWORD}");
    let own = curl(&daemon, &[&page[..], &["-u", &login]].concat(), "/~alice/team/").text();
    assert!(own.contains("data-trash=\"30 days\""), "{own}");
    for line in ["team", "team/x"] {
        let shown = curl(&daemon, &page, &make(&mut alice, line)).text();
        assert!(shown.contains("data-trash=\"\"") && !shown.contains("30 days"), "{line}: {shown}");
    }
}

#[test]
fn folder_link_gives_what_its_maker_has_now() {
    let world = world();
    let daemon = world.start();
    let unknown = told(&get(&daemon, &format!("/.sealift-web/l/{}/", "u".repeat(43))));
    let mut alice = enter(&daemon, "alice");
    let (folder, file) = (make(&mut alice, "team/x name=folder"), make(&mut alice, "team/x/file name=file"));
    let drop = make(&mut alice, "team/x/in drop=yes name=drop");
    for url in [&folder, &file, &drop] {
        assert_eq!((get(&daemon, url).status, visits(&daemon, url).as_str()), (200, "welcome"));
    }
    let secret = folder.split('/').nth(3).unwrap().to_owned();
    let before = snapshot(&world.home("team"));
    for (rights, gives) in [
        ("[]", [false; 3]),
        ("[\"list\", \"download\", \"upload\", \"overwrite\", \"delete\", \"rename\", \"mkdir\"]", [false; 3]),
        ("[\"list\", \"download\", \"link\"]", [true, true, false]),
        ("[\"upload\", \"link\"]", [false, false, true]),
        ("\"read\"", [false; 3]),
    ] {
        let mut visitor = RawClient::connect(&daemon);
        assert_eq!(visitor.ask(format!("VISIT {secret}")).1, "welcome");
        // What is begun does not get to its place by rights of before.
        let begun = ["-X", "PUT", "-H", "Upload-Complete: ?0", "-H", "Upload-Length: 4"];
        let at = curl(&daemon, &begun, &format!("{drop}late")).headers["location"].clone();
        world.set_users(&users(&TEAM.replace("alice = \"full\"", &format!("alice = {rights}"))));
        for (url, gives) in [&folder, &file, &drop].into_iter().zip(gives) {
            eventually(rights, || (get(&daemon, url).status == 200) == gives);
            if !gives {
                assert_eq!(told(&get(&daemon, url)), unknown, "{rights}");
            }
        }
        if !gives[2] {
            assert_eq!((visits(&daemon, &drop).as_str(), put(&daemon, &format!("{drop}new"))), ("login-failed", 404));
        }
        if !gives[0] {
            eventually("the session ends", || visitor.try_reply().is_none_or(|(_, word, _)| word == "revoked"));
        }
        if !gives[2] {
            let rest = ["-X", "PATCH", "-H", "Content-Type: application/partial-upload", "-H", "Upload-Complete: ?1"];
            let rest = [&rest[..], &["-H", "Upload-Offset: 0", "--data-binary", "late"]].concat();
            assert_eq!(curl(&daemon, &rest, &at).status, 404, "{rights}");
        }
        // Its maker sees it, where she is told of them.
        alice.line("LINKS");
        let listed: Vec<_> = std::iter::from_fn(|| Some(alice.reply()).filter(|(code, _, _)| *code == 114)).collect();
        let void = |name: &str| {
            let (_, _, fields) = listed.iter().find(|(_, _, fields)| fields["name"] == name).unwrap();
            fields.contains_key("void")
        };
        assert_eq!(["folder", "file", "drop"].map(|name| !void(name)), gives, "{rights}");
        world.set_users(&users(TEAM));
        eventually("all is as before", || [&folder, &file, &drop].iter().all(|url| get(&daemon, url).status == 200));
        if gives[2] {
            assert_eq!(curl(&daemon, &["-X", "DELETE"], &at).status, 204);
        }
    }
    assert_eq!(snapshot(&world.home("team")), before);
}

#[test]
fn folder_link_is_over_where_its_path_is_in_another_folder() {
    let world = world();
    let daemon = world.start();
    let unknown = told(&get(&daemon, &format!("/.sealift-web/l/{}/", "u".repeat(43))));
    let mut alice = enter(&daemon, "alice");
    fs::create_dir_all(world.home("alice/later/x")).unwrap();
    fs::write(world.home("alice/later/x/file"), "own").unwrap();
    let all = [
        make(&mut alice, "team"),
        make(&mut alice, "team/x"),
        make(&mut alice, "team/x/file"),
        make(&mut alice, "team/x/in drop=yes"),
    ];
    let of_home = [make(&mut alice, "later/x"), make(&mut alice, "later/x/file")];
    let shared = |name: &str, at: &str, path: &str| {
        format!(
            "\n[folders.{name}]\nas = \"{at}\"\npath = \"{path}\"\naccess = {{ alice = \"full\", bob = \"full\" }}\n"
        )
    };
    let own_later = format!("{TEAM}{}", shared("other", "later", "other"));
    for (what, folders, gone, stay) in [
        ("its name is given to another folder", shared("other", "team", "other"), &all[..], &of_home[..]),
        ("the folder is moved to another place", shared("team", "team", "other"), &all, &of_home),
        ("it shows elsewhere", shared("team", "crew", "team"), &all, &of_home),
        ("it shows further in", shared("team", "team/x", "team"), &all, &of_home),
        ("both changed places", shared("team", "crew", "team") + &shared("other", "team", "other"), &all, &of_home),
        ("it is shared no more, and the home has such a path", String::new(), &all, &of_home),
        ("another folder shows where the home had it", own_later, &of_home, &all),
    ] {
        let secrets: Vec<_> = all.iter().map(|url| url.split('/').nth(3).unwrap()).collect();
        let mut visitor = RawClient::connect(&daemon);
        assert_eq!(visitor.ask(format!("VISIT {}", secrets[1])).1, "welcome");
        let mut sender = RawClient::connect(&daemon);
        assert_eq!(sender.ask(format!("VISIT {}", secrets[3])).1, "welcome");
        let before = snapshot(&world.place().join("server_data"));
        world.set_users(&users(&folders));
        for url in gone {
            eventually(what, || get(&daemon, url).status == 404);
            assert_eq!(told(&get(&daemon, url)), unknown, "{what}");
        }
        let last = gone.last().unwrap();
        assert_eq!(
            (visits(&daemon, last).as_str(), put(&daemon, &format!("{last}new"))),
            ("login-failed", 404),
            "{what}"
        );
        for (url, path) in gone.iter().zip(["x/file", "file", "file"]) {
            let got = get(&daemon, &format!("{url}{path}"));
            assert!(got.status == 404 && !got.text().contains("SECRET"), "{what}: {got:?}");
        }
        for url in stay {
            assert_eq!(get(&daemon, url).status, 200, "{what}");
        }
        if gone.len() == all.len() {
            for session in [&mut visitor, &mut sender] {
                eventually(what, || session.try_reply().is_none_or(|(_, word, _)| word == "revoked"));
            }
        }
        assert_eq!(snapshot(&world.place().join("server_data")), before, "{what}");
        world.set_users(&users(TEAM));
        eventually("all is as before", || all.iter().chain(&of_home).all(|url| get(&daemon, url).status == 200));
    }
    assert_eq!(get(&daemon, &format!("{}file", all[1])).text(), "shared");
    assert_eq!(get(&daemon, &format!("{}file", of_home[0])).text(), "own");
}

#[test]
fn folder_link_made_by_who_may_not() {
    let world = world();
    let folder =
        |name: &str, access: &str| format!("\n[folders.{name}]\npath = \"team\"\naccess = {{ alice = {access} }}\n");
    // One folder, which several people have by different names: here one of them has it by all.
    for (access, file, all, drop) in [
        ("\"full\"", true, true, true),
        ("\"read\"", false, false, false),
        ("[\"list\", \"download\", \"upload\", \"overwrite\", \"delete\", \"rename\", \"mkdir\"]", false, false, false),
        ("[\"link\"]", false, false, false),
        ("[\"link\", \"list\"]", false, false, false),
        ("[\"link\", \"download\"]", true, false, false),
        ("[\"link\", \"list\", \"download\"]", true, true, false),
        ("[\"link\", \"upload\"]", false, false, true),
    ] {
        world.set_users(&users(&folder("team", access)));
        let daemon = world.start();
        let mut alice = enter(&daemon, "alice");
        let login = format!("alice:{PASSWORD}");
        for (path, kind, may) in [
            ("team", "read", all),
            ("team/x", "read", all),
            ("team/x/file", "read", file),
            ("team", "drop", drop),
            ("team/x/in", "drop", drop),
        ] {
            let line = format!("LINK {path}{}", if kind == "drop" { " drop=yes" } else { "" });
            assert_eq!(alice.ask(&line).1, if may { "linked" } else { "denied" }, "{access}: {line}");
            let (path, kind) = (format!("path=/~alice/{path}"), format!("kind={kind}"));
            let form = ["-u", &login, "-H", "Sec-Fetch-Site: same-origin", "-d", &path, "-d", &kind];
            let got = curl(&daemon, &form, "/.sealift-web/links");
            assert_eq!(got.status, if may { 201 } else { 403 }, "{access}: {path} {kind}: {}", got.text());
        }
        // Whether something is there is nobody's to know by it.
        if !all && !file && !drop {
            assert_eq!(alice.ask("LINK team/missing").1, "denied", "{access}");
        }
    }
    // Who has no part in it makes none, by whatever path; nor does who came by a link into it.
    world.set_users(&users("\n[folders.team]\naccess = { bob = \"full\" }\n"));
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.ask("LINK team/x/file").1, "linked", "her own folder of that name is hers");
    for path in ["../team/x", "/team/../bob/team"] {
        assert_eq!(alice.ask(format!("LINK {path}")).1, "bad-path", "{path}");
    }
    let url = make(&mut enter(&daemon, "bob"), "team/x");
    let mut visitor = RawClient::connect(&daemon);
    assert_eq!(visitor.ask(format!("VISIT {}", url.split('/').nth(3).unwrap())).1, "welcome");
    for line in ["LINK", "LINK file", "LINK . drop=yes"] {
        assert_ne!(visitor.ask(line).1, "linked", "{line}");
    }
}

#[test]
fn folder_drop_link_counts_for_its_maker() {
    let world = world();
    let bounded = users(TEAM).replace("home = \"alice\"\n", "home = \"alice\"\nquota = \"1 MiB\"\n");
    world.set_users(&bounded);
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let url = make(&mut alice, "team/x/in drop=yes");
    let used = |client: &mut RawClient| client.ask("STATUS").2["used"].parse::<u64>().unwrap();
    let before = used(&mut alice);
    let file = world.place().join("sent");
    fs::write(&file, vec![7; 400_000]).unwrap();
    let send = |url: &str| curl(&daemon, &["-T", file.to_str().unwrap()], &format!("{url}f")).status;
    assert_eq!(send(&url), 201);
    eventually("it counts for alice", || used(&mut alice) == before + 400_000);
    assert_eq!((send(&url), send(&url)), (201, 507), "her quota bounds it");
    // Who has the folder has what came; what is on its way is nobody's to see or go on with.
    let mut bob = enter(&daemon, "bob");
    assert_eq!(bob.download("team/x/in/f").unwrap().len(), 400_000);
    assert_eq!(bob.ask("DELETE team/x/in/f").1, "done");
    eventually("and it is free again", || used(&mut alice) == before + 400_000);
    let begun = ["-X", "PUT", "-H", "Upload-Complete: ?0", "-H", "Upload-Length: 100000", "--data-binary", "half"];
    assert_eq!(curl(&daemon, &begun, &format!("{url}half")).status, 201);
    for client in [&mut alice, &mut bob] {
        assert_eq!(client.ask("HASH team/x/in/half partial=yes").1, "not-found");
        assert!(client.list("team/x/in").unwrap().iter().all(|line| !line.contains("half")));
    }
    // With a quota of its own the folder counts it, and not alice.
    let own = TEAM.replace("access =", "quota = \"100 KiB\"\naccess =");
    world.set_users(&bounded.replace(TEAM, &own));
    eventually("the folder is bounded", || send(&url) == 507);
    assert!(!world.home("team/x/in/f").exists() && world.home("team/x/in/f-2").exists());
}
