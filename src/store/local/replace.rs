//! Putting something in the place of a file, which stays in the trash if anything is kept there: the old one gets its second name first,
//! and loses it again if the new one does not come.

use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::Stat;
use rustix::io::Errno;

use super::account::Sum;
use super::jail::Jail;
use super::owned::Going;
use super::trash::{self, Kept, Trash, is_worth_keeping};
use crate::files::RelPath;

/// What something is put in the place of.
pub(super) struct Old<'a> {
    /// What has the name and is lost by that, if anything is.
    pub(super) stat: Option<&'a Stat>,
    /// What counts of it.
    pub(super) sum: Sum,
    /// For whom it counts in shared folders.
    pub(super) going: Option<Going>,
}

/// What has become of what was replaced. What is kept counts as before, and so nothing here says anything of it.
#[derive(Default)]
pub(super) struct Replaced {
    /// What does not count any more where it was.
    pub(super) sum: Sum,
    /// For whom it is gone: to be told once the new one counts.
    pub(super) going: Option<Going>,
    /// The trash that it is in.
    pub(super) trash: Option<Arc<Trash>>,
}

impl Old<'_> {
    /// Has `put` give something else this name, for whoever is alone with it. If that fails the old one has its name, and nothing else.
    ///
    /// # Errors
    /// Those of keeping the old one, and of `put`.
    pub(super) fn replace(
        self,
        jail: &Jail,
        trash: Option<Arc<Trash>>,
        (place, path): ((&Dir, &[u8]), &RelPath),
        put: impl FnOnce() -> Result<(), Errno>,
    ) -> Result<Replaced, Errno> {
        let kept = self.keep(trash.as_deref(), place, path)?;
        if let Err(err) = put() {
            kept.into_iter().for_each(|kept| kept.undo(place));
            return Err(err);
        }
        if kept.is_none() {
            return Ok(Replaced { sum: self.sum, going: self.going, trash: None });
        }
        trash::left(jail, path, Some(self.sum));
        Ok(Replaced { trash, ..Replaced::default() })
    }

    /// Has it stay in the trash, if anything is kept there. Nothing where that is on a file system of its own.
    fn keep<'a>(
        &self,
        trash: Option<&'a Trash>,
        place: (&Dir, &[u8]),
        path: &RelPath,
    ) -> Result<Option<Kept<'a>>, Errno> {
        match (trash, self.stat) {
            (Some(trash), Some(old)) if is_worth_keeping(old) => match trash.keep(place, path) {
                Ok(kept) => Ok(Some(kept)),
                Err(Errno::XDEV) => Ok(None),
                Err(err) => Err(err),
            },
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::renameat;
    use tempfile::TempDir;

    use super::super::names::look;
    use super::super::staging::Stage;
    use super::super::{LocalOptions, LocalStore, Staging};
    use super::*;
    use crate::files::Durability;

    /// A home with a file of three bytes in it, and one of six that is to take its place.
    struct Home {
        dir: TempDir,
        store: LocalStore,
    }

    const OLD: Sum = Sum::file(3);

    impl Home {
        fn new(keeps: bool) -> Home {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("f"), "old").unwrap();
            fs::write(dir.path().join("new"), "better").unwrap();
            let options = LocalOptions::new(Durability::None, Staging::Hidden);
            let store = LocalStore::open_path(dir.path(), options).unwrap().keeping(keeps);
            Home { dir, store }
        }

        fn stage(&self) -> &Stage {
            &self.store.stage
        }

        /// Puts the new one over the old one, if `put` does not fail.
        fn replace(&self, put: Result<(), Errno>) -> Result<Replaced, Errno> {
            let path = RelPath::parse(b"f").unwrap();
            let jail = self.stage().jail();
            let (dir, name) = jail.parent(&path).unwrap();
            let stat = look(&dir, name).unwrap();
            let old = Old { stat: stat.as_ref(), sum: OLD, going: None };
            old.replace(jail, self.stage().trash().unwrap(), ((&dir, name), &path), || {
                put.and_then(|()| renameat(&*dir, "new", &*dir, name))
            })
        }

        fn text(&self) -> String {
            fs::read_to_string(self.dir.path().join("f")).unwrap()
        }

        /// How much is in the trash, notes included.
        fn kept(&self) -> usize {
            fs::read_dir(self.dir.path().join(".sealift/trash")).map_or(0, Iterator::count)
        }
    }

    #[test]
    fn what_is_replaced_is_kept_and_counts_where_it_did() {
        let home = Home::new(true);
        let replaced = home.replace(Ok(())).unwrap();
        assert!(replaced.trash.is_some() && replaced.going.is_none());
        assert_eq!((replaced.sum, home.text().as_str(), home.kept()), (Sum::NONE, "better", 2));
    }

    #[test]
    fn what_is_replaced_where_nothing_is_kept_counts_no_more() {
        let home = Home::new(false);
        let replaced = home.replace(Ok(())).unwrap();
        assert!(replaced.trash.is_none());
        assert_eq!((replaced.sum, home.text().as_str(), home.kept()), (OLD, "better", 0));
    }

    #[test]
    fn what_nothing_came_in_the_place_of_has_its_name_and_no_other() {
        let home = Home::new(true);
        assert_eq!(home.replace(Err(Errno::NOSPC)).err(), Some(Errno::NOSPC));
        assert_eq!((home.text().as_str(), home.kept()), ("old", 0));
    }

    #[test]
    fn an_empty_file_is_nothing_to_keep() {
        let home = Home::new(true);
        fs::write(home.dir.path().join("f"), "").unwrap();
        let replaced = home.replace(Ok(())).unwrap();
        assert_eq!((replaced.sum, home.kept()), (OLD, 0));
    }
}
