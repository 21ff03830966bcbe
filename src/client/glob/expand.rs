//! Finding what matches: one listing for each folder that may hold something, many of them under way at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

use super::{Glob, Part, matches};
use crate::client::answers::Stat;
use crate::client::connection::Client;
use crate::client::listing::{self, Unread, held_by};
use crate::client::requests;
use crate::client::session::Session;
use crate::error::{Error, Kind, Result};
use crate::files::{Entry, EntryKind, Mark, RelPath};
use crate::limits;
use crate::proto::{Command, Feature};

/// What matches, and what could not be looked into.
#[derive(Debug, Default)]
#[must_use = "a folder that could not be read may hold more that matches"]
#[non_exhaustive]
pub struct Expansion {
    /// Paths from the user's own folder on, in the order of their bytes, each once. As the disk has them: one with
    /// a control character in it cannot be asked for.
    pub entries: Vec<Entry>,
    /// An error for each folder that could not be read.
    pub unread: Vec<(PathBuf, Error)>,
    /// Folders that were not named and that the user may not list, as the drop boxes among shared folders.
    pub denied: Vec<PathBuf>,
}

impl Client {
    /// Finds what matches: files and folders, or `only_folders`.
    ///
    /// # Errors
    /// As [`Client::list`], of the folder before the first wildcard.
    pub async fn expand(&mut self, glob: &Glob, only_folders: bool) -> Result<Expansion> {
        let glob = glob.clone();
        self.run(move |session| {
            let (found, unread, denied) = Default::default();
            let mut search = Search { only_folders, found, held: 0, unread, denied };
            search.run(session, glob.folder, &glob.parts)?;
            let Search { found, unread, denied, .. } = search;
            Ok(Expansion { entries: found.into_values().collect(), unread, denied: denied.into_iter().collect() })
        })
        .await
    }
}

struct Search {
    only_folders: bool,
    /// By their paths.
    found: BTreeMap<Vec<u8>, Entry>,
    /// Bytes that what is held takes.
    held: usize,
    unread: Vec<(PathBuf, Error)>,
    denied: BTreeSet<PathBuf>,
}

impl Search {
    fn run(&mut self, session: &mut Session, folder: RelPath, mut parts: &[Part]) -> Result<()> {
        let mut folders = vec![folder];
        let mut were_typed = true;
        while let Some((part, rest)) = parts.split_first() {
            match part {
                Part::Folders => return self.below(session, folders, parts, were_typed),
                Part::Pattern(_) => folders = self.level(session, folders, part, rest.is_empty(), were_typed)?,
                Part::Name(name) => {
                    // One that is too deep or too long is nowhere.
                    folders = folders.iter().filter_map(|folder| folder.join(name).ok()).collect();
                    if rest.is_empty() {
                        return self.look(session, folders);
                    }
                }
            }
            (parts, were_typed) = (rest, false);
        }
        Ok(())
    }

    /// Lists each of these folders, and keeps what matches if this is the last part; gives the folders that do, otherwise.
    fn level(
        &mut self,
        session: &mut Session,
        folders: Vec<RelPath>,
        part: &Part,
        is_last: bool,
        were_typed: bool,
    ) -> Result<Vec<RelPath>> {
        let mut next = Vec::new();
        self.list(session, folders, false, were_typed, |search, folder, entry| {
            if !part.matches(&entry.path) {
                return Ok(());
            }
            if is_last {
                return search.keep(folder, entry);
            }
            if entry.kind == EntryKind::Directory {
                search.hold(held_by(&entry) + folder.as_bytes().len())?;
                // One that no path can name can hold nothing that could be asked for.
                next.extend(folder.join(&entry.path).ok());
            }
            Ok(())
        })?;
        next.sort_unstable();
        next.dedup();
        Ok(next)
    }

    /// Lists all that is below these folders.
    fn below(&mut self, session: &mut Session, folders: Vec<RelPath>, parts: &[Part], were_typed: bool) -> Result<()> {
        self.list(session, folders, true, were_typed, |search, folder, entry| match matches(parts, &entry.path) {
            true => search.keep(folder, entry),
            false => Ok(()),
        })
    }

    fn list(
        &mut self,
        session: &mut Session,
        folders: Vec<RelPath>,
        recursive: bool,
        were_typed: bool,
        mut each: impl FnMut(&mut Self, &RelPath, Entry) -> Result<()>,
    ) -> Result<()> {
        let features = session.features();
        let marks = features.has(Feature::Marks);
        let command = |path: &RelPath| listing::command(features, path.clone(), recursive, marks);
        ask(session, folders, command, |session, folder| {
            let reply = session.reply()?;
            if reply.is_error() {
                let error = reply.to_error();
                return self.refused(session, folder, error, were_typed);
            }
            if reply.digits != 150 {
                return Err(session.out_of_order());
            }
            let unread = listing::entries(session, recursive, |entries| {
                entries.into_iter().try_for_each(|entry| each(self, folder, entry))
            })?;
            let unread = visible(unread);
            self.unread.extend(unread.errors(folder));
            self.denied.extend(unread.denied(folder));
            Ok(())
        })
    }

    /// Keeps those of these paths that are there.
    fn look(&mut self, session: &mut Session, paths: Vec<RelPath>) -> Result<()> {
        ask(
            session,
            paths,
            |path| Command::stat(path.clone()),
            |session, path| {
                let reply = session.reply()?;
                if reply.is_error() {
                    let error = reply.to_error();
                    // Of what is in a folder that may not be looked at, nobody knows whether it is there.
                    let folder = path.parent().unwrap_or_default();
                    return self.refused(
                        session,
                        if error.kind() == Kind::Denied { &folder } else { path },
                        error,
                        false,
                    );
                }
                if reply.digits != 213 {
                    return Err(session.out_of_order());
                }
                let Stat { kind, size, mtime, mode, rotten } = requests::stat(&reply)?;
                let path = path.as_bytes().to_vec();
                self.keep(&RelPath::root(), Entry { kind, size, mtime, mode, rotten, mark: None, identity: None, path })
            },
        )
    }

    /// A path that was not typed and is no more, or is no folder, matches nothing; what else is refused is told.
    fn refused(&mut self, session: &Session, path: &RelPath, error: Error, was_typed: bool) -> Result<()> {
        let error = error.about(path.to_string());
        match error.kind() {
            _ if was_typed || session.is_broken() => Err(error),
            Kind::Denied => {
                self.denied.insert(path.as_path().to_owned());
                Ok(())
            }
            Kind::NotFound | Kind::NotDirectory => Ok(()),
            _ => {
                self.unread.push((path.as_path().to_owned(), error));
                Ok(())
            }
        }
    }

    fn keep(&mut self, folder: &RelPath, mut entry: Entry) -> Result<()> {
        if self.only_folders && entry.kind != EntryKind::Directory {
            return Ok(());
        }
        entry.mark = entry.mark.filter(Mark::is_shared);
        if !folder.is_root() {
            entry.path = [folder.as_bytes(), b"/", &entry.path].concat();
        }
        let path = entry.path.clone();
        self.hold(held_by(&entry) + path.len())?;
        self.found.insert(path, entry);
        Ok(())
    }

    fn hold(&mut self, bytes: usize) -> Result<()> {
        self.held += bytes;
        listing::check_held(self.held)
    }
}

/// Sends a request for each of these paths, many at once, and takes the answers in their order.
fn ask(
    session: &mut Session,
    paths: Vec<RelPath>,
    command: impl Fn(&RelPath) -> Command,
    mut answer: impl FnMut(&mut Session, &RelPath) -> Result<()>,
) -> Result<()> {
    let mut paths = paths.into_iter();
    let mut asked = VecDeque::new();
    loop {
        if asked.len() <= limits::PIPELINE_FILES / 2 {
            while asked.len() < limits::PIPELINE_FILES && session.out().filled().len() < limits::WIRE_HANDOVER {
                let Some(path) = paths.next() else { break };
                session.command(&command(&path))?;
                asked.push_back(path);
            }
        }
        session.try_flush();
        let Some(path) = asked.pop_front() else { return Ok(()) };
        answer(session, &path)?;
    }
}

/// Without the hidden folders, which no `**` enters.
fn visible(unread: Unread) -> Unread {
    let is_hidden = |path: &[u8]| path.split(|byte| *byte == b'/').any(|name| name.starts_with(b"."));
    let (hidden, names): (Vec<_>, Vec<_>) = unread.names.into_iter().partition(|name| is_hidden(name));
    let denied = unread.denied.into_iter().filter(|name| !is_hidden(name)).collect();
    Unread { count: unread.count.saturating_sub(hidden.len() as u64), names, denied }
}
