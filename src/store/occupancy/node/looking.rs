//! Looking at the nodes of a directory: which of them live.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Instant;

use cap_std::fs::Dir;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::super::coherence::{Coherence, Trouble};
use super::super::owner::Owner;
use super::{NodeName, names, open, open_folder};
use crate::error::{Error, Kind, Result};
use crate::limits;

/// What is found of another node.
pub(super) enum Found {
    /// It holds its lock.
    Locked,
    /// Its lock was to be had, and is nobody's alone meanwhile.
    Free(File, Option<Owner>),
}

/// A node, but this one, that lives although its lock is to be had. Those that cannot be seen from here are watched for a while.
///
/// # Errors
/// Those of the file system: then it is not known.
pub(super) fn unlocked_and_alive(folder: &Dir, except: Option<&NodeName>) -> io::Result<Option<NodeName>> {
    let (begun, mut first): (_, HashMap<NodeName, Owner>) = (Instant::now(), HashMap::new());
    loop {
        let mut unsure = false;
        for name in names(folder)?.into_iter().filter(|name| Some(name) != except) {
            let Ok(Found::Free(_, Some(owner))) = look(folder, &name) else { continue };
            if owner.lives() {
                return Ok(Some(name));
            }
            if owner.is_near() {
                continue;
            }
            unsure = true;
            match first.get(&name) {
                Some(before) if *before != owner => return Ok(Some(name)),
                Some(_) => {}
                None => {
                    tracing::info!(node = %name, "was here before; watching whether it lives");
                    first.insert(name, owner);
                }
            }
        }
        if !unsure || begun.elapsed() >= limits::BEAT_WATCH {
            return Ok(None);
        }
        std::thread::sleep(limits::LOCK_PAUSE);
    }
}

/// Whether whoever looks at this hidden place sees at once what the nodes that serve it change; none if none does. `place` is for errors.
///
/// # Errors
/// [`Kind::Io`] if it does not, or one of them does not, or it cannot be tried.
pub(in super::super) fn try_mount(reserved: &Dir, place: &Path) -> Result<Option<usize>> {
    let failed = |trouble| Error::new(Kind::Io, format!("{}: {trouble}", place.display()));
    let living = || match open_folder(reserved) {
        Err(Errno::NOENT) => Ok(Vec::new()),
        folder => living(&folder?, None),
    };
    let nodes = living().map_err(|err| failed(err.into()))?.len();
    if nodes == 0 {
        return Ok(None);
    }
    let coherence = Coherence::open(reserved, place, None).map_err(|error| failed(error.into()))?;
    let silent = coherence.prove_for_start(&living).map_err(failed)?;
    match silent.into_iter().next() {
        Some(node) => Err(failed(Trouble::Silent(node))),
        None => Ok(Some(nodes)),
    }
}

/// A node of this directory that lives, whether its lock is seen or not.
///
/// # Errors
/// Those of the file system: then it is not known.
pub(in super::super) fn any_that_lives(reserved: &Dir) -> io::Result<Option<NodeName>> {
    match any_lives(reserved)? {
        Some(node) => Ok(Some(node)),
        None => match open_folder(reserved) {
            Err(Errno::NOENT) => Ok(None),
            folder => unlocked_and_alive(&folder?, None),
        },
    }
}

/// One that lives, as far as can be seen at once.
///
/// # Errors
/// That they cannot be looked at.
pub(in super::super) fn any_lives(reserved: &Dir) -> io::Result<Option<NodeName>> {
    let folder = match open_folder(reserved) {
        Err(Errno::NOENT) => return Ok(None),
        folder => folder?,
    };
    Ok(names(&folder)?.into_iter().find(|name| match look(&folder, name) {
        Ok(Found::Locked) => true,
        Ok(Found::Free(_, owner)) => owner.is_some_and(|owner| owner.lives()),
        Err(_) => false,
    }))
}

/// The nodes, but this one, that hold their locks.
///
/// # Errors
/// Those of the file system: then it is not known of all whether they do.
pub(super) fn living(folder: &Dir, except: Option<&NodeName>) -> io::Result<Vec<NodeName>> {
    let mut living = Vec::new();
    for name in names(folder)?.into_iter().filter(|name| Some(name) != except) {
        match look(folder, &name) {
            Ok(Found::Locked) => living.push(name),
            // It goes just now; or over FUSE it is a name of a file that was open. Some file systems give a closed file's lock back a moment
            // later, when somebody of that name may be there again.
            Ok(Found::Free(file, _)) => drop(flock(&file, FlockOperation::Unlock)),
            Err(Errno::NOENT | Errno::STALE) => {}
            Err(err) => return Err(err.into()),
        }
    }
    Ok(living)
}

/// Looks at the lock of this node, which nobody has alone who only looks: so others who look do not take that for the node's.
pub(super) fn look(folder: &Dir, name: &NodeName) -> Result<Found, Errno> {
    let mut file = open(folder, &name.0, OFlags::empty())?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(Errno::WOULDBLOCK) => Ok(Found::Locked),
        Err(err) => Err(err),
        Ok(()) => {
            let owner = Owner::read(&mut file);
            Ok(Found::Free(file, owner))
        }
    }
}
