//! Logins that succeeded a moment ago. Browsers and programs send the password with every request, and checking it costs tens
//! of milliseconds and 19 MiB: once in some minutes is enough.
//!
//! Nothing here is a password: the key of an entry is a keyed hash, under a random key of this process, over the user, the
//! password and the version of the users. Any change of the users makes all entries useless.

use std::collections::HashMap;
use std::time::Instant;

use zeroize::Zeroizing;

use crate::auth::Principal;
use crate::error::Result;
use crate::limits;
use crate::random;
use crate::secret::Secret;
use crate::sync::{Mutex, MutexGuard};

/// All of them.
pub struct Remembered {
    key: Zeroizing<[u8; blake3::KEY_LEN]>,
    entries: Mutex<HashMap<Mac, Entry>>,
}

/// Stands for a user, a password and a version of the users. Compared by the hash table, which tells nothing: who could choose
/// it would have to know the key.
type Mac = [u8; blake3::OUT_LEN];

struct Entry {
    principal: Principal,
    until: Instant,
}

impl Remembered {
    /// None yet.
    ///
    /// # Errors
    /// [`Kind::Internal`] without random numbers.
    pub fn new() -> Result<Remembered> {
        let mut key = Zeroizing::new([0; blake3::KEY_LEN]);
        random::fill(&mut *key)?;
        Ok(Remembered { key, entries: Mutex::default() })
    }

    /// Who logged in with these not long ago, while the users were of this version.
    pub fn recall(&self, user: &str, password: &Secret, version: u64, now: Instant) -> Option<Principal> {
        let entries = self.lock();
        entries
            .get(&self.mac(user, password, version))
            .filter(|entry| entry.until > now)
            .map(|entry| entry.principal.clone())
    }

    /// These have been right, for this principal.
    pub fn keep(&self, user: &str, password: &Secret, version: u64, principal: Principal, now: Instant) {
        let mac = self.mac(user, password, version);
        let mut entries = self.lock();
        if entries.len() >= limits::WEB_LOGINS_MAX && !entries.contains_key(&mac) {
            entries.retain(|_, entry| entry.until > now);
            if entries.len() >= limits::WEB_LOGINS_MAX {
                // The one that would be forgotten first is.
                let first = entries.iter().min_by_key(|(_, entry)| entry.until).map(|(mac, _)| *mac);
                first.and_then(|mac| entries.remove(&mac));
            }
        }
        entries.insert(mac, Entry { principal, until: now + limits::WEB_LOGIN_LIFETIME });
    }

    fn mac(&self, user: &str, password: &Secret, version: u64) -> Mac {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&version.to_be_bytes());
        // Its length keeps the end of a name from being the beginning of a password.
        hasher.update(&(user.len() as u64).to_be_bytes()).update(user.as_bytes()).update(password.expose());
        *hasher.finalize().as_bytes()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Mac, Entry>> {
        self.entries.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Users;

    fn anybody() -> Principal {
        let users = Users::parse("[anonymous]\nenabled = true\n", "users.toml").unwrap();
        users.verify("anonymous", &Secret::new(""), std::net::Ipv4Addr::LOCALHOST.into()).unwrap()
    }

    #[test]
    fn only_the_very_same_login_is_recalled_while_the_users_and_the_time_are() {
        let (remembered, now) = (Remembered::new().unwrap(), Instant::now());
        remembered.keep("alice", &Secret::new("secret"), 7, anybody(), now);
        let recalled = |user: &str, password: &str, version, at| {
            remembered.recall(user, &Secret::new(password), version, at).is_some()
        };
        assert!(recalled("alice", "secret", 7, now));
        assert!(!recalled("alice", "secret", 8, now), "the users have changed");
        assert!(!recalled("alice", "secret", 7, now + limits::WEB_LOGIN_LIFETIME));
        assert!(!recalled("alice", "Secret", 7, now) && !recalled("bob", "secret", 7, now));
        assert!(!recalled("alices", "ecret", 7, now), "the border between name and password counts");
    }

    #[test]
    fn there_are_only_so_many_and_the_oldest_makes_room() {
        let (remembered, now) = (Remembered::new().unwrap(), Instant::now());
        for n in 0..limits::WEB_LOGINS_MAX + 10 {
            let at = now + std::time::Duration::from_millis(n as u64);
            remembered.keep(&format!("user{n}"), &Secret::new("x"), 0, anybody(), at);
        }
        assert_eq!(remembered.lock().len(), limits::WEB_LOGINS_MAX);
        assert!(remembered.recall("user0", &Secret::new("x"), 0, now).is_none());
        assert!(remembered.recall("user10", &Secret::new("x"), 0, now).is_some());
    }
}
