//! Sessions that are open when the users file changes.

use std::fs;

use sealift::files::Hash;

use super::folders::ask;
use crate::common::web::curl_command;
use crate::common::{
    Answer, PASSWORD, RawClient, World, assert_nothing_staged, enter, eventually, frames_of, half_an_upload,
    part_bytes, section, upload_bytes,
};

/// More than all buffers on the way hold together.
const LARGE: usize = 64 * 1024 * 1024;

fn word(answer: Answer) -> String {
    answer.1
}

fn as_section(user: &str, access: &str) -> String {
    format!("[anonymous]\nenabled = true\nhome = \"public\"\n{}", section(user, access, user))
}

/// The session ends with this word, unasked, and nothing comes after it.
fn ends_with(client: &mut RawClient, wanted: &str) {
    let (digits, word, _) = client.reply();
    assert_eq!((digits, word.as_str()), (421, wanted));
    assert!(client.rest().is_empty());
}

/// Sends a DOWNLOAD of what is too large to be on its way at once, and takes its first reply.
fn begin_download(client: &mut RawClient, path: &str) {
    client.line(format!("DOWNLOAD {path}"));
    assert_eq!(client.reply().0, 150);
}

#[test]
fn session_of_removed() {
    let world = World::of(&["alice", "bob"]);
    let daemon = world.start();
    fs::File::create(world.home("alice").join("large")).unwrap().set_len(LARGE as u64).unwrap();
    let mut bob = enter(&daemon, "bob");
    let mut asks = enter(&daemon, "alice");
    let token = asks.ask("TOKEN").2["tokens"].clone();
    let mut idles = enter(&daemon, "alice");
    let mut reads = enter(&daemon, "alice");
    begin_download(&mut reads, "large");
    let mut sends = half_an_upload(enter(&daemon, "alice"), "half", b"half", &world.home("alice"));

    assert!(daemon.command(&["user", "remove", "alice"]).status().unwrap().success());
    // The very next command, which comes at once.
    asks.send(upload_bytes("late", b"too late"));
    ends_with(&mut asks, "revoked");
    // One that gives none; an upload that waits for the rest; a download that is being sent.
    ends_with(&mut idles, "revoked");
    ends_with(&mut sends, "revoked");
    assert!(reads.rest().len() < LARGE, "the download ended early");
    let mut joins = RawClient::connect(&daemon);
    assert_eq!(word(joins.ask(format!("JOIN {token}"))), "login-failed");
    assert!(!world.home("alice").join("late").exists() && !world.home("alice").join("half").exists());
    assert_eq!(word(bob.ask("PING")), "pong", "nobody else notices");
    eventually("the log says so", || daemon.log().contains("word=\"revoked\""));
    eventually("all is put away", || bob.ask("STATUS").2["connections"].parse::<u32>().unwrap() <= 2);
    assert_nothing_staged(&world.home("alice"), "after the end");
}

/// What a login proved is no longer true: another password, another folder, anonymous turned off.
#[test]
fn sessions_of_the_changed_end() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let same = as_section("alice", "\"full\"");
    let changes = [same.replace("home = \"alice\"", "home = \"elsewhere\""), same.replace("m=7168", "m=7169")];
    for changed in &changes {
        assert_ne!(*changed, same);
        world.set_users(&same);
        let (mut idles, mut asks) = (enter(&daemon, "alice"), enter(&daemon, "alice"));
        let mut anybody = enter(&daemon, "anonymous");
        world.set_users(changed);
        assert_eq!(word(asks.ask("PING")), "revoked");
        ends_with(&mut idles, "revoked");
        assert_eq!(word(anybody.ask("PING")), "pong");
    }
    let mut anybody = enter(&daemon, "ftp");
    world.set_users(&same.replace("enabled = true", "enabled = false"));
    ends_with(&mut anybody, "revoked");
    // Read again and the same: nobody is disturbed.
    let mut alice = enter(&daemon, "alice");
    world.set_users(&format!("# A comment.\n{same}"));
    assert_eq!(word(alice.ask("PING")), "pong");
}

/// How a home is kept changes for open sessions, and for what they are in the middle of: to the byte, and nobody's session ends.
#[test]
fn quotas_and_a_trash_count_for_open_sessions() {
    const PART: usize = 400_000;
    let world = World::of(&["alice"]);
    let daemon = world.start();
    // Who asks after a pause has the file looked at; what is under way goes by it from then on.
    let kept = |alice: &mut RawClient, how: &str| {
        world.set_users(&format!("{}{how}", as_section("alice", "\"full\"")));
        assert_eq!(word(alice.ask("PING")), "pong");
    };
    let home = world.home("alice");
    let begun = |daemon| half_an_upload(enter(daemon, "alice"), "half", &[b'h'; PART], &home);
    let end = |mut sends: RawClient| {
        finish(&mut sends, &[b'h'; PART], &[b'h'; 2 * PART]);
        let said = word(sends.reply());
        assert_eq!(word(sends.ask("PING")), "pong", "the session goes on");
        said
    };
    let (mut alice, free) = (enter(&daemon, "alice"), begun(&daemon));
    // It began when there was no bound, and is whole when there is one.
    kept(&mut alice, "quota = \"500 KiB\"\n");
    assert_eq!(alice.ask("STATUS").2["quota"], (500 << 10).to_string());
    assert_eq!(word(alice.upload("first", &[b'f'; 2 * PART])), "quota");
    assert_eq!(end(free), "quota");
    assert!(!home.join("half").exists());
    assert_eq!(word(alice.upload("first", &[b'f'; PART / 8])), "done");
    // The bound that it began with would refuse it.
    let raised = begun(&daemon);
    kept(&mut alice, "quota = \"10 MiB\"\n");
    assert_eq!(end(raised), "done");
    let lowered = half_an_upload(enter(&daemon, "alice"), "lowered", &[b'h'; PART], &home);
    kept(&mut alice, "quota = \"1 MiB\"\n");
    assert_eq!(end(lowered), "quota");
    assert!(!home.join("lowered").exists());
    assert_eq!(word(alice.upload("second", &[b's'; PART])), "quota", "50,000 bytes and 800,000 are there");
    kept(&mut alice, "quota_files = 2\n");
    assert_eq!(word(alice.upload("second", b"s")), "quota");
    assert_nothing_staged(&home, "after what was refused");
    kept(&mut alice, "quota_files = 3\n");
    let lifted = half_an_upload(enter(&daemon, "alice"), "first", &[b'h'; PART], &home);
    kept(&mut alice, "trash = \"30d\"\n");
    assert_eq!(end(lifted), "done", "what was there is in the trash");
    assert_eq!(word(alice.upload("second", &[b's'; PART])), "done");
    assert_eq!(word(alice.ask("DELETE second")), "done");
    let (digits, _, kept_there) = alice.ask("TRASH");
    assert_eq!((digits, kept_there["path"].as_str()), (114, "second"));
}

/// An upload over HTTP may outlive the session that began it, whose storage nobody tells of anything any more.
#[test]
fn a_quota_counts_for_an_upload_that_another_session_goes_on_with() {
    const PART: usize = 6000;
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let (home, part) = (world.home("alice"), "h".repeat(PART));
    let mut alice = enter(&daemon, "alice");
    let begin = |name: &str| {
        let begun =
            ask(&daemon, "alice", "PUT", &["Upload-Complete: ?0", "Content-Type:"], &part, &format!("/~alice/{name}"));
        assert_eq!(begun.status, 201, "{begun:?}");
        begun.header("location").to_owned()
    };
    let end = |url: &str| {
        let offset = format!("Upload-Offset: {PART}");
        let more = ["Content-Type: application/partial-upload", "Upload-Complete: ?1", &offset];
        ask(&daemon, "alice", "PATCH", &more, &part, url).status
    };
    let mut kept = |how: &str| {
        world.set_users(&format!("{}{how}", as_section("alice", "\"full\"")));
        assert_eq!(word(alice.ask("PING")), "pong");
    };
    let free = begin("free");
    kept("quota = \"10 KiB\"\n");
    assert_eq!(end(&free), 507, "it began when there was no bound");
    let raised = begin("raised");
    kept("quota = \"100 KiB\"\n");
    assert_eq!(end(&raised), 201);
    let lowered = begin("lowered");
    kept("quota = \"20 KiB\"\n");
    assert_eq!(end(&lowered), 507);
    assert!(home.join("raised").exists() && !home.join("free").exists() && !home.join("lowered").exists());
    assert_nothing_staged(&home, "after what was refused");
}

#[test]
fn rights_narrowed_live() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let home = world.home("alice");
    fs::File::create(home.join("large")).unwrap().set_len(LARGE as u64).unwrap();
    fs::write(home.join("old"), "the old one").unwrap();
    let mut alice = enter(&daemon, "alice");
    assert_eq!(word(alice.upload("x", b"1")), "done");
    let (_, _, staged) = alice.ask("STAGE staged size=3");
    let mut reads = enter(&daemon, "alice");
    begin_download(&mut reads, "large");
    let mut sends = half_an_upload(enter(&daemon, "alice"), "half", b"half", &home);

    world.set_users(&as_section("alice", "[\"list\"]"));
    assert_eq!(word(alice.ask("LIST")), "data");
    assert!(alice.frames().is_some());
    assert_eq!(word(alice.reply()), "done");
    for line in ["DELETE x", "DOWNLOAD x", "HASH x", "MKDIR y", "RENAME x y"] {
        assert_eq!(word(alice.ask(line)), "denied", "{line}");
    }
    assert_eq!(word(alice.upload("y", b"1")), "denied");
    alice.send(part_bytes(&format!("{} offset=0 length=3", staged["id"]), b"abc"));
    assert_eq!(word(alice.reply()), "denied");
    assert_eq!(word(alice.ask(format!("COMMIT {} hash={}", staged["id"], Hash::of(b"abc")))), "denied");
    // What was under way when it was allowed is refused as well, in step.
    assert!(reads.frames().is_none(), "the data was broken off");
    assert_eq!(word(reads.reply()), "denied");
    finish(&mut sends, b"rest", b"halfrest");
    assert_eq!(word(sends.reply()), "denied");
    assert_eq!(word(sends.ask("PING")), "pong");
    assert!(!home.join("half").exists());

    // More rights are there at once, too.
    world.set_users(&as_section("alice", "[\"list\", \"upload\", \"overwrite\"]"));
    assert_eq!(word(alice.upload("old", b"another")), "done");
    let mut sends = half_an_upload(enter(&daemon, "alice"), "old", b"half", &home);
    world.set_users(&as_section("alice", "[\"list\", \"upload\"]"));
    assert_eq!(word(alice.ask("PING")), "pong");
    finish(&mut sends, b"rest", b"halfrest");
    assert_eq!(word(sends.reply()), "denied", "the commit is what replaces");
    assert_eq!(fs::read(home.join("old")).unwrap(), b"another");
}

/// Rules that come while a list or an archive is on its way: nothing more is told of what they close.
#[test]
fn rules_come_in_the_middle_of_a_list() {
    /// Far more than is on its way at once.
    const FILES: usize = 12_000;
    let world = World::of(&["alice"]);
    let slowly = format!("{}limit_rate = {{ down = \"256 KiB\" }}\n", as_section("alice", "\"full\""));
    world.set_users(&slowly);
    let daemon = world.start();
    let private = world.home("alice").join("all/private");
    fs::create_dir_all(&private).unwrap();
    (0..FILES).for_each(|n| drop(fs::File::create(private.join(format!("{n:0>200}"))).unwrap()));
    std::os::unix::fs::symlink("all", world.home("alice").join("link")).unwrap();
    let place = tempfile::tempdir().unwrap();
    let login = format!("alice:{PASSWORD}");
    // By a link on the disk as well.
    let archives = ["all", "link"].map(|name| {
        let archive = place.path().join(name);
        let to = ["--user", &login, "--output", archive.to_str().unwrap()];
        (curl_command(&daemon, &to, &format!("/~alice/{name}/?tar")).spawn().unwrap(), archive)
    });
    let mut lists = enter(&daemon, "alice");
    lists.line("LIST all recursive=yes");
    assert_eq!(lists.reply().0, 150);
    for (_, archive) in &archives {
        eventually("the archive is on its way", || fs::metadata(archive).is_ok_and(|meta| meta.len() > 64 << 10));
    }

    world.set_users(&format!("{slowly}[[users.alice.rules]]\npath = \"/all/private/**\"\naccess = []\n"));
    assert_eq!(word(enter(&daemon, "alice").ask("STAT all/private")), "denied");
    let listed = lists.frames().expect("what may be listed is");
    let names = listed.split(|byte| *byte == b'\n').count();
    assert!(names < FILES / 2, "{names} lines");
    assert_eq!(lists.reply().1, "done");
    for (mut fetching, archive) in archives {
        // It is broken off if a file was in the middle of it; else it says that something was left out, and not what.
        let is_whole = fetching.wait().unwrap().success();
        let got = fs::read(&archive).unwrap();
        assert!(got.len() < FILES / 2 * 512, "{} bytes", got.len());
        let note = b"LEFT-OUT-BY-SEALIFT.txt";
        let at = got.windows(note.len()).position(|bytes| bytes == note);
        assert_eq!(at.is_some(), is_whole);
        let told = String::from_utf8_lossy(at.and_then(|at| got.get(at..)).unwrap_or_default());
        assert!(!told.contains(&"0".repeat(100)), "{told}");
    }
}

/// The rest of an upload that was begun, its end and its trailer.
fn finish(client: &mut RawClient, rest: &[u8], whole: &[u8]) {
    client.send(frames_of(rest));
    client.send([0; 4]);
    client.send(Hash::of(whole).as_bytes());
}

#[test]
fn kicked_sessions_end() {
    let world = World::with(&[
        ("root", "\"none\"\nadmin = true", "root"),
        ("bob", "\"full\"", "bob"),
        ("alice", "\"full\"", "alice"),
    ]);
    let daemon = world.start();
    fs::File::create(world.home("bob").join("large")).unwrap().set_len(LARGE as u64).unwrap();
    let (mut root, mut alice) = (enter(&daemon, "root"), enter(&daemon, "alice"));
    assert_eq!(word(root.ask("KICK bob")), "not-found");
    let mut first = enter(&daemon, "bob");
    let id = first.ask("PING").2["session"].clone();
    assert_eq!(word(alice.ask(format!("KICK {id}"))), "denied");
    let mut second = enter(&daemon, "bob");
    let (_, done, fields) = root.ask(format!("KICK {id}"));
    assert_eq!((done.as_str(), fields["sessions"].as_str()), ("kicked", "1"));
    ends_with(&mut first, "kicked");
    assert_eq!(word(second.ask("PING")), "pong", "that was one session");

    let token = second.ask("TOKEN").2["tokens"].clone();
    let mut sends = half_an_upload(enter(&daemon, "bob"), "half", b"half", &world.home("bob"));
    let mut reads = enter(&daemon, "bob");
    begin_download(&mut reads, "large");
    // The real client, in the middle of a file that nobody takes from it.
    let mut client = std::process::Command::new(env!("CARGO_BIN_EXE_sealift"));
    let password = world.place().join("password");
    fs::write(&password, crate::common::PASSWORD).unwrap();
    fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    client.env("HOME", world.place()).env("SEALIFT_PASSWORD_FILE", &password);
    client.args(["--pin", daemon.pin(), "cat", &format!("bob@{}/large", daemon.address())]);
    client.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let client = client.spawn().unwrap();
    eventually("the client reads", || {
        root.line("WHO");
        let mut reading = 0;
        loop {
            let answer = root.reply();
            match answer.0 {
                112 => reading += usize::from(answer.2["doing"].contains("DOWNLOAD")),
                _ => return reading == 2,
            }
        }
    });
    assert_eq!(root.ask("KICK bob").2["sessions"], "4");
    ends_with(&mut second, "kicked");
    ends_with(&mut sends, "kicked");
    assert!(reads.rest().len() < LARGE);
    let ended = client.wait_with_output().unwrap();
    let said = crate::common::text(&ended.stderr);
    assert_eq!((ended.status.code(), said.contains("administrator")), (Some(5), true), "{said}");
    let mut joins = RawClient::connect(&daemon);
    assert_eq!(word(joins.ask(format!("JOIN {token}"))), "login-failed");
    assert_eq!(word(alice.ask("PING")), "pong");
    assert_eq!(word(enter(&daemon, "bob").ask("PING")), "pong", "nobody is locked out");
}
