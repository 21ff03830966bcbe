//! Other names in a home and in the folders that show in it.

use super::JoinedStore;
use crate::error::{Error, Kind, Result};
use crate::files::{RelPath, SeenAt, Stored};

impl JoinedStore {
    /// [`crate::files::Store::rename`], only if that is there which was seen.
    pub(super) fn give_name(&self, (from, to): (&RelPath, &RelPath), replace: bool, seen: &SeenAt) -> Result<Stored> {
        self.refuse_fixed(from)?;
        self.refuse_fixed(to)?;
        let (source, target) = (self.route(from)?, self.route(to)?);
        if source.at != target.at {
            // Whatever is wrong with it is said of the path that the user knows.
            source.with(|store, from| store.stat(from))?;
            self.refuse_folder(to)?;
            self.make_room(to)?;
            let (from, to) = (&source.path, &target.path);
            return source.with_both(&target, || target.store.rename_from(&*source.store, from, to, replace, seen));
        }
        self.make_room(to)?;
        let (from, to) = (&source.path, &target.path);
        source.with_both(&target, || match seen.is_said() {
            false => source.store.rename(from, to, replace),
            true => source.store.rename_seen(from, to, replace, seen),
        })
    }

    /// [`crate::files::Store::supersede`], only if that is there which was seen.
    pub(super) fn put_in_place(
        &self,
        (from, to): (&RelPath, &RelPath),
        seen: &SeenAt,
    ) -> Result<(Stored, Option<RelPath>)> {
        self.refuse_fixed(from)?;
        self.refuse_fixed(to)?;
        let (route, target) = (self.route(from)?, self.route(to)?);
        if route.at != target.at {
            return Err(Error::new(Kind::OtherFolder, from.said_with(to, "is in another shared folder")));
        }
        let (from, to) = (&route.path, &target.path);
        let (stored, old) = route.with_both(&target, || match seen.is_said() {
            false => route.store.supersede(from, to),
            true => route.store.supersede_seen(from, to, seen),
        })?;
        let old = match (old, route.at) {
            (Some(old), Some(at)) => Some(at.join(old.as_bytes())?),
            (old, _) => old,
        };
        Ok((stored, old))
    }
}
