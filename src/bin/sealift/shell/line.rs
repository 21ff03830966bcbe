//! One line of the conversation: its words, and the command they are.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use sealift::stray_secrets::Stray;

mod subcommands;
mod values;

pub use self::subcommands::{Df, LinkCommand, LinkLine, MirrorLine, TrashCommand, TrashLine};
use super::Words;
use crate::commands::ls::Look;
use crate::commands::{du, find, tree};
use crate::failure::Outcome;
use crate::help::show_help;
use crate::how_args::{CpHow, GetHow, MkdirHow, MvHow, PutHow, RmHow};
use crate::suggest;
use crate::times::TimeArgs;

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
    /// Show everything below a folder as a tree
    Tree(Tree),
    /// Show how much space folders take
    Du(Du),
    /// Show how much you have stored here, and how much room is left
    Df(Df),
    /// Find files and folders by name, size and age
    Find(Find),
    /// Download everything that is named, to the local folder
    Mget(Get),
    /// Upload everything that is named, to the folder on the server
    Mput(Put),
    /// Download files; the last of several names is the local destination
    #[command(visible_alias = "download")]
    Get(Get),
    /// Upload files; the last of several names is the remote destination
    #[command(visible_alias = "upload")]
    Put(Put),
    /// Make a local folder like one on the server; with -R the other way round
    Mirror(MirrorLine),
    /// Show files
    Cat(Cat),
    /// Show files page by page
    #[command(visible_alias = "less")]
    More(Names),
    /// List, restore, or remove for good what was deleted or replaced
    Trash(TrashLine),
    /// Remove files and folders
    #[command(visible_aliases = ["delete", "del"])]
    Rm(Rm),
    /// Make folders
    Mkdir(Mkdir),
    /// Rename or move; the last name is the destination
    #[command(visible_alias = "rename")]
    Mv(Mv),
    /// Copy on the server; the last name is the destination
    #[command(visible_alias = "copy")]
    Cp(Cp),
    /// Show type, size and time
    Stat(Stat),
    /// Show the BLAKE3 of files
    Hash(Names),
    /// Compare what the server has on its disk with what was stored
    Verify(Names),
    /// Accept rotten files as they are now
    Accept(Names),
    /// Make a link, a URL that needs no account; `link list` shows yours, `link remove NAME` ends one
    Link(LinkLine),
    /// Change the folder on the server; without a name, to your own, with `-`, to the one before
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
    /// List local folders; options are those of this machine's `ls`
    Lls {
        /// Folders and options
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
    /// Make local folders
    Lmkdir(Mkdir),
    /// Show the local folder
    Lpwd,
    /// Clear the screen
    Clear,
    /// Check that the server answers, and how fast
    Ping,
    /// Show your session and the server's figures
    Status,
    /// Show who is connected (administrators)
    Who(TimeArgs),
    /// End a session, or all sessions of a user (administrators)
    Kick {
        /// The session's id, as `who` shows it, or a user's name
        whom: String,
    },
    /// End the server (administrators)
    Shutdown,
    /// Go on as another user; without a name, have this machine log in with a key of its own from now on
    #[command(visible_alias = "user")]
    Login {
        /// The user, whose password is asked for; `anonymous` reads without one. Written alice@host, as `sealift login` does
        #[arg(value_name = "USER")]
        who: Option<OsString>,
    },
    /// Go to another server, or to another user's folder: alice@host[:port][/folder]
    #[command(visible_alias = "connect")]
    Open {
        /// The server
        target: OsString,
    },
    /// Log out and end; with alice@host, revoke this machine's key there, as `sealift logout` does
    Logout {
        /// Whose key
        #[arg(value_name = "USER@HOST")]
        target: Option<OsString>,
        /// Forget the key only here, without telling the server, which still accepts it
        #[arg(long, requires = "target")]
        here: bool,
    },
    /// Log out and end
    #[command(visible_aliases = ["quit", "bye"])]
    Exit,
}

#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct Ls {
    /// Folders or files
    pub names: Vec<OsString>,
    #[command(flatten)]
    pub look: Look,
}

#[derive(Debug, Args)]
pub struct Tree {
    /// Folders
    pub names: Vec<OsString>,
    #[command(flatten)]
    pub how: tree::How,
}

#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct Du {
    /// Folders or files
    pub names: Vec<OsString>,
    #[command(flatten)]
    pub how: du::How,
}

#[derive(Debug, Args)]
pub struct Find {
    /// Folders
    pub names: Vec<OsString>,
    #[command(flatten)]
    pub wanted: find::Wanted,
}

#[derive(Debug, Args)]
pub struct Get {
    /// Files or folders, and the destination; `-` is standard output
    #[arg(required = true)]
    pub names: Vec<OsString>,
    #[command(flatten)]
    pub how: GetHow,
}

#[derive(Debug, Args)]
pub struct Put {
    /// Files or folders, and the destination
    #[arg(required = true)]
    pub names: Vec<OsString>,
    #[command(flatten)]
    pub how: PutHow,
}

#[derive(Debug, Args)]
pub struct Cat {
    /// Files
    #[arg(required = true)]
    pub names: Vec<OsString>,
    /// What is no text, too
    #[arg(short, long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct Names {
    /// Files or folders
    #[arg(required = true)]
    pub names: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct Stat {
    /// Files or folders
    #[arg(required = true)]
    pub names: Vec<OsString>,
    #[command(flatten)]
    pub times: TimeArgs,
}

#[derive(Debug, Args)]
pub struct Rm {
    /// Files or folders
    #[arg(required = true)]
    pub names: Vec<OsString>,
    #[command(flatten)]
    pub how: RmHow,
}

#[derive(Debug, Args)]
pub struct Mkdir {
    /// Folders
    #[arg(required = true)]
    pub names: Vec<OsString>,
    #[command(flatten)]
    pub how: MkdirHow,
}

#[derive(Debug, Args)]
pub struct Mv {
    /// What to move, and where to
    #[arg(required = true, num_args = 2..)]
    pub names: Vec<OsString>,
    #[command(flatten)]
    pub how: MvHow,
}

#[derive(Debug, Args)]
pub struct Cp {
    /// What to copy, and where to
    #[arg(required = true, num_args = 2..)]
    pub names: Vec<OsString>,
    #[command(flatten)]
    pub how: CpHow,
}

impl Line {
    /// Reads a command, whose name may be in any case. `None` if it only asks for help, which has been shown.
    ///
    /// # Errors
    /// What is wrong, if it is none.
    pub fn parse(mut words: Words) -> Outcome<Option<Line>> {
        if let Some(stray) = Stray::among(&words) {
            return Err(stray.into());
        }
        if let Some(name) = words.first_mut() {
            name.make_ascii_lowercase();
            if name == "?" {
                *name = "help".into();
            }
        }
        values::take_as_typed(&mut words, &Line::command());
        Line::try_parse_from(&words).map(Some).or_else(|err| match err.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                show_help(&err.render())?;
                Ok(None)
            }
            _ => Err(suggest::explain(&err, &words, &Line::command(), suggest::Typed::Shell)),
        })
    }
}

impl Command {
    /// Whether it is one about files on the server.
    pub fn is_about_files(&self) -> bool {
        match self {
            Command::Ls(_)
            | Command::Tree(_)
            | Command::Du(_)
            | Command::Df(_)
            | Command::Find(_)
            | Command::Mget(_)
            | Command::Mput(_)
            | Command::Get(_)
            | Command::Put(_)
            | Command::Mirror(_)
            | Command::Cat(_)
            | Command::More(_)
            | Command::Trash(_)
            | Command::Rm(_)
            | Command::Mkdir(_)
            | Command::Mv(_)
            | Command::Cp(_)
            | Command::Stat(_)
            | Command::Hash(_)
            | Command::Verify(_)
            | Command::Accept(_)
            | Command::Link(_)
            | Command::Cd { .. } => true,
            Command::Pwd
            | Command::Lcd { .. }
            | Command::Lls { .. }
            | Command::Lmkdir(_)
            | Command::Lpwd
            | Command::Clear
            | Command::Ping
            | Command::Status
            | Command::Who(_)
            | Command::Kick { .. }
            | Command::Shutdown
            | Command::Login { .. }
            | Command::Open { .. }
            | Command::Logout { .. }
            | Command::Exit => false,
        }
    }

    /// Whether it may be done over when its connection was lost on the way: it changes nothing on the server, or goes on
    /// by itself.
    pub fn only_asks(&self) -> bool {
        match self {
            Command::Rm(_)
            | Command::Mkdir(_)
            | Command::Mv(_)
            | Command::Cp(_)
            | Command::Put(_)
            | Command::Mirror(_)
            | Command::Mput(_)
            | Command::Link(_)
            | Command::Accept(_)
            | Command::Trash(TrashLine { command: TrashCommand::Restore { .. } | TrashCommand::Empty { .. } }) => false,
            command => command.is_about_files() || matches!(command, Command::Ping | Command::Status | Command::Who(_)),
        }
    }

    /// Whether what it writes are objects, where those are asked for: neither the bytes of files nor what programs of this machine write.
    pub fn tells_programs(&self) -> bool {
        match self {
            Command::Cat(_) | Command::More(_) => false,
            Command::Pwd | Command::Lpwd | Command::Login { .. } | Command::Logout { target: Some(_), .. } => true,
            command => command.needs_server(),
        }
    }

    /// Whether it speaks with the server.
    pub fn needs_server(&self) -> bool {
        self.is_about_files()
            || matches!(
                self,
                Command::Ping | Command::Status | Command::Who(_) | Command::Kick { .. } | Command::Shutdown
            )
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::super::request;
    use super::*;
    use crate::failure::Failure;

    fn words(line: &str) -> Words {
        request::split(line.as_bytes()).unwrap()
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
            "tree",
            "du -s",
            "df",
            "find --name x",
            "mget *.txt",
            "mput *.log",
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
            "lls -la x",
            "more x",
            "verify x",
            "cd -",
            "get -c a -",
            "put --growing a b",
            "lmkdir -p x",
            "link --expires 2d x",
            "link list",
            "link remove x",
            "trash list",
            "trash ls x",
            "trash restore x --to y",
            "trash empty -y /",
            "df -h /x",
            "open h",
            "lpwd",
            "ping",
            "status",
            "who",
            "kick bob",
            "shutdown",
            "user alice",
            "login",
            "login alice",
            "logout alice@h --here",
        ] {
            assert!(matches!(Line::parse(words(line)), Ok(Some(_))), "{line}");
        }
        for line in [
            "frobnicate",
            "mv a",
            "cat",
            "pwd x",
            "link",
            "link remove",
            "trash restore",
            "trash empty",
            "logout --here",
        ] {
            assert!(Line::parse(words(line)).is_err(), "{line}");
        }
    }

    #[test]
    fn what_people_type_by_habit_is_answered_with_what_does_it_here() {
        for (line, said) in [
            ("reget x", "`get -c NAME`"),
            ("chmod 644 x", "cannot be changed"),
            ("sync a b", "`mirror SOURCE"),
            ("gte x", "Did you mean `get`?"),
            ("frobnicate", "`help` shows"),
            ("get --recurse x", "Did you mean --recursive?"),
            ("find -name x", "Here it is --name"),
            ("mv a", "It is written like this: mv"),
            ("ls --frob", "`ls --help` shows"),
            // On the command line it would be about the server.
            ("cd -l x", "`cd --help` shows"),
            ("stat -p x", "`stat --help` shows"),
        ] {
            match Line::parse(words(line)) {
                Err(Failure::Error { hint: Some(hint), .. }) => assert!(hint.contains(said), "{line}: {hint}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_question_for_help_is_no_failure() {
        for line in ["help", "?", "HELP ls", "get --help"] {
            assert!(matches!(Line::parse(words(line)), Ok(None)), "{line}");
        }
    }

    #[test]
    fn names_keep_their_case_spaces_and_bytes() {
        let line = request::split(b"GET 'A b' c\\ d \"e'f\" -- -g \xff").unwrap();
        let Command::Get(args) = Line::parse(line).unwrap().unwrap().command else { panic!() };
        let names: Vec<&[u8]> = args.names.iter().map(|name| name.as_bytes()).collect();
        assert_eq!(names, [&b"A b"[..], b"c d", b"e'f", b"-g", b"\xff"]);
    }
}
