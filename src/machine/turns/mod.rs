//! Turns on a bounded set of threads: blocking work of many, none of whom may keep the others waiting.
//!
//! There are so many places. Who has one keeps it while nobody else waits, and else gives it back after
//! [`limits::TURN`]. Turns go round the sources ([`FairQueue`]), and one network holds at most as many places as it leaves
//! free, so that the next one always finds some: alone it has half of them, two have a third each.
//!
//! - Work that takes a core for its whole length is *heavy* and has places of its own, one for each core: what the
//!   others do is short and finds a place even if everybody hashes.
//! - Work that waits for the disk and cannot be interrupted is done in [`block_in_place`]: it gives its place back meanwhile, within
//!   bounds that are shared in the same way.

mod job;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use super::fair_queue::FairQueue;
use super::source::{Network, Source};
use crate::error::{Error, Kind};
use crate::limits;
use crate::repeated_warnings;
use crate::sync::{Condvar, Mutex, MutexGuard};

/// What a step of work takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A moment of everything.
    Light,
    /// A core.
    Heavy,
}

/// Something that is done turn by turn.
pub trait Turn: Send + Sync {
    /// Works until there is nothing to do or [`Place::is_over`]. Who wants another turn asks for it again.
    fn turn(self: Arc<Self>, place: &Place);
}

/// How many may have a turn at once.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    /// Light ones.
    pub light: usize,
    /// Heavy ones.
    pub heavy: usize,
    /// Those that gave their place back to wait for something.
    pub blocked: usize,
}

impl Places {
    /// For the sessions of one server on this machine.
    pub fn of_sessions() -> Places {
        let cores = cores();
        Places { light: limits::TURNS_MIN.max(4 * cores), heavy: cores, blocked: limits::TURNS_BLOCKED }
    }

    /// For short work of one kind.
    pub fn only(light: usize) -> Places {
        Places { light, heavy: 0, blocked: 0 }
    }

    /// All together: as many threads there may be.
    pub fn all(self) -> usize {
        self.light + self.heavy + self.blocked
    }
}

/// Processor cores that this process may use.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The threads, and who waits for them. They are made as they are needed, and end when they are not.
pub struct Turns {
    name: &'static str,
    places: Places,
    state: Mutex<State>,
    /// Wakes one thread for each call.
    called: Condvar,
    /// Lengths of the queues, to be looked at between two steps.
    light_waiting: AtomicUsize,
    heavy_waiting: AtomicUsize,
}

struct State {
    light: FairQueue<Arc<dyn Turn>>,
    heavy: FairQueue<Arc<dyn Turn>>,
    light_held: HeldPlaces,
    heavy_held: usize,
    blocked: HeldPlaces,
    threads: usize,
    /// Threads that wait to be called.
    idle: usize,
    /// Calls that no thread has answered yet.
    calls: usize,
}

/// Places that are held, and by whom.
#[derive(Default)]
struct HeldPlaces {
    all: usize,
    by: HashMap<Network, usize>,
}

impl HeldPlaces {
    /// Whether this network may hold one more of so many: it leaves at least as many free as it has.
    fn has_room_for(&self, network: &Network, of: usize) -> bool {
        self.by.get(network).copied().unwrap_or(0) < of.saturating_sub(self.all)
    }

    fn take(&mut self, network: &Network) {
        self.all += 1;
        *self.by.entry(network.clone()).or_default() += 1;
    }

    fn give_back(&mut self, network: &Network) {
        self.all -= 1;
        if let Some(count) = self.by.get_mut(network) {
            *count -= 1;
            if *count == 0 {
                self.by.remove(network);
            }
        }
    }
}

/// A place, held during a turn.
pub struct Place {
    turns: Arc<Turns>,
    network: Network,
    class: Cell<Class>,
    since: Instant,
    is_blocked: Cell<bool>,
}

/// How much there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Light turns that are had, and those that are waited for.
    pub light: (usize, usize),
    /// Heavy turns that are had, and those that are waited for.
    pub heavy: (usize, usize),
    /// Those that gave their place back to wait for something.
    pub blocked: usize,
}

thread_local! {
    /// That of the turn which this thread is in.
    static CURRENT: RefCell<Option<Rc<Place>>> = const { RefCell::new(None) };
}

/// Does work that may take long and cannot be interrupted: a commit, the removal of a tree. Others get the place
/// meanwhile, as far as there is a thread for it. Outside of a turn it is done without further ado.
pub fn block_in_place<T>(work: impl FnOnce() -> T) -> T {
    let place = CURRENT.with_borrow(Clone::clone);
    let _back_again = place.and_then(Place::leave);
    work()
}

impl Turns {
    /// Threads of this name, none of them running yet.
    pub fn new(name: &'static str, places: Places) -> Arc<Turns> {
        let state = State {
            light: FairQueue::new(),
            heavy: FairQueue::new(),
            light_held: HeldPlaces::default(),
            heavy_held: 0,
            blocked: HeldPlaces::default(),
            threads: 0,
            idle: 0,
            calls: 0,
        };
        Arc::new(Turns {
            name,
            places,
            state: Mutex::new(state),
            called: Condvar::new(),
            light_waiting: AtomicUsize::new(0),
            heavy_waiting: AtomicUsize::new(0),
        })
    }

    /// How much there is to do now.
    pub fn load(&self) -> Load {
        let state = self.lock();
        Load {
            light: (state.light_held.all, state.light.len()),
            heavy: (state.heavy_held, state.heavy.len()),
            blocked: state.blocked.all,
        }
    }

    /// Asks for a turn of this class.
    pub fn ask(self: &Arc<Self>, source: &Source, class: Class, turn: Arc<dyn Turn>) {
        let mut state = self.lock();
        match class {
            Class::Light => state.light.push(source.clone(), turn),
            Class::Heavy => state.heavy.push(source.clone(), turn),
        }
        self.tell_lengths(&state);
        self.call(&mut state);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Counts and queues only, and nothing in here panics.
        self.state.lock()
    }

    fn tell_lengths(&self, state: &State) {
        self.light_waiting.store(state.light.len(), Ordering::Relaxed);
        self.heavy_waiting.store(state.heavy.len(), Ordering::Relaxed);
    }

    /// Calls a thread if there is something that one may begin.
    fn call(self: &Arc<Self>, state: &mut State) {
        let heavy = state.heavy_held < self.places.heavy && !state.heavy.is_empty();
        // Looks through all who wait only if there is a place to give at all.
        let light = || {
            state.light_held.all < self.places.light
                && state.light.has(|network| state.light_held.has_room_for(network, self.places.light))
        };
        if !heavy && !light() {
            return;
        }
        if state.idle > 0 {
            state.idle -= 1;
            state.calls += 1;
            self.called.notify_one();
        } else if state.threads < self.places.all() {
            state.threads += 1;
            self.begin_thread(state);
        }
    }

    fn begin_thread(self: &Arc<Self>, state: &mut State) {
        let turns = self.clone();
        let begun = thread::Builder::new().name(self.name.to_owned()).spawn(move || turns.work());
        if let Err(error) = begun {
            let error = Error::new(Kind::Internal, error.to_string()).with_source(error);
            if repeated_warnings::is_first("no thread could be started", &error) {
                tracing::warn!(%error, threads = state.threads - 1, "no thread could be started for {}", self.name);
            }
            if state.threads > 1 {
                // The others go on with what waits.
                state.threads -= 1;
            } else {
                // A common thread is better than none.
                let turns = self.clone();
                async_std::task::spawn_blocking(move || turns.work());
            }
        }
    }

    /// One thread: turn after turn until it is of no use.
    fn work(self: Arc<Self>) {
        let mut state = self.lock();
        loop {
            let Some((place, turn)) = self.next(&mut state) else {
                state.idle += 1;
                state = self.called.wait_timeout_while(state, limits::THREAD_IDLE, |state| state.calls == 0).0;
                if state.calls == 0 {
                    state.idle -= 1;
                    state.threads -= 1;
                    return;
                }
                // Who called has counted this thread as busy.
                state.calls -= 1;
                continue;
            };
            self.tell_lengths(&state);
            if state.calls == 0 {
                self.call(&mut state);
            }
            drop(state);
            let place = Rc::new(place);
            CURRENT.set(Some(place.clone()));
            // What has a turn tells of its panics itself; this thread goes on either way.
            let _told = catch_unwind(AssertUnwindSafe(|| turn.turn(&place)));
            CURRENT.set(None);
            state = self.lock();
            match place.class.get() {
                Class::Light => state.light_held.give_back(&place.network),
                Class::Heavy => state.heavy_held -= 1,
            }
        }
    }

    /// Whose turn it is. Heavy ones first: as they have places of their own, the others have no fewer.
    fn next(self: &Arc<Self>, state: &mut State) -> Option<(Place, Arc<dyn Turn>)> {
        let heavy = if state.heavy_held < self.places.heavy { state.heavy.pop(|_| true) } else { None };
        let (class, source, turn) = match heavy {
            Some((source, turn)) => (Class::Heavy, source, turn),
            None => {
                let held = &state.light_held;
                let (source, turn) = state.light.pop(|network| held.has_room_for(network, self.places.light))?;
                (Class::Light, source, turn)
            }
        };
        let network = source.network();
        match class {
            Class::Light => state.light_held.take(&network),
            Class::Heavy => state.heavy_held += 1,
        }
        let (class, is_blocked) = (Cell::new(class), Cell::new(false));
        Some((Place { turns: self.clone(), network, class, since: Instant::now(), is_blocked }, turn))
    }
}

impl Place {
    /// Whether it is somebody else's turn: who has worked for so long gives the place back, if anybody waits for it.
    pub fn is_over(&self) -> bool {
        let waiting = match self.class.get() {
            Class::Light => &self.turns.light_waiting,
            Class::Heavy => &self.turns.heavy_waiting,
        };
        waiting.load(Ordering::Relaxed) > 0 && self.since.elapsed() >= limits::TURN
    }

    /// Makes it a place of this class, unless others wait for one: then it says no, and the turn is over.
    pub fn becomes(&self, class: Class) -> bool {
        if self.class.get() == class {
            return true;
        }
        let mut state = self.turns.lock();
        let places = self.turns.places;
        let is_free = match class {
            Class::Light => state.light.is_empty() && state.light_held.has_room_for(&self.network, places.light),
            Class::Heavy => state.heavy.is_empty() && state.heavy_held < places.heavy,
        };
        if !is_free {
            return false;
        }
        match class {
            Class::Light => {
                state.heavy_held -= 1;
                state.light_held.take(&self.network);
            }
            Class::Heavy => {
                state.light_held.give_back(&self.network);
                state.heavy_held += 1;
            }
        }
        self.class.set(class);
        // The one that was given back may be what somebody waits for.
        self.turns.call(&mut state);
        true
    }

    /// Lets others have the place until the result is dropped; nothing if that would be one more thread than there
    /// may be.
    fn leave(self: Rc<Self>) -> Option<Aside> {
        if self.class.get() == Class::Heavy || self.is_blocked.get() {
            return None;
        }
        let mut state = self.turns.lock();
        if !state.blocked.has_room_for(&self.network, self.turns.places.blocked) {
            return None;
        }
        state.blocked.take(&self.network);
        state.light_held.give_back(&self.network);
        self.is_blocked.set(true);
        self.turns.call(&mut state);
        drop(state);
        Some(Aside(self))
    }
}

/// Somebody who gave the place back for a while.
struct Aside(Rc<Place>);

impl Drop for Aside {
    /// Goes on at once, even if that makes one too many for a moment.
    fn drop(&mut self) {
        let mut state = self.0.turns.lock();
        state.blocked.give_back(&self.0.network);
        state.light_held.take(&self.0.network);
        self.0.is_blocked.set(false);
    }
}

#[cfg(test)]
mod tests;
