//! The audit: one JSON object a line for each login, refusal, transfer, change and act of administration, apart from the log. Nobody
//! waits for it: lines wait in bounded memory for a thread of its own that writes them, and what finds no room there is counted, and
//! the number stands in the audit itself. So does that of the lines of those who are no users and ask for more than their share.

mod file;
mod journal;
mod line;
mod queue;
mod shares;

use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use async_std::task::{sleep, spawn};

use self::file::AuditFile;
use self::queue::Queue;
use self::shares::AuditShares;
use super::events::Event;
use super::shares::Verdict;
use crate::error::{Error, Kind, Result};
use crate::files::Rot;
use crate::limits;
use crate::machine::source::{Network, Source};

/// Where the audit goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditTo {
    /// To the end of this file, made if it is missing, for nobody else to read. It is opened anew by
    /// [`Handle::reload`](super::Handle::reload), so that it can be moved away: what waits then
    /// goes into the new one.
    File(PathBuf),
    /// To standard error, where the log is, too.
    Stderr,
    /// To the journal of systemd that listens at this socket, an entry for each line, with fields of its own.
    Journald(PathBuf),
}

/// Where systemd's journal listens.
const JOURNAL: &str = "/run/systemd/journal/socket";

impl FromStr for AuditTo {
    type Err = Error;

    /// A file, `stderr`, `journald`, or `journald:` and the path of its socket.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] if it is nothing of these.
    fn from_str(text: &str) -> Result<Self> {
        match (text, text.strip_prefix("journald:")) {
            ("", _) => Err(Error::new(Kind::BadConfig, "write the name of a file, journald or stderr")),
            ("stderr", _) => Ok(AuditTo::Stderr),
            ("journald", _) => Ok(AuditTo::Journald(JOURNAL.into())),
            (_, Some(socket)) if socket.starts_with('/') => Ok(AuditTo::Journald(socket.into())),
            (_, Some(_)) => Err(Error::new(Kind::BadConfig, "write journald:/PATH for where the journal's socket is")),
            (file, None) => Ok(AuditTo::File(file.into())),
        }
    }
}

impl AuditTo {
    /// Whether it could be written to now, looked at without writing. A file that is missing is to be made: that is not tried.
    ///
    /// # Errors
    /// As a server that starts has it.
    pub fn try_out(&self) -> Result<()> {
        AuditFile::try_out(self)
    }

    /// Writes down, beside a server that writes there otherwise, that a file was found to be rotten: where it lies below the data
    /// folder, or from the root.
    ///
    /// # Errors
    /// That there is no audit yet, which is the server's to make, and those of writing.
    pub fn tell_of_rot(&self, place: &[u8], rot: &Rot) -> Result<()> {
        if let AuditTo::File(path) = self {
            // Made by another account it would be one that the server cannot write to.
            path.symlink_metadata().map_err(|err| Error::file(path.display(), err))?;
        }
        AuditFile::open(self)?.write_now(&line::of_rot(place, rot))
    }
}

/// An audit that is written to.
pub struct AuditLog {
    queue: Queue,
    shares: AuditShares,
}

/// An audit that is open, and not written to yet.
pub struct OpenAudit {
    file: AuditFile,
    log: Arc<AuditLog>,
}

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditLog")
    }
}

impl OpenAudit {
    /// Opens it. Starts no thread.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] for what is no file of its own, and those of opening it.
    pub fn open(to: &AuditTo) -> Result<OpenAudit> {
        Ok(OpenAudit {
            file: AuditFile::open(to)?,
            log: Arc::new(AuditLog { queue: Queue::new(), shares: AuditShares::new() }),
        })
    }

    /// What can be written to already.
    pub fn log(&self) -> &Arc<AuditLog> {
        &self.log
    }

    /// Starts the thread that writes.
    ///
    /// # Errors
    /// [`Kind::Internal`]: there is no thread to be had.
    pub fn begin(self) -> Result<Arc<AuditLog>> {
        let OpenAudit { mut file, log } = self;
        let written = Arc::clone(&log);
        let started = thread::Builder::new().name("audit".to_owned()).spawn(move || {
            while let Some(work) = written.queue.next() {
                file.write(work, &written.queue);
            }
        });
        let no_thread = |err: io::Error| Error::new(Kind::Internal, format!("no thread for the audit: {err}"));
        started.map(|_| log).map_err(no_thread)
    }
}

impl AuditLog {
    /// Writes down what belongs into an audit. Never waits.
    pub fn write(&self, event: &Event<'_>) {
        if line::is_wanted(event) {
            self.queue.push(&line::render(event));
        }
    }

    /// Writes down what this source has caused that belongs into an audit: of what comes to nothing no more than the share of those who are
    /// no users. Never waits.
    pub fn write_of(self: &Arc<Self>, source: &Source, event: &Event<'_>) {
        if !line::is_wanted(event) {
            return;
        }
        let line = line::render(event);
        let is_bounded = matches!(source, Source::Origin(_)) && line::is_bounded(event);
        if !is_bounded || self.has_room(source.network(), line.len() as u64) {
            self.queue.push(&line);
        }
    }

    /// Whether the share of those who come from there has room for so many bytes. If not, it will be told.
    fn has_room(self: &Arc<Self>, from: Network, bytes: u64) -> bool {
        let (from, verdict) = self.shares.take(from, bytes, Instant::now());
        if verdict == Verdict::FirstLeftOut {
            let log = Arc::downgrade(self);
            spawn(async move {
                sleep(limits::LOG_WINDOW).await;
                if let Some(log) = log.upgrade() {
                    log.tell_left_out(from.as_ref(), log.shares.left_out(from.as_ref()));
                }
            });
        }
        verdict == Verdict::Written
    }

    fn tell_left_out(&self, from: Option<&Network>, lines: u64) {
        if lines > 0 {
            self.queue.push(&line::left_out(from, lines));
        }
    }

    /// Lines that have found no room so far.
    pub fn lost(&self) -> u64 {
        self.queue.all_lost()
    }

    /// The file is opened anew before the next line is written.
    pub fn reopen(&self) {
        self.queue.reopen();
    }

    /// Nothing more is written after what is waiting. Waits for that, but no longer than [`limits::AUDIT_FLUSH`].
    pub fn close(&self) {
        self.close_within(limits::AUDIT_FLUSH);
    }

    /// Nothing more is written after what is waiting. Waits for that, but no longer than this.
    pub fn close_within(&self, patience: Duration) {
        for (from, lines) in self.shares.all_left_out() {
            self.tell_left_out(from.as_ref(), lines);
        }
        self.queue.close(patience);
    }
}
