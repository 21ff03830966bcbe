//! Who logs in, and with what.

use std::fmt;

use super::answers::Welcome;
use super::connection::Client;
use super::keys::LoginKey;
use crate::error::Result;
use crate::secret::Secret;

/// A user and what proves it: kept by whatever logs in by itself. Shows no secret.
#[derive(Clone)]
pub struct Credentials {
    user: String,
    proof: Proof,
}

#[derive(Clone)]
enum Proof {
    Password(Secret),
    Keys(Vec<LoginKey>),
}

impl Credentials {
    /// Anybody, where the server lets anybody read.
    pub fn anonymous() -> Self {
        Credentials::password("anonymous", Secret::new(""))
    }

    /// This user by a password.
    pub fn password(user: impl Into<String>, password: impl Into<Secret>) -> Self {
        Credentials { user: user.into(), proof: Proof::Password(password.into()) }
    }

    /// This user by SSH keys, as [`Client::login_with_keys`] takes them.
    pub fn keys(user: impl Into<String>, keys: Vec<LoginKey>) -> Self {
        Credentials { user: user.into(), proof: Proof::Keys(keys) }
    }

    /// The user's name.
    pub fn user(&self) -> &str {
        &self.user
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Client {
    /// Logs in with these.
    ///
    /// # Errors
    /// As [`Client::login`] or [`Client::login_with_keys`].
    pub async fn login_as(&mut self, credentials: &Credentials) -> Result<Welcome> {
        match &credentials.proof {
            Proof::Password(password) => self.login(&credentials.user, password.clone()).await,
            Proof::Keys(keys) => self.login_with_keys(&credentials.user, keys).await,
        }
    }
}
