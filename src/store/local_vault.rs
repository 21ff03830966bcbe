//! A directory of this machine that holds every home.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::fstat;

use super::occupancy::{self, Occupancy};
use super::{FileSystems, Limits, LocalOptions, LocalStore, Place, Root, Share, Staging, Tree};
use crate::apart::Own;
use crate::byte_size::render_size;
use crate::error::{Error, Kind, Result};
use crate::files::{Durability, HomeTerms, Location, Owner, RelPath, Store, Swept, Vault};
use crate::limits;
use crate::sync::{Mutex, MutexGuard};

/// The homes in one directory, opened once, and its alone: no other process serves it, or lies in it with its own.
pub struct LocalVault {
    path: PathBuf,
    root: Arc<Dir>,
    options: LocalOptions,
    /// The homes that sessions are in.
    roots: Mutex<HashMap<String, Weak<Root>>>,
    /// By the folders right in the data directory that those homes are, or are in: one home may be inside of another.
    trees: Mutex<HashMap<PathBuf, Weak<Tree>>>,
    /// The folders elsewhere that sessions are in.
    elsewhere: Mutex<HashMap<PathBuf, Weak<Root>>>,
    /// The shared folders that count for each who shares them: what they were found to hold is kept as long as the server runs.
    shares: Mutex<HashMap<Location, Arc<Share>>>,
    /// What no folder elsewhere may meet when it is opened.
    apart: OnceLock<Vec<Own>>,
    /// What the file systems of the homes were found to do. Each is tried at the first change to it and not before, as the
    /// account and inside the sandbox that the server has then.
    file_systems: Arc<FileSystems>,
    /// What is left over in the data directory belongs to no other running server.
    occupancy: Occupancy,
}

impl LocalVault {
    /// Opens the data directory, and makes it if it is missing, for the server's account alone.
    ///
    /// # Errors
    /// [`Kind::Busy`] if another server has it, and those of the file system, all naming the directory.
    pub fn open(data: &Path, durability: Durability) -> Result<LocalVault> {
        let failed = |err| Error::file(data.display(), err);
        occupancy::refuse_inside(data)?;
        make(data).map_err(failed)?;
        let root = Dir::open_ambient_dir(data, ambient_authority()).map_err(failed)?;
        let occupancy = Occupancy::take(&root, data)?;
        try_out(&root, data, durability)?;
        let options = LocalOptions { durability, staging: Staging::Hidden };
        Ok(LocalVault {
            path: data.to_owned(),
            root: Arc::new(root),
            options,
            roots: Mutex::default(),
            trees: Mutex::default(),
            elsewhere: Mutex::default(),
            shares: Mutex::default(),
            apart: OnceLock::new(),
            file_systems: Arc::default(),
            occupancy,
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
    /// has its name when a session begins is it.
    fn root_elsewhere(&self, path: &Path) -> Result<Arc<Root>> {
        let failed = |err| Error::file(path.display(), err);
        let there = Dir::open_ambient_dir(path, ambient_authority()).map_err(failed)?;
        refuse_meeting(&self.path, path)?;
        self.refuse_own(&there, path)?;
        refuse_taken(&there, &path.display().to_string())?;
        let mut elsewhere = self.elsewhere.lock();
        elsewhere.retain(|_, root| root.strong_count() > 0);
        let is_it = |kept: &Arc<Root>| kept.dir().is_ok_and(|kept| is_same(&kept, &there));
        if let Some(kept) = elsewhere.get(path).and_then(Weak::upgrade).filter(is_it) {
            return Ok(kept);
        }
        let root = Arc::new(Root::alone(&there)?);
        elsewhere.insert(path.to_owned(), Arc::downgrade(&root));
        Ok(root)
    }

    /// Fails if an open folder meets what it is to be apart from. The system says where it is: whatever its name leads to by now.
    fn refuse_own(&self, there: &Dir, path: &Path) -> Result<()> {
        let Some(apart) = self.apart.get() else { return Ok(()) };
        let is = fs::read_link(format!("/proc/self/fd/{}", there.as_raw_fd())).or_else(|_| path.canonicalize());
        let is = is.map_err(|err| Error::file(path.display(), err))?;
        match apart.iter().find(|own| own.meets(&is, false)) {
            Some(own) => {
                let text = format!(
                    "{} leads to {} now: that and {} are one in the other",
                    path.display(),
                    is.display(),
                    own.what()
                );
                Err(Error::new(Kind::Denied, text))
            }
            None => Ok(()),
        }
    }

    /// `what` is what is bounded.
    fn store_over(&self, root: Arc<Root>, terms: HomeTerms, what: &str) -> Arc<dyn Store> {
        let store = LocalStore::sharing(root, self.options, Arc::clone(&self.file_systems));
        let store = store.keeping(terms.trash.is_some());
        Arc::new(match limits_of(terms, what) {
            Some(limits) => store.limited(limits),
            None => store,
        })
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
    fn place_of(&self, home: &str) -> Result<Place> {
        // A home may be a link to another.
        let real = self.root.canonicalize(home).map_err(|err| Error::file("your home folder", err))?;
        let top = PathBuf::from_iter(real.components().next());
        let mut trees = self.trees.lock();
        trees.retain(|_, tree| tree.strong_count() > 0);
        let tree = trees.get(&top).and_then(Weak::upgrade).unwrap_or_default();
        trees.insert(top, Arc::downgrade(&tree));
        Ok(Place { tree, start: Some(Arc::clone(&self.root)), folder: real.into_os_string().into_vec() })
    }

    fn directory(&self, home: &str, called: &str) -> Result<Dir> {
        let failed = |err| Error::file(called, err);
        match self.root.open_dir(home) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            opened => return opened.map_err(failed),
        }
        // A store over all homes makes it as durably as anything in it.
        let all = LocalStore::open(self.root.try_clone().map_err(failed)?, self.options)?;
        all.make_dir(&RelPath::parse(home.as_bytes())?, true)?;
        self.root.open_dir(home).map_err(failed)
    }
}

impl Vault for LocalVault {
    fn open(&self, home: &str, terms: HomeTerms) -> Result<Arc<dyn Store>> {
        let root = self.root_of(home)?;
        Ok(self.store_over(root, terms, "your quota"))
    }

    fn open_folder(&self, folder: &Location, terms: HomeTerms) -> Result<Arc<dyn Store>> {
        Ok(self.store_over(self.root_at(folder)?, terms, "the shared folder's quota"))
    }

    fn open_folder_for(&self, folder: &Location, terms: HomeTerms, owner: &Owner) -> Result<Arc<dyn Store>> {
        let home = Location::Below(owner.home.clone());
        // What lies in the home counts there.
        if terms.quota.is_some() || terms.quota_files.is_some() || home.contains(folder) {
            return self.open_folder(folder, terms);
        }
        let (home, root) = (self.root_at(&home)?, self.root_at(folder)?);
        let share = self.share_of(folder, &root);
        let store = LocalStore::sharing(root, self.options, Arc::clone(&self.file_systems));
        let limits = limits_of(owner.terms, "your quota");
        Ok(Arc::new(store.keeping(terms.trash.is_some()).shared(&share, home, limits)))
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
            if let Ok(dir) = self.root.open_dir(&place) {
                refuse_taken(&dir, &place)?;
            }
        }
        occupancy::refuse_around(&self.path)
    }

    fn beats(&self) -> bool {
        self.occupancy.beats()
    }

    fn beat(&self) -> Result<()> {
        self.occupancy.beat().map_err(|err| Error::file(self.path.display(), err))
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

    fn sweep(&self, home: &str, max_age: Option<Duration>) -> Result<Swept> {
        match self.root.open_dir(home) {
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
                let root = self.root_elsewhere(path)?;
                LocalStore::sharing(root, self.options, Arc::clone(&self.file_systems)).sweep(max_age)
            }
        }
    }

    fn sweep_trash(&self, folder: &Location, max_age: Duration) -> Result<usize> {
        let root = match folder {
            Location::Elsewhere(path) => self.root_elsewhere(path)?,
            Location::Below(name) => match self.root.open_dir(name) {
                Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(0),
                Err(err) => return Err(Error::file(name, err)),
                Ok(dir) => Arc::new(Root::within(&dir, self.place_of(name)?)?),
            },
        };
        LocalStore::sharing(root, self.options, Arc::clone(&self.file_systems)).sweep_trash(max_age)
    }
}

/// The bounds that these are; `what` is what is bounded.
fn limits_of(terms: HomeTerms, what: &str) -> Option<Limits> {
    let limits = Limits {
        bytes: terms.quota.map(|most| (most, format!("over {what} of {}", render_size(most)))),
        files: terms.quota_files.map(|most| (most, format!("over {what} of {most} files"))),
    };
    (limits.bytes.is_some() || limits.files.is_some()).then_some(limits)
}

/// Fails if a folder elsewhere is the data directory, around it or in it: what is there would be reached past the rights of
/// whose it is.
///
/// # Errors
/// [`Kind::BadConfig`], and that one of them cannot be found.
pub fn refuse_meeting(data: &Path, folder: &Path) -> Result<()> {
    let real = |path: &Path| path.canonicalize().map_err(|err| Error::file(path.display(), err));
    let (data_is, folder_is) = (real(data)?, real(folder)?);
    if data_is.starts_with(&folder_is) || folder_is.starts_with(&data_is) {
        let text =
            format!("{} and the data folder {} are the same, or one is in the other", folder.display(), data.display());
        return Err(Error::new(Kind::BadConfig, text));
    }
    Ok(())
}

/// Fails if another server has this folder as its data directory.
fn refuse_taken(dir: impl AsFd, called: &str) -> Result<()> {
    match occupancy::is_taken(dir) {
        true => Err(Error::new(Kind::Busy, format!("{called}: another sealiftd serves this folder as its own"))),
        false => Ok(()),
    }
}

/// Tries what the file system of the data directory does, and says in the log what has to be done without.
fn try_out(root: &Dir, data: &Path, durability: Durability) -> Result<()> {
    match LocalStore::try_out(root, durability) {
        Ok(found) => {
            for trial in found.trials().iter().filter(|trial| !trial.works) {
                tracing::warn!(
                    data = %data.display(),
                    "this file system is without {}: {}", trial.what, trial.without
                );
            }
            Ok(())
        }
        // A place to read from, or a full one, which may be emptied.
        Err(error) if matches!(error.kind(), Kind::Denied | Kind::NoSpace | Kind::Quota) => {
            tracing::warn!(data = %data.display(), %error, "not tried what this file system does");
            Ok(())
        }
        Err(error) => Err(Error::new(error.kind(), format!("{}: {}", data.display(), error.text())).with_source(error)),
    }
}

/// Whether two handles are of one directory: somebody may have put another one in its place.
fn is_same(one: &Dir, other: &Dir) -> bool {
    match (fstat(one), fstat(other)) {
        (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
        _ => false,
    }
}

/// Whether this home below the data directory is there, found as a login finds it. Makes nothing.
///
/// # Errors
/// What would make that login fail: something else has its name, it cannot be opened, or it is a link that leads out of
/// the data directory or nowhere.
pub fn look_at_home(data: &Path, home: &str) -> Result<bool> {
    let called = data.join(home);
    let failed = |err| Error::file(called.display(), err);
    let root = match Dir::open_ambient_dir(data, ambient_authority()) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened.map_err(failed)?,
    };
    match root.open_dir(home) {
        Ok(_) => Ok(true),
        Err(err) if err.kind() == io::ErrorKind::NotFound => match root.symlink_metadata(home) {
            Ok(_) => Err(Error::new(Kind::NotDirectory, format!("{}: is a link to nothing", called.display()))),
            Err(_) => Ok(false),
        },
        Err(err) => Err(failed(err)),
    }
}

/// Makes a directory, with those above it. Each new name is synced: a file that is acknowledged must not go with the
/// folder it is in.
fn make(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|above| !above.as_os_str().is_empty() && !above.exists()).collect();
    for directory in missing.into_iter().rev() {
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(err) if err.kind() != io::ErrorKind::AlreadyExists => return Err(err),
            _ => {}
        }
        let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_missing_data_directory_is_made_for_the_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("a/b");
        let homes = LocalVault::open(&data, Durability::Full).unwrap();
        homes.prepare("team/public").unwrap();
        homes.prepare("team/public").unwrap();
        assert!(data.join("team/public").is_dir());
        assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn one_server_at_a_time_has_a_data_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = LocalVault::open(dir.path(), Durability::Full).unwrap();
        let refused = LocalVault::open(dir.path(), Durability::Full).err().unwrap();
        assert_eq!(refused.kind(), Kind::Busy);
        drop(first);
        LocalVault::open(dir.path(), Durability::Full).unwrap();
    }

    #[test]
    fn sessions_of_one_home_share_its_root_and_what_has_its_name_is_it() {
        let dir = tempfile::tempdir().unwrap();
        let homes = LocalVault::open(dir.path(), Durability::None).unwrap();
        let first = homes.root_of("alice").unwrap();
        assert!(Arc::ptr_eq(&first, &homes.root_of("alice").unwrap()));
        assert!(!Arc::ptr_eq(&first, &homes.root_of("bob").unwrap()));
        let old = first.dir().unwrap();
        fs::rename(dir.path().join("alice"), dir.path().join("old")).unwrap();
        let second = homes.root_of("alice").unwrap();
        assert!(!is_same(&old, &second.dir().unwrap()));
        assert!(dir.path().join("alice").is_dir());
        // Whoever was there before sees it at once if a session did it, and else soon.
        let deadline = Instant::now() + Duration::from_secs(20);
        while is_same(&old, &first.dir().unwrap()) {
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(is_same(&first.dir().unwrap(), &second.dir().unwrap()));
        drop((first, second));
        homes.root_of("carol").unwrap();
        assert_eq!(homes.roots.lock().len(), 1);
    }

    #[test]
    fn a_home_that_is_a_link_out_of_the_data_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let homes = LocalVault::open(&data, Durability::Full).unwrap();
        std::os::unix::fs::symlink("..", data.join("out")).unwrap();
        std::os::unix::fs::symlink("../made", data.join("new")).unwrap();
        homes.prepare("out").unwrap_err();
        homes.prepare("new").unwrap_err();
        look_at_home(&data, "out").unwrap_err();
        look_at_home(&data, "new").unwrap_err();
        assert!(!look_at_home(&data, "neither/there").unwrap());
        homes.prepare("there").unwrap();
        assert!(look_at_home(&data, "there").unwrap());
        assert!(!dir.path().join("made").exists());
    }
}
