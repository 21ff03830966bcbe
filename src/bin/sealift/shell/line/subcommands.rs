//! Commands of the shell that have commands of their own, and those whose arguments are read in another way than elsewhere.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Subcommand};
use sealift::files::TrashId;

use crate::commands::{df, link};
use crate::filter_args::age;
use crate::mirror_args;
use crate::times::TimeArgs;

#[derive(Debug, Args)]
#[command(after_help = MIRROR_HELP)]
#[command(mut_arg("source", |arg| arg.help("The folder to copy: on the server, with -R a local one")))]
#[command(mut_arg("destination", |arg| arg.help("The folder that becomes like it: a local one, with -R on the server")))]
pub struct MirrorLine {
    /// SOURCE is the local folder, DESTINATION the one on the server
    #[arg(short = 'R', long)]
    pub reverse: bool,
    #[command(flatten)]
    pub how: mirror_args::Mirror,
}

#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct Df {
    /// A shared folder, or something in one; otherwise what is shown is about everything that you have
    pub name: Option<OsString>,
    #[command(flatten)]
    pub how: df::How,
}

const MIRROR_HELP: &str = "\
Examples:
  mirror photos ./photos
  mirror -R ./site www --delete
  mirror -R ./site www --delete --dry-run

As with lftp: without -R what is on the server comes here. One of the two may be written as on a command line, with the server \
before it; then it says which way, as in `mirror ./site alice@files.example/www`. What the options come to is in \
`sealift help mirror`.";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(override_usage = "link [OPTIONS] <TARGET>\n       link list\n       link remove <NAME>")]
pub struct LinkLine {
    #[command(subcommand)]
    pub command: Option<LinkCommand>,
    #[command(flatten)]
    pub make: link::Make,
}

/// What else there is to do about links.
#[derive(Debug, Subcommand)]
pub enum LinkCommand {
    /// Show your links
    List(TimeArgs),
    /// Withdraw a link
    #[command(visible_alias = "revoke")]
    Remove {
        /// Their names, as `link list` shows them
        #[arg(required = true)]
        names: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub struct TrashLine {
    #[command(subcommand)]
    pub command: TrashCommand,
}

/// What there is to do about what was deleted or replaced.
#[derive(Debug, Subcommand)]
pub enum TrashCommand {
    /// List what is kept of a folder, newest first
    #[command(visible_alias = "ls")]
    List {
        /// The folder, or what was in it, also by wildcards [default: the current one]
        name: Option<OsString>,
        #[command(flatten)]
        times: TimeArgs,
    },
    /// Restore something: the newest thing that had this name
    Restore {
        /// What was deleted or replaced, also by wildcards
        #[arg(required = true)]
        names: Vec<OsString>,
        /// Which one of several: its id, which `trash list` shows where a path is kept more than once
        #[arg(long, value_name = "ID")]
        id: Option<TrashId>,
        /// Its new name [default: as before]
        #[arg(long, value_name = "NAME")]
        to: Option<OsString>,
        /// Everything that was in these folders and was deleted since so long ago, like 1h
        #[arg(long, value_name = "TIME", value_parser = age, conflicts_with_all = ["id", "to"])]
        since: Option<Duration>,
    },
    /// Remove for good what was deleted or replaced, here and in all folders below
    #[command(visible_alias = "purge")]
    Empty {
        /// The folder, or what was in it, also by wildcards
        name: OsString,
        /// Only this one: its id, which `trash list` shows where a path is kept more than once
        #[arg(long, value_name = "ID")]
        id: Option<TrashId>,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}
