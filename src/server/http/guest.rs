//! One principal on one connection: their session, their desk, and the turns in which work is done at it.

use std::net::SocketAddr;
use std::sync::Arc;

use async_lock::{Mutex, MutexGuard, Semaphore, SemaphoreGuardArc};
use async_std::channel::Sender;

use super::adapter::Progress;
use crate::auth::Principal;
use crate::budget::Account;
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::machine::source::{Origin, Source};
use crate::server::Shared;
use crate::server::desk::Desk;
use crate::server::desk::op::Op;
use crate::server::desk::outcome::Begun;
use crate::server::desk::registry::{Ending, Ticket};
use crate::server::desk::ties::Ties;
use crate::server::door::entry::{Entry, enter};

/// A session of the web.
pub struct Guest {
    shared: Arc<Shared>,
    /// As at the login; the desk has the rights of today.
    principal: Principal,
    /// One step at a time: whoever waits for the desk holds no thread.
    desk: Arc<Mutex<Desk>>,
    ticket: Arc<Ticket>,
    source: Source,
    account: Arc<Account>,
    open: Arc<Openings>,
    progress: Arc<Progress>,
    /// Closed with the guest: whoever waits for its end then waits for nothing.
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

impl Guest {
    /// Begins the session of somebody who has proven who they are.
    ///
    /// # Errors
    /// Those of opening the home; [`Kind::Revoked`] if the account has changed just now.
    pub async fn enter(
        principal: Principal,
        peer: SocketAddr,
        shared: &Arc<Shared>,
        (progress, open): (&Arc<Progress>, &Arc<Openings>),
        is_there: Sender<()>,
    ) -> Result<(Guest, Ending)> {
        let source = Source::of(&principal, peer.ip());
        let Entry { principal, version, store, ticket, ending } = enter(principal, None, peer, &source, shared).await?;
        let ticket = Arc::new(ticket);
        let ties = Ties::new(shared.tokens.clone(), shared.staged.clone(), ticket.id(), Origin::from(peer.ip()));
        let users = (shared.users.clone(), version);
        let desk = Desk::new(principal.clone(), users, (store, shared.max_mode), ticket.clone(), ties);
        let guest = Guest {
            shared: shared.clone(),
            principal,
            desk: Arc::new(Mutex::new(desk)),
            ticket,
            account: shared.memory.account(&source),
            source,
            open: open.clone(),
            progress: progress.clone(),
            _is_there: is_there,
        };
        Ok((guest, ending))
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

    /// The user's name.
    pub fn name(&self) -> &str {
        self.principal.name()
    }

    /// Whether this is nobody in particular.
    pub fn is_anonymous(&self) -> bool {
        self.principal.is_anonymous()
    }

    /// The session's entry.
    pub fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// Where its share of memory is counted.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
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

    /// Does a step of blocking work at the desk, in its turn, by the users file as it is now.
    ///
    /// # Errors
    /// Why the session has ended, and those of the work.
    pub async fn step<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Desk) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let _we_are_at_work = self.progress.working();
        let mut desk = self.desk.lock_arc().await;
        let step = move || {
            desk.keep_up().map_err(|why| Error::new(why, "this session has ended"))?;
            work(&mut desk)
        };
        self.shared.turns.run(&self.source, step).await?
    }

    /// Does this at the desk without a turn if nobody is at it: for what is only written down.
    pub fn note(&self, work: impl FnOnce(&mut Desk)) {
        if let Some(mut desk) = self.desk.try_lock() {
            work(&mut desk);
        }
    }
}

/// Asks the desk for an operation on files, after a look at the users file. The web calls operations by their methods.
pub fn begin(desk: &mut Desk, op: Op, method: &'static str) -> Result<Begun> {
    desk.look_at_users();
    desk.keep_up().map_err(|why| Error::new(why, "this session has ended"))?;
    // Nothing waits for a commit here.
    match desk.begin(op, method, &mut |_| {}) {
        Begun::Done(Err(error)) => Err(error),
        begun => Ok(begun),
    }
}

/// What the desk cannot have answered an operation with.
pub fn unexpected() -> Error {
    Error::new(Kind::Internal, "an operation came to what it cannot come to")
}
