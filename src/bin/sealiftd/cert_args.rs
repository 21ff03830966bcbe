//! What can be typed after `cert`.

use clap::Subcommand;

pub const EXAMPLES: &str = "\
Examples:
  sealiftd cert show
  sealift --pin \"$(sealiftd cert pin)\" ls localhost/
  sealiftd cert new --name files.example.org --name 192.0.2.7

To change the key without anybody being asked, run `sealiftd cert next`. The server then announces the next key \
to every client that logs in, and those that know the server remember it. When all clients that matter have logged in \
(weeks, not hours), run `sealiftd cert switch`. Neither takes a restart.";

/// What to do with key and certificate.
#[derive(Debug, Subcommand)]
pub enum CertCommand {
    /// Show what the certificate says
    Show,
    /// Print the pin and nothing else, for scripts
    Pin {
        /// The pin of the next key
        #[arg(long)]
        next: bool,
    },
    /// Make a new key and certificate
    New {
        /// Replace the ones that are there, which are kept beside as key.pem.old and cert.pem.old. Clients that pinned the
        /// old key must be told the new pin
        #[arg(long)]
        force: bool,
        /// Host name or address to make it out to; may be given more than once
        /// [default: localhost, 127.0.0.1, ::1 and this machine's name]
        #[arg(long = "name", value_name = "NAME")]
        names: Vec<String>,
    },
    /// Make a new certificate over the same key: the pin stays, and clients notice nothing
    Renew {
        /// Host name or address to make it out to; may be given more than once [default: those of the present one]
        #[arg(long = "name", value_name = "NAME")]
        names: Vec<String>,
    },
    /// Make the key that the server will have next, as key.next.pem and cert.next.pem, to be announced to clients
    Next {
        /// Replace a next key that is there
        #[arg(long)]
        force: bool,
        /// Host name or address to make it out to; may be given more than once [default: those of the present one]
        #[arg(long = "name", value_name = "NAME")]
        names: Vec<String>,
    },
    /// Make the next key the present one, which is kept beside as key.pem.old and cert.pem.old
    Switch {
        /// Switch even if the next key was made only just now, so that hardly any client can have learned it
        #[arg(long)]
        force: bool,
    },
}
