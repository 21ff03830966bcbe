//! What a path leads to, by links on the disk and by shared folders: rules for parts of a home are about what is there, whatever way
//! leads to it.

use super::gate::{Demand, Extent};
use super::locks::LockedPath;
use super::op::Op;
use super::outcome::Outcome;
use super::running::Running;
use super::{Desk, Earlier, gate};
use crate::auth::Access;
use crate::error::{Error, Kind, Result};
use crate::files::{Entry, EntryKind, Meta, RelPath};
use crate::machine::turns;

impl Desk {
    /// Lets an operation pass that does nothing through a link which may not be done where it leads to. What changes names or bytes is
    /// refused wherever a link is on the way.
    pub(super) fn follow_links(&mut self, op: &Op, running: Running, earlier: Earlier<'_>) -> Result<Running> {
        if self.principal.grants().rules.is_empty() {
            return Ok(running);
        }
        let facts = op.facts();
        // What is told of a link itself the operation knows.
        let Some((path, rights)) = facts.path.zip(facts.rights_behind_links) else { return Ok(running) };
        match self.check_real(path, rights, running.name()) {
            Ok(()) => Ok(running),
            Err(error) => {
                self.commit(earlier);
                Err(self.failed(running, error))
            }
        }
    }

    /// Whether these rights are there also where this path leads to, where parts of the home have rules. Behind a link into what the
    /// user may not list, all is as if nothing were there.
    pub(super) fn check_real(&self, path: &RelPath, rights: Access, name: &str) -> Result<()> {
        let grants = self.principal.grants();
        if grants.rules.is_empty() {
            return Ok(());
        }
        let real = turns::block_in_place(|| self.leads_to(path));
        if real == *path {
            return Ok(());
        }
        gate::check_at(&self.principal, rights, &real, name).map_err(|error| {
            match grants.access_at(&real.parent().unwrap_or_default()).contains(Access::LIST) {
                true => error,
                false => Error::file(path, std::io::ErrorKind::NotFound.into()),
            }
        })
    }

    /// Whether the folder that this path is in, by whatever links, may be listed by the rights of now.
    pub fn may_list_beside(&self, path: &RelPath) -> bool {
        let folder = path.parent().unwrap_or_default();
        let grants = self.principal.grants();
        let real = if grants.rules.is_empty() { folder } else { turns::block_in_place(|| self.leads_to(&folder)) };
        grants.access_at(&real).contains(Access::LIST)
    }

    /// Whether the user may list what has this path, with all below it.
    pub(super) fn may_list_all(&self, path: &RelPath) -> bool {
        let looking = Demand { rights: Access::LIST, path: Some(path), extent: Extent::Tree };
        gate::rights_at(self.principal.grants(), looking).contains(Access::LIST)
    }

    /// Whether the user may be told all of what an operation came to: not of what was there before if the user may not know that, at its
    /// path and where it leads. What went of the trash is counted by what may be listed.
    pub(super) fn may_be_told(&self, running: &Running, result: &Result<Outcome>) -> bool {
        match result {
            Ok(Outcome::Purged { .. }) => false,
            // No link leads to what is removed, and nothing is there any more.
            Ok(Outcome::Removed(_)) => running.path().is_some_and(|path| self.may_list_all(path)),
            Ok(outcome) if outcome.tells_what_is_there() => running.path().is_some_and(|path| {
                let is_told = gate::tells_what_is_there(self.principal.grants(), path);
                let leads = |right| self.check_real(path, right, running.name()).is_ok();
                is_told && (leads(Access::LIST) || leads(Access::DOWNLOAD))
            }),
            Ok(_) | Err(_) => true,
        }
    }

    /// What is at this path for who has these rights where it leads to; of a link into what the user may not list, the link.
    pub(super) fn meta(&self, path: &RelPath, rights: Access, name: &str) -> Result<Meta> {
        match self.check_real(path, rights, name) {
            Ok(()) => self.store.stat(path),
            Err(error) if error.kind() == Kind::NotFound => self.link_itself(path).ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// The link at this path, in a folder that may be listed. It is found among all that is there: as rare as that is, it needs no way
    /// of its own through each storage.
    fn link_itself(&self, path: &RelPath) -> Option<Meta> {
        let (folder, name) = (path.parent()?, path.file_name()?);
        let found = turns::block_in_place(|| {
            let folder = self.leads_to(&folder);
            if !self.principal.grants().access_at(&folder).contains(Access::LIST) {
                return None;
            }
            let mut listing = self.store.list(&folder, false).ok()?;
            std::iter::from_fn(|| listing.next()).flatten().find(|entry| entry.path == name)
        });
        let Entry { kind, size, mtime, mode, .. } = found.filter(|entry| entry.kind == EntryKind::Link)?;
        Some(Meta { kind, size, mtime, mode: mode? })
    }

    /// Whether what is copied from one of these paths to the other would be the same thing: a shared folder may lie in a home, and a link
    /// may lead to what is copied.
    pub(super) fn is_one_place(&self, from: &RelPath, to: &RelPath) -> bool {
        from == to || turns::block_in_place(|| self.place(&self.leads_to(from)) == self.place_of_name(to))
    }

    /// Fails if something would go into itself or onto itself, or take the place of what it is in, by whatever paths. What is `copied`
    /// is what a link leads to; what is moved is the link.
    ///
    /// # Errors
    /// [`Kind::Denied`].
    pub fn check_apart(&self, from: &RelPath, to: &RelPath, copied: bool) -> Result<()> {
        let (source, target) = turns::block_in_place(|| {
            let source = if copied { self.place(&self.leads_to(from)) } else { self.place_of_name(from) };
            (source, self.place_of_name(to))
        });
        let why = match () {
            () if source == target => "it is there already",
            () if target.is_in(&source) || source.is_in(&target) => {
                "nothing can be put into itself, or replace what it is in"
            }
            () => return Ok(()),
        };
        Err(Error::new(Kind::Denied, why))
    }

    /// Where what has this name lies on the server, which is a link maybe.
    fn place_of_name(&self, path: &RelPath) -> LockedPath {
        let above = path.parent().map(|parent| self.leads_to(&parent));
        let real = above.and_then(|above| above.join(path.file_name()?).ok());
        self.place(real.as_ref().unwrap_or(path))
    }

    /// This path without the links on its way, whether or not something is at its end.
    fn leads_to(&self, path: &RelPath) -> RelPath {
        let mut missing = Vec::new();
        let mut above = path.clone();
        let real = loop {
            match (self.store.real_path(&above), above.parent()) {
                (Ok(real), _) => break real,
                (Err(_), Some(parent)) => {
                    missing.push(above.file_name().unwrap_or_default().to_vec());
                    above = parent;
                }
                (Err(_), None) => break RelPath::root(),
            }
        };
        let joined = missing.iter().rev().try_fold(real, |path, name| path.join(name));
        // Too long or too deep there: nothing is.
        joined.unwrap_or_else(|_| path.clone())
    }
}
