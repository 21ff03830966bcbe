//! A full disk: a tiny tmpfs in the place of the data directory, in a mount namespace of the server's own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rustix::fs::statvfs;

use super::faults;
use crate::common::not_run::not_run;
use crate::common::{
    Daemon, PASSWORD, RawClient, World, assert_nothing_staged, enter, part_bytes, section, staged, upload_bytes,
};

/// A server whose data directory is a tmpfs with these options, and the path of alice's home as it is seen from here.
/// None, with the reason said, where nothing can be mounted.
fn on_tmpfs(world: &World, options: &str) -> Option<(Daemon, PathBuf)> {
    on(world, &format!("mount -t tmpfs -o {options} none server_data"))
}

/// The same with what this command of a shell mounts.
fn on(world: &World, mount: &str) -> Option<(Daemon, PathBuf)> {
    // Root in a namespace of mounts, or anybody in one of users too.
    let unshare = ["-m", "-rm"].into_iter().find(|flags| {
        let tried = Command::new("unshare").args([flags, "sh", "-c", mount]).current_dir(world.place()).output();
        tried.is_ok_and(|output| output.status.success())
    });
    let Some(unshare) = unshare else {
        assert!(!rustix::process::geteuid().is_root(), "root cannot do this here: {mount}");
        not_run(&format!("neither root nor a user namespace may do this here: {mount}"));
        return None;
    };
    let script = format!("{mount} && exec \"$0\" \"$@\"");
    let daemon = world.daemon().through(["unshare", unshare, "sh", "-c", &script]).start();
    let root = PathBuf::from(format!("/proc/{}/root", daemon.pid()));
    let home = root.join(world.home("alice").strip_prefix("/").unwrap());
    Some((daemon, home))
}

/// Bytes and inodes that are free.
fn free(home: &PathBuf) -> (u64, u64) {
    let stat = statvfs(home).unwrap();
    (stat.f_bfree * stat.f_bsize, stat.f_ffree)
}

#[test]
fn disk_full() {
    out_of_bytes();
    out_of_inodes();
    faults::no_space();
}

fn out_of_bytes() {
    let world = World::of(&["alice"]);
    let Some((daemon, home)) = on_tmpfs(&world, "size=192k") else { return };
    let mut alice = enter(&daemon, "alice");
    let (old, large) = (vec![1; 50_000], vec![2; 300_000]);
    assert_eq!(alice.upload("x", &old).1, "done");
    let before = free(&home);
    assert!(before.0 > 100_000, "{before:?}");
    // Told in the middle, told at once, and several on their way together.
    for options in ["", " size=300000", " size=2000000", " if=absent"] {
        let name = if options.contains("absent") { "y" } else { "x" };
        let answer = alice.upload(&format!("{name}{options}"), &large);
        assert_eq!((answer.0, answer.1.as_str()), (452, "no-space"), "{options}");
        assert_eq!(fs::read(home.join("x")).unwrap(), old, "{options}");
        assert!(!home.join("y").exists());
        assert_nothing_staged(&home, options);
        assert_eq!(free(&home), before, "the space is back: {options}");
    }
    for n in 0..6 {
        alice.start_upload(&format!("n{n}"), &old);
    }
    let words: Vec<_> = (0..6).map(|_| alice.reply().1).collect();
    let stored = words.iter().filter(|word| *word == "done").count();
    assert!(words.iter().all(|word| word == "done" || word == "no-space") && stored < 6, "{words:?}");
    for (n, word) in words.iter().enumerate() {
        let there = fs::read(home.join(format!("n{n}"))).ok();
        assert_eq!(there.as_deref(), (word == "done").then_some(&old[..]), "n{n}: {word}");
        let _ = alice.ask(format!("DELETE n{n}"));
    }
    assert_eq!(free(&home), before);

    fs::write(world.place().join("large"), &large).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sealift"))
        .args(["--pin", daemon.pin(), "--port", &daemon.port().to_string(), "put", "large", "alice@127.0.0.1/x"])
        .env("SEALIFT_PASSWORD", PASSWORD)
        .current_dir(world.place())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(9), "{output:?}");
    assert_eq!(fs::read(home.join("x")).unwrap(), old);

    // Live, and of use again as soon as there is room.
    assert_eq!(alice.ask("PING").1, "pong");
    assert_eq!(alice.upload("z", &vec![3; 100_000]).1, "done");
    assert_eq!(alice.download("z").unwrap(), vec![3; 100_000]);
}

fn out_of_inodes() {
    let world = World::of(&["alice"]);
    let Some((daemon, home)) = on_tmpfs(&world, "size=1m,nr_inodes=16") else { return };
    let mut alice = enter(&daemon, "alice");
    let mut stored = 0;
    let refused = loop {
        let answer = alice.upload(&format!("f{stored}"), b"1");
        if answer.1 != "done" {
            break answer;
        }
        stored += 1;
        assert!(stored < 16);
    };
    assert_eq!((refused.0, refused.1.as_str()), (452, "no-space"));
    assert_eq!(alice.ask("MKDIR folder").1, "no-space");
    assert_eq!(alice.upload("f0", b"2").1, "no-space", "the new file needs a place before the old one goes");
    assert_eq!(fs::read(home.join("f0")).unwrap(), b"1");
    assert_nothing_staged(&home, "out of inodes");
    assert_eq!(alice.ask("DELETE f0").1, "done");
    assert_eq!(free(&home).1, 1);
    assert_eq!(alice.upload("f0", b"3").1, "done");
    assert_eq!(alice.list("").unwrap().len(), stored);
}

#[test]
fn stage_takes_disk() {
    let world = World::of(&["alice", "bob"]);
    // A real one: memory was never reserved.
    let mount =
        "truncate -s 48M disk && mkfs.ext4 -q -F disk && mount -o loop disk server_data && mkdir server_data/alice";
    let Some((daemon, home)) = on(&world, mount) else { return };
    let (mut alice, mut bob) = (enter(&daemon, "alice"), enter(&daemon, "bob"));
    let free = || {
        let disk = statvfs(&home).unwrap();
        disk.f_bavail * disk.f_frsize
    };
    let before = free();
    assert_eq!(alice.ask(format!("STAGE all size={before}")).1, "no-space", "the last of the disk is not hers");
    let wanted = before - before / 20;
    for n in 0..3 {
        let (_, word, _) = alice.ask(format!("STAGE big{n} size={wanted}"));
        assert_eq!(word, "staged");
    }
    alice.line(format!("UPLOAD big size={wanted}"));
    // What no byte has come for takes no space from others.
    let bytes = vec![7; 20_000_000];
    assert_eq!(bob.upload(&format!("his size={}", bytes.len()), &bytes).1, "done");
    assert_eq!(bob.download("his").unwrap(), bytes);
    assert!(before - free() < 21_000_000, "{} of {before} bytes are taken", before - free());
    // And whoever comes first with bytes has the space, the other is told.
    let large = vec![8; 4 * 1024 * 1024];
    alice.send(vec![crate::common::frames_of(&large); 8].concat());
    assert_eq!(alice.reply().1, "no-space");
}

#[test]
fn a_server_starts_on_a_full_disk_and_room_can_be_made_through_it() {
    for (options, fill) in [
        ("size=192k", "cat /dev/zero > server_data/alice/f0"),
        ("size=1m,nr_inodes=6", "for n in 0 1 2 3 4 5; do touch server_data/alice/f$n; done"),
    ] {
        let world = World::of(&["alice"]);
        let mount = format!(
            "mount -t tmpfs -o {options} none server_data && mkdir server_data/alice server_data/public && ({fill}; true) 2>&-"
        );
        let Some((daemon, home)) = on(&world, &mount) else { return };
        let mut alice = enter(&daemon, "alice");
        assert_eq!(alice.upload("new", b"1").1, "no-space", "{options}");
        for n in 0..3 {
            assert!(n > 0 && !home.join(format!("f{n}")).exists() || alice.ask(format!("DELETE f{n}")).1 == "done");
        }
        // A server of the start after: the room is there from its beginning.
        daemon.log_with(&["not tried what this file system does"]);
        let (_, word, _) = alice.upload("new", b"1");
        assert!(word == "done" || options.contains("inodes"), "{options}: {word}");
    }
}

/// What is deleted is kept, which takes room itself.
#[test]
fn room_can_be_made_on_a_full_disk_where_what_is_deleted_is_kept() {
    for mount in [
        // Without a journal, so that what is free is free.
        "truncate -s 12M disk && mkfs.ext4 -q -F -m 0 -O ^has_journal disk && mount -o loop disk server_data",
        "mount -t tmpfs -o size=32m,nr_inodes=120 none server_data",
    ] {
        let world = World::of(&["alice"]);
        world.set_users(&(section("alice", "\"full\"", "alice") + "trash = \"30d\"\n"));
        let mount = format!("{mount} && mkdir server_data/alice");
        let Some((daemon, home)) = on(&world, &mount) else { return };
        let mut alice = enter(&daemon, "alice");
        let long = format!("docs/{}", "l".repeat(100));
        assert_eq!(alice.ask("MKDIR docs").1, "done");
        for path in [&long, "docs/g", "docs/h"] {
            assert_eq!(alice.upload(path, b"some").1, "done");
        }
        let fill = |alice: &mut RawClient, large: &[u8], from: usize| {
            let mut stored = from;
            while alice.upload(&format!("f{stored}"), large).1 == "done" {
                stored += 1;
            }
            stored
        };
        let stored = fill(&mut alice, &vec![7; 100_000], 0);
        let stored = fill(&mut alice, b"1", stored);
        assert!(stored > 10, "{stored}: {mount}");
        // The disk has nothing left, neither for a note nor for the names in its folder.
        assert_eq!(alice.ask(format!("DELETE {long}")).1, "done", "{mount}");
        for path in ["docs/g", "f0", "f1"] {
            assert_eq!(alice.ask(format!("DELETE {path}")).1, "done", "{path}: {mount}");
        }
        assert_eq!(alice.ask("DELETE docs recursive=yes").1, "done", "{mount}");
        // Nothing went but what was deleted.
        for n in 2..stored {
            assert!(home.join(format!("f{n}")).exists(), "f{n}: {mount}");
        }
        // All at once, and one after the other, down to the last.
        for n in 2..stored {
            assert_eq!(alice.ask(format!("DELETE f{n}")).1, "done", "f{n}: {mount}");
        }
        assert_eq!(alice.ask("PURGE").1, "done", "{mount}");
        assert_eq!(alice.upload("large", &vec![9; 1_000_000]).1, "done", "{mount}");
        assert_eq!(alice.download("large").unwrap(), vec![9; 1_000_000]);
    }
}

#[test]
fn uploads_that_each_fit_leave_the_rest_of_the_disk_to_others_together() {
    each_fits_and_the_rest_stays(|session, size, bytes| {
        session.line(format!("UPLOAD large size={size}"));
        upload_bytes("", bytes).strip_prefix(b"UPLOAD \r\n").unwrap().to_vec()
    });
}

#[test]
fn parts_of_uploads_that_each_fit_leave_the_rest_of_the_disk_to_others_together() {
    each_fits_and_the_rest_stays(|session, size, bytes| {
        let (_, word, fields) = session.ask(format!("STAGE large size={size}"));
        assert_eq!(word, "staged");
        part_bytes(&format!("{} offset=0 length={size}", fields["id"]), bytes)
    });
}

/// `begin` begins an upload of so many bytes, and gives what is to be sent for the rest of it.
fn each_fits_and_the_rest_stays(begin: fn(&mut RawClient, u64, &[u8]) -> Vec<u8>) {
    let world = World::of(&["alice", "bob"]);
    let mount =
        "truncate -s 4G disk && mkfs.ext4 -q -F -m 0 disk && mount -o loop disk server_data && mkdir server_data/alice";
    let Some((daemon, home)) = on(&world, mount) else { return };
    let disk = || statvfs(&home).unwrap();
    let free = || disk().f_bavail * disk().f_frsize;
    let kept = disk().f_blocks * disk().f_frsize / sealift::limits::ROOM_KEPT_PART;
    let fits = 80 * 1024 * 1024;
    let filler = fs::File::create(home.parent().unwrap().join("filler")).unwrap();
    let taken = free() - kept - fits;
    rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), 0, taken).unwrap();
    let size = fits * 6 / 10;
    let bytes = vec![7; usize::try_from(size).unwrap()];
    // Both have begun before anything of either is on the disk.
    let sessions = ["alice", "bob"].map(|user| {
        let mut session = enter(&daemon, user);
        let rest = begin(&mut session, size, &bytes);
        let home = home.parent().unwrap().join(user);
        super::until("the upload has begun", || home.is_dir() && !staged(&home).is_empty());
        (session, rest)
    });
    let words = std::thread::scope(|scope| {
        let uploads = sessions.map(|(mut session, rest)| {
            scope.spawn(move || {
                session.send(rest);
                session.reply().1
            })
        });
        uploads.map(|upload| upload.join().unwrap())
    });
    assert!(words.iter().any(|word| word == "no-space"), "{words:?}");
    // Each may go on for as much before it asks again.
    let missing = kept.saturating_sub(free());
    assert!(missing <= 2 * sealift::limits::WRITE_BACK, "{missing} bytes of what is kept free are taken, {words:?}");
}
