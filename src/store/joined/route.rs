//! Where a path leads, and how what a store says of it is told to the user, who knows it by another path.

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Error, Result};
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
            Some(_) => told(&[(&self.path, self.at)], error),
        })
    }

    /// The same of what is done at this path and at another one, in this store or from this one to another.
    pub(super) fn with_both<T>(&self, other: &Route<'_>, done: impl FnOnce() -> Result<T>) -> Result<T> {
        done().map_err(|error| match (self.at, other.at) {
            (None, None) => error,
            _ => told(&[(&self.path, self.at), (&other.path, other.at)], error),
        })
    }

    /// For what goes on after the call, if the store is that of a folder that shows in the home.
    pub(super) fn shown(&self) -> Option<ShownPath> {
        Some(ShownPath { path: self.path.clone(), at: self.at?.clone() })
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
        told(&[(&self.path, Some(&self.at))], error)
    }
}

/// What a store calls a path, and what its user does.
struct Name {
    inside: String,
    outside: String,
}

/// The names of this path and of those that it is in.
fn names((path, at): (&RelPath, Option<&RelPath>)) -> Vec<Name> {
    let all = std::iter::successors(Some(path.clone()), RelPath::parent);
    let mut names: Vec<Name> = all
        .map(|path| {
            let inside = path.to_string();
            let outside = match at {
                None => inside.clone(),
                Some(at) if path.is_root() => at.to_string(),
                Some(at) => format!("{at}/{inside}"),
            };
            Name { inside, outside }
        })
        .collect();
    if let Some(at) = at.filter(|_| !path.is_root()) {
        // What is said of the folder itself.
        names.push(Name { inside: RelPath::root().to_string(), outside: at.to_string() });
    }
    names
}

/// What a text begins with that has one of these ends: the names that the user knows it by, the most by which the paths of two
/// folders are one name inside, and what comes behind it.
fn begins<'n, 't>(names: &'n [Name], text: &'t str, ends: &[&str]) -> Option<(Vec<&'n str>, &'t str)> {
    let is_end =
        |rest: &str| ends.iter().any(|end| if end.is_empty() { rest.is_empty() } else { rest.starts_with(end) });
    let rest_of = |name: &Name| text.strip_prefix(&*name.inside).filter(|rest| is_end(rest));
    let longest = names.iter().filter(|name| rest_of(name).is_some()).max_by_key(|name| name.inside.len())?;
    let mut known: Vec<&str> = Vec::new();
    for name in names.iter().filter(|name| name.inside == longest.inside) {
        if !known.contains(&&*name.outside) {
            known.push(&name.outside);
        }
    }
    Some((known, rest_of(longest)?))
}

/// An error about these paths, each of a store that shows there or of the home, with the paths that the user knows: those of which
/// its text speaks, or which are in them, and the first if it speaks of none.
fn told(paths: &[(&RelPath, Option<&RelPath>)], error: Error) -> Error {
    // Between two folders.
    const TO: &str = " to ";
    let names: Vec<Name> = paths.iter().flat_map(|path| names(*path)).collect();
    let text = error.text();
    let Some((mut known, rest)) = begins(&names, text, &[":", "/"]) else {
        let Some(first) = names.first() else { return error };
        let text = format!("{}: {text}", first.outside);
        return error.reworded(text, Some(PathBuf::from(&first.outside)));
    };
    let second = rest.strip_prefix(": ").and_then(|rest| begins(&names, rest, &[" is "]));
    let rest = match second {
        None => rest.to_owned(),
        Some((others, rest)) => {
            if known.len() > 1 && known == others {
                // "x: x is …": the first is what is moved, the second is where to.
                known.truncate(1);
            }
            format!(": {}{rest}", others.last().copied().unwrap_or_default())
        }
    };
    let text = format!("{}{rest}", known.join(TO));
    let path = error.path().and_then(|path| {
        let path = path.to_str()?;
        let (known, rest) = begins(&names, path, &["", "/"])?;
        Some(PathBuf::from(format!("{}{rest}", known.join(TO))))
    });
    error.reworded(text, path)
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
            Unread { path, error: told(&[(&unread, Some(at))], error) }
        }))
    }

    fn skip(&mut self, folder: &[u8]) {
        self.listing.skip(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn path(name: &str) -> RelPath {
        RelPath::parse(name.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_told_has_the_paths_that_the_user_knows_and_no_others() {
        let (team, box_) = (path("our/team"), path("box"));
        let told_of = |paths: &[(&str, &RelPath)], text: &str| {
            let paths: Vec<_> = paths.iter().map(|(name, at)| (path_or_root(name), *at)).collect();
            let paths: Vec<_> = paths.iter().map(|(path, at)| (path, Some(*at))).collect();
            told(&paths, Error::new(Kind::Io, text)).text().to_owned()
        };
        let one = |text: &str| told_of(&[("a/b", &team)], text);
        assert_eq!(one("a/b: already exists"), "our/team/a/b: already exists");
        assert_eq!(one("a/b/c/d: permission denied"), "our/team/a/b/c/d: permission denied");
        assert_eq!(one("a/b: a is no folder"), "our/team/a/b: our/team/a is no folder");
        assert_eq!(one("a: no such file or folder"), "our/team/a: no such file or folder");
        assert_eq!(one(".: permission denied"), "our/team: permission denied");
        assert_eq!(one("the trash: permission denied"), "our/team/a/b: the trash: permission denied");
        assert_eq!(one("a/bc: permission denied"), "our/team/a/bc: permission denied");
        assert_eq!(told_of(&[("", &team)], ".: is broken"), "our/team: is broken");
        // What is said of it is not taken for its name.
        assert_eq!(told_of(&[("not", &team)], "not: not a folder"), "our/team/not: not a folder");
        let two = [("x", &team), ("y", &box_)];
        assert_eq!(told_of(&two, "x: y is on another file system"), "our/team/x: box/y is on another file system");
        assert_eq!(told_of(&two, "y: already exists"), "box/y: already exists");
        let alike = [("x", &team), ("x", &box_)];
        assert_eq!(told_of(&alike, "x: x is on another file system"), "our/team/x: box/x is on another file system");
        assert_eq!(told_of(&alike, "x: already exists"), "our/team/x to box/x: already exists");
    }

    #[test]
    fn what_the_servers_own_account_may_not_is_told_of_the_users_path_too() {
        let (inside, at) = (path("a"), path("team"));
        let denied = Error::file("a/b", rustix::io::Errno::ACCESS.into());
        let error = told(&[(&inside, Some(&at))], denied);
        assert_eq!(error.path().unwrap(), std::path::Path::new("team/a/b"));
        assert_eq!(error.told_by_server().1, "team/a/b: the server's own account may not do that on its disk");
    }

    fn path_or_root(name: &str) -> RelPath {
        if name.is_empty() { RelPath::root() } else { path(name) }
    }
}
