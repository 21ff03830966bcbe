//! Whether this machine's clock may be believed by whoever removes what is old. One that has lost its battery, or was set by mistake, may
//! show another month for a while, and what was removed meanwhile does not come back. What is over is refused by any clock; only its
//! removal waits.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::folder::read_small;
use crate::fresh_file::Fresh;
use crate::limits;
use crate::sync::Mutex;

/// The clock of this machine, as far as it is believed. What it showed last is kept in a file, if there is one.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    file: Option<PathBuf>,
    belief: Arc<Mutex<Belief>>,
}

/// A moment, and what the clock shows then in seconds since 1970.
type Moment = (Instant, u64);

#[derive(Debug, Default)]
struct Belief {
    /// What is in the file was looked at.
    is_read: bool,
    /// When it was believed last, or seen to have been by an earlier server.
    believed: Option<Moment>,
    /// Since when it has been ahead of that.
    doubted: Option<Moment>,
    /// Since when it has been behind it.
    behind: Option<Moment>,
}

impl Clock {
    /// The one whose time is kept in this file.
    pub(super) fn kept_in(file: PathBuf) -> Clock {
        Clock { file: Some(file), belief: Arc::default() }
    }

    /// Whether something may be removed because it is old by this clock: it shows what it showed last and the time that has passed since,
    /// or has gone on for long from what it shows. Where nobody knows what it showed it is believed.
    pub fn is_believed(&self) -> bool {
        let mut belief = self.belief.lock();
        if !belief.is_read {
            belief.is_read = true;
            // Time has passed since it was written, and nobody knows how much.
            belief.believed = self.remembered().map(|shown| (Instant::now(), shown));
        }
        let shown = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        belief.look((Instant::now(), shown))
    }

    /// Keeps what it shows for the next server, if it is believed.
    pub fn remember(&self) {
        if !self.is_believed() {
            return;
        }
        let shown = self.belief.lock().believed.map(|(_, shown)| shown);
        let (Some(file), Some(shown)) = (&self.file, shown) else { return };
        if let Err(error) = Fresh::beside(file, &format!("{shown}\n")).and_then(Fresh::put_in_place) {
            tracing::warn!(%error, "what the clock shows is not kept: the next start cannot tell whether it is wrong");
        }
    }

    fn remembered(&self) -> Option<u64> {
        read_small(self.file.as_ref()?, limits::OWN_RECORD_MAX).ok()?.trim().parse().ok()
    }
}

impl Belief {
    fn look(&mut self, now: Moment) -> bool {
        if self.believed.is_some_and(|believed| leap_back(believed, now).is_some()) {
            return self.look_behind(now);
        }
        self.behind = None;
        let Some(days) = self.believed.and_then(|believed| leap(believed, now)) else {
            return self.believe(now);
        };
        match self.doubted.filter(|since| goes_on(*since, now)) {
            Some((since, _)) if now.0.saturating_duration_since(since) >= limits::CLOCK_LASTS => self.believe(now),
            Some(_) => false,
            None => {
                self.doubted = Some(now);
                tracing::warn!(
                    days,
                    hours = limits::CLOCK_LASTS.as_secs() / 3600,
                    "the clock of this machine is ahead by days of what it showed when this server last looked: until it has gone on so for hours, nothing that is old is removed from the trash, or of uploads that were cut off, nor expired links"
                );
                false
            }
        }
    }

    /// Nothing is old by a clock that is behind and not by a right one. But what was shown before stays what it is compared with, until it
    /// has gone on so for long: a machine whose clock has no battery starts in another year until it is told the time, and that is no leap
    /// then.
    fn look_behind(&mut self, now: Moment) -> bool {
        self.doubt_no_more();
        match self.behind.filter(|since| goes_on(*since, now)) {
            Some((since, _)) if now.0.saturating_duration_since(since) >= limits::CLOCK_LASTS => self.believe(now),
            Some(_) => true,
            None => {
                self.behind = Some(now);
                true
            }
        }
    }

    fn believe(&mut self, now: Moment) -> bool {
        self.doubt_no_more();
        (self.believed, self.behind) = (Some(now), None);
        true
    }

    fn doubt_no_more(&mut self) {
        if self.doubted.take().is_some() {
            tracing::info!("the clock of this machine is believed again, and what is old by it is removed");
        }
    }
}

/// Whether the clock shows what it showed then and the time that has passed since.
fn goes_on(since: Moment, now: Moment) -> bool {
    leap(since, now).is_none() && leap_back(since, now).is_none()
}

/// By how many days the clock is ahead of what it showed before and the time that has passed since, if that is much.
fn leap((then, showed): Moment, (now, shows): Moment) -> Option<u64> {
    let due = showed.saturating_add(now.saturating_duration_since(then).as_secs());
    much(shows.saturating_sub(due))
}

/// By how many days the clock is behind what it showed before and the time that has passed since, if that is much.
fn leap_back((then, showed): Moment, (now, shows): Moment) -> Option<u64> {
    let due = showed.saturating_add(now.saturating_duration_since(then).as_secs());
    much(due.saturating_sub(shows))
}

fn much(seconds: u64) -> Option<u64> {
    let ahead = Duration::from_secs(seconds);
    (ahead > limits::CLOCK_LEAP).then_some(seconds / limits::DAY.as_secs())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const TIME: u64 = 1_000_000_000;
    const DAY: u64 = limits::DAY.as_secs();

    /// So many seconds later, by a clock that nobody sets.
    fn later() -> impl Fn(u64) -> Moment {
        let begun = Instant::now();
        move |seconds| (begun + Duration::from_secs(seconds), TIME + seconds)
    }

    fn set((now, shows): Moment, days: u64) -> Moment {
        (now, shows + days * DAY)
    }

    #[test]
    fn a_clock_that_leaps_ahead_is_believed_once_it_has_gone_on_from_there() {
        let (mut belief, after, lasts) = (Belief::default(), later(), limits::CLOCK_LASTS.as_secs());
        assert!(belief.look(after(0)) && belief.look(set(after(1), 1)), "nights pass while nothing runs");
        assert!(!belief.look(set(after(2), 40)) && !belief.look(set(after(lasts), 40)));
        assert!(belief.look(after(lasts + 1)), "it is right again");
        assert!(!belief.look(set(after(lasts + 2), 40)), "what it showed before says nothing");
        assert!(!belief.look(set(after(lasts + 3), 20)), "nor does another time");
        assert!(!belief.look(set(after(2 * lasts + 2), 20)));
        assert!(belief.look(set(after(2 * lasts + 3), 20)));
        assert!(belief.look(after(2 * lasts + 4)), "less is old by it");
        assert!(!belief.look(set(after(2 * lasts + 5), 40)));
    }

    #[test]
    fn a_clock_that_is_behind_until_it_is_set_has_not_leapt_ahead_then() {
        let (mut belief, after, lasts) = (Belief::default(), later(), limits::CLOCK_LASTS.as_secs());
        assert!(belief.look(set(after(0), 300)));
        assert!(belief.look(after(1)) && belief.look(after(60)), "less is old by it");
        assert!(belief.look(set(after(61), 300)), "and it is set again");
        assert!(!belief.look(set(after(62), 340)), "what it showed before is remembered");
        // If it goes on, it is right.
        assert!(belief.look(after(63)) && belief.look(after(lasts + 64)));
        assert!(!belief.look(set(after(lasts + 65), 300)));
    }

    #[test]
    fn what_it_showed_is_kept_for_the_next_server_if_it_is_believed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("clock");
        let open = || Clock::kept_in(file.clone());
        let kept = || fs::read_to_string(&file).unwrap().trim().parse::<u64>().unwrap();
        assert!(open().is_believed() && !file.exists(), "nobody knows what it showed");
        open().remember();
        let shown = kept();
        assert!(open().is_believed());
        let before = shown - 40 * DAY;
        fs::write(&file, before.to_string()).unwrap();
        let clock = open();
        assert!(!clock.is_believed());
        clock.remember();
        assert_eq!(kept(), before);
        // What showed a later time was wrong, or this one is: nothing is old by it that is not, and nobody knows yet which.
        fs::write(&file, (shown + 40 * DAY).to_string()).unwrap();
        assert!(open().is_believed());
        open().remember();
        assert_eq!(kept(), shown + 40 * DAY);
        fs::write(&file, "rubbish").unwrap();
        assert!(open().is_believed());
    }
}
