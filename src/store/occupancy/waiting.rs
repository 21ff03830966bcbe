//! Waiting for a lock, and telling whether somebody has it who cannot be seen.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::owner::Owner;
use crate::error::{Error, Kind, Result};
use crate::limits;

/// Returns when this lock is ours and no process is known to have it by another way. One that was just killed may
/// have it for a moment, and so has one that only looks.
pub(super) fn wait_for(file: &mut File, data: &Path, lock: FlockOperation) -> Result<()> {
    match wait(file, data, lock)? {
        None => Ok(()),
        Some(error) => {
            tracing::warn!(data = %data.display(), %error, "no lock: let no server of another machine use this folder");
            Ok(())
        }
    }
}

/// Returns when this lock is ours, for one of several servers, which need locks.
///
/// # Errors
/// Also that there are none.
pub(super) fn wait_for_locked(file: &mut File, data: &Path, lock: FlockOperation) -> Result<()> {
    match wait(file, data, lock)? {
        None => Ok(()),
        Some(error) => {
            let error = std::io::Error::from(error);
            let text = format!("{}: several servers need locks: {}", data.display(), crate::error::told(&error));
            Err(Error::new(Kind::Io, text).with_source(error))
        }
    }
}

/// Why there is no lock, if there is none to be had by anybody.
fn wait(file: &mut File, data: &Path, lock: FlockOperation) -> Result<Option<Errno>> {
    let begun = Instant::now();
    let (mut said, mut watch) = (false, Watch::default());
    loop {
        let pid = match holder(file, lock, &mut watch) {
            Holder::Nobody => return Ok(None),
            Holder::NoLocks(error) => return Ok(Some(error)),
            Holder::Unsure => {
                if watch.is_new() {
                    tracing::info!(data = %data.display(), "a server elsewhere had this folder; watching whether it lives");
                }
                std::thread::sleep(limits::LOCK_PAUSE);
                continue;
            }
            Holder::Elsewhere => {
                let text = format!(
                    "{}: another sealiftd serves this folder, on another machine or in a container",
                    data.display()
                );
                return Err(Error::new(Kind::Busy, text));
            }
            Holder::Here(pid) => pid,
        };
        if begun.elapsed() >= limits::LOCK_WAIT {
            return Err(served(data, pid));
        }
        if !said && begun.elapsed() >= limits::LOCK_LOOK {
            tracing::info!(data = %data.display(), pid, "another server has this folder; waiting a moment for its end");
            said = true;
        }
        std::thread::sleep(limits::LOCK_PAUSE);
    }
}

/// Who has a lock.
enum Holder {
    /// Nobody else: it is ours now.
    Nobody,
    /// Nobody, as far as is known, and there are no locks.
    NoLocks(Errno),
    /// Somebody, by his lock, or this process of this machine.
    Here(Option<i32>),
    /// A process that cannot be seen from here goes on saying that it lives.
    Elsewhere,
    /// One that cannot be seen from here had it, and may have ended.
    Unsure,
}

/// What was seen of an owner who cannot be asked for.
#[derive(Default)]
struct Watch {
    owner: Option<(Owner, Instant)>,
    looks: u64,
}

impl Watch {
    /// What is to be thought of this owner, who was looked at just now.
    fn of(&mut self, owner: Owner) -> Holder {
        self.looks += 1;
        match &self.owner {
            Some((first, since)) if *first == owner => match since.elapsed() >= limits::BEAT_WATCH {
                true => Holder::Nobody,
                false => Holder::Unsure,
            },
            Some(_) => Holder::Elsewhere,
            None => {
                self.owner = Some((owner, Instant::now()));
                Holder::Unsure
            }
        }
    }

    fn is_new(&self) -> bool {
        self.looks == 1
    }
}

/// Takes this lock; if that cannot be, who has it, as far as it is known.
fn holder(file: &mut File, lock: FlockOperation, watch: &mut Watch) -> Holder {
    let locked = flock(&*file, lock);
    let owner = Owner::read(file);
    let lives = owner.as_ref().filter(|owner| owner.lives()).map(|owner| owner.pid);
    match (locked, lives, owner) {
        (Err(Errno::WOULDBLOCK), ..) => Holder::Here(lives),
        (_, Some(pid), _) => Holder::Here(Some(pid)),
        // Of one that does not say it, nothing is to be waited for.
        (_, None, Some(owner)) if !owner.is_near() && owner.beat.is_some() => watch.of(owner),
        (Err(error), ..) => Holder::NoLocks(error),
        (Ok(()), ..) => Holder::Nobody,
    }
}

fn served(data: &Path, holder: Option<i32>) -> Error {
    let holder = holder.map(|pid| format!(": process {pid}")).unwrap_or_default();
    Error::new(Kind::Busy, format!("{}: another sealiftd serves this folder{holder}", data.display()))
}
