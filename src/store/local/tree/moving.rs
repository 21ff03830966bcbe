//! Who is moving what elsewhere, and has all of it say whose it becomes.

use super::is_within;
use crate::sync::{Condvar, Mutex};

/// What is being moved, by paths from the tree's beginning.
#[derive(Default)]
pub(super) struct Movers {
    paths: Mutex<Vec<Vec<u8>>>,
    one_less: Condvar,
}

/// As long as it lives nobody else moves any of that.
pub(in crate::store::local) struct Moving<'a> {
    of: &'a Movers,
    path: Vec<u8>,
}

impl Movers {
    /// Waits until nobody moves what is at this path, what is in it, or what it is in. For whoever holds nothing of the tree.
    pub(super) fn turn(&self, path: Vec<u8>) -> Moving<'_> {
        let meets = |other: &Vec<u8>| is_within(&path, other) || is_within(other, &path);
        let mut paths = self.one_less.wait_while(self.paths.lock(), |paths| paths.iter().any(meets));
        paths.push(path.clone());
        Moving { of: self, path }
    }
}

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        let mut paths = self.of.paths.lock();
        // No two are the same.
        paths.retain(|path| *path != self.path);
        drop(paths);
        self.of.one_less.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn who_moves_what_another_one_is_moving_comes_after_and_elsewhere_nobody_waits() {
        let movers = Movers::default();
        let first = movers.turn(b"a/b".to_vec());
        drop((movers.turn(b"a/bc".to_vec()), movers.turn(b"a/c".to_vec())));
        let (done, is_done) = mpsc::channel();
        std::thread::scope(|scope| {
            for path in ["a", "a/b", "a/b/c/d", ""] {
                let (movers, done) = (&movers, done.clone());
                scope.spawn(move || {
                    drop(movers.turn(path.as_bytes().to_vec()));
                    done.send(()).unwrap();
                });
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(is_done.try_recv().is_err());
            drop(first);
            (0..4).for_each(|_| is_done.recv().unwrap());
        });
        assert!(movers.paths.lock().is_empty());
    }
}
