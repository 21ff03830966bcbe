//! Links: what somebody who is logged in lets others have without an account, and coming by one.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::answers::Welcome;
use super::connection::{Client, welcome};
use super::options::Endpoint;
use super::requests::until_final;
use crate::error::{Error, Kind, Result};
use crate::files::RelPath;
use crate::limits;
pub use crate::proto::InboxArgs as LinkInbox;
use crate::proto::{Command, Feature, LinkArgs, LinkEnd, Reply};
use crate::random;
use crate::secret::Secret;
use crate::setters::setters;
use crate::stray_secrets::LINK as PATH;
use crate::tls::Pin;

/// A link that is to be made.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct NewLink {
    /// What it leads to; the root is one's whole folder.
    pub path: RelPath,
    /// It is for files to be put in, and shows nothing.
    pub inbox: Option<LinkInbox>,
    /// What it is called; none: as what it leads to.
    pub name: Option<String>,
    /// When it ends; none: when the server thinks fit, which is after [`limits::LINK_LIFETIME`].
    pub expires: Option<LinkExpiry>,
    /// A password that whoever has it must know beside.
    pub password: Option<Secret>,
    /// How often it may be downloaded.
    pub downloads: Option<u64>,
}

impl NewLink {
    /// To this file or folder, and nothing more said of it.
    pub fn to(path: RelPath) -> Self {
        NewLink { path, ..NewLink::default() }
    }
}

setters!(NewLink: inbox: Option<LinkInbox>, name: Option<String>, expires: Option<LinkExpiry>, password: Option<Secret>, downloads: Option<u64>);

/// When a link ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkExpiry {
    /// Never by itself.
    Never,
    /// Then.
    At(SystemTime),
}

/// A link that was made. Names are from outside: escape before showing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MadeLink {
    /// What it is called.
    pub name: String,
    /// What opens it, and stands nowhere else.
    pub secret: Secret,
    /// `file`, `folder` or `drop`.
    pub kind: String,
    /// When it ends.
    pub expires: Option<SystemTime>,
}

/// A link as the server shows it to its maker. All of it is from outside: escape before showing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerLink {
    /// What it is called.
    pub name: String,
    /// What it leads to.
    pub path: Vec<u8>,
    /// `file`, `folder` or `drop`.
    pub kind: String,
    /// When it was made.
    pub added: Option<SystemTime>,
    /// When it ends.
    pub expires: Option<SystemTime>,
    /// Whether it takes a password.
    pub has_password: bool,
    /// Whether it gives nothing now, since you may not do any more what it gives, or its path is in another folder. Never of an older server's.
    pub is_void: bool,
    /// How often it may be downloaded, and has been or is being.
    pub downloads: Option<(u64, u64)>,
    /// Files that came by it, and their bytes.
    pub came: Option<(u64, u64)>,
    /// How many may come, and bytes of all together.
    pub may_come: Option<(u64, u64)>,
}

impl Client {
    /// Makes a link that needs no account, for whoever has it.
    ///
    /// # Errors
    /// [`Kind::Denied`], [`Kind::NotFound`], [`Kind::Exists`], [`Kind::TooMany`], [`Kind::TooOld`].
    pub async fn make_link(&mut self, link: NewLink) -> Result<MadeLink> {
        let NewLink { path, inbox, name, expires, password, downloads } = link;
        let expires = expires.map(|expires| match expires {
            LinkExpiry::Never => LinkEnd::Never,
            LinkExpiry::At(end) => LinkEnd::At(end.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())),
        });
        let args = LinkArgs { path, inbox, name, expires, password, downloads };
        self.run(move |session| {
            session.command(&Command::Link(Box::new(args)))?;
            let reply = session.expect(200)?;
            Ok(MadeLink {
                name: text(&reply, "name")?,
                secret: secret(&reply)?,
                kind: text(&reply, "kind")?,
                expires: moment(&reply, "expires")?,
            })
        })
        .await
    }

    /// One's links, by their names.
    ///
    /// # Errors
    /// [`Kind::TooOld`].
    pub async fn links(&mut self) -> Result<Vec<ServerLink>> {
        self.run(|session| {
            session.command(&Command::Links)?;
            let mut links = Vec::new();
            until_final(session, 114, 212, |reply| {
                if reply.is_preliminary() {
                    links.push(server_link(reply)?);
                }
                Ok(())
            })?;
            Ok(links)
        })
        .await
    }

    /// Lets a link of one's own give nothing any more.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::TooOld`].
    pub async fn remove_link(&mut self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.run(move |session| {
            session.command(&Command::Unlink(name))?;
            session.expect(200).map(drop)
        })
        .await
    }

    /// Logs in by a link that somebody made.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`] if there is no such link, or it is over; [`Kind::LoginRequired`] if it takes a password and none was
    /// given; [`Kind::TooOld`].
    pub async fn visit(&mut self, secret: Secret, password: Option<Secret>) -> Result<Welcome> {
        self.visit_as(secret, password, None).await
    }

    /// Logs in by a link as one of many who have it, to put files in by it that go on after a cut: whoever comes again with the same
    /// [`uploads_secret`], and nobody else. A server that is too old for that takes them as ever.
    ///
    /// # Errors
    /// As [`Client::visit`].
    pub async fn visit_as(
        &mut self,
        secret: Secret,
        password: Option<Secret>,
        uploads: Option<Secret>,
    ) -> Result<Welcome> {
        self.run(move |session| {
            let uploads = uploads.filter(|_| session.has(Feature::Uploads));
            let keeps_bytes = uploads.is_some();
            session.command(&Command::Visit { secret, password, uploads })?;
            let welcome = welcome(session)?;
            if keeps_bytes && welcome.link.as_ref().is_some_and(|link| link.takes.is_some()) {
                session.set_keeps_bytes();
            }
            Ok(welcome)
        })
        .await
    }
}

/// What nobody else has: 32 random bytes, for [`Client::visit_as`].
///
/// # Errors
/// [`Kind::Internal`]: the system has no random numbers.
pub fn uploads_secret() -> Result<Secret> {
    let mut bytes = Zeroizing::new([0; 32]);
    random::fill(&mut *bytes)?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(*bytes)))
}

fn text(reply: &Reply<'_>, key: &str) -> Result<String> {
    reply.bytes(key).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// It becomes part of what is shown: nothing but what a link's secret has is taken for one.
fn secret(reply: &Reply<'_>) -> Result<Secret> {
    let secret = Secret::new(reply.bytes("secret")?);
    let is_of_one = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let is_one = secret.expose().len() == limits::LINK_SECRET && secret.expose().iter().all(is_of_one);
    let wrong = || Error::new(Kind::Protocol, "the server's link has an invalid secret");
    if is_one { Ok(secret) } else { Err(wrong()) }
}

fn moment(reply: &Reply<'_>, key: &str) -> Result<Option<SystemTime>> {
    let seconds = reply.get(key).map(|_| reply.parsed(key)).transpose()?;
    Ok(seconds.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds))))
}

fn server_link(reply: &Reply<'_>) -> Result<ServerLink> {
    let number = |key| reply.get(key).map(|_| reply.parsed::<u64>(key)).transpose();
    Ok(ServerLink {
        name: text(reply, "name")?,
        path: reply.bytes("path")?,
        kind: text(reply, "kind")?,
        added: moment(reply, "added")?,
        expires: moment(reply, "expires")?,
        has_password: reply.get("password").is_some(),
        is_void: reply.get("void").is_some(),
        downloads: number("downloads")?
            .map(|most| Ok::<_, Error>((number("downloaded")?.unwrap_or(0), most)))
            .transpose()?,
        may_come: number("files")?.zip(number("size")?),
        came: number("came-files")?.map(|files| Ok::<_, Error>((files, number("came")?.unwrap_or(0)))).transpose()?,
    })
}

/// A link as one word: a URL that any browser opens, with the pin of the server's key behind a `#`, which no browser sends. It is
/// as good as what it gives: showing it is for whoever hands it on.
#[derive(Debug, Clone)]
pub struct LinkUrl {
    /// Where the server is.
    pub server: Endpoint,
    /// What opens it.
    pub secret: Secret,
    /// The pins of the keys that the server may have, as whoever made the link knew them: the one it had, and the one that it would
    /// have next. None if the link names no key.
    pub pins: Vec<Pin>,
}

impl LinkUrl {
    /// Whether this looks like one, so that it is to be read as one.
    pub fn is_meant(typed: &[u8]) -> bool {
        let text = String::from_utf8_lossy(typed);
        text.starts_with("https://") && text.contains(PATH)
    }

    /// The URL.
    pub fn reveal(&self) -> String {
        let secret = String::from_utf8_lossy(self.secret.expose());
        let pins: Vec<_> = self.pins.iter().map(Pin::to_string).collect();
        let fragment = if pins.is_empty() { String::new() } else { format!("#{}", pins.join(",")) };
        // Of a zone the percent sign is encoded (RFC 6874).
        format!("https://{}{PATH}{secret}/{fragment}", self.server.to_string().replace('%', "%25"))
    }
}

impl FromStr for LinkUrl {
    type Err = Error;

    /// # Errors
    /// [`Kind::Usage`], without a word of the link.
    fn from_str(text: &str) -> Result<LinkUrl> {
        let wrong = |why: &str| Error::new(Kind::Usage, format!("the link {why}"));
        let text = text.trim();
        let (url, fragment) = text.split_once('#').map_or((text, None), |(url, fragment)| (url, Some(fragment)));
        let rest = url.strip_prefix("https://").ok_or_else(|| wrong("does not begin with https://"))?;
        let at = rest.find(PATH).ok_or_else(|| wrong("is none of a Sealift server"))?;
        let (host, path) = rest.split_at(at);
        let secret = path.strip_prefix(PATH).unwrap_or_default();
        let secret = secret.strip_suffix('/').unwrap_or(secret);
        if secret.contains('/') {
            return Err(wrong("has something after its secret: give only the link"));
        }
        if secret.len() != limits::LINK_SECRET {
            return Err(wrong("is not complete: copy all of it, from https:// to its end"));
        }
        // What a browser leaves away.
        let server = Endpoint::parse(&host.replace("%25", "%"), limits::WEB_PORT)?;
        let named = fragment.into_iter().flat_map(|fragment| fragment.split(',')).filter(|pin| !pin.is_empty());
        let pins = named.take(limits::KNOWN_KEYS_MAX).map(Pin::from_str).collect::<Result<_, _>>();
        let pins = pins.map_err(|_| wrong("has something else than pins behind its `#`"))?;
        Ok(LinkUrl { server, secret: Secret::new(secret), pins })
    }
}

/// Without the secret.
impl fmt::Display for LinkUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a link of {}", self.server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_reads_back_and_what_is_no_link_is_refused_without_its_secret() {
        let secret = "s".repeat(limits::LINK_SECRET);
        for host in ["files.example", "::1", "192.0.2.7"] {
            let link = LinkUrl {
                server: Endpoint::new(host, 4456),
                secret: Secret::new(secret.as_str()),
                pins: vec![Pin::from_bytes([7; 32]), Pin::from_bytes([8; 32])],
            };
            let url = link.reveal();
            let read: LinkUrl = url.parse().unwrap();
            assert_eq!((read.reveal(), &read.server, &read.pins), (url.clone(), &link.server, &link.pins));
            assert!(LinkUrl::is_meant(url.as_bytes()) && !link.to_string().contains(&secret));
            let plain: LinkUrl = url.split('#').next().unwrap().parse().unwrap();
            assert!(plain.pins.is_empty());
        }
        for bad in [
            format!("http://h/.sealift-web/l/{secret}/"),
            format!("https://h/.sealift-web/l/{}/", &secret[1..]),
            format!("https://h/.sealift-web/l/{secret}/x"),
            format!("https://h/.sealift-web/l/{secret}/#sha256//short"),
            format!("https://h/{secret}/"),
        ] {
            let error = bad.parse::<LinkUrl>().unwrap_err();
            assert!(error.kind() == Kind::Usage && !error.text().contains(&secret[1..]), "{error}");
        }
    }
}
