//! What a server that ends in order leaves to the next one: whom a browser's cookie stands for, and the locks of files. So a restart logs
//! nobody out, and whoever edits a document goes on having it locked. Tokens are not left, as they end with the session that got them.
//!
//! It is one file in the server's own state folder, and it is gone as soon as it is read: what was logged out or given up
//! later does not come back by it, however that later server ends. Of a cookie it has the hash, so who reads it logs in nowhere.

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::Shared;
use crate::auth::StateFolder;
use crate::error::{Error, Kind, Result};

/// The version of the file: what has another one is left aside.
const VERSION: u32 = 1;

/// All of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct HandedOn {
    version: u32,
    cookies: Vec<HandedCookie>,
    locks: Vec<HandedLock>,
}

/// Whom a cookie stands for.
#[derive(Debug, Serialize, Deserialize)]
pub struct HandedCookie {
    /// Its BLAKE3.
    pub cookie: String,
    /// The user.
    pub user: String,
    /// Which password it was: the tag of the login.
    pub login: String,
    /// Where the login came from.
    pub from: IpAddr,
    /// When that was, in seconds since 1970.
    pub since: u64,
    /// When it was last used, likewise.
    pub used: u64,
}

/// A lock.
#[derive(Debug, Serialize, Deserialize)]
pub struct HandedLock {
    /// Of what, in Base64: names need not be UTF-8.
    pub place: String,
    /// Its token, in hexadecimal digits.
    pub token: String,
    /// Who has it.
    pub user: String,
    /// Which entry of the users file that is.
    pub entry: String,
    /// Whether others may have one, too.
    pub is_shared: bool,
    /// Whether it is of all that is in a folder.
    pub deep: bool,
    /// What the client said of who has it.
    pub owner: String,
    /// For how long it was asked, in seconds.
    pub lasts: u64,
    /// When it is over, in seconds since 1970.
    pub until: u64,
}

/// One moment by both clocks: that which only goes forward, and that which another process can read.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// By the one that only goes forward.
    pub now: Instant,
    wall: SystemTime,
}

impl Moment {
    /// This one.
    pub fn now() -> Moment {
        Moment { now: Instant::now(), wall: SystemTime::now() }
    }

    /// Another moment, in seconds since 1970.
    pub fn seconds_of(&self, other: Instant) -> u64 {
        let there = match self.now.checked_duration_since(other) {
            Some(ago) => self.wall.checked_sub(ago),
            None => self.wall.checked_add(other.duration_since(self.now)),
        };
        there.and_then(|there| there.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_secs())
    }

    /// The moment so many seconds since 1970; none if it is too far away to be told.
    pub fn at(&self, seconds: u64) -> Option<Instant> {
        let there = UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
        match self.wall.duration_since(there) {
            Ok(ago) => self.now.checked_sub(ago),
            Err(ahead) => self.now.checked_add(ahead.duration()),
        }
    }
}

/// Leaves what this server has to the next one that has its state folder. That it cannot be left is logged.
pub fn leave(shared: &Shared, folder: &StateFolder) {
    let (moment, users) = (Moment::now(), shared.users.latest());
    let all = HandedOn {
        version: VERSION,
        cookies: shared.signed_in.to_hand_on(&moment),
        locks: shared.registry.locks().to_hand_on(&users, &moment),
    };
    if all.cookies.is_empty() && all.locks.is_empty() {
        return;
    }
    let written = serde_json::to_string(&all)
        .map_err(|err| Error::new(Kind::Internal, err.to_string()))
        .and_then(|text| folder.leave(&text));
    match written {
        Ok(()) => info!(cookies = all.cookies.len(), locks = all.locks.len(), "left to the next server"),
        Err(error) => warn!(%error, "browsers have to log in again after this, and locks are gone"),
    }
}

/// Takes over what the last server left, if it left something. That it cannot be taken is logged: nothing of it holds then.
pub fn take_over(shared: &Shared, folder: &StateFolder) {
    let all = match read(folder) {
        Ok(Some(all)) => all,
        Ok(None) => return,
        Err(error) => {
            warn!(%error, "what the last server left is of no use: browsers log in again, and its locks are gone");
            return;
        }
    };
    let (moment, users) = (Moment::now(), shared.users.latest());
    let cookies = shared.signed_in.take_over(all.cookies, &users, &moment);
    let locks = shared.registry.locks().take_over(all.locks, &users, &moment);
    info!(cookies, locks, "taken over from the last server");
}

fn read(folder: &StateFolder) -> Result<Option<HandedOn>> {
    let Some(text) = folder.take_left()? else { return Ok(None) };
    let all: HandedOn = serde_json::from_str(&text)
        .map_err(|err| Error::new(Kind::BadConfig, format!("it is not whole, or was changed by hand: {err}")))?;
    match all.version {
        VERSION => Ok(Some(all)),
        other => {
            Err(Error::new(Kind::BadConfig, format!("another version of Sealift wrote it (its version is {other})")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_by_the_clock_on_the_wall_and_found_again() {
        let moment = Moment::now();
        let there = |at: Instant| moment.at(moment.seconds_of(at)).unwrap();
        for away in [0, 1, 3600] {
            let away = Duration::from_secs(away);
            for at in [moment.now + away, moment.now.checked_sub(away).unwrap()] {
                let found = there(at);
                assert!(found <= at && at.duration_since(found) <= Duration::from_secs(1), "{away:?}");
            }
        }
        assert!(moment.at(u64::MAX).is_none());
    }
}
