//! Wildcards in names on a server, read as a shell reads them.
//!
//! `*` stands for any characters within a name, `?` for one, `[a-z]` and `[!a-z]` for one of a class, `**` as a name of
//! its own for any number of folders, and `{a,b}` for each of its alternatives in turn. A backslash takes the meaning of
//! the next character away. A name that begins with a dot is matched only by a pattern that does. Links to folders are
//! not entered.
//!
//! Protocol and server know nothing of this: [`super::Client::expand`] asks for the listings that it takes, and matches them here.

mod braces;
mod expand;
mod local;
mod name;
pub(super) mod posix;

pub use expand::Expansion;
pub use local::{LocalExpansion, expand_local};

use name::Pattern;

use crate::error::Result;
use crate::files::RelPath;

/// Whether there is anything in these bytes that [`words`] would not take as it stands.
pub fn is_special(typed: &[u8]) -> bool {
    typed.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'{'))
}

/// Whether a wildcard is among these bytes whose meaning no backslash takes away.
pub fn has_wildcards(typed: &[u8]) -> bool {
    let mut bytes = typed.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'*' | b'?' | b'[' | b'{' => return true,
            _ => {}
        }
    }
    false
}

/// The bytes with a backslash before each that would mean something.
pub fn escape(literal: &[u8]) -> Vec<u8> {
    let special = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b']' | b'{' | b'}' | b',' | b'\\');
    literal.iter().flat_map(|byte| special(byte).then_some(b'\\').into_iter().chain([*byte])).collect()
}

/// The bytes without the backslashes that take a meaning away.
pub fn unescape(typed: &[u8]) -> Vec<u8> {
    let (mut out, mut bytes) = (Vec::with_capacity(typed.len()), typed.iter());
    while let Some(byte) = bytes.next() {
        // One at the end stands for itself.
        let meant = if *byte == b'\\' { bytes.next().unwrap_or(byte) } else { byte };
        out.push(*meant);
    }
    out
}

/// One alternative of what was typed.
#[derive(Debug, Clone)]
pub enum Word {
    /// One path, whatever is there.
    Plain(Vec<u8>),
    /// All paths that match.
    Glob(Glob),
}

/// Takes what was typed apart at its braces, in their order.
///
/// # Errors
/// [`crate::Kind::Usage`] for too many alternatives, and as [`RelPath::parse`] for what can be no path.
pub fn words(typed: &[u8]) -> Result<Vec<Word>> {
    let word = |typed: Vec<u8>| match Pattern::is_one(&typed) {
        true => Glob::parse(&typed).map(Word::Glob),
        false => Ok(Word::Plain(unescape(&typed))),
    };
    braces::expand(typed)?.into_iter().map(word).collect()
}

/// A pattern for single names, those that begin with a dot too.
#[derive(Debug, Clone)]
pub struct Name(Vec<Pattern>);

impl Name {
    /// Reads a pattern, which may have alternatives in braces.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] for too many of them.
    pub fn parse(typed: &[u8]) -> Result<Name> {
        let all = braces::expand(typed)?;
        Ok(Name(all.iter().map(|typed| Pattern::parse(typed).with_hidden()).collect()))
    }

    /// Whether one of the alternatives stands for this name.
    pub fn matches(&self, name: &[u8]) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name))
    }
}

/// A path with wildcards in it.
#[derive(Debug, Clone)]
pub struct Glob {
    /// The folder in which all that matches is.
    folder: RelPath,
    /// What follows it; the first is no plain name.
    parts: Vec<Part>,
}

/// What is between two slashes.
#[derive(Debug, Clone)]
enum Part {
    /// A name.
    Name(Vec<u8>),
    /// One name of many.
    Pattern(Pattern),
    /// Any number of folders.
    Folders,
}

impl Part {
    fn parse(typed: &[u8]) -> Part {
        match typed {
            b"**" => Part::Folders,
            name if Pattern::is_one(name) => Part::Pattern(Pattern::parse(name)),
            name => Part::Name(unescape(name)),
        }
    }

    /// Whether it stands for one name, and for this one. [`Part::Folders`] stands for none.
    fn matches(&self, name: &[u8]) -> bool {
        match self {
            Part::Name(own) => own == name,
            Part::Pattern(pattern) => pattern.matches(name),
            Part::Folders => false,
        }
    }
}

impl Glob {
    fn parse(typed: &[u8]) -> Result<Glob> {
        let mut parts: Vec<Part> = typed.split(|byte| *byte == b'/').map(Part::parse).collect();
        let fixed = parts.iter().take_while(|part| matches!(part, Part::Name(_))).count();
        let rest = parts.split_off(fixed);
        let mut folder = RelPath::root();
        for part in parts {
            if let Part::Name(name) = part {
                folder = folder.join(&name)?;
            }
        }
        Ok(Glob { folder, parts: rest })
    }

    /// The folder in which all that matches is.
    pub fn folder(&self) -> &RelPath {
        &self.folder
    }

    /// Whether it stands for this path.
    pub fn matches(&self, path: &RelPath) -> bool {
        path.strip_prefix(&self.folder).is_some_and(|rest| !rest.is_root() && matches(&self.parts, rest.as_bytes()))
    }
}

/// Whether this path, relative to where the parts begin, is one that they stand for.
fn matches(parts: &[Part], path: &[u8]) -> bool {
    let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    // Whether the first so many parts stand for the first so many names, for each number of names.
    let mut reached = vec![false; names.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for (at, part) in parts.iter().enumerate() {
        let is_last = at + 1 == parts.len();
        let mut next = vec![false; names.len() + 1];
        let mut inside = false;
        for (count, from) in reached.iter().enumerate() {
            let name = count.checked_sub(1).and_then(|last| names.get(last)).copied();
            let to = match part {
                Part::Folders => {
                    // Any number of names that are not hidden; all that is inside of them, if nothing follows.
                    inside = (inside && name.is_some_and(|name| !name.starts_with(b"."))) || *from;
                    inside && !(is_last && *from)
                }
                part => {
                    let before = count.checked_sub(1).and_then(|last| reached.get(last)).copied();
                    before == Some(true) && name.is_some_and(|name| part.matches(name))
                }
            };
            if let Some(slot) = next.get_mut(count) {
                *slot = to;
            }
        }
        reached = next;
    }
    reached.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(typed: &str) -> Glob {
        match words(typed.as_bytes()).unwrap().remove(0) {
            Word::Glob(glob) => glob,
            Word::Plain(plain) => panic!("{plain:?}"),
        }
    }

    fn whole(typed: &str, path: &str) -> bool {
        let glob = glob(typed);
        let path = RelPath::parse(path.as_bytes()).unwrap();
        path.strip_prefix(&glob.folder).is_some_and(|rest| !rest.is_root() && matches(&glob.parts, rest.as_bytes()))
    }

    #[test]
    fn stars_stay_within_a_name_and_two_of_them_pass_folders() {
        for (typed, path, does) in [
            ("*.txt", "a.txt", true),
            ("*.txt", "a/b.txt", false),
            ("a/*.txt", "a/b.txt", true),
            ("*/b.txt", "a/b.txt", true),
            ("*/b.txt", "a/c/b.txt", false),
            ("**/b.txt", "b.txt", true),
            ("**/b.txt", "a/c/b.txt", true),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b", "c/b", false),
            ("a/**", "a/x", true),
            ("a/**", "a/x/y", true),
            ("a/**", "a", false),
            ("**/x/**", "a/x/y", true),
            ("**/x/**", "a/x", false),
            ("**/**/b", "b", true),
        ] {
            assert_eq!(whole(typed, path), does, "{typed} {path}");
        }
    }

    #[test]
    fn a_leading_dot_is_matched_by_a_dot_alone() {
        for (typed, path, does) in [
            ("*", ".hidden", false),
            (".*", ".hidden", true),
            ("?hidden", ".hidden", false),
            ("[.]hidden", ".hidden", false),
            ("**/a", ".git/a", false),
            ("**", "a/.git/b", false),
            (".git/**", ".git/b", true),
            ("**/.git/*", "a/.git/b", true),
        ] {
            assert_eq!(whole(typed, path), does, "{typed} {path}");
        }
    }

    #[test]
    fn braces_are_words_of_their_own_and_a_backslash_leaves_a_plain_one() {
        let all = words(br"{a,b*}/{x\*,y}").unwrap();
        let plain = |word: &Word| match word {
            Word::Plain(bytes) => Some(String::from_utf8(bytes.clone()).unwrap()),
            Word::Glob(_) => None,
        };
        assert_eq!(all.iter().map(plain).collect::<Vec<_>>(), [Some("a/x*".into()), Some("a/y".into()), None, None]);
        assert!(!has_wildcards(br"a\*\[\{\?") && has_wildcards(br"a\\*") && is_special(br"a\*"));
        assert_eq!(unescape(&escape(br"a*[b]{c,d}\?")), br"a*[b]{c,d}\?");
    }

    #[test]
    fn what_can_be_no_path_is_refused() {
        assert!(words(b"{.,..}/../*").is_err());
    }
}
