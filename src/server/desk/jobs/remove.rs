//! Removing a file, or a folder with all in it. Where that is kept it is one rename; else a tree goes in steps, under no name.

use super::work::{Job, Work, Worked};
use crate::auth::Access;
use crate::error::Error;
use crate::files::aside::name_before;
use crate::files::{Keep, RelPath, Removal, Removed, Removing, Store};
use crate::machine::turns;
use crate::server::desk::outcome::{Begun, Outcome};
use crate::server::desk::running::Running;
use crate::server::desk::{Desk, Earlier, gate};

/// A tree that has lost its name and is being removed. Dropped before it is over it leaves the rest to the store.
struct RemoveJob(Box<dyn Removing>);

impl Job for RemoveJob {
    fn left_to_hash(&self) -> u64 {
        0
    }

    fn step(mut self: Box<Self>, desk: &mut Desk, running: Running, earlier: Earlier<'_>) -> Worked {
        let stepped = turns::block_in_place(|| self.0.step());
        let removed = self.0.removed();
        running.has_removed(removed);
        match stepped {
            Ok(false) => Worked::on(self, running),
            Ok(true) => desk.done(Ok(Outcome::Removed(removed)), running, earlier),
            Err(error) => desk.done(Err(half_done(error, removed)), running, earlier),
        }
    }

    fn given_up(self: Box<Self>, why: Error) -> Error {
        let Removed { files, folders, .. } = self.0.removed();
        why.and(format_args!("; {files} files and {folders} folders are removed, and so will be the rest"))
    }
}

/// This error as a client is told it, with what is gone all the same.
fn half_done(error: Error, removed: Removed) -> Error {
    if removed == Removed::default() {
        return error;
    }
    let Removed { files, folders, .. } = removed;
    error.for_client().and(format_args!("; of what was to be removed {files} files and {folders} folders are gone"))
}

impl Desk {
    /// What has only stood beside its place is `for_good`: it never was anything.
    pub(in crate::server::desk) fn begin_remove(
        &self,
        path: &RelPath,
        recursive: bool,
        for_good: bool,
        running: Running,
    ) -> Begun {
        let before = self.before_it_was_aside(path);
        let keep = if for_good { Keep::Nothing } else { Keep::As(before.as_ref().unwrap_or(path)) };
        self.begin_removing(&*self.store, path, recursive, keep, running)
    }

    pub(in crate::server::desk) fn begin_removing(
        &self,
        store: &dyn Store,
        path: &RelPath,
        recursive: bool,
        keep: Keep<'_>,
        running: Running,
    ) -> Begun {
        let seen = running.seen().and_then(|seen| seen.path.as_ref());
        let begun = turns::block_in_place(|| store.begin_removal(path, recursive, keep, seen));
        if begun.is_ok() {
            // Nothing has this name any more, whatever is left: what gets it next may be somebody else's.
            self.forget_locks(path);
        }
        match begun {
            Ok(Removal::Going(removing)) => Begun::Work(Work::new(RemoveJob(removing), running)),
            Ok(Removal::Done(removed)) => self.over(running, Ok(Outcome::Removed(removed))),
            Err(error) => self.over(running, Err(error)),
        }
    }

    /// How much of a tree that is being removed is gone, for whoever may know what was in it; nothing of other work.
    pub fn gone_so_far(&self, work: &Work) -> Option<Removed> {
        let running = work.running();
        let gone = Some(running.removed()).filter(|gone| *gone != Removed::default());
        gone.filter(|_| running.path().is_some_and(|path| self.may_list_all(path)))
    }

    /// What this was called before a mirror moved it aside, or what it was in, for whoever may remove that: others could have anything
    /// at all kept there.
    fn before_it_was_aside(&self, path: &RelPath) -> Option<RelPath> {
        let before = |name| name_before(name, std::iter::empty());
        path.components().find_map(before)?;
        let names = path.components().map(|name| before(name).unwrap_or(name));
        let before = RelPath::parse(&names.collect::<Vec<_>>().join(&b'/')).ok()?;
        gate::check_at(&self.principal, Access::DELETE, &before, "DELETE").is_ok().then_some(before)
    }
}
