//! The command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use sealift::auth::{Access, UnknownRight};
use sealift::files::Durability;
use sealift::limits;
use sealift::server::{AuditTo, MetricsAt};

use crate::audit;
use crate::audit::args::AuditArgs;
use crate::cert_args::{self, CertCommand};
use crate::definition::{CompletionArgs, ManualArgs};
use crate::explain;
use crate::failure::Failure;
use crate::habits;
use crate::hooks::HookArgs;
use crate::invite::Invite;
use crate::limit_args::LimitArgs;
use crate::node_args::NodeArgs;
pub use crate::places::Places;
use crate::scrub_args::{self, ScrubArgs};
use crate::share_args::{self, FolderCommand, GroupCommand};
#[cfg(feature = "s3")]
use crate::store_args::StoreArgs;
use crate::supervisor;
use crate::supervisor::args::ReloadArgs;
use crate::user_args::{self, UserCommand};
use crate::web_args::WebArgs;

/// The widest that help becomes.
pub const WIDTH: usize = 100;

const EXAMPLES: &str = "\
Examples:
  sealiftd
      Serve on port 4456. The first start makes a key, a users file and the data directory, and prints the commands to try.
  sealiftd user add alice
      Add a user who may write, while the server runs.
  sealiftd --listen 127.0.0.1:0 --port-file port
      Serve on a free port of this machine alone, and write its number to a file when ready.
  sealiftd cert pin
      Print the pin that clients check the server's key against.

Every option can also be set by the environment variable that its help names.
The users file is read again within a second when it has changed: no restart is needed. Open sessions get the new \
rights; those of users who are gone or have another password end.
SIGINT (Ctrl-C) and SIGTERM let running transfers finish (--grace); a second one ends the server at once.

Exit codes: 0 done, 1 other, 2 wrong usage or configuration, 3 not found, 5 permission denied, 6 address in use or \
network, 7 key and certificate, 9 disk full, 11 exists already.";

/// Sealift's server: secure file transfer over one TLS port, with users and keys of its own. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "sealiftd", version, after_help = EXAMPLES, max_term_width = WIDTH)]
pub struct Cli {
    /// Where everything is.
    #[command(flatten)]
    pub places: Places,

    /// How to serve, where no command is given.
    #[command(flatten)]
    pub serve: ServeArgs,

    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// How to serve.
#[derive(Debug, Args)]
#[command(next_help_heading = "Serving")]
pub struct ServeArgs {
    /// Address to listen on; may be given more than once, or as a list with commas. Port 0 lets the system choose
    /// [default: port 4456 of every address]
    #[arg(long, value_name = "ADDR:PORT", env = "SEALIFT_LISTEN", value_delimiter = ',', value_parser = parse_address, hide_env_values = true)]
    pub listen: Vec<SocketAddr>,

    /// Write the port's number (and a newline) to this file once the server is ready; it is removed when the server ends. Only a port
    /// file that a server has left is ever replaced
    #[arg(long, value_name = "FILE", env = "SEALIFT_PORT_FILE", hide_env_values = true)]
    pub port_file: Option<PathBuf>,

    /// Once the addresses are listened on, go on as this account (a name or a number), with only its groups: for a
    /// server that is started as root
    #[arg(long, value_name = "NAME", env = "SEALIFT_USER", hide_env_values = true)]
    pub user: Option<String>,

    /// Put a small process in front that holds the listening sockets, starts the server, and starts it again if it crashes. `sealiftd
    /// reload --binary` then replaces the server, and nobody who connects meanwhile is refused
    #[arg(long, env = "SEALIFT_SUPERVISE", hide_env_values = true)]
    pub supervise: bool,

    /// Turn the sandbox off, by which the kernel bars this process from every file that it does not serve, and from connecting out
    #[arg(long, env = "SEALIFT_NO_SANDBOX", hide_env_values = true)]
    pub no_sandbox: bool,

    /// Folder below which shared folders elsewhere (`path =` in the users file) may be added, and changed by users, without a
    /// restart of the server; may be given several times
    #[arg(long, value_name = "DIR", env = "SEALIFT_ROOTS", value_delimiter = ',', hide_env_values = true)]
    pub roots: Vec<PathBuf>,

    /// What an acknowledged upload survives: a power cut (full), or only the end of the program (none), which is faster
    #[arg(
        long,
        value_name = "WHAT",
        env = "SEALIFT_DURABILITY",
        value_enum,
        default_value = "full",
        hide_env_values = true
    )]
    pub durability: DurabilityArg,

    #[command(flatten)]
    pub nodes: NodeArgs,

    /// How long running transfers may go on after SIGINT or SIGTERM, such as 30s or 5m
    #[arg(long, value_name = "TIME", env = "SEALIFT_GRACE", default_value_t = default_grace(), hide_env_values = true)]
    pub grace: humantime::Duration,

    /// Record who did what, one JSON object a line: in this file, which is appended to and made if it is missing, in a folder of its
    /// own; with `journald`, as entries of systemd's journal with fields of their own (`journald:/PATH` if its socket is there); or
    /// with `stderr`. `sealiftd audit` searches it. SIGHUP opens it anew
    #[arg(long, value_name = "FILE", env = "SEALIFT_AUDIT", value_parser = parse_audit, hide_env_values = true)]
    pub audit: Option<AuditTo>,

    /// Serve figures as OpenMetrics (/metrics), and whether the server works (/healthz), over plain HTTP: on an address that only
    /// this machine can reach, such as 127.0.0.1:9456, or on a socket, such as unix:/run/sealiftd/metrics
    #[arg(long, value_name = "ADDR:PORT|unix:PATH", env = "SEALIFT_METRICS", value_parser = parse_metrics, hide_env_values = true)]
    pub metrics: Option<MetricsAt>,

    /// How the log on standard error is written: for people, or one JSON object a line
    #[arg(
        long,
        value_name = "FORMAT",
        env = "SEALIFT_LOG_FORMAT",
        value_enum,
        default_value = "text",
        hide_env_values = true
    )]
    pub log_format: LogFormat,

    /// What is logged: off, error, warn, info, debug, trace, or a filter such as sealift::server=debug,info
    /// [default: info, without what is shown at the start anyway if that is on a terminal]
    #[arg(long, value_name = "LEVEL", env = "SEALIFT_LOG", hide_env_values = true)]
    pub log_level: Option<String>,

    /// What is run when something happens.
    #[command(flatten)]
    pub hooks: HookArgs,

    /// A storage elsewhere.
    #[cfg(feature = "s3")]
    #[command(flatten)]
    pub store: StoreArgs,

    /// Browsers and curl.
    #[command(flatten)]
    pub web: WebArgs,

    /// How much clients may take.
    #[command(flatten)]
    pub limits: LimitArgs,
}

impl ServeArgs {
    /// The file of the audit, if it goes to one.
    pub fn audit_file(&self) -> Option<&Path> {
        match &self.audit {
            Some(AuditTo::File(file)) => Some(file),
            _ => None,
        }
    }
}

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  sealiftd explain alice DELETE docs/report.txt
  sealiftd explain alice RENAME draft.txt final.txt --with replace=yes
  sealiftd explain anonymous UPLOAD hello.txt

What is allowed can still fail because of what is there: a missing file, a full disk, a quota.
Exit codes: 0 allowed, 5 refused, 2 no such command, 3 no users file.";

const CHECK_EXAMPLES: &str = "\
Examples:
  sealiftd check
  sealiftd check --data /srv/files --max-connections 500
      With the options the server is started with.
  sealiftd check && systemctl restart sealiftd
  sealiftd check --strict
      For a monitor: warnings count, too.

Each line is an error (the server would not start, or not be safe), a warning (it should not stay like this) or a note, with the next step.
Exit codes: 0 no errors, 1 some; with --strict also for warnings.";

const CONFIG_EXAMPLES: &str = "\
Examples:
  sealiftd config show
      The settings of a server that is started here, as lines of a file.
  sealiftd --max-connections 500 config show
      The same, with the options that the server is started with.";

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until SIGINT or SIGTERM; this is also what happens without a command
    Serve(ServeArgs),
    /// Add, change, remove and list users
    #[command(after_help = user_args::EXAMPLES)]
    User {
        /// What to do with them.
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Add, change, remove and list groups of users, who are given folders together
    #[command(after_help = share_args::GROUP_EXAMPLES)]
    Group {
        /// What to do with them.
        #[command(subcommand)]
        command: GroupCommand,
    },
    /// Share folders with users, groups or everybody, change and list them
    #[command(after_help = share_args::FOLDER_EXAMPLES)]
    Folder {
        /// What to do with them.
        #[command(subcommand)]
        command: FolderCommand,
    },
    /// Print a line with which somebody joins: the user is made, and the line pins this server and lets her choose a password
    Invite(Invite),
    /// Show or renew the server's key and certificate; shows them without a command
    #[command(after_help = cert_args::EXAMPLES)]
    Cert {
        /// What to do with it.
        #[command(subcommand)]
        command: Option<CertCommand>,
    },
    /// Have the server that runs here read its files again, or replace it by the new program (--supervise)
    #[command(after_help = supervisor::args::EXAMPLES)]
    Reload(ReloadArgs),
    /// Show the settings, and where each comes from
    #[command(after_help = CONFIG_EXAMPLES)]
    Config {
        /// What to do with them.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Say whether a user may do something, and by which rule
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
    /// Look for what would keep a server from starting, or should be put right; changes nothing
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Read all files at a bounded rate and compare them with what was stored
    #[command(after_help = scrub_args::EXAMPLES)]
    Scrub(ScrubArgs),
    /// Search the audit: what a server has recorded of who did what (`--audit`)
    #[command(after_help = audit::args::EXAMPLES)]
    Audit(AuditArgs),
    /// Write a completion script for a shell
    Completion(CompletionArgs),
    /// Write the man pages into a folder, such as /usr/local/share/man/man1
    Manual(ManualArgs),
}

/// What to do with the settings.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print each setting as a line of the file, followed by where it comes from
    Show,
}

/// What to check: the same options as for serving.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Write one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// End with 1 if there are warnings, too
    #[arg(long)]
    pub strict: bool,
    /// How the server would be started.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// May this user do that.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// The user's name, or anonymous
    pub user: String,
    /// A verb of the protocol, LIST, STAT, HASH, DOWNLOAD, UPLOAD, DELETE, MKDIR, RENAME, COPY, WHO, SHUTDOWN and others, or the client's word:
    /// ls, get, put, rm, mv, cp
    pub verb: String,
    /// The path in the user's folder; two for RENAME
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// An option of the command, such as replace=yes or recursive=yes; may be given more than once
    #[arg(long, value_name = "KEY=VALUE", value_parser = explain::parse_pair)]
    pub with: Vec<(String, String)>,
    /// Assume that the user logs in with this key: its name or fingerprint, as `sealiftd user key list` shows them
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
}

// The values have no help of their own: each option's help says what they mean.
/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// What an acknowledged upload outlives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DurabilityArg {
    Full,
    None,
}

impl From<DurabilityArg> for Durability {
    fn from(arg: DurabilityArg) -> Durability {
        match arg {
            DurabilityArg::Full => Durability::Full,
            DurabilityArg::None => Durability::None,
        }
    }
}

/// Options of serving in front of another command would be ignored: they are refused instead.
///
/// # Errors
/// A usage error that names the option.
pub fn refuse_misplaced(matches: &ArgMatches) -> Result<(), Failure> {
    let command = matches.subcommand_name().unwrap_or_default();
    // It shows what a server would go by that is started with them.
    if command == "config" {
        return Ok(());
    }
    let definition = Cli::command();
    for arg in definition.get_arguments().filter(|arg| !arg.is_global_set()) {
        if matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine) {
            let option = format!("--{}", arg.get_long().unwrap_or_default());
            return Err(match command {
                "serve" | "check" => Failure::usage(format!("{option} stands in front of `{command}`"))
                    .hint(format!("Write it after the command: sealiftd {command} {option} …")),
                _ => Failure::usage(format!("{option} has no meaning for `sealiftd {command}`"))
                    .hint(format!("Leave it out, or see sealiftd {command} --help.")),
            });
        }
    }
    Ok(())
}

fn default_grace() -> humantime::Duration {
    limits::GRACE.into()
}

pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.trim().parse().map_err(|_| {
        "write an IP address and a port, such as 127.0.0.1:4456, 0.0.0.0:4456 (every IPv4 address) or [::]:4456 (every \
         address)"
            .to_owned()
    })
}

pub fn parse_audit(text: &str) -> Result<AuditTo, String> {
    text.parse().map_err(|err: sealift::Error| err.text().to_owned())
}

fn parse_metrics(text: &str) -> Result<MetricsAt, String> {
    text.parse().map_err(|err: sealift::Error| err.text().to_owned())
}

pub fn parse_access(text: &str) -> Result<Access, String> {
    text.parse().map_err(|err: UnknownRight| match &err {
        UnknownRight::Unknown(word) => {
            let meant = habits::right(word).map(|meant| format!(". Did you mean {meant}?"));
            format!("{err}{}", meant.unwrap_or_default())
        }
        UnknownRight::Alone(_) => format!("{err}{}", told_as_list(text)),
    })
}

/// Rights as a list of each, where no word among them takes all away.
fn told_as_list(text: &str) -> String {
    let union = |all: Access, word: &str| match word.trim().parse::<Access>() {
        Ok(some) if some != Access::NONE => Some(all.union(some)),
        _ => None,
    };
    match text.split(',').try_fold(Access::NONE, union) {
        Some(all) => format!(". Write {all}"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_that_stand_alone_are_told_as_what_works() {
        for (typed, works) in [
            ("read,upload", ". Write list,download,upload"),
            ("upload, read,delete", ". Write list,download,upload,delete"),
            ("full,read", ". Write full"),
        ] {
            let told = parse_access(typed).unwrap_err();
            assert!(told.ends_with(works), "{told}");
            assert!(parse_access(works.trim_start_matches(". Write ")).is_ok());
        }
        assert!(parse_access("none,upload").unwrap_err().ends_with("all there is"));
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_the_options_are_those_of_serve() {
        let bare = Cli::try_parse_from(["sealiftd", "--data", "d", "--listen", "127.0.0.1:0"]).unwrap();
        assert!(bare.command.is_none());
        assert_eq!((bare.places.data, bare.serve.listen), ("d".into(), vec![([127, 0, 0, 1], 0).into()]));
        let named = Cli::try_parse_from(["sealiftd", "--data", "d", "serve", "--listen", "[::1]:1,1.2.3.4:5"]).unwrap();
        assert_eq!(named.places.data, PathBuf::from("d"));
        let Some(Command::Serve(serve)) = named.command else { panic!("not serve") };
        assert_eq!(serve.listen.len(), 2);
    }

    #[test]
    fn places_may_stand_before_or_behind_a_command() {
        for line in [["sealiftd", "--users", "u", "user", "list"], ["sealiftd", "user", "list", "--users", "u"]] {
            assert_eq!(Cli::try_parse_from(line).unwrap().places.users, PathBuf::from("u"));
        }
    }

    #[test]
    fn an_option_that_would_be_ignored_is_refused() {
        let refused = |line: &[&str]| refuse_misplaced(&Cli::command().try_get_matches_from(line).unwrap()).is_err();
        assert!(refused(&["sealiftd", "--listen", "127.0.0.1:0", "user", "list"]));
        assert!(refused(&["sealiftd", "--grace", "1s", "serve"]));
        assert!(refused(&["sealiftd", "--max-connections", "1", "serve"]));
        assert!(refused(&["sealiftd", "--web", "off", "check"]));
        assert!(!refused(&["sealiftd", "--data", "d", "user", "list"]));
    }
}
