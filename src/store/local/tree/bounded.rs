//! Names of a tree that other nodes change too: held by many side by side or by one alone. The file system is one of several machines, and
//! a call of it may never return: so nobody waits for ever for one who does not come back, and who comes then is told at once.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::limits;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// The names.
#[derive(Default)]
pub(super) struct Bounded {
    state: Mutex<State>,
    changed: Condvar,
    /// How far whoever is alone for long has come: as long as that grows he is not one who does not come back.
    steps: AtomicU64,
}

#[derive(Default)]
struct State {
    side_by_side: usize,
    is_alone: bool,
    /// Those who wait to be alone: others let them go first, unless they wait for one who does not come back.
    want_alone: usize,
    waiting: usize,
    /// How often it was given up.
    given_up: u64,
    /// Somebody has waited in vain: who comes now does not wait as long again.
    is_hung: bool,
    /// How often that was found, and how many of those side by side were in the way then.
    found: u64,
    hung: usize,
    /// How far whoever was alone had come then.
    found_at: u64,
}

impl State {
    /// Whoever would have it side by side with others.
    fn keeps_out(&self) -> bool {
        self.is_alone || (self.want_alone > 0 && !self.is_hung)
    }

    /// Whoever is alone and was taken for one who does not come back is none if he has gone on since.
    fn heed(&mut self, steps: u64) {
        if self.is_alone && self.found_at != steps {
            self.is_hung = false;
        }
    }
}

/// As long as it lives nobody is alone.
pub(super) struct SideBySide<'a> {
    of: &'a Bounded,
    /// How often it was found before that somebody does not come back.
    since: u64,
}

/// As long as it lives nobody else has it.
pub(super) struct OneAlone<'a>(&'a Bounded);

impl Bounded {
    /// Has the names as others may, too, unless one is in the way who does not go on for so long.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] then.
    pub(super) fn side_by_side(&self, most: Duration) -> io::Result<SideBySide<'_>> {
        let state = self.wait(self.state.lock(), most, |state| state.keeps_out()).map_err(|_| does_not_come_back())?;
        Ok(self.enter(state))
    }

    /// Has the names as others may, too, at once; nothing if somebody has them alone, or is about to.
    pub(super) fn try_side_by_side(&self) -> Option<SideBySide<'_>> {
        let state = self.state.lock();
        if state.keeps_out() { None } else { Some(self.enter(state)) }
    }

    fn enter<'a>(&'a self, mut state: MutexGuard<'a, State>) -> SideBySide<'a> {
        state.side_by_side += 1;
        SideBySide { of: self, since: state.found }
    }

    /// Has them alone, unless somebody is in the way who does not go on for so long.
    ///
    /// # Errors
    /// As [`Bounded::side_by_side`].
    pub(super) fn alone(&self, most: Duration) -> io::Result<OneAlone<'_>> {
        let mut state = self.state.lock();
        state.want_alone += 1;
        let waited = self.wait(state, most, |state| state.is_alone || state.side_by_side > 0);
        let (mut state, is_had) = match waited {
            Ok(state) => (state, true),
            Err(state) => (state, false),
        };
        state.want_alone -= 1;
        if is_had {
            state.is_alone = true;
            return Ok(OneAlone(self));
        }
        // Others stood behind it.
        self.tell(&state);
        Err(does_not_come_back())
    }

    /// Whoever is alone for long goes on.
    pub(super) fn goes_on(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits as long as something happens; who has waited in vain has it written down. While it is known that somebody does not come
    /// back nobody waits for anything but for him, and once: what others do meanwhile says nothing of him.
    fn wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        most: Duration,
        is_in_the_way: impl Fn(&mut State) -> bool,
    ) -> Result<MutexGuard<'a, State>, MutexGuard<'a, State>> {
        let mut known_until = None;
        while is_in_the_way(&mut state) {
            let steps = self.steps.load(Ordering::Relaxed);
            state.heed(steps);
            let (given_up, is_hung) = (state.given_up, state.is_hung);
            let most = if is_hung {
                let until = *known_until.get_or_insert_with(|| Instant::now() + limits::TREE_LOCK_PAUSE.1);
                until.saturating_duration_since(Instant::now())
            } else {
                known_until = None;
                most
            };
            state.waiting += 1;
            let is_same = |state: &mut State| {
                let has_not_moved = is_hung || state.given_up == given_up;
                is_in_the_way(state) && state.is_hung == is_hung && has_not_moved
            };
            let (now, waited) = self.changed.wait_timeout_while(state, most, is_same);
            state = now;
            state.waiting -= 1;
            let now_at = self.steps.load(Ordering::Relaxed);
            if waited.timed_out() && (now_at == steps || !state.is_alone) {
                if !state.is_hung {
                    (state.is_hung, state.hung, state.found_at) = (true, state.side_by_side, now_at);
                    state.found += 1;
                    self.tell(&state);
                }
                return Err(state);
            }
        }
        Ok(state)
    }

    fn tell(&self, state: &State) {
        if state.waiting > 0 {
            self.changed.notify_all();
        }
    }
}

impl Drop for SideBySide<'_> {
    fn drop(&mut self) {
        let mut state = self.of.state.lock();
        state.side_by_side -= 1;
        state.given_up += 1;
        if state.is_hung && self.since < state.found {
            state.hung = state.hung.saturating_sub(1);
            state.is_hung = state.hung > 0 || state.is_alone;
        }
        self.of.tell(&state);
    }
}

impl Drop for OneAlone<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        (state.is_alone, state.is_hung) = (false, false);
        state.given_up += 1;
        self.0.tell(&state);
    }
}

fn does_not_come_back() -> io::Error {
    let text = "another one at work in this folder does not come back from the file system";
    io::Error::new(io::ErrorKind::ResourceBusy, text)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    /// Longer than anything here takes: only what never ends is ended by it.
    const HANG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(100);

    #[test]
    fn who_does_not_come_back_is_waited_for_once_and_keeps_nobody_from_going_on_side_by_side() {
        let names = Bounded::default();
        let hangs = names.side_by_side(HANG).unwrap();
        assert!(names.alone(SHORT).is_err());
        // From now on nobody waits as long again, nor behind one who wants to be alone.
        assert!(names.alone(HANG).is_err());
        let others: Vec<_> = (0..3).map(|_| names.side_by_side(HANG).unwrap()).collect();
        assert!(names.alone(HANG).is_err());
        // It comes back: who wants to be alone waits for the others again.
        drop(hangs);
        std::thread::scope(|scope| {
            let alone = scope.spawn(|| names.alone(HANG).map(drop));
            drop(others);
            alone.join().unwrap().unwrap();
        });
        let alone = names.alone(HANG).unwrap();
        assert!(names.side_by_side(SHORT).is_err() && names.side_by_side(HANG).is_err() && names.alone(HANG).is_err());
        drop(alone);
        drop(names.side_by_side(HANG).unwrap());
        drop(names.alone(HANG).unwrap());
        let state = names.state.lock();
        assert_eq!((state.side_by_side, state.is_alone, state.want_alone, state.waiting), (0, false, 0, 0));
        assert!(!state.is_hung);
    }

    #[test]
    fn who_goes_on_is_waited_for_however_long_that_takes() {
        let names = Bounded::default();
        let _alone = names.alone(HANG).unwrap();
        // He goes on between any two looks, of which there are at least three each time that one has waited in vain for one who does not.
        let looks = AtomicU64::new(0);
        let waited = names.wait(names.state.lock(), SHORT / 10, |state| {
            names.goes_on();
            state.is_alone && looks.fetch_add(1, Ordering::Relaxed) < 100
        });
        assert!(waited.is_ok_and(|state| !state.is_hung));
        assert!(names.side_by_side(SHORT).is_err());
    }

    #[test]
    fn who_was_taken_for_one_who_does_not_come_back_and_goes_on_is_waited_for_again() {
        let names = Bounded::default();
        let alone = names.alone(HANG).unwrap();
        assert!(names.side_by_side(SHORT).is_err() && names.alone(HANG).is_err());
        names.goes_on();
        std::thread::scope(|scope| {
            let waiting =
                [scope.spawn(|| names.side_by_side(HANG).map(drop)), scope.spawn(|| names.alone(HANG).map(drop))];
            while names.state.lock().waiting < 2 && !waiting.iter().any(std::thread::ScopedJoinHandle::is_finished) {
                std::thread::yield_now();
            }
            // Longer than anybody waits for one who does not come back.
            std::thread::sleep(limits::TREE_LOCK_PAUSE.1 * 20);
            drop(alone);
            waiting.into_iter().for_each(|waiting| waiting.join().unwrap().unwrap());
        });
    }

    #[test]
    fn as_long_as_one_hangs_it_does_not_matter_how_often_others_give_it_up() {
        let names = Bounded::default();
        let _hangs = names.side_by_side(HANG).unwrap();
        assert!(names.alone(SHORT).is_err());
        // Somebody does between any two looks.
        let looks = AtomicU64::new(0);
        let waited = names.wait(names.state.lock(), HANG, |state| {
            state.given_up += 1;
            looks.fetch_add(1, Ordering::Relaxed) < 1_000_000
        });
        assert!(waited.is_err());
    }

    /// What others do side by side says nothing of the one who hangs.
    #[test]
    fn who_wants_to_be_alone_where_one_hangs_is_told_so_whatever_others_do() {
        let names = Bounded::default();
        let (is_over, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
        let hangs = names.side_by_side(HANG).unwrap();
        assert!(names.alone(SHORT).is_err());
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        drop(names.side_by_side(HANG).unwrap());
                        rounds.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            while rounds.load(Ordering::Relaxed) < 100 {
                std::thread::yield_now();
            }
            let (told, tells) = std::sync::mpsc::channel();
            let names = &names;
            scope.spawn(move || (0..5).for_each(|_| told.send(names.alone(HANG).is_err()).unwrap()));
            let told: Vec<_> = (0..5).map_while(|_| tells.recv_timeout(HANG).ok()).collect();
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(told, [true; 5]);
        });
        drop(hangs);
        drop(names.alone(HANG).unwrap());
    }

    #[test]
    fn who_wants_to_be_alone_is_not_kept_waiting_by_those_who_go_on_coming() {
        let names = Bounded::default();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        drop(names.side_by_side(HANG).unwrap());
                    }
                });
            }
            let alone = (0..20).try_for_each(|_| names.alone(HANG).map(drop));
            is_over.store(true, Ordering::Relaxed);
            alone.unwrap();
        });
    }

    #[test]
    fn one_at_a_time_is_alone() {
        let (names, count) = (Bounded::default(), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let _alone = names.alone(HANG).unwrap();
                        let before = count.load(Ordering::Relaxed);
                        std::thread::yield_now();
                        count.store(before + 1, Ordering::Relaxed);
                    }
                });
                scope.spawn(|| {
                    for _ in 0..500 {
                        let _others = names.side_by_side(HANG).unwrap();
                        let before = count.load(Ordering::Relaxed);
                        std::thread::yield_now();
                        assert_eq!(count.load(Ordering::Relaxed), before);
                    }
                });
            }
        });
        assert_eq!(count.into_inner(), 1_500);
    }
}
