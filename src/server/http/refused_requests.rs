//! Requests that were refused and are no operation that the desk tells of, for the audit: what they ask for is not their client's, they
//! make no sense, what they are about is not there, or a condition does not hold.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use hyper::{Request, StatusCode};
use percent_encoding::percent_decode_str;

use super::join;
use super::resumable;
use super::target::{LINK, OWN};
use super::visitors::Visitors;
use super::web_session::WebSession;
use crate::error::{Error, Kind};
use crate::machine::source::Source;
use crate::server::desk::registry::SessionId;
use crate::server::events::{Event, Protocol, What};

/// Whether it was told already that a request came to nothing: by the desk, for the operation that failed, or here.
#[derive(Debug, Default)]
pub struct Arrival(AtomicBool);

/// The request that came to nothing, and who looks after it.
pub struct Turned<'a> {
    /// Those of its connection.
    pub visitors: &'a Visitors,
    /// The request.
    pub request: &'a Request<()>,
    /// The session of the connection, until somebody has one.
    pub session: SessionId,
}

impl Arrival {
    /// The request failed with this: told once, and not at all where the operation is written down that did.
    pub fn failed(&self, turned: &Turned<'_>, web_session: Option<&WebSession>, error: &Error) {
        let is_told = self.0.swap(true, Ordering::Relaxed) || error.is_noted();
        let why = error.told_by_server().0;
        // A login that failed has an event of its own.
        if !is_told && why != Kind::LoginFailed {
            turned.tell(web_session, why);
        }
    }

    /// The request was answered so, by what asks no desk.
    pub fn answered(&self, turned: &Turned<'_>, status: StatusCode) {
        let why = match status {
            StatusCode::METHOD_NOT_ALLOWED => Kind::UnknownVerb,
            StatusCode::UNSUPPORTED_MEDIA_TYPE | StatusCode::LENGTH_REQUIRED => Kind::BadCommand,
            _ => return,
        };
        if !self.0.swap(true, Ordering::Relaxed) {
            turned.tell(None, why);
        }
    }
}

impl Turned<'_> {
    /// `web_session`: who came by a link. Otherwise it is whoever is logged in by the headers.
    fn tell(&self, web_session: Option<&WebSession>, why: Kind) {
        let Turned { visitors, request, session } = self;
        let (shared, peer) = (visitors.shared(), visitors.peer());
        let by_login = if web_session.is_none() { visitors.session_of(request.headers()) } else { None };
        let web_session = web_session.or(by_login.as_deref());
        // Who is not logged in can ask without end, and neither fills the disk with it nor takes anything from whoever is, at the same address.
        let source = web_session.map_or_else(|| Source::from(peer.ip()), |web_session| web_session.source().clone());
        if !shared.registry.refusal_shares().allows(&source) {
            return;
        }
        let url = shown(request.uri().path());
        let user = web_session.filter(|web_session| !web_session.is_anonymous()).map(WebSession::name);
        let session = web_session.map_or(*session, |web_session| web_session.ticket().id());
        let what = What::TurnedAway { name: request.method().as_str(), url: &url, why };
        let at = SystemTime::now();
        let (peer, protocol, session) = (Some(peer), Some(Protocol::Http), Some(session));
        shared.registry.telling().tell_of(&source, &Event { at, peer, protocol, session, user, what });
    }
}

/// The path of a URL as it was sent, but for what opens something: the secret of a link, the token of an upload, and that of an
/// invitation whose `#` was encoded by whatever handed it on.
fn shown(path: &str) -> String {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let names: Vec<&str> = decoded.split('/').filter(|name| !name.is_empty()).collect();
    let uploads = resumable::FOLDER.trim_end_matches('/');
    match names.as_slice() {
        [own, kind, _, rest @ ..] if *own == OWN && (*kind == LINK || *kind == uploads) => {
            [&["", own, kind, "-"], rest].concat().join("/")
        }
        [own, kind, _, ..] if *own == OWN && *kind == join::PATH => format!("/{own}/{kind}/-"),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_something_is_not_shown() {
        for (path, told) in [
            ("/~alice/a%20b", "/~alice/a%20b"),
            ("/.sealift-web/l/SECRET/", "/.sealift-web/l/-"),
            ("/.sealift-web/l/SECRET/x/y", "/.sealift-web/l/-/x/y"),
            ("/.sealift-web/l/SECRET/%00", "/.sealift-web/l/-/\0"),
            ("//%2esealift-web/%6c//SECRET%2fx", "/.sealift-web/l/-/x"),
            ("/.sealift-web/uploads/TOKEN", "/.sealift-web/uploads/-"),
            ("/.sealift-web/join/alice%23SECRET", "/.sealift-web/join/-"),
            ("/.sealift-web/join/alice/SECRET", "/.sealift-web/join/-"),
            ("/.sealift-web/links/remove", "/.sealift-web/links/remove"),
        ] {
            assert_eq!(shown(path), told);
        }
    }
}
