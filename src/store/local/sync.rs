//! Making a batch durable with as few waits for the disk as there can be.
//!
//! A failed sync is never tried again: the kernel has already forgotten what could not be written.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{fdatasync, fstat, fsync, syncfs};
use rustix::io::{Errno, fcntl_dupfd_cloexec};

use super::super::file_system::is_of_this_machine;
use super::commit::{Change, There};
use super::mode::GivenMode;
use super::upload::LocalUpload;
use crate::error::{Error, Kind, Result};
use crate::files::{Done, RelPath, Upload};
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
///
/// The kernel notes an error in writing to any file with its file system, and tells it to whoever asks by `syncfs` through a file that was
/// opened before the error; through one that was opened later only if nobody has been told yet, and `sync` or another batch may have been.
/// So it is asked through the file of the batch that was opened first: what could not be written of any of them failed after that, and
/// nobody has asked through it before.
pub(super) fn data(changes: &mut [Result<Change>]) {
    let mut by_age: Vec<_> = changes.iter_mut().filter(|slot| upload_of(slot).is_some()).collect();
    by_age.sort_by_key(|slot| upload_of(slot).map(|upload| upload.temp.opened));
    let together = by_age.len() >= limits::SYNC_TOGETHER;
    let mut devices = Devices::default();
    for slot in by_age {
        let Some(upload) = upload_of(slot) else { continue };
        let file = &upload.temp.file;
        // What the kernel began to write long ago is told to the file itself, whatever was opened before it.
        let alone = !together || upload.len() >= limits::WRITE_BACK;
        let synced = if alone { fdatasync(file) } else { devices.sync(file, || fdatasync(file)) };
        if let Err(err) = synced {
            *slot = Err(upload.failed(err.into()));
        }
    }
}

/// Has the file systems of others say that they have what the staged files hold: those of a network or of a program may tell only at a
/// close that a quota or a disk was full, and a file that is dropped hears nothing. Also after a sync, which such a program may never be
/// asked for, or say yes to without more. On the file systems of this machine, where a write tells, nothing is done.
pub(super) fn handed_over(changes: &mut [Result<Change>]) {
    for slot in changes {
        let Some(upload) = upload_of(slot) else { continue };
        if !upload.temp.can.syncs
            && let Err(err) = close_once(&upload.temp.file)
        {
            *slot = Err(upload.failed(err));
        }
    }
}

/// The upload that this is, unless it has failed.
fn upload_of(change: &Result<Change>) -> Option<&LocalUpload> {
    match change {
        Ok(Change::File(upload)) => Some(upload),
        Ok(Change::Folder(_) | Change::Restored(_) | Change::Mode(_)) | Err(_) => None,
    }
}

/// Closes another handle of this file, which tells what the last close would tell nobody. Locks stay with the file.
fn close_once(file: impl AsFd) -> io::Result<()> {
    let close = || Ok::<_, io::Error>(nix::unistd::close(fcntl_dupfd_cloexec(&file, 0)?));
    match close()? {
        // A signal came while a file system of a program or a network was asked: nothing is known, and it may be asked again.
        Err(nix::errno::Errno::EINTR) => Ok(close()??),
        closed => Ok(closed?),
    }
}

/// Syncs the modes that files were given, each by itself or all together if they are many.
pub(super) fn modes(changes: &mut [Result<Change>]) {
    let slots: Vec<_> = changes.iter_mut().filter(|slot| matches!(slot, Ok(Change::Mode(_)))).collect();
    let together = slots.len() >= limits::SYNC_TOGETHER;
    let mut devices = Devices::default();
    for slot in slots {
        let Ok(Change::Mode(GivenMode { path, file, .. })) = slot else { continue };
        let synced = if together { devices.sync(&*file, || fsync(&*file)) } else { fsync(&*file) };
        if let Err(err) = synced {
            *slot = Err(Error::file(&*path, err.into()));
        }
    }
}

/// Syncs the directories that files were renamed into, replaced files are kept in, and folders were made in, each once, or all together if they are many.
///
/// That the folder itself, which a file was renamed into, is there after a power cut is not asked for: whoever syncs a directory on a file
/// system with a journal has all on the disk that came before, and so its own name.
pub(super) fn directories(there: &mut [Result<There>]) {
    let mut synced: Vec<(Arc<Dir>, Result<(), Errno>)> = Vec::new();
    let is_file = |there: &&There| matches!(there.done, Done::File(_));
    let of_files = there.iter().flatten().filter(is_file);
    let of_folders = there.iter().flatten().filter(|there| !is_file(there));
    // Folders were made first, and so the directory that is asked through was opened before anything was changed.
    for (_, dir) in of_folders.chain(of_files).flat_map(|there| &there.touched) {
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
    for slot in there {
        let Ok(change) = slot else { continue };
        let error = change.touched.iter().find_map(|(path, dir)| result_of(dir).map_err(|err| failed(path, err)).err());
        if let Some(error) = error {
            *slot = Err(error);
        }
    }
}

fn failed(path: &RelPath, err: Errno) -> Error {
    let err = std::io::Error::from(err);
    let text = path.said(format_args!("in its place, but may not outlive a power cut: {}", crate::error::told(&err)));
    Error::new(Kind::Io, text).with_source(err)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;
    use std::sync::Arc;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    use super::super::capabilities::{Capabilities, FileSystems, NewName};
    use super::super::{LocalOptions, LocalStore, Root, Staging};
    use super::*;
    use crate::files::{Durability, Store as _, UploadSpec};
    use crate::not_run::not_run;

    /// Tells the copy of this process which folder to work on.
    const FOLDER: &str = "SEALIFT_TEST_CLOSES_FOLDER";

    /// What runs while closes fail: a file for a place that is not of this machine, and one for a place that is, whether or not the disk is
    /// waited for.
    #[test]
    #[ignore = "a part of the test below, run by it"]
    fn while_closes_fail() {
        let folder = std::env::var_os(FOLDER).unwrap();
        let each = [Durability::None, Durability::Full].map(|durability| [(durability, false), (durability, true)]);
        for (durability, syncs) in each.into_iter().flatten() {
            std::fs::write(Path::new(&folder).join("f"), "old").unwrap();
            let dir = Dir::open_ambient_dir(&folder, ambient_authority()).unwrap();
            let known = Arc::new(FileSystems::default());
            let can = Capabilities {
                nameless: None,
                new_name: NewName::Rename,
                locks: true,
                notes: true,
                exact: true,
                syncs,
            };
            known.of(fstat(&dir).unwrap().st_dev, || Ok(can)).unwrap();
            let options = LocalOptions::new(durability, Staging::Beside);
            let store = LocalStore::sharing(Arc::new(Root::alone(&dir).unwrap()), options, known);
            let mut upload = store.begin(&RelPath::parse(b"f").unwrap(), UploadSpec::default()).unwrap();
            upload.append(b"new").unwrap();
            let kind = store.commit_one(upload).map(drop).map_err(|error| error.kind());
            assert_eq!(kind, if syncs { Ok(()) } else { Err(Kind::Quota) }, "{durability:?}");
            let bytes = std::fs::read(Path::new(&folder).join("f")).unwrap();
            assert_eq!(bytes, if syncs { b"new" } else { b"old" });
        }
    }

    #[test]
    fn what_only_a_close_tells_keeps_a_file_from_its_name_and_locally_nothing_is_closed_for_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("f"), "old").unwrap();
        let part = folder.path().canonicalize().unwrap().join(".f.sealift-part");
        let ran = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=close", "-e", "inject=close:error=EDQUOT", "-P"])
            .arg(part)
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "store::local::sync::tests::while_closes_fail", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .output();
        let output = match ran {
            Ok(output) => output,
            Err(err) => return not_run(&format!("strace: {err}")),
        };
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("ptrace") {
            return not_run("strace may not trace here");
        }
        assert!(output.status.success(), "{said}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
    }
}
