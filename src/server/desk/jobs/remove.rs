//! Removing a file, or a folder with all in it. Where that is kept it is one rename; else a tree goes in steps, under no name.

use std::path::Path;

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
struct RemoveJob {
    removing: Box<dyn Removing>,
    /// Whoever asked for it might list all that was in it.
    is_told: bool,
}

impl Job for RemoveJob {
    fn left_to_hash(&self) -> u64 {
        0
    }

    fn step(mut self: Box<Self>, desk: &mut Desk, running: Running, earlier: Earlier<'_>) -> Worked {
        let stepped = turns::block_in_place(|| self.removing.step());
        let removed = self.removing.removed();
        running.has_removed(removed);
        match stepped {
            Ok(false) => Worked::on(self, running),
            Ok(true) => desk.done(Ok(Outcome::Removed(removed)), running, earlier),
            Err(error) => {
                let error = desk.half_done(error, removed, &running);
                desk.done(Err(error), running, earlier)
            }
        }
    }

    fn given_up(self: Box<Self>, why: Error) -> Error {
        if !self.is_told {
            return why;
        }
        let Removed { files, folders, .. } = self.removing.removed();
        why.and(format_args!("; {files} files and {folders} folders are removed, and so will be the rest"))
    }
}

impl Desk {
    /// This error as a client is told it, with what is gone all the same. Who may not list what was in it is told neither that nor what
    /// it was that could not be removed.
    fn half_done(&self, error: Error, removed: Removed, running: &Running) -> Error {
        let Some(path) = running.path() else { return error };
        if self.may_list_all(path) {
            if removed == Removed::default() {
                return error;
            }
            let Removed { files, folders, .. } = removed;
            let gone = format_args!("; of what was to be removed {files} files and {folders} folders are gone");
            return error.for_client().and(gone);
        }
        if error.path().is_none_or(|said| said == Path::new(&path.to_string())) {
            return error;
        }
        self.audit.warn("not all of it is removed", &error);
        let (kind, _) = error.told_by_server();
        Error::new(kind, path.said("something in it cannot be removed"))
    }

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
            Ok(Removal::Going(removing)) => {
                let is_told = self.may_list_all(path);
                Begun::Work(Work::new(RemoveJob { removing, is_told }, running))
            }
            Ok(Removal::Done(removed)) => self.over(running, Ok(Outcome::Removed(removed))),
            Err(error) => {
                let error = self.half_done(error, Removed::default(), &running);
                self.over(running, Err(error))
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Kind, Result};
    use crate::server::desk::op::Op;
    use crate::server::desk::tests::Bench;

    /// What could be removed but for one thing.
    struct Stuck;

    impl Removing for Stuck {
        fn step(&mut self) -> Result<bool> {
            let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
            Err(Error::file(RelPath::parse(b"tree/private")?, denied))
        }

        fn removed(&self) -> Removed {
            Removed::new(2, 1)
        }
    }

    /// What is told of a removal that fails, and of one that is given up, to whom this is allowed.
    fn told(access: &str) -> (Kind, String, String) {
        let mut bench = Bench::new(access);
        let path = RelPath::parse(b"tree").unwrap();
        let work = |desk: &Desk| {
            let op = Op::Remove { path: path.clone(), recursive: true, for_good: true };
            let running = Running::new(&op, "DELETE", desk.principal.grants());
            let is_told = desk.may_list_all(&path);
            Work::new(RemoveJob { removing: Box::new(Stuck), is_told }, running)
        };
        let begun = work(&bench.desk);
        let Worked::Done(Err(failed)) = bench.desk.work(begun, &mut |_, _| {}) else { panic!("it fails") };
        let begun = work(&bench.desk);
        let kicked = bench.desk.drop_work(begun, Error::new(Kind::Kicked, "you are kicked"), &mut |_, _| {});
        let (kind, text) = failed.told_by_server();
        (kind, text.into_owned(), kicked.text().to_owned())
    }

    #[test]
    fn who_may_not_list_is_not_told_what_was_in_it() {
        let (kind, failed, kicked) = told("full");
        assert_eq!(kind, Kind::Io);
        let why = "the server's own account may not do that on its disk";
        assert_eq!(failed, format!("tree/private: {why}; of what was to be removed 2 files and 1 folders are gone"));
        assert_eq!(kicked, "you are kicked; 2 files and 1 folders are removed, and so will be the rest");
        let (kind, failed, kicked) = told("[\"upload\", \"delete\"]");
        assert_eq!((kind, &*failed), (Kind::Io, "tree: something in it cannot be removed"));
        assert_eq!(kicked, "you are kicked");
    }
}
