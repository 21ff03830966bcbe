//! Questions to the person at the terminal, whatever stdin and stdout are.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};

use sealift::secret::Secret;
use sealift::{Error, Kind, Result};

use super::interrupt;

const TERMINAL: &str = "/dev/tty";

/// Shows `question` and reads one line, without the spaces around it. `None` if there is no terminal.
///
/// # Errors
/// [`Kind::Interrupted`] for the end of input, otherwise those of the terminal.
pub fn line(question: &str) -> Result<Option<String>> {
    let Some(mut terminal) = open() else { return Ok(None) };
    let answer = interrupt::while_asking(|| -> io::Result<String> {
        terminal.write_all(question.as_bytes())?;
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
    if open().is_none() {
        return Ok(None);
    }
    let answer = interrupt::while_asking(|| rpassword::prompt_password(question));
    answer.map(|text| Some(Secret::new(text))).map_err(failed)
}

/// The terminal this program was started from; none in a service, a scheduled job or a container.
fn open() -> Option<File> {
    OpenOptions::new().read(true).write(true).open(TERMINAL).ok()
}

fn failed(err: io::Error) -> Error {
    match err.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::Interrupted => Error::new(Kind::Interrupted, "interrupted"),
        _ => Error::file(TERMINAL, err),
    }
}
