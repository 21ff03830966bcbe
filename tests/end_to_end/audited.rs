//! What the audit says of what was done: how much went, what took whose place, where it lies, and what never came to be anything.

use std::fs;

use base64::Engine as _;
use sealift::limits;
use serde_json::Value;

use crate::common::web::{RawWeb, curl};
use crate::common::{Daemon, PASSWORD, RawClient, World, enter, eventually, section, text};

const AUDIT: &str = "audit/audit.jsonl";

fn start(world: &World) -> Daemon {
    world.daemon().args(["--audit", AUDIT]).start()
}

/// The lines of operations and requests, once the server has ended.
fn told(world: &World, daemon: Daemon) -> Vec<Value> {
    assert_eq!(daemon.stop().code, Some(0));
    let text = fs::read_to_string(world.place().join(AUDIT)).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["verb"].is_string()).collect()
}

fn only<'a>(lines: &'a [Value], verb: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["verb"] == verb).collect()
}

/// Asks over HTTP as alice, with these headers.
fn ask(web: &mut RawWeb, method: &str, name: &str, headers: &str, body: &str) -> u16 {
    let login = base64::engine::general_purpose::STANDARD.encode(format!("alice:{PASSWORD}"));
    let head =
        format!("{method} /~alice/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {login}\r\n{headers}");
    web.ask(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).unwrap().status
}

#[test]
fn a_removed_tree_is_counted_and_a_name_says_whether_it_was_free() {
    let world = World::of(&["alice"]);
    let home = world.home("alice");
    fs::create_dir_all(home.join("tree/a/b")).unwrap();
    for file in ["tree/1", "tree/a/2", "tree/a/b/3", "one", "two", "three"] {
        fs::write(home.join(file), file).unwrap();
    }
    std::os::unix::fs::symlink("1", home.join("tree/link")).unwrap();
    let daemon = start(&world);
    let mut alice = enter(&daemon, "alice");
    for line in [
        "DELETE tree recursive=yes",
        "DELETE one",
        "RENAME two free",
        "RENAME free three replace=yes",
        "MKDIR empty",
        "DELETE empty",
    ] {
        assert_eq!(alice.ask(line).0, 250, "{line}");
    }
    drop(alice);
    let lines = told(&world, daemon);
    let counts: Vec<_> =
        only(&lines, "DELETE").iter().map(|line| (line["files"].as_u64(), line["folders"].as_u64())).collect();
    assert_eq!(counts, [(Some(4), Some(3)), (Some(1), Some(0)), (Some(0), Some(1))]);
    let names: Vec<_> = only(&lines, "RENAME").iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(names, ["created", "replaced"]);
}

#[test]
fn a_tree_that_takes_several_steps_is_removed_whole_and_told_of_once() {
    let world = World::of(&["alice"]);
    let shared = "[folders.team]\naccess = { alice = \"full\" }\n";
    world.set_users(&format!("{}{shared}", section("alice", "\"full\"", "alice")));
    let files = 3 * sealift::limits::REMOVE_STEP;
    let trees = [("alice", "one"), ("alice", "two"), ("team", "three")].map(|(home, tree)| world.home(home).join(tree));
    for tree in &trees {
        fs::create_dir_all(tree).unwrap();
        (0..files).for_each(|n| fs::write(tree.join(n.to_string()), "").unwrap());
    }
    let daemon = start(&world);
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.ask("DELETE one recursive=yes").0, 250);
    assert_eq!(ask(&mut RawWeb::connect(&daemon, &["http/1.1"]), "DELETE", "two", "", ""), 204);
    assert_eq!(alice.ask("DELETE team/three recursive=yes").0, 250);
    assert!(trees.iter().all(|tree| !tree.exists()));
    drop(alice);
    let lines = told(&world, daemon);
    let counts: Vec<_> =
        only(&lines, "DELETE").iter().map(|line| (line["files"].as_u64(), line["folders"].as_u64())).collect();
    assert_eq!(counts, [(Some(files as u64), Some(1)); 3]);
}

#[test]
fn a_folder_copied_over_http_is_told_of_by_its_own_names_and_a_lock_by_the_file_it_makes() {
    let world = World::of(&["alice"]);
    let home = world.home("alice");
    for folder in ["tree/sub", "old/sub"] {
        fs::create_dir_all(home.join(folder)).unwrap();
        fs::write(home.join(folder).join("file"), folder).unwrap();
    }
    let daemon = start(&world);
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    assert_eq!(ask(&mut web, "COPY", "tree", "Destination: /~alice/new\r\n", ""), 201);
    assert_eq!(ask(&mut web, "COPY", "tree", "Destination: /~alice/old\r\n", ""), 204);
    let lock = "<?xml version=\"1.0\"?><D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:exclusive/></D:lockscope>\
                <D:locktype><D:write/></D:locktype></D:lockinfo>";
    assert_eq!(ask(&mut web, "LOCK", "locked", "", lock), 201);
    drop(web);
    let lines = told(&world, daemon);
    let copies: Vec<_> = only(&lines, "COPY").into_iter().filter(|line| line["event"] == "change").collect();
    let of = |path: &Value, to: &Value| copies.iter().filter(|line| line["path"] == *path && line["to"] == *to).count();
    for (from, to) in
        [("tree/sub/file", "new/sub/file"), ("tree", "new"), ("tree/sub/file", "old/sub/file"), ("tree", "old")]
    {
        assert_eq!(of(&from.into(), &to.into()), 1, "{from} {to}: {copies:#?}");
    }
    let outcomes: Vec<_> =
        copies.iter().filter(|line| line["path"] == "tree").map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["created", "replaced"]);
    let all = serde_json::to_string(&lines).unwrap();
    assert!(!all.contains(".sealift-"), "a name that it had on the way: {all}");
    assert_eq!(only(&lines, "LOCK")[0]["outcome"], "created", "{lines:#?}");
}

#[test]
fn what_is_in_a_shared_folder_is_found_by_where_it_lies() {
    let world = World::of(&["alice", "bob"]);
    let folders = "\n[folders.inbox]\nas = \"team/in\"\naccess = { alice = \"full\", bob = \"full\" }\n";
    let users = section("alice", "\"full\"", "alice") + &section("bob", "\"full\"", "bob") + folders;
    world.set_users(&users);
    let daemon = start(&world);
    let (mut alice, mut bob) = (enter(&daemon, "alice"), enter(&daemon, "bob"));
    assert_eq!(alice.upload("team/in/report", b"x").1, "done");
    assert_eq!(alice.upload("report", b"x").1, "done");
    assert_eq!(bob.ask("DELETE team/in/report").0, 250);
    drop((alice, bob));
    let file = world.place().join(AUDIT);
    eventually("it is written", || fs::read_to_string(&file).unwrap().contains("DELETE"));
    let found = |path: &str| {
        let output = daemon.command(&["audit", "--file", AUDIT, "--path", path]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout).lines().map(|line| line.split_whitespace().nth(2).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("inbox/report"), ["UPLOAD", "DELETE"]);
    assert_eq!(found("team/in/report"), ["UPLOAD", "DELETE"]);
    assert_eq!(found("alice/report"), ["UPLOAD"]);
    let lines = told(&world, daemon);
    assert_eq!(only(&lines, "DELETE")[0]["place"], "inbox/report");
    assert!(only(&lines, "UPLOAD")[1]["place"].is_null(), "in a home it is the home and the path");
}

#[test]
fn requests_that_come_to_nothing_stand_there_and_not_without_end() {
    let world = World::of(&["alice"]);
    fs::write(world.home("alice").join("file"), "x").unwrap();
    let daemon = start(&world);
    let begun = std::time::Instant::now();
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    let mut without_login =
        |line: &str| web.ask(format!("{line}\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")).unwrap().status;
    assert_eq!(without_login("GET /~alice/file HTTP/1.1"), 401);
    assert_eq!(without_login("DELETE /~alice/file HTTP/1.1"), 401);
    assert_eq!(without_login("GET /~alice/%00 HTTP/1.1"), 400);
    assert_eq!(ask(&mut web, "DELETE", "file", "If-Match: \"another\"\r\n", ""), 412);
    assert_eq!(ask(&mut web, "DELETE", "file", "", ""), 204);
    for _ in 0..1500 {
        let flood = "GET /~alice/flood HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
        assert_eq!(web.ask(flood).unwrap().status, 401);
    }
    let windows = (begun.elapsed().as_secs() / limits::LOG_WINDOW.as_secs() + 1) as usize;
    drop(web);
    let lines = told(&world, daemon);
    let requests: Vec<_> = lines.iter().filter(|line| line["event"] == "request").collect();
    let said = |verb: &str, url: &str, outcome: &str| {
        requests.iter().filter(|line| line["verb"] == verb && line["url"] == url && line["outcome"] == outcome).count()
    };
    assert_eq!(said("GET", "/~alice/file", "login-required"), 1, "{:#?}", &requests[..3]);
    assert_eq!(said("DELETE", "/~alice/file", "login-required"), 1);
    assert_eq!(said("GET", "/~alice/%00", "bad-path"), 1);
    assert_eq!(said("DELETE", "/~alice/file", "changed"), 1);
    let flood = said("GET", "/~alice/flood", "login-required");
    assert!((100..1001 * windows).contains(&flood), "{flood}");
    assert_eq!(only(&lines, "DELETE").iter().filter(|line| line["outcome"] == "done").count(), 1);
}

#[test]
fn what_is_done_by_a_link_into_a_shared_folder_is_found_by_where_it_lies() {
    let world = World::of(&["alice"]);
    fs::create_dir_all(world.home("crew").join("x/in")).unwrap();
    fs::write(world.home("crew").join("x/file"), "shared").unwrap();
    let folders = "\n[folders.crew]\nas = \"team\"\naccess = { alice = \"full\" }\n";
    world.set_users(&(section("alice", "\"full\"", "alice") + folders));
    let daemon = start(&world);
    let mut alice = enter(&daemon, "alice");
    let mut visit = |line: &str| {
        let secret = alice.ask(line).2["secret"].clone();
        let mut visitor = RawClient::connect(&daemon);
        assert_eq!(visitor.ask(format!("VISIT {secret}")).1, "welcome");
        visitor
    };
    assert_eq!(visit("LINK team/x/file name=one").download("file").unwrap(), b"shared");
    assert_eq!(visit("LINK team name=all").download("x/file").unwrap(), b"shared");
    assert_eq!(visit("LINK team/x/in drop=yes name=box").upload("f size=1", b"x").1, "done");
    drop(alice);
    let lines = told(&world, daemon);
    let places = |verb: &str, user: &str| {
        only(&lines, verb)
            .iter()
            .filter(|line| line["user"] == user)
            .map(|line| line["place"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(places("LINK", "alice"), ["crew/x/file", "crew", "crew/x/in"], "{lines:#?}");
    assert_eq!(places("DOWNLOAD", "alice/one"), ["crew/x/file"]);
    assert_eq!(places("DOWNLOAD", "alice/all"), ["crew/x/file"]);
    assert_eq!(places("UPLOAD", "alice/box"), ["crew/x/in/f"]);
}

/// A request of alice's: its method, its URL, its headers, its body, and what it is answered.
type Asked<'a> = (&'a str, &'a str, &'a str, &'a str, u16);

#[test]
fn every_request_that_is_refused_to_who_is_logged_in_stands_there_once_and_with_its_name() {
    let world = World::of(&["alice", "bob"]);
    let rule = "\n[[users.alice.rules]]\npath = \"/shut/**\"\naccess = []\n";
    let users = section("alice", "\"full\"", "alice") + rule + &section("bob", "\"full\"", "bob");
    world.set_users(&users);
    for folder in ["alice/d/sub", "alice/shut/x", "bob"] {
        fs::create_dir_all(world.home(folder)).unwrap();
    }
    for file in ["alice/f", "alice/g", "alice/shut/s", "bob/g"] {
        fs::write(world.home(file), "x").unwrap();
    }
    let daemon = start(&world);
    let to = |url: &str| format!("Destination: https://127.0.0.1{url}\r\n");
    let (bobs, elsewhere, into, away, over) = (
        to("/~bob/x"),
        "Destination: https://elsewhere.example/x\r\n".to_owned(),
        to("/~alice/d/sub/x"),
        to("/~alice/new"),
        to("/~alice/g"),
    );
    let (kept, nowhere, shut) = (format!("{over}Overwrite: F\r\n"), to("/~alice/none/x"), to("/~alice/shut/new"));
    let form = "Sec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let (other, any, foreign) = ("If-Match: \"another\"\r\n", "If-None-Match: *\r\n", "Sec-Fetch-Site: cross-site\r\n");
    let range = "Content-Range: bytes 0-0/1\r\n";
    let (empty, restore) = ("/.sealift-web/trash/empty", "/.sealift-web/trash/restore");
    let (links, remove) = ("/.sealift-web/links", "/.sealift-web/links/remove");
    let asked: Vec<Asked<'_>> = vec![
        ("MOVE", "/~alice/f", &bobs, "", 403),
        ("COPY", "/~alice/f", &bobs, "", 403),
        ("MOVE", "/~alice/f", &elsewhere, "", 502),
        ("COPY", "/~alice/f", &elsewhere, "", 502),
        ("MOVE", "/~alice/d", &into, "", 403),
        ("COPY", "/~alice/d", &into, "", 403),
        ("MOVE", "/~alice/missing", &away, "", 404),
        ("COPY", "/~alice/missing", &away, "", 404),
        ("MOVE", "/~alice/f", &kept, "", 412),
        ("COPY", "/~alice/f", &kept, "", 412),
        ("MOVE", "/~alice/f", &nowhere, "", 409),
        ("COPY", "/~alice/f", &nowhere, "", 409),
        ("MOVE", "/~alice/f", &shut, "", 403),
        ("COPY", "/~alice/f", &shut, "", 403),
        ("MOVE", "/~alice/f", "", "", 400),
        ("DELETE", "/~alice/missing", "", "", 404),
        ("DELETE", "/~alice/f", other, "", 412),
        ("DELETE", "/~alice/f", "Depth: 0\r\n", "", 400),
        ("DELETE", "/~alice/shut", "", "", 403),
        ("DELETE", "/~alice/", "", "", 403),
        ("DELETE", "/~alice/f", foreign, "", 403),
        ("DELETE", "/~alice/f", "If: (<urn:uuid:00000000-0000-0000-0000-000000000000>)\r\n", "", 412),
        ("DELETE", "/~alice/f", "If: </~alice/shut/s> ([\"x\"])\r\n", "", 412),
        ("PUT", "/~alice/f", range, "y", 400),
        ("PUT", "/~alice/f", "Content-Encoding: br\r\n", "y", 415),
        ("PUT", "/~alice/f", other, "y", 412),
        ("PUT", "/~alice/f", any, "y", 412),
        ("PUT", "/~alice/none/f", "", "y", 409),
        ("PUT", "/~alice/shut/new", "", "y", 403),
        ("PUT", "/~alice/f", "Repr-Digest: sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:\r\n", "y", 400),
        ("PUT", "/~alice/d", "", "y", 405),
        ("MKCOL", "/~alice/d", "", "", 405),
        ("MKCOL", "/~alice/none/d", "", "", 409),
        ("MKCOL", "/~alice/new", "", "y", 415),
        ("MKCOL", "/~alice/shut/new", "", "", 403),
        ("LOCK", "/~alice/f", "", "<no", 400),
        ("PROPPATCH", "/~alice/f", "", "<no", 400),
        ("UNLOCK", "/~alice/f", "", "", 400),
        ("GET", "/~alice/missing", "", "", 404),
        ("GET", "/~alice/shut/s", "", "", 403),
        ("GET", "/~alice/%00", "", "", 400),
        ("GET", "/~bob/g", "", "", 404),
        ("PUT", "/~bob/g", "", "y", 404),
        ("DELETE", "/~bob/g", "", "", 404),
        ("GET", "/.sealift-web/none", "", "", 404),
        ("PATCH", "/.sealift-web/uploads/00000000000000000000000000000000", "", "", 404),
        ("POST", links, form, "path=/~bob/g", 403),
        ("POST", links, form, "path=/~alice/shut", 403),
        ("POST", links, form, "path=/~alice/missing", 404),
        ("POST", links, "", "path=/~alice/f", 400),
        ("POST", remove, form, "name=none", 404),
        ("POST", empty, form, "path=/~bob/g&all=yes", 403),
        ("POST", restore, form, "path=/~bob/g&id=x", 403),
        ("BREW", "/~alice/f", "", "", 405),
    ];
    for (n, (method, url, headers, body, status)) in asked.iter().enumerate() {
        let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
        assert_eq!(ask(&mut web, "MKCOL", &format!("mark-{n}"), "", ""), 201);
        let login = base64::engine::general_purpose::STANDARD.encode(format!("alice:{PASSWORD}"));
        let head = format!("{method} {url} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {login}\r\n{headers}");
        let got = web.ask(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).unwrap();
        assert_eq!(got.status, *status, "{method} {url} {headers}{body}: {}", got.text());
    }
    let lines = told(&world, daemon);
    let at = |n: usize| lines.iter().position(|line| line["path"] == format!("mark-{n}")).unwrap_or(lines.len());
    for (n, (method, url, headers, body, _)) in asked.iter().enumerate() {
        let good = ["done", "created", "replaced", "same"];
        let refused: Vec<_> = lines[at(n) + 1..at(n + 1)]
            .iter()
            .filter(|line| !good.contains(&line["outcome"].as_str().unwrap()))
            .collect();
        let shown = format!("{method} {url} {headers}{body}: {refused:#?}");
        assert_eq!(refused.len(), 1, "{shown}");
        assert_eq!(refused[0]["user"], "alice", "{shown}");
        if refused[0]["event"] == "request" {
            let is_token = url.contains("/uploads/");
            assert!(refused[0]["verb"] == *method && (is_token || refused[0]["url"] == *url), "{shown}");
        }
    }
    assert!(!lines.iter().any(|line| line.to_string().contains("00000000000000000000000000000000")));
}

#[test]
fn of_an_archive_that_was_sent_whole_nothing_broke_off() {
    let world = World::of(&["alice"]);
    fs::create_dir_all(world.home("alice").join("d/sub")).unwrap();
    fs::write(world.home("alice").join("d/f"), "x").unwrap();
    let daemon = start(&world);
    for (method, path) in [
        ("GET", "d/?tar&name=sub&name=f"),
        ("GET", "d/?zip&name=sub&name=f"),
        ("HEAD", "d/?zip&name=sub&name=f"),
        ("HEAD", "d/?tar&name=sub"),
        ("HEAD", "d/?tar"),
    ] {
        let login = format!("alice:{PASSWORD}");
        let head: &[&str] = if method == "HEAD" { &["--head"] } else { &[] };
        let got = curl(&daemon, &[&["-u", &login], head].concat(), &format!("/~alice/{path}"));
        assert_eq!(got.status, 200, "{method} {path}");
    }
    let lines = told(&world, daemon);
    assert!(lines.iter().all(|line| line["outcome"] != "aborted"), "{lines:#?}");
}

/// Many may be behind one address, and who is not logged in can ask without end.
#[test]
fn what_strangers_are_refused_takes_no_line_from_who_is_logged_in_at_the_same_address() {
    let world = World::of(&["alice", "bob"]);
    let daemon = start(&world);
    let mut stranger = RawWeb::connect(&daemon, &["http/1.1"]);
    let most = sealift::limits::LOG_LINES as usize;
    for _ in 0..most + 10 {
        let got = stranger.ask("GET /~bob/g HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
        assert_eq!(got.status, 401);
    }
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    assert_eq!(ask(&mut web, "MKCOL", "d", "", ""), 201);
    assert_eq!(ask(&mut web, "PUT", "f", "Content-Range: bytes 0-0/1\r\n", "y"), 400);
    let lines = told(&world, daemon);
    let refused = |user: Value| lines.iter().filter(|line| line["event"] == "request" && line["user"] == user).count();
    assert_eq!(refused("alice".into()), 1);
    assert!(refused(Value::Null) >= most, "their own share: {}", refused(Value::Null));
}

#[test]
fn what_is_refused_of_a_link_has_its_name_and_not_its_secret() {
    let world = World::of(&["alice"]);
    fs::create_dir(world.home("alice").join("inbox")).unwrap();
    let daemon = start(&world);
    let mut alice = enter(&daemon, "alice");
    let mut make = |arguments: &str| alice.ask(format!("LINK {arguments}")).2["secret"].clone();
    let (drop, locked) = (make("inbox drop=yes name=box size=100"), make("inbox name=locked password=sesame"));
    let ask = |head: &str, body: &str| {
        let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
        web.ask(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).unwrap().status
    };
    let head = |method: &str, secret: &str, more: &str| {
        format!("{method} /.sealift-web/l/{secret}/{more}\r\n").replacen("\r\n", " HTTP/1.1\r\nHost: x\r\n", 1)
    };
    assert_eq!(ask(&head("PUT", &drop, ".hidden"), "x"), 400);
    assert_eq!(ask(&head("PUT", &drop, "large"), &"x".repeat(200)), 507);
    assert_eq!(ask(&head("GET", &drop, "%00"), ""), 400);
    let part = "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\".hidden\"\r\n\r\nx\r\n--b--\r\n";
    let form = format!("{}Content-Type: multipart/form-data; boundary=b\r\n", head("POST", &drop, ""));
    assert_eq!(ask(&form, part), 400);
    let guess = base64::engine::general_purpose::STANDARD.encode(":wrong");
    assert_eq!(ask(&format!("{}Authorization: Basic {guess}\r\n", head("GET", &locked, "")), ""), 401);
    std::mem::drop(alice);
    let text = {
        assert_eq!(daemon.stop().code, Some(0));
        fs::read_to_string(world.place().join(AUDIT)).unwrap()
    };
    assert!(!text.contains(&drop) && !text.contains(&locked), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |is: &dyn Fn(&Value) -> bool| lines.iter().filter(|line| is(line)).count();
    let refused = |verb: &str, user: Value, url: &str| {
        let is = |line: &Value| line["verb"] == verb && line["user"] == user && line["url"] == url;
        count(&|line| line["event"] == "request" && line["outcome"] == "bad-path" && is(line))
    };
    assert_eq!(refused("PUT", "alice/box".into(), "/.sealift-web/l/-/.hidden"), 1, "{text}");
    assert_eq!(refused("POST", "alice/box".into(), "/.sealift-web/l/-"), 1, "{text}");
    assert_eq!(count(&|line| line["event"] == "request" && line["verb"] == "GET" && line["outcome"] == "bad-path"), 1);
    assert_eq!(count(&|line| line["event"] == "refused" && line["user"] == "alice/locked"), 1, "{text}");
    let large = |line: &Value| line["verb"] == "PUT" && line["outcome"] != "bad-path";
    assert_eq!(count(&|line| line["user"] == "alice/box" && large(line)), 1, "{text}");
}

#[test]
fn what_comes_by_a_link_is_told_of_with_the_link_s_name_whatever_protocol_it_came_by() {
    let world = World::of(&["alice"]);
    fs::create_dir(world.home("alice").join("inbox")).unwrap();
    let daemon = start(&world);
    let mut alice = enter(&daemon, "alice");
    let secret = alice.ask("LINK inbox drop=yes name=box size=100").2["secret"].clone();
    let mut web = RawWeb::connect(&daemon, &["http/1.1"]);
    let put = format!("PUT /.sealift-web/l/{secret}/f HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nweb");
    assert_eq!(web.ask(put).unwrap().status, 201);
    let mut visitor = RawClient::connect(&daemon);
    assert_eq!(visitor.ask(format!("VISIT {secret}")).1, "welcome");
    assert_eq!(visitor.upload("f size=6", b"native").1, "done");
    assert_eq!(visitor.upload("f size=1000", &[1; 1000]).1, "no-space");
    assert_eq!(visitor.ask("LIST").1, "denied");
    drop((web, visitor, alice));
    let lines = told(&world, daemon);
    let by_link: Vec<_> = lines.iter().filter(|line| line["user"] == "alice/box").collect();
    let stored: Vec<_> =
        by_link.iter().filter(|line| line["outcome"] == "numbered" || line["outcome"] == "created").collect();
    let of = |verb: &str, key: &str| {
        stored.iter().filter(|line| line["verb"] == verb).map(|line| line[key].clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (of("PUT", "path"), of("UPLOAD", "path")),
        (vec!["inbox/f".into()], vec!["inbox/f".into()]),
        "{lines:#?}"
    );
    assert_eq!(of("UPLOAD", "to"), [Value::from("inbox/f-2")], "{lines:#?}");
    let failed = |outcome: &str| by_link.iter().filter(|line| line["outcome"] == outcome).count();
    assert_eq!((failed("quota"), failed("denied")), (1, 1), "{by_link:#?}");
    assert!(!serde_json::to_string(&lines).unwrap().contains(&secret));
}
