//! One mirror at a time into one folder: two would take each other's unfinished work for strays.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::process::geteuid;
use sealift::Kind;
use sealift::escape::for_people;
use sealift::files::Hash;
use sealift::limits;

use super::mirror::Way;
use crate::config::config_dir;
use crate::failure::{Failure, Outcome};
use crate::login::Login;

/// Where, in the configuration folder, the locks are.
const LOCKS: &str = "mirrors";

/// Kept as long as a mirror works. It goes with the process, however that ends.
#[derive(Debug)]
pub struct MirrorLock {
    _locks: Vec<Lock>,
}

impl MirrorLock {
    /// Waits for nobody. There is a file for each folder in the configuration folder, so that mirrors of one person on one machine know
    /// of each other. A local folder that nobody else can read is locked itself, too, whatever configuration folder another mirror has:
    /// whoever can read a folder can also lock it, and would keep its owner from mirroring for ever. Where neither can be had there is
    /// no lock.
    ///
    /// # Errors
    /// [`Kind::Exists`] if another mirror works on the folder.
    pub fn take(way: &Way, login: &Login) -> Outcome<Option<MirrorLock>> {
        let (name, folder, shown) = match way {
            Way::Pull { to, .. } => {
                let folder = File::open(to).ok().filter(is_ours_alone);
                (of_local(to), folder, to.as_os_str().as_bytes().to_vec())
            }
            Way::Push { to, .. } => (Some(of_server(&to.path.to_string(), login)), None, to.to_string().into_bytes()),
        };
        let named = name.and_then(|name| Some(locks_folder()?.join(name.to_string())));
        let taken = [named.map(|path| Lock::at(&path)), folder.map(Lock::of)];
        let mut locks = Vec::new();
        for taken in taken.into_iter().flatten() {
            match taken {
                Taken::Lock(lock) => locks.push(lock),
                Taken::Busy => {
                    let text = format!("{}: another mirror is at work on this folder", for_people(&shown));
                    let hint =
                        "Wait until it has ended. Two at once would take each other's unfinished work for strays.";
                    return Err(Failure::new(Kind::Exists, text, hint));
                }
                Taken::Nothing => {}
            }
        }
        Ok((!locks.is_empty()).then_some(MirrorLock { _locks: locks }))
    }
}

/// Whether nobody else can read this folder, by whatever access list: the bits of its group are the most that one gives.
fn is_ours_alone(folder: &File) -> bool {
    let found = folder.metadata();
    found.is_ok_and(|found| found.uid() == geteuid().as_raw() && found.mode() & 0o044 == 0)
}

/// What came of trying to lock something.
#[derive(Debug)]
enum Taken {
    Lock(Lock),
    /// Somebody else has it.
    Busy,
    /// Some file systems know no locks, and some files cannot be made.
    Nothing,
}

/// Something that is locked until this is dropped.
#[derive(Debug)]
struct Lock {
    file: File,
    /// The file is there for the lock alone, and goes with it.
    path: Option<PathBuf>,
}

impl Lock {
    /// Locks what is there.
    fn of(file: File) -> Taken {
        match file.try_lock() {
            Ok(()) => Taken::Lock(Lock { file, path: None }),
            Err(TryLockError::WouldBlock) => Taken::Busy,
            Err(TryLockError::Error(_)) => Taken::Nothing,
        }
    }

    /// Locks the file of this name, as [`Lock::at_once`]. Who looks whether anybody has it has it for that moment: that is waited for.
    fn at(path: &Path) -> Taken {
        for _ in 0..limits::MIRROR_LOCK_LOOKS {
            match Lock::at_once(path) {
                Taken::Busy => thread::sleep(limits::MIRROR_LOCK_LOOK),
                taken => return taken,
            }
        }
        Lock::at_once(path)
    }

    /// Locks the file of this name, which is made. Whoever had it before removes the name before the lock is free: a file that
    /// has lost its name by the time that it is locked locks nothing, and the one that has the name now is tried.
    fn at_once(path: &Path) -> Taken {
        loop {
            let Some(file) = open(path) else { return Taken::Nothing };
            match Lock::of(file) {
                Taken::Lock(mut lock) if has_name(&lock.file, path) => {
                    lock.path = Some(path.to_owned());
                    return Taken::Lock(lock);
                }
                // Each time around somebody else had the lock and was done with it.
                Taken::Lock(_) => {}
                other => return other,
            }
        }
    }
}

impl Drop for Lock {
    /// Nobody but who has the lock removes the name, so nobody else's is removed.
    fn drop(&mut self) {
        if let Some(path) = self.path.as_deref().filter(|path| has_name(&self.file, path)) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Whether this very file has this name.
fn has_name(file: &File, path: &Path) -> bool {
    let is_same =
        |named: fs::Metadata| file.metadata().is_ok_and(|open| (open.dev(), open.ino()) == (named.dev(), named.ino()));
    fs::symlink_metadata(path).is_ok_and(is_same)
}

/// That of a local folder, which has the same path before and after it is made.
fn of_local(folder: &Path) -> Option<Hash> {
    let place = match (fs::canonicalize(folder), folder.parent(), folder.file_name()) {
        (Ok(place), ..) => place,
        (Err(_), Some(parent), Some(name)) if parent.as_os_str().is_empty() => fs::canonicalize(".").ok()?.join(name),
        (Err(_), Some(parent), Some(name)) => fs::canonicalize(parent).unwrap_or(parent.to_owned()).join(name),
        (Err(_), ..) => return None,
    };
    Some(Hash::of(&[b"local\n", place.as_os_str().as_bytes()].concat()))
}

fn of_server(path: &str, login: &Login) -> Hash {
    Hash::of(format!("{}\n{}\n{path}", login.server, login.name()).as_bytes())
}

/// The folder of the locks, without those that nobody has any more.
fn locks_folder() -> Option<PathBuf> {
    let folder = config_dir().ok()?.join(LOCKS);
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).ok()?;
    sweep(&folder, limits::MIRROR_LOCK_AGE);
    Some(folder)
}

/// Removes the files of mirrors that were killed and began longer ago than this. Those that somebody has stay. A younger one is not
/// even looked at: whoever has just made it would find it locked.
fn sweep(folder: &Path, age: Duration) {
    let is_old = |entry: &fs::DirEntry| {
        let began = entry.metadata().and_then(|found| found.modified());
        began.is_ok_and(|began| began.elapsed().is_ok_and(|elapsed| elapsed >= age))
    };
    let is_ours = |name: &Path| name.to_str().is_some_and(|name| name.parse::<Hash>().is_ok());
    let listed = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in
        listed.filter(|entry| is_ours(Path::new(&entry.file_name())) && is_old(entry)).take(limits::MIRROR_LOCKS_SWEPT)
    {
        let path = entry.path();
        // Not by its name alone, which would make it anew.
        let Ok(file) = File::options().write(true).open(&path) else { continue };
        if let Taken::Lock(mut lock) = Lock::of(file) {
            lock.path = Some(path);
        }
    }
}

fn open(file: &Path) -> Option<File> {
    fs::OpenOptions::new().write(true).create(true).truncate(false).open(file).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn is_taken(taken: &Taken) -> bool {
        matches!(taken, Taken::Lock(_))
    }

    #[test]
    fn a_lock_leaves_no_file_behind_and_is_had_by_one_alone() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        let first = Lock::at(&path);
        assert!(is_taken(&first) && path.exists());
        assert!(matches!(Lock::at(&path), Taken::Busy));
        drop(first);
        assert!(!path.exists());
        assert!(is_taken(&Lock::at(&path)));
    }

    #[test]
    fn a_file_that_has_lost_its_name_locks_nothing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        let first = Lock::at(&path);
        // Opened while another one has it, locked when that one is done.
        let waiting = open(&path).unwrap();
        drop(first);
        let Taken::Lock(mut old) = Lock::of(waiting) else { panic!() };
        assert!(!has_name(&old.file, &path));
        // Whoever comes next has another file, and is not in the way of the one that has the old one.
        let second = Lock::at(&path);
        assert!(is_taken(&second) && path.exists());
        // Nor does the end of the old one take its name from it.
        old.path = Some(path.clone());
        drop(old);
        assert!(path.exists() && matches!(Lock::at(&path), Taken::Busy));
    }

    #[test]
    fn however_many_try_at_once_one_alone_has_the_lock() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("lock");
        let (inside, rounds) = (AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while rounds.load(Ordering::Relaxed) < 2000 {
                        sweep(place.path(), Duration::ZERO);
                        let taken = Lock::at_once(&path);
                        if is_taken(&taken) {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two have it at once");
                            thread::yield_now();
                            inside.fetch_sub(1, Ordering::SeqCst);
                            rounds.fetch_add(1, Ordering::Relaxed);
                        }
                        drop(taken);
                    }
                });
            }
        });
        assert!(!path.exists());
    }

    #[test]
    fn what_was_left_is_swept_and_what_somebody_has_is_not() {
        let place = tempfile::tempdir().unwrap();
        let name = |text: &str| place.path().join(Hash::of(text.as_bytes()).to_string());
        let had = Lock::at(&name("had"));
        fs::write(name("left"), "").unwrap();
        fs::write(place.path().join("notes.txt"), "not ours").unwrap();
        sweep(place.path(), limits::MIRROR_LOCK_AGE);
        assert!(name("left").exists(), "it may have been made just now");
        sweep(place.path(), Duration::ZERO);
        assert!(is_taken(&had) && name("had").exists() && !name("left").exists());
        assert!(place.path().join("notes.txt").exists());
    }
}
