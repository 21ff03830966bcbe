//! What a vault does where several servers serve it.

use std::io;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cap_std::fs::Dir;
use rustix::fs::fstat;

use super::super::occupancy::{is_tree_lock, tree_lock};
use super::super::{Tree, TreeLock};
use super::LocalVault;
use crate::error::{Error, Message, Result};
use crate::files::Hash;

/// Digits of the hash of a folder's name that the lock of its tree is called by.
const TREE_KEY: usize = 32;

impl LocalVault {
    /// The tree of a folder elsewhere. Where other servers change it its lock is in the folder itself, by whatever path it is reached at
    /// each; and it is the same for all who are in it here, or they would wait for each other.
    pub(super) fn tree_elsewhere(&self, there: &Dir, path: &Path) -> Result<Arc<Tree>> {
        if !self.is_shared {
            return Ok(Arc::new(Tree::default().left_with(&self.left)));
        }
        let failed = |err: io::Error| Error::file(path.display(), err);
        let stat = fstat(there).map_err(|err| failed(err.into()))?;
        let mut trees = self.trees_elsewhere.lock();
        trees.retain(|_, tree| tree.strong_count() > 0);
        if let Some(tree) = trees.get(&(stat.st_dev, stat.st_ino)).and_then(Weak::upgrade) {
            return Ok(tree);
        }
        let dir = there.try_clone().map_err(failed)?;
        // The number of a folder is the same over every mount; that of its file system is not.
        let lock = TreeLock::of(format!("{:016x}", stat.st_ino), move || tree_lock(&dir, "itself"));
        let dir = there.try_clone().map_err(failed)?;
        let lock = lock.if_it_is(move |file| is_tree_lock(&dir, "itself", file));
        let tree = Arc::new(Tree::across(self.deciding(lock)).left_with(&self.left));
        trees.insert((stat.st_dev, stat.st_ino), Arc::downgrade(&tree));
        Ok(tree)
    }

    /// The tree of the homes that are, or are in, this folder of the data directory.
    pub(super) fn tree(&self, folder: &[u8]) -> Tree {
        if !self.is_shared {
            return Tree::default().left_with(&self.left);
        }
        let mut key = Hash::of(folder).to_string();
        key.truncate(TREE_KEY);
        let (root, name) = (Arc::clone(&self.root), key.clone());
        let (root_of_it, called) = (Arc::clone(&self.root), key.clone());
        let lock = TreeLock::of(key, move || tree_lock(&root, &name));
        Tree::across(self.deciding(lock.if_it_is(move |file| is_tree_lock(&root_of_it, &called, file))))
            .left_with(&self.left)
    }

    /// Who has this lock decides nothing by what is in a file where that may not be what another server wrote, and changes nothing where
    /// this server is none of them any more.
    fn deciding(&self, lock: TreeLock) -> TreeLock {
        let lock = match self.occupancy.standing() {
            Some(standing) => {
                let looked = Arc::clone(&standing);
                lock.changing_if(move || standing.check()).known_if(move || looked.is_fresh())
            }
            None => lock,
        };
        match self.occupancy.mounts() {
            Some(mounts) => lock.deciding_if(move |device| mounts.check(device)),
            None => lock,
        }
    }

    /// Has the others' changes tried in this folder as in the data directory, for one of several servers. What is returned says whether
    /// they are seen there at once.
    ///
    /// # Errors
    /// [`Kind::Io`] where they are not, with what to mount otherwise; those of the file system.
    pub(crate) fn also_prove(
        &self,
        folder: &Dir,
        path: &Path,
    ) -> Result<impl Fn() -> Result<()> + Send + Sync + use<>> {
        let path = path.to_owned();
        let device = fstat(folder).map_err(|err| Error::file(path.display(), err.into()))?.st_dev;
        self.occupancy.prove_also(folder, &path)?;
        let (mounts, standing) = (self.occupancy.mounts(), self.occupancy.standing());
        Ok(move || {
            let stands = standing.as_ref().map_or(Ok(0), |standing| standing.check());
            let checked = stands.and_then(|_| mounts.as_ref().map_or(Ok(()), |mounts| mounts.check(device)));
            // Users are told of it: the log has said of which folder.
            checked.map_err(|err| Error::file("what the server keeps of users", err))
        })
    }

    /// Fails where this server has lost its place among others: whatever it takes for left over may be somebody's.
    pub(super) fn may_sweep(&self, what: impl Into<Message>) -> Result<()> {
        let stands = self.occupancy.standing().map_or(Ok(0), |standing| standing.check());
        stands.map(drop).map_err(|err| Error::file(what, err))
    }

    /// What says whether something may be removed because it is old: not where the servers' clocks differ, or nobody knows.
    pub(crate) fn goes_by_age(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let knows = self.occupancy.knows_the_time();
        move || knows() == Some(true)
    }

    /// How old something is to be before it is swept: where nothing goes by its age nothing is old enough.
    pub(super) fn age_by_all_clocks(&self, max_age: Option<Duration>) -> Option<Duration> {
        max_age.map(|age| if self.goes_by_age()() { age } else { Duration::MAX })
    }
}
