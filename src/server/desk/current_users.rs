//! The users as they are now: their file is looked at again and again, and read when it has changed and is whole; a directory
//! is asked. While they cannot be had, the last good ones stay in force and the log says so.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use self::directory::{Asked, Asking};
use self::file::{Stamp, Trouble};
pub use self::reach::Reach;
use crate::auth::{
    Followed, Link, Links, OwnChange, Principal, StateFolder, Turn, UserDirectory, Users, UsersFrom, still_changing,
};
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::secret::Secret;
use crate::server::desk::users_file_trouble::UsersFileTrouble;
use crate::sync::{Mutex, MutexGuard, RwLock};

/// The users that are in force.
pub struct CurrentUsers {
    from: Origin,
    /// Where what users do themselves is kept; none: they can do nothing.
    own: Option<StateFolder>,
    /// One change by a user at a time: each is on the disk before it is in force.
    changing: Mutex<()>,
    state: Mutex<State>,
    /// Up to where it is taken over what other servers did in the state folder.
    followed: Mutex<Followed>,
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
    /// Where shared folders elsewhere may be; none: anywhere.
    reach: OnceLock<Reach>,
}

/// Where they are from.
enum Origin {
    /// A users file.
    File(PathBuf),
    /// Whoever knows them, and what is asked there.
    Directory(Arc<dyn UserDirectory>, Arc<Asking>),
    /// They never change.
    Nowhere,
}

type Listener = Box<dyn Fn(&Users) + Send + Sync>;
type TroubleListener = Box<dyn Fn(&UsersFileTrouble) + Send + Sync>;

struct State {
    users: Arc<Users>,
    /// The file they were read from.
    read: Stamp,
    /// What is known of the directory they are from.
    asked: Asked,
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

impl CurrentUsers {
    /// Reads the users, and what they did themselves.
    ///
    /// # Errors
    /// [`crate::Kind::BadConfig`] and those of the file system; those of a directory.
    pub fn load(from: UsersFrom, own: Option<StateFolder>) -> Result<CurrentUsers> {
        let (from, read, asked, mut users) = match from {
            UsersFrom::File(path) => {
                let (read, users) = (Stamp::of(&path)?, Users::load(&path)?);
                (Origin::File(path), read, Asked::default(), users)
            }
            UsersFrom::Directory(directory) => {
                let (asked, users) = (Asked::of(&*directory), directory.users()?);
                (Origin::Directory(directory, Arc::default()), Stamp::NONE, asked, users)
            }
        };
        let followed = own.as_ref().map(StateFolder::followed).unwrap_or_default();
        take_own(&mut users, own.as_ref(), None, true);
        let users = users.with_links(links_of(own.as_ref()));
        for error in own.iter().flat_map(StateFolder::damaged_invitations) {
            tracing::error!(%error, "an invitation cannot be used");
        }
        Ok(CurrentUsers { own, followed: Mutex::new(followed), ..CurrentUsers::new(from, (read, asked), users) })
    }

    /// These users, for good.
    pub fn unchanging(users: Users) -> CurrentUsers {
        CurrentUsers::new(Origin::Nowhere, (Stamp::NONE, Asked::default()), users)
    }

    fn new(from: Origin, (read, asked): (Stamp, Asked), users: Users) -> CurrentUsers {
        let users = Arc::new(users);
        CurrentUsers {
            in_force: RwLock::new(users.clone()),
            from,
            own: None,
            changing: Mutex::default(),
            followed: Mutex::default(),
            state: Mutex::new(State {
                users,
                read,
                asked,
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

    /// From now on the shared folders elsewhere are bounded so. Only the first call counts.
    ///
    /// # Errors
    /// The users in force share what they may not.
    pub fn bound(&self, reach: Reach) -> Result<()> {
        let file = match &self.from {
            Origin::File(path) => path.display().to_string(),
            Origin::Directory(..) | Origin::Nowhere => "the users".to_owned(),
        };
        reach.check(&self.latest(), &file)?;
        let _ = self.reach.set(reach);
        Ok(())
    }

    /// Fails if these users share what they may not.
    fn check_reach(&self, users: &Users, file: &str) -> Result<()> {
        self.reach.get().map_or(Ok(()), |reach| reach.check(users, file))
    }

    /// The users as the file has them now.
    pub fn now(&self) -> Arc<Users> {
        self.look(Instant::now()).users.clone()
    }

    /// The users as the file has them now, also if somebody was writing it a moment ago: waits until it has been the same for as long as
    /// it takes to count. One that goes on changing is waited for no longer than [`limits::USERS_FILE_ASKED`].
    pub fn now_at_rest(&self) -> Arc<Users> {
        let begun = Instant::now();
        loop {
            let state = self.look(Instant::now());
            if !state.waits() || begun.elapsed() >= limits::USERS_FILE_ASKED {
                return state.users.clone();
            }
            drop(state);
            std::thread::sleep(limits::USERS_FILE_REST / 4);
        }
    }

    /// The users that are in force, without a look at the file, and without waiting for anybody who has one.
    pub fn latest(&self) -> Arc<Users> {
        self.in_force.read().clone()
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
                // Who changes something himself takes that over, too, and is not to be overtaken by it.
                if let Some(_alone) = users.changing.try_lock()
                    && let Err(error) = users.take_others(None)
                {
                    tracing::debug!(%error, "what other servers did for users is not known");
                }
                let restless = users.look(Instant::now()).restless.is_some();
                drop(users);
                std::thread::sleep(if restless { limits::USERS_FILE_REST } else { limits::USERS_FILE_LOOK });
            }
        };
        std::thread::Builder::new().name("users".into()).spawn(watching).map(drop).map_err(failed)
    }

    /// Whoever comes while the file is read waits: the answer must not depend on who saw the change first. A directory may take
    /// as long as it likes, and is not waited for under the lock.
    fn look(&self, now: Instant) -> MutexGuard<'_, State> {
        let mut state = match &self.from {
            Origin::Directory(directory, asking) => self.ask(directory, asking, now),
            Origin::File(_) | Origin::Nowhere => self.lock(),
        };
        match &self.from {
            Origin::Nowhere => return state,
            Origin::Directory(..) => {}
            Origin::File(path) => match Stamp::of(path) {
                Err(error) => state.report(&error, None, now),
                Ok(stamp) => match state.read_changed(path, stamp, now) {
                    Ok(Some(users)) => match self.check_reach(&users, &path.display().to_string()) {
                        Ok(()) => self.take_over(&mut state, users, stamp, path),
                        Err(error) => state.report(&error, Some(stamp), now),
                    },
                    Ok(None) => {}
                    Err(error) => state.report(&error, Some(stamp), now),
                },
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

    /// Takes over what other servers have written into the state folder, if there are any; or the next one, to which it was left. For whoever has `changing`. Nobody who logs
    /// in waits for the disk meanwhile.
    ///
    /// # Errors
    /// That it is not known what they have.
    fn take_others(&self, turn: Option<&Turn>) -> Result<()> {
        let Some(folder) = &self.own else { return Ok(()) };
        let users = self.latest();
        let own = users.own_of_others(folder, &mut self.followed.lock(), turn);
        // Whoever changes a link takes over those of others.
        let links = if turn.is_none() { users.links().take_others() } else { Ok(false) };
        let (own, is_known) = own.map_or_else(|error| (Vec::new(), Err(error)), |own| (own, Ok(())));
        if own.is_empty() && !matches!(links, Ok(true)) {
            return is_known.and(links.map(drop));
        }
        let mut state = self.lock();
        let users = state.users.with_own_of_others(own);
        if matches!(links, Ok(true)) || users.is_some() {
            let users = users.unwrap_or_else(|| Users::clone(&state.users));
            self.put_in_force(&mut state, users);
        }
        drop(state);
        is_known.and(links.map(drop))
    }

    /// Whether users may be missing by mistake; where several servers serve, also whether another one may know more of them, by a file
    /// that this one cannot use.
    pub fn may_miss_some(&self, is_one_of_several: bool) -> bool {
        is_one_of_several && self.file_trouble().outdated.is_some() || self.lost().is_some()
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

    fn take_over(&self, state: &mut State, users: Users, read: Stamp, path: &Path) {
        tracing::info!(file = %path.display(), "users file read again");
        self.replace(state, users);
        if let Some((lost, of)) = state.lost {
            tracing::warn!(file = %path.display(), lost, of, "{}", said_of_loss(lost, of));
        }
        state.read = read;
        state.restless = None;
        state.mended(path);
    }

    /// Puts others in force, with what each did alone and with the links there are.
    fn replace(&self, state: &mut State, mut users: Users) {
        state.lost = most_lost(&state.users, &users);
        take_own(&mut users, self.own.as_ref(), Some(&state.users), state.lost.is_some());
        users = users.with_links(state.users.links().clone());
        self.put_in_force(state, users);
    }

    fn put_in_force(&self, state: &mut State, users: Users) {
        let users = Arc::new(users);
        // Before the listener ends what these users do not allow: nobody enters by the earlier ones behind its back.
        *self.in_force.write() = users.clone();
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
        let begun = Instant::now();
        // Where the file system of several servers does not answer one of them, the next ones are not to wait for ever.
        let _alone = match folder.is_shared() {
            false => self.changing.lock(),
            true => self.changing.lock_within(limits::SHARED_STATE_TURN).ok_or_else(still_changing)?,
        };
        folder.refuse_if_left()?;
        // And no other server: what one of them did just now counts here before.
        let turn = folder.alone(begun)?;
        if turn.is_some() {
            self.take_others(turn.as_ref())?;
        }
        let folder = &folder.in_turn(turn);
        let change = change(&self.now(), folder)?;
        let (name, used) = (change.user().to_owned(), change.invitation().map(str::to_owned));
        // It is in force here by what follows, also where the others cannot be told.
        let told = folder.tell(&name);
        let mut state = self.lock();
        let Some((users, principal)) = state.users.with_own(change) else {
            if state.users.get(&name).is_none() && !folder.is_shared() {
                // Removed meanwhile: nothing is kept of who is gone. Another server may have the user.
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
        told.map(|()| principal)
    }

    /// What users do is the next server's from now on: here it is refused, and what comes of it there is followed. Whoever is at it is
    /// waited for, but not for long.
    pub fn leave(&self) {
        if let Some(folder) = &self.own {
            folder.leave_all();
            drop(self.changing.lock_within(limits::CLOSE_DRAIN));
            self.latest().links().wait_for_writing();
        }
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
        self.state.lock()
    }
}

/// Takes over what users did themselves, and says what is wrong with it. What is kept of those who are gone is kept on if so many
/// are that it may be a mistake.
fn take_own(users: &mut Users, folder: Option<&StateFolder>, before: Option<&Users>, keeps_gone: bool) {
    for error in folder.into_iter().flat_map(|folder| users.take_own(folder, before, keeps_gone)) {
        tracing::error!(
            %error,
            "what is kept of a user cannot be used: the user's passwords are refused. Removing the file makes the password of the users file valid again"
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
        "the last change of the users file took {lost} of {of} users away, and their sessions have ended; if that was not intended, put the earlier file back"
    )
}

mod directory;
mod file;
mod reach;

#[cfg(test)]
#[path = "current_users_tests.rs"]
mod tests;
