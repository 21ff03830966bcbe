//! The options that a command takes alike on the command line and in the shell, where only the names differ.

use clap::Args;
use sealift::Kind;

use super::ask;
use super::failure::{Failure, Outcome};
use super::list_args::ListArgs;
use super::transfer::{Links, TransferArgs};

/// How `get` fetches.
#[derive(Debug, Args)]
pub struct GetHow {
    /// Fetch folders with everything below them
    #[arg(short, long, short_alias = 'R')]
    pub recursive: bool,
    /// What to do about links in folders [default: fetch files that they lead to]
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
    /// Send folders with everything below them
    #[arg(short, long, short_alias = 'R')]
    pub recursive: bool,
    /// What to do about links in folders; a server stores none [default: skip]
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
    /// Remove folders with everything in them
    #[arg(short, long, short_alias = 'R')]
    pub recursive: bool,
    /// Ignore what is not there, and ask nothing; of -f, -i and -I the last one counts
    #[arg(short, long, overrides_with_all = ["interactive", "once"])]
    pub force: bool,
    /// Ask before each file, and before each folder with everything in it; to name a key here, use --identity
    #[arg(short, long, overrides_with_all = ["force", "once"])]
    pub interactive: bool,
    /// Ask once before removing more than three things, or with -r
    #[arg(short = 'I', overrides_with_all = ["force", "interactive"])]
    pub once: bool,
}

impl RmHow {
    /// Refuses to ask for each where there is nobody to ask, before anything is done.
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub fn prove_possible(&self) -> Outcome {
        if self.interactive && !ask::is_possible() { Err(RmHow::nobody_to_ask("-i")) } else { Ok(()) }
    }

    /// The failure of a question that nobody can be asked.
    pub fn nobody_to_ask(option: &str) -> Failure {
        Failure::new(
            Kind::Usage,
            format!("{option} asks before it removes, and there is no terminal to ask on"),
            "-f after it removes without asking: the last of -f, -i and -I counts.",
        )
    }
}

/// How `mkdir` makes folders.
#[derive(Debug, Args)]
pub struct MkdirHow {
    /// Make the folders above it too; one that is there already is no error
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
    /// Copy folders with everything in them
    #[arg(short, long)]
    pub recursive: bool,
    /// Replace files that are there
    #[arg(short, long)]
    pub force: bool,
}
