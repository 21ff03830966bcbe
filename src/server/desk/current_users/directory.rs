//! Users that somebody else knows.

use std::time::Instant;

use super::{CurrentUsers, State, said_of_loss};
use crate::auth::UserDirectory;
use crate::limits;

/// How a directory was when it was asked last.
#[derive(Default)]
pub(super) struct Asked {
    /// Its version when it gave the users that are in force.
    version: u64,
    /// When it could not give those of another version, and of which.
    failed: Option<(u64, Instant)>,
}

impl Asked {
    /// It is about to give users.
    pub(super) fn of(directory: &dyn UserDirectory) -> Asked {
        Asked { version: directory.version(), failed: None }
    }

    /// Whether it is to be asked for the users of this version: not at every login again for what it could not give just now.
    fn is_due(&self, version: u64, now: Instant) -> bool {
        let is_failed = self
            .failed
            .is_some_and(|(failed, at)| failed == version && now.duration_since(at) < limits::USERS_FILE_RETRY);
        version != self.version && !is_failed
    }
}

impl CurrentUsers {
    /// Takes the users over if there are others.
    pub(super) fn ask(&self, directory: &dyn UserDirectory, state: &mut State, now: Instant) {
        // Before they are asked for: what changes meanwhile is seen the next time.
        let version = directory.version();
        if !state.asked.is_due(version, now) {
            return;
        }
        let users = directory.users().and_then(|users| self.check_reach(&users, "users").map(|()| users));
        match users {
            Ok(users) => {
                self.replace(state, users);
                tracing::info!(version, "the users have changed");
                if let Some((lost, of)) = state.lost {
                    tracing::warn!(lost, of, "{}", said_of_loss(lost, of));
                }
                state.asked = Asked { version, failed: None };
                state.trouble = None;
            }
            Err(error) => {
                state.asked.failed = Some((version, now));
                state.report(&error, None, now);
            }
        }
    }
}
