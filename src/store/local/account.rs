//! What the files below a folder take, to the byte and the file, whoever changes them: the ground a quota stands on.
//!
//! A folder is measured once, while nobody changes a name in the tree. From then on every store of the tree adds to its
//! account what it puts there and takes off what it replaces and removes, in the same step as it does so. Counted
//! are the regular files in their places, those that were deleted or replaced and are kept among them; and, while uploads are on their way, the bytes that were promised to them. So no
//! number of uploads side by side is ever over a bound; and a file that replaces another needs room beside it, as
//! on any disk. Interrupted uploads are not counted, so nobody keeps any where an account is, with or without a bound of
//! their own, and what was kept before goes when the folder is measured. What other programs put into the folder is seen when it is measured the next time: when the first
//! session after a time without one writes.

mod leaving;
mod promise;

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use cap_std::fs::Dir;

pub(super) use self::leaving::Leaving;
pub(super) use self::promise::Promise;
use super::capabilities::Capabilities;
use super::jail::Jail;
use super::owned::Share;
use super::trash_room::{self, Looked};
use super::{measure, sweep};
use crate::error::{Error, Kind, Result};
use crate::files::{Hash, RelPath, Usage};
use crate::limits;
pub use crate::store::bounds::Limits;
pub(super) use crate::store::bounds::Sum;
use crate::sync::{Mutex, MutexGuard};

/// What one folder of a tree holds.
pub(super) struct Account {
    /// Where the folder is, from the tree's beginning.
    folder: Vec<u8>,
    /// What its files in shared folders say whose they are.
    owner: Hash,
    counts: Mutex<Counts>,
    /// The shared folders in which what those who have this home put there counts here.
    shares: Mutex<Vec<Arc<Share>>>,
    /// What the trashes hold that counts here.
    looked: Looked,
}

#[derive(Default)]
struct Counts {
    /// The files in their places. `None` until they are measured, and when they must be measured again.
    files: Option<Sum>,
    /// How often they were measured.
    measured: u64,
    /// When they were measured last, and how long that took.
    at: Option<(Instant, Duration)>,
    /// What is promised to uploads on their way.
    promised: Sum,
    /// How much of that is claimed by those that are about to be put in their places.
    claimed: Sum,
}

impl Account {
    pub(super) fn of(folder: &[u8]) -> Self {
        let (counts, shares, looked) = (Mutex::default(), Mutex::default(), Looked::default());
        Account { folder: folder.to_vec(), owner: Hash::of(folder), counts, shares, looked }
    }

    /// What is put into this folder for this home counts here from now on, in all sessions.
    pub(super) fn add_share(&self, share: &Arc<Share>) {
        let mut shares = self.shares.lock();
        if !shares.iter().any(|there| Arc::ptr_eq(there, share)) {
            shares.push(Arc::clone(share));
        }
    }

    /// Nor does what is in this one any more.
    pub(super) fn drop_share(&self, share: &Arc<Share>) {
        self.shares.lock().retain(|there| !Arc::ptr_eq(there, share));
    }

    pub(super) fn shares(&self) -> Vec<Arc<Share>> {
        self.shares.lock().clone()
    }

    pub(super) fn owner(&self) -> &Hash {
        &self.owner
    }

    /// What there is, here and in shared folders; nothing as long as that is not known.
    fn there(&self, counts: &Counts) -> Option<Sum> {
        let shares = self.shares.lock();
        let is_known = shares.iter().all(|share| share.is_known());
        let files = counts.files.filter(|_| is_known)?;
        Some(shares.iter().fold(files, |sum, share| sum.plus(share.sum_of(&self.owner))))
    }

    pub(super) fn folder(&self) -> &[u8] {
        &self.folder
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Numbers only: a panic elsewhere cannot have left them half-changed.
        self.counts.lock()
    }

    /// Some of the files were replaced by others, or came, or went.
    pub(super) fn change(&self, before: Sum, after: Sum) {
        self.lock().change(before, after);
    }

    /// Whether it is known what there is.
    fn is_measured(&self) -> bool {
        let counts = self.lock();
        self.there(&counts).is_some()
    }

    /// Forgets what was measured long ago: other nodes have changed it since.
    fn forget_what_is_old(&self) {
        let (age, times) = limits::SHARED_QUOTA_AGE;
        let mut counts = self.lock();
        if counts.at.is_some_and(|(at, took)| at.elapsed() >= age.max(took * times)) {
            (counts.files, counts.at) = (None, None);
        }
    }

    /// It is not known any more what there is.
    pub(super) fn forget(&self) {
        self.lock().files = None;
    }
}

impl Counts {
    fn change(&mut self, before: Sum, after: Sum) {
        self.files = self.files.map(|files| files.plus(after).minus(before));
    }
}

/// A bound on what a folder may hold.
pub(super) struct Bound {
    jail: Arc<Jail>,
    pub(super) account: Arc<Account>,
    limits: Limits,
    /// The shared folder that what is bounded is put into; none: it is put into the home.
    share: Option<Arc<Share>>,
    /// What the file system of the folder can do, once it was asked.
    can: OnceLock<Capabilities>,
}

impl Bound {
    pub(super) fn new(jail: &Arc<Jail>, limits: Limits) -> Self {
        let account = jail.tree().account(&jail.place().folder);
        Bound { jail: Arc::clone(jail), account, limits, share: None, can: OnceLock::new() }
    }

    /// The same for what is put into a shared folder by whoever has this home.
    pub(super) fn into_share(self, share: &Arc<Share>) -> Self {
        self.account.add_share(share);
        Bound { share: Some(Arc::clone(share)), ..self }
    }

    /// Whether what is bounded is put into a shared folder.
    pub(super) fn is_into_share(&self) -> bool {
        self.share.is_some()
    }

    /// How many bytes there are, of how many; none if they are not bounded.
    pub(super) fn usage(self: &Arc<Self>) -> Result<Option<Usage>> {
        let Some((limit, _)) = self.limits.bytes else { return Ok(None) };
        // Measured again below if that is long ago.
        self.is_measured();
        let mut tries = 0;
        loop {
            let counts = self.account.lock();
            if let Some(used) = self.account.there(&counts) {
                return Ok(Some(Usage { used: used.bytes, limit }));
            }
            drop(counts);
            self.try_to_measure(&RelPath::root(), &mut tries)?;
        }
    }

    /// Whether little is left, so that what is kept in the trash may have to be looked at.
    pub(super) fn is_nearly_full(&self) -> bool {
        let counts = self.account.lock();
        let there = self.account.there(&counts).unwrap_or_default().plus(counts.promised);
        let is_near = |most: u64, there: u64| there > most - most / limits::TRASH_ROOM_PART;
        let bytes = self.limits.bytes.as_ref().is_some_and(|(most, _)| is_near(*most, there.bytes));
        bytes || self.limits.files.as_ref().is_some_and(|(most, _)| is_near(*most, there.files))
    }

    /// Whether so much of what would be counted here is in the trash, and may go from there for what comes.
    fn trash_holds(&self, wanted: Sum) -> bool {
        let looked = &self.account.looked;
        let mut held = trash_room::held(&self.jail, wanted, None, looked);
        for share in self.account.shares() {
            if held.has_all_of(wanted) {
                break;
            }
            held = held.plus(trash_room::held(&share.jail, wanted, Some(&self.account.owner), looked));
        }
        held.has_all_of(wanted)
    }

    /// Looks through those shared folders again that were not for a while, and says whether there were any.
    fn know_again(&self) -> bool {
        let looked: Vec<bool> = self.account.shares().iter().map(|share| share.know_again()).collect();
        looked.contains(&true)
    }

    /// Measures what there is, for who could not use what was measured before since it was not known any more by then. Each try is
    /// a look at every file, so there is an end to them.
    fn try_to_measure(&self, path: &RelPath, tries: &mut usize) -> Result<()> {
        if *tries > limits::LOOKS_BELOW {
            return Err(Error::new(
                Kind::Busy,
                format!("{path}: what counts in the quota changes faster than it is counted"),
            ));
        }
        *tries += 1;
        self.measure().map_err(|err| Error::file(path, err))
    }

    /// Measures what there is.
    fn measure(&self) -> io::Result<()> {
        // What is broken there is not in the way of what is put elsewhere.
        self.account.shares().iter().for_each(|share| drop(share.know()));
        self.measure_home()
    }

    /// The same of the home, while nobody changes it, and clears away what is not counted.
    fn measure_home(&self) -> io::Result<()> {
        // Other nodes go on: what they store meanwhile is counted with what they store later.
        let alone = self.jail.tree().alone_to_measure()?;
        if self.account.lock().files.is_some() {
            return Ok(());
        }
        let begun = Instant::now();
        let reserved = &mut |reserved: &Dir| {
            // What cannot be read there was not put there by us.
            let tree = self.jail.tree();
            let among = sweep::Among { can: self.can.get().copied(), is_across: tree.is_across() };
            let _ = tree.may_change().and_then(|_| sweep::clear(among, reserved));
        };
        let files = measure::sum(&*self.jail.root()?, reserved, &|| alone.goes_on())?;
        let mut counts = self.account.lock();
        counts.files = Some(files);
        counts.measured += 1;
        counts.at = Some((begun, begun.elapsed()));
        Ok(())
    }

    /// Whether it is known what there is. Where other nodes store too, what was measured holds for a while only.
    pub(super) fn is_measured(&self) -> bool {
        if self.jail.tree().is_across() {
            self.account.forget_what_is_old();
        }
        self.account.is_measured()
    }
}
