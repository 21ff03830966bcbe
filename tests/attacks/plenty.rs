//! A server that takes the client's memory, disk or time.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sealift::limits;
use sealift::proto::frame::header;

use crate::common::eventually;
use crate::common::place::Place;
use crate::hostile::{Hostile, entry, folder};

/// Names without end, each as long as a path can be: the entries are few and their bytes are many.
#[test]
fn listing_bytes() {
    let mut number = 0u64;
    let name = |number: u64| format!("{}{number:020}", "d/".repeat(40) + &format!("{}/", "x".repeat(250)).repeat(14));
    let mut lines = String::new();
    while lines.len() < 900_000 {
        lines += &format!("{}\n", entry("file", name(number)));
        number += 1;
    }
    let piece = [&header(lines.len())[..], lines.as_bytes()].concat();
    let script = |line: &str| match line.split(' ').next()? {
        "STAT" => Some(folder()),
        "LIST" => Some(b"150 data\r\n".to_vec()),
        _ => None,
    };
    let server = Hostile::without_end(script, piece, Duration::ZERO);
    let place = Place::new();
    let target = server.target("");
    let client = place.command(&["--pin", &server.pin(), "mirror", &target, "./dest"]);
    // The bound and what else a program needs; an allocation past it aborts.
    let memory = format!("--as={}", 3 * limits::LISTING_BYTES_MAX);
    let mut limited = Command::new("prlimit");
    limited.arg(memory).arg("--").arg(client.get_program()).args(client.get_args()).current_dir(place.path());
    limited.envs(client.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = limited.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("take the folder in parts"), "{stderr}");
}

/// A size is only a word: no disk is taken for it before the bytes come.
#[test]
fn announced_size() {
    let script = |line: &str| {
        let first = [&b"150 data size=2147483648 mtime=0\r\n"[..], &header(65536), &[7; 65536]].concat();
        line.starts_with("DOWNLOAD").then_some(first)
    };
    // And then hardly anything more.
    let server = Hostile::without_end(script, [&header(1)[..], b"x"].concat(), Duration::from_millis(50));
    let place = Place::new();
    let mut client = place.command(&["--pin", &server.pin(), "get", &server.target("x"), "dest/"]).spawn().unwrap();
    let part = place.dest().join(".x.sealift-part");
    eventually("the beginning is there", || fs::metadata(&part).is_ok_and(|part| part.len() >= 65536));
    let taken = fs::metadata(&part).unwrap().blocks() * 512;
    kill_process(Pid::from_child(&client), Signal::TERM).unwrap();
    client.wait().unwrap();
    assert!(taken < 16 << 20, "{taken} bytes of the disk are taken for 64 KiB");
}

/// A byte now and then is less than a line or data must come with.
#[test]
fn client_drip() {
    let pause = Duration::from_millis(100);
    let download = |line: &str| {
        let start = [&b"150 data size=1000000 mtime=0\r\n"[..], &header(1_000_000)].concat();
        line.starts_with("DOWNLOAD").then_some(start)
    };
    let stat = |line: &str| line.starts_with("STAT").then(|| b"213 stat type=file size=1".to_vec());
    let list = |line: &str| line.starts_with("LIST").then(|| b"150 data\r\n\0\0\xff\xff".to_vec());
    for (server, words) in [
        (Hostile::without_end(download, b"x".to_vec(), pause), &["get", "--retry", "0"][..]),
        (Hostile::without_end(stat, b"0".to_vec(), pause), &["stat", "--retry", "0"]),
        (Hostile::without_end(list, b"t".to_vec(), pause), &["ls", "--retry", "0"]),
    ] {
        let place = Place::new();
        let target = server.target("x");
        let ran = place.run(&[&["--pin", &server.pin(), "--timeout", "5s"], words, &[&target]].concat());
        ran.failed(6);
        assert!(ran.stderr.contains("less than 1024 bytes a second"), "{ran:?}");
    }
}
