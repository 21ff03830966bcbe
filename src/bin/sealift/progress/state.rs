//! How far a command's transfers are, and how fast they are just now.

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sealift::limits;

/// What is known of all transfers of a command.
#[derive(Debug, Default)]
pub struct State {
    /// Files that began and are not settled, oldest first.
    running: VecDeque<Running>,
    files: u64,
    files_expected: u64,
    bytes_expected: u64,
    /// Bytes of files that are done.
    finished: u64,
    /// Bytes of files that are settled.
    settled: u64,
    /// Bytes of files that are done which were there before this command.
    there: u64,
    /// What this command had begun to move when a connection was lost: what is there of that, it has moved itself.
    own: HashSet<PathBuf>,
    /// Bytes that were moved, as often as they were: what a rate is made of.
    moved: u64,
    /// Countings that go on.
    reading: u32,
    /// Parts of the work that are not even begun to be counted, and how many are left once the next one is.
    parts: u32,
    parts_after: u32,
    proving: Option<Running>,
    /// What a lost connection cut off, as far as it is kept, until something begins again.
    cut: Option<Running>,
    /// How much had been moved at earlier looks.
    looks: VecDeque<(Instant, u64)>,
}

/// A file on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The source's path.
    pub path: PathBuf,
    /// Its size, if that is known.
    pub size: Option<u64>,
    /// How much of it is there.
    pub at: u64,
    /// How much of it was there before this command.
    pub before: u64,
}

impl Running {
    /// Whether all its bytes are on the other side, and only the word is missing that they are kept.
    fn is_whole(&self) -> bool {
        self.size.is_some_and(|size| self.at >= size)
    }
}

/// What a command is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// What there is to do is being found out, and nothing moves yet.
    Reading,
    /// What the other side has is compared.
    Proving,
    /// Bytes move.
    Moving,
    /// All bytes are there; the word is missing that they are kept.
    Settling,
}

/// One look at a [`State`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// What it is at.
    pub phase: Phase,
    /// Bytes done.
    pub done: u64,
    /// Bytes in all, once they are known.
    pub total: Option<u64>,
    /// Bytes a second, over the last seconds.
    pub rate: u64,
    /// Files done.
    pub files: u64,
    /// Files in all, as far as they are counted.
    pub files_expected: u64,
    /// Whether more of them may be found.
    pub is_reading: bool,
    /// What bytes move of; what is being proven while that is done.
    pub running: Vec<Running>,
}

impl Look {
    /// The time that what is left takes at this rate.
    pub fn left(&self) -> Option<Duration> {
        let left = self.total?.saturating_sub(self.done);
        (self.rate > 0 && left > 0).then(|| Duration::from_secs(left.div_ceil(self.rate)))
    }

    /// Whether it is about one file alone.
    pub fn is_single(&self) -> bool {
        !self.is_reading && self.files_expected <= 1
    }
}

impl State {
    /// Something is counted, or has been.
    pub fn reading(&mut self, is_reading: bool) {
        match is_reading {
            true => {
                self.reading += 1;
                self.parts = self.parts_after;
            }
            false => self.reading = self.reading.saturating_sub(1),
        }
    }

    /// So many parts of the work are to be counted yet.
    pub fn parts_to_come(&mut self, parts: u32) {
        (self.parts, self.parts_after) = (parts, parts.saturating_sub(1));
    }

    /// The next part is about to be counted, and so many come after it.
    pub fn next_part(&mut self, parts_after: u32) {
        self.parts_after = parts_after;
    }

    /// So much more will come.
    pub fn expected(&mut self, files: u64, bytes: u64) {
        // A server may announce anything.
        self.files_expected = self.files_expected.saturating_add(files);
        self.bytes_expected = self.bytes_expected.saturating_add(bytes);
    }

    /// What is left is counted anew, from now on.
    pub fn starts_over(&mut self) {
        self.running.clear();
        (self.proving, self.cut) = (None, None);
        (self.files_expected, self.bytes_expected, self.reading) = (self.files, self.settled, 0);
        // Until it is begun to be counted, that is a part to come.
        self.parts_to_come(1);
    }

    /// A file begins.
    pub fn started(&mut self, path: &Path, size: Option<u64>) {
        self.proving = None;
        self.cut = None;
        self.running.push_back(Running { path: path.to_owned(), size, at: 0, before: 0 });
    }

    /// A file goes on from here.
    pub fn resumed(&mut self, path: &Path, from: u64) {
        if let Some(file) = self.find(path) {
            file.at = from;
            file.before = from;
        }
    }

    /// What is there of a file is compared.
    pub fn proving(&mut self, path: &Path, done: u64, of: u64) {
        self.cut = None;
        match &mut self.proving {
            Some(proving) if proving.path == path => proving.at = done,
            _ => self.proving = Some(Running { path: path.to_owned(), size: Some(of), at: done, before: 0 }),
        }
    }

    /// The connection was lost: what is not finished begins again, from where it goes on. So many bytes are kept of what was
    /// cut off.
    pub fn lost(&mut self, kept: u64) {
        let is_alone = self.running.len() == 1;
        self.own.extend(self.running.iter().map(|file| file.path.clone()));
        let cut = std::mem::take(&mut self.running).into_iter().find(|file| is_alone || (kept > 0 && file.at >= kept));
        // While it is tried again and again there is nothing new to be told.
        self.cut = cut.map(|file| Running { at: kept.min(file.at), ..file }).or(self.cut.take());
        self.proving = None;
    }

    /// Bytes of a file moved.
    pub fn progressed(&mut self, path: &Path, bytes: u64) {
        self.moved = self.moved.saturating_add(bytes);
        if let Some(file) = self.find(path) {
            file.at = file.at.saturating_add(bytes);
        }
    }

    /// A file is done, of this size.
    pub fn finished(&mut self, path: &Path, bytes: u64) {
        self.cut = None;
        self.files += 1;
        self.finished = self.finished.saturating_add(bytes);
        // The newest is the one that was done: an earlier one of the same path was begun in vain.
        let before = self.find(path).map_or(0, |file| file.before);
        if !self.own.remove(path) {
            self.there = self.there.saturating_add(before);
        }
        self.end(path);
        self.settled = self.settled.saturating_add(bytes);
    }

    /// Nothing more comes of a file. Its bytes count as done, or a bar would never be full.
    pub fn given_up(&mut self, path: &Path) {
        self.cut = None;
        if let Some(file) = self.end(path) {
            self.settled = self.settled.saturating_add(file.size.unwrap_or(file.at));
        }
    }

    /// A file of this size need not move.
    pub fn unchanged(&mut self, size: u64) {
        self.cut = None;
        self.proving = None;
        self.files_expected = self.files_expected.saturating_sub(1);
        self.settled = self.settled.saturating_add(size);
    }

    /// Files and bytes that are known of so far; more may come while trees are read.
    pub fn expectation(&self) -> (u64, u64) {
        (self.files_expected, self.bytes_expected)
    }

    /// Files done.
    pub fn files(&self) -> u64 {
        self.files
    }

    /// Bytes of the files done.
    pub fn finished_bytes(&self) -> u64 {
        self.finished
    }

    /// Bytes of the files done that were there before.
    pub fn there(&self) -> u64 {
        self.there
    }

    /// Bytes moved.
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// What there is to be seen now.
    pub fn look(&mut self, now: Instant) -> Look {
        let rate = self.rate(now);
        let all = || self.running.iter().chain(&self.cut);
        let known = all().map(|file| file.size.unwrap_or(file.at)).fold(self.settled, u64::saturating_add);
        let reached = |file: &Running| file.size.map_or(file.at, |size| size.min(file.at));
        let done = all().map(reached).fold(self.settled, u64::saturating_add);
        let is_reading = self.reading > 0 || self.parts > 0;
        let total = self.bytes_expected.max(known);
        // What comes out of a pipe has no size.
        let is_open = is_reading || total == 0 || all().any(|file| file.size.is_none());
        let (waiting, mut running): (Vec<_>, Vec<_>) = self.running.iter().cloned().partition(Running::is_whole);
        // While more files come their bytes wait for room, not for a word.
        let is_last = !is_reading && self.files + waiting.len() as u64 >= self.files_expected;
        let phase = match &self.proving {
            Some(_) if running.is_empty() => Phase::Proving,
            _ if running.is_empty() && !waiting.is_empty() && is_last => Phase::Settling,
            _ if is_reading && self.running.is_empty() => Phase::Reading,
            _ => Phase::Moving,
        };
        running.extend(self.cut.clone());
        if let (Phase::Proving, Some(proving)) = (phase, &self.proving) {
            running.push(proving.clone());
        }
        if let (Phase::Settling, Some(file)) = (phase, waiting.first()) {
            running.push(file.clone());
        }
        Look {
            phase,
            done,
            total: (!is_open).then_some(total),
            rate,
            files: self.files,
            files_expected: self.files_expected.max(self.files),
            is_reading,
            running,
        }
    }

    fn rate(&mut self, now: Instant) -> u64 {
        // The newest of those that are old enough is where the time begins.
        while self.looks.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= limits::PROGRESS_RATE_OVER) {
            self.looks.pop_front();
        }
        let rate = self.looks.front().map_or(0, |(at, moved)| {
            let millis = u64::try_from(now.duration_since(*at).as_millis()).unwrap_or(u64::MAX).max(1);
            self.moved.saturating_sub(*moved).saturating_mul(1000) / millis
        });
        self.looks.push_back((now, self.moved));
        rate
    }

    /// The newest that has this path: that is the one whose bytes move.
    fn find(&mut self, path: &Path) -> Option<&mut Running> {
        self.running.iter_mut().rev().find(|file| file.path == path)
    }

    fn end(&mut self, path: &Path) -> Option<Running> {
        let at = self.running.iter().position(|file| file.path == path)?;
        self.running.remove(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(state: &mut State) -> Look {
        state.look(Instant::now())
    }

    #[test]
    fn nothing_looks_full_while_it_is_being_counted() {
        let mut state = State::default();
        state.reading(true);
        assert_eq!((look(&mut state).phase, look(&mut state).total), (Phase::Reading, None));
        state.expected(1, 100);
        state.started(Path::new("a"), Some(100));
        state.progressed(Path::new("a"), 100);
        assert_eq!(look(&mut state).total, None, "more may be found");
        state.expected(9, 900);
        state.reading(false);
        let seen = look(&mut state);
        assert_eq!((seen.done, seen.total, seen.files_expected), (100, Some(1000), 10));
    }

    #[test]
    fn a_part_that_is_not_begun_to_be_counted_keeps_the_total_open() {
        let mut state = State::default();
        state.parts_to_come(2);
        for (after, total) in [(1, None), (0, Some(20))] {
            state.next_part(after);
            assert_eq!(look(&mut state).total, None);
            state.reading(true);
            state.expected(1, 10);
            state.reading(false);
            assert_eq!(look(&mut state).total, total);
        }
    }

    #[test]
    fn after_a_lost_line_the_total_stays_and_what_is_kept_counts() {
        let mut state = State::default();
        state.expected(2, 300);
        state.started(Path::new("a"), Some(100));
        state.progressed(Path::new("a"), 100);
        state.finished(Path::new("a"), 100);
        state.started(Path::new("b"), Some(200));
        state.progressed(Path::new("b"), 150);
        state.lost(120);
        let seen = look(&mut state);
        assert_eq!((seen.done, seen.total, seen.files_expected), (220, Some(300), 2));
        assert_eq!(
            (seen.phase, seen.running[0].path.as_path(), seen.running[0].at),
            (Phase::Moving, Path::new("b"), 120)
        );
        state.lost(120);
        assert_eq!(look(&mut state).done, 220, "it was tried once more");
        state.started(Path::new("b"), Some(200));
        state.resumed(Path::new("b"), 120);
        assert_eq!((look(&mut state).done, look(&mut state).total), (220, Some(300)));
        // A mirror counts anew what is left, when there is a line again.
        state.lost(0);
        assert_eq!((look(&mut state).total, look(&mut state).files_expected), (Some(300), 2));
        state.starts_over();
        assert_eq!(look(&mut state).total, None);
        state.reading(true);
        assert_eq!((look(&mut state).done, look(&mut state).total), (100, None));
        state.expected(1, 200);
        state.reading(false);
        assert_eq!((look(&mut state).total, look(&mut state).files_expected), (Some(300), 2));
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let (mut state, begun) = (State::default(), Instant::now());
        state.expected(1, 100_000);
        state.started(Path::new("a"), Some(100_000));
        let at = |secs| begun + Duration::from_secs(secs);
        state.look(at(0));
        for second in 1..=10 {
            state.progressed(Path::new("a"), 1000);
            let seen = state.look(at(second));
            assert_eq!((seen.rate, seen.left()), (1000, Some(Duration::from_secs(100 - second))));
        }
        for second in 11..=16 {
            state.look(at(second));
        }
        let stalled = state.look(at(17));
        assert_eq!((stalled.rate, stalled.left()), (0, None));
    }

    #[test]
    fn a_file_that_is_whole_is_not_the_last_phase_while_others_come() {
        let mut state = State::default();
        state.expected(2, 200);
        state.started(Path::new("a"), Some(100));
        state.progressed(Path::new("a"), 100);
        assert_eq!(look(&mut state).phase, Phase::Moving);
        state.started(Path::new("b"), Some(100));
        state.progressed(Path::new("b"), 100);
        assert_eq!(look(&mut state).phase, Phase::Settling);
    }

    #[test]
    fn phases_follow_from_what_runs() {
        let mut state = State::default();
        state.proving(Path::new("a"), 16, 64);
        let seen = look(&mut state);
        assert_eq!((seen.phase, seen.running.len()), (Phase::Proving, 1));
        state.started(Path::new("a"), Some(100));
        assert_eq!(look(&mut state).phase, Phase::Moving);
        state.progressed(Path::new("a"), 100);
        assert_eq!(look(&mut state).phase, Phase::Settling);
        state.started(Path::new("b"), Some(5));
        let seen = look(&mut state);
        assert_eq!((seen.phase, seen.running.len()), (Phase::Moving, 1), "a waits for its word");
        state.given_up(Path::new("b"));
        assert_eq!(look(&mut state).done, 105);
    }
}
