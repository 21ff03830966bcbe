//! Notes of something that is being put in the place of a folder, in the store's own folder. That takes two renames, or three: of a
//! process that was killed between them the next sweep finds here what was to become of what. What has not taken the place is where it
//! was again, and of what has the old one goes as it would have gone.

use std::fmt::{self, Display};
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{FileType, Stat};

use super::account::Sum;
use super::capabilities::NewName;
use super::jail::{Jail, is_gone};
use super::names::{Touched, count, look, rename_new, sum_of_file, sync};
use super::remove;
use super::source::mtime;
use super::staging::Stage;
use super::stand_in::{self, Note};
use super::trash::{self, Trash};
use crate::error::{Error, Kind, Result};
use crate::files::{Keep, Mtime, RelPath};
use crate::limits;

/// How the name of such a note begins.
pub(super) const NOTE: &str = "superseding.";

/// Between two fields of a note: no path has it.
const BETWEEN: u8 = 0;

/// What a folder, file or link is known by under another name, also by another process. What has the same number and was changed since
/// is not taken for it: that some file systems give one to something else by then is to cost nobody anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    inode: u64,
    mtime: Mtime,
}

impl Identity {
    /// Whether this is it, however it was changed since.
    pub(super) fn has_number_of(&self, stat: &Stat) -> bool {
        self.inode == stat.st_ino
    }

    pub(super) fn of(stat: &Stat) -> Self {
        Identity { inode: stat.st_ino, mtime: mtime(stat) }
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let mut numbers = std::str::from_utf8(text).ok()?.split(' ');
        let (inode, secs, nanos) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let mtime = Mtime { secs: secs.parse().ok()?, nanos: nanos.parse().ok()? };
        numbers.next().is_none().then_some(Identity { inode: inode.parse().ok()?, mtime })
    }
}

impl Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.inode, self.mtime.secs, self.mtime.nanos)
    }
}

/// Something that is being put in the place of something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Superseding {
    /// Where it was.
    pub(super) from: RelPath,
    /// The place.
    pub(super) to: RelPath,
    /// What it is called on its way, and the old one afterwards where names are exchanged.
    pub(super) beside: RelPath,
    /// What the old one is called afterwards where they are not.
    pub(super) old: RelPath,
    /// What is put there.
    pub(super) new: Identity,
    /// What was there.
    pub(super) there: Identity,
    /// The old one is kept in the trash.
    pub(super) is_kept: bool,
}

impl Superseding {
    /// Notes it before anything has another name; nothing where files wait beside their places.
    pub(super) fn note(&self, stage: &Stage) -> Result<Option<Note>> {
        if stage.is_beside() {
            return Ok(None);
        }
        Note::of(stage, NOTE, &self.text(), stage.is_durable()).map(Some).map_err(|err| Error::file(&self.to, err))
    }

    fn text(&self) -> Vec<u8> {
        let (new, there) = (self.new.to_string(), self.there.to_string());
        let end: &[u8] = if self.is_kept { b"kept" } else { b"gone" };
        let paths = [&self.from, &self.to, &self.beside, &self.old].map(RelPath::as_bytes);
        [&paths[..], &[new.as_bytes(), there.as_bytes(), end]].concat().join(&BETWEEN)
    }

    /// None: it was not written to its end, and so nothing had another name yet.
    fn parse(text: &[u8]) -> Option<Self> {
        let fields: Vec<&[u8]> = text.split(|byte| *byte == BETWEEN).collect();
        let [from, to, beside, old, new, there, end] = fields.try_into().ok()?;
        let path = |text| RelPath::parse(text).ok().filter(|path| !path.is_root());
        let aside = |text| path(text).filter(stand_in::stands_aside);
        let is_kept = match end {
            b"kept" => true,
            b"gone" => false,
            _ => return None,
        };
        Some(Superseding {
            from: path(from)?,
            to: path(to)?,
            beside: aside(beside)?,
            old: aside(old)?,
            new: Identity::parse(new)?,
            there: Identity::parse(there)?,
            is_kept,
        })
    }

    /// Puts back what has not got to its place, or keeps what was superseded; for whoever is alone in the tree.
    fn settle(&self, jail: &Jail, way: NewName) -> Result<Settled> {
        let dir = match jail.parent(&self.to) {
            // Somebody has moved or removed all of it.
            Err(error) if is_gone(&error) => return Ok(Settled::default()),
            parent => parent?.0,
        };
        let at = |path: &RelPath| look(&dir, name_of(path)).map_err(|err| Error::file(path, err.into()));
        let is = |path: &RelPath, known: Identity| Ok::<_, Error>(at(path)?.filter(|stat| Identity::of(stat) == known));
        if let Some(new) = is(&self.beside, self.new)? {
            let mut settled = Settled::default();
            if let Some(old) = is(&self.old, self.there)?
                && at(&self.to)?.is_none()
            {
                settled.changed.extend(self.restore(jail, way, &dir, &old)?.changed);
            }
            settled.changed.extend(self.put_back(jail, way, &dir, &new)?.changed);
            return Ok(settled);
        }
        // It has this name only since the two were exchanged.
        if let Some(there) = is(&self.beside, self.there)? {
            return self.give_up(jail, (&dir, &self.beside), &there);
        }
        let Some(old) = is(&self.old, self.there)? else { return Ok(Settled::default()) };
        match at(&self.to)? {
            Some(stat) if Identity::of(&stat) == self.new => self.give_up(jail, (&dir, &self.old), &old),
            // Somebody has taken away what was to come, or it has its name again.
            None => self.restore(jail, way, &dir, &old),
            // It stays beside, where it is seen: nobody knows whether there is another one.
            Some(_) => Ok(Settled::default()),
        }
    }

    /// Keeps what was superseded, or says that it is to be removed.
    fn give_up(&self, jail: &Jail, (dir, path): (&Dir, &RelPath), there: &Stat) -> Result<Settled> {
        if !self.is_kept {
            return Ok(Settled { left: Some(path.clone()), ..Settled::default() });
        }
        let trash = jail.root().and_then(|root| Trash::make(&root)).map_err(|err| Error::file("the trash", err))?;
        trash.take((dir, name_of(path)), &self.to).map_err(|err| Error::file(path, err.into()))?;
        trash::left(jail, &self.to, size(there));
        jail.tree().moved();
        Ok(Settled::default())
    }

    /// What was in the place is there again.
    fn restore(&self, jail: &Jail, way: NewName, dir: &Arc<Dir>, old: &Stat) -> Result<Settled> {
        rename(way, (dir, &self.old), (dir, &self.to))?;
        counts(jail, (&self.old, &self.to), old);
        Ok(Settled { changed: vec![(self.to.clone(), Arc::clone(dir))], ..Settled::default() })
    }

    /// Where somebody has taken its name, or the folder that it was in is gone, it stays beside, where it is seen.
    fn put_back(&self, jail: &Jail, way: NewName, dir: &Arc<Dir>, new: &Stat) -> Result<Settled> {
        let from = match jail.parent(&self.from) {
            Err(error) if is_gone(&error) => return Ok(Settled::default()),
            parent => parent?.0,
        };
        match rename(way, (dir, &self.beside), (&from, &self.from)) {
            Err(error) if error.kind() == Kind::Exists => return Ok(Settled::default()),
            renamed => renamed?,
        }
        counts(jail, (&self.beside, &self.from), new);
        Ok(Settled { changed: vec![(self.from.clone(), from), (self.to.clone(), Arc::clone(dir))], left: None })
    }
}

/// What is still to be done when nobody waits for it any more.
#[derive(Default)]
struct Settled {
    /// Folders in which names have changed.
    changed: Touched,
    /// What was superseded, and goes.
    left: Option<RelPath>,
}

fn rename(way: NewName, from: (&Dir, &RelPath), to: (&Dir, &RelPath)) -> Result<()> {
    let renamed = rename_new(way, from.0, name_of(from.1), to.0, name_of(to.1));
    renamed.map_err(|err| Error::file(to.1, err.into()))
}

fn counts(jail: &Jail, way: (&RelPath, &RelPath), stat: &Stat) {
    jail.tree().arrived();
    jail.tree().moved();
    count(jail, way, size(stat), Sum::NONE);
}

/// What counts of it; what is in a folder is not known.
fn size(stat: &Stat) -> Option<Sum> {
    (FileType::from_raw_mode(stat.st_mode) != FileType::Directory).then(|| sum_of_file(stat))
}

pub(super) fn name_of(path: &RelPath) -> &[u8] {
    path.file_name().unwrap_or_default()
}

/// Does what a process that is gone has left of what this note says. For nobody who holds a lock of the tree.
///
/// # Errors
/// That it cannot be done now: the note is for the next sweep.
pub(super) fn settle(stage: &Stage, dir: &Dir, name: &str) -> Result<()> {
    let text = stand_in::read(dir, name, limits::SUPERSEDING_NOTE).map_err(|err| Error::file(name, err))?;
    let Some(noted) = Superseding::parse(&text) else { return Ok(()) };
    let jail = stage.jail();
    // Asked before: it may have to be tried, which takes longer than others are to wait.
    let way = match jail.parent(&noted.to) {
        Err(error) if is_gone(&error) => return Ok(()),
        parent => stage.new_name(&parent?.0).map_err(|err| Error::file(&noted.to, err))?,
    };
    let alone = jail.alone(&noted.to)?;
    jail.tell(&noted.from, super::tree::Change::Moves);
    let Settled { changed, left } = noted.settle(jail, way)?;
    drop(alone);
    if stage.is_durable() {
        changed.iter().try_for_each(|(path, dir)| sync(path, dir))?;
    }
    match left.map(|left| remove::remove(jail, stage, &left, true, Keep::Nothing, None)) {
        Some(Err(error)) if !is_gone(&error) => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    use super::super::staging::{LOCK, SESSION};
    use super::super::{LocalOptions, LocalStore, Staging};
    use super::*;
    use crate::files::{Durability, Store as _};

    const BESIDE: &str = "d/.to.0123456789abcdef.sealift-aside";
    const OLD: &str = "d/.to.fedcba9876543210.sealift-aside";

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    /// A home whose process was killed while something took the place of something else.
    struct Home(tempfile::TempDir);

    impl Home {
        /// With this under these names, and a note of that.
        fn killed(new: &str, there: &str, is_kept: bool) -> Home {
            let home = Home(tempfile::tempdir().unwrap());
            fs::create_dir(home.at("d")).unwrap();
            for (name, text) in [(new, "new"), (there, "there")] {
                fs::create_dir(home.at(name)).unwrap();
                fs::write(home.at(name).join("what"), text).unwrap();
            }
            let identity = |name: &str| {
                let found = fs::symlink_metadata(home.at(name)).unwrap();
                let mtime = Mtime { secs: found.mtime(), nanos: u32::try_from(found.mtime_nsec()).unwrap() };
                Identity { inode: found.ino(), mtime }
            };
            let (from, to, beside, old) = (path("from"), path("d/to"), path(BESIDE), path(OLD));
            let noted = Superseding { from, to, beside, old, new: identity(new), there: identity(there), is_kept };
            assert_eq!(Superseding::parse(&noted.text()).as_ref(), Some(&noted));
            home.leave(&noted.text());
            home
        }

        fn at(&self, name: &str) -> std::path::PathBuf {
            self.0.path().join(name)
        }

        fn leave(&self, text: &[u8]) {
            let session = self.at(limits::RESERVED_NAME).join(format!("{SESSION}dead"));
            fs::create_dir_all(&session).unwrap();
            fs::write(session.join(LOCK), "").unwrap();
            fs::write(session.join(format!("{NOTE}7")), text).unwrap();
        }

        fn store(&self) -> LocalStore {
            let options = LocalOptions::new(Durability::None, Staging::Hidden);
            LocalStore::open_path(self.0.path(), options).unwrap().bounded(1000, "too much".to_owned())
        }

        /// What is there after the next sweep, by its names.
        fn swept(&self) -> Vec<(String, String)> {
            let store = self.store();
            let before = store.usage().unwrap().unwrap().used;
            store.sweep(None).unwrap();
            let used = store.usage().unwrap().unwrap().used;
            drop(store);
            assert_eq!(self.store().usage().unwrap().unwrap().used, used, "of {before} before");
            let mut found = Vec::new();
            for folder in ["", "d"] {
                for entry in fs::read_dir(self.at(folder)).unwrap() {
                    let entry = entry.unwrap().path();
                    if let Ok(text) = fs::read_to_string(entry.join("what")) {
                        let name = entry.strip_prefix(self.0.path()).unwrap().to_str().unwrap().to_owned();
                        found.push((name, text));
                    }
                }
            }
            found.sort();
            found
        }

        fn is_clean(&self) -> bool {
            !Path::new(&self.at(limits::RESERVED_NAME).join(format!("{SESSION}dead"))).exists()
        }
    }

    fn found(names: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut found: Vec<_> = names.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        found.sort();
        found
    }

    #[test]
    fn wherever_a_process_was_killed_either_all_is_as_before_or_all_is_done() {
        let before = found(&[("from", "new"), ("d/to", "there")]);
        let after = found(&[("d/to", "new")]);
        let states = [
            // Nothing was done yet.
            ("from", "d/to", &before),
            // On its way.
            (BESIDE, "d/to", &before),
            // Their names are exchanged.
            ("d/to", BESIDE, &after),
            // Where that cannot be: nothing is in the place, ...
            (BESIDE, OLD, &before),
            // ... and it is.
            ("d/to", OLD, &after),
        ];
        for (new, there, expected) in states {
            for is_kept in [false, true] {
                let home = Home::killed(new, there, is_kept);
                assert_eq!(home.swept(), *expected, "{new} {there} {is_kept}");
                assert!(home.is_clean(), "{new} {there} {is_kept}");
                let in_trash = home.store().trash(&RelPath::root(), 10, &|_| true).unwrap().entries;
                let names: Vec<_> = in_trash.into_iter().map(|kept| kept.path).collect();
                let kept = if is_kept && *expected == after { vec![path("d/to")] } else { Vec::new() };
                assert_eq!(names, kept, "{new} {there}");
            }
        }
    }

    /// As where names are not exchanged, and somebody has meanwhile seen that nothing is in the place.
    #[test]
    fn what_was_there_goes_only_where_what_was_to_come_is_in_its_place() {
        for is_kept in [false, true] {
            let nothing_in_trash =
                |home: &Home| home.store().trash(&RelPath::root(), 10, &|_| true).unwrap().entries.is_empty();
            for name in ["from", "d/mine"] {
                let home = Home::killed(name, OLD, is_kept);
                assert_eq!(home.swept(), found(&[(name, "new"), ("d/to", "there")]), "{name} {is_kept}");
                assert!(home.is_clean() && nothing_in_trash(&home), "{name} {is_kept}");
            }
            let home = Home::killed("d/mine", OLD, is_kept);
            fs::create_dir(home.at("d/to")).unwrap();
            fs::write(home.at("d/to/what"), "another").unwrap();
            let all = found(&[("d/mine", "new"), ("d/to", "another"), (OLD, "there")]);
            assert_eq!(home.swept(), all, "{is_kept}");
            assert!(home.is_clean() && nothing_in_trash(&home), "{is_kept}");
        }
    }

    /// A copy that was to take the place of something has its name only once it is back.
    #[test]
    fn what_stood_beside_its_place_is_looked_for_again_once_it_is_back() {
        let copy = ".x.0123456789abcdef.sealift-copy";
        let home = Home::killed(BESIDE, "d/to", false);
        let session = home.at(limits::RESERVED_NAME).join(format!("{SESSION}dead"));
        let (noted, stands) = (session.join(format!("{NOTE}7")), session.join(format!("{}8", stand_in::NOTE)));
        let text = fs::read(&noted).unwrap();
        let text = [copy.as_bytes(), text.strip_prefix(b"from").unwrap()].concat();
        fs::write(&stands, copy).unwrap();
        // It cannot be read.
        fs::remove_file(&noted).unwrap();
        fs::create_dir(&noted).unwrap();
        assert_eq!(home.swept(), found(&[(BESIDE, "new"), ("d/to", "there")]));
        assert!(stands.exists());
        fs::remove_dir(&noted).unwrap();
        fs::write(&noted, text).unwrap();
        assert_eq!(home.swept(), found(&[("d/to", "there")]));
        assert!(home.is_clean());
    }

    #[test]
    fn the_note_that_is_on_the_disk_is_kept_until_what_was_superseded_is_gone() {
        let home = Home::killed("from", "d/to", false);
        fs::remove_dir_all(home.at(limits::RESERVED_NAME)).unwrap();
        let store = home.store();
        let (_, old) = store.supersede(&path("from"), &path("d/to")).unwrap();
        let notes = || {
            let sessions = fs::read_dir(home.at(limits::RESERVED_NAME)).unwrap().map(|entry| entry.unwrap().path());
            let sessions = sessions.filter(|path| path.is_dir()).flat_map(|path| fs::read_dir(path).unwrap());
            let names = sessions.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.filter(|name| name.starts_with(NOTE)).count()
        };
        assert_eq!(notes(), 1);
        store.remove(&old.unwrap(), true).unwrap();
        assert_eq!(notes(), 0);
    }

    #[test]
    fn what_was_on_its_way_stays_beside_if_somebody_has_its_name_by_then() {
        let home = Home::killed(BESIDE, "d/to", false);
        fs::create_dir(home.at("from")).unwrap();
        fs::write(home.at("from/what"), "another").unwrap();
        let expected = found(&[("from", "another"), (BESIDE, "new"), ("d/to", "there")]);
        assert_eq!(home.swept(), expected);
        assert!(home.is_clean());
    }

    #[test]
    fn nothing_is_removed_that_is_not_what_the_note_names() {
        let home = Home::killed("d/to", BESIDE, false);
        // As where a file system gives another number to it, or it was changed since.
        fs::write(home.at(BESIDE).join("more"), "more").unwrap();
        assert_eq!(home.swept(), found(&[("d/to", "new"), (BESIDE, "there")]));
        assert!(home.is_clean());
    }

    #[test]
    fn a_note_that_was_not_written_to_its_end_does_nothing() {
        let home = Home::killed("from", "d/to", false);
        let before = found(&[("from", "new"), ("d/to", "there")]);
        let identity = Identity { inode: 1, mtime: Mtime { secs: -2, nanos: 3 } };
        let [from, to, beside, old] = ["from", "d/to", BESIDE, OLD].map(path);
        let noted = Superseding { from, to, beside, old, new: identity, there: identity, is_kept: false };
        let text = noted.text();
        assert_eq!(Superseding::parse(&text), Some(noted));
        for len in 0..text.len() {
            assert_eq!(Superseding::parse(text.get(..len).unwrap()), None, "{len}");
        }
        home.leave(text.get(..20).unwrap());
        assert_eq!(home.swept(), before);
        assert!(home.is_clean());
    }
}
