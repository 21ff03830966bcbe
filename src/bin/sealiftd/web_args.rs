//! The options of the web.

use clap::{Args, ValueEnum};
use sealift::server::Web;

/// What browsers and curl may do.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Web")]
pub struct WebArgs {
    /// Whether browsers and curl are served on the same port: reading and writing as far as each user may (on), reading
    /// and never more (read-only), or not at all (off)
    #[arg(long, value_name = "WHAT", env = "SEALIFT_WEB", value_enum, default_value = "on", hide_env_values = true)]
    pub web: WebArg,
}

/// [`Web`] on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WebArg {
    /// Served.
    On,
    /// Served, and never written to.
    ReadOnly,
    /// Refused in the handshake.
    Off,
}

impl From<WebArg> for Web {
    fn from(arg: WebArg) -> Web {
        match arg {
            WebArg::On => Web::On,
            WebArg::ReadOnly => Web::ReadOnly,
            WebArg::Off => Web::Off,
        }
    }
}
