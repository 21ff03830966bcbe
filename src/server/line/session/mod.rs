//! A logged-in session: received bytes to commands, to operations for the desk, and what came of them to replies. Blocking and
//! without sockets: the lane feeds it and sends what it writes.

mod admin;
mod answer;
pub mod asked;
mod commands;
mod frames;
mod info;
mod link;
mod own;
mod rights;
mod send;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::answer::Replies;
use self::frames::{PartFrames, PutFrames};
pub use self::info::help_lines;
use crate::auth::{InboxBounds, LinkTo, Principal};
use crate::error::{Error, Kind};
use crate::files::{FileMode, Removed};
use crate::keys::Nonce;
use crate::limits;
use crate::machine::lane::{Machine, Outgoing, Step, Waiting};
use crate::machine::turns::Class;
use crate::proto::{LineDecoder, ReplyWriter, Verb};
use crate::secret::Secret;
use crate::server::desk::Desk;
use crate::server::desk::current_users::CurrentUsers;
use crate::server::desk::downloads::{Counted, Downloads};
use crate::server::desk::jobs::download::Download;
use crate::server::desk::jobs::listing::ListJob;
use crate::server::desk::jobs::work::Work;
use crate::server::desk::registry::Ticket;
use crate::server::desk::session_resources::SessionResources;
use crate::server::desk::session_store::SessionStore;
use crate::server::door::self_service::SelfService;
use crate::server::tenure::Tenure;
use crate::store::NodeName;
use crate::tls::Pin;

/// One user's session on one connection. It can only be made from a [`Principal`]: before login no file operation
/// can be expressed.
pub struct Session {
    state: State,
    talk: Talk,
}

/// What the next bytes mean.
///
/// A step consumes it and says which comes next: one that was forgotten would read a file's bytes as commands.
#[derive(Default)]
enum State {
    /// Commands.
    #[default]
    Commands,
    /// The frames of an upload.
    Put(PutFrames),
    /// The frames of a part.
    Part(PartFrames),
    /// Commands, but first there is the rest of a file to send.
    Download(Download),
    /// Commands, but first there is the rest of a listing to send.
    List(ListJob),
    /// Commands, but first there is an answer that takes more work.
    /// Boxed, as it is larger than the others, and a session that idles has room for the largest.
    Work(Box<Work>),
}

/// What a step leaves: what the next bytes mean, and whether there is a next step.
type Next = (State, Step);

/// All of a session but what it is in the middle of.
struct Talk {
    desk: Desk,
    self_service: SelfService,
    /// The place of the one that is being sent.
    counted: Option<Counted>,
    /// What keeps the server from leaving its folders to the next one: none in a session of its own.
    tenure: Option<Tenure>,
    /// Commands since the server was told to stop.
    late_commands: u32,
    lines: LineDecoder,
    replies: Replies,
    unknown_verbs: u32,
    /// How far the removal is whose client wants to know that, as it was told last.
    progress: Option<Removed>,
    /// What the next signature of a key must be over, if the client has asked for one.
    nonce: Option<Nonce>,
    /// Present passwords and proofs that were wrong.
    login_failures: u32,
    /// The last step read a line that holds a secret, or may do so.
    took_secret: bool,
}

impl Session {
    /// A session of this principal, who is of this version of the users, over its own store, in which files may take
    /// over so much of their modes.
    pub fn new(
        principal: Principal,
        users: (Arc<CurrentUsers>, u64),
        session_store: (SessionStore, FileMode),
        ticket: Arc<Ticket>,
        resources: SessionResources,
        self_service: SelfService,
    ) -> Self {
        let replies = Replies::new(format!(" pid={} session={}", std::process::id(), ticket.id()));
        let talk = Talk {
            desk: Desk::new(principal, users, session_store, ticket, resources),
            self_service,
            counted: None,
            tenure: None,
            late_commands: 0,
            lines: LineDecoder::new(limits::LINE_MAX),
            replies,
            unknown_verbs: 0,
            progress: None,
            nonce: None,
            login_failures: 0,
            took_secret: false,
        };
        Session { state: State::Commands, talk }
    }

    /// This session, whose downloads are counted there if its user came by a link that allows so many.
    pub fn counting(mut self, downloads: Arc<Downloads>) -> Session {
        self.talk.desk = self.talk.desk.counting(downloads);
        self
    }

    /// This session of a connection with this, which is given up when the server stops and all that is left is to send a file.
    pub fn with(mut self, tenure: Tenure) -> Session {
        self.talk.tenure = Some(tenure);
        self
    }

    /// This session, of somebody who came by a link and whose uploads are told from those of others by this, if they said so.
    pub fn of_sender(mut self, known: Option<Secret>) -> Session {
        if let Some(known) = known.filter(|_| self.talk.desk.inbox().is_some()) {
            self.talk.desk = self.talk.desk.of_sender(&known);
        }
        self
    }

    /// Says that the login succeeded: the first final reply that carries the ids. It announces the key that the server
    /// will have next.
    pub fn welcome(&mut self, next: Option<Pin>) -> Vec<u8> {
        let principal = self.talk.desk.principal();
        let mut line = Vec::new();
        let reply = ReplyWriter::new(&mut line, 230, "welcome");
        let called = self.talk.called();
        let reply = reply.field("user", called).field("access", principal.access());
        let reply = match principal.link() {
            None => reply,
            Some(link) => match link.to {
                // What the folder is called is nobody's to know who puts files in.
                LinkTo::Inbox(InboxBounds { bytes, files }) => {
                    let reply = reply.field("kind", link.to.word()).field("name", link.to.word());
                    reply.field("size", bytes).field("files", files)
                }
                LinkTo::File | LinkTo::Folder => {
                    let name = link.path.file_name().unwrap_or(b"files");
                    reply.field("kind", link.to.word()).bytes("name", name)
                }
            },
        };
        let reply = match principal.key() {
            None => reply,
            Some(key) => reply.field("key", key.fingerprint()),
        };
        let reply = match self.talk.node() {
            None => reply,
            Some(node) => reply.field("node", node),
        };
        let reply = match next {
            None => reply,
            Some(next) => reply.field("next-pin", next),
        };
        // Of what comes by a link each sender knows by a secret of its own.
        let reply = match principal.link().is_some() || self.talk.desk.keeps_uploads() {
            true => reply,
            false => reply.field("resumes", "no"),
        };
        let text = format!("Welcome, {called}. HELP lists the commands.");
        reply.rendered(self.talk.replies.ids()).text(&text);
        line
    }
}

impl Machine for Session {
    fn step(&mut self, input: &mut &[u8], out: &mut Outgoing) -> Step {
        let (next, step) = self.talk.step(std::mem::take(&mut self.state), input, out);
        self.state = next;
        step
    }

    fn class(&self) -> Class {
        match &self.state {
            State::Commands | State::Put(_) | State::Part(_) | State::List(_) => Class::Light,
            State::Download(job) => job.class(),
            State::Work(work) => work.class(),
        }
    }

    fn settle(&mut self, out: &mut Outgoing) {
        self.talk.commit(out);
        if self.waiting() == Waiting::Command {
            self.talk.rest();
        }
    }

    fn took_secret(&self) -> bool {
        // Of a line that is not whole yet nobody knows.
        self.talk.took_secret || self.talk.lines.is_mid_line()
    }

    fn waiting(&self) -> Waiting {
        match &self.state {
            // The rest of a line is not waited for by a server that stops.
            State::Commands if !self.talk.lines.is_mid_line() || self.talk.is_stopping() => Waiting::Command,
            State::Put(frames) if frames.pauses() => Waiting::Pause,
            State::Commands | State::Put(_) | State::Part(_) | State::Download(_) | State::List(_) | State::Work(_) => {
                Waiting::More
            }
        }
    }

    fn dismiss(&mut self, why: Kind, out: &mut Outgoing) {
        let error = self.talk.is_ending(why);
        match self.state {
            State::Commands => self.talk.replies.farewell(&error, out),
            State::Put(_) | State::Part(_) | State::Download(_) | State::List(_) | State::Work(_) => {
                self.talk.replies.refuse(&error, out);
            }
        }
    }

    fn hang_up(&mut self) {
        let put = match std::mem::take(&mut self.state) {
            State::Put(frames) => frames.into_put(),
            State::Work(work) => self.talk.desk.put_of(*work),
            // What is left of a part frees its range before the staged upload is put away.
            State::Commands | State::Part(_) | State::Download(_) | State::List(_) => None,
        };
        self.talk.desk.hang_up(put);
    }
}

impl Talk {
    /// What its user is called where they are told. Whose a link is is nobody's to know who has it.
    fn called(&self) -> &str {
        let principal = self.desk.principal();
        if principal.link().is_some() { "link" } else { principal.name() }
    }

    /// What this server is called among several: for those who have a login here, not for whoever has a link.
    fn node(&self) -> Option<NodeName> {
        let node = self.desk.ticket().registry().kept_in().node().cloned();
        node.filter(|_| self.desk.principal().link().is_none())
    }

    /// One command, or one bounded piece of what was begun.
    fn step(&mut self, state: State, input: &mut &[u8], out: &mut Outgoing) -> Next {
        self.took_secret = false;
        if !matches!(state, State::Download(_)) {
            self.counted = None;
        }
        let (state, lives) = self.keep_up(state, out);
        if let Err(why) = lives {
            return self.end(state, why, out);
        }
        if self.is_stopping() {
            match &state {
                State::Commands if !self.takes_one_more() => {
                    self.commit(out);
                    let error = self.is_ending(Kind::Stopping);
                    self.replies.farewell(&error, out);
                    return (state, Step::Close);
                }
                State::Download(_) => self.give_up_tenure(out),
                State::Commands | State::Put(_) | State::Part(_) | State::List(_) | State::Work(_) => {}
            }
        }
        match state {
            State::Commands => self.next_command(input, out),
            State::Put(frames) => self.receive(frames, input, out),
            State::Part(frames) => self.receive_part(frames, input, out),
            State::Download(job) => (self.send_file(job, out), Step::Progress),
            State::List(job) => (self.send_list(job, out), Step::Progress),
            State::Work(work) => (self.work(*work, out), Step::Progress),
        }
    }

    fn is_stopping(&self) -> bool {
        self.desk.ticket().registry().is_stopping()
    }

    /// The session ends for this reason: what its client is told.
    fn is_ending(&self, why: Kind) -> Error {
        let error = Error::new(why, farewell(why, self.desk.principal().link().is_some()));
        self.desk.ticket().is_ending(why);
        self.desk.audit().own_trouble(&error);
        error
    }

    /// Counts a command that comes though the server stops, and says whether it is carried out: it may have been sent before the client could
    /// know of that, but no more than so many are, and none once the next server may have the folders.
    fn takes_one_more(&mut self) -> bool {
        self.late_commands += 1;
        self.late_commands <= limits::COMMANDS_AFTER_STOP && !self.tenure.as_ref().is_some_and(Tenure::is_given_up)
    }

    /// All that is left is to send a file, which is open: that keeps no other server from its folders, unless it is counted when it is
    /// over, or an upload has been staged that is to be put away then.
    fn give_up_tenure(&mut self, out: &mut Outgoing) {
        let Some(tenure) = self.tenure.clone().filter(|tenure| !tenure.is_given_up()) else { return };
        if self.counted.is_none() && !self.desk.resources().has_staged() {
            self.commit(out);
            tenure.give_up();
        }
    }

    /// Commits what waits for it, and answers it.
    fn commit(&mut self, out: &mut Outgoing) {
        let Talk { desk, replies, .. } = self;
        desk.commit(&mut |_, result| replies.answer(&result, out));
    }

    fn rest(&mut self) {
        self.desk.rest();
        self.lines.shrink();
        self.replies.shrink();
    }
}

impl State {
    /// What comes after a refused command: the frames of one that brings data are dropped, so that the stream stays in
    /// step.
    fn after_refused(verb: Verb) -> State {
        match verb {
            Verb::Upload => State::Put(PutFrames::dropping()),
            Verb::Part => State::Part(PartFrames::dropping()),
            _ => State::Commands,
        }
    }
}

/// What a session that the server ends is told.
fn farewell(why: Kind, is_by_link: bool) -> &'static str {
    match why {
        Kind::Stopping => "the server is stopping",
        Kind::TimedOut => "nothing came for too long",
        // Whoever comes by a link has no account.
        Kind::Revoked if is_by_link => "this link gives nothing any more, or something else",
        Kind::Revoked => "your account has changed since you logged in",
        Kind::Kicked => "an administrator has ended this session",
        _ => "the server ends this session",
    }
}
