//! One server at a time for a data directory, whatever path or mount it is reached by, and none inside another's.
//!
//! The server holds the lock of a file in the hidden place of the directory, for as long as it lives. Some file systems
//! show a lock only to those who came over the same mount (FUSE mostly, where nobody passes them on). So the file also
//! says which process holds it, and who starts looks whether that one lives. Of a server on another machine, or in another
//! namespace of processes, that cannot be seen: where there may be such, over a file system that is not of this machine
//! alone, the server goes on writing into the file that it lives, and who starts watches that for a while.

mod inner;
mod note;
mod owner;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, mkdirat, openat, statat};
use rustix::io::Errno;

pub use self::note::note_of;
use self::owner::Owner;
use super::file_system::is_of_this_machine;
use crate::error::{Error, Kind, Result};
use crate::limits;

/// The file in [`limits::RESERVED_NAME`] whose lock a server holds.
const LOCK: &str = "server.lock";

/// A data directory that is this server's until this is dropped.
#[derive(Debug)]
pub struct Occupancy {
    /// The lock file; or the directory itself, where nothing can be written.
    file: File,
    root: Dir,
    writable: bool,
    /// How often it was written down that this server lives, where that has to be.
    beats: Option<Beats>,
}

/// What a server goes on saying.
#[derive(Debug)]
struct Beats {
    /// Who it is. Within the sandbox it cannot be found out any more.
    owner: Owner,
    said: AtomicU64,
}

impl Beats {
    fn of(owner: Owner) -> Beats {
        Beats { owner, said: AtomicU64::new(0) }
    }

    fn say(&self, file: &File) -> io::Result<()> {
        let beat = Some(self.said.fetch_add(1, Ordering::Relaxed));
        Owner { beat, ..self.owner.clone() }.write(file)
    }
}

impl Drop for Occupancy {
    fn drop(&mut self) {
        if self.writable {
            note::forget(&self.root);
            // Before the lock goes: whoever has it next finds nobody.
            let _ = self.file.set_len(0);
        }
    }
}

impl Occupancy {
    /// Takes this directory, whose path is for errors.
    ///
    /// # Errors
    /// [`Kind::Busy`] if another server has it; [`Kind::Denied`] if there is a lock file that this account may not open;
    /// those of the file system.
    pub fn take(root: &Dir, data: &Path) -> Result<Occupancy> {
        let failed = |err: io::Error| Error::file(data.join(limits::RESERVED_NAME).display(), err);
        let mut file = match lock_file(root) {
            Ok(file) => file,
            // Nothing is uploaded here either, unless a home is mounted from elsewhere or somebody makes room.
            Err(Errno::ROFS | Errno::NOSPC | Errno::DQUOT) => return Self::take_unwritable(root, data),
            // Where there is a hidden place, a server of another account may hold the lock in it.
            Err(Errno::ACCESS | Errno::PERM) if is_unused(root) => return Self::take_unwritable(root, data),
            Err(err) => return Err(failed(err.into())),
        };
        wait_for(&mut file, data)?;
        note::forget(root);
        let beats = (!is_of_this_machine(&file)).then(|| Beats::of(Owner::own()));
        match beats.as_ref().map_or_else(|| Owner::own().write(&file), |beats| beats.say(&file)) {
            // The lock is held all the same, and who removes files to make room needs the server for it.
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOSPC | Errno::DQUOT)) => {
                tracing::warn!(data = %data.display(), %error, "not written down that this folder is served");
            }
            written => written.map_err(failed)?,
        }
        Ok(Occupancy { file, root: root.try_clone().map_err(failed)?, writable: true, beats })
    }

    /// Whether [`Occupancy::beat`] is to be called every [`limits::BEAT_PAUSE`].
    pub fn beats(&self) -> bool {
        self.beats.is_some()
    }

    /// Writes down that this server lives, for those who cannot see it otherwise.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn beat(&self) -> io::Result<()> {
        let Some(beats) = &self.beats else { return Ok(()) };
        beats.say(&self.file)?;
        // It is the other machine that is to see it.
        self.file.sync_data()
    }

    /// Has whoever looks at the directory know this of the process that has it ([`note_of`]), in place of what was left
    /// before; nothing if it is empty.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn leave_note(&self, note: &str) -> io::Result<()> {
        if self.writable { note::write(&self.root, note) } else { Ok(()) }
    }

    fn take_unwritable(root: &Dir, data: &Path) -> Result<Occupancy> {
        let failed = |err| Error::file(data.display(), err);
        let file = root.try_clone().map_err(failed)?.into_std_file();
        // cap-std's own handle takes no lock.
        let mut file = File::from(
            openat(file, ".", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(|err| failed(err.into()))?,
        );
        wait_for(&mut file, data)?;
        tracing::warn!(data = %data.display(), "nothing can be written in this folder itself");
        Ok(Occupancy { file, root: root.try_clone().map_err(failed)?, writable: false, beats: None })
    }
}

/// Whether a server has this directory as its data directory now: as far as this account can see at once.
pub fn is_taken(dir: impl AsFd) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let reserved = openat(dir, limits::RESERVED_NAME, flags | OFlags::DIRECTORY, Mode::empty());
    let Ok(file) = reserved.and_then(|reserved| openat(reserved, LOCK, flags, Mode::empty())) else { return false };
    let mut file = File::from(file);
    // Shared and for a moment: two who look do not see each other, and who wants it tries again.
    flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
        || Owner::read(&mut file).is_some_and(|owner| owner.lives())
}

/// Fails if this directory, which may still be missing, lies in one that a server has.
///
/// # Errors
/// [`Kind::Busy`], naming both; those of the file system.
pub fn refuse_inside(data: &Path) -> Result<()> {
    let failed = |err| Error::file(data.display(), err);
    let data = std::path::absolute(data).map_err(failed)?;
    let there = data.ancestors().find(|path| path.exists()).unwrap_or(&data);
    // Where links are resolved, what is above is above.
    let real = there.canonicalize().map_err(failed)?;
    for above in real.ancestors().skip(usize::from(there == data)) {
        if File::open(above).is_ok_and(|dir| is_taken(&dir)) {
            let text = format!("{}: lies inside {}, which another sealiftd serves", data.display(), above.display());
            return Err(Error::new(Kind::Busy, text));
        }
    }
    Ok(())
}

/// Fails if a server has a folder somewhere inside of this one, as far as the system tells this account.
///
/// # Errors
/// [`Kind::Busy`], naming both.
pub fn refuse_around(data: &Path) -> Result<()> {
    match inner::served_below(data) {
        None => Ok(()),
        Some(inner) => {
            let text = format!("{}: another sealiftd serves {} inside of it", data.display(), inner.display());
            Err(Error::new(Kind::Busy, text))
        }
    }
}

fn served(data: &Path, holder: Option<i32>) -> Error {
    let holder = holder.map(|pid| format!(": process {pid}")).unwrap_or_default();
    Error::new(Kind::Busy, format!("{}: another sealiftd serves this folder{holder}", data.display()))
}

/// Whether no server has made its hidden place in this directory.
fn is_unused(root: &Dir) -> bool {
    matches!(statat(root, limits::RESERVED_NAME, AtFlags::SYMLINK_NOFOLLOW), Err(Errno::NOENT))
}

fn lock_file(root: &Dir) -> Result<File, Errno> {
    match mkdirat(root, limits::RESERVED_NAME, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(err) => return Err(err),
    }
    let directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let reserved = openat(root, limits::RESERVED_NAME, directory, Mode::empty())?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(reserved, LOCK, flags, Mode::RUSR | Mode::WUSR).map(File::from)
}

/// Returns when this lock is ours and no process is known to have it by another way. One that was just killed may
/// have it for a moment, and so has one that only looks.
fn wait_for(file: &mut File, data: &Path) -> Result<()> {
    let begun = Instant::now();
    let (mut said, mut watch) = (false, Watch::default());
    loop {
        let pid = match holder(file, data, &mut watch) {
            Holder::Nobody => return Ok(()),
            Holder::Unsure => {
                if watch.is_new() {
                    tracing::info!(data = %data.display(), "a server elsewhere had this folder; watching whether it lives");
                }
                std::thread::sleep(limits::LOCK_PAUSE);
                continue;
            }
            Holder::Elsewhere => {
                let text = format!(
                    "{}: another sealiftd serves this folder, on another machine or in a container",
                    data.display()
                );
                return Err(Error::new(Kind::Busy, text));
            }
            Holder::Here(pid) => pid,
        };
        if begun.elapsed() >= limits::LOCK_WAIT {
            return Err(served(data, pid));
        }
        if !said && begun.elapsed() >= limits::LOCK_LOOK {
            tracing::info!(data = %data.display(), pid, "another server has this folder; waiting a moment for its end");
            said = true;
        }
        std::thread::sleep(limits::LOCK_PAUSE);
    }
}

/// Who has a lock.
enum Holder {
    /// Nobody else: it is ours now.
    Nobody,
    /// Somebody, by his lock, or this process of this machine.
    Here(Option<i32>),
    /// A process that cannot be seen from here goes on saying that it lives.
    Elsewhere,
    /// One that cannot be seen from here had it, and may have ended.
    Unsure,
}

/// What was seen of an owner who cannot be asked for.
#[derive(Default)]
struct Watch {
    owner: Option<(Owner, Instant)>,
    looks: u64,
}

impl Watch {
    /// What is to be thought of this owner, who was looked at just now.
    fn of(&mut self, owner: Owner) -> Holder {
        self.looks += 1;
        match &self.owner {
            Some((first, since)) if *first == owner => match since.elapsed() >= limits::BEAT_WATCH {
                true => Holder::Nobody,
                false => Holder::Unsure,
            },
            Some(_) => Holder::Elsewhere,
            None => {
                self.owner = Some((owner, Instant::now()));
                Holder::Unsure
            }
        }
    }

    fn is_new(&self) -> bool {
        self.looks == 1
    }
}

/// Takes this lock; if that cannot be, who has it, as far as it is known.
fn holder(file: &mut File, data: &Path, watch: &mut Watch) -> Holder {
    let locked = flock(&*file, FlockOperation::NonBlockingLockExclusive);
    let owner = Owner::read(file);
    let lives = owner.as_ref().filter(|owner| owner.lives()).map(|owner| owner.pid);
    match (locked, lives, owner) {
        (Err(Errno::WOULDBLOCK), ..) => Holder::Here(lives),
        (_, Some(pid), _) => Holder::Here(Some(pid)),
        // Of one that does not say it, nothing is to be waited for.
        (_, None, Some(owner)) if !owner.is_near() && owner.beat.is_some() => watch.of(owner),
        (Err(error), ..) => {
            tracing::warn!(data = %data.display(), %error, "no lock: let no server of another machine use this folder");
            Holder::Nobody
        }
        (Ok(()), ..) => Holder::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;

    use super::*;

    fn take(data: &Path) -> Result<Occupancy> {
        Occupancy::take(&Dir::open_ambient_dir(data, ambient_authority()).unwrap(), data)
    }

    fn write(data: &Path, owner: &Owner) {
        owner.write(&lock_file(&Dir::open_ambient_dir(data, ambient_authority()).unwrap()).unwrap()).unwrap();
    }

    #[test]
    fn a_process_that_was_killed_and_is_not_reaped_has_nothing_and_one_that_lives_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        write(dir.path(), &Owner::of(pid));
        let refused = take(dir.path()).unwrap_err();
        assert!(refused.kind() == Kind::Busy && refused.text().ends_with(&format!("process {pid}")), "{refused}");
        child.kill().unwrap();
        // Nobody waits for it.
        drop(take(dir.path()).unwrap());
        child.wait().unwrap();
    }

    #[test]
    fn a_lock_that_is_given_up_a_moment_later_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let first = take(dir.path()).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| take(dir.path()).map(drop));
            std::thread::sleep(limits::LOCK_LOOK * 3 / 2);
            drop(first);
            second.join().unwrap().unwrap();
        });
    }

    #[test]
    fn what_a_process_says_of_itself_is_believed_while_it_has_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let said = |text: &str| Some(text.to_owned());
        let server = take(dir.path()).unwrap();
        assert_eq!(note_of(dir.path()), said(""));
        server.leave_note("two\nlines\n").unwrap();
        assert_eq!(note_of(dir.path()), said("two\nlines\n"));
        let file = dir.path().join(".sealift/server.state");
        let left = std::fs::read(&file).unwrap();
        drop(server);
        assert!(!file.exists() && note_of(dir.path()).is_none());
        // Left by one that was killed.
        std::fs::write(&file, left).unwrap();
        assert_eq!(note_of(dir.path()), None);
        let server = take(dir.path()).unwrap();
        assert_eq!(note_of(dir.path()), said(""));
        server.leave_note("another").unwrap();
        server.leave_note("").unwrap();
        assert!(!file.exists());
    }

    #[test]
    fn a_process_that_lives_is_believed_without_its_lock_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path();
        write(data, &Owner::own());
        assert_eq!(take(data).unwrap_err().kind(), Kind::Busy);
        assert!(is_taken(File::open(data).unwrap()));
        for other in [
            Owner { began: "1".to_owned(), ..Owner::own() },
            Owner { boot: "another".to_owned(), ..Owner::own() },
            Owner { namespace: "another".to_owned(), ..Owner::own() },
            Owner { pid: i32::MAX, ..Owner::own() },
        ] {
            write(data, &other);
            drop(take(data).unwrap());
        }
        assert!(!is_taken(File::open(data).unwrap()));
    }

    #[test]
    fn a_process_elsewhere_is_believed_while_it_goes_on_saying_that_it_lives() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path();
        let elsewhere = |beat| Owner { boot: "another".to_owned(), beat: Some(beat), ..Owner::own() };
        // As where its lock is not seen.
        write(data, &elsewhere(7));
        std::thread::scope(|scope| {
            let second = scope.spawn(|| take(data).map(drop));
            for beat in 8.. {
                if second.is_finished() {
                    break;
                }
                std::thread::sleep(limits::LOCK_PAUSE);
                write(data, &elsewhere(beat));
            }
            let refused = second.join().unwrap().unwrap_err();
            assert!(refused.kind() == Kind::Busy && refused.text().contains("on another machine"), "{refused}");
        });
        // It ended without a word.
        drop(take(data).unwrap());
        write(data, &Owner { beat: None, ..elsewhere(0) });
        drop(take(data).unwrap());
    }

    #[test]
    fn beats_are_told_where_others_may_not_see_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let mut server = take(dir.path()).unwrap();
        let beat = || Owner::read(&mut lock_file(&server.root).unwrap()).unwrap().beat;
        assert_eq!(beat(), None, "everybody is on this machine");
        server.beat().unwrap();
        assert_eq!((server.beats(), beat()), (false, None));
        server.beats = Some(Beats::of(Owner::own()));
        server.beat().unwrap();
        server.beat().unwrap();
        let beat = Owner::read(&mut lock_file(&server.root).unwrap()).unwrap().beat;
        assert_eq!((server.beats(), beat), (true, Some(1)));
    }

    /// The same by an account that is not root.
    fn take_without_rights(data: &Path) -> Result<Occupancy> {
        let root = Dir::open_ambient_dir(data, ambient_authority()).unwrap();
        let taken = std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                if rustix::process::geteuid().is_root() {
                    // Of this thread alone.
                    let nobody = rustix::process::Uid::from_raw(65534);
                    rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
                }
                Occupancy::take(&root, data)
            });
            other.join()
        });
        taken.unwrap()
    }

    #[test]
    fn a_lock_that_this_account_may_not_open_is_believed_and_a_folder_that_was_never_served_needs_none() {
        use std::fs::{Permissions, set_permissions};
        use std::os::unix::fs::PermissionsExt as _;

        let dir = tempfile::tempdir().unwrap();
        let data = dir.path();
        let allow = |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).unwrap();
        allow(data, 0o555);
        let unwritable = take_without_rights(data).unwrap();
        assert!(!unwritable.writable && !data.join(limits::RESERVED_NAME).exists());
        drop(unwritable);

        allow(data, 0o755);
        let first = take(data).unwrap();
        allow(&data.join(limits::RESERVED_NAME), 0);
        let refused = take_without_rights(data).unwrap_err();
        assert_eq!(refused.kind(), Kind::Denied, "{refused}");
        assert!(refused.text().contains(limits::RESERVED_NAME), "{refused}");
        drop(first);
        allow(&data.join(limits::RESERVED_NAME), 0o700);
    }

    #[test]
    fn a_directory_inside_a_served_one_or_around_one_is_refused_by_whatever_path() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("alice/deep/data");
        std::fs::create_dir_all(&inner).unwrap();
        std::os::unix::fs::symlink(&inner, dir.path().join("link")).unwrap();
        let outer = take(dir.path()).unwrap();
        for path in [inner.clone(), dir.path().join("link"), inner.join("missing")] {
            let refused = refuse_inside(&path).unwrap_err();
            assert!(refused.kind() == Kind::Busy && refused.text().contains("lies inside"), "{refused}");
        }
        refuse_inside(dir.path()).unwrap();
        drop(outer);
        refuse_inside(&inner).unwrap();

        // The other way round, however deep.
        refuse_around(dir.path()).unwrap();
        let held = take(&inner).unwrap();
        let refused = refuse_around(dir.path()).unwrap_err();
        assert!(refused.kind() == Kind::Busy && refused.text().contains("alice/deep/data inside of it"), "{refused}");
        refuse_around(&inner).unwrap();
        drop(held);
        refuse_around(dir.path()).unwrap();
    }
}
