//! Who is connected and what they do; and the switch that ends the server.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use async_std::channel::{Receiver, Sender, bounded};
use futures::future::poll_fn;
use futures::task::AtomicWaker;

use super::locks::Locks;
use super::log_shares::LogShares;
use crate::auth::{Principal, Users};
use crate::error::{Error, Kind, Result};
use crate::files::{Mtime, RelPath};
use crate::machine::source::Source;
use crate::server::audit::AuditLog;
use crate::server::events::{Credential, Event, Listener, Protocol, What};

/// The id of a session: 64 random bits, 16 hexadecimal digits. Not a secret, only hard to guess.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SessionId(u64);

impl SessionId {
    /// One that nobody else has.
    ///
    /// # Errors
    /// [`Kind::Internal`] if the system has no random numbers.
    pub fn fresh() -> Result<Self> {
        let id = getrandom::u64().map_err(|err| Error::new(Kind::Internal, format!("no random numbers: {err}")))?;
        Ok(SessionId(id))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// All connections and sessions of one server.
#[derive(Debug)]
pub struct Registry {
    started: Instant,
    connections: AtomicUsize,
    panics: AtomicU64,
    sessions: Mutex<Sessions>,
    log_shares: Arc<LogShares>,
    locks: Locks,
    /// Who is told of what happens, if anybody is.
    listener: OnceLock<Listener>,
    /// Where it is written down, if anywhere.
    audit: OnceLock<Arc<AuditLog>>,
    /// Who is told first whose sessions somebody ends.
    on_kick: OnceLock<OnKick>,
    /// Closing it is the signal to stop: every waiter on the receiving end sees it.
    stop: Sender<()>,
    stopped: Receiver<()>,
}

struct OnKick(Box<dyn Fn(&str) -> usize + Send + Sync>);

impl fmt::Debug for OnKick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnKick")
    }
}

type Sessions = HashMap<SessionId, Arc<Record>>;

/// What is known of a session. An operation that outlives its session still has it, to be told of.
#[derive(Debug)]
pub struct Record {
    id: SessionId,
    registry: Arc<Registry>,
    /// With whom its work and its lines in the log are counted.
    source: Source,
    /// Another one when the session's own user changes the password over it.
    principal: Mutex<Principal>,
    peer: SocketAddr,
    way: Way,
    since: SystemTime,
    bytes: AtomicU64,
    activity: Mutex<Activity>,
    /// Why the session has to end.
    ended: OnceLock<Kind>,
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
    fn credential(self, principal: &Principal) -> Credential {
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

impl Registry {
    /// An empty one.
    pub fn new() -> Arc<Registry> {
        let (stop, stopped) = bounded(1);
        Arc::new(Registry {
            started: Instant::now(),
            connections: AtomicUsize::new(0),
            panics: AtomicU64::new(0),
            sessions: Mutex::default(),
            log_shares: Arc::default(),
            locks: Locks::default(),
            listener: OnceLock::new(),
            audit: OnceLock::new(),
            on_kick: OnceLock::new(),
            stop,
            stopped,
        })
    }

    /// From now on this one is told of what happens; the first one stays.
    pub fn on_event(&self, listener: Listener) {
        let _ = self.listener.set(listener);
    }

    /// Tells whoever is to know of it.
    pub fn tell(&self, event: &Event<'_>) {
        if let Some(audit) = self.audit.get() {
            audit.write(event);
        }
        if let Some(listener) = self.listener.get() {
            listener.tell(event);
        }
    }

    /// From now on all that happens is written down there; the first one stays.
    pub fn write_to(&self, audit: Arc<AuditLog>) {
        let _ = self.audit.set(audit);
    }

    /// Where all that happens is written down.
    pub fn audit(&self) -> Option<&Arc<AuditLog>> {
        self.audit.get()
    }

    /// From now on this is called with the user's name before [`Registry::kick`] ends any session, makes void what would let the
    /// user in again, and says how much that was; the first one stays.
    pub fn on_kick(&self, listener: impl Fn(&str) -> usize + Send + Sync + 'static) {
        let _ = self.on_kick.set(OnKick(Box::new(listener)));
    }

    /// Counts a connection until the guard is dropped.
    pub fn connected(self: &Arc<Self>) -> ConnectionGuard {
        self.connections.fetch_add(1, Ordering::Relaxed);
        ConnectionGuard(self.clone())
    }

    /// Connections now.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// What each source may write into the log.
    pub fn log_shares(&self) -> &Arc<LogShares> {
        &self.log_shares
    }

    /// What users have locked.
    pub fn locks(&self) -> &Locks {
        &self.locks
    }

    /// How long the server has been running.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Enters a logged-in session, until the ticket is dropped.
    ///
    /// # Errors
    /// [`Kind::TooMany`] if the user has as many as are allowed. For a token why its session ended, or [`Kind::LoginFailed`] if
    /// that is gone. [`Kind::Internal`] if the system has no random numbers.
    pub fn enter(self: &Arc<Self>, way: Way, principal: &Principal, peer: SocketAddr) -> Result<Ticket> {
        let id = SessionId::fresh()?;
        let record = Arc::new(Record {
            id,
            registry: self.clone(),
            source: Source::of(principal, peer.ip()),
            principal: Mutex::new(principal.clone()),
            peer,
            way,
            since: SystemTime::now(),
            bytes: AtomicU64::new(0),
            activity: Mutex::default(),
            ended: OnceLock::new(),
            connection: AtomicWaker::new(),
        });
        let mut sessions = lock(&self.sessions);
        // In one step with entering: who is ended in between is either entered already or refused.
        may_enter(&sessions, way, principal, peer.ip())?;
        sessions.insert(id, record.clone());
        drop(sessions);
        let ticket = Ticket(record);
        ticket
            .record()
            .tell(Some(principal.name()), What::Began { with: way.credential(principal), key: principal.key_name() });
        Ok(ticket)
    }

    /// Everybody who is logged in, longest first.
    pub fn sessions(&self) -> Vec<WhoRow> {
        let mut rows: Vec<_> = lock(&self.sessions).iter().map(|(id, record)| record.row(*id)).collect();
        rows.sort_by_key(|row| row.since);
        rows
    }

    /// Ends all sessions of users who are not what they were at their login, by these users.
    pub fn revoke(&self, users: &Users) {
        for record in lock(&self.sessions).values() {
            if users.renew(&lock(&record.principal)).is_none() {
                record.end(Kind::Revoked);
            }
        }
    }

    /// Ends the session of this id, or else all those of this user, also where none is there and a login is remembered. Whose
    /// they are, and how many; none if there is nothing of it.
    pub fn kick(&self, whom: &str) -> Option<(String, usize)> {
        let sessions = lock(&self.sessions);
        let one = sessions.iter().find(|(id, _)| id.to_string() == whom).map(|(_, record)| record);
        let records: Vec<_> = match one {
            Some(record) => vec![record],
            None => sessions.values().filter(|record| lock(&record.principal).name() == whom).collect(),
        };
        let user = records.first().map_or_else(|| whom.to_owned(), |record| lock(&record.principal).name().to_owned());
        // First: whoever comes in by it meanwhile is either among these or refused.
        let voided = self.on_kick.get().map_or(0, |OnKick(tell)| tell(&user));
        if records.is_empty() && voided == 0 {
            return None;
        }
        records.iter().for_each(|record| record.end(Kind::Kicked));
        Some((user, records.len()))
    }

    /// Tells everything to stop. More than once is the same as once.
    pub fn stop(&self) {
        self.stop.close();
    }

    /// Whether it was told to stop.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_closed()
    }

    /// Waits until the server is told to stop.
    pub async fn stopping(&self) {
        // Nothing is ever sent: only the closing ends this.
        let _ = self.stopped.recv().await;
    }

    /// Counts a session that ended in a panic.
    pub fn count_panic(&self) -> u64 {
        self.panics.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Whether there is room for one more session of this principal.
fn may_enter(sessions: &Sessions, way: Way, principal: &Principal, from: IpAddr) -> Result<()> {
    if let Way::Token(of) = way {
        return match sessions.get(&of).map(|record| record.ended.get()) {
            Some(None) => Ok(()),
            Some(Some(why)) => Err(Error::new(*why, "the session that got the token has ended")),
            None => Err(Error::new(Kind::LoginFailed, "no token that can be used")),
        };
    }
    let Some(most) = principal.grants().max_sessions else { return Ok(()) };
    let (mut logins, mut asking) = (0, HashSet::new());
    for record in sessions.values().filter(|record| record.ended.get().is_none()) {
        match record.way {
            Way::Token(_) => {}
            _ if lock(&record.principal).name() != principal.name() => {}
            Way::Login => logins += 1,
            Way::Request => drop(asking.insert(record.peer.ip())),
        }
    }
    let is_counted = way == Way::Request && asking.contains(&from);
    match is_counted || logins + asking.len() < most as usize {
        true => Ok(()),
        false => {
            Err(Error::new(Kind::TooMany, format!("{} has {most} open sessions, as many as allowed", principal.name())))
        }
    }
}

impl Record {
    /// The session's id.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Who it is of now.
    pub fn principal(&self) -> Principal {
        lock(&self.principal).clone()
    }

    /// Counts a line of the log; says whether it may be written.
    pub fn may_log(&self) -> bool {
        self.registry.log_shares.allows(&self.source)
    }

    /// Counts bytes of files.
    pub fn count(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes back what was counted too much.
    pub fn uncount(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
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
        self.registry.tell(&Event { at, peer, protocol, session: Some(self.id), user, what });
    }

    fn end(&self, why: Kind) {
        let _ = self.ended.set(why);
        self.connection.wake();
    }

    fn row(&self, id: SessionId) -> WhoRow {
        let activity = lock(&self.activity).clone();
        let doing = match (activity.name, activity.path) {
            (None, _) => "idle".to_owned(),
            (Some(name), None) => name.to_owned(),
            (Some(name), Some(path)) => format!("{name} {path}"),
        };
        let bytes = self.bytes.load(Ordering::Relaxed);
        let principal = lock(&self.principal);
        WhoRow {
            id,
            user: principal.name().to_owned(),
            key: principal.key_name().map(str::to_owned),
            peer: self.peer,
            since: self.since.into(),
            bytes,
            doing,
        }
    }
}

/// A connection that is counted while this lives.
#[derive(Debug)]
pub struct ConnectionGuard(Arc<Registry>);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A session's own entry, removed when this is dropped.
#[derive(Debug)]
pub struct Ticket(Arc<Record>);

impl Ticket {
    /// The session's id.
    pub fn id(&self) -> SessionId {
        self.0.id
    }

    /// The address that the client is at.
    pub fn peer(&self) -> SocketAddr {
        self.0.peer
    }

    /// The registry it is in.
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// What is known of the session.
    pub fn record(&self) -> &Arc<Record> {
        &self.0
    }

    /// Why the session has to end, if it has.
    pub fn ended(&self) -> Option<Kind> {
        self.0.ended.get().copied()
    }

    /// The server ends the session for this reason: it is told of what was under way.
    pub fn is_ending(&self, why: Kind) {
        let _ = self.0.ended.set(why);
    }

    /// For the session's connection, to wait for its end.
    pub fn ending(&self) -> Ending {
        Ending(self.0.clone())
    }

    /// Notes what the session is doing now.
    pub fn set(&self, activity: Activity) {
        *lock(&self.0.activity) = activity;
    }

    /// The session's user is this principal from now on: it does not end because of what it changed itself.
    pub fn renew(&self, principal: &Principal) {
        lock(&self.0.principal).clone_from(principal);
    }
}

/// The end of a session that somebody else decides.
#[derive(Debug)]
pub struct Ending(Arc<Record>);

impl Ending {
    /// Waits for it, and says why. One at a time may wait.
    pub async fn wait(&self) -> Kind {
        poll_fn(|cx| {
            self.0.connection.register(cx.waker());
            self.0.ended.get().map_or(Poll::Pending, |why| Poll::Ready(*why))
        })
        .await
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Ticket(record) = self;
        lock(&record.registry.sessions).remove(&record.id);
        let lasted = record.since.elapsed().unwrap_or_default();
        let bytes = record.bytes.load(Ordering::Relaxed);
        let what = What::Ended { bytes, lasted, why: record.ended.get().copied() };
        record.tell(Some(record.principal().name()), what);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The data is plain: a panic elsewhere cannot have left it half-changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn a_session_is_listed_while_its_ticket_lives() {
        let registry = Registry::new();
        let peer = "127.0.0.1:1".parse().unwrap();
        let users = Users::parse("[anonymous]\nenabled = true\n", "users.toml").unwrap();
        let principal = users.verify("anonymous", &Secret::new(""), std::net::Ipv4Addr::LOCALHOST.into()).unwrap();
        let ticket = registry.enter(Way::Login, &principal, peer).unwrap();
        ticket.set(Activity { name: Some("LIST"), path: Some(RelPath::parse(b"a").unwrap()) });
        let rows = registry.sessions();
        assert_eq!((rows.len(), rows[0].user.as_str(), rows[0].doing.as_str()), (1, "anonymous", "LIST a"));
        drop(ticket);
        assert!(registry.sessions().is_empty());
    }

    #[test]
    fn a_token_taken_just_before_a_kick_lets_nobody_in_just_after_it() {
        let registry = Registry::new();
        let peer = "127.0.0.1:1".parse().unwrap();
        let users = Users::parse("[anonymous]\nenabled = true\n", "users.toml").unwrap();
        let principal = users.verify("anonymous", &Secret::new(""), std::net::Ipv4Addr::LOCALHOST.into()).unwrap();
        let first = registry.enter(Way::Login, &principal, peer).unwrap();
        let before = registry.enter(Way::Token(first.id()), &principal, peer).unwrap();
        assert_eq!(registry.kick("anonymous"), Some(("anonymous".to_owned(), 2)));
        assert_eq!((first.ended(), before.ended()), (Some(Kind::Kicked), Some(Kind::Kicked)));
        let joined = |of| registry.enter(Way::Token(of), &principal, peer).map(drop).map_err(|error| error.kind());
        assert_eq!(joined(first.id()), Err(Kind::Kicked), "while it is ending");
        let id = first.id();
        drop(first);
        assert_eq!(joined(id), Err(Kind::LoginFailed), "and when it is gone");
    }

    #[test]
    fn a_user_has_so_many_sessions_and_what_belongs_to_one_counts_once() {
        let registry = Registry::new();
        let peer = |text: &str| text.parse::<SocketAddr>().unwrap();
        let hash = crate::auth::hash_password(&Secret::new("x")).unwrap();
        let text = format!("[users.a]\npassword = \"{hash}\"\nmax_sessions = 2\n[users.b]\npassword = \"{hash}\"\n");
        let users = Users::parse(&text, "users.toml").unwrap();
        let of = |name| users.verify(name, &Secret::new("x"), std::net::Ipv4Addr::LOCALHOST.into()).unwrap();
        let (a, b) = (of("a"), of("b"));
        let enter = |way, who, from| registry.enter(way, who, peer(from)).map_err(|error| error.kind());
        let first = enter(Way::Login, &a, "127.0.0.1:1").unwrap();
        let streams: Vec<_> = (0..5).map(|_| enter(Way::Token(first.id()), &a, "127.0.0.1:2").unwrap()).collect();
        let browser: Vec<_> = (0..6).map(|_| enter(Way::Request, &a, "127.0.0.1:3").unwrap()).collect();
        for way in [Way::Login, Way::Request] {
            assert_eq!(enter(way, &a, "127.0.0.2:1").unwrap_err(), Kind::TooMany);
            drop(enter(way, &b, "127.0.0.2:1").unwrap());
        }
        drop((first, streams));
        let second = enter(Way::Request, &a, "127.0.0.2:1").unwrap();
        assert_eq!(enter(Way::Login, &a, "127.0.0.1:1").unwrap_err(), Kind::TooMany);
        // One that has to end gives its place away at once.
        registry.kick(&second.id().to_string());
        drop(enter(Way::Login, &a, "127.0.0.1:1").unwrap());
        drop(browser);
    }

    #[test]
    fn stopping_is_seen_by_those_who_wait_and_by_those_who_come_later() {
        let registry = Registry::new();
        let waiting = async_std::task::spawn({
            let registry = registry.clone();
            async move { registry.stopping().await }
        });
        registry.stop();
        async_std::task::block_on(async {
            waiting.await;
            registry.stopping().await;
        });
    }
}
