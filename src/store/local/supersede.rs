//! Something that takes the place of a folder, or a folder that takes that of anything.

use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, RenameFlags, Stat, renameat_with, statat};
use rustix::io::Errno;

use super::account::Sum;
use super::capabilities::NewName;
use super::names::{check_below, count, look, refuse_special, rename_new, sum_of_file, sync, sync_names};
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
use crate::limits;

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
    // Asked before: it may have to be tried, which takes longer than others are to wait.
    let can = stage.new_name(&stage.jail().parent(to)?.0).map_err(|err| Error::file(to, err))?;
    for look in 0..=limits::LOOKS_BELOW {
        // So is the disk waited for that the note gets to: what is there by then is compared with what it says.
        let noted = note_before(stage, from, to)?;
        let is_last = look == limits::LOOKS_BELOW;
        let Some(superseded) = supersede_alone(stage, (from, to), (can, seen), (noted, is_last))? else { continue };
        let Superseded { stored, old, dirs: (from_dir, to_dir), trash } = superseded;
        if durable {
            trash.map_or(Ok(()), |trash| sync(to, &trash.dir))?;
            sync_names((from, &from_dir), (to, &to_dir))?;
        }
        return Ok((stored, old));
    }
    Err(Error::new(Kind::Changed, to.said("is being written to")))
}

/// What becomes of what, and the note of that, if there is one.
type Noted = (Superseding, Option<Note>);

/// What has its place.
struct Superseded {
    stored: Stored,
    /// Where the old one is that is to be removed.
    old: Option<RelPath>,
    /// Where it came from and where it is, to be synced, ...
    dirs: (Arc<Dir>, Arc<Dir>),
    /// ... and where the old one is kept.
    trash: Option<Arc<Trash>>,
}

/// Notes what is there as long as nobody has to wait. Nothing where nothing will be superseded, or cannot be: whoever is alone says so.
fn note_before(stage: &Stage, from: &RelPath, to: &RelPath) -> Result<Option<Noted>> {
    let look = |path: &RelPath| {
        let (dir, name) = stage.jail().parent(path)?;
        look(&dir, name).map_err(|err| Error::file(path, err.into()))
    };
    match (look(from)?, look(to)?) {
        (Some(what), Some(there)) => note(stage, (from, &what), (to, &there)).map(Some),
        _ => Ok(None),
    }
}

fn note(stage: &Stage, (from, what): (&RelPath, &Stat), (to, there): (&RelPath, &Stat)) -> Result<Noted> {
    let (beside, old) = (free_path(to)?, free_path(to)?);
    let (new, there) = (Identity::of(what), Identity::of(there));
    let (from, to) = (from.clone(), to.clone());
    let noted = Superseding { from, to, beside, old, new, there, is_kept: stage.keeps() };
    let note = noted.note(stage)?;
    Ok((noted, note))
}

/// Beside it. Known to be a path before anything gets it: whoever is told that nothing was done finds nothing done.
fn free_path(to: &RelPath) -> Result<RelPath> {
    let failed = |error: Error| {
        let err = if error.kind() == Kind::PathTooLong { Errno::NAMETOOLONG } else { Errno::IO };
        Error::file(to, err.into())
    };
    aside_path(to).map_err(failed)
}

/// Does it where nobody else changes a name meanwhile: what is looked at is what is moved. Nothing if that is something else than was
/// noted; only the last time it is noted then, and so that nobody changes it again.
fn supersede_alone(
    stage: &Stage,
    (from, to): (&RelPath, &RelPath),
    (can, seen): (NewName, &SeenAt),
    (noted, is_last): (Option<Noted>, bool),
) -> Result<Option<Superseded>> {
    let jail = stage.jail();
    let _alone = jail.alone(from)?;
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
    let way = Way { can, to_dir: &to_dir, to_name };
    let failed = |err| {
        // It may have got another name on the way, and not its own again.
        jail.tree().moved();
        match err {
            Errno::XDEV => Error::new(Kind::CrossDevice, from.said_with(to, "is on another file system")),
            err => Error::file(to, err.into()),
        }
    };
    let old = match &there {
        None => {
            way.rename((&from_dir, from_name), to_name).map_err(failed)?;
            None
        }
        Some(there) => {
            let known = (Identity::of(&what), Identity::of(there));
            let (noted, note) = match noted.filter(|(noted, _)| (noted.new, noted.there) == known) {
                Some(noted) => noted,
                None if is_last => note(stage, (from, &what), (to, there))?,
                None => return Ok(None),
            };
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
    let trash = old.as_ref().and_then(|old| keep(stage, (&to_dir, name_of(old)), there.as_ref(), to));
    if trash.is_some() {
        trash::left(jail, to, there.as_ref().and_then(size));
    }
    let old = old.filter(|_| trash.is_none());
    if let (Some(old), Some(there), Some(note)) = (&old, &there, note) {
        stage.has_superseded(old, Identity::of(there), note);
    }
    if let (Some(old), Some(there)) = (&old, &there) {
        count(jail, (to, old), size(there), Sum::NONE);
    }
    Ok(Some(Superseded { stored, old, dirs: (from_dir, to_dir), trash }))
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
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::thread;

    use cap_std::ambient_authority;

    use super::super::{LocalOptions, LocalStore, PlaceInTree, Root, Staging, Tree};
    use super::*;
    use crate::files::{Durability, EntryKind, Keep, Seen, Store as _};

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    /// A home with a folder that is to take the place of another one, whose tree does this before a note is brought to the disk.
    fn home(
        before_a_note: impl Fn(Arc<Tree>, usize) + Send + Sync + 'static,
    ) -> (tempfile::TempDir, LocalStore, Arc<AtomicUsize>) {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("from")).unwrap();
        fs::create_dir(place.path().join("to")).unwrap();
        fs::write(place.path().join("to/old"), "old").unwrap();
        let (tree, notes) = (Arc::new(Tree::default()), Arc::new(AtomicUsize::new(0)));
        let (of_tree, counted) = (Arc::downgrade(&tree), Arc::clone(&notes));
        let before = move || before_a_note(of_tree.upgrade().unwrap(), counted.fetch_add(1, Ordering::SeqCst));
        *tree.before_a_note_syncs.lock() = Some(Arc::new(before));
        let dir = Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap();
        let root = Arc::new(Root::within(&dir, PlaceInTree { tree, ..PlaceInTree::default() }).unwrap());
        let store = LocalStore::over(root, LocalOptions::new(Durability::Full, Staging::Hidden));
        (place, store, notes)
    }

    #[test]
    fn nobody_waits_for_the_disk_that_a_note_is_brought_to() {
        let (place, store, notes) = home(|tree, _| {
            let (gets, has) = mpsc::channel();
            thread::spawn(move || {
                drop(tree.alone().unwrap());
                gets.send(()).unwrap();
            });
            has.recv_timeout(limits::IDLE_TIMEOUT).expect("somebody else gets through");
        });
        assert_eq!(store.supersede(&path("from"), &path("to")).unwrap().0, Stored::Replaced);
        assert_eq!(notes.load(Ordering::SeqCst), 1);
        assert!(!place.path().join("to/old").exists());
    }

    /// Who may rename there, and not delete, could have anything deleted otherwise.
    #[test]
    fn what_has_the_name_of_what_was_superseded_and_is_not_that_is_not_removed_for_it() {
        let (place, store, _) = home(|_, _| {});
        fs::create_dir(place.path().join("important")).unwrap();
        let old = store.supersede(&path("from"), &path("to")).unwrap().1.unwrap();
        store.rename(&old, &path("away"), false).unwrap();
        store.rename(&path("important"), &old, false).unwrap();
        let removed = store.begin_removal(&old, true, Keep::As(&path("to")), None);
        assert_eq!(removed.err().map(|error| error.kind()), Some(Kind::Changed));
        assert!(place.path().join(old.to_string()).is_dir());
    }

    #[test]
    fn what_was_superseded_and_could_not_be_removed_goes_with_a_sweep_once_its_session_has_ended() {
        let (place, store, _) = home(|_, _| {});
        let old = store.supersede(&path("from"), &path("to")).unwrap().1.unwrap();
        let failed = store.remove_seen(&old, true, &Seen::NOTHING).unwrap_err();
        assert_eq!(failed.kind(), Kind::Changed);
        let open = || LocalStore::open_path(place.path(), LocalOptions::default()).unwrap();
        open().sweep(None).unwrap();
        assert!(place.path().join(old.to_string()).is_dir(), "the session goes on");
        drop(store);
        open().sweep(None).unwrap();
        assert!(!place.path().join(old.to_string()).exists());
        assert_eq!(fs::read_dir(place.path().join(limits::RESERVED_NAME)).unwrap().count(), 0);
    }

    /// By another one nobody would know again what was in the place.
    #[test]
    fn what_is_noted_is_what_is_there_when_it_is_superseded() {
        for changes in [1, 2, limits::LOOKS_BELOW, 2 * limits::LOOKS_BELOW] {
            let (place, store, notes) = home(|_, _| {});
            let (to, counted) = (place.path().join("to"), Arc::clone(&notes));
            let hook = move || {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                if number < changes {
                    fs::write(to.join(number.to_string()), "new").unwrap();
                }
            };
            *store.jail.tree().before_a_note_syncs.lock() = Some(Arc::new(hook));
            let (_, old) = store.supersede(&path("from"), &path("to")).unwrap();
            let old = place.path().join(old.unwrap().to_string());
            let there = Identity::of(&statat(rustix::fs::CWD, &old, AtFlags::empty()).unwrap());
            let sessions = fs::read_dir(place.path().join(limits::RESERVED_NAME)).unwrap();
            let noted: Vec<_> = sessions
                .flat_map(|session| fs::read_dir(session.unwrap().path()).unwrap())
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("superseding."))
                .map(|path| fs::read(path).unwrap())
                .collect();
            let [text] = &noted[..] else { panic!("{} notes", noted.len()) };
            let is_noted = String::from_utf8_lossy(text).contains(&there.to_string());
            // Who changes it without an end while nobody else may is no store.
            assert!(is_noted || changes > limits::LOOKS_BELOW, "{changes}");
            assert!(notes.load(Ordering::SeqCst) <= limits::LOOKS_BELOW + 2);
        }
    }

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
