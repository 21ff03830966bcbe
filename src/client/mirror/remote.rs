//! Looking at the server's side of a mirror, and changing it: many commands on their way at once.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::MirrorOptions;
use super::plan::{Item, Tree};
use super::report::Report;
use crate::client::filter::Filter;
use crate::client::listing::{Listing, Unread};
use crate::client::observer::Skip;
use crate::client::session::Session;
use crate::client::symlinks::ServerLinks;
use crate::client::{listing, many, requests};
use crate::error::{Error, Kind, Result};
use crate::files::{Entry, EntryKind, FileMode, Hash, Mark, RelPath, SourceMode};
use crate::proto::Command;

/// Lists a folder of the server to be fetched: links and special files are skipped and told, and what cannot be named
/// is a failure.
///
/// # Errors
/// As [`crate::Client::list`].
pub(super) fn source(
    session: &mut Session,
    root: &RelPath,
    options: &MirrorOptions,
    report: &mut Report<'_>,
) -> Result<Tree> {
    options.server_links.check(session)?;
    tree(session, root, &options.filter, report, Which::Source { links: options.server_links })
}

/// Lists a folder of the server that is to become like another; an empty tree if it is missing. What is to be removed
/// and cannot be is told.
///
/// # Errors
/// As [`crate::Client::list`].
pub(super) fn destination(
    session: &mut Session,
    root: &RelPath,
    options: &MirrorOptions,
    report: &mut Report<'_>,
) -> Result<Tree> {
    match tree(session, root, &options.filter, report, Which::Destination { delete: options.delete }) {
        Err(error) if error.kind() == Kind::NotFound => Ok(Tree::default()),
        other => other,
    }
}

/// The names in a folder, as they are written there. None if the server refuses to tell them: the folder has gone, or may not be listed
/// any more.
pub(super) fn names_in(session: &mut Session, folder: &RelPath) -> Result<Option<HashSet<Vec<u8>>>> {
    listing::ask(session, folder, false)?;
    match listing::read_all(session, false) {
        Ok(listed) => Ok(Some(listed.entries.into_iter().map(|entry| entry.path).collect())),
        Err(_) if !session.is_broken() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Which side of a mirror is listed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Source { links: ServerLinks },
    Destination { delete: bool },
}

fn tree(session: &mut Session, root: &RelPath, filter: &Filter, report: &mut Report<'_>, which: Which) -> Result<Tree> {
    session.command(&Command::stat(root.clone()))?;
    listing::ask_marked(session, root, true)?;
    let top = session.expect(213).and_then(|reply| requests::stat(&reply));
    // Both are answered, also when the first is refused.
    let listed = listing::read_with_mode(session, true);
    let top = top?;
    let (mut listed, max_mode) = listed?;
    if let Which::Source { links, .. } = which {
        listed = links.apply(session, root, listed)?;
    }
    let Listing { entries, mut unread } = listed;
    unread.denied.retain(|name| filter.takes_with_above(name));

    let max_mode = max_mode.unwrap_or(FileMode::ALL);
    let mut tree = Tree { is_whole: unread.count == 0, max_mode, ..Tree::default() };
    for (path, error) in unread.errors(root) {
        match which {
            Which::Source { .. } => report.failed(path, error),
            Which::Destination { .. } => report.failed_elsewhere(path, error),
        }
    }
    tree.items.insert(RelPath::root(), Item { kind: top.kind, size: 0, mtime: top.mtime, rotten: false, mode: None });
    for entry in entries {
        take(entry, root, filter, report, which, &mut tree);
    }
    leave_denied(&unread, root, report, which, &mut tree);
    Ok(tree)
}

/// Leaves out what the user may not list, which is no failure: it is no part of what was asked for. What else is in such a folder, here and at
/// the other side, stays as it is. Of a destination it is there for all that, and what may only be sent there is sent.
fn leave_denied(unread: &Unread, root: &RelPath, report: &mut Report<'_>, which: Which, tree: &mut Tree) {
    for (name, shown) in unread.denied.iter().zip(unread.denied(root)) {
        match which {
            Which::Source { .. } => {
                report.skipped(&shown, Skip::Unlistable);
                if let Ok(path) = RelPath::parse(name) {
                    tree.items.remove(&path);
                }
                tree.untouchable.insert(name.clone());
            }
            Which::Destination { .. } => tree.unlistable.extend(RelPath::parse(name)),
        }
    }
}

fn take(entry: Entry, root: &RelPath, filter: &Filter, report: &mut Report<'_>, which: Which, tree: &mut Tree) {
    let Entry { kind, size, mtime, mode, rotten, mark, path, .. } = entry;
    let is_inside_another = path
        .iter()
        .enumerate()
        .any(|(at, b)| *b == b'/' && path.get(..at).is_some_and(|folder| tree.untouchable.contains(folder)));
    if is_inside_another {
        return;
    }
    let shown = || root.as_path().join(Path::new(OsStr::from_bytes(&path)));
    let is_source = matches!(which, Which::Source { .. });
    if is_source && kind == EntryKind::Link {
        // What is asked for by a name behind a link is there and yet not part of this folder.
        for listed in filter.listed_below(&path) {
            report.skipped(&root.as_path().join(Path::new(OsStr::from_bytes(listed))), Skip::Link);
        }
    }
    let is_beyond = is_source && kind == EntryKind::File && !filter.is_within(size, mtime);
    if is_beyond || !filter.takes(&path, kind == EntryKind::Directory) {
        tree.untouchable.insert(path);
        return;
    }
    let skip = match (which, kind) {
        (Which::Source { links, .. }, EntryKind::Link) if mark.is_none() => Some(links.why_skipped()),
        (Which::Source { .. }, EntryKind::Other) => Some(Skip::Special),
        (Which::Source { .. }, EntryKind::Directory) if mark == Some(Mark::SharedListOnly) => Some(Skip::ListOnly),
        _ => Skip::by_name(path.rsplit(|b| *b == b'/').next().unwrap_or_default()),
    };
    if let Some(why) = skip {
        match (which, why, RelPath::parse(&path)) {
            (Which::Destination { .. }, Skip::Aside, Ok(aside)) => tree.asides.push(aside),
            (Which::Destination { delete: false }, ..) => {}
            _ => report.skipped(&shown(), why),
        }
        tree.untouchable.insert(path);
        return;
    }
    match RelPath::parse(&path).and_then(|inside| root.join(&path).map(|_| inside)) {
        Ok(inside) => {
            let size = if kind == EntryKind::File { size } else { 0 };
            match (which, mark) {
                (Which::Source { .. }, Some(Mark::Symlink(text))) => drop(tree.links.insert(inside.clone(), text)),
                (_, Some(Mark::Shared | Mark::SharedListOnly)) => tree.shared.push(inside.clone()),
                _ => {}
            }
            tree.items.insert(inside, Item { kind, size, mtime, rotten, mode });
        }
        Err(error) => {
            match which {
                Which::Source { .. } => report.failed(shown(), error),
                Which::Destination { delete: true } => {
                    let text = format!("{}; only the server's administrator can remove it", error.text());
                    report.failed_elsewhere(shown(), Error::new(error.kind(), text));
                }
                Which::Destination { delete: false } => {}
            }
            tree.untouchable.insert(path);
        }
    }
}

/// Removes these files, links and empty folders in order. What somebody else removed meanwhile is as it should be.
///
/// # Errors
/// Those that end the connection.
pub(super) fn remove(session: &mut Session, root: &RelPath, paths: &[RelPath]) -> Result<Vec<Result<()>>> {
    let remove = |path| Command::Delete { path, recursive: false, progress: false };
    let commands = paths.iter().map(|path| root.join(path.as_bytes()).map(remove));
    let mut outcomes = outcomes(session, paths.len(), commands)?;
    for outcome in &mut outcomes {
        if matches!(outcome, Err(error) if error.kind() == Kind::NotFound) {
            *outcome = Ok(());
        }
    }
    Ok(outcomes)
}

/// Removes those of these that are empty folders, in order. What else has their names stays.
///
/// # Errors
/// Those that end the connection.
pub(super) fn remove_folders(session: &mut Session, root: &RelPath, paths: &[RelPath]) -> Result<()> {
    let commands = paths.iter().map(|path| root.join(path.as_bytes()).map(Command::stat));
    let mut folders = Vec::new();
    many::each(session, commands, 213, requests::stat, |at, found| {
        let is_folder = found.is_ok_and(|found| found.kind == EntryKind::Directory);
        folders.extend(paths.get(at).filter(|_| is_folder).cloned());
    })?;
    // What could not be removed is in the way of what is put back, which says so.
    remove(session, root, &folders).map(drop)
}

/// Removes those of these files that have these hashes. What else has their names stays.
///
/// # Errors
/// Those that end the connection.
pub(super) fn remove_if(session: &mut Session, root: &RelPath, files: &[(RelPath, Hash)]) -> Result<()> {
    let there: Vec<RelPath> = files.iter().map(|(path, _)| root.join(path.as_bytes())).collect::<Result<_>>()?;
    let hashes = many::hashes(session, &there, many::recorded(session))?;
    let ours = files.iter().zip(hashes).filter(|((_, ours), theirs)| Some(*ours) == *theirs);
    let ours: Vec<RelPath> = ours.map(|((path, _), _)| path.clone()).collect();
    // What could not be removed is in the way of what is put back, which says so.
    remove(session, root, &ours).map(drop)
}

/// Renames in order, never over anything.
///
/// # Errors
/// Those that end the connection.
pub(super) fn rename(session: &mut Session, root: &RelPath, moves: &[(RelPath, RelPath)]) -> Result<Vec<Result<()>>> {
    let commands = moves.iter().map(|(from, to)| {
        let (from, to) = (root.join(from.as_bytes())?, root.join(to.as_bytes())?);
        Ok(Command::Rename { from, to, replace: false })
    });
    outcomes(session, moves.len(), commands)
}

/// Gives these files other modes.
///
/// # Errors
/// Those that end the connection.
pub(super) fn set_modes(
    session: &mut Session,
    root: &RelPath,
    files: &[(RelPath, SourceMode)],
) -> Result<Vec<Result<()>>> {
    let commands = files.iter().map(|(path, mode)| {
        let path = root.join(path.as_bytes())?;
        Ok(Command::Chmod { path, mode: *mode, mtime: None })
    });
    outcomes(session, files.len(), commands)
}

/// What became of each of these commands.
fn outcomes(
    session: &mut Session,
    count: usize,
    commands: impl Iterator<Item = Result<Command>>,
) -> Result<Vec<Result<()>>> {
    let mut outcomes: Vec<Result<()>> = (0..count).map(|_| Ok(())).collect();
    many::each(
        session,
        commands,
        250,
        |_| Ok(()),
        |at, answer| {
            if let Some(outcome) = outcomes.get_mut(at) {
                *outcome = answer;
            }
        },
    )?;
    Ok(outcomes)
}
