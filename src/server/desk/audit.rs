//! What is told of each operation: its line in the log, its event, what WHO shows, the bytes it moved.

use std::sync::Arc;
use std::time::Instant;

use async_std::task::{sleep, spawn};
use tracing::{Level, debug, enabled, info, warn};

use super::inbox::hidden;
use super::located_path::LocatedPath;
use super::log_burst::Telling;
use super::outcome::Outcome;
use super::registry::{Activity, Record, Ticket};
use super::running::Running;
use super::stand_in::Told;
use crate::auth::{LinkTo, Principal};
use crate::error::{Error, Kind, Result};
use crate::files::{Committed, Done, Hash, Partial, RelPath, Rot, StagedId, Stored};
use crate::limits;
use crate::machine::turns;
use crate::repeated_warnings;
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
    pub(super) fn about(&self, running: Running, id: StagedId, located: LocatedPath) -> Running {
        let mut running = running.of_staged(id).at(located);
        self.begin(&mut running);
        running
    }

    /// It succeeded.
    pub(super) fn done(&self, user: &Principal, mut running: Running, outcome: Outcome) -> Outcome {
        if let Outcome::Stored { committed, .. } = &outcome {
            running.fills_its_room(Partial { len: committed.size, hash: committed.hash });
        }
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

    /// It failed. What it has moved counts.
    pub(super) fn failed(&self, user: &Principal, mut running: Running, error: Error) -> Error {
        // Before it is told: whoever tries again at once finds the room.
        if let Some(room) = running.leaves_its_room() {
            turns::block_in_place(|| room.give_back_now());
        }
        let (kind, _) = error.told_by_server();
        self.over(user, &running, Err(kind), 0);
        self.own_trouble(&error);
        // Whoever puts files in by a link learns nothing of what is there.
        let is_hidden = user.link().is_some_and(|link| matches!(link.to, LinkTo::Inbox(_)));
        if is_hidden { hidden(error) } else { error }.noted()
    }

    /// Writes down what became of a change that was committed, and says as much of it as its user may know.
    pub(super) fn committed(&self, user: &Principal, running: Running, done: Result<Done>) -> Result<Outcome> {
        let outcome = done.map(|done| match done {
            Done::File(committed) => Outcome::Stored { committed, came: running.moved() },
            Done::Folder { made } => Outcome::FolderMade { made },
            Done::Restored => Outcome::Restored,
            Done::Mode(mode) => Outcome::ModeSet(Some(mode)),
        });
        let is_untold = running.is_untold();
        let ended = self.ended(user, running, outcome);
        if is_untold { ended.map(Outcome::untold) } else { ended }
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
        self.ticket.record().counters().rot.one();
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
        if repeated_warnings::is_first(what, error) {
            warn!(session = %self.ticket.id(), %error, "{what}");
        }
    }

    /// Counts a line of the log; says whether it may be written.
    pub fn may_log(&self) -> bool {
        self.ticket.record().may_log()
    }
}

/// Nobody has ended it: its client has left, or its session was ended.
pub(super) fn cut_off(record: &Arc<Record>, running: &Running) {
    let principal = record.principal();
    tell(record, (principal.name(), principal.home()), running, Err(record.why_over()), running.moved());
}

fn tell(record: &Arc<Record>, (user, home): (&str, &str), running: &Running, outcome: Result<Came, Kind>, bytes: u64) {
    let told = record.told_as(running.action(), running.path(), running.other_path());
    let (action, path, to) = match &told {
        None => (running.action(), running.path(), running.other_path()),
        Some(Told { action, path, to }) => (*action, path.as_ref(), to.as_ref()),
    };
    let [place, place_to] = running.places([path, to]);
    let operation = Operation {
        action,
        name: running.name(),
        path,
        to,
        place: place.as_deref(),
        place_to: place_to.as_deref(),
        home,
        about: running.subject(),
        outcome,
        bytes,
        gone: running.removed(),
        took: running.took(),
    };
    record.counters().operation(record.protocol(), action, outcome, bytes, operation.took);
    log(record, user, running, &operation);
    record.tell(Some(user), What::Operation(operation));
}

fn log(record: &Arc<Record>, user: &str, running: &Running, operation: &Operation<'_>) {
    let Operation { action, name: verb, outcome, bytes, took, .. } = *operation;
    let is_detail = action.is_minor() || action.is_step() && outcome.is_ok();
    let outcome = outcome.map_or_else(Kind::word, |came| came.word);
    let telling = match is_detail || !enabled!(Level::INFO) {
        true => Telling::Number,
        false => record.burst().note((running.name(), outcome), operation.path, bytes, Instant::now()),
    };
    if telling == Telling::FirstNumber {
        let record = Arc::downgrade(record);
        spawn(async move {
            sleep(limits::LOG_WINDOW).await;
            if let Some(record) = record.upgrade() {
                record.tell_of_flurry();
            }
        });
    }
    let level = if telling == Telling::Line { Level::INFO } else { Level::DEBUG };
    let wanted = if level == Level::INFO { enabled!(Level::INFO) } else { enabled!(Level::DEBUG) };
    if !wanted || !record.may_log() {
        return;
    }
    let (path, to) = (operation.path.map(RelPath::to_string), operation.to.map(RelPath::to_string));
    let staged = running.staged().map(StagedId::to_string);
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let session = record.id();
    if level == Level::INFO {
        info!(%session, user, verb, path, to, staged, outcome, bytes, ms, "command");
    } else {
        debug!(%session, user, verb, path, to, staged, outcome, bytes, ms, "command");
    }
}
