//! Whether the clocks of nodes agree. No lock depends on them, but what goes by its age does: the trash, and uploads that nobody went on
//! with. Where two clocks differ nobody knows which is right, and nothing goes by its age at either.

use std::collections::HashMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::node::NodeName;
use super::owner::Owner;
use crate::limits;

/// What is known of the others' clocks.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    others: HashMap<NodeName, Other>,
    /// When all of them were looked at last, and what the own clock showed then.
    looked: Option<Now>,
    /// It was told that they differ.
    is_told: bool,
}

/// A moment, and what the own clock shows then in seconds since 1970.
pub(super) type Now = (Instant, u64);

/// What is known of one of them.
#[derive(Debug, Clone, Copy)]
struct Other {
    /// The last beat that was seen of it.
    beat: Option<u64>,
    /// When it was seen first.
    since: Instant,
    /// It has been seen to beat.
    is_heard: bool,
    /// By how many seconds its clock differed then. Older servers do not say.
    differs: Option<u64>,
}

impl Clocks {
    /// Looks at what these others say now, at this time; none if not all could be asked.
    pub(super) fn look(&mut self, others: Option<Vec<(NodeName, Owner)>>, now: Now) {
        let Some(others) = others else {
            self.looked = None;
            return;
        };
        let before = std::mem::take(&mut self.others);
        for (name, owner) in others {
            let fresh = Other { beat: owner.beat, since: now.0, is_heard: false, differs: None };
            let mut other = before.get(&name).copied().unwrap_or(fresh);
            // What it said long ago, before it was killed or stood still, was said by the clock of then.
            if other.beat != owner.beat {
                let differs = owner.at.map(|at| at.abs_diff(now.1));
                other = Other { beat: owner.beat, is_heard: true, differs, ..other };
            }
            self.others.insert(name, other);
        }
        self.looked = Some(now);
        let differing = self.others.iter().find(|(_, other)| other.differs.is_some_and(is_much));
        match differing {
            Some((node, other)) if !self.is_told => tracing::warn!(
                %node,
                seconds = other.differs.unwrap_or_default(),
                "the clocks of this server and of another one differ: nothing that is old is removed from the trash, or of uploads that were cut off, nor expired links, until they agree"
            ),
            None if self.is_told => tracing::info!("the clocks of all servers of this folder agree again"),
            Some(_) | None => {}
        }
        self.is_told = differing.is_some();
    }

    /// Whether they agree; none if that is not known: all have to have been looked at a moment ago, by the clock that is the own one still,
    /// and each to have been seen to beat. One that does not for longer than any that lives stands still or is dead, and says nothing.
    pub(super) fn agree(&self, (now, time): Now) -> Option<bool> {
        if self.is_told {
            return Some(false);
        }
        let is_known =
            |other: &Other| other.is_heard || now.saturating_duration_since(other.since) >= limits::BEAT_WATCH;
        let (at, then) = self.looked?;
        let is_of_now = now.saturating_duration_since(at) < limits::COHERENCE_OLD && !is_much(then.abs_diff(time));
        (is_of_now && self.others.values().all(is_known)).then_some(true)
    }
}

fn is_much(seconds: u64) -> bool {
    seconds >= limits::CLOCKS_DIFFER.as_secs()
}

/// This moment.
pub(super) fn now() -> Now {
    (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TIME: u64 = 1_000_000_000;
    const DAY: u64 = 24 * 60 * 60;

    fn said(beat: u64, at: u64) -> Option<Vec<(NodeName, Owner)>> {
        let owner = Owner { beat: Some(beat), at: Some(TIME + at), ..Owner::own() };
        Some(vec![("b".parse::<NodeName>().unwrap(), owner)])
    }

    /// So many seconds later, by a clock that nobody sets.
    fn later() -> impl Fn(u64) -> Now {
        let begun = Instant::now();
        move |seconds| (begun + Duration::from_secs(seconds), TIME + seconds)
    }

    #[test]
    fn a_clock_that_differs_counts_once_its_node_has_been_seen_to_beat_and_until_it_does_not() {
        let (mut clocks, after) = (Clocks::default(), later());
        // Killed a day ago, by its own clock.
        clocks.look(said(7, DAY), after(0));
        let silent = limits::BEAT_WATCH.as_secs();
        clocks.look(said(7, DAY), after(silent));
        assert_eq!(clocks.agree(after(silent)), Some(true));
        clocks.look(said(8, 12 + DAY), after(12));
        assert_eq!(clocks.agree(after(12)), Some(false));
        // It stands still, and its clock is as wrong as before.
        clocks.look(said(8, 12 + DAY), after(19));
        assert_eq!(clocks.agree(after(19)), Some(false));
        clocks.look(said(9, 20), after(20));
        assert_eq!(clocks.agree(after(20)), Some(true));
        clocks.look(said(10, 20 + DAY), after(21));
        assert_eq!(clocks.agree(after(21)), Some(false));
        clocks.look(Some(Vec::new()), after(22));
        assert_eq!(clocks.agree(after(22)), Some(true));
    }

    #[test]
    fn nobody_knows_whether_clocks_agree_before_each_other_one_was_heard_nor_long_after_that() {
        let (mut clocks, after) = (Clocks::default(), later());
        assert_eq!(clocks.agree(after(0)), None, "nobody has looked");
        clocks.look(said(7, 0), after(0));
        assert_eq!(clocks.agree(after(1)), None, "it may have said that by another clock");
        clocks.look(said(8, 1), after(1));
        assert_eq!(clocks.agree(after(1)), Some(true));
        assert_eq!(clocks.agree((after(1).0, after(1).1 + DAY)), None, "the own clock was set");
        assert_eq!(clocks.agree(after(1 + limits::COHERENCE_OLD.as_secs())), None, "nobody has looked for long");
        clocks.look(None, after(2));
        assert_eq!(clocks.agree(after(2)), None, "one could not be asked");
        clocks.look(said(9, 3), after(3));
        assert_eq!(clocks.agree(after(3)), Some(true));
        clocks.look(Some(Vec::new()), after(4));
        assert_eq!(clocks.agree(after(4)), Some(true), "there is nobody else");
        clocks.look(said(7, 0), after(5));
        assert_eq!(clocks.agree(after(5)), None, "another one has come");
        // Of an older version.
        let old = said(8, 0).unwrap().into_iter().map(|(name, owner)| (name, Owner { at: None, ..owner }));
        clocks.look(Some(old.collect()), after(6));
        assert_eq!(clocks.agree(after(6)), Some(true));
    }
}
