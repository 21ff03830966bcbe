//! Rules for paths inside a home: `path = "/2025/**"`, `access = "read"`.

use std::iter::successors;

use super::Access;
use crate::files::RelPath;
use crate::files::aside::Before;

/// What may be done at some paths of a home, in place of what may be done in the rest of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathRule {
    pub(super) pattern: Pattern,
    /// The rights there.
    pub access: Access,
}

impl PathRule {
    /// A rule for the paths that are written so.
    ///
    /// # Errors
    /// Why nothing can be meant by that, as the end of a sentence about it.
    pub fn new(path: &str, access: Access) -> Result<PathRule, String> {
        Pattern::parse(path).map(|pattern| PathRule { pattern, access })
    }

    /// The pattern as it is written.
    pub fn path(&self) -> &str {
        &self.pattern.text
    }

    /// The names that it says.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.pattern.names.iter().map(String::as_bytes)
    }

    /// Whether it is about this path.
    pub fn is_about(&self, path: &RelPath) -> bool {
        self.pattern.matches(path)
    }

    /// Whether it is about this folder and what is in it alone, as its names tell without `*` and `?`.
    pub fn lies_in(&self, folder: &RelPath) -> bool {
        let mut names = self.pattern.names.iter();
        folder.components().all(|component| names.next().is_some_and(|name| name.as_bytes() == component))
    }

    /// Whether it is about what had these names before it stood aside, and if so whether that is sure, or only not known to be otherwise.
    pub(super) fn was_about(&self, names: &[Before<'_>]) -> Option<bool> {
        self.pattern.along(names.iter().copied()).filter(|(_, left)| *left == 0).map(|(is_sure, _)| is_sure)
    }

    /// Whether it is about something in the folder that had these names before it stood aside.
    pub(super) fn reached_into(&self, names: &[Before<'_>]) -> bool {
        self.pattern.along(names.iter().copied()).is_some_and(|(_, left)| self.pattern.deep || left > 0)
    }

    /// Whether it may be about something in this folder, at any depth.
    pub fn reaches_into(&self, folder: &RelPath) -> bool {
        self.pattern.reaches_into(folder)
    }
}

/// `/a/b` is that path alone, `/a/b/**` the folder and all in it; `*` in a name stands for any characters, `?` for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    text: String,
    pub(super) names: Vec<String>,
    /// With all that is in it.
    pub(super) deep: bool,
}

impl Pattern {
    /// Reads one; otherwise why not, as the end of a sentence about it.
    pub(super) fn parse(text: &str) -> Result<Pattern, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err("must begin with a slash, at the home".into());
        };
        if let Some(folder) = rest.strip_suffix('/').filter(|folder| !folder.is_empty()) {
            let folder = folder.trim_end_matches("/**");
            return Err(format!("ends with a slash: write /{folder}/** for the folder and all in it"));
        }
        let (rest, deep) = match rest {
            "**" => ("", true),
            _ => rest.strip_suffix("/**").map_or((rest, false), |rest| (rest, true)),
        };
        let names: Vec<String> = match rest {
            "" if deep => Vec::new(),
            _ => rest.split('/').map(str::to_owned).collect(),
        };
        if names.iter().any(|name| name.contains("**")) {
            return Err("has `**` elsewhere than at its end, as in \"/2025/**\"".into());
        }
        super::names::check_home(rest).or_else(|why| if names.is_empty() { Ok(()) } else { Err(why) })?;
        Ok(Pattern { text: text.to_owned(), names, deep })
    }

    fn matches(&self, path: &RelPath) -> bool {
        self.along(path.components().map(Before::Name)).is_some_and(|(_, left)| left == 0)
    }

    fn reaches_into(&self, folder: &RelPath) -> bool {
        self.along(folder.components().map(Before::Name)).is_some_and(|(_, left)| self.deep || left > 0)
    }

    /// How many of its names are left behind the end of this path, if it is about something in there or on the way; and whether that is
    /// sure, or only not known to be otherwise.
    fn along<'a>(&self, path: impl Iterator<Item = Before<'a>>) -> Option<(bool, usize)> {
        let (mut names, mut is_sure) = (self.names.iter(), true);
        for component in path {
            match (names.next().map(String::as_bytes), component) {
                (Some(name), Before::Name(component)) if is_named(name, component) => {}
                (Some(name), Before::Start(start)) if may_be_named(name, start) => is_sure = false,
                (Some(_), _) => return None,
                (None, _) => return self.deep.then_some((is_sure, 0)),
            }
        }
        Some((is_sure, names.len()))
    }
}

/// Whether a name of which only the start is known may be meant by a pattern, also if the start is itself one of something that stood
/// aside. Of a pattern without `*` and `?` it is known that it does not mean it: see [`crate::files::aside::before`].
fn may_be_named(pattern: &[u8], start: &[u8]) -> bool {
    let is_open = pattern.iter().any(|byte| matches!(byte, b'*' | b'?'));
    is_open && successors(Some(start), |start| start.strip_prefix(b".")).any(|start| may_begin(pattern, start))
}

/// Whether a pattern may mean a name that begins so and goes on.
fn may_begin(pattern: &[u8], start: &[u8]) -> bool {
    // The last character may have been cut.
    let start = match str::from_utf8(start) {
        Err(err) if err.error_len().is_none() => start.get(..err.valid_up_to()).unwrap_or_default(),
        _ => start,
    };
    let mut at = 0;
    for byte in pattern {
        if at >= start.len() {
            return true;
        }
        at += match byte {
            b'*' => return true,
            b'?' => character(start, at),
            byte if start.get(at) == Some(byte) => 1,
            _ => return false,
        };
    }
    false
}

/// Whether a name is meant by a pattern of one, in which `*` stands for any bytes and `?` for one character.
fn is_named(pattern: &[u8], name: &[u8]) -> bool {
    let (mut pattern_at, mut name_at) = (0, 0);
    // Where the last `*` was, and how far of the name it has taken: the only place to come back to.
    let mut star: Option<(usize, usize)> = None;
    while name_at < name.len() {
        match pattern.get(pattern_at) {
            Some(b'*') => {
                star = Some((pattern_at + 1, name_at));
                pattern_at += 1;
                continue;
            }
            Some(b'?') => {
                pattern_at += 1;
                name_at += character(name, name_at);
                continue;
            }
            Some(byte) if Some(byte) == name.get(name_at) => {
                pattern_at += 1;
                name_at += 1;
                continue;
            }
            Some(_) | None => {}
        }
        match &mut star {
            Some((after, taken)) => {
                *taken += 1;
                (pattern_at, name_at) = (*after, *taken);
            }
            None => return false,
        }
    }
    pattern.get(pattern_at..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

/// Bytes of the character there; one of what is no UTF-8.
fn character(name: &[u8], at: usize) -> usize {
    let rest = name.get(at..).unwrap_or_default();
    let length = match rest.first() {
        Some(0xc0..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf7) => 4,
        _ => 1,
    };
    rest.get(..length).filter(|bytes| str::from_utf8(bytes).is_ok()).map_or(1, <[u8]>::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_rule_is_about_its_path_and_with_two_stars_about_all_in_it() {
        for (pattern, about, not) in [
            ("/2025/**", &["2025", "2025/a", "2025/a/b"][..], &["", "2024", "20255", "a/2025"][..]),
            ("/2025", &["2025"], &["", "2025/a"]),
            ("/**", &["", "a", "a/b"], &[]),
            ("/*/private/**", &["a/private", "a/private/x"], &["private", "a", "a/b/private"]),
            ("/logs/*.log", &["logs/a.log", "logs/.log"], &["logs", "logs/a.txt", "logs/a.log/x"]),
            ("/?.txt", &["a.txt", "ü.txt"], &["ab.txt", ".txt"]),
            ("/*a*b*c", &["xaybzc", "abc", "aabbc"], &["acb", "abcd"]),
        ] {
            let pattern = Pattern::parse(pattern).unwrap();
            about.iter().for_each(|text| assert!(pattern.matches(&path(text)), "{pattern:?} {text}"));
            not.iter().for_each(|text| assert!(!pattern.matches(&path(text)), "{pattern:?} {text}"));
        }
    }

    #[test]
    fn a_rule_reaches_into_every_folder_above_what_it_is_about() {
        for (pattern, into, not) in [
            ("/a/b/**", &["", "a", "a/b", "a/b/c"][..], &["b", "a/c", "ab"][..]),
            ("/a/b", &["", "a"], &["a/b", "b"]),
            ("/**", &["", "x/y"], &[]),
            ("/*/x", &["", "q"], &["q/x", "q/y"]),
        ] {
            let pattern = Pattern::parse(pattern).unwrap();
            into.iter().for_each(|text| assert!(pattern.reaches_into(&path(text)), "{pattern:?} {text}"));
            not.iter().for_each(|text| assert!(!pattern.reaches_into(&path(text)), "{pattern:?} {text}"));
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_reason() {
        for (text, why) in [
            ("2025/**", "begin with a slash"),
            ("", "begin with a slash"),
            ("/", "empty"),
            ("/a//b", "empty"),
            ("/archive/", "write /archive/** for"),
            ("/a/../b", "`..`"),
            ("/a/**/b", "elsewhere than at its end"),
            ("/a**", "elsewhere than at its end"),
            ("/a/.sealift", "reserved"),
            ("/a\tb", "control"),
        ] {
            let said = Pattern::parse(text).unwrap_err();
            assert!(said.contains(why), "{text:?}: {said}");
        }
    }

    #[test]
    fn a_name_whose_end_is_not_known_may_be_meant_by_what_its_start_does_not_rule_out() {
        for (pattern, may_be, not) in [
            ("*.key", &["a", ".a", "\u{fc}"][..], &[][..]),
            ("ab*.key", &["ab", "abc", "a", ".ab"], &["b", "ac"]),
            ("a?c*", &["a\u{fc}c", "abc", "ab"], &["abd", "a\u{fc}d"]),
            ("abc", &[], &["abc", "ab"]),
            ("a?", &["a"], &["abc", "b"]),
        ] {
            may_be
                .iter()
                .for_each(|start| assert!(may_be_named(pattern.as_bytes(), start.as_bytes()), "{pattern} {start}"));
            not.iter()
                .for_each(|start| assert!(!may_be_named(pattern.as_bytes(), start.as_bytes()), "{pattern} {start}"));
        }
        // In the middle of a character.
        assert!(may_be_named(b"a?b*", b"a\xc3") && !may_be_named(b"a?b*", b"b\xc3"));
    }

    #[test]
    fn many_stars_take_no_long_time() {
        let (pattern, name) = ("*a".repeat(60) + "b", "a".repeat(200));
        assert!(!is_named(pattern.as_bytes(), name.as_bytes()));
    }
}
