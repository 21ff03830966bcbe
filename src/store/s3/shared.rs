//! What all stores of a vault share, and how they look at the bucket.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use rustix::io::Errno;

use super::changers::Changers;
use super::engine::{Engine, Why, unavailable};
use super::journal::AtWork;
use super::ledger::Ledger;
use super::names::{Keyspace, Spot};
use super::object::{Kept, Object};
use super::partial::Live;
use super::probe::Heeds;
use super::xml::Listed;
use crate::error::{Error, Kind, Result};
use crate::files::{Condition, EntryKind, FileMode, Hash, Hasher, Meta, Mtime, Overwrite, RelPath, UploadSpec};
use crate::limits;
use crate::machine::turns::block_in_place;
use crate::sync::{Mutex, MutexGuard, RwLock};

/// What stores share.
pub(super) struct Shared {
    pub(super) engine: Engine,
    /// Whoever changes something, however many requests that takes.
    pub(super) changers: Changers,
    pub(super) keys: Keyspace,
    /// Where uploads wait until they are sent.
    pub(super) spool: Arc<PathBuf>,
    /// What the storage heeds: nothing, until it was tried.
    pub(super) heeds: RwLock<Heeds>,
    /// This process is the only one that changes the bucket.
    pub(super) alone: bool,
    /// By a part of the hash of a path: whoever changes what has a name has its lock.
    names: [Mutex<()>; 256],
    /// By a part of the hash of a home: whoever renames a folder in it.
    folders: [Mutex<()>; 256],
    /// What is known of files that have stood still, by key and by what a listing tells of them.
    remembered: Mutex<HashMap<Listed, Kept>>,
    /// When folders were last seen that files go into.
    seen: Mutex<SeenFolders>,
    /// Uploads in parts that this process sends.
    pub(super) live: Live,
    /// What was left of an upload could not be written down: the storage did not answer.
    pub(super) keeps_in_vain: AtomicBool,
    /// When what is left of uploads was last swept.
    pub(super) swept: Mutex<Option<Instant>>,
    /// Keys of what this process wrote of who has an upload and could not remove when it had no use for it any more, whether some of it may
    /// be written once more, and when they are removed again.
    pub(super) taken_back: Mutex<Vec<(String, bool, Instant)>>,
    /// What homes under a quota hold.
    pub(super) ledger: Ledger,
    /// What this process is called in what it writes of its RENAMEs.
    pub(super) process: String,
    /// Which of those it is at.
    pub(super) at_work: AtWork,
    /// Threads that help others.
    helping: AtomicUsize,
    /// Bytes of open files that are held.
    pub(super) held: AtomicU64,
}

/// Folders, and when somebody saw them there.
#[derive(Default)]
struct SeenFolders {
    folders: HashMap<Spot, Instant>,
    /// How often they were forgotten: who looked before that has seen what may be gone.
    forgotten: u64,
}

/// When somebody saw a folder, and how often folders had been forgotten before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looked {
    at: Instant,
    forgotten: u64,
}

/// What has a name.
#[derive(Debug, Clone)]
pub(super) enum Found {
    Nothing,
    File(Object),
    Folder,
}

/// A lock of one or two names.
pub(super) struct HeldNames<'a> {
    _first: Option<MutexGuard<'a, ()>>,
    _second: Option<MutexGuard<'a, ()>>,
}

/// A path of a home, from the beginning of all homes.
pub(super) fn full(home: &Spot, path: &RelPath) -> Spot {
    home.at(path.as_bytes())
}

/// A number that no other upload has.
pub(super) fn a_number() -> Result<String> {
    let mut bytes = [0; 16];
    crate::random::fill(&mut bytes)?;
    Ok(super::sign::digits(&bytes))
}

pub(super) fn failed(path: &RelPath, err: Errno) -> Error {
    Error::file(path, err.into())
}

/// The modes and times of folders are not kept: all are the same.
pub(super) fn of_a_folder() -> Meta {
    let mode = FileMode::of(limits::SERVED_FOLDER_MODE);
    Meta { kind: EntryKind::Directory, size: 0, mtime: Mtime::default(), mode }
}

impl Shared {
    pub(super) fn new(engine: Engine, keys: Keyspace, spool: PathBuf, ledger: Ledger) -> Result<Shared> {
        let alone = ledger.alone;
        Ok(Shared {
            engine,
            changers: Changers::default(),
            keys,
            spool: Arc::new(spool),
            heeds: RwLock::new(Heeds::NOTHING),
            alone,
            names: std::array::from_fn(|_| Mutex::new(())),
            folders: std::array::from_fn(|_| Mutex::new(())),
            remembered: Mutex::default(),
            seen: Mutex::default(),
            live: Live::default(),
            keeps_in_vain: AtomicBool::new(false),
            swept: Mutex::default(),
            taken_back: Mutex::default(),
            ledger,
            process: a_number()?,
            at_work: AtWork::default(),
            helping: AtomicUsize::new(0),
            held: AtomicU64::new(0),
        })
    }

    pub(super) fn heeds(&self) -> Heeds {
        *self.heeds.read()
    }

    /// Waits until nobody else of this process changes what has this name, or one of these.
    pub(super) fn lock(&self, one: &Spot, other: Option<&Spot>) -> HeldNames<'_> {
        // No two threads wait for each other: all take them in the order of their places.
        let place = |path: &Spot| Hash::of(path.as_bytes()).as_bytes().first().copied().unwrap_or(0);
        let at = |place: u8| self.names.iter().cycle().nth(place.into());
        let (first, second) = (place(one), other.map_or_else(|| place(one), place));
        let (low, high) = (first.min(second), first.max(second));
        block_in_place(|| {
            let first = at(low).map(Mutex::lock);
            HeldNames { _first: first, _second: (low != high).then(|| at(high).map(Mutex::lock)).flatten() }
        })
    }

    /// Waits until nobody else of this process renames a folder of this home, as long as for an answer. Before locks of names, never
    /// with one.
    pub(super) fn lock_folders(&self, home: &Spot, path: &RelPath) -> Result<MutexGuard<'_, ()>> {
        let place = Hash::of(home.as_bytes()).as_bytes().first().copied().unwrap_or(0);
        let lock = self.folders.get(usize::from(place));
        let held = block_in_place(|| lock.and_then(|lock| lock.lock_within(self.engine.patience())));
        held.ok_or_else(|| unavailable(path.said("another folder is still being renamed")))
    }

    /// Refuses what depends on something that this storage does not heed, before any byte is sent. In parts: as an upload in parts.
    pub(super) fn refuse_condition(&self, spec: &UploadSpec, in_parts: bool, path: &RelPath) -> Result<()> {
        let heeds = self.heeds();
        let (absent, same) = match in_parts {
            false => (heeds.put_absent, heeds.put_match),
            true => (heeds.complete_absent, heeds.complete_match),
        };
        let heeded = match (spec.condition, spec.overwrite) {
            (Condition::Absent, _) | (_, Overwrite::Refused | Overwrite::Numbered) => absent,
            (Condition::Hash(_), _) => same,
            (Condition::Any, Overwrite::Allowed) => true,
        };
        if heeded || self.alone { Ok(()) } else { Err(unheeded(path)) }
    }

    /// What is known of the file at this path.
    pub(super) fn file(&self, full: &Spot) -> Result<Object, Why> {
        let mut object = self.engine.head(&self.keys.file(full)?)?;
        self.complete(full, &mut object)?;
        Ok(object)
    }

    /// Adds what is written beside a file.
    pub(super) fn complete(&self, full: &Spot, object: &mut Object) -> Result<(), Why> {
        if object.has_record()
            && let Some(kept) = self.engine.recorded(&self.keys.record(full), object)?
        {
            object.kept = kept;
        }
        Ok(())
    }

    /// What is at this path, of which nothing is known.
    pub(super) fn look(&self, full: &Spot, path: &RelPath) -> Result<Found> {
        match self.file(full) {
            Ok(object) => Ok(Found::File(object)),
            Err(Why::Missing) if self.is_folder(full, path)? => Ok(Found::Folder),
            Err(Why::Missing) => Ok(Found::Nothing),
            Err(why) => Err(why.at(path)),
        }
    }

    pub(super) fn is_folder(&self, full: &Spot, path: &RelPath) -> Result<bool> {
        self.engine.has_any(&self.keys.folder(full)?).map_err(|why| why.at(path))
    }

    /// Refuses what is the home itself, or not in a folder.
    pub(super) fn check_parent(&self, home: &Spot, path: &RelPath) -> Result<()> {
        let Some(parent) = path.parent() else {
            return Err(Error::new(Kind::IsDirectory, "this is your own folder, not a file or folder in it"));
        };
        if parent.is_root() || self.is_folder(&full(home, &parent), path)? {
            return Ok(());
        }
        Err(self.why_absent(home, path))
    }

    /// Nothing has been looked at yet.
    pub(super) fn begins_to_look(&self) -> Looked {
        Looked { at: Instant::now(), forgotten: self.seen.lock().forgotten }
    }

    /// Whether what was seen then still counts: nothing has gone or got another name here, and it is not long ago.
    pub(super) fn is_lately(&self, looked: Looked) -> bool {
        looked.at.elapsed() <= limits::ENGINE_LOOKED && self.seen.lock().forgotten == looked.forgotten
    }

    /// [`Shared::check_parent`], or that somebody looked less than [`limits::ENGINE_LOOKED`] ago. When that was. Where others change the
    /// bucket too each one looks: what they did is not known here.
    pub(super) fn check_parent_lately(&self, home: &Spot, path: &RelPath) -> Result<Looked> {
        let now = self.begins_to_look();
        let parent = path.parent().filter(|parent| self.alone && !parent.is_root()).map(|parent| full(home, &parent));
        let Some(parent) = parent else { return self.check_parent(home, path).map(|()| now) };
        let before = {
            let seen = self.seen.lock();
            seen.folders.get(&parent).map(|at| Looked { at: *at, forgotten: seen.forgotten })
        };
        if let Some(before) = before.filter(|before| before.at.elapsed() < limits::ENGINE_LOOKED) {
            return Ok(before);
        }
        self.check_parent(home, path)?;
        let mut seen = self.seen.lock();
        if seen.forgotten == now.forgotten {
            if seen.folders.len() >= limits::ENGINE_FOLDERS {
                seen.folders.clear();
            }
            seen.folders.insert(parent, now.at);
        }
        Ok(now)
    }

    /// Something has gone or got another name: no folder counts as seen.
    pub(super) fn forget_seen(&self) {
        let mut seen = self.seen.lock();
        seen.folders.clear();
        seen.forgotten += 1;
    }

    /// [`Shared::look`] where most likely nothing is: one request then.
    pub(super) fn look_for_none(&self, full: &Spot, path: &RelPath) -> Result<Found> {
        let key = self.keys.file(full)?;
        let page = self.engine.page(&key, true, 1, None).map_err(|why| why.at(path))?;
        match page.objects.first() {
            None if page.next.is_none() => Ok(Found::Nothing),
            // Its own key would come before all others that begin with it.
            Some(first) if first.key > key => match self.is_folder(full, path)? {
                true => Ok(Found::Folder),
                false => Ok(Found::Nothing),
            },
            _ => self.look(full, path),
        }
    }

    /// Why nothing is at this path.
    pub(super) fn why_absent(&self, home: &Spot, path: &RelPath) -> Error {
        let slashes = path.as_bytes().iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for end in slashes {
            let above = path.as_bytes().get(..end).unwrap_or_default();
            let Ok(above) = RelPath::parse(above) else { break };
            match self.keys.file(&full(home, &above)).map_err(Why::from).and_then(|key| self.engine.head(&key)) {
                Ok(_) => return Error::new(Kind::NotDirectory, path.said_with(&above, "is no folder")),
                Err(Why::Missing) => {}
                Err(why) => return why.at(path),
            }
        }
        failed(path, Errno::NOENT)
    }

    /// The hash of a file's bytes: what is recorded, or what reading it comes to.
    pub(super) fn hash_of(&self, full: &Spot, object: &Object) -> Result<Hash, Why> {
        match object.kept {
            Kept { hash: Some(hash), rotten: None, .. } => return Ok(hash),
            Kept { rotten: Some(found), .. } => return Ok(found),
            Kept { hash: None, rotten: None, .. } => {}
        }
        let mut hasher = Hasher::new();
        if object.size > 0 {
            let mut answer = self.engine.stream(&self.keys.file(full)?, &object.etag, 0, object.size)?;
            let mut buffer = crate::buffers::Buffer::take();
            loop {
                let read = answer.read(buffer.room());
                let n = read.map_err(|broken| unavailable(&broken.0))?;
                if n == 0 {
                    break;
                }
                hasher.update(buffer.room().get(..n).unwrap_or_default());
            }
        }
        match hasher.len() == object.size {
            true => Ok(hasher.finalize()),
            false => Err(unavailable("the storage did not give all of a file").into()),
        }
    }

    /// A folder stays when what was in it goes, also if nobody has made it by name.
    pub(super) fn keep_parent(&self, home: &Spot, path: &RelPath) -> Result<()> {
        match path.parent().filter(|parent| !parent.is_root()) {
            Some(parent) => self.mark(&full(home, &parent)).map_err(|why| why.at(path)),
            None => Ok(()),
        }
    }

    /// Makes a folder's marker, if there is none.
    pub(super) fn mark(&self, full: &Spot) -> Result<(), Why> {
        self.keys.fits(full)?;
        let key = self.keys.folder(full)?;
        match self.engine.head(&key) {
            Err(Why::Missing) => self.engine.put(&key, super::upload::whole(""), vec![]).map(drop),
            found => found.map(drop),
        }
    }

    /// What is known of the files of a page of a listing, which tells neither their times nor their modes.
    pub(super) fn known(&self, listed: &[(Spot, Listed)]) -> Vec<Result<Option<Object>, Why>> {
        self.side_by_side(listed, |(full, listed)| {
            if let Some(kept) = self.remembered.lock().get(listed).copied() {
                let modified = super::xml::seconds(&listed.modified).unwrap_or(0);
                let modified = Mtime { secs: modified, nanos: 0 };
                let (size, etag) = (listed.size, listed.etag.clone());
                return Ok(Some(Object { size, etag, modified, number: String::new(), kept }));
            }
            match self.file(full) {
                Ok(object) => {
                    let age = listed.age(self.engine.now());
                    let is_still = age >= i64::try_from(limits::ENGINE_REMEMBERED_AGE.as_secs()).unwrap_or(0);
                    let is_it = object.etag == listed.etag && object.size == listed.size;
                    if is_still && is_it && !object.has_record() {
                        let mut remembered = self.remembered.lock();
                        if remembered.len() >= limits::ENGINE_REMEMBERED {
                            remembered.clear();
                        }
                        remembered.insert(listed.clone(), object.kept);
                    }
                    Ok(Some(object))
                }
                Err(Why::Missing) => Ok(None),
                Err(why) => Err(why),
            }
        })
    }

    /// Does this with each, several at once as far as there are threads to help.
    pub(super) fn side_by_side<T: Sync, R: Send>(&self, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
        let wanted = items.len().saturating_sub(1).min(limits::ENGINE_AT_ONCE - 1);
        let before = self.helping.fetch_add(wanted, Ordering::Relaxed);
        let helpers = wanted.min(limits::ENGINE_AT_ONCE_ALL.saturating_sub(before));
        let next = AtomicUsize::new(0);
        let one = || {
            let mut done = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                match items.get(at) {
                    Some(item) => done.push((at, work(item))),
                    None => return done,
                }
            }
        };
        let mut all = block_in_place(|| {
            thread::scope(|scope| {
                let helping = (0..helpers).map(|_| thread::Builder::new().spawn_scoped(scope, one));
                // Where there is no thread to be had the others do its part.
                let helping: Vec<_> = helping.filter_map(Result::ok).collect();
                let mut all = one();
                for helper in helping {
                    match helper.join() {
                        Ok(done) => all.extend(done),
                        Err(panic) => std::panic::resume_unwind(panic),
                    }
                }
                all
            })
        });
        self.helping.fetch_sub(wanted, Ordering::Relaxed);
        all.sort_by_key(|(at, _)| *at);
        all.into_iter().map(|(_, result)| result).collect()
    }
}

/// What depends on a condition that the storage takes and does not heed.
pub(super) fn unheeded(path: &RelPath) -> Error {
    let text = "the storage does not heed the condition that this depends on, so that somebody's file could be lost";
    Error::new(Kind::Unsupported, path.said(text))
}
