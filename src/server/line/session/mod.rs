//! A logged-in session: received bytes to commands, through the gate, to the store, to replies. Blocking and without
//! sockets: the lane feeds it and sends what it writes.

mod files;
mod info;
mod own;
mod parts;
mod receive;
mod rights;
mod send;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use tracing::{Level, debug, enabled, info, warn};

pub use self::info::help_lines;
use self::parts::Incoming;
use self::receive::{Committing, Pending, Receiving};
use self::send::Sending;
use crate::auth::Principal;
use crate::error::{Error, Kind};
use crate::files::{FileMode, Hasher, RelPath, StagedId, Store};
use crate::limits;
use crate::machine::lane::{Machine, Outgoing, Step, Waiting};
use crate::machine::source::Source;
use crate::machine::turns::{self, Class};
use crate::proto::{BadLine, Command, HashOf, LineDecoder, ReplyWriter, Verb};
use crate::repeated;
use crate::server::desk::gate;
use crate::server::desk::registry::{Activity, Ticket};
use crate::server::door::current_users::CurrentUsers;
use crate::server::door::self_service::SelfService;
use crate::server::door::ties::Ties;
use crate::tls::Pin;

/// One user's session on one connection. It can only be made from a [`Principal`]: before login no file operation
/// can be expressed.
pub struct Session {
    principal: Principal,
    users: Arc<CurrentUsers>,
    /// The version of the users that `principal` is from.
    version: u64,
    /// The session has waited for its next command.
    rested: bool,
    store: Arc<dyn Store>,
    /// The most of a file's mode that may be taken over.
    most: FileMode,
    ticket: Arc<Ticket>,
    ties: Ties,
    self_service: SelfService,
    /// Present passwords that were wrong.
    login_failures: u32,
    /// Whose lines in the log these are.
    source: Source,
    /// ` pid=… session=…`, as every final reply carries them.
    ids: String,
    lines: LineDecoder,
    state: State,
    /// Uploads that are received and folders that are made, and wait to share their syncs.
    pending: Vec<Pending>,
    /// Those before them, on their way to the disk.
    committing: Option<Committing>,
    unknown_verbs: u32,
    /// Where a reply line is put together before it is copied out.
    scratch: Vec<u8>,
    /// The last download's hasher, for the next one.
    hasher: Option<Box<Hasher>>,
}

/// What the next bytes mean.
enum State {
    /// Commands.
    Commands,
    /// The frames of an upload.
    Receiving(Receiving),
    /// The frames of a part.
    Part(Incoming),
    /// Commands, but first there is something to finish sending.
    Sending(Sending),
}

/// One command on its way, for its log line.
struct Running {
    verb: Verb,
    path: Option<RelPath>,
    /// The staged upload it is about.
    staged: Option<StagedId>,
    since: Instant,
}

impl Session {
    /// A session of this principal, who is of this version of the users, over its own store, in which files may take
    /// over so much of their modes.
    pub fn new(
        principal: Principal,
        (users, version): (Arc<CurrentUsers>, u64),
        (store, most): (Arc<dyn Store>, FileMode),
        ticket: Arc<Ticket>,
        ties: Ties,
        self_service: SelfService,
    ) -> Self {
        let ids = format!(" pid={} session={}", std::process::id(), ticket.id());
        let source = Source::of(&principal, ticket.peer().ip());
        Session {
            principal,
            users,
            version,
            rested: true,
            store,
            most,
            ticket,
            ties,
            self_service,
            login_failures: 0,
            source,
            ids,
            lines: LineDecoder::new(limits::LINE_MAX),
            state: State::Commands,
            pending: Vec::new(),
            committing: None,
            unknown_verbs: 0,
            scratch: Vec::new(),
            hasher: None,
        }
    }

    /// Says that the login succeeded: the first final reply that carries the ids. It announces the key that the server
    /// will have next.
    pub fn welcome(&mut self, next: Option<Pin>) -> Vec<u8> {
        let mut line = Vec::new();
        let reply = ReplyWriter::new(&mut line, 230, "welcome");
        let reply = reply.field("user", self.principal.name()).field("access", self.principal.access());
        let reply = match next {
            None => reply,
            Some(next) => reply.field("next-pin", next),
        };
        reply.rendered(&self.ids).text(&format!("Welcome, {}. HELP lists the commands.", self.principal.name()));
        line
    }

    fn next_command(&mut self, input: &mut &[u8], out: &mut Outgoing) -> Step {
        let parsed = match self.lines.next(input) {
            Ok(None) => return Step::Starved,
            Ok(Some(line)) => Command::parse(line),
            Err(error) => return self.give_up(error, out),
        };
        self.look_at_users();
        if let Err(why) = self.keep_up(out) {
            return self.end(why, out);
        }
        match parsed {
            Ok(command) => self.run(command, out),
            Err(BadLine { verb: None, error }) => {
                self.unknown_verbs += 1;
                if self.unknown_verbs >= limits::UNKNOWN_VERBS_MAX {
                    return self.give_up(error, out);
                }
                self.commit_pending(out);
                self.refuse(&error, out);
                Step::Progress
            }
            Err(BadLine { verb: Some(verb), error }) => {
                self.commit_pending(out);
                let running = Running::new(verb, None);
                self.fail(running, &error, out);
                self.state = State::after_refused(verb);
                Step::Progress
            }
        }
    }

    fn run(&mut self, command: Command, out: &mut Outgoing) -> Step {
        let running = Running::new(command.verb(), command.path().cloned());
        self.ticket.set(Activity { verb: Some(running.verb), path: running.path.clone() });
        let allowed = gate::check(&self.principal, &command);
        // Uploads and new folders wait for one another's syncs; every other command sees all of them done.
        if !matches!((&command, &allowed), (Command::Upload(_) | Command::Mkdir { .. }, Ok(()))) {
            self.commit_pending(out);
        }
        if let Err(error) = allowed {
            self.state = State::after_refused(running.verb);
            self.fail(running, &error, out);
            return Step::Progress;
        }
        match command {
            Command::Upload(args) => self.begin_upload(args, running, out),
            Command::Download { path, offset, length, growing } => {
                self.begin_download(&path, (offset, length), growing, running, out);
            }
            Command::Hash { path, of: HashOf::Partial, .. } => self.hash_partial(&path, running, out),
            Command::Hash { path, length, of } => self.begin_hash(&path, length, of, running, out),
            Command::Accept(path) => self.begin_accept(&path, running, out),
            Command::Token { count } => self.tokens(count, running, out),
            Command::Passwd { present, new } => return self.change_password(present, new, running, out),
            Command::Stage(args) => self.stage(args, running, out),
            Command::Part { id, offset, length } => self.begin_part(id, (offset, length), running, out),
            Command::Commit { id, hash } => self.commit_staged(id, hash, running, out),
            Command::Discard(id) => self.discard(id, running, out),
            Command::List { path, recursive, rotten, mode } => {
                self.begin_list(path, recursive, (rotten, mode), running, out);
            }
            Command::Stat(path) => self.stat(&path, running, out),
            Command::Chmod { path, mode } => self.chmod(&path, mode, running, out),
            Command::Delete { path, recursive } => self.delete(&path, recursive, running, out),
            Command::Mkdir { path, parents } => self.make_dir(&path, parents, running, out),
            Command::Rename { from, to, replace } => self.rename(&from, &to, replace, running, out),
            Command::Help(verb) => self.help(verb, running, out),
            Command::Ping => self.done(running, 0, out, |r| ReplyWriter::new(r, 200, "pong"), "Here."),
            Command::Status => self.status(running, out),
            Command::Who => self.who(running, out),
            Command::Kick(whom) => self.kick(&whom, running, out),
            Command::Shutdown => self.shutdown(running, out),
            Command::Logout => {
                self.done(running, 0, out, |r| ReplyWriter::new(r, 221, "bye"), "Goodbye.");
                return Step::Close;
            }
            Command::User(_) | Command::Pass(_) | Command::Key { .. } | Command::Join(_) | Command::Redeem { .. } => {
                let text = "you are logged in already; LOGOUT first to log in as somebody else";
                self.fail(running, &Error::new(Kind::BadSequence, text), out);
            }
        }
        Step::Progress
    }

    /// Writes the final reply of a command that succeeded, with the ids, and logs it.
    fn done(
        &mut self,
        running: Running,
        bytes: u64,
        out: &mut Outgoing,
        head: impl for<'a> FnOnce(&'a mut Vec<u8>) -> ReplyWriter<'a>,
        text: &str,
    ) {
        self.done_as("done", running, bytes, out, head, text);
    }

    /// The same, with another word for the log.
    fn done_as(
        &mut self,
        outcome: &str,
        running: Running,
        bytes: u64,
        out: &mut Outgoing,
        head: impl for<'a> FnOnce(&'a mut Vec<u8>) -> ReplyWriter<'a>,
        text: &str,
    ) {
        self.log(&running, outcome, bytes);
        self.scratch.clear();
        head(&mut self.scratch).rendered(&self.ids).text(text);
        out.put(&self.scratch);
        self.ticket.count(bytes);
    }

    /// Writes the final reply of a command that failed, with the ids, and logs it.
    fn fail(&mut self, running: Running, error: &Error, out: &mut Outgoing) {
        self.log(&running, error.told_by_server().0.word(), 0);
        self.refuse(error, out);
    }

    fn refuse(&mut self, error: &Error, out: &mut Outgoing) {
        let (kind, text) = error.told_by_server();
        if matches!(kind, Kind::Io | Kind::Internal | Kind::NoSpace) {
            self.warn("failed", error);
        }
        self.scratch.clear();
        ReplyWriter::error(&mut self.scratch, kind).rendered(&self.ids).text(&text);
        out.put(&self.scratch);
    }

    /// The stream makes no sense from here on: one last reply, then the end.
    fn give_up(&mut self, error: Error, out: &mut Outgoing) -> Step {
        self.commit_pending(out);
        self.refuse(&error, out);
        if self.may_log() {
            info!(session = %self.ticket.id(), user = self.principal.name(), word = error.kind().word(), "closing");
        }
        Step::Close
    }

    fn log(&self, running: &Running, outcome: &str, bytes: u64) {
        // What neither changes nor shows a file would hide what does.
        let minor = matches!(running.verb, Verb::Ping | Verb::Status | Verb::Stat | Verb::Logout);
        let wanted = if minor { enabled!(Level::DEBUG) } else { enabled!(Level::INFO) };
        if !wanted || !self.may_log() {
            return;
        }
        let (user, verb) = (self.principal.name(), running.verb.name());
        let path = running.path.as_ref().map(RelPath::to_string);
        let staged = running.staged.as_ref().map(StagedId::to_string);
        let ms = u64::try_from(running.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        if minor {
            debug!(session = %self.ticket.id(), user, verb, path, staged, outcome, bytes, ms, "command");
        } else {
            info!(session = %self.ticket.id(), user, verb, path, staged, outcome, bytes, ms, "command");
        }
    }

    /// Warns of what is the server's own trouble: once a minute, however many meet it.
    fn warn(&self, what: &'static str, error: &Error) {
        if repeated::is_first(what, error) {
            warn!(session = %self.ticket.id(), %error, "{what}");
        }
    }

    /// Counts a line of the log; says whether it may be written.
    fn may_log(&self) -> bool {
        self.ticket.registry().log_shares().allows(&self.source)
    }
}

impl Machine for Session {
    fn step(&mut self, input: &mut &[u8], out: &mut Outgoing) -> Step {
        if let Err(why) = self.keep_up(out) {
            return self.end(why, out);
        }
        match std::mem::replace(&mut self.state, State::Commands) {
            State::Commands => self.next_command(input, out),
            State::Receiving(receiving) => self.receive(receiving, input, out),
            State::Part(incoming) => self.receive_part(incoming, input, out),
            State::Sending(sending) => self.send(sending, out),
        }
    }

    fn class(&self) -> Class {
        match &self.state {
            State::Sending(Sending::Hash(job) | Sending::Accept(job)) => job.class(),
            State::Sending(Sending::File(job)) if job.reads_again() => job.class(),
            State::Commands | State::Receiving(_) | State::Part(_) | State::Sending(_) => Class::Light,
        }
    }

    fn settle(&mut self, out: &mut Outgoing) {
        self.commit_pending(out);
        if self.waiting() == Waiting::Command {
            self.rested = true;
            self.ticket.set(Activity::default());
            self.store.forget_handles();
            self.lines.shrink();
            self.scratch = Vec::new();
            self.hasher = None;
        }
    }

    fn waiting(&self) -> Waiting {
        match &self.state {
            State::Commands if !self.lines.is_mid_line() => Waiting::Command,
            State::Receiving(receiving) if receiving.pauses => Waiting::Pause,
            State::Commands | State::Receiving(_) | State::Part(_) | State::Sending(_) => Waiting::More,
        }
    }

    fn dismiss(&mut self, why: Kind, out: &mut Outgoing) {
        self.refuse(&Error::new(why, farewell(why)), out);
    }

    fn hang_up(&mut self) {
        // What is kept is synced, and a commit that is under way is waited for.
        turns::aside(|| {
            // What is left of a part frees its range before the staged upload is put away.
            if let State::Receiving(receiving) = std::mem::replace(&mut self.state, State::Commands) {
                receiving.keep();
            }
            self.pending.clear();
            self.committing = None;
            self.ties.hang_up();
        });
    }
}

/// What a session that the server ends is told.
fn farewell(why: Kind) -> &'static str {
    match why {
        Kind::Stopping => "the server is stopping",
        Kind::TimedOut => "nothing came for too long",
        Kind::Revoked => "your account has changed since you logged in",
        Kind::Kicked => "an administrator has ended this session",
        _ => "the server ends this session",
    }
}

impl State {
    /// What comes after a refused command: the frames of one that brings data are dropped, so that the stream stays in
    /// step.
    fn after_refused(verb: Verb) -> State {
        match verb {
            Verb::Upload => State::Receiving(Receiving::dropping()),
            Verb::Part => State::Part(Incoming::dropping()),
            _ => State::Commands,
        }
    }
}

impl Running {
    fn new(verb: Verb, path: Option<RelPath>) -> Self {
        Running { verb, path, staged: None, since: Instant::now() }
    }

    /// It is about this staged upload to this path.
    fn about(&mut self, ticket: &Ticket, id: StagedId, path: RelPath) {
        ticket.set(Activity { verb: Some(self.verb), path: Some(path.clone()) });
        (self.staged, self.path) = (Some(id), Some(path));
    }

    /// The path it is about, for the log.
    fn shown(&self) -> Option<String> {
        self.path.as_ref().map(RelPath::to_string)
    }
}
