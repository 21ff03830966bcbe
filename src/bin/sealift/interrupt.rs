//! Ctrl-C: the first one stops the running command cleanly, the second one ends the program at once.

use std::io::stdin;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use futures::channel::oneshot;
use futures::future::{Either, select};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use sealift::{Error, Exit, Kind, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Whom to tell about the next signal. Nobody there: the program ends.
static LISTENER: Mutex<Option<oneshot::Sender<()>>> = Mutex::new(None);

/// The terminal's settings at the start, to be put back by a sudden end in the middle of line editing.
static TERMINAL: OnceLock<Termios> = OnceLock::new();

/// Starts to listen for SIGINT, SIGTERM and SIGHUP, which all mean the same here.
///
/// # Errors
/// If the signals cannot be caught or the thread cannot be made.
pub fn watch() -> Result<()> {
    if let Ok(settings) = tcgetattr(stdin()) {
        let _ = TERMINAL.set(settings);
    }
    let failed = |err| Error::file("catching signals", err);
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
    let watcher = thread::Builder::new().name("signals".to_owned());
    let handle = watcher.spawn(move || {
        for _ in signals.forever() {
            let told = listener().take().map(|command| command.send(()));
            if told != Some(Ok(())) {
                end_now();
            }
        }
    });
    handle.map(drop).map_err(failed)
}

/// Runs a command until it is done or interrupted. Interrupted, it is dropped, which removes what it has not finished.
///
/// # Errors
/// [`Kind::Interrupted`], otherwise the command's own.
pub async fn unless_interrupted<T, E: From<Error>>(command: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let (sender, told) = oneshot::channel();
    *listener() = Some(sender);
    let outcome = match select(Box::pin(command), told).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => Err(Error::new(Kind::Interrupted, "interrupted").into()),
    };
    listener().take();
    outcome
}

/// Waits for a person. Nothing is half done then, so Ctrl-C ends the program at once.
pub fn while_asking<T>(ask: impl FnOnce() -> T) -> T {
    let command = listener().take();
    let answer = ask();
    *listener() = command;
    answer
}

fn listener() -> MutexGuard<'static, Option<oneshot::Sender<()>>> {
    LISTENER.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end_now() -> ! {
    if let Some(settings) = TERMINAL.get() {
        let _ = tcsetattr(stdin(), OptionalActions::Now, settings);
    }
    std::process::exit(Exit::Interrupted as i32)
}
