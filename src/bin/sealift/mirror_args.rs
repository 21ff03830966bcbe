//! The arguments of `mirror`.

use std::ffi::OsString;

use clap::Args;
use sealift::client::MaxDelete;

use super::filter_args::FilterArgs;
use super::list_args::ListArgs;
use super::transfer::{FlowArgs, Links, connections};

/// Make one folder the same as another; only what changed is moved
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealift mirror ./site alice@files.example/www --delete
  sealift mirror files.example/pub ./pub --exclude '*.tmp' --exclude cache/
  sealift mirror ./site alice@files.example/www --delete --dry-run

One of the two is on a server, the other one is local: begin the local one with ./ or / if that is in doubt. The contents of SOURCE \
come into DESTINATION, which is made if it is missing. Files of the same size and time count as the same, unless the server knows one to be \
rotten: that is sent again, and never fetched. Modification times of files and folders are kept, and with --perms their modes. Special files \
are skipped, and nothing replaces a device, pipe or socket in DESTINATION; --delete removes one if SOURCE has nothing of its name.

Patterns are globs, and the first one that matches decides. A pattern without a slash matches names at any depth; one with a slash \
matches the path from SOURCE on; a slash at the end restricts it to folders. What is excluded, or not in a list of --files-from, is never \
deleted. With --checksum, a file on the server that differs only in its time keeps that time.

--delete removes last. It removes nothing unless the whole source was read and every transfer succeeded; otherwise it says how many \
it kept (with -v, which ones), and the exit code is 10 (`sealift help exit-codes` has the rule for all commands). It refuses to begin, with exit \
code 11, if SOURCE has no files (links do not count), or if it would delete more than --max-delete allows.

If something of another type is in the way, such as a folder where a file must go, it is moved aside (.NAME.MARK.sealift-aside) and removed \
last. It is put back if anything fails or you press Ctrl-C. If that was not possible, the next mirror puts it back where its name is free; \
otherwise it leaves it there and names it.")]
pub struct Mirror {
    /// The folder to copy, local or on a server
    #[arg(value_name = "SOURCE")]
    pub source: OsString,
    /// The folder to make the same as it
    #[arg(value_name = "DESTINATION")]
    pub destination: OsString,
    /// Remove what is not in SOURCE
    #[arg(long)]
    pub delete: bool,
    /// Let --delete remove at most this many files, or this share of those in DESTINATION [default: 50% if there are
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
    /// Keep who may read, write and run each file, and enter each folder (all nine mode bits), whatever the umask
    ///
    /// A server may allow less (`sealiftd --max-mode`). Without this, only whether a file is executable is kept, and a new
    /// file is open to no more than its source. If only the mode of a file changed, the mode is changed and the file is not sent again.
    #[arg(long)]
    pub perms: bool,
    /// Leave alone what is newer in DESTINATION
    #[arg(long)]
    pub update: bool,
    /// Move this many files at once, each over its own connection
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = connections())]
    pub transfers: u32,
    /// What to do about links in SOURCE [default: skip; on a server, fetch files that they lead to]
    #[arg(long, value_name = "WHAT", value_enum)]
    pub links: Option<Links>,
    /// Accept files that grow meanwhile, like logs, at the length that they had at the beginning
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
