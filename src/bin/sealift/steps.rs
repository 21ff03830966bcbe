//! Telling of steps that take something to be put together, with `-v`.

use sealift::Client;
use sealift::client::Ids;

use super::output::Output;

impl Output {
    /// Tells of a step whose text is put together only if it is told.
    pub fn step_with(self, text: impl FnOnce() -> String) {
        if self.is_verbose() {
            self.step(&text());
        }
    }

    /// Tells which process and session gave the last answer, with `-v`.
    pub fn step_ids(self, what: &str, client: &Client) {
        if let Some(Ids { pid, session, .. }) = client.last_ids() {
            self.step(&format!("{what} (pid {pid}, session {session})"));
        }
    }
}
