//! Between the server and standard error: lines wait in memory, and a thread of its own writes them. Whoever reads the
//! log may stand still, and no session, no signal and no start waits for them; what then finds no room is counted.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::sync::OnceLock;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sealift::limits;
use sealift::sync::{Condvar, Mutex, MutexGuard};

/// What a pipe takes without waiting when it says that it takes something (POSIX PIPE_BUF, on Linux).
const READY: usize = 4096;

/// The lines that are not written yet.
pub struct LogQueue {
    state: Mutex<State>,
    /// There is something to write.
    filled: Condvar,
    /// There was nothing left to write.
    drained: Condvar,
    /// The thread that writes, once there is one.
    writer: OnceLock<ThreadId>,
}

struct State {
    waiting: Vec<u8>,
    /// The thread has taken lines out and is not done with them.
    writing: bool,
    lost: u64,
}

impl LogQueue {
    /// An empty one that no thread writes from yet.
    pub const fn new() -> Self {
        let state = State { waiting: Vec::new(), writing: false, lost: 0 };
        LogQueue { state: Mutex::new(state), filled: Condvar::new(), drained: Condvar::new(), writer: OnceLock::new() }
    }

    /// Takes a line, its ending included, or counts it as lost if [`limits::LOG_QUEUE`] is full. Never waits.
    pub fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        let writer = self.writer.get();
        // The writing thread says how many were lost: that itself must not be.
        let full = state.waiting.len() + line.len() > limits::LOG_QUEUE && writer != Some(&thread::current().id());
        if full {
            state.lost += 1;
            return;
        }
        let sleeps = state.waiting.is_empty() && !state.writing;
        state.waiting.extend_from_slice(line);
        match writer {
            None => write_what_it_takes(&mut state.waiting, Duration::ZERO),
            Some(_) if sleeps => self.filled.notify_one(),
            Some(_) => {}
        }
    }

    /// Starts the thread. Before, [`LogQueue::push`] writes what standard error takes at once.
    ///
    /// # Errors
    /// What the system says.
    pub fn write_by_thread(&'static self) -> io::Result<()> {
        thread::Builder::new().name("log".to_owned()).spawn(|| self.write_all()).map(drop)
    }

    /// Waits until everything is written, but no longer than this.
    pub fn flush(&self, patience: Duration) {
        let mut state = self.lock();
        if self.writer.get().is_none() {
            return write_what_it_takes(&mut state.waiting, patience);
        }
        let unwritten = |state: &mut State| state.writing || !state.waiting.is_empty();
        drop(self.drained.wait_timeout_while(state, patience, unwritten));
    }

    fn write_all(&self) {
        let _ = self.writer.set(thread::current().id());
        let mut lines = Vec::new();
        loop {
            let lost = self.take(&mut lines);
            if lost > 0 {
                tracing::error!(lost, "lines of this log were lost: whoever reads it was too slow");
            }
            write(&lines);
            lines = Vec::new();
            // One write for many lines, and not one turn of this thread for each.
            thread::sleep(limits::LOG_PAUSE);
        }
    }

    /// Waits for lines and takes them all; says how many were lost behind them.
    fn take(&self, lines: &mut Vec<u8>) -> u64 {
        let mut state = self.lock();
        state.writing = false;
        if state.waiting.is_empty() {
            self.drained.notify_all();
        }
        let nothing = |state: &mut State| state.waiting.is_empty();
        let mut state = self.filled.wait_while(state, nothing);
        std::mem::swap(&mut state.waiting, lines);
        state.writing = true;
        std::mem::take(&mut state.lost)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// Writes all of it, however long that takes.
fn write(mut lines: &[u8]) {
    while !lines.is_empty() {
        match io::stderr().lock().write(lines) {
            Ok(written @ 1..) => lines = lines.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Whoever shares the other end made it so for all who write to it.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => drop(is_ready(None)),
            // Its reader has gone away: no reason for a server to end.
            Ok(_) | Err(_) => return,
        }
    }
}

/// Writes for as long as standard error takes more at once or within this time; what it does not take stays.
fn write_what_it_takes(lines: &mut Vec<u8>, patience: Duration) {
    let until = Instant::now() + patience;
    let mut written = 0;
    while let Some(next) = lines.get(written..).filter(|rest| !rest.is_empty()) {
        if !is_ready(Some(until.saturating_duration_since(Instant::now()))) {
            break;
        }
        let next = next.get(..READY).unwrap_or(next);
        write(next);
        written += next.len();
    }
    lines.drain(..written);
}

/// Whether standard error takes something within this time; none: however long it takes.
fn is_ready(patience: Option<Duration>) -> bool {
    let patience = patience.and_then(|time| Timespec::try_from(time).ok());
    let stderr = io::stderr();
    let mut asked = [PollFd::from_borrowed_fd(stderr.as_fd(), PollFlags::OUT)];
    // What cannot be asked is written to, as ever.
    poll(&mut asked, patience.as_ref()).map_or(true, |ready| ready > 0)
}
