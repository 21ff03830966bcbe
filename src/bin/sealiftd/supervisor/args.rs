//! The command line of `sealiftd reload`.

use clap::Args;

use crate::node_args::NodeArgs;

/// Behind its options in its help.
pub const EXAMPLES: &str = "\
Examples:
  sealiftd reload
      Users, settings and certificates are read again, as for SIGHUP, and a new audit is begun.
  sealiftd reload --binary
      After an upgrade, of a server that runs with --supervise: `sealiftd check` of the new program comes first, and where it finds an error all stays as it is. \
Then transfers that run may end (--grace), and the new program serves. Whoever connects meanwhile waits.

Run it as the account that started the server, or as root.
Exit codes: 0 done, 1 not done, 3 no server runs here (with --supervise), 5 it is another account's.";

/// What to do anew.
#[derive(Debug, Args)]
pub struct ReloadArgs {
    /// Replace the server by the program that is there now, and wait until that serves
    #[arg(long)]
    pub binary: bool,
    /// Which one, of several that share the state folder.
    #[command(flatten)]
    pub nodes: NodeArgs,
}
