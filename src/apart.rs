//! What is a server's own, and lies apart from what it serves: whoever could write there could become anybody, or have programs
//! of theirs run. The program looks at it before it starts, the library whenever other folders are shared.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::limits;

/// A file or folder of the server's own.
#[derive(Debug, Clone)]
pub struct Own {
    what: String,
    path: PathBuf,
    /// Those of when it was named: a server that reads through a link may go by it again later.
    spots: Vec<PathBuf>,
    is_public: bool,
    holds_more: bool,
}

impl Own {
    /// What is at this path, or will be, which people call `what`.
    pub fn new(what: impl Into<String>, path: impl Into<PathBuf>) -> Own {
        let path = path.into();
        Own { what: what.into(), spots: spots_of(&path), path, is_public: false, holds_more: false }
    }

    /// It may be read by anybody.
    #[must_use]
    pub fn public(self) -> Own {
        Own { is_public: true, ..self }
    }

    /// It may be read by anybody, and every name in it is the server's own, also one that is not there yet.
    #[must_use]
    pub fn with_all_in_it(self) -> Own {
        Own { holds_more: true, ..self }
    }

    /// What people call it.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Where it is, as it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// It and the links that lead to it, none of them behind another link, at the start and now: whoever could replace one of
    /// these could replace it.
    fn spots(&self) -> impl Iterator<Item = PathBuf> {
        self.spots.iter().cloned().chain(spots_of(&self.path))
    }

    /// Whether it, or what leads to it, is this folder or in it.
    pub fn lies_in(&self, folder: &Path) -> bool {
        self.spots().any(|spot| spot.starts_with(folder))
    }

    /// Whether one is in the other, of a folder that somebody may change, or where it is not public.
    pub fn meets(&self, folder: &Path, is_changed: bool) -> bool {
        (is_changed || !self.is_public)
            && self.spots().any(|spot| spot.starts_with(folder) || folder.starts_with(&spot))
    }

    /// Whether a file of this name would stand in its place, or in that of something it holds.
    pub fn would_be_replaced(&self, name: &Path) -> bool {
        self.lies_in(name) || (self.holds_more && self.spots().any(|spot| name.starts_with(&spot)))
    }
}

fn spots_of(path: &Path) -> Vec<PathBuf> {
    let mut spots = way(path);
    spots.retain(|spot| spot.is_symlink());
    spots.extend(real(path));
    spots
}

/// Everything that the system passes on the way to this path, what links lead to as well, each without a link in front of it.
pub fn way(path: &Path) -> Vec<PathBuf> {
    let parts =
        |path: &Path| path.components().rev().map(|part| part.as_os_str().to_owned()).collect::<Vec<OsString>>();
    let mut rest = std::path::absolute(path).map_or_else(|_| parts(path), |path| parts(&path));
    let (mut at, mut passed, mut links) = (PathBuf::from("/"), Vec::new(), 0);
    while let Some(part) = rest.pop() {
        match Path::new(&part).components().next() {
            Some(Component::RootDir) => at = PathBuf::from("/"),
            Some(Component::ParentDir) => drop(at.pop()),
            Some(Component::Normal(name)) => {
                let next = at.join(name);
                passed.push(next.clone());
                match next.read_link() {
                    Ok(target) if links < limits::LINKS_ON_A_WAY => {
                        links += 1;
                        rest.extend(parts(&target));
                    }
                    _ => at = next,
                }
            }
            _ => {}
        }
    }
    passed
}

/// The path without links, as far as it is there: what is missing would be made in what is.
pub fn real(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    let (there, real) = path.ancestors().find_map(|there| Some((there, there.canonicalize().ok()?)))?;
    Some(real.join(path.strip_prefix(there).ok()?))
}

/// The name that this path has in its folder, without links on the way there.
pub fn real_name(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => Some(real(folder)?.join(name)),
        _ => real(&path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_way_to_a_file_has_every_link_and_every_folder_on_it() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        for folder in ["shared", "apart/deep"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("apart/file"), "").unwrap();
        symlink("../shared/second", root.join("apart/first")).unwrap();
        symlink(root.join("apart/deep/.."), root.join("shared/second")).unwrap();
        let passed = way(&root.join("apart/first/file"));
        for spot in ["apart", "apart/first", "shared", "shared/second", "apart/deep", "apart/file"] {
            assert!(passed.contains(&root.join(spot)), "{spot}: {passed:?}");
        }
        assert_eq!(passed.last(), Some(&root.join("apart/file")));
        let own = Own::new("it", root.join("apart/first/file"));
        assert!(own.lies_in(&root.join("shared")), "a link on the way can be replaced there");
        assert!(!own.lies_in(&root.join("apart/deep")));
        symlink("round", root.join("round")).unwrap();
        assert!(way(&root.join("round/file")).len() > 1, "a circle has an end");
    }

    #[test]
    fn a_link_that_leads_elsewhere_later_counts_as_well_as_where_it_led() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        for folder in ["one", "other"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        symlink("one", root.join("link")).unwrap();
        let own = Own::new("it", root.join("link/file")).public();
        assert!(own.meets(&root.join("one"), true) && !own.meets(&root.join("other"), true));
        fs::remove_file(root.join("link")).unwrap();
        symlink("other", root.join("link")).unwrap();
        assert!(own.meets(&root.join("one"), true) && own.meets(&root.join("other"), true));
        assert!(!own.meets(&root.join("one"), false), "who only reads may read it");
    }
}
