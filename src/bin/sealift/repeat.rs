//! What may be done once more over a new connection.

use std::cell::Cell;

/// Whether a command can be done over after its connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat<'a> {
    /// It only asks: yes, until something was written to standard output.
    Asks,
    /// It only asks, and goes on behind what it has told already: yes. How far it has come is told here, and counts as
    /// getting farther.
    GoesOn(&'a Cell<u64>),
    /// It changes one thing, and may have done so although its answer never came: only if the server says that it has not begun.
    Acts,
    /// It changes one thing, and finds out what became of the first try before it does so again: yes.
    ActsKnowingly,
    /// It changes several: no.
    ActsOften,
}
