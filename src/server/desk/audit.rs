//! What is written down of each operation: its line in the log, what WHO shows, the bytes it moved.

use std::sync::Arc;
use std::time::Instant;

use tracing::{Level, debug, enabled, info, warn};

use super::gate::{self, Need};
use super::locks::LockToken;
use super::matter::Matter;
use super::op::Op;
use super::outcome::Outcome;
use super::registry::{Activity, Ticket};
use super::spot::Spot;
use crate::auth::{Access, Grants, Principal};
use crate::error::{Error, Kind, Result};
use crate::files::{Hash, RelPath, Rot, StagedId};
use crate::machine::source::Source;
use crate::repeated;

/// One operation on its way, for its log line. Whoever has one ends it with [`Audit::done`] or [`Audit::failed`].
#[derive(Debug)]
pub struct Running {
    /// What its protocol calls it.
    name: &'static str,
    path: Option<Spot>,
    /// Where what it makes is, if that is another path.
    to: Option<Spot>,
    /// The staged upload it is about.
    staged: Option<StagedId>,
    /// The rights that it took at its path.
    rights: Access,
    /// Those that it took at the other one.
    rights_there: Access,
    /// The locks that were presented for it.
    presented: Vec<LockToken>,
    minor: bool,
    since: Instant,
}

impl Running {
    /// Of what concerns no files.
    pub(super) fn of(matter: Matter, name: &'static str) -> Self {
        Running { minor: matter == Matter::Talk, ..Running::bare(name) }
    }

    /// Of an operation that its protocol calls so.
    pub(super) fn new(op: &Op, name: &'static str, grants: &Grants) -> Self {
        let (rights, rights_there) = match gate::need(op) {
            Need::Rights(demands) => (demands.at.rights, demands.to.map_or(Access::NONE, |to| to.rights)),
            Need::Login | Need::OwnPassword | Need::OwnKeys | Need::Administrator => (Access::NONE, Access::NONE),
        };
        let path = op.path().map(|path| Spot::new(path.clone(), grants));
        Running { path, rights, rights_there, minor: op.is_minor(), ..Running::bare(name) }
    }

    /// Of what is no operation, for it was not understood.
    pub(super) fn bare(name: &'static str) -> Self {
        Running {
            name,
            path: None,
            to: None,
            staged: None,
            rights: Access::NONE,
            rights_there: Access::NONE,
            presented: Vec::new(),
            minor: false,
            since: Instant::now(),
        }
    }

    /// What its protocol calls it.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it may go on for this principal.
    ///
    /// # Errors
    /// As [`gate::check_spot`].
    pub(super) fn check(&self, principal: &Principal) -> Result<()> {
        for (rights, spot) in [(self.rights, &self.path), (self.rights_there, &self.to)] {
            if let Some(spot) = spot {
                gate::check_spot(principal, rights, spot, self.name)?;
            }
        }
        Ok(())
    }

    /// Its path.
    pub(super) fn path(&self) -> Option<&RelPath> {
        self.path.as_ref().map(|spot| &spot.path)
    }

    /// The locks that were presented for it.
    pub(super) fn presented(&self) -> &[LockToken] {
        &self.presented
    }

    /// These locks are presented for it.
    pub(super) fn presenting(self, presented: Vec<LockToken>) -> Self {
        Running { presented, ..self }
    }

    /// What it makes is at this path.
    pub(super) fn to(self, spot: Spot) -> Self {
        Running { to: Some(spot), ..self }
    }

    /// The path of the file that it makes or changes.
    pub(super) fn target(&self) -> Option<&RelPath> {
        self.to.as_ref().or(self.path.as_ref()).map(|spot| &spot.path)
    }

    /// It is about this staged upload.
    pub(super) fn of_staged(self, id: StagedId) -> Self {
        Running { staged: Some(id), ..self }
    }

    fn paths(&self) -> (Option<&RelPath>, Option<&RelPath>) {
        (self.path(), self.to.as_ref().map(|spot| &spot.path))
    }

    fn shown_path(&self) -> Option<String> {
        self.path().map(RelPath::to_string)
    }
}

/// Writes it down for one session.
pub struct Audit {
    ticket: Arc<Ticket>,
    /// Whose lines in the log these are.
    source: Source,
}

impl Audit {
    /// For the session of this ticket and source.
    pub(super) fn new(ticket: Arc<Ticket>, source: Source) -> Self {
        Audit { ticket, source }
    }

    /// The session's entry in the registry.
    pub fn ticket(&self) -> &Arc<Ticket> {
        &self.ticket
    }

    /// The session does this now.
    pub(super) fn begin(&self, running: &Running) {
        self.ticket.set(Activity { name: Some(running.name), path: running.path().cloned() });
    }

    /// The session does nothing.
    pub(super) fn rest(&self) {
        self.ticket.set(Activity::default());
    }

    /// It is about this staged upload to this spot.
    pub(super) fn about(&self, running: Running, id: StagedId, spot: Spot) -> Running {
        let running = Running { path: Some(spot), ..running.of_staged(id) };
        self.begin(&running);
        running
    }

    /// It succeeded.
    pub(super) fn done(&self, user: &Principal, running: Running, outcome: Outcome) -> Outcome {
        self.succeeded(user, &running, outcome.word(), outcome.bytes());
        outcome
    }

    /// It succeeded with this word, and moved so many bytes of files.
    pub(super) fn succeeded(&self, user: &Principal, running: &Running, word: &str, bytes: u64) {
        self.log(user, running, word, bytes);
        self.ticket.count(bytes);
        self.ticket.tell(user, running.name, running.paths(), Ok(bytes));
    }

    /// It failed.
    pub(super) fn failed(&self, user: &Principal, running: Running, error: Error) -> Error {
        self.broke_off(user, running, error, 0)
    }

    /// It failed after so many bytes of files had moved.
    pub(super) fn broke_off(&self, user: &Principal, running: Running, error: Error, bytes: u64) -> Error {
        let (kind, _) = error.told_by_server();
        self.log(user, &running, kind.word(), bytes);
        self.ticket.count(bytes);
        self.ticket.tell(user, running.name, running.paths(), Err(kind));
        self.own_trouble(&error);
        error
    }

    /// Either.
    pub(super) fn ended(&self, user: &Principal, running: Running, result: Result<Outcome>) -> Result<Outcome> {
        match result {
            Ok(outcome) => Ok(self.done(user, running, outcome)),
            Err(error) => Err(self.failed(user, running, error)),
        }
    }

    fn log(&self, user: &Principal, running: &Running, outcome: &str, bytes: u64) {
        let wanted = if running.minor { enabled!(Level::DEBUG) } else { enabled!(Level::INFO) };
        if !wanted || !self.may_log() {
            return;
        }
        let (user, verb, path) = (user.name(), running.name, running.shown_path());
        let to = running.to.as_ref().map(|spot| spot.path.to_string());
        let staged = running.staged.as_ref().map(StagedId::to_string);
        let ms = u64::try_from(running.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        if running.minor {
            debug!(session = %self.ticket.id(), user, verb, path, to, staged, outcome, bytes, ms, "command");
        } else {
            info!(session = %self.ticket.id(), user, verb, path, to, staged, outcome, bytes, ms, "command");
        }
    }

    /// These bytes count as right from now on.
    pub(super) fn accepted(&self, running: &Running, hash: Hash) {
        if self.may_log() {
            info!(session = %self.ticket.id(), path = running.shown_path(), %hash, "accepted");
        }
    }

    /// A reading has contradicted what was recorded.
    pub(super) fn found_rotten(&self, user: &Principal, running: &Running, Rot { recorded, found }: &Rot) {
        let (user, path) = (user.name(), running.shown_path());
        warn!(session = %self.ticket.id(), user, path, %recorded, %found, "bit rot");
    }

    /// Warns of an error that is the server's own trouble, and of no other.
    pub fn own_trouble(&self, error: &Error) {
        if matches!(error.told_by_server().0, Kind::Io | Kind::Internal | Kind::NoSpace) {
            self.warn("failed", error);
        }
    }

    /// Warns of what is the server's own trouble: once a minute, however many meet it.
    pub(super) fn warn(&self, what: &'static str, error: &Error) {
        if repeated::is_first(what, error) {
            warn!(session = %self.ticket.id(), %error, "{what}");
        }
    }

    /// Counts a line of the log; says whether it may be written.
    pub fn may_log(&self) -> bool {
        self.ticket.registry().log_shares().allows(&self.source)
    }
}
