//! The one error table: what went wrong, the reply it becomes on the wire, the exit code it becomes in a shell,
//! whether trying again can help, and what the person can do next, which depends on the [`Side`] it went wrong on.
//!
//! Every layer returns [`Error`]; nothing else in the crate invents words, digits or exit codes.

mod message;
mod system;

pub use message::Message;
pub(crate) use message::PathSaid;
pub(crate) use system::told;

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Exit code of a program. Frozen: scripts depend on these numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for was done.
    Done = 0,
    /// A failure that none of the other codes names.
    Other = 1,
    /// The request itself was wrong: bad arguments, bad configuration, a path that cannot exist.
    Usage = 2,
    /// The remote (or local) file or folder is not there.
    NotFound = 3,
    /// Wrong user or password, or no login where one is needed.
    Login = 4,
    /// Logged in, but not allowed.
    Denied = 5,
    /// The network failed, or the other side was silent, busy or gone.
    Network = 6,
    /// TLS failed, or the server's key is not the pinned one.
    Tls = 7,
    /// The bytes that arrived are not the bytes that were sent.
    Integrity = 8,
    /// Disk or quota full.
    Full = 9,
    /// Some files of several failed; the rest are done.
    Partial = 10,
    /// The target exists, or is not what the request said it must be.
    Exists = 11,
    /// Stopped by Ctrl-C.
    Interrupted = 130,
}

/// Where something went wrong. The same kind of failure asks for another next step there than here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// In this program or on this machine: every error that is made and not received.
    Local,
    /// At the server, which said so in a reply.
    Server,
}

impl Side {
    /// The stable word.
    pub const fn word(self) -> &'static str {
        match self {
            Side::Local => "local",
            Side::Server => "server",
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Row {
    /// The stable word: what programs act on.
    pub word: &'static str,
    /// Reply digits when a server says it (RFC 959 classes); `None` for what only happens locally.
    pub digits: Option<u16>,
    /// The client's exit code.
    pub exit: Exit,
    /// Whether the same request may succeed later without any change.
    pub retry: bool,
    /// The next step for the person, a full sentence.
    pub next: &'static str,
    /// The next step where it went wrong on the person's own machine, if that is another one.
    pub next_here: Option<&'static str>,
}

impl Row {
    /// The next step for the person after a failure on this side, a full sentence.
    pub const fn next_step(&self, side: Side) -> &'static str {
        match (side, self.next_here) {
            (Side::Local, Some(here)) => here,
            _ => self.next,
        }
    }
}

macro_rules! here {
    () => {
        None
    };
    ($next:literal) => {
        Some($next)
    };
}

macro_rules! table {
    ($($(#[$doc:meta])* $kind:ident = $word:literal, $digits:expr, $exit:ident, $retry:literal, $next:literal $(, here $here:literal)?;)*) => {
        /// What went wrong, as a stable name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            /// Every kind, in table order.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind,)*];

            /// This kind's row of the table.
            pub const fn row(self) -> Row {
                match self {
                    $(Kind::$kind => Row {
                        word: $word,
                        digits: $digits,
                        exit: Exit::$exit,
                        retry: $retry,
                        next: $next,
                        next_here: here!($($here)?),
                    },)*
                }
            }
        }
    };
}

table! {
    /// A verb the server does not know.
    UnknownVerb = "unknown-verb", Some(500), Usage, false, "HELP lists the commands.";
    /// A line longer than the limit, or a frame past its bound. The connection closes.
    TooLong = "too-long", Some(500), Usage, false, "Shorten the line, or send smaller frames.";
    /// The bytes are not the protocol. The connection closes.
    Protocol = "protocol", Some(500), Other, false, "Check that both sides are Sealift and speak the same version.";
    /// Wrong arguments: too many, too few, an unknown option, bad percent-encoding.
    BadCommand = "bad-command", Some(501), Usage, false, "HELP with the command's name shows how it is written.";
    /// A path that climbs out, is absolute, or holds empty, reserved or control-character names.
    BadPath = "bad-path", Some(501), Usage, false, "Use a relative path without `..`, empty names or control characters.";
    /// A path with too many folders, or too long a name.
    PathTooLong = "path-too-long", Some(501), Other, false, "Shorten the names or use fewer folders: at most 64 of them, 255 bytes a name, 4096 bytes in all.";
    /// A command that needs another one first.
    BadSequence = "bad-sequence", Some(503), Usage, false, "Send USER before PASS.";
    /// Nothing but HELP, USER, PASS and LOGOUT before login.
    LoginRequired = "login-required", Some(530), Login, false, "Log in with USER and PASS first.";
    /// Wrong user or password, or anonymous reading is off; deliberately not said which.
    LoginFailed = "login-failed", Some(530), Login, false, "Check the user name and the password.";
    /// The user may not do this.
    Denied = "denied", Some(550), Denied, false, "Log in as a user who may, or ask the server's administrator for the right.",
        here "Check who may read and write this file or folder and those above it, or choose another place.";
    /// No such file or folder.
    NotFound = "not-found", Some(550), NotFound, false, "List the folder to see what is there.",
        here "Check the name and the folder it is in.";
    /// A folder, where a file is needed.
    IsDirectory = "is-directory", Some(550), Other, false, "Ask for the whole folder, or for a file in it.";
    /// A file, where a folder is needed.
    NotDirectory = "not-directory", Some(550), Other, false, "Name a folder, or leave out the trailing slash; in a path, everything before a slash must be a folder.";
    /// The folder has something in it.
    NotEmpty = "not-empty", Some(550), Other, false, "Remove what is in it first, or ask for the folder with everything in it.";
    /// A link, device, pipe or socket: only regular files are opened.
    NotRegular = "not-regular", Some(550), Other, false, "Only regular files can be transferred.";
    /// The target exists and must not.
    Exists = "exists", Some(553), Exists, false, "Choose another name, or remove the existing one first.";
    /// The target is not what the request said it must be.
    Changed = "changed", Some(553), Exists, false, "Somebody changed it meanwhile: look at it, then try again.";
    /// Somebody has locked it to write it alone.
    Locked = "locked", Some(450), Other, false, "Try again when whoever has locked it is done, or the lock has expired.";
    /// The disk is full.
    NoSpace = "no-space", Some(452), Full, false, "Remove files on the server, and what is in its trash, or ask its administrator to make room.",
        here "Make room on this machine's disk, then try again.";
    /// The user's quota is used up.
    Quota = "quota", Some(552), Full, false, "Remove files, or ask the server's administrator for a larger quota.",
        here "Remove files of yours on this machine, or ask its administrator for a larger quota.";
    /// The bytes that arrived are not the bytes that were sent.
    Integrity = "integrity", Some(554), Integrity, true, "Transfer it again; if it repeats, the file on the sending disk is damaged.";
    /// The bytes on the server's disk are not those that were stored there, though nobody changed the file.
    Rotten = "rotten", Some(554), Integrity, false, "Put a good copy in its place, or accept the file as it is now.";
    /// The sender gave the transfer up.
    Aborted = "aborted", Some(426), Other, true, "Transfer it again.";
    /// Renaming from one file system to another, which takes copying.
    CrossDevice = "cross-device", Some(550), Other, false, "Copy it, or get it and put it under its new name; then remove the old one.";
    /// Renaming from one shared folder, or the home, to another.
    OtherFolder = "other-folder", Some(550), Other, false, "To the server these are two separate folders: copy it, then remove the old one.";
    /// The file was changed by somebody while it was read to be sent.
    Torn = "torn", Some(426), Integrity, true, "Try again when nobody writes to it, or say that it is a file which only gets longer, like a log.";
    /// Reading or writing a disk failed.
    Io = "io-error", Some(451), Other, true, "Ask the server's administrator to look: its log says more.",
        here "Check the disk of this machine.";
    /// A fault of the program.
    Internal = "internal", Some(451), Other, true, "This is a fault in Sealift: please report it with the server's log.",
        here "This is a fault in Sealift: please report it.";
    /// What the server keeps its files in cannot do that.
    Unsupported = "unsupported", Some(504), Other, false, "The storage behind the server cannot do that: do without it, or ask the server's administrator.",
        here "Do without it: what the files are kept in cannot do that.";
    /// What the server keeps its files in does not answer at the moment.
    Unavailable = "unavailable", Some(451), Other, true, "The storage behind the server does not answer: try again in a moment.",
        here "Try again in a moment.";
    /// Too many connections, logins or commands at once.
    Busy = "busy", Some(421), Network, true, "Wait a moment, then try again.";
    /// Too much of one kind is under way; the connection stays.
    TooMany = "too-many", Some(450), Other, true, "Wait until others are done, then try again.";
    /// The server is ending.
    Stopping = "stopping", Some(421), Network, true, "Try again when the server is back.";
    /// An administrator has ended the session.
    Kicked = "kicked", Some(421), Denied, false, "Ask the server's administrator why.";
    /// The user is gone, or is not the same any more.
    Revoked = "revoked", Some(421), Login, false, "Log in again; if that fails, ask the server's administrator.";
    /// Nothing happened for too long.
    TimedOut = "timed-out", Some(421), Network, true, "Check the network, then try again.";
    /// The server is older than what was asked of it.
    TooOld = "too-old", None, Other, false, "Update the server, or do without what it is too old for.";
    /// The connection could not be made, or broke.
    Network = "network", None, Network, true, "Check the address, the port and that the server runs.";
    /// The address cannot be listened on.
    AddressInUse = "address-in-use", None, Network, false, "Stop the other program, or choose another port.";
    /// TLS failed, or key and certificate cannot be used.
    Tls = "tls", None, Tls, false, "Check that the other side speaks TLS 1.3 and `sealift/1`.";
    /// The server's key is not the pinned one.
    PinMismatch = "pin-mismatch", None, Tls, false, "If the key was changed on purpose, trust the new one in place of the old; otherwise somebody may be intercepting the connection.";
    /// The server's key is not known yet, and nobody could be asked.
    Untrusted = "untrusted", None, Tls, false, "Compare the pin with the one the server printed, then trust it.";
    /// A configuration or users file that cannot be used.
    BadConfig = "bad-config", None, Usage, false, "Mend the file at the place named, then start again.";
    /// The command line cannot be carried out as written.
    Usage = "usage", None, Usage, false, "Do as the message says.";
    /// Another program, which was asked for, failed.
    Program = "program", None, Other, false, "It was a program of this machine; the server has no part in it.";
    /// A mirror would delete much because its source is empty.
    EmptySource = "empty-source", None, Exists, false, "Check that the source is complete: a disk may not be mounted. If it is intended, allow an empty source.";
    /// A mirror would delete more files than it may.
    ManyDeletes = "many-deletes", None, Exists, false, "Look first at what would be deleted. If it is intended, allow that many.";
    /// Some files of several failed.
    SomeFailed = "some-failed", None, Partial, false, "Each of the failed files has a reason of its own; the others are done.";
    /// Ctrl-C.
    Interrupted = "interrupted", None, Interrupted, true, "What was finished stays; it can be asked for again.";
}

impl Kind {
    /// The stable word.
    pub const fn word(self) -> &'static str {
        self.row().word
    }

    /// Whether the very same request may succeed later, without anybody doing anything: the network failed, the other
    /// side was busy, silent or about to end.
    pub const fn is_transient(self) -> bool {
        self.row().retry
    }

    /// The kind a reply's word names, if the table has it.
    pub fn from_word(word: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.word() == word)
    }
}

/// A failure: its [`Kind`], what it happened to in words for a person, and the cause underneath.
///
/// The text never holds a secret, and may hold names from outside: whoever prints it escapes it.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    side: Side,
    message: Message,
    /// The message as text, if it has paths in it and was shown.
    text: OnceLock<Box<str>>,
    /// What it happened to, as it was named, for programs.
    path: Option<Box<Path>>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    /// The operation that failed with it was written down.
    is_noted: bool,
    /// What was asked for was not begun.
    is_unbegun: bool,
}

/// A result whose failure is in the table.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of this kind about this, found out on this side.
    pub fn new(kind: Kind, message: impl Into<Message>) -> Self {
        Error {
            kind,
            side: Side::Local,
            message: message.into(),
            text: OnceLock::new(),
            path: None,
            source: None,
            is_noted: false,
            is_unbegun: false,
        }
    }

    /// This failure, as the other side's.
    pub fn of_server(mut self) -> Self {
        self.side = Side::Server;
        self
    }

    /// This failure, about this path, for those who do not read the text.
    pub fn at(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into().into());
        self
    }

    /// This failure, keeping the cause.
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// A failed file operation on `what`, sorted by the operating system's error number.
    pub fn file(what: impl Into<Message>, err: io::Error) -> Self {
        let kind = system::kind_of(&err);
        let what = what.into();
        let told = system::told(&err);
        let why = match kind {
            Kind::NotFound => "no such file or folder",
            Kind::Denied if err.kind() == io::ErrorKind::ReadOnlyFilesystem => "the disk is read-only",
            Kind::Denied => "permission denied",
            Kind::NoSpace => "no space left on the disk",
            Kind::Exists => "already exists",
            Kind::IsDirectory => "is a folder",
            Kind::NotDirectory => "not a folder",
            Kind::NotEmpty => "the folder is not empty",
            Kind::Quota => "the disk quota is used up",
            _ => &told,
        };
        let path = what.text();
        Error::new(kind, what.words(": ").words(why)).at(path).with_source(err)
    }

    /// This error as a server tells it to a client. What the operating system refuses to the server's own account is no matter of the
    /// user's rights: it is a fault of the server.
    pub fn told_by_server(&self) -> (Kind, Cow<'_, str>) {
        let refused = |source: &io::Error| {
            use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
            matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem)
        };
        let source = self.source.as_ref().and_then(|source| source.downcast_ref::<io::Error>());
        if self.kind != Kind::Denied || !source.is_some_and(refused) {
            return (self.kind, Cow::Borrowed(self.text()));
        }
        let what = self.path.as_deref().unwrap_or(Path::new("")).display();
        (Kind::Io, Cow::Owned(format!("{what}: the server's own account may not do that on its disk")))
    }

    /// This failure as [`told_by_server`](Error::told_by_server) tells it, for more to be said behind it.
    pub(crate) fn for_client(self) -> Error {
        let (kind, text) = self.told_by_server();
        if kind == self.kind {
            return self;
        }
        let told = Error::new(kind, text.into_owned());
        match self.path {
            Some(path) => told.at(path),
            None => told,
        }
    }

    /// A failed network operation.
    pub fn network(what: impl fmt::Display, err: io::Error) -> Self {
        let kind = match err.kind() {
            io::ErrorKind::TimedOut => Kind::TimedOut,
            io::ErrorKind::AddrInUse => Kind::AddressInUse,
            _ => Kind::Network,
        };
        Error::new(kind, format!("{what}: {}", system::told(&err))).with_source(err)
    }

    /// This failure for a second listener, without the cause.
    pub fn retold(&self) -> Error {
        let (message, path) = (self.message.clone(), self.path.clone());
        let (is_noted, is_unbegun) = (self.is_noted, self.is_unbegun);
        let text = OnceLock::new();
        Error { kind: self.kind, side: self.side, message, text, path, source: None, is_noted, is_unbegun }
    }

    /// What was asked for was not begun: the other side says so.
    pub(crate) fn unbegun(self) -> Error {
        Error { is_unbegun: true, ..self }
    }

    /// Whether the other side says that it has not begun what was asked for, so that it can be asked for again, whatever it changes.
    pub fn is_unbegun(&self) -> bool {
        self.is_unbegun
    }

    /// The operation that failed with it is written down: whoever asked for it need not be told of again.
    #[cfg_attr(not(feature = "server"), expect(dead_code, reason = "a server's"))]
    pub(crate) fn noted(self) -> Error {
        Error { is_noted: true, ..self }
    }

    /// Whether [`Error::noted`] was said of it.
    #[cfg_attr(not(feature = "server"), expect(dead_code, reason = "a server's"))]
    pub(crate) fn is_noted(&self) -> bool {
        self.is_noted
    }

    /// What the other was turned into, to be told in its place.
    #[cfg_attr(not(feature = "server"), expect(dead_code, reason = "a server's"))]
    pub(crate) fn in_place_of(self, other: &Error) -> Error {
        Error { is_noted: other.is_noted, ..self }
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it went wrong.
    pub fn side(&self) -> Side {
        self.side
    }

    /// What it happened to: of what a server refuses the path that was asked for, as it is named there; else a local one. Nothing
    /// if it happened to no file or folder, or that is not known.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The words for a person, without the next step.
    pub fn text(&self) -> &str {
        match self.message.as_words() {
            Some(words) => words,
            None => self.text.get_or_init(|| self.message.text().into()),
        }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        self.kind.row().exit
    }

    /// The next step for the person.
    pub fn next_step(&self) -> &'static str {
        self.kind.row().next_step(self.side)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests;
