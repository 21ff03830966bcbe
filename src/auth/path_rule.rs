//! Rules for paths inside a home: `path = "/2025/**"`, `access = "read"`.

use super::Access;
use crate::files::RelPath;

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
        let mut names = self.names.iter();
        for component in path.components() {
            match names.next() {
                Some(name) if is_named(name.as_bytes(), component) => {}
                Some(_) => return false,
                None => return self.deep,
            }
        }
        names.next().is_none()
    }

    fn reaches_into(&self, folder: &RelPath) -> bool {
        let mut names = self.names.iter();
        for component in folder.components() {
            match names.next() {
                Some(name) if is_named(name.as_bytes(), component) => {}
                Some(_) => return false,
                None => return self.deep,
            }
        }
        self.deep || names.next().is_some()
    }
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
    fn many_stars_take_no_long_time() {
        let (pattern, name) = ("*a".repeat(60) + "b", "a".repeat(200));
        assert!(!is_named(pattern.as_bytes(), name.as_bytes()));
    }
}
