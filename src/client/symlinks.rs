//! What is done about the symbolic links of a server.

use std::collections::{HashMap, VecDeque};

use super::listing::{self, Listing};
use super::observer::Skip;
use super::session::Session;
use crate::error::{Error, Kind, Result};
use crate::files::{Entry, EntryKind, Mark, RelPath, symlink_target};
use crate::limits;
use crate::proto::Feature;

/// What to do about a symbolic link in a folder that is fetched. All but the first needs a server that tells which entries are
/// links ([`Feature::Marks`]). What leads out of the home is skipped in any case: a server tells nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ServerLinks {
    /// Fetch the file that it leads to; skip one that leads to a folder.
    #[default]
    Files,
    /// Skip it.
    Skip,
    /// Fetch what it leads to, a folder too; skip one that leads to a folder that it is in.
    Follow,
    /// Make a link with the same text, if that plainly stays in the tree that is fetched; else skip it.
    Keep,
}

impl ServerLinks {
    /// Whether the server must tell which entries are links.
    pub(super) fn needs_marks(self) -> bool {
        self != ServerLinks::Files
    }

    /// Why a link is left out that is neither fetched nor made. Of those that are to be made only such as lead out have no text.
    pub(super) fn why_skipped(self) -> Skip {
        if self == ServerLinks::Keep { Skip::LeadsOut } else { Skip::Link }
    }

    /// That the server can do what this needs.
    ///
    /// # Errors
    /// [`Kind::TooOld`].
    pub(super) fn check(self, session: &Session) -> Result<()> {
        match self.needs_marks() && !session.has(Feature::Marks) {
            true => Err(Feature::Marks.missing()),
            false => Ok(()),
        }
    }

    /// What of the recursive listing of `top` is to be fetched. What is a [`EntryKind::Link`] afterwards is to be made as one if it
    /// has its text as a mark, and to be skipped if not.
    ///
    /// # Errors
    /// Those that end the connection; [`Kind::Usage`] if the links lead to more than is held.
    pub(super) fn apply(self, session: &mut Session, top: &RelPath, mut listing: Listing) -> Result<Listing> {
        if self == ServerLinks::Follow {
            return Follow::run(session, top, listing);
        }
        for entry in &mut listing.entries {
            match (self, &entry.mark) {
                (ServerLinks::Keep, Some(Mark::Symlink(text))) => {
                    entry.kind = EntryKind::Link;
                    if !stays_inside(&entry.path, text) {
                        entry.mark = None;
                    }
                }
                (ServerLinks::Skip, Some(Mark::Symlink(_))) => {
                    entry.kind = EntryKind::Link;
                    entry.mark = None;
                }
                (_, Some(Mark::Symlink(_))) => entry.mark = None,
                (_, Some(Mark::Shared | Mark::SharedListOnly) | None) => {}
            }
        }
        Ok(listing)
    }
}

/// Whether a link of this text at this path of a tree plainly leads to something in the tree.
fn stays_inside(path: &[u8], text: &[u8]) -> bool {
    let folder = RelPath::parse(path).ok().and_then(|path| path.parent());
    folder.is_some_and(|folder| symlink_target(&folder, text).is_some())
}

/// Listing the folders that links lead to, each as if it were in the link's place.
struct Follow {
    /// Where the links that were seen lead, both as paths of the home.
    known: HashMap<RelPath, RelPath>,
    done: Listing,
    /// Links that may lead to a folder.
    waiting: VecDeque<Waiting>,
    followed: usize,
    /// Bytes that all of this takes.
    held: usize,
}

/// A link to a folder, maybe.
struct Waiting {
    /// Its place among the entries that are done.
    at: usize,
    /// The folder it is in and those that the links on the way there are in, as paths of the home.
    around: Vec<RelPath>,
    /// Where it leads.
    target: RelPath,
}

impl Waiting {
    /// Bytes that it takes.
    fn held(&self) -> usize {
        size_of::<Waiting>() + self.around.iter().chain([&self.target]).map(held_by_path).sum::<usize>()
    }
}

impl Follow {
    fn new() -> Follow {
        Follow { known: HashMap::new(), done: Listing::default(), waiting: VecDeque::new(), followed: 0, held: 0 }
    }

    fn run(session: &mut Session, top: &RelPath, listing: Listing) -> Result<Listing> {
        let mut follow = Follow::new();
        follow.add(listing, b"", top, &[])?;
        while let Some(waiting) = follow.waiting.pop_front() {
            follow.held = follow.held.saturating_sub(waiting.held());
            let Waiting { at, around, target } = waiting;
            let target = follow.real(target);
            // A folder that the link is in has no end.
            if around.iter().any(|folder| folder.is_within(&target)) {
                continue;
            }
            follow.followed += 1;
            if follow.followed > limits::LINKS_FOLLOWED_MAX {
                let text = format!("more than {} links lead to folders", limits::LINKS_FOLLOWED_MAX);
                return Err(Error::new(Kind::Usage, text));
            }
            let Some(link) = follow.done.entries.get(at).map(|entry| entry.path.clone()) else { continue };
            let Ok(path) = top.join(&link) else { continue };
            listing::ask_marked(session, &path, true)?;
            let inside = match listing::read_all(session, true) {
                Ok(inside) => inside,
                Err(error) if session.is_broken() || !is_no_folder(error.kind()) => return Err(error),
                // It leads to something else, or to nothing, or where nobody may look: it stays a link, which is skipped.
                Err(_) => continue,
            };
            if let Some(entry) = follow.done.entries.get_mut(at) {
                entry.kind = EntryKind::Directory;
            }
            follow.add(inside, &link, &target, &around)?;
        }
        listing::check_unique(&follow.done.entries)?;
        Ok(follow.done)
    }

    /// Adds what is in the folder `real`, which shows as `shown` in the tree.
    ///
    /// # Errors
    /// [`Kind::Usage`] for more than is held.
    fn add(&mut self, listing: Listing, shown: &[u8], real: &RelPath, around: &[RelPath]) -> Result<()> {
        let below = |path: &[u8]| match (shown, path) {
            (b"", path) => path.to_vec(),
            (shown, b"") => shown.to_vec(),
            (shown, path) => [shown, b"/", path].concat(),
        };
        for entry in listing.entries {
            let mut entry = Entry { path: below(&entry.path), ..entry };
            let mark = entry.mark.take();
            entry.mark = mark.clone().filter(Mark::is_shared);
            if let Some(Mark::Symlink(text)) = mark {
                let path = entry.path.strip_prefix(shown).unwrap_or(&entry.path);
                let path = real.join(path.strip_prefix(b"/").unwrap_or(path)).ok();
                let folder = path.as_ref().and_then(RelPath::parent);
                let target = folder.as_ref().and_then(|folder| symlink_target(folder, &text));
                if let (Some(path), Some(folder), Some(target)) = (path, folder, target) {
                    self.held += held_by_path(&path) + held_by_path(&target);
                    self.known.insert(path, target.clone());
                    if entry.kind == EntryKind::Link {
                        let around = around.iter().cloned().chain([folder]).collect();
                        let waiting = Waiting { at: self.done.entries.len(), around, target };
                        self.held += waiting.held();
                        self.waiting.push_back(waiting);
                    }
                }
            }
            // By the path that it shows as, which is longer than the one that came.
            self.held += listing::held_by(&entry);
            self.done.entries.push(entry);
            listing::check_held(self.held)?;
        }
        self.done.unread.count = self.done.unread.count.saturating_add(listing.unread.count);
        let unread = &mut self.done.unread;
        for (names, all) in [(&listing.unread.names, &mut unread.names), (&listing.unread.denied, &mut unread.denied)] {
            for name in names {
                let name = below(name);
                self.held += size_of::<Vec<u8>>() + name.len();
                all.push(name);
            }
        }
        listing::check_held(self.held)
    }

    /// This path without the links that are known.
    fn real(&self, mut path: RelPath) -> RelPath {
        for _ in 0..limits::TYPED_LINKS_MAX {
            let above = std::iter::successors(Some(path.clone()), RelPath::parent);
            let found = above.into_iter().find_map(|link| Some((self.known.get(&link)?, path.strip_prefix(&link)?)));
            let Some(next) = found.and_then(|(target, rest)| target.join(rest.as_bytes()).ok()) else { break };
            path = next;
        }
        path
    }
}

/// Bytes that a path takes.
fn held_by_path(path: &RelPath) -> usize {
    size_of::<RelPath>() + path.as_bytes().len()
}

/// What a link is answered with that leads to no folder.
fn is_no_folder(kind: Kind) -> bool {
    matches!(kind, Kind::NotFound | Kind::NotDirectory | Kind::Denied | Kind::PathTooLong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Mtime;

    fn links(count: usize) -> Listing {
        let link = |at: usize| Entry {
            kind: EntryKind::Link,
            size: 1,
            mtime: Mtime { secs: 1, nanos: 0 },
            mode: None,
            rotten: false,
            mark: Some(Mark::Symlink(b"x".to_vec())),
            identity: None,
            path: format!("l{at}").into_bytes(),
        };
        Listing { entries: (0..count).map(link).collect(), ..Listing::default() }
    }

    #[test]
    fn what_waits_to_be_followed_counts_with_the_folders_that_it_is_in() {
        let deep = |depth: usize| RelPath::parse(vec!["d"; depth].join("/").as_bytes()).unwrap();
        let around: Vec<RelPath> = (1..=32).map(deep).collect();
        let ways = 10 * around.iter().map(held_by_path).sum::<usize>();
        let mut follow = Follow::new();
        follow.add(links(10), b"shown", &deep(32), &around).unwrap();
        assert!(follow.held > ways, "{}", follow.held);
        follow.held = limits::LISTING_BYTES_MAX - ways;
        let error = follow.add(links(10), b"shown", &deep(32), &around).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
    }
}
