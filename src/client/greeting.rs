//! What a server says of itself before anybody logs in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::session::Session;
use crate::error::{Error, Kind, Result};
use crate::keys::Nonce;
use crate::limits;
use crate::proto::{Features, Reply};

/// The version of the protocol spoken here.
const VERSION: u32 = 1;

/// The first words of a server.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Greeting {
    /// Its words for people. From outside: escape before showing.
    pub text: String,
    /// What it can do beyond the first servers.
    pub features: Features,
    /// Its process; older servers do not say.
    pub pid: Option<u32>,
    /// When the certificate over its pinned key ends; older servers do not say.
    pub certificate_ends: Option<SystemTime>,
    /// When the certificate that browsers are shown ends, if it is another one.
    pub web_certificate_ends: Option<SystemTime>,
    /// The fewest characters of a new password of a user; of an older server, those that no server goes below.
    pub password_min: usize,
}

/// Reads the greeting, and the nonce that signatures of keys must be over.
///
/// # Errors
/// Those of the connection; [`Kind::Protocol`] for another version; what the server refuses.
pub(super) fn read(session: &mut Session) -> Result<(Greeting, Option<Nonce>)> {
    let reply = session.expect(220)?;
    if reply.parsed::<u32>("proto")? != VERSION {
        let text = "the server speaks another version of the protocol";
        return Err(Error::new(Kind::Protocol, text));
    }
    let features = reply.get("features").map_or(Features::NONE, Features::parse);
    let nonce = reply.get("nonce").map(str::parse).transpose()?;
    let greeting = Greeting {
        text: reply.text.to_owned(),
        features,
        pid: reply.get("pid").map(|_| reply.parsed("pid")).transpose()?,
        certificate_ends: time(&reply, "cert-ends")?,
        web_certificate_ends: time(&reply, "web-cert-ends")?,
        password_min: password_min(&reply)?,
    };
    session.set_features(features);
    Ok((greeting, nonce))
}

/// No more than a server can be told to ask for.
fn password_min(reply: &Reply<'_>) -> Result<usize> {
    let said = reply.get("password-min").map(|_| reply.parsed("password-min")).transpose()?;
    Ok(said.unwrap_or(limits::PASSWORD_MIN).clamp(limits::PASSWORD_MIN, limits::PASSWORD_MIN_MOST))
}

fn time(reply: &Reply<'_>, key: &str) -> Result<Option<SystemTime>> {
    let Some(seconds) = reply.get(key).map(|_| reply.parsed(key)).transpose()? else { return Ok(None) };
    let beyond = || Error::new(Kind::Protocol, format!("the server's {key} is no time"));
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).map(Some).ok_or_else(beyond)
}
