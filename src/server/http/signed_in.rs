//! Those who have logged in by the form: what a browser's cookie stands for.
//!
//! A cookie is 32 random bytes, of which the server keeps only the BLAKE3. It is void when it was not used for some hours, some
//! days after the login, at the logout, when its user is kicked, and as soon as a login would not give the same user any more. A
//! server that ends in order hands it on to the next one.

use std::collections::HashMap;
use std::time::Instant;

use crate::auth::{Principal, Users};
use crate::error::Result;
use crate::files::Hash;
use crate::limits;
use crate::random;
use crate::secret::Secret;
use crate::server::handed_on::{HandedCookie, Moment};
use crate::sync::{Mutex, MutexGuard};

/// All of them.
pub struct SignedIn {
    entries: Mutex<HashMap<Hash, Entry>>,
    /// The most of one user, or of one link.
    of_user: usize,
}

impl Default for SignedIn {
    fn default() -> SignedIn {
        SignedIn { entries: Mutex::default(), of_user: limits::WEB_COOKIES_OF_USER }
    }
}

struct Entry {
    principal: Principal,
    since: Instant,
    used: Instant,
}

impl Entry {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.used) >= limits::WEB_COOKIE_IDLE
            || now.duration_since(self.since) >= limits::WEB_COOKIE_LIFETIME
    }
}

impl SignedIn {
    /// Those who came by links with a password, each of which many people may have.
    pub fn of_links() -> SignedIn {
        SignedIn { of_user: limits::WEB_COOKIES_OF_LINK, ..SignedIn::default() }
    }

    /// A cookie for somebody who has proven who they are. Where there are too many, of the user's or of all, the one that was
    /// not used for the longest time is void.
    ///
    /// # Errors
    /// [`Kind::Internal`] without random numbers.
    pub fn add(&self, principal: Principal, now: Instant) -> Result<Secret> {
        let cookie = random::digits(limits::WEB_COOKIE_BYTES)?;
        let mut entries = self.lock();
        entries.retain(|_, entry| !entry.is_over(now));
        let of_user = |entry: &Entry| entry.principal.name() == principal.name();
        if entries.values().filter(|entry| of_user(entry)).count() >= self.of_user {
            drop_oldest(&mut entries, of_user);
        }
        if entries.len() >= limits::WEB_COOKIES {
            drop_oldest(&mut entries, |_| true);
        }
        entries.insert(Hash::of(cookie.expose()), Entry { principal, since: now, used: now });
        Ok(cookie)
    }

    /// Whose cookie this is, with the rights of today; it counts as used.
    pub fn find(&self, cookie: &Secret, users: &Users, now: Instant) -> Option<Principal> {
        // By its hash: how long looking it up takes tells nothing of any cookie.
        let hash = Hash::of(cookie.expose());
        let mut entries = self.lock();
        let entry = entries.get_mut(&hash)?;
        let principal = if entry.is_over(now) { None } else { users.renew(&entry.principal) };
        match &principal {
            Some(_) => entry.used = now,
            None => {
                entries.remove(&hash);
            }
        }
        principal
    }

    /// This one is void.
    pub fn remove(&self, cookie: &Secret) {
        self.lock().remove(&Hash::of(cookie.expose()));
    }

    /// Those of this user are void. How many there were.
    pub fn remove_user(&self, name: &str) -> usize {
        self.lock().extract_if(|_, entry| entry.principal.name() == name).count()
    }

    /// Those of whom a login would not give the same user any more are void, also when nobody uses them before the user is back.
    pub fn keep_users(&self, users: &Users) {
        self.lock().retain(|_, entry| users.renew(&entry.principal).is_some());
    }

    /// Those that count now, for the next server.
    pub fn to_hand_on(&self, moment: &Moment) -> Vec<HandedCookie> {
        let entries = self.lock();
        let counting = entries.iter().filter(|(_, entry)| !entry.is_over(moment.now));
        let told = counting.filter_map(|(cookie, entry)| {
            Some(HandedCookie {
                cookie: cookie.to_string(),
                user: entry.principal.name().to_owned(),
                login: entry.principal.login_tag()?.to_string(),
                from: entry.principal.from(),
                since: moment.seconds_of(entry.since),
                used: moment.seconds_of(entry.used),
            })
        });
        told.collect()
    }

    /// Those that the last server had, of users who would log in by the same password now. How many there are.
    pub fn take_over(&self, handed: Vec<HandedCookie>, users: &Users, moment: &Moment) -> usize {
        let mut entries = self.lock();
        for cookie in handed.into_iter().take(limits::WEB_COOKIES) {
            let entry = || {
                let principal = users.known_again(&cookie.user, cookie.login.parse().ok()?, cookie.from)?;
                // A clock that was set back makes none of them younger than now.
                let at = |seconds| moment.at(seconds).map(|at| at.min(moment.now));
                Some(Entry { principal, since: at(cookie.since)?, used: at(cookie.used)? })
            };
            if let (Ok(hash), Some(entry)) = (cookie.cookie.parse(), entry().filter(|entry| !entry.is_over(moment.now)))
            {
                entries.insert(hash, entry);
            }
        }
        entries.len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, Entry>> {
        self.entries.lock()
    }
}

fn drop_oldest(entries: &mut HashMap<Hash, Entry>, among: impl Fn(&Entry) -> bool) {
    let oldest = entries.iter().filter(|(_, entry)| among(entry)).min_by_key(|(_, entry)| entry.used);
    let oldest = oldest.map(|(hash, _)| *hash);
    oldest.and_then(|hash| entries.remove(&hash));
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn users(alice: &str) -> Users {
        let entry = |name: &str, password: &str| {
            let hash = crate::auth::hash_password(&Secret::new(password)).unwrap();
            format!("[users.{name}]\npassword = \"{hash}\"\n")
        };
        Users::parse(&(entry("alice", alice) + &entry("bob", "b")), "users.toml").unwrap()
    }

    #[test]
    fn a_cookie_is_void_when_idle_when_old_and_when_its_user_is_another() {
        let (table, now, before) = (SignedIn::default(), Instant::now(), users("a"));
        let alice = before.verify("alice", &Secret::new("a"), HERE).unwrap();
        let add = || table.add(alice.clone(), now).unwrap();
        let is_alice = |cookie: &Secret, users: &Users, at| table.find(cookie, users, at).is_some();
        let cookie = add();
        assert_eq!(cookie.expose().len(), 64);
        let soon = limits::WEB_COOKIE_IDLE - Duration::from_secs(1);
        assert!(is_alice(&cookie, &before, now + soon) && is_alice(&cookie, &before, now + soon * 2), "used meanwhile");
        assert!(!is_alice(&cookie, &before, now + soon * 4), "not used for too long");
        let cookie = add();
        let mut at = now;
        while at + soon < now + limits::WEB_COOKIE_LIFETIME {
            at += soon;
            assert!(is_alice(&cookie, &before, at));
        }
        assert!(!is_alice(&cookie, &before, now + limits::WEB_COOKIE_LIFETIME), "however often it was used");
        let cookie = add();
        assert!(!is_alice(&Secret::new("0".repeat(64)), &before, now));
        assert!(!is_alice(&cookie, &users("other"), now), "another password");
        assert!(!is_alice(&cookie, &before, now), "and that is for good");
        let cookie = add();
        table.remove_user("bob");
        assert!(is_alice(&cookie, &before, now));
        table.remove_user("alice");
        assert!(!is_alice(&cookie, &before, now));
    }

    #[test]
    fn there_are_only_so_many_of_a_user_and_in_all() {
        let (table, now, users) = (SignedIn::default(), Instant::now(), users("a"));
        let principal = |name: &str, password: &str| users.verify(name, &Secret::new(password), HERE).unwrap();
        let bobs = table.add(principal("bob", "b"), now).unwrap();
        let first = table.add(principal("alice", "a"), now).unwrap();
        for n in 1..=limits::WEB_COOKIES_OF_USER as u64 {
            table.add(principal("alice", "a"), now + Duration::from_secs(n)).unwrap();
        }
        assert!(table.find(&first, &users, now).is_none(), "the oldest made room");
        assert!(table.find(&bobs, &users, now).is_some(), "and nobody else's did");
        assert_eq!(table.lock().len(), limits::WEB_COOKIES_OF_USER + 1);
        let (links, now) = (SignedIn::of_links(), Instant::now());
        let first = links.add(principal("alice", "a"), now).unwrap();
        for n in 1..=limits::WEB_COOKIES_OF_USER as u64 {
            links.add(principal("alice", "a"), now + Duration::from_secs(n)).unwrap();
        }
        assert!(links.find(&first, &users, now).is_some(), "many people have one link");
    }
}
