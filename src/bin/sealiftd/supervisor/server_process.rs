//! A server that the supervisor has started.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus};
use std::sync::mpsc::Sender;

use rustix::process::{
    Pid, PidfdFlags, Signal, getppid, pidfd_open, pidfd_send_signal, set_parent_process_death_signal,
};
use sealift::{Error, Result};

use super::Event;
use super::notices::Notices;
use super::sockets::Sockets;

/// In a server's environment: the process that supervises it.
const BY: &str = "SEALIFTD_SUPERVISED_BY";

/// One that runs.
pub struct ServerProcess {
    /// Its number.
    pub pid: u32,
    handle: OwnedFd,
    /// It has said that it serves.
    pub is_ready: bool,
}

impl ServerProcess {
    /// Starts one by these words. Its end is told as an event.
    ///
    /// # Errors
    /// That the program cannot be run.
    pub fn start(words: &[OsString], sockets: &Sockets, notices: &Notices, events: &Sender<Event>) -> Result<Self> {
        let failed = |err: std::io::Error| Error::file("starting a server", err);
        let (program, rest) = words.split_first().ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
        let mut child = Command::new(program)
            .args(rest)
            .envs(sockets.told())
            .envs([notices.told(), (BY, std::process::id().to_string())])
            // They count for the process that they name, which is this one.
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDNAMES")
            .env_remove("WATCHDOG_PID")
            // Ctrl-C at a terminal is for this process, which hands it on: the second one ends a server at once.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let handle = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).map_err(|err| failed(err.into()));
        let pid = child.id();
        let events = events.clone();
        std::thread::Builder::new()
            .name("server".to_owned())
            .spawn(move || {
                let ended = child.wait();
                // Nobody hears it when the supervisor has ended.
                let _ = events.send(Event::Ended(pid, ended.ok()));
            })
            .map_err(failed)?;
        Ok(ServerProcess { pid, handle: handle?, is_ready: false })
    }

    /// Sends it a signal, if it still runs.
    pub fn signal(&self, signal: Signal) {
        // One that has ended needs none.
        let _ = pidfd_send_signal(&self.handle, signal);
    }
}

/// Whether this process is a server that is supervised.
pub fn is_supervised() -> bool {
    let by = std::env::var(BY).ok().and_then(|by| by.parse::<i32>().ok());
    by.is_some() && by == getppid().map(|parent| parent.as_raw_nonzero().get())
}

/// Has this process end when its supervisor does: nobody could replace it then.
pub fn end_with_supervisor() {
    // Refused means that it stays until somebody stops it.
    let _ = set_parent_process_death_signal(Some(Signal::TERM));
}

/// How a server ended, in words.
pub fn in_words(status: Option<ExitStatus>) -> String {
    match status {
        Some(status) => match status.code() {
            Some(code) => format!("it ended with {code}"),
            None => format!("it was killed ({status})"),
        },
        None => "nobody knows how it ended".to_owned(),
    }
}
