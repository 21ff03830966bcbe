//! What was deleted or replaced in a home and in the folders that show in it.

use super::{JoinedStore, Joint, Lease};
use crate::error::{Error, Kind, Result};
use crate::files::{Prepared, RelPath, Store, TrashId, TrashList, Trashed};

impl JoinedStore {
    /// What a path of the store that shows there is called here, if it is to be seen: what is in the home below a folder that shows
    /// there is hidden, and comes back when that is gone.
    fn outside(&self, at: Option<&RelPath>, inner: &RelPath) -> Option<RelPath> {
        match at {
            None => (!self.mounts.iter().any(|mount| inner.is_within(&mount.at))).then(|| inner.clone()),
            Some(at) => at.join(inner.as_bytes()).ok(),
        }
    }

    pub(super) fn list_trash(
        &self,
        path: &RelPath,
        most: usize,
        shown: &dyn Fn(&RelPath) -> bool,
    ) -> Result<TrashList> {
        let route = self.route(path)?;
        let of = |store: &dyn Store, path: &RelPath, at: Option<&RelPath>| {
            let list = store.trash(path, most, &|inner| self.outside(at, inner).is_some_and(|path| shown(&path)))?;
            let outer = list.entries.into_iter().filter_map(|entry| {
                let path = self.outside(at, &entry.path)?;
                Some(Trashed { path, ..entry })
            });
            Ok::<_, Error>(TrashList { entries: outer.collect(), is_cut: list.is_cut })
        };
        let mut all = route.with(|store, path| of(store, path, route.at))?;
        for mount in self.mounts.iter().filter(|mount| mount.at != *path && mount.at.is_within(path)) {
            // One that cannot be used says so to whoever looks into it.
            let Some(store) = mount.store.as_ref().ok().and_then(Lease::get) else { continue };
            let Ok(more) = of(&*store, &RelPath::root(), Some(&mount.at)) else { continue };
            all.entries.extend(more.entries);
            all.is_cut |= more.is_cut;
        }
        all.entries.sort_by_key(|entry| std::cmp::Reverse(entry.id));
        all.is_cut |= all.entries.len() > most;
        all.entries.truncate(most);
        Ok(all)
    }

    pub(super) fn bring_back(&self, path: &RelPath, id: TrashId, to: &RelPath) -> Result<Prepared> {
        self.refuse_fixed(to)?;
        let (source, target) = (self.route(path)?, self.route(to)?);
        if source.at != target.at {
            return Err(Error::new(Kind::OtherFolder, path.said_with(to, "is in another shared folder")));
        }
        self.make_room(to)?;
        let change = source.with_both(&target, || source.store.begin_restore(&source.path, id, &target.path))?;
        Ok(match target.shown() {
            None => change,
            Some(path) => self.prepared.add(Joint::In { store: target.store, change, path }),
        })
    }

    pub(super) fn purge_all(
        &self,
        path: &RelPath,
        id: Option<TrashId>,
        shown: &dyn Fn(&RelPath) -> bool,
    ) -> Result<u64> {
        let in_sight = |at: Option<&RelPath>, inner: &RelPath| self.outside(at, inner).is_some_and(|path| shown(&path));
        let route = self.route(path)?;
        let mut gone = route.with(|store, path| store.purge(path, id, &|inner| in_sight(route.at, inner)))?;
        let mut failed = None;
        if id.is_none() {
            for mount in self.mounts.iter().filter(|mount| mount.at != *path && mount.at.is_within(path)) {
                // One that cannot be used keeps none of the others.
                match self
                    .at(&mount.at, |store, path| store.purge(path, None, &|inner| in_sight(Some(&mount.at), inner)))
                {
                    Ok(more) => gone += more,
                    Err(error) => drop(failed.get_or_insert(error)),
                }
            }
        }
        match failed {
            Some(error) if gone == 0 => Err(error),
            Some(_) | None => Ok(gone),
        }
    }
}
