//! A folder in a home swapped for a link that leads out, without a moment between, while the server works in it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, mkdirat, openat, renameat_with, unlinkat};
use sealift::files::Hash;
use sealift::proto::Verb;

use super::{CANARY, Cage, holds_canary};
use crate::common::{PAYLOAD, RawClient, asks_of, enter, give_up_staged, snapshot};

/// Commands sent without waiting: the more are on their way, the more of them meet a swap.
const BATCH: usize = 32;

/// How long each verb is raced: long with `SEALIFT_LONG=1`.
fn seconds() -> Duration {
    Duration::from_secs(if std::env::var_os("SEALIFT_LONG").is_some() { 10 } else { 1 })
}

/// Puts back what the commands took away or changed, through a handle that no swap deceives.
fn refill(home: &Path, folder: &fs::File) {
    // A folder may have been renamed to it.
    let _ = fs::remove_dir_all(home.join("file"));
    fs::write(home.join("file"), "alice's").unwrap();
    let _ = unlinkat(folder, "new", AtFlags::empty()).or_else(|_| unlinkat(folder, "new", AtFlags::REMOVEDIR));
    let create = OFlags::CREATE | OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW;
    let put = |dir: &dyn Fn() -> rustix::io::Result<std::os::fd::OwnedFd>| {
        let file = dir().and_then(|dir| openat(dir, "canary", create, Mode::from_raw_mode(0o644)));
        if let Ok(file) = file {
            // The server may be removing the very folder.
            let _ = rustix::io::write(file, b"inside");
        }
    };
    put(&|| openat(folder, ".", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()));
    let _ = mkdirat(folder, "folder", Mode::from_raw_mode(0o755));
    put(&|| openat(folder, "folder", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty()));
}

/// Races one verb; says how many commands succeeded.
fn race(client: &mut RawClient, verb: Verb, home: &Path, folder: &fs::File) -> u64 {
    let paths = ["d/canary", "d/folder/canary", "d/folder", "d/new", "d"];
    // Where the name itself can be removed or renamed there would be nothing left to swap.
    let paths = if matches!(verb, Verb::Delete | Verb::Rename) { &paths[..4] } else { &paths };
    let asks: Vec<_> = paths.iter().flat_map(|path| asks_of(verb, path, "file")).collect();
    let mut good = 0;
    let end = Instant::now() + seconds();
    let mut next = asks.iter().cycle();
    while Instant::now() < end {
        refill(home, folder);
        let batch: Vec<_> = next.by_ref().take(BATCH).collect();
        client.send(batch.iter().flat_map(|ask| ask.bytes()).collect::<Vec<u8>>());
        let mut staged = Vec::new();
        for ask in batch {
            let (answer, data) = ask.outcome(client);
            let (digits, word, fields) = &answer;
            let digits = *digits;
            good += u64::from(digits < 300);
            assert!(!holds_canary(&data), "{}", ask.line);
            assert_ne!(fields.get("hash"), Some(&Hash::of(CANARY).to_string()), "{}", ask.line);
            if verb == Verb::Stat && fields.get("type").is_some_and(|kind| kind == "file") {
                assert_ne!(fields["size"], CANARY.len().to_string(), "{}", ask.line);
            }
            assert_ne!(word, "internal", "{}", ask.line);
            staged.push(answer);
        }
        staged.iter().for_each(|answer| give_up_staged(client, answer));
    }
    good
}

fn swap_until(stop: &AtomicBool, swaps: &AtomicU64, home: &Path) {
    while !stop.load(Ordering::Relaxed) {
        renameat_with(CWD, home.join("d"), CWD, home.join("swap"), RenameFlags::EXCHANGE).unwrap();
        swaps.fetch_add(1, Ordering::Relaxed);
    }
}

/// The home as each verb finds it: `d`, a folder, and `swap`, a link to a folder outside with the same names in it.
fn prepare(home: &Path) -> fs::File {
    for name in ["d", "swap"] {
        match fs::symlink_metadata(home.join(name)) {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(home.join(name)).unwrap(),
            Ok(_) => fs::remove_file(home.join(name)).unwrap(),
            Err(_) => {}
        }
    }
    let _ = fs::remove_file(home.join("file"));
    let _ = fs::remove_dir_all(home.join("file"));
    fs::write(home.join("file"), "alice's").unwrap();
    fs::create_dir(home.join("d")).unwrap();
    symlink("../bob", home.join("swap")).unwrap();
    fs::File::open(home.join("d")).unwrap()
}

#[test]
fn symlink_race() {
    let cage = Cage::new();
    let home = cage.world.home("alice");
    let daemon = cage.world.start();
    let outside = cage.outside();
    let mut alice = enter(&daemon, "alice");
    for verb in Verb::ALL.iter().copied().filter(|verb| !asks_of(*verb, "d", "file").is_empty()) {
        let folder = prepare(&home);
        let (stop, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
        let good = std::thread::scope(|scope| {
            scope.spawn(|| swap_until(&stop, &swaps, &home));
            let good = race(&mut alice, verb, &home, &folder);
            stop.store(true, Ordering::Relaxed);
            good
        });
        let swaps = swaps.load(Ordering::Relaxed);
        println!("{}: {good} commands succeeded among {swaps} swaps", verb.name());
        assert!(swaps > 0, "{}", verb.name());
        assert_eq!(cage.outside(), outside, "{}", verb.name());
    }
    // Still of use, and what it wrote is inside.
    prepare(&home);
    assert_eq!(alice.upload("d/new", PAYLOAD).1, "done");
    assert!(snapshot(&home).contains_key(Path::new("d/new")));
}
