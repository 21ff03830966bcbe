//! `sealiftd --store`: homes in a bucket, by the real programs, in the sandbox.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::common::bad_engine::{Act, Asked, BadEngine};
use crate::common::moto::{BUCKET, Moto};
use crate::common::program;
use crate::common::watch::{SOCKET, ask, figures};
use crate::common::web::curl;
use crate::common::{
    Daemon, PASSWORD, World, bytes, enter, eventually, frames_of, sealiftd, snapshot, text, upload_bytes,
};

const KEYS: &str = "AWS_ACCESS_KEY_ID=key\nAWS_SECRET_ACCESS_KEY=canary-2c9e\n";

/// A world with a file of keys.
pub fn world() -> World {
    let world = World::of(&["alice"]);
    keys(&world);
    world
}

fn keys(world: &World) {
    let keys = world.place().join("keys");
    fs::write(&keys, KEYS).unwrap();
    fs::set_permissions(keys, Permissions::from_mode(0o600)).unwrap();
}

fn options(moto: &Moto, prefix: &str) -> Vec<String> {
    let store = format!("s3://{BUCKET}/{prefix}");
    ["--store", &store, "--store-endpoint", &moto.endpoint, "--store-keys", "keys"].map(str::to_owned).to_vec()
}

#[test]
fn two_servers_serve_one_bucket_and_nothing_is_on_their_disks() {
    let Some(moto) = Moto::shared() else { return };
    let (one, other) = (world(), world());
    let start = |world: &World| world.daemon().args(options(moto, "two").iter().map(String::as_str)).start();
    let (first, second) = (start(&one), start(&other));
    let (mut alice, mut again) = (enter(&first, "alice"), enter(&second, "alice"));
    assert_eq!(alice.ask("MKDIR docs").1, "done");
    // Small, and in parts.
    let large = vec![7; 17 << 20];
    for (name, bytes) in [("docs/small", &b"small"[..]), ("docs/large", &large)] {
        alice.send(upload_bytes(name, bytes));
        assert_eq!(alice.reply().1, "done", "{name}");
        let (_, word, fields) = again.ask(format!("HASH {name}"));
        assert_eq!(
            (word.as_str(), fields.get("hash").unwrap()),
            ("hash", &sealift::files::Hash::of(bytes).to_string())
        );
    }
    assert_eq!(again.ask("RENAME docs/small docs/renamed").1, "done");
    assert_eq!(alice.ask("STAT docs/small").1, "not-found");
    assert_eq!(alice.ask("STAT docs/renamed").1, "stat");
    // The door for browsers has the same files.
    let read = curl(&second, &["-u", &format!("alice:{PASSWORD}")], "/~alice/docs/renamed");
    assert_eq!(text(&read.body), "small");
    for world in [&one, &other] {
        let on_disk = snapshot(world.place());
        for name in ["docs", "large", "renamed"] {
            assert!(!format!("{on_disk:?}").contains(name), "{name}: {on_disk:?}");
        }
    }
    let log = first.stop().log;
    assert!(log.contains("the storage does not heed some conditions"), "{log}");
    assert!(!log.contains("canary"), "{log}");
    // A server that was stopped has lost nothing.
    drop(second);
    let third = start(&one);
    assert_eq!(enter(&third, "alice").ask("STAT docs/large").1, "stat");
}

#[test]
fn a_killed_server_loses_nothing_that_it_acknowledged_and_leaves_nothing_half() {
    let Some(moto) = Moto::shared() else { return };
    let (one, other) = (world(), world());
    let start = |world: &World| world.daemon().args(options(moto, "killed").iter().map(String::as_str)).start();
    let survivor = start(&other);
    let large = vec![9; 40 << 20];
    for round in 0..2 {
        let first = start(&one);
        let mut alice = enter(&first, "alice");
        let names: Vec<String> = (0..10).map(|n| format!("f{round}-{n}")).collect();
        for name in &names {
            alice.send(upload_bytes(name, name.as_bytes()));
            assert_eq!(alice.reply().1, "done", "{name}");
        }
        // Some of it comes, and it never ends.
        alice.send(upload_bytes("large", b"the one of before"));
        assert_eq!(alice.reply().1, "done");
        alice.line("UPLOAD large");
        alice.send(frames_of(&large[..33 << 20]));
        let mut again = enter(&survivor, "alice");
        first.kill();
        for name in names.iter().map(String::as_str).chain(["large"]) {
            let expected = if name == "large" { b"the one of before".to_vec() } else { name.as_bytes().to_vec() };
            let (_, word, fields) = again.ask(format!("HASH {name}"));
            let hash = sealift::files::Hash::of(&expected).to_string();
            assert_eq!((word.as_str(), fields.get("hash")), ("hash", Some(&hash)), "{name}");
        }
        again.send(upload_bytes("large", &large));
        assert_eq!(again.reply().1, "done");
        assert_eq!(again.ask("DELETE large").1, "done");
    }
}

#[test]
fn an_upload_that_a_killed_server_had_begun_is_finished_at_another_or_at_itself_when_it_is_back() {
    let Some(moto) = Moto::shared() else { return };
    let (one, other) = (world(), world());
    let start = |world: &World| world.daemon().args(options(moto, "finished").iter().map(String::as_str)).start();
    let survivor = start(&other);
    for comes_back in [false, true] {
        let large = bytes((50 << 20) + 1).split_off(comes_back.into());
        let first = start(&one);
        let mut alice = enter(&first, "alice");
        alice.line("UPLOAD large");
        alice.send(frames_of(&large[..40 << 20]));
        let mut again = enter(&survivor, "alice");
        eventually("it is known how far it has come", || again.ask("HASH large partial=yes").0 == 213);
        first.kill();
        let back = comes_back.then(|| start(&one));
        let mut again = enter(back.as_ref().unwrap_or(&survivor), "alice");
        let (_, _, fields) = again.ask("HASH large partial=yes");
        let length: usize = fields["size"].parse().unwrap();
        assert!(length >= 32 << 20, "{fields:?}");
        assert_eq!(fields["hash"], sealift::files::Hash::of(&large[..length]).to_string());
        let line = format!("large size={} offset={length} prefix={}", large.len(), fields["hash"]);
        let mut rest = upload_bytes(&line, &large[length..]);
        rest.truncate(rest.len() - 32);
        rest.extend(sealift::files::Hash::of(&large).as_bytes());
        again.send(rest);
        assert_eq!(again.reply().1, "done");
        for daemon in [&survivor, back.as_ref().unwrap_or(&survivor)] {
            let (_, _, fields) = enter(daemon, "alice").ask("HASH large");
            assert_eq!(fields["hash"], sealift::files::Hash::of(&large).to_string());
        }
        assert_eq!(again.ask("HASH large partial=yes").1, "not-found");
        assert_eq!(again.ask("DELETE large").1, "done");
    }
}

#[test]
fn check_says_what_the_storage_does_and_what_users_have_that_it_does_not_keep() {
    let Some(moto) = Moto::shared() else { return };
    let world = world();
    let check = |endpoint: &str| {
        let mut check = sealiftd(world.place());
        check.args(["check", "--store", &format!("s3://{BUCKET}/check"), "--store-keys", "keys"]);
        let output = check.args(["--store-endpoint", endpoint]).output().unwrap();
        text(&output.stdout) + &text(&output.stderr)
    };
    let said = check(&moto.endpoint);
    assert!(said.contains("does not heed: large upload if unchanged"), "{said}");
    let said = check("http://127.0.0.1:9");
    assert!(said.contains("error: the storage: "), "{said}");
    fs::set_permissions(world.place().join("keys"), Permissions::from_mode(0o644)).unwrap();
    let said = check(&moto.endpoint);
    assert!(said.contains("others can read these keys") && !said.contains("canary"), "{said}");
}

#[test]
fn what_a_bucket_does_not_keep_is_refused_at_the_start() {
    let world = world();
    let users = fs::read_to_string(world.place().join("users.toml")).unwrap();
    let start = || {
        let store = ["--store", "s3://bucket", "--store-endpoint", "http://127.0.0.1:9", "--store-keys", "keys"];
        let output = sealiftd(world.place()).args(store).args(["--listen", "127.0.0.1:0"]).output().unwrap();
        (output.status.code().unwrap(), text(&output.stderr))
    };
    world.set_users(&format!("{users}trash = \"30d\"\n"));
    let (code, said) = start();
    assert!(code == 2 && said.contains("alice has") && said.contains("a trash"), "{said}");
    world.set_users(&users);
    let (code, said) = start();
    assert!(code != 0 && said.contains("127.0.0.1:9"), "{said}");
}

/// What a door says of alice's folder: the status of a PROPFIND, of `?json`, and the word of LIST.
fn told(daemon: &Daemon, path: &str) -> (u16, u16, String) {
    let user = format!("alice:{PASSWORD}");
    let at = format!("/~alice/{path}");
    let found = curl(daemon, &["-u", &user, "-X", "PROPFIND", "--header", "Depth: 1"], &at);
    let json = curl(daemon, &["-u", &user], &format!("{at}?json"));
    let listed = match enter(daemon, "alice").data(format!("LIST {path}").trim_end()) {
        Ok((_, done)) => done.1,
        Err(refused) => refused.1,
    };
    (found.status, json.status, listed)
}

#[test]
fn a_folder_that_cannot_be_read_is_an_error_at_every_door_and_no_empty_one() {
    let (world, engine) = (world(), BadEngine::start());
    let store =
        ["--store", "s3://bucket", "--store-endpoint", &engine.endpoint, "--store-keys", "keys", "--store-alone"];
    let daemon = world.daemon().args(store).start();
    engine.put("h/alice/one", b"1");
    engine.put("h/alice/two", b"2");
    assert_eq!(told(&daemon, ""), (207, 200, "done".to_owned()));
    // The listing is refused.
    let refused = || Act::Say(403, "", "<Error><Code>AccessDenied</Code></Error>".to_owned());
    engine.does(move |asked| if asked.key.is_empty() { refused() } else { Act::Do });
    assert_eq!(told(&daemon, ""), (503, 503, "io-error".to_owned()));
    // A file in it cannot be looked at: whoever can be told of it is told of it, and nobody that it is not there.
    engine.does(move |asked| match asked.method == "HEAD" && asked.key == "h/alice/two" {
        true => refused(),
        false => Act::Do,
    });
    let (found, _, listed) = told(&daemon, "");
    assert_eq!((found, listed.as_str()), (503, "done"));
}

#[test]
fn the_storage_is_among_the_figures_with_what_came_of_requests() {
    let world = World::with(&[("alice", "\"full\"", "alice"), ("root", "\"full\"\nadmin = true", "root")]);
    keys(&world);
    let engine = BadEngine::start();
    let store = ["--store", "s3://bucket", "--store-endpoint", &engine.endpoint, "--store-keys", "keys"];
    let daemon = world.daemon().args(store).args(["--store-alone", "--metrics", SOCKET]).start();
    let mut alice = enter(&daemon, "alice");
    alice.send(upload_bytes("one", b"1"));
    assert_eq!(alice.reply().1, "done");
    let now = figures(world.place());
    assert_eq!(now["sealift_storage_answers{}"], 1.0);
    assert!(now["sealift_storage_since_timestamp_seconds{}"] > 1.6e9);
    let put = |outcome: &str| format!("sealift_storage_requests_total{{outcome={outcome},request=put}}");
    let (before, timed) = (now[&put("answered")], "sealift_storage_request_duration_seconds_count{request=put}");
    assert!(before >= 1.0 && now[timed] == before && !now.contains_key(&put("refused")), "{now:#?}");
    engine.does(|asked| match asked.key == "h/alice/two" && asked.method == "PUT" {
        true => Act::Say(403, "", "<Error><Code>AccessDenied</Code></Error>".to_owned()),
        false => Act::Do,
    });
    alice.send(upload_bytes("two", b"2"));
    assert_eq!(alice.reply().1, "io-error");
    // Figures of a moment ago are told once more.
    eventually("the refusal is counted", || figures(world.place()).get(&put("refused")) == Some(&1.0));
    let health = ask(world.place(), "GET", "/healthz");
    assert_eq!((health.status, health.text().contains("\"storage\":\"answering\"")), (200, true));
    // Users learn whether it answers, administrators also how often it did not do what it was asked.
    let (_, word, fields) = alice.ask("STATUS");
    let of = |name: &str| fields.get(name).map(String::as_str);
    assert_eq!((word.as_str(), of("storage"), of("storage_failed")), ("status", Some("answering"), None));
    let (_, _, fields) = enter(&daemon, "root").ask("STATUS");
    assert!(
        fields["storage_failed"].parse::<u64>().unwrap() >= 1 && fields.contains_key("storage_seconds"),
        "{fields:?}"
    );
}

#[test]
fn mirror_tries_again_what_the_storage_does_not_take_just_now_and_ends_honestly_if_that_does_not_help() {
    let engine = BadEngine::start();
    let world = program::World::with(|server| {
        let store = ["--store", "s3://bucket", "--store-endpoint", &engine.endpoint, "--store-alone"];
        server.args(store).env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "canary-2c9e")
    });
    let world = world.trusted();
    let source = world.local("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("first"), "first").unwrap();
    fs::write(source.join("late"), "late").unwrap();
    engine.put("h/alice/copy/old", b"old");
    // It says neither that it has it nor that it has not, so that nobody waits for long.
    let odd = |asked: &Asked| match asked.method == "PUT" && asked.key == "h/alice/copy/late" {
        true => Act::Say(200, "", String::new()),
        false => Act::Do,
    };
    engine.does(odd);
    let args = ["mirror", "--delete", "./source", &world.alice("copy")];
    let failed = world.run(["--retry", "1"].iter().chain(&args)).code(10).said("1 kept; 1 failed");
    assert_eq!(failed.stderr.matches("sealift: ./source/late").count(), 1, "{}", failed.stderr);
    assert_eq!(failed.stderr.matches("; again in ").count(), 1, "{}", failed.stderr);
    let has = |name: &str| engine.keys().contains(&format!("h/alice/copy/{name}"));
    assert!(has("first") && has("old") && !has("late"));
    let mut left = 2;
    engine.does(move |asked| match odd(asked) {
        Act::Say(..) if left > 0 => {
            left -= 1;
            Act::Say(200, "", String::new())
        }
        _ => Act::Do,
    });
    world.run(args).code(0).said("1 file");
    assert!(has("late") && !has("old"));
}
