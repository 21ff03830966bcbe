//! The options that a command takes alike on the command line and in the shell, where only the names differ.

use clap::Args;

use super::list_args::ListArgs;
use super::transfer::{Links, TransferArgs};

/// How `get` fetches.
#[derive(Debug, Args)]
pub struct GetHow {
    /// Fetch folders with all below them
    #[arg(short, long, short_alias = 'R')]
    pub recursive: bool,
    /// What to do about links inside of folders [default: fetch files that links lead to, skip links to folders]
    #[arg(long, value_name = "WHAT", value_enum)]
    pub links: Option<Links>,
    #[command(flatten)]
    pub list: ListArgs,
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// How `put` sends.
#[derive(Debug, Args)]
pub struct PutHow {
    /// Send folders with all below them
    #[arg(short, long, short_alias = 'R')]
    pub recursive: bool,
    /// What to do about links inside of folders; a server stores none [default: skip]
    #[arg(long, value_name = "WHAT", value_enum)]
    pub links: Option<Links>,
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
