//! One line of the conversation: its words, and the command they are.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use clap::{Args, Parser, Subcommand};
use sealift::{Error, Kind, Result};

use super::Words;

/// A command of the shell.
#[derive(Debug, Parser)]
#[command(multicall = true, disable_version_flag = true, help_template = "{subcommands}")]
pub struct Line {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List a folder
    #[command(visible_aliases = ["list", "dir"])]
    Ls(Ls),
    /// Download files; the last of several names is the local destination
    #[command(visible_alias = "download")]
    Get(Transfer),
    /// Upload files; the last of several names is the remote destination
    #[command(visible_alias = "upload")]
    Put(Transfer),
    /// Show a file
    Cat(Names),
    /// Remove files and folders
    #[command(visible_aliases = ["delete", "del"])]
    Rm(Rm),
    /// Make folders
    Mkdir(Mkdir),
    /// Rename or move; the last name is the destination
    #[command(visible_alias = "rename")]
    Mv(Mv),
    /// Show type, size and time
    Stat(Names),
    /// Show the BLAKE3 of files
    Hash(Names),
    /// Change the folder on the server; without a name, to your own
    Cd {
        /// The folder
        folder: Option<OsString>,
    },
    /// Show the folder on the server
    Pwd,
    /// Change the local folder; without a name, to your home
    Lcd {
        /// The folder
        folder: Option<OsString>,
    },
    /// List a local folder
    Lls {
        /// The folder
        folder: Option<OsString>,
    },
    /// Show the local folder
    Lpwd,
    /// Check that the server answers, and how fast
    Ping,
    /// Show your session and the server's figures
    Status,
    /// Show who is connected (administrators)
    Who,
    /// End a session, or all sessions of a user (administrators)
    Kick {
        /// The session's id, as `who` shows it, or a user's name
        whom: String,
    },
    /// End the server (administrators)
    Shutdown,
    /// Log in again, or as another user; the password is asked for
    #[command(visible_alias = "user")]
    Login {
        /// The user; `anonymous` reads without a password
        user: Option<String>,
    },
    /// Log out and end
    #[command(visible_aliases = ["quit", "bye", "logout"])]
    Exit,
}

#[derive(Debug, Args)]
pub struct Ls {
    /// The folder
    pub names: Vec<OsString>,
    /// Show type, size and time (UTC) too
    #[arg(short, long)]
    pub long: bool,
    /// With everything below
    #[arg(short, long, short_alias = 'R')]
    pub recursive: bool,
    /// Show sizes in bytes
    #[arg(short, long)]
    pub bytes: bool,
}

#[derive(Debug, Args)]
pub struct Transfer {
    /// Files or folders, and the destination
    #[arg(required = true)]
    pub names: Vec<OsString>,
    /// Folders with all below them
    #[arg(short, long, short_alias = 'R')]
    pub recursive: bool,
}

#[derive(Debug, Args)]
pub struct Names {
    /// Files or folders
    #[arg(required = true)]
    pub names: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct Rm {
    /// Files or folders
    #[arg(required = true)]
    pub names: Vec<OsString>,
    /// Folders with all that is in them
    #[arg(short, long, short_alias = 'R')]
    pub recursive: bool,
    /// What is not there is no error
    #[arg(short, long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct Mkdir {
    /// Folders
    #[arg(required = true)]
    pub names: Vec<OsString>,
    /// Those above too
    #[arg(short, long)]
    pub parents: bool,
}

#[derive(Debug, Args)]
pub struct Mv {
    /// What to move, and where to
    #[arg(required = true, num_args = 2..)]
    pub names: Vec<OsString>,
    /// Replace a file that is there
    #[arg(short, long)]
    pub force: bool,
}

impl Line {
    /// Reads a command, whose name may be in any case. `None` if it is none, or asks for help: that has been shown.
    pub fn parse(mut words: Words) -> Option<Line> {
        if let Some(name) = words.first_mut() {
            name.make_ascii_lowercase();
            if name == "?" {
                *name = "help".into();
            }
        }
        Line::try_parse_from(words).inspect_err(|err| drop(err.print())).ok()
    }
}

/// Takes a line apart as a shell does: quotes and backslashes protect spaces, and `#` begins a comment.
///
/// # Errors
/// [`Kind::Usage`] for a quote that is not closed.
pub fn split(line: &[u8]) -> Result<Words> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut lexer = shlex::bytes::Shlex::new(line);
    let words: Words = lexer.by_ref().map(OsString::from_vec).collect();
    if lexer.had_error {
        return Err(Error::new(Kind::Usage, "a quote is not closed, or the line ends with a backslash"));
    }
    Ok(words)
}

/// Whether a line may be remembered: not if somebody typed a password into it.
pub fn is_harmless(words: &[OsString]) -> bool {
    let Some(name) = words.first().map(|name| name.as_bytes().to_ascii_lowercase()) else { return false };
    match name.as_slice() {
        b"login" | b"user" => words.len() <= 2,
        b"pass" | b"password" => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn words(line: &str) -> Words {
        split(line.as_bytes()).unwrap()
    }

    #[test]
    fn the_definition_holds_together() {
        Line::command().debug_assert();
    }

    #[test]
    fn commands_are_known_in_any_case_and_by_their_other_names() {
        for line in [
            "LIST",
            "UPLOAD x",
            "DOWNLOAD x",
            "DELETE x",
            "LOGOUT",
            "ls -l",
            "Get a b",
            "put a",
            "rm -r x",
            "mkdir -p x",
            "mv a b",
            "stat x",
            "hash x",
            "cat x",
            "exit",
            "QUIT",
            "cd",
            "pwd",
            "lcd /tmp",
            "lls",
            "lpwd",
            "ping",
            "status",
            "who",
            "kick bob",
            "shutdown",
            "user alice",
            "login",
        ] {
            assert!(Line::parse(words(line)).is_some(), "{line}");
        }
        for line in ["frobnicate", "mv a", "cat", "pwd x"] {
            assert!(Line::parse(words(line)).is_none(), "{line}");
        }
    }

    #[test]
    fn names_keep_their_case_spaces_and_bytes() {
        let line = Line::parse(split(b"GET 'A b' c\\ d \"e'f\" -- -g \xff\r\n").unwrap()).unwrap();
        let Command::Get(args) = line.command else { panic!() };
        let names: Vec<&[u8]> = args.names.iter().map(|name| name.as_bytes()).collect();
        assert_eq!(names, [&b"A b"[..], b"c d", b"e'f", b"-g", b"\xff"]);
        assert!(split(b"get 'a").is_err());
        assert!(words("  # only a comment").is_empty());
    }

    #[test]
    fn a_line_with_a_password_is_not_remembered() {
        for line in ["user alice canary", "LOGIN alice canary", "PASS canary"] {
            assert!(!is_harmless(&words(line)), "{line}");
        }
        assert!(is_harmless(&words("user alice")) && is_harmless(&words("ls a b c")));
    }
}
