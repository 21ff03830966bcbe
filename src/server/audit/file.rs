//! What the audit is written to.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tracing::info;

use super::AuditTo;
use super::journal::Journal;
use super::line;
use super::queue::{Portion, Queue};
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::repeated_warnings;

/// An audit that is open.
pub struct AuditFile {
    to: To,
    /// What is still to be written, from the middle of a line on if the disk was full there.
    rest: Vec<u8>,
    /// The beginning of a line is written, and its end is not.
    is_mid_line: bool,
}

enum To {
    File(PathBuf, File),
    Stderr,
    Journald(Journal),
}

impl AuditFile {
    /// Opens it, and its folder if that is missing.
    pub fn open(to: &AuditTo) -> Result<AuditFile> {
        let to = match to {
            AuditTo::Stderr => To::Stderr,
            AuditTo::Journald(socket) => To::Journald(Journal::open(socket)?),
            AuditTo::File(path) => {
                if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
                    made.map_err(|err| Error::file(folder.display(), err))?;
                }
                To::File(path.clone(), open(path)?)
            }
        };
        Ok(AuditFile { to, rest: Vec::new(), is_mid_line: false })
    }

    /// [`AuditTo::try_out`].
    pub fn try_out(to: &AuditTo) -> Result<()> {
        match to {
            AuditTo::Stderr => Ok(()),
            AuditTo::Journald(socket) => Journal::open(socket).map(drop),
            AuditTo::File(path) => match fs::symlink_metadata(path) {
                Ok(_) => open_file(path, false).map(drop),
                Err(_) => Ok(()),
            },
        }
    }

    /// Writes this, however long that takes, as long as the server lives.
    pub fn write(&mut self, Portion { lines, lost, reopen }: Portion, queue: &Queue) {
        if reopen {
            self.reopen();
        }
        self.rest.extend_from_slice(&lines);
        if lost > 0 {
            self.rest.extend_from_slice(&line::lost(lost));
        }
        while let Err(error) = self.write_rest() {
            if repeated_warnings::is_first("the audit cannot be written", &error) {
                tracing::error!(%error, "the audit cannot be written; lines wait, and are counted when there are too many");
            }
            if queue.pause(limits::AUDIT_PAUSE) {
                self.rest.clear();
                return;
            }
            if queue.takes_reopen() {
                self.reopen();
            }
        }
    }

    /// Writes this line, or fails.
    pub fn write_now(&mut self, line: &[u8]) -> Result<()> {
        self.rest.extend_from_slice(line);
        self.write_rest()
    }

    fn write_rest(&mut self) -> Result<()> {
        let mut written = 0;
        let result = loop {
            let Some(next) = self.rest.get(written..).filter(|next| !next.is_empty()) else { break Ok(()) };
            let wrote = match &mut self.to {
                To::File(_, file) => file.write(next),
                To::Stderr => io::stderr().lock().write(next),
                To::Journald(journal) => match journal.write(next) {
                    (0, Err(err)) => Err(err),
                    (some, _) => Ok(some),
                },
            };
            match wrote {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => written += n,
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => break Err(err),
            }
        };
        let last = written.checked_sub(1).and_then(|last| self.rest.get(last));
        self.is_mid_line = last.map_or(self.is_mid_line, |last| *last != b'\n');
        self.rest.drain(..written);
        result.map_err(|err| Error::file(self.name(), err))
    }

    fn name(&self) -> String {
        match &self.to {
            To::File(path, _) => path.display().to_string(),
            To::Stderr => "standard error".to_owned(),
            To::Journald(journal) => journal.name(),
        }
    }

    fn reopen(&mut self) {
        let (path, file) = match &mut self.to {
            To::File(path, file) => (path, file),
            To::Journald(journal) => return journal.reopen(),
            To::Stderr => return,
        };
        match open(path) {
            Ok(new) => {
                *file = new;
                if std::mem::take(&mut self.is_mid_line) {
                    // Its beginning is in the old file. It is the first that is lost.
                    let end = self.rest.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
                    self.rest.splice(..end, line::lost(1));
                }
                info!(audit = %path.display(), "the audit is opened anew");
            }
            // The old one stays: nothing is lost by that.
            Err(error) => tracing::error!(%error, "the audit cannot be opened anew, and goes on where it was"),
        }
    }
}

/// Opens it to be written to at its end. What a crash left of a line there is ended first.
fn open(path: &Path) -> Result<File> {
    let failed = |err| Error::file(path.display(), err);
    let mut file = open_file(path, true)?;
    let about = file.metadata().map_err(failed)?;
    if about.len() > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).map_err(failed)?;
        if last != *b"\n" {
            // On a full disk this fails, and so do the lines; they are tried again.
            let _ = file.write(b"\n");
        }
    }
    Ok(file)
}

fn open_file(path: &Path, is_made: bool) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(is_made).mode(0o600);
    // A pipe that nobody reads must not make it wait, and a link must not lead to another file.
    options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
    let failed = |err| Error::file(path.display(), err);
    let file = options.open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(Error::new(Kind::BadConfig, format!("{}: the audit goes to a file alone", path.display())));
    }
    Ok(file)
}
