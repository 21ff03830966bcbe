//! Patterns for names on this machine, where no shell has expanded them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::{Part, braces, unescape};
use crate::client::listing;
use crate::error::{Error, Kind, Result};
use crate::escape::for_people;

/// What names on this machine stand for.
#[derive(Debug, Default)]
#[must_use = "a folder that could not be read may hold more that matches"]
#[non_exhaustive]
pub struct LocalExpansion {
    /// Alternatives in their order, and what matches each in the order of its bytes.
    pub paths: Vec<PathBuf>,
    /// A pattern that nothing matches, and folders that could not be read.
    pub failures: Vec<Error>,
}

/// Finds what this stands for on this machine. What is no pattern stands for itself, whether it is there or not.
///
/// # Errors
/// [`Kind::Usage`] for more than can be held.
pub fn expand_local(typed: &OsStr) -> Result<LocalExpansion> {
    let mut expansion = LocalExpansion::default();
    for word in braces::expand(typed.as_bytes())? {
        if !super::Pattern::is_one(&word) {
            expansion.paths.push(path(unescape(&word)));
            continue;
        }
        let found = search(&word, &mut expansion.failures)?;
        if found.is_empty() {
            let text = format!("{}: nothing matches on this machine", for_people(&word));
            expansion.failures.push(Error::new(Kind::NotFound, text).at(path(word)));
        }
        expansion.paths.extend(found.into_iter().map(path));
    }
    Ok(expansion)
}

fn path(bytes: Vec<u8>) -> PathBuf {
    std::ffi::OsString::from_vec(bytes).into()
}

fn search(word: &[u8], failures: &mut Vec<Error>) -> Result<BTreeSet<Vec<u8>>> {
    let top: &[u8] = if word.starts_with(b"/") { b"/" } else { b"" };
    let mut found = BTreeSet::from([top.to_vec()]);
    let parts: Vec<Part> = word.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).map(Part::parse).collect();
    for (at, part) in parts.iter().enumerate() {
        let is_last = at + 1 == parts.len();
        let (mut next, mut held) = (BTreeSet::new(), 0);
        let mut keep = |path: Vec<u8>| {
            held += 2 * path.len() + 4 * size_of::<Vec<u8>>();
            next.insert(path);
            listing::check_held(held)
        };
        for folder in &found {
            match part {
                Part::Name(name) => keep(join(folder, name))?,
                Part::Pattern(pattern) => {
                    let entries = read(folder, failures).into_iter();
                    entries
                        .filter(|(name, _)| pattern.matches(name))
                        .try_for_each(|(name, _)| keep(join(folder, &name)))?;
                }
                Part::Folders => {
                    let mut open = vec![folder.clone()];
                    if !is_last {
                        keep(folder.clone())?;
                    }
                    while let Some(folder) = open.pop() {
                        for (name, is_folder) in read(&folder, failures) {
                            if name.starts_with(b".") {
                                continue;
                            }
                            let path = join(&folder, &name);
                            if is_folder {
                                open.push(path.clone());
                            }
                            if is_folder || is_last {
                                keep(path)?;
                            }
                        }
                    }
                }
            }
        }
        found = next;
    }
    found.retain(|path| fs::symlink_metadata(Path::new(OsStr::from_bytes(path))).is_ok());
    Ok(found)
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let slash: &[u8] = if folder.is_empty() || folder.ends_with(b"/") { b"" } else { b"/" };
    [folder, slash, name].concat()
}

/// The names in a folder, and which are folders themselves. What is no folder holds nothing.
fn read(folder: &[u8], failures: &mut Vec<Error>) -> Vec<(Vec<u8>, bool)> {
    let shown = if folder.is_empty() { OsStr::new(".") } else { OsStr::from_bytes(folder) };
    let read = fs::read_dir(shown).and_then(|entries| {
        entries
            .map(|entry| {
                let entry = entry?;
                Ok((entry.file_name().into_vec(), entry.file_type()?.is_dir()))
            })
            .collect()
    });
    read.unwrap_or_else(|err| {
        if !matches!(err.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) {
            failures.push(Error::file(Path::new(shown).display(), err));
        }
        Vec::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_this_machine_are_matched_as_those_on_a_server() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.log", "b.log", ".c.log", "sub/d.log", "sub/deep/e.log", "x[1]"] {
            let file = dir.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        let find = |pattern: &str| {
            let expansion = expand_local(dir.path().join(pattern).as_os_str()).unwrap();
            let names = expansion.paths.iter().map(|path| path.strip_prefix(dir.path()).unwrap());
            (names.map(|path| path.to_str().unwrap().to_owned()).collect::<Vec<_>>(), expansion.failures.len())
        };
        let some = |names: &[&str]| (names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), 0);
        assert_eq!(find("*.log"), some(&["a.log", "b.log"]));
        assert_eq!(find("**/*.log"), some(&["a.log", "b.log", "sub/d.log", "sub/deep/e.log"]));
        assert_eq!(find("*/d.log"), some(&["sub/d.log"]));
        assert_eq!(find("sub/../[a].log"), some(&["sub/../a.log"]));
        assert_eq!(find(r"{x\[1\],nowhere}"), some(&["x[1]", "nowhere"]));
        assert_eq!(find("*.pdf"), (Vec::new(), 1));
    }
}
