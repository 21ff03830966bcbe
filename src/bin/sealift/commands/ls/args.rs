//! The command line of `ls`, here and in the shell.

use std::ffi::OsString;

use clap::{ArgAction, Args};

use crate::times::TimeArgs;

/// List a folder
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(after_help = "\
Examples:
  sealift ls files.example
  sealift ls -lt alice@files.example/reports
  sealift ls 'files.example/pub/2026-*'
  sealift ls -r --json files.example:5000/pub | jq -r .path

Names that begin with a dot are left out, unless -a is given. On a terminal, names are in columns, times are local, and control \
characters are escaped, as \\x1b; -l also shows modes if the terminal has 60 columns or more and the server tells them. Into a pipe names are written \
as they are, one a line, with their paths if -r is given, and -l writes `TYPE SIZE TIME NAME` with times in UTC; this format will not change. With --json \
everything is listed, in the same order; with -U as it comes.")]
pub struct Ls {
    /// Folders or files on a server
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<OsString>,
    #[command(flatten)]
    pub look: Look,
}

/// What is shown of a folder, and in which order.
#[derive(Debug, Clone, Args)]
pub struct Look {
    /// Show type, size and time too
    #[arg(short, long)]
    pub long: bool,
    /// Show names that begin with a dot too
    #[arg(short, long, short_alias = 'A', alias = "almost-all")]
    pub all: bool,
    /// Show one name a line
    #[arg(short = '1')]
    pub one: bool,
    /// Sort by time, newest first
    #[arg(short = 't', overrides_with_all = ["by_size", "unsorted"])]
    pub by_time: bool,
    /// Sort by size, largest first
    #[arg(short = 'S', overrides_with_all = ["by_time", "unsorted"])]
    pub by_size: bool,
    /// Show entries as they come: at once, however many there are
    #[arg(short = 'U', overrides_with_all = ["by_time", "by_size"])]
    pub unsorted: bool,
    /// Sort the other way round
    #[arg(long)]
    reverse: bool,
    /// With everything below
    #[arg(short = 'R', long)]
    recursive: bool,
    /// The same; but beside -t or -S, as in `ls -ltr`, sort the other way round
    #[arg(short)]
    r: bool,
    /// Show folders themselves, not what is in them
    #[arg(short, long)]
    pub directory: bool,
    /// Show sizes in readable units, which is the default; for help use --help
    #[arg(short = 'h', long, overrides_with = "bytes")]
    pub human_readable: bool,
    /// Show sizes in bytes
    #[arg(short, long)]
    pub bytes: bool,
    #[command(flatten)]
    pub times: TimeArgs,
    /// Show this help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

impl Look {
    /// With everything below.
    pub fn recursive(&self) -> bool {
        self.recursive || (self.r && !self.is_sorted())
    }

    /// Sorted the other way round.
    pub fn reverse(&self) -> bool {
        self.reverse || (self.r && self.is_sorted())
    }

    fn is_sorted(&self) -> bool {
        self.by_time || self.by_size
    }
}
