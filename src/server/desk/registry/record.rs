//! What is known of one session, and the ticket that keeps it in the registry.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::SystemTime;

use async_std::channel::Sender;
use futures::future::poll_fn;
use futures::task::AtomicWaker;
use tracing::info;

use super::super::action::Action;
use super::super::log_burst::{Alike, LogBurst};
use super::super::stand_in::{StandIn, Told};
use super::Registry;
use crate::auth::Principal;
use crate::error::{Kind, Result};
use crate::files::{Mtime, RelPath};
use crate::machine::source::Source;
use crate::machine::throttle::Throttle;
use crate::random;
use crate::server::events::{Credential, Event, Protocol, What};
use crate::server::metrics::counters::Counters;
use crate::sync::{Mutex, MutexGuard};

/// The id of a session: 64 random bits, 16 hexadecimal digits. Not a secret, only hard to guess.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SessionId(u64);

impl SessionId {
    /// One that nobody else has.
    ///
    /// # Errors
    /// [`Kind::Internal`] if the system has no random numbers.
    pub fn fresh() -> Result<Self> {
        let id = random::number()?;
        Ok(SessionId(id))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What is known of a session. An operation that outlives its session still has it, to be told of.
#[derive(Debug)]
pub struct Record {
    id: SessionId,
    registry: Arc<Registry>,
    /// With whom its work and its lines in the log are counted.
    source: Source,
    /// Another one when the session's own user changes the password over it.
    pub(super) principal: Mutex<Principal>,
    /// How fast its bytes move, with those of all sessions of its user.
    throttle: Arc<Throttle>,
    pub(super) peer: SocketAddr,
    pub(super) way: Way,
    since: SystemTime,
    bytes: AtomicU64,
    activity: Mutex<Activity>,
    /// Those of its operations that the log tells of in numbers.
    burst: Mutex<LogBurst>,
    /// What it makes beside its place.
    stand_ins: Mutex<Vec<StandIn>>,
    /// Why the session has to end.
    pub(super) ended: OnceLock<Kind>,
    /// Its connection, which waits for that.
    connection: AtomicWaker,
}

/// How a session came about: by that it counts in [`crate::auth::Grants::max_sessions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By a login: it counts by itself.
    Login,
    /// By a token of that session, with which it counts.
    Token(SessionId),
    /// By a request of a browser or the like, which take several connections at a time: those from one address count once.
    Request,
}

impl Way {
    /// By what its client talks.
    pub const fn protocol(self) -> Protocol {
        match self {
            Way::Login | Way::Token(_) => Protocol::Sealift,
            Way::Request => Protocol::Http,
        }
    }

    /// What the login of this principal rested on.
    pub(super) fn credential(self, principal: &Principal) -> Credential {
        match self {
            Way::Token(_) => Credential::Token,
            Way::Login | Way::Request if principal.is_anonymous() => Credential::Nothing,
            Way::Login | Way::Request if principal.link().is_some() => Credential::Link,
            Way::Login | Way::Request if principal.key_name().is_some() => Credential::Key,
            Way::Login | Way::Request => Credential::Password,
        }
    }
}

/// What a session is doing.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    /// What its protocol calls it; none between operations.
    pub name: Option<&'static str>,
    /// Its path.
    pub path: Option<RelPath>,
}

/// One row of WHO.
#[derive(Debug)]
pub struct WhoRow {
    /// The session.
    pub id: SessionId,
    /// Who is logged in.
    pub user: String,
    /// The name of the key that logged in, if one did.
    pub key: Option<String>,
    /// From where.
    pub peer: SocketAddr,
    /// Since when.
    pub since: Mtime,
    /// Bytes of files moved so far, either way.
    pub bytes: u64,
    /// What it is doing, in words.
    pub doing: String,
}

impl Record {
    /// That of a session which begins now.
    ///
    /// # Errors
    /// [`Kind::Internal`] if the system has no random numbers.
    pub(super) fn new(registry: Arc<Registry>, way: Way, principal: &Principal, peer: SocketAddr) -> Result<Self> {
        let throttle = registry.throttles.of(principal);
        Ok(Record {
            id: SessionId::fresh()?,
            registry,
            source: Source::of(principal, peer.ip()),
            principal: Mutex::new(principal.clone()),
            throttle,
            peer,
            way,
            since: SystemTime::now(),
            bytes: AtomicU64::new(0),
            activity: Mutex::default(),
            burst: Mutex::default(),
            stand_ins: Mutex::default(),
            ended: OnceLock::new(),
            connection: AtomicWaker::new(),
        })
    }

    /// The session's id.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// How fast its bytes may move.
    pub fn throttle(&self) -> &Arc<Throttle> {
        &self.throttle
    }

    /// From now on it is as fast as its user, who is this one now, may be.
    pub fn bound(&self, now: &Principal) {
        let limit = now.grants().limit_rate;
        self.throttle.set(limit.down, limit.up);
    }

    /// Who it is of now.
    pub fn principal(&self) -> Principal {
        self.principal.lock().clone()
    }

    /// Counts a line of the log; says whether it may be written.
    pub fn may_log(&self) -> bool {
        self.registry.log_shares.allows(&self.source)
    }

    /// What it has done of late, for the log.
    pub fn burst(&self) -> MutexGuard<'_, LogBurst> {
        self.burst.lock()
    }

    /// From now on something is told of as what it is to be.
    pub fn stands_in(&self, stand_in: StandIn) {
        self.stand_ins.lock().push(stand_in);
    }

    /// It has its place, or will not get it: from now on it is told of by its own name.
    pub fn stands_in_no_more(&self, beside: &RelPath) {
        self.stand_ins.lock().retain(|stand_in| stand_in.beside != *beside);
    }

    /// Whether what is at this path is made beside its place by this session.
    pub fn makes(&self, path: &RelPath) -> bool {
        self.stand_ins.lock().iter().any(|stand_in| path.is_within(&stand_in.beside))
    }

    /// What an operation on something that is made beside its place is told as.
    pub fn told_as(&self, action: Action, path: Option<&RelPath>, to: Option<&RelPath>) -> Option<Told> {
        self.stand_ins.lock().iter().find_map(|stand_in| stand_in.tell(action, path, to))
    }

    /// Has the log tell of what it told of in numbers alone.
    pub fn tell_of_flurry(&self) {
        let said = self.burst().end();
        if said.is_empty() {
            return;
        }
        let (session, principal) = (self.id, self.principal());
        for Alike { verb, outcome, more, bytes, last, .. } in said {
            if self.may_log() {
                let last = last.map(|path| path.to_string());
                info!(%session, user = principal.name(), verb, outcome, more, bytes, last, "{more} more commands");
            }
        }
    }

    /// Counts bytes of files.
    pub fn count(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes back what was counted too much.
    pub fn uncount(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// What is counted of all that happens.
    pub fn counters(&self) -> &Counters {
        self.registry.counters()
    }

    /// By what its client talks.
    pub fn protocol(&self) -> Protocol {
        self.way.protocol()
    }

    /// Why what is under way comes to nothing, if its session says nothing of it.
    pub fn why_over(&self) -> Kind {
        let stopping = || if self.registry.is_stopping() { Kind::Stopping } else { Kind::Aborted };
        self.ended.get().copied().unwrap_or_else(stopping)
    }

    /// Tells of something that happened in it.
    pub fn tell(&self, user: Option<&str>, what: What<'_>) {
        let (peer, protocol) = (Some(self.peer), Some(self.way.protocol()));
        let at = SystemTime::now();
        self.registry
            .telling()
            .tell_of(&self.source, &Event { at, peer, protocol, session: Some(self.id), user, what });
    }

    pub fn end(&self, why: Kind) {
        let _ = self.ended.set(why);
        self.connection.wake();
    }

    pub(super) fn row(&self) -> WhoRow {
        let activity = self.activity.lock().clone();
        let doing = match (activity.name, activity.path) {
            (None, _) => "idle".to_owned(),
            (Some(name), None) => name.to_owned(),
            (Some(name), Some(path)) => format!("{name} {path}"),
        };
        let bytes = self.bytes.load(Ordering::Relaxed);
        let principal = self.principal.lock();
        WhoRow {
            id: self.id,
            user: principal.name().to_owned(),
            key: principal.key_name().map(str::to_owned),
            peer: self.peer,
            since: self.since.into(),
            bytes,
            doing,
        }
    }
}

/// A session's own entry, removed when this is dropped.
#[derive(Debug)]
pub struct Ticket {
    record: Arc<Record>,
    /// Gone once all is told of the session's end: [`Registry::all_ended`] waits for it.
    _entered: Option<Sender<()>>,
}

impl Ticket {
    pub(super) fn new(record: Arc<Record>, entered: Option<Sender<()>>) -> Self {
        Ticket { record, _entered: entered }
    }

    /// The session's id.
    pub fn id(&self) -> SessionId {
        self.record.id
    }

    /// The address that the client is at.
    pub fn peer(&self) -> SocketAddr {
        self.record.peer
    }

    /// The registry it is in.
    pub fn registry(&self) -> &Registry {
        &self.record.registry
    }

    /// What is known of the session.
    pub fn record(&self) -> &Arc<Record> {
        &self.record
    }

    /// Why the session has to end, if it has.
    pub fn ended(&self) -> Option<Kind> {
        self.record.ended.get().copied()
    }

    /// The server ends the session for this reason: it is told of what was under way.
    pub fn is_ending(&self, why: Kind) {
        let _ = self.record.ended.set(why);
    }

    /// For the session's connection, to wait for its end.
    pub fn ending(&self) -> Ending {
        Ending(self.record.clone())
    }

    /// Notes what the session is doing now.
    pub fn set(&self, activity: Activity) {
        *self.record.activity.lock() = activity;
    }

    /// The session's user is this principal from now on: it does not end because of what it changed itself.
    pub fn renew(&self, principal: &Principal) {
        self.record.principal.lock().clone_from(principal);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let record = &self.record;
        record.tell_of_flurry();
        let lasted = record.since.elapsed().unwrap_or_default();
        let bytes = record.bytes.load(Ordering::Relaxed);
        let what = What::Ended { bytes, lasted, why: record.ended.get().copied() };
        record.tell(Some(record.principal().name()), what);
        record.registry.sessions.lock().remove(&record.id);
    }
}

/// What outlived its session and ended then.
impl Drop for Record {
    fn drop(&mut self) {
        self.tell_of_flurry();
    }
}

/// The end of a session that somebody else decides.
#[derive(Debug)]
pub struct Ending(Arc<Record>);

impl Ending {
    /// How fast the session's bytes may move.
    pub fn throttle(&self) -> &Arc<Throttle> {
        &self.0.throttle
    }

    /// Waits for it, and says why. One at a time may wait.
    pub async fn wait(&self) -> Kind {
        poll_fn(|cx| {
            self.0.connection.register(cx.waker());
            self.0.ended.get().map_or(Poll::Pending, |why| Poll::Ready(*why))
        })
        .await
    }
}
