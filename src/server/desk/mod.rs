//! What is done with files, whatever protocol asks for it: an operation ([`Op`]) by a principal on a store, and a typed
//! [`Outcome`](outcome::Outcome). The gate, the log, what WHO shows, batches of commits and jobs are here; no reply and no
//! line syntax is.
//!
//! A protocol gives each of its sessions a [`Desk`]. [`Desk::begin`] says how far an operation has come: it is over, its
//! bytes are to come or to be pulled, or there is more to be done, a bounded step at a time.

pub mod action;
pub mod audit;
mod batch;
pub mod current_users;
pub mod downloads;
mod files;
pub mod gate;
pub mod inbox;
pub mod inbox_room;
pub mod jobs;
pub mod kept_names;
pub mod leases;
pub mod linking;
pub mod located_path;
mod locking;
pub mod locks;
mod log_burst;
pub mod log_shares;
pub mod op;
pub mod outcome;
pub mod parts;
pub mod preconditions;
mod real_paths;
pub mod registry;
mod rest;
pub mod running;
pub mod session_request;
pub mod session_resources;
pub mod session_store;
pub mod staged_uploads;
pub mod stand_in;
pub mod state;
pub mod sweep;
#[cfg(test)]
pub(in crate::server) mod tests;
mod throttles;
pub mod tokens;
mod trash;
pub mod unfinished;
pub mod unkept;
pub mod uploads;
pub mod users_file_trouble;

use std::sync::Arc;

use self::audit::Audit;
use self::batch::Batch;
use self::current_users::CurrentUsers;
use self::downloads::Downloads;
use self::gate::Need;
use self::locking::UnderWay;
use self::op::Op;
use self::outcome::{Begun, Outcome};
use self::preconditions::Preconditions;
use self::registry::Ticket;
use self::rest::Rest;
use self::running::{OperationId, Running};
use self::session_request::SessionRequest;
use self::session_resources::SessionResources;
use self::session_store::SessionStore;
use self::uploads::Put;
use crate::auth::{Access, Link, LinkTo, Principal};
use crate::error::{Error, Kind, Result};
use crate::files::{FileMode, Hash, Hasher, Overwrite, RelPath, Seen, SeenAt, Store};
use crate::limits;
use crate::machine::source::Origin;
use crate::machine::turns;
use crate::secret::Secret;
use crate::server::events::Came;

/// Whoever is told of operations that were begun earlier and are over now, in their order: which it was, and what it came to.
pub type Earlier<'a> = &'a mut dyn FnMut(OperationId, Result<Outcome>);

/// One session's place to ask for operations. It can only be had for a [`Principal`]: before login no operation on files can
/// be expressed.
pub struct Desk {
    principal: Principal,
    users: Arc<CurrentUsers>,
    /// The version of the users that `principal` is from.
    version: u64,
    /// The session has waited for its next operation.
    rested: bool,
    rest: Rest,
    session_store: SessionStore,
    /// All of it as one store.
    store: Arc<dyn Store>,
    /// The most of a file's mode that may be taken over.
    most: FileMode,
    audit: Audit,
    resources: SessionResources,
    batch: Batch,
    /// The last reading's hasher, for the next one.
    hasher: Option<Box<Hasher>>,
    /// Of the request whose operations are asked for now.
    preconditions: Preconditions,
    /// Where downloads by links are counted that allow so many.
    downloads: Option<Arc<Downloads>>,
    /// What tells the uploads of somebody who came by a link from those of all others who did, if they said so: the hash of what they
    /// alone know.
    sender: Option<Hash>,
}

/// What a change of the users file came to for a session that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Nothing is lost.
    Kept,
    /// Something is: what is under way must be looked at ([`Desk::may_go_on`]).
    Fewer,
}

impl Desk {
    /// For this principal, who is of this version of the users, over the principal's own home and shared folders, in which files may take over
    /// so much of their modes.
    pub fn new(
        principal: Principal,
        (users, version): (Arc<CurrentUsers>, u64),
        (session_store, most): (SessionStore, FileMode),
        ticket: Arc<Ticket>,
        resources: SessionResources,
    ) -> Self {
        Desk {
            principal,
            users,
            version,
            rested: true,
            rest: Rest::default(),
            store: session_store.store(),
            session_store,
            most,
            audit: Audit::new(ticket),
            resources,
            batch: Batch::default(),
            hasher: None,
            preconditions: Preconditions::default(),
            downloads: None,
            sender: None,
        }
    }

    /// This desk, for somebody whose uploads are told from others' by what they alone know.
    pub fn of_sender(self, known: &Secret) -> Self {
        Desk { sender: Some(Hash::of(known.expose())), ..self }
    }

    /// This desk, whose downloads are counted there if its principal came by a link that allows so many.
    pub fn counting(self, downloads: Arc<Downloads>) -> Self {
        Desk { downloads: Some(downloads), ..self }
    }

    /// Where downloads by links are counted that allow so many.
    pub fn downloads(&self) -> Option<&Arc<Downloads>> {
        self.downloads.as_ref()
    }

    /// Who asks.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The users in force.
    pub fn users(&self) -> &CurrentUsers {
        &self.users
    }

    /// The session goes on as who its user is now.
    pub fn renew(&mut self, principal: Principal) {
        self.principal = principal;
    }

    /// Where operations are written down.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// The session's entry in the registry.
    pub fn ticket(&self) -> &Arc<Ticket> {
        self.audit.ticket()
    }

    /// What ties the session to others of the same login.
    pub fn resources(&self) -> &SessionResources {
        &self.resources
    }

    /// Before an operation: the users file is looked at again if the client has waited since the last one.
    pub fn look_at_users(&mut self) {
        let at_most = if std::mem::take(&mut self.rested) { Default::default() } else { limits::USERS_FILE_FRESH };
        self.users.refresh(at_most);
    }

    /// Before each step: the session's rights are those of the users in force.
    ///
    /// # Errors
    /// Why the session has to end.
    pub fn keep_up(&mut self) -> Result<Rights, Kind> {
        if let Some(why) = self.ticket().ended() {
            return Err(why);
        }
        let version = self.users.version();
        if version == self.version {
            return Ok(Rights::Kept);
        }
        self.version = version;
        let now = self.users.latest().renew(&self.principal).ok_or(Kind::Revoked)?;
        let (before, after) = (self.principal.grants(), now.grants());
        let is_less = match before.is_uniform() && after.is_uniform() {
            true => before.access.without(after.access) != Access::NONE,
            // What it comes to is asked of each operation.
            false => before != after,
        };
        let other_folders = !before.has_same_folders(after);
        let other_terms = self.principal.home_terms() != now.home_terms();
        self.principal = now;
        if other_terms && !self.session_store.keep_by(&self.principal) {
            return Err(Kind::Revoked);
        }
        if other_folders || other_terms {
            turns::block_in_place(|| self.session_store.share(self.principal.grants()));
            self.store = self.session_store.store();
        }
        Ok(if is_less { Rights::Fewer } else { Rights::Kept })
    }

    /// Whether what is under way may still be done.
    ///
    /// # Errors
    /// [`Kind::Denied`].
    pub fn may_go_on(&self, running: &Running) -> Result<()> {
        running.check(&self.principal)
    }

    /// Whether the rights of now are those that this operation needs: for what begins with others, and is of no use without it.
    ///
    /// # Errors
    /// [`Kind::Denied`].
    pub fn allows(&self, op: &Op, name: &str) -> Result<()> {
        gate::check(&self.principal, gate::need(op), name)
    }

    /// Whether a folder and all that is in it may be read, to be copied.
    ///
    /// # Errors
    /// [`Kind::Denied`].
    pub fn allows_reading_all(&self, folder: &RelPath, name: &str) -> Result<()> {
        gate::check_tree(&self.principal, Access::LIST.union(Access::DOWNLOAD), folder, name)
    }

    /// Whether by the rights of now something of this folder may be fetched.
    ///
    /// # Errors
    /// [`Kind::Denied`].
    pub fn allows_gathering(&self, folder: &RelPath, name: &str) -> Result<()> {
        gate::check(&self.principal, gate::need_of_gathering(folder), name)
    }

    /// What is at this path, for [`Desk::begin_seen`]. It tells nobody anything.
    ///
    /// # Errors
    /// Those of the store.
    pub fn seen(&self, path: &RelPath) -> Result<Seen> {
        self.store.seen(path)
    }

    /// [`Desk::begin`] of a removal, another name or a copy that is done only to what was seen at its path, and a change of names only where that was
    /// seen at the other one, if that is still there: decided in the step in which it is done.
    pub fn begin_seen(&mut self, op: Op, seen: SeenAt, name: &'static str, earlier: Earlier<'_>) -> Begun {
        // Dropped when this step is over, and with it what is done in it.
        let (running, _under_way) = match self.let_through(&op, name, earlier) {
            Ok((running, under_way)) => (running.only_to(seen), under_way),
            Err(error) => return Begun::Done(Err(error)),
        };
        match op {
            Op::Stat(path) => self.stat(&path, false, running),
            Op::StatWithRoom(path) => self.stat(&path, true, running),
            Op::SetMode { path, mode, mtime: None } => self.set_mode(&path, mode, running, earlier),
            Op::SetMode { path, mode, mtime: Some(mtime) } => self.set_folder(&path, (mtime, mode), running, earlier),
            Op::Remove { path, recursive, for_good } => self.begin_remove(&path, recursive, for_good, running),
            Op::Supersede { from, to } => self.supersede(&from, &to, running),
            Op::Rename { from, to, replace } => self.rename(&from, &to, replace, running),
            Op::ListTrash(path) => self.list_trash(&path, running),
            Op::Restore { path, id, to } => self.restore(&path, id, &to, running, earlier),
            Op::Purge { path, id } => self.purge(&path, id, running),
            Op::FindPartial(path) => self.find_partial(&path, running),
            Op::List { path, recursive, rotten, modes, marks } => {
                self.begin_list(path, recursive, jobs::listing::Told { rotten, modes, marks }, running)
            }
            Op::Read { path, offset, length, growing } => self.begin_read(&path, (offset, length), growing, running),
            Op::Hash { path, length, of } => self.begin_hash(&path, length, of, running),
            Op::Accept(path) => self.begin_accept(&path, running),
            Op::Put { path, spec, resume } => self.begin_put(path, spec, resume, running, earlier),
            Op::MakeFolder { path, parents } => self.make_folder(&path, parents, running, earlier),
            Op::Copy { from, to, over } => self.begin_copy(&from, &to, over, running, earlier),
            Op::Stage { path, spec, resume } => self.stage(path, spec, resume, running),
            Op::Part { id, offset, length } => self.begin_part(id, (offset, length), running),
            Op::Commit { id, hash } => self.commit_staged(id, hash, running),
            Op::Discard(id) => self.discard(id, running),
            Op::SetProperties { path, changes, mtime } => self.set_properties(&path, &changes, mtime, running),
            Op::Lock { path, terms } => self.lock(&path, terms, running),
            Op::RenewLock { path, lasts } => self.renew_lock(&path, lasts, running),
            Op::Unlock { path, token } => self.unlock(&path, token, running),
        }
    }

    /// Begins an operation, which its protocol calls `name`. `earlier` is told of those before it that are over now: all of
    /// them, unless this one shares their commit.
    pub fn begin(&mut self, op: Op, name: &'static str, earlier: Earlier<'_>) -> Begun {
        self.begin_seen(op, SeenAt::ANYTHING, name, earlier)
    }

    /// Lets an operation pass that may be done now.
    ///
    /// # Errors
    /// Why not, written down already.
    fn let_through(&mut self, op: &Op, name: &'static str, earlier: Earlier<'_>) -> Result<(Running, UnderWay)> {
        let running = Running::new(op, name, self.principal.grants()).presenting(self.preconditions.locks.clone());
        let facts = op.facts();
        let running = self.pass(running, facts.need, facts.shares_syncs, earlier)?;
        let (running, under_way) = self.keep_locks(op, running, earlier)?;
        let running = self.follow_links(op, running, earlier)?;
        let running = self.keep_elsewhere(op, running, earlier)?;
        let running = self.keep_names_of_copies(op, running, earlier)?;
        let running = self.keep_count(op, running, earlier)?;
        Ok((running, under_way))
    }

    /// Lets an operation pass that gives nothing past the count of a link: from the hashes of the first byte, the first two and so
    /// on a file can be put together that was never downloaded, and a link that is used up tells of nothing any more.
    fn keep_count(&mut self, op: &Op, running: Running, earlier: Earlier<'_>) -> Result<Running> {
        let Some(link) = self.principal.link().filter(|link| link.downloads.is_some()) else { return Ok(running) };
        let text = match op {
            // It takes a place itself, or finds none.
            Op::Read { .. } => return Ok(running),
            Op::Hash { length: Some(_), .. } => "a link that counts its downloads tells the hash of whole files alone",
            _ if self.has_downloads_left(link) => return Ok(running),
            _ => downloads::USED_UP,
        };
        self.commit(earlier);
        Err(self.failed(running, Error::new(Kind::Denied, text)))
    }

    fn has_downloads_left(&self, link: &Link) -> bool {
        let Some(downloads) = &self.downloads else { return true };
        let (users, origin) = (self.users.latest(), Origin::from(self.ticket().peer().ip()));
        turns::block_in_place(|| downloads.has_room(users.links(), link, origin))
    }

    /// Asks the gate for what concerns no files, which the caller does itself and ends with [`Desk::succeeded`] or
    /// [`Desk::failed`].
    ///
    /// # Errors
    /// The gate's refusal, written down already.
    pub fn admit(&mut self, request: SessionRequest, name: &'static str, earlier: Earlier<'_>) -> Result<Running> {
        self.pass(Running::of(request, name), gate::need_of(request), false, earlier)
    }

    /// Asks the gate. What came before is done and told of first, unless this is let through and shares its commit.
    fn pass(
        &mut self,
        mut running: Running,
        need: Need<'_>,
        shares_syncs: bool,
        earlier: Earlier<'_>,
    ) -> Result<Running> {
        self.audit.begin(&mut running);
        let allowed = gate::check(&self.principal, need, running.name());
        if allowed.is_err() || !shares_syncs {
            self.commit(earlier);
        }
        match allowed {
            Ok(()) => Ok(running),
            Err(error) => Err(self.failed(running, error)),
        }
    }

    /// Writes down what was not understood, after all that was. `name` is what its protocol calls it, as far as that is
    /// known.
    pub fn refuse(&mut self, name: Option<&'static str>, error: Error, earlier: Earlier<'_>) -> Error {
        self.commit(earlier);
        match name {
            Some(name) => self.failed(Running::unknown(name), error),
            None => {
                self.audit.own_trouble(&error);
                error
            }
        }
    }

    /// Writes down that this is done.
    pub fn succeeded(&self, running: &Running) {
        self.audit.succeeded(&self.principal, running, Came::DONE, 0);
    }

    /// Writes down that this failed.
    pub fn failed(&self, running: Running, error: Error) -> Error {
        self.audit.failed(&self.principal, running, error)
    }

    /// Writes down what it came to, and says as much of it as its user may know.
    fn ended(&self, running: Running, result: Result<Outcome>) -> Result<Outcome> {
        let is_told = self.may_be_told(&running, &result);
        let ended = self.audit.ended(&self.principal, running, result);
        if is_told { ended } else { ended.map(Outcome::untold) }
    }

    fn over(&self, running: Running, result: Result<Outcome>) -> Begun {
        Begun::Done(self.ended(running, result))
    }

    /// Commits all that waits for it, and tells of it.
    pub fn commit(&mut self, earlier: Earlier<'_>) {
        if self.batch.is_empty() {
            return;
        }
        let Desk { principal, users, store, audit, batch, .. } = self;
        let told = &mut |running: Running, done| earlier(running.id(), audit.committed(principal, running, done));
        batch.commit(store, &|running| may_store((principal, users), audit, &**store, running), told);
    }

    /// If it has gathered enough, the batch is committed while the next bytes come in.
    fn commit_if_full(&mut self, earlier: Earlier<'_>) {
        if !self.batch.is_full() {
            return;
        }
        let Desk { principal, users, store, audit, batch, .. } = self;
        let told = &mut |running: Running, done| earlier(running.id(), audit.committed(principal, running, done));
        batch.commit_aside(store, &|running| may_store((principal, users), audit, &**store, running), told);
    }

    /// Before a farewell to somebody whose account is gone: what is not in its place by now is not put there any more.
    pub fn drop_uncommitted(&mut self, earlier: Earlier<'_>) {
        let Desk { principal, audit, batch, .. } = self;
        batch.settle(&mut |running: Running, done| earlier(running.id(), audit.committed(principal, running, done)));
        batch.drop_pending();
    }

    /// The client is gone, maybe in the middle of an upload: what can be resumed is put away, the rest dropped.
    pub fn hang_up(&mut self, put: Option<Put>) {
        // What is kept is synced, and a commit that is under way is waited for.
        turns::block_in_place(|| {
            if let Some(put) = put {
                // Not in the name of somebody who may not any more, and not beyond the server's end.
                let goes_on = self.users.latest().renew(&self.principal).is_some();
                put.leave(goes_on && !self.ticket().registry().is_stopping());
            }
            // What is on its way to the disk gets there, and is told of; what has only gathered is given up.
            let Desk { principal, audit, batch, .. } = self;
            batch.settle(&mut |running, done| drop(audit.committed(principal, running, done)));
            batch.drop_pending();
            self.resources.hang_up();
        });
    }

    /// Whether an upload to this path may replace a file now.
    fn overwrite(&self, path: Option<&RelPath>) -> Overwrite {
        overwrite(&self.principal, path)
    }

    /// A hasher, the last file's if there was one: it is large, and small files come by the thousand.
    fn spare_hasher(&mut self) -> Box<Hasher> {
        self.hasher.take().unwrap_or_default()
    }
}

/// Whether a file may be put in its place now, and whether in that of another. What comes with it is held until it is there.
fn may_store(
    (principal, users): (&Principal, &CurrentUsers),
    audit: &Audit,
    store: &dyn Store,
    running: &Running,
) -> Result<(Overwrite, UnderWay)> {
    running.check(principal)?;
    let under_way = locking::take_place(audit.ticket().registry(), (principal, users), store, running)?;
    Ok((overwrite(principal, running.target()), under_way))
}

/// Whether an upload of this principal to this path may replace a file now.
fn overwrite(principal: &Principal, path: Option<&RelPath>) -> Overwrite {
    match principal.link().map(|link| link.to) {
        Some(LinkTo::Inbox(_)) => Overwrite::Numbered,
        Some(LinkTo::File | LinkTo::Folder) | None => gate::overwrite(principal.grants(), path),
    }
}
