//! What happens at a server. One value is the source of the line in the log, of the line in the audit, and of what the program is
//! told that the server runs in: none of them can know more than the others, or miss what they have.

use std::ffi::OsStr;
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::desk::action::Action;
use super::desk::registry::SessionId;
use crate::error::Kind;
use crate::files::{Hash, RelPath, Removed};

/// Something that happened at a server. Names and paths are from outside: escape them before showing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Event<'a> {
    /// When it was over.
    pub at: SystemTime,
    /// From where; none for what the server did by itself.
    pub peer: Option<SocketAddr>,
    /// By what; none for what the server did by itself, and for a connection that has said nothing yet.
    pub protocol: Option<Protocol>,
    /// In which session, as `WHO` names it.
    pub session: Option<SessionId>,
    /// Who; of a login that was refused, who they said they were.
    pub user: Option<&'a str>,
    /// What it was.
    pub what: What<'a>,
}

impl Event<'_> {
    /// What the server does by itself, now.
    pub(super) fn of_server(what: What<'_>) -> Event<'_> {
        Event { at: SystemTime::now(), peer: None, protocol: None, session: None, user: None, what }
    }
}

/// What happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum What<'a> {
    /// The server serves from now on.
    Started,
    /// A session began: somebody has logged in.
    Began {
        /// By what.
        with: Credential,
        /// The name of the key, if it was one.
        key: Option<&'a str>,
    },
    /// A login was refused.
    Refused {
        /// What was to prove who they are.
        with: Credential,
        /// Why, in the word that they were told.
        why: Kind,
        /// Why somebody who has proven who they are may not be logged in: nobody but the administrator is told.
        barred: Option<&'a str>,
    },
    /// An operation is done or has failed. Each that was begun is told of once, also if its client left in the middle.
    Operation(Operation<'a>),
    /// A request over HTTP was refused, and is no operation that failed: what it was about is not its client's to ask for, or is not there,
    /// it makes no sense, or a condition of it does not hold.
    TurnedAway {
        /// The method.
        name: &'a str,
        /// What it was about, as the client wrote it, without what opens a link or an upload.
        url: &'a str,
        /// Why.
        why: Kind,
    },
    /// A file was read whose bytes are not those that were stored.
    Rotten {
        /// Which.
        path: Option<&'a RelPath>,
        /// The BLAKE3 of the bytes that were stored.
        recorded: Hash,
        /// That of those that were read.
        found: Hash,
    },
    /// A session is over.
    Ended {
        /// Bytes of files that it moved, either way.
        bytes: u64,
        /// How long it was.
        lasted: Duration,
        /// Why, if somebody else than its client ended it.
        why: Option<Kind>,
    },
    /// The server ends.
    Stopped,
}

/// An operation that is over.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Operation<'a> {
    /// What it was.
    pub action: Action,
    /// What its protocol calls it.
    pub name: &'a str,
    /// What it was about.
    pub path: Option<&'a RelPath>,
    /// Where what it made or moved is now, if that is another path.
    pub to: Option<&'a RelPath>,
    /// The folder of the user whose path it is, below the data folder.
    pub home: &'a str,
    /// Where its path lies, if that is in a shared folder: below the data folder, or from the root of the machine.
    pub place: Option<&'a [u8]>,
    /// Where the other path lies, if that is in a shared folder.
    pub place_to: Option<&'a [u8]>,
    /// What it was about that is no path: whose sessions were ended.
    pub about: Option<&'a str>,
    /// What it came to, or why it failed.
    pub outcome: Result<Came, Kind>,
    /// Bytes of files that it moved between client and server, also if it failed.
    pub bytes: u64,
    /// What it removed, also if it failed or was broken off.
    pub gone: Removed,
    /// How long it took.
    pub took: Duration,
}

impl Operation<'_> {
    /// Where what it made or changed lies on the disk of a server that keeps homes below this folder, under the name that it has when
    /// the operation is over; none if it is about no path.
    pub fn file(&self, data: &Path) -> Option<PathBuf> {
        let (path, place) = match self.to {
            Some(to) => (to, self.place_to),
            None => (self.path?, self.place),
        };
        // A place from the root of the machine stays what it is.
        let place = place.map(|place| data.join(OsStr::from_bytes(place)));
        Some(place.unwrap_or_else(|| data.join(self.home).join(path.as_path())))
    }
}

/// What an operation that succeeded came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Came {
    /// One word: `created`, `replaced` or `same` where something was put in its place or got a name, `unable` where the
    /// storage cannot do it in one step and something else is tried, else `done`.
    pub word: &'static str,
    /// The size of the file, where there is one.
    pub size: Option<u64>,
    /// The BLAKE3 of its bytes, where it is known.
    pub hash: Option<Hash>,
    /// How many entries a listing had.
    pub entries: Option<u64>,
    /// How many files a removal took away, and whatever else is no folder.
    pub files: Option<u64>,
    /// How many folders it took away.
    pub folders: Option<u64>,
}

impl Came {
    /// Nothing more than that it is done.
    pub(super) const DONE: Came =
        Came { word: "done", size: None, hash: None, entries: None, files: None, folders: None };
}

/// How a client talks to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// sealift/1.
    Sealift,
    /// HTTP, with WebDAV.
    Http,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Protocol; 2] = [Protocol::Sealift, Protocol::Http];

    /// For logs.
    pub const fn word(self) -> &'static str {
        match self {
            Protocol::Sealift => "sealift/1",
            Protocol::Http => "http",
        }
    }
}

/// What a login rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Credential {
    /// Nothing: anonymous reading.
    Nothing,
    /// A password.
    Password,
    /// A key.
    Key,
    /// A token of another session.
    Token,
    /// An invitation.
    Invitation,
    /// A link that somebody made.
    Link,
}

impl Credential {
    /// All of them.
    pub const ALL: [Credential; 6] = [
        Credential::Nothing,
        Credential::Password,
        Credential::Key,
        Credential::Token,
        Credential::Invitation,
        Credential::Link,
    ];

    /// For logs.
    pub const fn word(self) -> &'static str {
        match self {
            Credential::Nothing => "nothing",
            Credential::Password => "password",
            Credential::Key => "key",
            Credential::Token => "token",
            Credential::Invitation => "invitation",
            Credential::Link => "link",
        }
    }
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
