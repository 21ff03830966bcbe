//! Something that takes the place of a folder, or a folder that takes that of anything.

use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, RenameFlags, Stat, renameat_with, statat};
use rustix::io::Errno;

use super::account::Sum;
use super::capabilities::NewName;
use super::names::{check_below, count, look, refuse_special, rename_new, sum_of_file, sync};
use super::root::is_same_file;
use super::seen;
use super::staging::Stage;
use super::trash::{self, Trash, is_worth_keeping};
use super::tree::Change;
use crate::error::{Error, Kind, Result};
use crate::files::aside::aside_path;
use crate::files::{RelPath, SeenAt, Stored};

/// [`crate::files::Store::supersede`].
pub(super) fn supersede(
    stage: &Stage,
    durable: bool,
    (from, to): (&RelPath, &RelPath),
    seen: &SeenAt,
) -> Result<(Stored, Option<RelPath>)> {
    let within = |inner: &RelPath, outer: &RelPath| inner.strip_prefix(outer).is_some();
    if within(from, to) || within(to, from) {
        return Err(Error::new(Kind::BadPath, from.said("nothing takes the place of what it is in")));
    }
    let jail = stage.jail();
    // Asked before: it may have to be tried, which takes longer than others are to wait.
    let can = stage.can(&jail.parent(to)?.0).map_err(|err| Error::file(to, err))?;
    // Nobody changes a name meanwhile: what is looked at here is what is moved.
    let alone = jail.alone(from)?;
    jail.tell(to, Change::Moves);
    let (from_dir, from_name) = jail.parent(from)?;
    let (to_dir, to_name) = jail.parent(to)?;
    seen::check(jail, from, (&from_dir, from_name), seen.path.as_ref())?;
    seen::check(jail, to, (&to_dir, to_name), seen.other.as_ref())?;
    let what = statat(&from_dir, from_name, AtFlags::SYMLINK_NOFOLLOW).map_err(|err| Error::file(from, err.into()))?;
    let there = look(&to_dir, to_name).map_err(|err| Error::file(to, err.into()))?;
    refuse_special(there.as_ref(), to)?;
    if is(&what, FileType::Directory) {
        check_below(from, to, &from_dir, from_name)?;
    }
    let leads_there = || statat(&from_dir, from_name, AtFlags::empty());
    if let Some(there) = &there
        && is(&what, FileType::Symlink)
        && leads_there().is_ok_and(|target| is_same_file(&target, there))
    {
        return Err(Error::new(Kind::BadPath, from.said_with(to, "is what this link leads to, and would be gone")));
    }
    let way = Way { can: can.new_name, to, to_dir: &to_dir, to_name };
    let failed = |err| match err {
        Errno::XDEV => Error::new(Kind::CrossDevice, from.said_with(to, "is on another file system")),
        err => Error::file(to, err.into()),
    };
    let old = match &there {
        None => way.rename((&from_dir, from_name), to_name).map(|()| None).map_err(failed)?,
        Some(_) => Some(way.put_over((&from_dir, from_name)).map_err(failed)?),
    };
    jail.tree().arrived();
    jail.tree().moved();
    let size = |stat: &Stat| (!is(stat, FileType::Directory)).then(|| sum_of_file(stat));
    count(jail, (from, to), size(&what), Sum::NONE);
    let stored = if there.is_some() { Stored::Replaced } else { Stored::Created };
    // It is called as what takes its place, and not as it was for a moment.
    let kept_in = old.as_ref().and_then(|old| keep(stage, (&to_dir, name_of(old)), there.as_ref(), to));
    if kept_in.is_some() {
        trash::left(jail, to, there.as_ref().and_then(size));
    }
    let old = old.filter(|_| kept_in.is_none());
    if let Some(old) = old.as_ref().filter(|_| !stage.keeps) {
        stage.has_superseded(old);
    }
    if let (Some(old), Some(there)) = (&old, &there) {
        count(jail, (to, old), size(there), Sum::NONE);
    }
    drop(alone);
    if durable {
        kept_in.map_or(Ok(()), |trash| sync(to, &trash.dir))?;
        sync(to, &to_dir)?;
        sync(from, &from_dir)?;
    }
    Ok((stored, old))
}

/// Puts what was superseded into the trash, if it is kept and there is something to lose, and says into which. What cannot be put
/// there stays beside, for whoever removes it: what took its place is there, whatever becomes of this.
fn keep(stage: &Stage, place: (&Dir, &[u8]), there: Option<&Stat>, to: &RelPath) -> Option<Arc<Trash>> {
    // Whether there is anything in a folder is not known: empty ones are kept, too.
    let is_worth_it = |there: &Stat| is(there, FileType::Directory) || is_worth_keeping(there);
    let trash = there.filter(|there| is_worth_it(there)).and_then(|_| stage.trash().ok().flatten());
    trash.filter(|trash| trash.take(place, to).is_ok())
}

fn is(stat: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(stat.st_mode) == kind
}

/// How names change in the folder of what is superseded.
struct Way<'a> {
    can: NewName,
    to: &'a RelPath,
    to_dir: &'a Dir,
    to_name: &'a [u8],
}

impl Way<'_> {
    fn rename(&self, (dir, name): (&Dir, &[u8]), new: &[u8]) -> Result<(), Errno> {
        rename_new(self.can, dir, name, self.to_dir, new)
    }

    /// First beside, so that whatever breaks off here leaves the old one in its place or beside, and never under the name of what
    /// was to come. Says where the old one is then.
    fn put_over(&self, from: (&Dir, &[u8])) -> Result<RelPath, Errno> {
        let beside = self.free_path()?;
        self.rename(from, name_of(&beside))?;
        let back = |err| {
            // If that fails too, it stays beside, where it is seen.
            let _ = rename_new(self.can, self.to_dir, name_of(&beside), from.0, from.1);
            err
        };
        match renameat_with(self.to_dir, name_of(&beside), self.to_dir, self.to_name, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(beside),
            // A file system, or a kernel, that exchanges no names: for a moment nothing is there.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                let old = self.free_path().map_err(back)?;
                self.rename((self.to_dir, self.to_name), name_of(&old)).map_err(back)?;
                if let Err(err) = self.rename((self.to_dir, name_of(&beside)), self.to_name) {
                    let _ = self.rename((self.to_dir, name_of(&old)), self.to_name);
                    return Err(back(err));
                }
                Ok(old)
            }
            Err(err) => Err(back(err)),
        }
    }

    /// Beside it. Known to be a path before anything gets it: whoever is told that nothing was done finds nothing done.
    fn free_path(&self) -> Result<RelPath, Errno> {
        aside_path(self.to).map_err(|err| if err.kind() == Kind::PathTooLong { Errno::NAMETOOLONG } else { Errno::IO })
    }
}

fn name_of(path: &RelPath) -> &[u8] {
    path.file_name().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::{LocalOptions, LocalStore, Staging};
    use super::*;
    use crate::files::{Durability, EntryKind, Store as _};
    use crate::limits;

    #[test]
    fn where_what_is_superseded_could_have_no_path_beside_nothing_is_done() {
        let home = tempfile::tempdir().unwrap();
        let options = LocalOptions::new(Durability::None, Staging::Hidden);
        let store = LocalStore::open_path(home.path(), options).unwrap();
        let from = RelPath::parse(b"file").unwrap();
        let to = RelPath::parse(vec!["n".repeat(240); 17].join("/").as_bytes()).unwrap();
        assert_eq!(to.as_bytes().len(), limits::PATH_MAX);
        store.make_dir(&to, true).unwrap();
        std::fs::write(home.path().join("file"), "text").unwrap();
        assert_eq!(store.supersede(&from, &to).map_err(|error| error.kind()), Err(Kind::PathTooLong));
        assert_eq!(store.stat(&to).unwrap().kind, EntryKind::Directory);
        assert_eq!(store.stat(&from).unwrap().kind, EntryKind::File);
    }
}
