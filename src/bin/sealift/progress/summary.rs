//! What came of it all, in one line.

use std::time::Duration;

use sealift::client::Skip;
use sealift::client::mirror::Deletes;

use crate::format;

/// Fewer bytes than these say nothing of a line's speed.
const RATED: u64 = 1 << 20;

/// What a command has done, or would do.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// Files transferred.
    pub files: u64,
    /// Folders made or found.
    pub folders: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// How many of them were there already, of files that were gone on with.
    pub there: u64,
    /// Bytes moved in truth.
    pub moved: u64,
    /// How long it took; none if nothing was done.
    pub time: Option<Duration>,
    /// Files that were the same already.
    pub unchanged: u64,
    /// Links that were made.
    pub links: u64,
    /// Files of which only the mode was changed.
    pub modes: u64,
    /// What was removed.
    pub deleted: u64,
    /// Of a plan in which things are removed: what they are.
    pub deletes: Option<Deletes>,
    /// What was to be removed and was not.
    pub kept: u64,
    /// What was left out, and why.
    pub skipped: Skipped,
    /// What failed.
    pub failed: u64,
}

/// How many were left out for each reason, in the order in which the reasons came.
#[derive(Debug, Clone, Default)]
pub struct Skipped(Vec<(Skip, u64)>);

impl Skipped {
    /// One more; whether it is the first for this reason.
    pub fn add(&mut self, why: Skip) -> bool {
        match self.0.iter_mut().find(|(known, _)| *known == why) {
            Some((_, count)) => {
                *count += 1;
                false
            }
            None => {
                self.0.push((why, 1));
                true
            }
        }
    }

    /// How many folders were left out since whoever asks may not read them.
    pub fn unreadable(&self) -> u64 {
        let is_so = |why: &Skip| matches!(why, Skip::Unlistable | Skip::ListOnly);
        self.0.iter().filter(|(why, _)| is_so(why)).map(|(_, count)| count).sum()
    }

    /// In words, if there are any.
    pub fn words(&self) -> Option<String> {
        let all: u64 = self.0.iter().map(|(_, count)| count).sum();
        // Different reasons may have one word.
        let mut alike: Vec<(Skip, u64)> = Vec::new();
        for (why, count) in &self.0 {
            match alike.iter_mut().find(|(known, _)| known.word() == why.word()) {
                Some((_, sum)) => *sum += count,
                None => alike.push((*why, *count)),
            }
        }
        let one = |(why, count): &(Skip, u64)| {
            let word = if *count == 1 { why.word() } else { why.words_for_many() };
            if alike.len() == 1 { word.to_owned() } else { format!("{count} {word}") }
        };
        (all > 0).then(|| format!("{all} skipped ({})", alike.iter().map(one).collect::<Vec<_>>().join(", ")))
    }
}

impl Totals {
    /// `812 files, 1.2 GiB in 0.9 s, 1.3 GiB/s, verified; 3 unchanged; 1 skipped (link)`.
    pub fn words(&self) -> String {
        let mut words = format::count(self.files, "file");
        if self.folders > 0 {
            words += &format!(", {}", format::count(self.folders, "folder"));
        }
        match self.time {
            None => words += &format!(", {}", format::size(self.bytes)),
            Some(time) => {
                let there = match self.there {
                    0 => String::new(),
                    there => format!(" (of that {} were there already)", format::size(there)),
                };
                words += &format!(", {}{there} in {}", format::size(self.bytes), spent(time));
                // What failed on its way was moved for nothing.
                let moved = self.moved.min(self.bytes.saturating_sub(self.there));
                if self.files > 0 && moved >= RATED {
                    words += &format!(", {}", format::rate(moved, time));
                }
                if self.files > 0 {
                    words += ", verified";
                }
            }
        }
        if self.links > 0 {
            words += &format!("; {}", format::count(self.links, "link"));
        }
        let count = |count: u64, word: &str| (count > 0).then(|| format!("{count} {word}"));
        let more = [
            count(self.unchanged, "unchanged"),
            count(self.modes, "changed in mode"),
            match &self.deletes {
                Some(deletes) => Some(self.deletes_in_words(deletes)),
                None => count(self.deleted, "deleted"),
            },
            count(self.kept, "kept"),
            self.skipped.words(),
            count(self.failed, "failed"),
        ];
        more.into_iter().flatten().for_each(|more| words += &format!("; {more}"));
        words
    }

    /// `3 deleted (2 files, 1 folder, 1.2 KiB)`.
    fn deletes_in_words(&self, deletes: &Deletes) -> String {
        if self.deleted == 0 {
            return "nothing deleted".to_owned();
        }
        let counts = [(deletes.files, "file"), (deletes.folders, "folder")];
        let counts =
            counts.into_iter().filter(|(number, _)| *number > 0).map(|(number, one)| format::count(number, one));
        let bytes = (deletes.files > 0).then(|| format::size(deletes.bytes));
        format!("{} deleted ({})", self.deleted, counts.chain(bytes).collect::<Vec<_>>().join(", "))
    }
}

/// Milliseconds where tenths of a second would be nothing.
fn spent(time: Duration) -> String {
    match time.as_millis() {
        0 => "1 ms".to_owned(),
        millis @ 1..100 => format!("{millis} ms"),
        _ => format::duration(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_what_came_and_what_did_not() {
        let time = Some(Duration::from_millis(900));
        let bytes = 1_288_490_188;
        let all = Totals { files: 812, bytes, moved: bytes, time, unchanged: 3, ..Totals::default() };
        let mut skipped = Skipped::default();
        skipped.add(Skip::Link);
        let totals = Totals { skipped: skipped.clone(), ..all.clone() };
        assert_eq!(totals.words(), "812 files, 1.2 GiB in 0.9 s, 1.3 GiB/s, verified; 3 unchanged; 1 skipped (link)");
        skipped.add(Skip::Link);
        assert!(Totals { skipped: skipped.clone(), ..all.clone() }.words().ends_with("; 2 skipped (links)"));
        skipped.add(Skip::Exists);
        let rest = Totals { deleted: 2, kept: 1, skipped, failed: 1, ..Totals::default() };
        assert_eq!(rest.words(), "0 files, 0 B; 2 deleted; 1 kept; 3 skipped (2 links, 1 there already); 1 failed");
    }

    #[test]
    fn a_tiny_transfer_has_no_rate() {
        let tiny = Totals { files: 1, bytes: 6, moved: 6, time: Some(Duration::from_micros(300)), ..Totals::default() };
        assert_eq!(tiny.words(), "1 file, 6 B in 1 ms, verified");
        let none = Totals { time: Some(Duration::from_millis(42)), unchanged: 9, ..Totals::default() };
        assert_eq!(none.words(), "0 files, 0 B in 42 ms; 9 unchanged");
        let failed = Totals { moved: 50 << 20, failed: 28, unchanged: 0, ..none };
        assert_eq!(failed.words(), "0 files, 0 B in 42 ms; 28 failed");
        let gone_on = Totals {
            bytes: 668 << 20,
            moved: 585 << 20,
            there: 83 << 20,
            time: Some(Duration::from_secs(4)),
            ..tiny.clone()
        };
        assert_eq!(
            gone_on.words(),
            "1 file, 668 MiB (of that 83 MiB were there already) in 4.0 s, 146 MiB/s, verified"
        );
        let in_folders = Totals { files: 2, folders: 1, bytes: 6, ..tiny };
        assert_eq!(in_folders.words(), "2 files, 1 folder, 6 B in 1 ms, verified");
    }
}
