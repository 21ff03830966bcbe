//! A server deep inside of a folder: where it is cannot be looked for, with all that is stored there, but the system tells
//! which processes hold locks, and what they have open.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use super::{LOCK, is_taken};
use crate::limits;

/// A folder somewhere below this one that a process serves, as far as this account may know of it.
pub(super) fn served_below(folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    let below = |path: &PathBuf| path != &folder && path.starts_with(&folder);
    lock_holders().into_iter().flat_map(served_by).find(|served| below(served) && lives(served))
}

/// The processes that hold a lock on a whole file. None on a system that does not tell.
fn lock_holders() -> BTreeSet<u32> {
    let Ok(locks) = File::open("/proc/locks") else { return BTreeSet::new() };
    let lines = BufReader::new(locks).lines().map_while(std::io::Result::ok).take(limits::SYSTEM_LOCKS_READ);
    let holder = |line: String| {
        let mut words = line.split_whitespace().skip_while(|word| *word != "FLOCK").skip(3);
        words.next()?.parse().ok()
    };
    lines.filter_map(holder).collect()
}

/// The folders whose lock file this process has open.
fn served_by(process: u32) -> Vec<PathBuf> {
    let lock = Path::new(limits::RESERVED_NAME).join(LOCK);
    let Ok(open) = fs::read_dir(format!("/proc/{process}/fd")) else { return Vec::new() };
    let open = open.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    let served = open.filter(|path| path.ends_with(&lock)).filter_map(|path| Some(path.parent()?.parent()?.to_owned()));
    served.collect()
}

/// Whether the lock is held there: the same path may be another one to that process.
fn lives(folder: &Path) -> bool {
    File::open(folder).is_ok_and(|folder| is_taken(&folder))
}
