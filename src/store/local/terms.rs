//! How a store is kept: what it may hold, and whether what is deleted stays for a while. Both may change while it is used.

use std::sync::Arc;

use super::LocalStore;
use super::account::{Bound, Limits, Promise, Sum};
use super::jail::Jail;
use super::owned::Share;
use super::root::Root;
use crate::error::Result;
#[cfg(feature = "server")]
use crate::files::HomeTerms;
use crate::files::{Hash, RelPath};

/// The home in which what is put into a shared folder counts.
pub(super) struct CountedIn {
    share: Arc<Share>,
    home: Arc<Root>,
}

impl CountedIn {
    fn bound(&self, limits: Limits) -> Bound {
        Bound::new(&Arc::new(Jail::new(Arc::clone(&self.home))), limits).into_share(&self.share)
    }
}

impl LocalStore {
    /// This store, refusing with [`crate::Kind::Quota`] and their texts what would make the files in it more than these limits. Counted is
    /// what any store of the same tree puts there and removes, to the byte, and what is kept of interrupted uploads. Those leave nothing in
    /// another store over a folder in it, nor in a tree that other servers change too: there they would not be counted.
    pub fn limited(self, limits: Limits) -> LocalStore {
        *self.bound.write() = Some(Arc::new(Bound::new(&self.jail, limits)));
        self
    }

    /// [`LocalStore::limited`] to so many bytes.
    pub fn bounded(self, limit: u64, refusal: String) -> LocalStore {
        self.limited(Limits { bytes: Some((limit, refusal)), files: None })
    }

    /// This store for one of those who share this folder: what is put into it counts in these limits of the home that this root is of,
    /// together with what is there and in other shared folders.
    pub fn shared(mut self, share: &Arc<Share>, home: Arc<Root>, limits: Option<Limits>) -> LocalStore {
        self.stage.owner = Some(Hash::of(&home.place().folder));
        let counted = CountedIn { share: Arc::clone(share), home };
        *self.bound.write() = limits.map(|limits| Arc::new(counted.bound(limits)));
        #[cfg(feature = "server")]
        {
            self.counted_in = Some(counted);
        }
        self
    }

    /// This store, in which what is deleted or replaced is kept, where [`LocalStore::sweep_trash`] and [`crate::files::Store::trash`] find it. That is
    /// for a store that stages in its root.
    pub fn keeping(self, keeps: bool) -> LocalStore {
        self.stage.set_keeps(keeps);
        self
    }

    /// The bound of now.
    pub(super) fn bound(&self) -> Option<Arc<Bound>> {
        self.bound.read().clone().filter(|bound| bound.limits().are_any())
    }

    /// Goes by these terms of a home from now on. Uploads under way that have a bound go by the new limits, too; those that have none
    /// get one at their commit.
    #[cfg(feature = "server")]
    pub(super) fn go_by(&self, terms: HomeTerms) {
        self.stage.set_keeps(terms.trash.is_some());
        self.bound_by(Limits::of(terms, "your quota"), |limits| Bound::new(&self.jail, limits));
    }

    /// [`crate::files::Store::count_by`].
    #[cfg(feature = "server")]
    pub(super) fn count_in_home_by(&self, terms: HomeTerms) {
        if let Some(counted) = &self.counted_in {
            self.bound_by(Limits::of(terms, "your quota"), |limits| counted.bound(limits));
        }
    }

    /// A bound that there is stays, also for no limits: uploads under way have their promises by it, and there may be limits again before they
    /// are over.
    #[cfg(feature = "server")]
    fn bound_by(&self, limits: Option<Limits>, new: impl FnOnce(Limits) -> Bound) {
        let mut bound = self.bound.write();
        match (&*bound, limits) {
            (Some(bound), limits) => bound.set_limits(limits.unwrap_or_default()),
            (None, Some(limits)) => *bound = Some(Arc::new(new(limits))),
            (None, None) => {}
        }
    }

    /// Room for so many bytes of an upload, where there is a bound.
    pub(super) fn promise(&self, path: &RelPath, bytes: u64) -> Result<Option<Promise>> {
        self.bound().map(|bound| Promise::of(&bound, &self.stage, path, Sum::file(bytes))).transpose()
    }

    /// Has what there is counted, where there is a bound: what is over it goes by that, and not after somebody was told of it.
    pub(super) fn count_first(&self, path: &RelPath) -> Result<Option<Promise>> {
        self.bound().map(|bound| Promise::of(&bound, &self.stage, path, Sum::NONE)).transpose()
    }
}

#[cfg(all(test, feature = "server"))]
mod tests {
    use super::super::{LocalOptions, Staging};
    use super::*;
    use crate::error::Kind;
    use crate::files::{Durability, Store as _, UploadSpec};

    #[test]
    fn what_was_promised_goes_by_the_limits_of_now_also_where_there_were_none_meanwhile() {
        let place = tempfile::tempdir().unwrap();
        let options = LocalOptions::new(Durability::None, Staging::Hidden);
        let store = LocalStore::open_path(place.path(), options).unwrap();
        let quota = |most: u64| store.go_by(HomeTerms::none().bounded(Some(most)));
        let begin = |name: &str| {
            let path = RelPath::parse(name.as_bytes()).unwrap();
            let mut upload = store.begin(&path, UploadSpec::default()).unwrap();
            upload.append(&[7; 500]).unwrap();
            upload
        };
        quota(1000);
        let (promised, freed) = (begin("promised"), begin("freed"));
        store.go_by(HomeTerms::none());
        assert!(store.usage().unwrap().is_none());
        let free = begin("free");
        store.commit_one(freed).unwrap();
        quota(600);
        for upload in [promised, free] {
            assert_eq!(store.commit_one(upload).map(drop).unwrap_err().kind(), Kind::Quota);
        }
        assert_eq!(store.usage().unwrap().map(|usage| (usage.used, usage.limit)), Some((500, 600)));
    }
}
