//! A server that the supervisor has started.

use std::ffi::OsString;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, getppid, pidfd_open, pidfd_send_signal};
use sealift::{Error, Result, limits};

use super::sockets::Sockets;
use super::{Event, notices};

/// In a server's environment: the process that supervises it.
const BY: &str = "SEALIFTD_SUPERVISED_BY";

/// One that runs.
pub struct ServerProcess {
    /// Which of this supervisor's.
    pub number: u64,
    /// Its process.
    pub pid: u32,
    handle: OwnedFd,
    /// It has said that it serves.
    pub is_ready: bool,
    /// It was told to end in order.
    pub is_ending: bool,
    /// It did not get on, and was killed.
    pub is_late: bool,
    /// When it must have got on: it serves, or has ended.
    pub(super) due: Option<Instant>,
}

impl ServerProcess {
    /// Starts one by these words, from this program instead of what the first of them names if there is one. What it says and how it
    /// ends are told as events.
    ///
    /// # Errors
    /// That the program cannot be run.
    pub fn start(
        number: u64,
        (words, program): (&[OsString], Option<&Path>),
        sockets: &Sockets,
        events: &Sender<Event>,
    ) -> Result<Self> {
        let failed = |err: std::io::Error| Error::file("starting a server", err);
        let (name, rest) = words.split_first().ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
        let (ours, theirs) = UnixDatagram::pair().map_err(failed)?;
        let mut command = Command::new(program.map_or(name.as_os_str(), Path::as_os_str));
        command.arg0(name);
        let inherited = sockets.lend(&mut command, theirs)?;
        let spawned = command
            .args(rest)
            .env(BY, std::process::id().to_string())
            // They count for the process that they name, which is this one.
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDNAMES")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_PID")
            // Ctrl-C at a terminal is for this process, which hands it on: the second one ends a server at once.
            .process_group(0)
            .spawn();
        drop(inherited);
        let mut child = Unfollowed(spawned.map_err(failed)?);
        let pid = child.0.id();
        let handle = pidfd_open(Pid::from_child(&child.0), PidfdFlags::empty()).map_err(|err| failed(err.into()))?;
        let hears = ours.try_clone().map_err(failed)?;
        notices::follow(ours, number, events.clone()).map_err(failed)?;
        let told = events.clone();
        let wait = move || {
            let ended = child.0.wait();
            // A socket of messages has no end by itself. What was said before is still heard.
            let _ = hears.shutdown(Shutdown::Both);
            // Nobody hears it when the supervisor has ended.
            let _ = told.send(Event::Ended(number, ended.ok()));
        };
        std::thread::Builder::new().name("server".to_owned()).spawn(wait).map_err(failed)?;
        let due = Instant::now().checked_add(limits::SUPERVISED_START);
        Ok(ServerProcess { number, pid, handle, is_ready: false, is_ending: false, is_late: false, due })
    }

    /// It serves.
    pub fn serves(&mut self) {
        (self.is_ready, self.due) = (true, None);
    }

    /// Sends it a signal, if it still runs.
    pub fn signal(&self, signal: Signal) {
        // One that has ended needs none.
        let _ = pidfd_send_signal(&self.handle, signal);
    }

    /// Has it end in order, within its grace period. A second time it ends at once, so that is for whoever wants it.
    pub fn end(&mut self, signal: Signal, grace: Duration) {
        self.is_ending = true;
        self.due = Instant::now().checked_add(grace.saturating_add(limits::SUPERVISED_START));
        self.signal(signal);
    }

    /// Kills it if it has not got on by now; says whether it has.
    pub fn check(&mut self) -> bool {
        let is_late = self.due.is_some_and(|due| due <= Instant::now());
        if is_late {
            self.is_late = true;
            self.signal(Signal::KILL);
        }
        !is_late
    }
}

/// A process that is killed when this is dropped, unless it has ended: a server that nobody follows would hold sockets and the state's
/// lock, and no other could begin.
struct Unfollowed(Child);

impl Drop for Unfollowed {
    fn drop(&mut self) {
        // What has been waited for is sent nothing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The supervisor of this process, if it has one.
pub struct Parent(OwnedFd);

impl Parent {
    /// Has a program that is started know it: whatever it looks at is for a server of this supervisor.
    pub fn tell(command: &mut Command) {
        command.env(BY, std::process::id().to_string());
    }

    /// Whether this process is a server that is supervised, or looks for one.
    pub fn is_there() -> bool {
        let by = std::env::var(BY).ok().and_then(|by| by.parse::<i32>().ok());
        by.is_some() && by == getppid().map(|parent| parent.as_raw_nonzero().get())
    }

    /// The one of this process. To be looked for before the sandbox closes.
    pub fn find() -> Option<Parent> {
        let parent = getppid()?;
        let handle = pidfd_open(parent, PidfdFlags::empty()).ok()?;
        // Still the same: the number was nobody else's meanwhile.
        Self::is_there().then_some(Parent(handle))
    }

    /// Waits until it has ended.
    pub fn wait(&self) {
        while !matches!(poll(&mut [PollFd::new(&self.0, PollFlags::IN)], None), Ok(1..)) {}
    }
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
