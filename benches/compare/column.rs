//! What is transferred, and which way: the columns of the table.

use std::fmt;

/// A set of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// One large file that cannot be compressed.
    File,
    /// Many small files.
    Small,
    /// Source code as people have it.
    Tree,
}

impl Set {
    /// The name of its file or folder.
    pub fn entry(self) -> &'static str {
        match self {
            Set::File => "file.bin",
            Set::Small => "small",
            Set::Tree => "tree",
        }
    }

    /// Whether it is a folder.
    pub fn is_folder(self) -> bool {
        self != Set::File
    }

    fn word(self) -> &'static str {
        match self {
            Set::File => "file",
            Set::Small => "small",
            Set::Tree => "tree",
        }
    }
}

/// From the server or to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The client fetches.
    Down,
    /// The client sends.
    Up,
}

impl Way {
    /// As the table says it.
    pub fn word(self) -> &'static str {
        match self {
            Way::Down => "down",
            Way::Up => "up",
        }
    }
}

/// One column; written `file-down`, `small-up` and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// What.
    pub set: Set,
    /// Which way.
    pub way: Way,
}

impl Column {
    /// Every column, as the table shows them.
    pub const ALL: [Column; 6] = [
        Column { set: Set::File, way: Way::Down },
        Column { set: Set::File, way: Way::Up },
        Column { set: Set::Small, way: Way::Down },
        Column { set: Set::Small, way: Way::Up },
        Column { set: Set::Tree, way: Way::Down },
        Column { set: Set::Tree, way: Way::Up },
    ];
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.set.word(), self.way.word())
    }
}
