//! Showing how far transfers are: lines at the bottom of a terminal, or one every few seconds in a log.

use std::env;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Direction;
use super::lines::{self, Room};
use super::state::State;
use crate::output::{Output, to_stderr};

/// A transfer shorter than this shows nothing: it would only flicker.
const SHOW_AFTER: Duration = Duration::from_millis(500);

/// How often the lines are drawn, also while nothing comes, so that a stall can be told from a hang.
const TICK: Duration = Duration::from_millis(200);

/// How often a log gets a line.
const LOG_EVERY: Duration = Duration::from_secs(5);

/// The lines that are shown now.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// How to show the progress of transfers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Mode {
    /// Bars at a terminal, nothing elsewhere
    #[default]
    Auto,
    /// Bars at a terminal, a line every few seconds elsewhere
    Bar,
    /// A line every few seconds
    Plain,
    /// Nothing
    None,
}

/// What is shown in truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bars,
    Log,
}

impl Mode {
    /// What is shown where stderr leads to.
    pub fn kind(self, out: Output) -> Option<Kind> {
        let is_dumb = console::is_dumb();
        match self {
            _ if !out.may_tell() => None,
            Mode::None => None,
            Mode::Auto if !out.stderr_is_terminal => None,
            Mode::Auto | Mode::Bar if out.stderr_is_terminal && !is_dumb => Some(Kind::Bars),
            Mode::Auto | Mode::Bar | Mode::Plain => Some(Kind::Log),
        }
    }
}

/// Writes something else to the terminal, above the lines.
pub fn beside<T>(write: impl FnOnce() -> T) -> T {
    match &*lock(&SHOWN) {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// A thread that shows the state, until it is dropped.
#[derive(Debug)]
pub struct Screen(Arc<Stop>);

#[derive(Debug, Default)]
struct Stop {
    is_over: Mutex<bool>,
    told: Condvar,
}

impl Screen {
    /// Begins to show it, soon.
    pub fn start(state: Arc<Mutex<State>>, direction: Direction, kind: Kind) -> Screen {
        let stop = Arc::new(Stop::default());
        let watched = Arc::clone(&stop);
        let show = move || match kind {
            Kind::Bars => bars(&watched, &state, direction),
            Kind::Log => log(&watched, &state, direction),
        };
        // Without a thread for it nothing is shown; the transfer matters more.
        let _ = thread::Builder::new().name("progress".to_owned()).spawn(show);
        Screen(stop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        *lock(&self.0.is_over) = true;
        self.0.told.notify_all();
        if let Some(bar) = lock(&SHOWN).take() {
            bar.finish_and_clear();
        }
    }
}

impl Stop {
    /// Waits so long, and then does it unless it is over; says whether it is.
    fn after(&self, time: Duration, work: impl FnOnce()) -> bool {
        let waited = self.told.wait_timeout_while(lock(&self.is_over), time, |is_over| !*is_over);
        let (is_over, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if !*is_over {
            work();
        }
        *is_over
    }
}

fn bars(stop: &Stop, state: &Mutex<State>, direction: Direction) {
    let Ok(style) = ProgressStyle::with_template("{msg}") else { return };
    let (term, is_ascii) = (Term::stderr(), !is_utf8());
    lock(state).look(Instant::now());
    let mut pause = SHOW_AFTER;
    let draw = || {
        let look = lock(state).look(Instant::now());
        let (height, width) = term.size();
        let room = Room { width: width.into(), height: height.into(), is_ascii };
        let text = lines::lines(&look, direction, room).join("\n");
        lock(&SHOWN)
            .get_or_insert_with(|| {
                ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style.clone())
            })
            .set_message(text);
    };
    while !stop.after(pause, draw) {
        pause = TICK;
    }
}

fn log(stop: &Stop, state: &Mutex<State>, direction: Direction) {
    let is_ascii = !is_utf8();
    lock(state).look(Instant::now());
    let write = || to_stderr(&lines::plain(&lock(state).look(Instant::now()), direction, is_ascii));
    while !stop.after(LOG_EVERY, write) {}
}

/// Whether the locale takes more than ASCII.
fn is_utf8() -> bool {
    let set = |name: &&str| env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set).unwrap_or_default().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
