//! Locks: who may alone write a file, or all of a folder, for a while (RFC 4918, section 6). Clients of WebDAV take them;
//! they hold for every protocol.
//!
//! A lock has a token, which is no secret and of use to nobody but the user who took it: a write goes through if its user
//! presents it. Locks are kept in memory, by the place below the data folder, so that a home inside of another has the same
//! ones; they end after their time by themselves, and with a server that is killed: one that ends in order hands them on to the next.

mod handed;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};
use crate::files::{Location, RelPath};
use crate::limits;
use crate::random;
use crate::sync::{Mutex, MutexGuard};

/// What a lock is known by: a UUID of random bits (RFC 9562, version 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LockToken(u128);

/// What such a UUID says of itself, and the bits that say it.
const VERSION: u128 = 0x4000 << 64 | 0x8000 << 48;
const VERSION_BITS: u128 = 0xf000 << 64 | 0xc000 << 48;

impl LockToken {
    fn fresh() -> Result<LockToken> {
        let mut bytes = [0; 16];
        random::fill(&mut bytes)?;
        Ok(LockToken(u128::from_be_bytes(bytes) & !VERSION_BITS | VERSION))
    }

    /// The token of these bits.
    pub const fn from_bits(bits: u128) -> LockToken {
        LockToken(bits)
    }

    /// Its bits.
    pub const fn bits(self) -> u128 {
        self.0
    }
}

/// Who else may have a lock of the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Nobody.
    Exclusive,
    /// Others with such a one.
    Shared,
}

/// What somebody wants of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Who else may have one.
    pub scope: Scope,
    /// Whether it is of all that is in a folder, too.
    pub deep: bool,
    /// What the client says of who has it, in its protocol's own form; nothing here reads it.
    pub owner: String,
    /// How long, at most [`limits::LOCK_MAX`].
    pub lasts: Duration,
}

/// A lock as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Its token.
    pub token: LockToken,
    /// What it was asked for with. It lasts so long from when it was taken or renewed.
    pub terms: Terms,
    /// The user who has it.
    pub user: String,
    /// What it is of, below the data folder.
    pub place: Place,
    /// How long it lasts yet.
    pub left: Duration,
}

/// A path below the data folder, or of a shared folder elsewhere: that of the home or folder, and that in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(Vec<u8>);

impl Place {
    /// This path in this home or shared folder, whoever has it.
    pub fn new(folder: &Location, path: &RelPath) -> Place {
        let mut bytes = base(folder).to_vec();
        if !path.is_root() {
            bytes.push(b'/');
            bytes.extend_from_slice(path.as_bytes());
        }
        Place(bytes)
    }

    /// The path of it in this home or shared folder, if it is in there.
    pub fn within(&self, folder: &Location) -> Option<RelPath> {
        match self.0.strip_prefix(base(folder))? {
            [] => Some(RelPath::root()),
            [b'/', rest @ ..] => RelPath::parse(rest).ok(),
            _ => None,
        }
    }

    /// Whether it is in that folder, at any depth.
    pub fn is_in(&self, folder: &Place) -> bool {
        self.above().any(|above| above == folder.0)
    }

    /// The folders that it is in, from the top down.
    fn above(&self) -> impl Iterator<Item = &[u8]> {
        let slashes = self.0.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        slashes.filter_map(|(at, _)| self.0.get(..at))
    }

    /// The folder that it is directly in.
    fn parent(&self) -> Option<&[u8]> {
        self.above().last()
    }
}

/// Names below the data folder begin with no slash, and those elsewhere with one.
fn base(folder: &Location) -> &[u8] {
    match folder {
        Location::Below(name) => name.as_bytes(),
        Location::Elsewhere(path) => path.as_os_str().as_bytes(),
    }
}

/// How much of a place a write is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What is there.
    Itself,
    /// That there is something: a name comes into its folder.
    Member,
    /// All of it, with what is in it, and its name in its folder.
    Tree,
}

/// All locks of a server.
#[derive(Debug, Default)]
pub struct Locks {
    held: Mutex<Held>,
    /// How many there are, maybe with some whose time is over: who writes looks at nothing else while there are none.
    count: AtomicUsize,
}

/// By their places.
type Held = BTreeMap<Vec<u8>, Vec<Entry>>;

#[derive(Debug)]
struct Entry {
    token: LockToken,
    terms: Terms,
    user: String,
    until: Instant,
}

impl Entry {
    fn told(&self, place: &[u8], now: Instant) -> Lock {
        Lock {
            token: self.token,
            terms: self.terms.clone(),
            user: self.user.clone(),
            place: Place(place.to_vec()),
            left: self.until.saturating_duration_since(now),
        }
    }
}

impl Locks {
    /// Takes a lock for this user, whose path is to be named in what is said.
    ///
    /// # Errors
    /// [`Kind::Locked`] if there is one that does not go with it, [`Kind::TooMany`] if the user or all have as many as they may.
    pub fn take(&self, place: &Place, user: &str, terms: Terms, now: Instant) -> Result<Lock> {
        let mut held = self.now(now);
        let goes_with = |entry: &Entry| entry.terms.scope == Scope::Shared && terms.scope == Scope::Shared;
        let mut found: Vec<&Entry> = over(&held, &place.0).map(|(_, entry)| entry).collect();
        if terms.deep {
            found.extend(below(&held, &place.0).flat_map(|(_, entries)| entries));
        }
        if let Some(other) = found.into_iter().find(|entry| !goes_with(entry)) {
            return Err(refusal(other, now));
        }
        let own = held.values().flatten().filter(|entry| entry.user == user).count();
        if own >= limits::LOCKS_PER_USER || self.count.load(Ordering::Relaxed) >= limits::LOCKS_MAX {
            return Err(Error::new(Kind::TooMany, "there are as many locks as there may be"));
        }
        let terms = Terms { lasts: terms.lasts.min(limits::LOCK_MAX), ..terms };
        let entry = Entry { token: LockToken::fresh()?, until: now + terms.lasts, terms, user: user.to_owned() };
        let told = entry.told(&place.0, now);
        held.entry(place.0.clone()).or_default().push(entry);
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(told)
    }

    /// Lets one of these of this user, which is over this place, last so long from now on.
    ///
    /// # Errors
    /// [`Kind::Changed`] if there is none.
    pub fn renew(
        &self,
        place: &Place,
        user: &str,
        presented: &[LockToken],
        lasts: Duration,
        now: Instant,
    ) -> Result<Lock> {
        let mut held = self.now(now);
        let is_it = |entry: &Entry| entry.user == user && presented.contains(&entry.token);
        let found = over(&held, &place.0).find(|(_, entry)| is_it(entry)).map(|(at, _)| at.to_vec());
        let none = || Error::new(Kind::Changed, "there is no such lock of yours");
        let at = found.ok_or_else(none)?;
        let entry = held.get_mut(&at).and_then(|entries| entries.iter_mut().find(|entry| is_it(entry)));
        let entry = entry.ok_or_else(none)?;
        entry.terms.lasts = lasts.min(limits::LOCK_MAX);
        entry.until = now + entry.terms.lasts;
        Ok(entry.told(&at, now))
    }

    /// Gives one up that is over this place.
    ///
    /// # Errors
    /// [`Kind::Changed`] if there is none, [`Kind::Denied`] if another user has it.
    pub fn release(&self, place: &Place, user: &str, token: LockToken, now: Instant) -> Result<()> {
        let mut held = self.now(now);
        let found = over(&held, &place.0).find(|(_, entry)| entry.token == token);
        let Some((at, entry)) = found.map(|(at, entry)| (at.to_vec(), entry)) else {
            return Err(Error::new(Kind::Changed, "there is no such lock here"));
        };
        if entry.user != user {
            return Err(Error::new(Kind::Denied, "somebody else has this lock"));
        }
        self.remove(&mut held, &at, |entry| entry.token == token);
        Ok(())
    }

    /// The locks that are over this place.
    pub fn over(&self, place: &Place, now: Instant) -> Vec<Lock> {
        if self.is_empty() {
            return Vec::new();
        }
        let held = self.lock();
        let over = over(&held, &place.0).filter(|(_, entry)| entry.until > now);
        over.map(|(at, entry)| entry.told(at, now)).collect()
    }

    /// Whether a user who presents these tokens may write so much of this place.
    ///
    /// # Errors
    /// [`Kind::Locked`].
    pub fn check(
        &self,
        place: &Place,
        extent: Extent,
        (user, presented): (&str, &[LockToken]),
        now: Instant,
    ) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let held = self.lock();
        let may = |entries: &mut dyn Iterator<Item = &Entry>| {
            let mut other = None;
            for entry in entries.filter(|entry| entry.until > now) {
                // Of several who share one each may write.
                if entry.user == user && presented.contains(&entry.token) {
                    return Ok(());
                }
                other = Some(entry);
            }
            other.map_or(Ok(()), |entry| Err(refusal(entry, now)))
        };
        may(&mut over(&held, &place.0).map(|(_, entry)| entry))?;
        if extent != Extent::Itself
            && let Some(folder) = place.parent()
        {
            may(&mut over(&held, folder).map(|(_, entry)| entry))?;
        }
        if extent == Extent::Tree {
            for (_, entries) in below(&held, &place.0) {
                may(&mut entries.iter())?;
            }
        }
        Ok(())
    }

    /// What was at this place is gone, and all that was in it: so are the locks of it.
    pub fn forget(&self, place: &Place) {
        if self.is_empty() {
            return;
        }
        let mut held = self.lock();
        let gone: Vec<Vec<u8>> = below(&held, &place.0).map(|(at, _)| at.clone()).collect();
        for at in gone.iter().chain([&place.0]) {
            self.remove(&mut held, at, |_| true);
        }
    }

    /// Those of users who are not there any more are gone.
    pub fn keep_users(&self, is_there: impl Fn(&str) -> bool) {
        if self.is_empty() {
            return;
        }
        let mut held = self.lock();
        let places: Vec<Vec<u8>> = held.keys().cloned().collect();
        for at in &places {
            self.remove(&mut held, at, |entry| !is_there(&entry.user));
        }
    }

    /// Whether there are none at all.
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    fn remove(&self, held: &mut Held, at: &[u8], is_it: impl Fn(&Entry) -> bool) {
        let Some(entries) = held.get_mut(at) else { return };
        let before = entries.len();
        entries.retain(|entry| !is_it(entry));
        self.count.fetch_sub(before - entries.len(), Ordering::Relaxed);
        if entries.is_empty() {
            held.remove(at);
        }
    }

    /// Those whose time is not over.
    fn now(&self, now: Instant) -> MutexGuard<'_, Held> {
        let mut held = self.lock();
        held.retain(|_, entries| {
            let before = entries.len();
            entries.retain(|entry| entry.until > now);
            self.count.fetch_sub(before - entries.len(), Ordering::Relaxed);
            !entries.is_empty()
        });
        held
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // A map is whole after each call: a panic elsewhere cannot have left it half-changed.
        self.held.lock()
    }
}

/// Those of the place itself, and of all of a folder that it is in.
fn over<'h>(held: &'h Held, place: &'h [u8]) -> impl Iterator<Item = (&'h [u8], &'h Entry)> {
    let slashes = place.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let above = slashes.filter_map(|(at, _)| held.get_key_value(place.get(..at)?));
    let above = above.flat_map(|(at, entries)| entries.iter().filter(|entry| entry.terms.deep).map(|e| (&**at, e)));
    let itself = held.get_key_value(place).into_iter();
    above.chain(itself.flat_map(|(at, entries)| entries.iter().map(|entry| (&**at, entry))))
}

/// Those of what is in a folder.
fn below<'h>(held: &'h Held, place: &[u8]) -> impl Iterator<Item = (&'h Vec<u8>, &'h Vec<Entry>)> {
    // What comes behind a slash.
    held.range([place, b"/"].concat()..[place, b"0"].concat())
}

fn refusal(entry: &Entry, now: Instant) -> Error {
    let left = entry.until.saturating_duration_since(now).as_secs() + 1;
    Error::new(Kind::Locked, format!("{} has locked it, for {left} seconds more at most", entry.user))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below(home: &str) -> Location {
        Location::Below(home.to_owned())
    }

    fn place(path: &str) -> Place {
        Place::new(&below("alice"), &RelPath::parse(path.as_bytes()).unwrap())
    }

    fn terms(scope: Scope, deep: bool) -> Terms {
        Terms { scope, deep, owner: String::new(), lasts: Duration::from_secs(60) }
    }

    fn kind<T>(result: Result<T>) -> Result<(), Kind> {
        result.map(drop).map_err(|error| error.kind())
    }

    #[test]
    fn one_lock_keeps_all_others_out_and_a_shared_one_only_those_that_are_not() {
        let (locks, now) = (Locks::default(), Instant::now());
        let take = |path: &str, scope, deep| kind(locks.take(&place(path), "alice", terms(scope, deep), now));
        assert_eq!(take("a", Scope::Exclusive, false), Ok(()));
        assert_eq!(take("a", Scope::Exclusive, false), Err(Kind::Locked));
        assert_eq!(take("a", Scope::Shared, false), Err(Kind::Locked));
        assert_eq!(take("d/s", Scope::Shared, false), Ok(()));
        assert_eq!(take("d/s", Scope::Shared, false), Ok(()));
        assert_eq!(take("d/s", Scope::Exclusive, false), Err(Kind::Locked));
        assert_eq!(take("d", Scope::Exclusive, true), Err(Kind::Locked), "something in it is locked");
        assert_eq!(take("d", Scope::Exclusive, false), Ok(()));
        assert_eq!(take("e", Scope::Exclusive, true), Ok(()));
        assert_eq!(take("e/x/y", Scope::Shared, false), Err(Kind::Locked), "all of the folder is");
        assert_eq!(take("e2", Scope::Exclusive, false), Ok(()), "a name that only begins so");
    }

    #[test]
    fn a_write_takes_the_token_of_every_lock_in_its_way_from_the_user_who_has_it() {
        let (locks, now) = (Locks::default(), Instant::now());
        let token =
            |path: &str, deep| locks.take(&place(path), "alice", terms(Scope::Exclusive, deep), now).unwrap().token;
        let (folder, file) = (token("d", false), token("d/f", false));
        let check = |path: &str, extent, user: &str, tokens: &[LockToken]| {
            kind(locks.check(&place(path), extent, (user, tokens), now))
        };
        use Extent as E;
        assert_eq!(check("d/f", E::Itself, "alice", &[]), Err(Kind::Locked));
        assert_eq!(check("d/f", E::Itself, "bob", &[file]), Err(Kind::Locked), "another's token");
        assert_eq!(check("d/f", E::Itself, "alice", &[file]), Ok(()));
        assert_eq!(check("d/g", E::Itself, "alice", &[]), Ok(()), "a folder alone is locked");
        assert_eq!(check("d/g", E::Member, "alice", &[]), Err(Kind::Locked), "and what is in it");
        assert_eq!(check("d", E::Tree, "alice", &[folder]), Err(Kind::Locked));
        assert_eq!(check("d", E::Tree, "alice", &[folder, file]), Ok(()));
        assert_eq!(check("x", E::Tree, "alice", &[]), Ok(()));
        let outer = Place::new(&below(""), &RelPath::root());
        assert!(locks.over(&outer, now).is_empty());
        assert_eq!(locks.over(&place("d/f"), now).len(), 1);
        locks.forget(&place("d"));
        assert_eq!(check("d", E::Tree, "bob", &[]), Ok(()));
        assert!(locks.is_empty());
    }

    #[test]
    fn a_home_inside_of_another_has_the_same_locks() {
        let (locks, now) = (Locks::default(), Instant::now());
        let inner = Place::new(&below("team/alice"), &RelPath::parse(b"f").unwrap());
        locks.take(&inner, "alice", terms(Scope::Exclusive, false), now).unwrap();
        let outer = Place::new(&below("team"), &RelPath::parse(b"alice/f").unwrap());
        assert_eq!(kind(locks.check(&outer, Extent::Itself, ("lead", &[]), now)), Err(Kind::Locked));
        assert_eq!(locks.over(&outer, now)[0].place.within(&below("team")), Some(RelPath::parse(b"alice/f").unwrap()));
        assert_eq!(outer.within(&below("team/alice")), Some(RelPath::parse(b"f").unwrap()));
        assert_eq!(outer.within(&below("tea")), None);
    }

    #[test]
    fn a_lock_ends_after_its_time_or_is_renewed_or_given_up_by_who_has_it() {
        let (locks, now) = (Locks::default(), Instant::now());
        let lock = locks.take(&place("d"), "alice", terms(Scope::Exclusive, true), now).unwrap();
        let later = now + Duration::from_secs(59);
        let over = now + Duration::from_secs(60);
        let is_free = |at| locks.check(&place("d/f"), Extent::Itself, ("bob", &[]), at).is_ok();
        assert!(!is_free(later) && is_free(over));
        let renew = |user: &str, tokens: &[LockToken], at| {
            kind(locks.renew(&place("d/f"), user, tokens, Duration::from_secs(60), at))
        };
        assert_eq!(renew("alice", &[lock.token], later), Ok(()));
        assert!(!is_free(over));
        assert_eq!(renew("bob", &[lock.token], later), Err(Kind::Changed));
        assert_eq!(renew("alice", &[LockToken::from_bits(1)], later), Err(Kind::Changed));
        let release = |user: &str, token| kind(locks.release(&place("d/f"), user, token, later));
        assert_eq!(release("bob", lock.token), Err(Kind::Denied));
        assert_eq!(release("alice", LockToken::from_bits(1)), Err(Kind::Changed));
        assert_eq!(release("alice", lock.token), Ok(()));
        assert!(is_free(later) && locks.is_empty());
    }

    #[test]
    fn nobody_has_more_than_so_many_and_none_for_longer_than_so_long() {
        let (locks, now) = (Locks::default(), Instant::now());
        for n in 0..limits::LOCKS_PER_USER {
            locks.take(&place(&n.to_string()), "alice", terms(Scope::Exclusive, false), now).unwrap();
        }
        let one_more = |user: &str, at| kind(locks.take(&place("x"), user, terms(Scope::Shared, false), at));
        assert_eq!(one_more("alice", now), Err(Kind::TooMany));
        assert_eq!(one_more("bob", now), Ok(()), "others have theirs");
        assert_eq!(one_more("alice", now + Duration::from_secs(60)), Ok(()), "what is over does not count");
        let long = Terms { lasts: Duration::MAX, ..terms(Scope::Exclusive, false) };
        assert_eq!(locks.take(&place("y"), "bob", long, now).unwrap().left, limits::LOCK_MAX);
    }
}
