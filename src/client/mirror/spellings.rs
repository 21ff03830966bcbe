//! Names that a mirror would remove and that are, where a file system does not tell spellings apart, what it has just put there: a file that
//! is `readme` at the source and was `README` at the destination.

use std::collections::{HashMap, HashSet};

use super::carry_out::Place;
use crate::error::{Error, Kind, Result};
use crate::files::{RelPath, folded};
use crate::store::local::aside_name;

/// What is to go and what has come, of which the names may be spellings of each other for some file system.
fn alike<'a>(gone: &'a [RelPath], came: &'a [RelPath]) -> Vec<(&'a RelPath, &'a RelPath)> {
    let key = |path: &RelPath| path.components().map(folded).collect::<Vec<_>>();
    let gone_by_key: HashSet<_> = gone.iter().map(key).collect();
    let came: HashMap<_, _> =
        came.iter().map(|path| (key(path), path)).filter(|(key, _)| gone_by_key.contains(key)).collect();
    gone.iter().filter_map(|path| Some((path, *came.get(&key(path))?))).collect()
}

/// The same for a place that tells no file's identity: of names that are alike, the one that is to go is moved aside for a moment. If what
/// has come is gone with it, both are one. What is cut off in between is put back by the next mirror, as all that was moved aside.
///
/// # Errors
/// Those that end the connection.
pub(super) fn by_moving<P: Place>(
    place: &mut P,
    gone: &[RelPath],
    came: &[RelPath],
    mut is_there: impl FnMut(&mut P, &RelPath) -> Result<bool>,
) -> Result<HashSet<RelPath>> {
    let mut spellings = HashSet::new();
    // Of what was looked at, whether both are one. What is in a folder comes before it.
    let mut known: Vec<(&RelPath, &RelPath, bool)> = Vec::new();
    for (old, new) in alike(gone, came) {
        let inside = known.iter().find(|(below, other, _)| {
            let rest = below.strip_prefix(old);
            rest.is_some() && rest == other.strip_prefix(new)
        });
        let is_one = match inside {
            Some((.., is_one)) => *is_one,
            None => is_moved_with(place, old, new, &mut is_there)?,
        };
        known.push((old, new, is_one));
        if is_one {
            spellings.insert(old.clone());
        }
    }
    Ok(spellings)
}

/// Whether `new` is gone while `old` has another name. What cannot be moved stays: it may be what has come.
fn is_moved_with<P: Place>(
    place: &mut P,
    old: &RelPath,
    new: &RelPath,
    is_there: &mut impl FnMut(&mut P, &RelPath) -> Result<bool>,
) -> Result<bool> {
    let name = aside_name(old.file_name().unwrap_or_default());
    let name = name.map_err(|err| Error::new(Kind::Internal, format!("no random bytes: {err}")))?;
    let aside = old.parent().unwrap_or_default().join(&name)?;
    let rename = |place: &mut P, from: &RelPath, to: &RelPath| -> Result<Result<()>> {
        Ok(place.rename(&[(from.clone(), to.clone())])?.pop().unwrap_or(Ok(())))
    };
    match rename(place, old, &aside)? {
        Ok(()) => {}
        Err(error) => return Ok(error.kind() != Kind::NotFound),
    }
    let is_one = is_there(place, new).map(|is_there| !is_there);
    // Under the name that it has at the source, if it is that.
    let back = if let Ok(true) = is_one { new } else { old };
    let put_back = rename(place, &aside, back)?;
    // What is not put back is in nobody's way, and the next mirror tells of it.
    Ok(is_one? || put_back.is_err())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::super::carry_out::{Came, Side, carry_out};
    use super::super::displaced::Displaced;
    use super::super::plan::{Also, Compare, Item, Plan, Stray, Tree, plan};
    use super::super::report::Report;
    use super::*;
    use crate::client::observer::Silent;
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
            by_moving(self, gone, came, |disk, path| Ok(disk.names.contains_key(&disk.key(path))))
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
}
