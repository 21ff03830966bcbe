//! Servers that another one has taken the place of: they change nothing any more, and only send to its end what they had begun.

use std::process::ExitStatus;

use rustix::process::Signal;
use sealift::limits;
use tracing::{error, info, warn};

use super::server_process::{ServerProcess, in_words};

/// Those that have not ended.
#[derive(Default)]
pub struct Draining(Vec<ServerProcess>);

impl Draining {
    /// One more.
    pub fn add(&mut self, server: ServerProcess) {
        info!(server = server.pid, "it sends to its end what it has begun, and another one serves");
        self.0.push(server);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether no more are to be added: each may take as much memory as one that serves.
    pub fn is_full(&self) -> bool {
        self.0.len() >= limits::SUPERVISED_DRAINING
    }

    /// The one of this number has ended, if it is one of these.
    pub fn ended(&mut self, number: u64, status: Option<ExitStatus>) {
        let Some(at) = self.0.iter().position(|server| server.number == number) else { return };
        let server = self.0.remove(at);
        match status.is_some_and(|status| status.success()) {
            true => info!(server = server.pid, "it has sent all that it had begun, and has ended"),
            false => {
                warn!(server = server.pid, "a server that another one had taken the place of: {}", in_words(status))
            }
        }
    }

    /// Has them read their files again.
    pub fn read_again(&self) {
        self.0.iter().for_each(|server| server.signal(Signal::HUP));
    }

    /// Has them end at once: they were told to end before.
    pub fn end_at_once(&self, signal: Signal) {
        self.0.iter().for_each(|server| server.signal(signal));
    }

    /// Kills those that do not end within their grace period.
    pub fn check(&mut self) {
        for server in &mut self.0 {
            let was_late = server.is_late;
            if !server.check() && !was_late {
                error!(server = server.pid, "it does not end, and is killed");
            }
        }
    }
}
