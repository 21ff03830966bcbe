//! Giving a file that is in its place another mode: one that was asked for, or for a moment one with which its owner may write to it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{Mode, fchmod, fstat, fsync};
use rustix::io::Errno;

use super::jail::Jail;
use super::source::LocalSource;
use crate::error::{Error, Result};
use crate::files::{FileMode, RelPath, SourceMode};
use crate::limits;
use crate::sync::{Mutex, MutexGuard};

/// Held by whoever looks at the mode of a file and then changes it, by the file's number. In between it is what others do not mean.
static TURNS: [Mutex<()>; limits::MODES_AT_ONCE] = [const { Mutex::new(()) }; limits::MODES_AT_ONCE];

/// Nobody else changes the mode of this file as long as it lives. Nobody waits without end for a file system that does not answer.
fn turn(file: impl AsFd) -> io::Result<MutexGuard<'static, ()>> {
    let of = fstat(file)?.st_ino % limits::MODES_AT_ONCE as u64;
    let turn = usize::try_from(of).ok().and_then(|of| TURNS.get(of));
    let turn = turn.and_then(|turn| turn.lock_within(limits::TREE_LOCK_TURN));
    turn.ok_or_else(|| {
        io::Error::new(io::ErrorKind::ResourceBusy, "the mode of another file is being changed for too long")
    })
}

/// Sets something of a file that is refused where not even its owner may write it: then he may for a moment.
pub(super) fn as_writable(file: &impl AsFd, set: impl Fn() -> Result<(), Errno>) -> Result<(), Errno> {
    match set() {
        Err(Errno::ACCESS | Errno::PERM) => {
            let _turn = turn(file).map_err(|err| Errno::from_io_error(&err).unwrap_or(Errno::BUSY))?;
            let mode = Mode::from_raw_mode(fstat(file)?.st_mode & 0o7777);
            fchmod(file, mode | Mode::WUSR)?;
            let set = set();
            fchmod(file, mode)?;
            set
        }
        set => set,
    }
}

/// [`crate::files::Store::set_mode`].
pub(super) fn set(jail: &Jail, durable: bool, path: &RelPath, source: SourceMode) -> Result<FileMode> {
    let given = give(jail, path, source)?;
    if durable {
        fsync(&given.file).map_err(|err| Error::file(path, err.into()))?;
    }
    Ok(given.mode)
}

/// A mode that a file has, and that may not be on the disk yet.
pub(super) struct GivenMode {
    pub(super) path: RelPath,
    pub(super) file: File,
    pub(super) mode: FileMode,
}

/// Gives a file a mode, without waiting for the disk. Also where it has it already: whoever gave it that may be waiting for the disk yet.
pub(super) fn give(jail: &Jail, path: &RelPath, source: SourceMode) -> Result<GivenMode> {
    let failed = |err: Errno| Error::file(path, err.into());
    let steady = jail.steady(path)?;
    let (dir, name) = jail.parent(path)?;
    let opened = LocalSource::open_real(path, &dir, name)?;
    let file = opened.file();
    let turn = turn(file).map_err(|err| Error::file(path, err))?;
    let before = FileMode::of(fstat(file).map_err(failed)?.st_mode);
    let after = source.over(before);
    if after != before {
        fchmod(file, Mode::from_raw_mode(after.bits())).map_err(failed)?;
    }
    // Nobody else waits for the disk.
    drop((turn, steady));
    Ok(GivenMode { path: path.clone(), file: opened.into_file(), mode: after })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::super::{LocalOptions, LocalStore, Staging};
    use super::*;
    use crate::files::{Durability, Store as _};

    #[test]
    fn a_mode_that_is_given_while_something_is_set_of_a_file_that_nobody_may_write_stays() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("f"), b"one").unwrap();
        fs::set_permissions(home.path().join("f"), Permissions::from_mode(0o444)).unwrap();
        let file = File::open(home.path().join("f")).unwrap();
        let options = LocalOptions::new(Durability::None, Staging::Hidden);
        let store = LocalStore::open_path(home.path(), options).unwrap();
        let (tries, (done, is_done)) = (AtomicUsize::new(0), mpsc::channel());
        std::thread::scope(|scope| {
            as_writable(&file, || {
                // As it is for everybody but root.
                if tries.fetch_add(1, Ordering::Relaxed) == 0 {
                    return Err(Errno::ACCESS);
                }
                let (store, done) = (&store, done.clone());
                scope.spawn(move || {
                    let mode = SourceMode { mode: FileMode::of(0o400), perms: true };
                    store.set_mode(&RelPath::parse(b"f").unwrap(), mode).unwrap();
                    done.send(()).unwrap();
                });
                // It is done by now, or not before this is.
                let _is_done = is_done.recv_timeout(Duration::from_millis(200));
                Ok(())
            })
            .unwrap();
        });
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o400);
    }
}
