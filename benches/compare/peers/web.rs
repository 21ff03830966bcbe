//! Servers of HTTP with curl: each of them once in HTTP/1.1 and once in HTTP/2.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use super::curl::{self, Version};
use super::nginx::Nginx;
use super::sealift::{PASSWORD, Sealift, USER};
use super::{Peer, Server, need, start_on_free_port, text, write};
use crate::column::{Column, Way};
use crate::data::{Area, HOME, SINK, make_dir};
use crate::options::Durability;
use crate::process::{Job, Service, ask};
use crate::trouble::{Outcome, Trouble};

/// A server that runs, as curl is told of it.
struct Site {
    /// One name for each version.
    names: [&'static str; 2],
    server: Server,
    /// Where its home is below its root: with a slash at its end, or nothing.
    home: String,
    /// The same on the disk.
    folder: PathBuf,
    /// What else curl is told: whom to trust, and who it is.
    options: Vec<String>,
    running: Running,
}

/// What runs, as long as anybody has it.
enum Running {
    Sealift { _server: Sealift },
    Nginx { _server: Nginx },
    Dufs { _server: Service },
}

/// One of them in one version.
pub struct WebPeer {
    site: Rc<Site>,
    curl: PathBuf,
    version: Version,
    /// Where it keeps what it tells curl.
    dir: PathBuf,
}

/// Starts all that are installed. Also returns the versions, and what is missing and why.
///
/// # Errors
/// When there is no curl, Sealift does not start, or when interrupted.
pub fn start(area: &Area) -> Outcome<(Vec<WebPeer>, Vec<String>, Vec<String>)> {
    let curl = need("curl")?;
    let dir = area.path("web");
    make_dir(&dir)?;
    let mut versions = Vec::new();
    let mut missing = Vec::new();
    let mut sites = vec![sealift(area, &mut versions)?];
    for (name, started) in [("nginx", nginx(area, &mut versions)), ("dufs", dufs(area, &dir, &mut versions))] {
        match started {
            Ok(site) => sites.push(site),
            Err(Trouble::Failed(why)) => missing.push(format!("{name}: {why}")),
            Err(interrupted) => return Err(interrupted),
        }
    }
    let peers = sites.into_iter().map(Rc::new).flat_map(|site| {
        Version::ALL.map(|version| WebPeer { site: site.clone(), curl: curl.clone(), version, dir: dir.clone() })
    });
    Ok((peers.collect(), versions, missing))
}

fn sealift(area: &Area, versions: &mut Vec<String>) -> Outcome<Site> {
    // What it says is stored outlives a power cut; its rivals promise nothing.
    let (server, version) = Sealift::start_linked(area, "sealift-web", Durability::Full)?;
    versions.extend(version);
    let options = ["--insecure", "--pinnedpubkey", server.pin(), "--user", &format!("{USER}:{PASSWORD}")];
    Ok(Site {
        names: ["sealift h1", "sealift h2"],
        server: Server { pid: server.pid(), port: server.port() },
        home: format!("~{USER}/"),
        folder: area.path("sealift-web").join("data").join(HOME),
        options: options.map(str::to_owned).to_vec(),
        running: Running::Sealift { _server: server },
    })
}

fn nginx(area: &Area, versions: &mut Vec<String>) -> Outcome<Site> {
    let (server, version) = Nginx::start(area)?;
    versions.extend(version);
    let process = server.server().ok_or_else(|| Trouble::new("it does not run"))?;
    Ok(Site {
        names: ["nginx h1", "nginx h2"],
        server: process,
        home: String::new(),
        folder: area.home(),
        options: vec!["--cacert".to_owned(), text(&server.certificate())?.to_owned()],
        running: Running::Nginx { _server: server },
    })
}

fn dufs(area: &Area, dir: &Path, versions: &mut Vec<String>) -> Outcome<Site> {
    let program = need("dufs")?;
    versions.push(ask(Command::new(&program).arg("--version"), "")?);
    let certificate = dir.join("cert.pem");
    sealift::tls::Identity::generate(&["127.0.0.1".to_owned()])?.save(dir, false)?;
    let (service, port) = start_on_free_port(&dir.join("dufs.log"), |port| {
        let mut command = Command::new(&program);
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--allow-all"]).arg(area.home());
        command.arg("--tls-cert").arg(&certificate).arg("--tls-key").arg(dir.join("key.pem"));
        Ok(command)
    })?;
    Ok(Site {
        names: ["dufs h1", "dufs h2"],
        server: Server { pid: service.pid(), port },
        home: String::new(),
        folder: area.home(),
        options: vec!["--cacert".to_owned(), text(&certificate)?.to_owned()],
        running: Running::Dufs { _server: service },
    })
}

impl WebPeer {
    /// The version of HTTP that it is asked in.
    pub fn version(&self) -> Version {
        self.version
    }

    fn base(&self, port: u16) -> String {
        format!("https://127.0.0.1:{port}/{}", self.site.home)
    }

    /// A call that asks for all that is told of a folder's entries and throws it away. None where nobody answers to that.
    pub fn find(&self, folder: &str) -> Option<Job> {
        if matches!(self.site.running, Running::Nginx { .. }) {
            return None;
        }
        let mut command = curl::quiet(&self.curl, self.version);
        command.args(&self.site.options).args(["--request", "PROPFIND", "--header", "Depth: 1", "--output"]);
        command.arg(self.dir.join("told")).arg(format!("{}{folder}/", self.base(self.site.server.port)));
        Some(Job::one(command))
    }

    /// Bytes of the last answer to that.
    ///
    /// # Errors
    /// When there was none.
    pub fn told(&self) -> Outcome<u64> {
        let file = self.dir.join("told");
        fs::metadata(&file).map(|meta| meta.len()).map_err(|err| Trouble::at(&file, err))
    }
}

impl Peer for WebPeer {
    fn name(&self) -> &'static str {
        let [one, two] = self.site.names;
        match self.version {
            Version::One => one,
            Version::Two => two,
        }
    }

    fn destination(&self, area: &Area, way: Way) -> PathBuf {
        match way {
            Way::Down => area.destination(way),
            Way::Up => self.site.folder.join(SINK),
        }
    }

    fn server(&self) -> Option<Server> {
        Some(self.site.server)
    }

    fn job(&self, column: Column, area: &Area, port: u16) -> Outcome<Job> {
        if column.way == Way::Up && column.set.is_folder() {
            // A PUT makes no folders everywhere.
            curl::make_folders(&area.source(), &self.destination(area, Way::Up), column.set.entry())?;
        }
        let mut command = curl::command(&self.curl, column, self.version);
        command.args(&self.site.options);
        let list = self.dir.join("list");
        write(&list, curl::transfers(column, area, &self.base(port))?)?;
        command.arg("--config").arg(list);
        Ok(Job::one(command))
    }
}
