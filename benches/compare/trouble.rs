//! What ends a benchmark, or one step of it.

use std::fmt;
use std::io;
use std::path::Path;

/// Why something could not be measured.
#[derive(Debug)]
pub enum Trouble {
    /// Ctrl-C, or another signal that asks the program to end.
    Interrupted,
    /// Anything else, in words for the person who started it.
    Failed(String),
}

/// A result whose failure is a [`Trouble`].
pub type Outcome<T> = Result<T, Trouble>;

impl Trouble {
    /// In these words.
    pub fn new(text: impl Into<String>) -> Self {
        Trouble::Failed(text.into())
    }

    /// A failed operation on a file, folder or program.
    pub fn at(what: &Path, err: io::Error) -> Self {
        Trouble::Failed(format!("{}: {err}", what.display()))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Interrupted => f.write_str("interrupted"),
            Trouble::Failed(text) => f.write_str(text),
        }
    }
}

impl From<sealift::Error> for Trouble {
    fn from(err: sealift::Error) -> Self {
        Trouble::new(err.to_string())
    }
}
