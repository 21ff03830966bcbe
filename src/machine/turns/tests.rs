//! Turns of work that does as it is told.

use std::net::IpAddr;
use std::sync::mpsc::{Receiver, Sender, channel};

use async_std::task::block_on;

use super::*;

/// Tells that its turn has begun, and ends it when it is told to.
struct Told {
    name: u32,
    began: Sender<u32>,
    end: Mutex<Receiver<()>>,
}

impl Turn for Told {
    fn turn(self: Arc<Self>, _: &Place) {
        self.began.send(self.name).unwrap();
        // Also when the test is over.
        let _ = self.end.lock().recv();
    }
}

/// Asks for turns and sees them begin.
struct Stage {
    turns: Arc<Turns>,
    began: Sender<u32>,
    seen: Receiver<u32>,
}

impl Stage {
    fn new(places: Places) -> Stage {
        let (began, seen) = channel();
        Stage { turns: Turns::new("test", places), began, seen }
    }

    /// Dropping what comes back, or sending, ends the turn.
    fn ask(&self, source: &Source, class: Class, name: u32) -> Sender<()> {
        let (end, ended) = channel();
        let told = Told { name, began: self.began.clone(), end: Mutex::new(ended) };
        self.turns.ask(source, class, Arc::new(told));
        end
    }

    fn next(&self) -> u32 {
        self.seen.recv().unwrap()
    }

    /// The next so many, in the order of their names.
    fn several(&self, count: usize) -> Vec<u32> {
        let mut names: Vec<u32> = (0..count).map(|_| self.next()).collect();
        names.sort_unstable();
        names
    }

    fn held(&self) -> (usize, usize, usize) {
        let state = self.turns.lock();
        (state.light_held.all, state.heavy_held, state.blocked.all)
    }
}

fn from(last: u8) -> Source {
    Source::from(IpAddr::from([192, 0, 2, last]))
}

#[test]
fn one_source_never_holds_more_places_than_it_leaves_free() {
    let stage = Stage::new(Places::only(8));
    let many: Vec<_> = (0..100).map(|n| stage.ask(&from(1), Class::Light, n)).collect();
    assert_eq!(stage.several(4), [0, 1, 2, 3]);
    assert_eq!(stage.held(), (4, 0, 0));
    // The next one finds half of the rest, and so on.
    let _others: Vec<_> = (200..210).map(|n| stage.ask(&from(2), Class::Light, n)).collect();
    assert_eq!(stage.several(2), [200, 201]);
    let _third = stage.ask(&from(3), Class::Light, 300);
    assert_eq!(stage.next(), 300);
    drop(many);
}

#[test]
fn who_comes_late_is_next_however_many_of_another_source_wait() {
    let stage = Stage::new(Places::only(2));
    let mut many: Vec<_> = (0..1000).map(|n| stage.ask(&from(1), Class::Light, n)).collect();
    assert_eq!(stage.next(), 0);
    let honest: Vec<_> = (0..2).map(|n| stage.ask(&from(2), Class::Light, 2000 + n)).collect();
    // One of two places is free, and the first source holds as many as are.
    assert_eq!(stage.next(), 2000);
    drop(many.remove(0));
    // The turn of the first source again, then of the second.
    assert_eq!(stage.several(1), [1]);
    drop(honest);
    assert_eq!(stage.next(), 2001);
}

#[test]
fn light_work_finds_a_place_while_heavy_work_has_all_of_its_own() {
    let stage = Stage::new(Places { light: 2, heavy: 2, blocked: 0 });
    let mut heavy: Vec<_> = (0..100).map(|n| stage.ask(&from(1), Class::Heavy, n)).collect();
    assert_eq!(stage.several(2), [0, 1]);
    let _light = stage.ask(&from(1), Class::Light, 1000);
    assert_eq!(stage.next(), 1000);
    assert_eq!(stage.held(), (1, 2, 0));
    drop(heavy.remove(0));
    assert_eq!(stage.next(), 2);
}

/// Runs the closure in its turn.
struct Does<F>(Mutex<Option<F>>);

impl<F: FnOnce(&Place) + Send> Turn for Does<F> {
    fn turn(self: Arc<Self>, place: &Place) {
        let work = self.0.lock().take().unwrap();
        work(place);
    }
}

fn does(stage: &Stage, class: Class, work: impl FnOnce(&Place) + Send + 'static) {
    stage.turns.ask(&from(1), class, Arc::new(Does(Mutex::new(Some(work)))));
}

#[test]
fn a_turn_is_over_only_when_somebody_waits() {
    let stage = Stage::new(Places::only(2));
    let (tell, told) = channel();
    let (go, gone) = channel();
    does(&stage, Class::Light, move |place| {
        while place.since.elapsed() < limits::TURN {
            thread::yield_now();
        }
        tell.send(place.is_over()).unwrap();
        gone.recv().unwrap();
        tell.send(place.is_over()).unwrap();
    });
    assert!(!told.recv().unwrap(), "nobody waits");
    let _waits = stage.ask(&from(1), Class::Light, 0);
    go.send(()).unwrap();
    assert!(told.recv().unwrap(), "somebody does");
    assert_eq!(stage.next(), 0);
}

#[test]
fn a_place_becomes_heavy_only_while_there_is_a_core_for_it() {
    let stage = Stage::new(Places { light: 4, heavy: 1, blocked: 0 });
    let (tell, told) = channel();
    let (go, gone) = channel::<()>();
    does(&stage, Class::Light, move |place| {
        tell.send(place.becomes(Class::Heavy)).unwrap();
        gone.recv().unwrap();
    });
    assert!(told.recv().unwrap());
    assert_eq!(stage.held(), (0, 1, 0));
    let (tell, told) = channel();
    does(&stage, Class::Light, move |place| tell.send(place.becomes(Class::Heavy)).unwrap());
    assert!(!told.recv().unwrap());
    go.send(()).unwrap();
}

#[test]
fn blocked_work_leaves_its_place_to_others_within_bounds() {
    let stage = Stage::new(Places { light: 2, heavy: 0, blocked: 2 });
    let (tell, told) = channel();
    let (go, gone) = channel::<()>();
    let began = tell.clone();
    does(&stage, Class::Light, move |_| {
        block_in_place(|| {
            began.send("blocked").unwrap();
            gone.recv().unwrap();
        });
    });
    assert_eq!(told.recv().unwrap(), "blocked");
    assert_eq!(stage.held(), (0, 0, 1));
    // One of two blocked is all that one source may have: it keeps its place.
    let (stop, stopped) = channel::<()>();
    does(&stage, Class::Light, move |_| {
        block_in_place(|| {
            tell.send("in place").unwrap();
            stopped.recv().unwrap();
        });
    });
    assert_eq!(told.recv().unwrap(), "in place");
    assert_eq!(stage.held(), (1, 0, 1));
    go.send(()).unwrap();
    stop.send(()).unwrap();
}

#[test]
fn a_job_gives_its_result_and_its_panic_to_who_waits() {
    let turns = Turns::new("test", Places::only(2));
    assert_eq!(block_on(turns.run(&from(1), || 7)).unwrap(), 7);
    let panicking = block_on(turns.run(&from(1), || if limits::TURNS_MIN > 0 { 1 } else { 2 }));
    assert_eq!(panicking.unwrap(), 1);
    let waited = catch_unwind(AssertUnwindSafe(|| block_on(turns.run(&from(1), || assert_eq!(1, 2, "on purpose")))));
    assert!(waited.unwrap_err().downcast_ref::<String>().unwrap().contains("on purpose"));
    assert_eq!(block_on(turns.run(&from(1), || 8)).unwrap(), 8, "the thread goes on");
}

#[test]
fn every_one_of_many_from_many_sources_has_its_turn() {
    let turns = Turns::new("test", Places { light: 3, heavy: 1, blocked: 2 });
    let work = (0..2000u32).map(|n| {
        let turns = turns.clone();
        async move { turns.run(&from((n % 7) as u8), move || block_in_place(|| n)).await.unwrap() }
    });
    let sum: u32 = block_on(futures::future::join_all(work)).into_iter().sum();
    assert_eq!(sum, 1999 * 1000);
    let state = turns.lock();
    assert!(state.light.is_empty() && state.light_waiting_is_told(&turns));
    assert!(state.threads <= turns.places.all());
}

impl State {
    fn light_waiting_is_told(&self, turns: &Turns) -> bool {
        turns.light_waiting.load(Ordering::Relaxed) == self.light.len()
    }
}
