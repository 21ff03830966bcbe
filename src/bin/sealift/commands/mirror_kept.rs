//! What a mirror was to remove and did not, and why.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use sealift::client::MirrorSummary;
use sealift::escape::for_people;
use sealift::{Error, Kind};

use crate::output::Output;

/// Tells of it, if there is anything.
pub fn show_kept(summary: &MirrorSummary, out: Output) {
    if summary.kept.is_empty() {
        return;
    }
    for path in &summary.kept {
        out.step(&format!("kept {}", for_people(path.as_os_str().as_bytes())));
    }
    let (kept, failed) = (summary.kept.len(), &summary.transfer.failed);
    let why = format!("nothing was deleted, because not everything was read and transferred{}", named(failed));
    // That fails again each time, until somebody does something about it.
    let never_travels = !failed.is_empty() && failed.iter().all(|(_, error)| error.kind() == Kind::BadPath);
    let next =
        if never_travels { "; with --exclude for what cannot travel the rest is mirrored and deleted" } else { "" };
    out.warn_all(&format!("{why}: {kept} kept at the destination (-v shows which){next}"));
}

/// ` (./m/one and 2 more failed)`: what kept the mirror from deleting.
fn named(failed: &[(PathBuf, Error)]) -> String {
    let Some(((first, _), others)) = failed.split_first() else { return String::new() };
    let first = for_people(first.as_os_str().as_bytes());
    match others.len() {
        0 => format!(" ({first} failed)"),
        count => format!(" ({first} and {count} more failed)"),
    }
}
