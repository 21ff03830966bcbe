//! What is told of each operation: its line in the log, its event, what WHO shows, the bytes it moved.

use std::sync::Arc;

use tracing::{Level, debug, enabled, info, warn};

use super::outcome::Outcome;
use super::registry::{Activity, Record, Ticket};
use super::running::Running;
use super::spot::Spot;
use crate::auth::Principal;
use crate::error::{Error, Kind, Result};
use crate::files::{Committed, Hash, RelPath, Rot, StagedId, Stored};
use crate::repeated;
use crate::server::events::{Came, Operation, What};

/// Tells of them for one session.
pub struct Audit {
    ticket: Arc<Ticket>,
}

impl Audit {
    /// For the session of this ticket.
    pub(super) fn new(ticket: Arc<Ticket>) -> Self {
        Audit { ticket }
    }

    /// The session's entry in the registry.
    pub fn ticket(&self) -> &Arc<Ticket> {
        &self.ticket
    }

    /// The session does this now.
    pub(super) fn begin(&self, running: &mut Running) {
        running.told_by(self.ticket.record());
        self.ticket.set(Activity { name: Some(running.name()), path: running.path().cloned() });
    }

    /// The session does nothing.
    pub(super) fn rest(&self) {
        self.ticket.set(Activity::default());
    }

    /// It is about this staged upload to this spot.
    pub(super) fn about(&self, running: Running, id: StagedId, spot: Spot) -> Running {
        let mut running = running.of_staged(id).at(spot);
        self.begin(&mut running);
        running
    }

    /// It succeeded.
    pub(super) fn done(&self, user: &Principal, running: Running, outcome: Outcome) -> Outcome {
        let running = match &outcome {
            Outcome::Stored { committed: Committed { stored: Stored::Numbered(number), .. }, .. } => {
                running.numbered(*number)
            }
            _ => running,
        };
        self.succeeded(user, &running, outcome.came(), outcome.bytes());
        outcome
    }

    /// It succeeded, came to this, and moved so many bytes of files.
    pub(super) fn succeeded(&self, user: &Principal, running: &Running, came: Came, bytes: u64) {
        self.over(user, running, Ok(came), bytes);
    }

    /// It failed.
    pub(super) fn failed(&self, user: &Principal, running: Running, error: Error) -> Error {
        self.broke_off(user, running, error, 0)
    }

    /// It failed after so many bytes of files had moved.
    pub(super) fn broke_off(&self, user: &Principal, running: Running, error: Error, bytes: u64) -> Error {
        let (kind, _) = error.told_by_server();
        self.over(user, &running, Err(kind), bytes);
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

    fn over(&self, user: &Principal, running: &Running, outcome: Result<Came, Kind>, bytes: u64) {
        running.over();
        let record = self.ticket.record();
        // What moved is counted on the way; of what no part was counted, all is now.
        record.count(bytes.saturating_sub(running.moved()));
        tell(record, (user.name(), user.home()), running, outcome, bytes.max(running.moved()));
    }

    /// These bytes count as right from now on.
    pub(super) fn accepted(&self, running: &Running, hash: Hash) {
        if self.may_log() {
            let path = running.path().map(RelPath::to_string);
            info!(session = %self.ticket.id(), path, %hash, "accepted");
        }
    }

    /// A reading has contradicted what was recorded.
    pub(super) fn found_rotten(&self, user: &Principal, running: &Running, Rot { recorded, found }: &Rot) {
        let path = running.path().map(RelPath::to_string);
        warn!(session = %self.ticket.id(), user = user.name(), path, %recorded, %found, "bit rot");
        let what = What::Rotten { path: running.path(), recorded: *recorded, found: *found };
        self.ticket.record().tell(Some(user.name()), what);
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
        self.ticket.record().may_log()
    }
}

/// Nobody has ended it: its client has left, or its session was ended.
pub(super) fn cut_off(record: &Record, running: &Running) {
    let principal = record.principal();
    tell(record, (principal.name(), principal.home()), running, Err(record.why_over()), running.moved());
}

fn tell(record: &Record, (user, home): (&str, &str), running: &Running, outcome: Result<Came, Kind>, bytes: u64) {
    let operation = Operation {
        action: running.action(),
        name: running.name(),
        path: running.path(),
        to: running.other_path(),
        home,
        about: running.subject(),
        outcome,
        bytes,
        took: running.took(),
    };
    log(record, user, running, &operation);
    record.tell(Some(user), What::Operation(operation));
}

fn log(record: &Record, user: &str, running: &Running, operation: &Operation<'_>) {
    let minor = operation.action.is_minor();
    let wanted = if minor { enabled!(Level::DEBUG) } else { enabled!(Level::INFO) };
    if !wanted || !record.may_log() {
        return;
    }
    let Operation { name: verb, outcome, bytes, took, .. } = operation;
    let (path, to) = (operation.path.map(RelPath::to_string), operation.to.map(RelPath::to_string));
    let staged = running.staged().map(StagedId::to_string);
    let outcome = outcome.map_or_else(Kind::word, |came| came.word);
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let session = record.id();
    if minor {
        debug!(%session, user, verb, path, to, staged, outcome, bytes, ms, "command");
    } else {
        info!(%session, user, verb, path, to, staged, outcome, bytes, ms, "command");
    }
}
