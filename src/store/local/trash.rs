//! What was deleted or replaced, kept in `.sealift/trash` of the home: on the same file system, where no name reaches it.
//!
//! Each thing lies there under an id that begins with the time, and a symbolic link `ID.from` beside it says what it was called.
//! (A link, because a file system writes its text together with its name: after a power cut it is there if the thing is. Where
//! there are no links, or the path is too long for one, it is a file.) It goes there, and comes back, by
//! one rename. What a file replaces has a second name there before it loses the first: wherever a process is killed, both are
//! somewhere.
//!
//! What is there counts as what is in the home does. Empty files are not kept: there is nothing to lose.
//!
//! A note takes room of the disk. So that somebody who deletes something from a full one has it, a file beside the trash takes as much as
//! long as there is enough, and goes when there is not; after that the oldest of what is kept does ([`super::trash_room`]).

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use cap_std::fs::Dir;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, Stat, linkat, mkdirat, openat, readlinkat, renameat, renameat_with,
    statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::account::{Leaving, Sum};
use super::capabilities::NewName;
use super::going::GoingFolder;
pub(super) use super::going::is_left_going;
use super::jail::{Jail, entries, open_directory};
use super::measure::{self, Contents};
use super::names::{look, sum_of_file};
use super::owned::owner_of;
use super::remove::remove_tree;
use super::source::meta;
use super::staging::{open_reserved, reserved, while_it_goes};
use super::tree::{Change, Removing};
use crate::error::{Error, Kind, Result};
use crate::files::{EntryKind, Hash, Meta, RelPath, TrashId, TrashList, Trashed};
use crate::limits;
use crate::random;

/// The folder in the reserved one.
pub(super) const TRASH: &str = "trash";

/// How the name of what says where a thing comes from ends.
const NOTE: &str = ".from";

/// What takes the room of a note until one needs it: in the reserved folder, where nothing counts it.
const SPARE: &str = "spare";

/// Whether something in the trash is no thing that was deleted, but what says where one comes from. It counts in no quota.
pub(super) fn is_note(name: &[u8]) -> bool {
    name.ends_with(NOTE.as_bytes())
}

/// The folder, open.
pub(super) struct Trash {
    /// The root whose it is.
    pub(super) root: Arc<Dir>,
    /// What it is in.
    reserved: Dir,
    pub(super) dir: Arc<Dir>,
}

/// Something that got a second name there.
pub(super) struct Kept<'a> {
    trash: &'a Trash,
    id: TrashId,
    /// It came here at once, and has no other name.
    has_come: bool,
}

impl Kept<'_> {
    /// It keeps its first name, or gets it back, and needs none here. What cannot get it back stays here, as where another node has given
    /// that name to something else meanwhile.
    pub(super) fn undo(self, (dir, name): (&Dir, &[u8])) {
        let id = self.id.to_string();
        let undone = match self.has_come {
            true => rename_back((&self.trash.dir, &id), (dir, name)),
            false => unlinkat(&*self.trash.dir, &*id, AtFlags::empty()),
        };
        if undone.is_ok() {
            self.trash.forget(self.id);
        }
    }
}

impl Trash {
    /// That of this root, made if it is missing.
    pub(super) fn make(root: &Arc<Dir>) -> io::Result<Trash> {
        while_it_goes(|| Trash::try_make(root))
    }

    fn try_make(root: &Arc<Dir>) -> io::Result<Trash> {
        let reserved = reserved(root)?;
        match mkdirat(&reserved, TRASH, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(err) => return Err(err.into()),
        }
        let dir = Arc::new(open_directory(&reserved, TRASH.as_bytes())?);
        let trash = Trash { root: Arc::clone(root), reserved, dir };
        trash.set_apart();
        Ok(trash)
    }

    /// Takes the room of a note, if the disk has it.
    fn set_apart(&self) {
        let is_whole = |stat: Stat| usize::try_from(stat.st_size).is_ok_and(|size| size >= limits::TRASH_SPARE);
        if self.spare().is_some_and(is_whole) {
            return;
        }
        // Whoever began it was killed.
        self.let_spare_go();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(spare) = openat(&self.reserved, SPARE, flags, Mode::RUSR | Mode::WUSR) else { return };
        // Bytes that no file system leaves out or makes fewer of.
        let mut bytes = [0; limits::TRASH_SPARE];
        if random::fill(&mut bytes).is_err() || File::from(spare).write_all(&bytes).is_err() {
            self.let_spare_go();
        }
    }

    /// The room of a note that is set apart.
    pub(super) fn spare(&self) -> Option<Stat> {
        statat(&self.reserved, SPARE, AtFlags::SYMLINK_NOFOLLOW).ok()
    }

    fn let_spare_go(&self) -> bool {
        unlinkat(&self.reserved, SPARE, AtFlags::empty()).is_ok()
    }

    /// Does this, once more with the room of a note if the disk has none.
    fn with_spare<T>(&self, work: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
        match work() {
            Err(Errno::NOSPC | Errno::DQUOT) if self.let_spare_go() => work(),
            done => done,
        }
    }

    /// That of this root, if there is one.
    pub(super) fn open(root: &Arc<Dir>) -> io::Result<Option<Trash>> {
        let opened =
            open_reserved(root).and_then(|reserved| Ok((open_directory(&reserved, TRASH.as_bytes())?, reserved)));
        match opened {
            Ok((dir, reserved)) => Ok(Some(Trash { root: Arc::clone(root), reserved, dir: Arc::new(dir) })),
            Err(Errno::NOENT) => Ok(None),
            Err(err) => Err(err.into()),
        }
    }

    /// A fresh id, whose note says this path: a link with this text, which takes no block of the disk, and a file where a link
    /// cannot have such a text (4095 bytes on ext4, 1023 on XFS) or there are no links.
    fn note(&self, path: &RelPath) -> Result<TrashId, Errno> {
        let id = TrashId::now().map_err(|_| Errno::IO)?;
        let name = format!("{id}{NOTE}");
        match symlinkat(path.as_bytes(), &*self.dir, &*name) {
            Ok(()) => Ok(id),
            Err(err @ (Errno::NOSPC | Errno::DQUOT | Errno::ROFS)) => Err(err),
            Err(Errno::NOENT | Errno::IO) => Err(Errno::IO),
            Err(_) => match self.write_note(&name, path) {
                Ok(()) => Ok(id),
                // Nothing goes where nobody could tell what it was called, and so who may see it.
                Err(err) => {
                    self.forget(id);
                    Err(Errno::from_io_error(&err).unwrap_or(Errno::IO))
                }
            },
        }
    }

    fn write_note(&self, name: &str, path: &RelPath) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut note = File::from(openat(&*self.dir, name, flags, Mode::RUSR | Mode::WUSR)?);
        // Nobody waits for the disk with the tree: after a power cut such a thing may be one that nobody knows the path of.
        note.write_all(path.as_bytes())
    }

    /// Nothing of this id is here any more.
    pub(super) fn forget(&self, id: TrashId) {
        let _ = unlinkat(&*self.dir, format!("{id}{NOTE}"), AtFlags::empty());
    }

    /// What has this name goes here, and was at this path.
    ///
    /// # Errors
    /// Those of the file system; [`Errno::XDEV`] if it is on another one.
    pub(super) fn take(&self, (dir, name): (&Dir, &[u8]), path: &RelPath) -> Result<TrashId, Errno> {
        self.with_spare(|| {
            let id = self.note(path)?;
            renameat(dir, name, &*self.dir, id.to_string()).map(|()| id).inspect_err(|_| self.forget(id))
        })
    }

    /// What is in a folder that is here, if it is no more than may still be looked at ([`measure::contents`]).
    pub(super) fn contents(&self, id: TrashId, looks: &mut u64) -> Option<Contents> {
        let folder = open_directory(&self.dir, id.to_string().as_bytes()).ok()?;
        measure::contents(folder, looks).ok().flatten()
    }

    /// The file of this name, which will be replaced, stays here under a second one. Where a file cannot have two, it comes here
    /// at once, and for a moment nothing has its name.
    ///
    /// # Errors
    /// As [`Trash::take`].
    pub(super) fn keep(&self, (dir, name): (&Dir, &[u8]), path: &RelPath) -> Result<Kept<'_>, Errno> {
        self.with_spare(|| self.try_to_keep((dir, name), path))
    }

    fn try_to_keep(&self, (dir, name): (&Dir, &[u8]), path: &RelPath) -> Result<Kept<'_>, Errno> {
        let id = self.note(path)?;
        let kept = match linkat(dir, name, &*self.dir, id.to_string(), AtFlags::empty()) {
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::MLINK | Errno::NOSYS) => {
                renameat(dir, name, &*self.dir, id.to_string()).map(|()| true)
            }
            linked => linked.map(|()| false),
        };
        kept.map(|has_come| Kept { trash: self, id, has_come }).inspect_err(|_| self.forget(id))
    }

    /// The ids of all that is here, the oldest first.
    pub(super) fn ids(&self) -> io::Result<Vec<TrashId>> {
        let mut ids = Vec::new();
        for entry in entries(open_directory(&self.dir, b".")?)? {
            ids.extend(entry?.file_name().to_str().ok().and_then(|name| name.parse::<TrashId>().ok()));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// What it was called, if that is known: rights are those of its path, so without one nobody is told of it. It goes when it is
    /// old, or with all that is here.
    pub(super) fn path_of(&self, id: TrashId) -> Option<RelPath> {
        let name = format!("{id}{NOTE}");
        let noted = match readlinkat(&*self.dir, &*name, Vec::new()) {
            Ok(text) => text.into_bytes(),
            Err(_) => self.read_note(&name).ok()?,
        };
        RelPath::parse(&noted).ok().filter(|path| !path.is_root())
    }

    fn read_note(&self, name: &str) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let note = File::from(openat(&*self.dir, name, flags, Mode::empty())?);
        let mut path = Vec::new();
        // With one byte too many it is no path, and none is made of its beginning.
        note.take(limits::PATH_MAX as u64 + 1).read_to_end(&mut path)?;
        Ok(path)
    }

    pub(super) fn stat(&self, id: TrashId) -> Result<Stat, Errno> {
        statat(&*self.dir, id.to_string(), AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Whether there is nothing in it but what this one put there, if one is named.
    /// For each file that is looked at it is said that this `goes_on`.
    pub(super) fn is_all_of(
        &self,
        id: TrashId,
        stat: &Stat,
        whose: Option<&Hash>,
        goes_on: &dyn Fn(),
    ) -> Result<bool, Errno> {
        let Some(owner) = whose else { return Ok(true) };
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let folder = open_directory(&self.dir, id.to_string().as_bytes())?;
                let (sums, is_nobodys) = measure::owners(&folder, goes_on)?;
                !is_nobodys && sums.keys().all(|one| one == owner)
            }
            _ => owner_of(&*self.dir, id.to_string().as_bytes()).as_ref() == Some(owner),
        })
    }

    /// Removes a thing for good, and says whether it was there. A folder is one that nobody can bring back before anything in it
    /// goes. For whoever has the turn for that, and no other lock of the tree.
    pub(super) fn remove(&self, jail: &Jail, id: TrashId, turn: &Removing<'_>) -> Result<bool> {
        let name = id.to_string();
        let failed = |err: Errno| Error::file(&name, err.into());
        let alone = jail.tree().alone().map_err(|err| Error::file(&name, err))?;
        if jail.tree().is_watched() {
            // A folder that somebody watches may have a home in it.
            let home = jail.full(&RelPath::root());
            let reserved = limits::RESERVED_NAME.as_bytes();
            let place = if home.is_empty() { reserved.to_vec() } else { [&*home, reserved].join(&b'/') };
            jail.tree().tell(&place, Change::Moves, None);
        }
        let stat = match self.stat(id) {
            Err(Errno::NOENT) => return Ok(false),
            stat => stat.map_err(failed)?,
        };
        let shares = jail.shares_over(&RelPath::root());
        let goes_on = || turn.goes_on();
        let leaving = Leaving::of(jail.tree().accounts_over(&jail.place().folder), shares).telling(&goes_on);
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            let owner = leaving.owner_of(&*self.dir, name.as_bytes());
            unlinkat(&*self.dir, &*name, AtFlags::empty()).map_err(failed)?;
            leaving.hidden();
            leaving.gone(sum_of_file(&stat), owner);
            self.forget(id);
            self.set_apart();
            return Ok(true);
        }
        let going = GoingFolder::take((&self.dir, name.as_bytes()), &self.reserved);
        let going = going.map_err(|err| Error::file(&name, err))?;
        leaving.hidden();
        self.forget(id);
        drop(alone);
        let removed = remove_tree(&self.reserved, going.name(), &RelPath::root(), &leaving);
        if removed.is_err() {
            // What is left of it is not counted any more.
            leaving.lost();
        }
        self.set_apart();
        removed.map(|()| true)
    }
}

/// Whether there is anything to lose of what has this name.
pub(super) fn is_worth_keeping(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_size > 0
}

/// To be said of what went into the trash from this path: so much, if that is known. The home counts it still, those inside
/// of the home that it was in do not.
pub(super) fn left(jail: &Jail, path: &RelPath, some: Option<Sum>) {
    count(jail, path, some.map(|some| (some, Sum::NONE)));
}

/// Tells what counts the place that something went from or came back to, and not the home with its trash.
pub(super) fn count(jail: &Jail, path: &RelPath, change: Option<(Sum, Sum)>) {
    let tree = jail.tree();
    if tree.is_shared() {
        // Those inside of the home that it was in.
        let home = jail.shares_over(&RelPath::root());
        let shares = jail.shares_over(path).into_iter();
        shares.filter(|share| !home.iter().any(|outer| Arc::ptr_eq(outer, share))).for_each(|share| share.forget());
    }
    if !tree.counts() {
        return;
    }
    let home = tree.accounts_over(&jail.place().folder);
    for account in tree.accounts_over(&jail.full(path)) {
        if home.iter().any(|outer| Arc::ptr_eq(outer, &account)) {
            continue;
        }
        match change {
            Some((before, after)) => account.change(before, after),
            None => account.forget(),
        }
    }
}

/// That of the home, if there is one.
pub(super) fn open(jail: &Jail) -> Result<Option<Trash>> {
    jail.root().and_then(|root| Trash::open(&root)).map_err(|err| Error::file("the trash", err))
}

/// [`crate::files::Store::trash`].
pub(super) fn list(jail: &Jail, path: &RelPath, most: usize, shown: &dyn Fn(&RelPath) -> bool) -> Result<TrashList> {
    let mut list = TrashList::default();
    let Some(trash) = open(jail)? else { return Ok(list) };
    let ids = trash.ids().map_err(|err| Error::file("the trash", err))?;
    let mut looks = limits::TRASH_LOOKED;
    for id in ids.into_iter().rev() {
        let Some(from) = trash.path_of(id).filter(|from| from.is_within(path) && shown(from)) else { continue };
        // Gone meanwhile.
        let Ok(stat) = trash.stat(id) else { continue };
        if list.entries.len() == most {
            list.is_cut = true;
            break;
        }
        let Meta { kind, size, mtime, .. } = meta(&stat);
        let mut thing = Trashed { id, path: from, kind, size, files: None, mtime };
        if kind == EntryKind::Directory
            && let Some(contents) = trash.contents(id, &mut looks)
        {
            (thing.size, thing.files) = (contents.bytes, Some(contents.files));
        }
        list.entries.push(thing);
    }
    Ok(list)
}

fn turn_to_remove(jail: &Jail) -> Result<Removing<'_>> {
    jail.tree().removing().map_err(|err| Error::file("the trash", err))
}

/// The trash with this thing in it, which came from this path.
fn with(jail: &Jail, path: &RelPath, id: TrashId) -> Result<(Trash, Stat)> {
    let missing = || Error::new(Kind::NotFound, path.said("nothing of that is in the trash"));
    let trash = open(jail)?.ok_or_else(missing)?;
    let stat = trash.stat(id).map_err(|_| missing())?;
    match trash.path_of(id) {
        Some(from) if from == *path => Ok((trash, stat)),
        Some(_) | None => Err(missing()),
    }
}

/// Where nothing can be renamed without replacing, a second name does it.
pub(super) fn new_name(can: NewName) -> NewName {
    if can == NewName::Missing { NewName::Link } else { can }
}

/// Something that cannot have two names gets its own again if nothing else has that: where that cannot be said in one call, as far as it
/// was seen before.
fn rename_back((from, id): (&Dir, &str), (dir, name): (&Dir, &[u8])) -> Result<(), Errno> {
    if look(dir, name)?.is_some() {
        return Err(Errno::EXIST);
    }
    match renameat_with(from, id, dir, name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => renameat(from, id, dir, name),
        renamed => renamed,
    }
}

/// [`crate::files::Store::purge`].
pub(super) fn purge(jail: &Jail, path: &RelPath, id: Option<TrashId>, shown: &dyn Fn(&RelPath) -> bool) -> Result<u64> {
    if let Some(id) = id {
        let (trash, _) = with(jail, path, id)?;
        let turn = turn_to_remove(jail)?;
        return match trash.remove(jail, id, &turn)? {
            true => Ok(1),
            false => Err(Error::new(Kind::NotFound, path.said("nothing of that is in the trash"))),
        };
    }
    let Some(trash) = open(jail)? else { return Ok(0) };
    let mut gone = 0;
    for id in trash.ids().map_err(|err| Error::file("the trash", err))? {
        if trash.path_of(id).map_or(path.is_root(), |from| from.is_within(path) && shown(&from)) {
            let turn = turn_to_remove(jail)?;
            gone += u64::from(trash.remove(jail, id, &turn)?);
        }
    }
    Ok(gone)
}

/// Removes what is older than this, and notes of nothing. Says how many things went.
pub(super) fn sweep(jail: &Jail, max_age: Duration) -> Result<usize> {
    let Some(trash) = open(jail)? else { return Ok(0) };
    let failed = |err: io::Error| Error::file("the trash", err);
    let mut gone = 0;
    for id in trash.ids().map_err(failed)?.into_iter().take_while(|id| id.is_older(max_age)) {
        let turn = turn_to_remove(jail)?;
        gone += usize::from(trash.remove(jail, id, &turn)?);
    }
    for entry in open_directory(&trash.dir, b".").and_then(entries).map_err(|err| failed(err.into()))? {
        let entry = entry.map_err(|err| failed(err.into()))?;
        let note = entry.file_name().to_str().ok().and_then(|name| name.strip_suffix(NOTE));
        // A note is made right before its thing comes.
        if let Some(id) = note.and_then(|id| id.parse::<TrashId>().ok())
            && id.is_older(limits::TRASH_NOTE_AGE)
            && matches!(trash.stat(id), Err(Errno::NOENT))
        {
            trash.forget(id);
        }
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use cap_std::ambient_authority;

    use super::*;

    /// Something that cannot have two names came here at once, and meanwhile another one may have got its name.
    #[test]
    fn what_could_not_be_replaced_gets_its_name_again_only_if_that_is_free() {
        for came in [None, Some("another's")] {
            let place = tempfile::tempdir().unwrap();
            let file = place.path().join("f");
            fs::write(&file, "old").unwrap();
            let root = Arc::new(Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap());
            let trash = Trash::make(&root).unwrap();
            let id = trash.take((&root, b"f"), &RelPath::parse(b"f").unwrap()).unwrap();
            came.iter().for_each(|came| fs::write(&file, came).unwrap());
            Kept { trash: &trash, id, has_come: true }.undo((&root, b"f"));
            assert_eq!(fs::read_to_string(&file).unwrap(), came.unwrap_or("old"));
            let is_kept = came.is_some();
            assert_eq!((trash.stat(id).is_ok(), trash.path_of(id).is_some()), (is_kept, is_kept));
        }
    }
}
