//! Leaving out what need not move, and telling what would move: `resume`, `update` and `dry_run` of a transfer.
//!
//! What is gone on with leaves a file alone that is whole in its place: of the same size and time, as in a mirror, and of the
//! same bytes. The server says the hash that it recorded when the file was stored, and this side reads its own.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use rustix::fs::FileType;

use super::answers::Stat;
use super::content;
use super::destination::Destination;
use super::jobs::{Download, Upload, UploadSource};
use super::ledger::Ledger;
use super::listing;
use super::local_access::LocalAccess;
use super::many;
use super::mirror::plan::same_time;
use super::observer::Observer;
use super::receive::Announced;
use super::requests;
use super::send::Task;
use super::session::Session;
use crate::error::{Error, Kind, Result};
use crate::files::{Condition, Entry, EntryKind, Hash, Meta, Mtime, RelPath, stamp::Stamp};
use crate::proto::Command;

/// Whether this time is no later than that of what is in the file's place.
fn is_as_new(there: Option<Mtime>, source: Mtime) -> bool {
    there.is_some_and(|there| (there.secs, there.nanos) >= (source.secs, source.nanos))
}

fn exists(to: &RelPath) -> Error {
    Error::new(Kind::Exists, format!("{to}: already exists")).at(to.as_path())
}

/// What comes of a file where a folder is.
fn folder_there(to: &RelPath) -> Error {
    Error::new(Kind::IsDirectory, format!("{to}: is a folder")).at(to.as_path())
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
    if !ledger.how.options.update && !ledger.how.options.dry_run {
        return true;
    }
    let there = into.store().stat(to).ok();
    // Whatever its time is: a folder is no older or newer version of a file, and none is replaced by one.
    let is_folder = there.as_ref().is_some_and(|found| found.kind == EntryKind::Directory);
    let time = there.as_ref().map(|found| found.mtime).filter(|_| !is_folder);
    if ledger.how.options.update && is_as_new(time, mtime) {
        ledger.unchanged(from.as_path(), to, size, observer);
    } else if ledger.how.options.dry_run {
        let error = match there {
            Some(_) if *condition == Condition::Absent => Some(exists(to)),
            Some(_) if is_folder => Some(folder_there(to)),
            _ => None,
        };
        match error {
            Some(error) => ledger.failed(PathBuf::from(from.as_path()), to, *condition, error, observer),
            None => ledger.planned(from.as_path(), to, size, observer),
        }
    } else {
        return true;
    }
    false
}

/// Which of these files, asked for by name, are still to be fetched. What the server refused is left to be refused again, and told then; if
/// nothing is to be done in earnest it is told now.
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
    let known = found.iter().filter_map(|(file, announced)| Some((file, announced.as_ref()?)));
    let known = known.map(|(file, announced)| (file, announced.size, announced.mtime));
    let whole = whole_here(session, known, into, observer, ledger)?;
    let mut left = Vec::new();
    for (file, announced) in found {
        match announced {
            Some(_) if whole.contains(&file.to) => {}
            Some(announced) if !is_to_be_fetched(&file, (announced.size, announced.mtime), into, observer, ledger) => {}
            None if ledger.how.options.dry_run => {
                session.command(&Command::stat(file.from.clone()))?;
                let error = match session.expect(213).and_then(|reply| requests::stat(&reply)) {
                    Err(error) if session.is_broken() => return Err(error),
                    Err(error) => error,
                    // As the server says when it is asked for in earnest.
                    Ok(found) if found.kind == EntryKind::Directory => {
                        Error::new(Kind::IsDirectory, format!("{}: is a folder", file.from)).of_server()
                    }
                    Ok(_) => Error::new(Kind::NotRegular, format!("{}: not a file", file.from)),
                };
                let Download { from, to, condition } = file;
                ledger.failed(PathBuf::from(from.as_path()), &to, condition, error, observer);
            }
            _ => left.push((file, announced)),
        }
    }
    Ok(left)
}

/// A file that is in its place already, as it seems.
struct Seeming {
    here: PathBuf,
    /// How the local one is opened.
    access: LocalAccess,
    there: RelPath,
    to: RelPath,
    size: u64,
}

/// Which of these files, each with its size and time on the server, are whole in their places here; they are settled and told.
///
/// # Errors
/// Those that end the connection.
pub(super) fn whole_here<'a>(
    session: &mut Session,
    files: impl Iterator<Item = (&'a Download, u64, Mtime)>,
    into: &Destination,
    observer: &dyn Observer,
    ledger: &mut Ledger,
) -> Result<HashSet<RelPath>> {
    if !ledger.looks_for_whole() {
        return Ok(HashSet::new());
    }
    let (store, mut seeming) = (into.store(), Vec::new());
    for (Download { from, to, .. }, size, mtime) in files {
        let is_file = |found: &Meta| found.kind == EntryKind::File && found.size == size;
        if !ledger.is_settled(to) && store.stat(to).is_ok_and(|found| is_file(&found) && same_time(found.mtime, mtime))
        {
            let here = PathBuf::from(from.as_path());
            seeming.push(Seeming { here, access: LocalAccess::Seen, there: from.clone(), to: to.clone(), size });
        }
    }
    settle_whole(session, seeming, observer, ledger, |file, work, told| content::hash_in(store, &file.to, work, told))
}

/// Which of these files that are to be sent are whole in their places on the server; they are settled and told.
fn whole_there(
    session: &mut Session,
    tasks: &[Task],
    there: &HashMap<RelPath, Stat>,
    observer: &dyn Observer,
    ledger: &mut Ledger,
) -> Result<HashSet<RelPath>> {
    if !ledger.looks_for_whole() {
        return Ok(HashSet::new());
    }
    let mut seeming = Vec::new();
    for task in tasks {
        let Task::File { upload: Upload { from: UploadSource::File(path), to, mtime, .. }, access } = task else {
            continue;
        };
        let (Some(found), false) = (there.get(to), ledger.is_settled(to)) else { continue };
        let Ok(stat) = access.stat(path) else { continue };
        let (size, is_file) =
            (stat.st_size.unsigned_abs(), FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
        let seems = is_file && found.kind == EntryKind::File && !found.rotten && found.size == size;
        if seems && same_time(found.mtime, mtime.unwrap_or_else(|| Stamp::from(&stat).mtime())) {
            let (here, access) = (path.clone(), access.clone());
            seeming.push(Seeming { here, access, there: to.clone(), to: to.clone(), size });
        }
    }
    settle_whole(session, seeming, observer, ledger, |file, work, told| {
        content::hash(&file.here, &file.access, work, told)
    })
}

/// Those of these files whose bytes are the same on both sides. They are settled and told.
fn settle_whole(
    session: &mut Session,
    seeming: Vec<Seeming>,
    observer: &dyn Observer,
    ledger: &mut Ledger,
    hash: impl Fn(&Seeming, &mut content::Work<'_>, &dyn Fn(u64)) -> Result<Hash> + Sync,
) -> Result<HashSet<RelPath>> {
    let names: Vec<RelPath> = seeming.iter().map(|file| file.there.clone()).collect();
    let same = content::same(session, &names, many::recorded(session), |at, work| {
        let file = seeming.get(at).ok_or_else(|| Error::new(Kind::Internal, "no such file"))?;
        hash(file, work, &|done| observer.proving(&file.here, done, file.size))
    })?;
    ledger.has_looked = true;
    let mut whole = HashSet::new();
    for (file, _) in seeming.into_iter().zip(same).filter(|(_, is_same)| *is_same) {
        ledger.unchanged(&file.here, &file.to, file.size, observer);
        whole.insert(file.to);
    }
    Ok(whole)
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
        Some(top) => below(session, top),
        None => each(session, &tasks),
    };
    let there = match there {
        // Who may only send cannot look, and sends all of it.
        Err(error) if error.kind() == Kind::Denied && !ledger.how.options.update && !session.is_broken() => {
            HashMap::new()
        }
        there => there?,
    };
    let _ = whole_there(session, &tasks, &there, observer, ledger)?;
    let mut left = Vec::new();
    for task in tasks {
        match task {
            Task::File { upload, .. } if ledger.is_settled(&upload.to) => {}
            Task::File { upload: Upload { from: UploadSource::File(path), to, condition, mtime }, access } => {
                let stat = access.stat(&path);
                let upload = |path| Upload { from: UploadSource::File(path), to: to.clone(), condition, mtime };
                let stat = match stat {
                    Ok(stat) => stat,
                    Err(err) if ledger.how.options.dry_run => {
                        let error = Error::file(path.display(), err.into());
                        ledger.failed(path, &to, condition, error, observer);
                        continue;
                    }
                    // Told when it cannot be opened.
                    Err(_) => {
                        left.push(Task::File { upload: upload(path), access });
                        continue;
                    }
                };
                let (found, size) = (there.get(&to), stat.st_size.unsigned_abs());
                let is_folder = found.is_some_and(|found| found.kind == EntryKind::Directory);
                let time = found.map(|found| found.mtime).filter(|_| !is_folder);
                if ledger.how.options.update && is_as_new(time, Stamp::from(&stat).mtime()) {
                    ledger.unchanged(&path, &to, size, observer);
                } else if !ledger.how.options.dry_run {
                    left.push(Task::File { upload: upload(path), access });
                } else if condition == Condition::Absent && found.is_some() {
                    ledger.failed(path, &to, condition, exists(&to), observer);
                } else if is_folder {
                    ledger.failed(path, &to, condition, folder_there(&to).of_server(), observer);
                } else {
                    ledger.planned(&path, &to, size, observer);
                }
            }
            Task::File { upload, .. } if ledger.how.options.dry_run => {
                ledger.planned(upload.to.as_path(), &upload.to, 0, observer);
            }
            Task::Directory { .. } if ledger.how.options.dry_run => {}
            other => left.push(other),
        }
    }
    Ok(left)
}

/// All files below a folder of the server, which may be missing.
fn below(session: &mut Session, top: &RelPath) -> Result<HashMap<RelPath, Stat>> {
    listing::ask(session, top, true)?;
    let listing = match listing::read_all(session, true) {
        Err(error) if matches!(error.kind(), Kind::NotFound | Kind::NotDirectory) && !session.is_broken() => {
            return Ok(HashMap::new());
        }
        listing => listing?,
    };
    let stat = |entry: Entry| {
        let Entry { kind, size, mtime, mode, rotten, path, .. } = entry;
        Some((top.join(&path).ok()?, Stat { kind, size, mtime, mode, rotten }))
    };
    Ok(listing.entries.into_iter().filter_map(stat).collect())
}

/// What is in the places of these files.
fn each(session: &mut Session, tasks: &[Task]) -> Result<HashMap<RelPath, Stat>> {
    let to = |task: &Task| match task {
        Task::File { upload, .. } => Some(upload.to.clone()),
        _ => None,
    };
    let names: Vec<RelPath> = tasks.iter().filter_map(to).collect();
    let (mut there, mut refused) = (HashMap::new(), None);
    let commands = names.iter().map(|name| Ok(Command::stat(name.clone())));
    many::each(session, commands, 213, requests::stat, |at, answer| match (answer, names.get(at)) {
        (Ok(stat), Some(name)) => drop(there.insert(name.clone(), stat)),
        (Err(error), _) if error.kind() != Kind::NotFound => refused = Some(error),
        _ => {}
    })?;
    refused.map_or(Ok(there), Err)
}
