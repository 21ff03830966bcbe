//! Leaving out what need not move, and telling what would move: `update` and `dry_run` of a transfer.

use std::collections::HashMap;
use std::path::PathBuf;

use super::destination::Destination;
use super::filter::modified;
use super::jobs::{Download, Source, Upload};
use super::ledger::Ledger;
use super::listing;
use super::observer::Observer;
use super::receive::Announced;
use super::requests;
use super::send::Task;
use super::session::Session;
use crate::error::{Error, Kind, Result};
use crate::files::{Condition, Mtime, RelPath};
use crate::proto::Command;

/// Whether this time is no later than that of what is in the file's place.
fn is_as_new(there: Option<Mtime>, source: Mtime) -> bool {
    there.is_some_and(|there| (there.secs, there.nanos) >= (source.secs, source.nanos))
}

fn exists(to: &RelPath) -> Error {
    Error::new(Kind::Exists, format!("{to}: already exists"))
}

/// Whether a file of this size and time is still to be fetched; if not, it is settled and told.
pub(super) fn is_to_be_fetched(
    file: &Download,
    (size, mtime): (u64, Mtime),
    into: &Destination,
    observer: &dyn Observer,
    ledger: &mut Ledger,
) -> bool {
    let Download { from, to, condition } = file;
    if !ledger.how.update && !ledger.how.dry_run {
        return true;
    }
    let there = into.store().stat(to).ok().map(|found| found.mtime);
    if ledger.how.update && is_as_new(there, mtime) {
        ledger.unchanged(from.as_path(), to, size, observer);
    } else if ledger.how.dry_run {
        match *condition == Condition::Absent && there.is_some() {
            true => ledger.failed(PathBuf::from(from.as_path()), to, *condition, exists(to), observer),
            false => ledger.planned(from.as_path(), to, size, observer),
        }
    } else {
        return true;
    }
    false
}

/// The same for files that were asked for by name. What the server refused is left to be refused again, and told then;
/// if nothing is to be done in earnest it is told now.
///
/// # Errors
/// Those that end the connection.
pub(super) fn downloads(
    session: &mut Session,
    found: Vec<(Download, Option<Announced>)>,
    into: &Destination,
    observer: &dyn Observer,
    ledger: &mut Ledger,
) -> Result<Vec<(Download, Option<Announced>)>> {
    let mut left = Vec::new();
    for (file, announced) in found {
        match announced {
            Some(announced) if !is_to_be_fetched(&file, (announced.size, announced.mtime), into, observer, ledger) => {}
            None if ledger.how.dry_run => {
                session.command(&Command::Stat(file.from.clone()))?;
                let refused = session.expect(213).map(drop).err();
                if session.is_broken() {
                    return Err(refused.unwrap_or_else(|| session.out_of_order()));
                }
                let error =
                    refused.unwrap_or_else(|| Error::new(Kind::NotRegular, format!("{}: not a file", file.from)));
                let Download { from, to, condition } = file;
                ledger.failed(PathBuf::from(from.as_path()), &to, condition, error, observer);
            }
            _ => left.push((file, announced)),
        }
    }
    Ok(left)
}

/// What of this is still to be sent; the rest is settled and told. `top` is the folder on the server that all of it goes
/// into, if there is one: then one listing tells what is there.
///
/// # Errors
/// Those that end the connection, and those of the listing.
pub(super) fn uploads(
    session: &mut Session,
    tasks: impl Iterator<Item = Task>,
    top: Option<&RelPath>,
    observer: &dyn Observer,
    ledger: &mut Ledger,
) -> Result<Vec<Task>> {
    let tasks: Vec<Task> = tasks.collect();
    let there = match top {
        Some(top) => below(session, top)?,
        None => each(session, &tasks)?,
    };
    let mut left = Vec::new();
    for task in tasks {
        match task {
            Task::File { upload, .. } if ledger.is_settled(&upload.to) => {}
            Task::File { upload: Upload { from: Source::File(path), to, condition, mtime }, seen } => {
                let meta = if seen { path.symlink_metadata() } else { path.metadata() };
                let upload = |path| Upload { from: Source::File(path), to: to.clone(), condition, mtime };
                let meta = match meta {
                    Ok(meta) => meta,
                    Err(err) if ledger.how.dry_run => {
                        let error = Error::file(path.display(), err);
                        ledger.failed(path, &to, condition, error, observer);
                        continue;
                    }
                    // Told when it cannot be opened.
                    Err(_) => {
                        left.push(Task::File { upload: upload(path), seen });
                        continue;
                    }
                };
                let found = there.get(&to).copied();
                if ledger.how.update && is_as_new(found, modified(&meta)) {
                    ledger.unchanged(&path, &to, meta.len(), observer);
                } else if !ledger.how.dry_run {
                    left.push(Task::File { upload: upload(path), seen });
                } else if condition == Condition::Absent && found.is_some() {
                    ledger.failed(path, &to, condition, exists(&to), observer);
                } else {
                    ledger.planned(&path, &to, meta.len(), observer);
                }
            }
            Task::File { upload, .. } if ledger.how.dry_run => {
                ledger.planned(upload.to.as_path(), &upload.to, 0, observer);
            }
            Task::Directory { .. } if ledger.how.dry_run => {}
            other => left.push(other),
        }
    }
    Ok(left)
}

/// The times of all files below a folder of the server, which may be missing.
fn below(session: &mut Session, top: &RelPath) -> Result<HashMap<RelPath, Mtime>> {
    listing::ask(session, top, true)?;
    let listing = match listing::read_all(session, true) {
        Err(error) if matches!(error.kind(), Kind::NotFound | Kind::NotDirectory) && !session.is_broken() => {
            return Ok(HashMap::new());
        }
        listing => listing?,
    };
    let entries = listing.entries.into_iter();
    Ok(entries.filter_map(|entry| Some((top.join(&entry.path).ok()?, entry.mtime))).collect())
}

/// The times of what is in the places of these files.
fn each(session: &mut Session, tasks: &[Task]) -> Result<HashMap<RelPath, Mtime>> {
    let mut there = HashMap::new();
    for task in tasks {
        let Task::File { upload: Upload { to, .. }, .. } = task else { continue };
        session.command(&Command::Stat(to.clone()))?;
        match session.expect(213).and_then(|reply| requests::stat(&reply)) {
            Ok(stat) => {
                there.insert(to.clone(), stat.mtime);
            }
            Err(error) if session.is_broken() => return Err(error),
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(there)
}
