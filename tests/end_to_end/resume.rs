//! Transfers that are cut off: always whole in the end, never mixed, and never sent twice what is proven there.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code outside of a test function")]

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use async_std::task::block_on;
use sealift::client::{
    ConnectOptions, Destination, Download, Endpoint, Observer, Silent, Skip, Transfer, TransferOptions, Upload,
    Verification,
};
use sealift::files::Condition;
use sealift::secret::Secret;
use sealift::{Client, Kind};

use crate::common::running::{Notes, PASSWORD, Running, bytes, p};
use crate::common::{COPIES, Daemon, end_of, eventually, text};

const BLOCK: usize = 16 * 1024 * 1024;
const RESUME: TransferOptions = TransferOptions::new().resume(true).transfers(1).retries(3).streams(1);

/// Stands between client and server, counts what passes, and cuts the connections after so many bytes.
#[derive(Clone)]
struct Cutter {
    address: SocketAddr,
    /// Bytes that may still pass, both ways together.
    left: Arc<AtomicI64>,
    /// Bytes that each connection may bring to the server; it stands still then.
    of_each: Arc<AtomicU64>,
    passed: Arc<AtomicU64>,
    connections: Arc<AtomicUsize>,
}

impl Cutter {
    fn start(server: SocketAddr) -> Cutter {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let cutter = Cutter {
            address: listener.local_addr().unwrap(),
            left: Arc::new(AtomicI64::new(i64::MAX)),
            of_each: Arc::new(AtomicU64::new(u64::MAX)),
            passed: Arc::default(),
            connections: Arc::default(),
        };
        let of = cutter.clone();
        thread::spawn(move || {
            for near in listener.incoming() {
                let near = near.unwrap();
                of.connections.fetch_add(1, Ordering::SeqCst);
                // A server that is gone: the client finds the connection closed.
                let Ok(far) = TcpStream::connect(server) else { continue };
                let (back, to_server) = ((far.try_clone().unwrap(), near.try_clone().unwrap()), (near, far));
                for ((from, to), is_bounded) in [(to_server, true), (back, false)] {
                    let of = of.clone();
                    thread::spawn(move || of.pass(from, to, is_bounded));
                }
            }
        });
        cutter
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream, is_bounded: bool) {
        let mut buffer = vec![0; 64 * 1024];
        let mut brought = 0;
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            brought += count as u64;
            while is_bounded && brought > self.of_each.load(Ordering::SeqCst) {
                thread::sleep(std::time::Duration::from_millis(5));
            }
            let left = self.left.fetch_sub(count as i64, Ordering::SeqCst);
            let count = count.min(usize::try_from(left).unwrap_or(0));
            self.passed.fetch_add(count as u64, Ordering::SeqCst);
            if to.write_all(&buffer[..count]).is_err() || left <= count as i64 {
                break;
            }
        }
        for socket in [&from, &to] {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Lets so many more bytes pass.
    fn cut_after(&self, bytes: u64) {
        self.left.store(i64::try_from(bytes).unwrap(), Ordering::SeqCst);
    }

    /// Has each connection stand still when it has brought so much.
    fn hold_each_after(&self, bytes: u64) {
        self.of_each.store(bytes, Ordering::SeqCst);
    }

    fn passed(&self) -> u64 {
        self.passed.swap(0, Ordering::SeqCst)
    }
}

fn silent() -> Arc<dyn Observer> {
    Arc::new(Silent)
}

fn cutter(server: &Running) -> Cutter {
    Cutter::start(SocketAddr::from(([127, 0, 0, 1], server.endpoint.port)))
}

/// A connection of alice's through the cutter, which lets all of the login pass.
async fn through(server: &Running, cutter: &Cutter) -> Client {
    cutter.cut_after(1 << 40);
    let options = ConnectOptions::new(Verification::Pins(vec![server.pin]));
    let endpoint = Endpoint::new("127.0.0.1", cutter.address.port());
    let mut client = Client::connect(&endpoint, options).await.unwrap();
    client.login("alice", Secret::new(PASSWORD)).await.unwrap();
    client
}

/// A few numbers that look like chance and are the same in each run.
fn chance(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

/// Tries until all is done, cutting each connection somewhere but the last. How often it was cut.
async fn with_cuts(
    server: &Running,
    cutter: &Cutter,
    mut work: Transfer,
    cuts: impl IntoIterator<Item = u64>,
) -> (u64, u64) {
    for (lost, cut) in (0..).zip(cuts.into_iter().map(Some).chain([None])) {
        let mut client = through(server, cutter).await;
        cutter.cut_after(cut.unwrap_or(1 << 40));
        match work.attempt(&mut client, &silent()).await {
            Ok(()) => {
                let summary = work.summary();
                assert!(summary.failed.is_empty(), "{:?}", summary.failed);
                return (lost, summary.files);
            }
            Err(error) => assert!(work.may_retry(&error), "{error}"),
        }
    }
    unreachable!("the last connection is not cut")
}

fn assert_no_leftovers(folder: &Path) {
    let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".sealift-part")), "{left:?}");
}

#[test]
fn many_small_files_cut_anywhere_all_arrive_once() {
    block_on(async {
        let server = Running::start().await;
        let cutter = cutter(&server);
        let (local, down) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let into = Destination::open(&down).unwrap();
        let files: Vec<String> = (0..40).map(|n| format!("f{n}")).collect();
        for (n, name) in files.iter().enumerate() {
            fs::write(local.path().join(name), bytes(n * 997)).unwrap();
        }
        let (mut seed, mut lost) = (7, 0);
        while lost < 180 {
            let cuts: Vec<u64> = (0..6).map(|_| chance(&mut seed, 400_000)).collect();
            let condition = if lost % 2 == 0 { Condition::Any } else { Condition::Absent };
            let up = Transfer::put_tree(local.path(), &p("up"), condition, RESUME);
            let (cut, count) = with_cuts(&server, &cutter, up, cuts.clone()).await;
            assert_eq!(count, 40);
            let back = Transfer::get_tree(&p("up"), &into, &p("down"), condition, RESUME);
            let (cut_down, count) = with_cuts(&server, &cutter, back, cuts).await;
            assert_eq!(count, 40);
            for (n, name) in files.iter().enumerate() {
                assert!(fs::read(server.home("alice").join("up").join(name)).unwrap() == bytes(n * 997), "{name}");
                assert!(fs::read(down.path().join("down").join(name)).unwrap() == bytes(n * 997), "{name}");
            }
            assert_no_leftovers(&down.path().join("down"));
            fs::remove_dir_all(server.home("alice").join("up")).unwrap();
            fs::remove_dir_all(down.path().join("down")).unwrap();
            lost += cut + cut_down;
        }
    });
}

#[test]
fn large_files_cut_anywhere_arrive_whole() {
    block_on(async {
        let server = Running::start().await;
        let cutter = cutter(&server);
        let (local, down) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let into = Destination::open(&down).unwrap();
        let content = bytes(40 * 1024 * 1024 + 12_345);
        fs::write(local.path().join("big"), &content).unwrap();
        let mut seed = 11;
        let mut lost = 0;
        while lost < 20 {
            let cuts: Vec<u64> = (0..5).map(|_| chance(&mut seed, 36 * 1024 * 1024)).collect();
            let up = Transfer::upload(vec![Upload::file(local.path().join("big"), p("big"))], RESUME);
            lost += with_cuts(&server, &cutter, up, cuts.clone()).await.0;
            assert!(fs::read(server.home("alice").join("big")).unwrap() == content);
            let back = Transfer::download(vec![Download::new(p("big"), p("big"))], &into, RESUME);
            lost += with_cuts(&server, &cutter, back, cuts).await.0;
            assert!(fs::read(down.path().join("big")).unwrap() == content);
            assert_no_leftovers(down.path());
            fs::remove_file(down.path().join("big")).unwrap();
        }
    });
}

#[test]
fn only_the_rest_is_moved_and_a_changed_source_starts_over() {
    block_on(async {
        let server = Running::start().await;
        let cutter = cutter(&server);
        let (local, down) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let into = Destination::open(&down).unwrap();
        let (source, remote) = (local.path().join("big"), server.home("alice").join("big"));
        let first = bytes(2 * BLOCK + 1000);
        // Same size, other bytes: in what was sent already, or only in the rest.
        let change = |at: usize| {
            let mut other = first.clone();
            other[at] ^= 1;
            other
        };
        for (second, is_resumed) in [(first.clone(), true), (change(5), false), (change(2 * BLOCK), true)] {
            fs::write(&source, &first).unwrap();
            let time = fs::metadata(&source).unwrap().modified().unwrap();
            let up = || Transfer::upload(vec![Upload::file(&source, p("big"))], RESUME);
            let mut client = through(&server, &cutter).await;
            cutter.cut_after(BLOCK as u64 + 3_000_000);
            assert_eq!(up().attempt(&mut client, &silent()).await.unwrap_err().kind(), Kind::Network);
            drop(client);
            wait_for_partial(&server).await;
            fs::write(&source, &second).unwrap();
            fs::File::options().write(true).open(&source).unwrap().set_modified(time).unwrap();
            let mut client = through(&server, &cutter).await;
            cutter.passed();
            up().attempt(&mut client, &silent()).await.unwrap();
            let moved = cutter.passed();
            assert_eq!(moved < BLOCK as u64 + 1_000_000, is_resumed, "{moved}");
            assert!(fs::read(&remote).unwrap() == second);

            // And back.
            fs::write(&remote, &first).unwrap();
            fs::File::options().write(true).open(&remote).unwrap().set_modified(time).unwrap();
            let back = || Transfer::download(vec![Download::new(p("big"), p("big"))], &into, RESUME);
            let mut client = through(&server, &cutter).await;
            cutter.cut_after(BLOCK as u64 + 3_000_000);
            assert_eq!(back().attempt(&mut client, &silent()).await.unwrap_err().kind(), Kind::Network);
            assert_eq!(fs::metadata(down.path().join(".big.sealift-part")).unwrap().len(), BLOCK as u64);
            fs::write(&remote, &second).unwrap();
            fs::File::options().write(true).open(&remote).unwrap().set_modified(time).unwrap();
            let mut client = through(&server, &cutter).await;
            cutter.passed();
            back().attempt(&mut client, &silent()).await.unwrap();
            let moved = cutter.passed();
            assert_eq!(moved < BLOCK as u64 + 1_000_000, is_resumed, "{moved}");
            assert!(fs::read(down.path().join("big")).unwrap() == second);
            assert_no_leftovers(down.path());
            fs::remove_file(down.path().join("big")).unwrap();
        }
    });
}

/// Until the server has noticed that the connection is gone.
async fn wait_for_partial(server: &Running) {
    let reserved = server.home("alice").join(".sealift");
    let is_there = || {
        let entries = fs::read_dir(&reserved).ok()?;
        entries.flatten().find(|entry| entry.file_name().to_string_lossy().starts_with("b-"))
    };
    while is_there().is_none() {
        async_std::task::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[test]
fn an_upload_stored_before_the_answer_was_lost_is_not_called_existing() {
    block_on(async {
        let server = Running::start().await;
        let cutter = cutter(&server);
        let local = tempfile::tempdir().unwrap();
        let source = local.path().join("a");
        fs::write(&source, bytes(5000)).unwrap();
        let (mut seed, mut stored) = (3, 0);
        for round in 0..60 {
            let job = Upload::file(&source, p("a")).condition(Condition::Absent);
            let mut up = Transfer::upload(vec![job], TransferOptions::default());
            let mut client = through(&server, &cutter).await;
            // The line and the data are 5.2 KB; the answer comes after.
            cutter.cut_after(5_000 + chance(&mut seed, 400));
            let notes = Arc::new(Notes::default());
            let observer: Arc<dyn Observer> = notes.clone();
            if up.attempt(&mut client, &observer).await.is_err() {
                if round % 2 == 0 {
                    // Whatever the server makes of it is done then, on any machine.
                    drop(client);
                    eventually("the session has ended", || server.handle.connections() == 0);
                }
                stored += u32::from(server.home("alice").join("a").exists());
                let mut client = through(&server, &cutter).await;
                up.attempt(&mut client, &observer).await.unwrap();
            }
            let summary = up.summary();
            assert_eq!((summary.files, summary.failed.len(), notes.told().finished.len()), (1, 0, 1));
            fs::remove_file(server.home("alice").join("a")).unwrap();
        }
        assert!(stored > 0, "no cut fell between the commit and the answer");
    });
}

#[test]
fn what_exists_is_skipped_when_asked_to() {
    block_on(async {
        let server = Running::start().await;
        let mut client = server.client("alice").await;
        let local = tempfile::tempdir().unwrap();
        fs::write(local.path().join("a"), "new").unwrap();
        fs::write(server.home("alice").join("a"), "old").unwrap();
        let options = TransferOptions::new().skip_existing(true);
        let job = Upload::file(local.path().join("a"), p("a")).condition(Condition::Absent);
        let notes = Arc::new(Notes::default());
        let observer: Arc<dyn Observer> = notes.clone();
        let mut up = Transfer::upload(vec![job], options);
        up.attempt(&mut client, &observer).await.unwrap();
        let summary = up.summary();
        assert_eq!((summary.files, summary.skipped, summary.failed.len()), (0, 1, 0));
        assert_eq!(notes.told().skipped, [(local.path().join("a"), Skip::Exists)]);
    });
}

/// The program, as alice at this address.
fn sealift(server: &Daemon, args: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sealift"));
    command
        .env_clear()
        .env(COPIES.0, COPIES.1)
        .env("SEALIFT_PASSWORD", PASSWORD)
        .env("HOME", server.place())
        .args(["--pin", server.pin()]);
    command.args(args);
    command
}

fn run(server: &Daemon, args: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = end_of(sealift(server, args), "");
    (status.code(), text(&stderr))
}

#[test]
fn a_killed_server_is_gone_on_with_after_its_restart() {
    let place = tempfile::tempdir().unwrap();
    let server = Daemon::builder().within(place.path()).start();
    server.add_user("alice", PASSWORD, "full");
    let content = bytes(3 * BLOCK + 77);
    let source = place.path().join("big");
    fs::write(&source, &content).unwrap();
    let source = source.to_str().unwrap();
    let cutter = Cutter::start(server.address().parse().unwrap());
    // What is on its way between the processes is less than a block.
    let target = format!("alice@{}/big", cutter.address);
    let mut child = sealift(&server, &["put", "--retry", "0", source, &target]).stderr(Stdio::piped()).spawn().unwrap();
    while cutter.passed.load(Ordering::SeqCst) < (2 * BLOCK + BLOCK / 2) as u64 {
        thread::yield_now();
    }
    server.kill();
    // It had finished if it was faster than the signal.
    let was_cut = !child.wait().unwrap().success();
    let server = Daemon::builder().within(place.path()).start();
    let cutter = Cutter::start(server.address().parse().unwrap());
    let target = format!("alice@{}/big", cutter.address);
    let (code, said) = run(&server, &["put", "-c", source, &target]);
    assert_eq!(code, Some(0), "{said}");
    assert!(fs::read(server.data().join("alice/big")).unwrap() == content);
    if was_cut {
        let moved = cutter.passed();
        assert!(moved < 2 * BLOCK as u64 + 1_000_000, "{moved}");
    }
}

/// How much of a file that comes in parts says that it is whole, of the one that waits in this home.
fn noted(home: &Path) -> u64 {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut value = [0; 8];
    let all: Vec<_> =
        entries(&home.join(".sealift")).flat_map(|session| entries(&session).collect::<Vec<_>>()).collect();
    let noted = all.iter().filter_map(|file| {
        let len = rustix::fs::getxattr(file, "user.sealift.whole", &mut value[..]).ok()?;
        (len == value.len()).then(|| u64::from_le_bytes(value))
    });
    noted.max().unwrap_or(0)
}

#[test]
fn several_connections_go_on_after_the_server_was_killed_where_the_first_gap_was() {
    let place = tempfile::tempdir().unwrap();
    // What is whole is noted at once, and not behind what is waited for meanwhile.
    let start = || Daemon::builder().within(place.path()).args(["--durability", "none"]).start();
    let server = start();
    server.add_user("alice", PASSWORD, "full");
    let content = bytes(20 * BLOCK + 77);
    let source = place.path().join("big");
    fs::write(&source, &content).unwrap();
    let source = source.to_str().unwrap();
    let cutter = Cutter::start(server.address().parse().unwrap());
    // Each connection brings four blocks and stands still in its fifth: together they bring less than all, and what they stand still in is
    // behind the first four.
    cutter.hold_each_after((5 * BLOCK - BLOCK / 4) as u64);
    let target = format!("alice@{}/big", cutter.address);
    let args = ["put", "--streams", "4", "--retry", "0", source, &target];
    let child = sealift(&server, &args).stderr(Stdio::piped()).spawn().unwrap();
    let home = server.data().join("alice");
    eventually("the first four blocks are noted", || noted(&home) >= (4 * BLOCK) as u64);
    server.kill();
    let whole = noted(&home);
    cutter.hold_each_after(u64::MAX);
    let cut = child.wait_with_output().unwrap();
    assert!(!cut.status.success(), "{}", text(&cut.stderr));
    let server = start();
    let cutter = Cutter::start(server.address().parse().unwrap());
    let target = format!("alice@{}/big", cutter.address);
    let (code, said) = run(&server, &["put", "--streams", "4", "-c", source, &target]);
    assert_eq!(code, Some(0), "{said}");
    assert!(fs::read(server.data().join("alice/big")).unwrap() == content);
    assert!(whole >= (4 * BLOCK) as u64, "{whole}: {said}");
    let moved = cutter.passed();
    assert!(moved < content.len() as u64 - whole + 1_000_000, "{moved} of {} behind {whole}: {said}", content.len());
}

#[test]
fn if_exists_says_what_becomes_of_a_file_that_is_there() {
    let server = Daemon::start();
    server.add_user("alice", PASSWORD, "full");
    let (home, here) = (server.data().join("alice"), server.place().join("here"));
    fs::create_dir_all(&home).unwrap();
    let remote = format!("alice@{}/f", server.address());
    let local = here.to_str().unwrap();
    for (mode, code, is_replaced) in [("overwrite", 0, true), ("skip", 0, false), ("fail", 11, false)] {
        for verb in ["put", "get"] {
            fs::write(&here, "local").unwrap();
            fs::write(home.join("f"), "remote").unwrap();
            let names = if verb == "put" { [local, &remote] } else { [&remote, local] };
            let (found, said) = run(&server, &[verb, "--if-exists", mode, names[0], names[1]]);
            assert_eq!(found, Some(code), "{verb} {mode}: {said}");
            let target = if verb == "put" { home.join("f") } else { here.clone() };
            let kept = if verb == "put" { "remote" } else { "local" };
            assert_eq!(fs::read_to_string(target).unwrap() != kept, is_replaced, "{verb} {mode}");
        }
    }
}

#[test]
fn retries_come_to_an_end() {
    let server = Daemon::start();
    server.add_user("alice", PASSWORD, "full");
    let source = server.place().join("f");
    fs::write(&source, bytes(3_000_000)).unwrap();
    let cutter = Cutter::start(server.address().parse().unwrap());
    // Enough for a login, and never for the file.
    cutter.cut_after(1_000_000);
    let target = format!("alice@{}/f", cutter.address);
    let (code, said) = run(&server, &["put", "--retry", "2", source.to_str().unwrap(), &target]);
    assert_eq!(code, Some(6), "{said}");
    assert_eq!(cutter.connections.load(Ordering::SeqCst), 3, "{said}");
    assert_eq!(said.matches("; again in ").count(), 2, "{said}");
    assert!(!server.data().join("alice/f").exists());
}
