//! 10,000 files of 4 KiB in 20 folders through the store: stored in batches of 100, then read. Prints microseconds per
//! file: by the clock, in the program and in the kernel. The raw rows are the same work as bare system calls.
//!
//! `cargo bench --bench store [-- DIRECTORY...]`; by default on tmpfs and on the disk of the target directory.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement, not the product")]

use std::path::Path;
use std::time::Instant;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, fdatasync, fsync, mkdirat, openat, renameat, statat};
use sealift::files::{Durability, Hash, Mtime, RelPath, Store, Upload, UploadSpec};
use sealift::limits;
use sealift::store::{LocalOptions, LocalStore, Staging};

const FILES: usize = 10_000;
const FOLDERS: usize = 20;
const SIZE: usize = 4096;
const BATCH: usize = 100;
const LARGE: usize = 1024 * 1024 * 1024;

fn main() {
    let mut places: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if places.is_empty() {
        places = vec!["/dev/shm".into(), env!("CARGO_TARGET_TMPDIR").into()];
    }
    println!("{:<44} {:>9} {:>9} {:>9}", "microseconds per file", "clock", "program", "kernel");
    for place in places {
        let fresh = || tempfile::tempdir_in(&place).unwrap();
        let dir = fresh();
        measure(&format!("{place} raw write+rename"), FILES, || raw_put(dir.path(), false));
        measure(&format!("{place} raw open+read"), FILES, || raw_get(dir.path()));
        let dir = fresh();
        measure(&format!("{place} raw, synced one by one"), FILES, || raw_put(dir.path(), true));
        for (staging, durability) in [
            (Staging::Hidden, Durability::None),
            (Staging::Beside, Durability::None),
            (Staging::Hidden, Durability::Full),
        ] {
            let dir = fresh();
            let store = LocalStore::open_path(dir.path(), LocalOptions::new(durability, staging)).unwrap();
            let paths = paths();
            for folder in 0..FOLDERS {
                store.make_dir(&RelPath::parse(format!("d{folder}").as_bytes()).unwrap(), false).unwrap();
            }
            let label = format!("{place} store {staging:?} {durability:?}");
            measure(&label, FILES, || put(&store, &paths));
            measure(&format!("{label}, replaced"), FILES, || put(&store, &paths));
            measure(&format!("{place} store open+read"), FILES, || get(&store, &paths));
            measure(&format!("{place} store listed"), FILES, || listed(&store));
        }
        for durability in [Durability::None, Durability::Full] {
            for announced in [false, true] {
                let dir = fresh();
                let store =
                    LocalStore::open_path(dir.path(), LocalOptions::new(durability, Staging::default())).unwrap();
                let label = format!("{place} 1 GiB {durability:?}{}", if announced { ", size told" } else { "" });
                measure(&label, 1, || large(&store, announced));
            }
        }
    }
}

fn paths() -> Vec<RelPath> {
    (0..FILES).map(|n| RelPath::parse(format!("d{}/file-{n}", n * FOLDERS / FILES).as_bytes()).unwrap()).collect()
}

fn measure(label: &str, count: usize, run: impl FnOnce()) {
    let (cpu, start) = (cpu(), Instant::now());
    run();
    let clock = start.elapsed().as_secs_f64();
    let (user, system) = self::cpu();
    let each = 1e6 / count as f64;
    println!("{label:<44} {:>9.1} {:>9.1} {:>9.1}", clock * each, (user - cpu.0) * each, (system - cpu.1) * each);
}

/// Seconds spent in the program and in the kernel, in steps of 10 ms.
fn cpu() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap() / 100.0;
    (ticks(11), ticks(12))
}

fn put(store: &LocalStore, paths: &[RelPath]) {
    let bytes = [7; SIZE];
    for batch in paths.chunks(BATCH) {
        let uploads = batch.iter().map(|path| {
            let mtime = Some(Mtime { secs: 1_000_000_000, nanos: 5 });
            let spec = UploadSpec { size: Some(SIZE as u64), mtime, ..UploadSpec::default() };
            let mut upload = store.begin(path, spec).unwrap();
            upload.append(&bytes).unwrap();
            assert_eq!(upload.len(), SIZE as u64);
            std::hint::black_box(upload.hash());
            upload
        });
        for result in store.commit(uploads.map(Upload::prepare).collect()) {
            result.unwrap();
        }
    }
    store.forget_handles();
}

fn get(store: &LocalStore, paths: &[RelPath]) {
    let mut buffer = vec![0; limits::CHUNK];
    for path in paths {
        let mut source = store.open(path).unwrap();
        let read = source.read_at(0, &mut buffer).unwrap();
        std::hint::black_box(Hash::of(&buffer[..read]));
    }
}

fn listed(store: &LocalStore) {
    let mut listing = store.list(&RelPath::root(), true).unwrap();
    let mut entries = 0;
    while let Some(entry) = listing.next() {
        entry.unwrap();
        entries += 1;
    }
    assert_eq!(entries, FILES + FOLDERS);
}

fn large(store: &LocalStore, announced: bool) {
    let bytes = vec![7; limits::CHUNK];
    let spec = UploadSpec { size: announced.then_some(LARGE as u64), ..UploadSpec::default() };
    let mut upload = store.begin(&RelPath::parse(b"large").unwrap(), spec).unwrap();
    for _ in 0..LARGE / limits::CHUNK {
        upload.append(&bytes).unwrap();
    }
    store.commit_one(upload).unwrap();
}

fn raw_put(root: &Path, sync: bool) {
    let bytes = [7; SIZE];
    let root = openat(CWD, root, OFlags::DIRECTORY, Mode::empty()).unwrap();
    mkdirat(&root, ".tmp", Mode::RWXU).unwrap();
    let staging = openat(&root, ".tmp", OFlags::DIRECTORY, Mode::empty()).unwrap();
    for folder in 0..FOLDERS {
        mkdirat(&root, format!("d{folder}"), Mode::RWXU).unwrap();
        let dir = openat(&root, format!("d{folder}"), OFlags::DIRECTORY, Mode::empty()).unwrap();
        for n in 0..FILES / FOLDERS {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
            let file = openat(&staging, format!("{n}"), flags, Mode::RUSR).unwrap();
            rustix::io::write(&file, &bytes).unwrap();
            std::hint::black_box(Hash::of(&bytes));
            if sync {
                fdatasync(&file).unwrap();
            }
            renameat(&staging, format!("{n}"), &dir, format!("file-{n}")).unwrap();
            if sync {
                fsync(&dir).unwrap();
            }
        }
    }
}

fn raw_get(root: &Path) {
    let root = openat(CWD, root, OFlags::DIRECTORY, Mode::empty()).unwrap();
    let mut buffer = vec![0; limits::CHUNK];
    for folder in 0..FOLDERS {
        let dir = openat(&root, format!("d{folder}"), OFlags::DIRECTORY, Mode::empty()).unwrap();
        for n in 0..FILES / FOLDERS {
            let file = openat(&dir, format!("file-{n}"), OFlags::RDONLY, Mode::empty()).unwrap();
            let stat = statat(&file, "", AtFlags::EMPTY_PATH).unwrap();
            let read = rustix::io::pread(&file, &mut buffer[..], 0).unwrap();
            assert_eq!(read as i64, stat.st_size);
            std::hint::black_box(Hash::of(&buffer[..read]));
        }
    }
}
