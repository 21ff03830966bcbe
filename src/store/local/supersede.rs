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
use super::stand_in::Note;
use super::superseding::{Identity, Superseding, name_of};
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
        None => {
            way.rename((&from_dir, from_name), to_name).map_err(failed)?;
            None
        }
        Some(there) => {
            let (beside, old) = (way.free_path().map_err(failed)?, way.free_path().map_err(failed)?);
            let (new, there) = (Identity::of(&what), Identity::of(there));
            let (from, to) = (from.clone(), to.clone());
            let noted = Superseding { from, to, beside, old, new, there, is_kept: stage.keeps() };
            let note = noted.note(stage)?;
            Some(way.put_over((&from_dir, from_name), noted, note).map_err(failed)?)
        }
    };
    let (old, note) = old.unzip();
    let note = note.flatten();
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
    if let (Some(old), Some(note)) = (&old, note) {
        stage.has_superseded(old, note);
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

/// A name, and the folder that it is in.
type At<'a> = (&'a Dir, &'a [u8]);

/// How names change in the folder of what is superseded.
struct Way<'a> {
    can: NewName,
    to: &'a RelPath,
    to_dir: &'a Dir,
    to_name: &'a [u8],
}

impl Way<'_> {
    fn rename(&self, (dir, name): At<'_>, new: &[u8]) -> Result<(), Errno> {
        rename_new(self.can, dir, name, self.to_dir, new)
    }

    /// Says where the old one is then, and the note that is to be kept as long as it is there.
    fn put_over(&self, from: At<'_>, noted: Superseding, note: Option<Note>) -> Result<(RelPath, Option<Note>), Errno> {
        match self.try_to_put_over(from, &noted) {
            Ok(has_exchanged) => Ok((if has_exchanged { noted.beside } else { noted.old }, note)),
            Err(err) => {
                // What could not get its name again, either, does so with the next sweep.
                let is_gone = |path: &RelPath| matches!(look(self.to_dir, name_of(path)), Ok(None));
                if !is_gone(&noted.beside) || !is_gone(&noted.old) {
                    note.into_iter().for_each(Note::keep);
                }
                Err(err)
            }
        }
    }

    /// First beside, so that whatever breaks off here leaves the old one in its place or beside, and never under the name of what
    /// was to come. Whether the two have exchanged their names.
    fn try_to_put_over(&self, from: At<'_>, noted: &Superseding) -> Result<bool, Errno> {
        let (beside, old) = (name_of(&noted.beside), name_of(&noted.old));
        self.rename(from, beside)?;
        let back = |err| {
            let _for_the_next_sweep = rename_new(self.can, self.to_dir, beside, from.0, from.1);
            err
        };
        match renameat_with(self.to_dir, beside, self.to_dir, self.to_name, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(true),
            // A file system, or a kernel, that exchanges no names: for a moment nothing is there.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                self.rename((self.to_dir, self.to_name), old).map_err(back)?;
                if let Err(err) = self.rename((self.to_dir, beside), self.to_name) {
                    let _ = self.rename((self.to_dir, old), self.to_name);
                    return Err(back(err));
                }
                Ok(false)
            }
            Err(err) => Err(back(err)),
        }
    }

    /// Beside it. Known to be a path before anything gets it: whoever is told that nothing was done finds nothing done.
    fn free_path(&self) -> Result<RelPath, Errno> {
        aside_path(self.to).map_err(|err| if err.kind() == Kind::PathTooLong { Errno::NAMETOOLONG } else { Errno::IO })
    }
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
