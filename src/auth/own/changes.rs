//! Several servers with one state folder. Who changes something in it holds the lock of a file there, and writes a journal of what was
//! changed, and what it is now, under a name with its number. So the others see what is new without looking at all there is; and nobody
//! takes for the newest what a mount goes on showing for a while of what was there before: new names are seen at once everywhere.
//!
//! Before a file is changed the journal says that it is about to be: where whoever is at it is killed, or cannot write down what came of
//! it, the others read that file anew until the next one who has the lock has found that out.
//!
//! A lock may be lost without a word, by a server that stood still or could not be reached for so long that the file system gave it to
//! another one. So it is no proof: of two journals of one number there is one, whoever finds a later one than the own has written
//! nothing, and what is about to take a place in the folder is taken away by whoever finds that it was begun ([`Turn::begin`]).

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use self::asked::Asked;
use self::journal::{Content, Entry, Journal};
use self::journals::{name_of, numbers};
use crate::error::{Error, Kind, Result};
use crate::files::Hash;
use crate::fresh_file::{Fresh, remove_beside};
use crate::limits;
use crate::random;

/// The folder of it.
const FOLDER: &str = "changes";

/// The file in it whose lock is held by who changes something.
const LOCK: &str = "lock";

/// The changes in a state folder.
#[derive(Debug, Clone)]
pub(super) struct Changes {
    folder: PathBuf,
    /// The last one who wanted the lock waited in vain: who comes now does not wait as long again.
    is_stuck: Arc<AtomicBool>,
    asked: Asked,
    /// How long the last journal may not be seen yet.
    hidden: Duration,
}

/// As long as it lives no other server changes anything.
#[derive(Debug)]
pub struct Turn {
    _lock: File,
    folder: PathBuf,
    journal: Journal,
}

/// Up to where somebody has taken over what was changed.
#[derive(Debug, Default, Clone)]
pub struct Followed {
    epoch: String,
    next: u64,
    /// Since when something is not to be seen yet as it was written.
    hidden: Option<Instant>,
    /// Of a folder that was left to the next server, as it was when all of it was read.
    pub(super) changed: Option<SystemTime>,
}

/// What is new in one of the folders.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::auth) enum News {
    /// Nothing, or it is not to be seen yet.
    Nothing,
    /// These files are others, or gone.
    These(Vec<PathBuf>),
    /// It is not known what.
    Anything,
}

/// What is found of the journal.
enum Read {
    Journal(Journal),
    /// There never was one.
    Nothing,
    /// The one of this number is not whole, or not to be seen yet.
    Torn(u64),
}

impl Changes {
    pub(super) fn of(state: &Path, may_change: impl Fn() -> Result<()> + Send + Sync + 'static) -> Changes {
        Changes {
            folder: state.to_owned(),
            is_stuck: Arc::default(),
            asked: Asked::of(may_change),
            hidden: limits::SHARED_STATE_HIDDEN,
        }
    }

    fn open_lock(&self) -> io::Result<File> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
        let path = self.folder.join(FOLDER).join(LOCK);
        match options.open(&path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        match DirBuilder::new().mode(0o700).create(self.folder.join(FOLDER)) {
            Err(err) if err.kind() != io::ErrorKind::AlreadyExists => return Err(err),
            _ => {}
        }
        options.open(path)
    }

    /// Whether what is over may go from the disk.
    pub(super) fn goes_by_age(&self) -> bool {
        self.asked.goes_by_age()
    }

    /// Whether this is the file of the lock still.
    fn is_there(&self, lock: &File) -> bool {
        let there = fs::symlink_metadata(self.folder.join(FOLDER).join(LOCK));
        let (Ok(there), Ok(ours)) = (there, lock.metadata()) else { return false };
        (there.dev(), there.ino()) == (ours.dev(), ours.ino())
    }

    fn failed(&self, err: io::Error) -> Error {
        failed(&self.folder.join(FOLDER), err)
    }

    /// Waits until no other server changes anything: that takes as long as a small file to be written. `begun` is since when whoever
    /// asks has waited in this process: one that was stopped is waited for once, and not by one after the other.
    ///
    /// # Errors
    /// [`Kind::Io`] if another one is at it for too long, or it is not known whether what they change is seen here; those of the file
    /// system.
    pub(super) fn alone(&self, begun: Instant) -> Result<Turn> {
        self.asked.may_change()?;
        let mut lock = self.open_lock().map_err(|err| self.failed(err))?;
        let most = match self.is_stuck.load(Ordering::Relaxed) {
            true => limits::SHARED_STATE_PAUSE,
            false => limits::SHARED_STATE_WAIT,
        };
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if self.is_there(&lock) => break,
                // Somebody has removed it since it was opened: others have another one by now.
                Ok(()) if begun.elapsed() < most => lock = self.open_lock().map_err(|err| self.failed(err))?,
                Ok(()) => return Err(still_changing()),
                Err(Errno::INTR) => continue,
                Err(Errno::WOULDBLOCK) if begun.elapsed() < most => {}
                Err(Errno::WOULDBLOCK) => {
                    self.is_stuck.store(true, Ordering::Relaxed);
                    return Err(still_changing());
                }
                Err(err) => return Err(self.failed(err.into())),
            }
            std::thread::sleep(limits::SHARED_STATE_PAUSE);
        }
        self.is_stuck.store(false, Ordering::Relaxed);
        let mut turn = Turn { _lock: lock, folder: self.folder.clone(), journal: self.journal_of_all()? };
        // Of those that were killed at it, or could not say what they did.
        let open: Vec<PathBuf> = turn.journal.open().into_iter().map(|(_, file)| self.folder.join(file)).collect();
        for file in open {
            // Nor may one go on with it who only stood still.
            remove_beside(&file).map_err(|err| self.failed(err))?;
            turn.changed(&file)?;
        }
        Ok(turn)
    }

    /// The journal, for whoever has the lock: nobody is writing it.
    fn journal_of_all(&self) -> Result<Journal> {
        let begun = Instant::now();
        loop {
            let number = match self.read() {
                Ok(Read::Journal(journal)) => return Ok(journal),
                Ok(Read::Nothing) => None,
                Ok(Read::Torn(number)) => Some(number),
                Err(err) => return Err(self.failed(err)),
            };
            // It got its name when it was whole: so it is only not seen yet, or it is broken for good and nobody knows what was changed.
            if number.is_none() || begun.elapsed() >= self.hidden {
                return Ok(Journal { epoch: epoch()?, next: number.unwrap_or_default(), ..Journal::default() });
            }
            std::thread::sleep(limits::SHARED_STATE_PAUSE);
        }
    }

    /// The last journal that has its name.
    fn read(&self) -> io::Result<Read> {
        let folder = self.folder.join(FOLDER);
        for _ in 0..limits::NAME_TRIES {
            let last = match numbers(&folder) {
                Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Read::Nothing),
                numbers => numbers?.into_iter().max(),
            };
            let Some(number) = last else { return Ok(Read::Nothing) };
            match Journal::read(&folder.join(name_of(number))) {
                Ok(Some(journal)) if journal.next == number => return Ok(Read::Journal(journal)),
                Ok(_) => return Ok(Read::Torn(number)),
                // A later one is there by now.
                Err(err) if err.kind() == io::ErrorKind::NotFound => {}
                Err(err) if Errno::from_io_error(&err) == Some(Errno::STALE) => {}
                Err(err) => return Err(err),
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }

    /// Where the changes are now: whoever reads all there is after this has followed so far.
    pub(super) fn now(&self) -> Followed {
        match self.read() {
            Ok(Read::Journal(journal)) => journal.followed(),
            // Then it is read again.
            Ok(Read::Nothing | Read::Torn(_)) | Err(_) => Followed::default(),
        }
    }

    /// What is new in this folder since then. With a turn it waits until that is to be seen; without one whoever asks comes again.
    ///
    /// # Errors
    /// With a turn that it cannot be seen.
    pub(super) fn news(&self, folder: &str, followed: &mut Followed, turn: Option<&Turn>) -> Result<News> {
        let read;
        let journal = match turn {
            Some(turn) => &turn.journal,
            None => match self.read() {
                Ok(Read::Journal(journal)) => {
                    read = journal;
                    &read
                }
                Ok(Read::Nothing | Read::Torn(_)) | Err(_) => return Ok(News::Nothing),
            },
        };
        if journal.epoch == followed.epoch && journal.next == followed.next {
            return Ok(News::Nothing);
        }
        let (is_known, written) = journal.since(followed, folder);
        let begun = *followed.hidden.get_or_insert_with(Instant::now);
        while !self.shows(folder, &written)? {
            // Longer than any mount of a shared folder may keep something from us: another server was killed before it could write
            // down what it did, or it was somebody's hand.
            if begun.elapsed() >= limits::SHARED_STATE_HIDDEN {
                tracing::warn!("what is kept of users is not what the servers of this folder have written last");
                break;
            }
            if turn.is_none() {
                return Ok(News::Nothing);
            }
            std::thread::sleep(limits::SHARED_STATE_PAUSE);
        }
        *followed = journal.followed();
        Ok(match is_known {
            true => News::These(written.keys().map(|file| self.folder.join(file)).collect()),
            false => News::Anything,
        })
    }

    /// Whether each file is as it was written.
    ///
    /// # Errors
    /// That it cannot be known: a folder that is gone has lost its mount, and nobody has done away with what was in it.
    fn shows(&self, folder: &str, written: &BTreeMap<&str, Content>) -> Result<bool> {
        for (file, content) in written {
            let there = Content::from(hash_of(&self.folder.join(file))?);
            if there == Content::Gone {
                fs::metadata(self.folder.join(folder)).map_err(|err| self.failed(err))?;
            }
            if *content != Content::Unknown && there != *content {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether several servers have had this state folder together.
pub(super) fn is_of_several(state: &Path) -> bool {
    state.join(FOLDER).join(LOCK).exists()
}

impl Turn {
    /// Writes down that this file is about to be changed, by a new file that is beside it already. From then on the others read it anew
    /// until [`Turn::changed`], of this one or of whoever comes next, who takes that away first: so it gets to its place before the next
    /// one looks what is there, or never.
    ///
    /// # Errors
    /// Those of the file system. It must not be changed then.
    pub fn begin(&mut self, path: &Path) -> Result<()> {
        self.put(path, Content::Unknown)
    }

    /// Gives what was begun its place.
    ///
    /// # Errors
    /// [`Kind::Io`] if another server has taken it away by now; those of the file system.
    pub(in crate::auth) fn put_in_place(&self, fresh: Fresh) -> Result<()> {
        fresh.put_in_place().map_err(|error| match error.kind() {
            Kind::NotFound => superseded(),
            _ => error,
        })
    }

    /// Writes down that this file is as it is now.
    ///
    /// # Errors
    /// Those of the file system. The others read it again and again then.
    pub fn changed(&mut self, path: &Path) -> Result<()> {
        let content = Content::from(hash_of(path)?);
        if let (Content::Gone, Some(above)) = (content, path.parent()) {
            // A mount that is lost is no file that is gone.
            fs::metadata(above).map_err(|err| failed(above, err))?;
        }
        self.put(path, content)
    }

    fn put(&mut self, path: &Path, content: Content) -> Result<()> {
        let folder = self.folder.join(FOLDER);
        let Some(file) = path.strip_prefix(&self.folder).ok().and_then(Path::to_str) else { return Ok(()) };
        // Nothing of it holds until it is written: who has failed does not get further than whoever came in between.
        let mut journal = self.journal.clone();
        journal.entries.push_back(Entry { number: journal.next, file: file.to_owned(), content });
        journal.next += 1;
        let surplus = journal.entries.len().saturating_sub(limits::SHARED_CHANGES);
        journal.entries.drain(..surplus);
        journals::publish(&folder, journal.next, &journal.to_text()).map_err(|err| match err.kind() {
            // And what is being written is taken away by the one that has the lock now.
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound => superseded(),
            _ => failed(&folder, err),
        })?;
        self.journal = journal;
        Ok(())
    }
}

fn epoch() -> Result<String> {
    Ok(format!("{:016x}", random::number()?))
}

/// What is said to whoever has waited for the lock, or for others of this server, too long.
pub fn still_changing() -> Error {
    Error::new(Kind::Io, "another server has been changing what is kept of users for too long")
}

/// What is said to whoever had the lock, and has it no more.
fn superseded() -> Error {
    tracing::warn!("another server took the lock of what is kept of users away from this one, whose change is lost");
    Error::new(Kind::Io, "another server has changed what is kept of users meanwhile")
}

/// Users are told of it, and not where the server keeps it: the log is.
pub(super) fn failed(path: &Path, err: io::Error) -> Error {
    tracing::warn!(path = %path.display(), error = %err, "what several servers keep of users cannot be used");
    // Nothing that somebody has asked for is missing there.
    let err = if err.kind() == io::ErrorKind::NotFound { io::Error::other(err) } else { err };
    Error::file("what the server keeps of users", err)
}

/// Of what is in a file; none if it is gone.
fn hash_of(path: &Path) -> Result<Option<Hash>> {
    let failed = |err| failed(path, err);
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let mut bytes = Vec::new();
    match file.take(limits::OWN_RECORD_MAX + 1).read_to_end(&mut bytes) {
        // It was replaced at another machine after it was opened.
        Err(err) if err.raw_os_error() == Some(Errno::STALE.raw_os_error()) => Ok(None),
        read => read.map(|_| Some(Hash::of(&bytes))).map_err(failed),
    }
}

mod asked;
mod journal;
mod journals;

#[cfg(test)]
mod tests;
