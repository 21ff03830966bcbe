//! Who asks: the principals behind the requests of one connection, each logged in once. A connection of HTTP carries requests
//! of several, so rights are a matter of the request and not of the connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use async_lock::{Mutex as AsyncMutex, MutexGuardArc};
use async_std::channel::{Receiver, bounded};
use async_std::task::spawn;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::channel::mpsc::UnboundedSender;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use super::adapter::Progress;
use super::login;
use super::viewer::Viewer;
use super::web_session::{Openings, WebSession};
use crate::auth::{Principal, is_anonymous};
use crate::error::{Error, Kind, Result};
use crate::keys::Evidence;
use crate::limits;
use crate::machine::source::Origin;
use crate::secret::Secret;
use crate::server::Shared;
use crate::server::desk::registry::Ending;
use crate::server::door::admission::{Admitted, Offence};
use crate::server::door::authenticate::{Credentials, Proven, authenticate};
use crate::server::door::self_service::{Change, Claim, SelfService};
use crate::server::events::Protocol;
use crate::server::tenure::Tenure;
use crate::sync::{Mutex, MutexGuard};

/// Who a request says it is from.
pub enum Claimed {
    /// Nobody in particular.
    Nobody,
    /// A user with a password.
    User(String, Secret),
    /// Whoever has logged in by the form and got this cookie.
    Cookie(Secret),
}

/// What opens a link that has a password.
pub enum LinkKey {
    /// The password.
    Password(Secret),
    /// The cookie of whoever gave it before.
    Cookie(Secret),
}

/// What a connection hears of its requests.
pub enum News {
    /// A session has begun; it ends when this says so, and is of no matter any more once the channel is closed.
    Entered(Ending, Receiver<()>),
    /// Too many passwords were wrong: no more of them here.
    Guessed,
}

/// Those behind the requests of one connection.
pub struct Visitors {
    shared: Arc<Shared>,
    peer: SocketAddr,
    admitted: Mutex<Admitted>,
    sessions: Mutex<Vec<Arc<WebSession>>>,
    /// One login at a time for each connection, however many requests it has at once.
    logging_in: Arc<AsyncMutex<()>>,
    guesses: Arc<Guesses>,
    /// What all of them have open from one turn to the next.
    open: Arc<Openings>,
    news: UnboundedSender<News>,
    progress: Arc<Progress>,
    /// That of the connection.
    pub tenure: Tenure,
}

/// The turn of one login of a connection, held until both whoever waits for it and the login are done with it.
type OneAtATime = Arc<MutexGuardArc<()>>;

/// How often a password was wrong on one connection.
struct Guesses {
    failures: AtomicU32,
    news: UnboundedSender<News>,
}

impl Guesses {
    fn count(&self, error: &Error) {
        if error.kind() == Kind::LoginFailed
            && self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= limits::LOGIN_FAILURES_MAX
        {
            // Closed: the connection is ending anyway.
            let _ = self.news.unbounded_send(News::Guessed);
        }
    }

    fn may_go_on(&self) -> Result<()> {
        if self.failures.load(Ordering::Relaxed) >= limits::LOGIN_FAILURES_MAX {
            return Err(Error::new(Kind::LoginFailed, "too many logins have failed on this connection"));
        }
        Ok(())
    }
}

impl Claimed {
    /// What the headers say.
    ///
    /// # Errors
    /// [`Kind::BadCommand`] for what is no Basic authentication (RFC 7617).
    pub fn of(headers: &HeaderMap) -> Result<Claimed> {
        let mut all = headers.get_all(AUTHORIZATION).iter();
        let value = match (all.next(), all.next()) {
            (None, _) => return Ok(login::cookie(headers).map_or(Claimed::Nobody, Claimed::Cookie)),
            (Some(value), None) => value,
            (Some(_), Some(_)) => {
                return Err(Error::new(Kind::BadCommand, "the request has several Authorization headers"));
            }
        };
        let bad = || Error::new(Kind::BadCommand, "the Authorization header is not that of Basic authentication");
        let (scheme, rest) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(bad)?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(bad());
        }
        // Wiped when it goes, as the password is.
        let pair = Secret::new(STANDARD.decode(rest.trim()).map_err(|_| bad())?);
        let at = pair.expose().iter().position(|byte| *byte == b':').ok_or_else(bad)?;
        let (user, password) = pair.expose().split_at_checked(at).ok_or_else(bad)?;
        let user = str::from_utf8(user).map_err(|_| bad())?.to_owned();
        Ok(Claimed::User(user, Secret::new(password.get(1..).unwrap_or_default())))
    }
}

impl Visitors {
    /// Nobody yet, on a connection from there.
    pub fn new(
        (shared, tenure): (Arc<Shared>, Tenure),
        peer: SocketAddr,
        admitted: Admitted,
        news: UnboundedSender<News>,
        progress: Arc<Progress>,
    ) -> Visitors {
        Visitors {
            shared,
            peer,
            admitted: Mutex::new(admitted),
            sessions: Mutex::default(),
            logging_in: Arc::default(),
            guesses: Arc::new(Guesses { failures: AtomicU32::new(0), news: news.clone() }),
            open: Arc::default(),
            news,
            progress,
            tenure,
        }
    }

    /// The server that they visit.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Where they come from.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whether nobody has been let in yet, not even to read as nobody in particular.
    pub fn is_empty(&self) -> bool {
        self.sessions().is_empty()
    }

    /// The connection misbehaved.
    pub fn penalise(&self, offence: Offence) {
        self.admitted().penalise(offence, Instant::now());
    }

    /// Waits until the place is given to somebody else; that of a connection on which somebody is logged in is not.
    pub async fn pushed_out(&self) {
        let out = self.admitted().pushed_out();
        out.await;
        if self.admitted().is_session() {
            std::future::pending().await
        }
    }

    /// Whom the headers name. A cookie that does not count any more names nobody.
    ///
    /// # Errors
    /// As [`Claimed::of`].
    pub fn claimed(&self, headers: &HeaderMap) -> Result<Claimed> {
        Ok(match Claimed::of(headers)? {
            Claimed::Cookie(cookie) if self.whose(&cookie).is_none() => Claimed::Nobody,
            claimed => claimed,
        })
    }

    /// Whoever is logged in by these headers; none: nobody in particular.
    pub fn viewer(&self, headers: &HeaderMap) -> Option<Viewer> {
        match Claimed::of(headers).ok()? {
            Claimed::Nobody => None,
            Claimed::Cookie(cookie) => self.whose(&cookie).as_ref().map(|principal| self.viewer_of(principal)),
            Claimed::User(user, password) => self
                .known(&user, &password)
                .filter(|web_session| !web_session.is_anonymous())
                .map(|web_session| self.viewer_of(web_session.principal())),
        }
    }

    /// This one, as pages know them.
    pub fn viewer_of(&self, principal: &Principal) -> Viewer {
        Viewer::of(principal, &self.shared.users.latest())
    }

    /// The session of whoever is logged in by these headers, if they have one here.
    pub fn session_of(&self, headers: &HeaderMap) -> Option<Arc<WebSession>> {
        match Claimed::of(headers).ok()? {
            Claimed::Nobody => None,
            Claimed::Cookie(cookie) => self.session_with(&self.whose(&cookie)?),
            Claimed::User(user, password) => self.known(&user, &password),
        }
    }

    /// The session of this principal, if there is one that goes on.
    fn session_with(&self, principal: &Principal) -> Option<Arc<WebSession>> {
        let sessions = self.sessions();
        sessions.iter().find(|web_session| web_session.is_welcome() && web_session.is(Some(principal))).cloned()
    }

    fn whose(&self, cookie: &Secret) -> Option<Principal> {
        // Those in force: the file is looked at elsewhere, on threads that may wait for the disk.
        self.shared.signed_in.find(cookie, &self.shared.users.latest(), Instant::now())
    }

    /// The session of whoever has this cookie.
    async fn by_cookie(&self, cookie: &Secret) -> Result<Arc<WebSession>> {
        let void = || Error::new(Kind::LoginRequired, "log in again");
        if let Some(web_session) = self.session_with(&self.whose(cookie).ok_or_else(void)?) {
            return Ok(web_session);
        }
        let _one_at_a_time = self.logging_in.lock().await;
        let principal = self.whose(cookie).ok_or_else(void)?;
        if let Some(web_session) = self.session_with(&principal) {
            return Ok(web_session);
        }
        let _we_are_at_work = self.progress.working();
        let web_session = self.enter(principal).await?;
        // Whose cookies were made void before the session was entered was not ended with those that were there.
        self.whose(cookie).map(|_| web_session).ok_or_else(void)
    }

    /// Makes this cookie void before anything is waited for. The session of whoever had it, if it was not void already and they may
    /// have one.
    pub async fn void(&self, cookie: &Secret) -> Option<Arc<WebSession>> {
        let principal = self.whose(cookie);
        self.shared.signed_in.remove(cookie);
        let principal = principal?;
        let _one_at_a_time = self.logging_in.lock().await;
        if let Some(web_session) = self.session_with(&principal) {
            return Some(web_session);
        }
        let _we_are_at_work = self.progress.working();
        self.enter(principal).await.ok()
    }

    /// The session of whoever this is.
    ///
    /// # Errors
    /// [`Kind::LoginRequired`] for nobody where nobody may read; those of [`authenticate`], of admission and of opening the
    /// home.
    pub async fn web_session(&self, claimed: Claimed) -> Result<Arc<WebSession>> {
        let (user, password) = match claimed {
            Claimed::User(user, password) => (user, password),
            Claimed::Cookie(cookie) => return self.by_cookie(&cookie).await,
            Claimed::Nobody => {
                if self.shared.users.latest().anonymous_home().is_none() {
                    return Err(Error::new(Kind::LoginRequired, "log in first"));
                }
                (String::from("anonymous"), Secret::new(""))
            }
        };
        if let Some(web_session) = self.known(&user, &password) {
            return Ok(web_session);
        }
        let one_at_a_time = self.may_guess().await?;
        // The one before may have been the same.
        if let Some(web_session) = self.known(&user, &password) {
            return Ok(web_session);
        }
        let _we_are_at_work = self.progress.working();
        let version = self.shared.users.version();
        let recalled = self.shared.remembered.recall(&user, &password, version, Instant::now());
        // Remembered from another address: somebody whose user does not log in from this one is refused as anybody is.
        let may_enter = |principal: &Principal| self.shared.users.latest().admit(principal, self.peer.ip()).is_ok();
        let recalled = recalled.filter(may_enter);
        let principal = match recalled {
            Some(principal) => principal,
            None => self.log_in(user, password, version, &one_at_a_time).await?,
        };
        self.enter(principal).await
    }

    /// Whether there is a link with this secret that takes a password.
    pub fn link_is_locked(&self, secret: &Secret) -> bool {
        self.shared.users.latest().at_link(secret, self.peer.ip()).is_ok_and(|there| there.needs_password())
    }

    /// The session of whoever has this link.
    ///
    /// # Errors
    /// [`Kind::LoginRequired`] if it takes a password and none was given; [`Kind::LoginFailed`] if there is no such link;
    /// [`Kind::NotFound`] if it is used up by others; those of
    /// admission and of opening what it leads to.
    pub async fn by_link(&self, secret: &Secret, key: Option<LinkKey>) -> Result<Arc<WebSession>> {
        if let Some(principal) = self.recognised(secret, key.as_ref())
            && let Some(web_session) = self.session_with(&principal)
        {
            self.look_for_room(&principal)?;
            return Ok(web_session);
        }
        let one_at_a_time = self.may_guess().await?;
        let _we_are_at_work = self.progress.working();
        let principal = match self.recognised(secret, key.as_ref()) {
            Some(principal) => principal,
            None => self.open_link(secret, key, &one_at_a_time).await?,
        };
        self.look_for_room(&principal)?;
        match self.session_with(&principal) {
            Some(web_session) => Ok(web_session),
            None => self.enter(principal).await,
        }
    }

    /// Whether something is left for whoever came by this link. Who finds nothing has guessed nothing, and pays for nothing.
    fn look_for_room(&self, principal: &Principal) -> Result<()> {
        let users = self.shared.users.latest();
        let Some(link) = principal.link().filter(|link| !users.links().has_room(link)).cloned() else { return Ok(()) };
        match self.shared.downloads.has_room(users.links(), &link, Origin::from(self.peer.ip())) {
            true => Ok(()),
            false => Err(Error::new(Kind::NotFound, "there is no such link, or it is over")),
        }
    }

    /// Who comes by this link, where that is known without checking a password.
    fn recognised(&self, secret: &Secret, key: Option<&LinkKey>) -> Option<Principal> {
        let (users, now) = (self.shared.users.latest(), Instant::now());
        let there = users.at_link(secret, self.peer.ip()).ok()?;
        match key {
            _ if !there.needs_password() => there.open(None).ok(),
            None => None,
            Some(LinkKey::Cookie(cookie)) => {
                let opened = self.shared.opened_links.find(cookie, &users, now)?;
                there.principal().is_same_user(&opened).then(|| there.principal().clone())
            }
            Some(LinkKey::Password(password)) => {
                let name = there.principal().name();
                let recalled = self.shared.remembered.recall(name, password, self.shared.users.version(), now)?;
                there.principal().is_same_user(&recalled).then(|| there.principal().clone())
            }
        }
    }

    async fn open_link(&self, secret: &Secret, key: Option<LinkKey>, one_at_a_time: &OneAtATime) -> Result<Principal> {
        let version = self.shared.users.version();
        let password = match key {
            Some(LinkKey::Password(password)) => Some(password),
            Some(LinkKey::Cookie(_)) | None => None,
        };
        // To be asked for it is no login that failed.
        if password.is_none() && self.link_is_locked(secret) {
            return Err(Error::new(Kind::LoginRequired, "this link takes a password"));
        }
        let credentials = Credentials::Link { secret: secret.clone(), password: password.clone() };
        let principal = self.prove(credentials, one_at_a_time).await?;
        if let Some(password) = password {
            let now = Instant::now();
            self.shared.remembered.keep(principal.name(), &password, version, principal.clone(), now);
        }
        Ok(principal)
    }

    /// Waits for the turn of a login, if there may be one more.
    async fn may_guess(&self) -> Result<OneAtATime> {
        self.guesses.may_go_on()?;
        let one_at_a_time = Arc::new(self.logging_in.lock_arc().await);
        // Those before it in the queue may have been the last.
        self.guesses.may_go_on()?;
        Ok(one_at_a_time)
    }

    /// Checks what may be a guess, by itself: whoever takes the request back meanwhile has guessed all the same, and guesses again when
    /// this is over.
    async fn guess<T: Send + 'static>(
        &self,
        one_at_a_time: &OneAtATime,
        checking: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (guesses, until_it_is_over) = (self.guesses.clone(), one_at_a_time.clone());
        let checked = async move {
            let checked = checking.await.inspect_err(|error| guesses.count(error));
            drop(until_it_is_over);
            checked
        };
        spawn(checked).await
    }

    async fn prove(&self, credentials: Credentials, one_at_a_time: &OneAtATime) -> Result<Principal> {
        let (shared, peer) = (self.shared.clone(), self.peer);
        let proving = async move { authenticate(credentials, peer, Protocol::Http, &shared).await };
        self.guess(one_at_a_time, proving).await.map(|Proven { principal, .. }| principal)
    }

    /// Checks the password, and remembers for a while that it was right.
    async fn log_in(
        &self,
        user: String,
        password: Secret,
        version: u64,
        one_at_a_time: &OneAtATime,
    ) -> Result<Principal> {
        let credentials = Credentials::Password { user: user.clone(), password: password.clone() };
        let principal = self.prove(credentials, one_at_a_time).await?;
        if !principal.is_anonymous() {
            self.shared.remembered.keep(&user, &password, version, principal.clone(), Instant::now());
        }
        Ok(principal)
    }

    /// Has a user change something about the own login, proven by the password of now. A wrong one counts as a login that failed.
    /// `renewed` as in [`SelfService::changing`].
    ///
    /// # Errors
    /// As [`SelfService::changing`].
    pub async fn change_own(
        &self,
        user: &str,
        present: Secret,
        change: Change,
        renewed: impl FnOnce(Option<&Principal>) + Send + 'static,
    ) -> Result<Option<Principal>> {
        let one_at_a_time = self.may_guess().await?;
        let _we_are_at_work = self.progress.working();
        let (accounts, admission) = (self.shared.accounts.clone(), self.shared.admission.clone());
        let own = SelfService::new(accounts, admission, self.peer.ip(), self.shared.keys.now().pin);
        let claim = Claim { user: user.to_owned(), evidence: Evidence::Password(present), nonce: None };
        self.guess(&one_at_a_time, async move { own.changing(claim, change, renewed).await }).await
    }

    /// Lets somebody with an invitation choose a password: who they are then.
    ///
    /// # Errors
    /// As [`authenticate`].
    pub async fn join(&self, user: String, (secret, password): (Secret, Secret)) -> Result<Principal> {
        let one_at_a_time = self.may_guess().await?;
        let _we_are_at_work = self.progress.working();
        self.prove(Credentials::Invitation { user, secret, password }, &one_at_a_time).await
    }

    /// This session serves what is under way in it, and nothing that is asked from now on.
    pub fn let_go(&self, web_session: &Arc<WebSession>) {
        self.sessions().retain(|session| !Arc::ptr_eq(session, web_session));
    }

    async fn enter(&self, principal: Principal) -> Result<Arc<WebSession>> {
        self.admitted().log_in(&principal)?;
        let (is_there, gone) = bounded(1);
        let of = ((&self.shared, &self.tenure), (&self.progress, &self.open));
        let (web_session, ending) = WebSession::enter(principal, self.peer, of.0, of.1, is_there).await?;
        let web_session = Arc::new(web_session);
        let mut sessions = self.sessions();
        sessions.retain(|web_session| web_session.is_welcome());
        if sessions.len() >= limits::WEB_SESSIONS {
            // Requests of its that are under way go on.
            sessions.remove(0);
        }
        sessions.push(web_session.clone());
        drop(sessions);
        let _ = self.news.unbounded_send(News::Entered(ending, gone));
        Ok(web_session)
    }

    /// Somebody who has a session here, and has logged in with this not long ago.
    fn known(&self, user: &str, password: &Secret) -> Option<Arc<WebSession>> {
        let version = self.shared.users.version();
        let principal = match is_anonymous(user) {
            true => None,
            false => Some(self.shared.remembered.recall(user, password, version, Instant::now())?),
        };
        let sessions = self.sessions();
        sessions.iter().find(|web_session| web_session.is_welcome() && web_session.is(principal.as_ref())).cloned()
    }

    fn sessions(&self) -> MutexGuard<'_, Vec<Arc<WebSession>>> {
        self.sessions.lock()
    }

    fn admitted(&self) -> MutexGuard<'_, Admitted> {
        self.admitted.lock()
    }
}
