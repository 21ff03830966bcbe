//! How long a client may take over what it owes the server.

use std::time::Duration;

use crate::limits;

/// What an operator may set. The defaults are those of [`limits`].
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// How often a session is looked at: a window, or less if idling is ended sooner than that.
    pub(in crate::server) fn window(&self) -> Duration {
        self.stall.min(self.idle)
    }

    /// Bytes that a client which owes something must move in one [`Timeouts::window`]: [`limits::RATE_MIN`] for as long.
    pub(in crate::server) fn least_progress(&self) -> u64 {
        let bytes = u128::from(limits::RATE_MIN) * self.window().as_millis() / 1000;
        u64::try_from(bytes).unwrap_or(u64::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_progress_goes_with_the_window() {
        let with = |stall, idle| Timeouts { stall, idle, ..Timeouts::default() }.least_progress();
        let (short, long) = (Duration::from_millis(500), Duration::from_secs(60));
        assert_eq!(with(long, long), 60 * limits::RATE_MIN);
        assert_eq!(with(short, long), limits::RATE_MIN / 2);
        assert_eq!(with(long, short), limits::RATE_MIN / 2);
        assert_eq!(with(Duration::ZERO, long), 1);
    }
}
