//! The command line of `sealiftd reload`.

use clap::Args;

use crate::node_args::NodeArgs;

/// Behind its options in its help.
pub const EXAMPLES: &str = "\
Examples:
  sealiftd reload
      Read users, settings and certificates again, as on SIGHUP, and open the audit anew.
  sealiftd reload --binary
      After an upgrade, for a server that runs with --supervise. The new program checks its settings and users first; if it finds an error, everything stays as it is. \
Then uploads that are under way may finish (--grace), and the new program serves; downloads go on beside it. Whoever connects meanwhile waits.

Run it as the account that started the server, or as root.
Exit codes: 0 the server was told to read its files again (its log says what came of it), or with --binary, the new program serves; 1 not done; \
2 a users file that it cannot use, a wrong command line, or a server at a terminal, which SIGHUP would end; 3 no server runs here, or none that proves which process it is, or with \
--binary, none that runs with --supervise; 5 it belongs to another account.";

/// What to do anew.
#[derive(Debug, Args)]
pub struct ReloadArgs {
    /// Replace the server by the new program, and wait until that serves
    #[arg(long)]
    pub binary: bool,
    /// Which one, of several that share the state folder.
    #[command(flatten)]
    pub nodes: NodeArgs,
}
