//! Links, races, odd names, full disks: what others do to the directory of a store while it works.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code outside of a test function")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{CWD, Mode, RenameFlags, mkdirat, openat, renameat_with};
use sealift::files::{Condition, Durability, Entry, EntryKind, RelPath, Store, UploadSpec};
use sealift::limits;
use sealift::store::{LocalOptions, LocalStore, Root, Staging};
use sealift::{Error, Kind, Result};

use crate::common::eventually;
use crate::common::home::{Home, list, p, put, put_if, read};

const FAST: LocalOptions = LocalOptions::new(Durability::None, Staging::Hidden);

fn entries(store: &LocalStore, path: &str, recursive: bool) -> (Vec<Entry>, Vec<Error>) {
    let mut listing = store.list(&p(path), recursive).unwrap();
    let (mut entries, mut errors) = (Vec::new(), Vec::new());
    while let Some(entry) = listing.next() {
        match entry {
            Ok(entry) => entries.push(entry),
            Err(err) => errors.push(err.error),
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    (entries, errors)
}

/// A home with a folder beside it that holds a canary.
fn home_and_outside() -> (Home, std::path::PathBuf) {
    let home = Home::with(FAST);
    let outer = home.dir.path().to_owned();
    for folder in ["home", "outside"] {
        fs::create_dir(outer.join(folder)).unwrap();
    }
    fs::write(outer.join("outside/canary"), "alive").unwrap();
    let store = LocalStore::open_path(&outer.join("home"), FAST).unwrap();
    (Home { store, dir: home.dir }, outer)
}

#[test]
fn symlink_planted() {
    let (home, outer) = home_and_outside();
    let (store, inside) = (&home.store, outer.join("home"));
    fs::create_dir_all(inside.join("real/sub")).unwrap();
    fs::write(inside.join("real/file"), "inside").unwrap();
    for (target, name) in [
        ("/", "root"),
        ("/etc/passwd", "absolute"),
        ("../outside", "relative"),
        ("../outside/canary", "canary"),
        ("real/../../outside/canary", "winding"),
        ("loop", "loop"),
        ("missing", "dangling"),
        ("real/file", "good"),
        ("real", "folder"),
        ("folder/file", "twice"),
        ("../file", "real/sub/up"),
        (".", "self"),
    ] {
        symlink(target, inside.join(name)).unwrap();
    }

    for name in ["absolute", "canary", "winding", "loop", "dangling", "root/etc/passwd", "relative/canary", "self"] {
        let kind = read(store, name).unwrap_err().kind();
        let refused = [Kind::Denied, Kind::NotFound, Kind::NotRegular, Kind::IsDirectory, Kind::NotDirectory];
        assert!(refused.contains(&kind), "{name}: {kind:?}");
    }
    for name in ["good", "folder/file", "twice", "real/sub/up", "folder/sub/up", "self/good"] {
        assert_eq!(read(store, name).unwrap(), b"inside", "{name}");
        let meta = store.stat(&p(name)).unwrap();
        assert_eq!((meta.kind, meta.size), (EntryKind::File, 6), "{name}");
    }
    for name in ["root", "relative", "canary", "loop", "dangling", "folder", "self"] {
        assert_eq!(store.stat(&p(name)).unwrap().kind, EntryKind::Link, "{name}");
    }
    for name in ["root", "relative"] {
        assert!(store.list(&p(name), true).is_err(), "{name}");
        assert!(put(store, &format!("{name}/new"), b"x").is_err());
        assert!(store.make_dir(&p(&format!("{name}/a/b")), true).is_err());
        assert!(store.remove(&p(&format!("{name}/canary")), false).is_err());
        assert!(store.rename(&p(&format!("{name}/canary")), &p("got"), false).is_err());
        assert!(store.rename(&p("good"), &p(&format!("{name}/put")), false).is_err());
    }

    let (found, errors) = entries(store, "", true);
    assert!(errors.is_empty());
    for entry in &found {
        let path = String::from_utf8_lossy(&entry.path);
        let expected = match &*path {
            "real/file" => EntryKind::File,
            "real" | "real/sub" => EntryKind::Directory,
            _ => EntryKind::Link,
        };
        assert_eq!(entry.kind, expected, "{path}");
    }
    assert_eq!(found.len(), 15, "no link is gone into");
    assert_eq!(list(store, "folder", false), ["file", "sub"]);

    // Writing replaces the link, removing takes the link.
    for name in ["canary", "absolute", "good"] {
        put(store, name, b"new").unwrap();
        assert!(fs::symlink_metadata(inside.join(name)).unwrap().is_file());
    }
    assert_eq!(fs::read(inside.join("real/file")).unwrap(), b"inside");
    for name in ["root", "relative", "winding", "folder"] {
        store.remove(&p(name), true).unwrap();
    }
    assert_eq!(fs::read(outer.join("outside/canary")).unwrap(), b"alive");
    assert_eq!(fs::read_dir(outer.join("outside")).unwrap().count(), 1);
}

/// A thread swaps a folder and a link that leads out, without a moment between, while every operation runs.
#[test]
fn symlink_race() {
    let (home, outer) = home_and_outside();
    let (store, inside) = (&home.store, outer.join("home"));
    fs::create_dir_all(inside.join("d/sub")).unwrap();
    fs::write(inside.join("d/canary"), "inside").unwrap();
    symlink("../outside", inside.join("link")).unwrap();
    let stop = AtomicBool::new(false);
    let (mut written, mut swaps) = (0, 0);
    std::thread::scope(|scope| {
        let swapper = scope.spawn(|| {
            let mut swaps = 0;
            while !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, inside.join("d"), CWD, inside.join("link"), RenameFlags::EXCHANGE).unwrap();
                swaps += 1;
            }
            swaps
        });
        let end = Instant::now() + Duration::from_secs(2);
        let mut n = 0;
        while Instant::now() < end {
            n += 1;
            match n % 8 {
                0 => drop(store.make_dir(&p(&format!("d/m{n}/x")), true)),
                1 => drop(store.remove(&p("d/canary"), false)),
                2 => drop(store.rename(&p("d/new"), &p("d/canary"), true)),
                3 => drop(store.remove(&p(&format!("d/m{}", n - 3)), true)),
                4 => drop(store.list(&p("d"), true).map(|mut listing| while listing.next().is_some() {})),
                _ => written += usize::from(put(store, "d/new", b"inside").is_ok()),
            }
            if let Ok(bytes) = read(store, "d/canary") {
                assert_eq!(bytes, b"inside");
            }
            if let Ok(meta) = store.stat(&p("d/canary")) {
                assert_eq!(meta.size, 6);
            }
            store.forget_handles();
        }
        stop.store(true, Ordering::Relaxed);
        swaps = swapper.join().unwrap();
    });
    assert!(written > 0 && swaps > 0, "{written} {swaps}");
    assert_eq!(fs::read(outer.join("outside/canary")).unwrap(), b"alive");
    assert_eq!(fs::read_dir(outer.join("outside")).unwrap().count(), 1);
}

#[test]
fn fifo_device() {
    let home = Home::with(FAST);
    let root = home.dir.path();
    assert!(Command::new("mkfifo").arg(root.join("fifo")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    symlink("fifo", root.join("link")).unwrap();
    for name in ["fifo", "socket", "link"] {
        assert_eq!(read(&home.store, name).unwrap_err().kind(), Kind::NotRegular, "{name}");
    }
    let kinds: Vec<EntryKind> = entries(&home.store, "", true).0.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [EntryKind::Other, EntryKind::Link, EntryKind::Other]);
    // A condition on its hash neither hangs nor holds.
    let condition = Condition::Hash(sealift::files::Hash::of(b""));
    assert_eq!(put_if(&home.store, "fifo", b"x", condition).unwrap_err().kind(), Kind::Changed);
    assert!(fs::metadata(root.join("fifo")).unwrap().file_type().is_fifo());
    // Nothing takes its place, whatever brings it: it is somebody's end of something.
    put(&home.store, "file", b"whole").unwrap();
    let other = Home::with(FAST);
    put(&other.store, "file", b"from elsewhere").unwrap();
    for name in ["fifo", "socket"] {
        let refused = |what: &str, done: sealift::Result<()>| {
            assert_eq!(done.map_err(|error| error.kind()), Err(Kind::NotRegular), "{what} {name}");
        };
        refused("upload", put(&home.store, name, b"replaced").map(drop));
        refused("rename", home.store.rename(&p("file"), &p(name), true).map(drop));
        refused("supersede", home.store.supersede(&p("file"), &p(name)).map(drop));
        let seen = sealift::files::SeenAt::ANYTHING;
        refused("move", home.store.rename_from(&other.store, &p("file"), &p(name), true, &seen).map(drop));
        assert!(!fs::metadata(root.join(name)).unwrap().is_file());
        // By its name it can be moved, also onto itself, and removed.
        home.store.rename(&p(name), &p(name), true).unwrap();
        home.store.rename(&p(name), &p("moved"), true).unwrap();
        home.store.rename(&p("moved"), &p(name), true).unwrap();
    }
    assert_eq!(read(&other.store, "file").unwrap(), b"from elsewhere");
    home.store.remove(&p("socket"), false).unwrap();
}

#[test]
fn names_of_any_bytes_are_listed_as_they_are() {
    let home = Home::with(FAST);
    let names: [&[u8]; 5] = [b"\x1b[31m", b"a\r\n226 ok", b"\xff\xfe", &[b'n'; 255], "\u{202e}x".as_bytes()];
    for name in names {
        let folder = home.dir.path().join(OsStr::from_bytes(name));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("in\nside"), "1").unwrap();
    }
    symlink(OsStr::from_bytes(b"a\r\n226 ok/in\nside"), home.dir.path().join("link")).unwrap();
    let (found, errors) = entries(&home.store, "", true);
    assert!(errors.is_empty());
    let mut expected: Vec<Vec<u8>> = vec![b"link".to_vec()];
    for name in names {
        expected.push(name.to_vec());
        expected.push([name, b"/in\nside"].concat());
    }
    expected.sort();
    assert_eq!(found.iter().map(|entry| entry.path.clone()).collect::<Vec<_>>(), expected);
    let long = RelPath::parse(&[b'n'; 255]).unwrap();
    assert_eq!(home.store.stat(&long).unwrap().kind, EntryKind::Directory);
    home.store.remove(&long, true).unwrap();
}

#[test]
fn the_longest_name_can_be_stored_either_way() {
    for staging in [Staging::Hidden, Staging::Beside] {
        let home = Home::with(LocalOptions::new(FAST.durability, staging));
        let name = "é".repeat(127) + "x";
        put(&home.store, &name, b"1").unwrap();
        assert_eq!(read(&home.store, &name).unwrap(), b"1");
    }
}

#[test]
fn concurrent_same_name() {
    for staging in [Staging::Hidden, Staging::Beside] {
        let home = Home::with(LocalOptions::new(FAST.durability, staging));
        let root = home.dir.path();
        let write = |n: u8| {
            let store = LocalStore::open_path(root, LocalOptions::new(FAST.durability, staging)).unwrap();
            for _ in 0..20 {
                let mut upload = store.begin(&p("x"), UploadSpec::default()).unwrap();
                for _ in 0..8 {
                    upload.append(&[n; 5000]).unwrap();
                }
                store.commit_one(upload).unwrap();
                let bytes = read(&store, "x").unwrap();
                assert!(bytes.len() == 40_000 && bytes.iter().all(|b| *b == bytes[0]), "never a mix");
            }
        };
        std::thread::scope(|scope| {
            for n in 0..16 {
                scope.spawn(move || write(n));
            }
        });
        assert_eq!(list(&home.store, "", true), ["x"]);
        drop(home.store);
        let left =
            fs::read_dir(root).unwrap().filter(|entry| entry.as_ref().unwrap().file_name() != ".sealift").count();
        assert_eq!(left, 1);
    }
}

/// Of 16 who write at once under a condition that one of them makes false, one does.
#[test]
fn of_many_conditional_writers_one_wins() {
    let home = Home::with(FAST);
    let root = home.dir.path();
    let dir = Dir::open_ambient_dir(root, ambient_authority()).unwrap();
    let folder = Arc::new(Root::alone(&dir).unwrap());
    for round in 0..20 {
        let name = format!("x{}", round / 2);
        let (condition, loser) = match round % 2 {
            0 => (Condition::Absent, Kind::Exists),
            _ => {
                (Condition::Hash(home.store.open(&p(&name)).map(|_| first_hash(&home, &name)).unwrap()), Kind::Changed)
            }
        };
        let barrier = std::sync::Barrier::new(16);
        let write = |n: usize| -> Result<()> {
            let store = LocalStore::over(Arc::clone(&folder), FAST);
            let mut upload = store.begin(&p(&name), UploadSpec { condition, ..Default::default() }).unwrap();
            upload.append(format!("{round} {n}").as_bytes()).unwrap();
            barrier.wait();
            store.commit_one(upload).map(drop)
        };
        let results: Vec<Result<()>> = std::thread::scope(|scope| {
            let write = &write;
            let threads: Vec<_> = (0..16).map(|n| scope.spawn(move || write(n))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let winners: Vec<usize> = (0..16).filter(|n| results[*n].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{condition:?}");
        assert_eq!(read(&home.store, &name).unwrap(), format!("{round} {}", winners[0]).as_bytes());
        for err in results.into_iter().filter_map(Result::err) {
            assert_eq!(err.kind(), loser);
        }
    }
}

fn first_hash(home: &Home, name: &str) -> sealift::files::Hash {
    sealift::files::Hash::of(&read(&home.store, name).unwrap())
}

/// A small file system of its own, unmounted when dropped.
pub struct Mounted(pub tempfile::TempDir);

impl Mounted {
    pub fn new(options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(dir.path()).output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Mounted(dir));
        }
        println!("skipped: a tmpfs cannot be mounted here");
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn disk_full() {
    let Some(disk) = Mounted::new("size=192k") else { return };
    for staging in [Staging::Hidden, Staging::Beside] {
        let store = LocalStore::open_path(disk.0.path(), LocalOptions::new(Durability::Full, staging)).unwrap();
        put(&store, "x", b"old").unwrap();
        let mut upload = store.begin(&p("x"), UploadSpec::default()).unwrap();
        let full = (0..100).find_map(|_| upload.append(&[1; 4096]).err()).unwrap();
        assert_eq!(full.kind(), Kind::NoSpace);
        assert_eq!(store.commit_one(upload).unwrap_err().kind(), Kind::Io, "not after a failed write");
        assert_eq!(read(&store, "x").unwrap(), b"old");
        // Known before a byte is sent.
        let size = Some(2 * limits::ROOM_CHECK_MIN);
        let refused = store.begin(&p("x"), UploadSpec { size, ..Default::default() });
        assert_eq!(refused.err().unwrap().kind(), Kind::NoSpace);
        // The space is back.
        put(&store, "y", &[2; 150_000]).unwrap();
        store.remove(&p("y"), false).unwrap();
    }
}

#[test]
fn a_disk_too_full_to_resume_keeps_the_partial() {
    let Some(disk) = Mounted::new("size=20m") else { return };
    for staging in [Staging::Hidden, Staging::Beside] {
        let store = LocalStore::open_path(disk.0.path(), LocalOptions::new(FAST.durability, staging)).unwrap();
        let mut upload = store.begin(&p("x"), UploadSpec::default()).unwrap();
        let block = vec![1; usize::try_from(limits::HASH_BLOCK).unwrap()];
        upload.append(&block).unwrap();
        assert_eq!(upload.keep(), limits::HASH_BLOCK);
        let partial = store.partial(&p("x")).unwrap().unwrap();
        let spec = UploadSpec { size: Some(2 * limits::HASH_BLOCK), ..Default::default() };
        let refused = store.resume(&p("x"), spec, partial.len, partial.hash);
        assert_eq!(refused.err().unwrap().kind(), Kind::NoSpace);
        assert_eq!(store.partial(&p("x")).unwrap(), Some(partial));
        drop(store.resume(&p("x"), UploadSpec::default(), partial.len, partial.hash).unwrap());
    }
}

#[test]
fn out_of_inodes() {
    let Some(disk) = Mounted::new("size=1m,nr_inodes=12") else { return };
    let store = LocalStore::open_path(disk.0.path(), LocalOptions::default()).unwrap();
    let full = (0..20).find_map(|n| put(&store, &format!("f{n}"), b"1").err()).unwrap();
    assert_eq!(full.kind(), Kind::NoSpace);
    assert_eq!(read(&store, "f0").unwrap(), b"1");
    store.remove(&p("f0"), false).unwrap();
    put(&store, "again", b"1").unwrap();
}

#[test]
fn another_file_system_below_the_root_is_said_plainly() {
    let home = Home::with(FAST);
    let mount = home.dir.path().join("mount");
    fs::create_dir(&mount).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&mount).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("skipped: a tmpfs cannot be mounted here");
        return;
    }
    // A small file is made where it will stay, but what replaces a file, or may be resumed, waits in the root.
    let small = put(&home.store, "mount/small", b"1");
    let over = put(&home.store, "mount/small", b"2");
    let kept = fs::read(mount.join("small"));
    let mut upload = home.store.begin(&p("mount/x"), UploadSpec::default()).unwrap();
    upload.append(b"1").unwrap();
    let result = home.store.commit_one(upload);
    home.store.forget_handles();
    // A program that another test starts has a handle of it for a moment.
    eventually("nobody has a handle of it", || Command::new("umount").arg(&mount).status().unwrap().success());
    assert_eq!(small.unwrap().size, 1);
    assert_eq!(kept.unwrap(), b"1");
    for failed in [over.unwrap_err(), result.unwrap_err()] {
        assert_eq!(failed.kind(), Kind::Io);
        assert!(failed.text().contains("file system"), "{failed}");
    }
}

#[test]
fn what_is_mounted_in_a_folder_is_not_removed_with_it() {
    let (home, elsewhere) = (Home::with(FAST), tempfile::tempdir().unwrap());
    let at = |name: &str| home.dir.path().join(name);
    fs::create_dir_all(at("d/sub/mount")).unwrap();
    fs::write(at("d/file"), "goes").unwrap();
    fs::write(elsewhere.path().join("file"), "stays").unwrap();
    // Of the same file system, or another one.
    let bind = Command::new("mount").arg("--bind").arg(elsewhere.path()).arg(at("d/sub/mount")).output();
    if !bind.is_ok_and(|output| output.status.success()) {
        println!("skipped: nothing can be mounted here");
        return;
    }
    let removed = ["d", "d/sub/mount"].map(|path| home.store.remove(&p(path), true));
    home.store.forget_handles();
    let left = fs::read_to_string(elsewhere.path().join("file"));
    eventually("nobody has a handle of it", || {
        Command::new("umount").arg(at("d/sub/mount")).status().unwrap().success()
    });
    assert_eq!(left.unwrap(), "stays");
    for removed in removed {
        let error = removed.unwrap_err();
        assert_eq!(error.kind(), Kind::Denied);
        assert!(error.text().starts_with("d/sub/mount: something is mounted here"), "{error}");
    }
    home.store.remove(&p("d"), true).unwrap();
}

#[test]
fn what_is_too_deep_is_said_once_a_folder_the_rest_is_listed_and_all_can_be_removed() {
    let home = Home::with(FAST);
    // Deeper than any path that can be written: made handle by handle.
    let mut dir = openat(CWD, home.dir.path(), rustix::fs::OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..1000 {
        mkdirat(&dir, "d", Mode::RWXU).unwrap();
        dir = openat(&dir, "d", rustix::fs::OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    put(&home.store, "beside", b"1").unwrap();
    let (found, errors) = entries(&home.store, "", true);
    assert_eq!(found.len(), limits::DEPTH_MAX + 1);
    assert_eq!(errors.iter().map(Error::kind).collect::<Vec<_>>(), [Kind::PathTooLong]);
    let deep = vec!["d"; 60].join("/");
    let (found, errors) = entries(&home.store, &deep, true);
    assert_eq!((found.len(), errors.len()), (4, 1));
    home.store.remove(&p("d"), true).unwrap();
    assert_eq!(list(&home.store, "", true), ["beside"]);
}

#[test]
fn a_folder_swapped_under_a_kept_handle_is_seen_after_forgetting() {
    let home = Home::with(FAST);
    let root: &Path = home.dir.path();
    home.store.make_dir(&p("d"), false).unwrap();
    put(&home.store, "d/x", b"old").unwrap();
    fs::rename(root.join("d"), root.join("e")).unwrap();
    fs::create_dir(root.join("d")).unwrap();
    home.store.forget_handles();
    put(&home.store, "d/x", b"new").unwrap();
    assert_eq!(read(&home.store, "d/x").unwrap(), b"new");
    assert_eq!(read(&home.store, "e/x").unwrap(), b"old");
    // The store's own changes need no reminder.
    home.store.rename(&p("d"), &p("f"), false).unwrap();
    assert_eq!(read(&home.store, "d/x").unwrap_err().kind(), Kind::NotFound);
}
