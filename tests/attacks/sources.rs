//! Local sources that are no ordinary files: pipes that nobody writes to yet, files that say nothing of their size, files
//! that grow.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use rustix::fs::{FileType, Mode, mknodat};
use rustix::process::Signal;

use crate::common::eventually;
use crate::common::program::{PASSWORD, Proxy, World, signal};

/// What a [`Proxy`] pauses after each piece, so that a file grows many times while it passes.
const MOMENT: Duration = Duration::from_millis(5);

fn make_pipe(path: &Path) {
    mknodat(rustix::fs::CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

#[test]
fn a_pipe_that_nobody_writes_to_is_waited_for_and_one_signal_ends_that() {
    let world = World::trusting();
    make_pipe(&world.local("fifo"));
    let terminal = world.terminal(["put", "./fifo", &world.alice("")]);
    terminal.expect("waiting until somebody writes into ./fifo");
    drop(terminal);

    let mut command = world.command(["put", "./fifo", &world.alice("")]);
    command.env("SEALIFT_PASSWORD", PASSWORD).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    std::io::BufRead::read_line(&mut stderr, &mut said).unwrap();
    assert!(said.contains("waiting"), "{said}");
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn pipes_are_read_to_their_ends_one_after_the_other() {
    let world = World::trusting();
    let (first, second) = (world.local("first"), world.local("second"));
    make_pipe(&first);
    make_pipe(&second);
    // More than a pipe holds, and the second one is opened only when the first one was read.
    let writer = thread::spawn(move || {
        fs::write(first, "1".repeat(300_000)).unwrap();
        fs::write(second, "2".repeat(300_000)).unwrap();
    });
    world.run(["put", "./first", "./second", &world.alice("in/")]).code(0);
    writer.join().unwrap();
    for (name, text) in [("first", "1"), ("second", "2")] {
        assert_eq!(fs::read_to_string(world.remote("alice", "in").join(name)).unwrap(), text.repeat(300_000));
    }
}

#[test]
fn special_files_in_a_tree_are_left_out_and_counted() {
    let world = World::trusting();
    fs::create_dir(world.local("src")).unwrap();
    fs::write(world.local("src/a"), "x").unwrap();
    make_pipe(&world.local("src/fifo"));
    drop(std::os::unix::net::UnixListener::bind(world.local("src/socket")).unwrap());
    let done = world.run(["put", "-r", "src", &world.alice("up")]).code(0).said("skipped src/fifo: not a regular file");
    assert!(done.stderr.contains("2 skipped"), "{}", done.stderr);
}

#[test]
fn a_file_that_says_it_is_empty_and_is_not_is_read_to_its_end() {
    let world = World::trusting();
    fs::write(world.local("empty"), "").unwrap();
    world.run(["put", "/proc/version", "/proc/cmdline", "./empty", &world.alice("proc/")]).code(0);
    for name in ["version", "cmdline"] {
        let here = fs::read(Path::new("/proc").join(name)).unwrap();
        assert_eq!(fs::read(world.remote("alice", "proc").join(name)).unwrap(), here, "{name}");
    }
    assert_eq!(fs::metadata(world.remote("alice", "proc/empty")).unwrap().len(), 0);
}

/// A file to which something is added all the time.
struct Growing {
    path: std::path::PathBuf,
    before: Vec<u8>,
    stop: Arc<AtomicBool>,
    writer: Option<thread::JoinHandle<()>>,
}

impl Growing {
    /// More than what the client and the system hold on the way: over a slow line it takes seconds.
    fn start(path: &Path) -> Growing {
        let before = b"0123456789abcde\n".repeat(960 << 10);
        fs::write(path, &before).unwrap();
        let mut log = File::options().append(true).open(path).unwrap();
        let ((begin, begun), stop) = (sync_channel(0), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let writer = thread::spawn(move || {
            // Bounded, so that a test that fails leaves nothing that fills the disk.
            for turn in 0..60_000 {
                log.write_all(b"0123456789abcde\n").unwrap();
                if turn == 0 {
                    begin.send(()).unwrap();
                }
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        begun.recv().unwrap();
        Growing { path: path.to_owned(), before, stop, writer: Some(writer) }
    }

    /// Whether this is what the file was at one moment since the beginning, and not what it is now.
    #[track_caller]
    fn was(&self, copy: &[u8]) {
        let len = || usize::try_from(fs::metadata(&self.path).unwrap().len()).unwrap();
        eventually("it has grown since", || len() > copy.len());
        let now = fs::read(&self.path).unwrap();
        let is_its_beginning = copy.len() > self.before.len() && copy.len() < now.len() && now.starts_with(copy);
        assert!(is_its_beginning, "{} of {}", copy.len(), now.len());
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.writer.take().unwrap().join();
    }
}

#[test]
fn a_file_that_grows_is_sent_as_long_as_it_was_if_that_is_said() {
    let world = World::trusting();
    let proxy = Proxy::with_pause(&world, MOMENT);
    world.trust(proxy.address);
    fs::create_dir(world.local("logs")).unwrap();
    let growing = Growing::start(&world.local("logs/log"));
    let to = |name: &str| format!("alice@{}/{name}", proxy.address);
    let refused = world.run(["put", "--retry", "0", "./logs/log", &to("plain")]);
    refused.code(8).said("changed while it was sent").said("--growing");
    assert!(!world.remote("alice", "plain").exists());
    world.run(["put", "--growing", "./logs/log", &to("grown")]).code(0);
    growing.was(&fs::read(world.remote("alice", "grown")).unwrap());
    world.run(["mirror", "--growing", "--delete", "./logs", &to("mirrored")]).code(0);
    growing.was(&fs::read(world.remote("alice", "mirrored/log")).unwrap());
}

#[test]
fn a_file_that_grows_on_the_server_is_fetched_as_long_as_it_was_if_that_is_said() {
    let world = World::trusting();
    let proxy = Proxy::with_pause(&world, MOMENT);
    world.trust(proxy.address);
    fs::create_dir(world.remote("alice", "logs")).unwrap();
    let growing = Growing::start(&world.remote("alice", "logs/log"));
    let from = |name: &str| format!("alice@{}/{name}", proxy.address);
    let refused = world.run(["get", "--retry", "0", &from("logs/log"), "plain"]);
    refused.code(8).said("changed while it was sent").said("--growing");
    assert!(!world.local("plain").exists());
    world.run(["get", "--growing", &from("logs/log"), "grown"]).code(0);
    growing.was(&fs::read(world.local("grown")).unwrap());
    let shown = world.run(["cat", "--growing", &from("logs/log")]).code(0);
    growing.was(&shown.stdout);
    world.run(["mirror", "--growing", "--delete", &from("logs"), "./mirrored"]).code(0);
    growing.was(&fs::read(world.local("mirrored/log")).unwrap());
}

#[test]
fn a_file_that_grows_is_gone_on_with_where_its_line_was_lost() {
    let world = World::trusting();
    let proxy = Proxy::with_pause(&world, MOMENT);
    world.trust(proxy.address);
    // With a block and some more to be kept.
    let path = world.remote("alice", "log");
    let growing = Growing::start(&path);
    File::options().append(true).open(&path).unwrap().write_all(&growing.before).unwrap();
    let part = world.local(".copy.sealift-part");
    let mut command = world.command(["get", "-v", "--growing", &format!("alice@{}/log", proxy.address), "copy"]);
    command.env("SEALIFT_PASSWORD", crate::common::program::PASSWORD);
    // More than that of 30 MiB.
    proxy.holds_after(20_000_000);
    let watched = thread::spawn(move || crate::common::program::finish(command, b""));
    let block = sealift::limits::HASH_BLOCK + (1 << 20);
    eventually("a block has come", || fs::metadata(&part).is_ok_and(|part| part.len() > block));
    proxy.cut();
    proxy.lets_all_pass();
    watched.join().unwrap().code(0).said("goes on after 16 MiB");
    growing.was(&fs::read(world.local("copy")).unwrap());
}

#[test]
fn what_is_changed_and_not_only_added_to_is_no_growing_file() {
    let world = World::trusting();
    fs::create_dir(world.remote("alice", "logs")).unwrap();
    let path = world.remote("alice", "logs/log");
    let growing = Growing::start(&path);
    // Its first bytes are others each time that they are read.
    let file = File::options().write(true).open(&path).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let changing = thread::spawn(move || {
        for turn in 0..60_000u64 {
            std::os::unix::fs::FileExt::write_all_at(&file, &turn.to_be_bytes(), 0).unwrap();
            if stopped.load(Ordering::Relaxed) {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
    });
    let said = "changed while it was sent";
    // Slow enough for a change to come on a busy machine.
    world.run(["get", "--growing", "--limit-rate", "10M", &world.alice("logs/log"), "copy"]).code(8).said(said);
    world.run(["cat", "--growing", "--limit-rate", "10M", &world.alice("logs/log")]).code(8).said(said);
    world.run(["mirror", "--growing", "--limit-rate", "10M", &world.alice("logs"), "./mirrored"]).code(8).said(said);
    stop.store(true, Ordering::Relaxed);
    changing.join().unwrap();
    assert!(!world.local("copy").exists() && !world.local("mirrored/log").exists());
    drop(growing);
}
