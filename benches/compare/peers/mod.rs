//! The programs that are compared: how each one's server is started, and how its client is called.

mod copy;
mod curl;
mod nginx;
pub mod sealift;
mod ssh;
pub mod web;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::column::{Column, Way};
use crate::data::Area;
use crate::options::{Durability, Options};
use crate::process::{Job, Service, find_program};
use crate::trouble::{Outcome, Trouble};

/// Names of all peers, as `--only` takes them and as the table shows them.
pub const NAMES: [&str; 8] =
    [sealift::FULL, sealift::NONE, "scp", "rsync", "rsync --fsync", "tar+ssh", "nginx+curl", "cp"];

/// How often a server is given another port when its own was taken between choosing and listening.
const PORT_ATTEMPTS: u32 = 3;

/// A program, with its server running.
pub trait Peer {
    /// One of [`NAMES`].
    fn name(&self) -> &'static str;

    /// Why it cannot do this column, if it cannot.
    fn cannot(&self, _column: Column) -> Option<String> {
        None
    }

    /// Where its data arrives.
    fn destination(&self, area: &Area, way: Way) -> PathBuf {
        area.destination(way)
    }

    /// Its server; none if it needs none.
    fn server(&self) -> Option<Server>;

    /// The client's call that fills this column, its server reached through this port. Preparing it is not timed.
    ///
    /// # Errors
    /// When a file that the client needs cannot be written.
    fn job(&self, column: Column, area: &Area, port: u16) -> Outcome<Job>;

    /// Whether it is measured against, rather than being Sealift or the floor.
    fn is_rival(&self) -> bool {
        true
    }
}

/// A server that runs.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    /// Its process.
    pub pid: u32,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
}

/// All that could be started.
pub struct Lineup {
    /// The peers, in the order of the table.
    pub peers: Vec<Box<dyn Peer>>,
    /// What could not, and why.
    pub missing: Vec<String>,
    /// The same of Sealift itself, which is always there.
    pub failed: Vec<String>,
    /// Name and version of the programs.
    pub versions: Vec<String>,
}

impl Lineup {
    /// Starts what is wanted and installed.
    ///
    /// # Errors
    /// Only when interrupted: what cannot be started is in `missing`.
    pub fn start(area: &Area, options: &Options) -> Outcome<Lineup> {
        let mut lineup = Lineup { peers: Vec::new(), missing: Vec::new(), failed: Vec::new(), versions: Vec::new() };
        let wanted = |name: &str| Column::ALL.into_iter().any(|column| options.wants(column, name));
        for durability in [Durability::Full, Durability::None] {
            let name = sealift::name(durability);
            if wanted(name) && options.durability.is_none_or(|only| only == durability) {
                let peer = sealift::Sealift::start_linked(area, name, durability);
                lineup.add(name, peer.map(|(peer, versions)| Started::one(peer, versions)))?;
            }
        }
        if ssh::NAMES.into_iter().any(wanted) {
            lineup.add("scp, rsync, tar+ssh", ssh::start(area))?;
        }
        if wanted(nginx::NAME) {
            let peer = nginx::Nginx::start(area);
            lineup.add(nginx::NAME, peer.map(|(peer, versions)| Started::one(peer, versions)))?;
        }
        if wanted(copy::NAME) {
            lineup.add(copy::NAME, copy::Copy::find().map(|peer| Started::one(peer, Vec::new())))?;
        }
        lineup.peers.retain(|peer| wanted(peer.name()));
        Ok(lineup)
    }

    fn add(&mut self, name: &str, started: Outcome<Started>) -> Outcome<()> {
        match started {
            Ok(started) => {
                self.peers.extend(started.peers);
                self.versions.extend(started.versions);
                self.versions.dedup();
                self.missing.extend(started.missing);
            }
            Err(Trouble::Failed(why)) if sealift::NAMES.contains(&name) => self.failed.push(format!("{name}: {why}")),
            Err(Trouble::Failed(why)) => self.missing.push(format!("{name}: {why}")),
            Err(interrupted) => return Err(interrupted),
        }
        Ok(())
    }
}

/// Peers that came up together.
#[derive(Default)]
struct Started {
    peers: Vec<Box<dyn Peer>>,
    /// Of what they are made of.
    versions: Vec<String>,
    /// Those among them that did not come up, and why.
    missing: Vec<String>,
}

impl Started {
    fn one(peer: impl Peer + 'static, versions: Vec<String>) -> Started {
        Started { peers: vec![Box::new(peer)], versions, missing: Vec::new() }
    }
}

/// A program that must be installed.
fn need(name: &str) -> Outcome<PathBuf> {
    find_program(name).ok_or_else(|| Trouble::new(format!("{name} is not installed")))
}

/// Starts a server that cannot choose its own port on one that the system chose.
fn start_on_free_port(log: &Path, mut command: impl FnMut(u16) -> Outcome<Command>) -> Outcome<(Service, u16)> {
    let mut attempt = 1;
    loop {
        let local = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let port = local.map_err(|err| Trouble::new(format!("no free port: {err}")))?.port();
        let mut service = Service::start(command(port)?, log.to_owned())?;
        match service.wait_for(|| TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).ok()) {
            Ok(_) => return Ok((service, port)),
            Err(Trouble::Failed(_)) if attempt < PORT_ATTEMPTS => attempt += 1,
            Err(err) => return Err(err),
        }
    }
}

/// Writes a file that a program reads.
fn write(path: &Path, text: impl AsRef<[u8]>) -> Outcome<()> {
    std::fs::write(path, text).map_err(|err| Trouble::at(path, err))
}

/// A path as text, for configuration files and command lines.
fn text(path: &Path) -> Outcome<&str> {
    let plain = |text: &&str| !text.chars().any(|c| c.is_control() || "'\"\\$".contains(c));
    path.to_str().filter(plain).ok_or_else(|| {
        Trouble::new(format!("{}: this path cannot be written into configuration files", path.display()))
    })
}
