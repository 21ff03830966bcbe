//! Ctrl-C: the first one stops the running command cleanly, the second one ends the program at once.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use async_std::future::timeout;
use async_std::task::sleep;
use futures::channel::oneshot;
use futures::future::{Either, select};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use sealift::client::{Displaced, LinkUrl, Stopper, glob};
use sealift::escape::for_people;
use sealift::stray_secrets::Stray;
use sealift::sync::{Mutex, MutexGuard};
use sealift::{Error, Exit, Kind, Result, limits};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::ask;
use super::failure::{Failure, Outcome};
use super::format;
use super::output::GO_ON;

/// What can be gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moves {
    /// Files are fetched.
    Fetch,
    /// Files are sent.
    Send,
    /// Two folders are made alike.
    Mirror,
}

/// What the next signal finds.
struct State {
    /// Whom to tell. Nobody there: the program ends.
    command: Option<oneshot::Sender<()>>,
    /// The connection in use.
    connection: Option<Stopper>,
    /// The running command has been told.
    is_stopping: bool,
    /// Bytes of a file that was cut off and can be gone on with.
    kept: u64,
    /// What it moves, and whether that is more than one file.
    moves: Option<(Moves, bool)>,
    /// The server has said that it keeps nothing of uploads that are cut off.
    uploads_are_lost: bool,
    /// No later command can go on with what this one has sent: files are put in by a link.
    begins_anew: bool,
    /// It shows something until it is ended: an end is what it waits for, and no news.
    only_shows: bool,
    /// What was typed in the shell.
    line: Option<Vec<OsString>>,
    /// A folder gets the last name of the command line, so that the same command would go into that folder the next time.
    gives_a_name: bool,
    /// Another program has the terminal: Ctrl-C is for that, and for the running command if there is one.
    is_elsewhere: bool,
    /// When another program last gave the terminal back.
    back_since: Option<Instant>,
    /// A conversation at a terminal goes on: a Ctrl-C that finds no command is for a question, or for nothing.
    is_conversation: bool,
    /// A Ctrl-C came while a person was asked.
    is_given_up: bool,
    /// What a mirror has moved out of the way, and the folder that is in.
    displaced: Option<(Displaced, PathBuf)>,
    /// Counts the commands, so that one that has ended is not waited for.
    number: u64,
}

static STATE: Mutex<State> = Mutex::new(State {
    command: None,
    connection: None,
    is_stopping: false,
    kept: 0,
    moves: None,
    uploads_are_lost: false,
    begins_anew: false,
    only_shows: false,
    line: None,
    gives_a_name: false,
    is_elsewhere: false,
    back_since: None,
    is_conversation: false,
    is_given_up: false,
    displaced: None,
    number: 0,
});

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
        for signal in signals.forever() {
            let (command, number) = {
                let mut state = state();
                let is_echo = state.back_since.is_some_and(|since| since.elapsed() < limits::INTERRUPT_ECHO);
                if signal == SIGINT && ((state.is_elsewhere && state.command.is_none()) || is_echo) {
                    state.back_since = None;
                    continue;
                }
                if signal == SIGINT && state.is_conversation && state.command.is_none() && !state.is_stopping {
                    state.is_given_up = true;
                    continue;
                }
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
/// [`Kind::Interrupted`], with the command that goes on if anything was kept; otherwise the command's own.
pub async fn unless_interrupted<T>(command: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let (sender, told) = oneshot::channel();
    {
        let mut state = state();
        state.command = Some(sender);
        state.is_stopping = false;
        state.kept = 0;
        state.moves = None;
        state.begins_anew = false;
        state.only_shows = false;
        state.gives_a_name = false;
        state.displaced = None;
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
            let state = state();
            let displaced = state.displaced.iter().flat_map(|(displaced, top)| displaced.names(top)).collect();
            Err(interrupted(&state, displaced))
        }
    };
    let mut state = state();
    state.command = None;
    state.is_stopping = false;
    outcome
}

fn interrupted(state: &State, displaced: Vec<(PathBuf, PathBuf)>) -> Failure {
    if !displaced.is_empty() {
        let shown = |path: &Path| for_people(path.as_os_str().as_bytes());
        let named = displaced.iter().map(|(path, aside)| format!("; {} is kept as {}", shown(path), shown(aside)));
        let hint = "What was moved out of the way is put back by the next `sealift mirror` of this folder.";
        return Failure::new(Kind::Interrupted, format!("interrupted{}", named.collect::<String>()), hint);
    }
    if state.only_shows {
        return Failure::Shown(Exit::Interrupted);
    }
    let Some((moves, several)) = state.moves else { return Error::new(Kind::Interrupted, "interrupted").into() };
    let block = format::size(limits::HASH_BLOCK);
    let kept = if state.begins_anew { 0 } else { state.kept };
    let text = match (kept, moves) {
        (1.., Moves::Fetch) => format!("interrupted; {} are kept", format::size(kept)),
        // What was on its way may have arrived.
        (1.., _) => format!("interrupted; at least {} are kept", format::size(kept)),
        (0, Moves::Mirror) => "interrupted; what is done stays".to_owned(),
        (0, _) if several => "interrupted; what is finished stays".to_owned(),
        (0, Moves::Fetch) => format!("interrupted; nothing is kept yet: what is kept is whole blocks of {block}"),
        (0, Moves::Send) if state.begins_anew => {
            "interrupted; nothing is kept: what is put in by a link begins anew".to_owned()
        }
        (0, Moves::Send) if state.uploads_are_lost => {
            "interrupted; nothing is kept: this server begins uploads anew where there is a quota".to_owned()
        }
        (0, Moves::Send) => format!("interrupted; of what had arrived, whole blocks of {block} are kept"),
    };
    Failure::new(Kind::Interrupted, text, go_on(state).unwrap_or_default())
}

/// The command that goes on with what the running one moves, if it moves anything.
pub fn way_on() -> Option<String> {
    go_on(&state())
}

fn go_on(state: &State) -> Option<String> {
    let (moves, several) = state.moves?;
    if state.uploads_are_lost && moves == Moves::Send && !several && state.kept == 0 {
        return Some("The same command begins anew.".to_owned());
    }
    if state.begins_anew {
        let finished = if several { ", also with what is finished: leave that out" } else { "" };
        return Some(format!("The same command begins anew{finished}."));
    }
    let command = match &state.line {
        // A pattern is no plain word, which is all that can be written down here.
        Some(words) if words.iter().any(|word| glob::is_special(word.as_bytes())) => None,
        Some(words) => {
            command_to_go_on(words.iter().map(|word| word.clone().into_vec()).collect(), 0, state.gives_a_name)
        }
        None => command_to_go_on(env::args_os().map(OsString::into_vec).collect(), 1, state.gives_a_name),
    };
    Some(match (command, moves) {
        (Some(command), _) => format!("{GO_ON}{command}"),
        (None, Moves::Mirror) => "The same command goes on: what is the same already does not move again.".to_owned(),
        (None, _) => "The same command with -c goes on: what is finished does not move again.".to_owned(),
    })
}

/// A command line with `-c`, for a shell, and with `-T` if what is there now would make it mean something else. A mirror's is
/// the same. Nothing if there is no transfer from the word `first` on.
fn command_to_go_on(mut words: Vec<Vec<u8>>, first: usize, gives_a_name: bool) -> Option<String> {
    const TRANSFERS: [&[u8]; 9] =
        [b"get", b"put", b"download", b"upload", b"fetch", b"send", b"mget", b"mput", b"mirror"];
    let is_transfer = |word: &Vec<u8>| TRANSFERS.iter().any(|name| word.eq_ignore_ascii_case(name));
    let at = match first {
        // In the shell its name comes first, on a command line options may stand before it.
        0 => words.first().filter(|word| is_transfer(word)).map(|_| 1)?,
        _ => words.iter().skip(first).position(is_transfer)? + first + 1,
    };
    if words.get(at - 1).is_some_and(|word| word.eq_ignore_ascii_case(b"mirror")) {
        return joined(&words);
    }
    let options = words.get(at..)?.iter().take_while(|word| *word != b"--");
    let is_short = |word: &[u8]| word.len() > 1 && word.starts_with(b"-") && !word.starts_with(b"--");
    let options: Vec<Vec<u8>> = options.cloned().collect();
    let says =
        |long: &[u8], short: u8| options.iter().any(|word| word == long || (is_short(word) && word.contains(&short)));
    let exactly = gives_a_name && !says(b"--no-target-directory", b'T');
    if !says(b"--continue", b'c') {
        words.insert(at, b"-c".to_vec());
    }
    if exactly {
        words.insert(at, b"-T".to_vec());
    }
    joined(&words)
}

/// None for a line that names a link: whoever reads it could use that, and it is read in more places than where it was typed.
fn joined(words: &[Vec<u8>]) -> Option<String> {
    if words.iter().any(|word| LinkUrl::is_meant(word))
        || Stray::among(words.iter().map(|w| OsStr::from_bytes(w))).is_some()
    {
        return None;
    }
    let line = shlex::bytes::try_join(words.iter().map(Vec::as_slice)).ok()?;
    Some(String::from_utf8_lossy(&line).into_owned())
}

/// Says how much of what the running command leaves can be gone on with. What an earlier one left stays where this one leaves nothing.
pub fn keeps(bytes: u64) {
    let bytes = as_kept(bytes);
    if bytes > 0 {
        state().kept = bytes;
    }
}

/// Whether the server that was logged in to last keeps what came of uploads that are cut off.
pub fn server_keeps_uploads(keeps: bool) {
    state().uploads_are_lost = !keeps;
}

/// Whether what was sent to the server that was logged in to last has to be sent again.
pub fn begins_uploads_anew() -> bool {
    let state = state();
    state.uploads_are_lost && matches!(state.moves, Some((Moves::Send, _)))
}

/// How much of so many bytes can be gone on with, which have come from one side to the other.
pub fn as_kept(bytes: u64) -> u64 {
    let state = state();
    match state.moves {
        Some((Moves::Send, _)) if state.uploads_are_lost => 0,
        _ => bytes,
    }
}

/// Says what is moved from now on, and whether that is more than one file.
pub fn moves(what: Moves, several: bool) {
    state().moves = Some((what, several));
}

/// Says that no later command can go on with what this one sends.
pub fn begins_anew() {
    state().begins_anew = true;
}

/// Says what was typed in the shell, before that is done.
pub fn typed(words: &[OsString]) {
    state().line = Some(words.to_vec());
}

/// Says that a folder gets the last name of the command line.
pub fn gives_a_name() {
    state().gives_a_name = true;
}

/// Says where the running command notes what it has moved out of the way in this folder.
pub fn may_leave(displaced: &Displaced, top: &Path) {
    state().displaced = Some((displaced.clone(), top.to_owned()));
}

/// Waits so long, or until the running command is being interrupted.
pub async fn pause(pause: Duration) {
    let end = Instant::now() + pause;
    while !is_stopping() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        sleep(left.min(limits::INTERRUPT_LOOK)).await;
    }
}

/// Says that the running command shows something until it is ended.
pub fn only_shows() {
    state().only_shows = true;
}

/// Says which connection an interrupted command loses.
pub fn stop_on_signal(connection: Stopper) {
    state().connection = Some(connection);
}

/// Whether the running command is being interrupted: that its connection is lost then is no news.
pub fn is_stopping() -> bool {
    state().is_stopping
}

/// Says whether a conversation at a terminal goes on, which outlives a Ctrl-C.
pub fn converses(is_conversation: bool) {
    state().is_conversation = is_conversation;
}

/// Whether the person has given up the question that is being asked.
pub fn is_given_up() -> bool {
    state().is_given_up
}

/// Waits for a person. Nothing is half done then, so Ctrl-C ends the program at once; in a conversation it ends the
/// question ([`is_given_up`]).
pub fn while_asking<T>(ask: impl FnOnce() -> T) -> T {
    let command = {
        let mut state = state();
        state.is_given_up = false;
        state.command.take()
    };
    let answer = ask();
    state().command = command;
    answer
}

/// Works while another program has the terminal.
pub fn while_elsewhere<T>(work: impl FnOnce() -> T) -> T {
    {
        let mut state = state();
        (state.is_elsewhere, state.back_since) = (true, None);
    }
    let result = work();
    let mut state = state();
    state.is_elsewhere = false;
    state.back_since = Some(Instant::now());
    result
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_goes_on_is_the_one_that_was_typed_with_c() {
        let go_on = |words: &[&str]| {
            let (words, exactly) = match words {
                ["T", words @ ..] => (words, true),
                words => (words, false),
            };
            let first = usize::from(words.first() == Some(&"sealift"));
            command_to_go_on(words.iter().map(|word| word.as_bytes().to_vec()).collect(), first, exactly)
        };
        for (typed, expected) in [
            (&["sealift", "get", "h/a b", "it's"][..], Some("sealift get -c 'h/a b' \"it's\"")),
            (&["sealift", "-v", "put", "-r", "x", "h/"], Some("sealift -v put -c -r x h/")),
            (&["sealift", "get", "-c", "h/f"], Some("sealift get -c h/f")),
            (&["sealift", "get", "-rc", "h/f"], Some("sealift get -rc h/f")),
            (&["sealift", "put", "--", "-c", "h/f"], Some("sealift put -c -- -c h/f")),
            (&["sealift", "shell"], None),
            (&["sealift", "send", "f", "h/"], Some("sealift send -c f h/")),
            (&["sealift", "mirror", "./a", "h/a b"], Some("sealift mirror ./a 'h/a b'")),
            (&["put", "a b"], Some("put -c 'a b'")),
            (&["GET", "-r", "x", "y"], Some("GET -c -r x y")),
            (&["ls", "get"], None),
            (&["sealift", "get", "https://h:1/.sealift-web/l/secret/#sha256//pin"], None),
            (&["get", "sealift://alice@h:1/#secret"], None),
            (&["T", "sealift", "get", "-r", "h/f", "new"], Some("sealift get -T -c -r h/f new")),
            (&["T", "sealift", "get", "-rcT", "h/f", "new"], Some("sealift get -rcT h/f new")),
        ] {
            assert_eq!(go_on(typed).as_deref(), expected);
        }
    }
}
