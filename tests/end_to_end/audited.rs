//! What the audit says of what was done: how much went, what took whose place, where it lies, and what never came to be anything.

use std::fs;

use base64::Engine as _;
use serde_json::Value;

use crate::common::web::RawWeb;
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
    drop(web);
    let lines = told(&world, daemon);
    let requests: Vec<_> = lines.iter().filter(|line| line["event"] == "request").collect();
    let said = |verb: &str, url: &str, outcome: &str| {
        requests.iter().filter(|line| line["verb"] == verb && line["url"] == url && line["outcome"] == outcome).count()
    };
    assert_eq!(said("GET", "/~alice/file", "login-required"), 1, "{:#?}", &requests[..3]);
    assert_eq!(said("DELETE", "/~alice/file", "login-required"), 1);
    assert_eq!(said("GET", "/~alice/%00", "bad-path"), 1);
    assert_eq!(said("If-Match", "file", "changed"), 1);
    let flood = said("GET", "/~alice/flood", "login-required");
    assert!((100..1001).contains(&flood), "{flood}");
    assert_eq!(only(&lines, "DELETE").iter().filter(|line| line["outcome"] == "done").count(), 1);
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
