//! What the files below a folder take, to the byte and the file, whoever changes them: the ground a quota stands on.
//!
//! A folder is measured once, while nobody changes a name in the tree. From then on every store of the tree adds to its
//! account what it puts there and takes off what it replaces and removes, in the same step as it does so. Counted
//! are the regular files in their places, those that were deleted or replaced and are kept among them, and what is kept of interrupted
//! uploads, each as a file; and, while uploads are on their way, the bytes that were promised to them. So no
//! number of uploads side by side is ever over a bound; and a file that replaces another needs room beside it, as
//! on any disk. What is kept of an interrupted upload counts in the account of the very folder that keeps it. Where it would
//! count in others nothing is kept ([`Jail::keeps_partials`]), and what was kept before goes when the folder around is measured. What other programs put into the folder is seen when it is measured the next time: when the first
//! session after a time without one writes.

mod counted_by;
mod giving_way;
mod kept;
mod leaving;
mod promise;

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use cap_std::fs::Dir;
use rustix::fs::fstat;

pub(super) use self::counted_by::CountedBy;
pub(super) use self::leaving::{Leaving, Paused};
pub(super) use self::promise::Promise;
use super::capabilities::Capabilities;
use super::jail::Jail;
use super::owned::Share;
use super::root::is_same_file;
use super::staging::{Stage, open_reserved};
use super::trash_room::{self, Looked};
use super::{measure, partial_room, sweep};
use crate::error::{Error, Kind, Result};
use crate::files::{Hash, RelPath, Usage, UsageNow};
use crate::limits;
pub use crate::store::bounds::Limits;
pub(super) use crate::store::bounds::Sum;
use crate::sync::{Mutex, MutexGuard, RwLock};

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
    /// How often those folders were looked through when what is over the bound was taken away last.
    settled: AtomicU64,
}

#[derive(Default)]
struct Counts {
    /// The files in their places. `None` until they are measured, and when they must be measured again.
    files: Option<Sum>,
    /// How often they were measured.
    measured: u64,
    /// When they were measured last, and how long that took.
    at: Option<(Instant, Duration)>,
    /// That was long ago, where other nodes have changed them since: what was found then counts until they are measured again.
    is_old: bool,
    /// What is promised to uploads on their way.
    promised: Sum,
    /// How much of that is claimed by those that are about to be put in their places.
    claimed: Sum,
    /// The bound that was set last.
    limits: Limits,
}

impl Account {
    pub(super) fn of(folder: &[u8]) -> Self {
        Account {
            folder: folder.to_vec(),
            owner: Hash::of(folder),
            counts: Mutex::default(),
            shares: Mutex::default(),
            looked: Looked::default(),
            settled: AtomicU64::new(0),
        }
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
        self.counts.lock()
    }

    /// Some of the files were replaced by others, or came, or went.
    pub(super) fn change(&self, before: Sum, after: Sum) {
        self.lock().change(before, after);
    }

    /// Whether it is known what there is, be it of long ago.
    fn is_known(&self) -> bool {
        let counts = self.lock();
        self.there(&counts).is_some()
    }

    /// Whether it is known what there is now.
    fn is_measured(&self) -> bool {
        let counts = self.lock();
        !counts.is_old && self.there(&counts).is_some()
    }

    /// Takes what was measured long ago for old: other nodes have changed it since.
    fn doubt_what_is_old(&self) {
        let (age, times) = limits::SHARED_QUOTA_AGE;
        let mut counts = self.lock();
        counts.is_old |= counts.at.is_some_and(|(at, took)| at.elapsed() >= age.max(took * times));
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
    limits: RwLock<Arc<Limits>>,
    /// The shared folder that what is bounded is put into; none: it is put into the home.
    share: Option<Arc<Share>>,
    /// What the file system of the folder can do, once it was asked.
    can: OnceLock<Capabilities>,
}

impl Bound {
    pub(super) fn new(jail: &Arc<Jail>, limits: Limits) -> Self {
        let account = jail.tree().account(&jail.place().folder);
        account.lock().limits = limits.clone();
        let limits = RwLock::new(Arc::new(limits));
        Bound { jail: Arc::clone(jail), account, limits, share: None, can: OnceLock::new() }
    }

    /// The bound on what is put into a shared folder by whoever has this home.
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
        let Some(limit) = self.most_bytes() else { return Ok(None) };
        self.know().map_err(|err| Error::file(RelPath::root(), err))?;
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

    /// What there is, if it was counted.
    pub(super) fn usage_now(&self) -> UsageNow {
        let Some(limit) = self.most_bytes() else { return UsageNow::Known(None) };
        if !self.is_measured() {
            return UsageNow::Uncounted;
        }
        let there = self.account.there(&self.account.lock());
        there.map_or(UsageNow::Uncounted, |there| UsageNow::Known(Some(Usage { used: there.bytes, limit })))
    }

    /// Asks what the file system of the folder can do, before it is measured: what is left over is told by its locks.
    pub(super) fn ask(&self, stage: &Stage) -> io::Result<()> {
        if self.can.get().is_none() {
            let can = self.jail.root().and_then(|root| stage.can(&root))?;
            let _is_the_same = self.can.set(can);
        }
        Ok(())
    }

    /// Whether little is left, so that what is kept in the trash and of interrupted uploads may have to be looked at.
    pub(super) fn is_nearly_full(&self) -> bool {
        let counts = self.account.lock();
        let there = self.account.there(&counts).unwrap_or_default().plus(counts.promised);
        let is_near = |most: u64, there: u64| there > most - most / limits::TRASH_ROOM_PART;
        let limits = self.limits();
        let bytes = limits.bytes.as_ref().is_some_and(|(most, _)| is_near(*most, there.bytes));
        bytes || limits.files.as_ref().is_some_and(|(most, _)| is_near(*most, there.files))
    }

    /// Whether so much of what would be counted here is kept of interrupted uploads and in the trash, and may go for what comes.
    /// For each file that is looked at it is said that this `goes_on`.
    fn may_give(&self, wanted: Sum, goes_on: &dyn Fn()) -> bool {
        let looked = &self.account.looked;
        let held = |jail: &Jail, whose: Option<&Hash>| {
            let partials = partial_room::held(jail, whose);
            let rest = wanted.minus(partials);
            match rest == Sum::NONE {
                true => partials,
                false => partials.plus(trash_room::held(jail, rest, (whose, looked), goes_on)),
            }
        };
        let mut given = held(&self.jail, None);
        for share in self.account.shares() {
            if given.has_all_of(wanted) {
                break;
            }
            given = given.plus(held(&share.jail, Some(&self.account.owner)));
        }
        given.has_all_of(wanted)
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
                path.said("what counts in the quota changes faster than it is counted"),
            ));
        }
        *tries += 1;
        self.measure().map_err(|err| Error::file(path, err))
    }

    /// Measures what there is, if that was not done, or is long ago.
    fn know(&self) -> io::Result<()> {
        if self.is_measured() {
            if self.has_news() {
                self.give_way();
            }
            return Ok(());
        }
        match self.measure() {
            // Of long ago is better than nothing: a call that does not come back is to keep nobody from storing what needs no other one.
            Err(err) if err.kind() == io::ErrorKind::ResourceBusy && self.account.is_known() => Ok(()),
            measured => measured,
        }
    }

    /// Measures what there is.
    fn measure(&self) -> io::Result<()> {
        // What is broken there is not in the way of what is put elsewhere.
        self.account.shares().iter().for_each(|share| drop(share.know()));
        self.measure_home()?;
        self.give_way();
        Ok(())
    }

    /// Measures the home, while nobody changes it: what dead servers left of interrupted uploads becomes what is kept and counted, and what
    /// is not counted is cleared away.
    fn measure_home(&self) -> io::Result<()> {
        // Other nodes go on: what they store meanwhile is counted with what they store later.
        let alone = self.jail.tree().alone_to_measure()?;
        let is_done = |counts: &Counts| counts.files.is_some() && !counts.is_old;
        if is_done(&self.account.lock()) {
            return Ok(());
        }
        let begun = Instant::now();
        let tree = self.jail.tree();
        let among = sweep::Among { can: self.can.get().copied(), is_across: tree.is_across() };
        for _ in 0..=limits::LOOKS_BELOW {
            let moves = tree.moves();
            let root = self.jail.root()?;
            let own = open_reserved(&root).ok().filter(|_| self.jail.keeps_partials());
            let is_own = |reserved: &Dir| own.as_ref().is_some_and(|own| is_same(own, reserved));
            let reserved = &mut |reserved: &Dir| {
                // What cannot be read there was not put there by us.
                let goes_on = || alone.goes_on();
                let _ = tree.may_change().and_then(|_| match is_own(reserved) {
                    true => sweep::save_all(among, &self.jail, reserved, &goes_on),
                    false => {
                        let cleared = sweep::clear(among, reserved, &goes_on);
                        self.forget_below();
                        cleared
                    }
                });
            };
            let mut files = measure::sum(&root, reserved, &|| alone.goes_on())?;
            if let Some(own) = &own {
                files = files.plus(partial_room::sum(own)?);
            }
            #[cfg(test)]
            if let Some(work) = tree.behind_a_count.lock().clone() {
                work();
            }
            let mut counts = self.account.lock();
            // No store of the tree moves anything now. But other programs may have put another directory in the place of this one, which
            // whoever works there meets: then this is what the one before held.
            if tree.moves() == moves {
                counts.files = Some(files);
                counts.measured += 1;
                (counts.at, counts.is_old) = (Some((begun, begun.elapsed())), false);
                return Ok(());
            }
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "it is replaced faster than it is counted"))
    }

    /// What was kept of interrupted uploads in homes inside of this one, and in shared folders there, may be gone.
    fn forget_below(&self) {
        let below = self.jail.tree().accounts_below(self.account.folder());
        below.iter().filter(|account| !Arc::ptr_eq(account, &self.account)).for_each(|account| account.forget());
        self.jail.tree().shares_below(self.account.folder()).iter().for_each(|share| share.forget());
    }

    /// Whether it is known what there is. Where other nodes store too, what was measured holds for a while only.
    pub(super) fn is_measured(&self) -> bool {
        if self.jail.tree().is_across() {
            self.account.doubt_what_is_old();
        }
        self.account.is_measured()
    }
}

/// Whether these are one folder.
fn is_same(one: &Dir, other: &Dir) -> bool {
    matches!((fstat(one), fstat(other)), (Ok(one), Ok(other)) if is_same_file(&one, &other))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};

    use cap_std::ambient_authority;

    use super::super::{LocalOptions, LocalStore, PlaceInTree, Root, Staging, Tree, TreeLock};
    use super::*;
    use crate::files::{Durability, Store as _, UploadSpec};

    /// A bounded store over the directory at this path, found as this says.
    fn bounded(path: &std::path::Path, place: PlaceInTree) -> (Arc<Root>, LocalStore) {
        let dir = Dir::open_ambient_dir(path, ambient_authority()).unwrap();
        let root = Arc::new(Root::within(&dir, place).unwrap());
        let options = LocalOptions::new(Durability::None, Staging::Hidden);
        (root.clone(), LocalStore::over(root, options).bounded(100, "too much".to_owned()))
    }

    /// Puts another directory in the place of this one, with a file of so many bytes.
    fn replace(path: &std::path::Path, bytes: usize) {
        fs::rename(path, path.with_extension("before")).unwrap();
        fs::create_dir(path).unwrap();
        fs::write(path.join("new"), vec![7; bytes]).unwrap();
    }

    #[test]
    fn a_folder_that_is_replaced_while_it_is_counted_has_the_count_of_the_new_one() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("folder");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("old"), [7; 10]).unwrap();
        let opened = path.clone();
        let open = move || Dir::open_ambient_dir(&opened, ambient_authority()).map_err(|err| Error::file("it", err));
        let tree = Arc::new(Tree::default());
        let elsewhere = Some(Arc::new(super::super::Elsewhere::new(path.clone(), open)));
        let (root, store) = bounded(&path, PlaceInTree { tree: tree.clone(), elsewhere, ..PlaceInTree::default() });
        let once = Mutex::new(Some(()));
        let meanwhile = move || {
            if once.lock().take().is_some() {
                replace(&path, 3);
                // Somebody else works there.
                root.dir_now().unwrap();
            }
        };
        *tree.behind_a_count.lock() = Some(Arc::new(meanwhile));
        assert_eq!(store.usage().unwrap().unwrap().used, 3);
    }

    #[test]
    fn a_folder_in_a_tree_that_was_replaced_is_counted_anew() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("folder");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("old"), [7; 10]).unwrap();
        let start = Some(Arc::new(Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap()));
        let (root, store) = bounded(&path, PlaceInTree { start, folder: b"folder".to_vec(), ..PlaceInTree::default() });
        assert_eq!(store.usage().unwrap().unwrap().used, 10);
        replace(&path, 3);
        root.dir_now().unwrap();
        assert_eq!(store.usage().unwrap().unwrap().used, 3);
    }

    #[test]
    fn a_folder_in_which_another_one_was_replaced_is_counted_anew() {
        let place = tempfile::tempdir().unwrap();
        let (home, path) = (place.path().join("home"), place.path().join("home/shared"));
        fs::create_dir_all(&path).unwrap();
        fs::write(home.join("own"), [7; 20]).unwrap();
        fs::write(path.join("old"), [7; 10]).unwrap();
        let start = Some(Arc::new(Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap()));
        let around = PlaceInTree { start, folder: b"home".to_vec(), ..PlaceInTree::default() };
        let inside = PlaceInTree { folder: b"home/shared".to_vec(), ..around.clone() };
        let ((_, store), (shared, _)) = (bounded(&home, around), bounded(&path, inside));
        assert_eq!(store.usage().unwrap().unwrap().used, 30);
        replace(&path, 3);
        fs::remove_dir_all(path.with_extension("before")).unwrap();
        shared.dir_now().unwrap();
        assert_eq!(store.usage().unwrap().unwrap().used, 23);
    }

    /// What other nodes stored meanwhile is counted later.
    #[test]
    fn where_one_call_hangs_what_was_measured_before_counts_until_it_can_be_measured_again() {
        let place = tempfile::tempdir().unwrap();
        let (home, lock) = (place.path().join("home"), place.path().join("lock"));
        fs::create_dir(&home).unwrap();
        fs::write(home.join("old"), [7; 10]).unwrap();
        let open = move || OpenOptions::new().write(true).create(true).truncate(false).open(&lock);
        let tree = Arc::new(Tree::across(TreeLock::of("tree".to_owned(), open)));
        let dir = Dir::open_ambient_dir(&home, ambient_authority()).unwrap();
        let root = Arc::new(Root::within(&dir, PlaceInTree { tree: tree.clone(), ..PlaceInTree::default() }).unwrap());
        let options = LocalOptions::new(Durability::None, Staging::Hidden);
        let store = LocalStore::over(root, options).bounded(100, "too much".to_owned());
        let put = |name: &str, bytes: usize| {
            let mut upload = store.begin(&RelPath::parse(name.as_bytes())?, UploadSpec::default())?;
            upload.append(&vec![7; bytes])?;
            store.commit_one(upload).map(drop)
        };
        let used = || store.usage().map(|usage| usage.unwrap().used);
        let hangs = tree.steady().unwrap();
        // Nobody knows yet what there is, and who only asks does not wait for that.
        assert_eq!(store.usage_now_at(&RelPath::root()).unwrap(), UsageNow::Uncounted);
        assert_eq!(put("new", 10).unwrap_err().kind(), Kind::Io);
        drop(hangs);
        put("new", 10).unwrap();
        let account = tree.account(b"");
        let grows_old = || {
            let long_ago = Instant::now().checked_sub(limits::SHARED_QUOTA_AGE.0 * 2).unwrap();
            account.lock().at = Some((long_ago, Duration::ZERO));
        };
        let hangs = tree.steady().unwrap();
        fs::write(home.join("of another node"), [7; 10]).unwrap();
        for (name, there) in [("more", 30), ("and more", 40)] {
            grows_old();
            assert!(store.begins_by_counting());
            put(name, 10).unwrap();
            assert_eq!(used().unwrap(), there);
        }
        assert_eq!(put("too much", 70).unwrap_err().kind(), Kind::Quota);
        drop(hangs);
        assert_eq!(used().unwrap(), 50);
        assert!(!store.begins_by_counting());
        assert_eq!(
            store.usage_now_at(&RelPath::root()).unwrap(),
            UsageNow::Known(Some(Usage { used: 50, limit: 100 }))
        );
    }
}
