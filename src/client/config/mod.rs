//! What a person set once: `config.toml` with defaults for every server, and servers under names of their own.
//!
//! ```toml
//! [defaults]
//! timeout = "30s"
//!
//! [server.work]
//! host = "files.example"
//! user = "alice"
//! path = "projects"
//! ```
//!
//! `work:report.pdf` then names what `alice@files.example/projects/report.pdf` names. Nothing secret is kept in it.

mod edit;
mod named;
mod read;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::private_file;
use crate::error::{Error, Kind, Result};
use crate::files::RelPath;
use crate::limits;
use crate::tls::Pin;

/// How to reach a server, as far as it was set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Its port, if no other one is typed.
    pub port: Option<u16>,
    /// The pins of its keys; if there are any, they decide alone.
    pub pins: Vec<Pin>,
    /// The PEM file with the authorities that may vouch for it.
    pub ca_file: Option<PathBuf>,
    /// The file of the key to log in with.
    pub identity: Option<PathBuf>,
    /// Bytes a second at most, both ways.
    pub rate: Option<u64>,
    /// Tries in a row after a lost connection that get no farther.
    pub retry: Option<u32>,
    /// How long it may be silent.
    pub timeout: Option<Duration>,
}

impl Settings {
    /// These, and what they leave open as in `others`.
    fn or(self, others: &Settings) -> Settings {
        Settings {
            port: self.port.or(others.port),
            pins: if self.pins.is_empty() { others.pins.clone() } else { self.pins },
            ca_file: self.ca_file.or_else(|| others.ca_file.clone()),
            identity: self.identity.or_else(|| others.identity.clone()),
            rate: self.rate.or(others.rate),
            retry: self.retry.or(others.retry),
            timeout: self.timeout.or(others.timeout),
        }
    }
}

/// A server with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bookmark {
    /// Its host, in the spelling of [`super::Endpoint::parse`].
    pub host: String,
    /// Who logs in; nobody named is anonymous.
    pub user: Option<String>,
    /// The folder in which its paths begin, below the user's own.
    pub path: RelPath,
    /// How to reach it.
    pub settings: Settings,
}

/// What a `config.toml` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// For every server that does not say otherwise. It has neither pins nor authorities: those are of one server.
    pub defaults: Settings,
    /// The servers with names.
    pub servers: BTreeMap<String, Bookmark>,
}

impl Config {
    /// The settings for the server of this name, or for one without.
    pub fn settings(&self, name: Option<&str>) -> Settings {
        let own = name.and_then(|name| self.servers.get(name)).map(|server| server.settings.clone());
        own.unwrap_or_default().or(&self.defaults)
    }

    /// The names of servers, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.servers.keys().map(String::as_str)
    }

    /// A name that is free, made of the first label of this host: `files` of `files.example`, or else `files-2` and so
    /// on. An address is called as the user is.
    pub fn free_name(&self, host: &str, user: &str) -> String {
        let label = host.split('.').next().unwrap_or_default();
        let is_address = host.parse::<std::net::IpAddr>().is_ok() || host.contains('%');
        let labels = [if is_address { user } else { label }, user];
        let base = labels.into_iter().find(|label| check_name(label).is_ok()).unwrap_or("server");
        let numbered = (2u32..).map(|number| format!("{base}-{number}"));
        let mut names = std::iter::once(base.to_owned()).chain(numbered);
        names.find(|name| !self.servers.contains_key(name)).unwrap_or_default()
    }
}

/// Whether a server can have this name: two letters, digits, hyphens or underscores at least, and no dot, so that it
/// never reads like a host's full name or a drive's letter.
///
/// # Errors
/// [`Kind::Usage`], with what is wrong.
pub fn check_name(name: &str) -> Result<()> {
    let wrong = |why: &str| Err(Error::new(Kind::Usage, format!("`{name}` cannot be a server's name: {why}")));
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    match name.len() {
        0 | 1 => wrong("it has two characters at least, so that it is no drive's letter"),
        _ if !is_plain || name.starts_with('-') => wrong("it has letters, digits, hyphens and underscores, and no dot"),
        limits::BOOKMARK_MAX.. => wrong("it is longer than 62 characters"),
        _ => Ok(()),
    }
}

/// The file `config.toml`. Every call reads it anew; a change keeps its comments, and is made as one of
/// [`super::KnownServers`].
#[derive(Debug, Clone)]
pub struct ConfigFile(PathBuf);

impl ConfigFile {
    /// The file at this path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        ConfigFile(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether a server could be added now.
    ///
    /// # Errors
    /// Those of the file.
    pub fn check_writable(&self) -> Result<()> {
        private_file::check_writable(&self.0)
    }

    /// What it says; nothing, if it is missing.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] with file and line for anything that makes no sense, and those of the file.
    pub fn read(&self) -> Result<Config> {
        self.parse(&private_file::read(&self.0)?.unwrap_or_default()).map(|(_, config)| config)
    }

    /// Adds a server under this name. With `replace` it takes the place of one that has it.
    ///
    /// # Errors
    /// [`Kind::Exists`] without `replace`, [`Kind::Usage`] for a name that [`check_name`] refuses or a value that TOML
    /// cannot hold, and as [`ConfigFile::read`].
    pub fn add(&self, name: &str, server: &Bookmark, replace: bool) -> Result<()> {
        check_name(name)?;
        private_file::change(&self.0, |bytes| {
            let (text, config) = self.parse(&bytes.unwrap_or_default())?;
            let text = if !config.servers.contains_key(name) {
                text
            } else if replace {
                edit::remove(&text, &self.shown(), config.clone(), name)?
            } else {
                return Err(Error::new(Kind::Exists, format!("{}: {name} is there already", self.shown())));
            };
            Ok((edit::add(&text, &self.shown(), config, name, server)?.into_bytes(), ()))
        })
    }

    /// Removes the server of this name.
    ///
    /// # Errors
    /// [`Kind::NotFound`], and as [`ConfigFile::read`].
    pub fn remove(&self, name: &str) -> Result<()> {
        private_file::change(&self.0, |bytes| {
            let (text, config) = self.parse(&bytes.unwrap_or_default())?;
            if !config.servers.contains_key(name) {
                return Err(Error::new(Kind::NotFound, format!("no server is called {name} in {}", self.shown())));
            }
            Ok((edit::remove(&text, &self.shown(), config, name)?.into_bytes(), ()))
        })
    }

    fn parse(&self, bytes: &[u8]) -> Result<(String, Config)> {
        let text = std::str::from_utf8(bytes).map_err(|err| {
            let good = bytes.iter().take(err.valid_up_to());
            let line = 1 + good.filter(|byte| **byte == b'\n').count();
            Error::new(Kind::BadConfig, format!("{}:{line}: is not UTF-8 text", self.shown()))
        })?;
        Ok((text.to_owned(), read::read(text, &self.0)?))
    }

    fn shown(&self) -> String {
        self.0.display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_temp(text: &str) -> (tempfile::TempDir, ConfigFile) {
        let dir = tempfile::tempdir().unwrap();
        let file = ConfigFile::new(dir.path().join("config.toml"));
        std::fs::write(file.path(), text).unwrap();
        (dir, file)
    }

    fn bookmark(host: &str) -> Bookmark {
        Bookmark { host: host.into(), user: None, path: RelPath::root(), settings: Settings::default() }
    }

    #[test]
    fn a_missing_file_says_nothing_and_the_first_server_makes_it_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let (dir, _) = in_temp("");
        let file = ConfigFile::new(dir.path().join("new/config.toml"));
        assert_eq!(file.read().unwrap(), Config::default());
        file.add("work", &bookmark("h"), false).unwrap();
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "[server.work]\nhost = \"h\"\n");
        assert_eq!(std::fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn servers_come_and_go_and_comments_stay() {
        let before = "# mine\n[defaults]\nretry = 3 # few\n\n# old\n[server.old]\nhost = \"o\"\n# end\n";
        let (_dir, file) = in_temp(before);
        let mut work = bookmark("files.example");
        work.user = Some("alice".into());
        work.path = RelPath::parse(b"a b").unwrap();
        work.settings.pins = ["sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".parse().unwrap()].into();
        work.settings.timeout = Some(Duration::from_millis(1500));
        work.settings.rate = Some(5 << 20);
        file.add("work", &work, false).unwrap();
        let config = file.read().unwrap();
        assert_eq!(config.servers["work"], work);
        assert_eq!(config.settings(Some("work")).retry, Some(3), "a default");
        assert!(std::fs::read_to_string(file.path()).unwrap().starts_with(before));
        assert_eq!(file.add("work", &work, false).unwrap_err().kind(), Kind::Exists);
        work.user = None;
        file.add("work", &work, true).unwrap();
        assert_eq!(file.read().unwrap().servers["work"], work);
        file.remove("work").unwrap();
        assert_eq!(file.remove("work").unwrap_err().kind(), Kind::NotFound);
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), before);
    }

    #[test]
    fn names_of_hosts_and_drives_are_none_of_servers() {
        for bad in ["", "c", "files.example", "a b", "-x", "a/b", "a@b", "wörk", &"x".repeat(63)] {
            assert_eq!(check_name(bad).unwrap_err().kind(), Kind::Usage, "{bad}");
        }
        let mut config = Config::default();
        assert_eq!(config.free_name("files.example", "alice"), "files");
        config.servers.insert("files".into(), bookmark("h"));
        assert_eq!(config.free_name("files.example", "alice"), "files-2");
        for address in ["192.0.2.7", "::1", "fe80::1%eth0", "x"] {
            assert_eq!(config.free_name(address, "alice"), "alice");
        }
    }
}
