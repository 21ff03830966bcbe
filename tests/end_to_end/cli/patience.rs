//! How long the program waits, and for whom: a server that reads a whole file says nothing meanwhile, a further connection may never
//! come, and a storage that does not answer is no line that was lost.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sealift::limits;

use crate::common::liar::{IDS, Liar};
use crate::common::program::World;
use crate::common::stalling::Stalling;

/// A server that reads a file for longer than the program waits for one that is silent.
fn reads_for_long(answer: &str) -> Vec<u8> {
    std::thread::sleep(Duration::from_secs(6));
    answer.as_bytes().to_vec()
}

#[test]
fn a_server_that_reads_a_whole_file_is_waited_for() {
    let world = World::new();
    let answer = format!("213 hash size=4 mtime=0 hash={} {IDS}\r\n", blake3::hash(b"data"));
    let said = answer.clone();
    let liar = Liar::start(move |_| reads_for_long(&said));
    let words = ["--pin", &liar.pin, "--timeout", "4s", "--retry", "0"];
    world.run([&words[..], &["hash", &format!("{}/x", liar.address)]].concat()).code(0);

    // As it is asked to prove that a download may go on.
    let liar = Liar::start(move |line| match line.starts_with("HASH ") {
        true => reads_for_long(&answer),
        false => format!("550 not-found {IDS}\r\n").into_bytes(),
    });
    let part = fs::File::create(world.local(".x.sealift-part")).unwrap();
    part.set_len(sealift::limits::HASH_BLOCK).unwrap();
    let words = ["--pin", &liar.pin, "--timeout", "4s", "--retry", "0"];
    world.run([&words[..], &["get", "-c", &format!("{}/x", liar.address)]].concat()).code(3);
    let received = String::from_utf8(liar.received()).unwrap();
    assert!(received.contains("\nHASH x length=16777216") && received.contains("\nDOWNLOAD x"), "{received}");
}

#[test]
fn a_further_connection_that_never_greets_leaves_the_transfer_to_the_others() {
    let world = World::trusting();
    fs::create_dir(world.remote("alice", "tree")).unwrap();
    for n in 0..20 {
        fs::write(world.remote("alice", "tree").join(n.to_string()), "x").unwrap();
    }
    fs::File::create(world.remote("alice", "large")).unwrap().set_len(sealift::limits::STREAM_MIN).unwrap();
    for words in
        [&["get", "--streams", "2", "host/large", "large"][..], &["get", "-r", "--transfers", "2", "host/tree", "tree"]]
    {
        let line = Stalling::start(world.server.address());
        world.trust(line.address);
        let words = words.iter().map(|word| word.replace("host/", &format!("alice@{}/", line.address)));
        let words: Vec<_> =
            ["-v", "--timeout", "10s", "--retry", "0"].map(str::to_owned).into_iter().chain(words).collect();
        world.run(&words).code(0).said("1 of 2 connections: ");
        assert_eq!(line.connections(), 2, "{words:?}");
    }
    assert_eq!(fs::metadata(world.local("large")).unwrap().len(), sealift::limits::STREAM_MIN);
    assert_eq!(fs::read_dir(world.local("tree")).unwrap().count(), 20);
}

#[test]
fn a_program_that_hangs_up_at_once_and_is_perhaps_no_server_is_not_tried_for_minutes() {
    let world = World::new();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let end = Arc::new(AtomicBool::new(false));
    let is_over = Arc::clone(&end);
    let other = std::thread::spawn(move || {
        let mut calls = 0;
        while let Ok((line, _)) = other.accept() {
            drop(line);
            if is_over.load(Ordering::SeqCst) {
                break;
            }
            calls += 1;
        }
        calls
    });
    let at = format!("alice@{address}/");
    let done = world.run(["ls", &at]).code(6).said("another program may be at that port");
    assert_eq!(done.stderr.matches("; again in ").count(), limits::RETRIES_UNHEARD as usize, "{}", done.stderr);
    // Whoever asks for a number of tries gets them.
    let done = world.run(["--retry", "4", "ls", &at]).code(6);
    assert_eq!(done.stderr.matches("; again in ").count(), 4, "{}", done.stderr);
    end.store(true, Ordering::SeqCst);
    drop(TcpStream::connect(address).unwrap());
    assert_eq!(other.join().unwrap(), limits::RETRIES_UNHEARD + 1 + 4 + 1);
}

/// The server of this test takes one connection and no other.
#[test]
fn what_a_storage_does_not_answer_is_asked_again_over_the_same_connection() {
    let world = World::new();
    let busy_once = || {
        let mut is_busy = true;
        Liar::start(move |line| match line.starts_with("STAT x") {
            true if std::mem::take(&mut is_busy) => format!("451 unavailable {IDS} :busy\r\n").into_bytes(),
            true => format!("213 stat type=file size=4 mtime=0 {IDS}\r\n").into_bytes(),
            false => format!("200 pong {IDS}\r\n").into_bytes(),
        })
    };
    let liar = busy_once();
    world.run(["--pin", &liar.pin, "stat", &format!("{}/x", liar.address)]).code(0).said("busy; again in ");
    let liar = busy_once();
    let shell = ["--pin", &liar.pin, "shell", &format!("{}/", liar.address)];
    world.run_with(shell, b"stat x\n").code(0).said("busy; again in ");
}
