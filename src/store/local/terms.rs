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
        let bound = |limits| Arc::new(Bound::new(&Arc::new(Jail::new(home)), limits).into_share(share));
        *self.bound.write() = limits.map(bound);
        self
    }

    /// This store, in which what is deleted or replaced is kept, where [`LocalStore::sweep_trash`] and [`Store::trash`] find it. That is
    /// for a store that stages in its root.
    pub fn keeping(self, keeps: bool) -> LocalStore {
        self.stage.set_keeps(keeps);
        self
    }

    /// The bound of now.
    pub(super) fn bound(&self) -> Option<Arc<Bound>> {
        self.bound.read().clone()
    }

    /// Goes by these terms of a home from now on. Uploads under way that have a bound go by the new limits, too; those that have none
    /// get one at their commit.
    #[cfg(feature = "server")]
    pub(super) fn go_by(&self, terms: HomeTerms) {
        self.stage.set_keeps(terms.trash.is_some());
        let limits = Limits::of(terms, "your quota");
        let mut bound = self.bound.write();
        if let Some(bound) = &*bound {
            bound.set_limits(limits.clone().unwrap_or_default());
        }
        *bound = match (bound.take(), limits) {
            (_, None) => None,
            (Some(bound), Some(_)) => Some(bound),
            (None, Some(limits)) => Some(Arc::new(Bound::new(&self.jail, limits))),
        };
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
