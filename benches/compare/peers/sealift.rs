//! Sealift itself: `sealiftd` with a user, and `sealift` logging in with a password and a pin.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Peer, Server, write};
use crate::column::{Column, Way};
use crate::data::{Area, HOME, SINK, SOURCE, make_dir};
use crate::options::Durability;
use crate::process::{Job, Service, ask};
use crate::trouble::{Outcome, Trouble};

/// The server as it is by default: what it acknowledged outlives a power cut.
pub const FULL: &str = "sealift";
/// The server without syncs, which is what every rival does.
pub const NONE: &str = "sealift --durability none";
/// Its rows.
pub const NAMES: [&str; 2] = [FULL, NONE];

const SERVER: &str = env!("CARGO_BIN_EXE_sealiftd");
const CLIENT: &str = env!("CARGO_BIN_EXE_sealift");
/// The user.
pub const USER: &str = "bench";
/// Its password.
pub const PASSWORD: &str = "correct horse battery staple";

/// The name of the row.
pub fn name(durability: Durability) -> &'static str {
    match durability {
        Durability::Full => FULL,
        Durability::None => NONE,
    }
}

/// A running server and what a client needs to reach it.
pub struct Sealift {
    durability: Durability,
    service: Service,
    port: u16,
    pin: String,
    dir: PathBuf,
    data: PathBuf,
}

impl Sealift {
    /// Starts it with a data folder of its own, which no other server may share, in this new folder of the area.
    ///
    /// # Errors
    /// When either program fails.
    pub fn start_linked(area: &Area, folder: &str, durability: Durability) -> Outcome<(Sealift, Vec<String>)> {
        let data = area.path(folder).join("data");
        area.link_home(&data)?;
        Sealift::start(area, folder, data, durability)
    }

    /// Makes a user whose home is the one in `data`, and starts the server with its own files in this new folder of the
    /// area. Also returns the versions.
    ///
    /// # Errors
    /// When either program fails.
    pub fn start(area: &Area, folder: &str, data: PathBuf, durability: Durability) -> Outcome<(Sealift, Vec<String>)> {
        let word = match durability {
            Durability::Full => "full",
            Durability::None => "none",
        };
        let dir = area.path(folder);
        make_dir(&dir)?;
        let server = |arguments: &[&str]| {
            let mut command = clean(SERVER, &dir);
            command.arg("--data").arg(&data).args(arguments);
            command
        };
        let add = ["user", "add", USER, "--home", HOME, "--password-stdin"];
        ask(&mut server(&add), PASSWORD)?;
        let password_file = dir.join("password");
        write(&password_file, PASSWORD)?;
        let secret = Permissions::from_mode(0o600);
        fs::set_permissions(&password_file, secret).map_err(|err| Trouble::at(&password_file, err))?;

        let port_file = dir.join("port");
        let mut serve =
            server(&["--listen", "127.0.0.1:0", "--durability", word, "--log-level", "warn", "--port-file"]);
        serve.arg(&port_file);
        let mut service = Service::start(serve, dir.join("server.log"))?;
        let port = service.wait_for(|| fs::read_to_string(&port_file).ok()?.trim().parse().ok())?;
        let pin = ask(&mut server(&["cert", "pin"]), "")?;
        let version = ask(clean(CLIENT, &dir).arg("--version"), "")?;
        Ok((Sealift { durability, service, port, pin, dir, data }, vec![version]))
    }

    /// The pin of its key.
    pub fn pin(&self) -> &str {
        &self.pin
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.service.pid()
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A client's call: `sealift WORDS...` with the options that let it log in.
    fn client(&self, words: &[&str]) -> Command {
        let mut command = clean(CLIENT, &self.dir);
        command.args(words).arg("--quiet").arg("--pin").arg(&self.pin);
        command.arg("--password-file").arg(self.dir.join("password"));
        command
    }

    /// A client that logs in with its password and does next to nothing.
    ///
    /// # Errors
    /// When that fails.
    pub fn log_in(&self) -> Outcome<()> {
        ask(self.client(&["stat"]).arg(target(self.port, SOURCE)), "").map(drop)
    }
}

/// How a client names a path in its home.
fn target(port: u16, path: &str) -> String {
    format!("{USER}@127.0.0.1:{port}/{path}")
}

impl Peer for Sealift {
    fn name(&self) -> &'static str {
        name(self.durability)
    }

    fn destination(&self, area: &Area, way: Way) -> PathBuf {
        match way {
            Way::Down => area.destination(way),
            Way::Up => self.data.join(HOME).join(SINK),
        }
    }

    fn server(&self) -> Option<Server> {
        Some(Server { pid: self.pid(), port: self.port })
    }

    fn job(&self, column: Column, area: &Area, port: u16) -> Outcome<Job> {
        let entry = column.set.entry();
        let mut command = match column.way {
            Way::Down => self.client(&["get"]),
            Way::Up => self.client(&["put"]),
        };
        if column.set.is_folder() {
            command.arg("--recursive");
        }
        match column.way {
            Way::Down => command.arg(target(port, &format!("{SOURCE}/{entry}"))).arg(area.destination(column.way)),
            Way::Up => command.arg(area.source().join(entry)).arg(target(port, &format!("{SINK}/"))),
        };
        Ok(Job::one(command))
    }

    fn is_rival(&self) -> bool {
        false
    }
}

/// A call that neither reads nor changes the settings of the person who runs the benchmark.
fn clean(program: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"SEALIFT_")) {
        command.env_remove(name);
    }
    command.env("SEALIFT_CONFIG_DIR", dir.join("config")).current_dir(dir);
    command
}
