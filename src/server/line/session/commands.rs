//! Commands: a line to what it asks for, and to what comes next.

use tracing::info;

use super::asked::Asked;
use super::frames::{PartFrames, PutFrames};
use super::{Next, State, Talk};
use crate::error::{Error, Kind};
use crate::files::{Condition, Removed};
use crate::limits;
use crate::machine::lane::{Outgoing, Step};
use crate::proto::{BadLine, Command, ReplyWriter, Verb};
use crate::server::desk::inbox::NOTHING_ELSE;
use crate::server::desk::op::Op;
use crate::server::desk::outcome::Begun;
use crate::server::desk::running::Running;

impl Talk {
    pub(super) fn next_command(&mut self, input: &mut &[u8], out: &mut Outgoing) -> Next {
        let parsed = match self.lines.next(input) {
            Ok(None) => return (State::Commands, Step::Starved),
            Ok(Some(line)) => Command::parse(line),
            Err(error) => return self.give_up(error, out),
        };
        // What is no command may be a secret that was typed in the wrong place.
        self.took_secret = parsed.as_ref().map_or(true, Command::is_secret);
        self.desk.look_at_users();
        let (state, lives) = self.keep_up(State::Commands, out);
        if let Err(why) = lives {
            return self.end(state, why, out);
        }
        match parsed {
            Ok(command) => self.run(command, out),
            Err(BadLine { verb: None, error }) => {
                self.unknown_verbs += 1;
                if self.unknown_verbs >= limits::UNKNOWN_VERBS_MAX {
                    return self.give_up(error, out);
                }
                self.refuse(None, error, out);
                (State::Commands, Step::Progress)
            }
            Err(BadLine { verb: Some(verb), error }) => {
                self.refuse(Some(verb), error, out);
                (State::after_refused(verb), Step::Progress)
            }
        }
    }

    fn run(&mut self, command: Command, out: &mut Outgoing) -> Next {
        let verb = command.verb();
        self.progress = matches!(command, Command::Delete { progress: true, .. }).then(Removed::default);
        match Asked::from(command) {
            Asked::Files(op) if self.desk.inbox().is_some() => (self.bring(op, verb, out), Step::Progress),
            Asked::Files(op) => (self.begin(op, verb, out), Step::Progress),
            Asked::Session(session_request, command) => {
                let Talk { desk, replies, .. } = self;
                match desk.admit(session_request, verb.name(), &mut |_, result| replies.answer(&result, out)) {
                    Ok(running) => (State::Commands, self.converse(command, running, out)),
                    Err(error) => {
                        replies.refuse(&error, out);
                        (State::Commands, Step::Progress)
                    }
                }
            }
        }
    }

    /// An operation on files of somebody who came by a link that files are put in by: a new file, and nothing else. No condition is
    /// looked at, nor what an earlier attempt of anybody else left: the outcome would tell what is there.
    fn bring(&mut self, op: Op, verb: Verb, out: &mut Outgoing) -> State {
        let Talk { desk, replies, .. } = self;
        let earlier = &mut |_, result| replies.answer(&result, out);
        let begun = match op {
            Op::Put { path, spec, resume: None } if spec.condition == Condition::Any => {
                desk.begin_in_inbox(path.as_bytes(), spec, verb.name(), earlier)
            }
            Op::Put { path, spec, resume: Some(resume) } if spec.condition == Condition::Any => {
                match desk.go_on_in_inbox(path.as_bytes(), resume, verb.name(), earlier) {
                    Ok(begun) => begun,
                    Err(whole) => return State::Put(PutFrames::of_stored(whole)),
                }
            }
            Op::FindPartial(path) => desk.find_in_inbox(path.as_bytes(), verb.name(), earlier),
            _ => Begun::Done(Err(desk.refuse(Some(verb.name()), Error::new(Kind::Denied, NOTHING_ELSE), earlier))),
        };
        self.begun(begun, (verb, 0), out)
    }

    /// An operation on files.
    fn begin(&mut self, op: Op, verb: Verb, out: &mut Outgoing) -> State {
        let offset = if let Op::Read { offset, .. } = op { offset } else { 0 };
        let Talk { desk, replies, .. } = self;
        let begun = desk.begin(op, verb.name(), &mut |_, result| replies.answer(&result, out));
        self.begun(begun, (verb, offset), out)
    }

    /// What comes next of an operation that this verb asked for; `offset` is where in a file a download begins.
    fn begun(&mut self, begun: Begun, (verb, offset): (Verb, u64), out: &mut Outgoing) -> State {
        match begun {
            Begun::Waits(_) => State::Commands,
            Begun::Put(put) => State::Put(PutFrames::of(put)),
            Begun::Part(part) => State::Part(PartFrames::of(part)),
            Begun::Download(job) => self.begin_download(job, offset, out),
            Begun::List(job) => self.begin_list(job, out),
            Begun::Work(work) => self.begin_work(work, out),
            Begun::Done(result) => {
                self.replies.answer(&result, out);
                State::after_refused(verb)
            }
        }
    }

    /// What is no operation on files.
    fn converse(&mut self, command: Command, running: Running, out: &mut Outgoing) -> Step {
        match command {
            Command::Help(verb) => self.help(verb, running, out),
            Command::Ping => self.done(&running, |line| ReplyWriter::new(line, 200, "pong"), "Here.", out),
            Command::Status => self.status(running, out),
            Command::Token { count } => self.tokens(count, running, out),
            Command::Passwd { new, evidence } => return self.change_password(new, evidence, running, out),
            Command::Nonce => self.nonce(running, out),
            Command::Keys => self.keys(running, out),
            Command::Enrol { name, key, evidence } => return self.enrol(name, key, evidence, running, out),
            Command::Revoke { fingerprint, evidence } => return self.revoke(fingerprint, evidence, running, out),
            Command::Link(args) => self.link(*args, running, out),
            Command::Links => self.links(running, out),
            Command::Unlink(name) => self.unlink(&name, running, out),
            Command::Who => self.who(running, out),
            Command::Kick(whom) => self.kick(&whom, running, out),
            Command::Penalties => self.penalties(running, out),
            Command::Unban(address) => self.unban(address, running, out),
            Command::Reload => self.reload(running, out),
            Command::Shutdown => self.shutdown(running, out),
            Command::Logout => {
                self.done(&running, |line| ReplyWriter::new(line, 221, "bye"), "Goodbye.", out);
                return Step::Close;
            }
            _ => {
                let text = "you are logged in already; LOGOUT first to log in as somebody else";
                self.fail(running, Error::new(Kind::BadSequence, text), out);
            }
        }
        Step::Progress
    }

    /// Writes the final reply of a command that succeeded and concerned no file, and logs it.
    pub(super) fn done(
        &mut self,
        running: &Running,
        head: impl for<'a> FnOnce(&'a mut Vec<u8>) -> ReplyWriter<'a>,
        text: &str,
        out: &mut Outgoing,
    ) {
        self.desk.succeeded(running);
        self.replies.done(head, text, out);
    }

    /// Writes the final reply of a command that failed, and logs it.
    pub(super) fn fail(&mut self, running: Running, error: Error, out: &mut Outgoing) {
        let error = self.desk.failed(running, error);
        self.replies.refuse(&error, out);
    }

    /// Answers a line that is no command, after all that were.
    fn refuse(&mut self, verb: Option<Verb>, error: Error, out: &mut Outgoing) {
        let Talk { desk, replies, .. } = self;
        let error = desk.refuse(verb.map(Verb::name), error, &mut |_, result| replies.answer(&result, out));
        replies.refuse(&error, out);
    }

    /// The stream makes no sense from here on: one last reply, then the end.
    pub(super) fn give_up(&mut self, error: Error, out: &mut Outgoing) -> Next {
        let word = error.kind().word();
        self.refuse(None, error, out);
        if self.desk.audit().may_log() {
            let user = self.desk.principal().name();
            info!(session = %self.desk.ticket().id(), user, word, "closing");
        }
        (State::Commands, Step::Close)
    }
}
