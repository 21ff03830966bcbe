//! The one path type. Every path from a client, a listing or a command line is parsed into a [`RelPath`] once;
//! nothing below ever looks at the raw spelling again (CVE-2026-30914: two parsers, two meanings).

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{Error, Kind, Message, Result};
use crate::escape;
use crate::limits;

use super::reserved::is_reserved_name;

/// A path relative to a home, in its only spelling: components joined by single slashes, none of them empty, `.`,
/// `..`, reserved or holding a control character; at most [`limits::PATH_MAX`] bytes, [`limits::NAME_MAX`] a
/// component and [`limits::DEPTH_MAX`] components. The empty path is the home itself.
///
/// Parsing and rendering are inverse: `parse(p.as_bytes()) == p`. Bytes need not be UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RelPath(Vec<u8>);

impl RelPath {
    /// The home itself.
    pub const fn root() -> Self {
        RelPath(Vec::new())
    }

    /// Parses the decoded bytes of a path.
    ///
    /// # Errors
    /// [`Kind::BadPath`] for a spelling that is never valid, [`Kind::PathTooLong`], [`Kind::NotFound`] for the reserved name: it answers
    /// as if nothing were there, whatever the verb.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let said = |kind, why: &str| Err(Error::new(kind, Message::path(bytes).words(": ").words(why)));
        let bad = |why| said(Kind::BadPath, why);
        if bytes.is_empty() {
            return Ok(Self::root());
        }
        if bytes.len() > limits::PATH_MAX {
            return Err(Error::new(Kind::PathTooLong, format!("the path is longer than {} bytes", limits::PATH_MAX)));
        }
        if bytes.starts_with(b"/") {
            return bad("a path starts at your own folder, not with a slash");
        }
        let mut depth = 0;
        for name in bytes.split(|b| *b == b'/') {
            depth += 1;
            match name {
                b"" => return bad("the path has an empty name in it"),
                b"." | b".." => return bad("`.` and `..` are not names"),
                _ if name.len() > limits::NAME_MAX => {
                    return said(Kind::PathTooLong, "a name in it is longer than 255 bytes");
                }
                _ if name.iter().any(|b| b.is_ascii_control()) => return bad("the path has a control character in it"),
                _ if is_reserved_name(name) => {
                    return said(Kind::NotFound, "no such file or folder");
                }
                _ => {}
            }
        }
        if depth > limits::DEPTH_MAX {
            return said(Kind::PathTooLong, "the path is deeper than 64 folders");
        }
        Ok(RelPath(bytes.to_vec()))
    }

    /// Whether this is the home itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The only spelling.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As a path of the operating system; empty for the home itself.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The names from the top down; none for the home itself.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|b| *b == b'/').filter(|name| !name.is_empty())
    }

    /// The last name; `None` for the home itself.
    pub fn file_name(&self) -> Option<&[u8]> {
        self.components().last()
    }

    /// The folder this is in; `None` for the home itself.
    pub fn parent(&self) -> Option<RelPath> {
        if self.is_root() {
            return None;
        }
        let cut = self.0.iter().rposition(|b| *b == b'/').unwrap_or(0);
        Some(RelPath(self.0.get(..cut).unwrap_or_default().to_vec()))
    }

    /// The path of `rest` inside this folder; `rest` may have several components.
    ///
    /// # Errors
    /// As [`RelPath::parse`].
    pub fn join(&self, rest: &[u8]) -> Result<RelPath> {
        if self.is_root() {
            return RelPath::parse(rest);
        }
        if rest.is_empty() {
            return Ok(self.clone());
        }
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + rest.len());
        bytes.extend_from_slice(&self.0);
        bytes.push(b'/');
        bytes.extend_from_slice(rest);
        RelPath::parse(&bytes)
    }

    /// What an error says of this path: `a/b: already exists`, with the path as a value.
    pub fn said(&self, words: impl fmt::Display) -> Message {
        Message::from(self).words(": ").words(words)
    }

    /// What an error says of this path and of another one: `a: b is in another shared folder`.
    pub fn said_with(&self, other: &RelPath, words: impl fmt::Display) -> Message {
        Message::from(self).words(": ").then(other).words(" ").words(words)
    }

    /// [`RelPath::said_with`] of this path in the store that something comes from, and of the other one in that which says it.
    pub fn said_from_other(&self, other: &RelPath, words: impl fmt::Display) -> Message {
        Message::from(self).of_other_store().words(": ").then(other).words(" ").words(words)
    }

    /// Whether this is the folder or something in it, by whole components.
    pub fn is_within(&self, folder: &RelPath) -> bool {
        match self.0.strip_prefix(folder.as_bytes()) {
            _ if folder.is_root() => true,
            Some([] | [b'/', ..]) => true,
            Some(_) | None => false,
        }
    }

    /// What follows `folder` in this path: `a/b/c` inside `a` is `b/c`. `None` if it is not inside, and empty if
    /// they are the same. Compares whole components, so `bob2` is not inside `bob` (CVE-2026-40876).
    pub fn strip_prefix(&self, folder: &RelPath) -> Option<RelPath> {
        if folder.is_root() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(folder.as_bytes())?;
        match rest {
            [] => Some(Self::root()),
            [b'/', inside @ ..] => Some(RelPath(inside.to_vec())),
            _ => None,
        }
    }
}

/// As errors say it: a value among their words, so that a store which shows below a name can put that before it.
impl From<&RelPath> for Message {
    fn from(path: &RelPath) -> Message {
        Message::path(path.as_bytes())
    }
}

impl From<RelPath> for Message {
    fn from(path: RelPath) -> Message {
        Message::from(&path)
    }
}

/// What can name a file or folder: a [`RelPath`], or text, bytes or a path of this system, to be parsed into one.
///
/// ```
/// use sealift::files::{IntoPath, RelPath};
///
/// # fn main() -> sealift::Result<()> {
/// assert_eq!("docs/plan.txt".into_path()?, RelPath::parse(b"docs/plan.txt")?);
/// assert!("docs/../secret".into_path().is_err());
/// # Ok(())
/// # }
/// ```
pub trait IntoPath {
    /// The path.
    ///
    /// # Errors
    /// As [`RelPath::parse`].
    fn into_path(self) -> Result<RelPath>;
}

impl IntoPath for RelPath {
    fn into_path(self) -> Result<RelPath> {
        Ok(self)
    }
}

impl IntoPath for &RelPath {
    fn into_path(self) -> Result<RelPath> {
        Ok(self.clone())
    }
}

macro_rules! parsed {
    ($($type:ty, $from:ident => $bytes:expr;)*) => {$(
        impl TryFrom<$type> for RelPath {
            type Error = Error;

            fn try_from($from: $type) -> Result<RelPath> {
                RelPath::parse($bytes)
            }
        }

        impl IntoPath for $type {
            fn into_path(self) -> Result<RelPath> {
                RelPath::try_from(self)
            }
        }
    )*};
}

parsed! {
    &str, text => text.as_bytes();
    &String, text => text.as_bytes();
    String, text => text.as_bytes();
    &[u8], bytes => bytes;
    &Path, path => path.as_os_str().as_bytes();
    &PathBuf, path => path.as_os_str().as_bytes();
}

impl FromStr for RelPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<RelPath> {
        RelPath::parse(text.as_bytes())
    }
}

/// For people: control, bidirectional and invalid bytes escaped; `.` for the home itself.
impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() { f.write_str(".") } else { f.write_str(&escape::for_people(&self.0)) }
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelPath({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind(bytes: &[u8]) -> Kind {
        RelPath::parse(bytes).unwrap_err().kind()
    }

    #[test]
    fn climbing_absolute_and_empty_names_are_bad_paths() {
        for bad in ["..", "a/..", "../b", "a/../../b", "/etc/passwd", "a//b", "a/", "/", ".", "a/./b"] {
            assert_eq!(kind(bad.as_bytes()), Kind::BadPath, "{bad}");
        }
    }

    #[test]
    fn control_characters_are_bad_paths() {
        for bad in [&b"a\0b"[..], b"a\r\nb", b"\x1b[2J", b"\x7f"] {
            assert_eq!(kind(bad), Kind::BadPath);
        }
    }

    #[test]
    fn the_reserved_name_is_absent_in_any_spelling_and_at_any_depth() {
        for name in [
            ".sealift",
            ".SEALIFT",
            "a/.Sealift",
            ".sealift/x",
            "a/.ſealift",
            ".sealift./x",
            "a/.sealift ",
            "SEALIF~1/x",
        ] {
            assert_eq!(kind(name.as_bytes()), Kind::NotFound, "{name}");
        }
        assert!(RelPath::parse(b".sealift2").is_ok());
    }

    #[test]
    fn limits_hold_at_their_edges() {
        assert!(RelPath::parse(&[b'a'; 255]).is_ok());
        assert_eq!(kind(&[b'a'; 256]), Kind::PathTooLong);
        assert!(RelPath::parse(["a"; 64].join("/").as_bytes()).is_ok());
        assert_eq!(kind(["a"; 65].join("/").as_bytes()), Kind::PathTooLong);
    }

    #[test]
    fn ordinary_and_odd_names_are_kept_byte_for_byte() {
        for good in ["a", "a b/ü/%", "-rf", "'\"", "...", "a=b", "\u{202e}"] {
            assert_eq!(RelPath::parse(good.as_bytes()).unwrap().as_bytes(), good.as_bytes());
        }
        assert_eq!(RelPath::parse(b"\xff\xfe").unwrap().as_bytes(), b"\xff\xfe");
    }

    #[test]
    fn a_sibling_with_the_same_beginning_is_not_inside() {
        let bob = RelPath::parse(b"bob").unwrap();
        assert_eq!(RelPath::parse(b"bob2/x").unwrap().strip_prefix(&bob), None);
        assert_eq!(RelPath::parse(b"bob/x").unwrap().strip_prefix(&bob), Some(RelPath::parse(b"x").unwrap()));
    }

    proptest! {
        #[test]
        fn parse_and_render_are_inverse(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(path) = RelPath::parse(&bytes) {
                prop_assert_eq!(path.as_bytes(), &bytes[..]);
                let mut rebuilt = RelPath::root();
                for name in path.components() {
                    rebuilt = rebuilt.join(name).unwrap();
                }
                prop_assert_eq!(&rebuilt, &path);
                if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
                    prop_assert_eq!(parent.join(name).unwrap(), path);
                }
            }
        }
    }
}
