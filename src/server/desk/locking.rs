//! Locks at the desk: taken, kept and given up by operations, and looked at before every write, whatever protocol asks.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use super::current_users::CurrentUsers;
use super::locks::claims::Claim;
use super::locks::{Extent, Lock, LockToken, LockedPath, Locks, Terms, Written};
use super::op::{Op, Writes};
use super::outcome::{Begun, Outcome};
use super::registry::Registry;
use super::running::Running;
use super::{Desk, Earlier, gate};
use crate::auth::{Access, Link, LinkTag, Principal};
use crate::error::{Kind, Result};
use crate::files::{Condition, Interrupted, Overwrite, RelPath, Store, UploadSpec};
use crate::machine::turns;

/// What others wait for until a change is done or given up: who takes a lock that would keep it out, and who withdraws the link that it
/// comes by. It is held for the step of the change alone.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct UnderWay {
    _place: Option<Claim<Written>>,
    _link: Option<Claim<LinkTag>>,
}

/// Whether somebody who presents these may write so much of a path.
///
/// # Errors
/// [`Kind::Locked`].
fn check(
    locks: &Locks,
    principal: &Principal,
    (path, extent): (&RelPath, Extent),
    presented: &[LockToken],
) -> Result<()> {
    // The way of nearly all writes.
    if locks.is_empty() {
        return Ok(());
    }
    let place = place(principal, path);
    locks.check(&place, extent, (principal.name(), presented), Instant::now())
}

/// What an upload to this path writes, as far as locks are concerned. What gets a number if its name is taken replaces nothing: who
/// locked that name has nothing to do with it, and is not to be seen by it; who locked the folder has.
fn of_upload<'p>(principal: &Principal, path: &'p RelPath, extent: Extent) -> (Cow<'p, RelPath>, Extent) {
    let is_numbered = super::overwrite(principal, Some(path)) == Overwrite::Numbered;
    match path.parent().filter(|_| is_numbered) {
        Some(folder) => (Cow::Owned(folder), Extent::Itself),
        None => (Cow::Borrowed(path), extent),
    }
}

/// This upload, which is whole, takes its place from now on, and others wait for it: if its user may put it there as far as locks are concerned, and
/// the link that it comes by is there.
///
/// # Errors
/// [`Kind::Locked`]; [`Kind::LoginFailed`] if the link is over.
pub(super) fn take_place(
    registry: &Registry,
    (principal, users): (&Principal, &CurrentUsers),
    store: &dyn Store,
    running: &Running,
) -> Result<UnderWay> {
    let claim = |path: &RelPath, extent| {
        let (path, extent) = of_upload(principal, path, extent);
        let who = (principal.name(), running.presented());
        registry.locks().claim(vec![(place(principal, &path), extent)], who, Instant::now())
    };
    let claim_place = |path: &RelPath| match claim(path, Extent::Member) {
        // What is there already has its name.
        Err(error) if error.kind() == Kind::Locked && store.stat(path).is_ok() => claim(path, Extent::Itself),
        claimed => claimed,
    };
    let claim_link = |link: &Link| {
        let claim = registry.by_links().take(link.tag());
        users.latest().links().expect_link(link).map(|()| claim)
    };
    Ok(UnderWay {
        _place: running.target().map(claim_place).transpose()?,
        _link: principal.link().map(|link| claim_link(link)).transpose()?,
    })
}

/// Where this is, whoever else has it in another place.
fn place(principal: &Principal, path: &RelPath) -> LockedPath {
    let (folder, path) = principal.grants().locate(path);
    LockedPath::new(&folder, &path)
}

impl Desk {
    /// The path of a lock that is over this one, as the user has it. That of a folder above is told as the home, or the shared
    /// folder, that this path is in.
    pub fn path_of_lock(&self, lock: &Lock, path: &RelPath) -> RelPath {
        let grants = self.principal.grants();
        let inside = lock.place.within(&grants.locate(path).0).unwrap_or_default();
        match grants.folder_at(path) {
            Some(folder) => folder.at.join(inside.as_bytes()).unwrap_or_else(|_| folder.at.clone()),
            None => inside,
        }
    }

    /// The locks that are over this path.
    pub fn locks_over(&self, path: &RelPath) -> Vec<Lock> {
        if self.locks().is_empty() {
            return Vec::new();
        }
        self.locks().over(&self.place(path), Instant::now())
    }

    fn locks(&self) -> &Locks {
        self.ticket().registry().locks()
    }

    pub(super) fn place(&self, path: &RelPath) -> LockedPath {
        place(&self.principal, path)
    }

    /// This operation writes that from now on, which whoever locks it meanwhile waits for.
    ///
    /// # Errors
    /// [`Kind::Locked`].
    pub(super) fn claim(&self, what: &[(&RelPath, Extent)], running: &Running) -> Result<UnderWay> {
        let places = what.iter().map(|(path, extent)| (self.place(path), *extent)).collect();
        let claim = self.locks().claim(places, (self.principal.name(), running.presented()), Instant::now())?;
        Ok(UnderWay { _place: Some(claim), _link: None })
    }

    /// This operation, which goes on in a later step, writes what is at its path from now on: whoever locks that meanwhile waits for it.
    ///
    /// # Errors
    /// [`Kind::Locked`].
    pub(super) fn claim_path(&self, running: &Running) -> Result<UnderWay> {
        running.path().map_or_else(|| Ok(UnderWay::default()), |path| self.claim(&[(path, Extent::Itself)], running))
    }

    /// Lets an operation pass that writes nothing which somebody else has locked. Who locks it from now on waits until the step is over
    /// in which it begins: what goes on after that asks again when it takes its place.
    pub(super) fn keep_locks(
        &mut self,
        op: &Op,
        running: Running,
        earlier: Earlier<'_>,
    ) -> Result<(Running, UnderWay)> {
        match self.may_write(op, &running) {
            Ok(under_way) => Ok((running, under_way)),
            Err(error) => {
                self.commit(earlier);
                Err(self.failed(running, error))
            }
        }
    }

    fn may_write(&self, op: &Op, running: &Running) -> Result<UnderWay> {
        match op.facts().writes {
            Writes::Nothing => Ok(UnderWay::default()),
            Writes::Upload(path) => {
                let check = |extent| {
                    let (path, extent) = of_upload(&self.principal, path, extent);
                    check(self.locks(), &self.principal, (&path, extent), running.presented())
                };
                match check(Extent::Member) {
                    // What is there already has its name.
                    Err(error) if error.kind() == Kind::Locked && self.store.stat(path).is_ok() => {
                        check(Extent::Itself)
                    }
                    checked => checked,
                }
                .map(|()| UnderWay::default())
            }
            Writes::Itself(path) => self.claim(&[(path, Extent::Itself)], running),
            Writes::Member(path) => self.claim(&[(path, Extent::Member)], running),
            Writes::Tree(path) => self.claim(&[(path, Extent::Tree)], running),
            Writes::Trees(from, to) => self.claim(&[(from, Extent::Tree), (to, Extent::Tree)], running),
        }
    }

    pub(super) fn lock(&self, path: &RelPath, terms: Terms, running: Running) -> Begun {
        let locked = turns::block_in_place(|| self.try_lock(path, terms, &running));
        self.over(running, locked.map(|(lock, is_new)| Outcome::Locked { lock, is_new }))
    }

    fn try_lock(&self, path: &RelPath, terms: Terms, running: &Running) -> Result<(Lock, bool)> {
        if !self.is_there_to_lock(path, running)? {
            // A name comes into its folder.
            check(self.locks(), &self.principal, (path, Extent::Member), running.presented())?;
        }
        let (place, user) = (self.place(path), self.principal.name());
        let lock = self.locks().take(&place, user, terms, Instant::now())?;
        match self.lock_something(path, lock.token, running) {
            Ok(is_new) => Ok((lock, is_new)),
            Err(error) => {
                // It was taken just now, and nobody else can have given it up.
                let _ = self.locks().release(&place, user, lock.token, Instant::now());
                Err(error)
            }
        }
    }

    /// Whether something is there, which its user may lock.
    fn is_there_to_lock(&self, path: &RelPath, running: &Running) -> Result<bool> {
        match self.store.stat(path) {
            Ok(_) => gate::check_at(&self.principal, Access::OVERWRITE, path, running.name()).map(|()| true),
            Err(error) if error.kind() == Kind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// If nothing is there that a lock is of, an empty file is made: whether it was. What the lock has waited for may have put something there, or
    /// have taken it away.
    fn lock_something(&self, path: &RelPath, token: LockToken, running: &Running) -> Result<bool> {
        if self.is_there_to_lock(path, running)? {
            return Ok(false);
        }
        let presented = [running.presented(), &[token]].concat();
        let written = vec![(self.place(path), Extent::Member)];
        let _claim = self.locks().claim(written, (self.principal.name(), &presented), Instant::now())?;
        let spec = UploadSpec {
            size: Some(0),
            condition: Condition::Absent,
            interrupted: Interrupted::Dropped,
            ..UploadSpec::default()
        };
        self.store.commit_one(self.store.begin(path, self.within(spec, path))?)?;
        Ok(true)
    }

    pub(super) fn renew_lock(&self, path: &RelPath, lasts: Duration, running: Running) -> Begun {
        let (place, user) = (self.place(path), self.principal.name());
        let renewed = self.locks().renew(&place, user, running.presented(), lasts, Instant::now());
        self.over(running, renewed.map(|lock| Outcome::Locked { lock, is_new: false }))
    }

    pub(super) fn unlock(&self, path: &RelPath, token: LockToken, running: Running) -> Begun {
        let released = self.locks().release(&self.place(path), self.principal.name(), token, Instant::now());
        self.over(running, released.map(|()| Outcome::Unlocked))
    }

    /// What was at this path is gone, with all that was in it.
    pub(super) fn forget_locks(&self, path: &RelPath) {
        if !self.locks().is_empty() {
            self.locks().forget(&self.place(path));
        }
    }
}
