//! Folders that several people share, and rules for parts of a home.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;

use base64::Engine as _;
use sealift::files::Hash;
use tempfile::TempDir;

use crate::common::web::{RawWeb, curl};
use crate::common::{
    Daemon, PASSWORD, RawClient, World, enter, eventually, frames_of, half_an_upload, part_bytes, sealiftd, section,
    staged, text,
};

pub const SHARED: &str = r#"
[groups.editors]
members = ["alice", "bob"]
[folders.public]
access = { anonymous = "read", "@editors" = "full", carol = "read" }
[folders.inbox]
as = "team/inbox"
access = { alice = "full", "*" = ["upload", "list"] }
"#;

pub fn users(more: &str) -> String {
    let people: String = ["alice", "bob", "carol"].map(|user| section(user, "\"full\"", user)).concat();
    format!("[anonymous]\nenabled = true\nhome = \"public\"\n{people}{more}")
}

pub fn world(more: &str) -> World {
    let world = World::of(&["alice", "bob", "carol"]);
    world.set_users(&users(more));
    world
}

pub fn word(client: &mut RawClient, line: &str) -> String {
    client.ask(line).1
}

fn anonymous(daemon: &Daemon) -> RawClient {
    let mut client = RawClient::connect(daemon);
    client.login("anonymous", "");
    client
}

#[test]
fn a_named_user_publishes_what_anybody_reads() {
    let world = world(SHARED);
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.upload("public/news", b"hello").1, "done");
    assert_eq!(alice.upload("own", b"private").1, "done");
    assert_eq!(fs::read(world.home("public").join("news")).unwrap(), b"hello");
    let mut anybody = anonymous(&daemon);
    assert_eq!(anybody.download("news").unwrap(), b"hello");
    assert_eq!(curl(&daemon, &[], "/news").text(), "hello");
    assert_eq!(word(&mut anybody, "STAT public/news"), "not-found", "it is her `/` and nothing else");
    assert_eq!(word(&mut anybody, "DELETE news"), "denied");
    for (user, may) in [("bob", "done"), ("carol", "denied")] {
        let mut client = enter(&daemon, user);
        assert_eq!(client.download("public/news").unwrap(), b"hello");
        assert_eq!(client.upload("public/more", user.as_bytes()).1, may, "{user}");
    }
}

#[test]
fn a_folder_shows_in_listings_at_every_door() {
    let world = world(SHARED);
    let daemon = world.start();
    fs::write(world.home("public").join("news"), "hello").unwrap();
    fs::write(world.home("alice").join("own"), "x").unwrap();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(names(&alice.list("").unwrap()), ["own", "public", "team"]);
    let (bytes, _) = alice.data("LIST recursive=yes").unwrap();
    let lines: Vec<String> = String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(names(&lines), ["own", "public", "public/news", "team", "team/inbox"]);
    assert_eq!(names(&alice.list("team").unwrap()), ["team/inbox"].map(|name| name.strip_prefix("team/").unwrap()));
    for path in ["public", "team", "team/inbox"] {
        assert_eq!(alice.ask(format!("STAT {path}")).2["type"], "dir", "{path}");
    }
    let login = format!("alice:{PASSWORD}");
    let page = curl(&daemon, &["-u", &login], "/~alice/").text();
    assert!(page.contains("public/") && page.contains("team/"), "{page}");
    assert!(curl(&daemon, &["-u", &login], "/~alice/public/?json").text().contains("news"));
    let depth = ["-u", &login, "-X", "PROPFIND", "-H", "Depth: 1"];
    let found = curl(&daemon, &depth, "/~alice/").text();
    assert!(found.contains("<D:href>/~alice/public/</D:href>"), "{found}");
    // Whoever has nothing of it sees nothing of it.
    world.set_users(&users("[folders.public]\naccess = { alice = \"full\" }\n"));
    assert_eq!(names(&enter(&daemon, "carol").list("").unwrap()), Vec::<&str>::new());
}

fn names(lines: &[String]) -> Vec<&str> {
    let mut names: Vec<&str> = lines.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn an_inbox_takes_new_files_and_gives_none() {
    let world = world(SHARED);
    let daemon = world.start();
    let (mut alice, mut carol) = (enter(&daemon, "alice"), enter(&daemon, "carol"));
    assert_eq!(carol.upload("team/inbox/letter", b"dear alice").1, "done");
    assert_eq!(carol.upload("team/inbox/letter", b"another").1, "denied", "never over what is there");
    assert_eq!(carol.download("team/inbox/letter").unwrap_err().1, "denied");
    for line in [
        "DELETE team/inbox/letter",
        "RENAME team/inbox/letter team/inbox/x",
        "COPY team/inbox/letter mine",
        "MKDIR team/inbox/new",
        "HASH team/inbox/letter",
        "CHMOD team/inbox/letter mode=600",
        "ACCEPT team/inbox/letter",
    ] {
        assert_eq!(word(&mut carol, line), "denied", "{line}");
    }
    assert_eq!(carol.list("team/inbox").unwrap().len(), 1);
    assert_eq!(alice.download("team/inbox/letter").unwrap(), b"dear alice");
}

#[test]
fn the_page_for_bringing_files_goes_by_the_rights_of_now_and_is_called_as_its_folder() {
    let world = world(SHARED);
    let daemon = world.start();
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    let login = base64::engine::general_purpose::STANDARD.encode(format!("carol:{PASSWORD}"));
    let mut get = |path: &str| {
        let head = format!("GET /~carol/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {login}\r\n");
        web.ask(format!("{head}Accept: text/html\r\n\r\n")).unwrap()
    };
    // The connection that asks later had the right `list` when it logged in.
    assert_eq!(get("none").status, 404);
    world.set_users(&users(&SHARED.replace(r#"["upload", "list"]"#, r#"["upload"]"#)));
    let mut carol = enter(&daemon, "carol");
    eventually("she may only bring files", || carol.list("team/inbox").is_err());
    let page = get("team/inbox/").text();
    assert!(page.contains("Drop files here"), "{page}");
    assert!(page.contains("<h1>inbox</h1>") && page.contains("<title>inbox · Sealift</title>"), "{page}");
}

#[test]
fn a_shared_folder_itself_stays_whatever_is_asked() {
    let world = world(SHARED);
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.upload("file", b"x").1, "done");
    for (line, wanted) in [
        ("DELETE public", "denied"),
        ("DELETE public recursive=yes", "denied"),
        ("DELETE team recursive=yes", "denied"),
        ("RENAME public other", "denied"),
        ("RENAME team other", "denied"),
        ("RENAME file public", "denied"),
        ("RENAME file public replace=yes", "denied"),
        ("RENAME file team replace=yes", "denied"),
        ("COPY file public replace=yes", "is-directory"),
        ("MKDIR public", "exists"),
        ("MKDIR public parents=yes", "done"),
        ("MKDIR team/inbox/deep/er parents=yes", "done"),
        ("CHMOD public mode=700", "is-directory"),
        ("DOWNLOAD public", "is-directory"),
    ] {
        assert_eq!(word(&mut alice, line), wanted, "{line}");
    }
    assert_eq!(alice.upload("public", b"x").1, "is-directory");
    assert_eq!(alice.upload("team", b"x").1, "is-directory");
    // Beside what is shared there is room for one's own.
    assert_eq!(alice.upload("team/notes", b"mine").1, "done");
    assert_eq!(fs::read(world.home("alice").join("team/notes")).unwrap(), b"mine");
    let login = format!("alice:{PASSWORD}");
    for (method, path) in [("DELETE", "/~alice/public/"), ("DELETE", "/~alice/team/")] {
        assert_eq!(curl(&daemon, &["-u", &login, "-X", method], path).status, 403, "{method} {path}");
    }
    assert!(world.home("public").is_dir() && world.home("inbox").join("deep/er").is_dir());
}

#[test]
fn an_edit_of_the_users_file_counts_for_open_sessions() {
    let world = world(SHARED);
    let daemon = world.start();
    let mut carol = enter(&daemon, "carol");
    assert_eq!(carol.upload("public/x", b"x").1, "denied");
    world.set_users(&users(&SHARED.replace("carol = \"read\"", "carol = \"full\"")));
    assert_eq!(carol.upload("public/x", b"x").1, "done");
    world.set_users(&users("[folders.new]\naccess = { \"*\" = \"full\" }\n"));
    assert_eq!(word(&mut carol, "STAT public"), "not-found");
    assert_eq!(carol.upload("new/x", b"x").1, "done");
    assert_eq!(fs::read(world.home("new").join("x")).unwrap(), b"x");
    assert_eq!(carol.upload("public", b"own").1, "done", "the name is free again");
}

#[test]
fn what_was_begun_in_a_folder_does_not_end_in_it_when_that_is_withdrawn() {
    let world = world(SHARED);
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    alice.line("STAGE public/staged size=4");
    let id = alice.reply().2["id"].clone();
    let mut half = half_an_upload(enter(&daemon, "alice"), "public/half", b"half", &world.home("public"));
    world.set_users(&users("[folders.public]\naccess = { bob = \"full\" }\n"));
    assert_eq!(word(&mut alice, "STAT public"), "not-found");
    alice.send(part_bytes(&format!("{id} offset=0 length=4"), b"text"));
    assert_eq!(alice.reply().1, "denied");
    assert_eq!(word(&mut alice, &format!("COMMIT {id} hash={}", Hash::of(b"text"))), "denied");
    half.send(frames_of(b"rest"));
    half.send([0; 4]);
    half.send(Hash::of(b"halfrest").as_bytes());
    let (digits, said, _) = half.reply();
    assert_eq!((digits, &*said), (550, "denied"));
    for name in ["half", "staged"] {
        assert!(!world.home("public").join(name).exists() && !world.home("alice").join("public").exists(), "{name}");
    }
    eventually("nothing is left", || staged(&world.home("public")).is_empty());
}

#[test]
fn rules_for_parts_of_a_home_hold_whatever_is_renamed() {
    let rules = "[[users.alice.rules]]\npath = \"/2025/**\"\naccess = \"read\"\n\
                 [[users.alice.rules]]\npath = \"/secret/**\"\naccess = []\n";
    let world = world(rules);
    let home = world.home("alice");
    for folder in ["2025/sub", "secret", "free", "around/inner"] {
        fs::create_dir_all(home.join(folder)).unwrap();
        fs::write(home.join(folder).join("file"), folder).unwrap();
    }
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    for (line, wanted) in [
        ("DELETE 2025/sub/file", "denied"),
        ("DELETE 2025 recursive=yes", "denied"),
        ("RENAME 2025 2024", "denied"),
        ("RENAME 2025/sub free/sub", "denied"),
        ("RENAME free 2025/free", "denied"),
        ("RENAME free/file 2025/file", "denied"),
        ("RENAME secret open", "denied"),
        ("COPY secret/file open", "denied"),
        ("COPY free/file 2025/copy", "denied"),
        ("MKDIR 2025/new", "denied"),
        ("MKDIR 2025/new/er parents=yes", "denied"),
        ("HASH secret/file", "denied"),
        ("STAT secret/file", "denied"),
        ("STAT 2025/sub/file", "stat"),
        ("COPY 2025/sub/file free/copy", "done"),
        ("RENAME free/copy free/named", "done"),
        ("RENAME around elsewhere", "done"),
        ("RENAME around2 2025", "denied"),
    ] {
        assert_eq!(word(&mut alice, line), wanted, "{line}");
    }
    assert_eq!(alice.upload("2025/new", b"x").1, "denied");
    assert_eq!(alice.list("secret").unwrap_err().1, "denied");
    let (bytes, (_, _, said)) = alice.data("LIST recursive=yes").unwrap();
    let listed = String::from_utf8(bytes).unwrap();
    assert!(listed.contains(" secret\n") && !listed.contains("secret/"), "{listed}");
    assert_eq!(said["unreadable"], "1");
}

#[test]
fn a_folder_below_a_root_of_the_start_is_shared_without_a_restart_and_no_link_leads_out_of_it() {
    let outside = TempDir::new().unwrap();
    let root = outside.path().join("shared");
    for name in ["shared/later", "apart"] {
        fs::create_dir_all(outside.path().join(name)).unwrap();
        fs::write(outside.path().join(name).join("file"), name).unwrap();
    }
    std::os::unix::fs::symlink(outside.path().join("apart"), root.join("link")).unwrap();
    let world = world("");
    world.set_users(&users(""));
    let daemon = world.daemon().args(["--roots", root.to_str().unwrap()]).start();
    let mut alice = enter(&daemon, "alice");
    let with = |path: &std::path::Path| {
        users(&format!("[folders.later]\npath = \"{}\"\naccess = {{ \"*\" = \"full\" }}\n", path.display()))
    };
    world.set_users(&with(&root.join("later")));
    eventually("it is there", || alice.download("later/file").is_ok());
    assert_eq!(alice.upload("later/new", b"x").1, "done");
    assert_eq!(fs::read(root.join("later/new")).unwrap(), b"x");
    for path in [root.join("link"), outside.path().join("apart")] {
        let before = daemon.log().matches("needs a restart").count();
        world.set_users(&with(&path));
        eventually("it is refused", || daemon.log().matches("needs a restart").count() > before);
        assert_eq!(alice.download("later/file").unwrap(), b"shared/later", "the last good one");
    }
}

#[test]
fn a_root_that_holds_something_of_the_server_is_refused() {
    let place = TempDir::new().unwrap();
    for (root, why) in [(place.path().to_owned(), "one in the other"), (place.path().join("nowhere"), "no such")] {
        let mut command = crate::common::sealiftd(place.path());
        command.args(["--listen", "127.0.0.1:0", "--roots", root.to_str().unwrap()]);
        let output = crate::common::end_of(command, "");
        let said = text(&output.stderr);
        assert!(output.status.code() != Some(0) && said.contains(why), "{said}");
    }
}

#[test]
fn a_folder_elsewhere_is_read_and_changed_as_far_as_somebody_may_and_a_new_one_waits_for_a_restart() {
    let outside = TempDir::new().unwrap();
    let at = |name: &str| outside.path().join(name);
    for name in ["isos", "drop", "later"] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("file"), name).unwrap();
    }
    let folder = |name: &str, access: &str| {
        format!("[folders.{name}]\npath = \"{}\"\naccess = {{ \"*\" = {access} }}\n", at(name).display())
    };
    let before = users(&(folder("isos", "\"read\"") + &folder("drop", "\"full\"")));
    let world = world("");
    world.set_users(&before);
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.download("isos/file").unwrap(), b"isos");
    assert_eq!(alice.list("isos").unwrap().len(), 1);
    assert_eq!(alice.upload("isos/new", b"x").1, "denied");
    assert_eq!(alice.upload("drop/new", b"x").1, "done");
    assert_eq!(fs::read(at("drop").join("new")).unwrap(), b"x");
    assert_eq!(word(&mut alice, "COPY isos/file drop/copied"), "done");
    assert_eq!(word(&mut alice, "RENAME drop/copied drop/named"), "done");
    let mut bob = enter(&daemon, "bob");
    assert_eq!(word(&mut bob, "DELETE drop/named"), "done");
    assert_eq!(word(&mut alice, "STAT drop/named"), "not-found", "what another has removed is gone at once");

    let added = format!("{before}{}", folder("later", "\"read\""));
    let widened = before.replace("\"*\" = \"read\"", "\"*\" = \"full\"");
    for (changed, line) in [(&added, lines_to("later", &added)), (&widened, lines_to("isos", &widened))] {
        world.set_users(changed);
        eventually("it is refused", || {
            let log = daemon.log();
            log.contains(&format!("users.toml:{line}: path of [folders.")) && log.contains("needs a restart")
        });
        assert_eq!(word(&mut alice, "STAT later"), "not-found");
        assert_eq!(alice.upload("isos/new", b"x").1, "denied", "the last good file is in force");
    }
    // Who changes the file now is not told that it counts.
    let checked = |warned: bool| {
        eventually("the server has said so", || {
            let output = daemon.command(&["check"]).output().unwrap();
            text(&output.stdout).contains("an older one is in force") == warned
        });
    };
    let set = |quota: &str| {
        let output = daemon.command(&["user", "set", "bob", "--quota", quota]).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        (text(&output.stdout), text(&output.stderr))
    };
    checked(true);
    let (out, err) = set("1GiB");
    assert!(
        out.starts_with("Changed bob.\n") && err.contains("needs a restart") && err.contains("warning: "),
        "{out}{err}"
    );
    world.set_users(&before);
    checked(false);
    let (out, err) = set("2GiB");
    assert!(out.contains("A running server knows") && !err.contains("in force"), "{out}{err}");
    world.set_users(&added);
    daemon.stop();
    let daemon = world.start();
    assert_eq!(enter(&daemon, "alice").download("later/file").unwrap(), b"later");
}

/// The line of the path of this folder, as it is in the text.
fn lines_to(folder: &str, text: &str) -> usize {
    let at = text.lines().position(|line| line == format!("[folders.{folder}]")).unwrap();
    at + 2
}

#[test]
fn mistakes_are_named_with_their_line_and_what_was_meant() {
    let world = world("");
    for (more, line, said) in [
        ("[groups.a]\nmembers = [\"alise\"]\n", 2, "there is no user 'alise': did you mean 'alice'?"),
        ("[groups.a]\nmembers = [\"@b\"]\n", 2, "there is no group 'b'"),
        ("[groups.a]\nmembers = [\"@b\"]\n[groups.b]\nmembers = [\"@a\"]\n", 1, "is in a circle: a has @b has @a"),
        ("[groups.a]\nmembers = \"alice\"\n", 2, "members of [groups.a] must be a list"),
        ("[groups.a]\n", 1, "does not say members"),
        ("[groups.a]\nmember = []\n", 2, "did you mean 'members'?"),
        ("[folders.p]\n", 1, "does not say access"),
        ("[folders.p]\naccess = \"read\"\n", 2, "must be a table of who may do what"),
        ("[folders.p]\naccess = { alise = \"read\" }\n", 2, "did you mean 'alice'?"),
        ("[folders.p]\naccess = { \"@edit\" = \"read\" }\n", 2, "there is no group 'edit'"),
        ("[folders.p]\naccess = { alice = \"raed\" }\n", 2, "'raed' is no access right"),
        ("[folders.p]\naccess = { anonymous = \"full\" }\n", 2, "anonymous only ever reads"),
        ("[folders.p]\nacces = {}\n", 2, "did you mean 'access'?"),
        ("[folders.p]\npath = \"../x\"\naccess = {}\n", 2, "has a part `.` or `..`"),
        ("[folders.p]\npath = \"/srv/../etc\"\naccess = {}\n", 2, "has a part `.` or `..`"),
        ("[folders.p]\npath = \"/\"\naccess = {}\n", 2, "is the whole machine"),
        ("[folders.p]\nas = \"/x\"\naccess = {}\n", 2, "absolute"),
        ("[folders.p]\nquota = 5\naccess = {}\n", 2, "text in quotes"),
        ("[folders.\"a/b\"]\naccess = {}\n", 1, "holds a slash"),
        (
            "[folders.p]\naccess = {}\n[folders.q]\npath = \"p/q\"\naccess = {}\n",
            4,
            "[folders.q] is inside of [folders.p]",
        ),
        (
            "[folders.p]\naccess = { alice = \"read\" }\n[folders.q]\nas = \"p\"\naccess = { \"*\" = \"read\" }\n",
            3,
            "alice would have [folders.p] at /p and [folders.q] at /p",
        ),
        ("[[users.alice.rules]]\npath = \"2025\"\naccess = \"read\"\n", 2, "begin with a slash"),
        ("[[users.alice.rules]]\naccess = \"read\"\n", 1, "does not say path"),
        ("[[users.alice.rules]]\npath = \"/a\"\n", 1, "does not say access"),
        ("[[users.alice.rules]]\npaht = \"/a\"\n", 2, "did you mean 'path'?"),
    ] {
        let base = users("");
        world.set_users(&(base.clone() + more));
        let output = sealiftd(world.place()).arg("check").output().unwrap();
        let (out, line) = (text(&output.stdout), base.lines().count() + line);
        assert!(out.contains(&format!("users.toml:{line}: ")) && out.contains(said), "{more}\n{out}");
        let started = sealiftd(world.place()).args(["--listen", "127.0.0.1:0"]).output().unwrap();
        assert_eq!(started.status.code(), Some(2), "{more}\n{}", text(&started.stderr));
    }
}

#[test]
fn check_names_folders_that_collide_or_cannot_be_reached() {
    let outside = TempDir::new().unwrap();
    let world = world("");
    fs::create_dir_all(world.home("alice").join("public")).unwrap();
    let missing = outside.path().join("missing");
    let more = format!(
        "[folders.public]\naccess = {{ anonymous = \"read\", alice = \"full\" }}\n\
         [folders.gone]\npath = \"{}\"\naccess = {{ alice = \"read\" }}\n\
         [folders.inner]\npath = \"bob/docs\"\naccess = {{ alice = \"read\" }}\n\
         [[users.alice.rules]]\npath = \"/inner/x/**\"\naccess = \"read\"\n\
         [[users.alice.rules]]\npath = \"/*/x\"\naccess = \"read\"\n",
        missing.display()
    );
    world.set_users(&users(&more));
    let output = sealiftd(world.place()).arg("check").output().unwrap();
    let out = text(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "the shared folder public hides what the home of alice has at /public",
        "the shared folder gone: ",
        "warning: the rule of alice for /inner/x/** does nothing: it is in the shared folder inner: write it in",
        "the shared folder inner (bob/docs) is or lies in the home of bob",
    ] {
        assert!(out.contains(said), "{said}\n{out}");
    }
    assert!(!out.contains("for /*/x"), "it is about other folders, too: {out}");
    // What would be served with the rest is refused.
    let own = world.place().canonicalize().unwrap();
    world.set_users(&users(&format!("[folders.all]\npath = \"{}\"\naccess = {{ alice = \"read\" }}\n", own.display())));
    let started = sealiftd(world.place()).args(["--listen", "127.0.0.1:0"]).output().unwrap();
    assert!(text(&started.stderr).contains("are one in the other"), "{}", text(&started.stderr));
    assert_eq!(started.status.code(), Some(2));
}

#[test]
fn explain_says_by_which_folder_or_rule() {
    let rules = "[[users.alice.rules]]\npath = \"/2025/**\"\naccess = \"read\"\n";
    let world = world(&format!("{SHARED}{rules}"));
    let explain = |args: &[&str]| {
        let output = sealiftd(world.place()).arg("explain").args(args).output().unwrap();
        (output.status.code().unwrap(), text(&output.stdout))
    };
    for (args, code, said) in [
        (&["alice", "UPLOAD", "public/x"][..], 0, "(users.toml, [folders.public], access of @editors)"),
        (&["alice", "UPLOAD", "public/x"], 0, "On this machine that is server_data/public/x."),
        (
            &["carol", "DELETE", "public/x"],
            5,
            "write carol = [\"list\", \"download\", \"delete\"] in `access` of [folders.public].",
        ),
        // What others have stays: the advice is an entry, and not the whole table.
        (
            &["bob", "DELETE", "team/inbox/x"],
            5,
            "add bob = [\"list\", \"upload\", \"delete\"] to `access` of [folders.inbox], and leave what is there for others.",
        ),
        (&["bob", "DELETE", "team/inbox/x"], 5, "bob has list, upload (users.toml, [folders.inbox], access of *)"),
        (&["alice", "DELETE", "2025/x"], 5, "([[users.alice.rules]], path /2025/**)"),
        (&["alice", "RENAME", "2025", "x"], 5, "needs the right `rename` at 2025"),
        (&["alice", "STAT", "x"], 0, "(users.toml, [users.alice])"),
        (&["anonymous", "STAT", "x"], 0, "On this machine that is server_data/public/x."),
    ] {
        let (got, out) = explain(args);
        let out = out.split_whitespace().collect::<Vec<_>>().join(" ").replace("(users.toml, [[", "([[");
        assert!(got == code && out.contains(said), "{args:?} {got}\n{out}");
    }
    let output = sealiftd(world.place()).args(["user", "show", "alice"]).output().unwrap();
    let shown = text(&output.stdout);
    assert!(shown.contains("/2025/**: read\n"), "{shown}");
    assert!(shown.contains("/public: full ([folders.public], @editors)\n"), "{shown}");
}

#[test]
fn who_is_removed_is_in_no_group_and_no_folder_any_more() {
    let world = world(SHARED);
    let output = sealiftd(world.place()).args(["user", "remove", "alice"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let left = fs::read_to_string(world.place().join("users.toml")).unwrap();
    assert!(left.contains("members = [\"bob\"]") || left.contains("members = [ \"bob\"]"), "{left}");
    assert!(!left.contains("alice"), "{left}");
}
