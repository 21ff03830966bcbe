//! Users that somebody else knows. A directory that takes its time is asked on a thread of its own, once at a time; everybody
//! else goes on with the users in force.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::{CurrentUsers, State, said_of_loss};
use crate::auth::{UserDirectory, Users};
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::machine::turns;
use crate::sync::{Condvar, Mutex, MutexGuard};

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

    /// Whether it could not give the users of this version before: nobody waits for that again.
    fn has_failed(&self, version: u64) -> bool {
        self.failed.is_some_and(|(failed, _)| failed == version)
    }
}

/// What a directory is asked. Locked for moments alone, and after the state of the users.
#[derive(Default)]
pub(super) struct Asking {
    stage: Mutex<Stage>,
    answered: Condvar,
}

#[derive(Default)]
enum Stage {
    /// Nobody asks.
    #[default]
    Idle,
    /// Somebody does, since then.
    Asked(Instant),
    /// It has answered: when this was its version, this.
    Answered(u64, Box<Result<Users>>),
}

impl Asking {
    /// Asks for the users of this version or a later one, if nobody does.
    ///
    /// # Errors
    /// That there is no thread to be had.
    fn begin(self: &Arc<Self>, directory: &Arc<dyn UserDirectory>, version: u64) -> Result<()> {
        let mut stage = self.stage.lock();
        if !matches!(*stage, Stage::Idle) {
            return Ok(());
        }
        let (asking, directory) = (self.clone(), directory.clone());
        let ask = move || {
            // The version before the users: what changes meanwhile is seen the next time. A panic would leave it asked for good.
            let answer = catch_unwind(AssertUnwindSafe(|| (directory.version(), directory.users())));
            let panicked = || (version, Err(Error::new(Kind::Internal, "the directory of users panicked")));
            let (version, users) = answer.unwrap_or_else(|_| panicked());
            *asking.stage.lock() = Stage::Answered(version, Box::new(users));
            asking.answered.notify_all();
        };
        let failed = |err| Error::file("a thread to ask for the users", err);
        std::thread::Builder::new().name("users asked".into()).spawn(ask).map_err(failed)?;
        *stage = Stage::Asked(Instant::now());
        Ok(())
    }

    /// What it has answered, once.
    fn take(&self) -> Option<(u64, Result<Users>)> {
        let mut stage = self.stage.lock();
        match std::mem::take(&mut *stage) {
            Stage::Answered(version, users) => Some((version, *users)),
            other => {
                *stage = other;
                None
            }
        }
    }

    /// Waits for an answer, and says whether nobody asks any more.
    fn wait(&self) -> bool {
        let stage = self.stage.lock();
        let Stage::Asked(since) = *stage else { return true };
        let left = limits::USERS_DIRECTORY_WAIT.saturating_sub(since.elapsed());
        if left.is_zero() {
            return false;
        }
        drop(stage);
        turns::block_in_place(|| {
            let is_asked = |stage: &mut Stage| matches!(stage, Stage::Asked(_));
            let (_stage, waited) = self.answered.wait_timeout_while(self.stage.lock(), left, is_asked);
            !waited.timed_out()
        })
    }
}

impl CurrentUsers {
    /// Takes the users over if there are others, and it gives them in time.
    pub(super) fn ask(
        &self,
        directory: &Arc<dyn UserDirectory>,
        asking: &Arc<Asking>,
        now: Instant,
    ) -> MutexGuard<'_, State> {
        let begun = Instant::now();
        loop {
            let version = directory.version();
            let mut state = self.lock();
            if let Some((version, users)) = asking.take() {
                self.answered(&mut state, version, users, now);
            }
            if version == state.asked.version {
                // It may have taken back what it could not give.
                state.asked.failed = None;
                state.trouble = None;
            }
            if !state.asked.is_due(version, now) {
                return state;
            }
            if let Err(error) = asking.begin(directory, version) {
                state.asked.failed = Some((version, now));
                state.report(&error, None, now);
                return state;
            }
            if state.asked.has_failed(version) {
                return state;
            }
            drop(state);
            // What was asked for before the last change is no answer yet.
            if !asking.wait() || begun.elapsed() >= limits::USERS_DIRECTORY_WAIT {
                let mut state = self.lock();
                let late = Error::new(Kind::TimedOut, "users: the directory has not given those of now yet");
                state.report(&late, None, now);
                return state;
            }
        }
    }

    fn answered(&self, state: &mut State, version: u64, users: Result<Users>, now: Instant) {
        match users.and_then(|users| self.check_reach(&users, "users").map(|()| users)) {
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
