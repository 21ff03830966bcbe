//! What dead processes left in a home's staging folder.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, flock, openat, statat, unlinkat};
use rustix::io::Errno;

use super::account::{Leaving, Sum};
use super::capabilities::Capabilities;
use super::jail::{Jail, entries, open_directory};
use super::names::{rename_new, sum_of_file};
use super::partial::{self, BLOCKS, DATA};
use super::remove::remove_tree;
use super::staging::{LOCK, SESSION, Stage, lock_area, open_reserved};
use super::stand_in;
use super::superseding;
use super::taking_note;
use super::trash::is_left_going;
use super::whole;
use crate::files::aside::is_part;
use crate::files::{RelPath, Swept};
use crate::limits;

/// [`super::LocalStore::sweep`].
pub(super) fn sweep(stage: &Stage, max_age: Option<Duration>) -> io::Result<Swept> {
    let root = &stage.jail().root()?;
    let reserved = match open_reserved(root) {
        Err(Errno::NOENT) => return Ok(Swept::default()),
        opened => opened?,
    };
    let names = names(&reserved)?;
    if names.is_empty() {
        return Ok(Swept::default());
    }
    // What another node took over from this one is not left over.
    stage.jail().tree().may_change()?;
    let kept = max_age.map(|max_age| Kept { jail: stage.jail(), max_age: Some(max_age) });
    let among = Among { can: Some(stage.can(root)?), is_across: stage.jail().tree().is_across() };
    sweep_reserved(among, (&reserved, Some(stage)), &names, kept, &|| {})
}

/// Sweeps the staging folder of any home, of which nothing is kept. For whoever is alone in the tree; whatever is met it is said that this
/// `goes_on`.
pub(super) fn clear(among: Among, reserved: &Dir, goes_on: &dyn Fn()) -> io::Result<Swept> {
    sweep_reserved(among, (reserved, None), &names(reserved)?, None, goes_on)
}

/// Sweeps the staging folder of this home, where what was interrupted is kept.
pub(super) fn save_all(among: Among, jail: &Jail, reserved: &Dir, goes_on: &dyn Fn()) -> io::Result<Swept> {
    sweep_reserved(among, (reserved, None), &names(reserved)?, Some(Kept { jail, max_age: None }), goes_on)
}

/// Makes a partial of what a dead node had of the upload of this key, as a sweep would: whoever lost that node asks for it before anybody
/// has noticed. Whether there was any.
pub(super) fn rescue(stage: &Stage, key: &str) -> io::Result<bool> {
    let (jail, root) = (stage.jail(), &stage.jail().root()?);
    let reserved = match open_reserved(root) {
        Err(Errno::NOENT) => return Ok(false),
        opened => opened?,
    };
    let is_it = |name: &str| name.split_once('-').is_some_and(|(_, of)| of == key);
    for session in names(&reserved)?.into_iter().filter(|name| name.starts_with(SESSION)) {
        // It may go meanwhile.
        let Ok(dir) = open_directory(&reserved, session.as_bytes()) else { continue };
        let left: Vec<String> = names(&dir).unwrap_or_default().into_iter().filter(|name| is_it(name)).collect();
        let can = match left.is_empty() {
            true => continue,
            false => stage.can(root)?,
        };
        jail.tree().may_change()?;
        let Ok(Some(_locked)) = lock_area(&dir, jail.tree().is_across()) else { continue };
        for name in left.iter().filter(|name| can.locks && is_left(&dir, name)) {
            if save_long(Kept { jail, max_age: Some(limits::PARTIAL_MAX_AGE) }, can, (&dir, name), &reserved)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Among whom it is decided what is left over.
#[derive(Clone, Copy)]
pub(super) struct Among {
    /// What the file system can do, if that is known.
    pub(super) can: Option<Capabilities>,
    /// Other servers are at work in the same place.
    pub(super) is_across: bool,
}

/// Where and for how long partials are kept.
#[derive(Clone, Copy)]
struct Kept<'a> {
    jail: &'a Jail,
    /// For ever, for whoever is alone in the tree.
    max_age: Option<Duration>,
}

impl Kept<'_> {
    fn is_too_old(&self, reserved: &Dir, name: &str) -> bool {
        self.max_age.is_some_and(|max_age| too_old(reserved, name, max_age))
    }
}

/// `stage` is that of the home, for whoever holds no lock of the tree.
fn sweep_reserved(
    among: Among,
    (reserved, stage): (&Dir, Option<&Stage>),
    names: &[String],
    kept: Option<Kept<'_>>,
    goes_on: &dyn Fn(),
) -> io::Result<Swept> {
    let mut swept = Swept::default();
    for name in names {
        goes_on();
        if name.starts_with(SESSION) {
            // Without locks nobody knows what is left over.
            if let Some(can) = among.can.filter(|can| can.locks) {
                sweep_session((can, among.is_across, stage), (reserved, name), kept, &mut swept, goes_on)?;
            }
        } else if is_left_going(name) && (!among.is_across || is_unchanged(reserved, name, limits::SHARED_GOING_LEFT)) {
            // By a server that was killed meanwhile. Whether another one is at it is not to be seen.
            let leaving = Leaving::none().telling(goes_on);
            // This one may be done with it since.
            let removed = remove_tree(reserved, name.as_bytes(), &RelPath::root(), &leaving);
            swept.removed += usize::from(removed.is_ok());
        } else if is_part(name.as_bytes()) {
            // From trying what the file system can do.
            if too_old(reserved, name, limits::PARTIAL_MAX_AGE) {
                let _ = unlinkat(reserved, name, AtFlags::empty());
            }
        } else if let Some(key) = name.strip_prefix(DATA) {
            if kept.is_none_or(|kept| kept.is_too_old(reserved, name))
                && is_left(reserved, name)
                && partial::remove(kept.map(|kept| kept.jail), reserved, key)
            {
                swept.removed += 1;
            }
        } else if let Some(key) = name.strip_prefix(BLOCKS)
            && matches!(statat(reserved, format!("{DATA}{key}"), AtFlags::SYMLINK_NOFOLLOW), Err(Errno::NOENT))
        {
            let _ = unlinkat(reserved, name, AtFlags::empty());
        }
    }
    Ok(swept)
}

/// Empties and removes the directory of a store that is gone. Of one that lives the lock is not to be had, and of a file
/// that somebody writes neither.
fn sweep_session(
    (can, is_across, stage): (Capabilities, bool, Option<&Stage>),
    (reserved, session): (&Dir, &str),
    kept: Option<Kept<'_>>,
    swept: &mut Swept,
    goes_on: &dyn Fn(),
) -> io::Result<()> {
    let dir = match open_directory(reserved, session.as_bytes()) {
        // Removed by its own store meanwhile; or not a directory, and not made by us.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
        opened => opened?,
    };
    let Ok(Some(locked)) = lock_area(&dir, is_across) else { return Ok(()) };
    let mut left = names(&dir)?;
    // What was to be removed may be on its way, and has the name it had only once it is back.
    left.sort_by_key(|name| !name.starts_with(superseding::NOTE));
    let mut is_on_its_way = false;
    for name in left.into_iter().filter(|name| name != LOCK) {
        goes_on();
        if !is_left(&dir, &name) {
            is_on_its_way |= name.starts_with(superseding::NOTE);
            continue;
        }
        if is_on_its_way && name.starts_with(stand_in::NOTE) {
            // What it names may be what is not back yet.
            continue;
        }
        let noted = match &*name {
            name if name.starts_with(superseding::NOTE) => {
                Some(stage.map(|stage| superseding::settle(stage, &dir, name)))
            }
            name if name.starts_with(taking_note::NOTE) => {
                Some(stage.map(|stage| taking_note::settle(stage, &dir, name)))
            }
            name if name.starts_with(stand_in::NOTE) => Some(stage.map(|stage| stand_in::clear(stage, &dir, name))),
            _ => None,
        };
        if noted.is_some_and(|done| done.is_none_or(|done| done.is_err())) {
            // For the next sweep, as is the folder then.
            is_on_its_way |= name.starts_with(superseding::NOTE);
            continue;
        }
        match kept.map_or(Ok(false), |kept| save_long(kept, can, (&dir, &name), reserved)) {
            Ok(true) => swept.saved += 1,
            Ok(false) => {
                if let Err(Errno::ISDIR | Errno::PERM) = unlinkat(&dir, &*name, AtFlags::empty()) {
                    // A folder that was being removed.
                    let leaving = Leaving::none().telling(goes_on);
                    let _ = remove_tree(&dir, name.as_bytes(), &RelPath::root(), &leaving);
                }
                swept.removed += 1;
            }
            // For the next sweep, and so is the folder.
            Err(_) => return Ok(()),
        }
    }
    let _ = unlinkat(&dir, LOCK, AtFlags::empty());
    drop(locked);
    let _ = unlinkat(reserved, session, AtFlags::REMOVEDIR);
    Ok(())
}

/// Makes a staged file a partial if as much of it as may be gone on with is long enough for one.
///
/// # Errors
/// That it cannot be told whether it is to be kept.
fn save_long(kept: Kept<'_>, can: Capabilities, (dir, name): (&Dir, &str), reserved: &Dir) -> io::Result<bool> {
    let Some((_, key)) = name.split_once('-') else { return Ok(false) };
    match whole::cut_named(dir, name) {
        Err(err) if Errno::from_io_error(&err).is_some_and(|err| err == Errno::NOENT || is_nobodys(err)) => {
            return Ok(false);
        }
        cut => cut?,
    }
    if !long_enough(dir, name) {
        return Ok(false);
    }
    save(kept, can, (dir, name), (reserved, &format!("{DATA}{key}")))
}

/// Makes a staged file a partial, unless somebody counts what is in the home and there is no room for it any more.
fn save(kept: Kept<'_>, can: Capabilities, from: (&Dir, &str), to: (&Dir, &str)) -> io::Result<bool> {
    let Kept { jail, max_age } = kept;
    // Nobody begins to in between.
    let _steady = max_age.map(|_| jail.tree().steady()).transpose()?;
    let _names = jail.tree().partials();
    if !jail.keeps_partials() {
        return Ok(false);
    }
    let sum = match statat(from.0, from.1, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(false),
        stat => sum_of_file(&stat?),
    };
    // There is one of this folder, if any.
    let account = jail.accounts_of_partials().pop();
    if account.as_ref().is_some_and(|account| !account.take_in(sum)) {
        return Ok(false);
    }
    let renamed = rename_new(can.new_name, from.0, from.1.as_bytes(), to.0, to.1.as_bytes());
    if renamed.is_err() {
        account.iter().for_each(|account| account.change(sum, Sum::NONE));
    }
    match renamed {
        Ok(()) => {
            jail.shares_over(&RelPath::root()).iter().for_each(|share| share.forget());
            Ok(true)
        }
        // There is one already; or it is gone.
        Err(Errno::EXIST | Errno::NOENT) => Ok(false),
        Err(err) => Err(err.into()),
    }
}

/// Whether nobody is writing this file: its lock is to be had, or there are none here. What cannot be opened just now may be
/// somebody's.
fn is_left(dir: &Dir, name: &str) -> bool {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    match openat(dir, name, flags, Mode::empty()) {
        Ok(file) => {
            let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
            let _ = flock(&file, FlockOperation::Unlock);
            matches!(locked, Ok(()) | Err(Errno::NOSYS | Errno::OPNOTSUPP))
        }
        Err(err) => is_nobodys(err),
    }
}

/// Whether what says so when it is opened is written by nobody: a folder or a link is no upload, nor is what this account may not
/// open, for its own it may. A disk, another machine or a table of open files that fails just now says nothing of whose it is.
fn is_nobodys(err: Errno) -> bool {
    matches!(err, Errno::ISDIR | Errno::LOOP | Errno::NXIO | Errno::ACCESS | Errno::PERM)
}

fn names(dir: &Dir) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in entries(open_directory(dir, b".")?)? {
        // All of ours are ASCII.
        names.extend(entry?.file_name().to_str().ok().map(str::to_owned));
    }
    names.retain(|name| name != "." && name != "..");
    Ok(names)
}

fn long_enough(dir: &Dir, name: &str) -> bool {
    statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| {
        // With a second name it is in its place already, where that takes two steps: whoever went on with it would cut what all see.
        FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && stat.st_nlink == 1
            && u64::try_from(stat.st_size).is_ok_and(|size| size >= limits::HASH_BLOCK)
    })
}

fn too_old(dir: &Dir, name: &str, max_age: Duration) -> bool {
    let Ok(stat) = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) else { return false };
    is_before(super::source::mtime(&stat).secs, max_age)
}

/// Whether nobody has renamed it or changed what is right in it for so long.
fn is_unchanged(dir: &Dir, name: &str, since: Duration) -> bool {
    statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| is_before(stat.st_ctime, since))
}

fn is_before(secs: i64, max_age: Duration) -> bool {
    let Ok(secs) = u64::try_from(secs) else { return true };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_secs(secs)) > max_age
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::partial::key;
    use super::super::{LocalOptions, LocalStore, PlaceInTree, Root, Staging, Tree, TreeLock};
    use super::*;
    use crate::error::Kind;
    use crate::files::{Durability, Store as _, UploadSpec};

    #[test]
    fn what_cannot_be_opened_or_locked_just_now_is_not_taken_for_a_leftover() {
        for err in [Errno::IO, Errno::STALE, Errno::MFILE, Errno::NFILE, Errno::NOTCONN, Errno::TIMEDOUT, Errno::NOMEM]
        {
            assert!(!is_nobodys(err), "{err}");
        }
        assert!(is_nobodys(Errno::ISDIR) && is_nobodys(Errno::LOOP));
    }

    /// What is there may be another node's by now.
    #[test]
    fn who_has_no_place_among_the_nodes_keeps_and_clears_nothing() {
        let place = tempfile::tempdir().unwrap();
        let (home, lock) = (place.path().join("home"), place.path().join("lock"));
        std::fs::create_dir(&home).unwrap();
        std::fs::write(home.join("f"), b"one").unwrap();
        let is_lost = Arc::new(AtomicBool::new(false));
        let lost = is_lost.clone();
        let lock = TreeLock::of("tree".to_owned(), move || {
            OpenOptions::new().write(true).create(true).truncate(false).open(&lock)
        });
        let lock = lock.changing_if(move || match lost.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::ResourceBusy.into()),
            false => Ok(0),
        });
        let dir = Dir::open_ambient_dir(&home, cap_std::ambient_authority()).unwrap();
        let tree = Arc::new(Tree::across(lock));
        let root = Arc::new(Root::within(&dir, PlaceInTree { tree, ..PlaceInTree::default() }).unwrap());
        let store = || LocalStore::over(root.clone(), LocalOptions::new(Durability::None, Staging::Hidden));
        let path = RelPath::parse(b"f").unwrap();
        let one = store();
        let cut_off = || {
            let mut upload = one.begin(&path, UploadSpec::default()).unwrap();
            upload.append(&vec![7; usize::try_from(limits::HASH_BLOCK).unwrap()]).unwrap();
            upload
        };
        let partial = home.join(limits::RESERVED_NAME).join(format!("{DATA}{}", key(&path, None)));
        let upload = cut_off();
        is_lost.store(true, Ordering::Relaxed);
        assert_eq!((upload.keep(), partial.exists()), (0, false));
        is_lost.store(false, Ordering::Relaxed);
        assert_eq!((cut_off().keep(), partial.exists()), (limits::HASH_BLOCK, true));
        is_lost.store(true, Ordering::Relaxed);
        let changed = one.change_properties(&path, &[("{u}x".to_owned(), Some("v".to_owned()))]);
        assert_eq!(changed.unwrap_err().kind(), Kind::Io);
        assert!(one.properties(&path).unwrap().is_empty());
        assert_eq!(one.sweep(Some(Duration::ZERO)).unwrap_err().kind(), Kind::Io);
        let bounded = store().bounded(2 * limits::HASH_BLOCK, "too much".to_owned());
        assert_eq!(bounded.usage().unwrap().unwrap().used, 3);
        assert!(partial.exists());
        // Counted by nobody, it is in the way of one who counts.
        is_lost.store(false, Ordering::Relaxed);
        drop(bounded);
        let bounded = store().bounded(2 * limits::HASH_BLOCK, "too much".to_owned());
        assert_eq!((bounded.usage().unwrap().unwrap().used, partial.exists()), (3, false));
    }

    /// A store of a tree that other nodes serve, too, in which one that is dead was at a long upload.
    fn beside_a_dead_node(place: &std::path::Path) -> (LocalStore, Arc<Tree>, std::path::PathBuf) {
        let (home, lock) = (place.join("home"), place.join("lock"));
        let session = home.join(limits::RESERVED_NAME).join(format!("{SESSION}dead"));
        std::fs::create_dir_all(&session).unwrap();
        std::fs::write(session.join(LOCK), b"").unwrap();
        let key = key(&RelPath::parse(b"f").unwrap(), None);
        std::fs::write(session.join(format!("0-{key}")), vec![7; usize::try_from(limits::HASH_BLOCK).unwrap()])
            .unwrap();
        let open = move || OpenOptions::new().write(true).create(true).truncate(false).open(&lock);
        let tree = Arc::new(Tree::across(TreeLock::of("tree".to_owned(), open)));
        let dir = Dir::open_ambient_dir(&home, cap_std::ambient_authority()).unwrap();
        let root = Arc::new(Root::within(&dir, PlaceInTree { tree: tree.clone(), ..PlaceInTree::default() }).unwrap());
        let store = LocalStore::over(root, LocalOptions::new(Durability::None, Staging::Hidden));
        (store, tree, home.join(limits::RESERVED_NAME).join(format!("{DATA}{key}")))
    }

    #[test]
    fn what_a_dead_node_had_of_an_upload_stays_where_the_names_hang() {
        let place = tempfile::tempdir().unwrap();
        let (store, tree, partial) = beside_a_dead_node(place.path());
        let hangs = tree.alone_here().unwrap();
        let swept = store.sweep(Some(limits::PARTIAL_MAX_AGE)).unwrap();
        assert_eq!((swept.saved, swept.removed), (0, 0));
        assert!(store.look_for_partial(&RelPath::parse(b"f").unwrap()).is_err());
        drop(hangs);
        let swept = store.sweep(Some(limits::PARTIAL_MAX_AGE)).unwrap();
        assert_eq!((swept.saved, swept.removed, partial.exists()), (1, 0, true));
        // Nor is a partial that is too old taken for removed.
        let hangs = tree.alone_here().unwrap();
        let long_ago = SystemTime::now() - limits::PARTIAL_MAX_AGE * 2;
        std::fs::File::options().write(true).open(&partial).unwrap().set_modified(long_ago).unwrap();
        let swept = store.sweep(Some(limits::PARTIAL_MAX_AGE)).unwrap();
        assert_eq!((swept.removed, partial.exists()), (0, true));
        drop(hangs);
        let swept = store.sweep(Some(limits::PARTIAL_MAX_AGE)).unwrap();
        assert_eq!((swept.removed, partial.exists()), (1, false));
    }

    /// Whoever waits for it meanwhile is not to take it for one who does not come back.
    #[test]
    fn who_measures_goes_on_with_each_folder_and_with_all_that_is_cleared_away() {
        let place = tempfile::tempdir().unwrap();
        let home = place.path().join("home");
        (0..20).for_each(|number| std::fs::create_dir_all(home.join(format!("{number}/empty"))).unwrap());
        let folder = || Dir::open_ambient_dir(&home, cap_std::ambient_authority()).unwrap();
        let steps = std::cell::Cell::new(0);
        let goes_on = || steps.set(steps.get() + 1);
        super::super::measure::sum(&folder(), &mut |_| {}, &goes_on).unwrap();
        assert_eq!(steps.replace(0), 40);
        let reserved = home.join(limits::RESERVED_NAME);
        for left in ["gone-dead", &format!("{SESSION}dead/folder")] {
            std::fs::create_dir_all(reserved.join(left)).unwrap();
            (0..20).for_each(|number| std::fs::write(reserved.join(left).join(number.to_string()), b"").unwrap());
        }
        std::fs::write(reserved.join(format!("{SESSION}dead")).join(LOCK), b"").unwrap();
        let can = LocalStore::try_out(&folder(), Durability::None).unwrap();
        let opened = open_reserved(&folder()).unwrap();
        clear(Among { can: Some(can), is_across: false }, &opened, &goes_on).unwrap();
        assert!(steps.get() >= 40, "{}", steps.get());
        assert_eq!(names(&opened).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn only_the_one_who_gets_its_lock_takes_a_file() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(place.path(), cap_std::ambient_authority()).unwrap();
        let held = std::fs::File::create(place.path().join("0-key")).unwrap();
        flock(&held, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(!is_left(&dir, "0-key"));
        drop(held);
        assert!(is_left(&dir, "0-key"));
        // Gone meanwhile: whoever has it now has another name for it.
        assert!(!is_left(&dir, "missing"));
        std::fs::create_dir(place.path().join("folder")).unwrap();
        assert!(is_left(&dir, "folder"));
    }
}
