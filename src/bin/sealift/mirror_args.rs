//! The arguments of `mirror`.

use std::ffi::OsString;

use clap::Args;
use sealift::client::MaxDelete;

use super::filter_args::FilterArgs;
use super::list_args::ListArgs;
use super::transfer::{FlowArgs, Links, connections};

/// Make a folder like another; only what changed moves
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealift mirror ./site alice@files.example/www --delete
  sealift mirror files.example/pub ./pub --exclude '*.tmp' --exclude cache/
  sealift mirror ./site alice@files.example/www --delete --dry-run

One of the two is on a server, the other is local: write it with ./ or / first if that is in doubt. What is in SOURCE \
comes into DESTINATION, which is made if missing. Files of the same size and time are the same, unless the server knows one to be rotten: it is sent anew, and never fetched. \
Modification times of files are kept, those of folders only when fetching. Special files are skipped, and nothing \
takes the place of a device, pipe or socket in DESTINATION; --delete removes one of whose name SOURCE has nothing.

Patterns are globs, and the first that matches decides. One without a slash matches names at any depth, one with a \
slash the path from SOURCE on; a slash at the end restricts it to folders. What is excluded, or not in a list of --files-from, is \
never deleted. With \
--checksum, a file on the server that differs in its time alone keeps that time.

--delete removes last, and removes nothing unless the whole source was read and every transfer succeeded: else it says \
how many it kept (with -v which), and the exit code is 10 (`sealift help exit-codes` has the rule of all commands). What has the name of something of another type, a folder \
where a file must go, is moved aside (.NAME.MARK.sealift-aside), removed last, and put back if anything fails or you press \
Ctrl-C. If it could not be, the next mirror puts it back where its name is free, and else leaves it and names it. A source without files, with links alone too, and more \
deletions than --max-delete, are refused before anything is done, with exit code 11.")]
pub struct Mirror {
    /// The folder to copy, local or on a server
    #[arg(value_name = "SOURCE")]
    pub source: OsString,
    /// The folder that becomes like it
    #[arg(value_name = "DESTINATION")]
    pub destination: OsString,
    /// Remove what is not in SOURCE
    #[arg(long)]
    pub delete: bool,
    /// Let --delete remove at most so many files, or such a share of those in DESTINATION [default: 50% if there are
    /// more than 20]
    #[arg(long, value_name = "N|P%", requires = "delete", value_parser = max_delete)]
    pub max_delete: Option<MaxDelete>,
    /// Let --delete remove everything because SOURCE has no files
    #[arg(long, requires = "delete")]
    pub allow_empty_source: bool,
    /// Only show what would be done
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Compare files of the same size by their BLAKE3, not by their times
    #[arg(long)]
    pub checksum: bool,
    /// Keep who may read, write and run each file, all nine bits, whatever the umask
    ///
    /// A server may allow less (`sealiftd --max-mode`). Without this, only whether a file is a program is kept, and a new file
    /// is open to no more than its source. A file of which only the mode changed is not sent again: its mode is changed.
    #[arg(long)]
    pub perms: bool,
    /// Leave alone what is newer in DESTINATION
    #[arg(long)]
    pub update: bool,
    /// Move so many files at once, each over its own connection
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = connections())]
    pub transfers: u32,
    /// What to do about links in SOURCE [default: skip; on a server, fetch files that they lead to]
    #[arg(long, value_name = "WHAT", value_enum)]
    pub links: Option<Links>,
    /// Take files that become longer meanwhile, like logs, as long as they were at the beginning
    #[arg(long)]
    pub growing: bool,
    #[command(flatten)]
    pub list: ListArgs,
    #[command(flatten)]
    pub filters: FilterArgs,
    #[command(flatten)]
    pub flow: FlowArgs,
}

fn max_delete(text: &str) -> Result<MaxDelete, String> {
    text.parse().map_err(|error: sealift::Error| error.text().to_owned())
}
