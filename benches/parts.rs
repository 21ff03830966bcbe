//! What single parts of a transfer can do, each alone in one thread, in memory: hashing, framing, listing, commands.
//! Prints the median of five runs.
//!
//! `cargo bench --bench parts`
#![allow(clippy::unwrap_used, reason = "a measurement, not the product")]

use std::hint::black_box;
use std::time::Instant;

use sealift::buffers::Buffer;
use sealift::files::{Condition, Entry, EntryKind, Hash, Hasher, Mtime, RelPath, Store};
use sealift::limits;
use sealift::proto::{Command, FrameDecoder, LineDecoder, Piece, UploadArgs, frame, listing};
use sealift::store::{LocalOptions, LocalStore};

const RUNS: usize = 5;
const BYTES: usize = 1024 * 1024 * 1024;
const FRAMES: usize = 10_000_000;
const ENTRIES: usize = 100_000;
const COMMANDS: usize = 1_000_000;

fn main() {
    sealift::fast_copy::ensure();
    let gigabytes = BYTES as f64 / 1e9;
    report("hashing, in chunks as they come", "GB/s", gigabytes, || hash(limits::CHUNK));
    report("hashing, in files of 4 KiB", "GB/s", gigabytes, || hash_files(4096));
    report("framing: frames taken apart", "million/s", FRAMES as f64 / 1e6, frames);
    let entries = ENTRIES as f64 / 1e6;
    let lines = lines();
    report("listing: entries written as lines", "million/s", entries, || drop(black_box(self::lines())));
    report("listing: lines read as entries", "million/s", entries, || read(&lines));
    let home = tempfile::tempdir().unwrap();
    let store = folder(home.path());
    report("listing: a folder read from the store", "million/s", entries, || list(&store));
    let commands = upload_lines();
    report("commands: UPLOAD lines parsed", "million/s", COMMANDS as f64 / 1e6, || parse(&commands));
}

fn report(what: &str, unit: &str, amount: f64, mut work: impl FnMut()) {
    let mut rates: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            work();
            amount / start.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    if let (Some(median), Some(least), Some(most)) = (rates.get(RUNS / 2), rates.first(), rates.last()) {
        println!("{what:<42} {median:>7.2} {unit} ({least:.2} to {most:.2})");
    }
}

fn hash(piece: usize) {
    let mut buffer = Buffer::take();
    let bytes = buffer.room().get_mut(..piece).unwrap_or_default();
    let mut hasher = Hasher::new();
    for _ in 0..BYTES / piece {
        hasher.update(bytes);
    }
    black_box(hasher.finalize());
}

fn hash_files(size: usize) {
    let bytes = vec![0x5a; size];
    for _ in 0..BYTES / size {
        black_box(Hash::of(&bytes));
    }
}

/// Takes the same frames apart again and again. Their length does not matter: no byte of them is touched.
fn frames() {
    const EACH: usize = 64;
    let frame = [&frame::header(1000)[..], &[0x5a; 1000]].concat();
    let stream = frame.repeat(EACH);
    let mut decoder = FrameDecoder::without_trailer();
    let mut count = 0;
    for _ in 0..FRAMES / EACH {
        let mut rest = &*stream;
        while let Some(Piece::Data(bytes)) = decoder.next(&mut rest).unwrap() {
            black_box(bytes);
            count += 1;
        }
    }
    assert_eq!(count, FRAMES);
}

fn path(number: usize) -> RelPath {
    RelPath::parse(format!("folder {}/a file of some length {number}.txt", number % 100).as_bytes()).unwrap()
}

fn lines() -> Vec<u8> {
    let mut lines = Vec::new();
    for number in 0..ENTRIES {
        let mtime = Mtime { secs: 1_700_000_000, nanos: 123_456_789 };
        Entry {
            kind: EntryKind::File,
            size: number as u64,
            mtime,
            mode: None,
            rotten: false,
            mark: None,
            identity: None,
            path: path(number).as_bytes().to_vec(),
        }
        .render(&mut lines);
    }
    lines
}

fn read(mut lines: &[u8]) {
    let mut decoder = LineDecoder::new(listing::LINE_MAX);
    let mut count = 0;
    while let Some(line) = decoder.next(&mut lines).unwrap() {
        black_box(Entry::parse(line).unwrap());
        count += 1;
    }
    assert_eq!(count, ENTRIES);
}

fn folder(home: &std::path::Path) -> LocalStore {
    for number in 0..ENTRIES {
        std::fs::write(home.join(format!("file {number}")), b"").unwrap();
    }
    LocalStore::open_path(home, LocalOptions::default()).unwrap()
}

fn list(store: &LocalStore) {
    let mut listing = store.list(&RelPath::root(), true).unwrap();
    let mut out = Vec::new();
    let mut count = 0;
    while let Some(entry) = listing.next() {
        out.clear();
        entry.unwrap().render(&mut out);
        count += 1;
    }
    assert_eq!(count, ENTRIES);
}

fn upload_lines() -> Vec<u8> {
    let mut lines = Vec::new();
    for number in 0..COMMANDS {
        let mtime = Some(Mtime { secs: 1_700_000_000, nanos: 123_456_789 });
        let (path, size) = (path(number), Some(4096));
        let args =
            UploadArgs { path, size, mtime, mode: None, allocated: None, condition: Condition::Any, resume: None };
        Command::Upload(args).render(&mut lines).unwrap();
    }
    lines
}

fn parse(mut lines: &[u8]) {
    let mut decoder = LineDecoder::new(limits::LINE_MAX);
    let mut count = 0;
    while let Some(line) = decoder.next(&mut lines).unwrap() {
        black_box(Command::parse(line).is_ok());
        count += 1;
    }
    assert_eq!(count, COMMANDS);
}
