//! Names that a mirror would remove and that are, where a file system does not tell spellings apart, what it has just put there: a file that
//! is `readme` at the source and was `README` at the destination.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use crate::error::Result;
use crate::files::{RelPath, folded};

/// What is to go and what has come, of which the names may be spellings of each other for some file system.
fn alike<'a>(gone: &'a [RelPath], came: &'a [RelPath]) -> Vec<(&'a RelPath, &'a RelPath)> {
    let key = |path: &RelPath| path.components().map(folded).collect::<Vec<_>>();
    let gone_by_key: HashSet<_> = gone.iter().map(key).collect();
    let mut came_by_key: HashMap<_, Vec<_>> = HashMap::new();
    for path in came {
        let key = key(path);
        if gone_by_key.contains(&key) {
            came_by_key.entry(key).or_default().push(path);
        }
    }
    let others = |path: &RelPath| came_by_key.get(&key(path)).map(Vec::as_slice).unwrap_or_default();
    gone.iter().flat_map(|path| others(path).iter().map(move |other| (path, *other))).collect()
}

/// Where two paths part: the folder, and the names in it.
fn parting<'a>(one: &'a RelPath, other: &'a RelPath) -> Option<(RelPath, &'a [u8], &'a [u8])> {
    let mut folder = RelPath::root();
    for (a, b) in one.components().zip(other.components()) {
        if a != b {
            return Some((folder, a, b));
        }
        folder = folder.join(a).ok()?;
    }
    None
}

/// Those of the names that are to go which may be what has come, at a place that tells no file's identity. Of two names that are alike
/// both are in the listing of their folder if they are two, and no more than one is if both are one. Where a folder cannot be listed
/// (None) they may be one.
///
/// # Errors
/// Those of listing the names in a folder, as they are written there, that end all of it.
pub(super) fn by_listing(
    gone: &[RelPath],
    came: &[RelPath],
    mut names_in: impl FnMut(&RelPath) -> Result<Option<HashSet<Vec<u8>>>>,
) -> Result<HashSet<RelPath>> {
    let mut listed = HashMap::new();
    let mut spellings = HashSet::new();
    for (old, new) in alike(gone, came) {
        let Some((folder, one, other)) = parting(old, new) else { continue };
        let names = match listed.entry(folder) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let names = names_in(new.key())?;
                new.insert(names)
            }
        };
        if !names.as_ref().is_some_and(|names| names.contains(one) && names.contains(other)) {
            spellings.insert(old.clone());
        }
    }
    Ok(spellings)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::super::carry_out::{Came, Place, Side, carry_out};
    use super::super::displaced::Displaced;
    use super::super::plan::{Also, Compare, Item, Plan, Stray, Tree, plan};
    use super::super::report::Report;
    use super::*;
    use crate::client::observer::Silent;
    use crate::error::{Error, Kind};
    use crate::files::{EntryKind, Hash, Mtime, SourceMode};

    fn rel(path: &str) -> RelPath {
        RelPath::parse(path.as_bytes()).unwrap()
    }

    /// A disk that takes all spellings of a name for one, or tells them apart.
    struct Disk {
        folds: bool,
        /// What is there, by the name as it is looked for.
        names: BTreeMap<Vec<u8>, RelPath>,
    }

    impl Disk {
        fn key(&self, path: &RelPath) -> Vec<u8> {
            match self.folds {
                true => path.components().map(folded).collect::<Vec<_>>().join(&b'/'),
                false => path.as_bytes().to_vec(),
            }
        }

        /// A name that is there already keeps its spelling.
        fn put(&mut self, path: &RelPath) {
            self.names.entry(self.key(path)).or_insert(path.clone());
        }

        fn below(&self, path: &RelPath) -> Vec<RelPath> {
            let begin = [self.key(path), b"/".to_vec()].concat();
            self.names.iter().filter(|(key, _)| key.starts_with(&begin)).map(|(_, path)| path.clone()).collect()
        }
    }

    impl Place for Disk {
        fn set_modes(&mut self, files: &[(RelPath, SourceMode)]) -> Result<Vec<Result<()>>> {
            Ok(files.iter().map(|_| Ok(())).collect())
        }

        fn spellings(&mut self, gone: &[RelPath], came: &[RelPath]) -> Result<HashSet<RelPath>> {
            by_listing(gone, came, |folder| {
                let inside = self.names.values().filter(|path| path.parent().as_ref() == Some(folder));
                Ok(Some(inside.filter_map(|path| path.file_name().map(<[u8]>::to_vec)).collect()))
            })
        }

        fn rename(&mut self, moves: &[(RelPath, RelPath)]) -> Result<Vec<Result<()>>> {
            let mut one = |from: &RelPath, to: &RelPath| {
                if self.names.contains_key(&self.key(to)) {
                    return Err(Error::new(Kind::Exists, "there"));
                }
                let below = self.below(from);
                self.names.remove(&self.key(from)).ok_or_else(|| Error::new(Kind::NotFound, "not there"))?;
                self.put(to);
                for path in below {
                    self.names.remove(&self.key(&path));
                    let depth = from.components().count();
                    let rest = path.components().skip(depth).collect::<Vec<_>>().join(&b'/');
                    self.put(&to.join(&rest)?);
                }
                Ok(())
            };
            Ok(moves.iter().map(|(from, to)| one(from, to)).collect())
        }

        fn remove(&mut self, paths: &[RelPath]) -> Result<Vec<Result<()>>> {
            for path in paths {
                assert!(self.below(path).is_empty(), "{path} is not empty");
                self.names.remove(&self.key(path));
            }
            Ok(paths.iter().map(|_| Ok(())).collect())
        }

        fn remove_folders(&mut self, _: &[RelPath]) -> Result<()> {
            Ok(())
        }

        fn remove_if(&mut self, _: &[(RelPath, Hash)]) -> Result<()> {
            Ok(())
        }

        fn remove_links(&mut self, _: &[(RelPath, Vec<u8>)]) {}

        fn shown(&self, path: &RelPath) -> PathBuf {
            path.as_path().into()
        }
    }

    impl Side for Disk {
        type Place = Disk;

        fn place(&mut self) -> &mut Disk {
            self
        }

        fn remove_stray(&mut self, _: &Stray) -> Result<()> {
            Ok(())
        }

        fn transfer(
            &mut self,
            make: &[RelPath],
            files: &[RelPath],
            _: &mut Report<'_>,
            _: Option<&mut Came>,
        ) -> Result<()> {
            make.iter().chain(files).for_each(|path| self.put(path));
            Ok(())
        }
    }

    fn tree(paths: &[&str]) -> Tree {
        let mtime = Mtime { secs: 1, nanos: 0 };
        let item = |path: &str| {
            let is_folder = paths.iter().any(|other| other.starts_with(&format!("{path}/")));
            let kind = if is_folder { EntryKind::Directory } else { EntryKind::File };
            Item { kind, size: 0, mtime, rotten: false, mode: None }
        };
        let mut items: BTreeMap<_, _> = paths.iter().map(|path| (rel(path), item(path))).collect();
        items.insert(RelPath::root(), Item { kind: EntryKind::Directory, size: 0, mtime, rotten: false, mode: None });
        Tree { items, ..Tree::default() }
    }

    #[test]
    fn a_mirror_removes_no_other_spelling_of_what_it_has_just_put_there() {
        let source = tree(&["readme", "dir", "dir/inner", "dir/inner/f", "dir/g", "\u{e9}"]);
        let before = ["README", "Dir", "Dir/inner", "Dir/inner/f", "Dir/G", "e\u{301}", "other", "Other2"];
        for folds in [true, false] {
            let mut disk = Disk { folds, names: BTreeMap::new() };
            before.iter().for_each(|path| disk.put(&rel(path)));
            let also = Also { delete: true, ..Also::default() };
            let what: Plan = plan(&source, &tree(&before), Compare::Times, also);
            assert!(what.delete.contains(&rel("README")) && what.transfer.contains(&rel("readme")));
            let mut report = Report::new(&Silent);
            let done = carry_out(&mut disk, &what, &source, &Displaced::default(), &mut report).unwrap();
            assert!(report.summary.failed.is_empty(), "{:?}", report.summary.failed);
            for path in source.items.keys().filter(|path| !path.is_root()) {
                assert!(disk.names.contains_key(&disk.key(path)), "{folds}: {path} is gone");
            }
            assert_eq!(disk.names.len(), source.items.len() - 1, "{folds}: {:?}", disk.names);
            let (removed, skipped) = if folds { (2, 6) } else { (8, 0) };
            assert_eq!((done.removed, report.summary.skipped), (removed, skipped), "{folds}");
        }
    }

    #[test]
    fn every_name_that_came_and_is_alike_is_looked_for() {
        let came = [rel("\u{dc}ber"), rel("\u{fc}ber"), rel("readme"), rel("readme.")];
        let gone = [rel("U\u{308}ber"), rel("README"), rel("apart")];
        let two = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect::<HashSet<_>>();
        // The folder has the decomposed name for the first that came, and `readme` under its old spelling.
        let names = two(&["U\u{308}ber", "\u{fc}ber", "README", "readme."]);
        let found = by_listing(&gone, &came, |_| Ok(Some(names.clone()))).unwrap();
        assert_eq!(found, HashSet::from([rel("U\u{308}ber"), rel("README")]));
        // All are there, so that each is one of its own.
        let names = two(&["U\u{308}ber", "\u{dc}ber", "\u{fc}ber", "README", "readme", "readme."]);
        assert!(by_listing(&gone, &came, |_| Ok(Some(names.clone()))).unwrap().is_empty());
        // Nobody knows.
        let found = by_listing(&gone, &came, |_| Ok(None)).unwrap();
        assert_eq!(found, HashSet::from([rel("U\u{308}ber"), rel("README")]));
    }
}
