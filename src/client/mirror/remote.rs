//! Looking at the server's side of a mirror, and changing it: many commands on their way at once.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::filter::Filter;
use super::plan::{Item, Tree};
use super::report::Report;
use crate::client::observer::Skip;
use crate::client::session::Session;
use crate::client::{listing, requests};
use crate::error::{Error, Kind, Result};
use crate::hash::Hash;
use crate::limits;
use crate::proto::{Command, Entry, EntryKind, RelPath};

/// Lists a folder of the server to be fetched: links and special files are skipped and told, and what cannot be named
/// is a failure.
///
/// # Errors
/// As [`crate::Client::list`].
pub(super) fn source(session: &mut Session, root: &RelPath, filter: &Filter, report: &mut Report<'_>) -> Result<Tree> {
    tree(session, root, filter, report, true)
}

/// Lists a folder of the server that is to become like another; an empty tree if it is missing.
///
/// # Errors
/// As [`crate::Client::list`].
pub(super) fn destination(
    session: &mut Session,
    root: &RelPath,
    filter: &Filter,
    report: &mut Report<'_>,
) -> Result<Tree> {
    match tree(session, root, filter, report, false) {
        Err(error) if error.kind() == Kind::NotFound => Ok(Tree::default()),
        other => other,
    }
}

fn tree(
    session: &mut Session,
    root: &RelPath,
    filter: &Filter,
    report: &mut Report<'_>,
    is_source: bool,
) -> Result<Tree> {
    session.command(&Command::Stat(root.clone()))?;
    listing::ask(session, root, true)?;
    let top = session.expect(213).and_then(|reply| requests::stat(&reply));
    // Both are answered, also when the first is refused.
    let listed = listing::read_all_counting(session, true);
    let top = top?;
    let (entries, unreadable) = listed?;

    let mut tree = Tree { is_whole: unreadable == 0, ..Tree::default() };
    if unreadable > 0 {
        let text = format!("{root}: the server could not read {unreadable} of the folders in it");
        report.failed(root.as_path().to_owned(), Error::new(Kind::Io, text));
    }
    tree.items.insert(RelPath::root(), Item { kind: top.kind, size: 0, mtime: top.mtime });
    for entry in entries {
        take(entry, root, filter, report, is_source, &mut tree);
    }
    Ok(tree)
}

fn take(entry: Entry, root: &RelPath, filter: &Filter, report: &mut Report<'_>, is_source: bool, tree: &mut Tree) {
    let Entry { kind, size, mtime, path } = entry;
    let is_inside_another = path
        .iter()
        .enumerate()
        .any(|(at, b)| *b == b'/' && path.get(..at).is_some_and(|folder| tree.untouchable.contains(folder)));
    if is_inside_another {
        return;
    }
    let shown = || root.as_path().join(Path::new(OsStr::from_bytes(&path)));
    let skip = match kind {
        EntryKind::Link => Some(Skip::Link),
        EntryKind::Other => Some(Skip::Special),
        EntryKind::File | EntryKind::Directory => None,
    };
    if !filter.takes(&path, kind == EntryKind::Directory) {
        tree.untouchable.insert(path);
        return;
    }
    if is_source && let Some(why) = skip {
        report.skipped(&shown(), why);
        tree.untouchable.insert(path);
        return;
    }
    match RelPath::parse(&path).and_then(|inside| root.join(&path).map(|_| inside)) {
        Ok(inside) => {
            let size = if kind == EntryKind::File { size } else { 0 };
            tree.items.insert(inside, Item { kind, size, mtime });
        }
        Err(error) => {
            if is_source {
                report.failed(shown(), error);
            }
            tree.untouchable.insert(path);
        }
    }
}

/// Has the server hash these files. What it cannot hash has none.
///
/// # Errors
/// Those that end the connection.
pub(super) fn hashes(session: &mut Session, root: &RelPath, files: &[RelPath]) -> Result<Vec<Option<Hash>>> {
    let mut hashes = vec![None; files.len()];
    let commands = files.iter().enumerate().map(|(at, file)| {
        let path = root.join(file.as_bytes())?;
        Ok((at, Command::Hash { path, length: None, partial: false }))
    });
    each(session, commands, |at, answer| {
        if let (Some(slot), Answer::Yes(hash)) = (hashes.get_mut(at), answer) {
            *slot = hash;
        }
    })?;
    Ok(hashes)
}

/// Removes these files, links and empty folders in order; gives the number removed.
///
/// # Errors
/// Those that end the connection; the others are reported.
pub(super) fn remove(session: &mut Session, root: &RelPath, paths: &[RelPath], report: &mut Report<'_>) -> Result<u64> {
    let mut removed = 0;
    let commands = paths
        .iter()
        .enumerate()
        .map(|(at, path)| Ok((at, Command::Delete { path: root.join(path.as_bytes())?, recursive: false })));
    each(session, commands, |at, answer| match (answer, paths.get(at)) {
        // What somebody else removed meanwhile is as it should be.
        (Answer::No(error), Some(path)) if error.kind() != Kind::NotFound => {
            report.failed(PathBuf::from(root.as_path()).join(path.as_path()), error);
        }
        _ => removed += 1,
    })?;
    Ok(removed)
}

enum Answer {
    /// With the hash, if that was asked for.
    Yes(Option<Hash>),
    No(Error),
}

/// Sends commands of one reply each, as many ahead of their replies as hide the way to the server.
fn each(
    session: &mut Session,
    commands: impl Iterator<Item = Result<(usize, Command)>>,
    mut answered: impl FnMut(usize, Answer),
) -> Result<()> {
    let mut commands = commands.fuse();
    let mut asked = VecDeque::with_capacity(limits::PIPELINE_FILES);
    loop {
        if asked.len() <= limits::PIPELINE_FILES / 2 {
            while asked.len() < limits::PIPELINE_FILES && session.out().filled().len() < limits::WIRE_HANDOVER {
                let Some(command) = commands.next() else { break };
                let (at, command) = command?;
                match session.command(&command) {
                    Ok(()) => asked.push_back(at),
                    Err(error) => answered(at, Answer::No(error)),
                }
            }
        }
        session.try_flush();
        let Some(at) = asked.pop_front() else { return Ok(()) };
        let reply = session.reply()?;
        if reply.is_error() {
            let error = reply.to_error();
            if session.is_broken() {
                return Err(error);
            }
            answered(at, Answer::No(error));
            continue;
        }
        match reply.digits {
            213 => {
                let hash = reply.parsed("hash")?;
                answered(at, Answer::Yes(Some(hash)));
            }
            250 => answered(at, Answer::Yes(None)),
            _ => return Err(session.out_of_order()),
        }
    }
}
