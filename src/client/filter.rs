//! Which files of a tree take part: by their names, sizes and ages.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

use super::glob::posix;
use crate::error::{Error, Kind, Result};
use crate::files::{Mtime, RelPath};

/// Patterns in order; the first that matches a path decides, and what none matches is taken. Beside them bounds for the
/// sizes and times of files.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    rules: Vec<Rule>,
    only: Option<Only>,
    /// Bytes that a file has at least.
    pub min_size: Option<u64>,
    /// Bytes that it has at most.
    pub max_size: Option<u64>,
    /// It was modified then or later.
    pub not_before: Option<Mtime>,
    /// It was modified then or sooner.
    pub not_after: Option<Mtime>,
}

/// What alone takes part, by the paths from the top of the tree on.
#[derive(Debug, Clone, Default)]
struct Only {
    /// These, each with all below it.
    listed: HashSet<Vec<u8>>,
    /// The folders that lead to them.
    above: HashSet<Vec<u8>>,
}

impl Only {
    fn takes(&self, path: &[u8], is_folder: bool) -> bool {
        self.listed.contains(path)
            || folders_above(path).any(|above| self.listed.contains(above))
            || (is_folder && self.above.contains(path))
    }
}

/// The folders on the way to a path, without its end.
fn folders_above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter().enumerate().filter(|(_, byte)| **byte == b'/').filter_map(|(at, _)| path.get(..at))
}

#[derive(Debug, Clone)]
struct Rule {
    glob: GlobMatcher,
    takes: bool,
    /// It matches names at any depth, and not paths.
    is_name: bool,
    only_folders: bool,
}

impl Filter {
    /// Takes everything.
    pub fn new() -> Self {
        Filter::default()
    }

    /// Adds a pattern after the others: a glob with `*`, `?`, `[…]`, `{a,b}`, and `**` for any number of folders.
    /// Without a slash it matches names at any depth, with one the path from the top of the tree on (a leading `/` or `./`
    /// only says so); a trailing slash restricts it to folders.
    ///
    /// # Errors
    /// [`Kind::Usage`] if it is no glob, or of no path.
    pub fn add(&mut self, pattern: &str, takes: bool) -> Result<()> {
        let wrong = |why: &str| Error::new(Kind::Usage, format!("`{pattern}` is no pattern: {why}"));
        let (body, only_folders) = pattern.strip_suffix('/').map_or((pattern, false), |body| (body, true));
        let is_name = !body.contains('/');
        let mut body = body;
        while let Some(rest) = body.strip_prefix("./").or_else(|| body.strip_prefix('/')) {
            body = rest;
        }
        if body.is_empty() {
            return Err(wrong("it is empty"));
        }
        // It would match nothing, unsaid.
        if body.split('/').any(|name| matches!(name, "" | "." | "..")) {
            return Err(wrong("no path in a tree has an empty name, `.` or `..` in it"));
        }
        // With it, a star stays within one name.
        let glob = GlobBuilder::new(&posix::spelled_out(body)).literal_separator(true).build();
        let glob = glob.map_err(|err| wrong(&err.kind().to_string()))?.compile_matcher();
        self.rules.push(Rule { glob, takes, is_name, only_folders });
        Ok(())
    }

    /// Takes these paths alone, each with all below it, as far as the patterns take them.
    pub fn only(&mut self, paths: impl IntoIterator<Item = RelPath>) {
        let mut only = Only::default();
        for path in paths {
            only.above.extend(folders_above(path.as_bytes()).map(<[u8]>::to_vec));
            only.listed.insert(path.as_bytes().to_vec());
        }
        self.only = Some(only);
    }

    /// What is to be taken alone and lies below this path.
    pub(super) fn listed_below(&self, folder: &[u8]) -> Vec<&[u8]> {
        let Some(only) = self.only.as_ref().filter(|only| only.above.contains(folder)) else { return Vec::new() };
        let is_below = |path: &&[u8]| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with(b"/"));
        let mut below: Vec<&[u8]> = only.listed.iter().map(Vec::as_slice).filter(is_below).collect();
        below.sort_unstable();
        below
    }

    /// Whether files are chosen by more than their names.
    pub fn has_bounds(&self) -> bool {
        self.min_size.is_some() || self.max_size.is_some() || self.not_before.is_some() || self.not_after.is_some()
    }

    /// Whether a file of this size and time is within the bounds.
    pub fn is_within(&self, size: u64, mtime: Mtime) -> bool {
        let time = (mtime.secs, mtime.nanos);
        self.min_size.is_none_or(|min| size >= min)
            && self.max_size.is_none_or(|max| size <= max)
            && self.not_before.is_none_or(|first| time >= (first.secs, first.nanos))
            && self.not_after.is_none_or(|last| time <= (last.secs, last.nanos))
    }

    /// Whether a folder and all those above it are looked at.
    pub(super) fn takes_with_above(&self, folder: &[u8]) -> bool {
        folders_above(folder).chain([folder]).all(|folder| self.takes(folder, true))
    }

    /// Whether something is looked at; `path` is relative to the top of the tree. The folders above it have been
    /// asked for already: one that is not taken is not entered.
    pub fn takes(&self, path: &[u8], is_folder: bool) -> bool {
        if self.only.as_ref().is_some_and(|only| !only.takes(path, is_folder)) {
            return false;
        }
        let name = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
        let text = |bytes| Path::new(OsStr::from_bytes(bytes)).to_owned();
        let (path, name) = (text(path), text(name));
        let decides = |rule: &&Rule| {
            (is_folder || !rule.only_folders) && rule.glob.is_match(if rule.is_name { &name } else { &path })
        };
        self.rules.iter().find(decides).is_none_or(|rule| rule.takes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(rules: &[(&str, bool)]) -> Filter {
        let mut filter = Filter::new();
        rules.iter().for_each(|(pattern, takes)| filter.add(pattern, *takes).unwrap());
        filter
    }

    #[test]
    fn the_first_match_decides_and_what_none_matches_is_taken() {
        let filter = filter(&[("keep.log", true), ("*.log", false)]);
        assert!(filter.takes(b"a/keep.log", false) && filter.takes(b"x", false));
        assert!(!filter.takes(b"a/b/x.log", false));
    }

    #[test]
    fn what_is_listed_alone_is_taken_with_all_below_it_and_the_folders_above() {
        let mut filter = filter(&[("*.log", false)]);
        filter.only(["a/b", "top"].map(|path| RelPath::parse(path.as_bytes()).unwrap()));
        for (path, is_folder, takes) in [
            ("top", false, true),
            ("top/x/y", false, true),
            ("a", true, true),
            ("a", false, false),
            ("a/b", false, true),
            ("a/b/c", false, true),
            ("a/b/c.log", false, false),
            ("a/bc", false, false),
            ("a/c", true, false),
            ("b", false, false),
        ] {
            assert_eq!(filter.takes(path.as_bytes(), is_folder), takes, "{path}");
        }
        filter.only([]);
        assert!(!filter.takes(b"top", false));
    }

    #[test]
    fn a_slash_ties_a_pattern_to_the_path_and_one_at_the_end_to_folders() {
        let filter = filter(&[("a/*.o", false), ("/top", false), ("build/", false), ("**/deep/x", false)]);
        for (path, is_folder, takes) in [
            ("a/x.o", false, false),
            ("a/b/x.o", false, true),
            ("b/a/x.o", false, true),
            ("top", false, false),
            ("a/top", false, true),
            ("build", false, true),
            ("a/build", true, false),
            ("u/v/deep/x", false, false),
        ] {
            assert_eq!(filter.takes(path.as_bytes(), is_folder), takes, "{path}");
        }
    }

    #[test]
    fn a_path_is_meant_from_the_top_of_the_tree_on_however_that_is_written() {
        for pattern in ["./a/x", "/a/x", "/./a/x", "././a/x", ".//a/x"] {
            let filter = filter(&[(pattern, false)]);
            assert!(!filter.takes(b"a/x", false) && filter.takes(b"b/a/x", false), "{pattern}");
        }
        let filter = filter(&[("./x", false)]);
        assert!(!filter.takes(b"x", false) && filter.takes(b"a/x", false));
    }

    #[test]
    fn bounds_are_those_of_sizes_and_times() {
        let at = |secs| Mtime { secs, nanos: 0 };
        let filter = Filter { min_size: Some(10), max_size: Some(20), ..Filter::new() };
        assert!(filter.has_bounds() && !Filter::new().has_bounds());
        for (size, within) in [(9, false), (10, true), (20, true), (21, false)] {
            assert_eq!(filter.is_within(size, at(0)), within, "{size}");
        }
        let filter = Filter { not_before: Some(at(10)), not_after: Some(at(20)), ..Filter::new() };
        for (secs, within) in [(9, false), (10, true), (20, true), (21, false)] {
            assert_eq!(filter.is_within(0, at(secs)), within, "{secs}");
        }
        assert!(Filter::new().is_within(u64::MAX, at(i64::MIN)));
    }

    #[test]
    fn a_name_that_is_not_text_can_be_matched() {
        assert!(!filter(&[("*.bin", false)]).takes(b"\xff.bin", false));
    }

    #[test]
    fn what_is_no_glob_is_refused() {
        for bad in ["", "/", "[", "{a", "./", ".", "..", "a/../b", "a//b", "a/./b"] {
            assert_eq!(Filter::new().add(bad, true).unwrap_err().kind(), Kind::Usage, "{bad}");
        }
    }
}
