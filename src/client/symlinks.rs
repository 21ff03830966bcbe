//! What is done about the symbolic links of a server.

use std::collections::{HashMap, VecDeque};

use super::listing::{self, Listing};
use super::session::Session;
use crate::error::{Error, Kind, Result};
use crate::files::{Entry, EntryKind, Mark, RelPath, symlink_target};
use crate::limits;
use crate::proto::Feature;

/// What to do about a symbolic link in a folder that is fetched. All but the first needs a server that tells which entries are
/// links ([`Feature::Marks`]). What leads out of the home is skipped in any case: a server tells nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
                _ => entry.mark = None,
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

impl Follow {
    fn run(session: &mut Session, top: &RelPath, listing: Listing) -> Result<Listing> {
        let held = listing.entries.iter().map(listing::held_by).sum();
        let mut follow =
            Follow { known: HashMap::new(), done: Listing::default(), waiting: VecDeque::new(), followed: 0, held };
        follow.add(listing, b"", top, &[]);
        while let Some(Waiting { at, around, target }) = follow.waiting.pop_front() {
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
            listing::ask_marked(session, &path)?;
            let inside = match listing::read_all(session, true) {
                Ok(inside) => inside,
                Err(error) if session.is_broken() || !is_no_folder(error.kind()) => return Err(error),
                // It leads to something else, or to nothing, or where nobody may look: it stays a link, which is skipped.
                Err(_) => continue,
            };
            if let Some(entry) = follow.done.entries.get_mut(at) {
                entry.kind = EntryKind::Directory;
            }
            follow.held += inside.entries.iter().map(listing::held_by).sum::<usize>();
            listing::check_held(follow.held)?;
            follow.add(inside, &link, &target, &around);
        }
        listing::check_unique(&follow.done.entries)?;
        Ok(follow.done)
    }

    /// Adds what is in the folder `real`, which shows as `shown` in the tree.
    fn add(&mut self, listing: Listing, shown: &[u8], real: &RelPath, around: &[RelPath]) {
        let below = |path: &[u8]| match (shown, path) {
            (b"", path) => path.to_vec(),
            (shown, b"") => shown.to_vec(),
            (shown, path) => [shown, b"/", path].concat(),
        };
        for entry in listing.entries {
            let mut entry = Entry { path: below(&entry.path), ..entry };
            if let Some(Mark::Symlink(text)) = entry.mark.take() {
                let path = entry.path.strip_prefix(shown).unwrap_or(&entry.path);
                let path = real.join(path.strip_prefix(b"/").unwrap_or(path)).ok();
                let folder = path.as_ref().and_then(RelPath::parent);
                let target = folder.as_ref().and_then(|folder| symlink_target(folder, &text));
                if let (Some(path), Some(folder), Some(target)) = (path, folder, target) {
                    self.known.insert(path, target.clone());
                    if entry.kind == EntryKind::Link {
                        let around = around.iter().cloned().chain([folder]).collect();
                        self.waiting.push_back(Waiting { at: self.done.entries.len(), around, target });
                    }
                }
            }
            self.done.entries.push(entry);
        }
        self.done.unread.count += listing.unread.count;
        self.done.unread.names.extend(listing.unread.names.iter().map(|name| below(name)));
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

/// What a link is answered with that leads to no folder.
fn is_no_folder(kind: Kind) -> bool {
    matches!(kind, Kind::NotFound | Kind::NotDirectory | Kind::Denied | Kind::PathTooLong)
}
