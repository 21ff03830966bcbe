//! `limit_rate`: how fast the bytes of a user's sessions move together.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::web::{curl, curl_command};
use crate::common::{Daemon, RawClient, bytes, eventually};

const KIB: usize = 1024;

/// A server with alice, who is limited so, and has a file of this size.
fn limited(limits: &[&str], size: usize) -> Daemon {
    with_args(&[], limits, size)
}

fn with_args(args: &[&str], limits: &[&str], size: usize) -> Daemon {
    let daemon = Daemon::builder().args(args.iter().copied()).start();
    daemon.add_user("alice", "correct-horse", "full");
    set(&daemon, limits);
    fs::create_dir_all(daemon.data().join("alice")).unwrap();
    fs::write(daemon.data().join("alice/file"), bytes(size)).unwrap();
    daemon
}

fn set(daemon: &Daemon, limits: &[&str]) {
    let output = daemon.command(&[&["user", "set", "alice"], limits].concat()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn alice(daemon: &Daemon) -> RawClient {
    RawClient::logged_in(daemon, "alice", "correct-horse")
}

/// A download by curl that goes on.
fn fetching(daemon: &Daemon, path: &str, to: &std::path::Path) -> Child {
    let to = to.to_str().unwrap();
    curl_command(daemon, &["-s", "-u", "alice:correct-horse", "-o", to], path).spawn().unwrap()
}

#[test]
fn all_sessions_of_a_user_share_one_limit_whatever_they_speak_and_by_links_too() {
    let daemon = limited(&["--limit-rate-down", "256KiB"], 256 * KIB);
    let (code, word, link) = alice(&daemon).ask("LINK file");
    assert_eq!((code, word.as_str()), (200, "linked"));
    let link = format!("/.sealift-web/l/{}/", link["secret"]);
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_eq!(alice(&daemon).download("file").unwrap(), bytes(256 * KIB)));
        }
        scope.spawn(|| {
            let got = curl(&daemon, &["-u", "alice:correct-horse"], "/~alice/file");
            assert_eq!((got.status, got.body), (200, bytes(256 * KIB)));
        });
        scope.spawn(|| assert_eq!(curl(&daemon, &[], &link).body, bytes(256 * KIB)));
    });
    // Four seconds, less what the last of each need not wait for.
    assert!(began.elapsed() > Duration::from_secs(3), "{:?}", began.elapsed());
    // Others are not bound.
    fs::write(daemon.public().join("large"), bytes(8 << 20)).unwrap();
    assert_eq!(RawClient::logged_in(&daemon, "anonymous", "").download("large").unwrap().len(), 8 << 20);
}

#[test]
fn what_is_sent_is_limited_over_both_protocols_together_and_arrives_whole() {
    let daemon = limited(&["--limit-rate-up", "128KiB"], 0);
    let sent = bytes(128 * KIB);
    let began = Instant::now();
    thread::scope(|scope| {
        let (daemon, sent) = (&daemon, &sent);
        for name in ["one", "two"] {
            scope.spawn(move || assert_eq!(alice(daemon).upload(name, sent).0, 226));
        }
        scope.spawn(move || {
            let local = daemon.place().join("local");
            fs::write(&local, sent).unwrap();
            let put = ["-u", "alice:correct-horse", "-T", local.to_str().unwrap()];
            assert_eq!(curl(daemon, &put, "/~alice/three").status, 201);
        });
    });
    assert!(began.elapsed() > Duration::from_secs(2), "{:?}", began.elapsed());
    for name in ["one", "two", "three"] {
        assert_eq!(fs::read(daemon.data().join("alice").join(name)).unwrap(), sent);
    }
}

#[test]
fn all_of_a_form_that_comes_by_a_link_is_limited_also_what_is_no_file() {
    let daemon = limited(&["--limit-rate-up", "128KiB"], 0);
    let (code, _, link) = alice(&daemon).ask("LINK drop=yes");
    assert_eq!(code, 200);
    let filler = "x".repeat(128 * KIB);
    let form = format!(
        "{filler}\r\n--B\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n{filler}\r\n--B\r\n\
         Content-Disposition: form-data; name=\"files\"; filename=\"came\"\r\n\r\nbytes\r\n--B--\r\n"
    );
    let local = daemon.place().join("form");
    fs::write(&local, form).unwrap();
    let body = format!("@{}", local.display());
    let post = ["-H", "Content-Type: multipart/form-data; boundary=B", "--data-binary", &body];
    let began = Instant::now();
    assert_eq!(curl(&daemon, &post, &format!("/.sealift-web/l/{}/", link["secret"])).status, 201);
    assert!(began.elapsed() > Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(fs::read(daemon.data().join("alice/came")).unwrap(), b"bytes");
}

#[test]
fn a_session_gets_its_share_beside_one_that_takes_all_it_can() {
    // So little that it takes seconds, in which the machine may have much else to do.
    let daemon = limited(&["--limit-rate-down", "64KiB"], 64 << 20);
    fs::write(daemon.data().join("alice/small"), bytes(128 * KIB)).unwrap();
    let to = daemon.place().join("copy");
    let came = || fs::metadata(&to).map_or(0, |meta| meta.len());
    let mut curl = fetching(&daemon, "/~alice/file", &to);
    let mut alice = alice(&daemon);
    eventually("the large one has begun", || came() > 0);
    let before = came();
    assert_eq!(alice.download("small").unwrap().len(), 128 * KIB);
    let meanwhile = came() - before;
    curl.kill().unwrap();
    curl.wait().unwrap();
    let even = 128 * KIB as u64;
    assert!((even / 4..even * 4).contains(&meanwhile), "{meanwhile} bytes beside {even}");
}

/// Each of these moves nothing for longer than a client may that owes something, and not because of itself.
#[test]
fn who_is_held_back_is_not_taken_for_one_who_stalls() {
    let args = ["--stall-window", "1s"];
    let daemon = with_args(&args, &["--limit-rate-down", "64KiB", "--limit-rate-up", "64KiB"], 16 * KIB);
    thread::scope(|scope| {
        let daemon = &daemon;
        let clients: Vec<RawClient> = (0..12).map(|_| alice(daemon)).collect();
        for (number, mut alice) in clients.into_iter().enumerate() {
            scope.spawn(move || {
                assert_eq!(alice.download("file").unwrap(), bytes(16 * KIB));
                assert_eq!(alice.upload(&format!("up{number}"), &bytes(16 * KIB)).0, 226);
            });
        }
        scope.spawn(move || {
            let got = curl(daemon, &["-u", "alice:correct-horse"], "/~alice/file");
            assert_eq!((got.status, got.body), (200, bytes(16 * KIB)));
        });
    });
}

#[test]
fn a_change_counts_for_sessions_that_are_open_and_for_what_they_are_in_the_middle_of() {
    let daemon = limited(&["--limit-rate-down", "64KiB"], 32 << 20);
    let mut other = alice(&daemon);
    let to = daemon.place().join("copy");
    let came = || fs::metadata(&to).map_or(0, |meta| meta.len());
    // Eight minutes each, if it stayed so.
    let mut curl = fetching(&daemon, "/~alice/file", &to);
    let downloading = thread::spawn(move || {
        let downloaded = other.download("file").map(|bytes| bytes.len());
        (downloaded, other)
    });
    eventually("it has begun", || came() > 0);
    set(&daemon, &["--limit-rate-down", "none"]);
    let (downloaded, mut other) = downloading.join().unwrap();
    assert_eq!(downloaded, Ok(32 << 20));
    assert!(curl.wait().unwrap().success() && came() >= 32 << 20);

    set(&daemon, &["--limit-rate-down", "128KiB"]);
    fs::write(daemon.data().join("alice/small"), bytes(128 * KIB)).unwrap();
    eventually("the session that is open is limited", || {
        let began = Instant::now();
        assert_eq!(other.download("small").unwrap().len(), 128 * KIB);
        began.elapsed() > Duration::from_millis(500)
    });
}

#[test]
fn the_defaults_limit_all_and_a_section_of_its_own_lifts_it_or_says_one_way_alone() {
    let place = tempfile::TempDir::new().unwrap();
    let run = |args: &[&str]| {
        let mut command = crate::common::sealiftd(place.path());
        command.args(args);
        let output = crate::common::end_of(command, "correct-horse\n");
        assert!(output.status.success(), "{output:?}");
        crate::common::text(&output.stdout)
    };
    let file = place.path().join("users.toml");
    fs::write(&file, "[defaults]\nlimit_rate = \"1 MiB/s\"  # for all\n").unwrap();
    run(&["user", "add", "alice", "--limit-rate-up", "2M", "--password-stdin"]);
    let shown = run(&["user", "show", "alice"]);
    assert!(shown.contains("limit down    1 MiB/s\n") && shown.contains("limit up      2 MiB/s\n"), "{shown}");
    run(&["user", "set", "alice", "--limit-rate-down", "none"]);
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("limit_rate = { down = \"none\", up = \"2 MiB\" }\n") && text.contains("# for all"),
        "{text}"
    );
    let said = run(&["user", "set", "alice", "--limit-rate-down", "1M", "--limit-rate-up", "1M"]);
    assert!(said.contains("limit down    none -> 1 MiB/s\n"), "{said}");
    assert!(fs::read_to_string(&file).unwrap().contains("limit_rate = \"1 MiB\"\n"));
    let json: serde_json::Value = serde_json::from_str(&run(&["user", "show", "alice", "--json"])).unwrap();
    assert_eq!((&json["limit_rate_down"], &json["limit_rate_up"]), (&(1 << 20).into(), &(1 << 20).into()));
}
