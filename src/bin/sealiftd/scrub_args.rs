//! The command line of `sealiftd scrub`.

use clap::Args;
use sealift::byte_size::parse_size;
use sealift::server::AuditTo;

use crate::args::parse_audit;

/// Behind its options in its help.
pub const EXAMPLES: &str = "\
Examples:
  sealiftd scrub
  sealiftd scrub --rate 200MiB alice bob
  nice sealiftd scrub --data /srv/files --json

A file is rotten if its bytes changed although its size and time are those it was stored with. It is marked, and the \
server refuses it until a good copy is put in its place or `sealift accept` takes it as it is. Files below 1 MiB \
have no record to compare with; larger ones that other programs stored are recorded for the next time.
Run it as the server's account or as root, beside a running server or without one. What it finds is \
recorded in the server's audit with --audit (or `audit` in its settings), and never in its metrics.
Exit codes: 0 all as stored, 8 some rotten, 10 some could not be read.";

/// What to read, and how fast.
#[derive(Debug, Args)]
pub struct ScrubArgs {
    /// Users whose folders to read [default: every folder in the data folder, and shared ones elsewhere]
    #[arg(value_name = "USER")]
    pub names: Vec<String>,
    /// The most bytes to read a second, such as 50MiB
    #[arg(long, value_name = "SIZE", default_value = "50MiB", value_parser = parse_rate)]
    pub rate: u64,
    /// Record in the server's audit, too, which files are rotten: an existing file, or journald
    #[arg(long, value_name = "FILE", env = "SEALIFT_AUDIT", value_parser = parse_audit, hide_env_values = true)]
    pub audit: Option<AuditTo>,
    /// Write one JSON object a line
    #[arg(long)]
    pub json: bool,
}

fn parse_rate(text: &str) -> Result<u64, String> {
    let rate = parse_size(text).filter(|rate| *rate > 0);
    rate.ok_or_else(|| "write a whole number with a unit, such as 50MiB or 1GB".to_owned())
}
