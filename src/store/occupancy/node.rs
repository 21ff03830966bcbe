//! Several servers for one data directory: each is a node with a name, and holds the lock of a file of its own in
//! `.sealift/nodes`, into which it goes on writing that it lives. A node is dead when its lock is to be had and nothing is
//! written any more; whoever finds that first takes its file away, and sweeps what it left.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, fstat, mkdirat, openat, statat, unlinkat};
use rustix::io::Errno;

use super::clocks::{self, Clocks};
use super::coherence::{Coherence, Mounts, Trouble};
use super::owner::Owner;
use super::standing::Standing;
use super::waiting::wait_for_locked;
use crate::error::{Error, Kind, Result};
use crate::files::NodePlace;
use crate::limits;
use crate::sync::Mutex;

mod left;
mod looking;
mod name;
mod state_place;

pub(super) use self::left::forget_dead;
use self::looking::{Found, living, look, unlocked_and_alive};
pub(super) use self::looking::{any_lives, any_that_lives, try_mount};
pub use self::name::NodeName;
use self::state_place::StatePlace;

/// The folder of the nodes' files in [`limits::RESERVED_NAME`].
const NODES: &str = "nodes";

/// This server among the nodes of a data directory.
#[derive(Debug)]
pub(super) struct Node {
    name: NodeName,
    folder: Dir,
    /// Its own file, locked.
    file: Mutex<Arc<File>>,
    /// The others whose lock was to be had, as they were when that was seen first.
    silent: Mutex<HashMap<NodeName, (Owner, Instant)>>,
    /// How often in a row another one had this one's name.
    replaced: AtomicU32,
    /// When it last said that it lives.
    said: Mutex<Option<Instant>>,
    /// It ends. Nobody beats any more who has found that it does not, and holds the other.
    is_over: AtomicBool,
    beating: Mutex<()>,
    /// What it sees of the others' changes.
    mounts: Arc<Mounts>,
    /// Whether it has its lock still.
    standing: Arc<Standing>,
    /// Where it has its state, if that is on a file system of which it has probes elsewhere.
    state_place: Mutex<Option<StatePlace>>,
    clocks: Arc<Mutex<Clocks>>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Node {
    /// Becomes this node of the directory.
    ///
    /// # Errors
    /// [`Kind::Busy`] if another server is it; those of the file system.
    pub(super) fn join(root: &Dir, data: &Path, name: &NodeName) -> Result<Node> {
        let folder =
            make_folder(root).map_err(|err| Error::file(data.join(limits::RESERVED_NAME).display(), err.into()))?;
        for _ in 0..limits::NAME_TRIES {
            let failed = |err: Errno| Error::file(data.join(limits::RESERVED_NAME).join(NODES).display(), err.into());
            let mut file = open(&folder, &name.0, OFlags::CREATE).map_err(failed)?;
            wait_for_locked(&mut file, data, FlockOperation::NonBlockingLockExclusive).map_err(|err| {
                match err.kind() {
                    Kind::Busy => Error::new(Kind::Busy, format!("{} (as node {name})", err.text())),
                    _ => err,
                }
            })?;
            // Somebody may have taken it for a dead one's and removed it.
            if is_there(&folder, &name.0, &file) {
                let kept = folder.try_clone().map_err(|err| Error::file(data.display(), err))?;
                let file = Arc::new(file);
                let standing =
                    Standing::of(kept, name.clone(), &file).map_err(|err| Error::file(data.display(), err))?;
                return Ok(Node {
                    name: name.clone(),
                    folder,
                    file: Mutex::new(file),
                    silent: Mutex::default(),
                    replaced: AtomicU32::new(0),
                    said: Mutex::default(),
                    is_over: AtomicBool::new(false),
                    beating: Mutex::default(),
                    mounts: Arc::default(),
                    standing: Arc::new(standing),
                    state_place: Mutex::default(),
                    clocks: Arc::default(),
                });
            }
        }
        Err(Error::new(Kind::Busy, format!("{}: node {name} is taken away again and again", data.display())))
    }

    /// Makes sure that this file system shows locks to all nodes: none lives whose lock is to be had.
    ///
    /// # Errors
    /// [`Kind::Io`], naming such a one; those of the file system.
    pub(super) fn prove_locks(&self, data: &Path) -> Result<()> {
        let found = unlocked_and_alive(&self.folder, Some(&self.name));
        let Some(name) = found.map_err(|err| Error::file(data.display(), err))? else { return Ok(()) };
        let text = format!(
            "{}: this file system does not show locks over every mount: node {name} lives, and its lock is to be had here",
            data.display()
        );
        Err(Error::new(Kind::Io, text))
    }

    /// Those others of which the file is still there although they are dead: they are taken away now.
    fn bury(&self) -> Vec<NodeName> {
        // Who is not seen is not dead.
        let Ok(others) = self.others() else { return Vec::new() };
        let mut silent = self.silent.lock();
        silent.retain(|name, _| others.contains(name));
        let mut is_dead = |name: &NodeName| {
            let Ok(Found::Free(file, owner)) = self.look(name) else {
                silent.remove(name);
                return false;
            };
            // Of one that has lost its lock on the way, and lives, more is heard. (Whether its process does cannot be asked from within
            // the sandbox.)
            let is_over = match (owner, silent.get(name)) {
                (None, _) => true,
                (Some(owner), Some((first, since))) if *first == owner => since.elapsed() >= limits::BEAT_WATCH,
                (Some(owner), _) => {
                    silent.insert(name.clone(), (owner, Instant::now()));
                    false
                }
            };
            // Its lock is had alone here: whoever comes back under this name takes a new file, and nobody else takes that away.
            let is_ours = || flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
            let is_listed = is_over && is_ours() && is_there(&self.folder, &name.0, &file);
            if is_listed {
                self.mounts.all().iter().for_each(|mount| mount.forget(name));
                self.state_place.lock().iter().for_each(|place| place.forget(name));
            }
            is_listed && unlinkat(&self.folder, name.0.as_str(), AtFlags::empty()).is_ok()
        };
        others.iter().filter(|name| is_dead(name)).cloned().collect()
    }

    /// Has this written into its file, and to the disk: it is other machines that are to see it. Whoever was taken for dead, as one is
    /// that could not be reached for a while, or has lost the lock, takes another.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] if another server has the name for good; those of the file system.
    pub(super) fn say(&self, say: impl Fn(&File) -> io::Result<()>) -> io::Result<()> {
        let mut file = self.file.lock();
        let is_held = self.standing.prove()?;
        if is_held {
            self.replaced.store(0, Ordering::Relaxed);
        }
        if is_held && self.standing.is_lost() {
            // It is there again, and nobody else has it: whoever had put another one in its place has given that back.
            self.standing.taken_again(&file)?;
        }
        if !is_held {
            let was_gone = is_gone(&self.folder, &self.name.0, &file);
            let new = Arc::new(open(&self.folder, &self.name.0, OFlags::CREATE)?);
            match flock(&new, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_there(&self.folder, &self.name.0, &new) => {}
                Ok(()) | Err(Errno::WOULDBLOCK) => {
                    let text = "another server took this one for dead, and one has its name now";
                    // One who only looks has its lock for a moment.
                    let is_for_good = self.replaced.fetch_add(1, Ordering::Relaxed) >= limits::NODE_REPLACED;
                    let kind = if is_for_good { io::ErrorKind::AddrInUse } else { io::ErrorKind::Other };
                    return Err(io::Error::new(kind, text));
                }
                // A file system that gives no locks just now says nothing of others.
                Err(err) => return Err(err.into()),
            }
            self.replaced.store(0, Ordering::Relaxed);
            let why = if was_gone { "was taken for dead by another one" } else { "had lost its lock" };
            tracing::warn!(node = %self.name, "this server {why}, and what it was storing may be lost");
            self.standing.taken_again(&new)?;
            *file = new;
        }
        say(&file)?;
        file.sync_data()
    }

    /// Has this written into its file when it is time again, looks whether it sees what the others change, and returns those that have died
    /// since the last look of any.
    ///
    /// # Errors
    /// As [`Node::say`].
    pub(super) fn beat(&self, say: impl Fn(&File) -> io::Result<()>) -> io::Result<Vec<NodeName>> {
        let _beating = self.beating.lock();
        if self.is_over.load(Ordering::Acquire) {
            return Ok(Vec::new());
        }
        let is_due = self.is_due();
        let said = if is_due { self.say(say) } else { Ok(()) };
        // Also of one that cannot say anything: it is not to go on deciding by what it does not see.
        self.mounts.all().iter().for_each(|mount| mount.turn(&|| self.living(), is_due));
        said?;
        if is_due {
            self.look_at_state_place();
            self.look_at_clocks();
        }
        Ok(if is_due { self.bury() } else { Vec::new() })
    }

    /// Takes away what is there of it, before its lock goes: nobody has to find out.
    pub(super) fn leave(&self) {
        if self.is_over.swap(true, Ordering::AcqRel) {
            return;
        }
        let mounts = self.mounts.all();
        mounts.iter().for_each(|mount| mount.end());
        // A beat whose call of the file system does not come back is not waited for: the others find out.
        let Some(_nobody_beats) = self.beating.lock_within(limits::BEAT_WATCH) else {
            tracing::warn!(node = %self.name, "the file system does not answer: the others find out that this server has ended");
            return;
        };
        if self.is_listed() {
            mounts.iter().for_each(|mount| mount.forget(&self.name));
            self.state_place.lock().iter().for_each(|place| place.forget(&self.name));
            let _ = unlinkat(&self.folder, self.name.0.as_str(), AtFlags::empty());
        }
    }

    /// Whether it is time again for [`Node::say`], and for a look after the others.
    fn is_due(&self) -> bool {
        let mut said = self.said.lock();
        let is_due = said.is_none_or(|said| said.elapsed() >= limits::BEAT_PAUSE);
        if is_due {
            *said = Some(Instant::now());
        }
        is_due
    }

    /// Proves that what is changed in this hidden place, which `place` is for errors, by the others that live is seen here at once, and by
    /// them what is changed here; and has that tried from now on.
    ///
    /// # Errors
    /// [`Kind::Io`] if it is not so, with what to mount otherwise.
    pub(super) fn prove_coherence(&self, reserved: &Dir, place: &Path) -> Result<()> {
        self.prove(reserved, place, Ok)
    }

    /// Proves, as `prove_coherence` does, that changes are seen at once at a place which those others have in common with this one that have
    /// probes in it: it may be of this node alone.
    ///
    /// # Errors
    /// As [`Node::prove_coherence`].
    pub(super) fn prove_coherence_among_those_at(&self, reserved: &Dir, place: &Path) -> Result<()> {
        let failed = |err: io::Error| Error::file(place.display(), err);
        if self.mounts.has(fstat(reserved).map_err(|err| failed(err.into()))?.st_dev) {
            *self.state_place.lock() = Some(StatePlace::enter(reserved, place, &self.name).map_err(failed)?);
            return Ok(());
        }
        self.prove(reserved, place, |coherence| {
            let coherence = coherence.among_those_here()?;
            if !self.living()?.is_empty() && coherence.others(&|| self.living())?.is_empty() {
                state_place::say_alone(place);
            }
            Ok(coherence)
        })
    }

    fn prove(
        &self,
        reserved: &Dir,
        place: &Path,
        among: impl FnOnce(Coherence) -> Result<Coherence, Trouble>,
    ) -> Result<()> {
        let device = fstat(reserved).map_err(|err| Error::file(place.display(), err.into()))?.st_dev;
        if self.mounts.has(device) {
            return Ok(());
        }
        let proven = Coherence::open(reserved, place, Some(self.name.clone()))
            .map_err(Into::into)
            .and_then(among)
            .and_then(|coherence| self.mounts.add(coherence, &|| self.living()));
        proven.map_err(|trouble| Error::new(Kind::Io, format!("{}: {trouble}", place.display())))
    }

    fn look_at_state_place(&self) {
        // Who is not seen may be there.
        let Ok(living) = self.living() else { return };
        if let Some(place) = &mut *self.state_place.lock()
            && place.look(&living, limits::COHERENCE_WAIT)
        {
            place.say_alone();
        }
    }

    fn look_at_clocks(&self) {
        let said = |name: NodeName| match open(&self.folder, name.as_str(), OFlags::empty()) {
            Err(Errno::NOENT | Errno::STALE) => None,
            file => Some(file.ok().and_then(|mut file| Owner::read(&mut file)).map(|owner| (name, owner))),
        };
        let others = self.others().ok().and_then(|others| others.into_iter().filter_map(said).collect());
        self.clocks.lock().look(others, clocks::now());
    }

    /// Whether what is old by the clock of this machine is so by those of the others; none if that is not known.
    pub(super) fn knows_the_time(&self) -> impl Fn() -> Option<bool> + Send + Sync + use<> {
        let clocks = Arc::clone(&self.clocks);
        move || clocks.lock().agree(clocks::now())
    }

    pub(super) fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    pub(super) fn place(&self) -> NodePlace {
        match () {
            () if self.standing.is_lost() || self.standing.is_unknown() => NodePlace::Lost,
            () if self.mounts.are_doubtful() => NodePlace::Unsure,
            () => NodePlace::Held,
        }
    }

    pub(super) fn mounts(&self) -> &Arc<Mounts> {
        &self.mounts
    }

    /// The others that hold their locks.
    fn living(&self) -> io::Result<Vec<NodeName>> {
        living(&self.folder, Some(&self.name))
    }

    fn is_listed(&self) -> bool {
        is_there(&self.folder, &self.name.0, &self.file.lock())
    }

    fn look(&self, name: &NodeName) -> Result<Found, Errno> {
        look(&self.folder, name)
    }

    fn others(&self) -> io::Result<Vec<NodeName>> {
        Ok(names(&self.folder)?.into_iter().filter(|name| *name != self.name).collect())
    }
}

fn names(folder: &Dir) -> io::Result<Vec<NodeName>> {
    let mut names = Vec::new();
    for entry in folder.entries()? {
        names.extend(entry?.file_name().to_str().and_then(|name| name.parse::<NodeName>().ok()));
    }
    Ok(names)
}

pub(super) fn open(folder: &Dir, name: &str, flags: OFlags) -> Result<File, Errno> {
    let flags = flags | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::RUSR | Mode::WUSR).map(File::from)
}

/// Device and number of a file.
pub(super) fn number_of(file: &File) -> Result<(u64, u64), Errno> {
    fstat(file).map(|stat| (stat.st_dev, stat.st_ino))
}

fn is_there(folder: &Dir, name: &str, file: &File) -> bool {
    let (Ok(ours), Ok(there)) = (fstat(file), statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)) else { return false };
    (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)
}

/// Whether this file has certainly lost its name: what cannot be asked just now is not gone.
fn is_gone(folder: &Dir, name: &str, file: &File) -> bool {
    match (fstat(file), statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)) {
        (Ok(ours), Ok(there)) => (ours.st_dev, ours.st_ino) != (there.st_dev, there.st_ino),
        (_, Err(err)) => err == Errno::NOENT,
        (Err(_), Ok(_)) => false,
    }
}

fn open_folder(reserved: &Dir) -> Result<Dir, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(Dir::from_std_file(File::from(openat(reserved, NODES, flags, Mode::empty())?)))
}

fn make_folder(root: &Dir) -> Result<Dir, Errno> {
    let reserved = super::reserved(root)?;
    match mkdirat(&reserved, NODES, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => open_folder(&reserved),
        Err(err) => Err(err),
    }
}

#[cfg(test)]
mod tests;
