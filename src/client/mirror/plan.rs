//! What must be done to make one tree like another. Pure: two listings in, actions out.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::client::filter::Filter;
use crate::files::{EntryKind, FileMode, Mtime, RelPath, SourceMode};

/// What is known of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of a file.
    pub size: u64,
    /// When it was last modified.
    pub mtime: Mtime,
    /// It is known not to be what was stored: then it is never the same as anything.
    pub rotten: bool,
    /// Who may read, write and run it, if that is known.
    pub mode: Option<FileMode>,
}

/// One side of a mirror. The root path stands for the mirrored folder itself; a side that is missing has no entry at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// What is there, by its path; a folder comes before what is in it.
    pub items: BTreeMap<RelPath, Item>,
    /// Paths that are there and are not to be touched, with all below them: excluded, reserved, skipped, or such as
    /// nobody can name.
    pub untouchable: HashSet<Vec<u8>>,
    /// Of a destination: what a mirror has moved aside. They are among the untouchable.
    pub asides: Vec<RelPath>,
    /// Of a destination: names that no path can have, and that cannot be at any source.
    pub strays: Vec<Stray>,
    /// The texts of its links, where links are kept.
    pub links: HashMap<RelPath, Vec<u8>>,
    /// Folders in it that the server's administrator shares: at a server that tells which.
    pub shared: Vec<RelPath>,
    /// Of a destination: folders in it that may not be listed, so that nobody knows what is in them.
    pub unlistable: Vec<RelPath>,
    /// The most of a file's mode that is taken over there.
    pub max_mode: FileMode,
    /// All of it could be read.
    pub is_whole: bool,
}

impl Default for Tree {
    fn default() -> Self {
        Tree {
            items: BTreeMap::new(),
            untouchable: HashSet::new(),
            asides: Vec::new(),
            strays: Vec::new(),
            links: HashMap::new(),
            shared: Vec::new(),
            unlistable: Vec::new(),
            max_mode: FileMode::ALL,
            is_whole: true,
        }
    }
}

impl Tree {
    /// Leaves alone what the source has not and a filter's bounds would not take: it is no more deleted than transferred.
    pub(super) fn spare(&mut self, source: &Tree, filter: &Filter) {
        if !filter.has_bounds() {
            return;
        }
        let untouchable = &mut self.untouchable;
        self.items.retain(|path, item| {
            let goes = item.kind != EntryKind::File
                || source.items.contains_key(path)
                || filter.is_within(item.size, item.mtime);
            if !goes {
                untouchable.insert(path.as_bytes().to_vec());
            }
            goes
        });
    }

    /// Leaves alone what is in shared folders and at the source is not, or is something else: others have it too, and whoever
    /// means such a folder mirrors onto that. Gives the folders in which there is any.
    pub(super) fn spare_shared(&mut self, source: &Tree) -> Vec<RelPath> {
        let (items, untouchable) = (&mut self.items, &mut self.untouchable);
        let mut spares = |folder: &RelPath| {
            let mut spared = Vec::new();
            items.retain(|path, item| {
                let is_other = source.items.get(path).is_none_or(|there| there.kind != item.kind);
                let is_spared = path.is_within(folder) && is_other;
                if is_spared {
                    spared.push(path.as_bytes().to_vec());
                }
                !is_spared
            });
            let is_any = !spared.is_empty();
            untouchable.extend(spared);
            is_any
        };
        self.shared.iter().filter(|folder| spares(folder)).cloned().collect()
    }

    /// Leaves alone what may not be listed and is not at the source. Gives those folders.
    pub(super) fn spare_unlistable(&mut self, source: &Tree) -> Vec<RelPath> {
        let unlistable = std::mem::take(&mut self.unlistable);
        let spared: Vec<RelPath> = unlistable.into_iter().filter(|path| !source.items.contains_key(path)).collect();
        for path in &spared {
            self.items.remove(path);
            self.untouchable.insert(path.as_bytes().to_vec());
        }
        spared
    }

    /// Whether nothing has this name.
    pub(super) fn is_free(&self, path: &RelPath) -> bool {
        let (folder, name) = (path.parent().unwrap_or_default(), path.file_name().unwrap_or_default());
        let is_stray = self.strays.iter().any(|stray| stray.folder == folder && stray.name == name);
        !self.items.contains_key(path) && !self.untouchable.contains(path.as_bytes()) && !is_stray
    }

    /// Whether it has any content: folders are none, and links only say where there may be some.
    pub fn has_content(&self) -> bool {
        self.items.values().any(|item| item.kind == EntryKind::File)
    }

    /// Whether a folder in it has any content: folders are none, and links only say where there may be some.
    pub fn has_content_in(&self, folder: &RelPath) -> bool {
        self.items.iter().any(|(path, item)| item.kind == EntryKind::File && path.is_within(folder))
    }

    /// How many files, links and the like it has: all but folders.
    pub fn files(&self) -> u64 {
        self.items.values().filter(|item| item.kind != EntryKind::Directory).count() as u64
    }
}

/// Something whose name no [`RelPath`] can have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stray {
    /// The folder it is in.
    pub folder: RelPath,
    /// Its name there.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
}

impl Stray {
    /// Its name as the operating system knows it.
    pub fn shown(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.name))
    }
}

/// When two files of equal size are the same.
#[derive(Debug, Clone, Copy)]
pub enum Compare<'a> {
    /// If their times are.
    Times,
    /// If they are among these, whose content was found to be the same.
    Content(&'a HashSet<RelPath>),
}

/// What is to be done to the destination, in the order of the fields. All paths are relative to the mirrored folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// Folders to make, each before what is in it.
    pub make: Vec<RelPath>,
    /// Files to transfer.
    pub transfer: Vec<RelPath>,
    /// Files that are the same but for their time.
    pub touch: Vec<RelPath>,
    /// Files that are the same but for their mode, with that of the source.
    pub modes: Vec<(RelPath, SourceMode)>,
    /// What has the name of something of another type.
    pub replace: Vec<Replacement>,
    /// What is not at the source: removed last, each path before the folder it is in.
    pub delete: Vec<RelPath>,
    /// What is not at the source and has a name that no path can have: removed last.
    pub strays: Vec<Stray>,
    /// What cannot be mirrored because a folder that may not be removed, or a special file, has its name.
    pub blocked: Vec<RelPath>,
    /// Files that are the same on both sides, mode included.
    pub same: u64,
}

/// Something that gives way to something of another type under the same name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replacement {
    /// The name they share.
    pub path: RelPath,
    /// What goes: each path before the folder it is in, so `path` itself comes last.
    pub gone: Vec<RelPath>,
    /// Folders to make in its place, each before what is in it.
    pub make: Vec<RelPath>,
    /// Files to transfer there.
    pub transfer: Vec<RelPath>,
}

/// What was to go and stays.
pub(super) type HeldBack = (Vec<RelPath>, Vec<Stray>);

/// What of a destination goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deletes {
    /// Files, links and the like.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Bytes of the files, as far as they are known.
    pub bytes: u64,
}

impl Plan {
    /// All folders to make.
    pub fn made(&self) -> impl Iterator<Item = &RelPath> {
        self.make.iter().chain(self.replace.iter().flat_map(|replacement| &replacement.make))
    }

    /// All files to transfer.
    pub fn transferred(&self) -> impl Iterator<Item = &RelPath> {
        self.transfer.iter().chain(self.replace.iter().flat_map(|replacement| &replacement.transfer))
    }

    /// Takes out of it what is not done where the source could not be read wholly, or, without that, where something is blocked:
    /// what stands in the way of others then, as far as it holds anything else, and all that is only at the destination.
    pub(super) fn hold_back(&mut self, is_faulty: bool) -> HeldBack {
        if !is_faulty && self.blocked.is_empty() {
            return Default::default();
        }
        let stays = |replacement: &mut Replacement| is_faulty || replacement.gone.len() != 1;
        let mut kept: Vec<RelPath> =
            self.replace.extract_if(.., stays).flat_map(|replacement| replacement.gone).collect();
        kept.append(&mut self.delete);
        (kept, std::mem::take(&mut self.strays))
    }

    /// What would be gone of this destination. What gives way to something of another type is replaced; what was in it goes.
    pub(super) fn deletes(&self, destination: &Tree) -> Deletes {
        let inside =
            self.replace.iter().flat_map(|replacement| replacement.gone.split_last().map_or(&[][..], |(_, all)| all));
        let items = inside.chain(&self.delete).map(|path| destination.items.get(path));
        let known = items.map(|item| item.map_or((EntryKind::Other, 0), |item| (item.kind, item.size)));
        let strays = self.strays.iter().map(|stray| (stray.kind, 0));
        known.chain(strays).fold(Deletes::default(), |all, (kind, size)| match kind {
            EntryKind::Directory => Deletes { folders: all.folders + 1, ..all },
            EntryKind::File => Deletes { files: all.files + 1, bytes: all.bytes.saturating_add(size), ..all },
            _ => Deletes { files: all.files + 1, ..all },
        })
    }

    /// All that would be gone afterwards, but for the strays.
    pub fn removed(&self) -> impl Iterator<Item = &RelPath> {
        self.replace.iter().flat_map(|replacement| &replacement.gone).chain(&self.delete)
    }
}

/// Whether two times are the same, as exactly as both sides know them: one without a fraction may come from a file
/// system that has only seconds.
pub fn same_time(a: Mtime, b: Mtime) -> bool {
    a.secs == b.secs && (a.nanos == b.nanos || a.nanos == 0 || b.nanos == 0)
}

/// Files on both sides with equal sizes: those whose content decides.
pub fn of_equal_size(source: &Tree, destination: &Tree) -> Vec<RelPath> {
    let is_same_size = |(path, item): &(&RelPath, &Item)| {
        let other = destination.items.get(*path);
        item.kind == EntryKind::File && other.is_some_and(|o| o.kind == EntryKind::File && o.size == item.size)
    };
    source.items.iter().filter(is_same_size).map(|(path, _)| path.clone()).collect()
}

/// What is to be done beside what must.
#[derive(Debug, Clone, Copy, Default)]
pub struct Also {
    /// What only the destination has goes too.
    pub delete: bool,
    /// Files have all of their modes; else they are programs, or none, as they are at the source.
    pub perms: bool,
    /// What is newer at the destination stays.
    pub update: bool,
}

/// What makes `destination` like `source`.
pub fn plan(source: &Tree, destination: &Tree, compare: Compare<'_>, also: Also) -> Plan {
    let Also { delete, perms, update } = also;
    // A folder that holds what must stay, stays.
    let mut kept: HashSet<&[u8]> = HashSet::new();
    for path in destination.untouchable.iter().chain(&source.untouchable) {
        kept.extend(ancestors(path));
    }
    let strays: HashSet<&[u8]> = destination
        .strays
        .iter()
        .flat_map(|stray| ancestors(stray.folder.as_bytes()).chain([stray.folder.as_bytes()]))
        .collect();
    let mut plan = Plan::default();
    let mut cleared: HashSet<&RelPath> = HashSet::new();
    let mut blocked: HashSet<&[u8]> = HashSet::new();
    let mut replaced: HashMap<&[u8], usize> = HashMap::new();
    for (path, item) in &source.items {
        if ancestors(path.as_bytes()).any(|folder| blocked.contains(folder)) {
            continue;
        }
        let there = destination.items.get(path);
        let is_folder_there = there.is_some_and(|there| there.kind == EntryKind::Directory);
        let is_special = |path: &RelPath| destination.items.get(path).is_some_and(|it| it.kind == EntryKind::Other);
        let in_the_way = match (item.kind, there) {
            // A device or pipe is somebody's end of something, and no name of a source takes that away.
            _ if is_protected(destination, path) || is_special(path) => true,
            (EntryKind::File | EntryKind::Link, Some(_)) if is_folder_there => {
                let inside: Vec<&RelPath> = below(destination, path).collect();
                let holds_others = strays.contains(path.as_bytes()) || inside.iter().any(|inside| is_special(inside));
                let stays = kept.contains(path.as_bytes()) || holds_others || (!inside.is_empty() && !delete);
                if !stays {
                    let gone = inside.iter().rev().copied().chain([path]).cloned().collect();
                    plan.replace.push(Replacement { path: path.clone(), gone, ..Replacement::default() });
                    cleared.extend(inside);
                }
                stays
            }
            (EntryKind::Link, Some(there)) if update && is_newer_file(there, item) => {
                plan.same += 1;
                continue;
            }
            // With it all that is in the folder stays away, which is to be told.
            (EntryKind::Directory, Some(there)) if update && is_newer_file(there, item) => true,
            (kind, Some(there)) if kind != there.kind => {
                let gone = vec![path.clone()];
                plan.replace.push(Replacement { path: path.clone(), gone, ..Replacement::default() });
                false
            }
            _ => false,
        };
        if in_the_way {
            blocked.insert(path.as_bytes());
            plan.blocked.push(path.clone());
            continue;
        }
        if plan.replace.last().is_some_and(|replacement| replacement.path == *path) {
            replaced.insert(path.as_bytes(), plan.replace.len() - 1);
        }
        let within = ancestors(path.as_bytes()).chain([path.as_bytes()]).find_map(|path| replaced.get(path));
        let (make, transfer) = match within.and_then(|at| plan.replace.get_mut(*at)) {
            Some(replacement) => (&mut replacement.make, &mut replacement.transfer),
            None => (&mut plan.make, &mut plan.transfer),
        };
        match (item.kind, there.filter(|there| there.kind == item.kind)) {
            (EntryKind::Directory, None) => make.push(path.clone()),
            (EntryKind::Directory, Some(_)) => {}
            (_, None) => transfer.push(path.clone()),
            (EntryKind::Link, Some(_)) if source.links.get(path) == destination.links.get(path) => plan.same += 1,
            (EntryKind::Link, Some(_)) => transfer.push(path.clone()),
            (_, Some(there)) if update && there.mtime > item.mtime && !there.rotten => plan.same += 1,
            (_, Some(there)) => {
                let same_time = same_time(item.mtime, there.mtime);
                let same = match compare {
                    Compare::Times => same_time,
                    Compare::Content(same) => same.contains(path),
                };
                if item.size != there.size || !same || item.rotten || there.rotten {
                    transfer.push(path.clone());
                    continue;
                }
                if !same_time {
                    plan.touch.push(path.clone());
                }
                match new_mode(item, there, destination.max_mode, perms) {
                    Some(mode) => plan.modes.push((path.clone(), mode)),
                    None => plan.same += 1,
                }
            }
        }
    }
    if delete {
        // Backwards: what is in a folder goes before it.
        let gone = destination.items.keys().rev().filter(|path| {
            !source.items.contains_key(*path)
                && !cleared.contains(*path)
                && !kept.contains(path.as_bytes())
                && !is_protected(source, path)
                && !is_protected(destination, path)
        });
        plan.delete.extend(gone.cloned());
        let blocked = |stray: &&Stray| plan.blocked.iter().any(|path| stray.folder.strip_prefix(path).is_some());
        plan.strays.extend(destination.strays.iter().filter(|stray| !blocked(stray)).cloned());
    }
    plan
}

/// Whether there is a file, known to be what was stored, that was modified later than the item.
fn is_newer_file(there: &Item, item: &Item) -> bool {
    there.kind == EntryKind::File && there.mtime > item.mtime && !there.rotten
}

/// The mode to give a file whose content is the same already, if it is to have another one than it has.
fn new_mode(item: &Item, there: &Item, most: FileMode, perms: bool) -> Option<SourceMode> {
    let (mode, before) = (SourceMode { mode: item.mode?, perms }, there.mode?);
    (item.kind == EntryKind::File && mode.within(most).over(before) != before).then_some(mode)
}

/// The folders above a path, and the root.
fn ancestors(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let inner = path.iter().enumerate().filter(|(_, b)| **b == b'/').filter_map(|(at, _)| path.get(..at));
    inner.chain((!path.is_empty()).then_some(&b""[..]))
}

fn is_protected(tree: &Tree, path: &RelPath) -> bool {
    let path = path.as_bytes();
    tree.untouchable.contains(path) || ancestors(path).any(|folder| tree.untouchable.contains(folder))
}

fn below<'a>(tree: &'a Tree, folder: &'a RelPath) -> impl Iterator<Item = &'a RelPath> {
    // `a-b` sorts between `a` and `a/b`, so what is inside is sought from `a/` on.
    let inside = move |path: &&RelPath| path.strip_prefix(folder).is_some();
    let after = (Bound::Excluded(folder), Bound::Unbounded);
    let begins_alike = move |path: &&RelPath| path.as_bytes().starts_with(folder.as_bytes());
    tree.items.range(after).map(|(path, _)| path).take_while(begins_alike).filter(inside)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
