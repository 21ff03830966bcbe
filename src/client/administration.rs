//! What administrators ask of a server: who is there, who is held back, and that it reads its files again or ends.

use std::net::IpAddr;
use std::time::Duration;

use super::answers::SessionInfo;
use super::connection::Client;
use super::requests::{nothing, text, until_final};
#[cfg(doc)]
use crate::error::Kind;
use crate::error::Result;
use crate::proto::{Command, Reply};

/// A source of connections that is held back. The text is from outside: escape before showing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Penalty {
    /// An IPv4 address, or a network of IPv6.
    pub address: String,
    /// For how long still.
    pub left: Duration,
}

/// Those that are held back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Penalties {
    /// Those that the server told of, longest first.
    pub listed: Vec<Penalty>,
    /// How many there are.
    pub all: u64,
}

/// Something that a server has read again. The texts are from outside: escape before showing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadAgain {
    /// What it was: `users`, `certificate`, `audit`, `settings`.
    pub what: String,
    /// What came of it: `current`, `changed`, `restart` (it takes one) or `failed` (what counted before stays).
    pub outcome: String,
    /// More about it; may be nothing.
    pub text: String,
}

impl Client {
    /// Who is connected; for administrators.
    ///
    /// # Errors
    /// [`Kind::Denied`].
    pub async fn who(&mut self) -> Result<Vec<SessionInfo>> {
        self.run(|session| {
            session.command(&Command::Who)?;
            let mut sessions = Vec::new();
            until_final(session, 112, 212, |reply| {
                if reply.is_preliminary() {
                    sessions.push(session_info(reply)?);
                }
                Ok(())
            })?;
            Ok(sessions)
        })
        .await
    }

    /// Ends a session, by its id, or all those of a user, by name; for administrators. How many end.
    ///
    /// # Errors
    /// [`Kind::Denied`]; [`Kind::NotFound`] if there is none; [`Kind::TooOld`].
    pub async fn kick(&mut self, whom: &str) -> Result<u64> {
        self.ask(Command::Kick(whom.to_owned()), 200, |reply| reply.parsed("sessions")).await
    }

    /// Ends the server when running transfers are done; for administrators.
    ///
    /// # Errors
    /// [`Kind::Denied`].
    pub async fn shutdown(&mut self) -> Result<()> {
        self.ask(Command::Shutdown, 200, nothing).await
    }

    /// Who is held back; for administrators.
    ///
    /// # Errors
    /// [`Kind::Denied`]; [`Kind::TooOld`].
    pub async fn penalties(&mut self) -> Result<Penalties> {
        self.run(|session| {
            session.command(&Command::Penalties)?;
            let (mut listed, mut all) = (Vec::new(), 0);
            until_final(session, 115, 212, |reply| {
                match reply.is_preliminary() {
                    true => listed.push(penalty(reply)?),
                    false => all = reply.parsed("penalties")?,
                }
                Ok(())
            })?;
            Ok(Penalties { listed, all })
        })
        .await
    }

    /// Holds somebody at this address back no more; for administrators. What is lifted.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if nobody there is held back; [`Kind::Denied`]; [`Kind::TooOld`].
    pub async fn unban(&mut self, address: IpAddr) -> Result<Penalty> {
        self.ask(Command::Unban(address), 200, penalty).await
    }

    /// Has the server read its files again, as SIGHUP does; for administrators.
    ///
    /// # Errors
    /// [`Kind::Denied`]; [`Kind::TooOld`]. That something cannot be used is no error, and in what comes back.
    pub async fn reload(&mut self) -> Result<Vec<ReadAgain>> {
        self.run(|session| {
            session.command(&Command::Reload)?;
            let mut all = Vec::new();
            until_final(session, 116, 212, |reply| {
                if reply.is_preliminary() {
                    let (what, outcome) = (text(reply, "what")?, text(reply, "outcome")?);
                    all.push(ReadAgain { what, outcome, text: reply.text.to_owned() });
                }
                Ok(())
            })?;
            Ok(all)
        })
        .await
    }
}

fn penalty(reply: &Reply<'_>) -> Result<Penalty> {
    Ok(Penalty { address: text(reply, "address")?, left: Duration::from_secs(reply.parsed("seconds")?) })
}

fn session_info(reply: &Reply<'_>) -> Result<SessionInfo> {
    Ok(SessionInfo {
        id: reply.parsed("id")?,
        user: text(reply, "user")?,
        key: reply.get("key").map(|_| text(reply, "key")).transpose()?,
        peer: text(reply, "peer")?,
        since: reply.parsed("since")?,
        doing: text(reply, "doing")?,
        bytes: reply.get("bytes").map(|_| reply.parsed("bytes")).transpose()?,
    })
}
