//! Where the homes are: a folder of this machine, or whatever else can open a [`Store`] by a name.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{HomeTerms, Location, StorageHealth, Store};
use crate::error::{Error, Kind, Result};

/// Somebody who puts things into folders that several people share.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Owner {
    /// The home.
    pub home: String,
    /// How that is kept: its bounds are those of all that is put anywhere by whoever has it.
    pub terms: HomeTerms,
    /// Who sends it, of all who may have that home: what is left of the interrupted uploads of one is not found by the others.
    pub sender: String,
}

impl Owner {
    /// Whoever has this home, which is kept so.
    pub fn new(home: impl Into<String>, terms: HomeTerms) -> Owner {
        let home = home.into();
        Owner { sender: home.clone(), home, terms }
    }

    /// This owner, who is this one of those who have the home.
    #[must_use]
    pub fn sending_as(self, sender: impl Into<String>) -> Owner {
        Owner { sender: sender.into(), ..self }
    }
}

/// How a server is placed among several that serve the same homes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodePlace {
    /// As one of them.
    Held,
    /// It may not see what the others change: what rests on that it refuses.
    Unsure,
    /// It is none of them any more, as far as the others see, or cannot tell whether it is, and changes nothing until it is again.
    Lost,
}

impl NodePlace {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            NodePlace::Held => "held",
            NodePlace::Unsure => "unsure",
            NodePlace::Lost => "lost",
        }
    }
}

/// All homes of a server. Called from many threads at once, on threads that may wait.
///
/// The name of a home is a path of one or more plain names with `/` between them. One home may lie inside of another
/// (`team` and `team/alice`): what is stored in the inner one is then seen in the outer one, and counts there too.
pub trait Vault: Send + Sync {
    /// Opens a home, made if it is missing. Sessions of one home get a store each; what one of them has changed the
    /// others see at once. With a quota, [`crate::Kind::Quota`] is said to what would make the files in it more than so
    /// many bytes; what is kept of what was deleted counts, and goes before that is said, the oldest first.
    ///
    /// # Errors
    /// Those of the storage; they call it "your home folder", for the user reads them.
    fn open(&self, home: &str, terms: HomeTerms) -> Result<Arc<dyn Store>>;

    /// [`Vault::open`] for this one of the users who have the home: what is left of the interrupted uploads of one is not found by the
    /// others.
    ///
    /// # Errors
    /// As [`Vault::open`].
    fn open_for(&self, home: &str, terms: HomeTerms, user: &str) -> Result<Arc<dyn Store>> {
        let _all_find_it = user;
        self.open(home, terms)
    }

    /// Opens a folder that several people share, wherever it is, as [`Vault::open`] opens a home. One elsewhere is never made.
    ///
    /// # Errors
    /// As [`Vault::open`], naming the folder; [`Kind::NotFound`] where nothing is kept elsewhere.
    fn open_folder(&self, folder: &Location, terms: HomeTerms) -> Result<Arc<dyn Store>> {
        match folder {
            Location::Below(name) => self.open(name, terms),
            Location::Elsewhere(path) => {
                Err(Error::new(Kind::NotFound, format!("{}: this server keeps all files in one place", path.display())))
            }
        }
    }

    /// These folders are shared no more: what is known of them, and open for that, is let go of. Stores of them go on until they are dropped.
    fn let_go(&self, folders: &[Location]) {
        let _nothing_is_kept = folders;
    }

    /// [`Vault::open_folder`] for one of those who share it. Where the folder has no bound of its own and the storage can tell who put
    /// what there, that counts in the bounds of the owner's home.
    ///
    /// # Errors
    /// As [`Vault::open_folder`].
    fn open_folder_for(&self, folder: &Location, terms: HomeTerms, owner: &Owner) -> Result<Arc<dyn Store>> {
        let _counts_for_nobody = owner;
        self.open_folder(folder, terms)
    }

    /// What of these terms is not kept here, each as the rest of a sentence about the home or folder: nobody enters it while it is so.
    fn unkept(&self, folder: &Location, terms: &HomeTerms) -> Vec<String> {
        let _all_is_kept = (folder, terms);
        Vec::new()
    }

    /// Makes this home if it is missing, so that its files can be put there before anybody has logged in.
    ///
    /// # Errors
    /// Those of the storage, naming the home.
    fn prepare(&self, home: &str) -> Result<()>;

    /// Fails if somebody else has one of these homes, or some of it, as his own: to be asked before a server starts.
    ///
    /// # Errors
    /// [`crate::Kind::Busy`], naming the place.
    fn refuse_taken(&self, homes: &BTreeSet<&str>) -> Result<()> {
        let _nobody_else_can = homes;
        Ok(())
    }

    /// How often [`Vault::beat`] is to be called while this is served, if it is.
    fn beats(&self) -> Option<Duration> {
        None
    }

    /// Tells other servers that this one lives, where they may not see it otherwise, and looks whether the storage answers. Whether one
    /// that served the same homes has died: then what it left is to be swept, by this one.
    ///
    /// # Errors
    /// [`crate::Kind::Busy`] where another one is in the place of this one, which is to stop; those of the storage.
    fn beat(&self) -> Result<bool> {
        Ok(false)
    }

    /// How the storage answers, where it is not on this machine.
    fn health(&self) -> Option<StorageHealth> {
        None
    }

    /// This server ends, and others need not find that out. Nothing is beaten afterwards.
    fn leave(&self) {}

    /// How this server is placed among several that serve these homes, if it is one of several. Asks no disk.
    fn node_place(&self) -> Option<NodePlace> {
        None
    }

    /// Whether what is old by this server's clock is so by those of all that serve these homes; none if that is not known yet, as before the
    /// first beats. Nothing is swept by its age unless it is so. Asks no disk.
    fn knows_the_time(&self) -> Option<bool> {
        Some(true)
    }

    /// The homes that are there, of users who were removed among them; those inside of others need not be.
    ///
    /// # Errors
    /// That they cannot be listed.
    fn names(&self) -> Result<BTreeSet<String>>;

    /// Clears what dead sessions left in this home, and interrupted uploads that nobody went on with for `max_age`; all of
    /// them without one. Sessions may be in it. Nothing to do if it is missing.
    ///
    /// # Errors
    /// Those of the storage.
    fn sweep(&self, home: &str, max_age: Option<Duration>) -> Result<Swept>;

    /// Whether what is kept of interrupted uploads counts in quotas. Where it does not nothing is kept where there is one.
    fn counts_interrupted(&self) -> bool {
        false
    }

    /// [`Vault::sweep`] of a folder that several people share.
    ///
    /// # Errors
    /// As [`Vault::sweep`].
    fn sweep_folder(&self, folder: &Location, max_age: Option<Duration>) -> Result<Swept> {
        match folder {
            Location::Below(name) => self.sweep(name, max_age),
            Location::Elsewhere(_) => Ok(Swept::default()),
        }
    }

    /// Removes for good what was deleted or replaced in a home or shared folder and is older than this. How many things went.
    /// Sessions may be in it. Nothing to do if it is missing.
    ///
    /// # Errors
    /// Those of the storage.
    fn sweep_trash(&self, folder: &Location, max_age: Duration) -> Result<usize> {
        let _nothing_is_kept = (folder, max_age);
        Ok(0)
    }
}

impl<V: Vault + ?Sized> Vault for Arc<V> {
    fn open(&self, home: &str, terms: HomeTerms) -> Result<Arc<dyn Store>> {
        (**self).open(home, terms)
    }

    fn open_for(&self, home: &str, terms: HomeTerms, user: &str) -> Result<Arc<dyn Store>> {
        (**self).open_for(home, terms, user)
    }

    fn open_folder(&self, folder: &Location, terms: HomeTerms) -> Result<Arc<dyn Store>> {
        (**self).open_folder(folder, terms)
    }

    fn let_go(&self, folders: &[Location]) {
        (**self).let_go(folders);
    }

    fn open_folder_for(&self, folder: &Location, terms: HomeTerms, owner: &Owner) -> Result<Arc<dyn Store>> {
        (**self).open_folder_for(folder, terms, owner)
    }

    fn unkept(&self, folder: &Location, terms: &HomeTerms) -> Vec<String> {
        (**self).unkept(folder, terms)
    }

    fn prepare(&self, home: &str) -> Result<()> {
        (**self).prepare(home)
    }

    fn refuse_taken(&self, homes: &BTreeSet<&str>) -> Result<()> {
        (**self).refuse_taken(homes)
    }

    fn beats(&self) -> Option<Duration> {
        (**self).beats()
    }

    fn beat(&self) -> Result<bool> {
        (**self).beat()
    }

    fn health(&self) -> Option<StorageHealth> {
        (**self).health()
    }

    fn leave(&self) {
        (**self).leave();
    }

    fn node_place(&self) -> Option<NodePlace> {
        (**self).node_place()
    }

    fn knows_the_time(&self) -> Option<bool> {
        (**self).knows_the_time()
    }

    fn names(&self) -> Result<BTreeSet<String>> {
        (**self).names()
    }

    fn sweep(&self, home: &str, max_age: Option<Duration>) -> Result<Swept> {
        (**self).sweep(home, max_age)
    }

    fn counts_interrupted(&self) -> bool {
        (**self).counts_interrupted()
    }

    fn sweep_folder(&self, folder: &Location, max_age: Option<Duration>) -> Result<Swept> {
        (**self).sweep_folder(folder, max_age)
    }

    fn sweep_trash(&self, folder: &Location, max_age: Duration) -> Result<usize> {
        (**self).sweep_trash(folder, max_age)
    }
}

/// What a sweep did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Swept {
    /// Files removed.
    pub removed: usize,
    /// Interrupted uploads that can be gone on with now.
    pub saved: usize,
}
