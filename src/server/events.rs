//! What a server tells the program that it runs in.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::error::Kind;
use crate::files::RelPath;

/// Something that happened at a server. Names and paths are from outside: escape them before showing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A session began: somebody has logged in.
    Began {
        /// The session, as `WHO` names it.
        session: String,
        /// Who.
        user: &'a str,
        /// From where.
        peer: SocketAddr,
    },
    /// An operation is done or has failed.
    Operation {
        /// The session.
        session: String,
        /// Who asked for it.
        user: &'a str,
        /// What its protocol calls it.
        name: &'a str,
        /// What it was about.
        path: Option<&'a RelPath>,
        /// Where what it made or moved is now, if that is another path.
        to: Option<&'a RelPath>,
        /// Bytes of files that it moved, or why it failed.
        outcome: Result<u64, Kind>,
    },
    /// A session is over.
    Ended {
        /// The session.
        session: String,
        /// Who it was.
        user: &'a str,
        /// From where.
        peer: SocketAddr,
        /// Bytes of files that it moved, either way.
        bytes: u64,
    },
}

/// Whoever is told. Called on the server's own threads, so it should not wait for anything.
#[derive(Clone)]
pub(super) struct Listener(Arc<dyn Fn(&Event<'_>) + Send + Sync>);

impl Listener {
    pub(super) fn new(listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        Listener(Arc::new(listener))
    }

    pub(super) fn tell(&self, event: &Event<'_>) {
        (self.0)(event);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}
