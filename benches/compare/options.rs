//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, ValueEnum};

use crate::column::Column;
use crate::peers;

/// Sealift against the transfer programs of this machine: the same data, the same run, loopback only.
///
/// Without a mode it compares throughput. docs/BENCHMARKS.md says what is measured and how.
#[derive(Debug, Parser)]
#[command(name = "compare", max_term_width = 100)]
pub struct Options {
    /// Another mode: through a proxy that delays everything by MS in all, count the round trips of each program
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=10_000), conflicts_with = "memory")]
    pub rtt: Option<u64>,

    /// Another mode: the memory of the server in one transfer, in many at once, with idle connections and listing
    #[arg(long)]
    pub memory: bool,

    /// Another mode: HTTP/1.1 and HTTP/2 with curl, against nginx and dufs, and a PROPFIND of many entries
    #[arg(long, conflicts_with_all = ["memory", "rtt", "only"])]
    pub web: bool,

    /// Size of the large file in MiB [default: 1024; with --rtt 256; with --quick 16]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..))]
    pub size: Option<u64>,

    /// How many files of 4 KiB [default: 10000; with --rtt 1000; with --quick 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub files: Option<u64>,

    /// How many files of the source tree at most [default: 8000; with --quick 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub tree_files: Option<u64>,

    /// How often everything is measured; medians are shown [default: 5; with --rtt or --quick 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub rounds: Option<u64>,

    /// Only this column, this peer, or this peer in this column, as in `small-up/scp`; may be given several times
    #[arg(long, value_name = "COLUMN/PEER")]
    pub only: Vec<Only>,

    /// Where the data goes [default: /dev/shm if there is room, else the folder for temporary files]
    #[arg(long, value_name = "PATH")]
    pub dir: Option<PathBuf>,

    /// Measure Sealift with this durability only
    #[arg(long, value_enum)]
    pub durability: Option<Durability>,

    /// Little data, one round: does the benchmark itself work? Its numbers mean nothing
    #[arg(long)]
    pub quick: bool,

    /// Write one JSON object instead of tables
    #[arg(long)]
    pub json: bool,

    /// With --memory: downloads at once [default: 200; with --quick 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub downloads: Option<u64>,

    /// With --memory: idle connections [default: 8000; with --quick 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=200_000))]
    pub idle: Option<u64>,

    /// With --memory: entries of the recursive listing [default: 1000000; with --quick 2000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub entries: Option<u64>,

    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// The value given, or the default of the mode.
    pub fn or(&self, given: Option<u64>, full: u64, quick: u64) -> u64 {
        given.unwrap_or(if self.quick { quick } else { full })
    }

    /// Whether `--only` leaves this one in.
    pub fn wants(&self, column: Column, peer: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only.matches(column, peer))
    }

    /// Whether `--only` leaves this column in for any peer.
    pub fn wants_column(&self, column: Column) -> bool {
        peers::NAMES.iter().any(|peer| self.wants(column, peer))
    }
}

/// A value of `--only`.
#[derive(Debug, Clone)]
pub struct Only {
    column: Option<Column>,
    peer: Option<String>,
}

impl Only {
    fn matches(&self, column: Column, peer: &str) -> bool {
        self.column.is_none_or(|only| only == column) && self.peer.as_ref().is_none_or(|only| only == peer)
    }
}

impl FromStr for Only {
    type Err = String;

    fn from_str(text: &str) -> Result<Only, String> {
        let mut only = Only { column: None, peer: None };
        for part in text.split('/') {
            let column = Column::ALL.into_iter().find(|column| column.to_string() == part);
            match (column, peers::NAMES.contains(&part)) {
                (Some(column), _) if only.column.is_none() => only.column = Some(column),
                (None, true) if only.peer.is_none() => only.peer = Some(part.to_owned()),
                _ => {
                    let columns = Column::ALL.map(|column| column.to_string()).join(", ");
                    return Err(format!("columns are {columns}; peers are {}", peers::NAMES.join(", ")));
                }
            }
        }
        Ok(only)
    }
}

/// What an acknowledged upload outlives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Durability {
    /// A power cut
    Full,
    /// The end of the server only
    None,
}
