//! Something of the source cannot be read or transferred: then nothing is deleted.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use super::*;
use crate::common::program::{Proxy, without_override};

/// A destination with something that the source has not: it must be there afterwards.
const ONLY_COPY: &str = "important";

fn lock(path: impl AsRef<Path>) {
    fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
}

fn unlock(path: impl AsRef<Path>) {
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// Sends `src` to alice's `m`, which has the only copy of something. `spoil` makes something of the source fail.
#[track_caller]
fn push_keeps_it(case: &str, spoil: impl FnOnce(&World)) {
    let world = World::trusting();
    put(&world.local("src"), "same", "x", 1);
    put(&world.remote("alice", "m"), "report", ONLY_COPY, 1);
    spoil(&world);
    let target = world.alice("m");
    let done = world.run_through(without_override(), ["mirror", "-v", "--delete", "./src", &target]);
    let done = done.code(10).said("nothing was deleted").said("kept m/report");
    assert!(done.stderr.contains("; 1 kept") && !done.stderr.contains(" deleted;"), "{case}: {}", done.stderr);
    assert_eq!(fs::read_to_string(world.remote("alice", "m/report")).unwrap(), ONLY_COPY, "{case}");
}

/// The same the other way.
#[track_caller]
fn pull_keeps_it(case: &str, spoil: impl FnOnce(&World)) {
    let world = World::trusting_through(without_override());
    put(&world.remote("alice", "m"), "same", "x", 1);
    put(&world.local("copy"), "report", ONLY_COPY, 1);
    spoil(&world);
    let done = world.run_through(without_override(), ["mirror", "-v", "--delete", &world.alice("m"), "./copy"]);
    let done = done.code(10).said("nothing was deleted").said("kept ./copy/report");
    assert!(done.stderr.contains("; 1 kept") && !done.stderr.contains(" deleted;"), "{case}: {}", done.stderr);
    assert_eq!(fs::read_to_string(world.local("copy/report")).unwrap(), ONLY_COPY, "{case}");
}

#[test]
fn mirror_deletes_after_failure() {
    push_keeps_it("a name that the protocol cannot carry", |world| put(&world.local("src"), "re\tport", ONLY_COPY, 1));
    push_keeps_it("a file that cannot be read", |world| {
        put(&world.local("src"), "new", ONLY_COPY, 1);
        lock(world.local("src/new"));
    });
    push_keeps_it("a folder that cannot be read", |world| {
        put(&world.local("src"), "new/report", ONLY_COPY, 1);
        lock(world.local("src/new"));
    });
    push_keeps_it("a source deeper than a path may be", |world| {
        let deep = vec!["d"; sealift::limits::DEPTH_MAX].join("/");
        put(&world.local("src"), &format!("{deep}/report"), ONLY_COPY, 1);
    });
    push_keeps_it("a quota that is used up in the middle", |world| {
        edit_alice(world, |alice| alice["quota"] = toml_edit::value("64 KiB"));
        put(&world.local("src"), "report2", &"x".repeat(100_000), 1);
    });
    pull_keeps_it("a name that the protocol cannot carry", |world| {
        put(&world.remote("alice", "m"), "re\tport", ONLY_COPY, 1);
    });
    pull_keeps_it("a file that cannot be read", |world| {
        put(&world.remote("alice", "m"), "new", ONLY_COPY, 1);
        lock(world.remote("alice", "m/new"));
    });
    pull_keeps_it("a folder that cannot be read", |world| {
        put(&world.remote("alice", "m"), "new/report", ONLY_COPY, 1);
        lock(world.remote("alice", "m/new"));
    });
    pull_keeps_it("a folder deeper than is listed", |world| {
        let deep = vec!["d"; sealift::limits::DEPTH_MAX].join("/");
        put(&world.remote("alice", "m"), &format!("{deep}/report"), ONLY_COPY, 1);
    });
    pull_keeps_it("a folder here that cannot be written to", |world| {
        put(&world.remote("alice", "m"), "d/new", ONLY_COPY, 1);
        fs::create_dir(world.local("copy/d")).unwrap();
        fs::set_permissions(world.local("copy/d"), Permissions::from_mode(0o555)).unwrap();
    });
}

#[test]
fn a_file_that_grows_while_it_is_mirrored_deletes_nothing() {
    let world = World::trusting();
    // More than what the client and the system hold on the way: it takes seconds, and the file grows all the time.
    let proxy = Proxy::slow(&world);
    world.trust(proxy.address);
    put(&world.local("src"), "log", &"x".repeat(15 << 20), 1);
    put(&world.remote("alice", "m"), "report", ONLY_COPY, 1);
    let mut log = File::options().append(true).open(world.local("src/log")).unwrap();
    let (grown, stop) = (sync_channel(0), Arc::new(AtomicBool::new(false)));
    let stopped = Arc::clone(&stop);
    let writer = thread::spawn(move || {
        // Bounded, so that a test that fails leaves nothing that fills the disk.
        for turn in 0..60_000 {
            log.write_all(b"line\n").unwrap();
            if turn == 0 {
                grown.0.send(()).unwrap();
            }
            if stopped.load(Ordering::Relaxed) {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
    });
    grown.1.recv().unwrap();
    let done = world.run(["mirror", "--delete", "./src", &format!("alice@{}/m", proxy.address)]);
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    done.code(10).said("nothing was deleted");
    assert_eq!(names(&world.remote("alice", "m")), ["report"]);
}

#[test]
fn a_disk_here_that_gets_full_in_a_pull_deletes_nothing() {
    let world = World::trusting();
    put(&world.remote("alice", "m"), "large", &"x".repeat(300_000), 1);
    fs::create_dir(world.local("copy")).unwrap();
    let script = "mount -t tmpfs -o size=128k none copy && echo important > copy/report || exit 77
        \"$0\" \"$@\"; code=$?; cat copy/report; exit $code";
    let unshare = ["-m", "-rm"].into_iter().find(|flags| {
        let tried = world.run_through(&["unshare", flags, "sh", "-c", "mount -t tmpfs none copy"], [""; 0]);
        tried.code == Some(0)
    });
    let unshare = unshare.unwrap_or_else(|| panic!("neither root nor a user namespace may mount a tmpfs here"));
    let args = ["mirror", "--delete", &world.alice("m"), "./copy"];
    let done = world.run_through(&["unshare", unshare, "sh", "-c", script], args).code(10);
    assert_eq!(done.said("nothing was deleted").stdout(), "important\n");
}

#[test]
fn what_failed_once_is_mended_and_then_it_is_deleted() {
    let world = World::trusting();
    put(&world.local("src"), "new", "x", 1);
    put(&world.remote("alice", "m"), "old", "x", 1);
    lock(world.local("src/new"));
    let args = ["mirror", "--delete", "./src", &world.alice("m")];
    world.run_through(without_override(), args).code(10);
    assert_eq!(names(&world.remote("alice", "m")), ["old"]);
    // A dry run knows what reading the source has shown, and not what a transfer would.
    unlock(world.local("src/new"));
    assert_eq!(counts(&world, &args[1..], 0), [1, 0, 1, 0]);
    assert_eq!(names(&world.remote("alice", "m")), ["new"]);
}
