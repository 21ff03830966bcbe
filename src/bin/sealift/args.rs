//! What can be typed: every command, every option, and the words that explain them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use sealift::tls::Pin;

use super::bookmark_args::Bookmark;
use super::commands::admin::Admin;
use super::commands::cat::Cat;
use super::commands::cp::Cp;
use super::commands::df::Df;
use super::commands::du::Du;
use super::commands::find::Find;
use super::commands::health::Health;
use super::commands::join::Join;
use super::commands::key::Key;
use super::commands::link::Link;
use super::commands::login::{LogIn, LogOut};
use super::commands::ls::Ls;
use super::commands::passwd::Passwd;
use super::commands::trash::Trash;
use super::commands::tree::Tree;
use super::completion::{Completion, Manual};
use super::how_args::{GetHow, MkdirHow, MvHow, PutHow, RmHow};
use super::mirror_args::Mirror;
use super::rot_args::{Accept, Verify};
use super::shell::Shell;
use super::times::TimeArgs;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Secure file transfer: TLS from the first byte, pinned keys, every file verified
#[derive(Debug, Parser)]
#[command(name = "sealift", version, styles = STYLES, max_term_width = 100, subcommand_required = true)]
#[command(arg_required_else_help = true, disable_help_subcommand = false)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes, before its name or after it.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Accept only a server whose key has this pin; may be given several times
    #[arg(long, value_name = "sha256//BASE64", global = true, help_heading = "Connection")]
    pub pin: Vec<Pin>,

    /// What to do about a server that is not known yet [default: ask at a terminal, strict elsewhere]
    #[arg(long, value_name = "MODE", env = "SEALIFT_TRUST", hide_env_values = true, global = true)]
    #[arg(help_heading = "Connection", hide_short_help = true)]
    pub trust: Option<TrustMode>,

    /// Accept a server whose certificate is signed by an authority in this PEM file
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "pin")]
    #[arg(help_heading = "Connection", hide_short_help = true)]
    pub ca_file: Option<PathBuf>,

    /// Port of a server that is named without one [default: 4456]
    #[arg(long, short_alias = 'P', env = "SEALIFT_PORT", hide_env_values = true, value_parser = clap::value_parser!(u16).range(1..))]
    #[arg(global = true, help_heading = "Connection", hide_short_help = true)]
    pub port: Option<u16>,

    /// Read the port from the file that `sealiftd --port-file` wrote
    #[arg(long, value_name = "FILE", global = true, help_heading = "Connection", hide_short_help = true)]
    pub port_file: Option<PathBuf>,

    /// Connect by IPv4 only
    #[arg(
        short = '4',
        long,
        global = true,
        conflicts_with = "ipv6",
        help_heading = "Connection",
        hide_short_help = true
    )]
    pub ipv4: bool,

    /// Connect by IPv6 only
    #[arg(short = '6', long, global = true, help_heading = "Connection", hide_short_help = true)]
    pub ipv6: bool,

    /// Give up on a server that is silent for this long, like 10s or 2m
    ///
    /// A server that reads a whole file, as to prove one that is resumed, says nothing meanwhile: it has an hour at least.
    #[arg(long, value_name = "TIME", value_parser = duration, global = true)]
    #[arg(help_heading = "Connection", hide_short_help = true)]
    pub timeout: Option<Duration>,

    /// After a lost connection, give up after this many attempts in a row that get no farther; 12 of them take two minutes at
    /// least [default: 12]
    #[arg(long, value_name = "N", global = true, help_heading = "Connection", hide_short_help = true)]
    pub retry: Option<u32>,

    /// Read defaults and named servers from this file [default: config.toml in SEALIFT_CONFIG_DIR, else in ~/.config/sealift]
    #[arg(long, value_name = "FILE", env = "SEALIFT_CONFIG", hide_env_values = true, global = true)]
    #[arg(help_heading = "Connection", hide_short_help = true)]
    pub config: Option<PathBuf>,

    /// Log in with the key in this file; a public key stands for the private one that the agent has. May be given several
    /// times [default: those of the agent and of ~/.ssh]
    #[arg(short, long, value_name = "FILE", global = true, help_heading = "Key and password", hide_short_help = true)]
    pub identity: Vec<PathBuf>,

    /// Read the password from the first line of this file
    #[arg(long, value_name = "FILE", global = true, help_heading = "Key and password", hide_short_help = true)]
    #[arg(conflicts_with = "password_stdin")]
    pub password_file: Option<PathBuf>,

    /// Read the password from the first line of standard input
    #[arg(long, global = true, help_heading = "Key and password", hide_short_help = true)]
    pub password_stdin: bool,

    /// Take user and password from ~/.netrc (or the file that NETRC names); nobody else may be able to read it
    #[arg(long, global = true, help_heading = "Key and password", hide_short_help = true)]
    pub netrc: bool,

    /// Write results to stdout and errors to stderr as JSON, one object a line
    #[arg(long, global = true, help_heading = "Output", hide_short_help = true)]
    pub json: bool,

    /// Show the steps on stderr, and which process and session of the server answered
    #[arg(short, long, global = true, help_heading = "Output", hide_short_help = true)]
    pub verbose: bool,

    /// Show nothing on stderr but errors; what is skipped is none
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Output", hide_short_help = true)]
    pub quiet: bool,
}

/// Whom to trust of those who are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TrustMode {
    /// Show the pin and ask
    Ask,
    /// Trust a new server and remember its pin; a changed pin is still refused
    AcceptNew,
    /// Refuse a server that is not known
    Strict,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(visible_alias = "list", alias = "dir")]
    Ls(Ls),
    Tree(Tree),
    Du(Du),
    Df(Df),
    Find(Find),
    #[command(visible_alias = "download", alias = "fetch")]
    Get(Get),
    #[command(visible_alias = "upload", alias = "send")]
    Put(Put),
    Mirror(Mirror),
    #[command(visible_alias = "delete", aliases = ["del", "remove", "unlink"])]
    Rm(Rm),
    #[command(alias = "md")]
    Mkdir(Mkdir),
    #[command(aliases = ["move", "rename", "ren"])]
    Mv(Mv),
    #[command(alias = "copy")]
    Cp(Cp),
    #[command(alias = "type")]
    Cat(Cat),
    Stat(Stat),
    #[command(aliases = ["checksum", "b3sum"])]
    Hash(Hash),
    Verify(Verify),
    Accept(Accept),
    #[command(aliases = ["connect", "open", "sftp"])]
    Shell(Shell),
    Ping(Ping),
    Health(Health),
    /// Show your session and the server's figures
    #[command(after_help = "Example:\n  sealift status files.example")]
    Status(OneServer),
    Admin(Admin),
    /// Show who is connected, and what they are doing
    #[command(after_help = "Example:\n  sealift who admin@files.example")]
    Who(Who),
    /// End a session, or all sessions of a user
    #[command(
        after_help = "Examples:\n  sealift kick admin@files.example bob\n  sealift kick admin@files.example 7b430352ecddde17"
    )]
    Kick(Kick),
    /// Stop the server when running transfers are done
    #[command(after_help = "Example:\n  sealift shutdown admin@files.example")]
    Shutdown(OneServer),
    Join(Join),
    Login(LogIn),
    Logout(LogOut),
    Passwd(Passwd),
    Key(Key),
    Link(Link),
    Trash(Trash),
    Trust(Trust),
    #[command(visible_alias = "bookmarks")]
    Bookmark(Bookmark),
    Completion(Completion),
    Manual(Manual),
}

/// Download files and folders
#[derive(Debug, Args)]
#[command(override_usage = "sealift get [OPTIONS] <REMOTE>... [LOCAL]")]
#[command(after_help = "\
Examples:
  sealift get files.example/pub/report.pdf
  sealift get alice@files.example/a.txt alice@files.example/b.txt here/
  sealift get 'alice@files.example/*.txt' texts/
  sealift get -r alice@files.example/photos .
  sealift get -c files.example/pub/backup.tar
  sealift get files.example/pub/backup.tar - | tar x
  sealift get --files-from names.txt alice@files.example/photos here/

It reads like `cp -r`: with two or more names the last one is the local destination. A folder there receives the \
files under their own names, and one that ends in `/` is made if missing. Every file appears whole, verified and with \
its modification time, or not at all.

A link that is named as the destination is followed, as by `cp` and `curl`: the file that it leads to is replaced. Into \
a device, a pipe, /dev/stdout or /dev/fd/N the bytes are written as they arrive, and verified at the end: on an exit \
code other than 0 do not use them. Names that come from a server are never followed, and what they name never takes \
the place of a device or pipe.")]
pub struct Get {
    /// What to fetch, then where to put it [default: here]; `-` is standard output
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<OsString>,
    #[command(flatten)]
    pub how: GetHow,
}

/// Upload files and folders
#[derive(Debug, Args)]
#[command(override_usage = "sealift put [OPTIONS] <LOCAL>... <REMOTE>")]
#[command(after_help = "\
Examples:
  sealift put report.pdf alice@files.example/
  sealift put *.jpg alice@files.example/photos/2024/
  sealift put -r project alice@files.example/backup/
  sealift put -r --if-exists skip photos alice@files.example/
  tar c src | sealift put - alice@files.example/src.tar
  sealift put -- -odd-name.txt alice@files.example/
  find . -newer stamp -type f -print0 | sealift put -0 --files-from - . alice@files.example/new/

It reads like `cp -r`: the last name is the destination. A folder there receives the files under their own names, and \
one that ends in `/` is made if missing. A file appears under its name whole, verified and durable, or not at all.

A pipe that is named is read to its end, and waited for if nobody writes into it yet; in folders, pipes, devices and \
links are left out and counted.

Where a link (`sealift link --drop`) is the last name, files are put in by it, without an account. They keep their own names, or get a number, and nothing is seen of what is there. One whose answer was lost with the line is sent again, and may then be there twice.")]
pub struct Put {
    /// Local files, then where to put them on the server; `-` is standard input
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<OsString>,
    #[command(flatten)]
    pub how: PutHow,
}

/// Remove files and folders
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealift rm alice@files.example/old.txt
  sealift rm 'alice@files.example/logs/2025-*'
  sealift rm -r alice@files.example/old-folder

Without -r, an empty folder is removed only if it is named itself: wildcards match files.")]
pub struct Rm {
    /// Files or folders on a server
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<OsString>,
    #[command(flatten)]
    pub how: RmHow,
    // The one of all commands, without its letter, which asks here as it does in every other `rm`. It is read with those of all.
    /// Log in with the key in this file, as in other commands by -i
    #[arg(long, value_name = "FILE", help_heading = "Key and password", hide = true)]
    pub identity: Vec<PathBuf>,
}

/// Make folders
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sealift mkdir -p alice@files.example/photos/2024/summer")]
pub struct Mkdir {
    /// Folders on a server
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<OsString>,
    #[command(flatten)]
    pub how: MkdirHow,
}

/// Rename or move on the server
#[derive(Debug, Args)]
#[command(override_usage = "sealift mv [OPTIONS] <FROM>... <TO>")]
#[command(after_help = "\
Examples:
  sealift mv alice@files.example/draft.txt alice@files.example/final.txt
  sealift mv alice@files.example/a.txt alice@files.example/b.txt alice@files.example/archive/")]
pub struct Mv {
    /// What to move, then where to; all on one server
    #[arg(required = true, num_args = 2.., value_name = "NAME")]
    pub names: Vec<OsString>,
    #[command(flatten)]
    pub how: MvHow,
}

/// Show type, size and time of files and folders
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sealift stat --json files.example/pub/report.pdf")]
pub struct Stat {
    /// Files or folders on a server
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<OsString>,
    #[command(flatten)]
    pub times: TimeArgs,
}

/// Show the BLAKE3 of files, as the server reads them from its disk
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  sealift hash files.example/pub/a.iso files.example/pub/b.iso > sums
  b3sum --check sums

The output is that of `b3sum`, with paths relative to the user's folder on the server.")]
pub struct Hash {
    /// Files on a server
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<OsString>,
}

/// Check that a server answers, and how fast
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sealift ping -n 5 files.example")]
pub struct Ping {
    /// The server
    #[arg(value_name = "TARGET")]
    pub target: OsString,
    /// How many times
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub count: u32,
}

// A comment and not documentation: each command has its own words.
#[derive(Debug, Args)]
pub struct OneServer {
    /// The server
    #[arg(value_name = "TARGET")]
    pub target: OsString,
}

// As above.
#[derive(Debug, Args)]
pub struct Who {
    /// The server
    #[arg(value_name = "TARGET")]
    pub target: OsString,
    #[command(flatten)]
    pub times: TimeArgs,
}

// As above.
#[derive(Debug, Args)]
pub struct Kick {
    /// The server
    #[arg(value_name = "TARGET")]
    pub target: OsString,
    /// The session's id, as `sealift who` shows it, or a user's name
    #[arg(value_name = "USER|SESSION")]
    pub whom: String,
}

/// Manage the keys of the servers you trust
#[derive(Debug, Args)]
#[command(after_help = "\
They are in known_servers in the configuration folder (~/.config/sealift, or what SEALIFT_CONFIG_DIR names). What an \
administrator vouches for, for everybody on this machine, is in /etc/sealift/known_servers.")]
pub struct Trust {
    #[command(subcommand)]
    pub command: TrustCommand,
}

#[derive(Debug, Subcommand)]
pub enum TrustCommand {
    /// Remember a server's key
    #[command(after_help = "\
Examples:
  sealift trust add files.example
  sealift trust add files.example:5000 --pin sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=

Without --pin it connects, shows the pin of the server's key, and asks. `sealiftd cert pin` on the server prints the \
pin to compare with. Give --pin several times to accept several keys, for several machines behind one name.")]
    Add {
        /// host[:port]
        #[arg(value_name = "SERVER")]
        server: OsString,
        /// A note to keep beside the key
        #[arg(long, value_name = "TEXT")]
        comment: Option<String>,
        /// Keep the keys that are already known, too: any of them is accepted
        #[arg(long)]
        also: bool,
    },
    /// Show the servers you trust
    List,
    /// Forget the keys of a server, or with --pin only that one
    Remove {
        /// host[:port]
        #[arg(value_name = "SERVER")]
        server: OsString,
    },
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a time; write it like 500ms, 10s or 2m");
    let duration = match text.parse::<u32>() {
        Ok(seconds) => Duration::from_secs(seconds.into()),
        Err(_) => humantime::parse_duration(text).map_err(|_| wrong())?,
    };
    if duration.is_zero() { Err(wrong()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn common_options_stand_before_or_after_the_command() {
        for words in
            [["sealift", "--json", "ls", "h"], ["sealift", "ls", "--json", "h"], ["sealift", "ls", "h", "--json"]]
        {
            assert!(Cli::try_parse_from(words).unwrap().common.json);
        }
    }

    #[test]
    fn a_time_has_a_unit_or_is_in_seconds() {
        assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("1m 500ms"), Ok(Duration::from_millis(60_500)));
        for bad in ["", "0", "0s", "soon", "-1"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_option_takes_a_password() {
        let err = Cli::try_parse_from(["sealift", "ls", "--password", "x", "h"]).unwrap_err();
        assert_eq!(err.exit_code(), 2);
    }
}
