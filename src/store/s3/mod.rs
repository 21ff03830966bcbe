//! Homes in a bucket of a storage that speaks S3: Garage, MinIO, Ceph, AWS. Several servers may have the same bucket.
//!
//! - A file is the object of its own name below `PREFIX/h/HOME/`, so that other tools can read the bucket (`names`). A folder is what
//!   a name has a slash behind; `name/`, an object of no bytes, is one that has nothing else in it.
//! - `226` comes after the storage has said that the object is there: a PUT for up to 16 MiB, else an upload in parts of 16 MiB each,
//!   which is nothing until it is completed. An answer that is lost is looked up: what is there says which upload it is from.
//! - What depends on something (`if=`, no right to replace, a rename that replaces nothing) is asked of the storage in the request that
//!   changes something. At the start it is tried whether the storage heeds that (`probe`); where it does not, such things are refused as
//!   [`crate::Kind::Unsupported`], unless the server is said to be the only one.
//! - Nothing that fails removes what had the name.
//!
//! - What homes under a quota hold each server counts for itself (`quota`, `ledger`).
//!
//! Not kept here, and refused by name: the trash (a home that has one does not open), shared folders elsewhere on
//! the machine, files of more than 156 GiB, large files under a free name, renaming of large folders.

mod carry;
mod change;
mod changers;
mod commit;
mod engine;
mod health;
mod holders;
mod journal;
mod keyring;
mod ledger;
mod listing;
mod moving;
mod names;
mod object;
mod partial;
mod parts;
mod place;
mod probe;
mod quota;
mod remove;
mod shared;
mod sign;
mod source;
mod spool;
mod store;
mod sweep;
mod terms;
mod upload;
mod xml;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::engine::Engine;
pub use self::keyring::Keys;
use self::ledger::Ledger;
use self::names::{Keyspace, Spot};
pub use self::place::{Bucket, Endpoint};
pub use self::probe::Heeds;
use self::quota::Bound;
use self::shared::Shared;
use self::store::S3Store;
pub use self::terms::unkept;
use crate::error::{Error, Kind, Result};
use crate::files::{HomeTerms, Location, Owner, RelPath, StorageHealth, Store, Swept, Vault};
use crate::limits;
use crate::outgoing::{CaRoots, Origin};
use crate::store::bounds::Limits;

/// What is to be known of a storage.
#[non_exhaustive]
pub struct S3Options {
    /// The bucket, and what all names in it begin with.
    pub bucket: Bucket,
    /// Where the storage is.
    pub endpoint: Endpoint,
    /// What it calls its region.
    pub region: String,
    /// Who we are to it.
    pub keys: Keys,
    /// Who vouches for it, where TLS is spoken. None: those that the system believes.
    pub authorities: Option<CaRoots>,
    /// A folder of this machine for uploads until they are sent; made when it is needed.
    pub spool: PathBuf,
    /// Nobody else changes the bucket: what the storage does not heed is decided in this process.
    pub alone: bool,
    /// How long a request is repeated that the storage put off or did not answer.
    pub patience: Duration,
    /// How old a count of a home under a quota may be before it is counted again: so long, or so many times as long as it took. At twice
    /// that age uploads wait for the next one.
    pub count_age: (Duration, u32),
    /// For how long what is counted of a home is kept, and counted on, when nobody is in it.
    pub count_kept: Duration,
}

impl S3Options {
    /// These, in the region that most storages know, and with nothing else said.
    pub fn new(bucket: Bucket, endpoint: Endpoint, keys: Keys, spool: PathBuf) -> S3Options {
        let (region, patience) = ("us-east-1".to_owned(), limits::ENGINE_RETRY);
        let (count_age, count_kept) = (limits::ENGINE_COUNT_AGE, limits::ENGINE_ACCOUNT_KEPT);
        let (authorities, alone) = (None, false);
        S3Options { bucket, endpoint, region, keys, authorities, spool, alone, patience, count_age, count_kept }
    }
}

/// Homes in a bucket. Clones are the same vault.
#[derive(Clone)]
pub struct S3Vault {
    shared: Arc<Shared>,
}

impl S3Vault {
    /// A vault over this storage. Names are looked up and authorities are read here, and nothing is asked of it yet.
    ///
    /// # Errors
    /// That the storage's name has no address, or a file cannot be used.
    pub fn new(options: S3Options) -> Result<S3Vault> {
        let S3Options { bucket, endpoint, region, keys, authorities, spool, alone, patience, .. } = options;
        let Endpoint(place) = endpoint;
        let authorities = match (place.tls, authorities) {
            (true, None) => Some(CaRoots::of_the_system()?),
            (_, said) => said,
        };
        let origin = Arc::new(Origin::new(place, authorities.as_ref())?);
        let engine = Engine::new(origin, bucket.name, region, keys, patience);
        let (keys, ledger) = (Keyspace::of(bucket.prefix), Ledger::new(alone, options.count_age, options.count_kept));
        Ok(S3Vault { shared: Arc::new(Shared::new(engine, keys, spool, ledger)?) })
    }

    /// Asks the storage whether it does what it is relied on for, and how long the names are that it takes, with objects of our own. Before
    /// this is done no condition counts as heeded.
    ///
    /// # Errors
    /// [`Kind::Unavailable`], or what the storage refuses.
    pub fn probe(&self) -> Result<Heeds> {
        let number = crate::random::number()?;
        let engine = &self.shared.engine;
        let key = self.shared.keys.trial(number);
        let tried = engine.try_conditions(&key).and_then(|heeds| Ok((heeds, engine.try_names(&key)?)));
        // Only those who run the server are told where it is.
        let (heeds, longest) = tried.map_err(|error| error.about(engine.origin.place().to_string()))?;
        *self.shared.heeds.write() = heeds;
        self.shared.keys.bound(longest);
        Ok(heeds)
    }

    /// How many bytes the longest name has that the storage takes, with the prefix, the home and the folders, where that is less than usual.
    pub fn short_names(&self) -> Option<usize> {
        Some(self.shared.keys.longest()).filter(|longest| *longest < limits::ENGINE_KEY_MAX)
    }

    /// Whether what the storage is told can be read on the way, outside of this machine and private networks.
    pub fn is_exposed(&self) -> bool {
        let place = self.shared.engine.origin.place();
        !place.tls && !place.is_near()
    }

    /// The one port that is connected to.
    pub fn port(&self) -> u16 {
        self.shared.engine.origin.place().port
    }

    fn home(&self, home: &str) -> Result<Spot> {
        RelPath::parse(home.as_bytes()).map(|home| Spot::of_home(&home))
    }

    /// Opens what is bounded by what is called so.
    fn open_as(&self, home: &str, terms: HomeTerms, what: &str) -> Result<S3Store> {
        if terms.trash.is_some() {
            let text =
                "your home folder: its trash cannot be kept in an S3 storage; the administrator has to remove it";
            return Err(Error::new(Kind::Unsupported, text));
        }
        let home = self.home(home)?;
        let bound = Limits::of(terms, what).map(|limits| Bound::new(&self.shared, &home, limits)).transpose()?;
        Ok(S3Store::new(self.shared.clone(), home).bounded(bound))
    }
}

/// What is bounded there, in words.
const OF_FOLDER: &str = "the shared folder's quota";

impl Vault for S3Vault {
    fn open(&self, home: &str, terms: HomeTerms) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(self.open_as(home, terms, "your quota")?))
    }

    fn open_for(&self, home: &str, terms: HomeTerms, user: &str) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(self.open_as(home, terms, "your quota")?.sent_by(format!("/{user}"))))
    }

    fn open_folder(&self, folder: &Location, terms: HomeTerms) -> Result<Arc<dyn Store>> {
        match folder {
            Location::Below(name) => Ok(Arc::new(self.open_as(name, terms, OF_FOLDER)?)),
            Location::Elsewhere(path) => {
                Err(Error::new(Kind::NotFound, format!("{}: this server keeps all files in one place", path.display())))
            }
        }
    }

    fn open_folder_for(&self, folder: &Location, terms: HomeTerms, owner: &Owner) -> Result<Arc<dyn Store>> {
        match folder {
            Location::Below(name) => {
                let store = self.open_as(name, terms, OF_FOLDER)?;
                Ok(Arc::new(store.sent_by(format!("/{}", owner.sender))))
            }
            Location::Elsewhere(_) => self.open_folder(folder, terms),
        }
    }

    fn unkept(&self, folder: &Location, terms: &HomeTerms) -> Vec<String> {
        unkept(folder, terms)
    }

    /// A home is there when something is in it.
    fn prepare(&self, home: &str) -> Result<()> {
        self.home(home).map(drop)
    }

    fn beats(&self) -> Option<Duration> {
        Some(limits::ENGINE_LOOK)
    }

    /// Other servers are not told of anything: this looks whether the storage answers, and makes up for what it did not do before.
    fn beat(&self) -> Result<bool> {
        self.shared.engine.look(&self.shared.keys.nothing());
        // What is to be made up for when this server has left is for the next one.
        let Ok(_waited_for) = self.shared.changers.begin() else { return Ok(false) };
        self.shared.take_rest_back();
        if !self.shared.engine.is_silent()
            && let Err(why) = self.shared.settle_abandoned()
        {
            tracing::warn!(error = %why.at("the bucket"), "a RENAME that another server has left is not finished yet");
        }
        Ok(false)
    }

    fn health(&self) -> Option<StorageHealth> {
        Some(self.shared.engine.health.told())
    }

    /// First what consists of several requests comes to its end, then no request changes anything any more.
    fn leave(&self) {
        self.shared.changers.leave(limits::ENGINE_LEAVING);
        self.shared.engine.changers.leave(limits::ENGINE_LEAVING);
    }

    fn names(&self) -> Result<BTreeSet<String>> {
        let homes = self.shared.keys.homes();
        let (mut names, mut after) = (BTreeSet::new(), None);
        loop {
            let before = names.len();
            let page = self.shared.engine.page(&homes, false, limits::ENGINE_PAGE, after.as_deref());
            let page = page.map_err(|why| why.at("the homes"))?;
            let inside = page.folders.iter().filter_map(|folder| folder.strip_prefix(&homes)?.strip_suffix('/'));
            names.extend(inside.filter_map(names::path_of).filter_map(|name| String::from_utf8(name).ok()));
            match page.next {
                None => return Ok(names),
                Some(_) if names.len() == before => return Err(object::endless()),
                next => after = next,
            }
        }
    }

    fn sweep(&self, home: &str, max_age: Option<Duration>) -> Result<Swept> {
        let _waited_for = self.shared.changers.begin()?;
        self.shared.sweep(&self.home(home)?, max_age)
    }
}
