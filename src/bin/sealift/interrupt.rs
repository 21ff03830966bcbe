//! Ctrl-C: the first one stops the running command cleanly, the second one ends the program at once.

use std::fs::File;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use async_std::future::timeout;
use futures::channel::oneshot;
use futures::future::{Either, select};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use sealift::client::Stopper;
use sealift::{Error, Exit, Kind, Result, limits};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::ask;

/// What the next signal finds.
struct State {
    /// Whom to tell. Nobody there: the program ends.
    command: Option<oneshot::Sender<()>>,
    /// The connection in use.
    connection: Option<Stopper>,
    /// The running command has been told.
    is_stopping: bool,
    /// Counts the commands, so that one that has ended is not waited for.
    number: u64,
}

static STATE: Mutex<State> = Mutex::new(State { command: None, connection: None, is_stopping: false, number: 0 });

/// The terminal and its settings at the start, to be put back by a sudden end in the middle of a question.
static TERMINAL: OnceLock<(File, Termios)> = OnceLock::new();

/// Starts to listen for SIGINT, SIGTERM and SIGHUP, which all mean the same here.
///
/// # Errors
/// If the signals cannot be caught or the thread cannot be made.
pub fn watch() -> Result<()> {
    if let Ok(terminal) = File::open(ask::TERMINAL)
        && let Ok(settings) = tcgetattr(&terminal)
    {
        let _ = TERMINAL.set((terminal, settings));
    }
    let failed = |err| Error::file("catching signals", err);
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
    let watcher = thread::Builder::new().name("signals".to_owned());
    let handle = watcher.spawn(move || {
        for _ in signals.forever() {
            let (command, number) = {
                let mut state = state();
                state.is_stopping = true;
                (state.command.take(), state.number)
            };
            if command.map(|command| command.send(())) != Some(Ok(())) {
                end_now();
            }
            end_soon(number);
        }
    });
    handle.map(drop).map_err(failed)
}

/// Ends the program unless this command ends by itself: it may be where nothing can be told, as in a read of a pipe that
/// nobody writes to.
fn end_soon(number: u64) {
    let watcher = thread::Builder::new().name("interrupted".to_owned());
    let watch = watcher.spawn(move || {
        thread::sleep(limits::INTERRUPT_LIMIT);
        let state = state();
        if state.is_stopping && state.number == number {
            end_now();
        }
    });
    if watch.is_err() {
        end_now();
    }
}

/// Runs a command until it is done or interrupted. An interrupted one loses its connection, and then has
/// [`limits::INTERRUPT_PATIENCE`] to remove what it has not finished.
///
/// # Errors
/// [`Kind::Interrupted`], otherwise the command's own.
pub async fn unless_interrupted<T, E: From<Error>>(command: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let (sender, told) = oneshot::channel();
    {
        let mut state = state();
        state.command = Some(sender);
        state.is_stopping = false;
        state.number += 1;
    }
    let outcome = match select(Box::pin(command), told).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right((_, command)) => {
            let connection = state().connection.take();
            if let Some(connection) = connection {
                connection.stop();
                let _ = timeout(limits::INTERRUPT_PATIENCE, command).await;
            }
            Err(Error::new(Kind::Interrupted, "interrupted").into())
        }
    };
    let mut state = state();
    state.command = None;
    state.is_stopping = false;
    outcome
}

/// Says which connection an interrupted command loses.
pub fn stop_on_signal(connection: Stopper) {
    state().connection = Some(connection);
}

/// Whether the running command is being interrupted: that its connection is lost then is no news.
pub fn is_stopping() -> bool {
    state().is_stopping
}

/// Waits for a person. Nothing is half done then, so Ctrl-C ends the program at once.
pub fn while_asking<T>(ask: impl FnOnce() -> T) -> T {
    let command = state().command.take();
    let answer = ask();
    state().command = command;
    answer
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end_now() -> ! {
    // Only if they were changed: in the background it would stop this program instead.
    if let Some((terminal, settings)) = TERMINAL.get()
        && tcgetattr(terminal).is_ok_and(|now| now.local_modes != settings.local_modes)
    {
        let _ = tcsetattr(terminal, OptionalActions::Now, settings);
    }
    std::process::exit(Exit::Interrupted as i32)
}
