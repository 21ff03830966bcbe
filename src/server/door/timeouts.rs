//! How long a client may take over what it owes the server.

use std::time::Duration;

use crate::limits;
use crate::machine::drive::Pace;
use crate::setters::setters;

/// What an operator may set. The defaults are those of [`limits`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// For the whole TLS handshake.
    pub handshake: Duration,
    /// From the end of the handshake to a successful login.
    pub login: Duration,
    /// For a logged-in connection that says nothing between two commands.
    pub idle: Duration,
    /// The window in which a client that owes the rest of a line, data, or the reading of a reply must move
    /// its share of [`limits::RATE_MIN`]. After two windows without it in a row the connection is closed.
    pub stall: Duration,
}

setters!(Timeouts: handshake: Duration, login: Duration, idle: Duration, stall: Duration);

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            handshake: limits::HANDSHAKE_TIMEOUT,
            login: limits::LOGIN_TIMEOUT,
            idle: limits::IDLE_TIMEOUT,
            stall: limits::WINDOW,
        }
    }
}

impl Timeouts {
    /// What a connection is held to, with so long a grace period at the server's end.
    pub(in crate::server) fn pace(&self, grace: Duration) -> Pace {
        // A window, or less if idling is ended sooner than that.
        let window = self.stall.min(self.idle);
        let bytes = u128::from(limits::RATE_MIN) * window.as_millis() / 1000;
        let least_progress = u64::try_from(bytes).unwrap_or(u64::MAX).max(1);
        Pace { window, least_progress, idle: self.idle, grace }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_progress_goes_with_the_window() {
        let with = |stall, idle| {
            let pace = Timeouts { stall, idle, ..Timeouts::default() }.pace(Duration::ZERO);
            assert_eq!((pace.window, pace.idle), (stall.min(idle), idle));
            pace.least_progress
        };
        let (short, long) = (Duration::from_millis(500), Duration::from_secs(60));
        assert_eq!(with(long, long), 60 * limits::RATE_MIN);
        assert_eq!(with(short, long), limits::RATE_MIN / 2);
        assert_eq!(with(long, short), limits::RATE_MIN / 2);
        assert_eq!(with(Duration::ZERO, long), 1);
    }
}
