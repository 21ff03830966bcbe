//! What a home holds, counted in the background for a page: after a server's start that takes as long as there are files, and who only
//! looks waits for it no longer than a moment.

use std::collections::HashSet;
use std::sync::Arc;

use async_std::future::timeout;
use async_std::task::JoinHandle;

use crate::files::{Usage, UsageNow};
use crate::limits;
use crate::machine::source::Source;
use crate::machine::turns::Turns;
use crate::sync::Mutex;

/// Whose homes are being counted: one count at a time for each user, however many pages are looked at. Clones are the same.
#[derive(Clone, Default)]
pub struct Counts(Arc<Mutex<HashSet<String>>>);

/// A count that is under way, and goes on whether or not anybody waits for it.
pub struct Counting(JoinHandle<Option<Usage>>);

/// A user's place among those, until it is dropped.
struct Mine {
    counts: Counts,
    user: String,
}

impl Counts {
    /// Begins to count for this user, in a turn of this source, unless that is under way.
    pub fn begin(
        &self,
        user: &str,
        (turns, source): (&Arc<Turns>, &Source),
        counter: impl FnOnce() -> Option<Usage> + Send + 'static,
    ) -> Option<Counting> {
        if !self.0.lock().insert(user.to_owned()) {
            return None;
        }
        let mine = Mine { counts: self.clone(), user: user.to_owned() };
        let (turns, source) = (turns.clone(), source.clone());
        Some(Counting(async_std::task::spawn(async move {
            let _until_it_is_counted = mine;
            turns.run(&source, counter).await.ok().flatten()
        })))
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        self.counts.0.lock().remove(&self.user);
    }
}

impl Counting {
    /// What is used, if it is counted in a moment. What cannot be counted is not told.
    pub async fn awhile(self) -> UsageNow {
        timeout(limits::WEB_COUNT_WAIT, self.0).await.map_or(UsageNow::Uncounted, UsageNow::Known)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::mpsc::sync_channel;

    use async_std::task::block_on;

    use super::*;
    use crate::machine::turns::Places;

    #[test]
    fn one_count_at_a_time_goes_on_for_each_user_and_nobody_waits_for_long() {
        let turns = Turns::new("test", Places::of_sessions());
        let source = Source::from(IpAddr::from(Ipv4Addr::LOCALHOST));
        let (counts, at) = (Counts::default(), (&turns, &source));
        let used = |used| Some(Usage { used, limit: 10 });
        let (go, wait) = sync_channel::<()>(0);
        let (over, is_over) = sync_channel(1);
        let slow = move || {
            wait.recv().unwrap();
            over.send(()).unwrap();
            used(1)
        };
        let first = counts.begin("alice", at, slow).unwrap();
        assert!(counts.begin("alice", at, move || used(2)).is_none());
        let others = counts.begin("bob", at, move || used(3)).unwrap();
        assert_eq!(block_on(others.0), used(3));
        assert_eq!(block_on(first.awhile()), UsageNow::Uncounted);
        go.send(()).unwrap();
        is_over.recv().unwrap();
        let again = loop {
            // It is over, and told in a moment.
            if let Some(again) = counts.begin("alice", at, || None) {
                break again;
            }
            std::thread::yield_now();
        };
        assert_eq!(block_on(again.0), None);
    }
}
