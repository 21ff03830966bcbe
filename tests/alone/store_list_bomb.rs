//! A folder of 100,000 entries takes no more memory to list than a small one. In a process of its own,
//! because it measures that.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::path::Path;

use sealift::files::{RelPath, Store};
use sealift::store::{LocalOptions, LocalStore};

use crate::common::trees::many_names;
use crate::common::{alone, process};

#[test]
fn list_bomb() {
    let _turn = alone();
    if !process::is_of_its_own("store_list_bomb::list_bomb") {
        return;
    }
    // On the disk, making and removing the files takes most of a minute.
    let memory_disk = Path::new("/dev/shm");
    let dir = if memory_disk.is_dir() { tempfile::tempdir_in(memory_disk) } else { tempfile::tempdir() }.unwrap();
    let store = LocalStore::open_path(dir.path(), LocalOptions::default()).unwrap();
    let folder = dir.path().join("many");
    fs::create_dir(&folder).unwrap();
    many_names(&folder, "x", (0..100_000).map(|n| n.to_string()));
    let before = memory();
    let mut listing = store.list(&RelPath::parse(b"many").unwrap(), false).unwrap();
    let mut count = 0;
    while let Some(entry) = listing.next() {
        assert_eq!(entry.unwrap().size, 1);
        count += 1;
    }
    assert_eq!(count, 100_000);
    assert!(memory() < before + 4 * 1024, "KiB: {before} before, {} after", memory());
}

/// Peak memory of this process in KiB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}
