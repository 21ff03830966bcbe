//! Removals that nobody takes the steps of any more, because whoever asked for them has left or was kicked. What has lost its name is
//! gone for everybody, unless it cannot be removed, and its room is to be had again. A thread goes round the homes with a step for one
//! tree of each, so that nobody's few files wait for the millions of another one, and ends with the last of them. Each disk has one, so
//! that none waits for another one that hangs. What a killed server leaves of them the next sweep removes.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, Result};
use crate::sync::Mutex;

/// The rest of a removal.
pub(super) trait Rest: Send {
    /// The number of the disk that it is on.
    fn disk(&self) -> u64;

    /// What it is of: whatever waits for one home is done in turn with that of the others.
    fn home(&self) -> (u64, u64);

    /// Removes some of it. Whether all of it is gone.
    ///
    /// # Errors
    /// What kept some of it from being removed: no more steps are taken.
    fn step(&mut self) -> Result<bool>;

    /// It could not be removed to its end, and nobody else is told.
    fn has_failed(&mut self, error: &Error);

    /// No step of it is taken any more, whatever is left.
    fn is_given_up(&mut self);
}

type Home = (u64, u64);

/// Those of a disk, by the home that they are of.
#[derive(Default)]
struct Waiting(VecDeque<(Home, VecDeque<Box<dyn Rest>>)>);

impl Waiting {
    fn push(&mut self, rest: Box<dyn Rest>) {
        let home = rest.home();
        match self.0.iter_mut().find(|(there, _)| *there == home) {
            Some((_, rests)) => rests.push_back(rest),
            None => self.0.push_back((home, VecDeque::from([rest]))),
        }
    }

    /// The one that has waited longest of the home whose turn it is, which is the last one then.
    fn pop(&mut self) -> Option<Box<dyn Rest>> {
        let (home, mut rests) = self.0.pop_front()?;
        let rest = rests.pop_front();
        if !rests.is_empty() {
            self.0.push_back((home, rests));
        }
        rest
    }
}

/// Those that wait, by the disk that they are on. One that is in here has a thread.
static WAITING: Mutex<BTreeMap<u64, Waiting>> = Mutex::new(BTreeMap::new());

/// Removes the rest beside whatever the caller does next.
pub(super) fn finish(rest: Box<dyn Rest>) {
    let disk = rest.disk();
    let mut waiting = WAITING.lock();
    let has_thread = waiting.contains_key(&disk);
    waiting.entry(disk).or_default().push(rest);
    if has_thread {
        return;
    }
    let spawned = std::thread::Builder::new().name("removal".into()).spawn(move || work(disk));
    let unspawned = if spawned.is_err() { waiting.remove(&disk) } else { None };
    drop(waiting);
    if let Some(mut unspawned) = unspawned {
        while let Some(mut rest) = unspawned.pop() {
            rest.is_given_up();
        }
    }
}

fn work(disk: u64) {
    while let Some(mut rest) = next(disk) {
        // What panics must not take those with it that wait.
        match catch_unwind(AssertUnwindSafe(|| rest.step())) {
            Ok(Ok(false)) => WAITING.lock().entry(disk).or_default().push(rest),
            Ok(Ok(true)) => {}
            Ok(Err(error)) => rest.has_failed(&error),
            Err(_) => rest.is_given_up(),
        }
    }
}

/// The next one, or that this thread ends.
fn next(disk: u64) -> Option<Box<dyn Rest>> {
    let mut waiting = WAITING.lock();
    let next = waiting.get_mut(&disk)?.pop();
    if next.is_none() {
        waiting.remove(&disk);
    }
    next
}

/// Nothing more goes of what waits on this disk until the other end is dropped.
#[cfg(test)]
pub(super) fn hold(disk: u64) -> std::sync::mpsc::Sender<()> {
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// What all others wait for.
    struct InTheWay {
        disk: u64,
        begins: Sender<()>,
        is_over: Receiver<()>,
    }

    impl Rest for InTheWay {
        fn disk(&self) -> u64 {
            self.disk
        }

        fn home(&self) -> Home {
            (self.disk, 0)
        }

        fn step(&mut self) -> Result<bool> {
            self.begins.send(()).unwrap();
            let _told_or_dropped = self.is_over.recv();
            Ok(true)
        }

        fn has_failed(&mut self, _: &Error) {}

        fn is_given_up(&mut self) {}
    }

    let ((begins, begun), (over, is_over)) = (channel(), channel());
    finish(Box::new(InTheWay { disk, begins, is_over }));
    begun.recv().unwrap();
    over
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// What is done to one of so many steps is said; the first step waits until it is told to go on.
    struct Told {
        place: (u64, u64),
        name: &'static str,
        steps: u32,
        panics: bool,
        waits: Option<Receiver<()>>,
        says: Sender<&'static str>,
    }

    impl Rest for Told {
        fn disk(&self) -> u64 {
            self.place.0
        }

        fn home(&self) -> (u64, u64) {
            self.place
        }

        fn step(&mut self) -> Result<bool> {
            self.waits.take().into_iter().for_each(|waits| waits.recv().unwrap());
            assert!(!self.panics, "as it was told to");
            self.says.send(self.name).unwrap();
            self.steps -= 1;
            Ok(self.steps == 0)
        }

        fn has_failed(&mut self, _: &Error) {
            self.says.send("failed").unwrap();
        }

        fn is_given_up(&mut self) {
            self.says.send("given up").unwrap();
        }
    }

    /// What is said while the first one, which all others wait behind, and these are finished: of each the home, the name and how many
    /// steps it takes.
    fn said(disk: u64, panics: bool, others: &[(u64, &'static str, u32)]) -> Vec<&'static str> {
        let ((go_on, waits), (says, said)) = (channel(), channel());
        let told = |home, name, steps| Told {
            place: (disk, home),
            name,
            steps,
            panics: false,
            waits: None,
            says: says.clone(),
        };
        finish(Box::new(Told { panics, waits: Some(waits), ..told(0, "first", 1) }));
        others.iter().for_each(|(home, name, steps)| finish(Box::new(told(*home, name, *steps))));
        drop(says);
        go_on.send(()).unwrap();
        // Until none of them is left.
        said.into_iter().collect()
    }

    #[test]
    fn a_step_of_each_home_is_taken_in_turn() {
        let others = [(1, "large", 4), (1, "more", 2), (2, "small", 1), (3, "other", 2)];
        let said = said(u64::MAX, false, &others);
        assert_eq!(
            said,
            ["first", "large", "small", "other", "more", "other", "large", "more", "large", "large"],
            "whose one tree is small waits for one step of each of the others"
        );
    }

    #[test]
    fn one_that_panics_keeps_nobody_from_being_removed() {
        assert_eq!(said(u64::MAX - 1, true, &[(1, "next", 2)]), ["given up", "next", "next"]);
        assert_eq!(said(u64::MAX - 1, false, &[(1, "later", 1)]), ["first", "later"]);
    }
}
