//! Questions to the person at the terminal, whatever stdin and stdout are.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use sealift::secret::Secret;
use sealift::{Error, Kind, Result, limits};

use super::interrupt;

/// The terminal this program was started from, whatever its standard streams are.
pub const TERMINAL: &str = "/dev/tty";

/// Counts the questions: while one waited for its answer, a server may have given up.
static ASKED: AtomicU64 = AtomicU64::new(0);

/// How many questions were asked.
pub fn asked() -> u64 {
    ASKED.load(Ordering::Relaxed)
}

/// Whether there is a terminal to ask on.
pub fn is_possible() -> bool {
    OpenOptions::new().read(true).write(true).open(TERMINAL).is_ok()
}

/// Shows `question`, to be answered by yes or no. `None` if there is no terminal.
///
/// # Errors
/// As [`line`].
pub fn yes(question: &str) -> Result<Option<bool>> {
    let answer = line(&format!("{question} (yes, no): "))?;
    Ok(answer.map(|answer| matches!(answer.as_str(), "yes" | "y" | "Y" | "YES" | "Yes")))
}

/// Shows `question` and reads one line, without the spaces around it. `None` if there is no terminal.
///
/// # Errors
/// [`Kind::Interrupted`] for the end of input, otherwise those of the terminal.
pub fn line(question: &str) -> Result<Option<String>> {
    let Some(mut terminal) = open() else { return Ok(None) };
    let answer = interrupt::while_asking(|| -> io::Result<String> {
        terminal.write_all(question.as_bytes())?;
        wait_for_line(&mut terminal)?;
        let mut answer = String::new();
        if BufReader::new(terminal).read_line(&mut answer)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(answer.trim().to_owned())
    });
    answer.map(Some).map_err(failed)
}

/// Shows `question` and reads a password, which is not shown. `None` if there is no terminal.
///
/// # Errors
/// As [`line`].
pub fn password(question: &str) -> Result<Option<Secret>> {
    let Some(terminal) = open() else { return Ok(None) };
    let answer = interrupt::while_asking(|| {
        // Before the question, or what is typed in between is shown.
        let _quiet = Quiet::new(&terminal);
        let answer = rpassword::prompt_password(question);
        if answer.as_ref().is_err_and(|err| err.kind() == io::ErrorKind::Interrupted) {
            wait_for_signal();
        }
        answer
    });
    answer.map(|text| Some(Secret::new(text))).map_err(failed)
}

/// Waits until a line has been typed.
///
/// # Errors
/// [`io::ErrorKind::Interrupted`] if the person gives the question up.
fn wait_for_line(terminal: &mut File) -> io::Result<()> {
    let look = Timespec::try_from(limits::INTERRUPT_LOOK).ok();
    loop {
        if interrupt::is_given_up() {
            terminal.write_all(b"\n")?;
            return Err(io::ErrorKind::Interrupted.into());
        }
        match poll(&mut [PollFd::new(&*terminal, PollFlags::IN)], look.as_ref()) {
            Ok(0) | Err(Errno::INTR) => {}
            // What is wrong with the terminal is found out by reading.
            _ => return Ok(()),
        }
    }
}

/// Waits for the signal that was made of a Ctrl-C in a password: it is this question's, and must not end what comes next.
fn wait_for_signal() {
    let until = Instant::now() + limits::INTERRUPT_ECHO;
    while !interrupt::is_given_up() && Instant::now() < until {
        thread::sleep(limits::INTERRUPT_LOOK / 10);
    }
}

/// The terminal this program was started from; none in a service, a scheduled job or a container.
fn open() -> Option<File> {
    let terminal = OpenOptions::new().read(true).write(true).open(TERMINAL).ok()?;
    ASKED.fetch_add(1, Ordering::Relaxed);
    Some(terminal)
}

/// A terminal that does not show what is typed, nor makes a signal of a Ctrl-C, until this is dropped.
struct Quiet<'a> {
    terminal: &'a File,
    before: Option<Termios>,
}

impl<'a> Quiet<'a> {
    fn new(terminal: &'a File) -> Self {
        let before = tcgetattr(terminal).ok();
        if let Some(mut settings) = before.clone() {
            settings.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
            let _ = tcsetattr(terminal, OptionalActions::Now, &settings);
        }
        Quiet { terminal, before }
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        if let Some(settings) = &self.before {
            let _ = tcsetattr(self.terminal, OptionalActions::Now, settings);
        }
    }
}

fn failed(err: io::Error) -> Error {
    match err.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::Interrupted => Error::new(Kind::Interrupted, "interrupted"),
        _ => Error::file(TERMINAL, err),
    }
}
