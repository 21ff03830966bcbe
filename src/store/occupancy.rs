//! One server at a time for a data directory, whatever path or mount it is reached by, and none inside another's; or several
//! that know of each other ([`node`]).
//!
//! The server holds the lock of a file in the hidden place of the directory, for as long as it lives. Some file systems
//! show a lock only to those who came over the same mount (FUSE mostly, where nobody passes them on). So the file also
//! says which process holds it, and who starts looks whether that one lives. Of a server on another machine, or in another
//! namespace of processes, that cannot be seen: where there may be such, over a file system that is not of this machine
//! alone, the server goes on writing into the file that it lives, and who starts watches that for a while.

mod clocks;
mod coherence;
mod inner;
mod node;
mod note;
mod owner;
mod standing;
mod trees;
mod waiting;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, openat, statat};
use rustix::io::Errno;

pub(super) use self::coherence::Mounts;
use self::node::Node;
pub use self::node::NodeName;
pub use self::note::{Holder, holder_of, note_of};
use self::owner::Owner;
pub use self::owner::process_numbering;
pub(super) use self::standing::Standing;
pub(super) use self::trees::{is_tree_lock, tree_lock};
use self::waiting::{wait_for, wait_for_locked};
use super::file_system::is_of_this_machine;
use super::local::staging::{make_reserved as reserved, while_it_goes};
use crate::error::{Error, Kind, Result};
use crate::files::NodePlace;
use crate::limits;
use crate::sync::Mutex;

/// The file in [`limits::RESERVED_NAME`] whose lock a server holds.
pub const LOCK: &str = "server.lock";

/// A data directory that is this server's, or that of several with it, until this is dropped.
#[derive(Debug)]
pub struct Occupancy {
    /// Goes first: who comes next finds no node any more.
    node: Option<Node>,
    /// The lock file; or the directory itself, where nothing can be written.
    file: File,
    root: Dir,
    writable: bool,
    /// How often it was written down that this server lives, where that has to be.
    beats: Option<Beats>,
    /// It is the next one's by now. Under it is written what only one writes who has the directory.
    is_left: Mutex<bool>,
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
        Owner { beat, at: Some(clocks::now().1), ..self.owner.clone() }.write(file)
    }
}

impl Drop for Occupancy {
    fn drop(&mut self) {
        self.leave();
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
            Err(err) => match Errno::from_io_error(&err) {
                // Nothing is uploaded here either, unless a home is mounted from elsewhere or somebody makes room.
                Some(Errno::ROFS | Errno::NOSPC | Errno::DQUOT) => return Self::take_unwritable(root, data),
                // Where there is a hidden place, a server of another account may hold the lock in it.
                Some(Errno::ACCESS | Errno::PERM) if is_unused(root) => return Self::take_unwritable(root, data),
                _ => return Err(failed(err)),
            },
        };
        wait_for(&mut file, data, FlockOperation::NonBlockingLockExclusive)?;
        let node = reserved(root).map_err(io::Error::from).and_then(|reserved| node::any_that_lives(&reserved));
        if let Some(node) = node.map_err(failed)? {
            let text = format!("{}: servers with --shared serve this folder, such as node {node}", data.display());
            return Err(Error::new(Kind::Busy, text));
        }
        if let Err(error) = reserved(root).map_err(io::Error::from).and_then(|there| node::forget_dead(&there, data)) {
            tracing::debug!(%error, "what servers with --shared have left stays");
        }
        note::forget(root);
        let beats = (!is_of_this_machine(&file)).then(|| Beats::of(Owner::own()));
        match beats.as_ref().map_or_else(|| Owner::own().write(&file), |beats| beats.say(&file)) {
            // The lock is held all the same, and who removes files to make room needs the server for it.
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOSPC | Errno::DQUOT)) => {
                tracing::warn!(data = %data.display(), %error, "not written down that this folder is served");
            }
            written => written.map_err(failed)?,
        }
        Ok(Occupancy {
            node: None,
            file,
            root: root.try_clone().map_err(failed)?,
            writable: true,
            beats,
            is_left: Mutex::default(),
        })
    }

    /// Takes this directory as one of several servers, the one of this name.
    ///
    /// # Errors
    /// [`Kind::Busy`] if a server has it alone, or another one has this name; [`Kind::Io`] where another one lives whose lock cannot
    /// be seen; those of the file system.
    pub fn share(root: &Dir, data: &Path, name: &NodeName) -> Result<Occupancy> {
        let failed = |err: io::Error| Error::file(data.join(limits::RESERVED_NAME).display(), err);
        let mut file = lock_file(root).map_err(failed)?;
        wait_for_locked(&mut file, data, FlockOperation::NonBlockingLockShared)?;
        // Who had it alone has ended: the next one need not look for that again.
        file.set_len(0).map_err(failed)?;
        note::forget(root);
        let node = Node::join(root, data, name)?;
        let beats = Beats::of(Owner::own());
        node.say(|file| beats.say(file)).map_err(failed)?;
        // After it can be seen itself: of two that begin at once, one sees the other.
        node.prove_locks(data)?;
        node.prove_coherence(&reserved(root).map_err(|err| failed(err.into()))?, data)?;
        Ok(Occupancy {
            node: Some(node),
            file,
            root: root.try_clone().map_err(failed)?,
            writable: true,
            beats: Some(beats),
            is_left: Mutex::default(),
        })
    }

    /// How often [`Occupancy::beat`] is to be called, if it is.
    pub fn beats(&self) -> Option<Duration> {
        match &self.node {
            Some(_) => Some(limits::COHERENCE_LOOK),
            None => self.beats.as_ref().map(|_| limits::BEAT_PAUSE),
        }
    }

    /// Writes down that this server lives, for those who cannot see it otherwise. The other servers of this directory that have died since
    /// the last look of any are returned: each is told of to one.
    ///
    /// # Errors
    /// Those of the file system; [`io::ErrorKind::AddrInUse`] where another server has this one's name among several by now, and
    /// this one is to stop.
    pub fn beat(&self) -> io::Result<Vec<NodeName>> {
        let Some(beats) = &self.beats else { return Ok(Vec::new()) };
        let Some(node) = &self.node else {
            let is_left = self.is_left.lock();
            if *is_left {
                return Ok(Vec::new());
            }
            beats.say(&self.file)?;
            // It is the other machine that is to see it.
            self.file.sync_data()?;
            return Ok(Vec::new());
        };
        node.beat(|file| beats.say(file))
    }

    /// Another server may have the directory from now on, and this one says nothing there any more; of several servers the others find
    /// nothing of it.
    pub fn leave(&self) {
        let mut is_left = self.is_left.lock();
        if std::mem::replace(&mut *is_left, true) {
            return;
        }
        self.node.iter().for_each(Node::leave);
        if self.writable && self.node.is_none() {
            note::forget(&self.root);
            // Before the lock goes: whoever has it next finds nobody.
            let _ = self.file.set_len(0);
        }
        // Not by its being closed alone: a process that is being started may have it open for a moment more, and the lock with it.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }

    /// Has the other servers' changes tried in this folder, too, if it is on another file system: of one of several servers.
    ///
    /// # Errors
    /// [`Kind::Io`] where they are not seen at once, with what to mount otherwise.
    pub fn prove_also(&self, root: &Dir, path: &Path) -> Result<()> {
        let Some(node) = &self.node else { return Ok(()) };
        let reserved = reserved(root).map_err(|err| Error::file(path.display(), err.into()))?;
        node.prove_coherence_among_those_at(&reserved, path)
    }

    /// Whether this one has its place among several servers still, if it is one of several.
    pub(super) fn standing(&self) -> Option<Arc<Standing>> {
        self.node.as_ref().map(|node| Arc::clone(node.standing()))
    }

    /// How this one is placed among several servers, if it is one of several.
    pub(super) fn place(&self) -> Option<NodePlace> {
        self.node.as_ref().map(Node::place)
    }

    /// What says whether what is old by this server's clock is so by those of the others, and none if that is not known.
    pub(super) fn knows_the_time(&self) -> impl Fn() -> Option<bool> + Send + Sync + use<> {
        let among_others = self.node.as_ref().map(Node::knows_the_time);
        move || among_others.as_ref().map_or(Some(true), |knows| knows())
    }

    /// What is seen of others' changes, if there are others.
    pub(super) fn mounts(&self) -> Option<Arc<Mounts>> {
        self.node.as_ref().map(|node| Arc::clone(node.mounts()))
    }

    /// Has whoever looks at the directory know this of the process that has it ([`note_of`]), in place of what was left
    /// before; nothing if it is empty.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn leave_note(&self, note: &str) -> io::Result<()> {
        // With several, nobody could tell whose it is.
        let is_left = self.is_left.lock();
        if self.writable && self.node.is_none() && !*is_left { note::write(&self.root, note) } else { Ok(()) }
    }

    fn take_unwritable(root: &Dir, data: &Path) -> Result<Occupancy> {
        let failed = |err| Error::file(data.display(), err);
        let file = root.try_clone().map_err(failed)?.into_std_file();
        // cap-std's own handle takes no lock.
        let mut file = File::from(
            openat(file, ".", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(|err| failed(err.into()))?,
        );
        wait_for(&mut file, data, FlockOperation::NonBlockingLockExclusive)?;
        tracing::warn!(data = %data.display(), "nothing can be written in this folder itself");
        Ok(Occupancy {
            node: None,
            file,
            root: root.try_clone().map_err(failed)?,
            writable: false,
            beats: None,
            is_left: Mutex::default(),
        })
    }
}

/// A directory that several servers use together, and none alone, until this is dropped.
#[derive(Debug)]
pub struct SharedFolder(#[expect(dead_code, reason = "locked")] File);

impl SharedFolder {
    /// Enters this directory, whose path is for errors.
    ///
    /// # Errors
    /// [`Kind::Busy`] if a server has it alone; those of the file system.
    pub fn enter(root: &Dir, path: &Path) -> Result<SharedFolder> {
        let failed = |err: io::Error| Error::file(path.join(limits::RESERVED_NAME).display(), err);
        let mut file = lock_file(root).map_err(failed)?;
        wait_for_locked(&mut file, path, FlockOperation::NonBlockingLockShared)?;
        // Who had it alone has ended: the next one need not look for that again.
        file.set_len(0).map_err(failed)?;
        Ok(SharedFolder(file))
    }
}

/// Whether what the servers change that serve this directory together is seen here at once, and how many those are: none if none does.
/// `data` is for errors.
///
/// # Errors
/// [`Kind::Io`] if it is not; those of the file system.
pub fn try_mount(root: &Dir, data: &Path) -> Result<Option<usize>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat(root, limits::RESERVED_NAME, flags, Mode::empty()) {
        Err(Errno::NOENT) => Ok(None),
        Err(err) => Err(Error::file(data.join(limits::RESERVED_NAME).display(), err.into())),
        Ok(reserved) => node::try_mount(&Dir::from_std_file(File::from(reserved)), data),
    }
}

/// Whether a server has this directory as its data directory now: as far as this account can see at once.
pub fn is_taken(dir: impl AsFd) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(reserved) = openat(dir, limits::RESERVED_NAME, flags | OFlags::DIRECTORY, Mode::empty()) else {
        return false;
    };
    let Ok(file) = openat(&reserved, LOCK, flags, Mode::empty()) else { return false };
    let mut file = File::from(file);
    // Shared and for a moment: two who look do not see each other, and who wants it tries again.
    flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
        || Owner::read(&mut file).is_some_and(|owner| owner.lives())
        || node::any_lives(&Dir::from_std_file(File::from(reserved))).is_ok_and(|node| node.is_some())
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

/// Whether no server has made its hidden place in this directory.
fn is_unused(root: &Dir) -> bool {
    matches!(statat(root, limits::RESERVED_NAME, AtFlags::SYMLINK_NOFOLLOW), Err(Errno::NOENT))
}

fn lock_file(root: &Dir) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // Who tries what the file system can do takes the hidden place away again if it made it.
    while_it_goes(|| Ok(openat(reserved(root)?, LOCK, flags, Mode::RUSR | Mode::WUSR)?.into()))
}

#[cfg(test)]
mod tests;
