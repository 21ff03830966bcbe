//! Which folders of a destination get the times, and modes, of those at the source.

use std::collections::HashSet;

use super::plan::{Item, Plan, Tree, same_time};
use crate::client::folder_look::FolderLook;
use crate::files::{EntryKind, RelPath, SourceMode};

/// The folders that are new, differ, or in which something changes, from the bottom up, with what they are to have: the time, and with
/// `perms` the mode. The mirrored folder itself keeps its mode.
pub(super) fn to_adjust(source: &Tree, destination: &Tree, plan: &Plan, perms: bool) -> Vec<(RelPath, FolderLook)> {
    let changed = plan.made().chain(plan.transferred()).chain(plan.removed());
    let touched: HashSet<RelPath> =
        changed.filter_map(RelPath::parent).chain(plan.strays.iter().map(|stray| stray.folder.clone())).collect();
    let adjusted = |(path, item): (&RelPath, &Item)| {
        let look = look(path, item, perms)?;
        let there = destination.items.get(path).filter(|there| there.kind == EntryKind::Directory);
        let is_same = there.is_some_and(|there| is_so(there, look, destination));
        (!is_same || touched.contains(path)).then(|| (path.clone(), look))
    };
    source.items.iter().rev().filter_map(adjusted).collect()
}

/// What a folder of the source has that its copy is to have; none of anything else.
pub(super) fn look(path: &RelPath, item: &Item, perms: bool) -> Option<FolderLook> {
    let mode = item.mode.filter(|_| perms && !path.is_root());
    (item.kind == EntryKind::Directory).then_some(FolderLook { mtime: item.mtime, mode })
}

fn is_so(there: &Item, look: FolderLook, destination: &Tree) -> bool {
    let wanted = look.mode.map(|mode| SourceMode { mode, perms: true }.of_folder(destination.max_mode));
    same_time(there.mtime, look.mtime) && (wanted.is_none() || there.mode == wanted)
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Also, Compare, plan};
    use super::*;
    use crate::files::{FileMode, Mtime};

    fn rel(path: &str) -> RelPath {
        RelPath::parse(path.as_bytes()).unwrap()
    }

    /// Of folders, and a file `a/f` of this size.
    fn tree(folders: &[(&str, i64, u32)], size: u64) -> Tree {
        let item = |kind, size, secs, mode| Item {
            kind,
            size,
            mtime: Mtime { secs, nanos: 5 },
            rotten: false,
            mode: Some(FileMode::of(mode)),
        };
        let mut tree = Tree::default();
        for (path, secs, mode) in folders {
            tree.items.insert(rel(path), item(EntryKind::Directory, 0, *secs, *mode));
        }
        tree.items.insert(rel("a/f"), item(EntryKind::File, size, 1, 0o640));
        tree
    }

    #[test]
    fn folders_are_adjusted_that_differ_or_in_which_something_changes() {
        let source = tree(&[("a", 1, 0o755), ("a/b", 2, 0o055), ("c", 3, 0o700)], 1);
        let adjusted = |destination: &Tree, perms| {
            let plan = plan(&source, destination, Compare::Times, Also { delete: true, perms, update: false });
            let all = to_adjust(&source, destination, &plan, perms);
            all.into_iter().map(|(path, look)| (path.to_string(), look.mode.map(FileMode::bits))).collect::<Vec<_>>()
        };
        let named =
            |names: &[(&str, Option<u32>)]| names.iter().map(|(n, m)| ((*n).to_owned(), *m)).collect::<Vec<_>>();
        // What whoever keeps a folder may always do makes no difference.
        let same = tree(&[("a", 1, 0o750), ("a/b", 2, 0o755), ("c", 3, 0o700)], 1);
        assert_eq!(adjusted(&same, false), named(&[]));
        assert_eq!(adjusted(&same, true), named(&[("a", Some(0o755))]));
        // A file in it is sent, a folder is of another time, another one is not there, and from one something goes.
        let other = tree(&[("a", 1, 0o755), ("a/b", 9, 0o755), ("a/b/gone", 0, 0o700)], 2);
        assert_eq!(adjusted(&other, false), named(&[("c", None), ("a/b", None), ("a", None)]));
        let more = tree(&[("a", 1, 0o755), ("a/b", 2, 0o755), ("a/b/gone", 0, 0o700), ("c", 3, 0o700)], 1);
        assert_eq!(adjusted(&more, true), named(&[("a/b", Some(0o055))]));
    }
}
