//! What is held of a tree by whoever changes names in it: side by side with others, or alone. Of a server that has left the tree to the
//! next one nobody gets either any more.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::bounded::{self, Bounded, OneAlone};
use crate::limits;
use crate::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Whether a server has left its folders to the next one. Clones are the same.
#[derive(Clone, Default, Debug)]
pub struct LeftToNext(Arc<AtomicBool>);

impl LeftToNext {
    /// It has.
    pub fn say(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn refuse(&self) -> io::Result<()> {
        match self.0.load(Ordering::SeqCst) {
            false => Ok(()),
            true => Err(io::Error::new(io::ErrorKind::ResourceBusy, "the next server has this folder by now")),
        }
    }
}

/// The names of a tree.
#[derive(Default)]
pub(super) struct Names {
    held: Held,
    left: LeftToNext,
}

enum Held {
    /// Of a file system that answers.
    Here(RwLock<()>),
    /// Of one that other nodes change too.
    Across(Bounded),
}

impl Default for Held {
    fn default() -> Held {
        Held::Here(RwLock::default())
    }
}

#[expect(dead_code, reason = "held")]
pub(super) enum SideBySide<'a> {
    Here(RwLockReadGuard<'a, ()>),
    Across(bounded::SideBySide<'a>),
}

#[expect(dead_code, reason = "held")]
pub(super) enum Own<'a> {
    Here(RwLockWriteGuard<'a, ()>),
    Across(OneAlone<'a>),
}

impl Names {
    /// Those of a file system that other nodes change too.
    pub(super) fn across() -> Names {
        Names { held: Held::Across(Bounded::default()), left: LeftToNext::default() }
    }

    pub(super) fn left_with(self, left: &LeftToNext) -> Names {
        Names { left: left.clone(), ..self }
    }

    /// # Errors
    /// That the tree was left; of a file system that other nodes change too, that somebody here does not come back.
    pub(super) fn side_by_side(&self) -> io::Result<SideBySide<'_>> {
        let held = match &self.held {
            Held::Here(names) => SideBySide::Here(names.read()),
            Held::Across(names) => SideBySide::Across(names.side_by_side(limits::TREE_LOCK_TURN)?),
        };
        // Behind the lock: who leaves waits for all who have it.
        self.left.refuse().map(|()| held)
    }

    /// # Errors
    /// As [`Names::side_by_side`].
    pub(super) fn alone(&self, most: Duration) -> io::Result<Own<'_>> {
        let held = self.own(most)?;
        self.left.refuse().map(|()| held)
    }

    fn own(&self, most: Duration) -> io::Result<Own<'_>> {
        Ok(match &self.held {
            Held::Here(names) => Own::Here(names.write()),
            Held::Across(names) => Own::Across(names.alone(most)?),
        })
    }

    /// Waits for those who have it now; not for one of another node's file system who does not come back.
    pub(super) fn wait_for_all(&self) {
        drop(self.own(limits::TREE_LOCK_TURN));
    }

    pub(super) fn goes_on(&self) {
        if let Held::Across(names) = &self.held {
            names.goes_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_changes_anything_in_what_was_left_and_who_had_begun_is_waited_for() {
        for names in [Names::default(), Names::across()] {
            let left = LeftToNext::default();
            let names = &names.left_with(&left);
            let begun = names.side_by_side().unwrap();
            let (is_over, waits) = (&AtomicBool::new(false), &AtomicBool::new(false));
            left.say();
            std::thread::scope(|scope| {
                let waiting = scope.spawn(move || {
                    waits.store(true, Ordering::SeqCst);
                    names.wait_for_all();
                    is_over.load(Ordering::SeqCst)
                });
                while !waits.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                // One that did not wait would have looked by then.
                (0..1_000).for_each(|_| std::thread::yield_now());
                is_over.store(true, Ordering::SeqCst);
                drop(begun);
                assert!(waiting.join().unwrap(), "it was not waited for");
            });
            assert!(names.side_by_side().is_err() && names.alone(limits::TREE_LOCK_TURN).is_err());
        }
    }
}
