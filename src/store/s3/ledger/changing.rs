//! What somebody is about to change: one name, or all that begins with something.

use super::{Ledger, State};
use crate::store::bounds::Sum;

/// A change of what has a key, which somebody is about to make. Dropped before it was asked of the storage it was none; dropped behind
/// that nobody knows what it comes to.
pub struct Changing<'a> {
    ledger: &'a Ledger,
    key: String,
    /// The sweep that it is a part of.
    of: Option<u64>,
    /// What may be there when the storage has been asked for it.
    sent: Option<Sum>,
}

impl Changing<'_> {
    /// The storage is about to be asked for it: this will be there then.
    pub fn begins(&mut self, after: Sum) {
        self.sent = Some(after);
    }

    /// The storage has said that it has not done it.
    pub fn is_refused(&mut self) {
        self.sent = None;
    }

    /// It is done: what was there before, and what is there now.
    pub fn done(self, before: Sum, after: Sum) {
        done_at_once(vec![(self, before, after)], |_| {});
    }
}

/// All of these are done, and so is this, in one step for everybody else.
pub fn done_at_once(changes: Vec<(Changing<'_>, Sum, Sum)>, with: impl FnOnce(&mut State)) {
    let Some(ledger) = changes.first().map(|(change, ..)| change.ledger) else { return };
    let mut state = ledger.lock();
    for (change, before, after) in &changes {
        state.close((&change.key, change.of), Some((*before, *after)));
    }
    with(&mut state);
    drop(state);
    changes.into_iter().for_each(|(mut change, ..)| change.key.clear());
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        match (self.key.as_str(), self.sent) {
            ("", _) => {}
            (key, Some(after)) => self.ledger.lock().close_unknown((key, self.of), after),
            (key, None) => self.ledger.lock().close((key, self.of), None),
        }
    }
}

/// Changes of all that begins with something.
pub struct Sweeping<'a> {
    ledger: &'a Ledger,
    number: u64,
}

impl Drop for Sweeping<'_> {
    fn drop(&mut self) {
        self.ledger.lock().sweeps.remove(&self.number);
    }
}

impl Ledger {
    /// Somebody is about to look at what has this key, and to change it; as part of this sweep, if one is said.
    pub fn changing(&self, key: &str, of: Option<&Sweeping<'_>>) -> Changing<'_> {
        let of = of.map(|sweep| sweep.number);
        self.lock().open(key, of);
        Changing { ledger: self, key: key.to_owned(), of, sent: None }
    }

    /// Somebody is about to list all that begins with this, and to change it by what the listing says.
    pub fn sweeping(&self, prefix: &str) -> Sweeping<'_> {
        let number = self.lock().open_sweep(prefix);
        Sweeping { ledger: self, number }
    }
}
