//! The options that a command takes alike on the command line and in the shell, where only the names differ.

use clap::{Args, ValueEnum};

use super::list_args::ListArgs;
use super::transfer::{Links, TransferArgs};

/// How `get` fetches.
#[derive(Debug, Args)]
pub struct GetHow {
    /// Fetch folders with all below them
    #[arg(short, long, short_alias = 'R')]
    pub recursive: bool,
    /// What to do about links inside of folders. (A server shows its own as the files that they lead to, and says of none that it is
    /// one, so there is no more to choose)
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    pub links: ServerLinks,
    #[command(flatten)]
    pub list: ListArgs,
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// What to do about a link inside of a folder that is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ServerLinks {
    /// Fetch what it leads to
    #[default]
    Follow,
}

/// How `put` sends.
#[derive(Debug, Args)]
pub struct PutHow {
    /// Send folders with all below them
    #[arg(short, long, short_alias = 'R')]
    pub recursive: bool,
    /// What to do about links inside of folders. (A server stores none, so they cannot be kept)
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    pub links: Links,
    #[command(flatten)]
    pub list: ListArgs,
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// How `rm` removes.
#[derive(Debug, Args)]
pub struct RmHow {
    /// Remove folders with all that is in them
    #[arg(short, long, short_alias = 'R')]
    pub recursive: bool,
    /// What is not there is no error
    #[arg(short, long)]
    pub force: bool,
}

/// How `mkdir` makes folders.
#[derive(Debug, Args)]
pub struct MkdirHow {
    /// Make those above too; one that is there is no error
    #[arg(short, long)]
    pub parents: bool,
}

/// How `mv` moves.
#[derive(Debug, Args)]
pub struct MvHow {
    /// Replace a file that is there
    #[arg(short, long)]
    pub force: bool,
}

/// How `cp` copies.
#[derive(Debug, Args)]
pub struct CpHow {
    /// Folders with all in them
    #[arg(short, long)]
    pub recursive: bool,
    /// Replace files that are there
    #[arg(short, long)]
    pub force: bool,
}
