//! Who is connected and what they do; and the switch that ends the server.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_std::channel::{Receiver, Sender, bounded};

pub use self::kept_in::KeptIn;
pub use self::record::{Activity, Ending, Record, SessionId, Ticket, Way, WhoRow};
use self::stop::StopSwitch;
pub use self::telling::Telling;
use super::locks::Locks;
use super::locks::claims::Claims;
use super::log_shares::LogShares;
use super::throttles::Throttles;
use crate::auth::{LinkTag, Principal, Users};
use crate::error::{Error, Kind, Result};
use crate::server::audit::AuditLog;
use crate::server::events::{Listener, What};
use crate::server::metrics::counters::Counters;
use crate::server::reloaded::Reloaded;
use crate::sync::Mutex;

mod kept_in;
mod record;
mod stop;
mod telling;

/// All connections and sessions of one server.
pub struct Registry {
    started: Instant,
    connections: AtomicUsize,
    panics: AtomicU64,
    sessions: Mutex<Sessions>,
    log_shares: Arc<LogShares>,
    refusal_shares: Arc<LogShares>,
    counters: Counters,
    throttles: Throttles,
    locks: Locks,
    by_links: Arc<Claims<LinkTag>>,
    telling: Telling,
    kept_in: KeptIn,
    /// Who is told first whose sessions somebody ends.
    on_kick: Option<OnKick>,
    /// Who reads the server's files again.
    on_reload: Mutex<Option<OnReload>>,
    stop: StopSwitch,
    /// Each session has a copy. Where this one is gone, the last session's end closes it.
    entered: Mutex<Option<Sender<()>>>,
    all_ended: Receiver<()>,
}

/// What a server knows of its surroundings before anybody connects. By default nothing: nobody is told, and no storage is known.
#[derive(Default)]
pub struct Surroundings {
    /// Where the files are.
    pub kept_in: KeptIn,
    /// Where all that happens is written down.
    pub audit: Option<Arc<AuditLog>>,
    /// Called with the user's name before [`Registry::kick`] ends any session: makes void what would let the user in again, and says how
    /// much that was.
    pub on_kick: Option<OnKick>,
}

type OnKick = Box<dyn Fn(&str) -> usize + Send + Sync>;
type OnReload = Arc<dyn Fn() -> Vec<Reloaded> + Send + Sync>;

type Sessions = HashMap<SessionId, Arc<Record>>;

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("connections", &self.connections).finish_non_exhaustive()
    }
}

impl Registry {
    /// One for itself: nobody is told of what happens, and no storage is known.
    pub fn new() -> Arc<Registry> {
        Registry::of(Surroundings::default())
    }

    /// That of a server in these surroundings, with nobody connected.
    pub fn of(Surroundings { kept_in, audit, on_kick }: Surroundings) -> Arc<Registry> {
        let (entered, all_ended) = bounded(1);
        Arc::new(Registry {
            started: Instant::now(),
            connections: AtomicUsize::new(0),
            panics: AtomicU64::new(0),
            sessions: Mutex::default(),
            log_shares: LogShares::of("this log"),
            refusal_shares: LogShares::of("the audit, of requests that were refused"),
            counters: Counters::default(),
            throttles: Throttles::default(),
            locks: Locks::default(),
            by_links: Arc::default(),
            telling: Telling::to(audit),
            kept_in,
            on_kick,
            on_reload: Mutex::default(),
            stop: StopSwitch::new(),
            entered: Mutex::new(Some(entered)),
            all_ended,
        })
    }

    /// Who is told of what happens.
    pub fn telling(&self) -> &Telling {
        &self.telling
    }

    /// From now on this one is told of what happens; the first one stays.
    pub fn on_event(&self, listener: Listener) {
        self.telling.listen(listener);
    }

    /// Where the files are, and what this server is among those that serve them.
    pub fn kept_in(&self) -> &KeptIn {
        &self.kept_in
    }

    /// From now on this is what an administrator has done by RELOAD; the last one counts.
    pub fn on_reload(&self, reload: impl Fn() -> Vec<Reloaded> + Send + Sync + 'static) {
        *self.on_reload.lock() = Some(Arc::new(reload));
    }

    /// Has the server's files read again, and says what came of each.
    pub fn reload(&self) -> Vec<Reloaded> {
        let reload = self.on_reload.lock().clone();
        reload.map_or_else(Vec::new, |reload| reload())
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

    /// What each source may write into the audit of requests that are no operations: a user who is logged in, wherever that is, and all
    /// others of an address. No line of the log takes anything from it.
    pub fn refusal_shares(&self) -> &Arc<LogShares> {
        &self.refusal_shares
    }

    /// What is counted of all that happens.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Sessions that ended in a panic.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// How many sessions there are of administrators, of other named users, and of nobody in particular.
    pub fn sessions_by_class(&self) -> [(&'static str, u64); 3] {
        let (mut admins, mut named, mut anonymous) = (0, 0, 0);
        for record in self.sessions.lock().values() {
            let principal = record.principal.lock();
            match (principal.is_admin(), principal.is_anonymous()) {
                (true, _) => admins += 1,
                (false, true) => anonymous += 1,
                (false, false) => named += 1,
            }
        }
        [("administrator", admins), ("named", named), ("anonymous", anonymous)]
    }

    /// What users have locked.
    pub fn locks(&self) -> &Locks {
        &self.locks
    }

    /// What takes its place just now that came by links.
    pub fn by_links(&self) -> &Arc<Claims<LinkTag>> {
        &self.by_links
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
        let record = Arc::new(Record::new(self.clone(), way, principal, peer)?);
        let mut sessions = self.sessions.lock();
        // In one step with entering: who is ended in between is either entered already or refused.
        may_enter(&sessions, way, principal, peer.ip())?;
        sessions.insert(record.id(), record.clone());
        drop(sessions);
        let ticket = Ticket::new(record, self.entered.lock().clone());
        self.counters.login(way.credential(principal));
        ticket
            .record()
            .tell(Some(principal.name()), What::Began { with: way.credential(principal), key: principal.key_name() });
        Ok(ticket)
    }

    /// Everybody who is logged in, longest first.
    pub fn sessions(&self) -> Vec<WhoRow> {
        let mut rows: Vec<_> = self.sessions.lock().values().map(|record| record.row()).collect();
        rows.sort_by_key(|row| row.since);
        rows
    }

    /// Ends all sessions of users who are not what they were at their login, by these users; the others are as fast as these say.
    pub fn revoke(&self, users: &Users) {
        for record in self.sessions.lock().values() {
            let renewed = users.renew(&record.principal.lock());
            match renewed {
                Some(now) => record.bound(&now),
                None => record.end(Kind::Revoked),
            }
        }
    }

    /// Ends the session of this id, or else all those of this user, also where none is there and a login is remembered. Whose
    /// they are, and how many; none if there is nothing of it.
    pub fn kick(&self, whom: &str) -> Option<(String, usize)> {
        let sessions = self.sessions.lock();
        let one = sessions.iter().find(|(id, _)| id.to_string() == whom).map(|(_, record)| record);
        let records: Vec<_> = match one {
            Some(record) => vec![record],
            None => sessions.values().filter(|record| record.principal.lock().name() == whom).collect(),
        };
        let user = records.first().map_or_else(|| whom.to_owned(), |record| record.principal.lock().name().to_owned());
        // First: whoever comes in by it meanwhile is either among these or refused.
        let voided = self.on_kick.as_ref().map_or(0, |tell| tell(&user));
        if records.is_empty() && voided == 0 {
            return None;
        }
        records.iter().for_each(|record| record.end(Kind::Kicked));
        Some((user, records.len()))
    }

    /// Tells everything to stop. More than once is the same as once.
    pub fn stop(&self) {
        self.stop.stop();
    }

    /// Whether it was told to stop.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_stopping()
    }

    /// Waits until the server is told to stop.
    pub async fn stopping(&self) {
        self.stop.stopping().await;
    }

    /// Waits until all sessions are over that were entered by now, and all is told of them: that may be a moment after the end of
    /// their connections, on other threads.
    pub async fn all_ended(&self) {
        *self.entered.lock() = None;
        // Nothing is ever sent: only the end of the last session ends this.
        let _ = self.all_ended.recv().await;
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
            _ if record.principal.lock().name() != principal.name() => {}
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

/// A connection that is counted while this lives.
#[derive(Debug)]
pub struct ConnectionGuard(Arc<Registry>);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::files::RelPath;
    use crate::secret::Secret;
    use crate::server::events::Event;

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
    fn all_sessions_have_ended_once_their_ends_are_told() {
        let registry = Registry::new();
        let ends = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&ends);
        registry.on_event(Listener::new(move |event: &Event<'_>| {
            if matches!(event.what, What::Ended { .. }) {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        }));
        let peer = "127.0.0.1:1".parse().unwrap();
        let users = Users::parse("[anonymous]\nenabled = true\n", "users.toml").unwrap();
        let principal = users.verify("anonymous", &Secret::new(""), std::net::Ipv4Addr::LOCALHOST.into()).unwrap();
        let [first, second] = [(); 2].map(|()| registry.enter(Way::Login, &principal, peer).unwrap());
        let mut all_ended = Box::pin(registry.all_ended());
        drop(first);
        assert!(all_ended.as_mut().now_or_never().is_none(), "one is there still");
        drop(second);
        async_std::task::block_on(all_ended);
        assert_eq!(ends.load(Ordering::SeqCst), 2);
        assert!(registry.sessions().is_empty());
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
