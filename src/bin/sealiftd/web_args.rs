//! The options of the web.

use std::path::Path;

use clap::{Args, ValueEnum};
use sealift::server::Web;
use sealift::tls::WebFiles;

/// What browsers and curl may do.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Web")]
pub struct WebArgs {
    /// Whether browsers and curl are served on the same port: reading and writing within each user's rights (on), only
    /// reading (read-only), or not at all (off)
    #[arg(long, value_name = "WHAT", env = "SEALIFT_WEB", value_enum, default_value = "on", hide_env_values = true)]
    pub web: WebArg,

    /// Speak TLS 1.2 too, with browsers and curl that know no TLS 1.3, such as the network drives of Windows 10; never with sealift
    #[arg(long, env = "SEALIFT_WEB_TLS12", hide_env_values = true)]
    pub web_tls12: bool,
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

/// Where the certificate for browsers is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebCertArg(pub WebFiles);

/// A folder, or a certificate and its key with a comma between.
pub fn parse_web_cert(text: &str) -> Result<WebCertArg, String> {
    let files = match text.split_once(',') {
        None if text.is_empty() => return Err("write a folder, or CERTIFICATE,KEY".to_owned()),
        None => WebFiles::in_folder(Path::new(text)),
        Some((certificate, key)) if !certificate.is_empty() && !key.is_empty() => WebFiles::new(certificate, key),
        Some(_) => return Err("write the certificate's file and the key's, as in chain.pem,key.pem".to_owned()),
    };
    Ok(WebCertArg(files.expected()))
}
