//! One-time tokens: one login, paid for once, opens several connections.
//!
//! A token is as good as the password for one login, so it is treated as one: 32 random bytes, of which the server
//! keeps only the BLAKE3; used once, for a short time, from where it was given out, as long as the session that got it
//! lives and nothing of its user has changed.

use std::collections::HashMap;
use std::time::Instant;

use crate::auth::Principal;
use crate::error::{Error, Kind, Result};
use crate::files::Hash;
use crate::limits;
use crate::machine::source::Origin;
use crate::random;
use crate::secret::Secret;
use crate::server::desk::registry::SessionId;
use crate::sync::{Mutex, MutexGuard};

/// All tokens that can still be used.
pub struct Tokens {
    /// Whether this principal would be the same if it logged in now.
    still_valid: Box<dyn Fn(&Principal) -> bool + Send + Sync>,
    given: Mutex<HashMap<Hash, Given>>,
}

struct Given {
    principal: Principal,
    source: Origin,
    session: SessionId,
    until: Instant,
}

impl Tokens {
    /// None yet. `still_valid` says whether a principal would be the same if it logged in now.
    pub fn new(still_valid: impl Fn(&Principal) -> bool + Send + Sync + 'static) -> Self {
        Tokens { still_valid: Box::new(still_valid), given: Mutex::default() }
    }

    /// Gives a session so many tokens, fewer if there are [`limits::TOKENS_MAX`] already. Its earlier ones are void.
    ///
    /// # Errors
    /// [`Kind::Denied`] if the user has changed since the login; [`Kind::Internal`] without random numbers.
    pub fn give(
        &self,
        principal: &Principal,
        source: Origin,
        session: SessionId,
        count: u32,
        now: Instant,
    ) -> Result<Vec<Secret>> {
        if !(self.still_valid)(principal) {
            return Err(Error::new(Kind::Denied, "your account has changed since you logged in: log in again"));
        }
        let mut given = self.lock();
        given.retain(|_, token| token.session != session && token.until > now);
        let mut tokens = Vec::new();
        while tokens.len() < count as usize && given.len() < limits::TOKENS_MAX {
            let token = random::digits(limits::TOKEN_DIGITS / 2)?;
            let until = now + limits::TOKEN_LIFETIME;
            given.insert(Hash::of(token.expose()), Given { principal: principal.clone(), source, session, until });
            tokens.push(token);
        }
        Ok(tokens)
    }

    /// Takes a token, which is void from then on whatever comes of it: who may log in with it, and the session that got
    /// it.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`], in the same words whatever is wrong with it.
    pub fn redeem(&self, token: &Secret, source: Origin, now: Instant) -> Result<(Principal, SessionId)> {
        // By its hash: how long looking it up takes tells nothing of any token.
        let found = self.lock().remove(&Hash::of(token.expose()));
        found
            .filter(|token| token.until > now && token.source == source && (self.still_valid)(&token.principal))
            .map(|token| (token.principal, token.session))
            .ok_or_else(|| Error::new(Kind::LoginFailed, "no token that can be used"))
    }

    /// The tokens of this user are void.
    pub fn forget_user(&self, user: &str) {
        self.lock().retain(|_, token| token.principal.name() != user);
    }

    /// The session is over, and with it its tokens.
    pub fn forget(&self, session: SessionId) {
        self.lock().retain(|_, token| token.session != session);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, Given>> {
        self.given.lock()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::auth::Users;
    use crate::server::desk::registry::{Registry, Way};

    fn anybody() -> Principal {
        let users = Users::parse("[anonymous]\nenabled = true\n", "users.toml").unwrap();
        users.verify("anonymous", &Secret::new(""), std::net::Ipv4Addr::LOCALHOST.into()).unwrap()
    }

    fn from(text: &str) -> Origin {
        Origin::from(text.parse::<IpAddr>().unwrap())
    }

    fn session() -> SessionId {
        Registry::new().enter(Way::Login, &anybody(), "127.0.0.1:1".parse().unwrap()).unwrap().id()
    }

    struct Bench {
        tokens: Tokens,
        valid: Arc<AtomicBool>,
        now: Instant,
    }

    impl Bench {
        fn new() -> Bench {
            let valid = Arc::new(AtomicBool::new(true));
            let asked = valid.clone();
            let tokens = Tokens::new(move |_| asked.load(Ordering::Relaxed));
            Bench { tokens, valid, now: Instant::now() }
        }

        fn give(&self, session: SessionId, count: u32) -> Vec<Secret> {
            self.tokens.give(&anybody(), from("192.0.2.1"), session, count, self.now).unwrap()
        }

        fn redeem(&self, token: &Secret, source: &str, after: Duration) -> Result<SessionId, Kind> {
            let redeemed = self.tokens.redeem(token, from(source), self.now + after);
            redeemed.map(|(_, session)| session).map_err(|error| error.kind())
        }
    }

    #[test]
    fn a_token_works_once_in_its_time_from_its_source() {
        let bench = Bench::new();
        let (id, soon) = (session(), Duration::from_secs(1));
        let tokens = bench.give(id, 4);
        assert_eq!(tokens.len(), 4);
        assert!(tokens.iter().all(|token| token.expose().len() == limits::TOKEN_DIGITS));
        assert_eq!(bench.redeem(&tokens[0], "192.0.2.1", soon), Ok(id));
        assert_eq!(bench.redeem(&tokens[0], "192.0.2.1", soon), Err(Kind::LoginFailed));
        assert_eq!(bench.redeem(&tokens[1], "192.0.2.2", soon), Err(Kind::LoginFailed));
        assert_eq!(bench.redeem(&tokens[1], "192.0.2.1", soon), Err(Kind::LoginFailed), "and is void then");
        assert_eq!(bench.redeem(&tokens[2], "192.0.2.1", limits::TOKEN_LIFETIME), Err(Kind::LoginFailed));
        let mut wrong = tokens[3].expose().to_vec();
        wrong[0] ^= 1;
        assert_eq!(bench.redeem(&Secret::new(wrong), "192.0.2.1", soon), Err(Kind::LoginFailed));
        assert_eq!(bench.redeem(&tokens[3], "192.0.2.1", limits::TOKEN_LIFETIME - soon), Ok(id));
    }

    #[test]
    fn tokens_go_with_their_session_with_a_change_of_the_user_and_with_newer_ones() {
        let bench = Bench::new();
        let (one, other) = (session(), session());
        let (first, second) = (bench.give(one, 1), bench.give(other, 1));
        bench.tokens.forget(one);
        assert_eq!(bench.redeem(&first[0], "192.0.2.1", Duration::ZERO), Err(Kind::LoginFailed));
        let newer = bench.give(other, 2);
        assert_eq!(bench.redeem(&second[0], "192.0.2.1", Duration::ZERO), Err(Kind::LoginFailed));
        assert_eq!(bench.redeem(&newer[0], "192.0.2.1", Duration::ZERO), Ok(other));
        bench.valid.store(false, Ordering::Relaxed);
        assert_eq!(bench.redeem(&newer[1], "192.0.2.1", Duration::ZERO), Err(Kind::LoginFailed));
        let refused = bench.tokens.give(&anybody(), from("192.0.2.1"), one, 1, bench.now);
        assert_eq!(refused.unwrap_err().kind(), Kind::Denied);
    }

    #[test]
    fn there_are_only_so_many_and_old_ones_make_room() {
        let bench = Bench::new();
        let mut all = 0;
        while all < limits::TOKENS_MAX {
            all += bench.give(session(), limits::STREAMS_MAX - 1).len();
        }
        assert_eq!(all, limits::TOKENS_MAX);
        assert!(bench.give(session(), 1).is_empty());
        let later = Bench { now: bench.now + limits::TOKEN_LIFETIME, ..bench };
        assert_eq!(later.give(session(), 15).len(), 15);
        assert_eq!(later.tokens.lock().len(), 15);
    }
}
