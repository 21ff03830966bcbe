//! A directory of this machine that holds every home.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::fstat;

use super::occupancy::{self, NodeName, Occupancy};
use super::{FileSystems, LeftToNext, Limits, LocalOptions, LocalStore, PlaceInTree, Root, Share, Staging, Tree};
use crate::apart::Own;
use crate::error::{Error, Kind, Result};
use crate::files::{Durability, HomeTerms, Location, NodePlace, Owner, RelPath, Store, Swept, Vault};
use crate::limits;
use crate::sync::{Mutex, MutexGuard};

mod elsewhere;
mod homes;
mod neighbours;
mod nodes;
mod opening;

pub use neighbours::{look_at_home, look_at_neighbours, open_home, refuse_meeting};
use opening::{make, try_out};

/// The homes in one directory, opened once, and its alone: no other process serves it, or lies in it with its own. Or several
/// servers' that know of each other ([`LocalVault::open_shared`]).
pub struct LocalVault {
    path: PathBuf,
    root: Arc<Dir>,
    options: LocalOptions,
    /// The homes that sessions are in.
    roots: Mutex<HashMap<String, Weak<Root>>>,
    /// By the folders right in the data directory that those homes are, or are in: one home may be inside of another.
    trees: Mutex<HashMap<PathBuf, Weak<Tree>>>,
    /// By the devices and numbers of folders elsewhere, where other servers change them too.
    trees_elsewhere: Mutex<HashMap<(u64, u64), Weak<Tree>>>,
    /// The folders elsewhere that sessions are in.
    elsewhere: Mutex<HashMap<PathBuf, Weak<Root>>>,
    /// The shared folders that count for each who shares them: what they were found to hold is kept as long as the server runs.
    shares: Mutex<HashMap<Location, Arc<Share>>>,
    /// What no folder elsewhere may meet when it is opened.
    apart: Arc<OnceLock<Vec<Own>>>,
    /// What the file systems of the homes were found to do. Each is tried at the first change to it and not before, as the
    /// account and inside the sandbox that the server has then.
    file_systems: Arc<FileSystems>,
    /// What is left over in the data directory belongs to no other running server.
    occupancy: Occupancy,
    /// Other servers change the homes, too.
    is_shared: bool,
    /// Nothing is changed in them any more.
    left: LeftToNext,
}

impl LocalVault {
    /// Opens the data directory, and makes it if it is missing, for the server's account alone.
    ///
    /// # Errors
    /// [`Kind::Busy`] if another server has it, and those of the file system, all naming the directory.
    pub fn open(data: &Path, durability: Durability) -> Result<LocalVault> {
        Self::open_as(data, durability, None)
    }

    /// Opens the data directory for one of several servers of it, each on a machine of its own or not: this one has that name among them.
    ///
    /// # Errors
    /// Also [`Kind::Busy`] if another one has the name; [`Kind::Io`] where the file system does not do what that takes, naming it.
    pub fn open_shared(data: &Path, durability: Durability, node: &NodeName) -> Result<LocalVault> {
        Self::open_as(data, durability, Some(node))
    }

    pub(crate) fn open_as(data: &Path, durability: Durability, node: Option<&NodeName>) -> Result<LocalVault> {
        let failed = |err| Error::file(data.display(), err);
        occupancy::refuse_inside(data)?;
        make(data).map_err(failed)?;
        let root = Dir::open_ambient_dir(data, ambient_authority()).map_err(failed)?;
        let occupancy = match node {
            None => Occupancy::take(&root, data)?,
            Some(node) => Occupancy::share(&root, data, node)?,
        };
        let locks = try_out(&root, data, durability)?;
        if node.is_some() && locks != Some(true) {
            let text = format!(
                "{}: several servers need locks that another handle sees, and none were found here",
                data.display()
            );
            return Err(Error::new(Kind::Io, text));
        }
        let options = LocalOptions { durability, staging: Staging::Hidden };
        Ok(LocalVault {
            path: data.to_owned(),
            root: Arc::new(root),
            options,
            roots: Mutex::default(),
            trees: Mutex::default(),
            trees_elsewhere: Mutex::default(),
            elsewhere: Mutex::default(),
            shares: Mutex::default(),
            apart: Arc::default(),
            file_systems: Arc::default(),
            occupancy,
            is_shared: node.is_some(),
            left: LeftToNext::default(),
        })
    }

    /// No folder elsewhere is opened from now on that has one of these in it, or is in one: where a path leads may have changed since
    /// somebody looked. The first ones count.
    pub fn keep_apart(&self, own: Vec<Own>) {
        let _the_first_ones_count = self.apart.set(own);
    }

    /// Has those who look at this directory know something of the process that serves it: [`super::note_of`].
    ///
    /// # Errors
    /// Those of the file system.
    pub fn leave_note(&self, note: &str) -> io::Result<()> {
        self.occupancy.leave_note(note)
    }

    /// This home, the same for all sessions in it.
    fn root_of(&self, home: &str) -> Result<Arc<Root>> {
        for _ in 1..limits::NAME_TRIES {
            match self.try_root_of(home) {
                // Somebody who works in a home around it has moved it or removed it since it was found.
                Err(err) if err.kind() == Kind::NotFound => {}
                found => return found,
            }
        }
        self.try_root_of(home)
    }

    fn try_root_of(&self, home: &str) -> Result<Arc<Root>> {
        let there = self.directory(home, "your home folder")?;
        let place = self.place_of(home)?;
        // Nothing is asked of the disk under the lock: one that hangs is to keep nobody from the homes on others.
        let kept = self.lock_roots().get(home).and_then(Weak::upgrade);
        let is_it = |kept: &Arc<Root>| {
            kept.place().folder == place.folder && kept.dir().is_ok_and(|kept| is_same(&kept, &there))
        };
        let stale = match kept {
            Some(kept) if is_it(&kept) => return Ok(kept),
            kept => kept,
        };
        refuse_taken(&there, "your home folder")?;
        let root = Arc::new(Root::within(&there, place)?);
        let mut roots = self.lock_roots();
        roots.retain(|_, root| root.strong_count() > 0);
        if let Some(other) = roots.get(home).and_then(Weak::upgrade)
            && !stale.is_some_and(|stale| Arc::ptr_eq(&stale, &other))
            && other.place().folder == root.place().folder
        {
            // Another session was faster.
            return Ok(other);
        }
        roots.insert(home.to_owned(), Arc::downgrade(&root));
        Ok(root)
    }

    /// A folder that is not below the data directory, the same for all sessions in it. Unlike a home it is never made, and what
    /// has its path at any time is it.
    fn root_elsewhere(&self, path: &Path) -> Result<Arc<Root>> {
        let there = self::elsewhere::open(&self.path, self.apart.get(), path)?;
        // As in `try_root_of`.
        let kept = self.elsewhere.lock().get(path).and_then(Weak::upgrade);
        let is_it = |kept: &Arc<Root>| kept.dir_now().is_ok_and(|kept| is_same(&kept, &there));
        let stale = match kept {
            Some(kept) if is_it(&kept) => return Ok(kept),
            kept => kept,
        };
        let anew = self::elsewhere::place(&self.path, &self.apart, path, self.is_shared);
        let place = PlaceInTree {
            tree: self.tree_elsewhere(&there, path)?,
            elsewhere: Some(Arc::new(anew)),
            ..PlaceInTree::default()
        };
        let root = Arc::new(Root::within(&there, place)?);
        let mut elsewhere = self.elsewhere.lock();
        elsewhere.retain(|_, root| root.strong_count() > 0);
        if let Some(other) = elsewhere.get(path).and_then(Weak::upgrade)
            && !stale.is_some_and(|stale| Arc::ptr_eq(&stale, &other))
        {
            // Another session was faster.
            return Ok(other);
        }
        elsewhere.insert(path.to_owned(), Arc::downgrade(&root));
        Ok(root)
    }

    /// `what` is what is bounded.
    fn store_over(&self, root: Arc<Root>, terms: HomeTerms, what: &str) -> LocalStore {
        let store = LocalStore::sharing(root, self.options, Arc::clone(&self.file_systems));
        let store = store.keeping(terms.trash.is_some());
        match Limits::of(terms, what) {
            Some(limits) => store.limited(limits),
            None => store,
        }
    }

    fn root_at(&self, folder: &Location) -> Result<Arc<Root>> {
        match folder {
            Location::Below(name) => self.root_of(name),
            Location::Elsewhere(path) => self.root_elsewhere(path),
        }
    }

    /// What is counted of this shared folder, the same for all sessions.
    fn share_of(&self, folder: &Location, root: &Arc<Root>) -> Arc<Share> {
        let mut shares = self.shares.lock();
        if let Some(share) = shares.get(folder).filter(|share| share.is_over(root)) {
            return Arc::clone(share);
        }
        let share = Share::of(root);
        shares.insert(folder.clone(), Arc::clone(&share));
        share
    }

    fn lock_roots(&self) -> MutexGuard<'_, HashMap<String, Weak<Root>>> {
        self.roots.lock()
    }

    /// Where this home is, in a tree that all sessions share whose homes are, or are in, the same folder of the data
    /// directory.
    fn place_of(&self, home: &str) -> Result<PlaceInTree> {
        // A home may be a link to another.
        let folder = homes::path_of(&self.root, home).map_err(|err| Error::file("your home folder", err))?;
        let top = PathBuf::from_iter(Path::new(OsStr::from_bytes(&folder)).components().next());
        let mut trees = self.trees.lock();
        trees.retain(|_, tree| tree.strong_count() > 0);
        let tree = match trees.get(&top).and_then(Weak::upgrade) {
            Some(tree) => tree,
            None => Arc::new(self.tree(top.as_os_str().as_bytes())),
        };
        trees.insert(top, Arc::downgrade(&tree));
        Ok(PlaceInTree { tree, start: Some(Arc::clone(&self.root)), folder, elsewhere: None })
    }

    fn directory(&self, home: &str, called: &str) -> Result<Dir> {
        let failed = |err| Error::file(called, err);
        match homes::open(&self.root, home) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            opened => return opened.map_err(failed),
        }
        // A store over all homes makes it as durably as anything in it.
        let all = LocalStore::open(self.root.try_clone().map_err(failed)?, self.options)?;
        all.make_dir(&RelPath::parse(home.as_bytes())?, true)?;
        homes::open(&self.root, home).map_err(failed)
    }
}

impl Vault for LocalVault {
    fn open(&self, home: &str, terms: HomeTerms) -> Result<Arc<dyn Store>> {
        let root = self.root_of(home)?;
        Ok(Arc::new(self.store_over(root, terms, "your quota")))
    }

    fn open_for(&self, home: &str, terms: HomeTerms, user: &str) -> Result<Arc<dyn Store>> {
        let root = self.root_of(home)?;
        Ok(Arc::new(self.store_over(root, terms, "your quota").sent_by(user)))
    }

    fn open_folder(&self, folder: &Location, terms: HomeTerms) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(self.store_over(self.root_at(folder)?, terms, "the shared folder's quota")))
    }

    fn open_folder_for(&self, folder: &Location, terms: HomeTerms, owner: &Owner) -> Result<Arc<dyn Store>> {
        let home = Location::Below(owner.home.clone());
        // What lies in the home counts there. What other servers put there would have to be looked for again and again, all of it.
        if self.is_shared || terms.quota.is_some() || terms.quota_files.is_some() || home.contains(folder) {
            return Ok(Arc::new(
                self.store_over(self.root_at(folder)?, terms, "the shared folder's quota").sent_by(&owner.sender),
            ));
        }
        let (home, root) = (self.root_at(&home)?, self.root_at(folder)?);
        let share = self.share_of(folder, &root);
        let store = LocalStore::sharing(root, self.options, Arc::clone(&self.file_systems));
        let limits = Limits::of(owner.terms, "your quota");
        Ok(Arc::new(store.keeping(terms.trash.is_some()).shared(&share, home, limits).sent_by(&owner.sender)))
    }

    fn let_go(&self, folders: &[Location]) {
        let gone: Vec<_> = folders.iter().filter_map(|folder| self.shares.lock().remove(folder)).collect();
        let trees: Vec<_> = self.trees.lock().values().filter_map(Weak::upgrade).collect();
        gone.iter().for_each(|share| trees.iter().for_each(|tree| tree.forget_share(share)));
    }

    fn prepare(&self, home: &str) -> Result<()> {
        self.directory(home, &format!("the home folder {home}")).map(drop)
    }

    /// Fails if another server has one of these homes as its data directory, or a folder that it is in, or one right in
    /// ours. Of those deeper inside, which may be anywhere in all that is stored here, the system
    /// is asked: it tells of the processes of this account.
    fn refuse_taken(&self, homes: &BTreeSet<&str>) -> Result<()> {
        // Where it cannot be read, the homes alone.
        let mut places = self.names().unwrap_or_default();
        for home in homes {
            places.extend(Path::new(home).ancestors().filter_map(Path::to_str).map(str::to_owned));
        }
        places.remove("");
        for place in places {
            if let Ok(dir) = homes::open(&self.root, &place) {
                refuse_taken(&dir, &place)?;
            }
        }
        occupancy::refuse_around(&self.path)
    }

    fn beats(&self) -> Option<Duration> {
        self.occupancy.beats()
    }

    fn beat(&self) -> Result<bool> {
        let dead = self.occupancy.beat().map_err(|err| match err.kind() {
            io::ErrorKind::AddrInUse => Error::new(Kind::Busy, format!("{}: {err}", self.path.display())),
            _ => Error::file(self.path.display(), err),
        })?;
        for node in &dead {
            tracing::warn!(data = %self.path.display(), %node, "this server has died; what it left is swept");
        }
        Ok(!dead.is_empty())
    }

    fn leave(&self) {
        self.left.say();
        let mut trees: Vec<_> = self.trees.lock().values().filter_map(Weak::upgrade).collect();
        trees.extend(self.trees_elsewhere.lock().values().filter_map(Weak::upgrade));
        let elsewhere: Vec<_> = self.elsewhere.lock().values().filter_map(Weak::upgrade).collect();
        trees.extend(elsewhere.iter().map(|root| Arc::clone(&root.place().tree)));
        trees.iter().for_each(|tree| tree.is_left_by_all());
        self.occupancy.leave();
    }

    fn node_place(&self) -> Option<NodePlace> {
        self.occupancy.place()
    }

    fn knows_the_time(&self) -> Option<bool> {
        self.occupancy.knows_the_time()()
    }

    /// The folders right in the data directory.
    fn names(&self) -> Result<BTreeSet<String>> {
        let failed = |err| Error::file("the data folder", err);
        let mut names = BTreeSet::new();
        for entry in self.root.entries().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) && entry.file_name() != limits::RESERVED_NAME {
                // The name of a home is text.
                names.extend(entry.file_name().into_string().ok());
            }
        }
        Ok(names)
    }

    fn counts_interrupted(&self) -> bool {
        !self.is_shared
    }

    fn sweep(&self, home: &str, max_age: Option<Duration>) -> Result<Swept> {
        self.may_sweep(home)?;
        let max_age = self.age_by_all_clocks(max_age);
        match homes::open(&self.root, home) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(Swept::default()),
            Err(err) => Err(Error::file(home, err)),
            Ok(dir) => {
                let root = Arc::new(Root::within(&dir, self.place_of(home)?)?);
                LocalStore::sharing(root, self.options, Arc::clone(&self.file_systems)).sweep(max_age)
            }
        }
    }

    fn sweep_folder(&self, folder: &Location, max_age: Option<Duration>) -> Result<Swept> {
        match folder {
            Location::Below(name) => self.sweep(name, max_age),
            Location::Elsewhere(path) => {
                self.may_sweep(path.display())?;
                let max_age = self.age_by_all_clocks(max_age);
                let root = self.root_elsewhere(path)?;
                LocalStore::sharing(root, self.options, Arc::clone(&self.file_systems)).sweep(max_age)
            }
        }
    }

    fn sweep_trash(&self, folder: &Location, max_age: Duration) -> Result<usize> {
        self.may_sweep("the trash")?;
        if !self.goes_by_age()() {
            return Ok(0);
        }
        let root = match folder {
            Location::Elsewhere(path) => self.root_elsewhere(path)?,
            Location::Below(name) => match homes::open(&self.root, name) {
                Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(0),
                Err(err) => return Err(Error::file(name, err)),
                Ok(dir) => Arc::new(Root::within(&dir, self.place_of(name)?)?),
            },
        };
        LocalStore::sharing(root, self.options, Arc::clone(&self.file_systems)).sweep_trash(max_age)
    }
}

/// Fails if another server has this folder as its data directory.
fn refuse_taken(dir: impl AsFd, called: &str) -> Result<()> {
    match occupancy::is_taken(dir) {
        true => Err(Error::new(Kind::Busy, format!("{called}: another sealiftd serves this folder as its own"))),
        false => Ok(()),
    }
}

/// Whether two handles are of one directory: somebody may have put another one in its place.
fn is_same(one: &Dir, other: &Dir) -> bool {
    match (fstat(one), fstat(other)) {
        (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
        _ => false,
    }
}

#[cfg(test)]
mod taking_tests;
#[cfg(test)]
mod tests;
