//! Logins: the users file as it is now, and argon2 in bounds.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_lock::Semaphore;
use async_std::task::spawn_blocking;

use crate::auth::{Principal, Users};
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::secret::Secret;

/// Who may log in. The users file is read again when it has changed, so that `sealiftd user add` needs no restart; a
/// broken one is reported and the last good one stays in force.
pub struct Accounts {
    path: PathBuf,
    current: Mutex<(Stamp, Arc<Users>)>,
    /// Each argon2 run takes its memory and a core for tens of milliseconds: as many at once as there are cores.
    permits: Arc<Semaphore>,
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
        let permits = Arc::new(Semaphore::new(permits()));
        Ok(Accounts { path: path.to_owned(), current: Mutex::new((stamp, users)), permits })
    }

    /// The most memory that logins can take together, in KiB.
    pub fn worst_case_memory_kib(&self) -> u64 {
        self.users().worst_case_memory_kib() as u64 * permits() as u64
    }

    /// Checks a password.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`]; [`Kind::Busy`] if too many are waiting for their turn.
    pub async fn verify(self: &Arc<Self>, user: String, password: Secret) -> Result<Principal> {
        let turn = async_std::future::timeout(limits::LOGIN_QUEUE_TIMEOUT, self.permits.acquire_arc()).await;
        let Ok(permit) = turn else {
            return Err(Error::new(Kind::Busy, "too many people are logging in at once"));
        };
        let accounts = self.clone();
        // The permit belongs to the work: when the connection is gone the hashing still goes on.
        spawn_blocking(move || {
            let result = accounts.users().verify(&user, &password);
            drop(permit);
            result
        })
        .await
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

fn permits() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
