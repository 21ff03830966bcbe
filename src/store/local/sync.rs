//! Making a batch durable with as few waits for the disk as there can be.
//!
//! A failed sync is never tried again: the kernel has already forgotten what could not be written.

use std::os::fd::AsFd;
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{fdatasync, fstat, fsync, syncfs};
use rustix::io::Errno;

use super::super::file_system::is_of_this_machine;
use super::commit::Placed;
use super::names::Touched;
use super::upload::LocalUpload;
use crate::error::{Error, Kind, Result};
use crate::files::{RelPath, Upload};
use crate::limits;

/// The file systems that were synced as a whole, and how that went; none for one where that syncs nothing. Mostly one: staging
/// beside targets may meet several.
#[derive(Default)]
struct Devices(Vec<(u64, Option<Result<(), Errno>>)>);

impl Devices {
    /// Syncs the whole file system this file or directory is on, unless that was done; this alone by `alone` where the kernel
    /// does not have the program behind the file system (FUSE), or the machine, sync it.
    fn sync(&mut self, file: impl AsFd, alone: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
        let device = fstat(&file)?.st_dev;
        let known = self.0.iter().find(|(known, _)| *known == device).map(|(_, synced)| *synced);
        let synced = known.unwrap_or_else(|| {
            let synced = is_of_this_machine(&file).then(|| syncfs(&file));
            self.0.push((device, synced));
            synced
        });
        synced.unwrap_or_else(alone)
    }
}

/// Syncs what the staged files hold.
pub(super) fn data(uploads: &mut [Result<Box<LocalUpload>>]) {
    let together = uploads.iter().flatten().count() >= limits::SYNC_TOGETHER;
    let mut devices = Devices::default();
    for slot in uploads {
        let Ok(upload) = slot else { continue };
        let file = &upload.temp.file;
        // What the kernel began to write long ago may have failed before the file that `syncfs` is asked through was
        // opened, and is then told only to the file itself.
        let alone = !together || upload.len() >= limits::WRITE_BACK;
        let synced = if alone { fdatasync(file) } else { devices.sync(file, || fdatasync(file)) };
        if let Err(err) = synced {
            *slot = Err(upload.failed(err.into()));
        }
    }
}

/// Syncs the directories that files were renamed into, replaced files are kept in, and folders were made in, each once, or all together if they are many.
pub(super) fn directories(placed: &mut [Result<Placed>], made: &mut [Result<Touched>]) {
    let mut synced: Vec<(Arc<Dir>, Result<(), Errno>)> = Vec::new();
    let of_files = placed.iter().flatten().flat_map(|placed| placed.dirs.iter().flatten());
    for dir in of_files.chain(made.iter().flatten().flatten().map(|(_, dir)| dir)) {
        if !synced.iter().any(|(known, _)| Arc::ptr_eq(known, dir)) {
            synced.push((Arc::clone(dir), Ok(())));
        }
    }
    let together = synced.len() >= limits::SYNC_TOGETHER;
    let mut devices = Devices::default();
    for (dir, result) in &mut synced {
        *result = if together { devices.sync(&*dir, || fsync(&*dir)) } else { fsync(&*dir) };
    }
    let result_of = |dir: &Arc<Dir>| match synced.iter().find(|(known, _)| Arc::ptr_eq(known, dir)) {
        Some((_, result)) => *result,
        None => Ok(()),
    };
    for slot in placed {
        let Ok(placed) = slot else { continue };
        if let Some(err) = placed.dirs.iter().flatten().find_map(|dir| result_of(dir).err()) {
            *slot = Err(failed(&placed.path, err));
        }
    }
    for slot in made {
        let Ok(folders) = slot else { continue };
        let error = folders.iter().find_map(|(path, dir)| result_of(dir).map_err(|err| failed(path, err)).err());
        if let Some(error) = error {
            *slot = Err(error);
        }
    }
}

fn failed(path: &RelPath, err: Errno) -> Error {
    let err = std::io::Error::from(err);
    let text = format!("{path}: in its place, but may not outlive a power cut: {}", crate::error::told(&err));
    Error::new(Kind::Io, text).with_source(err)
}
