//! What all stores over one tree of folders share, so that what one of them changes counts for the others at once.
//!
//! Putting a file in its place takes steps: its folder is found, what has its name is looked at, the name is given.
//! Those who only add a name hold the tree steady meanwhile, side by side; who replaces, removes or renames anything, or
//! decides on what a file holds, is alone. Both last for a few system calls and never for a sync, for reading a file or
//! for a client. Only measuring a folder under a quota for the first time takes as long as there are files; looking
//! whether the paths in a folder that is moved further down are still paths does, if the tree is written to all the time, and then
//! a note of what is moved there is synced as well.
//!
//! Where several servers serve the same homes, whoever is alone is so among all of them ([`TreeLock`]). Those who only add a name do
//! not wait for other nodes: the file system gives a name once, and whichever of the two came first would have led to the
//! same. Who measures is alone in this process only, and nobody has what other nodes wait for while waiting for that.
//!
//! Nobody waits for ever there for one who does not come back: a call of a file system of several machines may never return ([`bounded`]).
//!
//! Handles of folders that a store keeps are good for one count of moves: whatever makes the name of a folder lead
//! elsewhere adds to it before it is answered.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

mod bounded;
mod moving;
mod names;
mod partial_names;

use self::bounded::{Bounded, OneAlone};
pub(super) use self::moving::Moving;
pub use self::names::LeftToNext;
use self::names::{Names, Own, SideBySide};
use super::account::Account;
use super::across_nodes::{HeldTreeLock, TreeLock};
use super::owned::Share;
use crate::limits;
use crate::sync::RwLock;

/// The changes of names in one tree of folders. Stores over it, or over folders inside of each other, should share one;
/// a store with one of its own sees what others do as late as it sees what other programs do.
#[derive(Default)]
pub struct Tree {
    names: Names,
    /// The lock that other nodes see, if there are any.
    across: Option<TreeLock>,
    /// Held by whoever has `names` for as long as there are files, where there are other nodes: taken before it.
    measuring: Bounded,
    /// Held there by whoever changes what clients keep with a file, which is read, changed and written.
    changing: Bounded,
    moves: AtomicU64,
    arrivals: AtomicU64,
    removing: Names,
    partials: partial_names::Names,
    /// Of the folders that somebody has a bound for.
    accounts: RwLock<Vec<Weak<Account>>>,
    /// The folders that several people share and that count for each of them.
    shares: RwLock<Vec<Weak<Share>>>,
    /// Of those who go through a folder for long.
    watches: RwLock<Vec<Weak<Watch>>>,
    /// Of those who move something elsewhere and have it say whose it becomes.
    movers: moving::Movers,
    /// Called between the batches of whoever marks files.
    #[cfg(test)]
    pub(in crate::store) between_batches: crate::sync::Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
    /// Called when a folder was measured, before what was found counts.
    #[cfg(test)]
    pub(in crate::store) behind_a_count: crate::sync::Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
    /// Called before a note is brought to the disk.
    #[cfg(test)]
    pub(in crate::store) before_a_note_syncs: crate::sync::Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
    /// Called when something was moved here from another store, and the tree is given up.
    #[cfg(test)]
    pub(in crate::store) behind_a_move: crate::sync::Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
}

/// Tells whoever goes through a folder for long, with others at work beside it, what stores of the tree do there meanwhile.
pub(super) struct Watch {
    /// From the tree's beginning.
    folder: Vec<u8>,
    is_changed: AtomicBool,
    is_moved: AtomicBool,
}

impl Watch {
    /// Whether anything may have come there, or gone.
    pub(super) fn is_changed(&self) -> bool {
        self.is_changed.load(Ordering::Acquire) || self.is_moved()
    }

    /// Whether a name there, or one that leads there, may stand for something else, or for nothing. To be asked while the tree is
    /// steady: until then a folder that was opened is where it was.
    pub(super) fn is_moved(&self) -> bool {
        self.is_moved.load(Ordering::Acquire)
    }
}

/// What somebody is about to do at a path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// A name comes, or what a file says of itself changes.
    Comes,
    /// Anything else.
    Moves,
}

/// While this is held no name in the tree comes to stand for anything else, and no condition is decided.
pub(super) struct Steady<'a>(#[expect(dead_code, reason = "held")] SideBySide<'a>);

/// While this is held no other store changes a name in the tree.
pub(super) struct Alone<'a> {
    /// Given up first: whoever waited for it in this process need not wait for the file system.
    #[expect(dead_code, reason = "held")]
    here: Own<'a>,
    across: Option<HeldTreeLock<'a>>,
}

/// While this is held nobody in this process changes a name, however long that takes.
pub(super) struct Measuring<'a> {
    tree: &'a Tree,
    #[expect(dead_code, reason = "held")]
    alone: Alone<'a>,
    #[expect(dead_code, reason = "held")]
    measuring: Option<OneAlone<'a>>,
}

impl Measuring<'_> {
    /// To be said for each file and folder: whoever waits meanwhile does not wait for one who does not come back.
    pub(super) fn goes_on(&self) {
        self.tree.names.goes_on();
        self.tree.measuring.goes_on();
        // He may wait for this one.
        self.tree.changing.goes_on();
    }
}

/// While this is held nobody else of this process changes what clients keep with a file of the tree.
pub(super) struct Changing<'a>(#[expect(dead_code, reason = "held")] OneAlone<'a>);

/// While this is held nobody else of this process removes anything of a trash of the tree.
pub(super) struct Removing<'a> {
    tree: &'a Tree,
    #[expect(dead_code, reason = "held")]
    own: Own<'a>,
}

impl Removing<'_> {
    /// To be said for each file that goes or is counted, as [`Measuring::goes_on`].
    pub(super) fn goes_on(&self) {
        self.tree.removing.goes_on();
    }
}

/// While this is held no other node changes a name in the tree, and here whoever does not replace anything goes on.
struct Reserved<'a> {
    tree: &'a Tree,
    across: Option<HeldTreeLock<'a>>,
}

impl<'a> Reserved<'a> {
    /// Nothing if somebody measures here: that is not waited for with anything in hand that other nodes wait for.
    ///
    /// # Errors
    /// That somebody else has the names here and does not come back: for him other nodes are not to wait as long as for this one.
    fn enter(self) -> io::Result<Option<Alone<'a>>> {
        let _nobody_measures = match &self.across {
            Some(_) => match self.tree.measuring.try_side_by_side() {
                None => return Ok(None),
                nobody => nobody,
            },
            None => None,
        };
        Ok(Some(Alone { here: self.tree.names.alone(limits::TREE_LOCK_WAIT / 2)?, across: self.across }))
    }
}

impl Alone<'_> {
    /// To be asked after all waiting: this server may have stood still, and have lost what it has taken before.
    fn checked(self) -> io::Result<Self> {
        self.across.as_ref().map_or(Ok(()), HeldTreeLock::is_still_held)?;
        Ok(self)
    }
}

impl Tree {
    /// # Errors
    /// Where other nodes serve the tree that somebody here does not come back from changing it.
    pub(super) fn steady(&self) -> io::Result<Steady<'_>> {
        self.names.side_by_side().map(Steady)
    }

    /// As [`Tree::steady`], for whoever adds something. Fails where other nodes serve the tree and this one has lost its place among them.
    pub(super) fn steady_to_add(&self) -> io::Result<Steady<'_>> {
        let Some(lock) = &self.across else { return self.steady() };
        let begun = Instant::now();
        while begun.elapsed() < limits::TREE_LOCK_TURN {
            // The file system is asked with nothing in hand that others wait for; and again where one had to wait for so long. Where it is
            // slow what it has said is old already, and the next time it is no newer.
            lock.may_change()?;
            let asked = Instant::now();
            let steady = self.steady()?;
            if lock.knows_its_place() || asked.elapsed() < limits::LOCK_LOOK {
                return Ok(steady);
            }
        }
        let text = "the file system takes too long to say whether this server has its place among those of this folder";
        Err(io::Error::new(io::ErrorKind::ResourceBusy, text))
    }

    /// Whether this server may change anything; another number if it may not have in between. Alone it may.
    ///
    /// # Errors
    /// That it has lost its place among others, or cannot tell.
    pub(super) fn may_change(&self) -> io::Result<u64> {
        self.across.as_ref().map_or(Ok(0), TreeLock::may_change)
    }

    /// To be said by whoever is alone for long, as [`Measuring::goes_on`].
    pub(super) fn goes_on(&self) {
        self.names.goes_on();
    }

    /// Fails where other nodes serve the tree and its lock cannot be had.
    pub(super) fn alone(&self) -> io::Result<Alone<'_>> {
        if self.is_across() { self.alone_since(Instant::now()) } else { self.alone_here() }
    }

    /// Has the tree alone, for whoever has waited since then for what it takes.
    pub(super) fn alone_since(&self, mut begun: Instant) -> io::Result<Alone<'_>> {
        loop {
            if let Some(alone) = self.reserve(begun)?.enter()? {
                return alone.checked();
            }
            begun = self.after_measuring()?;
        }
    }

    /// Has two trees alone. Whoever takes two takes them in the same order.
    pub(super) fn both_alone<'a>(one: &'a Tree, other: &'a Tree) -> io::Result<(Alone<'a>, Option<Alone<'a>>)> {
        if std::ptr::eq(one, other) {
            return Ok((one.alone()?, None));
        }
        let (first, second) = if one.rank() < other.rank() { (one, other) } else { (other, one) };
        let mut begun = Instant::now();
        loop {
            let reserved = (first.reserve(begun)?, second.reserve(begun)?);
            if let (Some(one), Some(other)) = (reserved.0.enter()?, reserved.1.enter()?) {
                return Ok((one.checked()?, Some(other.checked()?)));
            }
            first.after_measuring()?;
            begun = second.after_measuring()?;
        }
    }

    /// Waits until nobody measures, and says when that was.
    fn after_measuring(&self) -> io::Result<Instant> {
        drop(self.measuring.side_by_side(limits::TREE_LOCK_TURN)?);
        Ok(Instant::now())
    }

    /// Other nodes are waited for with nothing in hand that new names here would have to wait for.
    fn reserve(&self, begun: Instant) -> io::Result<Reserved<'_>> {
        Ok(Reserved { tree: self, across: self.across.as_ref().map(|lock| lock.take(begun)).transpose()? })
    }

    /// Nobody in this process changes a name.
    ///
    /// # Errors
    /// As [`Tree::steady`].
    pub(super) fn alone_here(&self) -> io::Result<Alone<'_>> {
        Ok(Alone { across: None, here: self.names.alone(limits::TREE_LOCK_TURN)? })
    }

    /// Nobody in this process changes a name for as long as there are files to be looked at. Other nodes go on.
    ///
    /// # Errors
    /// As [`Tree::steady`].
    pub(super) fn alone_to_measure(&self) -> io::Result<Measuring<'_>> {
        let measuring = self.is_across().then(|| self.measuring.alone(limits::TREE_LOCK_TURN)).transpose()?;
        Ok(Measuring { tree: self, alone: self.alone_here()?, measuring })
    }

    /// A tree that other nodes change too, with this lock.
    pub fn across(lock: TreeLock) -> Tree {
        Tree { across: Some(lock), names: Names::across(), removing: Names::across(), ..Tree::default() }
    }

    /// This tree, of a server that says so when it leaves it to the next one: then nothing in it is changed any more.
    #[must_use]
    pub fn left_with(self, left: &LeftToNext) -> Tree {
        Tree { names: self.names.left_with(left), removing: self.removing.left_with(left), ..self }
    }

    /// Waits until those have come to their end who had begun to change something when it was left.
    pub fn is_left_by_all(&self) {
        self.names.wait_for_all();
    }

    /// Whether other nodes change it, too: what was found in it a moment ago may be otherwise now, and nothing tells so.
    pub(super) fn is_across(&self) -> bool {
        self.across.is_some()
    }

    /// Whether something may be decided by what is in a file of this folder of the tree, for whoever is alone in it.
    ///
    /// # Errors
    /// That it may be what was there before another node changed it.
    pub(super) fn may_decide(&self, dir: impl AsFd) -> io::Result<()> {
        self.across.as_ref().map_or(Ok(()), |lock| lock.may_decide(dir))
    }

    /// In which order whoever takes two of them takes them: the same for all nodes.
    fn rank(&self) -> (&str, *const Tree) {
        (self.across.as_ref().map_or("", TreeLock::key), std::ptr::from_ref(self))
    }

    /// Held by whoever removes something of a trash for good, or decides whether that is needed: by nobody who has the tree steady or
    /// to himself.
    ///
    /// # Errors
    /// As [`Tree::steady`].
    pub(super) fn removing(&self) -> io::Result<Removing<'_>> {
        Ok(Removing { tree: self, own: self.removing.alone(limits::TREE_LOCK_TURN)? })
    }

    /// Held by whoever changes what clients keep with a file, where other nodes serve the tree: taken before the tree is held steady, so
    /// that nobody waits for names for one who waits for this.
    ///
    /// # Errors
    /// As [`Tree::steady`].
    pub(super) fn changing(&self) -> io::Result<Option<Changing<'_>>> {
        self.is_across().then(|| self.changing.alone(limits::TREE_LOCK_TURN).map(Changing)).transpose()
    }

    /// Held by whoever has what is at this path say whose it becomes: taken before anything else of the tree.
    pub(super) fn moving(&self, path: Vec<u8>) -> Moving<'_> {
        self.movers.turn(path)
    }

    /// How often the name of a folder has come to lead elsewhere.
    pub(super) fn moves(&self) -> u64 {
        self.moves.load(Ordering::Acquire)
    }

    /// A folder, or a link that may lead to one, has lost its name.
    pub(super) fn moved(&self) {
        self.moves.fetch_add(1, Ordering::Release);
    }

    /// Another directory has come in the place of this one: what was opened or counted before is of the one that is gone, also what
    /// was counted of a folder that it is in.
    pub(super) fn is_another(&self, folder: &[u8]) {
        self.moved();
        let accounts = [self.accounts_below(folder), self.accounts_over(folder)];
        accounts.iter().flatten().for_each(|account| account.forget());
        let shares = [self.shares_below(folder), self.shares_over(folder)];
        shares.iter().flatten().for_each(|share| share.forget());
    }

    /// How often something has got a name. Asked for alone, it tells whether what was found before is all there is.
    pub(super) fn arrivals(&self) -> u64 {
        self.arrivals.load(Ordering::Acquire)
    }

    /// Something has got a name: said before that is no longer steady.
    pub(super) fn arrived(&self) {
        self.arrivals.fetch_add(1, Ordering::Release);
    }

    /// The account of the folder at this path from the tree's beginning: the same for all who ask while one has it.
    pub(super) fn account(&self, folder: &[u8]) -> Arc<Account> {
        let mut accounts = self.accounts.write();
        accounts.retain(|account| account.strong_count() > 0);
        if let Some(there) = accounts.iter().filter_map(Weak::upgrade).find(|account| account.folder() == folder) {
            return there;
        }
        let made = Arc::new(Account::of(folder));
        accounts.push(Arc::downgrade(&made));
        made
    }

    /// This folder counts from now on, as long as somebody has it.
    pub(super) fn share(&self, share: &Arc<Share>) {
        let mut shares = self.shares.write();
        shares.retain(|share| share.strong_count() > 0);
        shares.push(Arc::downgrade(share));
    }

    /// What is in this folder counts for nobody any more.
    pub fn forget_share(&self, share: &Arc<Share>) {
        let accounts: Vec<_> = self.accounts.read().iter().filter_map(Weak::upgrade).collect();
        accounts.iter().for_each(|account| account.drop_share(share));
    }

    /// The folders that count for each of those who share them, and that what is at this path is in, or is.
    pub(super) fn shares_over(&self, path: &[u8]) -> Vec<Arc<Share>> {
        self.shares_where(|folder| is_within(path, folder))
    }

    /// The folders that count for each of those who share them, at or below this path.
    pub(super) fn shares_below(&self, path: &[u8]) -> Vec<Arc<Share>> {
        self.shares_where(|folder| is_within(folder, path))
    }

    /// Whether there are any.
    pub(super) fn is_shared(&self) -> bool {
        !self.shares.read().is_empty()
    }

    fn shares_where(&self, wanted: impl Fn(&[u8]) -> bool) -> Vec<Arc<Share>> {
        let shares = self.shares.read();
        shares.iter().filter_map(Weak::upgrade).filter(|share| wanted(share.folder())).collect()
    }

    /// Watches a folder at this path from the tree's beginning, as long as this is kept.
    pub(super) fn watch(&self, folder: Vec<u8>) -> io::Result<Arc<Watch>> {
        let watch = Arc::new(Watch { folder, is_changed: AtomicBool::new(false), is_moved: AtomicBool::new(false) });
        let mut watches = self.watches.write();
        watches.retain(|watch| watch.strong_count() > 0);
        watches.push(Arc::downgrade(&watch));
        drop(watches);
        // Whoever is about to change something by now has not told this one: they come to their end first.
        drop(self.alone_here()?);
        Ok(watch)
    }

    /// Whether anybody is to be told of changes.
    pub(super) fn is_watched(&self) -> bool {
        self.watches.read().iter().any(|watch| watch.strong_count() > 0)
    }

    /// To be said of each change before it is made, while the tree is steady, by whoever adds something, or alone: whoever is alone
    /// after that finds it said.
    pub(super) fn tell(&self, path: &[u8], change: Change, but: Option<&Arc<Watch>>) {
        let watches = self.watches.read();
        let others =
            watches.iter().filter_map(Weak::upgrade).filter(|watch| !but.is_some_and(|but| Arc::ptr_eq(but, watch)));
        for watch in others.filter(|watch| is_within(path, &watch.folder) || is_within(&watch.folder, path)) {
            let said = if change == Change::Moves { &watch.is_moved } else { &watch.is_changed };
            said.store(true, Ordering::Release);
        }
    }

    /// Whether anybody has an account.
    pub(super) fn counts(&self) -> bool {
        !self.accounts.read().is_empty()
    }

    /// Of the folders that what is at this path is in, or is.
    pub(super) fn accounts_over(&self, path: &[u8]) -> Vec<Arc<Account>> {
        self.accounts(|folder| is_within(path, folder))
    }

    /// Of the folders at or below this path.
    pub(super) fn accounts_below(&self, path: &[u8]) -> Vec<Arc<Account>> {
        self.accounts(|folder| is_within(folder, path))
    }

    fn accounts(&self, wanted: impl Fn(&[u8]) -> bool) -> Vec<Arc<Account>> {
        let accounts = self.accounts.read();
        accounts.iter().filter_map(Weak::upgrade).filter(|account| wanted(account.folder())).collect()
    }
}

/// Whether a path is that of a folder or of something in it. Everything is in the folder without a name.
fn is_within(path: &[u8], folder: &[u8]) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}
