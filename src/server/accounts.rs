//! Logins: the users file as it is now, and argon2 in bounds.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::login_queue::{LoginQueue, Permit};
use super::source::Source;
use super::turns::{Places, Turns, cores};
use crate::auth::{Principal, Users, is_anonymous};
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::secret::Secret;

/// Who may log in. The users file is read again when it has changed, so that `sealiftd user add` needs no restart; a
/// broken one is reported and the last good one stays in force.
pub struct Accounts {
    path: PathBuf,
    current: Mutex<(Stamp, Arc<Users>)>,
    /// As many checks at once as there are cores.
    queue: Arc<LoginQueue>,
    /// Threads of their own: a login waits for no session's work.
    turns: Arc<Turns>,
}

/// What changes when a file is edited or replaced: inode, time and size. The time alone is too coarse for two changes
/// in a row.
type Stamp = Option<(u64, SystemTime, u64)>;

impl Accounts {
    /// Reads the users file.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] and those of the file system.
    pub fn load(path: &Path) -> Result<Accounts> {
        let stamp = stamp(path);
        let users = Arc::new(Users::load(path)?);
        Ok(Accounts {
            path: path.to_owned(),
            current: Mutex::new((stamp, users)),
            queue: LoginQueue::new(cores()),
            turns: Turns::new("login", Places::only(cores() + limits::LOGIN_THREADS_BESIDE)),
        })
    }

    /// The most memory that logins can take together, in KiB.
    pub fn worst_case_memory_kib(&self) -> u64 {
        login_memory_kib(&self.users())
    }

    /// Checks a password for somebody who connected from there.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`]; [`Kind::Busy`] if too many are waiting for their turn.
    pub async fn verify(self: &Arc<Self>, source: &Source, user: String, password: Secret) -> Result<Principal> {
        // Anonymous reading takes no argon2, so it need not wait behind a flood of guesses.
        let permit = if is_anonymous(&user) { None } else { Some(self.permit(source).await?) };
        let accounts = self.clone();
        // The permit belongs to the work: when the connection is gone the hashing still goes on.
        let checked = self.turns.run(source, move || {
            let result = accounts.users().verify(&user, &password);
            drop(permit);
            result
        });
        checked.await?
    }

    /// Does blocking work that belongs to a login, such as a look at the users file, on the threads of logins.
    ///
    /// # Errors
    /// [`Kind::Internal`]: a thread has vanished.
    pub async fn run<T: Send + 'static>(
        &self,
        source: &Source,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        self.turns.run(source, work).await
    }

    async fn permit(&self, source: &Source) -> Result<Permit> {
        let turn = async_std::future::timeout(limits::LOGIN_QUEUE_TIMEOUT, self.queue.turn(source));
        let busy = || Error::new(Kind::Busy, "too many people are logging in at once");
        turn.await.ok().flatten().ok_or_else(busy)
    }

    /// The users as the file has them now.
    pub fn users(&self) -> Arc<Users> {
        let now = stamp(&self.path);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0 != now {
            match Users::load(&self.path) {
                Ok(users) => {
                    tracing::info!(file = %self.path.display(), "users file read again");
                    current.1 = Arc::new(users);
                }
                Err(error) => tracing::error!(%error, "users file changed but cannot be used; the last good one stays"),
            }
            current.0 = now;
        }
        current.1.clone()
    }
}

fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.ino(), meta.modified().ok()?, meta.len()))
}

/// The most memory that logins of these users can take together, in KiB: that of the largest hash, as often as this
/// machine has cores.
pub fn login_memory_kib(users: &Users) -> u64 {
    u64::from(users.worst_case_memory_kib()) * cores() as u64
}
