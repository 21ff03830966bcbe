//! Where a path leads, and how what a store says of it is told to the user, who knows it by another path.

use std::sync::Arc;

use crate::error::{Error, PathSaid, Result};
use crate::files::{Listing, RelPath, Store, Unread};

/// Where a path leads.
pub(super) struct Route<'s> {
    pub(super) store: Arc<dyn Store>,
    pub(super) path: RelPath,
    /// Where the store shows; none: it is the home.
    pub(super) at: Option<&'s RelPath>,
}

impl Route<'_> {
    /// Does this at the path; an error of it is told with the path that the user knows.
    pub(super) fn with<T>(&self, done: impl FnOnce(&dyn Store, &RelPath) -> Result<T>) -> Result<T> {
        done(&*self.store, &self.path).map_err(|error| match self.at {
            None => error,
            Some(at) => told(error, &self.path, at),
        })
    }

    /// Does what is done at this path and at another one, in this store or from this one to another; an error of it is told with the
    /// paths that the user knows.
    pub(super) fn with_both<T>(&self, other: &Route<'_>, done: impl FnOnce() -> Result<T>) -> Result<T> {
        done().map_err(|error| match (self.at, other.at) {
            (None, None) => error,
            (Some(at), Some(same)) if at == same => told(error, &self.path, at),
            _ => told_of_two(error, self, other),
        })
    }

    /// For what goes on after the call, if the store is that of a folder that shows in the home.
    pub(super) fn shown(&self) -> Option<ShownPath> {
        Some(ShownPath { path: self.path.clone(), at: self.at?.clone() })
    }

    /// Whether this is its path, or in it, or above it.
    fn is_about(&self, inner: &[u8]) -> bool {
        let path = self.path.as_bytes();
        is_below(inner, path) || is_below(path, inner)
    }

    /// What the user calls this path of its store.
    fn outside(&self, inner: &[u8]) -> Vec<u8> {
        self.at.map_or_else(|| inner.to_vec(), |at| outside(at, inner))
    }
}

/// A path in a folder that shows in a home.
#[derive(Clone)]
pub(super) struct ShownPath {
    /// As the store of the folder has it.
    path: RelPath,
    /// Where the folder shows.
    at: RelPath,
}

impl ShownPath {
    /// An error of the store, with the path that the user knows.
    pub(super) fn told(&self, error: Error) -> Error {
        told(error, &self.path, &self.at)
    }
}

/// What the user calls this path of a folder that shows there.
fn outside(at: &RelPath, inner: &[u8]) -> Vec<u8> {
    match inner {
        [] => at.as_bytes().to_vec(),
        inner => [at.as_bytes(), b"/", inner].concat(),
    }
}

fn is_below(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| folder.is_empty() || rest.is_empty() || rest.starts_with(b"/"))
}

/// An error about this path, or others of a folder that shows there, with the paths that the user knows. One that names none is about
/// this one.
fn told(error: Error, path: &RelPath, at: &RelPath) -> Error {
    error
        .with_paths(|said| outside(at, &said.path))
        .unwrap_or_else(|error| error.of_path(&outside(at, path.as_bytes())))
}

/// An error of what was to go from the one store to the other, which says it.
fn told_of_two(error: Error, from: &Route<'_>, to: &Route<'_>) -> Error {
    let route_of = |said: &PathSaid| match said.of_other || !to.is_about(&said.path) && from.is_about(&said.path) {
        true => from,
        false => to,
    };
    error
        .with_paths(|said| route_of(said).outside(&said.path))
        .unwrap_or_else(|error| error.of_path(&from.outside(from.path.as_bytes())))
}

/// A listing of a folder that shows in a home, or of one in it.
pub(super) struct ShownListing {
    pub(super) listing: Box<dyn Listing>,
    /// The folder that is listed.
    pub(super) folder: ShownPath,
}

impl Listing for ShownListing {
    fn next(&mut self) -> Option<Result<crate::files::Entry, Unread>> {
        let found = self.listing.next()?;
        Some(found.map_err(|Unread { path, error }| {
            let ShownPath { path: folder, at } = &self.folder;
            let unread = folder.join(&path).unwrap_or_else(|_| folder.clone());
            Unread { path, error: told(error, &unread, at) }
        }))
    }

    fn skip(&mut self, folder: &[u8]) {
        self.listing.skip(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Kind, Message};
    use crate::store::{LocalOptions, LocalStore};

    fn path(name: &str) -> RelPath {
        RelPath::parse(name.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_told_has_the_paths_that_the_user_knows_and_no_others() {
        let team = path("our/team");
        let one = |message: Message| told(Error::new(Kind::Io, message), &path("a/b"), &team).text().to_owned();
        let said = |name: &str, words: &str| one(path(name).said(words));
        assert_eq!(said("a/b", "already exists"), "our/team/a/b: already exists");
        assert_eq!(said("a/b/c/d", "permission denied"), "our/team/a/b/c/d: permission denied");
        assert_eq!(one(path("a/b").said_with(&path("a"), "is no folder")), "our/team/a/b: our/team/a is no folder");
        assert_eq!(said("a", "no such file or folder"), "our/team/a: no such file or folder");
        assert_eq!(said("", "permission denied"), "our/team: permission denied");
        assert_eq!(one("the trash: permission denied".into()), "our/team/a/b: the trash: permission denied");
        assert_eq!(said("a/bc", "permission denied"), "our/team/a/bc: permission denied");
        // What is said of it is not taken for its name.
        assert_eq!(said("not", "not a folder"), "our/team/not: not a folder");
        let long = "x".repeat(crate::limits::NAME_MAX + 1);
        let too_long = told(path("a").join(long.as_bytes()).unwrap_err(), &path("a"), &team);
        assert_eq!(too_long.text(), format!("our/team/a/{long}: a name in it is longer than 255 bytes"));
    }

    #[test]
    fn each_of_two_paths_is_told_as_in_its_own_folder() {
        let (team, box_) = (path("our/team"), path("box"));
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(LocalStore::open_path(folder.path(), LocalOptions::default()).unwrap());
        let told_of = |[from, to]: [&str; 2], message: Message| {
            let route = |inside: &str, at| Route { store: store.clone(), path: path(inside), at };
            let (from, to) = (route(from, Some(&team)), route(to, Some(&box_)));
            let done: Result<()> = from.with_both(&to, || Err(Error::new(Kind::Io, message)));
            done.unwrap_err().text().to_owned()
        };
        let (x, y) = (path("x"), path("y"));
        let other = |from: &RelPath, to: &RelPath| from.said_from_other(to, "is on another file system");
        assert_eq!(told_of(["x", "y"], other(&x, &y)), "our/team/x: box/y is on another file system");
        assert_eq!(told_of(["x", "y"], y.said("already exists")), "box/y: already exists");
        assert_eq!(told_of(["x", "y"], x.said("already exists")), "our/team/x: already exists");
        assert_eq!(told_of(["x", "x"], other(&x, &x)), "our/team/x: box/x is on another file system");
        assert_eq!(told_of(["x", "x"], x.said("already exists")), "box/x: already exists");
        assert_eq!(told_of(["x", "x"], x.said("is gone").of_other_store()), "our/team/x: is gone");
        assert_eq!(told_of(["x", "y"], "the trash is full".into()), "our/team/x: the trash is full");
    }

    #[test]
    fn what_the_servers_own_account_may_not_is_told_of_the_users_path_too() {
        let denied = Error::file(path("a/b"), rustix::io::Errno::ACCESS.into());
        let error = told(denied, &path("a"), &path("team"));
        assert_eq!(error.path().unwrap(), std::path::Path::new("team/a/b"));
        assert_eq!(error.told_by_server().1, "team/a/b: the server's own account may not do that on its disk");
    }
}
