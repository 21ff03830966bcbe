//! One connection.

use super::answers::{Ids, Welcome};
use super::options::{ConnectOptions, Endpoint};
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;
use crate::tls::Pin;

/// One connection to a server.
#[derive(Debug)]
pub struct Client {
    pin: Option<Pin>,
    greeting: String,
    last: Option<Ids>,
}

pub(super) fn unfinished<T>() -> Result<T> {
    Err(Error::new(Kind::Internal, "not written yet"))
}

impl Client {
    /// Connects, checks who the server is, and waits for its greeting.
    ///
    /// # Errors
    /// [`Kind::Network`], [`Kind::TimedOut`], [`Kind::Busy`]; [`Kind::PinMismatch`], [`Kind::Tls`], and what a
    /// question answered.
    pub async fn connect(endpoint: &Endpoint, options: ConnectOptions) -> Result<Client> {
        let _ = (endpoint, options);
        unfinished()
    }

    /// The pin of the key the server has proven to hold.
    pub fn pin(&self) -> Option<Pin> {
        self.pin
    }

    /// The server's words on connecting. From outside: escape before showing.
    pub fn greeting(&self) -> &str {
        &self.greeting
    }

    /// Who gave the last final reply, success or failure; `None` before login.
    pub fn last_ids(&self) -> Option<Ids> {
        self.last
    }

    /// Logs in. The user `anonymous` needs no password.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`], [`Kind::Busy`].
    pub async fn login(&mut self, user: &str, password: Secret) -> Result<Welcome> {
        let _ = (user, password);
        unfinished()
    }

    /// Ends the session and the connection.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn logout(self) -> Result<()> {
        unfinished()
    }
}
