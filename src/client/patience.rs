//! Trying something again after a line was lost: when, how often, and whether at all.

use std::time::Duration;

use crate::error::{Error, Kind, Result, Side};
use crate::limits;
use crate::random;

/// How often, and after which pauses, something is tried again on a new connection: one rule for everything.
#[derive(Debug)]
pub struct Patience {
    retries: u32,
    tries: u32,
    watched: bool,
    /// What is left of a long pause, in which somebody who watches tries more than once.
    left: u32,
    part: Duration,
}

impl Patience {
    /// For so many tries in a row that get no farther; [`limits::RETRIES`] is a good number.
    pub fn new(retries: u32) -> Self {
        Patience { retries, tries: 0, watched: false, left: 0, part: Duration::ZERO }
    }

    /// For a person who watches: within a long pause it is tried each [`limits::RETRY_PAUSE_WATCHED`] at the latest, too. All that
    /// lasts as long, and counts as one try, as if nobody did.
    #[must_use]
    pub fn watched(self, watched: bool) -> Self {
        Patience { watched, ..self }
    }

    /// Something was reached since the last try: bytes were proven, a file was finished.
    pub fn renew(&mut self) {
        (self.tries, self.left) = (0, 0);
    }

    /// Whether another try is to come if this one fails.
    pub fn has_more(&self) -> bool {
        !self.is_spent(self.retries)
    }

    /// Whether so many tries have failed.
    pub fn is_spent(&self, retries: u32) -> bool {
        self.left == 0 && self.tries >= retries
    }

    /// The pause before the next try; none if it is time to give up. Three quarters to the whole of a time that doubles up
    /// to [`limits::RETRY_PAUSE_MAX`], so that clients which lost the same server do not come back together.
    ///
    /// # Errors
    /// [`Kind::Internal`] without random numbers.
    pub fn pause(&mut self) -> Result<Option<Duration>> {
        if self.left > 0 {
            self.left -= 1;
            return Ok(Some(self.part));
        }
        if self.tries >= self.retries {
            return Ok(None);
        }
        let factor = 1u32.checked_shl(self.tries).unwrap_or(u32::MAX);
        self.tries += 1;
        let longest = limits::RETRY_PAUSE.saturating_mul(factor).min(limits::RETRY_PAUSE_MAX);
        let mut chance = [0];
        random::fill(&mut chance)?;
        let [chance] = chance;
        let pause = longest - longest / 4 * u32::from(chance) / 255;
        if !self.watched {
            return Ok(Some(pause));
        }
        let parts = pause.as_millis().div_ceil(limits::RETRY_PAUSE_WATCHED.as_millis());
        let parts = u32::try_from(parts).unwrap_or(u32::MAX).max(1);
        (self.left, self.part) = (parts - 1, pause / parts);
        Ok(Some(self.part))
    }
}

/// Whether this error of a connection that was there means that the line is lost, or that the server is too busy, ends, or
/// has fallen silent: then the same may succeed on a new connection. The one rule for everything that is tried again.
pub fn is_lost_line(error: &Error) -> bool {
    matches!(error.kind(), Kind::Network | Kind::TimedOut | Kind::Busy | Kind::Stopping)
}

/// Whether an error of connecting says that nobody answers there at all: no name, no route, no program at that port. Whoever
/// has not been connected before has probably mistyped it, so nothing is tried again.
pub fn is_unreached(error: &Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    let is_cut = |source: &std::io::Error| {
        matches!(source.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
    };
    match error.kind() {
        Kind::Network => !source.is_none_or(is_cut),
        // Else a server has said it, to somebody who said nothing for too long.
        Kind::TimedOut => error.side() == Side::Local,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound_and_last_two_minutes_in_all() {
        let mut patience = Patience::new(limits::RETRIES);
        let (mut tries, mut least) = (0, Duration::ZERO);
        while let Some(pause) = patience.pause().unwrap() {
            let longest = limits::RETRY_PAUSE.saturating_mul(1 << tries).min(limits::RETRY_PAUSE_MAX);
            assert!(pause >= longest / 4 * 3 && pause <= longest, "{tries}: {pause:?}");
            least += longest / 4 * 3;
            tries += 1;
        }
        assert_eq!(tries, limits::RETRIES);
        assert!(least >= Duration::from_secs(120), "{least:?}");
        patience.renew();
        assert!(patience.pause().unwrap().unwrap() <= limits::RETRY_PAUSE);
        assert_eq!(Patience::new(0).pause().unwrap(), None);
    }

    #[test]
    fn who_watches_waits_no_longer_than_a_few_seconds_for_the_next_try_and_as_long_in_all() {
        let mut patience = Patience::new(limits::RETRIES).watched(true);
        let (mut all, mut tries) = (Duration::ZERO, 0);
        while let Some(pause) = patience.pause().unwrap() {
            assert!(pause <= limits::RETRY_PAUSE_WATCHED, "{pause:?}");
            all += pause;
            tries += 1;
        }
        assert!(all >= Duration::from_secs(119) && tries > limits::RETRIES, "{all:?} in {tries}");
        assert!(patience.is_spent(limits::RETRIES) && !patience.has_more());
        patience.renew();
        assert!(patience.pause().unwrap().unwrap() <= limits::RETRY_PAUSE);
        // In the middle of a long pause it is not over.
        let mut patience = Patience::new(5).watched(true);
        assert!((0..5).all(|_| patience.pause().unwrap().is_some()));
        assert!(patience.has_more() && !patience.is_spent(5));
        assert!(patience.pause().unwrap().is_some());
        assert_eq!((patience.has_more(), patience.pause().unwrap()), (false, None));
    }

    #[test]
    fn a_line_that_is_lost_is_not_a_server_that_is_not_there() {
        use std::io::ErrorKind::{ConnectionRefused, ConnectionReset};
        for (error, is_unreached) in [
            (Error::network("x", ConnectionReset.into()), false),
            (Error::new(Kind::Network, "the server closed the connection"), false),
            (Error::new(Kind::TimedOut, "nothing came").of_server(), false),
            (Error::new(Kind::Stopping, "it ends").of_server(), false),
            (Error::network("x", ConnectionRefused.into()), true),
            (Error::new(Kind::TimedOut, "no answer"), true),
        ] {
            assert!(is_lost_line(&error), "{error}");
            assert_eq!(super::is_unreached(&error), is_unreached, "{error}");
        }
        assert!(!is_lost_line(&Error::new(Kind::LoginFailed, "no").of_server()));
        assert!(!is_lost_line(&Error::new(Kind::Kicked, "no").of_server()));
    }
}
