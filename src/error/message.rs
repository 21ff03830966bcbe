//! What an error says, with the paths that it is said of as values: a path that is called otherwise by whoever reads it can be
//! replaced, and text is made when it is shown.

use std::borrow::Cow;
use std::fmt;
use std::path::{self, Path};
use std::sync::OnceLock;

use super::Error;
use crate::escape;

/// Words, and paths among them. A store says of a path in it by [`RelPath::said`](crate::files::RelPath::said).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Words(Box<str>),
    Path(PathSaid),
}

/// A path in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathSaid {
    /// As the store has it that says it; empty for its root.
    pub path: Box<[u8]>,
    /// It is not in that store, but in the other one that something comes from.
    pub of_other: bool,
}

impl PathSaid {
    fn new(path: &[u8]) -> PathSaid {
        PathSaid { path: path.into(), of_other: false }
    }
}

/// For people, as a path relative to a home is shown.
impl fmt::Display for PathSaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(".") } else { f.write_str(&escape::for_people(&self.path)) }
    }
}

impl Message {
    /// This path.
    pub fn path(path: &[u8]) -> Message {
        Message(vec![Piece::Path(PathSaid::new(path))])
    }

    /// And then these words.
    #[must_use]
    pub fn words(mut self, words: impl fmt::Display) -> Message {
        let words = words.to_string();
        match self.0.last_mut() {
            Some(Piece::Words(before)) => *before = format!("{before}{words}").into(),
            Some(Piece::Path(_)) | None => self.0.push(Piece::Words(words.into())),
        }
        self
    }

    /// And then this one.
    #[must_use]
    pub fn then(mut self, other: impl Into<Message>) -> Message {
        for piece in other.into().0 {
            match piece {
                Piece::Words(words) => self = self.words(words),
                Piece::Path(_) => self.0.push(piece),
            }
        }
        self
    }

    /// The paths in it are in another store, which something comes from, and not in that which says it.
    #[must_use]
    pub fn of_other_store(mut self) -> Message {
        self.paths_mut().for_each(|said| said.of_other = true);
        self
    }

    /// The words, if there is no path in it.
    pub(super) fn as_words(&self) -> Option<&str> {
        match &self.0[..] {
            [] => Some(""),
            [Piece::Words(words)] => Some(words),
            _ => None,
        }
    }

    /// What it says, for people.
    pub(super) fn text(&self) -> String {
        let shown = self.0.iter().map(|piece| match piece {
            Piece::Words(words) => Cow::Borrowed(&**words),
            Piece::Path(path) => Cow::Owned(path.to_string()),
        });
        shown.collect()
    }

    /// The paths in it.
    fn paths(&self) -> impl Iterator<Item = &PathSaid> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Path(path) => Some(path),
            Piece::Words(_) => None,
        })
    }

    /// The paths in it, to be replaced.
    fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathSaid> {
        self.0.iter_mut().filter_map(|piece| match piece {
            Piece::Path(path) => Some(path),
            Piece::Words(_) => None,
        })
    }
}

macro_rules! from_words {
    ($($type:ty),*) => {$(
        impl From<$type> for Message {
            fn from(words: $type) -> Message {
                Message(vec![Piece::Words(words.to_string().into())])
            }
        }
    )*};
}

from_words!(&str, &String, Cow<'_, str>, Box<str>, fmt::Arguments<'_>, path::Display<'_>);

impl From<String> for Message {
    fn from(words: String) -> Message {
        Message(vec![Piece::Words(words.into())])
    }
}

impl Error {
    /// This failure, told of this as well if its text does not name it.
    pub fn about(self, what: impl Into<Message>) -> Self {
        let what = what.into();
        if self.text().contains(&what.text()) {
            return self;
        }
        let message = what.words(": ").then(self.message.clone());
        self.saying(message)
    }

    /// The paths that it is about, in the order in which it says them, as the store has them that failed.
    pub fn paths(&self) -> impl Iterator<Item = &[u8]> {
        self.message.paths().map(|said| &*said.path)
    }

    /// What it says, with its paths as values.
    pub fn message(&self) -> Message {
        self.message.clone()
    }

    /// This failure, and then these words.
    #[cfg_attr(not(feature = "server"), expect(dead_code, reason = "a server's"))]
    pub(crate) fn and(self, more: impl Into<Message>) -> Self {
        let message = self.message.clone().then(more);
        self.saying(message)
    }

    /// This failure as one of this path: what it says names none.
    pub(crate) fn of_path(self, path: &[u8]) -> Self {
        let message = Message::path(path).words(": ").then(self.message.clone());
        let path = PathSaid::new(path).to_string();
        self.saying(message).at(path)
    }

    fn saying(self, message: Message) -> Self {
        Error { message, text: OnceLock::new(), ..self }
    }

    /// This failure for whoever calls the paths otherwise that it is about: each becomes what `outer` says of it.
    ///
    /// # Errors
    /// This failure as it was, if it names no path.
    pub(crate) fn with_paths(mut self, outer: impl Fn(&PathSaid) -> Vec<u8>) -> std::result::Result<Self, Self> {
        let mut has_paths = false;
        for said in self.message.paths_mut() {
            has_paths = true;
            let inner = said.to_string();
            *said = PathSaid { path: outer(said).into(), of_other: false };
            if self.path.as_deref() == Some(Path::new(&inner)) {
                self.path = Some(Path::new(&said.to_string()).into());
            }
        }
        self.text = OnceLock::new();
        if has_paths { Ok(self) } else { Err(self) }
    }

    /// This failure as one of paths in another store, which something comes from, and not in that which says it.
    pub(crate) fn of_other_store(self) -> Self {
        let message = self.message.clone().of_other_store();
        self.saying(message)
    }

    /// This failure as one of a path in a folder that shows at `at`: the text names it as its user does, if it begins with the path in the
    /// folder.
    pub fn of_path_in(self, path: &str, at: &str) -> Self {
        let Some(rest) = self.text().strip_prefix(path).filter(|rest| rest.starts_with(':')) else { return self };
        let text = match path {
            "." => format!("{at}{rest}"),
            path => format!("{at}/{path}{rest}"),
        };
        self.saying(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_values_until_it_is_shown() {
        let mut message = Message::path(b"a").words(": ").then(Message::path(b"")).words(" is").words(" here");
        assert_eq!((message.text().as_str(), message.as_words()), ("a: . is here", None));
        for said in message.paths_mut() {
            said.path = [b"x\x1b/", &*said.path].concat().into();
        }
        assert_eq!(message.text(), "x\\x1b/a: x\\x1b/ is here");
        assert_eq!(Message::from("a: b").as_words(), Some("a: b"));
        assert_eq!(Message::from("a").then("b"), Message::from("ab".to_owned()));
    }
}
