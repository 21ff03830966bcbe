//! A tree that has lost its name and goes in steps, which whoever removes it takes; if nobody does any more, a thread does
//! ([`super::unattended`]). Between two steps nothing is open for it but the home that it was in.

use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Timespec, Timestamps, UTIME_NOW, fstat, utimensat};

use super::super::account::{Leaving, Paused};
use super::super::capabilities::NewName;
use super::super::going::GoingFolder;
use super::super::jail::Jail;
use super::super::names::rename_new;
use super::super::staging::open_reserved;
use super::Emptying;
use super::unattended::{self, Rest};
use crate::error::{Error, Kind, Result};
use crate::files::{RelPath, Removed, Removing};
use crate::limits;

/// What is left of it, and those who count it still.
pub(super) struct TreeRemoval {
    /// One of its own: that of a session keeps folders open.
    pub(super) jail: Jail,
    pub(super) path: RelPath,
    /// Which folder it was in, by its file system and number there.
    pub(super) was_in: Option<(u64, u64)>,
    /// How it would get its name again.
    pub(super) way: NewName,
    /// The home in whose reserved folder it is.
    pub(super) root: Arc<Dir>,
    /// That, by its file system and number there: known from the beginning, since who asks for it does not wait for a disk.
    pub(super) home: (u64, u64),
    pub(super) going: GoingFolder,
    pub(super) counted: Paused,
    pub(super) emptying: Emptying,
    /// What is left of it gets its name again if it cannot be removed. Else it is for the next sweep.
    pub(super) comes_back: bool,
    /// It has it again.
    pub(super) is_back: bool,
}

impl TreeRemoval {
    /// For whoever takes the steps of it.
    pub(super) fn attended(self) -> Box<dyn Removing> {
        let removed = self.counted.removed();
        Box::new(Attended(Some(self), removed))
    }

    /// Removes so much of it at most, and leaves nothing open. Whether all of it is gone.
    ///
    /// # Errors
    /// What kept some of it from being removed: the rest has its name again, if it may. What is not there any more somebody else removes,
    /// as the sweep of another node, and goes on with that whatever it is called.
    fn remove_some(&mut self) -> Result<bool> {
        let leaving = std::mem::take(&mut self.counted).go_on();
        let opened = open_reserved(&self.root).map_err(|err| Error::file(&self.path, err.into()));
        let stepped = opened.and_then(|reserved| {
            let at = (&reserved, self.going.name());
            if self.jail.tree().is_across() {
                touch(at);
            }
            self.emptying.step(at, &self.path, &leaving, limits::REMOVE_STEP)
        });
        self.emptying.close();
        self.counted = leaving.pause();
        stepped.inspect_err(|error| match error.kind() {
            Kind::NotFound => counts_no_more(&mut self.counted),
            _ => self.put_back(),
        })
    }

    /// Whoever is told that it cannot be removed finds the rest in its place. Not if nothing of it was to be kept, if something else
    /// has that by now, or if the folder that it was in is elsewhere: by the rules of another one that has that name others could see
    /// it. Then the next sweep tries again.
    fn put_back(&mut self) {
        let alone = self.jail.alone(&self.path);
        self.is_back = self.comes_back
            && alone.is_ok()
            && self.jail.parent(&self.path).is_ok_and(|(dir, name)| {
                let is_in = fstat(&dir).map(|stat| (stat.st_dev, stat.st_ino)).ok();
                is_in.is_some()
                    && is_in == self.was_in
                    && open_reserved(&self.root)
                        .and_then(|reserved| rename_new(self.way, &reserved, self.going.name(), &dir, name))
                        .is_ok()
            });
        let tree = self.jail.tree();
        tree.arrived();
        if self.is_back {
            // Whoever has counted meanwhile has not seen it.
            tree.is_another(&self.jail.full(&self.path));
        } else {
            counts_no_more(&mut self.counted);
        }
    }
}

/// Other nodes see by that, and by nothing else of what goes below it, that it is not left over.
fn touch((reserved, name): (&Dir, &[u8])) {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    let _ = utimensat(reserved, name, &times, AtFlags::SYMLINK_NOFOLLOW);
}

/// The rest counts for nobody.
fn counts_no_more(counted: &mut Paused) {
    let leaving = std::mem::take(counted).go_on();
    leaving.lost();
    *counted = leaving.pause();
}

impl Rest for TreeRemoval {
    /// Of file systems that do not say one, another number.
    fn disk(&self) -> u64 {
        self.was_in.map_or(0, |(disk, _)| disk)
    }

    fn home(&self) -> (u64, u64) {
        self.home
    }

    fn step(&mut self) -> Result<bool> {
        self.remove_some()
    }

    fn has_failed(&mut self, error: &Error) {
        // Otherwise somebody else has removed it.
        #[cfg(feature = "server")]
        if error.kind() != Kind::NotFound {
            let path = crate::escape::for_people(&self.jail.full(&self.path));
            let then = if self.is_back { "it has its name again" } else { "the next sweep tries again" };
            tracing::warn!(path, %error, "not all of a folder can be removed; {then}");
        }
        // Without a server there is no log.
        #[cfg(not(feature = "server"))]
        let _ = error;
    }

    /// The rest is for the next sweep, and counts for nobody.
    fn is_given_up(&mut self) {
        counts_no_more(&mut self.counted);
        // A step that was not taken to its end has lost those who counted it.
        let (accounts, shares) =
            (self.jail.tree().accounts_over(&self.jail.full(&self.path)), self.jail.shares_over(&self.path));
        Leaving::of(accounts, shares).lost();
    }
}

/// One that somebody takes the steps of. What has lost its name is gone for everybody: if it is given up, the rest is removed without.
struct Attended(Option<TreeRemoval>, Removed);

impl Removing for Attended {
    fn step(&mut self) -> Result<bool> {
        let Some(removal) = &mut self.0 else { return Ok(true) };
        let stepped = removal.remove_some();
        self.1 = removal.counted.removed();
        if !matches!(stepped, Ok(false)) {
            self.0 = None;
        }
        stepped
    }

    fn removed(&self) -> Removed {
        self.1
    }
}

impl Drop for Attended {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|removal| unattended::finish(Box::new(removal)));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use cap_std::ambient_authority;

    use super::super::super::{LocalOptions, LocalStore, PlaceInTree, Root, Staging, Tree, TreeLock};
    use super::*;
    use crate::files::{Durability, Keep, Removal, Store as _};

    #[test]
    fn nothing_is_open_of_what_waits_to_be_removed_but_its_home() {
        let place = tempfile::tempdir().unwrap();
        let home = place.path().canonicalize().unwrap();
        let dir = Dir::open_ambient_dir(&home, ambient_authority()).unwrap();
        let held = unattended::hold(fstat(&dir).unwrap().st_dev);
        let root = Arc::new(Root::alone(&dir).unwrap());
        let open = || {
            let open = fs::read_dir("/proc/self/fd").unwrap();
            open.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok()).filter(|path| path.starts_with(&home)).count()
        };
        let before = open();
        for number in 0..10 {
            fs::create_dir_all(home.join(format!("in/{number}/below"))).unwrap();
            let store = LocalStore::over(root.clone(), LocalOptions::new(Durability::None, Staging::Hidden));
            let tree = RelPath::parse(format!("in/{number}").as_bytes()).unwrap();
            let removing = store.begin_removal(&tree, true, Keep::As(&tree), None).unwrap();
            assert!(matches!(removing, Removal::Going(_)));
        }
        assert_eq!(fs::read_dir(home.join(limits::RESERVED_NAME)).unwrap().count(), 10, "they wait");
        assert_eq!(open(), before);
        drop(held);
    }

    /// By that another node knows that somebody is at it, however long what goes is below it.
    #[test]
    fn each_step_shows_at_the_folder_that_goes_where_other_nodes_sweep() {
        let place = tempfile::tempdir().unwrap();
        let (home, lock) = (place.path().join("home"), place.path().join("lock"));
        fs::create_dir_all(home.join("tree/below")).unwrap();
        let files = 2 * limits::REMOVE_STEP;
        (0..files).for_each(|number| fs::write(home.join(format!("tree/below/{number}")), "").unwrap());
        let open = move || fs::OpenOptions::new().write(true).create(true).truncate(false).open(&lock);
        let tree = Arc::new(Tree::across(TreeLock::of("tree".to_owned(), open)));
        let dir = Dir::open_ambient_dir(&home, ambient_authority()).unwrap();
        let root = Arc::new(Root::within(&dir, PlaceInTree { tree, ..PlaceInTree::default() }).unwrap());
        let store = LocalStore::over(root, LocalOptions::new(Durability::None, Staging::Hidden));
        let tree = RelPath::parse(b"tree").unwrap();
        let Removal::Going(mut removing) = store.begin_removal(&tree, true, Keep::Nothing, None).unwrap() else {
            panic!("it goes in steps")
        };
        let mut reserved = fs::read_dir(home.join(limits::RESERVED_NAME)).unwrap().map(|entry| entry.unwrap().path());
        let going = reserved.find(|path| path.join("below").is_dir()).unwrap();
        let long_ago = std::time::SystemTime::UNIX_EPOCH;
        fs::File::open(&going).unwrap().set_modified(long_ago).unwrap();
        assert!(!removing.step().unwrap());
        let left = fs::read_dir(going.join("below")).unwrap().count();
        assert!(0 < left && left < files, "{left}");
        assert_ne!(fs::metadata(&going).unwrap().modified().unwrap(), long_ago);
        while !removing.step().unwrap() {}
    }
}
