//! Where everything of a server is.

use std::path::{Path, PathBuf};

use clap::Args;
use sealift::tls::WebFiles;

use crate::web_args::{WebCertArg, parse_web_cert};

/// Files and folders; before or after a command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Places")]
pub struct Places {
    /// Folder that holds the users' folders; made if missing
    #[arg(
        long,
        value_name = "DIR",
        env = "SEALIFT_DATA",
        default_value = "server_data",
        global = true,
        hide_env_values = true
    )]
    pub data: PathBuf,

    /// Users file; made with anonymous reading if missing
    #[arg(
        long,
        value_name = "FILE",
        env = "SEALIFT_USERS",
        default_value = "users.toml",
        global = true,
        hide_env_values = true
    )]
    pub users: PathBuf,

    /// Folder of cert.pem and key.pem; made with a new key if missing
    #[arg(
        long,
        value_name = "DIR",
        env = "SEALIFT_CERTS",
        default_value = "certs",
        global = true,
        hide_env_values = true
    )]
    pub certs: PathBuf,

    /// Certificate for browsers, from an authority that they trust: a folder with fullchain.pem and privkey.pem, or
    /// CERTIFICATE,KEY. Read again when it changes
    /// [default: web, in the folder of --certs, if anything is there]
    #[arg(long, value_name = "DIR|FILES", env = "SEALIFT_WEB_CERT", value_parser = parse_web_cert, global = true, hide_env_values = true)]
    pub web_cert: Option<WebCertArg>,

    /// Folder of the server's own state, such as passwords that users chose themselves; made if missing
    /// [default: server_state, beside the data folder]
    #[arg(long, value_name = "DIR", env = "SEALIFT_STATE", global = true, hide_env_values = true)]
    pub state: Option<PathBuf>,

    /// File of settings, each called as its option is, such as max_connections = 500 for --max-connections 500. The command line
    /// takes precedence over the environment, and that over the file [default: sealiftd.toml, if it is there]
    #[arg(long, value_name = "FILE", env = "SEALIFTD_CONFIG", global = true, hide_env_values = true)]
    pub config: Option<PathBuf>,

    /// The bucket that files are in instead, as far as commands are told of it that have no options of serving.
    #[arg(skip)]
    pub bucket: Option<String>,
}

impl Places {
    /// Whether the data folder is likely to be that of these users: where they alone are said to be elsewhere, it is not said.
    pub fn knows_data(&self) -> bool {
        let is_elsewhere = self.users.parent().is_some_and(|folder| !folder.as_os_str().is_empty());
        self.bucket.is_some() || !is_elsewhere || self.data != Path::new("server_data")
    }

    /// Where the files of a home are, for people.
    pub fn of_home(&self, home: &str) -> String {
        match &self.bucket {
            Some(bucket) => format!("{bucket}h/{home}"),
            None => self.data.join(home).to_string_lossy().into_owned(),
        }
    }

    /// The files of the certificate for browsers, which need not be there.
    pub fn web_files(&self) -> WebFiles {
        match &self.web_cert {
            Some(WebCertArg(files)) => files.clone(),
            None => WebFiles::in_folder(&self.certs.join("web")),
        }
    }

    /// The folder of the server's own state.
    pub fn state(&self) -> PathBuf {
        let beside = |data: &Path| data.with_file_name("server_state");
        self.state.clone().unwrap_or_else(|| match self.data.file_name() {
            Some(_) => beside(&self.data),
            // `.` and `..` have no name to put another one beside.
            None => beside(&self.data.canonicalize().unwrap_or_else(|_| self.data.clone())),
        })
    }
}
