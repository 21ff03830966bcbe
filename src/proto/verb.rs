//! The verbs: one table of names, spellings and summaries, from which HELP is made.

/// One row of the verb table.
#[derive(Debug, Clone, Copy)]
pub struct VerbRow {
    /// The name on the wire, in capitals. Any case is accepted.
    pub name: &'static str,
    /// How the command is written.
    pub usage: &'static str,
    /// What it does, for HELP.
    pub summary: &'static str,
}

macro_rules! verbs {
    ($($(#[$doc:meta])* $verb:ident = $name:literal, $usage:literal, $summary:literal;)*) => {
        /// A command's verb.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Verb { $($(#[$doc])* $verb,)* }

        impl Verb {
            /// Every verb, in the order HELP shows them.
            pub const ALL: &'static [Verb] = &[$(Verb::$verb,)*];

            /// This verb's row of the table.
            pub const fn row(self) -> VerbRow {
                match self { $(Verb::$verb => VerbRow { name: $name, usage: $usage, summary: $summary },)* }
            }
        }
    };
}

verbs! {
    /// What the server can do.
    Help = "HELP", "HELP [verb]", "Show the commands, or how one is written.";
    /// Who is logging in.
    User = "USER", "USER name", "Say who you are; `anonymous` reads without a password.";
    /// The password that goes with USER.
    Pass = "PASS", "PASS password", "Log in with the password that goes with USER.";
    /// Signatures of one's keys.
    Key = "KEY", "KEY name signature[,signature...]", "Log in with signatures of your SSH keys.";
    /// One-time tokens for more connections.
    Token = "TOKEN", "TOKEN [count=1..15]", "Get one-time tokens for more connections of this login.";
    /// Another connection of a login.
    Join = "JOIN", "JOIN token", "Log in with a token that another session of yours got.";
    /// Use an invitation.
    Redeem = "REDEEM", "REDEEM user secret [password=PASSWORD]", "Log in by an invitation, and choose your password.";
    /// Another password of one's own.
    Passwd = "PASSWD", "PASSWD new present=PASSWORD|proof=SIGNATURE[,SIGNATURE...]", "Change your password; it takes the present one or a key's proof.";
    /// What signatures must be over.
    Nonce = "NONCE", "NONCE", "Get the nonce that a proof by a key is over.";
    /// The keys that log one in.
    Keys = "KEYS", "KEYS", "Show the keys that log you in.";
    /// Another key of one's own.
    Enrol = "ENROL", "ENROL name signature present=PASSWORD|proof=SIGNATURE[,SIGNATURE...]", "Let one more key of yours log you in.";
    /// One key less.
    Revoke = "REVOKE", "REVOKE fingerprint present=PASSWORD|proof=SIGNATURE[,SIGNATURE...]", "Let a key that you enrolled log you in no more.";
    /// Make a link.
    Link = "LINK", "LINK [path] [drop=yes [size=BYTES] [files=N]] [name=NAME] [expires=SECONDS|never] [password=PASSWORD] [downloads=N]", "Make a link that needs no account to a file or folder.";
    /// The links of one's own.
    Links = "LINKS", "LINKS", "Show your links.";
    /// One link less.
    Unlink = "UNLINK", "UNLINK name", "Let a link of yours give nothing any more.";
    /// Come by a link.
    Visit = "VISIT", "VISIT secret [password=PASSWORD] [uploads=SECRET]", "Log in by a link that somebody made.";
    /// List a folder.
    List = "LIST", "LIST [path] [recursive=yes] [rotten=yes] [mode=yes] [marks=yes]", "List a folder, or the whole tree below it.";
    /// Describe one file or folder.
    Stat = "STAT", "STAT [path]", "Show type, size and modification time.";
    /// Hash a file on the server.
    Hash = "HASH", "HASH path [length=BYTES] [recorded=yes|growing=yes|partial=yes]", "Read a file and show its BLAKE3, or that of its beginning.";
    /// Take a rotten file as it is.
    Accept = "ACCEPT", "ACCEPT path", "Take a file as right whose bytes are not those that were stored.";
    /// Fetch a file.
    Download = "DOWNLOAD", "DOWNLOAD path [offset=BYTES] [length=BYTES] [growing=yes]", "Send a file to you.";
    /// Store a file.
    Upload = "UPLOAD", "UPLOAD path [size=BYTES] [mtime=SECONDS] [mode=OOO [perms=yes]] [allocated=BYTES] [if=absent|hash:HEX] [offset=BYTES prefix=HEX]", "Store the file whose frames follow.";
    /// Begin a file whose parts come over several connections.
    Stage = "STAGE", "STAGE path size=BYTES [mtime=SECONDS] [mode=OOO [perms=yes]] [allocated=BYTES] [if=absent|hash:HEX] [offset=BYTES prefix=HEX]", "Begin a file whose parts come over several connections.";
    /// Store one part of it.
    Part = "PART", "PART id offset=BYTES length=BYTES", "Store the part of a staged file whose frames follow.";
    /// Put it in its place.
    Commit = "COMMIT", "COMMIT id hash=HEX", "Put a staged file in its place when all its parts are there.";
    /// Give it up.
    Discard = "DISCARD", "DISCARD id", "Give a staged file up.";
    /// Change a file's mode.
    Chmod = "CHMOD", "CHMOD path mode=OOO [perms=yes]", "Give a file the mode of its source.";
    /// Remove a file or folder.
    Delete = "DELETE", "DELETE path [recursive=yes]", "Remove a file, an empty folder, or a whole tree.";
    /// Make a folder.
    Mkdir = "MKDIR", "MKDIR path [parents=yes]", "Make a folder, with those above it if asked.";
    /// Rename or move.
    Rename = "RENAME", "RENAME from to [replace=yes]", "Rename or move a file or folder.";
    /// Copy a file on the server.
    Copy = "COPY", "COPY from to [replace=yes]", "Copy a file on the server, with its time and mode.";
    /// What was deleted or replaced and is kept.
    Trash = "TRASH", "TRASH [path]", "Show what was deleted or replaced and is kept.";
    /// It comes back.
    Restore = "RESTORE", "RESTORE path id=ID [to=PATH]", "Bring back what was deleted or replaced.";
    /// It goes for good.
    Purge = "PURGE", "PURGE [path] [id=ID]", "Remove for good what was deleted or replaced.";
    /// Is anybody there.
    Ping = "PING", "PING", "Answer at once.";
    /// The session and the server in figures.
    Status = "STATUS", "STATUS", "Show your session and the server's figures.";
    /// Who is connected (administrators).
    Who = "WHO", "WHO", "Show who is connected and what they do (administrators).";
    /// End other sessions (administrators).
    Kick = "KICK", "KICK user|session", "End a session, or all those of a user (administrators).";
    /// Whom the server holds back (administrators).
    Penalties = "PENALTIES", "PENALTIES", "Show the addresses that are held back, and for how long (administrators).";
    /// Hold somebody back no more (administrators).
    Unban = "UNBAN", "UNBAN address", "Hold an address back no more (administrators).";
    /// Read files again (administrators).
    Reload = "RELOAD", "RELOAD", "Read users, settings and certificates again (administrators).";
    /// End the server (administrators).
    Shutdown = "SHUTDOWN", "SHUTDOWN", "End the server when running transfers are done (administrators).";
    /// End the session.
    Logout = "LOGOUT", "LOGOUT", "End the session.";
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_is_found_in_any_case_and_nothing_else_is() {
        for verb in Verb::ALL {
            assert_eq!(Verb::from_name(verb.name().as_bytes()), Some(*verb));
            assert_eq!(Verb::from_name(verb.name().to_lowercase().as_bytes()), Some(*verb));
            assert!(verb.row().usage.starts_with(verb.name()));
        }
        assert_eq!(Verb::from_name(b"LISTS"), None);
        assert_eq!(Verb::from_name(b""), None);
    }
}
