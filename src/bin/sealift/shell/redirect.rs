//! Standard output into another program, for one command of the shell: `cat notes | less`, `ls > names`.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};

use rustix::stdio::{dup2_stdout, stdout};
use sealift::{Error, Exit, Result};

use super::local;
use super::session::Next;
use crate::failure::Outcome;
use crate::interrupt;
use crate::output;

/// Does the work with standard output going into this command line of the system's shell, and waits for its end. A
/// reader who has seen enough ends the work too, and that is no failure.
///
/// # Errors
/// Those of the work; otherwise those of the reader.
pub fn into(line: &OsStr, work: impl FnOnce() -> Outcome<Next>) -> Outcome<Next> {
    let (outcome, read) = interrupt::while_elsewhere(|| {
        let mut redirection = Redirection::start(line)?;
        let outcome = work();
        redirection.restore();
        Ok::<_, Error>((outcome, redirection.reader.wait()))
    })?;
    let read = read.map_err(|err| Error::file(line.display().to_string(), err));
    let done = match outcome {
        Err(failure) if failure.exit() == Exit::Done => Next::Go,
        outcome => outcome?,
    };
    local::end_of(&line.display().to_string(), read?)?;
    Ok(done)
}

/// Standard output goes elsewhere while this lives.
struct Redirection {
    reader: Child,
    /// The standard output of before.
    before: Option<OwnedFd>,
}

impl Redirection {
    fn start(line: &OsStr) -> Result<Self> {
        let failed = |err: io::Error| Error::file("standard output", err);
        io::stdout().flush().map_err(failed)?;
        let before = rustix::io::fcntl_dupfd_cloexec(stdout(), 0).map_err(|err| failed(err.into()))?;
        let spawned = local::reader(line).stdin(Stdio::piped()).spawn();
        let mut reader = spawned.map_err(|err| Error::file(line.display().to_string(), err))?;
        if let Some(pipe) = reader.stdin.take() {
            dup2_stdout(&pipe).map_err(|err| failed(err.into()))?;
            output::redirected(true);
        }
        Ok(Redirection { reader, before: Some(before) })
    }

    /// Gives standard output back, which is the end of the file for the reader.
    fn restore(&mut self) {
        let Some(before) = self.before.take() else { return };
        if io::stdout().flush().is_err() {
            // The reader is gone. What it has not read must not come out where the terminal is.
            if let Ok(nowhere) = std::fs::File::options().write(true).open("/dev/null") {
                let _ = dup2_stdout(&nowhere);
                let _ = io::stdout().flush();
            }
        }
        let _ = dup2_stdout(&before);
        output::redirected(false);
    }
}

impl Drop for Redirection {
    fn drop(&mut self) {
        self.restore();
    }
}
