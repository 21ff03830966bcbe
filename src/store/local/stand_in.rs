//! Notes in the store's own folder, of which the next sweep does what a process that was killed has left undone. Those of other kinds
//! ([`super::superseding`], [`super::taking_note`]) are written and read here, too; those made here are of what stands beside its place
//! until it is whole, and is removed.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Mode, OFlags, fsync, openat, statat, unlinkat};
use rustix::io::Errno;

use super::jail::{Jail, is_gone};
use super::remove;
use super::staging::{Area, CREATE, Stage};
use crate::error::{Error, Result};
use crate::files::{Keep, RelPath, StandInNote, aside};
use crate::limits;

/// How the name of a note begins. (What waits for its place has digits there.)
pub(super) const NOTE: &str = "beside.";

/// A note, gone when it is dropped.
pub(super) struct Note {
    area: Arc<Area>,
    name: Vec<u8>,
    /// What it is about, and where that is, to be looked for.
    about: Option<(Arc<Jail>, RelPath)>,
    /// It was left for the next sweep, and is not removed when this is dropped.
    stays: bool,
}

impl Note {
    /// Notes that what gets this name stands beside its place.
    pub(super) fn write(stage: &Stage, path: &RelPath) -> io::Result<Note> {
        let mut note = Note::of(stage, NOTE, path.as_bytes(), false)?;
        note.about = Some((Arc::clone(stage.jail()), path.clone()));
        Ok(note)
    }

    /// One of another kind, with this text. It may have to be on the disk before what it is about is.
    pub(super) fn of(stage: &Stage, kind: &str, text: &[u8], durable: bool) -> io::Result<Note> {
        Note::begin(stage, kind, text, durable).map(|(note, _)| note)
    }

    /// A note of this kind with this text, and its file, for more to be written to it.
    pub(super) fn begin(stage: &Stage, kind: &str, text: &[u8], durable: bool) -> io::Result<(Note, File)> {
        let name = [kind.as_bytes(), &stage.fresh_name(None)].concat();
        let (area, file) =
            stage.within_area(|area| Ok(openat(&*area.dir, &*name, CREATE, Mode::RUSR | Mode::WUSR)?))?;
        let note = Note { area, name, about: None, stays: false };
        let mut file = File::from(file);
        file.write_all(text)?;
        if durable {
            #[cfg(test)]
            if let Some(work) = stage.jail().tree().before_a_note_syncs.lock().clone() {
                work();
            }
            fsync(&file)?;
            fsync(&*note.area.dir)?;
        }
        Ok((note, file))
    }

    /// It is for the next sweep.
    pub(super) fn keep(mut self) {
        self.stays = true;
    }
}

/// [`crate::files::Store::note_stand_in`].
pub(super) fn note(stage: &Stage, path: &RelPath) -> Result<Option<Box<dyn StandInNote>>> {
    if stage.is_beside() {
        return Ok(None);
    }
    let note = Note::write(stage, path).map_err(|err| Error::file(path, err))?;
    Ok(Some(Box::new(note)))
}

impl Drop for Note {
    fn drop(&mut self) {
        if !self.stays {
            let _ = unlinkat(&*self.area.dir, &*self.name, AtFlags::empty());
        }
    }
}

impl StandInNote for Note {
    fn leave(self: Box<Self>) {
        let is_there = |(jail, path): &(Arc<Jail>, RelPath)| match jail.parent(path) {
            Ok((dir, name)) => statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).err() != Some(Errno::NOENT),
            Err(error) => !is_gone(&error),
        };
        if self.about.as_ref().is_none_or(is_there) {
            self.keep();
        }
    }
}

/// Removes what this note of a process that is gone names, if that is there. For nobody who holds a lock of the tree.
///
/// # Errors
/// That it cannot be read or removed now: the note is for the next sweep.
pub(super) fn clear(stage: &Stage, dir: &Dir, name: &str) -> Result<()> {
    let path = read(dir, name, limits::PATH_MAX).map_err(|err| Error::file(name, err))?;
    // One that was not written to its end names nothing, and only what was made to stand beside has such a name.
    let Some(path) = RelPath::parse(&path).ok().filter(stands_aside) else { return Ok(()) };
    match remove::remove(stage.jail(), stage, &path, true, Keep::Nothing, None) {
        Err(error) if !is_gone(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Whether a path has a name of what stands beside its place.
pub(super) fn stands_aside(path: &RelPath) -> bool {
    path.file_name().is_some_and(|name| aside::before(name, std::iter::empty()).is_some())
}

/// What a note of so many bytes at most says; of a longer one so much that it is too long.
pub(super) fn read(dir: &Dir, name: &str, most: usize) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(dir, name, flags, Mode::empty())?);
    let mut text = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::staging::{LOCK, SESSION};
    use super::super::{LocalOptions, LocalStore, Staging};
    use super::*;
    use crate::files::{Durability, Store as _, Swept};

    fn store(home: &Path) -> LocalStore {
        let options = LocalOptions::new(Durability::None, Staging::Hidden);
        LocalStore::open_path(home, options).unwrap().bounded(1000, "too much".to_owned())
    }

    /// What a killed process leaves of what stood beside its place at this path, by its note.
    fn killed(home: &Path, path: &str) {
        let session = home.join(limits::RESERVED_NAME).join(format!("{SESSION}dead"));
        fs::create_dir_all(&session).unwrap();
        fs::write(session.join(LOCK), "").unwrap();
        fs::write(session.join(format!("{NOTE}7")), path).unwrap();
    }

    fn swept(store: &LocalStore) -> (usize, usize) {
        let Swept { removed, saved } = store.sweep(None).unwrap();
        (removed, saved)
    }

    #[test]
    fn what_a_killed_process_left_beside_its_place_goes_with_the_next_sweep_and_no_count() {
        let place = tempfile::tempdir().unwrap();
        let home = place.path();
        let aside = "d/.x.0123456789abcdef.sealift-aside";
        fs::create_dir_all(home.join(aside).join("sub")).unwrap();
        fs::write(home.join(aside).join("sub/file"), "text").unwrap();
        killed(home, aside);
        let store = store(home);
        assert_eq!(store.usage().unwrap().unwrap().used, 4);
        assert!(home.join(aside).exists());
        assert_eq!(swept(&store), (1, 0));
        assert!(!home.join(aside).exists() && home.join("d").exists());
        assert_eq!(store.usage().unwrap().unwrap().used, 0);
        drop(store);
        assert_eq!(fs::read_dir(home.join(limits::RESERVED_NAME)).unwrap().count(), 0);
    }

    #[test]
    fn a_note_removes_nothing_that_has_no_name_of_what_stands_aside() {
        let place = tempfile::tempdir().unwrap();
        let home = place.path();
        fs::create_dir_all(home.join("d/x")).unwrap();
        for path in ["d", "d/x", "", "d/.x.0123.sealift-aside", "../x", "gone/.x.0123456789abcdef.sealift-aside"] {
            killed(home, path);
            swept(&store(home));
            assert!(home.join("d/x").exists(), "{path}");
            assert_eq!(fs::read_dir(home.join(limits::RESERVED_NAME)).unwrap().count(), 0, "{path}");
        }
    }

    #[test]
    fn what_stands_beside_is_left_alone_as_long_as_its_note_is_kept() {
        let place = tempfile::tempdir().unwrap();
        let (home, path) = (place.path(), RelPath::parse(b".x.0123456789abcdef.sealift-aside").unwrap());
        let maker = store(home);
        let note = maker.note_stand_in(&path).unwrap().unwrap();
        maker.make_dir(&path, false).unwrap();
        assert_eq!(swept(&store(home)), (0, 0));
        assert!(maker.stat(&path).is_ok());
        drop(note);
        drop(maker);
        // It has its place, whatever that is called.
        assert_eq!(swept(&store(home)), (0, 0));
        assert!(home.join(path.to_string()).exists());
    }

    #[test]
    fn the_note_of_what_is_not_there_is_not_left() {
        let place = tempfile::tempdir().unwrap();
        let (home, path) = (place.path(), RelPath::parse(b"d/.x.0123456789abcdef.sealift-copy").unwrap());
        let maker = store(home);
        maker.note_stand_in(&path).unwrap().unwrap().leave();
        drop(maker);
        assert_eq!(fs::read_dir(home.join(limits::RESERVED_NAME)).unwrap().count(), 0);
    }

    #[test]
    fn what_could_not_be_taken_away_goes_with_a_sweep_once_its_session_has_ended() {
        let place = tempfile::tempdir().unwrap();
        let (home, path) = (place.path(), RelPath::parse(b".x.0123456789abcdef.sealift-copy").unwrap());
        let maker = store(home);
        let note = maker.note_stand_in(&path).unwrap().unwrap();
        maker.make_dir(&path, false).unwrap();
        note.leave();
        assert_eq!(swept(&store(home)), (0, 0));
        assert!(maker.stat(&path).is_ok());
        drop(maker);
        assert_eq!(swept(&store(home)), (1, 0));
        assert!(!home.join(path.to_string()).exists());
    }
}
