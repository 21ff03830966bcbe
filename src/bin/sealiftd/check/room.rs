//! Whether the disks have room. A server starts on a full one, to be read from, and keeps nothing that is put there.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;
use sealift::limits;

use super::findings::{Findings, Severity};
use crate::args::Places;

/// A disk, and the places on it, as they are called.
struct Disk {
    number: u64,
    place: PathBuf,
    names: Vec<String>,
}

/// Looks at the disk of each place, once.
pub fn look(places: &Places, audit: Option<&Path>, findings: &mut Findings) {
    let state = places.state();
    let all = [places.data.as_path(), &state, &places.users, &places.certs].into_iter().chain(audit);
    let mut disks: Vec<Disk> = Vec::new();
    for path in all {
        // What is missing comes where the folder above it is.
        let above = path.ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
        let Some((place, about)) = above.into_iter().find_map(|path| Some((path, path.metadata().ok()?))) else {
            continue;
        };
        let name = path.display().to_string();
        match disks.iter_mut().find(|disk| disk.number == about.dev()) {
            Some(disk) => disk.names.push(name),
            None => disks.push(Disk { number: about.dev(), place: place.to_owned(), names: vec![name] }),
        }
    }
    for disk in disks {
        let Ok(room) = statvfs(&disk.place) else { continue };
        let bytes = room.f_bavail.saturating_mul(room.f_frsize);
        let what = match () {
            // Some say nothing of it.
            () if room.f_blocks == 0 => continue,
            () if room.f_bavail == 0 => "is full",
            () if room.f_files > 0 && room.f_favail == 0 => "has room for no more files (inodes)",
            () if bytes < limits::DISK_LITTLE => "is nearly full",
            () => continue,
        };
        let what = format!("the disk of {} {what}: {} KiB are left", disk.names.join(", "), bytes / 1024);
        let next = "make room there, or give it a larger disk: without, nothing can be put there, and users change nothing themselves";
        findings.add(Severity::Warning, what, next);
    }
}
