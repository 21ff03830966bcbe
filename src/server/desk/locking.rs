//! Locks at the desk: taken, kept and given up by operations, and looked at before every write, whatever protocol asks.

use std::time::{Duration, Instant};

use super::locks::{Extent, Lock, LockToken, Locks, Place, Terms};
use super::op::{Op, Writes};
use super::outcome::{Begun, Outcome};
use super::running::Running;
use super::{Desk, Earlier, gate};
use crate::auth::{Access, Principal};
use crate::error::{Error, Kind, Result};
use crate::files::{Condition, Interrupted, Overwrite, RelPath, Seen, UploadSpec};
use crate::machine::turns;

/// Whether somebody who presents these may write so much of a path.
///
/// # Errors
/// [`Kind::Locked`].
pub(super) fn check(
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

/// Whether an upload to this path may be put there as far as locks are concerned. What gets a number if its name is taken
/// replaces nothing: who locked that name has nothing to do with it, and is not to be seen by it; who locked the folder has.
///
/// # Errors
/// [`Kind::Locked`].
pub(super) fn check_upload(
    locks: &Locks,
    principal: &Principal,
    (path, extent): (&RelPath, Extent),
    presented: &[LockToken],
) -> Result<()> {
    let is_numbered = super::overwrite(principal, Some(path)) == Overwrite::Numbered;
    match path.parent().filter(|_| is_numbered) {
        Some(folder) => check(locks, principal, (&folder, Extent::Itself), presented),
        None => check(locks, principal, (path, extent), presented),
    }
}

/// Where this is, whoever else has it in another place.
fn place(principal: &Principal, path: &RelPath) -> Place {
    let (folder, path) = principal.grants().locate(path);
    Place::new(&folder, &path)
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

    /// Presents these locks with every operation from now on, and no others.
    pub fn present(&mut self, tokens: Vec<LockToken>) {
        self.presented = tokens;
    }

    /// Whatever changes something from now on does it only if that is still at these paths.
    pub fn depend_on(&mut self, elsewhere: Vec<(RelPath, Seen)>) {
        self.elsewhere = elsewhere;
    }

    /// Lets an operation pass that changes nothing, or before which that is still there elsewhere on which its request was decided. It is
    /// looked at in the step of the change and right before it, not under the lock that the storage has for the change.
    pub(super) fn keep_elsewhere(&mut self, op: &Op, running: Running, earlier: Earlier<'_>) -> Result<Running> {
        if matches!(op.facts().writes, Writes::Nothing) {
            return Ok(running);
        }
        match self.check_elsewhere() {
            Ok(()) => Ok(running),
            Err(error) => {
                self.commit(earlier);
                Err(self.failed(running, error))
            }
        }
    }

    /// The same when the bytes of a file have come.
    ///
    /// # Errors
    /// [`Kind::Changed`].
    pub(super) fn check_elsewhere(&self) -> Result<()> {
        self.elsewhere.iter().try_for_each(|(path, before)| match self.seen(path)?.is_still(before) {
            true => Ok(()),
            false => Err(Error::new(Kind::Changed, format!("{path}: somebody changed it just now"))),
        })
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

    pub(super) fn place(&self, path: &RelPath) -> Place {
        place(&self.principal, path)
    }

    pub(super) fn check_locks(&self, what: (&RelPath, Extent), running: &Running) -> Result<()> {
        check(self.locks(), &self.principal, what, running.presented())
    }

    pub(super) fn check_upload_locks(&self, what: (&RelPath, Extent), running: &Running) -> Result<()> {
        check_upload(self.locks(), &self.principal, what, running.presented())
    }

    /// Lets an operation pass that writes nothing which somebody else has locked.
    pub(super) fn keep_locks(&mut self, op: &Op, running: Running, earlier: Earlier<'_>) -> Result<Running> {
        match self.may_write(op, &running) {
            Ok(()) => Ok(running),
            Err(error) => {
                self.commit(earlier);
                Err(self.failed(running, error))
            }
        }
    }

    fn may_write(&self, op: &Op, running: &Running) -> Result<()> {
        if self.locks().is_empty() {
            return Ok(());
        }
        match op.facts().writes {
            Writes::Nothing => Ok(()),
            Writes::Upload(path) => {
                match self.check_upload_locks((path, Extent::Member), running) {
                    // What is there already has its name.
                    Err(error) if error.kind() == Kind::Locked && self.store.stat(path).is_ok() => {
                        self.check_upload_locks((path, Extent::Itself), running)
                    }
                    checked => checked,
                }
            }
            Writes::Itself(path) => self.check_locks((path, Extent::Itself), running),
            Writes::Member(path) => self.check_locks((path, Extent::Member), running),
            Writes::Tree(path) => self.check_locks((path, Extent::Tree), running),
            Writes::Trees(from, to) => {
                self.check_locks((from, Extent::Tree), running)?;
                self.check_locks((to, Extent::Tree), running)
            }
        }
    }

    pub(super) fn lock(&self, path: &RelPath, terms: Terms, running: Running) -> Begun {
        let locked = self.try_lock(path, terms, &running);
        self.over(running, locked.map(|(lock, is_new)| Outcome::Locked { lock, is_new }))
    }

    fn try_lock(&self, path: &RelPath, terms: Terms, running: &Running) -> Result<(Lock, bool)> {
        let is_new = match self.store.stat(path) {
            Ok(_) => {
                gate::check_at(&self.principal, Access::OVERWRITE, path, running.name())?;
                false
            }
            Err(error) if error.kind() == Kind::NotFound => {
                // A name comes into its folder.
                self.check_locks((path, Extent::Member), running)?;
                true
            }
            Err(error) => return Err(error),
        };
        let (place, user) = (self.place(path), self.principal.name());
        let lock = self.locks().take(&place, user, terms, Instant::now())?;
        if is_new {
            let spec = UploadSpec {
                size: Some(0),
                condition: Condition::Absent,
                interrupted: Interrupted::Dropped,
                ..UploadSpec::default()
            };
            let empty = || self.store.commit_one(self.store.begin(path, self.within(spec, path))?);
            if let Err(error) = turns::block_in_place(empty) {
                // It was taken just now, and nobody else can have given it up.
                let _ = self.locks().release(&place, user, lock.token, Instant::now());
                return Err(error);
            }
        }
        Ok((lock, is_new))
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
