//! Whether a mount shows at once what other nodes have changed. Names are asked of the file system by every mount that is of any use
//! to several servers; what is in a file, and its attributes, many keep for a second or longer. So each node has probes, files that it
//! changes, and then says in a name how often it has: whoever sees that name and an older probe has such a mount.
//!
//! It is a test, not a proof: caches that last shorter than a node takes to change its probes may pass. So who starts has the others
//! change theirs again and again, as fast as they can, and reads meanwhile, so that there would be something in a cache; and so do all
//! of them now and then, since volumes have settings that are changed while they are mounted.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cap_std::fs::Dir;
use rustix::fs::{Advice, AtFlags, OFlags, Timespec, Timestamps, fadvise, fstat, futimens, renameat, statat, unlinkat};
use rustix::io::Errno;

mod files;
mod mounts;

use self::files::{fresh, new_name, open, open_folder, said_name};
pub(in crate::store) use self::mounts::Mounts;
use super::node::NodeName;
use crate::limits;
use crate::sync::Mutex;

/// The folder of the probes in [`limits::RESERVED_NAME`].
const FOLDER: &str = "coherence";

/// Is there while somebody wants all others to change their probes without a pause.
const ASKED: &str = "asked";

/// The folder in it of the names by which each node says how often it has changed the probes. Of its own, because it is listed, and then
/// the kernel is told the attributes of all that is in it.
const SAID: &str = "said";

/// Beginnings of names, before a node's: the probes; and that it sees those of others late.
const REPLACED: &str = "replaced.";
const REWRITTEN: &str = "rewritten.";
/// Of this one nobody reads the content: that would have the kernel ask for the attributes again.
const DATED: &str = "dated.";
const STALE: &str = "stale.";

/// What is to be done about it.
const REMEDY: &str = "Mount it on every node so that neither contents nor attributes are kept: with FUSE attr_timeout=0,entry_timeout=0 and no \
                      kernel cache; with GlusterFS attribute-timeout=0,entry-timeout=0, and performance.stat-prefetch, quick-read, io-cache \
                      and open-behind of the volume off";

/// What is wrong with a mount of several nodes.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It shows what was there before another node changed it.
    Stale { node: NodeName, what: &'static str },
    /// That of this other node does.
    StaleAt(NodeName),
    /// This other node does not answer, so that it is not known.
    Silent(NodeName),
    /// It could not be tried.
    Failed(io::Error),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Stale { node, what } => {
                write!(
                    f,
                    "this mount shows what was there before: {what} by node {node} was not seen at once. {REMEDY}"
                )
            }
            Trouble::StaleAt(node) => {
                write!(f, "the mount of node {node} shows what was there before others have changed it. {REMEDY}")
            }
            Trouble::Silent(node) => write!(
                f,
                "node {node} does not answer, so it is not known whether what it changes is seen here at once"
            ),
            Trouble::Failed(error) => write!(f, "what other servers see of it cannot be tried: {error}"),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Failed(error)
    }
}

impl From<Errno> for Trouble {
    fn from(error: Errno) -> Trouble {
        Trouble::Failed(error.into())
    }
}

/// What was seen of another node's probes.
struct Seen {
    number: u64,
    at: Instant,
    /// How often they were others than a moment before, and rightly seen.
    changes: u32,
}

type AllSeen = HashMap<NodeName, Seen>;

/// Why the probes of some cannot be read.
type Unread = HashMap<NodeName, io::Error>;

/// Tells which other nodes live, if that can be known.
type Living<'a> = &'a dyn Fn() -> io::Result<Vec<NodeName>>;

/// The probes of one mount.
pub(super) struct Coherence {
    folder: Dir,
    said: Dir,
    /// The folder that it is about, for messages.
    place: PathBuf,
    pub(super) device: u64,
    /// Which node this is; none for one who only looks.
    name: Option<NodeName>,
    /// Only those others count that have probes here, too: the rest do not use this place.
    of_those_here: bool,
    /// How often this one has changed its probes.
    number: Mutex<u64>,
    seen: Mutex<AllSeen>,
    /// When the others were last asked.
    proven: Mutex<Instant>,
    /// When it was last known whether it sees what they change.
    looked: Mutex<Instant>,
    is_doubtful: AtomicBool,
    /// It has shown what was there before, and others are told so.
    is_stale: AtomicBool,
    /// Its node ends, and does not wait for others.
    is_over: AtomicBool,
}

impl fmt::Debug for Coherence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coherence").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Coherence {
    /// Of the mount that this hidden place is on, for this node.
    pub(super) fn open(reserved: &Dir, place: &Path, name: Option<NodeName>) -> io::Result<Coherence> {
        let folder = open_folder(reserved, FOLDER)?;
        let said = open_folder(&folder, SAID)?;
        let device = fstat(&folder)?.st_dev;
        let coherence = Coherence {
            folder,
            said,
            place: place.to_owned(),
            device,
            name,
            of_those_here: false,
            number: Mutex::default(),
            seen: Mutex::default(),
            proven: Mutex::new(Instant::now()),
            looked: Mutex::new(Instant::now()),
            is_doubtful: AtomicBool::new(false),
            is_stale: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        };
        // More than it ever said before: whoever has that in a cache is to be noticed.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let own = coherence.all_said()?.into_iter().find(|(node, _)| Some(node) == coherence.name.as_ref());
        *coherence.number.lock() = now.max(own.map_or(0, |(_, number)| number));
        if let Some(name) = &coherence.name {
            // Of one of this name that was killed. Nothing is known yet of this mount.
            let _ = unlinkat(&coherence.folder, format!("{STALE}{name}"), AtFlags::empty());
        }
        Ok(coherence)
    }

    /// What is known at a place that not all nodes need have in common. This one is seen in it from now on: of two that come at once one
    /// sees the other.
    pub(super) fn among_those_here(self) -> Result<Coherence, Trouble> {
        self.change()?;
        Ok(Coherence { of_those_here: true, ..self })
    }

    /// The others that live, and change what is here.
    pub(super) fn others(&self, living: Living<'_>) -> io::Result<Vec<NodeName>> {
        let mut others = living()?;
        if self.of_those_here && !others.is_empty() {
            let here = self.all_said()?;
            others.retain(|node| here.contains_key(node));
        }
        Ok(others)
    }

    /// Makes sure that what these others change is seen here at once, and by them what is changed here, as long as that takes at most.
    /// Those that did not answer are returned.
    ///
    /// # Errors
    /// That it is not so.
    pub(super) fn prove(&self, living: Living<'_>, most: Duration) -> Result<Vec<NodeName>, Trouble> {
        let tried = self.try_to_prove(living, most);
        let _another_one_asks_again = unlinkat(&self.folder, ASKED, AtFlags::empty());
        *self.proven.lock() = Instant::now();
        tried
    }

    fn try_to_prove(&self, living: Living<'_>, most: Duration) -> Result<Vec<NodeName>, Trouble> {
        let (begun, mut seen) = (Instant::now(), AllSeen::new());
        loop {
            self.look(&mut seen)?;
            let others = self.others(living)?;
            let is_seen =
                |node: &&NodeName| seen.get(*node).is_some_and(|seen| seen.changes >= limits::COHERENCE_CHANGES);
            let silent: Vec<NodeName> = others.iter().filter(|node| !is_seen(node)).cloned().collect();
            if silent.is_empty() || begun.elapsed() >= most || self.is_over() {
                return Ok(silent);
            }
            drop(self.file(ASKED, OFlags::CREATE)?);
            self.change()?;
            std::thread::sleep(limits::COHERENCE_STEP);
        }
    }

    /// Makes sure, as `prove` does, that changes are seen at once, for whoever does not serve yet, who is refused also if one of the others
    /// sees them too late.
    pub(super) fn prove_for_start(&self, living: Living<'_>) -> Result<Vec<NodeName>, Trouble> {
        let silent = self.prove(living, limits::COHERENCE_WAIT)?;
        // They have looked at this one's probes before they changed theirs.
        let is_stale =
            |node: &NodeName| statat(&self.folder, format!("{STALE}{node}"), AtFlags::SYMLINK_NOFOLLOW).is_ok();
        self.others(living)?.into_iter().find(is_stale).map_or(Ok(silent), |node| Err(Trouble::StaleAt(node)))
    }

    /// What a node does that serves, every [`limits::COHERENCE_LOOK`]: it answers whoever asks, and where `is_due` looks whether it still
    /// sees what the others change.
    pub(super) fn turn(&self, living: Living<'_>, is_due: bool) {
        let begun = Instant::now();
        self.take_turn(living, is_due);
        if is_due {
            *self.looked.lock() = begun;
        }
    }

    fn take_turn(&self, living: Living<'_>, is_due: bool) {
        let is_asked = self.is_asked();
        if !(is_asked || is_due) {
            return;
        }
        if is_asked {
            self.answer(living);
            return;
        }
        let others = match self.others(living) {
            Ok(others) => others,
            Err(error) => return self.doubt(Some(&error.into())),
        };
        if others.is_empty() {
            // Nobody changes anything.
            self.doubt(None);
        } else if self.is_doubtful.load(Ordering::Acquire) || self.proven.lock().elapsed() >= limits::COHERENCE_AGAIN {
            match self.prove(living, limits::COHERENCE_ANSWER) {
                Ok(silent) if silent.is_empty() => self.doubt(None),
                // One that stands still changes nothing; whoever has doubts keeps them. But of one whose probes are not to be read
                // nobody knows whether it does.
                Ok(silent) => {
                    if let Some(error) =
                        silent.iter().find_map(|node| self.number_in(&format!("{REPLACED}{node}")).err())
                    {
                        self.doubt(Some(&error.into()));
                    }
                }
                Err(trouble) => self.doubt(Some(&trouble)),
            }
        } else {
            self.look_and_change(living);
        }
    }

    /// Changes the probes as long as somebody wants that.
    fn answer(&self, living: Living<'_>) {
        let begun = Instant::now();
        while self.is_asked() && !self.is_over() {
            self.look_and_change(living);
            if begun.elapsed() >= limits::COHERENCE_ANSWER {
                // Who asked may have been killed; who goes on asking says so again.
                let _ = unlinkat(&self.folder, ASKED, AtFlags::empty());
            }
            std::thread::sleep(limits::COHERENCE_STEP);
        }
    }

    fn look_and_change(&self, living: Living<'_>) {
        let begun = Instant::now();
        let looked = self.look(&mut self.seen.lock());
        if let Err(trouble) = looked.and_then(|unread| self.of_others(unread, living)) {
            self.doubt(Some(&trouble));
        }
        // Others may have it answered for longer than a look is good for.
        *self.looked.lock() = begun;
        if let Err(Trouble::Failed(error)) = self.change() {
            tracing::debug!(%error, "other servers cannot look whether they see what this one changes");
        }
    }

    fn is_asked(&self) -> bool {
        statat(&self.folder, ASKED, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Whoever is at it here comes to an end.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    pub(super) fn is_doubtful(&self) -> bool {
        self.is_doubtful.load(Ordering::Acquire) || self.is_old()
    }

    /// Whether nobody has looked for so long that it is not known any more: this server stood still, or a call of the file system does
    /// not come back.
    fn is_old(&self) -> bool {
        self.name.is_some() && self.looked.lock().elapsed() >= limits::COHERENCE_OLD
    }

    /// From now on this is in the way of whatever rests on what others have changed; or nothing.
    pub(super) fn doubt(&self, why: Option<&Trouble>) {
        let was = self.is_doubtful.swap(why.is_some(), Ordering::AcqRel);
        let Some(name) = &self.name else { return };
        let stale = format!("{STALE}{name}");
        // Silence of somebody is no fault of this mount: others start beside it.
        if matches!(why, Some(Trouble::Stale { .. })) && !self.is_stale.swap(true, Ordering::AcqRel) {
            let _ = self.file(&stale, OFlags::CREATE);
        }
        match why {
            Some(why) if !was => {
                tracing::warn!(
                    folder = %self.place.display(),
                    "conditions and changes of what is kept of users are refused: {why}"
                );
            }
            None if was => {
                tracing::info!(folder = %self.place.display(), "what other servers change is seen at once again");
                if self.is_stale.swap(false, Ordering::AcqRel) {
                    let _ = unlinkat(&self.folder, &*stale, AtFlags::empty());
                }
            }
            Some(_) | None => {}
        }
    }

    /// Nothing of this node is left, or of another that is dead.
    pub(super) fn forget(&self, node: &NodeName) {
        // What is said goes first: nobody misses a probe of which nothing is said.
        let said = self.all_said().unwrap_or_default().into_iter().filter(|(name, _)| name == node);
        for (node, number) in said {
            let _ = unlinkat(&self.said, said_name(number, &node), AtFlags::empty());
        }
        let files =
            [REPLACED, REWRITTEN, DATED].iter().flat_map(|kind| [format!("{kind}{node}"), new_name(kind, node)]);
        for name in files.chain([format!("{STALE}{node}")]) {
            let _ = unlinkat(&self.folder, &*name, AtFlags::empty());
        }
    }

    /// Fails if what cannot be read is of one that lives: of others it is what they left.
    fn of_others(&self, mut unread: Unread, living: Living<'_>) -> Result<(), Trouble> {
        if unread.is_empty() {
            return Ok(());
        }
        let error = self.others(living)?.iter().find_map(|node| unread.remove(node));
        error.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Looks at the probes of all others. What keeps some from being read is returned.
    fn look(&self, all: &mut AllSeen) -> Result<Unread, Trouble> {
        let mut unread = Unread::new();
        let mut said = self.all_said()?;
        said.retain(|node, _| Some(node) != self.name.as_ref());
        for (node, number) in said {
            match self.shows(&node, number) {
                Ok(None) => {}
                // A node that is just going takes its probes along. And one look more does no harm: what a cache keeps it keeps.
                Ok(Some(_)) => {
                    let is_said = self.all_said()?.iter().any(|(name, _)| *name == node);
                    if let Some(what) = self.shows(&node, number)?.filter(|_| is_said) {
                        return Err(Trouble::Stale { node, what });
                    }
                    continue;
                }
                Err(error) => {
                    tracing::debug!(%node, %error, "what this server has changed cannot be read");
                    unread.insert(node, error);
                    continue;
                }
            }
            let seen = all.entry(node).or_insert(Seen { number, at: Instant::now(), changes: 0 });
            if number > seen.number && seen.at.elapsed() < limits::COHERENCE_RECENT {
                seen.changes += 1;
            }
            (seen.number, seen.at) = (number, Instant::now());
        }
        Ok(unread)
    }

    /// What of the probes of a node, which has changed them so often, is older; none if nothing is.
    fn shows(&self, node: &NodeName, number: u64) -> io::Result<Option<&'static str>> {
        let dated = statat(&self.folder, format!("{DATED}{node}"), AtFlags::SYMLINK_NOFOLLOW);
        let attributes = fresh(dated.map_err(io::Error::from))?.and_then(|stat| u64::try_from(stat.st_mtime).ok());
        if attributes < Some(number) {
            return Ok(Some("the attributes of a file that was replaced"));
        }
        if self.number_in(&format!("{REPLACED}{node}"))? < Some(number) {
            return Ok(Some("the content of a file that was replaced"));
        }
        let rewritten = self.number_in(&format!("{REWRITTEN}{node}"))?;
        Ok((rewritten < Some(number)).then_some("the content of a file that was written to"))
    }

    fn number_in(&self, name: &str) -> io::Result<Option<u64>> {
        let read = || -> io::Result<Option<u64>> {
            let mut text = String::new();
            let file = self.file(name, OFlags::empty())?;
            // As is done wherever a file is read that another server writes to and does not replace.
            let _ = fadvise(&file, 0, None, Advice::DontNeed);
            file.take(limits::LOCK_FILE_MAX).read_to_string(&mut text)?;
            Ok(text.trim_end().parse().ok())
        };
        fresh(read()).map(Option::flatten)
    }

    /// Changes the probes of this node, and then says so.
    fn change(&self) -> Result<(), Trouble> {
        let Some(name) = &self.name else { return Ok(()) };
        let mut number = self.number.lock();
        let (before, now) = (*number, *number + 1);
        let text = format!("{now:020}\n");
        self.replace(REPLACED, name, |file| {
            file.write_all_at(text.as_bytes(), 0)?;
            file.sync_all()
        })?;
        let at = Timespec { tv_sec: now.try_into().unwrap_or(i64::MAX), tv_nsec: 0 };
        let times = Timestamps { last_access: at, last_modification: at };
        self.replace(DATED, name, |file| Ok(futimens(file, &times)?))?;
        let file = self.file(&format!("{REWRITTEN}{name}"), OFlags::CREATE)?;
        file.write_all_at(text.as_bytes(), 0)?;
        file.sync_data()?;
        let said = said_name(now, name);
        match renameat(&self.said, said_name(before, name), &self.said, &*said) {
            // The first time; or this one was taken for dead.
            Err(Errno::NOENT) => drop(open(&self.said, &said, OFlags::CREATE)?),
            renamed => renamed?,
        }
        *number = now;
        Ok(())
    }

    /// Puts a new file in the place of this probe.
    fn replace(&self, kind: &str, node: &NodeName, make: impl Fn(&File) -> io::Result<()>) -> io::Result<()> {
        let new = new_name(kind, node);
        let _of_one_that_was_killed = unlinkat(&self.folder, &*new, AtFlags::empty());
        make(&self.file(&new, OFlags::CREATE | OFlags::EXCL)?)?;
        Ok(renameat(&self.folder, &*new, &self.folder, format!("{kind}{node}"))?)
    }

    fn file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        open(&self.folder, name, flags)
    }

    /// How often each node has changed its probes.
    fn all_said(&self) -> io::Result<HashMap<NodeName, u64>> {
        let mut all = HashMap::new();
        for entry in self.said.entries()? {
            let name = entry?.file_name();
            let said = name.to_str().and_then(|name| name.split_once('.'));
            if let Some((number, node)) = said
                && let (Ok(number), Ok(node)) = (number.parse::<u64>(), node.parse::<NodeName>())
            {
                let most = all.entry(node).or_default();
                *most = number.max(*most);
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests;
