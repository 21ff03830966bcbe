//! Reading all files of a store at a bounded rate, to find those that are rotten before somebody needs them.

use std::time::{Duration, Instant};

use super::{Checked, Digest, Reading};
use crate::buffers::Buffer;
use crate::error::{Error, Kind, Result};
use crate::files::{EntryKind, Finding, Record, RelPath, Rot, Store, Unread};
use crate::limits;

/// What became of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Scrubbed {
    /// Files that were read and are as recorded.
    pub confirmed: u64,
    /// Files that were read and had no record. Those that are large enough and were left alone for a while have one now.
    pub unrecorded: u64,
    /// Files that are not what was stored.
    pub rotten: u64,
    /// Files that somebody changed or removed while they were read: the next time.
    pub changed: u64,
    /// Files and folders that could not be read.
    pub failed: u64,
    /// Bytes read.
    pub bytes: u64,
}

/// Why a file is not known to be right.
#[derive(Debug)]
pub enum Doubt {
    /// It is rotten.
    Rotten(Rot),
    /// It, or a folder, could not be read.
    Failed(Error),
}

/// So many bytes a second at most.
#[derive(Debug)]
pub struct Pace {
    rate: u64,
    since: Instant,
    spent: u64,
}

impl Pace {
    /// At most so many bytes a second; at least one.
    pub fn new(rate: u64) -> Pace {
        Pace { rate: rate.max(1), since: Instant::now(), spent: 0 }
    }

    /// Waits as long as reading so many bytes more must take.
    fn spend(&mut self, bytes: u64) {
        let now = Instant::now();
        let wait = self.wait(now, bytes);
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
    }

    fn wait(&mut self, now: Instant, bytes: u64) -> Duration {
        self.spent = self.spent.saturating_add(bytes);
        let due = Duration::try_from_secs_f64(self.spent as f64 / self.rate as f64).unwrap_or(Duration::MAX);
        let took = now.saturating_duration_since(self.since);
        if took > due.saturating_add(limits::SCRUB_CATCH_UP) {
            (self.since, self.spent) = (now, 0);
        }
        due.saturating_sub(took)
    }
}

/// Reads every file of this store and compares it with its record. Tells of each that is rotten or cannot be read as it is
/// found, by its path in the store.
///
/// # Errors
/// That the store cannot be listed at all.
pub fn scrub(store: &dyn Store, pace: &mut Pace, mut tell: impl FnMut(&[u8], Doubt)) -> Result<Scrubbed> {
    let mut scrubbed = Scrubbed::default();
    let mut listing = store.list(&RelPath::root(), true)?;
    while let Some(entry) = listing.next() {
        let entry = match entry {
            Ok(entry) if entry.kind == EntryKind::File => entry,
            Ok(_) => continue,
            Err(Unread { path, error }) => {
                scrubbed.failed += 1;
                tell(&path, Doubt::Failed(error));
                continue;
            }
        };
        let read = RelPath::parse(&entry.path).and_then(|path| read(store, &path, pace, &mut scrubbed.bytes));
        match read {
            Ok(Finding::Confirmed) => scrubbed.confirmed += 1,
            Ok(Finding::Unrecorded) => scrubbed.unrecorded += 1,
            Ok(Finding::Rotten(rot)) => {
                scrubbed.rotten += 1;
                tell(&entry.path, Doubt::Rotten(rot));
            }
            Err(error) if matches!(error.kind(), Kind::Torn | Kind::NotFound) => scrubbed.changed += 1,
            Err(error) => {
                scrubbed.failed += 1;
                tell(&entry.path, Doubt::Failed(error));
            }
        }
    }
    Ok(scrubbed)
}

fn read(store: &dyn Store, path: &RelPath, pace: &mut Pace, bytes: &mut u64) -> Result<Finding> {
    let source = store.open(path)?;
    if let Some(Record::Rotten(rot)) = source.record() {
        return Ok(Finding::Rotten(rot));
    }
    // What memory holds says nothing of the disk, and what is read once is not worth a place there.
    source.forget_cached();
    let mut reading = Reading::new(source, 0, None, Digest::Computed(Box::default()));
    let mut buffer = Buffer::take();
    loop {
        if reading.left() == 0 {
            match reading.check()? {
                Checked::NotYet => continue,
                Checked::Done(finding) => {
                    reading.source().forget_cached();
                    return Ok(finding);
                }
            }
        }
        let count = reading.read(buffer.room())? as u64;
        *bytes = bytes.saturating_add(count);
        pace.spend(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_waits_for_what_is_read_too_soon_and_does_not_hurry_after_a_pause() {
        let mut pace = Pace::new(100);
        let start = pace.since;
        assert_eq!(pace.wait(start, 50), Duration::from_millis(500));
        assert_eq!(pace.wait(start + Duration::from_millis(500), 50), Duration::from_millis(500));
        assert_eq!(pace.wait(start + Duration::from_millis(1500), 50), Duration::ZERO);
        let late = start + Duration::from_secs(60);
        assert_eq!(pace.wait(late, 10), Duration::ZERO);
        assert_eq!(pace.wait(late, 100), Duration::from_secs(1));
    }
}
