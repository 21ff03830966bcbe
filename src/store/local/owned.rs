//! Whose the files of a folder are that several people share: what a folder without a bound of its own holds counts in the bounds of
//! those who put it there.
//!
//! Each file there says whose it is in an extended attribute, from its first byte on, and keeps saying so wherever it is renamed to,
//! in the trash, and as an interrupted upload. It names the home of whoever put it there, since that is what a bound is of: whoever
//! has that home has what is counted for it. (By a hash, so that it always has the same length.) A folder is looked through once,
//! when somebody with a bound first puts something there or at home; from then on what comes and goes is counted in the same
//! step, whoever does it. What other programs take away is seen before anybody is refused, if the last look is old enough.
//!
//! A folder that cannot be looked through counts for nobody until it can: a disk that is broken keeps nobody from the home. Where the
//! file system has no such attributes nothing counts.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Stat, XattrFlags, fgetxattr, fremovexattr, fsetxattr, fstat, statat};
use rustix::io::Errno;

use super::account::Sum;
use super::jail::Jail;
use super::measure;
use super::mode;
use super::names::sum_of_file;
use super::root::Root;
use super::source::LocalSource;
use super::tree::{Measuring, Tree};
use crate::error::{Error, Kind, Result};
use crate::files::{Hash, RelPath};
use crate::limits;
use crate::sync::{Mutex, MutexGuard};

/// The hash, and of what was moved the number behind it ([`mark_for_now`]).
const ATTRIBUTE: &str = "user.sealift.owner";
const HASH: usize = 32;
const NUMBER: usize = 8;

/// What the files of each have together.
pub(super) type Sums = HashMap<Hash, Sum>;

/// Has a file say whose it is.
///
/// # Errors
/// [`Errno::NOTSUP`] where the file system takes no attributes; and its others.
pub(super) fn mark(file: impl AsFd, owner: &Hash) -> Result<(), Errno> {
    mode::as_writable(&file, || fsetxattr(&file, ATTRIBUTE, owner.as_bytes(), XattrFlags::empty()))
}

/// Has a file that is about to be moved elsewhere say whose it is: until that is done it is known by this number what it said before.
pub(super) fn mark_for_now(file: impl AsFd, owner: &Hash, number: u64) -> Result<(), Errno> {
    let value = [&owner.as_bytes()[..], &number.to_le_bytes()].concat();
    mode::as_writable(&file, || fsetxattr(&file, ATTRIBUTE, &value, XattrFlags::empty()))
}

/// Has a file say no more whose it is.
pub(super) fn unmark(file: impl AsFd) -> Result<(), Errno> {
    mode::as_writable(&file, || match fremovexattr(&file, ATTRIBUTE) {
        Err(Errno::NODATA) => Ok(()),
        removed => removed,
    })
}

/// Whose the file of this name is; nobody's if it does not say, or may not be read, as whatever a user put there may.
pub(super) fn owner_of(dir: impl AsFd, name: &[u8]) -> Option<Hash> {
    read(&LocalSource::open_bare(dir, name).ok()?)
}

/// Whose the file of this name is, where it matters that this is certain.
///
/// # Errors
/// That it cannot be known now.
pub(super) fn known_owner_of(dir: impl AsFd, name: &[u8]) -> Result<Option<Hash>, Errno> {
    match LocalSource::open_bare(dir, name) {
        Ok(file) => Ok(read_both(&file)?.map(|(owner, _)| owner)),
        Err(Errno::NOENT | Errno::ACCESS | Errno::PERM | Errno::LOOP | Errno::NXIO) => Ok(None),
        Err(err) => Err(err),
    }
}

/// Whose an open file is.
pub(super) fn read(file: impl AsFd) -> Option<Hash> {
    read_both(file).ok()?.map(|(owner, _)| owner)
}

/// Whose an open file is, with the number that it was marked by if it was moved, or is about to be.
///
/// # Errors
/// That it cannot be known now.
pub(super) fn read_both(file: impl AsFd) -> Result<Option<(Hash, Option<u64>)>, Errno> {
    let mut value = [0; HASH + NUMBER];
    let len = match fgetxattr(file, ATTRIBUTE, &mut value[..]) {
        Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE | Errno::ACCESS | Errno::PERM) => return Ok(None),
        len => len?,
    };
    let Some((owner, number)) = value.get(..len).and_then(|value| value.split_first_chunk::<HASH>()) else {
        return Ok(None);
    };
    let owner = Hash::from_bytes(*owner);
    Ok(match number.len() {
        0 => Some((owner, None)),
        NUMBER => Some((owner, number.first_chunk().map(|number| u64::from_le_bytes(*number)))),
        _ => None,
    })
}

/// A folder that several people share, and what each of them has there.
pub struct Share {
    root: Arc<Root>,
    pub(super) jail: Jail,
    counts: Mutex<Counts>,
    /// Held by whoever looks through it, and for a moment by whoever makes some of it another one's.
    looking: Mutex<()>,
    /// How many wait to look through it.
    to_look: AtomicUsize,
}

#[derive(Default)]
struct Counts {
    /// What each has; nothing until it was looked through.
    owned: Option<Sums>,
    /// How often it was looked through.
    looks: u64,
    /// How often something of it has changed.
    changes: u64,
    /// When it was looked through last, whether or not that went well, and how long it took.
    looked: Option<(Instant, Duration)>,
    /// It could not be looked through, by this kind of error.
    failed: Option<Kind>,
    /// What says already that it is of those who are about to move it elsewhere: whose it is until then, ...
    lent: Sums,
    /// ... and who it is not of yet, for whom room is promised where it goes.
    borrowed: Sums,
}

/// What says that it is of somebody who is about to move it elsewhere, and whose it is until that is done.
pub(super) struct Lent {
    pub(super) was: Option<Hash>,
    pub(super) by: Hash,
    pub(super) sum: Sum,
}

impl Counts {
    fn take_off(&mut self, owner: &Hash, sum: Sum) {
        if let Some(owned) = &mut self.owned {
            take(owned, owner, sum);
        }
    }

    fn let_go(&mut self, Lent { was, by, sum }: &Lent) {
        was.iter().for_each(|was| take(&mut self.lent, was, *sum));
        take(&mut self.borrowed, by, *sum);
        self.lent.retain(|_, sum| *sum != Sum::NONE);
        self.borrowed.retain(|_, sum| *sum != Sum::NONE);
    }
}

fn add(sums: &mut Sums, owner: &Hash, sum: Sum) {
    let there = sums.entry(*owner).or_default();
    *there = there.plus(sum);
}

fn take(sums: &mut Sums, owner: &Hash, sum: Sum) {
    if let Some(there) = sums.get_mut(owner) {
        *there = there.minus(sum);
    }
}

impl Share {
    /// The folder that is this root, counted as long as this is kept.
    pub fn of(root: &Arc<Root>) -> Arc<Self> {
        let jail = Jail::new(Arc::clone(root));
        let (counts, looking, to_look) = (Mutex::default(), Mutex::new(()), AtomicUsize::new(0));
        let share = Arc::new(Share { root: Arc::clone(root), jail, counts, looking, to_look });
        share.tree().share(&share);
        share
    }

    /// Whether it is that root.
    pub fn is_over(&self, root: &Arc<Root>) -> bool {
        Arc::ptr_eq(&self.root, root)
    }

    fn tree(&self) -> &Tree {
        self.jail.tree()
    }

    /// Where it is in its tree.
    pub(super) fn folder(&self) -> &[u8] {
        &self.root.place().folder
    }

    /// What this one has; nothing as long as it is not known.
    pub(super) fn sum_of(&self, owner: &Hash) -> Sum {
        let counts = self.counts.lock();
        let Some(owned) = &counts.owned else { return Sum::NONE };
        let of = |sums: &Sums| sums.get(owner).copied().unwrap_or(Sum::NONE);
        of(owned).plus(of(&counts.lent)).minus(of(&counts.borrowed))
    }

    /// A file says from now on that it is of whoever is about to move it elsewhere. Until that is done it counts as it did.
    pub(super) fn take_over(&self, Lent { was, by, sum }: &Lent) {
        let mut counts = self.counts.lock();
        counts.changes += 1;
        if let Some(owned) = &mut counts.owned {
            was.iter().for_each(|was| take(owned, was, *sum));
            add(owned, by, *sum);
        }
        was.iter().for_each(|was| add(&mut counts.lent, was, *sum));
        add(&mut counts.borrowed, by, *sum);
    }

    /// It says again what it said before.
    pub(super) fn give_back(&self, lent: &Lent) {
        let mut counts = self.counts.lock();
        counts.changes += 1;
        if let Some(owned) = &mut counts.owned {
            take(owned, &lent.by, lent.sum);
            lent.was.iter().for_each(|was| add(owned, was, lent.sum));
        }
        counts.let_go(lent);
    }

    /// It counts from now on for whom it says.
    pub(super) fn taken_over(&self, lent: &Lent) {
        self.counts.lock().let_go(lent);
    }

    /// So much is elsewhere, and so this counts for nobody here any more: at no moment is one of both known without the other.
    pub(super) fn moved_away(&self, gone: &Sums, lent: &[Lent]) {
        let mut counts = self.counts.lock();
        counts.changes += 1;
        gone.iter().for_each(|(owner, sum)| counts.take_off(owner, *sum));
        lent.iter().for_each(|lent| counts.let_go(lent));
    }

    pub(super) fn add(&self, owner: &Hash, sum: Sum) {
        let mut counts = self.counts.lock();
        counts.changes += 1;
        if let Some(owned) = &mut counts.owned {
            add(owned, owner, sum);
        }
    }

    /// So much of this one is gone, for who knows this look, which has it counted if it was the last.
    pub(super) fn take_off_since(&self, look: u64, owner: &Hash, sum: Sum) {
        let mut counts = self.counts.lock();
        counts.changes += 1;
        if counts.looks == look {
            counts.take_off(owner, sum);
        }
    }

    /// So much of this one is gone that nobody who looks through it has found since that look, and that is a change of its own: so many of
    /// them keep nobody from getting to know what there is.
    pub(super) fn take_off_hidden(&self, look: u64, owner: &Hash, sum: Sum) {
        let mut counts = self.counts.lock();
        if counts.looks == look {
            counts.take_off(owner, sum);
        }
    }

    /// Something is there no more that whoever looks through it just now may have seen.
    pub(super) fn touch(&self) {
        self.counts.lock().changes += 1;
    }

    /// Whether it is known what each has, so that what goes is to be taken off.
    pub(super) fn counts(&self) -> bool {
        self.counts.lock().owned.is_some()
    }

    /// How often it was looked through.
    pub(super) fn looks(&self) -> u64 {
        self.counts.lock().looks
    }

    /// It is not known any more what each has.
    pub(super) fn forget(&self) {
        let mut counts = self.counts.lock();
        counts.changes += 1;
        counts.owned = None;
        counts.failed = None;
    }

    /// Whether it is known what there is, or that it cannot be known for now.
    pub(super) fn is_known(&self) -> bool {
        let counts = self.counts.lock();
        let is_recent = || counts.looked.is_some_and(|(at, _)| at.elapsed() < limits::OWNED_AGE);
        counts.owned.is_some() || counts.failed.is_some() && is_recent()
    }

    /// Looks through it if that was not done.
    ///
    /// # Errors
    /// That it could not be, just now or shortly before.
    pub(super) fn know(&self) -> Result<()> {
        if self.counts.lock().owned.is_some() {
            return Ok(());
        }
        let _one_at_a_time = self.turn_to_look();
        if !self.is_known() {
            self.look();
        }
        match self.counts.lock().failed {
            None => Ok(()),
            Some(kind) => Err(Error::new(kind, "the shared folder cannot be looked through, so nothing is put there")),
        }
    }

    /// Looks through it once more if the last time is old enough, and says whether it did. For at most one part in
    /// [`limits::OWNED_SHARE`] of the time, however many ask.
    pub(super) fn know_again(&self) -> bool {
        let _one_at_a_time = self.turn_to_look();
        let looked = self.counts.lock().looked;
        let age = |took: Duration| limits::OWNED_AGE.max(took.saturating_mul(limits::OWNED_SHARE));
        let is_old = looked.is_none_or(|(at, took)| at.elapsed() > age(took));
        is_old && self.look()
    }

    fn turn_to_look(&self) -> MutexGuard<'_, ()> {
        self.to_look.fetch_add(1, Ordering::AcqRel);
        let turn = self.looking.lock();
        self.to_look.fetch_sub(1, Ordering::AcqRel);
        turn
    }

    /// While this is held nobody looks through it. Whoever wants to comes first: who takes turns here one after the other has
    /// nobody wait for more than one.
    pub(super) fn turn_to_mark(&self) -> MutexGuard<'_, ()> {
        while self.to_look.load(Ordering::Acquire) > 0 {
            std::thread::sleep(limits::LOCK_PAUSE);
        }
        self.looking.lock()
    }

    fn look(&self) -> bool {
        let begun = Instant::now();
        let found = self.find();
        let mut counts = self.counts.lock();
        counts.looked = Some((Instant::now(), begun.elapsed()));
        match found {
            Ok(()) => {
                counts.failed = None;
                true
            }
            Err(err) => {
                let error = Error::file("a shared folder", err);
                #[cfg(feature = "server")]
                tracing::warn!(%error, "cannot be looked through, so what is in it counts for nobody");
                counts.failed = Some(error.kind());
                counts.owned = None;
                false
            }
        }
    }

    /// Mostly while others go on: what was found counts if nothing has changed meanwhile. In the end nobody changes anything.
    fn find(&self) -> io::Result<()> {
        let state = || (self.tree().moves(), self.tree().arrivals(), self.counts.lock().changes);
        for look in 0..=limits::LOOKS_BELOW {
            let measuring = (look == limits::LOOKS_BELOW).then(|| self.tree().alone_to_measure()).transpose()?;
            let before = state();
            let goes_on = || measuring.iter().for_each(Measuring::goes_on);
            let (owned, _) = measure::owners(&*self.jail.root()?, &goes_on)?;
            let _alone = measuring.is_none().then(|| self.tree().alone_here()).transpose()?;
            if state() == before {
                let mut counts = self.counts.lock();
                counts.owned = Some(owned);
                counts.looks += 1;
                return Ok(());
            }
        }
        Ok(())
    }
}

/// A file of a shared folder that is to go, looked at before it does.
#[must_use]
pub(super) struct Going {
    /// Each with the look that it was counted by, if it was.
    shares: Vec<(Arc<Share>, u64)>,
    owner: Whose,
    pub(super) sum: Sum,
}

/// Whose a file is that is to go.
enum Whose {
    Of(Hash),
    /// Nobody counts that yet.
    Uncounted,
    /// It could not be asked: what each has is to be looked for again.
    Unknown,
}

impl Going {
    /// What has this name in this directory and is at this path. Nothing if it counts nowhere.
    pub(super) fn of(jail: &Jail, path: &RelPath, (dir, name): (&Dir, &[u8]), stat: Option<&Stat>) -> Option<Going> {
        let is_file = |stat: &&Stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let stat = stat.filter(is_file)?;
        let shares = shares_of(jail, path)?;
        // Mostly nobody has a quota, and a file need not be opened to be removed.
        let owner = match counts(&shares) {
            true => match known_owner_of(dir, name) {
                Ok(owner) => Whose::Of(owner?),
                Err(_) => Whose::Unknown,
            },
            false => Whose::Uncounted,
        };
        Some(Going { shares, owner, sum: sum_of_file(stat) })
    }

    /// An open file that is kept in the reserved directory.
    pub(super) fn reserved(jail: &Jail, file: &File) -> Option<Going> {
        let shares = shares_of(jail, &RelPath::root())?;
        let owner = match read_both(file) {
            Ok(both) => Whose::Of(both?.0),
            Err(_) => Whose::Unknown,
        };
        Some(Going { shares, owner, sum: sum_of_file(&fstat(file).ok()?) })
    }

    /// A file that is kept in the reserved directory, by its name there.
    pub(super) fn reserved_as(jail: &Jail, reserved: &Dir, name: &str) -> Option<Going> {
        let stat = statat(reserved, name, AtFlags::SYMLINK_NOFOLLOW).ok();
        Going::of(jail, &RelPath::root(), (reserved, name.as_bytes()), stat.as_ref())
    }

    /// It is gone.
    pub(super) fn gone(self) {
        for (share, look) in &self.shares {
            match &self.owner {
                Whose::Of(owner) => share.take_off_since(*look, owner, self.sum),
                Whose::Uncounted => share.touch(),
                Whose::Unknown => share.forget(),
            }
        }
    }

    /// It is where nobody who looks through anything finds it any more, and still counted.
    pub(super) fn hidden(&self) {
        self.shares.iter().for_each(|(share, _)| share.touch());
    }

    /// Whether it is counted for this one.
    pub(super) fn is_of(&self, owner: &Hash) -> bool {
        matches!(&self.owner, Whose::Of(whose) if whose == owner)
    }
}

/// Whether any of them knows what each has.
pub(super) fn counts(shares: &[(Arc<Share>, u64)]) -> bool {
    shares.iter().any(|(share, _)| share.counts())
}

/// The folders that count what is at this path; nothing if none does.
fn shares_of(jail: &Jail, path: &RelPath) -> Option<Vec<(Arc<Share>, u64)>> {
    let shares = jail.shares_over(path);
    let known = |share: Arc<Share>| {
        let look = share.looks();
        (share, look)
    };
    (!shares.is_empty()).then(|| shares.into_iter().map(known).collect())
}
