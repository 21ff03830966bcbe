//! A server that is replaced sends to its end what it has open, beside the next one, which serves by then; and changes nothing any more.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;

use crate::common::web::{Frame, RawWeb, curl, frame, head_of};
use crate::common::{Daemon, PASSWORD, World, enter, eventually, text, upload_bytes};
use crate::supervised::{
    LARGE, begin_download, begin_upload, end_download, end_upload, is_there, reload, replace, server_of, supervised,
};

fn login() -> String {
    STANDARD.encode(format!("alice:{PASSWORD}"))
}

/// A download of the same file over HTTP/1.1, of which the head has come.
fn begin_one(daemon: &Daemon) -> RawWeb {
    begin_get(daemon, "/~alice/large", &format!("Authorization: Basic {}\r\n", login()))
}

/// One of what is there, with these headers.
pub fn begin_get(daemon: &Daemon, path: &str, headers: &str) -> RawWeb {
    let mut web = RawWeb::connect(daemon, &["http/1.1"]);
    let port = daemon.port();
    web.send(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\r\n"));
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(web.read(1));
    }
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", text(&head));
    web
}

/// One over HTTP/2 whose client takes no more for now than it has said at the beginning.
fn begin_two(daemon: &Daemon) -> RawWeb {
    let mut web = RawWeb::two_from([127, 0, 0, 1], daemon);
    let mut head = head_of("/~alice/large", 0);
    let login = format!("Basic {}", login());
    head.extend(*b"\x00\x0dauthorization");
    head.push(u8::try_from(login.len()).unwrap());
    head.extend(login.as_bytes());
    web.send(frame(Frame::HEADERS, Frame::END_STREAM | Frame::END_HEADERS, 1, &head));
    while web.frame().expect("it begins").kind != Frame::HEADERS {}
    web
}

/// The rest of it, with room for all.
fn end_two(mut web: RawWeb) -> usize {
    for stream in [0, 1] {
        web.send(frame(Frame::WINDOW_UPDATE, 0, stream, &u32::try_from(2 * LARGE).unwrap().to_be_bytes()));
    }
    let mut came = 0;
    loop {
        let Frame { kind, flags, payload, stream } = web.frame().expect("it comes to its end");
        if kind == Frame::DATA && stream == 1 {
            assert!(payload.iter().all(|byte| *byte == b'x'));
            came += payload.len();
            if flags & Frame::END_STREAM != 0 {
                return came;
            }
        }
    }
}

#[test]
fn downloads_go_on_by_each_protocol_while_the_next_server_serves_and_changes_what_they_are_of() {
    let world = World::of(&["alice"]);
    let daemon = supervised(world.daemon());
    let first = server_of(&daemon);
    let native = begin_download(&daemon);
    let (mut one, two) = (begin_one(&daemon), begin_two(&daemon));
    let second = replace(&daemon);
    assert!(second != first && is_there(first));
    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.upload("large", b"another").1, "done");
    assert_eq!(alice.ask("RENAME large larger").1, "done");
    assert_eq!(alice.ask("DELETE larger").1, "done");
    end_download(native);
    assert!(one.read(LARGE).iter().all(|byte| *byte == b'x'));
    // It is told that nothing more is to be asked for here.
    assert!(one.ask("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").is_none());
    assert!(is_there(first), "the last one is still sent");
    assert_eq!(end_two(two), LARGE);
    eventually("the first one has ended", || !is_there(first));
    assert_eq!(server_of(&daemon), second);
    let ended = daemon.stop();
    assert!(ended.code == Some(0) && ended.log.contains("it has sent all that it had begun"), "{}", ended.log);
}

#[test]
fn a_server_that_only_sends_carries_out_no_command_that_came_behind() {
    let world = World::of(&["alice"]);
    let daemon = supervised(world.daemon());
    let first = server_of(&daemon);
    let mut alice = begin_download(&daemon);
    alice.line("DELETE large");
    assert_ne!(replace(&daemon), first);
    assert_eq!(alice.frames().unwrap().len(), LARGE);
    assert_eq!(alice.reply().1, "done");
    let (_, word, fields) = alice.reply();
    assert!(word == "stopping" && fields.get("begun").is_some_and(|begun| begun == "no"), "{word} {fields:?}");
    assert!(alice.try_reply().is_none());
    assert_eq!(fs::metadata(daemon.data().join("alice/large")).unwrap().len(), LARGE as u64);
}

#[test]
fn a_client_that_has_sent_half_a_line_keeps_nobody_waiting() {
    let world = World::of(&["alice"]);
    let daemon = supervised(world.daemon().args(["--grace", "1h"]));
    let first = server_of(&daemon);
    let mut alice = enter(&daemon, "alice");
    alice.send("DELE");
    assert_ne!(replace(&daemon), first);
    assert_eq!(alice.reply().1, "stopping");
}

#[test]
fn nobody_who_is_not_logged_in_or_asks_for_nothing_keeps_the_next_server_waiting() {
    let world = World::of(&["alice"]);
    let daemon = supervised(world.daemon().args(["--grace", "1h"]));
    let first = server_of(&daemon);
    let port = daemon.port();
    let mut form = RawWeb::connect(&daemon, &["http/1.1"]);
    form.send(format!(
        "POST /.sealift-web/login HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: 50\r\n\r\nu"
    ));
    fs::write(daemon.data().join("alice/large"), vec![b'x'; LARGE]).unwrap();
    let mut silent = RawWeb::two_from([127, 0, 0, 1], &daemon);
    silent.frame().expect("it is greeted");
    let mut reader = begin_two(&daemon);
    assert_ne!(replace(&daemon), first);
    // What comes behind is not carried out, and what was begun is sent.
    let head = head_of("/~alice/large", 0);
    reader.send(frame(Frame::HEADERS, Frame::END_STREAM | Frame::END_HEADERS, 3, &head));
    assert_eq!(end_two(reader), LARGE);
}

#[test]
fn small_files_without_end_keep_the_next_server_from_nothing() {
    let world = World::of(&["alice"]);
    let daemon = supervised(world.daemon().args(["--grace", "1h"]));
    let first = server_of(&daemon);
    let mut alice = enter(&daemon, "alice");
    thread::scope(|scope| {
        let replacing = scope.spawn(|| replace(&daemon));
        let mut stored = 0;
        // As a client does that has always sent the next ones when the last ones are answered.
        let last = loop {
            if replacing.is_finished() {
                break None;
            }
            let many: Vec<u8> = (0..8).flat_map(|n| upload_bytes(&format!("f{n}"), b"1")).collect();
            if alice.try_send(many).is_err() {
                break None;
            }
            match alice.try_reply() {
                Some((_, word, _)) if word == "done" => stored += 1,
                other => break other,
            }
        };
        assert!(last.is_none_or(|(_, word, _)| word == "stopping"), "{stored}");
        assert_ne!(replacing.join().unwrap(), first);
    });
}

#[test]
fn cookies_and_locks_go_on_while_the_server_that_knew_of_them_still_sends() {
    let world = World::of(&["alice"]);
    let daemon = supervised(world.daemon());
    fs::write(daemon.data().join("alice/locked"), "1").unwrap();
    let body = "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>";
    let login = format!("alice:{PASSWORD}");
    let locked = curl(&daemon, &["-u", &login, "-X", "LOCK", "-d", body], "/~alice/locked");
    assert_eq!(locked.status, 200, "{}", locked.text());
    let token = locked.header("lock-token").to_owned();
    let native = begin_download(&daemon);
    replace(&daemon);
    let put = |more: &[&str]| {
        let args = [&["-u", &login, "-X", "PUT", "-d", "2"][..], more].concat();
        curl(&daemon, &args, "/~alice/locked").status
    };
    assert_eq!(put(&[]), 423);
    assert_eq!(put(&["-H", &format!("If: ({token})")]), 204);
    end_download(native);
}

#[test]
fn told_to_stop_while_a_server_before_still_sends_it_keeps_its_grace_period_and_a_second_time_ends_at_once() {
    let world = World::of(&["alice"]);
    for is_patient in [true, false] {
        let mut daemon = supervised(world.daemon().args(["--grace", "1h"]));
        let first = server_of(&daemon);
        let alice = begin_download(&daemon);
        let second = replace(&daemon);
        daemon.signal(Signal::TERM);
        eventually("the one that serves has ended", || !is_there(second));
        assert!(is_there(first));
        if is_patient {
            end_download(alice);
        } else {
            daemon.signal(Signal::TERM);
        }
        let ended = daemon.wait();
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        assert!(!is_there(first));
    }
}

#[test]
fn a_supervisor_keeps_nothing_of_servers_that_have_ended() {
    let world = World::of(&["alice"]);
    let daemon = supervised(world.daemon());
    let of = |what: &str| fs::read_dir(format!("/proc/{}/{what}", daemon.pid())).unwrap().count();
    replace(&daemon);
    let had = ["fd", "task"].map(of);
    for _ in 0..3 {
        replace(&daemon);
    }
    eventually("it has no more open, and no more threads", || ["fd", "task"].map(of) <= had);
}

#[test]
fn no_more_servers_drain_than_there_may_and_whoever_replaces_another_one_is_told() {
    let world = World::of(&["alice"]);
    let daemon = supervised(world.daemon());
    let mut sending = Vec::new();
    for _ in 0..sealift::limits::SUPERVISED_DRAINING {
        sending.push(begin_download(&daemon));
        replace(&daemon);
    }
    let last = server_of(&daemon);
    let refused = reload(&daemon, &["--binary"]);
    let said = text(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("have much to send yet"), "{said}");
    assert_eq!(server_of(&daemon), last);
    sending.into_iter().for_each(end_download);
    eventually("there is room again", || reload(&daemon, &["--binary"]).status.success());
    assert_ne!(server_of(&daemon), last);
}

#[test]
fn an_upload_under_way_ends_before_the_next_server_serves() {
    let world = World::of(&["alice"]);
    let daemon = supervised(world.daemon());
    let first = server_of(&daemon);
    let alice = begin_upload(&daemon);
    thread::scope(|scope| {
        let replacing = scope.spawn(|| replace(&daemon));
        eventually("the server drains", || daemon.log().contains("no longer listening"));
        assert!(!replacing.is_finished());
        end_upload(alice);
        assert_ne!(replacing.join().unwrap(), first);
    });
}

#[test]
fn told_to_stop_while_a_server_drains_transfers_keep_their_grace_period() {
    let world = World::of(&["alice"]);
    let mut daemon = supervised(world.daemon());
    let alice = begin_upload(&daemon);
    thread::scope(|scope| {
        let replacing = scope.spawn(|| reload(&daemon, &["--binary"]));
        eventually("the server drains", || daemon.log().contains("no longer listening"));
        daemon.signal(Signal::TERM);
        eventually("it was told", || daemon.log().contains("stopping; once more"));
        end_upload(alice);
        let said = replacing.join().unwrap();
        assert!(!said.status.success() && text(&said.stderr).contains("told to stop"), "{said:?}");
    });
    let ended = daemon.wait();
    assert!(ended.code == Some(0) && !ended.log.contains("ending at once"), "{}", ended.log);
}
