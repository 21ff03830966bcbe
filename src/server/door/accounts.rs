//! Logins: argon2 in bounds, and signatures.

use std::net::IpAddr;
use std::sync::Arc;

use super::login_queue::{LoginLoad, LoginQueue, Permit};
use crate::auth::{OwnChange, Principal, StateFolder, Users, hash_password, is_anonymous};
use crate::error::{Error, Kind, Result};
use crate::keys::{Nonce, Proof, Purpose, Statement};
use crate::limits;
use crate::machine::source::Source;
use crate::machine::turns::{Places, Turns, cores};
use crate::secret::Secret;
use crate::server::desk::current_users::CurrentUsers;
use crate::tls::Pin;

/// Who may log in: whom the users file has now.
pub struct Accounts {
    current: Arc<CurrentUsers>,
    /// As many checks at once as there are cores.
    queue: Arc<LoginQueue>,
    /// Threads of their own: a login waits for no session's work.
    turns: Arc<Turns>,
}

/// What somebody says with signatures.
pub struct KeyClaim {
    /// Who they say they are.
    pub user: String,
    /// The signatures.
    pub proofs: Vec<Proof>,
    /// The nonce that they must be over.
    pub nonce: Nonce,
    /// The pin of the key that this connection's handshake was made with.
    pub pin: Pin,
}

impl Accounts {
    /// The accounts of these users.
    pub fn new(current: Arc<CurrentUsers>) -> Accounts {
        let turns = Turns::new("login", Places::only(cores() + limits::LOGIN_THREADS_BESIDE));
        Accounts { current, queue: LoginQueue::new(cores()), turns }
    }

    /// The most memory that logins can take together, in KiB.
    pub fn worst_case_memory_kib(&self) -> u64 {
        login_memory_kib(&self.users())
    }

    /// Checks a password for somebody who connected from there.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`]; [`Kind::Busy`] if too many are waiting for their turn.
    pub async fn verify(self: &Arc<Self>, from: IpAddr, user: String, password: Secret) -> Result<Principal> {
        let source = &Source::from(from);
        // Anonymous reading takes no argon2, so it need not wait behind a flood of guesses.
        let permit = if is_anonymous(&user) { None } else { Some(self.permit(source).await?) };
        let accounts = self.clone();
        // The permit belongs to the work: when the connection is gone the hashing still goes on.
        let checked = self.turns.run(source, move || {
            let result = accounts.users().verify(&user, &password, from);
            drop(permit);
            result
        });
        checked.await?
    }

    /// Has somebody who is logged in change something about the own login: `check` says whether they may and what is to be
    /// written down, and waits for its turn as a login does if it `hashes`. `renewed` as in [`CurrentUsers::change_own`].
    ///
    /// # Errors
    /// [`Kind::Busy`]; those of `check` and of [`CurrentUsers::change_own`].
    pub async fn change_own<W>(
        self: &Arc<Self>,
        source: &Source,
        hashes: bool,
        check: impl FnOnce(&Users) -> Result<W> + Send + 'static,
        renewed: impl FnOnce(Option<&Principal>) + Send + 'static,
    ) -> Result<Option<Principal>>
    where
        W: FnOnce(&Users, &StateFolder) -> Result<OwnChange>,
    {
        let permit = if hashes { Some(self.permit(source).await?) } else { None };
        let accounts = self.clone();
        let changed = self.turns.run(source, move || {
            let write = check(&accounts.users());
            // The disk may let one wait longer than a password.
            drop(permit);
            accounts.current.change_own(write?, renewed)
        });
        changed.await?
    }

    /// Checks signatures of keys over what somebody who connected from there says.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`].
    pub async fn verify_keys(self: &Arc<Self>, from: IpAddr, claim: KeyClaim) -> Result<Principal> {
        let accounts = self.clone();
        let check = move || {
            let KeyClaim { user, proofs, nonce, pin } = claim;
            let statement = Statement { purpose: Purpose::Login, nonce, user: &user, pin };
            accounts.users().verify_keys(&statement, &proofs, from)
        };
        self.turns.run(&Source::from(from), check).await?
    }

    /// Whether an invitation can be used.
    ///
    /// # Errors
    /// As [`Users::check_invitation`].
    pub async fn look_at_invitation(self: &Arc<Self>, from: IpAddr, user: String, secret: Secret) -> Result<()> {
        let accounts = self.clone();
        let look = move || accounts.current.check_invitation(&user, &secret, from);
        self.turns.run(&Source::from(from), look).await?
    }

    /// Lets somebody with an invitation choose a password. Whether there is such an invitation is asked first, without argon2:
    /// its secret cannot be guessed.
    ///
    /// # Errors
    /// As [`Users::redeem`]; [`Kind::Busy`].
    pub async fn redeem(
        self: &Arc<Self>,
        from: IpAddr,
        user: String,
        (secret, password): (Secret, Secret),
    ) -> Result<Principal> {
        let source = &Source::from(from);
        self.look_at_invitation(from, user.clone(), secret.clone()).await?;
        let rule = self.current.latest().password_rule();
        rule.check(&user, &password).map_err(|why| Error::new(Kind::BadCommand, why))?;
        let permit = self.permit(source).await?;
        let accounts = self.clone();
        let redeemed = self.turns.run(source, move || {
            let hash = hash_password(&password);
            drop(permit);
            let hash = hash?;
            let redeem = |users: &Users, folder: &StateFolder| users.redeem(folder, &user, (&secret, &hash), from);
            let has = accounts.current.change_own(redeem, |_| {})?;
            has.ok_or_else(|| Error::new(Kind::Internal, "an invitation that gave no password"))
        });
        redeemed.await?
    }

    /// Who comes by the link with this secret, from there. A password is checked as that of a user is; without one it costs a look
    /// into a table.
    ///
    /// # Errors
    /// As [`Users::at_link`] and [`AtLink::open`](crate::auth::AtLink::open); [`Kind::Busy`].
    pub async fn visit(self: &Arc<Self>, from: IpAddr, secret: &Secret, password: Option<Secret>) -> Result<Principal> {
        let there = self.current.latest().at_link(secret, from)?;
        if password.is_none() || !there.needs_password() {
            return there.open(None);
        }
        let source = &Source::from(from);
        let permit = self.permit(source).await?;
        let opened = self.turns.run(source, move || {
            let opened = there.open(password.as_ref());
            drop(permit);
            opened
        });
        opened.await?
    }

    /// The hash of the password of a link that is to be made, in the queue of logins.
    ///
    /// # Errors
    /// [`Kind::Busy`]; [`Kind::BadCommand`] and the like for what is no password.
    pub async fn hash(self: &Arc<Self>, from: IpAddr, password: Secret) -> Result<String> {
        let source = &Source::from(from);
        let permit = self.permit(source).await?;
        let hashed = self.turns.run(source, move || {
            let hash = hash_password(&password);
            drop(permit);
            hash
        });
        hashed.await?
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

    /// How many passwords are checked now, and how many wait for that.
    pub fn load(&self) -> LoginLoad {
        self.queue.load()
    }

    async fn permit(&self, source: &Source) -> Result<Permit> {
        let turn = async_std::future::timeout(limits::LOGIN_QUEUE_TIMEOUT, self.queue.turn(source));
        let busy = || Error::new(Kind::Busy, "too many people are logging in at once");
        turn.await.ok().flatten().ok_or_else(busy)
    }

    /// The users as the file has them now.
    pub fn users(&self) -> Arc<Users> {
        self.current.now()
    }
}

/// The most memory that logins of these users can take together, in KiB: that of the largest hash, as often as this
/// machine has cores.
pub fn login_memory_kib(users: &Users) -> u64 {
    u64::from(users.worst_case_memory_kib()) * cores() as u64
}
