//! The users file as it is now: looked at again and again, read when it has changed and is whole. While it cannot be
//! read, the last good one stays in force and the log says so.

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use crate::auth::{Link, Links, OwnChange, Principal, StateFolder, Users};
use crate::error::{Error, Kind, Result};
use crate::files::Location;
use crate::limits;
use crate::secret::Secret;
use crate::server::desk::users_file_trouble::UsersFileTrouble;

/// The users that are in force.
pub struct CurrentUsers {
    /// None: they never change.
    path: Option<PathBuf>,
    /// Where what users do themselves is kept; none: they can do nothing.
    own: Option<StateFolder>,
    /// One change by a user at a time: each is on the disk before it is in force.
    changing: Mutex<()>,
    state: Mutex<State>,
    /// The users of `state`, for those who must not wait for a disk: that is locked while a file is read.
    in_force: RwLock<Arc<Users>>,
    /// Counts the changes, so that a session sees at no cost that there was none.
    version: AtomicU64,
    started: Instant,
    /// When the file was last looked at, in milliseconds after `started`.
    looked: AtomicU64,
    /// Told of every change before sessions that there are see the new users.
    listener: OnceLock<Listener>,
    /// Told of every change of what is to be known of the file.
    trouble_listener: OnceLock<TroubleListener>,
    /// The shared folders elsewhere that can be reached, and whether something can be changed there; none: all can.
    reach: OnceLock<Vec<(PathBuf, bool)>>,
}

type Listener = Box<dyn Fn(&Users) + Send + Sync>;
type TroubleListener = Box<dyn Fn(&UsersFileTrouble) + Send + Sync>;

struct State {
    users: Arc<Users>,
    /// The file they were read from.
    read: Stamp,
    /// Up to when keys that expire were noticed.
    seen_until: SystemTime,
    /// What the file became, and when that was first seen: it may still be being written.
    restless: Option<(Stamp, Instant)>,
    trouble: Option<Trouble>,
    /// How many users the last change took away, of how many, if those were most.
    lost: Option<(usize, usize)>,
    /// When what could not be read of users was last tried again.
    own_tried: Instant,
    /// What was told last.
    told: UsersFileTrouble,
}

/// Why the file cannot be used.
struct Trouble {
    text: String,
    /// What could not be read; none if nothing was there to be looked at.
    stamp: Option<Stamp>,
    tried: Instant,
    said: Instant,
}

/// What changes when a file is edited, replaced, or given to somebody else.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    /// Device, number, and when it was made where that is known: the number of a file that is gone is soon another's.
    file: (u64, u64, Option<SystemTime>),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Result<Stamp> {
        let meta = std::fs::metadata(path).map_err(|err| Error::file(path.display(), err))?;
        Ok(Stamp {
            file: (meta.dev(), meta.ino(), meta.created().ok()),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }

    /// Whether it was surely whole when it became what it is: only its owner or mode has changed since it was read, or it
    /// is another file, which got its name (that changes `changed`) after its last write, as `sealiftd user` does it.
    fn is_whole(&self, before: &Stamp) -> bool {
        if self.file == before.file {
            (self.size, self.modified) == (before.size, before.modified)
        } else {
            self.changed > self.modified
        }
    }
}

impl CurrentUsers {
    /// Reads the users file, and what users did themselves.
    ///
    /// # Errors
    /// [`crate::Kind::BadConfig`] and those of the file system.
    pub fn load(path: &Path, own: Option<StateFolder>) -> Result<CurrentUsers> {
        let read = Stamp::of(path)?;
        let mut users = Users::load(path)?;
        take_own(&mut users, own.as_ref(), None, true);
        let users = users.with_links(links_of(own.as_ref()));
        Ok(CurrentUsers { own, ..CurrentUsers::new(Some(path.to_owned()), read, users) })
    }

    /// These users, for good.
    pub fn unchanging(users: Users) -> CurrentUsers {
        CurrentUsers::new(None, Stamp { file: (0, 0, None), size: 0, modified: (0, 0), changed: (0, 0) }, users)
    }

    fn new(path: Option<PathBuf>, read: Stamp, users: Users) -> CurrentUsers {
        let users = Arc::new(users);
        CurrentUsers {
            in_force: RwLock::new(users.clone()),
            path,
            own: None,
            changing: Mutex::default(),
            state: Mutex::new(State {
                users,
                read,
                seen_until: SystemTime::now(),
                restless: None,
                trouble: None,
                lost: None,
                own_tried: Instant::now(),
                told: UsersFileTrouble::default(),
            }),
            version: AtomicU64::new(0),
            started: Instant::now(),
            looked: AtomicU64::new(0),
            listener: OnceLock::new(),
            trouble_listener: OnceLock::new(),
            reach: OnceLock::new(),
        }
    }

    /// Has this told of every change from now on. Only the first call counts.
    pub fn on_change(&self, listener: impl Fn(&Users) + Send + Sync + 'static) {
        let _ = self.listener.set(Box::new(listener));
    }

    /// Has this told how the file stands whenever that changes. Only the first call counts.
    pub fn on_trouble(&self, listener: impl Fn(&UsersFileTrouble) + Send + Sync + 'static) {
        let _ = self.trouble_listener.set(Box::new(listener));
    }

    /// From now on no shared folder elsewhere can be reached but those of the users in force, and what nobody may change there now
    /// cannot be changed later.
    pub fn confine(&self) {
        let users = self.latest();
        let elsewhere = users.shares().folders().iter().filter_map(|folder| match folder.location() {
            Location::Elsewhere(path) => Some((path.clone(), folder.is_changed())),
            Location::Below(_) => None,
        });
        let _ = self.reach.set(elsewhere.collect());
    }

    /// Fails if these users share what cannot be reached.
    fn check_reach(&self, users: &Users, file: &Path) -> Result<()> {
        let Some(reach) = self.reach.get() else { return Ok(()) };
        for folder in users.shares().folders() {
            let Location::Elsewhere(path) = folder.location() else { continue };
            let around = || reach.iter().filter(|(known, _)| path.starts_with(known));
            let why = match (around().count(), around().any(|(_, is_changed)| *is_changed)) {
                (0, _) => "this server shut itself out of",
                (_, false) if folder.is_changed() => {
                    "somebody may change something now, and this server can only read in"
                }
                _ => continue,
            };
            let place = format!("{}:{}", file.display(), folder.line());
            let text = format!(
                "{place}: path of [folders.{}]: {why} {} when it started: needs a restart",
                folder.name(),
                path.display()
            );
            return Err(Error::new(Kind::BadConfig, text));
        }
        Ok(())
    }

    /// The users as the file has them now.
    pub fn now(&self) -> Arc<Users> {
        self.look(Instant::now()).users.clone()
    }

    /// The users that are in force, without a look at the file, and without waiting for anybody who has one.
    pub fn latest(&self) -> Arc<Users> {
        self.in_force.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes whenever the users in force do.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Looks at the file unless somebody has within this time.
    pub fn refresh(&self, at_most: Duration) {
        let now = Instant::now();
        let looked = Duration::from_millis(self.looked.load(Ordering::Relaxed));
        if now.duration_since(self.started).saturating_sub(looked) >= at_most {
            drop(self.look(now));
        }
    }

    /// How many users the last change of the file took away, if those were most.
    pub fn lost(&self) -> Option<usize> {
        self.lock().lost.map(|(lost, _)| lost)
    }

    /// How the file stands, for people.
    pub fn file_trouble(&self) -> UsersFileTrouble {
        self.lock().file_trouble()
    }

    /// Looks at the file from a thread of its own, so that a change is noticed when nobody gives a command. The thread
    /// ends when nobody else has the users any more.
    ///
    /// # Errors
    /// That there is no thread to be had.
    pub fn watch(self: &Arc<Self>) -> Result<()> {
        let users = Arc::downgrade(self);
        let failed = |err| Error::file("a thread to watch the users file", err);
        let watching = move || {
            while let Some(users) = users.upgrade() {
                let restless = users.look(Instant::now()).restless.is_some();
                drop(users);
                std::thread::sleep(if restless { limits::USERS_FILE_REST } else { limits::USERS_FILE_LOOK });
            }
        };
        std::thread::Builder::new().name("users".into()).spawn(watching).map(drop).map_err(failed)
    }

    /// Whoever comes while the file is read waits: the answer must not depend on who saw the change first.
    fn look(&self, now: Instant) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        if let Some(path) = &self.path {
            match Stamp::of(path) {
                Err(error) => state.report(&error, None, now),
                Ok(stamp) => match state.read_changed(path, stamp, now) {
                    Ok(Some(users)) => match self.check_reach(&users, path) {
                        Ok(()) => self.take_over(&mut state, users, stamp, path),
                        Err(error) => state.report(&error, Some(stamp), now),
                    },
                    Ok(None) => {}
                    Err(error) => state.report(&error, Some(stamp), now),
                },
            }
            self.mend_own(&mut state, now);
            self.notice_expired(&mut state);
            let since = now.duration_since(self.started).as_millis();
            let told = state.file_trouble();
            if told != state.told {
                if let Some(listener) = self.trouble_listener.get() {
                    listener(&told);
                }
                state.told = told;
            }
            self.looked.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        state
    }

    /// What is kept of a user, and could not be read, is read again now and then.
    fn mend_own(&self, state: &mut State, now: Instant) {
        let Some(folder) = &self.own else { return };
        if now.duration_since(state.own_tried) < limits::USERS_FILE_RETRY {
            return;
        }
        state.own_tried = now;
        if state.users.has_damaged_own()
            && let Some(users) = state.users.with_mended_own(folder)
        {
            tracing::info!("what is kept of a user can be used again");
            self.put_in_force(state, users);
        }
    }

    /// A key or a user that expires is a change, though the file stays as it is.
    fn notice_expired(&self, state: &mut State) {
        let now = SystemTime::now();
        if state.users.expired_between(state.seen_until, now) {
            if let Some(listener) = self.listener.get() {
                listener(&state.users);
            }
            self.version.fetch_add(1, Ordering::Release);
        }
        state.seen_until = now;
    }

    fn take_over(&self, state: &mut State, mut users: Users, read: Stamp, path: &Path) {
        tracing::info!(file = %path.display(), "users file read again");
        state.lost = most_lost(&state.users, &users);
        if let Some((lost, of)) = state.lost {
            tracing::warn!(file = %path.display(), lost, of, "{}", said_of_loss(lost, of));
        }
        take_own(&mut users, self.own.as_ref(), Some(&state.users), state.lost.is_some());
        users = users.with_links(state.users.links().clone());
        self.put_in_force(state, users);
        state.read = read;
        state.restless = None;
        state.mended(path);
    }

    fn put_in_force(&self, state: &mut State, users: Users) {
        let users = Arc::new(users);
        // Before the listener ends what these users do not allow: nobody enters by the earlier ones behind its back.
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = users.clone();
        if let Some(listener) = self.listener.get() {
            listener(&users);
        }
        state.users = users;
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Whether a user can use the invitation with this secret now and from there.
    ///
    /// # Errors
    /// As [`Users::check_invitation`]; [`Kind::LoginFailed`] where nothing is kept of users.
    pub fn check_invitation(&self, user: &str, secret: &Secret, from: IpAddr) -> Result<()> {
        let none = || Error::new(Kind::LoginFailed, "this server invites nobody");
        self.now().check_invitation(self.own.as_ref().ok_or_else(none)?, user, secret, from)
    }

    /// Has a user change something about the own login: `change` puts it on the disk, and it is in force when this returns.
    /// `renewed` is told who the user is then, if the password changed, before anybody's session ends because of it.
    ///
    /// # Errors
    /// Those of `change`; [`Kind::Denied`] where nothing is kept of users; [`Kind::Revoked`] if the users file has another
    /// entry for the user by then.
    pub fn change_own(
        &self,
        change: impl FnOnce(&Users, &StateFolder) -> Result<OwnChange>,
        renewed: impl FnOnce(Option<&Principal>),
    ) -> Result<Option<Principal>> {
        let folder = self.own.as_ref();
        let folder = folder.ok_or_else(|| Error::new(Kind::Denied, "this server keeps nothing of what users do"))?;
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let change = change(&self.now(), folder)?;
        let (name, used) = (change.user().to_owned(), change.invitation().map(str::to_owned));
        let mut state = self.lock();
        let Some((users, principal)) = state.users.with_own(change) else {
            if state.users.get(&name).is_none() {
                // Removed meanwhile: nothing is kept of who is gone.
                folder.remove(&name)?;
            }
            return Err(Error::new(Kind::Revoked, "your account has changed just now"));
        };
        renewed(principal.as_ref());
        self.put_in_force(&mut state, users);
        drop(state);
        if let Some(Err(error)) = used.map(|id| folder.revoke(&id)) {
            // It is written down that it was used: the file only takes room.
            tracing::warn!(%error, "an invitation that was used stays where it was");
        }
        Ok(principal)
    }

    /// Withdraws a link of this user: it gives nothing any more when this returns, and sessions of whoever came by it end.
    ///
    /// # Errors
    /// As [`Users::remove_link`].
    pub fn remove_link(&self, principal: &Principal, name: &str) -> Result<Arc<Link>> {
        let removed = self.latest().remove_link(principal, name);
        if removed.as_ref().is_err_and(|error| error.kind() == Kind::NotFound) {
            // Nothing has changed: no login that is remembered has to be proved again.
            return removed;
        }
        // Also where the disk failed: it is of no use by then.
        let state = self.lock();
        if let Some(listener) = self.listener.get() {
            listener(&state.users);
        }
        self.version.fetch_add(1, Ordering::Release);
        removed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each field is whole by itself: a panic elsewhere leaves nothing half-changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes over what users did themselves, and says what is wrong with it. What is kept of those who are gone is kept on if so many
/// are that it may be a mistake.
fn take_own(users: &mut Users, folder: Option<&StateFolder>, before: Option<&Users>, keeps_gone: bool) {
    for error in folder.into_iter().flat_map(|folder| users.take_own(folder, before, keeps_gone)) {
        tracing::error!(
            %error,
            "what is kept of a user cannot be used: the user's passwords are refused. Removing the file makes that of the users file count again"
        );
    }
}

/// The links that are kept there. What is wrong with one is said, and it gives nothing.
fn links_of(folder: Option<&StateFolder>) -> Arc<Links> {
    let Some((links, trouble)) = folder.map(Links::load) else { return Arc::default() };
    for error in trouble {
        tracing::error!(%error, "a link cannot be used");
    }
    Arc::new(links)
}

/// How many of how many users another file has no more, if it is all of several, or most of many: it may have been cut off
/// where it still makes sense.
fn most_lost(before: &Users, after: &Users) -> Option<(usize, usize)> {
    let of = before.iter().count();
    let lost = before.iter().filter(|user| after.get(user.name()).is_none()).count();
    let all = of > 1 && lost == of;
    let most = of >= limits::USERS_MANY && 2 * lost > of;
    (all || most).then_some((lost, of))
}

fn said_of_loss(lost: usize, of: usize) -> String {
    format!(
        "the last change of the users file took {lost} of {of} users away, and their sessions have ended; if that was not \
         meant, put the earlier file back"
    )
}

impl State {
    fn file_trouble(&self) -> UsersFileTrouble {
        UsersFileTrouble {
            outdated: self.trouble.as_ref().map(|trouble| trouble.text.clone()),
            lost: self.lost.map(|(lost, of)| said_of_loss(lost, of)),
        }
    }

    /// Other users, if the file, which is this one, has changed and is whole.
    fn read_changed(&mut self, path: &Path, stamp: Stamp, now: Instant) -> Result<Option<Users>> {
        if stamp == self.read {
            self.restless = None;
            self.mended(path);
            return Ok(None);
        }
        if self.was_tried(&stamp, now) || !(stamp.is_whole(&self.read) || self.rests(stamp, now)) {
            return Ok(None);
        }
        let users = Users::load(path)?;
        // Changed while it was read: it is looked at again.
        let unchanged = Stamp::of(path).is_ok_and(|after| after == stamp);
        Ok(unchanged.then_some(users))
    }

    /// Whether the file has been this one for a moment, as far as was seen.
    fn rests(&mut self, stamp: Stamp, now: Instant) -> bool {
        match self.restless {
            Some((seen, since)) if seen == stamp => now.duration_since(since) >= limits::USERS_FILE_REST,
            _ => {
                self.restless = Some((stamp, now));
                false
            }
        }
    }

    /// Whether this very file could not be read a moment ago: it is not read at every command, but again soon.
    fn was_tried(&mut self, stamp: &Stamp, now: Instant) -> bool {
        let tried = self.trouble.as_ref().filter(|trouble| trouble.stamp.as_ref() == Some(stamp));
        tried.is_some_and(|trouble| now.duration_since(trouble.tried) < limits::USERS_FILE_RETRY)
    }

    /// Says that the file cannot be used, once and then every minute.
    fn report(&mut self, error: &Error, stamp: Option<Stamp>, now: Instant) {
        let text = error.to_string();
        let known = self.trouble.as_ref().filter(|known| known.text == text && known.stamp == stamp);
        let said =
            known.map(|trouble| trouble.said).filter(|said| now.duration_since(*said) < limits::USERS_FILE_REPEAT);
        if said.is_none() {
            tracing::error!(%error, "the users file cannot be used; the last good one stays in force");
        }
        self.trouble = Some(Trouble { text, stamp, tried: now, said: said.unwrap_or(now) });
    }

    fn mended(&mut self, path: &Path) {
        if self.trouble.take().is_some() {
            tracing::info!(file = %path.display(), "the users file can be used again");
        }
    }
}

#[cfg(test)]
#[path = "current_users_tests.rs"]
mod tests;
