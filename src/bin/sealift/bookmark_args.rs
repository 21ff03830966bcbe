//! What can be typed after `bookmark`.

use std::ffi::OsString;

use clap::{Args, Subcommand};

/// Give servers names, as in work:reports/summer.pdf
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealift bookmark add work alice@files.example:5000/projects
  sealift ls work:
  sealift put report.pdf work:2026/
  sealift bookmark list

What follows the colon is a path, below the bookmark's folder; work:/x is below the user's own. Another user is named \
before it, as in bob@work:x. A local file that is called like this is written ./work:x. Where a bookmark is called like its \
own host, HOST:PORT/x with the server's port is its address, and another number is refused: sealift://HOST:PORT/x is a port, \
HOST:/2026/x a folder.

Bookmarks are in config.toml in the configuration folder (~/.config/sealift, or what SEALIFT_CONFIG_DIR names), which may be \
edited too:

  [defaults]                     # for every server: port, identity, rate, retry, timeout
  timeout = \"30s\"
  [server.work]
  host = \"files.example\"         # and port, user, path, pin, ca_file, and the above
  user = \"alice\"

A password is never kept there.")]
pub struct Bookmark {
    #[command(subcommand)]
    pub command: Option<BookmarkCommand>,
}

#[derive(Debug, Subcommand)]
pub enum BookmarkCommand {
    /// Give a server a name
    #[command(after_help = "\
Examples:
  sealift bookmark add work alice@files.example
  sealift bookmark add attic 192.0.2.7:5000/music --timeout 2m

--pin, --ca-file, --retry and --timeout are remembered with it. Without --pin or --ca-file its key is checked against \
the servers you trust, and a change of key that the server announces is followed.")]
    Add(Add),
    /// List the bookmarks and what they stand for
    List,
    /// Forget a bookmark
    Remove {
        /// The bookmark
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, Args)]
pub struct Add {
    /// Letters, digits, hyphens and underscores, two at least
    #[arg(value_name = "NAME")]
    pub name: String,
    /// [user@]host[:port][/path]
    #[arg(value_name = "TARGET")]
    pub target: OsString,
    /// Replace one that has this name
    #[arg(short, long)]
    pub force: bool,
}
