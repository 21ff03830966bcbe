//! Requests that end before they are operations, for the audit: what they ask for is not their client's, they make no sense, or a
//! condition does not hold. Those that are operations are told of by the desk.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use hyper::Request;

use super::guest::Guest;
use super::visitors::Visitors;
use crate::error::Kind;
use crate::machine::source::Source;
use crate::server::Shared;
use crate::server::desk::registry::SessionId;
use crate::server::events::{Event, Protocol, What};

/// Whether a request has come as far as an operation.
#[derive(Debug, Default)]
pub struct Arrival(AtomicBool);

impl Arrival {
    /// What follows is told of by who does it.
    pub fn is_begun(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// The request came to nothing: that is told, unless somebody else has told it.
    pub fn ended(&self, visitors: &Visitors, request: &Request<()>, session: SessionId, why: Kind) {
        // A login that failed has an event of its own.
        if self.0.load(Ordering::Relaxed) || why == Kind::LoginFailed {
            return;
        }
        let url = request.uri().path();
        tell(visitors.shared(), (visitors.peer(), session, None), (request.method().as_str(), url, why));
    }
}

/// A condition of a request of this guest does not hold.
pub fn by_condition(guest: &Guest, url: &str) {
    let (ticket, user) = (guest.ticket(), guest.name());
    tell(guest.shared(), (ticket.peer(), ticket.id(), Some(user)), ("If-Match", url, Kind::Changed));
}

fn tell(
    shared: &Shared,
    (peer, session, user): (SocketAddr, SessionId, Option<&str>),
    (name, url, why): (&str, &str, Kind),
) {
    // Who is not logged in can ask without end, and does not fill the disk with it.
    if shared.registry.log_shares().allows(&Source::from(peer.ip())) {
        let what = What::TurnedAway { name, url, why };
        let at = SystemTime::now();
        let (peer, protocol, session) = (Some(peer), Some(Protocol::Http), Some(session));
        shared.registry.tell(&Event { at, peer, protocol, session, user, what });
    }
}
