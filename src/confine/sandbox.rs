//! The sandbox: a set of rules (Landlock) by which the kernel lets this process reach the files it serves and nothing
//! else, whatever its code is made to do, and neither listen nor connect anew, but for the one port of a storage elsewhere.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, RestrictionStatus, Ruleset,
    RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, make_bitflags,
};

use crate::error::{Error, Kind, Result};

/// All rights that are known here, tried and vetted: those of Linux 6.12. An older kernel enforces those it knows.
const VETTED: ABI = ABI::V6;

/// What a server needs to see once at its start, to count the cores that a container leaves it.
const CORE_COUNT: [&str; 3] = ["/proc/self/cgroup", "/proc/self/mountinfo", "/sys/fs/cgroup"];

/// Where links inside a home are resolved: by asking the system for the path of what is open (`/proc/self/fd`). Only
/// folders can be opened there, and what other programs have open cannot be read: the sandbox takes that right, too.
const DESCRIPTORS: &str = "/proc";

/// What is left to reach.
#[derive(Debug, Default, Clone)]
pub struct Reach {
    /// Folders in which files and folders are read, made, changed, moved and removed.
    pub change: Vec<PathBuf>,
    /// Folders in which files are read and listed.
    pub look: Vec<PathBuf>,
    /// Folders in which files are read, by name: not listed.
    pub read: Vec<PathBuf>,
    /// Folders from which files are removed.
    pub remove: Vec<PathBuf>,
    /// Folders in which files are made, read and written to, but neither removed nor cut.
    pub append: Vec<PathBuf>,
    /// Ports that are connected to by TCP, of whatever machine: the kernel knows no more.
    pub connect: Vec<u16>,
}

/// How much of the rules this kernel enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforced {
    /// All.
    Fully,
    /// Those that it knows.
    Partially,
    /// None: no Landlock.
    Not,
}

impl Enforced {
    /// For the log.
    pub const fn word(self) -> &'static str {
        match self {
            Enforced::Fully => "full",
            Enforced::Partially => "partial",
            Enforced::Not => "none",
        }
    }
}

/// Restricts this thread, and those it makes from now on, to `reach` for good; also takes the right to listen and
/// connect by TCP, and to signal other programs. What is open already stays open.
///
/// # Errors
/// Those of a folder that cannot be opened, and [`Kind::Internal`] if the kernel refuses the rules.
pub fn restrict(reach: &Reach) -> Result<Enforced> {
    // Links, pipes and sockets that others put there may be renamed, which takes the right to make them. Devices may not:
    // with one of them root could reach a whole disk.
    let serving = make_bitflags!(AccessFs::{
        ReadFile | ReadDir | WriteFile | Truncate | RemoveFile | RemoveDir | Refer
            | MakeReg | MakeDir | MakeSym | MakeFifo | MakeSock
    });
    let refused = |err: RulesetError| Error::new(Kind::Internal, format!("no sandbox: {err}")).with_source(err);
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(VETTED))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(VETTED)))
        .and_then(|rules| rules.scope(Scope::from_all(VETTED)))
        .and_then(Ruleset::create)
        .map_err(refused)?;
    for (folders, access) in [
        (&reach.change, serving),
        (&reach.look, AccessFs::ReadFile | AccessFs::ReadDir),
        (&reach.read, AccessFs::ReadFile.into()),
        (&reach.remove, AccessFs::RemoveFile | AccessFs::ReadFile),
        (&reach.append, AccessFs::MakeReg | AccessFs::ReadFile | AccessFs::WriteFile),
    ] {
        for folder in folders {
            rules = allow(rules, &open(folder)?, access).map_err(refused)?;
        }
    }
    for port in &reach.connect {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp)).map_err(refused)?;
    }
    let seen = CORE_COUNT.map(|path| (path, AccessFs::ReadFile)).into_iter().chain([(DESCRIPTORS, AccessFs::ReadDir)]);
    for (path, access) in seen {
        // A container may hide them; the sandbox then does no more than that.
        if let Ok(at) = PathFd::new(path) {
            rules = allow(rules, &at, access.into()).map_err(refused)?;
        }
    }
    let RestrictionStatus { ruleset, .. } = rules.restrict_self().map_err(refused)?;
    Ok(match ruleset {
        RulesetStatus::FullyEnforced => Enforced::Fully,
        RulesetStatus::PartiallyEnforced => Enforced::Partially,
        RulesetStatus::NotEnforced => Enforced::Not,
    })
}

fn allow(rules: RulesetCreated, at: &PathFd, access: BitFlags<AccessFs>) -> Result<RulesetCreated, RulesetError> {
    rules.add_rule(PathBeneath::new(at, access))
}

fn open(folder: &Path) -> Result<PathFd> {
    PathFd::new(folder).map_err(|err| {
        let landlock::PathFdError::OpenCall { source, .. } = err else {
            return Error::new(Kind::Internal, format!("{}: {err}", folder.display()));
        };
        Error::file(folder.display(), source)
    })
}
