//! Several connections of one login: what a token is good for and what not, and uploads in parts from their worst side.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code outside of a test function")]

use std::fs;
use std::io::Write;

use sealift::files::Hash;

use crate::common::{
    Answer, Daemon, GIVE_UP, PASSWORD, RawClient, World, assert_nothing_staged, bytes, end_of, enter, eventually,
    frames_of, part_bytes, staged, text,
};

const BLOCK: usize = 16 * 1024 * 1024;

/// So many tokens.
fn tokens(client: &mut RawClient, count: usize) -> Vec<String> {
    let (digits, word, fields) = client.ask(format!("TOKEN count={count}"));
    assert_eq!((digits, word.as_str()), (200, "tokens"));
    assert_eq!(fields["expires"], "30");
    let tokens: Vec<_> = fields["tokens"].split(',').map(str::to_owned).collect();
    assert_eq!(tokens.len(), count);
    assert!(tokens.iter().all(|token| token.len() == 64 && token.bytes().all(|b| b.is_ascii_hexdigit())));
    tokens
}

fn join(daemon: &Daemon, token: &str) -> RawClient {
    let mut client = RawClient::connect(daemon);
    assert_eq!(client.ask(format!("JOIN {token}")).1, "welcome");
    client
}

fn refused(daemon: &Daemon, token: &str) {
    let mut client = RawClient::connect(daemon);
    let (digits, word, fields) = client.ask(format!("JOIN {token}"));
    assert_eq!((digits, word.as_str(), fields.len()), (530, "login-failed", 0));
    assert_eq!(client.ask("PING").1, "login-required");
}

fn word(answer: Answer) -> String {
    answer.1
}

#[test]
fn a_token_opens_one_session_of_the_same_user() {
    let world = World::of(&["alice"]);
    let daemon = world.daemon().args(["--log-level", "trace"]).start();
    let mut first = enter(&daemon, "alice");
    let given = tokens(&mut first, 15);
    let mut second = RawClient::connect(&daemon);
    let (_, _, fields) = second.ask(format!("JOIN {}", given[0]));
    assert_eq!((fields["user"].as_str(), fields["access"].as_str()), ("alice", "full"));
    refused(&daemon, &given[0]);
    assert_eq!(word(second.ask(format!("JOIN {}", given[1]))), "bad-sequence", "it is logged in");
    assert_eq!(word(second.upload("file", b"hello")), "done");
    assert_eq!(first.download("file").unwrap(), b"hello");
    // A joined session is one like any other: it can open more, and outlives the one that let it in.
    let mut third = join(&daemon, &tokens(&mut second, 1)[0]);
    drop(first);
    drop(second);
    assert_eq!(third.download("file").unwrap(), b"hello");
    // Who joins need not say who it is, and who has said so may still join.
    let mut other = RawClient::connect(&daemon);
    assert_eq!(word(other.ask("USER nobody")), "password");
    assert_eq!(word(other.ask(format!("JOIN {}", tokens(&mut third, 1)[0]))), "welcome");
    drop((third, other));

    // One login, paid for once; and no token is written anywhere.
    let log = daemon.stop().log;
    assert_eq!((log.matches(" logged in").count(), log.matches(" joined").count()), (4, 3), "{log}");
    assert!(given.iter().all(|token| !log.contains(token.as_str())));
}

#[test]
fn tokens_end_with_their_session_and_with_newer_ones() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let mut watcher = enter(&daemon, "alice");
    let mut alone = || eventually("the sessions are over", || watcher.ask("STATUS").2["connections"] == "1");
    let mut first = enter(&daemon, "alice");
    let (older, newer) = (tokens(&mut first, 2), tokens(&mut first, 2));
    refused(&daemon, &older[0]);
    let second = join(&daemon, &newer[0]);
    assert_eq!(word(first.ask("LOGOUT")), "bye");
    assert!(first.rest().is_empty());
    drop(second);
    alone();
    refused(&daemon, &newer[1]);

    let mut cut = enter(&daemon, "alice");
    let given = tokens(&mut cut, 1);
    drop(cut);
    alone();
    refused(&daemon, &given[0]);
}

#[test]
fn tokens_are_void_when_the_user_has_changed() {
    let daemon = Daemon::start();
    for change in [&["user", "passwd", "alice", "--password-stdin"][..], &["user", "remove", "alice"]] {
        let _ = end_of(daemon.command(&["user", "remove", "alice"]), "");
        daemon.add_user("alice", "secret", "full");
        let mut client = RawClient::logged_in(&daemon, "alice", "secret");
        let given = tokens(&mut client, 2);
        drop(join(&daemon, &given[0]));
        let ended = end_of(daemon.command(change), "another secret");
        assert!(ended.status.success(), "{}", text(&ended.stderr));
        refused(&daemon, &given[1]);
        assert_eq!(word(client.ask("TOKEN")), "revoked", "{change:?}");
    }
    // Anonymous reading: as long as it is on.
    fs::create_dir_all(daemon.public()).unwrap();
    let mut anybody = RawClient::logged_in(&daemon, "anonymous", "");
    let given = tokens(&mut anybody, 2);
    let mut second = join(&daemon, &given[0]);
    assert_eq!(word(second.upload("x", b"x")), "denied");
    let file = daemon.place().join("users.toml");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("enabled = true", "enabled = false")).unwrap();
    assert_eq!(word(anybody.reply()), "revoked");
    refused(&daemon, &given[1]);
}

#[test]
fn a_token_is_good_only_where_it_was_given_out() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let mut first = enter(&daemon, "alice");
    let given = tokens(&mut first, 2);
    let mut thief = RawClient::from([127, 0, 0, 2], &daemon);
    assert_eq!(word(thief.ask(format!("JOIN {}", given[0]))), "login-failed");
    refused(&daemon, &given[0]);
    join(&daemon, &given[1]);
}

#[test]
fn guessing_tokens_is_guessing_passwords() {
    let world = World::of(&["alice"]);
    let daemon = world.daemon().args(["--penalise-loopback"]).start();
    let mut alice = enter(&daemon, "alice");
    let mut near = tokens(&mut alice, 1).remove(0);
    let last = if near.ends_with('0') { "1" } else { "0" };
    near.replace_range(63.., last);
    let guesses = ["0".repeat(64), near, "0".to_owned()];
    let connections = (0..10).map_while(|_| {
        let mut client = RawClient::try_silent(daemon.port()).ok()?;
        assert_eq!(client.reply().1, "ready");
        for guess in &guesses {
            assert_eq!(word(client.ask(format!("JOIN {guess}"))), "login-failed");
        }
        assert!(client.rest().is_empty(), "three failures end a connection");
        Some(())
    });
    let connections = connections.count();
    assert!((2..10).contains(&connections), "{connections} connections");
    eventually("each is in the log", || daemon.log().matches("login refused").count() == 3 * connections);
}

/// Stages a file of this size; its id.
fn stage(client: &mut RawClient, arguments: &str) -> String {
    let (digits, word, fields) = client.ask(format!("STAGE {arguments}"));
    assert_eq!((digits, word.as_str()), (200, "staged"), "{arguments}");
    fields["id"].clone()
}

/// Sends one part of a file, whose number and length in blocks tell where it is; and the answer.
fn part(client: &mut RawClient, id: &str, file: &[u8], first: usize, blocks: usize) -> Answer {
    let (start, end) = (first * BLOCK, ((first + blocks) * BLOCK).min(file.len()));
    client.send(part_bytes(&format!("{id} offset={start} length={}", end - start), &file[start..end]));
    client.reply()
}

fn commit(client: &mut RawClient, id: &str, file: &[u8]) -> Answer {
    client.ask(format!("COMMIT {id} hash={}", Hash::of(file)))
}

/// Bytes of which no two blocks are alike.
fn content(len: usize) -> Vec<u8> {
    bytes(len)
}

#[test]
fn a_file_comes_in_parts_over_several_sessions() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let mut first = enter(&daemon, "alice");
    let mut second = join(&daemon, &tokens(&mut first, 1)[0]);
    // Another login of the same user is as good.
    let mut third = enter(&daemon, "alice");
    let file = content(3 * BLOCK + 1000);
    let id = stage(&mut first, &format!("file size={} mtime=12.5", file.len()));
    for (client, at) in [(&mut second, 3), (&mut third, 1), (&mut first, 2)] {
        let (digits, _, fields) = part(client, &id, &file, at, 1);
        assert_eq!((digits, fields["size"].parse()), (226, Ok(BLOCK.min(file.len() - at * BLOCK))));
    }
    assert!(!world.home("alice").join("file").exists());
    // The last one comes twice: the later takes the place of the earlier, whose bytes were others.
    assert_eq!(word(part(&mut second, &id, &vec![0; file.len()], 0, 1)), "done");
    assert_eq!(word(part(&mut first, &id, &file, 0, 1)), "done");
    assert_eq!(word(commit(&mut second, &id, &file)), "not-found", "only who staged it commits");
    assert_eq!(word(second.ask(format!("DISCARD {id}"))), "not-found");
    let (digits, _, fields) = commit(&mut first, &id, &file);
    assert_eq!((digits, fields["hash"].as_str()), (226, Hash::of(&file).to_string().as_str()));
    assert!(fs::read(world.home("alice").join("file")).unwrap() == file);
    let (_, _, fields) = first.ask("STAT file");
    assert_eq!(fields["mtime"], "12.5");
    assert_eq!(first.ask("HASH file").2["hash"], Hash::of(&file).to_string(), "recorded with it");
    assert_eq!(word(commit(&mut first, &id, &file)), "not-found", "once");

    // Nothing at all is a file too.
    let id = stage(&mut first, "empty size=0 if=absent");
    assert_eq!(word(commit(&mut first, &id, b"")), "done");
    assert_eq!(fs::read(world.home("alice").join("empty")).unwrap(), b"");
    assert_eq!(word(first.ask("STAGE empty size=0 if=absent")), "exists");
    assert_nothing_staged(&world.home("alice"), "after commits");
}

#[test]
fn what_is_not_whole_is_never_committed() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let file = content(2 * BLOCK + 1000);
    let size = file.len();
    fs::write(world.home("alice").join("file"), "old").unwrap();
    for missing in 0..3 {
        let id = stage(&mut client, &format!("file size={size}"));
        for at in (0..3).filter(|at| *at != missing) {
            assert_eq!(word(part(&mut client, &id, &file, at, 1)), "done");
        }
        assert_eq!(word(commit(&mut client, &id, &file)), "integrity", "without part {missing}");
        assert_eq!(word(part(&mut client, &id, &file, missing, 1)), "not-found", "it died with its commit");
        assert_nothing_staged(&world.home("alice"), "after a commit that failed");
    }
    // Whole, but other bytes than the sender says.
    let id = stage(&mut client, &format!("file size={size}"));
    assert_eq!(word(part(&mut client, &id, &file, 0, 3)), "done");
    assert_eq!(word(commit(&mut client, &id, b"other")), "integrity");
    assert_nothing_staged(&world.home("alice"), "after a wrong hash");
    // A part still on its way.
    let id = stage(&mut client, &format!("file size={size}"));
    assert_eq!(word(part(&mut client, &id, &file, 0, 2)), "done");
    let mut slow = enter(&daemon, "alice");
    slow.line(format!("PART {id} offset={} length=1000", 2 * BLOCK));
    slow.send(frames_of(&file[2 * BLOCK..]));
    let staging = world.home("alice").join(".sealift");
    let length = |path: &std::path::Path| fs::metadata(staging.join(path)).map_or(0, |meta| meta.len());
    eventually("it is on its way", || staged(&world.home("alice")).iter().any(|path| length(path) == size as u64));
    assert_eq!(word(commit(&mut client, &id, &file)), "integrity");
    slow.send([0; 4]);
    let answer = slow.reply().1;
    assert!(["aborted", "not-found"].contains(&answer.as_str()), "{answer}");
    assert_eq!(word(slow.ask("PING")), "pong");
    // Given up on purpose.
    let id = stage(&mut client, &format!("file size={size}"));
    assert_eq!(word(part(&mut client, &id, &file, 0, 1)), "done");
    assert_eq!(word(client.ask(format!("DISCARD {id}"))), "done");
    assert_nothing_staged(&world.home("alice"), "given up");
    assert_eq!(fs::read(world.home("alice").join("file")).unwrap(), b"old");
    assert_eq!(fs::read_dir(world.home("alice")).unwrap().count(), 2, "the file and the staging folder");
}

#[test]
fn parts_fit_together_or_are_refused_in_step() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let size = 3 * BLOCK + 1000;
    let file = content(size);
    let id = stage(&mut client, &format!("file size={size}"));
    assert_eq!(word(part(&mut client, &id, &file, 1, 2)), "done");
    for (arguments, expected) in [
        ("offset=1 length=16777216".to_owned(), "bad-command"),
        ("offset=0 length=16777215".to_owned(), "bad-command"),
        ("offset=0 length=0".to_owned(), "bad-command"),
        (format!("offset={} length=1001", 3 * BLOCK), "bad-command"),
        (format!("offset={} length=999", 3 * BLOCK), "bad-command"),
        (format!("offset={} length={BLOCK}", 4 * BLOCK), "bad-command"),
        (format!("offset={} length={}", u64::MAX / (BLOCK as u64) * BLOCK as u64, BLOCK), "bad-command"),
        (format!("offset=0 length={size}"), "exists"),
        (format!("offset=0 length={}", 2 * BLOCK), "exists"),
        (format!("offset={BLOCK} length={BLOCK}"), "exists"),
        (format!("offset={} length={BLOCK}", 2 * BLOCK), "exists"),
        (format!("offset={} length={}", 2 * BLOCK, size - 2 * BLOCK), "exists"),
        (format!("offset={} length=1000 x=1", 3 * BLOCK), "bad-command"),
    ] {
        client.send(part_bytes(&format!("{id} {arguments}"), b"DELETE file\r\nSHUTDOWN\r\n"));
        assert_eq!(word(client.reply()), expected, "{arguments}");
        assert_eq!(word(client.ask("PING")), "pong", "{arguments}: in step");
    }
    for (data, expected) in [(1001, "integrity"), (999, "integrity"), (0, "integrity")] {
        client.send(part_bytes(&format!("{id} offset={} length=1000", 3 * BLOCK), &vec![1; data]));
        assert_eq!(word(client.reply()), expected, "{data}");
    }
    let other = "0123456789abcdef";
    client.send(part_bytes(&format!("{other} offset=0 length=10"), b"0123456789"));
    assert_eq!(word(client.reply()), "not-found");
    // One that is given up, or whose connection goes, leaves its range free.
    client.line(format!("PART {id} offset=0 length={BLOCK}"));
    client.send([&frames_of(b"some")[..], &GIVE_UP].concat());
    assert_eq!(word(client.reply()), "aborted");
    let mut cut = enter(&daemon, "alice");
    cut.line(format!("PART {id} offset=0 length={BLOCK}"));
    cut.send(frames_of(&[9; 100_000]));
    drop(cut);
    // And nobody need wait until the server has noticed: the same range again takes the place of that one.
    assert_eq!(word(part(&mut client, &id, &file, 0, 1)), "done");
    assert_eq!(word(part(&mut client, &id, &file, 3, 1)), "done");
    assert_eq!(word(commit(&mut client, &id, &file)), "done");
    assert!(fs::read(world.home("alice").join("file")).unwrap() == file);

    // There can be only so many.
    let ids: Vec<_> = (0..4).map(|n| stage(&mut client, &format!("f{n} size=1"))).collect();
    assert_eq!(client.ask("STAGE f5 size=1").0, 450);
    assert_eq!(word(client.ask(format!("DISCARD {}", ids[0]))), "done");
    stage(&mut client, "f5 size=1");
}

#[test]
fn a_running_part_gives_way_to_the_same_one_again() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let (mut client, mut stuck) = (enter(&daemon, "alice"), enter(&daemon, "alice"));
    let file = content(BLOCK);
    let id = stage(&mut client, &format!("file size={BLOCK}"));
    stuck.line(format!("PART {id} offset=0 length={BLOCK}"));
    stuck.send(frames_of(&vec![9; BLOCK / 2]));
    assert_eq!(word(part(&mut client, &id, &file, 0, 1)), "done");
    // What still comes of the first is dropped, and is not in the file.
    stuck.send([&frames_of(&vec![9; BLOCK / 2])[..], &[0; 4]].concat());
    let late = stuck.reply().1;
    match late.as_str() {
        // The usual way round.
        "aborted" => {}
        // It came to the server after all of the other: then it is the later one.
        "done" => assert_eq!(word(part(&mut client, &id, &file, 0, 1)), "done"),
        other => panic!("{other}"),
    }
    assert_eq!(word(stuck.ask("PING")), "pong");
    assert_eq!(word(commit(&mut client, &id, &file)), "done");
    assert!(fs::read(world.home("alice").join("file")).unwrap() == file);
}

#[test]
fn nobody_else_has_a_part_in_it() {
    let world = World::of(&["alice", "bob"]);
    let daemon = world.start();
    let mut alice = enter(&daemon, "alice");
    let file = content(BLOCK + 5);
    let id = stage(&mut alice, &format!("file size={}", file.len()));
    for mut other in [enter(&daemon, "bob"), RawClient::logged_in(&daemon, "anonymous", "")] {
        for line in [format!("COMMIT {id} hash={}", Hash::of(&file)), format!("DISCARD {id}")] {
            let answer = other.ask(&line).1;
            assert!(["not-found", "denied"].contains(&answer.as_str()), "{line}: {answer}");
        }
        let answer = part(&mut other, &id, &vec![0; file.len()], 0, 2).1;
        assert!(["not-found", "denied"].contains(&answer.as_str()), "{answer}");
        assert_eq!(word(other.ask("PING")), "pong");
    }
    assert_eq!(word(part(&mut alice, &id, &file, 0, 2)), "done");
    assert_eq!(word(commit(&mut alice, &id, &file)), "done");
    assert!(fs::read(world.home("alice").join("file")).unwrap() == file);
    assert_eq!(fs::read_dir(world.home("bob")).unwrap().count(), 0);
}

#[test]
fn a_staged_upload_goes_with_its_session_and_its_beginning_can_be_resumed() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let file = content(4 * BLOCK + 1000);
    let size = file.len();
    let mut helper = enter(&daemon, "alice");
    let over = |count: usize| eventually("it is over", || daemon.log().matches(" disconnected").count() >= count);
    // Only what has no gap before it is worth anything.
    for (parts, kept) in [(&[1, 2][..], 0), (&[0, 1, 3, 4], 2)] {
        let ended = daemon.log().matches(" disconnected").count();
        let mut client = enter(&daemon, "alice");
        let id = stage(&mut client, &format!("file size={size}"));
        for at in parts {
            assert_eq!(word(part(&mut helper, &id, &file, *at, 1)), "done");
        }
        drop(client);
        over(ended + 1);
        assert_eq!(word(part(&mut helper, &id, &file, 0, 1)), "not-found");
        let (_, answer, fields) = helper.ask("HASH file partial=yes");
        match kept {
            0 => assert_eq!(answer, "not-found"),
            _ => {
                assert_eq!(fields["size"].parse(), Ok(kept * BLOCK));
                assert_eq!(fields["hash"], Hash::of(&file[..kept * BLOCK]).to_string());
            }
        }
    }
    let prefix = Hash::of(&file[..2 * BLOCK]);
    let wrong = Hash::of(b"wrong");
    let arguments = |prefix| format!("file size={size} offset={} prefix={prefix}", 2 * BLOCK);
    assert_eq!(word(helper.ask(format!("STAGE {}", arguments(wrong)))), "changed");
    let id = stage(&mut helper, &arguments(prefix));
    assert_eq!(word(part(&mut helper, &id, &file, 4, 1)), "done");
    assert_eq!(word(part(&mut helper, &id, &file, 1, 2)), "exists");
    assert_eq!(word(part(&mut helper, &id, &file, 2, 2)), "done");
    assert_eq!(word(commit(&mut helper, &id, &file)), "done");
    assert!(fs::read(world.home("alice").join("file")).unwrap() == file);
    assert_nothing_staged(&world.home("alice"), "resumed and done");
}

#[test]
fn a_size_that_no_file_can_have_is_refused_before_any_part() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    // Holes need no room, but an end they have.
    for size in [u64::MAX, 1 << 63] {
        for key in ["", " allocated=0"] {
            assert_eq!(word(client.ask(format!("STAGE file size={size}{key}"))), "no-space", "{size}{key}");
        }
    }
    assert_eq!(word(client.ask(format!("STAGE file size={} allocated=0", 1_u64 << 40))), "staged");
    assert_eq!(client.upload(&format!("whole size={} allocated=0", 1_u64 << 63), b"few").1, "no-space");
}

#[test]
fn the_quota_counts_a_staged_upload_from_its_first_moment() {
    let world = World::of(&["alice"]);
    let quota = 3 * BLOCK;
    let mut users = fs::OpenOptions::new().append(true).open(world.place().join("users.toml")).unwrap();
    writeln!(users, "quota = \"48 MiB\"").unwrap();
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    assert_eq!(word(client.ask(format!("STAGE file size={}", quota + 1))), "quota");
    let file = content(2 * BLOCK);
    // Of many at once, exactly those get in that fit together.
    let answers: Vec<_> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|n| {
                let daemon = &daemon;
                scope.spawn(move || {
                    let mut client = enter(daemon, "alice");
                    let answer = client.ask(format!("STAGE f{n} size={}", 2 * BLOCK));
                    (client, answer)
                })
            })
            .collect();
        tries.into_iter().map(|tried| tried.join().unwrap()).collect()
    });
    let (mut staged_here, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, answer)| answer.0 == 200);
    assert_eq!(staged_here.len(), 1);
    assert!(refused.iter().all(|(_, answer)| answer.1 == "quota"));
    drop(refused);
    assert_eq!(word(client.upload("small", &vec![1; BLOCK + 1])), "quota", "its room is taken");
    let (mut stager, (_, _, fields)) = staged_here.remove(0);
    assert_eq!(word(part(&mut stager, &fields["id"], &file, 0, 1)), "done");
    drop(stager);
    eventually("its room is back", || client.upload("large", &vec![1; quota]).1 == "done");
    assert_eq!(word(client.ask("DELETE large")), "done");
    assert_nothing_staged(&world.home("alice"), "nothing is kept under a quota");

    let id = stage(&mut client, &format!("file size={}", file.len()));
    assert_eq!(word(part(&mut client, &id, &file, 0, 2)), "done");
    assert_eq!(word(commit(&mut client, &id, &file)), "done");
    assert_eq!(word(client.ask(format!("STAGE more size={}", BLOCK + 1))), "quota");
    let id = stage(&mut client, &format!("more size={BLOCK}"));
    assert_eq!(word(commit(&mut client, &id, &file)), "integrity");
    stage(&mut client, &format!("more size={BLOCK}"));
}

#[test]
fn a_killed_server_leaves_no_staged_file() {
    let world = World::of(&["alice"]);
    let home = world.home("alice");
    let daemon = world.start();
    let mut client = enter(&daemon, "alice");
    let file = content(2 * BLOCK);
    let id = stage(&mut client, &format!("file size={}", file.len()));
    // With a gap before it: as long as what a sweep saves to be resumed, and not fit for that.
    assert_eq!(word(part(&mut client, &id, &file, 1, 1)), "done");
    assert!(staged(&home).len() >= 2, "{:?}", staged(&home));
    daemon.kill();
    fs::remove_file(world.place().join("log")).unwrap();
    let daemon = world.start();
    eventually("swept", || daemon.log().contains(" swept "));
    assert!(daemon.log().contains("saved=0"), "{}", daemon.log());
    assert!(staged(&home).is_empty(), "{:?}", staged(&home));
    assert!(!home.join("file").exists());
    let mut client = RawClient::logged_in(&daemon, "alice", PASSWORD);
    assert_eq!(word(part(&mut client, &id, &file, 0, 1)), "not-found");
}
