//! What a mirror must not remove: the proof that it may at all, and how much at most.

use std::str::FromStr;

use super::MirrorOptions;
use super::plan::{Plan, Tree};
use crate::error::{Error, Kind, Result};
use crate::files::{EntryKind, RelPath};
use crate::limits;

/// How many files of the destination a mirror may remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MaxDelete {
    /// So many.
    Files(u64),
    /// So many of a hundred, 0 to 100.
    Percent(u8),
}

impl MaxDelete {
    /// Whether so many of all may go.
    fn allows(self, gone: u64, all: u64) -> bool {
        match self {
            MaxDelete::Files(most) => gone <= most,
            MaxDelete::Percent(most) => u128::from(gone) * 100 <= u128::from(all) * u128::from(most),
        }
    }
}

impl FromStr for MaxDelete {
    type Err = Error;

    /// `20` or `50%`.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::new(Kind::Usage, format!("`{text}` is neither a number of files nor a share like 50%"));
        match text.strip_suffix('%') {
            None => text.parse().map(MaxDelete::Files).map_err(|_| wrong()),
            Some(share) => share.parse().ok().filter(|share| *share <= 100).map(MaxDelete::Percent).ok_or_else(wrong),
        }
    }
}

/// Refuses a plan that would remove more than the options allow.
///
/// # Errors
/// [`Kind::EmptySource`], [`Kind::ManyDeletes`].
pub(super) fn check(plan: &Plan, source: &Tree, destination: &Tree, options: &MirrorOptions) -> Result<()> {
    if !options.delete {
        return Ok(());
    }
    let is_file = |path: &RelPath| destination.items.get(path).is_some_and(|item| item.kind != EntryKind::Directory);
    let strays = plan.strays.iter().filter(|stray| stray.kind != EntryKind::Directory).count() as u64;
    let gone = plan.removed().filter(|path| is_file(path)).count() as u64 + strays;
    // Of these nothing takes the place.
    let bare = plan.delete.iter().filter(|path| is_file(path)).count() as u64 + strays;
    let all = destination.files() + destination.strays.len() as u64;
    let removes_any = plan.removed().next().is_some() || !plan.strays.is_empty();
    if !source.has_content() && removes_any && !options.allow_empty_source {
        let text = format!("the source has no files; {gone} of {all} files would be deleted");
        return Err(Error::new(Kind::EmptySource, text));
    }
    if !options.allow_empty_source {
        // Each may be a disk of its own.
        source.shared.iter().try_for_each(|folder| refuse_emptied(folder, plan, source, is_file))?;
    }
    let allowed = match options.max_delete {
        Some(most) => most.allows(gone, all),
        None if options.allow_empty_source && !source.has_content() => true,
        None if bare == all && all >= limits::MIRROR_ALL_ASKED => false,
        None => all <= limits::MIRROR_FILES_FREE || MaxDelete::Percent(limits::MIRROR_DELETE_PERCENT).allows(gone, all),
    };
    if allowed {
        return Ok(());
    }
    let most = if options.max_delete.is_some() { "--max-delete allows" } else { "is allowed unasked" };
    Err(Error::new(Kind::ManyDeletes, format!("{gone} of {all} files would be deleted, more than {most}")))
}

/// Fails if this shared folder of the source has no files and the destination would lose what it has there.
fn refuse_emptied(folder: &RelPath, plan: &Plan, source: &Tree, is_file: impl Fn(&RelPath) -> bool) -> Result<()> {
    if source.has_content_in(folder) {
        return Ok(());
    }
    let removed: Vec<&RelPath> = plan.removed().filter(|path| path.is_within(folder)).collect();
    let strays: Vec<_> = plan.strays.iter().filter(|stray| stray.folder.is_within(folder)).collect();
    if removed.is_empty() && strays.is_empty() {
        return Ok(());
    }
    let gone = removed.into_iter().filter(|path| is_file(path)).count()
        + strays.iter().filter(|stray| stray.kind != EntryKind::Directory).count();
    let text = format!("{folder}: this shared folder of the source has no files; {gone} files would be deleted there");
    Err(Error::new(Kind::EmptySource, text).at(folder.as_path()))
}

/// The proof that every reading of the source and every transfer so far succeeded. Whatever takes something away from
/// the destination takes this, so that nothing can go while anything is in doubt.
pub(super) struct Faultless(());

impl Faultless {
    /// If so many readings and transfers failed.
    pub(super) fn prove(source: &Tree, failures: usize) -> Option<Faultless> {
        (source.is_whole && failures == 0).then_some(Faultless(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Mtime;

    fn tree(files: usize) -> Tree {
        let item = |kind| super::super::plan::Item {
            kind,
            size: 1,
            mtime: Mtime { secs: 1, nanos: 0 },
            rotten: false,
            mode: None,
        };
        let mut tree = Tree::default();
        tree.items.insert(RelPath::root(), item(EntryKind::Directory));
        for n in 0..files {
            tree.items.insert(RelPath::parse(format!("f{n}").as_bytes()).unwrap(), item(EntryKind::File));
        }
        tree
    }

    fn refusal(source: usize, there: usize, change: impl FnOnce(&mut MirrorOptions)) -> Option<Kind> {
        let mut options = MirrorOptions { delete: true, ..MirrorOptions::default() };
        change(&mut options);
        let (source, there) = (tree(source), tree(there));
        let also = super::super::plan::Also { delete: options.delete, ..Default::default() };
        let plan = super::super::plan::plan(&source, &there, super::super::plan::Compare::Times, also);
        check(&plan, &source, &there, &options).err().map(|error| error.kind())
    }

    #[test]
    fn an_empty_source_deletes_nothing_unless_it_is_meant() {
        assert_eq!(refusal(0, 1, |_| ()), Some(Kind::EmptySource));
        assert_eq!(refusal(0, 100, |o| o.allow_empty_source = true), None);
        assert_eq!(refusal(0, 100, |o| o.max_delete = Some(MaxDelete::Percent(100))), Some(Kind::EmptySource));
        assert_eq!(refusal(0, 0, |_| ()), None);
        assert_eq!(refusal(0, 9, |o| o.delete = false), None);
    }

    #[test]
    fn a_shared_folder_that_is_empty_is_an_empty_source_by_itself() {
        let mut source = tree(9);
        let mut there = tree(9);
        let (folder, file) = (RelPath::parse(b"isos").unwrap(), RelPath::parse(b"isos/f").unwrap());
        let [dir, item] =
            [RelPath::root(), RelPath::parse(b"f0").unwrap()].map(|path| *there.items.get(&path).unwrap());
        for tree in [&mut source, &mut there] {
            tree.items.insert(folder.clone(), dir);
        }
        there.items.insert(file.clone(), item);
        let refused = |source: &Tree, allow_empty_source| {
            let options = MirrorOptions { delete: true, allow_empty_source, ..MirrorOptions::default() };
            let also = super::super::plan::Also { delete: true, ..Default::default() };
            let plan = super::super::plan::plan(source, &there, super::super::plan::Compare::Times, also);
            check(&plan, source, &there, &options).err().map(|error| (error.kind(), error.text().to_owned()))
        };
        assert_eq!(refused(&source, false), None, "as any other folder");
        source.shared.push(folder);
        let (kind, text) = refused(&source, false).unwrap();
        assert!(kind == Kind::EmptySource && text.starts_with("isos: ") && text.contains("1 files"), "{text}");
        assert_eq!(refused(&source, true), None);
        source.items.insert(file, item);
        assert_eq!(refused(&source, false), None);
    }

    #[test]
    fn more_than_half_of_many_files_or_than_was_allowed_is_refused() {
        assert_eq!(refusal(1, 20, |_| ()), None);
        assert_eq!(refusal(11, 22, |_| ()), None);
        assert_eq!(refusal(10, 22, |_| ()), Some(Kind::ManyDeletes));
        assert_eq!(refusal(1, 22, |o| o.max_delete = Some(MaxDelete::Percent(100))), None);
        assert_eq!(refusal(1, 22, |o| o.max_delete = Some(MaxDelete::Files(21))), None);
        assert_eq!(refusal(1, 3, |o| o.max_delete = Some(MaxDelete::Files(1))), Some(Kind::ManyDeletes));
        // Asked for by number, it holds for an empty source too.
        let both = |o: &mut MirrorOptions| (o.allow_empty_source, o.max_delete) = (true, Some(MaxDelete::Files(1)));
        assert_eq!(refusal(0, 3, both), Some(Kind::ManyDeletes));
    }

    #[test]
    fn all_of_a_small_tree_is_not_removed_unasked_either() {
        let refusal = |there: &[&str], change: fn(&mut MirrorOptions)| {
            let mut options = MirrorOptions { delete: true, ..MirrorOptions::default() };
            change(&mut options);
            let mut destination = tree(0);
            let file = *tree(1).items.get(&RelPath::parse(b"f0").unwrap()).unwrap();
            destination.items.extend(there.iter().map(|name| (RelPath::parse(name.as_bytes()).unwrap(), file)));
            let (source, also) = (tree(5), super::super::plan::Also { delete: true, ..Default::default() });
            let plan = super::super::plan::plan(&source, &destination, super::super::plan::Compare::Times, also);
            check(&plan, &source, &destination, &options).err().map(|error| error.kind())
        };
        assert_eq!(refusal(&["a", "b", "c"], |_| ()), Some(Kind::ManyDeletes));
        assert_eq!(refusal(&["a", "b", "c", "f0"], |_| ()), None, "something of it stays");
        assert_eq!(refusal(&["a", "b"], |_| ()), None, "two may have been renamed");
        assert_eq!(refusal(&["a", "b", "c"], |o| o.max_delete = Some(MaxDelete::Percent(100))), None);
    }

    #[test]
    fn a_bound_is_a_number_or_a_share() {
        assert_eq!("7".parse::<MaxDelete>().unwrap(), MaxDelete::Files(7));
        assert_eq!("100%".parse::<MaxDelete>().unwrap(), MaxDelete::Percent(100));
        for wrong in ["", "%", "101%", "-1", "half", "5 %"] {
            assert!(wrong.parse::<MaxDelete>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_source_half_read_or_one_failure_is_no_proof() {
        assert!(Faultless::prove(&tree(1), 0).is_some());
        assert!(Faultless::prove(&tree(1), 1).is_none());
        assert!(Faultless::prove(&Tree { is_whole: false, ..tree(1) }, 0).is_none());
    }
}
