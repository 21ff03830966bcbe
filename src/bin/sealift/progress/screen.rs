//! Showing how far transfers are: lines at the bottom of a terminal, or one every few seconds in a log.

use std::env;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sealift::limits;
use sealift::sync::{Condvar, Mutex};

use super::Direction;
use super::lines::{self, Room};
use super::state::State;
use crate::output::{Output, to_stderr};

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
    match &*SHOWN.lock() {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// A line at a terminal that says how far something is which tells of itself as it goes on; it goes when this is dropped.
#[derive(Debug)]
pub struct SoFar(Option<Instant>);

impl SoFar {
    /// Soon.
    pub fn new(out: Output) -> SoFar {
        let is_shown = matches!(Mode::default().kind(out), Some(Kind::Bars));
        SoFar(Instant::now().checked_add(limits::PROGRESS_AFTER).filter(|_| is_shown))
    }

    /// Shows these words, now and then.
    pub fn is(&mut self, words: impl FnOnce() -> String) {
        let now = Instant::now();
        if self.0.is_some_and(|next| next <= now) {
            self.0 = now.checked_add(limits::PROGRESS_EVERY);
            show(words());
        }
    }
}

impl Drop for SoFar {
    fn drop(&mut self) {
        clear();
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
        *self.0.is_over.lock() = true;
        self.0.told.notify_all();
        clear();
    }
}

/// Shows these lines in the place of those before.
fn show(text: String) {
    let bar = || ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{msg}");
    SHOWN.lock().get_or_insert_with(|| style.map_or_else(|_| bar(), |style| bar().with_style(style))).set_message(text);
}

fn clear() {
    if let Some(bar) = SHOWN.lock().take() {
        bar.finish_and_clear();
    }
}

impl Stop {
    /// Waits so long, and then does it unless it is over; says whether it is.
    fn after(&self, time: Duration, work: impl FnOnce()) -> bool {
        let (is_over, _) = self.told.wait_timeout_while(self.is_over.lock(), time, |is_over| !*is_over);
        if !*is_over {
            work();
        }
        *is_over
    }
}

fn bars(stop: &Stop, state: &Mutex<State>, direction: Direction) {
    let (term, is_ascii) = (Term::stderr(), !is_utf8());
    state.lock().look(Instant::now());
    let mut pause = limits::PROGRESS_AFTER;
    let draw = || {
        let look = state.lock().look(Instant::now());
        let (height, width) = term.size();
        let room = Room { width: width.into(), height: height.into(), is_ascii };
        show(lines::lines(&look, direction, room).join("\n"));
    };
    while !stop.after(pause, draw) {
        pause = limits::PROGRESS_EVERY;
    }
}

fn log(stop: &Stop, state: &Mutex<State>, direction: Direction) {
    let is_ascii = !is_utf8();
    state.lock().look(Instant::now());
    let write = || to_stderr(&lines::plain(&state.lock().look(Instant::now()), direction, is_ascii));
    while !stop.after(limits::PROGRESS_LOG_EVERY, write) {}
}

/// Whether the locale takes more than ASCII.
fn is_utf8() -> bool {
    let set = |name: &&str| env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set).unwrap_or_default().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}
