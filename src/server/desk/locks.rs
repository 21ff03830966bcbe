//! Locks: who may alone write a file, or all of a folder, for a while (RFC 4918, section 6). Clients of WebDAV take them;
//! they hold for every protocol.
//!
//! A lock has a token, which is no secret and of use to nobody but the user who took it: a write goes through if its user
//! presents it. Locks are kept in memory, by the place below the data folder, so that a home inside of another has the same
//! ones; they end after their time by themselves, and with a server that is killed: one that ends in order hands them on to the next.

pub mod claims;
mod handed;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use self::claims::{Claim, Claims};
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
    pub place: LockedPath,
    /// How long it lasts yet.
    pub left: Duration,
}

/// A path below the data folder, or of a shared folder elsewhere: that of the home or folder, and that in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedPath(Vec<u8>);

impl LockedPath {
    /// This path in this home or shared folder, whoever has it.
    pub fn new(folder: &Location, path: &RelPath) -> LockedPath {
        let mut bytes = base(folder).to_vec();
        if !path.is_root() {
            bytes.push(b'/');
            bytes.extend_from_slice(path.as_bytes());
        }
        LockedPath(bytes)
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
    pub fn is_in(&self, folder: &LockedPath) -> bool {
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
    /// What is being written, which a lock that is taken meanwhile waits for.
    written: Arc<Claims<Written>>,
}

/// What one change writes.
#[derive(Debug)]
pub struct Written(Vec<(LockedPath, Extent)>);

impl Written {
    /// Whether a lock of this place stands against it.
    fn is_under(&self, lock: &LockedPath, deep: bool) -> bool {
        let is_over = |place: &[u8]| {
            let inside = place.strip_prefix(lock.0.as_slice());
            inside.is_some_and(|inside| inside.is_empty() || deep && inside.starts_with(b"/"))
        };
        self.0.iter().any(|(place, extent)| {
            is_over(&place.0)
                || *extent != Extent::Itself && place.parent().is_some_and(is_over)
                || *extent == Extent::Tree && lock.is_in(place)
        })
    }
}

/// By their places.
type Held = BTreeMap<Vec<u8>, Vec<Entry>>;

#[derive(Debug)]
struct Entry {
    token: LockToken,
    terms: Terms,
    user: String,
    until: Instant,
    /// What was being written when it was taken is not done yet. It keeps others out already.
    is_waiting: bool,
}

impl Entry {
    /// Whether its time is not over.
    fn holds(&self, now: Instant) -> bool {
        self.is_waiting || self.until > now
    }

    fn told(&self, place: &[u8], now: Instant) -> Lock {
        Lock {
            token: self.token,
            terms: self.terms.clone(),
            user: self.user.clone(),
            place: LockedPath(place.to_vec()),
            left: self.until.saturating_duration_since(now),
        }
    }
}

impl Locks {
    /// Takes a lock for this user, whose path is to be named in what is said. What was let through before is waited for: once this
    /// returns, whatever the lock keeps out is done or will not be.
    ///
    /// # Errors
    /// [`Kind::Locked`] if there is one that does not go with it, [`Kind::TooMany`] if the user or all have as many as they may,
    /// [`Kind::Busy`] if something is being written there for longer than [`limits::CLAIMS_WAIT`].
    pub fn take(&self, place: &LockedPath, user: &str, terms: Terms, now: Instant) -> Result<Lock> {
        let (token, deep) = self.keep_others_out(place, user, terms, now)?;
        let waited = self.written.wait(|written| written.is_under(place, deep), limits::CLAIMS_WAIT);
        let mut held = self.lock();
        let entry = held.get_mut(&place.0).and_then(|entries| entries.iter_mut().find(|entry| entry.token == token));
        match (entry, waited) {
            (Some(entry), Some(waited)) => {
                let now = now + waited;
                entry.is_waiting = false;
                entry.until = now + entry.terms.lasts;
                Ok(entry.told(&place.0, now))
            }
            // Without an entry its user is not there any more.
            _ => {
                self.remove(&mut held, &place.0, |entry| entry.token == token);
                Err(Error::new(Kind::Busy, "somebody is writing there just now; try again"))
            }
        }
    }

    fn keep_others_out(&self, place: &LockedPath, user: &str, terms: Terms, now: Instant) -> Result<(LockToken, bool)> {
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
        let (token, deep, until) = (LockToken::fresh()?, terms.deep, now + terms.lasts);
        let entry = Entry { token, until, terms, user: user.to_owned(), is_waiting: true };
        held.entry(place.0.clone()).or_default().push(entry);
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok((token, deep))
    }

    /// These are being written until the claim is dropped, if the user who presents these tokens may write so much of them. A lock that
    /// is taken later waits for it. It is to be held for the step of the change alone.
    ///
    /// # Errors
    /// [`Kind::Locked`].
    pub fn claim(
        &self,
        places: Vec<(LockedPath, Extent)>,
        who: (&str, &[LockToken]),
        now: Instant,
    ) -> Result<Claim<Written>> {
        // First said and then looked at. Who takes a lock does it the other way round, so that one of the two sees the other.
        let claim = self.written.take(Written(places.clone()));
        places.iter().try_for_each(|(place, extent)| self.check(place, *extent, who, now))?;
        Ok(claim)
    }

    /// Lets one of these of this user, which is over this place, last so long from now on.
    ///
    /// # Errors
    /// [`Kind::Changed`] if there is none.
    pub fn renew(
        &self,
        place: &LockedPath,
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
    pub fn release(&self, place: &LockedPath, user: &str, token: LockToken, now: Instant) -> Result<()> {
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
    pub fn over(&self, place: &LockedPath, now: Instant) -> Vec<Lock> {
        if self.is_empty() {
            return Vec::new();
        }
        let held = self.lock();
        let over = over(&held, &place.0).filter(|(_, entry)| entry.holds(now));
        over.map(|(at, entry)| entry.told(at, now)).collect()
    }

    /// Whether a user who presents these tokens may write so much of this place.
    ///
    /// # Errors
    /// [`Kind::Locked`].
    pub fn check(
        &self,
        place: &LockedPath,
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
            for entry in entries.filter(|entry| entry.holds(now)) {
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

    /// What was at this place is gone, and all that was in it: so are the locks of it, but for those that are being taken and wait for
    /// just that.
    pub fn forget(&self, place: &LockedPath) {
        if self.is_empty() {
            return;
        }
        let mut held = self.lock();
        let gone: Vec<Vec<u8>> = below(&held, &place.0).map(|(at, _)| at.clone()).collect();
        for at in gone.iter().chain([&place.0]) {
            self.remove(&mut held, at, |entry| !entry.is_waiting);
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
            entries.retain(|entry| entry.holds(now));
            self.count.fetch_sub(before - entries.len(), Ordering::Relaxed);
            !entries.is_empty()
        });
        held
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
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
mod tests;
