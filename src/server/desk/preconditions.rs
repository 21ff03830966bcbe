//! What a request wants to be so for its operations to be done, beside what it asks for.

use super::locks::LockToken;
use super::op::{Op, Writes};
use super::running::Running;
use super::{Desk, Earlier};
use crate::error::{Error, Kind, Result};
use crate::files::{RelPath, Seen};

/// Of an `If` of WebDAV (RFC 4918, section 10.4). By default nothing is wanted, and no lock is presented.
#[derive(Debug, Clone, Default)]
pub struct Preconditions {
    /// The locks that are presented: what they keep others from may be done.
    pub locks: Vec<LockToken>,
    /// What must still be at other paths than those of the operation.
    pub elsewhere: Vec<(RelPath, Seen)>,
}

impl Desk {
    /// These are in force for every operation from now on, and those of before are not.
    pub fn require(&mut self, preconditions: Preconditions) {
        self.preconditions = preconditions;
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

    /// Whether that is still there elsewhere on which the request was decided.
    ///
    /// # Errors
    /// [`Kind::Changed`].
    pub(super) fn check_elsewhere(&self) -> Result<()> {
        self.preconditions.elsewhere.iter().try_for_each(|(path, before)| match self.seen(path)?.is_still(before) {
            true => Ok(()),
            false => Err(Error::new(Kind::Changed, format!("{path}: somebody changed it just now"))),
        })
    }
}
