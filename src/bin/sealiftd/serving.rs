//! Where a running server is reached, which process it is and by which files it goes, written down for `sealiftd check`, to which what
//! it holds is no obstacle to the one that is started in its place, for `sealiftd reload`, and for those that change these files. It is
//! locked as long as that server lives, so that nothing is believed that one has left which was killed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, fcntl_lock, flock};
use rustix::io::Errno;
use rustix::process::{Flock, FlockType, Pid, fcntl_getlk};
use sealift::limits;
use sealift::proto::percent::encode;
use sealift::server::{Listeners, MetricsAt};
use sealift::store::process_numbering;

use crate::args::Places;
use crate::failure::Failure;
use crate::node_args::NodeArgs;

/// In front of an address that is listened on, and of where figures are told.
const LISTEN: &str = "listen ";
const METRICS: &str = "metrics ";

/// In front of the process, and of where its number counts; and what SIGHUP does, where that is no wish to read files again.
const PROCESS: &str = "process ";
const HANGUP_ENDS: &str = "hangup ends";

/// In front of what tells its users file, and the folder of its keys, from all others.
const USERS: &str = "users ";
const CERTS: &str = "certs ";

/// What the file of a server is called that has its folder for itself.
const ALONE: &str = "serving";

/// Where it is: several nodes have one state folder, and a file each.
fn path(places: &Places, nodes: &NodeArgs) -> Result<PathBuf, Failure> {
    let name = nodes.name()?.map_or_else(|| ALONE.to_owned(), |node| format!("{ALONE}-{node}"));
    Ok(places.state().join(name))
}

/// What is written down, until this is dropped.
pub struct Serving {
    path: PathBuf,
    locked: File,
}

impl Serving {
    /// Writes it down, for a server that has the state folder.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(
        (places, nodes): (&Places, &NodeArgs),
        addresses: &[SocketAddr],
        metrics: Option<&MetricsAt>,
        hangup_ends: bool,
    ) -> Result<Serving, Failure> {
        let path = path(places, nodes)?;
        let failed = |err| sealift::Error::file(path.display(), err);
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        // Nobody looks at it under this name: whoever sees it sees it whole, and locked.
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        let mut file = options.open(&new).map_err(failed)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|err| failed(err.into()))?;
        // A lock of this process, which it has as long as nothing in it opens and closes the file again: the system tells others whose it is.
        // Where it cannot be had nobody is asked to believe the number.
        let _proven = fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive);
        let listens = addresses.iter().map(|address| format!("{LISTEN}{address}\n"));
        let tells = metrics.iter().map(|at| format!("{METRICS}{at}\n"));
        let process = format!("{PROCESS}{} {}\n", std::process::id(), process_numbering());
        let hangup = hangup_ends.then(|| format!("{HANGUP_ENDS}\n"));
        let users = mark_of(&places.users).map(|mark| format!("{USERS}{mark}\n"));
        let certs = mark_of(&places.certs).map(|mark| format!("{CERTS}{mark}\n"));
        let text: String = listens.chain(tells).chain([process]).chain(hangup).chain(users).chain(certs).collect();
        file.write_all(text.as_bytes()).and_then(|()| fs::rename(&new, &path)).map_err(failed)?;
        Ok(Serving { path, locked: file })
    }
}

/// What tells a file that is replaced when it changes, or a folder, from all others, by whatever path it is reached: its name, and the
/// folder that it is in. None: it is not there.
fn mark_of(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let folder = path.parent()?.metadata().ok()?;
    let name = encode(path.file_name()?.as_encoded_bytes()).into_owned();
    Some(format!("{} {} {name}", folder.dev(), folder.ino()))
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Before the lock goes. The next server may have written its own by now, which is not this one's to remove.
        let number = |about: fs::Metadata| (about.dev(), about.ino());
        let is_own = |own: fs::Metadata| fs::symlink_metadata(&self.path).is_ok_and(|it| number(it) == number(own));
        if self.locked.metadata().is_ok_and(is_own) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Which process a server says that it is.
#[derive(Clone)]
pub struct Named {
    /// Its number.
    pub number: i32,
    /// Where that counts ([`process_numbering`]).
    pub numbering: String,
    /// Whether SIGHUP ends it.
    pub hangup_ends: bool,
}

/// What a running server of these places says that it holds.
pub struct RunningServer {
    /// The file that says so.
    pub path: PathBuf,
    /// Whose that is.
    pub owner: u32,
    /// Which process it is; none if it does not say that.
    pub process: Option<Named>,
    file: File,
    listens: Vec<SocketAddr>,
    metrics: Option<String>,
    users: Option<String>,
    certs: Option<String>,
}

impl RunningServer {
    /// What it says; none if none runs here, or it says nothing that this account may read.
    pub fn here(places: &Places, nodes: &NodeArgs) -> Option<RunningServer> {
        RunningServer::at(&path(places, nodes).ok()?).ok().flatten()
    }

    /// What the process says that whoever asks wants to reach; none if none runs here.
    ///
    /// # Errors
    /// That there is no such name of a node, or this account may not read what it says.
    pub fn of_process(places: &Places, nodes: &NodeArgs) -> Result<Option<RunningServer>, Failure> {
        let path = path(places, nodes)?;
        match RunningServer::at(&path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
            held => Ok(held.map_err(|err| sealift::Error::file(path.display(), err))?),
        }
    }

    /// What the server says that has these places for itself, else one of those that share them.
    pub fn any(places: &Places) -> Option<RunningServer> {
        RunningServer::in_folder(&places.state()).ok()?.into_iter().next()
    }

    /// What all servers say that have this folder of state: first the one that has it for itself.
    ///
    /// # Errors
    /// That this account may not look there.
    pub fn in_folder(state: &Path) -> io::Result<Vec<RunningServer>> {
        let entries = match fs::read_dir(state) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let is_one = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            let rest = name.and_then(|name| name.strip_prefix(ALONE));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_one).collect();
        paths.sort();
        Ok(paths.iter().filter_map(|path| RunningServer::at(path).ok().flatten()).collect())
    }

    /// Whether it goes by this users file. One of an earlier version does not say so, and has mostly that of its place.
    pub fn goes_by_users(&self, users: &Path) -> bool {
        self.users.is_none() || self.users == mark_of(users)
    }

    /// Whether it goes by this folder of keys. One of an earlier version does not say so, and has mostly that of its place.
    pub fn goes_by_certs(&self, certs: &Path) -> bool {
        self.certs.is_none() || self.certs == mark_of(certs)
    }

    /// Whether the server that said so lives still.
    pub fn is_held(&self) -> bool {
        flock(&self.file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
    }

    /// The process that proves to be that server, by a lock of its own.
    pub fn holder(&self) -> Option<Pid> {
        fcntl_getlk(&self.file, &Flock::from(FlockType::WriteLock)).ok().flatten()?.pid
    }

    /// The port that people find it at: one that others than this machine reach, if there is one.
    pub fn port(&self) -> Option<u16> {
        self.listens.iter().min_by_key(|address| address.ip().is_loopback()).map(SocketAddr::port)
    }

    fn at(path: &Path) -> io::Result<Option<RunningServer>> {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
        let held = RunningServer::read(path.to_owned(), options.open(path)?)?;
        Ok(Some(held).filter(RunningServer::is_held))
    }

    fn read(path: PathBuf, file: File) -> io::Result<RunningServer> {
        let mut text = String::new();
        (&file).take(limits::STATE_FILE_MAX).read_to_string(&mut text)?;
        let listens = text.lines().filter_map(|line| line.strip_prefix(LISTEN)?.parse().ok()).collect();
        let metrics = text.lines().find_map(|line| line.strip_prefix(METRICS)).map(str::to_owned);
        let hangup_ends = text.lines().any(|line| line == HANGUP_ENDS);
        let process = text.lines().find_map(|line| line.strip_prefix(PROCESS)?.split_once(' '));
        let process = process.and_then(|(number, numbering)| {
            Some(Named { number: number.parse().ok()?, numbering: numbering.to_owned(), hangup_ends })
        });
        let after = |start: &str| text.lines().find_map(|line| line.strip_prefix(start)).map(str::to_owned);
        let (users, certs) = (after(USERS), after(CERTS));
        let owner = file.metadata()?.uid();
        Ok(RunningServer { path, owner, process, file, listens, metrics, users, certs })
    }

    /// Whether it is what keeps others from this address.
    pub fn listens_on(&self, address: &SocketAddr) -> bool {
        let metrics = self.metrics.as_ref().and_then(|at| at.parse().ok());
        self.listens.iter().chain(&metrics).any(|held| Listeners::meet(held, address))
    }

    /// Whether it is what keeps others from telling figures there.
    pub fn tells_at(&self, at: &MetricsAt) -> bool {
        match at {
            MetricsAt::Address(address) => self.listens_on(address),
            at => self.metrics.as_deref() == Some(&*at.to_string()),
        }
    }
}

/// What stands for this server in a command that is shown, as a target of the client: the port is told where it is another than the
/// client takes by itself.
pub fn host_shown(places: &Places) -> String {
    match RunningServer::any(places).and_then(|held| held.port()) {
        Some(port) if port != limits::PORT => format!("HOST:{port}"),
        _ => "HOST".to_owned(),
    }
}
