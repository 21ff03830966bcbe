//! Who somebody is: the one way from credentials to a principal, whatever protocol brought them.
//!
//! Everything that makes guessing dear is here and not in a protocol: the queue in front of argon2, where each source waits
//! behind itself, the penalty and the pause after a failure, and the line in the log.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use async_std::task::{sleep, spawn};
use tracing::info;

use super::accounts::KeyClaim;
use super::admission::Offence;
use crate::auth::{Barred, Principal, is_anonymous};
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::machine::source::{Origin, Source};
use crate::secret::Secret;
use crate::server::Shared;
use crate::server::desk::registry::Way;
use crate::server::events::{Credential, Event, Protocol, What};

/// What proves who somebody is.
pub enum Credentials {
    /// A user's password; for anonymous reading any, or none.
    Password {
        /// Who they say they are.
        user: String,
        /// Their password.
        password: Secret,
    },
    /// Signatures of keys.
    Keys(KeyClaim),
    /// A token that another session of theirs got.
    Token(Secret),
    /// An invitation, which is used up with it.
    Invitation {
        /// For whom it is.
        user: String,
        /// The invitation's secret.
        secret: Secret,
        /// The password that is to be.
        password: Secret,
    },
    /// A link.
    Link {
        /// Its secret.
        secret: Secret,
        /// Its password, if one was given.
        password: Option<Secret>,
    },
}

impl Credentials {
    /// What they are.
    fn kind(&self) -> Credential {
        match self {
            Credentials::Password { user, .. } if is_anonymous(user) => Credential::Nothing,
            Credentials::Password { .. } => Credential::Password,
            Credentials::Keys(_) => Credential::Key,
            Credentials::Token(_) => Credential::Token,
            Credentials::Invitation { .. } => Credential::Invitation,
            Credentials::Link { .. } => Credential::Link,
        }
    }

    /// Who they say they are; nobody's name is in a token or in the secret of a link.
    fn user(&self) -> Option<&str> {
        match self {
            Credentials::Password { user, .. } | Credentials::Invitation { user, .. } => Some(user),
            Credentials::Keys(claim) => Some(&claim.user),
            Credentials::Token(_) | Credentials::Link { .. } => None,
        }
    }
}

/// Somebody who has proven who it is.
pub struct Proven {
    /// Who.
    pub principal: Principal,
    /// How their session comes about.
    pub way: Way,
}

/// Checks the credentials of somebody who is at this address and came by this protocol. An unknown user and a wrong password look
/// and cost the same. A failure adds a penalty to the address and takes its time. All of it goes its way to the end, also if whoever
/// waits for it leaves: who hangs up while a guess is checked would pay for none.
///
/// # Errors
/// [`Kind::LoginFailed`], in the same words whatever is wrong; [`Kind::Busy`] if too many are waiting for their turn; of an
/// invitation also what keeps the password from being stored.
pub async fn authenticate(
    credentials: Credentials,
    peer: SocketAddr,
    protocol: Protocol,
    shared: &Arc<Shared>,
) -> Result<Proven> {
    let shared = shared.clone();
    spawn(async move { prove(credentials, (peer, protocol), &shared).await }).await
}

async fn prove(credentials: Credentials, (peer, protocol): (SocketAddr, Protocol), shared: &Shared) -> Result<Proven> {
    let (user, with) = (credentials.user().map(str::to_owned), credentials.kind());
    let user = match &credentials {
        // Who guesses at its password has the link.
        Credentials::Link { secret, password: Some(_) } => {
            let there = shared.users.latest().at_link(secret, peer.ip());
            there.ok().map(|there| there.principal().name().to_owned())
        }
        _ => user,
    };
    // A password is guessed, a secret is not.
    let offence = match credentials {
        Credentials::Link { password: None, .. } => Offence::NoLink,
        _ => Offence::LoginFailed,
    };
    let proven = verify(credentials, peer, shared).await;
    refused(proven.as_ref().err(), (user, with, offence), (peer, protocol), shared).await;
    proven
}

/// Whether the invitation of this user with this secret can be used from there, which it is not by this. A wrong one costs what a
/// failed login does.
///
/// # Errors
/// As [`authenticate`].
pub async fn look_at_invitation(
    (user, secret): (String, Secret),
    peer: SocketAddr,
    protocol: Protocol,
    shared: &Arc<Shared>,
) -> Result<()> {
    let shared = shared.clone();
    let looking = async move {
        let found = shared.accounts.look_at_invitation(peer.ip(), user.clone(), secret).await;
        let of = (Some(user), Credential::Invitation, Offence::LoginFailed);
        refused(found.as_ref().err(), of, (peer, protocol), &shared).await;
        found
    };
    spawn(looking).await
}

/// Writes down that a login was refused, if it was, and takes its time.
async fn refused(
    why: Option<&Error>,
    (user, with, offence): (Option<String>, Credential, Offence),
    (peer, protocol): (SocketAddr, Protocol),
    shared: &Shared,
) {
    if let Some(error) = why {
        shared.registry.counters().login_refused(with, error.kind());
        let barred = barred(error).map(ToString::to_string);
        let what = What::Refused { with, why: error.kind(), barred: barred.as_deref() };
        let (at, user, source) = (SystemTime::now(), user.as_deref(), Source::from(peer.ip()));
        let event = Event { at, peer: Some(peer), protocol: Some(protocol), session: None, user, what };
        shared.registry.telling().tell_of(&source, &event);
        if shared.registry.log_shares().allows(&source) {
            match barred {
                // Whoever tries this knows the password or has the key: what is wrong is said here, and here alone.
                Some(why) => info!(%peer, user, word = error.kind().word(), %why, "login refused"),
                None => info!(%peer, word = error.kind().word(), "login refused"),
            }
        }
        if error.kind() == Kind::LoginFailed {
            shared.admission.penalise(peer.ip(), offence, Instant::now());
            sleep(limits::LOGIN_FAILED_PAUSE).await;
        }
    }
}

/// Why somebody who has proven who they are may not be logged in.
fn barred(error: &Error) -> Option<&Barred> {
    std::iter::successors(std::error::Error::source(error), |cause| cause.source())
        .find_map(|cause| cause.downcast_ref())
}

async fn verify(credentials: Credentials, peer: SocketAddr, shared: &Shared) -> Result<Proven> {
    let source = Source::from(peer.ip());
    let by_itself = |principal| Proven { principal, way: Way::Login };
    match credentials {
        Credentials::Password { user, password } => {
            shared.accounts.verify(peer.ip(), user, password).await.map(by_itself)
        }
        Credentials::Keys(claim) => shared.accounts.verify_keys(peer.ip(), claim).await.map(by_itself),
        Credentials::Invitation { user, secret, password } => {
            let principal = shared.accounts.redeem(peer.ip(), user, (secret, password)).await?;
            info!(%peer, user = principal.name(), "invitation used");
            Ok(by_itself(principal))
        }
        Credentials::Link { secret, password } => {
            let principal = shared.accounts.visit(peer.ip(), &secret, password).await?;
            Ok(by_itself(principal))
        }
        Credentials::Token(token) => {
            let tokens = shared.tokens.clone();
            // It looks whether the users file has changed.
            let redeem = move || tokens.redeem(&token, Origin::from(peer.ip()), Instant::now());
            let (principal, of) = shared.accounts.run(&source, redeem).await??;
            // Another address of the same source may be one that the user does not log in from.
            let refused = |why: Error| Error::new(Kind::LoginFailed, "no token that can be used").with_source(why);
            let principal = shared.users.latest().admit(&principal, peer.ip()).map_err(refused)?;
            if shared.registry.log_shares().allows(&source) {
                info!(%peer, %of, user = principal.name(), "joined");
            }
            Ok(Proven { principal, way: Way::Token(of) })
        }
    }
}
