//! Commands: what a line says, as a value; and the one table of them, which says of each how its line is read, what it is for, and since
//! when servers have it.

use std::net::IpAddr;

use super::arguments::Args;
use super::features::Feature;
use crate::error::{Error, Kind, Result};
use crate::escape;
use crate::files::{Hash, Mtime, RelPath, SourceMode, StagedId, TrashId};
use crate::keys::{Evidence, Proof};
use crate::limits;
use crate::secret::Secret;

pub use self::args::{HashOf, InboxArgs, LinkArgs, LinkEnd, StageArgs, UploadArgs};

/// What HELP, and whoever sends a command, must know of its verb.
#[derive(Debug, Clone, Copy)]
pub struct VerbRow {
    /// The name on the wire, in capitals. Any case is accepted.
    pub name: &'static str,
    /// How the command is written.
    pub usage: &'static str,
    /// What it does, for HELP.
    pub summary: &'static str,
    /// What a server has listed that knows it; none: all do.
    pub since: Option<Feature>,
}

/// Takes rows such as
///
/// ```text
/// /// What it is.
/// Verb { /// What it is about.
///     field: Type = method(key), } since Feature: "NAME", "NAME usage", "Summary.";
/// ```
///
/// A method is one of [`Args`], which takes its argument off the line; they are asked in their order. One value alone stands in
/// parentheses and has no name.
macro_rules! commands {
    ($(
        $(#[$doc:meta])*
        $verb:ident
        $(( $type:ty = $method:ident($($key:literal)?) ))?
        $({ $( $(#[$field_doc:meta])* $field:ident: $field_type:ty = $field_method:ident($($field_key:literal)?), )* })?
        $(since $feature:ident)?
        : $name:literal, $usage:literal, $summary:literal;
    )*) => {
        /// A command's verb.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Verb { $($(#[$doc])* $verb,)* }

        /// One command, parsed and in bounds.
        #[derive(Debug, Clone)]
        pub enum Command { $(
            $(#[$doc])*
            $verb $(($type))? $({ $( $(#[$field_doc])* $field: $field_type, )* })?,
        )* }

        impl Verb {
            /// Every verb, in the order HELP shows them.
            pub const ALL: &'static [Verb] = &[$(Verb::$verb,)*];

            /// This verb's row of the table.
            pub const fn row(self) -> VerbRow {
                match self { $(
                    Verb::$verb => {
                        VerbRow { name: $name, usage: $usage, summary: $summary, since: commands!(@since $($feature)?) }
                    }
                )* }
            }
        }

        impl Command {
            /// The command's verb.
            pub fn verb(&self) -> Verb {
                match self { $(Command::$verb { .. } => Verb::$verb,)* }
            }

            fn of(verb: Verb, args: &mut Args<'_>) -> Result<Command> {
                Ok(match verb { $(
                    Verb::$verb => Command::$verb
                        $((args.$method($($key)?)?))?
                        $({ $( $field: args.$field_method($($field_key)?)?, )* })?,
                )* })
            }
        }
    };
    (@since) => { None };
    (@since $feature:ident) => { Some(Feature::$feature) };
}

commands! {
    /// What the server can do.
    Help(Option<Verb> = verb()): "HELP", "HELP [verb]", "Show the commands, or how one is written.";
    /// Who is logging in.
    User(String = user_name()): "USER", "USER name", "Say who you are; `anonymous` reads without a password.";
    /// The password that goes with USER.
    Pass(Secret = password()): "PASS", "PASS password", "Log in with the password that goes with USER.";
    /// Signatures of one's keys.
    Key {
        /// Who says that they are.
        user: String = user_name(),
        /// The signatures: at most [`limits::KEY_PROOFS_MAX`].
        proofs: Vec<Proof> = proofs(),
    } since Keys: "KEY", "KEY name signature[,signature...]", "Log in with signatures of your SSH keys.";
    /// One-time tokens for more connections.
    Token {
        /// How many.
        count: u32 = count(),
    }: "TOKEN", "TOKEN [count=1..15]", "Get one-time tokens for more connections of this login.";
    /// Another connection of a login.
    Join(Secret = token()): "JOIN", "JOIN token", "Log in with a token that another session of yours got.";
    /// Use an invitation.
    Redeem {
        /// Who is invited.
        user: String = user_name(),
        /// The invitation's secret.
        secret: Secret = invitation(),
        /// The password that is to be. None: only look whether the invitation can be used.
        password: Option<Secret> = new_password_option("password"),
    } since Redeem: "REDEEM", "REDEEM user secret [password=PASSWORD]",
        "Log in by an invitation, and choose your password.";
    /// Another password of one's own.
    Passwd {
        /// The one that is to be.
        new: Secret = new_password(),
        /// Who says so.
        evidence: Evidence = evidence(),
    } since Passwd: "PASSWD", "PASSWD new present=PASSWORD|proof=SIGNATURE[,SIGNATURE...]",
        "Change your password; it takes the present one or a key's proof.";
    /// What signatures must be over.
    Nonce since Enrol: "NONCE", "NONCE", "Get the nonce that a proof by a key is over.";
    /// The keys that log one in.
    Keys since Enrol: "KEYS", "KEYS", "Show the keys that log you in.";
    /// Another key of one's own.
    Enrol {
        /// What it is called: 1 to [`limits::KEY_NAME_MAX`] bytes.
        name: String = key_name(),
        /// The signature of that key.
        key: Box<Proof> = new_key(),
        /// Who says so.
        evidence: Evidence = evidence(),
    } since Enrol: "ENROL", "ENROL name signature present=PASSWORD|proof=SIGNATURE[,SIGNATURE...]",
        "Let one more key of yours log you in.";
    /// One key less.
    Revoke {
        /// Its fingerprint.
        fingerprint: String = fingerprint(),
        /// Who says so.
        evidence: Evidence = evidence(),
    } since Enrol: "REVOKE", "REVOKE fingerprint present=PASSWORD|proof=SIGNATURE[,SIGNATURE...]",
        "Revoke a key that you enrolled.";
    /// Make a link.
    Link(Box<LinkArgs> = link()) since Link: "LINK", "LINK [path] [drop=yes [size=BYTES] [files=N]] [name=NAME] [expires=SECONDS|never] [password=PASSWORD] [downloads=N]",
        "Make a link that needs no account to a file or folder.";
    /// The links of one's own.
    Links since Link: "LINKS", "LINKS", "Show your links.";
    /// One link less.
    Unlink(String = link_name()) since Link: "UNLINK", "UNLINK name", "Withdraw a link of yours.";
    /// Come by a link.
    Visit {
        /// Its secret.
        secret: Secret = link_secret(),
        /// Its password, if it has one.
        password: Option<Secret> = optional_password("password"),
        /// What tells one's uploads from those of others who have it.
        uploads: Option<Secret> = uploads(),
    } since Link: "VISIT", "VISIT secret [password=PASSWORD] [uploads=SECRET]",
        "Log in by a link that somebody made.";
    /// List a folder.
    List {
        /// The folder.
        path: RelPath = path_or_root(),
        /// With all below it.
        recursive: bool = flag("recursive"),
        /// Saying which files are rotten.
        rotten: bool = flag("rotten"),
        /// Saying the modes of all.
        mode: bool = flag("mode"),
        /// Saying which are links, and which folders are shared ones.
        marks: bool = flag("marks"),
    }: "LIST", "LIST [path] [recursive=yes] [rotten=yes] [mode=yes] [marks=yes]",
        "List a folder, or the whole tree below it.";
    /// Describe one file or folder.
    Stat {
        /// Which.
        path: RelPath = path_or_root(),
        /// With how much room there is in the folder that it is in, the home or a shared one.
        usage: bool = flag("usage"),
    }: "STAT", "STAT [path] [usage=yes]", "Show type, size and modification time.";
    /// Hash a file on the server.
    Hash {
        /// The file.
        path: RelPath = path(),
        /// Only so many bytes of it.
        length: Option<u64> = number("length"),
        /// What of it.
        of: HashOf = hash_of(),
    }: "HASH", "HASH path [length=BYTES] [recorded=yes|growing=yes|partial=yes]",
        "Read a file and show its BLAKE3, or that of its beginning.";
    /// Take a rotten file as it is.
    Accept(RelPath = path()) since Record: "ACCEPT", "ACCEPT path",
        "Accept a file whose bytes are not those that were stored.";
    /// Fetch a file.
    Download {
        /// The file.
        path: RelPath = path(),
        /// The first byte to send.
        offset: u64 = number_or_zero("offset"),
        /// How many bytes to send; to the end if absent.
        length: Option<u64> = number("length"),
        /// It may become longer meanwhile, and is sent as long as it is at the beginning.
        growing: bool = flag("growing"),
    }: "DOWNLOAD", "DOWNLOAD path [offset=BYTES] [length=BYTES] [growing=yes]", "Send a file to you.";
    /// Store a file.
    Upload(UploadArgs = upload()): "UPLOAD", "UPLOAD path [size=BYTES] [mtime=SECONDS] [mode=OOO [perms=yes]] [allocated=BYTES] [if=absent|hash:HEX] [offset=BYTES prefix=HEX]",
        "Store the file whose frames follow.";
    /// Begin a file whose parts come over several connections.
    Stage(StageArgs = stage()): "STAGE", "STAGE path size=BYTES [mtime=SECONDS] [mode=OOO [perms=yes]] [allocated=BYTES] [if=absent|hash:HEX] [offset=BYTES prefix=HEX]",
        "Begin a file whose parts come over several connections.";
    /// Store one part of it.
    Part {
        /// The staged file.
        id: StagedId = staged(),
        /// Where the part begins.
        offset: u64 = needed("offset"),
        /// Its bytes.
        length: u64 = needed("length"),
    }: "PART", "PART id offset=BYTES length=BYTES", "Store the part of a staged file whose frames follow.";
    /// Put it in its place.
    Commit {
        /// The staged file.
        id: StagedId = staged(),
        /// The BLAKE3 of all of it.
        hash: Hash = hash(),
    }: "COMMIT", "COMMIT id hash=HEX", "Put a staged file in its place when all its parts are there.";
    /// Give it up.
    Discard(StagedId = staged()): "DISCARD", "DISCARD id", "Give a staged file up.";
    /// Change a file's mode, or what a folder has of its source.
    Chmod {
        /// The file or folder.
        path: RelPath = path(),
        /// The mode of its source.
        mode: SourceMode = needed_mode(),
        /// The time of its source: then it is a folder.
        mtime: Option<Mtime> = mtime(),
    } since Chmod: "CHMOD", "CHMOD path mode=OOO [perms=yes] [mtime=SECONDS]",
        "Give a file the mode of its source, or with mtime= a folder its time.";
    /// Remove a file or folder.
    Delete {
        /// What to remove.
        path: RelPath = path(),
        /// A folder with all in it.
        recursive: bool = flag("recursive"),
        /// Saying how far it is.
        progress: bool = flag("progress"),
    }: "DELETE", "DELETE path [recursive=yes] [progress=yes]", "Remove a file, an empty folder, or a whole tree.";
    /// Make a folder.
    Mkdir {
        /// The folder to make.
        path: RelPath = path(),
        /// Those above it too, and no error if it is there.
        parents: bool = flag("parents"),
    }: "MKDIR", "MKDIR path [parents=yes]", "Make a folder, with those above it if asked.";
    /// Rename or move.
    Rename {
        /// What to move.
        from: RelPath = path(),
        /// Where to.
        to: RelPath = path(),
        /// A file that is there is replaced.
        replace: bool = flag("replace"),
    }: "RENAME", "RENAME from to [replace=yes]", "Rename or move a file or folder.";
    /// Copy a file on the server.
    Copy {
        /// The file.
        from: RelPath = path(),
        /// What the copy is called.
        to: RelPath = path(),
        /// A file that is there is replaced.
        replace: bool = flag("replace"),
    } since Copy: "COPY", "COPY from to [replace=yes]", "Copy a file on the server, with its time and mode.";
    /// What was deleted or replaced and is kept.
    Trash(RelPath = path_or_root()) since Trash: "TRASH", "TRASH [path]",
        "Show what was deleted or replaced and is kept.";
    /// It comes back.
    Restore {
        /// What it was called.
        path: RelPath = path(),
        /// Which.
        id: TrashId = needed_trashed(),
        /// What it is called from now on; none: as before.
        to: Option<RelPath> = path_option("to"),
    } since Trash: "RESTORE", "RESTORE path id=ID [to=PATH]", "Bring back what was deleted or replaced.";
    /// It goes for good.
    Purge {
        /// What it was called; of all below it, too, if none is named.
        path: RelPath = path_or_root(),
        /// Which.
        id: Option<TrashId> = trashed(),
    } since Trash: "PURGE", "PURGE [path] [id=ID]", "Remove for good what was deleted or replaced.";
    /// Is anybody there.
    Ping: "PING", "PING", "Answer at once.";
    /// The session and the server in figures.
    Status: "STATUS", "STATUS", "Show your session and the server's figures.";
    /// Who is connected (administrators).
    Who: "WHO", "WHO", "Show who is connected and what they are doing (administrators).";
    /// End other sessions (administrators).
    Kick(String = user_name()) since Kick: "KICK", "KICK user|session",
        "End a session, or all those of a user (administrators).";
    /// Whom the server holds back (administrators).
    Penalties since Admin: "PENALTIES", "PENALTIES",
        "Show the addresses that are held back, and for how long (administrators).";
    /// Hold somebody back no more (administrators).
    Unban(IpAddr = address()) since Admin: "UNBAN", "UNBAN address", "Stop holding an address back (administrators).";
    /// Read files again (administrators).
    Reload since Admin: "RELOAD", "RELOAD", "Read users, settings and certificates again (administrators).";
    /// End the server (administrators).
    Shutdown: "SHUTDOWN", "SHUTDOWN", "End the server when running transfers are done (administrators).";
    /// End the session.
    Logout: "LOGOUT", "LOGOUT", "End the session.";
}

impl Verb {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The verb with this name, in any case.
    pub fn from_name(name: &[u8]) -> Option<Verb> {
        Verb::ALL.iter().copied().find(|verb| verb.name().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// A line that is no command: which verb it had, if that much was clear, and why it is refused.
///
/// The verb matters even then: frames follow an UPLOAD or PART line, however wrong the rest of it is.
#[derive(Debug)]
pub struct BadLine {
    /// The verb.
    pub verb: Option<Verb>,
    /// Why.
    pub error: Error,
}

impl Command {
    /// Parses one line, its ending already cut off.
    ///
    /// # Errors
    /// [`Kind::UnknownVerb`], [`Kind::BadCommand`], [`Kind::BadPath`], [`Kind::NotFound`] for the reserved name.
    pub fn parse(line: &[u8]) -> Result<Command, BadLine> {
        let (word, rest) = match line.iter().position(|b| *b == b' ') {
            Some(at) => line.split_at(at),
            None => (line, &[][..]),
        };
        let Some(verb) = Verb::from_name(word) else {
            let shown = word.get(..word.len().min(limits::VERB_SHOWN)).unwrap_or_default();
            let text = format!("`{}` is not a command", escape::for_people(shown));
            return Err(BadLine { verb: None, error: Error::new(Kind::UnknownVerb, text) });
        };
        let parsed = || {
            let mut args = Args::new(verb, rest)?;
            let command = Command::of(verb, &mut args)?;
            args.finish()?;
            Ok(command)
        };
        parsed().map_err(|error| BadLine { verb: Some(verb), error })
    }
}

mod args;
mod sending;
#[cfg(test)]
mod tests;
