//! The session machine driven by hand: real store, real users, no sockets.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::auth::{Users, hash_password};
use crate::files::Hash;
use crate::proto::{Reply, frame};
use crate::secret::Secret;
use crate::server::line::sans_io::SansIo;

struct Bench {
    dir: TempDir,
    session: SansIo,
}

impl Bench {
    fn new(access: &str) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let session = SansIo::open(alice(access), dir.path()).unwrap();
        Bench { dir, session }
    }

    fn home(&self) -> std::path::PathBuf {
        self.dir.path().join("alice")
    }

    fn feed(&mut self, input: &[u8]) -> bool {
        self.session.feed(input)
    }

    fn take(&mut self) -> Vec<u8> {
        self.session.take()
    }

    fn ask(&mut self, line: &str) -> String {
        self.feed(format!("{line}\r\n").as_bytes());
        String::from_utf8_lossy(&self.take()).into_owned()
    }
}

/// Really logged in, once for each access: argon2 is slow on purpose.
fn alice(access: &str) -> Principal {
    static LOGGED_IN: Mutex<BTreeMap<String, Principal>> = Mutex::new(BTreeMap::new());
    let mut logged_in = LOGGED_IN.lock().unwrap();
    let log_in = || {
        let hash = hash_password(&Secret::new("secret")).unwrap();
        let text = format!("[users.alice]\npassword = \"{hash}\"\naccess = \"{access}\"\n");
        Users::parse(&text, "users.toml")
            .unwrap()
            .verify("alice", &Secret::new("secret"), std::net::Ipv4Addr::LOCALHOST.into())
            .unwrap()
    };
    logged_in.entry(access.to_owned()).or_insert_with(log_in).clone()
}

fn upload(line: &str, chunks: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("UPLOAD {line}\r\n").into_bytes();
    for chunk in chunks {
        bytes.extend_from_slice(&frame::header(chunk.len()));
        bytes.extend_from_slice(chunk);
    }
    bytes.extend_from_slice(&frame::END);
    bytes.extend_from_slice(Hash::of(&chunks.concat()).as_bytes());
    bytes
}

fn words(replies: &[u8]) -> Vec<String> {
    let lines = replies.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| Reply::parse(line.strip_suffix(b"\r").unwrap()).unwrap().word.to_owned()).collect()
}

#[test]
fn a_file_goes_up_and_comes_down_with_its_hash() {
    let mut bench = Bench::new("full");
    bench.feed(&upload("a%20b mtime=12.5", &[b"hello ", b"world"]));
    let reply = String::from_utf8(bench.take()).unwrap();
    let hash = Hash::of(b"hello world");
    assert!(reply.starts_with(&format!("226 done size=11 hash={hash} pid={} session=", std::process::id())), "{reply}");
    assert_eq!(std::fs::read(bench.home().join("a b")).unwrap(), b"hello world");
    bench.feed(b"DOWNLOAD a%20b\r\n");
    let bytes = bench.take();
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(bench.home().join("a b")).unwrap());
    let mut expected = format!("150 data size=11 mtime=12.5 mode={:03o}\r\n", mode & 0o777).into_bytes();
    expected.extend_from_slice(&frame::header(11));
    expected.extend_from_slice(b"hello world");
    expected.extend_from_slice(&frame::END);
    assert!(bytes.starts_with(&expected), "{}", String::from_utf8_lossy(&bytes));
    assert!(String::from_utf8_lossy(&bytes).contains(&format!("226 done size=11 hash={hash} pid=")));
}

#[test]
fn every_final_reply_carries_pid_and_session_success_and_failure_alike() {
    let mut bench = Bench::new("full");
    let suffix = bench.session.ids().to_owned();
    for line in ["PING", "STATUS", "HELP", "LIST", "STAT", "STAT nothing", "NONSENSE", "WHO", "MKDIR d", "DELETE ../x"]
    {
        let reply = bench.ask(line);
        let last = reply.lines().last().unwrap();
        assert!(last.contains(&suffix), "{line}: {last}");
    }
}

#[test]
fn an_empty_folder_says_so() {
    assert!(Bench::new("full").ask("LIST").contains(":The folder is empty."));
}

#[test]
fn a_wrong_trailer_stores_nothing_and_keeps_the_old_file() {
    let mut bench = Bench::new("full");
    std::fs::write(bench.home().join("f"), "old").unwrap();
    let mut bytes = upload("f", &[b"new"]);
    *bytes.last_mut().unwrap() ^= 1;
    bench.feed(&bytes);
    assert_eq!(words(&bench.take()), ["integrity"]);
    assert_eq!(std::fs::read(bench.home().join("f")).unwrap(), b"old");
}

#[test]
fn a_refused_upload_is_dropped_and_the_stream_stays_in_step() {
    let mut bench = Bench::new("read");
    let mut bytes = upload("f", &[b"DELETE x\r\n", b"SHUTDOWN\r\n"]);
    bytes.extend_from_slice(&upload("../climb", &[b"LOGOUT\r\n"]));
    bytes.extend_from_slice(&upload("x bad=option", &[b"LOGOUT\r\n"]));
    bytes.extend_from_slice(b"PING\r\n");
    bench.feed(&bytes);
    assert_eq!(words(&bench.take()), ["denied", "bad-path", "bad-command", "pong"]);
    assert!(!bench.home().join("f").exists());
}

#[test]
fn an_abort_is_answered_once_and_leaves_nothing() {
    let mut bench = Bench::new("full");
    let mut bytes = b"UPLOAD f\r\n".to_vec();
    bytes.extend_from_slice(&frame::header(3));
    bytes.extend_from_slice(b"abc");
    bytes.extend_from_slice(&frame::ABORT);
    bytes.extend_from_slice(b"PING\r\n");
    bench.feed(&bytes);
    assert_eq!(words(&bench.take()), ["aborted", "pong"]);
    assert!(!bench.home().join("f").exists());
}

#[test]
fn a_command_sees_all_uploads_before_it_in_the_same_write() {
    let mut bench = Bench::new("full");
    let mut bytes = Vec::new();
    for name in ["a", "b", "c"] {
        bytes.extend_from_slice(&upload(name, &[name.as_bytes()]));
    }
    bytes.extend_from_slice(b"STAT c\r\nDELETE a\r\nSTAT a\r\n");
    bench.feed(&bytes);
    assert_eq!(words(&bench.take()), ["done", "done", "done", "stat", "done", "not-found"]);
}

#[test]
fn folders_and_files_of_one_write_are_answered_in_order() {
    let mut bench = Bench::new("full");
    let stream = [
        &b"MKDIR d\r\n"[..],
        &upload("d/f", &[b"one"]),
        b"MKDIR d/e\r\nMKDIR d/f\r\nMKDIR d/f/g parents=yes\r\n",
        &upload("d/e", &[b"no"]),
        b"MKDIR missing/x\r\nPING\r\n",
    ];
    bench.feed(&stream.concat());
    let expected = ["done", "done", "done", "exists", "not-directory", "is-directory", "not-found", "pong"];
    assert_eq!(words(&bench.take()), expected);
    assert_eq!(std::fs::read(bench.home().join("d/f")).unwrap(), b"one");
}

#[test]
fn a_condition_sees_the_upload_before_it_however_they_arrive() {
    let first = upload("f", &[b"one"]);
    let second = [b"UPLOAD f if=absent\r\n", &frame::header(3)[..], b"two", &frame::ABORT].concat();
    let mut together = Bench::new("full");
    together.feed(&[first.clone(), second.clone()].concat());
    let mut apart = Bench::new("full");
    apart.feed(&first);
    apart.feed(&second);
    assert_eq!(words(&together.take()), ["done", "exists"]);
    assert_eq!(words(&apart.take()), ["done", "exists"]);
}

#[test]
fn more_uploads_than_fit_in_a_batch_are_all_answered_in_order() {
    let mut bench = Bench::new("full");
    let names: Vec<_> = (0..10 * limits::COMMIT_BATCH + 1).map(|n| format!("f{n}")).collect();
    let mut stream: Vec<u8> = names.iter().flat_map(|name| upload(name, &[name.as_bytes()])).collect();
    // It asks for what one of the uploads before it has made.
    stream.extend(upload("f1 if=absent", &[b"not"]));
    stream.extend(b"STAT f2\r\n");
    bench.feed(&stream);
    let replies = bench.take();
    let told = words(&replies);
    assert_eq!(told[..names.len()], vec!["done"; names.len()]);
    assert_eq!(told[names.len()..], ["exists", "stat"]);
    let hashes: Vec<_> = names.iter().map(|name| Hash::of(name.as_bytes()).to_string()).collect();
    let text = String::from_utf8(replies).unwrap();
    assert!(text.lines().zip(&hashes).all(|(line, hash)| line.contains(hash)));
    for name in &names {
        assert_eq!(std::fs::read_to_string(bench.home().join(name)).unwrap(), *name);
    }
}

#[test]
fn a_client_that_goes_while_a_batch_is_committed_leaves_whole_files_or_none() {
    for count in 1..3 * limits::COMMIT_BATCH {
        let mut bench = Bench::new("full");
        let uploads: Vec<u8> = (0..count).flat_map(|n| upload(&format!("f{n} size=5"), &[b"whole"])).collect();
        bench.session.feed_last(&uploads);
        let told = words(&bench.take()).len();
        let there = tree(&bench.home());
        assert!(told <= there.len() && there.iter().all(|(_, bytes)| bytes == b"whole"), "{told} of {there:?}");
        // Nothing goes on behind.
        assert_eq!(tree(&bench.home()), there);
    }
}

#[test]
fn ten_unknown_verbs_close_the_session() {
    let mut bench = Bench::new("full");
    assert!(!bench.feed(&b"GET / HTTP/1.1\r\n".repeat(9)));
    assert!(bench.feed(b"GET / HTTP/1.1\r\n"));
    assert_eq!(words(&bench.take()), ["unknown-verb"; 10]);
}

#[test]
fn an_endless_line_and_a_huge_frame_close_the_session() {
    let mut bench = Bench::new("full");
    assert!(bench.feed(&[b'A'; limits::LINE_MAX + 1]));
    assert_eq!(words(&bench.take()), ["too-long"]);
    let mut bench = Bench::new("full");
    assert!(bench.feed(b"UPLOAD f\r\n\xff\xff\xff\xfe"));
    assert_eq!(words(&bench.take()), ["too-long"]);
    assert_eq!(
        std::fs::read_dir(bench.home()).unwrap().filter(|e| e.as_ref().unwrap().file_name() != ".sealift").count(),
        0
    );
}

#[test]
fn only_administrators_see_who_is_there_and_end_the_server() {
    let mut bench = Bench::new("full");
    for line in ["WHO", "SHUTDOWN"] {
        assert_eq!(words(bench.ask(line).as_bytes()), ["denied"]);
    }
}

#[test]
fn logging_in_twice_is_out_of_sequence() {
    let mut bench = Bench::new("full");
    for line in ["USER bob", "PASS x"] {
        assert_eq!(words(bench.ask(line).as_bytes()), ["bad-sequence"]);
    }
}

#[test]
fn a_range_is_cut_at_the_end_of_the_file_and_hashed_by_itself() {
    let mut bench = Bench::new("full");
    std::fs::write(bench.home().join("f"), "0123456789").unwrap();
    for (options, bytes) in [
        ("offset=3 length=4", "3456"),
        ("offset=8", "89"),
        ("offset=99", ""),
        ("length=0", ""),
        ("offset=5 length=18446744073709551615", "56789"),
    ] {
        let reply = bench.ask(&format!("DOWNLOAD f {options}"));
        assert!(
            reply.contains(&format!("226 done size={} hash={} ", bytes.len(), Hash::of(bytes.as_bytes()))),
            "{options}: {reply}"
        );
    }
}

/// One thing a client may send.
#[derive(Debug, Clone)]
enum Sends {
    Line(String),
    Upload(String, Vec<u8>),
    Aborted(String),
}

impl Sends {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Sends::Line(line) => format!("{line}\r\n").into_bytes(),
            Sends::Upload(line, data) if data.is_empty() => upload(line, &[]),
            Sends::Upload(line, data) => upload(line, &data.chunks(700).collect::<Vec<_>>()),
            Sends::Aborted(line) => {
                [format!("UPLOAD {line}\r\n").as_bytes(), &frame::header(2), b"xy", &frame::ABORT].concat()
            }
        }
    }
}

fn sends() -> impl Strategy<Value = Sends> {
    let name = prop_oneof![Just("a"), Just("b"), Just("d"), Just("d/x"), Just("d/y"), Just("../z"), Just("%2e%2e")];
    let line = (
        prop_oneof![
            Just("STAT"),
            Just("DELETE"),
            Just("MKDIR"),
            Just("MKDIR+"),
            Just("DOWNLOAD"),
            Just("HASH"),
            Just("LIST"),
            Just("RENAME a"),
            Just("BOGUS")
        ],
        name.clone(),
    )
        .prop_map(|(verb, name)| match verb {
            "MKDIR+" => Sends::Line(format!("MKDIR {name}/z parents=yes")),
            verb => Sends::Line(format!("{verb} {name}")),
        });
    let options = prop_oneof![Just(""), Just(" if=absent"), Just(" size=5"), Just(" nonsense=1")];
    let up = (name.clone(), options, proptest::collection::vec(any::<u8>(), 0..2000))
        .prop_map(|(name, options, data)| Sends::Upload(format!("{name} mtime=1{options}"), data));
    prop_oneof![4 => line, 3 => up, 1 => name.prop_map(|n| Sends::Aborted(n.to_owned()))]
}

/// What is in a home, hidden staging aside.
fn tree(home: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![home.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap() == ".sealift" {
                continue;
            }
            let name = path.strip_prefix(home).unwrap().display().to_string();
            if path.is_dir() {
                found.push((name, b"folder".to_vec()));
                folders.push(path);
            } else {
                found.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// What comes before a listing's first frame.
const LISTED: &[u8] = b"150 data\r\n";

/// Replies with what differs between two runs (ids, times of folders) masked.
fn comparable(session: &SansIo, replies: &[u8]) -> String {
    // How long a time is written differs too, and with it the length of a listing's frame.
    let mut replies = replies.to_vec();
    let mut at = 0;
    while let Some(found) = replies[at..].windows(LISTED.len()).position(|bytes| bytes == LISTED) {
        at += found + LISTED.len();
        if replies[at..].starts_with(&[0, 0]) && !replies[at..].starts_with(&frame::END) {
            replies[at..at + frame::HEADER].fill(b'?');
        }
    }
    let text = String::from_utf8_lossy(&replies).replace(session.ids(), "");
    let mut masked = String::new();
    for word in text.split_inclusive([' ', '\r', '\n']) {
        masked.push_str(if word.starts_with("mtime=") && !word.starts_with("mtime=1 ") { "mtime=? " } else { word });
    }
    masked
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn random_chunks_of_random_commands_answer_as_one_by_one(
        sends in proptest::collection::vec(sends(), 1..25),
        sizes in proptest::collection::vec(prop_oneof![3 => 1usize..900, 1 => Just(1 << 20)], 1..40),
    ) {
        let mut single = Bench::new("full");
        for send in &sends {
            single.feed(&send.bytes());
        }
        let mut chunked = Bench::new("full");
        let stream: Vec<u8> = sends.iter().flat_map(Sends::bytes).collect();
        let mut sizes = sizes.iter().cycle();
        let mut rest = &stream[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            if chunked.feed(now) {
                break;
            }
            rest = later;
        }
        prop_assert_eq!(tree(&single.home()), tree(&chunked.home()));
        let (one, two) = (single.take(), chunked.take());
        prop_assert_eq!(comparable(&single.session, &one), comparable(&chunked.session, &two));
    }

    #[test]
    fn no_bytes_make_the_machine_panic(stream in proptest::collection::vec(any::<u8>(), 0..3000)) {
        Bench::new("full").feed(&stream);
    }
}

#[test]
fn how_far_a_removal_is_is_told_to_who_wants_to_know_and_may() {
    const FILES: usize = 3 * limits::REMOVE_STEP + 1;
    for (access, is_told) in [("full", true), ("upload,mkdir,delete", false)] {
        for progress in [true, false] {
            let mut bench = Bench::new(access);
            std::fs::create_dir(bench.home().join("tree")).unwrap();
            (0..FILES).for_each(|n| std::fs::write(bench.home().join(format!("tree/f{n}")), "").unwrap());
            let replies =
                bench.ask(&format!("DELETE tree recursive=yes{}", if progress { " progress=yes" } else { "" }));
            let mut lines: Vec<&str> = replies.lines().collect();
            let last = lines.pop().unwrap();
            assert!(last.starts_with("250 done "), "{last}");
            assert_eq!(last.contains(&format!(" files={FILES} folders=1 ")), is_told, "{last}");
            assert_eq!(lines.len() > 2, is_told && progress, "{replies}");
            let mut before = 0;
            for line in lines {
                let reply = Reply::parse(line.as_bytes()).unwrap();
                assert_eq!((reply.digits, reply.word), (117, "progress"));
                let gone: usize = reply.parsed("files").unwrap();
                assert!(gone > before && gone < FILES, "{line}");
                before = gone;
            }
        }
    }
}
