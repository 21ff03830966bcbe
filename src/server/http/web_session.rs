//! One principal on one connection: their session, their desk, and the turns in which work is done at it.

use std::net::SocketAddr;
use std::sync::Arc;

use async_lock::{Mutex, MutexGuard, Semaphore, SemaphoreGuardArc};
use async_std::channel::Sender;

use super::Web;
use super::adapter::{OnlySends, Progress, Working};
use super::answer::Answer;
use super::dav::Presented;
use super::rate_limit::Brake;
use super::shared_desk::{Errand, Queue, SharedDesk};
pub use super::shared_desk::{Pending, Waiting};
use super::used::Counting;
use crate::auth::{InboxBounds, Link, Principal, Users};
use crate::budget::Account;
use crate::error::{Error, Kind, Result};
use crate::files::{SeenAt, Usage};
use crate::limits;
use crate::machine::source::{Origin, Source};
use crate::machine::throttle::Course;
use crate::machine::turns::Class;
use crate::server::Shared;
use crate::server::desk::Desk;
use crate::server::desk::downloads::{Counted, Downloads, Part, What};
use crate::server::desk::inbox_room::InboxRoom;
use crate::server::desk::locks::LockToken;
use crate::server::desk::op::Op;
use crate::server::desk::outcome::{Begun, Outcome};
use crate::server::desk::preconditions::Preconditions;
use crate::server::desk::registry::{Ending, Ticket, Way};
use crate::server::desk::session_resources::SessionResources;
use crate::server::door::entry::{Entry, enter};
use crate::server::tenure::Tenure;

/// A session of the web.
pub struct WebSession {
    shared: Arc<Shared>,
    /// As at the login; the desk has the rights of today.
    principal: Principal,
    /// One step at a time: whoever waits for the desk holds no thread.
    desk: Queue,
    ticket: Arc<Ticket>,
    source: Source,
    account: Arc<Account>,
    open: Arc<Openings>,
    progress: Arc<Progress>,
    /// What a request presents, whose session this is.
    presented: Presented,
    /// Until the session and what it has begun are over, unless its connection gives it up.
    tenure: Tenure,
    /// Closed with the session: whoever waits for its end then waits for nothing.
    _is_there: Sender<()>,
}

/// What the requests of one connection have open, whoever they are from.
pub struct Openings {
    /// Files and folders that are open from one turn to the next.
    files: Arc<Semaphore>,
    /// One folder is gathered at a time.
    gathering: Mutex<()>,
}

impl Default for Openings {
    fn default() -> Self {
        Openings { files: Arc::new(Semaphore::new(limits::WEB_OPEN_FILES)), gathering: Mutex::new(()) }
    }
}

/// The right to have a file open from one turn to the next, until it is dropped.
pub type OpenFile = SemaphoreGuardArc;

impl WebSession {
    /// Begins the session of somebody who has proven who they are.
    ///
    /// # Errors
    /// Those of opening the home; [`Kind::Revoked`] if the account has changed just now.
    pub async fn enter(
        principal: Principal,
        peer: SocketAddr,
        (shared, tenure): (&Arc<Shared>, &Tenure),
        (progress, open): (&Arc<Progress>, &Arc<Openings>),
        is_there: Sender<()>,
    ) -> Result<(WebSession, Ending)> {
        if tenure.is_given_up() {
            return Err(Error::new(Kind::Stopping, "this server ends; the next one serves"));
        }
        let source = Source::of(&principal, peer.ip());
        let Entry { principal, version, session_store, ticket, ending } =
            enter(principal, Way::Request, peer, &source, shared).await?;
        let ticket = Arc::new(ticket);
        let resources =
            SessionResources::new(shared.tokens.clone(), shared.staged.clone(), ticket.id(), Origin::from(peer.ip()));
        let resources = resources.going_on_with(shared.uploads.clone()).within(tenure.clone());
        let users = (shared.users.clone(), version);
        let desk =
            Desk::new(principal.clone(), users, (session_store, shared.live().max_mode), ticket.clone(), resources);
        let web_session = WebSession {
            shared: shared.clone(),
            principal,
            desk: Queue::new(SharedDesk::new(desk), shared.turns.clone(), source.clone()),
            ticket,
            account: shared.memory.account(&source),
            source,
            open: open.clone(),
            progress: progress.clone(),
            presented: Presented::default(),
            tenure: tenure.clone(),
            _is_there: is_there,
        };
        Ok((web_session, ending))
    }

    /// The locks that the request presents.
    pub fn presented(&self) -> &[LockToken] {
        &self.presented.preconditions.locks
    }

    /// What was there when the `If` of the request was decided, as far as that plays a part in it.
    pub fn seen(&self) -> &SeenAt {
        &self.presented.seen
    }

    /// The same session for a request that presents this, and that may change something: it comes to its end whatever its connection does.
    pub fn presenting(&self, presented: Presented) -> WebSession {
        WebSession {
            shared: self.shared.clone(),
            principal: self.principal.clone(),
            desk: self.desk.clone(),
            ticket: self.ticket.clone(),
            source: self.source.clone(),
            account: self.account.clone(),
            open: self.open.clone(),
            progress: self.progress.clone(),
            presented,
            tenure: self.tenure.another(),
            _is_there: self._is_there.clone(),
        }
    }

    /// What keeps the server's folders until what this session has begun is over.
    pub fn tenure(&self) -> &Tenure {
        &self.tenure
    }

    /// The same session for a request that may change something and presents nothing.
    pub fn changing(&self) -> WebSession {
        self.presenting(Presented::default())
    }

    /// All that is left of the request is to send a file that is open.
    pub fn only_sends(&self) -> OnlySends {
        self.progress.only_sends()
    }

    /// Whether this is this principal's session; none: that of nobody in particular.
    pub fn is(&self, principal: Option<&Principal>) -> bool {
        match principal {
            None => self.principal.is_anonymous(),
            Some(principal) => self.principal.is_same_user(principal),
        }
    }

    /// Whether it has not been ended.
    pub fn is_welcome(&self) -> bool {
        self.ticket.ended().is_none()
    }

    /// Whether this server lets anybody write by HTTP.
    pub fn may_write(&self) -> bool {
        self.shared.web == Web::On
    }

    /// The user's name.
    pub fn name(&self) -> &str {
        self.principal.name()
    }

    /// Whether this is nobody in particular.
    pub fn is_anonymous(&self) -> bool {
        self.principal.is_anonymous()
    }

    /// Who it is, as at the login.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The session goes on as who its user is now: it does not end because of what it changed itself.
    pub fn renew(&self, now: Principal) {
        self.ticket.renew(&now);
        self.desk.note(move |shared_desk| shared_desk.desk.renew(now));
    }

    /// The users in force.
    pub fn users(&self) -> Arc<Users> {
        self.shared.users.latest()
    }

    /// With whom its work is counted.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The session's entry.
    pub fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// Where its share of memory is counted.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Whether its connection has one request under way, and no other.
    pub fn is_alone(&self) -> bool {
        self.progress.is_alone()
    }

    /// We are at work until it is dropped, whoever waits.
    pub fn working(&self) -> Working {
        self.progress.working()
    }

    /// Waits until these bytes, which have just come, are paid for where its user is limited: portion by portion, so that other
    /// sessions have their turns.
    pub async fn pay(&self, mut bytes: usize) {
        let throttle = self.ticket.record().throttle();
        if !throttle.is_bounded(Course::Up) {
            return;
        }
        while bytes > 0 {
            let portion = bytes.min(throttle.portion(Course::Up));
            throttle.pay(Course::Up, portion, self.progress.held()).await;
            bytes -= portion;
        }
    }

    /// This answer, whose bytes are sent no faster than its user may have them.
    pub fn braking(&self, answer: Answer) -> Answer {
        let brake = Brake { throttle: self.ticket.record().throttle().clone(), progress: self.progress.clone() };
        answer.map(|body| body.braked(brake))
    }

    /// Waits for the right to have a file open.
    pub async fn open_file(&self) -> OpenFile {
        self.open.files.acquire_arc().await
    }

    /// Waits until no other folder is gathered for this connection.
    pub async fn gathering(&self) -> MutexGuard<'_, ()> {
        self.open.gathering.lock().await
    }

    /// The right to have a folder open, if not everything of the connection's is.
    ///
    /// # Errors
    /// [`Kind::Busy`].
    pub fn open_folder(&self) -> Result<OpenFile> {
        let busy = || Error::new(Kind::Busy, "this connection has as much open as it may");
        self.open.files.try_acquire_arc().ok_or_else(busy)
    }

    /// Does a step of blocking work at the desk, in its turn, by the users file as it is now. All that was taken before is
    /// committed.
    ///
    /// # Errors
    /// Why the session has ended, and those of the work.
    pub async fn step<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Desk) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.begin_step(work).done().await?
    }

    /// Asks for a step as [`WebSession::step`] does, which goes its way at once, whenever it is waited for.
    pub fn begin_step<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Desk) -> Result<T> + Send + 'static,
    ) -> Errand<Result<T>> {
        self.ask(Class::Light, move |shared_desk| {
            shared_desk.keep_up()?;
            shared_desk.commit();
            work(&mut shared_desk.desk)
        })
    }

    /// Does a step of a change, which may share the commit of those before it. Those are told through the second argument.
    ///
    /// # Errors
    /// As [`WebSession::step`].
    pub async fn change<T: Send + 'static>(
        &self,
        class: Class,
        work: impl FnOnce(&mut Desk, &mut Waiting) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.at_desk(class, move |shared_desk| {
            shared_desk.keep_up()?;
            work(&mut shared_desk.desk, &mut shared_desk.waiting)
        })
        .await
    }

    /// Commits all that was taken, and says what came of this.
    ///
    /// # Errors
    /// Why the session has ended; those of the commit.
    pub async fn committed(&self, mut pending: Pending) -> Result<Outcome> {
        // Whoever was at the desk meanwhile may have committed it.
        if let Ok(Some(outcome)) = pending.try_recv() {
            return outcome;
        }
        self.at_desk(Class::Light, |shared_desk| {
            shared_desk.keep_up()?;
            shared_desk.commit();
            shared_desk.desk.rest();
            Ok(())
        })
        .await?;
        pending.await.unwrap_or_else(|_| Err(unexpected()))
    }

    /// Gives something up at the desk, also of a session that has ended. All that was taken before is committed, if it may be.
    ///
    /// # Errors
    /// [`Kind::Internal`]: the thread has vanished.
    pub async fn give_up<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Desk, &mut Waiting) -> T + Send + 'static,
    ) -> Result<T> {
        let locks = self.presented().to_vec();
        self.at_desk(Class::Light, move |shared_desk| {
            // What others have sent and wait for is told to them, and not to this work. Of a session that has ended it is
            // given up by the first line.
            if shared_desk.keep_up().is_ok() {
                shared_desk.commit();
            }
            // It goes whatever is elsewhere.
            shared_desk.desk.require(Preconditions { locks, ..Preconditions::default() });
            Ok(work(&mut shared_desk.desk, &mut shared_desk.waiting))
        })
        .await
    }

    async fn at_desk<T: Send + 'static>(
        &self,
        class: Class,
        work: impl FnOnce(&mut SharedDesk) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.ask(class, work).done().await?
    }

    /// Asks for a turn at the desk now.
    fn ask<T: Send + 'static>(
        &self,
        class: Class,
        work: impl FnOnce(&mut SharedDesk) -> Result<T> + Send + 'static,
    ) -> Errand<Result<T>> {
        let we_are_at_work = self.progress.working();
        let preconditions = self.presented.preconditions.clone();
        self.desk.ask(class, move |shared_desk| {
            let _until_it_is_done = we_are_at_work;
            shared_desk.desk.require(preconditions);
            work(shared_desk)
        })
    }

    /// Counts in the background what is used, unless that is under way for this user.
    pub fn counting(&self, counter: impl FnOnce() -> Option<Usage> + Send + 'static) -> Option<Counting> {
        self.shared.counts.begin(self.name(), (&self.shared.turns, &self.source), counter)
    }

    /// Those that are counted.
    pub fn downloads(&self) -> &Arc<Downloads> {
        &self.shared.downloads
    }

    /// Takes a place for a download by this link. The disk is waited for elsewhere.
    ///
    /// # Errors
    /// As [`Downloads::begin`].
    pub async fn count(&self, link: Arc<Link>, what: What, part: Part) -> Result<Counted> {
        let _we_are_at_work = self.progress.working();
        let (downloads, users) = (self.shared.downloads.clone(), self.shared.users.latest());
        let tenure = self.tenure.another();
        let taking =
            move || downloads.begin(users.links(), &link, what, part).map(|counted| counted.within(Some(tenure)));
        self.shared.link_writes.run(&self.source, taking).await?
    }

    /// Takes room in this link, which is bounded so, for so many files and bytes.
    ///
    /// # Errors
    /// As [`InboxRoom::take`].
    pub fn room(&self, link: &Arc<Link>, bounds: InboxBounds, wanted: (u32, u64)) -> Result<InboxRoom> {
        let links = self.shared.users.latest().links().clone();
        let threads = (self.shared.link_writes.clone(), self.source.clone());
        InboxRoom::take(threads, (links, link.clone()), bounds, wanted)
    }

    /// This room counts as used from now on. The disk is waited for elsewhere.
    ///
    /// # Errors
    /// As [`InboxRoom::count`].
    pub async fn counted(&self, room: Option<InboxRoom>) -> Result<Option<InboxRoom>> {
        let Some(room) = room else { return Ok(None) };
        let _we_are_at_work = self.progress.working();
        // One that is kept for later has none of its own until now.
        room.within(Some(self.tenure.another())).count().await.map(Some)
    }

    /// Does this in a turn at the desk for which nobody waits: what is given up is written down and closed there.
    pub fn note(&self, work: impl FnOnce(&mut Desk, &mut Waiting) + Send + 'static) {
        self.desk.note(move |shared_desk| work(&mut shared_desk.desk, &mut shared_desk.waiting));
    }
}

/// Asks the desk for an operation on files, after a look at the users file. The web calls operations by their methods.
pub fn begin(desk: &mut Desk, op: Op, method: &'static str) -> Result<Begun> {
    // Nothing waits for a commit here.
    begin_change(desk, &mut Waiting::default(), op, method)
}

/// Asks the desk for an operation as [`begin`] does, which may share the commit of those who wait.
pub fn begin_change(desk: &mut Desk, waiting: &mut Waiting, op: Op, method: &'static str) -> Result<Begun> {
    begin_seen(desk, waiting, (op, SeenAt::ANYTHING), method)
}

/// Asks the desk for an operation as [`begin_change`] does, which is done only to what was seen at its path.
pub fn begin_seen(
    desk: &mut Desk,
    waiting: &mut Waiting,
    (op, seen): (Op, SeenAt),
    method: &'static str,
) -> Result<Begun> {
    desk.look_at_users();
    desk.keep_up().map_err(|why| Error::new(why, "this session has ended"))?;
    match desk.begin_seen(op, seen, method, &mut |operation, outcome| waiting.tell(operation, outcome)) {
        Begun::Done(Err(error)) => {
            desk.rest();
            Err(error)
        }
        begun => Ok(begun),
    }
}

/// What the desk cannot have answered an operation with.
pub fn unexpected() -> Error {
    Error::new(Kind::Internal, "an operation came to what it cannot come to")
}
